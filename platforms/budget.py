"""How many points a store still grants us (a leaky bucket that follows the platform's figures), and who goes first."""

from __future__ import annotations

import asyncio
import heapq
import itertools
import math
import time
from collections.abc import Callable
from contextvars import ContextVar
from typing import NamedTuple

from platforms.errors import Throttled

#: Set by work nobody is waiting for (replays, reconciliation): it queues behind every interactive call.
background: ContextVar[bool] = ContextVar("background", default=False)


class BudgetSnapshot(NamedTuple):
    """Points available now, the most the bucket holds, and points restored each second."""

    available: float
    maximum: float
    restore_per_second: float


class _Waiter:
    __slots__ = ("cost", "future", "rank")

    def __init__(self, rank: tuple[bool, int], cost: float, future: asyncio.Future[None]) -> None:
        self.rank = rank
        self.cost = cost
        self.future = future

    def __lt__(self, other: _Waiter) -> bool:
        return self.rank < other.rank


class Budget:
    """One store's bucket. Starts full. Points taken by calls still under way are subtracted from what the platform
    reports, since its report may not have counted them yet."""

    def __init__(
        self, maximum: float, restore_per_second: float, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        if not (0 < maximum < math.inf and 0 < restore_per_second < math.inf):
            raise ValueError("a budget needs a positive maximum and a positive rate")
        self._maximum = maximum
        self._rate = restore_per_second
        self._clock = clock
        self._available = maximum
        self._at = clock()
        self._paused_until = -math.inf
        self._under_way = 0.0
        self._queue: list[_Waiter] = []
        self._numbers = itertools.count()
        self._timer: asyncio.TimerHandle | None = None
        #: How often the platform has reported; tells whether an answer brought a report of its own.
        self.reports = 0

    async def acquire(self, cost: float, *, in_background: bool = False, deadline: float | None = None) -> float:
        """Wait until `cost` points are ours, first come first served, interactive before background; the seconds
        waited. `deadline` is an instant of the running loop's clock: when the wait cannot end before it, raises
        `Throttled` with `retry_after` at once. A cost above the maximum asks for the whole bucket. Each acquisition
        is closed by one `finished`."""
        cost = min(cost, self._maximum)
        if not self._queue and self._seconds_until(cost) <= 0:
            self._take(cost)
            return 0.0
        loop = asyncio.get_running_loop()
        waiter = _Waiter((in_background, next(self._numbers)), cost, loop.create_future())
        wait = self._wait_for(waiter)
        if wait <= 0:
            self._take(cost)
            return 0.0
        if deadline is not None and loop.time() + wait > deadline:
            raise _too_long(wait)
        started = loop.time()
        heapq.heappush(self._queue, waiter)
        self._arm(loop)
        try:
            async with asyncio.timeout_at(deadline):
                await waiter.future
        except TimeoutError:  # somebody more urgent came in between
            self._forget(waiter, loop)
            raise _too_long(self._wait_for(waiter)) from None
        except asyncio.CancelledError:
            self._forget(waiter, loop)
            raise
        return loop.time() - started

    def finished(self, cost: float, *, spent: bool = True) -> None:
        """A call that acquired `cost` is over; its points come back when it was never sent."""
        cost = min(cost, self._maximum)
        self._under_way = max(0.0, self._under_way - cost)
        if not spent:
            self._refill()
            self._available = min(self._maximum, self._available + cost)
            self._wake()

    def report(self, available: float, maximum: float | None = None, restore_per_second: float | None = None) -> None:
        """What the platform says of the bucket in the answer just received. Figures that make no sense are left out."""
        self._refill()
        if maximum is not None and 0 < maximum < math.inf:
            self._maximum = maximum
        if restore_per_second is not None and 0 < restore_per_second < math.inf:
            self._rate = restore_per_second
        if math.isfinite(available):
            self._available = min(self._maximum, available - self._under_way)
            self.reports += 1
        self._wake()

    def pause(self, seconds: float) -> None:
        """The platform said to wait without saying what is left: nobody is let through for so many seconds."""
        self._paused_until = max(self._paused_until, self._clock() + seconds)
        self._wake()

    def snapshot(self) -> BudgetSnapshot:
        self._refill()
        return BudgetSnapshot(max(0.0, self._available), self._maximum, self._rate)

    def _refill(self) -> None:
        now = self._clock()
        self._available = min(self._maximum, self._available + (now - self._at) * self._rate)
        self._at = now

    def _take(self, cost: float) -> None:
        self._available -= cost
        self._under_way += cost

    def _wait_for(self, waiter: _Waiter) -> float:
        """Seconds until the bucket has enough for `waiter` and for all who go before it; at most 0: now."""
        ahead = [other.cost for other in self._queue if other < waiter and not other.future.done()]
        return self._seconds_until(sum(ahead) + min(waiter.cost, self._maximum))

    def _seconds_until(self, points: float) -> float:
        """Seconds until the bucket holds so many points, and nobody is held back."""
        self._refill()
        missing = points - self._available
        pause = self._paused_until - self._at
        # Rounding must not leave somebody waiting for a billionth of a point.
        return max(missing / self._rate if missing > 1e-9 else 0.0, pause, 0.0)

    def _forget(self, waiter: _Waiter, loop: asyncio.AbstractEventLoop) -> None:
        if waiter in self._queue:
            self._queue.remove(waiter)
            heapq.heapify(self._queue)
            self._arm(loop)
        elif waiter.future.done() and not waiter.future.cancelled():  # granted and given up in the same moment
            self.finished(waiter.cost, spent=False)

    def _wake(self) -> None:
        """Let through who can go, in order; then set the timer for the next."""
        while self._queue and (
            self._queue[0].future.done() or self._queue[0].future.get_loop().is_closed() or self._can_go()
        ):
            waiter = heapq.heappop(self._queue)
            if not waiter.future.done() and not waiter.future.get_loop().is_closed():
                self._take(min(waiter.cost, self._maximum))
                waiter.future.set_result(None)
        if self._queue:
            self._arm(self._queue[0].future.get_loop())

    def _can_go(self) -> bool:
        return self._wait_for(self._queue[0]) <= 0

    def _arm(self, loop: asyncio.AbstractEventLoop) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._queue:
            # A timer may fire a clock tick early; a millisecond more saves a second round.
            self._timer = loop.call_later(self._wait_for(self._queue[0]) + 0.001, self._wake)


def _too_long(wait: float) -> Throttled:
    return Throttled("the store's rate budget is used up", retry_after=round(wait, 3))
