"""Operations over a schema made for trouble: compiled and by graphql-core, the answers are the same to the byte."""

from __future__ import annotations

import gc
import json
import os
import random
import warnings
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import graphql
import pytest
from graphql import ExecutionResult, parse, validate
from graphql.execution.values import get_variable_values
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from execution.compiling import Compiled, compiled, outline
from execution.extension import answered
from execution.running import Run
from tests.execution.answers import nulled, told
from tests.execution.clock import QuickLoop, others_ended, unheard
from tests.execution.trouble import SCHEMA, World
from tests.execution.written import Writer

pytestmark = [
    # Some of what these resolvers make is dropped by both executors, such as a coroutine in a list in a list.
    pytest.mark.filterwarnings("ignore:coroutine '.*' was never awaited:RuntimeWarning"),
    pytest.mark.filterwarnings("ignore:Exception ignored in. <coroutine:pytest.PytestUnraisableExceptionWarning"),
]

#: How many operations each property tries, each twice; `make fuzz` asks for many more.
CASES = 1_000 * max(1, int(os.environ.get("AFTERSALE_FUZZ", "60")) // 60)

#: What was really compared.
COMPARED: Counter[str] = Counter()
OFTEN = settings(
    max_examples=CASES,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
    derandomize="AFTERSALE_FUZZ" not in os.environ,
    database=None,
)
SEEDS = st.integers(0, 2**40)


def literal(dice: random.Random, name: str) -> str:
    match name:
        case "Int":
            return dice.choice(["0", "1", "-5", "2147483647"])
        case "Float":
            return dice.choice(["0.5", "3"])
        case "Boolean":
            return dice.choice(["true", "false"])
        case "Even":
            return dice.choice(["2", "4", "4", "3", '"odd"', '"x"'])
        case _:
            return dice.choice(['""', '"a"', '"ä😀"'])


@pytest.fixture(scope="module")
def loop() -> Iterator[QuickLoop]:
    quick = QuickLoop()
    yield quick
    quick.close()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        gc.collect()


async def by_core(document: Any, values: dict[str, Any], world: World) -> ExecutionResult:
    result = graphql.execute(SCHEMA, document, context_value=world, variable_values=values)
    return await result if hasattr(result, "__await__") else result  # type: ignore[no-any-return,misc]


class Plans:
    """An operation compiled once, for whatever variables come first."""

    def __init__(self, document: Any) -> None:
        self.outline = outline(document, None)
        self.plan: Compiled | None = None

    async def run(self, values: dict[str, Any], world: World) -> ExecutionResult | None:
        """The same; None where the variables are refused, which graphql-core tells."""
        found = self.outline
        variables = get_variable_values(SCHEMA, found.operation.variable_definitions or (), values, max_errors=50)
        if isinstance(variables, list):
            return None
        if not all(isinstance(variables.coerced.get(name), bool) for name in found.conditions):
            return None
        if self.plan is None:
            self.plan = compiled(SCHEMA, found, variables, most=10**6)
        run = Run(SCHEMA, found.definitions, found.operation, variables, None, world, None)
        return await answered(self.plan, run, None)


def case(seed: int, *, apart: bool, kind: str = "query") -> tuple[str, list[dict[str, Any]], list[World]]:
    """An operation, and what it is asked with, twice: the second time nothing but the document is the same."""
    dice = random.Random(seed)
    writer = Writer(SCHEMA, dice, literal, dice.choice([8, 16, 40]))
    text, values = writer.operation(kind)
    trouble, slow = dice.choice([0, 10, 40, 150, 400]), dice.choice([0, 50, 300, 800])
    worlds = [World(seed + n, trouble, slow, apart, streams=not apart) for n in range(2)]
    return text, [values, writer.other_values()], worlds


def compare(loop: QuickLoop, seed: int, *, apart: bool, kind: str = "query") -> None:
    text, asked, worlds = case(seed, apart=apart, kind=kind)
    document = parse(text)
    plans = Plans(document)
    for values, world in zip(asked, worlds, strict=True):
        compare_once(loop, document, plans, values, world)


def compare_once(loop: QuickLoop, document: Any, plans: Plans, values: dict[str, Any], world: World) -> None:
    other = replace(world, effects=[])
    text, apart = graphql.print_ast(document), world.apart

    async def both() -> tuple[ExecutionResult, ExecutionResult | None]:
        expected = await by_core(document, values, other)
        await others_ended()
        loop.complaints.clear()
        found = await plans.run(values, world)
        left = await others_ended()
        assert not [name for name in left if not name.startswith(("_later", "_push"))], left
        return expected, found

    expected, found = loop.run_until_complete(both())
    if found is None:
        return
    COMPARED["failed" if found.errors else "sound"] += 1
    assert json.dumps(found.data) == json.dumps(expected.data), text
    assert world.effects == other.effects
    mine, theirs = found.errors or [], expected.errors or []
    if apart:
        assert [told(one) for one in mine] == [told(one) for one in theirs], text
    else:
        # What fails in the same moment is told in the order of the event loop; the places are the same in any order.
        assert {nulled(found.data, one) for one in mine} == {nulled(expected.data, one) for one in theirs}, text

    async def again() -> None:
        await plans.run(values, replace(world, effects=[]))
        await others_ended()

    assert unheard(loop, again) == []


@OFTEN
@given(SEEDS)
def test_answers_that_come_one_by_one_are_the_same_in_the_same_order(loop: QuickLoop, seed: int) -> None:
    compare(loop, seed, apart=True)


@OFTEN
@given(SEEDS)
def test_answers_that_come_at_once_leave_the_same_places_null(loop: QuickLoop, seed: int) -> None:
    compare(loop, seed, apart=False)


@OFTEN
@given(SEEDS)
def test_mutations_take_effect_in_the_same_order(loop: QuickLoop, seed: int) -> None:
    compare(loop, seed, apart=True, kind="mutation")


def test_thousands_of_answers_were_compared() -> None:
    if not COMPARED:
        pytest.skip("the three properties above were not tried")
    assert COMPARED["sound"] > 2_300
    assert COMPARED["failed"] > 2_300


def test_the_operations_that_are_compared_are_valid_and_various() -> None:
    compiled_fields, refused = 0, 0
    for seed in range(150):
        text, [values, _], _ = case(seed, apart=True, kind="mutation" if seed % 5 == 0 else "query")
        document = parse(text)
        # Some give the scalar what it refuses, which validation would have said.
        assert [one.message for one in validate(SCHEMA, document) if "Even" not in one.message] == []
        found = outline(document, None)
        variables = get_variable_values(SCHEMA, found.operation.variable_definitions or (), values)
        if isinstance(variables, list) or variables.coerced.get("maybe", True) is None:
            refused += 1
            continue
        compiled_fields += compiled(SCHEMA, found, variables, most=10**6).fields
    assert compiled_fields > 1_500
    assert refused < 50
