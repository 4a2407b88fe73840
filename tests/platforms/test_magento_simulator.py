"""The simulated Magento shop, held against what the vendor's pages and issues say of a real one."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import aiohttp
import pytest
from yarl import URL

from platforms.magento.seed import seed
from platforms.magento.simulator import CREDENTIALS, TOKEN, Simulator
from platforms.magento.wire import OAuthKeys, authorization
from sandbox.serving import serve
from tests.platforms.magento_contract import faults

RECORDED = Path(__file__).parent / "magento" / "fixtures"
NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
KEYS = OAuthKeys(**CREDENTIALS)


class Door:
    """One server for the module; each shop is put behind it in its turn."""

    runner: asyncio.Runner
    url: str
    app: Any = None

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await self.app(scope, receive, send)


DOOR = Door()


@pytest.fixture(scope="module", autouse=True)
def server() -> Iterator[None]:
    with asyncio.Runner() as DOOR.runner:
        serving = serve(DOOR)
        DOOR.url = DOOR.runner.run(serving.__aenter__())
        yield
        DOOR.runner.run(serving.__aexit__(None, None, None))


class Shop:
    """Asks a simulator over a socket, one call a connection, by bearer token unless told otherwise."""

    def __init__(self, **options: Any) -> None:
        self.simulator = Simulator(seed(NOW), clock=lambda: NOW, **options)

    def ask(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        query: dict[str, Any] | None = None,
        authorized: str | None = f"Bearer {TOKEN}",
    ) -> tuple[int, Any]:
        DOOR.app = self.simulator
        return DOOR.runner.run(self._ask(method, path, body, query or {}, authorized))

    async def _ask(
        self, method: str, path: str, body: Any, query: dict[str, Any], authorized: str | None
    ) -> tuple[int, Any]:
        headers = {"Content-Type": "application/json"} | ({"Authorization": authorized} if authorized else {})
        data = body if isinstance(body, str) or body is None else json.dumps(body)
        tail = f"?{urlencode(query, quote_via=quote)}" if query else ""
        address = URL(f"{DOOR.url}/rest/default{path}{tail}", encoded=True)
        async with (
            aiohttp.ClientSession() as session,
            session.request(method, address, data=data, headers=headers) as response,
        ):
            return response.status, await (response.json() if "json" in response.content_type else response.text())

    def search(self, path: str, **words: Any) -> Any:
        found: dict[str, Any] = {}
        filters = words.pop("where", [])
        for at, (field, condition, value) in enumerate(filters):
            head = f"searchCriteria[filterGroups][{at}][filters][0]"
            found |= {f"{head}[field]": field, f"{head}[conditionType]": condition, f"{head}[value]": value}
        found |= {f"searchCriteria[{name}]": value for name, value in words.items()}
        status, answer = self.ask("GET", path, query=found)
        assert status == 200, answer
        return answer

    @property
    def state(self) -> Any:
        return self.simulator.state


@pytest.fixture
def shop() -> Iterator[Shop]:
    made = Shop()
    yield made
    assert [fault for received in made.simulator.calls for fault in faults(received)] == []


# ------------------------------------------------------------------ who is asking
def signed(shop: Shop, **changed: Any) -> tuple[int, Any]:
    given = {"nonce": changed.pop("nonce", "n1"), "timestamp": changed.pop("timestamp", int(time.time()))}
    address = f"{DOOR.url}/rest/default/V1/orders"
    query = {"searchCriteria[pageSize]": "1", "fields": "total_count"}
    header = authorization("GET", address, query.items(), changed.pop("keys", KEYS), **given)
    return shop.ask("GET", "/V1/orders", query=query | changed, authorized=header)


def test_a_signature_lets_in_once(shop: Shop) -> None:
    assert signed(shop) == (200, {"total_count": 3})
    status, answer = signed(shop)
    assert (status, answer["parameters"]) == (401, [1])
    assert answer["message"].startswith("The nonce is already being used")
    assert signed(shop, nonce="n2")[0] == 200


def test_a_signature_holds_for_just_this_call(shop: Shop) -> None:
    assert signed(shop, fields="items") == (401, {"message": "The signature is invalid. Verify and try again."})
    assert signed(shop, nonce="n3", timestamp=int(time.time()) - 3600)[0] == 401
    other = OAuthKeys(**(dict(CREDENTIALS) | {"consumer_secret": "guess"}))
    assert signed(shop, nonce="n4", keys=other)[0] == 401


@pytest.mark.parametrize("authorized", [None, "Bearer guess", "Basic YTpi"])
def test_a_stranger_and_a_missing_permission_are_answered_alike(shop: Shop, authorized: str | None) -> None:
    answer = shop.ask("GET", "/V1/orders", authorized=authorized)
    shop.simulator.lacking = frozenset({"Magento_Sales::actions_view"})
    assert answer == shop.ask("GET", "/V1/orders")
    assert answer == (
        401,
        {
            "message": "The consumer isn't authorized to access %resources.",
            "parameters": {"resources": "Magento_Sales::actions_view"},
        },
    )


def test_a_missing_route_is_told_to_strangers_too(shop: Shop) -> None:
    for authorized in (None, f"Bearer {TOKEN}"):
        status, answer = shop.ask("GET", "/V1/returns", authorized=authorized)
        assert (status, answer["message"]) == (404, "Request does not match any route.")
    shop.simulator.commerce = True
    assert shop.ask("GET", "/V1/returns", authorized=None)[0] == 401
    assert shop.ask("GET", "/V1/returns")[0] == 200
    shop.simulator.calls = [call for call in shop.simulator.calls if call.status != 404]


# ------------------------------------------------------------------ searching
def test_without_a_size_every_row_comes_and_above_the_cap_none(shop: Shop) -> None:
    assert len(shop.search("/V1/products")["items"]) == 6
    assert shop.ask("GET", "/V1/products", query={"searchCriteria[pageSize]": 301}) == (
        400,
        {"message": "Maximum SearchCriteria pageSize is %max", "parameters": {"max": 300}},
    )


def test_behind_the_last_page_comes_the_last_page_again(shop: Shop) -> None:
    pages = [shop.search("/V1/products", pageSize=4, currentPage=page) for page in (1, 2, 3, 9)]
    assert [len(page["items"]) for page in pages] == [4, 2, 2, 2]
    assert pages[1]["items"] == pages[2]["items"] == pages[3]["items"]
    assert {page["total_count"] for page in pages} == {6}
    shop.simulator.repeats = False
    assert shop.search("/V1/products", pageSize=4, currentPage=3)["items"] == []


def test_an_address_is_compared_without_case_and_accents(shop: Shop) -> None:
    for typed in ("ADA@example.com", "ádà@example.com"):
        assert shop.search("/V1/customers/search", where=[("email", "eq", typed)])["total_count"] == 1
    assert shop.search("/V1/customers/search", where=[("email", "eq", "da@example.com")])["total_count"] == 0


def test_a_reply_is_trimmed_to_its_fields(shop: Shop) -> None:
    query = {"fields": "items[entity_id,billing_address[city]],total_count", "searchCriteria[pageSize]": 1}
    assert shop.ask("GET", "/V1/orders", query=query) == (
        200,
        {"items": [{"entity_id": 3001, "billing_address": {"city": "Amsterdam"}}], "total_count": 3},
    )


# ------------------------------------------------------------------ cancelling
def test_only_what_has_no_invoice_is_cancelled(shop: Shop) -> None:
    assert shop.ask("POST", "/V1/orders/3002/cancel") == (200, True)
    assert shop.state.orders[3002]["state"] == "canceled"
    assert shop.ask("POST", "/V1/orders/3002/cancel") == (200, False)
    assert shop.ask("POST", "/V1/orders/3001/cancel") == (200, False)
    assert shop.ask("POST", "/V1/orders/9/cancel")[0] == 404
    assert len(shop.simulator.writes) == 4


def test_a_partly_invoiced_order_says_yes_and_goes_on(shop: Shop) -> None:
    shop.state.orders[3002]["items"][0] |= {"qty_ordered": 2, "qty_invoiced": 1}
    assert shop.ask("POST", "/V1/orders/3002/cancel") == (200, True)
    assert shop.state.orders[3002]["state"] == "processing"
    assert shop.state.orders[3002]["items"][0]["qty_canceled"] == 1


def test_old_versions_say_yes_to_everything(shop: Shop) -> None:
    shop.simulator.old = True
    assert shop.ask("POST", "/V1/orders/3001/cancel") == (200, True)
    assert shop.state.orders[3001]["state"] == "complete"


def test_old_versions_clear_the_status_with_a_comment_that_has_none(shop: Shop) -> None:
    said = {"statusHistory": {"comment": "hi", "is_customer_notified": 0, "is_visible_on_front": 0, "parent_id": 3001}}
    assert shop.ask("POST", "/V1/orders/3001/comments", said) == (200, True)
    assert shop.state.orders[3001]["status"] == "complete"
    shop.simulator.old = True
    assert shop.ask("POST", "/V1/orders/3001/comments", said) == (200, True)
    assert "status" not in shop.state.orders[3001]
    assert shop.ask("POST", "/V1/orders/3001/comments", {"statusHistory": {}})[0] == 400
    assert [one["comment"] for one in shop.ask("GET", "/V1/orders/3001/comments")[1]["items"]] == ["hi", "hi"]


# ------------------------------------------------------------------ paying back
def test_a_refund_of_the_order_is_only_booked_and_one_of_the_invoice_moves_money(shop: Shop) -> None:
    asked = json.loads((RECORDED / "refund_request.json").read_text(encoding="utf-8"))
    asked["items"] = [{"order_item_id": 30012, "qty": 1}]
    asked["arguments"]["extension_attributes"]["return_to_stock_items"] = [30012]
    status, offline = shop.ask("POST", "/V1/order/3001/refund", asked)
    assert (status, type(offline)) == (200, int)
    row = shop.state.orders[3001]
    assert (row["total_offline_refunded"], row.get("total_online_refunded")) == (12.0, None)
    status, online = shop.ask("POST", "/V1/invoice/3001/refund", asked | {"is_online": True})
    assert status == 200
    assert (row["total_online_refunded"], row["total_refunded"], row["state"]) == (12.0, 24.0, "complete")
    memos = shop.search("/V1/creditmemos", where=[("order_id", "eq", "3001")])["items"]
    assert [(memo["entity_id"], memo.get("transaction_id") is not None) for memo in memos] == [
        (offline, False),
        (online, True),
    ]
    status, answer = shop.ask("POST", "/V1/order/3001/refund", asked)
    assert (status, answer["message"]) == (400, "Creditmemo Document Validation Error(s):\n%1")


def test_an_order_paid_back_in_full_is_closed(shop: Shop) -> None:
    assert shop.ask("POST", "/V1/order/3001/refund", {"arguments": {"shipping_amount": 4.95}})[0] == 200
    assert shop.state.orders[3001]["state"] == "closed"
    assert shop.ask("POST", "/V1/order/3001/refund", {})[0] == 400
    shop.simulator.calls.clear()  # a refund without its other arguments, which the definition asks for


def test_every_answer_of_the_seeded_shop_is_as_the_definition_says(shop: Shop) -> None:
    shop.simulator.commerce = True
    lists = ("orders", "invoices", "shipments", "creditmemos", "customers/search", "products", "returns")
    for path in (*lists, "store/storeConfigs", "orders/3001", "returnsAttributeMetadata/reason"):
        assert shop.ask("GET", f"/V1/{path}")[0] == 200
    assert shop.ask("GET", "/V1/returnsAttributeMetadata/mood")[0] == 404
    assert shop.ask("POST", "/V1/orders/3001/comments", "{")[0] == 400


def test_a_wall_answers_in_html() -> None:
    walled = Shop(wall=403)
    assert walled.ask("GET", "/V1/orders") == (403, "<html><body><h1>Request blocked</h1></body></html>")
