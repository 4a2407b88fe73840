"""A gateway is killed at every step of every action, or halted until its lease was taken: still there is one effect."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any

import pytest
import pytest_asyncio

from actions.desk import ActionDesk
from actions.ledger import Listing
from schema.vocabulary import ActionKind, ActionState, Verdict
from tests.actions.conftest import Blank
from tests.actions.proofs.mortal import ADAPTERS, CONFIRMER, KEY, Nursery, asked
from tests.actions.shop import LEE, PATIENCE, Street, World, always, world

pytestmark = pytest.mark.asyncio(loop_scope="module")

#: Every kind of action of a shop that keeps everything, and those whose record only the gateway has.
CASES = [
    *(("tiny", kind) for kind in ActionKind),
    ("bare", ActionKind.RETURN_ORDER),
    ("bare", ActionKind.PAUSE_SUBSCRIPTION),
]
#: Seconds, of a gateway that is halted.
LEASE = 0.5
#: What an action pays back.
PAID = {ActionKind.CANCEL_ORDER: Decimal("95.00"), ActionKind.REFUND_ORDER: Decimal("10.00")}
IDS = [f"{adapter}-{kind.value.lower()}" for adapter, kind in CASES]
#: With this set every action is tried where else one stands for all.
THOROUGH = "AFTERSALE_FUZZ" in os.environ
MOVES_MONEY = [ActionKind.REFUND_ORDER, *([ActionKind.CANCEL_ORDER, ActionKind.RETURN_ORDER] if THOROUGH else [])]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def nursery() -> AsyncIterator[Nursery]:
    made = Nursery()
    await made.open()
    yield made
    await made.close()


def begun(shop: World, adapter: str, kind: ActionKind, **more: Any) -> dict[str, Any]:
    if kind is ActionKind.RESUME_SUBSCRIPTION and adapter == "tiny":
        shop.shop.subscriptions["9"]["status"] = "paused"
    return {"address": shop.address, "url": shop.url, "adapter": adapter, "kind": kind.value} | more


async def concluded(
    shop: World, desk: ActionDesk, kind: ActionKind, *, calls: int = 1, first: ActionState = ActionState.RUNNING
) -> None:
    """After whatever happened a gateway that stays brings it to its end, and the key answers: done, once."""
    for _ in range(5):
        await shop.sweep(desk, PATIENCE.lease + 1)
    answer = await shop.at(desk).ask(kind, asked(kind, shop.clock), KEY)
    assert answer.problem is None
    assert answer.action.state is ActionState.SUCCEEDED
    assert len(shop.shop.writes) == calls
    if kind is ActionKind.RETURN_ORDER:
        assert len(answer.order.returns) == 1
    assert sum(Decimal(one["amount"]) for one in shop.shop.orders["1"]["refunds"]) == PAID.get(kind, 0)
    assert answer.action.id == (await shop.at(desk).ask(kind, asked(kind, shop.clock), KEY)).action.id
    path = [after for _, after, _ in await desk.ledger.path(answer.action.recorded.id)]
    assert path[0] is first
    assert path.count(ActionState.SUCCEEDED) == 1


async def steps_of(nursery: Nursery, street: Street, blank: Blank, adapter: str, kind: ActionKind) -> int:
    """How many steps it takes where nobody dies."""
    with blank() as address:
        async with world(street, address) as shop:
            told = await nursery.life(**begun(shop, adapter, kind), at=0)
            assert told["steps"] >= 8, "recorded, looked at and moved on, with what is between"
            return int(told["steps"])


@pytest.mark.parametrize(("adapter", "kind"), CASES, ids=IDS)
async def test_a_gateway_that_is_killed_at_any_step_leaves_one_effect_and_its_key_answers(
    nursery: Nursery, street: Street, blank_sqlite: Blank, adapter: str, kind: ActionKind
) -> None:
    await killed_at_every_step(nursery, street, blank_sqlite, adapter, kind)


@pytest.mark.parametrize(("adapter", "kind"), CASES if THOROUGH else [("tiny", ActionKind.REFUND_ORDER)])
async def test_so_it_does_where_the_ledger_is_on_a_server(
    nursery: Nursery, street: Street, blank_postgresql: Blank, adapter: str, kind: ActionKind
) -> None:
    await killed_at_every_step(nursery, street, blank_postgresql, adapter, kind)


async def killed_at_every_step(nursery: Nursery, street: Street, blank: Blank, adapter: str, kind: ActionKind) -> None:
    for at in range(1, await steps_of(nursery, street, blank, adapter, kind) + 1):
        with blank() as address:
            async with world(street, address) as shop:
                assert (await nursery.life(**begun(shop, adapter, kind), at=at))["killed"]
                calls = 0 if (adapter, kind) == ("bare", ActionKind.RETURN_ORDER) else 1
                await concluded(shop, await shop.desk(ADAPTERS[adapter]), kind, calls=calls)


@pytest.mark.parametrize("kind", MOVES_MONEY)
async def test_a_gateway_that_is_killed_at_any_step_of_an_approval_leaves_one_effect(
    nursery: Nursery, street: Street, blank_sqlite: Blank, kind: ActionKind
) -> None:
    """Either it still waits and somebody agrees to it once more, or it is done without them."""
    waited = 0
    for at in range(1, 40):
        with blank_sqlite() as address:
            async with world(street, address) as shop:
                desk = await shop.desk()
                desk.decider = always(Verdict.REVIEW)
                waiting = await shop.at(desk).ask(kind, asked(kind, shop.clock), KEY)
                assert (waiting.action.state, shop.shop.writes) == (ActionState.AWAITING_APPROVAL, [])
                desk.decider = shop.rules
                told = await nursery.life(**begun(shop, "tiny", kind) | {"kind": ""}, at=at, approves=waiting.action.id)
                if (await shop.at(desk).action(waiting.action.id)).state is ActionState.AWAITING_APPROVAL:
                    waited += 1
                    assert (await shop.at(desk, LEE).approve(waiting.action.id, None)).problem is None
                await concluded(shop, desk, kind, first=ActionState.AWAITING_APPROVAL)
                if not told["killed"]:
                    assert at > 8
                    assert waited == 2, "before the agreement is kept it was not given"
                    return
    raise AssertionError("an approval never ends")


@pytest.mark.parametrize("kind", MOVES_MONEY)
async def test_a_gateway_that_is_killed_at_any_step_of_a_confirmation_leaves_one_effect(
    nursery: Nursery, street: Street, blank_sqlite: Blank, kind: ActionKind
) -> None:
    for at in range(1, 40):
        with blank_sqlite() as address:
            async with world(street, address) as shop:
                desk = await shop.desk()
                token = (await shop.at(desk, CONFIRMER).preview(kind, asked(kind, shop.clock))).token
                told = await nursery.life(**begun(shop, "tiny", kind) | {"kind": ""}, at=at, confirms=token)
                for _ in range(5):
                    await shop.sweep(desk, PATIENCE.lease + 1)
                answers = [await shop.at(desk, CONFIRMER).confirm(token) for _ in range(2)]
                assert [(answer.problem, answer.action.state) for answer in answers] == [
                    (None, ActionState.SUCCEEDED)
                ] * 2
                assert len({answer.action.id for answer in answers}) == 1
                assert len(shop.shop.writes) == 1
                if not told["killed"]:
                    assert at > 8
                    return
    raise AssertionError("a confirmation never ends")


async def test_a_gateway_that_is_killed_around_a_job_of_the_store_leaves_one_effect(
    nursery: Nursery, street: Street, blank_sqlite: Blank
) -> None:
    """As it asks for the job, or as it asks what became of it: nobody begins a second one."""
    kind = ActionKind.CANCEL_ORDER
    seen = set()
    for asks in (True, False):
        for at in range(1, 40):
            with blank_sqlite() as address:
                async with world(street, address) as shop:
                    shop.shop.cancels_by_job = True
                    life = begun(shop, "tiny", kind)
                    told = await nursery.life(**life, at=at if asks else 0)
                    shop.shop.jobs = dict.fromkeys(shop.shop.jobs, "done")
                    desk = await shop.desk()
                    if not asks:
                        told = await nursery.life(**life | {"kind": ""}, at=at, ahead=1.0)
                    seen |= {record.state for record in await desk.ledger.newest(Listing(), 10)}
                    shop.shop.cancels_by_job = False  # where none was begun it is done at once
                    await concluded(shop, desk, kind)
                    if not told["killed"]:
                        assert at > (8 if asks else 4)
                        break
        else:
            raise AssertionError("a job never ends")
    assert seen >= {ActionState.RUNNING, ActionState.PENDING, ActionState.SUCCEEDED}


@pytest.mark.parametrize("kind", MOVES_MONEY)
async def test_a_gateway_that_is_killed_while_it_takes_over_leaves_one_effect(
    nursery: Nursery, street: Street, blank_sqlite: Blank, kind: ActionKind
) -> None:
    """The first died before its call, so that the second has to look, to send and to write down, and dies of it."""
    sending = 6
    for at in range(1, 40):
        with blank_sqlite() as address:
            async with world(street, address) as shop:
                assert (await nursery.life(**begun(shop, "tiny", kind), at=sending))["killed"]
                assert shop.shop.writes == []
                again = begun(shop, "tiny", kind) | {"kind": ""}
                told = await nursery.life(**again, at=at, ahead=PATIENCE.lease + 1)
                shop.clock.advance(PATIENCE.lease + 1)
                await concluded(shop, await shop.desk(), kind)
                if not told["killed"]:
                    assert at > 11
                    return
    raise AssertionError("taking over never ends")


@pytest.mark.parametrize("kind", MOVES_MONEY)
async def test_a_gateway_that_is_halted_and_wakes_after_its_lease_was_taken_does_not_send(
    nursery: Nursery, street: Street, blank: Blank, kind: ActionKind
) -> None:
    """Time passes in earnest here: what is halted has a clock of its own, that of its process."""
    for at in range(4, await steps_of(nursery, street, blank, "tiny", kind) + 1):
        with blank() as address:
            async with world(street, address) as shop:
                fates = nursery.begin(**begun(shop, "tiny", kind), at=at, signal=signal.SIGSTOP, lease=LEASE)
                async with asyncio.timeout(30):
                    halted = await fates.get()
                assert halted["stopped"]
                await asyncio.sleep(LEASE)
                other = await shop.desk()
                taking = asyncio.create_task(shop.sweep(other, 0.1))
                await asyncio.wait({taking}, timeout=0.3)  # longer where it was halted with the database in its hands
                os.kill(halted["pid"], signal.SIGCONT)
                await taking
                async with asyncio.timeout(30):
                    assert (await fates.get())["steps"] > 0
                await concluded(shop, other, kind)
