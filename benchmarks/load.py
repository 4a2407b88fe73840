"""Ordinary clients among hostile ones: how much longer they wait, and whether memory grows."""

from __future__ import annotations

import asyncio
import json
import statistics
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count, cycle

import aiohttp
import psutil

from gateway.operations import document

#: Ordinary clients ask one after the other, this many at a time.
ORDINARY = 4
#: Attackers never pause: some send documents, which the gateway reads at its own pace; the others flood it with what
#: is refused at once, so that it has no idle moment.
HOSTILE = 8
FLOODING = 2
#: Seconds between two looks at the memory.
_LOOK = 2.0


def ordinary() -> Iterator[bytes]:
    """What support asks all day."""
    asked = (
        ("WhoIsThis", {"email": "ada@example.com"}),
        ("WhereIsMyOrder", {"number": "1001", "email": "ada@example.com"}),
        ("MayIReturnIt", {"id": "Order:us:450789002"}),
    )
    return cycle([json.dumps({"query": document(name), "variables": given}).encode() for name, given in asked])


def hostile() -> Iterator[bytes]:
    """Documents made to cost much, each a little different so that none is found prepared."""
    for n in count():
        yield json.dumps({"query": f"# {n}\n" + "{ viewer { " + "assurance " * 1_900 + "} }"}).encode()
        yield json.dumps({"query": "{ " + " ".join(f"a{n}x{k}: stores {{ id }}" for k in range(500)) + " }"}).encode()
        spreads = " ".join(f"...f{k}" for k in range(95))
        fragments = " ".join(f"fragment f{k} on Viewer {{ assurance scopes }}" for k in range(95))
        yield json.dumps({"query": f"query Q{n} {{ viewer {{ {spreads} }} }} {fragments}"}).encode()
        yield json.dumps({"query": f"query Q{n} {{ node(id: " + "[" * 900 + "]" * 900 + ") { id } }"}).encode()
        yield json.dumps({"query": "{ viewer { " + " ".join(f"n{n}x{k}" for k in range(1_200)) + " } }"}).encode()
        people = ", ".join(f'"Order:us:{n}{k}"' for k in range(100))
        yield json.dumps({"query": f"{{ nodes(ids: [{people}]) {{ id }} }}"}).encode()
        deep = "{ orders(first: 100) { nodes { customer " * 5 + "{ id }" + "} } }" * 5
        yield json.dumps({"query": f'query Q{n} {{ customer(by: {{email: "ada@example.com"}}) {deep} }}'}).encode()


def flood() -> Iterator[bytes]:
    """What is refused before any document is read, or as one that is known already."""
    return cycle(
        [
            b'{"variables": ' + b"[" * 60_000,
            b"x" * 300_000,
            b'{"query": 1}',
            json.dumps({"documentId": "sha256:" + "0" * 64}).encode(),
            json.dumps({"query": "{ viewer { assurance } }", "variables": {"a": [0] * 10_000}}).encode(),
        ]
    )


@dataclass
class Seen:
    """What one phase has shown; times in seconds, memory in bytes."""

    waits: list[float] = field(default_factory=list)
    attacks: Counter[int] = field(default_factory=Counter)
    memory: list[int] = field(default_factory=list)
    #: Seconds of the gateway's CPU, of those that went by.
    busy: float = 0.0
    seconds: float = 0.0

    @property
    def median(self) -> float:
        return statistics.median(self.waits)

    @property
    def p99(self) -> float:
        return statistics.quantiles(self.waits, n=100)[98]

    @property
    def growth(self) -> float:
        """The memory at the end, as a multiple of what it was after the first tenth."""
        tenth = max(1, len(self.memory) // 10)
        return statistics.mean(self.memory[-tenth:]) / statistics.mean(self.memory[tenth : 2 * tenth])


async def phase(process: psutil.Process, url: str, seconds: float, *, attacked: bool, seen: Seen) -> None:
    """Ordinary clients for so long, alone or among attackers."""
    began, busy = time.perf_counter(), _busy(process)
    end = began + seconds
    headers = {"content-type": "application/json"}

    async def client(session: aiohttp.ClientSession, bodies: Iterator[bytes], attack: bool) -> None:
        while time.perf_counter() < end:
            began = time.perf_counter()
            async with session.post(f"{url}/graphql", data=next(bodies), headers=headers) as answer:
                text = await answer.read()
            if attack:
                seen.attacks[answer.status] += 1
                continue
            seen.waits.append(time.perf_counter() - began)
            if answer.status != 200 or b'"errors"' in text:
                raise SystemExit(f"an ordinary query was answered with {answer.status}: {text[:300]!r}")
            await asyncio.sleep(0.05)

    async def look() -> None:
        while time.perf_counter() < end:
            seen.memory.append(process.memory_info().rss)
            await asyncio.sleep(min(_LOOK, seconds / 20))

    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector) as session:
        everybody = [client(session, ordinary(), False) for _ in range(ORDINARY)]
        if attacked:
            attacks, floods = hostile(), flood()
            everybody += [client(session, attacks, True) for _ in range(HOSTILE)]
            everybody += [client(session, floods, True) for _ in range(FLOODING)]
        await asyncio.gather(look(), *everybody)
    seen.seconds += time.perf_counter() - began
    seen.busy += _busy(process) - busy


def _busy(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


async def load(process: psutil.Process, url: str, minutes: float) -> tuple[Seen, Seen]:
    """Ordinary clients alone, and so many minutes among attackers.

    Alone both before and after, a tenth of the time each: what else the machine does, and what a long attack leaves
    behind in the gateway, is in both figures.
    """
    quiet, among = Seen(), Seen()
    await phase(process, url, min(5.0, minutes * 6), attacked=False, seen=Seen())
    await phase(process, url, minutes * 6, attacked=False, seen=quiet)
    await phase(process, url, minutes * 60, attacked=True, seen=among)
    await phase(process, url, minutes * 6, attacked=False, seen=quiet)
    return quiet, among
