"""`aftersale check` names the store, the cause and the cure, whatever is wrong with a store of any platform."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from gateway.cli import _shown
from gateway.store_check import Finding, ask, findings
from platforms.base import Platform, Services, StoreConfig
from platforms.registry import PLATFORMS
from platforms.secrets import SecretText
from platforms.transport import Limits
from sandbox.serving import serve
from sandbox.world import PLANS, ShopPlan
from schema.vocabulary import ActionKind

ROOT = Path(__file__).resolve().parents[2]
NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
BY_PLATFORM = {plan.platform: plan for plan in PLANS}
EVERY = pytest.mark.parametrize("plan", PLANS, ids=lambda plan: plan.platform)


def simulator(plan: ShopPlan, **switches: Any) -> Any:
    seed = import_module(f"platforms.{plan.platform}.seed").seed(NOW)
    return import_module(f"platforms.{plan.platform}.simulator").Simulator(seed, **{**plan.shop, **switches})


def store(plan: ShopPlan, at: str, **changed: Any) -> Platform:
    settled = plan.config(at)
    given = {name: getattr(settled, name) for name in settled.model_fields_set} | changed
    services = Services(limits=Limits(retries=0))
    config: StoreConfig = type(settled)(**given)
    return PLATFORMS[plan.platform].load()(config, services)


async def told(platform: Platform) -> list[Finding]:
    errors = await ask([platform])
    return findings(platform, errors[platform.config.id])


def answering(status: int, body: bytes, kind: str, **headers: str) -> Any:
    """A server that says the same to everybody."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        sent = {"content-type": kind, "content-length": str(len(body)), **headers}
        listed = [(name.encode(), value.encode()) for name, value in sent.items()]
        await send({"type": "http.response.start", "status": status, "headers": listed})
        await send({"type": "http.response.body", "body": body})

    return app


def html(status: int, text: str = "Welcome to our shop") -> Any:
    return answering(status, f"<!doctype html><html><body>{text}</body></html>".encode(), "text/html; charset=utf-8")


# ------------------------------------------------------------------ credentials


@EVERY
async def test_wrong_credentials_are_told_as_such_and_where_they_stand(plan: ShopPlan) -> None:
    async with serve(simulator(plan)) as url:
        given = plan.config(url).credentials  # type: ignore[attr-defined]
        wrong = type(given)(**{name: SecretText(f"wrong-{name}") for name in given.model_fields_set})
        [found] = await told(store(plan, url, credentials=wrong))
    assert found.store == plan.key
    assert found.fatal
    assert any(word in found.cause for word in ("does not know", "does not accept", "does not take")), found.cause
    assert found.cure.startswith("Put valid `credentials`")
    assert all(f"`{name}`" in found.cure for name in given.model_fields_set)
    assert "wrong-" not in str(found)


# ------------------------------------------------------------------ permissions

#: Of the simulator that lacks something, and what is then said; a platform without narrower rights has none.
LACKING: Mapping[str, tuple[Callable[[Any], None], str]] = {
    "shopify": (lambda shop: shop.scopes.discard("write_orders"), "write_orders"),
    "recharge": (
        lambda shop: setattr(
            shop.state, "scopes", tuple(one for one in shop.state.scopes if one != "write_subscriptions")
        ),
        "write_subscriptions",
    ),
    "bigcommerce": (lambda shop: setattr(shop, "scopes", frozenset({"store_v2_information"})), "store_v2_orders"),
    "commercetools": (lambda shop: setattr(shop, "scopes", shop.scopes[:-1]), "manage_payments:acme-de"),
    "magento": (
        lambda shop: setattr(shop, "lacking", frozenset({"Magento_Sales::actions_view"})),
        "Magento_Sales::actions_view",
    ),
}


@pytest.mark.parametrize("name", LACKING)
async def test_a_missing_permission_is_named_with_what_it_keeps_from_being_done(name: str) -> None:
    plan, (take_away, scope) = BY_PLATFORM[name], LACKING[name]
    shop = simulator(plan)
    take_away(shop)
    async with serve(shop) as url:
        found = await told(store(plan, url))
    [about] = [one for one in found if scope in one.cause]
    assert (about.store, about.fatal) == (plan.key, False)
    assert "so they cannot" in about.cause
    assert about.cure.startswith("Grant ")
    assert about.cure.endswith(f"to the credentials at {PLATFORMS[name].load().name}.")


async def test_a_key_that_may_not_even_read_is_told_so_and_stops_everything() -> None:
    plan = BY_PLATFORM["woocommerce"]
    async with serve(simulator(plan, permission="write")) as url:
        [found] = await told(store(plan, url))
    assert (found.store, found.fatal) == (plan.key, True)
    assert found.cause == "the key's permission does not allow this"
    assert found.cure == "Grant what is missing (read) to the credentials at WooCommerce."


async def test_a_key_that_does_not_tell_its_rights_lacks_none_until_a_write_is_refused() -> None:
    assert {*LACKING, "medusa", "woocommerce"} == set(PLATFORMS)
    for name in ("medusa", "woocommerce"):
        plan = BY_PLATFORM[name]
        async with serve(simulator(plan)) as url:
            assert await told(store(plan, url)) == []


# ------------------------------------------------------------------ addresses

#: Settings that lead past the store, and what the cure must speak of.
ELSEWHERE: Mapping[str, tuple[Callable[[str], Mapping[str, Any]], str]] = {
    "shopify": (lambda url: {"url": f"{url}/nowhere"}, "`shop` (acme-us)"),
    "woocommerce": (lambda url: {"url": f"{url}/nowhere"}, "/nowhere)"),
    "recharge": (lambda url: {"url": f"{url}/nowhere"}, "/nowhere)"),
    "bigcommerce": (lambda url: {"store_hash": "other"}, "`store_hash` (other)"),
    "commercetools": (lambda url: {"project": "other"}, "`project` (other)"),
    "magento": (lambda url: {"store_code": "other"}, "`store_code` (other)"),
    "medusa": (lambda url: {"url": f"{url}/nowhere"}, "/nowhere)"),
}


@EVERY
async def test_a_wrong_address_is_told_as_such_with_the_setting_that_holds_it(plan: ShopPlan) -> None:
    changed, named = ELSEWHERE[plan.platform]
    async with serve(simulator(plan)) as url:
        [found] = await told(store(plan, url, **changed(url)))
    assert (found.store, found.fatal) == (plan.key, True)
    assert found.cure.startswith("Check ")
    assert named in found.cure


@EVERY
async def test_an_address_where_nobody_listens_is_told_as_such(plan: ShopPlan) -> None:
    [found] = await told(store(plan, "http://127.0.0.1:9"))
    assert found.store == plan.key
    assert "could not be reached: it does not accept connections" in found.cause
    assert found.cure.startswith("Check ")
    assert found.cure.endswith("that the store is up, and that this machine may reach it.")


@EVERY
async def test_html_instead_of_json_is_told_as_somebody_elses_answer(plan: ShopPlan) -> None:
    async with serve(html(200)) as url:
        [found] = await told(store(plan, url))
    assert (found.store, found.fatal) == (plan.key, True)
    assert "came as text/html, not JSON" in found.cause
    assert found.cure.startswith(f"Something other than {PLATFORMS[plan.platform].load().name} answers there: check ")
    assert "http://127.0.0.1" in found.cure or plan.platform == "shopify"


@EVERY
async def test_a_firewall_is_told_as_such(plan: ShopPlan) -> None:
    async with serve(html(403, "Request blocked")) as url:
        [found] = await told(store(plan, url))
    assert (found.store, found.fatal) == (plan.key, True)
    assert "let it through the firewall" in found.cure


@EVERY
async def test_a_redirect_is_told_with_where_it_leads(plan: ShopPlan) -> None:
    async with serve(answering(301, b"", "text/html", location="https://elsewhere.example/shop")) as url:
        [found] = await told(store(plan, url))
    assert found.store == plan.key
    assert "redirects to https://elsewhere.example (HTTP 301)" in found.cause
    assert found.cure.startswith("Write the address it redirects to into ")


@EVERY
async def test_a_store_that_fails_is_told_as_such(plan: ShopPlan) -> None:
    async with serve(html(503, "Down for maintenance")) as url:
        [found] = await told(store(plan, url))
    assert found.store == plan.key
    assert "HTTP 503" in found.cause
    assert "fails: try again later" in found.cure


# ------------------------------------------------------------------ versions

#: How each answers a call of a version that it no longer has.
GONE: Mapping[str, tuple[int, Any]] = {
    "shopify": (404, {"errors": "Not Found"}),
    "woocommerce": (
        404,
        {"code": "rest_no_route", "message": "No route was found matching the URL.", "data": {"status": 404}},
    ),
    "recharge": (410, {"errors": "Gone"}),
    "bigcommerce": (410, [{"status": 410, "message": "This version is no longer available."}]),
    "commercetools": (404, {"statusCode": 404, "message": "Route not found", "error": "Not Found"}),
    "magento": (404, {"message": "Request does not match any route."}),
    "medusa": (404, None),
}


@EVERY
async def test_a_version_that_is_gone_is_told_with_the_one_that_is_spoken(plan: ShopPlan) -> None:
    status, body = GONE[plan.platform]
    app = html(404, "<pre>Cannot GET /admin/stores</pre>") if body is None else None
    async with serve(app or answering(status, json.dumps(body).encode(), "application/json")) as url:
        platform = store(plan, url)
        [found] = await told(platform)
    assert (found.store, found.fatal) == (plan.key, True)
    assert f"{platform.name} no longer offers the version that is asked for" in found.cure
    assert found.cure.endswith("update the gateway.")
    if platform.api_version is not None:
        assert f"this gateway speaks version {platform.api_version}" in found.cure


async def test_a_version_that_another_one_stands_in_for_is_told_and_does_not_stop_anything() -> None:
    plan = BY_PLATFORM["shopify"]
    async with serve(simulator(plan, answers_version="2031-01")) as url:
        platform = store(plan, url)
        [found] = await told(platform)
    assert (found.store, found.fatal) == ("us", False)
    assert found.cause.endswith("is gone, and 2031-01 answers in its place")
    assert found.cure == "Update the gateway to one that was written for it."


# ------------------------------------------------------------------ the command


async def test_every_store_is_told_of_by_itself(capsys: pytest.CaptureFixture[str]) -> None:
    """One that is well, one that lacks a permission, one that is not there."""
    ca, se = BY_PLATFORM["bigcommerce"], BY_PLATFORM["medusa"]
    lacking = simulator(ca)
    LACKING["bigcommerce"][0](lacking)
    async with serve(lacking) as url, serve(simulator(se)) as other:
        platforms = {
            "ca": store(ca, url),
            "se": store(se, other),
            "nl": store(BY_PLATFORM["magento"], "http://127.0.0.1:9"),
        }
        errors = await ask(platforms.values())
    assert not _shown(platforms, errors)
    lines = capsys.readouterr().out.splitlines()
    assert any(
        line.startswith("ca: the credentials lack store_v2_orders, so they cannot cancel order") for line in lines
    )
    assert any(line.startswith("nl: 127.0.0.1 could not be reached") for line in lines)
    assert not any(line.startswith("se:") for line in lines)
    assert platforms["ca"].capability(ActionKind.CANCEL_ORDER).required_scopes == ["store_v2_orders"]


async def test_the_command_ends_with_1_and_says_why(tmp_path: Path) -> None:
    (tmp_path / "policies").mkdir()
    (tmp_path / "policies" / "small.yaml").write_text(
        "policy: small\nstores: [se]\nrules:\n  - {id: cancel, action: CANCEL_ORDER, then: ALLOW}\n"
    )
    async with serve(html(200)) as url:
        (tmp_path / "aftersale.yaml").write_text(
            "stores:\n  se:\n    platform: medusa\n"
            f"    url: {url}\n    allow_private_address: true\n    currency: SEK\n"
            '    credentials: {secret_key: "${KEY}"}\npolicies: policies/\napi_keys: []\n'
        )
        words = [sys.executable, "-m", "gateway.cli", "check", "--config", str(tmp_path / "aftersale.yaml")]
        secrets = {"KEY": "sk_of-nobody", "AFTERSALE_SECRET": "0123456789abcdef0123456789abcdef"}
        environment = {**os.environ, **secrets, "COLUMNS": "250", "NO_COLOR": "1"}
        ran = await asyncio.to_thread(
            subprocess.run, words, env=environment, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
        )
    assert ran.returncode == 1, ran.stderr
    [line] = [line for line in ran.stdout.splitlines() if line.startswith("se: ")]
    assert "came as text/html, not JSON" in line
    assert f"Something other than Medusa answers there: check `url` ({url})" in line
    assert "sk_of-nobody" not in ran.stdout + ran.stderr
