"""Operations over our own schema: compiled and by graphql-core, the answers are the same to the byte."""

from __future__ import annotations

import asyncio
import gc
import json
import os
import random
import warnings
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from itertools import groupby
from typing import Any

import graphql
import pytest
from graphql import ExecutionResult, GraphQLError, parse, validate
from graphql.execution.values import get_variable_values
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from strawberry.execution.is_awaitable import optimized_is_awaitable
from strawberry.schema.schema import StrawberryGraphQLCoreExecutionContext

from execution.compiling import Compiled, compiled, outline
from execution.extension import answered
from execution.running import Run
from gateway.operations import document, names
from tests.execution.answers import nulled, told
from tests.execution.clock import QuickLoop, others_ended, unheard
from tests.execution.ours import SCHEMA, Made
from tests.execution.written import Writer

pytestmark = [
    # What a troubled instance holds may be dropped unread by both executors.
    pytest.mark.filterwarnings("ignore:coroutine '.*' was never awaited:RuntimeWarning"),
    pytest.mark.filterwarnings("ignore:Exception ignored in. <coroutine:pytest.PytestUnraisableExceptionWarning"),
]

#: How many operations each property tries, each in three worlds; `make fuzz` asks for many more.
CASES = max(1, int(os.environ.get("AFTERSALE_FUZZ", "60")) // 60)

SEEDS = st.integers(0, 2**40)


#: What was really compared.
COMPARED: Counter[str] = Counter()


def compared(cases: int) -> settings:
    return settings(
        max_examples=cases * CASES,
        deadline=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
        derandomize="AFTERSALE_FUZZ" not in os.environ,
        database=None,
    )


def literal(dice: random.Random, name: str) -> str:
    match name:
        case "Int":
            return dice.choice(["0", "1", "20"])
        case "Boolean":
            return dice.choice(["true", "false"])
        case "Decimal" | "Float":
            return dice.choice(['"19.90"', '"0"']) if name == "Decimal" else "0.5"
        case "DateTime":
            return '"2026-12-24T10:00:00Z"'
        case "Date":
            return '"2026-12-24"'
        case "CurrencyCode":
            return dice.choice(['"EUR"', '"EUR"', '"eur"'])
        case "CountryCode":
            return '"DE"'
        case "_Any":
            return '"Order"'
        case _:
            return dice.choice(['"Order:us:1"', '"a"', '"ada@example.com"'])


@pytest.fixture(scope="module")
def loop() -> Iterator[QuickLoop]:
    quick = QuickLoop()
    yield quick
    quick.close()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        gc.collect()


async def by_core(document: Any, values: dict[str, Any], made: Made) -> ExecutionResult | None:
    """As Strawberry asks graphql-core; None where an error made it cancel what others still wait for."""
    result = graphql.execute(
        SCHEMA,
        document,
        context_value=made,
        variable_values=values,
        executor_class=StrawberryGraphQLCoreExecutionContext,
        is_awaitable=optimized_is_awaitable,
        operation_extensions=None,
    )
    try:
        return await result if hasattr(result, "__await__") else result  # type: ignore[no-any-return,misc]
    except asyncio.CancelledError:
        return None


class Plans:
    """An operation compiled once, for whatever variables come first."""

    def __init__(self, document: Any) -> None:
        self.document = document
        self.outline = outline(document, None)
        self.plan: Compiled | None = None

    async def run(self, values: dict[str, Any], made: Made) -> ExecutionResult | None:
        found = self.outline
        variables = get_variable_values(SCHEMA, found.operation.variable_definitions or (), values, max_errors=50)
        if isinstance(variables, list):
            return None
        if not all(isinstance(variables.coerced.get(name), bool) for name in found.conditions):
            return None
        if self.plan is None:
            self.plan = compiled(SCHEMA, found, variables, most=10**6)
        run = Run(SCHEMA, found.definitions, found.operation, variables, None, made, None)
        return await answered(self.plan, run, None)


def in_turn(errors: list[GraphQLError] | None) -> list[str]:
    """The errors in their order. What several places wait for fails in all of them in one turn, whose order is open."""
    found = []
    for _, same in groupby(errors or [], key=lambda error: error.message):
        found += sorted(map(told, same))
    return found


def compare(loop: QuickLoop, plans: Plans, values: dict[str, Any], made: Made) -> bool:
    """Whether there was an answer to compare."""
    other = replace(made, effects=[], batches=[])
    document, text = plans.document, graphql.print_ast(plans.document)

    async def both() -> tuple[ExecutionResult | None, ExecutionResult | None]:
        expected = await by_core(document, values, other)
        await others_ended()
        loop.complaints.clear()
        found = await plans.run(values, made)
        left = await others_ended()
        assert not [name for name in left if name.startswith("Run.")], left
        return expected, found

    expected, found = loop.run_until_complete(both())
    if found is None or expected is None:
        return False
    COMPARED["failed" if found.errors else "sound"] += 1
    assert json.dumps(found.data, default=repr) == json.dumps(expected.data, default=repr), text
    if in_turn(found.errors) != in_turn(expected.errors):
        # Of errors that leave one place null in the same turn one is enough, and which that is is open.
        COMPARED["another first"] += 1
        places = [{nulled(one.data, error) for error in one.errors or ()} for one in (found, expected)]
        assert places[0] == places[1], text
    assert made.effects == other.effects
    if not found.errors:
        assert len(made.batches) <= len(other.batches)
        assert sorted(key for keys in made.batches for key in keys) == sorted(
            key for keys in other.batches for key in keys
        )

    async def again() -> None:
        await plans.run(values, replace(made, effects=[], batches=[]))
        await others_ended()

    assert unheard(loop, again) == []
    return True


def in_three_worlds(loop: QuickLoop, seed: int, kind: str) -> None:
    dice = random.Random(seed)
    writer = Writer(SCHEMA, dice, literal, dice.choice([8, 20, 40]))
    text, values = writer.operation(kind)
    plans = Plans(parse(text))
    for world in range(3):
        made = Made(seed + world, dice.choice([0, 0, 5, 20, 100]), dice.choice([0, 300, 900]))
        compare(loop, plans, values, made)
        values = writer.other_values()


@compared(340)
@given(SEEDS)
def test_queries_of_our_schema_are_answered_alike(loop: QuickLoop, seed: int) -> None:
    in_three_worlds(loop, seed, "query")


@compared(160)
@given(SEEDS)
def test_mutations_of_our_schema_are_answered_alike(loop: QuickLoop, seed: int) -> None:
    in_three_worlds(loop, seed, "mutation")


def test_more_than_a_thousand_answers_were_compared() -> None:
    if not COMPARED:
        pytest.skip("the two properties above were not tried")
    assert COMPARED["sound"] > 700
    assert COMPARED["failed"] > 300
    assert COMPARED["another first"] <= COMPARED["failed"] // 100


@pytest.mark.parametrize("name", names())
def test_the_documented_operations_are_answered_alike(loop: QuickLoop, name: str) -> None:
    text = document(name)
    [operation] = [one for one in parse(text).definitions if isinstance(one, graphql.OperationDefinitionNode)]
    answers, plans = 0, Plans(parse(text))
    for seed in range(12):
        dice = random.Random(seed)
        writer = Writer(SCHEMA, dice, literal)
        values = {
            one.variable.name.value: writer.plain(graphql.type_from_ast(SCHEMA, one.type))  # type: ignore[arg-type,call-overload]
            for one in operation.variable_definitions or ()
        }
        answers += compare(loop, plans, values, Made(seed, [0, 10, 60][seed % 3], [0, 400, 900][seed // 4]))
    assert answers >= 3


def test_the_operations_that_are_compared_are_valid() -> None:
    fields = 0
    for seed in range(60):
        kind = "mutation" if seed % 3 == 0 else "query"
        text, _ = Writer(SCHEMA, random.Random(seed), literal, 20).operation(kind)
        # A scalar may refuse its literal, and a key may be of two types on two types: both can still be run.
        wrong = [one.message for one in validate(SCHEMA, parse(text))]
        assert [one for one in wrong if "CurrencyCode" not in one and "conflicting types" not in one] == [], text
        fields += text.count(" ")
    assert fields > 3_000
