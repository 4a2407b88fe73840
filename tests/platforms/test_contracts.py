"""That what calls and answers are held to is what the vendors say, and that another word of either is noticed."""

from __future__ import annotations

import json
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from platforms.registry import PLATFORMS
from platforms.shopify.simulator import Received as ShopifyReceived
from platforms.shopify.wire import API_VERSION
from tests.platforms import recharge_contract, shopify_contract, woocommerce_contract

RECORDED = Path(__file__).parent
HEADERS = {"x-recharge-version": "2021-11"}


def read(*path: str) -> Any:
    found = json.loads(RECORDED.joinpath(*path).read_text(encoding="utf-8"))
    return found["body"] if "request" in found else found


def test_every_platform_has_its_definition() -> None:
    for name in PLATFORMS:
        assert callable(import_module(f"tests.platforms.{name}_contract").faults)


def test_what_is_known_of_recharge_is_what_the_collected_reference_has() -> None:
    assert set(recharge_contract.CONTRACT["calls"]) == set(recharge_contract.PATHS)
    if not recharge_contract.CONTRACTS.exists():  # only where the contracts lie beside the repository
        return
    endpoints, models = (
        json.loads((recharge_contract.CONTRACTS / name).read_text(encoding="utf-8"))
        for name in ("endpoints.derived.json", "models.derived.schema.json")
    )
    assert recharge_contract.stripped(endpoints, models) == recharge_contract.CONTRACT


# ------------------------------------------------------------------------------------------------ WooCommerce


def woocommerce(method: str, path: str, answer: Any = None, query: Any = (), body: Any = None) -> list[str]:
    simulator = import_module("platforms.woocommerce.simulator")
    return woocommerce_contract.faults(simulator.Received(method, path, query, body, 200, answer))


@pytest.mark.parametrize(
    ("path", "recorded"),
    [
        ("/orders/13", ("captures", "order_get_paid.json")),
        ("/orders/13", ("captures", "order_get_fully_refunded.json")),
        ("/orders/13", ("captures", "order_get_guest_pending.json")),
        ("/orders", ("fixtures", "orders_list.json")),
        ("/orders/13/refunds", ("captures", "refund_create_lineitem.json")),
        ("/customers", ("captures", "customers_by_email.json")),
        ("/products", ("captures", "products_by_sku.json")),
        ("/subscriptions/1", ("fixtures", "subscription.json")),
    ],
)
def test_the_recorded_answers_of_a_shop_pass(path: str, recorded: tuple[str, str]) -> None:
    assert woocommerce("GET", path, read("woocommerce", *recorded)) == []


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"method": "GET", "path": "/orders", "query": (("email", "x"),), "answer": []}, "no parameter email"),
        ({"method": "GET", "path": "/order"}, "is no endpoint"),
        ({"method": "PUT", "path": "/orders/1", "body": {"state": "cancelled"}, "answer": {}}, "body.state is not in"),
        ({"method": "PUT", "path": "/orders/1", "body": {"status": 5}, "answer": {}}, "body.status is int, not string"),
        ({"method": "GET", "path": "/orders", "answer": [{"total": 12}]}, "answer.total is int, not string"),
        ({"method": "GET", "path": "/orders", "answer": [{"billing": {"mail": ""}}]}, "billing[0].mail is not in"),
        ({"method": "POST", "path": "/orders/1/notes", "body": {"text": "x"}}, "no property text"),
    ],
)
def test_what_woocommerces_tables_do_not_have_is_told(asked: dict[str, Any], said: str) -> None:
    [found] = woocommerce(**asked)
    assert said in found


def test_no_exception_to_woocommerces_tables_is_one_that_they_have() -> None:
    tables = {name: table for one in woocommerce_contract.CONTRACT.values() for name, table in one["tables"].items()}
    for heading, names in (*woocommerce_contract.BEYOND.items(), *woocommerce_contract.SENT_BEYOND.items()):
        assert not names & tables[heading].keys()
    assert all(name in tables[heading] for heading, name in woocommerce_contract.OTHERWISE)
    assert all(woocommerce_contract.section_of(*call) is None for call in woocommerce_contract.ALSO)


# ------------------------------------------------------------------------------------------------ Recharge


def recharge(method: str, path: str, answer: Any = None, query: Any = (), body: Any = None, **more: Any) -> list[str]:
    simulator = import_module("platforms.recharge.simulator")
    return recharge_contract.faults(
        simulator.Received(method, path, query, more.get("headers", HEADERS), body, 200, answer)
    )


@pytest.mark.parametrize(
    ("path", "recorded"),
    [
        ("/customers", "customers_list_by_email.json"),
        ("/subscriptions", "subscriptions_list.json"),
    ],
)
def test_the_recorded_answers_of_recharge_pass(path: str, recorded: str) -> None:
    found = read("recharge", recorded)
    assert recharge("GET", path, found if isinstance(found, dict) else {path[1:]: found}) == []


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"method": "GET", "path": "/orders", "query": (("email", "x"),)}, "no parameter email"),
        ({"method": "GET", "path": "/orders", "query": (("cursor", "x"), ("ids", "1"))}, "more than a limit"),
        ({"method": "POST", "path": "/subscriptions/1/pause", "body": {}}, "is no endpoint"),
        ({"method": "POST", "path": "/charges/1/refund", "body": {"sum": "1"}}, "no property sum"),
        ({"method": "GET", "path": "/orders", "headers": {}}, "version None"),
        ({"method": "GET", "path": "/orders", "answer": {"rows": []}}, "rows is not known"),
        ({"method": "GET", "path": "/charges", "answer": {"charges": [{"id": 1, "colour": "red"}]}}, "charge.colour"),
        ({"method": "GET", "path": "/charges", "answer": {"charges": [{"id": 1, "status": "odd"}]}}, "is 'odd'"),
        ({"method": "GET", "path": "/charges", "answer": {"charges": [{"id": 1, "total_price": 5}]}}, "is int, not"),
        ({"method": "GET", "path": "/charges", "answer": {"charges": [{}]}}, "charge.id is missing"),
    ],
)
def test_what_recharges_reference_does_not_have_is_told(asked: dict[str, Any], said: str) -> None:
    [found] = recharge(**asked)
    assert said in found


# ------------------------------------------------------------------------------------------------ Shopify


def test_what_shopifys_schema_does_not_have_is_told() -> None:
    fine = ShopifyReceived(
        f"/admin/api/{API_VERSION}/graphql.json", "A", {}, text="{ shop { currencyCode } }", answer={}
    )
    assert shopify_contract.faults(fine) == []
    odd: list[tuple[dict[str, Any], str]] = [
        ({"text": "{ shop { colour } }"}, "Cannot query field 'colour'"),
        ({"path": "/admin/api/2019-01/graphql.json"}, "another version is asked"),
        ({"answer": {"errors": [{"message": "Enum 'X' cannot represent value"}]}}, "cannot represent"),
    ]
    for changed, said in odd:
        [found] = shopify_contract.faults(replace(fine, **changed))
        assert said in found
