"""What the table of facts says of each store is so: what it never knows is unknown on everything it has."""

from __future__ import annotations

from zoneinfo import ZoneInfo

import pytest

from platforms.base import Operation
from policies.asked import Asked, AskedLine, History
from policies.check import facts_table, never_known
from policies.facts import FACTS, Facts
from sandbox.world import STORIES
from schema.ids import parse_id
from schema.parts import OrderParts, SubscriptionParts
from schema.vocabulary import ActionKind
from tests.running import Gateway

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def everything_asked_of(gateway: Gateway, store: str) -> list[Asked]:
    """A return of every line and a pause of every subscription that the world tells of."""
    platform = gateway.runtime.platforms[store]
    ids = [parse_id(story.id) for story in STORIES if story.store == store]
    asked: list[Asked] = []
    if platform.supports(Operation.ORDERS):
        orders = await platform.orders([id.native for id in ids if id.type == "Order"], OrderParts.ALL)
        asked += [
            Asked(ActionKind.RETURN_ORDER, platform.store, order=order, lines=(AskedLine(line, 1),))
            for order in orders.values()
            for line in order.lines
        ]
    if platform.supports(Operation.SUBSCRIPTIONS):
        natives = [id.native for id in ids if id.type == "SubscriptionContract"]
        subscriptions = await platform.subscriptions(natives, SubscriptionParts.ALL)
        asked += [
            Asked(ActionKind.PAUSE_SUBSCRIPTION, platform.store, subscription=subscription)
            for subscription in subscriptions.values()
        ]
    return asked


async def test_a_store_never_knows_what_the_table_says_it_never_knows(standing: Gateway) -> None:
    for store, platform in standing.runtime.platforms.items():
        names = never_known(platform)
        assert names <= set(FACTS), f"{platform.name} names facts that there are not"
        asked = await everything_asked_of(standing, store)
        assert asked
        for one in asked:
            facts = Facts(one, History(), None, standing.now, ZoneInfo("UTC"), "USD")
            if one.lines:
                facts = facts.of_line(one.lines[0])
            subjects = ("order", "line", "customer") if one.order is not None else ("subscription",)
            known = [name for name in names if name.startswith(subjects) and facts.known(name) is not None]
            assert known == [], f"{platform.name} knows {known} of {one.subject.id}"


async def test_the_table_has_a_column_for_each_store(standing: Gateway) -> None:
    platforms = standing.runtime.platforms
    rows = {row.name: row.stores for row in facts_table({id: never_known(found) for id, found in platforms.items()})}
    assert rows["line.delivered_at"]["us"] is True
    assert rows["line.delivered_at"]["eu"] is False
    assert rows["line.delivered_at"]["subs"] is False
    assert rows["subscription.next_billing_at"]["subs"] is True
