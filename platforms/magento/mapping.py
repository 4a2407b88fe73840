"""Magento's words on the left, the contract's on the right."""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import ROUND_CEILING, ROUND_HALF_UP, Decimal
from zoneinfo import ZoneInfo

from platforms.instants import instant, known_instant
from platforms.magento import wire
from schema.customer import CustomerProfile
from schema.emails import Email, email_or_none
from schema.ids import make_id
from schema.order import Fulfillment, FulfillmentLine, LineQuantity, Order, OrderLine, OrderTotals, ProductRef
from schema.parts import NOT_LOADED, OrderParts
from schema.product import Product, Variant
from schema.provenance import Source
from schema.returns import Refund, RefundLine, Return, ReturnLine
from schema.scalars import CountryCode, CurrencyCode, web_address
from schema.values import Address, Image, Money, MoneyPair
from schema.vocabulary import (
    DeliveryStatus,
    FulfillmentKind,
    FulfillmentStatus,
    ItemCondition,
    MoneyMoved,
    OrderReturnStatus,
    OrderStatus,
    PaymentStatus,
    ProductStatus,
    RecordHolder,
    RefundDestination,
    RefundStatus,
    RequestedResolution,
    ReturnReason,
    ReturnResolution,
    ReturnStatus,
)

_ZERO, _CENT = Decimal(0), Decimal("0.01")


@dataclass(frozen=True, slots=True)
class Home:
    """The store a row was read in."""

    store: str
    time_zone: str
    source: Callable[..., Source]
    #: The admin's own, secret address; None where links into it are not wanted.
    admin: str | None = None

    def admin_link(self, path: str) -> str | None:
        return f"{self.admin}/{path}" if self.admin else None


# ------------------------------------------------------------------------------------------------------------ orders

# Constants of Magento\Sales\Model\Order. The merchant's own labels are in `status`, so `state` is what counts.
ORDER_STATUS: Mapping[str, OrderStatus] = {
    "new": OrderStatus.PENDING,
    "pending_payment": OrderStatus.PENDING,
    "processing": OrderStatus.OPEN,
    "complete": OrderStatus.COMPLETED,
    "canceled": OrderStatus.CANCELLED,
    "holded": OrderStatus.ON_HOLD,
    "payment_review": OrderStatus.ON_HOLD,
    # "closed" is an order paid back in full: see `order_status`.
}

#: The states to ask for when orders of one status are wanted; UNKNOWN can be any word and is not asked for by name.
STATE_WORDS: Mapping[OrderStatus, tuple[str, ...]] = {
    OrderStatus.PENDING: ("new", "pending_payment"),
    OrderStatus.OPEN: ("processing",),
    OrderStatus.ON_HOLD: ("holded", "payment_review"),
    OrderStatus.COMPLETED: ("complete", "closed"),
    OrderStatus.CANCELLED: ("canceled", "closed"),
    OrderStatus.FAILED: (),
}


def order_status(row: wire.OrderRow) -> OrderStatus:
    """An order paid back in full is COMPLETED if anything of it was sent; else nothing will be any more: CANCELLED."""
    if row.state == "closed":
        sent = any((item.qty_shipped or 0) > 0 for item in row.items)
        return OrderStatus.COMPLETED if sent else OrderStatus.CANCELLED
    return ORDER_STATUS.get(row.state or "", OrderStatus.UNKNOWN)


def payment_status(row: wire.OrderRow) -> PaymentStatus:
    paid, refunded = row.total_paid or _ZERO, row.total_refunded or _ZERO
    if row.state == "closed" or (refunded > 0 and refunded >= paid):
        return PaymentStatus.REFUNDED
    if refunded > 0:
        return PaymentStatus.PARTIALLY_REFUNDED
    if paid >= row.grand_total and row.state not in ("canceled", "pending_payment"):
        return PaymentStatus.PAID
    if paid > 0:
        return PaymentStatus.PARTIALLY_PAID
    if row.state == "canceled":
        return PaymentStatus.VOIDED
    authorized = row.payment is not None and (row.payment.amount_authorized or _ZERO) > 0
    return PaymentStatus.AUTHORIZED if authorized else PaymentStatus.PENDING


def fulfillment_status(row: wire.OrderRow) -> FulfillmentStatus:
    goods = [item for item in bought(row) if not item.is_virtual]
    if not goods:
        return FulfillmentStatus.NOT_REQUIRED if row.items else FulfillmentStatus.UNKNOWN
    below = _below(row)
    if not any(_sent(item, below) for item in goods):
        return FulfillmentStatus.UNFULFILLED
    open_units = any(
        units(item.qty_ordered)
        - _sent(item, below)
        - units(item.qty_canceled)
        - min(units(item.qty_refunded), units(item.qty_ordered) - _sent(item, below))
        > 0
        for item in goods
    )
    return FulfillmentStatus.PARTIALLY_FULFILLED if open_units else FulfillmentStatus.FULFILLED


def placed_at(row: wire.OrderRow) -> datetime:
    return known_instant(row.created_at, "order.created_at")


@dataclass(frozen=True, slots=True)
class Beside:
    """What of an order comes in calls of its own. None: not asked for, or it could not be read."""

    shipments: Sequence[wire.ShipmentRow] | None = None
    memos: Sequence[wire.MemoRow] | None = None
    rmas: Sequence[wire.RmaRow] | None = None
    #: Whether the platform keeps returns at all; None: not known.
    keeps_returns: bool | None = None


@dataclass(frozen=True, slots=True)
class Labels:
    """What the option ids of a return stand for, in our words."""

    reasons: Mapping[str, ReturnReason]
    conditions: Mapping[str, ItemCondition]
    resolutions: Mapping[str, ReturnResolution]


NO_LABELS = Labels({}, {}, {})


def order(
    row: wire.OrderRow, parts: OrderParts, home: Home, owner: Email | None, beside: Beside, labels: Labels = NO_LABELS
) -> Order:
    money = _MoneyOf(row)
    paid, refunded = money.pair("total_paid"), money.pair("total_refunded")
    refundable = MoneyPair(
        presentment=_less(paid.presentment, refunded.presentment), shop=_less(paid.shop, refunded.shop)
    )
    lines = [_line(item, row, home, beside, payable=refundable.shop.amount > 0) for item in bought(row)]
    wants_lines = parts & (OrderParts.LINES | OrderParts.FULFILLMENTS | OrderParts.RETURNS | OrderParts.REFUNDS)
    shipping = _shipping_address(row)
    found = Order(
        id=make_id("Order", home.store, str(row.entity_id)),
        source=home.source(
            str(row.entity_id),
            admin=home.admin_link(f"sales/order/view/order_id/{row.entity_id}"),
            raw={
                "state": row.state,
                "status": row.status,
                "payment_method": row.payment.method if row.payment else None,
                "transaction_id": row.payment.last_trans_id if row.payment else None,
                "store_id": row.store_id,
                "total_invoiced": row.total_invoiced,
            },
        ),
        number=row.increment_id,
        status=order_status(row),
        payment_status=payment_status(row),
        fulfillment_status=fulfillment_status(row),
        return_status=_return_status(row, beside),
        native_status=row.status or row.state or "",
        placed_at=placed_at(row),
        updated_at=instant(row.updated_at, "order.updated_at"),
        totals=OrderTotals(
            subtotal=_sum((line.total for line in lines), row),
            total=money.pair("grand_total"),
            refunded=refunded,
            refundable=refundable,
            discount=money.pair("discount_amount", absolute=True),
            shipping=money.pair("shipping_incl_tax", "shipping_amount"),
            tax=money.pair("tax_amount"),
        ),
        email=row.customer_email or None,
        lines=lines if wants_lines else NOT_LOADED,
        fulfillments=_fulfillments(row, lines, beside, home) if parts & OrderParts.FULFILLMENTS else NOT_LOADED,
        returns=[] if parts & OrderParts.RETURNS else NOT_LOADED,
        refunds=_refunds(row, lines, beside, home) if parts & OrderParts.REFUNDS else NOT_LOADED,
        shipping_address=shipping if parts & OrderParts.ADDRESSES else NOT_LOADED,
        billing_address=address(row.billing_address) if parts & OrderParts.ADDRESSES else NOT_LOADED,
        status_url=None if parts & OrderParts.STATUS_URL else NOT_LOADED,  # the shopper's pages need a login or a form
        owner=owner,
        customer_native_id=str(row.customer_id) if row.customer_id else None,
        shipping_country=_country(row),
        channel=" / ".join((row.store_name or "").split("\n")).strip(" /") or None,
    )
    if parts & OrderParts.RETURNS:
        found.returns = _returns(found, _line_of(row), lines, beside, labels, home)
    return found


def bought(row: wire.OrderRow) -> list[wire.ItemRow]:
    """What the shopper bought: rows below another are how it is made up."""
    return [item for item in row.items if item.parent_item_id is None]


def _below(row: wire.OrderRow) -> Mapping[int, list[wire.ItemRow]]:
    below: dict[int, list[wire.ItemRow]] = {}
    for item in row.items:
        if item.parent_item_id is not None:
            below.setdefault(item.parent_item_id, []).append(item)
    return below


def units(quantity: Decimal | None) -> int:
    """Whole units; what is sold by weight counts up to the next one."""
    return int((quantity or _ZERO).to_integral_value(ROUND_CEILING))


def _sent(item: wire.ItemRow, below: Mapping[int, Sequence[wire.ItemRow]]) -> int:
    """Units sent. A bundle that is sent piece by piece counts as far as all of its pieces have gone."""
    own = units(item.qty_shipped)
    pieces = [one for one in below.get(item.item_id, ()) if not one.is_virtual and (one.qty_ordered or 0) > 0]
    if own or not any(one.qty_shipped for one in pieces):
        return own
    ordered = units(item.qty_ordered)
    return min(
        int((one.qty_shipped or _ZERO) * ordered / one.qty_ordered) for one in pieces if one.qty_ordered is not None
    )


class _MoneyOf:
    """Amounts of one order in the two currencies it is told in: the customer's and the shop's."""

    def __init__(self, row: wire.OrderRow) -> None:
        self._row = row

    def pair(self, *names: str, absolute: bool = False) -> MoneyPair:
        """The first of these fields that is there, else nothing."""
        return MoneyPair(
            presentment=Money.of(self._first(names, absolute), self._row.order_currency_code),
            shop=Money.of(self._first([f"base_{name}" for name in names], absolute), self._row.base_currency_code),
        )

    def _first(self, names: Iterable[str], absolute: bool) -> Decimal:
        for name in names:
            found: Decimal | None = getattr(self._row, name)
            if found is not None:
                return abs(found) if absolute else found
        return _ZERO


def _less(one: Money, other: Money) -> Money:
    return Money(amount=max(one.amount - other.amount, _ZERO), currency_code=one.currency_code)


def _sum(pairs: Iterable[MoneyPair], row: wire.OrderRow) -> MoneyPair:
    presentment, shop = _ZERO, _ZERO
    for pair in pairs:
        presentment, shop = presentment + pair.presentment.amount, shop + pair.shop.amount
    return _pair(presentment, shop, row)


def _pair(presentment: Decimal, shop: Decimal, row: wire.OrderRow) -> MoneyPair:
    return MoneyPair(
        presentment=Money(amount=presentment, currency_code=CurrencyCode(row.order_currency_code)),
        shop=Money(amount=shop, currency_code=CurrencyCode(row.base_currency_code)),
    )


def _paid_for(item: wire.ItemRow | wire.MemoItemRow) -> Decimal:
    """What a row comes to, in the customer's currency: with tax, after discounts."""
    return (
        (item.row_total or _ZERO)
        + (item.tax_amount or _ZERO)
        + (item.discount_tax_compensation_amount or _ZERO)
        - abs(item.discount_amount or _ZERO)
    )


def worth(row: wire.OrderRow, counts: Mapping[str, int]) -> tuple[Decimal, Decimal]:
    """What units of items come to in the customer's currency, with tax and after discounts, and the tax in it. The
    parts of a price are rounded together, and the last units of an item have what is left of it (inferred)."""
    total = tax = _ZERO
    below = _below(row)
    for item in bought(row):
        count, ordered = counts.get(str(item.item_id), 0), item.qty_ordered or _ZERO
        if not count or not ordered:
            continue
        rows = (item, *below.get(item.item_id, ()))  # a bundle's price may stand with its pieces
        last = (item.qty_refunded or _ZERO) + count >= ordered
        total += _share(rows, _paid_for, _paid_back_of, count / ordered, last=last)
        tax += _share(rows, lambda one: one.tax_amount, lambda one: one.tax_refunded, count / ordered, last=last)
    return total, tax


def _share(
    rows: Iterable[wire.ItemRow],
    whole: Callable[[wire.ItemRow], Decimal | None],
    back: Callable[[wire.ItemRow], Decimal | None],
    part: Decimal,
    *,
    last: bool,
) -> Decimal:
    amount = sum((whole(one) or _ZERO for one in rows), _ZERO)
    if last:
        return amount - sum((back(one) or _ZERO for one in rows), _ZERO)
    return (amount * part).quantize(_CENT, ROUND_HALF_UP)


def _paid_back_of(item: wire.ItemRow) -> Decimal:
    return (
        (item.amount_refunded or _ZERO)
        + (item.tax_refunded or _ZERO)
        + (item.discount_tax_compensation_refunded or _ZERO)
        - abs(item.discount_refunded or _ZERO)
    )


def _base_paid_for(item: wire.ItemRow) -> Decimal:
    return (
        (item.base_row_total or _ZERO)
        + (item.base_tax_amount or _ZERO)
        + (item.base_discount_tax_compensation_amount or _ZERO)
        - abs(item.base_discount_amount or _ZERO)
    )


def _line(item: wire.ItemRow, of: wire.OrderRow, home: Home, beside: Beside, *, payable: bool) -> OrderLine:
    all_below = _below(of)
    below = all_below.get(item.item_id, [])
    ordered, cancelled, refunded = units(item.qty_ordered), units(item.qty_canceled), units(item.qty_refunded)
    sent = _sent(item, all_below)
    back = _coming_back(item, of, beside)
    if item.is_virtual:
        returnable: int | None = 0  # nothing that could come back
    else:
        returnable = None if back is None else max(sent - max(refunded, back), 0)
    child = below[0] if item.product_type == "configurable" and below else None
    rows = [item, *below]  # a bundle's price may stand with its pieces
    return OrderLine(
        id=make_id("OrderLine", home.store, str(of.entity_id), str(item.item_id)),
        native_id=str(item.item_id),
        title=item.name or item.sku or "",
        variant_title=_variant_title(item, child),
        sku=item.sku or None,
        quantity=LineQuantity(
            ordered=ordered,
            current=max(ordered - cancelled, 0),
            returned=min(back if back is not None else units(item.qty_returned), ordered),
            fulfilled=None if item.is_virtual else sent,
            delivered=None,
            returnable=returnable,
            refundable=max(units(item.qty_invoiced) - refunded, 0) if payable else 0,
        ),
        unit_price=_pair(
            item.price_incl_tax if item.price_incl_tax is not None else item.price or _ZERO,
            item.base_price_incl_tax if item.base_price_incl_tax is not None else item.base_price or _ZERO,
            of,
        ),
        total=_pair(sum(map(_paid_for, rows), _ZERO), sum(map(_base_paid_for, rows), _ZERO), of),
        is_gift_card=item.product_type == "giftcard",
        requires_shipping=None if item.is_virtual is None else not item.is_virtual,
        product_ref=ProductRef(
            home.store, str(item.product_id), str(child.product_id) if child and child.product_id else None
        )
        if item.product_id
        else None,
    )


def _variant_title(item: wire.ItemRow, child: wire.ItemRow | None) -> str | None:
    """A configurable's line is called "Hoodie" and the row below it "Hoodie-S-Gray"."""
    if child is None or not child.name or child.name == item.name:
        return None
    return child.name.removeprefix(item.name or "").lstrip("- ") or None


def _shipping_address(row: wire.OrderRow) -> Address | None:
    found = _shipping_row(row)
    return address(found) if found else None


def _shipping_row(row: wire.OrderRow) -> wire.AddressRow | None:
    assignments = row.extension_attributes.shipping_assignments if row.extension_attributes else None
    for one in assignments or ():
        if one.shipping is not None and one.shipping.address is not None:
            return one.shipping.address
    return None


def _country(row: wire.OrderRow) -> str | None:
    found = _shipping_row(row) or row.billing_address
    return found.country_id or None if found else None


# ------------------------------------------------------------------------------------------------------ fulfillments


def _line_of(row: wire.OrderRow) -> Mapping[int, wire.ItemRow]:
    """The bought row behind each row, by item id: its own, or the one it is part of."""
    tops = {item.item_id: item for item in bought(row)}
    return {item.item_id: tops[top] for item in row.items if (top := item.parent_item_id or item.item_id) in tops}


def _fulfillments(
    row: wire.OrderRow, lines: Sequence[OrderLine], beside: Beside, home: Home
) -> list[Fulfillment] | None:
    """One for each shipment, and one more, without lines, for each further tracking number of it. When a parcel
    arrived is never known."""
    if beside.shipments is None:
        return None
    by_id = {line.native_id: line for line in lines}
    items = {item.item_id: item for item in row.items}
    tops = _line_of(row)
    found = []
    for shipment in beside.shipments:
        counts: dict[str, int] = {}
        for one in shipment.items:
            if (top := tops.get(one.order_item_id)) is None:
                continue
            item, count = items[one.order_item_id], one.qty
            if item is not top and item.qty_ordered:  # a piece: as many of the whole as it stands for
                count = one.qty * (top.qty_ordered or _ZERO) / item.qty_ordered
            counts[str(top.item_id)] = max(counts.get(str(top.item_id), 0), units(count))
        shipped = [FulfillmentLine(line=by_id[id], quantity=count) for id, count in counts.items() if count]
        for at, track in enumerate(shipment.tracks or [wire.TrackRow()]):
            more = (str(at + 1),) if at else ()
            found.append(
                Fulfillment(
                    id=make_id("Fulfillment", home.store, str(row.entity_id), str(shipment.entity_id), *more),
                    kind=FulfillmentKind.SHIPPING,
                    status=DeliveryStatus.SHIPPED,
                    lines=[] if at else shipped,
                    carrier=track.title or track.carrier_code or None,
                    tracking_number=track.track_number or None,
                    shipped_at=known_instant(shipment.created_at, "shipment.created_at"),
                )
            )
    return found


# ----------------------------------------------------------------------------------------------------------- refunds

# Constants of Magento\Sales\Model\Order\Creditmemo.
REFUND_STATUS: Mapping[int, RefundStatus] = {
    1: RefundStatus.PENDING,
    2: RefundStatus.COMPLETED,
    3: RefundStatus.FAILED,
}
CANCELLED_MEMO = 3
_WENT: Mapping[MoneyMoved, RefundDestination] = {
    MoneyMoved.YES: RefundDestination.ORIGINAL_PAYMENT,
    MoneyMoved.NO: RefundDestination.MANUAL,
    MoneyMoved.UNKNOWN: RefundDestination.UNKNOWN,
}


def money_moved(memo: wire.MemoRow, of: wire.OrderRow) -> MoneyMoved:
    """The order counts what went back through the payment's gateway and what was only booked; where it has both, the
    memo's own marks tell, as far as they do."""
    if memo.state != 2:
        return MoneyMoved.NO if memo.state == 3 else MoneyMoved.UNKNOWN
    online, offline = of.total_online_refunded or _ZERO, of.total_offline_refunded or _ZERO
    if online > 0 and offline <= 0:
        return MoneyMoved.YES
    if offline > 0 and online <= 0:
        return MoneyMoved.NO
    if online > 0 and memo.transaction_id:
        return MoneyMoved.YES
    return MoneyMoved.NO if memo.invoice_id is None else MoneyMoved.UNKNOWN


def _refunds(row: wire.OrderRow, lines: Sequence[OrderLine], beside: Beside, home: Home) -> list[Refund] | None:
    if beside.memos is None:
        return None
    by_id = {line.native_id: line for line in lines}
    tops = _line_of(row)
    return [_refund(memo, row, by_id, tops, home) for memo in beside.memos]


def _refund(
    memo: wire.MemoRow,
    of: wire.OrderRow,
    lines: Mapping[str, OrderLine],
    tops: Mapping[int, wire.ItemRow],
    home: Home,
) -> Refund:
    counts: dict[str, int] = {}
    amounts: dict[str, Decimal] = {}
    for item in memo.items:
        if (top := tops.get(item.order_item_id)) is None:
            continue
        key = str(top.item_id)
        amounts[key] = amounts.get(key, _ZERO) + _paid_for(item)
        if item.order_item_id == top.item_id:
            counts[key] = counts.get(key, 0) + units(item.qty)
    moved = money_moved(memo, of)
    told = [one.comment for one in memo.comments or () if one.comment and one.is_visible_on_front]
    return Refund(
        id=make_id("Refund", home.store, str(of.entity_id), str(memo.entity_id)),
        status=REFUND_STATUS.get(memo.state or 0, RefundStatus.PENDING),
        amount=_pair(memo.grand_total, memo.base_grand_total, of),
        destination=_WENT[moved],
        money_moved=moved,
        created_at=known_instant(memo.created_at, "creditmemo.created_at"),
        lines=[
            RefundLine(line=lines[key], quantity=count, amount=Money.of(amounts[key], of.order_currency_code))
            for key, count in counts.items()
            if count
        ],
        reason=told[0] if told else None,
    )


# ----------------------------------------------------------------------------------------------------------- returns

# Constants of Magento\Rma\Model\Rma\Source\Status (Adobe Commerce). "approved": the goods came and were accepted.
RETURN_STATUS: Mapping[str, ReturnStatus] = {
    "pending": ReturnStatus.REQUESTED,
    "authorized": ReturnStatus.APPROVED,
    "partially_authorized": ReturnStatus.APPROVED,
    "received": ReturnStatus.RECEIVED,
    "received_on_item": ReturnStatus.RECEIVED,
    "approved": ReturnStatus.RECEIVED,
    "approved_on_item": ReturnStatus.RECEIVED,
    "rejected": ReturnStatus.DECLINED,
    "rejected_on_item": ReturnStatus.RECEIVED,
    "denied": ReturnStatus.DECLINED,
    "closed": ReturnStatus.CLOSED,
    "processed_closed": ReturnStatus.CLOSED,
}
#: Of one row of a return: it is not coming back.
_NOT_COMING = frozenset({"denied", "rejected"})

#: What a new shop calls its choices; a merchant who renamed them tells in the configuration.
REASON_LABELS: Mapping[ReturnReason, tuple[str, ...]] = {
    ReturnReason.SIZE_TOO_SMALL: ("Too Small", "Wrong Size"),
    ReturnReason.SIZE_TOO_LARGE: ("Too Large", "Wrong Size"),
    ReturnReason.COLOR: ("Wrong Color",),
    ReturnReason.DEFECTIVE: ("Defective", "Out of Service"),
    ReturnReason.DAMAGED_IN_TRANSIT: ("Damaged in Transit", "Damaged"),
    ReturnReason.WRONG_ITEM: ("Wrong Item",),
    ReturnReason.OTHER: ("Other",),
}
CONDITION_LABELS: Mapping[ItemCondition, tuple[str, ...]] = {
    ItemCondition.UNOPENED: ("Unopened",),
    ItemCondition.OPENED: ("Opened",),
    ItemCondition.USED: ("Used", "Opened"),
    ItemCondition.DEFECTIVE: ("Defective", "Damaged"),
}
RESOLUTION_LABELS: Mapping[RequestedResolution, tuple[str, ...]] = {
    RequestedResolution.REFUND: ("Refund",),
    RequestedResolution.STORE_CREDIT: ("Store Credit",),
}


def return_status(rma: wire.RmaRow) -> ReturnStatus:
    """A return in which every row was turned down is closed too."""
    statuses = {item.status for item in rma.items or ()}
    if rma.status == "closed" and statuses and statuses <= _NOT_COMING:
        return ReturnStatus.DECLINED
    return RETURN_STATUS.get(rma.status, ReturnStatus.UNKNOWN)


def _coming_back(item: wire.ItemRow, of: wire.OrderRow, beside: Beside) -> int | None:
    """Units of a line in returns that are open, received or closed; None where that is not known."""
    if beside.keeps_returns is False:
        return 0
    if beside.rmas is None:
        return None
    ids = {item.item_id} | {one.item_id for one in of.items if one.parent_item_id == item.item_id}
    back = 0
    for rma in beside.rmas:
        if rma.items is None:
            return None
        if return_status(rma) is ReturnStatus.DECLINED:
            continue
        back += sum(
            units(one.qty_requested) for one in rma.items if one.order_item_id in ids and one.status not in _NOT_COMING
        )
    return back


def _return_status(row: wire.OrderRow, beside: Beside) -> OrderReturnStatus:
    if beside.keeps_returns is False:
        return OrderReturnStatus.NONE  # the gateway keeps this store's returns, and tells of them
    if beside.rmas is None:
        return OrderReturnStatus.UNKNOWN
    standing = [status for rma in beside.rmas if (status := return_status(rma)) is not ReturnStatus.DECLINED]
    if not standing:
        return OrderReturnStatus.NONE
    if ReturnStatus.UNKNOWN in standing:
        return OrderReturnStatus.UNKNOWN
    if ReturnStatus.REQUESTED in standing:
        return OrderReturnStatus.REQUESTED
    if any(status is not ReturnStatus.CLOSED for status in standing):
        return OrderReturnStatus.IN_PROGRESS
    back = [_coming_back(item, row, beside) for item in bought(row)]
    whole = all(
        count is not None and count >= units(item.qty_ordered) for item, count in zip(bought(row), back, strict=True)
    )
    return OrderReturnStatus.RETURNED if whole else OrderReturnStatus.PARTIALLY_RETURNED


def _returns(
    of: Order,
    tops: Mapping[int, wire.ItemRow],
    lines: Sequence[OrderLine],
    beside: Beside,
    labels: Labels,
    home: Home,
) -> list[Return] | None:
    if beside.keeps_returns is False:
        return []
    if beside.rmas is None or any(rma.items is None for rma in beside.rmas):
        return None
    by_id = {line.native_id: line for line in lines}
    by_item = {item: by_id[str(top.item_id)] for item, top in tops.items()}
    return [_return(rma, of, by_item, labels, home) for rma in beside.rmas]


def _return(rma: wire.RmaRow, of: Order, lines: Mapping[int, OrderLine], labels: Labels, home: Home) -> Return:
    items = rma.items or []
    resolutions = {labels.resolutions.get(item.resolution or "", ReturnResolution.UNKNOWN) for item in items}
    return Return(
        id=make_id("Return", home.store, of.source.native_id, str(rma.entity_id)),
        source=home.source(str(rma.entity_id), admin=home.admin_link(f"admin/rma/edit/id/{rma.entity_id}")),
        status=return_status(rma),
        native_status=rma.status,
        held_by=RecordHolder.PLATFORM,
        order=of,
        lines=[
            ReturnLine(
                line=lines[item.order_item_id],
                quantity=units(item.qty_requested),
                reason=labels.reasons.get(item.reason or "", ReturnReason.UNKNOWN),
                condition=labels.conditions.get(item.condition or ""),
            )
            for item in items
            if item.order_item_id in lines
        ],
        resolution=resolutions.pop() if len(resolutions) == 1 else ReturnResolution.UNKNOWN,
        requested_at=known_instant(rma.date_requested, "return.date_requested"),
        number=rma.increment_id or None,
    )


# --------------------------------------------------------------------------------------------------------- customers


def address(row: wire.AddressRow | wire.CustomerAddressRow | None) -> Address | None:
    if row is None:
        return None
    street = [line for line in row.street or () if line]
    name = " ".join(filter(None, (row.firstname, row.lastname)))
    if not any((name, row.company, street, row.city, row.postcode, row.country_id)):
        return None
    if isinstance(row, wire.CustomerAddressRow):
        region, code = (row.region.region, row.region.region_code) if row.region else (None, None)
    else:
        region, code = row.region, row.region_code
    return Address(
        name=name or None,
        company=row.company or None,
        line1=street[0] if street else None,
        line2=", ".join(street[1:]) or None,
        city=row.city or None,
        region=region or None,
        region_code=code or None,
        postal_code=row.postcode or None,
        country_code=CountryCode(row.country_id) if row.country_id and _is_country(row.country_id) else None,
        phone=row.telephone or None,
    )


def _is_country(code: str) -> bool:
    return re.fullmatch(r"[A-Z]{2}", code, re.ASCII) is not None


def profile(row: wire.CustomerRow, home: Home) -> CustomerProfile:
    rows = sorted(row.addresses or (), key=lambda one: not one.default_billing)
    addresses: list[Address] = []
    for one in map(address, rows):
        if one is not None and one not in addresses:
            addresses.append(one)
    return CustomerProfile(
        id=make_id("CustomerProfile", home.store, str(row.id)),
        source=home.source(
            str(row.id),
            admin=home.admin_link(f"customer/index/edit/id/{row.id}"),
            raw={"group_id": row.group_id, "website_id": row.website_id},
        ),
        addresses=addresses,
        display_name=" ".join(filter(None, (row.firstname, row.lastname))) or None,
        email=row.email or None,
        phone=next((one.telephone for one in rows if one.telephone), None),
        created_at=instant(row.created_at, "customer.created_at"),
        first_name=row.firstname or None,
        last_name=row.lastname or None,
        owner=email_or_none(row.email),
    )


# ---------------------------------------------------------------------------------------------------------- products

# https://developer.adobe.com/commerce/webapi/rest/tutorials/ ("status": 1 enabled, 2 disabled)
PRODUCT_STATUS: Mapping[int, ProductStatus] = {1: ProductStatus.ACTIVE, 2: ProductStatus.DRAFT}


@dataclass(frozen=True, slots=True)
class Shop:
    """What products leave to the shop. None: it would not say."""

    currency: str | None = None
    #: Where pictures are, without a slash at the end.
    media: str | None = None


def product(
    row: wire.ProductRow, home: Home, shop: Shop, now: datetime, below: Sequence[wire.ProductRow] | None
) -> Product:
    """`below`: the products a configurable is sold as; None where it is sold as itself."""
    variants = [_variant(one, row, home, shop, now) for one in ([row] if below is None else below)]
    prices = [variant.price for variant in variants if variant.price is not None]
    custom = _custom(row)
    return Product(
        id=make_id("Product", home.store, str(row.id)),
        source=home.source(
            str(row.id),
            admin=home.admin_link(f"catalog/product/edit/id/{row.id}"),
            raw={"sku": row.sku, "type_id": row.type_id, "status": row.status},
        ),
        title=row.name or row.sku,
        status=PRODUCT_STATUS.get(row.status or 0, ProductStatus.UNKNOWN),
        images=_images(row, shop),
        handle=custom.get("url_key") or None,
        description=plain_text(custom.get("description") or custom.get("short_description") or "") or None,
        product_type=None,
        price_min=min(prices, key=lambda price: price.amount, default=None),
        price_max=max(prices, key=lambda price: price.amount, default=None),
        all_variants=variants,
    )


def _custom(row: wire.ProductRow) -> Mapping[str, str]:
    """The attributes that hold one text."""
    return {one.attribute_code: one.value for one in row.custom_attributes or () if isinstance(one.value, str)}


def _variant(row: wire.ProductRow, of: wire.ProductRow, home: Home, shop: Shop, now: datetime) -> Variant:
    regular, special = _prices(row, home, now)
    stock = row.extension_attributes.stock_item if row.extension_attributes else None
    images = _images(row, shop)

    def money(amount: Decimal | None) -> Money | None:
        return None if amount is None or shop.currency is None else Money.of(amount, shop.currency)

    on_offer = stock.is_in_stock if stock else None
    counted = stock is not None and stock.manage_stock is not False and stock.qty is not None
    return Variant(
        id=make_id("Variant", home.store, str(of.id), str(row.id)),
        title=row.name or row.sku,
        sku=row.sku,
        price=money(regular if special is None else special),
        compare_at_price=money(regular) if special is not None else None,
        available=False if row.status == 2 else on_offer,
        inventory_quantity=int(stock.qty) if stock is not None and counted and stock.qty is not None else None,
        image=images[0] if images else None,
    )


def _prices(row: wire.ProductRow, home: Home, now: datetime) -> tuple[Decimal | None, Decimal | None]:
    """The regular price, and a lower special one on the days it holds, which are the store's own."""
    custom = _custom(row)
    text = custom.get("special_price", "")
    if row.price is None or not re.fullmatch(r"\d{1,18}(\.\d{1,18})?", text, re.ASCII):
        return row.price, None
    today = now.astimezone(ZoneInfo(home.time_zone)).date().isoformat()
    begins, ends = custom.get("special_from_date", "")[:10], custom.get("special_to_date", "")[:10]
    special = Decimal(text)
    holds = (not begins or begins <= today) and (not ends or today <= ends) and special < row.price
    return row.price, special if holds else None


def _images(row: wire.ProductRow, shop: Shop) -> list[Image]:
    found = []
    for one in row.media_gallery_entries or ():
        if one.media_type not in (None, "image") or one.disabled or not one.file or shop.media is None:
            continue
        url = web_address(f"{shop.media}/catalog/product/{one.file.lstrip('/')}")
        if url:
            found.append(Image(url=url, alt=one.label or None))
    return found


def plain_text(markup: str) -> str:
    """A description without its markup; a paragraph or break is a new line."""
    text = re.sub(r"<(script|style)\b.*?</\1\s*>", "", markup, flags=re.IGNORECASE | re.DOTALL)
    text = re.sub(r"</(p|div|li|h[1-6])\s*>|<br\s*/?>", "\n", text, flags=re.IGNORECASE)
    text = html.unescape(re.sub(r"<[^>]*>", "", text))
    return "\n".join(filter(None, (" ".join(line.split()) for line in text.splitlines())))
