"""How a request, a decision, a quote and a problem are written into the ledger and read back years later."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import copy
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from actions.ledger import Record
from platforms.base import (
    CancelOrder,
    CancelSubscription,
    PauseSubscription,
    RefundedLine,
    RefundOrder,
    Request,
    ResumeSubscription,
    ReturnedLine,
    ReturnOrder,
)
from schema.order import Order, OrderLine
from schema.policy import Alternative, Condition, Decision, DecisionReason, Fact, PolicyVersion
from schema.problems import NativeError
from schema.subscription import Subscription
from schema.values import Fee, Money, Quote
from schema.vocabulary import (
    ActionKind,
    CancelReason,
    ConditionKind,
    FeeKind,
    ItemCondition,
    ReasonCode,
    RefundChoice,
    RefundDestination,
    RequestedResolution,
    ReturnReason,
    SubscriptionStatus,
    TimeBasis,
    Verdict,
)

Json = dict[str, Any]


class TargetChanged(LookupError):
    """A line the request names is no longer on the order."""


@dataclass(frozen=True, slots=True)
class RecordedLine:
    """One line of a return or refund as it was asked for."""

    #: The line's id of this API, and the platform's own.
    id: str
    native: str
    quantity: int
    #: None for a refund.
    reason: ReturnReason | None
    condition: ItemCondition | None = None
    note: str | None = None
    restocking_percent: Decimal = Decimal(0)


# ------------------------------------------------------------------------------------------------ money


def money_json(money: Money) -> Json:
    return {"amount": str(money.amount), "currency": money.currency_code}


def money_of(found: Mapping[str, Any]) -> Money:
    return Money.of(found["amount"], found["currency"])


def _maybe_money(found: Mapping[str, Any] | None) -> Money | None:
    return money_of(found) if found is not None else None


def fees_json(fees: Sequence[Fee]) -> list[Json]:
    return [{"kind": fee.kind.value, **money_json(fee.amount)} for fee in fees]


def fees_of(found: Sequence[Mapping[str, Any]]) -> list[Fee]:
    return [Fee(kind=FeeKind(fee["kind"]), amount=money_of(fee)) for fee in found]


def quote_json(quote: Quote) -> Json:
    return {
        "items": money_json(quote.items),
        "total": money_json(quote.total),
        "destination": quote.destination.value,
        "estimated": quote.estimated,
        "tax": money_json(quote.tax) if quote.tax else None,
        "fees": fees_json(quote.fees),
        "shipping": money_json(quote.shipping) if quote.shipping else None,
    }


def quote_of(found: Mapping[str, Any]) -> Quote:
    return Quote(
        items=money_of(found["items"]),
        total=money_of(found["total"]),
        destination=RefundDestination(found["destination"]),
        estimated=found["estimated"],
        tax=_maybe_money(found["tax"]),
        fees=fees_of(found["fees"]),
        shipping=_maybe_money(found["shipping"]),
    )


# ------------------------------------------------------------------------------------------------ decision


def decision_json(decision: Decision) -> Json:
    return {
        "verdict": decision.verdict.value,
        "reasons": [_reason_json(reason) for reason in decision.reasons],
        "policy": {"name": decision.policy.name, "digest": decision.policy.digest},
        "decided_at": decision.decided_at.isoformat(),
        "conditions": [condition_json(condition) for condition in decision.conditions],
        "alternatives": [
            {
                "action": other.action.value,
                "label": other.label,
                "resolution": other.resolution.value if other.resolution else None,
            }
            for other in decision.alternatives
        ],
        "allowed_until": decision.allowed_until.isoformat() if decision.allowed_until else None,
        "shadow": [_reason_json(reason) for reason in decision.shadow_reasons],
        "approver": decision.approver,
        "expires_hours": decision.expires_hours,
    }


def condition_json(condition: Condition) -> Json:
    return {
        "kind": condition.kind.value,
        "text": condition.text,
        "amount": money_json(condition.amount) if condition.amount else None,
        "percent": str(condition.percent) if condition.percent is not None else None,
        "line": condition.line_native_id,
    }


def decision_of(found: Mapping[str, Any], lines: Mapping[str, OrderLine]) -> Decision:
    """The decision as it was made. `lines`, by native id, are those its reasons can point to."""
    return Decision(
        verdict=Verdict(found["verdict"]),
        reasons=[_reason_of(reason, lines) for reason in found["reasons"]],
        policy=PolicyVersion(**found["policy"]),
        decided_at=datetime.fromisoformat(found["decided_at"]),
        conditions=[
            Condition(
                kind=ConditionKind(condition["kind"]),
                text=condition["text"],
                amount=_maybe_money(condition["amount"]),
                percent=Decimal(condition["percent"]) if condition["percent"] is not None else None,
                line_native_id=condition["line"],
            )
            for condition in found["conditions"]
        ],
        alternatives=[
            Alternative(
                action=ActionKind(other["action"]),
                label=other["label"],
                resolution=RequestedResolution(other["resolution"]) if other["resolution"] else None,
            )
            for other in found["alternatives"]
        ],
        allowed_until=datetime.fromisoformat(found["allowed_until"]) if found["allowed_until"] else None,
        shadow_reasons=[_reason_of(reason, lines) for reason in found["shadow"]],
        approver=found["approver"],
        expires_hours=found["expires_hours"],
    )


def _reason_json(reason: DecisionReason) -> Json:
    return {
        "code": reason.code.value,
        "rule": reason.rule,
        "customer_message": reason.customer_message,
        "line": reason.line.native_id if reason.line else None,
        "facts": [
            {
                "name": fact.name,
                "value": fact.value,
                "basis": fact.basis.value if fact.basis else None,
                "known": fact.known,
                "estimated": fact.estimated,
            }
            for fact in reason.facts
        ],
        "internal": reason.internal,
        "staff_only": reason.staff_only,
    }


def _reason_of(found: Mapping[str, Any], lines: Mapping[str, OrderLine]) -> DecisionReason:
    return DecisionReason(
        code=ReasonCode(found["code"]),
        rule=found["rule"],
        customer_message=found["customer_message"],
        line=lines.get(found["line"]) if found["line"] else None,
        facts=[
            Fact(
                name=fact["name"],
                value=fact["value"],
                basis=TimeBasis(fact["basis"]) if fact["basis"] else None,
                known=fact["known"],
                estimated=fact["estimated"],
            )
            for fact in found["facts"]
        ],
        internal=found["internal"],
        staff_only=found["staff_only"],
    )


# ------------------------------------------------------------------------------------------------ request


def recorded_lines(record: Record) -> list[RecordedLine]:
    return [
        RecordedLine(
            id=line["id"],
            native=line["native"],
            quantity=line["quantity"],
            reason=ReturnReason(line["reason"]) if line["reason"] else None,
            condition=ItemCondition(line["condition"]) if line["condition"] else None,
            note=line["note"],
            restocking_percent=Decimal(line["restocking_percent"]),
        )
        for line in record.request.get("lines", ())
    ]


def line_json(line: RecordedLine) -> Json:
    return {
        "id": line.id,
        "native": line.native,
        "quantity": line.quantity,
        "reason": line.reason.value if line.reason else None,
        "condition": line.condition.value if line.condition else None,
        "note": line.note,
        "restocking_percent": str(line.restocking_percent),
    }


def day_of(found: str | None) -> date | None:
    return date.fromisoformat(found) if found else None


def was_json(subscription: Subscription) -> Json:
    """How a subscription stood when something was asked of it."""
    billing = subscription.next_billing_at
    return {"status": subscription.status.value, "next_billing_at": billing.isoformat() if billing else None}


def as_it_was(record: Record, target: Order | Subscription) -> Order | Subscription:
    """The target with the status and the next bill that a subscription had when something was asked of it.

    Whether a change has happened is told by what is different from then; an order's adapter leaves marks instead.
    """
    was = record.request.get("was")
    if was is None or not isinstance(target, Subscription):
        return target
    found = copy(target)
    found.status = SubscriptionStatus(was["status"])
    found.next_billing_at = day_of(was["next_billing_at"])
    return found


def platform_request(record: Record, target: Order | Subscription, *, today: date) -> Request:
    """What the platform is asked for: the recorded request over the target as it was read just now.

    Raises:
        TargetChanged: a line it names is gone.
    """
    request = record.request
    match record.kind, target:
        case ActionKind.CANCEL_ORDER, Order():
            return CancelOrder(
                action_id=record.id,
                order=target,
                reason=CancelReason(request["reason"]),
                refund=RefundChoice(request["refund"]),
                restock=request["restock"],
                notify_customer=request["notify_customer"],
                note=request["note"],
            )
        case ActionKind.RETURN_ORDER, Order():
            return ReturnOrder(
                action_id=record.id,
                order=target,
                lines=tuple(_returned(record, target)),
                resolution=RequestedResolution(request["resolution"]),
                fees=tuple(fees_of(request["fees"])),
            )
        case ActionKind.REFUND_ORDER, Order():
            shipping = request["shipping"]
            known = _lines_named(record, target)
            return RefundOrder(
                action_id=record.id,
                order=target,
                amount=money_of(request["amount"]),
                lines=tuple(RefundedLine(line, row.quantity) for row, line in known),
                shipping=money_of(shipping) if shipping else None,
                destination=RefundChoice(request["refund"]),
                reason=request["reason"],
                refunds_before=frozenset(request["refunds_before"]),
            )
        case ActionKind.PAUSE_SUBSCRIPTION, Subscription():
            return PauseSubscription(action_id=record.id, subscription=target, until=day_of(request["until"]))
        case ActionKind.RESUME_SUBSCRIPTION, Subscription():
            bill_on = day_of(request["bill_on"])
            return ResumeSubscription(
                action_id=record.id, subscription=target, bill_on=max(bill_on, today) if bill_on else None
            )
        case ActionKind.CANCEL_SUBSCRIPTION, Subscription():
            return CancelSubscription(action_id=record.id, subscription=target, reason=request["reason"])
    raise TypeError(f"{record.kind.value} cannot be done on {type(target).__name__}")


def _lines_named(record: Record, order: Order) -> list[tuple[RecordedLine, OrderLine]]:
    known = {line.native_id: line for line in order.lines}
    rows = recorded_lines(record)
    for row in rows:
        if row.native not in known:
            raise TargetChanged(f"line {row.native} is no longer on the order")
    return [(row, known[row.native]) for row in rows]


def _returned(record: Record, order: Order) -> list[ReturnedLine]:
    return [
        ReturnedLine(
            line=line,
            quantity=row.quantity,
            reason=row.reason or ReturnReason.UNKNOWN,
            condition=row.condition,
            note=row.note,
            restocking_percent=row.restocking_percent,
        )
        for row, line in _lines_named(record, order)
    ]


# ------------------------------------------------------------------------------------------------ native errors


def natives_json(natives: Sequence[NativeError]) -> list[Json]:
    return [
        {"message": one.message, "code": one.code, "field": one.field, "http_status": one.http_status}
        for one in natives
    ]


def natives_of(found: Sequence[Mapping[str, Any]]) -> list[NativeError]:
    return [NativeError(**one) for one in found]
