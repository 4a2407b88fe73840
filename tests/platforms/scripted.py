"""A server on loopback that answers by a script, and the ways on which the tests of the transport reach it."""

from __future__ import annotations

import asyncio
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import uvloop
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from platforms.aiohttp_client import AiohttpClient
from platforms.errors import PlatformError
from platforms.exchange import AddressInfo
from platforms.transport import Call, Limits, Transport

READ = Call("orders.list", "GET", "/orders")
WRITE = Call("orders.cancel", "POST", "/orders/1/cancel", body=b"{}", writes=True)
QUICK = Limits(connect=1, read=1, whole=2, backoff=0.01)


# ----------------------------------------------------------------------------------------- a server that obeys a script


def answer(status: int, body: bytes = b"{}", /, **headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status} Whatever", f"content-length: {len(body)}", "content-type: application/json"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


OK = answer(200, b'{"ok":true}')
#: Closes the connection without an answer; resets it; says nothing more.
DROP, RESET, SILENCE = b"DROP", b"RESET", b"SILENCE"


@dataclass
class Received:
    line: str
    headers: Mapping[str, str]
    body: bytes
    connection: int


@dataclass
class Server:
    """Answers the n-th request with the n-th entry of its script; the last one for ever."""

    script: tuple[bytes, ...]
    url: str = ""
    connections: int = 0
    requests: list[Received] = field(default_factory=list)
    received: asyncio.Event = field(default_factory=asyncio.Event)

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        connection = self.connections
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
                headers = {k.lower(): v for k, _, v in (line.partition(": ") for line in head[1:] if line)}
                body = await reader.readexactly(int(headers.get("content-length", 0)))
                step = self.script[min(len(self.requests), len(self.script) - 1)]
                self.requests.append(Received(head[0], headers, body, connection))
                self.received.set()
                if step == SILENCE:
                    await asyncio.Event().wait()
                if step == RESET:
                    linger = struct.pack("ii", 1, 0)
                    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                if step in (DROP, RESET):
                    return
                delay, _, rest = step.rpartition(b"@")
                if delay[:5] == b"AFTER":
                    await asyncio.sleep(float(delay[5:]))
                    step = rest
                writer.write(step)
                await writer.drain()
                if b"connection: close" in step:
                    return
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


def after(seconds: float, step: bytes) -> bytes:
    return f"AFTER{seconds}@".encode() + step


@asynccontextmanager
async def serving(*script: bytes, tls: ssl.SSLContext | None = None, port: int = 0) -> AsyncIterator[Server]:
    server = Server(script or (OK,))
    tasks: set[asyncio.Task[None]] = set()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            await server.talk(reader, writer)
        except asyncio.CancelledError:
            pass
        finally:
            tasks.discard(task)

    listening = await asyncio.start_server(talk, "127.0.0.1", port, ssl=tls)
    port = listening.sockets[0].getsockname()[1]
    server.url = f"{'https' if tls else 'http'}://127.0.0.1:{port}"
    try:
        yield server
    finally:
        listening.close()
        for task in tuple(tasks):
            task.cancel()
        if tasks:
            await asyncio.wait(tuple(tasks))
        await asyncio.sleep(0)


class AiohttpLoop(asyncio.SelectorEventLoop):
    """On it calls are carried by aiohttp."""


#: Each test of a socket runs over our own client on both event loops, and over aiohttp: what is asked of one is asked
#: of the other.
LOOPS = {"ours": asyncio.new_event_loop, "ours on uvloop": uvloop.new_event_loop, "aiohttp": AiohttpLoop}


@asynccontextmanager
async def to(server: Server | str, limits: Limits = QUICK, **options: Any) -> AsyncIterator[Transport]:
    url = server if isinstance(server, str) else server.url
    options.setdefault("allow_private", True)
    if isinstance(asyncio.get_running_loop(), AiohttpLoop):
        options["client"] = AiohttpClient
    transport = Transport("us", url, limits=limits, **options)
    try:
        yield transport
    finally:
        await transport.close()


async def failing(transport: Transport, call: Call, **options: Any) -> PlatformError:
    with pytest.raises(PlatformError) as caught:
        await transport.send(call, **options)
    assert caught.value.store == "us"
    return caught.value


class Names:
    """A name server under the hand of somebody else."""

    def __init__(self, *addresses: str) -> None:
        self.addresses = addresses
        self.asked: list[str] = []

    async def __call__(self, host: str, port: int) -> Sequence[AddressInfo]:
        self.asked.append(host)
        if not self.addresses:
            raise OSError("Name or service not known")
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in self.addresses]


def self_signed(name: str, file: Path) -> Path:
    """A certificate for a host that vouches for itself, with its key in the same file."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    file.write_bytes(private + certificate.public_bytes(serialization.Encoding.PEM))
    return file
