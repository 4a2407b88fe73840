"""Medusa's own words: the calls we make, the fields we read of its answers, and what its refusals mean."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

import msgspec
import orjson

from platforms.errors import BadCredentials, MissingScope, Native, PlatformError, Refused, Unavailable
from platforms.instants import to_the_millisecond
from platforms.refusals import in_their_words, not_the_platform, without_words
from platforms.transport import Call, Reply
from schema.parts import OrderParts

#: A page of a list; the server knows no limit of its own.
MOST = 100


# ------------------------------------------------------------------------------------------------------- what we ask
# https://docs.medusajs.com/api/admin

Query = list[tuple[str, str]]


def _get(operation: str, path: str, query: Iterable[tuple[str, str]] = ()) -> Call:
    return Call(operation, "GET", f"/admin{path}", query=tuple(query))


def _post(operation: str, path: str, body: Mapping[str, object], query: Iterable[tuple[str, str]] = ()) -> Call:
    return Call(
        operation,
        "POST",
        f"/admin{path}",
        query=tuple(query),
        headers={"Content-Type": "application/json"},
        body=orjson.dumps(body),
        writes=True,
    )


def _any_of(name: str, values: Sequence[str]) -> Query:
    return [(f"{name}[]", value) for value in values]


# https://docs.medusajs.com/api/admin#orders

#: An order of a list comes without address, customer and currency unless asked: "+x" adds to what comes anyway, "*x" a
#: relation. Items always come, since totals are worked out from them.
_HEAD = (
    "+email,+customer_id,+currency_code,+canceled_at,+is_draft_order,+tax_total,+discount_total,+shipping_total,"
    "+item_total,+credit_line_total,+payment_status,+fulfillment_status,*items.detail,"
    "+customer.email,+customer.has_account,+customer.created_by,+customer.groups.name,+sales_channel.name,"
    "+shipping_address.country_code"
)
_LINES = "+items.product.tags.value"
_PARCELS = (
    "*fulfillments,*fulfillments.items,*fulfillments.labels,"
    "+fulfillments.shipping_option.service_zone.fulfillment_set.type"
)
_REFUNDS = "*payment_collections,*payment_collections.payments,*payment_collections.payments.refunds"
_ADDRESSES = "*shipping_address,*billing_address"


def fields(parts: OrderParts) -> str:
    wanted = [_HEAD]
    if parts & (OrderParts.LINES | OrderParts.FULFILLMENTS | OrderParts.RETURNS | OrderParts.REFUNDS):
        wanted.append(_LINES)
    if parts & OrderParts.FULFILLMENTS:
        wanted.append(_PARCELS)
    if parts & OrderParts.REFUNDS:
        wanted.append(_REFUNDS)
    if parts & OrderParts.ADDRESSES:
        wanted.append(_ADDRESSES)
    return ",".join(wanted)


def orders_by_ids(ids: Sequence[str], parts: OrderParts) -> Call:
    """At most `MOST` ids; never none, since an empty filter is no filter."""
    return _get("orders.batch", "/orders", [*_any_of("id", ids), ("fields", fields(parts)), ("limit", str(MOST))])


def orders_list(
    parts: OrderParts,
    *,
    customers: Sequence[str] = (),
    search: str | None = None,
    statuses: Sequence[str] = (),
    placed_from: datetime | None = None,
    placed_to: datetime | None = None,
    limit: int,
    offset: int = 0,
) -> Call:
    """Orders, newest first; both bounds are inclusive.

    There is no filter by e-mail or number: `email=`, `display_id=` and any unknown word are ignored and give
    everybody's orders. `q` is a substring match over several columns, letter case aside, in which `%` and `_` stand
    for anything, so each row has to be looked at again. Only one key of order is taken; two are a fault (500).
    """
    query: Query = _any_of("customer_id", customers)
    if search is not None:
        query.append(("q", search))
    query += _any_of("status", statuses)
    if placed_from is not None:
        query.append(("created_at[$gte]", to_the_millisecond(placed_from)))
    if placed_to is not None:
        query.append(("created_at[$lte]", to_the_millisecond(placed_to)))
    query += [("order", "-created_at"), ("fields", fields(parts)), ("limit", str(limit))]
    if offset:
        query.append(("offset", str(offset)))
    return _get("orders.search" if search is not None else "orders.list", "/orders", query)


def payments_of(order: str) -> Call:
    """What was captured and paid back of an order, payment by payment, and nothing of the rest."""
    wanted = "id,currency_code,*payment_collections.payments.captures,*payment_collections.payments.refunds"
    query = [*_any_of("id", [order]), ("fields", f"{wanted},*payment_collections.payments"), ("limit", "1")]
    return _get("orders.payments", "/orders", query)


def cancel_order(order: str) -> Call:
    """Refunds what was captured, cancels what was not, gives goods back to stock. Refused once anything is packed."""
    return _post("orders.cancel", f"/orders/{order}/cancel", {}, [("fields", "id,status,canceled_at")])


# https://docs.medusajs.com/api/admin#payments


def refund_payment(payment: str, amount: Decimal, note: str) -> Call:
    """Pays back through the payment's provider. The answer was seen to come without the refund it made."""
    body = {"amount": float(amount), "note": note}
    return _post("payments.refund", f"/payments/{payment}/refund", body)


# https://docs.medusajs.com/api/admin#customers

_CUSTOMER = "+groups.name,*addresses"


def customers_search(text: str, offset: int) -> Call:
    """`email=` is exact to the letter, and addresses that staff typed keep their capitals; `q` is a substring match
    over address, names and phone, letter case aside."""
    query: Query = [("q", text), ("fields", _CUSTOMER), ("limit", str(MOST))]
    return _get("customers.by_email", "/customers", query + ([("offset", str(offset))] if offset else []))


def customers_by_ids(ids: Sequence[str]) -> Call:
    return _get("customers.batch", "/customers", [*_any_of("id", ids), ("fields", _CUSTOMER), ("limit", str(MOST))])


# https://docs.medusajs.com/api/admin#products

_STOCK = (
    "+variants.inventory_items.required_quantity,+variants.inventory_items.inventory.location_levels.available_quantity"
)


def products_by_ids(ids: Sequence[str]) -> Call:
    query: Query = [*_any_of("id", ids), ("fields", _STOCK), ("limit", str(MOST))]
    return _get("products.batch", "/products", query)


# https://docs.medusajs.com/api/admin#stores


def stores() -> Call:
    return _get("stores.list", "/stores")


# https://docs.medusajs.com/api/admin#returns


def returns_of(orders: Sequence[str], offset: int = 0) -> Call:
    """`order_id` is a filter of 2.21; where it is ignored, rows of other orders come and are dropped."""
    query: Query = [*_any_of("order_id", orders), ("fields", "*items,*items.reason"), ("limit", str(MOST))]
    return _get("returns.list", "/returns", query + ([("offset", str(offset))] if offset else []))


def return_reasons() -> Call:
    return _get("return_reasons.list", "/return-reasons", [("limit", str(MOST))])


def begin_return(order: str, note: str, metadata: Mapping[str, str]) -> Call:
    """A draft: no return yet, but while it lies there the order takes no other change."""
    return _post("returns.begin", "/returns", {"order_id": order, "internal_note": note, "metadata": dict(metadata)})


def add_return_items(draft: str, items: Sequence[Mapping[str, object]]) -> Call:
    """Adds to what the draft already holds."""
    return _post("returns.items", f"/returns/{draft}/request-items", {"items": list(items)})


def confirm_return(draft: str) -> Call:
    return _post("returns.confirm", f"/returns/{draft}/request", {})


def drop_return(draft: str) -> Call:
    """Takes the draft away; 404 where it is gone already, and refused once it is confirmed."""
    return Call("returns.drop", "DELETE", f"/admin/returns/{draft}/request", writes=True)


# ------------------------------------------------------------------------------------------------------ what we read


# What is left out here is never looked at; a field without a default must be there.


class Named(msgspec.Struct, frozen=True):
    name: str | None = None


class Value(msgspec.Struct, frozen=True):
    value: str | None = None


class PostalAddress(msgspec.Struct, frozen=True):
    first_name: str | None = None
    last_name: str | None = None
    company: str | None = None
    address_1: str | None = None
    address_2: str | None = None
    city: str | None = None
    country_code: str | None = None
    province: str | None = None
    postal_code: str | None = None
    phone: str | None = None


class Detail(msgspec.Struct, frozen=True):
    """How far each unit of a line has come. A unit on its way back is counted in one of the three `return_*`."""

    fulfilled_quantity: int | Decimal
    shipped_quantity: int | Decimal
    delivered_quantity: int | Decimal
    return_requested_quantity: int | Decimal
    return_received_quantity: int | Decimal
    return_dismissed_quantity: int | Decimal
    written_off_quantity: int | Decimal


class LineProduct(msgspec.Struct, frozen=True):
    tags: list[Value] | None = None


class LineRow(msgspec.Struct, frozen=True):
    id: str
    title: str
    quantity: int | Decimal
    unit_price: Decimal
    total: Decimal
    detail: Detail
    product_id: str | None = None
    product_title: str | None = None
    product_type: str | None = None
    variant_id: str | None = None
    variant_title: str | None = None
    variant_sku: str | None = None
    requires_shipping: bool | None = None
    is_giftcard: bool = False
    product: LineProduct | None = None


class Summary(msgspec.Struct, frozen=True):
    #: Captured, refunds not taken off.
    paid_total: Decimal
    refunded_total: Decimal


class OwnerRow(msgspec.Struct, frozen=True):
    """The record behind an order. Checkout makes one for every guest."""

    id: str
    email: str | None = None
    has_account: bool = False
    #: Who of the staff made it; None where a checkout or the customer did.
    created_by: str | None = None
    groups: list[Named] | None = None


class FulfillmentItemRow(msgspec.Struct, frozen=True):
    quantity: int | Decimal
    line_item_id: str | None = None


class LabelRow(msgspec.Struct, frozen=True):
    tracking_number: str | None = None
    tracking_url: str | None = None


class SetRow(msgspec.Struct, frozen=True):
    type: str | None = None


class ZoneRow(msgspec.Struct, frozen=True):
    fulfillment_set: SetRow | None = None


class OptionRow(msgspec.Struct, frozen=True):
    service_zone: ZoneRow | None = None


class FulfillmentRow(msgspec.Struct, frozen=True):
    id: str
    created_at: str
    packed_at: str | None = None
    shipped_at: str | None = None
    delivered_at: str | None = None
    canceled_at: str | None = None
    requires_shipping: bool = True
    provider_id: str | None = None
    items: list[FulfillmentItemRow] | None = None
    labels: list[LabelRow] | None = None
    shipping_option: OptionRow | None = None


class RefundRow(msgspec.Struct, frozen=True):
    id: str
    amount: Decimal
    created_at: str
    note: str | None = None


class CaptureRow(msgspec.Struct, frozen=True):
    amount: Decimal


class PaymentRow(msgspec.Struct, frozen=True):
    id: str
    provider_id: str | None = None
    captures: list[CaptureRow] | None = None
    refunds: list[RefundRow] | None = None


class CollectionRow(msgspec.Struct, frozen=True):
    payments: list[PaymentRow] | None = None


class OrderRow(msgspec.Struct, frozen=True):
    id: str
    display_id: int
    status: str
    currency_code: str
    #: Less what was paid back: each refund is a credit line.
    total: Decimal
    tax_total: Decimal
    discount_total: Decimal
    shipping_total: Decimal
    item_total: Decimal
    summary: Summary
    payment_status: str
    fulfillment_status: str
    created_at: str
    items: list[LineRow]
    #: Rises with each confirmed change; a return is one.
    version: int | None = None
    credit_line_total: Decimal = Decimal(0)
    is_draft_order: bool = False
    #: A merchant's own numbering, of 2.21.
    custom_display_id: str | None = None
    email: str | None = None
    customer_id: str | None = None
    customer: OwnerRow | None = None
    sales_channel: Named | None = None
    updated_at: str | None = None
    canceled_at: str | None = None
    shipping_address: PostalAddress | None = None
    billing_address: PostalAddress | None = None
    payment_collections: list[CollectionRow] | None = None
    fulfillments: list[FulfillmentRow] | None = None


class OrdersPage(msgspec.Struct, frozen=True):
    orders: list[OrderRow]


class OrderPayments(msgspec.Struct, frozen=True):
    id: str
    payment_collections: list[CollectionRow] | None = None


class PaymentsPage(msgspec.Struct, frozen=True):
    orders: list[OrderPayments]


class PaymentState(msgspec.Struct, frozen=True):
    id: str


class PaymentChanged(msgspec.Struct, frozen=True):
    payment: PaymentState


class OrderState(msgspec.Struct, frozen=True):
    id: str
    status: str


class OrderChanged(msgspec.Struct, frozen=True):
    order: OrderState


class CustomerRow(msgspec.Struct, frozen=True):
    id: str
    email: str | None
    has_account: bool
    first_name: str | None = None
    last_name: str | None = None
    company_name: str | None = None
    phone: str | None = None
    created_by: str | None = None
    created_at: str | None = None
    addresses: list[PostalAddress] | None = None
    groups: list[Named] | None = None


class CustomersPage(msgspec.Struct, frozen=True):
    customers: list[CustomerRow]


class PriceRow(msgspec.Struct, frozen=True):
    amount: Decimal
    currency_code: str
    min_quantity: int | Decimal | None = None
    max_quantity: int | Decimal | None = None
    rules: dict[str, Any] | None = None


class OptionTitle(msgspec.Struct, frozen=True):
    title: str = ""


class OptionValueRow(msgspec.Struct, frozen=True):
    value: str
    option: OptionTitle | None = None


class LevelRow(msgspec.Struct, frozen=True):
    available_quantity: int | Decimal | None = None


class InventoryRow(msgspec.Struct, frozen=True):
    location_levels: list[LevelRow] | None = None


class InventoryItemRow(msgspec.Struct, frozen=True):
    required_quantity: int | Decimal | None = None
    inventory: InventoryRow | None = None


class Picture(msgspec.Struct, frozen=True):
    url: str = ""


class VariantRow(msgspec.Struct, frozen=True):
    id: str
    title: str | None = None
    sku: str | None = None
    manage_inventory: bool = True
    allow_backorder: bool = False
    thumbnail: str | None = None
    prices: list[PriceRow] | None = None
    options: list[OptionValueRow] | None = None
    inventory_items: list[InventoryItemRow] | None = None


class ProductRow(msgspec.Struct, frozen=True):
    id: str
    title: str
    status: str
    handle: str | None = None
    description: str | None = None
    thumbnail: str | None = None
    type: Value | None = None
    tags: list[Value] | None = None
    images: list[Picture] | None = None
    variants: list[VariantRow] | None = None


class ProductsPage(msgspec.Struct, frozen=True):
    products: list[ProductRow]


class StoreCurrency(msgspec.Struct, frozen=True):
    currency_code: str
    is_default: bool = False


class StoreRow(msgspec.Struct, frozen=True):
    id: str
    supported_currencies: list[StoreCurrency] | None = None


class StoresPage(msgspec.Struct, frozen=True):
    stores: list[StoreRow]


class ReturnItemRow(msgspec.Struct, frozen=True):
    item_id: str
    quantity: int | Decimal
    note: str | None = None
    reason: Value | None = None
    metadata: dict[str, Any] | None = None


class ReturnRow(msgspec.Struct, frozen=True):
    id: str
    order_id: str
    status: str
    created_at: str
    display_id: int | None = None
    requested_at: str | None = None
    received_at: str | None = None
    canceled_at: str | None = None
    metadata: dict[str, Any] | None = None
    items: list[ReturnItemRow] | None = None


class ReturnsPage(msgspec.Struct, frozen=True):
    returns: list[ReturnRow]


class ReturnState(msgspec.Struct, frozen=True):
    id: str
    status: str


class ReturnChanged(msgspec.Struct, frozen=True):
    """Its key is a word of Python's."""

    row: ReturnState = msgspec.field(name="return")


class Deleted(msgspec.Struct, frozen=True):
    deleted: bool


class ReasonRow(msgspec.Struct, frozen=True):
    id: str
    value: str


class ReasonsPage(msgspec.Struct, frozen=True):
    return_reasons: list[ReasonRow]


# ------------------------------------------------------------------------------------------------------ small values

#: What an id here can look like; an odd one in a filter is a fault of the server's (500).
_ID = re.compile(r"[A-Za-z0-9_-]{1,80}", re.ASCII)


def is_id(text: str) -> bool:
    return _ID.fullmatch(text) is not None


# ---------------------------------------------------------------------------------------------- what a refusal means


class Missing(Refused):
    """The thing with this id is not there."""


class _Envelope(msgspec.Struct):
    message: str
    type: str | None = None
    code: str | None = None


def judge(reply: Reply) -> Reply:
    """Passes every answer below 400, and what the transport knows by itself: 429 and 5xx."""
    if reply.status < 400 or reply.status == 429:
        return reply
    said = in_their_words(reply, _Envelope)
    if reply.status == 401:  # JSON in 2.21, plain text before
        raise BadCredentials("the store does not accept the secret API key", native=_native(reply, said))
    if said is None:
        if reply.status == 404 and re.search(rb"Cannot (GET|POST|DELETE) /", reply.body):
            raise Refused(
                "there is no such address: `url` is not that of a Medusa 2 server, or its version is too old",
                native=_native(reply, None),
            )
        if reply.status >= 500:
            return reply
        raise not_the_platform(reply, "the store")
    if reply.status >= 500:
        raise Unavailable(f"the store failed (HTTP {reply.status})", native=_native(reply, said))
    raise _refusal(reply, said)


def _refusal(reply: Reply, said: _Envelope) -> PlatformError:
    native = _native(reply, said)
    if reply.status == 403:
        return MissingScope("the key may not do this", native=native)
    if reply.status == 409:  # the database gave up between two requests; what was done by then is not told
        return Unavailable("the call met another one on the same thing", native=native)
    if said.type == "not_found":
        return Missing("the store has nothing with this id", native=native)
    return Refused(f"the store refused it (HTTP {reply.status})", native=native)


def _native(reply: Reply, said: _Envelope | None) -> tuple[Native, ...]:
    if said is None:
        return without_words(reply)
    return (Native(said.message, code=said.type or said.code, http_status=reply.status),)
