"""The way of a request, step by step: who, key, can, facts, decision, do, know."""

from __future__ import annotations

import asyncio
import base64
import binascii
import json
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any, Protocol, cast
from weakref import WeakValueDictionary
from zoneinfo import ZoneInfo

import structlog
from aiodataloader import DataLoader

from actions import problems
from actions.asking import Asking, Invalid, check, check_key, check_until, lines_of
from actions.effects import Effects, Observer, Patience, trace_of
from actions.held import Held, held_return_id
from actions.lease import new_owner
from actions.ledger import Busy, Ledger, Listing, Record, Recorded, SameKey, Standing, new_id
from actions.privacy import Privacy
from actions.recorded import (
    RecordedLine,
    day_of,
    decision_json,
    fees_json,
    line_json,
    quote_json,
    recorded_lines,
    was_json,
)
from actions.shaping import action_id, action_of, seal_actor
from platforms.base import CLOCK_SKEW, Operation, Platform, cost_alike
from platforms.errors import PlatformError
from platforms.transport import store_deadline
from policies.asked import Asked, AskedLine, History
from policies.guard import MIN_ASSURANCE
from policies.processor import as_told_to
from schema.actions import Action, ActionRequest, Actor, Preview, RequestedLine, Viewer
from schema.connections import ActionConnection, ActionEdge, PageInfo, page_size
from schema.customer import CustomerProfile
from schema.emails import Email, email_or_none
from schema.ids import GlobalId, MalformedId, parse_id, parse_typed
from schema.inputs import (
    ActionFilter,
    CancelOrderInput,
    CancelSubscriptionInput,
    PauseSubscriptionInput,
    ReturnOrderInput,
)
from schema.order import Order, OrderLine
from schema.parts import OrderParts, SubscriptionParts
from schema.policy import Decision
from schema.problems import Problem
from schema.provenance import Capability
from schema.returns import Refund, Return
from schema.subscription import Subscription
from schema.values import Fee, Money, Quote
from schema.vocabulary import (
    ActionKind,
    ActionState,
    ActorKind,
    AssuranceLevel,
    RefundChoice,
    RefundDestination,
    RequestedResolution,
    ReturnReason,
    SubscriptionStatus,
    SupportLevel,
    Verdict,
)

_log = structlog.get_logger("actions.desk")

#: How often facts are read again when their target moves meanwhile.
_READINGS = 3
#: Seconds between two looks at a row that another gateway works on.
_POLL = 0.1
#: Seconds the last read has at least, however long the action took.
_LAST_READ = 2.0
DEFAULT_PATIENCE = Patience()

_STATE = {
    Verdict.ALLOW: ActionState.RUNNING,
    Verdict.REVIEW: ActionState.AWAITING_APPROVAL,
    Verdict.DENY: ActionState.DENIED,
}


class Decider(Protocol):
    """The company's policy, as far as the desk needs it. Pure: no network, no clock of its own."""

    def decide_fully(
        self, asked: Asked, history: History, viewer: Viewer, now: datetime, locale: str = "en"
    ) -> Decision:
        """What the policy says, with nothing held back: the ledger keeps it, the viewer is shown what it may see."""

    def quote(self, asked: Asked, decision: Decision) -> Quote | None:
        """The money it would move, in the customer's currency; None where none moves."""

    def fees(self, asked: Asked, decision: Decision) -> Sequence[Fee]:
        """Every fee of the decision, in the customer's currency."""

    def restocking_percent(self, asked: Asked, decision: Decision, line: OrderLine) -> Decimal:
        """What is kept back of a line's value."""

    def approver(self, decision: Decision) -> str:
        """The role that may approve a REVIEW."""


class MalformedCursor(MalformedId):
    """The text is not a cursor of this list."""


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


class _Stop(Exception):
    """It ends here, with this answer."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.message)
        self.problem = problem


@dataclass(slots=True)
class _Facts:
    """The target, read fresh, and what is asked of it."""

    target: Order | Subscription
    owner: Email | None
    asked: Asked


class ActionDesk:
    """Everything requests share. `of` makes the desk of one request."""

    def __init__(
        self,
        ledger: Ledger,
        decider: Decider,
        platforms: Mapping[str, Platform],
        *,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        secret: str | bytes,
        gateway_id: str,
        observer: Observer | None = None,
        request_seconds: float = 10.0,
        patience: Patience = DEFAULT_PATIENCE,
    ) -> None:
        self.ledger = ledger
        self.decider = decider
        self.platforms = platforms
        self.clock = clock
        self.gateway_id = gateway_id
        self.observer = observer
        #: The most a request waits for an action; the action itself goes on.
        self.request_seconds = request_seconds
        self.patience = patience
        self.privacy = Privacy(secret)
        self.held = Held(ledger, clock)
        self.effects = Effects(
            ledger,
            self.held,
            platforms,
            clock,
            gateway_id,
            by=seal_actor(Actor(kind=ActorKind.SYSTEM, name=gateway_id), self.privacy),
            patience=patience,
            observer=observer,
        )
        self._running: dict[str, asyncio.Task[None]] = {}
        self._others: set[asyncio.Task[Any]] = set()
        self._keys: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    def of(self, viewer: Viewer, now: datetime, locale: str = "en") -> ViewerDesk:
        """The desk for one request. `now` is what decisions take for the present."""
        return ViewerDesk(self, viewer, now, locale)

    async def finish(self) -> None:
        """Wait for every action that is being done; for an orderly end of the process."""
        while tasks := [*self._running.values(), *self._others]:
            await asyncio.wait(tasks)

    def owner_hash(self, email: Email) -> str:
        return self.privacy.hash("customer", email)

    async def history(self, emails: Sequence[Email], now: datetime | None = None) -> Mapping[Email, History]:
        """Each customer's counters over the 90 days before `now`, unfinished and waiting actions included."""
        hashes = {email: self.owner_hash(email) for email in emails}
        found = await self.ledger.history(list(hashes.values()), now or self.clock())
        return {email: found[one] for email, one in hashes.items()}

    async def active_on(self, target_ids: Sequence[str]) -> Mapping[str, str]:
        """The id of the unfinished action on each target that has one."""
        return {target: action_id(record) for target, record in (await self.ledger.active_on(target_ids)).items()}

    # ------------------------------------------------------------------------------------------------ inside

    def key_lock(self, key_hash: str) -> asyncio.Lock:
        lock = self._keys.get(key_hash)
        if lock is None:
            lock = self._keys[key_hash] = asyncio.Lock()
        return lock

    def capability(self, record: Record) -> Capability:
        platform = self.platforms.get(record.store)
        if platform is None:
            return Capability(action=record.kind, support=SupportLevel.UNSUPPORTED, note="The store is gone.")
        return platform.capability(record.kind)

    async def unbroken(self, work: Coroutine[Any, Any, Any]) -> Any:
        """Run to the end, also if the caller goes away meanwhile."""
        task = asyncio.create_task(work)
        self._others.add(task)
        task.add_done_callback(self._others.discard)
        return await asyncio.shield(task)

    def start(self, record: Record, target: Order | Subscription) -> None:
        """Do a recorded action, whether anybody waits for it or not."""
        task = asyncio.create_task(self.effects.first(record, target))
        self._running[record.id] = task

        def ended(task: asyncio.Task[None]) -> None:
            self._running.pop(record.id, None)
            if not task.cancelled() and (error := task.exception()) is not None:
                _log.error("an action broke off; it will be taken up again", action=record.id, trace=trace_of(error))

        task.add_done_callback(ended)

    async def settled(self, record: Record, until: float) -> Record:
        """The record once it is no longer RUNNING, or as it is at `until` (the loop's clock)."""
        loop = asyncio.get_running_loop()
        while record.state is ActionState.RUNNING and (left := until - loop.time()) > 0:
            if (task := self._running.get(record.id)) is not None:
                await asyncio.wait({task}, timeout=left)
            else:
                await asyncio.sleep(min(_POLL, left))
            record = await self.ledger.by_id(record.id) or record
        return record


class ViewerDesk:
    """The action desk as one viewer stands before it."""

    def __init__(self, desk: ActionDesk, viewer: Viewer, now: datetime, locale: str) -> None:
        self._desk = desk
        self._viewer = viewer
        self._now = now
        self._locale = locale
        #: The one customer this viewer acts for; others' things do not exist for it.
        self._bound = email_or_none(viewer.customer_email) if viewer.customer_email is not None else None
        if viewer.customer_email is not None and self._bound is None:
            raise ValueError("a viewer is bound to something that is no e-mail address")
        self._orders: DataLoader[str, Order | None] | None = None

    # ------------------------------------------------------------------------------------------------ asking

    async def ask(
        self,
        kind: ActionKind,
        asked: Any,
        key: str | None,
        *,
        min_assurance: AssuranceLevel | None = None,
        parts: OrderParts = OrderParts.NONE,
    ) -> Answer:
        """Ask for an action under an idempotency key. What stands in its way is the answer's `problem`.

        `parts`: what of the order the answer's order carries beside the facts of a decision.
        """
        until = asyncio.get_running_loop().time() + self._desk.request_seconds
        store = ""
        try:
            asking = check(kind, asked, is_staff=self._is_staff, stores=self._desk.platforms)
            store = asking.target.store
            key = check_key(key)
            self._who(MIN_ASSURANCE[kind] if min_assurance is None else min_assurance)
            return await self._asked(asking, key, until, parts)
        except Invalid as invalid:
            return Answer(problem=problems.invalid(invalid.fields))
        except _Stop as stop:
            return Answer(problem=stop.problem)
        except PlatformError as error:
            # Only reads raise here, so nothing was done and the key is as free as before.
            return Answer(problem=problems.of_error(error, self._desk.platforms[store].capability(kind)))

    async def preview(self, kind: ActionKind, asked: Any) -> Preview:
        """The same decision and quote as `ask` would come to now, without doing anything."""
        store, summary = "", ""
        try:
            asking = check(kind, asked, is_staff=self._is_staff, stores=self._desk.platforms, in_preview=True)
            store = asking.target.store
            platform = self._can(asking)
            check_until(asking, self._today(platform), needed=platform.pause_needs_until)
            facts = await self._facts(asking, platform, OrderParts.NONE)
            summary = _summary(asking, facts.target)
            counters = await self.history([facts.owner]) if facts.owner else {}
            decision = self._decide(facts.asked, counters[facts.owner] if facts.owner else History())
            quote = self._desk.decider.quote(facts.asked, decision)
            return Preview(
                summary=summary,
                decision=as_told_to(decision, self._viewer, self._locale),
                problem=await self._foreseen(asking, as_told_to(decision, self._viewer, self._locale)),
                quote=quote,
            )
        except Invalid as invalid:
            return Preview(summary=summary, problem=problems.invalid(invalid.fields))
        except _Stop as stop:
            return Preview(summary=summary, problem=stop.problem)
        except PlatformError as error:
            capability = self._desk.platforms[store].capability(kind)
            return Preview(summary=summary, problem=problems.of_error(error, capability))

    async def _foreseen(self, asking: Asking, decision: Decision) -> Problem | None:
        active = (await self._desk.ledger.active_on([str(asking.target)])).get(str(asking.target))
        if active is not None:
            return problems.in_progress(self._shown(active))
        if decision.verdict is Verdict.DENY:
            return problems.denied(decision)
        if decision.verdict is Verdict.REVIEW:
            role = self._desk.decider.approver(decision)
            return problems.approval_required(decision, role, self._lapses(decision))
        return None

    # -- who

    @property
    def _is_staff(self) -> bool:
        return self._viewer.assurance >= AssuranceLevel.STAFF

    def _who(self, required: AssuranceLevel) -> None:
        if self._viewer.assurance < required:
            raise _Stop(problems.insufficient(self._viewer.assurance, required))

    # -- key

    async def _asked(self, asking: Asking, key: str, until: float, parts: OrderParts) -> Answer:
        privacy = self._desk.privacy
        namespace = [self._viewer.client, self._bound or "", asking.kind.value, key]
        key_hash = privacy.hash("key", json.dumps(namespace))
        input_hash = privacy.hash("input", asking.canonical())
        facts: _Facts | None = None
        async with self._in_turn(key_hash, until):
            record = await self._desk.ledger.by_key(key_hash)
            if record is None:
                record, facts = await self._take_up(asking, key_hash, input_hash, until, parts)
        if facts is not None:
            record = await self._desk.settled(record, until)
            return await self._answer(record, facts.target, parts, until, replayed=False)
        self._still_mine(record)
        if record.input_hash != input_hash:
            raise _Stop(problems.key_reused(self._shown(record)))
        record = await self._desk.settled(record, until)
        return await self._answer(record, None, parts, until, replayed=True)

    @asynccontextmanager
    async def _in_turn(self, key_hash: str, until: float) -> AsyncIterator[None]:
        """One call with a key at a time, in this process; other processes meet at the ledger."""
        lock = self._desk.key_lock(key_hash)
        try:
            async with asyncio.timeout_at(until):
                await lock.acquire()
        except TimeoutError:
            # The first call is still reading facts: nothing is decided yet, and there is no action to show.
            raise _Stop(problems.in_progress(None)) from None
        try:
            yield
        finally:
            lock.release()

    def _still_mine(self, record: Record) -> None:
        if self._bound is not None and record.owner_hash != self._desk.owner_hash(self._bound):
            raise _Stop(problems.not_found())

    # -- can, facts, decision, and the record of them

    async def _take_up(
        self, asking: Asking, key_hash: str, input_hash: str, until: float, parts: OrderParts
    ) -> tuple[Record, _Facts | None]:
        """The record of a new action with the facts it was decided on; without facts: the key was used meanwhile."""
        platform = self._can(asking)
        check_until(asking, self._today(platform), needed=platform.pause_needs_until)
        for _ in range(_READINGS):
            seen = await self._desk.ledger.seen(str(asking.target))
            with store_deadline(until - asyncio.get_running_loop().time()):
                facts = await self._facts(asking, platform, parts)
            standing = await self._desk.unbroken(self._record(asking, facts, key_hash, input_hash, seen, platform))
            match standing:
                case Recorded(record=record):
                    return record, facts
                case SameKey(record=record):
                    return record, None
                case Busy(record=record):
                    raise _Stop(problems.in_progress(self._shown(record)))
        raise _Stop(problems.facts_moved())

    def _can(self, asking: Asking) -> Platform:
        platform = self._desk.platforms[asking.target.store]
        capability = platform.capability(asking.kind)
        if capability.support in (SupportLevel.UNSUPPORTED, SupportLevel.MISSING_SCOPE):
            raise _Stop(problems.unsupported(capability))
        return platform

    async def _facts(self, asking: Asking, platform: Platform, parts: OrderParts) -> _Facts:
        if self._bound is not None and not await self._is_theirs(platform, asking.target):
            raise _Stop(problems.not_found())
        target = await self._desk.effects.read(platform, str(asking.target), parts)
        if target is None:
            raise _Stop(problems.not_found())
        owner = await self._owner(target)
        if self._bound is not None and owner != self._bound:
            raise _Stop(problems.not_found())
        given = asking.input
        asked = Asked(
            kind=asking.kind,
            store=platform.store,
            order=target if isinstance(target, Order) else None,
            subscription=target if isinstance(target, Subscription) else None,
        )
        match given:
            case CancelOrderInput():
                asked = replace(asked, refund=given.refund, reason=given.reason.value, note=given.note)
            case ReturnOrderInput() if isinstance(target, Order):
                asked = replace(
                    asked,
                    resolution=given.resolution,
                    lines=tuple(
                        AskedLine(line, named.quantity, named.reason, named.condition, named.note)
                        for named, line in lines_of(asking, target)
                    ),
                )
            case PauseSubscriptionInput():
                asked = replace(asked, until=given.until)
            case CancelSubscriptionInput():
                asked = replace(asked, reason=given.reason)
        return _Facts(target, owner, asked)

    async def _is_theirs(self, platform: Platform, target: GlobalId) -> bool:
        """Whether a target is the bound customer's, seen before its facts are read: another's costs what none costs."""
        if target.type == "Order":
            orders = await platform.orders([target.native], OrderParts.NONE)
            await cost_alike(platform, orders.values())
            order = orders.get(target.native)
            return order is not None and order.owner == self._bound
        assert self._bound is not None
        able = platform.supports(Operation.PROFILES)
        records, found = await asyncio.gather(
            platform.profiles([self._bound]) if able else _nobody(),
            platform.subscriptions([target.native], SubscriptionParts.NONE),
        )
        subscription = found.get(target.native)
        if subscription is None or subscription.owner is not None or subscription.customer_ref is None:
            return subscription is not None and subscription.owner == self._bound
        ref = subscription.customer_ref
        if not able or ref.store != platform.config.id:
            return await self._owner(subscription) == self._bound
        theirs = {(platform.config.id, one.source.native_id) for one in records.get(self._bound, ())}
        return (ref.store, ref.native_id) in theirs

    async def _owner(self, target: Order | Subscription) -> Email | None:
        """Whose it is. Of a subscription whose record names nobody, the customer record behind it is read."""
        if target.owner is not None or isinstance(target, Order) or target.customer_ref is None:
            return target.owner
        ref = target.customer_ref
        platform = self._desk.platforms.get(ref.store)
        if platform is None:
            return None
        try:
            profile = (await platform.profiles_by_id([ref.native_id])).get(ref.native_id)
        except PlatformError:
            if self._bound is not None:
                raise
            return None  # staff may act all the same; only the counters of 90 days stay unknown
        if profile is not None:
            target.owner = profile.owner or email_or_none(profile.email)
        return target.owner

    async def _record(
        self, asking: Asking, facts: _Facts, key_hash: str, input_hash: str, seen: int, platform: Platform
    ) -> Standing:
        desk, viewer = self._desk, self._viewer
        request = await self._request_json(asking, facts, platform)
        now = desk.clock()
        owner_hash = desk.owner_hash(facts.owner) if facts.owner is not None else None
        by = seal_actor(viewer.actor, desk.privacy)
        made: list[Decision] = []

        def decide(history: History) -> Record:
            decision = self._decide(facts.asked, history)
            made.append(decision)
            quote = desk.decider.quote(facts.asked, decision)
            state = _STATE[decision.verdict]
            given = _in_shop_currency(facts.asked, quote)
            record = Record(
                id=new_id(),
                kind=asking.kind,
                state=state,
                store=asking.target.store,
                target=str(asking.target),
                client=viewer.client,
                key_hash=key_hash,
                input_hash=input_hash,
                owner_hash=owner_hash,
                request=request | self._costs_json(facts.asked, decision),
                decision=decision_json(decision),
                quote=quote_json(quote) if quote is not None else None,
                amount=str(given.amount) if given is not None else None,
                currency=given.currency_code if given is not None else None,
                summary=_summary(asking, facts.target),
                actor=by,
                policy=decision.policy.digest,
                requested_at=now,
            )
            if state is ActionState.DENIED:
                return replace(record, finished_at=now)
            if state is ActionState.AWAITING_APPROVAL:
                return replace(
                    record,
                    required_role=self._desk.decider.approver(decision),
                    expires_at=self._lapses(decision),
                )
            return replace(
                record,
                sent_at=now,
                last_sent_at=now,
                attempts=1,
                reconcile_by=now + timedelta(seconds=desk.patience.reconcile),
                owner=new_owner(desk.gateway_id),
                lease_until=now + timedelta(seconds=desk.patience.lease),
            )

        standing = await desk.ledger.record(
            target=str(asking.target),
            key_hash=key_hash,
            owner_hash=owner_hash,
            seen=seen,
            now=now,
            counted_at=self._now,
            by=by,
            decide=decide,
        )
        if isinstance(standing, Recorded):
            self._count(standing.record, made[-1])
            if standing.record.state is ActionState.RUNNING:
                desk.start(standing.record, facts.target)
        return standing

    def _decide(self, asked: Asked, history: History) -> Decision:
        return self._desk.decider.decide_fully(asked, history, self._viewer, self._now, self._locale)

    def _count(self, record: Record, decision: Decision) -> None:
        if (observer := self._desk.observer) is None:
            return
        kind = record.kind.value
        for reason in decision.reasons:
            observer.decided(kind, reason.rule, decision.verdict.value, False)
        for reason in decision.shadow_reasons:
            observer.decided(kind, reason.rule, decision.verdict.value, True)
        observer.action_moved(kind, record.state.value)

    async def _request_json(self, asking: Asking, facts: _Facts, platform: Platform) -> dict[str, Any]:
        """What is needed to do it, or to find out whether it was done, without this request."""
        given, target = asking.input, facts.target
        match given:
            case CancelOrderInput():
                return {
                    "reason": given.reason.value,
                    "refund": given.refund.value,
                    "restock": given.restock,
                    "notify_customer": given.notify_customer,
                    "note": given.note,
                }
            case ReturnOrderInput() if isinstance(target, Order):
                return {
                    "resolution": given.resolution.value,
                    "returns_before": [one.source.native_id for one in target.returns or ()],
                }
        if not isinstance(target, Subscription):
            raise TypeError(f"{asking.kind.value} is not asked of an order")
        was = {"was": was_json(target)}
        if isinstance(given, CancelSubscriptionInput):
            return was | {"reason": given.reason}
        before = await self._desk.held.billing_before(platform, target)
        if isinstance(given, PauseSubscriptionInput):
            return was | {
                "until": given.until.isoformat() if given.until else None,
                "billing_before": before.isoformat() if before else None,
            }
        rests = target.status is SubscriptionStatus.PAUSED and not platform.keeps_pauses
        return was | {"bill_on": before.isoformat() if rests and before else None}

    def _costs_json(self, asked: Asked, decision: Decision) -> dict[str, Any]:
        if asked.kind is not ActionKind.RETURN_ORDER:
            return {}
        return {
            "fees": fees_json(self._desk.decider.fees(asked, decision)),
            "lines": [
                line_json(
                    RecordedLine(
                        id=line.line.id,
                        native=line.line.native_id,
                        quantity=line.quantity,
                        reason=line.reason or ReturnReason.UNKNOWN,
                        condition=line.condition,
                        note=line.note,
                        restocking_percent=self._desk.decider.restocking_percent(asked, decision, line.line),
                    )
                )
                for line in asked.lines
            ],
        }

    def _lapses(self, decision: Decision) -> datetime:
        """When a request that waits for approval gives up."""
        hours = decision.expires_hours
        patience = timedelta(seconds=self._desk.patience.approval) if hours is None else timedelta(hours=hours)
        return self._desk.clock() + patience

    def _today(self, platform: Platform) -> date:
        return self._now.astimezone(ZoneInfo(platform.config.time_zone)).date()

    # -- know

    async def _answer(
        self, record: Record, known: Order | Subscription | None, parts: OrderParts, until: float, *, replayed: bool
    ) -> Answer:
        """The action as it is, over its target as it is: read again unless nothing was sent since it was read."""
        target = known
        if known is None or record.state not in (ActionState.DENIED, ActionState.AWAITING_APPROVAL):
            left = until - asyncio.get_running_loop().time()
            target = await self._fresh(record, parts, max(left, _LAST_READ))
            _carry_owner(known, target)
            if self._bound is not None and target is not None:
                try:
                    if await self._owner(target) != self._bound:
                        raise _Stop(problems.not_found())
                except PlatformError:
                    target = None  # whose it is now cannot be read; the action was theirs
        order = target if isinstance(target, Order) else None
        if order is not None:
            self._orders_read().prime(record.target, order)  # `request_of` needs no second read
        action = self._shown(record, order)
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
        platform = self._desk.platforms.get(record.store)
        if platform is None:
            return None
        try:
            with store_deadline(seconds):
                return await self._desk.effects.read(platform, record.target, parts)
        except PlatformError as error:
            _log.warning("the target could not be read for the answer", action=record.id, code=error.code.value)
            return None

    def _shown(self, record: Record, order: Order | None = None) -> Action:
        lines = {line.native_id: line for line in order.lines} if order is not None and order.has("lines") else {}
        desk = self._desk
        return action_of(record, self._viewer, self._locale, desk.privacy, desk.capability(record), lines)

    # ------------------------------------------------------------------------------------------------ reading

    async def action(self, id: str, *, lines: bool = False) -> Action | None:
        """An action this viewer may see. With `lines` its reasons point to the lines of the order, read fresh.

        Raises:
            MalformedId: not the id of an action.
        """
        record = await self._desk.ledger.by_id(parse_typed(id, "Action", 1).native)
        if record is None or not self._may_see(record):
            return None
        order = await self._order(record.target) if lines and parse_id(record.target).type == "Order" else None
        return self._shown(record, order)

    async def actions(self, filter: ActionFilter | None, first: int, after: str | None = None) -> ActionConnection:
        """Actions this viewer may see, newest first.

        Raises:
            PageSizeOutOfRange, MalformedCursor: `first` or `after` cannot be right.
            MalformedId: the filter's target is no id.
        """
        count = page_size(first)
        wanted = filter or ActionFilter()
        if wanted.target_id is not None:
            parse_id(wanted.target_id)
        listing = Listing(
            states=wanted.state,
            kinds=wanted.kind,
            target=wanted.target_id,
            requested_after=wanted.requested_after,
            owner_hash=self._desk.owner_hash(self._bound) if self._bound is not None else None,
            client=None if self._bound is not None or self._is_staff else self._viewer.client,
        )
        records = await self._desk.ledger.newest(listing, count + 1, _position(after) if after else None)
        page = records[:count]
        edges = [ActionEdge(cursor=_cursor(record), node=self._shown(record)) for record in page]
        return ActionConnection(
            edges=edges,
            nodes=[edge.node for edge in edges],
            page_info=PageInfo(has_next_page=len(records) > count, end_cursor=edges[-1].cursor if edges else None),
        )

    async def request_of(self, action: Action) -> ActionRequest:
        """What was asked for; its lines are read fresh, those no longer on the order are left out.

        Raises:
            PlatformError: the lines could not be read.
        """
        record = action.recorded
        assert isinstance(record, Record)
        request = record.request
        named = recorded_lines(record)
        known: dict[str, OrderLine] = {}
        if named:
            order = await self._order(record.target)
            known = {line.native_id: line for line in order.lines} if order is not None else {}
        resolution, refund = request.get("resolution"), request.get("refund")
        return ActionRequest(
            lines=[
                RequestedLine(
                    line=known[line.native],
                    quantity=line.quantity,
                    reason=line.reason,
                    condition=line.condition,
                    note=line.note,
                )
                for line in named
                if line.native in known
            ],
            resolution=RequestedResolution(resolution) if resolution else None,
            destination=_DESTINATION.get(RefundChoice(refund)) if refund else None,
            until=day_of(request.get("until")),
            reason=request.get("reason"),
            note=request.get("note"),
        )

    async def history(self, emails: Sequence[Email]) -> Mapping[Email, History]:
        """Each customer's counters over the 90 days before this request, for eligibility."""
        return await self._desk.history(emails, self._now)

    async def active_on(self, target_ids: Sequence[str]) -> Mapping[str, str]:
        """The id of the unfinished action on each target that has one."""
        return await self._desk.active_on(target_ids)

    def _may_see(self, record: Record) -> bool:
        if self._bound is not None:
            return record.owner_hash == self._desk.owner_hash(self._bound)
        return self._is_staff or record.client == self._viewer.client

    async def _order(self, target: str) -> Order | None:
        """An order with its lines; asked for together with others of the same tick and store."""
        return await self._orders_read().load(target)

    def _orders_read(self) -> DataLoader[str, Order | None]:
        if self._orders is None:
            # It takes errors as answers, which its types do not say.
            self._orders = DataLoader(cast("Any", self._read_orders))
        return self._orders

    async def _read_orders(self, targets: list[str]) -> list[Order | BaseException | None]:
        stores: dict[str, list[str]] = {}
        for target in targets:
            found = parse_id(target)
            stores.setdefault(found.store, []).append(found.native)

        async def read(store: str, natives: list[str]) -> Mapping[str, Order] | PlatformError:
            platform = self._desk.platforms.get(store)
            if platform is None:
                return {}
            try:
                with store_deadline(self._desk.request_seconds):
                    orders = await platform.orders(natives, OrderParts.LINES)
            except PlatformError as error:
                return error
            await self._desk.held.overlay_orders(platform, orders)
            return orders

        answers = dict(zip(stores, await asyncio.gather(*(read(*group) for group in stores.items())), strict=True))
        orders: list[Order | BaseException | None] = []
        for target in targets:
            found = parse_id(target)
            answer = answers[found.store]
            orders.append(answer if isinstance(answer, PlatformError) else answer.get(found.native))
        return orders


async def _nobody() -> Mapping[Email, Sequence[CustomerProfile]]:
    """The records of a store that keeps none."""
    return {}


_DESTINATION = {
    RefundChoice.ORIGINAL_PAYMENT: RefundDestination.ORIGINAL_PAYMENT,
    RefundChoice.STORE_CREDIT: RefundDestination.STORE_CREDIT,
}


def _carry_owner(before: Order | Subscription | None, now: Order | Subscription | None) -> None:
    """Whose customer record a subscription names was found out with its facts; it is not read again."""
    if not (isinstance(before, Subscription) and isinstance(now, Subscription)):
        return
    if now.owner is None and now.customer_ref == before.customer_ref:
        now.owner = before.owner


def _summary(asking: Asking, target: Order | Subscription) -> str:
    """One sentence for people: no names, no addresses."""
    given = asking.input
    if isinstance(target, Order):
        if isinstance(given, ReturnOrderInput):
            goods = ", ".join(f"{named.quantity} × {line.title}" for named, line in lines_of(asking, target))
            return f"Return {goods} of order {target.number}"
        return f"Cancel order {target.number}"
    goods = ", ".join(line.title for line in target.lines) or target.source.native_id
    match given:
        case PauseSubscriptionInput():
            return f"Pause the subscription of {goods}" + (f" until {given.until.isoformat()}" if given.until else "")
        case CancelSubscriptionInput():
            return f"Cancel the subscription of {goods}"
    return f"Resume the subscription of {goods}"


def _in_shop_currency(asked: Asked, quote: Quote | None) -> Money | None:
    """What a quote gives back, as the customer's counters hold it: in the store's own currency."""
    if quote is None or asked.order is None or asked.refund is RefundChoice.NONE:
        return None
    total = asked.order.totals.total
    if quote.total.currency_code == total.shop.currency_code:
        return quote.total
    if quote.total.currency_code != total.presentment.currency_code or not total.presentment.amount:
        return quote.total
    rate = total.shop.amount / total.presentment.amount
    return Money.of((quote.total.amount * rate).quantize(Decimal("0.01")), total.shop.currency_code)


def _refund(record: Record, order: Order | None) -> Refund | None:
    """The money a cancellation paid back: the newest refund since it was asked for."""
    if record.kind is not ActionKind.CANCEL_ORDER or record.state is not ActionState.SUCCEEDED or order is None:
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


def _cursor(record: Record) -> str:
    text = f"{record.requested_at.astimezone(UTC).isoformat()}|{record.id}"
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def _position(cursor: str) -> tuple[datetime, str]:
    try:
        text = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode()
        at, _, action = text.partition("|")
        instant = datetime.fromisoformat(at)
    except (binascii.Error, ValueError):
        raise MalformedCursor("after is not a cursor of this list") from None
    if instant.tzinfo is None or not action:
        raise MalformedCursor("after is not a cursor of this list")
    return instant, action
