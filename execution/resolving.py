"""How a field of the built schema is read: as a plain attribute where Strawberry would do no more, else by a call."""

from __future__ import annotations

import asyncio
import keyword
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from decimal import Decimal
from functools import partial
from typing import Any, Protocol, TypeAlias, cast, runtime_checkable
from uuid import UUID

from graphql import GraphQLField, GraphQLObjectType, GraphQLScalarType, GraphQLSchema, default_field_resolver
from strawberry.extensions.field_extension import FieldExtension, build_field_extension_resolvers
from strawberry.schema.schema import Schema
from strawberry.schema.schema_converter import GraphQLCoreConverter
from strawberry.schema.types.base_scalars import isoformat
from strawberry.types.base import StrawberryObjectDefinition
from strawberry.types.cast import TYPE_CAST_ATTRIBUTE
from strawberry.types.field import StrawberryField
from strawberry.types.fields.resolver import StrawberryResolver
from strawberry.types.scalar import ScalarDefinition

from execution.inputs import Conversions, converted

_DEFINITION = GraphQLCoreConverter.DEFINITION_BACKREF


@runtime_checkable
class Gate(Protocol):
    """A field extension that lets a field be read as if it were not there, or not; the context alone decides.

    Asked once in a run. Where it does not let pass, or cannot tell, its `resolve` is called for each value as ever.
    """

    def lets_pass(self, context: Any, /) -> bool: ...


@runtime_checkable
class Level(Protocol):
    """A field extension that reads a field without arguments of all the objects of a level together.

    `together` tells for each object what brings its value, and under which key the value is there; None: it is null.
    It asks nothing that its field's resolver would not ask, and does not raise.
    """

    def together(
        self, objects: Sequence[Any], context: Any, /
    ) -> Sequence[tuple[asyncio.Future[Mapping[Any, Any]], Any] | None]: ...


@dataclass(frozen=True, slots=True)
class Attribute:
    """An attribute of the parent."""

    name: str


@dataclass(frozen=True, slots=True)
class Call:
    """A function of the parent, the info and the arguments by name."""

    call: Callable[..., Any]
    #: It takes the parent alone.
    bare: bool = False


@dataclass(frozen=True, slots=True)
class Together:
    """A level as a whole."""

    level: Level


@dataclass(frozen=True, slots=True)
class Gated:
    """One way while all gates let pass, another where one does not."""

    gates: tuple[Gate, ...]
    open: Attribute | Call | Together
    shut: Call


Reading: TypeAlias = Attribute | Call | Gated


def reading_of(field: GraphQLField, schema: GraphQLSchema) -> Reading:
    """The shortest way to what the field's resolver gives."""
    resolve = field.resolve
    if resolve is None:
        return Call(default_field_resolver)
    own = field.extensions.get(_DEFINITION)
    home = schema.extensions.get(_DEFINITION)
    if not isinstance(own, StrawberryField) or not isinstance(home, Schema) or not _is_plain(own, home):
        return Call(resolve)
    made = getattr(resolve, "__qualname__", "").removeprefix("GraphQLCoreConverter.from_resolver.<locals>.")
    if made == "_get_basic_result" and own.default_resolver is getattr and _is_word(own.python_name):
        return Attribute(own.python_name)
    if made not in ("_resolver", "_async_resolver"):
        return Call(resolve)
    shut = Call(_extended(own, home) if made == "_resolver" else resolve)
    gates = tuple(one for one in own.extensions if isinstance(one, Gate))
    levels = [one for one in own.extensions if isinstance(one, Level)]
    if len(gates) + len(levels) < len(own.extensions) or len(levels) > 1:
        return shut
    open_: Attribute | Call | Together
    if levels:
        if own.arguments:
            return shut
        open_ = Together(levels[0])
    elif own.base_resolver is not None:
        open_ = _direct(own, own.base_resolver, home)
    elif own.default_resolver is getattr and _is_word(own.python_name):
        open_ = Attribute(own.python_name)
    else:
        return shut
    return open_ if not own.extensions and not isinstance(open_, Together) else Gated(gates, open_, shut)


def _is_plain(field: StrawberryField, home: Schema) -> bool:
    """Whether the field is read as Strawberry reads any, and nothing of its own has been put in between."""
    return (
        type(field).get_result is StrawberryField.get_result
        and not home.exception_handlers
        and (field.base_resolver is None or type(field.base_resolver).__call__ is StrawberryResolver.__call__)
        and all(type(one).map_arguments is FieldExtension.map_arguments for one in field.extensions)
    )


def _is_word(name: str) -> bool:
    return name.isidentifier() and not keyword.iskeyword(name)


def _direct(field: StrawberryField, base: StrawberryResolver[Any], home: Schema) -> Call:
    """What Strawberry's own resolver of a field without extensions does, with all worked out that is alike for every
    call."""
    function = cast("Callable[..., Any]", base.wrapped_func)
    of_self = base.self_parameter is not None
    parents = [one.name for one in (base.parent_parameter, base.root_parameter) if one]
    tells = base.info_parameter.name if base.info_parameter else None
    info_class: Any = home.config.info_class
    arguments = _arguments(field, home)

    def call(source: Any, raw: Any, **given: Any) -> Any:
        info = info_class(raw, field)
        words = arguments(given, info) if arguments else {}
        for parent in parents:
            words[parent] = source
        if tells:
            words[tells] = info
        return function(source, **words) if of_self else function(**words)

    def told(source: Any, raw: Any) -> Any:
        return function(source, info=info_class(raw, field))

    if of_self and not parents and not arguments:
        if tells is None:
            return Call(function, bare=True)
        if tells == "info":
            return Call(told)
    return Call(call)


def _extended(field: StrawberryField, home: Schema) -> Callable[..., Any]:
    """What Strawberry's own resolver of a field with extensions does, likewise."""
    base = field.base_resolver
    function = None if base is None else cast("Callable[..., Any]", base.wrapped_func)
    of_self = base is not None and base.self_parameter is not None
    parents = [one.name for one in (base.parent_parameter, base.root_parameter) if one] if base else []
    tells = base.info_parameter.name if base is not None and base.info_parameter else None
    info_class: Any = home.config.info_class
    extensions = build_field_extension_resolvers(field)
    arguments = _arguments(field, home)

    def extended(source: Any, raw: Any, **given: Any) -> Any:
        info = info_class(raw, field)
        words = arguments(given, info) if arguments else {}
        for parent in parents:
            words[parent] = source
        if tells and tells != "info":
            words[tells] = info

        def last(its_source: Any, its_info: Any, **its_words: Any) -> Any:
            if function is None:
                return field.default_resolver(its_source, field.python_name)
            if tells == "info":
                its_words["info"] = its_info
            return function(source, **its_words) if of_self else function(**its_words)

        chained: Callable[..., Any] = last
        for extension in extensions:
            chained = partial(extension, chained)
        return chained(source, info, **words)

    return extended


def _arguments(field: StrawberryField, home: Schema) -> Callable[[dict[str, Any], Any], dict[str, Any]] | None:
    """What makes Strawberry's own values of given ones, under the names of the function."""
    if not field.arguments:
        return None
    conversions = Conversions(home)
    known = [
        (home.config.name_converter.from_argument(one), one.python_name, conversions.of(one.type))
        for one in field.arguments
    ]

    def all_converted(given: dict[str, Any], info: Any) -> dict[str, Any]:
        return {
            python_name: converted(convert, given[name], info, (name,))
            for name, python_name, convert in known
            if name in given
        }

    return all_converted


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


def is_exactly(kind: GraphQLObjectType) -> Callable[[Any], bool]:
    """Whether a value is surely of an object type, so that nobody has to be asked."""
    found = exact_class(kind)
    if found is None:
        return lambda value: False
    origin = found.origin
    if not found.condition:
        return lambda value: value.__class__ is origin
    return lambda value: value.__class__ is origin and TYPE_CAST_ATTRIBUTE not in value.__dict__


def written_class(kind: GraphQLScalarType) -> type | None:
    """The class whose very own instances the scalar surely writes as a text; None where it must be looked at."""
    definition = kind.extensions.get(_DEFINITION)
    if not isinstance(definition, ScalarDefinition):
        return None
    coerce: Any = kind.coerce_output_value
    origin = definition.origin
    if (coerce is isoformat and origin in (date, datetime, time)) or (coerce is str and origin in (Decimal, UUID)):
        return cast("type", origin)
    return None
