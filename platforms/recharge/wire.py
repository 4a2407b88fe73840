"""Recharge's words: how its requests are built, what of its answers is read, what its errors mean; nothing is sent."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Any, TypeAlias

import msgspec

from platforms.errors import BadCredentials, MissingScope, Native, Refused, Throttled, Unavailable
from platforms.transport import Call, Reply, retry_after_seconds

BASE_URL = "https://api.rechargeapps.com"
API_VERSION = "2021-11"

# A leaky bucket of 40 that drains 2 a second, for each token; a 429 asks for at least 2 seconds. Which header reports
# it is unverified, so none is read.
BUCKET = 40.0
DRAIN_PER_SECOND = 2.0
THROTTLED_FOR = 2.0

#: The most rows of a page, and so the most `ids` of a call.
MAX_PAGE = 250

READ_CUSTOMERS = "read_customers"
READ_ORDERS = "read_orders"
READ_SUBSCRIPTIONS = "read_subscriptions"
WRITE_ORDERS = "write_orders"
WRITE_PAYMENT_METHODS = "write_payment_methods"
WRITE_SUBSCRIPTIONS = "write_subscriptions"
#: What a refund needs in this version; 2021-01 has `write_payments` in place of the second.
REFUND_SCOPES = (WRITE_ORDERS, WRITE_PAYMENT_METHODS)

# ------------------------------------------------------------------------------------------------ what is read
#
# The types the vendor publishes and the records it sends differ: flags come as true or 1, frequencies as 30 or "30",
# ids of the shop as {"ecommerce": "7001"}, {"ecommerce": null} or not at all.

Flag: TypeAlias = bool | int | str | None
Count: TypeAlias = int | str | None
#: 2021-11 sends an offset with every instant; one without it is the older version's store time, and is not read.
Instant: TypeAlias = Annotated[datetime, msgspec.Meta(tz=True)]


class External(msgspec.Struct):
    ecommerce: str | int | None = None


class CustomerRow(msgspec.Struct):
    """https://developer.rechargepayments.com/2021-11/customers"""

    id: int
    email: str | None = None
    first_name: str | None = None
    last_name: str | None = None
    phone: str | None = None
    created_at: Instant | None = None
    external_customer_id: External | None = None


class SubscriptionRow(msgspec.Struct):
    """https://developer.rechargepayments.com/2021-11/subscriptions"""

    id: int
    customer_id: int
    status: str
    created_at: Instant
    price: Decimal
    quantity: int
    product_title: str | None = None
    variant_title: str | None = None
    sku: str | None = None
    presentment_currency: str | None = None
    external_product_id: External | None = None
    external_variant_id: External | None = None
    order_interval_unit: str | None = None
    order_interval_frequency: Count = None
    charge_interval_frequency: Count = None
    order_day_of_month: Count = None
    order_day_of_week: Count = None
    #: A day; null unless active.
    next_charge_scheduled_at: str | None = None
    expire_after_specific_number_of_charges: Count = None
    is_prepaid: Flag = None
    max_retries_reached: Flag = None
    has_queued_charges: Flag = None
    cancellation_reason: str | None = None
    cancellation_reason_comments: str | None = None
    cancelled_at: Instant | None = None
    address_id: int | None = None


class LineItem(msgspec.Struct):
    purchase_item_id: int | str | None = None
    #: subscription or onetime
    purchase_item_type: str | None = None
    title: str | None = None
    variant_title: str | None = None
    sku: str | None = None
    quantity: int = 1
    unit_price: Decimal | None = None
    total_price: Decimal | None = None
    external_product_id: External | None = None
    external_variant_id: External | None = None


class ChargeOfOrder(msgspec.Struct):
    id: int | str | None = None
    payment_processor_name: str | None = None


class CustomerOfOrder(msgspec.Struct):
    id: int | None = None
    email: str | None = None


class AddressOfOrder(msgspec.Struct):
    first_name: str | None = None
    last_name: str | None = None
    company: str | None = None
    address1: str | None = None
    address2: str | None = None
    city: str | None = None
    province: str | None = None
    zip: str | None = None
    country_code: str | None = None
    phone: str | None = None


class ShippingLine(msgspec.Struct):
    price: Decimal | None = None


class OrderRow(msgspec.Struct):
    """A billing record, not the shop's order: https://developer.rechargepayments.com/2021-11/orders"""

    id: int
    created_at: Instant
    line_items: list[LineItem]
    #: success, error, queued, cancelled, pending_charge_status
    status: str | None = None
    customer: CustomerOfOrder | None = None
    charge: ChargeOfOrder | None = None
    external_order_id: External | None = None
    external_order_number: External | None = None
    updated_at: Instant | None = None
    currency: str | None = None
    total_price: Decimal | None = None
    subtotal_price: Decimal | None = None
    total_discounts: Decimal | None = None
    total_tax: Decimal | None = None
    shipping_lines: list[ShippingLine] = []
    shipping_address: AddressOfOrder | None = None
    billing_address: AddressOfOrder | None = None
    #: checkout or recurring
    type: str | None = None


class ChargeRow(msgspec.Struct):
    """What was really taken, and given back: https://developer.rechargepayments.com/2021-11/charges"""

    id: int
    #: success, error, queued, skipped, refunded, partially_refunded, pending_manual_payment, pending
    status: str
    total_price: Decimal
    #: The sum of all its refunds: Recharge tells of no single one.
    total_refunds: Decimal
    updated_at: Instant
    currency: str | None = None


class CustomerPage(msgspec.Struct):
    customers: list[CustomerRow]
    next_cursor: str | None = None

    @property
    def rows(self) -> list[CustomerRow]:
        return self.customers


class SubscriptionPage(msgspec.Struct):
    subscriptions: list[SubscriptionRow]
    next_cursor: str | None = None

    @property
    def rows(self) -> list[SubscriptionRow]:
        return self.subscriptions


class OrderPage(msgspec.Struct):
    orders: list[OrderRow]
    next_cursor: str | None = None

    @property
    def rows(self) -> list[OrderRow]:
        return self.orders


class ChargePage(msgspec.Struct):
    charges: list[ChargeRow]
    next_cursor: str | None = None

    @property
    def rows(self) -> list[ChargeRow]:
        return self.charges


class OneSubscription(msgspec.Struct):
    subscription: SubscriptionRow


class OneCharge(msgspec.Struct):
    charge: ChargeRow


class Token(msgspec.Struct):
    scopes: list[str]


class TokenInformation(msgspec.Struct):
    """Unverified: no record of the answer could be found."""

    token_information: Token


# ------------------------------------------------------------------------------------------------ what is asked


def headers(token: str) -> Mapping[str, str]:
    return {
        "X-Recharge-Access-Token": token,
        "X-Recharge-Version": API_VERSION,
        "Accept": "application/json",
    }


def _list(operation: str, path: str, sent: Mapping[str, str], query: Iterable[tuple[str, str]]) -> Call:
    return Call(operation, "GET", path, query=(*query, ("limit", str(MAX_PAGE))), headers=sent)


def customers_by_email(sent: Mapping[str, str], email: str) -> Call:
    """Takes one address. Whether it is matched exactly is unverified, so rows are compared again."""
    return _list("customers.list", "/customers", sent, [("email", email)])


def customers_by_id(sent: Mapping[str, str], ids: Sequence[str]) -> Call:
    return _list("customers.list", "/customers", sent, [("ids", ",".join(ids))])


def subscriptions_by_id(sent: Mapping[str, str], ids: Sequence[str]) -> Call:
    return _list("subscriptions.list", "/subscriptions", sent, [("ids", ",".join(ids))])


def subscriptions_of_customer(sent: Mapping[str, str], customer: str) -> Call:
    return _list("subscriptions.list", "/subscriptions", sent, [("customer_id", customer)])


def orders_of_customer(sent: Mapping[str, str], customer: str) -> Call:
    """The billed orders; `error`, `queued` and `cancelled` ones are not asked for."""
    return _list("orders.list", "/orders", sent, [("customer_id", customer), ("status", "success")])


def orders_by_shop_order(sent: Mapping[str, str], order: str) -> Call:
    """By the shop's own order id; the filter takes one."""
    return _list("orders.list", "/orders", sent, [("external_order_id", order)])


def orders_by_id(sent: Mapping[str, str], ids: Sequence[str]) -> Call:
    return _list("orders.list", "/orders", sent, [("ids", ",".join(ids))])


def charges_by_id(sent: Mapping[str, str], ids: Sequence[str]) -> Call:
    return _list("charges.list", "/charges", sent, [("ids", ",".join(ids))])


def behind(call: Call, cursor: str) -> Call:
    """The page behind `cursor`, which carries the filters: beside it only `limit` may be sent."""
    return Call(
        call.operation,
        call.method,
        call.path,
        query=(("cursor", cursor), ("limit", str(MAX_PAGE))),
        headers=call.headers,
    )


def token_information(sent: Mapping[str, str]) -> Call:
    """Unverified; tolerated where it is missing."""
    return Call("token_information", "GET", "/token_information", headers=sent)


def _write(
    operation: str, path: str, sent: Mapping[str, str], body: object, query: Sequence[tuple[str, str]] = ()
) -> Call:
    return Call(
        operation,
        "POST",
        path,
        query=query,
        headers={**sent, "Content-Type": "application/json"},
        body=json.dumps(body).encode(),
        writes=True,
    )


def set_next_charge_date(sent: Mapping[str, str], subscription: str, day: date, *, pause: bool) -> Call:
    """https://developer.rechargepayments.com/2021-11/subscriptions/subscriptions_set_next_charge

    `commit` has the charges made anew before the answer; without it a read in the next 5 seconds shows the old day.
    `pause` only makes the webhook `subscription/paused` fire. Both are parameters of the query in the vendor's types.
    """
    query = [("commit", "true"), *([("pause", "true")] if pause else [])]
    return _write(
        "subscriptions.set_next_charge_date",
        f"/subscriptions/{subscription}/set_next_charge_date",
        sent,
        {"date": day.isoformat()},
        query,
    )


def cancel(sent: Mapping[str, str], subscription: str, reason: str, comments: str) -> Call:
    """https://developer.rechargepayments.com/2021-11/subscriptions/subscriptions_cancel

    `send_email` is left out, so the store's own setting decides whether the customer is written to.
    """
    return _write(
        "subscriptions.cancel",
        f"/subscriptions/{subscription}/cancel",
        sent,
        {"cancellation_reason": reason, "cancellation_reason_comments": comments},
    )


def activate(sent: Mapping[str, str], subscription: str) -> Call:
    """https://developer.rechargepayments.com/2021-11/subscriptions/subscriptions_activate

    Clears the cancellation's instant and reason.
    """
    return _write("subscriptions.activate", f"/subscriptions/{subscription}/activate", sent, {})


def refund(sent: Mapping[str, str], charge: int, amount: str) -> Call:
    """https://developer.rechargepayments.com/2021-11/charges/charge_refund

    Always by amount, a string of major units; `full_refund` would pay whatever is left by then.
    """
    return _write("charges.refund", f"/charges/{charge}/refund", sent, {"amount": amount})


# ------------------------------------------------------------------------------------------------ what errors mean


def judge(reply: Reply, scopes: tuple[str, ...]) -> Reply:
    """The reply, unless its status says that the store did not do what was asked. `scopes`: what the call needs."""
    if reply.status < 400:
        return reply
    native = natives(reply)
    said = f": {native[0].message}" if native else ""
    match reply.status:
        case 401:
            raise BadCredentials("Recharge does not know the store's token (HTTP 401)", native=native)
        case 403 if "json" not in reply.headers.get("content-type", "json"):
            raise Unavailable("HTTP 403 came from something before Recharge's API, not in its words", native=native)
        case 403:
            raise MissingScope(
                f"the store's token lacks a permission: {', '.join(scopes)} (HTTP 403)", scopes=scopes, native=native
            )
        case 404:
            raise Refused(f"Recharge has no such thing (HTTP 404){said}", native=native)
        case 408:
            raise Unavailable("Recharge gave up waiting for the request (HTTP 408)", native=native)
        case 409:
            raise Refused(
                "Recharge is busy with a charge of this (HTTP 409); ask again in a few minutes",
                native=native,
            )
        case 429:
            wait = max(THROTTLED_FOR, retry_after_seconds(reply.headers) or 0.0)
            raise Throttled("Recharge asks to wait (HTTP 429)", retry_after=wait, native=native)
        case status if status < 500:
            raise Refused(f"Recharge refused it (HTTP {status}){said}", native=native)
    return reply


def natives(reply: Reply) -> tuple[Native, ...]:
    """The errors of an answer: `errors` as text, list, or by field; else `error` or `warning`. The shapes are
    unverified, so anything else leaves the status alone."""
    try:
        body = msgspec.json.decode(reply.body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        body = None
    told = body if isinstance(body, dict) else {}
    found: list[Native] = []
    for key in ("errors", "error", "warning"):
        found += _errors(told.get(key), (), reply.status)
    return tuple(found) or (Native(message=f"HTTP {reply.status}", http_status=reply.status),)


def _errors(value: Any, field: tuple[str, ...], status: int) -> list[Native]:
    if isinstance(value, str) and value:
        return [Native(message=value, field=field or None, http_status=status)]
    if isinstance(value, list):
        return [error for inner in value[:20] for error in _errors(inner, field, status)]
    if isinstance(value, dict) and len(field) < 5:
        return [error for key in list(value)[:20] for error in _errors(value[key], (*field, str(key)[:60]), status)]
    return []
