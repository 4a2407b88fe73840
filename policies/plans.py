"""Which orders a policy cannot tell apart when they come back, and what was worked out for the first of them.

Whether an order can come back hangs on details that are not told yet, so many requests have to be tried. What comes out
hangs on little of the order itself: whether each rule's condition holds as far as the details do not matter, whether
its window is met, on which side of a limit the money lies. That little is an order's standing. Two orders of one
standing get the same answer at the same trial, so the second one takes over the plan of the first: which trial is the
best, and which rules speak in it. Their words, days and sums are its own: each rule is asked again, of this order.

What a standing cannot hold has none, and is worked out from scratch: see `standing`.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from itertools import combinations
from typing import Final, NamedTuple, TypeAlias

from policies import builtin
from policies.asked import Asked, AskedLine
from policies.conditions import Condition
from policies.facts import OF_REQUEST, Facts, line_value
from policies.judge import Judgement, nothing_allows, of_the_whole, until
from policies.policy import Policy
from policies.rules import FeeTerms, Finding, Limit, Rule, Scope, WindowTerms
from schema.vocabulary import (
    ActionKind,
    ItemCondition,
    ReasonCode,
    RequestedResolution,
    RequestFact,
    ReturnReason,
    Verdict,
)

#: So many plans are kept for an action of a policy.
_MEMORY: Final = 1024
#: Up to so many lines and units it is said of each choice of them on which side of a limit it lies.
_FEW_LINES: Final = 3
_FEW_UNITS: Final = 12
_NOTHING: Final = Decimal(0)

Standing: TypeAlias = tuple[Hashable, ...]


class Trial(NamedTuple):
    """A request that was tried, what was found, and which of its details stayed open."""

    asked: Asked
    found: Judgement
    open: frozenset[RequestFact]


class Outcome(NamedTuple):
    """What all trials together come to."""

    #: The one that stands for all.
    trial: Trial
    #: The reasons, each with the trial it is of.
    shown: Sequence[tuple[Trial, Finding]]
    #: What is told of lines that cannot come back where others can.
    others: Sequence[tuple[Trial, Finding]]

    def judgement(self) -> Judgement:
        """That of the trial, with these reasons."""
        found, findings = self.trial.found, [finding for _, finding in self.shown]
        return Judgement(found.verdict, findings, found.shadow, found.charges, until(found.verdict, findings))


class Spot(NamedTuple):
    """A trial without the order: each line by its place."""

    rows: tuple[tuple[int, int, ReturnReason | None, ItemCondition | None], ...]
    resolution: RequestedResolution | None
    open: frozenset[RequestFact]


class Step(NamedTuple):
    """One finding to make: by whom, of which line (-1: of the whole), at which trial, and what must come out."""

    rule: Rule | None
    place: int
    spot: int
    verdict: Verdict | None
    code: ReasonCode
    #: Of the gateway itself: whether it is that nothing allows it.
    nothing: bool


@dataclass(frozen=True, slots=True)
class Plan:
    """What came out for every order of one standing."""

    verdicts: frozenset[Verdict]
    depends_on: frozenset[RequestFact]
    verdict: Verdict
    findings: tuple[Step, ...]
    charges: tuple[Step, ...]
    #: What is told of other lines.
    others: tuple[Step, ...]
    #: The trials these are of; the first stands for all.
    spots: tuple[Spot, ...]
    #: Which of them, if any, asks for all lines with nothing told that was not told from the start.
    as_asked: int


class Standings:
    """What the rules of one policy look at of an order that comes back, and the plans made so far."""

    def __init__(self, rules: Sequence[Rule]) -> None:
        self._looks = [_Look(rule) for rule in rules]
        self._possible = all(each.possible for each in self._looks)
        self._plans: dict[Standing, Plan] = {}
        #: Orders for which a plan of their standing did not hold after all. It costs time, no more; there is none.
        self.misfits = 0

    def standing(
        self, rows: Sequence[AskedLine], resolution: RequestedResolution | None, whole: Facts, lines: Sequence[Facts]
    ) -> Standing | None:
        """All that the answers for a return of some or all of these lines hang on; None where that cannot be said.

        It cannot where a condition weighs the money of the request, where a window hangs on what is asked, and where
        two lines go by one name.

        Args:
            whole: facts that later requests stand on, as are those of `lines`.
        """
        if not self._possible or len({facts.line_id for facts in lines}) != len(lines):
            return None
        refused = of_the_whole(ActionKind.RETURN_ORDER, whole)
        found: list[Hashable] = [len(rows), resolution, whole.currency, refused and (refused.verdict, refused.code)]
        open_lines = []
        for row, facts in zip(rows, lines, strict=True):
            goods, is_open = _goods(row, facts)
            found.append((row.reason, row.condition, goods))
            if is_open:
                open_lines.append(facts)
        if (refused is not None and refused.verdict is Verdict.DENY) or not open_lines:
            return tuple(found)
        for look in self._looks:
            for facts in open_lines if look.rule.per_line else (whole,):
                part = look.of(facts, rows)
                if part is _NONE:
                    return None
                found.append(part)
        return tuple(found)

    def plan(self, standing: Standing) -> Plan | None:
        return self._plans.get(standing)

    def keep(self, standing: Standing, plan: Plan) -> None:
        if len(self._plans) >= _MEMORY:
            self._plans.clear()
        self._plans[standing] = plan


@lru_cache(maxsize=64)
def standings(policy: Policy | None) -> Standings:
    """Those of the rules in force."""
    return Standings(policy.rules_of(ActionKind.RETURN_ORDER, on_trial=False) if policy is not None else ())


def _goods(row: AskedLine, facts: Facts) -> tuple[Hashable, bool]:
    """What the gateway's own checks look at of a line, and whether they let any request pass."""
    quantity = row.line.quantity
    returned, refundable = quantity.returned, quantity.refundable
    left = quantity.returnable if quantity.returnable is not None else quantity.current - returned
    sent = quantity.fulfilled
    if sent is None:
        return (row.quantity, left, facts["order.fulfillment_status"], returned, refundable), True
    if row.quantity > left or row.quantity > sent - returned:  # then it is one unit
        return (row.quantity, left, sent, returned, refundable), False
    if refundable is not None and row.quantity > refundable:
        return (row.quantity, left, sent, returned, refundable), True
    return row.quantity, True


# ------------------------------------------------------------------------------------------- what a rule looks at


class _None:
    """There is no standing."""


_NONE: Final = _None()


class _Look:
    """What one rule looks at besides what is asked."""

    def __init__(self, rule: Rule) -> None:
        terms = rule.terms
        self.rule = rule
        checks = tuple(check for check in rule.scope.checks if check[1] not in OF_REQUEST)
        self._scope = Scope(checks) if checks else None
        self._when, self._unless = _part(rule.when), _part(rule.unless)
        self._when_waits = rule.when is not None and rule.when.asks
        self._offers = rule.offers if any(each.when is not None for each in rule.offers) else ()
        self._window = terms if isinstance(terms, WindowTerms) else None
        self._limit = terms if isinstance(terms, Limit) else None
        self._fee = terms if isinstance(terms, FeeTerms) else None
        self._waive = _part(terms.waive_when) if isinstance(terms, FeeTerms) else None
        conditions = [rule.when, rule.unless, self._fee.waive_when if self._fee else None]
        self.possible = (
            (terms is None or isinstance(terms, WindowTerms | Limit | FeeTerms))
            and (self._window is None or self._window.fixed)
            and not any(each is not None and "request.amount" in each.facts for each in conditions)
            and not any(each.when is not None and each.when.asks for each in rule.offers)
        )

    def of(self, facts: Facts, rows: Sequence[AskedLine]) -> Hashable:
        found: list[Hashable] = []
        if self._scope is not None:
            truth = self._scope.truth(facts)
            if truth is False:
                return None
            found.append(truth)
        if self._when is not None:
            part = self._when(facts)
            if part is False:
                return None
            found.append(part)
        if self._unless is not None:
            part = self._unless(facts)
            if part is True and not self._when_waits:
                return None
            found.append(part)
        counted = None
        if self._window is not None:
            met, counted = self.rule.window_over(self._window, facts)
            found.append(met if counted is not None else None)
        elif self._limit is not None:
            found.append(_sides(self._limit, facts, rows))
            if found[-1] is _NONE:
                return _NONE
        elif self._fee is not None:
            if self._waive is not None:
                found.append(self._waive(facts))
            if self._fee.percent is not None:
                worth = [line_value(row.line, 1) for row in rows]
                if any(each < 0 for each in worth):
                    return _NONE
                found.append(tuple([each > 0 for each in worth]))
        if self._offers:
            found.append(tuple([id(each) for each in self.rule.offers_over(facts, counted)]))
        return tuple(found)


def _part(condition: Condition | None) -> Callable[[Facts], Hashable] | None:
    """What a condition hangs on besides what is asked: its answer, where it looks at nothing that is."""
    if condition is None:
        return None
    if not condition.asks:
        return condition.truth
    return condition.values if any(name not in OF_REQUEST for name in condition.facts) else None


def _sides(terms: Limit, facts: Facts, rows: Sequence[AskedLine]) -> Hashable:
    """On which side of a limit each choice of lines and units lies."""
    counts = (
        terms.refunds_90d is not None and facts["customer.refund_count_90d"] >= terms.refunds_90d,
        terms.returns_90d is not None and facts["customer.return_count_90d"] >= terms.returns_90d,
    )
    currency = facts.currency
    limits: list[tuple[Decimal, Decimal]] = []
    if terms.request is not None and currency in terms.request:
        limits.append((_NOTHING, terms.request[currency]))
    if terms.customer_90d is not None and currency in terms.customer_90d:
        limits.append((facts["customer.refund_total_90d"].amount, terms.customer_90d[currency]))
    values = [line_value(row.line, row.quantity) for row in rows]
    if min(values) >= 0:
        total = sum(values, _NOTHING)
        for before, most in limits:
            if total + before > most:
                break
        else:
            return counts
    units = max([row.quantity for row in rows])
    if len(rows) > _FEW_LINES or units > _FEW_UNITS:
        return _NONE
    rooms = [most - before for before, most in limits]
    if units == 1:
        worth = [[value] for value in values]
    else:
        worth = [[line_value(row.line, min(most, row.quantity)) for most in range(1, units + 1)] for row in rows]
    found: list[bool] = []
    for size in range(1, len(rows) + 1):
        for chosen in combinations(worth, size):
            sums = chosen[0] if size == 1 else [sum(each, _NOTHING) for each in zip(*chosen, strict=True)]
            least = min([each[0] for each in chosen])
            for room in rooms:
                found.append(least <= room)
                found += [each <= room for each in sums]
    return (*counts, *found)


# ------------------------------------------------------------------------------------------- to a plan, and from it


class _Writing:
    """Trials as they are written down without the order."""

    def __init__(self, rows: Sequence[AskedLine]) -> None:
        self._places = {id(row.line): place for place, row in enumerate(rows)}
        self.spots: dict[Spot, int] = {}

    def spot(self, trial: Trial) -> int:
        asked = trial.asked
        rows = tuple([(self._places[id(row.line)], row.quantity, row.reason, row.condition) for row in asked.lines])
        return self.spots.setdefault(Spot(rows, asked.resolution, trial.open), len(self.spots))

    def step(self, trial: Trial, finding: Finding) -> Step:
        line = finding.facts.line
        return Step(
            finding.rule,
            self._places[id(line)] if line is not None else -1,
            self.spot(trial),
            finding.verdict,
            finding.code,
            finding.rule is None and not finding.looked_at,
        )


def write(
    rows: Sequence[AskedLine],
    open_: frozenset[RequestFact],
    verdicts: Iterable[Verdict],
    depends_on: Iterable[RequestFact],
    out: Outcome,
) -> Plan:
    """A plan from what came out of trying. `open_`: the details that were open from the start."""
    writing = _Writing(rows)
    writing.spot(out.trial)
    findings = tuple([writing.step(trial, finding) for trial, finding in out.shown])
    charges = tuple([writing.step(out.trial, finding) for finding, _ in out.trial.found.charges])
    others = tuple([writing.step(trial, finding) for trial, finding in out.others])
    as_asked = Spot(tuple([(n, row.quantity, row.reason, row.condition) for n, row in enumerate(rows)]), None, open_)
    return Plan(
        frozenset(verdicts),
        frozenset(depends_on),
        out.trial.found.verdict,
        findings,
        charges,
        others,
        tuple(writing.spots),
        writing.spots.get(as_asked, -1),
    )


#: Facts of a request some of whose details are open.
FactsOf: TypeAlias = Callable[[Asked, frozenset[RequestFact]], tuple[Facts, Sequence[Facts]]]


def carry_out(
    plan: Plan,
    asked: Asked,
    facts: tuple[Facts, Sequence[Facts]],
    facts_of: FactsOf,
) -> tuple[Asked, Judgement, list[Finding]] | None:
    """What a plan says of an order: the request that stands for all, its judgement, and what is told of other lines.

    None where a rule does not say what the plan expects of it, which is then no plan for this order.

    Args:
        asked: for all lines, as much as can be asked of each; `facts` are its own.
    """
    first = asked
    known: list[tuple[Facts, Sequence[Facts] | Mapping[int, Facts]]] = []
    for n, spot in enumerate(plan.spots):
        if n == plan.as_asked:
            known.append(facts)
            continue
        rows = [AskedLine(asked.lines[n].line, units, why, state) for n, units, why, state in spot.rows]
        of = asked.of(tuple(rows), spot.resolution)
        whole, lines = facts_of(of, spot.open)
        known.append((whole, {row[0]: line for row, line in zip(spot.rows, lines, strict=True)}))
        if n == 0:
            first = of

    findings = _taken(plan.findings, known)
    fees = _taken(plan.charges, known) if plan.charges else []
    others = _taken(plan.others, known) if plan.others else []
    if findings is None or fees is None or others is None:
        return None
    charges = [(each, each.fee) for each in fees if each.fee is not None]
    return first, Judgement(plan.verdict, findings, [], charges, until(plan.verdict, findings)), others


def _taken(
    steps: Sequence[Step], known: Sequence[tuple[Facts, Sequence[Facts] | Mapping[int, Facts]]]
) -> list[Finding] | None:
    """What the steps come to; None where one of them comes to something else than it should."""
    found: list[Finding] = []
    for step in steps:
        whole, lines = known[step.spot]
        place = step.place
        finding = _take(step, whole, lines[place] if place >= 0 else whole)
        if finding is None or finding.verdict is not step.verdict or finding.code is not step.code:
            return None
        found.append(finding)
    return found


def _take(step: Step, whole: Facts, facts: Facts) -> Finding | None:
    kind = ActionKind.RETURN_ORDER
    if step.rule is not None:
        return step.rule.find(facts)
    if step.nothing:
        return nothing_allows(kind, facts, whole)
    if step.place < 0:
        return of_the_whole(kind, whole)
    return builtin.of_a_line(kind, facts, facts.units or 1)
