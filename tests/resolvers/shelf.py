"""A store whose orders lie on a shelf in memory, that answers, waits and fails as it is told."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from platforms.base import OrdersQuery, Page, Person, Platform, Probe, Row, StoreConfig, healthy
from platforms.errors import PlatformError
from schema.customer import CustomerProfile
from schema.emails import Email, canonical_email
from schema.ids import make_id
from schema.order import LineQuantity, Order, OrderLine, OrderTotals
from schema.parts import NOT_LOADED, OrderParts
from schema.provenance import StoreHealth
from schema.returns import Refund, Return
from schema.values import Address, Money, MoneyPair
from schema.vocabulary import (
    FulfillmentStatus,
    MoneyMoved,
    OrderReturnStatus,
    OrderStatus,
    PaymentStatus,
    RecordHolder,
    RefundDestination,
    RefundStatus,
    ReturnResolution,
    ReturnStatus,
)

ADA = canonical_email("ada@example.com")
BOB = canonical_email("bob@example.com")
NOON = datetime(2026, 11, 1, 12, tzinfo=UTC)


@dataclass
class Boxed:
    """An order as the shelf keeps it."""

    number: int
    placed_at: datetime
    owner: Email | None = ADA
    #: When its returns were asked for; None: they cannot be read.
    returns: list[datetime] | None = field(default_factory=list)
    refunds: list[tuple[RefundStatus, str, datetime]] = field(default_factory=list)
    postal_code: str | None = None
    status: OrderStatus = OrderStatus.OPEN

    @property
    def place(self) -> tuple[datetime, int]:
        return self.placed_at, self.number


class Shelf(Platform):
    """A store that trusts nobody's filter: it hands out everybody's rows, and somebody above must sort them out."""

    name = "Shelf"
    Config = StoreConfig
    keeps_returns = True

    def __init__(self, key: str, orders: Sequence[Boxed] = (), *, at_most: int = 1000) -> None:
        super().__init__(StoreConfig(id=key, platform="shelf", currency="EUR"))
        self.orders_kept = list(orders)
        self.people: list[Email] = []
        self.order_counts: dict[Email, int] = {}
        #: The most rows of one page, whatever is asked for.
        self.at_most = at_most
        #: Raised instead of an answer.
        self.trouble: Callable[[], Exception | None] = lambda: None
        self.seconds = 0.0
        #: Every call, by the method's name.
        self.calls: list[str] = []
        self.parts: list[OrderParts] = []

    def health(self) -> StoreHealth:
        return healthy()

    async def _probe(self) -> Probe:
        return Probe()

    async def close(self) -> None:
        return None

    async def _called(self, what: str) -> None:
        self.calls.append(what)
        if self.seconds:
            await asyncio.sleep(self.seconds)
        if (trouble := self.trouble()) is not None:
            raise trouble

    async def profiles(self, emails: Sequence[Email]) -> Mapping[Email, Sequence[CustomerProfile]]:
        await self._called("profiles")
        return {email: [self._profile(email)] for email in emails if email in self.people}

    def _profile(self, email: Email) -> CustomerProfile:
        return CustomerProfile(
            id=make_id("CustomerProfile", self.config.id, email),
            source=self.source(email),
            display_name=email.partition("@")[0].title(),
            email=email,
            owner=email,
            order_count=self.order_counts.get(email),
            total_spent=Money.of("12.50", "EUR"),
        )

    async def orders_of(self, person: Person, query: OrdersQuery, parts: OrderParts) -> Page[Order]:
        await self._called("orders_of")
        self.parts.append(parts)
        rows = sorted(self.orders_kept, key=lambda box: box.place, reverse=True)
        if query.after is not None:
            day, _, number = query.after.partition("|")
            behind = (datetime.fromisoformat(day), int(number))
            rows = [box for box in rows if box.place < behind]
        taken = rows[: min(query.first, self.at_most)]
        shown = [Row(self._order(box, parts), _position(box)) for box in taken]
        shown = [row for row in shown if query.admits(row.node)]
        end = _position(taken[-1]) if taken and not shown else None
        return Page(shown, len(rows) > len(taken), end)

    async def orders_by_number(self, number: str, parts: OrderParts) -> Sequence[Order]:
        await self._called("orders_by_number")
        self.parts.append(parts)
        return [self._order(box, parts) for box in self.orders_kept if str(box.number) == number]

    async def orders(self, ids: Sequence[str], parts: OrderParts) -> Mapping[str, Order]:
        await self._called("orders")
        self.parts.append(parts)
        return {str(box.number): self._order(box, parts) for box in self.orders_kept if str(box.number) in ids}

    def _order(self, box: Boxed, parts: OrderParts) -> Order:
        store, native = self.config.id, str(box.number)
        nothing = MoneyPair.same("0.00", "EUR")
        address = Address(postal_code=box.postal_code) if box.postal_code else None
        order = Order(
            id=make_id("Order", store, native),
            source=self.source(native),
            number=native,
            status=box.status,
            payment_status=PaymentStatus.PAID,
            fulfillment_status=FulfillmentStatus.FULFILLED,
            return_status=OrderReturnStatus.UNKNOWN,
            native_status="open",
            placed_at=box.placed_at,
            totals=OrderTotals(subtotal=nothing, total=nothing, refunded=nothing, refundable=nothing),
            email=box.owner,
            owner=box.owner,
            lines=[_line(store, native)] if OrderParts.LINES in parts else NOT_LOADED,
            refunds=[] if OrderParts.REFUNDS in parts else NOT_LOADED,
            shipping_address=address if OrderParts.ADDRESSES in parts else NOT_LOADED,
            billing_address=None if OrderParts.ADDRESSES in parts else NOT_LOADED,
        )
        if OrderParts.RETURNS in parts:
            order.returns = None if box.returns is None else [self._return(order, at) for at in box.returns]
        if OrderParts.REFUNDS in parts:
            order.refunds = [
                Refund(
                    id=make_id("Refund", store, native, str(index)),
                    status=status,
                    amount=MoneyPair.same(amount, "EUR"),
                    destination=RefundDestination.ORIGINAL_PAYMENT,
                    money_moved=MoneyMoved.YES,
                    created_at=at,
                )
                for index, (status, amount, at) in enumerate(box.refunds)
            ]
        return order

    def _return(self, order: Order, at: datetime) -> Return:
        native = f"{at:%Y%m%d%H%M}"
        return Return(
            id=make_id("Return", self.config.id, order.source.native_id, native),
            source=self.source(native),
            status=ReturnStatus.APPROVED,
            native_status="open",
            held_by=RecordHolder.PLATFORM,
            order=order,
            lines=[],
            resolution=ReturnResolution.REFUND,
            requested_at=at,
        )


def _position(box: Boxed) -> str:
    return f"{box.placed_at.isoformat()}|{box.number}"


def _line(store: str, order: str) -> OrderLine:
    return OrderLine(
        id=make_id("OrderLine", store, order, "1"),
        title="Linen Shirt",
        quantity=LineQuantity(ordered=1, current=1, returned=0),
        unit_price=MoneyPair.same("10.00", "EUR"),
        total=MoneyPair.same("10.00", "EUR"),
        is_gift_card=False,
        native_id="1",
    )


def boxes(first: int, count: int, *, newest: datetime = NOON, apart: timedelta = timedelta(days=1)) -> list[Boxed]:
    """`count` orders, numbered from `first`, the first one the newest."""
    return [Boxed(first + index, newest - index * apart) for index in range(count)]


def always(error: PlatformError) -> Callable[[], PlatformError]:
    return lambda: error
