"""From a valid operation to the source of Python functions that answer it: one for each selection on a type."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import EnumMeta, Flag
from typing import Any, Final, cast

from graphql import (
    DirectiveNode,
    DocumentNode,
    FragmentDefinitionNode,
    GraphQLAbstractType,
    GraphQLBoolean,
    GraphQLEnumType,
    GraphQLFloat,
    GraphQLID,
    GraphQLInt,
    GraphQLList,
    GraphQLObjectType,
    GraphQLOutputType,
    GraphQLScalarType,
    GraphQLSchema,
    GraphQLString,
    Node,
    OperationDefinitionNode,
    OperationType,
    SelectionSetNode,
    VariableNode,
    is_abstract_type,
    is_leaf_type,
    is_list_type,
    is_non_null_type,
)
from graphql.execution.collect_fields import (
    FieldDetailsList,
    FragmentDetails,
    GroupedFieldSet,
    collect_fields,
    collect_subfields,
)
from graphql.execution.values import VariableValues
from strawberry.types.scalar import identity

from execution import completing
from execution.inputs import Arguments, has_variable, unchanging
from execution.places import Path, Place, ResolveInfo
from execution.resolving import (
    Attribute,
    Call,
    Gate,
    Gated,
    Reading,
    Together,
    exact_class,
    reading_of,
    written_class,
)
from execution.running import Run

#: How many fields a compiled operation may have, each counted for every type and place it is written out for, and for
#: every form that the conditions give the operation. A field takes about a tenth of a millisecond to compile.
MOST_FIELDS: Final = 2_000
#: How many variables may decide what is included: each of their combinations is compiled for itself.
MOST_CONDITIONS: Final = 4

_STRANGE_DIRECTIVES: Final = frozenset({"defer", "stream", "experimental_disableErrorPropagation"})
_META: Final = frozenset({"__schema", "__type"})


class Unsupported(Exception):
    """The compiler leaves this operation to graphql-core; the message says why."""


@dataclass(frozen=True, slots=True)
class Outline:
    """An operation and what decides how it is compiled."""

    document: DocumentNode
    operation: OperationDefinitionNode
    definitions: Mapping[str, FragmentDefinitionNode]
    #: Variables that `@skip` and `@include` look at.
    conditions: tuple[str, ...]


def outline(document: DocumentNode, name: str | None) -> Outline:
    """What is to be compiled.

    Raises:
        Unsupported: it is of a kind that graphql-core runs.
    """
    operations = [one for one in document.definitions if isinstance(one, OperationDefinitionNode)]
    if name is not None:
        operations = [one for one in operations if one.name and one.name.value == name]
    if len(operations) != 1:
        raise Unsupported("not one operation")
    operation = operations[0]
    if operation.operation is OperationType.SUBSCRIPTION:
        raise Unsupported("a subscription")
    definitions = {one.name.value: one for one in document.definitions if isinstance(one, FragmentDefinitionNode)}
    if any(one.variable_definitions for one in definitions.values()):
        raise Unsupported("a fragment with variables")
    conditions: dict[str, None] = {}
    for directive in _directives([operation, *definitions.values()]):
        if directive.name.value in _STRANGE_DIRECTIVES:
            raise Unsupported(f"@{directive.name.value}")
        if directive.name.value in ("skip", "include"):
            for argument in directive.arguments or ():
                if isinstance(argument.value, VariableNode):
                    conditions[argument.value.name.value] = None
    if len(conditions) > MOST_CONDITIONS:
        raise Unsupported("more conditions than are compiled")
    return Outline(document, operation, definitions, tuple(conditions))


def _directives(nodes: Sequence[Node]) -> Iterator[DirectiveNode]:
    waiting: list[Any] = list(nodes)
    while waiting:
        node = waiting.pop()
        yield from getattr(node, "directives", None) or ()
        selections: SelectionSetNode | None = getattr(node, "selection_set", None)
        if selections is not None:
            waiting.extend(selections.selections)


@dataclass(slots=True, eq=False)
class Compiled:
    """An operation as functions. They know each other and their places; `let_go` ends that, so that an operation that
    is no longer kept is gone at once, not when garbage is looked for."""

    #: Root fields of a query, all at once.
    root: Callable[[Any, Path, Run], dict[str, Any]] | None
    #: Root fields of a mutation, one after the other: each fills its key.
    serial: Sequence[Callable[[Any, Path, Run], dict[str, Any]]]
    fields: int
    source: str
    #: What decides, for a run as a whole, which way its gated fields are read.
    gates: Sequence[tuple[Gate, ...]]
    names: dict[str, Any]
    places: Sequence[Place]
    #: Runs that are under way.
    running: int = 0
    unwanted: bool = False

    def begin(self) -> None:
        """A run is under way."""
        self.running += 1

    def end(self) -> None:
        """One less is."""
        self.running -= 1
        if self.unwanted and not self.running:
            self.let_go()

    def let_go(self) -> None:
        """Nobody will begin a run any more. The last one that is under way ends it."""
        self.unwanted = True
        if self.running:
            return
        for place in self.places:
            place.complete = _nothing
        self.names.clear()


def compiled(
    schema: GraphQLSchema, outline: Outline, variables: VariableValues, *, most: int = MOST_FIELDS
) -> Compiled:
    """The operation as functions, for these values of its conditions; of at most that many fields.

    Raises:
        Unsupported: graphql-core runs it.
    """
    writer = _Writer(schema, outline, variables, most >> len(outline.conditions))
    root_type = schema.get_root_type(outline.operation.operation)
    if root_type is None:
        raise Unsupported("no such root")
    grouped = collect_fields(schema, writer.fragments, variables, root_type, outline.operation).grouped_field_set
    if outline.operation.operation is OperationType.MUTATION:
        parts = [{key: details} for key, details in grouped.items()]
    else:
        parts = [grouped]
    names = [writer.object(root_type, part, 0) for part in parts]
    source, built = writer.built()
    functions = [built[name] for name in names]
    if outline.operation.operation is OperationType.MUTATION:
        return Compiled(None, functions, writer.fields, source, writer.gates, built, writer.places)
    return Compiled(functions[0], (), writer.fields, source, writer.gates, built, writer.places)


class _Writer:
    def __init__(self, schema: GraphQLSchema, outline: Outline, variables: VariableValues, most: int) -> None:
        self.schema = schema
        self.outline = outline
        self.variables = variables
        self.fragments = {name: FragmentDetails(one) for name, one in outline.definitions.items()}
        self.fields = 0
        self._most = most
        self._lines: list[str] = []
        self._names: dict[str, Any] = {"Info": ResolveInfo, "new": tuple.__new__}
        self._count = 0
        self._links: list[Callable[[Mapping[str, Any]], None]] = []
        self.places: list[Place] = []
        self.gates: list[tuple[Gate, ...]] = []
        self._gates: dict[tuple[int, ...], int] = {}

    def built(self) -> tuple[str, dict[str, Any]]:
        source = "\n".join(self._lines)
        names = self._names
        exec(compile(source, "<compiled operation>", "exec"), names)
        for link in self._links:
            link(names)
        self._links.clear()
        return source, names

    def _name(self, prefix: str, value: Any = None) -> str:
        self._count += 1
        name = f"{prefix}{self._count}"
        if value is not None:
            self._names[name] = value
        return name

    # ------------------------------------------------------------------ functions
    def object(self, kind: GraphQLObjectType, grouped: GroupedFieldSet, up: int) -> str:
        """The function for an object of a type; `up`: steps from the object to the nearest place that may be null."""
        name = self._name("object_")
        body: list[str] = []
        for key, details in grouped.items():
            self.fields += 1
            if self.fields > self._most:
                raise Unsupported("more fields than are compiled")
            body += self._field(kind, key, details, up)
        self._lines += [f"def {name}(s, p, r):", "    d = {}", *(f"    {line}" for line in body), "    return d", ""]
        return name

    def _field(self, parent: GraphQLObjectType, key: str, details: FieldDetailsList, up: int) -> list[str]:
        node = details[0].node
        field = node.name.value
        if field == "__typename":
            return [f"d[{key!r}] = {parent.name!r}"]
        if field in _META:
            raise Unsupported("introspection")
        definition = self.schema.get_field(parent, field)
        if definition is None:
            raise Unsupported("a field that is not there")
        nodes = [one.node for one in details]
        here = 0 if not is_non_null_type(definition.type) else up + 1
        head = (field, nodes, definition.type, parent)
        place = Place(nodes, definition.type, parent, field, here, 0, head, _nothing)
        self.places.append(place)
        path = f"(p, {key!r}, {parent.name!r})"
        reading = reading_of(definition, self.schema)
        read = self._read(reading, place, definition, details, path)
        slow = self._name("slow_")
        self._names[slow] = _slow_field(place, key)
        value = self._value(place, details, path, lambda: f"v = {slow}(v, p, r, d)")
        mark = self._name("place_", place)
        lines = [
            "try:",
            f"    v = {read}",
            *(f"    {line}" for line in value),
            "except Exception as e:",
            f"    v = r.fail(e, {mark}, {path})",
            f"d[{key!r}] = v",
        ]
        if isinstance(reading, Gated) and isinstance(reading.open, Together):
            level = self._name("level_", reading.open.level)
            return [
                f"if r.gates[{self._gate(reading.gates)}]:",
                f"    d[{key!r}] = None",
                f"    r.gather({level}, {mark}, s, {path}, d, {key!r})",
                "else:",
                *(f"    {line}" for line in lines),
            ]
        return lines

    def _read(self, reading: Reading, place: Place, definition: Any, details: FieldDetailsList, path: str) -> str:
        if isinstance(reading, Attribute):
            return f"s.{reading.name}"
        if isinstance(reading, Call) and reading.bare:
            return f"{self._name('read_', reading.call)}(s)"
        head = self._name("head_", place.head)
        info = f"new(Info, (*{head}, {path}, *r.tail))"
        arguments = ""
        if definition.args or details[0].node.arguments:
            arguments = f", **{self._arguments(definition, details)}"
        if isinstance(reading, Call):
            return f"{self._name('read_', reading.call)}(s, {info}{arguments})"
        shut = f"{self._name('read_', reading.shut.call)}(s, {info}{arguments})"
        if isinstance(reading.open, Together):
            return shut
        if isinstance(reading.open, Attribute):
            open_ = f"s.{reading.open.name}"
        elif reading.open.bare:
            open_ = f"{self._name('read_', reading.open.call)}(s)"
        else:
            open_ = f"{self._name('read_', reading.open.call)}(s, {info}{arguments})"
        return f"{open_} if r.gates[{self._gate(reading.gates)}] else {shut}"

    def _arguments(self, definition: Any, details: FieldDetailsList) -> str:
        node = details[0].node
        made = Arguments(definition, node)
        try:
            fixed = None if has_variable([one.value for one in node.arguments or ()]) else made.of(self.variables)
        except Exception:  # it is told where and when the field is run
            fixed = None
        if fixed is not None and all(map(unchanging, fixed.values())):
            return self._name("given_", fixed)
        name = self._name("given_")
        index = self._count

        def arguments(run: Run) -> dict[str, Any]:
            """The same for every object, if nobody can change what is in them."""
            found = run.arguments.get(index)
            if found is None:
                found = made.of(run.variables)
                run.arguments[index] = found if all(map(unchanging, found.values())) else {}
                return found
            return found or made.of(run.variables)

        self._names[name] = arguments
        return f"{name}(r)"

    def _gate(self, gates: tuple[Gate, ...]) -> int:
        """Where the run keeps whether all of these let pass."""
        at = self._gates.setdefault(tuple(map(id, gates)), len(self._gates))
        if at == len(self.gates):
            self.gates.append(gates)
        return at

    # ------------------------------------------------------------------ values
    def _value(self, place: Place, details: FieldDetailsList, path: str, slow: Callable[[], str]) -> list[str]:
        """Lines that make `v` what the response holds, in the shortest way that its class allows."""
        kind: GraphQLOutputType = place.type
        required = is_non_null_type(kind)
        inner = cast(GraphQLOutputType, kind.of_type if required else kind)  # type: ignore[union-attr]
        if is_list_type(inner):
            build = self._list(place, inner, details)
            lines = ["if v.__class__ is list:", f"    v = {build}(v, {path}, r)"]
        elif is_leaf_type(inner):
            place.complete = completing.leaf(inner)
            if (condition := _unfinished(inner)) is not None:
                self._wrap(place, required)
                condition = condition if required else f"v is not None and ({condition})"
                return [f"if {condition}:", f"    {slow()}"]
            lines = self._enum(inner) or self._scalar(inner)
        elif is_abstract_type(inner):
            lines = self._abstract(place, inner, details, path)
        else:
            lines = self._object(place, cast(GraphQLObjectType, inner), details, path)
        self._wrap(place, required)
        if not lines:
            return [slow()] if required else ["if v is not None:", f"    {slow()}"]
        return [*lines, "else:" if required else "elif v is not None:", f"    {slow()}"]

    def _enum(self, kind: Any) -> list[str]:
        words = getattr(kind, "wrapped_cls", None)
        if not isinstance(kind, GraphQLEnumType) or not isinstance(words, EnumMeta) or not _named_alike(kind, words):
            return []
        return [f"if v.__class__ is {self._name('class_', words)}:", "    v = v._name_"]

    def _scalar(self, kind: Any) -> list[str]:
        origin = written_class(kind) if isinstance(kind, GraphQLScalarType) else None
        if origin is None:
            return []
        write = self._name("write_", kind.coerce_output_value)
        return [f"if v.__class__ is {self._name('class_', origin)}:", f"    v = {write}(v)"]

    def _wrap(self, place: Place, required: bool) -> None:
        """Null is refused where it must not be, once the way to complete the value is linked."""

        def link(_: Mapping[str, Any]) -> None:
            place.complete = completing.non_null(place, place.complete)

        if required:
            self._links.append(link)

    def _list(self, place: Place, kind: GraphQLList[Any], details: FieldDetailsList) -> str:
        of = kind.of_type
        up = place.up + 1 if is_non_null_type(of) else 0
        item = Place(place.nodes, of, place.parent, place.field, up, place.depth + 1, place.head, _nothing)
        self.places.append(item)
        slow = self._name("slow_")
        self._names[slow] = _slow_item(item)
        value = self._value(item, details, "(p, i, None)", lambda: f"v = {slow}(v, p, r, out, i)")
        mark = self._name("place_", item)
        name = self._name("list_")
        self._lines += [
            f"def {name}(values, p, r):",
            "    out = []",
            "    rest = iter(values)",
            "    for i, v in enumerate(rest):",
            "        try:",
            *(f"            {line}" for line in value),
            "        except Exception as e:",
            f"            v = r.fail_item(e, {mark}, (p, i, None), rest)",
            "        out.append(v)",
            "    return out",
            "",
        ]

        def link(names: Mapping[str, Any]) -> None:
            place.complete = completing.listed(place, item, names[name])

        self._links.append(link)
        return name

    def _object(self, place: Place, kind: GraphQLObjectType, details: FieldDetailsList, path: str) -> list[str]:
        build = self.object(kind, self._below(kind, details), place.up)

        def link(names: Mapping[str, Any]) -> None:
            place.complete = completing.objects(kind, place, names[build])

        self._links.append(link)
        found = exact_class(kind)
        if found is None:
            return []
        origin = self._name("class_", found.origin)
        return [f"if v.__class__ is {origin}{found.condition}:", f"    v = {build}(v, {path}, r)"]

    def _abstract(self, place: Place, kind: GraphQLAbstractType, details: FieldDetailsList, path: str) -> list[str]:
        possible = {
            one: self.object(one, self._below(one, details), place.up) for one in self.schema.get_possible_types(kind)
        }

        def link(names: Mapping[str, Any]) -> None:
            completes = {
                one.name: completing.objects(one, place, names[build]).checked  # type: ignore[attr-defined]
                for one, build in possible.items()
            }
            place.complete = completing.abstract(kind, place, self.schema, completes)

        self._links.append(link)
        return []

    def _below(self, kind: GraphQLObjectType, details: FieldDetailsList) -> GroupedFieldSet:
        return collect_subfields(
            self.schema, self.fragments, self.variables, self.outline.operation, kind, details
        ).grouped_field_set


def _nothing(value: Any, path: Path, run: Run) -> Any:
    raise AssertionError("a place that was never linked")


def _slow_field(place: Place, key: str) -> Callable[[Any, Path, Run, dict[str, Any]], Any]:
    parent = place.parent.name

    def slow(value: Any, above: Path, run: Run, container: dict[str, Any]) -> Any:
        return completing.item_of(value, place, (above, key, parent), run, container, key)

    return slow


def _slow_item(item: Place) -> Callable[[Any, Path, Run, list[Any], int], Any]:
    def slow(value: Any, above: Path, run: Run, container: list[Any], index: int) -> Any:
        return completing.item_of(value, item, (above, index, None), run, container, index)

    return slow


def _unfinished(kind: Any) -> str | None:
    """When a value that is not null is not yet what the response holds; None where it always has to be looked at."""
    if kind is GraphQLString or kind is GraphQLID or _passes_through(kind):
        return "v.__class__ is not str"
    if kind is GraphQLBoolean:
        return "v is not True and v is not False"
    if kind is GraphQLInt:
        return "v.__class__ is not int or not -2147483648 <= v <= 2147483647"
    if kind is GraphQLFloat:
        return "v.__class__ is not float or v - v != 0.0"
    return None


def _passes_through(kind: Any) -> bool:
    return (
        isinstance(kind, GraphQLScalarType)
        and kind.coerce_output_value in (GraphQLScalarType.serialize, identity)
        and type(kind) is GraphQLScalarType
    )


def _named_alike(kind: GraphQLEnumType, words: EnumMeta) -> bool:
    if issubclass(words, Flag):
        return False
    try:
        return all(
            kind.coerce_output_value(member) == member._name_ for member in cast(Any, words).__members__.values()
        )
    except Exception:  # a member that the type does not have
        return False
