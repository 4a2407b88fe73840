"""Gateways as processes of their own that end, or halt, at a named step: forked from one that has everything loaded.

Each line of its input is a `Life` as JSON; each line of its output says what became of one."""

from __future__ import annotations

import asyncio
import json
import os
import select
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from actions.desk import ActionDesk
from actions.effects import Patience
from actions.ledger import Ledger
from actions.recovery import Recovery
from platforms.base import Done, Outcome, PauseSubscription, Request, ReturnOrder
from policies.guard import ACTION_SCOPE
from schema.inputs import ResumeSubscriptionInput
from schema.parts import SubscriptionParts
from schema.vocabulary import ActionKind
from tests.actions.shop import (
    LEE,
    STAFF,
    SUBSCRIPTION,
    BareAdapter,
    Clock,
    Rules,
    ShopAdapter,
    cancelling,
    ending,
    pausing,
    refunding,
    returning,
)


class KeepsNothing(BareAdapter):
    """A shop that is not told of returns at all: the gateway's record is all there is."""

    async def return_order(self, request: ReturnOrder) -> Outcome:
        return Done()

    async def happened(self, request: Request, since: datetime) -> Done | None:
        """A pause is a later bill; nothing tells of a return that only the gateway knows."""
        match request:
            case PauseSubscription():
                native = request.subscription.source.native_id
                now = (await self.subscriptions([native], SubscriptionParts.NONE))[native]
                return Done() if now.next_billing_at == request.until else None
            case ReturnOrder():
                return None
        return await super().happened(request, since)


ADAPTERS = {"tiny": ShopAdapter, "bare": KeepsNothing}
KEY = "the key"
CONFIRMER = replace(STAFF, scopes=list(ACTION_SCOPE.values()))


@dataclass(frozen=True)
class Life:
    """One gateway's: what it is to do, and where that breaks off."""

    id: int
    #: Of the ledger, and of the shop.
    address: str
    url: str
    adapter: str
    #: The kind of action it asks for; empty: it takes up what another left, or does what is next.
    kind: str
    #: The step at which it is sent the signal; 0: none.
    at: int
    signal: int = signal.SIGKILL
    lease: float = 3.0
    #: Seconds that its clock is ahead.
    ahead: float = 0.0
    #: The id of a waiting action that somebody agrees to; and the token of a preview that somebody confirms.
    approves: str = ""
    confirms: str = ""


def asked(kind: ActionKind, clock: Clock) -> Any:
    match kind:
        case ActionKind.CANCEL_ORDER:
            return cancelling()
        case ActionKind.RETURN_ORDER:
            return returning()
        case ActionKind.REFUND_ORDER:
            return refunding()
        case ActionKind.PAUSE_SUBSCRIPTION:
            return pausing((clock() + timedelta(days=40)).date())
        case ActionKind.RESUME_SUBSCRIPTION:
            return ResumeSubscriptionInput(subscription_id=SUBSCRIPTION)
    return ending()


class Steps:
    """Counts the steps of a life, and ends or halts it at one."""

    def __init__(self, at: int, how: int) -> None:
        self.taken = 0
        self._at = at
        self._how = how

    def step(self) -> None:
        self.taken += 1
        if self.taken == self._at:
            os.kill(os.getpid(), self._how)


class SteppingLedger(Ledger):
    """A step before each transaction that writes, one before it is kept, and one behind it; and on either side of the
    last look before something is sent."""

    steps: Steps

    @asynccontextmanager
    async def writing(self, *names: str) -> AsyncIterator[AsyncConnection]:
        self.steps.step()
        async with super().writing(*names) as connection:
            yield connection
            self.steps.step()
        self.steps.step()

    async def held_until(self, action_id: str, *, owner: str) -> datetime | None:
        self.steps.step()
        found = await super().held_until(action_id, owner=owner)
        self.steps.step()
        return found


def stepping(adapter: type[ShopAdapter], steps: Steps) -> type[ShopAdapter]:
    """A step before each call that changes the shop, and one when it is answered."""

    class Stepping(adapter):  # type: ignore[valid-type, misc]
        async def _write(self, path: str, body: dict[str, Any]) -> Any:
            steps.step()
            answer = await super()._write(path, body)
            steps.step()
            return answer

    return Stepping


async def live(life: Life) -> int:
    """How many steps it took."""
    steps = Steps(life.at, life.signal)
    ledger = SteppingLedger(life.address)
    ledger.steps = steps
    await ledger.open()
    platform = stepping(ADAPTERS[life.adapter], steps)(life.url)
    clock = Clock(timedelta(seconds=life.ahead))
    desk = ActionDesk(
        ledger,
        Rules(),
        {"shop": platform},
        clock=clock,
        secret="a secret of at least thirty-two characters",
        gateway_id=f"mortal-{os.getpid()}",
        patience=Patience(lease=life.lease, settle=0.0, look=0.01, look_most=0.05),
    )
    if life.kind:
        kind = ActionKind(life.kind)
        await desk.of(STAFF, clock()).ask(kind, asked(kind, clock), KEY)
    elif life.approves:
        await desk.of(LEE, clock()).approve(life.approves, None)
    elif life.confirms:
        await desk.of(CONFIRMER, clock()).confirm(life.confirms)
    else:
        for _ in range(3):
            await Recovery(desk).sweep()
            clock.advance(1)
    await desk.finish()
    await ledger.close()
    await platform.close()
    return steps.taken


def _fork(life: Life) -> int:
    pid = os.fork()
    if pid:
        return pid
    code = 0
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # its log is not ours
    try:
        code = 100 + asyncio.run(live(life))
    except BaseException as error:
        print(repr(error), file=sys.stderr)
    finally:
        os._exit(code)


def main() -> None:
    """Until its input ends."""
    lives: dict[int, int] = {}
    while True:
        if select.select([0], [], [], 0.005)[0]:
            line = sys.stdin.buffer.raw.readline()  # type: ignore[attr-defined]
            if not line:
                break
            life = Life(**json.loads(line))
            pid = _fork(life)
            lives[pid] = life.id
        while lives:
            pid, status = os.waitpid(-1, os.WNOHANG | os.WUNTRACED)
            if not pid:
                break
            told = {"id": lives[pid], "pid": pid, "steps": 0, "killed": False, "stopped": os.WIFSTOPPED(status)}
            if os.WIFEXITED(status):
                told["steps"] = os.WEXITSTATUS(status) - 100
            elif os.WIFSIGNALED(status):
                told["killed"] = os.WTERMSIG(status) == signal.SIGKILL
            if not told["stopped"]:
                del lives[pid]
            print(json.dumps(told), flush=True)
    for pid in lives:
        os.kill(pid, signal.SIGKILL)


class Nursery:
    """Where such gateways come from, in the test's process."""

    def __init__(self) -> None:
        self._ids = 0
        self._process: asyncio.subprocess.Process
        self._told: dict[int, asyncio.Queue[dict[str, Any]]] = {}
        self._reading: asyncio.Task[None]

    async def open(self) -> None:
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "tests.actions.proofs.mortal",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        )
        self._reading = asyncio.create_task(self._read())

    async def _read(self) -> None:
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            told = json.loads(line)
            self._told[told["id"]].put_nowait(told)

    async def close(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        await self._process.wait()
        await self._reading

    def begin(self, **life: Any) -> asyncio.Queue[dict[str, Any]]:
        """A life; what becomes of it comes through the queue."""
        self._ids += 1
        told = self._told[self._ids] = asyncio.Queue()
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(asdict(Life(id=self._ids, **life))).encode() + b"\n")
        return told

    async def life(self, **life: Any) -> dict[str, Any]:
        """A life, from its beginning to its end or its halt."""
        async with asyncio.timeout(30):
            return await self.begin(**life).get()


if __name__ == "__main__":
    main()
