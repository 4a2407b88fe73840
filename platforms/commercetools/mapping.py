"""commercetools' words on the left, the contract's on the right."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from platforms.commercetools import wire
from platforms.errors import Unreadable
from schema.customer import CustomerProfile
from schema.emails import Email, email_or_none
from schema.ids import make_id
from schema.order import Fulfillment, FulfillmentLine, LineQuantity, Order, OrderLine, OrderTotals, ProductRef
from schema.parts import NOT_LOADED, OrderParts
from schema.product import OptionValue, Product, Variant
from schema.provenance import Source
from schema.returns import Refund, Return, ReturnLine
from schema.scalars import CountryCode, web_address
from schema.subscription import OrderRef, ProfileRef, Subscription, SubscriptionLine
from schema.values import Address, Image, Interval, Money, MoneyPair
from schema.vocabulary import (
    DeliveryStatus,
    FulfillmentKind,
    FulfillmentStatus,
    IntervalUnit,
    ItemCondition,
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
    SubscriptionStatus,
)


@dataclass(frozen=True, slots=True)
class Home:
    """The store a row was read in."""

    store: str
    time_zone: str
    source: Callable[..., Source]
    #: Which of a text's languages is shown first, such as ("de-DE", "de").
    languages: tuple[str, ...]
    #: Where the Merchant Center shows the project; None where that is not known.
    admin: str | None
    now: Callable[[], datetime]

    def page(self, kind: str, native: str) -> str | None:
        return f"{self.admin}/{kind}/{native}" if self.admin else None


class Owner(NamedTuple):
    """The present address and groups of a customer record."""

    email: Email | None
    segments: list[str] | None


def said(texts: Mapping[str, str] | None, languages: Sequence[str]) -> str | None:
    """A text in the first of these languages it has; else English, else any, always the same one."""
    if not texts:
        return None
    for language in (*languages, "en"):
        for name in (language, language.partition("-")[0]):
            if name in texts:
                return texts[name]
    return texts[min(texts)]


def _word(ref: wire.Ref[wire.Named] | None, languages: Sequence[str]) -> str | None:
    """The name of a state, type or group; None where it was not brought along."""
    if ref is None or ref.obj is None:
        return None
    name = ref.obj.name
    return (said(name, languages) if isinstance(name, Mapping) else name) or ref.obj.key


def money(row: wire.MoneyRow, field: str) -> Money:
    return Money.of(wire.amount(row, field), row.currency_code)


def _gross(price: wire.MoneyRow, taxed: wire.Taxed | None, field: str) -> Decimal:
    """What the shopper pays: with tax where the order has been taxed."""
    return wire.amount(taxed.total_gross, f"{field}.totalGross") if taxed else wire.amount(price, field)


# ------------------------------------------------------------------------------------------------------------ orders

# OrderState: https://docs.commercetools.com/api/projects/orders#orderstate
ORDER_STATUS: Mapping[str, OrderStatus] = {
    "Open": OrderStatus.OPEN,  # PENDING while its payment is: see `order_status`
    "Confirmed": OrderStatus.OPEN,
    "Complete": OrderStatus.COMPLETED,
    "Cancelled": OrderStatus.CANCELLED,
}
UNPAID = frozenset({"Pending", "BalanceDue"})

#: The words to ask for when orders of one status are wanted. What is left out here no order ever has.
STATUS_WORDS: Mapping[OrderStatus, tuple[str, ...]] = {
    OrderStatus.PENDING: ("Open",),
    OrderStatus.OPEN: ("Open", "Confirmed"),
    OrderStatus.COMPLETED: ("Complete",),
    OrderStatus.CANCELLED: ("Cancelled",),
}


def order_status(row: wire.OrderRow) -> OrderStatus:
    """A merchant's own workflow state has a word of the merchant's, which `native_status` keeps."""
    if row.order_state == "Open" and row.payment_state in UNPAID:
        return OrderStatus.PENDING
    return ORDER_STATUS.get(row.order_state, OrderStatus.UNKNOWN)


def native_status(row: wire.OrderRow) -> str:
    key = row.state.obj.key if row.state and row.state.obj else None
    return f"{row.order_state}, {key}" if key else row.order_state


# PaymentState: https://docs.commercetools.com/api/projects/orders#paymentstate
PAYMENT_STATUS: Mapping[str, PaymentStatus] = {
    "Pending": PaymentStatus.PENDING,
    "BalanceDue": PaymentStatus.PENDING,  # PARTIALLY_PAID where something was charged: see `payment_status`
    "Failed": PaymentStatus.FAILED,
    "Paid": PaymentStatus.PAID,
    # "CreditOwed" names no status of ours: the transactions decide, else it is unknown
}


@dataclass(frozen=True, slots=True)
class Ledger:
    """What the payments of an order say, in its currency."""

    #: False where a payment could not be read, or is in another currency: then nothing counts as refundable.
    known: bool
    authorized: Decimal = Decimal(0)
    voided: Decimal = Decimal(0)
    charged: Decimal = Decimal(0)
    refunded: Decimal = Decimal(0)
    #: Refunds that are asked for and may still come about.
    refunding: Decimal = Decimal(0)
    charged_back: Decimal = Decimal(0)

    @property
    def refundable(self) -> Decimal:
        if not self.known:
            return Decimal(0)
        return max(self.charged - self.refunded - self.refunding - self.charged_back, Decimal(0))


def ledger(row: wire.OrderRow) -> Ledger:
    transactions = _transactions(row)
    return booked(None if transactions is None else [one for _, one in transactions], row.total_price.currency_code)


def booked(transactions: Sequence[wire.TransactionRow] | None, currency: str) -> Ledger:
    """What transactions come to; not known where one is in another currency."""
    if transactions is None or any(one.amount.currency_code != currency for one in transactions):
        return Ledger(known=False)

    def total(kind: str, states: Iterable[str] = ("Success",)) -> Decimal:
        found = (
            wire.amount(one.amount, "payment.transactions[].amount")
            for one in transactions
            if one.type == kind and one.state in states
        )
        return sum(found, Decimal(0))

    return Ledger(
        known=True,
        authorized=total("Authorization"),
        voided=total("CancelAuthorization"),
        charged=total("Charge"),
        refunded=total("Refund"),
        refunding=total("Refund", ("Initial", "Pending")),
        charged_back=total("Chargeback", ("Initial", "Pending", "Success")),
    )


def _transactions(row: wire.OrderRow) -> list[tuple[wire.PaymentRow, wire.TransactionRow]] | None:
    """None where a payment was not brought along."""
    found = []
    for ref in row.payment_info.payments if row.payment_info else ():
        if ref.obj is None:
            return None
        found += [(ref.obj, one) for one in ref.obj.transactions]
    return found


def payment_status(row: wire.OrderRow, paid: Ledger) -> PaymentStatus:
    """What was paid back is told by transactions only; how far it was paid by the order's own state first."""
    if paid.charged_back > 0:
        return PaymentStatus.DISPUTED
    if paid.refunded > 0:
        return PaymentStatus.REFUNDED if paid.refunded >= paid.charged else PaymentStatus.PARTIALLY_REFUNDED
    due = _gross(row.total_price, row.taxed_price, "order.totalPrice")
    held = paid.authorized - paid.voided
    said_so = PAYMENT_STATUS.get(row.payment_state or "")
    if said_so in (PaymentStatus.PAID, PaymentStatus.FAILED):
        return said_so
    if paid.charged > 0:
        return PaymentStatus.PAID if paid.charged >= due else PaymentStatus.PARTIALLY_PAID
    if held > 0:
        return PaymentStatus.AUTHORIZED
    if paid.voided > 0:
        return PaymentStatus.VOIDED
    return said_so or PaymentStatus.UNKNOWN


# ShipmentState: https://docs.commercetools.com/api/projects/orders#shipmentstate
FULFILLMENT_STATUS: Mapping[str, FulfillmentStatus] = {
    "Pending": FulfillmentStatus.UNFULFILLED,
    "Ready": FulfillmentStatus.UNFULFILLED,
    "Delayed": FulfillmentStatus.IN_PROGRESS,
    "Backorder": FulfillmentStatus.IN_PROGRESS,
    "Partial": FulfillmentStatus.PARTIALLY_FULFILLED,
    "Shipped": FulfillmentStatus.FULFILLED,
    "Delivered": FulfillmentStatus.FULFILLED,
    # "Canceled" says nothing of what had left before; and many projects set none
}
#: Of the parcels, while the order's shipment stands so.
DELIVERY_STATUS: Mapping[str, DeliveryStatus] = {
    "Pending": DeliveryStatus.PENDING,
    "Ready": DeliveryStatus.PENDING,
    "Backorder": DeliveryStatus.PENDING,
    "Delayed": DeliveryStatus.DELAYED,
    "Partial": DeliveryStatus.SHIPPED,
    "Shipped": DeliveryStatus.SHIPPED,
    "Delivered": DeliveryStatus.DELIVERED,
    "Canceled": DeliveryStatus.CANCELLED,
}
_NOT_GONE = frozenset({"Pending", "Ready", "Backorder"})
_ALL_GONE = frozenset({"Shipped", "Delivered"})


def fulfillment_status(row: wire.OrderRow) -> FulfillmentStatus:
    return FULFILLMENT_STATUS.get(row.shipment_state or "", FulfillmentStatus.UNKNOWN)


def placed_at(row: wire.OrderRow) -> datetime:
    return wire.instant(row.created_at, "order.createdAt")


def number(row: wire.OrderRow) -> str:
    """A project need not number its orders: then it is the id."""
    return (row.order_number or row.id).removeprefix("#")


def order(row: wire.OrderRow, parts: OrderParts, home: Home, owner: Owner) -> Order:
    paid = ledger(row)
    currency = row.total_price.currency_code
    gross = _gross(row.total_price, row.taxed_price, "order.totalPrice")

    def pair(amount: Decimal) -> MoneyPair:
        return MoneyPair.same(amount, currency)

    lines = _lines(row, home, paid)
    wants_lines = parts & (OrderParts.LINES | OrderParts.FULFILLMENTS | OrderParts.RETURNS)
    country = row.shipping_address.country if row.shipping_address else None
    made = Order(
        id=make_id("Order", home.store, row.id),
        source=home.source(
            row.id,
            admin=home.page("orders", row.id),
            raw={
                "version": row.version,
                "orderState": row.order_state,
                "paymentState": row.payment_state,
                "shipmentState": row.shipment_state,
                "origin": row.origin,
                "customerEmail": row.customer_email,
            },
        ),
        number=number(row),
        status=order_status(row),
        payment_status=payment_status(row, paid),
        fulfillment_status=fulfillment_status(row),
        return_status=return_status(row),
        native_status=native_status(row),
        placed_at=placed_at(row),
        updated_at=wire.instant_or_none(row.last_modified_at, "order.lastModifiedAt"),
        totals=OrderTotals(
            subtotal=pair(sum((line.total.shop.amount for line in lines), Decimal(0))),
            total=pair(gross),
            refunded=pair(paid.refunded),
            refundable=pair(paid.refundable),
            discount=_discount(row),
            shipping=_shipping(row),
            tax=pair(gross - wire.amount(row.taxed_price.total_net, "order.taxedPrice.totalNet"))
            if row.taxed_price
            else None,
        ),
        email=row.customer_email or None,
        lines=lines if wants_lines else NOT_LOADED,
        fulfillments=_fulfillments(row, lines, home) if parts & OrderParts.FULFILLMENTS else NOT_LOADED,
        refunds=_refunds(row, home) if parts & OrderParts.REFUNDS else NOT_LOADED,
        shipping_address=_address_or_none(row.shipping_address) if parts & OrderParts.ADDRESSES else NOT_LOADED,
        billing_address=_address_or_none(row.billing_address) if parts & OrderParts.ADDRESSES else NOT_LOADED,
        status_url=None if parts & OrderParts.STATUS_URL else NOT_LOADED,  # a storefront of the merchant's own has one
        owner=owner.email,
        customer_native_id=row.customer_id,
        disputed=paid.charged_back > 0 if paid.known else None,
        shipping_country=country,
        channel=row.store.key if row.store else None,
        customer_segments=owner.segments,
    )
    if parts & OrderParts.RETURNS:
        made.returns = _returns(row, made, home)
    return made


def _discount(row: wire.OrderRow) -> MoneyPair | None:
    """Off the whole order; what is off a line is in its total."""
    if row.discount_on_total_price is None:
        return None
    found = row.discount_on_total_price.discounted_amount
    return MoneyPair.same(wire.amount(found, "order.discountOnTotalPrice.discountedAmount"), found.currency_code)


def _shipping(row: wire.OrderRow) -> MoneyPair | None:
    field = "order.shippingInfo.price"
    if row.taxed_shipping_price is not None:
        found = row.taxed_shipping_price.total_gross
        return MoneyPair.same(wire.amount(found, "order.taxedShippingPrice.totalGross"), found.currency_code)
    ways = _ways(row)
    if not ways:
        return None
    total = sum(
        (
            _gross(way.discounted_price.value if way.discounted_price else way.price, way.taxed_price, field)
            for way in ways
        ),
        Decimal(0),
    )
    return MoneyPair.same(total, ways[0].price.currency_code)


def _ways(row: wire.OrderRow) -> list[wire.ShippingRow]:
    """The ways an order is shipped: one, or several where its `shippingMode` is Multiple."""
    return [*([row.shipping_info] if row.shipping_info else []), *(one.shipping_info for one in row.shipping)]


# ------------------------------------------------------------------------------------------------------------- lines


def _lines(row: wire.OrderRow, home: Home, paid: Ledger) -> list[OrderLine]:
    sent = _units_sent(row)
    back: dict[str, int] = {}
    for item in _items_back(row):
        back[_line_of(item)] = back.get(_line_of(item), 0) + item.quantity

    def quantity(line: wire.LineRow | wire.CustomLineRow) -> LineQuantity:
        ordered, returned = line.quantity, back.get(line.id, 0)
        fulfilled = None if sent is None else min(sent.get(line.id, 0), ordered)
        refundable = None if paid.refunded + paid.refunding > 0 else ordered if paid.refundable > 0 else 0
        return LineQuantity(
            ordered=ordered,
            current=ordered,  # an order's lines never change
            returned=returned,
            fulfilled=fulfilled,
            delivered=fulfilled if row.shipment_state == "Delivered" else None,
            returnable=None if fulfilled is None else max(fulfilled - returned, 0),
            refundable=refundable if paid.known else None,  # refunds name no lines
        )

    found = [
        OrderLine(
            id=make_id("OrderLine", home.store, row.id, line.id),
            native_id=line.id,
            title=_title(line, row, home),
            sku=line.variant.sku,
            quantity=quantity(line),
            unit_price=_pair(line.price.value, "order.lineItems[].price.value"),
            total=_line_total(line, "order.lineItems[].totalPrice"),
            is_gift_card=False,
            product_ref=ProductRef(home.store, line.product_id, str(line.variant.id)),
            product_type=_word(line.product_type, home.languages),
        )
        for line in row.line_items
    ]
    found += [
        OrderLine(
            id=make_id("OrderLine", home.store, row.id, line.id),
            native_id=line.id,
            title=_title(line, row, home),
            quantity=quantity(line),
            unit_price=_pair(line.money, "order.customLineItems[].money"),
            total=_line_total(line, "order.customLineItems[].totalPrice"),
            is_gift_card=False,
            requires_shipping=False,
        )
        for line in row.custom_line_items
    ]
    return found


def _title(line: wire.LineRow | wire.CustomLineRow, row: wire.OrderRow, home: Home) -> str:
    """In the store's language where one is configured, else in the one it was bought in."""
    return said(line.name, (*home.languages, *([row.locale] if row.locale else []))) or line.id


def _pair(row: wire.MoneyRow, field: str) -> MoneyPair:
    return MoneyPair.same(wire.amount(row, field), row.currency_code)


def _line_total(line: wire.LineRow | wire.CustomLineRow, field: str) -> MoneyPair:
    return MoneyPair.same(_gross(line.total_price, line.taxed_price, field), line.total_price.currency_code)


def _every_line(row: wire.OrderRow) -> list[wire.LineRow | wire.CustomLineRow]:
    return [*row.line_items, *row.custom_line_items]


def _units_sent(row: wire.OrderRow) -> Mapping[str, int] | None:
    """Units that have left by line; None where the order does not say."""
    all_units = {line.id: line.quantity for line in _every_line(row)}
    if row.shipment_state in _ALL_GONE:
        return all_units
    if row.shipment_state in _NOT_GONE:
        return {}
    deliveries = [delivery for way in _ways(row) for delivery in way.deliveries]
    if row.shipment_state == "Canceled" or not deliveries:
        return None
    sent: dict[str, int] = {}
    for item in (item for delivery in deliveries for item in delivery.items):
        sent[item.id] = sent.get(item.id, 0) + item.quantity
    return sent


def _fulfillments(row: wire.OrderRow, lines: Sequence[OrderLine], home: Home) -> list[Fulfillment] | None:
    """Parcels where they have contents of their own, else deliveries. When one arrived is never said. An order whose
    state says that goods left, without any delivery, counts as sent once; one that says nothing at all is None."""
    by_id = {line.native_id: line for line in lines}
    status = DELIVERY_STATUS.get(row.shipment_state or "", DeliveryStatus.SHIPPED)
    gone = row.shipment_state not in _NOT_GONE

    def one(
        native: str, created_at: str, items: Sequence[wire.Units], tracking: wire.Tracking | None, way: wire.ShippingRow
    ) -> Fulfillment:
        estimate = way.estimated_delivery.until if way.estimated_delivery else None
        return Fulfillment(
            id=make_id("Fulfillment", home.store, row.id, native),
            kind=FulfillmentKind.SHIPPING,
            status=status,
            lines=[FulfillmentLine(line=by_id[item.id], quantity=item.quantity) for item in items if item.id in by_id],
            carrier=tracking.carrier if tracking else None,
            tracking_number=tracking.tracking_id if tracking else None,
            shipped_at=wire.instant(created_at, "delivery.createdAt") if gone else None,
            estimated_delivery_at=wire.instant_or_none(estimate, "shippingInfo.estimatedDelivery.until"),
        )

    found = []
    for way in _ways(row):
        for delivery in way.deliveries:
            parcels = [one for one in delivery.parcels if not (one.tracking_data and one.tracking_data.is_return)]
            if len(parcels) > 1 and all(parcel.items for parcel in parcels):
                found += [one(p.id, p.created_at, p.items, p.tracking_data, way) for p in parcels]
            else:
                first = parcels[0] if parcels else None
                items = first.items if first and len(parcels) == 1 and first.items else delivery.items
                tracking = first.tracking_data if first else None
                found.append(one(delivery.id, delivery.created_at, items, tracking, way))
    if found or row.shipment_state in _NOT_GONE:
        return found
    if row.shipment_state not in _ALL_GONE:
        return None
    whole = [FulfillmentLine(line=line, quantity=line.quantity.ordered) for line in lines]
    return [
        Fulfillment(
            id=make_id("Fulfillment", home.store, row.id, "shipped"),
            kind=FulfillmentKind.SHIPPING,
            status=status,
            lines=whole,
        )
    ]


# ----------------------------------------------------------------------------------------------- returns and refunds

# ReturnShipmentState: https://docs.commercetools.com/api/projects/orders#returnshipmentstate
RETURN_STATUS: Mapping[str, ReturnStatus] = {
    "Advised": ReturnStatus.APPROVED,  # who may write it has agreed to it
    "Returned": ReturnStatus.RECEIVED,
    "BackInStock": ReturnStatus.CLOSED,
    "Unusable": ReturnStatus.CLOSED,
}
_ARRIVED = frozenset({"Returned", "BackInStock", "Unusable"})
#: ReturnPaymentState: the money side is settled.
_SETTLED = frozenset({"Refunded", "NotRefunded"})
#: From the one that has come least far.
_ORDER_OF_RETURN = (ReturnStatus.UNKNOWN, ReturnStatus.APPROVED, ReturnStatus.RECEIVED, ReturnStatus.CLOSED)


def _items_back(row: wire.OrderRow) -> list[wire.ReturnedUnits]:
    return [item for back in row.return_info for item in back.items]


def _line_of(item: wire.ReturnedUnits) -> str:
    return item.line_item_id or item.custom_line_item_id or ""


def return_status(row: wire.OrderRow) -> OrderReturnStatus:
    items = _items_back(row)
    if not items:
        return OrderReturnStatus.NONE
    if any(item.shipment_state not in RETURN_STATUS for item in items):
        return OrderReturnStatus.UNKNOWN
    arrived = sum(item.quantity for item in items if item.shipment_state in _ARRIVED)
    ordered = sum(line.quantity for line in _every_line(row))
    if arrived >= ordered:
        return OrderReturnStatus.RETURNED
    return OrderReturnStatus.PARTIALLY_RETURNED if arrived else OrderReturnStatus.IN_PROGRESS


def return_id(row: wire.ReturnRow) -> str | None:
    """A return has no id of its own; its first item has. None for an empty one."""
    return row.items[0].id if row.items else None


def _state_of(item: wire.ReturnedUnits) -> ReturnStatus:
    if item.shipment_state in _ARRIVED and item.payment_state in _SETTLED:
        return ReturnStatus.CLOSED
    return RETURN_STATUS.get(item.shipment_state, ReturnStatus.UNKNOWN)


def _returns(row: wire.OrderRow, order: Order, home: Home) -> list[Return]:
    by_id = {line.native_id: line for line in order.lines}
    found = []
    for back in row.return_info:
        native = return_id(back)
        if native is None:
            continue
        status = min((_state_of(item) for item in back.items), key=_ORDER_OF_RETURN.index)
        remarks = [remark(item.comment) for item in back.items]
        dates = [wire.instant(item.last_modified_at, "returnItem.lastModifiedAt") for item in back.items]
        found.append(
            Return(
                id=make_id("Return", home.store, row.id, native),
                source=home.source(
                    native,
                    admin=home.page("orders", row.id),
                    raw={
                        "returnTrackingId": back.return_tracking_id,
                        "paymentStates": [item.payment_state for item in back.items],
                    },
                ),
                status=status,
                native_status=", ".join(dict.fromkeys(item.shipment_state for item in back.items)),
                held_by=RecordHolder.PLATFORM,
                order=order,
                lines=[
                    ReturnLine(
                        line=by_id[_line_of(item)],
                        quantity=item.quantity,
                        reason=one.reason,
                        condition=one.condition,
                        note=one.note,
                    )
                    for item, one in zip(back.items, remarks, strict=True)
                    if _line_of(item) in by_id
                ],
                resolution=_resolution(back.items, remarks),
                requested_at=min(wire.instant(item.created_at, "returnItem.createdAt") for item in back.items),
                closed_at=max(dates) if status is ReturnStatus.CLOSED else None,
                number=back.return_tracking_id,
            )
        )
    return found


def _resolution(items: Sequence[wire.ReturnedUnits], remarks: Sequence[Remark]) -> ReturnResolution:
    if all(item.payment_state == "Refunded" for item in items):
        return ReturnResolution.REFUND
    agreed = {one.resolution for one in remarks}
    return agreed.pop() if len(agreed) == 1 else ReturnResolution.UNKNOWN


class Remark(NamedTuple):
    """What the comment of a returned line says; one that is not ours is a note."""

    reason: ReturnReason = ReturnReason.UNKNOWN
    resolution: ReturnResolution = ReturnResolution.UNKNOWN
    condition: ItemCondition | None = None
    note: str | None = None


_REMARK = re.compile(
    r"Reason (?P<reason>[A-Z_]+)(, condition (?P<condition>[A-Z_]+))?; resolution (?P<resolution>[A-Z_]+)"
    r"(; [^.]*)?\.( (?P<note>.+))?",
    re.ASCII | re.DOTALL,
)


def remark(comment: str | None) -> Remark:
    """The comment that `written_remark` wrote, read again."""
    found = _REMARK.fullmatch(comment) if comment else None
    if (
        found is None
        or found["reason"] not in ReturnReason.__members__
        or found["resolution"] not in ReturnResolution.__members__
        or (found["condition"] or "UNKNOWN") not in ItemCondition.__members__
    ):
        return Remark(note=comment or None)
    condition = ItemCondition[found["condition"]] if found["condition"] else None
    return Remark(ReturnReason[found["reason"]], ReturnResolution[found["resolution"]], condition, found["note"])


def written_remark(
    reason: ReturnReason, condition: ItemCondition | None, resolution: str, kept_back: Sequence[str], note: str | None
) -> str:
    """For the merchant's staff, and for `remark`."""
    head = f"Reason {reason.value}" + (f", condition {condition.value}" if condition else "")
    costs = "".join(f"; {one.replace('.', ',')}" for one in kept_back)
    return f"{head}; resolution {resolution}{costs}." + (f" {note}" if note else "")


_REFUND_STATUS: Mapping[str, RefundStatus] = {
    "Initial": RefundStatus.PENDING,
    "Pending": RefundStatus.PENDING,
    "Success": RefundStatus.COMPLETED,
    "Failure": RefundStatus.FAILED,
}
#: `Initial`: written down here; whether the payment service has acted on it already is not told.
_MOVED: Mapping[str, MoneyMoved] = {
    "Initial": MoneyMoved.UNKNOWN,
    "Pending": MoneyMoved.UNKNOWN,
    "Success": MoneyMoved.YES,
    "Failure": MoneyMoved.NO,
}


def _refunds(row: wire.OrderRow, home: Home) -> list[Refund] | None:
    """None where a payment could not be read."""
    transactions = _transactions(row)
    if transactions is None:
        return None
    return [
        Refund(
            id=make_id("Refund", home.store, row.id, one.id),
            status=_REFUND_STATUS.get(one.state, RefundStatus.PENDING),
            amount=_pair(one.amount, "payment.transactions[].amount"),
            destination=RefundDestination.ORIGINAL_PAYMENT,
            money_moved=_MOVED.get(one.state, MoneyMoved.UNKNOWN),
            created_at=wire.instant(one.timestamp or payment.last_modified_at, "payment.transactions[].timestamp"),
        )
        for payment, one in transactions
        if one.type == "Refund"
    ]


# --------------------------------------------------------------------------------------------------------- customers


def _address_or_none(row: wire.PostalAddress | None) -> Address | None:
    return address(row) if row else None


def address(row: wire.PostalAddress) -> Address:
    region = row.region or row.state
    code = region is not None and re.fullmatch(r"([A-Z]{2}-)?[A-Z0-9]{1,3}", region, re.ASCII) is not None
    # Number behind the street, as most of the platform's home countries write it.
    street = " ".join(filter(None, (row.street_name, row.street_number)))
    return Address(
        name=" ".join(filter(None, (row.first_name, row.last_name))) or None,
        company=row.company or None,
        line1=street or None,
        line2=", ".join(filter(None, (row.additional_street_info, row.building, row.apartment))) or None,
        city=row.city or None,
        region=None if code else region or None,
        region_code=region if code else None,
        postal_code=row.postal_code or None,
        country_code=CountryCode(row.country) if re.fullmatch(r"[A-Z]{2}", row.country, re.ASCII) else None,
        phone=row.phone or row.mobile or None,
    )


def segments(row: wire.CustomerRow) -> list[str]:
    """The customer's groups, by key where they have one; one that was not brought along is left out."""
    groups = [*([row.customer_group] if row.customer_group else [])]
    groups += [one.customer_group for one in row.customer_group_assignments]
    words = [one.obj.key or one.obj.name for one in groups if one.obj]
    return list(dict.fromkeys(word for word in words if isinstance(word, str)))


def owner(row: wire.CustomerRow) -> Owner:
    return Owner(email_or_none(row.email), segments(row))


def profile(row: wire.CustomerRow, home: Home) -> CustomerProfile:
    first = sorted(row.addresses, key=lambda one: one.id != row.default_shipping_address_id)
    return CustomerProfile(
        id=make_id("CustomerProfile", home.store, row.id),
        source=home.source(row.id, admin=home.page("customers", row.id), raw={"customerNumber": row.customer_number}),
        segments=segments(row),
        addresses=[address(one) for one in first],
        display_name=" ".join(filter(None, (row.first_name, row.last_name))) or None,
        email=row.email,
        phone=next((phone for one in first if (phone := one.phone or one.mobile)), None),
        created_at=wire.instant(row.created_at, "customer.createdAt"),
        first_name=row.first_name or None,
        last_name=row.last_name or None,
        locale=row.locale,
        owner=email_or_none(row.email),
    )


# ---------------------------------------------------------------------------------------------------------- products


def product(row: wire.ProductRow, home: Home, currency: str | None) -> Product:
    """`currency`: the one whose prices are shown; None where it is not known."""
    rows = [row.master_variant, *row.variants]
    telling = _telling_traits(rows, home)
    title = said(row.name, home.languages) or row.id
    variants = [_variant(one, row, title, telling, home, currency) for one in rows]
    prices = [variant.price for variant in variants if variant.price is not None]
    return Product(
        id=make_id("Product", home.store, row.id),
        source=home.source(row.id, admin=home.page("products", row.id), raw={"key": row.key}),
        title=title,
        status={True: ProductStatus.ACTIVE, False: ProductStatus.DRAFT, None: ProductStatus.UNKNOWN}[row.published],
        images=[image for picture in row.master_variant.images if (image := _image(picture))],
        handle=said(row.slug, home.languages),
        description=said(row.description, home.languages),
        product_type=_word(row.product_type, home.languages),
        price_min=min(prices, key=lambda price: price.amount, default=None),
        price_max=max(prices, key=lambda price: price.amount, default=None),
        all_variants=variants,
    )


def _variant(
    row: wire.VariantRow, of: wire.ProductRow, title: str, telling: Sequence[str], home: Home, currency: str | None
) -> Variant:
    texts = {trait.name: trait_text(trait.value, home.languages) for trait in row.attributes}
    options = [OptionValue(name=name, value=value) for name in telling if (value := texts.get(name))]
    price = row.price or price_of(row.prices, currency, home.now())
    reduced = price.discounted.value if price and price.discounted else None
    stock = row.availability
    return Variant(
        id=make_id("Variant", home.store, of.id, str(row.id)),
        title=", ".join(option.value for option in options) or title,
        options=options,
        sku=row.sku,
        price=money(reduced or price.value, "variant.price.value") if price else None,
        compare_at_price=money(price.value, "variant.price.value") if price and reduced else None,
        available=stock.is_on_stock if stock else None,
        inventory_quantity=stock.available_quantity if stock else None,
        image=_image(row.images[0]) if row.images else None,
    )


def _telling_traits(rows: Sequence[wire.VariantRow], home: Home) -> list[str]:
    """The attributes by which a product's variants differ, in their order."""
    if len(rows) < 2:
        return []
    names = dict.fromkeys(trait.name for row in rows for trait in row.attributes)

    def values(name: str) -> set[str | None]:
        found = ({t.name: trait_text(t.value, home.languages) for t in row.attributes} for row in rows)
        return {one.get(name) for one in found}

    return [name for name in names if len(values(name)) > 1]


def trait_text(value: Any, languages: Sequence[str]) -> str | None:
    """An attribute's value in words: a text, a number, a localized text, or an enum's label; None for other kinds."""
    match value:
        case bool():
            return "true" if value else "false"
        case str() | int() | Decimal():
            return str(value)
        case {"label": label}:
            return trait_text(label, languages)
        case dict() if value and all(isinstance(one, str) for one in value.values()) and "typeId" not in value:
            return said(value, languages)
        case _:
            return None


def price_of(prices: Sequence[wire.PriceRow], currency: str | None, now: datetime) -> wire.PriceRow | None:
    """The price for anybody, in this currency and at this instant, where the platform did not choose one: no group's,
    channel's or subscription's own, and one without a country before those of single countries."""
    fit = [
        one
        for one in prices
        if one.value.currency_code == currency
        and one.customer_group is None
        and one.channel is None
        and one.recurrence_policy is None
        and (one.valid_from is None or wire.instant(one.valid_from, "price.validFrom") <= now)
        and (one.valid_until is None or wire.instant(one.valid_until, "price.validUntil") > now)
    ]
    return min(fit, key=lambda one: one.country or "", default=None)


def _image(row: wire.Picture) -> Image | None:
    url = web_address(row.url)
    return Image(url=url, alt=row.label or None) if url else None


# ----------------------------------------------------------------------------------------------------- subscriptions

# RecurringOrderState: https://docs.commercetools.com/api/projects/recurring-orders#recurringorderstate
SUBSCRIPTION_STATUS: Mapping[str, SubscriptionStatus] = {
    "Active": SubscriptionStatus.ACTIVE,  # PENDING before it starts: see `subscription_status`
    "Paused": SubscriptionStatus.PAUSED,
    "Failed": SubscriptionStatus.PAYMENT_FAILED,
    "Canceled": SubscriptionStatus.CANCELLED,
    "Expired": SubscriptionStatus.EXPIRED,
}
INTERVAL_UNIT: Mapping[str, IntervalUnit] = {
    "Days": IntervalUnit.DAY,
    "Weeks": IntervalUnit.WEEK,
    "Months": IntervalUnit.MONTH,
}


def subscription_status(row: wire.RecurringRow, now: datetime) -> SubscriptionStatus:
    """`Failed`: no more orders until its cause is gone; the platform does not say whether that is the payment."""
    if row.recurring_order_state == "Active" and wire.instant(row.starts_at, "recurringOrder.startsAt") > now:
        return SubscriptionStatus.PENDING
    return SUBSCRIPTION_STATUS.get(row.recurring_order_state, SubscriptionStatus.UNKNOWN)


def interval(row: wire.ScheduleRow) -> Interval:
    if row.type == "dayOfMonth":
        return Interval(unit=IntervalUnit.MONTH, count=1)
    unit = INTERVAL_UNIT.get(row.interval_unit or "")
    if row.type != "standard" or unit is None or row.value is None or row.value < 1:
        raise Unreadable("recurringOrder.schedule is none of the schedules that are known")
    return Interval(unit=unit, count=row.value)


def subscription_created_at(row: wire.RecurringRow) -> datetime:
    return wire.instant(row.created_at, "recurringOrder.createdAt")


def subscription(
    row: wire.RecurringRow, home: Home, renewals: Sequence[wire.RenewalRow] | None, *, with_cycles: bool
) -> Subscription:
    """`renewals`: the orders it has made, None where they could not be read."""
    cart = row.cart.obj
    if cart is None:
        raise Unreadable("recurringOrder.cart was not brought along; the credentials may lack a scope for carts")
    status = subscription_status(row, home.now())
    zone = ZoneInfo(home.time_zone)
    following = wire.instant_or_none(row.next_order_at, "recurringOrder.nextOrderAt")
    resumes = wire.instant_or_none(row.resumes_at, "recurringOrder.resumesAt")
    every = interval(row.schedule)
    running = status in (SubscriptionStatus.ACTIVE, SubscriptionStatus.PENDING)
    lines = [
        SubscriptionLine(
            title=said(line.name, home.languages) or line.id,
            quantity=line.quantity,
            price=money(line.price.value, "cart.lineItems[].price.value"),
            sku=line.variant.sku,
            product_ref=ProductRef(home.store, line.product_id, str(line.variant.id)),
        )
        for line in cart.line_items
    ]
    lines += [
        SubscriptionLine(
            title=said(line.name, home.languages) or line.id,
            quantity=line.quantity,
            price=money(line.money, "cart.customLineItems[].money"),
        )
        for line in cart.custom_line_items
    ]
    known = email_or_none(row.customer.obj.email) if row.customer and row.customer.obj else None
    return Subscription(
        id=make_id("SubscriptionContract", home.store, row.id),
        source=home.source(
            row.id,
            raw={
                "version": row.version,
                "recurringOrderState": row.recurring_order_state,
                "startsAt": row.starts_at,
                "resumesAt": row.resumes_at,
                "expiresAt": row.expires_at,
                "key": row.key,
            },
        ),
        status=status,
        native_status=row.recurring_order_state,
        lines=lines,
        billing_interval=every,
        delivery_interval=every,
        payment_failed=status is SubscriptionStatus.PAYMENT_FAILED,
        next_billing_at=following.astimezone(zone).date() if running and following else None,
        paused_until=resumes.astimezone(zone).date() if status is SubscriptionStatus.PAUSED and resumes else None,
        cycles_completed=cycles(row, renewals) if with_cycles else NOT_LOADED,
        created_at=subscription_created_at(row),
        owner=known if row.customer else email_or_none(row.customer_email),
        customer_ref=ProfileRef(home.store, row.customer.id) if row.customer else None,
        origin_order_ref=OrderRef(home.store, row.origin_order.id) if with_cycles else NOT_LOADED,
    )


def cycles(row: wire.RecurringRow, renewals: Sequence[wire.RenewalRow] | None) -> int | None:
    """The order it began with and those it made since; a cancelled one is none. Whether the first one also names the
    recurring order is unverified, so orders are counted by id."""
    if renewals is None:
        return None
    made = {one.id: one for one in renewals if one.recurring_order and one.recurring_order.id == row.id}
    origin = made.pop(row.origin_order.id, None)
    first = 0 if origin is not None and origin.order_state == "Cancelled" else 1
    return first + sum(1 for one in made.values() if one.order_state != "Cancelled")
