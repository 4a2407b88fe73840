"""`make bench`: start, memory and the reference query of one gateway process over the sandbox, against the figures
to reach. It judges nothing by itself: machines differ, so read the ratios."""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import os
import platform
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import aiohttp
import psutil
import uvloop
from rich.console import Console
from rich.progress import track
from rich.table import Table

from actions.ledger import Ledger
from benchmarks.eligibility import DECIDED, POLICIES, decided, rules_of, through
from benchmarks.ledger import cancels, reads
from benchmarks.load import FLOODING, HOSTILE, ORDINARY, load
from gateway.credentials import Credentials
from gateway.identity import Identity
from gateway.operations import document
from gateway.rates import RateLimits
from gateway.settings import ApiKey, Rates
from gateway.telemetry import configure_logging
from gateway.tokens import Tokens
from platforms.secrets import SecretText
from sandbox.people import BOT, BOT_KEY, SandboxProvider, session_of
from sandbox.world import SECRET
from schema.vocabulary import AssuranceLevel

ROOT = Path(__file__).parent.parent
LATENCY = 30
SLOW = {"X-Sandbox-Fault": ",".join(f"{store}=latency:{LATENCY}ms" for store in ("us", "eu", "subs"))}

out = Console()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


@contextmanager
def demo() -> Iterator[tuple[psutil.Process, str, float]]:
    """A gateway over its sandbox in processes of their own: the process, its address, and its seconds to ready."""
    port = free_port()
    started = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", "gateway.cli", "demo", "--quiet", "--generous", "--port", str(port)],
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    try:
        url = f"http://127.0.0.1:{port}"
        while not _ready(port):
            if process.poll() is not None:
                raise SystemExit("the gateway did not start")
            time.sleep(0.005)
        yield psutil.Process(process.pid), url, time.perf_counter() - started
    finally:
        process.terminate()
        process.wait(timeout=15)


def _ready(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=0.1) as connection:
            connection.sendall(b"GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            return connection.recv(64).startswith(b"HTTP/1.1 200")
    except OSError:
        return False


def megabytes(process: psutil.Process) -> float:
    return float(process.memory_info().rss) / 1e6


def chain(upstream: list[dict[str, Any]]) -> float:
    """Milliseconds of the slowest chain of calls of which each left after the one before had come back."""
    calls = sorted(upstream, key=lambda call: call["afterMilliseconds"])
    longest: list[float] = []
    for number, call in enumerate(calls):
        before = [
            longest[other]
            for other in range(number)
            if calls[other]["afterMilliseconds"] + calls[other]["milliseconds"] <= call["afterMilliseconds"]
        ]
        longest.append(call["milliseconds"] + max(before, default=0.0))
    return max(longest, default=0.0)


async def ask(session: aiohttp.ClientSession, url: str, headers: dict[str, str] | None = None) -> dict[str, Any]:
    body = {"query": document("SupportView"), "variables": {"email": "ada@example.com"}}
    async with session.post(f"{url}/graphql", json=body, headers=headers) as response:
        answer: dict[str, Any] = json.loads(await response.read())
        assert response.status == 200, answer
        assert "errors" not in answer, answer["errors"]
        assert answer["data"]["customer"]["complete"], "the sandbox answered in part"
        return answer


async def reference(url: str, warm: int, counted: int) -> tuple[list[float], list[float], int]:
    """Wall and chain milliseconds of the reference query, one at a time, and its upstream calls."""
    walls, chains, calls = [], [], 0
    async with aiohttp.ClientSession() as session:
        for number in range(warm + counted):
            started = time.perf_counter()
            answer = await ask(session, url, SLOW)
            wall = (time.perf_counter() - started) * 1000
            if number >= warm:
                walls.append(wall)
                chains.append(chain(answer["extensions"]["upstream"]))
                calls = len(answer["extensions"]["upstream"])
    return walls, chains, calls


async def many(url: str, count: int, connections: int = 8) -> None:
    async with aiohttp.ClientSession() as session:
        left = iter(range(count))

        async def one() -> None:
            for _ in left:
                await ask(session, url)

        await asyncio.gather(*(one() for _ in range(connections)))


async def authentication(counted: int = 2000) -> dict[str, float]:
    """CPU milliseconds of knowing who asks, rates counted, by kind of token; in this process, over a real database."""
    people, found = SandboxProvider(), {}
    with tempfile.TemporaryDirectory() as folder:
        ledger = Ledger(Path(folder) / "bench.db")
        await ledger.open()
        credentials = Credentials(ledger)
        await credentials.open()
        many_allowed = 1_000_000_000
        rates = RateLimits(Rates(client_per_minute=many_allowed, customer_per_minute=many_allowed), SECRET)
        keys = [ApiKey(name=BOT, key=SecretText(BOT_KEY))]
        identity = Identity(keys, SECRET, credentials=credentials, tokens=Tokens([people.config()], SECRET))
        _, made = await identity.keys.create("bench", ["orders:read"], AssuranceLevel.CLAIMED)
        tokens = {
            "configured key": BOT_KEY,
            "made key": made.reveal(),
            "session": session_of("ada@example.com", SECRET),
            "JWT": people.staff(),
        }
        for name, token in tokens.items():
            started = time.process_time()
            for _ in range(counted):
                await rates.request(await identity.viewer([f"Bearer {token}"]))
            found[name] = (time.process_time() - started) / counted * 1000
        await credentials.close()
        await ledger.close()
    return found


def under_load(minutes: float) -> None:
    with demo() as (process, url, _):
        quiet, among = asyncio.run(load(process, url, minutes))
    attackers = f"{HOSTILE} hostile ones and {FLOODING} that flood"
    table = Table(title=f"{minutes:g} minutes, {ORDINARY} ordinary clients among {attackers}")
    for column in ("figure", "measured", "to reach"):
        table.add_column(column)
    table.add_row("ordinary p99 alone, ms", f"{quiet.p99 * 1000:.0f}", "")
    table.add_row("ordinary p99 among hostile ones, ms", f"{among.p99 * 1000:.0f}", f"{quiet.p99 * 2000:.0f}")
    table.add_row(
        "ordinary median alone and among them, ms", f"{quiet.median * 1000:.0f}, {among.median * 1000:.0f}", ""
    )
    table.add_row("ordinary queries alone and among them", f"{len(quiet.waits)}, {len(among.waits)}", "")
    shares = ", ".join(f"{seen.busy / seen.seconds:.2f}" for seen in (quiet, among))
    table.add_row("the gateway's CPU alone and among them, of one core", shares, "")
    statuses = ", ".join(f"{status}: {number}" for status, number in sorted(among.attacks.items()))
    table.add_row("hostile requests, by status", statuses, "no 5xx")
    table.add_row("memory at the end against the beginning", f"{among.growth:.2f}", "1.10")
    out.print(table)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--queries", type=int, default=10_000, help="queries for the memory figure")
    parser.add_argument("--starts", type=int, default=5)
    parser.add_argument("--load", type=float, default=0, metavar="MINUTES", help="only this: ordinary among hostile")
    options = parser.parse_args()
    if options.load:
        under_load(options.load)
        return

    table = Table(title=f"Python {platform.python_version()}, {os.cpu_count()} cores, {platform.machine()}")
    for column in ("figure", "measured", "to reach"):
        table.add_column(column)

    # As `aftersale serve` runs: its event loop, what was made at the start frozen, logs to where nobody reads them.
    configure_logging(open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115 - until the process ends
    gc.freeze()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        over = [wall - chain(list(calls)) for wall, calls in runner.run(cancels(20, 100))]
        quiet, busy = (statistics.median(each) for each in runner.run(reads(100)))
    known = asyncio.run(authentication())
    table.add_row(
        f"authentication, CPU ms a request ({', '.join(known)})",
        ", ".join(f"{each:.3f}" for each in known.values()),
        "0.2",
    )

    table.add_row(
        "an allowed cancel on SQLite, ms above its upstream calls (min, median, max)",
        f"{min(over):.1f}, {statistics.median(over):.1f}, {max(over):.1f}",
        "15",
    )
    table.add_row(
        "reference query while another process writes to the ledger, against quiet", f"{busy / quiet:.2f}", "1"
    )

    for policy in POLICIES:
        alone, asked = statistics.median(decided(policy)), uvloop.run(through(rules_of(policy)))
        table.add_row(
            f"may {DECIDED} two-line orders be cancelled, be returned, by {policy.stem}: CPU ms", f"{alone:.2f}", "1"
        )
        table.add_row(
            f"  through the endpoint, more than the same query without ({asked.calls[1] - asked.calls[0]} more calls)",
            f"{asked.difference():.2f}",
            "",
        )

    starts = []
    for _ in track(range(options.starts), "starting", console=out):
        with demo() as (_, _, seconds):
            starts.append(seconds)
    table.add_row(
        "start to ready, s (min, median, max)",
        f"{min(starts):.2f}, {statistics.median(starts):.2f}, {max(starts):.2f}",
        "2.0",
    )

    with demo() as (process, url, _):
        time.sleep(2)
        table.add_row("idle memory, MB", f"{megabytes(process):.0f}", "140")
        walls, chains, calls = asyncio.run(reference(url, 30, 100))
        over = [wall - floor for wall, floor in zip(walls, chains, strict=True)]
        table.add_row(
            f"reference query at {LATENCY} ms upstream, {calls} calls: wall ms, median",
            f"{statistics.median(walls):.1f}",
            f"{statistics.median(chains) + 25:.1f}",
        )
        table.add_row(
            "  above its slowest chain of calls, ms (min, median, max)",
            f"{min(over):.1f}, {statistics.median(over):.1f}, {max(over):.1f}",
            "25",
        )
        before = process.cpu_times()
        asyncio.run(many(url, 300))
        after = process.cpu_times()
        cpu = (after.user + after.system - before.user - before.system) / 300 * 1000
        table.add_row("  CPU of the gateway a query, ms", f"{cpu:.1f}", "")

    with demo() as (process, url, _):
        asyncio.run(many(url, options.queries // 10))
        early = megabytes(process)
        for _ in track(range(9), f"{options.queries} queries", console=out):
            asyncio.run(many(url, options.queries // 10))
        late = megabytes(process)
        table.add_row(
            f"memory after {options.queries // 10} and {options.queries} queries, MB",
            f"{early:.0f}, {late:.0f} ({late / early - 1:+.1%})",
            "+10%",
        )
    out.print(table)


if __name__ == "__main__":
    main()
