"""What a store's history shows, decided on what was known at each moment."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path

from policies.past import as_it_was, happenings, history_at
from policies.trial import Trial
from schema.ids import make_id
from schema.order import Order
from schema.returns import Refund, RefundLine, Return, ReturnLine
from schema.values import Money, MoneyPair
from schema.vocabulary import (
    ActionKind,
    CancelReason,
    FulfillmentStatus,
    MoneyMoved,
    OrderReturnStatus,
    OrderStatus,
    PaymentStatus,
    RecordHolder,
    RefundDestination,
    RefundStatus,
    ReturnReason,
    ReturnResolution,
    ReturnStatus,
    Verdict,
)
from tests.policies.nouns import NOW, Goods, ago, load, order

RULES = """
policy: p
stores: [us]
rules:
  - {id: window, action: RETURN_ORDER, window: {days: 30, from: DELIVERED}}
  - {id: money, action: REFUND_ORDER, then: ALLOW}
  - {id: cap, action: REFUND_ORDER, limit: {request: 50, customer_90d: 60}, over: REVIEW}
  - {id: early, action: CANCEL_ORDER, when: order.fulfillment_status == UNFULFILLED, then: ALLOW}
"""


def _refund(
    of: Order, at: datetime, amount: str, *, units: int = 0, status: RefundStatus = RefundStatus.COMPLETED
) -> Refund:
    return Refund(
        id=make_id("Refund", "us", "1", f"{at:%d%H}"), status=status, amount=MoneyPair.same(amount, "USD"),
        destination=RefundDestination.ORIGINAL_PAYMENT, money_moved=MoneyMoved.YES, created_at=at,
        lines=[RefundLine(line=of.lines[0], quantity=units, amount=Money.of(amount, "USD"))] if units else [],
    )  # fmt: skip


def _return(of: Order, at: datetime, status: ReturnStatus = ReturnStatus.CLOSED, units: int = 1) -> Return:
    return Return(
        id=make_id("Return", "us", "1", f"{at:%d%H}"), source=of.source, status=status, native_status="x",
        held_by=RecordHolder.PLATFORM, order=of, resolution=ReturnResolution.REFUND, requested_at=at,
        lines=[ReturnLine(line=of.lines[0], quantity=units, reason=ReturnReason.UNWANTED)],
    )  # fmt: skip


def _bought(**more: object) -> Order:
    """Two units sent 40 days ago, arrived 38 days ago; 60 of 80 paid back since, in two refunds."""
    bought = order(
        Goods(ordered=2, fulfilled=2, delivered=ago(days=38), shipped=ago(days=40)),
        placed=ago(days=42), payment=PaymentStatus.PARTIALLY_REFUNDED, refunded="60.00",
    )  # fmt: skip
    bought.refunds = [_refund(bought, ago(days=20), "40.00", units=1), _refund(bought, ago(days=10), "20.00")]
    bought.returns = [_return(bought, ago(days=30)), _return(bought, ago(days=2))]
    for name, value in more.items():
        setattr(bought, name, value)
    return bought


def test_an_order_is_seen_without_what_came_later() -> None:
    then = as_it_was(_bought(), ago(days=15))
    assert (then.totals.refunded.shop.amount, then.totals.refundable.shop.amount) == (Decimal(40), Decimal(40))
    assert then.payment_status is PaymentStatus.PARTIALLY_REFUNDED
    (line,) = then.lines
    assert (line.quantity.returned, line.quantity.refundable, line.quantity.fulfilled) == (1, 1, 2)
    assert line.order is then
    assert (len(then.returns or ()), len(then.refunds or ())) == (1, 1)
    assert (then.status, then.disputed) == (OrderStatus.UNKNOWN, None)


def test_what_was_not_sent_yet_was_neither_sent_nor_delivered() -> None:
    before, between = (as_it_was(_bought(), ago(days=days)) for days in (41, 39))
    assert (before.fulfillment_status, before.fulfillments) == (FulfillmentStatus.UNFULFILLED, [])
    assert between.fulfillment_status is FulfillmentStatus.FULFILLED
    assert [parcel.delivered_at for parcel in between.fulfillments or ()] == [None]
    assert between.lines[0].quantity.delivered == 0
    assert before.return_status is OrderReturnStatus.NONE


def test_the_order_itself_is_left_as_it_is() -> None:
    bought = _bought()
    as_it_was(bought, ago(days=41))
    assert bought.totals.refunded.shop.amount == Decimal("60.00")
    assert bought.lines[0].order is bought
    assert bought.fulfillments is not None
    assert bought.fulfillments[0].delivered_at == ago(days=38)


def test_parcels_that_could_not_be_read_leave_it_unknown_whether_it_was_sent() -> None:
    then = as_it_was(_bought(fulfillments=None), ago(days=20))
    assert then.fulfillment_status is FulfillmentStatus.UNKNOWN
    assert then.lines[0].quantity.fulfilled is None


def test_each_thing_is_decided_for_its_own_moment(tmp_path: Path) -> None:
    policies, bought, trial = load(RULES, tmp_path), _bought(), Trial()
    found = happenings(policies, bought)
    assert [(each.kind, each.at) for each in found] == [
        (ActionKind.RETURN_ORDER, ago(days=30)),
        (ActionKind.REFUND_ORDER, ago(days=20)),
        (ActionKind.REFUND_ORDER, ago(days=10)),
        (ActionKind.RETURN_ORDER, ago(days=2)),
    ]
    for each in found:
        trial.decide_again(policies, each.facts, each.outcome, id=each.id, worth=each.worth)
    assert trial.compared == 4
    assert [(flip.kind, flip.at, flip.before, flip.after, flip.rule) for flip in trial.flips] == [
        (ActionKind.RETURN_ORDER, ago(days=2), Verdict.ALLOW, Verdict.DENY, "window"),
    ]


def test_earlier_refunds_of_the_same_customer_count(tmp_path: Path) -> None:
    policies = load(RULES, tmp_path)
    other = order(Goods(), refunded="25.00")
    other.refunds = [_refund(other, ago(days=25), "25.00")]
    bought, trial = _bought(returns=[]), Trial()
    for each in happenings(policies, bought, [bought, other]):
        trial.decide_again(policies, each.facts, each.outcome, id=each.id, worth=each.worth)
    assert [(flip.at, flip.after, flip.code) for flip in trial.flips] == [
        (ago(days=20), Verdict.REVIEW, "VELOCITY_LIMIT"),
        (ago(days=10), Verdict.REVIEW, "VELOCITY_LIMIT"),
    ]
    assert trial.money() == {(Verdict.ALLOW, Verdict.REVIEW): {"USD": Decimal("60.00")}}
    counted = history_at([bought, other], ago(days=15))
    assert (counted.refund_total_90d, counted.refund_count_90d) == ({"USD": Decimal("65.00")}, 2)


def test_a_return_that_was_turned_down_flips_where_it_is_allowed(tmp_path: Path) -> None:
    policies, trial = load(RULES, tmp_path), Trial()
    bought = _bought(refunds=[])
    bought.returns = [
        _return(bought, ago(days=30), ReturnStatus.DECLINED),
        _return(bought, ago(days=29), ReturnStatus.CANCELLED),
    ]
    for each in happenings(policies, bought):
        trial.decide_again(policies, each.facts, each.outcome, id=each.id)
    assert [(flip.at, flip.before, flip.after) for flip in trial.flips] == [
        (ago(days=30), Verdict.DENY, Verdict.ALLOW),
    ]
    assert trial.compared == 1, "one that was called off says nothing"


def test_a_cancellation_and_the_refund_that_came_with_it_are_one_thing(tmp_path: Path) -> None:
    policies = load(RULES, tmp_path)
    at = ago(days=41)
    gone = _bought(
        cancelled_at=at, status=OrderStatus.CANCELLED, cancel_reason=CancelReason.CUSTOMER, returns=[],
        payment_status=PaymentStatus.REFUNDED,
    )  # fmt: skip
    gone.refunds = [_refund(gone, at + timedelta(seconds=5), "60.00")]
    (found,) = happenings(policies, gone)
    assert (found.kind, found.at, found.worth) == (ActionKind.CANCEL_ORDER, at, Money.of("60.00", "USD"))
    assert policies.decide_recorded(found.facts).verdict is Verdict.ALLOW
    late = _bought(cancelled_at=ago(days=39), returns=[], refunds=[])
    assert policies.decide_recorded(happenings(policies, late)[0].facts).verdict is Verdict.DENY


def test_where_the_refunds_could_not_be_read_nothing_is_said_of_money(tmp_path: Path) -> None:
    policies = load(RULES, tmp_path)
    unread = _bought(refunds=None, cancelled_at=ago(days=1))
    kinds = {each.kind: each.facts for each in happenings(policies, unread)}
    assert set(kinds) == {ActionKind.RETURN_ORDER, ActionKind.CANCEL_ORDER}
    assert "order.refundable" not in kinds[ActionKind.CANCEL_ORDER]["facts"]
    assert kinds[ActionKind.CANCEL_ORDER]["purse"] is None


def test_a_failed_refund_was_none(tmp_path: Path) -> None:
    bought = _bought(returns=[])
    bought.refunds = [_refund(bought, ago(days=20), "40.00", status=RefundStatus.FAILED)]
    assert happenings(load(RULES, tmp_path), bought) == []
    assert as_it_was(bought, NOW).totals.refunded.shop.amount == 0


def test_who_asked_is_not_known_of_the_past(tmp_path: Path) -> None:
    (first, *_) = happenings(load(RULES, tmp_path), _bought())
    assert not [name for name in first.facts["facts"] if name.startswith("viewer.")]


def test_a_fee_that_is_new_is_told_where_the_verdict_stays(tmp_path: Path) -> None:
    plain = load(RULES, tmp_path, "plain.yaml")
    dear = load(
        RULES + "  - {id: way, action: RETURN_ORDER, then: {fee: RETURN_SHIPPING_FEE, amount: 4.95, per: request}}\n",
        tmp_path, "dear.yaml",
    )  # fmt: skip
    (first, *_) = happenings(plain, _bought(refunds=[]))
    trial = Trial()
    trial.decide_again(dear, first.facts, Verdict.ALLOW, id="a", costs="")
    trial.decide_again(dear, first.facts, Verdict.ALLOW, id="b", costs="4.95 USD")
    assert [(flip.id, flip.costs) for flip in trial.flips] == [("a", ("", "4.95 USD"))]


def test_what_cannot_be_decided_again_is_counted(tmp_path: Path) -> None:
    policies = load(RULES, tmp_path)
    (first, *_) = happenings(policies, _bought())
    trial = Trial()
    trial.decide_again(policies, None, Verdict.ALLOW, id="a")
    elsewhere = load(RULES.replace("[us]", "[eu]"), tmp_path, "eu.yaml")
    trial.decide_again(elsewhere, first.facts, Verdict.ALLOW, id="b")
    assert (trial.compared, trial.without_facts, trial.not_covered, trial.flips) == (0, 1, 1, [])


def test_another_currency_than_the_stores_is_kept(tmp_path: Path) -> None:
    abroad = order(Goods(delivered=ago(days=5)), rate="1.5", refunded="10.00", placed=ago(days=8))
    (found,) = happenings(load(RULES, tmp_path), abroad)
    assert found.worth == Money.of("15.000", "CAD")
    assert found.facts["facts"]["request.amount"] == "10.00 USD"
