"""When a store that keeps failing is left alone, and when it is tried again."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from enum import Enum

from platforms.errors import CircuitOpen
from schema.vocabulary import HealthStatus


class Result(Enum):
    """What one attempt says of the store's health."""

    ANSWERED = "answered"
    FAILED = "failed"
    #: Cancelled, or never sent for a reason of our own.
    NOTHING = "nothing"


class Circuit:
    """Opens after `failures` failures in a row, for `seconds`; then single calls probe until one is answered."""

    def __init__(self, failures: int, seconds: float, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._limit = failures
        self._seconds = seconds
        self._clock = clock
        self._failures = 0
        self._open_until: float | None = None
        self._probing = False
        self.last_error_at: datetime | None = None

    def enter(self) -> bool:
        """Ask to make one attempt: true when it is the probe. Raises `CircuitOpen`. Each entry is closed by `leave`."""
        if self._open_until is None:
            return False
        left = self._open_until - self._clock()
        if left <= 0 and not self._probing:
            self._probing = True
            return True
        raise self.refusal()

    @property
    def is_open(self) -> bool:
        """True while no attempt is let through; false again once a probe may go."""
        return self._open_until is not None and self._open_until > self._clock()

    def refusal(self) -> CircuitOpen:
        """The error that says when the store is tried again."""
        left = 0.0 if self._open_until is None else self._open_until - self._clock()
        return CircuitOpen(
            "the store failed repeatedly and is left alone for a moment",
            retry_after=round(left if left > 0 else min(1.0, self._seconds), 3),
        )

    def leave(self, probe: bool, result: Result) -> None:
        """Close an entry with what the attempt showed."""
        if probe:
            self._probing = False
        if result is Result.ANSWERED:
            self._failures = 0
            self._open_until = None
        elif result is Result.FAILED:
            self._failures += 1
            self.last_error_at = datetime.now(UTC)
            if probe or (self._open_until is None and self._failures >= self._limit):
                self._open_until = self._clock() + self._seconds

    @property
    def open_until(self) -> datetime | None:
        """The instant from which a probe may go, aware and in UTC; None when calls are let through."""
        if self._open_until is None or not self.is_open:
            return None
        return datetime.now(UTC) + timedelta(seconds=self._open_until - self._clock())

    @property
    def status(self) -> HealthStatus:
        if self.is_open:
            return HealthStatus.DOWN
        return HealthStatus.DEGRADED if self._failures else HealthStatus.OK
