"""One person across every store, held together by an e-mail address."""

from __future__ import annotations

from datetime import datetime
from typing import cast

import strawberry

from schema.access import ORDERS_READ, SUBSCRIPTIONS_READ, Masked, NeedsScope, for_staff
from schema.connections import OrderConnection, ReturnConnection, SubscriptionConnection
from schema.context import Info
from schema.emails import Email
from schema.inputs import OrderFilter
from schema.provenance import Node, Source, SourceIssue
from schema.values import Address, Money
from schema.vocabulary import PiiKind, SubscriptionStatus


@strawberry.federation.type(keys=["id"], description="This person's record in one store.")
class CustomerProfile(Node):
    id: strawberry.ID
    source: Source
    tags: list[str] = strawberry.field(
        default_factory=list, graphql_type=list[str] | None, extensions=[for_staff()], description="Staff only."
    )
    segments: list[str] = strawberry.field(
        default_factory=list, graphql_type=list[str] | None, extensions=[for_staff()], description="Staff only."
    )
    addresses: list[Address] = strawberry.field(
        default_factory=list, graphql_type=list[Address] | None, extensions=[Masked(PiiKind.ADDRESS)]
    )
    display_name: str | None = strawberry.field(default=None, extensions=[Masked(PiiKind.NAME)])
    email: str | None = strawberry.field(default=None, extensions=[Masked(PiiKind.EMAIL)])
    phone: str | None = strawberry.field(default=None, extensions=[Masked(PiiKind.PHONE)])
    created_at: datetime | None = None
    first_name: strawberry.Private[str | None] = None
    last_name: strawberry.Private[str | None] = None
    locale: strawberry.Private[str | None] = None
    owner: strawberry.Private[Email | None] = None
    #: As the platform counts them; None where it does not.
    order_count: strawberry.Private[int | None] = None
    total_spent: strawberry.Private[Money | None] = None


@strawberry.type(description="Counts over every store. Null where one store does not say or could not answer.")
class CustomerStats:
    order_count: int | None = None
    total_spent: list[Money] | None = strawberry.field(default=None, description="One amount a currency.")
    return_count90d: int | None = strawberry.field(default=None, name="returnCount90d")
    refund_total90d: list[Money] | None = strawberry.field(
        default=None, name="refundTotal90d", description="One amount a currency."
    )


@strawberry.federation.type(
    keys=["id"], description="One person across every store, held together by an e-mail address."
)
class Customer(Node):
    id: strawberry.ID = strawberry.field(
        description="The e-mail address sealed with the gateway's key: stable whichever store is down, for guests too."
    )
    is_guest: bool = strawberry.field(description="True where no store has a customer record of this person.")
    profiles: list[CustomerProfile] = strawberry.field(description="One for each store that knows this person.")
    complete: bool = strawberry.field(description="False where a store could not answer; `issues` names it.")
    issues: list[SourceIssue]
    owner: strawberry.Private[Email]
    #: The stores this person was asked for; None: every store.
    stores: strawberry.Private[tuple[str, ...] | None] = None
    email: str | None = strawberry.field(default=None, extensions=[Masked(PiiKind.EMAIL)])
    display_name: str | None = strawberry.field(default=None, extensions=[Masked(PiiKind.NAME)])
    first_name: str | None = strawberry.field(default=None, extensions=[Masked(PiiKind.NAME)])
    last_name: str | None = strawberry.field(default=None, extensions=[Masked(PiiKind.NAME)])
    phone: str | None = strawberry.field(default=None, extensions=[Masked(PiiKind.PHONE)])
    locale: str | None = None

    @strawberry.field(
        description="This person's orders, merged across stores, newest first.", extensions=[NeedsScope(ORDERS_READ)]
    )
    def orders(
        self, info: Info, first: int = 10, after: str | None = None, filter: OrderFilter | None = None
    ) -> OrderConnection:
        return cast("OrderConnection", info.context.reads.customer_orders(self, info, first, after, filter))

    @strawberry.field(
        description="This person's subscriptions, merged across stores, newest first.",
        extensions=[NeedsScope(SUBSCRIPTIONS_READ)],
    )
    def subscriptions(
        self, info: Info, first: int = 10, after: str | None = None, status: list[SubscriptionStatus] | None = None
    ) -> SubscriptionConnection:
        return cast(
            "SubscriptionConnection", info.context.reads.customer_subscriptions(self, info, first, after, status)
        )

    @strawberry.field(
        description="This person's returns, in the order of their orders, newest first.",
        extensions=[NeedsScope(ORDERS_READ)],
    )
    def returns(self, info: Info, first: int = 10, after: str | None = None) -> ReturnConnection:
        return cast("ReturnConnection", info.context.reads.customer_returns(self, info, first, after))

    @strawberry.field(
        description="Counts over every store. Reading it may cost calls. Staff only, else null.",
        extensions=[for_staff()],
    )
    def stats(self, info: Info) -> CustomerStats | None:
        return cast("CustomerStats | None", info.context.reads.customer_stats(self, info))
