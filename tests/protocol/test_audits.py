"""GraphQL over HTTP's own audits, from the package that its authors publish."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.protocol.conftest import run_node
from tests.running import Gateway

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_every_audit_passes_in_development(development: Gateway, node_modules: Path) -> None:
    found = await run_node("audits.mjs", f"{development.url}/graphql")
    assert len(found) == 61
    assert [one for one in found if one["status"] != "ok"] == []


async def test_in_production_only_the_plain_link_is_refused(production: Gateway, node_modules: Path) -> None:
    found = await run_node("audits.mjs", f"{production.url}/graphql")
    assert len(found) == 61
    # A GET without a header that a script must set: any link or image of another site could send it.
    assert [one["id"] for one in found if one["status"] != "ok"] == ["5A70"]
