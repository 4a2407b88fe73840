"""What of a finished action names a person, and how that is taken out of it while its key goes on answering."""

from __future__ import annotations

import asyncio
import json
import random
import re
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, TypeAlias

import structlog
from sqlalchemy import ColumnElement, Select, Table, bindparam, delete, func, select, update

from actions.caller import face_of
from actions.effects import trace_of
from actions.ledger import COUNTED_FOR, Ledger, Record
from actions.privacy import Privacy, Unsealable
from actions.states import FINAL
from actions.tables import actions, held_return_lines, held_return_moves, pauses, transitions
from platforms.transport import background
from schema.emails import Email, email_or_none
from schema.vocabulary import ActorKind

#: Rows that are changed in one transaction, and rows that are looked through at once.
_CHANGED = 100
_LOOKED_AT = 1000
#: How many sealed texts are remembered with what was found in them: one person's are all alike.
_REMEMBERED = 50_000

#: What of a request stays: numbers, ids of the store and words of ours, by which money is counted and returns are
#: told apart. Whatever else is in it, now or later, goes.
_PLAIN = frozenset(
    {
        "amount",
        "bill_on",
        "billing_before",
        "fees",
        "lines",
        "notify_customer",
        "refund",
        "refunds_before",
        "resolution",
        "restock",
        "return",
        "returns_before",
        "shipping",
        "until",
        "was",
    }
)
_PLAIN_OF_A_LINE = frozenset({"id", "native", "quantity", "reason", "condition", "restocking_percent"})
_ADDRESS = re.compile(r"[^\s@<>\"']+@[^\s@<>\"']+")

#: Told how many rows are done, of how many where that is known.
Progress: TypeAlias = Callable[[int, int | None], None]

_log = structlog.get_logger("actions.retention")


@dataclass(frozen=True, slots=True)
class Forgotten:
    """What forgetting a person came to."""

    #: Finished actions that name nobody any more.
    actions: int = 0
    #: Other rows in which the person was named as the one who did something.
    mentions: int = 0
    #: Unfinished actions of theirs. They have to end first: forget the person again then.
    unfinished: int = 0
    #: Names that could not be read, since they were sealed with another secret; nor can anybody else read them.
    sealed_otherwise: int = 0


def nothing_told(done: int, total: int | None) -> None:
    """No progress is shown."""


# ------------------------------------------------------------------------------------------------ what is left of a row


def tombstone(record: Record, privacy: Privacy, now: datetime, person: Email | None = None) -> dict[str, Any]:
    """The columns of a finished action without anything personal. Whose it was is up to the caller.

    Key, input hash, id, kind, state, times, target, money and the codes of decision and problem stay. Where only one
    `person` is to be forgotten, others' names stay too, and the summary where it names no address.
    """
    keeps_summary = person is not None and not _ADDRESS.search(record.summary)
    return {
        "request": plain_request(record.request),
        "facts": None,
        "decision": _plain_decision(record.decision) if record.decision is not None else None,
        "summary": record.summary if keeps_summary else "",
        "actor": _unnamed(record.actor, privacy, person),
        "askers": None,
        "approver": record.approver if person is not None else None,
        "approval_note": None,
        "problem": _plain_problem(record.problem) if record.problem is not None else None,
        "job": None,
        "note": None,
        "forgotten_at": record.forgotten_at or now,
    }


def plain_request(request: Mapping[str, Any]) -> dict[str, Any]:
    """What was asked for, without anybody's words."""
    plain = {name: value for name, value in request.items() if name in _PLAIN}
    if "lines" in plain:
        plain["lines"] = [
            {name: value for name, value in line.items() if name in _PLAIN_OF_A_LINE} | {"note": None}
            for line in plain["lines"]
        ]
    return plain


def _plain_decision(decision: Mapping[str, Any]) -> dict[str, Any]:
    def silent(reasons: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        return [{**one, "customer_message": "", "facts": [], "internal": ""} for one in reasons]

    return {
        **decision,
        "reasons": silent(decision["reasons"]),
        "shadow": silent(decision["shadow"]),
        "conditions": [{**one, "text": ""} for one in decision["conditions"]],
    }


def _plain_problem(problem: Mapping[str, Any]) -> dict[str, Any]:
    return {**problem, "message": "", "native": []}


def _unnamed(sealed: str, privacy: Privacy, person: Email | None) -> str:
    """An actor of the same kind, for nobody; without a name but where it is another's than the person's."""
    try:
        found = json.loads(privacy.unseal(sealed))
    except (Unsealable, ValueError):
        found = {"kind": ActorKind.SYSTEM.value, "name": ""}
    another = person is not None and found["kind"] != ActorKind.CUSTOMER.value and not _is(found["name"], person)
    name = found["name"] if another else ""
    return privacy.seal(json.dumps({"kind": found["kind"], "name": name, "on_behalf_of": None}))


def _is(name: object, person: Email) -> bool:
    return isinstance(name, str) and email_or_none(name) == person


# ------------------------------------------------------------------------------------------------ after so many days


async def retain(
    ledger: Ledger, privacy: Privacy, *, days: int, now: datetime, progress: Progress = nothing_told
) -> int:
    """Turn what has been finished for more than `days` into tombstones; how many there were.

    Whose an action was stays known, by a keyed hash, for the 90 days over which a customer's refunds are counted.
    """
    old = _is_final() & actions.c.forgotten_at.is_(None) & (actions.c.finished_at < now - timedelta(days=days))
    total = await _count(ledger, select(func.count()).select_from(actions).where(old))
    done = 0
    progress(done, total)
    while records := await _records(ledger, select(actions).where(old).order_by(actions.c.finished_at).limit(_CHANGED)):
        rows = [
            tombstone(record, privacy, now)
            | {"owner_hash": record.owner_hash if record.requested_at > now - COUNTED_FOR else None}
            for record in records
        ]
        await _bury(ledger, records, rows, now, all_names=True)
        done += len(records)
        progress(done, max(done, total))
    uncounted = (
        actions.c.forgotten_at.is_not(None)
        & actions.c.owner_hash.is_not(None)
        & (actions.c.requested_at <= now - COUNTED_FOR)
    )
    while ids := await _column(ledger, select(actions.c.id).where(uncounted).limit(_LOOKED_AT)):
        async with ledger.writing() as connection:
            await connection.execute(update(actions).where(actions.c.id.in_(ids)).values(owner_hash=None))
    return done


class Retention:
    """Lets finished actions become tombstones after so many days, with a look `every` so many seconds."""

    def __init__(
        self, ledger: Ledger, privacy: Privacy, days: int, clock: Callable[[], datetime], *, every: float = 3600.0
    ) -> None:
        self._ledger = ledger
        self._privacy = privacy
        self._days = days
        self._clock = clock
        self._every = every
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin, in the running loop."""
        if self._task is None:
            self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """End; what is left is done by whoever starts next."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    async def _run(self) -> None:
        background.set(True)
        while True:
            # Not at once: a gateway that starts has better things to do, and of several one goes first.
            await asyncio.sleep(self._every * random.uniform(0.01, 0.1))
            try:
                count = await retain(self._ledger, self._privacy, days=self._days, now=self._clock())
            except Exception as error:  # whatever it was: the days of the next row count all the same
                _log.error("old actions could not be looked through; trying again", trace=trace_of(error))
            else:
                if count:
                    _log.info("actions_retired", count=count, days=self._days)
            await asyncio.sleep(self._every * random.uniform(0.8, 1.2))


# ------------------------------------------------------------------------------------------------ one person


async def forget(
    ledger: Ledger, privacy: Privacy, email: Email, *, now: datetime, progress: Progress = nothing_told
) -> Forgotten:
    """Take one person out of all that is kept of finished actions: theirs, those asked for them, and what they did.

    The customer's counters of 90 days begin anew: nothing says any more whose those actions were.
    """
    return await _Forgetting(ledger, privacy, email, now, progress).run()


class _Forgetting:
    def __init__(self, ledger: Ledger, privacy: Privacy, email: Email, now: datetime, progress: Progress) -> None:
        self._ledger = ledger
        self._privacy = privacy
        self._email = email
        self._hash = privacy.hash("customer", email)
        self._face = face_of(email, privacy)
        self._now = now
        self._progress = progress
        self._known: dict[str, bool | None] = {}
        self._actions = self._mentions = self._unfinished = self._sealed = 0
        self._done, self._total = 0, 0

    async def run(self) -> Forgotten:
        for table in (actions, transitions, held_return_moves):
            self._total += await _count(self._ledger, select(func.count()).select_from(table))
        self._progress(0, self._total)
        theirs = actions.c.owner_hash == self._hash
        while found := await _records(
            self._ledger, select(actions).where(theirs, _is_final()).order_by(actions.c.id).limit(_CHANGED)
        ):
            await self._bury(found)
        self._unfinished = await _count(
            self._ledger, select(func.count()).select_from(actions).where(theirs, ~_is_final())
        )
        looked_at = (actions.c.id, actions.c.state, actions.c.actor, actions.c.approver, actions.c.askers)
        async for page in self._pages(actions, *looked_at):
            await self._look_at_actions(page)
        for table in (transitions, held_return_moves):
            async for page in self._pages(table, table.c.id, table.c.by):
                await self._take_out(table, [row.id for row in page if row.by and self._names(row.by)])
        return Forgotten(self._actions, self._mentions, self._unfinished, self._sealed)

    async def _look_at_actions(self, page: Sequence[Any]) -> None:
        asked = [row.id for row in page if self._names(row.actor)]
        if asked:
            records = await _records(self._ledger, select(actions).where(actions.c.id.in_(asked)))
            await self._bury([record for record in records if record.state in FINAL])
            waiting = [one for one in records if one.state not in FINAL and one.owner_hash != self._hash]
            self._unfinished += len(waiting)
        final = {state.value for state in FINAL}
        agreed = [row.id for row in page if row.state in final and row.approver and self._names(row.approver)]
        if agreed:
            async with self._ledger.writing() as connection:
                changed = await connection.execute(
                    update(actions)
                    .where(actions.c.id.in_(agreed), actions.c.approver.is_not(None))
                    .values(approver=None, approval_note=None)
                )
            self._mentions += changed.rowcount
        # Who stood behind the asking of what is finished keeps nobody from approving any more.
        behind = [row.id for row in page if row.state in final and self._face in (row.askers or ())]
        if behind:
            async with self._ledger.writing() as connection:
                await connection.execute(update(actions).where(actions.c.id.in_(behind)).values(askers=None))

    async def _bury(self, records: Sequence[Record]) -> None:
        if not records:
            return
        rows = [
            tombstone(record, self._privacy, self._now, self._email)
            | {"owner_hash": None if record.owner_hash == self._hash else record.owner_hash}
            for record in records
        ]
        await _bury(self._ledger, records, rows, self._now)
        self._actions += len(records)

    async def _take_out(self, table: Table, ids: Collection[int]) -> None:
        if not ids:
            return
        ended = select(actions.c.id).where(_is_final())
        async with self._ledger.writing() as connection:
            changed = await connection.execute(
                update(table).where(table.c.id.in_(ids), table.c.action.in_(ended)).values(by="")
            )
        self._mentions += changed.rowcount

    def _names(self, sealed: str) -> bool:
        """Whether a sealed name is this person's, or is that of somebody who acted for them."""
        if sealed not in self._known:
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            try:
                found = json.loads(self._privacy.unseal(sealed)) if sealed else {}
            except (Unsealable, ValueError):
                self._known[sealed] = None
            else:
                self._known[sealed] = any(_is(found.get(word), self._email) for word in ("name", "on_behalf_of"))
        self._sealed += self._known[sealed] is None
        return bool(self._known[sealed])

    async def _pages(self, table: Table, *columns: ColumnElement[Any]) -> AsyncIterator[Sequence[Any]]:
        """All rows of a table, a page at a time, in the order of their ids."""
        query = select(*columns).order_by(table.c.id).limit(_LOOKED_AT)
        last: Any = None
        while True:
            async with self._ledger.reading() as connection:
                page = (await connection.execute(query if last is None else query.where(table.c.id > last))).all()
            if not page:
                return
            yield page
            last = page[-1].id
            self._done += len(page)
            self._progress(self._done, max(self._done, self._total))


# ------------------------------------------------------------------------------------------------ in the database


async def _bury(
    ledger: Ledger,
    records: Sequence[Record],
    rows: Sequence[dict[str, Any]],
    now: datetime,
    *,
    all_names: bool = False,
) -> None:
    """Write what is left of some actions, and take out what hangs on them; `all_names`: also who made each change."""
    ids = [record.id for record in records]
    # What is finished stays finished, so nobody else writes these rows.
    statement = update(actions).where(actions.c.id == bindparam("buried"))
    values: dict[str, Any] = {name: bindparam(name) for name in rows[0]}
    async with ledger.writing() as connection:
        await connection.execute(
            statement.values(**values), [row | {"buried": id} for row, id in zip(rows, ids, strict=True)]
        )
        for table in (transitions, held_return_moves) if all_names else ():
            await connection.execute(update(table).where(table.c.action.in_(ids), table.c.by != "").values(by=""))
        await connection.execute(update(held_return_lines).where(held_return_lines.c.action.in_(ids)).values(note=None))
        # A pause that is over is of no more use; one that lasts says when its subscription goes on, and nothing else.
        await connection.execute(delete(pauses).where(pauses.c.action.in_(ids), pauses.c.until < now.date()))
    await asyncio.sleep(0)


def _is_final() -> ColumnElement[bool]:
    return actions.c.state.in_(sorted(state.value for state in FINAL))


async def _records(ledger: Ledger, query: Select[Any]) -> list[Record]:
    async with ledger.reading() as connection:
        return [Record.of(row) for row in await connection.execute(query)]


async def _column(ledger: Ledger, query: Select[Any]) -> list[Any]:
    async with ledger.reading() as connection:
        return list((await connection.execute(query)).scalars())


async def _count(ledger: Ledger, query: Select[Any]) -> int:
    async with ledger.reading() as connection:
        return int((await connection.execute(query)).scalar() or 0)
