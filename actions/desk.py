"""The way of a request, step by step: who, key, can, facts, decision, do, know."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from uuid import uuid4
from weakref import WeakValueDictionary
from zoneinfo import ZoneInfo

import structlog
from sqlalchemy.exc import SQLAlchemyError

from actions import problems
from actions.answers import Answer, Answers
from actions.approval import Approvals
from actions.asking import Asking, Invalid, asking_again, check, check_key, check_until
from actions.caller import Caller
from actions.databases import LedgerUnreachable
from actions.effects import Effects, Observer, Patience, trace_of
from actions.facts import FactReader, Facts, paid_here
from actions.held import Held
from actions.ledger import Busy, Ledger, Record, Recorded, SameKey, Standing
from actions.listing import Listings, MalformedCursor
from actions.notices import Notices
from actions.privacy import Privacy
from actions.problems import Stop
from actions.recording import Decider, lapses, new_record, request_json, shown_digest, summary
from actions.shaping import action_id, seal_actor
from actions.tickets import LASTS, BadTicket, Ticket, Tickets
from actions.timeline import Timelines
from platforms.base import Platform
from platforms.errors import PlatformError
from platforms.transport import store_deadline
from policies.asked import Asked, History
from policies.guard import ACTION_SCOPE, MIN_ASSURANCE
from policies.messages import spoken
from policies.processor import as_told_to, costs_the_customer
from schema.access import need
from schema.actions import Action, ActionRequest, Actor, Preview, TimelineEntry, Viewer
from schema.connections import ActionConnection
from schema.emails import Email
from schema.inputs import ActionFilter
from schema.order import Order
from schema.parts import OrderParts
from schema.policy import Decision
from schema.problems import FieldIssue, Problem
from schema.returns import Return
from schema.subscription import Subscription
from schema.vocabulary import (
    ActionKind,
    ActionOutcome,
    ActionState,
    ActorKind,
    AssuranceLevel,
    HeldReturnStep,
    SupportLevel,
    Verdict,
)

__all__ = ["ActionDesk", "Answer", "Decider", "MalformedCursor", "ViewerDesk"]

_log = structlog.get_logger("actions.desk")

#: What a ledger that cannot be used raises.
_LEDGER_FAILS = (SQLAlchemyError, LedgerUnreachable)
#: How often facts are read again when their target moves meanwhile.
_READINGS = 3
#: Seconds between two looks at a row that another gateway works on.
_POLL = 0.1
DEFAULT_PATIENCE = Patience()


@dataclass(frozen=True, slots=True)
class Known:
    """What the ledger knows of some targets and of the customers they are of."""

    #: The id of the unfinished action on each target that has one.
    active: Mapping[str, str]
    #: What of each order this gateway has paid back or is paying back, in the customer's currency; left out: nothing.
    paid_here: Mapping[str, Decimal]
    #: Each customer's counters of 90 days, unfinished and waiting actions included.
    history: Mapping[Email, History]


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
        notices: Notices | None = None,
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
        #: Tells somebody outside that an action waits for approval; None: nobody wants to be told.
        self.notices = notices
        self.privacy = Privacy(secret)
        self.tickets = Tickets(secret)
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
        self._running: dict[str, asyncio.Task[Record | None]] = {}
        self._others: set[asyncio.Task[Any]] = set()
        self._keys: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    def of(self, viewer: Viewer, now: datetime, locale: str = "en") -> ViewerDesk:
        """The desk for one request. `now` is what decisions take for the present."""
        return ViewerDesk(self, Caller.of(viewer, now, locale))

    async def finish(self) -> None:
        """Wait for every action that is being done; for an orderly end of the process."""
        while tasks := [*self._running.values(), *self._others]:
            await asyncio.wait(tasks)

    def owner_hash(self, email: Email) -> str:
        return self.privacy.hash("customer", email)

    async def history(
        self, emails: Sequence[Email], now: datetime | None = None, *, pays_for: Collection[str] = ()
    ) -> Mapping[Email, History]:
        """Each customer's counters over the 90 days before `now`, unfinished and waiting actions included."""
        hashes = {email: self.owner_hash(email) for email in emails}
        found = await self.ledger.history(list(hashes.values()), now or self.clock(), pays_for=pays_for)
        return {email: found[one] for email, one in hashes.items()}

    async def outlook(
        self, target_ids: Sequence[str], orders: Sequence[Order], emails: Sequence[Email], now: datetime
    ) -> Known:
        """What eligibility on some targets depends on, in one look; `orders`: those of them that are orders."""
        hashes = {email: self.owner_hash(email) for email in emails}
        found = await self.ledger.outlook(target_ids, list(hashes.values()), now)
        paying: dict[str, list[Record]] = {}
        for record in found.paying:
            paying.setdefault(record.target, []).append(record)
        return Known(
            active={target: action_id(record) for target, record in found.active.items()},
            paid_here={order.id: paid_here(order, paying[order.id])[0] for order in orders if order.id in paying},
            history={email: found.history[one] for email, one in hashes.items()},
        )

    # ------------------------------------------------------------------------------------------------ inside

    def key_lock(self, key_hash: str) -> asyncio.Lock:
        lock = self._keys.get(key_hash)
        if lock is None:
            lock = self._keys[key_hash] = asyncio.Lock()
        return lock

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

        def ended(task: asyncio.Task[Record | None]) -> None:
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
                if task.done() and not task.cancelled() and task.exception() is None and (ended := task.result()):
                    return ended
            else:
                await asyncio.sleep(min(_POLL, left))
            record = await self.ledger.by_id(record.id) or record
        return record

    def count(self, record: Record, decision: Decision) -> None:
        """Tell the observer of a decision and the state it led to."""
        if (observer := self.observer) is None:
            return
        kind = record.kind.value
        for reason in decision.reasons:
            observer.decided(kind, reason.rule, decision.verdict.value, False)
        for reason in decision.shadow_reasons:
            observer.decided(kind, reason.rule, decision.verdict.value, True)
        observer.action_moved(kind, record.state.value)


class ViewerDesk:
    """The action desk as one viewer stands before it."""

    def __init__(self, desk: ActionDesk, caller: Caller) -> None:
        self._desk = desk
        self._caller = caller
        self._reader = FactReader(desk.ledger, desk.effects, desk.platforms, caller)
        self._answers = Answers(caller, self._reader, desk.effects, desk.platforms, desk.privacy)
        self._listings = Listings(
            desk.ledger, caller, self._answers, desk.held, desk.platforms, desk.privacy, desk.request_seconds
        )
        self._approvals = Approvals(desk, caller, self._answers, self._listings)
        self._timelines = Timelines(desk.ledger, desk.held, caller, self._answers, self._listings, desk.privacy)

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
        return await _answered(self._ask(kind, asked, key, min_assurance, parts))

    async def _ask(
        self, kind: ActionKind, asked: Any, key: str | None, min_assurance: AssuranceLevel | None, parts: OrderParts
    ) -> Answer:
        until = asyncio.get_running_loop().time() + self._desk.request_seconds
        store = ""
        try:
            asking = check(kind, asked, is_staff=self._caller.is_staff, stores=self._desk.platforms)
            store = asking.target.store
            key = check_key(key)
            self._who(MIN_ASSURANCE[kind] if min_assurance is None else min_assurance)
            namespace = [self._caller.viewer.client, self._caller.bound or "", kind.value, key]
            key_hash = self._desk.privacy.hash("key", json.dumps(namespace))
            return await self._asked(asking, key_hash, None, until, parts)
        except Invalid as invalid:
            return Answer(problem=problems.invalid(invalid.fields))
        except Stop as stop:
            return Answer(problem=stop.problem)
        except PlatformError as error:
            # Only reads raise here, so nothing was done and the key is as free as before.
            return Answer(problem=problems.of_error(error, self._desk.platforms[store].capability(kind)))

    async def preview(self, kind: ActionKind, asked: Any) -> Preview:
        """The same decision and quote as `ask` would come to now, without doing anything, and a token to do it with."""
        try:
            return await self._preview(kind, asked)
        except _LEDGER_FAILS as error:
            _log_failed(error)
            return Preview(summary="", problem=problems.ledger_unread())

    async def _preview(self, kind: ActionKind, asked: Any) -> Preview:
        store, summed_up = "", ""
        try:
            asking = check(kind, asked, is_staff=self._caller.is_staff, stores=self._desk.platforms, in_preview=True)
            store = asking.target.store
            platform = self._can(asking)
            check_until(asking, self._today(platform), needed=platform.pause_needs_until)
            facts = await self._reader.read(asking)
            await self._check_return(asking, facts)
            summed_up = summary(asking, facts)
            owners = [facts.owner] if facts.owner else []
            counters = await self._desk.history(owners, self._caller.now, pays_for=asking.pays_for)
            decision = self._decide(facts.asked, counters[facts.owner] if facts.owner else History())
            quote = self._desk.decider.quote(facts.asked, decision)
            told = as_told_to(decision, self._caller.viewer, spoken(self._caller.locale, facts.asked.store))
            busy = (await self._desk.ledger.active_on([str(asking.target)])).get(str(asking.target))
            can_be_confirmed = busy is None and decision.verdict is not Verdict.DENY
            expires_at = self._desk.clock() + LASTS
            return Preview(
                summary=summed_up,
                decision=told,
                problem=problems.in_progress(self._answers.shown(busy)) if busy else self._foreseen(told),
                quote=quote,
                token=self._ticket(asking, facts, decision, expires_at) if can_be_confirmed else None,
                expires_at=expires_at if can_be_confirmed else None,
            )
        except Invalid as invalid:
            return Preview(summary=summed_up, problem=problems.invalid(invalid.fields))
        except Stop as stop:
            return Preview(summary=summed_up, problem=stop.problem)
        except PlatformError as error:
            capability = self._desk.platforms[store].capability(kind)
            return Preview(summary=summed_up, problem=problems.of_error(error, capability))

    async def confirm(self, token: str, *, parts: OrderParts = OrderParts.NONE) -> Answer:
        """Do exactly what a preview showed, once; the token is its own key.

        Raises:
            Forbidden: the caller's scopes do not reach the action inside.
        """
        return await _answered(self._confirm(token, parts))

    async def _confirm(self, token: str, parts: OrderParts) -> Answer:
        until = asyncio.get_running_loop().time() + self._desk.request_seconds
        kind, store = None, ""
        try:
            ticket = self._ticket_of(token)
            kind = ticket.kind
            need(self._caller.viewer.scopes, ACTION_SCOPE[kind])
            self._who(MIN_ASSURANCE[kind])
            asking = _asking_of(ticket)
            store = asking.target.store
            if store not in self._desk.platforms:
                raise Stop(problems.facts_changed())
            key_hash = self._desk.privacy.hash("ticket", ticket.id)
            return await self._asked(asking, key_hash, ticket, until, parts)
        except Invalid as invalid:
            return Answer(problem=problems.invalid(invalid.fields))
        except Stop as stop:
            return Answer(problem=stop.problem)
        except PlatformError as error:
            assert kind is not None
            return Answer(problem=problems.of_error(error, self._desk.platforms[store].capability(kind)))

    def _foreseen(self, told: Decision) -> Problem | None:
        if told.verdict is Verdict.DENY:
            return problems.denied(told)
        if told.verdict is Verdict.REVIEW:
            role = self._desk.decider.approver(told)
            return problems.approval_required(told, role, lapses(told, self._desk.patience, self._desk.clock()))
        return None

    # -- previews

    def _ticket(self, asking: Asking, facts: Facts, decision: Decision, expires_at: datetime) -> str:
        quote = self._desk.decider.quote(facts.asked, decision)
        return self._desk.tickets.token(
            Ticket(
                id=uuid4().hex,
                kind=asking.kind,
                asked=asking.plain(),
                client=self._caller.viewer.client,
                bound=self._caller.bound or "",
                policy=decision.policy.digest,
                shown=shown_digest(facts, decision, quote),
                refunds=tuple(facts.refunds),
                expires_at=expires_at,
            )
        )

    def _ticket_of(self, token: str) -> Ticket:
        try:
            ticket = self._desk.tickets.read(token)
        except BadTicket as error:
            raise Invalid([FieldIssue(path=["token"], message=str(error))]) from None
        if (ticket.client, ticket.bound) != (self._caller.viewer.client, self._caller.bound or ""):
            raise Invalid([FieldIssue(path=["token"], message="this token was not given to this caller")])
        return ticket

    # -- who

    def _who(self, required: AssuranceLevel) -> None:
        if self._caller.viewer.assurance < required:
            raise Stop(problems.insufficient(self._caller.viewer.assurance, required))

    # -- key

    async def _asked(
        self, asking: Asking, key_hash: str, ticket: Ticket | None, until: float, parts: OrderParts
    ) -> Answer:
        input_hash = self._desk.privacy.hash("input", asking.canonical())
        facts: Facts | None = None
        async with self._in_turn(key_hash, until):
            record, seen = await self._desk.ledger.standing(key_hash, str(asking.target))
            if record is None:
                record, facts = await self._take_up(asking, key_hash, input_hash, ticket, seen, until, parts)
        if facts is not None:
            record = await self._desk.settled(record, until)
            return await self._answer(record, facts.target, parts, until, replayed=False)
        self._still_mine(record)
        if record.input_hash != input_hash:
            raise Stop(problems.key_reused(self._answers.shown(record)))
        record = await self._desk.settled(record, until)
        return await self._answer(record, None, parts, until, replayed=True)

    async def _answer(
        self, record: Record, known: Order | Subscription | None, parts: OrderParts, until: float, *, replayed: bool
    ) -> Answer:
        answer = await self._answers.of(record, known, parts, until, replayed=replayed)
        if answer.order is not None:
            self._listings.know(record.target, answer.order)  # `request_of` needs no second read
        return answer

    @asynccontextmanager
    async def _in_turn(self, key_hash: str, until: float) -> AsyncIterator[None]:
        """One call with a key at a time, in this process; other processes meet at the ledger."""
        lock = self._desk.key_lock(key_hash)
        try:
            async with asyncio.timeout_at(until):
                await lock.acquire()
        except TimeoutError:
            # The first call is still reading facts: nothing is decided yet, and there is no action to show.
            raise Stop(problems.in_progress(None)) from None
        try:
            yield
        finally:
            lock.release()

    def _still_mine(self, record: Record) -> None:
        if record.forgotten_at is not None:
            return  # nothing says whose it was any more; the key itself is bound to one customer
        if self._caller.bound is not None and record.owner_hash != self._desk.owner_hash(self._caller.bound):
            raise Stop(problems.not_found())

    # -- can, facts, decision, and the record of them

    async def _take_up(
        self,
        asking: Asking,
        key_hash: str,
        input_hash: str,
        ticket: Ticket | None,
        seen: int,
        until: float,
        parts: OrderParts,
    ) -> tuple[Record, Facts | None]:
        """The record of a new action with the facts it was decided on; without facts: the key was used meanwhile.

        `seen`: how far the ledger had come with the target before its facts are read.
        """
        platform = self._can(asking)
        if ticket is None:
            self._may_be_asked_directly(platform)
        elif ticket.expires_at <= self._desk.clock():
            raise Stop(problems.token_expired())
        check_until(asking, self._today(platform), needed=platform.pause_needs_until)
        for reading in range(_READINGS):
            if reading:
                seen = await self._desk.ledger.seen(str(asking.target))
            with store_deadline(until - asyncio.get_running_loop().time()):
                facts = await self._reader.read(
                    asking,
                    parts,
                    refunds_before=ticket.refunds if ticket is not None else None,
                    untouched=not seen,
                )
            await self._check_return(asking, facts)
            standing = await self._desk.unbroken(
                self._record(asking, facts, key_hash, input_hash, ticket, seen, platform)
            )
            match standing:
                case Recorded(record=record):
                    return record, facts
                case SameKey(record=record):
                    return record, None
                case Busy(record=record):
                    raise Stop(problems.in_progress(self._answers.shown(record)))
        raise Stop(problems.facts_moved())

    def _can(self, asking: Asking) -> Platform:
        platform = self._desk.platforms[asking.target.store]
        capability = platform.capability(asking.kind)
        if capability.support in (SupportLevel.UNSUPPORTED, SupportLevel.MISSING_SCOPE):
            raise Stop(problems.unsupported(capability))
        return platform

    def _may_be_asked_directly(self, platform: Platform) -> None:
        if platform.config.require_preview:
            raise Stop(problems.preview_required("This store takes changes only after a preview"))
        if self._caller.viewer.previews_first:
            raise Stop(problems.preview_required("This caller makes changes only after a preview"))

    async def _check_return(self, asking: Asking, facts: Facts) -> None:
        """The return a refund pays for is held here, and still open."""
        if isinstance(facts.target, Order):
            await self._desk.held.check_return(asking, facts.target)

    async def _record(
        self,
        asking: Asking,
        facts: Facts,
        key_hash: str,
        input_hash: str,
        ticket: Ticket | None,
        seen: int,
        platform: Platform,
    ) -> Standing:
        desk, caller = self._desk, self._caller
        request = await request_json(asking, facts, platform, desk.held, caller)
        now = desk.clock()
        owner_hash = desk.owner_hash(facts.owner) if facts.owner is not None else None
        made: list[Decision] = []

        def decide(history: History) -> Record:
            decision = self._decide(facts.asked, history)
            self._as_shown(ticket, facts, decision)
            made.append(decision)
            return new_record(
                asking,
                facts,
                decision,
                request,
                decider=desk.decider,
                caller=caller,
                history=history,
                privacy=desk.privacy,
                patience=desk.patience,
                gateway_id=desk.gateway_id,
                now=now,
                key_hash=key_hash,
                input_hash=input_hash,
                owner_hash=owner_hash,
            )

        standing = await desk.ledger.record(
            target=str(asking.target),
            key_hash=key_hash,
            owner_hash=owner_hash,
            seen=seen,
            now=now,
            counted_at=caller.now,
            by=seal_actor(caller.viewer.actor, desk.privacy),
            lapsed_by=desk.effects.by,
            decide=decide,
            pays_for=asking.pays_for,
            also=desk.notices.of_new if desk.notices is not None else None,
        )
        if isinstance(standing, Recorded):
            desk.count(standing.record, made[-1])
            if standing.record.state is ActionState.RUNNING:
                desk.start(standing.record, facts.target)
        return standing

    def _as_shown(self, ticket: Ticket | None, facts: Facts, decision: Decision) -> None:
        """What was shown still holds; and what costs the customer money was shown. Raises `Stop`."""
        if ticket is None:
            if decision.verdict is not Verdict.DENY and costs_the_customer(decision):
                raise Stop(problems.preview_required("It would cost the customer something"))
            return
        quote = self._desk.decider.quote(facts.asked, decision)
        if ticket.policy != decision.policy.digest or ticket.shown != shown_digest(facts, decision, quote):
            raise Stop(problems.facts_changed())

    def _decide(self, asked: Asked, history: History) -> Decision:
        caller = self._caller
        return self._desk.decider.decide_fully(asked, history, caller.viewer, caller.now, caller.locale)

    def _today(self, platform: Platform) -> date:
        return self._caller.now.astimezone(ZoneInfo(platform.config.time_zone)).date()

    # ------------------------------------------------------------------------------------------------ people's part

    async def approve(self, id: str, note: str | None) -> Answer:
        """Agree to a waiting action: it is decided again on fresh facts, and done under its first key."""
        return await _answered(self._approvals.approve(id, note))

    async def reject(self, id: str, note: str) -> Answer:
        """Turn a waiting action down."""
        return await _answered(self._approvals.reject(id, note))

    async def resolve(self, id: str, outcome: ActionOutcome, note: str) -> Answer:
        """Say what came of an action whose outcome the gateway could not find out."""
        return await _answered(self._approvals.resolve(id, outcome, note))

    async def move_return(self, id: str, step: HeldReturnStep) -> tuple[Return | None, Problem | None]:
        """Let a return that is held here move on: the return as it stands now, or why it does not."""
        try:
            return await self._approvals.move_return(id, step)
        except _LEDGER_FAILS as error:
            _log_failed(error)
            return None, problems.ledger_fails()

    # ------------------------------------------------------------------------------------------------ reading

    async def action(self, id: str, *, lines: bool = False) -> Action | None:
        """An action this viewer may see; see `Listings.action`."""
        return await self._listings.action(id, lines=lines)

    async def actions(self, filter: ActionFilter | None, first: int, after: str | None = None) -> ActionConnection:
        """Actions this viewer may see, newest first; see `Listings.newest`."""
        return await self._listings.newest(filter, first, after)

    async def request_of(self, action: Action) -> ActionRequest:
        """What was asked for; see `Listings.request_of`."""
        return await self._listings.request_of(action)

    async def timelines(self, orders: Sequence[Order]) -> list[list[TimelineEntry]]:
        """The story of each order, newest first; see `Timelines.of`."""
        return await self._timelines.of(orders)

    async def history(self, emails: Sequence[Email]) -> Mapping[Email, History]:
        """Each customer's counters over the 90 days before this request, for eligibility."""
        return await self._desk.history(emails, self._caller.now)


async def _answered(work: Awaitable[Answer]) -> Answer:
    """What comes of it, also where the ledger fails: whoever asked must know that asking again is safe."""
    try:
        return await work
    except _LEDGER_FAILS as error:
        _log_failed(error)
        return Answer(problem=problems.ledger_fails())


def _log_failed(error: BaseException) -> None:
    _log.error("the ledger failed in the middle of a request", trace=trace_of(error))


def _asking_of(ticket: Ticket) -> Asking:
    try:
        return asking_again(ticket.kind, ticket.asked, ("token",))
    except ValueError:
        raise Stop(problems.facts_changed()) from None
