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


@contextmanager
def until(instant: float) -> Iterator[None]:
    """Bound every upstream call inside to an instant of the loop's clock."""
    outer = deadline.get()
    token = deadline.set(instant if outer is None else min(instant, outer))
    try:
        yield
    finally:
        deadline.reset(token)


async def ask(platform: Platform, question: Callable[[Platform], Awaitable[T]], instant: float) -> T | PlatformError:
    """One store's answer, or its error: whatever happens, it comes back, and by the instant."""
    try:
        with until(instant):
            # The transport keeps the deadline; this is for an adapter that computes or waits outside of it.
            async with asyncio.timeout_at(instant + 0.25):
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
    platforms: Iterable[Platform], question: Callable[[Platform], Awaitable[T]], instant: float
) -> list[tuple[Platform, T | PlatformError]]:
    """Every store's answer or error, side by side."""
    asked = list(platforms)
    if len(asked) == 1:
        return [(asked[0], await ask(asked[0], question, instant))]
    answers = await asyncio.gather(*(ask(platform, question, instant) for platform in asked))
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
