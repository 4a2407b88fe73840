"""`make chaos`: two gateways on one PostgreSQL, killed, halted and lied to under load; what is asked happens once."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from rich.table import Table

from actions.desk import ActionDesk
from actions.effects import Patience
from actions.ledger import Ledger, Listing
from actions.recovery import Recovery
from actions.states import FINAL
from policies.processor import PolicyProcessor
from sandbox.faults import Fault, Faulty
from sandbox.serving import serve
from schema.vocabulary import ActionKind, ActionState
from tests.actions.shop import STAFF, Shop, ShopAdapter, cancelling, refunding, returning
from tests.postgres import server

ROOT = Path(__file__).parent.parent
GATEWAYS, CLIENTS, CUSTOMERS = 2, 12, 20
#: Seconds. Short, so that in a few minutes much is taken over; the order among them is that of the real ones.
PATIENCE = Patience(lease=2.0, settle=3.0, look=0.2, look_most=1.0, refused=6.0)
RULES = """
policy: chaos
stores: [shop]
rules:
  - {id: allowed, action: [CANCEL_ORDER, REFUND_ORDER, RETURN_ORDER], then: ALLOW}
  - {id: much, action: REFUND_ORDER, limit: {request: {EUR: 50}}, over: DENY}
"""
WORDS = ("429", "500", "drop", "garbage", "500-after", "drop-after", "truncate")
DONE = frozenset(state.value for state in FINAL)
#: How long everything may take to settle after the last trouble.
QUIET = 90.0

out = Console()


# ------------------------------------------------------------------------------------------------ a gateway


async def gateway(address: str, url: str, rules: str) -> None:
    """A desk with its background, asked by lines of JSON on its input, answering by lines of JSON."""
    told = os.fdopen(os.dup(1), "w")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # its log is not looked at
    ledger = Ledger(address)
    await ledger.open()
    platform = ShopAdapter(url)
    desk = ActionDesk(
        ledger,
        PolicyProcessor.load(rules, {"shop": platform.store}),
        {"shop": platform},
        secret="a secret of at least thirty-two characters",
        gateway_id=f"chaos-{os.getpid()}",
        request_seconds=5.0,
        patience=PATIENCE,
    )
    recovery = Recovery(desk, every=0.3)
    await recovery.start()
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    running: set[asyncio.Task[None]] = set()

    async def one(asked: dict[str, Any]) -> None:
        state = ""
        try:
            answer = await desk.of(STAFF, desk.clock()).ask(ActionKind(asked["kind"]), request_of(asked), asked["key"])
            state = answer.action.state.value if answer.action is not None else ""
        finally:
            print(json.dumps({"number": asked["number"], "state": state}), file=told, flush=True)

    async for line in reader:
        task = asyncio.create_task(one(json.loads(line)))
        running.add(task)
        task.add_done_callback(running.discard)
    await recovery.stop()
    await ledger.close()
    await platform.close()


def request_of(asked: dict[str, Any]) -> Any:
    match ActionKind(asked["kind"]):
        case ActionKind.CANCEL_ORDER:
            return cancelling(f"Order:shop:{asked['order']}")
        case ActionKind.RETURN_ORDER:
            return returning(order=asked["order"])
    made = refunding(asked["amount"], asked["order"])
    made.reason = asked["key"]  # so that the shop's books tell which is which
    return made


class Gone(Exception):
    """The gateway ended before it answered."""


class Process:
    """A gateway's process, begun again whenever it was killed."""

    def __init__(self, *arguments: str) -> None:
        self._arguments = arguments
        self._waiting: dict[int, asyncio.Future[str]] = {}
        self._number = 0

    async def start(self) -> None:
        self.process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "benchmarks.chaos",
            "--gateway",
            *self._arguments,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
        self._reading = asyncio.create_task(self._read())

    async def _read(self) -> None:
        assert self.process.stdout is not None
        async for line in self.process.stdout:
            told = json.loads(line)
            if (waiting := self._waiting.pop(told["number"], None)) is not None and not waiting.done():
                waiting.set_result(told["state"])
        for waiting in self._waiting.values():
            if not waiting.done():
                waiting.set_exception(Gone())
                waiting.exception()  # who asked may be gone as well
        self._waiting.clear()

    async def ask(self, asked: dict[str, Any]) -> str:
        """The state of the action, or nothing where there is none yet. Raises `Gone`."""
        if self._reading.done() or self.process.stdin is None:
            raise Gone
        self._number += 1
        waiting = self._waiting[self._number] = asyncio.get_running_loop().create_future()
        try:
            self.process.stdin.write(json.dumps(asked | {"number": self._number}).encode() + b"\n")
            await self.process.stdin.drain()
        except ConnectionError:
            self._waiting.pop(self._number, None)
            raise Gone from None
        return await waiting

    def send(self, signal_: int) -> None:
        self.process.send_signal(signal_)

    async def killed(self) -> None:
        self.send(signal.SIGKILL)
        await self.process.wait()
        await self._reading

    async def end(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        try:
            await asyncio.wait_for(self.process.wait(), 15)
        except TimeoutError:
            await self.killed()
        await self._reading


# ------------------------------------------------------------------------------------------------ the world


@dataclass
class Chaos:
    """The shop, those who ask, and what happens to them."""

    shop: Shop
    faulty: Faulty
    gateways: list[Process]
    #: Until when there is trouble; the loop's clock.
    until: float
    last: float
    #: What was asked for under each key, and the state it came to, as its client was told.
    asked: dict[str, dict[str, Any]] = field(default_factory=dict)
    told: dict[str, str] = field(default_factory=dict)
    happened: Counter[str] = field(default_factory=Counter)
    orders: int = 1000

    def order(self) -> str:
        self.orders += 1
        template = self.shop.orders["1"] | {"email": f"c{self.orders % CUSTOMERS}@example.com"}
        self.shop.orders[str(self.orders)] = template
        return str(self.orders)

    async def client(self) -> None:
        """Asks for one thing after the other, each until it knows what came of it; now and then twice at once."""
        while time.monotonic() < self.until:
            order = self.order()
            kinds = random.choice(
                (
                    [ActionKind.CANCEL_ORDER],
                    [ActionKind.RETURN_ORDER],
                    [ActionKind.REFUND_ORDER] * 3,
                )
            )
            for kind in kinds:
                key = f"key-{len(self.asked)}"
                amount = random.choice(("10.00", "10.00", "10.00", "40.00", "60.00"))
                self.asked[key] = {"kind": kind.value, "order": order, "key": key, "amount": amount}
                times = 2 if random.random() < 0.2 else 1
                self.told[key] = (await asyncio.gather(*(self.known(key) for _ in range(times))))[0]

    async def known(self, key: str) -> str:
        while time.monotonic() < self.last:
            try:
                state = await random.choice(self.gateways).ask(self.asked[key])
            except Gone:
                state = ""
            # A failure without an effect leaves the key free: the same intent is asked for again.
            if state in DONE - {ActionState.FAILED.value}:
                return state
            await asyncio.sleep(random.uniform(0.05, 0.4))
        return "NEVER"

    async def lies(self) -> None:
        """What is wrong with the shop changes all the time; half of it nothing is."""
        while time.monotonic() < self.until:
            word = random.choice(("",) * 7 + WORDS)
            path = random.choice(("", "refund", "cancel", "return"))
            self.faulty.faults = [Fault("shop", word, path=path)] if word else []
            self.shop.delay = random.choice((0.0, 0.0, 0.05, 0.3))
            self.happened["faults"] += bool(word)
            await asyncio.sleep(random.uniform(0.05, 0.5))
        self.faulty.faults = []
        self.shop.delay = 0.0

    async def deaths(self) -> None:
        while time.monotonic() < self.until:
            await asyncio.sleep(random.uniform(0.5, 4.0))
            one = random.choice(self.gateways)
            if random.random() < 0.6:
                await one.killed()
                self.happened["kills"] += 1
                await one.start()
            else:
                one.send(signal.SIGSTOP)
                self.happened["halts"] += 1
                await asyncio.sleep(random.uniform(0.2, PATIENCE.lease * 2))
                one.send(signal.SIGCONT)

    def doubles(self) -> list[str]:
        """What happened more than once in the shop, or more than was paid."""
        refunds = Counter(body["reason"] for verb, body in self.shop.writes if verb == "refund")
        found = [key for key, times in refunds.items() if times > 1]
        found += [number for number, row in self.shop.orders.items() if len(row["returns"]) > 1]
        found += [number for number, row in self.shop.orders.items() if Decimal(row["left"]) < 0]
        cancels = sum(verb == "cancel" for verb, _ in self.shop.writes)
        cancelled = sum(row["status"] == "cancelled" for row in self.shop.orders.values())
        return found + ["cancelled again"] * (cancels - cancelled)

    def disagreements(self) -> list[str]:
        """Where the shop's books and what a client was told differ."""
        refunds = {body["reason"] for verb, body in self.shop.writes if verb == "refund"}
        found = []
        for key, asked in self.asked.items():
            row = self.shop.orders[asked["order"]]
            match ActionKind(asked["kind"]):
                case ActionKind.CANCEL_ORDER:
                    happened = row["status"] == "cancelled"
                case ActionKind.RETURN_ORDER:
                    happened = bool(row["returns"])
                case _:
                    happened = key in refunds
            if happened != (self.told.get(key) == ActionState.SUCCEEDED.value):
                found.append(f"{key} {asked['kind']} told {self.told.get(key)}, happened: {happened}")
        return found


async def chaos(minutes: float, address: str, rules: str) -> int:
    shop = Shop()
    faulty = Faulty(shop.app, "shop")
    ledger = Ledger(address)
    await ledger.open()
    async with serve(faulty) as url:
        gateways = [Process(address, url, rules) for _ in range(GATEWAYS)]
        for one in gateways:
            await one.start()
        until = time.monotonic() + minutes * 60
        world = Chaos(shop, faulty, gateways, until, until + QUIET)
        clients = [asyncio.create_task(world.client()) for _ in range(CLIENTS)]
        trouble = asyncio.gather(world.lies(), world.deaths())
        with out.status(f"{minutes:g} minutes of chaos"):
            await trouble
            await asyncio.gather(*clients)
            left = await unfinished(ledger, world.last)
        for one in gateways:
            await one.end()
    await ledger.close()
    doubles, wrong = world.doubles(), world.disagreements()
    states = Counter(world.told.values())
    table = Table(
        title=f"{timedelta(minutes=minutes)} of {GATEWAYS} gateways on PostgreSQL: {world.happened['kills']} kills, "
        f"{world.happened['halts']} halts, {world.happened['faults']} faults of the shop"
    )
    for column in ("figure", "measured", "to reach"):
        table.add_column(column)
    table.add_row("asked", str(len(world.asked)), "")
    table.add_row("done", str(states[ActionState.SUCCEEDED.value]), "")
    table.add_row("denied", str(states[ActionState.DENIED.value]), "")
    table.add_row("unknown left", str(left + states["NEVER"]), "0")
    table.add_row("double effects", str(len(doubles)), "0")
    table.add_row("told otherwise than it is", str(len(wrong)), "0")
    out.print(table)
    for one in [*doubles, *wrong][:20]:
        out.print(one)
    return int(bool(left or states["NEVER"] or doubles or wrong))


async def unfinished(ledger: Ledger, last: float) -> int:
    """How many actions have not come to an end when the last moment has come, or none as soon as that is so."""
    while True:
        states = [state for state in ActionState if state not in FINAL]
        left = len(await ledger.newest(Listing(states=states), 1000))
        if not left or time.monotonic() > last:
            return left
        await asyncio.sleep(0.5)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.chaos", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--seed", type=int, default=None, help="of the order of troubles")
    parser.add_argument("--gateway", nargs=3, metavar=("LEDGER", "SHOP", "RULES"), help="be one of the gateways")
    options = parser.parse_args()
    if options.gateway:
        asyncio.run(gateway(*options.gateway))
        return
    random.seed(options.seed)
    with tempfile.TemporaryDirectory() as folder:
        rules = Path(folder) / "chaos.yaml"
        rules.write_text(RULES, encoding="utf-8")
        try:
            with server() as postgres:
                postgres.run("CREATE DATABASE chaos")
                failed = asyncio.run(chaos(options.minutes, postgres.database("chaos"), str(rules)))
                postgres.run("DROP DATABASE chaos WITH (FORCE)")
        except pytest.skip.Exception as missing:
            sys.exit(str(missing))
    sys.exit(failed)


if __name__ == "__main__":
    main()
