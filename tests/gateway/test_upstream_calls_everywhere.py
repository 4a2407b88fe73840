"""How many upstream calls the reference query takes over every platform, and how the number comes about."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from gateway.operations import document
from tests.running import EVERY_STORE, running_gateway

#: Ada's support view: each store's part, by operation.
CALLS: dict[str, dict[str, int]] = {
    # The record, the orders with every part, and their products: one call each.
    "us": {"customers.by_email": 1, "orders.list": 1, "products.by_id": 1},
    # No filter by e-mail: the record's orders and a guest search. The subscriptions of the plug-in.
    "eu": {"customers.by_email": 1, "orders.list": 1, "orders.search": 1, "products.batch": 1, "subscriptions.list": 1},
    # The record, its subscriptions, and the billed orders that their cycles are counted from.
    "subs": {"customers.list": 1, "subscriptions.list": 1, "orders.list": 1},
    # No batches in v2: of two orders the lines, of the one that was sent its parcels; refunds of all at once. Orders
    # are found by the record and by the address, since guests have none.
    "ca": {
        "customers.by_email": 1,
        "orders.list": 1,
        "orders.by_email": 1,
        "orders.products": 2,
        "orders.shipments": 1,
        "refunds.batch": 1,
        "products.batch": 1,
    },
    # One search for the orders; what was sent and what was paid back are lists of their own, for all orders at once.
    "nl": {
        "customers.by_email": 1,
        "orders.list": 1,
        "shipments.list": 1,
        "creditmemos.list": 1,
        "products.batch": 1,
    },
    # The recurring orders, and the orders they came from and led to.
    "de": {
        "customers.list": 1,
        "orders.list": 1,
        "products.batch": 1,
        "recurring_orders.list": 1,
        "orders.of_recurring": 1,
    },
    # A guest's orders are only found by a search; returns are a list of their own.
    "se": {"customers.by_email": 1, "orders.list": 1, "orders.search": 1, "returns.list": 1, "products.batch": 1},
}


async def test_the_reference_query_over_every_store(tmp_path: Path) -> None:
    async with running_gateway(tmp_path, stores=EVERY_STORE) as gateway:
        answer = await gateway.ask(document("SupportView"), {"email": "ada@example.com"})
        assert "errors" not in answer
        assert answer["data"]["customer"]["complete"] is True
        assert len(answer["data"]["customer"]["profiles"]) == len(CALLS)
        expected = Counter({(store, name): count for store, calls in CALLS.items() for name, count in calls.items()})
        assert Counter(gateway.calls(answer)) == expected
        assert sum(expected.values()) == 34
