"""What Recharge's words mean in ours: statuses, intervals, money and the links into the shop it bills for."""

from __future__ import annotations

import calendar
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal

from platforms.errors import Unreadable
from platforms.instants import in_utc
from platforms.recharge.wire import (
    AddressOfOrder,
    ChargeRow,
    Count,
    CustomerRow,
    External,
    Flag,
    LineItem,
    OrderRow,
    SubscriptionRow,
)
from schema.customer import CustomerProfile
from schema.emails import Email, email_or_none
from schema.ids import make_id
from schema.order import LineQuantity, Order, OrderLine, OrderTotals, ProductRef
from schema.parts import NOT_LOADED, OrderParts
from schema.provenance import Source
from schema.returns import Refund
from schema.scalars import CountryCode
from schema.subscription import OrderRef, ProfileRef, Subscription, SubscriptionLine
from schema.values import Address, Interval, Money, MoneyPair
from schema.vocabulary import (
    FulfillmentStatus,
    IntervalUnit,
    MoneyMoved,
    OrderReturnStatus,
    OrderStatus,
    PaymentStatus,
    RefundDestination,
    RefundStatus,
    SubscriptionStatus,
)

# https://developer.rechargepayments.com/2021-11/subscriptions/subscription_object ("status")
STATUS: Mapping[str, SubscriptionStatus] = {
    "active": SubscriptionStatus.ACTIVE,
    "cancelled": SubscriptionStatus.CANCELLED,
    "expired": SubscriptionStatus.EXPIRED,
}

# https://developer.rechargepayments.com/2021-11/orders ("status"): how far the billing is. A success was handed to the
# shop; what became of its goods is known there.
ORDER_STATUS: Mapping[str, OrderStatus] = {
    "success": OrderStatus.COMPLETED,
    "error": OrderStatus.FAILED,
    "queued": OrderStatus.PENDING,
    "pending_charge_status": OrderStatus.PENDING,
    "cancelled": OrderStatus.CANCELLED,
}

# https://developer.rechargepayments.com/2021-11/charges ("status")
PAYMENT_STATUS: Mapping[str, PaymentStatus] = {
    "success": PaymentStatus.PAID,
    "partially_refunded": PaymentStatus.PARTIALLY_REFUNDED,
    "refunded": PaymentStatus.REFUNDED,
    "error": PaymentStatus.FAILED,
    "queued": PaymentStatus.PENDING,
    "pending": PaymentStatus.PENDING,
    "pending_manual_payment": PaymentStatus.PENDING,
    "skipped": PaymentStatus.VOIDED,
}
#: Statuses of a charge whose money was taken.
TAKEN = frozenset({"success", "partially_refunded", "refunded"})

#: A single extra item of a next charge; it lives in the same list and is no subscription.
ONETIME = "onetime"

UNIT: Mapping[str, IntervalUnit] = {
    "day": IntervalUnit.DAY,
    "week": IntervalUnit.WEEK,
    "month": IntervalUnit.MONTH,
    "year": IntervalUnit.YEAR,
}

#: Values of the platform that staff may read as they are.
RAW = (
    "status",
    "address_id",
    "next_charge_scheduled_at",
    "has_queued_charges",
    "max_retries_reached",
    "is_prepaid",
    "cancellation_reason",
    "cancellation_reason_comments",
)

#: The day where the store is and the day where Recharge bills may differ by one.
_TOLERANCE = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Home:
    """What of the store a mapping needs to know."""

    store: str
    #: The shop it bills for, by our id.
    shop: str | None
    #: ISO 4217; for rows that name no currency.
    currency: str
    #: In the store's time zone.
    today: date


@dataclass(frozen=True, slots=True)
class Cycles:
    """What the billed orders of one subscription tell."""

    completed: int
    #: The shop's order that the oldest of them made.
    origin: str | None


def profile(row: CustomerRow, source: Source, home: Home) -> CustomerProfile:
    names = [name for name in (row.first_name, row.last_name) if name]
    return CustomerProfile(
        id=make_id("CustomerProfile", home.store, str(row.id)),
        source=source,
        display_name=" ".join(names) or None,
        email=row.email or None,
        phone=row.phone or None,
        created_at=in_utc(row.created_at, "created_at"),
        first_name=row.first_name or None,
        last_name=row.last_name or None,
        owner=email_or_none(row.email),
    )


def subscription(row: SubscriptionRow, source: Source, home: Home, *, owner: Email | None = None) -> Subscription:
    """A subscription without its cycles."""
    billing = interval(row.charge_interval_frequency, row.order_interval_unit, "charge_interval_frequency")
    status = status_of(row, billing, home.today)
    due = next_billing(row, home.today)
    return Subscription(
        id=make_id("SubscriptionContract", home.store, str(row.id)),
        source=source,
        status=status,
        native_status=row.status,
        lines=[line(row, home)],
        billing_interval=billing,
        delivery_interval=interval(row.order_interval_frequency, row.order_interval_unit, "order_interval_frequency"),
        payment_failed=flag(row.max_retries_reached, "max_retries_reached"),
        next_billing_at=due,
        paused_until=due if status is SubscriptionStatus.PAUSED else None,
        max_cycles=count(row.expire_after_specific_number_of_charges, "expire_after_specific_number_of_charges"),
        is_prepaid=None if row.is_prepaid is None else flag(row.is_prepaid, "is_prepaid"),
        cancel_reason=row.cancellation_reason or None,
        created_at=in_utc(row.created_at, "created_at"),
        owner=owner,
        customer_ref=ProfileRef(home.store, str(row.customer_id)),
    )


def status_of(row: SubscriptionRow, billing: Interval, today: date) -> SubscriptionStatus:
    """Recharge knows no pause, so one is derived.

    An active subscription in its rhythm bills within one charge interval from today. It is PAUSED while its next
    charge is farther away than that, by more than a day; where the charge is tied to a day of the week or month, by
    more than a week or month, which a first charge may be put off by. A skipped charge reads as a pause until the
    skipped day has come; a pause that ends within one interval cannot be told from the rhythm.
    """
    status = STATUS.get(row.status, SubscriptionStatus.UNKNOWN)
    if status is not SubscriptionStatus.ACTIVE:
        return status
    if flag(row.max_retries_reached, "max_retries_reached"):
        return SubscriptionStatus.PAYMENT_FAILED
    due = day(row.next_charge_scheduled_at)
    if due is not None and due > later(today, billing) + _slack(row):
        return SubscriptionStatus.PAUSED
    return status


def _slack(row: SubscriptionRow) -> timedelta:
    if row.order_day_of_month is not None:
        return _TOLERANCE + timedelta(days=31)
    if row.order_day_of_week is not None:
        return _TOLERANCE + timedelta(days=7)
    return _TOLERANCE


def next_billing(row: SubscriptionRow, today: date) -> date | None:
    """The day of the next charge. A day gone by on a subscription whose retries are used up is not one to come."""
    due = day(row.next_charge_scheduled_at)
    if due is not None and due < today and flag(row.max_retries_reached, "max_retries_reached"):
        return None
    return due


def line(row: SubscriptionRow, home: Home) -> SubscriptionLine:
    product = external(row.external_product_id)
    title = row.product_title or row.variant_title or row.sku or ""
    return SubscriptionLine(
        title=f"{title} - {row.variant_title}" if row.product_title and row.variant_title else title,
        quantity=row.quantity,
        price=Money.of(row.price, row.presentment_currency or home.currency),
        sku=row.sku or None,
        product_ref=(
            ProductRef(home.shop, product, external(row.external_variant_id)) if home.shop and product else None
        ),
    )


def cycles(orders: Iterable[OrderRow], subscription_id: str) -> Cycles:
    """Charges that went through, each counted once: a prepaid charge makes several orders."""
    billed = sorted(
        (order for order in orders if order.status == "success" and subscription_id in subscriptions_in(order)),
        key=lambda order: (order.created_at, order.id),
    )
    charges = {
        f"charge {order.charge.id}" if order.charge and order.charge.id is not None else f"order {order.id}"
        for order in billed
    }
    return Cycles(len(charges), external(billed[0].external_order_id) if billed else None)


def origin(found: Cycles | None, home: Home) -> OrderRef | None:
    return OrderRef(home.shop, found.origin) if found and found.origin and home.shop else None


def subscriptions_in(order: OrderRow) -> frozenset[str]:
    """The ids of the subscriptions an order was billed for."""
    return frozenset(
        str(item.purchase_item_id)
        for item in order.line_items
        if item.purchase_item_type == "subscription" and item.purchase_item_id is not None
    )


def order(
    row: OrderRow, charge: ChargeRow | None, source: Source, home: Home, parts: OrderParts, owner: Email | None
) -> Order:
    """A billing record as an order. `charge` is what was taken for it; None where it cannot be read."""
    currency = row.currency or home.currency
    if row.total_price is None:
        raise Unreadable("the order has no total_price")
    refunded = charge.total_refunds if charge else Decimal(0)
    # A prepaid charge pays several orders: what can be given back is the charge's.
    left = charge.total_price - refunded if charge and charge.status in TAKEN else Decimal(0)
    native = str(row.id)
    wanted = parts & (OrderParts.LINES | OrderParts.FULFILLMENTS | OrderParts.RETURNS | OrderParts.REFUNDS)
    number = external(row.external_order_number)
    made = Order(
        id=make_id("Order", home.store, native),
        source=source,
        number=number.removeprefix("#") if number else native,
        status=ORDER_STATUS.get(row.status or "", OrderStatus.UNKNOWN),
        payment_status=PAYMENT_STATUS.get(charge.status, PaymentStatus.UNKNOWN) if charge else PaymentStatus.UNKNOWN,
        fulfillment_status=FulfillmentStatus.UNKNOWN,
        return_status=OrderReturnStatus.NONE,
        native_status=f"{row.status or '-'} {charge.status if charge else '-'}",
        placed_at=in_utc(row.created_at, "created_at"),
        updated_at=in_utc(row.updated_at, "updated_at"),
        totals=OrderTotals(
            subtotal=_same(row.subtotal_price if row.subtotal_price is not None else row.total_price, currency),
            total=_same(row.total_price, currency),
            refunded=_same(refunded, currency),
            refundable=_same(max(left, Decimal(0)), currency),
            discount=None if row.total_discounts is None else _same(row.total_discounts, currency),
            shipping=_same(sum((one.price or Decimal(0) for one in row.shipping_lines), Decimal(0)), currency),
            tax=None if row.total_tax is None else _same(row.total_tax, currency),
        ),
        email=(row.customer.email or None) if row.customer else None,
        lines=[_order_line(one, at, native, currency, home) for at, one in enumerate(row.line_items, 1)]
        if wanted
        else NOT_LOADED,
        owner=owner,
        customer_native_id=str(row.customer.id) if row.customer and row.customer.id is not None else None,
        shipping_country=row.shipping_address.country_code if row.shipping_address else None,
        channel=row.type,
    )
    if OrderParts.ADDRESSES in parts:
        made.shipping_address = address(row.shipping_address)
        made.billing_address = address(row.billing_address)
    if OrderParts.STATUS_URL in parts:
        made.status_url = None
    if OrderParts.FULFILLMENTS in parts:
        made.fulfillments = None  # the shop knows
    if OrderParts.RETURNS in parts:
        made.returns = []
    if OrderParts.REFUNDS in parts:
        made.refunds = None if charge is None else _refunds(charge, native, currency, home)
    return made


def _same(amount: Decimal, currency: str) -> MoneyPair:
    return MoneyPair.same(amount, currency)


def _refunds(charge: ChargeRow, order: str, currency: str, home: Home) -> list[Refund]:
    """All that was paid back of a charge, as one: Recharge tells the sum and no more."""
    if not charge.total_refunds:
        return []
    return [
        Refund(
            id=make_id("Refund", home.store, order, str(charge.id)),
            status=RefundStatus.COMPLETED,
            amount=_same(charge.total_refunds, currency),
            destination=RefundDestination.ORIGINAL_PAYMENT,
            money_moved=MoneyMoved.YES if charge.status in TAKEN else MoneyMoved.UNKNOWN,
            created_at=in_utc(charge.updated_at, "updated_at"),
        )
    ]


def _order_line(row: LineItem, at: int, order: str, currency: str, home: Home) -> OrderLine:
    """A line by its place: an item of a charge has no id of its own."""
    if row.unit_price is None:
        raise Unreadable("a line of the order has no unit_price")
    total = row.total_price if row.total_price is not None else row.unit_price * row.quantity
    product = external(row.external_product_id)
    return OrderLine(
        id=make_id("OrderLine", home.store, order, str(at)),
        title=row.title or row.sku or "",
        quantity=LineQuantity(ordered=row.quantity, current=row.quantity, returned=0),
        unit_price=_same(row.unit_price, currency),
        total=_same(total, currency),
        is_gift_card=False,
        native_id=str(at),
        variant_title=row.variant_title or None,
        sku=row.sku or None,
        product_ref=(
            ProductRef(home.shop, product, external(row.external_variant_id)) if home.shop and product else None
        ),
    )


def address(row: AddressOfOrder | None) -> Address | None:
    if row is None:
        return None
    names = [name for name in (row.first_name, row.last_name) if name]
    return Address(
        name=" ".join(names) or None,
        company=row.company or None,
        line1=row.address1 or None,
        line2=row.address2 or None,
        city=row.city or None,
        region=row.province or None,
        postal_code=row.zip or None,
        country_code=CountryCode(row.country_code) if row.country_code else None,
        phone=row.phone or None,
    )


def through_the_shop(row: OrderRow) -> bool | None:
    """Whether the money was taken by the shop's own checkout, where it is to be given back; None: it is not told.

    The names beyond Shopify's own are not known (unverified).
    """
    name = (row.charge.payment_processor_name if row.charge else None) or ""
    return name.lower().startswith("shopify") if name else None


# ------------------------------------------------------------------------------------------------ values


def external(value: External | None) -> str | None:
    """An id of the shop: `{"ecommerce": "7001"}`, with null or nothing where there is none."""
    if value is None or value.ecommerce in (None, ""):
        return None
    return str(value.ecommerce)


def flag(value: Flag, name: str) -> bool:
    """true, 1 and "1" alike; missing is false."""
    match value:
        case bool() | None:
            return bool(value)
        case 0 | "0" | "false" | "":
            return False
        case 1 | "1" | "true":
            return True
    raise Unreadable(f"the subscription's {name} is neither true nor false")


def count(value: Count, name: str) -> int | None:
    """A number that may come as text."""
    if value is None or value == "":
        return None
    try:
        return int(value)
    except ValueError:
        raise Unreadable(f"the subscription's {name} is not a number") from None


def interval(frequency: Count, unit: str | None, name: str) -> Interval:
    """Charges and orders share `order_interval_unit`."""
    number = count(frequency, name)
    if number is None or number < 1:
        raise Unreadable(f"the subscription has no {name}")
    if unit is None or unit not in UNIT:
        raise Unreadable("the subscription has no order_interval_unit, or one we do not know")
    return Interval(unit=UNIT[unit], count=number)


def day(value: str | None) -> date | None:
    """A day, also where it comes with a time behind it."""
    if not value:
        return None
    try:
        return date.fromisoformat(value[:10])
    except ValueError:
        raise Unreadable("the subscription's next_charge_scheduled_at is not a day") from None


def later(start: date, by: Interval) -> date:
    """`start` and one interval; the last day of a month where that month is shorter."""
    try:
        match by.unit:
            case IntervalUnit.DAY:
                return start + timedelta(days=by.count)
            case IntervalUnit.WEEK:
                return start + timedelta(weeks=by.count)
            case _:
                months = start.month - 1 + by.count * (12 if by.unit is IntervalUnit.YEAR else 1)
                year, month = start.year + months // 12, months % 12 + 1
                return date(year, month, min(start.day, calendar.monthrange(year, month)[1]))
    except (OverflowError, ValueError):
        return date.max - timedelta(days=60)
