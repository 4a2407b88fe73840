"""What the ledger costs: a cancellation above its upstream calls, and reads while another process writes to it."""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from actions.ledger import Ledger, Record, new_id
from gateway.operations import document
from sandbox.people import SandboxProvider
from schema.ids import make_id
from schema.vocabulary import ActionKind, ActionState
from tests.conformance.cases import CASES
from tests.running import Gateway, running_gateway

ROOT = Path(__file__).parent.parent
RULES = """
policy: bench
stores: [eu]
rules: [{id: allowed, action: CANCEL_ORDER, then: ALLOW}]
"""


async def cancels(warm: int, counted: int) -> Sequence[tuple[float, Sequence[dict[str, Any]]]]:
    """Wall milliseconds of an allowed cancellation over HTTP, and its upstream calls; one at a time, on SQLite."""
    people, found = SandboxProvider(), []
    with tempfile.TemporaryDirectory() as folder:
        rules = Path(folder) / "bench.yaml"
        rules.write_text(RULES, encoding="utf-8")
        async with running_gateway(
            Path(folder), stores=("eu",), generous=True, people=people, policies=rules
        ) as gateway:
            orders = CASES["woocommerce"].hand(gateway.shops["eu"].simulator)
            token = people.staff()
            for number in range(warm + counted):
                order = make_id("Order", "eu", orders.order(f"c{number}@example.com", gateway.now))
                asked = {"input": {"orderId": order}, "key": f"key {number}"}
                started = time.perf_counter()
                _, answer, _ = await gateway.send(document("CancelIt"), asked, token=token)
                wall = (time.perf_counter() - started) * 1000
                assert answer["data"]["cancelOrder"]["action"]["state"] == ActionState.SUCCEEDED.value, answer
                if number >= warm:
                    found.append((wall, answer["extensions"]["upstream"]))
    return found


async def reads(counted: int) -> tuple[list[float], list[float]]:
    """Wall milliseconds of the reference query while the ledger is quiet, and while it is busy; taken in turns."""
    quiet: list[float] = []
    busy: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        async with running_gateway(Path(folder), generous=True) as gateway:
            await _asked(gateway, 20)
            for _ in range(2):
                quiet += await _asked(gateway, counted // 2)
                writer = await asyncio.create_subprocess_exec(
                    sys.executable, "-m", "benchmarks.ledger", str(Path(folder) / "aftersale.db"), cwd=ROOT
                )
                await asyncio.sleep(2)  # it has begun
                busy += await _asked(gateway, counted // 2)
                writer.kill()
                await writer.wait()
    return quiet, busy


async def _asked(gateway: Gateway, times: int) -> list[float]:
    found = []
    for _ in range(times):
        started = time.perf_counter()
        await gateway.run("SupportView", {"email": "ada@example.com"})
        found.append((time.perf_counter() - started) * 1000)
    return found


async def write(path: str) -> None:
    """Record one action after the other, until somebody ends this process."""
    ledger = Ledger(path)
    await ledger.open()
    while True:
        now, id = datetime.now(UTC), new_id()
        made = Record(
            id=id,
            kind=ActionKind.CANCEL_ORDER,
            state=ActionState.DENIED,
            store="eu",
            target=f"Order:eu:{id}",
            client="bench",
            input_hash="0" * 64,
            request={},
            summary="Cancel an order",
            actor="",
            requested_at=now,
        )
        await ledger.record(
            target=made.target,
            key_hash=id,
            owner_hash=None,
            seen=0,
            now=now,
            by="bench",
            decide=lambda history, made=made: made,  # type: ignore[misc]
        )


if __name__ == "__main__":
    asyncio.run(write(sys.argv[1]))
