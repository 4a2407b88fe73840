"""How compiled operations run: what waits for what, what a cancelled one leaves behind, what is not compiled."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import weakref
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
import strawberry
from aiodataloader import DataLoader
from graphql import ExecutionResult, GraphQLError, OperationDefinitionNode, parse
from strawberry.extensions import FieldExtension, SchemaExtension
from strawberry.schema.config import StrawberryConfig

from execution.compiling import MOST_CONDITIONS, MOST_FIELDS, Compiled
from execution.extension import CompiledExecution, Operations
from execution.places import Place
from tests.execution.clock import QuickLoop

ENDED: list[str] = []
CALLBACKS: list[asyncio.Future[Any]] = []


class Counted(asyncio.Future[Any]):
    """A future that tells each callback it is given."""

    def add_done_callback(self, *arguments: Any, **more: Any) -> None:
        CALLBACKS.append(self)
        super().add_done_callback(*arguments, **more)


class Context:
    """One request's: a loader and the batches it asked for, a future that many share."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.loader: DataLoader[int, int] = DataLoader(self.load)
        self.shared = Counted()
        self.effects: list[str] = []

    async def load(self, keys: list[int]) -> list[int]:
        self.batches.append(keys)
        await asyncio.sleep(5)
        return [key * 10 for key in keys]


@strawberry.type
class Inner:
    n: int

    @strawberry.field
    def ten(self, info: strawberry.Info[Context]) -> int:
        return info.context.loader.load(self.n)  # type: ignore[return-value]

    @strawberry.field
    async def ten_later(self, info: strawberry.Info[Context]) -> int:
        return await info.context.loader.load(self.n)

    @strawberry.field
    def shared(self, info: strawberry.Info[Context]) -> int | None:
        return info.context.shared  # type: ignore[return-value]

    @strawberry.field
    async def broken(self) -> int:
        await asyncio.sleep(1)
        raise ValueError("broken")

    @strawberry.field
    async def waits(self, seconds: int = 10) -> int:
        try:
            await asyncio.sleep(seconds)
        finally:
            ENDED.append(f"waits {seconds}")
        return seconds

    @strawberry.field
    def deeper(self) -> Inner:
        return Inner(n=self.n + 100)


@strawberry.type
class Query:
    @strawberry.field
    def inner(self, n: int = 1) -> Inner | None:
        return Inner(n=n)

    @strawberry.field
    def inners(self, count: int = 3) -> list[Inner]:
        return [Inner(n=n) for n in range(count)]

    @strawberry.field
    async def slow_inner(self, seconds: int) -> Inner | None:
        await asyncio.sleep(seconds)
        return Inner(n=seconds)

    @strawberry.field
    async def ends_all(self) -> int | None:
        raise asyncio.CancelledError

    @strawberry.field
    def ends_at_once(self) -> int | None:
        raise asyncio.CancelledError

    @strawberry.field
    async def tells(self) -> str:
        await asyncio.sleep(0)
        return WHO.get()


@strawberry.type
class Mutation:
    @strawberry.field
    async def add(self, info: strawberry.Info[Context], n: int) -> Inner:
        info.context.effects.append(f"begun {n}")
        await asyncio.sleep(10 - n)
        info.context.effects.append(f"done {n}")
        return Inner(n=n)

    @strawberry.field
    async def fail(self, info: strawberry.Info[Context]) -> int:
        info.context.effects.append("failed")
        raise ValueError("no")


WHO: contextvars.ContextVar[str] = contextvars.ContextVar("WHO", default="nobody")


class World:
    """A schema with and without compiled operations."""

    def __init__(self, *extensions: Any, **more: Any) -> None:
        self.plain = strawberry.Schema(Query, Mutation, extensions=extensions, **more)
        self.schema = strawberry.Schema(
            Query, Mutation, extensions=[*extensions, lambda: CompiledExecution(self.operations)], **more
        )
        self.operations = Operations(self.schema)

    async def ask(self, text: str, context: Context | None = None, **values: Any) -> Any:
        return await self.schema.execute(text, values, context_value=context or Context())

    def is_compiled(self, text: str) -> bool:
        document = parse(text)
        self.operations.prepare(text, document)
        [name] = [one.name for one in document.definitions if isinstance(one, OperationDefinitionNode)]
        kept = self.operations._kept[text, name.value if name else None]
        return any(plan is not None for plan in kept.variants.values())


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def loop() -> Iterator[QuickLoop]:
    quick = QuickLoop()
    ENDED.clear()
    CALLBACKS.clear()
    yield quick
    assert asyncio.all_tasks(quick) == set()
    assert quick.complaints == []
    quick.close()
    gc.collect()  # a coroutine that nobody awaited would say so now


def run(loop: QuickLoop, coroutine: Any) -> Any:
    async def here() -> Any:
        return await coroutine()

    return loop.run_until_complete(here())


# ------------------------------------------------------------------ waiting
def test_all_keys_of_a_tick_are_one_batch_however_deep_they_are_asked_for(loop: QuickLoop, world: World) -> None:
    async def it() -> None:
        context = Context()
        text = "{ inners { ten deeper { ten deeper { ten tenLater } } } inner(n: 7) { tenLater deeper { ten } } }"
        found = await world.ask(text, context)
        assert found.errors is None
        assert found.data["inners"][2] == {
            "ten": 20,
            "deeper": {"ten": 1020, "deeper": {"ten": 2020, "tenLater": 2020}},
        }
        assert [sorted(keys) for keys in context.batches] == [[0, 1, 2, 7, 100, 101, 102, 107, 200, 201, 202]]

    run(loop, it)


def test_a_future_that_many_places_wait_for_gets_one_callback(loop: QuickLoop, world: World) -> None:
    async def it() -> None:
        context = Context()
        loop.call_later(3, context.shared.set_result, 5)
        found = await world.ask("{ inners(count: 50) { shared deeper { shared } } }", context)
        assert found.data["inners"] == [{"shared": 5, "deeper": {"shared": 5}}] * 50
        assert [context.shared] == CALLBACKS

    run(loop, it)


def test_hops_beside_each_other_do_not_wait_for_each_other(loop: QuickLoop, world: World) -> None:
    async def it() -> None:
        text = "{ a: slowInner(seconds: 1) { waits(seconds: 9) } b: slowInner(seconds: 9) { waits(seconds: 1) } }"
        began = loop.time()
        found = await world.ask(text)
        assert found.data == {"a": {"waits": 9}, "b": {"waits": 1}}
        assert 10 <= loop.time() - began < 11

    run(loop, it)


def test_what_a_request_carries_in_its_context_is_seen_by_its_resolvers(loop: QuickLoop, world: World) -> None:
    async def it() -> None:
        WHO.set("ada")
        assert (await world.ask("{ tells }")).data == {"tells": "ada"}

    run(loop, it)


def test_mutations_wait_for_each_other_and_end_with_the_first_that_must_not_fail(loop: QuickLoop, world: World) -> None:
    async def it() -> None:
        context = Context()
        found = await world.ask(
            "mutation { a: add(n: 1) { waits } b: add(n: 2) { n } fail c: add(n: 3) { n } }", context
        )
        assert found.data is None
        assert [(one.message, one.path) for one in found.errors] == [("no", ["fail"])]
        assert context.effects == ["begun 1", "done 1", "begun 2", "done 2", "failed"]
        assert ENDED == ["waits 10"]  # the payload of one is there before the next begins

    run(loop, it)


# ------------------------------------------------------------------ ends
def test_a_cancelled_request_ends_all_that_it_began(loop: QuickLoop, world: World) -> None:
    async def it() -> None:
        asked = asyncio.ensure_future(world.ask("{ inners { waits } slowInner(seconds: 60) { n } }"))
        await asyncio.sleep(2)
        asked.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asked
        assert ENDED == ["waits 10"] * 3
        assert asyncio.all_tasks() == {asyncio.current_task()}

    run(loop, it)


def test_what_was_not_begun_when_a_request_ends_never_begins(loop: QuickLoop, world: World) -> None:
    async def it() -> None:
        with pytest.raises(asyncio.CancelledError):
            await world.ask("{ inners { waits } endsAtOnce }")
        assert ENDED == []
        assert asyncio.all_tasks() == {asyncio.current_task()}

    run(loop, it)


def test_a_request_out_of_time_ends_at_its_limit(loop: QuickLoop, world: World) -> None:
    async def it() -> None:
        began = loop.time()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(4):
                await world.ask("{ inners { waits ten } }")
        assert loop.time() - began < 5
        assert ENDED == ["waits 10"] * 3
        await asyncio.sleep(5)  # the loader's batch is nobody's to end

    run(loop, it)


def test_an_error_ends_what_runs_below_the_place_it_leaves_null(loop: QuickLoop, world: World) -> None:
    async def it() -> None:
        began = loop.time()
        found = await world.ask("{ inner { broken waits deeper { waits(seconds: 50) } } other: inner { n } }")
        assert found.data == {"inner": None, "other": {"n": 1}}
        assert [(one.message, one.path) for one in found.errors] == [("broken", ["inner", "broken"])]
        assert sorted(ENDED) == ["waits 10", "waits 50"]
        assert loop.time() - began < 2

    run(loop, it)


def test_an_error_costs_nobody_the_future_that_they_share(loop: QuickLoop, world: World) -> None:
    async def it() -> None:
        context = Context()
        loop.call_later(3, context.shared.set_result, 5)
        found = await world.ask("{ inner { broken shared } other: inner { shared } }", context)
        assert found.data == {"inner": None, "other": {"shared": 5}}

    run(loop, it)


def test_a_failure_that_is_shared_is_told_at_each_place(loop: QuickLoop, world: World) -> None:
    async def it() -> None:
        context = Context()
        loop.call_later(1, context.shared.set_exception, ValueError("gone"))
        found = await world.ask("{ inners { shared } }", context)
        assert found.data == {"inners": [{"shared": None}] * 3}
        assert [(one.message, one.path) for one in found.errors] == [
            ("gone", ["inners", index, "shared"]) for index in range(3)
        ]

    run(loop, it)


def test_a_resolver_that_is_cancelled_from_within_ends_the_request(loop: QuickLoop, world: World) -> None:
    async def it() -> None:
        with pytest.raises(asyncio.CancelledError):
            await world.ask("{ endsAll inners { waits } }")
        assert asyncio.all_tasks() == {asyncio.current_task()}

    run(loop, it)


# ------------------------------------------------------------------ what is compiled
def test_attributes_are_read_inline_and_fixed_arguments_are_coerced_once(world: World) -> None:
    text = "{ inner(n: 4) { number: n } }"
    assert world.is_compiled(text)
    [plan] = world.operations._kept[text, None].variants.values()
    assert plan is not None
    assert "v = s.n\n" in plan.source
    assert "d['number'] = v" in plan.source


@pytest.mark.parametrize(
    "text",
    [
        "{ __schema { queryType { name } } }",
        '{ __type(name: "Inner") { name } inner { n } }',
        "subscription { nothing }",
        "{ inner { " + " ".join(f"n{index}: n" for index in range(MOST_FIELDS)) + " } }",
        "query(" + " ".join(f"$v{index}: Boolean!" for index in range(MOST_CONDITIONS + 1)) + ") { inner { "
        + " ".join(f"n @skip(if: $v{index})" for index in range(MOST_CONDITIONS + 1)) + " } }",
    ],
)  # fmt: skip
def test_what_is_not_compiled_is_known_before_it_runs(world: World, text: str) -> None:
    assert not world.is_compiled(text)


async def test_what_is_not_compiled_is_answered_all_the_same(world: World) -> None:
    found = await world.ask('{ __type(name: "Inner") { name } inner { n __typename } }')
    assert found.errors is None
    assert found.data == {"__type": {"name": "Inner"}, "inner": {"n": 1, "__typename": "Inner"}}


class Louder(SchemaExtension):
    """Sees every resolver."""

    def resolve(self, _next: Any, root: Any, info: Any, *args: Any, **kwargs: Any) -> Any:
        found = _next(root, info, *args, **kwargs)
        return found + 1 if info.field_name == "n" else found


async def test_a_schema_whose_resolvers_are_wrapped_is_left_to_graphql_core() -> None:
    world = World(Louder)
    assert not world.operations.usable
    assert (await world.ask("{ inner(n: 4) { n } }")).data == {"inner": {"n": 5}}


async def test_a_schema_that_reads_attributes_its_own_way_is_asked_its_own_way() -> None:
    def doubled(source: Any, name: str) -> Any:
        return getattr(source, name) * 2

    world = World(config=StrawberryConfig(default_resolver=doubled))
    assert world.is_compiled("{ inner(n: 4) { n } }")
    assert (await world.ask("{ inner(n: 4) { n } }")).data == {"inner": {"n": 8}}


async def test_variables_that_are_refused_are_refused_in_the_same_words(world: World) -> None:
    text = "query($n: Int!) { inner(n: $n) { n } }"
    for values in ({}, {"n": None}, {"n": "x"}, {"n": 2**31}):
        found, expected = await world.ask(text, **values), await world.plain.execute(text, values)
        assert [one.formatted for one in found.errors] == [one.formatted for one in expected.errors]
    assert (await world.ask(text, n=3)).data == {"inner": {"n": 3}}


async def test_each_form_of_an_operation_is_compiled_when_it_is_asked_for(world: World) -> None:
    text = "query($a: Boolean!, $b: Boolean = true) { inner { n @skip(if: $a) ten: n @include(if: $b) } }"
    assert (await world.ask(text, a=False)).data == {"inner": {"n": 1, "ten": 1}}
    assert (await world.ask(text, a=True, b=False)).data == {"inner": {}}
    assert set(world.operations._kept[text, None].variants) == {(False, True), (True, False)}


async def test_one_of_several_operations_is_run_by_its_name(world: World) -> None:
    text = "query A { inner(n: 1) { n } } query B { inner(n: 2) { n } }"
    for name, n in (("A", 1), ("B", 2)):
        found = await world.schema.execute(text, operation_name=name, context_value=Context())
        assert found.data == {"inner": {"n": n}}


async def test_no_more_is_kept_than_has_room(world: World) -> None:
    for n in range(1_100):
        await world.ask(f"{{ inner(n: {n}) {{ n }} }}")
    assert len(world.operations._kept) <= 1_024
    assert world.operations._fields == sum(kept.fields for kept in world.operations._kept.values())


def kept_plan(world: World) -> Compiled:
    [kept] = world.operations._kept.values()
    [plan] = kept.variants.values()
    assert plan is not None
    return plan


def test_an_operation_that_is_let_go_while_it_runs_is_answered_to_its_end(loop: QuickLoop, world: World) -> None:
    async def ask() -> Any:
        asked = asyncio.create_task(world.ask("{ slowInner(seconds: 30) { n ten deeper { n ten } } }"))
        await asyncio.sleep(1)
        plan = kept_plan(world)
        plan.let_go()
        assert plan.names
        answer = await asked
        assert not plan.names
        return answer

    found = run(loop, ask)
    assert found.errors is None
    assert found.data == {"slowInner": {"n": 30, "ten": 300, "deeper": {"n": 130, "ten": 1300}}}


async def test_what_is_let_go_is_gone_at_once(world: World) -> None:
    def places() -> int:
        return sum(type(one) is Place for one in gc.get_objects())

    gc.collect()
    before = places()
    await world.ask("{ inners { n deeper { n } } }")
    gc.collect()
    gc.disable()
    try:
        plan = kept_plan(world)
        function = weakref.ref(plan.root)
        assert places() == before + len(plan.places) > before
        plan.let_go()
        world.operations._kept.clear()
        del plan
        assert (function(), places()) == (None, before)
    finally:
        gc.enable()


# ------------------------------------------------------------------ gates and levels
class Door(FieldExtension):
    """A gate; what it says, and how often it is asked and gone through."""

    says: Any = True
    asked = 0
    gone_through = 0

    def lets_pass(self, context: Any) -> bool:
        Door.asked += 1
        if isinstance(Door.says, Exception):
            raise Door.says
        return bool(Door.says)

    def resolve(self, next_: Any, source: Any, info: Any, **arguments: Any) -> Any:
        Door.gone_through += 1
        return next_(source, info, **arguments) if Door.says is True else None


class AllAtOnce(FieldExtension):
    """A level; how many objects it was asked for at a time."""

    asked: list[int] = []  # noqa: RUF012

    def together(self, objects: Any, context: Any) -> Any:
        AllAtOnce.asked.append(len(objects))
        brought = asyncio.get_running_loop().create_future()
        brought.set_result({1: "one", 2: ValueError("two is broken")})
        return [None if thing.n == 0 else (brought, thing.n) for thing in objects]

    def resolve(self, next_: Any, source: Any, info: Any, **arguments: Any) -> Any:
        return next_(source, info, **arguments)


@strawberry.type
class Thing:
    n: int
    seen: str | None = strawberry.field(default="seen", extensions=[Door()])

    @strawberry.field(extensions=[Door()])
    def met(self) -> str | None:
        return f"met {self.n}"

    @strawberry.field(extensions=[Door(), AllAtOnce()])
    def told(self) -> str | None:
        return f"told {self.n} alone"


@strawberry.type
class Doors:
    @strawberry.field
    def things(self) -> list[Thing]:
        return [Thing(n=n) for n in range(4)]


@pytest.mark.parametrize(
    ("says", "seen", "met", "through"),
    [
        (True, "seen", "met 1", 0),
        (False, None, None, 8),
        (RuntimeError("cannot tell"), None, None, 8),
    ],
    ids=["open", "shut", "unsure"],
)
async def test_a_gate_is_asked_once_in_a_run(says: Any, seen: str | None, met: str | None, through: int) -> None:
    schema = strawberry.Schema(Doors, extensions=[lambda: CompiledExecution(operations)])
    operations = Operations(schema)
    Door.says, Door.asked, Door.gone_through = says, 0, 0
    found = await schema.execute("{ things { seen met } }")
    assert found.data is not None
    assert found.data["things"][1] == {"seen": seen, "met": met}
    assert (Door.asked, Door.gone_through) == (2, through)


async def test_a_level_is_asked_once_for_all_its_objects() -> None:
    schema = strawberry.Schema(Doors, extensions=[lambda: CompiledExecution(operations)])
    operations = Operations(schema)
    Door.says = True
    AllAtOnce.asked.clear()
    found = await schema.execute("{ things { told } again: things { told } }")
    assert [one.message for one in found.errors or []] == ["two is broken"] * 2
    assert [one.path for one in found.errors or []] == [["things", 2, "told"], ["again", 2, "told"]]
    assert found.data is not None
    assert [thing["told"] for thing in found.data["things"]] == [None, "one", None, None]
    assert AllAtOnce.asked == [4, 4]


async def test_objects_of_a_shut_level_are_read_one_by_one() -> None:
    schema = strawberry.Schema(Doors, extensions=[lambda: CompiledExecution(operations)])
    operations = Operations(schema)
    Door.says = False
    AllAtOnce.asked.clear()
    found = await schema.execute("{ things { told } }")
    assert found.data == {"things": [{"told": None}] * 4}
    assert AllAtOnce.asked == []


# ------------------------------------------------------------------ beside other extensions
class Watched(SchemaExtension):
    """Notes the moments of an operation."""

    seen: list[Any] = []  # noqa: RUF012

    async def on_operation(self) -> AsyncIterator[None]:
        self.seen.append("asked")
        yield
        result = self.execution_context.result
        assert isinstance(result, ExecutionResult)
        self.seen.append([str(one.message) for one in result.errors or ()])

    def on_execute(self) -> Iterator[None]:
        self.seen.append("runs")
        yield
        self.seen.append("ran")

    def get_results(self) -> dict[str, Any]:
        return {"watched": True}


async def test_other_extensions_have_their_hooks_and_see_the_errors() -> None:
    Watched.seen.clear()
    world = World(Watched)
    found = await world.ask("{ inner { broken } }")
    assert Watched.seen == ["asked", "runs", "ran", ["broken"]]
    assert found.extensions == {"watched": True}
    assert isinstance(found.errors[0], GraphQLError)
    assert found.errors[0].original_error.args == ("broken",)
