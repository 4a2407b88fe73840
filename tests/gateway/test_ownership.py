"""What is not yours is what does not exist: every field that returns a node, every kind of viewer, the same answer."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest
import pytest_asyncio
from graphql import (
    DocumentNode,
    GraphQLInterfaceType,
    GraphQLObjectType,
    TypeInfo,
    TypeInfoVisitor,
    Visitor,
    get_named_type,
    parse,
    visit,
)

from gateway.settings import Rates
from resolvers.api import build_api
from sandbox.people import BOT_KEY, SandboxProvider, session_of
from sandbox.world import PLANS, SECRET, STORIES, Story
from schema.vocabulary import AssuranceLevel
from tests.running import Gateway, running_gateway

pytestmark = pytest.mark.asyncio(loop_scope="module")

API = build_api()._schema
PEOPLE = SandboxProvider()

#: Everything there is to see of each noun, costly parts and links to other nouns included.
HEAD = {
    "Order": """id number email tags statusUrl customer { id email orders(first: 1) { nodes { id } } }
      lines { id title product { id } eligibility { next } } fulfillments { id } shippingAddress { city }
      returns { id order { id } refunds { id } } refunds { id reason }
      subscriptions { id originOrder { id } customer { id } } eligibility { next }
      timeline(first: 5) { at text action { id } }""",
    "SubscriptionContract": "id cyclesCompleted lines { product { id } } customer { id } originOrder { id }"
    " eligibility { next }",
    "Return": "id number order { id number } lines { quantity } refunds { id }",
    "Refund": "id reason lines { quantity }",
    "Customer": """id email displayName stats { orderCount } profiles { id email }
      orders(first: 2) { edges { node { id } } nodes { id } }
      subscriptions(first: 2) { edges { node { id } } nodes { id } }
      returns(first: 2) { edges { node { id } } nodes { id } }""",
    "CustomerProfile": "id email displayName addresses { city }",
    "Product": "id title tags variants { inventoryQuantity }",
    "Action": "id summary target { id } request { note }",
    "Store": "id name",
}
_PAYLOAD = "action { id } replayed problem { __typename code message retryable }"


@dataclass(frozen=True)
class Row:
    """A query with what is another's, and with what is nobody's."""

    name: str
    query: str
    foreign: Mapping[str, Any]
    missing: Mapping[str, Any]
    document: DocumentNode = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "document", parse(self.query))


@dataclass(frozen=True)
class Others:
    """Ids of things that are Cleo's, Joann's or Ann's, by noun, each beside an id of nothing."""

    ids: Mapping[str, list[tuple[str, str]]]
    rows: list[Row]


def of_ids(ids: Mapping[str, list[tuple[str, str]]]) -> Iterator[Row]:
    for noun, pairs in ids.items():
        for number, (foreign, missing) in enumerate(pairs):
            both = ({"id": foreign}, {"id": missing})
            shown = f"... on {noun} {{ {HEAD[noun]} }}"
            yield Row(f"node {noun} {number}", f"query($id: ID!) {{ node(id: $id) {{ id {shown} }} }}", *both)
            yield Row(f"nodes {noun} {number}", f"query($id: ID!) {{ nodes(ids: [$id]) {{ id {shown} }} }}", *both)
            entity = f"query($of: [_Any!]!) {{ _entities(representations: $of) {{ {shown} }} }}"
            kinds = ({"of": [{"__typename": noun, "id": id}]} for id in (foreign, missing))
            yield Row(f"_entities {noun} {number}", entity, *kinds)
    for name, noun in (("order", "Order"), ("subscription", "SubscriptionContract"), ("action", "Action")):
        for number, (foreign, missing) in enumerate(ids[noun]):
            query = f"query($id: ID!) {{ {name}(id: $id) {{ {HEAD[noun]} }} }}"
            yield Row(f"{name} {number}", query, {"id": foreign}, {"id": missing})


def of_people(ids: Mapping[str, list[tuple[str, str]]]) -> Iterator[Row]:
    emails = ({"email": "cleo@example.com"}, {"email": "nobody@example.com"})
    customer = f"query($by: CustomerBy!) {{ customer(by: $by) {{ {HEAD['Customer']} }} }}"
    yield Row("customer by email", customer, *({"by": each} for each in emails))
    [sealed] = ids["Customer"]
    yield Row("customer by id", customer, *({"by": {"id": id}} for id in sealed))
    for name, noun in (("orders", "Order"), ("subscriptions", "SubscriptionContract")):
        shown = f"complete issues {{ code }} nodes {{ {HEAD[noun]} }} edges {{ node {{ id }} }}"
        query = f"query($email: String) {{ {name}(customerEmail: $email) {{ {shown} }} }}"
        yield Row(f"{name} by email", query, *emails)
    lookup = f"""query($number: String!, $email: String, $postalCode: String) {{
      lookupOrder(number: $number, email: $email, postalCode: $postalCode) {{ complete orders {{ {HEAD["Order"]} }} }}
    }}"""
    yield Row("lookup by number", lookup, {"number": "1006"}, {"number": "7777"})
    more = {"email": "cleo@example.com"}
    yield Row("lookup by number and email", lookup, {"number": "1006"} | more, {"number": "7777"} | more)
    own = {"email": "ada@example.com", "postalCode": "1"}
    yield Row("lookup as oneself", lookup, {"number": "1006"} | own, {"number": "7777"} | own)


def of_actions(ids: Mapping[str, list[tuple[str, str]]]) -> Iterator[Row]:
    shown = f"nodes {{ {HEAD['Action']} }} edges {{ node {{ id }} }}"
    listing = f"query($id: ID!) {{ actions(filter: {{targetId: $id}}) {{ {shown} }} }}"
    foreseen = "summary problem { code message } quote { estimated }"
    preview = f"query($input: PreviewInput!) {{ preview(input: $input) {{ {foreseen} }} }}"
    for noun in ("Order", "SubscriptionContract"):
        for number, both in enumerate(ids[noun]):
            yield Row(f"actions on {noun} {number}", listing, *({"id": id} for id in both))
    shapes: list[tuple[str, str, str, dict[str, Any]]] = [
        ("cancelOrder", "Order", "orderId", {}),
        ("pauseSubscription", "SubscriptionContract", "subscriptionId", {"until": "2031-01-01"}),
        ("resumeSubscription", "SubscriptionContract", "subscriptionId", {}),
        ("cancelSubscription", "SubscriptionContract", "subscriptionId", {"reason": "too much"}),
    ]
    for name, noun, target, rest in shapes:
        noun_shown = "order" if noun == "Order" else "subscription"
        extra = " refund { id }" if name == "cancelOrder" else ""
        for number, both in enumerate(ids[noun]):
            inputs = [{target: id} | rest for id in both]
            yield Row(f"preview {name} {number}", preview, *({"input": {name: each}} for each in inputs))
            mutation = f"""mutation($input: {name[0].upper()}{name[1:]}Input!, $key: String!) {{
              {name}(input: $input, idempotencyKey: $key) {{ {_PAYLOAD} {noun_shown} {{ id }}{extra} }} }}"""
            yield Row(f"{name} {number}", mutation, *({"input": each, "key": f"k-{name}-{number}"} for each in inputs))
    for number, (foreign, missing) in enumerate(ids["Order"]):
        inputs = [
            {
                "orderId": id,
                "lines": [{"lineId": id.replace("Order:", "OrderLine:") + ":1", "quantity": 1, "reason": "OTHER"}],
            }
            for id in (foreign, missing)
        ]
        yield Row(f"preview returnOrder {number}", preview, *({"input": {"returnOrder": each}} for each in inputs))
        mutation = f"""mutation($input: ReturnOrderInput!, $key: String!) {{
          returnOrder(input: $input, idempotencyKey: $key) {{ {_PAYLOAD} order {{ id }} returnRecord {{ id }} }} }}"""
        yield Row(f"returnOrder {number}", mutation, *({"input": each, "key": f"k-return-{number}"} for each in inputs))


def of_staff(ids: Mapping[str, list[tuple[str, str]]]) -> Iterator[Row]:
    """What only the staff may do tells nobody else whether there is something to do it on."""
    money = {"currencyCode": "USD", "amount": "1.00", "reason": "kind"}
    preview = "query($input: PreviewInput!) { preview(input: $input) { summary token problem { code message } } }"
    for number, both in enumerate(ids["Order"]):
        inputs = [{"orderId": id} | money for id in both]
        yield Row(f"preview refundOrder {number}", preview, *({"input": {"refundOrder": each}} for each in inputs))
        mutation = f"""mutation($input: RefundOrderInput!, $key: String!) {{
          refundOrder(input: $input, idempotencyKey: $key) {{ {_PAYLOAD} order {{ id }} refund {{ id }} }} }}"""
        yield Row(f"refundOrder {number}", mutation, *({"input": each, "key": f"k-refund-{number}"} for each in inputs))
    for name, rest in (
        ("approveAction", ""),
        ("rejectAction", ', note: "no"'),
        ("resolveAction", ', outcome: HAPPENED, note: "seen"'),
    ):
        for number, both in enumerate(ids["Action"]):
            mutation = f"mutation($id: ID!) {{ {name}(id: $id{rest}) {{ {_PAYLOAD} }} }}"
            yield Row(f"{name} {number}", mutation, *({"id": id} for id in both))
    for number, both in enumerate(ids["Return"]):
        mutation = "mutation($id: ID!) { moveReturn(id: $id, to: RECEIVED) { returnRecord { id } problem { code } } }"
        yield Row(f"moveReturn {number}", mutation, *({"id": id} for id in both))


def told_of(noun: str) -> list[Story]:
    """The world's stories about a noun, of every store at most two."""
    found: dict[str, list[Story]] = {}
    for story in STORIES:
        if story.id.startswith(f"{noun}:") and story.customer != "ada@example.com":
            found.setdefault(story.store, []).append(story)
    return [story for stories in found.values() for story in stories[-2:]]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[tuple[Gateway, Others]]:
    folder, many = tmp_path_factory.mktemp("owned"), 1_000_000
    rates = Rates(
        failed_lookups_per_client=many,
        failed_lookups_per_number=many,
        failed_lookups_per_proof=many,
        client_per_minute=many,
        customer_per_minute=many,
    )
    async with running_gateway(
        folder, people=PEOPLE, rates=rates, generous=True, stores=[plan.key for plan in PLANS]
    ) as gateway:
        seal = gateway.runtime.services.seal
        returned = await gateway.ask(
            """mutation { returnOrder(idempotencyKey: "of-cleo", input: {orderId: "Order:us:450789006", lines: [
            {lineId: "OrderLine:us:450789006:4507890061", quantity: 1, reason: UNWANTED}]}) {
            action { id } returnRecord { id } } }"""
        )
        made = returned["data"]["returnOrder"]
        refunds = await gateway.ask('{ order(id: "Order:us:450789007") { refunds { id } } }')
        ids = {
            **{
                noun: [(story.id, f"{story.id[:-1]}9") for story in told_of(noun)]
                for noun in ("Order", "SubscriptionContract")
            },
            "Return": [(made["returnRecord"]["id"], "Return:us:450999999:1")],
            "Refund": [(refunds["data"]["order"]["refunds"][0]["id"], "Refund:us:450999999:1")],
            "Customer": [(str(seal.customer_id("cleo@example.com")), str(seal.customer_id("nobody@example.com")))],  # type: ignore[arg-type]
            "CustomerProfile": [
                ("CustomerProfile:us:7002", "CustomerProfile:us:7999"),
                ("CustomerProfile:eu:33", "CustomerProfile:eu:999"),
                ("CustomerProfile:subs:6002", "CustomerProfile:subs:6999"),
            ],
            "Action": [(made["action"]["id"], "Action:00000000-0000-4000-8000-000000000000")],
        }
        yield gateway, Others(ids, [*of_ids(ids), *of_people(ids), *of_actions(ids), *of_staff(ids)])


#: Its record says that money was paid back and not how much, so that even its head takes a call for the refunds: the
#: one kind of order whose reading costs more than that of none. Its answer is the same.
HIDES_ITS_REFUNDS = ("Order:ca:5001",)

VIEWERS = {
    "a session that only claims": session_of("ada@example.com", SECRET, AssuranceLevel.CLAIMED),
    "a verified session": session_of("ada@example.com", SECRET),
    "somebody logged in": PEOPLE.token(email="ada@example.com", email_verified=True),
    "somebody logged in by an unproved address": PEOPLE.token(email="ada@example.com"),
}


def calls(gateway: Gateway) -> dict[str, int]:
    return {key: len(shop.simulator.calls) for key, shop in gateway.shops.items()}


async def seen(gateway: Gateway, row: Row, variables: Mapping[str, Any], token: str) -> tuple[int, str, dict[str, int]]:
    """Status and body, and the upstream calls that it took."""
    before = calls(gateway)
    status, body, _ = await gateway.send(row.query, variables, token=token)
    after = calls(gateway)
    return status, json.dumps(body), {key: after[key] - before[key] for key in after}


@pytest.mark.parametrize("viewer", VIEWERS)
async def test_what_is_anothers_is_what_does_not_exist(world: tuple[Gateway, Others], viewer: str) -> None:
    gateway, others = world
    writes = gateway.writes()
    told_apart = []
    for row in others.rows:
        foreign = await seen(gateway, row, row.foreign, VIEWERS[viewer])
        missing = await seen(gateway, row, row.missing, VIEWERS[viewer])
        if any(order in json.dumps(row.foreign) for order in HIDES_ITS_REFUNDS):
            foreign, missing = (*foreign[:2], {}), (*missing[:2], {})
        if foreign != missing:
            told_apart.append((row.name, foreign, missing, row.foreign))
        for secret in ("cleo", "Cleo", "joann", "Merino", "Coffee"):
            assert secret not in foreign[1].replace("cleo@example.com is", ""), (row.name, foreign[1])
    assert not told_apart, "\n".join(map(str, told_apart))
    assert gateway.writes() == writes
    assert len(others.rows) > 50


async def test_staff_do_see_each_of_them(world: tuple[Gateway, Others]) -> None:
    gateway, others = world
    for noun, pairs in others.ids.items():
        for foreign, missing in pairs:
            for id, there in ((foreign, True), (missing, False)):
                answer = await gateway.ask("query($id: ID!) { node(id: $id) { id } }", {"id": id})
                assert "errors" not in answer
                assert (answer["data"]["node"] is not None) is there, (noun, id)


async def test_a_bot_sees_no_action_of_another_client(world: tuple[Gateway, Others]) -> None:
    gateway, others = world
    for row in (row for row in others.rows if "Action" in row.name or row.name.startswith("action ")):
        answers = [await seen(gateway, row, variables, BOT_KEY) for variables in (row.foreign, row.missing)]
        assert answers[0] == answers[1], row.name
    status, body, _ = await gateway.send("{ actions { nodes { id } } }", token=BOT_KEY)
    assert (status, body["data"]) == (200, {"actions": {"nodes": []}})


EVERYWHERE = f"""{{
  viewer {{ customer {{ {HEAD["Customer"]} }} }}
  orders(first: 30) {{ nodes {{ {HEAD["Order"]} }} }}
  subscriptions {{ nodes {{ {HEAD["SubscriptionContract"]} }} }}
  actions {{ nodes {{ {HEAD["Action"]} }} }}
  lookupOrder(number: "1001") {{ orders {{ {HEAD["Order"]} }} }}
  stores {{ id }}
}}"""


@pytest.mark.parametrize("viewer", VIEWERS)
async def test_no_link_leads_from_what_is_mine_to_what_is_anothers(world: tuple[Gateway, Others], viewer: str) -> None:
    gateway, others = world
    status, body, _ = await gateway.send(EVERYWHERE, token=VIEWERS[viewer])
    assert status == 200
    assert "errors" not in body, body
    mine = [order["number"] for order in body["data"]["orders"]["nodes"]]
    assert {story.what.strip("#") for story in STORIES if story.customer == "ada@example.com"} >= set(mine)
    assert {"2001", "1001", "1002", "2004", "1003"} <= set(mine)
    text = json.dumps(body)
    for noun, pairs in others.ids.items():
        for foreign, _ in pairs:
            assert f'"{foreign}"' not in text, noun


def is_node(type_: Any) -> bool:
    named = get_named_type(type_)
    if isinstance(named, GraphQLInterfaceType):
        return named.name == "Node"
    return isinstance(named, GraphQLObjectType) and any(each.name == "Node" for each in named.interfaces)


#: Fields whose node is the very one that they hang on, or no customer's.
HARMLESS = {
    *(f"{noun}.store" for noun in ("Source", "SourceIssue")),
    "Query.product",
    "Query.stores",
    "SubscriptionLine.product",
    "Conflict.action",
    "ActionPayload.action",
}


async def test_every_field_that_returns_a_node_was_crossed(world: tuple[Gateway, Others]) -> None:
    _, others = world
    crossed: set[str] = set()
    info = TypeInfo(API)

    class Fields(Visitor):
        def enter_field(self, node: Any, *_: Any) -> None:
            parent = info.get_parent_type()
            crossed.add(f"{parent.name if parent else ''}.{node.name.value}")

    for document in [*(row.document for row in others.rows), parse(EVERYWHERE)]:
        visit(document, TypeInfoVisitor(info, Fields()))
    there_are = {
        f"{type_.name}.{name}"
        for type_ in API.type_map.values()
        if isinstance(type_, GraphQLObjectType) and not type_.name.startswith("__")
        for name, found in type_.fields.items()
        if is_node(found.type)
    }
    assert there_are - crossed - HARMLESS == set()


async def test_a_bound_caller_names_no_address(world: tuple[Gateway, Others]) -> None:
    gateway, _ = world
    query = "{ viewer { customer { isGuest } } orders(first: 1) { nodes { number } } subscriptions { nodes { id } } }"
    status, body, _ = await gateway.send(query, token=VIEWERS["a verified session"])
    assert (status, body) == (
        200,
        {
            "data": {
                "viewer": {"customer": {"isGuest": False}},
                "orders": {"nodes": [{"number": body["data"]["orders"]["nodes"][0]["number"]}]},
                "subscriptions": {"nodes": body["data"]["subscriptions"]["nodes"]},
            }
        },
    )
