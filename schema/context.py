"""The only way up: what a type of the contract may ask of the layers above it while a request runs."""

from __future__ import annotations

from collections.abc import Awaitable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, TypeVar

import strawberry

from schema.levels import Brought

if TYPE_CHECKING:
    from schema.actions import Action, ActionRequest, TimelineEntry, Viewer
    from schema.connections import OrderConnection, ReturnConnection, SubscriptionConnection
    from schema.customer import Customer, CustomerStats
    from schema.emails import Email
    from schema.inputs import OrderFilter
    from schema.order import Order, OrderLine, ProductRef
    from schema.parts import OrderParts, SubscriptionParts
    from schema.policy import Eligibility, RequestAssumption
    from schema.product import Product, Variant
    from schema.provenance import Node
    from schema.subscription import OrderRef, Subscription
    from schema.vocabulary import ActionKind, SubscriptionStatus

K = TypeVar("K", contravariant=True)
V = TypeVar("V", covariant=True)


class Loader(Protocol[K, V]):
    """Gathers the keys asked for in one tick into one call; the future carries the one answer."""

    def load(self, key: K, /) -> Awaitable[V]: ...


class Loaders(Protocol):
    """One request's loaders. What is not the viewer's is None, as if it did not exist."""

    @property
    def product(self) -> Loader[ProductRef, Product | None]: ...
    @property
    def variant(self) -> Loader[ProductRef, Variant | None]: ...
    @property
    def customer(self) -> Loader[Email, Customer | None]: ...

    def products_of(self, refs: Sequence[ProductRef | None]) -> Brought: ...
    def node(self, id: str, info: Info) -> Awaitable[Node | None]: ...
    def entity(self, type_name: str, id: str, info: Info) -> Awaitable[Node | None]: ...
    def payload_order_parts(self, info: Info) -> OrderParts: ...
    def linked_order(self, ref: OrderRef, info: Info) -> Awaitable[Order | None]: ...
    def order_subscriptions(self, order: Order, info: Info) -> Awaitable[Sequence[Subscription]]: ...
    def subscription_customer(self, subscription: Subscription) -> Awaitable[Customer | None]: ...


class Reads(Protocol):
    """Reads that fan out over stores."""

    def customer_orders(
        self, customer: Customer, info: Info, first: int, after: str | None, filter: OrderFilter | None
    ) -> Awaitable[OrderConnection]: ...
    def customer_subscriptions(
        self, customer: Customer, info: Info, first: int, after: str | None, status: list[SubscriptionStatus] | None
    ) -> Awaitable[SubscriptionConnection]: ...
    def customer_returns(
        self, customer: Customer, info: Info, first: int, after: str | None
    ) -> Awaitable[ReturnConnection]: ...
    def customer_stats(self, customer: Customer, info: Info) -> Awaitable[CustomerStats | None]: ...
    def timeline(self, order: Order, first: int) -> Awaitable[list[TimelineEntry]]: ...
    def viewer_customer(self, info: Info) -> Awaitable[Customer | None]: ...


class Decide(Protocol):
    """Eligibility: the decision inside a read. The parts tell what of a noun the decision will look at."""

    def order_parts(self, actions: Sequence[ActionKind] | None) -> OrderParts: ...
    def subscription_parts(self, actions: Sequence[ActionKind] | None) -> SubscriptionParts: ...
    def order(
        self, order: Order, actions: Sequence[ActionKind] | None, assuming: RequestAssumption | None
    ) -> Awaitable[list[Eligibility]]: ...
    def line(
        self, line: OrderLine, actions: Sequence[ActionKind] | None, assuming: RequestAssumption | None
    ) -> Awaitable[list[Eligibility]] | list[Eligibility]: ...
    def subscription(
        self, subscription: Subscription, actions: Sequence[ActionKind] | None
    ) -> Awaitable[list[Eligibility]]: ...


class Desk(Protocol):
    """The action desk: who, key, can, facts, decision, do, know."""

    async def ask(self, kind: ActionKind, asked: Any, key: str | None, *, parts: OrderParts = ...) -> Any: ...
    async def request_of(self, action: Action) -> ActionRequest: ...


class Context(Protocol):
    """What one request carries."""

    @property
    def viewer(self) -> Viewer: ...
    @property
    def now(self) -> datetime: ...
    @property
    def loaders(self) -> Loaders: ...
    @property
    def reads(self) -> Reads: ...
    @property
    def decide(self) -> Decide: ...
    @property
    def desk(self) -> Desk: ...

    def start_reading_anew(self) -> None: ...


Info: TypeAlias = strawberry.Info[Context, None]
