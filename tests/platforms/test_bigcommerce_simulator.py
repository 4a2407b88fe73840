"""The simulated store itself: what it ignores, refuses and sets off, so that nothing is proved on a lenient one."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp
import pytest
import pytest_asyncio

from platforms.bigcommerce.seed import seed
from platforms.bigcommerce.simulator import HASH, SCOPES, STATUSES, TOKEN, Simulator, rfc
from sandbox.serving import serve
from tests.platforms.bigcommerce_contract import faults

pytestmark = pytest.mark.asyncio(loop_scope="module")

NOW = datetime(2026, 11, 23, 12, 0, 30, tzinfo=UTC)


class Store:
    """The simulated store, asked in plain HTTP."""

    def __init__(self, url: str, session: aiohttp.ClientSession) -> None:
        self.url = url
        self.session = session
        self.now = NOW
        self.simulator = Simulator(seed(NOW), clock=lambda: self.now)
        self.headers: dict[str, str] = {}

    async def ask(
        self, path: str, *, method: str = "GET", body: Any = None, token: str | None = TOKEN, **query: Any
    ) -> tuple[int, Any]:
        headers = {} if token is None else {"X-Auth-Token": token}
        async with self.session.request(
            method, f"{self.url}/stores/{HASH}{path}", params=query, json=body, headers=headers
        ) as response:
            self.headers = {name.lower(): value for name, value in response.headers.items()}
            text = await response.text()
            return response.status, json.loads(text) if text else None


class Address:
    """One server for the module."""

    store: Store

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await self.store.simulator(scope, receive, send)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def address() -> AsyncIterator[tuple[Address, str, aiohttp.ClientSession]]:
    app = Address()
    async with serve(app) as url, aiohttp.ClientSession() as session:
        yield app, url, session


@pytest_asyncio.fixture(loop_scope="module")
async def store(address: tuple[Address, str, aiohttp.ClientSession]) -> Store:
    app, url, session = address
    app.store = Store(url, session)
    return app.store


async def test_every_answer_of_the_seeded_world_is_one_of_the_definition(store: Store) -> None:
    for order in store.simulator.state.orders:
        await store.ask(f"/v2/orders/{order}")
        await store.ask(f"/v2/orders/{order}", include="consignments", consignment_structure="object")
        for part in ("products", "shipments"):
            await store.ask(f"/v2/orders/{order}/{part}", limit=50)
    await store.ask("/v2/orders")
    await store.ask("/v2/orders/count")
    await store.ask("/v3/customers", include="addresses")
    await store.ask("/v3/customers", limit=900)
    await store.ask("/v3/catalog/products", include="variants,images")
    await store.ask("/v3/orders/payment_actions/refunds")
    await store.ask("/v2/orders/5003", method="PUT", body={"status_id": 5, "staff_notes": "x"})
    await store.ask("/v3/orders/5003/payment_actions/void", method="POST")
    assert [fault for received in store.simulator.calls for fault in faults(received)] == []


async def test_a_definition_that_is_not_kept_to_is_noticed(store: Store) -> None:
    store.simulator.state.orders[5002] |= {"total_inc_tax": 1, "colour": "red", "payment_status": "eaten"}
    await store.ask("/v2/orders/5002", colour="red", include="everything")
    await store.ask("/v2/orders/5002", method="PUT", body={"status_id": "5", "color": 1, "staff_notes": "x" * 65536})
    await store.ask("/v3/catalog/products", limit=500)
    await store.ask("/v2/hooks")
    found = [fault for received in store.simulator.calls for fault in faults(received)]
    for said in (
        "no parameter colour",
        "include=everything is none of",
        "answer.total_inc_tax is int, not string",
        "answer.colour is not in the definition",
        "answer.payment_status is 'eaten'",
        "body.status_id is str, not integer",
        "body.color is not in the definition",
        "body.staff_notes is longer than 65535",
        "limit=500 is more than 250",
        "GET /v2/hooks is no call of the definition",
    ):
        assert any(said in odd for odd in found), said


async def test_each_half_of_the_api_has_its_own_shape_of_errors(store: Store) -> None:
    assert await store.ask("/v2/orders/1") == (
        404,
        [{"status": 404, "message": "The requested resource was not found."}],
    )
    status, body = await store.ask("/v3/nothing")
    assert (status, sorted(body)) == (404, ["status", "title", "type"])
    for token in (None, "wrong"):
        assert (await store.ask("/v2/orders", token=token))[0] == 401
        assert (await store.ask("/v3/customers", token=token))[0] == 401
    assert (await store.ask("/../other/v2/orders"))[0] == 404


async def test_a_scope_that_is_missing_is_403_and_reading_is_not_writing(store: Store) -> None:
    store.simulator.scopes = SCOPES - {"store_v2_customers"}
    assert (await store.ask("/v3/customers"))[0] == 403
    store.simulator.scopes = frozenset({"store_v2_orders_read_only"})
    assert (await store.ask("/v2/orders/5002"))[0] == 200
    assert (await store.ask("/v2/orders/5002", method="PUT", body={"status_id": 5}))[0] == 403
    assert store.simulator.state.orders[5002]["status_id"] == 2


async def test_an_empty_v2_list_has_no_body_and_an_empty_v3_list_has_one(store: Store) -> None:
    assert await store.ask("/v2/orders", email="nobody@example.com") == (204, None)
    assert await store.ask("/v2/orders", page=9) == (204, None)
    assert await store.ask("/v2/orders/5004/shipments") == (204, None)
    assert "content-type" not in store.headers
    status, body = await store.ask("/v3/customers", **{"id:in": "999"})
    assert (status, body["data"], body["meta"]["pagination"]["total"]) == (200, [], 0)


async def test_a_page_holds_fifty_unless_asked_and_never_more_than_250(store: Store) -> None:
    row = store.simulator.state.orders[5004]
    for native in range(6000, 6300):
        store.simulator.state.orders[native] = row | {"id": native}
        store.simulator.state.products[native] = []
    assert len((await store.ask("/v2/orders"))[1]) == 50
    assert len((await store.ask("/v2/orders", limit=250))[1]) == 250
    assert (await store.ask("/v2/orders", limit=251))[0] == 413
    assert (await store.ask("/v2/orders", limit="many"))[0] == 400


async def test_lists_are_sorted_by_id_unless_asked_and_hold_abandoned_checkouts(store: Store) -> None:
    async def ids(**query: Any) -> list[int]:
        return [row["id"] for row in (await store.ask("/v2/orders", **query))[1] or []]

    assert await ids() == [5000, 5001, 5002, 5003, 5004]
    assert await ids(sort="date_created:desc") == [5003, 5004, 5000, 5001, 5002]
    assert await ids(min_id=5001, max_id=5002) == [5001, 5002]
    assert await ids(status_id=0) == [5000]
    assert await ids(colour="red") == [5000, 5001, 5002, 5003, 5004]  # an unknown word is ignored
    store.simulator.state.orders[5002]["is_deleted"] = True
    assert await ids(customer_id=41) == [5000, 5004]
    assert (await store.ask("/v2/orders/5002"))[0] == 200
    assert (await store.ask("/v2/orders", sort="colour"))[0] == 400


async def test_bounds_of_dates_are_inclusive_or_not_as_is_switched(store: Store) -> None:
    at = NOW - timedelta(days=21)
    for text in (rfc(at), at.isoformat()):
        for inclusive in (True, False):
            store.simulator.inclusive = inclusive
            for name in ("min_date_created", "max_date_created"):
                found = [row["id"] for row in (await store.ask("/v2/orders", **{name: text}))[1] or []]
                assert (5002 in found) is inclusive
    assert (await store.ask("/v2/orders", min_date_created="yesterday"))[0] == 400


@pytest.mark.parametrize(("looked_at", "found"), [(("bill",), True), (("account",), False), ((), False)])
async def test_the_email_filter_looks_where_it_is_switched_to(
    store: Store, looked_at: tuple[str, ...], found: bool
) -> None:
    store.simulator.email_of = looked_at
    assert ((await store.ask("/v2/orders", email="BEA@example.com"))[0] == 200) is found


async def test_a_cancel_is_never_refused_and_restocks_as_the_store_is_set(store: Store) -> None:
    catalog = store.simulator.state.catalog
    before = catalog[302]["variants"][1]["inventory_level"]
    status, body = await store.ask("/v2/orders/5002", method="PUT", body={"status_id": 5})
    assert (status, body["status"], body["payment_status"]) == (200, "Cancelled", "captured")
    assert catalog[302]["variants"][1]["inventory_level"] == before + 2
    await store.ask("/v2/orders/5002", method="PUT", body={"status_id": 5})
    assert catalog[302]["variants"][1]["inventory_level"] == before + 2
    store.simulator.state.restocks = False
    mugs = catalog[303]["inventory_level"]
    await store.ask("/v2/orders/5004", method="PUT", body={"status_id": 5})
    assert catalog[303]["inventory_level"] == mugs
    assert [str(write) for write in store.simulator.writes] == ["PUT /v2/orders/5002"] * 2 + ["PUT /v2/orders/5004"]


@pytest.mark.parametrize("body", [{"status_id": 77}, {"colour": "red"}, {"staff_notes": 5}])
async def test_a_write_that_makes_no_sense_changes_nothing(store: Store, body: Any) -> None:
    before = dict(store.simulator.state.orders[5002])
    assert (await store.ask("/v2/orders/5002", method="PUT", body=body))[0] == 400
    assert store.simulator.state.orders[5002] == before


async def test_only_an_authorisation_can_be_voided_and_only_once(store: Store) -> None:
    void = {"method": "POST"}
    assert (await store.ask("/v3/orders/5002/payment_actions/void", **void))[0] == 422
    assert (await store.ask("/v3/orders/1/payment_actions/void", **void))[0] == 404
    assert (await store.ask("/v3/orders/5003/payment_actions/void", **void))[0] == 201
    assert (await store.ask("/v3/orders/5003/payment_actions/void", **void))[0] == 422


async def test_a_refund_changes_the_status_and_not_the_stock(store: Store) -> None:
    state = store.simulator.state
    stock = state.catalog[301]["inventory_level"]
    store.simulator.refund(5002, {50021: 1}, at=NOW)
    assert (state.orders[5002]["status"], state.orders[5002]["refunded_amount"]) == (STATUSES[14], "0.0000")
    assert state.catalog[301]["inventory_level"] == stock
    _, body = await store.ask("/v3/orders/payment_actions/refunds", **{"order_id:in": "5001,5002"})
    assert [(row["order_id"], row["total_amount"]) for row in body["data"]] == [(5001, 21.19), (5002, 100.57)]


async def test_the_quota_comes_back_whole_after_thirty_seconds(store: Store) -> None:
    store.simulator.quota = 2
    seen = []
    for seconds in (0, 10, 20, 29.9, 30):
        store.now = NOW + timedelta(seconds=seconds)
        status, _ = await store.ask("/v2/store")
        seen.append((status, store.headers["x-rate-limit-requests-left"], store.headers["x-rate-limit-time-reset-ms"]))
    assert seen == [
        (200, "1", "30000"),
        (200, "0", "20000"),
        (429, "0", "10000"),
        (429, "0", "100"),
        (200, "1", "30000"),
    ]
    store.simulator.loaded = True
    assert (await store.ask("/v2/store"))[0] == 429
    assert not any(name.startswith("x-rate-limit") for name in store.headers)
