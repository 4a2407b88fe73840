"""The commercetools adapter over a real socket, against its simulator; calls and answers are held to the definition."""

from __future__ import annotations

import asyncio
import copy
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
import pytest_asyncio

from platforms.base import (
    ORDER_FACTS,
    CancelOrder,
    CancelSubscription,
    Done,
    OrdersQuery,
    PauseSubscription,
    Person,
    RefundAsk,
    RefundedLine,
    RefundOrder,
    ResumeSubscription,
    ReturnedLine,
    ReturnOrder,
    Services,
    SubscriptionsQuery,
)
from platforms.commercetools.adapter import Commercetools, CommercetoolsConfig, Credentials
from platforms.commercetools.seed import native, seed
from platforms.commercetools.simulator import CLIENT_ID, CLIENT_SECRET, SCOPES, Body, Received, Simulator, stamp
from platforms.errors import BadCredentials, MissingScope, OutcomeUnknown, Refused, Unavailable, Unreadable, Unsupported
from platforms.secrets import SecretText
from platforms.transport import Limits
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
    DeliveryStatus,
    FeeKind,
    FulfillmentStatus,
    HealthStatus,
    IntervalUnit,
    ItemCondition,
    MoneyMoved,
    OrderReturnStatus,
    OrderStatus,
    PaymentStatus,
    RecordHolder,
    RefundChoice,
    RefundStatus,
    RequestedResolution,
    ReturnReason,
    ReturnResolution,
    ReturnStatus,
    SubscriptionStatus,
    SupportLevel,
)
from tests.platforms.commercetools_contract import DEFINITION, NAMES, complaints, faults, names_of

pytestmark = pytest.mark.asyncio(loop_scope="module")

NOW = datetime(2026, 11, 23, 12, 0, 30, tzinfo=UTC)
ADA, EMIL, ANN, GRETA = (canonical_email(f"{name}@example.com") for name in ("ada", "emil", "ann", "greta"))
PACKED, SENT, GUEST = (native("order", number) for number in (3001, 3002, 3003))
ADA_ID, GRETA_ID = native("customer", 1), native("customer", 2)
COFFEE = native("recurring", 1)
FAST = Limits(retries=0, backoff=0.001, whole=5.0)


class World:
    """One project behind a socket, and the adapter that speaks to it."""

    def __init__(self, url: str) -> None:
        self.now = NOW
        self.simulator = Simulator(seed(NOW), clock=lambda: self.now)
        self.faulty = Faulty(self.simulator, "de")
        self.url = url
        self.checked: list[Received] = []
        self._opened: list[Commercetools] = []

    @property
    def state(self) -> Any:
        return self.simulator.state

    def adapter(self, *, secret: str = CLIENT_SECRET, limits: Limits = FAST, **changed: Any) -> Commercetools:
        settings: dict[str, Any] = {
            "id": "de",
            "project": "acme-de",
            "url": self.url,
            "auth_url": self.url,
            "time_zone": "Europe/Berlin",
            "currency": "EUR",
            "locale": "de-DE",
            "allow_private_address": True,
            "credentials": Credentials(client_id=SecretText(CLIENT_ID), client_secret=SecretText(secret)),
        }
        config = CommercetoolsConfig(**(settings | changed))
        self._opened.append(Commercetools(config, Services(clock=lambda: self.now, limits=limits)))
        return self._opened[-1]

    async def close(self) -> None:
        for one in self._opened:
            await one.close()

    def calls(self) -> list[Received]:
        """The calls since it was last asked, without those for a token."""
        found = [call for call in self.simulator.calls if call.path != "/oauth/token"]
        self.checked.extend(self.simulator.calls)
        self.simulator.calls.clear()
        return found

    def add_order(self, number: int, like: str = PACKED, **changed: Any) -> Body:
        """An order copied from another; `customerId=None` makes it a guest's."""
        row: Body = copy.deepcopy(self.state.orders[like])
        row |= {"id": native("order", number), "orderNumber": f"D-{number}"} | changed
        if row["customerId"] is None:
            del row["customerId"]
        self.state.orders[row["id"]] = row
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
    assert [fault for received in (*world.checked, *world.simulator.calls) for fault in faults(received)] == []


@pytest.mark.skipif(not DEFINITION.exists(), reason="the vendor's definition is not at hand")
async def test_the_names_kept_here_are_those_of_the_definition() -> None:
    assert names_of(json.loads(DEFINITION.read_text(encoding="utf-8"))) == NAMES


@pytest.mark.parametrize(
    ("value", "kind", "said"),
    [
        ({"version": 1, "actions": [{"action": "changeOrderState", "orderState": "Gone"}]}, "OrderUpdate", "Gone"),
        ({"version": 1, "actions": [{"action": "changeOrderState", "state": "Open"}]}, "OrderUpdate", "state"),
        ({"actions": []}, "OrderUpdate", "version is missing"),
        ({"version": "1", "actions": []}, "OrderUpdate", "no integer"),
        ({"version": True, "actions": []}, "OrderUpdate", "no integer"),
        ({"limit": 1, "offset": 0, "count": 0, "results": [{}]}, "OrderPagedQueryResponse", "totalPrice is missing"),
    ],
)
async def test_what_the_definition_does_not_allow_is_found(value: Any, kind: str, said: str) -> None:
    assert any(said in one for one in complaints(value, kind))


# ------------------------------------------------------------------ orders
def person(email: Email, adapter: Commercetools) -> Person:
    async def profiles() -> Any:
        return (await adapter.profiles([email]))[email]

    return Person(email, profiles)


async def one(adapter: Commercetools, id: str, parts: OrderParts = OrderParts.ALL) -> Order:
    return (await adapter.orders([id], parts))[id]


async def contract(adapter: Commercetools, parts: SubscriptionParts = SubscriptionParts.ALL) -> Subscription:
    return (await adapter.subscriptions([COFFEE], parts))[COFFEE]


async def test_an_order_is_told_in_our_words(world: World) -> None:
    order = await one(world.adapter(), SENT)
    assert (order.number, order.owner, order.email, order.customer_native_id) == ("D-3002", ADA, ADA, ADA_ID)
    assert (order.status, order.payment_status) == (OrderStatus.COMPLETED, PaymentStatus.PAID)
    assert (order.fulfillment_status, order.return_status) == (FulfillmentStatus.FULFILLED, OrderReturnStatus.NONE)
    assert (order.native_status, order.placed_at) == ("Complete", NOW - timedelta(days=9))
    assert order.totals.total.shop == Money.of("76.30", "EUR")
    assert order.totals.subtotal.shop == Money.of("71.40", "EUR")
    assert order.totals.shipping is not None
    assert order.totals.shipping.shop == Money.of("4.90", "EUR")
    assert order.totals.tax is not None
    assert order.totals.tax.shop == Money.of("12.18", "EUR")
    assert order.totals.refundable.shop == Money.of("76.30", "EUR")
    scarf, coffee = order.lines
    assert (scarf.title, scarf.sku, scarf.product_type) == ("Wollschal", "SCHAL-ROT", "Bekleidung")
    assert scarf.product_ref == ProductRef("de", native("product", 3), "2")
    assert (scarf.quantity.fulfilled, scarf.quantity.returnable, scarf.quantity.delivered) == (1, 1, None)
    assert coffee.unit_price.shop == Money.of("21.90", "EUR")
    [parcel] = order.fulfillments or []
    assert (parcel.status, parcel.carrier, parcel.tracking_number) == (
        DeliveryStatus.SHIPPED,
        "DHL",
        "00340434161094042557",
    )
    assert (parcel.shipped_at, parcel.delivered_at) == (NOW - timedelta(days=6), None)
    assert [(line.line.sku, line.quantity) for line in parcel.lines] == [("SCHAL-ROT", 1), ("KAFFEE-1KG", 1)]
    assert (order.returns, order.refunds, order.disputed) == ([], [], False)
    assert order.shipping_address is not None
    assert (order.shipping_address.line1, order.shipping_country) == ("Torstraße 140", "DE")
    assert (order.customer_segments, order.customer_tags) == (["stammkunden"], None)
    assert order.source.raw_values is not None
    assert order.source.raw_values["version"] == 1


async def test_a_workflow_state_of_the_merchants_is_kept_in_its_own_word(world: World) -> None:
    order = await one(world.adapter(), PACKED, OrderParts.NONE)
    assert (order.status, order.native_status) == (OrderStatus.OPEN, "Confirmed, in-picking")
    assert (await one(world.adapter(), GUEST, OrderParts.NONE)).status is OrderStatus.PENDING


async def test_orders_come_in_one_call_and_their_owners_in_another(world: World) -> None:
    adapter = world.adapter()
    await adapter.orders([PACKED, SENT, GUEST], OrderParts.ALL)
    orders, customers = world.calls()
    assert (orders.path, customers.path) == ("/orders", "/customers")
    assert [value for name, value in orders.query if name == "where"] == ["id in :values"]
    assert [value for name, value in orders.query if name == "var.values"] == [PACKED, SENT, GUEST]
    assert [value for name, value in customers.query if name == "var.values"] == [ADA_ID]
    await adapter.orders([GUEST], OrderParts.NONE)
    [alone] = world.calls()
    assert [value for name, value in alone.query if name == "expand"] == ["state", "paymentInfo.payments[*]"]
    ids = [native("order", 5000 + number) for number in range(150)]
    assert await adapter.orders(ids, OrderParts.NONE) == {}
    assert len(world.calls()) == 2


async def test_values_never_become_part_of_a_predicate(world: World) -> None:
    adapter = world.adapter()
    number = 'x" or orderNumber != "'
    assert await adapter.orders_by_number(number, OrderParts.NONE) == []
    [call] = world.calls()
    assert [value for name, value in call.query if name == "where"] == ["orderNumber in :numbers"]
    assert [value for name, value in call.query if name == "var.numbers"] == [number, f"#{number}"]
    odd = canonical_email("o'hara=x@example.com")
    assert await adapter.profiles([odd]) == {odd: []}
    [call] = world.calls()
    assert all(odd not in value for name, value in call.query if name == "where")


async def test_an_order_without_a_number_is_known_by_its_id(world: World) -> None:
    row = world.add_order(3010)
    del row["orderNumber"]
    adapter = world.adapter()
    [order] = await adapter.orders_by_number(row["id"], OrderParts.NONE)
    assert (order.number, order.source.native_id) == (row["id"], row["id"])
    row["orderNumber"] = "#4711"
    assert [order.number for order in await adapter.orders_by_number("4711", OrderParts.NONE)] == ["4711"]


async def numbers_of(adapter: Commercetools, email: Email, first: int = 20, **query: Any) -> list[str]:
    found: list[str] = []
    after = None
    for _ in range(100):
        page = await adapter.orders_of(person(email, adapter), OrdersQuery(first, after, **query), OrderParts.NONE)
        found += [row.node.number for row in page.rows]
        if not page.more:
            return found
        after = page.rows[-1].position if page.rows else page.end
        assert after is not None
    raise AssertionError("the list never ends")


async def test_the_owner_is_the_record_and_not_the_address_on_the_order(world: World) -> None:
    adapter = world.adapter()
    world.add_order(
        3020, createdAt=stamp(NOW - timedelta(days=20)), customerId=GRETA_ID, customerEmail="ada@example.com"
    )
    world.add_order(3021, createdAt=stamp(NOW - timedelta(days=21)), customerId=None, customerEmail="Ada@Example.com")
    world.add_order(3022, createdAt=stamp(NOW - timedelta(days=22)), customerId=native("customer", 99))
    assert await numbers_of(adapter, ADA) == ["D-3001", "D-3002", "D-3022"]
    assert await numbers_of(adapter, GRETA) == ["D-3020"]
    world.state.customers[ADA_ID]["email"] = "Ada@Example.com"  # as it is written in the record, too
    assert await numbers_of(adapter, ADA) == ["D-3001", "D-3002", "D-3021", "D-3022"]
    world.state.customers[ADA_ID]["email"] = "ada.king@example.com"
    assert await numbers_of(adapter, ADA) == ["D-3022"]
    assert await numbers_of(adapter, canonical_email("ada.king@example.com")) == ["D-3001", "D-3002"]


async def test_a_list_full_of_others_orders_goes_on_behind_them(world: World) -> None:
    adapter = world.adapter()
    for number in range(60):
        world.add_order(6000 + number, customerId=GRETA_ID, createdAt=stamp(NOW - timedelta(minutes=number)))
    page = await adapter.orders_of(person(ADA, adapter), OrdersQuery(2), OrderParts.NONE)
    assert (list(page.rows), page.more) == ([], True)
    assert page.end is not None
    assert await numbers_of(adapter, ADA, 2) == ["D-3001", "D-3002"]


async def test_statuses_and_bounds_are_asked_for(world: World) -> None:
    adapter = world.adapter()
    assert await numbers_of(adapter, EMIL, status=frozenset({OrderStatus.PENDING})) == ["D-3003"]
    assert await numbers_of(adapter, EMIL, status=frozenset({OrderStatus.OPEN})) == []
    world.calls()
    assert await numbers_of(adapter, ADA, status=frozenset({OrderStatus.ON_HOLD})) == []
    assert world.calls() == []  # no order here is ever on hold
    placed = NOW - timedelta(days=6)
    between = placed + timedelta(microseconds=400)  # finer than the platform's milliseconds
    assert await numbers_of(adapter, ADA, placed_before=between) == ["D-3001", "D-3002"]
    assert await numbers_of(adapter, ADA, placed_before=placed) == ["D-3002"]
    assert await numbers_of(adapter, ADA, placed_after=placed) == ["D-3001"]
    assert await numbers_of(adapter, ADA, placed_after=between) == []


@pytest.mark.parametrize(
    "after", ["", "x", "2026-11-23/nobody", f"yesterday/{PACKED}", f"2026-11-23T10:00:00/{PACKED}"]
)
async def test_a_position_of_nobodys_list_is_refused(world: World, after: str) -> None:
    adapter = world.adapter()
    if after:
        with pytest.raises(Refused):
            await adapter.orders_of(Person.known(ADA), OrdersQuery(2, after), OrderParts.NONE)
        with pytest.raises(Refused):
            await adapter.subscriptions_of(Person.known(ADA), SubscriptionsQuery(2, after), SubscriptionParts.NONE)
    else:
        assert (await adapter.orders_of(Person.known(ADA), OrdersQuery(2, after), OrderParts.NONE)).rows


async def test_refunds_and_chargebacks_come_from_the_payments(world: World) -> None:
    adapter = world.adapter()
    payment = world.state.payments[native("payment", 3002)]

    def add(kind: str, cents: int, state: str) -> None:
        money = payment["amountPlanned"] | {"centAmount": cents}
        made = {"id": f"t{len(payment['transactions'])}", "type": kind, "amount": money, "state": state}
        payment["transactions"].append(made | {"timestamp": stamp(NOW - timedelta(days=1))})

    add("Refund", 1000, "Success")
    add("Refund", 500, "Initial")
    add("Refund", 99, "Failure")
    order = await one(adapter, SENT)
    assert order.payment_status is PaymentStatus.PARTIALLY_REFUNDED
    assert order.totals.refunded.shop.amount == Decimal("10.00")
    assert order.totals.refundable.shop.amount == Decimal("61.30")
    refunds = order.refunds or []
    assert [(one.amount.shop.amount, one.money_moved) for one in refunds] == [
        (Decimal("10.00"), MoneyMoved.YES),
        (Decimal("5.00"), MoneyMoved.UNKNOWN),
        (Decimal("0.99"), MoneyMoved.NO),
    ]
    assert {line.quantity.refundable for line in order.lines} == {None}
    add("Chargeback", 6130, "Success")
    order = await one(adapter, SENT)
    assert (order.payment_status, order.disputed) == (PaymentStatus.DISPUTED, True)
    assert order.totals.refundable.shop.amount == 0


async def test_a_payment_that_cannot_be_read_is_no_money_to_pay_back(world: World) -> None:
    world.state.payments.clear()
    order = await one(world.adapter(), SENT)
    assert (order.refunds, order.disputed, order.totals.refundable.shop.amount) == (None, None, 0)
    assert order.payment_status is PaymentStatus.PAID
    assert {line.quantity.refundable for line in order.lines} == {None}


# ------------------------------------------------------------------ refunds
async def refunding(adapter: Commercetools, amount: str = "10.00", **changed: Any) -> RefundOrder:
    order = await one(adapter, SENT, ORDER_FACTS)
    asked = RefundOrder(
        "act-6",
        order,
        Money.of(amount, "EUR"),
        (),
        None,
        RefundChoice.ORIGINAL_PAYMENT,
        "Arrived stained",
        refunds_before=frozenset(refund.id for refund in order.refunds or ()),
    )
    return replace(asked, **changed)


def refund_body(version: int, cents: int) -> Body:
    transaction = {
        "type": "Refund",
        "state": "Initial",
        "amount": {"currencyCode": "EUR", "centAmount": cents},
        "timestamp": stamp(NOW),
        "interactionId": "aftersale-act-6",
    }
    return {"version": version, "actions": [{"action": "addTransaction", "transaction": transaction}]}


async def test_a_refund_is_written_down_once_for_others_to_carry_out(world: World) -> None:
    adapter = world.adapter()
    asked = await refunding(adapter)
    world.calls()
    done = await adapter.refund_order(asked)
    read, write = world.calls()
    assert (str(read), str(write)) == ("GET /orders", f"POST /payments/{native('payment', 3002)}")
    assert write.body == refund_body(1, 1000)
    order = await one(adapter, SENT, ORDER_FACTS)
    [made] = order.refunds or []
    assert done == Done(made.id.rpartition(":")[2])
    assert (made.status, made.money_moved, made.created_at) == (RefundStatus.PENDING, MoneyMoved.UNKNOWN, NOW)
    before = asked.order.totals
    assert order.totals.refunded.shop.amount == 0
    assert before.refundable.shop.amount - order.totals.refundable.shop.amount == 10
    assert await adapter.happened(asked, NOW) == done
    assert await adapter.happened(replace(asked, action_id="act-7"), NOW) is None


async def test_a_refund_is_still_found_when_the_payment_service_has_taken_it_and_not_when_it_failed(
    world: World,
) -> None:
    adapter = world.adapter()
    asked = await refunding(adapter)
    done = await adapter.refund_order(asked)
    made = world.state.payments[native("payment", 3002)]["transactions"][-1]
    made |= {"state": "Success", "interactionId": "re_123"}
    assert await adapter.happened(asked, NOW) == done
    known = frozenset(refund.id for refund in (await one(adapter, SENT, ORDER_FACTS)).refunds or ())
    assert await adapter.happened(replace(asked, refunds_before=known), NOW) is None
    made |= {"state": "Failure"}
    assert await adapter.happened(asked, NOW) is None


async def test_lines_shipping_and_store_credit_are_not_paid_back(world: World) -> None:
    adapter = world.adapter()
    asked = await refunding(adapter)
    lines = (RefundedLine(asked.order.lines[0], 1),)
    world.calls()
    for ask in (RefundAsk(asked.order, lines), RefundAsk(asked.order, shipping=True)):
        with pytest.raises(Unsupported, match="records sums only"):
            await adapter.refund_sum(ask)
    for changed in (replace(asked, lines=lines), replace(asked, destination=RefundChoice.STORE_CREDIT)):
        with pytest.raises(Unsupported) as raised:
            await adapter.refund_order(changed)
        assert raised.value.action is ActionKind.REFUND_ORDER
    assert world.calls() == []


async def test_a_payment_that_changed_meanwhile_is_looked_at_again_and_written_to_once(world: World) -> None:
    payment = world.state.payments[native("payment", 3002)]
    adapter = world.adapter()
    asked = await refunding(adapter)
    world.simulator.meanwhile = lambda: payment.update(version=5)
    await adapter.refund_order(asked)
    assert [(write.status, write.body["version"]) for write in world.simulator.writes] == [(409, 1), (200, 5)]
    assert len([one for one in payment["transactions"] if one["type"] == "Refund"]) == 1


async def test_somebody_elses_refund_in_between_is_a_refusal(world: World) -> None:
    payment = world.state.payments[native("payment", 3002)]

    def somebody() -> None:
        payment["version"] += 1
        payment["transactions"].append(
            {
                "id": "t9",
                "type": "Refund",
                "state": "Initial",
                "amount": payment["amountPlanned"] | {"centAmount": 1000},
            }
        )

    adapter = world.adapter()
    asked = await refunding(adapter)
    world.simulator.meanwhile = somebody
    with pytest.raises(Refused, match="changed since"):
        await adapter.refund_order(asked)
    assert [write.status for write in world.simulator.writes] == [409]


async def test_of_several_payments_one_that_has_enough_is_taken_and_never_two(world: World) -> None:
    first = world.state.payments[native("payment", 3002)]
    whole = first["transactions"][0]["amount"]["centAmount"]
    second = copy.deepcopy(first) | {"id": native("payment", 4002)}
    world.state.payments[second["id"]] = second
    for payment, cents in ((first, 500), (second, whole - 500)):
        payment["transactions"][0]["amount"] = payment["amountPlanned"] | {"centAmount": cents}
    world.state.orders[SENT]["paymentInfo"]["payments"].append({"typeId": "payment", "id": second["id"]})
    adapter = world.adapter()
    await adapter.refund_order(await refunding(adapter))
    assert [write.path for write in world.simulator.writes] == [f"/payments/{second['id']}"]
    left = (await one(adapter, SENT, ORDER_FACTS)).totals.refundable.shop.amount
    with pytest.raises(Refused, match="several payments"):
        await adapter.refund_order(await refunding(adapter, str(left), action_id="act-7"))
    with pytest.raises(Refused, match="more than is left"):
        await adapter.refund_order(await refunding(adapter, str(left + 1), action_id="act-8"))
    with pytest.raises(Refused, match="decimals"):
        await adapter.refund_order(await refunding(adapter, "1.005", action_id="act-9"))
    assert len(world.simulator.writes) == 1


async def test_a_payment_that_was_not_brought_along_is_not_paid_back(world: World) -> None:
    adapter = world.adapter()
    asked = await refunding(adapter)
    world.state.payments.clear()
    with pytest.raises(Unreadable) as raised:
        await adapter.refund_order(asked)
    assert raised.value.not_executed
    with pytest.raises(Unreadable):
        await adapter.happened(asked, NOW)


@pytest.mark.parametrize("word", ["500-after", "drop-after", "truncate", "500", "drop"])
async def test_a_refund_whose_answer_is_lost_is_unknown_and_then_read(world: World, word: str) -> None:
    adapter = world.adapter()
    asked = await refunding(adapter)
    world.faulty.faults = [Fault("de", word, path="/payments/")]
    with pytest.raises(OutcomeUnknown):
        await adapter.refund_order(asked)
    world.faulty.faults = []
    made = [one["id"] for one in world.state.payments[native("payment", 3002)]["transactions"][1:]]
    assert len(made) == len(world.simulator.writes) == (0 if word in ("500", "drop") else 1)
    assert await adapter.happened(asked, NOW) == (Done(made[0]) if made else None)


async def test_a_missing_scope_to_refund_is_named(world: World) -> None:
    world.simulator.scopes = tuple(one for one in SCOPES if one != "manage_payments")
    adapter = world.adapter()
    await adapter.probe()
    capability = adapter.capability(ActionKind.REFUND_ORDER)
    assert (capability.support, capability.note) == (
        SupportLevel.MISSING_SCOPE,
        "The store's credentials lack: manage_payments:acme-de.",
    )
    with pytest.raises(MissingScope):
        await adapter.refund_order(await refunding(adapter))
    assert adapter.capability(ActionKind.CANCEL_ORDER).support is SupportLevel.EMULATED


# ------------------------------------------------------------------ who we are
async def test_one_token_serves_many_calls_and_is_renewed_once(world: World) -> None:
    adapter = world.adapter()
    await asyncio.gather(*(adapter.profiles([ADA]) for _ in range(5)))
    assert world.simulator.tokens == ["token-1"]
    world.simulator.tokens.clear()  # revoked
    await asyncio.gather(*(adapter.profiles([ADA]) for _ in range(5)))
    assert len(world.simulator.tokens) == 1


async def test_a_write_with_a_revoked_token_is_sent_again_with_another(world: World) -> None:
    adapter = world.adapter()
    order = await one(adapter, PACKED, ORDER_FACTS)
    world.simulator.tokens.clear()
    assert await adapter.cancel_order(cancel(order)) == Done()
    assert [call.status for call in world.simulator.writes] == [401, 200]


async def test_wrong_credentials_say_so(world: World) -> None:
    adapter = world.adapter(secret="wrong")
    for ask in (adapter.probe(), adapter.orders([PACKED], OrderParts.NONE)):
        with pytest.raises(BadCredentials) as raised:
            await ask
        assert raised.value.store == "de"
        assert raised.value.native[0].code == "invalid_client"
    assert "wrong" not in repr(adapter.config)


async def test_a_token_that_is_never_taken_is_asked_for_twice_only(world: World) -> None:
    adapter = world.adapter()

    class Forgetful(list[str]):
        def __contains__(self, key: object) -> bool:
            return False

    world.simulator.tokens = Forgetful()
    with pytest.raises(BadCredentials):
        await adapter.profiles([ADA])
    assert [call.path for call in world.simulator.calls] == ["/oauth/token", "/customers"] * 2


async def test_a_wrong_project_says_so(world: World) -> None:
    with pytest.raises(Refused, match="there is no project acme-fr"):
        await world.adapter(project="acme-fr").probe()


async def test_something_before_the_api_is_not_taken_for_it(world: World) -> None:
    adapter = world.adapter()
    order = await one(adapter, PACKED, ORDER_FACTS)
    world.simulator.wall = 403
    with pytest.raises(Unavailable):
        await adapter.profiles([ADA])
    with pytest.raises(OutcomeUnknown):
        await adapter.cancel_order(cancel(order))
    with pytest.raises(Unavailable):
        await world.adapter().probe()


async def test_the_probe_tells_currency_scopes_and_what_is_odd(world: World) -> None:
    found = await world.adapter(currency=None).probe()
    assert (found.currency, dict(found.missing_scopes), found.warnings) == ("EUR", {}, ())
    world.simulator.scopes = ("view_orders", "view_products", "view_recurring_orders")
    poor = world.adapter()
    found = await poor.probe()
    assert found.missing_scopes[ActionKind.CANCEL_ORDER] == ("manage_orders:acme-de",)
    assert found.missing_scopes[ActionKind.PAUSE_SUBSCRIPTION] == ("manage_recurring_orders:acme-de",)
    assert [warning.partition(":")[0] for warning in found.warnings] == [
        "The project's settings could not be read without view_project_settings",
        "The API client lacks view_customers",
    ]
    assert poor.capability(ActionKind.RETURN_ORDER).support is SupportLevel.MISSING_SCOPE
    world.simulator.scopes = ("manage_project",)
    world.state.currencies.append("CHF")
    found = await world.adapter(currency="USD").probe()
    assert (found.currency, dict(found.missing_scopes)) == ("USD", {})
    assert found.warnings == ("The project sells in EUR, CHF, not in USD.",)


async def test_a_scope_for_one_store_of_the_project_does_not_reach_its_orders(world: World) -> None:
    world.simulator.scopes = (*SCOPES[2:], "view_orders", "manage_orders:acme-de:berlin")
    found = await world.adapter().probe()
    assert found.missing_scopes[ActionKind.CANCEL_ORDER] == ("manage_orders:acme-de",)


async def test_a_missing_scope_is_remembered(world: World) -> None:
    adapter = world.adapter()
    order = await one(adapter, PACKED, ORDER_FACTS)
    await adapter.probe()
    world.simulator.scopes = ("view_orders",)
    with pytest.raises(MissingScope) as raised:
        await adapter.cancel_order(cancel(order))
    assert raised.value.scopes == ("manage_orders:acme-de",)
    assert adapter.capability(ActionKind.CANCEL_ORDER).support is SupportLevel.MISSING_SCOPE
    assert adapter.capability(ActionKind.PAUSE_SUBSCRIPTION).support is SupportLevel.EMULATED
    assert world.state.orders[PACKED]["orderState"] == "Confirmed"


async def test_refusals_keep_their_code_and_lose_addresses(world: World) -> None:
    adapter = world.adapter()
    with pytest.raises(Refused) as raised:
        await adapter._all("x", "orders", [wire_where("nope = 1")], dict[str, Any])
    assert raised.value.native[0].code == "InvalidInput"
    assert raised.value.native[0].http_status == 400
    assert adapter.health().status is HealthStatus.OK


def wire_where(text: str) -> Any:
    from platforms.commercetools.wire import Where

    return Where(text)


# ------------------------------------------------------------------ customers and products
async def test_records_are_found_whatever_their_letter_case_and_in_one_call(world: World) -> None:
    world.state.customers[ADA_ID]["email"] = "Ada@Example.com"
    adapter = world.adapter()
    found = await adapter.profiles([ADA, GRETA, ANN])
    assert len(world.calls()) == 1
    assert {email: [one.source.native_id for one in rows] for email, rows in found.items()} == {
        ADA: [ADA_ID],
        GRETA: [GRETA_ID],
        ANN: [],
    }
    [ada] = found[ADA]
    assert (ada.display_name, ada.email, ada.owner) == ("Ada Lovelace", "Ada@Example.com", ADA)
    assert (ada.phone, ada.locale, ada.segments) == ("+49 30 5550131", "de-DE", ["stammkunden"])
    assert [address.city for address in ada.addresses] == ["Berlin"]


async def test_a_product_has_its_forms_and_prices(world: World) -> None:
    scarf = native("product", 3)
    row = world.state.products[scarf]
    own = row["masterVariant"]["prices"][0]
    row["masterVariant"]["prices"].append(
        own | {"id": "at", "country": "AT", "value": own["value"] | {"centAmount": 5150}}
    )
    row["variants"][0]["prices"][0]["discounted"] = {
        "value": own["value"] | {"centAmount": 3950},
        "discount": {"typeId": "product-discount", "id": "d1"},
    }
    found = (await world.adapter(locale="en").products([scarf]))[scarf]
    assert (found.title, found.handle, found.product_type) == ("Wool scarf", "wollschal", "Bekleidung")
    assert [(one.title, one.sku) for one in found.all_variants] == [("blau", "SCHAL-BLAU"), ("rot", "SCHAL-ROT")]
    assert [(option.name, option.value) for option in found.all_variants[1].options] == [("color", "rot")]
    assert found.all_variants[1].compare_at_price == Money.of("49.50", "EUR")
    assert (found.price_min, found.price_max) == (Money.of("39.50", "EUR"), Money.of("49.50", "EUR"))
    assert (found.all_variants[0].available, found.all_variants[0].inventory_quantity) == (True, 12)
    austrian = (await world.adapter(country="AT").products([scarf]))[scarf]
    assert austrian.price_max == Money.of("51.50", "EUR")
    row["published"] = False
    assert await world.adapter().products([scarf]) == {}


async def test_the_currency_of_prices_is_asked_for_once_where_it_is_not_configured(world: World) -> None:
    adapter = world.adapter(currency=None)
    pen = native("product", 2)
    for _ in range(2):
        assert (await adapter.products([pen]))[pen].price_min == Money.of("39.00", "EUR")
    assert [call.path for call in world.calls()] == ["", "/product-projections", "/product-projections"]


# ------------------------------------------------------------------ cancelling
def cancel(order: Order) -> CancelOrder:
    return CancelOrder("act-1", order, CancelReason.CUSTOMER, RefundChoice.NONE, False, False)


async def test_cancelling_is_for_the_version_that_was_decided_on(world: World) -> None:
    adapter = world.adapter()
    order = await one(adapter, PACKED, ORDER_FACTS)
    assert await adapter.cancel_order(cancel(order)) == Done()
    [write] = world.simulator.writes
    assert write.body == {"version": 1, "actions": [{"action": "changeOrderState", "orderState": "Cancelled"}]}
    assert (await one(adapter, PACKED, ORDER_FACTS)).status is OrderStatus.CANCELLED
    row = world.state.orders[PACKED]
    assert (row["paymentState"], row["shipmentState"], row["version"]) == ("Paid", "Ready", 2)


def change(world: World, id: str, **changed: Any) -> None:
    row = world.state.orders.get(id) or world.state.recurring[id]
    row |= {"version": row["version"] + 1} | changed


async def test_a_change_that_matters_to_nobody_is_read_and_the_order_cancelled_at_its_new_version(world: World) -> None:
    adapter = world.adapter()
    order = await one(adapter, PACKED, ORDER_FACTS)
    world.calls()
    world.simulator.meanwhile = lambda: change(world, PACKED, purchaseOrderNumber="X1")
    assert await adapter.cancel_order(cancel(order)) == Done()
    assert [call.method for call in world.calls()] == ["POST", "GET", "POST"]
    assert [(call.status, call.body["version"]) for call in world.simulator.writes] == [(409, 1), (200, 2)]


@pytest.mark.parametrize(
    "changed", [{"shipmentState": "Shipped"}, {"paymentState": "Failed"}, {"orderState": "Complete"}]
)
async def test_a_change_a_decision_looks_at_is_not_overrun(world: World, changed: dict[str, str]) -> None:
    adapter = world.adapter()
    order = await one(adapter, PACKED, ORDER_FACTS)
    world.simulator.meanwhile = lambda: change(world, PACKED, **changed)
    with pytest.raises(Refused, match="changed since it was decided on") as raised:
        await adapter.cancel_order(cancel(order))
    assert raised.value.not_executed
    assert [call.status for call in world.simulator.writes] == [409]
    assert world.state.orders[PACKED]["orderState"] == changed.get("orderState", "Confirmed")


async def test_what_somebody_else_has_cancelled_is_cancelled(world: World) -> None:
    adapter = world.adapter()
    order = await one(adapter, PACKED, ORDER_FACTS)
    world.simulator.meanwhile = lambda: change(world, PACKED, orderState="Cancelled")
    assert await adapter.cancel_order(cancel(order)) == Done()
    assert [call.status for call in world.simulator.writes] == [409]


async def test_an_order_that_changes_all_the_time_is_left_alone(world: World) -> None:
    adapter = world.adapter()
    order = await one(adapter, PACKED, ORDER_FACTS)

    def again() -> None:
        change(world, PACKED)
        world.simulator.meanwhile = again

    world.simulator.meanwhile = again
    with pytest.raises(Refused) as raised:
        await adapter.cancel_order(cancel(order))
    assert raised.value.native[0].code == "ConcurrentModification"
    assert len(world.simulator.writes) == 2


async def test_an_order_that_is_gone_is_not_cancelled(world: World) -> None:
    adapter = world.adapter()
    order = await one(adapter, PACKED, ORDER_FACTS)
    del world.state.orders[PACKED]
    with pytest.raises(Refused):
        await adapter.cancel_order(cancel(order))
    assert await adapter.happened(cancel(order), NOW) is None


async def test_a_lost_answer_is_read_before_anything_else(world: World) -> None:
    adapter = world.adapter()
    order = await one(adapter, PACKED, ORDER_FACTS)
    assert await adapter.happened(cancel(order), NOW) is None
    world.faulty.faults = [Fault("de", "drop-after")]
    with pytest.raises(OutcomeUnknown):
        await adapter.cancel_order(cancel(order))
    world.faulty.faults = []
    assert await adapter.happened(cancel(order), NOW) == Done()
    # Asked for once more with what was read before, the version tells that it is done.
    assert await adapter.cancel_order(cancel(order)) == Done()
    assert [call.status for call in world.simulator.writes] == [200, 409]


async def test_a_write_that_no_token_came_for_was_not_sent(world: World) -> None:
    adapter = world.adapter()
    order = await one(world.adapter(), PACKED, ORDER_FACTS)
    world.faulty.faults = [Fault("de", "500")]
    with pytest.raises(Unavailable) as raised:
        await adapter.cancel_order(cancel(order))
    assert raised.value.not_executed


# ------------------------------------------------------------------ returning
def goods_back(order: Order, action: str = "act-2", quantity: int = 1) -> ReturnOrder:
    line = ReturnedLine(
        order.lines[0], quantity, ReturnReason.SIZE_TOO_SMALL, ItemCondition.OPENED, "Zu kurz. Schade.", Decimal(10)
    )
    fee = Fee(kind=FeeKind.RETURN_SHIPPING, amount=Money.of("4.90", "EUR"))
    return ReturnOrder(action, order, (line,), RequestedResolution.REFUND, (fee,))


async def test_a_return_is_announced_and_read_back(world: World) -> None:
    adapter = world.adapter()
    asked = goods_back(await one(adapter, SENT, ORDER_FACTS))
    done = await adapter.return_order(asked)
    [write] = world.simulator.writes
    [action] = write.body["actions"]
    assert (action["action"], action["returnTrackingId"]) == ("addReturnInfo", "aftersale-act-2")
    [item] = action["items"]
    assert item == {
        "quantity": 1,
        "lineItemId": native("line", 30021),
        "shipmentState": "Advised",
        "comment": "Reason SIZE_TOO_SMALL, condition OPENED; resolution REFUND; 10% kept for restocking; "
        "return shipping 4,90 EUR. Zu kurz. Schade.",
    }
    order = await one(adapter, SENT)
    [back] = order.returns or []
    assert done == Done(back.source.native_id)
    assert (back.status, back.native_status, back.held_by) == (ReturnStatus.APPROVED, "Advised", RecordHolder.PLATFORM)
    assert (back.resolution, back.number, back.requested_at) == (ReturnResolution.REFUND, "aftersale-act-2", NOW)
    [line] = back.lines
    assert (line.line.sku, line.quantity, line.reason) == ("SCHAL-ROT", 1, ReturnReason.SIZE_TOO_SMALL)
    assert (line.condition, line.note) == (ItemCondition.OPENED, "Zu kurz. Schade.")
    assert order.return_status is OrderReturnStatus.IN_PROGRESS
    assert (order.lines[0].quantity.returned, order.lines[0].quantity.returnable) == (1, 0)
    assert await adapter.happened(asked, NOW) == done
    assert await adapter.happened(goods_back(order, "act-3"), NOW) is None


async def test_a_return_meets_another_one_and_is_refused(world: World) -> None:
    adapter = world.adapter()
    asked = goods_back(await one(adapter, SENT, ORDER_FACTS))
    other = world.adapter()
    theirs = goods_back(await one(other, SENT, ORDER_FACTS), "act-9")
    await other.return_order(theirs)
    with pytest.raises(Refused, match="changed since"):
        await adapter.return_order(asked)
    assert [call.status for call in world.simulator.writes] == [200, 409]
    assert len(world.state.orders[SENT]["returnInfo"]) == 1


async def test_a_return_that_was_made_is_found_by_its_mark(world: World) -> None:
    adapter = world.adapter()
    asked = goods_back(await one(adapter, SENT, ORDER_FACTS))
    done = await adapter.return_order(asked)
    assert await adapter.return_order(asked) == done
    assert [call.status for call in world.simulator.writes] == [200, 409]


async def test_what_the_platform_refuses_is_told(world: World) -> None:
    adapter = world.adapter()
    with pytest.raises(Refused, match="cannot be returned"):
        await adapter.return_order(goods_back(await one(adapter, SENT, ORDER_FACTS), quantity=7))
    assert world.state.orders[SENT]["returnInfo"] == []


async def test_a_line_without_a_product_goes_back_as_what_it_is(world: World) -> None:
    money = {"type": "centPrecision", "currencyCode": "EUR", "centAmount": 300, "fractionDigits": 2}
    wrapping = {
        "id": "wrap-1",
        "name": {"de-DE": "Geschenkpapier"},
        "slug": "wrap",
        "money": money,
        "quantity": 1,
        "totalPrice": money,
        "state": [],
        "discountedPricePerQuantity": [],
        "taxedPricePortions": [],
        "perMethodTaxRate": [],
        "priceMode": "Standard",
    }
    world.state.orders[SENT]["customLineItems"] = [wrapping]
    adapter = world.adapter()
    order = await one(adapter, SENT, ORDER_FACTS)
    assert (order.lines[-1].title, order.lines[-1].product_ref) == ("Geschenkpapier", None)
    line = ReturnedLine(order.lines[-1], 1, ReturnReason.OTHER)
    await adapter.return_order(ReturnOrder("act-4", order, (line,), RequestedResolution.REFUND))
    [item] = world.simulator.writes[0].body["actions"][0]["items"]
    assert item["customLineItemId"] == "wrap-1"
    [back] = (await one(adapter, SENT)).returns or []
    assert [one.line.title for one in back.lines] == ["Geschenkpapier"]


# ------------------------------------------------------------------ subscriptions
async def test_a_recurring_order_is_a_subscription(world: World) -> None:
    adapter = world.adapter()
    found = await contract(adapter)
    assert (found.status, found.native_status, found.payment_failed) == (SubscriptionStatus.ACTIVE, "Active", False)
    assert (found.billing_interval.unit, found.billing_interval.count) == (IntervalUnit.WEEK, 4)
    assert (found.next_billing_at, found.paused_until) == (date(2026, 12, 12), None)
    assert (found.owner, found.customer_ref) == (ADA, ProfileRef("de", ADA_ID))
    assert (found.origin_order_ref, found.cycles_completed) == (OrderRef("de", SENT), 1)
    [line] = found.lines
    assert (line.title, line.price, line.quantity) == ("Röstkaffee 1 kg", Money.of("21.90", "EUR"), 1)
    assert line.product_ref == ProductRef("de", native("product", 4), "1")
    assert [call.path for call in world.calls()] == ["/recurring-orders", "/orders"]


async def test_cycles_are_the_orders_it_made(world: World) -> None:
    made = {"typeId": "recurring-order", "id": COFFEE}
    world.add_order(3031, recurringOrder=made)
    world.add_order(3032, recurringOrder=made, orderState="Cancelled")
    adapter = world.adapter()
    assert (await contract(adapter)).cycles_completed == 2
    del world.state.orders[SENT]["recurringOrder"]
    assert (await contract(adapter)).cycles_completed == 2
    world.simulator.scopes = ("view_recurring_orders",)  # and no orders
    assert (await contract(adapter)).cycles_completed is None


async def test_a_cart_that_cannot_be_read_is_an_error_and_no_empty_subscription(world: World) -> None:
    world.state.carts.clear()
    with pytest.raises(Unreadable, match="cart") as raised:
        await contract(world.adapter())
    assert raised.value.store == "de"


async def test_a_pause_without_an_end_is_one_action(world: World) -> None:
    adapter = world.adapter()
    assert await adapter.pause_subscription(PauseSubscription("a", await contract(adapter), None)) == Done()
    [write] = world.simulator.writes
    assert write.body["actions"] == [{"action": "setRecurringOrderState", "recurringOrderState": {"type": "paused"}}]
    found = await contract(adapter)
    assert (found.status, found.next_billing_at, found.paused_until) == (SubscriptionStatus.PAUSED, None, None)


@pytest.mark.parametrize(
    ("resumes", "writes", "until"),
    [("later", [200], date(2027, 1, 15)), ("at once", [200, 200], None), ("refused", [400, 200], None)],
)
async def test_a_pause_with_an_end_is_a_pause_however_the_project_reads_it(
    world: World, resumes: Any, writes: list[int], until: date | None
) -> None:
    world.simulator.resumes = resumes
    adapter = world.adapter()
    asked = PauseSubscription("a", await contract(adapter), date(2027, 1, 15))
    assert await adapter.pause_subscription(asked) == Done()
    assert [call.status for call in world.simulator.writes] == writes
    states = [one["recurringOrderState"] for one in world.simulator.writes[0].body["actions"]]
    assert states == [{"type": "paused"}, {"type": "active", "resumesAt": "2027-01-14T23:00:00.000Z"}]  # midnight there
    found = await contract(adapter)
    assert (found.status, found.paused_until) == (SubscriptionStatus.PAUSED, until)
    assert await adapter.happened(asked, NOW) == Done()


async def test_a_subscription_is_resumed_and_cancelled(world: World) -> None:
    adapter = world.adapter()
    await adapter.pause_subscription(PauseSubscription("a", await contract(adapter), date(2027, 1, 15)))
    assert await adapter.resume_subscription(ResumeSubscription("b", await contract(adapter))) == Done()
    found = await contract(adapter)
    assert (found.status, found.paused_until) == (SubscriptionStatus.ACTIVE, None)
    assert await adapter.cancel_subscription(CancelSubscription("c", found, "Zu viel Kaffee")) == Done()
    assert world.simulator.writes[-1].body["actions"][0]["recurringOrderState"] == {
        "type": "canceled",
        "reason": "Zu viel Kaffee",
    }
    ended = await contract(adapter)
    assert (ended.status, ended.next_billing_at) == (SubscriptionStatus.CANCELLED, None)
    with pytest.raises(Refused):
        await adapter.resume_subscription(ResumeSubscription("d", ended))


async def test_a_subscription_cancelled_in_between_is_not_paused(world: World) -> None:
    adapter = world.adapter()
    found = await contract(adapter)
    for until in (None, date(2027, 1, 15)):
        change(world, COFFEE, recurringOrderState="Canceled")
        with pytest.raises(Refused, match="changed since"):
            await adapter.pause_subscription(PauseSubscription("a", found, until))
    assert {call.status for call in world.simulator.writes} == {409}
    assert await adapter.cancel_subscription(CancelSubscription("c", found, "x")) == Done()


async def test_subscriptions_are_their_customers_and_those_of_their_first_order(world: World) -> None:
    adapter = world.adapter()
    page = await adapter.subscriptions_of(person(ADA, adapter), SubscriptionsQuery(5), SubscriptionParts.NONE)
    assert [row.node.source.native_id for row in page.rows] == [COFFEE]
    row = world.state.recurring[COFFEE]
    row["customer"]["id"] = GRETA_ID  # the address stays
    page = await adapter.subscriptions_of(person(ADA, adapter), SubscriptionsQuery(5), SubscriptionParts.NONE)
    assert list(page.rows) == []
    del row["customer"]
    page = await adapter.subscriptions_of(person(ADA, adapter), SubscriptionsQuery(5), SubscriptionParts.NONE)
    assert [(row.node.owner, row.node.customer_ref) for row in page.rows] == [(ADA, None)]
    world.calls()
    found = await adapter.subscriptions_of_orders([PACKED, SENT], SubscriptionParts.NONE)
    assert {order: len(rows) for order, rows in found.items()} == {SENT: 1}
    [call] = world.calls()
    assert ("where", "originOrder(id in :values)") in call.query


# ------------------------------------------------------------------ settings
@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"project": "acme/../other"}, "project"),
        ({"project": ""}, "project"),
        ({"region": "europe-west1.gcp/x"}, "region"),
        ({"url": None}, "region"),
        ({"url": "ftp://api.example.com"}, "https"),
        ({"auth_url": "https://user:pw@auth.example.com"}, "credentials"),
        ({"locale": "german language"}, "locale"),
        ({"country": "Germany"}, "country"),
    ],
)
async def test_settings_that_cannot_be_are_refused(world: World, changed: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        world.adapter(**changed)


async def test_a_region_names_both_addresses(world: World) -> None:
    adapter = world.adapter(region="europe-west1.gcp", url=None, auth_url=None, allow_private_address=False)
    assert adapter.config.api_address == "https://api.europe-west1.gcp.commercetools.com"
    assert adapter.config.auth_address == "https://auth.europe-west1.gcp.commercetools.com"
    assert adapter._home().page("orders", "1") == "https://mc.europe-west1.gcp.commercetools.com/acme-de/orders/1"
