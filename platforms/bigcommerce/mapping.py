"""BigCommerce's words on the left, the contract's on the right."""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from platforms.bigcommerce import wire
from schema.customer import CustomerProfile
from schema.emails import Email, email_or_none
from schema.ids import make_id
from schema.order import Fulfillment, FulfillmentLine, LineQuantity, Order, OrderLine, OrderTotals, ProductRef
from schema.parts import NOT_LOADED, OrderParts
from schema.product import OptionValue, Product, Variant
from schema.provenance import Source
from schema.returns import Refund, RefundLine
from schema.scalars import CountryCode, Url, web_address
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
    RefundDestination,
    RefundStatus,
)


@dataclass(frozen=True, slots=True)
class Home:
    """The store a row was read in."""

    store: str
    #: The control panel's address, without a slash at the end.
    admin: str
    source: Callable[..., Source]


# ------------------------------------------------------------------------------------------------------------ orders

# https://developer.bigcommerce.com/docs/rest-management/orders/order-status ("id"; the name beside it can be changed by
# the merchant). 4 and 14 tell of the money and nothing of the goods: see `order_status`.
ORDER_STATUS: Mapping[int, OrderStatus] = {
    1: OrderStatus.PENDING,  # Pending
    2: OrderStatus.OPEN,  # Shipped
    3: OrderStatus.OPEN,  # Partially Shipped
    5: OrderStatus.CANCELLED,  # Cancelled
    6: OrderStatus.CANCELLED,  # Declined
    7: OrderStatus.PENDING,  # Awaiting Payment
    8: OrderStatus.OPEN,  # Awaiting Pickup
    9: OrderStatus.OPEN,  # Awaiting Shipment
    10: OrderStatus.COMPLETED,  # Completed
    11: OrderStatus.OPEN,  # Awaiting Fulfillment
    12: OrderStatus.ON_HOLD,  # Manual Verification Required
    13: OrderStatus.ON_HOLD,  # Disputed
}
REFUNDED, DECLINED, DISPUTED, PARTIALLY_REFUNDED = 4, 6, 13, 14


def order_status(row: wire.OrderRow) -> OrderStatus:
    """One number stands for the order, its money and its goods. A refunded order is COMPLETED if something was sent;
    else nothing will be sent any more: CANCELLED. A partly refunded one is COMPLETED when all was sent."""
    if row.status_id == REFUNDED:
        return OrderStatus.COMPLETED if row.items_shipped > 0 else OrderStatus.CANCELLED
    if row.status_id == PARTIALLY_REFUNDED:
        return OrderStatus.COMPLETED if 0 < row.items_total <= row.items_shipped else OrderStatus.OPEN
    return ORDER_STATUS.get(row.status_id, OrderStatus.UNKNOWN)


# https://developer.bigcommerce.com/docs/rest-management/orders ("payment_status")
PAYMENT_STATUS: Mapping[str, PaymentStatus] = {
    "authorized": PaymentStatus.AUTHORIZED,
    "capture pending": PaymentStatus.AUTHORIZED,
    "captured": PaymentStatus.PAID,
    "paid": PaymentStatus.PAID,
    "declined": PaymentStatus.FAILED,
    "held for review": PaymentStatus.PENDING,
    "pending": PaymentStatus.PENDING,
    "partially refunded": PaymentStatus.PARTIALLY_REFUNDED,
    "refunded": PaymentStatus.REFUNDED,
    "void": PaymentStatus.VOIDED,
    "void pending": PaymentStatus.AUTHORIZED,
}
#: Without a word on the payment (paid by hand, or outside the store) the order's own status tells (inferred).
PAYMENT_BY_STATUS: Mapping[int, PaymentStatus] = {
    1: PaymentStatus.PENDING,
    2: PaymentStatus.PAID,
    3: PaymentStatus.PAID,
    7: PaymentStatus.PENDING,
    8: PaymentStatus.PAID,
    9: PaymentStatus.PAID,
    10: PaymentStatus.PAID,
    11: PaymentStatus.PAID,
}


def payment_status(row: wire.OrderRow, refunded: Decimal) -> PaymentStatus:
    """`refunded` is what is known to have been paid back."""
    told = PAYMENT_STATUS.get(row.payment_status, PaymentStatus.UNKNOWN) if row.payment_status else None
    if row.status_id == DISPUTED:
        return PaymentStatus.DISPUTED
    if row.status_id == REFUNDED or told is PaymentStatus.REFUNDED or 0 < row.total_inc_tax <= refunded:
        return PaymentStatus.REFUNDED
    if row.status_id == PARTIALLY_REFUNDED or told is PaymentStatus.PARTIALLY_REFUNDED or refunded > 0:
        return PaymentStatus.PARTIALLY_REFUNDED
    if row.status_id == DECLINED:
        return PaymentStatus.FAILED
    return told or PAYMENT_BY_STATUS.get(row.status_id, PaymentStatus.UNKNOWN)


_SENT = frozenset({2, 10})


def fulfillment_status(row: wire.OrderRow) -> FulfillmentStatus:
    """Shipped and Completed say it all, with or without a shipment; else the units that were shipped are counted."""
    if row.status_id in _SENT:
        return FulfillmentStatus.FULFILLED
    if row.items_shipped > 0:
        whole = row.items_shipped >= row.items_total
        return FulfillmentStatus.FULFILLED if whole else FulfillmentStatus.PARTIALLY_FULFILLED
    return FulfillmentStatus.PARTIALLY_FULFILLED if row.status_id == 3 else FulfillmentStatus.UNFULFILLED


def is_shown(row: wire.OrderRow) -> bool:
    """An incomplete order is an abandoned checkout, a deleted one was archived by the merchant."""
    return row.status_id != wire.INCOMPLETE and not row.is_deleted


def placed_at(row: wire.OrderRow) -> datetime:
    return wire.known_instant(row.date_created, "order.date_created")


def hides_refunds(row: wire.OrderRow) -> bool:
    """Whether the order says that money was paid back and not how much."""
    told = row.payment_status in ("partially refunded", "refunded")
    return (told or row.status_id in (REFUNDED, PARTIALLY_REFUNDED)) and row.refunded_amount == 0


class MoneyOf:
    """Amounts of one order, with tax. The shopper pays in the order's currency; where the store has another of its
    own, the order carries the rate. That the rate is the order's currency for one of the store's is unverified."""

    def __init__(self, row: wire.OrderRow) -> None:
        self.currency = wire.currency(row.default_currency_code, "order.default_currency_code")
        self._shop, self._rate = self.currency, Decimal(1)
        own, rate = row.store_default_currency_code, row.store_default_to_transactional_exchange_rate
        if own and own != self.currency and rate is not None and rate > 0:
            self._shop, self._rate = wire.currency(own, "order.store_default_currency_code"), rate

    def pair(self, amount: Decimal) -> MoneyPair:
        if self._shop == self.currency:
            return MoneyPair.same(amount, self.currency)
        digits = Decimal(1).scaleb(min(int(amount.as_tuple().exponent), 0))
        return MoneyPair(
            presentment=Money.of(amount, self.currency),
            shop=Money.of((amount / self._rate).quantize(digits), self._shop),
        )


def order(
    row: wire.OrderRow,
    parts: OrderParts,
    home: Home,
    owner: Email | None,
    *,
    lines: Sequence[wire.LineRow] | None = None,
    shipments: Sequence[wire.ShipmentRow] | None = None,
    refunds: Sequence[wire.RefundRow] | None = None,
) -> Order:
    """`lines` are there where any part needs them. `shipments` and `refunds`: None where they were not asked for or
    could not be read."""
    money = MoneyOf(row)
    paid_back = paid_back_of(row, refunds)
    payment = payment_status(row, paid_back)
    refundable = _refundable(row, payment, paid_back)
    back = _units_refunded(refunds or ())
    nodes = [_line(line, row, home, money, back, payable=refundable > 0) for line in lines or ()]
    wants_lines = parts & (OrderParts.LINES | OrderParts.FULFILLMENTS | OrderParts.RETURNS | OrderParts.REFUNDS)
    to = row.consignments.shipping[0] if row.consignments and row.consignments.shipping else None
    return Order(
        id=make_id("Order", home.store, str(row.id)),
        source=home.source(
            str(row.id),
            admin=f"{home.admin}/manage/orders/{row.id}",
            raw={
                "status_id": row.status_id,
                "status": row.status,
                "custom_status": row.custom_status,
                "payment_status": row.payment_status,
                "payment_method": row.payment_method,
                "payment_provider_id": str(row.payment_provider_id or ""),
                "store_credit_amount": str(row.store_credit_amount),
                "order_source": row.order_source,
                "external_order_id": row.external_order_id,
                "currency_code": row.currency_code,
                "customer_message": row.customer_message,
                "staff_notes": row.staff_notes,
            },
        ),
        number=str(row.id),
        status=order_status(row),
        payment_status=payment,
        fulfillment_status=fulfillment_status(row),
        return_status=OrderReturnStatus.NONE,  # the gateway keeps this store's returns, and tells of them
        native_status=row.status or str(row.status_id),
        placed_at=placed_at(row),
        updated_at=wire.instant(row.date_modified, "order.date_modified"),
        totals=OrderTotals(
            subtotal=money.pair(row.subtotal_inc_tax),
            total=money.pair(row.total_inc_tax),
            refunded=money.pair(paid_back),
            refundable=money.pair(refundable),
            discount=money.pair(row.discount_amount + row.coupon_discount),
            shipping=money.pair(row.shipping_cost_inc_tax),
            tax=money.pair(row.total_tax),
        ),
        email=row.billing_address.email or None,
        lines=nodes if wants_lines else NOT_LOADED,
        fulfillments=_fulfillments(row, nodes, shipments, home) if parts & OrderParts.FULFILLMENTS else NOT_LOADED,
        returns=[] if parts & OrderParts.RETURNS else NOT_LOADED,
        refunds=_refunds(refunds, nodes, money, home) if parts & OrderParts.REFUNDS else NOT_LOADED,
        shipping_address=(address(to) if to else None) if parts & OrderParts.ADDRESSES else NOT_LOADED,
        billing_address=address(row.billing_address) if parts & OrderParts.ADDRESSES else NOT_LOADED,
        status_url=None if parts & OrderParts.STATUS_URL else NOT_LOADED,
        owner=owner,
        customer_native_id=str(row.customer_id) if row.customer_id else None,
        # The status tells of some disputes; that there is none it cannot tell.
        disputed=True if row.status_id == DISPUTED else None,
        shipping_country=_country(to.country_iso2) if to else None,
        channel=row.order_source or None,
    )


def _refundable(row: wire.OrderRow, payment: PaymentStatus, paid_back: Decimal) -> Decimal:
    """Captured less paid back; nothing where how much was paid back is not known."""
    captured = payment in (PaymentStatus.PAID, PaymentStatus.PARTIALLY_REFUNDED, PaymentStatus.DISPUTED)
    if not captured or (payment is PaymentStatus.PARTIALLY_REFUNDED and paid_back == 0):
        return Decimal(0)
    return max(row.total_inc_tax - paid_back, Decimal(0))


def paid_back_of(row: wire.OrderRow, refunds: Sequence[wire.RefundRow] | None) -> Decimal:
    """From the refunds where they were read; the order's own figure, said to be always 0, is only ever believed when
    it is more."""
    told = row.refunded_amount
    if refunds is not None:
        return max(told, sum((refund_amount(one) for one in refunds), Decimal(0)))
    whole = row.status_id == REFUNDED or row.payment_status == "refunded"
    return row.total_inc_tax if whole and told == 0 else told


def _units_refunded(refunds: Iterable[wire.RefundRow]) -> Mapping[int, int]:
    back: dict[int, int] = {}
    for refund in refunds:
        if refund_status(refund) is not RefundStatus.FAILED:
            for item in refund.items:
                if item.item_type == "PRODUCT":
                    back[item.item_id] = back.get(item.item_id, 0) + (item.quantity or 0)
    return back


def _line(
    row: wire.LineRow, of: wire.OrderRow, home: Home, money: MoneyOf, back: Mapping[int, int], *, payable: bool
) -> OrderLine:
    sent = row.quantity if fulfillment_status(of) is FulfillmentStatus.FULFILLED else row.quantity_shipped
    refunded = max(row.quantity_refunded, back.get(row.id, 0))
    if row.is_refunded and refunded == 0:
        refunded = row.quantity
    left = max(row.quantity - refunded, 0)
    product = str(row.product_id) if row.product_id else None
    return OrderLine(
        id=make_id("OrderLine", home.store, str(of.id), str(row.id)),
        native_id=str(row.id),
        title=html.unescape(row.name),
        variant_title=", ".join(filter(None, (one.display_value for one in row.product_options))) or None,
        sku=row.sku or None,
        quantity=LineQuantity(
            ordered=row.quantity,
            current=row.quantity,  # a refund leaves the order's lines as they are
            returned=0,
            fulfilled=sent,
            delivered=None,
            returnable=min(left, sent),
            refundable=left if payable else 0,
        ),
        unit_price=money.pair(row.price_inc_tax),
        total=money.pair(line_total(row)),
        is_gift_card=row.type == "giftcertificate",
        requires_shipping={"physical": True, "digital": False, "giftcertificate": False}.get(row.type),
        product_ref=ProductRef(home.store, product, str(row.variant_id) if row.variant_id else None)
        if product
        else None,
        vendor=row.brand or None,
    )


def line_total(row: wire.LineRow) -> Decimal:
    """With tax, after its discounts: told by newer stores, else worked out."""
    if row.discounted_total_inc_tax is not None:
        return row.discounted_total_inc_tax
    return max(row.total_inc_tax - sum((one.amount for one in row.applied_discounts), Decimal(0)), Decimal(0))


def _fulfillments(
    row: wire.OrderRow, lines: Sequence[OrderLine], shipments: Sequence[wire.ShipmentRow] | None, home: Home
) -> list[Fulfillment] | None:
    """The shipments; when they arrived is not told. An order that is sent by its status alone, as pick-ups and
    downloads are, has one more for what no shipment holds."""
    if shipments is None:
        return None
    by_id = {line.native_id: line for line in lines}
    found = [_shipment(one, row, by_id, home) for one in shipments]
    if fulfillment_status(row) is FulfillmentStatus.FULFILLED:
        shipped = {line.native_id: 0 for line in lines}
        for parcel in found:
            for part in parcel.lines:
                shipped[part.line.native_id] += part.quantity
        rest = [
            FulfillmentLine(line=line, quantity=line.quantity.ordered - shipped[line.native_id])
            for line in lines
            if line.quantity.ordered > shipped[line.native_id]
        ]
        if rest:
            found.append(
                Fulfillment(
                    id=make_id("Fulfillment", home.store, str(row.id), "status"),
                    kind=_kind(row),
                    status=DeliveryStatus.SHIPPED,
                    lines=rest,
                    shipped_at=wire.instant(row.date_shipped, "order.date_shipped"),
                )
            )
    return found


def _kind(row: wire.OrderRow) -> FulfillmentKind:
    if row.order_is_digital:
        return FulfillmentKind.DIGITAL
    picked_up = row.consignments is not None and row.consignments.pickups and not row.consignments.shipping
    return FulfillmentKind.PICKUP if picked_up else FulfillmentKind.SHIPPING


def _shipment(row: wire.ShipmentRow, of: wire.OrderRow, lines: Mapping[str, OrderLine], home: Home) -> Fulfillment:
    return Fulfillment(
        id=make_id("Fulfillment", home.store, str(of.id), str(row.id)),
        kind=FulfillmentKind.SHIPPING,
        status=DeliveryStatus.SHIPPED,
        lines=[
            FulfillmentLine(line=lines[str(item.order_product_id)], quantity=item.quantity)
            for item in row.items
            if str(item.order_product_id) in lines
        ],
        carrier=row.shipping_provider_display_name or row.tracking_carrier or None,
        tracking_number=row.tracking_number or None,
        tracking_url=web_address(row.tracking_link) or web_address(row.generated_tracking_link),
        shipped_at=wire.instant(row.date_created, "shipment.date_created"),
    )


# ----------------------------------------------------------------------------------------------------------- refunds

#: Where a payment of these providers goes; any other is the way the order was paid.
_CREDIT: Mapping[str, RefundDestination] = {
    "storecredit": RefundDestination.STORE_CREDIT,
    "giftcertificate": RefundDestination.GIFT_CARD,
}


def refund_amount(row: wire.RefundRow) -> Decimal:
    """What was really paid back or booked: a declined payment was not."""
    if not any(payment.is_declined for payment in row.payments):
        return row.total_amount
    return sum((payment.amount for payment in row.payments if not payment.is_declined), Decimal(0))


def said_of_refund(row: wire.RefundRow) -> str:
    """The reason of the refund and those of its items: which of them a store keeps is unverified."""
    return "\n".join(filter(None, (row.reason, *(item.reason for item in row.items))))


_MARK = re.compile(r"\s*\(Aftersale action [^)]+\)")


def refund_reason(row: wire.RefundRow) -> str | None:
    """Without the action's mark."""
    told = row.reason or next((item.reason for item in row.items if item.reason), None) or ""
    return _MARK.sub("", told) or None


def refund_status(row: wire.RefundRow) -> RefundStatus:
    failed = bool(row.payments) and all(payment.is_declined for payment in row.payments)
    return RefundStatus.FAILED if failed else RefundStatus.COMPLETED


def money_moved(row: wire.RefundRow) -> MoneyMoved:
    """A payment that is `offline` is only booked, but for credit in the store, which the booking is (inferred)."""
    if refund_status(row) is RefundStatus.FAILED:
        return MoneyMoved.NO
    standing = [one for one in row.payments if not one.is_declined]
    moved = {one.provider_id in _CREDIT or not one.offline for one in standing}
    return {True: MoneyMoved.YES, False: MoneyMoved.NO}[moved.pop()] if len(moved) == 1 else MoneyMoved.UNKNOWN


def destination(row: wire.RefundRow) -> RefundDestination:
    found = {
        _CREDIT.get(one.provider_id)
        or (RefundDestination.MANUAL if one.offline else RefundDestination.ORIGINAL_PAYMENT)
        for one in row.payments
        if not one.is_declined or refund_status(row) is RefundStatus.FAILED
    }
    return found.pop() if len(found) == 1 else RefundDestination.UNKNOWN


def _refunds(
    refunds: Sequence[wire.RefundRow] | None, lines: Sequence[OrderLine], money: MoneyOf, home: Home
) -> list[Refund] | None:
    if refunds is None:
        return None
    by_id = {line.native_id: line for line in lines}
    return [_refund(one, by_id, money, home) for one in refunds]


def _refund(row: wire.RefundRow, lines: Mapping[str, OrderLine], money: MoneyOf, home: Home) -> Refund:
    return Refund(
        id=make_id("Refund", home.store, str(row.order_id), str(row.id)),
        status=refund_status(row),
        amount=money.pair(refund_amount(row)),
        destination=destination(row),
        money_moved=money_moved(row),
        created_at=wire.known_instant(row.created, "refund.created"),
        lines=[
            RefundLine(
                line=lines[str(item.item_id)],
                quantity=item.quantity or 0,
                amount=Money.of(_item_amount(item, row, lines[str(item.item_id)]), money.currency),
                restocked=False,
            )
            for item in row.items
            if item.item_type == "PRODUCT" and str(item.item_id) in lines
        ],
        reason=refund_reason(row),
    )


def _item_amount(item: wire.RefundItem, of: wire.RefundRow, line: OrderLine) -> Decimal:
    """A refund tells units of its lines and an amount only as a whole: one line has it all, several have their share
    of what each line cost."""
    if item.requested_amount is not None:
        return item.requested_amount
    if len(of.items) == 1:
        return of.total_amount
    total, ordered = line.total.presentment.amount, line.quantity.ordered
    if not ordered or item.quantity == ordered:
        return total
    return (total * (item.quantity or 0) / ordered).quantize(Decimal(1).scaleb(min(int(total.as_tuple().exponent), 0)))


# --------------------------------------------------------------------------------------------------------- customers


def _country(code: str | None) -> CountryCode | None:
    return CountryCode(code) if code and re.fullmatch(r"[A-Z]{2}", code, re.ASCII) else None


def address(row: wire.PostalAddress) -> Address | None:
    return _address(
        (row.first_name, row.last_name),
        (row.company, row.street_1, row.street_2, row.city, row.state, row.zip, row.phone),
        row.country_iso2,
    )


def _address(names: Iterable[str | None], rest: Sequence[str | None], country: str | None) -> Address | None:
    """`rest`: company, two lines, city, region in words, postal code, phone. None where nothing is told."""
    name = " ".join(filter(None, names))
    if not name and not any(rest) and not country:
        return None
    company, line1, line2, city, region, postal_code, phone = (one or None for one in rest)
    return Address(
        name=name or None,
        company=company,
        line1=line1,
        line2=line2,
        city=city,
        region=region,
        postal_code=postal_code,
        country_code=_country(country),
        phone=phone,
    )


def profile(row: wire.CustomerRow, home: Home) -> CustomerProfile:
    found = (
        _address(
            (one.first_name, one.last_name),
            (one.company, one.address1, one.address2, one.city, one.state_or_province, one.postal_code, one.phone),
            one.country_code,
        )
        for one in row.addresses
    )
    return CustomerProfile(
        id=make_id("CustomerProfile", home.store, str(row.id)),
        source=home.source(
            str(row.id),
            admin=f"{home.admin}/manage/customers/{row.id}/edit",
            raw={"customer_group_id": row.customer_group_id},
        ),
        addresses=[one for one in found if one is not None],
        display_name=" ".join(filter(None, (row.first_name, row.last_name))) or None,
        email=row.email or None,
        phone=row.phone or None,
        created_at=wire.instant(row.date_created, "customer.date_created"),
        first_name=row.first_name or None,
        last_name=row.last_name or None,
        owner=email_or_none(row.email),
    )


# ---------------------------------------------------------------------------------------------------------- products


def product(row: wire.ProductRow, home: Home, currency: str | None, shop_url: str | None) -> Product:
    """`currency`: None where the store would not say. `shop_url`: the storefront's address, None where not known."""
    variants = [_variant(one, row, home, currency) for one in row.variants]
    prices = [variant.price for variant in variants if variant.price is not None]
    path = row.custom_url.url if row.custom_url and row.custom_url.url else None
    return Product(
        id=make_id("Product", home.store, str(row.id)),
        source=home.source(
            str(row.id),
            admin=f"{home.admin}/manage/products/{row.id}/edit",
            raw={"type": row.type, "availability": row.availability, "is_visible": row.is_visible},
        ),
        title=html.unescape(row.name),
        status=ProductStatus.ACTIVE if row.is_visible else ProductStatus.DRAFT,
        images=[
            Image(url=url, alt=one.description or None)
            for one in sorted(row.images, key=lambda image: (not image.is_thumbnail, image.sort_order))
            if (url := web_address(one.url_standard))
        ],
        handle=path.strip("/") or None if path else None,
        description=plain_text(row.description or "") or None,
        url=_page(shop_url, path) if row.is_visible else None,
        price_min=min(prices, key=lambda price: price.amount, default=None),
        price_max=max(prices, key=lambda price: price.amount, default=None),
        all_variants=variants,
    )


def _page(shop_url: str | None, path: str | None) -> Url | None:
    return web_address(f"{shop_url.rstrip('/')}{path}") if shop_url and path and path.startswith("/") else None


def _variant(row: wire.VariantRow, of: wire.ProductRow, home: Home, currency: str | None) -> Variant:
    base = of.price if row.price is None else row.price
    price = base if row.calculated_price is None else row.calculated_price
    shown = currency is not None and not of.is_price_hidden
    options = [
        OptionValue(name=html.unescape(one.option_display_name), value=html.unescape(one.label))
        for one in row.option_values
    ]
    stock = {"product": of.inventory_level, "variant": row.inventory_level}.get(of.inventory_tracking)
    on_sale = of.availability != "disabled" and not row.purchasing_disabled
    image = web_address(row.image_url)
    return Variant(
        id=make_id("Variant", home.store, str(of.id), str(row.id)),
        title=", ".join(option.value for option in options) or html.unescape(of.name),
        options=options,
        sku=row.sku or (None if options else of.sku) or None,  # without options it is the product itself
        price=Money.of(price, currency) if shown and currency else None,
        compare_at_price=Money.of(base, currency) if shown and currency and base > price else None,
        available=on_sale and (stock is None or stock > 0),
        inventory_quantity=stock,
        image=Image(url=image) if image else None,
    )


def plain_text(markup: str) -> str:
    """A description without its markup; a paragraph or break is a new line."""
    text = re.sub(r"<(script|style)\b.*?</\1\s*>", "", markup, flags=re.IGNORECASE | re.DOTALL)
    text = re.sub(r"</(p|div|li|h[1-6])\s*>|<br\s*/?>", "\n", text, flags=re.IGNORECASE)
    text = html.unescape(re.sub(r"<[^>]*>", "", text))
    return "\n".join(filter(None, (" ".join(line.split()) for line in text.splitlines())))
