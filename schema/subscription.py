"""A standing order that bills and ships again and again. GraphQL reserves the name Subscription for its root."""

from __future__ import annotations

from datetime import date, datetime
from typing import TYPE_CHECKING, Annotated, NamedTuple, cast

import strawberry

from schema.access import CUSTOMERS_READ, ORDERS_READ, PRODUCTS_READ, Masked, NeedsScope
from schema.context import Info
from schema.emails import Email
from schema.ids import parse_id
from schema.order import PRODUCTS_TOGETHER, Order, ProductRef
from schema.parts import Parted, not_loaded
from schema.policy import Eligibility
from schema.product import Product, Variant
from schema.provenance import Node, Source
from schema.values import Interval, Money
from schema.vocabulary import ActionKind, PiiKind, SubscriptionStatus

if TYPE_CHECKING:
    from schema.customer import Customer


class ProfileRef(NamedTuple):
    """A customer record by store and native id."""

    store: str
    native_id: str


class OrderRef(NamedTuple):
    """An order by store and native id."""

    store: str
    native_id: str


@strawberry.type(description="What a subscription sends.")
class SubscriptionLine:
    title: str
    quantity: int
    price: Money = strawberry.field(description="For one unit, before discounts, tax and shipping.")
    sku: str | None = None
    product_ref: strawberry.Private[ProductRef | None] = None

    @strawberry.field(
        description="The product as it is sold today, in the shop the subscription bills for.",
        extensions=[NeedsScope(PRODUCTS_READ), PRODUCTS_TOGETHER],
    )
    def product(self, info: Info) -> Product | None:
        if self.product_ref is None:
            return None
        return cast("Product | None", info.context.loaders.product.load(self.product_ref.whole))

    @strawberry.field(description="The variant as it is sold today.", extensions=[NeedsScope(PRODUCTS_READ)])
    def variant(self, info: Info) -> Variant | None:
        if self.product_ref is None or self.product_ref.variant is None:
            return None
        return cast("Variant | None", info.context.loaders.variant.load(self.product_ref))


@strawberry.federation.type(
    keys=["id"], name="SubscriptionContract", description="A standing order that bills and ships again and again."
)
class Subscription(Parted, Node):
    id: strawberry.ID
    source: Source
    status: SubscriptionStatus
    native_status: str
    lines: list[SubscriptionLine]
    billing_interval: Interval
    delivery_interval: Interval
    payment_failed: bool = strawberry.field(description="The last payment failed and was not made good since.")
    next_billing_at: date | None = strawberry.field(default=None, description="A day in the store's time zone.")
    paused_until: date | None = None
    cycles_completed: int | None = strawberry.field(default_factory=not_loaded)
    min_cycles: int | None = None
    max_cycles: int | None = None
    is_prepaid: bool | None = None
    cancel_reason: str | None = strawberry.field(default=None, extensions=[Masked(PiiKind.FREE_TEXT)])
    created_at: datetime | None = None
    #: The customer's address where the record has one; else `customer_ref` leads to it.
    owner: strawberry.Private[Email | None] = None
    customer_ref: strawberry.Private[ProfileRef | None] = None
    origin_order_ref: strawberry.Private[OrderRef | None] = strawberry.field(default_factory=not_loaded)

    __repr__ = Parted.__repr__  # the dataclass's own would touch parts that were not read

    def __post_init__(self) -> None:
        self._drop_unloaded()

    @property
    def store_key(self) -> str:
        return parse_id(self.id).store

    @strawberry.field(
        description="Whose subscription it is, across every store.", extensions=[NeedsScope(CUSTOMERS_READ)]
    )
    def customer(self, info: Info) -> Annotated[Customer, strawberry.lazy("schema.customer")] | None:
        return cast("Customer | None", info.context.loaders.subscription_customer(self))

    @strawberry.field(
        description="The order it came from; null where there is none or it can no longer be read.",
        extensions=[NeedsScope(ORDERS_READ)],
    )
    def origin_order(self, info: Info) -> Order | None:
        if self.origin_order_ref is None:
            return None
        return cast("Order | None", info.context.loaders.linked_order(self.origin_order_ref, info))

    @strawberry.field(description="Every action a button could offer, each with its next step and the why-not.")
    def eligibility(self, info: Info, actions: list[ActionKind] | None = None) -> list[Eligibility]:
        return cast("list[Eligibility]", info.context.decide.subscription(self, actions))


SubscriptionContract = Subscription
