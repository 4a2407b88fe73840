"""What clients may ask for: the inputs of queries and mutations."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal

import strawberry

from schema.scalars import CurrencyCode
from schema.vocabulary import (
    ActionKind,
    ActionState,
    CancelReason,
    ItemCondition,
    OrderStatus,
    RefundChoice,
    RequestedResolution,
    ReturnReason,
)


@strawberry.input(
    description="Staff may set reason, restock and notifyCustomer; for anybody else they are CUSTOMER, true and true."
)
class CancelOrderInput:
    order_id: strawberry.ID
    note: str | None = None
    reason: CancelReason = CancelReason.CUSTOMER
    refund: RefundChoice = RefundChoice.ORIGINAL_PAYMENT
    restock: bool = True
    notify_customer: bool = True


@strawberry.input
class ReturnLineInput:
    line_id: strawberry.ID
    quantity: int
    reason: ReturnReason
    condition: ItemCondition | None = None
    note: str | None = None


@strawberry.input
class ReturnOrderInput:
    order_id: strawberry.ID
    lines: list[ReturnLineInput]
    resolution: RequestedResolution = RequestedResolution.REFUND


@strawberry.input
class RefundLineInput:
    line_id: strawberry.ID
    quantity: int


@strawberry.input(
    description="Lines, shipping, or both; or else an amount that stands for itself. Amounts are in the currency the "
    "customer paid in, which currencyCode repeats."
)
class RefundOrderInput:
    order_id: strawberry.ID
    currency_code: CurrencyCode
    reason: str
    lines: list[RefundLineInput] | None = None
    amount: Decimal | None = None
    shipping: bool = strawberry.field(default=False, description="Pay back what is left of the shipping as well.")
    destination: RefundChoice = RefundChoice.ORIGINAL_PAYMENT
    return_id: strawberry.ID | None = strawberry.field(
        default=None, description="A return held here that this pays for: it is closed with the refund."
    )


@strawberry.input
class PauseSubscriptionInput:
    subscription_id: strawberry.ID
    until: date | None = strawberry.field(default=None, description="The first day on which it may bill again.")


@strawberry.input
class ResumeSubscriptionInput:
    subscription_id: strawberry.ID


@strawberry.input
class CancelSubscriptionInput:
    subscription_id: strawberry.ID
    reason: str


@strawberry.input(one_of=True, description="Exactly one action to try.")
class PreviewInput:
    cancel_order: CancelOrderInput | None = strawberry.UNSET
    return_order: ReturnOrderInput | None = strawberry.UNSET
    refund_order: RefundOrderInput | None = strawberry.UNSET
    pause_subscription: PauseSubscriptionInput | None = strawberry.UNSET
    resume_subscription: ResumeSubscriptionInput | None = strawberry.UNSET
    cancel_subscription: CancelSubscriptionInput | None = strawberry.UNSET


@strawberry.input
class OrderFilter:
    status: list[OrderStatus] | None = None
    placed_after: datetime | None = strawberry.field(default=None, description="Inclusive.")
    placed_before: datetime | None = strawberry.field(default=None, description="Exclusive.")


@strawberry.input
class ActionFilter:
    state: list[ActionState] | None = None
    kind: list[ActionKind] | None = None
    target_id: strawberry.ID | None = None
    requested_after: datetime | None = None


@strawberry.input(one_of=True)
class CustomerBy:
    email: str | None = strawberry.UNSET
    id: strawberry.ID | None = strawberry.UNSET
