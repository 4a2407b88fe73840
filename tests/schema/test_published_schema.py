"""The schema that is served is the one that is published, and a breaking change to it has a name."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from graphql import (
    FieldDefinitionNode,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLObjectType,
    ObjectTypeDefinitionNode,
    build_schema,
    find_breaking_changes,
    find_dangerous_changes,
    parse,
    print_ast,
)
from strawberry.federation import Schema

from platforms.base import ACTIONS
from policies.guard import MIN_ASSURANCE
from resolvers.api import build_api
from schema.scalars import SCALARS

PUBLISHED = Path(__file__).parents[2] / "schema" / "schema.graphql"


@pytest.fixture(scope="module")
def api() -> Schema:
    return build_api()


def broken(before: str, after: str) -> list[str]:
    """What a client of `before` would trip over in `after`."""
    old, new = (build_schema(text, assume_valid=True) for text in (before, after))
    return [change.description for change in find_breaking_changes(old, new)]


def test_no_client_of_the_published_schema_breaks(api: Schema) -> None:
    assert broken(PUBLISHED.read_text(), api.as_str()) == []


def test_the_published_schema_is_the_one_that_is_served(api: Schema) -> None:
    assert api.as_str().strip() == PUBLISHED.read_text().strip(), "run `make schema` and commit schema/schema.graphql"


@pytest.mark.parametrize(
    ("old", "new", "named"),
    [
        ("  nativeStatus: String!\n", "", "Order.nativeStatus was removed."),
        ("  placedAt: DateTime!", "  placedAt: DateTime", "Order.placedAt changed type from DateTime! to DateTime."),
        ("  ALREADY_CANCELLED\n", "", "ReasonCode.ALREADY_CANCELLED was removed."),
        ("  orderId: ID!\n", "  orderId: ID!\n  why: String!\n", "A required field CancelOrderInput.why was added."),
    ],
)
def test_a_breaking_change_is_named(old: str, new: str, named: str) -> None:
    published = PUBLISHED.read_text()
    assert old in published
    assert any(named in found for found in broken(published, published.replace(old, new)))


def test_a_new_field_breaks_nobody() -> None:
    published = PUBLISHED.read_text()
    grown = published.replace("  placedAt: DateTime!", "  placedAt: DateTime!\n  mood: String")
    assert grown != published
    assert broken(published, grown) == []
    old, new = (build_schema(text, assume_valid=True) for text in (published, grown))
    assert find_dangerous_changes(old, new) == []


def guarded(api: Schema) -> list[str]:
    """The mutations that change a store."""
    return re.findall(r"^  (\w+)\(.*@guardedBy", api.as_str(), re.MULTILINE)


def test_every_mutation_prints_a_scope(api: Schema) -> None:
    mutation = api._schema.mutation_type
    assert mutation is not None
    for name in mutation.fields:
        assert re.search(rf"^  {name}\(.*@requiresScopes\(scopes: \[\s*\[", api.as_str(), re.MULTILINE), name


def mutations(api: Schema) -> dict[str, FieldDefinitionNode]:
    """The printed mutations, with the directives a client can read."""
    (found,) = (
        node
        for node in parse(api.as_str()).definitions
        if isinstance(node, ObjectTypeDefinitionNode) and node.name.value == "Mutation"
    )
    return {field.name.value: field for field in found.fields or ()}


def printed(field: FieldDefinitionNode, directive: str) -> str:
    """A directive as it is printed on the field; empty where it carries none."""
    return "".join(print_ast(found) for found in field.directives or () if found.name.value == directive)


def test_every_action_of_this_version_has_one_mutation_that_prints_its_guard(api: Schema) -> None:
    guards = [guard for field in mutations(api).values() if (guard := printed(field, "guardedBy"))]
    wanted = [f"@guardedBy(action: {kind.value}, minAssurance: {MIN_ASSURANCE[kind].name})" for kind in ACTIONS]
    assert sorted(guards) == sorted(wanted)


def test_no_mutation_is_open_to_everybody(api: Schema) -> None:
    for name, field in mutations(api).items():
        assert printed(field, "guardedBy") or printed(field, "requiresScopes"), name


def test_every_guarded_mutation_takes_an_input_and_a_key_and_answers_with_the_action(api: Schema) -> None:
    mutation = api._schema.mutation_type
    assert mutation is not None
    for name, node in mutations(api).items():
        if not printed(node, "guardedBy"):
            continue
        field = mutation.fields[name]
        arguments = {argument: str(taken.type) for argument, taken in field.args.items()}
        assert arguments == {"input": f"{name[0].upper()}{name[1:]}Input!", "idempotencyKey": "String!"}
        payload = api._schema.get_type(str(field.type).removesuffix("!"))
        assert isinstance(payload, GraphQLObjectType)
        assert [interface.name for interface in payload.interfaces] == ["ActionResult"]


def test_every_noun_is_an_entity_and_the_word_subscription_is_left_to_graphql(api: Schema) -> None:
    printed = api.as_str()
    nouns = ("Action", "Customer", "CustomerProfile", "Order", "Product", "Refund", "Return", "SubscriptionContract")
    for noun in nouns:
        assert f'type {noun} implements Node @key(fields: "id")' in printed
    assert api._schema.get_type("Subscription") is None


def test_lists_are_never_null_inside_and_links_and_parts_may_be(api: Schema) -> None:
    order = api._schema.get_type("Order")
    assert isinstance(order, GraphQLObjectType)
    types = {name: str(field.type) for name, field in order.fields.items()}
    assert types["lines"] == "[OrderLine!]!"
    for part in ("fulfillments", "returns", "refunds", "subscriptions"):  # null: could not be read
        assert types[part].startswith("[")
        assert types[part].endswith("!]")
    assert types["customer"] == "Customer"


def test_unions_of_one_are_checked_by_graphql_itself(api: Schema) -> None:
    published = build_schema(PUBLISHED.read_text(), assume_valid=True)
    for name in ("CustomerBy", "PreviewInput"):
        found = published.get_type(name)
        assert isinstance(found, GraphQLInputObjectType)
        assert found.is_one_of


def test_every_type_a_client_reads_says_what_it_is(api: Schema) -> None:
    silent = [
        name
        for name, found in api._schema.type_map.items()
        if isinstance(found, GraphQLInterfaceType) and not found.description
    ]
    assert silent == []
    for definition in SCALARS.values():
        assert definition.description
