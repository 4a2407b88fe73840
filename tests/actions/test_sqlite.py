"""What only a ledger in a file has to hold: who writes waits for another process, and nobody else waits with it."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from actions.ledger import Ledger, Recorded
from tests.actions.conftest import Blank
from tests.actions.test_ledger import NOW, put, record


@pytest.fixture
def path(blank_sqlite: Blank) -> Iterator[Path]:
    with blank_sqlite() as address:
        yield Path(address.removeprefix("sqlite:///"))


@pytest.fixture
async def ledger(path: Path) -> AsyncIterator[Ledger]:
    made = Ledger(path)
    await made.open()
    yield made
    await made.close()


@pytest.fixture
def another(path: Path) -> Iterator[sqlite3.Connection]:
    """As another process has the file open."""
    made = sqlite3.connect(path, isolation_level=None)
    yield made
    made.close()


async def test_a_writer_waits_for_another_process_while_the_loop_goes_on(
    ledger: Ledger, another: sqlite3.Connection
) -> None:
    first = record(key="k1")
    assert isinstance(await put(ledger, first), Recorded)
    another.execute("BEGIN IMMEDIATE")
    writing = asyncio.create_task(put(ledger, record(target="Order:shop:2", key="k2")))
    turns = 0
    loop = asyncio.get_running_loop()
    until = loop.time() + 0.2
    while loop.time() < until:
        await asyncio.sleep(0.005)
        assert (await ledger.by_id(first.id)) is not None, "who reads waits for no writer"
        turns += 1
    assert not writing.done()
    assert turns >= 5
    another.execute("COMMIT")
    assert isinstance(await writing, Recorded)


async def test_a_writer_goes_on_waiting_as_long_as_a_connection_may_after_one_that_found_the_lock_free(
    ledger: Ledger, another: sqlite3.Connection
) -> None:
    """The patience of a connection is set aside for a moment to see whether the lock is free, and comes back."""
    for number in range(3):
        assert isinstance(await put(ledger, record(target=f"Order:shop:{number}", key=f"k{number}")), Recorded)
        async with ledger.writing() as connection:
            found = await connection.exec_driver_sql("PRAGMA busy_timeout")
            assert found.scalar() == 10_000
    another.execute("BEGIN IMMEDIATE")
    writing = asyncio.create_task(put(ledger, record(target="Order:shop:9", key="k9")))
    await asyncio.sleep(0.05)
    another.execute("COMMIT")
    assert isinstance(await writing, Recorded)
    async with ledger.writing() as connection:
        assert (await connection.exec_driver_sql("PRAGMA busy_timeout")).scalar() == 10_000


async def test_what_is_recorded_is_on_the_disk_when_it_is_told(ledger: Ledger) -> None:
    async with ledger.writing() as connection:
        assert (await connection.exec_driver_sql("PRAGMA synchronous")).scalar() == 2, "FULL"
        assert (await connection.exec_driver_sql("PRAGMA journal_mode")).scalar() == "wal"
    async with ledger.reading() as connection:
        assert (await connection.exec_driver_sql("PRAGMA synchronous")).scalar() == 2


async def test_a_look_leaves_no_transaction_behind(ledger: Ledger, another: sqlite3.Connection) -> None:
    """One that stayed open would keep the journal from ever being cut."""
    for number in range(6):
        made = record(target=f"Order:shop:{number}", key=f"k{number}")
        assert isinstance(await put(ledger, made), Recorded)
        looks: list[Any] = [
            ledger.by_id(made.id),
            ledger.standing(f"k{number}", made.target),
            ledger.history(["h"], NOW),
        ]
        found, standing, _ = await asyncio.gather(*looks)
        assert found == standing[0] == made
    busy, _, _ = another.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    assert not busy
