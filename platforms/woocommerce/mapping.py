"""WooCommerce's words on the left, the contract's on the right."""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import ROUND_CEILING, Decimal
from functools import cache, lru_cache
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

import strawberry

from platforms.base import SourceOf
from platforms.errors import Unreadable
from platforms.woocommerce import wire
from schema.customer import CustomerProfile
from schema.emails import Email, email_or_none
from schema.ids import make_id
from schema.order import (
    Fulfillment,
    FulfillmentLine,
    Order,
    OrderLine,
    ProductRef,
    make_line,
    make_order,
    make_quantity,
    make_totals,
)
from schema.parts import NOT_LOADED, OrderParts
from schema.product import OptionValue, Product, Variant, make_product
from schema.returns import Refund, RefundLine
from schema.scalars import CountryCode, web_address
from schema.subscription import OrderRef, ProfileRef, Subscription, SubscriptionLine
from schema.values import Address, Image, Interval, Money, MoneyPair, make_image
from schema.vocabulary import (
    DeliveryStatus,
    FulfillmentKind,
    FulfillmentStatus,
    IntervalUnit,
    MoneyMoved,
    OrderReturnStatus,
    OrderStatus,
    PaymentStatus,
    ProductStatus,
    RefundDestination,
    RefundStatus,
    SubscriptionStatus,
)


@dataclass(frozen=True, slots=True)
class Home:
    """The store a row was read in."""

    store: str
    #: The site's address, without a slash at the end.
    url: str
    time_zone: str
    source: SourceOf

    def id(self, type_name: str, native: str) -> strawberry.ID:
        """As `make_id`: whole numbers and colons between them, and the key of a store, are never encoded."""
        return f"{type_name}:{self.store}:{native}"  # type: ignore[return-value]


_ZERO: Final = Decimal(0)
_LINE_TOTAL: Final = "order.line_items[].total"
_FULFILLED, _UNFULFILLED = FulfillmentStatus.FULFILLED, FulfillmentStatus.UNFULFILLED


# ------------------------------------------------------------------------------------------------------------ orders

# https://woocommerce.github.io/woocommerce-rest-api-docs/#order-properties ("status"); plug-ins add their own words.
ORDER_STATUS: Mapping[str, OrderStatus] = {
    "pending": OrderStatus.PENDING,
    "processing": OrderStatus.OPEN,
    "on-hold": OrderStatus.ON_HOLD,
    "completed": OrderStatus.COMPLETED,
    "cancelled": OrderStatus.CANCELLED,
    "failed": OrderStatus.FAILED,
    # "refunded" says nothing about the goods: see `order_status`.
}
#: Never an order in a shopper's eyes.
HIDDEN = frozenset({"checkout-draft", "auto-draft", "trash"})

#: The words to ask for when orders of one status are wanted; UNKNOWN can be any word and is not asked for by name.
STATUS_WORDS: Mapping[OrderStatus, tuple[str, ...]] = {
    OrderStatus.PENDING: ("pending",),
    OrderStatus.OPEN: ("processing",),
    OrderStatus.ON_HOLD: ("on-hold",),
    OrderStatus.COMPLETED: ("completed", "refunded"),
    OrderStatus.CANCELLED: ("cancelled", "refunded"),
    OrderStatus.FAILED: ("failed",),
}


def order_status(row: wire.OrderRow) -> OrderStatus:
    """A refunded order is COMPLETED if it ever was completed; else nothing will be sent any more: CANCELLED."""
    if row.status == "refunded":
        return OrderStatus.COMPLETED if row.date_completed_gmt else OrderStatus.CANCELLED
    return ORDER_STATUS.get(row.status, OrderStatus.UNKNOWN)


def _payment_status(row: wire.OrderRow, total: Decimal, refunded: Decimal) -> PaymentStatus:
    if row.status == "failed":
        return PaymentStatus.FAILED
    if row.status == "refunded" or 0 < total <= refunded:
        return PaymentStatus.REFUNDED
    if refunded > 0:
        return PaymentStatus.PARTIALLY_REFUNDED
    return PaymentStatus.PAID if row.date_paid_gmt else PaymentStatus.PENDING


#: Core knows no shipping: a completed order is taken as sent, nothing else is.
FULFILLMENT_STATUS: Mapping[str, FulfillmentStatus] = {
    "pending": FulfillmentStatus.UNFULFILLED,
    "processing": FulfillmentStatus.UNFULFILLED,
    "on-hold": FulfillmentStatus.UNFULFILLED,
    "failed": FulfillmentStatus.UNFULFILLED,
    "completed": FulfillmentStatus.FULFILLED,
}


def fulfillment_status(row: wire.OrderRow) -> FulfillmentStatus:
    if row.status in ("cancelled", "refunded"):
        return FulfillmentStatus.FULFILLED if row.date_completed_gmt else FulfillmentStatus.UNFULFILLED
    return FULFILLMENT_STATUS.get(row.status, FulfillmentStatus.UNKNOWN)


def refunded_amount(row: wire.OrderRow) -> Decimal:
    if not row.refunds:
        return _ZERO
    return sum((abs(wire.amount(refund.total, "order.refunds[].total")) for refund in row.refunds), _ZERO)


def is_shown(row: wire.OrderRow) -> bool:
    return row.status not in HIDDEN


def placed_at(row: wire.OrderRow) -> datetime:
    return wire.known_instant(row.date_created_gmt, "order.date_created_gmt")


class _Wanted(NamedTuple):
    """Which parts of an order are made."""

    lines: bool
    fulfillments: bool
    returns: bool
    refunds: bool
    status_url: bool


@cache  # there are few
def _wanted(parts: OrderParts) -> _Wanted:
    with_lines = OrderParts.LINES | OrderParts.FULFILLMENTS | OrderParts.RETURNS | OrderParts.REFUNDS
    return _Wanted(
        lines=bool(parts & with_lines),
        fulfillments=bool(parts & OrderParts.FULFILLMENTS),
        returns=bool(parts & OrderParts.RETURNS),
        refunds=bool(parts & OrderParts.REFUNDS),
        status_url=bool(parts & OrderParts.STATUS_URL),
    )


def order(
    row: wire.OrderRow, parts: OrderParts, home: Home, owner: Email | None, refunds: Sequence[wire.RefundRow] | None
) -> Order:
    """`refunds` are the order's refunds with their lines, None where they were not asked for or could not be read."""
    wanted = _wanted(parts)
    addressed = row if isinstance(row, wire.AddressedOrderRow) else None
    native, status, currency = str(row.id), row.status, row.currency
    total = wire.amount(row.total, "order.total")
    refunded = refunded_amount(row)
    captured = total if row.date_paid_gmt and status != "failed" else _ZERO
    refundable = _ZERO if status == "refunded" else max(captured - refunded, _ZERO)
    sent = fulfillment_status(row)
    lines: list[OrderLine] = NOT_LOADED
    if wanted.lines:
        back = _units_refunded(row, refunds)
        lines = [_line(line, row, native, home, sent, back, payable=refundable > 0) for line in row.line_items]
    return make_order(
        id=home.id("Order", native),
        source=home.source(
            native,
            admin=f"{home.url}/wp-admin/post.php?post={native}&action=edit",
            raw={
                "status": status,
                "payment_method": row.payment_method,
                "payment_method_title": row.payment_method_title,
                "transaction_id": row.transaction_id,
                "created_via": row.created_via,
                "customer_note": row.customer_note,
            },
        ),
        number=row.number,
        status=order_status(row),
        payment_status=_payment_status(row, total, refunded),
        fulfillment_status=sent,
        return_status=OrderReturnStatus.NONE,  # the gateway keeps this store's returns, and tells of them
        native_status=status,
        placed_at=placed_at(row),
        updated_at=wire.instant(row.date_modified_gmt, "order.date_modified_gmt"),
        totals=make_totals(
            subtotal=MoneyPair.same(sum([_line_total(line, row) for line in row.line_items], _ZERO), currency),
            total=_money(row.total, None, currency, "order.total"),
            refunded=MoneyPair.same(refunded, currency) if row.refunds else _nothing(currency),
            refundable=_nothing(currency) if refundable is _ZERO else MoneyPair.same(refundable, currency),
            discount=_cost(row.discount_total, row.discount_tax, row, "order.discount_total"),
            shipping=_cost(row.shipping_total, row.shipping_tax, row, "order.shipping_total"),
            tax=_money(row.total_tax, None, currency, "order.total_tax"),
        ),
        email=row.billing.email or None,
        lines=lines,
        fulfillments=_fulfillments(row, lines, home) if wanted.fulfillments else NOT_LOADED,
        returns=[] if wanted.returns else NOT_LOADED,
        refunds=_refunds(row, lines, refunds, home) if wanted.refunds else NOT_LOADED,
        shipping_address=NOT_LOADED if addressed is None else address(addressed.shipping),
        billing_address=NOT_LOADED if addressed is None else address(addressed.billing),
        status_url=None if wanted.status_url else NOT_LOADED,  # payment_url is a page to pay at
        owner=owner,
        customer_native_id=str(row.customer_id) if row.customer_id else None,
        shipping_country=row.shipping.country or row.billing.country or None,
        channel=row.created_via or None,
    )


# Amounts are as the shopper saw them: with tax where prices include it. They come again and again, so they are kept.


def _cost(net: str, tax: str, row: wire.OrderRow, field: str) -> MoneyPair:
    return _money(net, tax if row.prices_include_tax else None, row.currency, field)


@lru_cache(maxsize=4096)
def _money(net: str, tax: str | None, currency: str, field: str) -> MoneyPair:
    return MoneyPair.same(wire.taxed(net, tax, field), currency)


@lru_cache(maxsize=64)
def _nothing(currency: str) -> MoneyPair:
    return MoneyPair.same(_ZERO, currency)


@lru_cache(maxsize=4096)
def _unit_price(net: str, tax: str | None, count: int, currency: str) -> MoneyPair:
    return MoneyPair.same(each(wire.taxed(net, tax, "order.line_items[].subtotal"), count), currency)


def _line_total(line: wire.LineRow, row: wire.OrderRow) -> Decimal:
    return wire.taxed(line.total, line.total_tax if row.prices_include_tax else None, _LINE_TOTAL)


def units(quantity: int | Decimal) -> int:
    """Whole units; what a plug-in sells by weight counts up to the next one."""
    if isinstance(quantity, int):
        return abs(quantity)
    return int(abs(quantity).to_integral_value(ROUND_CEILING))


def each(amount: Decimal, count: int) -> Decimal:
    """The share of one unit, with as many digits as the shop gave."""
    if count <= 1:
        return amount
    return (amount / count).quantize(Decimal(1).scaleb(min(int(amount.as_tuple().exponent), 0)))


def _line(
    row: wire.LineRow,
    of: wire.OrderRow,
    order: str,
    home: Home,
    status: FulfillmentStatus,
    back: Mapping[int, int] | None,
    *,
    payable: bool,
) -> OrderLine:
    native, ordered = str(row.id), units(row.quantity)
    sent = 0 if status is _UNFULFILLED else ordered if status is _FULFILLED else None
    left = None if back is None else max(ordered - back.get(row.id, 0), 0) if back else ordered
    title, variant = _titles(row.name, row.parent_name, row.variation_id)
    return make_line(
        id=home.id("OrderLine", f"{order}:{native}"),
        native_id=native,
        title=title,
        variant_title=variant,
        sku=row.sku or None,
        quantity=make_quantity(
            ordered=ordered,
            current=ordered,  # a refund leaves the order's lines as they are
            returned=0,
            fulfilled=sent,
            delivered=None,
            returnable=None if left is None or sent is None else min(left, sent),
            refundable=None if left is None else left if payable else 0,
        ),
        unit_price=_unit_price(row.subtotal, row.subtotal_tax if of.prices_include_tax else None, ordered, of.currency),
        total=_cost(row.total, row.total_tax, of, _LINE_TOTAL),
        is_gift_card=False,
        product_ref=_product_ref(home.store, row.product_id, row.variation_id),
    )


def _titles(name: str, parent: str | None, variation: int) -> tuple[str, str | None]:
    """A variation's line is called "Teapot - Green" and its product "Teapot"; entities come encoded."""
    name = html.unescape(name)
    if variation and parent:
        parent = html.unescape(parent)
        if name.startswith(f"{parent} - "):
            return parent, name.removeprefix(f"{parent} - ")
    return name, None


@lru_cache(maxsize=4096)
def _product_ref(store: str, product: int, variation: int) -> ProductRef | None:
    """None where the line's product was never known to the shop."""
    return ProductRef(store, str(product), str(variation) if variation else None) if product else None


def _fulfillments(row: wire.OrderRow, lines: Sequence[OrderLine], home: Home) -> list[Fulfillment] | None:
    """Core has neither parcels nor tracking: one fulfillment for a completed order, its delivery unknown. An order in
    a status of some plug-in's may have been sent or not: None."""
    match fulfillment_status(row):
        case FulfillmentStatus.UNFULFILLED:
            return []
        case FulfillmentStatus.FULFILLED:
            return [
                Fulfillment(
                    id=home.id("Fulfillment", f"{row.id}:completed"),
                    kind=FulfillmentKind.SHIPPING,
                    status=DeliveryStatus.SHIPPED,
                    lines=[FulfillmentLine(line=line, quantity=line.quantity.ordered) for line in lines],
                    shipped_at=wire.instant(row.date_completed_gmt, "order.date_completed_gmt"),
                )
            ]
        case _:
            return None


def _units_refunded(row: wire.OrderRow, refunds: Sequence[wire.RefundRow] | None) -> Mapping[int, int] | None:
    """Units refunded by line; None where that is not known."""
    if not row.refunds:
        return {}
    if refunds is None:
        return None
    back: dict[int, int] = {}
    for refund in refunds:
        for line in refund.line_items:
            of = wire.refunded_item(line.meta_data)
            if of is None:
                return None
            back[of] = back.get(of, 0) + units(line.quantity)
    return back


def _refunds(
    row: wire.OrderRow, lines: Sequence[OrderLine], refunds: Sequence[wire.RefundRow] | None, home: Home
) -> list[Refund] | None:
    if not row.refunds:
        return []
    if refunds is None:
        return None
    by_id = {line.native_id: line for line in lines}
    return [_refund(refund, row, by_id, home) for refund in refunds]


def refund_id(store: str, order: str, row: wire.RefundRow) -> strawberry.ID:
    return make_id("Refund", store, order, str(row.id))


_MOVED = {True: MoneyMoved.YES, False: MoneyMoved.NO, None: MoneyMoved.UNKNOWN}
_WENT = {
    True: RefundDestination.ORIGINAL_PAYMENT,
    False: RefundDestination.MANUAL,
    None: RefundDestination.UNKNOWN,
}


def _refund(row: wire.RefundRow, of: wire.OrderRow, lines: Mapping[str, OrderLine], home: Home) -> Refund:
    def paid(line: wire.LineRow) -> Money:
        net = wire.amount(line.total, "refund.line_items[].total")
        return Money.of(abs(net + wire.amount(line.total_tax, "refund.line_items[].total_tax")), of.currency)

    return Refund(
        id=refund_id(home.store, str(of.id), row),
        status=RefundStatus.COMPLETED,
        amount=MoneyPair.same(abs(wire.amount(row.amount, "refund.amount")), of.currency),
        destination=_WENT[row.refunded_payment],
        money_moved=_MOVED[row.refunded_payment],
        created_at=wire.known_instant(row.date_created_gmt, "refund.date_created_gmt"),
        lines=[
            RefundLine(line=lines[str(native)], quantity=units(line.quantity), amount=paid(line))
            for line in row.line_items
            if (native := wire.refunded_item(line.meta_data)) is not None and str(native) in lines
        ],
        reason=row.reason or None,
    )


# --------------------------------------------------------------------------------------------------------- customers


_STATE_CODE = re.compile(r"([A-Z]{2}-?)?[A-Z0-9]{1,3}")
_COUNTRY_CODE = re.compile(r"[A-Z]{2}")


def address(row: wire.PostalAddress) -> Address | None:
    name = " ".join(filter(None, (row.first_name, row.last_name)))
    if not any((name, row.company, row.address_1, row.city, row.postcode, row.country)):
        return None
    is_code = _STATE_CODE.fullmatch(row.state) is not None
    return Address(
        name=name or None,
        company=row.company or None,
        line1=row.address_1 or None,
        line2=row.address_2 or None,
        city=row.city or None,
        # Countries with a list of their own give a code, the others the shopper's words.
        region=None if is_code else row.state or None,
        region_code=row.state if is_code else None,
        postal_code=row.postcode or None,
        country_code=CountryCode(row.country) if _COUNTRY_CODE.fullmatch(row.country) else None,
        phone=row.phone or None,
    )


def profile(row: wire.CustomerRow, home: Home) -> CustomerProfile:
    addresses: list[Address] = []
    for one in (address(row.billing), address(row.shipping)):
        if one is not None and one not in addresses:
            addresses.append(one)
    return CustomerProfile(
        id=home.id("CustomerProfile", str(row.id)),
        source=home.source(
            str(row.id), admin=f"{home.url}/wp-admin/user-edit.php?user_id={row.id}", raw={"role": row.role}
        ),
        addresses=addresses,
        display_name=" ".join(filter(None, (row.first_name, row.last_name))) or None,
        email=row.email or None,
        phone=row.billing.phone or None,
        created_at=wire.instant(row.date_created_gmt, "customer.date_created_gmt"),
        first_name=row.first_name or None,
        last_name=row.last_name or None,
        owner=email_or_none(row.email),
    )


# ---------------------------------------------------------------------------------------------------------- products

# https://woocommerce.github.io/woocommerce-rest-api-docs/#product-properties ("status")
PRODUCT_STATUS: Mapping[str, ProductStatus] = {
    "publish": ProductStatus.ACTIVE,
    "draft": ProductStatus.DRAFT,
    "pending": ProductStatus.DRAFT,
    "private": ProductStatus.DRAFT,
    "trash": ProductStatus.ARCHIVED,
}
AVAILABLE: Mapping[str, bool] = {"instock": True, "onbackorder": True, "outofstock": False}


def product(
    row: wire.ProductRow, home: Home, currency: str | None, variations: Sequence[wire.VariationRow] | None
) -> Product:
    """`currency`: None where the shop would not say. `variations`: None where the product has none."""
    native, title, published = str(row.id), html.unescape(row.name), row.status == "publish"
    found: list[Variant] | None = None
    price = before = None
    if variations is None:  # bought as itself
        price = lowest = highest = _price(row.price, currency)
        before = _price(row.regular_price, currency) if row.on_sale else None
    else:
        found = [_variant(one, row, home, currency) for one in variations]
        prices = [variant.price for variant in found if variant.price is not None]
        lowest = min(prices, key=lambda price: price.amount, default=None)
        highest = max(prices, key=lambda price: price.amount, default=None)
    images = [image for image in map(_image, row.images) if image is not None] if row.images else []
    made = make_product(
        id=home.id("Product", native),
        source=home.source(
            native,
            admin=f"{home.url}/wp-admin/post.php?post={native}&action=edit",
            raw={"type": row.type, "status": row.status},
        ),
        title=title,
        status=PRODUCT_STATUS.get(row.status, ProductStatus.UNKNOWN),
        tags=[html.unescape(tag.name) for tag in row.tags] if row.tags else [],
        images=images,
        handle=row.slug or None,
        vendor=html.unescape(row.brands[0].name) if row.brands else None,
        product_type=html.unescape(row.categories[0].name) if row.categories else None,
        url=web_address(row.permalink) if published else None,
        price_min=lowest,
        price_max=highest,
    )
    made.later(_LATE, row, home, price, before, found)
    return made


def _description(row: wire.ProductRow, *_: object) -> str | None:
    return plain_text(row.description or row.short_description) or None


def _variants(
    row: wire.ProductRow, home: Home, price: Money | None, before: Money | None, found: list[Variant] | None
) -> list[Variant]:
    return [_only_variant(row, home, price, before)] if found is None else found


_LATE: Final[Mapping[str, Callable[..., object]]] = {"description": _description, "all_variants": _variants}


@lru_cache(maxsize=4096)
def _price(text: str, currency: str | None) -> Money | None:
    found = wire.amount_or_none(text, "product.price")
    return None if found is None or currency is None else Money.of(found, currency)


def _only_variant(row: wire.ProductRow, home: Home, price: Money | None, before: Money | None) -> Variant:
    """A product without variations is bought as itself."""
    return Variant(
        id=home.id("Variant", f"{row.id}:{row.id}"),
        title=html.unescape(row.name),
        sku=row.sku or None,
        price=price,
        compare_at_price=before,
        available=_available(row.stock_status, row.purchasable),
        inventory_quantity=_stock(row.stock_quantity) if row.manage_stock is True else None,
        image=_image(row.images[0]) if row.images else None,
    )


def _variant(row: wire.VariationRow, of: wire.ProductRow, home: Home, currency: str | None) -> Variant:
    options = [OptionValue(name=html.unescape(one.name), value=html.unescape(one.option)) for one in row.attributes]
    stock = of.stock_quantity if row.manage_stock == "parent" else row.stock_quantity if row.manage_stock else None
    return Variant(
        id=home.id("Variant", f"{of.id}:{row.id}"),
        title=", ".join(option.value for option in options) or html.unescape(of.name),
        options=options,
        sku=row.sku or None,
        price=_price(row.price, currency),
        compare_at_price=_price(row.regular_price, currency) if row.on_sale else None,
        available=_available(row.stock_status, row.purchasable),
        inventory_quantity=_stock(stock),
        image=_image(row.image) if row.image else None,
    )


def _available(stock: str, purchasable: bool) -> bool | None:
    known = AVAILABLE.get(stock)
    return known and purchasable if known is not None else None


def _stock(quantity: int | Decimal | None) -> int | None:
    return None if quantity is None else int(quantity)


@lru_cache(maxsize=4096)  # pictures are frozen, and a shop's come again and again
def _image(row: wire.Picture) -> Image | None:
    url = web_address(row.src)
    return make_image(url=url, alt=html.unescape(row.alt) or None) if url else None


def plain_text(markup: str) -> str:
    """A description without its markup; a paragraph or break is a new line."""
    text = re.sub(r"<(script|style)\b.*?</\1\s*>", "", markup, flags=re.IGNORECASE | re.DOTALL)
    text = re.sub(r"</(p|div|li|h[1-6])\s*>|<br\s*/?>", "\n", text, flags=re.IGNORECASE)
    text = html.unescape(re.sub(r"<[^>]*>", "", text))
    return "\n".join(filter(None, (" ".join(line.split()) for line in text.splitlines())))


# ----------------------------------------------------------------------------------------------------- subscriptions

# https://woocommerce.github.io/subscriptions-rest-api-docs/ ("status"); "on-hold" is decided in `subscription_status`.
SUBSCRIPTION_STATUS: Mapping[str, SubscriptionStatus] = {
    "pending": SubscriptionStatus.PENDING,
    "active": SubscriptionStatus.ACTIVE,
    "pending-cancel": SubscriptionStatus.CANCELLING,
    "cancelled": SubscriptionStatus.CANCELLED,
    "switched": SubscriptionStatus.CANCELLED,
    "expired": SubscriptionStatus.EXPIRED,
}
INTERVAL_UNIT: Mapping[str, IntervalUnit] = {
    "day": IntervalUnit.DAY,
    "week": IntervalUnit.WEEK,
    "month": IntervalUnit.MONTH,
    "year": IntervalUnit.YEAR,
}
HELD = "on-hold"


def subscription_status(native: str, orders: Iterable[wire.SubscriptionOrderRow]) -> SubscriptionStatus:
    """One word, `on-hold`, stands for a pause and for a payment that failed; the latest renewal order tells them apart
    (inferred from the plug-in's rules, not seen on a running shop). `orders` are only looked at for that word."""
    if native != HELD:
        return SUBSCRIPTION_STATUS.get(native, SubscriptionStatus.UNKNOWN)
    renewals = [one for one in orders if one.order_type == "renewal"]
    latest = max(renewals, key=lambda one: (one.date_created_gmt or "", one.id), default=None)
    return SubscriptionStatus.PAYMENT_FAILED if latest and latest.status == "failed" else SubscriptionStatus.PAUSED


def cycles(orders: Iterable[wire.SubscriptionOrderRow]) -> int:
    """Billed and paid: the first order and the renewals."""
    return sum(1 for one in orders if one.order_type in ("parent", "renewal") and one.date_paid_gmt)


def subscription(
    row: wire.SubscriptionRow,
    home: Home,
    orders: Sequence[wire.SubscriptionOrderRow] | None,
    *,
    with_cycles: bool,
    owner: Email | None,
) -> Subscription:
    """`orders`: its own orders, None where they could not be read. `owner`: who the customer record is known to be."""
    unit = INTERVAL_UNIT.get(row.billing_period)
    if unit is None:
        raise Unreadable("subscription.billing_period is not day, week, month or year")
    count = str(row.billing_interval)
    if not count.isascii() or not count.isdecimal():
        raise Unreadable("subscription.billing_interval is not a whole number")
    interval = Interval(unit=unit, count=int(count))
    status = subscription_status(row.status, orders or ())
    next_payment = wire.instant(row.next_payment_date_gmt, "subscription.next_payment_date_gmt")
    billing = status is SubscriptionStatus.ACTIVE and next_payment is not None
    return Subscription(
        id=home.id("SubscriptionContract", str(row.id)),
        source=home.source(
            str(row.id),
            admin=f"{home.url}/wp-admin/post.php?post={row.id}&action=edit",
            raw={"status": row.status, "end_date_gmt": row.end_date_gmt, "cancelled_date_gmt": row.cancelled_date_gmt},
        ),
        status=status,
        native_status=row.status,
        lines=[_subscription_line(line, row, home) for line in row.line_items],
        billing_interval=interval,
        delivery_interval=interval,
        payment_failed=status is SubscriptionStatus.PAYMENT_FAILED,
        next_billing_at=next_payment.astimezone(ZoneInfo(home.time_zone)).date() if billing and next_payment else None,
        cycles_completed=(None if orders is None else cycles(orders)) if with_cycles else NOT_LOADED,
        created_at=subscription_created_at(row),
        # The address on the record may be older than the customer's own: with a customer, `customer_ref` leads there.
        owner=owner if row.customer_id else email_or_none(row.billing.email),
        customer_ref=ProfileRef(home.store, str(row.customer_id)) if row.customer_id else None,
        origin_order_ref=(OrderRef(home.store, str(row.parent_id)) if row.parent_id else None)
        if with_cycles
        else NOT_LOADED,
    )


def subscription_created_at(row: wire.SubscriptionRow) -> datetime:
    return wire.known_instant(row.date_created_gmt, "subscription.date_created_gmt")


def _subscription_line(row: wire.SubscriptionLineRow, of: wire.SubscriptionRow, home: Home) -> SubscriptionLine:
    price = wire.amount(row.subtotal, "subscription.line_items[].subtotal")
    if of.prices_include_tax:
        price += wire.amount(row.subtotal_tax, "subscription.line_items[].subtotal_tax")
    title, _ = _titles(row.name, row.parent_name, row.variation_id)
    return SubscriptionLine(
        title=title,
        quantity=units(row.quantity),
        price=Money.of(each(price, units(row.quantity)), of.currency),
        sku=row.sku or None,
        product_ref=_product_ref(home.store, row.product_id, row.variation_id),
    )
