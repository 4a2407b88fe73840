"""What only a ledger on PostgreSQL has to hold: who waits for whom, and what is said when the server is not there."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from actions.databases import LedgerUnreachable
from actions.ledger import Ledger
from tests.actions.conftest import Blank
from tests.actions.test_ledger import put, record
from tests.postgres import Server


@pytest.fixture
def address(blank_postgresql: Blank) -> Iterator[str]:
    with blank_postgresql() as made:
        yield made


@pytest.fixture
async def ledgers(address: str) -> AsyncIterator[tuple[Ledger, Ledger]]:
    made = Ledger(address), Ledger(address)
    yield made
    for ledger in made:
        await ledger.close()


async def test_who_shares_a_name_waits_and_others_pass(ledgers: tuple[Ledger, Ledger]) -> None:
    one, other = ledgers
    order: list[str] = []

    async def later(name: str) -> None:
        async with other.writing(name, "customer h"):
            order.append(name)

    async with one.writing("customer g", "target t"):
        waiting = asyncio.create_task(later("target t"))
        await later("target u")
        await asyncio.sleep(0.05)
        order.append("first")
    await waiting
    assert order == ["target u", "first", "target t"]


async def test_many_writers_with_crossing_names_never_wait_for_each_other(ledgers: tuple[Ledger, Ledger]) -> None:
    names = ["a", "b", "c", "d"]

    async def write(number: int) -> None:
        turned = names[number % 4 :] + names[: number % 4]
        async with ledgers[number % 2].writing(*turned[:3]) as connection:
            await connection.execute(text("SELECT pg_sleep(0.001)"))

    async with asyncio.timeout(20):
        await asyncio.gather(*(write(number) for number in range(60)))


async def test_a_reader_sees_one_moment_and_writes_nothing(ledgers: tuple[Ledger, Ledger]) -> None:
    one, other = ledgers
    async with one.reading() as connection:
        assert (await connection.execute(text("SELECT count(*) FROM actions"))).scalar() == 0
        await put(other, record())
        assert (await connection.execute(text("SELECT count(*) FROM actions"))).scalar() == 0
    with pytest.raises(DBAPIError, match="read-only"):
        async with one.reading() as connection:
            await connection.execute(text("UPDATE actions SET note = 'x'"))


async def test_the_server_ends_what_lasts_too_long(ledgers: tuple[Ledger, Ledger]) -> None:
    async with ledgers[0].writing() as connection:
        rows = await connection.execute(
            text("SELECT name, setting FROM pg_settings WHERE name LIKE '%\\_timeout' ORDER BY name")
        )
        limits = dict(iter((row.name, row.setting) for row in rows))
    assert (limits["lock_timeout"], limits["statement_timeout"]) == ("10000", "30000")
    assert limits["idle_in_transaction_session_timeout"] == "60000"


async def test_everything_that_happened_can_not_even_be_emptied_at_once(ledgers: tuple[Ledger, Ledger]) -> None:
    with pytest.raises(DBAPIError, match="only added"):
        async with ledgers[0].writing() as connection:
            await connection.execute(text("TRUNCATE transitions"))


async def test_an_error_never_quotes_what_was_written(ledgers: tuple[Ledger, Ledger]) -> None:
    with pytest.raises(DBAPIError) as caught:
        async with ledgers[0].writing() as connection:
            await connection.execute(text("SELECT * FROM nothing WHERE note = :note"), {"note": "I am Ada"})
    assert "Ada" not in str(caught.value)


async def test_a_connection_that_the_server_dropped_is_made_anew(ledgers: tuple[Ledger, Ledger]) -> None:
    one, other = ledgers
    await one.ping()
    async with other.writing() as connection:
        await connection.execute(
            text(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        )
    await one.ping()
    assert (await one.standing("k", "Order:shop:1"))[0] is None


async def test_a_server_that_does_not_know_us_says_why_and_never_the_password(postgres: Server) -> None:
    url = postgres.url.replace(postgres.url.split("//")[1].split("@")[0], "nobody:hunter2")
    with pytest.raises(LedgerUnreachable, match=r"the database postgres at .* cannot be reached: .*nobody") as caught:
        await Ledger(f"{url}/postgres").open()
    assert "hunter2" not in str(caught.value) + repr(caught.value)


async def test_a_server_that_is_not_there_is_named_without_the_password() -> None:
    with pytest.raises(LedgerUnreachable, match=r"the database ledger at 127.0.0.1:9 cannot be reached") as caught:
        await Ledger("postgresql://tests:hunter2@127.0.0.1:9/ledger").open()
    assert "hunter2" not in str(caught.value) + repr(caught.value)


async def test_a_database_that_is_not_there_is_named(postgres: Server) -> None:
    with pytest.raises(LedgerUnreachable, match='database "nowhere" does not exist'):
        await Ledger(postgres.database("nowhere")).open()
