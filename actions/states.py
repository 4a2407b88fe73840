"""Which states an action may go through, and which of them keep its target to itself."""

from __future__ import annotations

from collections.abc import Mapping

from schema.vocabulary import ActionState

_S = ActionState

#: Where an action may begin.
FIRST = frozenset({_S.DENIED, _S.AWAITING_APPROVAL, _S.RUNNING})

#: From each state, the states that may follow.
EDGES: Mapping[ActionState, frozenset[ActionState]] = {
    _S.AWAITING_APPROVAL: frozenset({_S.RUNNING, _S.DENIED, _S.REJECTED, _S.EXPIRED}),
    _S.RUNNING: frozenset({_S.SUCCEEDED, _S.FAILED, _S.PENDING, _S.UNKNOWN}),
    _S.PENDING: frozenset({_S.SUCCEEDED, _S.FAILED, _S.UNKNOWN}),
    _S.UNKNOWN: frozenset({_S.SUCCEEDED, _S.FAILED, _S.RUNNING}),
    _S.DENIED: frozenset(),
    _S.REJECTED: frozenset(),
    _S.EXPIRED: frozenset(),
    _S.SUCCEEDED: frozenset(),
    _S.FAILED: frozenset(),
}

#: Unfinished: at most one action on a target is in one of these.
ACTIVE = frozenset({_S.AWAITING_APPROVAL, _S.RUNNING, _S.PENDING, _S.UNKNOWN})

#: What a customer's counters count: done, or perhaps still to be done.
COUNTED = ACTIVE | {_S.SUCCEEDED}

#: Nothing follows.
FINAL = frozenset(state for state, following in EDGES.items() if not following)


def pairs() -> list[str]:
    """Every legal change of state as `RUNNING>FAILED`, in order: what a database can compare with."""
    return sorted(f"{before.value}>{after.value}" for before, following in EDGES.items() for after in following)


class IllegalMove(RuntimeError):
    """A change of state that no action may make: a mistake of ours."""


def check_move(before: ActionState | None, after: ActionState) -> None:
    """Raises `IllegalMove` unless an action in `before` (None: a new one) may come to `after`."""
    if after not in (FIRST if before is None else EDGES[before]):
        raise IllegalMove(f"no action goes from {before.value if before else 'nothing'} to {after.value}")
