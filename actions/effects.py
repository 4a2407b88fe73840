"""How an allowed action reaches its platform once and only once, and how it is found out what came of it."""

from __future__ import annotations

import random
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol

import structlog

from actions import problems
from actions.held import Held
from actions.lease import LEASE_SECONDS, SEND_WITHIN, Lease, LeaseLost, take
from actions.ledger import Ledger, LostRace, Record
from actions.recorded import TargetChanged, as_it_was, platform_request
from platforms.base import (
    ORDER_FACTS,
    SUBSCRIPTION_FACTS,
    CancelOrder,
    CancelSubscription,
    Done,
    Outcome,
    PauseSubscription,
    Pending,
    Platform,
    RefundOrder,
    Request,
    ResumeSubscription,
    ReturnOrder,
    matching_return,
)
from platforms.errors import PlatformError, Refused, Unsupported
from platforms.transport import deadline, store_deadline
from schema.ids import parse_id
from schema.order import Order
from schema.parts import OrderParts
from schema.subscription import Subscription
from schema.vocabulary import ActionKind, ActionState, RefundStatus

_log = structlog.get_logger("actions.effects")

#: The actions that pay money back.
PAYS_BACK = frozenset({ActionKind.CANCEL_ORDER, ActionKind.REFUND_ORDER})


class Observer(Protocol):
    """Where counts of actions and decisions go. Called in the event loop: it must not block."""

    def action_moved(self, kind: str, state: str) -> None:
        """An action came into a state."""

    def decided(self, action: str, rule: str, verdict: str, shadow: bool) -> None:
        """A rule had its part in a decision; `shadow`: it is on trial and only watched."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long what is waited for. Seconds."""

    lease: float = LEASE_SECONDS
    #: After a write whose answer was lost, so long nothing is sent again: it may still be under way.
    settle: float = 30.0
    #: After a second sending was refused, so long the first is still looked for: a store's job may be slow.
    refused: float = 600.0
    #: Between the first two looks at a platform; doubled each time, and drawn at random around that.
    look: float = 1.0
    #: The longest between two looks.
    look_most: float = 300.0
    #: After that a person has to look.
    reconcile: float = 24 * 3600.0
    #: A request that waits for approval lapses then.
    approval: float = 72 * 3600.0


class Effects:
    """Does recorded actions, and reads what came of those whose answer was lost."""

    def __init__(
        self,
        ledger: Ledger,
        held: Held,
        platforms: Mapping[str, Platform],
        clock: Callable[[], datetime],
        gateway_id: str,
        *,
        by: str,
        patience: Patience,
        observer: Observer | None = None,
    ) -> None:
        self.ledger = ledger
        self.held = held
        self.platforms = platforms
        self.clock = clock
        self.gateway_id = gateway_id
        self.patience = patience
        self.observer = observer
        #: This gateway, as it signs changes of state.
        self.by = by

    # ------------------------------------------------------------------------------------------------ doing

    async def first(self, record: Record, target: Order | Subscription) -> Record | None:
        """Do an action that was just recorded as RUNNING in our hands, over the facts it was decided on.

        The record as it is then; None where others have it by now. Never raises for what a platform does; the ledger
        has it. Nobody looked whether it had already happened: the facts are that look, and a look for "such a return
        since then" would take an earlier one for this.
        """
        lease = Lease(self.ledger, record.id, record.owner or "", self.clock, self.patience.lease)
        try:
            async with lease.kept():
                return await self._send(record, lease, target)
        except (LeaseLost, LostRace):
            _log.warning("an action was taken over while it ran", action=record.id)
            return None

    async def _send(self, record: Record, lease: Lease, target: Order | Subscription) -> Record:
        platform = self.platforms[record.store]
        request = platform_request(record, target, today=self.held.today(platform))
        again = record.attempts > 1
        deadline.set(None)  # the write has its own time, whatever is left of the request that asked for it
        try:
            # Nothing leaves after the lease's end, also if this process is halted in between: the transport looks at
            # the loop's clock just before it sends.
            most = self.patience.lease * SEND_WITHIN
            with store_deadline(most):
                await lease.sure(most)
                outcome = await _do(platform, request)
        except (LeaseLost, LostRace):
            raise
        except PlatformError as error:
            if isinstance(error, Refused | Unsupported) and again:
                return await self._refused_again(record, lease, request, error)
            elif isinstance(error, Refused | Unsupported):
                return await self._move(record, ActionState.FAILED, lease, problem=problems.error_json(error))
            elif not error.not_executed:
                return await self._lost(record, lease, error.message)
            elif again:
                # An earlier attempt was lost and found not to have happened; this one did not leave at all.
                return await self._lost(record, lease, error.message)
            else:
                # It provably never reached the platform, so the key is free for the same intent to try again.
                problem = problems.error_json(error)
                return await self._move(record, ActionState.FAILED, lease, problem=problem, key_hash=None)
        except Exception as error:
            _log.error(
                "an adapter failed in the middle of a write",
                action=record.id,
                store=record.store,
                trace=trace_of(error),
            )
            return await self._lost(record, lease, type(error).__name__)
        else:
            return await self._came(record, lease, request, outcome)

    async def _refused_again(self, record: Record, lease: Lease, request: Request, error: PlatformError) -> Record:
        """A second sending was refused: perhaps because the first took effect after it was looked for."""
        try:
            done = await self._happened(self.platforms[record.store], record, request)
        except PlatformError as unread:
            return await self._lost(record, lease, unread.message)
        if done is not None:
            return await self._succeeded(record, lease, request, done)
        else:
            return await self._lost(record, lease, error.message, problem=problems.error_json(error))

    async def _came(self, record: Record, lease: Lease, request: Request, outcome: Outcome) -> Record:
        if isinstance(outcome, Pending):
            return await self._move(
                record,
                ActionState.PENDING,
                lease,
                job=outcome.job,
                looks=0,
                next_try_at=self._next(0),
                owner=None,
                lease_until=None,
            )
        else:
            return await self._succeeded(record, lease, request, outcome)

    async def _succeeded(self, record: Record, lease: Lease, request: Request, done: Done) -> Record:
        platform = self.platforms[record.store]
        return await self._move(
            record,
            ActionState.SUCCEEDED,
            lease,
            also=self.held.kept_with(platform, record, request),
            reference=done.reference,
            problem=None,
            note=None,
        )

    async def _lost(self, record: Record, lease: Lease, why: str, **values: Any) -> Record:
        _log.warning("the outcome of an action is not known", action=record.id, store=record.store, why=why)
        # As late as now it may still have been on its way: from now on it is given time to arrive.
        values |= {"looks": 0, "next_try_at": self._next(0), "last_sent_at": self.clock()}
        return await self._move(record, ActionState.UNKNOWN, lease, **values, owner=None, lease_until=None)

    # ------------------------------------------------------------------------------------------------ finding out

    async def take_up(self, record: Record) -> None:
        """Go on with an action that is due, whoever began it. Never raises for what a platform does."""
        if record.state is ActionState.AWAITING_APPROVAL:
            await self._lapse(record)
            return
        try:
            lease, claimed = await take(self.ledger, record, self.gateway_id, self.clock, self.patience.lease)
            async with lease.kept():
                if claimed.state is ActionState.RUNNING:
                    # Its holder is gone, and may have sent it as late as now: whatever comes, first it is read.
                    # It is due at once: should this holder be gone before it has looked, another finds it.
                    now = self.clock()
                    claimed = await self._move(
                        claimed, ActionState.UNKNOWN, lease, looks=0, last_sent_at=now, next_try_at=now
                    )
                deadline.set(None)
                with store_deadline(self.patience.lease * SEND_WITHIN):
                    if claimed.state is ActionState.PENDING:
                        await self._ask_job(claimed, lease)
                    else:
                        await self._look(claimed, lease)
        except (LeaseLost, LostRace):
            return  # somebody else has it

    async def _lapse(self, record: Record) -> None:
        try:
            await self.ledger.move(record, ActionState.EXPIRED, at=self.clock(), by=self.by)
        except LostRace:
            return
        self._moved(record, ActionState.EXPIRED)

    async def _ask_job(self, record: Record, lease: Lease) -> None:
        platform = self.platforms.get(record.store)
        try:
            if platform is None:
                raise TargetChanged("the store is no longer configured")
            outcome = await platform.job_now(record.job or "")
            request = None
            if isinstance(outcome, Done) and (target := await self._target(record)) is not None:
                request = platform_request(record, target, today=self.held.today(platform))
        except Refused as error:
            await self._move(record, ActionState.FAILED, lease, problem=problems.error_json(error))
        except (PlatformError, TargetChanged) as error:
            await self._later(record, lease, str(error))
        else:
            if isinstance(outcome, Pending):
                await self._later(record, lease, None, job=outcome.job)
            elif request is None:
                await self._move(record, ActionState.SUCCEEDED, lease, reference=outcome.reference)
            else:
                await self._succeeded(record, lease, request, outcome)

    async def _look(self, record: Record, lease: Lease) -> None:
        """Read what came of an action whose answer was lost; only where nothing did, send it again."""
        platform = self.platforms.get(record.store)
        try:
            if platform is None:
                raise TargetChanged("the store is no longer configured")
            target = await self._target(record)
            if target is None:
                raise TargetChanged("its target can no longer be read")
            request = platform_request(record, target, today=self.held.today(platform))
            asked = platform_request(record, as_it_was(record, target), today=self.held.today(platform))
            done = await self._happened(platform, record, asked)
        except (PlatformError, TargetChanged) as error:
            await self._later(record, lease, str(error))
            return
        now = self.clock()
        sent = record.last_sent_at or record.requested_at
        if done is not None:
            await self._succeeded(record, lease, request, done)
        elif now < self.settles_at(record) or self._is_overdue(record):
            await self._later(record, lease, "it has not happened")
        elif _somebody_paid(record, target):
            # Perhaps it is this one, half done: it is looked at again, and never sent again.
            await self._later(record, lease, "the store shows a refund that was not there before")
        elif record.problem is not None and now < sent + timedelta(seconds=self.patience.refused):
            await self._later(record, lease, "it was refused when it was sent again, and has not happened")
        elif record.problem is not None:
            await self._move(record, ActionState.FAILED, lease)
        else:
            running = await self._move(
                record, ActionState.RUNNING, lease, attempts=record.attempts + 1, last_sent_at=now
            )
            await self._send(running, lease, target)

    def settles_at(self, record: Record) -> datetime:
        """Until then what was sent may still be on its way to the store, or be at work there."""
        return (record.last_sent_at or record.requested_at) + timedelta(seconds=self.patience.settle)

    async def _happened(self, platform: Platform, record: Record, request: Request) -> Done | None:
        since = record.sent_at or record.requested_at
        done = await platform.happened(request, since)
        before = record.request.get("returns_before", ())
        if done is None or done.reference is None or done.reference not in before:
            return done
        # That return was there before this one was asked for: is there another?
        if isinstance(request, ReturnOrder):
            others = [one for one in request.order.returns or () if one.source.native_id not in before]
            found = matching_return(others, request, since)
            return Done(found.source.native_id) if found is not None else None
        return done

    async def _target(self, record: Record) -> Order | Subscription | None:
        return await self.read(self.platforms[record.store], record.target)

    async def read(
        self, platform: Platform, target: str, parts: OrderParts = OrderParts.NONE
    ) -> Order | Subscription | None:
        """An order or subscription fresh from its platform, with all the facts, and what the gateway keeps on it."""
        found = parse_id(target)
        if found.type == "Order":
            return (await self.held.orders(platform, [found.native], ORDER_FACTS | parts)).get(found.native)
        subscriptions = await platform.subscriptions([found.native], SUBSCRIPTION_FACTS)
        await self.held.overlay_subscriptions(platform, subscriptions)
        return subscriptions.get(found.native)

    # ------------------------------------------------------------------------------------------------ book-keeping

    async def _later(self, record: Record, lease: Lease, why: str | None, **values: Any) -> None:
        """Leave it as it stands for another look; past its last time, for a person."""
        if self._is_overdue(record):
            _log.error("an action could not be reconciled in time", action=record.id, store=record.store, why=why)
            values |= {
                "next_try_at": None,
                "note": "Not reconciled in time: a person has to look at the store and say what came of it.",
            }
            if record.state is ActionState.PENDING:
                await self._move(record, ActionState.UNKNOWN, lease, **values, owner=None, lease_until=None)
                return
        else:
            values |= {"looks": record.looks + 1, "next_try_at": self._next(record.looks + 1)}
        await lease.put_back(**values)

    def _is_overdue(self, record: Record) -> bool:
        return record.reconcile_by is not None and self.clock() >= record.reconcile_by

    def _next(self, looks: int) -> datetime:
        wait = min(self.patience.look_most, self.patience.look * 2.0 ** min(looks, 30))
        return self.clock() + timedelta(seconds=wait * random.uniform(0.8, 1.2))

    async def _move(self, record: Record, after: ActionState, lease: Lease, **values: Any) -> Record:
        moved = await self.ledger.move(record, after, at=self.clock(), by=self.by, held_by=lease.owner, **values)
        self._moved(record, after)
        return moved

    def _moved(self, record: Record, after: ActionState) -> None:
        if self.observer is not None:
            self.observer.action_moved(record.kind.value, after.value)


def trace_of(error: BaseException) -> str:
    """Where an error came from, for a log: lines of code, never the values that were at hand there."""
    return "".join(traceback.format_exception(error))


def _somebody_paid(record: Record, target: Order | Subscription) -> bool:
    """Whether money was paid back since something that pays money back was asked for, by whomever."""
    if record.kind not in PAYS_BACK or not isinstance(target, Order) or "refunds_before" not in record.request:
        return False
    before = record.request["refunds_before"]
    return any(one.id not in before and one.status is not RefundStatus.FAILED for one in target.refunds or ())


async def _do(platform: Platform, request: Request) -> Outcome:
    match request:
        case CancelOrder():
            return await platform.cancel_order(request)
        case ReturnOrder():
            return await platform.return_order(request)
        case RefundOrder():
            return await platform.refund_order(request)
        case PauseSubscription():
            return await platform.pause_subscription(request)
        case ResumeSubscription():
            return await platform.resume_subscription(request)
        case CancelSubscription():
            return await platform.cancel_subscription(request)
