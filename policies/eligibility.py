"""What may be asked for before it is asked: the decision over every request that is still possible.

What a request has not said yet is first left open: rules that do not care answer all the same, at the cost of one
decision. Only where an answer waits for a detail, that detail is tried, one value for each group of values that the
rules cannot tell apart. What a mutation fills in by itself is not open: the resolution is REFUND and the money of a
cancellation goes back where it came from; other resolutions are tried where a rule speaks of them.

For a whole order, RETURN_ORDER is asked of each line that can still come back, and of all of them together. It is
possible if any line is. QUANTITY in `depends_on` then also means: which lines.

REFUND_ORDER is asked for every amount from the smallest unit up to all that is left, back to where it came from.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import ROUND_FLOOR, Decimal
from enum import Enum
from functools import lru_cache
from itertools import compress, product
from typing import Any, Final, NamedTuple

from platforms.base import Platform
from policies.asked import Asked, AskedLine, History
from policies.conditions import Condition
from policies.facts import SETS, UNSAID, Facts, Ground, line_value, smallest_unit
from policies.judge import Judgement, reason
from policies.messages import IN_PROGRESS, spoken
from policies.plans import Outcome, Trial, carry_out, standings, write
from policies.policy import Policy
from policies.processor import PolicyProcessor, as_told_to, rows_of, zone_of
from policies.rules import FeeTerms, Finding, Limit, MaxPause, severity
from schema.actions import Viewer
from schema.order import Order, OrderLine
from schema.policy import Decision, Eligibility, RequestAssumption, make_eligibility
from schema.provenance import Capability, Store
from schema.subscription import Subscription
from schema.values import Money, Quote
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

#: Quantities up to this are tried one by one where a condition names the quantity.
_FEW: Final = 12
#: A day far enough away that every limit on a pause is passed.
_LONG: Final = 3650

#: The facts a detail of a request stands behind.
_FACTS: Final[Mapping[RequestFact, tuple[str, ...]]] = {
    RequestFact.REASON: ("request.reason",),
    RequestFact.CONDITION: ("request.condition",),
    RequestFact.QUANTITY: ("request.quantity", "request.amount"),
    RequestFact.AMOUNT: ("request.amount",),
    RequestFact.UNTIL: ("request.pause_days", "request.open_ended"),
}
_NONE_OPEN: Final = frozenset[RequestFact]()
#: Of a return, by whether reason and condition are open, and whether there is a choice of units.
_OF_RETURN: Final = {
    whether: frozenset(compress((RequestFact.REASON, RequestFact.CONDITION, RequestFact.QUANTITY), whether))
    for whether in product((True, False), repeat=3)
}
#: In which order details are asked for.
_ORDER: Final = tuple(RequestFact)


@dataclass(slots=True)
class _Answer:
    """All the verdicts that some request may still get, and what they hang on."""

    verdicts: set[Verdict]
    best: Trial
    refusals: list[Trial] = field(default_factory=list)
    depends_on: set[RequestFact] = field(default_factory=set)
    #: Some request that was not tried may get another answer.
    unsure: bool = False
    #: The greatest refund that was tried and is not refused.
    most: Money | None = None

    def outcome(self) -> Outcome:
        refused = self.verdicts == {Verdict.DENY} and not self.unsure
        return _all_refusals(self) if refused else _best(self)


@dataclass(frozen=True, slots=True)
class _Looks:
    """What the rules of one action look at of a request."""

    #: The bare words and the whole numbers in their conditions.
    words: frozenset[str]
    numbers: frozenset[int]
    #: The resolutions besides REFUND they speak of.
    resolutions: tuple[RequestedResolution, ...]
    at_resolution: bool
    at_amount: bool
    #: The amounts at which a condition can turn, in the store's currency, and whether all are known.
    turns: frozenset[Decimal]
    all_turns: bool
    limits: tuple[Limit, ...]


@lru_cache(maxsize=256)
def _looks(policy: Policy | None, kind: ActionKind) -> _Looks:
    rules = policy.rules_of(kind) if policy is not None else ()
    conditions: list[Condition] = []
    numbers: set[int] = set()
    named: set[RequestedResolution] = set()
    for rule in rules:
        fee = rule.terms.waive_when if isinstance(rule.terms, FeeTerms) else None
        asked = (rule.when, rule.unless, fee, *(offer.when for offer in rule.offers))
        conditions += [each for each in asked if each is not None]
        if isinstance(rule.terms, MaxPause):
            numbers.add(rule.terms.days)
        named |= rule.resolutions | {offer.resolution for offer in rule.offers}
    numbers |= {number for each in conditions for number in each.numbers}
    facts = {name for each in conditions for name in each.facts}
    return _Looks(
        words=frozenset(word for each in conditions for word in each.words),
        numbers=frozenset(number for number in numbers if number < _LONG),
        resolutions=tuple(
            each for each in RequestedResolution if each in named and each is not RequestedResolution.REFUND
        ),
        at_resolution=any(rule.resolutions for rule in rules) or "request.resolution" in facts,
        at_amount="request.amount" in facts,
        turns=frozenset(amount for each in conditions for amount in each.turns or ()),
        all_turns=all(each.turns is not None for each in conditions),
        limits=tuple(rule.terms for rule in rules if isinstance(rule.terms, Limit)),
    )


@lru_cache(maxsize=64)
def _unsaid(open_: frozenset[RequestFact]) -> Mapping[str, Any]:
    return {name: UNSAID for detail in open_ for name in _FACTS[detail]}


@lru_cache(maxsize=256)
def _groups(enum: type[Enum], named: frozenset[str]) -> tuple[Any, ...]:
    """One word of each group that rules which name these words cannot tell apart."""
    groups: dict[tuple[object, ...], Any] = {}
    for member in enum:
        key = (
            member.name if member.name in named or member.name == "UNKNOWN" else "",
            *(member in SETS[name] for name in SETS if name in named),
        )
        groups.setdefault(key, member)
    return tuple(groups.values())


class _Asking:
    """Works out one action of one subject."""

    def __init__(
        self,
        processor: PolicyProcessor,
        store: Store,
        kind: ActionKind,
        history: History,
        viewer: Viewer,
        now: datetime,
        assuming: RequestAssumption | None,
        needs_until: bool,
    ) -> None:
        self.processor = processor
        self.policy: Policy | None = processor.policy_of(store.key)
        self.store = store
        self.kind = kind
        self.history = history
        self.viewer = viewer
        self.now = now
        self.assuming = assuming or RequestAssumption()
        self.needs_until = needs_until
        self.looks = _looks(self.policy, kind)
        self.ground: Ground | None = None

    # -- one request, some of it open

    def answer(self, asked: Asked, open_: frozenset[RequestFact], rows: Sequence[AskedLine] = ()) -> _Answer:
        """What every request says that fills in the open details; tried one detail at a time, as it proves needed."""
        whole, lines = self.facts(asked, open_, rows)
        if RequestFact.QUANTITY in open_:
            whole.least = min((line_value(row.line, 1) for row in asked.lines), default=Decimal(0))
        elif RequestFact.AMOUNT in open_:
            whole.least = _in_shop(whole, _smallest(asked))
        found = self.processor.judge(asked, whole, lines, on_trial=False)
        if self.ground is None:
            self.ground = Ground(whole, lines)
        touched = whole.touched & open_
        waiting = [detail for detail in _ORDER if detail in touched] if touched else []
        if not waiting or _settled(found, whole):
            trial = Trial(asked, found, open_)
            if found.verdict is Verdict.DENY:
                found.findings = [each for each in found.findings if each.open is None or not waiting]
                return _Answer({Verdict.DENY}, trial, [trial])
            return _Answer({found.verdict}, trial, most=asked.amount)
        detail = waiting[0]
        rest = open_ - {detail}
        values = self.amounts(asked, whole) if detail is RequestFact.AMOUNT else self.values(asked, detail)
        answers = [self.answer(self.fill(asked, detail, value), rest, rows) for value in values]
        joined = _joined(answers)
        joined.unsure |= detail is RequestFact.AMOUNT and not self.looks.all_turns
        if joined.unsure or any(each.verdicts != answers[0].verdicts for each in answers):
            joined.depends_on.add(detail)
        return joined

    def facts(
        self, asked: Asked, open_: frozenset[RequestFact], rows: Sequence[AskedLine] = ()
    ) -> tuple[Facts, list[Facts]]:
        """Of a request some of whose details are open."""
        unsaid = _unsaid(open_)
        return self.processor.facts(asked, self.history, self.viewer, self.now, unsaid, rows, self.ground)

    def fill(self, asked: Asked, detail: RequestFact, value: Any) -> Asked:
        match detail:
            case RequestFact.REASON:
                return asked.of(tuple([row.but(reason=value) for row in asked.lines]))
            case RequestFact.CONDITION:
                return asked.of(tuple([row.but(condition=value) for row in asked.lines]))
            case RequestFact.QUANTITY:
                return asked.of(tuple([row.but(most=value) for row in asked.lines]))
            case RequestFact.AMOUNT:
                return replace(asked, amount=value)
            case _:
                return replace(asked, until=value)

    def values(self, asked: Asked, detail: RequestFact) -> Iterable[Any]:
        """One value for each group that the rules of this action cannot tell apart."""
        match detail:
            case RequestFact.REASON:
                return _groups(ReturnReason, self.looks.words)
            case RequestFact.CONDITION:
                return (*_groups(ItemCondition, self.looks.words), None)
            case RequestFact.QUANTITY:
                most = max((row.quantity for row in asked.lines), default=1)
                if most <= _FEW:
                    return range(most, 0, -1)
                near = {n + step for n in self.looks.numbers for step in (-1, 0, 1)} | {1, most}
                return sorted((n for n in near if 1 <= n <= most), reverse=True)
            case _:
                today = self.now.astimezone(zone_of(self.store.time_zone)).date()
                near = {n + step for n in self.looks.numbers for step in (-1, 0, 1)} | {1, 2, _LONG}
                days = [today + timedelta(days=n) for n in sorted(near) if 1 <= n <= _LONG]
                return days if self.needs_until else [*days, None]

    def amounts(self, asked: Asked, whole: Facts) -> list[Money]:
        """All that is left, the least that can be paid, and what lies at and on both sides of every turn between."""
        assert asked.amount is not None
        most, currency, least = asked.amount.amount, asked.amount.currency_code, _smallest(asked)
        rate, own = whole.rate(), whole.currency
        assert rate is not None
        had = self.history.refund_total_90d.get(own, Decimal(0))
        turns = set(self.looks.turns)
        for limit in self.looks.limits:
            turns |= {limit.request[own]} if limit.request is not None and own in limit.request else set()
            if limit.customer_90d is not None and own in limit.customer_90d:
                turns.add(limit.customer_90d[own] - had)
        found = {most, min(least, most)}
        for turn in turns:
            here, half = turn, Decimal(0)
            if currency != own and rate.shop:
                # What is a little less or more is the same to the store, up to half of its own smallest unit.
                here, half = (amount * rate.presentment / rate.shop for amount in (turn, smallest_unit(own) / 2))
            for near in (here, here - half, here + half):
                floor = near.quantize(least, ROUND_FLOOR)
                found |= {floor + step * least for step in (-1, 0, 1, 2)}
        return [
            Money.of(each, currency) for each in sorted(found, reverse=True) if least <= each <= most or each == most
        ]

    # -- every request of one subject

    def resolutions(self) -> list[RequestedResolution]:
        """REFUND, and what the rules speak of besides; or the one that is assumed."""
        if self.assuming.resolution is not None:
            return [self.assuming.resolution]
        return [RequestedResolution.REFUND, *self.looks.resolutions]

    def open_details(self, rows: Sequence[AskedLine]) -> frozenset[RequestFact]:
        if self.kind is ActionKind.PAUSE_SUBSCRIPTION:
            return frozenset({RequestFact.UNTIL})
        if self.kind is ActionKind.REFUND_ORDER:
            return frozenset({RequestFact.AMOUNT})
        if self.kind is not ActionKind.RETURN_ORDER:
            return _NONE_OPEN
        several = False
        for row in rows:
            if row.quantity > 1:
                several = True
                break
        return _OF_RETURN[self.assuming.reason is None, self.assuming.condition is None, several]

    def every(self, asked: Asked) -> _Answer:
        """Over the open details, and over the resolutions that are on offer."""
        details = self.open_details(asked.lines)
        if self.kind is ActionKind.REFUND_ORDER:
            return self._refunds(asked, details)
        if self.kind is not ActionKind.RETURN_ORDER:
            return self.answer(asked, details)
        first, *others = self.resolutions()
        if first is not RequestedResolution.REFUND:  # what is left out is REFUND
            asked = replace(asked, resolution=first)
        found = self.answer(asked, details)
        if not others or self._allows_as_well(found, others):
            return found
        answers = [found, *(self.answer(replace(asked, resolution=each), details) for each in others)]
        joined = _joined(answers)
        if any(each.verdicts != found.verdicts for each in answers):
            joined.depends_on.add(RequestFact.RESOLUTION)
        return joined

    def _refunds(self, asked: Asked, details: frozenset[RequestFact]) -> _Answer:
        """Of an amount, and where a rule asks for lines of each line alone: what several say follows from those."""
        found = self.answer(asked, details)
        order = asked.order
        if order is None or not self.processor.asks_of_lines(self.store.key, self.kind) or len(order.lines) < 2:
            return found
        alone = [self.answer(asked, details, (row,)) for row in rows_of(order)]
        joined = _joined([found, *alone])
        if any(each.verdicts != found.verdicts for each in alone):
            joined.depends_on.add(RequestFact.QUANTITY)
        return joined

    def _allows_as_well(self, found: _Answer, others: Sequence[RequestedResolution]) -> bool:
        """Whether what is allowed for a refund is for the others too: all that allows it offers them, none asks."""
        if found.verdicts != {Verdict.ALLOW} or found.depends_on or self.looks.at_resolution:
            return False
        return all(
            each.grants and {offer.resolution for offer in each.offers}.issuperset(others)
            for each in found.best.found.findings
        )


def _smallest(asked: Asked) -> Decimal:
    return smallest_unit(asked.amount.currency_code) if asked.amount is not None else Decimal(0)


def _in_shop(whole: Facts, amount: Decimal) -> Decimal:
    rate = whole.rate()
    return amount if rate is None else rate.in_shop(amount, whole.currency).amount


#: Details that a limit waits for.
_AMOUNTS: Final = frozenset({RequestFact.QUANTITY, RequestFact.AMOUNT})


def _settled(found: Judgement, whole: Facts) -> bool:
    """Whether a refusal stands whatever the open details are: by a rule or check that did not wait for any.

    That nothing allows it is no such check: a rule that speaks against it may take its place.
    """
    return any(
        each.verdict is Verdict.DENY
        and each.open is None
        and (each.rule is not None or bool(each.looked_at))
        and not (each.rule is not None and isinstance(each.rule.terms, Limit) and whole.touched & _AMOUNTS)
        for each in found.findings
    )


def _rank(answer: _Answer) -> int:
    return severity(answer.best.found.verdict)


def _joined(answers: Sequence[_Answer]) -> _Answer:
    """Several answers as one: the first of the most favourable stands for them."""
    best = min(answers, key=_rank)
    return _Answer(
        set().union(*(each.verdicts for each in answers)),
        best.best,
        [refusal for each in answers for refusal in each.refusals],
        set().union(*(each.depends_on for each in answers)),
        any(each.unsure for each in answers),
        max((each.most for each in answers if each.most is not None), key=lambda most: most.amount, default=None),
    )


def _asked_line(line: OrderLine, assuming: RequestAssumption | None) -> AskedLine:
    """All that can be asked of a line; one unit where nothing can, so that the refusal says why."""
    return AskedLine(
        line=line,
        quantity=max(1, returnable(line)),
        reason=assuming.reason if assuming else None,
        condition=assuming.condition if assuming else None,
    )


def returnable(line: OrderLine) -> int:
    """Units of a line that can still be asked back for a refund, as to goods and money alone."""
    quantity = line.quantity
    left = quantity.returnable if quantity.returnable is not None else quantity.current - quantity.returned
    if quantity.fulfilled is not None:
        left = min(left, quantity.fulfilled - quantity.returned)
    if quantity.refundable is not None:
        left = min(left, quantity.refundable)
    return max(0, left)


def eligibility(
    processor: PolicyProcessor,
    subject: Order | OrderLine | Subscription,
    kind: ActionKind,
    *,
    viewer: Viewer,
    history: History,
    now: datetime,
    support: Capability,
    active: bool,
    assuming: RequestAssumption | None,
    min_assurance: AssuranceLevel,
    locale: str = "en",
    needs_until: bool | None = None,
    paid_here: Decimal = Decimal(0),
    plainly: bool = False,
) -> Eligibility:
    """What the next step towards an action is, why not, until when and for how much.

    `decision` is the most favourable answer that some request can get. NOT_POSSIBLE: every request is refused, and
    the reasons hold those of each refusal. CONFIRM with nothing in `depends_on`: no request is refused.

    Args:
        subject: read with at least the parts that `PolicyProcessor` names for `kind`; a line knows its order.
        active: whether an unfinished action on the target exists.
        needs_until: whether a pause needs an end; where left out, what the store's platform says.
        paid_here: as `Asked.paid_here`.
        plainly: every request is tried; what came out for another order is not made use of.
    """
    order = subject.order if isinstance(subject, OrderLine) else subject if isinstance(subject, Order) else None
    subscription = subject if isinstance(subject, Subscription) else None
    node = order if order is not None else subscription
    if node is None:
        raise ValueError("a line without its order cannot be decided")
    store = node.source.store
    if needs_until is None and kind is ActionKind.PAUSE_SUBSCRIPTION:
        needs_until = isinstance(store.state, Platform) and store.state.pause_needs_until
    base = Asked(kind, store, order, subscription, paid_here=paid_here)
    if kind is ActionKind.REFUND_ORDER:
        base = _of_all_that_is_left(base)
    asking = _Asking(processor, store, kind, history, viewer, now, assuming, bool(needs_until))

    def done(
        step: NextStep,
        asked: Asked,
        decision: Decision,
        depends_on: Iterable[RequestFact] = (),
        most: int | None = None,
        greatest: Money | None = None,
    ) -> Eligibility:
        waited_for = set(depends_on)
        found = make_eligibility(
            action=kind,
            next=step,
            required_assurance=min_assurance,
            support=support.support,
            decision=as_told_to(decision, viewer, spoken(locale, store)),
            depends_on=[detail for detail in _ORDER if detail in waited_for] if waited_for else [],
            max_quantity=most,
        )
        found.later(_LATE, processor, asked, greatest, decision, step)
        return found

    if (refusal := _cannot(support, active)) is not None:
        whole, _ = processor.facts(base, history, viewer, now)
        code, say = refusal
        finding = Finding(None, Verdict.DENY, code, whole, say=say)
        refused = Judgement(Verdict.DENY, [finding], [], [], None)
        words = processor.put_in_words(base, refused, history, viewer, now, locale)
        return done(NextStep.NOT_POSSIBLE, base, words)

    most: int | None = None
    if kind is ActionKind.RETURN_ORDER:
        assert order is not None
        of_lines = [subject] if isinstance(subject, OrderLine) else order.lines
        rows = [_asked_line(line, assuming) for line in of_lines]
        if isinstance(subject, OrderLine):
            most = returnable(subject)
        found = _of_return(asking, base, rows, plainly)
    elif not asking.open_details(()):
        found = _of_one(asking, base)
    else:
        found = _came_out(asking.every(base))
    decision = processor.put_in_words(found.asked, found.judgement, history, viewer, now, locale)
    if found.others:
        decision.reasons += [reason(each, spoken(locale, store)) for each in found.others]
    depends_on = set(found.depends_on)
    if found.verdicts == {Verdict.DENY} and not found.unsure:
        return done(NextStep.NOT_POSSIBLE, found.asked, decision, depends_on=(), most=most)
    if needs_until and kind is ActionKind.PAUSE_SUBSCRIPTION:
        depends_on.add(RequestFact.UNTIL)
    if viewer.assurance < min_assurance:
        step = NextStep.VERIFY_IDENTITY
    elif len(found.verdicts) > 1 or depends_on:
        step = NextStep.ASK_DETAILS
    elif found.verdicts == {Verdict.REVIEW}:
        step = NextStep.REQUEST_APPROVAL
    else:
        step = NextStep.CONFIRM
    return done(step, found.asked, decision, depends_on, most, found.most)


class _Found(NamedTuple):
    """What is shown of all answers."""

    verdicts: AbstractSet[Verdict]
    depends_on: AbstractSet[RequestFact]
    unsure: bool
    most: Money | None
    #: The request that stands for all, its judgement, and what is told of other lines.
    asked: Asked
    judgement: Judgement
    others: Sequence[Finding]


def _came_out(answer: _Answer) -> _Found:
    outcome = answer.outcome()
    return _Found(
        answer.verdicts,
        answer.depends_on,
        answer.unsure,
        answer.most,
        outcome.trial.asked,
        outcome.judgement(),
        [finding for _, finding in outcome.others],
    )


def _of_one(asking: _Asking, asked: Asked) -> _Found:
    """Where a request has no details that could be open, it is the only one."""
    whole, lines = asking.facts(asked, _NONE_OPEN)
    found = asking.processor.judge(asked, whole, lines, on_trial=False)
    return _Found({found.verdict}, _NONE_OPEN, False, None, asked, found, ())


def _of_return(asking: _Asking, base: Asked, rows: Sequence[AskedLine], plainly: bool) -> _Found:
    """By the plan of another order, where there is one that the rules cannot tell from this; else from scratch."""
    if plainly or not rows:
        return _came_out(_over_lines(asking, base, rows))
    whole_order = base.of(tuple(rows))
    details = asking.open_details(rows)
    whole, lines = asking.facts(whole_order, details)
    asking.ground = Ground(whole, lines)
    kept = standings(asking.policy)
    standing = kept.standing(rows, asking.assuming.resolution, whole, lines)
    plan = kept.plan(standing) if standing is not None else None
    if plan is not None:
        done = carry_out(plan, whole_order, (whole, lines), asking.facts)
        if done is not None:
            return _Found(plan.verdicts, plan.depends_on, False, None, *done)
        kept.misfits += 1
    answer = _over_lines(asking, base, rows)
    if standing is not None:
        kept.keep(standing, write(rows, details, answer.verdicts, answer.depends_on, answer.outcome()))
    return _came_out(answer)


def _quote(
    processor: PolicyProcessor, asked: Asked, greatest: Money | None, decision: Decision, step: NextStep
) -> Quote | None:
    if step is NextStep.NOT_POSSIBLE:
        return None
    return processor.quote(replace(asked, amount=greatest), decision)


_LATE: Final = {"quote": _quote}


def _of_all_that_is_left(asked: Asked) -> Asked:
    """A refund of the most that can be asked for."""
    order = asked.order
    assert order is not None
    refundable, refunded = order.totals.refundable.presentment, order.totals.refunded.presentment
    left = min(refundable.amount, refunded.amount + refundable.amount - asked.paid_here)
    return replace(asked, amount=Money.of(max(left, Decimal(0)), refundable.currency_code))


def _cannot(support: Capability, active: bool) -> tuple[ReasonCode, Any] | None:
    if support.support is SupportLevel.UNSUPPORTED:
        return ReasonCode.UNSUPPORTED_BY_PLATFORM, None
    if support.support is SupportLevel.MISSING_SCOPE:
        return ReasonCode.MISSING_SCOPE, None
    return (ReasonCode.OTHER, IN_PROGRESS) if active else None


def _over_lines(asking: _Asking, base: Asked, rows: Sequence[AskedLine]) -> _Answer:
    """Every return of an order: each line alone, and all possible ones together."""
    if not rows:
        return asking.every(base)
    by_amount = asking.looks.at_amount
    together = asking.every(base.of(tuple(rows)))
    if len(rows) == 1 or (together.verdicts == {Verdict.ALLOW} and not by_amount):
        return together  # what is allowed of all is allowed of each
    alone = [asking.every(base.of((row,))) for row in rows]
    possible = [row for row, each in zip(rows, alone, strict=True) if each.verdicts != {Verdict.DENY}]
    if not by_amount and len(possible) < len(rows):
        if not possible:
            return _joined(alone)  # what is refused of each is refused of all
        together = asking.every(base.of(tuple(possible)))
    joined = _joined([together, *alone])
    if by_amount or any(each.verdicts != together.verdicts for each in alone):
        joined.depends_on.add(RequestFact.QUANTITY)
    return joined


def _all_refusals(answer: _Answer) -> Outcome:
    """One refusal with the reasons of them all: those that every refusal shares come first."""
    first = answer.refusals[0] if answer.refusals else answer.best
    if len(answer.refusals) <= 1:
        return Outcome(first, [(first, finding) for finding in first.found.findings], ())
    keys = [
        {(each.rule, each.code, _line_id(each)) for each in refusal.found.findings if each.verdict is Verdict.DENY}
        for refusal in answer.refusals
    ]
    shared = set.intersection(*keys)
    merged: dict[object, tuple[Trial, Finding]] = {}
    for refusal in answer.refusals:
        for finding in refusal.found.findings:
            if finding.verdict is Verdict.DENY:
                merged.setdefault((finding.rule, finding.code, _line_id(finding)), (refusal, finding))
    ordered = sorted(merged.items(), key=lambda item: item[0] not in shared)
    return Outcome(first, [told for _, told in ordered], ())


def _line_id(finding: Finding) -> str | None:
    return finding.facts.line_id


def _best(answer: _Answer) -> Outcome:
    """The most favourable answer. Lines that cannot come back are named after the reasons for those that can."""
    best = answer.best
    told = {each.facts.line_id for each in best.found.findings}
    others: list[tuple[Trial, Finding]] = []
    for refusal in answer.refusals:
        names = {row.line.native_id for row in refusal.asked.lines}
        if len(names) == 1 and not names & told:
            told |= names
            others += [
                (refusal, each)
                for each in refusal.found.findings
                if each.facts.line is not None and each.code is not ReasonCode.OK
            ]
    return Outcome(best, [(best, finding) for finding in best.found.findings], others)


__all__ = ["eligibility", "returnable"]
