"""WooCommerce's words on the left, the contract's on the right."""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import ROUND_CEILING, Decimal
from zoneinfo import ZoneInfo

import strawberry

from platforms.errors import Unreadable
from platforms.woocommerce import wire
from schema.customer import CustomerProfile
from schema.emails import Email, email_or_none
from schema.ids import make_id
from schema.order import Fulfillment, FulfillmentLine, LineQuantity, Order, OrderLine, OrderTotals, ProductRef
from schema.parts import NOT_LOADED, OrderParts
from schema.product import OptionValue, Product, Variant
from schema.provenance import Source
from schema.returns import Refund, RefundLine
from schema.scalars import CountryCode, web_address
from schema.subscription import OrderRef, ProfileRef, Subscription, SubscriptionLine
from schema.values import Address, Image, Interval, Money, MoneyPair
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
    source: Callable[..., Source]


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


def payment_status(row: wire.OrderRow) -> PaymentStatus:
    refunded, total = refunded_amount(row), wire.amount(row.total, "order.total")
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
    return sum((abs(wire.amount(refund.total, "order.refunds[].total")) for refund in row.refunds), Decimal(0))


def is_shown(row: wire.OrderRow) -> bool:
    return row.status not in HIDDEN


def placed_at(row: wire.OrderRow) -> datetime:
    return wire.known_instant(row.date_created_gmt, "order.date_created_gmt")


def order(
    row: wire.OrderRow, parts: OrderParts, home: Home, owner: Email | None, refunds: Sequence[wire.RefundRow] | None
) -> Order:
    """`refunds` are the order's refunds with their lines, None where they were not asked for or could not be read."""
    total = wire.amount(row.total, "order.total")
    refunded = refunded_amount(row)
    captured = total if row.date_paid_gmt and row.status != "failed" else Decimal(0)
    refundable = Decimal(0) if row.status == "refunded" else max(captured - refunded, Decimal(0))
    money = _MoneyOf(row)
    back = _units_refunded(row, refunds)
    lines = [_line(line, row, home, back, payable=refundable > 0) for line in row.line_items]
    wants_lines = parts & (OrderParts.LINES | OrderParts.FULFILLMENTS | OrderParts.RETURNS | OrderParts.REFUNDS)
    country = row.shipping.country or row.billing.country
    return Order(
        id=make_id("Order", home.store, str(row.id)),
        source=home.source(
            str(row.id),
            admin=f"{home.url}/wp-admin/post.php?post={row.id}&action=edit",
            raw={
                "status": row.status,
                "payment_method": row.payment_method,
                "payment_method_title": row.payment_method_title,
                "transaction_id": row.transaction_id,
                "created_via": row.created_via,
                "customer_note": row.customer_note,
            },
        ),
        number=row.number,
        status=order_status(row),
        payment_status=payment_status(row),
        fulfillment_status=fulfillment_status(row),
        return_status=OrderReturnStatus.NONE,  # the gateway keeps this store's returns, and tells of them
        native_status=row.status,
        placed_at=placed_at(row),
        updated_at=wire.instant(row.date_modified_gmt, "order.date_modified_gmt"),
        totals=OrderTotals(
            subtotal=money.pair(sum((money.line_total(line) for line in row.line_items), Decimal(0))),
            total=money.pair(total),
            refunded=money.pair(refunded),
            refundable=money.pair(refundable),
            discount=money.pair(money.taxed(row.discount_total, row.discount_tax, "order.discount_total")),
            shipping=money.pair(money.taxed(row.shipping_total, row.shipping_tax, "order.shipping_total")),
            tax=money.pair(wire.amount(row.total_tax, "order.total_tax")),
        ),
        email=row.billing.email or None,
        lines=lines if wants_lines else NOT_LOADED,
        fulfillments=_fulfillments(row, lines, home) if parts & OrderParts.FULFILLMENTS else NOT_LOADED,
        returns=[] if parts & OrderParts.RETURNS else NOT_LOADED,
        refunds=_refunds(row, lines, refunds, home) if parts & OrderParts.REFUNDS else NOT_LOADED,
        shipping_address=address(row.shipping) if parts & OrderParts.ADDRESSES else NOT_LOADED,
        billing_address=address(row.billing) if parts & OrderParts.ADDRESSES else NOT_LOADED,
        status_url=None if parts & OrderParts.STATUS_URL else NOT_LOADED,  # payment_url is a page to pay at
        owner=owner,
        customer_native_id=str(row.customer_id) if row.customer_id else None,
        shipping_country=country or None,
        channel=row.created_via or None,
    )


class _MoneyOf:
    """Amounts of one order as its shopper saw them: with tax where prices include it. One currency an order."""

    def __init__(self, row: wire.OrderRow) -> None:
        self._row = row

    def pair(self, amount: Decimal) -> MoneyPair:
        return MoneyPair.same(amount, self._row.currency)

    def taxed(self, net: str, tax: str, field: str) -> Decimal:
        found = wire.amount(net, field)
        return found + wire.amount(tax, f"{field} (tax)") if self._row.prices_include_tax else found

    def line_total(self, line: wire.LineRow) -> Decimal:
        return self.taxed(line.total, line.total_tax, "order.line_items[].total")

    def unit_price(self, line: wire.LineRow) -> Decimal:
        before = self.taxed(line.subtotal, line.subtotal_tax, "order.line_items[].subtotal")
        return each(before, units(line.quantity))


def units(quantity: int | Decimal) -> int:
    """Whole units; what a plug-in sells by weight counts up to the next one."""
    return int(abs(Decimal(quantity)).to_integral_value(ROUND_CEILING))


def each(amount: Decimal, count: int) -> Decimal:
    """The share of one unit, with as many digits as the shop gave."""
    if count <= 1:
        return amount
    return (amount / count).quantize(Decimal(1).scaleb(min(int(amount.as_tuple().exponent), 0)))


def _line(
    row: wire.LineRow, of: wire.OrderRow, home: Home, back: Mapping[int, int] | None, *, payable: bool
) -> OrderLine:
    money = _MoneyOf(of)
    ordered = units(row.quantity)
    sent = {FulfillmentStatus.FULFILLED: ordered, FulfillmentStatus.UNFULFILLED: 0}.get(fulfillment_status(of))
    left = None if back is None else max(ordered - back.get(row.id, 0), 0)
    title, variant = _titles(row.name, row.parent_name, row.variation_id)
    return OrderLine(
        id=make_id("OrderLine", home.store, str(of.id), str(row.id)),
        native_id=str(row.id),
        title=title,
        variant_title=variant,
        sku=row.sku or None,
        quantity=LineQuantity(
            ordered=ordered,
            current=ordered,  # a refund leaves the order's lines as they are
            returned=0,
            fulfilled=sent,
            delivered=None,
            returnable=None if left is None or sent is None else min(left, sent),
            refundable=None if left is None else left if payable else 0,
        ),
        unit_price=money.pair(money.unit_price(row)),
        total=money.pair(money.line_total(row)),
        is_gift_card=False,
        product_ref=_product_ref(row.product_id, row.variation_id, home),
    )


def _titles(name: str, parent: str | None, variation: int) -> tuple[str, str | None]:
    """A variation's line is called "Teapot - Green" and its product "Teapot"; entities come encoded."""
    name = html.unescape(name)
    parent = html.unescape(parent or "")
    if variation and parent and name.startswith(f"{parent} - "):
        return parent, name.removeprefix(f"{parent} - ")
    return name, None


def _product_ref(product: int, variation: int, home: Home) -> ProductRef | None:
    """None where the line's product was never known to the shop."""
    return ProductRef(home.store, str(product), str(variation) if variation else None) if product else None


def _fulfillments(row: wire.OrderRow, lines: Sequence[OrderLine], home: Home) -> list[Fulfillment] | None:
    """Core has neither parcels nor tracking: one fulfillment for a completed order, its delivery unknown. An order in
    a status of some plug-in's may have been sent or not: None."""
    match fulfillment_status(row):
        case FulfillmentStatus.UNFULFILLED:
            return []
        case FulfillmentStatus.FULFILLED:
            return [
                Fulfillment(
                    id=make_id("Fulfillment", home.store, str(row.id), "completed"),
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


def address(row: wire.PostalAddress) -> Address | None:
    name = " ".join(filter(None, (row.first_name, row.last_name)))
    if not any((name, row.company, row.address_1, row.city, row.postcode, row.country)):
        return None
    return Address(
        name=name or None,
        company=row.company or None,
        line1=row.address_1 or None,
        line2=row.address_2 or None,
        city=row.city or None,
        # Countries with a list of their own give a code, the others the shopper's words.
        region=None if _is_code(row.state) else row.state or None,
        region_code=row.state if _is_code(row.state) else None,
        postal_code=row.postcode or None,
        country_code=CountryCode(row.country) if _is_country(row.country) else None,
        phone=row.phone or None,
    )


def _is_code(state: str) -> bool:
    return re.fullmatch(r"([A-Z]{2}-?)?[A-Z0-9]{1,3}", state, re.ASCII) is not None


def _is_country(code: str) -> bool:
    return re.fullmatch(r"[A-Z]{2}", code, re.ASCII) is not None


def profile(row: wire.CustomerRow, home: Home) -> CustomerProfile:
    addresses: list[Address] = []
    for one in (address(row.billing), address(row.shipping)):
        if one is not None and one not in addresses:
            addresses.append(one)
    return CustomerProfile(
        id=make_id("CustomerProfile", home.store, str(row.id)),
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
    variants = (
        [_only_variant(row, home, currency)]
        if variations is None
        else [_variant(one, row, home, currency) for one in variations]
    )
    prices = [variant.price for variant in variants if variant.price is not None]
    return Product(
        id=make_id("Product", home.store, str(row.id)),
        source=home.source(
            str(row.id),
            admin=f"{home.url}/wp-admin/post.php?post={row.id}&action=edit",
            raw={"type": row.type, "status": row.status},
        ),
        title=html.unescape(row.name),
        status=PRODUCT_STATUS.get(row.status, ProductStatus.UNKNOWN),
        tags=[html.unescape(tag.name) for tag in row.tags],
        images=list(filter(None, map(_image, row.images))),
        handle=row.slug or None,
        description=plain_text(row.description or row.short_description) or None,
        vendor=html.unescape(row.brands[0].name) if row.brands else None,
        product_type=html.unescape(row.categories[0].name) if row.categories else None,
        url=web_address(row.permalink) if row.status == "publish" else None,
        price_min=min(prices, key=lambda price: price.amount, default=None),
        price_max=max(prices, key=lambda price: price.amount, default=None),
        all_variants=variants,
    )


def _price(text: str, currency: str | None) -> Money | None:
    found = wire.amount_or_none(text, "product.price")
    return None if found is None or currency is None else Money.of(found, currency)


def _only_variant(row: wire.ProductRow, home: Home, currency: str | None) -> Variant:
    """A product without variations is bought as itself."""
    return Variant(
        id=make_id("Variant", home.store, str(row.id), str(row.id)),
        title=html.unescape(row.name),
        sku=row.sku or None,
        price=_price(row.price, currency),
        compare_at_price=_price(row.regular_price, currency) if row.on_sale else None,
        available=_available(row.stock_status, row.purchasable),
        inventory_quantity=_stock(row.stock_quantity) if row.manage_stock is True else None,
        image=_image(row.images[0]) if row.images else None,
    )


def _variant(row: wire.VariationRow, of: wire.ProductRow, home: Home, currency: str | None) -> Variant:
    options = [OptionValue(name=html.unescape(one.name), value=html.unescape(one.option)) for one in row.attributes]
    stock = of.stock_quantity if row.manage_stock == "parent" else row.stock_quantity if row.manage_stock else None
    return Variant(
        id=make_id("Variant", home.store, str(of.id), str(row.id)),
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


def _image(row: wire.Picture) -> Image | None:
    url = web_address(row.src)
    return Image(url=url, alt=html.unescape(row.alt) or None) if url else None


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
        id=make_id("SubscriptionContract", home.store, str(row.id)),
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
        product_ref=_product_ref(row.product_id, row.variation_id, home),
    )
