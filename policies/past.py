"""What a store's own history shows was done to an order, and what was known of the order at that moment."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Final

from platforms.base import CLOCK_SKEW
from policies.asked import Asked, AskedLine, History
from policies.processor import PolicyProcessor
from schema.order import Fulfillment, Order, OrderLine
from schema.returns import Refund, Return
from schema.values import Money, MoneyPair
from schema.vocabulary import (
    ActionKind,
    FulfillmentStatus,
    OrderReturnStatus,
    OrderStatus,
    PaymentStatus,
    RefundChoice,
    RefundDestination,
    RefundStatus,
    RequestedResolution,
    ReturnResolution,
    ReturnStatus,
    Verdict,
)

_COUNTED_FOR: Final = timedelta(days=90)
#: What came of a return. One that was called off says nothing of whether it was allowed.
_CAME_OF: Final[Mapping[ReturnStatus, Verdict | None]] = {
    **dict.fromkeys(ReturnStatus, Verdict.ALLOW),
    ReturnStatus.DECLINED: Verdict.DENY,
    ReturnStatus.REQUESTED: Verdict.REVIEW,
    ReturnStatus.CANCELLED: None,
}
_STANDS: Final = frozenset(ReturnStatus) - {ReturnStatus.DECLINED, ReturnStatus.CANCELLED}
#: What cannot be told of a resolution is what is left out of a request: a refund.
_RESOLUTIONS: Final[Mapping[ReturnResolution, RequestedResolution]] = {
    ReturnResolution.STORE_CREDIT: RequestedResolution.STORE_CREDIT,
    ReturnResolution.KEEP_ITEM: RequestedResolution.KEEP_ITEM,
}
_PAID: Final = frozenset({PaymentStatus.PAID, PaymentStatus.PARTIALLY_REFUNDED, PaymentStatus.REFUNDED})


@dataclass(frozen=True, slots=True)
class Happening:
    """One return, refund or cancellation that a store shows."""

    #: The id of the return or refund, or of the cancelled order.
    id: str
    kind: ActionKind
    at: datetime
    #: What came of it.
    outcome: Verdict
    worth: Money | None
    #: What a policy may look at, as `recorded_facts` writes it down.
    facts: Mapping[str, Any]


def happenings(policies: PolicyProcessor, order: Order, of_customer: Sequence[Order] = ()) -> list[Happening]:
    """What was done to an order, oldest first, each with the facts as far as they can be known for its moment.

    What an order shows now and not since when is not known: its status, whether it was disputed, who asked. Words that
    seldom change (tags, types, segments, prices, that it was paid) are those of now.

    Args:
        order: with lines, fulfillments, returns and refunds.
        of_customer: all that was read of the same customer; their refunds and returns of 90 days are counted.
    """
    found = [
        *(_returned(policies, order, one, of_customer) for one in order.returns or ()),
        *(_refunded(policies, order, one, of_customer) for one in order.refunds or ()),
        _cancelled(policies, order, of_customer),
    ]
    return sorted((each for each in found if each is not None), key=lambda each: each.at)


def _returned(policies: PolicyProcessor, order: Order, one: Return, of_customer: Sequence[Order]) -> Happening | None:
    outcome = _CAME_OF[one.status]
    then = as_it_was(order, one.requested_at)
    known = {line.native_id: line for line in then.lines}
    rows = tuple(
        AskedLine(known[row.line.native_id], row.quantity, row.reason, row.condition)
        for row in one.lines
        if row.line.native_id in known and row.quantity > 0
    )
    if outcome is None or not rows:
        return None
    asked = Asked(
        ActionKind.RETURN_ORDER,
        order.source.store,
        order=then,
        lines=rows,
        resolution=_RESOLUTIONS.get(one.resolution, RequestedResolution.REFUND),
    )
    return _happening(policies, order, asked, one.id, one.requested_at, outcome, None, of_customer)


def _refunded(policies: PolicyProcessor, order: Order, one: Refund, of_customer: Sequence[Order]) -> Happening | None:
    if one.status is RefundStatus.FAILED or one.amount.presentment.amount <= 0 or _with_cancellation(order, one):
        return None
    then = as_it_was(order, one.created_at)
    known = {line.native_id: line for line in then.lines}
    asked = Asked(
        ActionKind.REFUND_ORDER,
        order.source.store,
        order=then,
        lines=tuple(
            AskedLine(known[row.line.native_id], row.quantity)
            for row in one.lines
            if row.line.native_id in known and row.quantity > 0
        ),
        amount=one.amount.presentment,
        refund=_choice(one),
    )
    worth = one.amount.presentment
    return _happening(policies, order, asked, one.id, one.created_at, Verdict.ALLOW, worth, of_customer)


def _cancelled(policies: PolicyProcessor, order: Order, of_customer: Sequence[Order]) -> Happening | None:
    at = order.cancelled_at
    if at is None:
        return None
    paid = [
        one for one in order.refunds or () if _with_cancellation(order, one) and one.status is not RefundStatus.FAILED
    ]
    choice = _choice(paid[0]) if paid else None if order.refunds is None else RefundChoice.NONE
    worth = None
    if paid:
        total = sum((one.amount.presentment.amount for one in paid), Decimal(0))
        worth = Money.of(total, paid[0].amount.presentment.currency_code)
    asked = Asked(
        ActionKind.CANCEL_ORDER,
        order.source.store,
        order=as_it_was(order, at - CLOCK_SKEW if paid else at),
        refund=choice,
        reason=order.cancel_reason.name if order.cancel_reason is not None else None,
    )
    return _happening(policies, order, asked, order.id, at, Verdict.ALLOW, worth, of_customer)


def _with_cancellation(order: Order, one: Refund) -> bool:
    """Whether a refund was made by cancelling the order."""
    return order.cancelled_at is not None and abs(one.created_at - order.cancelled_at) <= CLOCK_SKEW


def _choice(one: Refund) -> RefundChoice:
    credit = one.destination is RefundDestination.STORE_CREDIT
    return RefundChoice.STORE_CREDIT if credit else RefundChoice.ORIGINAL_PAYMENT


def _happening(
    policies: PolicyProcessor,
    order: Order,
    asked: Asked,
    id: str,
    at: datetime,
    outcome: Verdict,
    worth: Money | None,
    of_customer: Sequence[Order],
) -> Happening:
    facts = policies.recorded_facts(asked, history_at(of_customer or (order,), at), None, at)
    facts["cancelled"] = order.cancelled_at is not None and order.cancelled_at < at
    if order.refunds is None:
        facts["purse"] = None
        for name in ("order.refunded", "order.refundable", "request.amount"):
            if asked.kind is not ActionKind.RETURN_ORDER or name != "request.amount":
                facts["facts"].pop(name, None)
    return Happening(id, asked.kind, at, outcome, worth, facts)


# ------------------------------------------------------------------------------------------------ what was known then


def history_at(orders: Iterable[Order], at: datetime) -> History:
    """What the customer of these orders had in the 90 days before, as far as they show it."""
    total: dict[str, Decimal] = {}
    refunds = returns = 0
    for order in orders:
        for paid in order.refunds or ():
            if at - _COUNTED_FOR < paid.created_at < at and paid.status is not RefundStatus.FAILED:
                refunds += 1
                money = paid.amount.shop
                total[money.currency_code] = total.get(money.currency_code, Decimal(0)) + money.amount
        returns += sum(
            1 for one in order.returns or () if at - _COUNTED_FOR < one.requested_at < at and one.status in _STANDS
        )
    return History(total, refunds, returns)


def as_it_was(order: Order, at: datetime) -> Order:
    """An order as it is known to have been just before a moment."""
    then = copy(order)
    refunds = None if order.refunds is None else [one for one in order.refunds if one.created_at < at]
    returns = None if order.returns is None else [one for one in order.returns if one.requested_at < at]
    parcels = (
        None if order.fulfillments is None else [_parcel(one, at) for one in order.fulfillments if _there(one, at)]
    )
    then.refunds, then.returns, then.fulfillments = refunds, returns, parcels
    then.lines = [_line(line, then, order) for line in order.lines]
    paid = [one for one in refunds or () if one.status is not RefundStatus.FAILED]
    then.totals = replace(
        order.totals,
        refunded=_sum(paid, order.totals.refunded),
        refundable=_captured(order, _sum(paid, order.totals.refunded)),
    )
    then.status, then.disputed = OrderStatus.UNKNOWN, None
    if order.cancelled_at is not None and order.cancelled_at >= at:
        then.cancelled_at = None
    then.payment_status = _payment(order, then)
    then.fulfillment_status = _fulfillment(order, then)
    then.return_status = OrderReturnStatus.UNKNOWN if returns is None or returns else OrderReturnStatus.NONE
    return then


def _there(parcel: Fulfillment, at: datetime) -> bool:
    first = parcel.shipped_at or parcel.delivered_at
    return first is not None and first < at


def _parcel(parcel: Fulfillment, at: datetime) -> Fulfillment:
    arrived = parcel.delivered_at is not None and parcel.delivered_at < at
    return parcel if arrived else replace(parcel, delivered_at=None, delivered_at_basis=None)


def _line(line: OrderLine, then: Order, now: Order) -> OrderLine:
    quantity, key = line.quantity, line.native_id

    def units(of: Iterable[Refund | Return | Fulfillment]) -> int:
        return sum(row.quantity for one in of for row in one.lines if row.line.native_id == key)

    def paid(of: Sequence[Refund] | None) -> int:
        return units(one for one in of or () if one.status is not RefundStatus.FAILED)

    dated = then.fulfillments is not None and all(one.shipped_at or one.delivered_at for one in now.fulfillments or ())
    parcels = then.fulfillments or ()
    changed = copy(line)
    changed.quantity = replace(
        quantity,
        current=min(quantity.ordered, quantity.current + paid(now.refunds) - paid(then.refunds)),
        returned=units(one for one in then.returns or () if one.status in _STANDS),
        fulfilled=min(units(parcels), quantity.ordered) if dated else None,
        delivered=min(units(one for one in parcels if one.delivered_at), quantity.ordered) if dated else None,
        returnable=None,
        refundable=None if then.refunds is None else max(0, quantity.ordered - paid(then.refunds)),
    )
    changed.order = then
    return changed


def _sum(refunds: Iterable[Refund], like: MoneyPair) -> MoneyPair:
    presentment = shop = Decimal(0)
    for one in refunds:
        presentment += one.amount.presentment.amount
        shop += one.amount.shop.amount
    return MoneyPair(
        presentment=Money.of(presentment, like.presentment.currency_code),
        shop=Money.of(shop, like.shop.currency_code),
    )


def _captured(order: Order, refunded: MoneyPair) -> MoneyPair:
    """All that was captured by now, less what was paid back by then."""
    left, back = order.totals.refundable, order.totals.refunded
    return MoneyPair(
        presentment=Money.of(
            left.presentment.amount + back.presentment.amount - refunded.presentment.amount,
            left.presentment.currency_code,
        ),
        shop=Money.of(left.shop.amount + back.shop.amount - refunded.shop.amount, left.shop.currency_code),
    )


def _payment(order: Order, then: Order) -> PaymentStatus:
    if then.refunds is None or order.payment_status not in _PAID:
        return PaymentStatus.UNKNOWN
    if then.totals.refunded.presentment.amount <= 0:
        return PaymentStatus.PAID
    left = then.totals.refundable.presentment.amount > 0
    return PaymentStatus.PARTIALLY_REFUNDED if left else PaymentStatus.REFUNDED


def _fulfillment(order: Order, then: Order) -> FulfillmentStatus:
    if order.fulfillment_status is FulfillmentStatus.NOT_REQUIRED:
        return FulfillmentStatus.NOT_REQUIRED
    sent = [line.quantity.fulfilled for line in then.lines]
    if any(units is None for units in sent):
        return FulfillmentStatus.UNKNOWN
    if not any(sent):
        return FulfillmentStatus.UNFULFILLED
    whole = all(units == line.quantity.ordered for units, line in zip(sent, then.lines, strict=True))
    return FulfillmentStatus.FULFILLED if whole else FulfillmentStatus.PARTIALLY_FULFILLED


__all__ = ["Happening", "as_it_was", "happenings", "history_at"]
