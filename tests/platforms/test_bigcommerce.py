"""The BigCommerce adapter over a real socket, against its simulator; each call and answer is held to the definition."""

from __future__ import annotations

import asyncio
import copy
import json
import logging
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
import structlog
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from platforms.base import (
    ORDER_FACTS,
    CancelOrder,
    Done,
    OrdersQuery,
    PauseSubscription,
    Person,
    RefundAsk,
    RefundedLine,
    RefundOrder,
    RefundSum,
    ReturnedLine,
    ReturnOrder,
    Services,
)
from platforms.bigcommerce.adapter import BigCommerce, BigCommerceConfig, Credentials
from platforms.bigcommerce.seed import seed
from platforms.bigcommerce.simulator import HASH, SCOPES, TOKEN, Body, Received, Simulator, rfc
from platforms.errors import (
    BadCredentials,
    MissingScope,
    OutcomeUnknown,
    PlatformError,
    Refused,
    Throttled,
    Unavailable,
    Unreadable,
    Unsupported,
)
from platforms.secrets import SecretText
from platforms.transport import Limits, store_deadline
from sandbox.faults import Fault, Faulty
from sandbox.serving import serve
from schema.emails import Email, canonical_email
from schema.order import Order, ProductRef
from schema.parts import OrderParts
from schema.values import Fee, Money
from schema.vocabulary import (
    ActionKind,
    CancelReason,
    DeliveryStatus,
    FeeKind,
    FulfillmentStatus,
    HealthStatus,
    ItemCondition,
    MoneyMoved,
    OrderStatus,
    PaymentStatus,
    RefundChoice,
    RefundDestination,
    RequestedResolution,
    ReturnReason,
    SupportLevel,
)
from tests.platforms.bigcommerce_contract import faults

pytestmark = pytest.mark.asyncio(loop_scope="module")

NOW = datetime(2026, 11, 23, 12, 0, 30, tzinfo=UTC)
ADA, NOAH, BEA, ANN, JOANN, NOBODY = (
    canonical_email(f"{name}@example.com") for name in ("ada", "noah", "bea", "ann", "joann", "nobody")
)
RECORDED = Path(__file__).parent / "bigcommerce" / "fixtures"
FAST = Limits(retries=0, backoff=0.001, whole=5.0)
WITH = "include=consignments consignment_structure=object"


class World:
    """One store behind a socket, and the adapter that speaks to it."""

    def __init__(self, url: str) -> None:
        self.now = NOW
        self.simulator = Simulator(seed(NOW), clock=lambda: self.now)
        self.faulty = Faulty(self.simulator, "ca")
        self.url = url
        self.checked: list[Received] = []
        #: Answers that a test bent on purpose.
        self.bent = False
        self._opened: list[BigCommerce] = []

    @property
    def shop(self) -> Any:
        return self.simulator.state

    def adapter(self, *, token: str = TOKEN, limits: Limits = FAST, **changed: Any) -> BigCommerce:
        given: dict[str, Any] = {"store_hash": HASH, "time_zone": "America/Toronto", "currency": "CAD"}
        config = BigCommerceConfig(
            id="ca", url=self.url, credentials=Credentials(access_token=SecretText(token)), **(given | changed)
        )
        self._opened.append(BigCommerce(config, Services(clock=lambda: self.now, limits=limits)))
        return self._opened[-1]

    async def close(self) -> None:
        for one in self._opened:
            await one.close()

    def calls(self) -> list[str]:
        """The calls since it was last asked, as `GET /v2/orders customer_id=41 ...`."""
        found = [
            " ".join([str(call), *(f"{name}={value}" for name, value in call.query)]) for call in self.simulator.calls
        ]
        self.checked.extend(self.simulator.calls)
        self.simulator.calls.clear()
        return found

    def add_order(self, native: int, **changed: Any) -> Body:
        """An order copied from 5004, at `placed`, for `customer_id` or a guest's `email`."""
        row: Body = copy.deepcopy(self.shop.orders[5004])
        placed, email = changed.pop("placed", None), changed.pop("email", None)
        row |= {"id": native} | changed
        if placed is not None:
            row["date_created"] = rfc(placed)
        if email is not None:
            row["billing_address"] = row["billing_address"] | {"email": email}
        self.shop.orders[native] = row
        self.shop.shipping_addresses[native] = copy.deepcopy(self.shop.shipping_addresses[5004])
        self.shop.products[native] = [
            line | {"id": native * 10 + at, "order_id": native}
            for at, line in enumerate(copy.deepcopy(self.shop.products[5004]), 1)
        ]
        return row


class Address:
    """One server for the module; each test puts its own world behind it."""

    world: World

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await self.world.faulty(scope, receive, send)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def address() -> AsyncIterator[tuple[Address, str]]:
    app = Address()
    async with serve(app) as url:
        yield app, url


@pytest_asyncio.fixture(loop_scope="module")
async def world(address: tuple[Address, str]) -> AsyncIterator[World]:
    app, url = address
    app.world = world = World(url)
    yield world
    await world.close()
    found = [fault for received in (*world.checked, *world.simulator.calls) for fault in faults(received)]
    assert world.bent or found == []


def person(email: Email, adapter: BigCommerce) -> Person:
    async def profiles() -> Any:
        return (await adapter.profiles([email]))[email]

    return Person(email, profiles)


async def all_of(
    adapter: BigCommerce, email: Email, first: int, parts: OrderParts = OrderParts.NONE, **query: Any
) -> list[Order]:
    found: list[Order] = []
    after = None
    for _ in range(200):
        page = await adapter.orders_of(person(email, adapter), OrdersQuery(first=first, after=after, **query), parts)
        assert len(page.rows) <= first
        found += [row.node for row in page.rows]
        if not page.more:
            return found
        after = page.rows[-1].position if page.rows else page.end
        assert after is not None
    raise AssertionError("the list never ends")


def numbers(orders: Sequence[Order]) -> list[str]:
    return [order.number for order in orders]


async def order_of(adapter: BigCommerce, native: str, parts: OrderParts = ORDER_FACTS) -> Order:
    return (await adapter.orders([native], parts))[native]


# ------------------------------------------------------------------ reading orders
async def test_an_order_for_a_decision_takes_five_calls(world: World) -> None:
    order = await order_of(world.adapter(), "5002")
    first, *rest = world.calls()
    assert first == f"GET /v2/orders/5002 {WITH}"
    assert sorted(rest) == [
        "GET /v2/orders/5002/products limit=50",
        "GET /v2/orders/5002/shipments limit=50",
        "GET /v3/customers id:in=41 include=addresses limit=250",
        "GET /v3/orders/payment_actions/refunds order_id:in=5002 limit=250",
    ]
    assert (order.owner, order.customer_native_id) == (ADA, "41")
    assert order.source.admin == f"https://store-{HASH}.mybigcommerce.com/manage/orders/5002"


@pytest.mark.parametrize(
    ("parts", "besides"),
    [
        (OrderParts.NONE, []),
        (OrderParts.ADDRESSES, []),
        (OrderParts.STATUS_URL, []),
        (OrderParts.LINES, ["products"]),
        (OrderParts.RETURNS, ["products"]),
        (OrderParts.FULFILLMENTS, ["products", "shipments"]),
        (OrderParts.REFUNDS, ["products", "refunds"]),
    ],
)
async def test_only_the_parts_asked_for_are_read(world: World, parts: OrderParts, besides: list[str]) -> None:
    await world.adapter().orders(["5002"], parts)
    paths = sorted(call.path.rpartition("/")[2] for call in world.simulator.calls)
    assert paths == sorted(["5002", "customers", *besides])


async def test_nothing_shipped_costs_no_call_for_shipments(world: World) -> None:
    order = await order_of(world.adapter(), "5004", OrderParts.FULFILLMENTS)
    assert order.fulfillments == []
    assert not any("shipments" in call for call in world.calls())


async def test_orders_that_are_not_there_are_left_out(world: World) -> None:
    adapter = world.adapter()
    found = await adapter.orders(["5001", "9999", "abc", "05001", "", "5001"], OrderParts.NONE)
    assert list(found) == ["5001"]
    assert sum("/orders/" in call and "payment" not in call for call in world.calls()) == 2


async def test_no_ids_cost_no_call(world: World) -> None:
    adapter = world.adapter()
    assert await adapter.orders([], OrderParts.ALL) == {}
    assert await adapter.orders(["x", "1.5", "-3", "٣"], OrderParts.ALL) == {}
    assert await adapter.orders_by_number("#", OrderParts.ALL) == []
    assert await adapter.products(["none"]) == {}
    assert await adapter.profiles_by_id([]) == {}
    assert await adapter.profiles([]) == {}
    assert world.calls() == []


async def test_many_orders_are_read_a_few_at_a_time(world: World) -> None:
    for at in range(30):
        world.add_order(6000 + at)
    inside = most = 0
    plain = world.simulator.__call__

    async def counted(scope: Any, receive: Any, send: Any) -> None:
        nonlocal inside, most
        inside, most = inside + 1, max(most, inside + 1)
        await asyncio.sleep(0.002)
        try:
            await plain(scope, receive, send)
        finally:
            inside -= 1

    world.faulty.app = counted
    found = await world.adapter().orders([str(6000 + at) for at in range(30)], OrderParts.NONE)
    assert len(found) == 30
    assert 2 <= most <= 6  # five, and one that was answered and not yet counted off
    assert sum("customers" in call for call in world.calls()) == 1


async def test_more_than_fifty_lines_are_all_read(world: World) -> None:
    line = world.shop.products[5004][0]
    world.shop.products[5004] = [line | {"id": 70000 + at} for at in range(100)]
    order = await order_of(world.adapter(), "5004", OrderParts.LINES)
    assert len({one.native_id for one in order.lines}) == 100
    assert [call.split()[-1] for call in world.calls() if "products" in call] == ["limit=50", "page=2", "page=3"]


async def test_lines_that_never_end_are_unreadable(world: World) -> None:
    line = world.shop.products[5004][0]
    world.shop.products[5004] = [line | {"id": 70000 + at} for at in range(1100)]
    with pytest.raises(Unreadable, match="does not end"):
        await order_of(world.adapter(), "5004", OrderParts.LINES)


async def test_an_order_that_goes_while_it_is_read_is_not_there(world: World) -> None:
    world.simulator.list_products = lambda order, *, query, body: world.simulator._existing(0)  # type: ignore[assignment, method-assign, return-value]
    assert await world.adapter().orders(["5004"], OrderParts.LINES) == {}


async def test_the_seeded_store_tells_the_story_of_each_order(world: World) -> None:
    found = await world.adapter().orders(["5001", "5002", "5003", "5004"], OrderParts.ALL)
    part, sent, held, paid = (found[str(one)] for one in (5001, 5002, 5003, 5004))
    assert (part.status, part.payment_status, part.owner) == (
        OrderStatus.COMPLETED,
        PaymentStatus.PARTIALLY_REFUNDED,
        BEA,
    )
    assert part.customer_native_id is None
    assert part.refunds is not None
    (refund,) = part.refunds
    assert (refund.amount.shop, refund.money_moved) == (Money.of("21.19", "CAD"), MoneyMoved.YES)
    assert (refund.lines[0].line, refund.lines[0].quantity) == (part.lines[1], 1)
    assert part.totals.refundable.shop.amount == Decimal("154.19") - Decimal("21.19")
    assert [line.quantity.returnable for line in part.lines] == [1, 1]
    assert (sent.status, sent.fulfillment_status) == (OrderStatus.OPEN, FulfillmentStatus.FULFILLED)
    assert sent.placed_at == NOW - timedelta(days=21)
    assert sent.fulfillments is not None
    (parcel,) = sent.fulfillments
    assert (parcel.status, parcel.carrier, parcel.tracking_number, parcel.shipped_at) == (
        DeliveryStatus.SHIPPED,
        "Canada Post",
        "7023210039414611",
        NOW - timedelta(days=18),
    )
    assert [(one.line, one.quantity) for one in parcel.lines] == [(sent.lines[0], 1), (sent.lines[1], 2)]
    assert (sent.lines[1].title, sent.lines[1].variant_title) == ("Wool Toque", "Navy")
    assert sent.lines[1].product_ref == ProductRef("ca", "302", "3022")
    assert (sent.shipping_country, sent.channel) == ("CA", "www")
    assert sent.shipping_address is not None
    assert (sent.shipping_address.city, sent.shipping_address.region) == ("Toronto", "Ontario")
    assert (held.payment_status, held.totals.refundable.shop.amount) == (PaymentStatus.AUTHORIZED, Decimal(0))
    assert (paid.payment_status, paid.status, paid.fulfillments) == (PaymentStatus.PAID, OrderStatus.OPEN, [])
    assert paid.totals.total.shop == Money.of("32.4300", "CAD")


@pytest.mark.parametrize("changed", [{"status_id": 0}, {"is_deleted": True}])
async def test_abandoned_checkouts_and_archived_orders_are_not_there(world: World, changed: Body) -> None:
    world.shop.orders[5002] |= changed
    adapter = world.adapter()
    assert await adapter.orders(["5002", "5000"], OrderParts.NONE) == {}
    assert numbers(await all_of(adapter, ADA, 10)) == ["5004"]
    assert await adapter.orders_by_number("5002", OrderParts.NONE) == []


async def test_the_owner_is_the_customers_present_address_and_not_the_orders(world: World) -> None:
    world.shop.orders[5002]["billing_address"]["email"] = "mallory@example.com"
    world.shop.customers[41]["email"] = "Ada.New@Example.com"
    order = await order_of(world.adapter(), "5002", OrderParts.NONE)
    assert (order.owner, order.email) == ("ada.new@example.com", "mallory@example.com")


async def test_a_record_that_is_gone_leaves_the_address_on_the_order(world: World) -> None:
    del world.shop.customers[41]
    assert (await order_of(world.adapter(), "5002", OrderParts.NONE)).owner == ADA


async def test_whose_an_order_is_is_never_guessed_when_customers_cannot_be_read(world: World) -> None:
    world.bent = True
    del world.shop.customers[41]["email"]
    world.simulator.list_customers = lambda *, query, body: world.simulator._v3_list(  # type: ignore[method-assign]
        [world.shop.customers[41]], query
    )
    with pytest.raises(Unreadable, match="`email`"):
        await order_of(world.adapter(), "5002", OrderParts.NONE)


# ------------------------------------------------------------------ refunds and parcels
async def test_the_refunds_of_fifty_orders_take_one_call(world: World) -> None:
    natives = [str(world.add_order(6000 + at)["id"]) for at in range(55)]
    adapter = world.adapter(limits=Limits(retries=0, connections=5))
    found = await adapter.orders(natives, OrderParts.REFUNDS)
    assert len(found) == 55
    assert all(order.refunds == [] for order in found.values())
    assert sum("refunds" in call for call in world.calls()) == 2


async def test_a_head_asks_for_refunds_only_where_the_order_says_there_are_some(world: World) -> None:
    adapter = world.adapter()
    heads = await adapter.orders(["5001", "5002"], OrderParts.NONE)
    assert [call for call in world.calls() if "refunds" in call] == [
        "GET /v3/orders/payment_actions/refunds order_id:in=5001 limit=250"
    ]
    assert heads["5001"].totals.refunded.shop.amount == Decimal("21.19")
    world.simulator.counts_refunds = True
    heads = await adapter.orders(["5001"], OrderParts.NONE)
    assert not any("refunds" in call for call in world.calls())
    assert heads["5001"].totals.refunded.shop.amount == Decimal("21.19")


async def test_refunds_that_cannot_be_read_are_null_and_leave_nothing_refundable(world: World) -> None:
    world.bent = True
    world.shop.refunds[701]["created"] = []
    order = await order_of(world.adapter(), "5001")
    assert order.refunds is None
    assert order.payment_status is PaymentStatus.PARTIALLY_REFUNDED
    assert order.totals.refundable.shop.amount == 0
    assert [line.quantity.returnable for line in order.lines] == [1, 1]  # the line itself tells its units
    assert [line.quantity.refundable for line in order.lines] == [0, 0]


async def test_a_refund_of_everything_closes_the_order(world: World) -> None:
    world.shop.orders[5002]["total_inc_tax"] = "155.9500"
    world.simulator.refund(5002, {50021: 1, 50022: 2}, at=NOW, offline=True, provider="custom")
    order = await order_of(world.adapter(), "5002")
    assert (order.status, order.payment_status) == (OrderStatus.COMPLETED, PaymentStatus.REFUNDED)
    assert order.totals.refundable.shop.amount == 0
    assert order.refunds is not None
    assert order.refunds[0].money_moved is MoneyMoved.NO
    assert [line.amount.amount for line in order.refunds[0].lines] == [Decimal("100.5700"), Decimal("55.3800")]
    assert [line.quantity.returnable for line in order.lines] == [0, 0]


async def test_a_declined_refund_paid_nothing_back(world: World) -> None:
    world.simulator.refund(5002, {50021: 1}, at=NOW, declined=True)
    order = await order_of(world.adapter(), "5002")
    assert (order.payment_status, order.totals.refunded.shop.amount) == (PaymentStatus.PAID, Decimal(0))
    assert order.refunds is not None
    assert (order.refunds[0].status.value, order.refunds[0].money_moved) == ("FAILED", MoneyMoved.NO)
    assert order.lines[0].quantity.returnable == 1


async def test_shipments_that_cannot_be_read_are_null(world: World) -> None:
    world.bent = True
    world.shop.shipments[5002][0]["items"] = "many"
    order = await order_of(world.adapter(), "5002")
    assert order.fulfillments is None
    assert order.lines[0].quantity.fulfilled == 1


# ------------------------------------------------------------------ by number, and a person's orders
async def test_a_number_is_an_id(world: World) -> None:
    adapter = world.adapter()
    for typed in ("5004", "#5004", " 5004 "):
        assert numbers(await adapter.orders_by_number(typed, OrderParts.NONE)) == ["5004"]
        assert len(world.calls()) == 2
    assert await adapter.orders_by_number("500", OrderParts.NONE) == []


async def test_a_persons_orders_take_three_calls(world: World) -> None:
    adapter = world.adapter()
    page = await adapter.orders_of(person(ADA, adapter), OrdersQuery(first=20), OrderParts.NONE)
    assert [row.node.number for row in page.rows] == ["5004", "5002"]
    assert not page.more
    assert sorted(world.calls()) == [
        f"GET /v2/orders customer_id=41 sort=date_created:desc limit=21 {WITH}",
        f"GET /v2/orders email=ada@example.com sort=date_created:desc limit=50 {WITH}",
        "GET /v3/customers email:in=ada@example.com include=addresses limit=250",
    ]


async def test_a_guest_is_found_by_the_address_on_the_order(world: World) -> None:
    adapter = world.adapter()
    assert numbers(await all_of(adapter, BEA, 20)) == ["5001"]
    assert numbers(await all_of(adapter, NOBODY, 20)) == []
    assert world.simulator.calls[-1].status == 204


@pytest.mark.parametrize("email_of", [("bill",), ("account",), ("bill", "account")])
async def test_an_account_holders_orders_are_found_whatever_the_email_filter_looks_at(
    world: World, email_of: tuple[str, ...]
) -> None:
    world.simulator.email_of = email_of
    world.shop.orders[5002]["billing_address"]["email"] = "office@example.com"
    adapter = world.adapter()
    assert numbers(await all_of(adapter, ADA, 1)) == ["5004", "5002"]
    assert numbers(await all_of(adapter, canonical_email("office@example.com"), 5)) == []


async def test_ann_never_meets_joann(world: World) -> None:
    for at in range(5):
        world.add_order(6000 + at, customer_id=0, email="joann@example.com", placed=NOW - timedelta(hours=at))
    world.add_order(6010, customer_id=0, email="ann@example.com.au", placed=NOW)
    world.add_order(6011, customer_id=0, email="ANN@example.com", placed=NOW - timedelta(days=2))
    world.add_order(6012, customer_id=42, email="ann@example.com", placed=NOW)  # Noah's, whatever is written on it
    adapter = world.adapter()
    assert numbers(await all_of(adapter, ANN, 10)) == ["6011"]
    assert numbers(await all_of(adapter, JOANN, 10)) == [str(6000 + at) for at in range(5)]
    assert numbers(await all_of(adapter, NOAH, 10)) == ["6012", "5003"]


async def test_a_store_that_ignores_its_filters_gives_nobody_anothers_orders(world: World) -> None:
    names = ("list_orders", "list_customers", "list_catalog", "list_refunds")
    plain_answers = {name: getattr(world.simulator, name) for name in names}
    for name, kept in (
        ("list_orders", {"limit", "page", "sort", "include", "consignment_structure"}),
        ("list_customers", {"limit", "page", "include"}),
        ("list_catalog", {"limit", "page", "include"}),
        ("list_refunds", {"limit", "page"}),
    ):

        def deaf(*, query: dict[str, str], body: Body, plain: Any = plain_answers[name], kept: set[str] = kept) -> Any:
            return plain(query={key: value for key, value in query.items() if key in kept}, body=body)

        setattr(world.simulator, name, deaf)
    adapter = world.adapter()
    assert numbers(await all_of(adapter, ADA, 10)) == ["5004", "5002"]
    assert numbers(await all_of(adapter, BEA, 10)) == ["5001"]
    assert {email: len(found) for email, found in (await adapter.profiles([ADA, ANN])).items()} == {ADA: 1, ANN: 0}
    assert list(await adapter.profiles_by_id(["42"])) == ["42"]
    assert list(await adapter.products(["302"])) == ["302"]
    assert (await order_of(adapter, "5002")).refunds == []


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ({OrderStatus.OPEN}, ["5004", "5002"]),
        ({OrderStatus.CANCELLED}, []),
        ({OrderStatus.COMPLETED, OrderStatus.OPEN}, ["5004", "5002"]),
        ({OrderStatus.UNKNOWN}, []),
    ],
)
async def test_statuses_are_filtered_here(world: World, wanted: set[OrderStatus], found: list[str]) -> None:
    assert numbers(await all_of(world.adapter(), ADA, 10, status=frozenset(wanted))) == found
    assert not any("status_id" in call for call in world.calls())


@pytest.mark.parametrize("inclusive", [True, False])
async def test_dates_bound_the_list_from_the_first_to_before_the_last(world: World, inclusive: bool) -> None:
    world.simulator.inclusive = inclusive
    adapter = world.adapter()
    at = NOW - timedelta(days=21)
    assert numbers(await all_of(adapter, ADA, 10, placed_before=at)) == []
    assert numbers(await all_of(adapter, ADA, 10, placed_before=at + timedelta(milliseconds=1))) == ["5002"]
    assert numbers(await all_of(adapter, ADA, 10, placed_after=at)) == ["5004", "5002"]
    assert numbers(await all_of(adapter, ADA, 10, placed_after=at + timedelta(milliseconds=1))) == ["5004"]


async def test_a_page_full_of_others_does_not_hide_what_lies_behind(world: World) -> None:
    for at in range(60):  # Noah's account, with Ann's address on the bills
        world.add_order(6000 + at, customer_id=42, email="ann@example.com", placed=NOW - timedelta(minutes=at))
    world.add_order(7000, customer_id=0, email="ann@example.com", placed=NOW - timedelta(hours=3))
    adapter = world.adapter()
    assert numbers(await all_of(adapter, ANN, 2)) == ["7000"]


async def test_orders_placed_while_a_list_is_read_are_neither_skipped_nor_repeated(world: World) -> None:
    adapter = world.adapter()
    for at in range(9):
        guest = at % 2 == 0
        world.add_order(6000 + at, customer_id=0 if guest else 41, email=ADA, placed=NOW - timedelta(hours=3 + at // 3))
    before = numbers(await all_of(adapter, ADA, 50))
    seen: list[str] = []
    after = None
    for step in range(50):
        page = await adapter.orders_of(person(ADA, adapter), OrdersQuery(first=2, after=after), OrderParts.NONE)
        seen += [row.node.number for row in page.rows]
        if not page.more:
            break
        after = page.rows[-1].position if page.rows else page.end
        world.add_order(8000 + step, customer_id=step % 2 * 41, email=ADA, placed=NOW + timedelta(seconds=step))
    assert seen == before
    assert len(seen) == 11


@given(
    offsets=st.lists(st.tuples(st.integers(0, 4), st.booleans()), max_size=12),
    first=st.integers(1, 5),
    ties_up=st.booleans(),
    inclusive=st.booleans(),
)
@example(offsets=[(0, False)] * 5, first=1, ties_up=True, inclusive=True)
@example(offsets=[(0, True)] * 4 + [(1, True)] * 4, first=2, ties_up=True, inclusive=False)
@example(offsets=[(0, False), *[(1, False)] * 4, (2, False)], first=2, ties_up=False, inclusive=True)
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_any_page_size_gives_each_order_once_newest_first(
    world: World, offsets: list[tuple[int, bool]], first: int, ties_up: bool, inclusive: bool
) -> None:
    world.simulator.state = seed(NOW)
    world.simulator.quota = 100_000
    world.simulator.ties_up, world.simulator.inclusive = ties_up, inclusive
    placed: dict[int, datetime] = {5003: NOW - timedelta(minutes=20)}
    for at, (seconds, guest) in enumerate(offsets):
        placed[6000 + at] = NOW - timedelta(hours=6, seconds=seconds)
        world.add_order(6000 + at, customer_id=0 if guest else 42, email=NOAH, placed=placed[6000 + at])
        world.add_order(7000 + at, customer_id=0, email=JOANN, placed=placed[6000 + at])
    found = await all_of(world.adapter(), NOAH, first)
    expected = sorted(placed, key=lambda native: (placed[native], native), reverse=True)
    assert numbers(found) == [str(native) for native in expected]
    world.calls()


async def test_a_crowded_second_is_read_to_its_end(world: World) -> None:
    for at in range(70):
        world.add_order(6000 + at, customer_id=42, placed=NOW - timedelta(hours=6))
    world.add_order(6900, customer_id=42, placed=NOW - timedelta(hours=7))
    found = await all_of(world.adapter(), NOAH, 9)
    assert numbers(found) == ["5003", *(str(6000 + at) for at in reversed(range(70))), "6900"]


async def test_a_position_of_another_making_is_refused(world: World) -> None:
    for after in ("nonsense", "2026-11-23T12:00:00+00:00/x", "/1"):
        with pytest.raises(Refused):
            await world.adapter().orders_of(Person.known(ADA), OrdersQuery(first=1, after=after), OrderParts.NONE)


# ------------------------------------------------------------------ customers and products
async def test_many_addresses_take_one_call_and_each_row_is_looked_at_again(world: World) -> None:
    world.shop.customers[41]["email"] = "ADA@example.com"
    world.shop.customers[50] = world.shop.customers[42] | {"id": 50}  # the same address in another channel
    found = await world.adapter().profiles([ADA, NOAH, BEA, ADA])
    assert {email: [one.source.native_id for one in some] for email, some in found.items()} == {
        ADA: ["41"],
        NOAH: ["42", "50"],
        BEA: [],
    }
    assert world.calls() == [
        "GET /v3/customers email:in=ada@example.com,noah@example.com,bea@example.com include=addresses limit=250"
    ]


async def test_fifty_one_customers_take_two_calls(world: World) -> None:
    for at in range(51):
        world.shop.customers[100 + at] = world.shop.customers[42] | {"id": 100 + at}
    found = await world.adapter().profiles_by_id([*(str(100 + at) for at in range(51)), "7", "x"])
    assert len(found) == 51
    assert len(world.calls()) == 2


async def test_a_long_list_of_customers_is_followed(world: World) -> None:
    for at in range(300):
        world.shop.customers[1000 + at] = world.shop.customers[42] | {"id": 1000 + at}
    found = await world.adapter().profiles([NOAH])
    assert len(found[NOAH]) == 301
    assert [call.split()[-1] for call in world.calls()] == ["limit=250", "page=2"]


async def test_an_address_the_store_takes_for_none_is_nobodys(world: World) -> None:
    odd = canonical_email("straße@example.com")
    found = await world.adapter().profiles([odd, ADA])
    assert {email: len(rows) for email, rows in found.items()} == {odd: 0, ADA: 1}
    assert [call.status for call in world.simulator.calls] == [422, 422, 200]


async def test_a_profile_has_its_addresses(world: World) -> None:
    (ada,) = (await world.adapter().profiles([ADA]))[ADA]
    assert (ada.display_name, ada.created_at) == ("Ada Lovelace", NOW - timedelta(days=300))
    (home,) = ada.addresses
    assert (home.line1, home.region, home.country_code) == ("480 Queen Street West", "Ontario", "CA")


async def test_products_take_one_call_when_the_currency_is_known(world: World) -> None:
    found = await world.adapter().products(["301", "302", "9"])
    assert world.calls() == ["GET /v3/catalog/products id:in=301,302,9 include=variants,images limit=250"]
    assert sorted(found) == ["301", "302"]
    assert found["301"].price_min == Money.of("89.0", "CAD")
    assert found["301"].url is None  # the storefront's address was never asked for
    assert [(one.title, one.available, one.inventory_quantity) for one in found["302"].all_variants] == [
        ("Red", True, 31),
        ("Navy", False, 0),
    ]


async def test_the_currency_of_products_is_asked_for_once(world: World) -> None:
    adapter = world.adapter(currency=None)
    found = await asyncio.gather(adapter.products(["301"]), adapter.products(["302"]))
    assert world.calls().count("GET /v2/store") == 1
    assert found[0]["301"].price_max == Money.of("89.0", "CAD")
    assert found[1]["302"].url == "https://ca.shop.example.com/wool-toque/"


async def test_products_have_no_price_where_the_currency_may_not_be_read(world: World) -> None:
    world.simulator.scopes = SCOPES - {"store_v2_information"}
    found = await world.adapter(currency=None).products(["301"])
    assert (found["301"].price_min, found["301"].all_variants[0].price) == (None, None)


async def test_more_products_than_a_page_holds_are_asked_for_in_several_calls(world: World) -> None:
    found = await world.adapter().products([str(one) for one in range(100, 400)])
    assert sorted(found) == ["301", "302", "303"]
    assert len(world.calls()) == 2


# ------------------------------------------------------------------ cancelling
def cancel(order: Order, **changed: Any) -> CancelOrder:
    given: dict[str, Any] = {
        "action_id": "act_1",
        "order": order,
        "reason": CancelReason.CUSTOMER,
        "refund": RefundChoice.NONE,
        "restock": True,
        "notify_customer": True,
    }
    return CancelOrder(**(given | changed))


async def test_cancelling_writes_the_status_and_nothing_else(world: World) -> None:
    adapter = world.adapter()
    order = await order_of(adapter, "5004")
    mugs = world.shop.catalog[303]["inventory_level"]
    world.calls()
    assert await adapter.cancel_order(cancel(order)) == Done()
    assert world.calls() == ["PUT /v2/orders/5004"]
    assert [write.body for write in world.simulator.writes] == [{"status_id": 5}]
    now = await order_of(adapter, "5004")
    assert (now.status, now.native_status) == (OrderStatus.CANCELLED, "Cancelled")
    assert (now.payment_status, now.refunds) == (PaymentStatus.PAID, [])  # no money moves
    assert world.shop.catalog[303]["inventory_level"] == mugs + 1
    assert not BigCommerce.refunds_on_cancel


@pytest.mark.parametrize(("chosen", "native", "written"), [(True, "5003", 2), (True, "5004", 1), (False, "5003", 1)])
async def test_only_an_open_authorisation_is_given_up_and_only_where_that_is_chosen(
    world: World, chosen: bool, native: str, written: int
) -> None:
    adapter = world.adapter(void_on_cancel=chosen)
    order = await order_of(adapter, native)
    assert await adapter.cancel_order(cancel(order)) == Done()
    assert len(world.simulator.writes) == written
    if written == 2:
        assert str(world.simulator.writes[1]) == "POST /v3/orders/5003/payment_actions/void"
        assert world.simulator.writes[1].body is None
        assert world.shop.orders[5003]["payment_status"] == "void pending"


async def test_a_void_that_fails_is_not_a_failed_cancel(world: World) -> None:
    adapter = world.adapter(void_on_cancel=True)
    order = await order_of(adapter, "5003")
    world.shop.orders[5003]["payment_status"] = "captured"  # meanwhile
    assert await adapter.cancel_order(cancel(order)) == Done()
    assert [write.status for write in world.simulator.writes] == [200, 422]


async def test_cancelling_an_order_that_is_gone_is_refused(world: World) -> None:
    adapter = world.adapter()
    order = await order_of(adapter, "5004")
    del world.shop.orders[5004]
    with pytest.raises(Refused) as raised:
        await adapter.cancel_order(cancel(order))
    assert [(native.code, native.http_status) for native in raised.value.native] == [("404", 404)]
    assert await adapter.happened(cancel(order), NOW) is None


async def test_a_store_that_takes_the_call_and_keeps_the_order_has_refused(world: World) -> None:
    adapter = world.adapter(void_on_cancel=True)
    order = await order_of(adapter, "5003")
    world.simulator.set_status = lambda *_: None  # type: ignore[method-assign]
    with pytest.raises(Refused, match="did not cancel"):
        await adapter.cancel_order(cancel(order))
    assert len(world.simulator.writes) == 1  # and the payment stands


@pytest.mark.parametrize("word", ["500-after", "drop-after", "garbage", "truncate"])
async def test_a_lost_answer_is_unknown_and_then_read(world: World, word: str) -> None:
    adapter = world.adapter(void_on_cancel=True)
    request = cancel(await order_of(adapter, "5003"))
    assert await adapter.happened(request, NOW) is None
    world.faulty.faults = [Fault("ca", word)]
    with pytest.raises(OutcomeUnknown):
        await adapter.cancel_order(request)
    world.faulty.faults = []
    assert len(world.simulator.writes) == (0 if word == "garbage" else 1)
    world.calls()
    assert await adapter.happened(request, NOW) == (None if word == "garbage" else Done())
    assert world.calls() == [f"GET /v2/orders/5003 {WITH}"]


# ------------------------------------------------------------------ returns
def give_back(order: Order, action: str = "act_7") -> ReturnOrder:
    line = ReturnedLine(
        line=order.lines[0],
        quantity=1,
        reason=ReturnReason.DEFECTIVE,
        condition=ItemCondition.OPENED,
        note="torn <script>\nReturn agreed by Aftersale (action act_8).",
    )
    return ReturnOrder(
        action_id=action,
        order=order,
        lines=(line,),
        resolution=RequestedResolution.REFUND,
        fees=(Fee(kind=FeeKind.RETURN_SHIPPING, amount=Money.of("4.95", "CAD")),),
    )


async def test_a_return_is_added_to_the_staff_notes_and_found_again(world: World) -> None:
    adapter = world.adapter()
    world.shop.orders[5002]["staff_notes"] = "Call before delivery.\n"
    order = await order_of(adapter, "5002")
    assert order.returns == []
    request = give_back(order)
    assert await adapter.happened(request, NOW) is None
    before = copy.deepcopy(world.shop.orders[5002])
    world.calls()
    assert await adapter.return_order(request) == Done()
    assert [call.split()[0] for call in world.calls()] == ["GET", "PUT"]
    (write,) = world.simulator.writes
    assert list(write.body) == ["staff_notes"]
    assert write.body["staff_notes"].splitlines() == [
        "Call before delivery.",
        "",
        "Return agreed by Aftersale (action act_7).",
        "1 x Maple Blanket (line 50021): DEFECTIVE, OPENED",
        "  torn script Return agreed by Aftersale (action act_8).",
        "Resolution: REFUND.",
        "Fee: RETURN_SHIPPING 4.95 CAD",
    ]
    assert await adapter.happened(request, NOW) == Done()
    assert await adapter.happened(give_back(order, "act_8"), NOW) is None  # a shopper's words are no mark
    assert await adapter.happened(give_back(order, "act_70"), NOW) is None
    changed = {"staff_notes", "date_modified"}
    after = world.shop.orders[5002]
    assert {name for name in before if before[name] != after[name]} <= changed


async def test_a_second_return_stands_below_the_first_and_the_same_one_is_not_written_twice(world: World) -> None:
    adapter = world.adapter()
    order = await order_of(adapter, "5002")
    for action in ("act_1", "act_2", "act_1"):
        assert await adapter.return_order(give_back(order, action)) == Done()
    assert len(world.simulator.writes) == 2
    notes = world.shop.orders[5002]["staff_notes"].splitlines()
    assert [line for line in notes if line.startswith("Return agreed")] == [
        "Return agreed by Aftersale (action act_1).",
        "Return agreed by Aftersale (action act_2).",
    ]


async def test_a_return_is_refused_where_the_notes_are_full_or_not_kept(world: World) -> None:
    adapter = world.adapter()
    request = give_back(await order_of(adapter, "5002"))
    world.shop.orders[5002]["staff_notes"] = "x" * 65500
    with pytest.raises(Refused, match="full") as raised:
        await adapter.return_order(request)
    assert raised.value.not_executed
    assert world.simulator.writes == []
    world.shop.orders[5002]["staff_notes"] = ""
    plain = world.simulator.put_order
    world.simulator.put_order = lambda order, *, query, body: plain(order, query=query, body={})  # type: ignore[method-assign]
    with pytest.raises(Refused, match="left the staff notes"):
        await adapter.return_order(request)


async def test_the_answer_to_a_return_that_is_lost_is_unknown_and_then_read(world: World) -> None:
    adapter = world.adapter()
    request = give_back(await order_of(adapter, "5002"))

    class LateOnWrites:
        """Loses the answers to writes only."""

        async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
            late = Faulty(world.simulator, "ca")
            late.faults = [Fault("ca", "drop-after")] if scope["method"] == "PUT" else []
            await late(scope, receive, send)

    world.faulty.app = LateOnWrites()
    with pytest.raises(OutcomeUnknown):
        await adapter.return_order(request)
    assert await adapter.happened(request, NOW) == Done()
    assert await adapter.return_order(request) == Done()  # it stands there
    assert len(world.simulator.writes) == 1


# ------------------------------------------------------------------ the store itself
async def test_the_store_is_asked_who_it_is_and_what_the_token_may_read(world: World) -> None:
    adapter = world.adapter(currency=None, time_zone="UTC")
    found = await adapter.probe()
    assert sorted(world.calls()) == ["GET /v2/orders/count", "GET /v2/store", "GET /v3/customers limit=1"]
    assert (found.currency, dict(found.missing_scopes)) == ("CAD", {})
    assert found.warnings == ("The store's time zone is America/Toronto, not UTC as configured.",)
    assert (adapter.store.currency_code, adapter.store.api_version) == ("CAD", "v2/v3")
    assert (await world.adapter(currency="USD").probe()).warnings == (
        "The store's currency is CAD, not USD as configured.",
    )


async def test_scopes_that_are_missing_are_named(world: World) -> None:
    world.simulator.scopes = frozenset({"store_v2_products_read_only"})
    adapter = world.adapter(currency=None)
    found = await adapter.probe()
    assert [warning.partition(":")[0] for warning in found.warnings] == [
        "The token may not read the store's settings",
        "The token may not read orders",
        "The token may not read customers",
    ]
    assert adapter.capability(ActionKind.CANCEL_ORDER).support is SupportLevel.MISSING_SCOPE
    for read, scope in (
        (adapter.orders(["5002"], OrderParts.NONE), "store_v2_orders_read_only"),
        (adapter.profiles([ADA]), "store_v2_customers_read_only"),
    ):
        with pytest.raises(MissingScope, match=scope) as raised:
            await read
        assert raised.value.scopes == (scope,)
    assert list(await adapter.products(["301"])) == ["301"]


async def test_a_token_that_may_only_read_shows_with_the_first_write(world: World) -> None:
    world.simulator.scopes = frozenset(f"{scope}_read_only" for scope in SCOPES)
    adapter = world.adapter()
    await adapter.probe()
    order = await order_of(adapter, "5004")
    assert adapter.capability(ActionKind.CANCEL_ORDER).support is SupportLevel.EMULATED
    with pytest.raises(MissingScope) as raised:
        await adapter.cancel_order(cancel(order))
    assert raised.value.scopes == ("store_v2_orders",)
    assert adapter.capability(ActionKind.CANCEL_ORDER).support is SupportLevel.MISSING_SCOPE
    assert adapter.capability(ActionKind.RETURN_ORDER).support is SupportLevel.EMULATED
    await adapter.probe()
    assert adapter.capability(ActionKind.CANCEL_ORDER).support is SupportLevel.MISSING_SCOPE
    assert world.shop.orders[5004]["status_id"] == 11
    # From time to time it is tried again: the right may have been given. A store that is down tells nothing of that.
    world.faulty.faults = [Fault("ca", "500")]
    with pytest.raises(Unavailable):
        await adapter.probe(anew=True)
    assert adapter.capability(ActionKind.CANCEL_ORDER).support is SupportLevel.MISSING_SCOPE
    world.faulty.faults = []
    await adapter.probe(anew=True)
    assert adapter.capability(ActionKind.CANCEL_ORDER).support is SupportLevel.EMULATED


async def test_a_wrong_token_and_a_wrong_hash_are_told_apart(world: World) -> None:
    for adapter in (world.adapter(token="wrong"), world.adapter(token="")):
        for read in (adapter.probe(), adapter.profiles([ADA]), adapter.orders(["5002"], OrderParts.NONE)):
            with pytest.raises(BadCredentials):
                await read
    with pytest.raises(Refused, match="store_hash"):
        await world.adapter(store_hash="other").probe()
    world.bent = True


async def test_what_it_can_do_follows_from_the_platform(world: World) -> None:
    adapter = world.adapter()
    assert {one.action: one.support for one in adapter.capabilities_now()} == {
        ActionKind.CANCEL_ORDER: SupportLevel.EMULATED,
        ActionKind.RETURN_ORDER: SupportLevel.EMULATED,
        ActionKind.REFUND_ORDER: SupportLevel.EMULATED,
        ActionKind.PAUSE_SUBSCRIPTION: SupportLevel.UNSUPPORTED,
        ActionKind.RESUME_SUBSCRIPTION: SupportLevel.UNSUPPORTED,
        ActionKind.CANCEL_SUBSCRIPTION: SupportLevel.UNSUPPORTED,
    }
    assert not BigCommerce.keeps_returns
    for ask in (adapter.job_now("1"), adapter.pause_subscription(PauseSubscription("a", None, None))):  # type: ignore[arg-type]
        with pytest.raises(Unsupported):
            await ask
    assert world.calls() == []


# ------------------------------------------------------------------ refunds
def refund(order: Order, amount: str, *lines: int, action: str = "act-6", **changed: Any) -> RefundOrder:
    """`lines`: units of each line, in the order's own order."""
    units = tuple(RefundedLine(line, count) for line, count in zip(order.lines, lines, strict=False) if count)
    asked = RefundOrder(
        action,
        order,
        Money.of(amount, "CAD"),
        units,
        None,
        RefundChoice.ORIGINAL_PAYMENT,
        "Arrived chipped",
        refunds_before=frozenset(one.id for one in order.refunds or ()),
    )
    return replace(asked, **changed)


def sent(world: World) -> Any:
    """The body of the one refund that was sent."""
    (write,) = world.simulator.writes
    assert str(write).endswith("/payment_actions/refunds")
    return write.body


async def test_lines_and_shipping_are_quoted_by_the_store(world: World) -> None:
    adapter = world.adapter()
    order = await order_of(adapter, "5002")
    world.calls()
    found = await adapter.refund_sum(RefundAsk(order, (RefundedLine(order.lines[1], 1),), shipping=True))
    assert found == RefundSum(
        items=Money.of("24.50", "CAD"),
        tax=Money.of("3.19", "CAD"),
        shipping=Money.of("11.24", "CAD"),
        total=Money.of("38.93", "CAD"),
    )
    quotes = ["POST /v3/orders/5002/payment_actions/refund_quotes"] * 2
    assert sorted(world.calls()) == [
        "GET /v2/orders/5002/shipping_addresses limit=50",
        "GET /v3/orders/payment_actions/refunds order_id:in=5002 limit=250",
        *quotes,
    ]
    only = await adapter.refund_sum(RefundAsk(order, (RefundedLine(order.lines[0], 1),)))
    assert (only.total, only.shipping, world.calls()) == (Money.of("100.57", "CAD"), None, quotes[:1])
    assert world.simulator.writes == []


async def test_a_refund_is_a_quote_and_one_write_that_matches_it_to_the_cent(world: World) -> None:
    adapter = world.adapter()
    order = await order_of(adapter, "5002")
    world.calls()
    asked = refund(order, "38.93", 0, 1, shipping=Money.of("11.24", "CAD"))
    done = await adapter.refund_order(asked)
    reason = "Arrived chipped (Aftersale action act-6)"
    assert sent(world) == {
        "items": [
            {"item_type": "PRODUCT", "item_id": 50022, "quantity": 1, "reason": reason},
            {"item_type": "SHIPPING", "item_id": 50029, "amount": 11.24, "reason": reason},
        ],
        "payments": [{"provider_id": "stripe", "amount": 38.93, "offline": False}],
    }
    assert [call.partition(" ")[0] for call in world.calls()] == ["GET", "GET", "POST", "POST"]
    now = await order_of(adapter, "5002")
    assert now.refunds is not None
    (made,) = now.refunds
    assert done == Done(made.id.rpartition(":")[2])
    assert (made.amount.presentment, made.money_moved, made.destination, made.reason) == (
        Money.of("38.93", "CAD"),
        MoneyMoved.YES,
        RefundDestination.ORIGINAL_PAYMENT,
        "Arrived chipped",
    )
    assert [(one.line.native_id, one.quantity) for one in made.lines] == [("50022", 1)]
    # Shipping is paid back once.
    left = await adapter.refund_sum(RefundAsk(now, (), shipping=True))
    assert (left.shipping, left.total) == (Money.of(0, "CAD"), Money.of(0, "CAD"))
    with pytest.raises(Refused, match="shipping"):
        await adapter.refund_order(refund(now, "1.00", shipping=Money.of("1.00", "CAD")))
    assert len(world.simulator.writes) == 1


@pytest.mark.parametrize("adds_tax", [False, True])
async def test_never_more_than_was_asked_is_paid_whatever_the_store_does_with_tax(world: World, adds_tax: bool) -> None:
    world.simulator.adds_tax_to_shipping = adds_tax
    adapter = world.adapter()
    order = await order_of(adapter, "5004")
    quoted = await adapter.refund_sum(RefundAsk(order, (), shipping=True))
    assert quoted.total == Money.of("11.24", "CAD")
    await adapter.refund_order(refund(order, "11.24", shipping=quoted.shipping))
    now = await order_of(adapter, "5004")
    assert now.refunds is not None
    assert [one.amount.presentment.amount for one in now.refunds] == [Decimal("11.24")]
    assert ("merchant_calculated_override" in sent(world)) is adds_tax


async def test_what_is_kept_back_of_lines_is_told_as_the_merchants_own_sum(world: World) -> None:
    adapter = world.adapter()
    order = await order_of(adapter, "5002")
    await adapter.refund_order(refund(order, "95.00", 1))
    body = sent(world)
    assert body["payments"] == [{"provider_id": "stripe", "amount": 95.0, "offline": False}]
    assert body["merchant_calculated_override"] == {"total_amount": 95.0, "total_tax": 10.93}
    now = await order_of(adapter, "5002")
    assert now.totals.refunded.presentment.amount == 95


async def test_a_sum_without_lines_is_one_on_the_order(world: World) -> None:
    adapter = world.adapter()
    order = await order_of(adapter, "5002")
    await adapter.refund_order(refund(order, "5.00"))
    (item,) = sent(world)["items"]
    assert (item["item_type"], item["item_id"], item["amount"]) == ("ORDER", 5002, 5.0)


@pytest.mark.parametrize(
    ("amount", "lines"),
    [("400.00", ()), ("100.58", (1,)), ("1.005", ()), ("10.00", (9,))],
    ids=["more than is left", "more than the line", "between two cents", "more units than there are"],
)
async def test_a_refund_the_store_would_not_pay_is_refused_and_not_sent(
    world: World, amount: str, lines: tuple[int, ...]
) -> None:
    adapter = world.adapter()
    order = await order_of(adapter, "5002")
    with pytest.raises(Refused) as raised:
        await adapter.refund_order(refund(order, amount, *lines))
    assert raised.value.not_executed
    assert (world.simulator.writes, world.shop.orders[5002]["status_id"]) == ([], 2)


async def test_an_authorised_payment_is_not_paid_back(world: World) -> None:
    adapter = world.adapter()
    order = await order_of(adapter, "5003")
    with pytest.raises(Refused):
        await adapter.refund_order(refund(order, "1.00"))
    assert world.simulator.writes == []


async def test_what_was_paid_outside_is_only_booked(world: World) -> None:
    world.shop.providers[5002] = "bankdeposit"
    adapter = world.adapter()
    order = await order_of(adapter, "5002")
    await adapter.refund_order(refund(order, "5.00"))
    assert sent(world)["payments"] == [{"provider_id": "bankdeposit", "amount": 5.0, "offline": True}]
    now = await order_of(adapter, "5002")
    assert now.refunds is not None
    assert [(one.money_moved, one.destination) for one in now.refunds] == [(MoneyMoved.NO, RefundDestination.MANUAL)]


async def test_what_was_paid_partly_with_credit_goes_back_the_way_it_came(world: World) -> None:
    world.shop.orders[5002]["store_credit_amount"] = "20.0000"
    adapter = world.adapter()
    order = await order_of(adapter, "5002")
    await adapter.refund_order(refund(order, "100.57", 1))
    assert sent(world)["payments"] == [
        {"provider_id": "stripe", "amount": 80.57, "offline": False},
        {"provider_id": "storecredit", "amount": 20.0, "offline": False},
    ]


async def test_an_order_paid_with_credit_is_paid_back_as_credit_and_no_other_is(world: World) -> None:
    adapter = world.adapter()
    world.shop.orders[5004]["store_credit_amount"] = "32.4300"
    await adapter.refund_order(refund(await order_of(adapter, "5004"), "5.00"))
    assert [one["provider_id"] for one in sent(world)["payments"]] == ["storecredit"]
    world.simulator.writes.clear()
    await adapter.refund_order(refund(await order_of(adapter, "5002"), "5.00"))
    assert [one["provider_id"] for one in sent(world)["payments"]] == ["stripe"]


async def test_store_credit_is_paid_to_an_account_and_unsupported_for_a_guest(world: World) -> None:
    adapter = world.adapter()
    credit = RefundChoice.STORE_CREDIT
    with pytest.raises(Unsupported, match="store credit") as raised:
        await adapter.refund_order(refund(await order_of(adapter, "5001"), "5.00", destination=credit))
    assert (raised.value.action, world.simulator.writes) == (ActionKind.REFUND_ORDER, [])
    await adapter.refund_order(refund(await order_of(adapter, "5002"), "5.00", destination=credit))
    now = await order_of(adapter, "5002")
    assert now.refunds is not None
    assert [(one.money_moved, one.destination) for one in now.refunds] == [
        (MoneyMoved.YES, RefundDestination.STORE_CREDIT)
    ]


async def test_a_repayment_that_is_declined_at_once_is_refused(world: World) -> None:
    world.simulator.declining = {"stripe"}
    adapter = world.adapter()
    order = await order_of(adapter, "5002")
    asked = refund(order, "5.00")
    with pytest.raises(Refused, match="declined"):
        await adapter.refund_order(asked)
    assert (await order_of(adapter, "5002")).totals.refunded.presentment.amount == 0
    assert await adapter.happened(asked, NOW) is None


async def test_a_failure_at_the_refund_itself_is_never_taken_for_a_no(world: World) -> None:
    world.simulator.tax_service = False
    adapter = world.adapter()
    asked = refund(await order_of(adapter, "5002"), "5.00")
    with pytest.raises(OutcomeUnknown) as raised:
        await adapter.refund_order(asked)
    assert [(one.message, one.http_status) for one in raised.value.native] == [("Tax service gone away", 503)]
    assert await adapter.happened(asked, NOW) is None
    assert len(world.simulator.writes) == 1


async def test_refunds_of_one_order_never_overlap_and_those_of_two_do(world: World) -> None:
    adapter = world.adapter()
    order, other = await order_of(adapter, "5002"), await order_of(adapter, "5004")
    inside: list[str] = []
    overlapped: set[tuple[str, str]] = set()

    async def slow(scope: Any, receive: Any, send: Any) -> None:
        path = scope["path"]
        overlapped.update((one, path) for one in inside)
        inside.append(path)
        await asyncio.sleep(0.02)
        try:
            await world.simulator(scope, receive, send)
        finally:
            inside.remove(path)

    world.faulty.app = slow
    await asyncio.gather(
        *(adapter.refund_order(refund(order, "1.00", action=f"act-{at}")) for at in range(3)),
        adapter.refund_order(refund(other, "1.00", action="act-other")),
    )
    assert len(world.simulator.writes) == 4
    pairs = {(one.split("/")[5], two.split("/")[5]) for one, two in overlapped}
    assert pairs
    assert not {("5002", "5002"), ("5004", "5004")} & pairs


@pytest.mark.parametrize("keeps_reasons", [True, False])
@pytest.mark.parametrize("word", ["drop-after", "500-after", "truncate"])
async def test_the_answer_to_a_refund_that_is_lost_is_unknown_and_then_read(
    world: World, word: str, keeps_reasons: bool
) -> None:
    world.simulator.keeps_reasons = keeps_reasons
    adapter = world.adapter()
    asked = refund(await order_of(adapter, "5002"), "5.00")
    assert await adapter.happened(asked, NOW) is None
    world.faulty.faults = [Fault("ca", word, path="/refunds")]
    with pytest.raises(OutcomeUnknown):
        await adapter.refund_order(asked)
    world.faulty.faults = []
    native = max(world.shop.refunds)
    assert await adapter.happened(asked, NOW) == Done(str(native))
    # Another action's refund of the same amount is not this one.
    if keeps_reasons:
        assert await adapter.happened(replace(asked, action_id="act-7"), NOW) is None
    known = frozenset({f"Refund:ca:5002:{native}"})
    assert await adapter.happened(replace(asked, action_id="act-7", refunds_before=known), NOW) is None


async def test_a_token_that_may_only_read_shows_with_the_first_quote(world: World) -> None:
    world.simulator.scopes = frozenset(f"{scope}_read_only" for scope in SCOPES)
    adapter = world.adapter()
    await adapter.probe()
    order = await order_of(adapter, "5002")
    with pytest.raises(MissingScope) as raised:
        await adapter.refund_sum(RefundAsk(order, (RefundedLine(order.lines[0], 1),)))
    assert raised.value.scopes == ("store_v2_orders",)
    assert adapter.capability(ActionKind.REFUND_ORDER).support is SupportLevel.MISSING_SCOPE


# ------------------------------------------------------------------ quotas and faults
async def test_what_is_left_of_the_quota_is_followed(world: World) -> None:
    adapter = world.adapter()
    await adapter.profiles([ADA])
    budget = adapter.health().rate_budget
    assert budget is not None
    assert (budget.maximum, budget.restore_per_second) == (450, 15)
    assert 448.9 <= budget.available <= 450


async def test_a_quota_that_is_used_up_is_waited_for_and_not_run_into(world: World) -> None:
    world.simulator.quota = 2
    adapter = world.adapter()
    await adapter.profiles([ADA])
    await adapter.profiles([ADA])
    with store_deadline(1), pytest.raises(Throttled) as raised:
        await adapter.profiles([ADA])
    assert raised.value.retry_after is not None
    assert 25 < raised.value.retry_after <= 30
    assert [call.status for call in world.simulator.calls] == [200, 200]


async def test_a_429_says_when_to_come_back_and_is_no_write(world: World) -> None:
    adapter = world.adapter()
    order = await order_of(adapter, "5004")
    world.simulator.quota = 1
    with store_deadline(1), pytest.raises(Throttled) as raised:
        await adapter.cancel_order(cancel(order))
    assert raised.value.not_executed
    assert raised.value.retry_after == 30
    assert world.shop.orders[5004]["status_id"] == 11


async def test_a_429_without_a_word_is_the_platforms_own_load(world: World) -> None:
    world.simulator.loaded = True
    with pytest.raises(Throttled) as raised:
        await world.adapter().profiles([ADA])
    assert raised.value.retry_after is None


async def test_a_throttled_read_is_tried_again_when_the_store_says(world: World) -> None:
    world.simulator.quota = 0
    adapter = world.adapter(limits=Limits(retries=1, backoff=0.001))

    async def once(scope: Any, receive: Any, send: Any) -> None:
        await world.simulator(scope, receive, send)
        world.simulator.quota = 450

    world.faulty.app = once
    world.simulator._spend()  # the window began
    world.now = NOW + timedelta(seconds=29.9)
    found = await adapter.profiles([ADA])
    assert len(found[ADA]) == 1
    assert [call.status for call in world.simulator.calls] == [429, 200]


@pytest.mark.parametrize("status", [403, 404, 503])
async def test_what_stands_before_the_store_is_no_answer_of_the_store(world: World, status: int) -> None:
    adapter = world.adapter()
    order = await order_of(adapter, "5004")
    world.simulator.wall = status
    with pytest.raises(Unavailable):
        await adapter.orders(["5004"], OrderParts.NONE)
    with pytest.raises(OutcomeUnknown):
        await adapter.cancel_order(cancel(order))
    assert len(world.simulator.writes) == 1


@pytest.mark.parametrize(
    ("name", "status", "kind", "said"),
    [
        ("error_order_fees_404", 404, Refused, [("404", None)]),
        ("error_refund_422", 422, Refused, [("422", None)]),
        (
            "error_refund_quote_422",
            422,
            Refused,
            [("422", None), ("422", ("name",)), ("422", ("primary_contact", "district"))],
        ),
        ("error_refund_503", 503, Unavailable, [("503", None)]),
    ],
)
async def test_every_shape_of_an_error_is_understood(
    world: World, name: str, status: int, kind: type[PlatformError], said: list[Any]
) -> None:
    recorded = json.loads((RECORDED / f"{name}.json").read_text(encoding="utf-8"))
    adapter = world.adapter()
    order = await order_of(adapter, "5004")
    world.bent = True

    async def errs(scope: Any, receive: Any, send: Any) -> None:
        content = json.dumps(recorded).encode()
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(content)).encode())]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": content})

    world.faulty.app = errs
    with pytest.raises(kind) as raised:
        await adapter.products(["301"])
    assert [(native.code, native.field) for native in raised.value.native] == said
    assert all(native.http_status == status for native in raised.value.native)
    with pytest.raises(OutcomeUnknown if status >= 500 else Refused) as written:
        await adapter.cancel_order(cancel(order))
    assert written.value.native


async def test_garbage_is_unreadable_and_a_store_that_is_down_raises_a_platform_error(world: World) -> None:
    adapter = world.adapter()
    ada = person(ADA, adapter)
    world.faulty.faults = [Fault("ca", "garbage")]
    with pytest.raises(Unreadable, match="text/html"):
        await adapter.orders(["5002"], OrderParts.NONE)
    world.faulty.faults = [Fault("ca", "500")]
    for read in (
        adapter.orders(["1"], OrderParts.ALL),
        adapter.orders_by_number("1", OrderParts.ALL),
        adapter.orders_of(ada, OrdersQuery(first=1), OrderParts.ALL),
        adapter.profiles([ADA]),
        adapter.profiles_by_id(["1"]),
        adapter.products(["1"]),
        adapter.probe(),
    ):
        with pytest.raises(PlatformError) as raised:
            await read
        assert raised.value.store == "ca"
    assert adapter.health().status is not HealthStatus.OK


async def test_neither_addresses_nor_tokens_are_logged_or_printed(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "platforms.transport")
    adapter = world.adapter()
    with structlog.testing.capture_logs() as logs:
        await all_of(adapter, ADA, 5, OrderParts.ALL)
        world.faulty.faults = [Fault("ca", "garbage")]
        with pytest.raises(PlatformError) as raised:
            await adapter.profiles([ADA])
    shown = f"{logs!r} {raised.value!s} {adapter.config!r}"
    assert logs
    assert "@example.com" not in shown
    assert TOKEN not in shown
