"""What a call and the client that carries it say to each other: what is asked, how far it came, how it can fail."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from socket import AddressFamily, SocketKind
from typing import Any, NamedTuple, Protocol, TypeAlias


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


#: As `getaddrinfo` gives it.
AddressInfo = tuple[int | AddressFamily, int | SocketKind, int, str, tuple[Any, ...]]
#: Where a name leads, by host and port; asked for whenever a connection is made, at most every ten seconds. Raises
#: `OSError`.
Names = Callable[[str, int], Awaitable[Sequence[AddressInfo]]]


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a store lives."""

    secure: bool
    #: In ASCII; an IPv6 address without brackets.
    host: str
    port: int
    #: It may be inside our own network.
    allow_private: bool = False

    @property
    def authority(self) -> str:
        """What the header `Host` says."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == (443 if self.secure else 80) else f"{host}:{self.port}"


class Request(NamedTuple):
    """One request as it is sent. `target` is the encoded path and query; `headers` are names as they are to be written
    with their values, by the name in lower case, without those that frame the message."""

    method: str
    target: str
    headers: Mapping[str, tuple[str, str]]
    body: bytes | None


class Answer(NamedTuple):
    """What came back: header names in lower case, the body decompressed."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Progress:
    """How far one attempt came."""

    __slots__ = ("connected", "holds_budget", "outcome", "queued", "started", "status")

    def __init__(self) -> None:
        #: A client began with it.
        self.started = False
        #: It waits for one of our own connections to come free.
        self.queued = False
        #: It has a connection; from here on bytes may have left.
        self.connected = False
        #: Of the answer, as soon as its head is read.
        self.status: int | None = None
        self.holds_budget = False
        self.outcome = "error"


class Cause(Enum):
    """What went wrong between us and a store."""

    #: Never sent, and trying again would not help: the address or the certificate is not one we talk to.
    UNTRUSTED = auto()
    #: No connection came about.
    UNREACHED = auto()
    #: Its time ended before it had a connection.
    LATE = auto()
    #: It was sent, and no answer, or no more of it, came in time.
    SILENT = auto()
    #: The connection broke after the request may have left.
    BROKEN = auto()
    #: What came is no answer that can be read.
    ODD = auto()


class Fault(Exception):
    """An attempt failed on its way. `reason` never quotes what was sent or received."""

    def __init__(self, cause: Cause, reason: str = "") -> None:
        super().__init__(reason)
        self.cause = cause
        self.reason = reason


class Client(Protocol):
    """Carries requests to one store, in one event loop. It never sends a request twice, never follows a redirect, and
    uses no cookies, proxies or credentials of the environment."""

    async def exchange(self, request: Request, until: float, progress: Progress) -> Answer:
        """Send once and read the answer, before the instant `until` of the running loop's clock. Raises `Fault`;
        whatever ends it early, the connection is not used again."""

    async def close(self) -> None:
        """Close every connection."""


#: Makes a client for one store in the running loop.
NewClient: TypeAlias = Callable[[Origin, Limits, Names | None], Client]
