"""WooCommerce's own words: the calls we make, the fields we read of its answers, and what its refusals mean."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from functools import lru_cache
from typing import Annotated, Any, Final
from urllib.parse import quote

import msgspec

from platforms.errors import BadCredentials, MissingScope, Native, PlatformError, Refused, Unreadable
from platforms.instants import in_utc
from platforms.refusals import in_their_words, not_the_platform
from platforms.transport import Call, Reply

#: Below the site's address; needs "pretty permalinks". https://woocommerce.github.io/woocommerce-rest-api-docs/#introduction
API = "wp-json/wc/v3"
#: A page of a list holds no more; asking for more is refused with 400.
MOST = 100
#: The hidden field in which a refund carries the action it was made by. Its reason is shown to the customer.
ACTION = "_aftersale_action"
#: The one permission a key can have that allows changes.
WRITE_PERMISSION = "read_write"


# ------------------------------------------------------------------------------------------------------- what we ask
# https://woocommerce.github.io/woocommerce-rest-api-docs/#orders

Query = list[tuple[str, str]]


def _get(operation: str, path: str, query: Iterable[tuple[str, str]] = ()) -> Call:
    return Call(operation, "GET", f"/{API}{path}", query=tuple(query))


#: Amounts that are numbers there keep their digits: no binary fraction is between.
_JSON: Final = msgspec.json.Encoder(decimal_format="number")


def _send(operation: str, method: str, path: str, body: object) -> Call:
    return Call(
        operation,
        method,
        f"/{API}{path}",
        headers={"Content-Type": "application/json"},
        body=_JSON.encode(body),
        writes=True,
    )


def _by_ids(ids: Sequence[str]) -> Query:
    return [("include", ",".join(ids)), ("per_page", str(MOST))]


def orders_by_ids(ids: Sequence[str]) -> Call:
    """At most `MOST` ids. A trashed order is answered too, with `status: trash`."""
    return _get("orders.batch", "/orders", _by_ids(ids))


def orders_list(
    *,
    customer: int,
    search: str | None = None,
    statuses: Sequence[str] = (),
    placed_after: datetime | None = None,
    placed_before: datetime | None = None,
    per_page: int,
    page: int = 1,
) -> Call:
    """The orders of one customer record, newest first; `customer=0` with `search` for guests.

    There is no filter by e-mail: `email=` and `billing_email=` are ignored and give everybody's orders. `search` is a
    substring match over many columns, so each row has to be looked at again. Whether the two filters narrow each other
    is unverified; nothing here depends on it. Bounds are exclusive and sent as the API writes its own dates, without a
    zone, with `dates_are_gmt` to say which.
    """
    query: Query = [("customer", str(customer))]
    if search is not None:
        query.append(("search", search))
    query += [("orderby", "date"), ("order", "desc"), ("per_page", str(per_page))]
    if page > 1:
        query.append(("page", str(page)))
    if statuses:
        query.append(("status", ",".join(statuses)))
    if placed_after is not None:
        query.append(("after", written(placed_after)))
    if placed_before is not None:
        query.append(("before", written(placed_before)))
    if placed_after is not None or placed_before is not None:
        query.append(("dates_are_gmt", "true"))
    return _get("orders.search" if search is not None else "orders.list", "/orders", query)


def orders_search(text: str, page: int) -> Call:
    """A substring match over names, phone numbers, products, addresses and ids; `#23` finds nothing."""
    query = [("search", text), ("orderby", "date"), ("order", "desc"), ("per_page", str(MOST))]
    return _get("orders.search", "/orders", query + ([("page", str(page))] if page > 1 else []))


def refunds(order: int) -> Call:
    """The refunds of an order with their lines; an order that is not there gives `[]`."""
    return _get("refunds.list", f"/orders/{order}/refunds", [("per_page", str(MOST))])


class RefundTax(msgspec.Struct, frozen=True):
    #: Of the rate.
    id: int
    refund_total: Decimal


class RefundItem(msgspec.Struct, frozen=True):
    """A line or the shipping of the order; `refund_total` is without tax.

    The property table calls the taxes `taxes`, the example of the same page `refund_tax`: only that is read.
    """

    id: int
    quantity: int
    refund_total: Decimal
    refund_tax: list[RefundTax]


def create_refund(order: str, amount: str, reason: str, action: str, items: Sequence[RefundItem]) -> Call:
    """https://woocommerce.github.io/woocommerce-rest-api-docs/#create-a-refund

    `amount` is a string and wins over the items' totals. `api_refund` asks the payment gateway for the money; without
    it a refund is only recorded. `api_restock` false leaves the stock to the return of the goods.
    """
    return _send(
        "refunds.create",
        "POST",
        f"/orders/{quote(order, safe='')}/refunds",
        {
            "amount": amount,
            "reason": reason,
            "api_refund": True,
            "api_restock": False,
            "line_items": items,
            "meta_data": [{"key": ACTION, "value": action}],
        },
    )


def cancel_order(order: str) -> Call:
    """`status` has no guard: this works on paid, completed and refunded orders, and restocks."""
    return _send("orders.cancel", "PUT", f"/orders/{quote(order, safe='')}", {"status": "cancelled"})


def order_notes(order: str) -> Call:
    return _get("notes.list", f"/orders/{quote(order, safe='')}/notes")


def leave_note(order: str, text: str) -> Call:
    """A private note: `customer_note` false keeps it from the customer."""
    return _send(
        "notes.create", "POST", f"/orders/{quote(order, safe='')}/notes", {"note": text, "customer_note": False}
    )


# https://woocommerce.github.io/woocommerce-rest-api-docs/#customers


def customers_by_email(email: str) -> Call:
    """Exact, letter case aside. Without `role=all` shop managers and subscribers are missed; guests have no record."""
    return _get("customers.by_email", "/customers", [("email", email), ("role", "all")])


def customers_by_ids(ids: Sequence[str]) -> Call:
    return _get("customers.batch", "/customers", [*_by_ids(ids), ("role", "all")])


# https://woocommerce.github.io/woocommerce-rest-api-docs/#products


def products_by_ids(ids: Sequence[str]) -> Call:
    return _get("products.batch", "/products", _by_ids(ids))


def variations(product: int, page: int) -> Call:
    query = [("per_page", str(MOST)), *([("page", str(page))] if page > 1 else [])]
    return _get("variations.list", f"/products/{product}/variations", query)


def currency_setting() -> Call:
    """Products carry no currency; the shop does."""
    return _get("settings.currency", "/settings/general/woocommerce_currency")


# https://woocommerce.github.io/subscriptions-rest-api-docs/


def subscription_statuses() -> Call:
    """The cheapest call that tells whether the plug-in is there: else `rest_no_route`."""
    return _get("subscriptions.statuses", "/subscriptions/statuses")


def subscriptions_by_ids(ids: Sequence[str]) -> Call:
    return _get("subscriptions.batch", "/subscriptions", [*_by_ids(ids), ("status", "any")])


def subscriptions_of_customer(customer: str, page: int) -> Call:
    query = [("customer", customer), ("status", "any"), ("per_page", str(MOST))]
    return _get("subscriptions.list", "/subscriptions", query + ([("page", str(page))] if page > 1 else []))


def subscriptions_of_parents(orders: Sequence[str]) -> Call:
    """Those whose first order is one of these. Renewal orders are not found this way."""
    query = [("parent", ",".join(orders)), ("status", "any"), ("per_page", str(MOST))]
    return _get("subscriptions.by_parent", "/subscriptions", query)


def subscription_orders(subscription: int) -> Call:
    return _get("subscriptions.orders", f"/subscriptions/{subscription}/orders")


def move_subscription(subscription: str, to: str) -> Call:
    """`transition_status` runs the plug-in's own rules; `status` would only overwrite the column."""
    path = f"/subscriptions/{quote(subscription, safe='')}"
    return _send("subscriptions.transition", "PUT", path, {"transition_status": to})


# ------------------------------------------------------------------------------------------------------ what we read


# What is left out here is never looked at; a field without a default must be there.


class Meta(msgspec.Struct, frozen=True):
    key: str
    value: Any = None


class Contact(msgspec.Struct, frozen=True):
    """What is looked at of an address that nobody asks for."""

    country: str = ""
    email: str | None = None


class PostalAddress(Contact, frozen=True):
    first_name: str = ""
    last_name: str = ""
    company: str = ""
    address_1: str = ""
    address_2: str = ""
    city: str = ""
    state: str = ""
    postcode: str = ""
    phone: str | None = None


class TaxRow(msgspec.Struct, frozen=True):
    """A tax of an item, by its rate."""

    id: int
    total: str = ""


class LineRow(msgspec.Struct, frozen=True):
    id: int
    name: str
    product_id: int
    variation_id: int
    #: Whole units in core; plug-ins sell by weight. Negative in a refund.
    quantity: int | Decimal
    subtotal: str
    subtotal_tax: str
    total: str
    total_tax: str
    sku: str | None = None
    parent_name: str | None = None


class PaidLineRow(LineRow, frozen=True):
    """A line as a refund has to know it."""

    taxes: list[TaxRow] = []
    meta_data: list[Meta] = []


class ShippingRow(msgspec.Struct, frozen=True):
    id: int
    total: str
    total_tax: str
    taxes: list[TaxRow] = []
    meta_data: list[Meta] = []


class RefundSummary(msgspec.Struct, frozen=True):
    """`total` is negative, and `-` where the refund was recorded without an amount."""

    id: int
    total: str


class OrderRow(msgspec.Struct, frozen=True):
    id: int
    number: str
    status: str
    #: Plug-ins have words of their own; amounts are kept by it, so it has an end.
    currency: Annotated[str, msgspec.Meta(max_length=32)]
    prices_include_tax: bool
    discount_total: str
    discount_tax: str
    shipping_total: str
    shipping_tax: str
    total: str
    total_tax: str
    #: 0 for a guest.
    customer_id: int
    billing: Contact
    shipping: Contact
    line_items: Sequence[LineRow]
    #: Only `*_gmt` says which instant is meant; the others are in the site's own zone, unnamed.
    date_created_gmt: str | None
    refunds: list[RefundSummary]
    date_modified_gmt: str | None = None
    date_completed_gmt: str | None = None
    date_paid_gmt: str | None = None
    payment_method: str = ""
    payment_method_title: str = ""
    transaction_id: str = ""
    created_via: str = ""
    customer_note: str = ""


class AddressedOrderRow(OrderRow, frozen=True, kw_only=True):
    """An order whose addresses are asked for."""

    billing: PostalAddress
    shipping: PostalAddress


class PaidOrderRow(OrderRow, frozen=True, kw_only=True):
    """An order of which money is to be paid back."""

    line_items: Sequence[PaidLineRow]
    shipping_lines: list[ShippingRow] = []


class OrderState(msgspec.Struct, frozen=True):
    """What is read back of an order that was just written."""

    id: int
    status: str


class RefundRow(msgspec.Struct, frozen=True):
    id: int
    #: Empty where the refund was recorded without an amount.
    amount: str
    date_created_gmt: str
    line_items: list[PaidLineRow] = []
    shipping_lines: list[ShippingRow] = []
    meta_data: list[Meta] = []
    reason: str | None = None
    #: True where the payment gateway was asked and paid; false where the refund was only recorded.
    refunded_payment: bool | None = None


def refunded_item(meta: Iterable[Meta]) -> int | None:
    """The item of the order behind an item of a refund."""
    for one in meta:
        if one.key == "_refunded_item_id" and str(one.value).isascii() and str(one.value).isdecimal():
            return int(str(one.value))
    return None


def action_of(row: RefundRow) -> str | None:
    """The action that a refund was made by, where it was one of ours."""
    return next((str(one.value) for one in row.meta_data if one.key == ACTION), None)


class NoteRow(msgspec.Struct, frozen=True):
    id: int
    note: str
    customer_note: bool


class CustomerRow(msgspec.Struct, frozen=True):
    id: int
    email: str
    first_name: str = ""
    last_name: str = ""
    billing: PostalAddress = PostalAddress()
    shipping: PostalAddress = PostalAddress()
    role: str | None = None
    date_created_gmt: str | None = None


class Term(msgspec.Struct, frozen=True):
    name: str


class Picture(msgspec.Struct, frozen=True):
    src: str = ""
    alt: str = ""


class ProductRow(msgspec.Struct, frozen=True):
    id: int
    name: str
    type: str
    status: str
    price: str
    regular_price: str
    on_sale: bool
    purchasable: bool
    stock_status: str
    manage_stock: bool | str
    slug: str = ""
    permalink: str = ""
    description: str = ""
    short_description: str = ""
    sku: str | None = None
    stock_quantity: int | Decimal | None = None
    categories: list[Term] = []
    brands: list[Term] = []
    tags: list[Term] = []
    images: list[Picture] = []


class Attribute(msgspec.Struct, frozen=True):
    name: str
    option: str


class VariationRow(msgspec.Struct, frozen=True):
    id: int
    price: str
    regular_price: str
    on_sale: bool
    purchasable: bool
    stock_status: str
    #: The word `parent` where the product counts for all its variations.
    manage_stock: bool | str
    sku: str | None = None
    stock_quantity: int | Decimal | None = None
    attributes: list[Attribute] = []
    image: Picture | None = None


class Setting(msgspec.Struct, frozen=True):
    value: Any


class SubscriptionLineRow(msgspec.Struct, frozen=True):
    name: str
    product_id: int
    variation_id: int
    quantity: int | Decimal
    subtotal: str
    subtotal_tax: str
    sku: str | None = None
    parent_name: str | None = None


class SubscriptionRow(msgspec.Struct, frozen=True):
    id: int
    #: The order it began with; 0 where an administrator made it.
    parent_id: int
    status: str
    currency: str
    prices_include_tax: bool
    customer_id: int
    billing: PostalAddress
    line_items: list[SubscriptionLineRow]
    billing_period: str
    #: A string in answers, an integer in the property table.
    billing_interval: str | int
    date_created_gmt: str | None
    #: A blank date is "".
    next_payment_date_gmt: str | None = None
    end_date_gmt: str | None = None
    cancelled_date_gmt: str | None = None


class SubscriptionState(msgspec.Struct, frozen=True):
    id: int
    status: str


class SubscriptionOrderRow(msgspec.Struct, frozen=True):
    id: int
    status: str
    date_created_gmt: str | None
    date_paid_gmt: str | None = None
    #: parent, renewal, switch or resubscribe.
    order_type: str = ""


# ------------------------------------------------------------------------------------------------------ small values

_AMOUNT = re.compile(r"[+-]?\d{1,24}(\.\d{1,24})?", re.ASCII)


@lru_cache(maxsize=4096)  # a shop has few prices, and each is read many times
def amount(text: str, field: str) -> Decimal:
    """A decimal string, exactly. Blank and `-` are 0: a refund recorded without an amount shows so, and the shop's own
    sum leaves it out. Raises `Unreadable` naming the field."""
    if text in ("", "-"):
        return Decimal(0)
    if not _AMOUNT.fullmatch(text):
        raise Unreadable(f"{field} is not a decimal number")
    return Decimal(text)


@lru_cache(maxsize=4096)
def taxed(net: str, tax: str | None, field: str) -> Decimal:
    """An amount and, where there is one, its tax."""
    found = amount(net, field)
    return found if tax is None else found + amount(tax, f"{field} (tax)")


def amount_or_none(text: str, field: str) -> Decimal | None:
    return amount(text, field) if text else None


def instant(text: str | None, field: str) -> datetime | None:
    """A `*_gmt` date, with or without a zone; None where it is blank. Raises `Unreadable` naming the field."""
    if not text:
        return None
    try:
        if len(text) == 19 and text[18].isdigit():  # without a zone, as it is written there
            return datetime.fromisoformat(text + "Z")
    except ValueError:
        pass
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise Unreadable(f"{field} is not a date") from None
    return in_utc(found, field)


def known_instant(text: str | None, field: str) -> datetime:
    found = instant(text, field)
    if found is None:
        raise Unreadable(f"{field} is missing")
    return found


def written(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="seconds").removesuffix("+00:00")


# ---------------------------------------------------------------------------------------------- what a refusal means


class Missing(Refused):
    """The thing with this id is not there."""


class NoRoute(Refused):
    """The site has no such endpoint: a plug-in is missing."""


class _Envelope(msgspec.Struct):
    code: str
    message: str = ""
    data: Any = None


#: What the shop says to a key that may only read; in the site's language, so not the only sign.
_NO_PERMISSION: Final = re.compile(r"does not have (write|read) permissions", re.ASCII)


_BY_CODE: Final[Mapping[str, str]] = {
    "woocommerce_rest_cannot_create_order_refund": "the shop, or the payment gateway behind it, refused to pay back",
    "woocommerce_rest_invalid_order_refund": "the shop does not take this for a refund",
    "woocommerce_rest_invalid_order": "the shop no longer has the order",
}


def judge(reply: Reply) -> Reply:
    """Passes every answer below 400, and what the transport knows by itself: 429, and 5xx that are no refusals."""
    if reply.status < 400 or reply.status == 429:
        return reply
    said = in_their_words(reply, _Envelope)
    if said is None:
        if reply.status >= 500:
            return reply
        raise not_the_platform(reply, "the shop's API")
    native = (Native(said.message, code=said.code, http_status=reply.status),)
    if reply.status >= 500:
        # A refund that is refused is HTTP 500 with a bare number as `data`; a fault of the server has none.
        if said.code.startswith("woocommerce_rest_") and type(said.data) is int:
            raise Refused(_BY_CODE.get(said.code, "the shop refused it"), native=native)
        return reply
    raise _refusal(reply.status, said, native)


def _refusal(status: int, said: _Envelope, native: tuple[Native, ...]) -> PlatformError:
    if status == 401:
        if (lacking := _NO_PERMISSION.search(said.message)) is not None:
            wanted = "read" if lacking[1] == "read" else WRITE_PERMISSION
            return MissingScope("the key's permission does not allow this", scopes=(wanted,), native=native)
        if said.code == "woocommerce_rest_authentication_error":
            return BadCredentials("the shop does not accept the consumer secret", native=native)
        # No key, an unknown key, and HTTPS ended before a site that does not know it: all the same answer.
        return BadCredentials(
            "the shop does not know the consumer key, or does not see that HTTPS is used", native=native
        )
    if status == 403:
        return MissingScope("the key's WordPress user may not do this", native=native)
    if said.code == "rest_no_route":
        return NoRoute("the shop has no such endpoint", native=native)
    if said.code.endswith("_invalid_id"):  # GET says 404, PUT says 400
        return Missing("the shop has nothing with this id", native=native)
    return Refused(f"the shop refused it (HTTP {status})", native=native)
