"""Goods on their way back, and money paid back."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import strawberry

from schema.access import Masked
from schema.provenance import Node, Source
from schema.values import Fee, Money, MoneyPair
from schema.vocabulary import (
    ItemCondition,
    MoneyMoved,
    PiiKind,
    RecordHolder,
    RefundDestination,
    RefundStatus,
    ReturnReason,
    ReturnResolution,
    ReturnStatus,
)

if TYPE_CHECKING:
    from schema.order import Order, OrderLine


@strawberry.type
class RefundLine:
    line: Annotated[OrderLine, strawberry.lazy("schema.order")]
    quantity: int
    amount: Money = strawberry.field(description="What was paid back for it, tax included, in the customer's currency.")
    restocked: bool | None = None


@strawberry.federation.type(keys=["id"], description="Money paid back, or recorded as such: see `moneyMoved`.")
class Refund(Node):
    id: strawberry.ID
    status: RefundStatus
    amount: MoneyPair
    destination: RefundDestination
    money_moved: MoneyMoved
    created_at: datetime
    lines: list[RefundLine] = strawberry.field(default_factory=list)
    reason: str | None = strawberry.field(default=None, extensions=[Masked(PiiKind.FREE_TEXT)])


@strawberry.type
class ReturnLine:
    line: Annotated[OrderLine, strawberry.lazy("schema.order")]
    quantity: int
    reason: ReturnReason
    note: str | None = strawberry.field(default=None, extensions=[Masked(PiiKind.FREE_TEXT)])
    condition: ItemCondition | None = None


@strawberry.federation.type(keys=["id"], description="Goods on their way back, whoever keeps the record of it.")
class Return(Node):
    id: strawberry.ID
    source: Source
    status: ReturnStatus
    native_status: str
    held_by: RecordHolder = strawberry.field(
        description="GATEWAY where the platform has no record of returns of its own."
    )
    order: Annotated[Order, strawberry.lazy("schema.order")]
    lines: list[ReturnLine]
    resolution: ReturnResolution
    requested_at: datetime
    fees: list[Fee] = strawberry.field(default_factory=list)
    refunds: list[Refund] = strawberry.field(default_factory=list)
    number: str | None = None
    decline_reason: str | None = strawberry.field(default=None, extensions=[Masked(PiiKind.FREE_TEXT)])
    closed_at: datetime | None = None
