"""What Shopify's words mean in ours: statuses, parcels, quantities, returns, refunds, products, contracts."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime, tzinfo
from decimal import Decimal

from platforms.base import RefundedLine, RefundSum
from platforms.errors import Native, Refused, Unreadable
from platforms.instants import in_utc
from platforms.shopify import wire
from schema.customer import CustomerProfile
from schema.emails import Email, email_or_none
from schema.ids import make_id
from schema.order import (
    Fulfillment,
    FulfillmentEvent,
    FulfillmentLine,
    LineQuantity,
    Order,
    OrderLine,
    OrderTotals,
    ProductRef,
)
from schema.parts import NOT_LOADED, OrderParts, SubscriptionParts
from schema.product import OptionValue, Product, Variant
from schema.provenance import Source
from schema.returns import Refund, RefundLine, Return, ReturnLine
from schema.scalars import CountryCode, web_address
from schema.subscription import OrderRef, ProfileRef, Subscription, SubscriptionLine
from schema.values import Address, Fee, Image, Interval, Money, MoneyPair
from schema.vocabulary import (
    CancelReason,
    DeliveryStatus,
    FeeKind,
    FulfillmentKind,
    FulfillmentStatus,
    IntervalUnit,
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
    TimeBasis,
)

# https://shopify.dev/docs/api/admin-graphql/2026-10/enums/OrderDisplayFinancialStatus
PAYMENT_STATUS: Mapping[str, PaymentStatus] = {
    "AUTHORIZED": PaymentStatus.AUTHORIZED,
    "EXPIRED": PaymentStatus.EXPIRED,
    "PAID": PaymentStatus.PAID,
    "PARTIALLY_PAID": PaymentStatus.PARTIALLY_PAID,
    "PARTIALLY_REFUNDED": PaymentStatus.PARTIALLY_REFUNDED,
    "PENDING": PaymentStatus.PENDING,
    "REFUNDED": PaymentStatus.REFUNDED,
    "VOIDED": PaymentStatus.VOIDED,
}

# https://shopify.dev/docs/api/admin-graphql/2026-10/enums/OrderDisplayFulfillmentStatus
FULFILLMENT_STATUS: Mapping[str, FulfillmentStatus] = {
    "FULFILLED": FulfillmentStatus.FULFILLED,
    "FULFILLMENT_NOT_REQUIRED": FulfillmentStatus.NOT_REQUIRED,
    "IN_PROGRESS": FulfillmentStatus.IN_PROGRESS,
    "ON_HOLD": FulfillmentStatus.ON_HOLD,
    "OPEN": FulfillmentStatus.UNFULFILLED,
    "PARTIALLY_FULFILLED": FulfillmentStatus.PARTIALLY_FULFILLED,
    "PENDING_FULFILLMENT": FulfillmentStatus.IN_PROGRESS,
    "REQUEST_DECLINED": FulfillmentStatus.UNFULFILLED,
    "RESTOCKED": FulfillmentStatus.UNFULFILLED,
    "SCHEDULED": FulfillmentStatus.SCHEDULED,
    "UNFULFILLED": FulfillmentStatus.UNFULFILLED,
}

# https://shopify.dev/docs/api/admin-graphql/2026-10/enums/OrderReturnStatus
RETURN_PROGRESS: Mapping[str, OrderReturnStatus] = {
    "INSPECTION_COMPLETE": OrderReturnStatus.IN_PROGRESS,
    "IN_PROGRESS": OrderReturnStatus.IN_PROGRESS,
    "NO_RETURN": OrderReturnStatus.NONE,
    "RETURNED": OrderReturnStatus.PARTIALLY_RETURNED,  # "some items in the order were returned"
    "RETURN_FAILED": OrderReturnStatus.IN_PROGRESS,  # "some returns were not completed successfully"
    "RETURN_REQUESTED": OrderReturnStatus.REQUESTED,
}

# https://shopify.dev/docs/api/admin-graphql/2026-10/enums/FulfillmentDisplayStatus
DELIVERY_STATUS: Mapping[str, DeliveryStatus] = {
    "ATTEMPTED_DELIVERY": DeliveryStatus.DELIVERY_ATTEMPTED,
    "CANCELED": DeliveryStatus.CANCELLED,
    "CARRIER_PICKED_UP": DeliveryStatus.IN_TRANSIT,
    "CONFIRMED": DeliveryStatus.LABEL_CREATED,
    "DELAYED": DeliveryStatus.DELAYED,
    "DELIVERED": DeliveryStatus.DELIVERED,
    "FAILURE": DeliveryStatus.FAILED,
    "FULFILLED": DeliveryStatus.SHIPPED,
    "IN_TRANSIT": DeliveryStatus.IN_TRANSIT,
    "LABEL_PRINTED": DeliveryStatus.LABEL_CREATED,
    "LABEL_PURCHASED": DeliveryStatus.LABEL_CREATED,
    "LABEL_VOIDED": DeliveryStatus.PENDING,
    "MARKED_AS_FULFILLED": DeliveryStatus.SHIPPED,
    "NOT_DELIVERED": DeliveryStatus.FAILED,
    "OUT_FOR_DELIVERY": DeliveryStatus.OUT_FOR_DELIVERY,
    "PICKED_UP": DeliveryStatus.DELIVERED,  # by the customer
    "READY_FOR_PICKUP": DeliveryStatus.READY_FOR_PICKUP,
    "SUBMITTED": DeliveryStatus.PENDING,
}
_AT_THE_COUNTER = frozenset({"PICKED_UP", "READY_FOR_PICKUP"})

# https://shopify.dev/docs/api/admin-graphql/2026-10/enums/ReturnStatus
RETURN_STATUS: Mapping[str, ReturnStatus] = {
    "CANCELED": ReturnStatus.CANCELLED,
    "CLOSED": ReturnStatus.CLOSED,
    "DECLINED": ReturnStatus.DECLINED,
    "OPEN": ReturnStatus.APPROVED,
    "REQUESTED": ReturnStatus.REQUESTED,
}
_NO_GOODS = frozenset({ReturnStatus.DECLINED, ReturnStatus.CANCELLED})

# https://shopify.dev/docs/api/admin-graphql/2026-10/enums/OrderCancelReason
CANCEL_REASON: Mapping[str, CancelReason] = {
    "CUSTOMER": CancelReason.CUSTOMER,
    "DECLINED": CancelReason.DECLINED,
    "FRAUD": CancelReason.FRAUD,
    "INVENTORY": CancelReason.INVENTORY,
    "OTHER": CancelReason.OTHER,
    "STAFF": CancelReason.STAFF,
}

# https://shopify.dev/docs/api/admin-graphql/2026-10/objects/ReturnReasonDefinition: handles are stable, and each shop
# has its own choice of the library. "arrived-late" and "color-too-bright" are the vendor's examples; the others follow
# the names of the older enum (unverified). The first that the shop has is sent.
REASON_HANDLES: Mapping[ReturnReason, tuple[str, ...]] = {
    ReturnReason.SIZE_TOO_SMALL: ("size-too-small", "too-small", "too-tight"),
    ReturnReason.SIZE_TOO_LARGE: ("size-too-large", "too-large", "too-loose"),
    ReturnReason.COLOR: ("color", "color-too-bright"),
    ReturnReason.STYLE: ("style",),
    ReturnReason.DEFECTIVE: ("defective", "damaged-or-defective"),
    ReturnReason.DAMAGED_IN_TRANSIT: ("damaged-in-transit", "damaged", "damaged-or-defective", "defective"),
    ReturnReason.NOT_AS_DESCRIBED: ("not-as-described",),
    ReturnReason.WRONG_ITEM: ("wrong-item",),
    ReturnReason.ARRIVED_LATE: ("arrived-late",),
    ReturnReason.NOT_RECEIVED: ("not-received",),
    ReturnReason.UNWANTED: ("unwanted", "changed-mind"),
    ReturnReason.OTHER: ("other",),
    ReturnReason.UNKNOWN: ("unknown",),
}
#: Sent where the shop has none of a reason's own.
REASON_OTHERWISE = ("other", "unknown")

#: A handle that stands for several reasons is read as the first.
RETURN_REASON: Mapping[str, ReturnReason] = {
    handle: reason for reason, handles in reversed(list(REASON_HANDLES.items())) for handle in reversed(handles)
}

# https://shopify.dev/docs/api/admin-graphql/2026-10/enums/ProductStatus
PRODUCT_STATUS: Mapping[str, ProductStatus] = {
    "ACTIVE": ProductStatus.ACTIVE,
    "ARCHIVED": ProductStatus.ARCHIVED,
    "DRAFT": ProductStatus.DRAFT,
    "UNLISTED": ProductStatus.ACTIVE,  # sold, though found by its link only
}

# https://shopify.dev/docs/api/admin-graphql/2026-10/enums/SubscriptionContractSubscriptionStatus
SUBSCRIPTION_STATUS: Mapping[str, SubscriptionStatus] = {
    "ACTIVE": SubscriptionStatus.ACTIVE,
    "CANCELLED": SubscriptionStatus.CANCELLED,
    "EXPIRED": SubscriptionStatus.EXPIRED,
    "FAILED": SubscriptionStatus.PAYMENT_FAILED,
    "PAUSED": SubscriptionStatus.PAUSED,
}

# https://shopify.dev/docs/api/admin-graphql/2026-10/enums/SellingPlanInterval
UNIT: Mapping[str, IntervalUnit] = {
    "DAY": IntervalUnit.DAY,
    "WEEK": IntervalUnit.WEEK,
    "MONTH": IntervalUnit.MONTH,
    "YEAR": IntervalUnit.YEAR,
}

# https://shopify.dev/docs/api/admin-graphql/2026-10/enums/OrderTransactionStatus
_MONEY_ON_ITS_WAY = frozenset({"AWAITING_RESPONSE", "PENDING", "UNKNOWN"})
# https://shopify.dev/docs/api/admin-graphql/2026-10/enums/DisputeStatus: those that ended well for the merchant.
_DISPUTE_OVER = frozenset({"WON", "PREVENTED"})
# Names of Shopify's own gateways (unverified).
_GATEWAY: Mapping[str, RefundDestination] = {
    "gift_card": RefundDestination.GIFT_CARD,
    "shopify_store_credit": RefundDestination.STORE_CREDIT,
}

_MARK = re.compile(r"\s*\[Aftersale (?P<action>[^\]\s]+)\]\s*\Z")


def mark(action_id: str) -> str:
    """What we leave on the platform, so that our own doing can be known again."""
    return f"[Aftersale {action_id}]"


def marked(note: str | None, action_id: str, most: int) -> str:
    """A note with the mark, together at most `most` characters; the note is cut, never the mark."""
    end = mark(action_id)
    start = (note or "").strip()[: max(0, most - len(end) - 1)].rstrip()
    return f"{start} {end}" if start else end


def without_mark(note: str | None) -> str | None:
    return _MARK.sub("", note or "").strip() or None


def action_in(note: str | None) -> str | None:
    """The action that a note carries the mark of."""
    found = _MARK.search(note or "")
    return found["action"] if found else None


# -------------------------------------------------------------------------------------------------------------- money


def money(value: wire.Money) -> Money:
    return Money.of(value.amount, value.currency_code)


def pair(value: wire.MoneyBag) -> MoneyPair:
    return MoneyPair(presentment=money(value.presentment_money), shop=money(value.shop_money))


def pair_or_none(value: wire.MoneyBag | None) -> MoneyPair | None:
    return None if value is None else pair(value)


def address(value: wire.Address | None) -> Address | None:
    if value is None:
        return None
    return Address(
        name=value.name or None,
        company=value.company or None,
        line1=value.address1 or None,
        line2=value.address2 or None,
        city=value.city or None,
        region=value.province or None,
        region_code=value.province_code or None,
        postal_code=value.zip or None,
        country_code=CountryCode(value.country_code_v2) if value.country_code_v2 else None,
        phone=value.phone or None,
    )


# ------------------------------------------------------------------------------------------------------------- orders


def owner(row: wire.OrderRow) -> Email | None:
    """The linked customer's present address where there is a record, else the order's own."""
    if row.customer is None:
        return email_or_none(row.email)
    present = row.customer.default_email_address
    return email_or_none(present.email_address if present else None)


def order_status(row: wire.OrderRow) -> OrderStatus:
    """Shopify has no single status: cancelled and closed are instants, on hold is a word of the shipping."""
    if row.cancelled_at is not None:
        return OrderStatus.CANCELLED
    if row.closed_at is not None:
        return OrderStatus.COMPLETED
    return OrderStatus.ON_HOLD if row.display_fulfillment_status == "ON_HOLD" else OrderStatus.OPEN


def native_status(row: wire.OrderRow) -> str:
    """Their words in one line; open, closed and cancelled are those of the `status:` search filter."""
    whole = "cancelled" if row.cancelled_at else "closed" if row.closed_at else "open"
    return " ".join((whole, row.display_financial_status or "-", row.display_fulfillment_status, row.return_status))


def payment_status(row: wire.OrderRow) -> PaymentStatus:
    if disputed(row):
        return PaymentStatus.DISPUTED
    return PAYMENT_STATUS.get(row.display_financial_status or "", PaymentStatus.UNKNOWN)


def disputed(row: wire.OrderRow) -> bool:
    return any(dispute.initiated_as == "CHARGEBACK" and dispute.status not in _DISPUTE_OVER for dispute in row.disputes)


def order(row: wire.OrderRow, source: Source, parts: OrderParts, denied: OrderParts = OrderParts.NONE) -> Order:
    """An order with the parts that were read; a part in `denied` could not be, and is None."""
    store, native = source.store.key, row.legacy_resource_id
    total = pair(row.total_price_set)
    made = Order(
        id=make_id("Order", store, native),
        source=source,
        number=row.name.removeprefix("#"),
        status=order_status(row),
        payment_status=payment_status(row),
        fulfillment_status=FULFILLMENT_STATUS.get(row.display_fulfillment_status, FulfillmentStatus.UNKNOWN),
        return_status=RETURN_PROGRESS.get(row.return_status, OrderReturnStatus.UNKNOWN),
        native_status=native_status(row),
        placed_at=in_utc(row.processed_at, "processedAt"),
        totals=OrderTotals(
            subtotal=pair_or_none(row.subtotal_price_set) or total,
            total=total,
            refunded=pair(row.total_refunded_set),
            refundable=pair(row.net_payment_set),
            discount=pair_or_none(row.total_discounts_set),
            shipping=pair(row.total_shipping_price_set),
            tax=pair_or_none(row.total_tax_set),
        ),
        tags=list(row.tags),
        updated_at=in_utc(row.updated_at, "updatedAt"),
        cancelled_at=in_utc(row.cancelled_at, "cancelledAt"),
        cancel_reason=CANCEL_REASON.get(row.cancel_reason, CancelReason.OTHER) if row.cancel_reason else None,
        email=row.email or None,
        lines=[line(one, store, native) for one in row.line_items.nodes] if row.line_items else NOT_LOADED,
        owner=owner(row),
        customer_native_id=row.customer.legacy_resource_id if row.customer else None,
        disputed=disputed(row),
        shipping_country=row.destination.country_code_v2 if row.destination else None,
        channel=row.source_name or None,
        customer_tags=list(row.customer.tags) if row.customer else None,
    )
    if OrderParts.ADDRESSES in parts:
        made.shipping_address = address(row.shipping_address)
        made.billing_address = address(row.billing_address)
    if OrderParts.STATUS_URL in parts:
        made.status_url = web_address(row.status_page_url)
    lines = {one.native_id: one for one in made.lines} if made.has("lines") else {}
    if OrderParts.FULFILLMENTS in parts:
        made.fulfillments = None
        if OrderParts.FULFILLMENTS not in denied:
            made.fulfillments = [parcel(one, store, native, lines) for one in row.fulfillments or ()]
    if OrderParts.REFUNDS in parts:
        made.refunds = None
        if OrderParts.REFUNDS not in denied:
            made.refunds = [refund(one, row, store, lines) for one in row.refunds or ()]
    if OrderParts.RETURNS in parts:
        made.returns = None
        if OrderParts.RETURNS not in denied:
            nodes = row.returns.nodes if row.returns else []
            made.returns = [return_(one, made, source, row, lines) for one in nodes]
    if made.has("lines"):
        _count(row, made)
    return made


def line(row: wire.LineRow, store: str, order_id: str) -> OrderLine:
    """One line; what of it went out and came back is counted when the whole order is known."""
    native = wire.number_of(row.id)
    return OrderLine(
        id=make_id("OrderLine", store, order_id, native),
        title=row.title,
        quantity=LineQuantity(
            ordered=row.quantity, current=row.current_quantity, returned=0, refundable=row.refundable_quantity
        ),
        unit_price=pair(row.original_unit_price_set),
        total=pair(row.discounted_total_set),
        is_gift_card=row.is_gift_card,
        native_id=native,
        variant_title=row.variant_title or None,
        sku=row.sku or None,
        requires_shipping=row.requires_shipping,
        product_ref=ProductRef(
            store, row.product.legacy_resource_id, row.variant.legacy_resource_id if row.variant else None
        )
        if row.product
        else None,
        product_tags=list(row.product.tags) if row.product else None,
        product_type=row.product.product_type if row.product else None,
        vendor=row.vendor or None,
    )


def parcel(row: wire.ParcelRow, store: str, order_id: str, lines: Mapping[str, OrderLine]) -> Fulfillment:
    status = delivery_status(row)
    tracking = row.tracking_info[0] if row.tracking_info else None
    kind = FulfillmentKind.SHIPPING
    if row.display_status in _AT_THE_COUNTER:
        kind = FulfillmentKind.PICKUP
    elif not row.requires_shipping:
        kind = FulfillmentKind.DIGITAL
    return Fulfillment(
        id=make_id("Fulfillment", store, order_id, wire.number_of(row.id)),
        kind=kind,
        status=status,
        lines=[
            FulfillmentLine(line=lines[wire.number_of(one.line_item.id)], quantity=one.quantity or 0)
            for one in row.fulfillment_line_items.nodes
            if wire.number_of(one.line_item.id) in lines
        ],
        events=[event(one) for one in row.events.nodes],
        carrier=(tracking.company or None) if tracking else None,
        tracking_number=(tracking.number or None) if tracking else None,
        tracking_url=web_address(tracking.url) if tracking else None,
        shipped_at=in_utc(row.created_at, "createdAt"),
        delivered_at=in_utc(row.delivered_at, "deliveredAt"),
        delivered_at_basis=TimeBasis.DELIVERED if row.delivered_at else None,
        estimated_delivery_at=in_utc(row.estimated_delivery_at, "estimatedDeliveryAt"),
    )


def delivery_status(row: wire.ParcelRow) -> DeliveryStatus:
    if row.status == "CANCELLED":
        return DeliveryStatus.CANCELLED
    if row.display_status is None:
        return DeliveryStatus.SHIPPED if row.status == "SUCCESS" else DeliveryStatus.UNKNOWN
    return DELIVERY_STATUS.get(row.display_status, DeliveryStatus.UNKNOWN)


def event(row: wire.ParcelEvent) -> FulfillmentEvent:
    return FulfillmentEvent(
        status=DELIVERY_STATUS.get(row.status, DeliveryStatus.UNKNOWN),
        happened_at=in_utc(row.happened_at, "happenedAt"),
        message=row.message or None,
        location=", ".join(filter(None, (row.city, row.province, row.country))) or None,
    )


def return_(
    row: wire.ReturnRow, made: Order, source: Source, head: wire.OrderRow, lines: Mapping[str, OrderLine]
) -> Return:
    native = wire.number_of(row.id)
    mine = [wire.number_of(one.id) for one in head.refunds or () if one.return_ and one.return_.id == row.id]
    loaded = made.refunds if made.has("refunds") else NOT_LOADED
    refunds = loaded
    if isinstance(loaded, list):
        refunds = [one for one in loaded if one.id.rpartition(":")[2] in mine]
    fees = [
        Fee(kind=FeeKind.RETURN_SHIPPING, amount=money(fee.amount_set.presentment_money))
        for fee in row.return_shipping_fees
    ]
    fees += [
        Fee(kind=FeeKind.RESTOCKING, amount=money(one.restocking_fee.amount_set.presentment_money))
        for one in row.return_line_items.nodes
        if one.restocking_fee is not None
    ]
    return Return(
        id=make_id("Return", source.store.key, head.legacy_resource_id, native),
        source=Source(store=source.store, native_id=native, fetched_at=source.fetched_at, admin=source.admin),
        status=RETURN_STATUS.get(row.status, ReturnStatus.UNKNOWN),
        native_status=row.status,
        held_by=RecordHolder.PLATFORM,
        order=made,
        lines=list(return_lines(row, lines)),
        resolution=_resolution(row, refunds),
        requested_at=in_utc(row.created_at, "createdAt"),
        fees=fees,
        refunds=refunds if refunds is not None else NOT_LOADED,  # could not be read, which is not "none"
        number=row.name or None,
        decline_reason=(row.decline.note or row.decline.reason) if row.decline else None,
        closed_at=in_utc(row.closed_at, "closedAt"),
    )


def _resolution(row: wire.ReturnRow, refunds: object) -> ReturnResolution:
    """A return itself does not say what it is to end in, until goods or money have gone out for it."""
    if row.exchange_line_items.nodes:
        return ReturnResolution.EXCHANGE
    return ReturnResolution.REFUND if isinstance(refunds, list) and refunds else ReturnResolution.UNKNOWN


def return_lines(row: wire.ReturnRow, lines: Mapping[str, OrderLine]) -> Iterable[ReturnLine]:
    for one in row.return_line_items.nodes:
        native = wire.number_of(one.fulfillment_line_item.line_item.id) if one.fulfillment_line_item else None
        if native is not None and native in lines:
            handle = one.return_reason_definition.handle if one.return_reason_definition else ""
            yield ReturnLine(
                line=lines[native],
                quantity=one.quantity,
                reason=RETURN_REASON.get(handle, ReturnReason.UNKNOWN),
                note=without_mark(one.customer_note) or without_mark(one.return_reason_note),
            )


def refund(row: wire.RefundRow, head: wire.OrderRow, store: str, lines: Mapping[str, OrderLine]) -> Refund:
    moves = moves_of(row)
    return Refund(
        id=make_id("Refund", store, head.legacy_resource_id, wire.number_of(row.id)),
        status=refund_status(moves),
        amount=pair(row.total_refunded_set),
        destination=_destination(moves),
        money_moved=_moved(moves),
        created_at=in_utc(row.created_at or row.processed_at, "createdAt"),
        lines=[
            RefundLine(
                line=lines[wire.number_of(one.line_item.id)],
                quantity=one.quantity,
                amount=_with_tax(one, taxes_included=head.taxes_included),
                restocked=one.restocked,
            )
            for one in row.refund_line_items.nodes
            if wire.number_of(one.line_item.id) in lines
        ],
        reason=without_mark(row.note),
    )


def moves_of(row: wire.RefundRow | wire.NewRefund) -> list[wire.RefundTransaction]:
    """The payments back that a refund set off: the record itself says nothing of whether money arrived."""
    return [one for one in row.transactions.nodes if one.kind == "REFUND"]


def refund_status(moves: Sequence[wire.RefundTransaction]) -> RefundStatus:
    statuses = {one.status for one in moves}
    if statuses & _MONEY_ON_ITS_WAY:
        return RefundStatus.PENDING
    return RefundStatus.COMPLETED if "SUCCESS" in statuses or not statuses else RefundStatus.FAILED


def _with_tax(row: wire.RefundLineRow, *, taxes_included: bool) -> Money:
    subtotal = row.subtotal_set.presentment_money
    tax = Decimal(0) if taxes_included else row.total_tax_set.presentment_money.amount
    return Money.of(subtotal.amount + tax, subtotal.currency_code)


def _destination(moves: Sequence[wire.RefundTransaction]) -> RefundDestination:
    if not moves:
        return RefundDestination.UNKNOWN
    if any(one.manual_payment_gateway for one in moves):
        return RefundDestination.MANUAL
    return _GATEWAY.get(moves[0].gateway or "", RefundDestination.ORIGINAL_PAYMENT)


def _moved(moves: Sequence[wire.RefundTransaction]) -> MoneyMoved:
    """A manual gateway only writes down what somebody does by hand."""
    if any(one.status == "SUCCESS" and not one.manual_payment_gateway for one in moves):
        return MoneyMoved.YES
    unsure = any(one.manual_payment_gateway or one.status in _MONEY_ON_ITS_WAY for one in moves)
    return MoneyMoved.UNKNOWN if unsure else MoneyMoved.NO


def suggested(found: wire.RefundableOrder, lines: Sequence[RefundedLine], store: str) -> wire.Suggestion:
    """What Shopify suggests for just these lines. Raises `Refused` where it leaves out some of the units."""
    wanted = {one.line.native_id: one.quantity for one in lines}
    offered: Counter[str] = Counter()
    for one in found.suggested_refund.refund_line_items if found.suggested_refund else ():
        offered[wire.number_of(one.line_item.id)] += one.quantity
    if found.suggested_refund is None or dict(offered) != wanted:
        raise Refused(
            "Shopify does not offer to pay back so many units",
            store=store,
            native=[Native(message=f"{offered.total()} of {sum(wanted.values())} units can be paid back")],
        )
    return found.suggested_refund


def shipping_of(found: wire.Suggestion, *, taxes_included: bool) -> Decimal:
    """What is left of the shipping, its tax included."""
    tax = Decimal(0) if taxes_included else found.shipping.tax_set.presentment_money.amount
    return found.shipping.amount_set.presentment_money.amount + tax


def refund_sum(found: wire.Suggestion, most: Money, *, taxes_included: bool, shipping: bool) -> RefundSum:
    """What a suggestion comes to, in the customer's currency; never more than `most`, what is left of the order.

    Shopify tells the whole, the shipping and each line's tax; what remains of the whole is the goods.
    """
    currency = found.amount_set.presentment_money.currency_code
    whole = found.amount_set.presentment_money.amount
    sent = shipping_of(found, taxes_included=taxes_included) if shipping else Decimal(0)
    tax = sum((one.total_tax_set.presentment_money.amount for one in found.refund_line_items), Decimal(0))
    told = Money.of(sent, currency) if shipping else None
    if whole > most.amount:  # something of it was paid back as a bare sum before
        sent = min(sent, most.amount)
        return RefundSum(
            items=Money.of(most.amount - sent, currency),
            total=Money.of(most.amount, currency),
            shipping=Money.of(sent, currency) if shipping else None,
        )
    return RefundSum(
        items=Money.of(whole - sent - tax, currency),
        total=Money.of(whole, currency),
        tax=Money.of(tax, currency),
        shipping=told,
    )


def paid_by(amount: Decimal, found: wire.RefundableOrder, store: str) -> list[tuple[wire.SuggestedPayment, Decimal]]:
    """Which of the order's payments give back how much, together exactly `amount`: first as Shopify suggests for what
    is asked for, then as far as each still can. Raises `Refused` where they cannot."""
    asked = found.suggested_refund.suggested_transactions if found.suggested_refund else []
    rest = found.all_that_is_left.suggested_transactions if found.all_that_is_left else []
    known = {_payment(one): one for one in reversed([*asked, *rest]) if one.gateway is not None}
    shares: dict[tuple[str | None, str | None], Decimal] = dict.fromkeys(map(_payment, asked), Decimal(0))
    left = amount
    for limited in (True, False):
        for one in asked if limited else [*asked, *rest]:
            key = _payment(one)
            if key not in known:
                continue  # nothing can be sent to a payment without a gateway
            held = shares.get(key, Decimal(0))
            share = max(Decimal(0), min(left, (_amount(one) if limited else _most(known[key])) - held))
            shares[key] = held + share
            left -= share
    if left > 0:
        raise Refused(
            "Shopify has less to pay back than is asked for",
            store=store,
            native=[Native(message=f"{amount - left} of {amount} can be paid back")],
        )
    return [(known[key], share) for key, share in shares.items() if share > 0]


def _payment(one: wire.SuggestedPayment) -> tuple[str | None, str | None]:
    return one.gateway, one.parent_transaction.id if one.parent_transaction else None


def _amount(one: wire.SuggestedPayment) -> Decimal:
    return one.amount_set.presentment_money.amount


def _most(one: wire.SuggestedPayment) -> Decimal:
    most = one.maximum_refundable_set
    return _amount(one) if most is None else most.presentment_money.amount


def _count(row: wire.OrderRow, made: Order) -> None:
    """What went out and came back of each line, as far as the parts that were read tell."""
    rows = {wire.number_of(one.id): one for one in row.line_items.nodes} if row.line_items else {}
    fulfilled: Counter[str] | None = None
    delivered: Counter[str] = Counter()
    if row.fulfillments is not None:
        fulfilled = Counter()
        for one in row.fulfillments:
            if one.status != "SUCCESS":
                continue
            for item in one.fulfillment_line_items.nodes:
                native, quantity = wire.number_of(item.line_item.id), item.quantity or 0
                fulfilled[native] += quantity
                if delivery_status(one) is DeliveryStatus.DELIVERED:
                    delivered[native] += quantity
    returned: Counter[str] | None = Counter() if row.returns is not None or row.return_status == "NO_RETURN" else None
    still_out: Counter[str] = Counter()
    for back in row.returns.nodes if row.returns is not None else ():
        if RETURN_STATUS.get(back.status, ReturnStatus.UNKNOWN) in _NO_GOODS:
            continue
        for part in back.return_line_items.nodes:
            if part.fulfillment_line_item is not None and returned is not None:
                native = wire.number_of(part.fulfillment_line_item.line_item.id)
                returned[native] += part.quantity
                still_out[native] += max(0, part.quantity - part.refunded_quantity)
    for one_line in made.lines:
        native, counted = one_line.native_id, rows[one_line.native_id]
        # A count that was not read is loud when touched, as a part is; a line without returns has 0.
        one_line.quantity.returned = NOT_LOADED if returned is None else returned[native]
        if fulfilled is None:
            continue
        one_line.quantity.fulfilled = fulfilled[native]
        one_line.quantity.delivered = delivered[native]
        if returned is not None:
            # Refunded units are neither current nor refundable any more; those in a return that is not yet paid back
            # still are, and are counted off.
            with_customer = min(
                counted.current_quantity - counted.unfulfilled_quantity, counted.refundable_quantity, fulfilled[native]
            )
            one_line.quantity.returnable = max(0, with_customer - still_out[native])


# ---------------------------------------------------------------------------------------------------------- customers


def profile(row: wire.CustomerRow, source: Source) -> CustomerProfile:
    email = row.default_email_address.email_address if row.default_email_address else None
    return CustomerProfile(
        id=make_id("CustomerProfile", source.store.key, row.legacy_resource_id),
        source=source,
        tags=list(row.tags),
        addresses=[found for one in row.addresses_v2.nodes if (found := address(one)) is not None],
        display_name=row.display_name or None,
        email=email,
        phone=row.default_phone_number.phone_number if row.default_phone_number else None,
        created_at=in_utc(row.created_at, "createdAt"),
        first_name=row.first_name or None,
        last_name=row.last_name or None,
        locale=row.locale or None,
        owner=email_or_none(email),
        order_count=int(row.number_of_orders) if row.number_of_orders.isdecimal() else None,
        total_spent=money(row.amount_spent),
    )


# ----------------------------------------------------------------------------------------------------------- products


def product(row: wire.ProductRow, source: Source) -> Product:
    price = row.price_range_v2
    currency = price.min_variant_price.currency_code
    return Product(
        id=make_id("Product", source.store.key, row.legacy_resource_id),
        source=source,
        title=row.title,
        status=PRODUCT_STATUS.get(row.status, ProductStatus.UNKNOWN),
        tags=list(row.tags),
        images=_images(row.media),
        handle=row.handle or None,
        description=row.description or None,
        vendor=row.vendor or None,
        product_type=row.product_type or None,
        url=web_address(row.online_store_url),
        price_min=money(price.min_variant_price),
        price_max=money(price.max_variant_price),
        all_variants=[_variant(one, source.store.key, row.legacy_resource_id, currency) for one in row.variants.nodes],
    )


def _variant(row: wire.VariantRow, store: str, product_id: str, currency: str) -> Variant:
    images = _images(row.media)
    return Variant(
        id=make_id("Variant", store, product_id, row.legacy_resource_id),
        title=row.title,
        options=[OptionValue(name=one.name, value=one.value) for one in row.selected_options],
        sku=row.sku or None,
        price=Money.of(row.price, currency),
        compare_at_price=None if row.compare_at_price is None else Money.of(row.compare_at_price, currency),
        available=row.available_for_sale,
        inventory_quantity=row.inventory_quantity,
        image=images[0] if images else None,
    )


def _images(media: wire.Connection[wire.MediaRow]) -> list[Image]:
    found = []
    for one in media.nodes:
        url = web_address(one.preview.image.url) if one.preview and one.preview.image else None
        if url is not None:
            found.append(Image(url=url, alt=one.alt or None))
    return found


# ------------------------------------------------------------------------------------------------------ subscriptions


def contract_owner(row: wire.ContractRow) -> Email | None:
    present = row.customer.default_email_address if row.customer else None
    return email_or_none(present.email_address if present else None)


def subscription(row: wire.ContractRow, source: Source, parts: SubscriptionParts, zone: tzinfo) -> Subscription:
    """A contract of our own app. Shopify does not count its completed cycles in one read: they stay unknown."""
    store = source.store.key
    if row.lines.page_info is not None and row.lines.page_info.has_next_page:
        raise Unreadable("subscriptions: a contract has more lines than are read")
    cycles = SubscriptionParts.CYCLES in parts
    origin = OrderRef(store, row.origin_order.legacy_resource_id) if row.origin_order else None
    return Subscription(
        id=make_id("SubscriptionContract", store, wire.number_of(row.id)),
        source=source,
        status=SUBSCRIPTION_STATUS.get(row.status, SubscriptionStatus.UNKNOWN),
        native_status=row.status,
        lines=[
            SubscriptionLine(
                title=one.title,
                quantity=one.quantity,
                price=money(one.current_price),
                sku=one.sku or None,
                product_ref=ProductRef(
                    store, wire.number_of(one.product_id), wire.number_of(one.variant_id) if one.variant_id else None
                )
                if one.product_id
                else None,
            )
            for one in row.lines.nodes
        ],
        billing_interval=_interval(row.billing_policy),
        delivery_interval=_interval(row.delivery_policy),
        payment_failed=row.status == "FAILED" or row.last_payment_status == "FAILED",
        next_billing_at=_day(row.next_billing_date, zone),
        cycles_completed=None if cycles else NOT_LOADED,
        min_cycles=row.billing_policy.min_cycles,
        max_cycles=row.billing_policy.max_cycles,
        created_at=in_utc(row.created_at, "createdAt"),
        owner=contract_owner(row),
        customer_ref=ProfileRef(store, row.customer.legacy_resource_id) if row.customer else None,
        origin_order_ref=origin if cycles else NOT_LOADED,
    )


def _interval(policy: wire.BillingPolicy | wire.DeliveryPolicy) -> Interval:
    unit = UNIT.get(policy.interval)
    if unit is None:
        raise Unreadable("subscriptions: an interval in an unknown unit")
    return Interval(unit=unit, count=policy.interval_count)


def _day(moment: datetime | None, zone: tzinfo) -> date | None:
    return None if moment is None else moment.astimezone(zone).date()
