"""What is not known, or cannot be worked out, never allows anything."""

from __future__ import annotations

from pathlib import Path

import pytest

from policies.check import judge_case
from policies.facts import FACTS, UNKNOWN
from policies.policy import Case, Policy
from policies.processor import PolicyProcessor
from schema.vocabulary import ReasonCode, Verdict
from tests.policies.nouns import ACME, EXAMPLES, NOBODY_YET, NOW, STAFF, STORES, Goods, ago, asked_return, load, order

POLICIES = [
    policy
    for file in sorted([*EXAMPLES.glob("*.yaml"), ACME])
    for policy in PolicyProcessor.load(file, STORES).policies
]
#: A window whose first event is not known counts from the next one of its chain: that is written in the rule.
STANDS_IN = {"line.delivered_at", "line.fulfilled_at"}
#: Many stores tell neither, and are not held back for it.
NOT_TOLD = {"order.payment_status", "line.returned", "line.fulfilled"}
REFUSED = [(policy, case) for policy in POLICIES for case in policy.cases if case.expect.verdict is not Verdict.ALLOW]


@pytest.mark.parametrize(("policy", "case"), REFUSED, ids=lambda each: getattr(each, "name", ""))
def test_knowing_less_never_turns_a_refusal_into_a_permission(policy: Policy, case: Case) -> None:
    for name in FACTS:
        spec = FACTS[name]
        if case.kind not in spec.actions or spec.window_only or name in STANDS_IN | NOT_TOLD:
            continue
        if name in ("request.resolution", "request.refund") or name.startswith("store."):
            continue  # always known: the mutation or the configuration says it
        less = Case(case.name, case.now, case.store, case.kind, {**case.given, name: UNKNOWN}, case.expect, case.line)
        assert judge_case(policy, less, STORES).verdict is not Verdict.ALLOW, name


@pytest.mark.parametrize("condition", ["line.quantity / 0 == 1", "line.tags[5] == 'x'", "line.sku == 'x'"])
@pytest.mark.parametrize(
    ("rule", "verdict"),
    [
        ("when: {c}, then: ALLOW", Verdict.REVIEW),
        ("unless: {c}, then: ALLOW", Verdict.REVIEW),
        ("when: {c}, then: ALLOW, on_unknown: DENY", Verdict.DENY),
        ("when: {c}, window: {{days: 30, from: DELIVERED}}", Verdict.REVIEW),
    ],
)
def test_a_permission_that_cannot_be_worked_out_is_none(
    rule: str, verdict: Verdict, condition: str, tmp_path: Path
) -> None:
    processor = load(
        "policy: p\nstores: [us]\nrules:\n  - {id: r, action: RETURN_ORDER, " + rule.format(c=f'"{condition}"') + "}\n",
        tmp_path,
    )
    decision = processor.decide(asked_return(order(Goods(delivered=ago(days=1)))), NOBODY_YET, STAFF, NOW)
    assert (decision.verdict, decision.reasons[0].code) == (verdict, ReasonCode.FACT_MISSING)


@pytest.mark.parametrize("condition", ["line.quantity / 0 == 1", "line.tags[5] == 'x'", "line.sku == 'x'"])
@pytest.mark.parametrize(
    "rule",
    [
        "when: {c}, then: DENY",
        "unless: {c}, then: DENY",
        "when: {c}, limit: {{request: 1}}, over: DENY",
        "when: {c}, then: {{fee: RESTOCKING_FEE, percent: 10}}",
    ],
)
def test_a_refusal_or_a_fee_that_cannot_be_worked_out_is_not_passed_over(
    rule: str, condition: str, tmp_path: Path
) -> None:
    processor = load(
        "policy: p\nstores: [us]\nrules:\n  - {id: ok, action: RETURN_ORDER, then: ALLOW}\n"
        "  - {id: r, action: RETURN_ORDER, " + rule.format(c=f'"{condition}"') + "}\n",
        tmp_path,
    )
    decision = processor.decide(asked_return(order(Goods(delivered=ago(days=1)))), NOBODY_YET, STAFF, NOW)
    assert (decision.verdict, decision.reasons[0].rule) == (Verdict.REVIEW, "r")


def test_a_fee_whose_waiver_is_not_known_is_kept(tmp_path: Path) -> None:
    processor = load(
        "policy: p\nstores: [us]\nrules:\n  - {id: ok, action: RETURN_ORDER, then: ALLOW}\n"
        "  - {id: r, action: RETURN_ORDER, then: {fee: RESTOCKING_FEE, percent: 10, waive_when: line.sku == 'x'}}\n",
        tmp_path,
    )
    decision = processor.decide(asked_return(order(Goods(delivered=ago(days=1)))), NOBODY_YET, STAFF, NOW)
    assert decision.verdict is Verdict.ALLOW
    assert len(decision.conditions) == 1
