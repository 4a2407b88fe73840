"""When a window of time ends: whole days in the store's zone, shorter ones to the instant, estimates by a chain."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from enum import Enum
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo

from policies.facts import Facts
from schema.vocabulary import TimeBasis


class Unit(Enum):
    """In what a window is counted."""

    MINUTES = "minutes"
    HOURS = "hours"
    DAYS = "days"
    MONTHS = "months"


#: The last second of a day; windows of whole days end with it.
_DAY_END = time(23, 59, 59)


@dataclass(frozen=True, slots=True)
class Length:
    """How long: `Length(30, Unit.DAYS)`."""

    count: int
    unit: Unit

    def __str__(self) -> str:
        return f"{self.count} {self.unit.value}"

    @property
    def whole_days(self) -> bool:
        return self.unit in (Unit.DAYS, Unit.MONTHS)

    def after(self, start: datetime, zone: ZoneInfo) -> datetime:
        """The last instant within this length of `start`: aware, UTC."""
        if self.unit is Unit.MINUTES:
            return start + timedelta(minutes=self.count)
        if self.unit is Unit.HOURS:
            return start + timedelta(hours=self.count)
        day = start.astimezone(zone).date()
        last = day + timedelta(days=self.count) if self.unit is Unit.DAYS else _add_months(day, self.count)
        return end_of_day(last, zone)

    def before(self, billing: datetime, zone: ZoneInfo) -> datetime:
        """The last instant that is still this length before the start of a billing day."""
        if self.unit is Unit.MINUTES:
            return billing - timedelta(minutes=self.count)
        if self.unit is Unit.HOURS:
            return billing - timedelta(hours=self.count)
        day = billing.astimezone(zone).date()
        last = day - timedelta(days=self.count) if self.unit is Unit.DAYS else _add_months(day, -self.count)
        return end_of_day(last, zone) if last < day else billing


def _add_months(day: date, months: int) -> date:
    """The same day so many months on; the month's last day where there is no such day."""
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    following = date(year + (month + 1) // 12, (month + 1) % 12 + 1, 1)
    return date(year, month + 1, min(day.day, (following - timedelta(days=1)).day))


@lru_cache(maxsize=4096)
def end_of_day(day: date, zone: ZoneInfo) -> datetime:
    """The last second of a local day, in UTC."""
    return datetime.combine(day, _DAY_END, zone).astimezone(UTC)


@dataclass(frozen=True, slots=True)
class Start:
    """An event a window counts from, and days added where it stands in for a later one."""

    basis: TimeBasis
    plus_days: int = 0
    #: Of the whole, and of a line.
    _facts: tuple[str, str] = field(init=False, repr=False, compare=False, default=("", ""))

    def __post_init__(self) -> None:
        object.__setattr__(self, "_facts", _EVENTS[self.basis])

    def fact(self, per_line: bool) -> str:
        """The fact that says when the event was."""
        return self._facts[per_line]


_EVENTS: Final[Mapping[TimeBasis, tuple[str, str]]] = {
    TimeBasis.ORDERED: ("order.placed_at", "order.placed_at"),
    TimeBasis.FULFILLED: ("order.fulfilled_at", "line.fulfilled_at"),
    TimeBasis.DELIVERED: ("order.delivered_at", "line.delivered_at"),
    TimeBasis.NEXT_BILLING: ("subscription.next_billing_at", "subscription.next_billing_at"),
}


@dataclass(frozen=True, slots=True)
class Season:
    """Orders placed on these local days (both included) may be asked about until the end of `until` at least."""

    first: date
    last: date
    until: date


@dataclass(frozen=True, slots=True)
class Window:
    """A stretch of time from an event, or up to the next billing."""

    length: Length
    starts: tuple[Start, ...]
    before: bool = False
    #: Whether it counts from an event that only the order's parcels tell.
    of_parcels: bool = field(init=False, default=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "of_parcels", any(each.basis is not TimeBasis.ORDERED for each in self.starts))


@dataclass(slots=True)  # as nothing that is made for every line: not frozen, which takes four times as long
class Counted:
    """Where a window ends, and from what that was worked out."""

    length: Length
    #: The last instant inside; aware, UTC.
    until: datetime
    basis: TimeBasis
    fact: str
    at: datetime
    #: Days added to an event that stands in for a later one.
    plus_days: int
    estimated: bool
    by_season: bool = False


def count(window: Window, length: Length, seasons: Sequence[Season], facts: Facts, *, per_line: bool) -> Counted | None:
    """Where the window ends over these facts; None where no event of its chain is known."""
    found: Counted | None = None
    if not window.of_parcels or not facts.parcels_unread:
        for place, start in enumerate(window.starts):
            fact = start.fact(per_line)
            at = facts.known(fact)
            if at is None:
                continue
            if window.before:
                until = length.before(at, facts.zone)
            elif start.plus_days:
                until = length.after(at + timedelta(days=start.plus_days), facts.zone)
            else:
                until = length.after(at, facts.zone)
            told = start.basis is TimeBasis.DELIVERED and per_line and facts.known("line.delivered_estimated") is True
            basis = TimeBasis.DELIVERED_ESTIMATED if told else start.basis
            found = Counted(length, until, basis, fact, at, start.plus_days, place > 0 or told)
            break
    if found is None:
        return None
    if seasons and (placed := facts.known("order.placed_at")) is not None:
        day = facts.local_date(placed)
        for season in seasons:
            until = end_of_day(season.until, facts.zone)
            if season.first <= day <= season.last and until > found.until:
                found = Counted(
                    length, until, TimeBasis.ORDERED, "order.placed_at", placed, 0, estimated=False, by_season=True
                )
    return found


def inside(now: datetime, until: datetime) -> bool:
    """Whether `now` is not after the window's last instant; a day's last second is a whole second long."""
    return now <= until or now.replace(microsecond=0) <= until


def days_late(today: date, until: datetime, zone: ZoneInfo) -> int:
    """Local calendar days since a window ended; 0 inside it."""
    return max(0, (today - until.astimezone(zone).date()).days)
