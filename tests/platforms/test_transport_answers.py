"""What is made of the bytes of an answer: by the book, loose, broken, hostile; and that none is taken for another's."""

from __future__ import annotations

import asyncio
import gzip
import zlib
from collections.abc import Mapping
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from platforms.errors import OutcomeUnknown, Unavailable, Unreadable
from platforms.exchange import Answer, Cause, Fault, Limits, Progress
from platforms.http1 import MAX_HEAD, Connection
from platforms.transport import Reply
from tests.platforms.scripted import LOOPS, OK, QUICK, READ, WRITE, failing, serving, to

__all__ = ["LOOPS"]


def of(*lines: str, body: bytes = b"") -> bytes:
    return "\r\n".join(["HTTP/1.1 200 OK", *lines, "", ""]).encode() + body


def chunked(*lines: str, body: bytes) -> bytes:
    return of("transfer-encoding: chunked", *lines, body=body)


def squeezed(data: bytes, window: int) -> bytes:
    machine = zlib.compressobj(wbits=window)
    return machine.compress(data) + machine.flush()


LENGTH = "content-length: 2"
PACKED = gzip.compress(b'{"a":1}')
CLOSED = "connection: close"

READABLE: Mapping[str, tuple[bytes, bytes]] = {
    "in chunks": (chunked(body=b"1\r\n{\r\n1\r\n}\r\n0\r\n\r\n"), b"{}"),
    "in chunks with an extension": (chunked(body=b"2;a=b\r\n{}\r\n0\r\n\r\n"), b"{}"),
    "in chunks with a blank after the size": (chunked(body=b"2 \r\n{}\r\n0\r\n\r\n"), b"{}"),
    "with a trailer": (chunked(body=b"2\r\n{}\r\n0\r\nx-sum: 1\r\n\r\n"), b"{}"),
    "to the end of the connection": (of(CLOSED, body=b"{}"), b"{}"),
    "of HTTP/1.0": (b"HTTP/1.0 200 OK\r\nconnection: close\r\n\r\n{}", b"{}"),
    "without a reason": (b"HTTP/1.1 200\r\ncontent-length: 2\r\n\r\n{}", b"{}"),
    "with bare line feeds": (b"HTTP/1.1 200 OK\ncontent-length: 2\n\n{}", b"{}"),
    "after an early hint": (b"HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n" + of(LENGTH, body=b"{}"), b"{}"),
    "after continue": (b"HTTP/1.1 100 Continue\r\n\r\n" + of(LENGTH, body=b"{}"), b"{}"),
    "that offers another protocol": (of("upgrade: h2,h2c", "connection: Upgrade, close", LENGTH, body=b"{}"), b"{}"),
    "without content": (b"HTTP/1.1 204 No Content\r\n\r\n", b""),
    "in gzip": (of("content-encoding: gzip", f"content-length: {len(PACKED)}", body=PACKED), b'{"a":1}'),
    "in GZIP": (of("content-encoding: GZIP", f"content-length: {len(PACKED)}", body=PACKED), b'{"a":1}'),
    "in gzip and chunks": (
        chunked("content-encoding: gzip", body=b"%x\r\n%b\r\n0\r\n\r\n" % (len(PACKED), PACKED)),
        b'{"a":1}',
    ),
    "in deflate": (of("content-encoding: deflate", CLOSED, body=squeezed(b"{}", 15)), b"{}"),
    "in deflate without its wrapping": (of("content-encoding: deflate", CLOSED, body=squeezed(b"{}", -15)), b"{}"),
    "in gzip of nothing": (of("content-encoding: gzip", "content-length: 0"), b""),
    "encoded in a word that is none": (of("content-encoding: utf-8", LENGTH, body=b"{}"), b"{}"),
}


@pytest.mark.parametrize("kind", READABLE)
async def test_an_answer_is_read(kind: str) -> None:
    step, body = READABLE[kind]
    async with serving(step) as server, to(server, replace(QUICK, retries=0)) as transport:
        assert (await transport.send(READ)).body == body


async def test_what_comes_in_single_bytes_is_read_as_well() -> None:
    async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        for byte in chunked("content-encoding: gzip", CLOSED, body=b"%x\r\n%b\r\n0\r\n\r\n" % (len(PACKED), PACKED)):
            writer.write(bytes([byte]))
            await writer.drain()
            await asyncio.sleep(0)
        writer.close()

    listening = await asyncio.start_server(drip, "127.0.0.1", 0)
    async with to(f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}") as transport:
        assert (await transport.send(READ)).body == b'{"a":1}'
    listening.close()
    await asyncio.sleep(0.01)


async def test_headers_are_by_their_name_in_lower_case_and_repeated_ones_are_joined() -> None:
    step = of(LENGTH, "X-Total: 7", "Link: a", "LINK: b", "x-name: é", body=b"{}")
    async with serving(step) as server, to(server) as transport:
        headers = (await transport.send(READ)).headers
    assert headers == {"content-length": "2", "x-total": "7", "link": "a, b", "x-name": "é"}


UNREADABLE: Mapping[str, bytes] = {
    "of two lengths": of(LENGTH, "content-length: 3", body=b"{}x"),
    "of a length and chunks": of(LENGTH, "transfer-encoding: chunked", body=b"2\r\n{}\r\n0\r\n\r\n"),
    "of chunks and a length": chunked(LENGTH, body=b"2\r\n{}\r\n0\r\n\r\n"),
    "of a length below nothing": of("content-length: -2", body=b"{}"),
    "of a length that is a sum": of("content-length: +2", body=b"{}"),
    "of a length in many digits": of(f"content-length: {'9' * 30}", body=b"{}"),
    "with a length for a trailer": chunked(body=b"2\r\n{}\r\n0\r\ncontent-length: 9\r\n\r\n"),
    "of chunks of no number": chunked(body=b"zz\r\n{}\r\n0\r\n\r\n"),
    "of a chunk larger than any": chunked(body=b"FFFFFFFFFFFFFFFFF\r\n{}\r\n0\r\n\r\n"),
    "in brotli": of("content-encoding: br", LENGTH, body=b"{}"),
    "longer than the limit, to the end": of(CLOSED, body=b"x" * 4001),
    "of no status": b"HTTP/1.1 OK\r\n\r\n",
    "without end of head": b"HTTP/1.1 200 OK\r\nx-a: " + b"a" * (2 * MAX_HEAD),
}


@pytest.mark.parametrize("kind", UNREADABLE)
async def test_an_answer_that_cannot_be_read_is_told_as_such_and_its_connection_ends(kind: str) -> None:
    step = UNREADABLE[kind]
    async with serving(step, step, OK) as server, to(server, replace(QUICK, max_body=4000)) as transport:
        assert type(await failing(transport, READ)) is Unreadable
        assert type(await failing(transport, WRITE)) is OutcomeUnknown
        assert (await transport.send(READ)).body == b'{"ok":true}'
    assert [request.connection for request in server.requests] == [1, 2, 3]


CUT: Mapping[str, bytes] = {
    "before its head": b"",
    "in its head": b"HTTP/1.1 200 OK\r\nconnection: close\r\nx-a",
    "in its body": of(CLOSED, "content-length: 9", body=b"{}"),
    "in a chunk": chunked(CLOSED, body=b"9\r\n{}"),
    "before its last chunk": chunked(CLOSED, body=b"2\r\n{}\r\n"),
}


@pytest.mark.parametrize("kind", CUT)
async def test_an_answer_that_is_cut_short_is_none(kind: str) -> None:
    step = CUT[kind] or b"DROP"
    async with serving(step) as server, to(server, replace(QUICK, retries=0)) as transport:
        assert type(await failing(transport, READ)) is Unavailable
        assert type(await failing(transport, WRITE)) is OutcomeUnknown
    assert len(server.requests) == 2


# --------------------------------------------------------------------------------------------- whatever bytes there be


class Line(asyncio.Transport):
    """Takes what is written, and can be aborted."""

    def write(self, data: object) -> None:
        pass

    def abort(self) -> None:
        pass

    def get_write_buffer_size(self) -> int:
        return 0


SMALL = Limits(max_body=200)


def read_in(pieces: list[bytes]) -> Answer | Fault | None:
    """What a connection makes of them; None while it waits for more."""
    loop = asyncio.new_event_loop()
    try:
        connection = Connection(loop, SMALL, lambda ended: None)
        connection.connection_made(Line())
        waiting = connection.ask(b"", loop.time() + 60, Progress())
        for piece in pieces:
            connection.data_received(piece)
        if not waiting.done():
            return None
        fault = waiting.exception()
        if fault is None:
            return waiting.result()
        assert isinstance(fault, Fault)
        assert connection.closed
        return fault
    finally:
        loop.close()


WHOLE = [step for step, _ in READABLE.values() if b"close" not in step]


@given(st.sampled_from(WHOLE), st.lists(st.integers(1, 300), max_size=8))
def test_where_an_answer_is_cut_into_pieces_makes_no_difference(step: bytes, cuts: list[int]) -> None:
    places = sorted({0, *(cut for cut in cuts if cut < len(step)), len(step)})
    pieces = [step[at:to] for at, to in pairwise(places)]
    assert read_in(pieces) == read_in([step])


@given(st.sampled_from([step for step, _ in READABLE.values()] + list(UNREADABLE.values())[:12]), st.data())
def test_of_bytes_that_were_tampered_with_nothing_comes_but_an_answer_or_a_fault(
    step: bytes, data: st.DataObject
) -> None:
    at = data.draw(st.integers(0, len(step)))
    until = data.draw(st.integers(at, min(len(step), at + 20)))
    put = data.draw(st.binary(max_size=12) | st.sampled_from([b"\r\n", b"\r\n\r\n", b"content-length: 5\r\n", b"0"]))
    made = read_in([step[:at], put, step[until:]])
    if isinstance(made, Fault):
        assert made.cause in (Cause.ODD, Cause.BROKEN)
        assert made.reason in (
            "the answer is not HTTP",
            "the answer is not compressed as it says",
            "the answer is larger than 200 bytes",
        )
    elif made is not None:
        assert 200 <= made.status <= 999
        assert len(made.body) <= SMALL.max_body
        Reply(made.status, made.headers, made.body)
