"""Notices: written with the action itself, and carried out until they are taken, once if the receiver takes them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

from actions.ledger import Ledger
from actions.notices import Notice, Notices, NotTaken
from schema.vocabulary import ActionKind, ActionState, Verdict
from tests.actions.shop import ADA, World, always, cancelling, customer, everything

CANCEL = ActionKind.CANCEL_ORDER


class Receiver:
    """Takes notices, or refuses them for a while."""

    def __init__(self) -> None:
        self.taken: list[Notice] = []
        self.offered = 0
        self.refuses = False

    async def deliver(self, notice: Notice) -> None:
        self.offered += 1
        if self.refuses:
            raise NotTaken("busy")
        self.taken.append(notice)

    async def close(self) -> None: ...


@asynccontextmanager
async def told(shop: World, receiver: Receiver) -> AsyncIterator[tuple[Any, Notices]]:
    """A gateway's desk with notices."""
    desk = await shop.desk()
    desk.decider = always(Verdict.REVIEW)
    ledger = Ledger(shop.address)
    await ledger.open()
    desk.notices = Notices(ledger, receiver, shop.clock, desk.gateway_id)
    try:
        yield desk, desk.notices
    finally:
        await ledger.close()


async def test_what_waits_for_a_person_is_told_once_with_its_id_and_summary(shop: World) -> None:
    receiver = Receiver()
    async with told(shop, receiver) as (desk, notices):
        answer = await shop.at(desk, customer(ADA)).ask(CANCEL, cancelling(note="my address is ..."), "k1")
        assert await notices.sweep() == 1
        assert await notices.sweep() == 0
        [notice] = receiver.taken
        assert f"Action:{notice.action}" == answer.action.id
        assert (notice.event, notice.summary) == ("action.awaiting_approval", "Cancel order 1001")


async def test_what_needs_nobody_is_told_to_nobody(shop: World) -> None:
    receiver = Receiver()
    async with told(shop, receiver) as (desk, notices):
        for verdict in (Verdict.ALLOW, Verdict.DENY):
            desk.decider = always(verdict)
            await shop.at(desk).ask(CANCEL, cancelling(f"Order:shop:{2 if verdict is Verdict.ALLOW else 1}"), "k")
        assert await notices.sweep() == 0


async def test_a_notice_is_offered_again_ever_more_rarely_until_it_is_taken(shop: World) -> None:
    receiver = Receiver()
    receiver.refuses = True
    async with told(shop, receiver) as (desk, notices):
        await shop.at(desk).ask(CANCEL, cancelling(), "k1")
        assert await notices.sweep() == 1
        waits = []
        for _ in range(4):
            waits.append(0)
            while not await notices.sweep():
                shop.clock.advance(1)
                waits[-1] += 1
        assert waits == sorted(waits)
        assert waits[-1] > waits[0]
        receiver.refuses = False
        shop.clock.advance(3600)
        await notices.sweep()
        assert len(receiver.taken) == 1
        assert await notices.sweep() == 0


async def test_a_notice_is_given_up_after_three_days_and_the_queue_still_has_the_action(shop: World) -> None:
    receiver = Receiver()
    receiver.refuses = True
    async with told(shop, receiver) as (desk, notices):
        await shop.at(desk).ask(CANCEL, cancelling(), "k1")
        shop.clock.advance(3 * 86400 + 1)
        assert await notices.sweep() == 1
        shop.clock.advance(86400)
        assert await notices.sweep() == 0
        listed = await shop.at(desk).actions(None, 10)
        assert [node.state for node in listed.nodes] == [ActionState.AWAITING_APPROVAL]


async def test_of_two_gateways_one_tells_it(shop: World) -> None:
    receiver = Receiver()
    async with told(shop, receiver) as (desk, notices), told(shop, receiver) as (_, others):
        await shop.at(desk).ask(CANCEL, cancelling(), "k1")
        due = await notices._due()
        assert [one.id for one in await others._due()] == [one.id for one in due]
        await notices._carry(due[0])
        await others._carry(due[0])
        assert len(receiver.taken) == 1


async def test_a_notice_that_a_gateway_died_with_is_told_by_the_next(shop: World) -> None:
    class Gone(BaseException):
        """The process is gone in the middle."""

    class Dies(Receiver):
        async def deliver(self, notice: Notice) -> None:
            raise Gone

    receiver = Receiver()
    async with told(shop, Dies()) as (desk, notices), told(shop, receiver) as (_, others):
        await shop.at(desk).ask(CANCEL, cancelling(), "k1")
        with suppress(Gone):
            await notices._carry((await notices._due())[0])
        assert await others.sweep() == 0, "it is still the other's"
        shop.clock.advance(61)
        assert await others.sweep() == 1
        assert len(receiver.taken) == 1


async def test_a_carrier_that_breaks_is_tried_again_and_the_background_goes_on(shop: World) -> None:
    class Breaks(Receiver):
        async def deliver(self, notice: Notice) -> None:
            await super().deliver(notice)
            if self.offered < 3:
                self.taken.clear()
                raise RuntimeError("a mistake of ours")

    receiver = Breaks()
    async with told(shop, receiver) as (desk, notices):
        notices._every = 0.01
        await shop.at(desk).ask(CANCEL, cancelling(), "k1")
        await notices.start()
        for _ in range(500):
            if receiver.taken:
                break
            shop.clock.advance(10)
            await asyncio.sleep(0.01)
        await notices.stop()
        assert [notice.summary for notice in receiver.taken] == ["Cancel order 1001"]


async def test_the_background_outlives_a_database_that_does_not_answer(shop: World) -> None:
    receiver = Receiver()
    async with told(shop, receiver) as (desk, notices):
        await shop.at(desk).ask(CANCEL, cancelling(), "k1")
        notices._every = 0.01
        ledger, notices._ledger = notices._ledger, Ledger("/nowhere/at/all.db")
        await notices.start()
        await asyncio.sleep(0.1)
        notices._ledger = ledger
        for _ in range(500):
            if receiver.taken:
                break
            await asyncio.sleep(0.01)
        await notices.stop()
        assert len(receiver.taken) == 1


async def test_a_notice_keeps_nothing_personal(shop: World) -> None:
    async with told(shop, Receiver()) as (desk, _):
        await shop.at(desk, customer(ADA)).ask(CANCEL, cancelling(), "k1")
        assert ADA not in await everything(desk.ledger)
