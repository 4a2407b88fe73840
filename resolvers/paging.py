"""How lists of several stores become one: newest first, nothing skipped or repeated, one opaque cursor."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Generic, TypeVar

import msgspec

from platforms.base import Page, Platform, Row
from platforms.errors import PlatformError, Unavailable
from resolvers.errors import BadArgument
from resolvers.fanout import StorePatience, ask_all, issue
from schema.order import Order
from schema.provenance import SourceIssue
from schema.returns import Return

T = TypeVar("T")
C = TypeVar("C", bound=msgspec.Struct)

#: Empty pages in a row of one store before it is taken to be stuck.
_MOST_EMPTY_PAGES = 25


class _Cursor(msgspec.Struct, array_like=True):
    """Where a merged list stands: behind which item in each store, which stores have no more, and of which list."""

    of: str
    positions: dict[str, str]
    done: list[str]


def list_digest(*what: object) -> str:
    """Names a list, so that a cursor of another one is noticed. Tells nothing of what it was made from."""
    return hashlib.blake2b(repr(what).encode(), digest_size=6).hexdigest()


def _encode(cursor: msgspec.Struct) -> str:
    return base64.urlsafe_b64encode(msgspec.json.encode(cursor)).decode().rstrip("=")


def _read(text: str, of: type[C]) -> C:
    try:
        return msgspec.json.decode(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)), type=of)
    except ValueError:
        raise BadArgument("after", "not a cursor of this API: give an endCursor or a cursor just as it came") from None


def _decode(text: str | None, of: str) -> _Cursor:
    if text is None:
        return _Cursor(of, {}, [])
    cursor = _read(text, _Cursor)
    if cursor.of != of:
        raise BadArgument("after", "this cursor is of another list: the other arguments must stay as they were")
    return cursor


class ReturnsCursor(msgspec.Struct, array_like=True, frozen=True):
    """Where a list of returns stands in the list of orders that they are read off.

    An order of which only some returns were given stays in `begun`, also while its store does not answer: the last
    return given, so that one made meanwhile neither repeats another nor hides it.
    """

    orders: str | None
    begun: dict[str, tuple[Annotated[datetime, msgspec.Meta(tz=True)], str]]

    @classmethod
    def read(cls, text: str | None) -> ReturnsCursor:
        """Raises BadArgument where the text is no such cursor."""
        if text is None:
            return cls(None, {})
        return _read(text, cls)

    def text(self) -> str:
        return _encode(self)

    def fresh(self, order: Order) -> list[Return]:
        """The order's returns that were not given yet, newest first."""
        found = sorted(order.returns or (), key=_newest_return, reverse=True)
        given = self.begun.get(order.id)
        return found if given is None else [one for one in found if _newest_return(one) < given]

    def at(self, cursor: str) -> ReturnsCursor:
        """Further on in the list of orders."""
        return ReturnsCursor(cursor, self.begun)

    def within(self, order: Order, given: Return) -> ReturnsCursor:
        """Behind a return of an order that has more."""
        return ReturnsCursor(self.orders, {**self.begun, order.id: _newest_return(given)})

    def behind(self, order: Order, cursor: str) -> ReturnsCursor:
        """Behind an order, which stands at `cursor` in the list of orders."""
        return ReturnsCursor(cursor, {id: given for id, given in self.begun.items() if id != order.id})


def _newest_return(found: Return) -> tuple[datetime, str]:
    return found.requested_at, found.id


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
    empty: int = 0

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
    patience: StorePatience,
    cursors: bool = True,
) -> Merged[T]:
    """The next `first` items of the list that all stores' lists make together.

    `newest` orders items: the largest comes first. A store that fails keeps its place in the cursor, so that its
    items come as soon as it answers again. Without `cursors` only the last row has its own.

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
        await _fill([stream for stream in streams if stream.dry], fetch, first - len(taken), patience)
        if any(stream.dry for stream in streams):
            continue
        ahead = [stream for stream in streams if stream.rows]
        if not ahead:
            break
        if len(ahead) == 1 and not cursors:  # nothing to compare, and nobody asks where each row stands
            [only] = ahead
            rows, only.rows = only.rows[: first - len(taken)], only.rows[first - len(taken) :]
            only.position = positions[only.key] = rows[-1].position
            taken += [("", row.node) for row in rows]
            continue
        best = max(ahead, key=lambda stream: (newest(stream.rows[0].node), stream.key))
        row = best.rows.pop(0)
        best.position = positions[best.key] = row.position
        _mark_done(streams, done)
        taken.append((_encode(_Cursor(of, positions, sorted(done))) if cursors else "", row.node))
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
    patience: StorePatience,
) -> None:
    if not dry:
        return
    by_platform: Mapping[str, _Stream[T]] = {stream.key: stream for stream in dry}

    async def next_page(platform: Platform) -> Page[T]:
        return await fetch(platform, first, by_platform[platform.config.id].position)

    for platform, answer in await ask_all([stream.platform for stream in dry], next_page, patience):
        stream = by_platform[platform.config.id]
        if isinstance(answer, PlatformError):
            stream.error = answer
            continue
        stream.rows = list(answer.rows)
        stream.more = answer.more
        if stream.rows or not stream.more:
            stream.empty = 0
            continue
        stream.empty += 1
        if answer.end is None or answer.end == stream.position or stream.empty > _MOST_EMPTY_PAGES:
            stream.error = Unavailable("the store's list does not come to an end", store=platform.config.id)
        else:
            stream.position = answer.end
