"""The loaded set of policy files: which policy speaks for a store, what it decides, and what that would pay back."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from functools import lru_cache
from pathlib import Path
from typing import Any, Self
from zoneinfo import ZoneInfo

from platforms.base import ORDER_ACTIONS, SUBSCRIPTION_ACTIONS
from policies.asked import Asked, AskedLine, History
from policies.document import StoreLike, read_policies
from policies.errors import PolicyError, PolicyIssue
from policies.facts import (
    ORDER_KINDS,
    SUBSCRIPTION_KINDS,
    Facts,
    Ground,
    order_parts_of,
    rounded,
    subscription_parts_of,
)
from policies.judge import Judgement, condition, holds_back, judge, reason, told
from policies.messages import OFFER_TEXT, choose, spoken
from policies.policy import DEFAULT_APPROVER, DEFAULT_EXPIRES_HOURS, Policy
from policies.recorded import Recording, write_down
from policies.remarks import remarks_on
from policies.rules import facts_of
from schema.actions import Viewer
from schema.making import maker
from schema.order import Order, OrderLine
from schema.parts import OrderParts, SubscriptionParts
from schema.policy import Alternative, Decision, PolicyVersion
from schema.values import Fee, Money, Quote
from schema.vocabulary import (
    ActionKind,
    AssuranceLevel,
    ConditionKind,
    FeeKind,
    RefundChoice,
    RefundDestination,
    RequestedResolution,
    Verdict,
)

__all__ = ["PolicyError", "PolicyProcessor", "as_told_to", "costs_the_customer", "zone_of"]

_FEES: Mapping[ConditionKind, FeeKind] = {
    ConditionKind.RESTOCKING_FEE: FeeKind.RESTOCKING,
    ConditionKind.RETURN_SHIPPING_FEE: FeeKind.RETURN_SHIPPING,
}
#: What the built-in checks look at, whatever the rules name.
_BUILT_IN_PARTS: Mapping[ActionKind, OrderParts] = {
    ActionKind.RETURN_ORDER: OrderParts.LINES | OrderParts.RETURNS,
}


@lru_cache(maxsize=256)
def zone_of(name: str) -> ZoneInfo:
    """A time zone by its IANA name."""
    return ZoneInfo(name)


@lru_cache(maxsize=64)
def _version(policy: Policy | None) -> PolicyVersion:
    return PolicyVersion(name=policy.name if policy else "none", digest=policy.digest if policy else "")


_decision = maker(
    Decision, "verdict", "reasons", "policy", "decided_at", "conditions", "alternatives", "allowed_until",
    "shadow_reasons", "approver", "expires_hours",
)  # fmt: skip


class PolicyProcessor:
    """The merchant's policy files, checked and compiled. A bad file never replaces a good one."""

    def __init__(self, path: Path, stores: Mapping[str, StoreLike], policies: Sequence[Policy]) -> None:
        self._path = path
        self.stores = stores
        self._seen = _signature(path)
        self._take(policies)
        #: Why the files as they are now cannot be used; None while the loaded set is the newest.
        self.problem: PolicyError | None = None

    @classmethod
    def load(cls, path: str | Path, stores: Mapping[str, StoreLike]) -> Self:
        """The policies of a file, or of every `*.yaml` and `*.yml` in a folder.

        Args:
            stores: every configured store by its id, with its `time_zone` and `currency_code`.

        Raises:
            PolicyError: with every mistake found, each with file, line and column.
        """
        found = Path(path)
        return cls(found, stores, read_policies(found, stores))

    def _take(self, policies: Sequence[Policy]) -> None:
        self.policies = tuple(policies)
        self._by_store = {store: policy for policy in policies for store in policy.stores}
        self._order_parts: dict[tuple[str, ActionKind], OrderParts] = {}
        self._subscription_parts: dict[tuple[str, ActionKind], SubscriptionParts] = {}
        digests = [policy.digest for policy in policies]
        #: The digest of the set: the file's own where there is one file.
        self.digest = digests[0] if len(digests) == 1 else hashlib.sha256("\n".join(digests).encode()).hexdigest()
        self.name = ", ".join(policy.name for policy in policies)

    def refresh(self) -> bool:
        """Look whether the files changed, which is cheap, and take the new ones if they are right.

        Returns whether a new set is in force. Where the new files hold mistakes the old set stays, and `problem`
        has them until the files are right again.
        """
        signature = _signature(self._path)
        if signature == self._seen:
            return False
        self._seen = signature
        try:
            policies = read_policies(self._path, self.stores)
        except PolicyError as error:
            self.problem = error
            return False
        self.problem = None
        changed = [policy.digest for policy in policies] != [policy.digest for policy in self.policies]
        self._take(policies)
        return changed

    @property
    def warnings(self) -> tuple[PolicyIssue, ...]:
        """What loads and is yet worth a second look, as `check` tells it."""
        return tuple(sorted(remark for policy in self.policies for remark in remarks_on(policy)))

    def policy_of(self, store_key: str) -> Policy | None:
        """The policy that speaks for a store."""
        return self._by_store.get(store_key)

    # ------------------------------------------------------------------------------------------- what it reads

    def order_parts(self, store_key: str, actions: Sequence[ActionKind] | None = None) -> OrderParts:
        """What of an order a decision about these actions looks at; every order action where none is named.

        A refund that names lines looks at the order's refunds besides, which a fresh read for an action always has.
        """
        found = OrderParts.NONE
        for kind in ORDER_ACTIONS if actions is None else actions:
            if kind in ORDER_KINDS:
                found |= self._order_parts_of(store_key, kind)
        return found

    def _order_parts_of(self, store_key: str, kind: ActionKind) -> OrderParts:
        key = (store_key, kind)
        if key not in self._order_parts:
            found = _BUILT_IN_PARTS.get(kind, OrderParts.NONE)
            policy = self._by_store.get(store_key)
            for rule in policy.rules_of(kind) if policy else ():
                found |= order_parts_of(name for name in facts_of(rule) if name != "request.amount")
                found |= order_parts_of(rule.counts_from)
                if rule.per_line:
                    found |= OrderParts.LINES
            self._order_parts[key] = found
        return self._order_parts[key]

    def subscription_parts(self, store_key: str, actions: Sequence[ActionKind] | None = None) -> SubscriptionParts:
        """What of a subscription a decision about these actions looks at."""
        found = SubscriptionParts.NONE
        for kind in SUBSCRIPTION_ACTIONS if actions is None else actions:
            if kind not in SUBSCRIPTION_KINDS:
                continue
            key = (store_key, kind)
            if key not in self._subscription_parts:
                policy = self._by_store.get(store_key)
                parts = SubscriptionParts.NONE
                for rule in policy.rules_of(kind) if policy else ():
                    parts |= subscription_parts_of(facts_of(rule))
                self._subscription_parts[key] = parts
            found |= self._subscription_parts[key]
        return found

    # ------------------------------------------------------------------------------------------- what it decides

    def facts(
        self,
        asked: Asked,
        history: History,
        viewer: Viewer | None,
        now: datetime,
        unsaid: Mapping[str, Any] | None = None,
        rows: Sequence[AskedLine] = (),
        ground: Ground | None = None,
    ) -> tuple[Facts, list[Facts]]:
        """The facts of the request, and of each line that is looked at.

        Args:
            unsaid: put in place of the request's own.
            rows: looked at where the request names no lines; left out: every line, if a rule asks for lines.
            ground: of an earlier request for the same action on the same thing, by the same viewer at the same time.
        """
        order = asked.order
        if ground is None:
            whole = self._whole(asked, history, viewer, now)
        else:
            of = ground.whole
            whole = Facts(asked, of.history, of.viewer, of.now, of.zone, of.currency, fixed=of)
        if unsaid:
            whole.update(unsaid)
        looked_at: Sequence[AskedLine] = asked.lines or rows
        if not looked_at and order is not None and self.asks_of_lines(asked.store.key, asked.kind):
            looked_at = rows_of(order)
        if ground is None:
            lines = [whole.of_line(row) for row in looked_at]
        else:
            lines = [ground.line_of(whole, row) for row in looked_at]
        if unsaid:
            for line in lines:
                line.update(unsaid)
        return whole, lines

    def _whole(self, asked: Asked, history: History, viewer: Viewer | None, now: datetime) -> Facts:
        order = asked.order
        currency = order.totals.total.shop.currency_code if order is not None else asked.store.currency_code
        return Facts(asked, history, viewer, now.astimezone(UTC), zone_of(asked.store.time_zone), currency)

    def asks_of_lines(self, store_key: str, kind: ActionKind) -> bool:
        """Whether a rule of an action that is asked of the whole order is asked of its lines."""
        policy = self._by_store.get(store_key)
        return policy is not None and kind in policy.of_lines and kind is not ActionKind.RETURN_ORDER

    def judge(self, asked: Asked, whole: Facts, lines: Sequence[Facts], *, on_trial: bool = True) -> Judgement:
        """The verdict over facts, not yet in words."""
        return judge(self._by_store.get(asked.store.key), asked.kind, whole, lines, on_trial=on_trial)

    def decide(self, asked: Asked, history: History, viewer: Viewer, now: datetime, locale: str = "en") -> Decision:
        """What the policy says of one asked-for thing, as this viewer may hear it.

        A pure function of the loaded rules, the facts on the nouns, the history and `now` (aware).

        Raises:
            PartNotLoaded: a noun was read with fewer parts than `order_parts` or `subscription_parts` names.
        """
        decision = self.decide_fully(asked, history, viewer, now, locale)
        return as_told_to(decision, viewer, spoken(locale, asked.store))

    def decide_fully(
        self, asked: Asked, history: History, viewer: Viewer, now: datetime, locale: str = "en"
    ) -> Decision:
        """`decide` with nothing held back: what is recorded, and what an approver sees."""
        whole, lines = self.facts(asked, history, viewer, now)
        return self.put_in_words(asked, self.judge(asked, whole, lines), history, viewer, now, locale)

    def put_in_words(
        self, asked: Asked, found: Judgement, history: History, viewer: Viewer, now: datetime, locale: str
    ) -> Decision:
        """A judgement as the contract shows it, with what would be allowed instead.

        An empty `locale` is that of the store.
        """

        def instead(resolution: RequestedResolution) -> Verdict:
            other = replace(asked, resolution=resolution)
            return self.judge(other, *self.facts(other, history, viewer, now)).verdict

        return self._worded(asked.store.key, asked.kind, found, now, spoken(locale, asked.store), instead)

    def _worded(
        self,
        store_key: str,
        kind: ActionKind,
        found: Judgement,
        now: datetime,
        locale: str,
        instead: Callable[[RequestedResolution], Verdict],
    ) -> Decision:
        policy = self._by_store.get(store_key)
        approver = hours = None
        if found.verdict is Verdict.REVIEW:
            asking = [each.rule for each in found.findings if each.verdict is Verdict.REVIEW and each.rule is not None]
            approver = next((rule.approver for rule in asking if rule.approver), None) or (
                policy.approver if policy else DEFAULT_APPROVER
            )
            hours = next((rule.expires_hours for rule in asking if rule.expires_hours), None) or (
                policy.expires_hours if policy else DEFAULT_EXPIRES_HOURS
            )
        return _decision(
            verdict=found.verdict,
            reasons=[reason(each, locale) for each in found.findings],
            policy=_version(policy),
            decided_at=now,
            conditions=[condition(finding, charge, locale) for finding, charge in found.charges],
            alternatives=_alternatives(kind, found, locale, instead),
            allowed_until=found.until,
            shadow_reasons=[reason(each, locale) for each in found.shadow],
            approver=approver,
            expires_hours=hours,
        )

    def approver(self, decision: Decision) -> str:
        """The role that may approve a decision that says REVIEW."""
        return decision.approver or DEFAULT_APPROVER

    # ------------------------------------------------------------------------------------------- what was decided

    def recorded_facts(self, asked: Asked, history: History, viewer: Viewer | None, now: datetime) -> dict[str, Any]:
        """Every fact of one asked-for thing that is known, in plain JSON, with all that `decide_recorded` needs.

        No e-mail, name, address or free text of anybody is in it; without a viewer, nothing of who asked.
        `asked.order` is read with all its parts but addresses; a fact of a part that was not read is left out, as one
        that is not known.
        """
        order = asked.order
        rows: Sequence[AskedLine] = asked.lines
        if not rows and order is not None and order.has("lines"):
            rows = rows_of(order)
        return write_down(*self.facts(asked, history, viewer, now, rows=rows))

    def decide_recorded(self, facts: Mapping[str, Any], locale: str = "en") -> Decision:
        """What these policies say of facts that were written down: verdict, reasons, conditions as decided live.

        Reasons do not point to lines, which are not at hand; nothing is held back.

        Raises:
            Illegible: these are not facts that `recorded_facts` wrote down.
        """
        record = Recording(facts)
        policy = self._by_store.get(record.store)

        def judged(resolution: RequestedResolution | None = None) -> Judgement:
            whole, lines = record.facts(self.asks_of_lines(record.store, record.kind), zone_of, resolution)
            return judge(policy, record.kind, whole, lines)

        return self._worded(
            record.store, record.kind, judged(), record.now, locale, lambda resolution: judged(resolution).verdict
        )

    # ------------------------------------------------------------------------------------------- what it pays back

    def fees(self, asked: Asked, decision: Decision) -> tuple[Fee, ...]:
        """Every fee of a decision, in the customer's currency."""
        return tuple(
            Fee(kind=_FEES[each.kind], amount=each.amount)
            for each in decision.conditions
            if each.kind in _FEES and each.amount is not None
        )

    def restocking_percent(self, asked: Asked, decision: Decision, line: OrderLine) -> Decimal:
        """What is kept back of one line's value for restocking, in percent."""
        percent = Decimal(0)
        for each in decision.conditions:
            if each.kind is not ConditionKind.RESTOCKING_FEE or each.line_native_id not in (None, line.native_id):
                continue
            if each.percent is not None:
                percent += each.percent
            elif each.amount is not None:
                rows = [r for r in asked.lines if each.line_native_id is None or r.line.native_id == line.native_id]
                value = sum((_presented_value(row) for row in rows), Decimal(0))
                if value > 0:
                    percent += (each.amount.amount * 100 / value).quantize(Decimal("0.0001"))
        return min(percent, Decimal(100))

    def quote(self, asked: Asked, decision: Decision) -> Quote | None:
        """What an action on an order would pay back, in the customer's currency; None where no money moves.

        An estimate, except where the platform told the sum or an amount was asked for: it may come to a slightly
        other sum for taxes and discounts.
        """
        order = asked.order
        if order is None or decision.verdict is Verdict.DENY:
            return None
        totals = order.totals
        left = totals.refundable.presentment
        currency = left.currency_code
        if asked.kind is ActionKind.CANCEL_ORDER:
            if asked.refund is RefundChoice.NONE or not asked.store.state.refunds_on_cancel:
                return None
            return Quote(
                items=totals.subtotal.presentment,
                total=left,
                destination=_destination(asked),
                estimated=True,
                tax=totals.tax.presentment if totals.tax else None,
                shipping=totals.shipping.presentment if totals.shipping else None,
            )
        if asked.kind is ActionKind.REFUND_ORDER:
            if asked.amount is None:
                return None
            sum_ = asked.sum
            return Quote(
                items=sum_.items if sum_ is not None else asked.amount,
                total=asked.amount,
                destination=_destination(asked),
                estimated=sum_.estimated if sum_ is not None else False,
                tax=sum_.tax if sum_ is not None else None,
                shipping=sum_.shipping if sum_ is not None else None,
            )
        items = rounded(sum((_presented_value(row) for row in asked.lines), Decimal(0)), currency)
        fees = list(self.fees(asked, decision))
        kept = sum((fee.amount.amount for fee in fees), Decimal(0))
        return Quote(
            items=Money.of(items, currency),
            total=Money.of(max(min(items - kept, left.amount), Decimal(0)), currency),
            destination=_destination(asked),
            estimated=True,
            fees=fees,
        )


def rows_of(order: Order) -> list[AskedLine]:
    """Every line of an order, as a request that names none is about them."""
    return [AskedLine(line, line.quantity.current) for line in order.lines]


def _alternatives(
    kind: ActionKind, found: Judgement, locale: str, instead: Callable[[RequestedResolution], Verdict]
) -> list[Alternative]:
    """Offers of the rules that stand against the request, of those that would really be allowed."""
    if found.verdict is Verdict.ALLOW or kind is not ActionKind.RETURN_ORDER:
        return []
    alternatives: dict[RequestedResolution, Alternative] = {}
    for finding in found.findings:
        for offer in finding.offers if finding.verdict is not Verdict.ALLOW else ():
            if offer.resolution not in alternatives and instead(offer.resolution) is Verdict.ALLOW:
                label = choose(offer.label or OFFER_TEXT[offer.resolution], locale).text
                alternatives[offer.resolution] = Alternative(action=kind, label=label, resolution=offer.resolution)
    return list(alternatives.values())


def _presented_value(row: AskedLine) -> Decimal:
    ordered, total = row.line.quantity.ordered, row.line.total.presentment.amount
    return total * min(row.quantity, ordered) / ordered if ordered > 0 else Decimal(0)


def _destination(asked: Asked) -> RefundDestination:
    credit = asked.refund is RefundChoice.STORE_CREDIT or asked.resolution is RequestedResolution.STORE_CREDIT
    return RefundDestination.STORE_CREDIT if credit else RefundDestination.ORIGINAL_PAYMENT


def costs_the_customer(decision: Decision) -> bool:
    """Whether a condition of the decision costs the customer money."""
    return any(each.amount is not None and each.amount.amount != 0 for each in decision.conditions)


def as_told_to(decision: Decision, viewer: Viewer, locale: str = "en") -> Decision:
    """A decision as a viewer may hear it: below staff, rules for staff say one neutral sentence and no figures."""
    if viewer.assurance >= AssuranceLevel.STAFF or not holds_back(decision.reasons):
        return decision
    return _decision(
        verdict=decision.verdict,
        reasons=told(decision.reasons, decision.verdict, locale),
        policy=decision.policy,
        decided_at=decision.decided_at,
        conditions=decision.conditions,
        alternatives=decision.alternatives,
        allowed_until=decision.allowed_until,
        shadow_reasons=decision.shadow_reasons,
        approver=decision.approver,
        expires_hours=decision.expires_hours,
    )


def _signature(path: Path) -> tuple[tuple[str, int, int], ...]:
    """What changes when a policy file changes."""
    try:
        files = sorted([*path.glob("*.yaml"), *path.glob("*.yml")]) if path.is_dir() else [path]
        stats = [(file.name, file.stat()) for file in files]
    except OSError:
        return ()
    return tuple((name, stat.st_mtime_ns, stat.st_size) for name, stat in stats)
