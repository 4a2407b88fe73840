"""The Shopify adapter against a simulated shop, over a real socket: what it reads, sends, and never does."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from copy import deepcopy
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import orjson
import pytest
from pydantic import ValidationError

from platforms.base import (
    ORDER_FACTS,
    CancelOrder,
    CancelSubscription,
    Done,
    Operation,
    OrdersQuery,
    PauseSubscription,
    Pending,
    Person,
    ResumeSubscription,
    ReturnedLine,
    ReturnOrder,
    Services,
    SubscriptionsQuery,
)
from platforms.errors import (
    BadCredentials,
    DeadlineExceeded,
    MissingScope,
    OutcomeUnknown,
    Refused,
    Throttled,
    Unavailable,
    Unreadable,
    Unsupported,
)
from platforms.secrets import SecretText
from platforms.shopify import documents, wire
from platforms.shopify.adapter import Shopify, ShopifyConfig
from platforms.shopify.seed import seed
from platforms.shopify.simulator import ALL_SCOPES, CREDENTIALS, Object, Simulator, bag, stamp
from platforms.transport import Limits, store_deadline
from sandbox.faults import Fault, Faulty
from sandbox.serving import serve
from schema.emails import canonical_email
from schema.order import Order
from schema.parts import OrderParts, PartNotLoaded, SubscriptionParts
from schema.values import Fee, Money
from schema.vocabulary import (
    ActionKind,
    CancelReason,
    DeliveryStatus,
    FeeKind,
    FulfillmentKind,
    FulfillmentStatus,
    IntervalUnit,
    MoneyMoved,
    OrderReturnStatus,
    OrderStatus,
    PaymentStatus,
    RefundChoice,
    RefundDestination,
    RefundStatus,
    RequestedResolution,
    ReturnReason,
    ReturnStatus,
    SubscriptionStatus,
    SupportLevel,
    TimeBasis,
)
from tests.platforms.shopify_contract import faults

NOW = datetime.now(UTC).replace(microsecond=0)
DAY = timedelta(days=1)
ADA = canonical_email("ada@example.com")
CLEO = canonical_email("cleo@example.com")
JOANN = canonical_email("joann@example.com")
QUICK = Limits(backoff=0.01, whole=2.0)


class Shop:
    """A shop and the adapter that speaks to it."""

    def __init__(self, simulator: Simulator, faulty: Faulty, adapter: Shopify, url: str) -> None:
        self.simulator = simulator
        self.faulty = faulty
        self.adapter = adapter
        self.url = url

    @property
    def operations(self) -> list[str | None]:
        return [call.operation for call in self.simulator.calls]

    async def order(self, number: int, parts: OrderParts = ORDER_FACTS) -> Order:
        native = str(450789000 + number)
        return (await self.adapter.orders([native], parts))[native]

    def held(self, number: int) -> Object:
        return self.simulator.state.order(str(450789000 + number))

    async def orders_of(self, email: Any, query: OrdersQuery | None = None, parts: OrderParts = OrderParts.NONE) -> Any:
        found = await self.adapter.profiles([email])
        return await self.adapter.orders_of(Person.known(email, found[email]), query or OrdersQuery(20), parts)


@asynccontextmanager
async def opened(settings: dict[str, Any] | None = None, **shop: Any) -> AsyncIterator[Shop]:
    simulator = Simulator(seed(NOW), lambda: NOW, **shop)
    faulty = Faulty(simulator, "us")
    async with serve(faulty) as url:
        adapter = Shopify(config(url, **(settings or {})), Services(limits=QUICK))
        try:
            yield Shop(simulator, faulty, adapter, url)
        finally:
            await adapter.close()
    assert [fault for received in simulator.calls for fault in faults(received)] == []


def config(url: str | None = None, **settings: Any) -> ShopifyConfig:
    given = {
        "id": "us",
        "platform": "shopify",
        "shop": "acme-us",
        "url": url,
        "time_zone": "America/New_York",
        "credentials": {"token": SecretText(CREDENTIALS["token"])},
    }
    return ShopifyConfig(**{**given, **settings})


@pytest.fixture
async def shop() -> AsyncIterator[Shop]:
    async with opened() as it:
        yield it


def answer(shop: Shop, status: int, body: Any) -> None:
    """Have the shop answer this to the next call, whatever it is."""
    shop.simulator.canned.append((status, body if isinstance(body, bytes) else orjson.dumps(body)))


def contract(shop: Shop, number: int, customer: str = "7002", **more: Any) -> Object:
    """A subscription contract that our own app made."""
    money = {"amount": "18.00", "currencyCode": "USD"}
    made = {
        "__typename": "SubscriptionContract",
        "id": f"gid://shopify/SubscriptionContract/{number}",
        "status": "ACTIVE",
        "createdAt": stamp(NOW - 6 * DAY),
        "updatedAt": stamp(NOW - 6 * DAY),
        "nextBillingDate": "2026-12-01T02:00:00Z",
        "currencyCode": "USD",
        "lastPaymentStatus": "SUCCEEDED",
        "customer": f"gid://shopify/Customer/{customer}",
        "billingPolicy": {"interval": "MONTH", "intervalCount": 1, "minCycles": 3, "maxCycles": None},
        "deliveryPolicy": {"interval": "WEEK", "intervalCount": 2},
        "lines": [
            {
                "__typename": "SubscriptionLine",
                "id": f"gid://shopify/SubscriptionLine/{number}1",
                "title": "Coffee Beans 1kg",
                "sku": "BEAN",
                "quantity": 1,
                "productId": "gid://shopify/Product/8005",
                "variantId": "gid://shopify/ProductVariant/8501",
                "currentPrice": money,
            }
        ],
        "originOrder": "gid://shopify/Order/450789006",
    }
    return shop.simulator.state.add({**made, **more})


# ------------------------------------------------------------------------------------------------------ configuration


@pytest.mark.parametrize("name", ["acme.evil.example/", "Acme", "-acme", "acme@x", "acme/..", "", "a" * 61])
def test_a_shop_that_is_no_handle_is_refused(name: str) -> None:
    with pytest.raises(ValidationError):
        config(shop=name)


@pytest.mark.parametrize("url", ["https://shop.example.com", "http://10.0.0.1", "http://169.254.169.254", "nowhere"])
def test_another_address_than_the_shops_own_is_for_this_machine_only(url: str) -> None:
    with pytest.raises(ValidationError):
        config(url)
    assert config("http://127.0.0.1:1").url == "http://127.0.0.1:1"


def test_a_secret_does_not_show_in_the_configuration() -> None:
    made = config(credentials={"client_id": "c", "client_secret": SecretText("very secret")})
    assert "very secret" not in f"{made!r} {made} {made.model_dump_json()}"


def test_without_url_the_shops_own_host_is_called() -> None:
    assert Shopify(config())._transport.host == "acme-us.myshopify.com"


# -------------------------------------------------------------------------------------------------------------- orders


async def test_an_order_in_transit_is_read_whole(shop: Shop) -> None:
    order = await shop.order(1, OrderParts.ALL)

    assert shop.operations == ["OrdersById"]
    assert (order.id, order.number, order.source.native_id) == ("Order:us:450789001", "1001", "450789001")
    assert (order.status, order.payment_status) == (OrderStatus.OPEN, PaymentStatus.PAID)
    assert (order.fulfillment_status, order.return_status) == (FulfillmentStatus.FULFILLED, OrderReturnStatus.NONE)
    assert order.native_status == "open PAID FULFILLED NO_RETURN"
    assert order.placed_at == NOW - 3 * DAY
    assert (order.owner, order.email, order.customer_native_id) == (ADA, "ada@example.com", "7001")
    assert (order.customer_tags, order.shipping_country, order.channel) == (["vip"], "US", "web")
    assert order.disputed is False
    assert order.totals.total.presentment == Money.of("45.00", "USD")
    assert order.totals.refundable.shop == Money.of("45.00", "USD")
    assert order.shipping_address is not None
    assert (order.shipping_address.city, order.shipping_address.country_code) == ("Brooklyn", "US")
    assert order.status_url == shop.held(1)["statusPageUrl"]
    assert order.source.admin == "https://admin.shopify.com/store/acme-us/orders/450789001"
    (line,) = order.lines
    assert (line.id, line.title, line.variant_title) == ("OrderLine:us:450789001:4507890011", "Linen Shirt", "M")
    assert (line.product_type, line.product_tags, line.vendor) == ("Shirts", ["summer"], "Acme")
    assert line.final_sale is None
    assert line.product_ref == ("us", "8001", "8102")
    assert line.order is order
    assert vars(line.quantity) == {
        "ordered": 1,
        "current": 1,
        "returned": 0,
        "fulfilled": 1,
        "delivered": 0,
        "returnable": 1,
        "refundable": 1,
    }
    (parcel,) = order.fulfillments or []
    assert (parcel.kind, parcel.status) == (FulfillmentKind.SHIPPING, DeliveryStatus.IN_TRANSIT)
    assert (parcel.carrier, parcel.tracking_number) == ("UPS", "1Z999AA10123456784")
    assert parcel.tracking_url == "https://www.ups.com/track?tracknum=1Z999AA10123456784"
    assert parcel.shipped_at == NOW - DAY
    assert (parcel.delivered_at, parcel.delivered_at_basis) == (None, None)
    assert parcel.estimated_delivery_at == NOW + 2 * DAY
    assert [event.status for event in parcel.events] == [DeliveryStatus.IN_TRANSIT, DeliveryStatus.LABEL_CREATED]
    assert [(one.line.native_id, one.quantity) for one in parcel.lines] == [(line.native_id, 1)]


async def test_only_the_parts_asked_for_are_read(shop: Shop) -> None:
    order = await shop.order(1, OrderParts.NONE)
    head = shop.simulator.calls[-1].cost
    assert {one for one in ("lines", "fulfillments", "returns", "refunds", "status_url") if order.has(one)} == set()
    with pytest.raises(PartNotLoaded):
        _ = order.refunds

    await shop.order(1, OrderParts.LINES)
    lines = shop.simulator.calls[-1].cost
    await shop.order(1, OrderParts.ALL)
    everything = shop.simulator.calls[-1].cost
    assert (head, lines, everything) == (27, 92, 324)


async def test_a_split_order_knows_when_each_line_arrived(shop: Shop) -> None:
    order = await shop.order(5)
    first, second = order.fulfillments or []
    assert (first.delivered_at, second.delivered_at) == (NOW - 40 * DAY, NOW - 5 * DAY)
    assert first.delivered_at_basis is TimeBasis.DELIVERED
    assert [one.line.title for one in first.lines] == ["Linen Shirt"]
    assert [one.quantity.delivered for one in order.lines] == [1, 1]


async def test_a_partly_refunded_order_has_one_unit_left_to_return(shop: Shop) -> None:
    order = await shop.order(7)
    assert order.payment_status is PaymentStatus.PARTIALLY_REFUNDED
    assert order.totals.total.shop == Money.of("55.00", "USD")
    assert order.totals.refunded.shop == Money.of("25.00", "USD")
    assert order.totals.refundable.shop == Money.of("30.00", "USD")
    (refund,) = order.refunds or []
    assert (refund.status, refund.money_moved) == (RefundStatus.COMPLETED, MoneyMoved.YES)
    assert refund.destination is RefundDestination.ORIGINAL_PAYMENT
    assert (refund.amount.presentment, refund.created_at) == (Money.of("25.00", "USD"), NOW - DAY)
    (part,) = refund.lines
    assert (part.line.title, part.quantity, part.amount, part.restocked) == (
        "Canvas Tote",
        1,
        Money.of("25.00", "USD"),
        True,
    )
    quantity = order.lines[0].quantity
    assert (quantity.ordered, quantity.fulfilled, quantity.refundable, quantity.returnable) == (2, 2, 1, 1)


async def test_the_final_sale_tag_is_told_with_the_line(shop: Shop) -> None:
    order = await shop.order(6, OrderParts.LINES)
    assert {line.title: line.product_tags for line in order.lines}["Silk Scarf"] == ["final-sale"]


async def test_orders_that_are_not_there_are_left_out(shop: Shop) -> None:
    found = await shop.adapter.orders(["450789001", "999", "gid://shopify/Order/1", "-1", "0x1"], OrderParts.NONE)
    assert list(found) == ["450789001"]
    assert shop.simulator.calls[0].variables["ids"] == ["gid://shopify/Order/450789001", "gid://shopify/Order/999"]


async def test_nothing_is_asked_for_no_ids(shop: Shop) -> None:
    assert await shop.adapter.orders([], OrderParts.ALL) == {}
    assert await shop.adapter.products(["not a number"]) == {}
    assert shop.operations == []


async def test_many_ids_are_read_250_at_a_time(shop: Shop) -> None:
    ids = [str(number) for number in range(1, 251)] + ["450789001"]
    assert list(await shop.adapter.orders(ids, OrderParts.NONE)) == ["450789001"]
    assert [len(call.variables["ids"]) for call in shop.simulator.calls] == [250, 1]


async def test_an_old_order_is_as_if_it_were_not_there_without_the_scope() -> None:
    async with opened(scopes=[one for one in ALL_SCOPES if one != "read_all_orders"]) as shop:
        shop.held(3)["createdAt"] = stamp(NOW - 61 * DAY)
        assert set(await shop.adapter.orders(["450789003", "450789002"], OrderParts.NONE)) == {"450789002"}


async def test_an_order_is_found_by_its_number_and_by_no_other(shop: Shop) -> None:
    shop.held(5)["name"] = "#1004-A"
    for typed in ("1004", "#1004", " #1004 "):
        found = await shop.adapter.orders_by_number(typed, OrderParts.NONE)
        assert [order.number for order in found] == ["1004"]
    assert len(shop.simulator.calls) == 3
    assert shop.simulator.calls[0].variables["query"] == 'name:"#1004" OR name:"1004"'


@pytest.mark.parametrize("typed", ['1001" OR status:"open', "1001 OR 1=1", "", "#", "(1001)", "name:*", "1001\\"])
async def test_a_number_that_would_be_a_search_is_not_sent(shop: Shop, typed: str) -> None:
    assert await shop.adapter.orders_by_number(typed, OrderParts.NONE) == []
    assert [call.variables["query"] for call in shop.simulator.calls if '" OR status' in call.variables["query"]] == []


async def test_unknown_words_are_unknown_and_kept(shop: Shop) -> None:
    await shop.adapter.return_order(await taking_back(shop, 2, (1, 1)))
    await shop.order(2)
    asked = shop.simulator.calls[-1]
    text = orjson.loads(documents.ORDERS_BY_ID.text)
    body = orjson.dumps(shop.simulator._run(text, asked.variables, asked.operation, asked))
    words = {"PAID": "BARTERED", "FULFILLED": "TELEPORTED", "IN_PROGRESS": "LOST", "DELIVERED": "ON_THE_MOON"}
    for known, unknown in {**words, "OPEN": "ELSEWHERE"}.items():
        assert f'"{known}"'.encode() in body
        body = body.replace(f'"{known}"'.encode(), f'"{unknown}"'.encode())
    answer(shop, 200, body)
    order = await shop.order(2)
    assert order.payment_status is PaymentStatus.UNKNOWN
    assert order.fulfillment_status is FulfillmentStatus.UNKNOWN
    assert order.return_status is OrderReturnStatus.UNKNOWN
    assert order.native_status == "open BARTERED TELEPORTED LOST"
    (parcel,) = order.fulfillments or []
    assert parcel.status is DeliveryStatus.UNKNOWN
    (back,) = order.returns or []
    assert (back.status, back.native_status) == (ReturnStatus.UNKNOWN, "ELSEWHERE")
    assert order.lines[1].quantity.returned == 1  # what we do not understand still counts against the customer's limit


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"cancelledAt": stamp(NOW), "closedAt": stamp(NOW), "cancelReason": "FRAUD"}, OrderStatus.CANCELLED),
        ({"closedAt": stamp(NOW)}, OrderStatus.COMPLETED),
        ({"displayFulfillmentStatus": "ON_HOLD"}, OrderStatus.ON_HOLD),
        ({}, OrderStatus.OPEN),
    ],
)
async def test_an_orders_status_is_worked_out_of_three_words(shop: Shop, changes: Object, status: OrderStatus) -> None:
    shop.held(2).update(changes)
    order = await shop.order(2, OrderParts.NONE)
    assert order.status is status
    assert order.cancel_reason is (CancelReason.FRAUD if "cancelReason" in changes else None)


async def test_a_chargeback_shows_as_a_disputed_payment(shop: Shop) -> None:
    dispute = {"__typename": "OrderDisputeSummary", "id": "gid://shopify/OrderDisputeSummary/1"}
    shop.held(2)["disputes"] = [{**dispute, "status": "NEEDS_RESPONSE", "initiatedAs": "CHARGEBACK"}]
    shop.held(1)["disputes"] = [{**dispute, "status": "WON", "initiatedAs": "CHARGEBACK"}]
    disputed, won = await shop.order(2, OrderParts.NONE), await shop.order(1, OrderParts.NONE)
    assert (disputed.disputed, disputed.payment_status) == (True, PaymentStatus.DISPUTED)
    assert (won.disputed, won.payment_status) == (False, PaymentStatus.PAID)


async def test_lines_beyond_the_first_page_are_read_to_the_last(shop: Shop) -> None:
    held = shop.held(1)
    for number in range(2, 172):
        held["lineItems"].append({**deepcopy(held["lineItems"][0]), "id": f"gid://shopify/LineItem/5550{number}"})
    order = await shop.order(1, OrderParts.LINES)
    assert shop.operations == ["OrdersById", "OrderLinesAfter", "OrderLinesAfter"]
    assert len({line.id for line in order.lines}) == 171


async def test_an_order_with_more_than_the_others_is_read_again_alone(shop: Shop) -> None:
    held = shop.held(2)
    parcel = held["fulfillments"][0]
    held["fulfillments"] += [
        {**parcel, "id": f"gid://shopify/Fulfillment/77{n}", "status": "CANCELLED"} for n in range(12)
    ]
    page = await shop.orders_of(ADA, parts=ORDER_FACTS)
    assert shop.operations == ["CustomerByEmail", "OrdersFound", "OrdersById"]
    whole = next(row.node for row in page.rows if row.node.number == "1002")
    assert len(whole.fulfillments or []) == 13
    assert whole.lines[0].quantity.fulfilled == 1


async def test_an_order_that_cannot_be_read_whole_is_not_read_in_part(shop: Shop) -> None:
    held = shop.held(2)
    parcel = held["fulfillments"][0]
    held["fulfillments"] += [{**parcel, "id": f"gid://shopify/Fulfillment/77{n}"} for n in range(150)]
    with pytest.raises(Unreadable, match="#1002"):
        await shop.order(2)


# -------------------------------------------------------------------------------------------------- orders of a person


async def test_a_persons_orders_are_one_call_newest_first(shop: Shop) -> None:
    page = await shop.orders_of(ADA, parts=OrderParts.ALL)
    assert shop.operations == ["CustomerByEmail", "OrdersFound"]
    assert [row.node.number for row in page.rows] == ["1001", "1002", "1003"]
    assert page.more is False
    assert shop.simulator.calls[1].variables["query"] == 'customer_id:7001 OR email:"ada@example.com"'
    assert shop.simulator.calls[1].cost == 862


async def test_guest_orders_come_with_those_of_the_record(shop: Shop) -> None:
    shop.held(4).update(customer=None, email="Ada@Example.com")
    shop.held(5).update(customer=None, email="x-ada@example.com")
    page = await shop.orders_of(ADA)
    assert [row.node.number for row in page.rows] == ["1004", "1001", "1002", "1003"]
    assert page.rows[0].node.customer_native_id is None


async def test_someone_elses_order_is_never_shown(shop: Shop) -> None:
    # The search matches words: an address that ends in the asked one, and one on the order of another customer.
    shop.held(4).update(customer=None, email="not.ada@example.com")
    shop.held(5).update(email="ada@example.com")
    page = await shop.orders_of(ADA)
    assert {row.node.number for row in page.rows} == {"1001", "1002", "1003"}
    # Whose address was changed since owns their orders by the present one.
    shop.simulator.state.objects["gid://shopify/Customer/7001"]["defaultEmailAddress"] = {
        "emailAddress": "new@example.com"
    }
    assert (await shop.orders_of(ADA)).rows == []


async def test_pages_join_without_gap_or_repeat_also_when_an_order_comes_in_between(shop: Shop) -> None:
    seen: list[str] = []
    after: str | None = None
    while True:
        page = await shop.orders_of(ADA, OrdersQuery(1, after=after))
        seen += [row.node.number for row in page.rows]
        if not page.more:
            break
        after = page.rows[-1].position
        if len(seen) == 1:
            newest = deepcopy(shop.held(1))
            newest.update(id="gid://shopify/Order/1", legacyResourceId="1", name="#2000", processedAt=stamp(NOW))
            shop.simulator.state.add(newest)
    assert seen == ["1001", "1002", "1003"]


async def test_a_page_of_others_orders_is_empty_and_goes_on(shop: Shop) -> None:
    shop.held(4).update(customer=None, email="x.ada@example.com")
    page = await shop.orders_of(ADA, OrdersQuery(1))
    assert (page.rows, page.more) == ([], True)
    assert page.end is not None
    following = await shop.orders_of(ADA, OrdersQuery(1, after=page.end))
    assert [row.node.number for row in following.rows] == ["1001"]


async def test_a_large_page_is_shortened_to_what_one_call_may_cost(shop: Shop) -> None:
    await shop.orders_of(ADA, OrdersQuery(100), OrderParts.ALL)
    await shop.orders_of(ADA, OrdersQuery(100), OrderParts.LINES)
    firsts = [call.variables["first"] for call in shop.simulator.calls if call.operation == "OrdersFound"]
    assert firsts == [20, 50]


async def test_a_page_too_dear_for_shopify_is_asked_for_in_half(shop: Shop) -> None:
    found = await shop.adapter.profiles([ADA])
    answer(shop, 200, {"errors": [{"message": "cost", "extensions": {"code": "MAX_COST_EXCEEDED", "cost": 1200}}]})
    page = await shop.adapter.orders_of(Person.known(ADA, found[ADA]), OrdersQuery(20), OrderParts.ALL)
    assert len(page.rows) == 3
    assert shop.simulator.calls[-1].variables["first"] == 10


async def test_a_batch_too_dear_for_shopify_is_read_in_halves(shop: Shop) -> None:
    answer(shop, 200, {"errors": [{"message": "cost", "extensions": {"code": "MAX_COST_EXCEEDED"}}]})
    found = await shop.adapter.orders(["450789001", "450789002", "450789003"], OrderParts.NONE)
    assert len(found) == 3
    assert [len(call.variables["ids"]) for call in shop.simulator.calls[1:]] == [1, 2]


@pytest.mark.parametrize(
    ("query", "numbers", "search"),
    [
        (OrdersQuery(9, status=frozenset({OrderStatus.CANCELLED})), [], "status:cancelled"),
        (OrdersQuery(9, status=frozenset({OrderStatus.COMPLETED})), ["1003"], "status:closed"),
        (OrdersQuery(9, status=frozenset({OrderStatus.OPEN})), ["1001", "1002"], "status:open"),
        (OrdersQuery(9, status=frozenset({OrderStatus.OPEN, OrderStatus.COMPLETED})), ["1001", "1002", "1003"], None),
        (OrdersQuery(9, placed_after=NOW - 5 * DAY), ["1001", "1002"], "processed_at:>="),
        (OrdersQuery(9, placed_before=NOW - 5 * DAY), ["1003"], "processed_at:<="),
    ],
)
async def test_a_filter_is_sent_where_that_is_safe_and_checked_always(
    shop: Shop, query: OrdersQuery, numbers: list[str], search: str | None
) -> None:
    page = await shop.orders_of(ADA, query)
    assert [row.node.number for row in page.rows] == numbers
    sent = shop.simulator.calls[-1].variables["query"]
    assert sent.startswith('(customer_id:7001 OR email:"ada@example.com") AND ') is (search is not None)
    assert search is None or search in sent


async def test_a_status_no_order_of_shopify_has_is_not_asked_for(shop: Shop) -> None:
    query = OrdersQuery(9, status=frozenset({OrderStatus.FAILED, OrderStatus.PENDING}))
    page = await shop.adapter.orders_of(Person.known(ADA), query, OrderParts.NONE)
    assert (page.rows, page.more, shop.operations) == ((), False, [])


async def test_an_address_that_cannot_be_quoted_never_enters_a_search(shop: Shop) -> None:
    odd = canonical_email("o'hara*@example.com")
    with pytest.raises(Unsupported):
        await shop.orders_of(odd)
    shop.simulator.state.objects["gid://shopify/Customer/7001"]["defaultEmailAddress"] = {"emailAddress": odd}
    page = await shop.orders_of(odd)
    assert len(page.rows) == 3
    assert shop.simulator.calls[-1].variables["query"] == "customer_id:7001"


async def test_a_dropped_search_field_is_an_error_and_not_everybodys_orders(shop: Shop) -> None:
    with pytest.raises(Refused) as caught:
        await shop.adapter._order_search('emial:"ada@example.com"', 10, None, OrderParts.NONE)
    assert [native.code for native in caught.value.native] == ["invalid_field"]


# ---------------------------------------------------------------------------------------------- customers and products


async def test_a_profile_is_found_by_exactly_its_address(shop: Shop) -> None:
    nobody = canonical_email("da@example.com")
    found = await shop.adapter.profiles([ADA, nobody])
    (ada,) = found[ADA]
    assert found[nobody] == ()
    assert (ada.id, ada.display_name, ada.owner) == ("CustomerProfile:us:7001", "Ada Lovelace", ADA)
    assert (ada.tags, ada.order_count, ada.total_spent) == (["vip"], 3, Money.of("163.00", "USD"))
    assert [address.region_code for address in ada.addresses] == ["NY"]
    assert shop.operations == ["CustomerByEmail", "CustomerByEmail"]


async def test_a_record_with_another_address_than_asked_for_is_nobodys(shop: Shop) -> None:
    row = deepcopy(shop.simulator.state.objects["gid://shopify/Customer/7002"])
    row["addressesV2"] = {"nodes": []}
    answer(shop, 200, {"data": {"customerByIdentifier": row}})
    assert await shop.adapter.profiles([ADA]) == {ADA: ()}


async def test_profiles_are_read_by_id_in_one_call(shop: Shop) -> None:
    found = await shop.adapter.profiles_by_id(["7001", "7002", "1"])
    assert {native: profile.owner for native, profile in found.items()} == {"7001": ADA, "7002": CLEO}
    assert shop.operations == ["CustomersById"]


async def test_products_are_read_with_their_variants_and_pictures_in_one_call(shop: Shop) -> None:
    found = await shop.adapter.products(["8001", "8004", "1"])
    assert shop.operations == ["ProductsById"]
    assert set(found) == {"8001", "8004"}
    shirt = found["8001"]
    assert (shirt.id, shirt.title, shirt.product_type) == ("Product:us:8001", "Linen Shirt", "Shirts")
    assert [image.url for image in shirt.images] == ["https://images.example.com/linen-shirt.jpg"]
    assert [(one.id, one.title, one.price) for one in shirt.all_variants] == [
        ("Variant:us:8001:8101", "S", Money.of("40.00", "USD")),
        ("Variant:us:8001:8102", "M", Money.of("40.00", "USD")),
    ]
    assert found["8004"].tags == ["final-sale"]


# -------------------------------------------------------------------------------------------------------------- cancel


async def cancellation(shop: Shop, number: int = 4, **more: Any) -> CancelOrder:
    given: dict[str, Any] = {
        "action_id": "act-1",
        "order": await shop.order(number),
        "reason": CancelReason.CUSTOMER,
        "refund": RefundChoice.ORIGINAL_PAYMENT,
        "restock": True,
        "notify_customer": True,
    }
    return CancelOrder(**{**given, **more})


async def test_a_cancellation_is_a_job_that_ends_with_the_order_cancelled_and_paid_back(shop: Shop) -> None:
    shop.simulator.cancel_polls, shop.simulator.cancel_seconds = 2, 60.0
    request = await cancellation(shop, note="Changed their mind")
    outcome = await shop.adapter.cancel_order(request)
    assert isinstance(outcome, Pending)
    assert await shop.adapter.happened(request, NOW) is None
    assert isinstance(await shop.adapter.job_now(outcome.job), Pending)
    assert await shop.adapter.job_now(outcome.job) == Done()
    assert await shop.adapter.happened(request, NOW) == Done()

    (write,) = shop.simulator.writes
    assert write.variables == {
        "orderId": "gid://shopify/Order/450789004",
        "reason": "CUSTOMER",
        "restock": True,
        "notifyCustomer": True,
        "refundMethod": {"originalPaymentMethodsRefund": True},
        "staffNote": "Changed their mind [Aftersale act-1]",
    }
    order = await shop.order(4)
    assert (order.status, order.cancel_reason) == (OrderStatus.CANCELLED, CancelReason.CUSTOMER)
    assert order.payment_status is PaymentStatus.REFUNDED
    assert order.totals.refunded.shop == Money.of("94.00", "USD")
    assert order.totals.refundable.shop.amount == 0


@pytest.mark.parametrize(
    ("choice", "method"),
    [
        (RefundChoice.NONE, {"originalPaymentMethodsRefund": False}),
        (RefundChoice.STORE_CREDIT, {"storeCreditRefund": {"expiresAt": None}}),
    ],
)
async def test_what_becomes_of_the_money_is_always_said(shop: Shop, choice: RefundChoice, method: Object) -> None:
    await shop.adapter.cancel_order(await cancellation(shop, refund=choice))
    assert shop.simulator.writes[0].variables["refundMethod"] == method


async def test_a_long_note_is_cut_and_the_mark_never(shop: Shop) -> None:
    await shop.adapter.cancel_order(await cancellation(shop, note="x" * 400))
    note = shop.simulator.writes[0].variables["staffNote"]
    assert len(note) == 255
    assert note.endswith("x [Aftersale act-1]")


async def test_a_refused_cancellation_tells_the_platforms_reason(shop: Shop) -> None:
    request = await cancellation(shop, 2)
    with pytest.raises(Refused) as caught:
        await shop.adapter.cancel_order(request)
    (native,) = caught.value.native
    assert (native.code, native.field) == ("INVALID", ("orderId",))
    assert "outstanding fulfillments" in native.message
    assert shop.held(2)["cancelledAt"] is None


async def test_a_cancellation_that_fails_as_a_job_is_refused(shop: Shop) -> None:
    shop.simulator.cancel_fails = "NO_REFUND_PERMISSION"
    outcome = await shop.adapter.cancel_order(await cancellation(shop))
    assert isinstance(outcome, Pending)
    with pytest.raises(Refused) as caught:
        await shop.adapter.job_now(outcome.job)
    assert [native.code for native in caught.value.native] == ["NO_REFUND_PERMISSION"]


async def test_a_job_nobody_knows_is_an_unknown_outcome(shop: Shop) -> None:
    with pytest.raises(OutcomeUnknown):
        await shop.adapter.job_now("gid://shopify/OrderCancelJobResult/404")


async def test_a_cancellation_by_somebody_else_is_not_ours(shop: Shop) -> None:
    request = await cancellation(shop)
    shop.held(4).update(cancelledAt=stamp(NOW), cancellation={"staffNote": "by phone"})
    assert await shop.adapter.happened(request, NOW) is None
    with pytest.raises(Refused):
        await shop.adapter.cancel_order(request)


async def test_a_lost_answer_is_unknown_and_the_same_request_later_finds_it_done(shop: Shop) -> None:
    shop.simulator.cancel_seconds = 0.0
    request = await cancellation(shop)
    shop.faulty.faults.append(Fault("us", "drop-after"))
    with pytest.raises(OutcomeUnknown):
        await shop.adapter.cancel_order(request)
    shop.faulty.faults.clear()
    assert len(shop.simulator.writes) == 1
    assert await shop.adapter.cancel_order(request) == Done()
    assert len(shop.held(4)["refunds"]) == 1


@pytest.mark.parametrize("word", ["500-after", "500", "garbage", "drop", "truncate"])
async def test_a_write_is_never_sent_twice_by_itself(shop: Shop, word: str) -> None:
    request = await cancellation(shop)
    shop.faulty.faults.append(Fault("us", word))
    with pytest.raises(OutcomeUnknown):
        await shop.adapter.cancel_order(request)
    assert len(shop.simulator.writes) <= 1


@pytest.mark.parametrize(
    "body",
    [
        {"data": {"orderCancel": None}, "errors": [{"message": "boom", "path": ["orderCancel"], "extensions": {}}]},
        {"data": {"orderCancel": None}},
        {"data": {"orderCancel": {"jobResult": None, "orderCancelUserErrors": []}}},
        {
            "data": {"orderCancel": {"jobResult": None, "orderCancelUserErrors": []}},
            "errors": [
                {"message": "no", "path": ["orderCancel", "jobResult"], "extensions": {"code": "ACCESS_DENIED"}}
            ],
        },
        {"errors": [{"message": "Internal error", "extensions": {"code": "INTERNAL_SERVER_ERROR"}}]},
        {"errors": [{"message": "something new"}]},
        {"errors": "a text"},
    ],
)
async def test_a_change_whose_answer_does_not_say_is_an_unknown_outcome(shop: Shop, body: Object) -> None:
    request = await cancellation(shop)
    answer(shop, 200, body)
    with pytest.raises(OutcomeUnknown):
        await shop.adapter.cancel_order(request)
    assert len(shop.operations) == 2


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (
            {
                "data": {"orderCancel": None},
                "errors": [
                    {
                        "message": "Access denied for orderCancel field. Required access: `write_orders` access scope.",
                        "path": ["orderCancel"],
                        "extensions": {"code": "ACCESS_DENIED"},
                    }
                ],
            },
            MissingScope,
        ),
        ({"errors": [{"message": "Field 'x' doesn't exist", "extensions": {"code": "undefinedField"}}]}, Refused),
        ({"errors": [{"message": "too dear", "extensions": {"code": "MAX_COST_EXCEEDED"}}]}, Refused),
    ],
)
async def test_a_change_that_was_surely_not_made_is_refused(shop: Shop, body: Object, kind: type[Refused]) -> None:
    request = await cancellation(shop)
    answer(shop, 200, body)
    with pytest.raises(kind) as caught:
        await shop.adapter.cancel_order(request)
    assert caught.value.not_executed
    assert shop.simulator.writes == []


# ------------------------------------------------------------------------------------------------------------- returns


async def taking_back(shop: Shop, number: int, *units: tuple[int, int], **more: Any) -> ReturnOrder:
    order = await shop.order(number)
    lines = tuple(ReturnedLine(order.lines[at], count, ReturnReason.SIZE_TOO_SMALL) for at, count in units)
    given: dict[str, Any] = {
        "action_id": "act-2",
        "order": order,
        "lines": lines,
        "resolution": RequestedResolution.REFUND,
    }
    return ReturnOrder(**{**given, **more})


async def test_a_return_is_made_approved_with_its_reason_and_our_mark(shop: Shop) -> None:
    request = await taking_back(shop, 2, (1, 1))
    assert await shop.adapter.happened(request, NOW) is None
    outcome = await shop.adapter.return_order(request)
    assert shop.operations[2:] == ["ReturnReasons", "ReturnableItems", "ReturnCreate"]
    (write,) = shop.simulator.writes
    assert write.variables["input"] == {
        "orderId": "gid://shopify/Order/450789002",
        "returnLineItems": [
            {
                "fulfillmentLineItemId": "gid://shopify/FulfillmentLineItem/45078900212",
                "quantity": 1,
                "returnReasonNote": "[Aftersale act-2]",
                "returnReasonDefinitionId": "gid://shopify/ReturnReasonDefinition/8",
            }
        ],
    }
    order = await shop.order(2)
    assert order.return_status is OrderReturnStatus.IN_PROGRESS
    (made,) = order.returns or []
    assert outcome == Done(made.source.native_id)
    assert await shop.adapter.happened(request, NOW) == outcome
    assert (made.status, made.native_status, made.number) == (ReturnStatus.APPROVED, "OPEN", "#1002-R1")
    assert made.id == f"Return:us:450789002:{made.source.native_id}"
    assert made.requested_at == NOW
    assert made.order is order
    (line,) = made.lines
    assert (line.line.title, line.quantity, line.reason) == ("Merino Socks", 1, ReturnReason.SIZE_TOO_SMALL)
    assert line.note is None
    assert [one.quantity.returned for one in order.lines] == [0, 1]
    assert [one.quantity.returnable for one in order.lines] == [1, 1]


async def test_the_reasons_of_the_shop_are_read_once(shop: Shop) -> None:
    await shop.adapter.return_order(await taking_back(shop, 2, (1, 1)))
    await shop.adapter.return_order(await taking_back(shop, 2, (1, 1), action_id="act-3"))
    assert shop.operations.count("ReturnReasons") == 1


async def test_a_store_may_leave_the_decision_to_its_staff() -> None:
    async with opened({"returns": "request"}) as shop:
        request = await taking_back(shop, 2, (0, 1))
        await shop.adapter.return_order(request)
        (write,) = shop.simulator.writes
        assert write.operation == "ReturnRequest"
        assert write.variables["input"]["returnLineItems"][0]["customerNote"] == "[Aftersale act-2]"
        (made,) = (await shop.order(2)).returns or []
        assert made.status is ReturnStatus.REQUESTED
        assert await shop.adapter.happened(request, NOW) == Done(made.source.native_id)


async def test_a_line_that_went_out_in_two_parcels_comes_back_from_both(shop: Shop) -> None:
    held = shop.held(2)
    first = held["fulfillments"][0]
    socks = first["fulfillmentLineItems"][1]
    socks["quantity"] = 1
    second = {**deepcopy(first), "id": "gid://shopify/Fulfillment/42"}
    second["fulfillmentLineItems"] = [{**socks, "id": "gid://shopify/FulfillmentLineItem/42"}]
    held["fulfillments"].append(second)
    await shop.adapter.return_order(await taking_back(shop, 2, (1, 2)))
    sent = shop.simulator.writes[0].variables["input"]["returnLineItems"]
    assert [(item["fulfillmentLineItemId"].rpartition("/")[2], item["quantity"]) for item in sent] == [
        ("45078900212", 1),
        ("42", 1),
    ]


async def test_fees_go_with_the_return(shop: Shop) -> None:
    request = await taking_back(shop, 2, (0, 1))
    line = ReturnedLine(
        request.lines[0].line, 1, ReturnReason.UNWANTED, restocking_percent=Decimal("12.5"), note="tight"
    )
    fees = (
        Fee(kind=FeeKind.RESTOCKING, amount=Money.of("5.00", "USD")),
        Fee(kind=FeeKind.RETURN_SHIPPING, amount=Money.of("4.95", "USD")),
    )
    await shop.adapter.return_order(ReturnOrder("act-2", request.order, (line,), RequestedResolution.REFUND, fees))
    sent = shop.simulator.writes[0].variables["input"]
    assert sent["returnShippingFee"] == {"amount": {"amount": "4.95", "currencyCode": "USD"}}
    assert sent["returnLineItems"][0]["restockingFee"] == {"percentage": 12.5}
    (made,) = (await shop.order(2)).returns or []
    assert [(fee.kind, fee.amount.amount) for fee in made.fees] == [
        (FeeKind.RETURN_SHIPPING, Decimal("4.95")),
        (FeeKind.RESTOCKING, Decimal("5.00")),
    ]
    assert made.lines[0].note == "tight"


@pytest.mark.parametrize("kind", [FeeKind.HANDLING, FeeKind.ORIGINAL_SHIPPING, FeeKind.RESTOCKING])
async def test_a_fee_that_shopify_cannot_keep_stops_the_return(shop: Shop, kind: FeeKind) -> None:
    request = await taking_back(shop, 2, (0, 1), fees=(Fee(kind=kind, amount=Money.of("1.00", "USD")),))
    with pytest.raises(Unsupported, match=kind.value):
        await shop.adapter.return_order(request)
    assert shop.simulator.writes == []


async def test_more_than_is_left_cannot_be_returned_and_nothing_is_sent(shop: Shop) -> None:
    with pytest.raises(Refused) as caught:
        await shop.adapter.return_order(await taking_back(shop, 7, (0, 2)))
    assert caught.value.native[0].message == "1 of 2 units are returnable"
    with pytest.raises(Refused):
        await shop.adapter.return_order(await taking_back(shop, 4, (0, 1)))
    assert shop.simulator.writes == []


async def test_a_reason_the_shop_has_not_becomes_other(shop: Shop) -> None:
    order = await shop.order(2)
    line = ReturnedLine(order.lines[0], 1, ReturnReason.NOT_RECEIVED)
    await shop.adapter.return_order(ReturnOrder("act-9", order, (line,), RequestedResolution.REFUND))
    other = shop.simulator.state.reasons.index("other") + 1
    sent = shop.simulator.writes[0].variables["input"]["returnLineItems"][0]
    assert sent["returnReasonDefinitionId"] == f"gid://shopify/ReturnReasonDefinition/{other}"


async def test_a_return_of_the_same_goods_by_somebody_else_is_not_ours(shop: Shop) -> None:
    await shop.adapter.return_order(await taking_back(shop, 2, (1, 1), action_id="other"))
    assert await shop.adapter.happened(await taking_back(shop, 2, (1, 1)), NOW - DAY) is None


@pytest.mark.parametrize(
    ("errors", "kind"),
    [
        ([{"code": "INVALID_STATE", "field": ["input"], "message": "no"}], Refused),
        ([{"code": "NOTIFICATION_FAILED", "field": None, "message": "mail"}], OutcomeUnknown),
        ([], OutcomeUnknown),
    ],
)
async def test_a_refused_return_and_one_nobody_knows_of_are_told_apart(
    shop: Shop, errors: list[Object], kind: type[Exception]
) -> None:
    request = await taking_back(shop, 2, (1, 1))
    reasons = {"returnReasonDefinitions": {"nodes": []}}
    items = {"returnableFulfillments": {"nodes": [_returnable(request)], "pageInfo": {"hasNextPage": False}}}
    for data in (reasons, items, {"returnCreate": {"return": None, "userErrors": errors}}):
        answer(shop, 200, {"data": data})
    with pytest.raises(kind):
        await shop.adapter.return_order(request)


def _returnable(request: ReturnOrder) -> Object:
    source = {"id": "gid://shopify/FulfillmentLineItem/1", "lineItem": {"id": f"x/{request.lines[0].line.native_id}"}}
    nodes = [{"quantity": 9, "fulfillmentLineItem": source}]
    return {"returnableFulfillmentLineItems": {"nodes": nodes, "pageInfo": {"hasNextPage": False}}}


# ------------------------------------------------------------------------------------------------------- subscriptions


async def test_without_contracts_of_its_own_the_app_offers_no_subscriptions(shop: Shop) -> None:
    assert not shop.adapter.supports(Operation.SUBSCRIPTIONS_OF)
    assert shop.adapter.capability(ActionKind.PAUSE_SUBSCRIPTION).support is SupportLevel.UNSUPPORTED
    with pytest.raises(Unsupported):
        await shop.adapter.subscriptions(["1"], SubscriptionParts.NONE)
    with pytest.raises(Unsupported):
        await shop.adapter.subscriptions_of(Person.known(CLEO), SubscriptionsQuery(10), SubscriptionParts.NONE)
    assert shop.operations == []


@pytest.fixture
async def owning() -> AsyncIterator[Shop]:
    async with opened({"own_subscriptions": True}) as it:
        contract(it, 9901)
        contract(it, 9902, "7001")
        it.held(6)["lineItems"][2]["contract"] = "gid://shopify/SubscriptionContract/9901"
        yield it


async def test_own_contracts_are_read(owning: Shop) -> None:
    found = await owning.adapter.profiles([CLEO])
    person = Person.known(CLEO, found[CLEO])
    page = await owning.adapter.subscriptions_of(person, SubscriptionsQuery(10), SubscriptionParts.ALL)
    assert owning.operations == ["CustomerByEmail", "ContractsFound"]
    assert owning.simulator.calls[-1].variables["query"] == "customer_id:7002"
    (row,) = page.rows
    one = row.node
    assert (one.id, one.status, one.native_status) == (
        "SubscriptionContract:us:9901",
        SubscriptionStatus.ACTIVE,
        "ACTIVE",
    )
    assert (one.billing_interval.unit, one.delivery_interval.count) == (IntervalUnit.MONTH, 2)
    assert str(one.next_billing_at) == "2026-11-30"  # the day in the shop's own zone
    assert (one.owner, one.customer_ref) == (CLEO, ("us", "7002"))
    assert one.origin_order_ref == ("us", "450789006")
    assert (one.min_cycles, one.cycles_completed) == (3, None)
    assert one.lines[0].product_ref == ("us", "8005", "8501")
    again = await owning.adapter.subscriptions(["9901", "1"], SubscriptionParts.NONE)
    assert set(again) == {"9901"}
    assert not again["9901"].has("cycles_completed")
    of_orders = await owning.adapter.subscriptions_of_orders(["450789006", "450789004"], SubscriptionParts.NONE)
    assert {order: [one.id for one in some] for order, some in of_orders.items()} == {
        "450789006": ["SubscriptionContract:us:9901"],
        "450789004": [],
    }


async def test_a_person_without_a_record_has_no_contracts(owning: Shop) -> None:
    page = await owning.adapter.subscriptions_of(Person.known(JOANN), SubscriptionsQuery(5), SubscriptionParts.NONE)
    assert (page.rows, owning.operations) == ((), [])


async def test_a_contract_is_paused_resumed_and_cancelled(owning: Shop) -> None:
    one = (await owning.adapter.subscriptions(["9901"], SubscriptionParts.ALL))["9901"]
    pause = PauseSubscription("a", one, None)
    assert await owning.adapter.happened(pause, NOW) is None
    assert await owning.adapter.pause_subscription(pause) == Done()
    assert await owning.adapter.happened(pause, NOW) == Done()
    assert await owning.adapter.resume_subscription(ResumeSubscription("b", one)) == Done()
    assert await owning.adapter.cancel_subscription(CancelSubscription("c", one, "too much coffee")) == Done()
    now = (await owning.adapter.subscriptions(["9901"], SubscriptionParts.NONE))["9901"]
    assert now.status is SubscriptionStatus.CANCELLED
    assert [write.variables["actor"] for write in owning.simulator.writes] == ["MERCHANT"] * 3
    with pytest.raises(Refused) as caught:
        await owning.adapter.resume_subscription(ResumeSubscription("d", one))
    assert caught.value.native[0].code == "CONTRACT_TERMINATED"


async def test_a_pause_with_an_end_is_refused_before_anything_is_sent(owning: Shop) -> None:
    one = (await owning.adapter.subscriptions(["9901"], SubscriptionParts.NONE))["9901"]
    with pytest.raises(Unsupported):
        await owning.adapter.pause_subscription(PauseSubscription("a", one, NOW.date() + 30 * DAY))
    assert owning.simulator.writes == []
    assert owning.adapter.capability(ActionKind.PAUSE_SUBSCRIPTION).support is SupportLevel.EMULATED


# ----------------------------------------------------------------------------------------------------------- errors


@pytest.mark.parametrize(
    ("status", "body", "said"),
    [
        (400, {"errors": {"query": "Required parameter missing or invalid"}}, "query: Required parameter missing"),
        (402, {"errors": "Unavailable Shop"}, "Unavailable Shop"),
        (403, {"errors": "Forbidden"}, "Forbidden"),
        (404, {"errors": "Not Found"}, "Not Found"),
        (423, {"errors": "Locked"}, "Locked"),
        (430, b"<html>", "HTTP 430"),
        (418, {"errors": [{"message": "teapot"}]}, "teapot"),
    ],
)
async def test_a_status_is_refused_with_the_vendors_text_in_each_of_its_shapes(
    shop: Shop, status: int, body: Any, said: str
) -> None:
    answer(shop, status, body)
    with pytest.raises(Refused) as caught:
        await shop.order(1)
    assert caught.value.native[0].message.startswith(said)
    assert caught.value.native[0].http_status == status
    assert len(shop.operations) == 1


@pytest.mark.parametrize(
    ("code", "kind", "calls"),
    [
        ("SHOP_INACTIVE", Refused, 1),
        ("BAD_REQUEST", Refused, 1),
        ("undefinedField", Refused, 1),
        ("INTERNAL_SERVER_ERROR", Unavailable, 3),
    ],
)
async def test_an_error_in_a_200_is_read_before_its_data(
    shop: Shop, code: str, kind: type[Exception], calls: int
) -> None:
    for _ in range(calls):
        answer(shop, 200, {"data": {"nodes": [None]}, "errors": [{"message": "x", "extensions": {"code": code}}]})
    with pytest.raises(kind):
        await shop.order(1)
    assert len(shop.operations) == calls


async def test_a_read_that_fails_once_is_tried_again(shop: Shop) -> None:
    answer(shop, 502, b"<html>")
    assert (await shop.order(1)).number == "1001"
    assert len(shop.operations) == 2


async def test_an_answer_without_a_field_we_need_names_the_field(shop: Shop) -> None:
    answer(shop, 200, {"data": {"nodes": [{"id": "gid://shopify/Order/1"}]}})
    with pytest.raises(Unreadable, match="legacyResourceId"):
        await shop.order(1)


async def test_a_throttled_call_waits_as_long_as_the_figures_say(shop: Shop) -> None:
    status = {"maximumAvailable": 2000.0, "currentlyAvailable": 40.0, "restoreRate": 500.0}
    cost = {"requestedQueryCost": 140, "actualQueryCost": None, "throttleStatus": status}
    throttled = {
        "errors": [{"message": "Throttled", "extensions": {"code": "THROTTLED"}}],
        "extensions": {"cost": cost},
    }
    answer(shop, 200, throttled)
    started = asyncio.get_running_loop().time()
    assert (await shop.order(1)).number == "1001"
    assert 0.2 <= asyncio.get_running_loop().time() - started < 1.0
    answer(shop, 200, {**throttled, "extensions": {"cost": {**cost, "requestedQueryCost": 4000040}}})
    with pytest.raises(Throttled) as caught:
        async with asyncio.timeout(5):
            await shop.order(1)
    assert caught.value.retry_after == pytest.approx(8000.0)


async def test_a_throttled_change_was_not_made_and_is_sent_again(shop: Shop) -> None:
    request = await cancellation(shop)
    answer(shop, 200, {"errors": [{"message": "Throttled", "extensions": {"code": "THROTTLED"}}]})
    outcome = await shop.adapter.cancel_order(request)
    assert isinstance(outcome, Pending)
    assert len(shop.simulator.writes) == 1


async def test_the_budget_is_the_shops_own_and_unknown_before_the_first_answer() -> None:
    async with opened(maximum=2000.0, restore_rate=100.0) as shop:
        assert shop.adapter.health().rate_budget is None
        await shop.order(1, OrderParts.NONE)
        budget = shop.adapter.health().rate_budget
        assert budget is not None
        assert (budget.maximum, budget.restore_per_second) == (2000.0, 100.0)
        assert 1900 < budget.available <= 2000


async def test_many_calls_at_once_wait_for_the_bucket_and_all_succeed() -> None:
    async with opened(maximum=400.0, restore_rate=2000.0) as shop:
        await shop.adapter.probe()
        found = await asyncio.gather(*(shop.order(1 + n % 7, OrderParts.ALL) for n in range(8)))
        assert len(found) == 8
        assert len(shop.operations) == 9  # none was sent to be throttled


async def test_past_the_deadline_a_read_ends(shop: Shop) -> None:
    shop.faulty.faults.append(Fault("us", "latency", 1.0))
    with store_deadline(0.1), pytest.raises(DeadlineExceeded):
        await shop.order(1)


@pytest.mark.parametrize("part", ["returns", "refunds", "fulfillments"])
async def test_a_part_that_is_not_ours_to_read_is_null_and_costs_nothing_else(shop: Shop, part: str) -> None:
    scope = f"Access denied for {part} field. Required access: `read_{part}` access scope."
    shop.simulator.denied[f"Order.{part}"] = scope
    order = await shop.order(2)
    assert getattr(order, part) is None
    assert [line.title for line in order.lines] == ["Linen Shirt", "Merino Socks"]
    assert shop.operations == ["OrdersById", "OrdersById"]
    await shop.order(2)
    assert len(shop.operations) == 3  # remembered until the next probe


async def test_a_missing_scope_names_itself() -> None:
    async with opened(scopes=["read_products"]) as shop:
        with pytest.raises(MissingScope) as caught:
            await shop.adapter.profiles([ADA])
        assert caught.value.scopes == ("read_customers",)


async def test_protected_customer_data_is_told_apart_from_a_missing_scope(shop: Shop) -> None:
    shop.simulator.denied["Order.email"] = "This app is not approved to use the email field."
    with pytest.raises(Refused) as caught:
        await shop.order(1)
    assert isinstance(caught.value, wire.ProtectedData)
    assert not isinstance(caught.value, MissingScope)


# -------------------------------------------------------------------------------------------------------------- tokens


def credentials(secret: str = "sandbox-secret") -> dict[str, Any]:
    return {"credentials": {"client_id": "sandbox-client", "client_secret": SecretText(secret)}}


async def test_a_token_is_fetched_once_however_many_ask() -> None:
    async with opened(credentials()) as shop:
        await asyncio.gather(*(shop.order(n, OrderParts.NONE) for n in range(1, 6)))
        assert (shop.simulator.token_requests, len(shop.operations)) == (1, 5)


async def test_a_token_is_renewed_before_it_expires() -> None:
    async with opened(credentials(), token_seconds=0.5) as shop:
        await shop.order(1, OrderParts.NONE)
        await asyncio.sleep(0.05)
        await shop.order(1, OrderParts.NONE)
        assert shop.simulator.token_requests == 2
        assert len(shop.operations) == 2


async def test_a_revoked_token_is_renewed_once_also_for_a_change() -> None:
    async with opened(credentials()) as shop:
        request = await cancellation(shop)
        shop.simulator.tokens.clear()
        assert isinstance(await shop.adapter.cancel_order(request), Pending)
        assert (shop.simulator.token_requests, len(shop.simulator.writes)) == (2, 1)


async def test_a_token_that_is_never_taken_is_not_renewed_for_ever() -> None:
    async with opened(credentials(), token_seconds=-10.0) as shop:
        with pytest.raises(BadCredentials):
            await shop.order(1)
        assert shop.simulator.token_requests == 2


async def test_wrong_credentials_are_told_and_not_repeated() -> None:
    async with opened(credentials("wrong")) as shop:
        with pytest.raises(BadCredentials) as caught:
            await shop.order(1)
        assert "wrong" not in str(caught.value)
        assert shop.simulator.token_requests == 1


async def test_a_fixed_token_that_is_refused_is_not_tried_again() -> None:
    async with opened({"credentials": {"token": SecretText("shpat_revoked")}}) as shop:
        with pytest.raises(BadCredentials) as caught:
            await shop.order(1)
        assert "unrecognized login" in caught.value.native[0].message
        assert shop.operations == []


# --------------------------------------------------------------------------------------------------------------- probe


async def test_a_probe_tells_currency_version_and_nothing_missing(shop: Shop) -> None:
    found = await shop.adapter.probe()
    assert (found.currency, found.api_version, found.missing_scopes, found.warnings) == ("USD", "2026-10", {}, ())
    assert shop.adapter.store.currency_code == "USD"
    assert shop.operations == ["Probe"]


async def test_a_probe_names_what_the_token_lacks() -> None:
    async with opened(scopes=["write_orders", "read_customers", "read_products"]) as shop:
        found = await shop.adapter.probe()
        assert found.missing_scopes == {ActionKind.RETURN_ORDER: ("write_returns", "read_returns")}
        capability = shop.adapter.capability(ActionKind.RETURN_ORDER)
        assert capability.support is SupportLevel.MISSING_SCOPE
        assert shop.adapter.capability(ActionKind.CANCEL_ORDER).support is SupportLevel.NATIVE
        assert any("60 days" in warning for warning in found.warnings)


async def test_another_version_than_asked_for_is_a_warning() -> None:
    async with opened({"time_zone": "UTC", "currency": "EUR"}, answers_version="2027-01") as shop:
        found = await shop.adapter.probe()
        assert found.api_version == "2027-01"
        assert [warning for warning in found.warnings if "2026-10" in warning and "2027-01" in warning]
        assert [warning for warning in found.warnings if "America/New_York" in warning]
        assert [warning for warning in found.warnings if "EUR" in warning]


async def test_the_seeded_shop_holds_its_stories() -> None:
    state = seed(NOW)
    totals = {order["name"]: order["totalPriceSet"]["shopMoney"]["amount"] for order in state.of("Order")}
    assert totals == {
        "#1001": "45.00",
        "#1002": "70.00",
        "#1003": "48.00",
        "#1004": "94.00",
        "#1005": "70.00",
        "#1006": "65.50",
        "#1007": "55.00",
    }
    assert bag(Decimal("1"), "USD")["shopMoney"] == {"amount": "1.00", "currencyCode": "USD"}
