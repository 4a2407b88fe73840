"""A client that costs little: requests made before, over a few kept connections, one after the other on each."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator, Mapping
from itertools import count

import httptools

#: Gives the body of the request with this number, or None for a GET.
Body = Callable[[int], bytes | None]


def request(method: str, target: str, headers: Mapping[str, str], body: bytes | None) -> bytes:
    """As it goes over the wire."""
    lines = [f"{method} {target} HTTP/1.1", "host: 127.0.0.1", *(f"{name}: {text}" for name, text in headers.items())]
    if body is not None:
        lines += ["content-type: application/json", f"content-length: {len(body)}"]
    return "\r\n".join([*lines, "", ""]).encode() + (body or b"")


class Connection(asyncio.Protocol):
    """Sends a request and waits for its answer; never two at once."""

    def __init__(self) -> None:
        self.answered: asyncio.Future[tuple[int, bytes]] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def connection_lost(self, exc: Exception | None) -> None:
        if self.answered is not None and not self.answered.done():
            self.answered.set_exception(ConnectionResetError("the server closed the connection"))

    async def ask(self, text: bytes) -> tuple[int, bytes]:
        """The status and the body. Raises `TimeoutError` after half a minute."""
        self.parser = httptools.HttpResponseParser(self)
        self.pieces: list[bytes] = []
        self.answered = asyncio.get_running_loop().create_future()
        self.transport.write(text)
        async with asyncio.timeout(30):
            return await self.answered

    def data_received(self, data: bytes) -> None:
        self.parser.feed_data(data)

    def on_body(self, body: bytes) -> None:
        self.pieces.append(body)

    def on_message_complete(self) -> None:
        if self.answered is not None and not self.answered.done():
            self.answered.set_result((self.parser.get_status_code(), b"".join(self.pieces)))


async def connected(port: int) -> Connection:
    _, connection = await asyncio.get_running_loop().create_connection(Connection, "127.0.0.1", port)
    return connection


async def once(port: int, text: bytes) -> tuple[int, bytes]:
    connection = await connected(port)
    try:
        return await connection.ask(text)
    finally:
        connection.transport.close()


async def many(
    port: int, texts: Callable[[int], bytes], requests: int, seconds: float, connections: int
) -> list[float]:
    """So many requests, or as many as fit into so many seconds: how long each waited, in seconds.

    Raises `RuntimeError` on any answer that is not 200 or holds errors.
    """
    waits: list[float] = []
    end = time.perf_counter() + seconds
    numbers: Iterator[int] = count()

    async def client() -> None:
        connection = await connected(port)
        try:
            for number in numbers:
                begun = time.perf_counter()
                if number >= requests or begun >= end:
                    return
                status, body = await connection.ask(texts(number))
                if status != 200 or not body or b'"errors":' in body:
                    raise RuntimeError(f"answered {status}: {body[:300]!r}")
                waits.append(time.perf_counter() - begun)
        finally:
            connection.transport.close()

    async with asyncio.TaskGroup() as group:
        for _ in range(connections):
            group.create_task(client())
    return waits
