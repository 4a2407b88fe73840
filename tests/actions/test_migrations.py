"""An older ledger is brought to today's layout by whoever opens it first, and no row of it is lost or changed."""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, text
from sqlalchemy.exc import IntegrityError

from actions.databases import Database, database_at
from actions.ledger import Ledger, LedgerTooNew
from actions.migrations import upgrade
from actions.tables import VERSION
from schema.vocabulary import ActionState
from tests.postgres import Server

ROOT = Path(__file__).parents[2]
#: An empty database, without so much as a table.
Empty = Callable[[], AbstractContextManager[str]]

#: Rows as the first version wrote them: actions in each place they may stand, a held return, a pause.
AT = "2026-11-02 09:30:00.123456+00:00"
OLD: list[tuple[str, dict[str, Any]]] = [
    *(
        (
            "actions",
            {
                "id": f"a{number}",
                "kind": kind,
                "state": state,
                "store": "eu",
                "target": f"Order:eu:{number}",
                "owner_hash": "h" * 64,
                "client": "chatbot",
                "key_hash": f"k{number}",
                "input_hash": "i",
                "request": '{"note": "zu groß"}',
                "decision": '{"verdict": "ALLOW"}',
                "amount": "12.50",
                "currency": "EUR",
                "summary": "Return 1 × Linen Shirt of order 1001",
                "actor": "sealed",
                "requested_at": AT,
                "finished_at": AT if state in ("SUCCEEDED", "FAILED") else None,
                "attempts": 1,
                "looks": 0,
            },
        )
        for number, (kind, state) in enumerate(
            [
                ("RETURN_ORDER", "SUCCEEDED"),
                ("CANCEL_ORDER", "FAILED"),
                ("CANCEL_ORDER", "RUNNING"),
                ("PAUSE_SUBSCRIPTION", "SUCCEEDED"),
            ]
        )
    ),
    ("transitions", {"action": "a0", "before": None, "after": "RUNNING", "at": AT, "by": "sealed"}),
    ("transitions", {"action": "a0", "before": "RUNNING", "after": "SUCCEEDED", "at": AT, "by": "sealed"}),
    ("transitions", {"action": "a2", "before": None, "after": "RUNNING", "at": AT, "by": "sealed"}),
    (
        "held_returns",
        {
            "action": "a0",
            "store": "eu",
            "order": "0",
            "status": "APPROVED",
            "resolution": "REFUND",
            "fees": "[]",
            "requested_at": AT,
        },
    ),
    (
        "held_return_lines",
        {"action": "a0", "line": "11", "quantity": 1, "reason": "STYLE", "condition": None, "note": "zu groß"},
    ),
    ("pauses", {"store": "eu", "subscription": "9", "action": "a3", "until": "2027-01-31", "billing_before": None}),
]


@pytest.fixture(params=["sqlite", "postgresql"])
def empty(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/ledger.db"
    else:
        server: Server = request.getfixturevalue("postgres")
        with server.copy("template0") as address:
            yield address


@pytest.fixture
async def database(empty: str) -> AsyncIterator[Database]:
    made = database_at(empty)
    yield made
    await made.close()


async def migrate(database: Database, to: str = "head") -> None:
    async with database.founding() as connection:
        await connection.run_sync(upgrade, 0, to)


def _literal(value: Any) -> str:
    if value is None:
        return "NULL"
    return str(value) if isinstance(value, int) else "'" + value.replace("'", "''") + "'"


async def fill(database: Database) -> None:
    """Rows of the first layout, written as it would have."""
    async with database.founding() as connection:
        on_sqlite = connection.dialect.name == "sqlite"
        for table, row in OLD:
            row = {
                name: value.replace("+00:00", "") if on_sqlite and value == AT else value for name, value in row.items()
            }
            first = row | ({"state": "RUNNING"} if row.get("state") in ("SUCCEEDED", "FAILED") else {})
            names = ", ".join(f'"{name}"' for name in first)
            values = ", ".join(map(_literal, first.values()))
            await connection.exec_driver_sql(f"INSERT INTO {table} ({names}) VALUES ({values})")
            if first != row:
                await connection.exec_driver_sql(
                    f"UPDATE actions SET state = '{row['state']}' WHERE id = '{row['id']}'"
                )


async def rows(address: str) -> dict[str, list[dict[str, Any]]]:
    database = database_at(address)  # no statement of an earlier layout is remembered
    tables = ("actions", "transitions", "held_returns", "held_return_lines", "pauses")
    async with database.reading() as connection:
        found = {
            table: [
                {
                    name: json.loads(value) if value in ("[]", '{"note": "zu groß"}') else value
                    for name, value in row.items()
                }
                for row in (await connection.execute(text(f"SELECT * FROM {table} ORDER BY 1, 2"))).mappings()
            ]
            for table in tables
        }
    await database.close()
    return found


def layout_of(connection: Connection) -> dict[str, Any]:
    """Everything about the tables that a database can tell, but for the order of columns."""
    if connection.dialect.name == "sqlite":
        statements = connection.execute(text("SELECT type, name, sql FROM sqlite_master WHERE sql IS NOT NULL"))
        found = {}
        for kind, name, sql in statements:
            flat = re.sub(r'\s+|"', " ", sql).replace("( ", "(").replace("  ", " ")
            if kind == "table":
                inside = flat[flat.index("(") + 1 : flat.rindex(")")]
                found[name] = sorted(part.strip() for part in re.split(r",(?![^(]*\))", inside))
            else:
                found[name] = flat
        return found
    found = {}
    for title, query in {
        "columns": "SELECT table_name, column_name, data_type, character_maximum_length, is_nullable, column_default "
        "FROM information_schema.columns WHERE table_schema = 'public'",
        "constraints": "SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid) FROM pg_constraint "
        "WHERE connamespace = 'public'::regnamespace",
        "indexes": "SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'public'",
        "triggers": "SELECT pg_get_triggerdef(oid) FROM pg_trigger WHERE NOT tgisinternal",
        "functions": "SELECT pg_get_functiondef(oid) FROM pg_proc WHERE pronamespace = 'public'::regnamespace",
    }.items():
        found[title] = sorted(map(str, connection.execute(text(query))))
    return found


async def test_the_steps_from_nothing_lead_to_what_an_empty_database_gets_at_once(
    blank: Callable[[], AbstractContextManager[str]], request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    with blank() as whole:
        if whole.startswith("sqlite"):
            step_by_step = f"sqlite:///{tmp_path}/steps.db"
            await compare(whole, step_by_step)
        else:
            server: Server = request.getfixturevalue("postgres")
            with server.copy("template0") as step_by_step:
                await compare(whole, step_by_step)


async def compare(whole: str, step_by_step: str) -> None:
    database = database_at(step_by_step)
    await migrate(database)
    await database.close()
    layouts = []
    for address in (whole, step_by_step):
        ledger = Ledger(address)
        await ledger.open()
        async with ledger.reading() as connection:
            layouts.append(await connection.run_sync(layout_of))
            assert (await connection.execute(text("SELECT version FROM ledger_layout"))).all() == [(VERSION,)]
            assert (await connection.execute(text("SELECT version_num FROM alembic_version"))).all() == [
                (f"{VERSION:04}",)
            ]
        await ledger.close()
    assert layouts[0] == layouts[1]


async def test_a_ledger_of_the_first_layout_keeps_every_row(database: Database, empty: str) -> None:
    await migrate(database, "0001")
    async with database.founding() as connection:
        await connection.exec_driver_sql("DROP TABLE alembic_version")  # the first version knew nothing of it
    await fill(database)
    before = await rows(empty)
    ledger = Ledger(empty)
    await ledger.open()
    try:
        after = await rows(empty)
        assert {name: len(found) for name, found in before.items()} == {
            "actions": 4,
            "transitions": 3,
            "held_returns": 1,
            "held_return_lines": 1,
            "pauses": 1,
        }
        for table, old in before.items():
            shared = [{name: row[name] for name in old[0]} for row in after[table]]
            assert shared == old
            added = {name: value for row in after[table] for name, value in row.items() if name not in old[0]}
            assert set(added.values()) <= {None}
        running = await ledger.by_id("a2")
        assert running is not None
        assert running.requested_at == datetime(2026, 11, 2, 9, 30, 0, 123456, tzinfo=UTC)
        assert running.request == {"note": "zu groß"}
        moved = await ledger.move(running, ActionState.UNKNOWN, at=datetime.now(UTC), by="")
        assert moved.state is ActionState.UNKNOWN
        for broken in (
            "UPDATE actions SET state = 'RUNNING' WHERE id = 'a0'",
            "DELETE FROM transitions",
            "UPDATE held_returns SET status = 'LOST'",
            "UPDATE held_returns SET refunded_by = 'nobody'",
        ):
            with pytest.raises(IntegrityError):
                async with ledger.writing() as connection:
                    await connection.exec_driver_sql(broken)
    finally:
        await ledger.close()


async def test_of_many_gateways_that_start_on_an_older_ledger_one_changes_it(database: Database, empty: str) -> None:
    await migrate(database, "0001")
    await fill(database)
    ledgers = [Ledger(empty) for _ in range(6)]
    await asyncio.gather(*(ledger.open() for ledger in ledgers))
    assert len((await rows(empty))["actions"]) == 4
    for ledger in ledgers:
        await ledger.ping()
        await ledger.close()


async def test_of_many_gateways_that_start_on_an_empty_database_one_lays_it_out(empty: str) -> None:
    ledgers = [Ledger(empty) for _ in range(6)]
    await asyncio.gather(*(ledger.open() for ledger in ledgers))
    for ledger in ledgers:
        await ledger.ping()
        await ledger.close()


async def test_a_new_file_opened_by_many_at_once_is_laid_out_however_often_that_is_tried(tmp_path: Path) -> None:
    for attempt in range(20):
        ledgers = [Ledger(tmp_path / f"{attempt}.db") for _ in range(3)]
        await asyncio.gather(*(ledger.open() for ledger in ledgers))
        for ledger in ledgers:
            await ledger.close()


async def test_a_step_that_breaks_off_leaves_the_older_ledger_as_it_was(database: Database, empty: str) -> None:
    await migrate(database, "0001")
    await fill(database)
    async with database.founding() as connection:
        await connection.exec_driver_sql("CREATE TABLE notices (id INTEGER)")  # in the way of the second layout
    before = await rows(empty)
    with pytest.raises(Exception, match="notices"):
        await Ledger(empty).open()
    assert await rows(empty) == before
    async with database.reading() as connection:
        assert (await connection.execute(text("SELECT version FROM ledger_layout"))).all() == [(1,)]


async def test_a_gateway_of_the_first_layout_refuses_a_ledger_of_the_second(empty: str, database: Database) -> None:
    """It asks for the greatest number in `ledger_layout`, and 1 is the most it knows."""
    await migrate(database, "0001")
    ledger = Ledger(empty)
    await ledger.open()
    await ledger.close()
    async with database.reading() as connection:
        assert (await connection.execute(text("SELECT max(version) FROM ledger_layout"))).scalar() == VERSION > 1


async def test_a_ledger_of_a_later_layout_is_not_touched(empty: str, database: Database) -> None:
    await migrate(database)
    async with database.founding() as connection:
        await connection.exec_driver_sql(f"UPDATE ledger_layout SET version = {VERSION + 1}")
    with pytest.raises(LedgerTooNew, match=f"layout {VERSION + 1}"):
        await Ledger(empty).open()


def test_a_gateway_on_sqlite_loads_nothing_of_postgresql_and_of_migrations() -> None:
    program = """
import asyncio, sys, tempfile, actions.recovery, actions.retention, gateway.credentials, gateway.settings
from actions.ledger import Ledger
async def start():
    with tempfile.TemporaryDirectory() as folder:
        ledger = Ledger(folder + "/ledger.db")
        await ledger.open()
        await ledger.close()
asyncio.run(start())
print([name for name in sys.modules if "postgresql" in name or name.split(".")[0] in ("asyncpg", "alembic")])
"""
    run = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (run.stdout, run.stderr) == ("[]\n", "")
