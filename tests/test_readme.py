"""Every command and every query of the README is run here, and answers as it is written."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import socket
import sys
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime
from pathlib import Path

import aiohttp
import pytest

from gateway.matrix import capability_matrix
from gateway.settings import load
from sandbox.world import open_shops
from tests.readme_blocks import README, ROOT, blocks, commands
from tests.running import EVERY_STORE, Gateway, running_gateway


@pytest.fixture
async def gateway(tmp_path: Path) -> AsyncIterator[Gateway]:
    async with running_gateway(tmp_path, stores=EVERY_STORE) as running:
        yield running


async def run(*command: str, cwd: Path = ROOT, env: Mapping[str, str] | None = None) -> tuple[int, str, str]:
    process = await asyncio.create_subprocess_exec(
        *command,
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "200", **(env or {})},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    stdout, stderr = await process.communicate()
    assert process.returncode is not None
    return process.returncode, stdout.decode(), stderr.decode()


async def test_every_query_answers_as_written(gateway: Gateway) -> None:
    written = blocks("graphql", "json")
    pairs = list(zip(written[::2], written[1::2], strict=True))
    assert [(query.language, answer.language) for query, answer in pairs] == [("graphql", "json")] * len(pairs)
    assert len(pairs) >= 4
    for query, answer in pairs:
        got = await gateway.ask(query.text)
        assert "errors" not in got, got["errors"]
        assert got["data"] == json.loads(answer.text), query.text


async def test_every_curl_answers_as_written(gateway: Gateway) -> None:
    found = [command for command in commands() if command.line.startswith("curl ")]
    assert len(found) >= 2
    for command in found:
        line = command.line.replace("http://127.0.0.1:8000", gateway.url)
        code, out, err = await run("bash", "-c", line)
        assert (code, err) == (0, "")
        assert command.shown
        assert out.strip() == command.shown


async def test_every_sandbox_command_answers_as_written() -> None:
    found = [command for command in commands() if "--sandbox" in command.line]
    assert len(found) >= 2
    for command in found:
        assert command.line.startswith(".venv/bin/aftersale ")
        arguments = command.line.removeprefix(".venv/bin/aftersale ").split()
        code, out, err = await run(sys.executable, "-m", "gateway.cli", *arguments)
        assert code == 0, err
        if command.shown:
            assert out.strip() == command.shown
        else:
            assert "WINDOW_EXPIRED" in out
            assert "days_since = 31" in out


def test_every_make_target_exists() -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = {command.line.removeprefix("make ") for command in commands() if command.line.startswith("make ")}
    assert {"demo", "test", "check", "bench"} <= named <= targets


def test_no_command_is_left_out() -> None:
    for command in commands():
        assert re.match(
            r"make [a-z]+$|curl |\.venv/bin/aftersale (policy|actions|key|session|check$|serve$)", command.line
        ), command.line


async def test_the_configuration_as_written_is_checked_and_served(tmp_path: Path) -> None:
    policy, stores, several, callers = (block.text for block in blocks("yaml"))
    shared = re.search(r"^database: postgresql.*\n", several, re.MULTILINE)
    assert shared is not None
    settings = stores + several.replace(shared[0], "") + callers
    async with open_shops(datetime.now(UTC)) as shops:
        # The same words, at addresses that a test may call.
        local = "allow_private_address: true"
        settings = settings.replace("shop: acme-us", f"shop: acme-us\n    url: {shops['us'].url}\n    {local}")
        settings = settings.replace("url: https://eu.acme.example", f"url: {shops['eu'].url}\n    {local}")
        settings = settings.replace("extends: us,", f"extends: us, url: '{shops['subs'].url}', {local},")
        (tmp_path / "aftersale.yaml").write_text(settings, encoding="utf-8")
        (tmp_path / "policies").mkdir()
        (tmp_path / "policies" / "acme.yaml").write_text(policy, encoding="utf-8")
        woo = shops["eu"].simulator
        env = {
            "SHOPIFY_ID": shops["us"].simulator.client[0],
            "SHOPIFY_SECRET": shops["us"].simulator.client[1],
            "WOO_KEY": woo.key,
            "WOO_SECRET": woo.secret,
            "RECHARGE_TOKEN": "sandbox-recharge-token",
            "AFTERSALE_BOT_KEY": "a-bot-key-of-the-readme-test",
            "AFTERSALE_SECRET": "a-secret-of-at-least-thirty-two-characters",
            "SMTP_PASSWORD": "not-used-here",
            "WEBHOOK_SECRET": "a-webhook-secret-of-enough-characters",
            "DB_PASSWORD": "not-used-here",
        }
        one_database = re.search(r"^database: .*\n", settings, re.MULTILINE)
        assert one_database is not None
        (tmp_path / "several.yaml").write_text(settings.replace(one_database[0], shared[0]), encoding="utf-8")
        assert "not-used-here" not in repr(load(tmp_path / "several.yaml", environment=env))
        code, out, err = await run(sys.executable, "-m", "gateway.cli", "check", cwd=tmp_path, env=env)
        assert code == 0, out + err
        assert "3 stores" in out
        given = [one.line.split()[1:] for one in commands() if re.search(r"aftersale (key|session) ", one.line)]
        assert [words[1] for words in given] == ["create", "create", "revoke"]
        for words in given:
            code, out, err = await run(sys.executable, "-m", "gateway.cli", *words, cwd=tmp_path, env=env)
            assert code == 0, out + err
        (tmp_path / "new.yaml").write_text(policy, encoding="utf-8")
        audits = [
            one.line.split()[1:] for one in commands() if re.search(r"aftersale (actions|policy replay) ", one.line)
        ]
        assert [words[1] for words in audits] == ["list", "export", "forget", "replay"]
        for words in audits:
            code, out, err = await run(sys.executable, "-m", "gateway.cli", *words, cwd=tmp_path, env=env)
            assert code == 0, out + err
        assert (tmp_path / "actions.jsonl").read_text(encoding="utf-8") == ""
        with socket.create_server(("127.0.0.1", 0)) as listener:
            port = listener.getsockname()[1]
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "gateway.cli", "serve", "--port", str(port)),
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(ROOT), **env},
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            assert process.stderr is not None
            line = await asyncio.wait_for(process.stderr.readline(), 30)
            assert f"http://127.0.0.1:{port}/graphql" in line.decode()
            async with aiohttp.ClientSession() as session:
                body = {"query": "{ viewer { assurance actor { name } } stores { id } }"}
                async with session.post(f"http://127.0.0.1:{port}/graphql", json=body) as refused:
                    assert refused.status == 401
                key = {"authorization": f"Bearer {env['AFTERSALE_BOT_KEY']}"}
                async with session.post(f"http://127.0.0.1:{port}/graphql", json=body, headers=key) as answer:
                    data = (await answer.json())["data"]
                    assert data["viewer"] == {"assurance": "VERIFIED", "actor": {"name": "chatbot"}}
                    assert len(data["stores"]) == 3
        finally:
            process.send_signal(signal.SIGINT)
            assert await asyncio.wait_for(process.wait(), 15) == 0


def test_the_capability_matrix_is_what_the_adapters_say() -> None:
    text = README.read_text(encoding="utf-8")
    shown = text.partition("<!-- capability matrix: `aftersale matrix` prints it -->\n")[2].partition(
        "<!-- end of capability matrix -->"
    )[0]
    assert shown.strip() == capability_matrix().strip(), "run `.venv/bin/aftersale matrix` and put it into the README"


def test_every_linked_file_exists() -> None:
    for target in re.findall(r"\]\(([^)#:]+)\)", README.read_text(encoding="utf-8")):
        assert (ROOT / target).exists(), target
