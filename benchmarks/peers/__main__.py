"""`make bench-peers`: the gateway and its peers side by side over one shop that answers all of them the same bytes;
writes benchmarks/RESULTS.md."""

from __future__ import annotations

import argparse
import asyncio
import importlib.metadata
import json
import os
import platform
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil
import uvloop
from rich.console import Console

from benchmarks.peers.asking import many, once, request
from benchmarks.peers.chain import chain
from benchmarks.peers.contenders import CONTENDERS, GATEWAY, PACKAGES, ROOT, Contender
from benchmarks.peers.four import Spread, spread
from benchmarks.peers.processes import Running, cores, free_port, memory, process
from benchmarks.peers.upstream import LINES, SIZES, email

RESULTS = ROOT / "benchmarks" / "RESULTS.md"
CONNECTIONS = 16
#: Requests between two looks at whether the CPU of a request still falls, or seconds; by how much it may still differ,
#: and after how many looks beyond the least that is given up.
_STEP, _STEP_SECONDS, _FLAT, _LOOKS = 500, 8.0, 0.05, 6

out = Console(highlight=False)


@dataclass(frozen=True)
class Plan:
    """How long, and how often. Times in seconds, delays of the shop in milliseconds."""

    #: Requests each is asked before anything counts, all sizes together; it goes on until the CPU of one is flat.
    warm: int
    rounds: int
    requests: int
    seconds: float
    alone: int
    sizes: tuple[str, ...]
    delays: tuple[int, ...]
    cold: int
    #: Rounds of four processes beside one.
    four: int


QUICK = Plan(warm=300, rounds=3, requests=200, seconds=2, alone=30, sizes=("30 KB",), delays=(0, 30), cold=0, four=0)
FULL = Plan(
    warm=5_000,
    rounds=7,
    requests=1_000,
    seconds=1.25,
    alone=50,
    sizes=tuple(SIZES),
    delays=(0, 30, 100),
    cold=100,
    four=7,
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
        return spread_of([getattr(one, word) for one in self.rounds])


@dataclass
class Facts:
    """What one contender's answer is, and what it asked the shop for it, by size."""

    size: dict[str, int] = field(default_factory=dict)
    calls: dict[str, Mapping[str, int]] = field(default_factory=dict)
    #: Calls a request while many ask the same at once.
    busy: dict[str, float] = field(default_factory=dict)
    difference: dict[str, str] = field(default_factory=dict)
    #: Seconds of a request alone, hardly warm.
    first: dict[str, float] = field(default_factory=dict)
    warmed: dict[str, str] = field(default_factory=dict)
    memory: float = 0.0
    cold: list[float] = field(default_factory=list)
    #: Why it is no longer measured.
    failed: str = ""


@dataclass
class Found:
    """What is known until now."""

    names: list[str]
    sizes: list[str] = field(default_factory=list)
    cells: dict[tuple[str, int, str], Cell] = field(default_factory=dict)
    #: Milliseconds of the bare calls that follow each other, by size and delay, a median each round.
    chains: dict[tuple[str, int], list[float]] = field(default_factory=dict)
    facts: dict[str, Facts] = field(default_factory=dict)
    four: Spread | None = None

    def failures(self) -> dict[str, str]:
        return {name: of.failed for name, of in self.facts.items() if of.failed}


# ------------------------------------------------------------------ measuring
async def told(shop: int, target: str) -> Any:
    _, body = await once(shop, request("GET", target, {}, None))
    return json.loads(body)


async def look(each: Running, shop: int, size: str, reference: Any, facts: Facts) -> Any:
    """Ask a few times; note its bytes, its calls, how long it takes and how its data differ from the reference."""
    contender, orders = each.contender, SIZES[size]
    text = contender.asked(email(orders), orders)
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
        raise SystemExit(f"{contender.name} answered {status}: {body[:500]!r}")
    data = answer["data"]
    facts.size[size] = len(json.dumps(data, ensure_ascii=False, separators=(",", ":")).encode())
    if len(contender.orders(data)) != orders:
        raise SystemExit(f"{contender.name} answered too few orders")
    if reference is None:
        facts.difference[size] = ""
    elif contender.differs:
        facts.difference[size] = contender.differs
        if wrong := difference(CONTENDERS[0].facts(reference), contender.facts(data)):
            raise SystemExit(f"{contender.name} answered other facts: {wrong}")
    else:
        facts.difference[size] = difference(reference, data)
    waits = await many(each.port, lambda _: text, 100, 2, 1)
    facts.first[size] = statistics.median(waits[len(waits) // 2 :])
    each.asked += len(waits)
    return data


def difference(one: Any, other: Any, at: str = "data") -> str:
    """Where two values differ first, or nothing."""
    if isinstance(one, dict) and isinstance(other, dict) and one.keys() == other.keys():
        return next(filter(None, (difference(one[key], other[key], f"{at}.{key}") for key in one)), "")
    if isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        pairs = enumerate(zip(one, other, strict=True))
        return next(filter(None, (difference(left, right, f"{at}[{n}]") for n, (left, right) in pairs)), "")
    return "" if one == other else f"{at}: {str(one)[:60]} and {str(other)[:60]}"


def _step(least: int) -> int:
    return min(_STEP, max(least // 2, 1))


async def warm(each: Running, size: str, least: int) -> str:
    """So many requests at least since its start, and until two steps of this size cost the same."""
    orders = SIZES[size]
    text = each.contender.asked(email(orders), orders)
    step = _step(least)
    costs: list[float] = []
    here = looks = 0
    while looks < _LOOKS:
        before = each.cpu()
        waits = await many(each.port, lambda _: text, step, _STEP_SECONDS, CONNECTIONS)
        costs.append((each.cpu() - before) / len(waits))
        each.asked += len(waits)
        here += len(waits)
        if each.asked < least:
            continue
        looks += 1
        if len(costs) > 1 and abs(costs[-1] - costs[-2]) <= _FLAT * costs[-2]:
            return f"flat after {here}"
    return f"not flat after {here}: {costs[-2] * 1000:.2f}, {costs[-1] * 1000:.2f} ms"


async def measured(each: Running, shop: int, size: str, plan: Plan, facts: Facts) -> Round:
    orders = SIZES[size]
    text = each.contender.asked(email(orders), orders)
    await told(shop, "/_counts")
    cpu, begun = each.cpu(), time.perf_counter()
    waits = await many(each.port, lambda _: text, plan.requests, plan.seconds, CONNECTIONS)
    took, spent = time.perf_counter() - begun, each.cpu() - cpu
    facts.busy.setdefault(size, sum((await told(shop, "/_counts")).values()) / len(waits))
    alone = await many(each.port, lambda _: text, plan.alone, plan.seconds, 1)
    return Round(spent / len(waits) * 1000, len(waits) / took, statistics.median(alone) * 1000)


async def cold(each: Running, plan: Plan, number: int) -> float:
    """CPU milliseconds of a request whose document was never seen; one at a time."""
    orders = SIZES["5 KB"]
    texts = [each.contender.asked(email(orders), orders, number * plan.cold + n) for n in range(plan.cold)]
    before = each.cpu()
    waits = await many(each.port, lambda n: texts[n], plan.cold, 4 * plan.seconds, 1)
    return (each.cpu() - before) / len(waits) * 1000


async def seen_off(found: Found, each: Running, work: Callable[[], Any]) -> Any:
    """What the work gives; where it fails, None, and this one is measured no further: the others are."""
    facts = found.facts[each.contender.name]
    if facts.failed:
        return None
    try:
        return await work()
    except Exception as error:  # whatever one peer does wrong must not cost an hour of the others
        causes = error.exceptions if isinstance(error, ExceptionGroup) else [error]
        facts.failed = f"{type(causes[0]).__name__}: {causes[0]}"
        out.print(f"{each.contender.name} FAILED, and is left out from here: {facts.failed}", markup=False)
        return None


def minutes(plan: Plan, facts: Mapping[str, Facts]) -> float:
    """How long all of it should take, from what each took for a few requests; as a rule it takes less."""
    seconds = 0.0
    for of in facts.values():
        for number, size in enumerate(plan.sizes):
            cost = of.first[size]
            step = min(_STEP * cost, _STEP_SECONDS)
            seconds += max(plan.warm * cost, 3 * step) if number == 0 else 3 * step
            for delay in plan.delays:
                alone = cost + 3 * delay / 1000
                # A round under load ends with the last of those that wait for their turn.
                loaded = min(plan.seconds, plan.requests * max(cost, alone / CONNECTIONS)) + CONNECTIONS * cost
                seconds += plan.rounds * (loaded + min(plan.seconds, plan.alone * alone))
        seconds += plan.rounds * min(plan.cold * 4 * of.first[plan.sizes[0]], 4 * plan.seconds)
    return (seconds + plan.four * 4 * plan.seconds) / 60


async def run(running: Sequence[Running], shop: int, plan: Plan, found: Found, keep: Callable[[], None]) -> None:
    """Fill `found`; `keep` is called whenever a size is done."""
    facts = found.facts
    facts |= {each.contender.name: Facts() for each in running}
    # Everything is asked once before anything is measured: a mistake shows now, not after half an hour.
    for size in plan.sizes:
        reference = None
        for each in running:
            name = each.contender.name
            data = await look(each, shop, size, reference, facts[name])
            reference = data if reference is None else reference
            out.print(f"{size}: {name}: {facts[name].difference[size] or 'the same data'}", markup=False)
    out.print(f"about {minutes(plan, facts):.0f} minutes")
    for size in plan.sizes:
        await told(shop, "/_delay?ms=0")
        for each in running:
            of = facts[each.contender.name]
            of.warmed[size] = await seen_off(found, each, lambda: warm(each, size, plan.warm)) or ""  # noqa: B023
            out.print(f"{size}: {each.contender.name} {of.warmed[size]}")
        for delay in plan.delays:
            await told(shop, f"/_delay?ms={delay}")
            for number in range(plan.rounds):
                # Who begins changes, so that nobody always follows the same neighbour.
                turn = number % len(running)
                for each in [*running[turn:], *running[:turn]]:
                    of = facts[each.contender.name]
                    cell = found.cells.setdefault((size, delay, each.contender.name), Cell())
                    if one := await seen_off(found, each, lambda: measured(each, shop, size, plan, of)):  # noqa: B023
                        cell.rounds.append(one)
                bare = await chain(shop, size, plan.alone, plan.seconds)
                found.chains.setdefault((size, delay), []).append(bare)
                out.print(f"{size}, {delay} ms: round {number + 1} of {plan.rounds}")
        for each in running:
            if not facts[each.contender.name].failed:
                facts[each.contender.name].memory = memory(each.process)[0]
        found.sizes.append(size)
        keep()
    if plan.cold:
        await told(shop, "/_delay?ms=0")
        for number in range(plan.rounds):
            for each in running:
                if each.contender.query:
                    one = await seen_off(found, each, lambda: cold(each, plan, number))  # noqa: B023
                    facts[each.contender.name].cold += [one] if one is not None else []
            out.print(f"cold: round {number + 1} of {plan.rounds}")
        keep()


# ------------------------------------------------------------------ telling
def three(values: Sequence[float], digits: int) -> str:
    return " / ".join(f"{value:.{digits}f}" for value in values)


def tables(found: Found, plan: Plan) -> Iterator[str]:
    facts, names = found.facts, found.names
    for size in found.sizes:
        for delay in plan.delays:
            yield f"## {size} of answer, the shop answers {'at once' if not delay else f'after {delay} ms'}\n"
            yield "| | CPU ms a request | times the gateway's | requests/s | p50 ms, one at a time |"
            yield "| --- | --- | --- | --- | --- |"
            first = found.cells[size, delay, names[0]]
            base = first.told("cpu")[1] if first.rounds else 0.0
            for name in names:
                cell = found.cells[size, delay, name]
                if not cell.rounds:
                    yield f"| {name} | - | - | - | - |"
                    continue
                cpu = cell.told("cpu")
                ratio = f"{cpu[1] / base:.2f}" if base else "-"
                rate, p50 = cell.told("rate")[1], three(cell.told("p50"), 1)
                yield f"| {name} | {three(cpu, 2)} | {ratio} | {rate:.0f} | {p50} |"
            yield f"| the bare chain of calls | | | | {three(spread_of(found.chains[size, delay]), 1)} |"
            yield ""
    if any(of.cold for of in facts.values()):
        yield "## Documents never seen before, 5 KB of answer, at once, one at a time\n"
        yield "| | CPU ms a request |\n| --- | --- |"
        yield from (f"| {name} | {three(spread_of(facts[name].cold), 2)} |" for name in names if facts[name].cold)
        yield ""
    if found.four is not None:
        yield from found.four.told()
    yield "## What was asked and answered\n"
    yield "| | answer, bytes | calls of the shop | under load, a request | data | warm | memory at the end, MB |"
    yield "| --- | --- | --- | --- | --- | --- | --- |"
    for name in names:
        of = facts[name]
        sizes = ", ".join(str(of.size[size]) for size in found.sizes)
        differs = next((of.difference[size] for size in found.sizes if of.difference[size]), "")
        same = differs or "the same"
        warmed = "; ".join(of.warmed[size] for size in found.sizes)
        busy = ", ".join(dict.fromkeys(f"{of.busy[size]:.1f}" for size in found.sizes if size in of.busy))
        calls = "; ".join(
            dict.fromkeys(
                f"{sum(of.calls[size].values())} ({', '.join(f'{n} {path}' for path, n in of.calls[size].items())})"
                for size in found.sizes
            )
        )
        yield f"| {name} | {sizes} | {calls} | {busy} | {same} | {warmed} | {of.memory:.0f} |"
    yield ""
    yield from (f"**{name} failed and was left out from there on: {why}**\n" for name, why in found.failures().items())


def spread_of(values: Sequence[float]) -> tuple[float, float, float]:
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
    wanted: dict[str, str] = {}
    for folder in PACKAGES:
        wanted |= json.loads((folder / "package.json").read_text(encoding="utf-8"))["dependencies"]
    yield f"- Python {platform.python_version()}, {python}"
    yield f"- Node {node}, {', '.join(f'{name} {version}' for name, version in wanted.items() if '/core' not in name)}"


def _lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").splitlines() if path.is_file() else []


def page(body: Sequence[str], plan: Plan, pinned: tuple[int, int] | None, load: Sequence[float], remark: str) -> str:
    given = " ".join(["python -m benchmarks.peers", *sys.argv[1:]]).partition(" --to")[0]
    held = (
        f"Each of them is held to core {pinned[0]}, the load and the shop to core {pinned[1]}"
        if pinned
        else "Nothing is held to a core: this system cannot, or has only one"
    )
    lines = [
        "# The gateway and its peers",
        "",
        f"`make bench-peers`, here `{given}`, {datetime.now(UTC):%Y-%m-%d}.{remark}",
        "",
        *machine(),
        f"- {held}. Load of the machine before and after (one minute): {', '.join(f'{each:.1f}' for each in load)}.",
        f"- Rounds, in turns: {plan.rounds}; {CONNECTIONS} connections and {plan.requests} requests, or as many as "
        f"{plan.seconds:g} s allow; then {plan.alone} one at a time, or as many as {plan.seconds:g} s allow. Warm "
        f"after at least {plan.warm} requests to each, and at each size until {_step(plan.warm)} cost within "
        f"{_FLAT:.0%} of as many before. NODE_ENV=production. Three figures are minimum / median / maximum of the "
        "rounds.",
        "",
        f"The question is `benchmarks/peers/orders.graphql`: a customer's orders, {LINES} lines each, with the "
        "product of each line. The shop speaks WooCommerce's words, the same prepared bytes to all. Everybody "
        "makes the same calls: the customer; then the orders of the record, beside those placed as a guest; "
        "then all products in one batch: three calls deep. The gateway knows who asks (an API key, VERIFIED), "
        "counts rates, limits, costs, deadlines, budgets and metrics, and masks by assurance; no peer does "
        "any of these. The bare chain of calls is those three, one after the other, by a client that does nothing "
        "with what comes back: no answer can be there sooner. Peers on GraphQL serve `schema.graphql`, cut to this "
        "question, and Hive Gateway what Mesh makes "
        "of `hive/shop.json`; the gateway its whole schema.",
        "",
        *(f"- **{each.name}**: {each.what}" for each in CONTENDERS),
        "",
        *body,
    ]
    return "\n".join(lines).rstrip() + "\n"


def chosen_of(options: argparse.Namespace) -> tuple[Plan, list[Contender]]:
    values: dict[str, Any] = dict(vars(QUICK if options.quick else FULL))
    values |= {word: given for word in values if (given := getattr(options, word)) is not None}
    if options.sizes:
        values["sizes"] = tuple(size for size in SIZES if size in options.sizes.split(","))
    if options.delays:
        values["delays"] = tuple(int(delay) for delay in options.delays.split(","))
    wanted = options.peers.split(",") if options.peers else [each.name for each in CONTENDERS]
    if unknown := set(wanted) - {each.name for each in CONTENDERS}:
        raise SystemExit(f"nobody is called {', '.join(sorted(unknown))}")
    return Plan(**values), [each for each in CONTENDERS if each.name in wanted or each.name == GATEWAY]


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
        ("seconds", "of a round under load, and of one alone, at most"),
        ("alone", "requests of a round one at a time, at most"),
        ("cold", "documents of a round that were never seen; 0: none"),
        ("four", "rounds of four processes beside one; 0: none"),
    ):
        parser.add_argument(f"--{word}", type=float if word == "seconds" else int, help=what)
    options = parser.parse_args()
    plan, chosen = chosen_of(options)
    if not all((folder / "node_modules").is_dir() for folder in PACKAGES):
        raise SystemExit("the peers are not installed: `make bench-peers` does it")
    to: Path | None = options.to or (None if options.quick else RESULTS)
    part = to.with_suffix(".part.md") if to is not None else None
    quick = " A quick run, to try it: read the ratios, and not closely." if options.quick else ""

    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that what was started is ended
    begun, pinned, load = time.monotonic(), cores(), [os.getloadavg()[0]]
    everywhere = os.sched_getaffinity(0) if pinned else set[int]()
    found = Found([each.name for each in chosen])

    def keep() -> None:
        if part is not None:
            remark = f"{quick} **It was not run to the end: what was known after {', '.join(found.sizes)}.**"
            part.write_text(page(list(tables(found, plan)), plan, pinned, load, remark), encoding="utf-8")
            out.print(f"kept in {part} until all is done", markup=False, soft_wrap=True)

    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        shop = free_port()
        place = folder / "shop"
        place.mkdir()
        command = [sys.executable, "-m", "benchmarks.peers.upstream", str(shop)]
        stack.enter_context(process(command, place, pinned[1] if pinned else None, shop))
        running = []
        for each in chosen:
            port, place = free_port(), folder / each.name
            place.mkdir()
            command = each.start(port, f"http://127.0.0.1:{shop}", place)
            started = stack.enter_context(process(command, place, pinned[0] if pinned else None, port))
            running.append(Running(each, started, port))
        if pinned:
            os.sched_setaffinity(0, {pinned[1]})
        uvloop.run(run(running, shop, plan, found, keep))
    if pinned:
        os.sched_setaffinity(0, everywhere)
    if plan.four:
        found.four = spread(plan.four, plan.seconds, CONNECTIONS)
    load.append(os.getloadavg()[0])
    body = list(tables(found, plan))
    if to is not None and part is not None:
        to.write_text(page(body, plan, pinned, load, quick), encoding="utf-8")
        part.unlink(missing_ok=True)
    out.print("\n".join(body), markup=False, soft_wrap=True)
    out.print(f"{(time.monotonic() - begun) / 60:.1f} minutes; {f'written to {to}' if to else 'nothing is written'}")
    if found.failures():
        raise SystemExit(f"failed: {', '.join(found.failures())}")


if __name__ == "__main__":
    main()
