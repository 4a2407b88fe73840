"""GraphQL over HTTP: from a request to an operation, and from its result to bytes."""

from __future__ import annotations

import ipaddress
import math
import re
import time
from collections.abc import Iterator, Mapping
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any, cast
from urllib.parse import unquote_plus

import orjson
import structlog
from cross_web import HTTPException
from graphql import DocumentNode, FieldNode, GraphQLError, GraphQLUnionType, OperationDefinitionNode, Visitor, visit
from graphql import ExecutionResult as GraphQLExecutionResult
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send
from strawberry.asgi import GraphQL
from strawberry.extensions import MaxTokensLimiter, ParserCache, QueryDepthLimiter, SchemaExtension, ValidationCache
from strawberry.federation import Schema
from strawberry.federation.schema import FederationAny
from strawberry.http import GraphQLHTTPResponse
from strawberry.types import Info
from strawberry.types.execution import ExecutionContext
from strawberry.types.execution import ExecutionResult as StrawberryExecutionResult

from gateway.identity import NotAllowed, NotAuthenticated, NotNow
from gateway.runtime import Runtime
from gateway.settings import Limits
from gateway.telemetry import request as request_id
from platforms.transport import UpstreamCall, upstream_log
from resolvers.api import build_api
from resolvers.context import RequestContext
from resolvers.errors import BadArgument, TooMany, is_ours, presented, without_repeats
from schema.access import INTROSPECTION, Forbidden
from schema.actions import Viewer
from schema.vocabulary import ProblemCode

_log = structlog.get_logger(__name__)

#: Set for one request by the sandbox's `X-Sandbox-Now`; aware.
moved_clock: ContextVar[datetime | None] = ContextVar("moved_clock", default=None)

#: The header in which a trusted backend tells the network address of the person it speaks for.
END_USER = "x-end-user-address"

_ADDRESS = re.compile(r"[^\s@\"'{}()]+@[^\s@\"'{}()]+\.[A-Za-z]")
_SCHEMA_FIELD = re.compile(r"__(?:schema|type)\b")

#: Documents that are kept parsed and validated.
_KEPT_DOCUMENTS = 512

_LANGUAGE = re.compile(r"\s*([A-Za-z]{2,3})(?:[-_]([A-Za-z]{4}))?(?:[-_]([A-Za-z]{2}|[0-9]{3}))?\b")


def _as_input(error: GraphQLError) -> None:
    error.extensions = error.extensions or {"code": ProblemCode.INVALID_INPUT.value}


class Presented(SchemaExtension):
    """What a client reads of an operation: errors in its words, and for staff the upstream calls it took."""

    def on_operation(self) -> Iterator[None]:
        started = time.perf_counter()
        calls: list[UpstreamCall] = []
        self.calls = calls
        token = upstream_log.set(calls)
        context: GatewayContext = self.execution_context.context
        troubled = True
        try:
            yield
            troubled = self._troubled(context.request_id)
        except GraphQLError as error:  # the parser's own: the document never ran
            _as_input(error)
            raise
        finally:
            upstream_log.reset(token)
            context.runtime.telemetry.request_finished(
                self._operation_name(), "error" if troubled else "ok", time.perf_counter() - started
            )

    def _troubled(self, id: str) -> bool:
        """Puts what went wrong into a client's words; whether anything did."""
        result = self.execution_context.result
        if isinstance(result, GraphQLExecutionResult | StrawberryExecutionResult) and result.errors:
            result.errors = self._presented(result.errors, id)
            return True
        refused = self.execution_context.pre_execution_errors or []
        for error in refused:
            _as_input(error)
        return bool(refused)

    def _operation_name(self) -> str | None:
        try:
            return self.execution_context.operation_name
        except Exception:  # a document without a readable operation has no name
            return None

    @staticmethod
    def _presented(errors: list[GraphQLError], id: str) -> list[GraphQLError]:
        for error in errors:
            if is_ours(error):
                _log.error("resolver_failed", path=error.path, exc_info=error.original_error)
        return without_repeats([presented(error, id) for error in errors])

    def get_results(self) -> dict[str, Any]:
        context: GatewayContext = self.execution_context.context
        if not context.is_staff or not getattr(self, "calls", None):
            return {}
        began = min(call.started for call in self.calls)
        return {"upstream": [_call(call, began) for call in self.calls]}


def _call(call: UpstreamCall, began: float) -> dict[str, Any]:
    return {
        "store": call.store,
        "operation": call.operation,
        "outcome": call.outcome,
        "status": call.status,
        "afterMilliseconds": round((call.started - began) * 1000, 1),
        "milliseconds": round(call.milliseconds, 1),
    }


class OneOperation(SchemaExtension):
    """Of several operations in a document the one to run must be named, or a write could hide behind a read."""

    def on_validate(self) -> Iterator[None]:
        context = self.execution_context
        document = context.graphql_document
        found = document.definitions if document is not None and context._provided_operation_name is None else ()
        if sum(isinstance(one, OperationDefinitionNode) for one in found) > 1:
            error = GraphQLError("The document holds several operations: name the one to run in `operationName`.")
            context.pre_execution_errors = [*(context.pre_execution_errors or ()), error]
        yield


class Introspection(SchemaExtension):
    """Who may ask for the schema itself: `@requiresScopes` has no place on fields that GraphQL brings along."""

    def on_execute(self) -> Iterator[None]:
        execution = self.execution_context
        context: GatewayContext = execution.context
        document = execution.graphql_document
        if (
            INTROSPECTION not in context.viewer.scopes
            and document is not None
            and _introspects(execution.query, document)
        ):
            refused = Forbidden(f"this token lacks the scope {INTROSPECTION}")
            execution.result = GraphQLExecutionResult(
                data=None, errors=[GraphQLError(str(refused), original_error=refused)]
            )
        yield


def _introspects(text: str | None, document: DocumentNode) -> bool:
    if text is not None and not _SCHEMA_FIELD.search(text):
        return False
    found = False

    class Fields(Visitor):
        def enter_field(self, node: FieldNode, *_: object) -> None:
            nonlocal found
            found = found or node.name.value in ("__schema", "__type")

    visit(document, Fields())
    return found


class GatewayContext(RequestContext):
    """A request's context, with the process behind it."""

    runtime: Runtime


class Api(Schema):
    """The schema; its errors are logged once, by `Presented`, with the request's id."""

    def process_errors(self, errors: list[GraphQLError], execution_context: ExecutionContext | None = None) -> None:
        return None

    def entities_resolver(self, info: Info, representations: list[FederationAny]) -> list[FederationAny]:
        known = [type_.name for type_ in cast("GraphQLUnionType", self._schema.type_map["_Entity"]).types]
        for found in cast("list[dict[str, object]]", representations):
            if found.get("__typename") not in known or not isinstance(found.get("id"), str):
                names = ", ".join(sorted(known))
                raise BadArgument("representations", f"each needs its id, and a __typename that is one of {names}")
        return super().entities_resolver(info, representations)


def served_api(limits: Limits) -> Schema:
    """The schema with what every request passes through."""
    return build_api(
        Api,
        extensions=[
            lambda: MaxTokensLimiter(max_token_count=limits.query_tokens),
            lambda: QueryDepthLimiter(max_depth=limits.query_depth),
            lambda: ParserCache(maxsize=_KEPT_DOCUMENTS),
            lambda: ValidationCache(maxsize=_KEPT_DOCUMENTS),
            OneOperation,
            Presented,
            Introspection,
        ],
    )


class GraphQLView(GraphQL[GatewayContext, None]):
    """The one endpoint."""

    def __init__(self, runtime: Runtime) -> None:
        super().__init__(served_api(runtime.settings.limits), graphql_ide=None)
        self.runtime = runtime

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await super().__call__(scope, receive, send)
            return
        request = Request(scope, receive)
        with request_id(request.headers.get("x-request-id")) as id:
            scope["aftersale.request_id"] = id
            response = await self._answer(request, id)
            response.headers["x-request-id"] = id
            response.headers["cache-control"] = "no-store"
            await response(scope, receive, send)

    async def _answer(self, request: Request, id: str) -> Response:
        most = self.runtime.settings.limits.request_bytes
        length = request.headers.get("content-length", "")
        if length.isdigit() and int(length) > most:
            return failure(413, f"the request is larger than {most} bytes", "REQUEST_TOO_LARGE")
        body = b""
        async for piece in request.stream():
            body += piece
            if len(body) > most:
                return failure(413, f"the request is larger than {most} bytes", "REQUEST_TOO_LARGE")
        request._body = body
        if request.method == "GET" and not request.query_params.get("query"):
            return failure(
                400, "a GET needs a `query` in its address; with a POST it stands in the body", "BAD_REQUEST"
            )
        if request.method == "GET" and _ADDRESS.search(unquote_plus(request.url.query)):
            return failure(
                400, "an e-mail address does not belong in an address: send the query by POST", "BAD_REQUEST"
            )
        try:
            viewer = await self.runtime.identity.viewer(request.headers.getlist("authorization"))
            await self.runtime.rates.request(viewer)
        except NotAuthenticated as error:
            return failure(401, str(error), "UNAUTHENTICATED", {"www-authenticate": "Bearer"})
        except NotAllowed as error:
            return failure(403, str(error), "FORBIDDEN")
        except NotNow as error:
            return failure(503, str(error), "UNAVAILABLE", {"retry-after": "5"})
        except TooMany as error:
            return failure(429, str(error), "RATE_LIMITED", {"retry-after": str(math.ceil(error.retry_after))})
        context = GatewayContext(
            self.runtime.services,
            viewer,
            moved_clock.get() or datetime.now(UTC),
            id,
            locale=_locale(request.headers.get("accept-language")),
            end_user=_end_user(request, viewer),
        )
        context.runtime = self.runtime
        try:
            return await self.run(request, context=context)
        except HTTPException as error:
            return failure(error.status_code, error.reason, "BAD_REQUEST")

    def parse_json(self, data: str | bytes) -> Any:
        found = super().parse_json(data)
        if isinstance(found, str | int | float):
            raise HTTPException(400, "The body must be a JSON object with a `query`.")
        return found

    def create_response(
        self, response_data: GraphQLHTTPResponse | list[GraphQLHTTPResponse], sub_response: Response
    ) -> Response:
        response = super().create_response(response_data, sub_response)
        if isinstance(response_data, dict) and response_data.get("data") is None:
            errors = cast("list[dict[str, Any]]", response_data.get("errors") or [])
            told = [error.get("extensions", {}) for error in errors]
            codes = {each.get("code") for each in told}
            if codes == {"FORBIDDEN"}:
                response.status_code = 403
            elif codes == {"RATE_LIMITED"}:
                response.status_code = 429
                response.headers["retry-after"] = str(max(each["retryAfterSeconds"] for each in told))
        return response

    def encode_json(self, data: object) -> bytes:
        return orjson.dumps(data, default=_encode)


def _encode(value: object) -> object:
    raise TypeError(f"{type(value).__name__} cannot be written as JSON")


def failure(status: int, message: str, code: str, headers: Mapping[str, str] | None = None) -> Response:
    """An answer to what is not a GraphQL operation at all, in GraphQL's own shape."""
    return JSONResponse(
        {"errors": [{"message": message, "extensions": {"code": code}}]},
        status_code=status,
        headers=dict(headers or {}),
    )


def _end_user(request: Request, viewer: Viewer) -> str | None:
    """The person's network address, as a backend with a key of its own tells it; nobody else's word counts."""
    told = request.headers.get(END_USER)
    if told is None or viewer.customer_email is not None or not viewer.made_by:
        return None
    try:
        return str(ipaddress.ip_address(told.strip()))
    except ValueError:
        return None


def _locale(accept_language: str | None) -> str:
    """The first language a client asks for, as babel writes it: `de`, `pt_BR`; English where it asks for none."""
    match = _LANGUAGE.match(accept_language or "")
    if match is None or not match[1]:
        return "en"
    return match[1].lower() + (f"_{match[3].upper()}" if match[3] else "")


__all__ = ["GraphQLView", "failure", "moved_clock", "served_api"]
