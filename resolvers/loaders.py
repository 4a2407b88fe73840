"""One request's loaders: all that a tick asks of a store goes there in one call, for the union of the parts asked."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from aiodataloader import DataLoader

from platforms.base import Operation, Platform, cost_alike
from platforms.errors import PlatformError
from resolvers.errors import NotKnown
from resolvers.fanout import ask
from resolvers.lookahead import Selection, order_parts, refund_parts, return_parts, subscription_parts
from schema.access import SCOPE_OF_TYPE, need
from schema.actions import Action
from schema.customer import Customer, CustomerProfile
from schema.emails import Email
from schema.ids import GlobalId, MalformedId, parse_id
from schema.levels import Brought
from schema.order import Order, ProductRef
from schema.parts import OrderParts, SubscriptionParts
from schema.product import Product, Variant
from schema.provenance import Node, Store
from schema.returns import Refund, Return
from schema.subscription import OrderRef, ProfileRef, Subscription
from schema.vocabulary import ProductStatus

if TYPE_CHECKING:
    from resolvers.context import RequestContext
    from schema.context import Info

K = TypeVar("K")
V = TypeVar("V")


class OrderKey(NamedTuple):
    store: str
    native_id: str
    parts: OrderParts


class SubscriptionKey(NamedTuple):
    store: str
    native_id: str
    parts: SubscriptionParts


class ProfileKey(NamedTuple):
    store: str
    email: Email


class OrderSubscriptionsKey(NamedTuple):
    """The subscriptions of an order of `shop`, as `store` keeps them."""

    store: str
    shop: str
    order: str
    parts: SubscriptionParts


class _StoreLoaders:
    """A loader for each store, made as it is needed: a batch over several would wait for the slowest of them."""

    def __init__(self, load: Callable[[list[Any]], Coroutine[Any, Any, list[Any]]]) -> None:
        self._load = load
        self._by_store: dict[str, DataLoader[Any, Any]] = {}

    def load(self, key: Any) -> asyncio.Future[Any]:
        loader = self._by_store.get(key.store)
        if loader is None:
            loader = self._by_store[key.store] = DataLoader(self._load)
        return loader.load(key)


class _Products:
    """Products by store; whether asked for alone or with a whole level, each is asked for once."""

    def __init__(self, read: Callable[[str, list[str]], Coroutine[Any, Any, Mapping[str, Any]]]) -> None:
        self._read = read
        #: By store and native id: what brings it, by native id.
        self._asked: dict[str, dict[str, asyncio.Future[Mapping[str, Any]]]] = {}

    def many(self, store: str, natives: Iterable[str]) -> asyncio.Future[Mapping[str, Any]]:
        """What brings products of a store: each a product, its error, or nothing."""
        asked = self._asked.setdefault(store, {})
        wanted = dict.fromkeys(natives)
        new = [native for native in wanted if native not in asked]
        if new:
            asked.update(dict.fromkeys(new, asyncio.ensure_future(self._read(store, new))))
        bringing = {asked[native] for native in wanted}
        return bringing.pop() if len(bringing) == 1 else asyncio.ensure_future(self._joined(bringing))

    @staticmethod
    async def _joined(bringing: Iterable[asyncio.Future[Mapping[str, Any]]]) -> Mapping[str, Any]:
        return {native: found for one in bringing for native, found in (await one).items()}


class RequestLoaders:
    """What is not the viewer's comes back as None, after the same upstream work as what is not there."""

    def __init__(self, context: RequestContext) -> None:
        self._context = context
        self._stores = context.services.stores
        #: The one customer this caller is bound to.
        self._bound = None if context.viewer.customer_email is None else Email(context.viewer.customer_email)
        self.order = _StoreLoaders(self._orders)
        self.subscription = _StoreLoaders(self._subscriptions)
        self._many = _Products(self._products)
        self.product = _StoreLoaders(self._products_alone)
        self.variant = _StoreLoaders(self._variants)
        self.profiles = _StoreLoaders(self._profiles)
        self.profile = _StoreLoaders(self._profiles_by_id)
        self._order_subscriptions = _StoreLoaders(self._subscriptions_of_orders)
        #: The orders that were read, the viewer's or not.
        self._read: list[Order] = []

    @cached_property
    def customer(self) -> DataLoader[Email, Any]:
        return DataLoader(self._customers)

    def end(self) -> None:
        """Forget what was loaded; nobody may load any more."""
        for order in self._read:
            order.let_go()
        vars(self).clear()  # each of its loaders knows it

    # -- batches

    async def _of_store(
        self,
        keys: list[Any],
        read: Callable[[Platform, list[Any]], Awaitable[Mapping[Any, Any]]],
        operation: Operation,
    ) -> list[Any]:
        """Asks the keys' one store once; an unknown store, or one without the operation, has nothing."""
        platform = self._stores.get(keys[0].store)
        if platform is None or not platform.supports(operation):
            return [None] * len(keys)
        answer = await ask(platform, lambda asked: read(asked, keys), self._context.patience)
        return [answer if isinstance(answer, PlatformError) else answer.get(key) for key in keys]

    async def _orders(self, keys: list[OrderKey]) -> list[Order | PlatformError | None]:
        async def read(platform: Platform, group: list[OrderKey]) -> Mapping[OrderKey, Order]:
            union = OrderParts.NONE
            for key in group:
                union |= key.parts
            natives = list(dict.fromkeys(key.native_id for key in group))
            heads: Mapping[str, Order] = {}
            if self._bound is not None:
                # Whose they are is seen first: parts may cost calls, and another's order costs what no order costs.
                heads = await platform.orders(natives, OrderParts.NONE)
                await cost_alike(platform, heads.values())
                natives = [native for native in natives if native in heads and heads[native].owner == self._bound]
                if not natives:
                    return {}
            if self._bound is not None and union in (OrderParts.NONE, OrderParts.RETURN_STATUS):  # the head tells both
                found = {native: heads[native] for native in natives}
            else:
                found = dict(await platform.orders(natives, union))
            self._read += found.values()
            await self._context.services.desk.held.overlay_orders(platform, found, union)
            return {key: found[key.native_id] for key in group if key.native_id in found}

        return [
            self._mine(order, order.owner) if isinstance(order, Order) else order
            for order in await self._of_store(keys, read, Operation.ORDERS)
        ]

    async def _subscriptions(self, keys: list[SubscriptionKey]) -> list[Subscription | PlatformError | None]:
        async def read(platform: Platform, group: list[SubscriptionKey]) -> Mapping[SubscriptionKey, Subscription]:
            union = SubscriptionParts.NONE
            for key in group:
                union |= key.parts
            natives = list(dict.fromkeys(key.native_id for key in group))
            if self._bound is None:
                found = dict(await platform.subscriptions(natives, union))
            else:
                found = await self._my_subscriptions(platform, natives, union)
            await self._context.services.desk.held.overlay_subscriptions(platform, found)
            return {key: found[key.native_id] for key in group if key.native_id in found}

        return await self._of_store(keys, read, Operation.SUBSCRIPTIONS)

    async def _my_subscriptions(
        self, platform: Platform, natives: list[str], parts: SubscriptionParts
    ) -> dict[str, Subscription]:
        """Those of the subscriptions that are the bound customer's; another's cost what none cost."""
        heads, mine = await asyncio.gather(
            platform.subscriptions(natives, SubscriptionParts.NONE), self._my_records(platform)
        )
        found = {native: one for native, one in heads.items() if await self._is_mine(one, mine)}
        if found and parts:
            found = dict(await platform.subscriptions(list(found), parts))
        for subscription in found.values():
            subscription.owner = self._bound
        return found

    async def _my_records(self, platform: Platform) -> frozenset[ProfileRef]:
        """The bound customer's records at a store: asked for whatever is found, so that it tells nothing."""
        if self._bound is None or not platform.supports(Operation.PROFILES):
            return frozenset()
        store = platform.config.id
        profiles: Sequence[CustomerProfile] = await self.profiles.load(ProfileKey(store, self._bound))
        return frozenset(ProfileRef(store, profile.source.native_id) for profile in profiles)

    async def _is_mine(self, subscription: Subscription, mine: frozenset[ProfileRef]) -> bool:
        ref = subscription.customer_ref
        if subscription.owner is None and ref is not None:
            keeper = self._stores.get(ref.store)
            if ref.store == parse_id(subscription.id).store and keeper and keeper.supports(Operation.PROFILES):
                return ref in mine
            return self._context.may_see(await self.subscription_owner(subscription))
        return self._context.may_see(subscription.owner)

    async def _products(self, store: str, natives: list[str]) -> Mapping[str, Product | PlatformError]:
        platform = self._stores.get(store)
        if platform is None or not platform.supports(Operation.PRODUCTS):
            return {}
        found = await ask(platform, lambda asked: asked.products(natives), self._context.patience)
        if isinstance(found, PlatformError):
            return dict.fromkeys(natives, found)
        if self._context.is_staff:
            return found
        return {native: one for native, one in found.items() if one.status is not ProductStatus.DRAFT}

    async def _products_alone(self, keys: list[ProductRef]) -> list[Product | PlatformError | None]:
        found = await self._many.many(keys[0].store, [key.product for key in keys])
        return [found.get(key.product) for key in keys]

    async def _variants(self, keys: list[ProductRef]) -> list[Variant | BaseException | None]:
        refs = [key.whole for key in keys]
        products = await asyncio.gather(*(self.product.load(ref) for ref in refs), return_exceptions=True)
        found: list[Variant | BaseException | None] = []
        for key, product in zip(keys, products, strict=True):
            if product is None or isinstance(product, BaseException):
                found.append(product)
                continue
            ends = f":{key.variant}"
            found.append(next((variant for variant in product.all_variants if variant.id.endswith(ends)), None))
        return found

    async def _profiles(self, keys: list[ProfileKey]) -> list[Sequence[CustomerProfile] | PlatformError]:
        async def read(platform: Platform, group: list[ProfileKey]) -> Mapping[ProfileKey, Sequence[CustomerProfile]]:
            found = await platform.profiles([key.email for key in group])
            return {key: found.get(key.email, ()) for key in group}

        return [
            found or () if not isinstance(found, PlatformError) else found
            for found in await self._of_store(keys, read, Operation.PROFILES)
        ]

    async def _profiles_by_id(self, keys: list[ProfileRef]) -> list[CustomerProfile | PlatformError | None]:
        async def read(platform: Platform, group: list[ProfileRef]) -> Mapping[ProfileRef, CustomerProfile]:
            found = await platform.profiles_by_id(list(dict.fromkeys(key.native_id for key in group)))
            return {key: found[key.native_id] for key in group if key.native_id in found}

        return await self._of_store(keys, read, Operation.PROFILES_BY_ID)

    async def _customers(self, keys: list[Email]) -> list[Customer | BaseException | None]:
        return list(
            await asyncio.gather(
                *(self._context.reads.customer(email, None, known=True) for email in keys), return_exceptions=True
            )
        )

    async def _subscriptions_of_orders(self, keys: list[OrderSubscriptionsKey]) -> list[Any]:
        async def read(
            platform: Platform, group: list[OrderSubscriptionsKey]
        ) -> Mapping[OrderSubscriptionsKey, Sequence[Subscription]]:
            union = SubscriptionParts.NONE
            for key in group:
                union |= key.parts
            found = await platform.subscriptions_of_orders(list(dict.fromkeys(key.order for key in group)), union)
            flat = {sub.source.native_id: sub for subs in found.values() for sub in subs}
            await self._context.services.desk.held.overlay_subscriptions(platform, flat)
            if self._bound is not None:
                mine = await self._my_records(platform)
                return {
                    key: [one for one in found.get(key.order, ()) if await self._is_mine(one, mine)] for key in group
                }
            return {key: found.get(key.order, ()) for key in group}

        return await self._of_store(keys, read, Operation.SUBSCRIPTIONS_OF_ORDERS)

    # -- links

    def products_of(self, refs: Sequence[ProductRef | None]) -> Brought:
        """The products of a level of lines: one question to each store."""
        by_store: dict[str, list[str]] = {}
        for ref in refs:
            if ref is not None:
                by_store.setdefault(ref.store, []).append(ref.product)
        bringing = {store: self._many.many(store, natives) for store, natives in by_store.items()}
        return [None if ref is None else (bringing[ref.store], ref.product) for ref in refs]

    async def linked_order(self, ref: OrderRef, info: Info) -> Order | None:
        parts = order_parts(Selection.below(info), self._context.decide)
        found: Order | None = await self.order.load(OrderKey(ref.store, ref.native_id, parts))
        return found

    async def order_subscriptions(self, order: Order, info: Info) -> Sequence[Subscription]:
        parts = subscription_parts(Selection.below(info), self._context.decide)
        shop, native = order.store_key, order.source.native_id
        own = self._stores.get(shop)
        keepers = [*([own] if own else []), *self._stores.billing_for(shop)]
        found = await asyncio.gather(
            *(
                self._order_subscriptions.load(OrderSubscriptionsKey(keeper.config.id, shop, native, parts))
                for keeper in keepers
                if keeper.supports(Operation.SUBSCRIPTIONS_OF_ORDERS)
            )
        )
        return [subscription for subscriptions in found for subscription in subscriptions or ()]

    async def subscription_owner(self, subscription: Subscription) -> Email | None:
        """Whose subscription it is: by its own record, else by the customer record it names."""
        if subscription.owner is not None or subscription.customer_ref is None:
            return subscription.owner
        profile = await self.profile.load(subscription.customer_ref)
        owner: Email | None = profile.owner if profile is not None else None
        subscription.owner = owner
        return owner

    async def subscription_customer(self, subscription: Subscription) -> Customer | None:
        owner = await self.subscription_owner(subscription)
        if owner is None:
            return None
        found: Customer | None = await self.customer.load(owner)
        return found

    def payload_order_parts(self, info: Info) -> OrderParts:
        """What the payload of a mutation shows of its order."""
        below = Selection.below(info)
        parts = order_parts(below.at("order"), self._context.decide)
        if "returnRecord" in below:
            parts |= return_parts(below.at("returnRecord"), self._context.decide)
        return parts

    # -- nodes

    async def node(self, id: str, info: Info) -> Node | None:
        """Any node by its id, with the parts that the selection below asks for.

        Raises:
            MalformedId: the text is not an id of this API, or of a type that has no nodes.
            Forbidden: the caller's scopes do not read such nodes.
            PlatformError: the store could not be read.
        """
        found = parse_id(id)
        read = self._NODES.get(found.type)
        if read is None:
            raise MalformedId(f"there are no nodes of type {found.type[:40]!r}")
        if found.type in SCOPE_OF_TYPE:
            need(self._context.viewer.scopes, SCOPE_OF_TYPE[found.type])
        return await read(self, found, id, Selection.below(info, found.type))

    async def entity(self, type_name: str, id: str, info: Info) -> Node | None:
        """A node by its id, if it is of the type that the asker says it is.

        Raises:
            MalformedId: the text is not an id of that type.
        """
        if parse_id(id).type != type_name:
            raise MalformedId(f"this is not the id of {type_name}")
        return await self.node(id, info)

    async def _order_node(self, id: GlobalId, _: str, below: Selection) -> Order | None:
        self._parts_of_id(id, 2)
        parts = order_parts(below, self._context.decide)
        found: Order | None = await self.order.load(OrderKey(id.store, id.native, parts))
        return found

    async def _subscription_node(self, id: GlobalId, _: str, below: Selection) -> Subscription | None:
        self._parts_of_id(id, 2)
        parts = subscription_parts(below, self._context.decide)
        found: Subscription | None = await self.subscription.load(SubscriptionKey(id.store, id.native, parts))
        return found

    async def _product_node(self, id: GlobalId, _: str, __: Selection) -> Product | None:
        self._parts_of_id(id, 2)
        found: Product | None = await self.product.load(ProductRef(*id.parts))
        return found

    async def _profile_node(self, id: GlobalId, _: str, __: Selection) -> CustomerProfile | None:
        self._parts_of_id(id, 2)
        found: CustomerProfile | None = await self.profile.load(ProfileRef(*id.parts))
        return self._mine(found, found.owner) if found is not None else None

    async def _return_node(self, id: GlobalId, text: str, below: Selection) -> Return | None:
        self._parts_of_id(id, 3)
        parts = return_parts(below, self._context.decide)
        order: Order | None = await self.order.load(OrderKey(id.parts[0], id.parts[1], parts))
        return next((found for found in (order.returns if order else None) or () if found.id == text), None)

    async def _refund_node(self, id: GlobalId, text: str, below: Selection) -> Refund | None:
        self._parts_of_id(id, 3)
        parts = refund_parts(below, self._context.decide)
        order: Order | None = await self.order.load(OrderKey(id.parts[0], id.parts[1], parts))
        return next((found for found in (order.refunds if order else None) or () if found.id == text), None)

    async def _customer_node(self, id: GlobalId, text: str, _: Selection) -> Customer | None:
        email = self._context.services.seal.email(text)
        if not self._context.may_see(email):
            return None
        try:
            return await self._context.reads.customer(email, None)
        except NotKnown:
            return None

    async def _store_node(self, id: GlobalId, _: str, __: Selection) -> Store | None:
        self._parts_of_id(id, 1)
        platform = self._stores.get(id.store)
        return platform.store if platform else None

    async def _action_node(self, id: GlobalId, text: str, _: Selection) -> Action | None:
        self._parts_of_id(id, 1)
        return await self._context.desk.action(text)

    _NODES: Mapping[str, Callable[[RequestLoaders, GlobalId, str, Selection], Awaitable[Node | None]]] = {
        "Order": _order_node,
        "SubscriptionContract": _subscription_node,
        "Product": _product_node,
        "CustomerProfile": _profile_node,
        "Return": _return_node,
        "Refund": _refund_node,
        "Customer": _customer_node,
        "Store": _store_node,
        "Action": _action_node,
    }

    @staticmethod
    def _parts_of_id(id: GlobalId, count: int) -> None:
        if len(id.parts) != count:
            raise MalformedId(f"not an id of {id.type}: it has {len(id.parts)} parts after the type, not {count}")

    def _mine(self, node: V, owner: Email | None) -> V | None:
        return node if self._context.may_see(owner) else None
