"""Every document sent to Shopify, held against its schema and against what the schema cannot say."""

from __future__ import annotations

import math
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLSchema,
    IntValueNode,
    NoDeprecatedCustomRule,
    OperationDefinitionNode,
    TypeInfo,
    TypeInfoVisitor,
    VariableNode,
    Visitor,
    get_named_type,
    is_abstract_type,
    is_composite_type,
    parse,
    validate,
    validate_schema,
    visit,
)

from platforms.shopify import documents, subset
from platforms.shopify.adapter import _FULL_PAGE, _IN_LISTS, _LARGE, _LIGHT_PAGE
from platforms.shopify.documents import Document

#: The vendor's whole schema, where it lies beside the repository.
WHOLE = Path(__file__).parents[3] / "shared/contracts/shopify/admin-2026-10.graphql.gz"
SCHEMAS = [path for path in (subset.TARGET, WHOLE) if path.exists()]

_DESCRIBED_IDEMPOTENT = (
    "refundCreate locationActivate locationDeactivate inventoryActivate inventoryAdjustQuantities "
    "inventoryMoveQuantities inventorySetOnHandQuantities inventorySetQuantities "
    "inventoryShipmentAddItems inventoryShipmentCreate "
    "inventoryShipmentCreateInTransit inventoryShipmentReceive inventoryTransferCreate "
    "inventoryTransferCreateAsReadyToShip inventoryTransferDuplicate inventoryTransferSetItems"
)
#: Mutations that Shopify refuses at run time without `@idempotent`, from 2026-04 on.
IDEMPOTENT = frozenset(_DESCRIBED_IDEMPOTENT.split())


read = cache(subset.read)


@pytest.fixture(scope="module", params=SCHEMAS, ids=lambda path: path.name)
def schema(request: pytest.FixtureRequest) -> GraphQLSchema:
    return read(request.param)


@pytest.fixture(scope="module")
def small() -> GraphQLSchema:
    return read(subset.TARGET)


def estimate(schema: GraphQLSchema, document: DocumentNode, variables: dict[str, Any]) -> int:
    """Requested points: object 1, abstract type its dearest branch, connection 2 + floor(2 ln n) nodes, mutation 10."""
    fragments = {d.name.value: d for d in document.definitions if isinstance(d, FragmentDefinitionNode)}
    operation = next(d for d in document.definitions if isinstance(d, OperationDefinitionNode))
    types: Any = schema.type_map

    def wanted(node: Any) -> bool:
        for directive in node.directives or ():
            value = directive.arguments[0].value
            truth = variables[value.name.value] if isinstance(value, VariableNode) else value.value
            if directive.name.value == "include" and not truth:
                return False
        return True

    def flat(selections: Any, parent: str) -> list[tuple[str, FieldNode]]:
        found = []
        for node in selections.selections:
            if not wanted(node):
                continue
            if isinstance(node, FieldNode):
                if not node.name.value.startswith("__"):
                    found.append((parent, node))
                continue
            below: Any = fragments[node.name.value] if isinstance(node, FragmentSpreadNode) else node
            found += flat(below.selection_set, below.type_condition.name.value if below.type_condition else parent)
        return found

    def objects(selections: Any, parent: Any) -> int:
        by_type: dict[str, dict[str, int]] = {}
        for name, node in flat(selections, parent.name):
            key = node.alias.value if node.alias else node.name.value
            costs = by_type.setdefault(name, {})
            costs[key] = max(costs.get(key, 0), one(types[name], node))
        sums = {name: sum(costs.values()) for name, costs in by_type.items()}
        if is_abstract_type(parent):
            return sums.pop(parent.name, 0) + max(sums.values(), default=0)
        return sum(sums.values())

    def one(parent: Any, node: FieldNode) -> int:
        named: Any = get_named_type(parent.fields[node.name.value].type)
        if not is_composite_type(named):
            return 0
        if named.name.endswith("Connection"):
            inner = 0
            for _, below in flat(node.selection_set, named.name):
                kind = get_named_type(named.fields[below.name.value].type)
                if below.name.value == "nodes":
                    inner += 1 + objects(below.selection_set, kind)
                elif below.name.value == "edges":
                    inner += objects(below.selection_set, kind)
            return 2 + math.floor(2 * math.log(max(2, size(node)))) * inner
        return 1 + objects(node.selection_set, named)

    def size(node: FieldNode) -> int:
        for argument in node.arguments or ():
            if argument.name.value in ("first", "last"):
                value = argument.value
                return int(value.value if isinstance(value, IntValueNode) else variables[value.name.value])
        raise AssertionError(f"{node.name.value} has neither first nor last")

    if operation.operation.value == "mutation":
        return 10
    return objects(operation.selection_set, schema.query_type)


def everything(**more: Any) -> dict[str, Any]:
    """The variables of the dearest form of a document."""
    parts = ("Lines", "Fulfillments", "Returns", "Refunds", "Addresses", "StatusUrl", "Cycles")
    return {**_IN_LISTS.variables(), **{f"with{part}": True for part in parts}, "first": _FULL_PAGE, **more}


@pytest.mark.parametrize(
    ("text", "cost"),
    [
        ("query A { orders(first: 50) { edges { node { id customer { legacyResourceId } } } } }", 2 + 7 * 2),
        ("query A { shop { currencyCode } }", 1),
        ("query A { nodes(ids: []) { ... on Product { id priceRangeV2 { minVariantPrice { amount } } } id } }", 3),
    ],
)
def test_the_cost_model_gives_what_was_published(small: GraphQLSchema, text: str, cost: int) -> None:
    assert validate(small, parse(text)) == []
    assert estimate(small, parse(text), {}) == cost


@pytest.mark.parametrize("document", documents.ALL, ids=lambda document: document.name)
def test_a_document_is_valid_and_uses_nothing_deprecated(schema: GraphQLSchema, document: Document[Any]) -> None:
    assert validate(schema, document.tree) == []
    assert validate(schema, document.tree, [NoDeprecatedCustomRule]) == []


@pytest.mark.parametrize("document", documents.ALL, ids=lambda document: document.name)
def test_every_connection_of_a_document_says_how_many(small: GraphQLSchema, document: Document[Any]) -> None:
    found = _Connections(TypeInfo(small))
    visit(document.tree, TypeInfoVisitor(found.info, found))
    assert found.without_size == []


@pytest.mark.parametrize("document", documents.ALL, ids=lambda document: document.name)
def test_a_document_costs_less_than_one_call_may(small: GraphQLSchema, document: Document[Any]) -> None:
    assert estimate(small, document.tree, everything()) < 1000


@pytest.mark.parametrize("document", documents.ALL, ids=lambda document: document.name)
def test_what_a_document_costs_is_known_before_it_is_sent(small: GraphQLSchema, document: Document[Any]) -> None:
    for variables in (
        everything(),
        everything(withReturns=False, withRefunds=False, first=3),
        everything(withLines=False),
    ):
        assert documents.price(document.tree, variables) == estimate(small, document.tree, variables)


def test_twenty_orders_with_everything_are_one_call(small: GraphQLSchema) -> None:
    assert _FULL_PAGE == 20
    assert estimate(small, documents.ORDERS_FOUND.tree, everything()) == 862
    light = everything(first=_LIGHT_PAGE, withReturns=False, withRefunds=False)
    assert estimate(small, documents.ORDERS_FOUND.tree, light) < 1000
    large = everything(**_LARGE.variables())
    assert estimate(small, documents.ORDERS_BY_ID.tree, large) < 1000


@pytest.mark.parametrize("document", documents.ALL, ids=lambda document: document.name)
def test_what_must_be_idempotent_says_so(document: Document[Any]) -> None:
    assert _bare_idempotent(document.tree) == []


def test_a_refund_without_idempotent_would_be_found() -> None:
    bare = parse("mutation A($i: RefundInput!) { refundCreate(input: $i) { userErrors { message } } }")
    marked = parse(
        "mutation A($i: RefundInput!, $k: String!) "
        "{ refundCreate(input: $i) @idempotent(key: $k) { userErrors { message } } }"
    )
    assert _bare_idempotent(bare) == ["refundCreate"]
    assert _bare_idempotent(marked) == []


@pytest.mark.parametrize("document", documents.ALL, ids=lambda document: document.name)
def test_a_write_is_known_as_one(document: Document[Any]) -> None:
    operation = next(d for d in document.tree.definitions if isinstance(d, OperationDefinitionNode))
    assert document.writes is (operation.operation.value == "mutation")
    assert document.name == (operation.name.value if operation.name else None)


@pytest.mark.parametrize("document", documents.ALL, ids=lambda document: document.name)
def test_a_mutation_asks_for_the_reasons_against_it(document: Document[Any]) -> None:
    if document.writes:
        assert b"userErrors{" in document.text or b"UserErrors{" in document.text


def test_every_operation_of_the_files_is_a_document() -> None:
    assert {document.name for document in documents.ALL} == set(documents.sources()[0])
    used = {
        d.name.value for one in documents.ALL for d in one.tree.definitions if isinstance(d, FragmentDefinitionNode)
    }
    assert used == set(documents.sources()[1])


def test_the_schema_beside_the_adapter_is_small_sound_and_without_prose(small: GraphQLSchema) -> None:
    text = subset.TARGET.read_text("utf-8")
    assert len(text) < 400_000
    assert '"""' not in text
    assert "#" not in text
    assert validate_schema(small) == []


@pytest.mark.parametrize("path", SCHEMAS, ids=lambda path: path.name)
def test_the_schema_beside_the_adapter_is_cut_from_the_vendors_own(path: Path) -> None:
    cut = subset.cut(read(path), [document.tree for document in documents.ALL])
    assert cut == subset.TARGET.read_text("utf-8")


def test_an_unknown_field_would_be_found(schema: GraphQLSchema) -> None:
    wrong = parse("query A { shop { currencyCode colour } }")
    assert [error.message for error in validate(schema, wrong)] == ["Cannot query field 'colour' on type 'Shop'."]


def _bare_idempotent(document: DocumentNode) -> list[str]:
    return [
        field.name.value
        for operation in document.definitions
        if isinstance(operation, OperationDefinitionNode)
        for field in operation.selection_set.selections
        if isinstance(field, FieldNode)
        and field.name.value in IDEMPOTENT
        and not any(directive.name.value == "idempotent" for directive in field.directives or ())
    ]


class _Connections(Visitor):
    def __init__(self, info: TypeInfo) -> None:
        super().__init__()
        self.info = info
        self.without_size: list[str] = []

    def enter_field(self, node: FieldNode, *_: object) -> None:
        kind = self.info.get_type()
        sized = {argument.name.value for argument in node.arguments or ()} & {"first", "last"}
        if kind is not None and get_named_type(kind).name.endswith("Connection") and not sized:
            self.without_size.append(node.name.value)
