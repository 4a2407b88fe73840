"""commercetools' words and ours, word by word; money in every shape; the vendor's own examples."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from platforms.base import Services
from platforms.commercetools import mapping, wire
from platforms.commercetools.adapter import Commercetools, CommercetoolsConfig, Credentials
from platforms.commercetools.seed import native, seed
from platforms.errors import BadCredentials, MissingScope, Refused, Unavailable, Unreadable
from platforms.secrets import SecretText
from platforms.transport import Reply
from policies.facts import FACTS
from schema.order import Order
from schema.parts import OrderParts
from schema.values import Interval, Money
from schema.vocabulary import (
    DeliveryStatus,
    FulfillmentStatus,
    IntervalUnit,
    ItemCondition,
    OrderReturnStatus,
    OrderStatus,
    PaymentStatus,
    ReturnReason,
    ReturnResolution,
    ReturnStatus,
    SubscriptionStatus,
)
from tests.platforms.commercetools_contract import NAMES

FIXTURES = Path(__file__).parent / "commercetools" / "fixtures"
NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


@pytest.fixture
def home() -> mapping.Home:
    credentials = Credentials(client_id=SecretText("a"), client_secret=SecretText("b"))
    config = CommercetoolsConfig(
        id="de", project="acme", region="europe-west1.gcp", time_zone="Europe/Berlin", credentials=credentials
    )
    return Commercetools(config, Services(clock=lambda: NOW))._home()


def example(name: str) -> Any:
    return json.loads((FIXTURES / f"{name}.json").read_text(encoding="utf-8"))


def order_row(**changed: Any) -> wire.OrderRow:
    return msgspec.convert(seed(NOW).orders[native("order", 3002)] | changed, wire.OrderRow)


def order(home: mapping.Home, **changed: Any) -> Order:
    return mapping.order(order_row(**changed), OrderParts.ALL, home, mapping.Owner(None, None))


def words(schema: str) -> list[str]:
    """The vendor's vocabulary, from its definition."""
    found: list[str] = NAMES["schemas"][schema]["enum"]
    return found


# ------------------------------------------------------------------ money
@given(st.integers(-(2**63), 2**63 - 1), st.integers(0, 20))
def test_money_is_exact_in_both_shapes(number: int, digits: int) -> None:
    row = wire.MoneyRow("EUR", number, digits)
    assert wire.amount(row, "x") * 10**digits == number
    assert wire.amount(row, "x").as_tuple().exponent == -digits
    precise = wire.MoneyRow("EUR", 0, digits, "highPrecision", number)
    assert wire.amount(precise, "x") == wire.amount(row, "x")


@pytest.mark.parametrize(
    ("row", "amount"),
    [
        (wire.MoneyRow("EUR", 4200, 2), "42.00"),
        (wire.MoneyRow("JPY", 4200, 0), "4200"),
        (wire.MoneyRow("KWD", 4200, 3), "4.200"),
        (wire.MoneyRow("EUR", 1, 7, "highPrecision", 123456), "0.0123456"),
    ],
)
def test_amounts_have_the_digits_that_are_named(row: wire.MoneyRow, amount: str) -> None:
    assert str(wire.amount(row, "x")) == amount


@pytest.mark.parametrize(
    "row",
    [
        wire.MoneyRow("EUR", 1, -1),
        wire.MoneyRow("EUR", 1, 21),
        wire.MoneyRow("EUR", 1, 2, "highPrecision"),
        wire.MoneyRow("EUR", 1, 2, "float"),
    ],
)
def test_an_amount_that_is_none_names_its_field(row: wire.MoneyRow) -> None:
    with pytest.raises(Unreadable, match=r"order\.totalPrice"):
        wire.amount(row, "order.totalPrice")


# ------------------------------------------------------------------ words
ORDER = {"Open": "OPEN", "Confirmed": "OPEN", "Complete": "COMPLETED", "Cancelled": "CANCELLED"}


def test_every_order_state_has_its_status() -> None:
    assert {word: mapping.order_status(order_row(orderState=word)).name for word in words("OrderState")} == ORDER
    assert mapping.order_status(order_row(orderState="Parked")) is OrderStatus.UNKNOWN
    for state in ("Pending", "BalanceDue"):
        assert mapping.order_status(order_row(orderState="Open", paymentState=state)) is OrderStatus.PENDING
        assert mapping.order_status(order_row(orderState="Confirmed", paymentState=state)) is OrderStatus.OPEN


PAYMENT = {"BalanceDue": "PENDING", "Failed": "FAILED", "Pending": "PENDING", "CreditOwed": "UNKNOWN", "Paid": "PAID"}


def test_every_payment_state_has_its_status() -> None:
    def status(word: str | None) -> str:
        row = order_row(paymentState=word, paymentInfo=None)
        return mapping.payment_status(row, mapping.ledger(row)).name

    assert {word: status(word) for word in words("PaymentState")} == PAYMENT
    assert (status(None), status("Borrowed")) == ("UNKNOWN", "UNKNOWN")


@pytest.mark.parametrize(
    ("state", "transactions", "status"),
    [
        ("BalanceDue", [("Charge", 7630)], PaymentStatus.PAID),
        ("BalanceDue", [("Charge", 100)], PaymentStatus.PARTIALLY_PAID),
        ("Pending", [("Authorization", 7630)], PaymentStatus.AUTHORIZED),
        ("Pending", [("Authorization", 7630), ("CancelAuthorization", 7630)], PaymentStatus.VOIDED),
        ("CreditOwed", [("Charge", 7630)], PaymentStatus.PAID),
        ("Paid", [("Charge", 7630), ("Refund", 7630)], PaymentStatus.REFUNDED),
        ("Paid", [("Charge", 7630), ("Refund", 1)], PaymentStatus.PARTIALLY_REFUNDED),
        ("Paid", [("Charge", 7630), ("Chargeback", 7630)], PaymentStatus.DISPUTED),
    ],
)
def test_transactions_say_what_the_state_does_not(
    state: str, transactions: list[tuple[str, int]], status: PaymentStatus
) -> None:
    row = order_row(paymentState=state, paymentInfo=paid_by(*transactions))
    assert mapping.payment_status(row, mapping.ledger(row)) is status


def paid_by(*transactions: tuple[str, int], currency: str = "EUR", state: str = "Success") -> Any:
    made = [
        {
            "id": f"t{at}",
            "type": kind,
            "state": state,
            "amount": {"currencyCode": currency, "centAmount": cents, "fractionDigits": 2, "type": "centPrecision"},
        }
        for at, (kind, cents) in enumerate(transactions)
    ]
    return {"payments": [{"id": "p", "obj": {"lastModifiedAt": "2026-11-20T10:00:00Z", "transactions": made}}]}


def test_money_of_another_currency_is_not_counted(home: mapping.Home) -> None:
    found = order(home, paymentInfo=paid_by(("Charge", 7630), currency="USD"))
    assert (found.totals.refundable.shop, found.disputed) == (Money.of(Decimal(0), "EUR"), None)


def test_every_transaction_state_is_told(home: mapping.Home) -> None:
    told = {}
    for state in words("TransactionState"):
        [refund] = order(home, paymentInfo=paid_by(("Refund", 500), state=state)).refunds or []
        told[state] = (refund.status.name, refund.money_moved.name)
    assert told == {
        "Initial": ("PENDING", "UNKNOWN"),
        "Pending": ("PENDING", "UNKNOWN"),
        "Success": ("COMPLETED", "YES"),
        "Failure": ("FAILED", "NO"),
    }
    assert refund.created_at == datetime(2026, 11, 20, 10, tzinfo=UTC)  # no instant of its own: the payment's


SHIPMENT = {
    "Shipped": ("FULFILLED", "SHIPPED"),
    "Delivered": ("FULFILLED", "DELIVERED"),
    "Ready": ("UNFULFILLED", "PENDING"),
    "Pending": ("UNFULFILLED", "PENDING"),
    "Delayed": ("IN_PROGRESS", "DELAYED"),
    "Partial": ("PARTIALLY_FULFILLED", "SHIPPED"),
    "Backorder": ("IN_PROGRESS", "PENDING"),
    "Canceled": ("UNKNOWN", "CANCELLED"),
}


def test_every_shipment_state_has_its_status(home: mapping.Home) -> None:
    told = {}
    for word in words("ShipmentState"):
        found = order(home, shipmentState=word)
        [parcel] = found.fulfillments or []
        told[word] = (found.fulfillment_status.name, parcel.status.name)
    assert told == SHIPMENT
    found = order(home, shipmentState="Teleported")
    assert found.fulfillment_status is FulfillmentStatus.UNKNOWN


@pytest.mark.parametrize(
    ("state", "deliveries", "fulfilled", "parcels"),
    [
        ("Ready", False, 0, 0),
        ("Shipped", False, 1, 1),
        ("Delivered", False, 1, 1),
        ("Partial", False, None, None),
        ("Partial", True, 1, 1),
        ("Canceled", True, None, 1),
        (None, False, None, None),
        (None, True, 1, 1),
    ],
)
def test_what_is_not_said_of_shipping_is_not_made_up(
    home: mapping.Home, state: str | None, deliveries: bool, fulfilled: int | None, parcels: int | None
) -> None:
    shipping = seed(NOW).orders[native("order", 3002)]["shippingInfo"]
    found = order(home, shipmentState=state, shippingInfo=shipping if deliveries else shipping | {"deliveries": []})
    assert found.lines[0].quantity.fulfilled == fulfilled
    assert found.lines[0].quantity.returnable == fulfilled
    assert (None if found.fulfillments is None else len(found.fulfillments)) == parcels
    if state == "Delivered":
        assert found.lines[0].quantity.delivered == 1


def test_parcels_with_contents_of_their_own_are_told_apart(home: mapping.Home) -> None:
    body = seed(NOW).orders[native("order", 3002)]
    [delivery] = body["shippingInfo"]["deliveries"]
    first, second = delivery["items"]
    [parcel] = delivery["parcels"]
    back = parcel | {"id": "p3", "trackingData": {"trackingId": "back", "isReturn": True}}
    delivery["parcels"] = [parcel | {"items": [first]}, parcel | {"id": "p2", "items": [second]}, back]
    two = order(home, shippingInfo=body["shippingInfo"]).fulfillments or []
    assert [[one.line.sku for one in parcel.lines] for parcel in two] == [["SCHAL-ROT"], ["KAFFEE-1KG"]]
    assert {parcel.status for parcel in two} == {DeliveryStatus.SHIPPED}
    ways = [{"shippingInfo": body["shippingInfo"], "shippingKey": "a"}]
    assert len(order(home, shippingInfo=None, shipping=ways).fulfillments or []) == 2


RETURNS = {"Advised": "APPROVED", "Returned": "RECEIVED", "BackInStock": "CLOSED", "Unusable": "CLOSED"}


def returned(*states: tuple[str, str], quantity: int = 1) -> list[dict[str, Any]]:
    items = [
        {
            "id": f"r{at}",
            "type": "LineItemReturnItem",
            "quantity": quantity,
            "lineItemId": native("line", 30020 + at),
            "shipmentState": shipment,
            "paymentState": payment,
            "createdAt": "2026-11-20T10:00:00Z",
            "lastModifiedAt": "2026-11-21T10:00:00Z",
        }
        for at, (shipment, payment) in enumerate(states, 1)
    ]
    return [{"items": items, "returnTrackingId": "RT"}]


def test_every_return_state_has_its_status(home: mapping.Home) -> None:
    told = {}
    for word in words("ReturnShipmentState"):
        [back] = order(home, returnInfo=returned((word, "Initial"))).returns or []
        told[word] = back.status.name
    assert told == RETURNS
    [back] = order(home, returnInfo=returned(("Lost", "Initial"))).returns or []
    assert (back.status, back.native_status) == (ReturnStatus.UNKNOWN, "Lost")


@pytest.mark.parametrize(
    ("states", "status", "of_order", "resolution"),
    [
        ([("Advised", "NonRefundable")], "APPROVED", OrderReturnStatus.IN_PROGRESS, ReturnResolution.UNKNOWN),
        ([("Returned", "Initial"), ("Advised", "Initial")], "APPROVED", OrderReturnStatus.PARTIALLY_RETURNED, None),
        ([("Returned", "Refunded"), ("Returned", "Refunded")], "CLOSED", OrderReturnStatus.RETURNED, "REFUND"),
        ([("Returned", "NotRefunded")], "CLOSED", OrderReturnStatus.PARTIALLY_RETURNED, None),
        ([("Lost", "Initial")], "UNKNOWN", OrderReturnStatus.UNKNOWN, None),
    ],
)
def test_a_return_is_as_far_as_the_last_of_its_items(
    home: mapping.Home, states: list[tuple[str, str]], status: str, of_order: OrderReturnStatus, resolution: Any
) -> None:
    found = order(home, returnInfo=returned(*states))
    [back] = found.returns or []
    assert (back.status.name, found.return_status) == (status, of_order)
    assert back.resolution is (ReturnResolution.REFUND if resolution == "REFUND" else ReturnResolution.UNKNOWN)
    assert (back.closed_at is not None) == (status == "CLOSED")


def test_an_empty_return_is_none(home: mapping.Home) -> None:
    found = order(home, returnInfo=[{"items": []}])
    assert (found.returns, found.return_status) == ([], OrderReturnStatus.NONE)


@given(
    st.sampled_from(ReturnReason),
    st.none() | st.sampled_from(ItemCondition),
    st.sampled_from(ReturnResolution),
    st.lists(st.sampled_from(["10% kept for restocking", "return shipping 4.90 EUR"]), max_size=2),
    st.none() | st.text(min_size=1, max_size=60),
)
def test_a_remark_reads_as_it_was_written(
    reason: ReturnReason, condition: ItemCondition | None, resolution: ReturnResolution, costs: list[str], note: str
) -> None:
    text = mapping.written_remark(reason, condition, resolution.value, costs, note)
    assert mapping.remark(text) == mapping.Remark(reason, resolution, condition, note)


@pytest.mark.parametrize("text", [None, "", "too small", "Reason NONSENSE; resolution REFUND.", "Reason OTHER;"])
def test_somebody_elses_comment_is_a_note(text: str | None) -> None:
    assert mapping.remark(text) == mapping.Remark(note=text or None)


SUBSCRIPTION = {
    "Active": "ACTIVE",
    "Paused": "PAUSED",
    "Expired": "EXPIRED",
    "Canceled": "CANCELLED",
    "Failed": "PAYMENT_FAILED",
}


def recurring(**changed: Any) -> wire.RecurringRow:
    world = seed(NOW)
    body = world.recurring[native("recurring", 1)] | changed
    cart = {"obj": world.carts[native("cart", 1)]}
    return msgspec.convert(body | {"cart": body["cart"] | cart}, wire.RecurringRow)


def test_every_state_of_a_recurring_order_has_its_status(home: mapping.Home) -> None:
    def status(**changed: Any) -> SubscriptionStatus:
        return mapping.subscription(recurring(**changed), home, None, with_cycles=False).status

    assert {word: status(recurringOrderState=word).name for word in words("RecurringOrderState")} == SUBSCRIPTION
    assert status(recurringOrderState="Dreaming") is SubscriptionStatus.UNKNOWN
    assert status(startsAt="2026-12-24T10:00:00Z") is SubscriptionStatus.PENDING
    failed = mapping.subscription(recurring(recurringOrderState="Failed"), home, None, with_cycles=True)
    assert (failed.payment_failed, failed.next_billing_at, failed.cycles_completed) == (True, None, None)


@pytest.mark.parametrize(
    ("schedule", "interval"),
    [
        ({"type": "standard", "value": 2, "intervalUnit": "Days"}, Interval(unit=IntervalUnit.DAY, count=2)),
        ({"type": "standard", "value": 1, "intervalUnit": "Weeks"}, Interval(unit=IntervalUnit.WEEK, count=1)),
        ({"type": "standard", "value": 3, "intervalUnit": "Months"}, Interval(unit=IntervalUnit.MONTH, count=3)),
        ({"type": "dayOfMonth", "day": 15}, Interval(unit=IntervalUnit.MONTH, count=1)),
        ({"type": "standard", "value": 1, "intervalUnit": "Moons"}, None),
        ({"type": "standard", "value": 0, "intervalUnit": "Days"}, None),
        ({"type": "lunar"}, None),
    ],
)
def test_a_schedule_is_an_interval_or_unreadable(schedule: dict[str, Any], interval: Interval | None) -> None:
    row = msgspec.convert(schedule, wire.ScheduleRow)
    if interval is None:
        with pytest.raises(Unreadable, match="schedule"):
            mapping.interval(row)
    else:
        assert mapping.interval(row) == interval


@pytest.mark.parametrize(
    ("languages", "text"),
    [(("de-DE",), "Hallo"), (("de",), "Tag"), (("de-AT",), "Tag"), (("fr",), "Hello"), ((), "Hello")],
)
def test_a_text_is_said_in_the_nearest_language(languages: tuple[str, ...], text: str) -> None:
    assert mapping.said({"it": "Ciao", "de-DE": "Hallo", "de": "Tag", "en": "Hello"}, languages) == text
    assert mapping.said({"it": "Ciao", "es": "Hola"}, languages) == "Hola"
    assert mapping.said({}, languages) is None


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("blau", "blau"),
        (42, "42"),
        (True, "true"),
        ({"key": "m", "label": "M"}, "M"),
        ({"key": "m", "label": {"en": "M", "de": "Mittel"}}, "Mittel"),
        ({"en": "blue", "de": "blau"}, "blau"),
        ({"typeId": "product", "id": "x"}, None),
        ([1, 2], None),
        ({}, None),
    ],
)
def test_an_attribute_has_words_or_none(value: Any, text: str | None) -> None:
    assert mapping.trait_text(value, ("de",)) == text


# ------------------------------------------------------------------ the vendor's own examples
def test_the_vendors_example_of_an_order_is_read(home: mapping.Home) -> None:
    row = msgspec.convert(example("order"), wire.OrderRow)
    found = mapping.order(row, OrderParts.ALL, home, mapping.Owner(None, None))
    assert (found.number, found.status) == ("92f5a867-bf19-47ab-982c-6720a03a3921", OrderStatus.OPEN)
    assert (found.payment_status, found.fulfillment_status) == (PaymentStatus.UNKNOWN, FulfillmentStatus.UNKNOWN)
    assert found.totals.total.shop == Money.of("10.00", "EUR")
    [line] = found.lines
    assert (line.title, line.total.shop) == ("MyProduct", Money.of("11.00", "EUR"))
    assert (line.product_type, found.owner, found.fulfillments) == (None, None, None)
    assert found.placed_at == datetime(2017, 1, 4, 19, 54, 49, 797000, UTC)


def test_the_vendors_other_examples_are_read(home: mapping.Home) -> None:
    payment = msgspec.convert(example("payment"), wire.PaymentRow)
    assert wire.amount(payment.transactions[0].amount, "x") == Decimal("10.00")
    product = mapping.product(msgspec.convert(example("product-projection"), wire.ProductRow), home, "EUR")
    assert (product.title, product.price_min, len(product.all_variants)) == ("Some Products", None, 1)
    [customer] = msgspec.convert(example("customers"), wire.Page[wire.CustomerRow]).results
    assert mapping.profile(customer, home).display_name == "John Doe"
    row = msgspec.convert(example("recurring-order"), wire.RecurringRow)
    assert mapping.subscription_status(row, NOW) is SubscriptionStatus.ACTIVE
    with pytest.raises(Unreadable, match="cart"):
        mapping.subscription(row, home, None, with_cycles=False)


def reply(status: int, body: Any, kind: str = "application/json") -> Reply:
    return Reply(status, {"content-type": kind}, body if isinstance(body, bytes) else json.dumps(body).encode())


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (409, example("error"), wire.Stale),
        (400, example("ErrorResponse"), Refused),
        (401, example("AuthErrorResponse"), BadCredentials),
        (404, {"statusCode": 404, "message": "x", "errors": [{"code": "ResourceNotFound"}]}, wire.Missing),
        (403, {"statusCode": 403, "message": "x", "errors": [{"code": "insufficient_scope"}]}, MissingScope),
        (403, {"statusCode": 403, "message": "x", "errors": [{"code": "AssociateMissingPermission"}]}, Refused),
        (409, {"statusCode": 409, "message": "x", "errors": [{"code": "LockedField"}]}, Refused),
        (400, b"{", Unavailable),
        (403, {"error": "no"}, Unavailable),
    ],
)
def test_an_error_is_what_its_code_says(status: int, body: Any, kind: type[Exception]) -> None:
    with pytest.raises(kind) as raised:
        wire.judge(reply(status, body))
    assert type(raised.value) is kind


@pytest.mark.parametrize("status", [200, 201, 429, 500, 502, 503])
def test_other_statuses_are_the_transports(status: int) -> None:
    assert wire.judge(reply(status, {})).status == status


def test_an_error_names_the_scope_and_no_address() -> None:
    said = "Insufficient scope: manage_orders:acme-de for ada@example.com"
    body = {"statusCode": 403, "message": said, "errors": [{"code": "insufficient_scope", "message": said}]}
    with pytest.raises(MissingScope) as raised:
        wire.judge(reply(403, body))
    assert raised.value.scopes == ("manage_orders:acme-de",)
    assert "ada@" not in str([raised.value.native, raised.value])


def test_the_facts_that_are_never_known_are_facts() -> None:
    assert Commercetools.never_known <= set(FACTS)
