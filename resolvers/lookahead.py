"""Which costly parts of a noun the selection below a field asks for; fields that are skipped do not count."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, cast

from graphql import (
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    InlineFragmentNode,
    SelectionNode,
    Undefined,
    value_from_ast_untyped,
)

from schema.context import Decide, Info
from schema.parts import OrderParts, SubscriptionParts
from schema.vocabulary import ActionKind

#: Types whose fragments apply to a noun of the name; interfaces included.
_ABSTRACT = frozenset({"Node"})


class Selection:
    """The fields selected at one place of an operation, by name, merged over fragments and aliases."""

    __slots__ = ("_fields", "_fragments", "_type", "_variables")

    def __init__(
        self,
        nodes: Iterable[FieldNode],
        fragments: Mapping[str, FragmentDefinitionNode],
        variables: Mapping[str, Any],
        type_name: str | None = None,
    ) -> None:
        self._fragments = fragments
        self._variables = variables
        self._type = type_name
        self._fields: dict[str, list[FieldNode]] = {}
        for node in nodes:
            if node.selection_set is not None:
                self._collect(node.selection_set.selections)

    @classmethod
    def below(cls, info: Info, type_name: str | None = None) -> Selection:
        """What is selected below the field that is being resolved."""
        raw = info._raw_info
        variables = raw.variable_values
        values = cast("Mapping[str, Any]", getattr(variables, "coerced", variables))
        fragments = raw.fragments
        plain = {name: getattr(found, "definition", found) for name, found in fragments.items()}
        return cls(raw.field_nodes, plain, values, type_name)

    def _collect(self, selections: Iterable[SelectionNode]) -> None:
        for node in selections:
            if not self._included(node):
                continue
            if isinstance(node, FieldNode):
                self._fields.setdefault(node.name.value, []).append(node)
            elif isinstance(node, InlineFragmentNode):
                if self._applies(node.type_condition.name.value if node.type_condition else None):
                    self._collect(node.selection_set.selections)
            elif isinstance(node, FragmentSpreadNode):
                fragment = self._fragments.get(node.name.value)
                if fragment is not None and self._applies(fragment.type_condition.name.value):
                    self._collect(fragment.selection_set.selections)

    def _applies(self, condition: str | None) -> bool:
        return condition is None or self._type is None or condition == self._type or condition in _ABSTRACT

    def _included(self, node: SelectionNode) -> bool:
        for directive in node.directives or ():
            if directive.name.value in ("skip", "include"):
                value = next((arg.value for arg in directive.arguments or () if arg.name.value == "if"), None)
                if value is None:
                    continue
                met = bool(value_from_ast_untyped(value, cast("dict[str, Any]", self._variables)))
                if met is (directive.name.value == "skip"):
                    return False
        return True

    def __contains__(self, name: str) -> bool:
        return name in self._fields

    def at(self, *path: str) -> Selection:
        """What is selected below a field; empty where the field is not selected."""
        here = self
        for name in path:
            here = Selection(here._fields.get(name, ()), here._fragments, here._variables)
        return here

    def items(self) -> Selection:
        """What is selected on the items of a connection, through `nodes` or through `edges { node }`."""
        found = Selection((), self._fragments, self._variables)
        nodes = [*self._fields.get("nodes", ()), *self.at("edges")._fields.get("node", ())]
        for node in nodes:
            if node.selection_set is not None:
                found._collect(node.selection_set.selections)
        return found

    def arguments(self, name: str) -> Iterator[dict[str, Any]]:
        """The arguments of each use of a field, plain values; enum words as text."""
        for node in self._fields.get(name, ()):
            values = {
                argument.name.value: value_from_ast_untyped(argument.value, cast("dict[str, Any]", self._variables))
                for argument in node.arguments or ()
            }
            # A variable that was left out leaves its argument out.
            yield {name: value for name, value in values.items() if value is not Undefined}


def order_parts(selection: Selection, decide: Decide) -> OrderParts:
    """The parts of an order that a selection on it touches, and that the decisions in it will look at."""
    parts = OrderParts.NONE
    for arguments in selection.arguments("eligibility"):
        parts |= decide.order_parts(_actions(arguments))
    parts |= _reason_parts(selection, decide)
    if "lines" in selection:
        parts |= line_parts(selection.at("lines"), decide)
    if "fulfillments" in selection:
        parts |= OrderParts.FULFILLMENTS | line_parts(selection.at("fulfillments", "lines", "line"), decide)
    if "refunds" in selection:
        parts |= refund_parts(selection.at("refunds"), decide)
    if "returns" in selection:
        parts |= return_parts(selection.at("returns"), decide)
    if "timeline" in selection:
        parts |= OrderParts.FULFILLMENTS | OrderParts.RETURNS | OrderParts.REFUNDS
    if "shippingAddress" in selection or "billingAddress" in selection:
        parts |= OrderParts.ADDRESSES
    if "statusUrl" in selection:
        parts |= OrderParts.STATUS_URL
    if "returnStatus" in selection:
        parts |= OrderParts.RETURN_STATUS
    if parts & (OrderParts.FULFILLMENTS | OrderParts.RETURNS | OrderParts.REFUNDS):
        parts |= OrderParts.LINES
    return parts


def line_parts(selection: Selection, decide: Decide) -> OrderParts:
    """The parts of the order that a selection on one of its lines touches, wherever the line is shown."""
    parts = OrderParts.LINES | _reason_parts(selection, decide)
    for arguments in selection.arguments("eligibility"):
        parts |= decide.order_parts(_actions(arguments))
    quantity = selection.at("quantity")
    if "fulfilled" in quantity or "delivered" in quantity:
        parts |= OrderParts.FULFILLMENTS
    if "returned" in quantity:
        parts |= OrderParts.RETURNS
    if "returnable" in quantity:
        parts |= OrderParts.RETURNS | OrderParts.FULFILLMENTS | OrderParts.REFUNDS
    if "refundable" in quantity:
        parts |= OrderParts.REFUNDS
    return parts


def _reason_parts(selection: Selection, decide: Decide) -> OrderParts:
    """What is shown of the lines that the reasons of an eligibility name."""
    decision = selection.at("eligibility", "decision")
    parts = OrderParts.NONE
    for name in ("reasons", "shadow"):
        if "line" in decision.at(name):
            parts |= line_parts(decision.at(name, "line"), decide)
    return parts


def refund_parts(selection: Selection, decide: Decide) -> OrderParts:
    """The parts of the order behind a refund that a selection on the refund touches."""
    return OrderParts.REFUNDS | line_parts(selection.at("lines", "line"), decide)


def return_parts(selection: Selection, decide: Decide) -> OrderParts:
    """The parts of the order behind a return that a selection on the return touches."""
    parts = OrderParts.RETURNS | line_parts(selection.at("lines", "line"), decide)
    if "refunds" in selection:
        parts |= refund_parts(selection.at("refunds"), decide)
    if "order" in selection:
        parts |= order_parts(selection.at("order"), decide)
    return parts


def subscription_parts(selection: Selection, decide: Decide) -> SubscriptionParts:
    """The parts of a subscription that a selection on it touches, and that the decisions in it will look at."""
    parts = SubscriptionParts.NONE
    for arguments in selection.arguments("eligibility"):
        parts |= decide.subscription_parts(_actions(arguments))
    if "cyclesCompleted" in selection or "originOrder" in selection:
        parts |= SubscriptionParts.CYCLES
    return parts


def _actions(arguments: Mapping[str, Any]) -> list[ActionKind] | None:
    given = arguments.get("actions")
    if given is None:
        return None
    words = given if isinstance(given, list) else [given]
    return [word if isinstance(word, ActionKind) else ActionKind[str(word)] for word in words if word is not None]
