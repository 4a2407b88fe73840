"""What our own client does beyond what is asked of every one: no byte is taken for another answer's, turns are taken in
order, nothing breaks out of its line, and no connection is left behind."""

from __future__ import annotations

import asyncio
import gzip
import random
import socket
import ssl
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from platforms import connections
from platforms.errors import OutcomeUnknown, PlatformError, Unavailable, Unreadable
from platforms.http1 import MAX_HEAD
from platforms.transport import Call, Transport, store_deadline
from tests.platforms import scripted
from tests.platforms.scripted import OK, QUICK, READ, SILENCE, WRITE, after, answer, failing, self_signed, serving, to
from tests.platforms.test_transport_answers import CLOSED, LENGTH, PACKED, chunked, of, squeezed

LOOPS = {name: loop for name, loop in scripted.LOOPS.items() if name != "aiohttp"}

#: Of these aiohttp takes what is there for all there is, or goes on reading.
OURS_ALONE: Mapping[str, bytes] = {
    "of another protocol": b"HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n{}",
    "longer than the limit, by its own word": of("content-length: 4001", body=b"{}"),
    "longer than the limit, in chunks": chunked(body=b"fa1\r\n" + b"x" * 4001 + b"\r\n0\r\n\r\n"),
    "of too many headers": of(*(f"x-{number}: {'a' * 1000}" for number in range(80)), LENGTH, body=b"{}"),
    "in gzip that ends early": of("content-encoding: gzip", f"content-length: {len(PACKED) - 9}", body=PACKED[:-9]),
    "in deflate with something behind": of("content-encoding: deflate", CLOSED, body=squeezed(b"{}", 15) + b"x"),
    "in more gzip members than anybody needs": of("content-encoding: gzip", CLOSED, body=gzip.compress(b"") * 100),
    "with a trailer without end": chunked(body=b"2\r\n{}\r\n0\r\nx-a: " + b"a" * (16 * MAX_HEAD)),
    "with a chunk's extension without end": chunked(body=b"2;" + b"a" * (2 * MAX_HEAD)),
    "of endless early hints": b"HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n" * 10_000,
}


@pytest.mark.parametrize("kind", OURS_ALONE)
async def test_an_answer_that_does_not_end_as_it_says_is_told_as_such(kind: str) -> None:
    step = OURS_ALONE[kind]
    async with serving(step, step, OK) as server, to(server, replace(QUICK, max_body=4000)) as transport:
        assert type(await failing(transport, READ)) is Unreadable
        assert type(await failing(transport, WRITE)) is OutcomeUnknown
        assert (await transport.send(READ)).body == b'{"ok":true}'
    assert [request.connection for request in server.requests] == [1, 2, 3]


# ------------------------------------------------------------------------------------------------------- nobody's bytes

FORGED = answer(200, b'{"forged":true}')


@pytest.mark.parametrize("surplus", [b"x", b"HTTP/1.1 2", b"garbage\r\n\r\n", FORGED, FORGED * 3])
async def test_what_follows_an_answer_is_never_the_answer_to_the_next_call(surplus: bytes) -> None:
    async with serving(OK + surplus, OK) as server, to(server) as transport:
        for _ in range(3):
            assert (await transport.send(READ)).body == b'{"ok":true}'
    assert [request.connection for request in server.requests] == [1, 2, 2]


async def test_what_arrives_while_nothing_is_asked_ends_the_connection() -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(65536)
        writer.write(OK)
        await asyncio.sleep(0.02)
        writer.write(answer(408, b"you were slow"))
        assert await reader.read() == b""
        writer.close()
        ended.append(True)

    ended: list[bool] = []
    listening = await asyncio.start_server(talk, "127.0.0.1", 0)
    async with to(f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}") as transport:
        for _ in range(2):
            assert (await transport.send(WRITE)).body == b'{"ok":true}'
            await asyncio.sleep(0.06)
        assert ended == [True, True]
    listening.close()


def test_what_arrived_while_the_loop_was_busy_is_seen_before_the_connection_is_used_again() -> None:
    """A write on it would have an unknown outcome, or be given an answer that is not its own."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        lines: list[socket.socket] = []

        def serve() -> None:
            for late in (FORGED, b"", b"", b""):
                line, _ = listening.accept()
                lines.append(line)
                line.recv(65536)
                line.sendall(OK)
                time.sleep(0.03)
                if late:
                    line.sendall(late)
                else:
                    line.shutdown(socket.SHUT_WR)

        thread = threading.Thread(target=serve)
        thread.start()

        async def ask() -> None:
            async with to(f"http://127.0.0.1:{listening.getsockname()[1]}") as transport:
                for _ in range(4):
                    assert (await transport.send(WRITE)).body == b'{"ok":true}'
                    time.sleep(0.1)  # noqa: ASYNC251 -- the loop hears nothing meanwhile

        asyncio.run(ask())
        thread.join()
        for line in lines:
            line.close()


async def test_an_answer_that_came_before_the_request_had_left_ends_the_connection() -> None:
    async def hasty(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connections.append(True)
        await reader.read(65536)
        writer.write(answer(413, b"{}"))
        await asyncio.sleep(0.05)
        while await reader.read(1 << 20):
            pass
        writer.close()

    connections: list[bool] = []
    listening = await asyncio.start_server(hasty, "127.0.0.1", 0, limit=1024)
    url = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
    async with to(url, replace(QUICK, connections=1)) as transport:
        for _ in range(2):
            assert (await transport.send(replace(WRITE, body=bytes(30_000_000)))).status == 413
    listening.close()
    await asyncio.sleep(0.1)
    assert len(connections) == 2


@pytest.mark.parametrize(
    "step",
    [
        answer(200, connection="close"),
        answer(200, connection="Close"),  # and then the script's server leaves it open
        b"HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\n{}",
    ],
)
async def test_a_connection_the_store_ends_is_not_used_again(step: bytes) -> None:
    async with serving(step, OK) as server, to(server) as transport:
        await transport.send(WRITE)
        await transport.send(WRITE)
    assert [request.connection for request in server.requests] == [1, 2]


async def test_an_answer_too_late_for_its_call_is_nobody_s() -> None:
    limits = replace(QUICK, read=0.25, retries=0)
    async with serving(after(0.5, FORGED), OK) as server, to(server, limits) as transport:
        assert isinstance(await failing(transport, READ), PlatformError)
        await asyncio.sleep(0.4)
        assert (await transport.send(READ)).body == b'{"ok":true}'
    assert [request.connection for request in server.requests] == [1, 2]


# -------------------------------------------------------------------------------------------------- turns and leftovers

ONE = replace(QUICK, connections=1, retries=0)


async def test_who_waits_for_a_connection_gets_one_in_turn() -> None:
    async with serving(after(0.02, OK), OK) as server, to(server, ONE) as transport:
        async with asyncio.TaskGroup() as group:
            for number in range(6):
                group.create_task(transport.send(replace(READ, path=f"/{number}")))
                await asyncio.sleep(0)
    assert [request.line.split()[1] for request in server.requests] == [f"/{number}" for number in range(6)]
    assert server.connections == 1


@pytest.mark.parametrize("steps", range(12))
async def test_a_call_given_up_at_any_step_takes_no_connection_with_it(steps: int) -> None:
    async with serving(OK) as server, to(server, ONE) as transport:
        for _ in range(3):
            tasks = [asyncio.create_task(transport.send(READ)) for _ in range(3)]
            for _ in range(steps):
                await asyncio.sleep(0)
            tasks[0].cancel()
            tasks[1].cancel()
            await asyncio.wait(tasks)
            assert tasks[2].result().body == b'{"ok":true}'
        client = transport._clients[asyncio.get_running_loop()]
        assert isinstance(client, connections.Connections)
        assert (client._leased, len(client._queue), client._busy) == (0, 0, {})
        assert len(client._idle) == 1


async def test_a_call_given_up_under_way_ends_its_connection() -> None:
    async with serving(SILENCE, OK) as server, to(server, ONE) as transport:
        task = asyncio.create_task(transport.send(READ))
        await server.received.wait()
        task.cancel()
        await asyncio.wait([task])
        assert (await transport.send(READ)).status == 200
    assert [request.connection for request in server.requests] == [1, 2]


async def test_a_connection_nobody_uses_is_ended_after_a_while_though_nobody_calls() -> None:
    ended = asyncio.Event()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(OK)
        assert await reader.read() == b""
        ended.set()
        writer.close()

    listening = await asyncio.start_server(talk, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
    async with to(url, replace(QUICK, keepalive=0.05)) as transport:
        await transport.send(READ)
        began = time.monotonic()
        async with asyncio.timeout(2):
            await ended.wait()
        assert 0.03 < time.monotonic() - began < 1
    listening.close()


async def test_a_read_that_waits_longest_does_not_delay_the_end_of_a_shorter_one() -> None:
    async with serving(SILENCE) as server, to(server, replace(QUICK, read=5, whole=5)) as transport:
        long = asyncio.create_task(transport.send(READ))
        await server.received.wait()
        began = time.monotonic()
        with store_deadline(0.05):
            await failing(transport, READ)
        assert time.monotonic() - began < 0.5
        long.cancel()
        await asyncio.wait([long])


async def test_closing_ends_what_is_under_way_and_what_waits() -> None:
    async with serving(SILENCE) as server, to(server, ONE) as transport:
        under_way = asyncio.create_task(failing(transport, READ))
        await server.received.wait()
        waiting = asyncio.create_task(failing(transport, WRITE))
        await asyncio.sleep(0.01)
        await transport.close()
        assert not (await under_way).not_executed
        assert (await waiting).not_executed
    assert len(server.requests) == 1


async def test_a_name_is_asked_for_once_in_a_while_and_again_after_a_failure() -> None:
    names = scripted.Names("127.0.0.1")
    async with serving(answer(200, connection="close")) as server:
        port = server.url.rpartition(":")[2]
        async with to(f"http://acme.example:{port}", replace(QUICK, retries=0), names=names) as transport:
            for _ in range(3):
                await transport.send(READ)
            assert len(names.asked) == 1
            names.addresses = ()
    async with to(f"http://acme.example:{port}", replace(QUICK, retries=0), names=names) as transport:
        names.addresses = ("127.0.0.1",)
        for times in (2, 3):
            assert isinstance(await failing(transport, READ), Unavailable)
            assert len(names.asked) == times


async def test_where_one_address_of_a_name_does_not_answer_the_next_is_used() -> None:
    names = scripted.Names("127.0.0.2", "127.0.0.1")
    async with serving() as server:
        port = server.url.rpartition(":")[2]
        async with to(f"http://acme.example:{port}", names=names) as transport:
            assert (await transport.send(READ)).status == 200
    assert server.requests[0].headers["host"] == f"acme.example:{port}"


# --------------------------------------------------------------------------------------------------------- what is sent


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("X-A", "1\r\nX-B: 2"), ("X-A", "1\n"), ("X-A", "\0"), ("X-A\r\nX-B", "1"), ("X A", "1"), ("", "1"),
        ("X-É", "1"),
        ("Host", "evil.example"), ("content-length", "0"), ("Transfer-Encoding", "chunked"), ("Connection", "close"),
    ],
)  # fmt: skip
async def test_no_header_breaks_out_of_its_line_or_says_where_a_request_ends(name: str, value: str) -> None:
    async with serving() as server, to(server) as transport:
        for call in (READ, WRITE):
            with pytest.raises(ValueError, match="header"):
                await transport.send(replace(call, headers={name: value}))
        await transport.send(READ)
    assert len(server.requests) == 1


async def test_only_methods_that_are_meant_for_stores_are_sent() -> None:
    async with serving() as server, to(server) as transport:
        for method in ("HEAD", "CONNECT", "get", "GET / HTTP/1.1\r\nx:"):
            with pytest.raises(ValueError, match="not sent to stores"):
                await transport.send(Call("orders.list", method, "/orders"))
    assert server.requests == []


async def test_a_request_says_how_long_it_is_and_of_what_type() -> None:
    async with serving() as server, to(server) as transport:
        await transport.send(READ)
        await transport.send(WRITE)
        await transport.send(replace(WRITE, body=None))
        await transport.send(replace(WRITE, headers={"Content-Type": "application/json"}))
    framing = [
        (request.headers.get("content-length"), request.headers.get("content-type")) for request in server.requests
    ]
    assert framing == [
        (None, None),
        ("2", "application/octet-stream"),
        ("0", None),
        ("2", "application/json"),
    ]


async def test_letters_outside_of_ascii_arrive_encoded() -> None:
    async with serving() as server:
        port = server.url.rpartition(":")[2]
        url = f"http://müller.example.:{port}/büro"
        async with to(url, names=scripted.Names("127.0.0.1")) as transport:
            await transport.send(replace(READ, path="/é%20", query=[("q", "é")]))
    assert server.requests[0].line == "GET /b%C3%BCro/%C3%A9%20?q=%C3%A9 HTTP/1.1"
    assert server.requests[0].headers["host"] == f"xn--mller-kva.example:{port}"


# ------------------------------------------------------------------------------------------------------------------ TLS


@pytest.fixture
def secure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ssl.SSLContext]:
    """What a server at `shop.example` presents; its authority is the only one the system trusts."""
    file = self_signed("shop.example", tmp_path / "both.pem")
    monkeypatch.setenv("SSL_CERT_FILE", str(file))
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path / "none"))
    connections.trusted.cache_clear()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_alpn_protocols(["h2", "http/1.1"])
    context.load_cert_chain(file)
    yield context
    connections.trusted.cache_clear()


async def test_a_store_that_proves_who_it_is_is_talked_to_and_its_connection_kept(secure: ssl.SSLContext) -> None:
    big = answer(200, b'"' + b"x" * 300_000 + b'"')
    async with serving(big, tls=secure) as server:
        port = server.url.rpartition(":")[2]
        async with to(f"https://shop.example:{port}", names=scripted.Names("127.0.0.1")) as transport:
            for _ in range(3):
                assert len((await transport.send(READ)).body) == 300_002
                await asyncio.sleep(0.01)
    assert [request.connection for request in server.requests] == [1, 1, 1]


async def test_a_certificate_for_another_name_is_not_talked_to(secure: ssl.SSLContext) -> None:
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: None)  # the server's side complains too
    async with serving(OK, tls=secure) as server:
        port = server.url.rpartition(":")[2]
        async with to(f"https://another.example:{port}", names=scripted.Names("127.0.0.1")) as transport:
            error = await failing(transport, WRITE)
    assert "does not prove who it is" in str(error)
    assert error.not_executed
    assert server.requests == []


async def test_a_secure_connection_that_breaks_leaves_a_write_unknown_and_a_read_unavailable(
    secure: ssl.SSLContext,
) -> None:
    async with serving(OK, b"DROP", OK, b"DROP", tls=secure) as server:
        port = server.url.rpartition(":")[2]
        limits = replace(QUICK, retries=0)
        async with to(f"https://shop.example:{port}", limits, names=scripted.Names("127.0.0.1")) as transport:
            for call, kind in ((WRITE, OutcomeUnknown), (READ, Unavailable)):
                await transport.send(READ)
                assert type(await failing(transport, call)) is kind
    assert [request.connection for request in server.requests] == [1, 1, 2, 2]


async def test_what_does_not_speak_tls_was_surely_not_asked() -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(100)
        writer.write(OK)
        await reader.read()
        writer.close()

    listening = await asyncio.start_server(talk, "127.0.0.1", 0)
    url = f"https://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
    async with to(url, replace(QUICK, retries=0)) as transport:
        error = await failing(transport, WRITE)
    assert type(error) is Unavailable
    assert error.not_executed
    listening.close()
    await asyncio.sleep(0.01)


# ------------------------------------------------------------------------------------------------------- all at once


async def test_whatever_a_store_does_an_answer_belongs_to_its_call_and_nothing_is_left_behind() -> None:
    dice = random.Random(4)
    troubles = ("drop", "cut", "surplus", "slow", "silent", "500", "close", "not HTTP", "chunks", *["none"] * 12)

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while (trouble := dice.choice(troubles)) != "drop":
                line, *_ = (await reader.readuntil(b"\r\n\r\n")).split(b"\r\n")
                body = line.split()[1].removeprefix(b"/")
                match trouble:
                    case "cut":
                        writer.write(answer(200, body)[: dice.randrange(60)])
                        break
                    case "not HTTP":
                        writer.write(b"HTTP/1.1 2x0\r\n\r\n")
                        break
                    case "close":
                        writer.write(answer(200, body, connection="close"))
                        break
                    case "surplus":
                        writer.write(answer(200, body) + dice.choice([b"x", FORGED, b"\r\nHT"]))
                    case "500":
                        writer.write(answer(500))
                    case "chunks":
                        writer.write(chunked(body=b"%x\r\n%b" % (len(body), body)))
                        await asyncio.sleep(0)
                        writer.write(b"\r\n0\r\n\r\n")
                    case _:
                        await asyncio.sleep({"slow": 0.02, "silent": 0.2}.get(trouble, 0))
                        writer.write(answer(200, body))
        writer.close()

    listening = await asyncio.start_server(talk, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
    limits = replace(QUICK, read=0.1, whole=0.3, retries=1, backoff=0.001, connections=4, keepalive=0.05)
    answered: list[int] = []

    async def calling(transport: Transport, numbers: Iterator[int]) -> None:
        for number in numbers:
            call = replace(READ if dice.random() < 0.5 else WRITE, path=f"/{number}", body=None)
            with suppress(PlatformError, TimeoutError), store_deadline(dice.choice([0.05, 1])):
                async with asyncio.timeout(dice.choice([0.001, 0.01, 5, 5, 5])):
                    assert (await transport.send(call)).body == b"%d" % number
                    answered.append(number)
            if dice.random() < 0.01:
                await asyncio.sleep(0.06)

    async with to(url, replace(limits, circuit_failures=1_000_000)) as transport:
        numbers = iter(range(1500))
        async with asyncio.TaskGroup() as group:
            for _ in range(10):
                group.create_task(calling(transport, numbers))
        await asyncio.sleep(0.1)
        client = transport._clients[asyncio.get_running_loop()]
        assert isinstance(client, connections.Connections)
        assert (client._leased, len(client._idle), len(client._busy), len(client._queue)) == (0, 0, 0, 0)
        assert client._timer is None
    listening.close()
    await asyncio.sleep(0.25)
    assert len(answered) > 500
