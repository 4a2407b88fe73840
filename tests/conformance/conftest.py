"""A seeded store of each platform, one after the other behind one address a module."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from platforms.base import Platform
from platforms.registry import PLATFORMS
from sandbox.serving import serve
from tests.conformance.cases import World


class Address:
    """One port for the module's worlds."""

    url = ""
    world: World

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await self.world.door(scope, receive, send)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def address() -> AsyncIterator[Address]:
    found = Address()
    async with serve(found) as found.url:
        yield found


@pytest.fixture(params=sorted(PLATFORMS))
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest_asyncio.fixture(loop_scope="module")
async def world(address: Address, name: str) -> AsyncIterator[World]:
    address.world = world = World(name, address.url)
    yield world
    for platform in world.opened:
        await platform.close()
    assert world.faults() == []


@pytest.fixture
def store(world: World) -> Platform:
    return world.platform()
