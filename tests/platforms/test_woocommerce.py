"""The WooCommerce adapter over a real socket, against its simulator; each call it sends is one the vendor documents."""

from __future__ import annotations

import copy
import json
import logging
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, date, datetime, timedelta
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
    CancelSubscription,
    Done,
    Operation,
    OrdersQuery,
    PauseSubscription,
    Person,
    ResumeSubscription,
    ReturnedLine,
    ReturnOrder,
    Services,
    SubscriptionsQuery,
)
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
from platforms.transport import Limits
from platforms.woocommerce.adapter import Credentials, WooCommerce, WooCommerceConfig
from platforms.woocommerce.seed import seed
from platforms.woocommerce.simulator import KEY, SECRET, Body, Received, Simulator, stamp
from sandbox.faults import Fault, Faulty
from sandbox.serving import serve
from schema.emails import Email, canonical_email
from schema.order import Order, ProductRef
from schema.parts import OrderParts, SubscriptionParts
from schema.subscription import OrderRef, ProfileRef, Subscription
from schema.values import Fee, Money
from schema.vocabulary import (
    ActionKind,
    CancelReason,
    FeeKind,
    HealthStatus,
    ItemCondition,
    MoneyMoved,
    OrderStatus,
    PaymentStatus,
    RefundChoice,
    RequestedResolution,
    ReturnReason,
    SubscriptionStatus,
    SupportLevel,
)
from tests.platforms.woocommerce_contract import faults

pytestmark = pytest.mark.asyncio(loop_scope="module")

NOW = datetime(2026, 11, 23, 12, 0, 30, tzinfo=UTC)
ADA, BOB, ANN, JOANN, NOBODY = (
    canonical_email(f"{name}@example.com") for name in ("ada", "bob", "ann", "joann", "nobody")
)
RECORDED = Path(__file__).parent / "woocommerce"
FAST = Limits(retries=0, backoff=0.001, whole=5.0)


class World:
    """One shop behind a socket, and the adapter that speaks to it."""

    def __init__(self, url: str) -> None:
        self.now = NOW
        self.simulator = Simulator(seed(NOW), clock=lambda: self.now)
        self.faulty = Faulty(self.simulator, "eu")
        self.url = url
        self.checked: list[Received] = []
        #: Answers that a test bent on purpose.
        self.bent = False
        self._opened: list[WooCommerce] = []

    @property
    def shop(self) -> Any:
        return self.simulator.state

    def adapter(self, *, key: str = KEY, secret: str = SECRET, limits: Limits = FAST, **changed: Any) -> WooCommerce:
        config = WooCommerceConfig(
            id="eu",
            platform="woocommerce",
            url=self.url,
            time_zone="Europe/Berlin",
            allow_private_address=True,
            credentials=Credentials(consumer_key=SecretText(key), consumer_secret=SecretText(secret)),
            **changed,
        )
        self._opened.append(WooCommerce(config, Services(clock=lambda: self.now, limits=limits)))
        return self._opened[-1]

    async def close(self) -> None:
        for one in self._opened:
            await one.close()

    def calls(self) -> list[str]:
        """The calls since it was last asked, as `GET /orders customer=31 ...`."""
        found = [
            " ".join([str(call), *(f"{name}={value}" for name, value in call.query)]) for call in self.simulator.calls
        ]
        self.checked.extend(self.simulator.calls)
        self.simulator.calls.clear()
        return found

    def add_order(self, native: int, like: int = 2001, **changed: Any) -> Body:
        """An order copied from another, at `placed`, for `customer_id` or a guest's `email`."""
        row: Body = copy.deepcopy(self.shop.orders[like])
        placed, email = changed.pop("placed", None), changed.pop("email", None)
        row |= {"id": native, "number": str(native)} | changed
        if placed is not None:
            stamp(row, "date_created", placed, "Europe/Berlin")
        if email is not None:
            row["billing"] = row["billing"] | {"email": email}
        for at, line in enumerate(row["line_items"], 1):
            line["id"] = native * 10 + at
        self.shop.orders[native] = row
        return row

    def add_subscription(self, native: int = 3001, **changed: Any) -> Body:
        row: Body = json.loads((RECORDED / "fixtures" / "subscription.json").read_text(encoding="utf-8"))
        row |= {"id": native, "parent_id": 2001, "customer_id": 31, "currency": "EUR"}
        row["next_payment_date_gmt"] = "2026-11-30T10:00:00"
        stamp(row, "date_created", NOW - timedelta(days=30), "Europe/Berlin")
        row |= changed
        self.shop.subscriptions[native] = row
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


# ------------------------------------------------------------------ reading orders
def person(email: Email, adapter: WooCommerce) -> Person:
    async def profiles() -> Any:
        return (await adapter.profiles([email]))[email]

    return Person(email, profiles)


async def all_of(
    adapter: WooCommerce, email: Email, first: int, parts: OrderParts = OrderParts.NONE, **query: Any
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


async def test_orders_are_read_in_one_call_and_their_owners_in_one_more(world: World) -> None:
    adapter = world.adapter()
    found = await adapter.orders(["2001", "2002", "2003", "9999", "abc", "02001", ""], ORDER_FACTS)
    assert sorted(found) == ["2001", "2002", "2003"]
    assert world.calls() == [
        "GET /orders include=2001,2002,2003,9999 per_page=100",
        "GET /customers include=31,33 per_page=100 role=all",
    ]
    assert found["2001"].owner == ADA
    assert found["2002"].owner == BOB
    assert found["2002"].customer_native_id is None
    assert found["2001"].source.fetched_at == NOW
    assert found["2001"].source.admin == f"{world.url}/wp-admin/post.php?post=2001&action=edit"


async def test_no_ids_cost_no_call(world: World) -> None:
    adapter = world.adapter()
    assert await adapter.orders([], OrderParts.ALL) == {}
    assert await adapter.orders(["x", "1.5", "-3", "٣"], OrderParts.ALL) == {}
    assert await adapter.products(["none"]) == {}
    assert await adapter.profiles_by_id([]) == {}
    assert await adapter.profiles([]) == {}
    assert await adapter.subscriptions([], SubscriptionParts.ALL) == {}
    assert world.calls() == []


async def test_more_ids_than_a_page_holds_are_asked_for_in_several_calls(world: World) -> None:
    found = await world.adapter().orders([str(one) for one in range(1950, 2160)], OrderParts.NONE)
    assert sorted(found) == ["1990", "2001", "2002", "2003", "2004"]
    assert [call.split()[1] for call in world.calls()] == ["/orders", "/orders", "/orders", "/customers"]


async def test_the_owner_is_the_customers_present_address_and_not_the_orders(world: World) -> None:
    world.shop.orders[2001]["billing"]["email"] = "mallory@example.com"
    world.shop.customers[31]["email"] = "Ada.New@Example.com"
    order = (await world.adapter().orders(["2001"], OrderParts.NONE))["2001"]
    assert (order.owner, order.email) == ("ada.new@example.com", "mallory@example.com")


async def test_a_record_that_is_gone_leaves_the_address_on_the_order(world: World) -> None:
    del world.shop.customers[31]
    assert (await world.adapter().orders(["2001"], OrderParts.NONE))["2001"].owner == ADA


async def test_whose_an_order_is_is_never_guessed_when_customers_cannot_be_read(world: World) -> None:
    world.shop.customers[31] = {"id": 31, "date_created_gmt": None, "role": "customer"}  # no e-mail: unreadable
    with pytest.raises(Unreadable, match="`email`"):
        await world.adapter().orders(["2001"], OrderParts.NONE)


async def test_the_seeded_shop_tells_the_story_of_each_order(world: World) -> None:
    found = await world.adapter().orders(["2001", "2002", "2003", "2004"], OrderParts.ALL)
    processing, guest, large, cancelled = (found[str(one)] for one in (2001, 2002, 2003, 2004))
    assert (processing.status, processing.payment_status) == (OrderStatus.OPEN, PaymentStatus.PAID)
    assert processing.placed_at == NOW - timedelta(days=1)
    assert [(line.title, line.unit_price.shop.amount) for line in processing.lines] == [
        ("Leinenhemd", Decimal("45.00")),
        ("Wollmütze", Decimal("19.90")),
    ]
    assert processing.totals.total.shop.amount == Decimal("69.80")
    assert processing.source.raw_values is not None
    assert processing.source.raw_values["payment_method"] == "stripe"
    assert guest.fulfillments is not None
    assert guest.fulfillments[0].shipped_at == NOW - timedelta(days=3)
    assert (guest.lines[0].title, guest.lines[0].variant_title) == ("Teekanne", "Grün")
    assert guest.lines[0].product_ref == ProductRef("eu", "504", "5041")
    assert large.totals.total.shop.amount > 100
    assert large.fulfillments is not None
    assert large.fulfillments[0].shipped_at == NOW - timedelta(days=10)
    assert large.lines[0].quantity.returnable == 1
    assert cancelled.status is OrderStatus.CANCELLED
    assert cancelled.totals.refundable.shop.amount == 0


@pytest.mark.parametrize("status", ["trash", "checkout-draft", "auto-draft"])
async def test_hidden_orders_are_not_there(world: World, status: str) -> None:
    world.shop.orders[2001]["status"] = status
    adapter = world.adapter()
    assert await adapter.orders(["2001"], OrderParts.NONE) == {}
    assert numbers(await all_of(adapter, ADA, 10)) == ["2004"]
    assert await adapter.orders_by_number("2001", OrderParts.NONE) == []


async def test_refunds_are_read_only_for_orders_that_have_some(world: World) -> None:
    adapter = world.adapter()
    world.shop.refunds[2003] = []
    line = world.shop.orders[2003]["line_items"][0]["id"]
    world.simulator.post_refund(
        2003, query={}, body={"amount": "9.00", "line_items": [{"id": line, "quantity": 1, "refund_total": "9.00"}]}
    )
    found = await adapter.orders(["2001", "2003"], OrderParts.REFUNDS)
    assert world.calls() == [
        "GET /orders include=2001,2003 per_page=100",
        "GET /customers include=31,33 per_page=100 role=all",
        "GET /orders/2003/refunds per_page=100",
    ]
    assert found["2001"].refunds == []
    assert found["2003"].refunds is not None
    (refund,) = found["2003"].refunds
    assert (refund.amount.shop.amount, refund.money_moved) == (Decimal("9.00"), MoneyMoved.YES)
    assert refund.lines[0].line is found["2003"].lines[0]
    assert found["2003"].totals.refunded.shop.amount == Decimal("9.00")
    assert found["2003"].payment_status is PaymentStatus.PARTIALLY_REFUNDED
    assert found["2003"].lines[0].quantity.returnable == 0
    await adapter.orders(["2003"], OrderParts.ADDRESSES)
    assert len(world.calls()) == 2


async def test_refunds_that_cannot_be_read_cost_nothing_else(world: World) -> None:
    world.simulator.post_refund(2003, query={}, body={"amount": "9.00", "api_refund": False})
    world.shop.refunds[2003][0]["date_created_gmt"] = 7
    world.bent = True
    order = (await world.adapter().orders(["2003"], ORDER_FACTS))["2003"]
    assert order.refunds is None
    assert order.lines[0].quantity.returnable is None
    assert order.lines[0].quantity.refundable is None
    assert order.totals.refunded.shop.amount == Decimal("9.00")


async def test_a_status_write_of_refunded_moved_no_money(world: World) -> None:
    world.simulator.set_status(2003, "refunded")
    order = (await world.adapter().orders(["2003"], ORDER_FACTS))["2003"]
    assert order.payment_status is PaymentStatus.REFUNDED
    assert order.status is OrderStatus.COMPLETED
    assert order.totals.refundable.shop.amount == 0
    assert order.refunds is not None
    assert [refund.money_moved for refund in order.refunds] == [MoneyMoved.NO]


async def test_a_refund_without_an_amount_is_recorded_as_nothing(world: World) -> None:
    world.simulator.post_refund(2003, query={}, body={"api_refund": False})
    order = (await world.adapter().orders(["2003"], ORDER_FACTS))["2003"]
    assert order.payment_status is PaymentStatus.PAID
    assert order.refunds is not None
    assert [refund.amount.shop.amount for refund in order.refunds] == [Decimal(0)]


# ------------------------------------------------------------------ by number
async def test_a_number_that_is_an_id_takes_one_call_and_its_owner_one(world: World) -> None:
    adapter = world.adapter()
    for typed in ("2001", "#2001", " 2001 "):
        assert numbers(await adapter.orders_by_number(typed, OrderParts.NONE)) == ["2001"]
        assert [call.split()[1] for call in world.calls()] == ["/orders", "/customers"]


async def test_a_number_given_by_a_plugin_is_found_by_search_and_checked_exactly(world: World) -> None:
    world.shop.orders[2001]["number"] = "RE-77"
    world.shop.orders[2001]["billing"]["company"] = "RE-77"  # what a numbering plug-in's own search would find
    world.shop.orders[2004]["billing"]["company"] = "RE-771"
    adapter = world.adapter()
    assert [order.id for order in await adapter.orders_by_number("#RE-77", OrderParts.NONE)] == ["Order:eu:2001"]
    assert world.calls()[0] == "GET /orders search=RE-77 orderby=date order=desc per_page=100"
    assert await adapter.orders_by_number("2001", OrderParts.NONE) == []  # the id, but not its number
    assert [call.split()[2] for call in world.calls()] == ["include=2001", "search=2001"]
    assert await adapter.orders_by_number("#", OrderParts.NONE) == []
    assert world.calls() == []


# ------------------------------------------------------------------ a person's orders
async def test_a_persons_orders_take_three_calls(world: World) -> None:
    adapter = world.adapter()
    page = await adapter.orders_of(person(ADA, adapter), OrdersQuery(first=20), ORDER_FACTS)
    assert [row.node.number for row in page.rows] == ["2001", "2004"]
    assert not page.more
    assert [row.node.owner for row in page.rows] == [ADA, ADA]
    assert sorted(world.calls()) == [
        "GET /customers email=ada@example.com role=all",
        "GET /orders customer=0 search=ada@example.com orderby=date order=desc per_page=21",
        "GET /orders customer=31 orderby=date order=desc per_page=21",
    ]


async def test_a_guest_is_found_by_the_address_on_the_order(world: World) -> None:
    adapter = world.adapter()
    assert numbers(await all_of(adapter, BOB, 20)) == ["2002"]
    assert [call.split()[2] for call in world.calls()] == ["email=bob@example.com", "customer=0"]
    assert await all_of(adapter, NOBODY, 20) == []


async def test_an_order_of_anothers_account_is_not_the_guests_whose_address_is_on_it(world: World) -> None:
    world.add_order(3000, customer_id=34, email="ann@example.com", placed=NOW)
    plain = world.simulator.list_orders
    world.simulator.list_orders = lambda *, query, body: plain(  # type: ignore[method-assign]
        query={name: value for name, value in query.items() if name != "customer"}, body=body
    )
    assert numbers(await all_of(world.adapter(), ANN, 10)) == ["2003"]


async def test_ann_never_meets_joann(world: World) -> None:
    for at in range(5):
        world.add_order(3000 + at, customer_id=0, email="joann@example.com", placed=NOW - timedelta(hours=at))
    world.add_order(3010, customer_id=0, email="ann@example.com.au", placed=NOW)
    world.add_order(3011, customer_id=0, email="ANN@example.com", placed=NOW - timedelta(days=2))
    world.add_order(3012, customer_id=34, email="ann@example.com", placed=NOW)  # joann's, whatever is written on it
    adapter = world.adapter()
    assert numbers(await all_of(adapter, ANN, 10)) == ["3011", "2003"]
    assert numbers(await all_of(adapter, JOANN, 10)) == ["3012", *map(str, range(3000, 3005)), "1990"]
    assert all(order.owner == ANN for order in await all_of(adapter, ANN, 1))


async def test_a_person_with_a_straße_is_not_the_one_with_a_strasse(world: World) -> None:
    world.add_order(3000, customer_id=0, email="straße@example.com", placed=NOW)
    world.add_order(3001, customer_id=0, email="strasse@example.com", placed=NOW)
    adapter = world.adapter()
    assert numbers(await all_of(adapter, canonical_email("strasse@example.com"), 5)) == ["3001"]
    assert numbers(await all_of(adapter, canonical_email("straße@example.com"), 5)) == ["3000"]


async def test_a_page_full_of_strangers_does_not_hide_what_lies_behind(world: World) -> None:
    for at in range(60):
        world.add_order(3000 + at, customer_id=0, email="joann@example.com", placed=NOW - timedelta(minutes=at))
    world.add_order(4000, customer_id=0, email="ann@example.com", placed=NOW - timedelta(hours=3))
    adapter = world.adapter()
    assert numbers(await all_of(adapter, ANN, 2)) == ["4000", "2003"]
    first = await adapter.orders_of(person(ANN, adapter), OrdersQuery(first=2), OrderParts.NONE)
    assert (list(first.rows), first.more) == ([], True)  # a bounded search says that it goes on, and where
    assert first.end is not None


async def test_a_shop_that_ignores_its_filters_gives_nobody_anothers_orders(world: World) -> None:
    plain = world.simulator.list_orders

    def deaf(*, query: dict[str, str], body: Body) -> Any:
        return plain(query={name: value for name, value in query.items() if name in ("per_page", "page")}, body=body)

    world.simulator.list_orders = deaf  # type: ignore[method-assign]
    adapter = world.adapter()
    found = await adapter.orders_of(person(ADA, adapter), OrdersQuery(first=20), OrderParts.NONE)
    assert [row.node.number for row in found.rows] == ["2001", "2004"]
    assert sorted(await adapter.orders(["2002"], OrderParts.NONE)) == ["2002"]
    assert world.simulator.calls[-1].query[0] == ("include", "2002")


@pytest.mark.parametrize(
    ("wanted", "pushed", "found"),
    [
        ({OrderStatus.OPEN}, "status=processing", ["2001"]),
        ({OrderStatus.CANCELLED}, "status=cancelled,refunded", ["2004"]),
        ({OrderStatus.COMPLETED, OrderStatus.OPEN}, "status=completed,processing,refunded", ["2001"]),
        ({OrderStatus.UNKNOWN, OrderStatus.OPEN}, "", ["2001"]),
        ({OrderStatus.UNKNOWN}, "", []),
    ],
)
async def test_a_status_is_asked_for_where_it_can_be_named(
    world: World, wanted: set[OrderStatus], pushed: str, found: list[str]
) -> None:
    adapter = world.adapter()
    assert numbers(await all_of(adapter, ADA, 10, status=frozenset(wanted))) == found
    listed = [call for call in world.calls() if "/orders" in call]
    assert all((pushed in call if pushed else "status=" not in call) for call in listed)


async def test_dates_bound_the_list_from_the_first_to_before_the_last(world: World) -> None:
    adapter = world.adapter()
    at = NOW - timedelta(days=1)
    assert numbers(await all_of(adapter, ADA, 10, placed_after=at)) == ["2001"]
    assert all("dates_are_gmt=true" in call for call in world.calls() if "/orders" in call)
    assert numbers(await all_of(adapter, ADA, 10, placed_after=at + timedelta(milliseconds=1))) == []
    assert numbers(await all_of(adapter, ADA, 10, placed_before=at)) == ["2004"]
    assert numbers(await all_of(adapter, ADA, 10, placed_before=at + timedelta(milliseconds=1))) == ["2001", "2004"]


async def test_orders_placed_while_a_list_is_read_are_neither_skipped_nor_repeated(world: World) -> None:
    adapter = world.adapter()
    for at in range(9):
        guest = at % 2 == 0
        world.add_order(3000 + at, customer_id=0 if guest else 31, email=ADA, placed=NOW - timedelta(hours=2 + at // 3))
    before = numbers(await all_of(adapter, ADA, 50))
    seen: list[str] = []
    after = None
    for step in range(50):
        page = await adapter.orders_of(person(ADA, adapter), OrdersQuery(first=2, after=after), OrderParts.NONE)
        seen += [row.node.number for row in page.rows]
        if not page.more:
            break
        after = page.rows[-1].position if page.rows else page.end
        world.add_order(5000 + step, customer_id=step % 2 * 31, email=ADA, placed=NOW + timedelta(seconds=step))
    assert seen == before
    assert len(seen) == 11


@given(
    offsets=st.lists(st.tuples(st.integers(0, 4), st.booleans()), max_size=14),
    strangers=st.integers(0, 6),
    first=st.integers(1, 5),
    ties_up=st.booleans(),
)
@example(offsets=[(0, False)] * 5, strangers=0, first=1, ties_up=True)
@example(offsets=[(0, True)] * 4 + [(1, True)] * 4, strangers=0, first=2, ties_up=True)
@example(offsets=[(0, True), (0, False)] * 3, strangers=6, first=1, ties_up=False)
@example(
    offsets=[(0, False), (1, False), (1, False), (1, False), (1, False), (2, False)],
    strangers=0,
    first=2,
    ties_up=False,
)
@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_any_page_size_gives_each_order_once_newest_first(
    world: World, offsets: list[tuple[int, bool]], strangers: int, first: int, ties_up: bool
) -> None:
    world.simulator.state = seed(NOW)
    world.simulator.ties_up = ties_up
    for at, (seconds, guest) in enumerate(offsets):
        placed = NOW - timedelta(hours=5, seconds=seconds)
        world.add_order(3000 + at, customer_id=0 if guest else 33, email=ANN, placed=placed)
    for at in range(strangers):
        world.add_order(4000 + at, customer_id=0, email=JOANN, placed=NOW - timedelta(hours=5, seconds=at))
    adapter = world.adapter()
    found = await all_of(adapter, ANN, first)
    expected = sorted(
        (
            (row["date_created_gmt"], row["id"])
            for row in world.shop.orders.values()
            if row["customer_id"] == 33 or (row["customer_id"] == 0 and row["billing"]["email"] == ANN)
        ),
        reverse=True,
    )
    assert numbers(found) == [str(native) for _, native in expected]
    world.calls()


async def test_a_position_of_another_making_is_refused(world: World) -> None:
    with pytest.raises(Refused):
        await world.adapter().orders_of(Person.known(ADA), OrdersQuery(first=1, after="nonsense"), OrderParts.NONE)


# ------------------------------------------------------------------ customers and products
async def test_profiles_are_found_exactly_and_for_everybody_with_an_account(world: World) -> None:
    world.shop.customers[33]["role"] = "shop_manager"
    world.shop.customers[31]["email"] = "ADA@example.com"
    found = await world.adapter().profiles([ADA, ANN, BOB, ADA])
    assert {email: [one.source.native_id for one in some] for email, some in found.items()} == {
        ADA: ["31"],
        ANN: ["33"],
        BOB: [],
    }
    assert len(world.calls()) == 3


async def test_an_address_wordpress_takes_for_none_is_nobodys(world: World) -> None:
    odd = canonical_email("straße@example.com")
    world.shop.customers[31]["email"] = "x"
    assert await world.adapter().profiles([odd]) == {odd: []}
    assert await world.adapter().profiles([ADA]) == {ADA: []}


async def test_a_malformed_address_refused_by_the_shop_is_nobodys(world: World) -> None:
    odd = Email("ada@büro.example")
    assert await world.adapter().profiles([odd]) == {odd: []}
    assert world.simulator.calls[-1].status == 400


async def test_profiles_by_id_leave_out_who_is_not_there(world: World) -> None:
    found = await world.adapter().profiles_by_id(["31", "77", "x"])
    assert {native: one.email for native, one in found.items()} == {"31": "ada@example.com"}
    assert world.calls() == ["GET /customers include=31,77 per_page=100 role=all"]


async def test_simple_products_take_one_call_when_the_currency_is_known(world: World) -> None:
    found = await world.adapter(currency="EUR").products(["501", "502", "9"])
    assert world.calls() == ["GET /products include=501,502,9 per_page=100"]
    assert sorted(found) == ["501", "502"]
    assert found["502"].title == "Wollmütze"
    assert found["502"].tags == ["winter"]
    assert found["501"].price_min == Money.of("45.00", "EUR")
    assert found["501"].all_variants[0].inventory_quantity == 24
    assert found["501"].vendor == "Nordwind"


async def test_each_product_with_variations_takes_one_call_more(world: World) -> None:
    adapter = world.adapter()
    found = await adapter.products(["503", "504"])
    assert sorted(world.calls()) == [
        "GET /products include=503,504 per_page=100",
        "GET /products/504/variations per_page=100",
        "GET /settings/general/woocommerce_currency",
    ]
    green, white = found["504"].all_variants
    assert {green.id, white.id} == {"Variant:eu:504:5041", "Variant:eu:504:5042"}
    by_id = {one.id: one for one in (green, white)}
    assert [(o.name, o.value) for o in by_id["Variant:eu:504:5041"].options] == [("Farbe", "Grün")]
    assert (by_id["Variant:eu:504:5042"].available, by_id["Variant:eu:504:5042"].inventory_quantity) == (False, 0)
    assert found["503"].description == "Wasserdicht & atmungsaktiv."
    await adapter.products(["503"])
    assert world.calls() == ["GET /products include=503 per_page=100"]  # the currency is asked for once


async def test_more_variations_than_a_page_holds_are_all_read(world: World) -> None:
    base = world.shop.variations[504][0]
    world.shop.variations[504] = [base | {"id": 6000 + at} for at in range(205)]
    product = (await world.adapter(currency="EUR").products(["504"]))["504"]
    assert len({variant.id for variant in product.all_variants}) == 205
    assert [call.split()[-1] for call in world.calls()[1:]] == ["per_page=100", "page=2", "page=3"]


async def test_stock_the_product_counts_for_its_variations_is_the_products(world: World) -> None:
    world.shop.products[504]["stock_quantity"] = 5
    world.shop.variations[504][0]["manage_stock"] = "parent"
    product = (await world.adapter(currency="EUR").products(["504"]))["504"]
    assert {one.id: one.inventory_quantity for one in product.all_variants}["Variant:eu:504:5041"] == 5


# ------------------------------------------------------------------ cancelling
async def order_of(adapter: WooCommerce, native: str) -> Order:
    return (await adapter.orders([native], ORDER_FACTS))[native]


def cancel(order: Order, **changed: Any) -> CancelOrder:
    given: dict[str, Any] = {
        "action_id": "act_1",
        "order": order,
        "reason": CancelReason.CUSTOMER,
        "refund": RefundChoice.ORIGINAL_PAYMENT,
        "restock": True,
        "notify_customer": True,
    }
    return CancelOrder(**(given | changed))


async def test_cancelling_writes_the_status_and_leaves_a_private_note(world: World) -> None:
    adapter = world.adapter()
    order = await order_of(adapter, "2001")
    shirts = world.shop.products[501]["stock_quantity"]
    world.calls()
    assert await adapter.cancel_order(cancel(order, note="changed <b>my</b> mind")) == Done()
    status, note = world.simulator.writes
    assert (str(status), status.body) == ("PUT /orders/2001", {"status": "cancelled"})
    assert str(note) == "POST /orders/2001/notes"
    assert note.body == {
        "note": "Cancelled by Aftersale (action act_1). Reason: CUSTOMER.\nchanged b my /b mind",
        "customer_note": False,
    }
    assert len(world.calls()) == 2
    now = await order_of(adapter, "2001")
    assert now.status is OrderStatus.CANCELLED
    assert now.payment_status is PaymentStatus.PAID  # no money moves
    assert now.refunds == []
    assert world.shop.products[501]["stock_quantity"] == shirts + 1  # and the goods are back


async def test_a_note_that_fails_is_not_a_failed_cancel(world: World) -> None:
    adapter = world.adapter()
    order = await order_of(adapter, "2001")

    def refuse(*_: Any, **__: Any) -> Any:
        raise world.simulator._no_route()

    world.simulator.post_note = refuse  # type: ignore[method-assign]
    assert await adapter.cancel_order(cancel(order)) == Done()
    assert world.simulator.writes[-1].status == 404


async def test_cancelling_an_order_that_is_gone_is_refused(world: World) -> None:
    adapter = world.adapter()
    order = await order_of(adapter, "2001")
    del world.shop.orders[2001]
    with pytest.raises(Refused) as raised:
        await adapter.cancel_order(cancel(order))
    assert [native.code for native in raised.value.native] == ["woocommerce_rest_shop_order_invalid_id"]
    assert len(world.simulator.writes) == 1


async def test_a_shop_that_takes_the_call_and_keeps_the_order_has_refused(world: World) -> None:
    adapter = world.adapter()
    order = await order_of(adapter, "2001")
    world.simulator.set_status = lambda *_: None  # type: ignore[method-assign, assignment]
    with pytest.raises(Refused, match="did not cancel"):
        await adapter.cancel_order(cancel(order))
    assert len(world.simulator.writes) == 1


@pytest.mark.parametrize("word", ["500-after", "drop-after", "garbage", "truncate"])
async def test_a_lost_answer_is_unknown_and_then_read(world: World, word: str) -> None:
    adapter = world.adapter()
    request = cancel(await order_of(adapter, "2001"))
    assert await adapter.happened(request, NOW) is None
    world.faulty.faults = [Fault("eu", word)]
    with pytest.raises(OutcomeUnknown):
        await adapter.cancel_order(request)
    world.faulty.faults = []
    world.calls()
    happened = await adapter.happened(request, NOW)
    assert happened == (None if word == "garbage" else Done())  # that answer came from before the shop
    assert world.calls() == ["GET /orders include=2001 per_page=100"]


# ------------------------------------------------------------------ returns
def give_back(order: Order, action: str = "act_7") -> ReturnOrder:
    line = ReturnedLine(
        line=order.lines[0],
        quantity=1,
        reason=ReturnReason.DEFECTIVE,
        condition=ItemCondition.OPENED,
        note="zipper <script>\nReturn agreed by Aftersale (action act_8).",
    )
    return ReturnOrder(
        action_id=action,
        order=order,
        lines=(line,),
        resolution=RequestedResolution.REFUND,
        fees=(Fee(kind=FeeKind.RETURN_SHIPPING, amount=Money.of("4.95", "EUR")),),
    )


async def test_a_return_is_left_on_the_order_as_a_private_note_and_found_again(world: World) -> None:
    adapter = world.adapter()
    order = await order_of(adapter, "2003")
    assert order.returns == []
    request = give_back(order)
    assert await adapter.happened(request, NOW) is None
    before = copy.deepcopy(world.shop.orders[2003])
    outcome = await adapter.return_order(request)
    (note,) = world.simulator.writes
    assert note.body["customer_note"] is False
    assert note.body["note"].splitlines() == [
        "Return agreed by Aftersale (action act_7).",
        "1 x Wanderjacke (line 20031): DEFECTIVE, OPENED",
        "  zipper script Return agreed by Aftersale (action act_8).",
        "Resolution: REFUND.",
        "Fee: RETURN_SHIPPING 4.95 EUR",
    ]
    assert isinstance(outcome, Done)
    assert outcome.reference is not None
    assert await adapter.happened(request, NOW) == outcome
    assert world.shop.orders[2003] == before
    assert await adapter.happened(give_back(order, "act_8"), NOW) is None  # a shopper's words are no mark
    assert await adapter.happened(give_back(order, "act_70"), NOW) is None


async def test_a_note_for_the_customer_is_no_mark(world: World) -> None:
    adapter = world.adapter()
    request = give_back(await order_of(adapter, "2003"))
    await adapter.return_order(request)
    world.shop.notes[2003][0]["customer_note"] = True
    assert await adapter.happened(request, NOW) is None


# ------------------------------------------------------------------ subscriptions
async def contract(adapter: WooCommerce, native: str = "3001") -> Subscription:
    return (await adapter.subscriptions([native], SubscriptionParts.NONE))[native]


async def test_an_active_subscription_takes_one_call_and_its_cycles_one_more(world: World) -> None:
    world.add_subscription()
    world.shop.subscription_orders[3001] = [(2001, "parent")]
    adapter = world.adapter()
    found = await adapter.subscriptions(["3001", "9"], SubscriptionParts.NONE)
    assert world.calls() == ["GET /subscriptions include=3001,9 per_page=100 status=any"]
    assert found["3001"].status is SubscriptionStatus.ACTIVE
    assert found["3001"].next_billing_at == date(2026, 11, 30)
    assert (found["3001"].owner, found["3001"].customer_ref) == (None, ProfileRef("eu", "31"))
    with_cycles = (await adapter.subscriptions(["3001"], SubscriptionParts.CYCLES))["3001"]
    assert world.calls()[1:] == ["GET /subscriptions/3001/orders"]
    assert (with_cycles.cycles_completed, with_cycles.origin_order_ref) == (1, OrderRef("eu", "2001"))


async def test_on_hold_asks_for_the_latest_renewal(world: World) -> None:
    world.add_subscription(status="on-hold")
    world.add_order(2500, status="failed", customer_id=31, placed=NOW - timedelta(days=2))
    world.shop.subscription_orders[3001] = [(2001, "parent"), (2500, "renewal")]
    adapter = world.adapter()
    assert (await contract(adapter)).status is SubscriptionStatus.PAYMENT_FAILED
    assert len(world.calls()) == 2
    world.shop.orders[2500]["status"] = "processing"
    assert (await contract(adapter)).status is SubscriptionStatus.PAUSED


async def test_a_persons_subscriptions_come_newest_first_and_know_their_owner(world: World) -> None:
    for at in range(5):
        row = world.add_subscription(3001 + at)
        stamp(row, "date_created", NOW - timedelta(days=at // 2), "Europe/Berlin")
    world.add_subscription(3100, customer_id=33)
    adapter = world.adapter()
    whole = await adapter.subscriptions_of(person(ADA, adapter), SubscriptionsQuery(first=10), SubscriptionParts.NONE)
    assert world.calls() == [
        "GET /customers email=ada@example.com role=all",
        "GET /subscriptions customer=31 status=any per_page=100",
    ]
    order = [row.node.source.native_id for row in whole.rows]
    assert order == ["3002", "3001", "3004", "3003", "3005"]
    assert {row.node.owner for row in whole.rows} == {ADA}
    seen, after = [], None
    while True:
        page = await adapter.subscriptions_of(
            person(ADA, adapter), SubscriptionsQuery(first=2, after=after), SubscriptionParts.NONE
        )
        seen += [row.node.source.native_id for row in page.rows]
        if not page.more:
            break
        after = page.rows[-1].position
        world.add_subscription(3200 + len(seen), date_created_gmt="2026-11-23T13:00:00")
    assert seen == order


async def test_a_person_without_a_record_has_no_subscriptions_and_costs_no_call(world: World) -> None:
    page = await world.adapter().subscriptions_of(Person.known(BOB), SubscriptionsQuery(first=5), SubscriptionParts.ALL)
    assert (list(page.rows), page.more) == ([], False)
    assert world.calls() == []


async def test_orders_lead_to_the_subscriptions_they_began(world: World) -> None:
    world.add_subscription()
    world.add_subscription(3002, parent_id=2003)
    found = await world.adapter().subscriptions_of_orders(["2001", "2004"], SubscriptionParts.NONE)
    assert world.calls() == ["GET /subscriptions parent=2001,2004 status=any per_page=100"]
    plain = world.simulator.list_subscriptions
    world.simulator.list_subscriptions = lambda *, query, body: plain(query={}, body=body)  # type: ignore[method-assign]
    assert set(await world.adapter().subscriptions_of_orders(["2001"], SubscriptionParts.NONE)) == {"2001"}
    assert set(await world.adapter().subscriptions(["3002"], SubscriptionParts.NONE)) == {"3002"}
    assert {order: [one.source.native_id for one in some] for order, some in found.items()} == {"2001": ["3001"]}


async def test_pausing_and_resuming_go_by_the_plugins_own_rules(world: World) -> None:
    world.add_subscription()
    adapter = world.adapter()
    pause = PauseSubscription("act_1", await contract(adapter), None)
    assert await adapter.happened(pause, NOW) is None
    assert await adapter.pause_subscription(pause) == Done()
    assert (str(world.simulator.writes[0]), world.simulator.writes[0].body) == (
        "PUT /subscriptions/3001",
        {"transition_status": "on-hold"},
    )
    assert await adapter.happened(pause, NOW) == Done()
    paused = await contract(adapter)
    assert (paused.status, paused.next_billing_at) == (SubscriptionStatus.PAUSED, None)
    resume = ResumeSubscription("act_2", paused)
    assert await adapter.resume_subscription(resume) == Done()
    assert await adapter.happened(resume, NOW) == Done()
    assert await adapter.happened(pause, NOW) is None
    assert (await contract(adapter)).status is SubscriptionStatus.ACTIVE


async def test_cancelling_runs_to_the_end_of_the_paid_term(world: World) -> None:
    world.add_subscription()
    adapter = world.adapter()
    request = CancelSubscription("act_1", await contract(adapter), "too much")
    assert await adapter.cancel_subscription(request) == Done()
    assert world.simulator.writes[0].body == {"transition_status": "pending-cancel"}
    assert (await contract(adapter)).status is SubscriptionStatus.CANCELLING
    assert await adapter.happened(request, NOW) == Done()


async def test_cancelling_a_paused_subscription_ends_it_at_once(world: World) -> None:
    world.add_subscription(status="on-hold")
    adapter = world.adapter()
    await adapter.cancel_subscription(CancelSubscription("act_1", await contract(adapter), "gone"))
    assert world.simulator.writes[0].body == {"transition_status": "cancelled"}
    cancelled = await contract(adapter)
    assert cancelled.status is SubscriptionStatus.CANCELLED
    with pytest.raises(Refused) as raised:  # what has ended cannot be resumed
        await adapter.resume_subscription(ResumeSubscription("act_2", cancelled))
    assert 'Unable to change subscription status to "active".' in raised.value.native[0].message


async def test_a_gateway_that_cannot_suspend_refuses_the_pause(world: World) -> None:
    world.add_subscription()
    world.shop.subscription_features = frozenset()
    adapter = world.adapter()
    with pytest.raises(Refused):
        await adapter.pause_subscription(PauseSubscription("act_1", await contract(adapter), None))
    assert world.shop.subscriptions[3001]["status"] == "active"


async def test_without_the_plugin_there_are_no_subscriptions_and_it_is_asked_only_once(world: World) -> None:
    world.add_subscription()
    adapter = world.adapter()
    subscription = await contract(adapter)
    await adapter.probe()
    world.simulator.plugin = False
    world.calls()
    assert await adapter.subscriptions(["3001"], SubscriptionParts.ALL) == {}
    assert len(world.calls()) == 1
    assert await adapter.subscriptions(["3001"], SubscriptionParts.ALL) == {}
    assert await adapter.subscriptions_of_orders(["2001"], SubscriptionParts.ALL) == {}
    page = await adapter.subscriptions_of(person(ADA, adapter), SubscriptionsQuery(first=5), SubscriptionParts.ALL)
    assert (list(page.rows), page.more) == ([], False)
    assert world.calls() == []
    for write in (
        adapter.pause_subscription(PauseSubscription("a", subscription, None)),
        adapter.resume_subscription(ResumeSubscription("a", subscription)),
        adapter.cancel_subscription(CancelSubscription("a", subscription, "x")),
    ):
        with pytest.raises(Unsupported) as raised:
            await write
        assert raised.value.action is not None
    assert world.calls() == []
    assert not adapter.supports(Operation.SUBSCRIPTIONS_OF)
    assert adapter.capability(ActionKind.PAUSE_SUBSCRIPTION).support is SupportLevel.UNSUPPORTED


async def test_a_write_that_finds_no_plugin_is_unsupported(world: World) -> None:
    world.add_subscription()
    adapter = world.adapter()
    subscription = await contract(adapter)
    world.simulator.plugin = False
    with pytest.raises(Unsupported):
        await adapter.pause_subscription(PauseSubscription("a", subscription, None))


# ------------------------------------------------------------------ the store itself
async def test_the_store_is_asked_for_its_currency_and_its_plugin(world: World) -> None:
    adapter = world.adapter()
    found = await adapter.probe()
    assert sorted(world.calls()) == ["GET /settings/general/woocommerce_currency", "GET /subscriptions/statuses"]
    assert (found.currency, dict(found.absent), found.warnings) == ("EUR", {}, ())
    assert (adapter.store.currency_code, adapter.store.api_version) == ("EUR", "wc/v3")
    await adapter.products(["501"])
    assert len(world.calls()) == 1


async def test_a_shop_without_the_plugin_lacks_three_actions(world: World) -> None:
    world.simulator.plugin = False
    adapter = world.adapter(currency="USD")
    found = await adapter.probe()
    assert set(found.absent) == {
        ActionKind.PAUSE_SUBSCRIPTION,
        ActionKind.RESUME_SUBSCRIPTION,
        ActionKind.CANCEL_SUBSCRIPTION,
    }
    assert found.warnings == ("The shop's currency is EUR, not USD as configured.",)
    world.simulator.plugin = True  # installed meanwhile
    await adapter.probe()
    assert adapter.supports(Operation.SUBSCRIPTIONS_OF)


async def test_capabilities_tell_the_half_support(world: World) -> None:
    adapter = world.adapter()
    found = {one.action: one for one in adapter.capabilities_now()}
    assert {action: one.support for action, one in found.items()} == {
        ActionKind.CANCEL_ORDER: SupportLevel.EMULATED,
        ActionKind.RETURN_ORDER: SupportLevel.EMULATED,
        ActionKind.REFUND_ORDER: SupportLevel.EMULATED,
        ActionKind.PAUSE_SUBSCRIPTION: SupportLevel.EMULATED,
        ActionKind.RESUME_SUBSCRIPTION: SupportLevel.NATIVE,
        ActionKind.CANCEL_SUBSCRIPTION: SupportLevel.NATIVE,
    }
    assert all((one.note or "x").count(".") <= 1 for one in found.values())
    assert found[ActionKind.CANCEL_ORDER].required_scopes == ["read_write"]
    assert not WooCommerce.keeps_returns
    assert WooCommerce.operations == frozenset(Operation)


async def test_there_are_no_jobs(world: World) -> None:
    with pytest.raises(Unsupported):
        await world.adapter().job_now("1")


async def test_a_wrong_key_and_a_wrong_secret_are_bad_credentials(world: World) -> None:
    for adapter in (world.adapter(key="ck_wrong"), world.adapter(secret="cs_wrong")):
        with pytest.raises(BadCredentials):
            await adapter.orders(["2001"], OrderParts.NONE)
        with pytest.raises(BadCredentials):
            await adapter.probe()


async def test_a_site_that_does_not_see_https_says_it_does_not_know_the_key(world: World) -> None:
    world.simulator.tls = False
    with pytest.raises(BadCredentials, match="HTTPS"):
        await world.adapter().orders(["2001"], OrderParts.NONE)


@pytest.mark.parametrize("message", [None, "Dem API-Schlüssel fehlen Schreibrechte."])
async def test_a_read_only_key_reads_and_then_lacks_the_permission(world: World, message: str | None) -> None:
    world.simulator.permission = "read"
    adapter = world.adapter()
    await adapter.probe()
    order = await order_of(adapter, "2001")
    if message is not None:  # a site in German: the same code as for a wrong secret, in other words
        plain = world.simulator._authenticate

        def in_german(method: str, authorization: str) -> None:
            try:
                plain(method, authorization)
            except Exception as answer:
                answer.body["message"] = message  # type: ignore[attr-defined]
                raise

        world.simulator._authenticate = in_german  # type: ignore[method-assign]
    with pytest.raises(MissingScope) as raised:
        await adapter.cancel_order(cancel(order))
    assert raised.value.scopes == ("read_write",)
    capability = adapter.capability(ActionKind.CANCEL_ORDER)
    assert capability.support is SupportLevel.MISSING_SCOPE
    assert world.shop.orders[2001]["status"] == "processing"


@pytest.mark.parametrize(("status", "kind"), [(403, Unavailable), (503, Unavailable)])
async def test_a_security_plugin_in_the_way_is_no_answer_of_the_shop(
    world: World, status: int, kind: type[PlatformError]
) -> None:
    adapter = world.adapter()
    order = await order_of(adapter, "2001")
    world.simulator.wall = status
    with pytest.raises(kind):
        await adapter.orders(["2001"], OrderParts.NONE)
    with pytest.raises(OutcomeUnknown):
        await adapter.cancel_order(cancel(order))
    assert len(world.simulator.writes) == 1


async def test_garbage_is_unreadable_and_throttling_is_throttled(world: World) -> None:
    adapter = world.adapter()
    world.faulty.faults = [Fault("eu", "garbage")]
    with pytest.raises(Unreadable, match="text/html"):
        await adapter.orders(["2001"], OrderParts.NONE)
    world.faulty.faults = [Fault("eu", "429")]
    with pytest.raises(Throttled):
        await adapter.orders(["2001"], OrderParts.NONE)
    assert adapter.health().status in (HealthStatus.OK, HealthStatus.DEGRADED)
    assert adapter.health().rate_budget is None


async def test_every_read_of_a_store_that_is_down_raises_a_platform_error(world: World) -> None:
    adapter = world.adapter()
    ada = person(ADA, adapter)
    world.faulty.faults = [Fault("eu", "500")]
    for read in (
        adapter.orders(["1"], OrderParts.ALL),
        adapter.orders_by_number("1", OrderParts.ALL),
        adapter.orders_of(ada, OrdersQuery(first=1), OrderParts.ALL),
        adapter.profiles([ADA]),
        adapter.profiles_by_id(["1"]),
        adapter.products(["1"]),
        adapter.subscriptions(["1"], SubscriptionParts.ALL),
        adapter.subscriptions_of(ada, SubscriptionsQuery(first=1), SubscriptionParts.ALL),
        adapter.subscriptions_of_orders(["1"], SubscriptionParts.ALL),
        adapter.probe(),
    ):
        with pytest.raises(PlatformError) as raised:
            await read
        assert raised.value.store == "eu"
    assert adapter.health().status is not HealthStatus.OK


async def test_neither_addresses_nor_keys_are_logged_or_printed(world: World, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "platforms.transport")
    adapter = world.adapter()
    with structlog.testing.capture_logs() as logs:
        await all_of(adapter, ADA, 5, OrderParts.ALL)
        world.faulty.faults = [Fault("eu", "garbage")]
        with pytest.raises(PlatformError) as raised:
            await adapter.profiles([ADA])
    shown = f"{logs!r} {raised.value!s} {adapter.config!r}"
    assert logs
    assert "@example.com" not in shown
    assert KEY not in shown
    assert SECRET not in shown
