"""Whole gateways for tests: one for each test that changes something, one for all of a module's that only read."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.running import Gateway, running_gateway


@pytest.fixture
async def gateway(tmp_path: Path) -> AsyncIterator[Gateway]:
    async with running_gateway(tmp_path) as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def standing(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Gateway]:
    """For tests marked `asyncio(loop_scope="module")`, which leave the world as it is."""
    async with running_gateway(tmp_path_factory.mktemp("standing")) as running:
        yield running
