"""What the gateway keeps for platforms without returns or pauses, laid over what they answer."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncConnection

from actions.held import Held
from actions.ledger import Ledger
from actions.tables import held_returns, pauses
from platforms.base import ORDER_FACTS, Done
from schema.parts import OrderParts, SubscriptionParts
from schema.vocabulary import (
    ActionKind,
    ActionState,
    ItemCondition,
    OrderReturnStatus,
    RecordHolder,
    ReturnReason,
    ReturnStatus,
    SubscriptionStatus,
)
from tests.actions.shop import BareAdapter, ShopAdapter, World, ending, pausing, resuming, returning

RETURN, PAUSE, RESUME = ActionKind.RETURN_ORDER, ActionKind.PAUSE_SUBSCRIPTION, ActionKind.RESUME_SUBSCRIPTION


async def read(desk: Any, parts: OrderParts = ORDER_FACTS) -> Any:
    platform = desk.platforms["shop"]
    orders = await platform.orders(["1", "2", "3"], parts)
    await desk.held.overlay_orders(platform, orders, parts)
    return orders


async def subscription(desk: Any) -> Any:
    platform = desk.platforms["shop"]
    found = await platform.subscriptions(["9"], SubscriptionParts.NONE)
    await desk.held.overlay_subscriptions(platform, found)
    return found["9"]


async def test_a_held_return_is_read_back_on_its_order(shop: World) -> None:
    desk = await shop.desk(BareAdapter)
    asked = returning(1)
    asked.lines[0].condition, asked.lines[0].note = ItemCondition.OPENED, "too green"
    answer = await shop.at(desk).ask(RETURN, asked, "k1")
    orders = await read(desk)
    held = orders["1"].returns[0]
    assert held.id == answer.return_record.id == f"Return:shop:1:{answer.action.id.removeprefix('Action:')}"
    assert (held.held_by, held.status) == (RecordHolder.GATEWAY, ReturnStatus.APPROVED)
    assert held.lines[0].line is orders["1"].lines[0]
    line = held.lines[0]
    assert (line.quantity, line.reason, line.note) == (1, ReturnReason.STYLE, "too green")
    assert line.condition is ItemCondition.OPENED
    assert str(held.fees[0].amount.amount) == "4.00"
    assert (orders["1"].lines[0].quantity.returned, orders["1"].lines[0].quantity.returnable) == (1, 1)
    assert (orders["1"].lines[1].quantity.returned, orders["1"].lines[1].quantity.returnable) == (0, 1)
    assert orders["1"].return_status is OrderReturnStatus.IN_PROGRESS
    assert (orders["2"].returns, orders["2"].return_status) == ([], OrderReturnStatus.NONE)
    assert [verb for verb, _ in shop.shop.writes] == ["return"]


async def test_laying_held_returns_over_an_order_twice_counts_them_once(shop: World) -> None:
    desk = await shop.desk(BareAdapter)
    await shop.at(desk).ask(RETURN, returning(1), "k1")
    orders = await read(desk)
    await desk.held.overlay_orders(desk.platforms["shop"], orders, ORDER_FACTS)
    assert orders["1"].lines[0].quantity.returned == 1
    assert len(orders["1"].returns) == 1


async def test_parts_that_were_not_read_stay_unread(shop: World) -> None:
    desk = await shop.desk(BareAdapter)
    await shop.at(desk).ask(RETURN, returning(1), "k1")
    order = (await read(desk, OrderParts.RETURN_STATUS))["1"]
    assert order.return_status is OrderReturnStatus.IN_PROGRESS
    assert not order.has("returns")
    assert not order.has("lines")


async def test_a_second_return_sees_the_first_in_its_facts(shop: World) -> None:
    desk = await shop.desk(BareAdapter)
    await shop.at(desk).ask(RETURN, returning(1), "k1")
    await shop.at(desk).ask(RETURN, returning(1), "k2")
    seen = [asked.lines[0].line.quantity.returnable for asked in shop.rules.decided]
    assert seen == [2, 1]
    order = (await read(desk))["1"]
    assert (len(order.returns), order.lines[0].quantity.returnable) == (2, 0)


async def test_a_return_that_failed_is_not_held(shop: World) -> None:
    desk = await shop.desk(BareAdapter)
    shop.shop.refuses = True
    answer = await shop.at(desk).ask(RETURN, returning(1), "k1")
    assert answer.action.state is ActionState.FAILED
    assert (await read(desk))["1"].returns == []


class Looked(Ledger):
    """Counts the looks at it."""

    looks = 0

    @asynccontextmanager
    async def looking(self) -> AsyncIterator[AsyncConnection]:
        self.looks += 1
        async with super().looking() as connection:
            yield connection

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncConnection]:
        self.looks += 1
        async with super().reading() as connection:
            yield connection


@pytest.mark.parametrize(
    ("adapter", "parts", "looks"),
    [
        (BareAdapter, OrderParts.NONE, 0),
        (BareAdapter, ORDER_FACTS & ~OrderParts.RETURNS, 0),
        (BareAdapter, OrderParts.RETURN_STATUS, 1),
        (BareAdapter, OrderParts.LINES | OrderParts.RETURNS, 1),
        (BareAdapter, ORDER_FACTS, 1),
        (ShopAdapter, OrderParts.ALL, 0),
    ],
)
async def test_the_ledger_is_looked_at_only_for_returns_of_a_platform_that_keeps_none(
    shop: World, adapter: type[BareAdapter], parts: OrderParts, looks: int
) -> None:
    desk = await shop.desk(adapter)
    platform = desk.platforms["shop"]
    await shop.at(desk).ask(RETURN, returning(1), "k1")
    async with desk.ledger.reading() as connection:
        kept = (await connection.execute(held_returns.select())).all()
    assert len(kept) == (adapter is BareAdapter)
    ledger = Looked(shop.address)
    held = Held(ledger, shop.clock)
    orders = await held.orders(platform, ["1"], parts)
    assert ledger.looks == looks
    if parts & OrderParts.RETURNS:
        assert len(orders["1"].returns) == 1
    orders = await platform.orders(["1"], parts)
    await held.overlay_orders(platform, orders, parts)
    assert ledger.looks == 2 * looks
    await ledger.close()


async def test_a_remembered_pause_shows_and_resuming_bills_when_it_would_have(shop: World) -> None:
    desk = await shop.desk(BareAdapter)
    until = shop.shop.next_bill + timedelta(days=60)
    paused = await shop.at(desk).ask(PAUSE, pausing(until), "k1")
    assert paused.problem is None
    assert (paused.subscription.status, paused.subscription.paused_until) == (SubscriptionStatus.PAUSED, until)
    later = until + timedelta(days=5)
    await shop.at(desk).ask(PAUSE, pausing(later), "k2")
    assert (await subscription(desk)).paused_until == later
    resumed = await shop.at(desk).ask(RESUME, resuming(), "k3")
    assert (resumed.subscription.status, resumed.subscription.paused_until) == (SubscriptionStatus.ACTIVE, None)
    assert [body["next"] for _, body in shop.shop.writes] == [
        until.isoformat(),
        later.isoformat(),
        shop.shop.next_bill.isoformat(),
    ]
    async with desk.ledger.reading() as connection:
        assert (await connection.execute(pauses.select())).all() == []


async def test_resuming_never_bills_in_the_past(shop: World) -> None:
    desk = await shop.desk(BareAdapter)
    await shop.at(desk).ask(PAUSE, pausing(shop.shop.next_bill + timedelta(days=60)), "k1")
    shop.clock.advance(20 * 24 * 3600)
    await shop.at(desk).ask(RESUME, resuming(), "k2")
    assert shop.shop.writes[-1][1]["next"] == shop.clock().date().isoformat()


async def test_a_pause_that_somebody_moved_or_that_is_over_does_not_show(shop: World) -> None:
    desk = await shop.desk(BareAdapter)
    until = shop.shop.next_bill + timedelta(days=60)
    await shop.at(desk).ask(PAUSE, pausing(until), "k1")
    shop.shop.subscriptions["9"]["next"] = (until - timedelta(days=1)).isoformat()
    assert (await subscription(desk)).status is SubscriptionStatus.ACTIVE
    shop.shop.subscriptions["9"]["next"] = until.isoformat()
    assert (await subscription(desk)).status is SubscriptionStatus.PAUSED
    shop.clock.advance(65 * 24 * 3600)
    assert (await subscription(desk)).status is SubscriptionStatus.ACTIVE


async def test_an_ended_subscription_is_not_paused(shop: World) -> None:
    desk = await shop.desk(BareAdapter)
    await shop.at(desk).ask(PAUSE, pausing(shop.shop.next_bill + timedelta(days=60)), "k1")
    ended = await shop.at(desk).ask(ActionKind.CANCEL_SUBSCRIPTION, ending(), "k2")
    assert ended.subscription.status is SubscriptionStatus.CANCELLED


async def test_whether_a_resume_happened_is_told_by_what_is_different_from_when_it_was_asked(shop: World) -> None:
    class Compares(BareAdapter):
        async def happened(self, request: Any, since: Any) -> Any:
            now = (await self.subscriptions(["9"], SubscriptionParts.NONE))["9"]
            assert request.subscription.status is SubscriptionStatus.PAUSED
            return Done() if now.next_billing_at != request.subscription.next_billing_at else None

    desk = await shop.desk(Compares)
    await shop.at(desk).ask(PAUSE, pausing(shop.shop.next_bill + timedelta(days=60)), "k1")
    shop.faults.set("drop-after")
    lost = await shop.at(desk).ask(RESUME, resuming(), "k2")
    assert lost.action.state is ActionState.UNKNOWN
    shop.faults.set()
    await shop.sweep(desk)
    again = await shop.at(desk).ask(RESUME, resuming(), "k2")
    assert (again.action.state, again.subscription.status) == (ActionState.SUCCEEDED, SubscriptionStatus.ACTIVE)
    assert len(shop.shop.writes) == 2
