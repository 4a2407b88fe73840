"""GraphQL over HTTP: from a request to an operation, and from its result to bytes."""

from __future__ import annotations

import asyncio
import ipaddress
import json
import math
import re
import time
from collections.abc import Mapping
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any, cast
from urllib.parse import unquote_plus

import orjson
import structlog
from graphql import GraphQLError, OperationType
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send
from strawberry.federation import Schema
from strawberry.federation.schema import FederationAny
from strawberry.types import Info
from strawberry.types.execution import ExecutionContext

from execution.extension import Operations
from gateway.answering import GatewayContext, GivenDocument, answer
from gateway.crosssite import refuse_cross_site
from gateway.documents import Persisted
from gateway.entities import resolved
from gateway.identity import NotAllowed, NotAuthenticated, NotNow
from gateway.preparing import Documents, shortened
from gateway.protocol import JSON, Asked, Refused, RequestError, answered_as, not_allowed, read, status_of, was_run
from gateway.runtime import Runtime
from gateway.telemetry import request as request_id
from resolvers.api import build_api
from resolvers.errors import TooMany
from schema.access import INTROSPECTION
from schema.actions import Viewer

_log = structlog.get_logger(__name__)

#: Set for one request by the sandbox's `X-Sandbox-Now`; aware.
moved_clock: ContextVar[datetime | None] = ContextVar("moved_clock", default=None)

#: The header in which a trusted backend tells the network address of the person it speaks for.
END_USER = "x-end-user-address"

_ADDRESS = re.compile(r"[^\s@\"'{}()]+@[^\s@\"'{}()]+\.[A-Za-z]")

_NOT_STORED = (b"cache-control", b"no-store")

_LANGUAGE = re.compile(r"\s*([A-Za-z]{2,3})(?:[-_]([A-Za-z]{4}))?(?:[-_]([A-Za-z]{2}|[0-9]{3}))?\b")


class Api(Schema):
    """The schema; its errors are logged once, where they are presented, with the request's id."""

    def process_errors(self, errors: list[GraphQLError], execution_context: ExecutionContext | None = None) -> None:
        return None

    def entities_resolver(self, info: Info, representations: list[FederationAny]) -> list[FederationAny]:
        return cast("list[FederationAny]", [resolved(self, info, one) for one in representations])


class GraphQLView:
    """The one endpoint."""

    def __init__(self, runtime: Runtime) -> None:
        settings = runtime.settings
        self.runtime = runtime
        self.schema = build_api(Api, extensions=[GivenDocument])
        self.operations = Operations(self.schema, ahead=True)
        self.documents = Documents(self.schema._schema, settings.limits, self.operations)
        self.persisted = Persisted(settings.documents.manifests, settings.documents.only)
        #: Seconds after which an answer is given up: an action and the reads for its payload have ended by then.
        self._most_seconds = settings.deadlines.request_seconds + settings.deadlines.store_seconds + 1

    async def prepare_trusted(self) -> None:
        """Parse, validate and compile the trusted documents before anybody asks for them."""
        await self.documents.prepare_ahead(self.persisted.trusted)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        with request_id(request.headers.get("x-request-id")) as id:
            scope["aftersale.request_id"] = id
            media = answered_as(request.headers.get("accept"))
            try:
                response = await self._answer(request, id, media)
            except ClientDisconnect:
                return
            except Refused as error:
                response = failure(error.status, str(error), error.code, error.headers, media or JSON)
            except Exception as error:  # a mistake of ours, outside of any resolver
                _log.error("request_failed", exc_info=error)
                words = "Something went wrong here; it has been logged."
                response = failure(500, words, "INTERNAL_ERROR", media=media or JSON, requestId=id)
            response.raw_headers += [(b"x-request-id", id.encode()), _NOT_STORED]
            await response(scope, receive, send)

    async def _answer(self, request: Request, id: str, media: str | None) -> Response:
        started = time.perf_counter()
        if media is None:
            raise Refused(406, "answers are application/graphql-response+json or application/json", "NOT_ACCEPTABLE")
        self._refuse_address(request)
        viewer = await self._viewer(request)  # of whoever is not known, or asks too often, nothing more is read
        asked = await self._read(request)
        context = GatewayContext(
            self.runtime.services,
            viewer,
            moved_clock.get() or datetime.now(UTC),
            id,
            locale=_locale(request.headers.get("accept-language")),
            end_user=_end_user(request, viewer),
        )
        context.runtime = self.runtime
        context.open_schema = not self.runtime.settings.production or may_know_the_schema(viewer)
        try:
            return await self._run(asked, context, media)
        except RequestError as error:
            self.runtime.telemetry.request_finished(None, "error", time.perf_counter() - started)
            errors = shortened(error.errors, self.runtime.settings.limits.errors)
            status = error.status or status_of(media, ran=False)
            return _written({"errors": [one.formatted for one in errors]}, status, media)

    async def _viewer(self, request: Request) -> Viewer:
        try:
            viewer = await self.runtime.identity.viewer(request.headers.getlist("authorization"))
            await self.runtime.rates.request(viewer)
        except NotAuthenticated as error:
            raise Refused(401, str(error), "UNAUTHENTICATED", {"www-authenticate": "Bearer"}) from None
        except NotAllowed as error:
            raise Refused(403, str(error), "FORBIDDEN") from None
        except NotNow as error:
            raise Refused(503, str(error), "UNAVAILABLE", {"retry-after": "5"}) from None
        except TooMany as error:
            seconds = str(math.ceil(error.retry_after))
            raise Refused(429, str(error), "RATE_LIMITED", {"retry-after": seconds}) from None
        return viewer

    def _refuse_address(self, request: Request) -> None:
        """Refuse what another site could have caused, and personal data where it would be logged."""
        settings = self.runtime.settings
        refuse_cross_site(request.method, request.headers, settings.server.origins, strict=settings.production)
        in_address = request.scope["query_string"]
        if in_address and _ADDRESS.search(unquote_plus(in_address.decode("latin-1"))):
            raise Refused(400, "an e-mail address does not belong in an address: send it by POST", "BAD_REQUEST")

    async def _read(self, request: Request) -> Asked:
        """The request, its body within its limit of size and time."""
        settings = self.runtime.settings
        if request.method != "POST":
            return read(request.method, request.headers, request.scope["query_string"], b"")
        most = settings.limits.request_bytes
        too_large = Refused(413, f"the request is larger than {most} bytes", "REQUEST_TOO_LARGE")
        length = request.headers.get("content-length", "")
        if length.isdecimal() and (len(length) > 15 or int(length) > most):
            raise too_large
        body = bytearray()
        try:
            async with asyncio.timeout(settings.deadlines.request_seconds):
                async for piece in request.stream():
                    body += piece
                    if len(body) > most:
                        raise too_large
        except TimeoutError:
            words = "the request took too long to arrive"
            raise Refused(408, words, "REQUEST_TIMEOUT", {"connection": "close"}) from None
        return read(request.method, request.headers, b"", bytes(body))

    async def _run(self, asked: Asked, context: GatewayContext, media: str) -> Response:
        text, digest = self.persisted.text(asked, context.viewer.client)
        caller = (context.viewer.client, context.viewer.customer_email)
        context.prepared = await self.documents.prepare(text, suggest=context.open_schema, caller=caller)
        if context.prepared.introspects and not may_know_the_schema(context.viewer):
            raise RequestError.of(f"this token lacks the scope {INTROSPECTION}", "FORBIDDEN", status=403)
        operation = context.prepared.operation(asked.operation_name)
        if operation.operation is not OperationType.QUERY and not asked.by_post:
            raise not_allowed("only a query may be asked by GET: use POST", "POST")
        self.documents.check_request(context.prepared, operation, asked.variables)
        if digest is not None:
            self.persisted.keep(digest, text)
        name = operation.name.value if operation.name else None
        try:
            async with asyncio.timeout(self._most_seconds):
                result = await answer(self.schema, self.operations, text, name, asked.variables, context)
        except TimeoutError:
            words = "the answer took too long and was given up; an action that was begun goes on"
            raise RequestError.of(words, "TIMEOUT", status=504) from None
        if operation.operation is OperationType.QUERY and not result.errors:
            context.end()  # after an error something may still run, of which nobody waits for the end
        told: dict[str, Any] = {}
        if ran := was_run(result.data, result.errors):
            told["data"] = result.data
        if result.errors:
            told["errors"] = [error.formatted for error in result.errors]
        if result.extensions:
            told["extensions"] = result.extensions
        status, headers = _status(told, status_of(media, ran=ran))
        return _written(told, status, media, headers)


def may_know_the_schema(viewer: Viewer) -> bool:
    """Whether a caller may introspect; in production also who may open GraphiQL and is told words of the schema."""
    return INTROSPECTION in viewer.scopes


def _status(answer: Mapping[str, Any], usual: int) -> tuple[int, dict[str, str]]:
    """An operation of which nothing was allowed, or nothing now, says so in its status too."""
    if answer.get("data") is None:
        told = [error.get("extensions", {}) for error in answer.get("errors", ())]
        codes = {each.get("code") for each in told}
        if codes == {"FORBIDDEN"}:
            return 403, {}
        if codes == {"RATE_LIMITED"}:
            return 429, {"retry-after": str(max(each["retryAfterSeconds"] for each in told))}
    return usual, {}


def _written(answer: Mapping[str, Any], status: int, media: str, headers: Mapping[str, str] | None = None) -> Response:
    try:
        body = orjson.dumps(answer)
    except TypeError:  # such as a platform's whole number beyond 64 bits
        body = json.dumps(answer, allow_nan=False).encode()
    return Response(body, status, {**(headers or {}), "content-type": f"{media}; charset=utf-8"})


def failure(
    status: int,
    message: str,
    code: str,
    headers: Mapping[str, str] | None = None,
    media: str = JSON,
    **extensions: Any,
) -> Response:
    """An answer to what is not a GraphQL operation at all, in GraphQL's own shape."""
    answer = {"errors": [{"message": message, "extensions": {"code": code, **extensions}}]}
    return _written(answer, status, media, headers)


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
    """The first language a client asks for, as babel writes it: `de`, `pt_BR`; nothing where it asks for none."""
    match = _LANGUAGE.match(accept_language or "")
    if match is None or not match[1]:
        return ""
    return match[1].lower() + (f"_{match[3].upper()}" if match[3] else "")


__all__ = ["GraphQLView", "failure", "may_know_the_schema", "moved_clock"]
