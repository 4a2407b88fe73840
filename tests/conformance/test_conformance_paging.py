"""How every platform's lists are paged: each once, newest first, also while they grow."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from platforms.base import Operation, OrdersQuery, Page, Platform, SubscriptionsQuery
from schema.emails import canonical_email
from schema.parts import OrderParts, SubscriptionParts
from schema.vocabulary import OrderStatus
from tests.conformance.asking import lacks, person
from tests.conformance.cases import NOW, World

pytestmark = pytest.mark.asyncio(loop_scope="module")

LISTS = (Operation.ORDERS_OF, Operation.SUBSCRIPTIONS_OF)
SAM = canonical_email("sam@example.com")
#: Neighbours whose things must never turn up in Sam's lists.
NOT_SAM = ("rosam@example.com", "sam@example.com.au")


async def page(store: Platform, operation: Operation, first: int, after: str | None) -> Page[Any]:
    if operation is Operation.ORDERS_OF:
        return await store.orders_of(person(store, SAM), OrdersQuery(first, after), OrderParts.NONE)
    return await store.subscriptions_of(person(store, SAM), SubscriptionsQuery(first, after), SubscriptionParts.NONE)


def added(world: World, operation: Operation, at: datetime, email: str = SAM, *, guest: bool = False) -> str:
    if operation is Operation.ORDERS_OF:
        return world.hand.order(email, at, guest=guest)
    return world.hand.subscription(email, at)


def when(operation: Operation, node: Any) -> datetime:
    return node.placed_at if operation is Operation.ORDERS_OF else node.created_at  # type: ignore[no-any-return]


@pytest.mark.parametrize("operation", LISTS, ids=lambda operation: operation.value)
@pytest.mark.parametrize("size", [1, 2, 3, 6, 7, 50])
async def test_every_item_comes_once_newest_first_also_under_inserts(
    world: World, store: Platform, operation: Operation, size: int
) -> None:
    if await lacks(world, store, operation):
        return
    # Two of one second, two kinds of order (by record and as a guest), and others' in between.
    times = [NOW - timedelta(days=n) for n in (1, 2, 2, 3, 40, 400)]
    wanted = {added(world, operation, at, guest=n in (1, 4)): at for n, at in enumerate(times)}
    for n, email in enumerate(NOT_SAM):
        added(world, operation, NOW - timedelta(days=n + 1, hours=1), email)
    seen: list[Any] = []
    after = None
    for turn in range(40):
        got = await page(store, operation, size, after)
        assert len(got.rows) <= size
        seen += [row.node for row in got.rows]
        added(world, operation, NOW + timedelta(minutes=turn))
        if not got.more:
            break
        after = got.rows[-1].position if got.rows else got.end
        assert after is not None
    else:
        raise AssertionError("the list never ends")
    assert sorted(node.source.native_id for node in seen) == sorted(wanted)
    moments = [when(operation, node) for node in seen]
    assert moments == sorted(times, reverse=True)
    assert {node.owner for node in seen} <= {SAM, None}


@pytest.mark.parametrize("operation", LISTS, ids=lambda operation: operation.value)
async def test_each_items_place_is_where_the_list_goes_on(world: World, store: Platform, operation: Operation) -> None:
    if await lacks(world, store, operation):
        return
    for n in range(4):
        added(world, operation, NOW - timedelta(days=n + 1))
    whole = (await page(store, operation, 10, None)).rows
    assert len(whole) == 4
    for index, row in enumerate(whole):
        rest = (await page(store, operation, 10, row.position)).rows
        assert [one.node.source.native_id for one in rest] == [one.node.source.native_id for one in whole[index + 1 :]]


async def test_a_guests_order_is_found_by_the_address_on_it(world: World, store: Platform) -> None:
    if await lacks(world, store, Operation.ORDERS_OF):
        return
    id = world.hand.order(SAM, NOW - timedelta(days=1), guest=True)
    for email in NOT_SAM:
        world.hand.order(email, NOW - timedelta(days=2), guest=True)
    assert list((await store.profiles([SAM]))[SAM]) == []
    got = await page(store, Operation.ORDERS_OF, 10, None)
    assert [row.node.source.native_id for row in got.rows] == [id]
    [order] = [row.node for row in got.rows]
    assert (order.owner, order.email, order.customer_native_id) == (SAM, SAM, None)


async def test_orders_are_those_asked_for(world: World, store: Platform) -> None:
    if await lacks(world, store, Operation.ORDERS_OF):
        return
    days = {world.hand.order(SAM, NOW - timedelta(days=n)): n for n in range(1, 8)}

    async def found(**changed: Any) -> list[int]:
        query = OrdersQuery(50, **changed)
        got = await store.orders_of(person(store, SAM), query, OrderParts.NONE)
        assert not got.more
        assert all(query.admits(row.node) for row in got.rows)
        return [days[row.node.source.native_id] for row in got.rows]

    assert await found(placed_after=NOW - timedelta(days=3)) == [1, 2, 3]
    assert await found(placed_before=NOW - timedelta(days=3)) == [4, 5, 6, 7]
    assert await found(placed_after=NOW - timedelta(days=5), placed_before=NOW - timedelta(days=2)) == [3, 4, 5]
    assert await found(status=frozenset({OrderStatus.CANCELLED})) == []
    statuses = frozenset(OrderStatus) - {OrderStatus.CANCELLED}
    assert await found(status=statuses) == [1, 2, 3, 4, 5, 6, 7]
