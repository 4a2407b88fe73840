"""The Medusa adapter over a real socket, against its simulator; each call is one the vendor's definition allows."""

from __future__ import annotations

import copy
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from pydantic import ValidationError

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
from platforms.medusa import wire
from platforms.medusa.adapter import Credentials, Medusa, MedusaConfig
from platforms.medusa.seed import native, seed
from platforms.medusa.simulator import KEY, Body, Received, Simulator, instant
from platforms.secrets import SecretText
from platforms.transport import Limits, Reply
from sandbox.faults import Fault, Faulty
from sandbox.serving import serve
from schema.emails import Email, canonical_email
from schema.order import Order
from schema.parts import OrderParts
from schema.values import Fee, Money
from schema.vocabulary import (
    ActionKind,
    CancelReason,
    FeeKind,
    ItemCondition,
    MoneyMoved,
    OrderReturnStatus,
    OrderStatus,
    PaymentStatus,
    RefundChoice,
    RequestedResolution,
    ReturnReason,
    ReturnResolution,
    ReturnStatus,
    SupportLevel,
)
from tests.platforms import medusa_contract as contract

pytestmark = pytest.mark.asyncio(loop_scope="module")

NOW = datetime(2026, 11, 23, 12, 0, 30, tzinfo=UTC)
ADA, ELIN, JOANN, ANN = (canonical_email(f"{name}@example.com") for name in ("ada", "elin", "joann", "ann"))
SENT, AUTHORISED, GUEST = (native("order", number) for number in (3001, 3002, 3003))
CAPTURES = Path(__file__).parent / "medusa" / "captures"
FAST = Limits(retries=0, backoff=0.001, whole=5.0)


class World:
    """One store behind a socket, and the adapter that speaks to it."""

    def __init__(self, url: str) -> None:
        self.now = NOW
        self.simulator = Simulator(seed(NOW), clock=lambda: self.now)
        self.faulty = Faulty(self.simulator, "se")
        #: What answers at the address.
        self.door: Any = self.faulty
        self.url = url
        self.checked: list[Received] = []
        self._opened: list[Medusa] = []

    @property
    def state(self) -> Any:
        return self.simulator.state

    def adapter(self, *, key: str = KEY, **changed: Any) -> Medusa:
        values = {"currency": "SEK"} | changed
        config = MedusaConfig(
            id="se",
            url=self.url,
            allow_private_address=True,
            credentials=Credentials(secret_key=SecretText(key)),
            **values,
        )
        self._opened.append(Medusa(config, Services(clock=lambda: self.now, limits=FAST)))
        return self._opened[-1]

    async def close(self) -> None:
        for one in self._opened:
            await one.close()

    def calls(self) -> list[Received]:
        """The calls since it was last asked."""
        found = list(self.simulator.calls)
        self.checked += found
        self.simulator.calls.clear()
        return found

    def said(self) -> list[str]:
        return [str(call) for call in self.calls()]

    def add_order(self, email: Email | str, at: datetime, *, customer: str, like: str = AUTHORISED) -> str:
        id = str(self.state.new_id("order"))
        row: Body = copy.deepcopy(self.state.orders[like])
        made = {"id": id, "display_id": self.state.next_id, "email": email, "customer_id": customer}
        self.state.orders[id] = row | made | {"created_at": instant(at)}
        return id


class Address:
    """One server for the module; each test puts its own world behind it."""

    world: World

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await self.world.door(scope, receive, send)


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
    assert [fault for call in (*world.checked, *world.simulator.calls) for fault in contract.faults(call)] == []


# ------------------------------------------------------------------------------------------------ the definition


async def test_the_names_we_check_calls_against_are_those_of_the_vendors_definition() -> None:
    assert set(contract.CONTRACT["paths"]) == set(contract.PATHS)
    if not contract.DEFINITION.exists():  # only where the contracts lie beside the repository
        return
    definition = json.loads(contract.DEFINITION.read_text(encoding="utf-8"))
    assert contract.stripped(definition) == contract.CONTRACT


async def test_what_the_definition_does_not_have_is_told() -> None:
    def told(*asked: Any) -> list[str]:
        return contract.faults(Received(*asked))

    assert told("GET", "/admin/orders", (("email", "x"),), None, 200) == ["GET /admin/orders: no parameter email"]
    assert told("POST", "/admin/returns", (), {"items": []}, 200) == [
        "POST /admin/returns: no property items",
        "POST /admin/returns: without order_id",
    ]
    assert told("GET", "/admin/nothing", (), None, 200) == ["GET /admin/nothing is no endpoint"]
    odd = {"customers": [{"id": "cus_1", "shoe_size": 42}]}
    assert told("GET", "/admin/customers", (), None, 200, odd) == ["GET /admin/customers: customers.shoe_size?"]


async def test_no_exception_is_one_that_the_definition_has() -> None:
    for (method, path), names in contract.FILTERS.items():
        assert not names & {*contract.CONTRACT["paths"][path][method]["query"]}
    for schema, names in contract.FIELDS.items():
        assert not names & {*contract.CONTRACT["rows"][schema]}
    assert not contract.ALSO.keys() & {
        (method, path) for path, verbs in contract.CONTRACT["paths"].items() for method in verbs
    }


# ------------------------------------------------------------------------------------------------ reading


def person(email: Email, store: Medusa) -> Person:
    async def profiles() -> Any:
        return (await store.profiles([email]))[email]

    return Person(email, profiles)


async def one(store: Medusa, id: str, parts: OrderParts = OrderParts.ALL) -> Order:
    return (await store.orders([id], parts))[id]


async def ids_of(store: Medusa, email: Email, first: int = 10, **query: Any) -> list[str]:
    found: list[str] = []
    after = None
    for _ in range(100):
        page = await store.orders_of(person(email, store), OrdersQuery(first, after, **query), OrderParts.NONE)
        found += [row.node.source.native_id for row in page.rows]
        if not page.more:
            return found
        after = page.rows[-1].position if page.rows else page.end
    raise AssertionError("the list never ends")


async def test_orders_are_read_in_one_call_and_their_returns_in_one_more(world: World) -> None:
    store = world.adapter()
    found = await store.orders([SENT, AUTHORISED, GUEST, "order_none", "no id!"], ORDER_FACTS)
    assert sorted(found) == [SENT, AUTHORISED, GUEST]
    first, second = world.calls()
    assert (str(first), str(second)) == ("GET /admin/orders", "GET /admin/returns")
    assert [value for name, value in first.query if name == "id[]"] == [SENT, AUTHORISED, GUEST, "order_none"]
    # Only an order that was ever changed can have a return.
    assert [value for name, value in second.query if name == "order_id[]"] == [SENT]


async def test_a_head_costs_one_call_and_asks_for_what_would_be_left_out(world: World) -> None:
    await world.adapter().orders([SENT], OrderParts.NONE)
    [call] = world.calls()
    fields = dict(call.query)["fields"]
    assert fields.startswith("+email,+customer_id,+currency_code,+canceled_at,")
    assert "fulfillments" not in fields
    assert "payment_collections" not in fields
    answer = call.answer["orders"][0]
    assert "payment_collections" not in answer
    assert answer["customer"] == {
        "id": native("cus", 1),
        "email": ADA,
        "has_account": True,
        "created_by": None,
        "groups": [{"id": native("cusgroup", 1), "name": "VIP"}],
    }


async def test_no_ids_cost_no_call(world: World) -> None:
    store = world.adapter()
    assert await store.orders([], OrderParts.ALL) == {}
    assert await store.orders(["a b", "\x00", "٣", "x" * 81, ""], OrderParts.ALL) == {}
    assert await store.products(["?"]) == {}
    assert await store.profiles_by_id([]) == {}
    assert await store.profiles([]) == {}
    assert world.calls() == []


async def test_more_ids_than_a_page_holds_are_asked_for_in_several_calls(world: World) -> None:
    found = await world.adapter().orders([*(f"order_{n}" for n in range(250)), SENT], OrderParts.NONE)
    assert list(found) == [SENT]
    assert len(world.calls()) == 3


async def test_the_seeded_store_tells_the_story_of_each_order(world: World) -> None:
    found = await world.adapter().orders([SENT, AUTHORISED, GUEST], OrderParts.ALL)
    sent, authorised, guest = found[SENT], found[AUTHORISED], found[GUEST]
    assert (sent.number, sent.status, sent.payment_status) == ("3001", OrderStatus.OPEN, PaymentStatus.PAID)
    assert sent.totals.total.shop == Money.of(Decimal("1247"), "SEK")
    assert sent.totals.subtotal.shop.amount == Decimal("1198")
    [parcel] = sent.fulfillments or ()
    assert parcel.delivered_at == NOW - timedelta(days=6)
    assert (parcel.tracking_number, str(parcel.tracking_url)) == (
        "SE300100730",
        "https://tracking.example.com/SE300100730",
    )
    assert [(one.line.title, one.quantity) for one in parcel.lines] == [("Linneskjorta", 2), ("Stickad mössa", 1)]
    assert [line.product_tags for line in sent.lines] == [[], ["winter"]]
    assert (sent.lines[0].product_type, sent.lines[0].variant_title) == ("shirts", "M")
    assert sent.customer_segments == ["VIP"]
    assert (sent.shipping_country, sent.channel) == ("SE", "Webben")
    assert sent.source.admin == f"{world.url}/app/orders/{SENT}"
    assert (authorised.status, authorised.payment_status) == (OrderStatus.PENDING, PaymentStatus.AUTHORIZED)
    assert (guest.owner, guest.email, guest.customer_native_id) == (ELIN, "Elin@Example.com", None)
    assert guest.lines[0].product_tags == ["final-sale"]


async def test_drafts_are_not_there(world: World) -> None:
    store = world.adapter()
    world.state.orders[SENT]["is_draft_order"] = True
    world.state.orders[AUTHORISED]["status"] = "draft"
    assert await store.orders([SENT, AUTHORISED], OrderParts.NONE) == {}
    assert await ids_of(store, ADA) == []
    assert await store.orders_by_number("3002", OrderParts.NONE) == []


async def test_the_owner_is_the_accounts_present_address_and_not_the_orders(world: World) -> None:
    world.state.orders[SENT]["email"] = JOANN
    world.state.customers[native("cus", 1)]["email"] = "ada.new@example.com"
    store = world.adapter()
    order = await one(store, SENT, OrderParts.NONE)
    assert (order.owner, order.email) == ("ada.new@example.com", JOANN)
    assert await ids_of(store, JOANN) == []
    assert await ids_of(store, canonical_email("ada.new@example.com")) == [AUTHORISED, SENT]


async def test_a_search_that_finds_others_shows_none_of_them(world: World) -> None:
    store = world.adapter()
    hers = world.add_order(ANN, NOW - timedelta(days=1), customer=native("cus", 99))
    world.add_order(JOANN, NOW, customer=native("cus", 3))
    world.add_order("ann@example.com.au", NOW, customer=native("cus", 98))
    world.calls()
    assert await ids_of(store, ANN) == [hers]
    searched = [call for call in world.calls() if ("q", ANN) in call.query]
    assert [len(call.answer.get("orders", call.answer.get("customers"))) for call in searched] == [1, 3]


async def test_a_server_that_ignores_a_filter_gives_nothing_away(world: World) -> None:
    world.simulator.ignores = frozenset({"q", "id", "customer_id", "order_id", "status"})
    store = world.adapter()
    assert await store.profiles([ANN, ADA]) == {ANN: [], ADA: (await store.profiles([ADA]))[ADA]}
    assert await ids_of(store, ELIN) == [GUEST]
    assert sorted(await store.orders([GUEST], OrderParts.NONE)) == [GUEST]
    assert [order.source.native_id for order in await store.orders_by_number("#3003", OrderParts.NONE)] == [GUEST]
    assert list(await store.products([native("prod", 701)])) == [native("prod", 701)]
    assert list(await store.profiles_by_id([native("cus", 3)])) == [native("cus", 3)]


async def test_a_record_that_staff_typed_with_capitals_is_found(world: World) -> None:
    row = copy.deepcopy(world.state.customers[native("cus", 2)])
    row |= {"id": "cus_bea", "email": "Bea@Example.com", "created_by": "user_1"}
    world.state.customers["cus_bea"] = row
    bea = canonical_email("bea@example.com")
    [profile] = (await world.adapter().profiles([bea]))[bea]
    assert (profile.source.native_id, profile.owner, profile.email) == ("cus_bea", bea, "Bea@Example.com")


async def test_a_guest_has_no_record_and_an_account_beside_it_is_one(world: World) -> None:
    store = world.adapter()
    assert await store.profiles([ELIN]) == {ELIN: []}
    assert await store.profiles_by_id([native("cus", 2)]) == {}
    account = copy.deepcopy(world.state.customers[native("cus", 2)]) | {"id": "cus_elin", "has_account": True}
    world.state.customers["cus_elin"] = account
    later = world.add_order(ELIN, NOW, customer="cus_elin")
    assert [one.source.native_id for one in (await store.profiles([ELIN]))[ELIN]] == ["cus_elin"]
    assert await ids_of(store, ELIN, 1) == [later, GUEST]


async def test_a_profile_has_its_addresses_and_groups(world: World) -> None:
    [ada] = (await world.adapter().profiles([ADA]))[ADA]
    assert (ada.display_name, ada.segments, ada.tags) == ("Ada Lovelace", ["VIP"], [])
    assert [(one.city, one.country_code) for one in ada.addresses] == [("Stockholm", "SE")]


async def test_numbers_are_looked_at_to_the_letter(world: World) -> None:
    store = world.adapter()
    for n in range(150):
        world.add_order(f"s3001.{n}@example.com", NOW - timedelta(minutes=n), customer="cus_none")
    assert [order.source.native_id for order in await store.orders_by_number(" #3001 ", OrderParts.NONE)] == [SENT]
    assert len(world.calls()) == 2
    for typed in ("300", "3%", "%", "_001", "", "#", "3001\x00"):
        assert list(await store.orders_by_number(typed, OrderParts.NONE)) == []


async def test_many_orders_of_one_instant_come_once_each_whichever_way_they_lie(world: World) -> None:
    store = world.adapter()
    wanted = [world.add_order(JOANN, NOW - timedelta(days=1), customer=native("cus", 3)) for _ in range(130)]
    wanted.append(world.add_order(JOANN, NOW - timedelta(days=2), customer=native("cus", 3)))
    for ties_up in (False, True):
        world.simulator.ties_up = ties_up
        found = await ids_of(store, JOANN, 50)
        assert sorted(found) == sorted(wanted)
        assert found[-1] == wanted[-1]


async def test_a_long_list_of_strangers_says_that_there_is_more_and_goes_on(world: World) -> None:
    store = world.adapter()
    for n in range(40):
        world.add_order(JOANN, NOW - timedelta(hours=n), customer=native("cus", 3))
    hers = world.add_order(ANN, NOW - timedelta(days=30), customer="cus_guest")
    page = await store.orders_of(Person.known(ANN), OrdersQuery(1), OrderParts.NONE)
    assert (list(page.rows), page.more) == ([], True)
    assert page.end is not None
    assert await ids_of(store, ANN, 1) == [hers]


async def test_a_position_that_is_none_is_refused(world: World) -> None:
    store = world.adapter()
    for after in ("", "x", "2026-11-23T12:00:00/order_1", "2026-11-23T12:00:00+00:00/a b"):
        if after:
            with pytest.raises(Refused, match="position"):
                await store.orders_of(Person.known(ADA), OrdersQuery(1, after), OrderParts.NONE)
    assert world.calls() == []


async def test_orders_of_one_status_are_asked_for_by_words_the_store_knows(world: World) -> None:
    store = world.adapter()
    world.state.orders[AUTHORISED] |= {"status": "canceled", "canceled_at": instant(NOW)}
    world.calls()
    assert await ids_of(store, ADA, status=frozenset({OrderStatus.CANCELLED})) == [AUTHORISED]
    asked = [call for call in world.calls() if call.path == "/admin/orders"]
    assert [[value for name, value in call.query if name == "status[]"] for call in asked] == [["canceled"]] * 2
    assert await ids_of(store, ADA, status=frozenset({OrderStatus.OPEN})) == [SENT]
    assert await ids_of(store, ADA, status=frozenset({OrderStatus.PENDING})) == []
    assert await ids_of(store, ADA, status=frozenset({OrderStatus.UNKNOWN})) == []
    world.calls()
    # Medusa has no failed orders: nothing to ask for.
    assert await ids_of(store, ADA, status=frozenset({OrderStatus.FAILED})) == []
    assert world.said() == ["GET /admin/customers"]


async def test_returns_that_cannot_be_read_are_null_and_the_order_is_there(world: World) -> None:
    async def door(scope: Any, receive: Any, send: Any) -> None:
        world.faulty.faults = [Fault("se", "500")] if scope["path"] == "/admin/returns" else []
        await world.faulty(scope, receive, send)

    world.door = door
    order = await one(world.adapter(), SENT)
    assert order.returns is None
    assert order.lines[0].quantity.returned == 0


async def test_products_have_price_stock_and_picture(world: World) -> None:
    store = world.adapter()
    found = await store.products([native("prod", number) for number in (701, 703, 799)])
    assert [product.title for product in found.values()] == ["Linneskjorta", "Termos"]
    shirt, flask = found.values()
    assert [(one.title, one.price, one.available, one.inventory_quantity) for one in shirt.all_variants] == [
        ("S", Money.of("499.5", "SEK"), True, 24),
        ("M", Money.of("499.5", "SEK"), True, 24),
    ]
    assert [(one.name, one.value) for one in shirt.all_variants[0].options] == [("Storlek", "S")]
    assert (flask.all_variants[0].available, flask.tags, flask.product_type) == (False, ["final-sale"], "outdoor")
    assert str(shirt.images[0].url) == "https://images.example.com/se/701.jpg"
    assert world.said() == ["GET /admin/products"]


async def test_the_currency_is_asked_once_where_it_is_not_configured(world: World) -> None:
    store = world.adapter(currency=None)
    for _ in range(2):
        assert (await store.products([native("prod", 701)]))[native("prod", 701)].price_min == Money.of("499.5", "SEK")
    assert sorted(world.said()) == ["GET /admin/products", "GET /admin/products", "GET /admin/stores"]


async def test_the_probe_warns_of_another_currency_than_configured(world: World) -> None:
    assert (await world.adapter().probe()).warnings == ()
    assert (await world.adapter(currency="EUR").probe()).warnings == (
        "The store's default currency is SEK, not EUR as configured.",
    )


# ------------------------------------------------------------------------------------------------ cancelling


async def cancel(
    store: Medusa, id: str, refund: RefundChoice = RefundChoice.ORIGINAL_PAYMENT, action: str = "act-1"
) -> CancelOrder:
    return CancelOrder(action, await one(store, id, ORDER_FACTS), CancelReason.CUSTOMER, refund, True, False)


async def test_cancelling_a_paid_order_pays_it_back(world: World) -> None:
    store = world.adapter()
    asked = await cancel(store, GUEST)
    world.calls()
    assert await store.cancel_order(asked) == Done()
    assert world.said() == [f"POST /admin/orders/{GUEST}/cancel"]
    after = await one(store, GUEST)
    assert (after.status, after.payment_status) == (OrderStatus.CANCELLED, PaymentStatus.REFUNDED)
    assert after.cancelled_at == NOW
    assert after.totals.total == asked.order.totals.total
    assert after.totals.refunded.shop == Money.of("398", "SEK")
    [refund] = after.refunds or ()
    assert (refund.money_moved, refund.amount.shop.amount) == (MoneyMoved.YES, Decimal(398))


@pytest.mark.parametrize("choice", [RefundChoice.NONE, RefundChoice.STORE_CREDIT])
async def test_what_would_pay_back_against_the_request_is_not_sent(world: World, choice: RefundChoice) -> None:
    store = world.adapter()
    asked = await cancel(store, GUEST, choice)
    with pytest.raises(Refused) as refused:
        await store.cancel_order(asked)
    assert refused.value.not_executed
    assert world.simulator.writes == []
    # Where nothing was captured nothing is paid back.
    assert await store.cancel_order(await cancel(store, AUTHORISED, choice)) == Done()
    assert (await one(store, AUTHORISED)).refunds == []


async def test_only_the_rest_is_paid_back_of_an_order_that_was_partly_refunded(world: World) -> None:
    store = world.adapter()
    world.simulator.post_refund(native("pay", 3003), query=None, body={"amount": Decimal("99.5")})  # type: ignore[arg-type]
    before = await one(store, GUEST)
    assert before.payment_status is PaymentStatus.PARTIALLY_REFUNDED
    assert before.totals.refundable.shop.amount == Decimal("298.5")
    await store.cancel_order(await cancel(store, GUEST))
    after = await one(store, GUEST)
    assert [refund.amount.shop.amount for refund in after.refunds or ()] == [Decimal("99.5"), Decimal("298.5")]
    assert after.totals.total.shop.amount == Decimal(398)


@pytest.mark.parametrize(
    ("id", "capture"), [(SENT, "err_cancel_fulfilled"), (GUEST, "err_cancel_twice"), ("order_none", "err_404_order")]
)
async def test_the_store_refuses_as_it_was_recorded(world: World, id: str, capture: str) -> None:
    store = world.adapter()
    asked = await cancel(store, GUEST)
    if id == GUEST:
        await store.cancel_order(asked)
    elif id == SENT:
        asked = await cancel(store, SENT)
    else:
        del world.state.orders[GUEST]
    with pytest.raises(Refused) as refused:
        await store.cancel_order(asked)
    recorded = json.loads((CAPTURES / f"{capture}.json").read_text(encoding="utf-8"))
    answer = world.simulator.calls[-1]
    assert (answer.status, answer.answer["type"]) == (recorded["status"], recorded["body"]["type"])
    words = recorded["body"]["message"].replace(recorded["request"]["path"].split("/")[3], asked.order.source.native_id)
    assert answer.answer["message"] == words
    assert (refused.value.native[0].code, refused.value.native[0].message) == (recorded["body"]["type"], words)


async def test_a_cancellation_whose_answer_is_lost_is_found_by_reading(world: World) -> None:
    store = world.adapter()
    asked = await cancel(store, GUEST)
    world.faulty.faults = [Fault("se", "drop-after")]
    with pytest.raises(OutcomeUnknown):
        await store.cancel_order(asked)
    world.faulty.faults = []
    assert await store.happened(asked, NOW) == Done()


# ------------------------------------------------------------------------------------------------ returns


async def wanted(store: Medusa, action: str = "act-7", quantity: int = 1, **changed: Any) -> ReturnOrder:
    order = await one(store, SENT, ORDER_FACTS)
    line = ReturnedLine(
        order.lines[0], quantity, ReturnReason.SIZE_TOO_SMALL, ItemCondition.UNOPENED, "för\n liten  i axlarna"
    )
    return ReturnOrder(action, order, (line,), RequestedResolution.STORE_CREDIT, **changed)


class Stumble:
    """Lets calls through until the one named, which meets a fault; `then` is met by those after it."""

    def __init__(self, world: World, path: str, word: str, then: str | None = None) -> None:
        self.world, self.path, self.word, self.then = world, path, word, then
        self.met = False

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        word = self.then if self.met else None
        if not self.met and scope["method"] == "POST" and scope["path"].endswith(self.path):
            word, self.met = self.word, True
        self.world.faulty.faults = [Fault("se", word)] if word else []
        await self.world.faulty(scope, receive, send)


async def test_a_return_is_a_draft_its_items_and_a_confirmation(world: World) -> None:
    store = world.adapter()
    asked = await wanted(store, fees=(Fee(kind=FeeKind.RETURN_SHIPPING, amount=Money.of("49", "SEK")),))
    world.calls()
    assert await store.happened(asked, NOW) is None
    done = await store.return_order(asked)
    assert isinstance(done, Done)
    assert done.reference is not None
    calls = world.calls()
    assert [str(call) for call in calls] == [
        "GET /admin/returns",
        "GET /admin/returns",
        "GET /admin/return-reasons",
        "POST /admin/returns",
        f"POST /admin/returns/{done.reference}/request-items",
        f"POST /admin/returns/{done.reference}/request",
    ]
    assert calls[3].body == {
        "order_id": SENT,
        "internal_note": "Return agreed by Aftersale (action act-7). Resolution: STORE_CREDIT. "
        "Fee: RETURN_SHIPPING 49 SEK.",
        "metadata": {"aftersale_action": "act-7", "aftersale_resolution": "STORE_CREDIT"},
    }
    assert calls[4].body == {
        "items": [
            {
                "id": asked.lines[0].line.native_id,
                "quantity": 1,
                "internal_note": "Condition: UNOPENED. för liten i axlarna",
                "metadata": {"aftersale_reason": "SIZE_TOO_SMALL"},
            }
        ]
    }
    after = await one(store, SENT)
    [made] = after.returns or ()
    assert (made.source.native_id, made.status, made.resolution) == (
        done.reference,
        ReturnStatus.REQUESTED,
        ReturnResolution.STORE_CREDIT,
    )
    assert [(line.quantity, line.reason, line.line.id) for line in made.lines] == [
        (1, ReturnReason.SIZE_TOO_SMALL, after.lines[0].id)
    ]
    assert made.order is after
    assert after.return_status is OrderReturnStatus.REQUESTED
    assert (after.lines[0].quantity.returned, after.lines[0].quantity.returnable) == (1, 1)


async def test_asking_again_for_the_same_action_makes_no_second_return(world: World) -> None:
    store = world.adapter()
    asked = await wanted(store)
    done = await store.return_order(asked)
    writes = len(world.simulator.writes)
    assert await store.return_order(asked) == await store.happened(asked, NOW) == done
    assert len(world.simulator.writes) == writes
    # Another action's return of the same line is another return.
    assert await store.happened(await wanted(store, "act-8"), NOW) is None
    assert await store.return_order(await wanted(store, "act-8")) != done


async def test_the_shops_own_reasons_are_used_where_they_are_called_like_ours(world: World) -> None:
    reason = {"id": "rr_1", "value": "size-too-small", "label": "För liten", "description": None}
    dates = {"created_at": instant(NOW), "updated_at": instant(NOW)}
    world.state.return_reasons["rr_1"] = reason | dates
    store = world.adapter()
    await store.return_order(await wanted(store))
    [items] = [call for call in world.calls() if call.path.endswith("/request-items")]
    assert items.body["items"][0]["reason_id"] == "rr_1"
    [made] = (await one(store, SENT)).returns or ()
    assert made.lines[0].reason is ReturnReason.SIZE_TOO_SMALL


@pytest.mark.parametrize("path", ["/returns", "/request-items", "/request"])
@pytest.mark.parametrize("word", ["500-after", "drop-after", "500", "garbage", "truncate"])
async def test_whatever_is_lost_on_the_way_one_return_comes_of_it(world: World, path: str, word: str) -> None:
    store = world.adapter()
    asked = await wanted(store)
    world.door = Stumble(world, path, word)
    with pytest.raises(OutcomeUnknown):
        await store.return_order(asked)
    world.door = world.faulty
    world.faulty.faults = []
    confirmed = path == "/request" and word in ("500-after", "drop-after", "truncate")
    told = await store.happened(asked, NOW)
    assert (told is not None) == confirmed
    done = await store.return_order(asked)
    assert told in (None, done)
    assert await store.happened(asked, NOW) == done
    [made] = (await one(store, SENT)).returns or ()
    assert made.source.native_id == done.reference  # type: ignore[union-attr]
    assert (made.lines[0].quantity, len(world.state.returns), world.state.drafts) == (1, 1, {})


async def test_a_refused_return_leaves_no_draft_behind(world: World) -> None:
    store = world.adapter()
    asked = await wanted(store, quantity=3)
    with pytest.raises(Refused) as refused:
        await store.return_order(asked)
    assert refused.value.native[0].message.startswith("Cannot request to return more items than what was fulfilled")
    assert (world.state.returns, world.state.drafts) == ({}, {})
    assert [call.method for call in world.simulator.writes] == ["POST", "POST", "DELETE"]


async def test_a_draft_that_could_not_be_taken_away_is_not_called_nothing(world: World) -> None:
    store = world.adapter()
    asked = await wanted(store)
    world.door = Stumble(world, "/request-items", "429", then="429")
    with pytest.raises(OutcomeUnknown) as unknown:
        await store.return_order(asked)
    assert not unknown.value.not_executed
    assert unknown.value.store == "se"
    assert len(world.state.drafts) == 1
    world.door = world.faulty
    world.faulty.faults = []
    assert await store.happened(asked, NOW) is None
    assert isinstance(await store.return_order(asked), Done)
    assert (len(world.state.returns), world.state.drafts) == (1, {})


async def test_a_throttle_in_the_middle_is_one_where_the_draft_is_gone(world: World) -> None:
    store = world.adapter()
    asked = await wanted(store)
    world.door = Stumble(world, "/request", "429")
    with pytest.raises(Throttled):
        await store.return_order(asked)
    assert (world.state.returns, world.state.drafts) == ({}, {})


async def test_somebody_elses_draft_blocks_the_order_and_is_left_alone(world: World) -> None:
    store = world.adapter()
    asked = await wanted(store)
    world.simulator.begin_return(query=None, body={"order_id": SENT})  # type: ignore[arg-type]
    with pytest.raises(Refused) as refused:
        await store.return_order(asked)
    assert refused.value.native[0].message.endswith("already has an existing active order change")
    assert len(world.state.drafts) == 1


async def test_a_look_that_fails_before_anything_is_sent_says_so(world: World) -> None:
    store = world.adapter()
    asked = await wanted(store)
    world.faulty.faults = [Fault("se", "500")]
    with pytest.raises(Unavailable) as failed:
        await store.return_order(asked)
    assert failed.value.not_executed
    assert world.simulator.writes == []


# ------------------------------------------------------------------------------------------------ what is refused


async def test_a_wrong_key_is_told_as_such(world: World) -> None:
    with pytest.raises(BadCredentials) as wrong:
        await world.adapter(key="sk_wrong").probe()
    assert (wrong.value.store, wrong.value.native[0].http_status) == ("se", 401)
    recorded = json.loads((CAPTURES / "err_401_bad_key.json").read_text(encoding="utf-8"))
    assert world.simulator.calls[-1].answer == recorded["body"]


async def test_the_key_is_sent_and_never_shown(world: World) -> None:
    store = world.adapter(key="sk_very_secret")
    with pytest.raises(BadCredentials) as wrong:
        await store.probe()
    assert (
        "sk_very_secret" not in f"{wrong.value} {wrong.value.native} {store.config!r} {store.config.model_dump_json()}"
    )


async def test_an_address_without_a_medusa_is_told_as_such(world: World) -> None:
    store = world.adapter()
    store._transport._base += "/nowhere"
    with pytest.raises(Refused, match="`url` is not that of a Medusa 2 server"):
        await store.probe()
    recorded = json.loads((CAPTURES / "err_404_no_route.json").read_text(encoding="utf-8"))
    answer = world.simulator.calls.pop()
    assert (answer.status, answer.answer) == (
        recorded["status"],
        recorded["body"].replace("/admin/nope", "/nowhere/admin/stores"),
    )


@pytest.mark.parametrize("status", [403, 404, 502])
async def test_a_page_of_something_before_the_store_is_no_answer(world: World, status: int) -> None:
    world.simulator.wall = status
    store = world.adapter()
    with pytest.raises(Unavailable):
        await store.probe()
    world.simulator.wall = None
    asked = await cancel(store, GUEST)
    world.simulator.wall = status
    with pytest.raises(OutcomeUnknown):
        await store.cancel_order(asked)


def reply(status: int, body: Any, kind: str = "application/json; charset=utf-8") -> Reply:
    return Reply(status, {"content-type": kind}, body.encode() if isinstance(body, str) else json.dumps(body).encode())


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        (400, {"type": "not_allowed", "message": "No"}, Refused),
        (400, {"type": "invalid_data", "message": "No"}, Refused),
        (401, {"message": "Unauthorized"}, BadCredentials),
        (401, "Unauthorized", BadCredentials),
        (403, {"type": "forbidden", "message": "No"}, MissingScope),
        (404, {"type": "not_found", "message": "No"}, wire.Missing),
        (409, {"code": "invalid_state_error", "type": "conflict", "message": "No"}, Unavailable),
        (422, {"code": "invalid_request_error", "type": "duplicate_error", "message": "No"}, Refused),
        (422, {"type": "payment_authorization_error", "message": "No"}, Refused),
        (500, {"code": "api_error", "type": "database_error", "message": "No"}, Unavailable),
        (500, {"code": "unknown_error", "type": "unknown_error", "message": "An unknown error occurred."}, Unavailable),
        (418, {"type": "odd", "message": "No"}, Refused),
    ],
)
async def test_each_refusal_means_what_it_says(status: int, body: Any, error: type[PlatformError]) -> None:
    kind = "text/plain; charset=utf-8" if isinstance(body, str) else "application/json"
    with pytest.raises(PlatformError) as raised:
        wire.judge(reply(status, body, kind))
    assert type(raised.value) is error
    assert raised.value.native[0].http_status == status
    if isinstance(body, dict) and "type" in body:
        assert raised.value.native[0].code == body["type"]


async def test_what_is_no_refusal_passes() -> None:
    for status, body, kind in (
        (200, "{}", "application/json"),
        (429, "{}", "application/json"),
        (503, "", "text/html"),
    ):
        answer = reply(status, body, kind)
        assert wire.judge(answer) is answer


async def test_a_refusal_keeps_no_address(world: World) -> None:
    with pytest.raises(Refused) as refused:
        wire.judge(
            reply(400, {"type": "invalid_data", "message": "Customer with email: ada@example.com, exists." + "x" * 400})
        )
    assert "ada@example.com" not in refused.value.native[0].message
    assert len(refused.value.native[0].message) == 300


async def test_a_field_that_is_missing_is_named(world: World) -> None:
    del world.state.orders[SENT]["summary"]["paid_total"]
    with pytest.raises(Unreadable, match="paid_total"):
        await world.adapter().orders([SENT], OrderParts.NONE)


@pytest.mark.parametrize(
    "capture", ["err_400_bad_param", "err_400_bad_json", "err_refund_too_much", "err_400_refund_bad"]
)
async def test_the_simulator_refuses_as_it_was_recorded(world: World, capture: str) -> None:
    recorded = json.loads((CAPTURES / f"{capture}.json").read_text(encoding="utf-8"))
    asked = recorded["request"]
    path = asked["path"].replace("pay_01M84YV9X6P6CSQ2E0D0N5M173", native("pay", 3001))
    if capture == "err_400_bad_json":  # every route reads its body first
        path = path.replace("/admin/customers", "/admin/returns")
    body = asked.get("body")
    raw = body.encode() if isinstance(body, str) else json.dumps(body).encode() if body else b""
    answer = world.simulator._answered(
        asked["method"], path, tuple(asked["query"].items()), {"authorization": f"Basic {KEY}"}, raw
    )
    assert (answer.status, answer.body) == (recorded["status"], recorded["body"])


# ------------------------------------------------------------------------------------------------ refunds


async def refunding(store: Medusa, amount: str = "50.5", id: str = SENT, **changed: Any) -> RefundOrder:
    order = await one(store, id, ORDER_FACTS)
    asked = RefundOrder(
        "act-6",
        order,
        Money.of(amount, "SEK"),
        (),
        None,
        RefundChoice.ORIGINAL_PAYMENT,
        "Arrived\nchipped",
        refunds_before=frozenset(refund.id for refund in order.refunds or ()),
    )
    return replace(asked, **changed)


async def test_an_amount_is_paid_back_once_through_the_payments_provider(world: World) -> None:
    store = world.adapter()
    asked = await refunding(store)
    world.calls()
    done = await store.refund_order(asked)
    read, write, again = world.calls()
    assert (str(read), str(again)) == ("GET /admin/orders",) * 2
    assert str(write) == f"POST /admin/payments/{native('pay', 3001)}/refund"
    assert write.body == {"amount": 50.5, "note": "Arrived chipped (Aftersale action act-6)"}
    after = await one(store, SENT, ORDER_FACTS)
    [made] = after.refunds or ()
    assert done == Done(made.id.rpartition(":")[2])
    assert (made.amount.presentment, made.money_moved, made.reason) == (
        Money.of("50.5", "SEK"),
        MoneyMoved.YES,
        "Arrived chipped",
    )
    assert after.totals.refunded.shop.amount == Decimal("50.5")
    assert await store.happened(asked, NOW) == done
    assert await store.happened(replace(asked, action_id="act-7"), NOW) is None


async def test_lines_shipping_and_store_credit_are_not_offered(world: World) -> None:
    store = world.adapter()
    asked = await refunding(store)
    lines = (RefundedLine(asked.order.lines[0], 1),)
    world.calls()
    for ask in (RefundAsk(asked.order, lines), RefundAsk(asked.order, shipping=True)):
        with pytest.raises(Unsupported, match="ask for an amount"):
            await store.refund_sum(ask)
    for changed in (replace(asked, lines=lines), replace(asked, destination=RefundChoice.STORE_CREDIT)):
        with pytest.raises(Unsupported) as raised:
            await store.refund_order(changed)
        assert raised.value.action is ActionKind.REFUND_ORDER
    assert world.calls() == []


def paid_twice(world: World, first: int, provider: str = "pp_stripe_stripe") -> None:
    """The order's one payment becomes two."""
    [collection] = world.state.orders[SENT]["payment_collections"]
    [whole] = collection["payments"]
    total = whole["captures"][0]["amount"]
    parts = []
    for id, amount in (("pay_one", first), ("pay_two", total - first)):
        part = copy.deepcopy(whole) | {"id": id, "provider_id": provider, "amount": amount}
        part["captures"][0]["amount"] = amount
        parts.append(part)
    collection["payments"] = parts


async def test_of_several_payments_the_one_that_has_enough_pays_and_never_two(world: World) -> None:
    paid_twice(world, 30)
    store = world.adapter()
    await store.refund_order(await refunding(store, "40"))
    assert [write.path for write in world.simulator.writes] == ["/admin/payments/pay_two/refund"]
    left = (await one(store, SENT, ORDER_FACTS)).totals.refundable.shop.amount
    with pytest.raises(Refused, match="several payments"):
        await store.refund_order(await refunding(store, str(left), action_id="act-7"))
    with pytest.raises(Refused, match="more than is left"):
        await store.refund_order(await refunding(store, str(left + 1), action_id="act-8"))
    assert len(world.simulator.writes) == 1


async def test_a_payment_that_is_settled_by_hand_comes_last(world: World) -> None:
    paid_twice(world, 100)
    [collection] = world.state.orders[SENT]["payment_collections"]
    collection["payments"][0]["provider_id"] = "pp_system_default"
    store = world.adapter()
    await store.refund_order(await refunding(store, "40"))
    assert world.simulator.writes[0].path == "/admin/payments/pay_two/refund"
    collection["payments"][1]["provider_id"] = "pp_system_default"
    [made] = (await one(store, SENT, ORDER_FACTS)).refunds or ()
    assert made.money_moved is MoneyMoved.NO


async def test_an_authorisation_is_not_paid_back(world: World) -> None:
    store = world.adapter()
    with pytest.raises(Refused, match="captured"):
        await store.refund_order(await refunding(store, "1", AUTHORISED))
    assert world.simulator.writes == []


@pytest.mark.parametrize("word", ["500-after", "drop-after", "truncate", "500", "drop"])
async def test_a_refund_whose_answer_is_lost_is_unknown_and_then_read(world: World, word: str) -> None:
    store = world.adapter()
    asked = await refunding(store)
    world.faulty.faults = [Fault("se", word, path="/refund")]
    with pytest.raises(OutcomeUnknown):
        await store.refund_order(asked)
    world.faulty.faults = []
    told = await store.happened(asked, NOW)
    refunds = (await one(store, SENT, ORDER_FACTS)).refunds or []
    assert told == (Done(refunds[0].id.rpartition(":")[2]) if word in ("500-after", "drop-after", "truncate") else None)
    assert len(world.simulator.writes) == len(refunds)


async def test_a_refund_is_done_though_what_it_is_called_cannot_be_read(world: World) -> None:
    store = world.adapter()
    asked = await refunding(store)

    async def dumb_after(scope: Any, receive: Any, send: Any) -> None:
        world.simulator.wall = 502 if world.simulator.writes else None
        await world.simulator(scope, receive, send)

    world.faulty.app = dumb_after
    assert await store.refund_order(asked) == Done()
    world.simulator.wall = None


# ------------------------------------------------------------------------------------------------ what it is


async def test_there_are_no_subscriptions(world: World) -> None:
    store = world.adapter()
    assert not [operation for operation in store.operations if "SUBSCRIPTION" in operation.name]
    assert store.capability(ActionKind.PAUSE_SUBSCRIPTION).support is SupportLevel.UNSUPPORTED
    with pytest.raises(Unsupported):
        await store.job_now("job")
    assert store.supports(Operation.RETURN_ORDER)
    assert world.calls() == []


def config(**changed: Any) -> MedusaConfig:
    values = {"id": "se", "url": "https://api.example.com/", "credentials": {"secret_key": SecretText("sk_1")}}
    return MedusaConfig.model_validate(values | changed)


async def test_the_address_is_kept_without_a_slash_and_must_be_public() -> None:
    assert config().url == "https://api.example.com"
    for url in ("http://api.example.com", "https://127.0.0.1", "https://user:pw@api.example.com", "nonsense"):
        with pytest.raises(ValidationError):
            config(url=url)
    with pytest.raises(ValidationError):
        config(credentials={"secret_key": "sk_plain"})
    with pytest.raises(ValidationError):
        config(colour="blue")
