"""What may be told about a running gateway: its counters, its log lines, and what is struck out of them."""

from __future__ import annotations

import logging
import re
import secrets
import sys
from collections.abc import Iterator, Mapping, MutableMapping, Sequence
from contextlib import contextmanager
from datetime import date, datetime
from itertools import pairwise
from typing import Any, Final, TextIO

import orjson
import structlog
from prometheus_client import CollectorRegistry, Counter, Histogram, ProcessCollector, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

# ------------------------------------------------------------------ counters
OTHER: Final = "other"
ANONYMOUS: Final = "anonymous"

_GRAPHQL_NAME = re.compile(r"[_A-Za-z][_0-9A-Za-z]{0,63}")
_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class _Few:
    """Keeps the values of a label few: the first `limit` different ones stay, any later one is `other`."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._seen: set[str] = set()

    def __call__(self, value: str) -> str:
        if value in self._seen:
            return value
        if len(self._seen) >= self._limit:
            return OTHER
        self._seen.add(value)
        return value


class Telemetry:
    """The gateway's counters, in a registry of their own; the observer that every lower layer reports to.

    Nothing here blocks or raises on a strange value. Seconds are seconds. `names` bounds how many different operation
    names, and how many rules, get a counter of their own.
    """

    def __init__(self, *, names: int = 200) -> None:
        self.registry = CollectorRegistry(auto_describe=True)
        self._request_names, self._call_names, self._rules = _Few(names), _Few(names), _Few(names)
        #: Counters found before; a name that has none of its own is not kept here.
        self._kept_calls: dict[tuple[str, str, str], tuple[Counter, Histogram]] = {}
        self._kept_requests: dict[tuple[str | None, str], tuple[Counter, Histogram]] = {}
        ProcessCollector(registry=self.registry)
        self._calls = Counter(
            "aftersale_upstream_calls",
            "Attempts that left for a store, by how they ended.",
            ("store", "operation", "outcome"),
            registry=self.registry,
        )
        self._call_seconds = Histogram(
            "aftersale_upstream_seconds",
            "How long an attempt took.",
            ("store",),
            buckets=_SECONDS,
            registry=self.registry,
        )
        self._wait_seconds = Histogram(
            "aftersale_upstream_wait_seconds",
            "How long calls waited for a store's rate budget, or before they were tried again.",
            ("store",),
            buckets=_SECONDS,
            registry=self.registry,
        )
        self._decisions = Counter(
            "aftersale_decisions",
            "Decisions by the rule that made them; mode `shadow` decides nothing.",
            ("action", "rule", "verdict", "mode"),
            registry=self.registry,
        )
        self._actions = Counter(
            "aftersale_actions", "Actions that entered a state.", ("kind", "state"), registry=self.registry
        )
        self._requests = Counter(
            "aftersale_requests",
            "GraphQL requests by operation name.",
            ("operation", "outcome"),
            registry=self.registry,
        )
        self._refusals = Counter(
            "aftersale_refusals",
            "Requests and look-ups that were refused for coming too often, by the limit that refused them.",
            ("limit",),
            registry=self.registry,
        )
        self._request_seconds = Histogram(
            "aftersale_request_seconds",
            "How long a GraphQL request took.",
            ("operation",),
            buckets=_SECONDS,
            registry=self.registry,
        )

    def call_finished(self, store_id: str, operation: str, outcome: str, seconds: float) -> None:
        """One attempt at a store is over."""
        kept = self._kept_calls.get((store_id, operation, outcome))
        if kept is None:
            name = self._call_names(operation)
            kept = self._calls.labels(store_id, name, outcome), self._call_seconds.labels(store_id)
            if name == operation:
                self._kept_calls[store_id, operation, outcome] = kept
        count, duration = kept
        count.inc()
        duration.observe(seconds)

    def waited(self, store_id: str, seconds: float) -> None:
        """A call waited for its store's rate budget, or before it was tried again."""
        self._wait_seconds.labels(store_id).observe(seconds)

    def decided(self, action: str, rule: str, verdict: str, shadow: bool) -> None:
        """A rule decided; in shadow mode it would have."""
        self._decisions.labels(action, self._rules(rule), verdict, "shadow" if shadow else "live").inc()

    def action_moved(self, kind: str, state: str) -> None:
        """An action entered a state."""
        self._actions.labels(kind, state).inc()

    def refused(self, limit: str) -> None:
        """Somebody asked too often."""
        self._refusals.labels(limit).inc()

    def request_finished(self, operation: str | None, outcome: str, seconds: float) -> None:
        """A GraphQL request was answered; `operation` is its name, as the client wrote it."""
        kept = self._kept_requests.get((operation, outcome))
        if kept is None:
            if operation is None:
                name = ANONYMOUS
            else:
                name = self._request_names(operation) if _GRAPHQL_NAME.fullmatch(operation) else OTHER
            kept = self._requests.labels(name, outcome), self._request_seconds.labels(name)
            if operation is None or name == operation:
                self._kept_requests[operation, outcome] = kept
        count, duration = kept
        count.inc()
        duration.observe(seconds)

    def render(self) -> tuple[bytes, str]:
        """The body of `/metrics` and its content type."""
        return generate_latest(self.registry), CONTENT_TYPE_PLAIN_0_0_4


# ------------------------------------------------------------------ what is struck out
STRUCK: Final = "***"

_LONGEST = 8_000
_DEEPEST = 8

#: A key with one of these among its words is left out, whatever it holds.
_SECRET_WORDS = frozenset(
    [
        "apikey",
        "authorization",
        "body",
        "cookie",
        "credential",
        "credentials",
        "email",
        "emails",
        "password",
        "phone",
        "secret",
        "secrets",
        "token",
        "variables",
    ]
)
_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])")

#: What ends an e-mail address on either side. Repetitions are bounded, so a long line costs no more than its length.
_AROUND = r"\s@*\"'<>()\[\]{},;:=&?/\\"
_PATTERNS: Final[tuple[tuple[re.Pattern[str], str], ...]] = (
    # name=value, in a query string or a message
    (re.compile(r"(?i)\b([a-z_-]{0,40}(?:token|key|secret|password|signature|email))=[^&\s\"']+"), rf"\1={STRUCK}"),
    # what follows the name of a scheme in an Authorization header
    (re.compile(r"(?i)\b(bearer|basic)\s+[A-Za-z0-9._~+/=-]{4,}"), rf"\1 {STRUCK}"),
    # a JSON Web Token
    (re.compile(r"\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]*)?"), STRUCK),
    # tokens that say what they are: two to six letters, an underscore, then many characters with a digit among them
    (re.compile(r"\b[a-z]{2,6}_(?=[A-Za-z]*[0-9])[A-Za-z0-9]{16,}\b"), STRUCK),
    # user:password@ in an address
    (re.compile(r"(?<=://)[^/\s@]+@"), f"{STRUCK}@"),
    # an e-mail address, plain or percent-encoded
    (re.compile(rf"(?i)[^{_AROUND}]{{1,64}}(?:@|%40)[^{_AROUND}]{{1,255}}\.[^{_AROUND}]{{1,63}}"), STRUCK),
)


def strike(text: str) -> str:
    """The text without what looks like an e-mail address, a token or a password, of a long one only both ends."""
    if len(text) > _LONGEST:
        text = f"{text[: _LONGEST // 2]} … {text[-_LONGEST // 2 :]}"
    for pattern, instead in _PATTERNS:
        text = pattern.sub(instead, text)
    return text


def _is_secret(key: str) -> bool:
    words = [word.lower() for word in _WORD.findall(key)]
    return not _SECRET_WORDS.isdisjoint(words) or ("api", "key") in pairwise(words)


def _clean(value: Any, depth: int = 0) -> Any:
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, str):
        return strike(value)
    if isinstance(value, datetime | date):
        return value.isoformat()
    if depth < _DEEPEST:
        if isinstance(value, Mapping):
            return {
                strike(str(key)): _clean(item, depth + 1) for key, item in value.items() if not _is_secret(str(key))
            }
        if isinstance(value, Sequence | set | frozenset) and not isinstance(value, bytes | bytearray):
            return [_clean(item, depth + 1) for item in value]
    if isinstance(value, bytes | bytearray):
        return f"{len(value)} bytes"
    return strike(str(value))


def redact(logger: Any, method: str, event: MutableMapping[str, Any]) -> Mapping[str, Any]:
    """A structlog processor: drops what a log line must never carry, and strikes out what looks like it."""
    return {strike(key): _clean(value) for key, value in event.items() if not _is_secret(key)}


# ------------------------------------------------------------------ logs
def _to_json(value: Any, **_: Any) -> str:
    return orjson.dumps(value, default=lambda item: strike(str(item)), option=orjson.OPT_NON_STR_KEYS).decode()


def configure_logging(stream: TextIO | None = None, *, level: int = logging.INFO) -> None:
    """One JSON object a line on `stream` (standard error unless given), for structlog's and the standard loggers.

    Every line has `timestamp`, `level`, `logger` where there is one, `event`, and inside a request `request_id`.
    """
    before: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.ExtraAdder(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=before,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                redact,
                structlog.processors.JSONRenderer(serializer=_to_json),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for chatty in ("gql", "aiosqlite", "asyncio", "uvicorn.access"):
        logging.getLogger(chatty).setLevel(max(level, logging.WARNING))
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *before,
            structlog.stdlib.PositionalArgumentsFormatter(),
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )


_REQUEST_ID = re.compile(r"[A-Za-z0-9_-]{8,64}")


@contextmanager
def request(offered: str | None = None) -> Iterator[str]:
    """Bind a request's id to every log line written inside, and give it for the answer's header.

    A caller's own id is kept where it is 8 to 64 letters, digits, `_` or `-`; else a new one is made.
    """
    id = offered if offered and _REQUEST_ID.fullmatch(offered) and strike(offered) == offered else secrets.token_hex(16)
    bound = structlog.contextvars.bind_contextvars(request_id=id)
    try:
        yield id
    finally:
        structlog.contextvars.reset_contextvars(**bound)
