"""When a failing store is left alone, and what lets it back."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from platforms.circuit import Circuit, Result
from platforms.errors import CircuitOpen
from schema.vocabulary import HealthStatus


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def opened(clock: Clock) -> Circuit:
    circuit = Circuit(3, 10, clock=clock)
    for _ in range(3):
        assert circuit.status is not HealthStatus.DOWN
        circuit.leave(circuit.enter(), Result.FAILED)
    return circuit


def test_failures_in_a_row_open_it_and_it_says_until_when() -> None:
    clock = Clock()
    circuit = opened(clock)
    assert circuit.status is HealthStatus.DOWN
    clock.now = 4
    with pytest.raises(CircuitOpen) as caught:
        circuit.enter()
    assert caught.value.retry_after == 6
    assert caught.value.not_executed
    until = circuit.open_until
    assert until is not None
    assert timedelta(seconds=5) < until - datetime.now(UTC) <= timedelta(seconds=6)


def test_an_answer_in_between_starts_the_count_again() -> None:
    circuit = Circuit(3, 10, clock=Clock())
    for result in (Result.FAILED, Result.FAILED, Result.ANSWERED, Result.FAILED, Result.FAILED):
        circuit.leave(circuit.enter(), result)
    assert circuit.status is HealthStatus.DEGRADED
    assert circuit.enter() is False


def test_what_was_cancelled_says_nothing() -> None:
    circuit = Circuit(2, 10, clock=Clock())
    for result in (Result.FAILED, Result.NOTHING):
        circuit.leave(circuit.enter(), result)
    assert circuit.status is HealthStatus.DEGRADED
    circuit.leave(circuit.enter(), Result.FAILED)
    assert circuit.status is HealthStatus.DOWN


def test_after_its_time_one_call_probes_while_the_others_are_still_refused() -> None:
    clock = Clock()
    circuit = opened(clock)
    clock.now = 10
    assert circuit.enter() is True
    assert circuit.status is HealthStatus.DEGRADED
    assert circuit.open_until is None
    with pytest.raises(CircuitOpen) as caught:
        circuit.enter()
    assert caught.value.retry_after == 1


def test_a_probe_that_is_answered_closes_it() -> None:
    clock = Clock()
    circuit = opened(clock)
    clock.now = 10
    circuit.leave(circuit.enter(), Result.ANSWERED)
    assert [circuit.enter(), circuit.enter()] == [False, False]
    assert circuit.status is HealthStatus.OK
    assert circuit.last_error_at is not None


def test_a_probe_that_fails_opens_it_for_the_whole_time_again() -> None:
    clock = Clock()
    circuit = opened(clock)
    clock.now = 11
    circuit.leave(circuit.enter(), Result.FAILED)
    with pytest.raises(CircuitOpen) as caught:
        circuit.enter()
    assert caught.value.retry_after == 10


def test_a_probe_that_was_cancelled_leaves_the_place_to_the_next() -> None:
    clock = Clock()
    circuit = opened(clock)
    clock.now = 10
    circuit.leave(circuit.enter(), Result.NOTHING)
    assert circuit.enter() is True


def test_failures_that_arrive_late_do_not_prolong_it() -> None:
    clock = Clock()
    circuit = opened(clock)
    clock.now = 9
    circuit.leave(False, Result.FAILED)
    clock.now = 10
    assert circuit.enter() is True
