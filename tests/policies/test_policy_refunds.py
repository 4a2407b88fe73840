"""Refunds: what is allowed, what never is whatever a policy says, and what a cancellation that pays back is held to."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any, ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from platforms.base import RefundSum
from policies.asked import Asked, AskedLine, History
from policies.processor import PolicyProcessor
from schema.order import Order
from schema.parts import OrderParts
from schema.policy import Decision
from schema.values import Money
from schema.vocabulary import (
    ActionKind,
    FulfillmentStatus,
    PaymentStatus,
    ReasonCode,
    RefundChoice,
    RefundDestination,
    Verdict,
)
from tests.policies.nouns import ACME, EXAMPLES, NOBODY_YET, NOW, STAFF, STORES, Goods, Quiet, ago, load, order

REFUND, CANCEL = ActionKind.REFUND_ORDER, ActionKind.CANCEL_ORDER
FREE = """
policy: free
stores: [us, eu]
rules:
  - {id: refunds, action: REFUND_ORDER, then: ALLOW}
  - {id: cancels, action: CANCEL_ORDER, then: ALLOW}
"""


@pytest.fixture(scope="module")
def free(tmp_path_factory: pytest.TempPathFactory) -> PolicyProcessor:
    return load(FREE, tmp_path_factory.mktemp("policies"))


def refund(of: Order, amount: str, currency: str | None = None, **more: Any) -> Asked:
    money = Money.of(amount, currency or of.totals.total.presentment.currency_code)
    return Asked(REFUND, of.source.store, order=of, amount=money, **more)


def _decide(policies: PolicyProcessor, what: Asked, history: History = NOBODY_YET) -> Decision:
    return policies.decide(what, history, STAFF, NOW)


def _first(decision: Decision) -> tuple[Verdict, str, ReasonCode]:
    return decision.verdict, decision.reasons[0].rule, decision.reasons[0].code


OVER = (Verdict.DENY, "built-in", ReasonCode.ALREADY_REFUNDED)
NOTHING = (Verdict.DENY, "built-in", ReasonCode.NOTHING_LEFT)
LOOKED_AT = (Verdict.REVIEW, "built-in", ReasonCode.ALREADY_REFUNDED)

# ------------------------------------------------------------------ the caps


def test_all_that_is_left_may_be_paid_back_and_not_a_cent_more(free: PolicyProcessor) -> None:
    bought = order(Goods(price="80.00"), refunded="30.00")
    assert _decide(free, refund(bought, "50.00")).verdict is Verdict.ALLOW
    decision = _decide(free, refund(bought, "50.01"))
    assert _first(decision) == OVER
    assert decision.reasons[0].customer_message == "No more than $50.00 of this order is left to pay back."
    assert {fact.name: fact.value for fact in decision.reasons[0].facts} == {
        "amount": "50.01 USD",
        "refundable": "50.00 USD",
        "refunded": "30.00 USD",
        "left": "50.00 USD",
    }


def test_what_we_pay_back_ourselves_counts_before_the_store_shows_it(free: PolicyProcessor) -> None:
    bought = order(Goods(price="80.00"))
    assert _decide(free, refund(bought, "20.00", paid_here=Decimal(60))).verdict is Verdict.ALLOW
    assert _first(_decide(free, refund(bought, "20.01", paid_here=Decimal(60)))) == OVER
    assert _first(_decide(free, refund(bought, "0.01", paid_here=Decimal(80)))) == NOTHING


def test_what_the_store_shows_already_is_not_counted_twice(free: PolicyProcessor) -> None:
    bought = order(Goods(price="80.00"), refunded="60.00")
    assert _decide(free, refund(bought, "20.00", paid_here=Decimal(60))).verdict is Verdict.ALLOW


@pytest.mark.parametrize("amount", ["0", "-5.00"])
def test_a_refund_of_nothing_is_refused(amount: str, free: PolicyProcessor) -> None:
    assert _first(_decide(free, refund(order(Goods()), amount))) == NOTHING


def test_where_nothing_was_captured_nothing_is_left(free: PolicyProcessor) -> None:
    decision = _decide(free, refund(order(Goods(), captured="0"), "5.00"))
    assert _first(decision) == NOTHING
    assert decision.reasons[0].customer_message == "There is nothing left to pay back on this order."


def test_an_amount_in_another_currency_is_refused(free: PolicyProcessor) -> None:
    decision = _decide(free, refund(order(Goods()), "5.00", "GBP"))
    assert decision.verdict is Verdict.DENY
    assert "not in the currency" in decision.reasons[0].customer_message


def test_an_amount_that_is_not_known_goes_to_a_person(free: PolicyProcessor) -> None:
    bought = order(Goods())
    decision = _decide(free, Asked(REFUND, bought.source.store, order=bought))
    assert _first(decision) == (Verdict.REVIEW, "built-in", ReasonCode.FACT_MISSING)


def test_caps_are_compared_in_the_currency_the_customer_paid_in(free: PolicyProcessor) -> None:
    abroad = order(Goods(price="33.33"), rate="1.3333")  # 44.438889 CAD
    assert _decide(free, refund(abroad, "44.43")).verdict is Verdict.ALLOW
    assert _first(_decide(free, refund(abroad, "44.44"))) == OVER


def test_a_line_is_not_paid_back_beyond_what_the_store_says_is_left(free: PolicyProcessor) -> None:
    bought = order(Goods(ordered=3, fulfilled=3, refundable=1))
    one, two = (refund(bought, "40.00", lines=(AskedLine(bought.lines[0], n),)) for n in (1, 2))
    assert _decide(free, one).verdict is Verdict.ALLOW
    decision = _decide(free, two)
    assert _first(decision) == OVER
    assert decision.reasons[0].line is bought.lines[0]


def test_where_the_store_does_not_say_the_refunds_that_were_read_are_counted(free: PolicyProcessor) -> None:
    bought = order(Goods(ordered=3, fulfilled=3), paid_back=[(0, 2)], refunded="80.00")
    one, two = (refund(bought, "40.00", lines=(AskedLine(bought.lines[0], n),)) for n in (1, 2))
    assert _decide(free, one).verdict is Verdict.ALLOW
    assert _first(_decide(free, two)) == OVER


def test_one_line_named_twice_is_counted_together(free: PolicyProcessor) -> None:
    bought = order(Goods(ordered=3, fulfilled=3, refundable=3))
    row = AskedLine(bought.lines[0], 2)
    assert _first(_decide(free, refund(bought, "100.00", lines=(row, row)))) == OVER


def test_where_the_refunds_could_not_be_read_a_person_looks_at_the_lines(free: PolicyProcessor) -> None:
    bought = order(Goods(), refunds_read=False)
    decision = _decide(free, refund(bought, "40.00", lines=(AskedLine(bought.lines[0], 1),)))
    assert _first(decision) == (Verdict.REVIEW, "built-in", ReasonCode.FACT_MISSING)


def test_a_refund_made_outside_in_the_meantime_goes_to_a_person(free: PolicyProcessor) -> None:
    bought = order(Goods(price="80.00"), refunded="10.00")
    decision = _decide(free, refund(bought, "20.00", refunded_outside=True))
    assert _first(decision) == LOOKED_AT
    assert "elsewhere in the meantime" in decision.reasons[0].customer_message
    assert _first(_decide(free, refund(bought, "75.00", refunded_outside=True))) == OVER


@pytest.mark.parametrize("how", [{"payment": PaymentStatus.DISPUTED}, {"disputed": True}])
def test_a_disputed_payment_goes_to_a_person(how: dict[str, Any], free: PolicyProcessor) -> None:
    decision = _decide(free, refund(order(Goods(), **how), "5.00"))
    assert _first(decision) == (Verdict.REVIEW, "built-in", ReasonCode.PAYMENT_DISPUTED)


@given(
    price=st.integers(1, 9000),
    refunded=st.integers(0, 9000),
    here=st.integers(0, 12000),
    cents=st.integers(-10, 12000),
    outside=st.booleans(),
)
def test_whatever_is_allowed_or_waits_is_within_what_was_captured(
    price: int, refunded: int, here: int, cents: int, outside: bool, free: PolicyProcessor
) -> None:
    total, back, ours, amount = (Decimal(n) / 100 for n in (price, min(refunded, price), here, cents))
    what = refund(
        order(Goods(price=str(total)), refunded=str(back)), str(amount), paid_here=ours, refunded_outside=outside
    )
    decision = _decide(free, what)
    within = amount > 0 and amount + back <= total and amount + ours <= total
    assert (decision.verdict is not Verdict.DENY) is within
    if within:
        assert (decision.verdict is Verdict.ALLOW) is not outside


# ------------------------------------------------------------------ a cancellation that pays back


def _fresh(**more: Any) -> Order:
    return order(
        Goods(price="80.00", fulfilled=0), placed=ago(minutes=5), fulfillment=FulfillmentStatus.UNFULFILLED, **more
    )


def _cancel(of: Order, **more: Any) -> Asked:
    return Asked(CANCEL, of.source.store, order=of, **more)


def test_a_cancellation_that_would_pay_back_more_than_is_left_goes_to_a_person(free: PolicyProcessor) -> None:
    assert _decide(free, _cancel(_fresh())).verdict is Verdict.ALLOW
    decision = _decide(free, _cancel(_fresh(), paid_here=Decimal("0.01")))
    assert _first(decision) == LOOKED_AT
    assert _decide(free, _cancel(_fresh(refunded="30.00"), paid_here=Decimal(30))).verdict is Verdict.ALLOW
    unpaid = _cancel(_fresh(), paid_here=Decimal(30), refund=RefundChoice.NONE)
    assert _decide(free, unpaid).verdict is Verdict.ALLOW


def test_a_cancellation_after_a_refund_made_outside_goes_to_a_person(free: PolicyProcessor) -> None:
    assert _first(_decide(free, _cancel(_fresh(refunded="30.00"), refunded_outside=True))) == LOOKED_AT


def test_a_cancellation_that_pays_nothing_back_is_not_held_to_it(free: PolicyProcessor) -> None:
    class KeepsTheMoney(Quiet):
        refunds_on_cancel: ClassVar[bool] = False

    fresh = _fresh(refunded="30.00")
    store = replace(fresh.source.store, state=KeepsTheMoney())
    kept = Asked(CANCEL, store, order=fresh, refunded_outside=True, paid_here=Decimal(50))
    assert _decide(free, kept).verdict is Verdict.ALLOW


# ------------------------------------------------------------------ rules over refunds


def test_no_rule_for_refunds_means_none() -> None:
    acme = PolicyProcessor.load(EXAMPLES / "grocery.yaml", STORES)
    assert _first(_decide(acme, refund(order(Goods()), "5.00"))) == (Verdict.DENY, "built-in", ReasonCode.OTHER)


def test_a_limit_is_compared_in_the_stores_own_currency(tmp_path: Path) -> None:
    capped = load(
        FREE + "  - {id: cap, action: REFUND_ORDER, limit: {request: {USD: 100, EUR: 90}}, over: REVIEW}\n", tmp_path
    )
    abroad = order(Goods(price="400.00"), rate="1.5")
    assert _decide(capped, refund(abroad, "150.00")).verdict is Verdict.ALLOW
    decision = _decide(capped, refund(abroad, "150.02"))
    assert _first(decision) == (Verdict.REVIEW, "cap", ReasonCode.AMOUNT_OVER_LIMIT)
    assert ("request.amount", "100.01 USD") in [(fact.name, fact.value) for fact in decision.reasons[0].facts]


def test_a_condition_may_compare_the_amount(tmp_path: Path) -> None:
    small = load(
        "policy: p\nstores: [us]\nrules:\n  - {id: small, action: REFUND_ORDER, when: request.amount <= 20.0 && "
        "request.refund == STORE_CREDIT, then: ALLOW}\n",
        tmp_path,
    )
    bought = order(Goods(price="80.00"))
    credit = RefundChoice.STORE_CREDIT
    assert _decide(small, refund(bought, "20.00", refund=credit)).verdict is Verdict.ALLOW
    assert _decide(small, refund(bought, "20.01", refund=credit)).verdict is Verdict.DENY
    assert _decide(small, refund(bought, "20.00")).verdict is Verdict.DENY


def test_earlier_refunds_of_the_customer_count(tmp_path: Path) -> None:
    capped = load(
        "policy: p\nstores: [us]\nrules:\n  - {id: refunds, action: REFUND_ORDER, then: ALLOW}\n"
        "  - {id: cap, action: REFUND_ORDER, limit: {customer_90d: 100, refunds_90d: 3}, over: DENY}\n",
        tmp_path,
    )
    bought = order(Goods(price="80.00"))
    had = History(refund_total_90d={"USD": Decimal(60)}, refund_count_90d=2)
    assert _decide(capped, refund(bought, "40.00"), had).verdict is Verdict.ALLOW
    assert _first(_decide(capped, refund(bought, "40.01"), had))[2] is ReasonCode.VELOCITY_LIMIT
    often = History(refund_count_90d=3)
    assert _first(_decide(capped, refund(bought, "1.00"), often))[2] is ReasonCode.VELOCITY_LIMIT


def test_a_rule_about_lines_is_asked_of_the_named_ones_and_else_of_all(tmp_path: Path) -> None:
    final = load(
        "policy: p\nstores: [us]\nrules:\n  - {id: refunds, action: REFUND_ORDER, then: ALLOW}\n"
        "  - {id: final, action: REFUND_ORDER, for: {tags: [final-sale]}, then: DENY, code: FINAL_SALE}\n",
        tmp_path,
    )
    two = order(Goods(native="1"), Goods(native="2", title="Scarf", tags=["final-sale"]))
    shirt, scarf = (refund(two, "40.00", lines=(AskedLine(line, 1),)) for line in two.lines)
    assert _decide(final, shirt).verdict is Verdict.ALLOW
    assert _first(_decide(final, scarf)) == (Verdict.DENY, "final", ReasonCode.FINAL_SALE)
    assert _first(_decide(final, refund(two, "10.00"))) == (Verdict.DENY, "final", ReasonCode.FINAL_SALE)


# ------------------------------------------------------------------ what is read, what is paid


def test_a_refund_is_decided_from_the_head_of_an_order_where_no_rule_asks_for_more() -> None:
    acme = PolicyProcessor.load(ACME, STORES)
    assert acme.order_parts("us", [REFUND]) is OrderParts.NONE


def test_the_quote_of_a_bare_amount_is_that_amount(free: PolicyProcessor) -> None:
    what = refund(order(Goods()), "12.50", refund=RefundChoice.STORE_CREDIT)
    quote = free.quote(what, _decide(free, what))
    assert quote is not None
    assert (quote.items, quote.total, quote.tax, quote.shipping) == (what.amount, what.amount, None, None)
    assert (quote.destination, quote.estimated) == (RefundDestination.STORE_CREDIT, False)


def test_the_quote_of_lines_is_what_the_platform_says(free: PolicyProcessor) -> None:
    bought = order(Goods(price="80.00"))

    def usd(amount: str) -> Money:
        return Money.of(amount, "USD")

    told = RefundSum(items=usd("40.00"), tax=usd("3.20"), shipping=usd("5.00"), total=usd("48.20"), estimated=True)
    what = refund(bought, "48.20", sum=told, lines=(AskedLine(bought.lines[0], 1),))
    quote = free.quote(what, _decide(free, what))
    assert quote is not None
    assert (quote.items, quote.tax, quote.shipping, quote.total) == (told.items, told.tax, told.shipping, told.total)
    assert (quote.destination, quote.estimated) == (RefundDestination.ORIGINAL_PAYMENT, True)


def test_what_is_refused_has_no_quote(free: PolicyProcessor) -> None:
    what = refund(order(Goods()), "400.00")
    assert free.quote(what, _decide(free, what)) is None
