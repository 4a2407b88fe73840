"""What every platform's reads do alike."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from platforms.base import Operation, OrdersQuery, Platform, SubscriptionsQuery
from schema.emails import canonical_email
from schema.ids import parse_id
from schema.parts import OrderParts, PartNotLoaded, SubscriptionParts
from tests.conformance.asking import READS, lacks, oddities, person, plain
from tests.conformance.cases import NOW, World

pytestmark = pytest.mark.asyncio(loop_scope="module")

BY_ID = (Operation.ORDERS, Operation.PROFILES_BY_ID, Operation.PRODUCTS, Operation.SUBSCRIPTIONS)
MISSING = ("1", "999999999", "not-a-number", "0", "-1", " 1", "1,2", "٣")


def known(world: World, operation: Operation) -> list[str]:
    """Ids that exist; subscriptions are added where the seeded world has none."""
    case = world.case
    if operation is Operation.SUBSCRIPTIONS and not case.subscriptions:
        return [world.hand.subscription("sam@example.com", NOW - timedelta(days=n)) for n in (50, 60)]
    return list(
        {
            Operation.ORDERS: case.orders,
            Operation.PROFILES_BY_ID: case.profiles,
            Operation.PRODUCTS: case.products,
            Operation.SUBSCRIPTIONS: case.subscriptions,
        }[operation]
    )


async def by_id(store: Platform, operation: Operation, ids: list[str]) -> dict[str, Any]:
    match operation:
        case Operation.ORDERS:
            return dict(await store.orders(ids, OrderParts.ALL))
        case Operation.PROFILES_BY_ID:
            return dict(await store.profiles_by_id(ids))
        case Operation.PRODUCTS:
            return dict(await store.products(ids))
        case _:
            return dict(await store.subscriptions(ids, SubscriptionParts.ALL))


@pytest.mark.parametrize("operation", BY_ID, ids=lambda operation: operation.value)
async def test_many_read_together_are_what_each_is_alone(world: World, store: Platform, operation: Operation) -> None:
    if await lacks(world, store, operation):
        return
    ids = known(world, operation)
    assert ids
    together = await by_id(store, operation, ids)
    assert sorted(together) == sorted(ids)
    for id in ids:
        alone = await by_id(store, operation, [id])
        assert list(alone) == [id]
        assert plain(alone[id]) == plain(together[id])


@pytest.mark.parametrize("operation", BY_ID, ids=lambda operation: operation.value)
async def test_what_is_missing_is_left_out(world: World, store: Platform, operation: Operation) -> None:
    if await lacks(world, store, operation):
        return
    ids = known(world, operation)
    found = await by_id(store, operation, [*MISSING, *ids, ids[0]])
    assert sorted(found) == sorted(ids)
    assert await by_id(store, operation, list(MISSING)) == {}
    assert await by_id(store, operation, []) == {}


@pytest.mark.parametrize("operation", BY_ID, ids=lambda operation: operation.value)
async def test_a_node_says_where_it_was_read(world: World, store: Platform, operation: Operation) -> None:
    if await lacks(world, store, operation):
        return
    for id, node in (await by_id(store, operation, known(world, operation))).items():
        assert parse_id(node.id).parts == (world.store, id)
        assert (node.source.store.key, node.source.native_id) == (world.store, id)
        assert (node.source.fetched_at, node.source.cached) == (NOW, False)


@pytest.mark.parametrize("operation", READS, ids=lambda operation: operation.value)
async def test_instants_are_in_utc_and_money_is_exact(world: World, store: Platform, operation: Operation) -> None:
    if await lacks(world, store, operation):
        return
    assert list(oddities(await READS[operation](store, world))) == []


# ------------------------------------------------------------------------------------------------ parts

_ORDER_PARTS = {
    "lines": OrderParts.LINES,
    "fulfillments": OrderParts.FULFILLMENTS,
    "returns": OrderParts.RETURNS,
    "refunds": OrderParts.REFUNDS,
    "shipping_address": OrderParts.ADDRESSES,
    "billing_address": OrderParts.ADDRESSES,
    "status_url": OrderParts.STATUS_URL,
}


@pytest.mark.parametrize("part", [OrderParts.NONE, *OrderParts, OrderParts.ALL], ids=str)
async def test_only_the_parts_asked_for_are_there_and_the_others_raise(
    world: World, store: Platform, part: OrderParts
) -> None:
    if await lacks(world, store, Operation.ORDERS):
        return
    for order in (await store.orders(list(world.case.orders), part)).values():
        for name, needed in _ORDER_PARTS.items():
            if needed in part:
                assert order.has(name), f"{name} of {order.id}"
            elif part is OrderParts.NONE or not order.has(name):
                # Beside other parts a platform may bring more than was asked for; with none it brings none.
                with pytest.raises(PartNotLoaded):
                    getattr(order, name)


async def test_cycles_that_were_not_asked_for_raise(world: World, store: Platform) -> None:
    if await lacks(world, store, Operation.SUBSCRIPTIONS):
        return
    ids = known(world, Operation.SUBSCRIPTIONS)
    for found in (await store.subscriptions(ids, SubscriptionParts.NONE)).values():
        for name in ("cycles_completed", "origin_order_ref"):
            with pytest.raises(PartNotLoaded):
                getattr(found, name)
    for found in (await store.subscriptions(ids, SubscriptionParts.ALL)).values():
        assert found.has("cycles_completed")
        assert found.has("origin_order_ref")


# ------------------------------------------------------------------------------------------------ people

ANN = canonical_email("ann@example.com")
NOT_ANN = ("joann@example.com", "ann@example.com.au", "ann@example.co", "a.ann@example.com", "ann+1@example.com")


async def test_an_address_inside_another_is_somebody_elses_record(world: World, store: Platform) -> None:
    if await lacks(world, store, Operation.PROFILES):
        return
    for email in NOT_ANN:
        world.hand.customer(email)
    before = [id for id, email in world.case.profiles.items() if email == ANN]
    found = await store.profiles([ANN])
    assert [profile.source.native_id for profile in found[ANN]] == before
    hers = before or [world.hand.customer(ANN)]
    found = await store.profiles([ANN, canonical_email("joann@example.com")])
    assert [profile.source.native_id for profile in found[ANN]] == hers
    assert {profile.owner for profile in found[ANN]} == {ANN}
    assert ANN not in {profile.email for profile in found[canonical_email("joann@example.com")]}


async def test_nobodys_address_has_no_record_and_no_order(world: World, store: Platform) -> None:
    nobody = canonical_email("nobody@example.com")
    if store.supports(Operation.PROFILES):
        assert [list(records) for records in (await store.profiles([nobody])).values()] == [[]]
    if store.supports(Operation.ORDERS_OF):
        page = await store.orders_of(person(store, nobody), OrdersQuery(10), OrderParts.NONE)
        assert (list(page.rows), page.more) == ([], False)
    if store.supports(Operation.SUBSCRIPTIONS_OF):
        subscriptions = await store.subscriptions_of(
            person(store, nobody), SubscriptionsQuery(10), SubscriptionParts.ALL
        )
        assert (list(subscriptions.rows), subscriptions.more) == ([], False)


async def test_a_record_has_the_address_it_was_found_by(world: World, store: Platform) -> None:
    if await lacks(world, store, Operation.PROFILES):
        return
    for id, email in world.case.profiles.items():
        address = canonical_email(email)
        [profile] = (await store.profiles([address]))[address]
        assert (profile.source.native_id, profile.owner) == (id, address)


async def test_an_order_is_its_owners(world: World, store: Platform) -> None:
    if await lacks(world, store, Operation.ORDERS):
        return
    found = await store.orders(list(world.case.orders), OrderParts.NONE)
    assert {id: order.owner for id, order in found.items()} == dict(world.case.orders)


async def test_a_number_finds_exactly_its_order(world: World, store: Platform) -> None:
    if await lacks(world, store, Operation.ORDERS_BY_NUMBER):
        return
    for number, id in world.case.numbers.items():
        for typed in (number.removeprefix("#"), f"#{number.removeprefix('#')}"):
            assert [order.source.native_id for order in await store.orders_by_number(typed, OrderParts.NONE)] == [id]
    for typed in ("", "#", "999999999", next(iter(world.case.numbers))[:-1], 'x" OR name:*'):
        assert list(await store.orders_by_number(typed, OrderParts.NONE)) == []


async def test_orders_lead_to_their_subscriptions(world: World, store: Platform) -> None:
    if await lacks(world, store, Operation.SUBSCRIPTIONS_OF_ORDERS):
        return
    wanted = dict(world.case.subscriptions_of)
    if not wanted:
        id = world.hand.subscription("ada@example.com", NOW - timedelta(days=50))
        origin = (await store.subscriptions([id], SubscriptionParts.ALL))[id].origin_order_ref
        assert origin is not None
        wanted = {origin.native_id: (id,)}
    found = await store.subscriptions_of_orders([*wanted, "1"], SubscriptionParts.ALL)
    assert {id: tuple(s.source.native_id for s in found.get(id, ())) for id in [*wanted, "1"]} == wanted | {"1": ()}
