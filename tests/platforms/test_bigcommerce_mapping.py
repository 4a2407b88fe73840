"""What BigCommerce's words become: every status and payment word, money in each of its shapes, dates in all three."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from platforms.base import Services
from platforms.bigcommerce import mapping, wire
from platforms.bigcommerce.adapter import BigCommerce, BigCommerceConfig, Credentials
from platforms.bigcommerce.simulator import STATUSES, rfc
from platforms.errors import Unreadable
from platforms.jsonbody import decode
from platforms.secrets import SecretText
from platforms.transport import Reply
from schema.order import Order
from schema.parts import OrderParts
from schema.returns import Refund
from schema.values import Money
from schema.vocabulary import (
    DeliveryStatus,
    FulfillmentKind,
    FulfillmentStatus,
    MoneyMoved,
    OrderStatus,
    PaymentStatus,
    ProductStatus,
    RefundDestination,
    RefundStatus,
)
from tests.platforms.bigcommerce_contract import DEFINITION

RECORDED = Path(__file__).parent / "bigcommerce" / "fixtures"
NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


STORE = BigCommerce(
    BigCommerceConfig(id="ca", store_hash="abc", credentials=Credentials(access_token=SecretText("t"))),
    Services(clock=lambda: NOW),
)
HOME = mapping.Home("ca", "https://store-abc.mybigcommerce.com", STORE.source)


def recorded(name: str) -> Any:
    return json.loads((RECORDED / f"{name}.json").read_text(encoding="utf-8"))


def typed(body: Any, type_: Any) -> Any:
    return decode(type_, Reply(200, {"content-type": "application/json"}, json.dumps(body).encode()), "it")


def row(**changed: Any) -> wire.OrderRow:
    found: wire.OrderRow = typed(recorded("order") | changed, wire.OrderRow)
    return found


def line(**changed: Any) -> wire.LineRow:
    found: wire.LineRow = typed(recorded("order_products")[0] | changed, wire.LineRow)
    return found


def refund_row(**changed: Any) -> wire.RefundRow:
    found: wire.RefundRow = typed(recorded("refund")["data"] | changed, wire.RefundRow)
    return found


def mapped(order: wire.OrderRow, *lines: wire.LineRow, **more: Any) -> Order:
    return mapping.order(order, OrderParts.ALL, HOME, None, lines=lines or [line()], **({"shipments": []} | more))


# ------------------------------------------------------------------ the vendor's own examples
def test_the_vendors_order_is_read() -> None:
    order = mapped(row(), refunds=[])
    assert (order.number, order.native_status, order.email) == ("218", "Awaiting Payment", "janedoe@example.com")
    assert (order.status, order.payment_status) == (OrderStatus.PENDING, PaymentStatus.AUTHORIZED)
    assert order.placed_at == datetime(2019, 3, 5, 21, 40, 11, tzinfo=UTC)
    assert order.updated_at == datetime(2019, 3, 11, 15, 17, 25, tzinfo=UTC)
    totals = order.totals
    assert totals.discount is not None
    assert totals.shipping is not None
    whole = totals.subtotal.shop.amount + totals.shipping.shop.amount - totals.discount.shop.amount
    assert whole == totals.total.shop.amount == Decimal("69.8400")
    assert (order.shipping_address, order.shipping_country) == (None, None)  # only a link to it was answered
    assert order.billing_address is not None
    assert (order.billing_address.line1, order.billing_address.country_code) == ("555 East Street", "US")


def test_the_vendors_line_is_read() -> None:
    (found,) = mapped(row()).lines
    assert (found.title, found.sku, found.vendor) == (
        "Fog Linen Chambray Towel - Beige Stripe",
        "S-ORAN",
        "BigCommerce",
    )
    assert found.variant_title is not None
    assert found.variant_title.startswith("S, Orange")
    assert (found.unit_price.shop, found.total.shop) == (Money.of("65.2300", "USD"), Money.of("63.6400", "USD"))
    assert found.requires_shipping is True
    assert found.product_ref is not None
    assert (found.product_ref.product, found.product_ref.variant) == ("77", None)


def test_the_vendors_refund_is_store_credit() -> None:
    found = refund_row()
    assert mapping.refund_amount(found) == Decimal(50)
    assert mapping.destination(found) is RefundDestination.STORE_CREDIT
    assert mapping.money_moved(found) is MoneyMoved.YES


def test_the_vendors_product_and_customer_are_read() -> None:
    body = recorded("product")["data"] | {"variants": [{"id": 345, "price": None}]}
    product = mapping.product(typed(body, wire.ProductRow), HOME, "USD", "https://shop.example.com/")
    assert (product.title, product.handle) == ("1L Le Parfait Jar", "all/1l-le-parfait-jar")
    assert product.url == "https://shop.example.com/all/1l-le-parfait-jar/"
    assert product.price_min == Money.of("7.95", "USD")
    assert product.all_variants[0].available is True  # no stock is kept
    customer = recorded("customers")["data"][0] | {"id": 7}
    profile = mapping.profile(typed(customer, wire.CustomerRow), HOME)
    assert (profile.owner, profile.display_name) == ("jane.smith@example.com", "Jane Smith")
    assert profile.addresses[0].country_code is None  # "st" is no country


# ------------------------------------------------------------------ statuses
EXPECTED: Mapping[int, tuple[OrderStatus, PaymentStatus, FulfillmentStatus]] = {
    1: (OrderStatus.PENDING, PaymentStatus.PENDING, FulfillmentStatus.UNFULFILLED),
    2: (OrderStatus.OPEN, PaymentStatus.PAID, FulfillmentStatus.FULFILLED),
    3: (OrderStatus.OPEN, PaymentStatus.PAID, FulfillmentStatus.PARTIALLY_FULFILLED),
    4: (OrderStatus.CANCELLED, PaymentStatus.REFUNDED, FulfillmentStatus.UNFULFILLED),
    5: (OrderStatus.CANCELLED, PaymentStatus.UNKNOWN, FulfillmentStatus.UNFULFILLED),
    6: (OrderStatus.CANCELLED, PaymentStatus.FAILED, FulfillmentStatus.UNFULFILLED),
    7: (OrderStatus.PENDING, PaymentStatus.PENDING, FulfillmentStatus.UNFULFILLED),
    8: (OrderStatus.OPEN, PaymentStatus.PAID, FulfillmentStatus.UNFULFILLED),
    9: (OrderStatus.OPEN, PaymentStatus.PAID, FulfillmentStatus.UNFULFILLED),
    10: (OrderStatus.COMPLETED, PaymentStatus.PAID, FulfillmentStatus.FULFILLED),
    11: (OrderStatus.OPEN, PaymentStatus.PAID, FulfillmentStatus.UNFULFILLED),
    12: (OrderStatus.ON_HOLD, PaymentStatus.UNKNOWN, FulfillmentStatus.UNFULFILLED),
    13: (OrderStatus.ON_HOLD, PaymentStatus.DISPUTED, FulfillmentStatus.UNFULFILLED),
    14: (OrderStatus.OPEN, PaymentStatus.PARTIALLY_REFUNDED, FulfillmentStatus.UNFULFILLED),
    99: (OrderStatus.UNKNOWN, PaymentStatus.UNKNOWN, FulfillmentStatus.UNFULFILLED),
}


def test_every_status_of_the_vendors_list_is_looked_at() -> None:
    listed = {one["id"]: one["system_label"] for one in recorded("order_statuses")}
    assert listed == STATUSES
    assert set(listed) == set(EXPECTED) - {99} | {wire.INCOMPLETE}


@pytest.mark.parametrize("status_id", EXPECTED)
def test_a_status_alone_tells_of_the_order_its_money_and_its_goods(status_id: int) -> None:
    order = mapped(row(status_id=status_id, payment_status="", items_total=2, items_shipped=0))
    assert (order.status, order.payment_status, order.fulfillment_status) == EXPECTED[status_id]
    assert order.disputed is (True if status_id == 13 else None)


def test_an_incomplete_order_is_not_shown_and_a_custom_label_changes_nothing() -> None:
    assert not mapping.is_shown(row(status_id=0))
    order = mapped(row(status_id=11, status="Awaiting Fulfillment", custom_status="In the oven"))
    assert (order.status, order.native_status) == (OrderStatus.OPEN, "Awaiting Fulfillment")
    assert order.source.raw_values is not None
    assert order.source.raw_values["custom_status"] == "In the oven"
    assert mapped(row(status_id=99, status="")).native_status == "99"


WORDS: Mapping[str, PaymentStatus] = {
    "authorized": PaymentStatus.AUTHORIZED,
    "captured": PaymentStatus.PAID,
    "capture pending": PaymentStatus.AUTHORIZED,
    "declined": PaymentStatus.FAILED,
    "held for review": PaymentStatus.PENDING,
    "paid": PaymentStatus.PAID,
    "partially refunded": PaymentStatus.PARTIALLY_REFUNDED,
    "pending": PaymentStatus.PENDING,
    "refunded": PaymentStatus.REFUNDED,
    "void": PaymentStatus.VOIDED,
    "void pending": PaymentStatus.AUTHORIZED,
    "": PaymentStatus.PAID,
    "in the post": PaymentStatus.UNKNOWN,
}


@pytest.mark.parametrize("word", WORDS)
def test_a_word_on_the_payment_is_believed_before_the_status(word: str) -> None:
    assert mapped(row(status_id=11, payment_status=word)).payment_status is WORDS[word]


def test_every_word_on_payments_of_the_definition_is_looked_at() -> None:
    schema = DEFINITION["GET /v2/orders/{order_id}"]["answers"]["200"]
    words = next(part["properties"]["payment_status"]["enum"] for part in schema["allOf"])
    assert set(words) == set(WORDS) - {"in the post"}


@pytest.mark.parametrize(
    ("status_id", "shipped", "expected"),
    [
        (4, 1, (OrderStatus.COMPLETED, FulfillmentStatus.PARTIALLY_FULFILLED)),
        (4, 3, (OrderStatus.COMPLETED, FulfillmentStatus.FULFILLED)),
        (14, 2, (OrderStatus.OPEN, FulfillmentStatus.PARTIALLY_FULFILLED)),
        (14, 3, (OrderStatus.COMPLETED, FulfillmentStatus.FULFILLED)),
        (13, 3, (OrderStatus.ON_HOLD, FulfillmentStatus.FULFILLED)),
        (11, 1, (OrderStatus.OPEN, FulfillmentStatus.PARTIALLY_FULFILLED)),
        (5, 3, (OrderStatus.CANCELLED, FulfillmentStatus.FULFILLED)),
    ],
)
def test_where_the_status_is_silent_on_the_goods_units_are_counted(status_id: int, shipped: int, expected: Any) -> None:
    order = mapped(row(status_id=status_id, items_total=3, items_shipped=shipped))
    assert (order.status, order.fulfillment_status) == expected


# ------------------------------------------------------------------ money
@given(st.decimals(0, 10**12, places=4), st.booleans())
def test_an_amount_is_read_exactly_as_a_string_and_as_a_number(amount: Decimal, as_number: bool) -> None:
    body = recorded("order") | {"total_inc_tax": "AMOUNT"}
    text = json.dumps(body).replace('"AMOUNT"', f"{amount}" if as_number else f'"{amount}"')
    found = decode(wire.OrderRow, Reply(200, {"content-type": "application/json"}, text.encode()), "it")
    money = mapped(found).totals.total.shop
    assert isinstance(money.amount, Decimal)
    assert money.amount == amount
    assert str(money.amount) == str(amount)


@pytest.mark.parametrize("wrong", ["", "abc", "NaN", "Infinity", None, True, [], "1,50"])
def test_an_amount_that_is_none_is_unreadable(wrong: Any) -> None:
    with pytest.raises(Unreadable, match="total_inc_tax"):
        row(total_inc_tax=wrong)


def test_the_shopper_pays_in_the_orders_currency_and_the_store_counts_in_its_own() -> None:
    foreign = row(
        default_currency_code="EUR",
        currency_code="GBP",
        store_default_currency_code="CAD",
        store_default_to_transactional_exchange_rate="0.6250000000",
        total_inc_tax="50.0000",
    )
    total = mapped(foreign).totals.total
    assert (total.presentment, total.shop) == (Money.of("50.0000", "EUR"), Money.of("80.0000", "CAD"))
    for rate in ("0", None):
        blind = msgspec.structs.replace(
            foreign, store_default_to_transactional_exchange_rate=None if rate is None else Decimal(rate)
        )
        assert mapped(blind).totals.total.shop == Money.of("50.0000", "EUR")
    with pytest.raises(Unreadable, match="default_currency_code"):
        mapped(row(default_currency_code=""))


def test_a_line_costs_what_is_left_after_its_discounts() -> None:
    assert mapping.line_total(line(discounted_total_inc_tax="60.0000")) == Decimal(60)
    # An older store does not tell; in the vendor's example what is worked out is what is told.
    untold = line(discounted_total_inc_tax=None)
    assert mapping.line_total(untold) == mapping.line_total(line()) == Decimal("65.2300") - Decimal("1.5900")
    assert mapping.line_total(line(discounted_total_inc_tax=None, applied_discounts=[])) == Decimal("65.2300")
    assert mapping.line_total(line(discounted_total_inc_tax=None, applied_discounts=[{"amount": "99"}])) == 0


def test_what_can_be_paid_back_is_captured_less_paid_back() -> None:
    def left(refunds: Any = (), **changed: Any) -> Decimal:
        return mapped(row(**changed), refunds=refunds).totals.refundable.shop.amount

    total = Decimal("69.8400")
    assert left(payment_status="captured", status_id=11) == total
    assert left([refund_row(payments=[])], payment_status="captured", status_id=11) == total - 50
    assert left(payment_status="captured", status_id=11, refunded_amount="9.8400") == 60
    assert left(payment_status="captured", status_id=13) == total
    for nothing in ("authorized", "void", "pending", "declined", "refunded", "partially refunded"):
        assert left(None, payment_status=nothing, status_id=11) == 0
    assert left(None, payment_status="captured", status_id=4) == 0
    assert mapped(row(status_id=4), refunds=None).totals.refunded.shop.amount == total


# ------------------------------------------------------------------ lines
def test_units_that_were_refunded_cannot_come_back_again() -> None:
    def units(refunds: Any = None, **changed: Any) -> tuple[int | None, int | None]:
        order = mapped(row(status_id=2, payment_status="captured"), line(quantity=3, **changed), refunds=refunds)
        return order.lines[0].quantity.returnable, order.lines[0].quantity.refundable

    item = {"item_type": "PRODUCT", "item_id": 65, "quantity": 2, "requested_amount": None}
    shipping = {"item_type": "SHIPPING", "item_id": 65, "quantity": 1}
    assert units() == (3, 3)
    assert units(quantity_refunded=1) == (2, 2)
    assert units([refund_row(items=[item, shipping])], quantity_refunded=1) == (1, 1)
    declined = [{"provider_id": "stripe", "amount": 50, "offline": False, "is_declined": True}]
    assert units([refund_row(items=[item], payments=declined)]) == (3, 3)
    assert units(is_refunded=True) == (0, 0)


def test_only_what_was_sent_can_come_back() -> None:
    order = mapped(row(status_id=3), line(quantity=3, quantity_shipped=1))
    assert (order.lines[0].quantity.fulfilled, order.lines[0].quantity.returnable) == (1, 1)
    assert order.lines[0].quantity.delivered is None


@pytest.mark.parametrize(
    ("kind", "gift", "ships"),
    [("physical", False, True), ("digital", False, False), ("giftcertificate", True, False), ("other", False, None)],
)
def test_the_kind_of_a_line(kind: str, gift: bool, ships: bool | None) -> None:
    (found,) = mapped(row(), line(type=kind, product_id=0)).lines
    assert (found.is_gift_card, found.requires_shipping, found.product_ref) == (gift, ships, None)


# ------------------------------------------------------------------ parcels
def parcel(**changed: Any) -> wire.ShipmentRow:
    body = {"id": 9, "date_created": rfc(NOW), "items": [{"order_product_id": 65, "quantity": 1}]}
    found: wire.ShipmentRow = typed(body | changed, wire.ShipmentRow)
    return found


def test_a_shipment_is_a_parcel_whose_arrival_is_not_known() -> None:
    order = mapped(row(status_id=3), line(quantity=2), shipments=[parcel(tracking_carrier="ups", tracking_number="1Z")])
    assert order.fulfillments is not None
    (found,) = order.fulfillments
    assert (found.status, found.carrier, found.tracking_number) == (DeliveryStatus.SHIPPED, "ups", "1Z")
    assert (found.shipped_at, found.delivered_at, found.tracking_url) == (NOW, None, None)
    assert found.lines[0].line is order.lines[0]


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        (
            {"tracking_link": "https://a.example/1", "generated_tracking_link": "https://b.example/1"},
            "https://a.example/1",
        ),
        ({"tracking_link": "", "generated_tracking_link": "https://b.example/1"}, "https://b.example/1"),
        ({"tracking_link": "javascript:alert(1)"}, None),
    ],
)
def test_a_link_to_a_parcel_is_an_address_of_the_web(given: Any, shown: str | None) -> None:
    order = mapped(row(status_id=3), shipments=[parcel(**given)])
    assert order.fulfillments is not None
    assert order.fulfillments[0].tracking_url == shown


def test_what_no_shipment_holds_was_sent_by_the_status() -> None:
    sent = row(status_id=2, date_shipped=rfc(NOW))
    order = mapped(sent, line(quantity=3), shipments=[parcel()])
    assert order.fulfillments is not None
    assert [(one.id, [part.quantity for part in one.lines], one.shipped_at) for one in order.fulfillments] == [
        ("Fulfillment:ca:218:9", [1], NOW),
        ("Fulfillment:ca:218:status", [2], NOW),
    ]
    whole = mapped(sent, line(quantity=1), shipments=[parcel()])
    assert whole.fulfillments is not None
    assert [one.id for one in whole.fulfillments] == ["Fulfillment:ca:218:9"]


@pytest.mark.parametrize(
    ("changed", "kind"),
    [
        ({"order_is_digital": True}, FulfillmentKind.DIGITAL),
        ({"consignments": {"pickups": [{"id": 1}], "shipping": []}}, FulfillmentKind.PICKUP),
        ({}, FulfillmentKind.SHIPPING),
    ],
)
def test_goods_that_no_parcel_holds_were_fetched_or_loaded(changed: Any, kind: FulfillmentKind) -> None:
    order = mapped(row(status_id=10, **changed))
    assert order.fulfillments is not None
    assert [(one.kind, one.shipped_at) for one in order.fulfillments] == [(kind, None)]


# ------------------------------------------------------------------ refunds
def pay(provider: str = "stripe", offline: bool = False, declined: bool = False, amount: float = 50) -> Any:
    return {"provider_id": provider, "amount": amount, "offline": offline, "is_declined": declined}


@pytest.mark.parametrize(
    ("payments", "status", "moved", "to"),
    [
        ([pay()], RefundStatus.COMPLETED, MoneyMoved.YES, RefundDestination.ORIGINAL_PAYMENT),
        ([pay(offline=True)], RefundStatus.COMPLETED, MoneyMoved.NO, RefundDestination.MANUAL),
        ([pay("storecredit", True)], RefundStatus.COMPLETED, MoneyMoved.YES, RefundDestination.STORE_CREDIT),
        ([pay("giftcertificate")], RefundStatus.COMPLETED, MoneyMoved.YES, RefundDestination.GIFT_CARD),
        ([pay(), pay(offline=True)], RefundStatus.COMPLETED, MoneyMoved.UNKNOWN, RefundDestination.UNKNOWN),
        ([pay(declined=True)], RefundStatus.FAILED, MoneyMoved.NO, RefundDestination.ORIGINAL_PAYMENT),
        ([pay(declined=True), pay(offline=True)], RefundStatus.COMPLETED, MoneyMoved.NO, RefundDestination.MANUAL),
        ([], RefundStatus.COMPLETED, MoneyMoved.UNKNOWN, RefundDestination.UNKNOWN),
    ],
)
def test_whether_money_moved_follows_from_the_payments(
    payments: Any, status: RefundStatus, moved: MoneyMoved, to: RefundDestination
) -> None:
    found = refund_row(payments=payments)
    assert (mapping.refund_status(found), mapping.money_moved(found), mapping.destination(found)) == (status, moved, to)


def test_a_declined_payment_is_not_part_of_the_sum() -> None:
    assert mapping.refund_amount(refund_row(payments=[pay(amount=30.5), pay(declined=True, amount=19.5)])) == Decimal(
        "30.5"
    )
    assert mapping.refund_amount(refund_row(payments=[pay(declined=True)])) == 0


def refunds_of(refund: wire.RefundRow) -> Refund:
    lines = [
        line(id=65, quantity=2, discounted_total_inc_tax="20.0000"),
        line(id=66, discounted_total_inc_tax="7.0000"),
    ]
    found = mapped(row(), *lines, refunds=[refund]).refunds
    assert found is not None
    return found[0]


def test_a_refund_of_several_lines_is_shared_by_what_they_cost() -> None:
    def item(native: int, **more: Any) -> Any:
        return {"item_type": "PRODUCT", "item_id": native, "quantity": 1, "requested_amount": None} | more

    alone = refunds_of(refund_row(items=[item(65)], total_amount=9.99))
    assert [(one.quantity, one.amount) for one in alone.lines] == [(1, Money.of("9.99", "USD"))]
    both = refunds_of(refund_row(items=[item(65), item(66), {"item_type": "SHIPPING", "item_id": 3}]))
    assert [(one.line.native_id, one.amount.amount) for one in both.lines] == [
        ("65", Decimal("10.0000")),
        ("66", Decimal("7.0000")),
    ]
    told = refunds_of(refund_row(items=[item(65, requested_amount=3.5), item(404)]))
    assert [one.amount.amount for one in told.lines] == [Decimal("3.5")]
    assert told.lines[0].restocked is False
    assert refunds_of(refund_row(items=[])).lines == []  # an adjustment of tax alone has none


# ------------------------------------------------------------------ products
def product(**changed: Any) -> Any:
    body = recorded("product")["data"] | {"variants": [{"id": 1}]} | changed
    return mapping.product(typed(body, wire.ProductRow), HOME, "USD", "https://shop.example.com")


def test_a_price_is_what_is_asked_today() -> None:
    sale = product(price=20, variants=[{"id": 1, "price": None, "calculated_price": 15.5}])
    assert sale.all_variants[0].price == Money.of("15.5", "USD")
    assert sale.all_variants[0].compare_at_price == Money.of(20, "USD")
    own = product(variants=[{"id": 1, "price": 3.25}, {"id": 2, "calculated_price": 9}])
    assert (own.price_min, own.price_max) == (Money.of("3.25", "USD"), Money.of(9, "USD"))
    assert own.all_variants[0].compare_at_price is None
    assert product(is_price_hidden=True).price_min is None


@pytest.mark.parametrize(
    ("changed", "stock", "available"),
    [
        ({"inventory_tracking": "none"}, None, True),
        ({"inventory_tracking": "product", "inventory_level": 4}, 4, True),
        ({"inventory_tracking": "product", "inventory_level": 0}, 0, False),
        ({"inventory_tracking": "variant", "variants": [{"id": 1, "inventory_level": 2}]}, 2, True),
        ({"inventory_tracking": "none", "availability": "disabled"}, None, False),
        ({"inventory_tracking": "none", "variants": [{"id": 1, "purchasing_disabled": True}]}, None, False),
        ({"inventory_tracking": "none", "availability": "preorder"}, None, True),
    ],
)
def test_stock_is_kept_for_the_product_its_variants_or_not_at_all(changed: Any, stock: Any, available: bool) -> None:
    (variant,) = product(**changed).all_variants
    assert (variant.inventory_quantity, variant.available) == (stock, available)


def test_a_product_out_of_sight_is_a_draft_without_a_page() -> None:
    hidden = product(is_visible=False)
    assert (hidden.status, hidden.url) == (ProductStatus.DRAFT, None)
    assert product(custom_url=None).url is None
    assert product(custom_url={"url": "javascript:x"}).url is None
    assert "<" not in (product().description or "<")


def test_the_thumbnail_comes_first_among_the_images() -> None:
    images = [
        {"url_standard": "https://i.example/2", "sort_order": 1},
        {"url_standard": "https://i.example/1", "sort_order": 5, "is_thumbnail": True, "description": "Front"},
        {"url_standard": None},
    ]
    assert [(one.url, one.alt) for one in product(images=images).images] == [
        ("https://i.example/1", "Front"),
        ("https://i.example/2", None),
    ]


# ------------------------------------------------------------------ dates, and names of pages
@given(st.datetimes(datetime(2001, 9, 10), datetime(2100, 1, 1), timezones=st.timezones()))
def test_every_way_to_write_an_instant_is_the_same_instant(moment: datetime) -> None:
    moment = moment.replace(microsecond=0)
    utc = moment.astimezone(UTC)
    for text in (rfc(moment), utc.isoformat(), int(utc.timestamp()), str(int(utc.timestamp()))):
        found = wire.instant(text, "a date")
        assert found == utc
        assert found is not None
        assert found.tzinfo is UTC


def test_a_date_without_a_zone_is_utc_and_nothing_is_none() -> None:
    assert wire.instant("2026-11-23T12:00:00", "x") == NOW
    assert wire.instant("2026-11-23T07:00:00-05:00", "x") == NOW
    assert wire.instant("Mon, 23 Nov 2026 12:00:00 -0000", "x") == NOW
    assert (wire.instant("", "x"), wire.instant(None, "x")) == (None, None)
    for wrong in ("yesterday", "2026-13-01", "0", "Mon, 99 Nov 2026 12:00:00 +0000"):
        with pytest.raises(Unreadable, match=r"shipment\.date_created is not a date"):
            wire.instant(wrong, "shipment.date_created")
    with pytest.raises(Unreadable, match="is missing"):
        wire.known_instant("", "order.date_created")


@pytest.mark.parametrize(
    ("meta", "more"),
    [
        ({"pagination": {"current_page": 1, "total_pages": 2}}, True),
        ({"pagination": {"current_page": 2, "total_pages": 2}}, False),
        ({"pagination": {"current_page": 1, "total_pages": 0}}, False),
        ({}, False),
        (None, False),
    ],
)
def test_a_v3_list_says_whether_it_goes_on(meta: Any, more: bool) -> None:
    assert typed({"data": [], "meta": meta}, wire.Listed[wire.CustomerRow]).more is more


def test_an_empty_list_is_204_in_v2_and_data_in_v3() -> None:
    nothing = Reply(204, {}, b"")
    assert wire.rows(wire.LineRow, nothing, "lines") == []
    assert wire.listed(wire.RefundRow, nothing, "refunds").data == []
    with pytest.raises(Unreadable, match="without a body"):
        decode(wire.OrderRow, nothing, "the order")
