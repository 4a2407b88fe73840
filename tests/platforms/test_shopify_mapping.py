"""Shopify's words against ours: every word of the schema is mapped, and odd records are read for what they are."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from graphql import GraphQLEnumType
from hypothesis import given
from hypothesis import strategies as st

from platforms.secrets import SecretText
from platforms.shopify import mapping, subset, wire
from platforms.shopify.adapter import Shopify, ShopifyConfig
from platforms.shopify.seed import seed
from platforms.shopify.simulator import CREDENTIALS, Object, Simulator, bag, stamp
from sandbox.serving import serve
from schema.order import Order
from schema.parts import NOT_LOADED, OrderParts
from schema.values import Money
from schema.vocabulary import (
    DeliveryStatus,
    FulfillmentKind,
    MoneyMoved,
    RefundDestination,
    RefundStatus,
    ReturnReason,
    ReturnResolution,
    ReturnStatus,
)

NOW = datetime.now(UTC).replace(microsecond=0)
DAY = timedelta(days=1)


@pytest.mark.parametrize(
    ("enum", "table"),
    [
        ("OrderDisplayFinancialStatus", mapping.PAYMENT_STATUS),
        ("OrderDisplayFulfillmentStatus", mapping.FULFILLMENT_STATUS),
        ("OrderReturnStatus", mapping.RETURN_PROGRESS),
        ("FulfillmentDisplayStatus", mapping.DELIVERY_STATUS),
        ("ReturnStatus", mapping.RETURN_STATUS),
        ("OrderCancelReason", mapping.CANCEL_REASON),
        ("ProductStatus", mapping.PRODUCT_STATUS),
        ("SubscriptionContractSubscriptionStatus", mapping.SUBSCRIPTION_STATUS),
        ("SellingPlanInterval", mapping.UNIT),
    ],
)
def test_every_word_of_the_schema_is_in_its_table_and_no_other(enum: str, table: Mapping[str, object]) -> None:
    words = subset.read(subset.TARGET).type_map[enum]
    assert isinstance(words, GraphQLEnumType)
    assert set(table) == set(words.values)


def test_every_word_of_a_parcels_events_is_known() -> None:
    words = subset.read(subset.TARGET).type_map["FulfillmentEventStatus"]
    assert isinstance(words, GraphQLEnumType)
    assert set(words.values) <= set(mapping.DELIVERY_STATUS)


def test_a_reason_is_read_back_as_it_was_sent() -> None:
    for reason, handles in mapping.REASON_HANDLES.items():
        assert mapping.RETURN_REASON[handles[0]] is reason
    assert set(mapping.REASON_HANDLES) == set(ReturnReason)


@given(st.text(max_size=400), st.uuids(), st.integers(min_value=60, max_value=300))
def test_a_marked_note_keeps_its_mark_and_its_length(note: str, action: object, most: int) -> None:
    made = mapping.marked(note, str(action), most)
    assert len(made) <= most
    assert mapping.action_in(made) == str(action)


@given(st.text(st.characters(exclude_characters="[]", exclude_categories=["Cs"]), max_size=40))
def test_a_note_is_shown_without_its_mark(note: str) -> None:
    assert mapping.without_mark(mapping.marked(note, "act-1", 255)) == (note.strip() or None)


@given(st.text(max_size=30))
def test_a_value_in_a_search_can_never_be_more_than_a_value(value: str) -> None:
    try:
        made = wire.term("email", value)
    except ValueError:
        assert not wire.quotable(value)
    else:
        assert made == f'email:"{value}"'
        assert not set(value) & set("\"'\\() :*\n")


def test_an_id_is_a_number_or_none_at_all() -> None:
    assert wire.gid("Order", "450789001") == "gid://shopify/Order/450789001"
    for wrong in ("", "0", "-1", "1/2", "1 OR 2", "gid://shopify/Order/1", "٣", "1" * 30):
        with pytest.raises(ValueError):
            wire.gid("Order", wrong)
    assert wire.number_of("gid://shopify/ReturnableFulfillment/12?x=1") == "12"


async def read(change: Any, number: int = 2, parts: OrderParts = OrderParts.ALL) -> Order:
    """One order of the seeded shop, after `change` was made to what the shop holds."""
    simulator = Simulator(seed(NOW), lambda: NOW)
    native = str(450789000 + number)
    change(simulator.state.order(native))
    async with serve(simulator) as url:
        token = {"token": SecretText(CREDENTIALS["token"])}
        adapter = Shopify(ShopifyConfig(id="us", platform="shopify", shop="acme-us", url=url, credentials=token))
        try:
            return (await adapter.orders([native], parts))[native]
        finally:
            await adapter.close()


def a_return(order: Object, **more: Any) -> Object:
    sent = order["fulfillments"][0]["fulfillmentLineItems"][1]
    line = {
        "__typename": "ReturnLineItem",
        "id": "gid://shopify/ReturnLineItem/5",
        "quantity": 1,
        "refundedQuantity": 0,
        "customerNote": "does not fit",
        "returnReasonNote": "",
        "returnReasonDefinition": {"__typename": "ReturnReasonDefinition", "handle": "too-tight"},
        "fulfillmentLineItem": sent,
        "restockingFee": None,
    }
    made = {
        "__typename": "Return",
        "id": "gid://shopify/Return/55",
        "name": "#1002-R1",
        "status": "OPEN",
        "createdAt": stamp(NOW - DAY),
        "closedAt": None,
        "decline": None,
        "returnShippingFees": [],
        "exchangeLineItems": [],
        "returnLineItems": [line],
    }
    return {**made, **more}


def a_refund(order: Object, **more: Any) -> Object:
    made = {
        "__typename": "Refund",
        "id": "gid://shopify/Refund/66",
        "createdAt": None,
        "processedAt": stamp(NOW),
        "note": None,
        "return": None,
        "totalRefundedSet": bag(Decimal("13.75"), "USD"),
        "refundLineItems": [
            {
                "quantity": 1,
                "restocked": False,
                "lineItem": order["lineItems"][1]["id"],
                "subtotalSet": bag(Decimal("12.50"), "USD"),
                "totalTaxSet": bag(Decimal("1.25"), "USD"),
            }
        ],
        "transactions": [],
    }
    return {**made, **more}


def moved(status: str, gateway: str = "shopify_payments", manual: bool = False) -> Object:
    return {
        "__typename": "OrderTransaction",
        "kind": "REFUND",
        "status": status,
        "gateway": gateway,
        "manualPaymentGateway": manual,
    }


async def test_a_return_knows_its_refund() -> None:
    def change(order: Object) -> None:
        order["returns"] = [a_return(order)]
        order["refunds"] = [a_refund(order, **{"return": "gid://shopify/Return/55"}), a_refund(order, id="gid://x/67")]
        order["returns"][0]["returnLineItems"][0]["refundedQuantity"] = 1
        order["lineItems"][1].update(currentQuantity=1, refundableQuantity=1)
        order["refunds"][0]["return"] = {"__typename": "Return", "id": "gid://shopify/Return/55"}

    order = await read(change)
    (back,) = order.returns or []
    assert [refund.id for refund in back.refunds] == ["Refund:us:450789002:66"]
    assert len(order.refunds or []) == 2
    assert (back.status, back.resolution) == (ReturnStatus.APPROVED, ReturnResolution.REFUND)
    assert (back.lines[0].reason, back.lines[0].note) == (ReturnReason.SIZE_TOO_SMALL, "does not fit")
    quantity = order.lines[1].quantity
    assert (quantity.ordered, quantity.returned, quantity.returnable) == (2, 1, 1)


async def test_the_refunds_of_a_return_are_not_none_where_they_were_not_read() -> None:
    order = await read(lambda order: order.update(returns=[a_return(order)]), parts=OrderParts.RETURNS)
    (back,) = order.returns or []
    assert back.refunds is NOT_LOADED


async def test_a_count_of_returned_units_that_was_not_read_is_not_zero() -> None:
    order = await read(lambda order: order.update(returnStatus="IN_PROGRESS"), parts=OrderParts.LINES)
    assert order.lines[0].quantity.returned is NOT_LOADED
    order = await read(lambda order: None, parts=OrderParts.LINES)
    assert order.lines[0].quantity.returned == 0
    assert (order.lines[0].quantity.fulfilled, order.lines[0].quantity.returnable) == (None, None)


@pytest.mark.parametrize(
    ("status", "returned", "returnable"),
    [("REQUESTED", 1, 1), ("OPEN", 1, 1), ("CLOSED", 1, 1), ("DECLINED", 0, 2), ("CANCELED", 0, 2)],
)
async def test_units_in_a_return_count_unless_it_came_to_nothing(status: str, returned: int, returnable: int) -> None:
    order = await read(lambda order: order.update(returns=[a_return(order, status=status)]))
    (back,) = order.returns or []
    assert back.native_status == status
    assert back.status is mapping.RETURN_STATUS.get(status, ReturnStatus.UNKNOWN)
    assert (order.lines[1].quantity.returned, order.lines[1].quantity.returnable) == (returned, returnable)


async def test_a_declined_return_says_why() -> None:
    decline = {"reason": "FINAL_SALE", "note": "Worn"}
    order = await read(lambda order: order.update(returns=[a_return(order, status="DECLINED", decline=decline)]))
    assert [back.decline_reason for back in order.returns or []] == ["Worn"]


async def test_an_exchange_is_known_by_what_goes_out_for_it() -> None:
    exchange = [{"__typename": "ExchangeLineItem", "id": "gid://shopify/ExchangeLineItem/1"}]
    order = await read(lambda order: order.update(returns=[a_return(order, exchangeLineItems=exchange)]))
    assert [back.resolution for back in order.returns or []] == [ReturnResolution.EXCHANGE]


async def test_a_returned_thing_that_is_tied_to_no_line_is_left_out() -> None:
    def change(order: Object) -> None:
        back = a_return(order)
        stray = {**back["returnLineItems"][0], "__typename": "UnverifiedReturnLineItem", "id": "gid://x/1"}
        del stray["fulfillmentLineItem"]
        back["returnLineItems"].append(stray)
        order["returns"] = [back]

    order = await read(change)
    assert [len(back.lines) for back in order.returns or []] == [1]


@pytest.mark.parametrize(
    ("moves", "status", "money", "destination"),
    [
        ([], RefundStatus.COMPLETED, MoneyMoved.NO, RefundDestination.UNKNOWN),
        ([moved("SUCCESS")], RefundStatus.COMPLETED, MoneyMoved.YES, RefundDestination.ORIGINAL_PAYMENT),
        ([moved("PENDING")], RefundStatus.PENDING, MoneyMoved.UNKNOWN, RefundDestination.ORIGINAL_PAYMENT),
        ([moved("FAILURE")], RefundStatus.FAILED, MoneyMoved.NO, RefundDestination.ORIGINAL_PAYMENT),
        ([moved("SUCCESS", "manual", True)], RefundStatus.COMPLETED, MoneyMoved.UNKNOWN, RefundDestination.MANUAL),
        ([moved("SUCCESS", "gift_card")], RefundStatus.COMPLETED, MoneyMoved.YES, RefundDestination.GIFT_CARD),
        (
            [moved("SUCCESS", "shopify_store_credit")],
            RefundStatus.COMPLETED,
            MoneyMoved.YES,
            RefundDestination.STORE_CREDIT,
        ),
    ],
)
async def test_a_refund_is_not_the_money_itself(
    moves: list[Object], status: RefundStatus, money: MoneyMoved, destination: RefundDestination
) -> None:
    order = await read(lambda order: order.update(refunds=[a_refund(order, transactions=moves)]))
    (refund,) = order.refunds or []
    assert (refund.status, refund.money_moved, refund.destination) == (status, money, destination)
    assert refund.created_at == NOW


@pytest.mark.parametrize(("included", "amount"), [(False, "13.75"), (True, "12.50")])
async def test_a_refunded_line_counts_its_tax_once(included: bool, amount: str) -> None:
    order = await read(lambda order: order.update(refunds=[a_refund(order)], taxesIncluded=included))
    (refund,) = order.refunds or []
    assert refund.lines[0].amount == Money.of(amount, "USD")


async def test_two_currencies_are_kept_apart() -> None:
    def change(order: Object) -> None:
        order["totalPriceSet"]["presentmentMoney"] = {"amount": "63.70", "currencyCode": "EUR"}

    totals = (await read(change)).totals
    assert (totals.total.presentment, totals.total.shop) == (Money.of("63.70", "EUR"), Money.of("70.00", "USD"))


@pytest.mark.parametrize(
    ("changes", "status", "kind"),
    [
        ({"displayStatus": "READY_FOR_PICKUP"}, DeliveryStatus.READY_FOR_PICKUP, FulfillmentKind.PICKUP),
        ({"displayStatus": "PICKED_UP"}, DeliveryStatus.DELIVERED, FulfillmentKind.PICKUP),
        ({"displayStatus": None}, DeliveryStatus.SHIPPED, FulfillmentKind.SHIPPING),
        ({"displayStatus": "FULFILLED", "requiresShipping": False}, DeliveryStatus.SHIPPED, FulfillmentKind.DIGITAL),
        ({"displayStatus": "DELIVERED", "status": "CANCELLED"}, DeliveryStatus.CANCELLED, FulfillmentKind.SHIPPING),
    ],
)
async def test_a_parcel_is_read_for_what_it_is(changes: Object, status: DeliveryStatus, kind: FulfillmentKind) -> None:
    order = await read(lambda order: order["fulfillments"][0].update(changes))
    (parcel,) = order.fulfillments or []
    assert (parcel.status, parcel.kind) == (status, kind)


async def test_a_parcel_without_tracking_and_with_a_bad_link_is_still_a_parcel() -> None:
    def change(order: Object) -> None:
        order["fulfillments"][0]["trackingInfo"] = []
        second = deepcopy(order["fulfillments"][0])
        second["id"] = "gid://shopify/Fulfillment/9"
        second["trackingInfo"] = [{"company": "", "number": None, "url": "javascript:alert(1)"}]
        order["fulfillments"].append(second)

    first, second = (await read(change)).fulfillments or []
    assert (first.carrier, first.tracking_number, first.tracking_url) == (None, None, None)
    assert (second.carrier, second.tracking_number, second.tracking_url) == (None, None, None)


async def test_a_product_that_is_gone_leaves_its_line() -> None:
    order = await read(lambda order: order["lineItems"][0].update(product=None, variant=None))
    assert (order.lines[0].title, order.lines[0].product_ref) == ("Linen Shirt", None)
    assert (order.lines[0].product_tags, order.lines[0].product_type) == (None, None)


def test_amounts_are_exact_and_never_floats() -> None:
    presentment, shop = b'{"amount":"19.90","currencyCode":"USD"}', b'{"amount":"0.1","currencyCode":"USD"}'
    text = b'{"presentmentMoney":' + presentment + b',"shopMoney":' + shop + b"}"
    value = msgspec.json.decode(text, type=wire.MoneyBag)
    assert str(mapping.pair(value).presentment.amount) == "19.90"
    assert mapping.pair(value).shop.amount == Decimal("0.1")
