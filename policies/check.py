"""What a merchant can ask about their policy before it is in force: mistakes, remarks, cases, facts, and the sums."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from platforms.base import Operation, Platform
from policies.asked import Asked, History
from policies.document import StoreLike, read_policies
from policies.errors import PolicyError, PolicyIssue
from policies.facts import FACTS, Audience, GivenFacts, parse_value
from policies.judge import Judgement, judge
from policies.policy import Case, Policy
from policies.processor import PolicyProcessor, zone_of
from policies.remarks import remarks_on
from schema.policy import Decision, DecisionReason
from schema.vocabulary import ActionKind, Verdict


@dataclass(frozen=True, slots=True)
class Report:
    """What is wrong with policy files, and what is worth a second look."""

    policies: tuple[Policy, ...]
    #: With any of these the policy is not used.
    mistakes: tuple[PolicyIssue, ...]
    remarks: tuple[PolicyIssue, ...]

    @property
    def usable(self) -> bool:
        return not self.mistakes


def check(path: str | Path, stores: Mapping[str, StoreLike]) -> Report:
    """Look through policy files as loading does, and for what loads but may not be meant."""
    try:
        policies = read_policies(Path(path), stores)
    except PolicyError as error:
        return Report((), error.issues, ())
    remarks = [remark for policy in policies for remark in remarks_on(policy)]
    return Report(policies, (), tuple(sorted(remarks)))


# ------------------------------------------------------------------------------------------------ cases


@dataclass(frozen=True, slots=True)
class CaseResult:
    """How one written case came out. `differences` is empty where it came out as expected."""

    policy: str
    file: str
    case: Case
    verdict: Verdict
    differences: tuple[str, ...]

    @property
    def ok(self) -> bool:
        return not self.differences


def run_cases(processor: PolicyProcessor) -> list[CaseResult]:
    """Decide every case of every loaded policy."""
    return [_run(policy, case, processor) for policy in processor.policies for case in policy.cases]


def judge_case(policy: Policy, case: Case, stores: Mapping[str, StoreLike]) -> Judgement:
    """What the policy says of a case: the same rules over facts that were written instead of read."""
    store = stores[case.store]
    zone = case.given.get("store.time_zone", store.time_zone)
    currency = str(store.currency_code)
    facts = GivenFacts(None, History(), None, case.now, zone_of(zone), currency)
    facts.kind = case.kind
    facts.update({"store.id": case.store, "store.time_zone": zone, "store.currency": currency})
    if case.kind is ActionKind.CANCEL_ORDER and "order.fulfillment_status" not in case.given:
        spec = FACTS["order.fulfillment_status"]
        facts["order.fulfillment_status"] = parse_value(spec, "UNFULFILLED", currency)
    if case.kind is ActionKind.RESUME_SUBSCRIPTION and "subscription.status" not in case.given:
        facts["subscription.status"] = parse_value(FACTS["subscription.status"], "PAUSED", currency)
    facts.update(case.given)
    of_lines = case.kind is ActionKind.RETURN_ORDER or any(rule.per_line for rule in policy.rules_of(case.kind))
    return judge(policy, case.kind, facts, [facts] if of_lines else [])


def _run(policy: Policy, case: Case, processor: PolicyProcessor) -> CaseResult:
    found = judge_case(policy, case, processor.stores)
    expect, differences = case.expect, list[str]()
    deciding = [finding for finding in found.findings if finding.verdict is found.verdict]
    if found.verdict is not expect.verdict:
        says = ", ".join(f"{each.rule.id if each.rule else 'built-in'} {each.code.name}" for each in deciding)
        differences.append(f"expected {expect.verdict.name}, came out {found.verdict.name} by {says}")
    ids = [each.rule.id if each.rule else "built-in" for each in deciding]
    if expect.rule is not None and expect.rule not in ids:
        differences.append(f"expected the rule {expect.rule}, decided by {', '.join(ids)}")
    codes = [each.code for each in deciding if expect.rule in (None, each.rule.id if each.rule else "built-in")]
    if expect.code is not None and expect.code not in codes:
        differences.append(f"expected {expect.code.name}, came out {', '.join(code.name for code in codes)}")
    if expect.fee is not None:
        fees = [f"{charge.amount.amount} {charge.amount.currency_code}" for _, charge in found.charges]
        if expect.fee not in fees:
            differences.append(f"expected a fee of {expect.fee}, came out {', '.join(fees) or 'none'}")
    if expect.shadow is not None and expect.shadow not in [each.rule.id for each in found.shadow if each.rule]:
        differences.append(f"expected {expect.shadow} to fire on trial")
    return CaseResult(policy.name, policy.file, case, found.verdict, tuple(differences))


# ------------------------------------------------------------------------------------------------ facts


_SUBJECTS: Mapping[Operation, frozenset[str]] = {
    Operation.ORDERS: frozenset({"order", "line"}),
    Operation.SUBSCRIPTIONS: frozenset({"subscription"}),
}


@dataclass(frozen=True, slots=True)
class FactRow:
    """One line of the table of facts."""

    name: str
    type: str
    description: str
    source: str
    example: str
    staff_only: bool
    claim: bool
    #: Whether a store can know it, by the store's id.
    stores: Mapping[str, bool]


def never_known(platform: Platform) -> frozenset[str]:
    """The facts that a store of this platform never knows: its own gaps, and all of what it does not sell."""
    absent = set(platform.never_known)
    for operation, subjects in _SUBJECTS.items():
        if not platform.supports(operation):
            absent.update(name for name in FACTS if name.partition(".")[0] in subjects)
    return frozenset(absent)


def facts_table(never_known: Mapping[str, Collection[str]]) -> list[FactRow]:
    """Every fact, with which store never knows it; `never_known` has the names by store id."""
    return [
        FactRow(
            name=spec.name,
            type=spec.type_name,
            description=spec.description,
            source=spec.source,
            example=spec.example,
            staff_only=spec.audience is Audience.STAFF,
            claim=spec.claim,
            stores={store: spec.name not in names for store, names in never_known.items()},
        )
        for spec in FACTS.values()
    ]


# ------------------------------------------------------------------------------------------------ in words


def explain(decision: Decision, asked: Asked) -> list[str]:
    """A decision with its arithmetic, line by line, for a person."""
    what = asked.kind.name.replace("_", " ").lower()
    subject = f"order {asked.order.number}" if asked.order is not None else f"subscription {asked.subject.id}"
    lines = [
        f"{decision.verdict.name}: {what}, {subject}, store {asked.store.key}",
        f"policy {decision.policy.name} ({decision.policy.digest[:12] or 'no file'}), "
        f"decided {decision.decided_at.isoformat(timespec='seconds')}",
    ]
    for row in asked.lines:
        said = ", ".join(
            word.name for word in (row.reason, row.condition) if word is not None
        )  # what the asker says is a claim
        lines.append(f"asked: {row.quantity} x {row.line.title}" + (f" ({said}, as the asker says)" if said else ""))
    for reason in decision.reasons:
        lines += _explained(reason)
    for condition in decision.conditions:
        money = f": {condition.amount.amount} {condition.amount.currency_code}" if condition.amount else ""
        lines.append(f"+ {condition.kind.name}{money}: {condition.text}")
    if decision.allowed_until is not None:
        end = "allowed until" if decision.verdict is Verdict.ALLOW else "was allowed until"
        lines.append(f"{end} {decision.allowed_until.isoformat()}")
    for each in decision.alternatives:
        lines.append(f"> instead: {each.label}")
    if decision.approver is not None:
        lines.append(f"approved by: {decision.approver}, within {decision.expires_hours} hours")
    for reason in decision.shadow_reasons:
        lines += [f"on trial, without effect: {line}" for line in _explained(reason)]
    return lines


def _explained(reason: DecisionReason) -> list[str]:
    about = f" [{reason.line.title}]" if reason.line is not None else ""
    lines = [f"- {reason.rule} {reason.code.name}{about}: {reason.customer_message}"]
    for fact in reason.facts:
        value = fact.value if fact.known else "not known"
        notes = [fact.basis.name] if fact.basis is not None else []
        if fact.estimated:
            notes.append("estimated")
        if fact.name in FACTS and FACTS[fact.name].claim:
            notes.append("as the asker says")
        lines.append(f"    {fact.name} = {value}" + (f" ({', '.join(notes)})" if notes else ""))
    return lines
