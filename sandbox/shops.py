"""The simulated stores as a process of their own: prints where they listen, and ends with the process that began it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from sandbox.world import PLANS, open_shops

#: A simulator keeps what it was asked and what it answered, for tests to look at; a demonstration may run for days.
KEPT = 1_000


async def forget(simulators: Sequence[Any], *, every: float = 60.0) -> None:
    """Drop what was asked long ago, for as long as the stores are served."""
    while True:
        await asyncio.sleep(every)
        for simulator in simulators:
            for remembered in (simulator.calls, simulator.writes):
                del remembered[:-KEPT]


async def run(generous: bool) -> None:
    """Serve until standard input is closed. `generous`: without the vendors' rate limits."""
    plans = tuple(plan.generous() for plan in PLANS) if generous else PLANS
    async with open_shops(datetime.now(UTC), plans) as shops:
        print(json.dumps({key: shop.url for key, shop in shops.items()}), flush=True)
        forgetting = asyncio.create_task(forget([shop.simulator for shop in shops.values()]))
        try:
            await asyncio.get_running_loop().run_in_executor(None, sys.stdin.buffer.read)
        finally:
            forgetting.cancel()


def main() -> None:
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(run("--generous" in sys.argv[1:]))


if __name__ == "__main__":
    main()
