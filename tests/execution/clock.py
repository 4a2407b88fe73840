"""An event loop on which waiting takes no time, and of which two answers can be compared to the last tick."""

from __future__ import annotations

import asyncio
import gc
import selectors
from collections.abc import Callable, Coroutine, Mapping
from typing import Any


class Stuck(Exception):
    """Nothing is left to happen."""


class _Selector(selectors.DefaultSelector):  # type: ignore[misc,valid-type]
    """Does not wait: the time it was to wait for has passed."""

    now = 0.0

    def select(self, timeout: float | None = None) -> Any:
        if timeout is None:
            raise Stuck("something waits for what nobody will ever do")
        if timeout > 0:
            self.now += timeout + 1e-6  # past it, whatever is lost in rounding
        return super().select(0)


class QuickLoop(asyncio.SelectorEventLoop):
    """Sleeps pass at once, in their order."""

    def __init__(self) -> None:
        self._quick = _Selector()
        super().__init__(self._quick)
        self.complaints: list[str] = []
        self.set_exception_handler(self._complain)

    def time(self) -> float:
        return self._quick.now

    def _complain(self, _: asyncio.AbstractEventLoop, context: Mapping[str, Any]) -> None:
        self.complaints.append(str(context))


def unheard(loop: QuickLoop, again: Callable[[], Coroutine[Any, Any, object]]) -> list[str]:
    """What nobody heard of, if it is of what was just compared: what was left to the garbage long before may be found
    at any time, so a complaint counts only when `again`, alone, leaves one too."""
    if not loop.complaints:
        return []
    gc.collect()
    loop.complaints.clear()
    loop.run_until_complete(again())
    gc.collect()
    return loop.complaints


async def others_ended() -> list[str]:
    """Wait for every other task to end; the names of what they ran."""
    found = []
    while rest := asyncio.all_tasks() - {asyncio.current_task()}:
        found += [task.get_coro().__qualname__ for task in rest]  # type: ignore[union-attr]
        await asyncio.wait(rest)
    return found
