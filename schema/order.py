"""An order: its lines, parcels and totals, and the questions it answers about itself."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple, cast

import strawberry

from schema.access import ACTIONS_READ, CUSTOMERS_READ, PRODUCTS_READ, SUBSCRIPTIONS_READ, Masked, NeedsScope, for_staff
from schema.context import Context, Info
from schema.emails import Email
from schema.ids import parse_id
from schema.levels import Brought, ReadTogether
from schema.making import maker
from schema.parts import Parted, not_loaded
from schema.policy import Eligibility, RequestAssumption
from schema.product import Product, Variant
from schema.provenance import Node, Source
from schema.returns import Refund, Return
from schema.scalars import Url
from schema.values import Address, MoneyPair
from schema.vocabulary import (
    ActionKind,
    CancelReason,
    DeliveryStatus,
    FulfillmentKind,
    FulfillmentStatus,
    OrderReturnStatus,
    OrderStatus,
    PaymentStatus,
    PiiKind,
    TimeBasis,
)

if TYPE_CHECKING:
    from schema.actions import TimelineEntry
    from schema.customer import Customer
    from schema.subscription import SubscriptionContract


class ProductRef(NamedTuple):
    """A product, and perhaps the variant of it, by the store that sells it and its native ids."""

    store: str
    product: str
    variant: str | None = None

    @property
    def whole(self) -> ProductRef:
        """The product of any of its variants."""
        return self if self.variant is None else ProductRef(self.store, self.product)


def products_of(lines: Sequence[Any], context: Context) -> Brought:
    """The products of lines that each have a `product_ref`."""
    return context.loaders.products_of([line.product_ref for line in lines])


PRODUCTS_TOGETHER = ReadTogether(products_of)


@strawberry.type(description="How many units of a line. Null where the store does not say.")
class LineQuantity:
    ordered: int
    current: int = strawberry.field(description="Ordered, less what was taken off the order.")
    returned: int = strawberry.field(description="In returns that are open, received or closed.")
    fulfilled: int | None = None
    delivered: int | None = None
    returnable: int | None = strawberry.field(
        default=None, description="Units that could still be asked back, as to the goods alone; the policy decides."
    )
    refundable: int | None = None


@strawberry.type(description="One line of an order, as it was bought.")
class OrderLine:
    id: strawberry.ID
    title: str
    quantity: LineQuantity
    unit_price: MoneyPair = strawberry.field(description="For one unit, before discounts.")
    total: MoneyPair = strawberry.field(description="For the line as ordered, after its discounts; never netted.")
    is_gift_card: bool
    native_id: strawberry.Private[str]
    variant_title: str | None = None
    sku: str | None = None
    requires_shipping: bool | None = None
    final_sale: bool | None = strawberry.field(default=None, description="Null where the store does not say.")
    product_ref: strawberry.Private[ProductRef | None] = None
    #: What a policy may look at; known from the order or product as the platform gives it with the line. None: unknown.
    product_tags: strawberry.Private[list[str] | None] = None
    product_type: strawberry.Private[str | None] = None
    vendor: strawberry.Private[str | None] = None
    #: The order this line belongs to; set by the order when it is made.
    order: strawberry.Private[Order | None] = None

    @strawberry.field(
        description="The product as it is sold today; it may have changed since the order.",
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

    @strawberry.field(
        description="What may be asked for this line now, and if not, why. Without `actions`: every line action."
    )
    def eligibility(
        self, info: Info, actions: list[ActionKind] | None = None, assuming: RequestAssumption | None = None
    ) -> list[Eligibility]:
        return cast("list[Eligibility]", info.context.decide.line(self, actions, assuming))


make_quantity = maker(
    LineQuantity, "ordered", "current", "returned", "fulfilled", "delivered", "returnable", "refundable"
)
make_line = maker(
    OrderLine,
    "id", "native_id", "title", "variant_title", "sku", "quantity", "unit_price", "total", "is_gift_card",
    "product_ref",
)  # fmt: skip


@strawberry.type
class FulfillmentLine:
    line: OrderLine
    quantity: int


@strawberry.type(description="Something that happened to a parcel.")
class FulfillmentEvent:
    status: DeliveryStatus
    happened_at: datetime
    message: str | None = strawberry.field(default=None, extensions=[Masked(PiiKind.FREE_TEXT)])
    location: str | None = strawberry.field(default=None, extensions=[Masked(PiiKind.ADDRESS)])


@strawberry.type(description="One parcel, pick-up or download.")
class Fulfillment:
    id: strawberry.ID
    kind: FulfillmentKind
    status: DeliveryStatus
    lines: list[FulfillmentLine] = strawberry.field(default_factory=list)
    events: list[FulfillmentEvent] = strawberry.field(default_factory=list)
    carrier: str | None = None
    tracking_number: str | None = strawberry.field(default=None, extensions=[Masked(PiiKind.ADDRESS)])
    tracking_url: Url | None = strawberry.field(default=None, extensions=[Masked(PiiKind.ADDRESS)])
    shipped_at: datetime | None = None
    delivered_at: datetime | None = None
    delivered_at_basis: TimeBasis | None = strawberry.field(
        default=None, description="DELIVERED: the carrier said so. DELIVERED_ESTIMATED: it was worked out."
    )
    estimated_delivery_at: datetime | None = None


@strawberry.type(description="What the order cost. `total` is never netted: refunds are told beside it.")
class OrderTotals:
    subtotal: MoneyPair
    total: MoneyPair
    refunded: MoneyPair
    refundable: MoneyPair = strawberry.field(description="Captured less refunded, as the platform says now.")
    discount: MoneyPair | None = None
    shipping: MoneyPair | None = None
    tax: MoneyPair | None = None


make_totals = maker(OrderTotals, "subtotal", "total", "refunded", "refundable", "discount", "shipping", "tax")


@strawberry.federation.type(keys=["id"], description="An order, wherever it lives.")
class Order(Parted, Node):
    id: strawberry.ID
    source: Source
    number: str = strawberry.field(description="What the shopper sees, without a leading `#`.")
    status: OrderStatus
    payment_status: PaymentStatus
    fulfillment_status: FulfillmentStatus
    return_status: OrderReturnStatus
    native_status: str = strawberry.field(description="The platform's own words, in its own spelling.")
    placed_at: datetime
    totals: OrderTotals
    tags: list[str] = strawberry.field(
        default_factory=list, graphql_type=list[str] | None, extensions=[for_staff()], description="Staff only."
    )
    updated_at: datetime | None = None
    cancelled_at: datetime | None = None
    cancel_reason: CancelReason | None = None
    email: str | None = strawberry.field(
        default=None,
        description="The address on the order; a guest order has one and may have no customer record.",
        extensions=[Masked(PiiKind.EMAIL)],
    )
    lines: list[OrderLine] = strawberry.field(default_factory=not_loaded)
    fulfillments: list[Fulfillment] | None = strawberry.field(
        default_factory=not_loaded, description="Null: could not be read. Empty: there are none."
    )
    returns: list[Return] | None = strawberry.field(
        default_factory=not_loaded, description="Null: could not be read. Empty: there are none."
    )
    refunds: list[Refund] | None = strawberry.field(
        default_factory=not_loaded, description="Null: could not be read. Empty: there are none."
    )
    shipping_address: Address | None = strawberry.field(
        default_factory=not_loaded, extensions=[Masked(PiiKind.ADDRESS)]
    )
    billing_address: Address | None = strawberry.field(default_factory=not_loaded, extensions=[Masked(PiiKind.ADDRESS)])
    status_url: Url | None = strawberry.field(
        default_factory=not_loaded,
        description="The shopper's own status page. It needs no login: treat it as a secret.",
        extensions=[Masked(PiiKind.ADDRESS)],
    )
    #: Whose order it is: the linked customer's present address where there is a record, else the order's own.
    owner: strawberry.Private[Email | None] = None
    #: The platform's customer record behind the order, by native id; None for a guest.
    customer_native_id: strawberry.Private[str | None] = None
    #: Found by its number, by somebody not surely known: nothing leads on from it to the person.
    alone: strawberry.Private[bool] = False
    #: What a policy may look at. None: the store does not say.
    disputed: strawberry.Private[bool | None] = None
    shipping_country: strawberry.Private[str | None] = None
    channel: strawberry.Private[str | None] = None
    customer_tags: strawberry.Private[list[str] | None] = None
    customer_segments: strawberry.Private[list[str] | None] = None

    __repr__ = Parted.__repr__  # the dataclass's own would touch parts that were not read

    def __post_init__(self) -> None:
        self._drop_unloaded()
        if self.has("lines"):
            for line in self.lines:
                line.order = self

    def let_go(self) -> None:
        """For when nobody reads it any more: its lines forget it, so that nothing holds it in a circle."""
        for line in vars(self).get("lines", ()):
            line.order = None

    @property
    def store_key(self) -> str:
        return parse_id(self.id).store

    @strawberry.field(
        description="The person whose order it is, across every store; also for a guest with an address. Null on what "
        "`lookupOrder` found for a caller below VERIFIED.",
        extensions=[NeedsScope(CUSTOMERS_READ)],
    )
    def customer(self, info: Info) -> Annotated[Customer, strawberry.lazy("schema.customer")] | None:
        if self.owner is None or self.alone:
            return None
        return cast("Customer | None", info.context.loaders.customer.load(self.owner))

    @strawberry.field(
        description="The subscriptions this order belongs to, in this store or in one that bills for it. "
        "Null: could not be read, or not told on what `lookupOrder` found for a caller below VERIFIED. "
        "Empty: there are none.",
        extensions=[NeedsScope(SUBSCRIPTIONS_READ)],
    )
    def subscriptions(
        self, info: Info
    ) -> list[Annotated[SubscriptionContract, strawberry.lazy("schema.subscription")]] | None:
        if self.alone:
            return None
        return cast("list[SubscriptionContract] | None", info.context.loaders.order_subscriptions(self, info))

    @strawberry.field(
        description="What happened at the store, what was decided and who agreed, in one list; newest first. Null on "
        "what `lookupOrder` found for a caller below VERIFIED.",
        extensions=[NeedsScope(ACTIONS_READ)],
    )
    def timeline(
        self, info: Info, first: int = 20
    ) -> list[Annotated[TimelineEntry, strawberry.lazy("schema.actions")]] | None:
        if self.alone:
            return None
        return cast("list[TimelineEntry] | None", info.context.reads.timeline(self, first))

    @strawberry.field(
        description="Every action a button could offer, each with its next step and the why-not. "
        "Without `actions`: all order actions of this API."
    )
    def eligibility(
        self, info: Info, actions: list[ActionKind] | None = None, assuming: RequestAssumption | None = None
    ) -> list[Eligibility]:
        return cast("list[Eligibility]", info.context.decide.order(self, actions, assuming))


make_order = maker(
    Order,
    "id", "source", "number", "status", "payment_status", "fulfillment_status", "return_status", "native_status",
    "placed_at", "updated_at", "totals", "email", "lines", "fulfillments", "returns", "refunds", "shipping_address",
    "billing_address", "status_url", "owner", "customer_native_id", "shipping_country", "channel",
)  # fmt: skip
