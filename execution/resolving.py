"""How a field of the built schema is read: as a plain attribute where Strawberry would do no more, else by a call."""

from __future__ import annotations

import keyword
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

from graphql import GraphQLField, GraphQLObjectType, GraphQLSchema, default_field_resolver
from strawberry.schema.schema_converter import GraphQLCoreConverter
from strawberry.types.base import StrawberryObjectDefinition
from strawberry.types.cast import TYPE_CAST_ATTRIBUTE
from strawberry.types.field import StrawberryField

_DEFINITION = GraphQLCoreConverter.DEFINITION_BACKREF


@dataclass(frozen=True, slots=True)
class Attribute:
    """An attribute of the parent."""

    name: str


@dataclass(frozen=True, slots=True)
class Call:
    """A function of the parent, the info and the arguments by name."""

    call: Callable[..., Any]


Reading: TypeAlias = Attribute | Call


def reading_of(field: GraphQLField, schema: GraphQLSchema) -> Reading:
    """The shortest way to what the field's resolver gives."""
    resolve = field.resolve
    if resolve is None:
        return Call(default_field_resolver)
    definition = field.extensions.get(_DEFINITION)
    if (
        isinstance(definition, StrawberryField)
        and type(definition).get_result is StrawberryField.get_result
        and definition.is_basic_field
        and not definition.arguments
        and definition.default_resolver is getattr
        and getattr(resolve, "__name__", "") == "_get_basic_result"
        and definition.python_name.isidentifier()
        and not keyword.iskeyword(definition.python_name)
    ):
        return Attribute(definition.python_name)
    return Call(resolve)


@dataclass(frozen=True, slots=True)
class Exact:
    """The class whose very own instances are of an object type without being asked."""

    origin: type
    #: What must hold besides, in the words of compiled code, where the value is `v`.
    condition: str


def exact_class(kind: GraphQLObjectType) -> Exact | None:
    """The class of a Strawberry type whose instances are surely of it; None where each must be looked at."""
    definition = kind.extensions.get(_DEFINITION)
    if not isinstance(definition, StrawberryObjectDefinition):
        return None
    origin = definition.origin
    if hasattr(origin, "__await__") or issubclass(origin, Exception):
        return None
    if kind.is_type_of is None:
        return Exact(origin, "")
    if definition.is_type_of is not None or definition.concrete_of is not None:
        return None
    if getattr(origin, "__dictoffset__", 0) == 0 or hasattr(origin, TYPE_CAST_ATTRIBUTE):
        return None
    return Exact(origin, f" and {TYPE_CAST_ATTRIBUTE!r} not in v.__dict__")
