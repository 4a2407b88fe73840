"""Several stores asked at once: each answers, waits or fails for itself alone."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

import pytest
import structlog
from structlog.testing import capture_logs

from platforms.base import Platform
from platforms.errors import DeadlineExceeded, PlatformError, Refused, Throttled, Unavailable
from platforms.transport import deadline
from resolvers.fanout import StorePatience, ask, ask_all, issues
from schema.vocabulary import ProblemCode
from tests.resolvers.shelf import Shelf

Question = Callable[[Platform], Awaitable[str]]


def by_store(**answers: Callable[[], Awaitable[str]]) -> Question:
    async def question(platform: Platform) -> str:
        return await answers[platform.config.id]()

    return question


async def prompt() -> str:
    return "here"


async def slow() -> str:
    await asyncio.sleep(30)
    return "too late"


async def broken() -> str:
    raise KeyError("a mistake in an adapter")


async def refusing() -> str:
    raise Refused("no")


@pytest.fixture
def us() -> Shelf:
    return Shelf("us")


@pytest.fixture
def eu() -> Shelf:
    return Shelf("eu")


async def test_a_slow_store_costs_the_others_nothing_and_answers_come_in_time(us: Shelf, eu: Shelf) -> None:
    started = time.monotonic()
    answers = await ask_all([us, eu], by_store(us=slow, eu=prompt), StorePatience(0.1))
    assert time.monotonic() - started < 2
    assert [platform.config.id for platform, _ in answers] == ["us", "eu"]
    (_, late), (_, here) = answers
    assert isinstance(late, DeadlineExceeded)
    assert late.store == "us"
    assert here == "here"


async def test_a_mistake_in_an_adapter_is_that_stores_trouble_alone_and_is_logged(us: Shelf, eu: Shelf) -> None:
    structlog.reset_defaults()
    with capture_logs() as logs:
        answers = await ask_all([us, eu], by_store(us=broken, eu=prompt), StorePatience(5))
    (_, failed), (_, here) = answers
    assert type(failed) is Unavailable
    assert failed.store == "us"
    assert here == "here"
    assert [(entry["event"], entry["store"]) for entry in logs] == [("adapter_failed", "us")]


async def test_a_stores_own_error_comes_back_with_the_stores_name(us: Shelf) -> None:
    answer = await ask(us, by_store(us=refusing), StorePatience(5))
    assert isinstance(answer, Refused)
    assert answer.store == "us"


async def test_all_stores_are_asked_side_by_side(us: Shelf, eu: Shelf) -> None:
    both = asyncio.Barrier(2)

    async def meet() -> str:
        await both.wait()
        return "met"

    answers = await ask_all([us, eu], by_store(us=meet, eu=meet), StorePatience(5))
    assert [answer for _, answer in answers] == ["met", "met"]


async def test_a_caller_who_gives_up_is_not_held_back(us: Shelf) -> None:
    asking = asyncio.create_task(ask(us, by_store(us=slow), StorePatience(30)))
    await asyncio.sleep(0)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking


async def test_nobody_asked_is_no_answer() -> None:
    assert await ask_all([], by_store(), StorePatience(1)) == []


async def test_upstream_calls_inside_are_bounded_by_what_the_store_has_left(us: Shelf) -> None:
    clock = asyncio.get_running_loop().time
    seen: list[float | None] = []

    async def look() -> str:
        seen.append(deadline.get())
        return "here"

    await ask(us, by_store(us=look), StorePatience(7))
    assert seen[0] is not None
    assert 6 < seen[0] - clock() <= 7
    assert deadline.get() is None


async def test_a_slow_first_round_leaves_the_other_stores_their_whole_time(us: Shelf, eu: Shelf) -> None:
    patience = StorePatience(0.2)
    await ask_all([us, eu], by_store(us=slow, eu=prompt), patience)

    async def rather_slow() -> str:
        await asyncio.sleep(0.1)
        return "here"

    answers = await ask_all([us, eu], by_store(us=prompt, eu=rather_slow), patience)
    assert isinstance(answers[0][1], DeadlineExceeded)
    assert answers[1][1] == "here"


async def test_a_store_that_has_used_up_its_time_is_not_called_again(us: Shelf) -> None:
    patience = StorePatience(0.05)
    await ask(us, by_store(us=slow), patience)
    asked: list[str] = []

    async def never() -> str:
        asked.append("us")
        return "here"

    started = time.monotonic()
    assert isinstance(await ask(us, by_store(us=never), patience), DeadlineExceeded)
    assert asked == []
    assert time.monotonic() - started < 0.05


async def test_two_questions_at_one_time_are_counted_as_one_wait(us: Shelf) -> None:
    patience = StorePatience(0.6)

    async def some_time() -> str:
        await asyncio.sleep(0.2)
        return "here"

    answers = await asyncio.gather(*(ask(us, by_store(us=some_time), patience) for _ in range(10)))
    assert answers == ["here"] * 10
    assert await ask(us, by_store(us=some_time), patience) == "here"


@pytest.mark.parametrize(
    ("error", "code", "message", "seconds"),
    [
        (
            Throttled("x", retry_after=0.2),
            ProblemCode.PLATFORM_THROTTLED,
            "us asks to wait before it answers again.",
            1,
        ),
        (Unavailable("x"), ProblemCode.PLATFORM_UNAVAILABLE, "us could not be read in time.", None),
        (Refused("x"), ProblemCode.PLATFORM_REFUSED, "us refused to answer.", None),
    ],
)
def test_an_issue_names_the_store_and_repeats_nothing_of_the_platforms(
    us: Shelf, eu: Shelf, error: PlatformError, code: ProblemCode, message: str, seconds: int | None
) -> None:
    (found,) = issues([(us, error), (eu, "here")])
    assert (found.store, found.code, found.message, found.retry_after_seconds) == (us.store, code, message, seconds)
