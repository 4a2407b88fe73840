"""How HTTP/1.1 is written and read on one connection; the only module that knows the parser."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Callable, Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import Final, cast

from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser

from platforms.exchange import Answer, Cause, Fault, Limits, Progress, Request

METHODS: Final = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE"})
#: What an answer's head may take, and what may come between two pieces of a body that is not body, in bytes.
MAX_HEAD: Final = 64 * 1024
_TOKEN: Final = frozenset("!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz")
#: They say where a message ends and who may reuse its connection.
_FRAMING: Final = frozenset(
    {"connection", "content-length", "expect", "host", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade"}
)
_NOT_HTTP = "the answer is not HTTP"
_NOT_COMPRESSED = "the answer is not compressed as it says"
#: A stream of more gzip members than this is made to keep us busy.
_MEMBERS = 64


# ------------------------------------------------------------------------------------------------------------- writing


def written(request: Request, authority: str) -> bytes:
    """The bytes of a request. Raises `ValueError` where a header would break out of its line."""
    method, target, headers, body = request
    if method not in METHODS:
        raise ValueError(f"{method} is not sent to stores")
    text = f"{method} {target} HTTP/1.1\r\nHost: {authority}\r\n"
    for key, (name, value) in headers.items():
        if key not in _known_names:
            _check_name(key)
        if "\n" in value or "\r" in value or "\0" in value:
            raise ValueError(f"the header {name} holds a line break")
        text += f"{name}: {value}\r\n"
    if body is None:
        if method != "GET":
            text += "Content-Length: 0\r\n"
        return f"{text}\r\n".encode()
    if "content-type" not in headers:
        text += "Content-Type: application/octet-stream\r\n"
    return f"{text}Content-Length: {len(body)}\r\n\r\n".encode() + body


_known_names: set[str] = set()


def _check_name(key: str) -> None:
    if not key or not _TOKEN.issuperset(key) or key in _FRAMING:
        raise ValueError("a call may not set a header of this name")
    if len(_known_names) < 256:
        _known_names.add(key)


# ------------------------------------------------------------------------------------------------------------- reading


def _lower(name: bytes) -> str:
    return _lower_and_kept(name) if len(name) < 40 else name.decode("latin-1").lower()


@lru_cache(maxsize=512)
def _lower_and_kept(name: bytes) -> str:
    return name.decode("latin-1").lower()


class Connection(asyncio.Protocol):
    """One connection to a store: a request, its answer, then the next; never two at once.

    It is not used again once an answer was anything but complete and by the book, or was followed by a byte that
    nobody had asked for: an answer never belongs to another request than the one it came after.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, limits: Limits, ended: Callable[[Connection], None]) -> None:
        self._loop = loop
        self._limits = limits
        self._ended = ended
        self._transport: asyncio.Transport | None = None
        self._parser = HttpResponseParser(self)
        # What shops and what stands before them get wrong without harm: a bare line feed, a blank after a chunk's
        # size, a folded header. Never what says where an answer ends.
        self._parser.set_dangerous_leniencies(
            lenient_headers=True, lenient_optional_cr_before_lf=True, lenient_spaces_after_chunk_size=True
        )
        self.closed = False
        #: When the answer, or the next piece of it, must be here; of the loop's clock.
        self.due = 0.0
        #: Since when nothing was asked of it.
        self.idle_since = 0.0
        self._waiting: asyncio.Future[Answer] | None = None
        self._until = 0.0
        self._begin(Progress())

    def _begin(self, progress: Progress) -> None:
        self._progress = progress
        self._fields: list[tuple[bytes, bytes]] = []
        self._headers: Mapping[str, str] = MappingProxyType({})
        self._pieces: list[bytes] = []
        self._size = 0
        self._unpacking: _Unpacking | None = None
        self._head_size = 0
        self._head_read = False
        self._to_the_end = False
        self._complete = False
        self._surplus = False
        self._reusable = False
        self._fault: Fault | None = None
        #: Received since the last piece of body.
        self._held = 0

    def ask(self, request: bytes, until: float, progress: Progress) -> asyncio.Future[Answer]:
        """Send the bytes; what comes back, or the `Fault`."""
        transport = self._transport
        if transport is None or self._waiting is not None:
            raise RuntimeError("a connection carries one request at a time")
        self._begin(progress)
        now = self._loop.time()
        self._until = until
        self.due = min(until, now + self._limits.read)
        waiting = self._waiting = self._loop.create_future()
        transport.write(request)
        return waiting

    def fail(self, fault: Fault) -> None:
        """End what is under way, and the connection."""
        waiting, self._waiting = self._waiting, None
        self.close()
        if waiting is not None and not waiting.done():
            waiting.set_exception(fault)

    def close(self) -> None:
        """At once: nothing that still arrives is read."""
        if not self.closed:
            self.closed = True
            self._waiting = None
            if self._transport is not None:
                self._transport.abort()
            self._ended(self)

    # ------------------------------------------------------------------------------------------- told by the event loop

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self.idle_since = self._loop.time()

    def data_received(self, data: bytes) -> None:
        if self._waiting is None:  # whatever it is, nobody asked for it
            self.close()
            return
        self._held += len(data)
        try:
            self._parser.feed_data(data)
        except (HttpParserError, HttpParserUpgrade):
            if not self._complete:
                self._fault = self._fault or Fault(Cause.ODD, _NOT_HTTP)
            self._surplus = True
        if self._fault is not None:
            self.fail(self._fault)
        elif self._complete:
            self._answer()
        elif self._held > MAX_HEAD:
            self.fail(Fault(Cause.ODD, _NOT_HTTP))
        else:
            self.due = min(self._until, self._loop.time() + self._limits.read)

    def eof_received(self) -> None:
        if self._waiting is not None and self._to_the_end:
            self._surplus = True
            self.on_message_complete()
            if self._fault is not None:
                self.fail(self._fault)
            else:
                self._answer()
        else:
            self.fail(Fault(Cause.BROKEN))

    def connection_lost(self, exc: Exception | None) -> None:
        self.fail(Fault(Cause.BROKEN))

    # ----------------------------------------------------------------------------------------------- told by the parser

    def on_message_begin(self) -> None:
        if self._complete:
            self._surplus = True

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._complete:
            return
        self._head_size += len(name) + len(value)
        if self._head_size > MAX_HEAD:
            self._fault = self._fault or Fault(Cause.ODD, _NOT_HTTP)
        elif not self._head_read:  # else it is a trailer, which nobody reads
            self._fields.append((name, value))

    def on_headers_complete(self) -> None:
        status = self._parser.get_status_code()
        if self._complete:
            return
        if status < 200:
            if status < 100 or status == 101:  # we never ask to change the protocol
                self._fault = self._fault or Fault(Cause.ODD, _NOT_HTTP)
            return
        self._progress.status = status
        self._head_read = True
        headers: dict[str, str] = {}
        for raw, text in self._fields:
            name, value = _lower(raw), text.decode("utf-8", "surrogateescape")
            headers[name] = f"{headers[name]}, {value}" if name in headers else value
        self._headers = MappingProxyType(headers)
        length = headers.get("content-length")
        if length is not None:
            if len(length) > 18 or int(length) > self._limits.max_body:
                self._fault = self._too_large()
        elif not headers.get("transfer-encoding", "").rstrip().lower().endswith("chunked"):
            self._to_the_end = True  # unless the parser knows that such an answer has no body, and says so
        encoding = headers.get("content-encoding")
        if encoding is not None:
            self._unpack(encoding.strip().lower())

    def _unpack(self, encoding: str) -> None:
        if encoding in ("gzip", "x-gzip", "deflate"):
            self._unpacking = _Unpacking(zlib_wrapped=encoding == "deflate")
        elif encoding in ("br", "zstd", "compress", "x-compress"):  # never asked for
            self._fault = self._fault or Fault(Cause.ODD, _NOT_COMPRESSED)

    def on_body(self, body: bytes) -> None:
        if self._complete or self._fault is not None:
            return
        self._held = 0
        if self._unpacking is not None:
            try:
                body = self._unpacking.feed(body, self._limits.max_body - self._size)
            except zlib.error:
                self._fault = Fault(Cause.ODD, _NOT_COMPRESSED)
                return
        self._size += len(body)
        if self._size > self._limits.max_body:
            self._fault = self._too_large()
        else:
            self._pieces.append(body)

    def on_message_complete(self) -> None:
        if self._complete:
            return
        if not self._head_read:
            self._fields.clear()  # of an interim answer: the real one follows
            return
        if self._unpacking is not None and not self._unpacking.ended and self._fault is None:
            self._fault = Fault(Cause.ODD, _NOT_COMPRESSED)
        self._complete = True
        self._reusable = self._parser.should_keep_alive()

    # ---------------------------------------------------------------------------------------------------------- the end

    def _too_large(self) -> Fault:
        return Fault(Cause.ODD, f"the answer is larger than {self._limits.max_body} bytes")

    def _answer(self) -> None:
        waiting, self._waiting = self._waiting, None
        self.idle_since = self._loop.time()
        pieces = self._pieces
        answer = Answer(
            cast("int", self._progress.status), self._headers, pieces[0] if len(pieces) == 1 else b"".join(pieces)
        )
        self._pieces = []
        # An answer that came before the request had left leaves the rest of the request on the line.
        if self._surplus or not self._reusable or cast("asyncio.Transport", self._transport).get_write_buffer_size():
            self.close()
        if waiting is not None and not waiting.done():
            waiting.set_result(answer)


class _Unpacking:
    """A compressed body, unpacked piece by piece and no further than there is room."""

    def __init__(self, *, zlib_wrapped: bool) -> None:
        self._zlib_wrapped = zlib_wrapped
        self._machine: zlib._Decompress | None = None
        self._members = 0

    @property
    def ended(self) -> bool:
        return self._machine is None or self._machine.eof

    def feed(self, data: bytes, room: int) -> bytes:
        """What `data` unfolds to, at most `room` + 1 bytes of it. Raises `zlib.error`."""
        made = b""
        while data and len(made) <= room:
            if self._machine is None or self._machine.eof:
                self._machine = self._another(data[0])
            made += self._machine.decompress(data, room + 1 - len(made))
            data = self._machine.unused_data
        return made

    def _another(self, first: int) -> zlib._Decompress:
        self._members += 1
        if self._members > (1 if self._zlib_wrapped else _MEMBERS):
            raise zlib.error
        if not self._zlib_wrapped:
            return zlib.decompressobj(16 + zlib.MAX_WBITS)
        # Half of the world sends `deflate` without the wrapping that RFC 9110 asks for.
        return zlib.decompressobj(zlib.MAX_WBITS if first & 0xF == 8 else -zlib.MAX_WBITS)
