"""How the findings of all rules become one verdict: the most severe wins, and what nobody allows is refused."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from policies import builtin
from policies.facts import FACTS, STAFF_FACTS, UNSAID, Absent, Audience, Facts, show
from policies.messages import (
    FEE_TEXT,
    NEUTRAL,
    NEUTRAL_REVIEW,
    NO_RULE,
    NOT_OFFERED,
    OF_CODE,
    Say,
    choose,
    show_day,
    show_instant,
    show_money,
    tell,
)
from policies.policy import Policy
from policies.rules import Charge, Finding, Rule, severity
from policies.windows import Counted, days_late
from schema.policy import Condition, DecisionReason, Fact, make_reason
from schema.values import Money
from schema.vocabulary import ActionKind, ReasonCode, RequestedResolution, RequestFact, Verdict

#: What a reason's `rule` reads where its rule is the staff's business.
WITHHELD: Final = "withheld"

#: Decided line by line: what is allowed of one may be refused of another.
_LINE_KINDS: Final = frozenset({ActionKind.RETURN_ORDER})
_WHOLE: Final = "the whole"


@dataclass(slots=True)
class Judgement:
    """One verdict and all that speaks for it, not yet in words. The deciding findings come first."""

    verdict: Verdict
    findings: list[Finding]
    shadow: list[Finding]
    charges: list[tuple[Finding, Charge]]
    until: datetime | None


def judge(
    policy: Policy | None, kind: ActionKind, whole: Facts, lines: Sequence[Facts], *, on_trial: bool = True
) -> Judgement:
    """What the rules and the gateway itself say. `lines` are those asked for; all of them where none is named.

    Without `on_trial`, rules in shadow mode are passed over.
    """
    findings: list[Finding] = []
    shadow: list[Finding] = []
    charges: list[tuple[Finding, Charge]] = []
    if (built_in := of_the_whole(kind, whole)) is not None:
        findings.append(built_in)
    refused = built_in is not None and built_in.verdict is Verdict.DENY
    open_lines: list[Facts] = []
    units: dict[str | None, int] = {}
    for facts in lines:
        if (asked := facts.units) is not None:
            units[facts.line_id] = units.get(facts.line_id, 0) + asked
    for facts in lines if units and not refused else ():
        found = _of_a_line(kind, facts, units[facts.line_id])
        if found is not None:
            findings.append(found)
        if found is None or found.verdict is not Verdict.DENY:
            open_lines.append(facts)
    if not units:
        open_lines = list(lines)
    if not refused and (open_lines or not lines):
        rules = policy.rules_of(kind, on_trial) if policy is not None else ()
        _apply_rules(rules, kind, whole, open_lines, findings, shadow, charges)
    verdict = Verdict.ALLOW
    if findings:
        if len(findings) > 1:
            findings.sort(key=_weight)
        verdict = findings[0].verdict or Verdict.ALLOW
    return Judgement(
        verdict, findings, shadow, charges if verdict is not Verdict.DENY else [], until(verdict, findings)
    )


def _apply_rules(
    rules: Sequence[Rule],
    kind: ActionKind,
    whole: Facts,
    lines: Sequence[Facts],
    findings: list[Finding],
    shadow: list[Finding],
    charges: list[tuple[Finding, Charge]],
) -> None:
    granted_whole = False
    granted: set[int] = set()
    for rule in rules:
        per_request_fee_taken = False
        for place, facts in enumerate(lines) if rule.per_line else ((-1, whole),):
            found = _found_by(rule, facts)
            if found is None:
                continue
            if rule.shadow:
                shadow.append(found)
                continue
            if found.fee is not None:
                if found.fee.line_native_id is None and per_request_fee_taken:
                    continue
                per_request_fee_taken = True
                charges.append((found, found.fee))
                continue
            findings.append(found)
            if found.grants:
                if place < 0:
                    granted_whole = True
                else:
                    granted.add(place)
    if granted_whole:
        return
    by_line = lines and (kind in _LINE_KINDS or any(rule.per_line for rule in rules))
    for place, facts in enumerate(lines) if by_line else ((-1, whole),):
        if place not in granted and not _is_denied(findings, facts, whole):
            findings.append(nothing_allows(kind, facts, whole))
            if kind not in _LINE_KINDS:
                break


def nothing_allows(kind: ActionKind, facts: Facts, whole: Facts) -> Finding:
    """No rule answers what is asked of `facts`: a line of the whole, or the whole itself."""
    wanted = whole["request.resolution"] if kind in _LINE_KINDS else RequestedResolution.REFUND
    return builtin.nothing_allows(kind, facts, NO_RULE if wanted is RequestedResolution.REFUND else NOT_OFFERED)


# Over facts that many requests share, what was found once is found again, as far as it hangs on the same details.


def _found_by(rule: Rule, facts: Facts) -> Finding | None:
    fixed, asks = facts.fixed, rule.asks
    if fixed is None or asks is None:
        return rule.find(facts)
    key = (rule, *[facts[name] for name in asks]) if asks else rule
    known: tuple[Finding | None, frozenset[RequestFact]] | None = fixed.found.get(key)
    if known is None:
        touched = facts.touched
        before = touched.copy()
        touched.clear()
        found = rule.find(facts)
        fixed.found[key] = found, frozenset(touched)
        touched |= before
        return found
    found, waited_for = known
    if waited_for:
        facts.touched |= waited_for
    return found


def of_the_whole(kind: ActionKind, facts: Facts) -> Finding | None:
    """What the gateway itself says against the request as such."""
    fixed = facts.fixed
    if fixed is None or kind not in _LINE_KINDS:
        return builtin.of_the_whole(kind, facts)
    if _WHOLE not in fixed.found:
        fixed.found[_WHOLE] = builtin.of_the_whole(kind, facts)
    found: Finding | None = fixed.found[_WHOLE]
    return found


def _of_a_line(kind: ActionKind, facts: Facts, units: int) -> Finding | None:
    fixed = facts.fixed
    if fixed is None or kind not in _LINE_KINDS:
        return builtin.of_a_line(kind, facts, units)
    key = (units, facts["request.resolution"])
    if key not in fixed.found:
        fixed.found[key] = builtin.of_a_line(kind, facts, units)
    found: Finding | None = fixed.found[key]
    return found


def _is_denied(findings: Iterable[Finding], facts: Facts, whole: Facts) -> bool:
    return any(
        finding.verdict is Verdict.DENY and (_alike(finding.facts, facts) or _alike(finding.facts, whole))
        for finding in findings
    )


def _alike(one: Facts, other: Facts) -> bool:
    return one is other or (one.fixed is not None and one.fixed is other.fixed)


def _weight(finding: Finding) -> int:
    return -severity(finding.verdict)


def until(verdict: Verdict, findings: Sequence[Finding]) -> datetime | None:
    """While ALLOW: the first window to end that has not ended yet: an offer may stand beyond the window it is made for.
    Else the end that was missed, where one decided."""
    ends = [
        found.counted.until
        for found in findings
        if found.counted is not None
        and found.verdict is verdict
        and (verdict is not Verdict.ALLOW or found.counted.until >= found.facts.now)
    ]
    return min(ends, default=None)


# ------------------------------------------------------------------------------------------------ in words


def reason(finding: Finding, locale: str) -> DecisionReason:
    """A finding as the contract shows it, nothing held back: see `as_told_to`."""
    rule = finding.rule
    staff_only = rule is not None and rule.audience is Audience.STAFF
    made = make_reason(  # type: ignore[call-arg] # the message is late
        code=finding.code,
        rule=rule.id if rule is not None else builtin.BUILT_IN,
        line=finding.facts.line,
        staff_only=staff_only,
        may_hold_back=_may_show_staff_facts(finding),
    )
    made.later(_LATE, finding, locale)
    return made


def _may_show_staff_facts(finding: Finding) -> bool:
    """Whether its arithmetic may show facts for staff."""
    if finding.rule is not None and finding.rule.shows_staff_facts:
        return True
    if finding.looked_at and not STAFF_FACTS.isdisjoint(finding.looked_at):
        return True
    return bool(finding.extra) and any(name in STAFF_FACTS for name, _ in finding.extra)


def _told(finding: Finding, locale: str) -> str:
    """The reason in the customer's terms."""
    return _message(finding.say or OF_CODE[finding.code], finding, locale)


def _internal(finding: Finding, locale: str) -> str | None:
    """The reason in the merchant's own terms."""
    if finding.verdict is Verdict.ALLOW:
        return None
    rule, rows = finding.rule, arithmetic(finding)
    sums = "; ".join(f"{row.name} = {row.value if row.known else 'unknown'}" for row in rows)
    what = finding.verdict.name if finding.verdict is not None else "fee"
    why = f" ({finding.open.value})" if finding.open is not None else ""
    return f"{rule.id if rule else builtin.BUILT_IN}: {what} {finding.code.name}{why}" + (f": {sums}" if sums else "")


def _message(say: Say, finding: Finding, locale: str) -> str:
    template = choose(say, locale)
    if not template.names:
        return template.fixed
    return tell(template, finding.facts, _own(finding, locale), locale)


def _own(finding: Finding, locale: str) -> dict[str, str]:
    own: dict[str, Any] = dict(finding.own)
    if (counted := finding.counted) is not None:
        own["days"] = counted.length.count
        own["length"] = counted.length
        own["allowed_until"] = counted
        own["days_late"] = days_late(finding.facts.today, counted.until, finding.facts.zone)
    return {name: _worded(value, finding.facts, locale) for name, value in own.items()}


def _worded(value: Any, facts: Facts, locale: str) -> str:
    if isinstance(value, Counted):
        whole_days = value.length.whole_days or value.by_season
        return (show_day if whole_days else show_instant)(value.until, facts.zone, locale)
    if isinstance(value, Money):
        return show_money(value.amount, value.currency_code, locale)
    return str(value)


def arithmetic(finding: Finding) -> list[Fact]:
    """What was compared, in the order a person would check it."""
    facts, rule, counted = finding.facts, finding.rule, finding.counted
    rows: list[Fact] = []
    seen: set[str] = set()

    def add(name: str) -> None:
        spec = FACTS[name]
        if name in seen or spec.window_only:
            return
        seen.add(name)
        value = facts[name]
        if value is UNSAID:
            return
        known = not isinstance(value, Absent)
        rows.append(Fact(name=name, value=show(value), basis=spec.basis if known else None, known=known))

    if counted is not None:
        seen.add(counted.fact)
        maybe = counted.estimated
        rows.append(Fact(name=counted.fact, value=counted.at.isoformat(), basis=counted.basis, estimated=maybe))
        days = (facts.today - facts.local_date(counted.at)).days
        if days >= 0:
            rows.append(Fact(name="days_since", value=str(days), estimated=maybe))
        if counted.plus_days:
            rows.append(Fact(name="plus_days", value=str(counted.plus_days), estimated=True))
        rows.append(Fact(name="season" if counted.by_season else "window", value=str(counted.length)))
        rows.append(Fact(name="allowed_until", value=counted.until.isoformat(), estimated=maybe))
        rows.append(Fact(name="now", value=facts.now.isoformat()))
        if late := days_late(facts.today, counted.until, facts.zone):
            rows.append(Fact(name="days_late", value=str(late), estimated=maybe))
    if rule is not None:
        for name in rule.named:
            add(name)
        if finding.open is not None:
            for name in rule.counts_from:
                add(name)
    for name in finding.looked_at:
        add(name)
    for name, value in finding.extra:
        if name not in seen:
            rows.append(Fact(name=name, value=show(value)))
    return rows


def _arithmetic(finding: Finding, locale: str) -> list[Fact]:
    return arithmetic(finding)


_LATE: Final = {"customer_message": _told, "facts": _arithmetic, "internal": _internal}


def condition(finding: Finding, charge: Charge, locale: str) -> Condition:
    """A fee as the contract shows it."""
    say = finding.say or FEE_TEXT[charge.kind.name]
    return Condition(
        kind=charge.kind,
        text=_message(say, finding, locale),
        amount=charge.amount,
        percent=charge.percent,
        line_native_id=charge.line_native_id,
    )


def holds_back(reasons: Iterable[DecisionReason]) -> bool:
    """Whether anything of these reasons may be for staff only."""
    return any(each.staff_only or each.may_hold_back for each in reasons)


def told(reasons: Sequence[DecisionReason], verdict: Verdict, locale: str) -> list[DecisionReason]:
    """Reasons as somebody below staff may hear them."""
    found: list[DecisionReason] = []
    for each in reasons:
        if each.staff_only:
            neutral = choose(NEUTRAL if verdict is Verdict.DENY else NEUTRAL_REVIEW, locale).text
            made = make_reason(  # type: ignore[call-arg] # the message is late
                code=ReasonCode.OTHER, rule=WITHHELD, line=each.line, staff_only=True, may_hold_back=True
            )
            made.later(_WITHHELD, each, neutral)
            found.append(made)
        elif each.may_hold_back:
            made = make_reason(  # type: ignore[call-arg]
                code=each.code, rule=each.rule, line=each.line, staff_only=False, may_hold_back=True
            )
            made.later(_LESS, each)
            found.append(made)
        else:
            found.append(each)
    return found


#: How what is told stands to the reason in full.
_WITHHELD: Final[Mapping[str, Callable[..., Any]]] = {
    "customer_message": lambda full, neutral: neutral,
    "facts": lambda full, neutral: [],
    "internal": lambda full, neutral: full.internal,
}
_LESS: Final[Mapping[str, Callable[..., Any]]] = {
    "customer_message": lambda full: full.customer_message,
    "facts": lambda full: [row for row in full.facts if row.name not in STAFF_FACTS],
    "internal": lambda full: full.internal,
}
