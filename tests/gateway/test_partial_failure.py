"""One store in trouble: what the others know still arrives, in time, and the one that is missing is named."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from gateway.operations import document
from gateway.settings import Deadlines
from sandbox.faults import Fault
from tests.running import Gateway, running_gateway

#: Seconds that a store has, and what an answer may take beyond them on a slow machine.
STORE_SECONDS = 1.0
SLACK = 5.0

#: How each trouble is named.
TROUBLES = {
    "500": "PLATFORM_UNAVAILABLE",
    "drop": "PLATFORM_UNAVAILABLE",
    "latency:9000ms": "PLATFORM_UNAVAILABLE",
    "429": "PLATFORM_THROTTLED",
    "garbage": "PLATFORM_UNAVAILABLE",
}
ADA = {"email": "ada@example.com"}
#: Ada's orders of the shops that still answer, newest first.
ORDERS = {"us": ["2001", "2004"], "eu": ["1001", "1002", "1003"], "subs": ["2001", "1001", "1002", "2004", "1003"]}
PRODUCTS = "query($id: ID!) { order(id: $id) { number lines { title product { title } } customer { email } } }"


@pytest.fixture
async def hurried(tmp_path: Path) -> AsyncIterator[Gateway]:
    """A gateway whose stores have a second, with everything asked for once, so that only the trouble takes time."""
    async with running_gateway(tmp_path, deadlines=Deadlines(store_seconds=STORE_SECONDS)) as running:
        await running.run("SupportView", ADA)
        yield running


async def timed(gateway: Gateway, query: str, variables: Any, fault: str) -> tuple[dict[str, Any], list[Any]]:
    """Data and errors of an answer that came in time."""
    started = time.monotonic()
    answer = await gateway.ask(query, variables, headers={"X-Sandbox-Fault": fault})
    assert time.monotonic() - started < STORE_SECONDS + SLACK
    return answer["data"], answer.get("errors", [])


def codes(issues: list[Any]) -> list[tuple[str, str]]:
    return [(issue["store"]["id"], issue["code"]) for issue in issues]


#: Each store down, and each trouble at one; every platform's reading of each trouble is the conformance suite's.
@pytest.mark.parametrize(
    "fault",
    ["us=500", "eu=500", "subs=500", "eu=drop", "us=latency:9000ms", "subs=latency:9000ms", "eu=429", "us=garbage"],
)
async def test_the_others_answer_in_time_and_the_store_is_named(hurried: Gateway, fault: str) -> None:
    store, _, trouble = fault.partition("=")
    named = [(f"Store:{store}", TROUBLES[trouble])]
    data, errors = await timed(hurried, document("SupportView"), ADA, fault)
    ada = data["customer"]
    assert (ada["complete"], codes(ada["issues"])) == (False, named)
    assert ada["email"] == "ada@example.com"
    assert [f"Store:{key}" for key in ("us", "eu", "subs") if key != store] == [
        one["source"]["store"]["id"] for one in ada["profiles"]
    ]
    assert [order["number"] for order in ada["orders"]["nodes"]] == ORDERS[store]
    assert ada["orders"]["complete"] is (store == "subs")
    assert [found["id"] for found in ada["subscriptions"]["nodes"]] == (
        [] if store == "subs" else ["SubscriptionContract:subs:9001"]
    )
    # Shopify keeps no subscriptions of this app; WooCommerce could have some.
    assert ada["subscriptions"]["complete"] is (store == "us")
    assert errors == []

    data, errors = await timed(hurried, document("WhereIsMyOrder"), {"number": "1001"}, fault)
    found = data["lookupOrder"]
    assert [order["number"] for order in found["orders"]] == ([] if store == "us" else ["1001"])
    # A subscription store keeps no orders of its own, so nothing is missing without it.
    assert (found["complete"], codes(found["issues"])) == ((True, []) if store == "subs" else (False, named))
    assert errors == []


@pytest.mark.parametrize("store", ["us", "eu", "subs"])
async def test_what_cannot_be_counted_everywhere_is_null(hurried: Gateway, store: str) -> None:
    data, errors = await timed(hurried, document("WhoIsThis"), ADA, f"{store}=500")
    ada = data["customer"]
    assert (ada["complete"], codes(ada["issues"])) == (False, [(f"Store:{store}", "PLATFORM_UNAVAILABLE")])
    assert ada["issues"][0]["message"]
    assert [order["number"] for order in ada["orders"]["nodes"]] == ORDERS[store]
    # Returns and refunds are the shops' to know; how many orders there ever were, each store's own count.
    assert (ada["stats"]["orderCount"], ada["stats"]["totalSpent"]) == (None, None)
    assert ada["stats"]["returnCount90d"] == (0 if store == "subs" else None)
    assert ada["stats"]["refundTotal90d"] == ([] if store == "subs" else None)
    assert errors == []


@pytest.mark.parametrize(
    ("store", "complete", "subscriptions", "failed"),
    [
        ("us", True, 1, [["subscriptions", "nodes", 0, "lines", 0, "product"]]),
        ("eu", False, 1, []),
        ("subs", False, 0, []),
    ],
)
async def test_subscriptions_are_shown_without_the_shop_and_its_product_is_null(
    hurried: Gateway, store: str, complete: bool, subscriptions: int, failed: list[Any]
) -> None:
    data, errors = await timed(hurried, document("MySubscriptions"), ADA, f"{store}=500")
    found = data["subscriptions"]
    assert (found["complete"], len(found["nodes"])) == (complete, subscriptions)
    assert [issue["store"]["id"] for issue in found["issues"]] == ([] if complete else [f"Store:{store}"])
    assert [error["path"] for error in errors] == failed
    for error in errors:
        assert error["extensions"]["code"] == "PLATFORM_UNAVAILABLE"
        assert found["nodes"][0]["lines"][0]["title"] == "Coffee Beans 1kg"
        assert found["nodes"][0]["lines"][0]["product"] is None


@pytest.mark.parametrize(("trouble", "code"), TROUBLES.items(), ids=TROUBLES)
async def test_a_single_node_that_cannot_be_read_is_null_with_one_error(
    hurried: Gateway, trouble: str, code: str
) -> None:
    query = """{
      lost: order(id: "Order:us:450789002") { number lines { title } }
      kept: order(id: "Order:eu:2001") { number }
      node(id: "Order:us:450789001") { id }
      nodes(ids: ["Product:us:8001", "Product:eu:501"]) { id }
    }"""
    data, errors = await timed(hurried, query, {}, f"us={trouble}")
    assert data == {"lost": None, "kept": {"number": "2001"}, "node": None, "nodes": [None, {"id": "Product:eu:501"}]}
    assert sorted(error["path"][0] for error in errors) == ["lost", "node", "nodes"]
    for error in errors:
        assert (error["extensions"]["code"], error["extensions"]["store"]) == (code, "us")
        assert error["extensions"]["retryable"] is True
        assert "127.0.0.1" not in error["message"]
        assert "Welcome to your new shop" not in error["message"]


async def test_a_guest_whom_only_the_lost_store_could_know_is_not_said_to_be_nobody(hurried: Gateway) -> None:
    bob = {"email": "bob@example.com"}
    data, errors = await timed(hurried, document("WhoIsThis"), bob, "us=500")
    assert (data["customer"]["isGuest"], data["customer"]["complete"]) == (True, False)
    assert [order["number"] for order in data["customer"]["orders"]["nodes"]] == ["2002"]
    assert errors == []
    data, errors = await timed(hurried, document("WhoIsThis"), bob, "eu=500, us=429")
    assert data == {"customer": None}
    assert [error["path"] for error in errors] == [["customer"]]
    assert errors[0]["extensions"]["code"] in ("PLATFORM_UNAVAILABLE", "PLATFORM_THROTTLED")


@pytest.mark.parametrize(("trouble", "code"), [("500", "PLATFORM_UNAVAILABLE"), ("429", "PLATFORM_THROTTLED")])
async def test_a_failed_link_is_null_with_one_error_and_costs_nothing_else(
    hurried: Gateway, trouble: str, code: str
) -> None:
    hurried.shops["eu"].faulty.faults.append(Fault("eu", trouble, path="/products"))
    answer = await hurried.ask(PRODUCTS, {"id": "Order:eu:2001"})
    order = answer["data"]["order"]
    assert (order["number"], order["customer"]["email"]) == ("2001", "ada@example.com")
    assert [(line["title"], line["product"]) for line in order["lines"]] == [("Leinenhemd", None), ("Wollmütze", None)]
    # Two lines, one trouble: told once.
    [error] = answer["errors"]
    assert error["path"] == ["order", "lines", 0, "product"]
    assert (error["extensions"]["code"], error["extensions"]["store"]) == (code, "eu")


async def test_a_store_that_answers_again_is_asked_again(hurried: Gateway) -> None:
    await timed(hurried, document("WhereIsMyOrder"), {"number": "1001"}, "us=429")
    for _ in range(50):  # the shop asked to wait two seconds
        data, _ = await timed(hurried, document("WhereIsMyOrder"), {"number": "1001"}, "")
        if data["lookupOrder"]["complete"]:
            break
        await asyncio.sleep(0.1)
    assert [order["number"] for order in data["lookupOrder"]["orders"]] == ["1001"]


# ------------------------------------------------------------------ actions
async def test_an_action_on_a_store_that_is_down_does_nothing_and_keeps_its_key(hurried: Gateway) -> None:
    asked = {"input": {"orderId": "Order:us:450789004"}, "key": "later"}
    data, errors = await timed(hurried, document("CancelIt"), asked, "us=garbage")
    problem = data["cancelOrder"]["problem"]
    assert errors == []
    assert (problem["__typename"], problem["retryable"]) == ("PlatformUnavailable", True)
    assert hurried.writes() == {"us": 0, "eu": 0, "subs": 0}
    again = (await hurried.run("CancelIt", asked))["cancelOrder"]
    assert again["problem"] is None
    assert again["action"]["state"] in ("PENDING", "SUCCEEDED")
    assert hurried.writes() == {"us": 1, "eu": 0, "subs": 0}


@pytest.mark.parametrize("lost", ["500-after", "drop-after"])
async def test_a_write_whose_answer_is_lost_is_found_by_reading_and_never_sent_twice(
    hurried: Gateway, lost: str
) -> None:
    shop = hurried.shops["eu"]
    line = (await hurried.run("MayIReturnIt", {"id": "Order:eu:2002"}))["order"]["lines"][0]["id"]
    asked = {"orderId": "Order:eu:2002", "lines": [{"lineId": line, "quantity": 1, "reason": "UNWANTED"}]}
    shop.faulty.faults.append(Fault("eu", lost, path="/orders/2002/notes"))
    answer = (await hurried.run("ReturnIt", {"input": asked, "key": "lost"}))["returnOrder"]
    assert len(shop.simulator.writes) == 1
    shop.faulty.faults.clear()
    for _ in range(100):
        action = (await hurried.run("HowIsMyRequest", {"id": answer["action"]["id"]}))["action"]
        if action["state"] == "SUCCEEDED":
            break
        assert action["state"] in ("UNKNOWN", "RUNNING")
        await asyncio.sleep(0.1)
    assert action["state"] == "SUCCEEDED"
    again = (await hurried.run("ReturnIt", {"input": asked, "key": "lost"}))["returnOrder"]
    assert (again["replayed"], again["returnRecord"]["heldBy"]) == (True, "GATEWAY")
    assert len(shop.simulator.writes) == 1
