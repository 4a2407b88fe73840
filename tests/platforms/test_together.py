"""Calls side by side: in order, a few at a time, and ended with the first that fails."""

from __future__ import annotations

import asyncio

import pytest

from platforms.errors import Unavailable
from platforms.together import each, together


async def slowly(value: int, ended: list[int] | None = None) -> int:
    try:
        await asyncio.sleep(0.01 * (3 - value))
    except asyncio.CancelledError:
        if ended is not None:
            ended.append(value)
        raise
    return value


async def test_answers_come_in_the_order_of_the_questions() -> None:
    assert await together(slowly(0), slowly(1), slowly(2)) == [0, 1, 2]
    assert await together(slowly(1)) == [1]
    assert await together() == []


async def test_the_first_failure_is_raised_as_itself_and_ends_the_others() -> None:
    ended: list[int] = []

    async def fails() -> None:
        await asyncio.sleep(0)
        raise Unavailable("down")

    with pytest.raises(Unavailable, match="down"):
        await together(slowly(0, ended), fails(), slowly(1, ended))
    assert sorted(ended) == [0, 1]


async def test_only_so_many_are_under_way_at_once() -> None:
    inside = most = 0

    async def one(value: int) -> int:
        nonlocal inside, most
        inside, most = inside + 1, max(most, inside + 1)
        await asyncio.sleep(0.002)
        inside -= 1
        return value * 2

    assert await each(one, range(7), at_once=3) == [0, 2, 4, 6, 8, 10, 12]
    assert most == 3
