"""What holds whatever a policy says: nothing is cancelled twice, returned beyond its quantity, or moved in dispute."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from policies.facts import Absent, Facts
from policies.messages import ALREADY_PAUSED, NOT_PAUSED, Say
from policies.rules import Finding
from schema.vocabulary import (
    ActionKind,
    FulfillmentStatus,
    OrderStatus,
    PaymentStatus,
    ReasonCode,
    RequestedResolution,
    SubscriptionStatus,
    Verdict,
)

#: How built-in reasons are named.
BUILT_IN: Final = "built-in"

_ENDED: Final = frozenset({SubscriptionStatus.CANCELLED, SubscriptionStatus.CANCELLING, SubscriptionStatus.EXPIRED})
_NOT_SENT: Final = frozenset(
    {
        FulfillmentStatus.UNFULFILLED,
        FulfillmentStatus.SCHEDULED,
        FulfillmentStatus.ON_HOLD,
        FulfillmentStatus.IN_PROGRESS,
    }
)


def _found(
    facts: Facts, verdict: Verdict, code: ReasonCode, *looked_at: str, say: Say | None = None, **own: Any
) -> Finding:
    return Finding(None, verdict, code, facts, say=say, looked_at=looked_at, own=own)


def _unknown(facts: Facts, name: str) -> Finding:
    return _found(facts, Verdict.REVIEW, ReasonCode.FACT_MISSING, name)


def _money(facts: Facts) -> Finding | None:
    """A disputed payment: the bank decides about that money. A store that does not tell disputes is not held back."""
    if facts["order.disputed"] is True or facts["order.payment_status"] is PaymentStatus.DISPUTED:
        return _found(facts, Verdict.REVIEW, ReasonCode.PAYMENT_DISPUTED, "order.disputed", "order.payment_status")
    return None


def _order(facts: Facts) -> Finding | None:
    status = facts["order.status"]
    if status is OrderStatus.CANCELLED:
        return _found(facts, Verdict.DENY, ReasonCode.ALREADY_CANCELLED, "order.status")
    if isinstance(status, Absent):
        return _unknown(facts, "order.status")
    return _money(facts)


def _refund(facts: Facts) -> Finding | None:
    asked, left = facts.known("request.amount"), facts.known("order.refundable")
    if asked is None or left is None or asked.currency_code != left.currency_code:
        return _unknown(facts, "order.refundable")
    if asked.amount > left.amount:
        return _found(facts, Verdict.DENY, ReasonCode.ALREADY_REFUNDED, "request.amount", "order.refundable")
    return _money(facts)


def _pause(facts: Facts) -> Finding | None:
    status = facts["subscription.status"]
    if status is SubscriptionStatus.PAUSED:
        return _found(facts, Verdict.DENY, ReasonCode.OTHER, "subscription.status", say=ALREADY_PAUSED)
    return _live(facts)


def _resume(facts: Facts) -> Finding | None:
    status = facts["subscription.status"]
    if not isinstance(status, Absent) and status not in _ENDED and status is not SubscriptionStatus.PAUSED:
        return _found(facts, Verdict.DENY, ReasonCode.OTHER, "subscription.status", say=NOT_PAUSED)
    return _live(facts)


def _live(facts: Facts) -> Finding | None:
    status = facts["subscription.status"]
    if status in _ENDED:
        return _found(facts, Verdict.DENY, ReasonCode.ALREADY_CANCELLED, "subscription.status")
    return _unknown(facts, "subscription.status") if isinstance(status, Absent) else None


_WHOLE: Final[Mapping[ActionKind, Callable[[Facts], Finding | None]]] = {
    ActionKind.CANCEL_ORDER: _order,
    ActionKind.RETURN_ORDER: _order,
    ActionKind.REFUND_ORDER: _refund,
    ActionKind.PAUSE_SUBSCRIPTION: _pause,
    ActionKind.RESUME_SUBSCRIPTION: _resume,
    ActionKind.CANCEL_SUBSCRIPTION: _live,
}


def of_the_whole(kind: ActionKind, facts: Facts) -> Finding | None:
    """What speaks against the request as such."""
    return _WHOLE[kind](facts)


def of_a_line(facts: Facts, units: int) -> Finding | None:
    """What speaks against taking so many units of a line back; `units` counts all that the request asks of it."""
    left = facts["line.returnable"]
    if isinstance(left, Absent):
        return _unknown(facts, "line.returnable")
    fulfilled, returned = facts.known("line.fulfilled"), facts.known("line.returned") or 0
    not_sent = fulfilled == 0 if fulfilled is not None else facts["order.fulfillment_status"] in _NOT_SENT
    if not_sent:
        return _found(facts, Verdict.DENY, ReasonCode.NOT_FULFILLED, "line.fulfilled", "order.fulfillment_status")
    if units > left:
        code = ReasonCode.ALREADY_RETURNED if returned else ReasonCode.NOTHING_LEFT
        return _found(facts, Verdict.DENY, code, "line.quantity", "line.returned", "line.returnable")
    if fulfilled is not None and units > fulfilled - returned:
        return _found(facts, Verdict.DENY, ReasonCode.NOT_FULFILLED, "line.fulfilled", "line.returned")
    refundable = facts.known("line.refundable")
    if refundable is not None and units > refundable and facts["request.resolution"] is RequestedResolution.REFUND:
        return _found(facts, Verdict.DENY, ReasonCode.ALREADY_REFUNDED, "line.quantity", "line.refundable")
    return None


def nothing_allows(kind: ActionKind, facts: Facts, say: Say) -> Finding:
    """No rule answers: out of the box that is a no."""
    if kind is ActionKind.CANCEL_ORDER and facts["order.fulfillment_status"] is FulfillmentStatus.FULFILLED:
        return _found(facts, Verdict.DENY, ReasonCode.ALREADY_FULFILLED, "order.fulfillment_status")
    return _found(facts, Verdict.DENY, ReasonCode.OTHER, say=say)
