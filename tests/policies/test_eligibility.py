"""What may be asked for before anybody asks: next steps, open details, and that it agrees with the decision."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from policies.asked import Asked, AskedLine, History
from policies.eligibility import eligibility, returnable
from policies.processor import PolicyProcessor
from schema.order import Order, OrderLine
from schema.policy import Eligibility, RequestAssumption
from schema.subscription import Subscription
from schema.values import Money
from schema.vocabulary import (
    ActionKind,
    AssuranceLevel,
    ItemCondition,
    NextStep,
    ReasonCode,
    RequestedResolution,
    RequestFact,
    ReturnReason,
    SupportLevel,
    Verdict,
)
from tests.policies.generated import SUBSCRIPTIONS, orders
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
    can,
    load,
    order,
    subscription,
    viewer,
)

POLICIES = {path.stem: PolicyProcessor.load(path, STORES) for path in [*EXAMPLES.glob("*.yaml"), ACME]}
ACME_RULES = POLICIES["acme"]
RETURN, CANCEL = ActionKind.RETURN_ORDER, ActionKind.CANCEL_ORDER
PAUSE = ActionKind.PAUSE_SUBSCRIPTION


def _may(
    subject: Order | OrderLine | Subscription, kind: ActionKind, processor: PolicyProcessor = ACME_RULES, **more: Any
) -> Eligibility:
    given: dict[str, Any] = {
        "viewer": STAFF, "history": NOBODY_YET, "now": NOW, "support": can(kind), "active": False, "assuming": None,
        "min_assurance": AssuranceLevel.VERIFIED,
    }  # fmt: skip
    return eligibility(processor, subject, kind, **{**given, **more})


def test_a_return_in_time_is_one_click_away() -> None:
    bought = order(Goods(ordered=2, fulfilled=2, price="12.50", delivered=ago(days=1)))
    may = _may(bought.lines[0], RETURN)
    assert (may.next, may.depends_on, may.max_quantity) == (NextStep.CONFIRM, [], 2)
    assert may.decision.allowed_until is not None
    assert may.quote is not None
    assert str(may.quote.total.amount) == "25.00"


def test_a_return_that_is_too_late_for_everything_is_not_possible_and_says_why() -> None:
    may = _may(order(Goods(delivered=ago(days=90))).lines[0], RETURN)
    assert (may.next, may.quote) == (NextStep.NOT_POSSIBLE, None)
    assert [reason.code for reason in may.decision.reasons] == [ReasonCode.WINDOW_EXPIRED]


def test_a_day_late_it_depends_on_what_is_wanted() -> None:
    may = _may(order(Goods(delivered=ago(days=31))).lines[0], RETURN)
    assert (may.next, may.depends_on) == (NextStep.ASK_DETAILS, [RequestFact.RESOLUTION])
    for resolution, step in (
        (RequestedResolution.REFUND, NextStep.NOT_POSSIBLE),
        (RequestedResolution.STORE_CREDIT, NextStep.CONFIRM),
    ):
        assumed = RequestAssumption(resolution=resolution)
        assert _may(order(Goods(delivered=ago(days=31))).lines[0], RETURN, assuming=assumed).next is step


def test_final_sale_depends_on_the_reason() -> None:
    scarf = order(Goods(tags=["final-sale"], delivered=ago(days=3))).lines[0]
    may = _may(scarf, RETURN)
    assert (may.next, may.depends_on) == (NextStep.ASK_DETAILS, [RequestFact.REASON])
    assert _may(scarf, RETURN, assuming=RequestAssumption(reason=ReturnReason.DEFECTIVE)).next is NextStep.CONFIRM
    unwanted = _may(scarf, RETURN, assuming=RequestAssumption(reason=ReturnReason.UNWANTED))
    assert unwanted.next is NextStep.NOT_POSSIBLE
    assert unwanted.decision.reasons[0].code is ReasonCode.FINAL_SALE


def test_a_restocking_fee_depends_on_condition_and_reason() -> None:
    phone = order(Goods(delivered=ago(days=3))).lines[0]
    may = _may(phone, RETURN, POLICIES["electronics"])
    assert (may.next, may.depends_on) == (NextStep.ASK_DETAILS, [RequestFact.REASON, RequestFact.CONDITION])


def test_a_limit_that_only_many_units_pass_depends_on_the_quantity() -> None:
    bulk = order(Goods(ordered=5, fulfilled=5, price="50.00", delivered=ago(days=3))).lines[0]
    may = _may(bulk, RETURN)
    assert (may.next, may.depends_on, may.max_quantity) == (NextStep.ASK_DETAILS, [RequestFact.QUANTITY], 5)
    dear = order(Goods(ordered=2, fulfilled=2, price="500.00", delivered=ago(days=3))).lines[0]
    assert _may(dear, RETURN).next is NextStep.REQUEST_APPROVAL


def test_a_rule_that_refuses_what_it_does_not_know_still_waits_for_what_was_not_said(tmp_path: Path) -> None:
    strict = load(
        "policy: p\nstores: [us]\nrules:\n  - {id: a, action: RETURN_ORDER, when: request.reason == DEFECTIVE, "
        "then: ALLOW, on_unknown: DENY}\n",
        tmp_path,
    )
    may = _may(order(Goods(delivered=ago(days=3))).lines[0], RETURN, strict)
    assert (may.next, may.depends_on) == (NextStep.ASK_DETAILS, [RequestFact.REASON])
    assert may.decision.verdict is Verdict.ALLOW


def test_twenty_orders_cost_one_decision_each_where_the_rules_do_not_ask_for_details() -> None:
    bought = order(Goods(native="1", delivered=ago(days=1)), Goods(native="2", delivered=ago(days=1)))
    asks: list[Asked] = []

    class Counting(PolicyProcessor):
        def judge(self, asked: Asked, *rest: Any, **more: Any) -> Any:
            asks.append(asked)
            return super().judge(asked, *rest, **more)

    assert _may(bought, RETURN, Counting.load(ACME, STORES)).next is NextStep.CONFIRM
    assert len(asks) == 1


def test_an_order_is_possible_if_one_line_is_and_names_the_others() -> None:
    split = order(Goods(native="1", delivered=ago(days=80)), Goods(native="2", delivered=ago(days=5)))
    may = _may(split, RETURN)
    assert may.next is NextStep.ASK_DETAILS
    assert RequestFact.QUANTITY in may.depends_on
    assert may.decision.verdict is Verdict.ALLOW
    assert [(each.code, each.line) for each in may.decision.reasons] == [
        (ReasonCode.OK, split.lines[1]),
        (ReasonCode.WINDOW_EXPIRED, split.lines[0]),
    ]


def test_an_order_of_which_nothing_can_come_back_names_every_line() -> None:
    gone = order(Goods(native="1", delivered=ago(days=80)), Goods(native="2", fulfilled=0))
    may = _may(gone, RETURN)
    assert may.next is NextStep.NOT_POSSIBLE
    assert {(each.code, each.line.native_id) for each in may.decision.reasons if each.line} == {
        (ReasonCode.WINDOW_EXPIRED, "1"),
        (ReasonCode.NOT_FULFILLED, "2"),
    }


def test_an_order_that_can_come_back_as_a_whole_is_quoted_as_a_whole() -> None:
    fine = order(Goods(native="1", delivered=ago(days=1)), Goods(native="2", price="12.50", delivered=ago(days=1)))
    may = _may(fine, RETURN)
    assert (may.next, may.depends_on) == (NextStep.CONFIRM, [])
    assert may.quote is not None
    assert str(may.quote.total.amount) == "52.50"


def test_a_pause_depends_on_how_long_and_on_a_platform_that_needs_an_end_always() -> None:
    contract = subscription(next_billing=date(2026, 6, 18))
    may = _may(contract, PAUSE)
    assert (may.next, may.depends_on) == (NextStep.ASK_DETAILS, [RequestFact.UNTIL])
    assert may.decision.verdict is Verdict.ALLOW
    assert _may(contract, PAUSE, needs_until=True).depends_on == [RequestFact.UNTIL]
    billed = subscription(next_billing=date(2026, 6, 16))
    too_late = _may(billed, PAUSE)
    assert (too_late.next, too_late.depends_on) == (NextStep.NOT_POSSIBLE, [])
    assert too_late.decision.reasons[0].code is ReasonCode.CUTOFF_PASSED


def test_where_the_length_does_not_matter_only_the_platform_asks_for_it(tmp_path: Path) -> None:
    free = load("policy: p\nstores: [subs]\nrules: [{id: a, action: PAUSE_SUBSCRIPTION, then: ALLOW}]\n", tmp_path)
    contract = subscription(next_billing=date(2026, 6, 18))
    assert _may(contract, PAUSE, free).next is NextStep.CONFIRM
    needing = _may(contract, PAUSE, free, needs_until=True)
    assert (needing.next, needing.depends_on) == (NextStep.ASK_DETAILS, [RequestFact.UNTIL])


def test_whoever_is_not_surely_known_proves_it_first() -> None:
    bought = order(Goods(delivered=ago(days=1)))
    claimed = viewer(AssuranceLevel.CLAIMED)
    assert _may(bought.lines[0], RETURN, viewer=claimed).next is NextStep.VERIFY_IDENTITY
    late = order(Goods(delivered=ago(days=90)))
    assert _may(late.lines[0], RETURN, viewer=claimed).next is NextStep.NOT_POSSIBLE


@pytest.mark.parametrize(
    ("level", "code"),
    [
        (SupportLevel.UNSUPPORTED, ReasonCode.UNSUPPORTED_BY_PLATFORM),
        (SupportLevel.MISSING_SCOPE, ReasonCode.MISSING_SCOPE),
    ],
)
def test_what_the_store_cannot_do_is_not_possible(level: SupportLevel, code: ReasonCode) -> None:
    may = _may(order(Goods(delivered=ago(days=1))), RETURN, support=can(RETURN, level))
    assert (may.next, may.support, may.decision.reasons[0].code) == (NextStep.NOT_POSSIBLE, level, code)


def test_while_something_is_under_way_nothing_else_is_possible() -> None:
    may = _may(order(Goods(delivered=ago(days=1))), RETURN, active=True)
    assert may.next is NextStep.NOT_POSSIBLE
    assert may.decision.reasons[0].customer_message == "Something is already under way here."


def test_others_than_staff_hear_the_neutral_sentence_here_too() -> None:
    dear = order(Goods(price="500.00", delivered=ago(days=1)))
    may = _may(dear.lines[0], RETURN, viewer=SHOPPER)
    assert may.next is NextStep.REQUEST_APPROVAL
    assert may.decision.reasons[0].code is ReasonCode.OTHER
    assert may.decision.reasons[0].facts == []


# ------------------------------------------------------------------ refunds


REFUND = ActionKind.REFUND_ORDER
REFUNDS = """
policy: p
stores: [us, eu]
rules:
  - {id: refunds, action: REFUND_ORDER, then: ALLOW}
"""
CAP = "  - {id: cap, action: REFUND_ORDER, limit: {request: {USD: 100, EUR: 90}}, over: REVIEW}\n"


def _refund(of: Order, processor: PolicyProcessor, **more: Any) -> Eligibility:
    return _may(of, REFUND, processor, **{"min_assurance": AssuranceLevel.STAFF, **more})


def test_a_refund_that_is_the_same_for_every_amount_is_one_click_away(tmp_path: Path) -> None:
    free = load(REFUNDS, tmp_path)
    may = _refund(order(Goods(price="80.00"), refunded="30.00"), free)
    assert (may.next, may.depends_on) == (NextStep.CONFIRM, [])
    assert may.quote is not None
    assert str(may.quote.total.amount) == "50.00"


def test_a_refund_that_a_limit_holds_back_depends_on_the_amount(tmp_path: Path) -> None:
    capped = load(REFUNDS + CAP, tmp_path)
    may = _refund(order(Goods(price="150.00")), capped)
    assert (may.next, may.depends_on) == (NextStep.ASK_DETAILS, [RequestFact.AMOUNT])
    assert may.decision.verdict is Verdict.ALLOW
    assert may.quote is not None
    assert str(may.quote.total.amount) == "150.00"
    assert _refund(order(Goods(price="100.00")), capped).next is NextStep.CONFIRM
    spent = History(refund_total_90d={"USD": Decimal(100)})
    over = load(REFUNDS + CAP.replace("request:", "customer_90d:"), tmp_path, "over.yaml")
    assert _refund(order(Goods(price="150.00")), over, history=spent).next is NextStep.REQUEST_APPROVAL


def test_where_nothing_is_left_a_refund_is_not_possible(tmp_path: Path) -> None:
    free = load(REFUNDS, tmp_path)
    for gone in (order(Goods(), captured="0"), order(Goods(), refunded="40.00")):
        may = _refund(gone, free)
        assert (may.next, may.quote) == (NextStep.NOT_POSSIBLE, None)
        assert [reason.code for reason in may.decision.reasons] == [ReasonCode.NOTHING_LEFT]
    ours = _refund(order(Goods()), free, paid_here=Decimal(40))
    assert ours.decision.reasons[0].code is ReasonCode.NOTHING_LEFT


def test_the_most_a_refund_is_quoted_for_is_the_most_that_is_not_refused(tmp_path: Path) -> None:
    strict = load(REFUNDS + CAP.replace("REVIEW", "DENY").replace("cap", "hard-cap"), tmp_path)
    may = _refund(order(Goods(price="150.00")), strict)
    assert (may.next, may.depends_on) == (NextStep.ASK_DETAILS, [RequestFact.AMOUNT])
    assert may.quote is not None
    assert str(may.quote.total.amount) == "100.00"


def test_others_than_staff_prove_who_they_are_before_a_refund(tmp_path: Path) -> None:
    free = load(REFUNDS, tmp_path)
    may = _refund(order(Goods()), free, viewer=SHOPPER)
    assert (may.next, may.required_assurance) == (NextStep.VERIFY_IDENTITY, AssuranceLevel.STAFF)


def test_which_lines_are_paid_back_matters_where_a_rule_asks_for_lines(tmp_path: Path) -> None:
    final = load(
        REFUNDS + "  - {id: final, action: REFUND_ORDER, for: {tags: [final-sale]}, then: DENY, code: FINAL_SALE}\n",
        tmp_path,
    )
    two = order(Goods(native="1"), Goods(native="2", tags=["final-sale"]))
    may = _refund(two, final)
    assert (may.next, may.depends_on) == (NextStep.ASK_DETAILS, [RequestFact.QUANTITY])
    one = _refund(order(Goods(tags=["final-sale"])), final)
    assert (one.next, one.decision.reasons[0].code) == (NextStep.NOT_POSSIBLE, ReasonCode.FINAL_SALE)


def test_where_nobody_can_tell_at_which_amount_the_answer_turns_it_is_asked_for(tmp_path: Path) -> None:
    odd = load(
        "policy: p\nstores: [us]\nrules:\n"
        "  - {id: odd, action: REFUND_ORDER, when: request.amount * 2.0 == order.total, then: ALLOW}\n",
        tmp_path,
    )
    may = _refund(order(Goods(price="40.00")), odd)
    assert (may.next, may.depends_on) == (NextStep.ASK_DETAILS, [RequestFact.AMOUNT])


def test_an_order_is_decided_for_a_refund_from_its_head(tmp_path: Path) -> None:
    head = order(Goods(price="80.00"))
    for part in ("lines", "fulfillments", "returns", "refunds"):
        delattr(head, part)
    assert _refund(head, load(REFUNDS + CAP, tmp_path)).next is NextStep.CONFIRM


# ------------------------------------------------------------------ it agrees with the decision


def _returns(of: Order, lines: list[OrderLine], resolutions: list[RequestedResolution]) -> Iterator[Asked]:
    """Every return of some of the lines, one reason and condition for all."""
    choices = [range(returnable(line) + 1 if returnable(line) else 2) for line in lines]
    for quantities in itertools.product(*choices):
        if not any(quantities):
            continue
        for reason, condition, resolution in itertools.product(
            ReturnReason, [None, ItemCondition.OPENED, ItemCondition.UNOPENED, ItemCondition.USED], resolutions
        ):
            rows = tuple(
                AskedLine(line, quantity, reason, condition)
                for line, quantity in zip(lines, quantities, strict=True)
                if quantity
            )
            yield Asked(RETURN, of.source.store, order=of, lines=rows, resolution=resolution)


def _agrees(may: Eligibility, asks: Iterator[Asked], processor: PolicyProcessor, history: History) -> None:
    if may.next is NextStep.NOT_POSSIBLE:
        told = {reason.code for reason in may.decision.reasons}
        for ask in asks:
            decision = processor.decide(ask, history, STAFF, NOW)
            assert decision.verdict is Verdict.DENY, ask
            denials = {each.code for each in decision.reasons}
            first = may.decision.reasons[0].code in denials or decision.reasons[0].code in told
            assert first or (isinstance(ask.order, Order) and len(ask.order.lines) > 1 and denials & told)
    elif may.next is NextStep.CONFIRM and not may.depends_on:
        for ask in asks:
            assert processor.decide(ask, history, STAFF, NOW).verdict is Verdict.ALLOW, ask
    elif may.next is NextStep.REQUEST_APPROVAL:
        for ask in asks:
            assert processor.decide(ask, history, STAFF, NOW).verdict is Verdict.REVIEW, ask


_OFFERED = {"fashion": [RequestedResolution.REFUND, RequestedResolution.STORE_CREDIT]}
_OFFERED["acme"] = _OFFERED["fashion"]
_QUIET = settings(
    deadline=None, max_examples=40, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)


@_QUIET
@given(of=orders(), name=st.sampled_from(["fashion", "electronics", "grocery", "acme"]), data=st.data())
def test_eligibility_of_a_line_agrees_with_every_request(of: Order, name: str, data: st.DataObject) -> None:
    line = data.draw(st.sampled_from(of.lines))
    processor = POLICIES[name]
    offered = _OFFERED.get(name, [RequestedResolution.REFUND])
    _agrees(_may(line, RETURN, processor), _returns(of, [line], offered), processor, NOBODY_YET)


@_QUIET
@given(of=orders(), name=st.sampled_from(["fashion", "electronics", "grocery", "acme"]))
def test_eligibility_of_an_order_agrees_with_every_return(of: Order, name: str) -> None:
    processor = POLICIES[name]
    offered = _OFFERED.get(name, [RequestedResolution.REFUND])
    some = itertools.islice(_returns(of, of.lines, offered), 0, None, 7)
    _agrees(_may(of, RETURN, processor), iter(some), processor, NOBODY_YET)


@_QUIET
@given(of=orders(), name=st.sampled_from(["fashion", "electronics", "grocery", "acme"]))
def test_eligibility_of_a_cancellation_agrees_with_it(of: Order, name: str) -> None:
    ask = Asked(CANCEL, of.source.store, order=of)
    _agrees(_may(of, CANCEL, POLICIES[name]), iter([ask]), POLICIES[name], NOBODY_YET)


_RULES = [
    CAP,
    CAP.replace("REVIEW", "DENY").replace("cap", "hard-cap"),
    "  - {id: customer, action: REFUND_ORDER, limit: {customer_90d: {USD: 60, EUR: 60}}, over: DENY}\n",
    "  - {id: final, action: REFUND_ORDER, for: {tags: [final-sale]}, then: DENY, code: FINAL_SALE}\n",
    "  - {id: lines, action: REFUND_ORDER, per: line, limit: {request: {USD: 30, EUR: 20}}, over: DENY}\n",
    "  - {id: small, action: REFUND_ORDER, for: {stores: [us]}, when: request.amount < 12.5, then: REVIEW}\n",
    "  - {id: exact, action: REFUND_ORDER, for: {stores: [us]}, unless: 40.0 == request.amount, then: DENY}\n",
    "  - {id: half, action: REFUND_ORDER, for: {stores: [us]}, when: order.total < 2.0 * request.amount, then: DENY}\n",
    "  - {id: sent, action: REFUND_ORDER, window: {days: 30, from: FULFILLED}, on_miss: DENY}\n",
]


@pytest.fixture(scope="module")
def refund_policies(tmp_path_factory: pytest.TempPathFactory) -> dict[frozenset[int], PolicyProcessor]:
    folder = tmp_path_factory.mktemp("refunds")
    places = [frozenset(pair) for pair in itertools.product(range(len(_RULES)), repeat=2)]
    return {chosen: load(REFUNDS + "".join(_RULES[place] for place in sorted(chosen)), folder) for chosen in {*places}}


@_QUIET
@given(
    of=orders(),
    rules=st.frozensets(st.integers(0, len(_RULES) - 1), min_size=1, max_size=2),
    spent=st.sampled_from([0, 30, 60]),
    data=st.data(),
)
def test_eligibility_of_a_refund_agrees_with_every_refund(
    of: Order,
    rules: frozenset[int],
    spent: int,
    data: st.DataObject,
    refund_policies: dict[frozenset[int], PolicyProcessor],
) -> None:
    processor = refund_policies[rules]
    history = History(refund_total_90d={code: Decimal(spent) for code in ("USD", "EUR")})
    left = of.totals.refundable.presentment
    unit = Decimal("0.01")
    amounts = {unit, left.amount, data.draw(st.decimals(unit, max(left.amount, unit), places=2))}
    rate = of.totals.total.presentment.amount / (of.totals.total.shop.amount or 1)
    for turn in (Decimal("12.5"), 20, 30, 40, 60, 90, 100):
        near = (turn * rate).quantize(unit)
        amounts |= {near - unit, near, near + unit}
    named = [(), *(tuple(AskedLine(line, 1) for line in some) for some in ([each] for each in of.lines)), tuple(
        AskedLine(line, 1) for line in of.lines
    )]  # fmt: skip
    asks = (
        Asked(REFUND, of.source.store, order=of, amount=Money.of(amount, left.currency_code), lines=lines)
        for amount in sorted(amounts)
        if unit <= amount <= max(left.amount, unit)
        for lines in named
        if all(row.line.quantity.refundable != 0 for row in lines)
    )
    _agrees(_refund(of, processor, history=history), asks, processor, history)


@_QUIET
@given(
    contract=SUBSCRIPTIONS,
    kind=st.sampled_from([PAUSE, ActionKind.RESUME_SUBSCRIPTION, ActionKind.CANCEL_SUBSCRIPTION]),
    name=st.sampled_from(["subscription-box", "acme"]),
    needs_until=st.booleans(),
)
def test_eligibility_of_a_subscription_agrees_with_every_request(
    contract: Subscription, kind: ActionKind, name: str, needs_until: bool
) -> None:
    untils: list[date | None] = [None]
    if kind is PAUSE:
        untils = [date(2026, 6, 15) + timedelta(days=n) for n in (1, 7, 29, 30, 31, 32, 59, 60, 61, 90, 91, 400)]
        untils += [] if needs_until else [None]
    asks = (Asked(kind, contract.source.store, subscription=contract, until=until) for until in untils)
    _agrees(_may(contract, kind, POLICIES[name], needs_until=needs_until), asks, POLICIES[name], NOBODY_YET)
