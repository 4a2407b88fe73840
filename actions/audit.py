"""How the ledger is written out for those who audit it: an action with all that became of it, and whom it names."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, Final

from actions.ledger import Ledger, Listing, Record, Step
from actions.privacy import Privacy, Unsealable
from actions.retention import plain_request
from actions.shaping import action_id, actor_of

#: Actions that are read at once.
PAGE: Final = 200
#: What stands for an address that is not to be shown.
HIDDEN: Final = "***"

_ADDRESS = re.compile(r"[^\s@<>\"',;:()]+@[^\s@<>\"',;:()]+")


async def pages(
    ledger: Ledger, listing: Listing, *, size: int = PAGE
) -> AsyncIterator[Sequence[tuple[Record, Sequence[Step]]]]:
    """Actions with their changes of state, newest first, a page at a time. What is new meanwhile is not among them."""
    after = None
    while True:
        records = await ledger.newest(listing, size, after)
        if records:
            steps = await ledger.steps([record.id for record in records])
            yield [(record, steps.get(record.id, ())) for record in records]
        if len(records) < size:
            return
        after = (records[-1].requested_at, records[-1].id)


def written_out(record: Record, steps: Sequence[Step], privacy: Privacy, *, people: bool) -> dict[str, Any]:
    """One action in plain JSON. Without `people` no address is shown, nor what anybody wrote in their own words."""
    found = {
        "id": action_id(record),
        "kind": record.kind.value,
        "state": record.state.value,
        "store": record.store,
        "target": record.target,
        "client": record.client,
        "summary": record.summary,
        "requested_at": _when(record.requested_at),
        "requested_by": _who(record.actor, privacy),
        "request": dict(record.request) if people else plain_request(record.request),
        "decision": record.decision,
        "facts": record.facts,
        "policy": record.policy,
        "required_role": record.required_role,
        "approved_by": _who(record.approver, privacy),
        "quote": record.quote,
        "amount": record.amount,
        "currency": record.currency,
        "problem": record.problem if people or record.problem is None else {**record.problem, "native": []},
        "reference": record.reference,
        "attempts": record.attempts,
        "sent_at": _when(record.sent_at),
        "finished_at": _when(record.finished_at),
        "forgotten_at": _when(record.forgotten_at),
        "transitions": [
            {"state": step.after.value, "at": _when(step.at), "by": _who(step.by, privacy)} for step in steps
        ],
    }
    if people:
        return found | {"note": record.note, "approval_note": _words(record.approval_note, privacy)}
    hidden: dict[str, Any] = _hidden(found)
    return hidden


def _who(sealed: str | None, privacy: Privacy) -> dict[str, Any] | None:
    """Who it was; None where nobody is named, or where another secret sealed it."""
    if not sealed:
        return None
    try:
        actor = actor_of(sealed, privacy)
    except (Unsealable, ValueError):
        return None
    return {"kind": actor.kind.value, "name": actor.name, "on_behalf_of": actor.on_behalf_of}


def _words(sealed: str | None, privacy: Privacy) -> str | None:
    try:
        return privacy.unseal(sealed) if sealed else None
    except Unsealable:
        return None


def _when(at: Any) -> str | None:
    return at.isoformat().replace("+00:00", "Z") if at is not None else None


def _hidden(value: Any) -> Any:
    """The same without an address."""
    if isinstance(value, str):
        return _ADDRESS.sub(HIDDEN, value) if "@" in value else value
    if isinstance(value, Mapping):
        return {name: _hidden(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_hidden(item) for item in value]
    return value
