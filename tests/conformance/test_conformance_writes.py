"""What every platform's actions do alike: once, seen by reading again, and known afterwards."""

from __future__ import annotations

from typing import Any

import pytest

from platforms.base import ACTIONS, Done, Platform
from schema.vocabulary import ActionKind, OrderStatus, SubscriptionStatus, SupportLevel
from tests.conformance.asking import do, lacks, order, request, subscription, target
from tests.conformance.cases import NOW, World

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def reached(world: World, store: Platform, action: ActionKind, id: str) -> Any:
    """What a fresh read shows of the thing an action changes."""
    match action:
        case ActionKind.CANCEL_ORDER:
            return (await order(store, id)).status
        case ActionKind.RETURN_ORDER:
            return len((await order(store, id)).returns or [])
        case _:
            return (await subscription(store, id)).status


def wanted(store: Platform, action: ActionKind) -> tuple[Any, ...]:
    match action:
        case ActionKind.CANCEL_ORDER:
            return (OrderStatus.CANCELLED,)
        case ActionKind.RETURN_ORDER:
            return (1 if store.keeps_returns else 0,)  # where it keeps none, the gateway has the record
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
