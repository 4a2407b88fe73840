"""A shop and a ledger for each test, on every database that can hold one."""

from __future__ import annotations

import asyncio
import shutil
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

import pytest

from actions.ledger import Ledger
from tests.actions.shop import Street, World, world
from tests.postgres import Server

#: A new ledger with its tables in it, copied since making them takes longer than most tests; gone after the block.
Blank = Callable[[], AbstractContextManager[str]]


@pytest.fixture(scope="session")
def street() -> Iterator[Street]:
    made = Street()
    made.open()
    yield made
    made.close()


async def lay_out(address: str) -> None:
    ledger = Ledger(address)
    await ledger.open()
    await ledger.close()


@pytest.fixture(scope="session")
def blank_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Blank:
    folder = tmp_path_factory.mktemp("ledgers")
    asyncio.run(lay_out(f"sqlite:///{folder}/blank.db"))

    @contextmanager
    def blank() -> Iterator[str]:
        place = folder / uuid.uuid4().hex
        place.mkdir()
        shutil.copy(folder / "blank.db", place / "ledger.db")
        yield f"sqlite:///{place}/ledger.db"
        shutil.rmtree(place)

    return blank


@pytest.fixture(scope="session")
def blank_postgresql(postgres: Server) -> Iterator[Blank]:
    with postgres.template(lay_out) as template:
        with postgres.ledgers(template) as ledgers:
            yield ledgers


@pytest.fixture(scope="session", params=["sqlite", "postgresql"])
def blank(request: pytest.FixtureRequest) -> Blank:
    found: Blank = request.getfixturevalue(f"blank_{request.param}")
    return found


@pytest.fixture
def address(blank: Blank) -> Iterator[str]:
    """Of an empty ledger."""
    with blank() as made:
        yield made


@pytest.fixture
async def shop(street: Street, address: str) -> AsyncIterator[World]:
    async with world(street, address) as made:
        yield made
