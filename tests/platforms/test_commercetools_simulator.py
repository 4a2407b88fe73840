"""The simulated commercetools project on its own: predicates, pages, versions, tokens, as the definition has them."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime
from typing import Any

import aiohttp
import pytest

from platforms.commercetools.seed import native, seed
from platforms.commercetools.simulator import CLIENT_ID, CLIENT_SECRET, FIELDS, SCOPES, Predicate, Simulator, _Answer
from sandbox.serving import serve
from tests.platforms.commercetools_contract import NAMES, complaints

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
ROW = {"id": "b", "createdAt": "2026-01-02", "orderState": "Open", "recurringOrder": {"id": "r", "typeId": "x"}}


def matches(text: str, **values: list[str]) -> bool:
    return Predicate(text, values, FIELDS["orders"]).test(ROW)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('id = "b"', True),
        ('id != "b"', False),
        ('id in ("a", "b")', True),
        ('id in ("a")', False),
        ("id in :ids", True),
        ("id = :one", True),
        ('id = "a" or orderState = "Open" and id = "b"', True),
        ('(id = "b" or orderState = "Open") and id = "a"', False),
        ('not (id = "a")', True),
        ("customerId is not defined", True),
        ("customerId is defined", False),
        ('customerId != "x"', False),
        ('recurringOrder(id = "r")', True),
        ('recurringOrder(id in ("s") or typeId = "x")', True),
        ('createdAt < "2026-01-03" and createdAt >= "2026-01-02"', True),
    ],
)
def test_a_predicate_is_what_it_says(text: str, expected: bool) -> None:
    assert matches(text, ids=["a", "b"], one=["b"]) is expected


@pytest.mark.parametrize(
    "text", ["nope = 1", "id", "id =", "id = :missing", 'id = "b" id', "id in (", 'id ~ "b"', "", '(id = "b"']
)
def test_a_predicate_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(_Answer) as raised:
        matches(text)
    assert (raised.value.status, raised.value.body["errors"][0]["code"]) == (400, "InvalidInput")


def test_every_seeded_body_is_one_of_the_definitions() -> None:
    project = seed(NOW)
    for rows, kind in (
        (project.orders, "Order"),
        (project.customers, "Customer"),
        (project.products, "ProductProjection"),
        (project.payments, "Payment"),
        (project.carts, "Cart"),
        (project.recurring, "RecurringOrder"),
        (project.product_types, "ProductType"),
        (project.customer_groups, "CustomerGroup"),
        (project.states, "State"),
    ):
        assert kind in NAMES["schemas"]
        assert [one for row in rows.values() for one in complaints(row, kind)] == []


async def test_it_answers_over_http_as_the_platform_does() -> None:
    simulator = Simulator(seed(NOW), clock=lambda: NOW)
    sent = native("order", 3002)
    async with serve(simulator) as url, aiohttp.ClientSession() as session:

        async def ask(method: str, path: str, token: str = "", **more: Any) -> tuple[int, Any]:
            headers = {"Authorization": token} if token else {}
            async with session.request(method, f"{url}{path}", headers=headers, **more) as response:
                text = await response.text()
                return response.status, json.loads(text) if text.startswith("{") else text

        basic = "Basic " + base64.b64encode(f"{CLIENT_ID}:{CLIENT_SECRET}".encode()).decode()
        grant = {"grant_type": "client_credentials"}
        assert (await ask("POST", "/oauth/token", "Basic eDp5", data=grant))[0] == 401
        assert (await ask("POST", "/oauth/token", basic, data={"grant_type": "password"}))[0] == 400
        status, told = await ask("POST", "/oauth/token", basic, data=grant)
        assert (status, "manage_orders:acme-de" in told["scope"].split()) == (200, True)
        bearer = f"Bearer {told['access_token']}"

        assert (await ask("GET", "/acme-de/orders"))[0] == 401
        assert (await ask("GET", "/acme-fr/orders", bearer))[0] == 404
        assert (await ask("GET", "/acme-de/zzz", bearer))[1]["error"] == "Not Found"
        assert (await ask("GET", f"/acme-de/orders/{native('order', 1)}", bearer))[0] == 404
        status, found = await ask("GET", "/acme-de/orders/order-number=D-3002", bearer)
        assert (status, found["id"], "obj" in found["paymentInfo"]["payments"][0]) == (200, sent, False)
        _, found = await ask(
            "GET", f"/acme-de/orders/{sent}?expand=paymentInfo.payments[*]&expand=nothing.here", bearer
        )
        assert found["paymentInfo"]["payments"][0]["obj"]["interfaceId"] == "pi_3002"

        _, page = await ask("GET", "/acme-de/orders?limit=2&sort=createdAt%20desc", bearer)
        numbers = [row["orderNumber"] for row in page["results"]]
        assert (numbers, page["count"], page["total"]) == (["D-3003", "D-3001"], 2, 3)
        _, page = await ask("GET", "/acme-de/orders?limit=2&offset=2&sort=createdAt%20desc&withTotal=false", bearer)
        assert ([row["orderNumber"] for row in page["results"]], "total" in page) == (["D-3002"], False)
        for odd in ("limit=501", "limit=-1", "offset=10001", "where=nope%20%3D%201"):
            assert (await ask("GET", f"/acme-de/orders?{odd}", bearer))[0] == 400

        path = f"/acme-de/orders/{sent}"
        cancel = {"action": "changeOrderState", "orderState": "Cancelled"}
        status, told = await ask("POST", path, bearer, json={"version": 7, "actions": [cancel]})
        assert (status, told["errors"][0]["code"], told["errors"][0]["currentVersion"]) == (
            409,
            "ConcurrentModification",
            1,
        )
        for body in (
            {"actions": [cancel]},
            {"version": 1},
            {"version": 1, "actions": [{"action": "explode"}]},
            {"version": 1, "actions": [cancel, {"action": "changeOrderState", "orderState": "Bogus"}]},
        ):
            assert (await ask("POST", path, bearer, json=body))[0] == 400
        assert simulator.state.orders[sent]["orderState"] == "Complete"  # all of the actions or none
        assert (await ask("POST", path, bearer, data="{"))[0] == 400
        status, told = await ask("POST", path, bearer, json={"version": 1, "actions": [cancel]})
        assert (status, told["orderState"], told["version"]) == (200, "Cancelled", 2)
        payment = f"/acme-de/payments/{native('payment', 3002)}"
        simulator.scopes = tuple(one for one in SCOPES if one != "manage_payments")
        assert (await ask("POST", payment, bearer, json={"version": 1, "actions": []}))[0] == 403
    assert len(simulator.writes) == 8
    assert [call.path for call in simulator.calls if call.path == "/oauth/token"] == ["/oauth/token"] * 3
