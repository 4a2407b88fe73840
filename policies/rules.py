"""What one rule of a policy says of one asked-for thing, or of one line of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from enum import Enum
from typing import Any, Final, TypeAlias

from policies.conditions import Condition, Open, Truth
from policies.facts import FACTS, OF_REQUEST, STAFF_FACTS, UNKNOWN, UNSAID, Absent, Audience, Facts
from policies.messages import Say
from policies.windows import Counted, Length, Season, Window, count, days_late, inside
from schema.values import Money
from schema.vocabulary import (
    ActionKind,
    ConditionKind,
    ReasonCode,
    RequestedResolution,
    RequestFact,
    Verdict,
)


def severity(verdict: Verdict | None) -> int:
    """DENY before REVIEW before ALLOW; a fee weighs nothing."""
    return 2 if verdict is Verdict.DENY else 1 if verdict is Verdict.REVIEW else 0


#: Where it is not known when a window ends, or which.
_NOT_KNOWN: Final = (False, None)
#: Under which name what a rule found besides is kept.
_WINDOW: Final = "window"
_OFFERS: Final = "offers"

#: The words of `for:` and the fact each looks at.
SCOPE_WORDS: Final[Mapping[str, str]] = {
    "tags": "line.tags",
    "types": "line.type",
    "vendors": "line.vendor",
    "skus": "line.sku",
    "order_tags": "order.tags",
    "customer_tags": "customer.tags",
    "segments": "customer.segments",
    "stores": "store.id",
    "countries": "order.country",
    "channels": "order.channel",
    "resolutions": "request.resolution",
}


@dataclass(frozen=True, slots=True)
class Scope:
    """`for:` as data: every word must match, one of its values each. Letter case does not matter."""

    #: The word, its fact, and the values in folded case.
    checks: tuple[tuple[str, str, frozenset[str]], ...] = ()

    @property
    def facts(self) -> tuple[str, ...]:
        return tuple(fact for _, fact, _ in self.checks)

    @property
    def resolutions(self) -> frozenset[RequestedResolution]:
        return frozenset(
            each
            for word, _, values in self.checks
            for each in RequestedResolution
            if word == "resolutions" and each.name.casefold() in values
        )

    def values(self, word: str) -> frozenset[str] | None:
        return next((values for each, _, values in self.checks if each == word), None)

    def covers(self, other: Scope) -> bool:
        """Whether whatever matches `other` matches this one too."""
        for word, _, values in self.checks:
            theirs = other.values(word)
            if theirs is None or not theirs <= values:
                return False
        return True

    def truth(self, facts: Facts) -> Truth:
        found: Truth = True
        for _, fact, values in self.checks:
            value = facts[fact]
            if isinstance(value, Absent):
                found = Open.UNKNOWN
            elif isinstance(value, list):
                for each in value:
                    if each.casefold() in values:
                        break
                else:
                    return False
            elif (value.name if isinstance(value, Enum) else value).casefold() not in values:
                return False
        return found


Amounts: TypeAlias = Mapping[str, Decimal]
"""An amount by currency."""


@dataclass(frozen=True, slots=True)
class WindowTerms:
    """A stretch of time the asking must fall into."""

    window: Window
    seasons: tuple[Season, ...] = ()
    overrides: tuple[tuple[Scope, Length], ...] = ()
    #: Whether it is the same for every request for the same thing.
    fixed: bool = field(init=False, default=True)

    def __post_init__(self) -> None:
        asks = any(name in OF_REQUEST for scope, _ in self.overrides for name in scope.facts)
        object.__setattr__(self, "fixed", not asks)


@dataclass(frozen=True, slots=True)
class MinCycles:
    """So many cycles of a subscription must be completed."""

    count: int


@dataclass(frozen=True, slots=True)
class MaxPause:
    """A pause lasts at most so many days; one without an end is too long."""

    days: int


@dataclass(frozen=True, slots=True)
class Limit:
    """Amounts and counts that must not be exceeded."""

    request: Amounts | None = None
    customer_90d: Amounts | None = None
    refunds_90d: int | None = None
    returns_90d: int | None = None


class Per(Enum):
    """What a fee is counted by."""

    UNIT = "unit"
    LINE = "line"
    REQUEST = "request"


@dataclass(frozen=True, slots=True)
class FeeTerms:
    """What is kept back."""

    kind: ConditionKind
    amount: Amounts | None
    percent: Decimal | None
    per: Per
    waive_when: Condition | None = None


@dataclass(frozen=True, slots=True)
class Offer:
    """Another way to settle it, where this rule stands against what was asked."""

    resolution: RequestedResolution
    when: Condition | None = None
    label: Say | None = None


Terms: TypeAlias = WindowTerms | MinCycles | MaxPause | Limit | FeeTerms | None


@dataclass(slots=True)
class Finding:
    """What a rule, or the gateway itself, found. `verdict` is None for a fee."""

    rule: Rule | None
    verdict: Verdict | None
    code: ReasonCode
    facts: Facts
    #: Whether it answers the question of permission, rather than only limiting it.
    grants: bool = False
    say: Say | None = None
    #: Values for the message, money and instants not yet in words.
    own: Mapping[str, Any] = field(default_factory=dict)
    #: The arithmetic beyond the facts that the rule names: name, value; money not yet in words.
    extra: tuple[tuple[str, str | Money], ...] = ()
    counted: Counted | None = None
    open: Open | None = None
    fee: Charge | None = None
    offers: tuple[Offer, ...] = ()
    #: Facts a built-in looked at.
    looked_at: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Charge:
    """A fee worked out, in the customer's currency."""

    kind: ConditionKind
    amount: Money
    percent: Decimal | None
    #: The line it is kept back of; None for the whole.
    line_native_id: str | None
    per: Per


class AmountMissing(LookupError):
    """A rule has no amount in the currency at hand."""


@dataclass(frozen=True, slots=True, eq=False)
class Rule:
    """One rule, checked and compiled."""

    id: str
    #: Its place in the file: among equal verdicts the first one speaks first.
    place: int
    actions: frozenset[ActionKind]
    per_line: bool
    scope: Scope
    when: Condition | None
    unless: Condition | None
    terms: Terms
    #: What it says where it fires, or where its terms are met.
    then: Verdict | None
    #: What it says where its terms are missed.
    on_miss: Verdict
    on_unknown: Verdict
    code: ReasonCode
    say: Say | None
    offers: tuple[Offer, ...]
    approver: str | None
    expires_hours: int | None
    audience: Audience
    shadow: bool
    line: int
    #: Every fact it names, in the order of the arithmetic.
    named: tuple[str, ...] = ()
    #: The facts its window counts from, in the order of the chain.
    counts_from: tuple[str, ...] = ()
    #: Whether it speaks of returns, whose resolution it must name.
    returns: bool = False
    #: Resolutions it speaks of by itself.
    resolutions: frozenset[RequestedResolution] = frozenset()
    #: The details of a request that what it says hangs on, besides what is asked for; None: on the money too.
    asks: tuple[str, ...] | None = field(init=False, default=None)
    #: Whether it hangs on what is asked which of its offers hold.
    offers_ask: bool = field(init=False, default=False)
    #: Whether its offers look at nothing but its own window.
    offers_by_window: bool = field(init=False, default=False)
    #: Whether its arithmetic may show facts for staff.
    shows_staff_facts: bool = field(init=False, default=False)
    #: Whether its window may count from the delivery of a line.
    by_delivery: bool = field(init=False, default=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "asks", _asks(self))
        asks = self.asks is None or any(each.when is not None and each.when.asks for each in self.offers)
        object.__setattr__(self, "offers_ask", asks)
        looked_at = {name for each in self.offers if each.when is not None for name in each.when.facts}
        object.__setattr__(self, "offers_by_window", looked_at <= {"line.days_late"})
        object.__setattr__(self, "by_delivery", "line.delivered_at" in self.counts_from)
        shown = (*self.named, *self.counts_from)
        object.__setattr__(self, "shows_staff_facts", not STAFF_FACTS.isdisjoint(shown))

    # -- does it apply

    def applies(self, facts: Facts) -> Truth:
        """Whether `for`, `when` and `unless` hold: Kleene's and, an error before an unknown."""
        found: Truth = True
        if self.scope.checks:
            found = self.scope.truth(facts)
            if found is False:
                return False
        if self.when is not None:
            truth = self.when.truth(facts)
            if truth is False:
                return False
            if truth is not True and found is not Open.ERROR:
                found = truth
        if self.unless is not None:
            truth = self.unless.truth(facts)
            if truth is True:
                return False
            if truth is not False and found is not Open.ERROR:
                found = truth
        return found

    def find(self, facts: Facts) -> Finding | None:
        """What it says; None where it has nothing to say."""
        applies = self.applies(facts)
        if applies is False:
            return None
        terms = self.terms
        try:
            if isinstance(terms, Limit):
                return self._limit(terms, facts, applies)
            if isinstance(terms, FeeTerms):
                return self._fee(terms, facts, applies)
        except AmountMissing:
            return self._open(facts, Open.ERROR)
        if isinstance(applies, Open):
            return self._open(facts, applies)
        if isinstance(terms, WindowTerms):
            return self._window(terms, facts)
        if isinstance(terms, MinCycles):
            return self._min_cycles(terms, facts)
        if isinstance(terms, MaxPause):
            return self._max_pause(terms, facts)
        assert self.then is not None
        return self._says(self.then, facts)

    @property
    def grants(self) -> bool:
        """Whether it can answer the question of permission. A limit never does: being over it must not help."""
        if isinstance(self.terms, Limit | FeeTerms):
            return False
        return self.then in (Verdict.ALLOW, Verdict.REVIEW)

    def _open(self, facts: Facts, why: Open) -> Finding:
        wanted = facts["request.resolution"] if self.returns else None
        grants = self.grants and self.grants_review(wanted)
        return Finding(self, self.on_unknown, ReasonCode.FACT_MISSING, facts, grants=grants, open=why)

    def _says(
        self,
        verdict: Verdict,
        facts: Facts,
        *,
        own: Mapping[str, Any] | None = None,
        extra: tuple[tuple[str, str | Money], ...] = (),
        counted: Counted | None = None,
        code: ReasonCode | None = None,
    ) -> Finding:
        offers = self.offers and self.offers_over(facts, counted)
        wanted = facts["request.resolution"] if self.returns else None
        if offers and verdict is not Verdict.ALLOW and any(offer.resolution is wanted for offer in offers):
            return Finding(
                self, Verdict.ALLOW, ReasonCode.OK, facts, grants=True, own=own or {}, extra=extra, counted=counted
            )
        if verdict is Verdict.ALLOW:
            speaks = (
                wanted is None
                or wanted is RequestedResolution.REFUND
                or wanted in self.resolutions
                or any(offer.resolution is wanted for offer in offers)
            )
            say = None if self.terms is not None else self.say
            return Finding(
                self, verdict, ReasonCode.OK, facts, grants=speaks, say=say, own=own or {}, extra=extra,
                counted=counted, offers=offers,
            )  # fmt: skip
        return Finding(
            self,
            verdict,
            code or self.code,
            facts,
            grants=verdict is Verdict.REVIEW and self.grants_review(wanted),
            say=self.say,
            own=own or {},
            extra=extra,
            counted=counted,
            offers=offers,
        )

    def offers_over(self, facts: Facts, counted: Counted | None = None) -> tuple[Offer, ...]:
        """The offers that hold over these facts; `counted` is the rule's own window."""
        fixed = facts.fixed
        if fixed is None or self.offers_ask:
            return self._offers_over(facts, counted)
        key = (_OFFERS, self)
        found: tuple[Offer, ...] | None = fixed.found.get(key)
        if found is None:
            found = fixed.found[key] = self._offers_among(fixed, counted)
        return found

    def _offers_among(self, facts: Facts, counted: Counted | None) -> tuple[Offer, ...]:
        """Lines with one window have the same offers, where those look at nothing else."""
        whole = facts.above
        if whole is None or counted is None or not self.offers_by_window:
            return self._offers_over(facts, counted)
        key = (_OFFERS, self, id(counted))  # kept by the window that was found
        found: tuple[Offer, ...] | None = whole.found.get(key)
        if found is None:
            found = whole.found[key] = self._offers_over(facts, counted)
        return found

    def _offers_over(self, facts: Facts, counted: Counted | None) -> tuple[Offer, ...]:
        late: Mapping[str, Any] = {}
        if counted is not None:
            late = {"line.days_late": days_late(facts.today, counted.until, facts.zone)}
        return tuple([each for each in self.offers if each.when is None or each.when.truth(facts, late) is True])

    def grants_review(self, wanted: RequestedResolution | None) -> bool:
        """Whether its REVIEW is about what was asked, so that a person may agree to it."""
        if isinstance(self.terms, Limit | FeeTerms):
            return False
        return wanted is None or wanted is RequestedResolution.REFUND or wanted in self.resolutions

    # -- terms

    def _window(self, terms: WindowTerms, facts: Facts) -> Finding:
        met, counted = self.window_over(terms, facts)
        if counted is None:
            return self._open(facts, Open.UNKNOWN)
        assert self.then is not None
        return self._says(self.then if met else self.on_miss, facts, counted=counted)

    def window_over(self, terms: WindowTerms, facts: Facts) -> tuple[bool, Counted | None]:
        """Whether the asking falls into the window, and where that ends; None where that is not known."""
        fixed = facts.fixed
        if fixed is None or not terms.fixed:
            return self._window_over(terms, facts)
        key = (_WINDOW, self)
        found: tuple[bool, Counted | None] | None = fixed.found.get(key)
        if found is None:
            found = fixed.found[key] = self._window_among(terms, fixed)
        return found

    def _window_among(self, terms: WindowTerms, facts: Facts) -> tuple[bool, Counted | None]:
        """Lines that came in one parcel have one window, where it has the same length."""
        whole = facts.above
        if whole is None:
            return self._window_over(terms, facts)
        lengths = _lengths(terms, facts)
        estimated = self.by_delivery and facts["line.delivered_estimated"]
        key = (_WINDOW, self, estimated, *map(id, lengths), *[facts[name] for name in self.counts_from])
        found: tuple[bool, Counted | None] | None = whole.found.get(key)
        if found is None:
            found = whole.found[key] = self._window_of(lengths, terms, facts)
        return found

    def _window_over(self, terms: WindowTerms, facts: Facts) -> tuple[bool, Counted | None]:
        return self._window_of(_lengths(terms, facts), terms, facts)

    def _window_of(self, lengths: Sequence[Length], terms: WindowTerms, facts: Facts) -> tuple[bool, Counted | None]:
        ends: list[Counted] = []
        for length in lengths:
            counted = count(terms.window, length, terms.seasons, facts, per_line=self.per_line)
            if counted is None:
                return _NOT_KNOWN
            ends.append(counted)
        met = inside(facts.now, ends[0].until)
        if len(ends) == 1:
            return met, ends[0]
        if any(inside(facts.now, each.until) is not met for each in ends):  # which length holds matters
            return _NOT_KNOWN
        # Of several possible ends the one that promises least, and blames least.
        return met, (min if met else max)(ends, key=lambda counted: counted.until)

    def _min_cycles(self, terms: MinCycles, facts: Facts) -> Finding:
        completed = facts.known("subscription.cycles_completed")
        if completed is None:
            return self._open(facts, Open.UNKNOWN)
        assert self.then is not None
        return self._says(
            self.then if completed >= terms.count else self.on_miss,
            facts,
            own={"cycles": str(completed), "min_cycles": str(terms.count)},
            extra=(("min_cycles", str(terms.count)),),
        )

    def _max_pause(self, terms: MaxPause, facts: Facts) -> Finding:
        open_ended, days = facts["request.open_ended"], facts["request.pause_days"]
        if open_ended is UNSAID or days is UNSAID:
            facts.touched.add(RequestFact.UNTIL)
            return self._open(facts, Open.UNKNOWN)
        if open_ended is UNKNOWN or (days is UNKNOWN and not open_ended):
            return self._open(facts, Open.UNKNOWN)
        assert self.then is not None
        return self._says(
            self.on_miss if open_ended or days > terms.days else self.then,
            facts,
            own={"max_pause": str(terms.days)},
            extra=(("max_pause", f"{terms.days} days"),),
        )

    def _limit(self, terms: Limit, facts: Facts, applies: Truth) -> Finding | None:
        currency = facts.currency
        code: ReasonCode | None = None
        own: dict[str, Any] = {}
        extra: tuple[tuple[str, str | Money], ...] = ()
        for name, allowed in (
            ("customer.refund_count_90d", terms.refunds_90d),
            ("customer.return_count_90d", terms.returns_90d),
        ):
            if allowed is None:
                continue
            had = facts.known(name)
            if had is None:
                return self._open(facts, Open.UNKNOWN)
            if had >= allowed:
                code, own = ReasonCode.VELOCITY_LIMIT, {"amount": str(had), "limit": str(allowed)}
                extra = ((name, str(had)), ("limit", str(allowed)))
        if terms.request is not None or terms.customer_90d is not None:
            amount = facts.value()
            if amount is None:
                return self._open(facts, Open.UNKNOWN)
            before = Decimal(0)
            if terms.customer_90d is not None:
                total = facts.known("customer.refund_total_90d")
                if total is None:
                    return self._open(facts, Open.UNKNOWN)
                before = total.amount
            for which, amounts, add in (
                (ReasonCode.VELOCITY_LIMIT, terms.customer_90d, before),
                (ReasonCode.AMOUNT_OVER_LIMIT, terms.request, Decimal(0)),
            ):
                if amounts is None:
                    continue
                if currency not in amounts:
                    raise AmountMissing(currency)
                allowed_sum = amounts[currency]
                if amount + add <= allowed_sum:
                    continue
                least = facts.least_amount()
                if least is not None and least + add <= allowed_sum:
                    facts.touch(RequestFact.QUANTITY)
                code = which
                asked, limit = Money.of(amount, currency), Money.of(allowed_sum, currency)
                if amounts is terms.customer_90d:
                    own = {"amount": Money.of(amount + add, currency), "limit": limit}
                    extra = (
                        ("request.amount", asked),
                        ("customer.refund_total_90d", Money.of(add, currency)),
                        ("limit", limit),
                    )
                else:
                    own = {"amount": asked, "limit": limit}
                    extra = (("request.amount", asked), ("limit", limit))
        if code is None:
            return None
        if isinstance(applies, Open):
            return self._open(facts, applies)
        chosen = self.code if self.code is not ReasonCode.OTHER else code
        return self._says(self.on_miss, facts, own=own, extra=extra, code=chosen)

    def _fee(self, terms: FeeTerms, facts: Facts, applies: Truth) -> Finding | None:
        if terms.waive_when is not None and terms.waive_when.truth(facts) is True:
            return None
        charge = self._charge(terms, facts)
        if charge is None:
            return None
        if isinstance(applies, Open):
            return self._open(facts, applies)
        return Finding(self, None, ReasonCode.OTHER, facts, say=self.say, own={"amount": charge.amount}, fee=charge)

    def _charge(self, terms: FeeTerms, facts: Facts) -> Charge | None:
        units = facts.units or 1
        if terms.percent is not None:
            base = facts.value()
            if base is None:
                raise AmountMissing(facts.currency)
            amount = base * terms.percent / 100
        else:
            assert terms.amount is not None
            if facts.currency not in terms.amount:
                raise AmountMissing(facts.currency)
            amount = terms.amount[facts.currency] * (units if terms.per is Per.UNIT else 1)
        if amount <= 0:
            return None
        line = facts.line_id if terms.per is not Per.REQUEST else None
        return Charge(terms.kind, facts.presented(amount), terms.percent, line, terms.per)


def _lengths(terms: WindowTerms, facts: Facts) -> list[Length]:
    """How long the window may be: the length of the first override that holds, and of any before it that may."""
    lengths: list[Length] = []
    for scope, length in terms.overrides:
        truth = scope.truth(facts)
        if truth is not False:
            lengths.append(length)
        if truth is True:
            return lengths
    lengths.append(terms.window.length)
    return lengths


def _asks(rule: Rule) -> tuple[str, ...] | None:
    if isinstance(rule.terms, Limit | FeeTerms):
        return None
    names = dict.fromkeys((*rule.named, *rule.counts_from))
    for offer in rule.offers:
        names.update(dict.fromkeys(offer.when.facts if offer.when is not None else ()))
    for template in rule.say.values() if rule.say is not None else ():
        names.update(dict.fromkeys(template.names))
    if rule.returns:
        names["request.resolution"] = None
    if isinstance(rule.terms, MaxPause):
        names["request.open_ended"] = None
    found = tuple(name for name in names if name in OF_REQUEST)
    return None if "request.amount" in found else found


def facts_of(rule: Rule) -> tuple[str, ...]:
    """Every fact a rule needs read, beyond the built-in ones."""
    names = dict.fromkeys(rule.named)
    for offer in rule.offers:
        if offer.when is not None:
            names.update(dict.fromkeys(offer.when.facts))
    return tuple(name for name in names if not FACTS[name].window_only)
