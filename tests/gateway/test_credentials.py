"""Keys, ended sessions and codes on every database, with two gateways at once; and a whole gateway on PostgreSQL."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from actions.ledger import Ledger
from gateway.credentials import Credentials, KeyRow, NameTaken, api_key_bounds
from platforms.secrets import SecretText
from schema.vocabulary import AssuranceLevel
from tests.postgres import Server
from tests.running import running_gateway

NOW = datetime.now(UTC)
LATER = NOW + timedelta(minutes=10)
ROW = KeyRow("id1", "chatbot", "hash", AssuranceLevel.CLAIMED, ("orders:read",), NOW, None, None)


@pytest.fixture(params=["sqlite", "postgresql"])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/aftersale.db"
    else:
        server: Server = request.getfixturevalue("postgres")
        with server.copy("template0") as made:
            yield made


@pytest.fixture
async def two(address: str) -> AsyncIterator[tuple[Credentials, Credentials]]:
    """Two gateways that start at once on an empty database."""
    ledgers = [Ledger(address), Ledger(address)]
    made = Credentials(ledgers[0]), Credentials(ledgers[1])

    async def start(ledger: Ledger, credentials: Credentials) -> None:
        await ledger.open()
        await credentials.open()

    await asyncio.gather(*(start(*each) for each in zip(ledgers, made, strict=True)))
    yield made
    for ledger in ledgers:
        await ledger.close()


async def test_a_key_of_one_gateway_lets_in_at_the_other_until_it_is_revoked(
    two: tuple[Credentials, Credentials],
) -> None:
    one, other = two
    await one.add_key(ROW)
    assert (await other.standing()).keys == {"id1": ROW}
    other.used("id1")
    await other.close()
    assert [row.last_used_at is not None for row in await one.all_keys()] == [True]
    assert await one.revoke_key("chatbot") is not None
    assert await other.revoke_key("chatbot") is None
    assert [row.revoked_at is not None for row in await other.all_keys()] == [True]


async def test_what_a_key_is_held_to_is_known_at_every_gateway_and_its_person_goes_with_it(
    two: tuple[Credentials, Credentials],
) -> None:
    one, other = two
    held = replace(ROW, person="sealed", require_preview=True)
    await one.add_key(held)
    await one.add_key(replace(ROW, id="id2", name="named", person="sealed too"))
    await one.add_key(replace(ROW, id="id3", name="free"))
    assert (await other.standing()).keys["id1"] == held
    assert [(row.person, row.require_preview) for row in await one.all_keys()] == [
        ("sealed", True),
        ("sealed too", False),
        (None, False),
    ]
    for name in ("chatbot", "named", "free"):
        assert await other.revoke_key(name) is not None
    assert [(row.person, row.require_preview) for row in await one.all_keys()] == [
        (None, True),
        (None, False),
        (None, False),
    ]


async def test_a_database_from_before_keys_were_held_to_anything_is_given_the_table(
    two: tuple[Credentials, Credentials],
) -> None:
    one, other = two
    await one.add_key(ROW)
    async with one._ledger.writing() as connection:
        await connection.run_sync(api_key_bounds.drop)
    await other.open()
    assert (await other.standing()).keys == {"id1": ROW}


async def test_of_many_live_keys_of_one_name_there_is_one(two: tuple[Credentials, Credentials]) -> None:
    tries = [two[number % 2].add_key(replace(ROW, id=f"id{number}")) for number in range(12)]
    found = await asyncio.gather(*tries, return_exceptions=True)
    assert sum(isinstance(one, NameTaken) for one in found) == 11
    assert await two[0].revoke_key("chatbot") is not None
    await two[1].add_key(replace(ROW, id="again"))
    assert [row.id for row in await two[0].all_keys() if row.revoked_at is None] == ["again"]


async def test_a_session_that_two_gateways_end_at_once_is_over_at_both(two: tuple[Credentials, Credentials]) -> None:
    await asyncio.gather(*(two[number % 2].end_session("s", LATER) for number in range(8)))
    for one in two:
        assert (await one.standing()).ended == {"s"}


async def test_a_code_has_its_tries_however_many_gateways_are_asked_at_once(
    two: tuple[Credentials, Credentials],
) -> None:
    await two[0].keep_code("s", "right", LATER)
    wrong = await asyncio.gather(*(two[number % 2].try_code("s", "wrong", 5) for number in range(20)))
    assert wrong == [False] * 20
    assert await two[1].try_code("s", "right", 5) is False, "its tries are used up"
    assert await two[1].try_code("s", "right", 6) is True, "and five were counted, not one more or less"


async def test_a_code_is_good_for_one(two: tuple[Credentials, Credentials]) -> None:
    await asyncio.gather(*(two[number % 2].keep_code("s", "right", LATER) for number in range(6)))
    tries = await asyncio.gather(*(two[number % 2].try_code("s", "right", 5) for number in range(12)))
    assert sum(tries) == 1


async def test_a_whole_gateway_runs_on_postgresql(postgres: Server, tmp_path: Path) -> None:
    with postgres.copy("template0") as address:
        async with running_gateway(tmp_path, database=SecretText(address)) as gateway:
            cancel = {"input": {"orderId": "Order:us:450789001", "reason": "CUSTOMER"}, "key": "k1"}
            query = """mutation($input: CancelOrderInput!, $key: String!) {
                cancelOrder(input: $input, idempotencyKey: $key) { replayed action { id state } problem { code } } }"""
            first = (await gateway.ask(query, cancel))["data"]["cancelOrder"]
            again = (await gateway.ask(query, cancel))["data"]["cancelOrder"]
            assert first["action"] is not None
            assert (again["action"]["id"], again["replayed"]) == (first["action"]["id"], True)
            assert await gateway.runtime.not_ready() == {}
            assert [name for name in os.listdir(tmp_path) if ".db" in name] == []
        ledger = Ledger(address)
        await ledger.open()
        assert await ledger.by_id(first["action"]["id"].removeprefix("Action:")) is not None
        await ledger.close()
