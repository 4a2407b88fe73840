"""What a platform has no record of and the gateway therefore keeps: returns of some, pauses of others."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import bindparam, delete, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from actions.asking import Asking, Invalid
from actions.ledger import Also, Ledger, Record
from actions.recorded import day_of, fees_json, fees_of, recorded_lines
from actions.tables import actions, held_return_lines, held_return_moves, held_returns, pauses
from platforms.base import PauseSubscription as Pause
from platforms.base import Platform, RefundOrder, Request, ResumeSubscription
from platforms.base import ReturnOrder as TakeBack
from platforms.together import together
from schema.ids import make_id, parse_id
from schema.inputs import RefundOrderInput
from schema.order import Order
from schema.parts import OrderParts
from schema.problems import FieldIssue
from schema.returns import Refund, Return, ReturnLine
from schema.subscription import Subscription
from schema.vocabulary import (
    ActionKind,
    ActionState,
    ItemCondition,
    OrderReturnStatus,
    RecordHolder,
    ReturnReason,
    ReturnResolution,
    ReturnStatus,
    SubscriptionStatus,
)

#: A noun that was overlaid once carries this mark: a second overlay would count its returns twice.
_MARK = "_held_overlaid"

#: What of an order a held return changes.
_OVERLAID = OrderParts.RETURNS | OrderParts.RETURN_STATUS

_OPEN = frozenset({ReturnStatus.REQUESTED, ReturnStatus.APPROVED, ReturnStatus.IN_TRANSIT, ReturnStatus.RECEIVED})

#: From where a held return stands, where it may come.
_MOVES: Mapping[ReturnStatus, frozenset[ReturnStatus]] = {
    ReturnStatus.APPROVED: frozenset(
        {ReturnStatus.IN_TRANSIT, ReturnStatus.RECEIVED, ReturnStatus.CLOSED, ReturnStatus.CANCELLED}
    ),
    ReturnStatus.IN_TRANSIT: frozenset({ReturnStatus.RECEIVED, ReturnStatus.CLOSED, ReturnStatus.CANCELLED}),
    ReturnStatus.RECEIVED: frozenset({ReturnStatus.CLOSED}),
}


@dataclass(frozen=True, slots=True)
class HeldLine:
    native: str
    quantity: int
    reason: ReturnReason
    condition: ItemCondition | None
    note: str | None


@dataclass(frozen=True, slots=True)
class HeldMove:
    """One step of a held return: to where, when, and who made it, sealed."""

    action: str
    after: ReturnStatus
    at: datetime
    by: str


@dataclass(frozen=True, slots=True)
class HeldReturn:
    """A return as the gateway keeps it."""

    action: str
    order: str
    status: ReturnStatus
    resolution: ReturnResolution
    fees: Sequence[Mapping[str, Any]]
    requested_at: datetime
    lines: tuple[HeldLine, ...]
    closed_at: datetime | None = None
    #: The platform's own id of the refund that paid for it.
    refund: str | None = None


class Held:
    """Lays what the gateway keeps over what a platform answered. Costs one query a call, none where not needed."""

    def __init__(self, ledger: Ledger, clock: Callable[[], datetime]) -> None:
        self._ledger = ledger
        self._clock = clock

    async def orders(self, platform: Platform, natives: Sequence[str], parts: OrderParts) -> Mapping[str, Order]:
        """Orders of a platform with the returns that are held for them: store and ledger are read side by side."""
        orders: Mapping[str, Order]
        if platform.keeps_returns or not parts & _OVERLAID:
            orders = await platform.orders(natives, parts)
            return orders
        orders, held = await together(platform.orders(natives, parts), self._returns(platform.config.id, natives))
        await self.overlay_orders(platform, orders, parts, held)
        return orders

    async def overlay_orders(
        self,
        platform: Platform,
        orders: Mapping[str, Order],
        parts: OrderParts,
        known: Mapping[str, Sequence[HeldReturn]] | None = None,
    ) -> None:
        """Add the held returns to orders of a platform that keeps none; by native id, changed in place.

        `parts`: what is wanted of the orders; where nothing of that tells of returns, nothing is looked up.
        `known`: what is held for them, where it was read already.
        """
        if platform.keeps_returns or not parts & _OVERLAID:
            return
        fresh = {native: order for native, order in orders.items() if _MARK not in vars(order)}
        if not fresh:
            return
        held = await self._returns(platform.config.id, fresh) if known is None else known
        for native, order in fresh.items():
            vars(order)[_MARK] = True
            for one in held.get(native, ()):
                _lay_return(platform, order, one)

    async def overlay_subscriptions(self, platform: Platform, subscriptions: Mapping[str, Subscription]) -> None:
        """Let subscriptions of a platform without a word for a pause say that they rest; changed in place."""
        if platform.keeps_pauses or not subscriptions:
            return
        found = await self.pauses(platform.config.id, list(subscriptions))
        today = self.today(platform)
        for native, subscription in subscriptions.items():
            pause = found.get(native)
            if (
                pause is not None
                and subscription.status in (SubscriptionStatus.ACTIVE, SubscriptionStatus.PAUSED)
                and subscription.next_billing_at == pause.until
                and pause.until > today
            ):
                subscription.status = SubscriptionStatus.PAUSED
                subscription.paused_until = pause.until

    async def pauses(self, store: str, natives: Collection[str]) -> Mapping[str, RememberedPause]:
        """The remembered pauses of subscriptions, by native id, whether they still stand or not."""
        async with self._ledger.looking() as connection:
            rows = await connection.execute(
                select(pauses).where(pauses.c.store == store, pauses.c.subscription.in_(list(natives)))
            )
            return {row.subscription: RememberedPause(row.until, row.billing_before) for row in rows}

    async def billing_before(self, platform: Platform, subscription: Subscription) -> date | None:
        """When a subscription would bill next if it were not paused; for one that rests, as remembered."""
        if platform.keeps_pauses or subscription.status is not SubscriptionStatus.PAUSED:
            return subscription.next_billing_at
        native = subscription.source.native_id
        pause = (await self.pauses(platform.config.id, [native])).get(native)
        return pause.billing_before if pause is not None else None

    def today(self, platform: Platform) -> date:
        """The day it is at the store."""
        return self._clock().astimezone(ZoneInfo(platform.config.time_zone)).date()

    async def check_return(self, asking: Asking, order: Order) -> None:
        """The return that a refund pays for is held here and still open. Raises `Invalid`."""
        given = asking.input
        if not isinstance(given, RefundOrderInput) or given.return_id is None:
            return
        found = next((one for one in order.returns or () if one.id == given.return_id), None)
        path = [*asking.path, "returnId"]
        if found is None:
            raise Invalid([FieldIssue(path=path, message="this return is not one of the order")])
        if found.held_by is not RecordHolder.GATEWAY:
            raise Invalid([FieldIssue(path=path, message="the store keeps this return itself; leave returnId out")])
        if found.status not in _OPEN:
            raise Invalid([FieldIssue(path=path, message=f"this return is {found.status.value} already")])

    async def move(
        self, action: str, store: str, order: str, after: ReturnStatus, *, at: datetime, by: str
    ) -> bool | None:
        """Let a held return come to `after`; asking for where it stands already changes nothing.

        Returns False where it cannot come there from where it stands, or while it is being paid for; None where there
        is no such return.
        """
        target = make_id("Order", store, order)
        async with self._ledger.writing(f"target {target}") as connection:
            query = select(held_returns.c.status).where(
                held_returns.c.action == action, held_returns.c.store == store, held_returns.c.order == order
            )
            found = (await connection.execute(query)).scalar()
            if found is None:
                return None
            before = ReturnStatus(found)
            if before is after:
                return True
            if after not in _MOVES.get(before, ()):
                return False
            if after not in _OPEN and await _is_being_paid(connection, target, held_return_id(store, order, action)):
                return False
            changed = await connection.execute(
                update(held_returns)
                .where(held_returns.c.action == action, held_returns.c.status == before.value)
                .values(status=after.value, closed_at=None if after in _OPEN else at)
            )
            if changed.rowcount != 1:
                return False
            await connection.execute(held_return_moves.insert().values(action=action, after=after.value, at=at, by=by))
            return True

    async def moves(self, ids: Collection[str]) -> Sequence[HeldMove]:
        """How held returns moved on, in order; those that never did are not among them."""
        if not ids:
            return []
        query = (
            select(held_return_moves).where(held_return_moves.c.action.in_(list(ids))).order_by(held_return_moves.c.id)
        )
        async with self._ledger.looking() as connection:
            rows = await connection.execute(query)
            return [HeldMove(row.action, ReturnStatus(row.after), row.at, row.by) for row in rows]

    def kept_with(self, platform: Platform, record: Record, request: Request) -> Also | None:
        """What has to be written in the very transaction in which an action succeeds; None: nothing."""
        native = parse_id(record.target).native
        if isinstance(request, RefundOrder):
            held = record.request.get("return")
            return _pay_return(record, parse_id(held).native, self._clock()) if held else None
        if isinstance(request, TakeBack) and not platform.keeps_returns:
            return _keep_return(record, native, request, self._clock())
        if platform.keeps_pauses:
            return None
        if isinstance(request, Pause) and request.until is not None:
            return _keep_pause(record, native, request.until)
        if isinstance(request, ResumeSubscription) or record.kind is ActionKind.CANCEL_SUBSCRIPTION:
            return _forget_pause(record, native)
        return None

    async def _returns(self, store: str, orders: Collection[str]) -> Mapping[str, list[HeldReturn]]:
        heads: dict[str, Any] = {}
        lines: dict[str, list[HeldLine]] = {}
        async with self._ledger.looking() as connection:
            for row in await connection.execute(_RETURNS, {"its_store": store, "its_orders": list(orders)}):
                heads[row.action] = row
                lines.setdefault(row.action, []).append(
                    HeldLine(
                        native=row.line_line,
                        quantity=row.line_quantity,
                        reason=ReturnReason(row.line_reason),
                        condition=ItemCondition(row.line_condition) if row.line_condition else None,
                        note=row.line_note,
                    )
                )
        found: dict[str, list[HeldReturn]] = {}
        for action, head in heads.items():
            found.setdefault(head.order, []).append(
                HeldReturn(
                    action=action,
                    order=head.order,
                    status=ReturnStatus(head.status),
                    resolution=ReturnResolution(head.resolution),
                    fees=head.fees,
                    requested_at=head.requested_at,
                    lines=tuple(lines[action]),
                    closed_at=head.closed_at,
                    refund=head.refund,
                )
            )
        return found


#: Made once: to write it out costs more than to run it.
_RETURNS = (
    select(
        held_returns,
        *(column.label(f"line_{column.name}") for column in held_return_lines.c),
        actions.c.reference.label("refund"),
    )
    .join(held_return_lines, held_return_lines.c.action == held_returns.c.action)
    .outerjoin(actions, actions.c.id == held_returns.c.refunded_by)
    .where(
        held_returns.c.store == bindparam("its_store"),
        held_returns.c.order.in_(bindparam("its_orders", expanding=True)),
    )
    .order_by(held_returns.c.requested_at, held_returns.c.action, held_return_lines.c.line)
)


@dataclass(frozen=True, slots=True)
class RememberedPause:
    until: date
    #: When it would have billed without the pause.
    billing_before: date | None


def held_return_id(store: str, order: str, action: str) -> str:
    return make_id("Return", store, order, action)


def _lay_return(platform: Platform, order: Order, held: HeldReturn) -> None:
    if held.status is not ReturnStatus.CANCELLED:
        _count_return(order, held)
    if not order.has("lines") or not order.has("returns") or order.returns is None:
        return
    known = {line.native_id: line for line in order.lines}
    made = Return(
        id=make_id("Return", platform.config.id, held.order, held.action),
        source=platform.source(held.action),
        status=held.status,
        native_status="",
        held_by=RecordHolder.GATEWAY,
        order=order,
        lines=[
            ReturnLine(
                line=known[one.native],
                quantity=one.quantity,
                reason=one.reason,
                note=one.note,
                condition=one.condition,
            )
            for one in held.lines
            if one.native in known
        ],
        resolution=held.resolution,
        requested_at=held.requested_at,
        fees=fees_of(held.fees),
        refunds=_refunds_of(order, held),
        closed_at=held.closed_at,
    )
    order.returns = [*order.returns, made]


def _refunds_of(order: Order, held: HeldReturn) -> list[Refund]:
    """The refund that paid for a return, where the order's refunds were read."""
    if held.refund is None or not order.has("refunds"):
        return []
    return [one for one in order.refunds or () if parse_id(one.id).parts[-1] == held.refund]


def _count_return(order: Order, held: HeldReturn) -> None:
    """Goods that are on their way back, or came back, cannot be sent back again."""
    if order.return_status in (OrderReturnStatus.NONE, OrderReturnStatus.UNKNOWN, OrderReturnStatus.REQUESTED):
        if held.status is ReturnStatus.REQUESTED:
            order.return_status = OrderReturnStatus.REQUESTED
        elif held.status in _OPEN:
            order.return_status = OrderReturnStatus.IN_PROGRESS
    if not order.has("lines"):
        return
    known = {line.native_id: line for line in order.lines}
    for one in held.lines:
        if one.native in known:
            quantity = known[one.native].quantity
            quantity.returned = min(quantity.ordered, quantity.returned + one.quantity)
            if quantity.returnable is not None:
                quantity.returnable = max(0, quantity.returnable - one.quantity)


async def _is_being_paid(connection: AsyncConnection, target: str, held: str) -> bool:
    """Whether a refund for a return has left, or may have, and it is not known yet what came of it."""
    query = select(actions.c.request).where(
        actions.c.target == target,
        actions.c.kind == ActionKind.REFUND_ORDER.value,
        actions.c.state.in_([state.value for state in (ActionState.RUNNING, ActionState.PENDING, ActionState.UNKNOWN)]),
    )
    return any(request.get("return") == held for request in (await connection.execute(query)).scalars())


def _pay_return(record: Record, held: str, now: datetime) -> Also:
    """A return that was paid for is closed."""

    async def pay(connection: AsyncConnection) -> None:
        closed = await connection.execute(
            update(held_returns)
            .where(held_returns.c.action == held, held_returns.c.status.in_([one.value for one in _OPEN]))
            .values(status=ReturnStatus.CLOSED.value, closed_at=now, refunded_by=record.id)
        )
        if closed.rowcount != 1:  # it was ended as the refund was decided on: what paid for it is known all the same
            await connection.execute(
                update(held_returns)
                .where(held_returns.c.action == held, held_returns.c.refunded_by.is_(None))
                .values(refunded_by=record.id)
            )
            return
        await connection.execute(
            held_return_moves.insert().values(
                action=held, after=ReturnStatus.CLOSED.value, at=now, by=record.approver or record.actor
            )
        )

    return pay


def _keep_return(record: Record, order: str, request: TakeBack, now: datetime) -> Also:
    async def keep(connection: AsyncConnection) -> None:
        await connection.execute(
            held_returns.insert().values(
                action=record.id,
                store=record.store,
                order=order,
                status=ReturnStatus.APPROVED.value,
                resolution=request.resolution.value,
                fees=fees_json(request.fees),
                requested_at=now,
            )
        )
        await connection.execute(
            held_return_lines.insert(),
            [
                {
                    "action": record.id,
                    "line": line.native,
                    "quantity": line.quantity,
                    "reason": (line.reason or ReturnReason.UNKNOWN).value,
                    "condition": line.condition.value if line.condition else None,
                    "note": line.note,
                }
                for line in recorded_lines(record)
            ],
        )

    return keep


def _of_subscription(record: Record, native: str) -> Any:
    return delete(pauses).where(pauses.c.store == record.store, pauses.c.subscription == native)


def _keep_pause(record: Record, native: str, until: date) -> Also:
    async def keep(connection: AsyncConnection) -> None:
        await connection.execute(_of_subscription(record, native))
        await connection.execute(
            pauses.insert().values(
                store=record.store,
                subscription=native,
                action=record.id,
                until=until,
                billing_before=day_of(record.request.get("billing_before")),
            )
        )

    return keep


def _forget_pause(record: Record, native: str) -> Also:
    async def forget(connection: AsyncConnection) -> None:
        await connection.execute(_of_subscription(record, native))

    return forget
