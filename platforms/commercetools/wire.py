"""commercetools' own words: the calls we make, the fields we read of its answers, and what its refusals mean."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any, Final, Generic, TypeVar
from urllib.parse import urlencode

import msgspec
import orjson

from platforms.errors import BadCredentials, MissingScope, Native, PlatformError, Refused, Unreadable
from platforms.instants import in_utc, to_the_millisecond
from platforms.refusals import in_their_words, not_the_platform
from platforms.transport import Call, Reply

T = TypeVar("T")

#: A page of a list holds no more. https://docs.commercetools.com/api/general-concepts#limit
MOST = 500
#: So many values in one call: addresses of calls have a length limit, and 100 ids are under 5 kB.
VALUES = 100

#: Scopes are granted for a project: `manage_orders:acme-de`. https://docs.commercetools.com/api/scopes
MANAGE_ORDERS = "manage_orders:{projectKey}"
MANAGE_PAYMENTS = "manage_payments:{projectKey}"
MANAGE_RECURRING_ORDERS = "manage_recurring_orders:{projectKey}"
READING: Final = ("view_orders", "view_customers", "view_published_products", "view_recurring_orders")


def scope(template: str, project: str) -> str:
    return template.replace("{projectKey}", project)


def holds(granted: frozenset[str], wanted: str, project: str) -> bool:
    """Whether a token's scopes include one. `manage_` includes `view_`, and `manage_project` most of both; scopes of
    single Stores (`manage_orders:acme-de:berlin`) do not reach the project's own lists."""
    kind = wanted.partition(":")[0]
    enough = {kind, kind.replace("view_", "manage_", 1), "manage_project"}
    if kind == "view_published_products":
        enough |= {"view_products", "manage_products"}
    return any(f"{one}:{project}" in granted for one in enough)


# ------------------------------------------------------------------------------------------------------- what we ask


@dataclass(frozen=True, slots=True)
class Where:
    """A predicate and the values of its variables. Values never become part of its text.

    https://docs.commercetools.com/api/predicates/query
    """

    text: str
    values: Mapping[str, Sequence[str]] = field(default_factory=dict)

    def query(self) -> Iterable[tuple[str, str]]:
        yield "where", self.text
        for name, values in self.values.items():
            yield from ((f"var.{name}", value) for value in values)


def one_of(path: str, name: str, values: Sequence[str]) -> Where:
    """Where a field has one of these values; `customer.id` is the field of a reference."""
    *outer, field = path.split(".")
    text = f"{field} in :{name}"
    for one in reversed(outer):
        text = f"{one}({text})"
    return Where(text, {name: values})


def any_of(*wheres: Where) -> Where:
    return Where(
        " or ".join(where.text for where in wheres), {k: v for where in wheres for k, v in where.values.items()}
    )


def behind(created_at: str, native: str) -> Where:
    """What comes after this place in a list that is newest first."""
    return Where("createdAt < :at or (createdAt = :at and id < :id)", {"at": [created_at], "id": [native]})


NEWEST_FIRST: Final = ("createdAt desc", "id desc")
BY_ID: Final = ("id asc",)


def listed(
    operation: str,
    project: str,
    kind: str,
    wheres: Sequence[Where],
    *,
    sort: Sequence[str] = BY_ID,
    limit: int = MOST,
    expand: Sequence[str] = (),
    more: Sequence[tuple[str, str]] = (),
) -> Call:
    """One page of a list. Several predicates narrow each other. Without `withTotal=false` each page is counted."""
    query = [pair for where in wheres for pair in where.query()]
    query += [*(("sort", one) for one in sort), ("limit", str(limit)), ("withTotal", "false")]
    query += [*(("expand", one) for one in expand), *more]
    return Call(operation, "GET", f"/{project}/{kind}", query=query)


def project_settings(project: str) -> Call:
    """https://docs.commercetools.com/api/projects/project#get-project (needs `view_project_settings`)"""
    return Call("project.settings", "GET", f"/{project}")


#: References are brought along, not asked for one by one: the payments for every total, the workflow state for its
#: word, the product's type for a policy.
ORDER: Final = ("state", "paymentInfo.payments[*]")
ORDER_LINES: Final = ("lineItems[*].productType",)
CUSTOMER: Final = ("customerGroup", "customerGroupAssignments[*].customerGroup")
PRODUCT: Final = ("productType",)
ORDER_PAYMENTS: Final = ("paymentInfo.payments[*]",)
#: A recurring order's lines are on its cart.
RECURRING_ORDER: Final = ("cart", "customer")


def update(operation: str, project: str, kind: str, native: str, version: int, actions: Sequence[object]) -> Call:
    """Changes a resource if it still has this version; all the actions or none."""
    return Call(
        operation,
        "POST",
        f"/{project}/{kind}/{native}",
        headers={"Content-Type": "application/json"},
        body=orjson.dumps({"version": version, "actions": actions}),
        writes=True,
    )


def cancelled_order() -> Mapping[str, object]:
    """A record only: no money moves, nothing is restocked, no other state changes."""
    return {"action": "changeOrderState", "orderState": "Cancelled"}


@dataclass(frozen=True, slots=True)
class GoodsBack:
    """One line of a return that is announced."""

    line: str
    quantity: int
    comment: str
    #: Gift wrapping and the like: not a product's line.
    custom: bool = False


def announced_return(mark: str, goods: Sequence[GoodsBack]) -> Mapping[str, object]:
    """`Advised`: the goods are announced; `Returned` would say that they are here."""
    return {
        "action": "addReturnInfo",
        "returnTrackingId": mark,
        "items": [
            {
                "quantity": one.quantity,
                "customLineItemId" if one.custom else "lineItemId": one.line,
                "shipmentState": "Advised",
                "comment": one.comment,
            }
            for one in goods
        ],
    }


def refund(currency: str, cents: int, at: datetime, mark: str) -> Mapping[str, object]:
    """A record on the payment; whoever connects the payment service takes it up and carries it out."""
    transaction = {
        "type": "Refund",
        "state": "Initial",
        "amount": {"currencyCode": currency, "centAmount": cents},
        "timestamp": to_the_millisecond(at),
        "interactionId": mark,
    }
    return {"action": "addTransaction", "transaction": transaction}


def recurring_state(state: str, **more: str) -> Mapping[str, object]:
    """`paused`, `active` (with `resumesAt`: by itself, at that instant) or `canceled` (with a `reason`)."""
    return {"action": "setRecurringOrderState", "recurringOrderState": {"type": state, **more}}


def token(client_id: str, client_secret: str) -> Call:
    """Without a scope asked for, the token has all of the API client's.
    https://docs.commercetools.com/api/authorization#client-credentials-flow"""
    basic = base64.b64encode(f"{client_id}:{client_secret}".encode()).decode("ascii")
    return Call(
        "oauth.token",
        "POST",
        "/oauth/token",
        headers={
            "Authorization": f"Basic {basic}",
            "Content-Type": "application/x-www-form-urlencoded",
            "Accept": "application/json",
        },
        body=urlencode({"grant_type": "client_credentials"}).encode(),
    )


# ------------------------------------------------------------------------------------------------------ what we read


# What is left out here is never looked at; a field without a default must be there. Instants stay text until mapped.


class Row(msgspec.Struct, frozen=True, rename="camel"):
    """Base of what is read: their names are camelCase."""


class Page(Row, Generic[T], frozen=True):
    results: list[T]


class Ref(Row, Generic[T], frozen=True):
    """A reference; `obj` where it was expanded and could be read."""

    id: str
    obj: T | None = None


class Named(Row, frozen=True):
    """A state, product type or customer group. The words of a state and type may be in several languages."""

    key: str | None = None
    name: str | dict[str, str] | None = None


class KeyRef(Row, frozen=True):
    key: str


class MoneyRow(Row, frozen=True):
    """Whole minor units; of a high-precision amount `preciseAmount` has them all."""

    currency_code: str
    cent_amount: int
    fraction_digits: int
    type: str = "centPrecision"
    precise_amount: int | None = None


class Taxed(Row, frozen=True):
    total_net: MoneyRow
    total_gross: MoneyRow
    total_tax: MoneyRow | None = None


class Reduced(Row, frozen=True):
    value: MoneyRow


class PriceRow(Row, frozen=True):
    value: MoneyRow
    country: str | None = None
    customer_group: Ref[Any] | None = None
    channel: Ref[Any] | None = None
    valid_from: str | None = None
    valid_until: str | None = None
    discounted: Reduced | None = None
    recurrence_policy: Ref[Any] | None = None


class Picture(Row, frozen=True):
    url: str
    label: str | None = None


class Trait(Row, frozen=True):
    name: str
    value: Any = None


class Availability(Row, frozen=True):
    is_on_stock: bool | None = None
    available_quantity: int | None = None


class VariantRow(Row, frozen=True):
    id: int
    sku: str | None = None
    prices: list[PriceRow] = []
    price: PriceRow | None = None
    attributes: list[Trait] = []
    images: list[Picture] = []
    availability: Availability | None = None


class LineRow(Row, frozen=True):
    id: str
    name: dict[str, str]
    quantity: int
    total_price: MoneyRow
    product_id: str
    product_type: Ref[Named]
    variant: VariantRow
    price: PriceRow
    taxed_price: Taxed | None = None


class CustomLineRow(Row, frozen=True):
    """A surcharge, wrapping, an engraving: no product behind it."""

    id: str
    name: dict[str, str]
    quantity: int
    money: MoneyRow
    total_price: MoneyRow
    taxed_price: Taxed | None = None


class PostalAddress(Row, frozen=True):
    country: str
    id: str | None = None
    first_name: str | None = None
    last_name: str | None = None
    street_name: str | None = None
    street_number: str | None = None
    additional_street_info: str | None = None
    postal_code: str | None = None
    city: str | None = None
    region: str | None = None
    state: str | None = None
    company: str | None = None
    apartment: str | None = None
    building: str | None = None
    phone: str | None = None
    mobile: str | None = None


class Units(Row, frozen=True):
    """So many units of the line with this id."""

    id: str
    quantity: int


class Tracking(Row, frozen=True):
    tracking_id: str | None = None
    carrier: str | None = None
    is_return: bool | None = None


class ParcelRow(Row, frozen=True):
    id: str
    created_at: str
    tracking_data: Tracking | None = None
    items: list[Units] = []


class DeliveryRow(Row, frozen=True):
    id: str
    created_at: str
    items: list[Units]
    parcels: list[ParcelRow] = []


class Estimate(Row, frozen=True):
    until: str | None = None


class ShippingRow(Row, frozen=True):
    price: MoneyRow
    discounted_price: Reduced | None = None
    taxed_price: Taxed | None = None
    deliveries: list[DeliveryRow] = []
    estimated_delivery: Estimate | None = None


class ShippingOption(Row, frozen=True):
    """One of several ways of shipping within an order (`shippingMode` Multiple)."""

    shipping_info: ShippingRow


class ReturnedUnits(Row, frozen=True):
    id: str
    quantity: int
    created_at: str
    last_modified_at: str
    shipment_state: str
    payment_state: str
    line_item_id: str | None = None
    custom_line_item_id: str | None = None
    comment: str | None = None


class ReturnRow(Row, frozen=True):
    items: list[ReturnedUnits]
    return_tracking_id: str | None = None


class TransactionRow(Row, frozen=True):
    id: str
    type: str
    state: str
    amount: MoneyRow
    timestamp: str | None = None
    #: The payment service's, or our mark until it has given its own.
    interaction_id: str | None = None


class PaymentRow(Row, frozen=True):
    last_modified_at: str
    transactions: list[TransactionRow]


class PaymentHead(Row, frozen=True):
    """What is looked at around a change of a payment."""

    id: str
    version: int
    transactions: list[TransactionRow]
    last_modified_at: str


class Payments(Row, frozen=True):
    payments: list[Ref[PaymentRow]]


class TotalDiscount(Row, frozen=True):
    discounted_amount: MoneyRow


class OrderRow(Row, frozen=True):
    id: str
    version: int
    created_at: str
    order_state: str
    total_price: MoneyRow
    line_items: list[LineRow]
    custom_line_items: list[CustomLineRow]
    last_modified_at: str | None = None
    order_number: str | None = None
    customer_id: str | None = None
    customer_email: str | None = None
    customer_group: Ref[Any] | None = None
    payment_state: str | None = None
    shipment_state: str | None = None
    state: Ref[Named] | None = None
    taxed_price: Taxed | None = None
    taxed_shipping_price: Taxed | None = None
    discount_on_total_price: TotalDiscount | None = None
    shipping_info: ShippingRow | None = None
    shipping: list[ShippingOption] = []
    shipping_address: PostalAddress | None = None
    billing_address: PostalAddress | None = None
    payment_info: Payments | None = None
    return_info: list[ReturnRow] = []
    store: KeyRef | None = None
    origin: str | None = None
    locale: str | None = None
    recurring_order: Ref[Any] | None = None


class PaidWith(Row, frozen=True):
    payments: list[Ref[PaymentHead]]


class OrderPayments(Row, frozen=True):
    """An order's payments, and nothing of the rest."""

    id: str
    payment_info: PaidWith | None = None


class OrderHead(Row, frozen=True):
    """What is looked at around a change of an order."""

    id: str
    version: int
    order_state: str
    payment_state: str | None = None
    shipment_state: str | None = None
    return_info: list[ReturnRow] = []


class RenewalRow(Row, frozen=True):
    """An order that a recurring order made."""

    id: str
    order_state: str
    recurring_order: Ref[Any] | None = None


class GroupRow(Row, frozen=True):
    customer_group: Ref[Named]


class CustomerRow(Row, frozen=True):
    id: str
    email: str
    created_at: str
    addresses: list[PostalAddress]
    first_name: str | None = None
    last_name: str | None = None
    default_shipping_address_id: str | None = None
    customer_group: Ref[Named] | None = None
    customer_group_assignments: list[GroupRow] = []
    locale: str | None = None
    customer_number: str | None = None


class ProductRow(Row, frozen=True):
    id: str
    name: dict[str, str]
    slug: dict[str, str]
    product_type: Ref[Named]
    master_variant: VariantRow
    variants: list[VariantRow]
    description: dict[str, str] | None = None
    published: bool | None = None
    key: str | None = None


class ScheduleRow(Row, frozen=True):
    type: str
    value: int | None = None
    interval_unit: str | None = None
    day: int | None = None


class CartRow(Row, frozen=True):
    line_items: list[LineRow]
    custom_line_items: list[CustomLineRow] = []


class CustomerHead(Row, frozen=True):
    email: str


class RecurringRow(Row, frozen=True):
    id: str
    version: int
    created_at: str
    cart: Ref[CartRow]
    origin_order: Ref[Any]
    recurring_order_state: str
    schedule: ScheduleRow
    starts_at: str
    resumes_at: str | None = None
    expires_at: str | None = None
    next_order_at: str | None = None
    customer: Ref[CustomerHead] | None = None
    customer_email: str | None = None
    key: str | None = None


class RecurringHead(Row, frozen=True):
    """What is looked at around a change of a recurring order."""

    id: str
    version: int
    recurring_order_state: str
    resumes_at: str | None = None


class ProjectRow(Row, frozen=True):
    currencies: list[str]
    languages: list[str]


# ------------------------------------------------------------------------------------------------------ small values


def amount(row: MoneyRow, field: str) -> Decimal:
    """The amount in major units, exactly, with as many digits as the row names. Raises `Unreadable`."""
    if not 0 <= row.fraction_digits <= 20:
        raise Unreadable(f"{field}.fractionDigits is out of range")
    if row.type == "highPrecision":
        if row.precise_amount is None:
            raise Unreadable(f"{field}.preciseAmount is missing")
        return Decimal(row.precise_amount).scaleb(-row.fraction_digits)
    if row.type != "centPrecision":
        raise Unreadable(f"{field}.type is not a kind of money")
    return Decimal(row.cent_amount).scaleb(-row.fraction_digits)


def instant(text: str, field: str) -> datetime:
    """Aware, in UTC. Raises `Unreadable` naming the field."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        found = None
    if found is None or found.tzinfo is None:
        raise Unreadable(f"{field} is not an instant")
    return in_utc(found, field)


def instant_or_none(text: str | None, field: str) -> datetime | None:
    return None if text is None else instant(text, field)


_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII)


def is_id(text: str) -> bool:
    """Whether a text can be an id here at all: a UUID."""
    return _ID.fullmatch(text) is not None


# ---------------------------------------------------------------------------------------------- what a refusal means


class Stale(Refused):
    """409: the resource has another version by now. The call was not run."""


class Missing(Refused):
    """The thing with this id, or the project, is not there."""


class _Error(msgspec.Struct):
    code: str
    message: str = ""


class _Envelope(msgspec.Struct):
    message: str
    statusCode: int
    errors: list[_Error] = []


_SCOPE = re.compile(r"\b(?:view|manage)_[a-z_]+(?::[\w-]+)*", re.ASCII)


def judge(reply: Reply) -> Reply:
    """Passes every answer below 400, and what the transport knows by itself: 429 and 5xx."""
    if reply.status < 400 or reply.status == 429 or reply.status >= 500:
        return reply
    said = in_their_words(reply, _Envelope)
    if said is None:
        raise not_the_platform(reply, "the API")
    raise _refusal(reply.status, said)


def judge_token(reply: Reply) -> Reply:
    """The same at the authorization service: wrong credentials are 400 or 401."""
    if reply.status in (400, 401, 403) and (said := in_their_words(reply, _Envelope)) is not None:
        raise BadCredentials("commercetools does not take the API client's credentials", native=_natives(said))
    return judge(reply)


def _refusal(status: int, said: _Envelope) -> PlatformError:
    native = _natives(said)
    codes = {error.code for error in said.errors}
    if status == 401:
        return BadCredentials("commercetools does not take the access token (HTTP 401)", native=native)
    if status == 403 and (not codes or "insufficient_scope" in codes):
        named = {
            one for text in (said.message, *(error.message for error in said.errors)) for one in _SCOPE.findall(text)
        }
        return MissingScope("the API client lacks a scope for this", scopes=sorted(named), native=native)
    if status == 404:
        return Missing("there is nothing with this id in the project", native=native)
    if status == 409 and "ConcurrentModification" in codes:
        return Stale("it was changed by somebody else in the meantime; nothing was done", native=native)
    return Refused(f"commercetools refused it (HTTP {status}): {native[0].message}", native=native)


def _natives(said: _Envelope) -> tuple[Native, ...]:
    errors: list[tuple[str | None, str]] = [(error.code, error.message) for error in said.errors]
    return tuple(
        Native(message, code=code, http_status=said.statusCode) for code, message in errors or [(None, said.message)]
    )
