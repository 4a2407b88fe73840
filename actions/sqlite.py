"""What only SQLite needs: how its connections are set up, how a writer begins, and triggers that hold the edges."""

from __future__ import annotations

from typing import Any

from sqlalchemy import DDL, Connection, event
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import AsyncAdaptedQueuePool

from actions.states import EDGES, FIRST
from actions.tables import actions, transitions

#: Seconds a connection waits for another process's write.
BUSY_SECONDS = 10
#: Set on connections that only read: they begin without asking for the write lock.
READS_ONLY = "ledger_reads_only"


def engine_for(url: str) -> AsyncEngine:
    """An engine on a database file (`sqlite+aiosqlite:///path`). Few connections: each has a thread of its own."""
    engine = create_async_engine(
        url, poolclass=AsyncAdaptedQueuePool, pool_size=4, max_overflow=0, connect_args={"timeout": BUSY_SECONDS}
    )
    event.listen(engine.sync_engine, "connect", _connected)
    event.listen(engine.sync_engine, "begin", _begin)
    return engine


def _connected(connection: Any, record: object) -> None:
    connection.isolation_level = None  # the driver begins nothing by itself; `_begin` does
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA synchronous=FULL")  # a recorded RUNNING must survive the machine, not only the process
    cursor.execute("PRAGMA foreign_keys=ON")
    cursor.execute(f"PRAGMA busy_timeout={BUSY_SECONDS * 1000}")
    cursor.close()


def _begin(connection: Connection) -> None:
    """A writer takes the lock before it reads, so that what it read still holds when it writes."""
    reads_only = connection.get_execution_options().get(READS_ONLY, False)
    connection.exec_driver_sql("BEGIN" if reads_only else "BEGIN IMMEDIATE")


def _pairs() -> str:
    return ", ".join(
        sorted(f"'{before.value}>{after.value}'" for before, following in EDGES.items() for after in following)
    )


_FIRST = ", ".join(sorted(f"'{state.value}'" for state in FIRST))


def _trigger(name: str, body: str) -> Any:
    made: Any = DDL(f"CREATE TRIGGER {name} {body}")  # type: ignore[no-untyped-call]
    return made.execute_if(dialect="sqlite")


for table, name, body in (
    (
        actions,
        "actions_legal_move",
        f"BEFORE UPDATE OF state ON actions WHEN OLD.state || '>' || NEW.state NOT IN ({_pairs()}) "
        "BEGIN SELECT RAISE(ABORT, 'no action makes this move'); END",
    ),
    (
        actions,
        "actions_legal_start",
        f"BEFORE INSERT ON actions WHEN NEW.state NOT IN ({_FIRST}) "
        "BEGIN SELECT RAISE(ABORT, 'no action begins so'); END",
    ),
    (
        transitions,
        "transitions_stay",
        "BEFORE UPDATE ON transitions BEGIN SELECT RAISE(ABORT, 'transitions are only added'); END",
    ),
    (
        transitions,
        "transitions_remain",
        "BEFORE DELETE ON transitions BEGIN SELECT RAISE(ABORT, 'transitions are only added'); END",
    ),
):
    event.listen(table, "after_create", _trigger(name, body))
