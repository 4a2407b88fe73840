"""Magento's words turned into ours: every word of its vocabulary, the vendor's own examples, and odd shapes."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import quote

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from platforms.base import healthy
from platforms.errors import Refused, Unreadable
from platforms.instants import instant
from platforms.jsonbody import decode
from platforms.magento import mapping, wire
from platforms.transport import Reply
from schema.emails import canonical_email
from schema.order import Order
from schema.parts import OrderParts
from schema.provenance import Capability, Source, Store, StoreHealth
from schema.scalars import CurrencyCode
from schema.values import Money
from schema.vocabulary import (
    FulfillmentStatus,
    MoneyMoved,
    OrderReturnStatus,
    OrderStatus,
    PaymentStatus,
    ProductStatus,
    RefundStatus,
    ReturnStatus,
)

RECORDED = Path(__file__).parent / "magento" / "fixtures"
NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
JANE = canonical_email("jdoe@example.com")


class State:
    refunds_on_cancel: ClassVar[bool] = False

    def health(self) -> StoreHealth:
        return healthy()

    def capabilities_now(self) -> list[Capability]:
        return []


STORE = Store(
    id=Store.id_of("nl"),
    name="nl",
    platform="Magento",
    time_zone="Europe/Amsterdam",
    currency_code=CurrencyCode("EUR"),
    key="nl",
    state=State(),
)


def source(native_id: str, *, admin: str | None = None, raw: dict[str, object] | None = None) -> Source:
    return Source(store=STORE, native_id=native_id, fetched_at=NOW, admin=admin, raw_values=raw)


HOME = mapping.Home("nl", "Europe/Amsterdam", source, "https://nl.example.com/backstage")
OPEN_SOURCE = mapping.Beside(shipments=[], memos=[], keeps_returns=False)


def recorded(name: str) -> Any:
    return json.loads((RECORDED / f"{name}.json").read_text(encoding="utf-8"))


def row(**changed: Any) -> wire.OrderRow:
    body = json.dumps(recorded("order") | changed).encode()
    return decode(wire.OrderRow, Reply(200, {"content-type": "application/json"}, body), "the order")


def item(**changed: Any) -> dict[str, Any]:
    first: dict[str, Any] = recorded("order")["items"][0]
    return first | changed


def order(found: wire.OrderRow, beside: mapping.Beside = OPEN_SOURCE, **more: Any) -> Order:
    return mapping.order(found, OrderParts.ALL, HOME, JANE, beside, **more)


# ------------------------------------------------------------------ the vendor's own examples
def test_the_vendors_order_is_read_whole() -> None:
    found = order(row())
    assert (found.id, found.number, found.status) == ("Order:nl:3", "000000003", OrderStatus.PENDING)
    assert (found.native_status, found.source.raw_values and found.source.raw_values["state"]) == ("pending", "new")
    assert found.placed_at == datetime(2017, 8, 21, 22, 22, 19, tzinfo=UTC)
    assert found.source.admin == "https://nl.example.com/backstage/sales/order/view/order_id/3"
    assert found.totals.total.shop == Money.of(165, "USD")
    assert found.payment_status is PaymentStatus.PENDING
    assert found.fulfillment_status is FulfillmentStatus.UNFULFILLED
    [line] = found.lines
    assert (line.id, line.title, line.sku) == ("OrderLine:nl:3:3", "Radiant Tee-M-Orange", "WS12-M-Orange")
    assert (line.unit_price.shop, line.total.shop) == (Money.of(22, "USD"), Money.of(22, "USD"))
    quantity = line.quantity
    assert (quantity.ordered, quantity.fulfilled, quantity.returnable, quantity.refundable) == (1, 0, 0, 0)
    assert found.shipping_address is not None
    assert (found.shipping_address.name, found.shipping_address.region_code) == ("Jane Doe", "NY")
    assert (found.shipping_country, found.channel) == ("US", "Main Website / Main Website Store")
    assert found.return_status is OrderReturnStatus.NONE
    assert (found.customer_native_id, found.owner) == ("3", JANE)


def test_the_vendors_customer_is_read_whole() -> None:
    found = mapping.profile(msgspec.convert(recorded("customer"), wire.CustomerRow), HOME)
    assert (found.id, found.email, found.display_name) == ("CustomerProfile:nl:2", "jdoe@example.com", "Jane Doe")
    assert (found.owner, found.phone) == (JANE, "512-555-1111")
    [place] = found.addresses
    assert (place.line1, place.region, place.region_code, place.postal_code) == (
        "123 Oak Ave",
        "New York",
        "NY",
        "10755",
    )
    assert found.created_at == datetime(2017, 1, 31, 1, 18, 13, tzinfo=UTC)


def test_the_vendors_product_is_read_whole() -> None:
    found = mapping.product(msgspec.convert(recorded("product"), wire.ProductRow), HOME, mapping.Shop("USD"), NOW, None)
    assert (found.id, found.title, found.status) == ("Product:nl:2079", "Champ Tee Small", ProductStatus.ACTIVE)
    [variant] = found.all_variants
    assert (variant.price, variant.inventory_quantity) == (Money.of(25, "USD"), 10)
    assert (variant.available, found.handle) == (True, "champ-tee-small")


def test_what_is_asked_for_is_what_is_read() -> None:
    assert wire.fields_of(wire.RmaMade) == "entity_id"
    asked = wire.fields_of(wire.OrderPage)
    assert asked.startswith("items[entity_id,increment_id,")
    assert asked.endswith(",total_count")
    assert "extension_attributes[shipping_assignments[shipping[address[firstname," in asked
    assert "additional_information" not in asked


# ------------------------------------------------------------------ every word of the vocabulary
@pytest.mark.parametrize(
    ("state", "status"),
    [
        ("new", OrderStatus.PENDING),
        ("pending_payment", OrderStatus.PENDING),
        ("processing", OrderStatus.OPEN),
        ("complete", OrderStatus.COMPLETED),
        ("closed", OrderStatus.CANCELLED),  # nothing of it was sent
        ("canceled", OrderStatus.CANCELLED),
        ("holded", OrderStatus.ON_HOLD),
        ("payment_review", OrderStatus.ON_HOLD),
        ("teleported", OrderStatus.UNKNOWN),
        (None, OrderStatus.UNKNOWN),
    ],
)
def test_the_state_counts_and_the_merchants_label_is_kept(state: str | None, status: OrderStatus) -> None:
    found = order(row(state=state, status="wachten_op_vrijdag"))
    assert (found.status, found.native_status) == (status, "wachten_op_vrijdag")


def test_the_states_asked_for_are_those_that_are_read_as_such() -> None:
    for status, states in mapping.STATE_WORDS.items():
        for state in states:
            sent = [item(qty_shipped=1 if status is OrderStatus.COMPLETED else 0)]
            assert mapping.order_status(row(state=state, items=sent)) is status
    assert set(mapping.STATE_WORDS) == set(OrderStatus) - {OrderStatus.UNKNOWN}


@pytest.mark.parametrize(
    ("changed", "status"),
    [
        ({}, PaymentStatus.PENDING),
        ({"payment": {"method": "adyen", "amount_authorized": 165}}, PaymentStatus.AUTHORIZED),
        ({"total_paid": 65}, PaymentStatus.PARTIALLY_PAID),
        ({"total_paid": 165, "state": "processing"}, PaymentStatus.PAID),
        ({"grand_total": 0, "state": "processing"}, PaymentStatus.PAID),
        ({"grand_total": 0, "state": "pending_payment"}, PaymentStatus.PENDING),
        ({"total_paid": 165, "total_refunded": 5}, PaymentStatus.PARTIALLY_REFUNDED),
        ({"total_paid": 165, "total_refunded": 165}, PaymentStatus.REFUNDED),
        ({"total_paid": 165, "state": "closed"}, PaymentStatus.REFUNDED),
        ({"state": "canceled"}, PaymentStatus.VOIDED),
    ],
)
def test_how_far_it_is_paid(changed: dict[str, Any], status: PaymentStatus) -> None:
    assert mapping.payment_status(row(**changed)) is status


@pytest.mark.parametrize(
    ("items", "status"),
    [
        ([item()], FulfillmentStatus.UNFULFILLED),
        ([item(qty_shipped=1)], FulfillmentStatus.FULFILLED),
        ([item(qty_ordered=2, qty_shipped=1)], FulfillmentStatus.PARTIALLY_FULFILLED),
        ([item(qty_ordered=2, qty_shipped=1, qty_canceled=1)], FulfillmentStatus.FULFILLED),
        ([item(qty_ordered=2, qty_shipped=1, qty_refunded=1)], FulfillmentStatus.FULFILLED),
        ([item(qty_shipped=1), item(item_id=4)], FulfillmentStatus.PARTIALLY_FULFILLED),
        ([item(qty_shipped=1), item(item_id=4, is_virtual=1)], FulfillmentStatus.FULFILLED),
        ([item(is_virtual=1)], FulfillmentStatus.NOT_REQUIRED),
        ([], FulfillmentStatus.UNKNOWN),
    ],
)
def test_how_far_it_is_sent(items: list[Any], status: FulfillmentStatus) -> None:
    assert mapping.fulfillment_status(row(items=items)) is status


@pytest.mark.parametrize(
    ("word", "status"),
    [
        ("pending", ReturnStatus.REQUESTED),
        ("authorized", ReturnStatus.APPROVED),
        ("partially_authorized", ReturnStatus.APPROVED),
        ("received", ReturnStatus.RECEIVED),
        ("received_on_item", ReturnStatus.RECEIVED),
        ("approved", ReturnStatus.RECEIVED),
        ("approved_on_item", ReturnStatus.RECEIVED),
        ("rejected", ReturnStatus.DECLINED),
        ("rejected_on_item", ReturnStatus.RECEIVED),
        ("denied", ReturnStatus.DECLINED),
        ("closed", ReturnStatus.CLOSED),
        ("processed_closed", ReturnStatus.CLOSED),
        ("lost_in_space", ReturnStatus.UNKNOWN),
    ],
)
def test_where_a_return_stands(word: str, status: ReturnStatus) -> None:
    rma = rma_row(status=word)
    assert mapping.return_status(rma) is status
    found = order(row(), commerce(rma))
    assert found.returns is not None
    assert [(one.status, one.native_status) for one in found.returns] == [(status, word)]


def rma_row(*items: wire.RmaItemRow, **changed: Any) -> wire.RmaRow:
    held = list(items) or [wire.RmaItemRow(3, Decimal(1), status="authorized")]
    given: dict[str, Any] = {
        "entity_id": 8,
        "order_id": 3,
        "date_requested": "2017-09-01 10:00:00",
        "status": "authorized",
    } | changed
    return wire.RmaRow(items=held, **given)


def commerce(*rmas: wire.RmaRow) -> mapping.Beside:
    return mapping.Beside(shipments=[], memos=[], rmas=rmas, keeps_returns=True)


# ------------------------------------------------------------------ what may come back
def test_a_return_that_was_turned_down_holds_nothing_back() -> None:
    turned_down = rma_row(wire.RmaItemRow(3, Decimal(1), status="denied"), status="closed")
    found = order(row(items=[item(qty_ordered=2, qty_shipped=2)]), commerce(turned_down))
    assert found.returns is not None
    assert found.returns[0].status is ReturnStatus.DECLINED
    assert found.return_status is OrderReturnStatus.NONE
    assert (found.lines[0].quantity.returned, found.lines[0].quantity.returnable) == (0, 2)


@pytest.mark.parametrize(
    ("statuses", "found"),
    [
        ([], OrderReturnStatus.NONE),
        (["pending"], OrderReturnStatus.REQUESTED),
        (["authorized"], OrderReturnStatus.IN_PROGRESS),
        (["processed_closed"], OrderReturnStatus.PARTIALLY_RETURNED),
        (["processed_closed", "processed_closed"], OrderReturnStatus.RETURNED),
        (["processed_closed", "pending"], OrderReturnStatus.REQUESTED),
        (["odd"], OrderReturnStatus.UNKNOWN),
    ],
)
def test_how_far_an_orders_goods_are_on_their_way_back(statuses: list[str], found: OrderReturnStatus) -> None:
    beside = commerce(*(rma_row(status=word, entity_id=at) for at, word in enumerate(statuses)))
    assert order(row(items=[item(qty_ordered=2, qty_shipped=2)]), beside).return_status is found


def test_a_unit_that_came_back_and_was_paid_back_is_gone_once() -> None:
    lines = order(row(items=[item(qty_ordered=3, qty_shipped=3, qty_refunded=1)]), commerce(rma_row())).lines
    assert (lines[0].quantity.returned, lines[0].quantity.returnable) == (1, 2)


def test_returns_that_are_not_read_leave_what_may_come_back_unknown() -> None:
    sent = row(items=[item(qty_shipped=1)])
    for beside in (mapping.Beside(keeps_returns=True), mapping.Beside()):
        found = order(sent, beside)
        assert found.lines[0].quantity.returnable is None
        assert (found.returns, found.return_status) == (None, OrderReturnStatus.UNKNOWN)
        assert (found.fulfillments, found.refunds) == (None, None)
    assert order(sent).lines[0].quantity.returnable == 1


def test_a_download_never_comes_back() -> None:
    [line] = order(row(items=[item(is_virtual=1, product_type="downloadable", qty_invoiced=1)])).lines
    assert (line.requires_shipping, line.quantity.returnable, line.quantity.fulfilled) == (False, 0, None)


# ------------------------------------------------------------------ lines of several rows
def test_a_bundle_sent_piece_by_piece_is_one_line_that_counts_whole_sets() -> None:
    whole = item(item_id=5, product_type="bundle", name="Kit", qty_ordered=2, row_total=None, price_incl_tax=68)
    ball = item(item_id=6, parent_item_id=5, qty_ordered=2, qty_shipped=2, row_total=54, tax_amount=0)
    bricks = item(item_id=7, parent_item_id=5, qty_ordered=4, qty_shipped=2, row_total=20, tax_amount=2)
    found = row(items=[whole, ball, bricks])
    shipment = wire.ShipmentRow(
        9, 3, "2017-08-22 09:00:00", [wire.ShippedRow(6, Decimal(2)), wire.ShippedRow(7, Decimal(2))]
    )
    told = order(found, mapping.Beside(shipments=[shipment], memos=[], keeps_returns=False))
    [line] = told.lines
    assert (line.title, line.total.presentment.amount, line.unit_price.presentment.amount) == (
        "Kit",
        Decimal(76),
        Decimal(68),
    )
    assert (line.quantity.ordered, line.quantity.fulfilled) == (2, 1)
    assert told.fulfillment_status is FulfillmentStatus.PARTIALLY_FULFILLED
    assert told.fulfillments is not None
    assert [(part.line.title, part.quantity) for part in told.fulfillments[0].lines] == [("Kit", 2)]


def test_each_tracking_number_is_a_parcel_and_the_lines_are_told_once() -> None:
    tracks = [wire.TrackRow("A1", "PostNL"), wire.TrackRow("A2", None, "dhl")]
    shipment = wire.ShipmentRow(9, 3, "2017-08-22 09:00:00", [wire.ShippedRow(3, Decimal(1))], tracks)
    told = order(row(), mapping.Beside(shipments=[shipment], memos=[], keeps_returns=False)).fulfillments
    assert told is not None
    assert [(one.id, one.carrier, one.tracking_number, len(one.lines)) for one in told] == [
        ("Fulfillment:nl:3:9", "PostNL", "A1", 1),
        ("Fulfillment:nl:3:9:2", "dhl", "A2", 0),
    ]


def test_a_line_is_what_was_paid_for_it() -> None:
    [line] = order(
        row(items=[item(row_total=20, tax_amount=3.57, discount_amount=-3, discount_tax_compensation_amount=0.4)])
    ).lines
    assert line.total.presentment.amount == Decimal("20.97")


# ------------------------------------------------------------------ refunds
def memo(**changed: Any) -> wire.MemoRow:
    given: dict[str, Any] = {
        "entity_id": 4,
        "order_id": 3,
        "created_at": "2017-09-02 08:00:00",
        "grand_total": Decimal(22),
        "base_grand_total": Decimal(22),
        "items": [wire.MemoItemRow(3, Decimal(1), row_total=Decimal(22))],
        "state": 2,
    }
    return wire.MemoRow(**(given | changed))


@pytest.mark.parametrize(
    ("online", "offline", "changed", "moved"),
    [
        (22, None, {}, MoneyMoved.YES),
        (None, 22, {"invoice_id": 3, "transaction_id": "x"}, MoneyMoved.NO),
        (22, 10, {"transaction_id": "x", "invoice_id": 3}, MoneyMoved.YES),
        (22, 10, {}, MoneyMoved.NO),
        (22, 10, {"invoice_id": 3}, MoneyMoved.UNKNOWN),
        (22, None, {"state": 1}, MoneyMoved.UNKNOWN),
        (22, None, {"state": 3}, MoneyMoved.NO),
    ],
)
def test_whether_money_moved(online: int | None, offline: int | None, changed: Any, moved: MoneyMoved) -> None:
    found = row(total_online_refunded=online, total_offline_refunded=offline)
    assert mapping.money_moved(memo(**changed), found) is moved


@pytest.mark.parametrize(
    ("state", "status"),
    [
        (1, RefundStatus.PENDING),
        (2, RefundStatus.COMPLETED),
        (3, RefundStatus.FAILED),
        (9, RefundStatus.PENDING),
        (None, RefundStatus.PENDING),
    ],
)
def test_where_a_credit_memo_stands(state: int | None, status: RefundStatus) -> None:
    told = order(row(), mapping.Beside(memos=[memo(state=state)], keeps_returns=False)).refunds
    assert told is not None
    assert told[0].status is status


def test_a_refunds_reason_is_only_what_the_customer_may_read() -> None:
    comments = [wire.MemoCommentRow("beware of her", 0), wire.MemoCommentRow("Torn on arrival", 1)]
    told = order(row(), mapping.Beside(memos=[memo(comments=comments)], keeps_returns=False)).refunds
    assert told is not None
    assert told[0].reason == "Torn on arrival"


# ------------------------------------------------------------------ values
@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("2026-07-01 10:00:00", datetime(2026, 7, 1, 10, tzinfo=UTC)),
        ("2026-07-01T10:00:00+02:00", datetime(2026, 7, 1, 8, tzinfo=UTC)),
        ("", None),
        (None, None),
    ],
)
def test_times_without_a_zone_mean_utc(text: str | None, found: datetime | None) -> None:
    assert instant(text, "x") == found


@pytest.mark.parametrize("text", ["yesterday", "0000-00-00 00:00:00"])
def test_what_is_no_time_is_unreadable_and_names_the_field(text: str) -> None:
    with pytest.raises(Unreadable, match=r"order\.created_at") as raised:
        mapping.placed_at(row(created_at=text))
    assert text not in str(raised.value)


@settings(max_examples=100, deadline=None)
@given(st.decimals(min_value=0, max_value=10**15, allow_nan=False, allow_infinity=False, places=4))
def test_money_survives_as_it_was_written(amount: Decimal) -> None:
    body = json.dumps(recorded("order")).replace('"grand_total": 165', f'"grand_total": {amount:f}')
    found = decode(wire.OrderRow, Reply(200, {}, body.encode()), "the order")
    assert str(order(found).totals.total.presentment.amount) == f"{amount:f}"


@pytest.mark.parametrize("name", ["entity_id", "increment_id", "grand_total", "order_currency_code", "items"])
def test_a_field_that_must_be_there_is_named(name: str) -> None:
    body = {key: value for key, value in recorded("order").items() if key != name}
    with pytest.raises(Unreadable, match=f"`{name}`"):
        decode(wire.OrderRow, Reply(200, {}, json.dumps(body).encode()), "the order")


# ------------------------------------------------------------------ refusals
@pytest.mark.parametrize(
    ("message", "parameters", "text"),
    [
        ("Invalid product data: %1", ["Invalid type"], "Invalid product data: Invalid type"),
        ("%fieldName is %fieldNameX", {"fieldName": "sku"}, "sku is %fieldNameX"),
        ("%1 of %10", [str(n) for n in range(1, 11)], "1 of 10"),
        ("No %resources.", [{"resources": "Magento_Sales::sales"}], "No Magento_Sales::sales."),
        ("100% %1", None, "100% %1"),
        ("%a", {"a": ["x", "y"]}, "x, y"),
    ],
)
def test_a_message_is_filled_in(message: str, parameters: Any, text: str) -> None:
    assert wire.sentence(message, parameters) == text


def test_the_vendors_refusal_is_told_in_its_words_without_addresses() -> None:
    said = recorded("error_400") | {
        "errors": [{"message": "No %1", "parameters": ["ada@example.com"]}, "odd"],
        "trace": "#0 /var/www/secret.php",
    }
    reply = Reply(400, {"content-type": "application/json"}, json.dumps(said).encode())
    with pytest.raises(Refused) as raised:
        wire.judge(reply)
    assert [one.message for one in raised.value.native] == [
        "Invalid product data: Invalid attribute set entity type",
        "No ***",
    ]
    assert "secret" not in f"{raised.value} {raised.value.native}"


# ------------------------------------------------------------------ signing
def test_a_signature_is_the_one_of_the_standards_steps() -> None:
    keys = wire.OAuthKeys("ck", "cs&", "at", "ts ")
    header = wire.authorization(
        "get",
        "https://NL.example.com:443/rest/default/V1/orders",
        [("searchCriteria[pageSize]", "1"), ("fields", "a b")],
        keys,
        nonce="n",
        timestamp=7,
    )
    # Worked out by hand: `GET`, the address without its usual port, and the sorted parameters, each escaped.
    base = (
        "GET&https%3A%2F%2Fnl.example.com%2Frest%2Fdefault%2FV1%2Forders&fields%3Da%2520b%26oauth_consumer_key%3Dck"
        "%26oauth_nonce%3Dn%26oauth_signature_method%3DHMAC-SHA256%26oauth_timestamp%3D7%26oauth_token%3Dat"
        "%26oauth_version%3D1.0%26searchCriteria%255BpageSize%255D%3D1"
    )
    digest = hmac.new(b"cs%26&ts%20", base.encode(), hashlib.sha256).digest()
    assert f'oauth_signature="{quote(base64.b64encode(digest).decode(), safe="")}"' in header
    assert header.startswith('OAuth oauth_consumer_key="ck", ')
