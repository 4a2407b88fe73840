"""How often one call to a store is tried, what its answer or its fault means, and what is told of it."""

from __future__ import annotations

import asyncio
import logging
import random
import re
import string
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import lru_cache
from types import MappingProxyType
from typing import Final, NamedTuple, Protocol, TypeVar, overload
from urllib.parse import quote, unquote, urlsplit

import idna
import structlog
from opentelemetry import trace

from platforms.addresses import AddressRefused, check_base_url
from platforms.budget import Budget, BudgetSnapshot, background
from platforms.circuit import Circuit, Result
from platforms.connections import Connections
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
from platforms.exchange import Answer, Cause, Client, Fault, Limits, Names, NewClient, Origin, Progress, Request
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

_LIMITS: Final = Limits()
#: How often it is looked whether spans are collected, in seconds, while they are not.
_LOOK_EVERY: Final = 1.0
_NOTHING: Final[Mapping[str, str]] = MappingProxyType({})
#: Sent with every call to any store unless it says otherwise.
_ALWAYS: Final = {
    "accept": ("Accept", "*/*"),
    "accept-encoding": ("Accept-Encoding", "gzip"),
    "user-agent": ("User-Agent", "aftersale"),
}
_ENCODED = re.compile(r"[A-Za-z0-9._~%-]*")
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
        path = self.path
        if _FORBIDDEN.search(path) or path.startswith("//") or (("." in path or "%" in path) and _climbs(path)):
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


class Observer(Protocol):
    """Where the counts go. Called in the event loop: it must not block."""

    def call_finished(self, store_id: str, operation: str, outcome: str, seconds: float) -> None:
        """One attempt is over. `outcome` is one of a dozen words: ok, 4xx, throttled, outcome_unknown, ..."""

    def waited(self, store_id: str, seconds: float) -> None:
        """A call waited for the store's budget, or before it was tried again."""


class UpstreamCall(NamedTuple):
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
#: Tells for less than structlog takes whether anybody reads the line.
_level = logging.getLogger("platforms.transport")


class Transport:
    """The way to one store: a bounded client, made in the running loop when first used.

    Addresses come from `base_url` only (https, public; `allow_private` is for sandboxes and shops in the own network)
    and are checked again at every name resolution. Redirects are never followed; cookies, proxies and credentials of
    the environment are never used. `headers` go with every call that has none of its own by that name. Raises
    `AddressRefused` on an unsuitable `base_url`.
    """

    def __init__(
        self,
        store: str,
        base_url: str,
        *,
        limits: Limits = _LIMITS,
        budget: Budget | None = None,
        judge: Judge | None = None,
        observer: Observer | None = None,
        allow_private: bool = False,
        headers: Mapping[str, str] = _NOTHING,
        extra_headers: Callable[[], Mapping[str, str]] | None = None,
        names: Names | None = None,
        tracer: trace.Tracer | None = None,
        client: NewClient | None = None,
    ) -> None:
        parts = check_base_url(base_url, allow_private=allow_private)
        self.store = store
        self.host = parts.hostname or ""
        self.limits = limits
        self.budget = budget
        secure = parts.scheme == "https"
        self._origin = Origin(secure, _ascii(self.host), parts.port or (443 if secure else 80), allow_private)
        self._base = parts.path.rstrip("/")
        self._judge = judge
        self._observer = observer
        self._always = _ALWAYS | {name.lower(): (name, value) for name, value in headers.items()}
        self._extra_headers = extra_headers
        self._names = names
        self._tracer = tracer or trace.get_tracer("aftersale.platforms")
        self._traced = tracer is not None
        self._look_at = 0.0
        self._new_client = client or Connections
        self._circuit = Circuit(limits.circuit_failures, limits.circuit_seconds)
        self._clients: dict[asyncio.AbstractEventLoop, Client] = {}

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
                return await self._attempt(call, attempt, loop, until, judge or self._judge, read)
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
        """Close the connections made in the running loop. The next call opens new ones."""
        client = self._clients.pop(asyncio.get_running_loop(), None)
        if client is not None:
            await client.close()

    # -------------------------------------------------------------------------------------------------- one attempt

    async def _attempt(
        self,
        call: Call,
        attempt: int,
        loop: asyncio.AbstractEventLoop,
        until: float | None,
        judge: Judge | None,
        read: Callable[[Reply], T] | None,
    ) -> Reply | T:
        now = loop.time()
        if until is not None and now >= until:
            raise self._too_late(call)
        probe = self._circuit.enter()
        result = Result.NOTHING
        progress = Progress()
        try:
            if self.budget is not None:
                self._waited(await self.budget.acquire(call.cost, in_background=background.get(), deadline=until))
                progress.holds_budget = True
            try:
                if progress.holds_budget:
                    now = loop.time()
                    if until is not None and now >= until:
                        raise self._too_late(call)
                    if not probe and self._circuit.is_open:  # opened by others while this call waited
                        raise self._circuit.refusal()
                latest = now + self.limits.whole
                if now >= self._look_at and not self._traced:
                    self._traced, self._look_at = _spans_are_collected(), now + _LOOK_EVERY
                if self._traced:
                    with self._span(call, attempt, progress):
                        value = await self._told(call, attempt, until, latest, judge, read, progress)
                else:
                    value = await self._told(call, attempt, until, latest, judge, read, progress)
                result = Result.ANSWERED
                return value
            except PlatformError as error:
                result = _result(error, progress)
                raise
            finally:
                self._settle(call, progress)
        finally:
            self._circuit.leave(probe, result)

    async def _told(
        self,
        call: Call,
        attempt: int,
        until: float | None,
        latest: float,
        judge: Judge | None,
        read: Callable[[Reply], T] | None,
        progress: Progress,
    ) -> Reply | T:
        """Send it, judge what comes back, and tell how it went."""
        started = time.perf_counter()
        try:
            answer = await self._exchanged(call, until, latest, progress)
            self._settle(call, progress)  # before the judge: its report already counts this call
            value = self._judged(call, Reply(answer.status, answer.headers, answer.body), judge, read)
            progress.outcome = "ok" if answer.status < 400 else f"{answer.status // 100}xx"
            return value
        except asyncio.CancelledError:
            progress.outcome = "cancelled"
            raise
        except PlatformError as error:
            progress.outcome = next((_OUTCOME[kind] for kind in type(error).__mro__ if kind in _OUTCOME), "error")
            raise
        finally:
            self._tell(call, attempt, progress, started)

    def _judged(self, call: Call, reply: Reply, judge: Judge | None, read: Callable[[Reply], T] | None) -> Reply | T:
        reports = self.budget.reports if self.budget is not None else 0
        try:
            if judge is not None:
                reply = judge(reply)
            if reply.status >= 300 and not reply.accepted:
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
            message = f"the store's address redirects to {self._elsewhere(reply)} (HTTP {reply.status}); not followed"
            if call.writes and reply.status not in (301, 307, 308):  # 302 and 303 are also answers to work done
                raise OutcomeUnknown(message, store=self.store, native=native)
            raise Refused(message, store=self.store, native=native)

    def _elsewhere(self, reply: Reply) -> str:
        """The host of a redirect, without path or query."""
        try:
            parts = urlsplit(reply.headers.get("location", ""))
            host = parts.hostname or self.host
        except ValueError:
            return "an unreadable address"
        return f"{parts.scheme}://{host}" if parts.scheme in ("http", "https") else host

    def _too_late(self, call: Call) -> PlatformError:
        if call.writes:
            return Unavailable("out of time before it was sent", store=self.store, not_executed=True)
        return DeadlineExceeded("out of time before it was sent", store=self.store, not_executed=True)

    # ---------------------------------------------------------------------------------------------------- on the way

    async def _exchanged(self, call: Call, until: float | None, latest: float, progress: Progress) -> Answer:
        """Send the bytes once and read the answer. Raises the error a fault of the way means."""
        hurried = False
        if until is not None and until <= latest:
            hurried, latest = True, until
        try:
            return await self._client().exchange(
                Request(call.method, self._target(call), self._headers(call), call.body), latest, progress
            )
        except Fault as fault:
            raise self._meaning(call, fault, hurried) from None

    def _meaning(self, call: Call, fault: Fault, hurried: bool) -> PlatformError:
        """`hurried`: the deadline left the call less time than the store's own limit."""
        match fault.cause:
            case Cause.UNTRUSTED:
                return _Untrusted(f"{self.host} {fault.reason}", store=self.store)
            case Cause.UNREACHED:
                return self._never_sent(fault.reason)
            case Cause.LATE:
                return self._too_late(call) if hurried else self._never_sent("no connection in time")
            case Cause.SILENT:
                if call.writes:
                    return self._lost("no answer in time")
                return DeadlineExceeded(f"{self.host} did not answer in time", store=self.store)
            case Cause.BROKEN:
                if call.writes:
                    return self._lost("the connection broke")
                return Unavailable(
                    f"{self.host}: the connection broke before the answer was complete", store=self.store
                )
            case Cause.ODD:
                if call.writes:
                    return self._lost(fault.reason)
                return Unreadable(f"{self.host}: {fault.reason}", store=self.store)

    def _never_sent(self, reason: str) -> Unavailable:
        return Unavailable(f"{self.host} could not be reached: {reason}", store=self.store, not_executed=True)

    def _lost(self, reason: str) -> OutcomeUnknown:
        return OutcomeUnknown(f"sent to {self.host}, but what came of it is not known: {reason}", store=self.store)

    def _target(self, call: Call) -> str:
        target = f"{self._base}/{call.path.lstrip('/')}"
        if not target.isascii():
            target = quote(target, safe=string.punctuation)
        return f"{target}?{_encoded(call.query)}" if call.query else target

    def _headers(self, call: Call) -> Mapping[str, tuple[str, str]]:
        if not call.headers and self._extra_headers is None:
            return self._always
        headers = dict(self._always)
        for name, value in call.headers.items():
            headers[name.lower()] = (name, value)
        if self._extra_headers is not None:
            for name, value in self._extra_headers().items():
                headers[name.lower()] = (name, value)
        return headers

    def _client(self) -> Client:
        loop = asyncio.get_running_loop()
        client = self._clients.get(loop)
        if client is None:
            for other in [known for known in self._clients if known.is_closed()]:
                del self._clients[other]
            client = self._clients[loop] = self._new_client(self._origin, self.limits, self._names)
        return client

    # ------------------------------------------------------------------------------------------------- book-keeping

    def _settle(self, call: Call, progress: Progress) -> None:
        if progress.holds_budget and self.budget is not None:
            progress.holds_budget = False
            self.budget.finished(call.cost, spent=progress.connected)

    def _waited(self, seconds: float) -> None:
        if seconds > 0 and self._observer is not None:
            self._observer.waited(self.store, seconds)

    def _tell(self, call: Call, attempt: int, progress: Progress, started: float) -> None:
        """A count, an entry of the request's log and a log line for one attempt; no URL, header or body."""
        seconds = time.perf_counter() - started
        if self._observer is not None:
            self._observer.call_finished(self.store, call.operation, progress.outcome, seconds)
        entries = upstream_log.get()
        if entries is not None:
            entries.append(
                UpstreamCall(
                    self.store, call.operation, progress.status, seconds * 1000, attempt, progress.outcome, started
                )
            )
        if _level.isEnabledFor(logging.DEBUG):
            _log.debug(
                "upstream call",
                store=self.store,
                operation=call.operation,
                method=call.method,
                status=progress.status,
                outcome=progress.outcome,
                milliseconds=round(seconds * 1000, 1),
                attempt=attempt,
            )

    @contextmanager
    def _span(self, call: Call, attempt: int, progress: Progress) -> Iterator[None]:
        with self._tracer.start_as_current_span(
            call.operation,
            kind=trace.SpanKind.CLIENT,
            attributes={"store": self.store, "operation": call.operation, "attempt": attempt},
            record_exception=False,
            set_status_on_exception=False,
        ) as span:
            try:
                yield
            finally:
                if progress.status is not None:
                    span.set_attribute("status", progress.status)
                if progress.outcome not in ("ok", "4xx"):
                    span.set_status(trace.StatusCode.ERROR, progress.outcome)


def _spans_are_collected() -> bool:
    """False where nobody has installed anything that collects spans: making them is spared then."""
    return not isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider)


def _climbs(path: str) -> bool:
    segments = [unquote(segment) for segment in path.split("/")]
    return ".." in segments or "." in segments


def _ascii(host: str) -> str:
    """The host as the DNS knows it. Raises `AddressRefused`."""
    host = host.rstrip(".")
    if host.isascii():
        return host
    try:
        return idna.encode(host, uts46=True).decode("ascii")
    except idna.IDNAError:
        raise AddressRefused("the store's address is not a URL with a host") from None


def _encoded(query: Sequence[tuple[str, str]]) -> str:
    """RFC 3986: everything but letters, digits and `-._~` in percent."""
    return "&".join([f"{_encoded_name(name)}={_encoded_value(value)}" for name, value in query])


@lru_cache(maxsize=512)
def _encoded_name(name: str) -> str:
    return quote(name, safe="")


def _encoded_value(value: str) -> str:
    if value.isalnum() and value.isascii():
        return value
    if "%" not in value:  # most are lists, addresses and instants
        likely = value.replace(",", "%2C").replace("@", "%40").replace(":", "%3A")
        if _ENCODED.fullmatch(likely):
            return likely
    return quote(value, safe="")


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


def _result(error: PlatformError, progress: Progress) -> Result:
    """What an error says of the store's health: a refusal or a throttle is an answer."""
    if isinstance(error, CircuitOpen) or progress.queued:
        return Result.NOTHING
    if isinstance(error, Unavailable | OutcomeUnknown):
        return Result.FAILED if progress.started else Result.NOTHING
    return Result.ANSWERED


class _Untrusted(Unavailable):
    """Never sent, and trying again would not help: the address or the certificate is not one we talk to."""

    retryable = False
    not_executed = True
