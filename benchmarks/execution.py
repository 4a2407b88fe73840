"""`python -m benchmarks.execution`: what the reference query costs to run, compiled and by graphql-core, over instances
in memory, taking turns in one process. It measures the executor only; no store is asked."""

from __future__ import annotations

import argparse
import asyncio
import statistics
import time
from datetime import UTC, date, datetime
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import orjson
from aiodataloader import DataLoader
from graphql import (
    ExecutionResult,
    GraphQLEnumType,
    GraphQLInterfaceType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLResolveInfo,
    GraphQLUnionType,
    execute,
    parse,
)
from graphql.execution.values import VariableValues, get_variable_values
from rich.console import Console
from strawberry.execution.is_awaitable import optimized_is_awaitable
from strawberry.federation import Schema
from strawberry.schema.schema import StrawberryGraphQLCoreExecutionContext

from execution.compiling import compiled, outline
from execution.extension import answered
from execution.running import Run
from gateway.operations import document
from resolvers.api import build_api
from schema.access import SCOPES
from schema.order import ProductRef
from schema.vocabulary import AssuranceLevel

#: How many items a list of each field has; the others have one.
SIZES = {"nodes": 20, "lines": 4, "images": 2, "issues": 0, "reasons": 1, "profiles": 3, "fulfillments": 1}
ELIGIBILITIES = 5
PRODUCTS = 40

TEXT = document("SupportView")
VALUES = {"email": "ada@example.com"}


class Data:
    """One person's orders and subscriptions, and the context that hands them out as the gateway's does."""

    def __init__(self, schema: Any) -> None:
        self.schema = schema
        self.count = 0
        self.viewer = SimpleNamespace(scopes=frozenset(SCOPES), assurance=AssuranceLevel.STAFF)
        make = self.make
        self.customer = make(schema.type_map["Customer"], "customer")
        self.orders = make(schema.type_map["OrderConnection"], "orders")
        self.subscriptions = make(schema.type_map["SubscriptionConnection"], "subscriptions")
        self.products = [make(schema.type_map["Product"], "product") for _ in range(PRODUCTS)]
        self.eligibility = [make(schema.type_map["Eligibility"], "eligibility") for _ in range(ELIGIBILITIES)]
        self.reads = SimpleNamespace(
            customer_orders=lambda *_: at_once(self.orders),
            customer_subscriptions=lambda *_: at_once(self.subscriptions),
        )
        self.decide = SimpleNamespace(
            order=lambda *_: at_once(self.eligibility), subscription=lambda *_: at_once(self.eligibility)
        )

    def anew(self) -> Data:
        """The same for one more request: loaders remember."""
        found = Data.__new__(Data)
        found.__dict__.update(self.__dict__)
        found.loaders = SimpleNamespace(product=DataLoader(found.load))  # type: ignore[attr-defined]
        return found

    async def load(self, refs: list[ProductRef]) -> list[Any]:
        return [self.products[int(ref.product) % PRODUCTS] for ref in refs]

    def make(self, kind: Any, name: str) -> Any:
        if isinstance(kind, GraphQLNonNull):
            kind = kind.of_type
        if isinstance(kind, GraphQLList):
            return [self.make(kind.of_type, name) for _ in range(SIZES.get(name, 1))]
        if isinstance(kind, GraphQLInterfaceType | GraphQLUnionType):
            return None
        if isinstance(kind, GraphQLEnumType):
            return next(iter(kind.wrapped_cls))  # type: ignore[attr-defined]
        if isinstance(kind, GraphQLObjectType):
            return self.instance(kind)
        self.count += 1
        match kind.name:
            case "Int":
                return self.count % 100
            case "Boolean":
                return self.count % 2 == 0
            case "DateTime":
                return datetime(2026, 1, 1, tzinfo=UTC)
            case "Date":
                return date(2026, 1, 1)
            case "Decimal":
                return Decimal(self.count) / 100
        return f"{name} {self.count}"

    def instance(self, kind: GraphQLObjectType) -> Any:
        definition = kind.extensions["strawberry-definition"]
        found = object.__new__(definition.origin)
        for name, one in kind.fields.items():
            own = one.extensions["strawberry-definition"]
            if own.base_resolver is None and name not in ("refunds", "returns", "line", "problem", "events"):
                object.__setattr__(found, own.python_name, self.make(one.type, name))
        self.count += 1
        if kind.name == "OrderLine":
            object.__setattr__(found, "product_ref", ProductRef("us", str(self.count)))
        return found


async def at_once(value: Any) -> Any:
    return value


def root(_: Any, info: GraphQLResolveInfo, **__: Any) -> Any:
    return at_once(info.context.customer)


async def measured(rounds: int, times: int) -> None:
    schema = build_api(Schema)._schema
    assert schema.query_type is not None
    schema.query_type.fields["customer"].resolve = root
    tree = parse(TEXT)
    found = outline(tree, None)
    began = time.process_time()
    plan = compiled(schema, found, VariableValues({}, {}))
    compiling = time.process_time() - began
    data = Data(schema)

    async def by_core() -> ExecutionResult:
        result = execute(
            schema,
            tree,
            context_value=data.anew(),
            variable_values=VALUES,
            executor_class=StrawberryGraphQLCoreExecutionContext,
            is_awaitable=optimized_is_awaitable,
            operation_extensions=None,
        )
        return await result  # type: ignore[misc,no-any-return]

    async def by_compiled() -> ExecutionResult:
        variables = get_variable_values(schema, found.operation.variable_definitions or (), VALUES)
        assert isinstance(variables, VariableValues)
        run = Run(schema, found.definitions, found.operation, variables, None, data.anew(), None)
        return await answered(plan, run, None)

    one, other = await by_core(), await by_compiled()
    if wrong := one.errors or other.errors:
        raise SystemExit(str(wrong[0]))
    body = orjson.dumps(one.data)
    assert body == orjson.dumps(other.data)

    async def cost(way: Any) -> float:
        began = time.process_time()
        for _ in range(times):
            await way()
        return (time.process_time() - began) / times * 1000

    ways = {"graphql-core": by_core, "compiled": by_compiled}
    costs: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, way in ways.items():
            costs[name].append(await cost(way))

    out = Console()
    out.print(f"SupportView: {len(body)} bytes, {_fields(one.data)} fields; compiled in {compiling * 1000:.1f} ms")
    for name, each in costs.items():
        out.print(
            f"{name:>12}: {statistics.median(each):6.2f} ms of CPU a query (from {min(each):.2f} to {max(each):.2f})"
        )
    ratios = [slow / quick for slow, quick in zip(costs["graphql-core"], costs["compiled"], strict=True)]
    out.print(f"       ratio: {statistics.median(ratios):6.1f} (from {min(ratios):.1f} to {max(ratios):.1f})")


def _fields(value: Any) -> int:
    if isinstance(value, dict):
        return len(value) + sum(map(_fields, value.values()))
    return sum(map(_fields, value)) if isinstance(value, list) else 0


if __name__ == "__main__":
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--rounds", type=int, default=7)
    arguments.add_argument("--times", type=int, default=30, help="queries a round")
    given = arguments.parse_args()
    asyncio.run(measured(given.rounds, given.times))
