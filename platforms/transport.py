"""How one call reaches a store over HTTP and comes back; the only module that knows aiohttp."""

from __future__ import annotations

import asyncio
import random
import re
import socket
import ssl
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from types import MappingProxyType, SimpleNamespace
from typing import Final, Protocol, TypeVar, overload
from urllib.parse import quote, unquote, urlencode, urlsplit

import aiohttp
import structlog
from aiohttp.abc import AbstractResolver, ResolveResult
from multidict import CIMultiDict
from opentelemetry import trace
from yarl import URL

from platforms.addresses import AddressRefused, check_base_url, is_public
from platforms.budget import Budget, BudgetSnapshot, background
from platforms.circuit import Circuit, Result
from platforms.errors import (
    CircuitOpen,
    DeadlineExceeded,
    Native,
    OutcomeUnknown,
    PlatformError,
    Refused,
    Throttled,
    Unavailable,
    Unreadable,
)
from schema.vocabulary import HealthStatus

__all__ = [
    "AddressRefused",
    "Budget",
    "BudgetSnapshot",
    "Call",
    "Health",
    "Judge",
    "Limits",
    "Observer",
    "Reply",
    "Transport",
    "UpstreamCall",
    "background",
    "deadline",
    "retry_after_seconds",
    "store_deadline",
    "upstream_log",
]

T = TypeVar("T")

_NOTHING: Final[Mapping[str, str]] = MappingProxyType({})
_FORBIDDEN = re.compile(r"[?#\\\s\x00-\x1f\x7f]|://")


@dataclass(frozen=True, slots=True)
class Call:
    """One request to a store, before host and credentials of the connection are known."""

    #: Low-cardinality name for logs, metrics and spans: "orders.list".
    operation: str
    method: str
    #: Joined to the store's base URL. Percent-encoding is the caller's; no scheme, host, query or "..".
    path: str
    #: Encoded here (RFC 3986), in this order.
    query: Sequence[tuple[str, str]] = ()
    headers: Mapping[str, str] = field(default_factory=lambda: _NOTHING)
    body: bytes | None = None
    #: A write is never sent again unless the platform surely did not run it.
    writes: bool = False
    #: Points asked of the store's budget.
    cost: float = 1.0

    def __post_init__(self) -> None:
        segments = [unquote(segment) for segment in self.path.split("/")]
        if _FORBIDDEN.search(self.path) or self.path.startswith("//") or ".." in segments or "." in segments:
            raise ValueError(f"{self.operation}: the path of a call may not leave the store's address")


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back: header names in lower case, the body decompressed and at most `Limits.max_body` bytes."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    #: Set by a judge (`dataclasses.replace`) that wants this reply returned although its status says failure.
    accepted: bool = False


#: An adapter's own reading of a reply, asked first, whatever the status: returns the reply, or raises the
#: `PlatformError` it means (`Throttled` for a 200 that says so, with `retry_after` where known). It may call
#: `Budget.report`. What it lets pass is then judged by status.
Judge = Callable[[Reply], Reply]


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of one store. Times in seconds, sizes in bytes."""

    #: From dialling to a usable connection, TLS included.
    connect: float = 5.0
    #: Between two pieces of an answer, and before the first.
    read: float = 15.0
    #: One attempt from start to the last byte; the wait for a free connection included.
    whole: float = 30.0
    #: Attempts after the first.
    retries: int = 2
    #: The longest first wait before trying again; doubled each time, and drawn at random below that.
    backoff: float = 0.25
    #: Of a decompressed body.
    max_body: int = 8 * 1024 * 1024
    connections: int = 10
    #: An idle connection is not used again after so long: Apache and uvicorn close theirs after 5 s, and a write
    #: that meets a closing connection has an unknown outcome.
    keepalive: float = 4.0
    #: So many failures in a row open the circuit, for so long.
    circuit_failures: int = 5
    circuit_seconds: float = 15.0


class Observer(Protocol):
    """Where the counts go. Called in the event loop: it must not block."""

    def call_finished(self, store_id: str, operation: str, outcome: str, seconds: float) -> None:
        """One attempt is over. `outcome` is one of a dozen words: ok, 4xx, throttled, outcome_unknown, ..."""

    def waited(self, store_id: str, seconds: float) -> None:
        """A call waited for the store's budget, or before it was tried again."""


@dataclass(frozen=True, slots=True)
class UpstreamCall:
    """One attempt that left for a store (or tried to). `status` is None when no answer came."""

    store: str
    operation: str
    status: int | None
    milliseconds: float
    attempt: int
    outcome: str
    #: When it left, by `time.perf_counter`: only differences mean anything.
    started: float = 0.0


@dataclass(frozen=True, slots=True)
class Health:
    """How a store answers at present. Instants are aware, in UTC."""

    status: HealthStatus
    last_error_at: datetime | None
    circuit_open_until: datetime | None
    budget: BudgetSnapshot | None


#: An instant of the running loop's clock that bounds the whole of `Transport.send`, waits and retries included.
deadline: ContextVar[float | None] = ContextVar("deadline", default=None)
#: Set to a list, it collects every attempt of this request, over all stores.
upstream_log: ContextVar[list[UpstreamCall] | None] = ContextVar("upstream_log", default=None)


@contextmanager
def store_deadline(seconds: float) -> Iterator[float]:
    """Bound every `send` inside to `seconds` from now; never later than a deadline already set. Yields the instant."""
    until = asyncio.get_running_loop().time() + seconds
    outer = deadline.get()
    until = until if outer is None else min(until, outer)
    token = deadline.set(until)
    try:
        yield until
    finally:
        deadline.reset(token)


_OUTCOME: Final[Mapping[type[PlatformError], str]] = {
    Throttled: "throttled",
    CircuitOpen: "circuit_open",
    DeadlineExceeded: "deadline",
    Unreadable: "unreadable",
    Unavailable: "unavailable",
    OutcomeUnknown: "outcome_unknown",
    Refused: "refused",
}
_log = structlog.get_logger("platforms.transport")


class Transport:
    """The way to one store: a bounded session, made in the running loop when first used.

    Addresses come from `base_url` only (https, public; `allow_private` is for sandboxes and shops in the own network)
    and are checked again at every name resolution. Redirects are never followed; cookies, proxies and credentials of
    the environment are never used. Raises `AddressRefused` on an unsuitable `base_url`.
    """

    def __init__(
        self,
        store: str,
        base_url: str,
        *,
        limits: Limits = Limits(),
        budget: Budget | None = None,
        judge: Judge | None = None,
        observer: Observer | None = None,
        allow_private: bool = False,
        extra_headers: Callable[[], Mapping[str, str]] | None = None,
        resolver: Callable[[], AbstractResolver] | None = None,
        tracer: trace.Tracer | None = None,
    ) -> None:
        parts = check_base_url(base_url, allow_private=allow_private)
        self.store = store
        self.host = parts.hostname or ""
        self.limits = limits
        self.budget = budget
        self._base = f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/')}"
        self._judge = judge
        self._observer = observer
        self._allow_private = allow_private
        self._extra_headers = extra_headers
        self._resolver = resolver or aiohttp.ThreadedResolver
        self._tracer = tracer or trace.get_tracer("aftersale.platforms")
        self._circuit = Circuit(limits.circuit_failures, limits.circuit_seconds)
        self._sessions: dict[asyncio.AbstractEventLoop, aiohttp.ClientSession] = {}

    @overload
    async def send(self, call: Call, *, judge: Judge | None = None) -> Reply: ...
    @overload
    async def send(self, call: Call, *, read: Callable[[Reply], T], judge: Judge | None = None) -> T: ...
    async def send(
        self, call: Call, *, read: Callable[[Reply], T] | None = None, judge: Judge | None = None
    ) -> Reply | T:
        """Send `call`, again where that is safe and worth it, and return the reply, or what `read` makes of it.

        Judged in this order: `judge` (of this call, else of the transport); the status (429 `Throttled`; a redirect
        `Refused`, or on a write whose redirect may come after the work, `OutcomeUnknown`; 5xx `Unavailable`, on a
        write `OutcomeUnknown`); then `read`. Other 4xx come back as replies. Whatever `judge` and `read` raise of the
        `Unavailable` family becomes `OutcomeUnknown` on a write, unless it says `not_executed`.

        Tried again, at most `Limits.retries` times: a `retryable` error other than `DeadlineExceeded`, `Unreadable`
        and `CircuitOpen`; on a write only one that is `not_executed`. A `retry_after` beyond the deadline (without
        one: beyond `Limits.whole`) raises at once.

        Past the deadline: `DeadlineExceeded`; for a write that was sent `OutcomeUnknown`, for one that was not
        `Unavailable(not_executed=True)`. Cancellation passes through."""
        loop = asyncio.get_running_loop()
        until = deadline.get()
        attempt = 0
        while True:
            attempt += 1
            try:
                return await self._attempt(call, attempt, until, judge or self._judge, read)
            except PlatformError as error:
                error.store = error.store or self.store
                if attempt > self.limits.retries or not _worth_another(call, error) or self._circuit.is_open:
                    raise
                wait = random.uniform(0, self.limits.backoff * 2 ** (attempt - 1)) + (error.retry_after or 0.0)
                latest = loop.time() + self.limits.whole if until is None else until
                if loop.time() + wait >= latest:
                    raise
            await asyncio.sleep(wait)
            self._waited(wait)

    def health(self) -> Health:
        """How the store answers at present, without asking it."""
        return Health(
            status=self._circuit.status,
            last_error_at=self._circuit.last_error_at,
            circuit_open_until=self._circuit.open_until,
            budget=self.budget.snapshot() if self.budget is not None else None,
        )

    async def close(self) -> None:
        """Close the session of the running loop. The next call opens a new one."""
        session = self._sessions.pop(asyncio.get_running_loop(), None)
        if session is not None:
            await session.close()

    # -------------------------------------------------------------------------------------------------- one attempt

    async def _attempt(
        self,
        call: Call,
        attempt: int,
        until: float | None,
        judge: Judge | None,
        read: Callable[[Reply], T] | None,
    ) -> Reply | T:
        self._in_time(call, until)
        probe = self._circuit.enter()
        result = Result.NOTHING
        try:
            if self.budget is not None:
                self._waited(await self.budget.acquire(call.cost, in_background=background.get(), deadline=until))
            wire = _Wire(holds_budget=self.budget is not None)
            try:
                self._in_time(call, until)
                if not probe and self._circuit.is_open:  # opened by others while this call waited
                    raise self._circuit.refusal()
                with self._recorded(call, attempt, wire):
                    value = await self._judged(call, await self._exchange(call, until, wire), wire, judge, read)
                result = Result.ANSWERED
                return value
            except PlatformError as error:
                result = _result(error, wire)
                raise
            finally:
                self._settle(call, wire)
        finally:
            self._circuit.leave(probe, result)

    async def _judged(
        self, call: Call, reply: Reply, wire: _Wire, judge: Judge | None, read: Callable[[Reply], T] | None
    ) -> Reply | T:
        self._settle(call, wire)  # before the judge: its report already counts this call
        reports = self.budget.reports if self.budget is not None else 0
        try:
            if judge is not None:
                reply = judge(reply)
            if not reply.accepted:
                self._by_status(call, reply)
            return reply if read is None else read(reply)
        except Throttled as error:
            if self.budget is not None and self.budget.reports == reports and error.retry_after:
                self.budget.pause(error.retry_after)
            raise
        except Unavailable as error:
            if call.writes and not error.not_executed:
                raise OutcomeUnknown(
                    f"sent, but what came of it is not known: {error.message}", store=self.store, native=error.native
                ) from error
            raise

    def _by_status(self, call: Call, reply: Reply) -> None:
        native = (Native(message=f"HTTP {reply.status}", http_status=reply.status),)
        wait = retry_after_seconds(reply.headers)
        if reply.status == 429:
            raise Throttled("the platform asks to wait (HTTP 429)", store=self.store, retry_after=wait, native=native)
        if reply.status >= 500:
            # On a write `_judged` turns this into OutcomeUnknown.
            raise Unavailable(
                f"the platform failed (HTTP {reply.status})", store=self.store, retry_after=wait, native=native
            )
        if 300 <= reply.status < 400:
            message = f"the store's address redirects to {self._target(reply)} (HTTP {reply.status}); not followed"
            if call.writes and reply.status not in (301, 307, 308):  # 302 and 303 are also answers to work done
                raise OutcomeUnknown(message, store=self.store, native=native)
            raise Refused(message, store=self.store, native=native)

    def _target(self, reply: Reply) -> str:
        """The host of a redirect, without path or query."""
        try:
            parts = urlsplit(reply.headers.get("location", ""))
            host = parts.hostname or self.host
        except ValueError:
            return "an unreadable address"
        return f"{parts.scheme}://{host}" if parts.scheme in ("http", "https") else host

    def _in_time(self, call: Call, until: float | None) -> None:
        if until is not None and asyncio.get_running_loop().time() >= until:
            raise self._too_late(call)

    def _too_late(self, call: Call) -> PlatformError:
        if call.writes:
            return Unavailable("out of time before it was sent", store=self.store, not_executed=True)
        return DeadlineExceeded("out of time before it was sent", store=self.store, not_executed=True)

    # ---------------------------------------------------------------------------------------------------- the wire

    async def _exchange(self, call: Call, until: float | None, wire: _Wire) -> Reply:
        """Send the bytes once and read the answer. Raises the error a fault of the transport means."""
        now = asyncio.get_running_loop().time()
        latest = now + self.limits.whole
        try:
            async with (
                asyncio.timeout_at(latest if until is None else min(until, latest)),
                self._session().request(
                    call.method,
                    self._url(call),
                    data=call.body,
                    headers=self._headers(call),
                    allow_redirects=False,
                    trace_request_ctx=wire,
                ) as response,
            ):
                wire.status = response.status
                body = await self._body(response)
                return Reply(response.status, _headers(response), body)
        except aiohttp.ClientConnectorDNSError as error:
            if isinstance(error.os_error, _NotPublic):
                raise _Untrusted(f"{self.host} resolves to an address that is not public", store=self.store) from None
            raise self._never_sent("its name could not be resolved") from None
        except (aiohttp.ClientConnectorCertificateError, aiohttp.ClientSSLError) as error:
            if isinstance(error, ssl.CertificateError):
                raise _Untrusted(f"{self.host} does not prove who it is (certificate)", store=self.store) from None
            raise self._never_sent("no secure connection came about") from None
        except aiohttp.ConnectionTimeoutError:
            raise self._never_sent("connecting took too long") from None
        except aiohttp.ClientConnectorError:
            raise self._never_sent("it does not accept connections") from None
        except TimeoutError:  # aiohttp's own for a silent socket, or ours for the whole
            if not wire.connected:
                if until is not None and asyncio.get_running_loop().time() >= until:
                    raise self._too_late(call) from None
                raise self._never_sent("no connection in time") from None
            if call.writes:
                raise self._lost("no answer in time") from None
            raise DeadlineExceeded(f"{self.host} did not answer in time", store=self.store) from None
        except (aiohttp.ClientResponseError, aiohttp.http_exceptions.HttpProcessingError):
            raise self._odd(call, "the answer is not HTTP") from None
        except (_Dropped, aiohttp.ClientError, ConnectionError) as error:
            if isinstance(error.__cause__, aiohttp.http_exceptions.ContentEncodingError):
                raise self._odd(call, "the answer is not compressed as it says") from None
            if not wire.connected:
                raise self._never_sent("the connection failed") from None
            if call.writes:
                raise self._lost("the connection broke") from None
            raise Unavailable(f"{self.host}: the connection broke before the answer was complete") from None
        except _TooLarge:
            raise self._odd(call, f"the answer is larger than {self.limits.max_body} bytes") from None

    def _never_sent(self, reason: str) -> Unavailable:
        return Unavailable(f"{self.host} could not be reached: {reason}", store=self.store, not_executed=True)

    def _lost(self, reason: str) -> OutcomeUnknown:
        return OutcomeUnknown(f"sent to {self.host}, but what came of it is not known: {reason}", store=self.store)

    def _odd(self, call: Call, reason: str) -> PlatformError:
        return self._lost(reason) if call.writes else Unreadable(f"{self.host}: {reason}", store=self.store)

    async def _body(self, response: aiohttp.ClientResponse) -> bytes:
        body = bytearray()
        async for piece in response.content.iter_any():  # decompressed piece by piece
            body += piece
            if len(body) > self.limits.max_body:
                response.close()
                raise _TooLarge
        return bytes(body)

    def _url(self, call: Call) -> URL:
        query = f"?{urlencode(call.query, quote_via=quote, safe='')}" if call.query else ""
        return URL(f"{self._base}/{call.path.lstrip('/')}{query}", encoded=True)

    def _headers(self, call: Call) -> CIMultiDict[str]:
        headers = CIMultiDict({"Accept-Encoding": "gzip", "User-Agent": "aftersale"})
        for name, value in call.headers.items():
            headers[name] = value
        if self._extra_headers is not None:
            for name, value in self._extra_headers().items():
                headers[name] = value
        return headers

    def _session(self) -> aiohttp.ClientSession:
        loop = asyncio.get_running_loop()
        session = self._sessions.get(loop)
        if session is None or session.closed:
            for other in [known for known in self._sessions if known.is_closed()]:
                self._sessions.pop(other).detach()
            inner = self._resolver()
            session = self._sessions[loop] = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(
                    limit=self.limits.connections,
                    keepalive_timeout=self.limits.keepalive,
                    resolver=inner if self._allow_private else _PublicOnly(inner),
                    socket_factory=_socket,
                ),
                timeout=aiohttp.ClientTimeout(
                    total=None, connect=None, sock_connect=self.limits.connect, sock_read=self.limits.read
                ),
                cookie_jar=aiohttp.DummyCookieJar(),
                trace_configs=[_watch()],
                middlewares=(_once,),
                raise_for_status=False,
                auto_decompress=True,
                trust_env=False,
            )
        return session

    # ------------------------------------------------------------------------------------------------- book-keeping

    def _settle(self, call: Call, wire: _Wire) -> None:
        if self.budget is not None and wire.holds_budget:
            wire.holds_budget = False
            self.budget.finished(call.cost, spent=wire.connected)

    def _waited(self, seconds: float) -> None:
        if seconds > 0 and self._observer is not None:
            self._observer.waited(self.store, seconds)

    @contextmanager
    def _recorded(self, call: Call, attempt: int, wire: _Wire) -> Iterator[None]:
        """A span, a count, a log line and an entry of the request's log for one attempt; no URL, header or body."""
        started = time.perf_counter()
        outcome = "error"
        with self._tracer.start_as_current_span(
            call.operation,
            kind=trace.SpanKind.CLIENT,
            attributes={"store": self.store, "operation": call.operation, "attempt": attempt},
            record_exception=False,
            set_status_on_exception=False,
        ) as span:
            try:
                yield
                outcome = "ok" if wire.status is not None and wire.status < 400 else f"{(wire.status or 0) // 100}xx"
            except asyncio.CancelledError:
                outcome = "cancelled"
                raise
            except PlatformError as error:
                outcome = next((_OUTCOME[kind] for kind in type(error).__mro__ if kind in _OUTCOME), "error")
                raise
            finally:
                seconds = time.perf_counter() - started
                if wire.status is not None:
                    span.set_attribute("status", wire.status)
                if outcome not in ("ok", "4xx"):
                    span.set_status(trace.StatusCode.ERROR, outcome)
                if self._observer is not None:
                    self._observer.call_finished(self.store, call.operation, outcome, seconds)
                entries = upstream_log.get()
                if entries is not None:
                    entries.append(
                        UpstreamCall(self.store, call.operation, wire.status, seconds * 1000, attempt, outcome, started)
                    )
                _log.debug(
                    "upstream call",
                    store=self.store,
                    operation=call.operation,
                    method=call.method,
                    status=wire.status,
                    outcome=outcome,
                    milliseconds=round(seconds * 1000, 1),
                    attempt=attempt,
                )


def retry_after_seconds(headers: Mapping[str, str], *, now: datetime | None = None) -> float | None:
    """`Retry-After` (RFC 9110, 10.2.3) in seconds from `now`, whether given as seconds or as a date; never negative;
    None when it is missing or unreadable."""
    value = headers.get("retry-after", "").strip()
    if re.fullmatch(r"\d{1,9}(\.\d{1,9})?", value, re.ASCII):  # some vendors send fractions
        return float(value)
    try:
        moment = parsedate_to_datetime(value)
    except (TypeError, ValueError):
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(0.0, (moment - (now or datetime.now(UTC))).total_seconds())


def _worth_another(call: Call, error: PlatformError) -> bool:
    if isinstance(error, DeadlineExceeded | Unreadable | CircuitOpen) or not error.retryable:
        return False
    return error.not_executed or not call.writes


def _result(error: PlatformError, wire: _Wire) -> Result:
    """What an error says of the store's health: a refusal or a throttle is an answer."""
    if isinstance(error, CircuitOpen) or wire.queued:
        return Result.NOTHING
    if isinstance(error, Unavailable | OutcomeUnknown):
        return Result.FAILED if wire.started else Result.NOTHING
    return Result.ANSWERED


class _Wire(SimpleNamespace):
    """What is known of one attempt while it runs."""

    def __init__(self, *, holds_budget: bool) -> None:
        super().__init__()
        self.holds_budget = holds_budget
        #: aiohttp began with it.
        self.started = False
        #: It waits for one of our own connections to come free.
        self.queued = False
        #: It has a connection; from here on bytes may have left.
        self.connected = False
        self.status: int | None = None


def _watch() -> aiohttp.TraceConfig:
    """Have aiohttp tell `_Wire` how far an attempt came. Its exceptions alone do not say whether bytes left."""

    def flag(name: str, value: bool = True) -> Callable[[object, SimpleNamespace, object], Awaitable[None]]:
        async def told(session: object, context: SimpleNamespace, params: object) -> None:
            setattr(context.trace_request_ctx, name, value)

        return told

    config = aiohttp.TraceConfig()
    config.on_request_start.append(flag("started"))
    config.on_connection_queued_start.append(flag("queued"))
    config.on_connection_queued_end.append(flag("queued", False))
    config.on_connection_create_end.append(flag("connected"))
    config.on_connection_reuseconn.append(flag("connected"))
    return config


async def _once(request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
    """Keep aiohttp from sending a request a second time by itself, which it does with GET, PUT and DELETE when a kept
    connection breaks: a write would run twice, and attempts would go uncounted."""
    try:
        return await handler(request)
    except aiohttp.ClientConnectorError:
        raise
    except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as error:
        raise _Dropped from error


class _Dropped(Exception):
    """The connection broke after it had been made."""


class _TooLarge(Exception):
    """The body passed `Limits.max_body`."""


class _NotPublic(OSError):
    """A name led to an address inside somebody's network."""


class _Untrusted(Unavailable):
    """Never sent, and trying again would not help: the address or the certificate is not one we talk to."""

    retryable = False
    not_executed = True


class _PublicOnly(AbstractResolver):
    """Refuses a name as soon as one of its addresses is not public. The connection goes to the addresses checked
    here, so a name that changes its mind between check and use gains nothing."""

    def __init__(self, inner: AbstractResolver) -> None:
        self._inner = inner

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        found = await self._inner.resolve(host, port, family)
        if not all(is_public(result["host"]) for result in found):
            raise _NotPublic("not a public address")
        return found

    async def close(self) -> None:
        await self._inner.close()


def _socket(info: aiohttp.AddrInfoType) -> socket.socket:
    family, kind, protocol, _, _ = info
    made = socket.socket(family, kind, protocol)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    return made


def _headers(response: aiohttp.ClientResponse) -> Mapping[str, str]:
    headers: dict[str, str] = {}
    for name, value in response.headers.items():
        name = name.lower()
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    return MappingProxyType(headers)
