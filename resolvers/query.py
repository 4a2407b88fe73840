"""The root of reads: what may be asked, checked, and handed to loaders and fan-out."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING, cast

import strawberry

from platforms.base import ORDER_ACTIONS
from resolvers.errors import BadArgument, NotKnown
from resolvers.loaders import OrderKey, SubscriptionKey
from resolvers.lookahead import Selection, order_parts, subscription_parts
from schema.access import (
    ACTIONS_READ,
    CUSTOMERS_READ,
    ORDERS_READ,
    PRODUCTS_READ,
    SUBSCRIPTIONS_READ,
    NeedsScope,
    need,
)
from schema.actions import Action, Preview, Viewer
from schema.connections import ActionConnection, OrderConnection, OrderLookup, SubscriptionConnection, page_size
from schema.context import Info
from schema.customer import Customer
from schema.emails import Email, MalformedEmail, canonical_email
from schema.ids import MalformedId, parse_typed
from schema.inputs import ActionFilter, CustomerBy, OrderFilter, PreviewInput
from schema.order import Order, ProductRef
from schema.product import Product
from schema.provenance import Node, Store
from schema.subscription import Subscription
from schema.vocabulary import ActionKind

if TYPE_CHECKING:
    from resolvers.context import RequestContext

#: The most ids that one `nodes` takes.
MOST_NODES = 100

_PREVIEWS = {
    "cancel_order": ActionKind.CANCEL_ORDER,
    "return_order": ActionKind.RETURN_ORDER,
    "refund_order": ActionKind.REFUND_ORDER,
    "pause_subscription": ActionKind.PAUSE_SUBSCRIPTION,
    "resume_subscription": ActionKind.RESUME_SUBSCRIPTION,
    "cancel_subscription": ActionKind.CANCEL_SUBSCRIPTION,
}


def _context(info: Info) -> RequestContext:
    return cast("RequestContext", info.context)


def _email(text: str, argument: str) -> Email:
    try:
        return canonical_email(text)
    except MalformedEmail as error:
        raise BadArgument(argument, str(error)) from None


def _native(id: str, type_name: str) -> tuple[str, str]:
    try:
        found = parse_typed(id, type_name)
    except MalformedId as error:
        raise BadArgument("id", str(error)) from None
    return found.parts[0], found.parts[1]


def _whose(context: RequestContext, email: str | None) -> Email:
    """The person whose list is asked for: the bound one, or the one the caller names."""
    bound = context.viewer.customer_email
    if email is None:
        if bound is None:
            raise BadArgument("customerEmail", "name the customer: customerEmail is needed")
        return Email(bound)
    return _email(email, "customerEmail")


@strawberry.type
class Query:
    @strawberry.field(description="Who is asking, as the gateway sees it.")
    def viewer(self, info: Info) -> Viewer:
        return info.context.viewer

    @strawberry.field(description="Anything by its id. Null: there is no such thing, or it is not yours.")
    async def node(self, info: Info, id: strawberry.ID) -> Node | None:
        try:
            return await info.context.loaders.node(id, info)
        except MalformedId as error:
            raise BadArgument("id", str(error)) from None

    @strawberry.field(description="Up to 100 things by id, in the order of the ids; null where there is no such thing.")
    async def nodes(self, info: Info, ids: list[strawberry.ID]) -> list[Node | None]:
        if len(ids) > MOST_NODES:
            raise BadArgument("ids", f"at most {MOST_NODES} ids at once, not {len(ids)}")
        found = await asyncio.gather(*(info.context.loaders.node(id, info) for id in ids), return_exceptions=True)
        # An exception in the list becomes the error of its own place and costs the others nothing.
        return [BadArgument("ids", str(one)) if isinstance(one, MalformedId) else one for one in found]  # type: ignore[misc]

    @strawberry.field(
        description="An order by its id. Null: there is no such order, or it is not yours.",
        extensions=[NeedsScope(ORDERS_READ)],
    )
    async def order(self, info: Info, id: strawberry.ID) -> Order | None:
        context = _context(info)
        store, native = _native(id, "Order")
        parts = order_parts(Selection.below(info), context.decide)
        found: Order | None = await context.loaders.order.load(OrderKey(store, native, parts))
        return found

    @strawberry.field(
        description="What a shopper types: an order number. Without staff rights it also takes the e-mail or postal "
        "code on the order. `store` takes a store's id or its short key.",
        extensions=[NeedsScope(ORDERS_READ)],
    )
    async def lookup_order(
        self,
        info: Info,
        number: str,
        store: strawberry.ID | None = None,
        email: str | None = None,
        postal_code: str | None = None,
    ) -> OrderLookup:
        context = _context(info)
        stores = context.services.stores.named(None if store is None else [store], "store")
        if email is not None:
            _email(email, "email")
        return await context.reads.lookup(number, stores, email, postal_code, info)

    @strawberry.field(
        description="A person's orders, merged across stores, newest first. A caller bound to a customer names none.",
        extensions=[NeedsScope(ORDERS_READ)],
    )
    async def orders(
        self,
        info: Info,
        customer_email: str | None = None,
        stores: list[strawberry.ID] | None = None,
        first: int = 10,
        after: str | None = None,
        filter: OrderFilter | None = None,
    ) -> OrderConnection:
        context = _context(info)
        email = _whose(context, customer_email)
        named = context.services.stores.named(stores)
        asked = named if context.may_see(email) else []
        return await context.reads.orders(email, asked, info, page_size(first), after, filter)

    @strawberry.field(
        description="One person across every store. A caller bound to a customer reads `viewer { customer }`.",
        extensions=[NeedsScope(CUSTOMERS_READ)],
    )
    async def customer(self, info: Info, by: CustomerBy, stores: list[strawberry.ID] | None = None) -> Customer | None:
        context = _context(info)
        if isinstance(by.id, str):
            try:
                email = context.services.seal.email(by.id)
            except MalformedId as error:
                raise BadArgument("by.id", str(error)) from None
        else:
            email = _email(by.email or "", "by.email")
        named: Sequence[object] | None = None if stores is None else context.services.stores.named(stores)
        if not context.may_see(email):
            return None
        try:
            return await context.reads.customer(email, named, info=info)  # type: ignore[arg-type]
        except NotKnown:
            return None

    @strawberry.field(description="A product as it is sold today.", extensions=[NeedsScope(PRODUCTS_READ)])
    async def product(self, info: Info, id: strawberry.ID) -> Product | None:
        found: Product | None = await _context(info).loaders.product.load(ProductRef(*_native(id, "Product")))
        return found

    @strawberry.field(description="A subscription by its id.", extensions=[NeedsScope(SUBSCRIPTIONS_READ)])
    async def subscription(self, info: Info, id: strawberry.ID) -> Subscription | None:
        context = _context(info)
        store, native = _native(id, "SubscriptionContract")
        parts = subscription_parts(Selection.below(info), context.decide)
        found: Subscription | None = await context.loaders.subscription.load(SubscriptionKey(store, native, parts))
        return found

    @strawberry.field(
        description="A person's subscriptions, merged across stores, newest first. A caller bound to a customer names "
        "none.",
        extensions=[NeedsScope(SUBSCRIPTIONS_READ)],
    )
    async def subscriptions(
        self,
        info: Info,
        customer_email: str | None = None,
        stores: list[strawberry.ID] | None = None,
        first: int = 10,
        after: str | None = None,
    ) -> SubscriptionConnection:
        context = _context(info)
        email = _whose(context, customer_email)
        named = context.services.stores.named(stores)
        asked = named if context.may_see(email) else []
        return await context.reads.subscriptions(email, asked, info, page_size(first), after)

    @strawberry.field(description="Every configured store, what it can do and how it fares. Reading it costs no call.")
    def stores(self, info: Info) -> list[Store]:
        return [platform.store for platform in _context(info).services.stores.all()]

    @strawberry.field(description="What became of something that was asked for.", extensions=[NeedsScope(ACTIONS_READ)])
    async def action(self, info: Info, id: strawberry.ID) -> Action | None:
        try:
            parse_typed(id, "Action", 1)
        except MalformedId as error:
            raise BadArgument("id", str(error)) from None
        return await _context(info).desk.action(id)

    @strawberry.field(description="What was asked for, newest first.", extensions=[NeedsScope(ACTIONS_READ)])
    async def actions(
        self, info: Info, filter: ActionFilter | None = None, first: int = 20, after: str | None = None
    ) -> ActionConnection:
        return await _context(info).desk.actions(filter, page_size(first), after)

    @strawberry.field(
        description="What would happen, without doing it: the decision and the money. It takes the scope that reads "
        "what the action is about.",
        extensions=[NeedsScope(ORDERS_READ, SUBSCRIPTIONS_READ)],
    )
    async def preview(self, info: Info, input: PreviewInput) -> Preview:
        for name, kind in _PREVIEWS.items():
            asked = getattr(input, name)
            if asked is not None and asked is not strawberry.UNSET:
                need(info.context.viewer.scopes, ORDERS_READ if kind in ORDER_ACTIONS else SUBSCRIPTIONS_READ)
                return await _context(info).desk.preview(kind, asked)
        raise BadArgument("input", "exactly one action is needed")
