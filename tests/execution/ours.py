"""Our own schema over made-up instances: its methods, guards, scopes and masks are real, what is behind them is not."""

from __future__ import annotations

import asyncio
import random
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

from aiodataloader import DataLoader
from graphql import (
    GraphQLEnumType,
    GraphQLInterfaceType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLResolveInfo,
    GraphQLSchema,
    GraphQLUnionType,
)
from strawberry.federation import Schema

from resolvers.api import build_api
from resolvers.lookahead import Selection, order_parts
from schema.access import SCOPES
from schema.order import ProductRef
from schema.parts import OrderParts, SubscriptionParts
from schema.subscription import OrderRef, ProfileRef
from schema.vocabulary import AssuranceLevel

#: How deep instances lie in one another; what is deeper was not loaded.
DEEPEST = 4


@dataclass
class Made:
    """What one run is told, as both executors are: where it fails, how long answers take, who asks."""

    seed: int
    trouble: int
    slow: int
    effects: list[str] = field(default_factory=list)
    batches: list[list[str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        dice = self.dice("viewer")
        scopes = SCOPES if dice.randrange(3) else dice.sample(SCOPES, 8)
        self.viewer = SimpleNamespace(scopes=frozenset(scopes), assurance=dice.choice(list(AssuranceLevel)))
        self.loaders = _Loaders(self)
        self.reads = self.decide = self.desk = _Upwards(self)
        self.services = SimpleNamespace(access=None)
        self.now = datetime(2026, 1, 2, tzinfo=UTC)

    def dice(self, *what: object) -> random.Random:
        return random.Random(zlib.crc32(repr((self.seed, *what)).encode()))

    def start_reading_anew(self) -> None:
        self.effects.append("anew")

    # ------------------------------------------------------------------ instances
    def make(self, kind: Any, where: tuple[Any, ...], depth: int = 0) -> Any:
        """A value for a place of a type, alike whenever it is made."""
        return self.made(kind, str(where[-1]), self.dice(where), depth)

    def made(self, kind: Any, name: str, dice: random.Random, depth: int) -> Any:
        chance = dice.random()
        wrong = chance * 1000 < self.trouble
        if wrong:
            match dice.randrange(4):
                case 0:
                    return None
                case 1:
                    return ValueError(f"broken {name}")
                case 2:
                    return asyncio.ensure_future(self.later(dice, None))  # it may be read under several names
        if isinstance(kind, GraphQLNonNull):
            kind = kind.of_type
        elif chance > 0.87:
            return None
        if isinstance(kind, GraphQLList):
            return [self.made(kind.of_type, name, dice, depth) for _ in range(dice.choice([0, 1, 1, 2]))]
        if isinstance(kind, GraphQLUnionType | GraphQLInterfaceType):
            kind = dice.choice(SCHEMA.get_possible_types(kind))
        if isinstance(kind, GraphQLObjectType):
            return self.instance(kind, dice, depth)
        if isinstance(kind, GraphQLEnumType):
            return "NO_SUCH_WORD" if wrong else dice.choice([one.value for one in kind.values.values()])
        return self.leaf(kind.name, dice, wrong)

    def leaf(self, name: str, dice: random.Random, wrong: bool) -> Any:
        if wrong:
            return dice.choice([object, {"a": 1}, 2**40])
        match name:
            case "Int":
                return dice.randrange(-5, 1000)
            case "Float":
                return dice.random()
            case "Boolean":
                return bool(dice.randrange(2))
            case "DateTime":
                return datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=dice.randrange(10**7))
            case "Date":
                return date(2026, 1, 1) + timedelta(days=dice.randrange(900))
            case "Decimal":
                return Decimal(dice.randrange(10**6)) / 100
            case "JSON":
                return {"a": [1, None, "x"]}
            case _:
                return dice.choice(["", "a", "Order:us:1", "ä😀"])

    def instance(self, kind: GraphQLObjectType, dice: random.Random, depth: int) -> Any:
        """An instance as an adapter would build it, field by field, without what is too deep."""
        definition = kind.extensions["strawberry-definition"]
        found = object.__new__(definition.origin)
        for name, one in kind.fields.items():
            own = one.extensions.get("strawberry-definition")
            if own is None or own.base_resolver is not None or dice.random() * 8000 < self.trouble:
                continue
            deep = depth >= DEEPEST and not isinstance(one.type, GraphQLNonNull)
            value = None if deep else self.made(one.type, name, dice, depth + 1)
            object.__setattr__(found, own.python_name, value)
        hidden = {
            "product_ref": dice.choice([None, ProductRef("us", "1"), ProductRef("us", str(dice.randrange(4)), "7")]),
            "owner": dice.choice([None, "ada@example.com", "bob@example.com"]),
            "alone": dice.randrange(5) == 0,
            "origin_order_ref": dice.choice([None, OrderRef("us", str(dice.randrange(3)))]),
            "customer_ref": dice.choice([None, ProfileRef("us", "1")]),
            "target_id": "Order:us:1",
            "timeline_of": None,
        }
        names = getattr(definition.origin, "__annotations__", {})
        for name, value in hidden.items():
            if name in names and not hasattr(type(found), name):
                object.__setattr__(found, name, value)
            elif name in names:
                vars(found)[name] = value
        return found

    async def later(self, dice: random.Random, value: Any) -> Any:
        await asyncio.sleep(1 + dice.random() * 1_000_000)
        if isinstance(value, Exception):
            raise value
        return value

    def given(self, kind: Any, where: tuple[Any, ...]) -> Any:
        """What a resolver gives: a value at once, or later."""
        value = self.make(kind, where)
        dice = self.dice(where, "given")
        if dice.randrange(1000) < self.slow and not hasattr(value, "__await__"):
            return self.later(dice, value)
        return value


class _Loaders:
    """Loaders that gather the keys of a tick, as the real ones."""

    def __init__(self, made: Made) -> None:
        self._made = made
        self._known: dict[str, DataLoader[Any, Any]] = {}

    def _loader(self, name: str) -> DataLoader[Any, Any]:
        async def load(keys: list[Any]) -> list[Any]:
            self._made.batches.append(sorted(map(str, keys)))
            dice = self._made.dice(name, sorted(map(str, keys)))
            found = [_awaited(self._made.make(SCHEMA.type_map[name], (name, str(key)))) for key in keys]
            return list(await self._made.later(dice, found))

        if name not in self._known:
            self._known[name] = DataLoader(load)
        return self._known[name]

    product = property(lambda self: self._loader("Product"))
    variant = property(lambda self: self._loader("Variant"))
    customer = property(lambda self: self._loader("Customer"))

    def products_of(self, refs: Any) -> Any:
        async def bring(natives: Any) -> Any:
            found = await asyncio.gather(*(self.product.load(ref) for ref in natives), return_exceptions=True)
            return dict(zip(natives, found, strict=True))

        wanted = dict.fromkeys(ref.whole for ref in refs if ref is not None)
        future = asyncio.ensure_future(bring(wanted)) if wanted else None
        return [None if ref is None or future is None else (future, ref.whole) for ref in refs]

    def node(self, id: str, info: Any) -> Any:
        return self._made.given(SCHEMA.type_map["Node"], ("node", *info.path.as_list()))

    def linked_order(self, ref: Any, info: Any) -> Any:
        below = Selection.below(info)
        return self._made.given(SCHEMA.type_map["Order"], ("linked", str(ref), str(order_parts(below, _NoParts()))))

    def order_subscriptions(self, order: Any, info: Any) -> Any:
        told = [one.name for one in info.selected_fields[0].selections if hasattr(one, "name")]
        return self._made.given(GraphQLList(SCHEMA.type_map["SubscriptionContract"]), ("subs", *told))

    def subscription_customer(self, subscription: Any) -> Any:
        return self.customer.load("ada@example.com")

    def payload_order_parts(self, info: Any) -> OrderParts:
        parts = order_parts(Selection.below(info).at("order"), _NoParts())
        self._made.effects.append(f"{info.field_name} {info.path.as_list()} {parts} {sorted(info.variable_values)}")
        return parts


class _NoParts:
    """Decisions that look at nothing."""

    def order_parts(self, actions: Any) -> OrderParts:
        return OrderParts.NONE

    def subscription_parts(self, actions: Any) -> SubscriptionParts:
        return SubscriptionParts.NONE


def _awaited(value: Any) -> Any:
    """The value, None for what a loader or the desk would have awaited itself."""
    return None if asyncio.isfuture(value) else value


class _Upwards:
    """What a method of a type asks of the layers above, by the type it is declared to give."""

    _GIVES: Mapping[str, str] = {
        "customer_orders": "OrderConnection",
        "customer_subscriptions": "SubscriptionConnection",
        "customer_returns": "ReturnConnection",
        "customer_stats": "CustomerStats",
        "viewer_customer": "Customer",
        "request_of": "ActionRequest",
    }
    _GIVES_MANY: Mapping[str, str] = {
        "order": "Eligibility",
        "line": "Eligibility",
        "subscription": "Eligibility",
        "timeline": "TimelineEntry",
    }

    def __init__(self, made: Made) -> None:
        self._made = made

    def __getattr__(self, name: str) -> Any:
        if name in self._GIVES:
            kind: Any = SCHEMA.type_map[self._GIVES[name]]
        elif name in self._GIVES_MANY:
            kind = GraphQLNonNull(GraphQLList(GraphQLNonNull(SCHEMA.type_map[self._GIVES_MANY[name]])))
        else:
            raise AttributeError(name)

        def give(subject: Any = None, *arguments: Any) -> Any:
            told = [_stable(one) for one in arguments if not hasattr(one, "_raw_info")]
            given = self._made.given(kind, (name, _stable(getattr(subject, "id", "")), *told))
            return given if hasattr(given, "__await__") else _now(given)

        return give

    async def ask(self, kind: Any, asked: Any, key: Any, *, parts: OrderParts) -> Any:
        return await self._answer("ask", str(kind), repr(asked), str(key), str(parts))

    async def confirm(self, token: str) -> Any:
        return await self._answer("confirm", token)

    async def approve(self, id: str, note: str | None) -> Any:
        return await self._answer("approve", id, str(note))

    async def reject(self, id: str, note: str) -> Any:
        return await self._answer("reject", id, note)

    async def resolve(self, id: str, outcome: Any, note: str) -> Any:
        return await self._answer("resolve", id, str(outcome), note)

    async def move_return(self, id: str, to: Any) -> Any:
        answer = await self._answer("move", id, str(to))
        return answer.return_record, answer.problem

    async def _answer(self, *what: str) -> Any:
        made = self._made
        made.effects.append(" ".join(what))
        dice = made.dice(what)
        await asyncio.sleep(dice.random())
        made.effects.append(f"done {what[0]}")
        if dice.randrange(1000) < made.trouble:
            raise ValueError("the desk is broken")

        return _Answer(made, what)


class _Answer:
    """What the desk came to; each part is made when it is asked for."""

    _PARTS: Mapping[str, str] = {
        "action": "Action",
        "problem": "Problem",
        "order": "Order",
        "refund": "Refund",
        "return_record": "Return",
        "quote": "Quote",
        "subscription": "SubscriptionContract",
    }

    def __init__(self, made: Made, what: tuple[str, ...]) -> None:
        self._made = made
        self._what = what
        self.replayed = bool(made.dice(what, "replayed").randrange(2))

    def __getattr__(self, name: str) -> Any:
        if name not in self._PARTS:
            raise AttributeError(name)
        kind = SCHEMA.type_map[self._PARTS[name]]
        return _awaited(self._made.make(kind, (*self._what, name), 2))


def _stable(value: Any) -> str:
    """Its words, alike in both runs: what is yet to come would tell the name of its task."""
    return "later" if asyncio.isfuture(value) else str(value)


async def _now(value: Any) -> Any:
    return value


def _root(_: Any, info: GraphQLResolveInfo, **arguments: Any) -> Any:
    assert info.path is not None
    return info.context.given(info.return_type, (*info.path.as_list(), repr(arguments)))


def _ours() -> GraphQLSchema:
    schema = build_api(Schema)._schema
    assert schema.query_type is not None
    for one in schema.query_type.fields.values():
        one.resolve = _root  # the roots read stores; all below them is as it is served
    return schema


SCHEMA = _ours()
