"""Medusa's words in the contract's: the tables, the vendor's recorded answers, and every shape of money."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from platforms.errors import Unreadable
from platforms.instants import known_instant, to_the_millisecond
from platforms.jsonbody import decode
from platforms.medusa import mapping, wire
from platforms.medusa.simulator import _json as simulated_json
from schema.order import Order
from schema.parts import OrderParts
from schema.vocabulary import (
    DeliveryStatus,
    FulfillmentKind,
    FulfillmentStatus,
    MoneyMoved,
    OrderReturnStatus,
    OrderStatus,
    PaymentStatus,
    ProductStatus,
    RefundDestination,
    ReturnReason,
    ReturnResolution,
    ReturnStatus,
)

CAPTURES = Path(__file__).parent / "medusa" / "captures"
HOME = mapping.Home("se", "https://api.example.com", lambda native, **more: SimpleNamespace(native_id=native, **more))


def captured(name: str) -> Any:
    return json.loads((CAPTURES / f"{name}.json").read_text(encoding="utf-8"))["body"]


def row(name: str, **changed: Any) -> wire.OrderRow:
    """An order as it was recorded; `changed` replaces fields of it."""
    return msgspec.convert({**captured(name)["order"], **changed}, wire.OrderRow)


#: What the recorded order lacks because it was not asked for.
ASKED: dict[str, Any] = {"currency_code": "usd", "email": "guest@example.test", "customer_id": "cus_1"}


def order(name: str, returns: list[wire.ReturnRow] | None = None, **changed: Any) -> Order:
    return mapping.order(row(name, **{**ASKED, **changed}), OrderParts.ALL, HOME, returns or [])


# ------------------------------------------------------------------------------------------------ the vendor's answers


def test_an_authorised_order_is_pending_and_has_nothing_to_pay_back() -> None:
    found = order("order_get_fields_email_customer")
    assert (found.number, found.status, found.payment_status) == ("1", OrderStatus.PENDING, PaymentStatus.AUTHORIZED)
    assert (found.fulfillment_status, found.return_status) == (FulfillmentStatus.UNFULFILLED, OrderReturnStatus.NONE)
    assert (found.owner, found.customer_native_id) == ("guest@example.test", None)
    totals = found.totals
    assert (totals.total.shop.amount, totals.refundable.shop.amount) == (Decimal("44.98"), 0)
    assert totals.total.shop.currency_code == "USD"
    [line] = found.lines
    assert (line.title, line.variant_title, line.quantity.ordered) == ("Blue Shirt", "M", 2)
    assert (line.unit_price.shop.amount, line.total.shop.amount) == (Decimal("19.99"), Decimal("39.98"))
    assert (line.quantity.refundable, line.quantity.returnable, line.requires_shipping) == (0, 0, True)
    assert found.placed_at == datetime(2026, 11, 23, 19, 41, 35, 611000, UTC)


def test_a_refund_does_not_make_an_order_cheaper() -> None:
    found = order("order_get_partially_refunded")
    totals = found.totals
    assert row("order_get_partially_refunded", **ASKED).total == Decimal("34.98")
    assert [money.shop.amount for money in (totals.total, totals.refunded, totals.refundable)] == [
        Decimal("44.98"),
        Decimal(10),
        Decimal("34.98"),
    ]
    assert (found.status, found.payment_status) == (OrderStatus.OPEN, PaymentStatus.PARTIALLY_REFUNDED)
    [refund] = found.refunds or ()
    assert (refund.amount.shop.amount, refund.reason, refund.lines) == (Decimal(10), "damaged", [])
    assert found.lines[0].quantity.refundable is None  # an amount names no line


def test_a_cancelled_order_keeps_what_it_cost_and_tells_both_refunds() -> None:
    found = order("order_get_cancelled_captured", canceled_at="2026-11-23T19:41:40.977Z")
    assert (found.status, found.payment_status) == (OrderStatus.CANCELLED, PaymentStatus.REFUNDED)
    assert (found.totals.total.shop.amount, found.totals.refundable.shop.amount) == (Decimal("44.98"), 0)
    assert [one.amount.shop.amount for one in found.refunds or ()] == [Decimal(10), Decimal("34.98")]
    assert found.cancelled_at == datetime(2026, 11, 23, 19, 41, 40, 977000, UTC)
    assert found.lines[0].quantity.refundable == 0


def test_a_shipped_order_has_its_parcel() -> None:
    found = order("order_get_shipped")
    [parcel] = found.fulfillments or ()
    assert (parcel.kind, parcel.status, parcel.delivered_at) == (FulfillmentKind.SHIPPING, DeliveryStatus.SHIPPED, None)
    assert parcel.shipped_at == datetime(2026, 11, 23, 19, 41, 42, 818000, UTC)
    assert found.fulfillment_status is FulfillmentStatus.FULFILLED
    [line] = found.lines
    assert (line.quantity.fulfilled, line.quantity.delivered, line.quantity.returnable) == (2, 0, 2)


def test_a_draft_of_a_return_is_no_return() -> None:
    rows = [msgspec.convert(one, wire.ReturnRow) for one in captured("returns_list")["returns"]]
    found = order("order_get_shipped", rows)
    assert [(one.native_status, one.status, one.number) for one in found.returns or ()] == [
        ("requested", ReturnStatus.REQUESTED, "1")
    ]


def test_a_checkout_record_is_nobodys_record() -> None:
    [guest] = captured("customers_by_email_guest")["customers"]
    assert not mapping.is_record(msgspec.convert(guest, wire.CustomerRow))
    assert mapping.is_record(msgspec.convert({**guest, "has_account": True}, wire.CustomerRow))
    assert mapping.is_record(msgspec.convert({**guest, "created_by": "user_1"}, wire.CustomerRow))


# ------------------------------------------------------------------------------------------------ words

# From NOTES.md of the contract, section 4.
ORDER_WORDS = {"pending", "completed", "draft", "archived", "canceled", "requires_action"}
PAYMENT_WORDS = {
    "not_paid", "awaiting", "authorized", "partially_authorized", "captured", "partially_captured",
    "partially_refunded", "refunded", "canceled", "requires_action",
}  # fmt: skip
FULFILLMENT_WORDS = {
    "not_fulfilled", "partially_fulfilled", "fulfilled", "partially_shipped", "shipped", "partially_delivered",
    "delivered", "canceled",
}  # fmt: skip


def test_the_tables_have_every_word_of_the_vendor_and_no_other() -> None:
    assert set(mapping.PAYMENT_STATUS) == PAYMENT_WORDS
    assert set(mapping.FULFILLMENT_STATUS) == FULFILLMENT_WORDS
    assert {*mapping.ORDER_STATUS, "pending", "draft"} == ORDER_WORDS
    assert set(mapping.PRODUCT_STATUS) == {"draft", "proposed", "published", "rejected"}
    assert {*mapping.RETURN_STATUS, mapping.DRAFT} == {
        "open", "requested", "partially_received", "received", "canceled",
    }  # fmt: skip
    assert mapping.UNPAID <= PAYMENT_WORDS
    asked = {word for words in mapping.STATUS_WORDS.values() for word in words}
    assert asked == ORDER_WORDS - {"draft"}
    assert set(mapping.STATUS_WORDS) == set(OrderStatus) - {OrderStatus.UNKNOWN}


@pytest.mark.parametrize("status", sorted(ORDER_WORDS - {"draft"}))
@pytest.mark.parametrize("payment", sorted(PAYMENT_WORDS))
def test_a_status_is_found_again_by_the_words_it_is_asked_with(status: str, payment: str) -> None:
    found = mapping.order_status(row("order_get_shipped", **ASKED, status=status, payment_status=payment))
    assert found is not OrderStatus.UNKNOWN
    assert status in mapping.STATUS_WORDS[found]


def test_an_unknown_word_is_unknown_and_kept() -> None:
    found = order("order_get_shipped", status="frozen", payment_status="lent", fulfillment_status="lost")
    assert (found.status, found.native_status) == (OrderStatus.UNKNOWN, "frozen")
    assert (found.payment_status, found.fulfillment_status) == (PaymentStatus.UNKNOWN, FulfillmentStatus.UNKNOWN)
    assert found.source.raw == {"status": "frozen", "payment_status": "lent", "fulfillment_status": "lost"}
    assert mapping.order_status(row("order_get_shipped", **ASKED, payment_status="lent")) is OrderStatus.UNKNOWN


@pytest.mark.parametrize(
    ("changed", "status"),
    [
        ({"canceled_at": "2026-11-24T10:00:00Z"}, DeliveryStatus.CANCELLED),
        ({"delivered_at": "2026-11-24T10:00:00Z"}, DeliveryStatus.DELIVERED),
        ({}, DeliveryStatus.SHIPPED),
        ({"shipped_at": None}, DeliveryStatus.PENDING),
        ({"shipped_at": None, "labels": [{"tracking_number": "1"}]}, DeliveryStatus.LABEL_CREATED),
    ],
)
def test_where_a_parcel_is_follows_from_its_instants(changed: dict[str, Any], status: DeliveryStatus) -> None:
    [parcel] = captured("order_get_shipped")["order"]["fulfillments"]
    assert mapping.delivery_status(msgspec.convert({**parcel, **changed}, wire.FulfillmentRow)) is status


def test_a_parcel_that_is_fetched_or_not_sent_says_so() -> None:
    [parcel] = captured("order_get_shipped")["order"]["fulfillments"]
    option = {"shipping_option": {"service_zone": {"fulfillment_set": {"type": "pickup"}}}}
    for changed, kind in ((option, FulfillmentKind.PICKUP), ({"requires_shipping": False}, FulfillmentKind.DIGITAL)):
        found = order("order_get_shipped", fulfillments=[{**parcel, **changed}])
        assert [one.kind for one in found.fulfillments or ()] == [kind]


@pytest.mark.parametrize(
    ("provider", "moved", "where"),
    [
        ("pp_system_default", MoneyMoved.NO, RefundDestination.MANUAL),
        ("pp_stripe_stripe", MoneyMoved.YES, RefundDestination.ORIGINAL_PAYMENT),
    ],
)
def test_money_moved_where_a_payment_service_was_asked(
    provider: str, moved: MoneyMoved, where: RefundDestination
) -> None:
    collections = captured("order_get_partially_refunded")["order"]["payment_collections"]
    collections[0]["payments"][0]["provider_id"] = provider
    found = order("order_get_partially_refunded", payment_collections=collections)
    assert [(one.money_moved, one.destination) for one in found.refunds or ()] == [(moved, where)]


def test_a_returns_line_has_the_reason_that_was_given() -> None:
    base = captured("returns_list")["returns"][0]
    line = captured("order_get_shipped")["order"]["items"][0]["id"]
    for told, reason in (
        ({"metadata": {"aftersale_reason": "COLOR"}}, ReturnReason.COLOR),
        ({"reason": {"value": "size-too-small"}}, ReturnReason.SIZE_TOO_SMALL),
        ({"reason": {"value": "bored"}}, ReturnReason.OTHER),
        ({}, ReturnReason.UNKNOWN),
    ):
        item = {"item_id": line, "quantity": 1, **told}
        raw = {**base, "items": [item], "metadata": {"aftersale_resolution": "STORE_CREDIT"}}
        [found] = order("order_get_shipped", [msgspec.convert(raw, wire.ReturnRow)]).returns or ()
        assert [one.reason for one in found.lines] == [reason]
        assert found.resolution is ReturnResolution.STORE_CREDIT


@pytest.mark.parametrize(
    ("requested", "received", "dismissed", "status"),
    [
        (0, 0, 0, OrderReturnStatus.NONE),
        (1, 0, 0, OrderReturnStatus.REQUESTED),
        (1, 1, 0, OrderReturnStatus.PARTIALLY_RETURNED),
        (0, 1, 1, OrderReturnStatus.RETURNED),
    ],
)
def test_how_far_goods_are_back_follows_from_the_lines(
    requested: int, received: int, dismissed: int, status: OrderReturnStatus
) -> None:
    items = captured("order_get_shipped")["order"]["items"]
    items[0]["detail"] |= {
        "return_requested_quantity": requested,
        "return_received_quantity": received,
        "return_dismissed_quantity": dismissed,
    }
    found = order("order_get_shipped", items=items)
    assert found.return_status is status
    assert found.lines[0].quantity.returned == requested + received + dismissed
    assert found.lines[0].quantity.returnable == 2 - requested - received - dismissed


def test_a_merchants_own_numbering_is_what_shoppers_see() -> None:
    assert order("order_get_shipped", custom_display_id="SE-77").number == "SE-77"


def test_a_currency_that_is_none_is_unreadable() -> None:
    with pytest.raises(Unreadable, match=r"order\.currency_code"):
        order("order_get_shipped", currency_code="kr")


# ------------------------------------------------------------------------------------------------ money and time


def reply(text: str) -> Any:
    return SimpleNamespace(status=200, headers={"content-type": "application/json"}, body=text.encode())


@given(st.decimals(min_value=0, max_value=10**12, allow_nan=False, allow_infinity=False, places=6))
@example(Decimal("0.1"))
@example(Decimal("44.98"))
@example(Decimal("123456789012.123456"))
@example(Decimal("1E-6"))
def test_money_comes_through_without_loss(amount: Decimal) -> None:
    for text in {format(amount, "f"), format(amount.normalize(), "f"), format(amount, "e"), str(amount.normalize())}:
        found = decode(wire.RefundRow, reply(f'{{"id":"r","created_at":"x","amount":{text}}}'), "a refund")
        assert found.amount == amount
        assert isinstance(found.amount, Decimal)
    assert (
        decode(
            wire.RefundRow, reply(f'{{"id":"r","created_at":"x","amount":{simulated_json(amount).decode()}}}'), "x"
        ).amount
        == amount
    )


@given(st.datetimes(timezones=st.sampled_from([UTC, timezone(timedelta(hours=2)), timezone(timedelta(hours=-9.5))])))
def test_an_instant_is_written_to_the_millisecond_in_utc(moment: datetime) -> None:
    if not datetime(1, 1, 2, tzinfo=UTC) < moment < datetime(9999, 12, 30, tzinfo=UTC):
        return
    back = known_instant(to_the_millisecond(moment), "x")
    assert timedelta(0) <= moment - back < timedelta(milliseconds=1)
    assert back.utcoffset() == timedelta(0)
    assert known_instant(moment.isoformat(), "x") == moment


@pytest.mark.parametrize("text", ["yesterday", "2026-13-01", "12"])
def test_what_is_no_date_is_unreadable(text: str) -> None:
    with pytest.raises(Unreadable, match=r"order\.created_at"):
        known_instant(text, "order.created_at")
    with pytest.raises(Unreadable, match="missing"):
        known_instant(None, "order.created_at")


# ------------------------------------------------------------------------------------------------ goods


def product(**changed: Any) -> Any:
    variant = {
        "id": "variant_1",
        "title": "M",
        "manage_inventory": True,
        "allow_backorder": False,
        "prices": [
            {"amount": 5, "currency_code": "eur", "rules": {}},
            {"amount": 1, "currency_code": "sek", "rules": {"region_id": "reg_1"}},
            {"amount": 2, "currency_code": "sek", "min_quantity": 10},
            {"amount": 499.5, "currency_code": "sek", "rules": {}},
        ],
        "inventory_items": [
            {
                "required_quantity": 2,
                "inventory": {"location_levels": [{"available_quantity": 5}, {"available_quantity": 2}]},
            }
        ],
    } | changed
    raw = {"id": "prod_1", "title": "Skjorta", "status": "published", "variants": [variant]}
    return mapping.product(msgspec.convert(raw, wire.ProductRow), HOME, "SEK")


def test_a_price_is_the_plain_one_in_the_stores_currency() -> None:
    found = product()
    assert found.price_min == found.price_max == found.all_variants[0].price
    assert found.price_min.amount == Decimal("499.5")
    assert product(prices=[{"amount": 5, "currency_code": "eur"}]).price_min is None


def test_stock_is_what_could_be_sold_of_every_part() -> None:
    [variant] = product().all_variants
    assert (variant.inventory_quantity, variant.available) == (3, True)
    scarce = [{"required_quantity": 1, "inventory": {"location_levels": []}}]
    [variant] = product(inventory_items=scarce).all_variants
    assert (variant.inventory_quantity, variant.available) == (0, False)
    assert product(inventory_items=scarce, allow_backorder=True).all_variants[0].available is True
    assert product(manage_inventory=False).all_variants[0].available is True
    assert product(inventory_items=None).all_variants[0].available is None


def test_a_product_that_is_not_published_says_so() -> None:
    raw = {"id": "prod_1", "title": "Skjorta", "status": "proposed"}
    found = mapping.product(msgspec.convert(raw, wire.ProductRow), HOME, None)
    assert (found.status, found.all_variants) == (ProductStatus.DRAFT, [])
