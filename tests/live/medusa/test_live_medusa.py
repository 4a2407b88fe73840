"""The Medusa adapter against a real Medusa: what the simulator claims, asked of the vendor's own server."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from decimal import Decimal
from importlib import util
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from platforms.base import (
    ORDER_FACTS,
    CancelOrder,
    Done,
    OrdersQuery,
    Person,
    RefundOrder,
    ReturnedLine,
    ReturnOrder,
)
from platforms.errors import BadCredentials, Refused
from platforms.medusa.adapter import Credentials, Medusa, MedusaConfig
from platforms.secrets import SecretText
from schema.emails import Email, canonical_email
from schema.order import Order
from schema.parts import OrderParts
from schema.values import Money
from schema.vocabulary import (
    CancelReason,
    DeliveryStatus,
    FulfillmentStatus,
    MoneyMoved,
    OrderReturnStatus,
    OrderStatus,
    PaymentStatus,
    ProductStatus,
    RefundChoice,
    RequestedResolution,
    ReturnReason,
    ReturnStatus,
    TimeBasis,
)

pytestmark = [pytest.mark.live, pytest.mark.asyncio(loop_scope="module")]


def _shop() -> Any:
    """The seeding beside this file; it is no part of the product."""
    spec = util.spec_from_file_location("medusa_live_seed", Path(__file__).parent / "seed.py")
    assert spec is not None
    assert spec.loader is not None
    module = util.module_from_spec(spec)
    spec.loader.exec_module(module)
    settings = (os.environ[f"MEDUSA_LIVE_{name}"] for name in ("URL", "EMAIL", "PASSWORD"))
    return module.Shop(*settings)


@pytest.fixture(scope="module")
def shop() -> Any:
    return _shop()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def store(shop: Any) -> AsyncIterator[Medusa]:
    made = adapter(shop, shop.key)
    yield made
    await made.close()


def adapter(shop: Any, key: str) -> Medusa:
    config = MedusaConfig(
        id="se", url=shop.url, credentials=Credentials(secret_key=SecretText(key)), allow_private_address=True
    )
    return Medusa(config)


_count = iter(range(1, 1000))


def somebody(name: str = "ada") -> Email:
    """An address that nobody had before."""
    return canonical_email(f"{name}{next(_count)}.{datetime.now(UTC):%H%M%S%f}@example.com")


async def read(store: Medusa, native: str, parts: OrderParts = OrderParts.ALL) -> Order:
    return (await store.orders([native], parts))[native]


def person(store: Medusa, email: Email) -> Person:
    async def profiles() -> Any:
        return (await store.profiles([email]))[email]

    return Person(email, profiles)


async def test_the_probe_tells_the_currency(store: Medusa) -> None:
    assert (await store.probe()).currency == "SEK"


async def test_a_wrong_key_is_told_as_such(shop: Any) -> None:
    wrong = adapter(shop, "sk_wrong")
    with pytest.raises(BadCredentials):
        await wrong.probe()
    await wrong.close()


async def test_a_delivered_order_has_all_its_parts(shop: Any, store: Medusa) -> None:
    email = somebody()
    shop.customer(email)
    native = shop.buy(email, {"Linneskjorta": 2, "Mössa": 1})["id"]
    shop.ship(native, tracking="SE730")
    shop.refund(native, 100.5)
    order = await read(store, native)
    assert (order.status, order.payment_status) == (OrderStatus.OPEN, PaymentStatus.PARTIALLY_REFUNDED)
    assert order.fulfillment_status is FulfillmentStatus.FULFILLED
    assert order.owner == order.email == email
    totals = order.totals
    assert [one.presentment.amount for one in (totals.subtotal, totals.total, totals.refunded, totals.refundable)] == [
        Decimal(1198),
        Decimal(1247),
        Decimal("100.5"),
        Decimal("1146.5"),
    ]
    assert {
        line.title: (line.quantity.ordered, line.quantity.delivered, line.quantity.returnable) for line in order.lines
    } == {
        "Linneskjorta": (2, 2, 2),
        "Mössa": (1, 1, 1),
    }
    [parcel] = order.fulfillments or ()
    assert (parcel.status, parcel.tracking_number, parcel.delivered_at_basis) == (
        DeliveryStatus.DELIVERED,
        "SE730",
        TimeBasis.DELIVERED,
    )
    assert {one.line.native_id for one in parcel.lines} == {line.native_id for line in order.lines}
    [refund] = order.refunds or ()
    # Medusa's own provider asks no payment service.
    assert (refund.amount.presentment.amount, refund.reason, refund.money_moved) == (
        Decimal("100.5"),
        "skadad",
        MoneyMoved.NO,
    )
    assert order.shipping_address is not None
    assert order.shipping_address.country_code == "SE"
    assert order.returns == []
    [found] = await store.orders_by_number(order.number, OrderParts.NONE)
    assert found.id == order.id


async def test_an_address_inside_another_is_somebody_elses(shop: Any, store: Medusa) -> None:
    ann = somebody("ann")
    joann = canonical_email(f"jo{ann}")
    for email in (ann, joann):
        shop.customer(email)
    mine = [shop.buy(ann, {"Mössa": 1})["id"] for _ in range(3)]
    other = shop.buy(joann, {"Mössa": 1})["id"]
    assert [one.email for one in (await store.profiles([ann]))[ann]] == [ann]
    seen: list[str] = []
    after = None
    for _ in range(9):
        page = await store.orders_of(person(store, ann), OrdersQuery(1, after), OrderParts.NONE)
        seen += [row.node.source.native_id for row in page.rows]
        after = page.rows[-1].position if page.rows else page.end
        if not page.more:
            break
    assert seen == list(reversed(mine))
    assert other not in seen


async def test_a_guests_order_is_found_however_the_address_was_typed(shop: Any, store: Medusa) -> None:
    email = somebody("guest")
    native = shop.buy(email.upper(), {"Mössa": 1})["id"]
    assert (await store.profiles([email]))[email] == []
    page = await store.orders_of(person(store, email), OrdersQuery(10), OrderParts.NONE)
    [order] = [row.node for row in page.rows]
    assert (order.source.native_id, order.owner, order.customer_native_id) == (native, email, None)


async def test_a_record_that_staff_typed_with_capitals_is_found(shop: Any, store: Medusa) -> None:
    email = somebody("bea")
    made = shop.post("/admin/customers", email=email.capitalize(), first_name="Bea")["customer"]
    assert made["email"] == email.capitalize()
    [profile] = (await store.profiles([email]))[email]
    assert (profile.source.native_id, profile.owner, profile.first_name) == (made["id"], email, "Bea")
    assert list(await store.profiles_by_id([made["id"], "cus_none"])) == [made["id"]]


async def test_a_product_has_its_price_and_stock(shop: Any, store: Medusa) -> None:
    native = shop.products["Linneskjorta"]["id"]
    product = (await store.products([native, "prod_none"]))[native]
    assert (product.title, product.status) == ("Linneskjorta", ProductStatus.ACTIVE)
    [variant] = product.all_variants
    assert variant.price is not None
    assert (variant.price.amount, variant.price.currency_code, variant.available) == (Decimal("499.5"), "SEK", True)
    assert variant.inventory_quantity is not None
    assert variant.inventory_quantity > 300


async def test_cancelling_pays_back_what_was_captured_and_only_if_that_was_asked_for(shop: Any, store: Medusa) -> None:
    native = shop.buy(somebody(), {"Mössa": 1})["id"]
    order = await read(store, native, ORDER_FACTS)
    asked = CancelOrder("live-1", order, CancelReason.CUSTOMER, RefundChoice.NONE, True, False)
    with pytest.raises(Refused):
        await store.cancel_order(asked)
    assert (await read(store, native)).status is OrderStatus.OPEN
    paid_back = CancelOrder("live-2", order, CancelReason.CUSTOMER, RefundChoice.ORIGINAL_PAYMENT, True, False)
    assert await store.happened(paid_back, datetime.now(UTC)) is None
    assert await store.cancel_order(paid_back) == Done()
    assert await store.happened(paid_back, datetime.now(UTC)) == Done()
    after = await read(store, native)
    assert (after.status, after.payment_status) == (OrderStatus.CANCELLED, PaymentStatus.REFUNDED)
    assert after.totals.total == order.totals.total
    assert after.totals.refundable.shop.amount == 0
    with pytest.raises(Refused) as twice:
        await store.cancel_order(paid_back)
    assert twice.value.native[0].code == "invalid_data"


async def test_an_order_that_is_only_authorised_is_cancelled_without_a_refund(shop: Any, store: Medusa) -> None:
    native = shop.buy(somebody(), {"Mössa": 1}, capture=False)["id"]
    order = await read(store, native, ORDER_FACTS)
    assert (order.status, order.payment_status) == (OrderStatus.PENDING, PaymentStatus.AUTHORIZED)
    asked = CancelOrder("live-3", order, CancelReason.CUSTOMER, RefundChoice.NONE, True, False)
    assert await store.cancel_order(asked) == Done()
    after = await read(store, native)
    assert (after.status, after.refunds) == (OrderStatus.CANCELLED, [])


async def test_a_shipped_order_is_not_cancelled(shop: Any, store: Medusa) -> None:
    native = shop.buy(somebody(), {"Mössa": 1})["id"]
    shop.ship(native, delivered=False)
    order = await read(store, native, ORDER_FACTS)
    asked = CancelOrder("live-4", order, CancelReason.CUSTOMER, RefundChoice.ORIGINAL_PAYMENT, True, False)
    with pytest.raises(Refused) as refused:
        await store.cancel_order(asked)
    assert refused.value.native[0].code == "not_allowed"


def refund(order: Order, id: str, amount: str) -> RefundOrder:
    left = order.totals.refundable.presentment
    before = frozenset(one.id for one in order.refunds or ())
    money = Money.of(amount, left.currency_code)
    return RefundOrder(id, order, money, (), None, RefundChoice.ORIGINAL_PAYMENT, "late", refunds_before=before)


async def test_two_refunds_of_one_amount_are_two_and_no_more_than_was_captured(shop: Any, store: Medusa) -> None:
    native = shop.buy(somebody(), {"Mössa": 1})["id"]
    order = await read(store, native, ORDER_FACTS)
    left = order.totals.refundable.presentment.amount
    first = refund(order, "live-r1", "10.00")
    assert await store.happened(first, datetime.now(UTC)) is None
    one = await store.refund_order(first)
    assert await store.happened(first, datetime.now(UTC)) == one
    order = await read(store, native, ORDER_FACTS)
    assert order.totals.refundable.presentment.amount == left - 10
    second = refund(order, "live-r2", "10.00")
    assert await store.happened(second, datetime.now(UTC)) is None
    two = await store.refund_order(second)
    assert one != two
    order = await read(store, native, ORDER_FACTS)
    assert [one.amount.presentment.amount for one in order.refunds or ()] == [Decimal(10), Decimal(10)]
    assert {one.money_moved for one in order.refunds or ()} <= {MoneyMoved.YES, MoneyMoved.NO}
    with pytest.raises(Refused):
        await store.refund_order(refund(order, "live-r3", str(left)))
    assert len((await read(store, native)).refunds or ()) == 2


async def test_a_return_is_made_once_and_seen(shop: Any, store: Medusa) -> None:
    native = shop.buy(somebody(), {"Linneskjorta": 2})["id"]
    shop.ship(native)
    order = await read(store, native, ORDER_FACTS)
    lines = (ReturnedLine(order.lines[0], 1, ReturnReason.SIZE_TOO_SMALL, note="för liten"),)
    asked = ReturnOrder("live-5", order, lines, RequestedResolution.REFUND)
    # What an attempt left behind whose answer was lost: the next one takes it away and begins anew.
    shop.post("/admin/returns", order_id=native, metadata={"aftersale_action": "live-5"})
    assert await store.happened(asked, datetime.now(UTC)) is None
    done = await store.return_order(asked)
    assert isinstance(done, Done)
    assert await store.happened(asked, datetime.now(UTC)) == done
    assert await store.return_order(asked) == done
    after = await read(store, native)
    [made] = after.returns or ()
    assert (made.source.native_id, made.status) == (done.reference, ReturnStatus.REQUESTED)
    assert [(line.line.native_id, line.quantity, line.reason, line.note) for line in made.lines] == [
        (order.lines[0].native_id, 1, ReturnReason.SIZE_TOO_SMALL, "för liten")
    ]
    assert after.return_status is OrderReturnStatus.REQUESTED
    assert (after.lines[0].quantity.returned, after.lines[0].quantity.returnable) == (1, 1)
    assert after.totals == order.totals


async def test_a_refused_return_leaves_nothing_behind(shop: Any, store: Medusa) -> None:
    native = shop.buy(somebody(), {"Linneskjorta": 1})["id"]
    order = await read(store, native, ORDER_FACTS)  # nothing of it is packed
    asked = ReturnOrder(
        "live-6", order, (ReturnedLine(order.lines[0], 1, ReturnReason.UNWANTED),), RequestedResolution.REFUND
    )
    with pytest.raises(Refused) as refused:
        await store.return_order(asked)
    assert refused.value.native[0].code == "invalid_data"
    assert shop.get("/admin/returns", order_id=native)["returns"] == []


async def test_odd_ids_find_nothing(store: Medusa) -> None:
    odd = ["order_none", "1", "٣", "a,b", "\x00", " "]
    assert await store.orders(odd, OrderParts.ALL) == {}
    assert await store.products(odd) == {}
    assert await store.profiles_by_id(odd) == {}
    for typed in ("", "#", "999999", "%", 'x" or 1=1'):
        assert list(await store.orders_by_number(typed, OrderParts.NONE)) == []
