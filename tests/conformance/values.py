"""Where each vendor writes money and instants, and in which shapes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from email.utils import format_datetime
from typing import Any

from platforms.base import Operation
from schema.values import Money
from schema.vocabulary import ActionKind
from tests.conformance.cases import World

#: What stands in the simulated store for the amount that is written on the way from it, as a number and as a text.
NUMBER, TEXT = 987654321.25, "987654321.25"


def text(amount: Decimal) -> list[str]:
    """An amount as a text holds one."""
    return [f'"{amount:f}"']


def padded(amount: Decimal) -> list[str]:
    """... and with zeros that say nothing, as in "69.8400"."""
    return [f'"{amount:f}"', f'"{amount:f}{"00" if "." in f"{amount:f}" else ".0000"}"']


def number(amount: Decimal) -> list[str]:
    """An amount as a JSON number, in each way to write one."""
    return [f"{amount:f}", f"{amount:e}", f"{amount:E}"]


@dataclass(frozen=True, slots=True)
class Amount:
    """One place where a vendor writes money."""

    of: str
    #: Puts `NUMBER` or `TEXT` into the store; gives the native id of what is read.
    put: Callable[[World], str]
    read: Callable[[Any], Money | None]
    #: How an amount may be written there.
    written: Callable[[Decimal], list[str]] = text
    on: Operation = Operation.ORDERS
    #: What has to be done first, so that there is one.
    after: ActionKind | None = None


def _put(kind: str, native: str, *path: Any, value: Any) -> Callable[[World], str]:
    def put(world: World) -> str:
        rows = getattr(world.simulator.state, kind)
        place = rows[int(native) if native.isdecimal() and int(native) in rows else native]
        for step in path[:-1]:
            place = place[step]
        place[path[-1]] = value
        return native

    return put


def _object(gid: str, native: str, *path: Any) -> Callable[[World], str]:
    def put(world: World) -> str:
        place = world.simulator.state.objects[gid]
        for step in path[:-1]:
            place = place[step]
        place[path[-1]] = TEXT
        return native

    return put


def total(order: Any) -> Money:
    return order.totals.total.shop  # type: ignore[no-any-return]


def paid_total(order: Any) -> Money:
    return order.totals.total.presentment  # type: ignore[no-any-return]


def price(product: Any) -> Money | None:
    return product.all_variants[0].price  # type: ignore[no-any-return]


def line_price(subscription: Any) -> Money:
    return subscription.lines[0].price  # type: ignore[no-any-return]


def refund(order: Any) -> Money:
    return order.refunds[0].amount.presentment  # type: ignore[no-any-return]


def _bigcommerce_refund(world: World) -> str:
    world.simulator.state.refunds[701]["total_amount"] = NUMBER
    return "5001"


def _bigcommerce_price(world: World) -> str:
    row = world.simulator.state.catalog[301]
    for one in (row, *row["variants"]):
        one |= {"price": NUMBER, "calculated_price": NUMBER}
    return "301"


def _medusa_price(world: World) -> str:
    native, row = next(iter(world.simulator.state.products.items()))
    for one in row["variants"][0]["prices"]:
        one["amount"] = NUMBER
    return str(native)


def _medusa_refund(world: World) -> str:
    native = world.case.targets[ActionKind.REFUND_ORDER]
    assert native is not None
    [made] = world.simulator.state.orders[native]["payment_collections"][0]["payments"][0]["refunds"]
    made["amount"] = NUMBER
    return native


def _woocommerce_refund(world: World) -> str:
    world.simulator.state.refunds[2001][0]["amount"] = TEXT
    return "2001"


def _shopify_refund(world: World) -> str:
    made = world.simulator.state.order("450789007")["refunds"][0]
    made["totalRefundedSet"]["presentmentMoney"]["amount"] = TEXT
    return "450789007"


def _magento_refund(world: World) -> str:
    [made] = world.simulator.state.memos.values()
    made["grand_total"] = NUMBER
    return "3003"


AMOUNTS: Mapping[str, tuple[Amount, ...]] = {
    "shopify": (
        Amount(
            "an order in the shop's currency",
            _object("gid://shopify/Order/450789001", "450789001", "totalPriceSet", "shopMoney", "amount"),
            total,
        ),
        Amount(
            "an order as it was paid",
            _object("gid://shopify/Order/450789001", "450789001", "totalPriceSet", "presentmentMoney", "amount"),
            paid_total,
        ),
        Amount("a refund", _shopify_refund, refund),
        Amount(
            "a product", _object("gid://shopify/ProductVariant/8501", "8005", "price"), price, on=Operation.PRODUCTS
        ),
    ),
    "woocommerce": (
        Amount("an order", _put("orders", "2001", "total", value=TEXT), total, padded),
        Amount("a refund", _woocommerce_refund, refund, padded, after=ActionKind.REFUND_ORDER),
        Amount("a product", _put("products", "501", "price", value=TEXT), price, padded, on=Operation.PRODUCTS),
    ),
    "recharge": (
        Amount("a billing record", _put("orders", "660001", "total_price", value=TEXT), total),
        Amount(
            "a subscription",
            _put("subscriptions", "9001", "price", value=TEXT),
            line_price,
            on=Operation.SUBSCRIPTIONS,
        ),
    ),
    "bigcommerce": (
        Amount("an order", _put("orders", "5004", "total_inc_tax", value=TEXT), paid_total, padded),
        Amount("a refund", _bigcommerce_refund, refund, number),
        Amount("a product", _bigcommerce_price, price, number, on=Operation.PRODUCTS),
    ),
    "medusa": (
        Amount(
            "an order",
            _put("orders", "order_01M8SE00000000000000003001", "total", value=NUMBER),
            total,
            number,
        ),
        Amount("a refund", _medusa_refund, refund, number, after=ActionKind.REFUND_ORDER),
        Amount("a product", _medusa_price, price, number, on=Operation.PRODUCTS),
    ),
    "magento": (
        Amount("an order", _put("orders", "3001", "grand_total", value=NUMBER), paid_total, number),
        Amount(
            "an order, counted by the shop", _put("orders", "3001", "base_grand_total", value=NUMBER), total, number
        ),
        Amount("a refund", _magento_refund, refund, number),
        Amount("a product", _put("products", "601", "price", value=NUMBER), price, number, on=Operation.PRODUCTS),
    ),
}


# ------------------------------------------------------------------------------------------------ minor units


def _order_of_cents(world: World, money: Mapping[str, Any]) -> str:
    native = "0de00001-0000-4000-8000-000000003001"
    row = world.simulator.state.orders[native]
    row.pop("taxedPrice", None)
    row["totalPrice"] = money
    return native


def _refund_of_cents(world: World, money: Mapping[str, Any]) -> str:
    payments = world.simulator.state.payments.values()
    [made] = [one for payment in payments for one in payment["transactions"] if one["type"] == "Refund"]
    made["amount"] = money
    native = world.case.targets[ActionKind.REFUND_ORDER]
    assert native is not None
    return native


def _product_of_cents(world: World, money: Mapping[str, Any]) -> str:
    native = "0de00003-0000-4000-8000-000000000001"
    for one in world.simulator.state.products[native]["masterVariant"]["prices"]:
        one["value"] = money
    return native


@dataclass(frozen=True, slots=True)
class Minor:
    """One place where a vendor counts money in the smallest unit of its currency."""

    of: str
    put: Callable[[World, Mapping[str, Any]], str]
    read: Callable[[Any], Money | None]
    on: Operation = Operation.ORDERS
    after: ActionKind | None = None


MINOR: Mapping[str, tuple[Minor, ...]] = {
    "commercetools": (
        Minor("an order", _order_of_cents, total),
        Minor("a refund", _refund_of_cents, refund, after=ActionKind.REFUND_ORDER),
        Minor("a product", _product_of_cents, price, on=Operation.PRODUCTS),
    ),
}


# ------------------------------------------------------------------------------------------------ instants


def iso(at: datetime) -> str:
    return at.isoformat()


def iso_z(at: datetime) -> str:
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def bare(at: datetime) -> str:
    """Without a zone, which means UTC."""
    return at.replace(tzinfo=None).isoformat()


def spaced(at: datetime) -> str:
    return at.strftime("%Y-%m-%d %H:%M:%S")


@dataclass(frozen=True, slots=True)
class Instant:
    """Where a vendor writes when an order or a subscription was made."""

    put: Callable[[World, str], str]
    read: Callable[[Any], datetime]
    #: How the same instant may be written there; each is given one in UTC, or in `zoned` ones with another offset.
    utc: tuple[Callable[[datetime], str], ...]
    zoned: tuple[Callable[[datetime], str], ...] = ()
    on: Operation = Operation.ORDERS


def _written(kind: str, native: str, key: str) -> Callable[[World, str], str]:
    def put(world: World, text: str) -> str:
        rows = getattr(world.simulator.state, kind)
        rows[int(native) if native.isdecimal() else native][key] = text
        return native

    return put


def _shopify_written(world: World, text: str) -> str:
    world.simulator.state.order("450789001")["processedAt"] = text
    return "450789001"


def placed(order: Any) -> datetime:
    return order.placed_at  # type: ignore[no-any-return]


def created(subscription: Any) -> datetime:
    return subscription.created_at  # type: ignore[no-any-return]


INSTANTS: Mapping[str, tuple[Instant, ...]] = {
    "shopify": (Instant(_shopify_written, placed, (iso_z,), (iso,)),),
    "woocommerce": (Instant(_written("orders", "2001", "date_created_gmt"), placed, (bare, iso_z), (iso,)),),
    "recharge": (
        Instant(_written("orders", "660001", "created_at"), placed, (iso, iso_z), (iso,)),
        Instant(_written("subscriptions", "9001", "created_at"), created, (iso,), (iso,), on=Operation.SUBSCRIPTIONS),
    ),
    "bigcommerce": (
        Instant(
            _written("orders", "5004", "date_created"),
            placed,
            (format_datetime, lambda at: format_datetime(at, usegmt=True), iso),
            (format_datetime, iso),
        ),
    ),
    "medusa": (
        Instant(_written("orders", "order_01M8SE00000000000000003001", "created_at"), placed, (iso_z,), (iso,)),
    ),
    "commercetools": (
        Instant(_written("orders", "0de00001-0000-4000-8000-000000003001", "createdAt"), placed, (iso_z, iso), (iso,)),
        Instant(
            _written("recurring", "0de00010-0000-4000-8000-000000000001", "createdAt"),
            created,
            (iso_z,),
            (iso,),
            on=Operation.SUBSCRIPTIONS,
        ),
    ),
    "magento": (Instant(_written("orders", "3001", "created_at"), placed, (spaced,)),),
}
