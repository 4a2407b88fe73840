"""The simulated shop itself: that it has the quirks, limits and errors which the adapter is to be held against."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import orjson
import pytest
from graphql import OperationDefinitionNode, parse

from platforms.shopify import documents
from platforms.shopify.adapter import _IN_LISTS
from platforms.shopify.seed import seed
from platforms.shopify.simulator import ALL_SCOPES, CREDENTIALS, Simulator, requested_cost, stamp
from platforms.transport import Call, Limits, Reply, Transport
from sandbox.serving import serve

NOW = datetime.now(UTC).replace(microsecond=0)
DAY = timedelta(days=1)

NUMBERS = "query A($q: String) { orders(first: 50, query: $q) { nodes { name } } }"


class Client:
    """Speaks to the shop without our adapter."""

    def __init__(self, simulator: Simulator, transport: Transport) -> None:
        self.simulator = simulator
        self.transport = transport

    async def send(self, path: str, body: bytes, headers: dict[str, str], method: str = "POST") -> Reply:
        def taken(reply: Reply) -> Reply:
            return Reply(reply.status, reply.headers, reply.body, accepted=True)

        return await self.transport.send(Call("test", method, path, headers=headers, body=body), judge=taken)

    async def ask(self, query: str, **variables: Any) -> Any:
        headers = {"X-Shopify-Access-Token": CREDENTIALS["token"], "Content-Type": "application/json"}
        body = orjson.dumps({"query": query, "variables": variables})
        reply = await self.send("admin/api/2026-10/graphql.json", body, headers)
        assert reply.status == 200
        assert reply.headers["x-shopify-api-version"] == "2026-10"
        return orjson.loads(reply.body)

    async def numbers(self, search: str) -> list[str]:
        answer = await self.ask(NUMBERS, q=search)
        return [node["name"] for node in answer["data"]["orders"]["nodes"]]


@asynccontextmanager
async def opened(**settings: Any) -> AsyncIterator[Client]:
    simulator = Simulator(seed(NOW), lambda: NOW, **settings)
    async with serve(simulator) as url:
        transport = Transport("us", url, limits=Limits(retries=0), allow_private=True)
        try:
            yield Client(simulator, transport)
        finally:
            await transport.close()


@pytest.fixture
async def shop() -> AsyncIterator[Client]:
    async with opened() as it:
        yield it


@pytest.mark.parametrize(
    ("search", "found"),
    [
        ("email:ann@example.com", ["#1007"]),  # a bare value: joann@ has it in it
        ('email:"ann@example.com"', []),
        ('email:"example.com"', ["#1005", "#1003", "#1006", "#1002", "#1007", "#1001", "#1004"]),
        ("customer_id:7001", ["#1003", "#1002", "#1001"]),
        ('customer_id:7003 OR email:"cleo@example.com"', ["#1005", "#1006", "#1007", "#1004"]),
        ("(customer_id:7001 OR customer_id:7002) AND status:closed", ["#1003"]),
        ("customer_id:7001 NOT status:closed", ["#1002", "#1001"]),
        ('name:"#1001"', ["#1001"]),
        ("name:'1001'", ["#1001"]),
        # Their names hold no instant, or two processes that collect the tests would not agree on them.
        pytest.param(f"processed_at:>='{stamp(NOW - 5 * DAY)}' customer_id:7001", ["#1002", "#1001"], id="since"),
        pytest.param(f"processed_at:<='{stamp(NOW - 40 * DAY)}'", ["#1005"], id="until"),
        ("", ["#1005", "#1003", "#1006", "#1002", "#1007", "#1001", "#1004"]),
    ],
)
async def test_a_search_matches_words_and_sorts_oldest_first(shop: Client, search: str, found: list[str]) -> None:
    assert await shop.numbers(search) == found


async def test_an_unknown_search_field_is_dropped_and_everything_comes_back_with_a_warning(shop: Client) -> None:
    answer = await shop.ask(NUMBERS, q='emial:"ada@example.com"')
    assert len(answer["data"]["orders"]["nodes"]) == 7
    (search,) = answer["extensions"]["search"]
    assert search["path"] == ["orders"]
    assert [(one["field"], one["code"]) for one in search["warnings"]] == [("emial", "invalid_field")]


async def test_a_list_without_a_size_is_refused_when_it_runs(shop: Client) -> None:
    answer = await shop.ask("{ orders { nodes { name } } }")
    (error,) = answer["errors"]
    assert error["message"] == "you must provide one of first or last"
    assert error["extensions"]["code"] == "BAD_REQUEST"


async def test_a_document_that_is_not_valid_does_not_begin(shop: Client) -> None:
    answer = await shop.ask("{ shop { colour } }")
    assert "data" not in answer
    assert answer["errors"][0]["extensions"]["code"] == "undefinedField"
    assert "data" not in await shop.ask("{ shop {")


async def test_a_page_goes_on_behind_its_cursor_both_ways(shop: Client) -> None:
    text = (
        "query A($after: String) { orders(first: 3, after: $after, reverse: true) "
        "{ edges { cursor node { name } } pageInfo { hasNextPage endCursor } } }"
    )
    first = (await shop.ask(text))["data"]["orders"]
    assert [edge["node"]["name"] for edge in first["edges"]] == ["#1004", "#1001", "#1007"]
    assert first["pageInfo"] == {"hasNextPage": True, "endCursor": first["edges"][-1]["cursor"]}
    second = (await shop.ask(text, after=first["edges"][1]["cursor"]))["data"]["orders"]
    assert [edge["node"]["name"] for edge in second["edges"]] == ["#1007", "#1002", "#1006"]
    wrong = await shop.ask(text, after="nowhere")
    assert wrong["errors"][0]["extensions"]["code"] == "BAD_REQUEST"


async def test_more_than_250_ids_are_refused(shop: Client) -> None:
    answer = await shop.ask("query A($ids: [ID!]!) { nodes(ids: $ids) { id } }", ids=["x"] * 251)
    assert "250" in answer["errors"][0]["message"]


async def test_an_order_older_than_60_days_is_not_there_without_the_scope() -> None:
    async with opened(scopes=[one for one in ALL_SCOPES if one != "read_all_orders"]) as shop:
        shop.simulator.state.order("450789003")["createdAt"] = stamp(NOW - 61 * DAY)
        assert await shop.numbers("customer_id:7001") == ["#1002", "#1001"]
        answer = await shop.ask('{ order(id: "gid://shopify/Order/450789003") { name } }')
        assert answer["data"] == {"order": None}
        assert "errors" not in answer


async def test_a_denied_field_that_may_not_be_null_takes_its_parent_with_it(shop: Client) -> None:
    shop.simulator.denied["Order.returns"] = "Access denied for returns field."
    answer = await shop.ask(
        '{ order(id: "gid://shopify/Order/450789002") { name returns(first: 1) { nodes { id } } } }'
    )
    assert answer["data"] == {"order": None}
    (error,) = answer["errors"]
    assert (error["path"], error["extensions"]["code"]) == (["order", "returns"], "ACCESS_DENIED")


# ------------------------------------------------------------------------------------------------------ cost and limits


async def test_an_answer_tells_its_cost_and_what_is_left() -> None:
    async with opened(maximum=2000.0, restore_rate=100.0) as shop:
        cost = (await shop.ask("{ orders(first: 50) { edges { node { id customer { id } } } } }"))["extensions"]["cost"]
        assert cost["requestedQueryCost"] == 2 + 7 * 2
        assert cost["actualQueryCost"] == 14
        assert cost["throttleStatus"]["maximumAvailable"] == 2000.0
        assert cost["throttleStatus"]["restoreRate"] == 100.0
        assert 1980 <= cost["throttleStatus"]["currentlyAvailable"] <= 2000


async def test_a_call_beyond_1000_points_is_refused_before_it_runs(shop: Client) -> None:
    lines = "lineItems(first: 250) { nodes { product { legacyResourceId } variant { legacyResourceId } } }"
    answer = await shop.ask(f"{{ orders(first: 250) {{ nodes {{ a: {lines} b: {lines} c: {lines} }} }} }}")
    assert answer["errors"][0]["extensions"] == {
        "code": "MAX_COST_EXCEEDED",
        "cost": 2 + 11 * (1 + 3 * (2 + 11 * 3)),
        "maxCost": 1000,
    }
    assert "data" not in answer
    assert shop.simulator.calls[0].cost is None


async def test_an_empty_bucket_throttles_with_a_200_and_no_data() -> None:
    async with opened(maximum=10.0, restore_rate=1.0) as shop:
        answer = await shop.ask("{ orders(first: 50) { nodes { customer { legacyResourceId } } } }")
        assert "data" not in answer
        assert answer["errors"][0]["extensions"]["code"] == "THROTTLED"
        assert answer["extensions"]["cost"]["actualQueryCost"] is None
        assert answer["extensions"]["cost"]["requestedQueryCost"] == 16


@pytest.mark.parametrize("document", documents.ALL, ids=lambda document: document.name)
def test_the_shop_charges_what_the_vendors_rules_come_to(document: documents.Document[Any]) -> None:
    parts = {f"with{part}": True for part in ("Lines", "Fulfillments", "Returns", "Refunds", "Addresses", "StatusUrl")}
    variables = {**_IN_LISTS.variables(), **parts, "withCycles": True, "first": 20}
    operation = next(one for one in document.tree.definitions if isinstance(one, OperationDefinitionNode))
    known = {
        "OrdersFound": 862,
        "OrdersById": 172,
        "Probe": 4,
        "ReturnReasons": 11,
        "CustomerByEmail": 9,
        "CustomersById": 9,
        "OrderCancelJob": 2,
    }
    cost = requested_cost(document.tree, operation, variables)
    if document.writes:
        assert cost == 10
    elif document.name in known:
        assert cost == known[document.name]
    else:
        assert 10 < cost < 1000


def test_a_part_left_out_costs_nothing() -> None:
    document = parse("query A($w: Boolean!) { shop { currencyCode } publicApiVersions @include(if: $w) { handle } }")
    operation = next(one for one in document.definitions if isinstance(one, OperationDefinitionNode))
    assert (requested_cost(document, operation, {"w": True}), requested_cost(document, operation, {"w": False})) == (
        2,
        1,
    )


# ---------------------------------------------------------------------------------------------------------------- HTTP


@pytest.mark.parametrize(
    ("path", "token", "body", "status", "errors"),
    [
        ("admin/api/2026-10/graphql.json", "wrong", b"{}", 401, "[API] Invalid API key or access token"),
        ("admin/api/2026-10/graphql.json", CREDENTIALS["token"], b"{", 400, {"query": "Required parameter missing or"}),
        ("admin/api/2026-10/orders.json", CREDENTIALS["token"], b"{}", 404, "Not Found"),
    ],
)
async def test_errors_come_in_the_vendors_shapes(
    shop: Client, path: str, token: str, body: bytes, status: int, errors: Any
) -> None:
    reply = await shop.send(path, body, {"X-Shopify-Access-Token": token})
    assert reply.status == status
    said = orjson.loads(reply.body)["errors"]
    assert type(said) is type(errors)
    assert str(said).startswith(str(errors).rstrip("'}"))


async def test_a_token_is_given_for_credentials_and_ends(shop: Client) -> None:
    def form(secret: str) -> bytes:
        grant = {"grant_type": "client_credentials", "client_id": "sandbox-client", "client_secret": secret}
        return urlencode(grant).encode()

    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    shop.simulator.token_seconds = 60.0
    reply = await shop.send("admin/oauth/access_token", form("sandbox-secret"), headers)
    given = orjson.loads(reply.body)
    call = ("admin/api/2026-10/graphql.json", b'{"query":"{ shop { currencyCode } }"}')
    key = {"X-Shopify-Access-Token": given["access_token"]}
    assert (given["expires_in"], (await shop.send(*call, key)).status) == (60, 200)
    shop.simulator.tokens[given["access_token"]] = time.monotonic() - 1
    assert (await shop.send(*call, key)).status == 401
    assert (await shop.send("admin/oauth/access_token", form("wrong"), headers)).status == 400


# ------------------------------------------------------------------------------------------------------------- changes


CANCEL = """mutation A($id: ID!) {
  orderCancel(orderId: $id, reason: CUSTOMER, restock: true, refundMethod: {originalPaymentMethodsRefund: true}) {
    jobResult { id done status }
    orderCancelUserErrors { code message }
  }
}"""


async def test_a_cancellation_takes_its_time_and_cannot_be_asked_for_twice() -> None:
    async with opened(cancel_polls=99, cancel_seconds=60.0) as shop:
        order = "gid://shopify/Order/450789004"
        made = (await shop.ask(CANCEL, id=order))["data"]["orderCancel"]
        assert (made["jobResult"]["done"], made["jobResult"]["status"]) == (False, "STARTED")
        again = (await shop.ask(CANCEL, id=order))["data"]["orderCancel"]
        assert again["jobResult"] is None
        assert [error["code"] for error in again["orderCancelUserErrors"]] == ["INVALID"]
        assert shop.simulator.state.objects[order]["cancelledAt"] is None
        for job in shop.simulator._jobs.values():
            job.ready_at = 0.0
        answer = await shop.ask("query A($id: ID!) { order(id: $id) { cancelledAt refunds { id } } }", id=order)
        assert answer["data"]["order"]["cancelledAt"] == stamp(NOW)
        assert len(answer["data"]["order"]["refunds"]) == 1
        assert [call.operation for call in shop.simulator.writes] == [None, None]


async def test_a_refund_needs_a_key_and_is_made_once_for_it(shop: Client) -> None:
    def text(directive: str) -> str:
        return (
            f"mutation A($input: RefundInput!, $key: String = null) {{ refundCreate(input: $input) {directive} "
            "{ refund { id totalRefundedSet { shopMoney { amount } } } userErrors { field message } } }"
        )

    order = shop.simulator.state.order("450789002")
    paid = {
        "amount": "12.50",
        "kind": "REFUND",
        "gateway": "shopify_payments",
        "orderId": order["id"],
        "parentId": order["transactions"][0]["id"],
    }
    item = {"lineItemId": order["lineItems"][1]["id"], "quantity": 1, "restockType": "RETURN"}
    asked = {"orderId": order["id"], "transactions": [paid], "refundLineItems": [item]}
    for bare in ("", '@idempotent(key: " ")'):
        refused = await shop.ask(text(bare).replace(", $key: String = null", ""), input=asked)
        assert refused["errors"][0]["extensions"]["code"] == "BAD_REQUEST"
    assert order["refunds"] == []
    keyed = text("@idempotent(key: $key)").replace("$key: String = null", "$key: String!")
    first = (await shop.ask(keyed, input=asked, key="k"))["data"]["refundCreate"]
    again = (await shop.ask(keyed, input=asked, key="k"))["data"]["refundCreate"]
    assert first == again
    assert first["userErrors"] == []
    assert first["refund"]["totalRefundedSet"]["shopMoney"]["amount"] == "12.50"
    other = (await shop.ask(keyed, input={**asked, "refundLineItems": []}, key="k"))["data"]["refundCreate"]
    assert (other["refund"], len(other["userErrors"]), len(order["refunds"])) == (None, 1, 1)
    assert (order["displayFinancialStatus"], order["lineItems"][1]["refundableQuantity"]) == ("PARTIALLY_REFUNDED", 1)


async def test_every_call_is_kept_and_every_write_named(shop: Client) -> None:
    await shop.numbers("customer_id:7001")
    await shop.ask(CANCEL, id="gid://shopify/Order/404")
    assert len(shop.simulator.calls) == 2
    (write,) = shop.simulator.writes
    assert write.variables == {"id": "gid://shopify/Order/404"}


def test_it_starts_fast() -> None:
    timed = (
        "import time; import platforms.shopify.simulator as s; t = time.perf_counter(); s.schema();"
        "print(time.perf_counter() - t)"
    )
    ran = subprocess.run([sys.executable, "-c", timed], capture_output=True, text=True, check=True, cwd=_root())
    assert float(ran.stdout) < 1.0  # about 0.03 s on a quiet machine


def _root() -> str:
    return str(Path(__file__).parents[2])
