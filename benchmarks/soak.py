"""`make soak`: whether the memory of `aftersale serve` stays flat over a million requests as a day brings them: of
every size, of customers nobody knows, with documents never seen, and some that are no good."""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import uvloop
from rich.console import Console

from benchmarks.peers.asking import Connection, connected, request
from benchmarks.peers.contenders import KEY, QUERY, gateway
from benchmarks.peers.processes import cpu, free_port, memory, process
from benchmarks.peers.upstream import SIZES, email

CONNECTIONS = 16
#: The memory of the last tenth of the requests may be so many times that of the second.
FLAT = 1.05
#: Before anything counts: so many requests bring more new documents than the gateway keeps.
WARM = 30_000
#: Looks at the memory in each tenth.
_LOOKS = 20

out = Console(highlight=False)

_SMALL, _MIDDLE, _LARGE = SIZES.values()


def _asked(query: str, who: str, first: int, key: str = KEY) -> bytes:
    body = json.dumps({"query": query, "variables": {"email": who, "first": first}}).encode()
    return _sent(body, key)


def _sent(body: bytes, key: str = KEY) -> bytes:
    return request("POST", "/graphql", {"accept": "application/json", "authorization": f"Bearer {key}"}, body)


def _bad(number: int) -> tuple[bytes, int]:
    """A request that is refused, and its status; each differs from every other. Who accepts `application/json` is told
    with 200 what is wrong with a document."""
    match number // 50 % 5:
        case 0:
            return _sent(b'{"query": "{ customer' + str(number).encode()), 400
        case 1:
            return _sent(json.dumps({"query": f"query Bad{number} {{ customer(by: {{email: "}).encode()), 200
        case 2:
            return _sent(json.dumps({"query": f"query Bad{number} {{ nothing{number} }}"}).encode()), 200
        case 3:
            return _asked(QUERY, email(_SMALL), 2, f"key-of-nobody-{number:020}"), 401
        case _:
            return _asked(QUERY, email(_SMALL), number + 1_000), 200  # more at once than a page may have


def asked(number: int) -> tuple[str, bytes, int]:
    """The kind of this request, its bytes and the status of its answer. Of a hundred: 80 small, 8 of the middle size, 2
    large, 4 of customers nobody knows, 4 with a document never seen, 2 that are no good."""
    match number % 50:
        case 0:
            text, status = _bad(number)
            return "bad", text, status
        case 1 | 26:
            query = QUERY.replace("query OrdersOf", f"query OrdersOf{number}")
            return "new document", _asked(query, email(_SMALL), _SMALL), 200
        case 2 | 27:
            return "unknown customer", _asked(QUERY, f"nobody{number}@example.com", 5), 200
        case 3:
            return "large", LARGE, 200
        case 4 | 14 | 24 | 34:
            return "middle", MIDDLE, 200
    return "small", SMALL, 200


SMALL, MIDDLE, LARGE = (_asked(QUERY, email(count), count) for count in SIZES.values())


def wrong(kind: str, status: int, expected: int, body: bytes) -> str:
    """What is wrong with an answer, or nothing."""
    if status != expected:
        return f"status {status}, not {expected}"
    failed = b'"errors":' in body
    if failed != (kind == "bad"):
        return "errors" if failed else "no errors"
    if kind == "unknown customer" and b'"customer":null' not in body:
        return "somebody was found"
    return ""


@dataclass
class Soak:
    """What was seen; memory in MB."""

    kinds: Counter[str] = field(default_factory=Counter)
    #: The mean of each tenth, one after the other.
    tenths: list[float] = field(default_factory=list)
    warm: float = 0.0
    peak: float = 0.0
    seconds: float = 0.0
    spent: float = 0.0

    def growth(self) -> float:
        """The last tenth, as a multiple of the second."""
        return self.tenths[-1] / self.tenths[1]


async def stretch(port: int, numbers: Iterator[int], kinds: Counter[str]) -> None:
    """Ask all of them over so many connections; raises `RuntimeError` on an answer that should not be."""

    async def client() -> None:
        connection = await connected(port)
        try:
            for number in numbers:
                connection = await _one(port, connection, number, kinds)
        finally:
            connection.transport.close()

    async with asyncio.TaskGroup() as group:
        for _ in range(CONNECTIONS):
            group.create_task(client())


async def _one(port: int, connection: Connection, number: int, kinds: Counter[str]) -> Connection:
    """The connection to go on with: a server may close it after a request that was no good."""
    kind, text, expected = asked(number)
    if connection.transport.is_closing():
        connection = await connected(port)
    status, body = await connection.ask(text)
    if why := wrong(kind, status, expected, body):
        raise RuntimeError(f"request {number}, {kind}: {why}: {body[:300]!r}")
    kinds[kind] += 1
    return connection


async def soak(served: psutil.Process, port: int, requests: int, warm: int) -> Soak:
    found = Soak()
    await stretch(port, iter(range(warm)), Counter())
    found.warm = memory(served)[0]
    out.print(f"warm after {warm} requests: {found.warm:.0f} MB")
    step = max(1, requests // (10 * _LOOKS))
    done, begun, spent = warm, time.perf_counter(), cpu(served)
    for tenth in range(1, 11):
        looks = []
        while done < warm + requests * tenth // 10:
            end = min(done + step, warm + requests * tenth // 10)
            await stretch(port, iter(range(done, end)), found.kinds)
            done = end
            looks.append(memory(served)[0])
        found.tenths.append(sum(looks) / len(looks))
        rate = (done - warm) / (time.perf_counter() - begun)
        out.print(f"{done - warm:>9} requests: {found.tenths[-1]:6.1f} MB, {rate:.0f} requests/s")
    found.seconds, found.spent = time.perf_counter() - begun, cpu(served) - spent
    found.peak = memory(served)[1]
    return found


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.soak", description=__doc__)
    parser.add_argument("--requests", type=int, default=1_000_000, help="at least 100")
    parser.add_argument("--warm", type=int, help=f"before anything counts; {WARM}, and in a short run fewer")
    options = parser.parse_args()
    requests = max(100, options.requests)
    warm = options.warm if options.warm is not None else min(WARM, requests)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that what was started is ended
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder, shop, port = Path(name), free_port(), free_port()
        stack.enter_context(process([sys.executable, "-m", "benchmarks.peers.upstream", str(shop)], folder, None, shop))
        command = gateway(port, f"http://127.0.0.1:{shop}", folder)
        served = stack.enter_context(process(command, folder, None, port))
        found = uvloop.run(soak(served, port, requests, warm))
    kinds = ", ".join(f"{count} {kind}" for kind, count in found.kinds.most_common())
    out.print(
        f"{requests} requests ({kinds}) in {found.seconds:.0f} s: {requests / found.seconds:.0f} a second, "
        f"{found.spent / requests * 1000:.2f} ms of CPU each; at most {found.peak:.0f} MB"
    )
    flat = found.growth() <= FLAT
    out.print(
        f"{'flat' if flat else 'NOT FLAT'}: the last tenth takes {found.growth():.3f} times the memory of the second; "
        f"at most {FLAT} is flat"
    )
    if not flat:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
