"""The simulated stores as a process of their own: prints where they listen, and ends with the process that began it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
from datetime import UTC, datetime

from sandbox.world import PLANS, open_shops


async def run(generous: bool) -> None:
    """Serve until standard input is closed. `generous`: without the vendors' rate limits."""
    plans = tuple(plan.generous() for plan in PLANS) if generous else PLANS
    async with open_shops(datetime.now(UTC), plans) as shops:
        print(json.dumps({key: shop.url for key, shop in shops.items()}), flush=True)
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(None, sys.stdin.buffer.read)


def main() -> None:
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(run("--generous" in sys.argv[1:]))


if __name__ == "__main__":
    main()
