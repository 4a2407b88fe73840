"""A schema whose resolvers do all that a resolver can do wrong, each place by a number that both executors share."""

from __future__ import annotations

import asyncio
import random
import zlib
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from typing import Any

import graphql
from graphql import (
    GraphQLArgument,
    GraphQLBoolean,
    GraphQLEnumType,
    GraphQLError,
    GraphQLField,
    GraphQLFloat,
    GraphQLID,
    GraphQLInputField,
    GraphQLInputObjectType,
    GraphQLInt,
    GraphQLInterfaceType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLResolveInfo,
    GraphQLScalarType,
    GraphQLSchema,
    GraphQLString,
    GraphQLUnionType,
)


@dataclass
class World:
    """What one run is told: its seed, how much goes wrong, and how long answers take."""

    seed: int
    #: Of a thousand places, how many are in trouble.
    trouble: int
    #: Of a thousand places, how many are answered later.
    slow: int
    #: Each later answer takes a time of its own; else all come after a few turns of the loop.
    apart: bool
    #: Whether lists may come as streams: what is in them starts at another time in each executor.
    streams: bool = True
    effects: list[str] = field(default_factory=list)

    def dice(self, path: list[Any], what: str) -> random.Random:
        return random.Random(zlib.crc32(f"{self.seed} {path} {what}".encode()))


class Refused(Exception):
    """An error with something to say."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.extensions = {"code": "REFUSED", "said": message}


class Thing:
    """An object of the trouble schema; its own type's name is what the dice said."""

    def __init__(self, path: list[Any], kind: str) -> None:
        self.path = path
        self.kind = kind

    def __repr__(self) -> str:
        return f"<{self.kind} {self.path}>"


class Awkward:
    """Awaitable without being a coroutine or a future."""

    def __init__(self, coroutine: Any) -> None:
        self.coroutine = coroutine

    def __await__(self) -> Any:
        return self.coroutine.__await__()


KINDS = ("Cat", "Dog", "Ghost")


async def _later(world: World, dice: random.Random, value: Any) -> Any:
    if world.apart:
        await asyncio.sleep(1 + dice.random() * 1_000_000)
    else:
        for _ in range(dice.randrange(3)):
            await asyncio.sleep(0)
    if isinstance(value, _Raise):
        raise value.error
    return value


@dataclass
class _Raise:
    error: Exception


def _given(world: World, dice: random.Random, value: Any) -> Any:
    """The value as a resolver gives it: at once, by raising, or later in one of several ways."""
    if dice.randrange(1000) >= world.slow:
        if isinstance(value, _Raise):
            raise value.error
        return value
    way = dice.randrange(4)
    coroutine = _later(world, dice, value)
    if way == 0:
        return Awkward(coroutine)
    if way == 1:
        return asyncio.ensure_future(coroutine)
    return coroutine


def _error(dice: random.Random, path: list[Any]) -> Exception:
    word = ".".join(map(str, path))
    return dice.choice(
        [
            ValueError(f"no {word}"),
            Refused(word),
            GraphQLError(f"graphql {word}"),
            GraphQLError(f"told {word}", extensions={"code": "TOLD"}),
            KeyError(word),
        ]
    )


def _leaf(name: str, dice: random.Random, wrong: bool) -> Any:
    match name:
        case "Int":
            return dice.choice([2**31, "x", 1.5, "12", True]) if wrong else dice.choice([0, 7, -3, 2**31 - 1])
        case "Float":
            return dice.choice([float("nan"), float("inf"), "x", "1.5"]) if wrong else dice.choice([0.5, 3, -1.25])
        case "String" | "ID":
            return dice.choice([{"a": 1}, [1], 3, True, 2.5]) if wrong else dice.choice(["", "a", "ä😀"])
        case "Boolean":
            return dice.choice(["x", 1, float("nan"), 0]) if wrong else dice.choice([True, False])
        case "Colour":
            return dice.choice(["green", 4, ["r"], {}]) if wrong else dice.choice(["r", "b"])
        case _:
            return dice.choice([1, "odd", 3, []]) if wrong else dice.choice([2, 4])


def _value(world: World, kind: Any, path: list[Any], what: str = "") -> Any:
    """A value for a place of a type, or for an item of a list in it."""
    dice = world.dice(path, what)
    trouble = dice.randrange(1000) < world.trouble
    if trouble:
        match dice.randrange(5):
            case 0:
                return _given(world, dice, None)
            case 1:
                return _given(world, dice, _error(dice, path))  # an exception as a value
            case 2:
                if path and isinstance(path[-1], int):
                    return _later(world, dice, _Raise(_error(dice, path)))
                return _given(world, dice, _Raise(_error(dice, path)))
            case 3:
                return _given(world, dice, graphql.Undefined)
    if isinstance(kind, GraphQLNonNull):
        kind = kind.of_type
    elif not trouble and dice.randrange(12) == 0:
        return _given(world, dice, None)
    return _given(world, dice, _sound(world, kind, path, dice, trouble))


def _sound(world: World, kind: Any, path: list[Any], dice: random.Random, wrong: bool) -> Any:
    if isinstance(kind, GraphQLList):
        if wrong:
            return dice.choice(["text", 5, {"a": 1}])
        count = dice.choice([0, 1, 2, 3])
        match dice.randrange(8):
            case 0:
                return tuple(_value(world, kind.of_type, [*path, index]) for index in range(count))
            case 1:
                return _one_by_one(world, kind.of_type, path, count, dice.randrange(4) == 0)
            case 2 if world.streams:
                return _streamed(world, kind.of_type, path, count, dice.randrange(4) == 0)
        return [_value(world, kind.of_type, [*path, index]) for index in range(count)]
    if isinstance(kind, GraphQLObjectType):
        return Thing(path, dice.choice(KINDS) if wrong else kind.name)
    if isinstance(kind, GraphQLInterfaceType | GraphQLUnionType):
        return Thing(path, "Nobody" if wrong else dice.choice(KINDS[:2]))
    return _leaf(kind.name, dice, wrong)


def _one_by_one(world: World, kind: Any, path: list[Any], count: int, breaks: bool) -> Iterator[Any]:
    for index in range(count):
        yield _value(world, kind, [*path, index])
    if breaks:
        raise ValueError(f"the list broke at {path}")


async def _streamed(world: World, kind: Any, path: list[Any], count: int, breaks: bool) -> AsyncIterator[Any]:
    for index in range(count):
        yield _value(world, kind, [*path, index])
    if breaks:
        raise ValueError(f"the stream broke at {path}")


def _resolve(_: Any, info: GraphQLResolveInfo, **arguments: Any) -> Any:
    assert info.path is not None
    assert info.field_nodes[0].name.value == info.field_name
    path = info.path.as_list()
    return _value(info.context, info.return_type, path, repr(sorted(arguments.items(), key=str)))


def _echo(_: Any, info: GraphQLResolveInfo, **arguments: Any) -> str:
    return repr(arguments)


async def _echo_later(_: Any, info: GraphQLResolveInfo, **arguments: Any) -> str:
    await asyncio.sleep(0)
    return repr(arguments)


def _push(_: Any, info: GraphQLResolveInfo, **arguments: Any) -> Any:
    world: World = info.context
    assert info.path is not None
    path = info.path.as_list()
    dice = world.dice(path, "push")
    world.effects.append(f"begun {path} {arguments}")
    if dice.randrange(2):

        async def do() -> Any:
            await asyncio.sleep(1 + dice.random())
            world.effects.append(f"done {path}")
            found = _value(world, info.return_type, path)
            return await found if hasattr(found, "__await__") else found

        return do()
    return _value(world, info.return_type, path)


def _is_type_of(name: str) -> Any:
    def is_type_of(value: Any, info: GraphQLResolveInfo) -> Any:
        assert info.path is not None
        world: World = info.context
        dice = world.dice(value.path if isinstance(value, Thing) else [], f"is {name}")
        answer: Any = isinstance(value, Thing) and value.kind == name
        if dice.randrange(1000) < world.trouble // 4:
            answer = _Raise(_error(dice, [name]))
        return _given(world, dice, answer)

    return is_type_of


def _resolve_type(value: Any, info: GraphQLResolveInfo, kind: Any) -> Any:
    world: World = info.context
    dice = world.dice(value.path if isinstance(value, Thing) else [], f"type {info.path}")
    answer: Any = getattr(value, "kind", None)
    if dice.randrange(1000) < world.trouble // 2:
        answer = dice.choice([None, 5, "Nowhere", "Int", "Query", "Being", _Raise(_error(dice, [kind.name]))])
    return _given(world, dice, answer)


def _refuse_even(value: Any) -> Any:
    if value == "odd":
        return None
    if not isinstance(value, int) or value % 2:
        raise ValueError(f"not even: {value!r}")
    return value


def _box(values: dict[str, Any]) -> Any:
    return sorted(values.items())


EVEN = GraphQLScalarType("Even", coerce_output_value=_refuse_even, coerce_input_value=_refuse_even)
COLOUR = GraphQLEnumType("Colour", {"RED": "r", "BLUE": "b"})
BOX = GraphQLInputObjectType(
    "Box",
    lambda: {
        "even": GraphQLInputField(EVEN),
        "colours": GraphQLInputField(GraphQLList(GraphQLNonNull(COLOUR)), default_value=["RED"]),
        "inner": GraphQLInputField(BOX, out_name="inside"),
        "must": GraphQLInputField(GraphQLNonNull(GraphQLInt), default_value=9),
    },
)
PLAIN_BOX = GraphQLInputObjectType("PlainBox", {"a": GraphQLInputField(GraphQLInt)}, out_type=_box)


def _arguments() -> dict[str, GraphQLArgument]:
    return {
        "n": GraphQLArgument(GraphQLInt, default_value=3),
        "must": GraphQLArgument(GraphQLNonNull(GraphQLInt), default_value=1),
        "words": GraphQLArgument(GraphQLList(GraphQLNonNull(GraphQLString)), default_value=["w"]),
        "colour": GraphQLArgument(COLOUR, out_name="paint"),
        "even": GraphQLArgument(EVEN),
        "box": GraphQLArgument(BOX),
        "plain": GraphQLArgument(PLAIN_BOX, default_value={"a": 1}),
    }


def _fields() -> dict[str, GraphQLField]:
    found: dict[str, GraphQLField] = {}

    def add(name: str, kind: Any) -> None:
        found[name] = GraphQLField(kind, resolve=_resolve)
        found[f"{name}X"] = GraphQLField(GraphQLNonNull(kind), resolve=_resolve)

    for name, kind in LEAVES.items():
        add(name, kind)
        add(f"{name}s", GraphQLList(kind))
        add(f"{name}Xs", GraphQLList(GraphQLNonNull(kind)))
    for name, kind in {"cat": CAT, "ghost": GHOST, "plain": PLAIN, "being": BEING, "named": NAMED, "pet": PET}.items():
        add(name, kind)
        add(f"{name}s", GraphQLList(kind))
        add(f"{name}Xs", GraphQLList(GraphQLNonNull(kind)))
    add("grid", GraphQLList(GraphQLNonNull(GraphQLList(GraphQLNonNull(GraphQLInt)))))
    add("looseGrid", GraphQLList(GraphQLList(CAT)))
    add("petGrid", GraphQLList(GraphQLNonNull(GraphQLList(PET))))
    found["echo"] = GraphQLField(GraphQLString, _arguments(), resolve=_echo)
    found["echoLater"] = GraphQLField(GraphQLString, _arguments(), resolve=_echo_later)
    found["kind"] = GraphQLField(GraphQLString)  # read as graphql-core reads without a resolver
    return found


LEAVES: dict[str, Any] = {
    "int": GraphQLInt,
    "float": GraphQLFloat,
    "string": GraphQLString,
    "id": GraphQLID,
    "bool": GraphQLBoolean,
    "colour": COLOUR,
    "even": EVEN,
}
BEING = GraphQLInterfaceType("Being", _fields, resolve_type=_resolve_type)
NAMED = GraphQLInterfaceType("Named", _fields)  # its types are asked whether it is them
CAT = GraphQLObjectType("Cat", _fields, interfaces=[BEING, NAMED], is_type_of=_is_type_of("Cat"))
DOG = GraphQLObjectType("Dog", _fields, interfaces=[BEING, NAMED], is_type_of=_is_type_of("Dog"))
GHOST = GraphQLObjectType("Ghost", _fields, is_type_of=_is_type_of("Ghost"))
PLAIN = GraphQLObjectType("Plain", _fields)
PET = GraphQLUnionType("Pet", [CAT, DOG], resolve_type=_resolve_type)


def _pushes() -> dict[str, GraphQLField]:
    given = {"n": GraphQLArgument(GraphQLInt)}
    return {
        "push": GraphQLField(PLAIN, given, resolve=_push),
        "pushX": GraphQLField(GraphQLNonNull(PLAIN), given, resolve=_push),
        "count": GraphQLField(GraphQLInt, given, resolve=_push),
    }


SCHEMA = GraphQLSchema(
    GraphQLObjectType("Query", _fields), GraphQLObjectType("Mutation", _pushes), types=[CAT, DOG, GHOST, PLAIN]
)
