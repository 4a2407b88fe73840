"""What the database knows of those who call: keys that were made, sessions that were ended, codes that were sent."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    delete,
    select,
    update,
)
from sqlalchemy.exc import SQLAlchemyError

from actions.ledger import Ledger
from actions.tables import Instant
from schema.vocabulary import AssuranceLevel

#: Seconds between two looks at the database: what is revoked stops before twice this has passed.
LOOK: Final = 2.0
#: Seconds after which what was read is too old to let anybody in by.
TOO_OLD: Final = 5.0

metadata = MetaData()

api_keys = Table(
    "api_keys",
    metadata,
    Column("id", String(16), primary_key=True),
    Column("name", String(64), nullable=False),
    #: Keyed hash of the secret part.
    Column("hash", String(128), nullable=False),
    Column("assurance", String(16), nullable=False),
    Column("scopes", JSON, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("last_used_at", Instant),
    Column("revoked_at", Instant),
)
Index(
    "api_keys_one_live_of_a_name",
    api_keys.c.name,
    unique=True,
    sqlite_where=api_keys.c.revoked_at.is_(None),
)

#: What a key is held to, beside what it may do; no row where it is held to nothing. A table of its own, which a
#: database that is older than it is given beside the others.
api_key_bounds = Table(
    "api_key_bounds",
    metadata,
    Column("key", String(16), ForeignKey("api_keys.id"), primary_key=True),
    #: The address of who stands behind it, sealed.
    Column("person", Text),
    Column("require_preview", Boolean, nullable=False),
)
#: Keys with what they are held to.
_KEYS = select(api_keys, api_key_bounds.c.person, api_key_bounds.c.require_preview).outerjoin(
    api_key_bounds, api_key_bounds.c.key == api_keys.c.id
)

ended_sessions = Table(
    "ended_sessions",
    metadata,
    Column("id", String(32), primary_key=True),
    #: When it would have ended by itself; the row is of no use after that.
    Column("until", Instant, nullable=False),
)

proofs = Table(
    "proofs",
    metadata,
    #: One code at a time for a session.
    Column("session", String(32), primary_key=True),
    #: Keyed hash of session and code.
    Column("code_hash", String(64), nullable=False),
    Column("tries", Integer, nullable=False),
    Column("expires_at", Instant, nullable=False),
)


class CredentialsUnreadable(Exception):
    """The database has not answered for so long that nobody can be let in by what it said."""


class NameTaken(ValueError):
    """A live key has this name."""


@dataclass(frozen=True, slots=True)
class KeyRow:
    """One key as it is kept."""

    id: str
    name: str
    hash: str
    assurance: AssuranceLevel
    scopes: tuple[str, ...]
    created_at: datetime
    last_used_at: datetime | None
    revoked_at: datetime | None
    #: The address of who stands behind it, sealed; gone once it is revoked.
    person: str | None = None
    #: It makes changes only after a preview was confirmed; so do the customer sessions it makes.
    require_preview: bool = False


@dataclass(frozen=True, slots=True)
class Standing:
    """Who may come in, as of one look at the database."""

    keys: Mapping[str, KeyRow]
    ended: frozenset[str]
    read_at: float


class Credentials:
    """Keys, ended sessions and codes in the ledger's database. `open` before anything else."""

    def __init__(self, ledger: Ledger, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._ledger = ledger
        self._clock = clock
        self._standing = Standing({}, frozenset(), float("-inf"))
        self._turn = asyncio.Lock()
        self._used: dict[str, datetime] = {}

    async def open(self) -> None:
        """Make the tables where there are none."""
        await self._ledger.add_tables(metadata)

    # ------------------------------------------------------------------ who may come in
    async def standing(self) -> Standing:
        """What the database said, at most `LOOK` seconds ago, or `TOO_OLD` where it does not answer.

        Raises:
            CredentialsUnreadable: it has not answered for longer.
        """
        found = self._standing
        if time.monotonic() - found.read_at < LOOK:
            return found
        async with self._turn:
            if time.monotonic() - self._standing.read_at < LOOK:
                return self._standing
            try:
                await self._look()
            except (SQLAlchemyError, OSError) as error:
                if time.monotonic() - self._standing.read_at > TOO_OLD:
                    raise CredentialsUnreadable("who may call cannot be read at present") from error
        return self._standing

    async def _look(self) -> None:
        started, now = time.monotonic(), self._clock()
        used, self._used = self._used, {}
        try:
            if used:
                async with self._ledger.writing() as connection:
                    for id, at in sorted(used.items()):  # in one order: two gateways never wait for each other
                        await connection.execute(update(api_keys).where(api_keys.c.id == id).values(last_used_at=at))
            async with self._ledger.reading() as connection:
                keys = [_row(row) for row in await connection.execute(_KEYS.where(api_keys.c.revoked_at.is_(None)))]
                ended = await connection.scalars(select(ended_sessions.c.id).where(ended_sessions.c.until > now))
                self._standing = Standing({key.id: key for key in keys}, frozenset(ended), started)
        except BaseException:
            self._used = used | self._used
            raise

    def used(self, id: str) -> None:
        """Remember that a key was used; written with the next look."""
        self._used[id] = self._clock()

    async def close(self) -> None:
        """Write what is remembered."""
        if self._used:
            async with self._turn:
                await self._look()

    # ------------------------------------------------------------------ keys
    async def add_key(self, row: KeyRow) -> None:
        """Raises `NameTaken`."""
        async with self._ledger.writing(f"key of {row.name}") as connection:
            taken = await connection.scalar(
                select(api_keys.c.id).where(api_keys.c.name == row.name, api_keys.c.revoked_at.is_(None))
            )
            if taken is not None:
                raise NameTaken(f"there is a key named {row.name} already; revoke it first, or take another name")
            await connection.execute(
                api_keys.insert().values(
                    id=row.id,
                    name=row.name,
                    hash=row.hash,
                    assurance=row.assurance.name,
                    scopes=list(row.scopes),
                    created_at=row.created_at,
                )
            )
            if row.person is not None or row.require_preview:
                await connection.execute(
                    api_key_bounds.insert().values(key=row.id, person=row.person, require_preview=row.require_preview)
                )

    async def all_keys(self) -> Sequence[KeyRow]:
        """Every key there ever was, oldest first."""
        async with self._ledger.reading() as connection:
            return [_row(row) for row in await connection.execute(_KEYS.order_by(api_keys.c.created_at))]

    async def revoke_key(self, id_or_name: str) -> KeyRow | None:
        """The live key that was revoked; None: there is none of this id or name."""
        async with self._ledger.writing() as connection:
            live = api_keys.c.revoked_at.is_(None)
            query = _KEYS.where(live, (api_keys.c.id == id_or_name) | (api_keys.c.name == id_or_name))
            row = (await connection.execute(query.with_for_update(of=api_keys))).first()
            if row is None:
                return None
            now = self._clock()
            await connection.execute(update(api_keys).where(api_keys.c.id == row.id).values(revoked_at=now))
            await connection.execute(update(api_key_bounds).where(api_key_bounds.c.key == row.id).values(person=None))
            self._forget()
            return _row(row)

    # ------------------------------------------------------------------ sessions
    async def end_session(self, id: str, until: datetime) -> None:
        """End a session. `until`: when it would end by itself, or later."""
        async with self._ledger.writing(f"session {id}") as connection:
            await connection.execute(
                delete(ended_sessions).where((ended_sessions.c.until <= self._clock()) | (ended_sessions.c.id == id))
            )
            await connection.execute(ended_sessions.insert().values(id=id, until=until))
            await connection.execute(delete(proofs).where(proofs.c.session == id))
        self._forget()

    def _forget(self) -> None:
        """What this process did itself holds at once."""
        self._standing = Standing(self._standing.keys, self._standing.ended, float("-inf"))

    async def drop_lapsed(self) -> None:
        """Take out codes and ended sessions that no longer count for anything."""
        now = self._clock()
        async with self._ledger.writing() as connection:
            await connection.execute(delete(proofs).where(proofs.c.expires_at <= now))
            await connection.execute(delete(ended_sessions).where(ended_sessions.c.until <= now))

    # ------------------------------------------------------------------ codes
    async def keep_code(self, session: str, code_hash: str, expires_at: datetime) -> None:
        """The one code of a session; an earlier one no longer counts."""
        async with self._ledger.writing(f"session {session}") as connection:
            await connection.execute(
                delete(proofs).where((proofs.c.session == session) | (proofs.c.expires_at <= self._clock()))
            )
            await connection.execute(
                proofs.insert().values(session=session, code_hash=code_hash, tries=0, expires_at=expires_at)
            )

    async def try_code(self, session: str, code_hash: str, most: int) -> bool:
        """Count a try and say whether it was the code; a code that was given back is gone."""
        async with self._ledger.writing(f"session {session}") as connection:
            row = (await connection.execute(select(proofs).where(proofs.c.session == session))).first()
            if row is None or row.tries >= most or row.expires_at <= self._clock():
                return False
            if row.code_hash == code_hash:
                await connection.execute(delete(proofs).where(proofs.c.session == session))
                return True
            await connection.execute(update(proofs).where(proofs.c.session == session).values(tries=row.tries + 1))
            return False


def _row(row: Any) -> KeyRow:
    return KeyRow(
        id=row.id,
        name=row.name,
        hash=row.hash,
        assurance=AssuranceLevel[row.assurance],
        scopes=tuple(row.scopes),
        created_at=row.created_at,
        last_used_at=row.last_used_at,
        revoked_at=row.revoked_at,
        person=row.person,
        require_preview=bool(row.require_preview),
    )
