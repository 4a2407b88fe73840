"""What a store can do is asked again from time to time, so that no restart is needed to see it change."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from platforms.base import ORDER_FACTS, CancelOrder
from platforms.errors import MissingScope
from sandbox.faults import Fault
from sandbox.shops import KEPT, forget
from schema.vocabulary import ActionKind, CancelReason, RefundChoice, SupportLevel
from tests.running import EVERY_STORE, Gateway, running_gateway

CAPABILITIES = "{ stores { id capabilities { action support note } } }"
#: Soon enough for a test: 50 ms.
SOON = 0.05 / 60


async def support(gateway: Gateway, store: str, action: str) -> str:
    """As a client sees it."""
    answer = await gateway.ask(CAPABILITIES)
    assert "errors" not in answer
    [found] = [one for one in answer["data"]["stores"] if one["id"] == f"Store:{store}"]
    levels: dict[str, str] = {one["action"]: one["support"] for one in found["capabilities"]}
    return levels[action]


async def health(gateway: Gateway, store: str) -> str:
    return gateway.runtime.platforms[store].health().status.value


async def comes_true(what: Callable[[], Awaitable[Any]], wanted: Any) -> None:
    for _ in range(100):
        if await what() == wanted:
            return
        await asyncio.sleep(0.03)
    raise AssertionError(f"still {await what()}, not {wanted}")


async def test_a_plug_in_installed_later_shows_without_a_restart(tmp_path: Path) -> None:
    async with running_gateway(tmp_path, capabilities_minutes=SOON) as gateway:

        def pausing() -> Awaitable[str]:
            return support(gateway, "eu", "PAUSE_SUBSCRIPTION")

        shop = gateway.shops["eu"].simulator
        assert await pausing() != "UNSUPPORTED"
        shop.plugin = False
        await comes_true(pausing, "UNSUPPORTED")
        shop.plugin = True
        await comes_true(pausing, "EMULATED")


async def test_a_permission_granted_later_shows_though_only_a_refused_write_told_that_it_was_missing(
    tmp_path: Path,
) -> None:
    async with running_gateway(tmp_path, capabilities_minutes=1.5 / 60) as gateway:
        platform, shop = gateway.runtime.platforms["eu"], gateway.shops["eu"].simulator
        before = platform.capability(ActionKind.CANCEL_ORDER).support
        shop.permission = "read"
        order = (await platform.orders(["2001"], ORDER_FACTS))["2001"]
        with pytest.raises(MissingScope):
            await platform.cancel_order(
                CancelOrder("act-1", order, CancelReason.CUSTOMER, RefundChoice.NONE, False, False)
            )
        assert platform.capability(ActionKind.CANCEL_ORDER).support is SupportLevel.MISSING_SCOPE
        assert await support(gateway, "eu", "CANCEL_ORDER") == "MISSING_SCOPE"
        shop.permission = "read_write"
        await comes_true(lambda: support(gateway, "eu", "CANCEL_ORDER"), before.value)


async def test_a_store_that_does_not_answer_keeps_what_was_known_of_it(tmp_path: Path) -> None:
    async with running_gateway(tmp_path, capabilities_minutes=SOON) as gateway:
        shop = gateway.shops["eu"]
        shop.simulator.plugin = False
        await comes_true(lambda: support(gateway, "eu", "PAUSE_SUBSCRIPTION"), "UNSUPPORTED")
        shop.simulator.plugin = True
        shop.faulty.faults.append(Fault("eu", "500"))
        await comes_true(lambda: health(gateway, "eu"), "DOWN")
        assert await support(gateway, "eu", "PAUSE_SUBSCRIPTION") == "UNSUPPORTED"
        shop.faulty.faults.clear()


async def test_a_store_is_not_asked_more_often_than_is_set(tmp_path: Path) -> None:
    async with running_gateway(tmp_path) as gateway:
        calls = len(gateway.shops["eu"].simulator.calls)
        await asyncio.sleep(0.3)
        assert len(gateway.shops["eu"].simulator.calls) == calls


PACKED = "Order:de:0de00001-0000-4000-8000-000000003001"
MAY = """query ($id: ID!) { order(id: $id) { eligibility(actions: [REFUND_ORDER]) {
  next decision { verdict reasons { code } } } } }"""
REFUND = """mutation ($id: ID!) { refundOrder(
  input: {orderId: $id, amount: "1.00", currencyCode: "EUR", reason: "Late"}, idempotencyKey: "no-scope"
) { action { state } problem { __typename code } } }"""


async def test_a_missing_permission_is_told_by_the_store_by_what_may_be_done_and_by_the_refusal(tmp_path: Path) -> None:
    async with running_gateway(tmp_path, stores=EVERY_STORE, capabilities_minutes=SOON) as gateway:
        shop = gateway.shops["de"].simulator
        every = shop.scopes

        async def may() -> tuple[str, list[str]]:
            answer = await gateway.ask(MAY, {"id": PACKED})
            [found] = answer["data"]["order"]["eligibility"]
            return found["next"], [reason["code"] for reason in found["decision"]["reasons"]]

        assert (await may())[0] == "CONFIRM"
        shop.scopes = tuple(one for one in every if not one.startswith("manage_payments"))
        await comes_true(lambda: support(gateway, "de", "REFUND_ORDER"), "MISSING_SCOPE")
        assert await may() == ("NOT_POSSIBLE", ["MISSING_SCOPE"])
        answer = await gateway.ask(REFUND, {"id": PACKED})
        assert answer["data"]["refundOrder"]["problem"]["__typename"] == "Unsupported"
        assert shop.writes == []
        shop.scopes = every
        await comes_true(lambda: support(gateway, "de", "REFUND_ORDER"), "EMULATED")
        assert (await may())[0] == "CONFIRM"


async def test_what_an_edition_lacks_is_told_by_the_store_and_by_what_may_be_done(tmp_path: Path) -> None:
    """WooCommerce without the paid plug-in answers `rest_no_route`; then there is no pausing, and no fault either."""
    async with running_gateway(tmp_path, stores=EVERY_STORE, capabilities_minutes=SOON) as gateway:
        gateway.shops["eu"].simulator.plugin = False
        await comes_true(lambda: support(gateway, "eu", "PAUSE_SUBSCRIPTION"), "UNSUPPORTED")
        answer = await gateway.ask(
            '{ customer(by: {email: "ada@example.com"}) { subscriptions { complete issues { code } nodes { id } } } }'
        )
        found = answer["data"]["customer"]["subscriptions"]
        assert (found["complete"], found["issues"]) == (True, [])


async def test_a_sandbox_that_runs_for_days_does_not_keep_every_call(tmp_path: Path) -> None:
    async with running_gateway(tmp_path) as gateway:
        shop = gateway.shops["eu"].simulator
        shop.calls[:] = [f"call {number}" for number in range(KEPT + 500)]
        forgetting = asyncio.create_task(forget([shop], every=0.01))

        async def kept() -> tuple[int, object]:
            return len(shop.calls), shop.calls[0]

        await comes_true(kept, (KEPT, "call 500"))
        forgetting.cancel()
