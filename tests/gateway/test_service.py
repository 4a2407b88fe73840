"""What an operator sees of a running gateway: health, metrics, log lines, headers, and the page in a browser."""

from __future__ import annotations

import io
import json
import logging
import os
import shutil
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog
from prometheus_client.parser import text_string_to_metric_families

from gateway import app
from gateway.operations import document
from gateway.telemetry import configure_logging
from sandbox.faults import Fault
from sandbox.people import BOT_KEY
from sandbox.world import POLICIES, SECRET
from tests.running import Gateway, running_gateway

reads = pytest.mark.asyncio(loop_scope="module")

ADA = {"email": "ada@example.com"}


async def got(gateway: Gateway, path: str) -> tuple[int, Any, Any]:
    """Status, body and headers."""
    async with gateway.session.get(f"{gateway.url}{path}", allow_redirects=False) as response:
        text = await response.text()
        kind = response.headers.get("content-type", "")
        return response.status, json.loads(text) if kind.startswith("application/json") else text, response.headers


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    """The log of the test, as the command writes it, down to its finest lines."""
    stream, root = io.StringIO(), logging.getLogger()
    handlers, level = list(root.handlers), root.level
    configure_logging(stream, level=logging.DEBUG)
    yield stream
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


# ------------------------------------------------------------------ health
@reads
async def test_a_gateway_that_is_up_says_so(standing: Gateway) -> None:
    assert (await got(standing, "/healthz"))[:2] == (200, {"status": "ok"})
    status, ready, _ = await got(standing, "/readyz")
    assert (status, ready["status"], ready["problems"]) == (200, "ready", {})
    assert set(ready["stores"]) == {"us", "eu", "subs"}


@pytest.mark.parametrize(("client", "carries"), [("own", "Connections"), ("aiohttp", "AiohttpClient")])
async def test_either_client_carries_the_calls_to_the_stores(tmp_path: Path, client: str, carries: str) -> None:
    async with running_gateway(tmp_path, client=client) as gateway:
        answer = await gateway.ask(document("WhereIsMyOrder"), {"number": "1001"})
        [order] = answer["data"]["lookupOrder"]["orders"]
        assert (order["number"], answer.get("errors")) == ("1001", None)
        reached = [clients(platform) for platform in gateway.runtime.platforms.values()]
        assert {type(one).__name__ for of_store in reached for one in of_store} == {carries}


def clients(platform: Any) -> Collection[object]:
    """What a store is reached by now."""
    return platform._transport._clients.values()


async def test_a_store_that_is_down_does_not_make_the_gateway_unready(gateway: Gateway) -> None:
    gateway.shops["us"].faulty.faults.append(Fault("us", "500"))
    for _ in range(4):
        await gateway.ask(document("WhereIsMyOrder"), {"number": "1001"})
    status, ready, _ = await got(gateway, "/readyz")
    assert (status, ready["status"], ready["problems"]) == (200, "ready", {})
    assert ready["stores"]["us"] == "DOWN"
    assert ready["stores"]["eu"] == "OK"


async def test_a_broken_policy_is_told_of_and_the_last_good_one_still_decides(tmp_path: Path) -> None:
    policies = tmp_path / "policies"
    policies.mkdir()
    path = policies / "acme.yaml"
    shutil.copy(POLICIES / "acme.yaml", path)
    good = path.read_text("utf-8")
    async with running_gateway(tmp_path, policies=policies) as running:

        def write(text: str) -> None:
            path.write_text(text, "utf-8")
            os.utime(path, ns=(path.stat().st_atime_ns, path.stat().st_mtime_ns + 1_000_000_000))
            running.runtime.policies.refresh()

        async def decided() -> str:
            order = (await running.run("MayICancelIt", {"id": "Order:us:450789001"}))["order"]
            code: str = order["eligibility"][0]["decision"]["reasons"][0]["code"]
            return code

        digest = running.runtime.policies.digest
        assert await decided() == "ALREADY_FULFILLED"
        write(good.replace("window: {minutes: 30", "windw: {minutes: 30"))
        status, ready, _ = await got(running, "/readyz")
        assert (status, ready["status"], list(ready["problems"])) == (503, "not ready", ["policy"])
        assert "last good policy is still in force" in ready["problems"]["policy"]
        assert (await decided(), running.runtime.policies.digest) == ("ALREADY_FULFILLED", digest)
        assert (await got(running, "/healthz"))[0] == 200
        write(good + "# as before\n")
        assert (await got(running, "/readyz"))[0] == 200


async def test_without_its_database_the_gateway_is_not_ready_and_still_alive(gateway: Gateway) -> None:
    await gateway.runtime.recovery.stop()
    await gateway.runtime.ledger.close()
    database = gateway.runtime.settings.database_path
    for file in database.parent.glob(f"{database.name}*"):
        file.unlink()
    database.mkdir()  # no database can be opened, nor made anew, where a folder stands
    status, ready, _ = await got(gateway, "/readyz")
    assert (status, ready["problems"]) == (503, {"database": "the database does not answer"})
    assert (await got(gateway, "/healthz"))[0] == 200


# ------------------------------------------------------------------ metrics
async def test_metrics_count_calls_waits_decisions_actions_and_requests(gateway: Gateway) -> None:
    await gateway.run("SupportView", ADA)
    await gateway.run("SupportView", ADA)
    await gateway.ask(document("WhereIsMyOrder"), {"number": "1001"}, headers={"X-Sandbox-Fault": "eu=500"})
    line = (await gateway.run("MayIReturnIt", {"id": "Order:us:450789003"}))["order"]["lines"][0]["id"]
    asked = {"orderId": "Order:us:450789003", "lines": [{"lineId": line, "quantity": 1, "reason": "UNWANTED"}]}
    await gateway.run("ReturnIt", {"input": asked, "key": "late"})
    await gateway.ask("{ nothing }")
    await gateway.ask("{")

    status, text, headers = await got(gateway, "/metrics")
    assert (status, headers["content-type"].startswith("text/plain")) == (200, True)
    found = {
        (sample.name, *(f"{key}={value}" for key, value in sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }

    def total(name: str, *labels: str) -> float:
        return sum(value for key, value in found.items() if key[0] == name and set(labels) <= set(key[1:]))

    calls = "aftersale_upstream_calls_total"
    assert total(calls, "store=us", "operation=customers.by_email", "outcome=ok") == 2
    assert total(calls, "store=eu", "operation=products.batch", "outcome=ok") == 2
    assert total(calls, "store=subs", "outcome=ok") > 0
    # The first attempt and those after it, each of them with its wait.
    failed = sum(
        value for key, value in found.items() if key[0] == calls and "store=eu" in key and "outcome=ok" not in key
    )
    assert failed >= 2
    assert total("aftersale_upstream_seconds_count", "store=us") == total(calls, "store=us")
    assert total("aftersale_upstream_wait_seconds_count", "store=eu") >= 1
    assert total("aftersale_decisions_total", "action=RETURN_ORDER", "rule=return-window", "verdict=DENY") >= 1
    assert total("aftersale_actions_total", "kind=RETURN_ORDER", "state=DENIED") == 1
    requests = "aftersale_requests_total"
    assert total(requests, "operation=SupportView", "outcome=ok") == 2
    assert total(requests, "operation=ReturnIt", "outcome=ok") == 1
    assert total(requests, "operation=anonymous", "outcome=error") == 2
    assert total("aftersale_request_seconds_count", "operation=SupportView") == 2
    assert "process_resident_memory_bytes" in text
    assert "example.com" not in text


# ------------------------------------------------------------------ logs
async def test_the_answers_request_id_is_on_its_log_lines(lines: io.StringIO, gateway: Gateway) -> None:
    query = {"query": document("MayICancelIt"), "variables": {"id": "Order:us:450789001"}}
    async with gateway.session.post(f"{gateway.url}/graphql", json=query) as response:
        made = response.headers["x-request-id"]
    offered = {"x-request-id": "ticket-4711-a"}
    async with gateway.session.post(f"{gateway.url}/graphql", json=query, headers=offered) as response:
        assert response.headers["x-request-id"] == "ticket-4711-a"
    # An id that could break a log line, or holds an address, is not taken over.
    for bad in ("short", "x" * 65, "ada@example.com"):
        async with gateway.session.post(
            f"{gateway.url}/graphql", json=query, headers={"x-request-id": bad}
        ) as response:
            assert response.headers["x-request-id"] != bad

    told = [json.loads(line) for line in lines.getvalue().splitlines()]
    for id in (made, "ticket-4711-a"):
        [call] = [line for line in told if line.get("request_id") == id and line["event"] == "upstream call"]
        assert (call["store"], call["operation"], call["status"]) == ("us", "orders.by_id", 200)
        assert (call["level"], call["logger"], call["timestamp"][-1]) == ("debug", "platforms.transport", "Z")


async def test_no_log_line_tells_an_address_or_a_key(lines: io.StringIO, gateway: Gateway) -> None:
    for email in ("ada@example.com", "bob@example.com", "nobody@example.com"):
        await gateway.run("SupportView", {"email": email})
    await gateway.ask(document("WhoIsThis"), ADA, headers={"X-Sandbox-Fault": "us=500, eu=garbage, subs=drop"})
    await gateway.ask(document("WhereIsMyOrder"), {"number": "2002", "email": "bob@example.com"})
    await gateway.ask("{ viewer { assurance } }", headers={"Authorization": f"Bearer {BOT_KEY}"})
    await gateway.ask(f'{{ customer(by: {{email: "{ADA["email"]}"}}) {{ nothing }} }}')
    until = "2099-01-01"
    await gateway.run(
        "PauseIt",
        {"input": {"subscriptionId": "SubscriptionContract:subs:9001", "until": until}, "key": "a-key-of-mine"},
    )
    text = lines.getvalue()
    assert text.count("\n") > 20
    secrets = [BOT_KEY, SECRET, "a-key-of-mine"]
    for shop in gateway.shops.values():
        credentials = gateway.runtime.settings.stores[shop.plan.key]
        secrets += [value.reveal() for value in _secrets(credentials)]
    assert len(secrets) >= 7
    for secret in secrets:
        assert secret not in text
    for trace in ("@example.com", "%40example.com", "Lovelace", "Authorization", "x-shopify-access-token"):
        assert trace not in text, [line for line in text.splitlines() if trace in line]


def _secrets(config: Any) -> list[Any]:
    credentials = config.credentials
    return [value for name in type(credentials).model_fields if hasattr(value := getattr(credentials, name), "reveal")]


# ------------------------------------------------------------------ headers and the page
@reads
async def test_answers_are_not_kept_and_run_nothing(standing: Gateway) -> None:
    async with standing.session.post(f"{standing.url}/graphql", json={"query": "{ stores { id } }"}) as response:
        assert response.headers["cache-control"] == "no-store"
        assert response.headers["x-content-type-options"] == "nosniff"
        assert response.headers["referrer-policy"] == "no-referrer"
        assert response.headers["content-security-policy"] == "default-src 'none'; frame-ancestors 'none'"
        assert "server" not in response.headers


@reads
async def test_the_page_runs_scripts_of_its_own_origin_only(standing: Gateway) -> None:
    for path in ("/graphiql", "/graphiql/config.json"):
        status, _, headers = await got(standing, path)
        policy = dict(part.split(" ", 1) for part in headers["content-security-policy"].split("; "))
        assert (status, policy["default-src"], policy["script-src"]) == (200, "'none'", "'self'")
        assert (policy["connect-src"], policy["frame-ancestors"]) == ("'self'", "'none'")
    status, _, headers = await got(standing, "/")
    assert (status, headers["location"]) == (307, "/graphiql")


@reads
async def test_the_page_opens_on_five_tabs_that_run(standing: Gateway) -> None:
    _, config, _ = await got(standing, "/graphiql/config.json")
    assert (config["endpoint"], config["sandbox"]) == ("/graphql", True)
    assert [tab["title"] for tab in config["tabs"]] == [
        "Who is this customer?",
        "Where is my order?",
        "May I return it?",
        "Cancel it",
        "Pause it",
    ]
    for tab in config["tabs"][:3]:  # the others change the world
        answer = await standing.ask(tab["query"], tab["variables"])
        assert "errors" not in answer
        assert all(answer["data"].values())


async def test_without_built_assets_the_page_says_what_to_install_and_the_api_runs(
    gateway: Gateway, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(app, "STATIC", tmp_path / "nothing")
    status, page, _ = await got(gateway, "/graphiql")
    assert status == 200
    assert "Node.js" in page
    assert "make web" in page
    assert (await got(gateway, "/graphiql/config.json"))[0] == 200
    assert "errors" not in await gateway.ask("{ stores { id } }")
