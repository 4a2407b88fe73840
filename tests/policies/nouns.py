"""Orders and subscriptions as an adapter would build them, said in the few words a policy test needs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import ClassVar

from policies.asked import Asked, AskedLine, History
from policies.processor import PolicyProcessor
from schema.actions import Actor, Viewer
from schema.ids import make_id
from schema.order import Fulfillment, FulfillmentLine, LineQuantity, Order, OrderLine, OrderTotals
from schema.provenance import Capability, Source, Store, StoreHealth
from schema.returns import Refund, RefundLine
from schema.scalars import CurrencyCode
from schema.subscription import Subscription, SubscriptionLine
from schema.values import Interval, Money, MoneyPair
from schema.vocabulary import (
    ActionKind,
    ActorKind,
    AssuranceLevel,
    DeliveryStatus,
    FulfillmentKind,
    FulfillmentStatus,
    HealthStatus,
    IntervalUnit,
    MoneyMoved,
    OrderReturnStatus,
    OrderStatus,
    PaymentStatus,
    RefundDestination,
    RefundStatus,
    ReturnReason,
    SubscriptionStatus,
    SupportLevel,
    TimeBasis,
)

NOW = datetime(2026, 6, 15, 16, 0, tzinfo=UTC)
EXAMPLES = Path(__file__).parents[2] / "policies" / "examples"
ACME = Path(__file__).parents[2] / "sandbox" / "policies" / "acme.yaml"


class Quiet:
    """A store that tells nothing of itself."""

    refunds_on_cancel: ClassVar[bool] = True

    def health(self) -> StoreHealth:
        return StoreHealth(status=HealthStatus.OK)

    def capabilities_now(self) -> list[Capability]:
        return []


def store(key: str, zone: str, currency: str) -> Store:
    return Store(
        id=Store.id_of(key), name=key, platform="Shop", time_zone=zone, currency_code=CurrencyCode(currency),
        key=key, state=Quiet(),
    )  # fmt: skip


STORES = {
    "us": store("us", "America/New_York", "USD"),
    "eu": store("eu", "Europe/Berlin", "EUR"),
    "subs": store("subs", "America/New_York", "USD"),
}


def ago(**length: float) -> datetime:
    return NOW - timedelta(**length)


@dataclass
class Goods:
    """One line to be."""

    native: str = "1"
    title: str = "Linen Shirt"
    price: str = "40.00"
    ordered: int = 1
    returned: int = 0
    fulfilled: int | None = 1
    returnable: int | None = None
    refundable: int | None = None
    tags: list[str] | None = field(default_factory=list)
    type: str | None = "Shirts"
    delivered: datetime | None = None
    shipped: datetime | None = None
    estimated: bool = False


def order(
    *goods: Goods,
    key: str = "us",
    status: OrderStatus = OrderStatus.OPEN,
    payment: PaymentStatus = PaymentStatus.PAID,
    fulfillment: FulfillmentStatus = FulfillmentStatus.FULFILLED,
    placed: datetime | None = None,
    disputed: bool | None = None,
    segments: list[str] | None = None,
    customer_tags: list[str] | None = None,
    parcels_read: bool = True,
    rate: str | None = None,
    presentment: str = "CAD",
    refunded: str = "0",
    captured: str | None = None,
    paid_back: Sequence[tuple[int, int]] = (),
    refunds_read: bool = True,
) -> Order:
    """An order of one store. `refunded` and `captured` (all, where left out) are in the store's own currency;
    `paid_back` names lines by place with units, in one refund."""
    currency = STORES[key].currency_code

    def money(amount: Decimal) -> MoneyPair:
        if rate is None:
            return MoneyPair.same(amount, currency)
        return MoneyPair(presentment=Money.of(amount * Decimal(rate), presentment), shop=Money.of(amount, currency))

    lines, parcels = [], []
    total = Decimal(0)
    for each in goods:
        value = Decimal(each.price) * each.ordered
        total += value
        line = OrderLine(
            id=make_id("OrderLine", key, "1", each.native),
            title=each.title,
            quantity=LineQuantity(
                ordered=each.ordered, current=each.ordered, returned=each.returned, fulfilled=each.fulfilled,
                returnable=each.returnable, refundable=each.refundable,
            ),
            unit_price=money(Decimal(each.price)),
            total=money(value),
            is_gift_card=False,
            native_id=each.native,
            product_tags=each.tags,
            product_type=each.type,
        )  # fmt: skip
        lines.append(line)
        if each.delivered or each.shipped:
            basis = TimeBasis.DELIVERED_ESTIMATED if each.estimated else TimeBasis.DELIVERED
            parcels.append(
                Fulfillment(
                    id=make_id("Fulfillment", key, each.native), kind=FulfillmentKind.SHIPPING,
                    status=DeliveryStatus.DELIVERED, lines=[FulfillmentLine(line=line, quantity=each.ordered)],
                    shipped_at=each.shipped, delivered_at=each.delivered,
                    delivered_at_basis=basis if each.delivered else None,
                )
            )  # fmt: skip
    back = Decimal(refunded)
    made = [
        Refund(
            id=make_id("Refund", key, "1", "77"), status=RefundStatus.COMPLETED, amount=money(back),
            destination=RefundDestination.ORIGINAL_PAYMENT, money_moved=MoneyMoved.YES, created_at=ago(days=1),
            lines=[
                RefundLine(line=lines[place], quantity=units, amount=money(Decimal(0)).presentment)
                for place, units in paid_back
            ],
        )
    ]  # fmt: skip
    return Order(
        id=make_id("Order", key, "1"),
        source=Source(store=STORES[key], native_id="1", fetched_at=NOW),
        number="1001",
        status=status,
        payment_status=payment,
        fulfillment_status=fulfillment,
        return_status=OrderReturnStatus.NONE,
        native_status="open",
        placed_at=placed or ago(days=6),
        totals=OrderTotals(
            subtotal=money(total),
            total=money(total),
            refunded=money(back),
            refundable=money((total if captured is None else Decimal(captured)) - back),
        ),
        lines=lines,
        fulfillments=parcels if parcels_read else None,
        returns=[],
        refunds=(made if back or paid_back else []) if refunds_read else None,
        shipping_address=None,
        billing_address=None,
        status_url=None,
        disputed=disputed,
        customer_segments=segments if segments is not None else [],
        customer_tags=customer_tags if customer_tags is not None else [],
    )


def subscription(
    *,
    status: SubscriptionStatus = SubscriptionStatus.ACTIVE,
    cycles: int | None = 4,
    next_billing: date | None = None,
    payment_failed: bool = False,
) -> Subscription:
    month = Interval(unit=IntervalUnit.MONTH, count=1)
    return Subscription(
        id=make_id("SubscriptionContract", "subs", "9001"),
        source=Source(store=STORES["subs"], native_id="9001", fetched_at=NOW),
        status=status,
        native_status="active",
        lines=[SubscriptionLine(title="Coffee", quantity=1, price=Money.of("18.00", "USD"))],
        billing_interval=month,
        delivery_interval=month,
        payment_failed=payment_failed,
        next_billing_at=next_billing,
        cycles_completed=cycles,
        created_at=ago(days=70),
        origin_order_ref=None,
    )


def viewer(assurance: AssuranceLevel = AssuranceLevel.STAFF, kind: ActorKind = ActorKind.STAFF) -> Viewer:
    return Viewer(actor=Actor(kind=kind, name="someone"), assurance=assurance)


SHOPPER = viewer(AssuranceLevel.VERIFIED, ActorKind.CUSTOMER)
STAFF = viewer()
NOBODY_YET = History()


def load(text: str, folder: Path, name: str = "policy.yaml") -> PolicyProcessor:
    """A processor over one written policy."""
    file = folder / name
    file.write_text(text)
    return PolicyProcessor.load(file, STORES)


def asked_return(
    of: Order,
    *rows: tuple[int, int] | int,
    reason: ReturnReason | None = ReturnReason.UNWANTED,
    **more: object,
) -> Asked:
    """A return of lines by place, with a quantity where it is not 1."""
    picked: Sequence[tuple[int, int]] = [row if isinstance(row, tuple) else (row, 1) for row in rows or (0,)]
    lines = tuple(AskedLine(of.lines[place], quantity, reason, **more_line(more)) for place, quantity in picked)
    rest = {name: value for name, value in more.items() if name != "condition"}
    return Asked(ActionKind.RETURN_ORDER, of.source.store, order=of, lines=lines, **rest)  # type: ignore[arg-type]


def more_line(more: dict[str, object]) -> dict[str, object]:
    return {"condition": more["condition"]} if "condition" in more else {}


def asked(kind: ActionKind, subject: Order | Subscription, **more: object) -> Asked:
    if isinstance(subject, Order):
        return Asked(kind, subject.source.store, order=subject, **more)  # type: ignore[arg-type]
    return Asked(kind, subject.source.store, subscription=subject, **more)  # type: ignore[arg-type]


def can(kind: ActionKind, level: SupportLevel = SupportLevel.NATIVE) -> Capability:
    return Capability(action=kind, support=level)
