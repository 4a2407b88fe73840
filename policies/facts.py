"""The closed vocabulary a rule may speak of: each fact's type, source, example, reader, and who may see it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import ROUND_HALF_UP, Decimal
from enum import Enum
from functools import lru_cache
from typing import Any, Final, NamedTuple, TypeAlias
from zoneinfo import ZoneInfo

from babel.numbers import get_currency_precision

from policies.asked import Asked, AskedLine, History
from schema.actions import Viewer
from schema.order import Order, OrderLine
from schema.parts import OrderParts, SubscriptionParts
from schema.subscription import Subscription
from schema.values import Money
from schema.vocabulary import (
    ActionKind,
    ActorKind,
    AssuranceLevel,
    CancelReason,
    FulfillmentStatus,
    ItemCondition,
    OrderReturnStatus,
    OrderStatus,
    PaymentStatus,
    RefundChoice,
    RefundStatus,
    RequestedResolution,
    RequestFact,
    ReturnReason,
    SubscriptionStatus,
    TimeBasis,
    Word,
)


@lru_cache(maxsize=64)
def _precision(currency: str) -> Decimal:
    return Decimal(1).scaleb(-get_currency_precision(currency))


def smallest_unit(currency: str) -> Decimal:
    """The least amount of a currency that can be paid."""
    return _precision(currency)


def rounded(amount: Decimal, currency: str) -> Decimal:
    """An amount in the digits of its currency, halves up."""
    return amount.quantize(_precision(currency), ROUND_HALF_UP)


class Absent(Word):
    """Why a fact has no value. Never None: a missing value must not look like one."""

    #: The store does not say, or it could not be read.
    UNKNOWN = "unknown"
    #: A detail of the request that was not told yet; only while eligibility is worked out.
    UNSAID = "unsaid"


UNKNOWN: Final = Absent.UNKNOWN
UNSAID: Final = Absent.UNSAID


class FactType(Enum):
    """The plain types of facts; enums have a type each, by the enum itself."""

    TEXT = "text"
    TEXTS = "list of texts"
    INT = "whole number"
    BOOL = "true or false"
    TIME = "instant"
    MONEY = "money in the store's currency"


Type: TypeAlias = FactType | type[Enum]


class Audience(Enum):
    """Who may see a fact, or be told a rule."""

    EVERYONE = "everyone"
    STAFF = "staff"


ORDER_KINDS: Final = frozenset({ActionKind.CANCEL_ORDER, ActionKind.RETURN_ORDER, ActionKind.REFUND_ORDER})
SUBSCRIPTION_KINDS: Final = frozenset(ActionKind) - ORDER_KINDS
ALL_KINDS: Final = frozenset(ActionKind)
_RETURN: Final = frozenset({ActionKind.RETURN_ORDER})
_PAUSE: Final = frozenset({ActionKind.PAUSE_SUBSCRIPTION})

#: Words that stand for several, for `in`.
SETS: Final[Mapping[str, tuple[ReturnReason, ...]]] = {
    "MERCHANT_FAULT": (
        ReturnReason.DEFECTIVE,
        ReturnReason.DAMAGED_IN_TRANSIT,
        ReturnReason.NOT_AS_DESCRIBED,
        ReturnReason.WRONG_ITEM,
    ),
    "CHANGE_OF_MIND": (
        ReturnReason.UNWANTED,
        ReturnReason.COLOR,
        ReturnReason.STYLE,
        ReturnReason.SIZE_TOO_SMALL,
        ReturnReason.SIZE_TOO_LARGE,
    ),
    "WRONG_SIZE": (ReturnReason.SIZE_TOO_SMALL, ReturnReason.SIZE_TOO_LARGE),
}


@dataclass(frozen=True, slots=True)
class FactSpec:
    """One fact. `read` gives None where the value is not known."""

    name: str
    type: Type
    description: str
    #: Where it comes from, in one phrase.
    source: str
    #: As it would be written in a case.
    example: str
    audience: Audience
    read: Callable[[Facts], Any]
    actions: frozenset[ActionKind] = ALL_KINDS
    #: One value for each line of an order.
    per_line: bool = False
    #: Worked out from other facts, so a case that gives those need not give it.
    derived: bool = False
    #: What the asker says: nobody has checked it.
    claim: bool = False
    #: The detail of a request behind it.
    request: RequestFact | None = None
    order_parts: OrderParts = OrderParts.NONE
    subscription_parts: SubscriptionParts = SubscriptionParts.NONE
    #: Only where a window has been looked at: in `offer` and in messages.
    window_only: bool = False
    #: For an instant: which event of a window it is.
    basis: TimeBasis | None = None

    @property
    def type_name(self) -> str:
        return self.type.value if isinstance(self.type, FactType) else self.type.__name__

    @property
    def cel_type(self) -> str:
        """The type in CEL's words."""
        if not isinstance(self.type, FactType):
            return self.type.__name__
        return {
            FactType.TEXT: "string",
            FactType.TEXTS: "list(string)",
            FactType.INT: "int",
            FactType.BOOL: "bool",
            FactType.TIME: "timestamp",
            FactType.MONEY: "double",
        }[self.type]


class Shipped:
    """When each line of an order last left and last arrived, by the line's native id."""

    __slots__ = ("delivered", "last_delivered", "last_shipped", "shipped", "unread")

    def __init__(self, order: Order) -> None:
        self.shipped: dict[str, datetime] = {}
        #: With whether the time was worked out rather than reported.
        self.delivered: dict[str, tuple[datetime, bool]] = {}
        self.last_shipped: datetime | None = None
        self.last_delivered: tuple[datetime, bool] | None = None
        fulfillments = order.fulfillments
        self.unread = fulfillments is None
        for parcel in fulfillments or ():
            shipped, delivered = parcel.shipped_at, parcel.delivered_at
            estimated = parcel.delivered_at_basis is TimeBasis.DELIVERED_ESTIMATED
            if shipped and (self.last_shipped is None or shipped > self.last_shipped):
                self.last_shipped = shipped
            if delivered and (self.last_delivered is None or delivered > self.last_delivered[0]):
                self.last_delivered = (delivered, estimated)
            for row in parcel.lines:
                key = row.line.native_id
                if shipped and (key not in self.shipped or shipped > self.shipped[key]):
                    self.shipped[key] = shipped
                if delivered and (key not in self.delivered or delivered > self.delivered[key][0]):
                    self.delivered[key] = (delivered, estimated)


class Purse(NamedTuple):
    """The money behind a request, all of it in the currency the customer paid in, so that it can be compared."""

    currency: str
    #: What would be paid back; None where that is not known, or is in another currency.
    asked: Decimal | None
    #: Captured less refunded, and refunded, as the platform says.
    refundable: Decimal
    refunded: Decimal
    #: What this gateway has paid back of the order or is paying back.
    paid_here: Decimal = Decimal(0)
    #: A refund that is not ours appeared since this was first asked for.
    refunded_outside: bool = False
    #: The currency of a request that is in another one.
    foreign: str | None = None

    @property
    def left(self) -> Decimal:
        """What can still be paid back, by the platform's ledger and by ours, whichever is less."""
        return min(self.refundable, self.refunded + self.refundable - self.paid_here)


@dataclass(frozen=True, slots=True)
class Rate:
    """The order's own rate: its total as the customer saw it, and in the store's currency."""

    currency: str
    presentment: Decimal
    shop: Decimal

    def presented(self, amount: Decimal, shop_currency: str) -> Money:
        """An amount of the store's currency in the customer's."""
        if self.currency != shop_currency and self.shop:
            amount = amount * self.presentment / self.shop
        return Money.of(rounded(amount, self.currency), self.currency)

    def in_shop(self, amount: Decimal, shop_currency: str) -> Money:
        """An amount of the customer's currency in the store's."""
        if self.currency != shop_currency and self.presentment:
            amount = rounded(amount * self.shop / self.presentment, shop_currency)
        return Money.of(amount, shop_currency)


class Facts(dict[str, Any]):
    """The facts of one asked-for thing, or of one line of it; each is read when it is first looked at.

    A line's facts stand on those of the whole (`above`), so what is common is read once.
    """

    __slots__ = (
        "_shipped", "_today", "above", "asked", "asked_line", "currency", "fixed", "found", "history", "kind", "least",
        "line", "now", "order", "subscription", "touched", "viewer", "zone",
    )  # fmt: skip

    def __init__(
        self,
        asked: Asked | None,
        history: History,
        viewer: Viewer | None,
        now: datetime,
        zone: ZoneInfo,
        currency: str,
        *,
        above: Facts | None = None,
        asked_line: AskedLine | None = None,
        fixed: Facts | None = None,
    ) -> None:
        self.asked = asked
        self.order: Order | None = asked.order if asked else None
        self.subscription: Subscription | None = asked.subscription if asked else None
        self.history = history
        self.viewer = viewer
        self.now = now
        self.zone = zone
        #: The store's own.
        self.currency = currency
        self.above = above
        self.asked_line = asked_line
        self.line: OrderLine | None = asked_line.line if asked_line else None
        self.kind: ActionKind | None = asked.kind if asked else None
        #: Where quantity or amount were not told yet: the least that would be worth. The request has the most.
        self.least: Decimal | None = None
        #: Details of the request that an answer waited for.
        self.touched: set[RequestFact] = above.touched if above is not None else set()
        self._shipped: Shipped | None = None
        self._today: date | None = None
        #: Where many requests are about the same thing: the facts of the first of them, which has read them for all.
        self.fixed = fixed
        #: Of those: what was found over them, by all that it hangs on besides.
        self.found: dict[object, Any] = {}

    def of_line(self, asked_line: AskedLine, fixed: Facts | None = None) -> Facts:
        """The facts of one line."""
        return Facts(
            self.asked,
            self.history,
            self.viewer,
            self.now,
            self.zone,
            self.currency,
            above=self,
            asked_line=asked_line,
            fixed=fixed,
        )

    def __missing__(self, name: str) -> Any:
        above, fixed = self.above, self.fixed
        if fixed is not None and fixed is not self and name not in OF_REQUEST:
            value = fixed[name]
        elif above is None or name in _PER_LINE:
            value = _READ[name](self)
            if value is None:
                value = UNKNOWN
        else:
            value = above[name]
        self[name] = value
        return value

    def known(self, name: str) -> Any:
        """The value, or None where there is none."""
        value = self[name]
        return None if value is UNKNOWN or value is UNSAID else value

    def least_amount(self) -> Decimal | None:
        """The least money the request may turn out to be about; None where its amount is settled."""
        return self.above.least if self.above is not None else self.least

    def touch(self, detail: RequestFact) -> None:
        """An answer waited for this detail of the request; of a refund the money is a detail of its own."""
        refund = self.kind is ActionKind.REFUND_ORDER and detail is RequestFact.QUANTITY
        self.touched.add(RequestFact.AMOUNT if refund else detail)

    @property
    def line_id(self) -> str | None:
        """The native id of the line these facts are of."""
        return self.line.native_id if self.line is not None else None

    @property
    def units(self) -> int | None:
        """Units of the line that the request names; None where it names no lines."""
        if self.asked_line is None or self.asked is None or not self.asked.lines:
            return None
        return self.asked_line.quantity

    def value(self) -> Decimal | None:
        """What the asked-for units of this line, or the whole request, are worth in the store's currency.

        Of a refund no line is worth more than all that is asked for.
        """
        money = self.amount()
        if self.above is None:
            return None if money is None else money.amount
        worth = self.line_worth()
        if self.kind is not ActionKind.REFUND_ORDER or worth is None:
            return worth
        return None if money is None else min(worth, money.amount)

    def amount(self) -> Money | None:
        """The money of the whole request in the store's currency, whether it was told yet or not."""
        if self.above is not None:
            return self.above.amount()
        return _request_amount(self)

    def line_worth(self) -> Decimal | None:
        """What the units of this line are worth in the store's currency."""
        return line_value(self.asked_line.line, self.asked_line.quantity) if self.asked_line is not None else None

    def rate(self) -> Rate | None:
        """How the customer's currency stands to the store's; None where there is no order."""
        if self.order is None:
            return None
        total = self.order.totals.total
        return Rate(total.presentment.currency_code, total.presentment.amount, total.shop.amount)

    def presented(self, amount: Decimal) -> Money:
        """An amount of the store's currency in the currency of the customer, at the order's own rate."""
        rate = self.rate()
        if rate is None:
            return Money.of(rounded(amount, self.currency), self.currency)
        return rate.presented(amount, self.currency)

    def purse(self) -> Purse | None:
        """The money of a refund, or of a cancellation that pays back; None where none moves, or nothing is known."""
        asked, order = self.asked, self.order
        if asked is None or order is None:
            return None
        cancels = asked.kind is ActionKind.CANCEL_ORDER
        if cancels and (asked.refund is RefundChoice.NONE or not asked.store.state.refunds_on_cancel):
            return None
        refundable, refunded = order.totals.refundable.presentment, order.totals.refunded.presentment
        wanted = refundable if cancels else asked.amount
        alike = wanted is not None and wanted.currency_code == refundable.currency_code
        return Purse(
            currency=refundable.currency_code,
            asked=wanted.amount if wanted is not None and alike else None,
            refundable=refundable.amount,
            refunded=refunded.amount,
            paid_here=asked.paid_here,
            refunded_outside=asked.refunded_outside,
            foreign=wanted.currency_code if wanted is not None and not alike else None,
        )

    def unrefunded(self) -> int | None:
        """Units of the line not paid back yet: as the store says, else by the refunds that were read; None: unknown."""
        line = _line(self)
        if line.quantity.refundable is not None:
            return line.quantity.refundable
        refunds = _order(self).refunds
        if refunds is None:
            return None
        paid = sum(
            row.quantity
            for refund in refunds
            if refund.status is not RefundStatus.FAILED
            for row in refund.lines
            if row.line.native_id == line.native_id
        )
        return max(0, line.quantity.ordered - paid)

    @property
    def cancelled(self) -> bool | None:
        """Whether the order is cancelled; None: not known."""
        status = self["order.status"]
        return None if isinstance(status, Absent) else status is OrderStatus.CANCELLED

    def shipped(self) -> Shipped | None:
        whole = self if self.above is None else self.above
        if whole.fixed is not None:
            whole = whole.fixed
        if whole._shipped is None and whole.order is not None:
            whole._shipped = Shipped(whole.order)
        return whole._shipped

    @property
    def parcels_unread(self) -> bool:
        """Whether the parcels could not be read, so that nothing is known of shipping."""
        shipped = self.shipped()
        return shipped is not None and shipped.unread

    @property
    def today(self) -> date:
        """The local day of `now`."""
        if self.above is not None:
            return self.above.today
        if self._today is None:
            self._today = self.local_date(self.now)
        return self._today

    def local_date(self, instant: datetime) -> date:
        return instant.astimezone(self.zone).date()


class Ground:
    """What requests for one action on one thing share: facts of the thing are read by the first, for all."""

    def __init__(self, whole: Facts, lines: Iterable[Facts]) -> None:
        whole.fixed = whole
        self.whole = whole
        self._lines: dict[int, Facts] = {}
        for facts in lines:
            facts.fixed = self._lines[id(facts.line)] = facts

    def line_of(self, whole: Facts, row: AskedLine) -> Facts:
        """The facts of a line of another request."""
        first = self._lines.get(id(row.line))
        facts = whole.of_line(row, first)
        if first is None:
            facts.fixed = self._lines[id(row.line)] = facts
        return facts


class GivenFacts(Facts):
    """The facts of a written case: what it leaves out takes its example value, unless it follows from the others."""

    __slots__ = ()

    def __missing__(self, name: str) -> Any:
        spec = FACTS[name]
        if spec.derived:
            return super().__missing__(name)
        value = parse_value(spec, spec.example, self.currency)
        self[name] = value
        return value

    def of_line(self, asked_line: AskedLine, fixed: Facts | None = None) -> Facts:
        raise NotImplementedError("a case gives its line's facts itself")

    @property
    def units(self) -> int | None:
        return self.known("request.quantity") or 1

    def value(self) -> Decimal | None:
        money: Money | None = self.known("request.amount")
        return None if money is None else money.amount

    def purse(self) -> Purse | None:
        left, asked = self.known("order.refundable"), self.known("request.amount")
        if left is None:
            return None
        refunded = self.known("order.refunded")
        return Purse(
            currency=self.currency,
            asked=asked.amount if asked is not None else None,
            refundable=left.amount,
            refunded=refunded.amount if refunded is not None else Decimal(0),
        )

    def unrefunded(self) -> int | None:
        left: int | None = self.known("line.refundable")
        return left


# ------------------------------------------------------------------------------------------------ the vocabulary

_SPECS: dict[str, FactSpec] = {}


def _fact(
    name: str,
    type_: Type,
    example: str,
    source: str,
    read: Callable[[Facts], Any],
    description: str,
    *,
    staff: bool = False,
    **more: Any,
) -> None:
    audience = Audience.STAFF if staff else Audience.EVERYONE
    if name.startswith(("order.", "line.", "customer.")):
        more.setdefault("actions", ORDER_KINDS)
    if name.startswith("line."):
        more.setdefault("per_line", True)
        more["order_parts"] = more.get("order_parts", OrderParts.NONE) | OrderParts.LINES
    if name.startswith("subscription."):
        more.setdefault("actions", SUBSCRIPTION_KINDS)
    _SPECS[name] = FactSpec(name, type_, description, source, example, audience, read, **more)


def _order(facts: Facts) -> Order:
    if facts.order is None:
        raise LookupError("there is no order here")
    return facts.order


def _line(facts: Facts) -> OrderLine:
    if facts.line is None:
        raise LookupError("there is no line here")
    return facts.line


def _subscription(facts: Facts) -> Subscription:
    if facts.subscription is None:
        raise LookupError("there is no subscription here")
    return facts.subscription


def _said(value: Enum | None) -> Enum | None:
    """A word of a vocabulary; UNKNOWN is the absence of one."""
    return None if value is None or value._name_ == "UNKNOWN" else value


def _shipped_at(facts: Facts) -> datetime | None:
    shipped = facts.shipped()
    return shipped.shipped.get(_line(facts).native_id) if shipped else None


def _delivered_at(facts: Facts) -> datetime | None:
    shipped = facts.shipped()
    found = shipped.delivered.get(_line(facts).native_id) if shipped else None
    return found[0] if found else None


def _delivered_estimated(facts: Facts) -> bool | None:
    shipped = facts.shipped()
    found = shipped.delivered.get(_line(facts).native_id) if shipped else None
    return found[1] if found else None


def _order_shipped_at(facts: Facts) -> datetime | None:
    shipped = facts.shipped()
    return shipped.last_shipped if shipped else None


def _order_delivered_at(facts: Facts) -> datetime | None:
    shipped = facts.shipped()
    return shipped.last_delivered[0] if shipped and shipped.last_delivered else None


def _days_since(name: str) -> Callable[[Facts], int | None]:
    def read(facts: Facts) -> int | None:
        at = facts.known(name)
        return None if at is None else (facts.today - facts.local_date(at)).days

    return read


def _minutes_since_placed(facts: Facts) -> int | None:
    at = facts.known("order.placed_at")
    return None if at is None else (facts.now - at) // timedelta(minutes=1)


def _returnable(facts: Facts) -> int | None:
    quantity = _line(facts).quantity
    if quantity.returnable is not None:
        return quantity.returnable
    return max(0, quantity.current - quantity.returned)


def start_of_day(day: date, zone: ZoneInfo) -> datetime:
    """The first instant of a local day, aware, in UTC."""
    return datetime.combine(day, time(), zone).astimezone(UTC)


def _next_billing_at(facts: Facts) -> datetime | None:
    day = _subscription(facts).next_billing_at
    return None if day is None else start_of_day(day, facts.zone)


def _until_billing(unit: timedelta) -> Callable[[Facts], int | None]:
    def read(facts: Facts) -> int | None:
        at = facts.known("subscription.next_billing_at")
        return None if at is None else (at - facts.now) // unit

    return read


def _pause_days(facts: Facts) -> int | None:
    until = facts.asked.until if facts.asked else None
    return None if until is None else (until - facts.today).days


def _open_ended(facts: Facts) -> bool | None:
    return facts.asked is not None and facts.asked.until is None


def _resolution(facts: Facts) -> RequestedResolution:
    return (facts.asked.resolution if facts.asked else None) or RequestedResolution.REFUND


def _refund(facts: Facts) -> RefundChoice:
    return (facts.asked.refund if facts.asked else None) or RefundChoice.ORIGINAL_PAYMENT


def _cancel_reason(facts: Facts) -> CancelReason | None:
    said = facts.asked.reason if facts.asked else None
    return CancelReason(said) if said in CancelReason.__members__ else CancelReason.CUSTOMER


def line_value(line: OrderLine, quantity: int) -> Decimal:
    """What units of a line were worth, in the store's currency, after discounts."""
    ordered = line.quantity.ordered
    if ordered <= 0:
        return Decimal(0)
    total = line.total.shop.amount
    return total if quantity >= ordered else total * quantity / ordered


def _left(facts: Facts) -> Money | None:
    money: Money | None = facts.known("order.refundable")
    return money


def _request_amount(facts: Facts) -> Money | None:
    asked = facts.asked
    if asked is None:  # a written case has one line
        if facts.kind is ActionKind.CANCEL_ORDER:
            none = facts["request.refund"] is RefundChoice.NONE
            return Money.of(0, facts.currency) if none else _left(facts)
        total, ordered, units = (facts.known(name) for name in ("line.total", "line.quantity", "request.quantity"))
        if total is None or not ordered or units is None:
            return None
        return Money.of(total.amount * units / ordered, total.currency_code)
    if asked.kind is ActionKind.REFUND_ORDER:
        rate = facts.rate()
        if asked.amount is None or asked.amount.currency_code == facts.currency:
            return asked.amount
        alike = rate is not None and rate.currency == asked.amount.currency_code
        return rate.in_shop(asked.amount.amount, facts.currency) if rate is not None and alike else None
    if asked.kind is ActionKind.CANCEL_ORDER:
        return Money.of(0, facts.currency) if asked.refund is RefundChoice.NONE else _left(facts)
    return Money.of(sum((line_value(row.line, row.quantity) for row in asked.lines), Decimal(0)), facts.currency)


_ORDER, _LINE, _SUBSCRIPTION = "the store's order", "the order's line", "the store's subscription"
_FULFILLMENTS = OrderParts.FULFILLMENTS

_fact("order.status", OrderStatus, "OPEN", _ORDER, lambda f: _said(_order(f).status), "Where the order stands.")
_fact(
    "order.payment_status", PaymentStatus, "PAID", _ORDER,
    lambda f: _said(_order(f).payment_status), "How far it has been paid, and paid back.",
)  # fmt: skip
_fact(
    "order.fulfillment_status", FulfillmentStatus, "FULFILLED", _ORDER,
    lambda f: _said(_order(f).fulfillment_status), "How far it has been sent out.",
)  # fmt: skip
_fact(
    "order.return_status", OrderReturnStatus, "NONE", _ORDER,
    lambda f: _said(_order(f).return_status), "How far its goods came back.", order_parts=OrderParts.RETURN_STATUS,
)  # fmt: skip
_fact(
    "order.placed_at", FactType.TIME, "2026-05-04T09:30:00Z", _ORDER,
    lambda f: _order(f).placed_at, "When it was ordered.", basis=TimeBasis.ORDERED,
)  # fmt: skip
_fact(
    "order.fulfilled_at", FactType.TIME, "2026-05-05T12:00:00Z", "the order's parcels",
    _order_shipped_at, "When its last parcel left.", order_parts=_FULFILLMENTS, basis=TimeBasis.FULFILLED,
)  # fmt: skip
_fact(
    "order.delivered_at", FactType.TIME, "2026-05-08T15:00:00Z", "the order's parcels",
    _order_delivered_at, "When its last delivered parcel arrived.", order_parts=_FULFILLMENTS,
    basis=TimeBasis.DELIVERED,
)  # fmt: skip
_fact(
    "order.minutes_since_placed", FactType.INT, "10080", "order.placed_at and the clock",
    _minutes_since_placed, "Whole minutes since it was ordered.", derived=True,
)  # fmt: skip
_fact(
    "order.days_since_placed", FactType.INT, "7", "order.placed_at and the clock",
    _days_since("order.placed_at"), "Local calendar days since it was ordered.", derived=True,
)  # fmt: skip
_fact(
    "order.total", FactType.MONEY, "80.00", _ORDER, lambda f: _order(f).totals.total.shop,
    "What it cost, before any refund.",
)  # fmt: skip
_fact(
    "order.refunded", FactType.MONEY, "0", _ORDER, lambda f: _order(f).totals.refunded.shop,
    "What was paid back so far.",
)  # fmt: skip
_fact(
    "order.refundable", FactType.MONEY, "80.00", _ORDER, lambda f: _order(f).totals.refundable.shop,
    "Captured less refunded, as the platform says now.",
)  # fmt: skip
_fact("order.tags", FactType.TEXTS, "[]", _ORDER, lambda f: _order(f).tags, "The merchant's tags on it.", staff=True)
_fact(
    "order.country", FactType.TEXT, "US", "the shipping address", lambda f: _order(f).shipping_country,
    "Where it was sent to: ISO 3166-1, two letters.",
)  # fmt: skip
_fact(
    "order.channel", FactType.TEXT, "web", _ORDER, lambda f: _order(f).channel,
    "Where it was sold, in the platform's word.",
)  # fmt: skip
_fact(
    "order.disputed", FactType.BOOL, "false", "the payment", lambda f: _order(f).disputed,
    "Whether the payment is disputed (a chargeback).", staff=True,
)  # fmt: skip
_fact(
    "customer.tags", FactType.TEXTS, "[]", "the customer's record", lambda f: _order(f).customer_tags,
    "The merchant's tags on the customer.", staff=True,
)  # fmt: skip
_fact(
    "customer.segments", FactType.TEXTS, "[]", "the customer's record", lambda f: _order(f).customer_segments,
    "Groups the customer is in.", staff=True,
)  # fmt: skip
_fact(
    "customer.refund_total_90d", FactType.MONEY, "0", "the ledger and the stores",
    lambda f: Money.of(f.history.refund_total_90d.get(f.currency, Decimal(0)), f.currency),
    "Paid back in 90 days in the store's currency; unfinished and waiting actions count.",
    staff=True, actions=ALL_KINDS,
)  # fmt: skip
_fact(
    "customer.refund_count_90d", FactType.INT, "0", "the ledger and the stores",
    lambda f: f.history.refund_count_90d, "Refunds in 90 days, over every store.", staff=True, actions=ALL_KINDS,
)  # fmt: skip
_fact(
    "customer.return_count_90d", FactType.INT, "0", "the ledger and the stores",
    lambda f: f.history.return_count_90d, "Returns in 90 days, over every store.", staff=True, actions=ALL_KINDS,
)  # fmt: skip
_fact("line.title", FactType.TEXT, "Linen Shirt", _LINE, lambda f: _line(f).title, "What the line is called.")
_fact("line.sku", FactType.TEXT, "LS-M", _LINE, lambda f: _line(f).sku, "The merchant's article number.")
_fact(
    "line.tags", FactType.TEXTS, "[]", "the product", lambda f: _line(f).product_tags, "The product's tags."
)  # fmt: skip
_fact("line.type", FactType.TEXT, "Shirts", "the product", lambda f: _line(f).product_type, "The product's type.")
_fact("line.vendor", FactType.TEXT, "Acme", "the product", lambda f: _line(f).vendor, "Who makes it.")
_fact(
    "line.price", FactType.MONEY, "40.00", _LINE, lambda f: _line(f).unit_price.shop,
    "For one unit, before discounts.",
)  # fmt: skip
_fact(
    "line.total", FactType.MONEY, "40.00", _LINE, lambda f: _line(f).total.shop,
    "For the line as ordered, after its discounts.",
)  # fmt: skip
_fact("line.quantity", FactType.INT, "1", _LINE, lambda f: _line(f).quantity.ordered, "Units ordered.")
_fact(
    "line.fulfilled", FactType.INT, "1", _LINE, lambda f: _line(f).quantity.fulfilled, "Units sent out."
)  # fmt: skip
_fact("line.delivered", FactType.INT, "1", _LINE, lambda f: _line(f).quantity.delivered, "Units that arrived.")
_fact(
    "line.returned", FactType.INT, "0", _LINE, lambda f: _line(f).quantity.returned,
    "Units in returns, open ones too.", order_parts=OrderParts.RETURNS,
)  # fmt: skip
_fact(
    "line.returnable", FactType.INT, "1", _LINE, _returnable,
    "Units that could still come back, as to the goods alone.", order_parts=OrderParts.RETURNS,
)  # fmt: skip
_fact(
    "line.refundable", FactType.INT, "1", _LINE, lambda f: _line(f).quantity.refundable,
    "Units not paid back yet.", order_parts=OrderParts.REFUNDS,
)  # fmt: skip
_fact("line.is_gift_card", FactType.BOOL, "false", _LINE, lambda f: _line(f).is_gift_card, "A gift card.")
_fact(
    "line.final_sale", FactType.BOOL, "false", _LINE, lambda f: _line(f).final_sale,
    "Whether the store itself sold it as final sale.",
)  # fmt: skip
_fact(
    "line.requires_shipping", FactType.BOOL, "true", _LINE, lambda f: _line(f).requires_shipping,
    "Goods that are sent, not a service or a download.",
)  # fmt: skip
_fact(
    "line.fulfilled_at", FactType.TIME, "2026-05-05T12:00:00Z", "the line's parcels", _shipped_at,
    "When its last parcel left.", order_parts=_FULFILLMENTS, basis=TimeBasis.FULFILLED,
)  # fmt: skip
_fact(
    "line.delivered_at", FactType.TIME, "2026-05-08T15:00:00Z", "the line's parcels", _delivered_at,
    "When its last delivered parcel arrived.", order_parts=_FULFILLMENTS, basis=TimeBasis.DELIVERED,
)  # fmt: skip
_fact(
    "line.delivered_estimated", FactType.BOOL, "false", "the line's parcels", _delivered_estimated,
    "Whether line.delivered_at was worked out rather than reported.", order_parts=_FULFILLMENTS,
)  # fmt: skip
_fact(
    "line.days_since_delivery", FactType.INT, "3", "line.delivered_at and the clock",
    _days_since("line.delivered_at"), "Local calendar days since it arrived.", derived=True,
    order_parts=_FULFILLMENTS,
)  # fmt: skip
_fact(
    "line.days_since_fulfillment", FactType.INT, "6", "line.fulfilled_at and the clock",
    _days_since("line.fulfilled_at"), "Local calendar days since it left.", derived=True, order_parts=_FULFILLMENTS,
)  # fmt: skip
_fact(
    "line.days_late", FactType.INT, "0", "the rule's window and the clock", lambda f: None,
    "Local calendar days since the rule's own window ended; 0 inside it.", derived=True, window_only=True,
    per_line=False,
)  # fmt: skip
_fact(
    "subscription.status", SubscriptionStatus, "ACTIVE", _SUBSCRIPTION,
    lambda f: _said(_subscription(f).status), "Where the subscription stands.",
)  # fmt: skip
_fact(
    "subscription.payment_failed", FactType.BOOL, "false", _SUBSCRIPTION, lambda f: _subscription(f).payment_failed,
    "The last payment failed and was not made good since.",
)  # fmt: skip
_fact(
    "subscription.cycles_completed", FactType.INT, "4", _SUBSCRIPTION, lambda f: _subscription(f).cycles_completed,
    "Paid deliveries so far.", subscription_parts=SubscriptionParts.CYCLES,
)  # fmt: skip
_fact(
    "subscription.min_cycles", FactType.INT, "1", _SUBSCRIPTION, lambda f: _subscription(f).min_cycles,
    "The least number of cycles the store itself agreed with the customer.",
)  # fmt: skip
_fact(
    "subscription.max_cycles", FactType.INT, "12", _SUBSCRIPTION, lambda f: _subscription(f).max_cycles,
    "The cycle after which it ends by itself.",
)  # fmt: skip
_fact(
    "subscription.next_billing_at", FactType.TIME, "2026-05-21T00:00:00Z", _SUBSCRIPTION, _next_billing_at,
    "The first instant of the local day on which it bills next.", basis=TimeBasis.NEXT_BILLING,
)  # fmt: skip
_fact(
    "subscription.hours_until_billing", FactType.INT, "230", "subscription.next_billing_at and the clock",
    _until_billing(timedelta(hours=1)), "Whole hours until that instant.", derived=True,
)  # fmt: skip
_fact(
    "subscription.days_until_billing", FactType.INT, "9", "subscription.next_billing_at and the clock",
    _until_billing(timedelta(days=1)), "Whole days until that instant.", derived=True,
)  # fmt: skip
_fact(
    "subscription.created_at", FactType.TIME, "2026-01-11T09:00:00Z", _SUBSCRIPTION,
    lambda f: _subscription(f).created_at, "When it was made.",
)  # fmt: skip
_fact(
    "subscription.days_since_created", FactType.INT, "120", "subscription.created_at and the clock",
    _days_since("subscription.created_at"), "Local calendar days since it was made.", derived=True,
)  # fmt: skip
_fact(
    "subscription.is_prepaid", FactType.BOOL, "false", _SUBSCRIPTION, lambda f: _subscription(f).is_prepaid,
    "Paid ahead for several deliveries.",
)  # fmt: skip
_fact(
    "request.reason", ReturnReason, "UNWANTED", "the asker",
    lambda f: _said(f.asked_line.reason) if f.asked_line else None, "Why the line comes back, as the asker says.",
    actions=_RETURN, per_line=True, claim=True, request=RequestFact.REASON,
)  # fmt: skip
_fact(
    "request.condition", ItemCondition, "UNOPENED", "the asker",
    lambda f: _said(f.asked_line.condition) if f.asked_line else None, "The goods' state, as the asker says.",
    actions=_RETURN, per_line=True, claim=True, request=RequestFact.CONDITION,
)  # fmt: skip
_fact(
    "request.quantity", FactType.INT, "1", "the asker", lambda f: f.asked_line.quantity if f.asked_line else None,
    "Units of the line that are asked for.", actions=_RETURN, per_line=True, request=RequestFact.QUANTITY,
)  # fmt: skip
_fact(
    "request.resolution", RequestedResolution, "REFUND", "the asker", _resolution,
    "What the asker wants for the goods.", actions=_RETURN, request=RequestFact.RESOLUTION,
)  # fmt: skip
_fact(
    "request.refund", RefundChoice, "ORIGINAL_PAYMENT", "the asker", _refund,
    "Where the money should go that is paid back.",
    actions=frozenset({ActionKind.CANCEL_ORDER, ActionKind.REFUND_ORDER}),
)  # fmt: skip
_fact(
    "request.cancel_reason", CancelReason, "CUSTOMER", "the asker", _cancel_reason,
    "Why the order is cancelled; CUSTOMER unless staff say otherwise.",
    actions=frozenset({ActionKind.CANCEL_ORDER}), claim=True,
)  # fmt: skip
_fact(
    "request.amount", FactType.MONEY, "40.00", "the asked-for lines or the order", _request_amount,
    "The money that would move, before fees.", actions=ORDER_KINDS, derived=True,
    order_parts=OrderParts.LINES, request=RequestFact.QUANTITY,
)  # fmt: skip
_fact(
    "request.pause_days", FactType.INT, "30", "the asker and the clock", _pause_days,
    "Local calendar days from today to the day it may bill again; unknown for a pause without an end.",
    actions=_PAUSE, request=RequestFact.UNTIL,
)  # fmt: skip
_fact(
    "request.open_ended", FactType.BOOL, "false", "the asker", _open_ended, "A pause without an end.",
    actions=_PAUSE, request=RequestFact.UNTIL,
)  # fmt: skip
_fact(
    "viewer.kind", ActorKind, "CUSTOMER", "the caller's token", lambda f: f.viewer.actor.kind if f.viewer else None,
    "What kind of caller asks.",
)  # fmt: skip
_fact(
    "viewer.assurance", AssuranceLevel, "VERIFIED", "the caller's token",
    lambda f: f.viewer.assurance if f.viewer else None, "How surely we know whom the caller acts for.",
)  # fmt: skip
_fact(
    "viewer.roles", FactType.TEXTS, "[]", "the caller's token", lambda f: f.viewer.roles if f.viewer else None,
    "The caller's roles.", staff=True,
)  # fmt: skip
_fact(
    "store.id", FactType.TEXT, "us", "the configuration", lambda f: f.asked.store.key if f.asked else None,
    "The store's id in the configuration.",
)  # fmt: skip
_fact(
    "store.platform", FactType.TEXT, "ShopSystem", "the configuration",
    lambda f: f.asked.store.platform if f.asked else None, "The platform's own name.",
)  # fmt: skip
_fact(
    "store.time_zone", FactType.TEXT, "UTC", "the configuration", lambda f: f.zone.key,
    "The zone in which whole days end: an IANA name.",
)  # fmt: skip
_fact(
    "store.currency", FactType.TEXT, "USD", "the configuration", lambda f: f.currency,
    "The store's own currency: ISO 4217.",
)  # fmt: skip

FACTS: Final[Mapping[str, FactSpec]] = _SPECS
"""Every fact there is, by name, in the order of the documentation."""

_READ: Final = {name: spec.read for name, spec in FACTS.items()}
_PER_LINE: Final = frozenset(name for name, spec in FACTS.items() if spec.per_line)

#: Those that hang on what is asked, not only on what it is asked of.
OF_REQUEST: Final = frozenset(name for name in FACTS if name.startswith("request."))

STAFF_FACTS: Final = frozenset(name for name, spec in FACTS.items() if spec.audience is Audience.STAFF)

ENUMS: Final[tuple[type[Enum], ...]] = tuple(
    dict.fromkeys(spec.type for spec in FACTS.values() if not isinstance(spec.type, FactType))
)


def words() -> Mapping[str, tuple[type[Enum], ...]]:
    """Each bare word a condition may use, with the vocabularies it belongs to. UNKNOWN is not one: see `on_unknown`."""
    found: dict[str, tuple[type[Enum], ...]] = {}
    for enum in ENUMS:
        for member in enum:
            if member.name != "UNKNOWN":
                found[member.name] = (*found.get(member.name, ()), enum)
    return found


def order_parts_of(names: Iterable[str]) -> OrderParts:
    found = OrderParts.NONE
    for name in names:
        found |= FACTS[name].order_parts
    return found


def subscription_parts_of(names: Iterable[str]) -> SubscriptionParts:
    found = SubscriptionParts.NONE
    for name in names:
        found |= FACTS[name].subscription_parts
    return found


def parse_value(spec: FactSpec, text: str, currency: str) -> Any:
    """A fact's value from how it is written in a case.

    Raises:
        ValueError: the text is not of the fact's type; the message says what is expected.
    """
    if text == "unknown":
        return UNKNOWN
    kind = spec.type
    if not isinstance(kind, FactType):
        if text not in kind.__members__ or text == "UNKNOWN":
            raise ValueError(f"{spec.name} is one of {', '.join(m for m in kind.__members__ if m != 'UNKNOWN')}")
        return kind[text]
    if kind is FactType.TEXT:
        return text
    if kind is FactType.TEXTS:
        return [] if text == "[]" else [part.strip() for part in text.split(",")]
    try:
        if kind is FactType.INT:
            return int(text)
        if kind is FactType.MONEY:
            return Money.of(Decimal(text), currency)
        if kind is FactType.TIME:
            at = datetime.fromisoformat(text)
            if at.tzinfo is None:
                raise ValueError
            return at
    except (ValueError, ArithmeticError):
        raise ValueError(f"{spec.name} is a {kind.value}, such as {spec.example}") from None
    if text not in ("true", "false"):
        raise ValueError(f"{spec.name} is true or false")
    return text == "true"


def show(value: Any) -> str | None:
    """A fact's value as it is written in the arithmetic of a reason; None where there is none."""
    if value is None or isinstance(value, Absent):
        return None
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Money):
        return f"{value.amount} {value.currency_code}"
    if isinstance(value, Enum):
        return value.name
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value))
    return str(value)
