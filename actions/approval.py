"""The part of people: who may decide a waiting action, settle one of unknown outcome, and let a held return move on."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from actions import problems
from actions.answers import Answer, Answers
from actions.asking import Asking, Invalid, asking_again, check_note, check_until
from actions.caller import Caller
from actions.facts import FactReader, Facts
from actions.lease import take
from actions.ledger import LostRace, Record
from actions.listing import Listings
from actions.problems import Stop
from actions.recorded import Json, TargetChanged, decision_json, platform_request, quote_json
from actions.recording import against, asker_of, costs_json, in_shop_currency, lapses, request_json, running, summary
from actions.shaping import seal_actor
from platforms.base import Platform
from platforms.errors import PlatformError
from platforms.transport import store_deadline
from policies.asked import History
from schema.ids import MalformedId, make_id, parse_typed
from schema.order import Order
from schema.parts import OrderParts
from schema.policy import Decision
from schema.problems import FieldIssue, Problem
from schema.returns import Return
from schema.vocabulary import (
    ActionKind,
    ActionOutcome,
    ActionState,
    HeldReturnStep,
    ReturnStatus,
    SupportLevel,
    Verdict,
)

if TYPE_CHECKING:
    from actions.desk import ActionDesk

#: Of a row, what somebody agrees to.
_AGREED = ("facts", "decision", "quote", "amount", "currency", "policy", "summary")
#: Of a request, what stays as it was when it was asked for, as long as it waits.
_SINCE_THE_ASK = ("refunds_before",)

_STEP = {
    HeldReturnStep.IN_TRANSIT: ReturnStatus.IN_TRANSIT,
    HeldReturnStep.RECEIVED: ReturnStatus.RECEIVED,
    HeldReturnStep.CLOSED: ReturnStatus.CLOSED,
    HeldReturnStep.CANCELLED: ReturnStatus.CANCELLED,
}


class Approvals:
    """What one caller may decide for others."""

    def __init__(self, desk: ActionDesk, caller: Caller, answers: Answers, listings: Listings) -> None:
        self._desk = desk
        self._caller = caller
        self._answers = answers
        self._listings = listings

    # ------------------------------------------------------------------------------------------------ approve, reject

    async def approve(self, id: str, note: str | None) -> Answer:
        until = asyncio.get_running_loop().time() + self._desk.request_seconds
        try:
            check_note(note, needed=False)
            record = await self._record(id)
            self._may_decide(record)
            await self._still_waits(record)
            return await self._decide_again(record, note, until)
        except Invalid as invalid:
            return Answer(problem=problems.invalid(invalid.fields))
        except Stop as stop:
            return Answer(problem=stop.problem)
        except LostRace:
            return await self._was_quicker(id)
        except PlatformError as error:
            record = await self._record(id)
            problem = problems.of_error(error, self._answers.capability(record))
            return Answer(action=self._answers.shown(record), problem=problem)

    async def reject(self, id: str, note: str) -> Answer:
        try:
            check_note(note, needed=True)
            record = await self._record(id)
            self._may_decide(record)
            await self._still_waits(record)
            rejected = await self._desk.ledger.move(
                record, ActionState.REJECTED, at=self._desk.clock(), by=self._by(), **self._signed(note)
            )
        except Invalid as invalid:
            return Answer(problem=problems.invalid(invalid.fields))
        except Stop as stop:
            return Answer(problem=stop.problem)
        except LostRace:
            return await self._was_quicker(id)
        self._tell(rejected)
        # The one who turned it down has what was wanted: the action's own problem is for the one who asked.
        return Answer(action=self._answers.shown(rejected))

    async def _record(self, id: str) -> Record:
        try:
            record = await self._listings.record(id)
        except MalformedId as error:
            raise Invalid([FieldIssue(path=["id"], message=str(error))]) from None
        if record is None:
            raise Stop(problems.not_found())
        return record

    def _person(self) -> None:
        if not self._caller.is_a_person or self._caller.bound is not None:
            raise Stop(problems.not_this_person("It takes a person of the staff.", self._caller.viewer.assurance))

    def _may_decide(self, record: Record) -> None:
        self._person()
        viewer = self._caller.viewer
        if not self._caller.faces(self._desk.privacy).isdisjoint(record.askers or ()):
            raise Stop(
                problems.not_this_person("Who asked for it may not decide it; somebody else has to.", viewer.assurance)
            )
        if record.required_role is not None and record.required_role not in viewer.roles:
            raise Stop(problems.not_this_person(f"It takes the role {record.required_role}.", viewer.assurance))

    async def _still_waits(self, record: Record) -> None:
        shown = self._answers.shown(record)
        if record.state is not ActionState.AWAITING_APPROVAL:
            raise Stop(problems.already_done(f"It waits no longer: it is {record.state.value}.", shown))
        if record.expires_at is not None and record.expires_at <= self._desk.clock():
            expired = await self._desk.ledger.move(
                record, ActionState.EXPIRED, at=self._desk.clock(), by=self._desk.effects.by
            )
            self._tell(expired)
            raise Stop(problems.lapsed(self._answers.shown(expired)))

    async def _was_quicker(self, id: str) -> Answer:
        record = await self._record(id)
        shown = self._answers.shown(record)
        return Answer(
            action=shown, problem=problems.already_done(f"Somebody was quicker: it is {record.state.value}.", shown)
        )

    async def _decide_again(self, record: Record, note: str | None, until: float) -> Answer:
        desk = self._desk
        try:
            asking = asking_again(record.kind, record.request["asked"])
            asker, locale = asker_of(record)
        except (KeyError, ValueError):
            message = "It was recorded by another version of this gateway; turn it down and have it asked for again."
            raise Stop(problems.already_done(message, self._answers.shown(record))) from None
        platform = desk.platforms.get(record.store)
        if platform is None or platform.capability(record.kind).support in (
            SupportLevel.UNSUPPORTED,
            SupportLevel.MISSING_SCOPE,
        ):
            raise Stop(problems.unsupported(self._answers.capability(record)))
        facts = await self._facts(asking, record, platform, until)
        # When it runs is now; the sandbox may have moved the present of this request.
        now = self._caller.now
        owners = [record.owner_hash] if record.owner_hash else []
        histories = await desk.ledger.history(owners, now, besides=record.id, pays_for=asking.pays_for)
        history = histories.get(record.owner_hash or "", History())
        decision = desk.decider.decide_fully(facts.asked, history, asker, now, locale)
        request = await self._request(asking, record, facts, platform, decision)
        values = self._stated(asking, record, facts, decision, request) | {
            # With which it can be decided again under other rules, as it was decided now.
            "facts": desk.decider.recorded_facts(facts.asked, history, asker, now)
        }
        if decision.verdict is Verdict.DENY:
            denied = await desk.ledger.move(
                record, ActionState.DENIED, at=desk.clock(), by=self._by(), **values, **self._signed(note)
            )
            self._tell(denied)
            shown = self._answers.shown(denied)
            return Answer(action=shown, problem=problems.facts_changed(shown))
        if self._differs(record, decision, values):
            role = desk.decider.approver(decision) if decision.verdict is Verdict.REVIEW else record.required_role
            expires_at = lapses(decision, desk.patience, desk.clock())
            again = await desk.ledger.restate(record, **values, required_role=role, expires_at=expires_at)
            shown = self._answers.shown(again)
            return Answer(action=shown, problem=problems.facts_changed(shown))
        running_now = await desk.unbroken(self._run(record, facts, request, note))
        settled = await desk.settled(running_now, until)
        return await self._answers.of(settled, facts.target, OrderParts.NONE, until, replayed=False)

    async def _run(self, record: Record, facts: Facts, request: Json, note: str | None) -> Record:
        """Begin an action that was agreed to, whether anybody still waits for it or not.

        What was agreed to is written again: another approver's look may have restated the row meanwhile.
        """
        desk = self._desk
        now = desk.clock()
        agreed = {name: getattr(record, name) for name in _AGREED}
        moved = await desk.ledger.move(
            record,
            ActionState.RUNNING,
            at=now,
            by=self._by(),
            **agreed,
            request=request,
            **running(desk.patience, desk.gateway_id, now),
            **self._signed(note),
        )
        self._tell(moved)
        desk.start(moved, facts.target)
        return moved

    async def _facts(self, asking: Asking, record: Record, platform: Platform, until: float) -> Facts:
        desk = self._desk
        reader = FactReader(desk.ledger, desk.effects, desk.platforms, self._caller)
        with store_deadline(until - asyncio.get_running_loop().time()):
            try:
                check_until(asking, desk.held.today(platform), needed=platform.pause_needs_until)
                facts = await reader.read(
                    asking, refunds_before=record.request.get("refunds_before"), besides=record.id
                )
                if isinstance(facts.target, Order):
                    await desk.held.check_return(asking, facts.target)
            except Invalid:
                raise Stop(problems.facts_changed(self._answers.shown(record))) from None
        return facts

    async def _request(
        self, asking: Asking, record: Record, facts: Facts, platform: Platform, decision: Decision
    ) -> Json:
        """What is done if it is agreed to now: what the lines come to, and what was there before, as of now."""
        fresh = await request_json(asking, facts, platform, self._desk.held, self._caller)
        return fresh | costs_json(self._desk.decider, facts.asked, decision) | {"asker": record.request["asker"]}

    def _stated(
        self, asking: Asking, record: Record, facts: Facts, decision: Decision, request: Json
    ) -> dict[str, Any]:
        """What a row says of a decision. It goes on knowing which refunds were there when it was asked for."""
        quote = self._desk.decider.quote(facts.asked, decision)
        given = in_shop_currency(facts.asked, quote)
        return {
            "decision": decision_json(decision),
            "quote": quote_json(quote) if quote is not None else None,
            "amount": str(given.amount) if given is not None else None,
            "currency": given.currency_code if given is not None else None,
            "policy": decision.policy.digest,
            "summary": summary(asking, facts),
            "request": request | {name: record.request[name] for name in _SINCE_THE_ASK if name in record.request},
        }

    def _differs(self, record: Record, decision: Decision, values: dict[str, Any]) -> bool:
        """Whether it is not what the approver was shown: other money, or something new that speaks against it."""
        before = record.decision or {}
        shown = {
            (one["code"], one["rule"], one["line"] or "") for one in before.get("reasons", ()) if one["code"] != "OK"
        }
        return (
            not against(decision) <= shown
            or values["quote"] != record.quote
            or _costs(values["decision"]) != _costs(before)
        )

    def _by(self) -> str:
        return seal_actor(self._caller.viewer.actor, self._desk.privacy)

    def _signed(self, note: str | None) -> dict[str, Any]:
        return {"approver": self._by(), "approval_note": self._desk.privacy.seal(note) if note else None}

    def _tell(self, record: Record) -> None:
        if self._desk.observer is not None:
            self._desk.observer.action_moved(record.kind.value, record.state.value)

    # ------------------------------------------------------------------------------------------------ resolve

    async def resolve(self, id: str, outcome: ActionOutcome, note: str) -> Answer:
        desk = self._desk
        until = asyncio.get_running_loop().time() + desk.request_seconds
        try:
            check_note(note, needed=True)
            record = await self._record(id)
            self._person()
            if record.state is not ActionState.UNKNOWN:
                message = f"Only what is UNKNOWN can be settled: it is {record.state.value}."
                raise Stop(problems.already_done(message, self._answers.shown(record)))
            if outcome is ActionOutcome.DID_NOT_HAPPEN and desk.clock() < (settles := desk.effects.settles_at(record)):
                # Its key, or a new one, would let it be sent again beside the first.
                raise Stop(problems.may_be_under_way(settles, self._answers.shown(record)))
            target, also = None, None
            if outcome is ActionOutcome.HAPPENED:
                target, also = await self._consequences(record, until)
            try:
                lease, claimed = await take(desk.ledger, record, desk.gateway_id, desk.clock, desk.patience.lease)
                settled = await desk.ledger.move(
                    claimed,
                    ActionState.SUCCEEDED if outcome is ActionOutcome.HAPPENED else ActionState.FAILED,
                    at=desk.clock(),
                    by=self._by(),
                    held_by=lease.owner,
                    also=also,
                    problem=None if outcome is ActionOutcome.HAPPENED else problems.did_not_happen_json(),
                    note=None,
                    **self._signed(note),
                )
            except LostRace:
                return Answer(problem=problems.in_progress(self._answers.shown(record)))
        except Invalid as invalid:
            return Answer(problem=problems.invalid(invalid.fields))
        except Stop as stop:
            return Answer(problem=stop.problem)
        except PlatformError as error:
            record = await self._record(id)
            return Answer(
                action=self._answers.shown(record), problem=problems.of_error(error, self._answers.capability(record))
            )
        self._tell(settled)
        order = target if isinstance(target, Order) else None
        return Answer(action=self._answers.shown(settled, order), order=order)

    async def _consequences(self, record: Record, until: float) -> tuple[Any, Any]:
        """What the gateway has to keep of an action that has happened; its target is read for that."""
        desk = self._desk
        platform = desk.platforms.get(record.store)
        if platform is None:
            return None, None
        with store_deadline(until - asyncio.get_running_loop().time()):
            target = await desk.effects.read(platform, record.target)
        if target is None:
            return None, None
        try:
            request = platform_request(record, target, today=desk.held.today(platform))
        except TargetChanged:
            return target, None
        return target, desk.held.kept_with(platform, record, request)

    # ------------------------------------------------------------------------------------------------ held returns

    async def move_return(self, id: str, step: HeldReturnStep) -> tuple[Return | None, Problem | None]:
        desk = self._desk
        try:
            found = parse_typed(id, "Return", 3)
        except MalformedId as error:
            return None, problems.invalid([FieldIssue(path=["id"], message=str(error))])
        store, order_id, action = found.parts
        platform = desk.platforms.get(store)
        if platform is None or self._caller.bound is not None:
            return None, problems.not_found()
        moved = await desk.held.move(action, store, order_id, _STEP[step], at=desk.clock(), by=self._by())
        if moved is None:
            return None, problems.not_found()
        try:
            with store_deadline(desk.request_seconds):
                order = await desk.effects.read(platform, make_id("Order", store, order_id))
        except PlatformError as error:
            return None, problems.of_error(error, platform.capability(ActionKind.RETURN_ORDER))
        records: Sequence[Return] = (order.returns or ()) if isinstance(order, Order) else ()
        return next((one for one in records if one.id == id), None), None if moved else problems.already_done(
            "It cannot move on like this from where it stands, or while its refund is under way.", None
        )


def _costs(decision: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The conditions of a recorded decision without their texts, which are told in somebody's language."""
    return [one | {"text": ""} for one in decision.get("conditions", ())]
