"""How many times as much four processes of the gateway serve as one, and what of the machine was left for them."""

from __future__ import annotations

import asyncio
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import uvloop

from benchmarks.peers.asking import many
from benchmarks.peers.contenders import CONTENDERS, GATEWAY
from benchmarks.peers.processes import Running, free_port, process
from benchmarks.peers.upstream import SIZES, email

_SIZE = "30 KB"
_PROCESSES = 4
_WARM = 1_000
#: Cores from which four processes can have one each, with the load and the shop on others.
_ENOUGH = _PROCESSES + 2


@dataclass
class Arm:
    """So many processes under load: requests a second, CPU ms of theirs a request, and cores they had; by round."""

    rates: list[float] = field(default_factory=list)
    costs: list[float] = field(default_factory=list)
    cores: list[float] = field(default_factory=list)


@dataclass
class Spread:
    """One beside four."""

    one: Arm = field(default_factory=Arm)
    four: Arm = field(default_factory=Arm)

    def told(self) -> Iterator[str]:
        factors = [four / one for four, one in zip(self.four.rates, self.one.rates, strict=True)]
        yield f"## Four processes beside one, {_SIZE} of answer, the shop answers at once\n"
        yield (
            "Each process has a port of its own and as many connections as the one; nothing is held to a core. "
            "Figures are medians of the rounds.\n"
        )
        yield "| processes | requests/s | CPU ms a request | cores they had |\n| --- | --- | --- | --- |"
        for name, arm in (("1", self.one), (str(_PROCESSES), self.four)):
            rate, cost, had = (statistics.median(each) for each in (arm.rates, arm.costs, arm.cores))
            yield f"| {name} | {rate:.0f} | {cost:.2f} | {had:.2f} |"
        low, factor, high = min(factors), statistics.median(factors), max(factors)
        yield f"\nFour serve {low:.2f} / {factor:.2f} / {high:.2f} times as much as one."
        available = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        if available < _ENOUGH:
            dearer = statistics.median(self.four.costs) / statistics.median(self.one.costs)
            yield (
                f"This machine has {available} cores, which the processes share with the load and the shop: 3.5 times "
                f"cannot be seen on fewer than {_ENOUGH}. A request costs {dearer:.2f} times the CPU it costs one "
                f"alone; worked out from that, with a core for each, four would serve some {_PROCESSES / dearer:.1f} "
                "times as much."
            )
        yield ""


def spread(rounds: int, seconds: float, connections: int) -> Spread:
    """Start four and a shop, and ask one and all of them in turns."""
    contender = next(each for each in CONTENDERS if each.name == GATEWAY)
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder, shop = Path(name), free_port()
        command = [sys.executable, "-m", "benchmarks.peers.upstream", str(shop)]
        stack.enter_context(process(command, folder, None, shop))
        running = []
        for number in range(_PROCESSES):
            port, place = free_port(), folder / str(number)
            place.mkdir()
            started: psutil.Process = stack.enter_context(
                process(contender.start(port, f"http://127.0.0.1:{shop}", place), place, None, port)
            )
            running.append(Running(contender, started, port))
        return uvloop.run(_measured(running, rounds, seconds, connections))


async def _measured(running: Sequence[Running], rounds: int, seconds: float, connections: int) -> Spread:
    found = Spread()
    text = running[0].contender.asked(email(SIZES[_SIZE]), SIZES[_SIZE])
    for each in running:
        await many(each.port, lambda _: text, _WARM, 30, connections)
    for _ in range(rounds):
        for arm, asked in ((found.one, running[:1]), (found.four, running)):
            cpu, begun = sum(each.cpu() for each in asked), time.perf_counter()
            waits = await asyncio.gather(
                *(many(each.port, lambda _: text, sys.maxsize, seconds, connections) for each in asked)
            )
            took, spent = time.perf_counter() - begun, sum(each.cpu() for each in asked) - cpu
            count = sum(map(len, waits))
            arm.rates.append(count / took)
            arm.costs.append(spent / count * 1000)
            arm.cores.append(spent / took)
    return found
