"""Magento's own words: how a search and a signature are written, the fields we read, and what its refusals mean."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import secrets
import time
import types
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final, TypeVar, Union, get_args, get_origin, get_type_hints
from urllib.parse import quote, urlsplit

import msgspec
import orjson

from platforms.errors import BadCredentials, MissingScope, Native, PlatformError, Refused
from platforms.refusals import in_their_words, not_the_platform
from platforms.transport import Call, Reply

T = TypeVar("T")

#: Rows of a page. A shop may cap it (300 unless set otherwise), and without a size it sends every row there is.
#: https://developer.adobe.com/commerce/webapi/get-started/api-security/
MOST: Final = 100
#: Addresses in one search: they are longer than ids, and the whole search stands in the URL.
MOST_EMAILS: Final = 50
#: Permissions (ACL resources) as an integration's "API" tab holds them.
VIEW_ORDERS: Final = "Magento_Sales::actions_view"
CANCEL: Final = "Magento_Sales::cancel"
#: This and those below are unverified: no source at hand names them. A refusal names the right one.
COMMENT: Final = "Magento_Sales::comment"
REFUND: Final = "Magento_Sales::creditmemo"
INVOICES: Final = "Magento_Sales::sales_invoice"
RETURNS: Final = "Magento_Rma::rma_manage"


# ---------------------------------------------------------------------------------------------------------- searching
# https://developer.adobe.com/commerce/webapi/rest/use-rest/performing-searches/


@dataclass(frozen=True, slots=True)
class Filter:
    """One condition on a top-level field. `value` of `in` is a list with commas between: ids and addresses only."""

    field: str
    value: str
    condition: str = "eq"


def among(field: str, values: Iterable[str]) -> Filter:
    return Filter(field, ",".join(values), "in")


#: Any of the filters of a group, and every group.
Groups = Sequence[Sequence[Filter]]
#: Fields with their direction, the most important first.
NEWEST_FIRST: Final = (("created_at", "DESC"), ("entity_id", "DESC"))
Query = list[tuple[str, str]]


def criteria(
    groups: Groups, *, size: int = MOST, page: int = 1, sort: Sequence[tuple[str, str]] = (), fields: str = ""
) -> Query:
    """A search as query parameters. `fields` trims the reply."""
    query: Query = []
    for at, group in enumerate(groups):
        for index, one in enumerate(group):
            head = f"searchCriteria[filterGroups][{at}][filters][{index}]"
            query += [
                (f"{head}[field]", one.field),
                (f"{head}[value]", one.value),
                (f"{head}[conditionType]", one.condition),
            ]
    for at, (field, direction) in enumerate(sort):
        query += [
            (f"searchCriteria[sortOrders][{at}][field]", field),
            (f"searchCriteria[sortOrders][{at}][direction]", direction),
        ]
    query += [("searchCriteria[pageSize]", str(size)), ("searchCriteria[currentPage]", str(page))]
    return [*query, ("fields", fields)] if fields else query


def fields_of(struct: Any) -> str:
    """The `fields` that bring just what a struct reads: `entity_id,items[sku,qty]`.

    https://developer.adobe.com/commerce/webapi/rest/use-rest/retrieve-filtered-responses/
    """
    found = []
    for name, hint in get_type_hints(struct).items():
        inner = _struct_in(hint)
        found.append(f"{name}[{fields_of(inner)}]" if inner is not None else name)
    return ",".join(found)


def _struct_in(hint: Any) -> Any:
    if isinstance(hint, type) and get_origin(hint) is None:
        return hint if issubclass(hint, msgspec.Struct) else None
    if get_origin(hint) in (list, Union, types.UnionType):
        return next((found for one in get_args(hint) if (found := _struct_in(one)) is not None), None)
    return None


# ------------------------------------------------------------------------------------------------------- what we read

# What is left out here is never looked at, nor asked for. A field without a default must be there; others are simply
# not sent where they are null.


class Number(msgspec.Struct, frozen=True):
    """A page of nothing but its count."""

    total_count: int


class AddressRow(msgspec.Struct, frozen=True):
    """An address on an order."""

    firstname: str | None = None
    lastname: str | None = None
    company: str | None = None
    street: list[str] | None = None
    city: str | None = None
    region: str | None = None
    region_code: str | None = None
    postcode: str | None = None
    country_id: str | None = None
    telephone: str | None = None


class ItemRow(msgspec.Struct, frozen=True):
    """A configurable or bundle is one row that was bought and one or more below it (`parent_item_id`)."""

    item_id: int
    name: str | None = None
    sku: str | None = None
    parent_item_id: int | None = None
    product_id: int | None = None
    product_type: str | None = None
    is_virtual: int | bool | None = None
    qty_ordered: Decimal | None = None
    qty_canceled: Decimal | None = None
    qty_invoiced: Decimal | None = None
    qty_shipped: Decimal | None = None
    qty_refunded: Decimal | None = None
    #: Adobe Commerce only.
    qty_returned: Decimal | None = None
    price: Decimal | None = None
    base_price: Decimal | None = None
    price_incl_tax: Decimal | None = None
    base_price_incl_tax: Decimal | None = None
    row_total: Decimal | None = None
    base_row_total: Decimal | None = None
    tax_amount: Decimal | None = None
    base_tax_amount: Decimal | None = None
    discount_amount: Decimal | None = None
    base_discount_amount: Decimal | None = None
    discount_tax_compensation_amount: Decimal | None = None
    base_discount_tax_compensation_amount: Decimal | None = None
    amount_refunded: Decimal | None = None
    tax_refunded: Decimal | None = None
    discount_refunded: Decimal | None = None
    discount_tax_compensation_refunded: Decimal | None = None


class PaymentRow(msgspec.Struct, frozen=True):
    method: str | None = None
    amount_authorized: Decimal | None = None
    last_trans_id: str | None = None


class ShippingRow(msgspec.Struct, frozen=True):
    address: AddressRow | None = None


class AssignmentRow(msgspec.Struct, frozen=True):
    shipping: ShippingRow | None = None


class OrderExtension(msgspec.Struct, frozen=True):
    """The shipping address is only here."""

    shipping_assignments: list[AssignmentRow] | None = None


class OrderRow(msgspec.Struct, frozen=True):
    entity_id: int
    #: What the shopper knows, often with leading zeros.
    increment_id: str
    created_at: str
    grand_total: Decimal
    base_grand_total: Decimal
    order_currency_code: str
    base_currency_code: str
    items: list[ItemRow]
    #: Fixed by Magento; `status` is the merchant's own label for it.
    state: str | None = None
    status: str | None = None
    updated_at: str | None = None
    customer_email: str | None = None
    customer_id: int | None = None
    is_virtual: int | bool | None = None
    store_id: int | None = None
    store_name: str | None = None
    shipping_incl_tax: Decimal | None = None
    base_shipping_incl_tax: Decimal | None = None
    shipping_amount: Decimal | None = None
    base_shipping_amount: Decimal | None = None
    discount_amount: Decimal | None = None
    base_discount_amount: Decimal | None = None
    tax_amount: Decimal | None = None
    base_tax_amount: Decimal | None = None
    total_paid: Decimal | None = None
    base_total_paid: Decimal | None = None
    total_invoiced: Decimal | None = None
    total_refunded: Decimal | None = None
    base_total_refunded: Decimal | None = None
    total_online_refunded: Decimal | None = None
    total_offline_refunded: Decimal | None = None
    billing_address: AddressRow | None = None
    payment: PaymentRow | None = None
    extension_attributes: OrderExtension | None = None


class OrderState(msgspec.Struct, frozen=True):
    entity_id: int
    state: str | None = None
    status: str | None = None


class TrackRow(msgspec.Struct, frozen=True):
    track_number: str | None = None
    title: str | None = None
    carrier_code: str | None = None


class ShippedRow(msgspec.Struct, frozen=True):
    order_item_id: int
    qty: Decimal


class ShipmentRow(msgspec.Struct, frozen=True):
    entity_id: int
    order_id: int
    created_at: str
    items: list[ShippedRow]
    tracks: list[TrackRow] | None = None


class MemoItemRow(msgspec.Struct, frozen=True):
    order_item_id: int
    qty: Decimal
    row_total: Decimal | None = None
    tax_amount: Decimal | None = None
    discount_amount: Decimal | None = None
    discount_tax_compensation_amount: Decimal | None = None


class MemoCommentRow(msgspec.Struct, frozen=True):
    comment: str | None = None
    is_visible_on_front: int | bool | None = None


class MemoRow(msgspec.Struct, frozen=True):
    """A credit memo: money given back, or booked as such."""

    entity_id: int
    order_id: int
    created_at: str
    grand_total: Decimal
    base_grand_total: Decimal
    items: list[MemoItemRow]
    #: 1 open, 2 refunded, 3 cancelled.
    state: int | None = None
    #: The payment's, where it went through the gateway.
    transaction_id: str | None = None
    #: The invoice it was made from; without one no gateway can be asked.
    invoice_id: int | None = None
    comments: list[MemoCommentRow] | None = None
    shipping_amount: Decimal | None = None
    shipping_incl_tax: Decimal | None = None


class InvoicedRow(msgspec.Struct, frozen=True):
    order_item_id: int
    qty: Decimal


class InvoiceRow(msgspec.Struct, frozen=True):
    entity_id: int
    order_id: int
    base_grand_total: Decimal
    items: list[InvoicedRow]
    base_total_refunded: Decimal | None = None
    #: 1 open, 2 paid, 3 cancelled.
    state: int | None = None
    #: The payment's, where a gateway took the money.
    transaction_id: str | None = None


class RmaItemRow(msgspec.Struct, frozen=True):
    order_item_id: int
    qty_requested: Decimal
    #: Ids of options of the shop's own, as strings.
    reason: str | None = None
    condition: str | None = None
    resolution: str | None = None
    status: str | None = None


class RmaCommentRow(msgspec.Struct, frozen=True):
    comment: str | None = None


class RmaRow(msgspec.Struct, frozen=True):
    """A return of Adobe Commerce. Old versions send null for the items. https://github.com/magento/magento2/issues/4373"""

    entity_id: int
    order_id: int
    date_requested: str
    status: str
    increment_id: str | None = None
    items: list[RmaItemRow] | None = None
    comments: list[RmaCommentRow] | None = None


class RmaMade(msgspec.Struct, frozen=True):
    entity_id: int


class OptionRow(msgspec.Struct, frozen=True):
    label: str
    value: str | None = None


class AttributeRow(msgspec.Struct, frozen=True):
    options: list[OptionRow]
    required: bool = False


class NoteRow(msgspec.Struct, frozen=True):
    """A comment on an order."""

    entity_id: int | None = None
    comment: str | None = None


class RegionRow(msgspec.Struct, frozen=True):
    region: str | None = None
    region_code: str | None = None


class CustomerAddressRow(msgspec.Struct, frozen=True):
    """An address in a customer's book; its region is a thing of its own."""

    firstname: str | None = None
    lastname: str | None = None
    company: str | None = None
    street: list[str] | None = None
    city: str | None = None
    region: RegionRow | None = None
    postcode: str | None = None
    country_id: str | None = None
    telephone: str | None = None
    default_billing: bool | None = None


class CustomerRow(msgspec.Struct, frozen=True):
    id: int
    email: str
    firstname: str | None = None
    lastname: str | None = None
    created_at: str | None = None
    website_id: int | None = None
    group_id: int | None = None
    addresses: list[CustomerAddressRow] | None = None


class Custom(msgspec.Struct, frozen=True):
    attribute_code: str
    value: Any = None


class Picture(msgspec.Struct, frozen=True):
    media_type: str | None = None
    label: str | None = None
    disabled: bool | None = None
    file: str | None = None


class StockRow(msgspec.Struct, frozen=True):
    qty: Decimal | None = None
    is_in_stock: bool | None = None
    manage_stock: bool | None = None


class ProductExtension(msgspec.Struct, frozen=True):
    #: Whether a search brings it, as reading one product does, is unverified.
    stock_item: StockRow | None = None
    #: The products a configurable is sold as.
    configurable_product_links: list[int | str] | None = None


class ProductRow(msgspec.Struct, frozen=True):
    id: int
    sku: str
    name: str | None = None
    price: Decimal | None = None
    #: 1 enabled, 2 disabled.
    status: int | None = None
    type_id: str | None = None
    extension_attributes: ProductExtension | None = None
    media_gallery_entries: list[Picture] | None = None
    custom_attributes: list[Custom] | None = None


class StoreRow(msgspec.Struct, frozen=True):
    code: str
    base_currency_code: str
    base_media_url: str | None = None
    secure_base_media_url: str | None = None
    timezone: str | None = None


class OrderPage(msgspec.Struct, frozen=True):
    items: list[OrderRow]
    total_count: int


class OrderStatePage(msgspec.Struct, frozen=True):
    items: list[OrderState]
    total_count: int


class ShipmentPage(msgspec.Struct, frozen=True):
    items: list[ShipmentRow]
    total_count: int


class MemoPage(msgspec.Struct, frozen=True):
    items: list[MemoRow]
    total_count: int


class InvoicePage(msgspec.Struct, frozen=True):
    items: list[InvoiceRow]
    total_count: int


class RmaPage(msgspec.Struct, frozen=True):
    items: list[RmaRow]
    total_count: int


class CustomerPage(msgspec.Struct, frozen=True):
    items: list[CustomerRow]
    total_count: int


class ProductPage(msgspec.Struct, frozen=True):
    items: list[ProductRow]
    total_count: int


class NotePage(msgspec.Struct, frozen=True):
    items: list[NoteRow]


# -------------------------------------------------------------------------------------------------------- what we ask


def _get(operation: str, path: str, query: Iterable[tuple[str, str]] = ()) -> Call:
    return Call(operation, "GET", f"/V1{path}", query=tuple(query))


def _send(operation: str, path: str, body: Mapping[str, object] | None = None) -> Call:
    return Call(
        operation,
        "POST",
        f"/V1{path}",
        headers={"Content-Type": "application/json"},
        body=orjson.dumps(body) if body is not None else b"",
        writes=True,
    )


#: How to ask for one page of a list, by its number.
Pages = Callable[[int], Call]


def _pages(operation: str, path: str, groups: Groups, page_type: Any, sort: Sequence[tuple[str, str]] = ()) -> Pages:
    fields = fields_of(page_type)
    return lambda page: _get(operation, path, criteria(groups, page=page, sort=sort, fields=fields))


_BY_ID: Final = (("entity_id", "ASC"),)


def orders_by_ids(ids: Sequence[str]) -> Pages:
    return _pages("orders.batch", "/orders", [[among("entity_id", ids)]], OrderPage, _BY_ID)


def orders_by_number(number: str) -> Pages:
    """`increment_id` is unique in one shop only within a store's own numbers."""
    return _pages("orders.by_number", "/orders", [[Filter("increment_id", number)]], OrderPage, _BY_ID)


def orders_of(
    email: str,
    customers: Sequence[int],
    *,
    states: Sequence[str],
    placed_after: datetime | None,
    placed_before: datetime | None,
    up_to: datetime | None,
    size: int,
    page: int,
) -> Call:
    """A person's orders, newest first: those of the customer records, or with the address on them, guests' too.

    `placed_after` and `up_to` are inclusive, `placed_before` exclusive. The database compares an address without
    regard to letter case and accents, so each row has to be looked at again.
    """
    who = [Filter("customer_email", email)]
    if customers:
        who.append(among("customer_id", map(str, customers)))
    groups: list[Sequence[Filter]] = [who]
    if states:
        groups.append([among("state", states)])
    if placed_after is not None:
        groups.append([Filter("created_at", written(placed_after), "gteq")])
    if placed_before is not None:
        groups.append([Filter("created_at", written(placed_before), "lt")])
    if up_to is not None:
        groups.append([Filter("created_at", written(up_to), "lteq")])
    query = criteria(groups, size=size, page=page, sort=NEWEST_FIRST, fields=fields_of(OrderPage))
    return _get("orders.list", "/orders", query)


def order_state(order: str) -> Call:
    """The cheapest look at one order: a search, since it can be trimmed and answers a missing one without an error."""
    query = criteria([[Filter("entity_id", order)]], size=1, fields=fields_of(OrderStatePage))
    return _get("orders.state", "/orders", query)


def orders_count() -> Call:
    """Whether orders may be read at all."""
    return _get("orders.count", "/orders", criteria([], size=1, fields="total_count"))


def cancel_order(order: str) -> Call:
    """Answers a bare boolean; false where it cannot be cancelled. Old versions said true and did nothing."""
    return _send("orders.cancel", f"/orders/{quote(order, safe='')}/cancel")


def order_notes(order: str) -> Call:
    return _get("comments.list", f"/orders/{quote(order, safe='')}/comments")


def leave_note(order: str, text: str, status: str) -> Call:
    """A comment nobody but the shop's staff sees. `status` is the order's own, unchanged: left out, some versions clear
    it and the order vanishes from lists. https://github.com/magento/magento2/issues/34180"""
    history = {
        "comment": text,
        "is_customer_notified": 0,
        "is_visible_on_front": 0,
        "parent_id": int(order),
        "status": status,
    }
    return _send("comments.create", f"/orders/{quote(order, safe='')}/comments", {"statusHistory": history})


def _of_orders(orders: Iterable[int]) -> Groups:
    return [[among("order_id", map(str, orders))]]


def shipments(orders: Sequence[int]) -> Pages:
    return _pages("shipments.list", "/shipments", _of_orders(orders), ShipmentPage, _BY_ID)


def memos(orders: Sequence[int]) -> Pages:
    return _pages("creditmemos.list", "/creditmemos", _of_orders(orders), MemoPage, _BY_ID)


def invoices(order: str) -> Pages:
    return _pages("invoices.list", "/invoices", [[Filter("order_id", order)]], InvoicePage, _BY_ID)


def refund_online(invoice: int, body: Mapping[str, object]) -> Call:
    """Asks the payment's gateway to pay back; answers the bare number of the credit memo. The definition calls the
    word isOnline; that a shop takes only this one: https://github.com/magento/magento2/issues/27199"""
    return _send("refunds.online", f"/invoice/{invoice}/refund", {**body, "is_online": True})


def refund_offline(order: str, body: Mapping[str, object]) -> Call:
    """Books that money was paid back, by whoever does it; answers the bare number of the credit memo."""
    return _send("refunds.offline", f"/order/{quote(order, safe='')}/refund", body)


def memo_asked(units: Mapping[str, int], text: str, *, shipping: Decimal, adjustment: Decimal) -> Mapping[str, object]:
    """`units` by item: without any, everything would be paid back; 0 is nothing of it. `adjustment` is added to what
    they come to, or kept back. Amounts are in the shop's own currency."""
    return {
        "items": [{"order_item_id": int(item), "qty": count} for item, count in units.items()],
        "notify": False,
        "appendComment": True,
        "comment": {"comment": text, "is_visible_on_front": 0},
        "arguments": {
            "shipping_amount": float(shipping),
            "adjustment_positive": float(max(adjustment, Decimal(0))),
            "adjustment_negative": float(max(-adjustment, Decimal(0))),
        },
    }


def rmas(orders: Sequence[int]) -> Pages:
    return _pages("returns.list", "/returns", _of_orders(orders), RmaPage, _BY_ID)


def rmas_count() -> Call:
    """Whether there are returns here: Magento Open Source has no such route."""
    return _get("returns.count", "/returns", criteria([], size=1, fields="total_count"))


def rma_attribute(code: str) -> Call:
    """The shop's own choices for `reason`, `condition` or `resolution`."""
    return _get("returns.attribute", f"/returnsAttributeMetadata/{quote(code, safe='')}")


def make_rma(rma: Mapping[str, object]) -> Call:
    return _send("returns.create", "/returns", {"rmaDataObject": rma})


def customers_by_email(emails: Sequence[str]) -> Pages:
    """The same address may have a record for each website."""
    return _pages("customers.by_email", "/customers/search", [[among("email", emails)]], CustomerPage, _BY_ID)


def customers_by_ids(ids: Sequence[str]) -> Pages:
    return _pages("customers.batch", "/customers/search", [[among("entity_id", ids)]], CustomerPage, _BY_ID)


def products_by_ids(ids: Sequence[str]) -> Pages:
    """By number a product is only found by a search: `/products/{sku}` wants the merchant's article number."""
    return _pages("products.batch", "/products", [[among("entity_id", ids)]], ProductPage, _BY_ID)


def store_configs() -> Call:
    return _get("stores.config", "/store/storeConfigs")


# ------------------------------------------------------------------------------------------------------- who is asking
# https://developer.adobe.com/commerce/webapi/get-started/authentication/gs-authentication-oauth/


@dataclass(frozen=True, slots=True)
class OAuthKeys:
    """The four words of an integration."""

    consumer_key: str
    consumer_secret: str
    access_token: str
    access_token_secret: str


class Signed(Mapping[str, str]):
    """Headers of a call with a signature that is made anew each time they are read: the shop takes a nonce only once,
    and a call may be sent again."""

    def __init__(self, call: Call, base_url: str, keys: OAuthKeys) -> None:
        self._call = call
        self._url = f"{base_url}{call.path}"
        self._keys = keys

    def __getitem__(self, name: str) -> str:
        if name != "Authorization":
            return self._call.headers[name]
        nonce, now = secrets.token_hex(16), int(time.time())
        return authorization(self._call.method, self._url, self._call.query, self._keys, nonce=nonce, timestamp=now)

    def __iter__(self) -> Iterator[str]:
        return iter((*self._call.headers, "Authorization"))

    def __len__(self) -> int:
        return len(self._call.headers) + 1


def authorization(
    method: str, url: str, query: Iterable[tuple[str, str]], keys: OAuthKeys, *, nonce: str, timestamp: int
) -> str:
    """The header of OAuth 1.0a (RFC 5849, 3.4) with HMAC-SHA256; SHA-1 is not accepted. A body of JSON is not signed.

    `url` is without query, its path percent-encoded as it is sent.
    """
    protocol = {
        "oauth_consumer_key": keys.consumer_key,
        "oauth_nonce": nonce,
        "oauth_signature_method": "HMAC-SHA256",
        "oauth_timestamp": str(timestamp),
        "oauth_token": keys.access_token,
        "oauth_version": "1.0",
    }
    signed = sorted((_escaped(name), _escaped(value)) for name, value in (*protocol.items(), *query))
    pairs = "&".join(f"{name}={value}" for name, value in signed)
    base = "&".join((method.upper(), _escaped(_base_address(url)), _escaped(pairs)))
    key = f"{_escaped(keys.consumer_secret)}&{_escaped(keys.access_token_secret)}"
    digest = hmac.new(key.encode(), base.encode(), hashlib.sha256).digest()
    protocol["oauth_signature"] = base64.b64encode(digest).decode("ascii")
    return "OAuth " + ", ".join(f'{name}="{_escaped(value)}"' for name, value in protocol.items())


def _escaped(text: str) -> str:
    return quote(text, safe="-._~")


def _base_address(url: str) -> str:
    """RFC 5849, 3.4.1.2: lower-case scheme and host, and a port only where it is not the scheme's own."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    host = f"[{host}]" if ":" in host else host
    own = {"http": 80, "https": 443}.get(parts.scheme)
    port = "" if parts.port in (None, own) else f":{parts.port}"
    return f"{parts.scheme}://{host}{port}{parts.path}"


# ------------------------------------------------------------------------------------------------------- small values


def written(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")


# ---------------------------------------------------------------------------------------------- what a refusal means
# https://developer.adobe.com/commerce/webapi/get-started/gs-web-api-response/


class Missing(Refused):
    """No such thing, or no such route: the shop says 404 to both."""


class _Complaint(msgspec.Struct):
    message: str
    parameters: Any = None


class _Envelope(msgspec.Struct):
    message: str
    parameters: Any = None
    errors: Any = None
    code: Any = None


_PLACE = re.compile(r"%(\w+)", re.ASCII)


def sentence(message: str, parameters: Any) -> str:
    """A message with its `%1` or `%name` filled in from a list or a map; what has no value stays as it is."""
    values: dict[str, str] = {}
    if isinstance(parameters, Mapping):
        values = {str(name): _said(value) for name, value in parameters.items()}
    elif isinstance(parameters, list):
        for at, value in enumerate(parameters, 1):
            if isinstance(value, Mapping):  # the definition's shape: a list of maps
                values |= {str(name): _said(inner) for name, inner in value.items()}
            else:
                values[str(at)] = _said(value)
    return _PLACE.sub(lambda place: values.get(place[1], place[0]), message)


def _said(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def judge(reply: Reply) -> Reply:
    """Passes every answer below 400, and what the transport knows by itself: 429 and 5xx."""
    if reply.status < 400 or reply.status == 429 or reply.status >= 500:
        return reply
    said = in_their_words(reply, _Envelope)
    if said is None:
        raise not_the_platform(reply, "the shop's API")
    raise _refusal(reply.status, said)


def _refusal(status: int, said: _Envelope) -> PlatformError:
    code = str(said.code) if said.code not in (None, 0, "") else None
    complaints = [_Complaint(said.message, said.parameters), *_complaints(said.errors)]
    native = tuple(
        Native(sentence(one.message, one.parameters), code=code, http_status=status) for one in complaints[:10]
    )
    if status == 401:
        resources = _resources(said.parameters)
        if resources:
            return MissingScope(
                f"the credentials lack the permission {', '.join(resources)}", scopes=resources, native=native
            )
        return BadCredentials("the shop does not accept the credentials", native=native)
    if status == 403:
        return MissingScope("the credentials may not do this", native=native)
    if status == 404:
        return Missing("the shop has nothing there", native=native)
    return Refused(f"the shop refused it (HTTP {status})", native=native)


def _complaints(errors: Any) -> list[_Complaint]:
    if not isinstance(errors, list):
        return []
    return [
        _Complaint(str(one["message"]), one.get("parameters"))
        for one in errors
        if isinstance(one, Mapping) and "message" in one
    ]


def _resources(parameters: Any) -> tuple[str, ...]:
    """The permissions that a 401 names; none where it is about the credentials themselves."""
    maps = parameters if isinstance(parameters, list) else [parameters]
    for one in maps:
        if isinstance(one, Mapping) and one.get("resources"):
            return tuple(part.strip() for part in _said(one["resources"]).split(",") if part.strip())
    return ()
