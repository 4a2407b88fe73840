"""Tests against real servers are only there when a server's address is in the environment: see `make test-live`."""

import os

import pytest

collect_ignore_glob = [] if os.environ.get("MEDUSA_LIVE_URL") else ["*"]


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "live: asks a real server, whose address and keys are in the environment")
