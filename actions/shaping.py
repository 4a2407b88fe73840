"""How a row of the ledger looks to the one who asks for it, and what of it only staff may see."""

from __future__ import annotations

import json
from collections.abc import Mapping

from actions import problems
from actions.ledger import Record
from actions.privacy import Privacy, Unsealable
from actions.recorded import decision_of, quote_of
from policies.processor import as_told_to
from schema.actions import Action, Actor, Viewer
from schema.ids import make_id
from schema.order import OrderLine
from schema.policy import Decision
from schema.problems import Problem
from schema.provenance import Capability
from schema.vocabulary import ActionState, ActorKind, AssuranceLevel


def action_id(record: Record) -> str:
    return make_id("Action", record.id)


def seal_actor(actor: Actor, privacy: Privacy) -> str:
    return privacy.seal(json.dumps({"kind": actor.kind.value, "name": actor.name, "on_behalf_of": actor.on_behalf_of}))


def actor_of(sealed: str, privacy: Privacy) -> Actor:
    found = json.loads(privacy.unseal(sealed))
    return Actor(kind=ActorKind(found["kind"]), name=found["name"], on_behalf_of=found["on_behalf_of"])


def actor_for(sealed: str, viewer: Viewer, privacy: Privacy) -> Actor | None:
    """Who it was, as far as this viewer may know: the names of the staff are for the staff.

    None where nobody is named any more, or where another secret sealed it.
    """
    try:
        actor = actor_of(sealed, privacy) if sealed else None
    except Unsealable:
        return None
    if actor is None or viewer.assurance >= AssuranceLevel.STAFF or actor.kind is not ActorKind.STAFF:
        return actor
    return Actor(kind=actor.kind, name="staff", on_behalf_of=actor.on_behalf_of)


def problem_of(record: Record, decision: Decision | None, capability: Capability) -> Problem | None:
    """Why it did not happen, or not yet."""
    match record.state:
        case ActionState.DENIED if decision is not None:
            return problems.denied(decision)
        case ActionState.AWAITING_APPROVAL if decision is not None and record.expires_at is not None:
            return problems.approval_required(decision, record.required_role or "", record.expires_at)
        case ActionState.REJECTED if decision is not None:
            return problems.rejected(decision)
        case ActionState.EXPIRED:
            return problems.lapsed()
        case ActionState.UNKNOWN:
            return problems.outcome_unknown(record.reconcile_by)
        case ActionState.FAILED if record.problem is not None:
            return problems.of_json(record.problem, capability)
    return None


def _note(record: Record, privacy: Privacy) -> str | None:
    """What the gateway has to say of an action, or else what the person said who decided it."""
    try:
        return record.note or (privacy.unseal(record.approval_note) if record.approval_note else None)
    except Unsealable:
        return None


def action_of(
    record: Record,
    viewer: Viewer,
    locale: str,
    privacy: Privacy,
    capability: Capability,
    lines: Mapping[str, OrderLine],
) -> Action:
    """`lines`, by native id, are the target's where it was read; without them reasons point to no line."""
    decision = None
    if record.decision is not None:
        decision = as_told_to(decision_of(record.decision, lines), viewer, locale)
    is_staff = viewer.assurance >= AssuranceLevel.STAFF
    return Action(
        id=make_id("Action", record.id),
        kind=record.kind,
        state=record.state,
        summary=record.summary,
        requested_by=actor_for(record.actor, viewer, privacy) or Actor(kind=ActorKind.SYSTEM, name=""),
        requested_at=record.requested_at,
        decision=decision,
        problem=problem_of(record, decision, capability),
        quote=quote_of(record.quote) if record.quote is not None else None,
        required_role=record.required_role if record.state is ActionState.AWAITING_APPROVAL else None,
        expires_at=record.expires_at if record.state is ActionState.AWAITING_APPROVAL else None,
        note=_note(record, privacy) if is_staff else None,
        approved_by=actor_for(record.approver or "", viewer, privacy) if is_staff else None,
        finished_at=record.finished_at,
        native_reference=record.reference,
        target_id=record.target,
        recorded=record,
    )
