"""WooCommerce's recorded answers, read and turned into the contract's nouns."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from platforms.errors import (
    BadCredentials,
    MissingScope,
    PlatformError,
    Refused,
    Unavailable,
    Unreadable,
)
from platforms.jsonbody import decode
from platforms.transport import Reply
from platforms.woocommerce import mapping, wire
from schema.order import Order, ProductRef
from schema.parts import OrderParts, PartNotLoaded
from schema.provenance import Source, Store
from schema.subscription import OrderRef, ProfileRef
from schema.vocabulary import (
    DeliveryStatus,
    FulfillmentStatus,
    IntervalUnit,
    MoneyMoved,
    OrderReturnStatus,
    OrderStatus,
    PaymentStatus,
    ProductStatus,
    RefundDestination,
    SubscriptionStatus,
)

T = TypeVar("T")
RECORDED = Path(__file__).parent / "woocommerce"
NOW = datetime(2026, 11, 23, 20, tzinfo=UTC)


def capture(name: str) -> Any:
    return json.loads((RECORDED / "captures" / f"{name}.json").read_text(encoding="utf-8"))


def fixture(name: str) -> Any:
    return json.loads((RECORDED / "fixtures" / f"{name}.json").read_text(encoding="utf-8"))


def reply(body: Any, status: int = 200) -> Reply:
    return Reply(status, {"content-type": "application/json; charset=UTF-8"}, json.dumps(body).encode())


def read(type_: type[T], body: Any) -> T:
    return decode(type_, reply(body), "test")


def source(native_id: str, *, admin: str | None = None, raw: dict[str, object] | None = None) -> Source:
    store = Store(
        id=Store.id_of("eu"),
        name="eu",
        platform="WooCommerce",
        time_zone="UTC",
        currency_code="EUR",
        key="eu",
        state=None,
    )  # type: ignore[arg-type]
    return Source(store=store, native_id=native_id, fetched_at=NOW, admin=admin, raw_values=raw)


HOME = mapping.Home("eu", "https://eu.example.com", "Europe/Berlin", source)


def mapped(body: Any, parts: OrderParts = OrderParts.ALL, refunds: list[Any] | None = None) -> Order:
    rows = None if refunds is None else read(list[wire.RefundRow], refunds)
    kind = wire.AddressedOrderRow if OrderParts.ADDRESSES in parts else wire.OrderRow
    return mapping.order(read(kind, body), parts, HOME, None, rows)


# ------------------------------------------------------------------ orders
def test_a_recorded_paid_order_is_open_paid_and_not_sent() -> None:
    order = mapped(capture("order_get_paid")["body"])
    assert (order.id, order.number, order.native_status) == ("Order:eu:13", "13", "processing")
    assert order.status is OrderStatus.OPEN
    assert order.payment_status is PaymentStatus.PAID
    assert order.fulfillment_status is FulfillmentStatus.UNFULFILLED
    assert order.return_status is OrderReturnStatus.NONE
    assert order.placed_at == datetime(2026, 11, 23, 19, 14, 51, tzinfo=UTC)
    assert order.email == "ann@example.test"
    assert order.customer_native_id == "2"
    assert order.totals.total.shop.amount == Decimal("44.98")
    assert order.totals.subtotal.shop.amount == Decimal("39.98")
    assert order.totals.shipping is not None
    assert order.totals.shipping.shop.amount == Decimal("5.00")
    assert order.totals.refunded.shop.amount == 0
    assert order.totals.refundable.shop.amount == Decimal("44.98")
    assert order.totals.total.presentment.currency_code == "USD"
    (line,) = order.lines
    assert (line.id, line.native_id) == ("OrderLine:eu:13:1", "1")
    assert line.unit_price.shop.amount == Decimal("19.99")
    assert line.total.shop.amount == Decimal("39.98")
    assert (line.quantity.ordered, line.quantity.current, line.quantity.returned) == (2, 2, 0)
    assert (line.quantity.fulfilled, line.quantity.delivered) == (0, None)
    assert (line.quantity.returnable, line.quantity.refundable) == (0, 2)
    assert line.product_ref == ProductRef("eu", "10")
    assert line.order is order
    assert (order.fulfillments, order.returns, order.refunds) == ([], [], [])
    assert order.shipping_address is not None
    assert order.shipping_address.region_code == "TX"
    assert order.shipping_country == "US"


def test_a_cancelled_order_says_so_and_keeps_its_money() -> None:
    order = mapped(capture("order_cancel_paid")["body"])
    assert order.status is OrderStatus.CANCELLED
    assert order.payment_status is PaymentStatus.PAID
    assert order.totals.refundable.shop.amount == Decimal("44.98")
    assert order.cancelled_at is None  # the platform does not say when


def test_a_guest_order_that_waits_for_payment_can_refund_nothing() -> None:
    order = mapped(capture("order_get_guest_pending")["body"])
    assert order.status is OrderStatus.PENDING
    assert order.payment_status is PaymentStatus.PENDING
    assert order.customer_native_id is None
    assert order.totals.refundable.shop.amount == 0
    assert order.lines[0].quantity.refundable == 0


def test_a_refund_total_that_is_a_dash_counts_nothing() -> None:
    order = mapped(capture("order_get_refund_total_dash")["body"])
    assert order.totals.refunded.shop.amount == Decimal("29.99")
    assert order.payment_status is PaymentStatus.PARTIALLY_REFUNDED
    assert order.totals.total.shop.amount == Decimal("44.98")


def test_a_fully_refunded_order_adds_up_to_its_total_with_the_dash_as_nothing() -> None:
    order = mapped(capture("order_get_fully_refunded")["body"])
    assert order.totals.refunded.shop.amount == order.totals.total.shop.amount == Decimal("44.98")
    assert order.totals.refundable.shop.amount == 0
    assert order.payment_status is PaymentStatus.REFUNDED
    assert order.status is OrderStatus.CANCELLED  # it never was completed


def test_a_refund_with_a_line_lowers_what_is_left_of_it_and_says_that_no_money_moved() -> None:
    body = capture("order_get_partially_refunded")["body"] | {
        "status": "completed",
        "date_completed_gmt": "2026-11-23T19:16:00",
    }
    refunds = [capture("refund_create_lineitem")["body"], capture("refund_create_partial")["body"]]
    order = mapped(body, refunds=refunds)
    (line,) = order.lines
    assert (line.quantity.ordered, line.quantity.current) == (2, 2)
    assert (line.quantity.returnable, line.quantity.refundable) == (1, 1)
    assert order.refunds is not None
    by_line, by_amount = order.refunds
    assert by_line.id == "Refund:eu:15:19"
    assert (by_line.lines[0].line, by_line.lines[0].quantity) == (line, 1)
    assert by_line.lines[0].amount.amount == Decimal("19.99")
    assert by_line.money_moved is MoneyMoved.NO
    assert by_line.destination is RefundDestination.MANUAL
    assert (by_amount.amount.shop.amount, by_amount.reason, by_amount.lines) == (Decimal("10.00"), "damaged", [])


def test_a_refund_that_asked_the_gateway_moved_money() -> None:
    body = capture("order_get_partially_refunded")["body"]
    paid = capture("refund_create_partial")["body"] | {"refunded_payment": True}
    order = mapped(body, refunds=[paid, paid | {"amount": "", "refunded_payment": None}])
    assert order.refunds is not None
    assert order.refunds[0].money_moved is MoneyMoved.YES
    assert order.refunds[0].destination is RefundDestination.ORIGINAL_PAYMENT
    assert (order.refunds[1].money_moved, order.refunds[1].amount.shop.amount) == (MoneyMoved.UNKNOWN, 0)


def test_refunds_that_could_not_be_read_are_null_and_leave_no_guess() -> None:
    order = mapped(capture("order_get_partially_refunded")["body"] | {"status": "completed"}, refunds=None)
    assert order.refunds is None
    assert order.returns == []
    assert (order.lines[0].quantity.returnable, order.lines[0].quantity.refundable) == (None, None)


def test_a_refund_line_of_which_line_is_not_known_leaves_no_guess() -> None:
    refund = capture("refund_create_lineitem")["body"]
    refund["line_items"][0]["meta_data"] = []
    order = mapped(capture("order_get_partially_refunded")["body"], refunds=[refund])
    assert order.lines[0].quantity.refundable is None
    assert order.refunds is not None
    assert order.refunds[0].lines == []


def test_a_completed_order_was_sent_once_and_nobody_knows_when_it_arrived() -> None:
    body = capture("order_get_paid")["body"] | {"status": "completed", "date_completed_gmt": "2026-11-23T19:20:00"}
    order = mapped(body)
    assert order.fulfillment_status is FulfillmentStatus.FULFILLED
    assert order.fulfillments is not None
    (parcel,) = order.fulfillments
    assert parcel.status is DeliveryStatus.SHIPPED
    assert parcel.shipped_at == datetime(2026, 11, 23, 19, 20, tzinfo=UTC)
    assert (parcel.delivered_at, parcel.tracking_number) == (None, None)
    assert [(one.line, one.quantity) for one in parcel.lines] == [(order.lines[0], 2)]
    assert order.lines[0].quantity.returnable == 2


def test_the_vendors_example_order_reads_and_decodes_its_entities() -> None:
    order = mapped(fixture("order"))
    assert [line.title for line in order.lines] == ["Woo Single #1", "Ship Your Idea – Color: Black, Size: M Test"]
    assert order.lines[1].product_ref == ProductRef("eu", "22", "23")
    assert order.totals.tax is not None
    assert order.totals.tax.shop.amount == Decimal("1.35")
    assert order.placed_at == datetime(2017, 3, 22, 19, 28, 2, tzinfo=UTC)
    assert order.lines[0].unit_price.shop.amount == Decimal("3.00")
    assert len(read(list[wire.OrderRow], fixture("orders_list"))) == 2


def test_an_order_with_a_product_nobody_knows_has_a_line_without_product() -> None:
    order = mapped(capture("err_order_bad_product")["body"])
    assert order.lines[0].product_ref is None
    assert order.email is None
    assert order.shipping_address is None


def test_prices_that_include_tax_are_told_with_it() -> None:
    body = fixture("order") | {"prices_include_tax": True}
    order = mapped(body)
    assert order.lines[0].total.shop.amount == Decimal("6.45")
    assert order.lines[0].unit_price.shop.amount == Decimal("3.22")
    assert order.totals.subtotal.shop.amount == Decimal("19.35")


def test_a_part_that_was_not_asked_for_raises_when_touched() -> None:
    order = mapped(fixture("order"), OrderParts.NONE)
    for part in ("lines", "fulfillments", "returns", "refunds", "shipping_address", "status_url"):
        with pytest.raises(PartNotLoaded):
            getattr(order, part)
    assert mapped(fixture("order"), OrderParts.STATUS_URL).status_url is None


@pytest.mark.parametrize(
    ("word", "order", "payment", "fulfillment"),
    [
        ("pending", OrderStatus.PENDING, PaymentStatus.PAID, FulfillmentStatus.UNFULFILLED),
        ("processing", OrderStatus.OPEN, PaymentStatus.PAID, FulfillmentStatus.UNFULFILLED),
        ("on-hold", OrderStatus.ON_HOLD, PaymentStatus.PAID, FulfillmentStatus.UNFULFILLED),
        ("completed", OrderStatus.COMPLETED, PaymentStatus.PAID, FulfillmentStatus.FULFILLED),
        ("cancelled", OrderStatus.CANCELLED, PaymentStatus.PAID, FulfillmentStatus.UNFULFILLED),
        ("refunded", OrderStatus.CANCELLED, PaymentStatus.REFUNDED, FulfillmentStatus.UNFULFILLED),
        ("failed", OrderStatus.FAILED, PaymentStatus.FAILED, FulfillmentStatus.UNFULFILLED),
        ("wc-packed", OrderStatus.UNKNOWN, PaymentStatus.PAID, FulfillmentStatus.UNKNOWN),
    ],
)
def test_every_status_word_has_its_place_and_an_unknown_one_is_kept(
    word: str, order: OrderStatus, payment: PaymentStatus, fulfillment: FulfillmentStatus
) -> None:
    found = mapped(capture("order_get_paid")["body"] | {"status": word})
    assert (found.status, found.payment_status, found.fulfillment_status) == (order, payment, fulfillment)
    assert found.native_status == word
    if fulfillment is FulfillmentStatus.UNKNOWN:
        assert found.fulfillments is None
        assert found.lines[0].quantity.returnable is None


def test_a_refunded_order_that_was_completed_stays_completed() -> None:
    body = capture("order_get_fully_refunded")["body"] | {"date_completed_gmt": "2026-11-23T19:20:00"}
    assert mapped(body).status is OrderStatus.COMPLETED


def test_every_word_a_recorded_shop_allows_is_mapped_or_hidden() -> None:
    message = capture("err_400_bad_status")["body"]["data"]["params"]["status"]
    words = message.removeprefix("status is not one of ").removesuffix(".").replace("and ", "").split(", ")
    assert len(words) == 9
    asked_for = {word for some in mapping.STATUS_WORDS.values() for word in some}
    assert {word for word in words if word not in mapping.HIDDEN} == asked_for


@pytest.mark.parametrize("word", sorted(mapping.HIDDEN))
def test_drafts_and_trash_are_not_there(word: str) -> None:
    assert not mapping.is_shown(read(wire.OrderRow, capture("order_get_paid")["body"] | {"status": word}))


@pytest.mark.parametrize("field", ["id", "status", "currency", "total", "billing", "line_items", "refunds"])
def test_a_field_that_is_missing_is_named(field: str) -> None:
    body = capture("order_get_paid")["body"]
    del body[field]
    with pytest.raises(Unreadable, match=f"`{field}`"):
        mapped(body)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"total": "12,90"}, "order.total"),
        ({"total": "1e5"}, "order.total"),
        ({"total": "NaN"}, "order.total"),
        ({"date_created_gmt": None}, "order.date_created_gmt"),
        ({"date_created_gmt": "yesterday"}, "order.date_created_gmt"),
        ({"refunds": [{"id": 1, "total": "--"}]}, r"order.refunds\[\].total"),
    ],
)
def test_a_value_that_makes_no_sense_is_named_and_not_repeated(change: dict[str, Any], named: str) -> None:
    with pytest.raises(Unreadable, match=named) as raised:
        mapped(capture("order_get_paid")["body"] | change)
    assert "12,90" not in str(raised.value)
    assert "yesterday" not in str(raised.value)


def test_dates_are_read_with_and_without_their_zone() -> None:
    assert wire.instant("2026-11-23T19:14:51", "x") == wire.instant("2026-11-23T19:14:51Z", "x")
    assert wire.instant("2026-11-23T20:14:51+01:00", "x") == datetime(2026, 11, 23, 19, 14, 51, tzinfo=UTC)
    assert wire.instant("", "x") is None
    assert wire.instant(None, "x") is None


amounts = st.decimals(min_value=-(10**15), max_value=10**15, allow_nan=False, allow_infinity=False, places=4)


@given(amounts)
def test_decimal_strings_are_read_without_loss(amount: Decimal) -> None:
    text = f"{amount:f}"
    read_back = wire.amount(text, "x")
    assert str(read_back) == text or read_back == amount == 0
    assert read_back.as_tuple().exponent == Decimal(text).as_tuple().exponent


@given(st.lists(st.decimals(min_value=0, max_value=10**6, places=2), max_size=6), st.integers(0, 10**8))
def test_captured_less_refunded_is_exact_and_never_negative(refunds: list[Decimal], cents: int) -> None:
    total = Decimal(cents) / 100
    body = capture("order_get_paid")["body"] | {
        "total": f"{total:.2f}",
        "refunds": [{"id": at, "total": f"-{one:.2f}"} for at, one in enumerate(refunds)],
    }
    totals = mapped(body, OrderParts.NONE).totals
    assert totals.refunded.shop.amount == sum(refunds)
    assert totals.refundable.shop.amount == max(total - sum(refunds), Decimal(0))
    assert totals.total.shop.amount == total


@given(st.integers(1, 10**6), st.integers(1, 30))
def test_a_unit_price_keeps_the_shops_digits(cents: int, count: int) -> None:
    amount = Decimal(cents) / 100
    one = mapping.each(amount.quantize(Decimal("0.01")), count)
    assert one.as_tuple().exponent == -2
    assert abs(one * count - amount) <= Decimal("0.005") * count


# ------------------------------------------------------------------ customers, products
def test_a_recorded_customer_is_a_profile() -> None:
    (row,) = read(list[wire.CustomerRow], capture("customers_by_email")["body"])
    profile = mapping.profile(row, HOME)
    assert (profile.id, profile.email, profile.owner) == (
        "CustomerProfile:eu:2",
        "ann@example.test",
        "ann@example.test",
    )
    assert (profile.display_name, profile.phone) == ("Ann Lee", "+15125550100")
    assert profile.created_at == datetime(2026, 11, 23, 19, 14, 51, tzinfo=UTC)
    assert [one.line1 for one in profile.addresses] == ["1 Main St", "1 Main St"]  # they differ by the phone number
    assert profile.order_count is None


def test_the_vendors_example_customers_read() -> None:
    assert [row.id for row in read(list[wire.CustomerRow], fixture("customers_list"))] == [26, 25]
    assert read(wire.CustomerRow, fixture("customer")).email == "john.doe@example.com"


def test_a_simple_product_is_bought_as_itself() -> None:
    (row,) = read(list[wire.ProductRow], capture("products_by_sku")["body"])
    product = mapping.product(row, HOME, "EUR", None)
    assert (product.id, product.title, product.status) == ("Product:eu:10", "Blue Shirt", ProductStatus.ACTIVE)
    (variant,) = product.all_variants
    assert variant.id == "Variant:eu:10:10"
    assert variant.price is not None
    assert (variant.price.amount, variant.price.currency_code) == (Decimal("19.99"), "EUR")
    assert (variant.sku, variant.available, variant.inventory_quantity) == ("SHIRT-1", True, 8)
    assert product.price_min == product.price_max == variant.price
    assert product.product_type == "Uncategorized"


def test_the_vendors_example_product_has_images_and_plain_text() -> None:
    product = mapping.product(read(wire.ProductRow, fixture("product")), HOME, None, None)
    assert [image.url.rpartition("/")[2] for image in product.images] == ["T_2_front-4.jpg", "T_2_back-2.jpg"]
    assert product.description == "Soft & warm.\nTwo\nlines."
    assert product.all_variants[0].price is None  # without a currency there is no money
    assert product.all_variants[0].inventory_quantity is None
    assert product.url == "https://example.com/product/premium-quality-19/"


@pytest.mark.parametrize(
    ("word", "status"),
    [
        ("publish", ProductStatus.ACTIVE),
        ("draft", ProductStatus.DRAFT),
        ("pending", ProductStatus.DRAFT),
        ("private", ProductStatus.DRAFT),
        ("trash", ProductStatus.ARCHIVED),
        ("future", ProductStatus.UNKNOWN),
    ],
)
def test_a_product_that_is_not_published_has_no_page(word: str, status: ProductStatus) -> None:
    product = mapping.product(read(wire.ProductRow, fixture("product") | {"status": word}), HOME, "EUR", None)
    assert product.status is status
    assert (product.url is not None) == (word == "publish")


def test_a_picture_with_a_script_for_an_address_is_left_out() -> None:
    body = fixture("product") | {"images": [{"src": "javascript:alert(1)", "alt": "x"}]}
    assert mapping.product(read(wire.ProductRow, body), HOME, "EUR", None).images == []


def test_scripts_are_no_part_of_a_description() -> None:
    assert mapping.plain_text("<p>One<script>alert(1)</script></p><ul><li>two</li></ul>&lt;b&gt;") == "One\ntwo\n<b>"


# ------------------------------------------------------------------ subscriptions
def subscription(change: dict[str, Any], orders: list[Any] | None = None, *, with_cycles: bool = True) -> Any:
    rows = None if orders is None else read(list[wire.SubscriptionOrderRow], orders)
    row = read(wire.SubscriptionRow, fixture("subscription") | change)
    return mapping.subscription(row, HOME, rows, with_cycles=with_cycles, owner=None)


def renewal(native: int, status: str, kind: str = "renewal", paid: bool = True) -> dict[str, Any]:
    day = f"2021-04-{native:02d}T10:00:00"
    return {
        "id": native,
        "status": status,
        "date_created_gmt": day,
        "date_paid_gmt": day if paid else None,
        "order_type": kind,
    }


def test_the_vendors_example_subscription_bills_every_week() -> None:
    found = subscription({}, [renewal(20, "completed"), renewal(13, "completed", "parent")])
    assert (found.id, found.status, found.native_status) == (
        "SubscriptionContract:eu:1300",
        SubscriptionStatus.ACTIVE,
        "active",
    )
    assert (found.billing_interval.unit, found.billing_interval.count) == (IntervalUnit.WEEK, 1)
    assert found.next_billing_at == date(2021, 4, 29)
    assert found.lines[0].price.amount == Decimal("10.00")  # 7.91 and 2.09 of tax, which prices here include
    assert found.customer_ref == ProfileRef("eu", "1")
    assert found.owner is None  # the customer record says who it is, not the address on the subscription
    assert found.origin_order_ref == OrderRef("eu", "1299")
    assert (found.cycles_completed, found.min_cycles, found.max_cycles) == (2, None, None)
    assert [row.id for row in read(list[wire.SubscriptionRow], fixture("subscriptions_list"))] == [
        1314,
        1313,
        1312,
        1311,
    ]


def test_the_day_of_the_next_payment_is_told_in_the_shops_zone() -> None:
    assert subscription({"next_payment_date_gmt": "2021-04-29T22:30:00"}).next_billing_at == date(2021, 4, 30)
    assert subscription({"next_payment_date_gmt": ""}).next_billing_at is None


@pytest.mark.parametrize("word", [*(one.removeprefix("wc-") for one in fixture("subscription_statuses")), "frozen"])
def test_every_subscription_word_has_its_place_and_an_unknown_one_is_kept(word: str) -> None:
    expected = {
        "pending": SubscriptionStatus.PENDING,
        "active": SubscriptionStatus.ACTIVE,
        "on-hold": SubscriptionStatus.PAUSED,
        "cancelled": SubscriptionStatus.CANCELLED,
        "switched": SubscriptionStatus.CANCELLED,
        "expired": SubscriptionStatus.EXPIRED,
        "pending-cancel": SubscriptionStatus.CANCELLING,
        "frozen": SubscriptionStatus.UNKNOWN,
    }
    found = subscription({"status": word}, [])
    assert (found.status, found.native_status) == (expected[word], word)
    assert (found.next_billing_at is not None) == (word == "active")


def test_on_hold_is_a_failed_payment_only_when_the_latest_renewal_failed() -> None:
    failed = subscription({"status": "on-hold"}, [renewal(10, "completed"), renewal(17, "failed", paid=False)])
    assert (failed.status, failed.payment_failed) == (SubscriptionStatus.PAYMENT_FAILED, True)
    made_good = subscription({"status": "on-hold"}, [renewal(10, "failed", paid=False), renewal(17, "completed")])
    assert (made_good.status, made_good.payment_failed) == (SubscriptionStatus.PAUSED, False)
    first = subscription({"status": "on-hold"}, [renewal(10, "failed", "parent", paid=False)])
    assert first.status is SubscriptionStatus.PAUSED


def test_cycles_that_could_not_be_read_are_null_and_not_asked_for_raise() -> None:
    assert subscription({}, None).cycles_completed is None
    with pytest.raises(PartNotLoaded):
        _ = subscription({}, None, with_cycles=False).cycles_completed


def test_a_subscription_without_a_customer_record_belongs_to_its_address() -> None:
    found = subscription({"customer_id": 0})
    assert (found.owner, found.customer_ref) == ("james.allan@example.com", None)
    assert subscription({"parent_id": 0}, []).origin_order_ref is None


@pytest.mark.parametrize(
    ("change", "named"),
    [({"billing_period": "fortnight"}, "billing_period"), ({"billing_interval": "some"}, "billing_interval")],
)
def test_an_interval_that_makes_no_sense_is_named(change: dict[str, Any], named: str) -> None:
    with pytest.raises(Unreadable, match=named):
        subscription(change)


# ------------------------------------------------------------------ refusals, as recorded
@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("err_400_bad_json", Refused),
        ("err_400_bad_param", Refused),
        ("err_400_bad_status", Refused),
        ("err_400_customer_email_exists", Refused),
        ("err_401_bad_key", BadCredentials),
        ("err_401_bad_secret", BadCredentials),
        ("err_401_no_auth", BadCredentials),
        ("err_401_read_only_key", MissingScope),
        ("err_404_customer", wire.Missing),
        ("err_404_id_of_other_type", wire.Missing),
        ("err_404_no_route", wire.NoRoute),
        ("err_404_order", wire.Missing),
        ("err_404_product", wire.Missing),
        ("err_basic_over_http", BadCredentials),
        ("err_refund_too_much", Refused),
        ("refund_create_api_refund_default", Refused),
    ],
)
def test_each_recorded_refusal_is_what_it_means(name: str, kind: type[PlatformError]) -> None:
    recorded = capture(name)
    with pytest.raises(PlatformError) as raised:
        wire.judge(reply(recorded["body"], recorded["status"]))
    assert type(raised.value) is kind
    assert raised.value.not_executed
    assert not raised.value.retryable
    (native,) = raised.value.native
    assert (native.code, native.http_status) == (recorded["body"]["code"], recorded["status"])
    assert "@" not in native.message
    assert recorded["body"]["message"] not in str(raised.value)


def test_a_read_only_key_is_told_which_permission_it_lacks() -> None:
    recorded = capture("err_401_read_only_key")
    with pytest.raises(MissingScope) as raised:
        wire.judge(reply(recorded["body"], 401))
    assert raised.value.scopes == ("read_write",)


def test_a_server_fault_is_left_to_the_transport() -> None:
    fault = reply({"code": "internal_server_error", "message": "Error", "data": {"status": 500}}, 500)
    assert wire.judge(fault) is fault
    html = Reply(503, {"content-type": "text/html"}, b"<h1>Maintenance</h1>")
    assert wire.judge(html) is html
    throttled = Reply(429, {"content-type": "text/html"}, b"")
    assert wire.judge(throttled) is throttled


@pytest.mark.parametrize("status", [401, 403, 404])
def test_a_refusal_in_html_is_not_the_shops(status: int) -> None:
    with pytest.raises(Unavailable) as raised:
        wire.judge(Reply(status, {"content-type": "text/html; charset=UTF-8"}, b"<html>blocked</html>"))
    assert not raised.value.not_executed  # who knows how far it came


def test_a_user_without_the_capability_lacks_a_permission() -> None:
    body = {"code": "woocommerce_rest_cannot_edit", "message": "Sorry, you are not allowed.", "data": {"status": 403}}
    with pytest.raises(MissingScope):
        wire.judge(reply(body, 403))


def test_recorded_notes_and_refunds_read() -> None:
    note = read(wire.NoteRow, capture("order_note_create")["body"])
    assert (note.id, note.note, note.customer_note) == (38, "hello", True)
    assert [row.amount for row in read(list[wire.RefundRow], fixture("refunds_list"))] == ["10.00", "9.00"]
    assert read(wire.RefundRow, fixture("refund_create")).refunded_payment is False


def test_nothing_read_of_a_row_can_be_changed_by_accident() -> None:
    row = read(wire.OrderState, {"id": 1, "status": "cancelled"})
    with pytest.raises(AttributeError):
        row.status = "processing"  # type: ignore[misc]
    assert msgspec.structs.asdict(row) == {"id": 1, "status": "cancelled"}


@given(st.lists(st.tuples(st.integers(0, 18), st.sampled_from("0123456789-:T.+ZzxW ,")), min_size=0, max_size=4))
def test_a_date_means_what_python_says_it_means_however_it_is_written(changes: list[tuple[int, str]]) -> None:
    letters = list("2026-11-23T19:14:51")
    for place, letter in changes:
        letters[place] = letter
    text = "".join(letters)
    try:
        plain = datetime.fromisoformat(text)
    except ValueError:
        with pytest.raises(Unreadable, match="x is not a date"):
            wire.instant(text, "x")
        return
    assert wire.instant(text, "x") == (plain if plain.tzinfo else plain.replace(tzinfo=UTC))
