"""Which GraphQL documents we send to Shopify: constant texts from the `.graphql` files here, each parsed once."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, Generic, TypeVar

import msgspec
from gql import GraphQLRequest
from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    InlineFragmentNode,
    OperationDefinitionNode,
    OperationType,
    SelectionSetNode,
    ValueNode,
    VariableNode,
    Visitor,
    parse,
    print_ast,
    strip_ignored_characters,
    visit,
)

from platforms.shopify import wire

T = TypeVar("T")

#: One file for each noun.
FILES = ("orders", "returns", "refunds", "customers", "products", "subscriptions", "shop")


@dataclass(frozen=True, slots=True)
class Document(Generic[T]):
    """One operation with the fragments it needs, and the shape of its answer."""

    name: str
    #: What logs and metrics call it.
    operation: str
    answer: type[T]
    writes: bool
    tree: DocumentNode
    #: The text as it is sent, already JSON.
    text: bytes

    def request(self, variables: dict[str, Any]) -> GraphQLRequest:
        return GraphQLRequest(self.tree, variable_values=variables, operation_name=self.name)

    def payload(self, variables: dict[str, Any] | None) -> bytes:
        """The body of a call."""
        inner = msgspec.json.encode(variables or {})
        return b'{"query":' + self.text + b',"operationName":"' + self.name.encode() + b'","variables":' + inner + b"}"


def price(tree: DocumentNode, variables: Mapping[str, Any]) -> float:
    """The points a document will probably ask for; the answer tells the truth, which is what is charged.

    Shopify publishes the principle, not the formula (https://shopify.dev/docs/api/usage/limits): an object 1, a scalar
    0, a mutation 10, a list by its size. That a list counts 2 and floor(2 ln n) nodes agrees with published costs."""
    fragments = {one.name.value: one for one in tree.definitions if isinstance(one, FragmentDefinitionNode)}

    def given(value: ValueNode) -> Any:
        return variables.get(value.name.value) if isinstance(value, VariableNode) else getattr(value, "value", None)

    def fields(selections: SelectionSetNode) -> Iterator[FieldNode]:
        for one in selections.selections:
            conditions = [directive.arguments[0].value for directive in one.directives or () if directive.arguments]
            if not all(given(value) for value in conditions):  # `@include(if:)` is all we write
                continue
            if isinstance(one, FieldNode):
                yield one
            elif isinstance(one, FragmentSpreadNode):
                yield from fields(fragments[one.name.value].selection_set)
            elif isinstance(one, InlineFragmentNode):
                yield from fields(one.selection_set)

    def objects(selections: SelectionSetNode) -> int:
        return sum(whole(one) for one in fields(selections))

    def whole(node: FieldNode) -> int:
        if node.selection_set is None:
            return 0
        below = {one.name.value: one for one in fields(node.selection_set)}
        inner = below.get("nodes") or below.get("edges")
        if inner is None or inner.selection_set is None:
            return 1 + objects(node.selection_set)
        size = next(int(given(one.value)) for one in node.arguments or () if one.name.value == "first")
        each = objects(inner.selection_set) + (inner.name.value == "nodes")
        return 2 + math.floor(2 * math.log(max(2, size))) * each

    operation = next(one for one in tree.definitions if isinstance(one, OperationDefinitionNode))
    return 10.0 if operation.operation is OperationType.MUTATION else float(objects(operation.selection_set))


class _Spreads(Visitor):
    def __init__(self) -> None:
        super().__init__()
        self.names: set[str] = set()

    def enter_fragment_spread(self, node: FragmentSpreadNode, *_: object) -> None:
        self.names.add(node.name.value)


@cache
def sources() -> tuple[dict[str, OperationDefinitionNode], dict[str, FragmentDefinitionNode]]:
    """Every operation and every fragment of the files, by name."""
    operations: dict[str, OperationDefinitionNode] = {}
    fragments: dict[str, FragmentDefinitionNode] = {}
    for name in FILES:
        text = files(__package__).joinpath(f"{name}.graphql").read_text("utf-8")
        for definition in parse(text, no_location=True).definitions:
            if isinstance(definition, OperationDefinitionNode) and definition.name:
                operations[definition.name.value] = definition
            elif isinstance(definition, FragmentDefinitionNode):
                fragments[definition.name.value] = definition
    return operations, fragments


def _document(name: str, operation: str, answer: type[T]) -> Document[T]:
    operations, fragments = sources()
    definition = operations[name]
    needed: dict[str, FragmentDefinitionNode] = {}
    open_: list[OperationDefinitionNode | FragmentDefinitionNode] = [definition]
    while open_:
        spreads = _Spreads()
        visit(open_.pop(), spreads)
        for spread in sorted(spreads.names - needed.keys()):
            needed[spread] = fragments[spread]
            open_.append(fragments[spread])
    tree = DocumentNode(definitions=(definition, *needed.values()))
    return Document(
        name=name,
        operation=operation,
        answer=answer,
        writes=definition.operation is OperationType.MUTATION,
        tree=tree,
        text=msgspec.json.encode(strip_ignored_characters(print_ast(tree))),
    )


ORDERS_BY_ID = _document("OrdersById", "orders.by_id", wire.Nodes[wire.OrderRow])
ORDERS_FOUND = _document("OrdersFound", "orders.list", wire.OrdersFound)
ORDER_LINES_AFTER = _document("OrderLinesAfter", "orders.lines", wire.OrderLines)
ORDER_CANCEL = _document("OrderCancel", "orders.cancel", wire.OrderCancel)
ORDER_CANCEL_JOB = _document("OrderCancelJob", "orders.cancel_job", wire.OrderCancelJob)
RETURNABLE_ITEMS = _document("ReturnableItems", "returns.returnable", wire.ReturnableItems)
RETURN_REASONS = _document("ReturnReasons", "returns.reasons", wire.ReturnReasons)
RETURN_CREATE = _document("ReturnCreate", "returns.create", wire.ReturnCreate)
RETURN_REQUEST = _document("ReturnRequest", "returns.request", wire.ReturnRequest)
SUGGESTED_REFUND = _document("SuggestedRefund", "refunds.suggested", wire.SuggestedRefund)
REFUND_CREATE = _document("RefundCreate", "refunds.create", wire.RefundCreate)
CUSTOMER_BY_EMAIL = _document("CustomerByEmail", "customers.by_email", wire.CustomerByEmail)
CUSTOMERS_BY_ID = _document("CustomersById", "customers.by_id", wire.Nodes[wire.CustomerRow])
PRODUCTS_BY_ID = _document("ProductsById", "products.by_id", wire.Nodes[wire.ProductRow])
CONTRACTS_BY_ID = _document("ContractsById", "subscriptions.by_id", wire.Nodes[wire.ContractRow])
CONTRACTS_FOUND = _document("ContractsFound", "subscriptions.list", wire.ContractsFound)
CONTRACTS_OF_ORDERS = _document("ContractsOfOrders", "subscriptions.of_orders", wire.Nodes[wire.OrderContracts])
CONTRACT_PAUSE = _document("ContractPause", "subscriptions.pause", wire.ContractPause)
CONTRACT_RESUME = _document("ContractResume", "subscriptions.resume", wire.ContractResume)
CONTRACT_CANCEL = _document("ContractCancel", "subscriptions.cancel", wire.ContractCancel)
PROBE = _document("Probe", "shop.probe", wire.Probe)

ALL: tuple[Document[Any], ...] = tuple(value for value in list(globals().values()) if isinstance(value, Document))
