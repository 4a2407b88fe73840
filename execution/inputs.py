"""What a request gives, variables and arguments, made into what resolvers take: whatever is alike for every request is
worked out once, for each operation and type. What is out of the ordinary is left to graphql-core and to Strawberry."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING
from enum import Enum
from typing import Any, Final, TypeAlias, cast

from graphql import (
    FieldNode,
    GraphQLArgument,
    GraphQLError,
    GraphQLField,
    GraphQLInputField,
    GraphQLInputObjectType,
    GraphQLInputType,
    GraphQLSchema,
    ListValueNode,
    ObjectValueNode,
    Undefined,
    ValueNode,
    VariableDefinitionNode,
    VariableNode,
    is_input_object_type,
    is_leaf_type,
    is_list_type,
    is_non_null_type,
)
from graphql.execution.get_variable_signature import GraphQLVariableSignature, get_variable_signature
from graphql.execution.values import VariableValues, VariableValueSource, get_argument_values, get_variable_values
from graphql.utilities.coerce_input_value import coerce_default_value, coerce_input_literal
from strawberry.relay import GlobalID
from strawberry.scalars import is_scalar
from strawberry.schema.schema import Schema
from strawberry.types.arguments import convert_argument
from strawberry.types.base import (
    StrawberryList,
    StrawberryMaybe,
    StrawberryObjectDefinition,
    StrawberryOptional,
    get_object_definition,
)
from strawberry.types.enum import StrawberryEnumDefinition
from strawberry.types.unset import UNSET

#: As graphql-core, which tells them.
_MOST_MISTAKES: Final = 50


# ----------------------------------------------------------------------------------------------------------- variables


class Variables:
    """The variables of an operation."""

    def __init__(self, schema: GraphQLSchema, nodes: Sequence[VariableDefinitionNode]) -> None:
        self._schema = schema
        self._nodes = nodes
        self._known: list[tuple[GraphQLVariableSignature, Any, bool]] | None = []
        for node in nodes:
            found = get_variable_signature(schema, node)
            if isinstance(found, GraphQLError) or node.default_value:
                self._known = None
                break
            required = is_non_null_type(found.type)
            inner = found.type.of_type if is_non_null_type(found.type) else found.type
            if not is_leaf_type(inner):  # how deep its values are nested has to be looked at
                self._known = None
                break
            self._known.append((found, inner.coerce_input_value, required))

    def of(self, given: Mapping[str, Any]) -> VariableValues | None:
        """Their values; None where graphql-core has something to say against them."""
        if self._known is not None:
            found = self._short(self._known, given)
            if found is not None:
                return found
        values = get_variable_values(self._schema, self._nodes, cast(Any, given), max_errors=_MOST_MISTAKES)
        return None if isinstance(values, list) else values

    @staticmethod
    def _short(
        known: Sequence[tuple[GraphQLVariableSignature, Any, bool]], given: Mapping[str, Any]
    ) -> VariableValues | None:
        sources: dict[str, VariableValueSource] = {}
        coerced: dict[str, Any] = {}
        for signature, coerce, required in known:
            name = signature.name
            value = given.get(name, Undefined)
            if value is None or value is Undefined:
                if required:
                    return None
                if value is None:
                    coerced[name] = None
            else:
                try:
                    made = coerce(value)
                except Exception:
                    return None
                if made is Undefined:
                    return None
                coerced[name] = made
            sources[name] = VariableValueSource(signature, value)
        return VariableValues(sources, coerced)


# ----------------------------------------------------------------------------------------------------------- arguments

#: Gives a value, made from the operation's variables; Undefined where graphql-core has to be asked.
_Make: TypeAlias = Callable[[Mapping[str, Any]], Any]


class Arguments:
    """The arguments of one field of an operation."""

    def __init__(self, definition: GraphQLField, node: FieldNode) -> None:
        self._definition = definition
        self._node = node
        given = {one.name.value: one.value for one in node.arguments or ()}
        self._made = [_argument(name, one, given.get(name)) for name, one in definition.args.items()]

    def of(self, variables: VariableValues) -> dict[str, Any]:
        """Their values, by the name under which the resolver takes them.

        Raises:
            GraphQLError: as graphql-core tells what is wrong with them.
        """
        coerced = variables.coerced
        found: dict[str, Any] = {}
        for name, make, optional in self._made:
            value = make(coerced)
            if value is not Undefined:
                found[name] = value
            elif not optional:
                return get_argument_values(self._definition, self._node, variables)
        return found


def _argument(name: str, argument: GraphQLArgument, given: ValueNode | None) -> tuple[str, _Make, bool]:
    """Under which name, from what, and whether it may be left out."""
    made = _input(argument, given)
    return (argument.out_name or name, *made)


def _input(of: GraphQLArgument | GraphQLInputField, given: ValueNode | None) -> tuple[_Make, bool]:
    required = is_non_null_type(of.type)
    if given is None:
        return _default(of), not required
    make = _literal(given, of.type)
    if isinstance(given, VariableNode) and not (required and not _has_default(of)):
        variable, default = given.name.value, _default(of)

        def or_default(variables: Mapping[str, Any]) -> Any:
            return make(variables) if variable in variables else default(variables)

        return or_default, not required and not _has_default(of)
    return make, False


def _has_default(of: GraphQLArgument | GraphQLInputField) -> bool:
    return of.default is not None or of.default_value is not Undefined


def _default(of: GraphQLArgument | GraphQLInputField) -> _Make:
    try:
        value = coerce_default_value(of)
    except Exception:  # it is told where the field is run
        value = Undefined
    return lambda _: value


def _literal(node: ValueNode, kind: GraphQLInputType) -> _Make:
    """As graphql-core's `coerce_input_literal`."""
    if isinstance(node, VariableNode):
        return _variable(node.name.value, required=is_non_null_type(kind))
    if not has_variable([node]):
        return _written(node, kind)
    inner = cast(GraphQLInputType, kind.of_type if is_non_null_type(kind) else kind)
    if isinstance(node, ListValueNode) and is_list_type(inner):
        return _list([_literal(one, inner.of_type) for one in node.values])
    if isinstance(node, ObjectValueNode) and is_input_object_type(inner):
        return _object(node, inner)
    return lambda _: Undefined


def _written(node: ValueNode, kind: GraphQLInputType) -> _Make:
    """A literal without variables: made once, if nobody can change what it makes."""
    try:
        value = coerce_input_literal(node, kind)
    except Exception:  # an input type of its own mind: it is told where the field is run
        value = Undefined
    return (lambda _: value) if unchanging(value) else (lambda _: coerce_input_literal(node, kind))


def _variable(name: str, *, required: bool) -> _Make:
    def make(variables: Mapping[str, Any]) -> Any:
        value = variables.get(name, Undefined)
        return Undefined if value is None and required else value

    return make


def _list(items: Sequence[_Make]) -> _Make:
    def make(variables: Mapping[str, Any]) -> Any:
        found = [item(variables) for item in items]
        return Undefined if any(one is Undefined for one in found) else found

    return make


def _object(node: ObjectValueNode, kind: GraphQLInputObjectType) -> _Make:
    given = {one.name.value: one.value for one in node.fields}
    if not given.keys() <= kind.fields.keys() or (kind.is_one_of and len(given) != 1):
        return lambda _: Undefined
    if kind.is_one_of:
        (word,) = given
        only, name = _literal(given[word], kind.fields[word].type), kind.fields[word].out_name or word

        def make_one(variables: Mapping[str, Any]) -> Any:
            value = only(variables)
            return Undefined if value is None or value is Undefined else kind.out_type({name: value})

        return make_one
    made = [(one.out_name or word, *_input(one, given.get(word))) for word, one in kind.fields.items()]

    def make(variables: Mapping[str, Any]) -> Any:
        found: dict[str, Any] = {}
        for name, of, optional in made:
            value = of(variables)
            if value is not Undefined:
                found[name] = value
            elif not optional:
                return Undefined
        return kind.out_type(found)

    return make


def has_variable(nodes: Sequence[Any]) -> bool:
    """Whether values as they are written name a variable."""
    waiting: list[Any] = list(nodes)
    while waiting:
        node = waiting.pop()
        if isinstance(node, VariableNode):
            return True
        waiting.extend(getattr(node, "values", ()))
        waiting.extend(field.value for field in getattr(node, "fields", ()))
    return False


def unchanging(value: Any) -> bool:
    """Whether a value can be handed out again and again: nobody can change it."""
    return value is None or isinstance(value, str | int | float | bool | Enum)


# ------------------------------------------------------------------------------------------------- Strawberry's values

#: Makes Strawberry's own value of a coerced one, which is not None; told the info and where the value is.
_Convert: TypeAlias = Callable[[Any, Any, tuple[str | int, ...]], Any]


class Conversions:
    """How values become instances of a schema's input types, as Strawberry's `convert_argument` makes them."""

    def __init__(self, home: Schema) -> None:
        self._home = home
        self._scalars = home.schema_converter.scalar_registry

    def of(self, kind: Any) -> _Convert | None:
        """None: values are taken as they are."""
        if isinstance(kind, StrawberryOptional) and not isinstance(kind, StrawberryMaybe):
            return self.of(kind.of_type)
        if self._is_leaf(kind):
            return None
        if isinstance(kind, StrawberryList):
            return self._list(kind)
        definition = get_object_definition(kind)
        if definition is not None and definition.is_input and definition.from_input is None:
            return self._object(kind, definition)
        return lambda value, info, path: convert_argument(
            value, kind, self._scalars, self._home.config, info, path=path
        )

    def _is_leaf(self, kind: Any) -> bool:
        if isinstance(kind, StrawberryEnumDefinition):
            return True
        return is_scalar(kind, self._scalars) and kind is not GlobalID

    def _list(self, kind: StrawberryList) -> _Convert:
        each = self.of(kind.of_type)
        if each is None:
            return lambda value, info, path: list(value)  # not graphql-core's own, which may be a default of the schema

        def convert(value: Any, info: Any, path: tuple[str | int, ...]) -> Any:
            return [
                one if one is None or one is UNSET else each(one, info, (*path, index))
                for index, one in enumerate(value)
            ]

        return convert

    def _object(self, kind: Any, definition: StrawberryObjectDefinition) -> _Convert:
        name_of = self._home.config.name_converter.from_field
        absent = dict.fromkeys(
            one.python_name
            for one in definition.fields
            if one.default_value is MISSING and one.default_factory is MISSING
        )
        known: list[tuple[str, str, _Convert | None]] = []

        def convert(value: Any, info: Any, path: tuple[str | int, ...]) -> Any:
            if not known:  # not before: an input type may hold itself
                known.extend(
                    (name_of(one), one.python_name, self.of(one.resolve_type(type_definition=definition)))
                    for one in definition.fields
                )
            words: dict[str, Any] = dict(absent)
            for name, python_name, inner in known:
                if name in value:
                    words[python_name] = converted(inner, value[name], info, (*path, name))
            return kind(**words)

        return convert


def converted(convert: _Convert | None, value: Any, info: Any, path: tuple[str | int, ...]) -> Any:
    """Strawberry's own value of a coerced one."""
    return value if convert is None or value is None or value is UNSET else convert(value, info, path)
