"""How lists of several stores become one: newest first, nothing skipped or repeated, one opaque cursor."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import msgspec

from platforms.base import Page, Platform, Row
from platforms.errors import PlatformError, Unavailable
from resolvers.errors import BadArgument
from resolvers.fanout import ask_all, issue
from schema.provenance import SourceIssue

T = TypeVar("T")

#: Short pages in a row of one store before it is taken to be stuck.
_MOST_SHORT_PAGES = 25


class _Cursor(msgspec.Struct, array_like=True):
    """Where a merged list stands: behind which item in each store, which stores have no more, and of which list."""

    of: str
    positions: dict[str, str]
    done: list[str]


def list_digest(*what: object) -> str:
    """Names a list, so that a cursor of another one is noticed. Tells nothing of what it was made from."""
    return hashlib.blake2b(repr(what).encode(), digest_size=6).hexdigest()


def _encode(cursor: _Cursor) -> str:
    return base64.urlsafe_b64encode(msgspec.json.encode(cursor)).decode().rstrip("=")


def _decode(text: str | None, of: str) -> _Cursor:
    if text is None:
        return _Cursor(of, {}, [])
    try:
        cursor = msgspec.json.decode(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)), type=_Cursor)
    except ValueError:
        raise BadArgument("after", "not a cursor of this API: give an endCursor or a cursor just as it came") from None
    if cursor.of != of:
        raise BadArgument("after", "this cursor is of another list: the other arguments must stay as they were")
    return cursor


@dataclass(frozen=True, slots=True)
class Merged(Generic[T]):
    """One page over several stores: rows with their cursors, whether there is more, and who could not answer."""

    rows: Sequence[tuple[str, T]]
    more: bool
    issues: list[SourceIssue]
    #: Where to go on, also when no row came.
    end: str | None


@dataclass(slots=True)
class _Stream(Generic[T]):
    """One store's part of the list while it is merged."""

    platform: Platform
    position: str | None
    rows: list[Row[T]]
    more: bool = True
    error: PlatformError | None = None
    short: int = 0

    @property
    def key(self) -> str:
        return self.platform.config.id

    @property
    def dry(self) -> bool:
        return not self.rows and self.more and self.error is None


async def merged(
    platforms: Sequence[Platform],
    fetch: Callable[[Platform, int, str | None], Awaitable[Page[T]]],
    newest: Callable[[T], tuple[object, ...]],
    *,
    first: int,
    after: str | None,
    of: str,
    instant: float,
) -> Merged[T]:
    """The next `first` items of the list that all stores' lists make together.

    `newest` orders items: the largest comes first. A store that fails keeps its place in the cursor, so that its
    items come as soon as it answers again.

    Raises:
        BadArgument: `after` is no cursor of this list.
    """
    cursor = _decode(after, of)
    positions = dict(cursor.positions)
    done = set(cursor.done)
    streams = [
        _Stream[T](platform, positions.get(platform.config.id), [])
        for platform in platforms
        if platform.config.id not in done
    ]
    taken: list[tuple[str, T]] = []
    while len(taken) < first:
        await _fill([stream for stream in streams if stream.dry], fetch, first - len(taken), instant)
        if any(stream.dry for stream in streams):
            continue
        ahead = [stream for stream in streams if stream.rows]
        if not ahead:
            break
        best = max(ahead, key=lambda stream: (newest(stream.rows[0].node), stream.key))
        row = best.rows.pop(0)
        best.position = positions[best.key] = row.position
        _mark_done(streams, done)
        taken.append((_encode(_Cursor(of, dict(positions), sorted(done))), row.node))
    for stream in streams:
        if not stream.rows and stream.position is not None:
            positions[stream.key] = stream.position
    _mark_done(streams, done)
    more = any(stream.rows or (stream.more and stream.error is None) for stream in streams)
    troubled = [issue(stream.platform, stream.error) for stream in streams if stream.error is not None]
    end = _encode(_Cursor(of, positions, sorted(done))) if taken or more or troubled else None
    if taken:
        taken[-1] = (end or taken[-1][0], taken[-1][1])
    return Merged(taken, more, troubled, end)


def _mark_done(streams: Sequence[_Stream[T]], done: set[str]) -> None:
    done.update(stream.key for stream in streams if not stream.rows and not stream.more and stream.error is None)


async def _fill(
    dry: Sequence[_Stream[T]],
    fetch: Callable[[Platform, int, str | None], Awaitable[Page[T]]],
    first: int,
    instant: float,
) -> None:
    if not dry:
        return
    by_platform: Mapping[str, _Stream[T]] = {stream.key: stream for stream in dry}

    async def next_page(platform: Platform) -> Page[T]:
        return await fetch(platform, first, by_platform[platform.config.id].position)

    for platform, answer in await ask_all([stream.platform for stream in dry], next_page, instant):
        stream = by_platform[platform.config.id]
        if isinstance(answer, PlatformError):
            stream.error = answer
            continue
        stream.rows = list(answer.rows)
        stream.more = answer.more
        if stream.rows:
            continue
        if not stream.more:
            continue
        stream.short += 1
        if answer.end is None or answer.end == stream.position or stream.short > _MOST_SHORT_PAGES:
            stream.error = Unavailable("the store's list does not come to an end", store=platform.config.id)
        else:
            stream.position = answer.end
