"""An order's story in one list: what the store did, what was decided, who agreed, and what came of it."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime

from actions.answers import Answers
from actions.caller import Caller
from actions.held import Held, HeldMove
from actions.ledger import Ledger, Record, Step
from actions.listing import Listings
from actions.privacy import Privacy
from actions.shaping import actor_for
from schema.actions import Actor, TimelineEntry
from schema.ids import parse_id
from schema.order import Order
from schema.vocabulary import ActionState, ActorKind, DeliveryStatus, MoneyMoved, RecordHolder, ReturnStatus

_FIRST = {
    ActionState.RUNNING: "allowed",
    ActionState.AWAITING_APPROVAL: "a person has to agree",
    ActionState.DENIED: "denied",
}
_THEN = {
    ActionState.RUNNING: "sent again",
    ActionState.DENIED: "denied, since things have changed",
    ActionState.REJECTED: "turned down",
    ActionState.EXPIRED: "nobody agreed in time",
    ActionState.PENDING: "the store is working on it",
    ActionState.SUCCEEDED: "done",
    ActionState.FAILED: "it did not happen",
    ActionState.UNKNOWN: "its outcome is not known yet",
}
_MOVED = {
    ReturnStatus.IN_TRANSIT: "is on its way",
    ReturnStatus.RECEIVED: "has arrived",
    ReturnStatus.CLOSED: "is closed",
    ReturnStatus.CANCELLED: "was cancelled",
}


class Timelines:
    """Tells the stories of orders to one caller."""

    def __init__(
        self, ledger: Ledger, held: Held, caller: Caller, answers: Answers, listings: Listings, privacy: Privacy
    ) -> None:
        self._ledger = ledger
        self._held = held
        self._caller = caller
        self._answers = answers
        self._listings = listings
        self._privacy = privacy

    async def of(self, orders: Sequence[Order]) -> list[list[TimelineEntry]]:
        """Of each order everything, newest first. The orders carry lines, fulfillments, returns and refunds."""
        records: dict[str, list[Record]] = {}
        for record in await self._ledger.on_targets([order.id for order in orders]):
            if self._listings.may_see(record):
                records.setdefault(record.target, []).append(record)
        ids = [record.id for of_one in records.values() for record in of_one]
        steps = await self._ledger.steps(ids)
        held = [
            parse_id(one.id).native
            for order in orders
            for one in order.returns or ()
            if one.held_by is RecordHolder.GATEWAY
        ]
        moves = await self._held.moves(held)
        return [
            sorted(
                [
                    *_at_the_store(order),
                    *self._actions(order, records.get(order.id, ()), steps),
                    *self._moves(order, moves),
                ],
                key=lambda entry: entry.at,
                reverse=True,
            )
            for order in orders
        ]

    def _actions(
        self, order: Order, records: Sequence[Record], steps: Mapping[str, Sequence[Step]]
    ) -> Iterator[TimelineEntry]:
        for record in records:
            action = self._answers.shown(record, order)
            before: ActionState | None = None
            for step in steps.get(record.id, ()):
                approved = before is ActionState.AWAITING_APPROVAL and step.after is ActionState.RUNNING
                if before is None:
                    kind, told = "ACTION_DECIDED", _FIRST[step.after]
                elif approved:
                    kind, told = "ACTION_APPROVED", "a person has agreed"
                else:
                    kind, told = f"ACTION_{step.after.value}", _THEN[step.after]
                yield TimelineEntry(
                    at=step.at, kind=kind, text=f"{record.summary}: {told}.", actor=self._actor(step.by), action=action
                )
                before = step.after

    def _moves(self, order: Order, moves: Collection[HeldMove]) -> Iterator[TimelineEntry]:
        ours = {parse_id(one.id).native: one for one in order.returns or () if one.held_by is RecordHolder.GATEWAY}
        for move in moves:
            if move.action in ours:
                goods = _goods([(line.quantity, line.line.title) for line in ours[move.action].lines])
                yield TimelineEntry(
                    at=move.at,
                    kind=f"RETURN_{move.after.value}",
                    text=f"The return of {goods} {_MOVED[move.after]}.",
                    actor=self._actor(move.by),
                )

    def _actor(self, sealed: str) -> Actor | None:
        """Who it was. Which of our machines did something is nobody's business."""
        actor = actor_for(sealed, self._caller.viewer, self._privacy)
        if actor is None:
            return None
        if actor.kind is ActorKind.SYSTEM:
            return Actor(kind=ActorKind.SYSTEM, name="gateway")
        return actor if self._caller.is_staff else Actor(kind=actor.kind, name=actor.name)


def _goods(rows: Sequence[tuple[int, str]]) -> str:
    return ", ".join(f"{quantity} × {title}" for quantity, title in rows) or "goods"


def _at_the_store(order: Order) -> Iterator[TimelineEntry]:
    yield _entry(order.placed_at, "ORDER_PLACED", f"Order {order.number} was placed.")
    if order.cancelled_at is not None:
        yield _entry(order.cancelled_at, "ORDER_CANCELLED", f"Order {order.number} was cancelled.")
    for parcel in order.fulfillments or ():
        goods = _goods([(row.quantity, row.line.title) for row in parcel.lines])
        by = f" with {parcel.carrier}" if parcel.carrier else ""
        if parcel.shipped_at is not None:
            yield _entry(parcel.shipped_at, "SHIPPED", f"Sent{by}: {goods}.")
        if parcel.delivered_at is not None:
            yield _entry(parcel.delivered_at, "DELIVERED", f"Delivered: {goods}.")
        for event in parcel.events:
            if event.status not in (DeliveryStatus.SHIPPED, DeliveryStatus.DELIVERED, DeliveryStatus.UNKNOWN):
                what = event.status.value.replace("_", " ").lower()
                yield _entry(event.happened_at, event.status.value, f"The parcel{by}: {what}.")
    for one in order.returns or ():
        goods = _goods([(line.quantity, line.line.title) for line in one.lines])
        yield _entry(one.requested_at, "RETURN_REQUESTED", f"A return was made: {goods}.")
        if one.closed_at is not None and one.held_by is RecordHolder.PLATFORM:
            yield _entry(one.closed_at, "RETURN_CLOSED", f"The return of {goods} is closed.")
    for refund in order.refunds or ():
        paid = refund.amount.presentment
        how = (
            "was recorded as paid back; no money was moved" if refund.money_moved is MoneyMoved.NO else "was paid back"
        )
        yield _entry(refund.created_at, "REFUNDED", f"{paid.amount} {paid.currency_code} {how}.")


def _entry(at: datetime, kind: str, text: str) -> TimelineEntry:
    return TimelineEntry(at=at, kind=kind, text=text)
