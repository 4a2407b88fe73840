"""How unfinished actions are taken up again in the background: dropped ones, pending ones, those of unknown outcome."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any

import structlog

from actions.desk import ActionDesk
from actions.effects import trace_of
from actions.ledger import Record
from platforms.transport import background

#: The most due actions that are read at once.
_AT_A_LOOK = 200

_log = structlog.get_logger("actions.recovery")


class Recovery:
    """Looks for due actions every `every` seconds, drawn at random around that, and works on a few at once."""

    def __init__(self, desk: ActionDesk, *, every: float = 1.0, at_once: int = 4) -> None:
        self._desk = desk
        self._every = every
        self._at_once = at_once
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin, in the running loop. What a process left behind is found with the first look."""
        if self._task is None:
            self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """End, first letting actions that are being done come to their end. What is cut off, others take up."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
        with suppress(TimeoutError):
            async with asyncio.timeout(self._desk.request_seconds):
                await self._desk.finish()

    async def sweep(self) -> int:
        """Take up what is due now; how many there were. Raises what the database raises."""
        records = await self._desk.ledger.due(self._desk.clock(), _AT_A_LOOK)
        places = asyncio.Semaphore(self._at_once)

        async def one(record: Record) -> None:
            background.set(True)  # interactive calls go first
            async with places:
                await self._patiently(self._desk.effects.take_up(record))

        async with asyncio.TaskGroup() as group:
            for record in records:
                group.create_task(one(record))
        return len(records)

    async def _run(self) -> None:
        background.set(True)
        while True:
            await self._patiently(self.sweep())
            await asyncio.sleep(self._every * random.uniform(0.8, 1.2))

    async def _patiently(self, work: Coroutine[Any, Any, Any]) -> None:
        try:
            await work
        except Exception as error:
            _log.error("unfinished actions could not be taken up; trying again", trace=trace_of(error))
