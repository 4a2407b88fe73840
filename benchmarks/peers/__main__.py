"""`make bench-peers`: the gateway and its peers side by side over one shop that answers all of them the same bytes;
writes benchmarks/RESULTS.md."""

from __future__ import annotations

import argparse
import asyncio
import importlib.metadata
import json
import os
import platform
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil
import uvloop
from rich.console import Console

from benchmarks.peers.asking import many, once, request
from benchmarks.peers.contenders import CONTENDERS, GATEWAY, HERE, ROOT, SECRETS, Contender
from benchmarks.peers.upstream import LINES, SIZES, email

RESULTS = ROOT / "benchmarks" / "RESULTS.md"
CONNECTIONS = 16
#: Requests between two looks at whether the CPU of a request still falls, and by how much it may still differ.
_STEP, _FLAT = 500, 0.05

out = Console(highlight=False)


@dataclass(frozen=True)
class Plan:
    """How long, and how often. Times in seconds, delays of the shop in milliseconds."""

    warm: int
    rounds: int
    requests: int
    seconds: float
    alone: int
    sizes: tuple[str, ...]
    delays: tuple[int, ...]
    cold: int


QUICK = Plan(warm=300, rounds=3, requests=200, seconds=2, alone=30, sizes=("30 KB",), delays=(0, 30), cold=0)
FULL = Plan(
    warm=5_000, rounds=7, requests=1_000, seconds=5, alone=100, sizes=tuple(SIZES), delays=(0, 30, 100), cold=200
)


@dataclass
class Round:
    """CPU in milliseconds a request under load; requests a second; milliseconds of the median request alone."""

    cpu: float
    rate: float
    p50: float


@dataclass
class Cell:
    """One contender at one size and delay."""

    rounds: list[Round] = field(default_factory=list)

    def told(self, word: str) -> tuple[float, float, float]:
        values = [getattr(one, word) for one in self.rounds]
        return min(values), statistics.median(values), max(values)


@dataclass
class Facts:
    """What one contender's answer is, and what it asked the shop for it, by size."""

    size: dict[str, int] = field(default_factory=dict)
    calls: dict[str, Mapping[str, int]] = field(default_factory=dict)
    difference: dict[str, str] = field(default_factory=dict)
    warmed: dict[str, str] = field(default_factory=dict)
    memory: float = 0.0
    cold: list[float] = field(default_factory=list)


@dataclass
class Running:
    """A contender and its process."""

    contender: Contender
    process: psutil.Process
    port: int

    def cpu(self) -> float:
        """Seconds of the whole process until now, all its threads."""
        times = self.process.cpu_times()
        return float(times.user + times.system)


# ------------------------------------------------------------------ processes
def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def cores() -> tuple[int, int] | None:
    """One for who is measured, another for the load; None where processes cannot be held to cores, or there is one."""
    if not hasattr(os, "sched_setaffinity"):
        return None
    allowed = sorted(os.sched_getaffinity(0))
    return (allowed[0], allowed[-1]) if len(allowed) > 1 else None


@contextmanager
def process(command: Sequence[str], folder: Path, core: int | None, port: int) -> Iterator[psutil.Process]:
    """A server that listens on `port`, on that core; ended by its own id."""
    own = os.sched_getaffinity(0) if core is not None else None
    environment = {**os.environ, **SECRETS, "NODE_ENV": "production", "PYTHONPATH": str(ROOT)}
    with (folder / "errors.txt").open("wb") as errors:
        if core is not None:  # what is started inherits it, with every thread it makes
            os.sched_setaffinity(0, {core})
        try:
            started = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=errors, env=environment)
        finally:
            if own is not None:
                os.sched_setaffinity(0, own)
    try:
        end = time.monotonic() + 30
        while not _listens(port):
            if started.poll() is not None or time.monotonic() > end:
                raise SystemExit(f"{command[0]} did not start: {(folder / 'errors.txt').read_text()[-2000:]}")
            time.sleep(0.05)
        yield psutil.Process(started.pid)
    finally:
        started.terminate()
        try:
            started.wait(timeout=15)
        except subprocess.TimeoutExpired:
            started.kill()
            started.wait()


def _listens(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=0.2):
            return True
    except OSError:
        return False


# ------------------------------------------------------------------ measuring
async def told(shop: int, target: str) -> Any:
    _, body = await once(shop, request("GET", target, {}, None))
    return json.loads(body)


async def look(each: Running, shop: int, size: str, reference: Any, facts: Facts) -> Any:
    """Ask once more with a warm server; note its bytes, its calls and how its data differ from the reference."""
    orders = SIZES[size]
    text = each.contender.asked(email(orders), orders)
    status, body = 0, b""
    for _ in range(20):  # a server may listen before it can answer
        status, body = await once(each.port, text)
        if status == 200:
            break
        await asyncio.sleep(0.25)
    await told(shop, "/_counts")
    status, body = await once(each.port, text)
    facts.calls[size] = await told(shop, "/_counts")
    answer = json.loads(body) if body else {}
    if status != 200 or "errors" in answer:
        raise SystemExit(f"{each.contender.name} answered {status}: {body[:500]!r}")
    data = answer["data"]
    facts.size[size] = len(json.dumps(data, ensure_ascii=False, separators=(",", ":")).encode())
    facts.difference[size] = difference(reference if reference is not None else data, data)
    if len(data["customer"]["orders"]["nodes"]) != orders:
        raise SystemExit(f"{each.contender.name} answered too few orders")
    return data


def difference(one: Any, other: Any, at: str = "data") -> str:
    """Where two values differ first, or nothing."""
    if isinstance(one, dict) and isinstance(other, dict) and one.keys() == other.keys():
        return next(filter(None, (difference(one[key], other[key], f"{at}.{key}") for key in one)), "")
    if isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        pairs = enumerate(zip(one, other, strict=True))
        return next(filter(None, (difference(left, right, f"{at}[{n}]") for n, (left, right) in pairs)), "")
    return "" if one == other else f"{at}: {str(one)[:60]} and {str(other)[:60]}"


async def warm(each: Running, size: str, least: int) -> str:
    """At least so many requests, and until two steps cost the same; at most three times as many."""
    orders = SIZES[size]
    text = each.contender.asked(email(orders), orders)
    step = min(_STEP, max(least // 2, 1))
    costs: list[float] = []
    asked = 0
    while asked < 3 * least:
        before = each.cpu()
        await many(each.port, lambda _: text, step, 600, CONNECTIONS)
        costs.append((each.cpu() - before) / step)
        asked += step
        if asked >= least and len(costs) > 1 and abs(costs[-1] - costs[-2]) <= _FLAT * costs[-2]:
            return f"flat after {asked}"
    return f"not flat after {asked}: {costs[-2] * 1000:.2f}, {costs[-1] * 1000:.2f} ms"


async def measured(each: Running, size: str, plan: Plan) -> Round:
    orders = SIZES[size]
    text = each.contender.asked(email(orders), orders)
    cpu, begun = each.cpu(), time.perf_counter()
    waits = await many(each.port, lambda _: text, plan.requests, plan.seconds, CONNECTIONS)
    took, spent = time.perf_counter() - begun, each.cpu() - cpu
    alone = await many(each.port, lambda _: text, plan.alone, plan.seconds, 1)
    return Round(spent / len(waits) * 1000, len(waits) / took, statistics.median(alone) * 1000)


async def cold(each: Running, plan: Plan, number: int) -> float:
    """CPU milliseconds of a request whose document was never seen; one at a time."""
    orders = SIZES["5 KB"]
    texts = [each.contender.asked(email(orders), orders, number * plan.cold + n) for n in range(plan.cold)]
    before = each.cpu()
    waits = await many(each.port, lambda n: texts[n], plan.cold, 60, 1)
    return (each.cpu() - before) / len(waits) * 1000


async def run(
    running: Sequence[Running], shop: int, plan: Plan
) -> tuple[dict[tuple[str, int, str], Cell], dict[str, Facts]]:
    facts = {each.contender.name: Facts() for each in running}
    cells: dict[tuple[str, int, str], Cell] = {}
    for size in plan.sizes:
        await told(shop, "/_delay?ms=0")
        reference = None
        for each in running:
            name = each.contender.name
            data = await look(each, shop, size, reference, facts[name])
            reference = data if reference is None else reference
            facts[name].warmed[size] = await warm(each, size, plan.warm)
            out.print(f"{size}: {name} {facts[name].warmed[size]}; {facts[name].difference[size] or 'same data'}")
        for delay in plan.delays:
            await told(shop, f"/_delay?ms={delay}")
            for number in range(plan.rounds):
                # Who begins changes, so that nobody always follows the same neighbour.
                turn = number % len(running)
                for each in [*running[turn:], *running[:turn]]:
                    cell = cells.setdefault((size, delay, each.contender.name), Cell())
                    cell.rounds.append(await measured(each, size, plan))
                out.print(f"{size}, {delay} ms: round {number + 1} of {plan.rounds}")
    for each in running:
        facts[each.contender.name].memory = float(each.process.memory_info().rss) / 1e6
    if plan.cold:
        await told(shop, "/_delay?ms=0")
        for number in range(plan.rounds):
            for each in running:
                if each.contender.graphql:
                    facts[each.contender.name].cold.append(await cold(each, plan, number))
            out.print(f"cold: round {number + 1} of {plan.rounds}")
    return cells, facts


# ------------------------------------------------------------------ telling
def three(values: Sequence[float], digits: int) -> str:
    return " / ".join(f"{value:.{digits}f}" for value in values)


def tables(
    cells: Mapping[tuple[str, int, str], Cell], facts: Mapping[str, Facts], plan: Plan, names: Sequence[str]
) -> Iterator[str]:
    for size in plan.sizes:
        for delay in plan.delays:
            yield f"## {size} of answer, the shop answers {'at once' if not delay else f'after {delay} ms'}\n"
            yield "| | CPU ms a request | times the gateway's | requests/s | p50 ms, one at a time |"
            yield "| --- | --- | --- | --- | --- |"
            base = cells[size, delay, names[0]].told("cpu")[1]
            for name in names:
                cell = cells[size, delay, name]
                cpu = cell.told("cpu")
                ratio = f"{cpu[1] / base:.2f}" if base else "-"
                rate, p50 = cell.told("rate")[1], three(cell.told("p50"), 1)
                yield f"| {name} | {three(cpu, 2)} | {ratio} | {rate:.0f} | {p50} |"
            yield ""
    if plan.cold:
        yield "## Documents never seen before, 5 KB of answer, at once, one at a time\n"
        yield "| | CPU ms a request |\n| --- | --- |"
        yield from (f"| {name} | {three(spread(facts[name].cold), 2)} |" for name in names if facts[name].cold)
        yield ""
    yield "## What was asked and answered\n"
    yield "| | answer, bytes | calls of the shop | data | warm | memory at the end, MB |"
    yield "| --- | --- | --- | --- | --- | --- |"
    for name in names:
        of = facts[name]
        sizes = ", ".join(str(of.size[size]) for size in plan.sizes)
        differs = next((of.difference[size] for size in plan.sizes if of.difference[size]), "")
        same = differs or "the same"
        warmed = "; ".join(of.warmed[size] for size in plan.sizes)
        calls = "; ".join(
            dict.fromkeys(
                f"{sum(of.calls[size].values())} ({', '.join(f'{n} {path}' for path, n in of.calls[size].items())})"
                for size in plan.sizes
            )
        )
        yield f"| {name} | {sizes} | {calls} | {same} | {warmed} | {of.memory:.0f} |"
    yield ""


def spread(values: Sequence[float]) -> tuple[float, float, float]:
    return min(values), statistics.median(values), max(values)


def machine() -> Iterator[str]:
    model = next(
        (line.partition(":")[2].strip() for line in _lines(Path("/proc/cpuinfo")) if line.startswith("model name")),
        platform.processor() or platform.machine(),
    )
    memory = psutil.virtual_memory().total / 1e9
    yield f"- {model}, {os.cpu_count()} cores, {memory:.0f} GB; {platform.system()} {platform.release()}"
    node = subprocess.run(["node", "--version"], capture_output=True, text=True, check=True).stdout.strip()
    held = importlib.metadata.version
    python = ", ".join(f"{name} {held(name)}" for name in ("strawberry-graphql", "graphql-core", "uvicorn", "aiohttp"))
    wanted = json.loads((HERE / "package.json").read_text(encoding="utf-8"))["dependencies"]
    yield f"- Python {platform.python_version()}, {python}"
    yield f"- Node {node}, {', '.join(f'{name} {version}' for name, version in wanted.items() if '/core' not in name)}"


def _lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").splitlines() if path.is_file() else []


def page(
    body: Sequence[str], plan: Plan, pinned: tuple[int, int] | None, load: tuple[float, float], quick: bool
) -> str:
    given = " ".join(["python -m benchmarks.peers", *sys.argv[1:]]).partition(" --to")[0]
    held = (
        f"Each of them is held to core {pinned[0]}, the load and the shop to core {pinned[1]}"
        if pinned
        else "Nothing is held to a core: this system cannot, or has only one"
    )
    lines = [
        "# The gateway and its peers",
        "",
        f"`make bench-peers`, here `{given}`, {datetime.now(UTC):%Y-%m-%d}."
        + (" A quick run, to try it: read the ratios, and not closely." if quick else ""),
        "",
        *machine(),
        f"- {held}. Load of the machine before and after (one minute): {load[0]:.1f}, {load[1]:.1f}.",
        f"- Rounds, in turns: {plan.rounds}; {CONNECTIONS} connections and {plan.requests} requests, or as many as "
        f"{plan.seconds:g} s allow; then {plan.alone} one at a time. Warm after at least {plan.warm} requests. "
        "NODE_ENV=production. Three figures are minimum / median / maximum of the rounds.",
        "",
        f"The question is `benchmarks/peers/orders.graphql`: a customer's orders, {LINES} lines each, with the "
        "product of each line. The shop speaks WooCommerce's words, the same prepared bytes to all. Everybody "
        "makes the same calls: the customer; then the orders of the record, beside those placed as a guest; "
        "then all products in one batch: three calls deep. The gateway knows who asks (an API key, VERIFIED), "
        "counts rates, limits, costs, deadlines, budgets and metrics, and masks by assurance; no peer does "
        "any of these. Peers on GraphQL serve `schema.graphql`, cut to this question; the gateway its whole "
        "schema.",
        "",
        *(f"- **{each.name}**: {each.what}" for each in CONTENDERS),
        "",
        *body,
    ]
    return "\n".join(lines).rstrip() + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.peers", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a few minutes, to try it")
    parser.add_argument("--peers", help="only these, by name and comma; the gateway always")
    parser.add_argument("--to", type=Path, help="the file to write; a quick run writes none unless it is told to")
    parser.add_argument("--sizes", help=f"of {', '.join(SIZES)}; by comma")
    parser.add_argument("--delays", help="of the shop, milliseconds; by comma")
    for word, what in (
        ("warm", "requests before anything counts"),
        ("rounds", "in turns"),
        ("requests", "of a round under load, at most"),
        ("seconds", "of a round under load, at most"),
        ("alone", "requests of a round one at a time"),
        ("cold", "documents of a round that were never seen; 0: none"),
    ):
        parser.add_argument(f"--{word}", type=float if word == "seconds" else int, help=what)
    options = parser.parse_args()
    values: dict[str, Any] = dict(vars(QUICK if options.quick else FULL))
    values |= {word: given for word in values if (given := getattr(options, word)) is not None}
    if options.sizes:
        values["sizes"] = tuple(size for size in SIZES if size in options.sizes.split(","))
    if options.delays:
        values["delays"] = tuple(int(delay) for delay in options.delays.split(","))
    plan = Plan(**values)
    wanted = options.peers.split(",") if options.peers else [each.name for each in CONTENDERS]
    chosen = [each for each in CONTENDERS if each.name in wanted or each.name == GATEWAY]
    if not (HERE / "node_modules").is_dir():
        raise SystemExit("the peers are not installed: `npm ci` in benchmarks/peers, or `make bench-peers`")

    pinned = cores()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        shop = free_port()
        place = folder / "shop"
        place.mkdir()
        command = [sys.executable, "-m", "benchmarks.peers.upstream", str(shop)]
        stack.enter_context(process(command, place, pinned[1] if pinned else None, shop))
        running = []
        for each in chosen:
            port, place = free_port(), folder / each.name
            place.mkdir()
            command = each.command(port, f"http://127.0.0.1:{shop}", place)
            started = stack.enter_context(process(command, place, pinned[0] if pinned else None, port))
            running.append(Running(each, started, port))
        if pinned:
            os.sched_setaffinity(0, {pinned[1]})
        before = os.getloadavg()[0]
        cells, facts = uvloop.run(run(running, shop, plan))
        load = (before, os.getloadavg()[0])
    body = list(tables(cells, facts, plan, [each.name for each in chosen]))
    out.print("\n".join(body), markup=False, soft_wrap=True)
    to = options.to or (None if options.quick else RESULTS)
    if to is not None:
        to.write_text(page(body, plan, pinned, load, options.quick), encoding="utf-8")
        out.print(f"written to {to}", markup=False, soft_wrap=True)


if __name__ == "__main__":
    main()
