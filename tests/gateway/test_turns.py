"""Whose turn it is: one of each caller's, within bounds, whoever leaves."""

from __future__ import annotations

import asyncio

import pytest

from gateway.turns import NoRoom, Turns


async def waits(turns: Turns, caller: str, number: int, order: list[str]) -> None:
    async with turns.turn(caller, 10):
        order.append(f"{caller}{number}")
        await asyncio.sleep(0)


async def test_callers_take_turns_and_each_keeps_its_own_order() -> None:
    turns, order = Turns(), list[str]()
    asked = [("a", 1), ("a", 2), ("a", 3), ("b", 1), ("c", 1), ("b", 2)]
    await asyncio.gather(*(waits(turns, caller, number, order) for caller, number in asked))
    assert order == ["a1", "a2", "b1", "c1", "a3", "b2"]


async def test_who_leaves_is_passed_over_and_whose_turn_it_was_passes_it_on() -> None:
    turns, order = Turns(), list[str]()
    async with turns.turn("x", 10):
        tasks = [asyncio.create_task(waits(turns, caller, 1, order)) for caller in "abc"]
        await asyncio.sleep(0)
        tasks[0].cancel()
        await asyncio.sleep(0)
    tasks[1].cancel()  # it has just been called, and has not yet begun
    await asyncio.gather(*tasks, return_exceptions=True)
    assert [task.cancelled() for task in tasks] == [True, True, False]
    assert order == ["c1"]
    await asyncio.wait_for(waits(turns, "d", 1, order), 1)
    assert order == ["c1", "d1"]


async def test_a_failure_in_a_turn_ends_it() -> None:
    turns, order = Turns(), list[str]()
    with pytest.raises(ZeroDivisionError):
        async with turns.turn("a", 10):
            raise ZeroDivisionError
    await asyncio.wait_for(waits(turns, "a", 1, order), 1)


async def test_what_waits_is_bounded_for_each_and_for_all() -> None:
    turns, order = Turns(), list[str]()
    async with turns.turn("x", 10):
        mine = [asyncio.create_task(waits(turns, "a", number, order)) for number in range(126)]
        await asyncio.sleep(0)
        assert [str(task.exception()) for task in mine if task.done()] == [
            "too many new documents of this caller are being read; try again"
        ]
        everybody = [asyncio.create_task(waits(turns, f"b{n}", 0, order)) for n in range(900)]
        await asyncio.sleep(0)
        told = {str(task.exception()) for task in everybody if task.done()}
        assert told == {"too many new documents are being read; try again"}
    waited = await asyncio.gather(*mine, *everybody, return_exceptions=True)
    assert len(order) == 999  # 16 million characters, each counted as 16,000 at least, but the one that was read
    assert sum(isinstance(one, NoRoom) for one in waited) == len(waited) - 999
    async with turns.turn("a", 2_000_000):  # all room is there again
        with pytest.raises(NoRoom, match="of this caller"):
            async with turns.turn("a", 10):
                pass
