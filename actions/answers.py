"""What became of an action, as a payload carries it: the action, and its target as it is now."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

import structlog

from actions.caller import Caller
from actions.effects import Effects
from actions.facts import FactReader
from actions.held import held_return_id
from actions.ledger import Record
from actions.privacy import Privacy
from actions.problems import Stop, not_found
from actions.shaping import action_of
from platforms.base import CLOCK_SKEW, Platform
from platforms.errors import PlatformError
from platforms.transport import store_deadline
from policies.messages import spoken
from schema.actions import Action
from schema.ids import parse_id
from schema.order import Order, OrderLine
from schema.parts import OrderParts
from schema.problems import Problem
from schema.provenance import Capability
from schema.returns import Refund, Return
from schema.subscription import Subscription
from schema.values import Quote
from schema.vocabulary import ActionKind, ActionState, SupportLevel

_log = structlog.get_logger("actions.answers")

#: Seconds the last read has at least, however long the action took.
_LAST_READ = 2.0


@dataclass(frozen=True, slots=True)
class Answer:
    """What an action came to, for a payload."""

    action: Action | None = None
    problem: Problem | None = None
    replayed: bool = False
    order: Order | None = None
    subscription: Subscription | None = None
    refund: Refund | None = None
    return_record: Return | None = None
    quote: Quote | None = None


class Answers:
    """Shapes answers for one caller."""

    def __init__(
        self,
        caller: Caller,
        facts: FactReader,
        effects: Effects,
        platforms: Mapping[str, Platform],
        privacy: Privacy,
    ) -> None:
        self._caller = caller
        self._facts = facts
        self._effects = effects
        self._platforms = platforms
        self._privacy = privacy

    async def of(
        self, record: Record, known: Order | Subscription | None, parts: OrderParts, until: float, *, replayed: bool
    ) -> Answer:
        """The action as it is, over its target as it is: read again unless nothing was sent since it was read.

        Args:
            known: the target as it was read for the decision.
            until: the event loop's time at which the request ends.

        Raises:
            Stop: it is another customer's by now.
        """
        target = known
        if known is None or record.state not in (ActionState.DENIED, ActionState.AWAITING_APPROVAL):
            left = until - asyncio.get_running_loop().time()
            target = await self._fresh(record, parts, max(left, _LAST_READ))
            _carry_owner(known, target)
            if self._caller.bound is not None and target is not None:
                try:
                    if await self._facts.owner(target) != self._caller.bound:
                        raise Stop(not_found())
                except PlatformError:
                    target = None  # whose it is now cannot be read; the action was theirs
        order = target if isinstance(target, Order) else None
        action = self.shown(record, order)
        return Answer(
            action=action,
            problem=action.problem,
            replayed=replayed,
            order=order,
            subscription=target if isinstance(target, Subscription) else None,
            refund=_refund(record, order),
            return_record=_return(record, order),
            quote=action.quote,
        )

    async def _fresh(self, record: Record, parts: OrderParts, seconds: float) -> Order | Subscription | None:
        """The target now; None where it cannot be read: what became of the action is known all the same."""
        platform = self._platforms.get(record.store)
        if platform is None:
            return None
        try:
            with store_deadline(seconds):
                return await self._effects.read(platform, record.target, parts)
        except PlatformError as error:
            _log.warning("the target could not be read for the answer", action=record.id, code=error.code.value)
            return None

    def shown(self, record: Record, order: Order | None = None) -> Action:
        """An action as this caller may see it; with its order, its reasons point to the order's lines."""
        lines: dict[str, OrderLine] = {}
        if order is not None and order.has("lines"):
            lines = {line.native_id: line for line in order.lines}
        caller, platform = self._caller, self._platforms.get(record.store)
        locale = spoken(caller.locale, platform.store) if platform is not None else caller.locale
        return action_of(record, caller.viewer, locale, self._privacy, self.capability(record), lines)

    def capability(self, record: Record) -> Capability:
        platform = self._platforms.get(record.store)
        if platform is None:
            return Capability(action=record.kind, support=SupportLevel.UNSUPPORTED, note="The store is gone.")
        return platform.capability(record.kind)


def _carry_owner(before: Order | Subscription | None, now: Order | Subscription | None) -> None:
    """Whose customer record a subscription names was found out with its facts; it is not read again."""
    if not (isinstance(before, Subscription) and isinstance(now, Subscription)):
        return
    if now.owner is None and now.customer_ref == before.customer_ref:
        now.owner = before.owner


def _refund(record: Record, order: Order | None) -> Refund | None:
    """The money an action paid back: the one it names, or the newest since it was asked for."""
    if record.state is not ActionState.SUCCEEDED or order is None:
        return None
    if record.kind is ActionKind.REFUND_ORDER and record.reference is not None:
        named = (one for one in order.refunds or () if parse_id(one.id).parts[-1] == record.reference)
        return next(named, None)
    if record.kind not in (ActionKind.CANCEL_ORDER, ActionKind.REFUND_ORDER):
        return None
    since = record.requested_at - CLOCK_SKEW
    return max(
        (refund for refund in order.refunds or () if refund.created_at >= since),
        key=lambda refund: refund.created_at,
        default=None,
    )


def _return(record: Record, order: Order | None) -> Return | None:
    """The return that was made, on the platform or held here."""
    if record.kind is not ActionKind.RETURN_ORDER or record.state is not ActionState.SUCCEEDED or order is None:
        return None
    held = held_return_id(record.store, order.source.native_id, record.id)
    return next(
        (one for one in order.returns or () if one.id == held or one.source.native_id == record.reference), None
    )
