"""What an action is decided on: its target read fresh, whose it is, and what of it was paid back before."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from actions.asking import Asking, check_refund, lines_of
from actions.caller import Caller
from actions.effects import PAYS_BACK, Effects
from actions.ledger import Ledger, Record
from actions.problems import Stop, not_found
from platforms.base import CLOCK_SKEW, Operation, Platform, RefundAsk, RefundedLine, RefundSum, cost_alike
from platforms.errors import PlatformError
from policies.asked import Asked, AskedLine
from policies.facts import rounded
from schema.customer import CustomerProfile
from schema.emails import Email, email_or_none
from schema.ids import GlobalId, parse_id
from schema.inputs import (
    CancelOrderInput,
    CancelSubscriptionInput,
    PauseSubscriptionInput,
    RefundOrderInput,
    ReturnLineInput,
    ReturnOrderInput,
)
from schema.order import Order
from schema.parts import OrderParts, SubscriptionParts
from schema.returns import Refund
from schema.subscription import Subscription
from schema.values import Money
from schema.vocabulary import ActionKind, RefundStatus


@dataclass(slots=True)
class Facts:
    """The target, read fresh, and what is asked of it."""

    target: Order | Subscription
    owner: Email | None
    asked: Asked

    @property
    def refunds(self) -> list[str]:
        """Ids of the refunds the store shows on the order."""
        return [one.id for one in self.target.refunds or ()] if isinstance(self.target, Order) else []


class FactReader:
    """Reads facts for one caller, who may act on what is theirs."""

    def __init__(self, ledger: Ledger, effects: Effects, platforms: Mapping[str, Platform], caller: Caller) -> None:
        self._ledger = ledger
        self._effects = effects
        self._platforms = platforms
        self._caller = caller

    async def read(
        self,
        asking: Asking,
        parts: OrderParts = OrderParts.NONE,
        *,
        refunds_before: Collection[str] | None = None,
        besides: str | None = None,
        untouched: bool = False,
    ) -> Facts:
        """The facts of a request, now.

        Args:
            parts: what of an order is read beside the facts.
            refunds_before: ids of the refunds that were there when it was first asked for; None: that is now.
            besides: the id of the action that is decided again, which is not counted among the others.
            untouched: the ledger has nothing on the target.

        Raises:
            Stop: there is no such thing, or it is not the caller's.
            Invalid: the request does not fit the target.
            PlatformError: the store could not be read.
        """
        platform = self._platforms[asking.target.store]
        bound = self._caller.bound
        if bound is not None and not await self._is_theirs(platform, asking.target, bound):
            raise Stop(not_found())
        target = await self._effects.read(platform, str(asking.target), parts)
        if target is None:
            raise Stop(not_found())
        owner = await self.owner(target)
        if bound is not None and owner != bound:
            raise Stop(not_found())
        asked = Asked(
            kind=asking.kind,
            store=platform.store,
            order=target if isinstance(target, Order) else None,
            subscription=target if isinstance(target, Subscription) else None,
        )
        match asking.input:
            case CancelOrderInput() as given:
                asked = replace(asked, refund=given.refund, reason=given.reason.value, note=given.note)
            case ReturnOrderInput() as given if isinstance(target, Order):
                asked = replace(
                    asked,
                    resolution=given.resolution,
                    lines=tuple(
                        AskedLine(line, named.quantity, named.reason, named.condition, named.note)
                        for named, line in lines_of(asking, target)
                        if isinstance(named, ReturnLineInput)
                    ),
                )
            case RefundOrderInput() as given if isinstance(target, Order):
                asked = await self._of_refund(asked, asking, given, platform, target)
            case PauseSubscriptionInput() as given:
                asked = replace(asked, until=given.until)
            case CancelSubscriptionInput() as given:
                asked = replace(asked, reason=given.reason)
        if asking.kind in PAYS_BACK and isinstance(target, Order):
            records = [] if untouched else await self._ledger.paying_back([str(asking.target)], besides)
            paid, ours = paid_here(target, records)
            outside = refunds_before is not None and bool(foreign_refunds(target, {*refunds_before, *ours}))
            asked = replace(asked, paid_here=paid, refunded_outside=outside)
        return Facts(target, owner, asked)

    async def _of_refund(
        self, asked: Asked, asking: Asking, given: RefundOrderInput, platform: Platform, order: Order
    ) -> Asked:
        check_refund(asking, order)
        rows = tuple(AskedLine(line, named.quantity) for named, line in lines_of(asking, order))
        found: RefundSum | None = None
        if given.amount is not None:
            # In the currency's own digits, whoever wrote 5 or 5.00: a confirmed preview is compared with this.
            amount = Money.of(rounded(given.amount, given.currency_code), given.currency_code)
        else:
            named = tuple(RefundedLine(row.line, row.quantity) for row in rows)
            found = await platform.refund_sum(RefundAsk(order, named, given.shipping))
            amount = found.total
        return replace(asked, lines=rows, amount=amount, sum=found, refund=given.destination, reason=given.reason)

    async def _is_theirs(self, platform: Platform, target: GlobalId, bound: Email) -> bool:
        """Whether a target is the bound customer's, seen before its facts are read: another's costs what none costs."""
        if target.type == "Order":
            orders = await platform.orders([target.native], OrderParts.NONE)
            await cost_alike(platform, orders.values())
            order = orders.get(target.native)
            return order is not None and order.owner == bound
        able = platform.supports(Operation.PROFILES)
        records, found = await asyncio.gather(
            platform.profiles([bound]) if able else _nobody(),
            platform.subscriptions([target.native], SubscriptionParts.NONE),
        )
        subscription = found.get(target.native)
        if subscription is None or subscription.owner is not None or subscription.customer_ref is None:
            return subscription is not None and subscription.owner == bound
        ref = subscription.customer_ref
        if not able or ref.store != platform.config.id:
            return await self.owner(subscription) == bound
        theirs = {(platform.config.id, one.source.native_id) for one in records.get(bound, ())}
        return (ref.store, ref.native_id) in theirs

    async def owner(self, target: Order | Subscription) -> Email | None:
        """Whose it is. Of a subscription whose record names nobody, the customer record behind it is read."""
        if target.owner is not None or isinstance(target, Order) or target.customer_ref is None:
            return target.owner
        ref = target.customer_ref
        platform = self._platforms.get(ref.store)
        if platform is None:
            return None
        try:
            profile = (await platform.profiles_by_id([ref.native_id])).get(ref.native_id)
        except PlatformError:
            if self._caller.bound is not None:
                raise
            return None  # staff may act all the same; only the counters of 90 days stay unknown
        if profile is not None:
            target.owner = profile.owner or email_or_none(profile.email)
        return target.owner


async def _nobody() -> Mapping[Email, Sequence[CustomerProfile]]:
    """The records of a store that keeps none."""
    return {}


def paid_here(order: Order, records: Sequence[Record]) -> tuple[Decimal, frozenset[str]]:
    """What these actions have paid back of an order or may be paying back, and the ids of the refunds they made.

    What the store shows of an action counts as it shows it; what it does not show yet, or was not read, counts as it
    was quoted. The amount is in the customer's currency.
    """
    refunds = (order.refunds or ()) if order.has("refunds") else ()
    shown = [one for one in refunds if one.status is not RefundStatus.FAILED]
    ours: set[str] = set()
    total = Decimal(0)
    # Those whose refund is known by name go first, so that no other takes it for its own.
    for record in sorted(records, key=lambda each: (each.reference is None, each.requested_at)):
        found = _made_by(record, [one for one in shown if one.id not in ours])
        ours |= {one.id for one in found}
        if found:
            total += sum((one.amount.presentment.amount for one in found), Decimal(0))
        elif record.quote is not None:
            total += Decimal(record.quote["total"]["amount"])
    return total, frozenset(ours)


def _made_by(record: Record, refunds: Sequence[Refund]) -> list[Refund]:
    """The refunds of an action, among those that no earlier action made."""
    before = frozenset(record.request.get("refunds_before", ()))
    since = record.requested_at - CLOCK_SKEW
    new = [one for one in refunds if one.id not in before and one.created_at >= since]
    if record.kind is ActionKind.CANCEL_ORDER:
        return new if record.quote is not None else []
    if record.reference is not None:
        return [one for one in refunds if parse_id(one.id).parts[-1] == record.reference]
    wanted = Decimal(record.quote["total"]["amount"]) if record.quote is not None else None
    return [one for one in new if one.amount.presentment.amount == wanted][:1]


def foreign_refunds(order: Order, known: Collection[str]) -> list[Refund]:
    """Refunds the store shows that nobody here knows of; those that failed moved nothing."""
    return [one for one in order.refunds or () if one.id not in known and one.status is not RefundStatus.FAILED]
