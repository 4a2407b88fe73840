"""How many upstream calls each documented operation takes, and how each number comes about."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest

from gateway.operations import document, names
from sandbox.people import BOT_KEY
from tests.running import Gateway

reads = pytest.mark.asyncio(loop_scope="module")

US_1002 = "Order:us:450789002"

# Who somebody is: every store is asked for its record of the address, at once.
PROFILES = [("us", "customers.by_email"), ("eu", "customers.by_email"), ("subs", "customers.list")]
# A person's orders at WooCommerce, which has no filter by e-mail: those of the customer record, and those found by a
# search for the address, among which guest orders are. Without a record only the search is left.
EU_ORDERS = [("eu", "orders.list"), ("eu", "orders.search")]
EU_GUEST = [("eu", "orders.search")]
# A person's subscriptions: Recharge wants its customer's id, WooCommerce too; both came with the profiles.
SUBSCRIPTIONS = [("subs", "subscriptions.list"), ("eu", "subscriptions.list")]
# Cycles are counted off the subscription's billed orders: one call for all subscriptions of the page.
CYCLES = [("subs", "orders.list")]

#: Each operation with variables, and its calls in no order.
COUNTED: list[tuple[str, Mapping[str, Any], list[tuple[str, str]]]] = [
    # The counts of the last 90 days look through up to 100 orders with their returns and refunds; the list beside
    # them reads the heads of 20. These are two questions, so each shop's orders are read twice.
    (
        "WhoIsThis",
        {"email": "ada@example.com"},
        [*PROFILES, *SUBSCRIPTIONS, ("us", "orders.list"), *EU_ORDERS, ("us", "orders.list"), *EU_ORDERS],
    ),
    # Cleo has no record at WooCommerce: her orders there can only be a guest's, and she can have no subscription.
    (
        "WhoIsThis",
        {"email": "cleo@example.com"},
        [*PROFILES, ("subs", "subscriptions.list"), *[("us", "orders.list"), *EU_GUEST] * 2],
    ),
    # Nobody knows Bob: that there is such a person is seen from the first page of orders, the very one that is shown.
    ("WhoIsThis", {"email": "bob@example.com"}, [*PROFILES, *[("us", "orders.list"), *EU_GUEST] * 2]),
    # Nobody at all: whether there is an order is asked, and nothing after it.
    ("WhoIsThis", {"email": "nobody@example.com"}, [*PROFILES, ("us", "orders.list"), *EU_GUEST]),
    # One search at Shopify. At WooCommerce the number is an id first, and only else searched for, since a plug-in may
    # have numbered the orders anew.
    (
        "WhereIsMyOrder",
        {"number": "1001", "email": "ada@example.com"},
        [("us", "orders.list"), ("eu", "orders.batch"), ("eu", "orders.search")],
    ),
    (
        "WhereIsMyOrder",
        {"number": "2002", "email": "bob@example.com"},
        [("us", "orders.list"), ("eu", "orders.batch")],
    ),
    # An order with all that the decision looks at is one call at Shopify.
    ("MayIReturnIt", {"id": US_1002}, [("us", "orders.by_id")]),
    ("MayICancelIt", {"id": "Order:us:450789001"}, [("us", "orders.by_id")]),
    ("WhereIsMyRefund", {"id": "Order:us:450789007"}, [("us", "orders.by_id")]),
    # At WooCommerce the customer's present e-mail is read beside it; a guest's is on the order.
    ("MayIReturnIt", {"id": "Order:eu:2003"}, [("eu", "orders.batch"), ("eu", "customers.batch")]),
    ("MayIReturnIt", {"id": "Order:eu:2002"}, [("eu", "orders.batch")]),
    # The two stores that keep subscriptions, their customer's id first; then cycles, and the product at the shop.
    (
        "MySubscriptions",
        {"email": "ada@example.com"},
        [
            ("eu", "customers.by_email"),
            ("subs", "customers.list"),
            *SUBSCRIPTIONS,
            *CYCLES,
            ("us", "products.by_id"),
        ],
    ),
    # What a preview decides on is read fresh: one order.
    ("Preview", {"input": {"cancelOrder": {"orderId": "Order:us:450789001"}}}, [("us", "orders.by_id")]),
    # An empty queue is the ledger's answer alone.
    ("ApprovalQueue", {}, []),
]


def counts(gateway: Gateway) -> dict[str, int]:
    return {store: len(shop.simulator.calls) for store, shop in gateway.shops.items()}


async def asked(gateway: Gateway, name: str, variables: Mapping[str, Any]) -> tuple[dict[str, Any], list[Any]]:
    """The data and the calls that staff are told of, which are as many as the stores received."""
    before = counts(gateway)
    answer = await gateway.ask(document(name), variables)
    assert "errors" not in answer, answer["errors"]
    calls = gateway.calls(answer)
    received = {store: count - before[store] for store, count in counts(gateway).items()}
    assert Counter(store for store, _ in calls) == Counter({k: n for k, n in received.items() if n})
    assert all(call["outcome"] == "ok" for call in answer.get("extensions", {}).get("upstream", []))
    return answer["data"], calls


@reads
@pytest.mark.parametrize(
    ("name", "variables", "expected"), COUNTED, ids=[f"{name}-{next(iter(v.values()), '')}" for name, v, _ in COUNTED]
)
async def test_a_documented_query_takes_exactly_these_calls(
    standing: Gateway, name: str, variables: Mapping[str, Any], expected: list[tuple[str, str]]
) -> None:
    _, calls = await asked(standing, name, variables)
    assert Counter(calls) == Counter(expected)


@reads
async def test_the_reference_query_takes_eleven_calls_in_three_rounds(standing: Gateway) -> None:
    data, calls = await asked(standing, "SupportView", {"email": "ada@example.com"})
    assert len(data["customer"]["orders"]["nodes"]) == 5
    # 1. Who she is, at each store.
    assert sorted(calls[:3]) == sorted(PROFILES)
    # 2. Her orders with lines, parcels, returns and refunds (one search at Shopify, two lists at WooCommerce) and her
    #    subscriptions (one list at each store that keeps any); the cycles of Recharge's follow, in one call for all.
    # 3. Each shop's products on all lines of all orders, in one batch, once the orders are merged.
    second, third = [("us", "orders.list"), *EU_ORDERS], [("us", "products.by_id"), ("eu", "products.batch")]
    assert Counter(calls[3:]) == Counter([*second, *SUBSCRIPTIONS, *CYCLES, *third])
    assert max(map(calls.index, second)) < min(map(calls.index, third))
    assert len(calls) == 11


@reads
@pytest.mark.parametrize(
    ("email", "number"),
    [
        ("cleo@example.com", 8),  # no record at WooCommerce: no list by customer, no subscriptions, no product there
        ("dan@example.com", 7),  # and no order at all
        # A guest: no store has a record, so no subscriptions; his teapot has variations, which are a list of their own.
        ("bob@example.com", 7),
    ],
)
async def test_the_reference_query_takes_fewer_where_a_store_does_not_know_the_person(
    standing: Gateway, email: str, number: int
) -> None:
    _, calls = await asked(standing, "SupportView", {"email": email})
    assert len(calls) == number, calls


@reads
async def test_many_orders_of_a_store_are_one_call(standing: Gateway) -> None:
    ids = [f"Order:us:45078900{n}" for n in range(1, 8)] + [f"Order:eu:200{n}" for n in range(1, 5)]
    query = "query($ids: [ID!]!) { nodes(ids: $ids) { ... on Order { number lines { product { title } } } } }"
    answer = await standing.ask(query, {"ids": ids})
    assert [order["number"] for order in answer["data"]["nodes"]] == [
        *(f"100{n}" for n in range(1, 8)),
        *(f"200{n}" for n in range(1, 5)),
    ]
    # The orders; their customers' e-mails at WooCommerce; the products, and the variations of the one that has some.
    assert Counter(standing.calls(answer)) == Counter(
        [
            ("us", "orders.by_id"),
            ("eu", "orders.batch"),
            ("eu", "customers.batch"),
            ("us", "products.by_id"),
            ("eu", "products.batch"),
            ("eu", "variations.list"),
        ]
    )


@reads
async def test_what_is_skipped_is_not_asked_for(standing: Gateway) -> None:
    query = """query($no: Boolean!, $yes: Boolean!) { order(id: "Order:us:450789002") {
        number customer @include(if: $no) { email } subscriptions @skip(if: $yes) { id } } }"""
    answer = await standing.ask(query, {"no": False, "yes": True})
    assert answer["data"] == {"order": {"number": "1002"}}
    assert standing.calls(answer) == [("us", "orders.by_id")]
    [received] = [call for call in standing.shops["us"].simulator.calls[-1:] if call.variables]
    wanted = ("withLines", "withFulfillments", "withReturns", "withRefunds")
    assert {name: received.variables[name] for name in wanted} == dict.fromkeys(wanted, False)


@reads
async def test_only_staff_are_told_of_upstream_calls(standing: Gateway) -> None:
    answer = await standing.ask("{ stores { id } }", headers={"Authorization": f"Bearer {BOT_KEY}"})
    assert "extensions" not in answer
    order = '{ order(id: "Order:us:450789002") { id } }'
    assert "extensions" not in await standing.ask(order, headers={"Authorization": f"Bearer {BOT_KEY}"})
    assert "extensions" in await standing.ask(order)


async def test_the_documented_mutations_take_exactly_these_calls(gateway: Gateway) -> None:
    data, _ = await asked(gateway, "MayIReturnIt", {"id": US_1002})
    line = {"lineId": data["order"]["lines"][1]["id"], "quantity": 1, "reason": "UNWANTED"}
    back = {"input": {"orderId": US_1002, "lines": [line]}, "key": "back"}
    data, calls = await asked(gateway, "ReturnIt", back)
    # The facts; the shop's words for reasons, read once for ever; what may still go back, by parcel; the write; and
    # the order as it is now.
    assert calls == [
        ("us", "orders.by_id"),
        ("us", "returns.reasons"),
        ("us", "returns.returnable"),
        ("us", "returns.create"),
        ("us", "orders.by_id"),
    ]
    # The same again is answered from the ledger, with the order read fresh; so is the question after it.
    _, calls = await asked(gateway, "ReturnIt", back)
    assert calls == [("us", "orders.by_id")]
    _, calls = await asked(gateway, "HowIsMyRequest", {"id": data["returnOrder"]["action"]["id"]})
    assert calls == [("us", "orders.by_id")]

    until = (gateway.now + timedelta(days=30)).date().isoformat()
    _, calls = await asked(
        gateway,
        "PauseIt",
        {"input": {"subscriptionId": "SubscriptionContract:subs:9001", "until": until}, "key": "p"},
    )
    # The facts with cycles, whose it is, the write, and the subscription with cycles as it is now.
    facts = [("subs", "subscriptions.list"), ("subs", "orders.list")]
    write = ("subs", "subscriptions.set_next_charge_date")
    assert calls == [*facts, ("subs", "customers.list"), write, *facts]

    # A return at WooCommerce is a note; Bob is a guest, so no customer is read.
    data, _ = await asked(gateway, "MayIReturnIt", {"id": "Order:eu:2002"})
    line = {"lineId": data["order"]["lines"][0]["id"], "quantity": 1, "reason": "UNWANTED"}
    _, calls = await asked(gateway, "ReturnIt", {"input": {"orderId": "Order:eu:2002", "lines": [line]}, "key": "pot"})
    assert calls == [("eu", "orders.batch"), ("eu", "notes.create"), ("eu", "orders.batch")]

    # What waits for a person: its order, with the customer's e-mail, for the target and once more for the lines.
    data, _ = await asked(gateway, "MayIReturnIt", {"id": "Order:eu:2003"})
    line = {"lineId": data["order"]["lines"][0]["id"], "quantity": 1, "reason": "UNWANTED"}
    _, calls = await asked(gateway, "ReturnIt", {"input": {"orderId": "Order:eu:2003", "lines": [line]}, "key": "j"})
    assert Counter(calls) == Counter([("eu", "orders.batch"), ("eu", "customers.batch")])
    _, calls = await asked(gateway, "ApprovalQueue", {})
    assert Counter(calls) == Counter([("eu", "orders.batch"), ("eu", "customers.batch")] * 2)

    # The facts, the write, and the order: the job that cancels is looked at in the background.
    answer = await gateway.ask(document("CancelIt"), {"input": {"orderId": "Order:us:450789004"}, "key": "c"})
    assert gateway.calls(answer) == [("us", "orders.by_id"), ("us", "orders.cancel"), ("us", "orders.by_id")]


def test_every_documented_operation_is_counted() -> None:
    in_the_other_tests = {"SupportView", "ReturnIt", "HowIsMyRequest", "PauseIt", "CancelIt", "Approve", "Reject"}
    in_people_and_money = {"Confirm", "RefundIt", "MoveReturn", "Settle", "WhatHappened"}
    assert {name for name, _, _ in COUNTED} | in_the_other_tests | in_people_and_money == set(names())
