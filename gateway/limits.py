"""How much one operation may ask for: measured on the document before anything is read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLError,
    GraphQLList,
    GraphQLObjectType,
    GraphQLSchema,
    InlineFragmentNode,
    IntValueNode,
    ListValueNode,
    Node,
    ObjectValueNode,
    OperationDefinitionNode,
    OperationType,
    SelectionSetNode,
    TokenKind,
    ValueNode,
    VariableNode,
    get_named_type,
    is_composite_type,
    is_list_type,
    is_non_null_type,
)
from graphql.pyutils import Undefined

from gateway.settings import Limits
from schema.costs import COST_OF_MUTATION, Size, size_of, weight_of

#: Selections inside one another, fragments included: below what any of Python's own limits could cut.
_NESTED_SELECTIONS: Final = 150
#: Counts of a document that repeats itself stop growing here.
_MANY: Final = 10**9


def exceeded(limit: str, most: int, message: str, nodes: Sequence[Node] | Node | None = None) -> GraphQLError:
    """The one error of a limit; `limit` is its name in the settings."""
    return GraphQLError(message, nodes, extensions={"code": "LIMIT_EXCEEDED", "limit": limit, "most": most})


# ------------------------------------------------------------------ what needs no types
@dataclass(slots=True)
class _Shape:
    """What a selection comes to with its fragments written out."""

    depth: int = 0
    aliases: int = 0
    directives: int = 0
    fragments: int = 0

    def add(self, other: _Shape, *, below: int = 0) -> None:
        self.depth = max(self.depth, other.depth + below)
        self.aliases = min(_MANY, self.aliases + other.aliases)
        self.directives = min(_MANY, self.directives + other.directives)
        self.fragments = min(_MANY, self.fragments + other.fragments)


@dataclass(slots=True)
class _Measuring:
    limits: Limits
    fragments: Mapping[str, FragmentDefinitionNode]
    shapes: dict[str, _Shape] = field(default_factory=dict)
    inside: set[str] = field(default_factory=set)

    def shape(self, selections: SelectionSetNode, level: int = 0) -> _Shape:
        if level > _NESTED_SELECTIONS:
            most = self.limits.query_depth
            raise exceeded("query_depth", most, f"the operation is nested deeper than {most} levels", selections)
        found = _Shape()
        keys: set[str] = set()
        for selection in selections.selections:
            found.directives += len(selection.directives or ())
            if isinstance(selection, FieldNode):
                key = (selection.alias or selection.name).value
                found.aliases += selection.alias is not None or key in keys
                keys.add(key)
                for argument in selection.arguments or ():
                    self.value(argument.value)
                below = self.shape(selection.selection_set, level + 1) if selection.selection_set else _Shape()
                found.add(below, below=1)
            elif isinstance(selection, InlineFragmentNode):
                found.fragments += 1
                found.add(self.shape(selection.selection_set, level + 1))
            elif isinstance(selection, FragmentSpreadNode):
                found.fragments += 1
                found.add(self.fragment(selection.name.value, level + 1))
        return found

    def fragment(self, name: str, level: int) -> _Shape:
        definition = self.fragments.get(name)
        if definition is None:  # validation says so
            return _Shape()
        if name in self.inside:  # said at once: nothing that goes round can be measured
            words = f"Cannot spread fragment '{name}' within itself."
            raise GraphQLError(words, definition, extensions={"code": "INVALID_INPUT"})
        if name not in self.shapes:
            self.inside.add(name)
            shape = self.shape(definition.selection_set, level)
            self.inside.discard(name)
            shape.directives += len(definition.directives or ())
            self.shapes[name] = shape
        return self.shapes[name]

    def value(self, value: ValueNode, level: int = 0) -> None:
        if level > self.limits.value_depth:
            raise _deep_value(self.limits.value_depth, value)
        if isinstance(value, ListValueNode):
            if len(value.values) > self.limits.list_items:
                raise _long_list(self.limits.list_items, len(value.values), value)
            for item in value.values:
                self.value(item, level + 1)
        elif isinstance(value, ObjectValueNode):
            for entry in value.fields:
                self.value(entry.value, level + 1)


@dataclass(slots=True)
class _Overlapping:
    """How many pairs of fields validation compares, since they may stand in one place of the answer."""

    fragments: Mapping[str, FragmentDefinitionNode]
    most: int
    known: dict[tuple[int, ...], int] = field(default_factory=dict)

    def pairs(self, together: Sequence[SelectionSetNode]) -> int:
        """Of selections that are made of one object; beyond `most` counting ends."""
        key = tuple(map(id, together))
        if key not in self.known:
            places: dict[str, list[FieldNode]] = {}
            seen: set[str] = set()
            for selections in together:
                self._collect(selections, places, seen)
            found = 0
            for fields in places.values():
                found += len(fields) * (len(fields) - 1) // 2
                if inner := [one.selection_set for one in fields if one.selection_set]:
                    found += self.pairs(inner)
                if found > self.most:
                    break
            self.known[key] = found
        return self.known[key]

    def _collect(self, selections: SelectionSetNode, places: dict[str, list[FieldNode]], seen: set[str]) -> None:
        for one in selections.selections:
            if isinstance(one, FieldNode):
                places.setdefault((one.alias or one.name).value, []).append(one)
            elif isinstance(one, InlineFragmentNode):
                self._collect(one.selection_set, places, seen)
            elif isinstance(one, FragmentSpreadNode) and one.name.value not in seen:
                seen.add(one.name.value)
                if (definition := self.fragments.get(one.name.value)) is not None:
                    self._collect(definition.selection_set, places, seen)


def _deep_value(most: int, node: Node | None = None) -> GraphQLError:
    return exceeded("value_depth", most, f"a value in the arguments is nested deeper than {most} levels", node)


def _long_list(most: int, length: int, node: Node | None = None) -> GraphQLError:
    return exceeded("list_items", most, f"a list in the arguments has {length} items; at most {most} are taken", node)


def check_document(document: DocumentNode, limits: Limits) -> None:
    """Check what can be counted before types are known, so before validation, whose time it bounds.

    Raises:
        GraphQLError: a limit is exceeded; its extensions name the limit.
    """
    _check_names(document, limits.name_length)
    fragments = {one.name.value: one for one in document.definitions if isinstance(one, FragmentDefinitionNode)}
    measuring = _Measuring(limits, fragments)
    for operation in document.definitions:
        if isinstance(operation, OperationDefinitionNode):
            _check_operation(operation, measuring, limits)
    for name in fragments:  # an unused one is validated all the same
        _within(measuring.fragment(name, 0), limits, fragments[name])
    overlapping, overlaps = _Overlapping(fragments, limits.overlaps), 0
    for one in document.definitions:
        if isinstance(one, OperationDefinitionNode | FragmentDefinitionNode):
            overlaps += overlapping.pairs([one.selection_set])
            if overlaps > limits.overlaps:
                words = f"the document repeats fields: more than {limits.overlaps} pairs would have to be compared"
                raise exceeded("overlaps", limits.overlaps, words, one)


def _check_names(document: DocumentNode, most: int) -> None:
    """No name may be longer: an alias stands in the answer once for each item of a list, a name in many errors."""
    token = document.loc.start_token if document.loc else None
    while token is not None:
        if token.kind is TokenKind.NAME and token.end - token.start > most:
            raise exceeded("name_length", most, f"the name {(token.value or '')[:20]}… has more than {most} characters")
        token = token.next


def _check_operation(operation: OperationDefinitionNode, measuring: _Measuring, limits: Limits) -> None:
    shape = measuring.shape(operation.selection_set)
    for variable in operation.variable_definitions or ():
        shape.directives += len(variable.directives or ())
        if variable.default_value is not None:
            measuring.value(variable.default_value)
    shape.directives += len(operation.directives or ())
    _within(shape, limits, operation)
    roots = _roots(operation.selection_set, measuring.fragments, limits.root_fields, frozenset())
    if roots > limits.root_fields:
        most = limits.root_fields
        raise exceeded("root_fields", most, f"the operation begins with more than {most} fields", operation)


def _within(shape: _Shape, limits: Limits, node: Node) -> None:
    counted = (
        ("query_depth", shape.depth, limits.query_depth, "is nested deeper than {} levels"),
        ("aliases", shape.aliases, limits.aliases, "has more than {} aliases and repeated fields"),
        ("directives", shape.directives, limits.directives, "has more than {} directives"),
        ("fragments", shape.fragments, limits.fragments, "has more than {} fragments, each counted wherever it stands"),
    )
    for name, count, most, words in counted:
        if count > most:
            raise exceeded(name, most, f"the operation {words.format(most)}", node)


def _roots(
    selections: SelectionSetNode, fragments: Mapping[str, FragmentDefinitionNode], enough: int, inside: frozenset[str]
) -> int:
    count = 0
    for selection in selections.selections:
        if count > enough:
            break
        if isinstance(selection, FieldNode):
            count += 1
        elif isinstance(selection, InlineFragmentNode):
            count += _roots(selection.selection_set, fragments, enough, inside)
        elif isinstance(selection, FragmentSpreadNode):
            name = selection.name.value
            if name in fragments and name not in inside:
                count += _roots(fragments[name].selection_set, fragments, enough, inside | {name})
    return count


def check_variables(variables: Mapping[str, Any], limits: Limits) -> None:
    """Check the lists and the nesting of given variables.

    Raises:
        GraphQLError: a limit is exceeded.
    """
    waiting: list[tuple[Any, int]] = [(value, 0) for value in variables.values()]
    while waiting:
        value, level = waiting.pop()
        if level > limits.value_depth:
            raise _deep_value(limits.value_depth)
        if isinstance(value, list):
            if len(value) > limits.list_items:
                raise _long_list(limits.list_items, len(value))
            waiting.extend((item, level + 1) for item in value)
        elif isinstance(value, dict):
            waiting.extend((item, level + 1) for item in value.values())


# ------------------------------------------------------------------ what the schema says it costs
@dataclass(slots=True)
class _Costing:
    schema: GraphQLSchema
    fragments: Mapping[str, FragmentDefinitionNode]
    variables: Mapping[str, Any]
    known: dict[tuple[str, tuple[tuple[str, int], ...]], int] = field(default_factory=dict)
    #: Variables that a size depends on.
    read: set[str] = field(default_factory=set)

    def selection(self, selections: SelectionSetNode, parent: Any, sizes: Mapping[str, int]) -> int:
        total = 0
        for one in selections.selections:
            if isinstance(one, FieldNode):
                total += self.field(one, parent, sizes)
            elif isinstance(one, InlineFragmentNode):
                on = one.type_condition
                inner = self.schema.type_map.get(on.name.value, parent) if on else parent
                total += self.selection(one.selection_set, inner, sizes)
            elif isinstance(one, FragmentSpreadNode):
                total += self.fragment(one.name.value, sizes)
            total = min(total, _MANY)
        return total

    def fragment(self, name: str, sizes: Mapping[str, int]) -> int:
        key = (name, tuple(sorted(sizes.items())))
        if key not in self.known:
            definition = self.fragments[name]
            on = self.schema.type_map[definition.type_condition.name.value]
            self.known[key] = self.selection(definition.selection_set, on, sizes)
        return self.known[key]

    def field(self, node: FieldNode, parent: Any, sizes: Mapping[str, int]) -> int:
        name = node.name.value
        found = getattr(parent, "fields", {}).get(name)
        if found is None or name.startswith("__"):  # introspection has a rule of its own
            return 0
        kind = get_named_type(found.type)
        mutation = parent is self.schema.mutation_type
        own = weight_of(parent.name, name, COST_OF_MUTATION if mutation else int(is_composite_type(kind)))
        count = sizes.get(name)
        inner: dict[str, int] = {}
        size = size_of(parent.name, name)
        if size is not None:
            asked = self.asked(node, found, size)
            if size.sized:
                inner = dict.fromkeys(size.sized, asked)
            else:
                count = asked
        below = self.selection(node.selection_set, kind, inner) if node.selection_set else 0
        times = count if count is not None and _is_list(found.type) else 1
        return min(_MANY, times * (own + below))

    def asked(self, node: FieldNode, found: Any, size: Size) -> int:
        """How many items a list is asked to hold."""
        if size.argument is None:
            return size.assumed
        given = next((one.value for one in node.arguments or () if one.name.value == size.argument), None)
        value: object = found.args[size.argument].default_value if given is None else self.literal(given)
        if isinstance(value, list):
            return max(1, len(value))
        if isinstance(value, int):
            return max(1, min(value, size.assumed))
        return size.assumed

    def literal(self, value: ValueNode) -> object:
        if isinstance(value, VariableNode):
            self.read.add(value.name.value)
            return self.variables.get(value.name.value, Undefined)
        if isinstance(value, IntValueNode):
            return int(value.value) if len(value.value) < 10 else _MANY
        if isinstance(value, ListValueNode):
            return [*value.values]
        return Undefined


def _is_list(kind: Any) -> bool:
    return is_list_type(kind.of_type if is_non_null_type(kind) else kind)


class Costs:
    """What an operation costs with given variables; for the same sizes it is worked out once."""

    _MOST: Final = 64

    def __init__(self, operation: OperationDefinitionNode, document: DocumentNode, schema: GraphQLSchema) -> None:
        self._operation = operation
        self._document = document
        self._schema = schema
        self._defaults = {
            one.variable.name.value: _default(one.default_value)
            for one in operation.variable_definitions or ()
            if one.default_value is not None
        }
        self._read: tuple[str, ...] | None = None
        self._known: dict[tuple[object, ...], int] = {}

    def of(self, variables: Mapping[str, Any]) -> int:
        """As `@cost` and `@listSize` of the schema say: each object 1, each list as many times as it is asked to hold,
        a mutation 10. Fragments for several types count together."""
        if self._read is not None:
            sizes = tuple(_size_in(variables.get(name, self._defaults.get(name, Undefined))) for name in self._read)
            if (known := self._known.get(sizes)) is not None:
                return known
        fragments = {
            one.name.value: one for one in self._document.definitions if isinstance(one, FragmentDefinitionNode)
        }
        costing = _Costing(self._schema, fragments, {**self._defaults, **variables})
        found = costing.selection(self._operation.selection_set, _root(self._schema, self._operation.operation), {})
        self._read = tuple(sorted(costing.read))
        if len(self._known) < self._MOST:
            values = costing.variables
            self._known[tuple(_size_in(values.get(name, Undefined)) for name in self._read)] = found
        return found


def _size_in(value: object) -> object:
    """What of a variable's value decides a size."""
    if isinstance(value, list):
        return ("list", len(value))
    return value if isinstance(value, int) else None


def _default(value: ValueNode) -> object:
    if isinstance(value, IntValueNode):
        return int(value.value) if len(value.value) < 10 else _MANY
    return [*value.values] if isinstance(value, ListValueNode) else Undefined


def _root(schema: GraphQLSchema, kind: OperationType) -> GraphQLObjectType | None:
    return {
        OperationType.QUERY: schema.query_type,
        OperationType.MUTATION: schema.mutation_type,
        OperationType.SUBSCRIPTION: schema.subscription_type,
    }[kind]


def unbounded_lists(schema: GraphQLSchema) -> Iterable[str]:
    """The lists of objects that no size is said of: only those that the field above them sizes."""
    for type_ in schema.type_map.values():
        if isinstance(type_, GraphQLObjectType) and not type_.name.startswith("__"):
            for name, found in type_.fields.items():
                inner = found.type.of_type if is_non_null_type(found.type) else found.type
                of_objects = isinstance(inner, GraphQLList) and is_composite_type(get_named_type(inner))
                if of_objects and size_of(type_.name, name) is None:
                    yield f"{type_.name}.{name}"
