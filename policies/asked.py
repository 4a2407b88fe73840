"""What one asked-for thing is in our own words, whatever it came through: a mutation, a preview or a read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal

from platforms.base import RefundSum
from schema.order import Order, OrderLine
from schema.provenance import Store
from schema.subscription import Subscription
from schema.values import Money
from schema.vocabulary import ActionKind, ItemCondition, RefundChoice, RequestedResolution, ReturnReason


# Nobody changes one of these two. They are not frozen, since then each takes four times as long to make, and a list of
# orders is asked about hundreds of times.
@dataclass(slots=True)
class AskedLine:
    """Units of one line of an order, and what the asker says of them."""

    line: OrderLine
    quantity: int
    reason: ReturnReason | None = None
    condition: ItemCondition | None = None
    note: str | None = None

    def but(
        self, *, reason: ReturnReason | None = None, condition: ItemCondition | None = None, most: int | None = None
    ) -> AskedLine:
        """The same, with another reason or condition where one is given, and of no more units than `most`."""
        return AskedLine(
            self.line,
            self.quantity if most is None else min(most, self.quantity),
            self.reason if reason is None else reason,
            self.condition if condition is None else condition,
            self.note,
        )


@dataclass(slots=True)
class Asked:
    """One asked-for thing. The nouns carry the parts that `PolicyProcessor.order_parts` names for its kind."""

    kind: ActionKind
    store: Store
    order: Order | None = None
    subscription: Subscription | None = None
    lines: tuple[AskedLine, ...] = ()
    #: Left out: REFUND.
    resolution: RequestedResolution | None = None
    #: Left out: back to where the money came from.
    refund: RefundChoice | None = None
    #: Of a refund: what is to be paid back, in the customer's currency, and what the platform says it is made of.
    amount: Money | None = None
    sum: RefundSum | None = None
    #: What of the order this gateway has paid back or is paying back, by its own ledger; in the customer's currency.
    paid_here: Decimal = Decimal(0)
    #: The store shows a refund that is not ours and was not there when this was first asked for.
    refunded_outside: bool = False
    #: The first day on which a paused subscription may bill again, in the store's time zone.
    until: date | None = None
    #: The word of a cancelled order, or the text of a cancelled subscription.
    reason: str | None = None
    note: str | None = None

    def of(self, lines: tuple[AskedLine, ...], resolution: RequestedResolution | None = None) -> Asked:
        """The same of other lines, and with another resolution where one is given."""
        return Asked(
            self.kind,
            self.store,
            self.order,
            self.subscription,
            lines,
            self.resolution if resolution is None else resolution,
            self.refund,
            self.amount,
            self.sum,
            self.paid_here,
            self.refunded_outside,
            self.until,
            self.reason,
            self.note,
        )

    @property
    def subject(self) -> Order | Subscription:
        """What it is asked of."""
        found = self.order or self.subscription
        if found is None:
            raise ValueError("an asked-for thing has an order or a subscription")
        return found


@dataclass(frozen=True, slots=True)
class History:
    """What one customer had over every store in the last 90 days; unfinished and waiting actions count too.

    Amounts are in the stores' own currencies, by ISO 4217 code.
    """

    refund_total_90d: Mapping[str, Decimal] = field(default_factory=dict)
    refund_count_90d: int = 0
    return_count_90d: int = 0
