"""A real desk before one platform's simulator, where any call that an action makes can be made to go wrong."""

from __future__ import annotations

import asyncio
import re
import socket
from contextlib import ExitStack, suppress
from dataclasses import fields, replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from actions.answers import Answer
from actions.desk import ActionDesk
from actions.effects import Patience
from actions.ledger import Ledger, Listing, Record
from actions.states import FINAL
from platforms.base import ORDER_ACTIONS, Platform
from policies.processor import PolicyProcessor
from sandbox.faults import Fault, Faulty
from schema.ids import make_id, parse_id
from schema.inputs import (
    CancelOrderInput,
    CancelSubscriptionInput,
    PauseSubscriptionInput,
    RefundLineInput,
    RefundOrderInput,
    ResumeSubscriptionInput,
    ReturnLineInput,
    ReturnOrderInput,
)
from schema.order import Order
from schema.vocabulary import ActionKind, ActionState, ReturnReason
from tests.actions.shop import STAFF
from tests.conformance.asking import target
from tests.conformance.cases import NOW, World

#: Allows whatever the gateway itself does not forbid.
PERMISSIVE = """
policy: permissive
stores: [{stores}]
rules:
  - {{id: orders, action: [CANCEL_ORDER, RETURN_ORDER, REFUND_ORDER], then: ALLOW}}
  - {{id: subscriptions, action: [PAUSE_SUBSCRIPTION, RESUME_SUBSCRIPTION, CANCEL_SUBSCRIPTION], then: ALLOW}}
"""
#: Nothing waits in earnest: the clock is moved.
PATIENCE = Patience(lease=30.0, settle=30.0, look=1.0, look_most=5.0)
#: The same, for calls that are let hang until the lease forbids to wait longer.
HURRIED = Patience(lease=1.0, settle=30.0, look=1.0, look_most=5.0)
MOST_STORES = 2000
_ID = re.compile(r"(?P<type>[A-Za-z]+):s\d+:(?P<rest>.+)")
#: The gateway ends over a call: before the store has done anything, or when it has.
DEATHS = ("dies-before", "dies-behind")
#: The most looks at what a store may still be doing.
LOOKS = 25


class Door:
    """Stands before a simulator. Once armed, its `at`-th call goes wrong; 0: none does."""

    def __init__(self, world: World, word: str = "", at: int = 0) -> None:
        self._sound = world.simulator
        self._broken = Faulty(world.simulator, world.store)
        self._broken.faults = [Fault(world.store, word)]
        self._word = word
        self._at = at
        self._writes = world.simulator.writes
        self.armed = False
        #: For each call since it was armed, whether the store changed something.
        self.calls: list[bool] = []
        #: A call hangs here, unread by the store, until this is set.
        self.let_go = asyncio.Event()
        #: And this is set when the store has dealt with it.
        self.done = asyncio.Event()
        #: Set when a call has come over which the gateway is to end; it is never answered.
        self.deadly = asyncio.Event()

    def __str__(self) -> str:
        return f"{self._word} at call {self._at} of {self.calls}"

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if not self.armed:
            await self._sound(scope, receive, send)
            return
        self.calls.append(False)
        number, before = len(self.calls), len(self._writes)
        wrong = number == self._at
        if wrong and self._word in DEATHS:
            if self._word == "dies-behind":
                await self._sound(scope, receive, _nowhere)
                self.calls[number - 1] = len(self._writes) > before
            self.deadly.set()
            await asyncio.Event().wait()
        if wrong and self._word == "late":
            message = await receive()
            assert not message.get("more_body")

            async def kept() -> Any:
                return message

            await self.let_go.wait()
            receive = kept

        async def at_once(message: Any) -> None:
            """Nobody is asked to wait: that would only take time."""
            if "headers" in message:
                message["headers"] = [pair for pair in message["headers"] if pair[0] != b"retry-after"]
            await send(message)

        await (self._broken if wrong and self._word != "late" else self._sound)(scope, receive, at_once)
        self.calls[number - 1] = len(self._writes) > before
        if wrong:
            self.done.set()


async def _nowhere(message: Any) -> None:
    """An answer that nobody is left to read."""


class Line:
    """The wire to a store, which can be cut: then nobody can connect, at once or after waiting in vain."""

    def __init__(self, url: str) -> None:
        self._to = urlsplit(url)
        self._held = ExitStack()
        self._open: set[asyncio.StreamWriter] = set()
        self._server: asyncio.Server
        self._port = 0

    async def laid(self) -> str:
        """Where it can be called."""
        self._server = await asyncio.start_server(self._relay, "127.0.0.1", 0)
        self._port = self._server.sockets[0].getsockname()[1]
        return f"http://127.0.0.1:{self._port}"

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        onwards, answering = await asyncio.open_connection(self._to.hostname, self._to.port)
        self._open |= {writer, answering}
        with suppress(ConnectionError):
            await asyncio.gather(self._pump(reader, answering), self._pump(onwards, writer))

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while piece := await reader.read(65536):
            writer.write(piece)
        writer.close()

    def cut(self, *, silently: bool) -> None:
        """End every connection and take no more: `silently` leaves who calls without an answer."""
        self._server.close()
        self._held.close()
        for writer in self._open:
            writer.transport.abort()
        self._open.clear()
        if silently:
            listener = self._kept(socket.socket())
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(("127.0.0.1", self._port))
            listener.listen(0)
            for _ in range(4):  # whoever comes after these waits for a place
                waiting = self._kept(socket.socket())
                waiting.setblocking(False)
                with suppress(BlockingIOError):
                    waiting.connect(("127.0.0.1", self._port))

    def _kept(self, made: socket.socket) -> socket.socket:
        self._held.callback(made.close)
        return made

    async def end(self) -> None:
        self.cut(silently=False)
        self._held.close()
        await self._server.wait_closed()


class Policies:
    """The same permissive policy for every store."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._loaded: dict[str, PolicyProcessor] = {}

    def of(self, platform: Platform) -> PolicyProcessor:
        kind = f"{platform.store.time_zone} {platform.store.currency_code}"
        if kind not in self._loaded:
            # One file for as many stores as there will be cases: to read one takes longer than a case.
            names = [f"s{number}" for number in range(MOST_STORES)]
            self._file.write_text(PERMISSIVE.format(stores=", ".join(names)), encoding="utf-8")
            self._loaded[kind] = PolicyProcessor.load(self._file, dict.fromkeys(names, platform.store))
        return self._loaded[kind]


class Stand:
    """One action on one platform's store, from its first asking to its end."""

    def __init__(
        self, world: World, kind: ActionKind, ledger: Ledger, policies: Policies, door: Door, patience: Patience
    ) -> None:
        self.world = world
        self.kind = kind
        self.ledger = ledger
        self.policies = policies
        self.door = world.door = door
        self.patience = patience
        #: A cancelling that the store does as a job is done by the time it is looked for, unless a test says other.
        if hasattr(world.simulator, "cancel_seconds"):
            world.simulator.cancel_seconds = 0.0
        #: Cut as soon as the action leaves for the store.
        self.line: Line | None = None
        self.silently = False
        self._lines: list[Line] = []
        self.opened: list[ActionDesk] = []
        self.asked: Any = None
        self.moves: list[str] = []
        #: The action came into a state in which nothing is on its way to the store.
        self.rests = asyncio.Event()

    def __str__(self) -> str:
        return f"{self.door}; states {self.moves}; store changed by {self.sent()}"

    # -- the observer of the desks: the action leaves for the store between RUNNING and what follows

    def action_moved(self, kind: str, state: str) -> None:
        self.moves.append(state)
        self.door.armed = state == ActionState.RUNNING.value and kind == self.kind.value
        if kind == self.kind.value and not self.door.armed:
            self.rests.set()
        if self.line is not None and self.door.armed:
            self.line.cut(silently=self.silently)
        elif self.line is not None and kind == self.kind.value:
            self.line.cut(silently=False)  # whoever calls later is told at once

    def decided(self, action: str, rule: str, verdict: str, shadow: bool) -> None:
        """Not looked at here."""

    # -- gateways

    def desk(self) -> ActionDesk:
        """Another gateway."""
        platform = self.world.platform()
        desk = ActionDesk(
            self.ledger,
            self.policies.of(platform),
            {self.world.store: platform},
            clock=lambda: self.world.now,
            secret="a secret of at least thirty-two characters",
            gateway_id=f"gateway-{len(self.opened)}",
            observer=self,
            patience=self.patience,
        )
        self.opened.append(desk)
        return desk

    async def over_a_line(self, *, silently: bool) -> ActionDesk:
        """Another gateway, whose line to the store is cut as its action leaves: see `Line.cut`."""
        self.silently = silently
        self.line = Line(self.world.url)
        self._lines.append(self.line)
        straight, self.world.url = self.world.url, await self.line.laid()
        try:
            return self.desk()
        finally:
            self.world.url = straight

    async def end(self) -> None:
        for desk in self.opened:
            await desk.finish()
        for platform in self.world.opened:
            await platform.close()
        for line in self._lines:
            await line.end()

    async def ask(self, desk: ActionDesk) -> Answer:
        """Always with the same key."""
        return await desk.of(STAFF, self.world.now).ask(self.kind, self.asked, self.world.store)

    async def ask_and_leave(self, desk: ActionDesk) -> None:
        """As soon as the store was called, whatever it said, whoever asked goes away."""
        self.rests.clear()
        call = asyncio.create_task(self.ask(desk))
        resting = asyncio.create_task(self.rests.wait())
        await asyncio.wait({call, resting}, return_when=asyncio.FIRST_COMPLETED)
        for task in (call, resting):
            task.cancel()
        await asyncio.gather(call, resting, return_exceptions=True)

    async def ask_and_die(self, desk: ActionDesk) -> None:
        """The gateway is gone in the middle of a call: nothing that it would still do is done."""
        call = asyncio.create_task(self.ask(desk))
        deadly = asyncio.create_task(self.door.deadly.wait())
        await asyncio.wait({call, deadly}, return_when=asyncio.FIRST_COMPLETED)
        gone = [call, deadly, *desk._running.values(), *desk._others]
        for task in gone:
            task.cancel()
        await asyncio.gather(*gone, return_exceptions=True)

    async def settled(self, desk: ActionDesk) -> Record:
        """The action once it has come to an end, with the background at work and the clock running."""
        for look in range(LOOKS):
            record = await self.record(desk)
            if record.state in FINAL:
                return record
            await asyncio.sleep(0.05 if look > LOOKS // 5 else 0)  # some stores' jobs take time in earnest
            await self.sweep(desk, 10.0)
        raise AssertionError(f"it never ends: {record}")

    async def sweep(self, desk: ActionDesk, seconds: float) -> None:
        """What the background does once, so many seconds later, of this action: others are under way beside it."""
        self.world.now += timedelta(seconds=seconds)
        for record in await desk.ledger.due(self.world.now, 1000):
            if record.target == self.target:
                await desk.effects.take_up(record)

    async def record(self, desk: ActionDesk) -> Record:
        """The action, or the newest one where its key was used again."""
        return (await desk.ledger.newest(Listing(kinds=[self.kind], target=self.target), 1))[0]

    @property
    def target(self) -> str:
        return str(getattr(self.asked, "order_id", None) or self.asked.subscription_id)

    # -- what is asked for

    async def prepare(self, desk: ActionDesk, known: Any = None) -> None:
        """Bring the store to where the action can be asked for, and find out of what it can, or take what is known.

        `known`: what another case asked of its own store, which stood as this one does.
        """
        candidates = [target(self.world, self.kind)]
        if known is not None and self.kind is not ActionKind.RESUME_SUBSCRIPTION:
            self.asked = _moved(known, self.world.store)
            return
        candidates += self.world.case.orders if self.kind in ORDER_ACTIONS else []
        for native in candidates:
            for asked in await self._asking(desk, native):
                preview = await desk.of(STAFF, self.world.now).preview(self.kind, asked)
                if preview.problem is None:
                    self.asked = asked
                    self.world.simulator.writes.clear()
                    self.moves.clear()
                    return
        raise AssertionError(f"{self.world.name} has nothing to try {self.kind.value} on")

    async def _asking(self, desk: ActionDesk, native: str) -> list[Any]:
        """Ways to ask for the action of one target."""
        store = self.world.store
        until = None if self.world.case.pause is None else (NOW + self.world.case.pause).date()
        subscription = make_id("SubscriptionContract", store, native)
        match self.kind:
            case ActionKind.CANCEL_ORDER:
                return [CancelOrderInput(order_id=make_id("Order", store, native))]
            case ActionKind.RETURN_ORDER:
                order = await self._order(desk, native)
                lines = [
                    ReturnLineInput(line_id=one.id, quantity=1, reason=ReturnReason.UNWANTED) for one in order.lines
                ]
                return [ReturnOrderInput(order_id=order.id, lines=[line]) for line in lines]
            case ActionKind.REFUND_ORDER:
                order = await self._order(desk, native)
                told: dict[str, Any] = {
                    "order_id": order.id,
                    "currency_code": order.totals.refundable.presentment.currency_code,
                    "reason": "Damaged",
                }
                named = [RefundLineInput(line_id=one.id, quantity=1) for one in order.lines]
                whole = RefundOrderInput(**told, amount=Decimal(1))  # where no lines are paid back, a sum
                return [*(RefundOrderInput(**told, lines=[line]) for line in named), whole]
            case ActionKind.PAUSE_SUBSCRIPTION:
                return [PauseSubscriptionInput(subscription_id=subscription, until=until)]
            case ActionKind.RESUME_SUBSCRIPTION:
                pause = PauseSubscriptionInput(subscription_id=subscription, until=until)
                paused = await desk.of(STAFF, NOW).ask(ActionKind.PAUSE_SUBSCRIPTION, pause, self.world.store)
                assert paused.action is not None
                assert paused.action.state is ActionState.SUCCEEDED
                return [ResumeSubscriptionInput(subscription_id=subscription)]
        return [CancelSubscriptionInput(subscription_id=subscription, reason="No longer needed")]

    async def _order(self, desk: ActionDesk, native: str) -> Order:
        platform = desk.platforms[self.world.store]
        found = await desk.effects.read(platform, make_id("Order", self.world.store, native))
        assert isinstance(found, Order)
        return found

    # -- what came of it

    async def outcome(self, desk: ActionDesk) -> Any:
        """How the target stands, read fresh: everything that a second effect would change."""
        found = await desk.effects.read(desk.platforms[self.world.store], self.target)
        if not isinstance(found, Order):
            assert found is not None
            return found.status, found.next_billing_at
        return (
            found.status,
            found.payment_status,
            found.totals.refunded.presentment,
            found.totals.refundable.presentment,
            sorted((one.amount.presentment.amount, one.status.value) for one in found.refunds or ()),
            sorted(one.status.value for one in found.returns or ()),
            [(parse_id(one.id).parts[-1], one.quantity.returned, one.quantity.returnable) for one in found.lines],
        )

    def sent(self) -> list[str]:
        """The calls that could change the store and reached it, in order."""
        return [
            one.operation if hasattr(one, "operation") else f"{one.method} {one.path}"
            for one in self.world.simulator.writes
        ]


def _moved(asked: Any, store: str) -> Any:
    """The same input for the same thing in another store."""

    def there(value: Any) -> Any:
        if isinstance(value, list):
            return [_moved(one, store) for one in value]
        if not isinstance(value, str) or (found := _ID.fullmatch(value)) is None:
            return value
        return f"{found['type']}:{store}:{found['rest']}"

    return replace(asked, **{one.name: there(getattr(asked, one.name)) for one in fields(asked)})
