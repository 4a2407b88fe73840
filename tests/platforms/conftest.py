"""On which event loops the tests of a module run: those it names in `LOOPS`, else asyncio's own."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

import pytest

_ORDINARY: Mapping[str, Callable[[], asyncio.AbstractEventLoop]] = {"asyncio": asyncio.new_event_loop}


def pytest_asyncio_loop_factories(
    config: pytest.Config, item: Any
) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    loops: Mapping[str, Callable[[], asyncio.AbstractEventLoop]] = getattr(item.module, "LOOPS", _ORDINARY)
    return loops
