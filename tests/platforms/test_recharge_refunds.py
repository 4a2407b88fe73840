"""Billing records and refunds at Recharge, over a real socket: read by id, paid back by amount, and only once."""

from __future__ import annotations

import copy
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest
import pytest_asyncio

from platforms.base import ORDER_FACTS, Done, RefundAsk, RefundedLine, RefundOrder
from platforms.errors import MissingScope, OutcomeUnknown, PlatformError, Refused, Unavailable, Unreadable, Unsupported
from platforms.recharge.adapter import Recharge
from platforms.recharge.simulator import Refusal
from platforms.transport import Limits
from sandbox.faults import Fault
from sandbox.serving import serve
from schema.order import Order, ProductRef
from schema.parts import OrderParts
from schema.values import Money
from schema.vocabulary import (
    ActionKind,
    FulfillmentStatus,
    MoneyMoved,
    OrderStatus,
    PaymentStatus,
    RefundChoice,
    RefundDestination,
    RefundStatus,
)
from tests.platforms.recharge_contract import faults
from tests.platforms.test_recharge import NOW, Address, World

pytestmark = pytest.mark.asyncio(loop_scope="module")

DANS, CHARGE = "660003", 770003


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def door() -> AsyncIterator[Address]:
    found = Address()
    async with serve(found) as found.url:
        yield found


@pytest_asyncio.fixture(loop_scope="module")
async def world(door: Address) -> AsyncIterator[World]:
    door.world = world = World(door.url)
    yield world
    for platform in world.opened:
        await platform.close()
    assert [fault for received in world.simulator.calls for fault in faults(received)] == []


@pytest.fixture
def store(world: World) -> Recharge:
    return world.platform()


async def read(store: Recharge, id: str = DANS, parts: OrderParts = ORDER_FACTS) -> Order:
    return (await store.orders([id], parts))[id]


async def asked(store: Recharge, sum_: str, id: str = DANS, **more: Any) -> RefundOrder:
    order = await read(store, id)
    before = frozenset(one.id for one in order.refunds or ())
    request = RefundOrder(
        "act_1", order, usd(sum_), (), None, RefundChoice.ORIGINAL_PAYMENT, "Stale", refunds_before=before
    )
    return replace(request, **more)


def usd(amount: str) -> Money:
    return Money.of(amount, "USD")


def charge(world: World) -> dict[str, Any]:
    return world.simulator.state.charges[CHARGE]


# ------------------------------------------------------------------------------------------------ billing records


async def test_a_billing_record_is_read_with_its_charge_and_its_customer(world: World, store: Recharge) -> None:
    found = await store.orders(["660001", DANS, "7", "x"], OrderParts.ALL)
    assert sorted(found) == ["660001", DANS]
    assert world.asked[0] == ("GET /orders", {"ids": "660001,660003,7", "limit": "250"})
    assert sorted(world.asked[1:]) == [
        ("GET /charges", {"ids": "770001,770003", "limit": "250"}),
        ("GET /customers", {"ids": "6001,6003", "limit": "250"}),
    ]
    hers = found["660001"]
    assert (hers.number, hers.status, hers.payment_status) == ("1003", OrderStatus.COMPLETED, PaymentStatus.PAID)
    assert (hers.fulfillment_status, hers.native_status) == (FulfillmentStatus.UNKNOWN, "success success")
    assert (hers.owner, hers.customer_native_id) == ("ada@example.com", "6001")
    assert (hers.totals.total.shop, hers.totals.refundable.shop, hers.totals.refunded.shop) == (
        usd("18.00"),
        usd("18.00"),
        usd("0.00"),
    )
    [line] = hers.lines
    assert (line.title, line.quantity.ordered, line.quantity.refundable) == ("Coffee Beans 1kg", 1, None)
    assert line.product_ref == ProductRef("us", "8005", "8501")
    assert (hers.fulfillments, hers.returns, hers.refunds, hers.status_url) == (None, [], [], None)
    assert hers.shipping_address is not None
    assert (hers.shipping_address.city, hers.shipping_address.country_code) == ("New York", "US")
    assert found[DANS].number == DANS
    assert hers.source.raw_values == {"charge": 770001, "external_order_id": "450789003"}


async def test_its_owner_is_the_customers_present_address(world: World, store: Recharge) -> None:
    world.simulator.state.customers[6003]["email"] = "Dan.Ito@example.com"
    assert (await read(store)).owner == "dan.ito@example.com"
    del world.simulator.state.customers[6003]
    assert (await read(store)).owner == "dan@example.com"


async def test_a_charge_that_is_not_there_leaves_nothing_to_pay_back(world: World, store: Recharge) -> None:
    del world.simulator.state.charges[CHARGE]
    order = await read(store)
    assert order.refunds is None
    assert (order.payment_status, order.totals.refundable.shop) == (PaymentStatus.UNKNOWN, usd("0"))
    request = RefundOrder("act_1", order, usd("1.00"), (), None, RefundChoice.ORIGINAL_PAYMENT, "Stale")
    with pytest.raises(Unreadable) as raised:
        await store.refund_order(request)
    assert raised.value.not_executed
    with pytest.raises(Unreadable):
        await store.happened(request, NOW)


@pytest.mark.parametrize(
    ("field", "value"), [("total_price", None), ("line_items", [{"title": "x", "purchase_item_id": 1}])]
)
async def test_a_record_without_its_price_is_not_readable(
    world: World, store: Recharge, field: str, value: Any
) -> None:
    world.simulator.state.orders[660003][field] = value
    with pytest.raises(Unreadable) as raised:
        await read(store)
    assert raised.value.store == "subs"


async def test_two_orders_of_one_prepaid_charge_share_what_is_left(world: World, store: Recharge) -> None:
    state = world.simulator.state
    state.orders[660004] = copy.deepcopy(state.orders[660003]) | {"id": 660004, "status": "queued"}
    charge(world)["total_price"] = "36.00"
    await store.refund_order(await asked(store, "30.00"))
    later = await read(store, "660004")
    assert (later.status, later.totals.refundable.shop) == (OrderStatus.PENDING, usd("6.00"))
    with pytest.raises(Refused, match="paid back before"):
        await store.refund_order(await asked(store, "6.00", "660004"))
    assert len(world.simulator.writes) == 1


# ------------------------------------------------------------------------------------------------ refunds


@pytest.mark.parametrize("word", ["error", "queued", "pending", "pending_manual_payment", "skipped", "new-word"])
async def test_of_a_charge_that_was_not_taken_nothing_can_be_paid_back(
    world: World, store: Recharge, word: str
) -> None:
    assert (await read(store)).totals.refundable.shop == usd("18.00")
    charge(world)["status"] = word
    assert (await read(store)).totals.refundable.shop == usd("0.00")
    world.simulator.calls.clear()  # no definition has the last


async def test_an_amount_goes_back_by_three_calls(world: World, store: Recharge) -> None:
    request = await asked(store, "4.50")
    world.simulator.calls.clear()
    done = await store.refund_order(request)
    assert [path for path, _ in world.asked] == ["GET /orders", "GET /charges", f"POST /charges/{CHARGE}/refund"]
    assert world.simulator.writes[0].body == {"amount": "4.50"}
    order = await read(store)
    [made] = order.refunds or []
    assert done == Done(str(CHARGE))
    assert made.id == f"Refund:subs:{DANS}:{CHARGE}"
    assert (made.status, made.money_moved, made.destination, made.amount.shop) == (
        RefundStatus.COMPLETED,
        MoneyMoved.YES,
        RefundDestination.ORIGINAL_PAYMENT,
        usd("4.50"),
    )
    assert order.payment_status is PaymentStatus.PARTIALLY_REFUNDED
    assert (order.totals.refunded.shop, order.totals.refundable.shop) == (usd("4.50"), usd("13.50"))


async def test_all_of_a_charge_goes_back_by_its_amount_too(world: World, store: Recharge) -> None:
    await store.refund_order(await asked(store, "18.00"))
    assert world.simulator.writes[0].body == {"amount": "18.00"}
    assert (await read(store)).payment_status is PaymentStatus.REFUNDED


async def test_lines_and_shipping_are_not_what_recharge_pays_back(world: World, store: Recharge) -> None:
    order = await read(store)
    line = RefundedLine(order.lines[0], 1)
    world.simulator.calls.clear()
    with pytest.raises(Unsupported, match="amounts, not lines") as raised:
        await store.refund_sum(RefundAsk(order, (line,)))
    assert raised.value.action is ActionKind.REFUND_ORDER
    for changed in ({"lines": (line,)}, {"shipping": usd("1.00")}):
        with pytest.raises(Unsupported, match="amounts, not lines"):
            await store.refund_order(await asked(store, "1.00", **changed))
    with pytest.raises(Unsupported, match="payment of the charge"):
        await store.refund_order(await asked(store, "1.00", destination=RefundChoice.STORE_CREDIT))
    assert world.simulator.writes == []


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"status": "error"}, "Nothing was taken"),
        ({"total_refunds": "1.00", "status": "partially_refunded"}, "paid back before"),
        ({"total_price": "3.99"}, "for less"),
        ({"total_price": "18"}, "more digits"),
        ({"currency": "EUR"}, "in EUR"),
    ],
)
async def test_what_could_go_wrong_with_the_charge_is_refused_unsent(
    world: World, store: Recharge, changed: dict[str, Any], words: str
) -> None:
    request = await asked(store, "4.50")
    charge(world).update(changed)
    with pytest.raises(Refused, match=words) as raised:
        await store.refund_order(request)
    assert (raised.value.store, raised.value.not_executed) == ("subs", True)
    assert world.simulator.writes == []


@pytest.mark.parametrize(
    ("processor", "words"), [("shopify_payments", "the shop's own order"), (None, "does not tell who")]
)
async def test_money_the_shop_took_is_the_shops_to_give_back(
    world: World, store: Recharge, processor: str | None, words: str
) -> None:
    world.simulator.state.orders[660003]["charge"]["payment_processor_name"] = processor
    with pytest.raises(Refused, match=words):
        await store.refund_order(await asked(store, "4.50"))
    assert world.simulator.writes == []


async def test_a_lost_answer_is_unknown_and_told_by_the_charges_sum(world: World) -> None:
    store = world.platform(limits=Limits(retries=3, backoff=0.01))
    request = await asked(store, "4.50")
    world.faulty.faults = [Fault("subs", "drop-after", path="/refund")]
    with pytest.raises(OutcomeUnknown):
        await store.refund_order(request)
    world.faulty.faults = []
    assert len(world.simulator.writes) == 1
    assert await store.happened(request, NOW) == Done(str(CHARGE))
    with pytest.raises(Refused, match="paid back before"):
        await store.refund_order(request)
    assert len(world.simulator.writes) == 1


async def test_a_sum_that_is_not_ours_is_for_a_person(world: World, store: Recharge) -> None:
    request = await asked(store, "4.50")
    assert await store.happened(request, NOW) is None
    charge(world)["total_refunds"] = "6.00"
    with pytest.raises(Unreadable, match="another sum"):
        await store.happened(request, NOW)
    later = await asked(store, "6.00")
    assert await store.happened(later, NOW) is None, "it was paid back before this was asked"


async def test_a_success_that_does_not_show_is_unknown(world: World, store: Recharge) -> None:
    request = await asked(store, "4.50")
    refund = world.simulator._refund

    def forgetful(id: str, body: Any) -> Any:
        answer = refund(id, body)
        answer["charge"]["total_refunds"] = "0.00"
        return answer

    world.simulator._refund = forgetful  # type: ignore[method-assign]
    with pytest.raises(OutcomeUnknown):
        await store.refund_order(request)
    assert await store.happened(request, NOW) == Done(str(CHARGE))


async def test_what_fails_before_anything_was_sent_says_so(world: World, store: Recharge) -> None:
    request = await asked(store, "4.50")
    world.faulty.faults = [Fault("subs", "500")]
    with pytest.raises(Unavailable) as raised:
        await store.refund_order(request)
    assert raised.value.not_executed
    assert world.simulator.writes == []


async def test_a_token_without_the_permission_is_told_which(world: World, store: Recharge) -> None:
    request = await asked(store, "4.50")
    world.simulator.state.scopes = ("read_orders", "read_customers", "write_orders")
    with pytest.raises(MissingScope) as raised:
        await store.refund_order(request)
    assert raised.value.scopes == ("write_orders", "write_payment_methods")
    assert charge(world)["total_refunds"] == "0.00"


async def test_a_refusal_of_recharge_pays_nothing(world: World, store: Recharge) -> None:
    request = await asked(store, "4.50")

    def busy(id: str, body: Any) -> Any:
        raise Refusal(409, {"errors": "The charge is being processed"})

    world.simulator._refund = busy  # type: ignore[method-assign]
    with pytest.raises(PlatformError) as raised:
        await store.refund_order(request)
    assert type(raised.value) is Refused
    assert await store.happened(request, NOW) is None
