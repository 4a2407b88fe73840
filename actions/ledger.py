"""How an action is kept: every change of its state goes through one function here, in one transaction."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from os import PathLike
from typing import Any, TypeAlias

from sqlalchemy import (
    ColumnElement,
    Executable,
    MetaData,
    Row,
    and_,
    bindparam,
    func,
    inspect,
    literal,
    or_,
    select,
    update,
)
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from actions.databases import database_at
from actions.states import ACTIVE, COUNTED, FINAL, check_move
from actions.tables import VERSION, actions, layout, metadata, revisions, transitions
from policies.asked import History
from schema.vocabulary import ActionKind, ActionState

#: How far back a customer's counters reach.
COUNTED_FOR = timedelta(days=90)

_COLUMNS = tuple(actions.c.keys())

#: Done in the transaction of a change of state, or not at all.
Also: TypeAlias = Callable[[AsyncConnection], Awaitable[None]]


class LedgerTooNew(RuntimeError):
    """The database was written by a newer gateway."""


class LostRace(Exception):
    """The action was no longer in the state, or no longer in the hands, that a change started from."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One row of the ledger, as it was when it was read."""

    id: str
    kind: ActionKind
    state: ActionState
    store: str
    target: str
    client: str
    input_hash: str
    request: Mapping[str, Any]
    summary: str
    actor: str
    requested_at: datetime
    owner_hash: str | None = None
    key_hash: str | None = None
    facts: Mapping[str, Any] | None = None
    decision: Mapping[str, Any] | None = None
    quote: Mapping[str, Any] | None = None
    amount: str | None = None
    currency: str | None = None
    policy: str | None = None
    askers: Sequence[str] | None = None
    approver: str | None = None
    approval_note: str | None = None
    problem: Mapping[str, Any] | None = None
    reference: str | None = None
    job: str | None = None
    note: str | None = None
    required_role: str | None = None
    expires_at: datetime | None = None
    finished_at: datetime | None = None
    sent_at: datetime | None = None
    last_sent_at: datetime | None = None
    attempts: int = 0
    looks: int = 0
    next_try_at: datetime | None = None
    reconcile_by: datetime | None = None
    owner: str | None = None
    lease_until: datetime | None = None
    forgotten_at: datetime | None = None

    def values(self) -> dict[str, Any]:
        """As columns."""
        found = {name: getattr(self, name) for name in _COLUMNS}
        found["kind"], found["state"] = self.kind.value, self.state.value
        return found

    @classmethod
    def of(cls, row: Row[Any]) -> Record:
        """From a row that begins with the columns of the table."""
        found = dict(zip(_COLUMNS, row, strict=False))
        found["kind"], found["state"] = ActionKind(found["kind"]), ActionState(found["state"])
        return cls(**found)


@dataclass(frozen=True, slots=True)
class Recorded:
    """It is in the ledger now."""

    record: Record


@dataclass(frozen=True, slots=True)
class SameKey:
    """The key was used before, for this."""

    record: Record


@dataclass(frozen=True, slots=True)
class Busy:
    """Another action on the same target is unfinished."""

    record: Record


@dataclass(frozen=True, slots=True)
class Moved:
    """Something happened on the target since the facts were read: they have to be read again."""


Standing: TypeAlias = Recorded | SameKey | Busy | Moved


@dataclass(frozen=True, slots=True)
class Outlook:
    """What decisions on some targets depend on, beside what their stores say."""

    #: The unfinished action on each target that has one.
    active: Mapping[str, Record]
    #: See `Ledger.paying_back`.
    paying: Sequence[Record]
    #: See `Ledger.history`.
    history: Mapping[str, History]


@dataclass(frozen=True, slots=True)
class Step:
    """One change of state: to what, when, and who made it, sealed."""

    after: ActionState
    at: datetime
    by: str


@dataclass(frozen=True, slots=True)
class Listing:
    """Which actions are wanted; None: whatever it is."""

    states: Collection[ActionState] | None = None
    kinds: Collection[ActionKind] | None = None
    store: str | None = None
    target: str | None = None
    #: From then on, and before then.
    requested_after: datetime | None = None
    requested_before: datetime | None = None
    owner_hash: str | None = None
    client: str | None = None


@dataclass(slots=True)
class _Counters:
    total: dict[str, Decimal] = field(default_factory=dict)
    refunds: int = 0
    returns: int = 0


def new_id() -> str:
    return str(uuid.uuid4())


class Ledger:
    """The durable record of every action, in a file or on a server. Nothing is touched before `open`."""

    def __init__(self, where: str | PathLike[str]) -> None:
        """`where` is a path, `sqlite:///` and a path, or `postgresql://user:password@host/name`.

        Raises `UnknownDatabase`: another kind, or no file.
        """
        self._database = database_at(where)

    async def open(self) -> None:
        """Lay out an empty database, and bring an older one up to date; of several gateways at once, one does.

        Raises:
            LedgerTooNew: a newer gateway laid it out.
            LedgerUnreachable: it does not let us in.
        """
        try:
            async with self.reading() as connection:
                found = await _layout(connection)
            if found != VERSION:
                async with self._database.founding() as connection:
                    await _lay_out(connection)
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        """Give the database back."""
        await self._database.close()

    async def ping(self) -> None:
        """Read one row; raises what the database raises."""
        async with self.reading() as connection:
            await connection.execute(select(layout.c.version))

    async def add_tables(self, wanted: MetaData) -> None:
        """Make the tables of others that are kept beside the ledger, where they are missing."""
        async with self.reading() as connection:
            known = set(await connection.run_sync(lambda plain: inspect(plain).get_table_names()))
        if not known.issuperset(wanted.tables):
            async with self._database.founding() as connection:
                await connection.run_sync(wanted.create_all)

    @asynccontextmanager
    async def looking(self) -> AsyncIterator[AsyncConnection]:
        """For a single statement that reads; a second one may see another moment."""
        async with self._database.looking() as connection:
            yield connection

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncConnection]:
        """A transaction that only reads, and sees one moment."""
        async with self._database.reading() as connection:
            yield connection

    @asynccontextmanager
    async def writing(self, *names: str) -> AsyncIterator[AsyncConnection]:
        """A transaction that writes. Nothing slow belongs inside.

        What it reads before it writes holds on every database only if all who change that give the same name; a
        single statement that names the state it starts from needs none.
        """
        async with self._database.writing(names) as connection:
            yield connection

    # ------------------------------------------------------------------------------------------------ changes

    async def record(
        self,
        *,
        target: str,
        key_hash: str | None,
        owner_hash: str | None,
        seen: int,
        now: datetime,
        counted_at: datetime | None = None,
        by: str,
        lapsed_by: str | None = None,
        decide: Callable[[History], Record],
        pays_for: Collection[str] = (),
        also: Callable[[Record], Also | None] | None = None,
    ) -> Standing:
        """Take up a new action, unless its key is known, its target busy, or the target moved since `seen`.

        The customer's counters are read, `decide` is called with them and its row is written, all in one transaction:
        of two requests of one customer the second sees the first. `decide` is pure and quick; what it raises undoes
        everything. `counted_at` is the end of the counters' 90 days, where that is not `now`; `pays_for` is as in
        `history`. `lapsed_by` ends what waited there in vain, where that is not `by`. `also` is written with the row.
        """
        try:
            async with self.writing(*_names(target, owner_hash, key_hash)) as connection:
                known, active = await self._in_the_way(connection, key_hash, target, held=True)
                if known is not None:
                    return SameKey(known)
                if active is not None and _lapsed(active, now):
                    await self._move(connection, active, ActionState.EXPIRED, at=now, by=lapsed_by or by)
                elif active is not None:
                    return Busy(active)
                elif await self._mark(connection, target) != seen:
                    return Moved()
                history = NOTHING_COUNTED
                if owner_hash is not None:
                    counted = await self._history(connection, [owner_hash], counted_at or now, pays_for=pays_for)
                    history = counted[owner_hash]
                new = decide(history)
                check_move(None, new.state)
                await connection.execute(_INSERT, new.values())
                await self._note(connection, new.id, None, new.state, now, by)
                if also is not None and (more := also(new)) is not None:
                    await more(connection)
                return Recorded(new)
        except IntegrityError:
            # Somebody wrote without the names above: its row says how we stand.
            async with self.reading() as connection:
                known, active = await self._in_the_way(connection, key_hash, target)
            if known is not None:
                return SameKey(known)
            if active is not None:
                return Busy(active)
            raise

    async def move(
        self,
        record: Record,
        after: ActionState,
        *,
        at: datetime,
        by: str,
        held_by: str | None = None,
        also: Also | None = None,
        **values: Any,
    ) -> Record:
        """Bring an action from the state of `record` to `after`, and write `values` with it.

        With `held_by`, only while that claim still holds the action. A final state ends the claim.

        Raises:
            IllegalMove: no action makes this move.
            LostRace: it is not in that state, or not in those hands, any more.
        """
        async with self.writing() as connection:
            return await self._move(connection, record, after, at=at, by=by, held_by=held_by, also=also, **values)

    async def _move(
        self,
        connection: AsyncConnection,
        record: Record,
        after: ActionState,
        *,
        at: datetime,
        by: str,
        held_by: str | None = None,
        also: Also | None = None,
        **values: Any,
    ) -> Record:
        check_move(record.state, after)
        if after in FINAL:
            values = {"finished_at": at, "owner": None, "lease_until": None, "next_try_at": None} | values
        change = _change(frozenset({"state", *values}), held_by is not None)
        found = {"its_id": record.id, "its_state": record.state.value, "its_owner": held_by} | values
        moved = await self._one(connection, change, found | {"state": after.value})
        if moved is None:
            raise LostRace(f"action {record.id} is not {record.state.value} any more, or in other hands")
        await self._note(connection, record.id, record.state, after, at, by)
        if also is not None:
            await also(connection)
        return moved

    async def restate(self, record: Record, **values: Any) -> Record:
        """Write what a waiting action was decided on anew; it goes on waiting.

        Raises:
            LostRace: it waits no longer.
        """
        async with self.writing() as connection:
            changed = await connection.execute(
                update(actions)
                .where(actions.c.id == record.id, actions.c.state == ActionState.AWAITING_APPROVAL.value)
                .values(**values)
            )
            if changed.rowcount != 1:
                raise LostRace(f"action {record.id} waits no longer")
            found = await self._one(connection, select(actions).where(actions.c.id == record.id))
            assert found is not None
            return found

    async def claim(self, record: Record, *, owner: str, now: datetime, until: datetime) -> Record:
        """Take an action that nobody holds, or whose holder's lease has run out, as it stands.

        Raises:
            LostRace: somebody holds it, or it moved on.
        """
        async with self.writing() as connection:
            changed = await connection.execute(
                update(actions)
                .where(
                    actions.c.id == record.id,
                    actions.c.state == record.state.value,
                    or_(actions.c.lease_until.is_(None), actions.c.lease_until < now),
                )
                .values(owner=owner, lease_until=until)
            )
            if changed.rowcount != 1:
                raise LostRace(f"action {record.id} is in other hands")
            found = await self._one(connection, select(actions).where(actions.c.id == record.id))
            assert found is not None
            return found

    async def held_until(self, action_id: str, *, owner: str) -> datetime | None:
        """How long a claim still holds; None where it was taken over."""
        async with self.looking() as connection:
            return (await connection.execute(_HELD_UNTIL, {"its_id": action_id, "its_owner": owner})).scalar()

    async def renew(self, action_id: str, *, owner: str, until: datetime) -> bool:
        """Hold a claim for longer; False where it was taken over."""
        return await self._while_held(action_id, owner, lease_until=until)

    async def put_back(self, action_id: str, *, owner: str, **values: Any) -> bool:
        """Give a claim up without a change of state, and write `values` with it; False where it was taken over."""
        return await self._while_held(action_id, owner, owner=None, lease_until=None, **values)

    async def _while_held(self, action_id: str, holder: str, **values: Any) -> bool:
        async with self.writing() as connection:
            changed = await connection.execute(
                update(actions).where(actions.c.id == action_id, actions.c.owner == holder).values(**values)
            )
            return changed.rowcount == 1

    async def _note(
        self,
        connection: AsyncConnection,
        action_id: str,
        before: ActionState | None,
        after: ActionState,
        at: datetime,
        by: str,
    ) -> None:
        await connection.execute(
            _NOTE,
            {"action": action_id, "before": before.value if before else None, "after": after.value, "at": at, "by": by},
        )

    # ------------------------------------------------------------------------------------------------ reads

    async def by_id(self, action_id: str) -> Record | None:
        async with self.looking() as connection:
            return await self._one(connection, _BY_ID, {"its_id": action_id})

    async def standing(self, key_hash: str, target: str) -> tuple[Record | None, int]:
        """The action under a key, and what `seen` says of a target, in one look."""
        async with self.looking() as connection:
            row = (await connection.execute(_STANDING, {"key": key_hash, "its_target": target})).one()
            return (Record.of(row) if row.id is not None else None), row.mark or 0

    async def seen(self, target: str) -> int:
        """A number that grows with every change of state on a target; taken before its facts are read."""
        async with self.looking() as connection:
            return await self._mark(connection, target)

    async def active_on(self, targets: Collection[str]) -> Mapping[str, Record]:
        """The unfinished action on each target that has one."""
        if not targets:
            return {}
        async with self.looking() as connection:
            rows = await connection.execute(_ACTIVE, {"its_targets": list(targets)})
            return {row.target: Record.of(row) for row in rows}

    async def outlook(self, targets: Collection[str], owner_hashes: Collection[str], now: datetime) -> Outlook:
        """All that eligibility asks of the ledger, in one look."""
        if not targets:
            return Outlook({}, [], await self.history(owner_hashes, now))
        async with self.reading() as connection:
            given = {"its_targets": list(targets)}
            records = [Record.of(row) for row in await connection.execute(_ACTIVE_OR_PAYING, given)]
            history = await self._history(connection, owner_hashes, now)
        active = {record.target: record for record in records if record.state in ACTIVE}
        return Outlook(active, [record for record in records if _pays(record)], history)

    async def history(
        self,
        owner_hashes: Collection[str],
        now: datetime,
        *,
        besides: str | None = None,
        pays_for: Collection[str] = (),
    ) -> Mapping[str, History]:
        """What each customer was given or asked back in the last 90 days, unfinished and waiting actions included.

        The money of a return counts with the refund that pays for it, and only there.

        Args:
            besides: an action that is not counted, since it is the one that is decided on.
            pays_for: the returns that it pays for.
        """
        async with self.looking() as connection:
            return await self._history(connection, owner_hashes, now, besides, pays_for)

    async def paying_back(self, targets: Collection[str], besides: str | None = None) -> Sequence[Record]:
        """The actions on targets that have paid money back, or may be doing so; those that wait have not."""
        if not targets:
            return []
        given = {"its_targets": list(targets), "besides": besides or ""}
        async with self.looking() as connection:
            return [Record.of(row) for row in await connection.execute(_PAYING_BACK, given)]

    async def newest(self, listing: Listing, limit: int, after: tuple[datetime, str] | None = None) -> Sequence[Record]:
        """Actions, newest first, from behind the instant and id of `after`."""
        query = select(actions).order_by(actions.c.requested_at.desc(), actions.c.id.desc()).limit(limit)
        if after is not None:
            at, action_id = after
            query = query.where(
                or_(actions.c.requested_at < at, and_(actions.c.requested_at == at, actions.c.id < action_id))
            )
        async with self.looking() as connection:
            return [Record.of(row) for row in await connection.execute(query.where(*_wanted(listing)))]

    async def count(self, listing: Listing) -> int:
        """How many actions there are."""
        query = select(func.count()).select_from(actions).where(*_wanted(listing))
        async with self.looking() as connection:
            return int((await connection.execute(query)).scalar() or 0)

    async def due(self, now: datetime, limit: int) -> Sequence[Record]:
        """What somebody should take up: dropped by its holder, to be looked at again, or waiting beyond its time."""
        free = or_(actions.c.lease_until.is_(None), actions.c.lease_until < now)
        query = (
            select(actions)
            .where(
                or_(
                    and_(actions.c.state == ActionState.RUNNING.value, free),
                    and_(
                        actions.c.state.in_([ActionState.PENDING.value, ActionState.UNKNOWN.value]),
                        actions.c.next_try_at <= now,
                        free,
                    ),
                    and_(actions.c.state == ActionState.AWAITING_APPROVAL.value, actions.c.expires_at <= now),
                )
            )
            .order_by(actions.c.next_try_at.nulls_first(), actions.c.requested_at)
            .limit(limit)
        )
        async with self.looking() as connection:
            return [Record.of(row) for row in await connection.execute(query)]

    async def path(self, action_id: str) -> Sequence[tuple[ActionState | None, ActionState, datetime]]:
        """Every change of state of an action, in order."""
        async with self.looking() as connection:
            rows = await connection.execute(
                select(transitions).where(transitions.c.action == action_id).order_by(transitions.c.id)
            )
            return [(ActionState(row.before) if row.before else None, ActionState(row.after), row.at) for row in rows]

    async def on_targets(self, targets: Collection[str]) -> Sequence[Record]:
        """Every action on some targets, as they were asked for."""
        if not targets:
            return []
        query = select(actions).where(actions.c.target.in_(list(targets))).order_by(actions.c.requested_at)
        async with self.looking() as connection:
            return [Record.of(row) for row in await connection.execute(query)]

    async def steps(self, action_ids: Collection[str]) -> Mapping[str, Sequence[Step]]:
        """Every change of state of some actions, each action's in order."""
        if not action_ids:
            return {}
        query = select(transitions).where(transitions.c.action.in_(list(action_ids))).order_by(transitions.c.id)
        found: dict[str, list[Step]] = {}
        async with self.looking() as connection:
            for row in await connection.execute(query):
                found.setdefault(row.action, []).append(Step(ActionState(row.after), row.at, row.by))
        return found

    async def _in_the_way(
        self, connection: AsyncConnection, key_hash: str | None, target: str, *, held: bool = False
    ) -> tuple[Record | None, Record | None]:
        """The action under a key, and the unfinished one on a target.

        `held`: they stay as they are until the transaction ends.
        """
        query = _IN_THE_WAY_HELD if held else _IN_THE_WAY
        known = active = None
        for row in await connection.execute(query, {"key": key_hash, "its_target": target}):
            record = Record.of(row)
            if key_hash is not None and record.key_hash == key_hash:
                known = record
            if record.target == target and record.state in ACTIVE:
                active = record
        return known, active

    async def _mark(self, connection: AsyncConnection, target: str) -> int:
        return (await connection.execute(_MARK, {"its_target": target})).scalar() or 0

    async def _history(
        self,
        connection: AsyncConnection,
        owner_hashes: Collection[str],
        now: datetime,
        besides: str | None = None,
        pays_for: Collection[str] = (),
    ) -> Mapping[str, History]:
        if not owner_hashes:
            return {}
        given = {"owners": list(owner_hashes), "since": now - COUNTED_FOR, "besides": besides or ""}
        rows = (await connection.execute(_HISTORY, given)).all()
        counted = {owner_hash: _Counters() for owner_hash in owner_hashes}
        elsewhere = {*pays_for, *(row.pays_for.rpartition(":")[2] for row in rows if row.pays_for is not None)}
        for row in rows:
            counters = counted[row.owner_hash]
            counters.returns += row.kind == ActionKind.RETURN_ORDER.value
            if row.amount is not None and row.id not in elsewhere and (amount := Decimal(row.amount)) > 0:
                counters.refunds += 1
                counters.total[row.currency] = counters.total.get(row.currency, Decimal(0)) + amount
        return {
            owner_hash: History(
                refund_total_90d=counters.total,
                refund_count_90d=counters.refunds,
                return_count_90d=counters.returns,
            )
            for owner_hash, counters in counted.items()
        }

    @staticmethod
    async def _one(
        connection: AsyncConnection, query: Executable, given: Mapping[str, Any] | None = None
    ) -> Record | None:
        row = (await connection.execute(query, given)).first()
        return Record.of(row) if row is not None else None


NOTHING_COUNTED = History()


# What every action runs. Made once: to write a statement out costs more than to run it.


def _is_active() -> Any:
    return actions.c.state.in_(sorted(state.value for state in ACTIVE))


#: Kinds and states of what has paid money back, or may be doing so; what waits has not.
_PAYING_KINDS = frozenset({ActionKind.CANCEL_ORDER, ActionKind.REFUND_ORDER})
_PAYING_STATES = COUNTED - {ActionState.AWAITING_APPROVAL}


def _pays(record: Record) -> bool:
    return record.kind in _PAYING_KINDS and record.state in _PAYING_STATES


def _is_paying() -> ColumnElement[bool]:
    return and_(
        actions.c.kind.in_(sorted(kind.value for kind in _PAYING_KINDS)),
        actions.c.state.in_(sorted(state.value for state in _PAYING_STATES)),
    )


_ON_TARGETS = select(actions).where(actions.c.target.in_(bindparam("its_targets", expanding=True)))
_ACTIVE = _ON_TARGETS.where(_is_active())
_PAYING_BACK = _ON_TARGETS.where(_is_paying(), actions.c.id != bindparam("besides"))
_ACTIVE_OR_PAYING = _ON_TARGETS.where(or_(_is_active(), _is_paying()))
_BY_ID = select(actions).where(actions.c.id == bindparam("its_id"))
_MARK = (
    select(func.max(transitions.c.id))
    .join(actions, actions.c.id == transitions.c.action)
    .where(actions.c.target == bindparam("its_target"))
)
_ROW = select(literal(1).label("one")).subquery()
_STANDING = select(actions, _MARK.scalar_subquery().label("mark")).select_from(
    _ROW.outerjoin(actions, actions.c.key_hash == bindparam("key"))
)
_IN_THE_WAY = select(actions).where(
    or_(actions.c.key_hash == bindparam("key"), and_(actions.c.target == bindparam("its_target"), _is_active()))
)
_IN_THE_WAY_HELD = _IN_THE_WAY.with_for_update()
_HISTORY = select(
    actions.c.id,
    actions.c.owner_hash,
    actions.c.kind,
    actions.c.amount,
    actions.c.currency,
    #: The id of the return that a refund pays for.
    actions.c.request["return"].as_string().label("pays_for"),
).where(
    actions.c.owner_hash.in_(bindparam("owners", expanding=True)),
    actions.c.requested_at > bindparam("since"),
    actions.c.state.in_(sorted(state.value for state in COUNTED)),
    actions.c.id != bindparam("besides"),
)
_HELD_UNTIL = select(actions.c.lease_until).where(
    actions.c.id == bindparam("its_id"), actions.c.owner == bindparam("its_owner")
)
_INSERT = actions.insert()
_NOTE = transitions.insert().inline()


@lru_cache(maxsize=256)
def _change(names: frozenset[str], held: bool) -> Executable:
    """A change of the columns `names` of an action in the state it was in; `held`: and in the hands it was in."""
    where = [actions.c.id == bindparam("its_id"), actions.c.state == bindparam("its_state")]
    if held:
        where.append(actions.c.owner == bindparam("its_owner"))
    values = {name: bindparam(name, type_=actions.c[name].type) for name in sorted(names)}
    return update(actions).where(*where).values(values).returning(*actions.c)


def _names(target: str, owner_hash: str | None, key_hash: str | None) -> list[str]:
    """All that the decision on a new action depends on: what was done to its target, its customer and its key."""
    names = [f"target {target}"]
    names += [f"customer {owner_hash}"] if owner_hash is not None else []
    return names + ([f"key {key_hash}"] if key_hash is not None else [])


async def _layout(connection: AsyncConnection) -> int | None:
    """The number of the layout; None: there is no ledger yet. Raises `LedgerTooNew`."""
    if not await connection.run_sync(lambda plain: inspect(plain).has_table(layout.name)):
        return None
    version = (await connection.execute(select(func.max(layout.c.version)))).scalar() or 0
    if version > VERSION:
        raise LedgerTooNew(f"the ledger has layout {version}; this gateway knows {VERSION} at most")
    return int(version)


async def _lay_out(connection: AsyncConnection) -> None:
    found = await _layout(connection)  # again: another gateway may have done it while this one waited
    if found is None:
        await connection.run_sync(metadata.create_all)
        await connection.execute(layout.insert().values(version=VERSION))
        await connection.execute(revisions.insert().values(version_num=f"{VERSION:04}"))
    elif found < VERSION:
        from actions.migrations import upgrade  # its tool is loaded only where there is something to do

        await connection.run_sync(upgrade, found)


def _wanted(listing: Listing) -> list[ColumnElement[bool]]:
    found = [
        column == value
        for column, value in (
            (actions.c.store, listing.store),
            (actions.c.target, listing.target),
            (actions.c.owner_hash, listing.owner_hash),
            (actions.c.client, listing.client),
        )
        if value is not None
    ]
    if listing.states is not None:
        found.append(actions.c.state.in_([state.value for state in listing.states]))
    if listing.kinds is not None:
        found.append(actions.c.kind.in_([kind.value for kind in listing.kinds]))
    if listing.requested_after is not None:
        found.append(actions.c.requested_at >= listing.requested_after)
    if listing.requested_before is not None:
        found.append(actions.c.requested_at < listing.requested_before)
    return found


def _lapsed(record: Record, now: datetime) -> bool:
    """Whether nobody agreed in time."""
    return record.state is ActionState.AWAITING_APPROVAL and record.expires_at is not None and record.expires_at <= now
