"""An operation as its client reads it: what it answers, errors in the client's words, and for staff the upstream calls
that it took."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import structlog
from graphql import GraphQLError
from strawberry.extensions import SchemaExtension
from strawberry.federation import Schema

from execution.extension import Operations
from gateway.preparing import Prepared, shortened, without_suggestion
from gateway.runtime import Runtime
from gateway.telemetry import strike
from platforms.transport import UpstreamCall, upstream_log
from resolvers.context import RequestContext
from resolvers.errors import is_ours, presented, without_repeats

_log = structlog.get_logger(__name__)


class GatewayContext(RequestContext):
    """A request's context, with the process behind it."""

    runtime: Runtime
    prepared: Prepared
    #: Whether this caller may know the schema.
    open_schema: bool


class GivenDocument(SchemaExtension):
    """Hands over the document that was prepared: nothing is parsed or validated twice."""

    def on_operation(self) -> Iterator[None]:
        self.execution_context.graphql_document = self.execution_context.context.prepared.document
        self.execution_context.pre_execution_errors = []
        yield


@dataclass(slots=True)
class Answer:
    """What came of an operation."""

    data: Any
    errors: Sequence[GraphQLError] | None
    extensions: dict[str, Any] | None = None


async def answer(
    schema: Schema,
    operations: Operations,
    text: str,
    name: str | None,
    variables: dict[str, Any],
    context: GatewayContext,
) -> Answer:
    """Run the operation of the context's prepared document: as it was compiled, else as the schema runs it."""
    started = time.perf_counter()
    calls: list[UpstreamCall] = []
    token = upstream_log.set(calls)
    troubled = True
    try:
        found = await _ran(schema, operations, text, name, variables, context)
        if found.errors:
            found.errors = _presented(found.errors, context)
        troubled = bool(found.errors)
    finally:
        upstream_log.reset(token)
        context.runtime.telemetry.request_finished(name, "error" if troubled else "ok", time.perf_counter() - started)
    if calls and context.is_staff:
        began = min(call.started for call in calls)
        found.extensions = {**(found.extensions or {}), "upstream": [_call(call, began) for call in calls]}
    return found


async def _ran(
    schema: Schema,
    operations: Operations,
    text: str,
    name: str | None,
    variables: dict[str, Any],
    context: GatewayContext,
) -> Answer:
    try:
        ran = await operations.answer(text, name, context.prepared.document, variables, context)
    except Exception as error:  # a mistake of ours, told as those of resolvers are
        return Answer(None, [GraphQLError(str(error), original_error=error)])
    if ran is not None:
        return Answer(ran.data, ran.errors)
    result = await schema.execute(text, variable_values=variables, context_value=context, operation_name=name)
    return Answer(result.data, result.errors, result.extensions)


def _presented(errors: Sequence[GraphQLError], context: GatewayContext) -> list[GraphQLError]:
    for error in errors:
        if is_ours(error):
            _log.error("resolver_failed", path=error.path, exc_info=error.original_error)
    found = without_repeats([presented(error, context.request_id) for error in errors])
    for error in found:
        if error.path is None:  # it quotes the document or its variables, which may hold anything
            error.message = strike(error.message)
    if not context.open_schema:
        found = [without_suggestion(error) for error in found]
    return shortened(found, context.runtime.settings.limits.errors)


def _call(call: UpstreamCall, began: float) -> dict[str, Any]:
    return {
        "store": call.store,
        "operation": call.operation,
        "outcome": call.outcome,
        "status": call.status,
        "afterMilliseconds": round((call.started - began) * 1000, 1),
        "milliseconds": round(call.milliseconds, 1),
    }
