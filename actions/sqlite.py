"""What only SQLite needs: how its connections are set up, how a writer begins, and triggers that hold the edges."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import AsyncIterator, Collection, Iterable
from contextlib import asynccontextmanager
from typing import Any, Self

import aiosqlite
from aiosqlite.context import contextmanager
from sqlalchemy import DDL, Connection, event
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import AsyncAdaptedQueuePool
from sqlalchemy.util import await_only

from actions.states import FIRST, pairs
from actions.tables import actions, held_return_moves, transitions

#: Seconds a connection waits for another process's write.
BUSY_SECONDS = 10
#: Set on connections that only read: they begin without asking for the write lock.
READS_ONLY = "ledger_reads_only"
#: Set on connections that read with a single statement: nothing is begun.
LOOKS = "ledger_looks"
#: Set on connections whose transactions may touch very much.
FOUNDS = "ledger_founds"
#: The second and the third do the same here; the third says that what follows may take long.
_BEGIN_READING, _BEGIN_WRITING, _BEGIN_FOUNDING = "BEGIN", "BEGIN IMMEDIATE", "BEGIN EXCLUSIVE"
_PATIENCE = f"PRAGMA busy_timeout={BUSY_SECONDS * 1000}"


class Sqlite:
    """A ledger in a file. A writer has the whole file to itself from its beginning, so that what it reads holds."""

    def __init__(self, path: str) -> None:
        self._engine = engine_for(f"sqlite+aiosqlite:///{path}")
        self._reading = self._engine.execution_options(**{READS_ONLY: True})
        self._looking = self._engine.execution_options(**{LOOKS: True})
        self._founding = self._engine.execution_options(**{FOUNDS: True})
        # There is one writer; in this process they queue here, in order, instead of polling the file's lock.
        self._turn = asyncio.Lock()

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
        async with self._turn, self._engine.begin() as connection:
            yield connection

    @asynccontextmanager
    async def founding(self) -> AsyncIterator[AsyncConnection]:
        async with self._turn, self._founding.begin() as connection:
            yield connection

    async def close(self) -> None:
        await self._engine.dispose()


class _Cursor(aiosqlite.Cursor):
    """Does in place what waits for nothing, without a way to the connection's thread and back."""

    async def execute(self, sql: str, parameters: Iterable[Any] | None = None) -> Self:
        connection: Any = self._conn
        if sql == _BEGIN_READING:
            self._cursor.execute(sql)  # touches nothing yet
            connection.begun(_READING)
        elif sql == _BEGIN_WRITING:
            if not self._lock():
                await super().execute(sql)
            connection.begun(_WRITING)
        elif connection.work is _WRITING:
            self._cursor.execute(sql, () if parameters is None else tuple(parameters))
        else:
            if sql == _BEGIN_FOUNDING:
                connection.begun(_FOUNDING)
            await super().execute(sql, parameters)
        return self

    def _lock(self) -> bool:
        """Take the write lock if it is free, without waiting for it."""
        self._cursor.execute("PRAGMA busy_timeout=0")
        try:
            self._cursor.execute(_BEGIN_WRITING)
        except sqlite3.OperationalError as error:
            if not _is_busy(error):
                raise
            return False
        finally:
            self._cursor.execute(_PATIENCE)
        return True

    async def fetchall(self) -> Any:
        return self._cursor.fetchall()

    async def close(self) -> None:
        self._cursor.close()


_READING, _WRITING, _FOUNDING = "reading", "writing", "founding"


class _Connection(aiosqlite.Connection):
    """Goes to its thread for what may wait or take long: to read, to commit, and to take a lock that is not free.

    The driver goes there four times for a statement; each way costs more than the statement. One that holds the write
    lock waits for nobody, and those that write find their few rows by an index, so its statements run in place: the
    lock is given back sooner. Nobody else uses a connection meanwhile, and SQLite serialises what two threads do
    with one.
    """

    #: What its transaction is for; None: there is none.
    work: str | None = None

    def begun(self, work: str) -> None:
        self.work = work

    @contextmanager
    async def cursor(self) -> aiosqlite.Cursor:
        return _Cursor(self, self._conn.cursor())

    async def commit(self) -> None:
        work, self.work = self.work, None
        if work is _READING:
            self._conn.commit()  # gives a lock back that nobody waits for
        elif work is not None:
            await super().commit()

    async def rollback(self) -> None:
        self.work = None
        if self._conn.in_transaction:
            await super().rollback()


def _opened(path: str, **options: Any) -> _Connection:
    made = _Connection(lambda: sqlite3.connect(path, **options), iter_chunk_size=64)
    made._thread.daemon = True
    return made


def engine_for(url: str) -> AsyncEngine:
    """An engine on a database file (`sqlite+aiosqlite:///path`). Few connections: each has a thread of its own."""
    engine = create_async_engine(
        url,
        poolclass=AsyncAdaptedQueuePool,
        pool_size=4,
        max_overflow=0,
        connect_args={"timeout": BUSY_SECONDS, "async_creator_fn": _opened},
        hide_parameters=True,  # an error's text goes to logs
    )
    event.listen(engine.sync_engine, "connect", _connected)
    event.listen(engine.sync_engine, "begin", _begin)
    return engine


def _connected(connection: Any, record: object) -> None:
    connection.isolation_level = None  # the driver begins nothing by itself; `_begin` does
    cursor = connection.cursor()
    _write_ahead(cursor)
    cursor.execute("PRAGMA synchronous=FULL")  # a recorded RUNNING must survive the machine, not only the process
    cursor.execute("PRAGMA foreign_keys=ON")
    cursor.execute(_PATIENCE)
    cursor.close()


def _is_busy(error: sqlite3.OperationalError) -> bool:
    return error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY


def _write_ahead(cursor: Any) -> None:
    """Let readers and the writer go side by side. Where several open a new file at once, SQLite does not wait here."""
    give_up = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            cursor.execute("PRAGMA journal_mode=WAL")
            return
        except sqlite3.OperationalError as error:
            if not _is_busy(error) or time.monotonic() >= give_up:
                raise
            await_only(asyncio.sleep(0.02))


def _begin(connection: Connection) -> None:
    """A writer takes the lock before it reads, so that what it read still holds when it writes."""
    options = connection.get_execution_options()
    if options.get(LOOKS, False):
        return
    if options.get(READS_ONLY, False):
        connection.exec_driver_sql(_BEGIN_READING)
    else:
        connection.exec_driver_sql(_BEGIN_FOUNDING if options.get(FOUNDS, False) else _BEGIN_WRITING)


_FIRST = ", ".join(sorted(f"'{state.value}'" for state in FIRST))
_PAIRS = ", ".join(f"'{pair}'" for pair in pairs())


def _trigger(name: str, body: str) -> Any:
    made: Any = DDL(f"CREATE TRIGGER {name} {body}")  # type: ignore[no-untyped-call]
    return made.execute_if(dialect="sqlite")


def _only_blanked(table: str, columns: str) -> str:
    """Of what is only added to, a name may be taken out and nothing else changed."""
    same = " AND ".join(f'NEW."{column}" IS OLD."{column}"' for column in columns.split())
    return (
        f"BEFORE UPDATE ON {table} WHEN NOT (NEW.\"by\" = '' AND {same}) "
        f"BEGIN SELECT RAISE(ABORT, '{table} are only added'); END"
    )


for table, name, body in (
    (
        actions,
        "actions_legal_move",
        f"BEFORE UPDATE OF state ON actions WHEN OLD.state || '>' || NEW.state NOT IN ({_PAIRS}) "
        "BEGIN SELECT RAISE(ABORT, 'no action makes this move'); END",
    ),
    (
        actions,
        "actions_legal_start",
        f"BEFORE INSERT ON actions WHEN NEW.state NOT IN ({_FIRST}) "
        "BEGIN SELECT RAISE(ABORT, 'no action begins so'); END",
    ),
    (transitions, "transitions_stay", _only_blanked("transitions", "id action before after at")),
    (
        transitions,
        "transitions_remain",
        "BEFORE DELETE ON transitions BEGIN SELECT RAISE(ABORT, 'transitions are only added'); END",
    ),
    (held_return_moves, "held_return_moves_stay", _only_blanked("held_return_moves", "id action after at")),
    (
        held_return_moves,
        "held_return_moves_remain",
        "BEFORE DELETE ON held_return_moves BEGIN SELECT RAISE(ABORT, 'held_return_moves are only added'); END",
    ),
):
    event.listen(table, "after_create", _trigger(name, body))
