"""Gateways in development and in production for tests of the protocol, and real clients of it in Node."""

from __future__ import annotations

import asyncio
import hashlib
import json
import shutil
import subprocess
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from sandbox.people import BOT_KEY
from tests.running import Gateway, running_gateway

HERE = Path(__file__).parent
BOT = {"authorization": f"Bearer {BOT_KEY}"}


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: Any

    @property
    def media(self) -> str:
        return self.headers["content-type"].partition(";")[0]

    @property
    def error(self) -> dict[str, Any]:
        """The one error of an answer without data."""
        assert "data" not in self.body, self.body
        [found] = self.body["errors"]
        return dict(found)

    @property
    def code(self) -> str:
        return str(self.error["extensions"]["code"])


async def send(gateway: Gateway, method: str = "POST", path: str = "/graphql", **request: Any) -> Answer:
    """A raw request. Its answer is JSON, in UTF-8, and says which request it was."""
    skip = {"Accept"} if "accept" not in {name.lower() for name in request.get("headers") or {}} else None
    async with gateway.session.request(method, f"{gateway.url}{path}", skip_auto_headers=skip, **request) as response:
        text = (await response.read()).decode()
        headers = {name.lower(): value for name, value in response.headers.items()}
        if path.startswith("/graphql"):
            assert headers["content-type"].endswith("; charset=utf-8")
            assert headers["x-request-id"]
        return Answer(response.status, headers, json.loads(text) if text else None)


async def post(gateway: Gateway, query: str, headers: dict[str, str] | None = None, **more: Any) -> Answer:
    return await send(gateway, json={"query": query, **more}, headers=headers)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def development(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Gateway]:
    async with running_gateway(tmp_path_factory.mktemp("development"), at_once=False) as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def production(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Gateway]:
    """As a merchant runs it; without a token the sandbox still takes a caller as staff."""
    async with running_gateway(tmp_path_factory.mktemp("production"), at_once=False, production=True) as running:
        yield running


@pytest.fixture(scope="session")
def node_modules() -> Path:
    """The folder of this suite's Node packages, installed from its lock file once for each state of it."""
    npm = shutil.which("npm")
    if npm is None or shutil.which("node") is None:
        pytest.skip("Node.js with npm is missing")
    folder = HERE / "node_modules"
    stamp = folder / ".installed"
    state = hashlib.sha256((HERE / "package-lock.json").read_bytes()).hexdigest()
    if not stamp.is_file() or stamp.read_text() != state:
        run = subprocess.run(
            [npm, "ci", "--no-audit", "--no-fund"], cwd=HERE, capture_output=True, text=True, timeout=280, check=False
        )
        assert run.returncode == 0, run.stderr
        stamp.write_text(state)
    return folder


async def run_node(script: str, *arguments: str, seconds: float = 60) -> list[Any]:
    """What a script of this folder prints: one JSON value a line."""
    process = await asyncio.create_subprocess_exec(
        "node", script, *arguments, cwd=HERE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    try:
        out, err = await asyncio.wait_for(process.communicate(), seconds)
    except TimeoutError:
        process.kill()
        await process.wait()
        raise
    assert process.returncode == 0, err.decode() + out.decode()
    return [json.loads(line) for line in out.decode().splitlines()]
