"""The Magento adapter over a real socket, against its simulator; each call and answer is held to the definition."""

from __future__ import annotations

import copy
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
import pytest_asyncio

from platforms.base import (
    ORDER_FACTS,
    CancelOrder,
    Done,
    Operation,
    OrdersQuery,
    Person,
    RefundAsk,
    RefundedLine,
    RefundOrder,
    ReturnedLine,
    ReturnOrder,
    Services,
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
from platforms.magento.adapter import Credentials, Magento, MagentoConfig, ReturnLabels
from platforms.magento.seed import seed
from platforms.magento.simulator import CREDENTIALS, TOKEN, Body, Received, Simulator, stamp
from platforms.secrets import SecretText
from platforms.transport import Limits
from policies.facts import FACTS
from sandbox.faults import Fault, Faulty
from sandbox.serving import serve
from schema.emails import Email, canonical_email
from schema.order import Order, ProductRef
from schema.parts import OrderParts, SubscriptionParts
from schema.returns import Refund
from schema.values import Fee, Money
from schema.vocabulary import (
    ActionKind,
    CancelReason,
    FeeKind,
    FulfillmentStatus,
    HealthStatus,
    ItemCondition,
    MoneyMoved,
    OrderReturnStatus,
    OrderStatus,
    PaymentStatus,
    RecordHolder,
    RefundChoice,
    RefundDestination,
    RequestedResolution,
    ReturnReason,
    ReturnResolution,
    ReturnStatus,
    SupportLevel,
)
from tests.platforms.magento_contract import faults

pytestmark = pytest.mark.asyncio(loop_scope="module")

NOW = datetime(2026, 11, 23, 12, 0, 30, tzinfo=UTC)
ADA, FINN, JOANN, NOBODY = (canonical_email(f"{name}@example.com") for name in ("ada", "finn", "joann", "nobody"))
FAST = Limits(retries=0, backoff=0.001, whole=5.0, circuit_failures=100)


class World:
    """One shop behind a socket, and the adapter that speaks to it."""

    def __init__(self, url: str) -> None:
        self.now = NOW
        self.url = url
        self.checked: list[Received] = []
        self._opened: list[Magento] = []
        self.simulator = Simulator(seed(NOW), clock=lambda: self.now)
        self.faulty = Faulty(self.simulator, "nl")

    def rebuild(self, **switches: Any) -> None:
        """The same shop as other software, or with other rights."""
        self.simulator = Simulator(self.simulator.state, clock=lambda: self.now, **switches)
        self.faulty = Faulty(self.simulator, "nl")

    @property
    def shop(self) -> Any:
        return self.simulator.state

    def adapter(self, *, limits: Limits = FAST, credentials: dict[str, str] | None = None, **changed: Any) -> Magento:
        given = {name: SecretText(value) for name, value in (credentials or dict(CREDENTIALS)).items()}
        settings: dict[str, Any] = {"time_zone": "Europe/Amsterdam", "edition": "open_source"} | changed
        config = MagentoConfig(
            id="nl",
            platform="magento",
            url=self.url,
            allow_private_address=True,
            credentials=Credentials(**given),
            **settings,
        )
        self._opened.append(Magento(config, Services(clock=lambda: self.now, limits=limits)))
        return self._opened[-1]

    def commerce(self, **switches: Any) -> Magento:
        self.rebuild(commerce=True, **switches)
        return self.adapter(edition="commerce")

    async def close(self) -> None:
        for one in self._opened:
            await one.close()

    def calls(self) -> list[str]:
        """The calls since it was last asked, as `GET /V1/orders entity_id in 3001`."""
        found = [f"{call}{''.join(f' {one}' for one in searched(call))}" for call in self.simulator.calls]
        self.checked.extend(self.simulator.calls)
        self.simulator.calls.clear()
        return found

    def add_order(self, native: int, like: int = 3002, **changed: Any) -> Body:
        row: Body = copy.deepcopy(self.shop.orders[like])
        row |= {"entity_id": native, "increment_id": f"{native:09d}"} | changed
        self.shop.orders[native] = row
        return row


def searched(call: Received) -> list[str]:
    query = dict(call.query)
    heads = [name[: -len("[field]")] for name in query if name.endswith("[field]") and "filters" in name]
    return [" ".join(query[f"{head}[{part}]"] for part in ("field", "conditionType", "value")) for head in heads]


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
    assert found == []


def person(email: Email, adapter: Magento) -> Person:
    async def profiles() -> Any:
        return (await adapter.profiles([email]))[email]

    return Person(email, profiles)


async def all_of(adapter: Magento, email: Email, first: int, **query: Any) -> list[Order]:
    found: list[Order] = []
    after = None
    for _ in range(100):
        page = await adapter.orders_of(
            person(email, adapter), OrdersQuery(first=first, after=after, **query), OrderParts.NONE
        )
        assert len(page.rows) <= first
        found += [row.node for row in page.rows]
        if not page.more:
            return found
        after = page.rows[-1].position if page.rows else page.end
        assert after is not None
    raise AssertionError("the list never ends")


def natives(orders: Sequence[Order]) -> list[str]:
    return [order.source.native_id for order in orders]


async def one(adapter: Magento, native: str = "3002") -> Order:
    return (await adapter.orders([native], ORDER_FACTS))[native]


async def cancelling(adapter: Magento, native: str = "3002") -> CancelOrder:
    return CancelOrder(
        "act-1", await one(adapter, native), CancelReason.CUSTOMER, RefundChoice.NONE, True, False, note="too <b>late"
    )


async def returning(adapter: Magento, **changed: Any) -> ReturnOrder:
    order = await one(adapter, "3001")
    given: dict[str, Any] = {"quantity": 1, "reason": ReturnReason.OTHER, "condition": ItemCondition.OPENED}
    line = ReturnedLine(order.lines[1], **(given | changed))
    fee = Fee(kind=next(iter(FeeKind)), amount=Money.of("2.50", "EUR"))
    return ReturnOrder("act-2", order, (line,), RequestedResolution.REFUND, (fee,))


# ------------------------------------------------------------------ reading orders
async def test_orders_are_read_in_one_search_and_each_part_in_one_more(world: World) -> None:
    adapter = world.adapter()
    found = await adapter.orders(["3001", "3002", "3003", "9999", "abc", "03001", ""], OrderParts.ALL)
    assert sorted(found) == ["3001", "3002", "3003"]
    first, *rest = world.calls()
    assert first == "GET /V1/orders entity_id in 3001,3002,3003,9999"
    assert sorted(rest) == [
        "GET /V1/creditmemos order_id in 3001,3003",
        "GET /V1/customers/search entity_id in 41",
        "GET /V1/shipments order_id in 3001,3003",
    ]
    await adapter.orders(["3001"], OrderParts.NONE)
    assert len(world.calls()) == 2


async def test_every_search_is_sized_and_trimmed(world: World) -> None:
    adapter = world.adapter()
    await adapter.orders(["3001", "3003"], OrderParts.ALL)
    await adapter.products(["601", "604"])
    await adapter.orders_of(person(ADA, adapter), OrdersQuery(first=500), OrderParts.NONE)
    searches = [call for call in world.simulator.calls if "storeConfigs" not in call.path]
    assert searches
    for call in searches:
        query = dict(call.query)
        assert 0 < int(query["searchCriteria[pageSize]"]) <= 300
        assert query["fields"].endswith("total_count")


async def test_no_ids_cost_no_call(world: World) -> None:
    adapter = world.adapter()
    assert await adapter.orders(["x", "1.5", "-3", "٣"], OrderParts.ALL) == {}
    assert await adapter.products(["none"]) == {}
    assert await adapter.profiles_by_id([]) == {}
    assert await adapter.profiles([]) == {}
    assert world.calls() == []


async def test_more_ids_than_a_page_holds_are_asked_for_in_several_calls(world: World) -> None:
    found = await world.adapter().orders([str(one) for one in range(2900, 3110)], OrderParts.NONE)
    assert sorted(found) == ["3001", "3002", "3003"]
    assert [call.split()[1] for call in world.calls()] == [*["/V1/orders"] * 3, "/V1/customers/search"]


async def test_a_list_longer_than_a_page_is_read_to_its_count_though_its_last_page_comes_again(world: World) -> None:
    shipment = world.shop.shipments[3001]
    for at in range(250):
        world.shop.shipments[5000 + at] = copy.deepcopy(shipment) | {"entity_id": 5000 + at}
    order = (await world.adapter().orders(["3001"], OrderParts.FULFILLMENTS))["3001"]
    assert order.fulfillments is not None
    assert len({parcel.id for parcel in order.fulfillments}) == len(order.fulfillments) == 251
    assert [call.split()[1] for call in world.calls()].count("/V1/shipments") == 3


async def test_the_seeded_shop_tells_the_story_of_each_order(world: World) -> None:
    found = await world.adapter().orders(["3001", "3002", "3003"], OrderParts.ALL)
    sent, new, refunded = (found[str(native)] for native in (3001, 3002, 3003))
    assert (sent.status, sent.payment_status) == (OrderStatus.COMPLETED, PaymentStatus.PAID)
    assert sent.fulfillment_status is FulfillmentStatus.FULFILLED
    assert (sent.owner, sent.customer_native_id, sent.number) == (ADA, "41", "000003001")
    assert sent.totals.total.presentment == Money.of(Decimal("78.9"), "EUR")
    assert sum(line.total.shop.amount for line in sent.lines) + Decimal("4.95") == Decimal("78.90")
    assert sent.fulfillments is not None
    [parcel] = sent.fulfillments
    assert (parcel.carrier, parcel.tracking_number) == ("PostNL", "3SABCD1234567")
    assert (parcel.shipped_at, parcel.delivered_at) == (NOW - timedelta(days=10), None)
    assert [(row.line.title, row.quantity) for row in parcel.lines] == [("Linnen overhemd", 1), ("Emaille mok", 2)]
    assert sent.shipping_address is not None
    assert (sent.shipping_address.line1, sent.shipping_address.line2) == ("Prinsengracht 140", "2 hoog")
    assert (new.status, new.payment_status) == (OrderStatus.PENDING, PaymentStatus.PENDING)
    assert new.totals.refundable.shop.amount == 0
    assert (new.fulfillments, new.refunds, new.returns) == ([], [], [])
    assert (refunded.owner, refunded.customer_native_id) == (FINN, None)
    [coat] = refunded.lines
    assert (coat.title, coat.variant_title) == ("Regenjas", "L")
    assert coat.product_ref == ProductRef("nl", "604", "6042")
    assert (coat.quantity.returnable, coat.quantity.refundable) == (1, 1)
    assert refunded.payment_status is PaymentStatus.PARTIALLY_REFUNDED
    assert refunded.refunds is not None
    [refund] = refunded.refunds
    assert (refund.amount.shop, refund.money_moved) == (Money.of(Decimal("119.0"), "EUR"), MoneyMoved.YES)
    assert [(row.quantity, row.amount.amount) for row in refund.lines] == [(1, Decimal("119.00"))]
    assert refund.destination is RefundDestination.ORIGINAL_PAYMENT


async def test_numbers_are_exact_however_many_digits_they_have(world: World) -> None:
    world.shop.orders[3002] |= {"grand_total": 0.1 + 0.2, "base_grand_total": 12345678901.01}
    totals = (await one(world.adapter())).totals
    assert str(totals.total.presentment.amount) == "0.30000000000000004"
    assert str(totals.total.shop.amount) == "12345678901.01"


async def test_the_customers_money_and_the_shops_are_told_apart(world: World) -> None:
    row = world.shop.orders[3001]
    row |= {"order_currency_code": "SEK", "base_currency_code": "EUR"}
    row |= {"grand_total": 880.0, "total_paid": 880.0, "total_refunded": 80, "base_total_refunded": 7.18}
    totals = (await one(world.adapter(), "3001")).totals
    assert totals.refundable.presentment == Money.of(Decimal("800.0"), "SEK")
    assert totals.refundable.shop == Money.of(Decimal("71.72"), "EUR")


async def test_the_owner_is_the_customers_present_address_and_not_the_orders(world: World) -> None:
    world.shop.orders[3001]["customer_email"] = "mallory@example.com"
    world.shop.customers[41]["email"] = "Ada.New@Example.com"
    order = await one(world.adapter(), "3001")
    assert (order.owner, order.email) == ("ada.new@example.com", "mallory@example.com")


async def test_a_record_that_is_gone_leaves_the_address_on_the_order(world: World) -> None:
    del world.shop.customers[41]
    assert (await one(world.adapter(), "3001")).owner == ADA


async def test_a_part_that_cannot_be_read_is_null_and_costs_nothing_else(world: World) -> None:
    world.rebuild(lacking=["Magento_Sales::shipment", "Magento_Sales::sales_creditmemo"])
    order = (await world.adapter().orders(["3003"], OrderParts.ALL))["3003"]
    assert order.fulfillments is None
    assert order.refunds is None
    assert order.totals.refunded.shop.amount == Decimal("119.0")
    assert order.returns == []


async def test_whose_an_order_is_is_never_guessed_when_customers_cannot_be_read(world: World) -> None:
    world.rebuild(lacking=["Magento_Customer::customer"])
    with pytest.raises(MissingScope) as raised:
        await world.adapter().orders(["3001"], OrderParts.NONE)
    assert raised.value.scopes == ("Magento_Customer::customer",)


# ------------------------------------------------------------------ by number, by person
async def test_a_number_is_the_shoppers_own_and_exact(world: World) -> None:
    adapter = world.adapter()
    for typed in ("000003001", "#000003001", " 000003001 "):
        assert natives(await adapter.orders_by_number(typed, OrderParts.NONE)) == ["3001"]
    assert world.calls()[0] == "GET /V1/orders increment_id eq 000003001"
    world.add_order(3100, increment_id="nl-77É")
    assert await adapter.orders_by_number("NL-77e", OrderParts.NONE) == []  # the database would say yes
    assert await adapter.orders_by_number("3001", OrderParts.NONE) == []


async def test_a_persons_orders_take_a_look_up_and_one_search(world: World) -> None:
    adapter = world.adapter()
    page = await adapter.orders_of(person(ADA, adapter), OrdersQuery(first=20), OrderParts.NONE)
    assert natives([row.node for row in page.rows]) == ["3002", "3001"]
    assert not page.more
    assert world.calls() == [
        "GET /V1/customers/search email in ada@example.com",
        "GET /V1/orders customer_email eq ada@example.com customer_id in 41",
    ]
    assert natives(await all_of(adapter, FINN, 20)) == ["3003"]
    assert world.calls()[-1] == "GET /V1/orders customer_email eq finn@example.com"
    assert await all_of(adapter, NOBODY, 20) == []


async def test_an_order_of_anothers_account_is_not_the_guests_whose_address_is_on_it(world: World) -> None:
    world.add_order(3100, customer_id=43, customer_email=FINN)
    adapter = world.adapter()
    assert natives(await all_of(adapter, FINN, 10)) == ["3003"]
    assert natives(await all_of(adapter, JOANN, 10)) == ["3100"]


async def test_an_address_that_only_the_database_takes_for_the_same_is_somebody_elses(world: World) -> None:
    world.add_order(3100, customer_id=None, customer_email="fínn@example.com")
    world.add_order(3101, customer_id=None, customer_email="FINN@Example.COM")
    world.shop.customers[44] = copy.deepcopy(world.shop.customers[43]) | {"id": 44, "email": "ádà@example.com"}
    adapter = world.adapter()
    assert sorted(natives(await all_of(adapter, FINN, 1))) == ["3003", "3101"]
    assert [p.source.native_id for p in (await adapter.profiles([ADA]))[ADA]] == ["41"]


@pytest.mark.parametrize("size", [1, 2, 3, 7, 40])
@pytest.mark.parametrize("repeats", [True, False])
async def test_orders_of_one_second_come_each_once(world: World, size: int, repeats: bool) -> None:
    world.rebuild(repeats=repeats)
    world.shop.orders.clear()
    seeded = seed(NOW).orders[3002]
    for at in range(12):
        row = copy.deepcopy(seeded) | {"entity_id": 4000 + at, "created_at": stamp(NOW - timedelta(days=at // 6))}
        world.shop.orders[4000 + at] = row
    found = natives(await all_of(world.adapter(), ADA, size))
    assert found == [str(4000 + at) for at in (*range(5, -1, -1), *range(11, 5, -1))]


async def test_strangers_in_between_are_gone_through_in_stretches(world: World) -> None:
    for at in range(700):
        stranger = world.add_order(10000 + at, customer_id=43, customer_email=FINN)
        stranger["created_at"] = stamp(NOW - timedelta(minutes=at))
    adapter = world.adapter()
    page = await adapter.orders_of(Person.known(FINN), OrdersQuery(first=100), OrderParts.NONE)
    assert (list(page.rows), page.more) == ([], True)
    assert page.end is not None
    assert natives(await all_of(adapter, FINN, 100)) == ["3003"]


async def test_orders_are_narrowed_by_state_and_time_at_the_shop_and_here(world: World) -> None:
    adapter = world.adapter()
    wanted = frozenset({OrderStatus.COMPLETED})
    assert natives(await all_of(adapter, ADA, 5, status=wanted)) == ["3001"]
    assert world.calls()[-1].endswith("state in closed,complete")
    world.shop.orders[3001]["state"] = "closed"
    assert natives(await all_of(adapter, ADA, 5, status=wanted)) == ["3001"]
    assert await all_of(adapter, ADA, 5, status=frozenset({OrderStatus.CANCELLED})) == []
    assert await all_of(adapter, ADA, 5, status=frozenset({OrderStatus.FAILED})) == []
    world.shop.orders[3001]["state"] = "half_done"
    assert natives(await all_of(adapter, ADA, 5, status=frozenset({OrderStatus.UNKNOWN}))) == ["3001"]
    at = NOW - timedelta(days=7)
    tick = timedelta(microseconds=1)
    assert natives(await all_of(adapter, ADA, 5, placed_after=at)) == ["3002"]
    assert await all_of(adapter, ADA, 5, placed_after=at + tick) == []
    assert natives(await all_of(adapter, ADA, 5, placed_before=at + tick)) == ["3002", "3001"]
    assert natives(await all_of(adapter, ADA, 5, placed_before=at)) == ["3001"]


async def test_a_made_up_position_is_refused(world: World) -> None:
    with pytest.raises(Refused, match="position"):
        await world.adapter().orders_of(Person.known(ADA), OrdersQuery(first=1, after="yesterday"), OrderParts.NONE)


# ------------------------------------------------------------------ customers and products
async def test_customers_of_many_addresses_are_one_search(world: World) -> None:
    adapter = world.adapter()
    world.shop.customers[45] = copy.deepcopy(world.shop.customers[41]) | {"id": 45, "website_id": 2}
    found = await adapter.profiles([ADA, JOANN, NOBODY, ADA])
    assert {email: [one.source.native_id for one in rows] for email, rows in found.items()} == {
        ADA: ["41", "45"],
        JOANN: ["43"],
        NOBODY: [],
    }
    assert world.calls() == ["GET /V1/customers/search email in ada@example.com,joann@example.com,nobody@example.com"]
    ada = found[ADA][0]
    assert (ada.display_name, ada.phone) == ("Ada Lovelace", "+31 20 5550141")
    assert ada.created_at == NOW - timedelta(days=300)
    assert [place.city for place in ada.addresses] == ["Amsterdam"]


async def test_products_are_found_by_their_number_with_what_they_are_sold_as(world: World) -> None:
    adapter = world.adapter()
    found = await adapter.products(["601", "602", "603", "604", "999"])
    assert sorted(found) == ["601", "602", "603", "604"]
    assert sorted(world.calls()) == [
        "GET /V1/products entity_id in 601,602,603,604,999",
        "GET /V1/products entity_id in 6041,6042",
        "GET /V1/store/storeConfigs",
    ]
    await adapter.products(["601"])
    assert len(world.calls()) == 1  # the shop's settings are asked for once
    shirt, scarf, mug, coat = (found[native] for native in ("601", "602", "603", "604"))
    [variant] = shirt.all_variants
    assert (variant.price, variant.available, variant.inventory_quantity) == (
        Money.of(Decimal("49.95"), "EUR"),
        True,
        18,
    )
    assert [image.url for image in shirt.images] == ["https://images.example.com/nl/catalog/product/n/l/601.jpg"]
    assert (shirt.handle, shirt.description) == ("linnen-overhemd", "Een licht overhemd van Belgisch linnen.")
    assert scarf.description == "Zachte sjaal van merinowol & zijde."
    assert (scarf.price_min, scarf.all_variants[0].compare_at_price) == (
        Money.of(Decimal("19.950000"), "EUR"),
        Money.of(Decimal("24.5"), "EUR"),
    )
    assert mug.all_variants[0].available is False
    assert [(one.id, one.title) for one in coat.all_variants] == [
        ("Variant:nl:604:6041", "Regenjas-M"),
        ("Variant:nl:604:6042", "Regenjas-L"),
    ]
    assert coat.price_max == Money.of(Decimal("119.0"), "EUR")


async def test_a_special_price_holds_on_its_days_only(world: World) -> None:
    world.now = NOW - timedelta(days=5)
    adapter = world.adapter()
    assert (await adapter.products(["602"]))["602"].all_variants[0].compare_at_price is None


async def test_products_of_a_shop_that_hides_its_settings_have_the_configured_currency_or_no_price(
    world: World,
) -> None:
    world.rebuild(lacking=["Magento_Backend::store"])
    assert (await world.adapter().products(["601"]))["601"].price_min is None
    found = (await world.adapter(currency="EUR").products(["601"]))["601"]
    assert found.price_min == Money.of(Decimal("49.95"), "EUR")
    assert found.images == []


# ------------------------------------------------------------------ cancelling
async def test_cancelling_is_looked_at_again_and_its_reason_left_as_a_comment(world: World) -> None:
    adapter = world.adapter()
    request = await cancelling(adapter)
    world.calls()
    assert await adapter.cancel_order(request) == Done()
    assert world.calls() == [
        "POST /V1/orders/3002/cancel",
        "GET /V1/orders entity_id eq 3002",
        "POST /V1/orders/3002/comments",
    ]
    order = await one(adapter)
    assert (order.status, order.payment_status, order.native_status) == (
        OrderStatus.CANCELLED,
        PaymentStatus.VOIDED,
        "canceled",
    )
    assert order.lines[0].quantity.current == 0
    [comment] = world.shop.comments[3002]
    assert comment["comment"].splitlines() == ["Cancelled by Aftersale (action act-1). Reason: CUSTOMER.", "too b late"]
    assert (comment["status"], comment["is_visible_on_front"]) == ("canceled", 0)
    assert await adapter.happened(request, NOW) == Done()


async def test_an_order_with_an_invoice_is_refused_before_the_shop_cancels_half_of_it(world: World) -> None:
    adapter = world.adapter()
    with pytest.raises(Refused, match="invoice"):
        await adapter.cancel_order(await cancelling(adapter, "3001"))
    assert world.simulator.writes == []


@pytest.mark.parametrize("state", ["holded", "payment_review", "canceled", "complete", "closed"])
async def test_a_plain_no_is_a_refusal(world: World, state: str) -> None:
    adapter = world.adapter()
    request = await cancelling(adapter)
    world.shop.orders[3002]["state"] = state
    with pytest.raises(Refused, match="did not cancel") as raised:
        await adapter.cancel_order(request)
    assert raised.value.not_executed
    assert len(world.simulator.writes) == 1


async def test_a_yes_that_changed_nothing_is_a_refusal(world: World) -> None:
    world.rebuild(old=True)
    adapter = world.adapter()
    request = await cancelling(adapter)
    world.shop.orders[3002]["state"] = "holded"
    with pytest.raises(Refused, match="said yes and did not"):
        await adapter.cancel_order(request)
    assert await adapter.happened(request, NOW) is None


async def test_a_yes_that_cannot_be_looked_at_is_not_known(world: World) -> None:
    adapter = world.adapter()
    request = await cancelling(adapter)
    plain = world.simulator.cancel

    def and_then_silence(order: str, **given: Any) -> bool:
        world.faulty.faults = [Fault("nl", "500")]
        return plain(order, **given)

    world.simulator.cancel = and_then_silence  # type: ignore[method-assign]
    with pytest.raises(OutcomeUnknown):
        await adapter.cancel_order(request)
    world.faulty.faults = []
    assert await adapter.happened(request, NOW) == Done()


async def test_a_cancelled_order_stays_so_when_its_comment_is_refused(world: World) -> None:
    world.rebuild(lacking=["Magento_Sales::comment"])
    adapter = world.adapter()
    assert await adapter.cancel_order(await cancelling(adapter)) == Done()
    assert world.shop.comments == {}


async def test_an_order_that_is_gone_cannot_be_cancelled(world: World) -> None:
    adapter = world.adapter()
    request = await cancelling(adapter)
    del world.shop.orders[3002]
    with pytest.raises(Refused, match="nothing there") as raised:
        await adapter.cancel_order(request)
    assert raised.value.native[0].http_status == 404


# ------------------------------------------------------------------ returns, where the platform has none
async def test_a_return_in_open_source_is_a_comment_that_leaves_the_status_as_it_is(world: World) -> None:
    world.rebuild(old=True)  # a comment without a status would clear the order's
    adapter = world.adapter()
    request = await returning(adapter)
    assert not adapter.keeps_returns
    world.calls()
    assert await adapter.happened(request, NOW) is None
    assert await adapter.return_order(request) == Done()
    assert world.calls() == [
        "GET /V1/orders/3001/comments",
        "GET /V1/orders entity_id eq 3001",
        "POST /V1/orders/3001/comments",
    ]
    assert world.shop.orders[3001]["status"] == "complete"
    [comment] = world.shop.comments[3001]
    assert comment["comment"].splitlines() == [
        "Return agreed by Aftersale (action act-2).",
        "1 x Emaille mok (item 30012): OTHER, OPENED",
        "Resolution: REFUND.",
        f"Fee: {next(iter(FeeKind)).value} 2.50 EUR",
    ]
    assert (comment["is_customer_notified"], comment["is_visible_on_front"]) == (0, 0)
    assert await adapter.happened(request, NOW) == Done()
    order = await one(adapter, "3001")
    assert (order.returns, order.return_status) == ([], OrderReturnStatus.NONE)


async def test_which_edition_it_is_is_asked_once(world: World) -> None:
    adapter = world.adapter(edition=None)
    assert adapter.keeps_returns
    await adapter.orders(["3001"], OrderParts.NONE)
    assert not adapter.keeps_returns
    assert "GET /V1/returns" in world.calls()
    await adapter.orders(["3001"], ORDER_FACTS)
    assert "GET /V1/returns" not in " ".join(world.calls())


async def test_a_shop_that_cannot_be_asked_for_its_edition_has_unknown_returns(world: World) -> None:
    adapter = world.adapter(edition=None)
    world.faulty.faults = [Fault("nl", "500", path="/V1/returns")]
    order = await one(adapter, "3001")
    assert order.returns is None
    assert order.return_status is OrderReturnStatus.UNKNOWN
    assert order.lines[0].quantity.returnable is None
    request = ReturnOrder(
        "a", order, (ReturnedLine(order.lines[0], 1, ReturnReason.OTHER),), RequestedResolution.REFUND
    )
    with pytest.raises(Unavailable):
        await adapter.return_order(request)
    assert world.simulator.writes == []


# ------------------------------------------------------------------ returns of Adobe Commerce
async def test_a_return_in_commerce_is_a_record_of_the_shop(world: World) -> None:
    adapter = world.commerce()
    request = await returning(adapter)
    world.calls()
    assert await adapter.happened(request, NOW) is None
    world.calls()
    made = await adapter.return_order(request)
    assert isinstance(made, Done)
    assert world.calls() == [
        "GET /V1/returnsAttributeMetadata/reason",
        "GET /V1/returnsAttributeMetadata/condition",
        "GET /V1/returnsAttributeMetadata/resolution",
        "POST /V1/returns",
    ]
    order = await one(adapter, "3001")
    assert order.returns is not None
    [found] = order.returns
    assert (found.source.native_id, found.held_by) == (made.reference, RecordHolder.PLATFORM)
    assert (found.status, found.native_status) == (ReturnStatus.APPROVED, "authorized")
    assert found.resolution is ReturnResolution.REFUND
    assert found.requested_at == NOW
    [line] = found.lines
    assert (line.line.title, line.quantity) == ("Emaille mok", 1)
    assert (line.reason, line.condition) == (ReturnReason.OTHER, None)  # "Opened" stands for two of our words
    assert order.return_status is OrderReturnStatus.IN_PROGRESS
    mug = order.lines[1].quantity
    assert (mug.returned, mug.returnable) == (1, 1)
    assert await adapter.happened(request, NOW) == Done(made.reference)
    assert world.shop.orders[3001]["status"] == "complete"
    assert world.shop.comments == {}


async def test_a_return_whose_mark_is_not_kept_is_found_by_what_comes_back(world: World) -> None:
    adapter = world.commerce()
    request = await returning(adapter)
    made = await adapter.return_order(request)
    assert isinstance(made, Done)
    world.shop.returns[int(made.reference or 0)]["comments"] = []
    assert await adapter.happened(request, NOW) == Done(made.reference)
    assert await adapter.happened(request, NOW + timedelta(days=1)) is None


async def test_old_versions_hide_what_comes_back_and_then_nothing_is_guessed(world: World) -> None:
    adapter = world.commerce()
    await adapter.return_order(await returning(adapter))
    world.rebuild(commerce=True, rma_items=False)
    order = await one(adapter, "3001")
    assert order.returns is None
    assert order.lines[1].quantity.returnable is None


async def test_a_word_the_shop_does_not_have_is_refused_before_anything_is_sent(world: World) -> None:
    world.shop.return_choices = {
        "reason": ("Verkeerde maat", "Anders"),
        "condition": ("Ongeopend",),
        "resolution": ("Terugbetaling",),
    }
    adapter = world.commerce()
    with pytest.raises(Refused, match="no resolution for REFUND") as raised:
        await adapter.return_order(await returning(adapter))
    assert raised.value.not_executed
    assert world.simulator.writes == []
    labels = ReturnLabels(
        reasons={ReturnReason.OTHER: "Anders"},
        conditions={ItemCondition.UNOPENED: "Ongeopend"},
        resolutions={RequestedResolution.REFUND: "Terugbetaling"},
    )
    adapter = world.adapter(edition="commerce", return_labels=labels)
    request = await returning(adapter, reason=ReturnReason.STYLE, condition=ItemCondition.UNOPENED)
    await adapter.return_order(request)
    [back] = (await one(adapter, "3001")).returns or []
    assert back.resolution is ReturnResolution.REFUND
    assert [(line.reason, line.condition) for line in back.lines] == [(ReturnReason.OTHER, ItemCondition.UNOPENED)]


async def test_an_unsaid_condition_is_not_made_up(world: World) -> None:
    adapter = world.commerce()
    await adapter.return_order(await returning(adapter, condition=None))
    assert "condition" not in world.simulator.writes[0].body["rmaDataObject"]["items"][0]


async def test_the_shops_own_rule_comes_back_as_it_said_it(world: World) -> None:
    adapter = world.commerce()
    request = await returning(adapter, quantity=2)
    await adapter.return_order(request)
    world.shop.orders[3001]["items"][1]["qty_returned"] = 2
    with pytest.raises(Refused) as raised:
        await adapter.return_order(request)
    assert [native.message for native in raised.value.native] == ["A quantity of 2 cannot be returned for item ?."]


# ------------------------------------------------------------------ who is asking, and what went wrong
async def test_a_call_that_is_sent_again_is_signed_anew(world: World) -> None:
    class Once:
        """Loses the first answer, after the shop has seen the call with its nonce."""

        def __init__(self, faulty: Faulty) -> None:
            self.faulty = faulty
            faulty.faults = [Fault("nl", "500-after")]

        async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
            await self.faulty(scope, receive, send)
            self.faulty.faults = []

    world.faulty = Once(world.faulty)  # type: ignore[assignment]
    adapter = world.adapter(limits=Limits(retries=1, backoff=0.001))
    assert await adapter.orders(["3003"], OrderParts.NONE)
    assert [call.status for call in world.simulator.calls] == [200, 200]


@pytest.mark.parametrize("wrong", ["consumer_key", "consumer_secret", "access_token", "access_token_secret"])
async def test_a_wrong_word_of_the_integration_is_bad_credentials(world: World, wrong: str) -> None:
    adapter = world.adapter(credentials=dict(CREDENTIALS) | {wrong: "mistyped"})
    with pytest.raises(BadCredentials) as raised:
        await adapter.probe()
    assert raised.value.store == "nl"
    assert "mistyped" not in f"{raised.value} {raised.value.native}"


async def test_a_bearer_token_works_where_the_shop_takes_one(world: World) -> None:
    adapter = world.adapter(credentials={"token": TOKEN})
    assert sorted(await adapter.orders(["3001"], OrderParts.NONE)) == ["3001"]
    world.rebuild(bearer=False)
    # It has worked before: the shop says the same of a token that has run out and of one that lacks a permission.
    with pytest.raises(MissingScope):
        await adapter.orders(["3001"], OrderParts.NONE)
    with pytest.raises(BadCredentials, match="bearer"):
        await adapter.orders(["3001"], OrderParts.NONE)


async def test_a_token_that_nobody_knows_is_told_from_one_that_may_not_see_everything(world: World) -> None:
    with pytest.raises(BadCredentials):
        await world.adapter(credentials={"token": "wrong"}).probe()
    with pytest.raises(BadCredentials):
        await world.adapter(credentials={"token": "wrong"}).orders(["3001"], OrderParts.NONE)
    world.rebuild(lacking=["Magento_Sales::actions_view"])
    adapter = world.adapter(credentials={"token": TOKEN})
    found = await adapter.probe()
    assert found.warnings == ("The credentials may not read orders.",)
    assert adapter.capability(ActionKind.CANCEL_ORDER).support is SupportLevel.MISSING_SCOPE


async def test_a_permission_that_a_write_lacks_is_remembered(world: World) -> None:
    world.rebuild(lacking=["Magento_Sales::cancel"])
    adapter = world.adapter()
    await adapter.probe()
    assert adapter.capability(ActionKind.CANCEL_ORDER).support is SupportLevel.EMULATED
    with pytest.raises(MissingScope) as raised:
        await adapter.cancel_order(await cancelling(adapter))
    assert raised.value.scopes == ("Magento_Sales::cancel",)
    assert raised.value.native[0].message == "The consumer isn't authorized to access Magento_Sales::cancel."
    capability = adapter.capability(ActionKind.CANCEL_ORDER)
    assert capability.support is SupportLevel.MISSING_SCOPE
    assert "Magento_Sales::cancel" in (capability.note or "")


async def test_the_probe_tells_the_currency_the_edition_and_what_does_not_fit(world: World) -> None:
    adapter = world.adapter(edition=None, currency="SEK", time_zone="Europe/Berlin")
    found = await adapter.probe()
    assert found.currency == "EUR"
    assert found.warnings == (
        "The shop's currency is EUR, not SEK as configured.",
        "The shop's time zone is Europe/Amsterdam, not Europe/Berlin as configured.",
    )
    assert not adapter.keeps_returns
    assert sorted(world.calls()) == ["GET /V1/orders", "GET /V1/returns", "GET /V1/store/storeConfigs"]
    world.rebuild(commerce=True)
    await adapter.probe()
    assert adapter.keeps_returns
    world.rebuild(commerce=True, lacking=["Magento_Rma::rma_manage", "Magento_Backend::store"])
    adapter = world.adapter(edition=None)
    found = await adapter.probe()
    assert adapter.keeps_returns
    assert found.missing_scopes == {ActionKind.RETURN_ORDER: ("Magento_Rma::rma_manage",)}
    assert found.warnings == (
        "The credentials may not read returns.",
        "The credentials may not read the shop's settings: set `currency` for this store.",
    )


async def test_a_shop_configured_as_commerce_that_has_no_returns_is_taken_at_its_word(world: World) -> None:
    adapter = world.adapter(edition="commerce")
    found = await adapter.probe()
    assert found.warnings == ("The shop has no returns, though it is configured as Adobe Commerce.",)
    assert not adapter.keeps_returns


async def test_a_wrong_store_code_is_told_with_its_cure(world: World) -> None:
    with pytest.raises(Refused, match="store_code") as raised:
        await world.adapter(store_code="belgium").probe()
    assert raised.value.native[0].message == "Request does not match any route."


@pytest.mark.parametrize("status", [401, 403, 404])
async def test_what_stands_before_the_shop_is_not_the_shop(world: World, status: int) -> None:
    world.rebuild(wall=status)
    with pytest.raises(Unavailable):
        await world.adapter().probe()
    with pytest.raises(Unavailable):
        await world.adapter().orders(["3001"], OrderParts.NONE)


async def test_a_page_that_is_larger_than_the_shop_allows_is_refused_in_its_words(world: World) -> None:
    world.rebuild(page_cap=50)
    with pytest.raises(Refused) as raised:
        await world.adapter().orders(["3001"], OrderParts.NONE)
    assert [native.message for native in raised.value.native] == ["Maximum SearchCriteria pageSize is 50"]


@pytest.mark.parametrize(
    ("word", "error"), [("garbage", Unreadable), ("429", Throttled), ("500", Unavailable), ("truncate", Unreadable)]
)
async def test_faults_of_a_read_are_told_apart(world: World, word: str, error: type[PlatformError]) -> None:
    world.faulty.faults = [Fault("nl", word)]
    with pytest.raises(error):
        await world.adapter().orders(["3001"], OrderParts.NONE)


@pytest.mark.parametrize("word", ["500-after", "drop-after", "truncate", "garbage"])
async def test_a_write_whose_answer_is_lost_is_not_known_and_found_by_reading(world: World, word: str) -> None:
    adapter = world.adapter(limits=Limits(retries=2, backoff=0.001, circuit_failures=100))
    request = await cancelling(adapter)
    world.faulty.faults = [Fault("nl", word)]
    with pytest.raises(OutcomeUnknown):
        await adapter.cancel_order(request)
    world.faulty.faults = []
    happened = await adapter.happened(request, NOW)
    assert happened == (None if word == "garbage" else Done())
    assert len(world.simulator.writes) == (0 if word == "garbage" else 1)


# ------------------------------------------------------------------ refunds
async def refunding(adapter: Magento, amount: str, *units: int, native: str = "3001", **changed: Any) -> RefundOrder:
    """`units`: of each line, in the order's own order."""
    order = await one(adapter, native)
    asked = RefundOrder(
        "act-6",
        order,
        Money.of(amount, "EUR"),
        tuple(RefundedLine(line, count) for line, count in zip(order.lines, units, strict=False) if count),
        None,
        RefundChoice.ORIGINAL_PAYMENT,
        "Arrived <b>broken</b>",
        refunds_before=frozenset(refund.id for refund in order.refunds or ()),
    )
    return replace(asked, **changed)


def sent(world: World) -> tuple[str, Body]:
    (write,) = world.simulator.writes
    return write.path, write.body


async def refund_of(adapter: Magento, native: str = "3001") -> Refund:
    refunds = (await one(adapter, native)).refunds or []
    assert len(refunds) == 1
    return refunds[0]


async def test_lines_and_shipping_come_to_what_the_shop_would_reckon(world: World) -> None:
    adapter = world.adapter()
    order = await one(adapter, "3001")
    world.calls()
    line = order.lines[1]
    found = await adapter.refund_sum(RefundAsk(order, (RefundedLine(line, 1),), shipping=True))
    assert sorted(world.calls()) == ["GET /V1/creditmemos order_id in 3001", "GET /V1/orders entity_id in 3001"]
    assert (found.items.amount + found.tax.amount if found.tax else None) == Decimal("12.00")
    assert (found.shipping, found.total, found.estimated) == (
        Money.of("4.95", "EUR"),
        Money.of("16.95", "EUR"),
        True,
    )
    assert world.simulator.writes == []


async def test_what_a_gateway_took_is_paid_back_through_it(world: World) -> None:
    adapter = world.adapter()
    asked = await refunding(adapter, "12.00", 0, 1)
    world.calls()
    done = await adapter.refund_order(asked)
    assert [call.partition(" order_id")[0].partition(" entity_id")[0] for call in world.calls()] == [
        "GET /V1/orders",
        "GET /V1/invoices",
        "POST /V1/invoice/3001/refund",
    ]
    assert sent(world) == (
        "/V1/invoice/3001/refund",
        {
            "items": [{"order_item_id": 30012, "qty": 1}],
            "notify": False,
            "appendComment": True,
            "comment": {
                "comment": "Refunded by Aftersale (action act-6). Arrived b broken /b",
                "is_visible_on_front": 0,
            },
            "arguments": {"shipping_amount": 0.0, "adjustment_positive": 0.0, "adjustment_negative": 0.0},
            "is_online": True,
        },
    )
    made = await refund_of(adapter)
    assert done == Done(made.id.rpartition(":")[2])
    assert (made.amount.presentment.amount, made.money_moved) == (Decimal("12.0"), MoneyMoved.YES)
    assert [(part.line.native_id, part.quantity) for part in made.lines] == [("30012", 1)]


@pytest.mark.parametrize("told", ["no transaction", "no invoice of money"])
async def test_what_no_gateway_took_is_only_booked(world: World, told: str) -> None:
    invoice = world.shop.invoices[3001]
    invoice |= {"transaction_id": None} if told == "no transaction" else {"state": 3}
    adapter = world.adapter()
    await adapter.refund_order(await refunding(adapter, "12.00", 0, 1))
    path, body = sent(world)
    assert (path, "is_online" in body) == ("/V1/order/3001/refund", False)
    made = await refund_of(adapter)
    assert (made.money_moved, made.destination) == (MoneyMoved.NO, RefundDestination.MANUAL)


async def test_a_gateway_that_cannot_pay_back_is_a_refusal_and_nothing_is_booked_instead(world: World) -> None:
    world.shop.online_methods = frozenset()
    adapter = world.adapter()
    with pytest.raises(Refused) as raised:
        await adapter.refund_order(await refunding(adapter, "12.00", 0, 1))
    assert raised.value.native[0].message == "The refund action is not available."
    assert len(world.simulator.writes) == 1
    assert (await one(adapter, "3001")).totals.refunded.presentment.amount == 0


async def test_a_sum_without_lines_names_every_line_with_nothing_of_it(world: World) -> None:
    """Without items the shop would pay back everything."""
    adapter = world.adapter()
    await adapter.refund_order(await refunding(adapter, "5.00"))
    _, body = sent(world)
    assert {item["order_item_id"]: item["qty"] for item in body["items"]} == {
        int(line.native_id): 0 for line in (await one(adapter, "3001")).lines
    }
    assert body["arguments"]["adjustment_positive"] == 5.0
    made = await refund_of(adapter)
    assert made.amount.presentment.amount == 5
    assert made.lines == []


async def test_what_is_kept_back_of_a_line_is_a_negative_adjustment(world: World) -> None:
    adapter = world.adapter()
    await adapter.refund_order(await refunding(adapter, "9.50", 0, 1))
    _, body = sent(world)
    assert (body["arguments"]["adjustment_negative"], body["arguments"]["adjustment_positive"]) == (2.5, 0.0)
    assert (await refund_of(adapter)).amount.presentment.amount == Decimal("9.5")


@pytest.mark.parametrize("shop_adds_tax", [False, True])
async def test_taxed_shipping_is_paid_back_to_the_cent_however_the_shop_is_set(
    world: World, shop_adds_tax: bool
) -> None:
    world.simulator.shipping_tax = Decimal("0.21") if shop_adds_tax else Decimal(0)
    adapter = world.adapter()
    await adapter.refund_order(await refunding(adapter, "16.95", 0, 1, shipping=Money.of("4.95", "EUR")))
    _, body = sent(world)
    assert (body["arguments"]["shipping_amount"], body["arguments"]["adjustment_positive"]) == (0.0, 4.95)
    assert (await refund_of(adapter)).amount.presentment.amount == Decimal("16.95")
    order = await one(adapter, "3001")
    again = await adapter.refund_sum(RefundAsk(order, (), shipping=True))
    assert (again.shipping, again.total) == (Money.of("0.00", "EUR"), Money.of("0.00", "EUR"))


async def test_shipping_without_tax_is_paid_back_as_shipping_and_once(world: World) -> None:
    world.shop.orders[3001] |= {"shipping_amount": 4.95}
    adapter = world.adapter()
    await adapter.refund_order(await refunding(adapter, "4.95", shipping=Money.of("4.95", "EUR")))
    _, body = sent(world)
    assert (body["arguments"]["shipping_amount"], body["arguments"]["adjustment_positive"]) == (4.95, 0.0)
    again = await adapter.refund_sum(RefundAsk(await one(adapter, "3001"), (), shipping=True))
    assert again.total.amount == 0


async def test_units_paid_back_one_by_one_come_to_just_the_line(world: World) -> None:
    item = world.shop.orders[3001]["items"][1]
    for part in ("row_total", "tax_amount"):
        item[part] = item[f"base_{part}"] = {"row_total": 10.0, "tax_amount": 2.1}[part]
    item |= {"qty_ordered": 3, "qty_invoiced": 3, "qty_shipped": 3}
    world.shop.invoices[3001]["items"][1]["qty"] = 3
    adapter = world.adapter()
    paid = []
    for at in range(3):
        order = await one(adapter, "3001")
        total = (await adapter.refund_sum(RefundAsk(order, (RefundedLine(order.lines[1], 1),)))).total
        await adapter.refund_order(await refunding(adapter, str(total.amount), 0, 1, action_id=f"act-{at}"))
        paid.append(total.amount)
    assert sum(paid) == Decimal("12.10")
    assert len(set(paid)) > 1
    memos = [row for row in world.shop.memos.values() if row["order_id"] == 3001]
    assert [Decimal(str(row["grand_total"])) for row in memos] == paid
    assert all(row["adjustment"] == 0 for row in memos)


async def test_a_refund_goes_to_the_one_invoice_that_covers_it(world: World) -> None:
    whole = world.shop.invoices[3001]
    first, second = (whole | {"entity_id": native, "base_grand_total": 60.0} for native in (3101, 3102))
    first["items"], second["items"] = whole["items"][:1], whole["items"][1:]
    world.shop.invoices = {3101: first, 3102: second}
    adapter = world.adapter()
    await adapter.refund_order(await refunding(adapter, "12.00", 0, 1))
    assert sent(world)[0] == "/V1/invoice/3102/refund"
    world.simulator.writes.clear()
    for asked in (await refunding(adapter, "61.00", action_id="a"), await refunding(adapter, "20.00", 1, 1)):
        with pytest.raises(Refused, match="invoice"):
            await adapter.refund_order(asked)
    assert world.simulator.writes == []


@pytest.mark.parametrize(("amount", "words"), [("9999.00", "left"), ("1.005", "cent")])
async def test_a_refund_that_could_not_be_met_is_not_sent(world: World, amount: str, words: str) -> None:
    adapter = world.adapter()
    with pytest.raises(Refused, match=words):
        await adapter.refund_order(await refunding(adapter, amount))
    assert world.simulator.writes == []


async def test_a_sum_in_another_currency_than_the_shops_is_refused_and_lines_are_not(world: World) -> None:
    world.shop.orders[3001]["base_currency_code"] = "USD"
    adapter = world.adapter()
    with pytest.raises(Refused, match="currency"):
        await adapter.refund_order(await refunding(adapter, "5.00"))
    await adapter.refund_order(await refunding(adapter, "12.00", 0, 1))
    assert len(world.simulator.writes) == 1


async def test_store_credit_is_not_offered(world: World) -> None:
    adapter = world.adapter()
    asked = await refunding(adapter, "5.00", destination=RefundChoice.STORE_CREDIT)
    world.calls()
    with pytest.raises(Unsupported, match="store credit"):
        await adapter.refund_order(asked)
    assert world.calls() == []


async def test_an_order_nobody_paid_for_is_not_paid_back(world: World) -> None:
    adapter = world.adapter()
    with pytest.raises(Refused):
        await adapter.refund_order(await refunding(adapter, "1.00", native="3002"))
    assert world.simulator.writes == []


@pytest.mark.parametrize("keeps", [True, False], ids=["comments kept", "comments lost"])
@pytest.mark.parametrize("word", ["500-after", "drop-after"])
async def test_a_refund_whose_answer_is_lost_is_found_by_reading(world: World, word: str, keeps: bool) -> None:
    world.simulator.keeps_memo_comments = keeps
    adapter = world.adapter(limits=Limits(retries=2, backoff=0.001, circuit_failures=100))
    asked = await refunding(adapter, "5.00")
    world.faulty.faults = [Fault("nl", word, path="/refund")]
    with pytest.raises(OutcomeUnknown):
        await adapter.refund_order(asked)
    world.faulty.faults = []
    made = (await refund_of(adapter)).id
    assert await adapter.happened(asked, NOW) == Done(made.rpartition(":")[2])
    other = replace(asked, action_id="act-7")
    assert (await adapter.happened(other, NOW) is None) is keeps
    assert await adapter.happened(replace(other, refunds_before=frozenset({made})), NOW) is None
    assert len(world.simulator.writes) == 1


@pytest.mark.parametrize("lacking", ["Magento_Sales::creditmemo", "Magento_Sales::sales_invoice"])
async def test_a_missing_permission_to_refund_is_remembered(world: World, lacking: str) -> None:
    adapter = world.adapter()
    asked = await refunding(adapter, "5.00")
    world.simulator.lacking = frozenset({lacking})
    await adapter.probe()
    with pytest.raises(MissingScope) as raised:
        await adapter.refund_order(asked)
    assert raised.value.scopes == (lacking,)
    assert adapter.capability(ActionKind.REFUND_ORDER).support is SupportLevel.MISSING_SCOPE
    assert adapter.capability(ActionKind.CANCEL_ORDER).support is SupportLevel.EMULATED


async def test_subscriptions_are_not_offered(world: World) -> None:
    adapter = world.adapter()
    assert not adapter.supports(Operation.SUBSCRIPTIONS)
    with pytest.raises(Unsupported):
        await adapter.subscriptions(["1"], SubscriptionParts.ALL)
    assert adapter.capability(ActionKind.PAUSE_SUBSCRIPTION).support is SupportLevel.UNSUPPORTED
    assert adapter.refunds_on_cancel is False
    assert world.calls() == []


async def test_facts_it_never_knows_are_facts_and_are_not_known(world: World) -> None:
    assert set(FACTS) >= Magento.never_known
    for order in (await world.adapter().orders(["3001", "3002", "3003"], OrderParts.ALL)).values():
        assert (order.disputed, order.customer_tags, order.customer_segments) == (None, None, None)
        assert all(parcel.delivered_at is None for parcel in order.fulfillments or ())
        for line in order.lines:
            unknown = (line.product_tags, line.product_type, line.vendor, line.final_sale, line.quantity.delivered)
            assert unknown == (None,) * 5


async def test_health_is_told_without_a_call(world: World) -> None:
    adapter = world.adapter()
    assert adapter.health().status is HealthStatus.OK
    assert adapter.health().rate_budget is None
    assert world.calls() == []
