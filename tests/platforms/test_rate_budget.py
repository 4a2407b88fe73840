"""The bucket: how much it lets through, in which order, and how it follows the platform."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from platforms.budget import Budget
from platforms.errors import Throttled


class _Skipping(selectors.SelectSelector):
    """Instead of sleeping, moves its loop's clock."""

    now = 1000.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            raise AssertionError("everybody waits and nobody will wake them")
        self.now += max(0.0, timeout)
        return super().select(0)


class SkippingLoop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self._skipping = _Skipping()
        super().__init__(self._skipping)

    def time(self) -> float:
        return self._skipping.now


def run(main: Coroutine[Any, Any, None]) -> None:
    loop = SkippingLoop()
    try:
        loop.run_until_complete(main)
    finally:
        loop.close()


def bucket(maximum: float, rate: float) -> Budget:
    return Budget(maximum, rate, clock=asyncio.get_running_loop().time)


asked = st.lists(
    st.tuples(
        st.floats(0, 5),  # seconds since the one before
        st.floats(0.1, 15),  # cost
        st.booleans(),  # in background
    ),
    min_size=1,
    max_size=25,
)


@settings(deadline=None, max_examples=60)
@given(asked, st.floats(1, 12), st.floats(0.5, 5))
def test_no_more_than_the_maximum_and_what_was_restored_passes_and_all_pass_in_order(
    calls: list[tuple[float, float, bool]], maximum: float, rate: float
) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        budget = bucket(maximum, rate)
        began = loop.time()
        granted: list[tuple[float, float, bool, int]] = []

        async def one(number: int, cost: float, in_background: bool) -> None:
            await budget.acquire(cost, in_background=in_background)
            granted.append((loop.time() - began, min(cost, maximum), in_background, number))
            budget.finished(cost)

        async with asyncio.TaskGroup() as group:
            for number, (delay, cost, in_background) in enumerate(calls):
                await asyncio.sleep(delay)
                group.create_task(one(number, cost, in_background))

        assert len(granted) == len(calls)
        let_through = 0.0
        for at, cost, _, _ in granted:
            let_through += cost
            assert let_through <= maximum + rate * at + 1e-6
        for kind in (False, True):
            numbers = [number for _, _, in_background, number in granted if in_background is kind]
            assert numbers == sorted(numbers)

    run(main())


@settings(deadline=None, max_examples=60)
@given(asked, st.floats(0, 12), st.floats(1, 12), st.floats(0.5, 5))
def test_after_a_report_no_more_than_it_said_passes(
    calls: list[tuple[float, float, bool]], said: float, maximum: float, rate: float
) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        budget = bucket(100, 50)
        await budget.acquire(1)
        budget.finished(1)
        budget.report(said, maximum, rate)
        began, let_through = loop.time(), 0.0
        for delay, cost, in_background in calls:
            await asyncio.sleep(delay)
            await budget.acquire(cost, in_background=in_background)
            let_through += min(cost, maximum)
            assert let_through <= min(said, maximum) + rate * (loop.time() - began) + 1e-6
            budget.finished(cost)

    run(main())


def test_a_full_bucket_does_not_wait() -> None:
    async def main() -> None:
        budget = bucket(10, 1)
        assert [await budget.acquire(5), await budget.acquire(5)] == [0, 0]
        assert budget.snapshot() == (0, 10, 1)

    run(main())


def test_an_empty_bucket_waits_as_long_as_the_points_take() -> None:
    async def main() -> None:
        budget = bucket(10, 2)
        await budget.acquire(10)
        assert await budget.acquire(4) == pytest.approx(2, abs=0.01)

    run(main())


def test_interactive_calls_go_before_background_ones_that_came_first() -> None:
    async def main() -> None:
        budget = bucket(1, 1)
        await budget.acquire(1)
        order: list[str] = []

        async def one(name: str, in_background: bool) -> None:
            await budget.acquire(1, in_background=in_background)
            order.append(name)

        async with asyncio.TaskGroup() as group:
            for name, in_background in (("replay 1", True), ("replay 2", True), ("ada", False), ("cleo", False)):
                group.create_task(one(name, in_background))
                await asyncio.sleep(0.01)
        assert order == ["ada", "cleo", "replay 1", "replay 2"]

    run(main())


def test_a_cheap_call_does_not_overtake_a_dear_one() -> None:
    async def main() -> None:
        budget = bucket(10, 1)
        await budget.acquire(9)
        order: list[int] = []

        async def one(cost: int) -> None:
            await budget.acquire(cost)
            order.append(cost)

        async with asyncio.TaskGroup() as group:
            group.create_task(one(10))
            await asyncio.sleep(0.01)
            group.create_task(one(1))
        assert order == [10, 1]

    run(main())


def test_a_wait_beyond_the_deadline_is_refused_at_once_and_says_how_long_it_would_be() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        budget = bucket(10, 2)
        await budget.acquire(10)
        before = loop.time()
        with pytest.raises(Throttled) as caught:
            await budget.acquire(8, deadline=loop.time() + 3.9)
        assert loop.time() == before
        assert caught.value.retry_after == pytest.approx(4)
        assert caught.value.not_executed
        assert await budget.acquire(8, deadline=loop.time() + 4.1) == pytest.approx(4, abs=0.01)

    run(main())


def test_a_background_call_overtaken_beyond_its_deadline_is_refused_then_and_takes_nothing() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        budget = bucket(10, 1)
        await budget.acquire(10)
        late = asyncio.create_task(budget.acquire(5, in_background=True, deadline=loop.time() + 6))
        await asyncio.sleep(1)
        assert await budget.acquire(9) == pytest.approx(8, abs=0.01)
        with pytest.raises(Throttled):
            await late
        assert budget.snapshot().available == pytest.approx(0, abs=0.01)

    run(main())


def test_a_call_given_up_while_waiting_takes_nothing_and_the_next_moves_up() -> None:
    async def main() -> None:
        budget = bucket(10, 1)
        await budget.acquire(10)
        first = asyncio.create_task(budget.acquire(10))
        await asyncio.sleep(0)
        second = asyncio.create_task(budget.acquire(2))
        await asyncio.sleep(1)
        first.cancel()
        assert await second == pytest.approx(2, abs=0.01)
        assert first.cancelled()

    run(main())


def test_a_call_given_up_in_the_moment_it_was_let_through_gives_its_points_back() -> None:
    async def main() -> None:
        budget = bucket(10, 1)
        await budget.acquire(10)
        waiting = asyncio.create_task(budget.acquire(5))
        await asyncio.sleep(0)
        budget.report(15)
        waiting.cancel()
        await asyncio.wait([waiting])
        assert waiting.cancelled()
        assert budget.snapshot().available == pytest.approx(5)

    run(main())


def test_a_report_lets_those_go_who_wait_for_less() -> None:
    async def main() -> None:
        budget = bucket(10, 1)
        await budget.acquire(10)
        budget.finished(10)
        waiting = asyncio.create_task(budget.acquire(8))
        await asyncio.sleep(1)
        budget.report(40, 2000, 100)
        assert await waiting == pytest.approx(1, abs=0.01)
        assert budget.snapshot() == (pytest.approx(32), 2000, 100)

    run(main())


def test_a_report_does_not_give_back_what_calls_under_way_have_taken() -> None:
    async def main() -> None:
        budget = bucket(100, 1)
        await budget.acquire(10)
        await budget.acquire(30)
        budget.finished(10)
        budget.report(90)  # of the first; the second is not counted there yet
        assert budget.snapshot().available == 60

    run(main())


def test_a_call_never_sent_gives_its_points_back() -> None:
    async def main() -> None:
        budget = bucket(10, 1)
        await budget.acquire(10)
        budget.finished(10, spent=False)
        assert budget.snapshot().available == 10

    run(main())


def test_a_pause_holds_everybody_even_with_points_left() -> None:
    async def main() -> None:
        budget = bucket(10, 1)
        budget.pause(3)
        assert await budget.acquire(1) == pytest.approx(3, abs=0.01)
        assert await budget.acquire(1) == 0

    run(main())


def test_figures_that_make_no_sense_are_left_out() -> None:
    async def main() -> None:
        budget = bucket(10, 1)
        budget.report(float("nan"), -5, 0)
        assert budget.snapshot() == (10, 10, 1)
        assert budget.reports == 0

    run(main())


def test_a_bucket_that_would_never_fill_is_refused() -> None:
    for maximum, rate in ((0, 1), (10, 0), (10, -1), (float("inf"), 1), (10, float("nan"))):
        with pytest.raises(ValueError, match="positive"):
            Budget(maximum, rate)
