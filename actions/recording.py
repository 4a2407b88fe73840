"""How an asked-for, decided thing becomes a row of the ledger, and what of it was shown to the one who asked."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Protocol

from actions.asking import Asking, lines_of
from actions.caller import Caller
from actions.effects import Patience
from actions.facts import Facts
from actions.held import Held
from actions.lease import new_owner
from actions.ledger import Record, new_id
from actions.privacy import Privacy
from actions.recorded import (
    Json,
    RecordedLine,
    condition_json,
    decision_json,
    fees_json,
    line_json,
    money_json,
    quote_json,
    was_json,
)
from actions.shaping import seal_actor
from platforms.base import Platform
from policies.asked import Asked, History
from schema.actions import Actor, Viewer
from schema.inputs import (
    CancelOrderInput,
    CancelSubscriptionInput,
    PauseSubscriptionInput,
    RefundOrderInput,
    ReturnOrderInput,
)
from schema.order import Order, OrderLine
from schema.policy import Decision
from schema.subscription import Subscription
from schema.values import Fee, Money, Quote
from schema.vocabulary import (
    ActionKind,
    ActionState,
    ActorKind,
    AssuranceLevel,
    ReasonCode,
    RefundChoice,
    SubscriptionStatus,
    Verdict,
)

_STATE = {
    Verdict.ALLOW: ActionState.RUNNING,
    Verdict.REVIEW: ActionState.AWAITING_APPROVAL,
    Verdict.DENY: ActionState.DENIED,
}


class Decider(Protocol):
    """The company's policy, as far as actions need it. Pure: no network, no clock of its own."""

    def decide_fully(
        self, asked: Asked, history: History, viewer: Viewer, now: datetime, locale: str = "en"
    ) -> Decision:
        """What the policy says, with nothing held back: the ledger keeps it, the viewer is shown what it may see."""

    def quote(self, asked: Asked, decision: Decision) -> Quote | None:
        """The money it would move, in the customer's currency; None where none moves."""

    def fees(self, asked: Asked, decision: Decision) -> tuple[Fee, ...]:
        """Every fee of the decision, in the customer's currency."""

    def restocking_percent(self, asked: Asked, decision: Decision, line: OrderLine) -> Decimal:
        """What is kept back of a line's value."""

    def approver(self, decision: Decision) -> str:
        """The role that may approve a REVIEW."""

    def recorded_facts(self, asked: Asked, history: History, viewer: Viewer, now: datetime) -> Mapping[str, Any]:
        """The facts of the decision, so that it can be made again under other rules; nobody's address among them."""


def running(patience: Patience, gateway_id: str, now: datetime) -> dict[str, Any]:
    """What a row is written with that this gateway is about to send for the first time."""
    return {
        "sent_at": now,
        "last_sent_at": now,
        "attempts": 1,
        "reconcile_by": now + timedelta(seconds=patience.reconcile),
        "owner": new_owner(gateway_id),
        "lease_until": now + timedelta(seconds=patience.lease),
    }


def lapses(decision: Decision, patience: Patience, now: datetime) -> datetime:
    """When a request that waits for approval gives up."""
    hours = decision.expires_hours
    return now + (timedelta(seconds=patience.approval) if hours is None else timedelta(hours=hours))


def new_record(
    asking: Asking,
    facts: Facts,
    decision: Decision,
    request: Mapping[str, Any],
    *,
    decider: Decider,
    caller: Caller,
    history: History,
    privacy: Privacy,
    patience: Patience,
    gateway_id: str,
    now: datetime,
    key_hash: str,
    input_hash: str,
    owner_hash: str | None,
) -> Record:
    """The row of a new action, in the state that its decision leads to. `now` is when it is recorded."""
    viewer = caller.viewer
    quote = decider.quote(facts.asked, decision)
    given = in_shop_currency(facts.asked, quote)
    state = _STATE[decision.verdict]
    record = Record(
        id=new_id(),
        kind=asking.kind,
        state=state,
        store=asking.target.store,
        target=str(asking.target),
        client=viewer.client,
        key_hash=key_hash,
        input_hash=input_hash,
        owner_hash=owner_hash,
        request=dict(request) | costs_json(decider, facts.asked, decision),
        facts=decider.recorded_facts(facts.asked, history, viewer, caller.now),
        decision=decision_json(decision),
        quote=quote_json(quote) if quote is not None else None,
        amount=str(given.amount) if given is not None else None,
        currency=given.currency_code if given is not None else None,
        summary=summary(asking, facts),
        actor=seal_actor(viewer.actor, privacy),
        askers=sorted(caller.faces(privacy)),
        policy=decision.policy.digest,
        requested_at=now,
    )
    if state is ActionState.DENIED:
        return replace(record, finished_at=now)
    if state is ActionState.AWAITING_APPROVAL:
        role = decider.approver(decision)
        return replace(record, required_role=role, expires_at=lapses(decision, patience, now))
    return replace(record, **running(patience, gateway_id, now))


async def request_json(asking: Asking, facts: Facts, platform: Platform, held: Held, caller: Caller) -> Json:
    """What is needed to do it, to decide it again, or to find out whether it was done, without this request."""
    given, target = asking.input, facts.target
    asker = {
        "kind": caller.viewer.actor.kind.value,
        "assurance": caller.viewer.assurance.name,
        "roles": list(caller.viewer.roles),
        "locale": caller.locale,
    }
    again: Json = {"asked": asking.plain(), "asker": asker}
    match given:
        case CancelOrderInput():
            return again | {
                "reason": given.reason.value,
                "refund": given.refund.value,
                "restock": given.restock,
                "notify_customer": given.notify_customer,
                "note": given.note,
                "refunds_before": facts.refunds,
            }
        case ReturnOrderInput() if isinstance(target, Order):
            return again | {
                "resolution": given.resolution.value,
                "returns_before": [one.source.native_id for one in target.returns or ()],
            }
        case RefundOrderInput() if facts.asked.amount is not None:
            shipping = facts.asked.sum.shipping if facts.asked.sum is not None else None
            return again | {
                "amount": money_json(facts.asked.amount),
                "shipping": money_json(shipping) if shipping is not None else None,
                "refund": given.destination.value,
                "reason": given.reason,
                "refunds_before": facts.refunds,
                "return": given.return_id,
            }
    if not isinstance(target, Subscription):
        raise TypeError(f"{asking.kind.value} is not asked of an order")
    was = {"was": was_json(target)}
    if isinstance(given, CancelSubscriptionInput):
        return again | was | {"reason": given.reason}
    before = await held.billing_before(platform, target)
    if isinstance(given, PauseSubscriptionInput):
        return (
            again
            | was
            | {
                "until": given.until.isoformat() if given.until else None,
                "billing_before": before.isoformat() if before else None,
            }
        )
    rests = target.status is SubscriptionStatus.PAUSED and not platform.keeps_pauses
    return again | was | {"bill_on": before.isoformat() if rests and before else None}


def asker_of(record: Record) -> tuple[Viewer, str]:
    """Who asked, as far as a policy looks at that, and in which language."""
    known = record.request["asker"]
    actor = Actor(kind=ActorKind(known["kind"]), name="")
    viewer = Viewer(actor=actor, assurance=AssuranceLevel[known["assurance"]], roles=known["roles"])
    return viewer, known["locale"]


def costs_json(decider: Decider, asked: Asked, decision: Decision) -> Json:
    """The lines with what is kept back of them, and the fees."""
    if asked.kind is ActionKind.REFUND_ORDER:
        return {
            "lines": [
                line_json(RecordedLine(id=row.line.id, native=row.line.native_id, quantity=row.quantity, reason=None))
                for row in asked.lines
            ]
        }
    if asked.kind is not ActionKind.RETURN_ORDER:
        return {}
    return {
        "fees": fees_json(decider.fees(asked, decision)),
        "lines": [
            line_json(
                RecordedLine(
                    id=row.line.id,
                    native=row.line.native_id,
                    quantity=row.quantity,
                    reason=row.reason,
                    condition=row.condition,
                    note=row.note,
                    restocking_percent=decider.restocking_percent(asked, decision, row.line),
                )
            )
            for row in asked.lines
        ],
    }


def shown_digest(facts: Facts, decision: Decision, quote: Quote | None) -> str:
    """Equal for two moments at which a person was, or would be, shown the same: verdict, costs, money and ledger."""
    return hashlib.sha256(
        json.dumps(
            {
                "verdict": decision.verdict.value,
                "reasons": sorted(against(decision)),
                # Its text is told in the language of the moment.
                "conditions": [condition_json(one) | {"text": ""} for one in decision.conditions],
                "quote": quote_json(quote) if quote is not None else None,
                "target": _standing(facts.target),
            },
            sort_keys=True,
        ).encode()
    ).hexdigest()


def against(decision: Decision) -> set[tuple[str, str, str]]:
    """What speaks against a request: code, rule and line of each reason that does not allow it."""
    return {
        (one.code.value, one.rule, one.line.native_id if one.line else "")
        for one in decision.reasons
        if one.code is not ReasonCode.OK
    }


def _standing(target: Order | Subscription) -> Json:
    if isinstance(target, Subscription):
        return {
            "status": target.status.value,
            "next": target.next_billing_at.isoformat() if target.next_billing_at else None,
        }
    return {
        "status": [target.status.value, target.payment_status.value, target.fulfillment_status.value],
        "left": money_json(target.totals.refundable.presentment),
        "refunded": money_json(target.totals.refunded.presentment),
        "lines": [
            [line.native_id, quantity.current, quantity.returned, quantity.refundable]
            for line, quantity in ((line, line.quantity) for line in target.lines)
        ],
        "returns": [[one.id, one.status.value] for one in target.returns or ()],
        "refunds": [[one.id, one.status.value] for one in target.refunds or ()],
    }


def summary(asking: Asking, facts: Facts) -> str:
    """One sentence for people: no names, no addresses."""
    given, target = asking.input, facts.target
    if isinstance(target, Order):
        goods = ", ".join(f"{named.quantity} × {line.title}" for named, line in lines_of(asking, target))
        if isinstance(given, ReturnOrderInput):
            return f"Return {goods} of order {target.number}"
        if isinstance(given, RefundOrderInput) and facts.asked.amount is not None:
            amount = facts.asked.amount
            what = " and ".join(filter(None, (goods, "shipping" if given.shipping else "")))
            return f"Refund {amount.amount} {amount.currency_code} of order {target.number}" + (
                f" for {what}" if what else ""
            )
        return f"Cancel order {target.number}"
    goods = ", ".join(line.title for line in target.lines) or target.source.native_id
    match given:
        case PauseSubscriptionInput():
            return f"Pause the subscription of {goods}" + (f" until {given.until.isoformat()}" if given.until else "")
        case CancelSubscriptionInput():
            return f"Cancel the subscription of {goods}"
    return f"Resume the subscription of {goods}"


def in_shop_currency(asked: Asked, quote: Quote | None) -> Money | None:
    """What a quote gives back, as the customer's counters hold it: in the store's own currency."""
    if quote is None or asked.order is None or asked.refund is RefundChoice.NONE:
        return None
    total = asked.order.totals.total
    if quote.total.currency_code == total.shop.currency_code:
        return quote.total
    if quote.total.currency_code != total.presentment.currency_code or not total.presentment.amount:
        return quote.total
    rate = total.shop.amount / total.presentment.amount
    return Money.of((quote.total.amount * rate).quantize(Decimal("0.01")), total.shop.currency_code)
