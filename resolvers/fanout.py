"""How several stores are asked at once, each answering, or failing, for itself alone."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import TypeVar

import structlog

from platforms.base import Platform
from platforms.errors import DeadlineExceeded, PlatformError, Unavailable
from platforms.transport import deadline
from resolvers.errors import issue_message, retry_after_seconds
from schema.provenance import SourceIssue

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

    def begin(self, store: str, now: float) -> float:
        """The store owes an answer from now on. The instant, on the loop's clock, at which its time is used up."""
        waiting = self._waiting.get(store, 0)
        if not waiting:
            self._since[store] = now
        self._waiting[store] = waiting + 1
        return self._since[store] + self._seconds - self._spent.get(store, 0.0)

    def end(self, store: str, now: float) -> None:
        """It owes one answer less."""
        self._waiting[store] -= 1
        if not self._waiting[store]:
            self._spent[store] = self._spent.get(store, 0.0) + now - self._since[store]


async def ask(
    platform: Platform, question: Callable[[Platform], Awaitable[T]], patience: StorePatience
) -> T | PlatformError:
    """One store's answer, or its error: whatever happens, it comes back, and in time.

    Every upstream call inside is bound to the store's time. That takes the place of an outer bound: a batch may have
    been started while another store was being asked.
    """
    store, clock = platform.config.id, asyncio.get_running_loop().time
    now = clock()
    instant = patience.begin(store, now)
    bound = deadline.set(instant)
    try:
        if instant <= now:
            return DeadlineExceeded("the store has used up the time it has", store=store)
        # The transport keeps the deadline; this is for an adapter that computes or waits outside of it.
        async with asyncio.timeout_at(instant + _GRACE):
            return await question(platform)
    except PlatformError as error:
        error.store = error.store or store
        return error
    except TimeoutError:
        return DeadlineExceeded("the store did not answer in time", store=store)
    except Exception:
        _log.exception("adapter_failed", store=store)
        return Unavailable("the store's answer could not be understood", store=store)
    finally:
        deadline.reset(bound)
        patience.end(store, clock())


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
