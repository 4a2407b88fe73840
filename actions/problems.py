"""In which words a client hears that something did not happen: safe to say to a customer, useful to a developer."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from actions.recorded import natives_json, natives_of
from platforms.errors import PlatformError
from platforms.errors import Unsupported as NotOffered
from policies.judge import WITHHELD
from schema.actions import Action
from schema.policy import Decision
from schema.problems import (
    ApprovalRequired,
    Conflict,
    FieldIssue,
    IdentityInsufficient,
    InvalidInput,
    NativeError,
    NotFound,
    OutcomeUnknown,
    PlatformRefused,
    PlatformUnavailable,
    PolicyDenied,
    Problem,
    Unsupported,
)
from schema.provenance import Capability
from schema.vocabulary import AssuranceLevel, ConflictKind, ProblemCode

_UNAVAILABLE = "The shop cannot be reached right now, and nothing was changed. Please try again in a moment."
_REFUSED = "The shop did not accept this request, and nothing was changed."
_UNKNOWN = "We are still finding out whether this went through. Please do not ask for it again."
_UNSUPPORTED = "This cannot be done for this order or subscription here."


class Stop(Exception):
    """A request ends here, with this problem; nothing was done."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.message)
        self.problem = problem


def invalid(fields: Sequence[FieldIssue]) -> InvalidInput:
    return InvalidInput(
        message="; ".join(f"{'.'.join(issue.path)}: {issue.message}" for issue in fields),
        customer_message="Something about this request is not right. Please check what was entered.",
        retryable=False,
        fields=list(fields),
    )


def not_found() -> NotFound:
    return NotFound(
        message="There is no such thing for this caller.",
        customer_message="We could not find that.",
        retryable=False,
    )


def insufficient(current: AssuranceLevel, required: AssuranceLevel) -> IdentityInsufficient:
    return IdentityInsufficient(
        message=f"The caller is known as {current.name}; this needs {required.name}.",
        customer_message="Please confirm who you are first.",
        retryable=False,
        current=current,
        required=required,
    )


def unsupported(capability: Capability, message: str | None = None) -> Unsupported:
    return Unsupported(
        message=message or capability.note or f"The store does not offer {capability.action.value}.",
        customer_message=_UNSUPPORTED,
        retryable=False,
        capability=capability,
    )


def key_reused(action: Action | None) -> Conflict:
    return Conflict(
        message="This idempotency key was used for another request; a new intent needs a new key.",
        customer_message="This request collides with an earlier one. Please start again.",
        retryable=False,
        kind=ConflictKind.KEY_REUSED_WITH_DIFFERENT_INPUT,
        action=action,
    )


def in_progress(action: Action | None) -> Conflict:
    return Conflict(
        message="Another action on this is unfinished; ask again when it is done.",
        customer_message="Something else is still being done here. Please wait until that is finished.",
        retryable=True,
        kind=ConflictKind.IN_PROGRESS,
        action=action,
    )


def may_be_under_way(until: datetime, action: Action | None) -> Conflict:
    """It is too early to say that something did not happen."""
    return Conflict(
        message=f"It was sent a moment ago and may still happen; look at the store again after {until.isoformat()}.",
        customer_message="This may still be under way. Please wait a moment.",
        retryable=True,
        kind=ConflictKind.IN_PROGRESS,
        action=action,
    )


def facts_moved() -> Conflict:
    return Conflict(
        message="It kept changing while it was looked at; nothing was done. Ask again with the same key.",
        customer_message="This has just changed. Please try again.",
        retryable=True,
        kind=ConflictKind.FACTS_CHANGED,
    )


def preview_required(who: str) -> Conflict:
    return Conflict(
        message=f"{who}; ask `preview`, show what it says, and give its token to `confirm`. Nothing was done.",
        customer_message="Please look at what this comes to first, and confirm it.",
        retryable=False,
        kind=ConflictKind.PREVIEW_REQUIRED,
    )


def facts_changed(action: Action | None = None) -> Conflict:
    return Conflict(
        message="It is no longer as it was shown: the order, the money or the policy has changed. Nothing was done; "
        "look again.",
        customer_message="Something has changed since this was shown. Please look again.",
        retryable=False,
        kind=ConflictKind.FACTS_CHANGED,
        action=action,
    )


def token_expired() -> Conflict:
    """The cure is that of facts that have changed: look again."""
    return Conflict(
        message="The token has expired: a preview holds for 10 minutes. Nothing was done; preview it again.",
        customer_message="This was shown too long ago. Please look again.",
        retryable=False,
        kind=ConflictKind.FACTS_CHANGED,
    )


def already_done(message: str, action: Action | None) -> Conflict:
    return Conflict(
        message=message,
        customer_message="This has been taken care of already.",
        retryable=False,
        kind=ConflictKind.ALREADY_DONE,
        action=action,
    )


def not_this_person(message: str, current: AssuranceLevel) -> IdentityInsufficient:
    """It takes a person of the staff, of a role, who did not ask for it."""
    return IdentityInsufficient(
        message=message,
        customer_message="Somebody else has to decide this.",
        retryable=False,
        current=current,
        required=AssuranceLevel.STAFF,
    )


def rejected(decision: Decision) -> PolicyDenied:
    """A person looked at a request and turned it down."""
    return PolicyDenied(
        message="A person has turned it down.",
        customer_message="Somebody of the shop has looked at this request and could not agree to it.",
        retryable=False,
        decision=decision,
    )


def denied(decision: Decision) -> PolicyDenied:
    rule = decision.reasons[0].rule if decision.reasons else "no rule allows it"
    return PolicyDenied(
        message=f"The policy {decision.policy.name} denies it: {rule}.",
        customer_message=_said(decision) or "This is not possible under the shop's policy.",
        retryable=False,
        decision=decision,
    )


def approval_required(decision: Decision, role: str, expires_at: datetime) -> ApprovalRequired:
    return ApprovalRequired(
        message=f"Someone with the role {role} has to agree; the request waits until {expires_at.isoformat()}.",
        customer_message=_said(decision) or "Somebody of the shop will look at this request first.",
        retryable=False,
        decision=decision,
        required_role=role,
        expires_at=expires_at,
    )


def lapsed(action: Action | None = None) -> Conflict:
    """A request that waited for approval beyond its time."""
    return Conflict(
        message="Nobody agreed in time; the request has expired. Ask again with a new key.",
        customer_message="This request has expired. Please ask again.",
        retryable=False,
        kind=ConflictKind.FACTS_CHANGED,
        action=action,
    )


def outcome_unknown(reconcile_by: datetime | None) -> OutcomeUnknown:
    return OutcomeUnknown(
        message="It was sent and the answer was lost; the gateway reads the store until it knows. Ask for the action.",
        customer_message=_UNKNOWN,
        retryable=False,
        reconcile_by=reconcile_by,
    )


def ledger_fails() -> OutcomeUnknown:
    """The gateway's own book cannot be written or read; what was written before that stands."""
    return OutcomeUnknown(
        message="The gateway's ledger cannot be used at present, so it is not known whether this was taken down. Ask "
        "again with the same key or token: nothing is done twice.",
        customer_message="We cannot tell right now whether this went through. Please try again in a moment.",
        retryable=True,
    )


def ledger_unread() -> PlatformUnavailable:
    """The gateway's own book cannot be read, and nothing was to be written."""
    return PlatformUnavailable(
        message="The gateway's ledger cannot be used at present; nothing was done.",
        customer_message=_UNAVAILABLE,
        retryable=True,
    )


def of_error(error: PlatformError, capability: Capability) -> Problem:
    """What a store's error means to the client, now."""
    if isinstance(error, NotOffered):
        return unsupported(capability, error.message)
    return of_json(error_json(error), capability)


def error_json(error: PlatformError) -> dict[str, Any]:
    """A store's error as the ledger keeps it."""
    return {
        "code": error.code.value,
        "message": error.message,
        "retryable": error.retryable,
        "settled": False,
        "retry_after": None if error.retry_after is None else max(1, math.ceil(error.retry_after)),
        "native": natives_json(
            [
                NativeError(
                    message=native.message,
                    code=native.code,
                    field=list(native.field) if native.field is not None else None,
                    http_status=native.http_status,
                )
                for native in error.native
            ]
        ),
    }


def did_not_happen_json() -> dict[str, Any]:
    """What the ledger keeps where a person found out that nothing had happened."""
    return {
        "code": ProblemCode.PLATFORM_UNAVAILABLE.value,
        "message": "",
        "retryable": False,
        "settled": True,
        "retry_after": None,
        "native": [],
    }


def of_json(found: Mapping[str, Any], capability: Capability) -> Problem:
    """The opposite of `error_json`. The platform's own words stay in `nativeErrors`, which is for staff."""
    code = ProblemCode(found["code"])
    if code is ProblemCode.UNSUPPORTED:
        return unsupported(capability, found["message"])
    if code is ProblemCode.PLATFORM_REFUSED:
        return PlatformRefused(
            message="The store understood the request and refused it; staff can read its words in nativeErrors.",
            customer_message=_REFUSED,
            retryable=False,
            native=natives_of(found["native"]),
        )
    if code is ProblemCode.OUTCOME_UNKNOWN:
        return outcome_unknown(None)
    if found.get("settled"):
        return PlatformUnavailable(
            code=code,
            message="A person looked at the store: it did not happen. Ask again with a new key.",
            customer_message="This did not go through. Please ask again.",
            retryable=False,
        )
    return PlatformUnavailable(
        code=code,
        message="The store asks to wait; nothing was done."
        if code is ProblemCode.PLATFORM_THROTTLED
        else "The store could not be reached; nothing was done.",
        customer_message=_UNAVAILABLE,
        retryable=found["retryable"],
        retry_after_seconds=found["retry_after"],
    )


def _said(decision: Decision) -> str:
    """What the deciding rule tells the asker, of each line once; rules that would have agreed are not heard.

    Staff see a rule of their own in full in the decision; what may be said to a customer leaves it out all the same.
    """
    deciding = [reason for reason in decision.reasons if reason.rule == decision.reasons[0].rule]
    said = [reason.customer_message for reason in deciding if not reason.staff_only or reason.rule == WITHHELD]
    return " ".join(dict.fromkeys(filter(None, said)))
