"""How a vendor's text of an instant is read: aware, in UTC, or not at all."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import overload

from platforms.errors import Unreadable


@overload
def in_utc(moment: datetime, field: str) -> datetime: ...
@overload
def in_utc(moment: datetime | None, field: str) -> datetime | None: ...
def in_utc(moment: datetime | None, field: str) -> datetime | None:
    """The same instant in UTC; without a zone it is taken for one. Raises `Unreadable` where no calendar has it."""
    if moment is None or moment.tzinfo is UTC:
        return moment
    if moment.tzinfo is None:
        return moment.replace(tzinfo=UTC)
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise Unreadable(f"{field} is not a date") from None


def instant(text: str | None, field: str) -> datetime | None:
    """ISO 8601, with a zone or in UTC; None where it is blank. Raises `Unreadable` naming the field."""
    if not text:
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise Unreadable(f"{field} is not a date") from None
    return in_utc(found, field)


def known_instant(text: str | None, field: str) -> datetime:
    """The same of what must be there. Raises `Unreadable` naming the field."""
    found = instant(text, field)
    if found is None:
        raise Unreadable(f"{field} is missing")
    return found


def to_the_millisecond(moment: datetime) -> str:
    """As several vendors write an instant: `2026-11-23T15:04:05.000Z`."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
