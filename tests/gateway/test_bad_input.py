"""What cannot be right, one row each: the code it is answered with, and the words that name the place and the cure."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import aiohttp
import pytest
import pytest_asyncio

from gateway.app import build_app
from gateway.runtime import Runtime
from gateway.settings import ApiKey
from platforms.secrets import SecretText
from sandbox.people import BOT_KEY
from sandbox.serving import serve
from sandbox.world import PLANS, sandbox_settings
from tests.running import Gateway

pytestmark = pytest.mark.asyncio(loop_scope="module")

ADA = 'customerEmail: "ada@example.com"'
NOT_AN_ID = "not an id of this API: expected one like Order:us:1001, as answers give it"
NOT_AN_EMAIL = "not an e-mail address: expected one like ada@example.com"
NOT_A_CURSOR = "not a cursor of this API: give an endCursor or a cursor just as it came"
STORES = "the stores are: us, eu, subs"


# ------------------------------------------------------------------ what is not there
@pytest.mark.parametrize(
    "field",
    [
        'order(id: "Order:us:1")',
        'order(id: "Order:us:abc")',
        'order(id: "Order:us:99999999999999999999")',
        'order(id: "Order:eu:1")',
        'order(id: "Order:eu:abc")',
        'order(id: "Order:eu:99999999999999999999")',
        'order(id: "Order:subs:1")',
        'order(id: "Order:xx:1")',
        'product(id: "Product:us:1")',
        'product(id: "Product:eu:abc")',
        'product(id: "Product:xx:1")',
        'subscription(id: "SubscriptionContract:subs:1")',
        'subscription(id: "SubscriptionContract:subs:abc")',
        'subscription(id: "SubscriptionContract:us:9001")',
        'action(id: "Action:1")',
        'node(id: "Return:us:450789002:1")',
        'node(id: "Refund:eu:2001:1")',
        'node(id: "CustomerProfile:us:1")',
        'node(id: "CustomerProfile:eu:abc")',
        'node(id: "Store:xx")',
        'customer(by: {email: "nobody@example.com"})',
    ],
)
async def test_what_is_not_there_is_null_without_an_error(standing: Gateway, field: str) -> None:
    answer = await standing.ask(f"{{ found: {field} {{ id }} }}")
    assert (answer["data"], answer.get("errors")) == ({"found": None}, None)


# ------------------------------------------------------------------ reads
class Read(NamedTuple):
    """A field, the argument that is wrong (None: the document itself, or its message names it), and the cure."""

    field: str
    argument: str | None
    says: str


def first_must(field: str, given: int) -> Read:
    return Read(field, None, f"first must be between 1 and 100, not {given}")


READS = [
    # other types' ids, and what is no id
    Read('order(id: "Product:us:8001") { id }', "id", "this is the id of Product; an id of Order is needed"),
    Read('product(id: "Order:us:1") { id }', "id", "this is the id of Order; an id of Product is needed"),
    Read('subscription(id: "Order:us:1") { id }', "id", "an id of SubscriptionContract is needed"),
    Read('action(id: "Order:us:1") { id }', "id", "this is the id of Order; an id of Action is needed"),
    Read('customer(by: {id: "Order:us:1"}) { id }', "by.id", "this is the id of Order; an id of Customer is needed"),
    Read('customer(by: {id: "Customer:abc"}) { id }', "by.id", "not the id of a customer of this gateway"),
    Read('order(id: "") { id }', "id", NOT_AN_ID),
    Read('order(id: "1001") { id }', "id", NOT_AN_ID),
    Read('order(id: "Order:us:") { id }', "id", NOT_AN_ID),
    Read('order(id: "Order:us:%zz") { id }', "id", "it is not written as answers give it"),
    Read('order(id: "Order:us:1:2") { id }', "id", "not an id of Order: expected 2 parts after the type"),
    Read(f'order(id: "Order:us:{"1" * 600}") {{ id }}', "id", "an id has at most 512 characters"),
    Read('node(id: "OrderLine:us:1:2") { id }', "id", "there are no nodes of type 'OrderLine'"),
    Read('nodes(ids: ["nonsense"]) { id }', "ids", NOT_AN_ID),
    Read("nodes(ids: [" + '"Order:us:1" ' * 101 + "]) { id }", "ids", "at most 100 ids at once, not 101"),
    Read('_entities(representations: [{__typename: "Order", id: "1"}]) { __typename }', None, NOT_AN_ID),
    Read(
        '_entities(representations: [{__typename: "Order", id: "Product:us:1"}]) { __typename }',
        None,
        "this is not the id of Order",
    ),
    Read('_entities(representations: [{__typename: "Order"}]) { __typename }', "representations", "each needs its id"),
    Read('_entities(representations: [{id: "Order:us:1"}]) { __typename }', "representations", "a __typename that is"),
    Read(
        '_entities(representations: [{__typename: "Shop", id: "Order:us:1"}]) { __typename }',
        "representations",
        "one of Action, Customer,",
    ),
    # e-mail addresses
    Read('customer(by: {email: "nonsense"}) { id }', "by.email", NOT_AN_EMAIL),
    Read('customer(by: {email: ""}) { id }', "by.email", NOT_AN_EMAIL),
    Read('customer(by: {email: "ada@example.com OR cleo@example.com"}) { id }', "by.email", NOT_AN_EMAIL),
    Read('customer(by: {email: "ada@-.com"}) { id }', "by.email", "the part after @ is not a domain name"),
    Read("customer(by: {}) { id }", None, "must specify exactly one key"),
    Read('customer(by: {email: "a@b.c", id: "x"}) { id }', None, "must specify exactly one key"),
    Read("customer(by: {email: null}) { id }", None, "'CustomerBy.email' must be non-null"),
    Read('orders(customerEmail: "@") { complete }', "customerEmail", NOT_AN_EMAIL),
    Read("orders { complete }", "customerEmail", "name the customer: customerEmail is needed"),
    Read("subscriptions { complete }", "customerEmail", "name the customer: customerEmail is needed"),
    Read('subscriptions(customerEmail: "a b@c.de") { complete }', "customerEmail", NOT_AN_EMAIL),
    Read('lookupOrder(number: "1001", email: "x") { complete }', "email", NOT_AN_EMAIL),
    # page sizes
    first_must(f"orders({ADA}, first: 0) {{ complete }}", 0),
    first_must(f"orders({ADA}, first: -1) {{ complete }}", -1),
    first_must(f"orders({ADA}, first: 101) {{ complete }}", 101),
    first_must(f"orders({ADA}, first: 1000) {{ complete }}", 1000),
    Read(f"orders({ADA}, first: 3000000000) {{ complete }}", None, "Int cannot represent non 32-bit signed integer"),
    first_must(f"subscriptions({ADA}, first: 0) {{ complete }}", 0),
    first_must("actions(first: 1000) { pageInfo { hasNextPage } }", 1000),
    first_must('customer(by: {email: "ada@example.com"}) { orders(first: 0) { complete } }', 0),
    first_must('customer(by: {email: "ada@example.com"}) { returns(first: 1000) { complete } }', 1000),
    first_must('customer(by: {email: "ada@example.com"}) { subscriptions(first: 0) { complete } }', 0),
    first_must('product(id: "Product:us:8001") { variants(first: 1000) { id } }', 1000),
    # cursors
    Read(f'orders({ADA}, after: "nonsense") {{ complete }}', "after", NOT_A_CURSOR),
    Read(f'orders({ADA}, after: "") {{ complete }}', "after", NOT_A_CURSOR),
    Read(f'subscriptions({ADA}, after: "%%%") {{ complete }}', "after", NOT_A_CURSOR),
    Read('actions(after: "nonsense") { pageInfo { hasNextPage } }', None, "after is not a cursor of this list"),
    Read('customer(by: {email: "ada@example.com"}) { returns(after: "x") { complete } }', "after", NOT_A_CURSOR),
    # stores
    Read(f'orders({ADA}, stores: ["xx"]) {{ complete }}', "stores", f"there is no store 'xx'; {STORES}"),
    Read(
        f'orders({ADA}, stores: ["Order:us:1"]) {{ complete }}', "stores", f"there is no store 'Order:us:1'; {STORES}"
    ),
    Read('lookupOrder(number: "1", store: "Store:xx") { complete }', "store", f"no store 'Store:xx'; {STORES}"),
    Read('customer(by: {email: "ada@example.com"}, stores: ["xx"]) { id }', "stores", f"no store 'xx'; {STORES}"),
    Read(f'subscriptions({ADA}, stores: ["xx"]) {{ complete }}', "stores", f"no store 'xx'; {STORES}"),
    # the rest of what a field takes
    Read('lookupOrder(number: "") { complete }', "number", "an order number has 1 to 64 characters, such as 1001"),
    Read('lookupOrder(number: " # ") { complete }', "number", "an order number has 1 to 64 characters"),
    Read(f'lookupOrder(number: "{"1" * 65}") {{ complete }}', "number", "an order number has 1 to 64 characters"),
    Read(
        'lookupOrder(number: "1", postalCode: "--") { complete }', "postalCode", "a postal code has letters or digits"
    ),
    Read(
        f'orders({ADA}, filter: {{placedAfter: "2026-01-01T00:00:00"}}) {{ complete }}',
        "filter.placedAfter",
        "a time needs an offset, such as 2026-11-01T00:00:00Z",
    ),
    Read(f'orders({ADA}, filter: {{placedAfter: "now"}}) {{ complete }}', None, "cannot represent a DateTime"),
    Read(f"orders({ADA}, filter: {{status: [SENT]}}) {{ complete }}", None, "'SENT' does not exist in 'OrderStatus'"),
    Read('actions(filter: {targetId: "nonsense"}) { pageInfo { hasNextPage } }', None, NOT_AN_ID),
    Read("preview(input: {}) { summary }", None, "must specify exactly one key"),
    # the document
    Read("nothing", None, "Cannot query field 'nothing' on type 'Query'."),
    Read("order { id }", None, "'Query.order(id:)' of type 'ID!' is required"),
]


@pytest.mark.parametrize("read", READS, ids=lambda row: row.field[:60])
async def test_a_read_that_cannot_be_right_names_the_place_and_the_cure(standing: Gateway, read: Read) -> None:
    before = standing.writes()
    answer = await standing.ask(f"{{ {read.field} }}")
    [error] = answer["errors"]
    assert error["extensions"]["code"] == "INVALID_INPUT"
    assert error["extensions"].get("argument") == read.argument
    assert read.says in error["message"]
    assert standing.writes() == before


@pytest.mark.parametrize(
    ("document", "says"),
    [
        ("{", "Syntax Error"),
        ("query A { stores { id } } query B { stores { id } }", "name the one to run in `operationName`"),
        ("query ($id: ID!) { order(id: $id) { id } }", "Variable '$id' has invalid value"),
        ("fragment F on Order { id }", ""),
    ],
)
async def test_a_document_that_cannot_run_says_why(standing: Gateway, document: str, says: str) -> None:
    async with standing.session.post(f"{standing.url}/graphql", json={"query": document}) as response:
        assert response.status in (200, 400)
        [error] = json.loads(await response.text())["errors"]
    assert error["extensions"]["code"] in ("INVALID_INPUT", "BAD_REQUEST")
    assert says in error["message"]


async def test_what_looks_like_a_search_finds_nothing(standing: Gateway) -> None:
    for number in ("*", '1001" OR id:1', "1001 OR 1002", "name:#1001", "\u0000", "%"):
        query = "query($number: String!) { lookupOrder(number: $number) { orders { id } } }"
        answer = await standing.ask(query, {"number": number})
        assert answer["data"] == {"lookupOrder": {"orders": []}}, number


# ------------------------------------------------------------------ writes
ORDER, LINE, PLAN = "Order:us:450789002", "OrderLine:us:450789002:4507890021", "SubscriptionContract:subs:9001"
MUTATIONS = {
    "returnOrder": "ReturnOrderInput",
    "cancelOrder": "CancelOrderInput",
    "pauseSubscription": "PauseSubscriptionInput",
    "resumeSubscription": "ResumeSubscriptionInput",
    "cancelSubscription": "CancelSubscriptionInput",
}


def back(*lines: Mapping[str, Any], order: str = ORDER) -> dict[str, Any]:
    row = {"lineId": LINE, "quantity": 1, "reason": "UNWANTED"}
    return {"orderId": order, "lines": [row | line for line in lines]}


class Write(NamedTuple):
    """A mutation with its input, the problem's code, and where it points and what it says there."""

    mutation: str
    input: Mapping[str, Any]
    code: str = "INVALID_INPUT"
    path: str = ""
    says: str = ""


WRITES = [
    Write("returnOrder", back({}, order="Order:us:1"), "NOT_FOUND"),
    Write("returnOrder", back({}, order="nonsense"), path="orderId", says=NOT_AN_ID),
    Write("returnOrder", back({}, order="Product:us:8001"), path="orderId", says="an id of Order is needed"),
    Write("cancelOrder", {"orderId": "Order:xx:1"}, path="orderId", says="there is no such store here"),
    Write("cancelOrder", {"orderId": "Order:subs:1"}, "UNSUPPORTED"),
    Write("cancelOrder", {"orderId": "Order:eu:999"}, "NOT_FOUND"),
    Write("cancelOrder", {"orderId": ORDER, "note": "x" * 1001}, path="note", says="at most 1000 characters"),
    Write("returnOrder", back(), path="lines", says="name at least one line of the order"),
    Write("returnOrder", back(*[{}] * 101), path="lines", says="at most 100 lines at once"),
    Write("returnOrder", back({"quantity": 0}), path="lines.0.quantity", says="at least 1"),
    Write("returnOrder", back({"quantity": -1}), path="lines.0.quantity", says="at least 1"),
    Write("returnOrder", back({"quantity": 2_000_000}), path="lines.0.quantity", says="at most 1000000"),
    Write("returnOrder", back({"quantity": 5}), "POLICY_DENIED"),
    Write("returnOrder", back({}, {}), path="lines.1.lineId", says="this line is named twice"),
    Write(
        "returnOrder", back({"lineId": f"OrderLine:us:{ORDER[9:]}:1"}), path="lines.0.lineId", says="not on the order"
    ),
    Write(
        "returnOrder",
        back({"lineId": "OrderLine:us:450789001:4507890011"}),
        path="lines.0.lineId",
        says="this line is not on the order",
    ),
    Write("returnOrder", back({"lineId": "OrderLine:eu:2001:1"}), path="lines.0.lineId", says="not on the order"),
    Write("returnOrder", back({"lineId": "nonsense"}), path="lines.0.lineId", says=NOT_AN_ID),
    Write("returnOrder", back({"lineId": ORDER}), path="lines.0.lineId", says="an id of OrderLine is needed"),
    Write("returnOrder", back({"note": "x" * 1001}), path="lines.0.note", says="at most 1000 characters"),
    Write("returnOrder", back({"note": "a\u0000b"}), path="lines.0.note", says="U+0000"),
    Write("pauseSubscription", {"subscriptionId": PLAN}, path="until", says="needs the day on which"),
    Write("pauseSubscription", {"subscriptionId": PLAN, "until": "2020-01-01"}, path="until", says="must lie ahead"),
    Write("pauseSubscription", {"subscriptionId": f"{PLAN}0", "until": "2099-01-01"}, "NOT_FOUND"),
    Write("pauseSubscription", {"subscriptionId": "SubscriptionContract:us:1", "until": "2099-01-01"}, "UNSUPPORTED"),
    Write("resumeSubscription", {"subscriptionId": ORDER}, path="subscriptionId", says="of SubscriptionContract is"),
    Write("cancelSubscription", {"subscriptionId": PLAN, "reason": " "}, path="reason", says="it may not be empty"),
    Write("cancelSubscription", {"subscriptionId": PLAN, "reason": "x" * 501}, path="reason", says="at most 500"),
]


def asking(name: str) -> str:
    return (
        f"mutation ($input: {MUTATIONS[name]}!, $key: String!) {{ done: {name}(input: $input, idempotencyKey: $key) {{"
        " problem { code message customerMessage ... on InvalidInput { fields { path message } } } } }"
    )


@pytest.mark.parametrize("number", range(len(WRITES)), ids=[f"{w.mutation}-{w.path or w.code}" for w in WRITES])
async def test_a_write_that_cannot_be_right_is_refused_with_its_fields(standing: Gateway, number: int) -> None:
    row, before = WRITES[number], standing.writes()
    answer = await standing.ask(asking(row.mutation), {"input": row.input, "key": f"bad-{number}"})
    assert "errors" not in answer
    problem = answer["data"]["done"]["problem"]
    assert problem["code"] == row.code
    assert problem["customerMessage"]
    if row.code == "INVALID_INPUT":
        [field] = problem["fields"]
        assert ".".join(field["path"]) == f"input.{row.path}"
        assert row.says in field["message"]
    assert standing.writes() == before


@pytest.mark.parametrize(
    ("key", "says"),
    [("", "a key is needed"), ("  ", "a key is needed"), ("k" * 256, "a key has at most 255 characters")],
)
async def test_a_key_that_is_none_is_refused(standing: Gateway, key: str, says: str) -> None:
    answer = await standing.ask(asking("returnOrder"), {"input": back({}), "key": key})
    [field] = answer["data"]["done"]["problem"]["fields"]
    assert field["path"] == ["idempotencyKey"]
    assert says in field["message"]


@pytest.mark.parametrize(
    ("name", "input", "says"),
    [
        (
            "returnOrder",
            back({"reason": "BORED"}),
            "at .lines[0].reason: Value 'BORED' does not exist in 'ReturnReason'",
        ),
        ("returnOrder", {"orderId": ORDER}, "lines"),
        ("cancelOrder", {"orderId": ORDER, "refund": "GOLD"}, "at .refund: Value 'GOLD' does not exist"),
        ("cancelOrder", {"orderId": ORDER, "colour": "red"}, "colour"),
        ("pauseSubscription", {"subscriptionId": PLAN, "until": "soon"}, "at .until: Value cannot represent a Date"),
    ],
)
async def test_a_word_the_schema_does_not_know_is_refused(
    standing: Gateway, name: str, input: Mapping[str, Any], says: str
) -> None:
    answer = await standing.ask(asking(name), {"input": input, "key": "k"})
    [error] = answer["errors"]
    assert ("data" in answer, error["extensions"]["code"]) == (False, "INVALID_INPUT")
    assert says in error["message"]


async def test_a_bot_that_proves_nothing_may_not_act_nor_look_up_by_number_alone(standing: Gateway) -> None:
    bot = {"Authorization": f"Bearer {BOT_KEY}"}
    before = standing.writes()
    answer = await standing.ask(asking("cancelOrder"), {"input": {"orderId": ORDER}, "key": "b"}, headers=bot)
    code = (
        answer["errors"][0]["extensions"]["code"] if "errors" in answer else answer["data"]["done"]["problem"]["code"]
    )
    assert code in ("IDENTITY_INSUFFICIENT", "FORBIDDEN")
    [error] = (await standing.ask('{ lookupOrder(number: "1001") { complete } }', headers=bot))["errors"]
    assert error["extensions"]["code"] in ("INVALID_INPUT", "FORBIDDEN")
    assert standing.writes() == before


# ------------------------------------------------------------------ HTTP
WHO = {"query": "{ viewer { assurance } }"}
JSON = {"content-type": "application/json"}

HTTP: dict[str, tuple[str, str, dict[str, Any], int, str, str]] = {
    "not JSON": ("POST", "", {"data": "nonsense", "headers": JSON}, 400, "BAD_REQUEST", "as JSON"),
    "no body": ("POST", "", {"data": "", "headers": JSON}, 400, "BAD_REQUEST", "as JSON"),
    "not UTF-8": ("POST", "", {"data": b"\xff\xfe", "headers": JSON}, 400, "BAD_REQUEST", "as JSON"),
    "a text": ("POST", "", {"json": "x"}, 400, "BAD_REQUEST", "must be a JSON object with a `query`"),
    "a number": ("POST", "", {"json": 5}, 400, "BAD_REQUEST", "must be a JSON object with a `query`"),
    "several": ("POST", "", {"json": [WHO]}, 400, "BAD_REQUEST", "Batching is not enabled"),
    "no query": ("POST", "", {"json": {}}, 400, "BAD_REQUEST", "No GraphQL query found"),
    "an empty query": ("POST", "", {"json": {"query": ""}}, 400, "BAD_REQUEST", "No GraphQL query found"),
    "a query that is no text": ("POST", "", {"json": {"query": 5}}, 400, "BAD_REQUEST", "`query` must be a string"),
    "variables that are a list": ("POST", "", {"json": WHO | {"variables": []}}, 400, "BAD_REQUEST", "`variables`"),
    "an unknown operation": ("POST", "", {"json": WHO | {"operationName": "X"}}, 200, "INVALID_INPUT", 'named "X"'),
    "another content type": ("POST", "", {"data": "{ a }"}, 415, "UNSUPPORTED_MEDIA_TYPE", "content-type"),
    "too large": ("POST", "", {"data": "x" * 300_000, "headers": JSON}, 413, "REQUEST_TOO_LARGE", "262144 bytes"),
    "a GET without a query": ("GET", "", {}, 400, "BAD_REQUEST", "No GraphQL query found"),
    "a mutation by GET": (
        "GET",
        "?query=mutation{cancelOrder(input:{orderId:%22Order:us:1%22},idempotencyKey:%22k%22){replayed}}",
        {},
        405,
        "METHOD_NOT_ALLOWED",
        "only a query may be asked by GET",
    ),
    "PUT": ("PUT", "", {"json": WHO}, 405, "METHOD_NOT_ALLOWED", "use POST, or GET"),
    "DELETE": ("DELETE", "", {}, 405, "METHOD_NOT_ALLOWED", "use POST, or GET"),
    "an unknown token": (
        "POST",
        "",
        {"json": WHO, "headers": {"authorization": "Bearer no"}},
        401,
        "UNAUTHENTICATED",
        "",
    ),
    "another scheme": ("POST", "", {"json": WHO, "headers": {"authorization": "Basic no"}}, 401, "UNAUTHENTICATED", ""),
    "a clock that is none": (
        "POST",
        "",
        {"json": WHO, "headers": {"x-sandbox-now": "now"}},
        400,
        "BAD_REQUEST",
        "offset",
    ),
    "a clock without an offset": (
        "POST",
        "",
        {"json": WHO, "headers": {"x-sandbox-now": "2026-01-01T00:00:00"}},
        400,
        "BAD_REQUEST",
        "X-Sandbox-Now must be a time with an offset, such as",
    ),
    "a clock before all clocks": (
        "POST",
        "",
        {"json": WHO, "headers": {"x-sandbox-now": "0001-01-01T00:00:00Z"}},
        400,
        "BAD_REQUEST",
        "X-Sandbox-Now",
    ),
    "a fault that is none": (
        "POST",
        "",
        {"json": WHO, "headers": {"x-sandbox-fault": "us=explode"}},
        400,
        "BAD_REQUEST",
        "X-Sandbox-Fault: expected <store>=<fault>, the fault one of latency:800ms, 429, 500",
    ),
    "a fault at no store": (
        "POST",
        "",
        {"json": WHO, "headers": {"x-sandbox-fault": "xx=500"}},
        400,
        "BAD_REQUEST",
        "there is no store 'xx'; the stores are us, eu, subs",
    ),
}


@pytest.mark.parametrize("case", HTTP)
async def test_a_request_that_is_none_is_told_so(standing: Gateway, case: str) -> None:
    method, query, extra, status, code, says = HTTP[case]
    async with standing.session.request(method, f"{standing.url}/graphql{query}", **extra) as response:
        text = await response.text()
    assert response.status == status, text
    [error] = json.loads(text)["errors"]
    assert error["extensions"]["code"] == code
    assert says in error["message"]
    assert "Traceback" not in text


async def test_a_body_that_never_says_how_long_it_is_ends_at_the_limit(standing: Gateway) -> None:
    async def endless() -> AsyncIterator[bytes]:
        for _ in range(300):
            yield b"x" * 1000

    async with standing.session.post(f"{standing.url}/graphql", data=endless(), headers=JSON) as response:
        assert response.status == 413


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def closed(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    """A gateway outside of the sandbox: one API key, and stores it cannot reach."""
    folder: Path = tmp_path_factory.mktemp("closed")
    urls = {plan.key: "http://127.0.0.1:9" for plan in PLANS}
    key = ApiKey(name="desk", key=SecretText("desk-key-of-a-merchant"), scopes=())
    runtime = Runtime(sandbox_settings(urls, folder, api_keys=(key,)))
    await runtime.start()
    try:
        async with serve(build_app(runtime)) as url:
            yield url
    finally:
        await runtime.stop()


@pytest.mark.parametrize(
    ("headers", "says"),
    [
        ({}, "a token is needed: send `Authorization: Bearer <token>`"),
        ({"Authorization": "Bearer wrong"}, "this token is not known here"),
        ({"Authorization": "Bearer"}, "must read `Bearer <token>`"),
        ({"Authorization": f"Bearer {'x' * 5000}"}, "a token has at most 4096 characters"),
    ],
)
async def test_without_a_known_token_nobody_is_let_in(closed: str, headers: dict[str, str], says: str) -> None:
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"{closed}/graphql", json=WHO, headers=headers) as answer,
    ):
        text = await answer.text()
    [error] = json.loads(text)["errors"]
    assert (answer.status, answer.headers["www-authenticate"]) == (401, "Bearer")
    assert error["extensions"]["code"] == "UNAUTHENTICATED"
    assert says in error["message"]


async def test_outside_the_sandbox_nobody_moves_the_clock(closed: str) -> None:
    headers = {"Authorization": "Bearer desk-key-of-a-merchant", "X-Sandbox-Now": "nonsense", "X-Sandbox-Fault": "x"}
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"{closed}/graphql", json=WHO, headers=headers) as answer,
    ):
        assert (answer.status, await answer.json()) == (200, {"data": {"viewer": {"assurance": "CLAIMED"}}})
