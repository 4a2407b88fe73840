"""The head of a request: within its limit of size and of time, before the application is asked at all."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from urllib.parse import urlsplit

import pytest
import pytest_asyncio

from gateway.settings import Limits
from tests.running import Gateway, running_gateway

pytestmark = pytest.mark.asyncio(loop_scope="module")

MOST = 4_096
SECONDS = 0.6
BODY = b'{"query": "{ __typename }"}'
Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def strict(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Gateway]:
    deadlines = {"store_seconds": 0.2, "request_seconds": SECONDS}
    folder = tmp_path_factory.mktemp("strict")
    async with running_gateway(folder, limits=Limits(header_bytes=MOST), deadlines=deadlines) as gateway:
        yield gateway


@asynccontextmanager
async def connected(gateway: Gateway) -> AsyncIterator[Streams]:
    address = urlsplit(gateway.url)
    reader, writer = await asyncio.open_connection(address.hostname, address.port, family=socket.AF_INET)
    try:
        yield reader, writer
    finally:
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()


def head(size: int, *, target: str = "/graphql") -> bytes:
    """The head of a good request, as many bytes as counted: names, values, and four for each line."""
    fixed = [("host", "x"), ("content-type", "application/json"), ("content-length", str(len(BODY)))]
    rest = size - len(target) - sum(len(name) + len(value) + 4 for name, value in fixed) - len("x-filler") - 4
    lines = [f"{name}: {value}\r\n" for name, value in (*fixed, ("x-filler", "f" * rest))]
    return f"POST {target} HTTP/1.1\r\n{''.join(lines)}\r\n".encode()


async def answer(reader: asyncio.StreamReader) -> tuple[int, dict[str, str], dict[str, object]]:
    found = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 5)
    first, *lines = found.decode().split("\r\n")[:-2]
    headers = dict(line.split(": ", 1) for line in lines)
    body = await asyncio.wait_for(reader.readexactly(int(headers["content-length"])), 5)
    return int(first.split()[1]), headers, json.loads(body)


async def closed(reader: asyncio.StreamReader) -> bool:
    """Whether nothing more comes."""
    try:
        return await asyncio.wait_for(reader.read(), 5) == b""
    except ConnectionResetError:
        return True


@pytest.mark.parametrize("pieces", [1, 3])
async def test_a_head_of_the_most_bytes_is_taken_and_a_larger_one_is_told_so(strict: Gateway, pieces: int) -> None:
    for size, status in ((MOST, 200), (MOST + 1, 431)):
        async with connected(strict) as (reader, writer):
            sent = head(size) + BODY
            for n in range(pieces):
                writer.write(sent[n * len(sent) // pieces : (n + 1) * len(sent) // pieces])
                await asyncio.sleep(0.02)
            told, headers, body = await answer(reader)
            assert told == status, size
            if status == 431:
                assert body == {
                    "errors": [
                        {
                            "message": "the head of the request is larger than 4096 bytes",
                            "extensions": {"code": "LIMIT_EXCEEDED", "limit": "header_bytes", "most": MOST},
                        }
                    ]
                }
                assert headers["x-content-type-options"] == "nosniff"
                assert headers["connection"] == "close"
                assert await closed(reader)


async def test_an_address_counts_too(strict: Gateway) -> None:
    async with connected(strict) as (reader, writer):
        writer.write(head(MOST + 1, target="/graphql?" + "a" * 3_000) + BODY)
        assert (await answer(reader))[0] == 431


async def test_a_head_that_never_ends_is_cut_off_long_before_it_fills_the_memory(strict: Gateway) -> None:
    async with connected(strict) as (_, writer):
        sent = 0
        writer.write(b"POST /graphql HTTP/1.1\r\n")
        try:
            while sent < 50_000_000:
                writer.write(b"x: " + b"a" * 10_000 + b"\r\n")
                sent += 10_000
                await asyncio.wait_for(writer.drain(), 5)
                await asyncio.sleep(0)
        except ConnectionError:
            pass
        assert sent < 20_000_000  # what the sockets hold; the gateway itself took a piece or two


@pytest.mark.parametrize("began", [b"", b"P", b"POST /graphql HTTP/1.1\r\nx:", b"\r\n"])
async def test_a_head_that_does_not_come_is_given_up(strict: Gateway, began: bytes) -> None:
    async with connected(strict) as (reader, writer):
        writer.write(began)
        if began.startswith(b"P"):
            status, _, body = await answer(reader)
            assert status == 408
            assert "too long" in str(body)
        assert await closed(reader)


async def test_bytes_that_trickle_in_buy_no_time(strict: Gateway) -> None:
    async with connected(strict) as (reader, writer):
        writer.write(b"POST /graphql HTTP/1.1\r\n")
        began = asyncio.get_running_loop().time()
        try:
            while not reader.at_eof() and asyncio.get_running_loop().time() - began < 5:
                writer.write(b"x: y\r\n")
                await writer.drain()
                await asyncio.sleep(0.05)
        except ConnectionError:
            pass
        assert asyncio.get_running_loop().time() - began < SECONDS * 3


async def test_a_connection_is_used_again_and_again(strict: Gateway) -> None:
    """Neither the size of the heads before nor the time since the first is held against it."""
    async with connected(strict) as (reader, writer):
        for _ in range(4):
            writer.write(head(3_000) + BODY)
            status, _, body = await answer(reader)
            assert (status, body) == (200, {"data": {"__typename": "Query"}})
            await asyncio.sleep(SECONDS / 3)
        sent = (head(3_000) + BODY) * 3
        writer.write(sent)  # as one piece, and more than the most for one
        for _ in range(3):
            assert (await answer(reader))[0] == 200


@pytest.mark.parametrize("noise", [b"\0\1\2\r\n\r\n", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"\x16\x03\x01\0\xc8\1"])
async def test_what_is_no_http_is_told_so(strict: Gateway, noise: bytes) -> None:
    async with connected(strict) as (reader, writer):
        writer.write(noise)
        status, headers, body = await answer(reader)
        assert (status, headers["content-type"]) == (400, "application/json; charset=utf-8")
        assert "no HTTP request" in str(body)
        assert await closed(reader)


async def test_no_upgrade_leads_anywhere(strict: Gateway) -> None:
    async with connected(strict) as (reader, writer):
        asked = (
            b"GET /graphql HTTP/1.1\r\nhost: x\r\nupgrade: websocket\r\nconnection: Upgrade\r\n"
            b"sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\nsec-websocket-version: 13\r\n\r\n"
        )
        writer.write(asked)
        status, _, body = await answer(reader)
        assert status == 400
        assert "No GraphQL query" in str(body)
