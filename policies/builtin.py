"""What holds whatever a policy says: nothing is cancelled twice, returned beyond its quantity, or moved in dispute."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, Final

from policies.facts import Absent, Facts, Purse
from policies.messages import (
    ALREADY_PAUSED,
    FOREIGN_AMOUNT,
    NOT_PAUSED,
    NOTHING_TO_REFUND,
    OVER_LINE,
    OVER_WHAT_IS_LEFT,
    REFUND_NOT_SHOWN,
    REFUNDED_OUTSIDE,
    Say,
)
from policies.rules import Finding
from schema.values import Money
from schema.vocabulary import (
    ActionKind,
    FulfillmentStatus,
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
    facts: Facts,
    verdict: Verdict,
    code: ReasonCode,
    *looked_at: str,
    say: Say | None = None,
    extra: tuple[tuple[str, str], ...] = (),
    **own: Any,
) -> Finding:
    return Finding(None, verdict, code, facts, say=say, looked_at=looked_at, extra=extra, own=own)


def _unknown(facts: Facts, name: str) -> Finding:
    return _found(facts, Verdict.REVIEW, ReasonCode.FACT_MISSING, name)


def _money(facts: Facts) -> Finding | None:
    """A disputed payment: the bank decides about that money. A store that does not tell disputes is not held back."""
    if facts["order.disputed"] is True or facts["order.payment_status"] is PaymentStatus.DISPUTED:
        return _found(facts, Verdict.REVIEW, ReasonCode.PAYMENT_DISPUTED, "order.disputed", "order.payment_status")
    return None


def _order(facts: Facts) -> Finding | None:
    cancelled = facts.cancelled
    if cancelled:
        return _found(facts, Verdict.DENY, ReasonCode.ALREADY_CANCELLED, "order.status")
    if cancelled is None:
        return _unknown(facts, "order.status")
    return _money(facts)


def _cancel(facts: Facts) -> Finding | None:
    """As a refund of all that is left, where the store pays back by itself what it takes for left."""
    found = _order(facts)
    purse = facts.purse()
    if found is not None or purse is None:
        return found
    if purse.refunded_outside:
        return _refunded_outside(facts, purse)
    if purse.refundable > purse.left:
        return _of_money(facts, purse, Verdict.REVIEW, REFUND_NOT_SHOWN)
    return None


def _refund(facts: Facts) -> Finding | None:
    purse = facts.purse()
    if purse is None:
        return _unknown(facts, "order.refundable")
    if purse.foreign is not None:
        return _found(facts, Verdict.DENY, ReasonCode.OTHER, "order.refundable", say=FOREIGN_AMOUNT)
    if purse.left <= 0 or (purse.asked is not None and purse.asked <= 0):
        return _of_money(facts, purse, Verdict.DENY, NOTHING_TO_REFUND, ReasonCode.NOTHING_LEFT)
    if purse.asked is None:
        return _unknown(facts, "request.amount")
    if purse.asked > purse.left:
        return _of_money(facts, purse, Verdict.DENY, OVER_WHAT_IS_LEFT)
    return _refunded_outside(facts, purse) if purse.refunded_outside else _money(facts)


def _refunded_outside(facts: Facts, purse: Purse) -> Finding:
    return _of_money(facts, purse, Verdict.REVIEW, REFUNDED_OUTSIDE)


def _of_money(
    facts: Facts, purse: Purse, verdict: Verdict, say: Say, code: ReasonCode = ReasonCode.ALREADY_REFUNDED
) -> Finding:
    """With the sums in the customer's currency, in which they were compared."""
    sums = [("amount", purse.asked), ("refundable", purse.refundable), ("refunded", purse.refunded)]
    if purse.paid_here:
        sums.append(("paid_back_here", purse.paid_here))
    sums.append(("left", max(purse.left, Decimal(0))))
    extra = tuple((name, f"{amount} {purse.currency}") for name, amount in sums if amount is not None)
    return _found(
        facts, verdict, code, extra=extra, say=say, limit=Money.of(max(purse.left, Decimal(0)), purse.currency)
    )


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
    ActionKind.CANCEL_ORDER: _cancel,
    ActionKind.RETURN_ORDER: _order,
    ActionKind.REFUND_ORDER: _refund,
    ActionKind.PAUSE_SUBSCRIPTION: _pause,
    ActionKind.RESUME_SUBSCRIPTION: _resume,
    ActionKind.CANCEL_SUBSCRIPTION: _live,
}


def of_the_whole(kind: ActionKind, facts: Facts) -> Finding | None:
    """What speaks against the request as such."""
    return _WHOLE[kind](facts)


def of_a_line(kind: ActionKind, facts: Facts, units: int) -> Finding | None:
    """What speaks against so many units of a line; `units` counts all that the request asks of it."""
    if kind is ActionKind.REFUND_ORDER:
        return _of_a_refunded_line(facts, units)
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


def _of_a_refunded_line(facts: Facts, units: int) -> Finding | None:
    left = facts.unrefunded()
    if left is None:
        return _unknown(facts, "line.refundable")
    if units > left:
        extra = (("units", str(units)), ("units_left", str(left)))
        return _found(
            facts, Verdict.DENY, ReasonCode.ALREADY_REFUNDED, "line.quantity", "line.refundable", say=OVER_LINE,
            extra=extra,
        )  # fmt: skip
    return None


def nothing_allows(kind: ActionKind, facts: Facts, say: Say) -> Finding:
    """No rule answers: out of the box that is a no."""
    if kind is ActionKind.CANCEL_ORDER and facts["order.fulfillment_status"] is FulfillmentStatus.FULFILLED:
        return _found(facts, Verdict.DENY, ReasonCode.ALREADY_FULFILLED, "order.fulfillment_status")
    return _found(facts, Verdict.DENY, ReasonCode.OTHER, say=say)
