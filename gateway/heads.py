"""How large the head of a request may get and how long it may take to arrive, which uvicorn by itself never asks."""

from __future__ import annotations

import asyncio
from typing import Any, Final, cast

import orjson
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

#: As every answer of data carries them: these are written before the application could.
SAFE: Final = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-frame-options", b"DENY"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
)
NO_PAGE: Final = (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'")


#: Bytes that are read at once: an unfinished head may have begun behind as many of the request before.
_LARGEST_PIECE: Final = 262_144


class _TooLarge(Exception):
    """Raised through the parser, which then refuses the request."""


class BoundedHeads(HttpToolsProtocol):
    """One connection. A head that is too large is answered with 431, one that never ends with 408."""

    most_bytes: int
    most_seconds: float

    #: Between the first byte of a head and its last.
    _in_head = False
    #: Bytes of the piece that is being read.
    _piece = 0
    #: Bytes of all pieces since the head began, so at least the head's own.
    _came = 0
    _too_large = False
    _patience: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        self._piece = len(data)
        if self._in_head:
            self._came += len(data)
        super().data_received(data)
        if self.transport.is_closing():
            return
        if self._in_head and self._came > self.most_bytes + _LARGEST_PIECE:
            self._too_large = True
            self.send_400_response("")
        elif self._in_head or not self._answering:
            self._wait()
        else:
            self._stop_waiting()

    def on_message_begin(self) -> None:
        self._in_head, self._came = True, self._piece
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        self._in_head = False
        if self._came > self.most_bytes and self._size() > self.most_bytes:
            self._too_large = True
            raise _TooLarge
        super().on_headers_complete()

    def _size(self) -> int:
        return len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)

    def send_400_response(self, msg: str) -> None:
        """Also for what is no HTTP at all: in the words of every other error."""
        if self._too_large:
            words = f"the head of the request is larger than {self.most_bytes} bytes"
            self._refuse(431, words, "LIMIT_EXCEEDED", limit="header_bytes", most=self.most_bytes)
        else:
            self._refuse(400, "this is no HTTP request that can be read", "BAD_REQUEST")

    @property
    def _answering(self) -> bool:
        cycle: RequestResponseCycle | None = self.cycle  # none before the first request, whatever its type says
        return cycle is not None and not cycle.response_complete

    def _wait(self) -> None:
        """For a head, but not for ever."""
        if self._patience is None:
            self._patience = self.loop.call_later(self.most_seconds, self._give_up)

    def _stop_waiting(self) -> None:
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None

    def _give_up(self) -> None:
        self._patience = None
        if self.transport.is_closing():
            return
        if self._answering:
            self._wait()  # the one before is still being answered, within its own time
        elif self._in_head:
            self._refuse(408, "the request took too long to arrive", "REQUEST_TIMEOUT")
        else:
            self.transport.close()

    def _refuse(self, status: int, message: str, code: str, **extensions: Any) -> None:
        body = orjson.dumps({"errors": [{"message": message, "extensions": {"code": code, **extensions}}]})
        head = [
            *self.server_state.default_headers,
            (b"content-type", b"application/json; charset=utf-8"),
            (b"content-length", str(len(body)).encode()),
            (b"cache-control", b"no-store"),
            *SAFE,
            NO_PAGE,
            (b"connection", b"close"),
        ]
        lines = b"".join(name + b": " + value + b"\r\n" for name, value in head)
        self.transport.write(STATUS_LINE[status] + lines + b"\r\n" + body)
        self.transport.close()


def bounded(most_bytes: int, most_seconds: float) -> type[BoundedHeads]:
    """The protocol of a server whose requests' heads have at most so many bytes and arrive in so many seconds."""
    return cast(
        "type[BoundedHeads]",
        type("BoundedHeads", (BoundedHeads,), {"most_bytes": most_bytes, "most_seconds": most_seconds}),
    )
