"""BigCommerce's own words: the calls we make, the fields we read of its answers, and what its refusals mean."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from email.utils import parsedate_to_datetime
from typing import Any, Final, Generic, TypeVar

import msgspec
import orjson

from platforms.budget import Budget
from platforms.errors import (
    BadCredentials,
    MissingScope,
    Native,
    PlatformError,
    Refused,
    Throttled,
    Unavailable,
    Unreadable,
)
from platforms.instants import in_utc
from platforms.jsonbody import decode
from platforms.refusals import in_their_words, not_the_platform
from platforms.transport import Call, Reply

T = TypeVar("T")

#: Where every store's API is; a store is a folder below it.
HOST: Final = "https://api.bigcommerce.com"
#: A page of a v2 list when nothing else is asked for; how many more one may hold is not in the reference.
V2_PAGE: Final = 50
#: https://developer.bigcommerce.com/docs/rest-catalog/products ("limit")
PRODUCTS_PAGE: Final = 250
#: Ids or addresses in one v3 filter: the reference sets no bound, and the address line should stay short.
IN: Final = 50
#: How many rows of a v3 list are asked for; several logins may share one address.
V3_PAGE: Final = 250
#: What an account on the smallest plan may send in one window, until the store itself tells.
#: https://developer.bigcommerce.com/docs/start/best-practices/api-rate-limits
QUOTA, WINDOW_SECONDS = 150, 30
#: The reference's bound of the notes on an order, in characters.
NOTES_LENGTH: Final = 65535
#: Of the reason for refunding one item.
REASON_LENGTH: Final = 1000

ORDERS_WRITE: Final = "store_v2_orders"
#: The least scope of each folder of the API, longest first. https://developer.bigcommerce.com/docs/start/authentication
_READ_SCOPES: Final = (
    ("/v3/catalog", "store_v2_products_read_only"),
    ("/v3/customers", "store_v2_customers_read_only"),
    ("/v2/store", "store_v2_information_read_only"),
    ("/", "store_v2_orders_read_only"),
)

#: The only statuses this gateway speaks of by number itself. The names are the merchant's to change, the numbers stay.
INCOMPLETE, CANCELLED = 0, 5


# ------------------------------------------------------------------------------------------------------- what we ask

Query = list[tuple[str, str]]


def _get(operation: str, path: str, query: Iterable[tuple[str, str]] = ()) -> Call:
    return Call(operation, "GET", path, query=tuple(query))


def _send(operation: str, method: str, path: str, body: Mapping[str, object] | None) -> Call:
    return Call(
        operation,
        method,
        path,
        headers={"Content-Type": "application/json"},
        body=None if body is None else orjson.dumps(body),
        writes=True,
    )


#: Brings where the goods go with the order itself; without it there is only a link to another call.
_WITH_CONSIGNMENTS: Final = (("include", "consignments"), ("consignment_structure", "object"))

# https://developer.bigcommerce.com/docs/rest-management/orders


def order(native: str) -> Call:
    """There is no list by ids: each order is a call."""
    return _get("orders.get", f"/v2/orders/{native}", _WITH_CONSIGNMENTS)


def orders_list(
    *,
    customer: int | None = None,
    email: str | None = None,
    placed_after: datetime | None = None,
    placed_before: datetime | None = None,
    limit: int,
    page: int = 1,
) -> Call:
    """The orders of a customer record, or with an address on them, newest first.

    Which address `email` looks at, that of the bill or that of the account, is unverified, as is whether the bounds
    are inclusive: each row has to be looked at again. Incomplete orders may be among them.
    """
    query: Query = []
    if customer is not None:
        query.append(("customer_id", str(customer)))
    if email is not None:
        query.append(("email", email))
    if placed_after is not None:
        query.append(("min_date_created", written(placed_after)))
    if placed_before is not None:
        query.append(("max_date_created", written(placed_before)))
    query += [("sort", "date_created:desc"), ("limit", str(limit))]
    if page > 1:
        query.append(("page", str(page)))
    return _get("orders.list" if email is None else "orders.by_email", "/v2/orders", [*query, *_WITH_CONSIGNMENTS])


def orders_count() -> Call:
    """The cheapest call that tells whether the token may read orders."""
    return _get("orders.count", "/v2/orders/count")


def _paged(page: int) -> Query:
    return [("limit", str(V2_PAGE)), *([("page", str(page))] if page > 1 else [])]


def order_products(native: int, page: int) -> Call:
    return _get("orders.products", f"/v2/orders/{native}/products", _paged(page))


def shipments(native: int, page: int) -> Call:
    return _get("orders.shipments", f"/v2/orders/{native}/shipments", _paged(page))


def cancel_order(native: str) -> Call:
    """No guard, no refund; whether the goods go back into stock is the store's own setting."""
    return _send("orders.cancel", "PUT", f"/v2/orders/{native}", {"status_id": CANCELLED})


def leave_notes(native: str, text: str) -> Call:
    """The notes are one text, replaced whole."""
    return _send("orders.notes", "PUT", f"/v2/orders/{native}", {"staff_notes": text})


# https://developer.bigcommerce.com/docs/rest-management/orders/payment-actions


def void_payment(native: str) -> Call:
    """Only an open authorisation can be voided; the store does it later, and says `void pending` until then."""
    return _send("payments.void", "POST", f"/v3/orders/{native}/payment_actions/void", None)


def refund_quote(native: str, items: Sequence[Mapping[str, object]]) -> Call:
    """What `items` come to, and the ways to pay that back. A POST that changes nothing: it counts as a read."""
    asked = _send("refunds.quote", "POST", f"/v3/orders/{native}/payment_actions/refund_quotes", {"items": items})
    return replace(asked, writes=False)


def refund(native: str, body: Mapping[str, object]) -> Call:
    """Pays back. The payments have to be those of a quote, to the cent; two at once on one order are not supported."""
    return _send("refunds.create", "POST", f"/v3/orders/{native}/payment_actions/refunds", body)


def of_line(line: str, units: int, reason: str | None = None) -> Mapping[str, object]:
    return _item("PRODUCT", int(line), reason, quantity=units)


def of_shipping(address: int, amount: Decimal, reason: str | None = None) -> Mapping[str, object]:
    """Shipping goes by the address it went to. Whether the tax on it is in `amount` or added is unverified."""
    return _item("SHIPPING", address, reason, amount=float(amount))


def of_order(native: str, amount: Decimal, reason: str | None = None) -> Mapping[str, object]:
    """A sum on the order as a whole; its tax is not worked out anew."""
    return _item("ORDER", int(native), reason, amount=float(amount))


def _item(kind: str, native: int, reason: str | None, **much: object) -> Mapping[str, object]:
    why = {} if reason is None else {"reason": reason[:REASON_LENGTH]}
    return {"item_type": kind, "item_id": native, **much, **why}


def refunds_of(orders: Sequence[str], page: int) -> Call:
    """The refunds of several orders, by refund id, ascending."""
    query = [("order_id:in", ",".join(orders)), ("limit", str(V3_PAGE)), *([("page", str(page))] if page > 1 else [])]
    return _get("refunds.batch", "/v3/orders/payment_actions/refunds", query)


def shipping_addresses(native: str, page: int) -> Call:
    return _get("orders.addresses", f"/v2/orders/{native}/shipping_addresses", _paged(page))


# https://developer.bigcommerce.com/docs/rest-management/customers


def customers_by_email(emails: Sequence[str], page: int) -> Call:
    """Where channels have logins of their own, one address may give several rows. Guests have none."""
    return _customers("customers.by_email", "email:in", emails, page)


def customers_by_ids(ids: Sequence[str], page: int) -> Call:
    return _customers("customers.batch", "id:in", ids, page)


def _customers(operation: str, name: str, values: Sequence[str], page: int) -> Call:
    query = [(name, ",".join(values)), ("include", "addresses"), ("limit", str(V3_PAGE))]
    return _get(operation, "/v3/customers", query + ([("page", str(page))] if page > 1 else []))


def any_customer() -> Call:
    return _get("customers.list", "/v3/customers", [("limit", "1")])


# https://developer.bigcommerce.com/docs/rest-catalog/products


def products_by_ids(ids: Sequence[str], page: int) -> Call:
    query = [("id:in", ",".join(ids)), ("include", "variants,images"), ("limit", str(PRODUCTS_PAGE))]
    return _get("products.batch", "/v3/catalog/products", query + ([("page", str(page))] if page > 1 else []))


# https://developer.bigcommerce.com/docs/rest-management/store-information


def store() -> Call:
    """Products carry no currency; the store does."""
    return _get("store.get", "/v2/store")


# ------------------------------------------------------------------------------------------------------ what we read


# What is left out here is never looked at; a field without a default must be there. Amounts are strings with four
# decimals on orders and numbers elsewhere, and the reference allows either everywhere: both are read exactly.


class PostalAddress(msgspec.Struct, frozen=True):
    first_name: str | None = None
    last_name: str | None = None
    company: str | None = None
    street_1: str | None = None
    street_2: str | None = None
    city: str | None = None
    state: str | None = None
    zip: str | None = None
    country: str | None = None
    country_iso2: str | None = None
    phone: str | None = None
    email: str | None = None


class Consignments(msgspec.Struct, frozen=True):
    """Where the goods go. Empty where the answer only has a link to them."""

    shipping: list[PostalAddress] = []
    pickups: list[Any] = []


class OrderRow(msgspec.Struct, frozen=True):
    id: int
    status_id: int
    #: 0 for a guest.
    customer_id: int
    date_created: str | int
    total_inc_tax: Decimal
    subtotal_inc_tax: Decimal
    shipping_cost_inc_tax: Decimal
    total_tax: Decimal
    items_total: int
    items_shipped: int
    #: What the shopper pays in; `currency_code` is only what prices were shown in.
    default_currency_code: str
    billing_address: PostalAddress
    status: str = ""
    custom_status: str | None = None
    date_modified: str | int | None = None
    date_shipped: str | int | None = None
    discount_amount: Decimal = Decimal(0)
    coupon_discount: Decimal = Decimal(0)
    #: The reference says that it is always 0.
    refunded_amount: Decimal = Decimal(0)
    #: What of it was paid with credit in the store.
    store_credit_amount: Decimal = Decimal(0)
    currency_code: str = ""
    store_default_currency_code: str | None = None
    store_default_to_transactional_exchange_rate: Decimal | None = None
    payment_status: str | None = None
    payment_method: str | None = None
    payment_provider_id: Any = None
    order_is_digital: bool = False
    order_source: str | None = None
    external_order_id: str | None = None
    customer_message: str | None = None
    staff_notes: str | None = None
    is_deleted: bool = False
    consignments: Consignments | None = None


class OrderState(msgspec.Struct, frozen=True):
    """What is read back of an order that was just written."""

    id: int
    status_id: int
    staff_notes: str | None = None


class Count(msgspec.Struct, frozen=True):
    count: int


class Discount(msgspec.Struct, frozen=True):
    amount: Decimal


class Option(msgspec.Struct, frozen=True):
    display_value: str | None = None


class LineRow(msgspec.Struct, frozen=True):
    id: int
    name: str
    quantity: int
    price_inc_tax: Decimal
    total_inc_tax: Decimal
    #: 0 for goods that are not in the catalogue.
    product_id: int = 0
    variant_id: int | None = None
    sku: str | None = None
    #: physical, digital or giftcertificate.
    type: str = ""
    discounted_total_inc_tax: Decimal | None = None
    applied_discounts: list[Discount] = []
    quantity_shipped: int = 0
    quantity_refunded: int = 0
    is_refunded: bool = False
    brand: str | None = None
    product_options: list[Option] = []


class ShipmentItem(msgspec.Struct, frozen=True):
    order_product_id: int
    quantity: int


class ShipmentRow(msgspec.Struct, frozen=True):
    id: int
    date_created: str | int | None = None
    tracking_number: str | None = None
    #: A short name of the carrier, such as `canada-post`.
    tracking_carrier: str | None = None
    tracking_link: str | None = None
    generated_tracking_link: str | None = None
    shipping_provider_display_name: str | None = None
    items: list[ShipmentItem] = []


class RefundItem(msgspec.Struct, frozen=True):
    #: PRODUCT, GIFT_WRAPPING, SHIPPING, HANDLING, ORDER or FEE.
    item_type: str
    #: The order's line for PRODUCT.
    item_id: int
    quantity: int | None = None
    requested_amount: Decimal | None = None
    reason: str | None = None


class RefundPayment(msgspec.Struct, frozen=True):
    amount: Decimal
    provider_id: str = ""
    #: Only booked: nobody was asked to pay.
    offline: bool = False
    is_declined: bool = False


class RefundRow(msgspec.Struct, frozen=True):
    id: int
    order_id: int
    created: str | int
    total_amount: Decimal
    reason: str | None = None
    items: list[RefundItem] = []
    payments: list[RefundPayment] = []


class PaymentOption(msgspec.Struct, frozen=True):
    """One payment of a way to pay back."""

    provider_id: str
    amount: Decimal
    #: It would only be booked: somebody has to pay it by other means.
    offline: bool = False


class Quote(msgspec.Struct, frozen=True):
    total_refund_amount: Decimal
    total_refund_tax_amount: Decimal = Decimal(0)
    #: Each a whole way to pay the sum back, of one payment or several.
    refund_methods: list[list[PaymentOption]] = []


class ShippedTo(msgspec.Struct, frozen=True):
    id: int
    cost_inc_tax: Decimal = Decimal(0)


class CustomerAddress(msgspec.Struct, frozen=True):
    first_name: str | None = None
    last_name: str | None = None
    company: str | None = None
    address1: str | None = None
    address2: str | None = None
    city: str | None = None
    state_or_province: str | None = None
    postal_code: str | None = None
    country_code: str | None = None
    phone: str | None = None


class CustomerRow(msgspec.Struct, frozen=True):
    id: int
    email: str
    first_name: str | None = None
    last_name: str | None = None
    phone: str | None = None
    customer_group_id: int | None = None
    date_created: str | int | None = None
    addresses: list[CustomerAddress] = []


class OptionValue(msgspec.Struct, frozen=True):
    label: str
    option_display_name: str = ""


class VariantRow(msgspec.Struct, frozen=True):
    id: int
    sku: str | None = None
    #: None: the product's.
    price: Decimal | None = None
    calculated_price: Decimal | None = None
    purchasing_disabled: bool = False
    inventory_level: int | None = None
    image_url: str | None = None
    option_values: list[OptionValue] = []


class ImageRow(msgspec.Struct, frozen=True):
    url_standard: str | None = None
    description: str | None = None
    sort_order: int = 0
    is_thumbnail: bool = False


class CustomUrl(msgspec.Struct, frozen=True):
    url: str | None = None


class ProductRow(msgspec.Struct, frozen=True):
    id: int
    name: str
    price: Decimal
    is_visible: bool
    #: available, disabled or preorder.
    availability: str
    #: none, product or variant.
    inventory_tracking: str
    inventory_level: int = 0
    type: str = ""
    sku: str | None = None
    description: str | None = None
    is_price_hidden: bool = False
    custom_url: CustomUrl | None = None
    variants: list[VariantRow] = []
    images: list[ImageRow] = []


class TimeZone(msgspec.Struct, frozen=True):
    name: str = ""


class StoreRow(msgspec.Struct, frozen=True):
    currency: str
    secure_url: str | None = None
    timezone: TimeZone | None = None


class Pagination(msgspec.Struct, frozen=True):
    current_page: int = 1
    total_pages: int = 1


class Meta(msgspec.Struct, frozen=True):
    pagination: Pagination | None = None


class Listed(msgspec.Struct, Generic[T], frozen=True):
    """A page of a v3 list."""

    data: list[T]
    meta: Meta | None = None

    @property
    def more(self) -> bool:
        pages = self.meta.pagination if self.meta else None
        return pages is not None and pages.current_page < pages.total_pages


class Single(msgspec.Struct, Generic[T], frozen=True):
    """One thing of v3."""

    data: T


def single(type_: type[T], reply: Reply, what: str) -> T:
    return decode(Single[type_], reply, what).data  # type: ignore[valid-type]


def rows(type_: type[T], reply: Reply, what: str) -> list[T]:
    """A page of a v2 list. An empty one is 204 without a body."""
    return [] if reply.status == 204 else decode(list[type_], reply, what)  # type: ignore[valid-type]


def listed(type_: type[T], reply: Reply, what: str) -> Listed[T]:
    """A page of a v3 list. Empty is `data: []`; should one of them answer 204 as v2 does, that is empty as well."""
    return Listed(data=[]) if reply.status == 204 else decode(Listed[type_], reply, what)  # type: ignore[valid-type]


def accepted(reply: Reply) -> None:
    """An answer whose body says nothing we read."""


# ------------------------------------------------------------------------------------------------------ small values

_EPOCH = re.compile(r"\d{9,11}", re.ASCII)
_ISO = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)


def instant(value: str | int | None, field: str) -> datetime | None:
    """A date in any of the three ways BigCommerce writes one: RFC 2822 (v2), ISO 8601 (v3), seconds since 1970
    (deliveries of hooks). Without a zone it is UTC. None where it is blank. Raises `Unreadable` naming the field."""
    if value is None or value == "":
        return None
    text = str(value)
    try:
        if _EPOCH.fullmatch(text):
            return datetime.fromtimestamp(int(text), UTC)
        found = datetime.fromisoformat(text) if _ISO.match(text) else parsedate_to_datetime(text)
    except (TypeError, ValueError, OverflowError):
        raise Unreadable(f"{field} is not a date") from None
    return in_utc(found, field)


def known_instant(value: str | int | None, field: str) -> datetime:
    found = instant(value, field)
    if found is None:
        raise Unreadable(f"{field} is missing")
    return found


def written(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="seconds")


def currency(code: str | None, field: str) -> str:
    """ISO 4217. Raises `Unreadable` naming the field."""
    if code is None or not re.fullmatch(r"[A-Z]{3}", code, re.ASCII):
        raise Unreadable(f"{field} is not a currency")
    return code


# ------------------------------------------------------------------------------------------------- how much is left
# https://developer.bigcommerce.com/docs/start/best-practices/api-rate-limits


def report(budget: Budget, reply: Reply) -> None:
    """What the answer says of the store's quota, which all its apps share and which comes back whole at the reset."""
    left, quota = _whole(reply, "requests-left"), _whole(reply, "requests-quota")
    window, reset = _whole(reply, "time-window-ms"), _whole(reply, "time-reset-ms")
    if left is not None:
        budget.report(left, quota, quota * 1000 / window if quota and window else None)
    if reset and (left == 0 or reply.status == 429):
        budget.pause(reset / 1000)


def _whole(reply: Reply, name: str) -> int | None:
    text = reply.headers.get(f"x-rate-limit-{name}", "").strip()
    return int(text) if re.fullmatch(r"\d{1,9}", text, re.ASCII) else None


def scope_of(call: Call) -> str:
    """The scope a call needs, in the vendor's word."""
    writes = call.writes or call.method != "GET"
    return ORDERS_WRITE if writes else next(scope for path, scope in _READ_SCOPES if call.path.startswith(path))


# ---------------------------------------------------------------------------------------------- what a refusal means


class Missing(Refused):
    """The thing with this id is not there."""


def judge(reply: Reply) -> Reply:
    """Passes every answer below 400, and what the transport knows by itself: 429 without a word on when, and 5xx that
    are not in the vendor's words."""
    if reply.status < 400:
        return reply
    if reply.status == 429:
        reset = _whole(reply, "time-reset-ms")
        if reset is None:  # the platform's own load, not our quota
            return reply
        raise Throttled(
            "the store's quota is used up (HTTP 429)",
            retry_after=reset / 1000,
            native=(Native("HTTP 429", http_status=429),),
        )
    native = _said(reply)
    if not native:
        if reply.status >= 500:
            return reply
        raise not_the_platform(reply, "the store's API")
    raise _refusal(reply.status, native)


def _refusal(status: int, native: tuple[Native, ...]) -> PlatformError:
    if status >= 500:
        return Unavailable(f"the platform failed (HTTP {status})", native=native)
    if status == 401:
        return BadCredentials("the store does not accept the access token", native=native)
    if status == 403:
        return MissingScope("the API account's scopes do not allow this", native=native)
    if status == 404:
        return Missing("the store has nothing with this id", native=native)
    return Refused(f"the store refused it (HTTP {status})", native=native)


def _said(reply: Reply) -> tuple[Native, ...]:
    """The error in any of its shapes: v2 `[{status, message}]`, v3 `{status, title, errors}`, and inside `data` a list
    of either `{status, title}` or `{order_id, status, error}`. Nothing where it is none of these."""
    body: Any = in_their_words(reply, object)
    if isinstance(body, dict) and isinstance(body.get("data"), list):
        body = body["data"]
    one_by_one = body if isinstance(body, list) else [body]
    return tuple(native for one in one_by_one if isinstance(one, dict) for native in _natives(one, reply.status))


def _natives(said: Mapping[str, Any], status: int) -> Iterable[Native]:
    text = next((said[name] for name in ("title", "message", "error") if isinstance(said.get(name), str)), None)
    if text is None or not isinstance(said.get("status"), int):
        return
    code = str(said["status"])
    yield Native(text, code=code, http_status=status)
    fields = said.get("errors")
    for name, reason in fields.items() if isinstance(fields, dict) else ():
        yield Native(str(reason), code=code, field=tuple(str(name).split(".")), http_status=status)
