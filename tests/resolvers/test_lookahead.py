"""What a selection needs of a noun is read off it, however it is written."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
import strawberry
from strawberry.federation import Schema
from strawberry.schema.config import StrawberryConfig

from resolvers.lookahead import Selection, order_parts, return_parts, subscription_parts
from schema.connections import OrderConnection
from schema.context import Info
from schema.ids import parse_id
from schema.order import Order
from schema.parts import OrderParts, SubscriptionParts
from schema.provenance import Node
from schema.returns import Return
from schema.scalars import SCALARS
from schema.subscription import Subscription
from schema.vocabulary import ActionKind

NONE, LINES, ADDRESSES = OrderParts.NONE, OrderParts.LINES, OrderParts.ADDRESSES
FULFILLMENTS = OrderParts.FULFILLMENTS | LINES
RETURNS = OrderParts.RETURNS | LINES
REFUNDS = OrderParts.REFUNDS | LINES


class Rules:
    """A policy that looks at the addresses for a cancellation, and at the fulfillments for a return."""

    def __init__(self) -> None:
        self.asked: list[Sequence[ActionKind] | None] = []
        self.parts: list[OrderParts] = []
        self.subscription: list[SubscriptionParts] = []

    @property
    def decide(self) -> Rules:
        return self

    def order_parts(self, actions: Sequence[ActionKind] | None) -> OrderParts:
        self.asked.append(actions)
        parts = OrderParts.NONE
        for action in [ActionKind.CANCEL_ORDER, ActionKind.RETURN_ORDER] if actions is None else actions:
            parts |= {ActionKind.CANCEL_ORDER: ADDRESSES, ActionKind.RETURN_ORDER: FULFILLMENTS}.get(action, NONE)
        return parts

    def subscription_parts(self, actions: Sequence[ActionKind] | None) -> SubscriptionParts:
        self.asked.append(actions)
        return SubscriptionParts.CYCLES if actions is None or actions else SubscriptionParts.NONE


def rules(info: Info) -> Any:
    return info.context


@strawberry.type
class Query:
    @strawberry.field
    def order(self, info: Info) -> Order | None:
        rules(info).parts.append(order_parts(Selection.below(info), rules(info)))
        return None

    @strawberry.field
    def orders(self, info: Info) -> OrderConnection | None:
        rules(info).parts.append(order_parts(Selection.below(info).items(), rules(info)))
        return None

    @strawberry.field
    def found(self, info: Info) -> Return | None:
        rules(info).parts.append(return_parts(Selection.below(info), rules(info)))
        return None

    @strawberry.field
    def subscription(self, info: Info) -> Subscription | None:
        rules(info).subscription.append(subscription_parts(Selection.below(info), rules(info)))
        return None

    @strawberry.field
    def node(self, info: Info, id: strawberry.ID) -> Node | None:
        rules(info).parts.append(order_parts(Selection.below(info, parse_id(id).type), rules(info)))
        return None


API = Schema(query=Query, config=StrawberryConfig(scalar_map=dict(SCALARS)))


BY_VARIABLE = "query($a: [ActionKind!]) { order { eligibility(actions: $a) { next } } }"
BY_DEFAULT = BY_VARIABLE.replace("[ActionKind!]", "[ActionKind!] = [CANCEL_ORDER]")
ONE_BY_VARIABLE = "query($a: ActionKind!) { order { eligibility(actions: [$a]) { next } } }"
BOTH = [ActionKind.CANCEL_ORDER, ActionKind.RETURN_ORDER]


async def run(query: str, variables: dict[str, Any] | None = None) -> Rules:
    seen = Rules()
    result = await API.execute(query, variables, context_value=seen)
    assert result.errors is None, result.errors
    return seen


@pytest.mark.parametrize(
    ("query", "parts"),
    [
        ("{ order { id status customer { id orders { nodes { refunds { id } } } } } }", NONE),
        ("{ order { returnStatus } }", OrderParts.RETURN_STATUS),
        ("{ found { order { returnStatus } } }", RETURNS | OrderParts.RETURN_STATUS),
        ("{ order { lines { title } } }", LINES),
        ("{ order { lines { quantity { ordered current } } } }", LINES),
        ("{ order { lines { quantity { delivered } } } }", FULFILLMENTS),
        ("{ order { lines { quantity { returned } } } }", RETURNS),
        ("{ order { lines { quantity { refundable } } } }", REFUNDS),
        ("{ order { lines { quantity { returnable } } } }", RETURNS | FULFILLMENTS | REFUNDS),
        ("{ order { lines { count: quantity { sent: fulfilled } } } }", FULFILLMENTS),
        ("{ order { fulfillments { trackingNumber } } }", FULFILLMENTS),
        ("{ order { fulfillments { lines { line { quantity { returned } } } } } }", FULFILLMENTS | RETURNS),
        ("{ order { refunds { id } } }", REFUNDS),
        ("{ order { refunds { lines { line { quantity { delivered } } } } } }", REFUNDS | FULFILLMENTS),
        ("{ order { returns { id } } }", RETURNS),
        ("{ order { returns { refunds { id } } } }", RETURNS | REFUNDS),
        ("{ order { returns { order { shippingAddress { city } } } } }", RETURNS | ADDRESSES),
        (
            "{ order { returns { lines { line { eligibility(actions: CANCEL_ORDER) { next } } } } } }",
            RETURNS | ADDRESSES,
        ),
        ("{ order { shippingAddress { city } } }", ADDRESSES),
        ("{ order { billingAddress { city } } }", ADDRESSES),
        ("{ order { statusUrl } }", OrderParts.STATUS_URL),
        ("{ order { a: status, b: statusUrl } }", OrderParts.STATUS_URL),
        ("{ order { statusUrl: id } }", NONE),
        (
            "{ order { ...F } } fragment F on Order { lines { ...G }} fragment G on OrderLine { quantity {returned} }",
            RETURNS,
        ),
        (
            "{ order { ... { refunds { id } } ... on Order { statusUrl } ... on Node { id } } }",
            REFUNDS | OrderParts.STATUS_URL,
        ),
        ("{ order { lines { id } ... on Order { lines { quantity { returned } } } } }", RETURNS),
        ("{ order { lines @skip(if: true) { id } } }", NONE),
        ("{ order { lines @skip(if: false) { id } } }", LINES),
        ("{ order { lines @include(if: false) { id } refunds @include(if: true) { id } } }", REFUNDS),
        ("{ order { lines @include(if: true) @skip(if: true) { id } } }", NONE),
        ("{ order { ... @include(if: false) { lines { id } } } }", NONE),
        ("{ order { ...F @skip(if: true) } } fragment F on Order { lines { id } }", NONE),
        ("{ order { lines { quantity @skip(if: true) { returned } } } }", LINES),
        ("{ order { a: lines @skip(if: true) { quantity { returned } } b: lines { id } } }", LINES),
        ("{ orders { complete } }", NONE),
        ("{ orders { nodes { refunds { id } } } }", REFUNDS),
        (
            "{ orders { edges { node { statusUrl } } nodes { shippingAddress { city } } } }",
            OrderParts.STATUS_URL | ADDRESSES,
        ),
        ("{ orders { edges { cursor } pageInfo { endCursor } } }", NONE),
        ("{ orders { ...C } } fragment C on OrderConnection { edges { ... { node { returns { id } } } } }", RETURNS),
        ("{ found { id } }", RETURNS),
        (
            "{ found { refunds { amount { shop { amount } } } order { statusUrl } } }",
            RETURNS | REFUNDS | OrderParts.STATUS_URL,
        ),
        (
            "{order {eligibility(actions: CANCEL_ORDER) {decision {reasons {line {quantity {returned}}}}}}}",
            RETURNS | ADDRESSES,
        ),
        (
            "{order {lines {eligibility(actions: []) {decision {shadow {line {quantity {refundable}}}}}}}}",
            REFUNDS,
        ),
    ],
)
async def test_the_parts_a_query_touches_are_those_that_are_read(query: str, parts: OrderParts) -> None:
    assert (await run(query)).parts == [parts]


@pytest.mark.parametrize(("given", "parts"), [({"with": True}, LINES), ({"with": False}, NONE), ({}, LINES)])
async def test_a_variable_decides_whether_a_part_is_read(given: dict[str, bool], parts: OrderParts) -> None:
    seen = await run("query($with: Boolean = true) { order { lines @include(if: $with) { id } } }", given)
    assert seen.parts == [parts]
    seen = await run("query($with: Boolean = true) { order { id lines @skip(if: $with) { id } } }", given)
    assert seen.parts == [LINES if parts is NONE else NONE]


@pytest.mark.parametrize(
    ("query", "variables", "asked"),
    [
        ("{ order { eligibility { next } } }", {}, None),
        ("{ order { eligibility(actions: null) { next } } }", {}, None),
        ("{ order { eligibility(actions: []) { next } } }", {}, []),
        ("{ order { eligibility(actions: RETURN_ORDER) { next } } }", {}, [ActionKind.RETURN_ORDER]),
        ("{ order { eligibility(actions: [CANCEL_ORDER, RETURN_ORDER]) { next } } }", {}, BOTH),
        (BY_VARIABLE, {"a": ["RETURN_ORDER"]}, [ActionKind.RETURN_ORDER]),
        (BY_VARIABLE, {"a": "RETURN_ORDER"}, [ActionKind.RETURN_ORDER]),
        (BY_VARIABLE, {"a": None}, None),
        (BY_VARIABLE, {}, None),
        (BY_DEFAULT, {}, [ActionKind.CANCEL_ORDER]),
        (ONE_BY_VARIABLE, {"a": "CANCEL_ORDER"}, [ActionKind.CANCEL_ORDER]),
    ],
)
async def test_the_rules_of_the_asked_actions_say_what_they_look_at(
    query: str, variables: dict[str, Any], asked: list[ActionKind] | None
) -> None:
    seen = await run(query, variables)
    assert seen.asked == [asked]
    assert seen.parts == [Rules().order_parts(asked)]


async def test_each_use_of_eligibility_counts() -> None:
    seen = await run(
        "{ order { a: eligibility(actions: [CANCEL_ORDER]) { next } lines { eligibility(actions: [RETURN_ORDER]) "
        "{ next } } } }"
    )
    assert seen.parts == [ADDRESSES | FULFILLMENTS]


@pytest.mark.parametrize(
    ("query", "parts"),
    [
        ('{ node(id: "Order:us:1") { id ... on Order { lines { id } } } }', LINES),
        ('{ node(id: "Order:us:1") { ... on Return { order { shippingAddress { city } } refunds { id } } } }', NONE),
        (
            '{ node(id: "Order:us:1") { ...F ...G } } fragment F on Product { id } fragment G on Order { refunds {id}}',
            REFUNDS,
        ),
        ('{ node(id: "Order:us:1") { ... on Node { ... on Order { statusUrl } } } }', OrderParts.STATUS_URL),
    ],
)
async def test_of_a_node_only_the_fragments_on_its_type_count(query: str, parts: OrderParts) -> None:
    assert (await run(query)).parts == [parts]


@pytest.mark.parametrize(
    ("query", "parts"),
    [
        ("{ subscription { status lines { title } } }", SubscriptionParts.NONE),
        ("{ subscription { cyclesCompleted } }", SubscriptionParts.CYCLES),
        ("{ subscription { originOrder { id } } }", SubscriptionParts.CYCLES),
        ("{ subscription { eligibility { next } } }", SubscriptionParts.CYCLES),
        ("{ subscription { eligibility(actions: []) { next } } }", SubscriptionParts.NONE),
    ],
)
async def test_the_parts_of_a_subscription_are_read_off_its_selection(query: str, parts: SubscriptionParts) -> None:
    assert (await run(query)).subscription == [parts]
