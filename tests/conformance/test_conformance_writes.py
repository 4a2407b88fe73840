"""What every platform's actions do alike: once, seen by reading again, and known afterwards."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from platforms.base import ACTIONS, Done, Platform, RefundOrder
from platforms.errors import Refused
from schema.ids import parse_id
from schema.values import Money
from schema.vocabulary import (
    ActionKind,
    MoneyMoved,
    OrderStatus,
    RefundChoice,
    RefundStatus,
    SubscriptionStatus,
    SupportLevel,
)
from tests.conformance.asking import do, lacks, order, refund_of_a_line, request, subscription, target
from tests.conformance.cases import NOW, World

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def reached(world: World, store: Platform, action: ActionKind, id: str) -> Any:
    """What a fresh read shows of the thing an action changes."""
    match action:
        case ActionKind.CANCEL_ORDER:
            return (await order(store, id)).status
        case ActionKind.RETURN_ORDER:
            return len((await order(store, id)).returns or [])
        case ActionKind.REFUND_ORDER:
            return len((await order(store, id)).refunds or [])
        case _:
            return (await subscription(store, id)).status


def wanted(store: Platform, action: ActionKind) -> tuple[Any, ...]:
    match action:
        case ActionKind.CANCEL_ORDER:
            return (OrderStatus.CANCELLED,)
        case ActionKind.RETURN_ORDER:
            return (1 if store.keeps_returns else 0,)  # where it keeps none, the gateway has the record
        case ActionKind.REFUND_ORDER:
            return (1,)
        case ActionKind.PAUSE_SUBSCRIPTION:
            return (SubscriptionStatus.PAUSED,)
        case ActionKind.RESUME_SUBSCRIPTION:
            return (SubscriptionStatus.ACTIVE,)
        case _:
            return (SubscriptionStatus.CANCELLED, SubscriptionStatus.CANCELLING)


@pytest.mark.parametrize("action", ACTIONS, ids=lambda action: action.value.lower())
async def test_an_action_happens_once_and_is_seen(world: World, store: Platform, action: ActionKind) -> None:
    if await lacks(world, store, ACTIONS[action]):
        assert store.capability(action).support is SupportLevel.UNSUPPORTED
        return
    id = target(world, action)
    asked = await request(store, world, action, id)
    if store.keeps_returns or action is not ActionKind.RETURN_ORDER:
        assert await reached(world, store, action, id) not in wanted(store, action)
    assert world.writes == 0
    assert await store.happened(asked, NOW) is None
    assert isinstance(await do(store, asked), Done)
    assert world.writes == world.case.writes.get(action, 1)
    assert await reached(world, store, action, id) in wanted(store, action)
    assert isinstance(await store.happened(asked, NOW), Done)
    assert world.writes == world.case.writes.get(action, 1)


@pytest.mark.parametrize("action", ACTIONS, ids=lambda action: action.value.lower())
async def test_reading_whether_it_happened_changes_nothing(world: World, store: Platform, action: ActionKind) -> None:
    if await lacks(world, store, ACTIONS[action]):
        return
    asked = await request(store, world, action, target(world, action))
    for _ in range(3):
        assert await store.happened(asked, NOW) is None
    assert world.writes == 0


async def test_every_supported_action_is_tried_on_something(world: World, store: Platform) -> None:
    assert {action for action, operation in ACTIONS.items() if store.supports(operation)} == set(world.case.targets)


async def test_a_refund_pays_exactly_what_was_asked_and_leaves_that_much_less(world: World, store: Platform) -> None:
    if await lacks(world, store, ACTIONS[ActionKind.REFUND_ORDER]):
        return
    id = target(world, ActionKind.REFUND_ORDER)
    before = await order(store, id)
    asked = await refund_of_a_line(store, before)
    done = await do(store, asked)
    after = await order(store, id)
    [made] = [refund for refund in after.refunds or [] if refund.id not in asked.refunds_before]
    assert made.amount.presentment == asked.amount
    assert done.reference == parse_id(made.id).parts[-1]
    assert made.money_moved is not MoneyMoved.UNKNOWN or made.status is RefundStatus.PENDING
    left, now = before.totals.refundable.presentment, after.totals.refundable.presentment
    assert left.amount - now.amount == asked.amount.amount
    refunded, more = before.totals.refunded.presentment, after.totals.refunded.presentment
    # What is only written down, and for others to carry out, is not refundable any more and not refunded yet.
    waits = made.status is RefundStatus.PENDING and more == refunded
    assert waits or more.amount - refunded.amount == asked.amount.amount


async def test_two_refunds_of_the_same_amount_are_two(world: World, store: Platform) -> None:
    if await lacks(world, store, ACTIONS[ActionKind.REFUND_ORDER]):
        return
    id = target(world, ActionKind.REFUND_ORDER)
    found = await order(store, id)
    one = RefundOrder(
        "act-7",
        found,
        Money.of("1.00", found.totals.refundable.presentment.currency_code),
        (),
        None,
        RefundChoice.ORIGINAL_PAYMENT,
        "Late",
        refunds_before=frozenset(refund.id for refund in found.refunds or ()),
    )
    first = await do(store, one)
    again = await order(store, id)
    two = replace(one, action_id="act-8", order=again, refunds_before=frozenset(r.id for r in again.refunds or ()))
    assert await store.happened(two, NOW) is None, "the first is not taken for the second"
    if world.case.refunds_once:  # where they could not be told apart, the second is refused
        with pytest.raises(Refused):
            await do(store, two)
        assert (await order(store, id)).refunds == again.refunds
        assert world.writes == world.case.writes.get(ActionKind.REFUND_ORDER, 1)
        return
    second = await do(store, two)
    assert first.reference != second.reference
    assert await store.happened(two, NOW) == second
    assert len((await order(store, id)).refunds or []) == len(found.refunds or []) + 2


async def test_a_refund_beyond_what_is_left_is_refused_and_nothing_is_paid(world: World, store: Platform) -> None:
    if await lacks(world, store, ACTIONS[ActionKind.REFUND_ORDER]):
        return
    id = target(world, ActionKind.REFUND_ORDER)
    found = await order(store, id)
    left = found.totals.refundable.presentment
    asked = RefundOrder(
        "act-9",
        found,
        Money.of(left.amount + 1, left.currency_code),
        (),
        None,
        RefundChoice.ORIGINAL_PAYMENT,
        "Too much",
        refunds_before=frozenset(refund.id for refund in found.refunds or ()),
    )
    with pytest.raises(Refused):
        await do(store, asked)
    assert (await order(store, id)).totals.refunded == found.totals.refunded
    assert await store.happened(asked, NOW) is None
