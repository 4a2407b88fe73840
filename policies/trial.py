"""What another policy would have said of what was asked for or done already, and what would have come out otherwise."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from policies.processor import PolicyProcessor
from policies.recorded import Recording
from schema.policy import Decision
from schema.values import Money
from schema.vocabulary import ActionKind, Verdict


@dataclass(frozen=True, slots=True)
class Flip:
    """One thing that would come out otherwise. `rule` and `code` are what decides it in the policy on trial."""

    #: The id of the action, or of what the store shows.
    id: str
    kind: ActionKind
    store: str
    at: datetime
    before: Verdict
    after: Verdict
    rule: str
    code: str
    #: What it would have moved, where that is known.
    worth: Money | None = None
    #: What it costs the customer before and after, where that is what changes.
    costs: tuple[str, str] | None = None


@dataclass(slots=True)
class Trial:
    """What was compared so far, and what of it would come out otherwise."""

    compared: int = 0
    #: Facts were not recorded, or are no longer kept.
    without_facts: int = 0
    #: Of stores the policy on trial does not speak for.
    not_covered: int = 0
    flips: list[Flip] = field(default_factory=list)

    def counts(self) -> Mapping[tuple[Verdict, Verdict], int]:
        """How many flips there are of each kind: before, after."""
        return Counter((flip.before, flip.after) for flip in self.flips)

    def money(self) -> Mapping[tuple[Verdict, Verdict], Mapping[str, Decimal]]:
        """What the flips of each kind would move, by currency."""
        found: dict[tuple[Verdict, Verdict], dict[str, Decimal]] = {}
        for flip in self.flips:
            if flip.worth is not None:
                sums = found.setdefault((flip.before, flip.after), {})
                code = flip.worth.currency_code
                sums[code] = sums.get(code, Decimal(0)) + flip.worth.amount
        return found

    def decide_again(
        self,
        policies: PolicyProcessor,
        facts: Mapping[str, Any] | None,
        before: Verdict | None,
        *,
        id: str,
        worth: Money | None = None,
        costs: str | None = None,
    ) -> None:
        """Take one recorded decision into account.

        Args:
            facts: as `PolicyProcessor.recorded_facts` wrote them down; None: there are none.
            before: what was decided, or what happened.
            costs: what the decision cost the customer, as `costs_of` says it; None: that is not compared.

        Raises:
            Illegible: the facts are of no decision.
        """
        if facts is None or before is None:
            self.without_facts += 1
            return
        record = Recording(facts)
        if policies.policy_of(record.store) is None:
            self.not_covered += 1
            return
        after = policies.decide_recorded(facts)
        self.compared += 1
        told = costs_of(after)
        dearer = (
            costs is not None and after.verdict is not Verdict.DENY and before is not Verdict.DENY and told != costs
        )
        if after.verdict is before and not dearer:
            return
        reason = after.reasons[0]
        self.flips.append(
            Flip(
                id=id,
                kind=record.kind,
                store=record.store,
                at=record.now,
                before=before,
                after=after.verdict,
                rule=reason.rule,
                code=reason.code.name,
                worth=worth if worth is not None else record.worth(),
                costs=(costs or "", told) if dearer else None,
            )
        )


def costs_of(decision: Decision) -> str:
    """What the conditions of a decision cost the customer together: `4.95 USD`, or nothing."""
    return in_words(each.amount for each in decision.conditions if each.amount is not None)


def in_words(amounts: Iterable[Money]) -> str:
    """Amounts, summed by currency."""
    sums: dict[str, Decimal] = {}
    for money in amounts:
        sums[money.currency_code] = sums.get(money.currency_code, Decimal(0)) + money.amount
    return ", ".join(f"{amount} {code}" for code, amount in sorted(sums.items()) if amount)
