"""Refunds at Shopify, against a simulated shop over a real socket: what is asked, sent, paid, and never paid twice."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from platforms.base import ORDER_FACTS, Done, RefundAsk, RefundedLine, RefundOrder, Services
from platforms.errors import OutcomeUnknown, PlatformError, Refused, Unavailable, Unreadable, Unsupported
from platforms.secrets import SecretText
from platforms.shopify import mapping, wire
from platforms.shopify.adapter import Shopify, ShopifyConfig
from platforms.shopify.seed import seed
from platforms.shopify.simulator import CREDENTIALS, Object, Simulator, bag
from platforms.transport import Limits
from sandbox.faults import Fault, Faulty
from sandbox.serving import serve
from schema.order import Order
from schema.values import Money
from schema.vocabulary import (
    ActionKind,
    MoneyMoved,
    RefundChoice,
    RefundDestination,
    RefundStatus,
    SupportLevel,
)

NOW = datetime(2026, 11, 23, 15, 4, 5, tzinfo=UTC)


class Shop:
    """A shop and the adapter that speaks to it."""

    def __init__(self, simulator: Simulator, faulty: Faulty, adapter: Shopify) -> None:
        self.simulator = simulator
        self.faulty = faulty
        self.adapter = adapter

    def held(self, number: int = 2) -> Object:
        return self.simulator.state.order(str(450789000 + number))

    async def order(self, number: int = 2) -> Order:
        native = str(450789000 + number)
        return (await self.adapter.orders([native], ORDER_FACTS))[native]

    async def asked(self, amount: str, number: int = 2, action: str = "act_1", **more: Any) -> RefundOrder:
        order = await self.order(number)
        given: dict[str, Any] = {
            "lines": (),
            "shipping": None,
            "destination": RefundChoice.ORIGINAL_PAYMENT,
            "reason": "Damaged",
            "refunds_before": frozenset(one.id for one in order.refunds or ()),
        }
        currency = order.totals.total.presentment.currency_code
        return RefundOrder(action, order, Money.of(amount, currency), **(given | more))

    def sent(self) -> Any:
        """The input of the one refund that was sent."""
        [write] = self.simulator.writes
        assert write.operation == "RefundCreate"
        return write.variables["input"]


@pytest.fixture
async def shop() -> AsyncIterator[Shop]:
    simulator = Simulator(seed(NOW), lambda: NOW)
    faulty = Faulty(simulator, "us")
    async with serve(faulty) as url:
        config = ShopifyConfig(
            id="us",
            platform="shopify",
            shop="acme-us",
            url=url,
            time_zone="America/New_York",
            credentials={"token": SecretText(CREDENTIALS["token"])},  # type: ignore[arg-type]
        )
        adapter = Shopify(config, Services(clock=lambda: NOW, limits=Limits(backoff=0.01, whole=2.0, retries=1)))
        try:
            yield Shop(simulator, faulty, adapter)
        finally:
            await adapter.close()


def usd(amount: str) -> Money:
    return Money.of(amount, "USD")


def taxed(order: Object, index: int, tax: str) -> None:
    """A line of the order has cost so much tax, on top of its price."""
    order["lineItems"][index]["taxLines"] = [{"priceSet": bag(Decimal(tax), "USD")}]
    for name in ("totalPriceSet", "netPaymentSet"):
        order[name] = bag(Decimal(order[name]["shopMoney"]["amount"]) + Decimal(tax), "USD")
    order["transactions"][0]["amountSet"] = order["totalPriceSet"]


# ------------------------------------------------------------------------------------------------------------ the sum


async def test_what_goods_come_to_is_shopifys_own_suggestion(shop: Shop) -> None:
    taxed(shop.held(), 1, "2.25")
    order = await shop.order()
    found = await shop.adapter.refund_sum(RefundAsk(order, (RefundedLine(order.lines[1], 2),), shipping=True))
    assert (found.items, found.tax, found.shipping, found.total) == (
        usd("25.00"),
        usd("2.25"),
        usd("5.00"),
        usd("32.25"),
    )
    assert not found.estimated
    assert shop.simulator.calls[-1].operation == "SuggestedRefund"
    assert shop.simulator.writes == []


async def test_prices_that_include_tax_are_not_taxed_twice(shop: Shop) -> None:
    order = shop.held()
    order["taxesIncluded"] = True
    order["lineItems"][0]["taxLines"] = [{"priceSet": bag(Decimal("6.39"), "USD")}]
    read = await shop.order()
    found = await shop.adapter.refund_sum(RefundAsk(read, (RefundedLine(read.lines[0], 1),)))
    assert (found.items, found.tax, found.shipping, found.total) == (usd("33.61"), usd("6.39"), None, usd("40.00"))


async def test_nothing_but_the_shipping_can_be_asked_for(shop: Shop) -> None:
    found = await shop.adapter.refund_sum(RefundAsk(await shop.order(), (), shipping=True))
    assert (found.items, found.tax, found.shipping, found.total) == (usd("0.00"), usd("0"), usd("5.00"), usd("5.00"))


async def test_a_sum_is_never_more_than_what_is_left_of_the_order(shop: Shop) -> None:
    await shop.adapter.refund_order(await shop.asked("60.00"))
    order = await shop.order()
    assert order.totals.refundable.presentment == usd("10.00")
    found = await shop.adapter.refund_sum(RefundAsk(order, (RefundedLine(order.lines[0], 1),), shipping=True))
    assert (found.items, found.tax, found.shipping, found.total) == (usd("5.00"), None, usd("5.00"), usd("10.00"))


async def test_more_units_than_are_left_have_no_sum(shop: Shop) -> None:
    order = await shop.order(7)  # one of its two totes was paid back
    with pytest.raises(Refused) as raised:
        await shop.adapter.refund_sum(RefundAsk(order, (RefundedLine(order.lines[0], 2),)))
    assert raised.value.native[0].message == "1 of 2 units can be paid back"


# ------------------------------------------------------------------------------------------------------- what is sent


async def test_a_refund_of_lines_says_all_that_matters(shop: Shop) -> None:
    order = await shop.order()
    asked = await shop.asked("17.50", lines=(RefundedLine(order.lines[1], 1),), shipping=usd("5.00"))
    done = await shop.adapter.refund_order(asked)
    held = shop.held()
    assert shop.sent() == {
        "orderId": held["id"],
        "note": "Damaged [Aftersale act_1]",
        "notify": False,
        "allowOverRefunding": False,
        "refundLineItems": [
            {"lineItemId": held["lineItems"][1]["id"], "quantity": 1, "restockType": "NO_RESTOCK"},
        ],
        "shipping": {"fullRefund": True},
        "transactions": [
            {
                "orderId": held["id"],
                "kind": "REFUND",
                "gateway": "shopify_payments",
                "amount": "17.50",
                "parentId": held["transactions"][0]["id"],
            }
        ],
    }
    [made] = (await shop.order()).refunds or []
    assert done == Done(made.id.rpartition(":")[2])
    assert (made.status, made.money_moved, made.destination) == (
        RefundStatus.COMPLETED,
        MoneyMoved.YES,
        RefundDestination.ORIGINAL_PAYMENT,
    )
    assert (made.amount.presentment, made.reason) == (usd("17.50"), "Damaged")
    assert [(one.line.native_id, one.quantity, one.restocked) for one in made.lines] == [
        (order.lines[1].native_id, 1, False)
    ]


async def test_a_part_of_the_shipping_is_named_as_an_amount(shop: Shop) -> None:
    await shop.adapter.refund_order(await shop.asked("2.00", shipping=usd("2.00")))
    assert shop.sent()["shipping"] == {"amount": "2.00"}
    order = await shop.order()
    assert (await shop.adapter.refund_sum(RefundAsk(order, (), shipping=True))).shipping == usd("3.00")


async def test_two_calls_make_a_refund_and_the_key_is_the_actions_own(shop: Shop) -> None:
    asked = await shop.asked("1.00")
    shop.simulator.calls.clear()
    await shop.adapter.refund_order(asked)
    assert [call.operation for call in shop.simulator.calls] == ["SuggestedRefund", "RefundCreate"]
    key = shop.simulator.writes[0].variables["key"]
    assert uuid.UUID(key).version == 5
    await shop.adapter.refund_order(replace(asked, action_id="act_2"))
    assert shop.simulator.writes[1].variables["key"] != key
    assert len(shop.held()["refunds"]) == 2


async def test_an_order_paid_by_a_card_and_a_gift_card_gives_back_to_both(shop: Shop) -> None:
    held = shop.held()
    card = held["transactions"][0]
    card["amountSet"] = bag(Decimal("50.00"), "USD")
    gift = card | {
        "id": "gid://shopify/OrderTransaction/77",
        "gateway": "gift_card",
        "amountSet": bag(Decimal(20), "USD"),
    }
    held["transactions"] = [gift, card]
    await shop.adapter.refund_order(await shop.asked("33.33"))
    assert [(one["gateway"], one["amount"]) for one in shop.sent()["transactions"]] == [
        ("gift_card", "20.00"),
        ("shopify_payments", "13.33"),
    ]
    with pytest.raises(Refused, match="less to pay back"):
        await shop.adapter.refund_order(await shop.asked("36.68", action="act_2"))
    await shop.adapter.refund_order(await shop.asked("36.67", action="act_3"))
    assert (await shop.order()).totals.refundable.presentment == usd("0.00")


async def test_less_than_goods_come_to_can_be_paid_back(shop: Shop) -> None:
    order = await shop.order()
    await shop.adapter.refund_order(await shop.asked("36.00", lines=(RefundedLine(order.lines[0], 1),)))
    [made] = (await shop.order()).refunds or []
    assert made.amount.presentment == usd("36.00")


async def test_an_order_paid_in_another_currency_is_paid_back_in_that_one(shop: Shop) -> None:
    held = shop.held()
    for name in [name for name in held if name.endswith("Set")] + ["amountSet"]:
        of = held if name in held else held["transactions"][0]
        of[name]["presentmentMoney"] = {
            "amount": f"{Decimal(of[name]['shopMoney']['amount']) / 2:.2f}",
            "currencyCode": "EUR",
        }
    done = await shop.adapter.refund_order(await shop.asked("7.77"))
    sent = shop.sent()
    assert (sent["currency"], sent["transactions"][0]["amount"]) == ("EUR", "7.77")
    order = await shop.order()
    [made] = order.refunds or []
    assert done == Done(made.id.rpartition(":")[2])
    assert (made.amount.presentment, made.amount.shop) == (Money.of("7.77", "EUR"), usd("15.54"))
    asked = await shop.asked("7.77", action="act_2")
    with pytest.raises(Refused, match="paid in EUR"):
        await shop.adapter.refund_order(replace(asked, amount=usd("7.77")))
    assert len(shop.simulator.writes) == 1


async def test_store_credit_goes_to_the_customer_and_to_nobody_else(shop: Shop) -> None:
    await shop.adapter.refund_order(await shop.asked("12.50", destination=RefundChoice.STORE_CREDIT))
    sent = shop.sent()
    assert sent["transactions"] == []
    assert sent["refundMethods"] == [{"storeCreditRefund": {"amount": {"amount": "12.50", "currencyCode": "USD"}}}]
    [made] = (await shop.order()).refunds or []
    assert (made.destination, made.money_moved) == (RefundDestination.STORE_CREDIT, MoneyMoved.YES)
    shop.held(4)["customer"] = None
    asked = await shop.asked("1.00", 4, destination=RefundChoice.STORE_CREDIT)
    with pytest.raises(Unsupported, match="belongs to a customer") as raised:
        await shop.adapter.refund_order(asked)
    assert raised.value.action is ActionKind.REFUND_ORDER
    assert len(shop.simulator.writes) == 1


async def test_a_long_reason_is_cut_and_the_mark_never(shop: Shop) -> None:
    await shop.adapter.refund_order(await shop.asked("1.00", reason="x" * 400))
    note = shop.sent()["note"]
    assert len(note) == 255
    assert note.endswith("x [Aftersale act_1]")


# ---------------------------------------------------------------------------------------------------- what came of it


async def test_a_payment_still_on_its_way_is_pending_and_has_not_surely_moved(shop: Shop) -> None:
    shop.simulator.refunds_end = "PENDING"
    asked = await shop.asked("5.00")
    done = await shop.adapter.refund_order(asked)
    [made] = (await shop.order()).refunds or []
    assert (made.status, made.money_moved) == (RefundStatus.PENDING, MoneyMoved.UNKNOWN)
    assert await shop.adapter.happened(asked, NOW) == done


async def test_a_refund_whose_payment_failed_is_no_refund(shop: Shop) -> None:
    shop.simulator.refunds_end = "FAILURE"
    asked = await shop.asked("5.00")
    with pytest.raises(Refused, match="not given back"):
        await shop.adapter.refund_order(asked)
    order = await shop.order()
    [made] = order.refunds or []
    assert (made.status, made.money_moved) == (RefundStatus.FAILED, MoneyMoved.NO)
    assert order.totals.refunded.presentment == usd("0.00")
    assert await shop.adapter.happened(asked, NOW) is None


async def test_a_manual_payment_is_only_recorded(shop: Shop) -> None:
    shop.held()["transactions"][0] |= {"gateway": "manual", "manualPaymentGateway": True}
    await shop.adapter.refund_order(await shop.asked("5.00"))
    [made] = (await shop.order()).refunds or []
    assert (made.destination, made.money_moved) == (RefundDestination.MANUAL, MoneyMoved.UNKNOWN)


async def test_the_same_request_sent_again_pays_nothing_more(shop: Shop) -> None:
    asked = await shop.asked("5.00")
    shop.faulty.faults = [Fault("us", "drop-after")]
    with pytest.raises(PlatformError):
        await shop.adapter.refund_order(asked)  # the look before it was lost
    assert shop.simulator.writes == []
    shop.faulty.faults = []
    first = await shop.adapter.refund_order(asked)
    assert await shop.adapter.refund_order(asked) == first
    # All but the last five dollars went out meanwhile: the payments are others, and Shopify turns the key away.
    await shop.adapter.refund_order(await shop.asked("60.00", action="act_2"))
    later = replace(asked, order=await shop.order(), lines=(RefundedLine(asked.order.lines[0], 1),))
    assert await shop.adapter.refund_order(later) == first
    assert [one["note"] for one in shop.held()["refunds"]] == ["Damaged [Aftersale act_1]", "Damaged [Aftersale act_2]"]


async def test_a_lost_answer_is_unknown_and_found_by_the_mark(shop: Shop) -> None:
    asked = await shop.asked("5.00")

    async def lose_the_change(scope: Any, receive: Any, send: Any) -> None:
        """Only the change is lost, not the look before it."""
        message = await receive()
        shop.faulty.faults = [Fault("us", "drop-after")] if b"RefundCreate" in message["body"] else []

        async def again() -> Any:
            return message

        await Faulty.__call__(shop.faulty, scope, again, send)

    async with serve(lose_the_change) as url:
        adapter = Shopify(
            shop.adapter._shop.model_copy(update={"url": url}), Services(clock=lambda: NOW, limits=Limits(retries=2))
        )
        with pytest.raises(OutcomeUnknown):
            await adapter.refund_order(asked)
        await adapter.close()
    shop.faulty.faults = []
    assert len(shop.simulator.writes) == 1
    done = await shop.adapter.happened(asked, NOW)
    assert done == Done(shop.held()["refunds"][0]["id"].rpartition("/")[2])
    assert await shop.adapter.happened(replace(asked, action_id="act_2"), NOW) is None


async def test_what_fails_before_anything_was_sent_says_so(shop: Shop) -> None:
    asked = await shop.asked("5.00")
    shop.faulty.faults = [Fault("us", "500")]
    with pytest.raises(Unavailable) as raised:
        await shop.adapter.refund_order(asked)
    assert raised.value.not_executed
    assert shop.simulator.writes == []


async def test_a_refund_somebody_else_made_is_not_ours(shop: Shop) -> None:
    asked = await shop.asked("5.00")
    shop.simulator.refund(shop.held(), Decimal("5.00"), {}, note="by hand")
    assert await shop.adapter.happened(asked, NOW) is None


async def test_an_order_that_is_gone_tells_nothing(shop: Shop) -> None:
    asked = await shop.asked("5.00")
    del shop.simulator.state.objects[shop.held()["id"]]
    with pytest.raises(Unreadable):
        await shop.adapter.happened(asked, NOW)
    with pytest.raises(Refused, match="no longer has the order"):
        await shop.adapter.refund_order(asked)


def payload(message: str | None) -> bytes:
    errors = [] if message is None else [{"field": ["input"], "message": message}]
    return orjson.dumps({"data": {"refundCreate": {"refund": None, "userErrors": errors}}})


@pytest.mark.parametrize(
    ("message", "kind"),
    [
        ("Refund amount is too large", Refused),
        ("A request with this idempotency key is still being processed", OutcomeUnknown),
        (None, OutcomeUnknown),
    ],
)
async def test_a_refusal_and_an_unclear_answer_are_told_apart(
    shop: Shop, message: str | None, kind: type[PlatformError]
) -> None:
    asked = await shop.asked("5.00")

    async def answered(scope: Any, receive: Any, send: Any) -> None:
        request = await receive()
        if b"RefundCreate" in request["body"]:
            shop.simulator.canned.append((200, payload(message)))

        async def again() -> Any:
            return request

        await shop.simulator(scope, again, send)

    async with serve(answered) as url:
        adapter = Shopify(shop.adapter._shop.model_copy(update={"url": url}), Services(clock=lambda: NOW))
        with pytest.raises(kind) as raised:
            await adapter.refund_order(asked)
        await adapter.close()
    assert raised.value.store == "us"
    assert shop.held()["refunds"] == []


async def test_refunding_needs_the_permission_to_write_orders(shop: Shop) -> None:
    shop.simulator.scopes.discard("write_orders")
    await shop.adapter.probe()
    lacking = shop.adapter.capability(ActionKind.REFUND_ORDER)
    assert (lacking.support, lacking.required_scopes) == (SupportLevel.MISSING_SCOPE, ["write_orders"])


# ------------------------------------------------------------------------------------------------------- the payments


def payment(gateway: str | None, suggested: int, most: int, number: int) -> wire.SuggestedPayment:
    def cents(amount: int) -> wire.CustomerMoney:
        return wire.CustomerMoney(wire.Money(Decimal(amount).scaleb(-2), "USD"))

    return wire.SuggestedPayment(
        gateway, cents(suggested), cents(most), wire.Id(f"gid://shopify/OrderTransaction/{number}")
    )


@given(
    st.lists(st.tuples(st.integers(0, 5000), st.integers(0, 5000)), max_size=5),
    st.integers(1, 20000),
    st.booleans(),
)
def test_payments_give_back_exactly_the_amount_and_none_more_than_it_has(
    given_: list[tuple[int, int]], cents: int, listed_twice: bool
) -> None:
    rows = [payment("card", min(pair), max(pair), number) for number, pair in enumerate(given_)]
    money = wire.CustomerMoney(wire.Money(Decimal(0), "USD"))
    asked = wire.Suggestion(rows if listed_twice else rows[:1], money, [], wire.SuggestedShipping(money, money))
    found = wire.RefundableOrder(True, asked, wire.SuggestedPayments(rows))
    amount = Decimal(cents).scaleb(-2)
    if amount > sum((Decimal(max(pair)).scaleb(-2) for pair in given_), Decimal(0)):
        with pytest.raises(Refused):
            mapping.paid_by(amount, found, "us")
        return
    shares = mapping.paid_by(amount, found, "us")
    assert sum((share for _, share in shares), Decimal(0)) == amount
    for one, share in shares:
        assert one.maximum_refundable_set is not None
        assert 0 < share <= one.maximum_refundable_set.presentment_money.amount
    assert len({one.parent_transaction.id for one, _ in shares if one.parent_transaction}) == len(shares)


def test_a_payment_without_a_gateway_cannot_be_named() -> None:
    money = wire.CustomerMoney(wire.Money(Decimal(0), "USD"))
    asked = wire.Suggestion([payment(None, 500, 500, 1)], money, [], wire.SuggestedShipping(money, money))
    with pytest.raises(Refused):
        mapping.paid_by(Decimal("1.00"), wire.RefundableOrder(True, asked, None), "us")
