"""Shopify's own words: what its answers hold, which error is meant by which words, and how a search is written."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Generic, TypeVar

import msgspec

from platforms.budget import Budget
from platforms.errors import (
    BadCredentials,
    MissingScope,
    Native,
    OutcomeUnknown,
    PlatformError,
    Refused,
    Throttled,
    Unavailable,
)
from platforms.jsonbody import decode
from platforms.transport import Reply

T = TypeVar("T")

#: https://shopify.dev/docs/api/usage/versioning
API_VERSION = "2026-10"
#: https://shopify.dev/docs/api/usage/limits: "input arguments that accept an array" hold at most so many.
MAX_IDS = 250


# ---------------------------------------------------------------------------------------------------- what comes back
# https://shopify.dev/docs/api/admin-graphql/2026-10. Enum words stay text: a new one must not stop an order.


class Struct(msgspec.Struct, rename="camel"):
    """An object of theirs; fields we did not ask for do not matter."""


class Money(Struct):
    amount: Decimal
    currency_code: str


class MoneyBag(Struct):
    presentment_money: Money
    shop_money: Money


class CustomerMoney(Struct):
    presentment_money: Money


class CustomerMoneySet(Struct):
    amount_set: CustomerMoney


class PageInfo(Struct):
    has_next_page: bool
    end_cursor: str | None = None


class Connection(Struct, Generic[T]):
    nodes: list[T]
    page_info: PageInfo | None = None


class Edge(Struct, Generic[T]):
    cursor: str
    node: T


class Edges(Struct, Generic[T]):
    edges: list[Edge[T]]
    page_info: PageInfo


class Nodes(Struct, Generic[T]):
    """`nodes(ids:)`: in the order asked, null where missing or not visible to us."""

    nodes: list[T | None]


class Id(Struct):
    id: str


class LegacyId(Struct):
    legacy_resource_id: str


class EmailAddress(Struct):
    email_address: str


class PhoneNumber(Struct):
    phone_number: str


class Address(Struct):
    name: str | None = None
    company: str | None = None
    address1: str | None = None
    address2: str | None = None
    city: str | None = None
    province: str | None = None
    province_code: str | None = None
    zip: str | None = None
    country_code_v2: str | None = msgspec.field(default=None, name="countryCodeV2")
    phone: str | None = None


class Country(Struct):
    country_code_v2: str | None = msgspec.field(default=None, name="countryCodeV2")


class OrderCustomer(Struct):
    legacy_resource_id: str
    tags: list[str]
    default_email_address: EmailAddress | None


class Dispute(Struct):
    status: str
    initiated_as: str


class Cancellation(Struct):
    staff_note: str | None


class LineProduct(Struct):
    legacy_resource_id: str
    tags: list[str]
    product_type: str


class LineRow(Struct):
    id: str
    title: str
    quantity: int
    current_quantity: int
    refundable_quantity: int
    unfulfilled_quantity: int
    requires_shipping: bool
    is_gift_card: bool
    original_unit_price_set: MoneyBag
    discounted_total_set: MoneyBag
    variant_title: str | None
    sku: str | None
    vendor: str | None
    product: LineProduct | None
    variant: LegacyId | None


class TrackingInfo(Struct):
    company: str | None
    number: str | None
    url: str | None


class ParcelEvent(Struct):
    status: str
    happened_at: datetime
    message: str | None
    city: str | None
    province: str | None
    country: str | None


class ParcelLine(Struct):
    quantity: int | None
    line_item: Id


class ParcelRow(Struct):
    id: str
    status: str
    display_status: str | None
    created_at: datetime
    in_transit_at: datetime | None
    delivered_at: datetime | None
    estimated_delivery_at: datetime | None
    requires_shipping: bool
    tracking_info: list[TrackingInfo]
    events: Connection[ParcelEvent]
    fulfillment_line_items: Connection[ParcelLine]


class Decline(Struct):
    reason: str
    note: str | None


class ReasonHandle(Struct):
    handle: str


class ReturnedFrom(Struct):
    line_item: Id


class ReturnLineRow(Struct):
    id: str
    quantity: int
    refunded_quantity: int
    customer_note: str | None
    return_reason_note: str
    return_reason_definition: ReasonHandle | None
    #: Missing on a line of a return whose goods Shopify could not tie to an order's line.
    fulfillment_line_item: ReturnedFrom | None = None
    restocking_fee: CustomerMoneySet | None = None


class ReturnRow(Struct):
    id: str
    name: str
    status: str
    created_at: datetime
    closed_at: datetime | None
    decline: Decline | None
    return_shipping_fees: list[CustomerMoneySet]
    exchange_line_items: Connection[Id]
    return_line_items: Connection[ReturnLineRow]


class RefundLineRow(Struct):
    quantity: int
    restocked: bool
    line_item: Id
    subtotal_set: CustomerMoney
    total_tax_set: CustomerMoney


class RefundTransaction(Struct):
    kind: str
    status: str
    gateway: str | None
    manual_payment_gateway: bool


class RefundRow(Struct):
    id: str
    created_at: datetime | None
    processed_at: datetime
    note: str | None
    return_: Id | None = msgspec.field(name="return")
    total_refunded_set: MoneyBag
    refund_line_items: Connection[RefundLineRow]
    transactions: Connection[RefundTransaction]


class OrderRow(Struct):
    id: str
    legacy_resource_id: str
    name: str
    email: str | None
    created_at: datetime
    processed_at: datetime
    updated_at: datetime
    cancelled_at: datetime | None
    cancel_reason: str | None
    closed_at: datetime | None
    display_financial_status: str | None
    display_fulfillment_status: str
    return_status: str
    taxes_included: bool
    tags: list[str]
    source_name: str | None
    cancellation: Cancellation | None
    customer: OrderCustomer | None
    disputes: list[Dispute]
    destination: Country | None
    subtotal_price_set: MoneyBag | None
    total_price_set: MoneyBag
    total_discounts_set: MoneyBag | None
    total_shipping_price_set: MoneyBag
    total_tax_set: MoneyBag | None
    total_refunded_set: MoneyBag
    net_payment_set: MoneyBag
    # Parts; missing where not asked for.
    line_items: Connection[LineRow] | None = None
    fulfillments: list[ParcelRow] | None = None
    returns: Connection[ReturnRow] | None = None
    refunds: list[RefundRow] | None = None
    shipping_address: Address | None = None
    billing_address: Address | None = None
    status_page_url: str | None = None


class OrdersFound(Struct):
    orders: Edges[OrderRow]


class LinesOfOrder(Struct):
    line_items: Connection[LineRow]


class OrderLines(Struct):
    order: LinesOfOrder | None


class UserError(Struct):
    message: str
    code: str | None = None
    field: list[str] | None = None


class CancelJob(Struct):
    id: str
    done: bool
    status: str
    errors: list[UserError]


class CancelPayload(Struct):
    job_result: CancelJob | None
    order_cancel_user_errors: list[UserError]


class OrderCancel(Struct):
    order_cancel: CancelPayload | None


class OrderCancelJob(Struct):
    node: CancelJob | None


class ReturnableLine(Struct):
    quantity: int
    fulfillment_line_item: ReturnableFrom


class ReturnableFrom(Struct):
    id: str
    line_item: Id


class ReturnableParcel(Struct):
    returnable_fulfillment_line_items: Connection[ReturnableLine]


class ReturnableItems(Struct):
    returnable_fulfillments: Connection[ReturnableParcel]


class Reason(Struct):
    id: str
    handle: str
    deleted: bool


class ReturnReasons(Struct):
    return_reason_definitions: Connection[Reason]


class NewReturn(Struct):
    id: str
    status: str


class ReturnPayload(Struct):
    return_: NewReturn | None = msgspec.field(name="return")
    user_errors: list[UserError]


class ReturnCreate(Struct):
    return_create: ReturnPayload | None


class ReturnRequest(Struct):
    return_request: ReturnPayload | None


class SuggestedPayment(Struct):
    """A payment of the order that money can go back to."""

    gateway: str | None
    amount_set: CustomerMoney
    maximum_refundable_set: CustomerMoney | None
    parent_transaction: Id | None


class SuggestedLine(Struct):
    quantity: int
    line_item: Id
    total_tax_set: CustomerMoney


class SuggestedShipping(Struct):
    amount_set: CustomerMoney
    tax_set: CustomerMoney


class SuggestedPayments(Struct):
    suggested_transactions: list[SuggestedPayment]


class Suggestion(SuggestedPayments):
    amount_set: CustomerMoney
    refund_line_items: list[SuggestedLine]
    shipping: SuggestedShipping


class RefundableOrder(Struct):
    taxes_included: bool
    suggested_refund: Suggestion | None
    all_that_is_left: SuggestedPayments | None


class SuggestedRefund(Struct):
    order: RefundableOrder | None


class NewRefund(Struct):
    id: str
    transactions: Connection[RefundTransaction]


class RefundPayload(Struct):
    refund: NewRefund | None
    user_errors: list[UserError]


class RefundCreate(Struct):
    refund_create: RefundPayload | None


class CustomerRow(Struct):
    legacy_resource_id: str
    display_name: str
    first_name: str | None
    last_name: str | None
    locale: str
    tags: list[str]
    created_at: datetime
    number_of_orders: str
    amount_spent: Money
    default_email_address: EmailAddress | None
    default_phone_number: PhoneNumber | None
    addresses_v2: Connection[Address] = msgspec.field(name="addressesV2")


class CustomerByEmail(Struct):
    customer_by_identifier: CustomerRow | None


class ImageRow(Struct):
    url: str


class Preview(Struct):
    image: ImageRow | None


class MediaRow(Struct):
    alt: str | None
    preview: Preview | None


class OptionRow(Struct):
    name: str
    value: str


class VariantRow(Struct):
    legacy_resource_id: str
    title: str
    sku: str | None
    #: In the shop's currency, which `Product.priceRangeV2` names.
    price: Decimal
    compare_at_price: Decimal | None
    available_for_sale: bool
    inventory_quantity: int | None
    selected_options: list[OptionRow]
    media: Connection[MediaRow]


class PriceRange(Struct):
    min_variant_price: Money
    max_variant_price: Money


class ProductRow(Struct):
    legacy_resource_id: str
    title: str
    status: str
    tags: list[str]
    handle: str
    description: str
    vendor: str
    product_type: str
    online_store_url: str | None
    price_range_v2: PriceRange = msgspec.field(name="priceRangeV2")
    media: Connection[MediaRow]
    variants: Connection[VariantRow]


class BillingPolicy(Struct):
    interval: str
    interval_count: int
    min_cycles: int | None
    max_cycles: int | None


class DeliveryPolicy(Struct):
    interval: str
    interval_count: int


class ContractLine(Struct):
    title: str
    sku: str | None
    quantity: int
    product_id: str | None
    variant_id: str | None
    current_price: Money


class ContractCustomer(Struct):
    legacy_resource_id: str
    default_email_address: EmailAddress | None


class ContractRow(Struct):
    id: str
    status: str
    created_at: datetime
    updated_at: datetime
    next_billing_date: datetime | None
    currency_code: str
    last_payment_status: str | None
    customer: ContractCustomer | None
    billing_policy: BillingPolicy
    delivery_policy: DeliveryPolicy
    lines: Connection[ContractLine]
    #: Missing where not asked for.
    origin_order: LegacyId | None = None


class ContractsFound(Struct):
    subscription_contracts: Edges[ContractRow]


class LineContract(Struct):
    contract: ContractRow | None


class OrderContracts(Struct):
    legacy_resource_id: str
    line_items: Connection[LineContract]


class ContractState(Struct):
    id: str
    status: str


class ContractPayload(Struct):
    contract: ContractState | None
    user_errors: list[UserError]


class ContractPause(Struct):
    subscription_contract_pause: ContractPayload | None


class ContractResume(Struct):
    subscription_contract_activate: ContractPayload | None


class ContractCancel(Struct):
    subscription_contract_cancel: ContractPayload | None


class Shop(Struct):
    currency_code: str
    iana_timezone: str


class Scope(Struct):
    handle: str


class Installation(Struct):
    access_scopes: list[Scope]


class Version(Struct):
    handle: str
    supported: bool


class Probe(Struct):
    shop: Shop
    current_app_installation: Installation
    public_api_versions: list[Version]


class Body(Struct, Generic[T]):
    """The data of an answer, once its errors have been looked at."""

    data: T


# ------------------------------------------------------------------------------------------------------------- errors


class TooDear(Refused):
    """The document asks for more points than one call may cost; a smaller page may pass."""


class Denied(MissingScope):
    """Our token may not read some fields; `fields` are the names on the way to each."""

    fields: frozenset[str] = frozenset()


class ProtectedData(Refused):
    """The fields hold customer data that Shopify has not approved our app for."""

    fields: frozenset[str] = frozenset()


class ErrorExtensions(Struct):
    code: str | None = None


class GraphQLProblem(Struct):
    message: str = ""
    path: list[str | int] | None = None
    extensions: ErrorExtensions | None = None

    @property
    def code(self) -> str | None:
        return self.extensions.code if self.extensions else None

    @property
    def native(self) -> Native:
        path = tuple(str(step) for step in self.path) if self.path else None
        return Native(message=self.message, code=self.code, field=path, http_status=200)


class ThrottleStatus(Struct):
    maximum_available: float
    currently_available: float
    restore_rate: float


class Cost(Struct):
    requested_query_cost: float | None = None
    throttle_status: ThrottleStatus | None = None


class SearchWarning(Struct):
    field: str | None = None
    message: str = ""
    code: str | None = None


class Search(Struct):
    warnings: list[SearchWarning] = []


class Extensions(Struct):
    cost: Cost | None = None
    search: list[Search] = []


class Head(Struct):
    """Of an answer, everything but its data."""

    #: A list (GraphQL), a text (401, 402, 403, 404, 423, 5xx) or an object (400).
    errors: msgspec.Raw = msgspec.Raw(b"null")
    #: Missing where the call did not begin to run.
    data: msgspec.Raw = msgspec.Raw()
    extensions: Extensions | None = None


# https://shopify.dev/docs/api/usage/response-codes
BY_STATUS: Mapping[int, str] = {
    400: "Shopify could not read the call",
    402: "the shop is frozen until its bill is paid",
    403: "Shopify forbids the call",
    404: "there is no such shop, or no such version of its interface",
    423: "the shop is locked",
    430: "Shopify turned the call away as suspicious",
}
_SCOPE = re.compile(r"\b(?:read|write)_[a-z_]+\b")
_PROTECTED = re.compile(r"not approved to (?:use|access)", re.IGNORECASE)


def refuse_status(reply: Reply) -> None:
    """Raise what a status other than 200 means; 429 and 5xx are left to the transport, which knows them."""
    if reply.status == 401:
        raise BadCredentials(
            "Shopify does not know the access token: wrong, expired or revoked", native=[_native(reply)]
        )
    if 400 <= reply.status < 500 and reply.status != 429:
        reason = BY_STATUS.get(reply.status, f"Shopify refused the call (HTTP {reply.status})")
        raise Refused(reason, native=[_native(reply)])


def _native(reply: Reply) -> Native:
    """Their text, whichever of the three shapes of `errors` it came in."""
    try:
        errors = msgspec.json.decode(reply.body, type=Head).errors
        read: Any = msgspec.json.decode(errors)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        read = None
    match read:
        case str():
            message = read
        case dict():
            message = "; ".join(f"{key}: {value}" for key, value in read.items())
        case [{"message": str(first)}, *_]:
            message = first
        case _:
            message = f"HTTP {reply.status}"
    return Native(message=message, http_status=reply.status)


def read_head(reply: Reply, what: str) -> Head:
    return decode(Head, reply, what)


def report(budget: Budget, head: Head) -> None:
    """Tell the budget what is left of it, as the answer says."""
    status = head.extensions.cost.throttle_status if head.extensions and head.extensions.cost else None
    if status is not None:
        budget.report(status.currently_available, status.maximum_available, status.restore_rate)


def refuse_errors(head: Head, *, writes: bool) -> None:
    """Raise what the errors and search warnings of a 200 mean."""
    problems = _problems(head)
    if problems:
        raise _meaning(problems, head, writes=writes)
    warnings = [warning for search in head.extensions.search for warning in search.warnings] if head.extensions else []
    if warnings:
        raise Refused(
            "Shopify dropped a part of our search, so its rows are not the ones asked for",
            native=[Native(message=warning.message, code=warning.code) for warning in warnings],
        )


def _problems(head: Head) -> list[GraphQLProblem]:
    raw = bytes(head.errors)
    if raw in (b"null", b"[]"):
        return []
    try:
        return msgspec.json.decode(raw, type=list[GraphQLProblem])
    except msgspec.MsgspecError:  # a text or an object beside a 200: not described, so taken for the worst
        return [GraphQLProblem(message="an error in an unknown shape")]


def _meaning(problems: Sequence[GraphQLProblem], head: Head, *, writes: bool) -> PlatformError:
    # https://shopify.dev/docs/api/admin-graphql/latest#status-and-error-codes
    codes = {problem.code for problem in problems}
    native = [problem.native for problem in problems[:10]]
    if "THROTTLED" in codes:
        return Throttled("Shopify asks to wait", retry_after=_wait(head), native=native)
    if "MAX_COST_EXCEEDED" in codes:
        return TooDear("Shopify finds the call too dear", native=native)
    began = bool(bytes(head.data))
    if (
        writes
        and began
        and any(len(problem.path or ()) != 1 or problem.code != "ACCESS_DENIED" for problem in problems)
    ):
        # A null payload, or one that could only be read in part: the change may have been made.
        return OutcomeUnknown(
            "Shopify answered the change with an error that does not say it was not made", native=native
        )
    if "ACCESS_DENIED" in codes:
        denied = [problem for problem in problems if problem.code == "ACCESS_DENIED"]
        fields = frozenset(step for problem in denied for step in problem.path or () if isinstance(step, str))
        if all(_PROTECTED.search(problem.message) for problem in denied):
            protected = ProtectedData(
                "Shopify has not approved this app for the customer data it holds back", native=native
            )
            protected.fields = fields
            return protected
        scopes = sorted({scope for problem in denied for scope in _SCOPE.findall(problem.message)})
        missing = Denied("the store's access token lacks a permission", scopes=scopes, native=native)
        missing.fields = fields
        return missing
    if "SHOP_INACTIVE" in codes:
        return Refused("the shop is not active", native=native)
    if codes <= {None, "INTERNAL_SERVER_ERROR"} or "INTERNAL_SERVER_ERROR" in codes:
        return Unavailable("Shopify failed inside", native=native)
    return Refused("Shopify refused the call", native=native)


def _wait(head: Head) -> float:
    """(requested - available) / restored each second; a second where Shopify leaves out the figures."""
    cost = head.extensions.cost if head.extensions else None
    if cost is None or cost.requested_query_cost is None or cost.throttle_status is None:
        return 1.0
    status = cost.throttle_status
    missing = cost.requested_query_cost - status.currently_available
    return max(0.0, missing / status.restore_rate) if status.restore_rate > 0 else 1.0


# `refundCreate` names its reasons in words only. Those about the key say nothing of whether the money went out: the
# codes of the same errors in other changes are IDEMPOTENCY_CONCURRENT_REQUEST and IDEMPOTENCY_KEY_PARAMETER_MISMATCH.
_ABOUT_THE_KEY = re.compile(r"idempoten", re.IGNORECASE)


def about_the_key(errors: Iterable[UserError]) -> bool:
    """Whether an idempotent change was turned away for its key. The vendor's texts are unverified."""
    return any(_ABOUT_THE_KEY.search(f"{error.code} {error.message}") for error in errors)


def refuse_user_errors(errors: Iterable[UserError], what: str, store: str) -> None:
    """Raise `Refused` where the payload of a change names reasons against it."""
    native = [
        Native(message=error.message, code=error.code, field=tuple(error.field) if error.field else None)
        for error in errors
    ]
    if native:
        raise Refused(f"Shopify refused to {what}", store=store, native=native)


# ------------------------------------------------------------------------------------------------------------- search
# https://shopify.dev/docs/api/usage/search-syntax

_QUOTABLE = re.compile(r"[A-Za-z0-9._%+@#-]+", re.ASCII)


def quotable(value: str) -> bool:
    """Whether a value can stand in a search without a chance of meaning more than itself."""
    return _QUOTABLE.fullmatch(value) is not None


def term(field: str, value: str, comparison: str = "") -> str:
    """One condition of a search. Raises ValueError on a value that is not `quotable`."""
    if not quotable(value):
        raise ValueError(f"{field}: the value cannot stand in a search")
    return f'{field}:{comparison}"{value}"'


def number_term(field: str, number: str) -> str:
    """A condition on a bare number. Raises ValueError where it is not one."""
    if not is_number(number):
        raise ValueError(f"{field}: not a number")
    return f"{field}:{number}"


def time_term(field: str, comparison: str, moment: datetime) -> str:
    return f"{field}:{comparison}'{moment.astimezone(UTC).strftime('%Y-%m-%dT%H:%M:%SZ')}'"


def any_of(terms: Sequence[str]) -> str:
    return " OR ".join(terms)


# ---------------------------------------------------------------------------------------------------------------- ids


def is_number(text: str) -> bool:
    return re.fullmatch(r"[1-9]\d{0,19}", text, re.ASCII) is not None


def gid(kind: str, number: str) -> str:
    """`gid://shopify/Order/450789469`. Raises ValueError where `number` is not one."""
    if not is_number(number):
        raise ValueError(f"{kind}: not a number")
    return f"gid://shopify/{kind}/{number}"


def number_of(identifier: str) -> str:
    """The number at the end of a gid, without the query some of them carry."""
    return identifier.rpartition("/")[2].partition("?")[0]
