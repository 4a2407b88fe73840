"""Medusa's words on the left, the contract's on the right."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import ROUND_CEILING, Decimal
from enum import Enum
from typing import TypeVar

from platforms.errors import Unreadable
from platforms.instants import instant, known_instant
from platforms.medusa import wire
from schema.customer import CustomerProfile
from schema.emails import Email, email_or_none
from schema.ids import make_id
from schema.order import Fulfillment, FulfillmentLine, LineQuantity, Order, OrderLine, OrderTotals, ProductRef
from schema.parts import NOT_LOADED, OrderParts
from schema.product import OptionValue, Product, Variant
from schema.provenance import Source
from schema.returns import Refund, Return, ReturnLine
from schema.scalars import CountryCode, web_address
from schema.values import Address, Image, Money, MoneyPair
from schema.vocabulary import (
    DeliveryStatus,
    FulfillmentKind,
    FulfillmentStatus,
    MoneyMoved,
    OrderReturnStatus,
    OrderStatus,
    PaymentStatus,
    ProductStatus,
    RecordHolder,
    RefundDestination,
    RefundStatus,
    ReturnReason,
    ReturnResolution,
    ReturnStatus,
    TimeBasis,
)

W = TypeVar("W", bound=Enum)

#: What we write into a return's `metadata`, and its items', to know them again.
ACTION_MARK = "aftersale_action"
RESOLUTION_MARK = "aftersale_resolution"
REASON_MARK = "aftersale_reason"


@dataclass(frozen=True, slots=True)
class Home:
    """The store a row was read in."""

    store: str
    #: The server's address, without a slash at the end; the admin's pages are below it unless they were moved.
    url: str
    source: Callable[..., Source]


# ------------------------------------------------------------------------------------------------------------ orders

# https://docs.medusajs.com/resources/references/order ("OrderStatus"); "pending" is any open order: see `order_status`.
ORDER_STATUS: Mapping[str, OrderStatus] = {
    "completed": OrderStatus.COMPLETED,
    "archived": OrderStatus.COMPLETED,
    "canceled": OrderStatus.CANCELLED,
    "requires_action": OrderStatus.ON_HOLD,
}
#: An open order for which no money has come yet.
UNPAID = frozenset({"not_paid", "awaiting", "authorized", "partially_authorized", "canceled", "requires_action"})

#: The words to ask for when orders of one status are wanted; an unknown word in this filter is a fault (500).
STATUS_WORDS: Mapping[OrderStatus, tuple[str, ...]] = {
    OrderStatus.PENDING: ("pending",),
    OrderStatus.OPEN: ("pending",),
    OrderStatus.ON_HOLD: ("requires_action",),
    OrderStatus.COMPLETED: ("completed", "archived"),
    OrderStatus.CANCELLED: ("canceled",),
    OrderStatus.FAILED: (),
}

PAYMENT_STATUS: Mapping[str, PaymentStatus] = {
    "not_paid": PaymentStatus.PENDING,
    "awaiting": PaymentStatus.PENDING,
    "requires_action": PaymentStatus.PENDING,
    "authorized": PaymentStatus.AUTHORIZED,
    "partially_authorized": PaymentStatus.AUTHORIZED,
    "partially_captured": PaymentStatus.PARTIALLY_PAID,
    "captured": PaymentStatus.PAID,
    "partially_refunded": PaymentStatus.PARTIALLY_REFUNDED,
    "refunded": PaymentStatus.REFUNDED,
    "canceled": PaymentStatus.VOIDED,
}

FULFILLMENT_STATUS: Mapping[str, FulfillmentStatus] = {
    "not_fulfilled": FulfillmentStatus.UNFULFILLED,
    "partially_fulfilled": FulfillmentStatus.PARTIALLY_FULFILLED,
    "fulfilled": FulfillmentStatus.FULFILLED,
    "partially_shipped": FulfillmentStatus.PARTIALLY_FULFILLED,
    "shipped": FulfillmentStatus.FULFILLED,
    "partially_delivered": FulfillmentStatus.PARTIALLY_FULFILLED,
    "delivered": FulfillmentStatus.FULFILLED,
    "canceled": FulfillmentStatus.UNFULFILLED,
}


def order_status(row: wire.OrderRow) -> OrderStatus:
    if row.status != "pending":
        return ORDER_STATUS.get(row.status, OrderStatus.UNKNOWN)
    if row.payment_status in UNPAID:
        return OrderStatus.PENDING
    return OrderStatus.OPEN if row.payment_status in PAYMENT_STATUS else OrderStatus.UNKNOWN


def is_shown(row: wire.OrderRow) -> bool:
    return row.status != "draft" and not row.is_draft_order


def placed_at(row: wire.OrderRow) -> datetime:
    return known_instant(row.created_at, "order.created_at")


def number(row: wire.OrderRow) -> str:
    return row.custom_display_id or str(row.display_id)


def is_record(row: wire.CustomerRow | wire.OwnerRow) -> bool:
    """Checkout leaves a customer for every guest address; a person's record is one with an account, or that staff
    made."""
    return row.has_account or bool(row.created_by)


def owner(row: wire.OrderRow) -> Email | None:
    """The record's present address; for a guest the order's own, which keeps the capitals it was typed with."""
    if row.customer is not None and is_record(row.customer):
        return email_or_none(row.customer.email)
    return email_or_none(row.email)


def order(row: wire.OrderRow, parts: OrderParts, home: Home, returns: Sequence[wire.ReturnRow] | None) -> Order:
    """`returns` are the order's own, None where they were not asked for or could not be read."""
    # Every refund is also a credit line that shrinks `total`; what the order cost is both together.
    total = row.total + row.credit_line_total
    paid, refunded = row.summary.paid_total, row.summary.refunded_total
    refundable = max(paid - refunded, Decimal(0))

    def pair(amount: Decimal) -> MoneyPair:
        return MoneyPair.same(amount, currency(row.currency_code, "order.currency_code"))

    lines = [_line(line, row, home, paid=paid, refunded=refunded) for line in row.items]
    wants_lines = parts & (OrderParts.LINES | OrderParts.FULFILLMENTS | OrderParts.RETURNS | OrderParts.REFUNDS)
    country = (row.shipping_address.country_code if row.shipping_address else None) or ""
    record = row.customer if row.customer is not None and is_record(row.customer) else None
    made = Order(
        id=make_id("Order", home.store, row.id),
        source=home.source(
            row.id,
            admin=f"{home.url}/app/orders/{row.id}",
            raw={
                "status": row.status,
                "payment_status": row.payment_status,
                "fulfillment_status": row.fulfillment_status,
            },
        ),
        number=number(row),
        status=order_status(row),
        payment_status=PAYMENT_STATUS.get(row.payment_status, PaymentStatus.UNKNOWN),
        fulfillment_status=FULFILLMENT_STATUS.get(row.fulfillment_status, FulfillmentStatus.UNKNOWN),
        return_status=_return_status(row.items),
        native_status=row.status,
        placed_at=placed_at(row),
        updated_at=instant(row.updated_at, "order.updated_at"),
        cancelled_at=instant(row.canceled_at, "order.canceled_at"),
        totals=OrderTotals(
            subtotal=pair(row.item_total),
            total=pair(total),
            refunded=pair(refunded),
            refundable=pair(refundable),
            discount=pair(row.discount_total),
            shipping=pair(row.shipping_total),
            tax=pair(row.tax_total),
        ),
        email=row.email,
        lines=lines if wants_lines else NOT_LOADED,
        fulfillments=_fulfillments(row, lines, home) if parts & OrderParts.FULFILLMENTS else NOT_LOADED,
        returns=NOT_LOADED,
        refunds=_refunds(row, home) if parts & OrderParts.REFUNDS else NOT_LOADED,
        shipping_address=address(row.shipping_address) if parts & OrderParts.ADDRESSES else NOT_LOADED,
        billing_address=address(row.billing_address) if parts & OrderParts.ADDRESSES else NOT_LOADED,
        status_url=None if parts & OrderParts.STATUS_URL else NOT_LOADED,  # a shop's pages are not Medusa's
        owner=owner(row),
        customer_native_id=record.id if record else None,
        shipping_country=country.upper() or None,
        channel=row.sales_channel.name if row.sales_channel else None,
        customer_segments=[one.name for one in record.groups or () if one.name] if record else None,
    )
    if parts & OrderParts.RETURNS:
        made.returns = None if returns is None else _returns(returns, made, lines, home)
    return made


def units(quantity: int | Decimal) -> int:
    """Whole units; a part of one counts as one."""
    return int(Decimal(quantity).to_integral_value(ROUND_CEILING))


def currency(code: str, field: str) -> str:
    if not re.fullmatch(r"[A-Za-z]{3}", code, re.ASCII):
        raise Unreadable(f"{field} is not a currency")
    return code.upper()


def _going_back(detail: wire.Detail) -> int:
    """In a return, wherever it is: a unit moves from one of the three to the next."""
    return (
        units(detail.return_requested_quantity)
        + units(detail.return_received_quantity)
        + units(detail.return_dismissed_quantity)
    )


def _line(row: wire.LineRow, of: wire.OrderRow, home: Home, *, paid: Decimal, refunded: Decimal) -> OrderLine:
    ordered = units(row.quantity)
    current = max(ordered - units(row.detail.written_off_quantity), 0)
    back = _going_back(row.detail)
    # A refund is of an amount and names no line: as soon as there is one, what is left of a line is not known.
    refundable = 0 if paid <= refunded else current if not refunded else None
    code = currency(of.currency_code, "order.currency_code")
    return OrderLine(
        id=make_id("OrderLine", home.store, of.id, row.id),
        native_id=row.id,
        title=row.product_title or row.title,
        variant_title=row.variant_title,
        sku=row.variant_sku,
        quantity=LineQuantity(
            ordered=ordered,
            current=current,
            returned=back,
            fulfilled=units(row.detail.shipped_quantity),
            delivered=units(row.detail.delivered_quantity),
            # Medusa takes back what is packed and not yet in a return.
            returnable=max(min(units(row.detail.fulfilled_quantity), current) - back, 0),
            refundable=refundable,
        ),
        unit_price=MoneyPair.same(row.unit_price, code),
        total=MoneyPair.same(row.total, code),
        is_gift_card=row.is_giftcard,
        requires_shipping=row.requires_shipping,
        product_ref=ProductRef(home.store, row.product_id, row.variant_id) if row.product_id else None,
        product_tags=None
        if row.product is None or row.product.tags is None
        else [tag.value for tag in row.product.tags if tag.value],
        product_type=row.product_type,
    )


def _return_status(lines: Iterable[wire.LineRow]) -> OrderReturnStatus:
    asked = received = sent = 0
    for line in lines:
        asked += units(line.detail.return_requested_quantity)
        received += units(line.detail.return_received_quantity) + units(line.detail.return_dismissed_quantity)
        sent += units(line.detail.fulfilled_quantity)
    if received:
        return OrderReturnStatus.RETURNED if received >= sent else OrderReturnStatus.PARTIALLY_RETURNED
    return OrderReturnStatus.REQUESTED if asked else OrderReturnStatus.NONE


# ------------------------------------------------------------------------------------------------- parcels, refunds

_KIND: Mapping[str, FulfillmentKind] = {"shipping": FulfillmentKind.SHIPPING, "pickup": FulfillmentKind.PICKUP}


def _fulfillments(row: wire.OrderRow, lines: Sequence[OrderLine], home: Home) -> list[Fulfillment] | None:
    if row.fulfillments is None:
        return None
    by_id = {line.native_id: line for line in lines}
    return [_fulfillment(one, row, by_id, home) for one in row.fulfillments]


def _fulfillment(
    row: wire.FulfillmentRow, of: wire.OrderRow, lines: Mapping[str, OrderLine], home: Home
) -> Fulfillment:
    label = next((one for one in row.labels or () if one.tracking_number), None)
    return Fulfillment(
        id=make_id("Fulfillment", home.store, of.id, row.id),
        kind=_kind(row),
        status=delivery_status(row),
        lines=[
            FulfillmentLine(line=lines[item.line_item_id], quantity=units(item.quantity))
            for item in row.items or ()
            if item.line_item_id is not None and item.line_item_id in lines
        ],
        tracking_number=label.tracking_number if label else None,
        tracking_url=web_address(label.tracking_url) if label else None,
        shipped_at=instant(row.shipped_at, "fulfillment.shipped_at"),
        delivered_at=instant(row.delivered_at, "fulfillment.delivered_at"),
        delivered_at_basis=TimeBasis.DELIVERED if row.delivered_at else None,
    )


def _kind(row: wire.FulfillmentRow) -> FulfillmentKind:
    option = row.shipping_option
    group = option.service_zone.fulfillment_set if option and option.service_zone else None
    known = _KIND.get(group.type or "") if group else None
    return known or (FulfillmentKind.SHIPPING if row.requires_shipping else FulfillmentKind.DIGITAL)


def delivery_status(row: wire.FulfillmentRow) -> DeliveryStatus:
    """Medusa keeps the instants of what happened, and no word for it."""
    if row.canceled_at:
        return DeliveryStatus.CANCELLED
    if row.delivered_at:
        return DeliveryStatus.DELIVERED
    if row.shipped_at:
        return DeliveryStatus.SHIPPED
    if any(label.tracking_number for label in row.labels or ()):
        return DeliveryStatus.LABEL_CREATED
    return DeliveryStatus.PENDING


#: Medusa's own provider asks no payment service: staff settle such payments outside.
SYSTEM_PROVIDER = "pp_system"


def by_hand(payment: wire.PaymentRow) -> bool:
    return (payment.provider_id or "").startswith(SYSTEM_PROVIDER)


def left_of(payment: wire.PaymentRow) -> Decimal:
    """What was captured of a payment and not paid back."""
    captured = sum((one.amount for one in payment.captures or ()), Decimal(0))
    return captured - sum((one.amount for one in payment.refunds or ()), Decimal(0))


_MARK = re.compile(r"\s*\(Aftersale action [^)]+\)\Z")


def _refunds(row: wire.OrderRow, home: Home) -> list[Refund] | None:
    if row.payment_collections is None:
        return None
    code = currency(row.currency_code, "order.currency_code")
    found = []
    for payment in (one for collection in row.payment_collections for one in collection.payments or ()):
        manual = by_hand(payment)
        found += [
            Refund(
                id=make_id("Refund", home.store, row.id, refund.id),
                status=RefundStatus.COMPLETED,
                amount=MoneyPair.same(refund.amount, code),
                destination=RefundDestination.MANUAL if manual else RefundDestination.ORIGINAL_PAYMENT,
                # The provider is asked first, and only what it paid is kept as a refund.
                money_moved=MoneyMoved.NO if manual else MoneyMoved.YES,
                created_at=known_instant(refund.created_at, "refund.created_at"),
                reason=_MARK.sub("", refund.note or "") or None,  # without the action's mark
            )
            for refund in payment.refunds or ()
        ]
    return sorted(found, key=lambda refund: (refund.created_at, refund.id))


# ----------------------------------------------------------------------------------------------------------- returns

# "open" is a draft that nobody has confirmed yet: no return.
RETURN_STATUS: Mapping[str, ReturnStatus] = {
    "requested": ReturnStatus.REQUESTED,
    "partially_received": ReturnStatus.IN_TRANSIT,
    "received": ReturnStatus.RECEIVED,
    "canceled": ReturnStatus.CANCELLED,
}
DRAFT = "open"


def _returns(rows: Sequence[wire.ReturnRow], of: Order, lines: Sequence[OrderLine], home: Home) -> list[Return]:
    by_id = {line.native_id: line for line in lines}
    found = [
        _return(row, of, by_id, home) for row in rows if row.order_id == of.source.native_id and row.status != DRAFT
    ]
    return sorted(found, key=lambda one: (one.requested_at, one.id))


def _return(row: wire.ReturnRow, of: Order, lines: Mapping[str, OrderLine], home: Home) -> Return:
    made = known_instant(row.created_at, "return.created_at")
    return Return(
        id=make_id("Return", home.store, of.source.native_id, row.id),
        source=home.source(row.id, admin=f"{home.url}/app/orders/{row.order_id}", raw={"status": row.status}),
        status=RETURN_STATUS.get(row.status, ReturnStatus.UNKNOWN),
        native_status=row.status,
        held_by=RecordHolder.PLATFORM,
        order=of,
        lines=[
            ReturnLine(
                line=lines[item.item_id], quantity=units(item.quantity), reason=_reason(item), note=item.note or None
            )
            for item in row.items or ()
            if item.item_id in lines
        ],
        resolution=_word(ReturnResolution, (row.metadata or {}).get(RESOLUTION_MARK), ReturnResolution.UNKNOWN),
        requested_at=instant(row.requested_at, "return.requested_at") or made,
        number=None if row.display_id is None else str(row.display_id),
        closed_at=instant(row.canceled_at or row.received_at, "return.received_at"),
    )


def _reason(item: wire.ReturnItemRow) -> ReturnReason:
    """As the customer gave it to us; else the shop's own word, where it is one of ours."""
    said = (item.metadata or {}).get(REASON_MARK) or (item.reason.value if item.reason else None)
    return _word(ReturnReason, said, ReturnReason.UNKNOWN if said is None else ReturnReason.OTHER)


def _word(vocabulary: type[W], said: object, otherwise: W) -> W:
    text = said.strip().upper().replace("-", "_") if isinstance(said, str) else ""
    return vocabulary[text] if text in vocabulary.__members__ else otherwise


# --------------------------------------------------------------------------------------------------------- customers


def address(row: wire.PostalAddress | None) -> Address | None:
    if row is None:
        return None
    name = " ".join(filter(None, (row.first_name, row.last_name)))
    if not any((name, row.company, row.address_1, row.city, row.postal_code, row.country_code)):
        return None
    country = (row.country_code or "").upper()
    return Address(
        name=name or None,
        company=row.company or None,
        line1=row.address_1 or None,
        line2=row.address_2 or None,
        city=row.city or None,
        region=row.province or None,
        postal_code=row.postal_code or None,
        country_code=CountryCode(country) if re.fullmatch(r"[A-Z]{2}", country, re.ASCII) else None,
        phone=row.phone or None,
    )


def profile(row: wire.CustomerRow, home: Home) -> CustomerProfile:
    found: list[Address] = []
    for one in map(address, row.addresses or ()):
        if one is not None and one not in found:
            found.append(one)
    return CustomerProfile(
        id=make_id("CustomerProfile", home.store, row.id),
        source=home.source(row.id, admin=f"{home.url}/app/customers/{row.id}", raw={"has_account": row.has_account}),
        segments=[group.name for group in row.groups or () if group.name],
        addresses=found,
        display_name=" ".join(filter(None, (row.first_name, row.last_name))) or row.company_name or None,
        email=row.email,
        phone=row.phone or None,
        created_at=instant(row.created_at, "customer.created_at"),
        first_name=row.first_name or None,
        last_name=row.last_name or None,
        owner=email_or_none(row.email),
    )


# ---------------------------------------------------------------------------------------------------------- products

# https://docs.medusajs.com/resources/references/product ("ProductStatus")
PRODUCT_STATUS: Mapping[str, ProductStatus] = {
    "published": ProductStatus.ACTIVE,
    "draft": ProductStatus.DRAFT,
    "proposed": ProductStatus.DRAFT,
    "rejected": ProductStatus.ARCHIVED,
}


def product(row: wire.ProductRow, home: Home, code: str | None) -> Product:
    """`code`: the store's currency, None where it is not known; prices in others are not told."""
    variants = [_variant(one, row, home, code) for one in row.variants or ()]
    prices = [variant.price for variant in variants if variant.price is not None]
    images = [Image(url=url) for one in row.images or () if (url := web_address(one.url))]
    if not images and (url := web_address(row.thumbnail)):
        images = [Image(url=url)]
    return Product(
        id=make_id("Product", home.store, row.id),
        source=home.source(row.id, admin=f"{home.url}/app/products/{row.id}", raw={"status": row.status}),
        title=row.title,
        status=PRODUCT_STATUS.get(row.status, ProductStatus.UNKNOWN),
        tags=[tag.value for tag in row.tags or () if tag.value],
        images=images,
        handle=row.handle or None,
        description=row.description or None,
        product_type=row.type.value if row.type else None,
        price_min=min(prices, key=lambda price: price.amount, default=None),
        price_max=max(prices, key=lambda price: price.amount, default=None),
        all_variants=variants,
    )


def _variant(row: wire.VariantRow, of: wire.ProductRow, home: Home, code: str | None) -> Variant:
    options = [OptionValue(name=one.option.title if one.option else "", value=one.value) for one in row.options or ()]
    stock = _stock(row)
    url = web_address(row.thumbnail)
    return Variant(
        id=make_id("Variant", home.store, of.id, row.id),
        title=row.title or of.title,
        options=options,
        sku=row.sku or None,
        price=_price(row, code),
        available=True if not row.manage_inventory or row.allow_backorder else None if stock is None else stock > 0,
        inventory_quantity=stock,
        image=Image(url=url) if url else None,
    )


def _price(row: wire.VariantRow, code: str | None) -> Money | None:
    """The plain price: no rule (region, customer group), no quantity from which it holds."""
    for price in row.prices or ():
        plain = not price.rules and price.min_quantity is None and price.max_quantity is None
        if plain and code is not None and price.currency_code.upper() == code:
            return Money.of(price.amount, code)
    return None


def _stock(row: wire.VariantRow) -> int | None:
    """Units that could be sold: of a kit, as many as its scarcest part allows."""
    if not row.manage_inventory or not row.inventory_items:
        return None
    made = []
    for item in row.inventory_items:
        if item.inventory is None or item.inventory.location_levels is None:
            return None
        levels = item.inventory.location_levels
        left = sum((Decimal(level.available_quantity or 0) for level in levels), Decimal(0))
        made.append(int(left // Decimal(item.required_quantity or 1)))
    return min(made)
