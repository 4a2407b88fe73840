"""How an action is kept: every change of its state goes through one function here, in one transaction."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, fields
from datetime import datetime, timedelta
from decimal import Decimal
from os import PathLike, fspath
from typing import Any, TypeAlias

from sqlalchemy import Row, Select, and_, func, inspect, or_, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from actions import sqlite
from actions.states import ACTIVE, COUNTED, FINAL, check_move
from actions.tables import VERSION, actions, layout, metadata, transitions
from policies.asked import History
from schema.vocabulary import ActionKind, ActionState

#: How far back a customer's counters reach.
COUNTED_FOR = timedelta(days=90)

#: Done in the transaction of a change of state, or not at all.
Also: TypeAlias = Callable[[AsyncConnection], Awaitable[None]]


class LedgerTooNew(RuntimeError):
    """The database was written by a newer gateway."""


class UnknownDatabase(ValueError):
    """The address is not one of a database the ledger can be kept in."""


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
        found = {each.name: getattr(self, each.name) for each in fields(self)}
        return found | {"kind": self.kind.value, "state": self.state.value}

    @classmethod
    def of(cls, row: Row[Any]) -> Record:
        found = dict(row._mapping)
        return cls(**found | {"kind": ActionKind(found["kind"]), "state": ActionState(found["state"])})


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
class Listing:
    """Which actions are wanted; None: whatever it is."""

    states: Collection[ActionState] | None = None
    kinds: Collection[ActionKind] | None = None
    target: str | None = None
    requested_after: datetime | None = None
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
    """The durable record of every action, in a file. Nothing is touched before `open`; `close` gives it back."""

    def __init__(self, where: str | PathLike[str]) -> None:
        """`where` is a path, or `sqlite:///` and a path. Raises `UnknownDatabase`: another kind, or no file."""
        self._engine = sqlite.engine_for(f"sqlite+aiosqlite:///{_path(where)}")
        self._reading = self._engine.execution_options(**{sqlite.READS_ONLY: True})
        # There is one writer; in this process they queue here, in order, instead of polling the file's lock.
        self._turn = asyncio.Lock()

    async def open(self) -> None:
        """Make the tables where there are none. Raises `LedgerTooNew`: a newer gateway made them."""
        try:
            await self._create()
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        await self._engine.dispose()

    async def ping(self) -> None:
        """Read one row; raises what the database raises."""
        async with self.reading() as connection:
            await connection.execute(select(layout.c.version))

    async def _create(self) -> None:
        async with self.writing() as connection:
            if await connection.run_sync(lambda plain: inspect(plain).has_table(layout.name)):
                version = (await connection.execute(select(func.max(layout.c.version)))).scalar() or 0
                if version > VERSION:
                    raise LedgerTooNew(f"the ledger has layout {version}; this gateway knows {VERSION} at most")
            else:
                await connection.run_sync(metadata.create_all)
                await connection.execute(layout.insert().values(version=VERSION))

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncConnection]:
        """A transaction that only reads."""
        async with self._reading.begin() as connection:
            yield connection

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[AsyncConnection]:
        """A transaction whose reads still hold when it writes. Nothing slow belongs inside."""
        async with self._turn, self._engine.begin() as connection:
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
        decide: Callable[[History], Record],
    ) -> Standing:
        """Take up a new action, unless its key is known, its target busy, or the target moved since `seen`.

        The customer's counters are read, `decide` is called with them and its row is written, all in one transaction:
        of two requests of one customer the second sees the first. `decide` is pure and quick. `counted_at` is the end
        of the counters' 90 days, where that is not `now`.
        """
        try:
            async with self.writing() as connection:
                known = await self._one(connection, select(actions).where(actions.c.key_hash == key_hash))
                if known is not None and key_hash is not None:
                    return SameKey(known)
                active = await self._active(connection, target)
                if active is not None and _lapsed(active, now):
                    await self._move(connection, active, ActionState.EXPIRED, at=now, by=by)
                elif active is not None:
                    return Busy(active)
                elif await self._mark(connection, target) != seen:
                    return Moved()
                counters = await self._history(connection, [owner_hash] if owner_hash else [], counted_at or now)
                new = decide(counters.get(owner_hash or "", NOTHING_COUNTED))
                check_move(None, new.state)
                await connection.execute(actions.insert().values(**new.values()))
                await self._note(connection, new.id, None, new.state, now, by)
                return Recorded(new)
        except IntegrityError:
            # Another gateway was quicker, on a database that lets two writers in at once: its row says how we stand.
            async with self.reading() as connection:
                known = await self._one(connection, select(actions).where(actions.c.key_hash == key_hash))
                active = await self._active(connection, target)
            if known is not None and key_hash is not None:
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
        where = [actions.c.id == record.id, actions.c.state == record.state.value]
        if held_by is not None:
            where.append(actions.c.owner == held_by)
        changed = await connection.execute(update(actions).where(*where).values(state=after.value, **values))
        if changed.rowcount != 1:
            raise LostRace(f"action {record.id} is not {record.state.value} any more, or in other hands")
        await self._note(connection, record.id, record.state, after, at, by)
        if also is not None:
            await also(connection)
        moved = await self._one(connection, select(actions).where(actions.c.id == record.id))
        assert moved is not None
        return moved

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
            transitions.insert().values(
                action=action_id, before=before.value if before else None, after=after.value, at=at, by=by
            )
        )

    # ------------------------------------------------------------------------------------------------ reads

    async def by_id(self, action_id: str) -> Record | None:
        async with self.reading() as connection:
            return await self._one(connection, select(actions).where(actions.c.id == action_id))

    async def by_key(self, key_hash: str) -> Record | None:
        async with self.reading() as connection:
            return await self._one(connection, select(actions).where(actions.c.key_hash == key_hash))

    async def seen(self, target: str) -> int:
        """A number that grows with every change of state on a target; taken before its facts are read."""
        async with self.reading() as connection:
            return await self._mark(connection, target)

    async def active_on(self, targets: Collection[str]) -> Mapping[str, Record]:
        """The unfinished action on each target that has one."""
        if not targets:
            return {}
        async with self.reading() as connection:
            rows = await connection.execute(select(actions).where(actions.c.target.in_(list(targets)), _is_active()))
            return {row.target: Record.of(row) for row in rows}

    async def history(self, owner_hashes: Collection[str], now: datetime) -> Mapping[str, History]:
        """What each customer was given or asked back in the last 90 days, unfinished and waiting actions included."""
        async with self.reading() as connection:
            return await self._history(connection, owner_hashes, now)

    async def newest(self, listing: Listing, limit: int, after: tuple[datetime, str] | None = None) -> Sequence[Record]:
        """Actions, newest first, from behind the instant and id of `after`."""
        query = select(actions).order_by(actions.c.requested_at.desc(), actions.c.id.desc()).limit(limit)
        if after is not None:
            at, action_id = after
            query = query.where(
                or_(actions.c.requested_at < at, and_(actions.c.requested_at == at, actions.c.id < action_id))
            )
        if listing.states is not None:
            query = query.where(actions.c.state.in_([state.value for state in listing.states]))
        if listing.kinds is not None:
            query = query.where(actions.c.kind.in_([kind.value for kind in listing.kinds]))
        if listing.target is not None:
            query = query.where(actions.c.target == listing.target)
        if listing.requested_after is not None:
            query = query.where(actions.c.requested_at >= listing.requested_after)
        if listing.owner_hash is not None:
            query = query.where(actions.c.owner_hash == listing.owner_hash)
        if listing.client is not None:
            query = query.where(actions.c.client == listing.client)
        async with self.reading() as connection:
            return [Record.of(row) for row in await connection.execute(query)]

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
            .order_by(actions.c.next_try_at, actions.c.requested_at)
            .limit(limit)
        )
        async with self.reading() as connection:
            return [Record.of(row) for row in await connection.execute(query)]

    async def path(self, action_id: str) -> Sequence[tuple[ActionState | None, ActionState, datetime]]:
        """Every change of state of an action, in order."""
        async with self.reading() as connection:
            rows = await connection.execute(
                select(transitions).where(transitions.c.action == action_id).order_by(transitions.c.id)
            )
            return [(ActionState(row.before) if row.before else None, ActionState(row.after), row.at) for row in rows]

    async def _active(self, connection: AsyncConnection, target: str) -> Record | None:
        return await self._one(connection, select(actions).where(actions.c.target == target, _is_active()))

    async def _mark(self, connection: AsyncConnection, target: str) -> int:
        query = select(func.max(transitions.c.id)).join(actions, actions.c.id == transitions.c.action)
        return int((await connection.execute(query.where(actions.c.target == target))).scalar() or 0)

    async def _history(
        self, connection: AsyncConnection, owner_hashes: Collection[str], now: datetime
    ) -> Mapping[str, History]:
        if not owner_hashes:
            return {}
        rows = await connection.execute(
            select(actions.c.owner_hash, actions.c.kind, actions.c.amount, actions.c.currency).where(
                actions.c.owner_hash.in_(list(owner_hashes)),
                actions.c.requested_at > now - COUNTED_FOR,
                actions.c.state.in_([state.value for state in COUNTED]),
            )
        )
        counted = {owner_hash: _Counters() for owner_hash in owner_hashes}
        for row in rows:
            counters = counted[row.owner_hash]
            counters.returns += row.kind == ActionKind.RETURN_ORDER.value
            if row.amount is not None and (amount := Decimal(row.amount)) > 0:
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
    async def _one(connection: AsyncConnection, query: Select[Any]) -> Record | None:
        row = (await connection.execute(query)).first()
        return Record.of(row) if row is not None else None


NOTHING_COUNTED = History()


def _path(where: str | PathLike[str]) -> str:
    path = fspath(where)
    scheme, found, rest = path.partition("://")
    if found:
        if scheme not in ("sqlite", "sqlite+aiosqlite") or not rest.startswith("/"):
            raise UnknownDatabase("the ledger is kept in a file: expected sqlite:///aftersale.db")
        path = rest[1:]
    if not path or path == ":memory:":
        raise UnknownDatabase("the ledger outlives the process: a file is needed, such as sqlite:///aftersale.db")
    return path


def _is_active() -> Any:
    return actions.c.state.in_(sorted(state.value for state in ACTIVE))


def _lapsed(record: Record, now: datetime) -> bool:
    """Whether nobody agreed in time."""
    return record.state is ActionState.AWAITING_APPROVAL and record.expires_at is not None and record.expires_at <= now
