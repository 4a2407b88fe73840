"""A shop and a ledger for each test."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from actions.ledger import Ledger
from tests.actions.shop import Street, World, world


@pytest.fixture(scope="session")
def street() -> Iterator[Street]:
    made = Street()
    made.open()
    yield made
    made.close()


@pytest.fixture(scope="session")
def blank(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty ledger, to be copied: making its tables takes longer than most tests."""
    path = tmp_path_factory.mktemp("blank") / "ledger.db"

    async def make() -> None:
        ledger = Ledger(path)
        await ledger.open()
        await ledger.close()

    asyncio.run(make())
    return path


@pytest.fixture
async def shop(street: Street, blank: Path, tmp_path: Path) -> AsyncIterator[World]:
    shutil.copy(blank, tmp_path)
    async with world(street, tmp_path) as made:
        yield made
