"""Every word of every vendor's vocabulary, and one that nobody knows, over the wire."""

from __future__ import annotations

from datetime import timedelta
from enum import Enum

import pytest

from platforms.base import Operation, OrdersQuery, Platform
from platforms.registry import PLATFORMS
from schema.parts import OrderParts
from schema.vocabulary import OrderStatus
from tests.conformance.asking import do, found, lacks, person, request, target
from tests.conformance.cases import NOW, World
from tests.conformance.test_conformance_paging import SAM
from tests.conformance.vocabulary import UNHEARD, VOCABULARIES, Vocabulary, status

pytestmark = pytest.mark.asyncio(loop_scope="module")

#: What it is that an order, a product or a subscription is told to be.
EACH = [pytest.param(name, one, id=f"{name}, {one.of}") for name, many in VOCABULARIES.items() for one in many]


async def subject(world: World, vocabulary: Vocabulary) -> tuple[Platform, str]:
    """The store, and the native id of what the words are tried on."""
    if vocabulary.edition is None:
        store = world.platform()
    else:
        setattr(world.simulator, vocabulary.edition, True)
        store = world.platform(settings={"edition": vocabulary.edition})
    if vocabulary.after is None:
        return store, _native(world, vocabulary)
    native = target(world, vocabulary.after)
    await do(store, await request(store, world, vocabulary.after, native))
    return store, native


def _native(world: World, vocabulary: Vocabulary) -> str:
    if vocabulary.native is not None:
        return vocabulary.native
    match vocabulary.on:
        case Operation.ORDERS:
            return next(iter(world.case.orders))
        case Operation.PRODUCTS:
            return world.case.products[0]
        case _:
            known = next(iter(world.case.subscriptions), None)
            return known or world.hand.subscription(SAM, NOW - timedelta(days=50))


async def test_every_platform_has_its_vocabulary() -> None:
    assert set(VOCABULARIES) == set(PLATFORMS)
    for name, many in VOCABULARIES.items():
        tried = {one.on for one in many} - {Operation.PRODUCTS}
        wanted = {Operation.ORDERS, Operation.SUBSCRIPTIONS} & PLATFORMS[name].load().operations
        assert tried == wanted


@pytest.mark.parametrize(("name", "vocabulary"), EACH)
async def test_every_word_of_the_vendor_has_its_meaning(world: World, vocabulary: Vocabulary) -> None:
    store, native = await subject(world, vocabulary)
    told: dict[str, Enum | None] = {}
    for word in vocabulary.words():
        vocabulary.put(world, native, word)
        node = await found(store, vocabulary.on, native)
        told[word] = None if node is None else vocabulary.read(node)
    assert told == dict(vocabulary.means)


@pytest.mark.parametrize(("name", "vocabulary"), EACH)
async def test_a_word_that_nobody_knows_is_unknown_and_kept(world: World, vocabulary: Vocabulary) -> None:
    world.bent = True  # no definition has it
    store, native = await subject(world, vocabulary)
    vocabulary.put(world, native, UNHEARD)
    node = await found(store, vocabulary.on, native)
    assert vocabulary.read(node).name == vocabulary.unheard
    if vocabulary.kept is not None:
        assert UNHEARD in vocabulary.kept(node)


@pytest.mark.parametrize("name", sorted(PLATFORMS))
async def test_a_status_that_is_asked_for_brings_just_the_orders_that_have_it(world: World, store: Platform) -> None:
    """Whichever words the platform is asked with, and whether it filters at all."""
    if await lacks(world, store, Operation.ORDERS_OF):
        return
    world.bent = True
    statuses: dict[str, Enum | None] = {}
    for vocabulary in VOCABULARIES[world.name]:
        if vocabulary.on is not Operation.ORDERS or vocabulary.read is not status:
            continue
        for number, word in enumerate([*vocabulary.means, UNHEARD]):
            native = world.hand.order(SAM, NOW - timedelta(days=number + 1))
            vocabulary.put(world, native, word)
            alone = await found(store, vocabulary.on, native)
            statuses[native] = None if alone is None else alone.status
    if not statuses:  # a platform that has no single word for it
        statuses = {world.hand.order(SAM, NOW - timedelta(days=1)): OrderStatus.OPEN}
    for wanted in OrderStatus:
        page = await store.orders_of(person(store, SAM), OrdersQuery(50, status=frozenset({wanted})), OrderParts.NONE)
        assert not page.more
        assert {row.node.source.native_id for row in page.rows} == {
            native for native, told in statuses.items() if told is wanted
        }
