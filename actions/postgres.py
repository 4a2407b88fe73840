"""What only PostgreSQL needs: how connections are made, which locks a writer takes, triggers that hold the edges."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import unquote, urlsplit

import asyncpg  # type: ignore[import-untyped]
from sqlalchemy import DDL, Connection, Index, event, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import NullPool

from actions.databases import LedgerUnreachable, UnknownDatabase
from actions.states import FIRST, pairs
from actions.tables import actions, held_return_moves, transitions

#: Seconds a new connection may take, a statement may run, and a writer waits for another's lock.
CONNECT_SECONDS = 10
STATEMENT_SECONDS = 30
LOCK_SECONDS = 10
#: Seconds after which the server ends a transaction whose gateway fell silent, so that its locks go.
SILENT_SECONDS = 60
#: Connections a gateway keeps, and how many more it may open for a moment.
KEPT, MORE = 5, 10


class Postgres:
    """A ledger on a server, for several gateways.

    A writer runs at READ COMMITTED and first takes a lock on every name it gave, for as long as its transaction
    lasts: the names are all that its reads depend on, so what it read still holds when it writes. Serializable
    transactions would do as well but break off where two requests merely touch the same page of an index, and each
    would have to be run again; locks on names let strangers pass and make those who share a name wait their turn.
    """

    def __init__(self, address: str) -> None:
        self._address = checked(address)
        self._engine = self._made(pool_size=KEPT, max_overflow=MORE, pool_timeout=LOCK_SECONDS, pool_pre_ping=True)
        self._reading = self._engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
        self._looking = self._engine.execution_options(isolation_level="AUTOCOMMIT")

    def _made(self, *, patient: bool = False, **options: Any) -> AsyncEngine:
        limits = {"idle_in_transaction_session_timeout": f"{SILENT_SECONDS}s"}
        if not patient:
            limits |= {"lock_timeout": f"{LOCK_SECONDS}s", "statement_timeout": f"{STATEMENT_SECONDS}s"}

        async def connect(*_: object, **__: object) -> Any:
            try:
                return await asyncpg.connect(
                    self._address,
                    timeout=CONNECT_SECONDS,
                    command_timeout=None if patient else STATEMENT_SECONDS + 5,
                    server_settings={"application_name": "aftersale"} | limits,
                )
            except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, ValueError) as error:
                raise LedgerUnreachable(f"{_place(self._address)} cannot be reached: {_why(error)}") from None

        # An error's text goes to logs: without what was written.
        return create_async_engine("postgresql+asyncpg://", async_creator=connect, hide_parameters=True, **options)

    @asynccontextmanager
    async def looking(self) -> AsyncIterator[AsyncConnection]:
        async with self._looking.connect() as connection:
            yield connection

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncConnection]:
        async with self._reading.begin() as connection:
            yield connection

    @asynccontextmanager
    async def writing(self, names: Collection[str]) -> AsyncIterator[AsyncConnection]:
        async with self._engine.begin() as connection:
            await _alone(connection, names)
            yield connection

    @asynccontextmanager
    async def founding(self) -> AsyncIterator[AsyncConnection]:
        engine = self._made(patient=True, poolclass=NullPool)
        try:
            async with engine.begin() as connection:
                await _alone(connection, ["layout"])
                yield connection
        finally:
            await engine.dispose()

    async def close(self) -> None:
        await self._engine.dispose()


def checked(address: str) -> str:
    """The address, when it is one. Raises `UnknownDatabase`, whose text never quotes it: it may hold a password."""
    try:
        parts = urlsplit(address)
        _ = parts.port
    except ValueError:
        raise UnknownDatabase(f"the address of the database cannot be read: {_SHAPE}; {_ESCAPE}") from None
    if parts.scheme not in ("postgresql", "postgres") or not address.startswith(f"{parts.scheme}://"):
        raise UnknownDatabase(f"the address of the database cannot be read: {_SHAPE}")
    if parts.fragment:
        raise UnknownDatabase(f"the address of the database holds a #: {_ESCAPE}")
    if not unquote(parts.path).strip("/"):
        raise UnknownDatabase(f"the address names no database: {_SHAPE}")
    return address


_SHAPE = "expected postgresql://user:password@host:5432/name"
_ESCAPE = "in a user or password, write characters such as @ : / # % as %40 %3A %2F %23 %25"


def _place(address: str) -> str:
    """The server and the database, without who we are there."""
    parts = urlsplit(address)
    server = f" at {parts.hostname}" + (f":{parts.port}" if parts.port else "") if parts.hostname else ""
    return f"the database {unquote(parts.path).strip('/')}{server}"


def _why(error: BaseException) -> str:
    """The reason without what an address might have held."""
    if isinstance(error, TimeoutError):
        return f"no answer in {CONNECT_SECONDS} seconds"
    if isinstance(error, asyncpg.PostgresError | OSError):
        return str(error) or type(error).__name__
    return f"{type(error).__name__}: its address or its answer cannot be understood"


async def _alone(connection: AsyncConnection, names: Collection[str]) -> None:
    """Wait until nobody else holds one of the names. Always in the same order, so that no two wait for each other."""
    if names:
        locks = sorted({_number(name) for name in names})
        await connection.execute(text("SELECT " + ", ".join(f"pg_advisory_xact_lock({lock})" for lock in locks)))


def _number(name: str) -> int:
    """A lock's number; two names with one number only wait for each other without need."""
    return int.from_bytes(hashlib.blake2b(f"aftersale {name}".encode(), digest_size=8).digest(), signed=True)


# ------------------------------------------------------------------ what the tables need here


@event.listens_for(Index, "before_create")
def _partial(index: Index, connection: Connection, **_: Any) -> None:
    """A partial index is written down once, for SQLite: naming this dialect there would load it in every gateway."""
    where = index.dialect_options["sqlite"]["where"]
    if where is not None and connection.dialect.name == "postgresql":
        index.dialect_options["postgresql"]["where"] = where


_FIRST = ", ".join(sorted(f"'{state.value}'" for state in FIRST))
_PAIRS = ", ".join(f"'{pair}'" for pair in pairs())


def _made(statement: str) -> Any:
    made: Any = DDL(statement)  # type: ignore[no-untyped-call]
    return made.execute_if(dialect="postgresql")


def _function(name: str, condition: str, says: str) -> str:
    return (
        f"CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF {condition} THEN "
        f"RAISE EXCEPTION '{says}' USING ERRCODE = 'integrity_constraint_violation'; END IF; RETURN NEW; END $$"
    )


def _only_added(table: str, columns: str) -> list[str]:
    """Of what is only added to, a name may be taken out and nothing else changed."""
    same = " AND ".join(f'NEW."{column}" IS NOT DISTINCT FROM OLD."{column}"' for column in columns.split())
    says = f"{table} are only added"
    return [
        _function(f"{table}_stay", f"NOT (NEW.\"by\" = '' AND {same})", says),
        f"CREATE TRIGGER {table}_stay BEFORE UPDATE ON {table} FOR EACH ROW EXECUTE FUNCTION {table}_stay()",
        _function(f"{table}_remain", "TRUE", says),
        f"CREATE TRIGGER {table}_remain BEFORE DELETE ON {table} FOR EACH ROW EXECUTE FUNCTION {table}_remain()",
        f"CREATE TRIGGER {table}_remain_all BEFORE TRUNCATE ON {table} EXECUTE FUNCTION {table}_remain()",
    ]


for table, statements in (
    (
        actions,
        [
            _function(
                "actions_legal_move",
                f"OLD.state || '>' || NEW.state NOT IN ({_PAIRS})",
                "no action makes this move",
            ),
            "CREATE TRIGGER actions_legal_move BEFORE UPDATE OF state ON actions FOR EACH ROW "
            "EXECUTE FUNCTION actions_legal_move()",
            _function("actions_legal_start", f"NEW.state NOT IN ({_FIRST})", "no action begins so"),
            "CREATE TRIGGER actions_legal_start BEFORE INSERT ON actions FOR EACH ROW "
            "EXECUTE FUNCTION actions_legal_start()",
        ],
    ),
    (transitions, _only_added("transitions", "id action before after at")),
    (held_return_moves, _only_added("held_return_moves", "id action after at")),
):
    for statement in statements:
        event.listen(table, "after_create", _made(statement))
