"""Refunds: what may be asked, what the caps leave, and what is paid once and only once."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from platforms.base import Platform
from policies.processor import PolicyProcessor
from schema.inputs import RefundLineInput
from schema.scalars import CurrencyCode
from schema.vocabulary import (
    ActionKind,
    ActionState,
    AssuranceLevel,
    ProblemCode,
    ReasonCode,
    RefundChoice,
    Verdict,
)
from tests.actions.shop import ADA, CLEO, Rules, ShopAdapter, World, always, customer, refunding

REFUND = ActionKind.REFUND_ORDER

RULES = """
policy: acme
stores: [shop]
rules:
  - {id: refunds, action: REFUND_ORDER, then: ALLOW}
  - {id: cancelling, action: CANCEL_ORDER, then: ALLOW}
"""


def paid(shop: World, order: str = "1") -> list[str]:
    return [refund["amount"] for refund in shop.shop.orders[order]["refunds"]]


@pytest.fixture
async def desk(shop: World, tmp_path: Path) -> Any:
    path = tmp_path / "acme.yaml"
    path.write_text(RULES, encoding="utf-8")
    desk = await shop.desk()
    desk.decider = PolicyProcessor.load(path, {key: each.store for key, each in desk.platforms.items()})
    return desk


async def test_an_amount_is_paid_back_once_and_the_payload_has_the_refund(shop: World, desk: Any) -> None:
    answer = await shop.at(desk).ask(REFUND, refunding("10.00"), "k1")
    assert (answer.problem, answer.action.state) == (None, ActionState.SUCCEEDED)
    assert answer.refund.amount.presentment.amount == Decimal("10.00")
    assert answer.order.totals.refundable.presentment.amount == Decimal("85.00")
    assert answer.action.summary == "Refund 10.00 EUR of order 1001"
    assert answer.action.quote.total.amount == Decimal("10.00")
    again = await shop.at(desk).ask(REFUND, refunding("10.00"), "k1")
    assert (again.replayed, again.action.id, again.refund.id) == (True, answer.action.id, answer.refund.id)
    assert paid(shop) == ["10.00"]


async def test_lines_are_paid_for_what_the_store_says_they_come_to(shop: World, desk: Any) -> None:
    lines = [RefundLineInput(line_id="OrderLine:shop:1:11", quantity=2)]
    answer = await shop.at(desk).ask(REFUND, refunding(None, lines=lines), "k1")
    assert answer.action.state is ActionState.SUCCEEDED
    assert answer.action.summary == "Refund 80 EUR of order 1001 for 2 × Linen Shirt"
    assert paid(shop) == ["80"]
    request = await shop.at(desk).request_of(answer.action)
    assert [(line.line.title, line.quantity, line.reason) for line in request.lines] == [("Linen Shirt", 2, None)]
    assert (request.amount.amount, request.reason) == (Decimal(80), "Damaged")


async def test_two_refunds_of_one_amount_both_succeed_until_the_cap_refuses_the_next(shop: World, desk: Any) -> None:
    one = await shop.at(desk).ask(REFUND, refunding("40.00"), "k1")
    two = await shop.at(desk).ask(REFUND, refunding("40.00"), "k2")
    assert (one.problem, two.problem) == (None, None)
    assert one.refund.id != two.refund.id
    three = await shop.at(desk).ask(REFUND, refunding("40.00"), "k3")
    assert three.problem.code is ProblemCode.POLICY_DENIED
    assert three.problem.decision.reasons[0].code is ReasonCode.ALREADY_REFUNDED
    assert paid(shop) == ["40.00", "40.00"]
    assert len(shop.shop.writes) == 2


async def test_what_the_store_does_not_show_yet_counts_as_paid(shop: World, desk: Any) -> None:
    await shop.at(desk).ask(REFUND, refunding("60.00"), "k1")
    # The store forgets it: its own figures would let all of it be paid again.
    shop.shop.orders["1"] |= {"refunds": [], "left": "95.00"}
    answer = await shop.at(desk).ask(REFUND, refunding("60.00"), "k2")
    assert answer.problem.code is ProblemCode.POLICY_DENIED
    assert (await shop.at(desk).ask(REFUND, refunding("35.00"), "k3")).problem is None


async def test_a_refund_whose_answer_was_lost_is_found_and_not_paid_again(shop: World, desk: Any) -> None:
    shop.faults.set("drop-after")
    answer = await shop.at(desk).ask(REFUND, refunding("10.00"), "k1")
    assert answer.action.state is ActionState.UNKNOWN
    shop.faults.set()
    await shop.sweep(desk)
    found = await shop.at(desk).ask(REFUND, refunding("10.00"), "k1")
    assert (found.action.state, paid(shop)) == (ActionState.SUCCEEDED, ["10.00"])
    assert found.refund.id == f"Refund:shop:1:{found.action.native_reference}"


async def test_a_lost_refund_is_told_from_an_earlier_one_of_the_same_amount(shop: World, desk: Any) -> None:
    await shop.at(desk).ask(REFUND, refunding("10.00"), "k1")
    shop.faults.set("500")
    await shop.at(desk).ask(REFUND, refunding("10.00"), "k2")
    shop.faults.set()
    assert paid(shop) == ["10.00"]
    await shop.sweep(desk)
    again = await shop.at(desk).ask(REFUND, refunding("10.00"), "k2")
    assert (again.action.state, paid(shop)) == (ActionState.SUCCEEDED, ["10.00", "10.00"])


async def test_nothing_is_sent_again_while_the_store_shows_somebody_elses_refund(shop: World, desk: Any) -> None:
    shop.faults.set("500")
    await shop.at(desk).ask(REFUND, refunding("10.00"), "k1")
    shop.faults.set()
    shop.shop.pay("1", "12.00")
    for _ in range(5):
        await shop.sweep(desk)
    answer = await shop.at(desk).ask(REFUND, refunding("10.00"), "k1")
    assert (answer.action.state, paid(shop)) == (ActionState.UNKNOWN, ["12.00"])


@pytest.mark.parametrize(
    ("change", "path", "word"),
    [
        ({"amount": Decimal("-1")}, "amount", "more than zero"),
        ({"amount": Decimal("0")}, "amount", "more than zero"),
        ({"amount": Decimal("NaN")}, "amount", "more than zero"),
        ({"amount": Decimal("Infinity")}, "amount", "more than zero"),
        ({"amount": Decimal("1.005")}, "amount", "2 digits"),
        ({"amount": Decimal("1e30")}, "amount", "less than"),
        ({"currency_code": CurrencyCode("USD")}, "currencyCode", "paid in EUR"),
        ({"currency_code": CurrencyCode("euro")}, "currencyCode", "capital letters"),
        ({"amount": None}, "amount", "lines, shipping, or an amount"),
        ({"lines": [RefundLineInput(line_id="OrderLine:shop:1:11", quantity=1)]}, "amount", "not both"),
        ({"shipping": True}, "shipping", "stands for itself"),
        ({"destination": RefundChoice.NONE}, "destination", "pays something back"),
        ({"reason": "  "}, "reason", "few words"),
        ({"amount": None, "lines": []}, "lines", "at least one"),
        ({"return_id": "Return:shop:2:9"}, "returnId", "not one of the order"),
        ({"return_id": "nonsense"}, "returnId", "not an id"),
        ({"return_id": "Return:shop:1:9"}, "returnId", "not one of the order"),
    ],
)
async def test_a_refund_that_cannot_be_right_says_where_and_pays_nothing(
    shop: World, desk: Any, change: dict[str, Any], path: str, word: str
) -> None:
    asked = refunding("10.00")
    for name, value in change.items():
        setattr(asked, name, value)
    answer = await shop.at(desk).ask(REFUND, asked, "k1")
    assert answer.problem.code is ProblemCode.INVALID_INPUT
    issues = {issue.path[-1]: issue.message for issue in answer.problem.fields}
    assert word in issues[path]
    assert (paid(shop), shop.shop.writes) == ([], [])
    assert (await shop.at(desk).actions(None, 10)).nodes == []


async def test_a_refund_takes_a_person_of_the_staff(shop: World, desk: Any) -> None:
    answer = await shop.at(desk, customer(ADA)).ask(REFUND, refunding(), "k1")
    assert answer.problem.code is ProblemCode.IDENTITY_INSUFFICIENT
    assert answer.problem.required is AssuranceLevel.STAFF


async def test_another_customers_order_is_none_at_all(shop: World, desk: Any) -> None:
    viewer = customer(CLEO, AssuranceLevel.STAFF)
    answer = await shop.at(desk, viewer).ask(REFUND, refunding(), "k1")
    assert answer.problem.code is ProblemCode.NOT_FOUND


async def test_a_store_that_pays_back_no_lines_says_so_in_its_own_words(shop: World) -> None:
    class SumsOnly(ShopAdapter):
        async def refund_sum(self, ask: Any) -> Any:
            return await Platform.refund_sum(self, ask)

    desk = await shop.desk(SumsOnly)
    lines = [RefundLineInput(line_id="OrderLine:shop:1:11", quantity=1)]
    answer = await shop.at(desk).ask(REFUND, refunding(None, lines=lines), "k1")
    assert (answer.problem.code, answer.problem.message) == (
        ProblemCode.UNSUPPORTED,
        "Tiny does not offer refund order.",
    )


async def test_counters_of_a_customer_count_what_was_refunded(shop: World) -> None:
    shop.rules = Rules(lambda asked, history: Verdict.ALLOW if history.refund_count_90d < 2 else Verdict.DENY)
    desk = await shop.desk()
    for number, (order, verdict) in enumerate((("1", None), ("3", None), ("1", ProblemCode.POLICY_DENIED))):
        answer = await shop.at(desk).ask(REFUND, refunding("5.00", order), f"k{number}")
        assert (answer.problem.code if answer.problem else None) is verdict


async def test_a_refused_refund_has_failed_and_says_so(shop: World) -> None:
    shop.rules = always(Verdict.ALLOW)
    shop.shop.refuses = True
    answer = await (await shop.staff()).ask(REFUND, refunding(), "k1")
    assert (answer.action.state, answer.problem.code) == (ActionState.FAILED, ProblemCode.PLATFORM_REFUSED)
    assert paid(shop) == []
