"""Whose new document is read next: one of each caller's in turn, so that nobody waits behind all of another's."""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from collections.abc import AsyncIterator, Hashable
from contextlib import asynccontextmanager
from typing import Final

#: What may wait, in characters: of one caller, and of all.
_MOST_EACH: Final = 2_000_000
_MOST: Final = 16_000_000
#: What even the shortest counts as, so that a caller has 125 waiting at most.
_LEAST: Final = 16_000


class NoRoom(Exception):
    """Too much waits already; the message says whose."""


class Turns:
    """One at a time."""

    def __init__(self) -> None:
        self._queues: OrderedDict[Hashable, deque[asyncio.Future[None]]] = OrderedDict()
        self._waiting: dict[Hashable, int] = {}
        self._all = 0
        self._taken = False

    @asynccontextmanager
    async def turn(self, caller: Hashable, size: int) -> AsyncIterator[None]:
        """Wait for a turn, and have it. `size` in characters.

        Raises:
            NoRoom: at once.
        """
        size = max(size, _LEAST)
        if self._all + size > _MOST:
            raise NoRoom("too many new documents are being read; try again")
        if (mine := self._waiting.get(caller, 0) + size) > _MOST_EACH:
            raise NoRoom("too many new documents of this caller are being read; try again")
        self._waiting[caller] = mine
        self._all += size
        try:
            await self._take(caller)
            try:
                yield
            finally:
                self._pass_on()
        finally:
            self._all -= size
            self._waiting[caller] -= size
            if not self._waiting[caller]:
                del self._waiting[caller]

    async def _take(self, caller: Hashable) -> None:
        if not self._taken:
            self._taken = True
            return
        called = asyncio.get_running_loop().create_future()
        self._queues.setdefault(caller, deque()).append(called)
        try:
            await called
        except asyncio.CancelledError:
            if called.done() and not called.cancelled():  # it was this one's turn just now
                self._pass_on()
            raise

    def _pass_on(self) -> None:
        """To the oldest of the caller who has not had a turn for longest."""
        while self._queues:
            caller, queue = self._queues.popitem(last=False)
            while queue:
                called = queue.popleft()
                if not called.done():  # who left does not wait any more
                    if queue:
                        self._queues[caller] = queue
                    called.set_result(None)
                    return
        self._taken = False
