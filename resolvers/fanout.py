"""How several stores are asked at once, each answering, or failing, for itself alone."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

import structlog

from platforms.base import Platform
from platforms.errors import DeadlineExceeded, PlatformError, Unavailable
from platforms.transport import deadline
from resolvers.errors import issue_message, retry_after_seconds
from schema.provenance import SourceIssue

if TYPE_CHECKING:
    from collections.abc import Iterator

T = TypeVar("T")

_log = structlog.get_logger(__name__)


#: Seconds that an answer may be late before it is no longer waited for; the transport keeps the deadline itself.
_GRACE = 0.25


class StorePatience:
    """How long one request waits for each store: seconds in which it owes an answer, whatever the others do.

    Counted store by store, or one that is slow in a first round would leave no time for the others in the next.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._spent: dict[str, float] = {}
        self._since: dict[str, float] = {}
        self._waiting: dict[str, int] = {}

    @contextmanager
    def waiting_for(self, store: str) -> Iterator[float]:
        """While the store owes an answer. Gives the instant, on the loop's clock, at which its time is used up."""
        clock = asyncio.get_running_loop().time
        waiting = self._waiting.get(store, 0)
        if not waiting:
            self._since[store] = clock()
        self._waiting[store] = waiting + 1
        try:
            yield self._since[store] + self._seconds - self._spent.get(store, 0.0)
        finally:
            self._waiting[store] -= 1
            if not self._waiting[store]:
                self._spent[store] = self._spent.get(store, 0.0) + clock() - self._since[store]


@contextmanager
def until(instant: float) -> Iterator[None]:
    """Bound every upstream call inside to an instant of the loop's clock.

    It takes the place of an outer bound: a batch may have been started while another store was being asked.
    """
    token = deadline.set(instant)
    try:
        yield
    finally:
        deadline.reset(token)


async def ask(
    platform: Platform, question: Callable[[Platform], Awaitable[T]], patience: StorePatience
) -> T | PlatformError:
    """One store's answer, or its error: whatever happens, it comes back, and in time."""
    try:
        with patience.waiting_for(platform.config.id) as instant:
            if instant <= asyncio.get_running_loop().time():
                return DeadlineExceeded("the store has used up the time it has", store=platform.config.id)
            with until(instant):
                # The transport keeps the deadline; this is for an adapter that computes or waits outside of it.
                async with asyncio.timeout_at(instant + _GRACE):
                    return await question(platform)
    except PlatformError as error:
        error.store = error.store or platform.config.id
        return error
    except TimeoutError:
        return DeadlineExceeded("the store did not answer in time", store=platform.config.id)
    except Exception:
        _log.exception("adapter_failed", store=platform.config.id)
        return Unavailable("the store's answer could not be understood", store=platform.config.id)


async def ask_all(
    platforms: Iterable[Platform], question: Callable[[Platform], Awaitable[T]], patience: StorePatience
) -> list[tuple[Platform, T | PlatformError]]:
    """Every store's answer or error, side by side."""
    asked = list(platforms)
    if len(asked) == 1:
        return [(asked[0], await ask(asked[0], question, patience))]
    answers = await asyncio.gather(*(ask(platform, question, patience) for platform in asked))
    return list(zip(asked, answers, strict=True))


def issue(platform: Platform, error: PlatformError) -> SourceIssue:
    """A store's trouble, as a list names it."""
    return SourceIssue(
        store=platform.store,
        code=error.code,
        message=issue_message(error, platform.store.name),
        retry_after_seconds=retry_after_seconds(error),
    )


def issues(answers: Iterable[tuple[Platform, object]]) -> list[SourceIssue]:
    return [issue(platform, answer) for platform, answer in answers if isinstance(answer, PlatformError)]
