"""The simulated WooCommerce shop, held against what a real one was seen to answer."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from platforms.woocommerce.seed import seed
from platforms.woocommerce.simulator import KEY, SECRET, Simulator, stamp
from sandbox.serving import serve

RECORDED = Path(__file__).parent / "woocommerce"
NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


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
    """Asks a simulator over a socket, one call a connection."""

    def __init__(self, **options: Any) -> None:
        self.simulator = Simulator(seed(NOW), clock=lambda: NOW, **options)

    def ask(
        self, method: str, path: str, body: Any = None, *, key: str | None = KEY, secret: str = SECRET
    ) -> tuple[int, Any, dict[str, str]]:
        DOOR.app = self.simulator
        return DOOR.runner.run(self._ask(method, path, body, key, secret))

    async def _ask(
        self, method: str, path: str, body: Any, key: str | None, secret: str
    ) -> tuple[int, Any, dict[str, str]]:
        headers = {"Content-Type": "application/json"}
        if key is not None:
            headers["Authorization"] = "Basic " + base64.b64encode(f"{key}:{secret}".encode()).decode()
        data = body if isinstance(body, str) or body is None else json.dumps(body)
        async with aiohttp.ClientSession() as session:
            address = f"{DOOR.url}/wp-json/wc/v3{path}"
            async with session.request(method, address, data=data, headers=headers) as response:
                found = await (response.json() if "json" in response.content_type else response.text())
                return response.status, found, {name.lower(): value for name, value in response.headers.items()}

    @property
    def state(self) -> Any:
        return self.simulator.state


@pytest.fixture
def shop() -> Shop:
    return Shop()


def recorded(name: str) -> Any:
    return json.loads((RECORDED / "captures" / f"{name}.json").read_text(encoding="utf-8"))


def keys(body: Any) -> set[str]:
    return set(body) - {"_links"}


@pytest.mark.parametrize(
    ("name", "path", "given"),
    [
        ("err_404_order", "/orders/999999", {}),
        ("err_404_id_of_other_type", "/orders/501", {}),
        ("err_404_no_route", "/orders/abc", {}),
        ("err_404_customer", "/customers/999999", {}),
        ("err_404_product", "/products/999999", {}),
        ("err_401_bad_key", "/orders", {"key": "ck_other"}),
        ("err_401_no_auth", "/orders", {"key": None}),
        ("err_401_bad_secret", "/orders", {"secret": "cs_other"}),
    ],
)
def test_a_refused_read_answers_as_recorded(shop: Shop, name: str, path: str, given: dict[str, Any]) -> None:
    capture = recorded(name)
    status, body, _ = shop.ask("GET", path, **given)
    assert (status, body) == (capture["status"], capture["body"])
    assert shop.simulator.writes == []


def test_a_refused_write_answers_as_recorded(shop: Shop) -> None:
    for name, method, path, sent in (
        ("err_400_bad_status", "PUT", "/orders/2001", {"status": "canceled"}),
        ("err_400_bad_json", "POST", "/orders/2001/notes", "{bad json"),
        ("err_refund_too_much", "POST", "/orders/2001/refunds", {"amount": "9999.00", "api_refund": False}),
        ("refund_create_api_refund_default", "POST", "/orders/1990/refunds", {"amount": "10.00", "reason": "damaged"}),
    ):
        capture = recorded(name)
        status, body, _ = shop.ask(method, path, sent)
        assert (name, status, body) == (name, capture["status"], capture["body"])


def test_a_page_size_that_is_no_number_answers_as_recorded(shop: Shop) -> None:
    capture = recorded("err_400_bad_param")
    status, body, _ = shop.ask("GET", "/orders?per_page=abc")
    assert (status, body["code"], body["message"]) == (400, capture["body"]["code"], capture["body"]["message"])
    assert body["data"]["params"] == capture["body"]["data"]["params"]
    assert shop.ask("GET", "/orders?per_page=101")[0] == 400
    assert shop.ask("GET", "/orders?per_page=100")[0] == 200


def test_a_read_only_key_and_a_site_without_tls_answer_as_recorded() -> None:
    capture = recorded("err_401_read_only_key")
    shop = Shop(permission="read")
    assert shop.ask("PUT", "/orders/2001", {"status": "completed"})[:2] == (401, capture["body"])
    assert shop.state.orders[2001]["status"] == "processing"
    capture = recorded("err_basic_over_http")
    assert Shop(tls=False).ask("GET", "/orders")[:2] == (401, capture["body"])


def test_a_write_to_an_unknown_order_is_400_and_its_refunds_are_empty(shop: Shop) -> None:
    assert shop.ask("PUT", "/orders/77", {"status": "cancelled"})[0] == 400
    assert shop.ask("GET", "/orders/77/refunds")[:2] == (200, [])


def test_filters_that_do_not_exist_are_ignored(shop: Shop) -> None:
    for query in ("email=ann@example.com", "billing_email=ann@example.com", "number=2001"):
        assert [row["id"] for row in shop.ask("GET", f"/orders?{query}")[1]] == [2001, 2002, 2003, 2004, 1990]


def test_search_is_a_substring_and_lists_strangers_first(shop: Shop) -> None:
    stamp(shop.state.orders[1990], "date_created", NOW, "Europe/Berlin")
    assert [row["id"] for row in shop.ask("GET", "/orders?search=ANN@example.com")[1]] == [1990, 2003]
    assert shop.ask("GET", "/orders?search=%232001")[1] == []
    assert len(shop.ask("GET", "/orders?search=1")[1]) > 1
    assert [row["id"] for row in shop.ask("GET", "/orders?customer=0")[1]] == [2002]


def test_customers_are_found_exactly_and_guests_never(shop: Shop) -> None:
    assert [row["id"] for row in shop.ask("GET", "/customers?email=ANN@example.com")[1]] == [33]
    assert shop.ask("GET", "/customers?email=bob@example.com")[1] == []
    assert shop.ask("GET", "/customers?email=nonsense")[0] == 400
    shop.state.customers[33]["role"] = "subscriber"
    assert shop.ask("GET", "/customers?email=ann@example.com")[1] == []
    assert len(shop.ask("GET", "/customers?email=ann@example.com&role=all")[1]) == 1


def test_totals_are_told_and_a_page_too_far_differs_by_storage() -> None:
    found, headers = Shop().ask("GET", "/orders?per_page=2")[1:]
    assert (len(found), headers["x-wp-total"], headers["x-wp-totalpages"]) == (2, "5", "3")
    assert Shop().ask("GET", "/orders?page=999")[2]["x-wp-total"] == "0"
    assert Shop(hpos=False).ask("GET", "/orders?page=999")[2]["x-wp-total"] == "5"


def test_dates_are_the_sites_own_unless_said_otherwise(shop: Shop) -> None:
    row = shop.state.orders[2001]
    assert row["date_created"] == "2026-11-22T13:00:00"
    assert row["date_created_gmt"] == "2026-11-22T12:00:00"
    assert [one["id"] for one in shop.ask("GET", "/orders?after=2026-11-22T12:30:00")[1]] == [2001]
    assert shop.ask("GET", "/orders?after=2026-11-22T12:30:00&dates_are_gmt=true")[1] == []


def test_cancelling_a_completed_order_succeeds_restocks_and_refunds_nothing(shop: Shop) -> None:
    status, body, _ = shop.ask("PUT", "/orders/2003", {"status": "cancelled"})
    assert (status, body["status"], body["refunds"]) == (200, "cancelled", [])
    assert body["date_paid_gmt"] is not None
    assert shop.state.products[503]["stock_quantity"] == 12
    assert shop.ask("PUT", "/orders/2003", {"status": "cancelled"})[0] == 200
    assert shop.state.products[503]["stock_quantity"] == 12
    assert shop.ask("PUT", "/orders/2003", {"status": "processing"})[0] == 200
    assert shop.state.products[503]["stock_quantity"] == 11
    assert [str(one) for one in shop.simulator.writes] == ["PUT /orders/2003"] * 3


def test_stock_of_a_variation_is_its_own(shop: Shop) -> None:
    shop.ask("PUT", "/orders/2002", {"status": "cancelled"})
    assert [one["stock_quantity"] for one in shop.state.variations[504]] == [8, 0]


def test_refunds_are_booked_as_recorded(shop: Shop) -> None:
    line = shop.state.orders[2003]["line_items"][0]["id"]
    for sent, answered in (
        ({"amount": 5.0}, (400, "rest_invalid_param")),
        ({"amount": "-5.00"}, (500, "woocommerce_rest_invalid_order_refund")),
    ):
        status, body, _ = shop.ask("POST", "/orders/2003/refunds", sent)
        assert (status, body["code"]) == answered
    assert shop.ask("POST", "/orders/77/refunds", {"amount": "5.00"})[1]["data"] == 404
    status, body, _ = shop.ask(
        "POST",
        "/orders/2003/refunds",
        {"amount": "9.00", "line_items": [{"id": line, "quantity": 1, "refund_total": "9.00"}]},
    )
    assert (status, body["refunded_payment"]) == (201, True)
    assert keys(body) == keys(recorded("refund_create_lineitem")["body"])
    assert keys(body["line_items"][0]) == keys(recorded("refund_create_lineitem")["body"]["line_items"][0])
    status, blank, _ = shop.ask("POST", "/orders/2003/refunds", {})
    assert (status, blank["amount"]) == (201, "")
    order = shop.ask("GET", "/orders/2003")[1]
    assert [one["total"] for one in order["refunds"]] == ["-", "-9.00"]
    assert (order["status"], order["total"], order["line_items"][0]["quantity"]) == ("completed", "133.90", 1)
    shop.ask("POST", "/orders/2003/refunds", {"amount": "124.90"})
    assert shop.ask("GET", "/orders/2003")[1]["status"] == "refunded"
    assert len(shop.ask("GET", "/orders/2003/refunds")[1]) == 3


def test_the_status_refunded_books_a_refund_that_no_gateway_paid(shop: Shop) -> None:
    shop.ask("PUT", "/orders/2003", {"status": "refunded"})
    (refund,) = shop.ask("GET", "/orders/2003/refunds")[1]
    assert (refund["amount"], refund["refunded_payment"]) == ("133.90", False)


def test_bodies_have_the_fields_of_recorded_ones(shop: Shop) -> None:
    order = shop.ask("GET", "/orders/2001")[1]
    assert keys(order) == keys(recorded("order_get_paid")["body"])
    assert keys(order["line_items"][0]) == keys(recorded("order_get_paid")["body"]["line_items"][0])
    customer = shop.ask("GET", "/customers/31")[1]
    assert keys(customer) - {"avatar_url"} == keys(recorded("customers_by_email")["body"][0])
    product = shop.ask("GET", "/products/501")[1]
    assert keys(product) <= keys(recorded("product_create")["body"])
    status, note, _ = shop.ask("POST", "/orders/2001/notes", {"note": "hello", "customer_note": True})
    assert (status, keys(note)) == (201, keys(recorded("order_note_create")["body"]))


def test_a_trashed_order_is_answered_by_id_and_not_listed(shop: Shop) -> None:
    shop.state.orders[2001]["status"] = "trash"
    assert shop.ask("GET", "/orders/2001")[0] == 200
    assert 2001 not in [row["id"] for row in shop.ask("GET", "/orders")[1]]


def contract(shop: Shop, status: str, **changed: Any) -> None:
    row = json.loads((RECORDED / "fixtures" / "subscription.json").read_text(encoding="utf-8"))
    row |= {"id": 3001, "status": status, "next_payment_date_gmt": "2026-11-30T10:00:00"}
    shop.state.subscriptions[3001] = row | changed


SOON = (NOW + timedelta(days=3)).replace(tzinfo=None).isoformat()


@pytest.mark.parametrize(
    ("now", "to", "allowed"),
    [
        ("active", "on-hold", True),
        ("pending", "on-hold", True),
        ("cancelled", "on-hold", False),
        ("on-hold", "active", True),
        ("pending", "active", True),
        ("pending-cancel", "active", True),
        ("cancelled", "active", False),
        ("active", "pending-cancel", True),
        ("pending-cancel", "cancelled", True),
        ("on-hold", "cancelled", True),
        ("expired", "cancelled", False),
        ("active", "expired", False),
    ],
)
def test_subscriptions_change_as_the_plugins_rules_allow(now: str, to: str, allowed: bool) -> None:
    shop = Shop()
    contract(shop, now, end_date_gmt=SOON if now == "pending-cancel" else "")
    row = shop.state.subscriptions[3001]
    status, body, _ = shop.ask("PUT", "/subscriptions/3001", {"transition_status": to})
    assert row["status"] == (to if allowed else now)
    assert status == (200 if allowed else 400)
    assert allowed or body["message"] == f'Unable to change subscription status to "{to}".'


def test_the_plain_status_only_overwrites_the_column(shop: Shop) -> None:
    contract(shop, "active")
    shop.ask("PUT", "/subscriptions/3001", {"status": "cancelled"})
    row = shop.state.subscriptions[3001]
    assert (row["status"], row["next_payment_date_gmt"]) == ("cancelled", "2026-11-30T10:00:00")


def test_without_the_plugin_its_routes_are_not_there() -> None:
    shop = Shop(plugin=False)
    for path in ("/subscriptions", "/subscriptions/statuses", "/subscriptions/1"):
        assert shop.ask("GET", path)[:2] == (404, recorded("err_404_no_route")["body"])


def test_a_wall_answers_in_html() -> None:
    status, body, headers = Shop(wall=403).ask("GET", "/orders")
    assert (status, headers["content-type"]) == (403, "text/html; charset=UTF-8")
    assert body.startswith("<html>")


def test_the_seeded_shop_adds_up() -> None:
    shop = seed(NOW)
    assert sorted(shop.orders) == [1990, 2001, 2002, 2003, 2004]
    assert {native: row["email"] for native, row in shop.customers.items()} == {
        31: "ada@example.com",
        33: "ann@example.com",
        34: "joann@example.com",
    }
    for row in shop.orders.values():
        cents = {name: round(float(row[name]) * 100) for name in ("total", "total_tax", "shipping_total", "cart_tax")}
        lines = sum(round(float(line["total"]) * 100) for line in row["line_items"])
        assert cents["total"] == lines + cents["shipping_total"] + cents["total_tax"]
