"""What the policy says of orders and subscriptions as adapters build them: the sandbox's stories, money, audiences."""

from __future__ import annotations

from datetime import UTC, date, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from policies.asked import Asked, History
from policies.check import explain
from policies.processor import PolicyProcessor, as_told_to, costs_the_customer
from schema.parts import OrderParts, PartNotLoaded, SubscriptionParts
from schema.policy import Decision
from schema.vocabulary import (
    ActionKind,
    ConditionKind,
    FeeKind,
    FulfillmentStatus,
    ItemCondition,
    OrderStatus,
    PaymentStatus,
    ReasonCode,
    RefundChoice,
    RefundDestination,
    RequestedResolution,
    ReturnReason,
    SubscriptionStatus,
    TimeBasis,
    Verdict,
)
from tests.policies.nouns import (
    ACME,
    EXAMPLES,
    NOBODY_YET,
    NOW,
    SHOPPER,
    STAFF,
    STORES,
    Goods,
    ago,
    asked,
    asked_return,
    load,
    order,
    subscription,
)


@pytest.fixture(scope="module")
def acme() -> PolicyProcessor:
    return PolicyProcessor.load(ACME, STORES)


@pytest.fixture(scope="module")
def electronics() -> PolicyProcessor:
    return PolicyProcessor.load(EXAMPLES / "electronics.yaml", STORES)


def _codes(decision: Decision) -> list[tuple[str, ReasonCode]]:
    return [(reason.rule, reason.code) for reason in decision.reasons]


def _decide(processor: PolicyProcessor, what: Asked, history: History = NOBODY_YET) -> Decision:
    return processor.decide(what, history, STAFF, NOW)


# ------------------------------------------------------------------ the sandbox's stories


def test_an_order_of_twenty_minutes_ago_may_be_cancelled_for_ten_more(acme: PolicyProcessor) -> None:
    fresh = order(Goods(price="89.00", fulfilled=0), placed=ago(minutes=20), fulfillment=FulfillmentStatus.UNFULFILLED)
    decision = _decide(acme, asked(ActionKind.CANCEL_ORDER, fresh))
    assert decision.verdict is Verdict.ALLOW
    assert decision.allowed_until == NOW + timedelta(minutes=10)
    quote = acme.quote(asked(ActionKind.CANCEL_ORDER, fresh), decision)
    assert quote is not None
    assert (quote.total.amount, quote.estimated) == (Decimal("89.00"), True)


def test_an_order_of_yesterday_may_not_be_cancelled(acme: PolicyProcessor) -> None:
    old = order(Goods(fulfilled=0), key="eu", placed=ago(days=1), fulfillment=FulfillmentStatus.UNFULFILLED)
    decision = _decide(acme, asked(ActionKind.CANCEL_ORDER, old))
    assert decision.verdict is Verdict.DENY
    assert _codes(decision) == [("cancel-before-shipping", ReasonCode.WINDOW_EXPIRED)]
    assert acme.quote(asked(ActionKind.CANCEL_ORDER, old), decision) is None


def test_an_order_that_was_sent_cannot_be_cancelled_and_says_why(acme: PolicyProcessor) -> None:
    decision = _decide(acme, asked(ActionKind.CANCEL_ORDER, order(Goods(), placed=ago(minutes=5))))
    assert _codes(decision) == [("built-in", ReasonCode.ALREADY_FULFILLED)]


def test_a_return_the_day_after_delivery_is_allowed_for_thirty_days(acme: PolicyProcessor) -> None:
    decision = _decide(acme, asked_return(order(Goods(delivered=ago(days=1)))))
    assert decision.verdict is Verdict.ALLOW
    # delivered on 14 June in New York; the thirtieth day after ends there at midnight
    assert decision.allowed_until is not None
    assert decision.allowed_until.astimezone(UTC).isoformat() == "2026-07-15T03:59:59+00:00"


def test_a_return_a_day_late_is_denied_with_the_arithmetic(acme: PolicyProcessor) -> None:
    late = order(Goods(title="Canvas Tote", price="25.00", delivered=ago(days=31)), placed=ago(days=36))
    decision = _decide(acme, asked_return(late))
    assert decision.verdict is Verdict.DENY
    (reason,) = decision.reasons
    assert (reason.rule, reason.code) == ("return-window", ReasonCode.WINDOW_EXPIRED)
    assert reason.line is late.lines[0]
    assert reason.customer_message == "The 30-day return window for Canvas Tote ended on June 14, 2026."
    assert [(fact.name, fact.value) for fact in reason.facts] == [
        ("line.delivered_at", "2026-05-15T16:00:00+00:00"),
        ("days_since", "31"),
        ("window", "30 days"),
        ("allowed_until", "2026-06-15T03:59:59+00:00"),
        ("now", "2026-06-15T16:00:00+00:00"),
        ("days_late", "1"),
    ]
    assert reason.facts[0].basis is TimeBasis.DELIVERED
    assert [each.resolution for each in decision.alternatives] == [RequestedResolution.STORE_CREDIT]


def test_what_is_offered_instead_is_allowed_when_it_is_asked_for(acme: PolicyProcessor) -> None:
    late = order(Goods(delivered=ago(days=31)), placed=ago(days=36))
    decision = _decide(acme, asked_return(late, resolution=RequestedResolution.STORE_CREDIT))
    assert decision.verdict is Verdict.ALLOW
    quote = acme.quote(asked_return(late, resolution=RequestedResolution.STORE_CREDIT), decision)
    assert quote is not None
    assert quote.destination is RefundDestination.STORE_CREDIT


def test_what_is_too_late_even_for_the_offer_has_no_alternative(acme: PolicyProcessor) -> None:
    assert _decide(acme, asked_return(order(Goods(delivered=ago(days=60))))).alternatives == []


def test_a_split_order_is_denied_for_the_one_line_and_allowed_for_the_other(acme: PolicyProcessor) -> None:
    split = order(Goods(native="1", delivered=ago(days=40)), Goods(native="2", title="Tote", delivered=ago(days=5)))
    both = _decide(acme, asked_return(split, 0, 1))
    assert both.verdict is Verdict.DENY
    assert [(reason.code, reason.line) for reason in both.reasons] == [
        (ReasonCode.WINDOW_EXPIRED, split.lines[0]),
        (ReasonCode.OK, split.lines[1]),
    ]
    assert _decide(acme, asked_return(split, 1)).verdict is Verdict.ALLOW


def test_final_sale_is_denied_unless_the_merchant_is_at_fault(acme: PolicyProcessor) -> None:
    mixed = order(
        Goods(native="1", title="Silk Scarf", tags=["final-sale"], delivered=ago(days=3)),
        Goods(native="2", title="Merino Socks", delivered=ago(days=3)),
    )
    denied = _decide(acme, asked_return(mixed, 0))
    assert _codes(denied)[0] == ("final-sale", ReasonCode.FINAL_SALE)
    assert denied.reasons[0].customer_message == "Silk Scarf was sold as final sale."
    assert _decide(acme, asked_return(mixed, 0, reason=ReturnReason.DEFECTIVE)).verdict is Verdict.ALLOW
    assert _decide(acme, asked_return(mixed, 1)).verdict is Verdict.ALLOW


def test_a_store_that_tells_no_deliveries_counts_from_shipping_and_says_that_it_is_an_estimate(
    acme: PolicyProcessor,
) -> None:
    guest = order(Goods(tags=None, shipped=ago(days=3), price="34.50"), key="eu")
    decision = _decide(acme, asked_return(guest))
    assert decision.verdict is Verdict.ALLOW
    fact = decision.reasons[0].facts[0]
    assert (fact.name, fact.basis, fact.estimated) == ("line.fulfilled_at", TimeBasis.FULFILLED, True)


def test_a_delivery_that_was_worked_out_is_said_to_be_so(acme: PolicyProcessor) -> None:
    decision = _decide(acme, asked_return(order(Goods(delivered=ago(days=3), estimated=True))))
    fact = decision.reasons[0].facts[0]
    assert (fact.basis, fact.estimated) == (TimeBasis.DELIVERED_ESTIMATED, True)


def test_parcels_that_could_not_be_read_are_not_taken_for_parcels_that_never_left(acme: PolicyProcessor) -> None:
    unread = order(Goods(), placed=ago(days=300), parcels_read=False)
    decision = _decide(acme, asked_return(unread))
    assert (decision.verdict, decision.reasons[0].code) == (Verdict.REVIEW, ReasonCode.FACT_MISSING)


def test_a_dear_return_waits_for_the_rules_approver(acme: PolicyProcessor) -> None:
    dear = order(Goods(title="Wanderjacke", price="129.00", tags=None, shipped=ago(days=10)), key="eu")
    decision = _decide(acme, asked_return(dear))
    assert decision.verdict is Verdict.REVIEW
    assert _codes(decision) == [("refund-cap", ReasonCode.AMOUNT_OVER_LIMIT), ("return-window", ReasonCode.OK)]
    assert (acme.approver(decision), decision.expires_hours) == ("support-lead", 72)


def test_what_a_customer_had_in_ninety_days_counts(acme: PolicyProcessor) -> None:
    history = History(refund_total_90d={"USD": Decimal("420.00"), "EUR": Decimal("9999")})
    decision = _decide(acme, asked_return(order(Goods(delivered=ago(days=1)))), history)
    assert _codes(decision)[0] == ("refund-cap", ReasonCode.VELOCITY_LIMIT)


@pytest.mark.parametrize(
    ("kind", "changes", "verdict", "code"),
    [
        (ActionKind.PAUSE_SUBSCRIPTION, {}, Verdict.ALLOW, ReasonCode.OK),
        (ActionKind.PAUSE_SUBSCRIPTION, {"next_billing": date(2026, 6, 16)}, Verdict.DENY, ReasonCode.CUTOFF_PASSED),
        (
            ActionKind.PAUSE_SUBSCRIPTION,
            {"status": SubscriptionStatus.CANCELLED},
            Verdict.DENY,
            ReasonCode.ALREADY_CANCELLED,
        ),
        (ActionKind.PAUSE_SUBSCRIPTION, {"status": SubscriptionStatus.PAUSED}, Verdict.DENY, ReasonCode.OTHER),
        (
            ActionKind.PAUSE_SUBSCRIPTION,
            {"status": SubscriptionStatus.UNKNOWN},
            Verdict.REVIEW,
            ReasonCode.FACT_MISSING,
        ),
        (ActionKind.RESUME_SUBSCRIPTION, {}, Verdict.DENY, ReasonCode.OTHER),
        (ActionKind.RESUME_SUBSCRIPTION, {"status": SubscriptionStatus.PAUSED}, Verdict.ALLOW, ReasonCode.OK),
        (ActionKind.CANCEL_SUBSCRIPTION, {"cycles": 1}, Verdict.DENY, ReasonCode.MIN_CYCLES_NOT_MET),
        (ActionKind.CANCEL_SUBSCRIPTION, {"cycles": 3}, Verdict.ALLOW, ReasonCode.OK),
        (ActionKind.CANCEL_SUBSCRIPTION, {"cycles": None}, Verdict.REVIEW, ReasonCode.FACT_MISSING),
        (
            ActionKind.CANCEL_SUBSCRIPTION,
            {"cycles": 1, "payment_failed": True, "status": SubscriptionStatus.PAYMENT_FAILED},
            Verdict.ALLOW,
            ReasonCode.OK,
        ),
    ],
)
def test_subscriptions_are_paused_resumed_and_cancelled_by_the_rules(
    acme: PolicyProcessor, kind: ActionKind, changes: dict[str, object], verdict: Verdict, code: ReasonCode
) -> None:
    contract = subscription(**{"next_billing": date(2026, 6, 18), **changes})  # type: ignore[arg-type]
    until = date(2026, 7, 15) if kind is ActionKind.PAUSE_SUBSCRIPTION else None
    decision = _decide(acme, asked(kind, contract, until=until))
    assert (decision.verdict, decision.reasons[0].code) == (verdict, code)


def test_a_pause_that_is_too_long_and_one_without_an_end_are_denied(acme: PolicyProcessor) -> None:
    contract = subscription(next_billing=date(2026, 6, 18))
    for until in (date(2026, 6, 15) + timedelta(days=91), None):
        decision = _decide(acme, asked(ActionKind.PAUSE_SUBSCRIPTION, contract, until=until))
        assert _codes(decision)[0] == ("longest-pause", ReasonCode.PAUSE_TOO_LONG)
        assert decision.reasons[0].customer_message == "A pause can last at most 90 days."
    until = date(2026, 6, 15) + timedelta(days=90)
    assert _decide(acme, asked(ActionKind.PAUSE_SUBSCRIPTION, contract, until=until)).verdict is Verdict.ALLOW


# ------------------------------------------------------------------ built-in


@pytest.mark.parametrize(
    ("goods", "quantity", "code"),
    [
        (Goods(ordered=2, fulfilled=2, returned=1, delivered=ago(days=1)), 2, ReasonCode.ALREADY_RETURNED),
        (Goods(ordered=2, fulfilled=2, delivered=ago(days=1)), 3, ReasonCode.NOTHING_LEFT),
        (Goods(ordered=2, fulfilled=0), 1, ReasonCode.NOT_FULFILLED),
        (Goods(ordered=2, fulfilled=1, delivered=ago(days=1)), 2, ReasonCode.NOT_FULFILLED),
        (Goods(ordered=2, fulfilled=2, refundable=1, delivered=ago(days=1)), 2, ReasonCode.ALREADY_REFUNDED),
    ],
)
def test_a_line_never_comes_back_beyond_its_quantity(
    acme: PolicyProcessor, goods: Goods, quantity: int, code: ReasonCode
) -> None:
    decision = _decide(acme, asked_return(order(goods), (0, quantity)))
    assert (decision.verdict, decision.reasons[0].rule, decision.reasons[0].code) == (Verdict.DENY, "built-in", code)


def test_a_line_named_twice_is_counted_together(acme: PolicyProcessor) -> None:
    twice = order(Goods(ordered=2, fulfilled=2, delivered=ago(days=1)))
    assert _decide(acme, asked_return(twice, (0, 1), (0, 1))).verdict is Verdict.ALLOW
    assert _decide(acme, asked_return(twice, (0, 2), (0, 1))).reasons[0].code is ReasonCode.NOTHING_LEFT


def test_nothing_is_done_with_a_cancelled_order(acme: PolicyProcessor) -> None:
    gone = order(Goods(delivered=ago(days=1)), status=OrderStatus.CANCELLED)
    for what in (asked(ActionKind.CANCEL_ORDER, gone), asked_return(gone)):
        assert _codes(_decide(acme, what)) == [("built-in", ReasonCode.ALREADY_CANCELLED)]


@pytest.mark.parametrize("disputed", [{"disputed": True}, {"payment": PaymentStatus.DISPUTED}])
def test_a_disputed_payment_goes_to_a_person(acme: PolicyProcessor, disputed: dict[str, object]) -> None:
    held = order(Goods(delivered=ago(days=1)), **disputed)  # type: ignore[arg-type]
    decision = _decide(acme, asked_return(held))
    assert (decision.verdict, decision.reasons[0].code) == (Verdict.REVIEW, ReasonCode.PAYMENT_DISPUTED)


def test_a_resolution_that_no_rule_names_is_refused(acme: PolicyProcessor) -> None:
    fine = order(Goods(delivered=ago(days=1)))
    decision = _decide(acme, asked_return(fine, resolution=RequestedResolution.KEEP_ITEM))
    assert decision.verdict is Verdict.DENY
    assert decision.reasons[0].customer_message == "This way to settle it is not offered here."


def test_being_over_a_limit_never_helps(tmp_path: Path) -> None:
    only = load(
        "policy: p\nstores: [us]\nrules:\n  - {id: cap, action: RETURN_ORDER, limit: {request: 10}, over: REVIEW}\n",
        tmp_path,
    )
    assert _decide(only, asked_return(order(Goods(delivered=ago(days=1))))).verdict is Verdict.DENY


def test_a_store_without_a_policy_refuses_everything(tmp_path: Path) -> None:
    only_eu = load("policy: p\nstores: [eu]\nrules: [{id: a, action: RETURN_ORDER, then: ALLOW}]\n", tmp_path)
    decision = _decide(only_eu, asked_return(order(Goods(delivered=ago(days=1)))))
    assert (decision.verdict, decision.policy.name) == (Verdict.DENY, "none")


def test_a_limit_in_a_currency_that_it_does_not_have_never_allows(tmp_path: Path) -> None:
    mixed = load(
        "policy: p\nstores: [us]\nrules:\n  - {id: ok, action: RETURN_ORDER, then: ALLOW}\n"
        "  - {id: cap, action: RETURN_ORDER, limit: {request: {USD: 1000}}, over: REVIEW}\n",
        tmp_path,
    )
    foreign = order(Goods(delivered=ago(days=1)), key="eu")
    what = Asked(ActionKind.RETURN_ORDER, STORES["us"], order=foreign, lines=asked_return(foreign).lines)
    decision = _decide(mixed, what)
    assert (decision.verdict, decision.reasons[0].code) == (Verdict.REVIEW, ReasonCode.FACT_MISSING)


# ------------------------------------------------------------------ money


def test_a_fee_is_named_beside_the_permission(electronics: PolicyProcessor) -> None:
    opened = order(Goods(price="120.00", ordered=2, fulfilled=2, delivered=ago(days=1)))
    what = asked_return(opened, (0, 1), condition=ItemCondition.OPENED)
    decision = _decide(electronics, what)
    assert decision.verdict is Verdict.ALLOW
    assert costs_the_customer(decision)
    (condition,) = decision.conditions
    assert (condition.kind, condition.text) == (
        ConditionKind.RESTOCKING_FEE,
        "$18.00 is kept back because Linen Shirt was opened.",
    )
    assert electronics.restocking_percent(what, decision, opened.lines[0]) == 15
    quote = electronics.quote(what, decision)
    assert quote is not None
    assert (quote.items.amount, quote.total.amount) == (Decimal("120.00"), Decimal("102.00"))
    assert [(fee.kind, fee.amount.amount) for fee in quote.fees] == [(FeeKind.RESTOCKING, Decimal("18.00"))]


def test_a_fee_is_named_in_the_currency_the_customer_paid_in(electronics: PolicyProcessor) -> None:
    abroad = order(Goods(price="100.00", delivered=ago(days=1)), rate="1.5")
    decision = _decide(electronics, asked_return(abroad, condition=ItemCondition.OPENED))
    amount = decision.conditions[0].amount
    assert amount is not None
    assert (amount.amount, amount.currency_code) == (Decimal("22.50"), "CAD")


def test_a_fee_is_waived_and_then_nothing_is_kept(electronics: PolicyProcessor) -> None:
    mine = order(Goods(delivered=ago(days=1)), customer_tags=["member"])
    decision = _decide(electronics, asked_return(mine, condition=ItemCondition.OPENED))
    assert (decision.verdict, decision.conditions) == (Verdict.ALLOW, [])
    assert not costs_the_customer(decision)


def test_a_fee_per_request_is_taken_once_and_one_per_unit_for_each(tmp_path: Path) -> None:
    fees = load(
        "policy: p\nstores: [us]\nrules:\n  - {id: ok, action: RETURN_ORDER, then: ALLOW}\n"
        "  - {id: way, action: RETURN_ORDER, per: line, "
        'then: {fee: RETURN_SHIPPING_FEE, amount: "4.95", per: request}}\n'
        '  - {id: work, action: RETURN_ORDER, then: {fee: RESTOCKING_FEE, amount: "1.00", per: unit}}\n',
        tmp_path,
    )
    two = order(Goods(native="1", ordered=3, fulfilled=3), Goods(native="2"))
    what = asked_return(two, (0, 3), (1, 1))
    decision = _decide(fees, what)
    assert [str(each.amount.amount) for each in decision.conditions if each.amount] == ["4.95", "3.00", "1.00"]
    assert fees.restocking_percent(what, decision, two.lines[0]) == Decimal("2.5000")
    assert decision.verdict is Verdict.ALLOW


def test_a_cancellation_without_a_refund_has_no_quote(acme: PolicyProcessor) -> None:
    fresh = order(Goods(fulfilled=0), placed=ago(minutes=5), fulfillment=FulfillmentStatus.UNFULFILLED)
    what = asked(ActionKind.CANCEL_ORDER, fresh, refund=RefundChoice.NONE)
    assert acme.quote(what, _decide(acme, what)) is None


# ------------------------------------------------------------------ who hears what


def test_a_rule_for_staff_says_one_neutral_sentence_to_others(acme: PolicyProcessor) -> None:
    dear = order(Goods(price="199.00", delivered=ago(days=1)))
    told = acme.decide(asked_return(dear), NOBODY_YET, SHOPPER, NOW)
    reason = told.reasons[0]
    assert (reason.code, reason.facts, reason.rule) == (ReasonCode.OTHER, [], "withheld")
    assert reason.customer_message == "A member of our team has to look at this first."
    assert "199" not in repr([each.customer_message for each in told.reasons])
    full = acme.decide(asked_return(dear), NOBODY_YET, STAFF, NOW)
    assert full.reasons[0].rule == "refund-cap"
    assert "199.00 USD" in (full.reasons[0].internal or "")
    again = as_told_to(full, SHOPPER)
    assert [(each.code, each.customer_message) for each in again.reasons] == [
        (each.code, each.customer_message) for each in told.reasons
    ]


def test_facts_for_staff_are_left_out_of_what_others_hear(electronics: PolicyProcessor) -> None:
    late = order(Goods(delivered=ago(days=20)), customer_tags=["watched"])
    names = {
        who: {fact.name for reason in decision.reasons for fact in reason.facts}
        for who, decision in (
            ("staff", electronics.decide(asked_return(late), NOBODY_YET, STAFF, NOW)),
            ("shopper", electronics.decide(asked_return(late), NOBODY_YET, SHOPPER, NOW)),
        )
    }
    assert "customer.tags" in names["staff"]
    assert "customer.tags" not in names["shopper"]


def test_a_reason_speaks_the_language_that_is_asked_for(acme: PolicyProcessor) -> None:
    late = order(Goods(title="Mütze", delivered=ago(days=31)), key="eu")
    decision = acme.decide(asked_return(late), NOBODY_YET, SHOPPER, NOW, "de-AT")
    assert decision.reasons[0].customer_message == ("Die Rückgabefrist von 30 Tagen für Mütze endete am 14. Juni 2026.")


def test_a_title_with_braces_is_told_as_it_is(acme: PolicyProcessor) -> None:
    odd = order(Goods(title="{line.sku} {0.__class__}", delivered=ago(days=31)))
    message = _decide(acme, asked_return(odd)).reasons[0].customer_message
    assert message.startswith("The 30-day return window for {line.sku} {0.__class__} ended")


def test_a_rule_on_trial_is_only_recorded(acme: PolicyProcessor) -> None:
    old = order(Goods(delivered=ago(days=25)))
    decision = _decide(acme, asked_return(old))
    assert (decision.verdict, decision.conditions) == (Verdict.ALLOW, [])
    assert [reason.rule for reason in decision.shadow_reasons] == ["late-fee-trial"]


def test_a_decision_carries_the_digest_of_its_file(acme: PolicyProcessor) -> None:
    decision = _decide(acme, asked_return(order(Goods(delivered=ago(days=1)))))
    assert (decision.policy.name, decision.policy.digest) == ("acme", acme.digest)
    assert len(acme.digest) == 64


def test_an_explanation_has_the_arithmetic_for_a_person(acme: PolicyProcessor) -> None:
    late = order(Goods(title="Canvas Tote", delivered=ago(days=31)))
    lines = explain(_decide(acme, asked_return(late)), asked_return(late))
    assert lines[0] == "DENY: return order, order 1001, store us"
    assert "asked: 1 x Canvas Tote (UNWANTED, as the asker says)" in lines
    assert "    line.delivered_at = 2026-05-15T16:00:00+00:00 (DELIVERED)" in lines
    assert "    days_late = 1" in lines
    assert "> instead: Store credit instead" in lines


# ------------------------------------------------------------------ what is read


def test_only_the_parts_that_the_rules_name_are_read(acme: PolicyProcessor) -> None:
    assert acme.order_parts("us", [ActionKind.CANCEL_ORDER]) == OrderParts.NONE
    returns = OrderParts.LINES | OrderParts.RETURNS | OrderParts.FULFILLMENTS
    assert acme.order_parts("us", [ActionKind.RETURN_ORDER]) == returns
    assert acme.order_parts("us") == returns
    assert acme.subscription_parts("subs", [ActionKind.PAUSE_SUBSCRIPTION]) == SubscriptionParts.NONE
    assert acme.subscription_parts("subs") == SubscriptionParts.CYCLES


def test_a_part_that_was_not_read_is_never_taken_for_an_empty_one(acme: PolicyProcessor) -> None:
    some = order(Goods(delivered=ago(days=1)))
    del vars(some)["fulfillments"]
    with pytest.raises(PartNotLoaded):
        _decide(acme, asked_return(some))
