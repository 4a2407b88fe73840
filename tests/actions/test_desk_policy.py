"""The desk under a real policy file: what the rules say is what is done, recorded and told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from policies.processor import PolicyProcessor
from schema.vocabulary import ActionKind, ActionState, ProblemCode
from tests.actions.shop import ADA, CLEO, BareAdapter, World, cancelling, customer, ending, pausing, returning

RULES = """
policy: acme
stores: [shop]
rules:
  - id: returns
    action: RETURN_ORDER
    per: line
    window: {days: 30, from: ORDERED}
  - id: one-unit
    action: RETURN_ORDER
    per: line
    when: request.quantity > 1
    then: DENY
    code: OTHER
    say: "One unit of {line.title} at a time."
  - id: money
    action: [RETURN_ORDER, CANCEL_ORDER]
    limit: {customer_90d: {EUR: 60}}
    over: REVIEW
    approver: support-lead
    audience: staff
  - {id: cancelling, action: CANCEL_ORDER, then: ALLOW}
"""

RETURN = ActionKind.RETURN_ORDER


@pytest.fixture
async def desk(shop: World, tmp_path: Path) -> Any:
    path = tmp_path / "acme.yaml"
    path.write_text(RULES, encoding="utf-8")
    desk = await shop.desk(BareAdapter)
    stores = {key: platform.store for key, platform in desk.platforms.items()}
    desk.decider = PolicyProcessor.load(path, stores)
    return desk


async def test_an_allowed_return_is_made_with_the_policys_quote(shop: World, desk: Any) -> None:
    answer = await shop.at(desk, customer(ADA)).ask(RETURN, returning(), "k1")
    assert (answer.problem, answer.action.state) == (None, ActionState.SUCCEEDED)
    assert answer.quote == answer.action.quote
    assert answer.action.decision.policy.digest == desk.decider.digest
    assert len(shop.shop.writes) == 1


async def test_a_denied_return_tells_the_rule_and_sends_nothing(shop: World, desk: Any) -> None:
    answer = await shop.at(desk, customer(ADA)).ask(RETURN, returning(2), "k1")
    assert answer.problem.code is ProblemCode.POLICY_DENIED
    assert answer.problem.customer_message == "One unit of Linen Shirt at a time."
    assert answer.problem.decision.reasons[0].line is answer.order.lines[0]
    again = await shop.at(desk, customer(ADA)).ask(RETURN, returning(2), "k1")
    assert again.replayed
    assert again.problem.decision.reasons[0].facts == answer.problem.decision.reasons[0].facts
    assert shop.shop.writes == []


@pytest.mark.parametrize(
    ("kind", "given"),
    [(ActionKind.PAUSE_SUBSCRIPTION, "pause"), (ActionKind.CANCEL_SUBSCRIPTION, "end")],
)
async def test_what_no_rule_allows_is_denied(shop: World, desk: Any, kind: ActionKind, given: str) -> None:
    asked = ending() if given == "end" else pausing(shop.shop.next_bill)
    answer = await shop.at(desk).ask(kind, asked, "k1")
    assert answer.problem.code is ProblemCode.POLICY_DENIED
    assert shop.shop.writes == []


async def test_more_units_than_the_line_has_are_denied_by_the_gateway_itself(shop: World, desk: Any) -> None:
    assert (await shop.at(desk).ask(RETURN, returning(line="12"), "k1")).problem is None
    answer = await shop.at(desk).ask(RETURN, returning(line="12"), "k2")
    assert answer.problem.code is ProblemCode.POLICY_DENIED
    assert answer.problem.decision.reasons[0].rule == "built-in"
    assert len(shop.shop.writes) == 1


async def test_the_counters_of_the_ledger_reach_the_rules_and_their_reason_is_staffs(shop: World, desk: Any) -> None:
    shop.shop.orders["1"]["left"] = shop.shop.orders["3"]["left"] = "500.00"
    ada = shop.at(desk, customer(ADA))
    assert (await ada.ask(RETURN, returning(), "k1")).problem is None
    answer = await ada.ask(RETURN, returning(order="3"), "k2")
    assert answer.action.state is ActionState.AWAITING_APPROVAL
    assert answer.problem.required_role == "support-lead"
    assert answer.problem.decision.reasons[0].rule == "withheld"
    full = await shop.at(desk).action(answer.action.id)
    assert full.decision.reasons[0].rule == "money"
    other = await shop.at(desk, customer(CLEO)).ask(RETURN, returning(order="2"), "k1")
    assert other.problem is None


async def test_a_cancelled_order_is_not_cancelled_again_under_another_key(shop: World, desk: Any) -> None:
    shop.shop.orders["1"]["left"] = "50.00"
    assert (await shop.at(desk).ask(ActionKind.CANCEL_ORDER, cancelling(), "k1")).problem is None
    again = await shop.at(desk).ask(ActionKind.CANCEL_ORDER, cancelling(), "k2")
    assert again.problem.code is ProblemCode.POLICY_DENIED
    assert len(shop.shop.writes) == 1
