"""Refunds at WooCommerce, over a real socket: what is asked, sent and recorded, to the last cent, and never twice."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import msgspec
import pytest
import pytest_asyncio

from platforms.base import ORDER_FACTS, Done, RefundAsk, RefundedLine, RefundOrder
from platforms.errors import MissingScope, OutcomeUnknown, PlatformError, Refused, Unavailable, Unreadable, Unsupported
from platforms.transport import Limits, Reply
from platforms.woocommerce import wire
from platforms.woocommerce.adapter import WooCommerce
from platforms.woocommerce.simulator import Body
from sandbox.faults import Fault
from sandbox.serving import serve
from schema.order import Order
from schema.values import Money
from schema.vocabulary import ActionKind, MoneyMoved, RefundChoice, RefundDestination, RefundStatus, SupportLevel
from tests.platforms.test_woocommerce import NOW, RECORDED, Address, World
from tests.platforms.woocommerce_contract import faults

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def door() -> AsyncIterator[tuple[Address, str]]:
    app = Address()
    async with serve(app) as url:
        yield app, url


@pytest_asyncio.fixture(loop_scope="module")
async def world(door: tuple[Address, str]) -> AsyncIterator[World]:
    app, url = door
    app.world = world = World(url)
    yield world
    await world.close()
    assert [fault for received in (*world.checked, *world.simulator.calls) for fault in faults(received)] == []


async def read(adapter: WooCommerce, native: str = "2001") -> Order:
    return (await adapter.orders([native], ORDER_FACTS))[native]


async def asked(
    adapter: WooCommerce, sum_: str, native: str = "2001", action: str = "act_1", **more: Any
) -> RefundOrder:
    order = await read(adapter, native)
    before = frozenset(one.id for one in order.refunds or ())
    request = RefundOrder(
        action, order, eur(sum_), (), None, RefundChoice.ORIGINAL_PAYMENT, "Damaged", refunds_before=before
    )
    return replace(request, **more)


def eur(amount: str | Decimal) -> Money:
    return Money.of(amount, "EUR")


def several(world: World, native: int, quantity: int, net: str, tax: str) -> Body:
    """An order with so many units of its first line, together at that price and tax."""
    row = world.add_order(native)
    line = row["line_items"][0]
    line |= {"quantity": quantity, "total": net, "total_tax": tax, "subtotal": net, "subtotal_tax": tax}
    line["taxes"] = [{"id": 1, "total": tax, "subtotal": tax}]
    goods = (Decimal(one["total"]) + Decimal(one["total_tax"]) for one in row["line_items"])
    row["total"] = f"{sum(goods, Decimal('4.90')):.2f}"
    return row


# ------------------------------------------------------------------ what it comes to
async def test_what_goods_and_shipping_come_to_is_the_orders_own_price_and_tax(world: World) -> None:
    adapter = world.adapter()
    order = await read(adapter)
    world.calls()
    found = await adapter.refund_sum(RefundAsk(order, (RefundedLine(order.lines[0], 1),), shipping=True))
    assert (found.items, found.tax, found.shipping, found.total) == (
        eur("37.82"),
        eur("7.18"),
        eur("4.90"),
        eur("49.90"),
    )
    assert world.calls() == ["GET /orders include=2001 per_page=100"]
    assert world.simulator.writes == []


async def test_what_was_refunded_before_is_no_longer_there(world: World) -> None:
    several(world, 3000, 3, "10.00", "1.00")
    adapter = world.adapter()
    order = await read(adapter, "3000")
    line = RefundedLine(order.lines[0], 1)
    await adapter.refund_order(await asked(adapter, "8.56", "3000", lines=(line,), shipping=eur("4.90")))
    order = await read(adapter, "3000")
    two = await adapter.refund_sum(RefundAsk(order, (replace(line, line=order.lines[0], quantity=2),), shipping=True))
    assert (two.items, two.tax, two.shipping, two.total) == (eur("6.67"), eur("0.67"), eur("0.00"), eur("7.34"))
    with pytest.raises(Refused, match="fewer units left"):
        await adapter.refund_sum(RefundAsk(order, (replace(line, quantity=3),)))


async def test_a_sum_is_never_more_than_what_is_left_of_the_order(world: World) -> None:
    adapter = world.adapter()
    await adapter.refund_order(await asked(adapter, "60.00"))
    order = await read(adapter)
    found = await adapter.refund_sum(RefundAsk(order, (RefundedLine(order.lines[0], 1),), shipping=True))
    assert (found.items, found.tax, found.shipping, found.total) == (eur("4.90"), None, eur("4.90"), eur("9.80"))


async def test_goods_sold_by_measure_are_paid_back_as_an_amount(world: World) -> None:
    row = world.add_order(3000)
    row["line_items"][0]["quantity"] = 1.5
    adapter = world.adapter()
    order = await read(adapter, "3000")
    with pytest.raises(Unsupported, match="by measure"):
        await adapter.refund_sum(RefundAsk(order, (RefundedLine(order.lines[0], 1),)))


async def test_an_earlier_refund_that_names_no_line_of_the_order_stops_a_guess(world: World) -> None:
    adapter = world.adapter()
    order = await read(adapter)
    await adapter.refund_order(await asked(adapter, "45.00", lines=(RefundedLine(order.lines[0], 1),)))
    world.shop.refunds[2001][0]["line_items"][0]["meta_data"] = []
    with pytest.raises(Unreadable, match="which of its lines"):
        await adapter.refund_sum(RefundAsk(order, (RefundedLine(order.lines[1], 1),)))
    assert await adapter.refund_order(await asked(adapter, "1.00", action="act_2"))


# ------------------------------------------------------------------ what is sent
async def test_a_refund_says_all_that_matters(world: World) -> None:
    adapter = world.adapter()
    order = await read(adapter)
    request = await asked(adapter, "49.90", lines=(RefundedLine(order.lines[0], 1),), shipping=eur("4.90"))
    world.calls()
    done = await adapter.refund_order(request)
    assert world.calls() == ["GET /orders include=2001 per_page=100", "POST /orders/2001/refunds"]
    [write] = world.simulator.writes
    assert write.body == {
        "amount": "49.90",
        "reason": "Damaged",
        "api_refund": True,
        "api_restock": False,
        "line_items": [
            {"id": 20011, "quantity": 1, "refund_total": 37.82, "refund_tax": [{"id": 1, "refund_total": 7.18}]},
            {"id": 20019, "quantity": 0, "refund_total": 4.12, "refund_tax": [{"id": 1, "refund_total": 0.78}]},
        ],
        "meta_data": [{"key": "_aftersale_action", "value": "act_1"}],
    }
    order = await read(adapter)
    [made] = order.refunds or []
    assert done == Done(made.id.rpartition(":")[2])
    assert (made.status, made.money_moved, made.destination) == (
        RefundStatus.COMPLETED,
        MoneyMoved.YES,
        RefundDestination.ORIGINAL_PAYMENT,
    )
    assert (made.amount.presentment, made.reason) == (eur("49.90"), "Damaged")
    assert [(one.line.native_id, one.quantity, one.amount) for one in made.lines] == [("20011", 1, eur("45.00"))]
    assert order.lines[0].quantity.refundable == 0


async def test_an_amount_without_lines_is_one_call(world: World) -> None:
    adapter = world.adapter()
    request = await asked(adapter, "7.5")
    world.calls()
    await adapter.refund_order(request)
    assert world.calls() == ["POST /orders/2001/refunds"]
    assert (world.simulator.writes[0].body["amount"], world.simulator.writes[0].body["line_items"]) == ("7.50", [])


async def test_nothing_goes_back_into_stock_and_the_status_is_left_to_the_shop(world: World) -> None:
    adapter = world.adapter()
    order = await read(adapter)
    stock = world.shop.products[501]["stock_quantity"]
    lines = tuple(RefundedLine(line, 1) for line in order.lines)
    await adapter.refund_order(await asked(adapter, "69.80", lines=lines, shipping=eur("4.90")))
    assert world.shop.products[501]["stock_quantity"] == stock
    assert world.shop.orders[2001]["status"] == "refunded"
    assert [write.method for write in world.simulator.writes] == ["POST"]


async def test_less_than_the_goods_come_to_is_recorded_as_less(world: World) -> None:
    adapter = world.adapter()
    order = await read(adapter)
    request = await asked(adapter, "40.50", lines=(RefundedLine(order.lines[0], 1),))
    await adapter.refund_order(request)
    [item] = world.simulator.writes[0].body["line_items"]
    assert (item["refund_total"], item["refund_tax"]) == (34.03, [{"id": 1, "refund_total": 6.47}])
    [made] = (await read(adapter)).refunds or []
    assert made.lines[0].amount == made.amount.presentment == eur("40.50")


async def test_amounts_are_written_with_every_digit_they_have(world: World) -> None:
    several(world, 3000, 1, "90071992547409.91", "0.07")
    adapter = world.adapter()
    order = await read(adapter, "3000")
    bodies: list[bytes] = []

    async def listening(scope: Any, receive: Any, send: Any) -> None:
        message = await receive()
        bodies.append(message.get("body", b""))

        async def again() -> Any:
            return message

        await world.faulty(scope, again, send)

    async with serve(listening) as url:
        other = World(url)
        adapter = other.adapter()
        await adapter.refund_order(
            await asked(adapter, "90071992547409.98", "3000", lines=(RefundedLine(order.lines[0], 1),))
        )
        await other.close()
    sent = json.loads(bodies[-1], parse_float=Decimal)
    assert sent["amount"] == "90071992547409.98"
    assert sent["line_items"][0]["refund_total"] == Decimal("90071992547409.91")


@pytest.mark.parametrize(
    ("changed", "kind", "words"),
    [
        ({"amount": Money.of("7.001", "EUR")}, Refused, "more digits"),
        ({"amount": Money.of("7.00", "USD")}, Refused, "paid in EUR"),
        ({"destination": RefundChoice.STORE_CREDIT}, Unsupported, "no store credit"),
        ({"shipping": Money.of("7.01", "EUR")}, Refused, "more than the whole"),
    ],
)
async def test_what_the_shop_cannot_do_to_the_cent_is_not_sent(
    world: World, changed: dict[str, Any], kind: type[PlatformError], words: str
) -> None:
    adapter = world.adapter()
    request = await asked(adapter, "7.00", **changed)
    with pytest.raises(kind, match=words) as raised:
        await adapter.refund_order(request)
    assert raised.value.store == "eu"
    assert raised.value.not_executed
    assert world.simulator.writes == []


# ------------------------------------------------------------------ what came of it
@pytest.mark.parametrize("native", ["bacs", "stripe"])
async def test_a_gateway_that_does_not_pay_is_a_refusal_and_is_asked_once(world: World, native: str) -> None:
    world.shop.orders[2001]["payment_method"] = native
    world.shop.gateway_says = "Your refund could not be made: insufficient funds."
    adapter = world.adapter(limits=Limits(retries=3, backoff=0.001))
    request = await asked(adapter, "7.00")
    with pytest.raises(Refused, match="payment gateway behind it") as raised:
        await adapter.refund_order(request)
    [native_error] = raised.value.native
    assert (native_error.code, native_error.http_status) == ("woocommerce_rest_cannot_create_order_refund", 500)
    assert raised.value.not_executed
    assert len(world.simulator.writes) == 1
    assert world.shop.refunds.get(2001, []) == []
    assert await adapter.happened(request, NOW) is None


async def test_the_recorded_refusals_of_a_real_shop_mean_the_same() -> None:
    for name in ("refund_create_api_refund_default", "err_refund_too_much"):
        answer = json.loads((RECORDED / "captures" / f"{name}.json").read_text(encoding="utf-8"))
        reply = Reply(answer["status"], {"content-type": "application/json"}, json.dumps(answer["body"]).encode())
        with pytest.raises(Refused, match="refused to pay back"):
            wire.judge(reply)


async def test_a_recorded_refund_of_a_real_shop_can_be_read() -> None:
    answer = json.loads((RECORDED / "captures" / "refund_create_lineitem.json").read_text(encoding="utf-8"))
    row = msgspec.convert(answer["body"], wire.RefundRow)
    assert (row.amount, row.refunded_payment, wire.action_of(row)) == ("19.99", False, None)
    assert wire.refunded_item(row.line_items[0].meta_data) == 5


async def test_a_lost_answer_is_unknown_and_found_by_the_mark(world: World) -> None:
    adapter = world.adapter(limits=Limits(retries=3, backoff=0.001))
    one, two = await asked(adapter, "7.00"), await asked(adapter, "7.00", action="act_2")
    world.faulty.faults = [Fault("eu", "drop-after")]
    with pytest.raises(OutcomeUnknown):
        await adapter.refund_order(one)
    world.faulty.faults = []
    assert len(world.simulator.writes) == 1
    assert await adapter.happened(one, NOW) == Done(str(world.shop.refunds[2001][0]["id"]))
    assert await adapter.happened(two, NOW) is None, "an equal one is told apart"


async def test_a_refund_whose_mark_was_not_written_is_taken_for_ours_where_it_can_be(world: World) -> None:
    adapter = world.adapter()
    request = await asked(adapter, "7.00")
    await adapter.refund_order(request)
    made = world.shop.refunds[2001][0]
    made["meta_data"] = []
    assert await adapter.happened(request, NOW) == Done(str(made["id"]))
    known = replace(request, refunds_before=frozenset({f"Refund:eu:2001:{made['id']}"}))
    assert await adapter.happened(known, NOW) is None, "it was there before"
    assert await adapter.happened(replace(request, amount=eur("7.01")), NOW) is None
    assert await adapter.happened(request, NOW + timedelta(minutes=5)) is None, "it is older"


async def test_a_refund_whose_payment_is_not_made_yet_is_not_said_to_be_either(world: World) -> None:
    adapter = world.adapter()
    request = await asked(adapter, "7.00")
    await adapter.refund_order(request)
    made = world.shop.refunds[2001][0]
    made["refunded_payment"] = False
    with pytest.raises(Unreadable, match="payment has not been made"):
        await adapter.happened(request, NOW)
    made["refunded_payment"] = True
    assert await adapter.happened(request, NOW) == Done(str(made["id"]))


async def test_a_refund_by_hand_of_another_amount_is_not_ours(world: World) -> None:
    adapter = world.adapter()
    request = await asked(adapter, "7.00")
    world.simulator.post_refund(2001, query={}, body={"amount": "6.00", "api_refund": False})
    assert await adapter.happened(request, NOW) is None


async def test_more_refunds_than_are_read_leave_it_open(world: World) -> None:
    adapter = world.adapter()
    request = await asked(adapter, "7.00")
    for _ in range(100):
        world.simulator.post_refund(2001, query={}, body={"amount": "0.01"})
    with pytest.raises(Unreadable, match="more refunds than are read"):
        await adapter.happened(request, NOW)


async def test_what_fails_before_anything_was_sent_says_so(world: World) -> None:
    adapter = world.adapter()
    order = await read(adapter)
    request = await asked(adapter, "45.00", lines=(RefundedLine(order.lines[0], 1),))
    world.faulty.faults = [Fault("eu", "500")]
    with pytest.raises(Unavailable) as raised:
        await adapter.refund_order(request)
    assert raised.value.not_executed
    assert world.simulator.writes == []


async def test_an_order_or_a_line_that_is_gone_is_a_refusal(world: World) -> None:
    adapter = world.adapter()
    order = await read(adapter)
    request = await asked(adapter, "45.00", lines=(RefundedLine(order.lines[0], 1),))
    del world.shop.orders[2001]["line_items"][0]
    with pytest.raises(Refused, match="no such line"):
        await adapter.refund_order(request)
    del world.shop.orders[2001]
    with pytest.raises(Refused, match="no longer has the order"):
        await adapter.refund_order(request)
    with pytest.raises(Refused, match="no longer has the order"):
        await adapter.refund_order(replace(request, lines=()))
    assert [write.status for write in world.simulator.writes] == [500]


async def test_a_key_that_may_only_read_lacks_a_permission(world: World) -> None:
    world.simulator.permission = "read"
    adapter = world.adapter()
    await adapter.probe()
    request = await asked(adapter, "7.00")
    with pytest.raises(MissingScope):
        await adapter.refund_order(request)
    assert adapter.capability(ActionKind.REFUND_ORDER).support is SupportLevel.MISSING_SCOPE
