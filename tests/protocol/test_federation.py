"""The graph as a subgraph: entities one by one, composition beside another subgraph, and a router over both."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from graphql import GraphQLUnionType

from resolvers.api import build_api
from tests.protocol.conftest import BOT, HERE, post
from tests.running import Gateway

pytestmark = pytest.mark.asyncio(loop_scope="module")

ENTITIES = """query ($them: [_Any!]!) {
  _entities(representations: $them) {
    __typename
    ... on Order { number }
    ... on Product { title }
    ... on SubscriptionContract { status }
    ... on Customer { displayName }
  }
}"""

ORDER = {"__typename": "Order", "id": "Order:us:450789001"}
FOUND = {"__typename": "Order", "number": "1001"}


async def entities(gateway: Gateway, *them: Any) -> tuple[list[Any], dict[Any, dict[str, Any]]]:
    """The entities, and the error of each place."""
    answer = await post(gateway, ENTITIES, variables={"them": list(them)})
    errors = {tuple(error["path"])[1]: error for error in answer.body.get("errors", [])}
    assert len(errors) == len(answer.body.get("errors", [])), answer.body
    return answer.body["data"]["_entities"], errors


async def test_every_noun_with_an_id_is_an_entity() -> None:
    api = build_api()
    union = api._schema.type_map["_Entity"]
    assert isinstance(union, GraphQLUnionType)
    nouns = {"Action", "Customer", "CustomerProfile", "Order", "Product", "Refund", "Return", "SubscriptionContract"}
    assert nouns <= {kind.name for kind in union.types}
    for kind in union.types:
        assert f'type {kind.name} implements Node @key(fields: "id")' in api.as_str()


async def test_entities_come_in_the_order_they_were_asked_for(development: Gateway) -> None:
    customer = (await post(development, '{ customer(by: {email: "ada@example.com"}) { id } }')).body["data"]["customer"]
    found, errors = await entities(
        development,
        {"__typename": "SubscriptionContract", "id": "SubscriptionContract:subs:9001"},
        {"__typename": "Product", "id": "Product:us:8001"},
        ORDER,
        {"__typename": "Customer", "id": customer["id"]},
        ORDER,
    )
    assert errors == {}
    assert found == [
        {"__typename": "SubscriptionContract", "status": "ACTIVE"},
        {"__typename": "Product", "title": "Linen Shirt"},
        FOUND,
        {"__typename": "Customer", "displayName": "Ada Lovelace"},
        FOUND,
    ]


#: What a router, or anybody, may send in place of an entity.
WRONG: dict[str, tuple[Any, str]] = {
    "no type": ({"id": "Order:us:450789001"}, "a __typename that is one of Action, Customer"),
    "an unknown type": ({"__typename": "Shop", "id": "Order:us:1"}, "a __typename that is one of"),
    "a type without a key": ({"__typename": "Money", "id": "1"}, "a __typename that is one of"),
    "a type that is none": ({"__typename": ["Order"], "id": "Order:us:1"}, "a __typename that is one of"),
    "no id": ({"__typename": "Order"}, "each needs its id"),
    "an id that is none": ({"__typename": "Order", "id": {"a": 1}}, "each needs its id"),
    "a number as id": ({"__typename": "Order", "id": 1}, "each needs its id"),
    "an extra key": ({**ORDER, "number": "1001"}, "by its id alone, not by number"),
    "nothing": ("Order", "a representation must be an object"),
    "the id of another type": ({"__typename": "Order", "id": "Product:us:8001"}, "this is not the id of Order"),
    "an id of nobody's": ({"__typename": "Order", "id": "nonsense"}, "not an id of this API"),
    "another gateway's customer": (
        {"__typename": "Customer", "id": "Customer:abc"},
        "not the id of a customer of this gateway",
    ),
}


@pytest.mark.parametrize("case", WRONG)
async def test_a_wrong_entity_is_one_error_and_costs_the_others_nothing(development: Gateway, case: str) -> None:
    wrong, words = WRONG[case]
    found, errors = await entities(development, ORDER, wrong, ORDER)
    assert found == [FOUND, None, FOUND]
    assert list(errors) == [1]
    assert errors[1]["extensions"]["code"] == "INVALID_INPUT"
    assert words in errors[1]["message"]


async def test_every_wrong_entity_has_its_own_error(development: Gateway) -> None:
    found, errors = await entities(development, *[wrong for wrong, _ in WRONG.values()])
    assert found == [None] * len(WRONG)
    assert len({error["message"] for error in errors.values()}) == len(errors)
    assert set(errors) <= set(range(len(WRONG)))


async def test_an_entity_that_is_not_there_is_null_without_an_error(development: Gateway) -> None:
    found, errors = await entities(development, {"__typename": "Order", "id": "Order:us:999"}, ORDER)
    assert (found, errors) == ([None, FOUND], {})


async def test_the_sdl_is_told_to_a_router_that_may_know_it(development: Gateway) -> None:
    answer = await post(development, "{ _service { sdl } }")
    sdl = answer.body["data"]["_service"]["sdl"]
    assert '@link(url: "https://specs.apollo.dev/federation/v2' in sdl
    assert "directive @listSize" not in sdl
    assert (await post(development, "{ _service { sdl } }", BOT)).status == 403


# ------------------------------------------------------------------ through a real router
async def routed(gateway: Gateway, *operations: dict[str, Any]) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """What composition says, and the answers of a router over our graph and a helpdesk's."""
    process = await asyncio.create_subprocess_exec(
        *("node", "router.mjs", f"{gateway.url}/graphql"),
        cwd=HERE,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    written = "".join(json.dumps(operation) + "\n" for operation in operations)
    try:
        out, err = await asyncio.wait_for(process.communicate(written.encode()), 60)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode == 0, err.decode() + out.decode()
    composed, *answers = [json.loads(line) for line in out.decode().splitlines()]
    assert len(answers) == len(operations), err.decode()
    return composed, answers


async def test_a_router_answers_across_our_graph_and_a_helpdesks(development: Gateway, node_modules: Path) -> None:
    composed, (from_ours, from_theirs, by_variables, cancelled) = await routed(
        development,
        {"query": '{ order(id: "Order:us:450789001") { number tickets { subject order { fulfillmentStatus } } } }'},
        {"query": "{ tickets { order { number customer { displayName } } subscription { status loyaltyPoints } } }"},
        {
            "query": """query ($email: String!) { customer(by: {email: $email}) {
              orders(first: 2) { nodes { number tickets { id } } } subscriptions { nodes { id loyaltyPoints } } } }""",
            "variables": {"email": "ada@example.com"},
        },
        {
            "query": """mutation { cancelOrder(input: {orderId: "Order:us:450789001"}, idempotencyKey: "routed") {
              problem { __typename code } order { number tickets { id } } } }"""
        },
    )
    assert composed["errors"] == []
    assert from_ours == {
        "data": {
            "order": {
                "number": "1001",
                "tickets": [{"subject": "Where is it?", "order": {"fulfillmentStatus": "FULFILLED"}}],
            }
        },
        "errors": [],
    }
    known, gone, nonsense, coffee = from_theirs["data"]["tickets"]
    assert known == {"order": {"number": "1001", "customer": {"displayName": "Ada Lovelace"}}, "subscription": None}
    assert coffee == {"order": None, "subscription": {"status": "ACTIVE", "loyaltyPoints": 30}}
    assert gone["order"] is nonsense["order"] is None
    assert {tuple(error["path"])[:2] for error in from_theirs["errors"]} == {("tickets", 1), ("tickets", 2)}
    assert by_variables["data"]["customer"] == {
        "orders": {"nodes": [{"number": "2001", "tickets": []}, {"number": "1001", "tickets": [{"id": "1"}]}]},
        "subscriptions": {"nodes": [{"id": "SubscriptionContract:subs:9001", "loyaltyPoints": 30}]},
    }
    assert cancelled["errors"] == []
    assert cancelled["data"]["cancelOrder"]["problem"]["__typename"] == "PolicyDenied"
    assert cancelled["data"]["cancelOrder"]["order"] == {"number": "1001", "tickets": [{"id": "1"}]}
