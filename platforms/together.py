"""How several calls to a store are made side by side: all of them end with the first that fails."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Any, TypeVar

T = TypeVar("T")
I = TypeVar("I")  # noqa: E741


async def together(*work: Coroutine[Any, Any, Any]) -> list[Any]:
    """All at once; the first failure ends the others and is raised as itself."""
    if len(work) == 1:
        return [await work[0]]
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(one) for one in work]
    except BaseExceptionGroup as failures:
        raise failures.exceptions[0] from None
    return [task.result() for task in tasks]


async def each(one: Callable[[I], Awaitable[T]], items: Sequence[I], *, at_once: int) -> list[T]:
    """The same for each item, so many at a time, in the order of `items`."""
    gate = asyncio.Semaphore(at_once)

    async def held(item: I) -> T:
        async with gate:
            return await one(item)

    return await together(*map(held, items))
