"""Writes valid operations over any schema, at random."""

from __future__ import annotations

import json
import random
import zlib
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

from graphql import (
    GraphQLEnumType,
    GraphQLInputObjectType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLSchema,
    get_named_type,
    is_abstract_type,
    is_leaf_type,
    is_required_argument,
    is_required_input_field,
    parse_type,
    type_from_ast,
)

#: Variables that decide what is included.
CONDITIONS = ("yes", "no", "maybe")
#: A literal for a scalar by its name.
Literal = Callable[[random.Random, str], str]


class Writer:
    """One operation with its fragments, its variables and values for them."""

    def __init__(self, schema: GraphQLSchema, dice: random.Random, literal: Literal, most: int = 40) -> None:
        self.schema = schema
        self.dice = dice
        self.literal = literal
        self.left = dice.randrange(3, most)
        self.variables: dict[str, tuple[str, str | None]] = {}
        self.values: dict[str, Any] = {}
        self.fragments: list[str] = []
        self.spreads: dict[str, list[str]] = {}

    def operation(self, kind: str = "query") -> tuple[str, dict[str, Any]]:
        root = self.schema.query_type if kind == "query" else self.schema.mutation_type
        assert root is not None
        body = self.selections(root, 0)
        declared = ", ".join(
            f"${name}: {type_}{'' if default is None else f' = {default}'}"
            for name, (type_, default) in self.variables.items()
        )
        text = f"{kind} It{f'({declared})' if declared else ''} {body}\n" + "\n".join(self.fragments)
        return text, self.values

    def other_values(self) -> dict[str, Any]:
        """Other values for the variables, but for those that decide what is included."""
        found: dict[str, Any] = {}
        for name, (declared, default) in self.variables.items():
            if name in CONDITIONS:
                if name in self.values:
                    found[name] = self.values[name]
            elif declared.endswith("!") or default is None or self.dice.randrange(3):
                found[name] = self.plain(type_from_ast(self.schema, parse_type(declared)))
        return found

    # ------------------------------------------------------------------ selections
    def selections(self, kind: Any, depth: int) -> str:
        dice = self.dice
        found: list[str] = []
        for _ in range(dice.choice([1, 2, 3, 4, 6]) if depth else dice.choice([1, 2, 3, 5, 8])):
            match dice.randrange(10):
                case 0:
                    found.append(f"{self.alias(dice, '__typename')}__typename{self.conditions()}")
                case 1 if depth < 6:
                    on = self.narrower(kind)
                    condition = f" on {on.name}" if on is not kind or dice.randrange(2) else ""
                    found.append(f"...{condition}{self.conditions()} {self.selections(on, depth + 1)}")
                case 2 if depth < 6:
                    found.append(f"...{self.fragment(kind, depth)}{self.conditions()}")
                case _ if hasattr(kind, "fields"):
                    found.append(self.field(kind, depth))
        return "{ " + " ".join(found or ["__typename"]) + " }"

    def field(self, kind: Any, depth: int) -> str:
        dice = self.dice
        names, simple = _fields_of(kind)
        if self.left <= 0 or depth >= 6:
            names = simple
        if not names:
            return "__typename"
        name = dice.choice(names)
        definition = kind.fields[name]
        self.left -= 1
        arguments = self.arguments(definition.args)
        # The same key is always the same field with the same arguments, so that everything may be merged.
        key = f"{name}{zlib.crc32(arguments.encode())}: " if arguments else self.alias(dice, name)
        below = get_named_type(definition.type)
        body = "" if is_leaf_type(below) else f" {self.selections(below, depth + 1)}"
        return f"{key}{name}{arguments}{self.conditions()}{body}"

    @staticmethod
    def alias(dice: random.Random, name: str) -> str:
        return dice.choice(["", "", "", f"a_{name}: ", f"b_{name}: "])

    def narrower(self, kind: Any) -> Any:
        """A type on which a fragment may stand here."""
        dice = self.dice
        if is_abstract_type(kind):
            return dice.choice([kind, *self.schema.get_possible_types(kind)])
        wider = list(kind.interfaces) if isinstance(kind, GraphQLObjectType) else []
        return dice.choice([kind, kind, *wider])

    def fragment(self, kind: Any, depth: int) -> str:
        known = self.spreads.get(kind.name, [])
        if known and self.dice.randrange(2):
            return self.dice.choice(known)
        on = self.narrower(kind)
        name = f"F{len(self.fragments)}_{self.dice.randrange(10**6)}"
        body = self.selections(on, depth + 1)
        self.fragments.append(f"fragment {name} on {on.name} {body}")
        # Known only now: a fragment never spreads itself.
        self.spreads.setdefault(kind.name, []).append(name)
        return name

    def conditions(self) -> str:
        dice = self.dice
        found = ""
        for word in ("skip", "include"):
            if dice.randrange(12) == 0:
                value = dice.choice(["true", "false", "$yes", "$no", "$maybe"])
                if value.startswith("$"):
                    self.condition(value[1:])
                found += f" @{word}(if: {value})"
        return found

    def condition(self, name: str) -> None:
        if name not in self.variables:
            if name == "maybe":
                self.variables[name] = ("Boolean", self.dice.choice(["true", "false"]))
                match self.dice.randrange(12):
                    case 0:
                        self.values[name] = None
                    case 1 | 2 | 3 | 4:
                        self.values[name] = bool(self.dice.randrange(2))
            else:
                self.variables[name] = ("Boolean!", None)
                self.values[name] = name == "yes"

    # ------------------------------------------------------------------ arguments
    def arguments(self, args: dict[str, Any]) -> str:
        found = []
        for name, argument in args.items():
            if is_required_argument(argument) or self.dice.randrange(3) == 0:
                optional = not isinstance(argument.type, GraphQLNonNull) or not is_required_argument(argument)
                found.append(f"{name}: {self.value(argument.type, optional)}")
        return f"({', '.join(found)})" if found else ""

    def value(self, kind: Any, has_default: bool, deep: int = 0) -> str:
        dice = self.dice
        if dice.randrange(3) == 0 and len(self.variables) < 12:
            return self.variable(kind, has_default)
        return self.literal_of(kind, deep)

    def variable(self, kind: Any, has_default: bool) -> str:
        dice = self.dice
        name = f"v{len(self.variables)}"
        declared = str(kind)
        default = None
        if isinstance(kind, GraphQLNonNull):
            if dice.randrange(2):
                declared, default = str(kind.of_type), self.literal_of(kind, 9)
        elif dice.randrange(3) == 0:
            default = self.literal_of(kind, 9)
        self.variables[name] = (declared, default)
        required = declared.endswith("!")
        match dice.randrange(20):
            case 0 if not required or dice.randrange(4) == 0:
                self.values[name] = None
            case 1 | 2 | 3 | 4 if not required:
                pass
            case 5 if dice.randrange(3) == 0:
                self.values[name] = {"nothing": "like it"}
            case _:
                self.values[name] = self.plain(kind)
        return f"${name}"

    def literal_of(self, kind: Any, deep: int = 0) -> str:
        dice = self.dice
        if isinstance(kind, GraphQLNonNull):
            kind = kind.of_type
        elif dice.randrange(12) == 0:
            return "null"
        if isinstance(kind, GraphQLList):
            if dice.randrange(4) == 0:
                return self.literal_of(kind.of_type, deep + 1) if not str(kind).startswith("[[") else "[]"
            return f"[{', '.join(self.literal_of(kind.of_type, deep + 1) for _ in range(dice.randrange(3)))}]"
        if isinstance(kind, GraphQLEnumType):
            return dice.choice(list(kind.values))
        if isinstance(kind, GraphQLInputObjectType):
            chosen = [
                name
                for name, one in kind.fields.items()
                if is_required_input_field(one) or (deep < 3 and dice.randrange(3) == 0)
            ]
            if kind.is_one_of:
                chosen = [dice.choice(list(kind.fields))]
                one = kind.fields[chosen[0]].type
                return f"{{{chosen[0]}: {self.literal_of(GraphQLNonNull(one), deep + 1)}}}"
            return f"{{{', '.join(f'{name}: {self.literal_of(kind.fields[name].type, deep + 1)}' for name in chosen)}}}"
        return self.literal(dice, kind.name)

    def plain(self, kind: Any) -> Any:
        """A value for a variable."""
        dice = self.dice
        if isinstance(kind, GraphQLNonNull):
            kind = kind.of_type
        elif dice.randrange(10) == 0:
            return None
        if isinstance(kind, GraphQLList):
            return [self.plain(kind.of_type) for _ in range(dice.randrange(3))]
        if isinstance(kind, GraphQLEnumType):
            return dice.choice(list(kind.values))
        if isinstance(kind, GraphQLInputObjectType):
            if kind.is_one_of:
                name = dice.choice(list(kind.fields))
                return {name: self.plain(GraphQLNonNull(kind.fields[name].type))}
            return {
                name: self.plain(one.type)
                for name, one in kind.fields.items()
                if is_required_input_field(one) or dice.randrange(4) == 0
            }
        return json.loads(self.literal(dice, kind.name))


@lru_cache
def _fields_of(kind: Any) -> tuple[Sequence[str], Sequence[str]]:
    """The fields of a type, and those that need neither a selection nor an argument."""
    names = [name for name in kind.fields if not name.startswith("_")]
    simple = [
        name
        for name in names
        if is_leaf_type(get_named_type(kind.fields[name].type))
        and not any(map(is_required_argument, kind.fields[name].args.values()))
    ]
    return names, simple
