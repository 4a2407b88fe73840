"""The interface of a platform: what the gateway may ask one commerce backend for, and in which words it answers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from enum import Enum
from typing import TYPE_CHECKING, Annotated, ClassVar, Generic, NamedTuple, NoReturn, Protocol, TypeAlias, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from platforms.errors import Unreadable, Unsupported
from platforms.exchange import NewClient
from schema.customer import CustomerProfile
from schema.emails import Email
from schema.ids import parse_id
from schema.order import Order, OrderLine
from schema.parts import OrderParts, SubscriptionParts
from schema.product import Product
from schema.provenance import Capability, RateBudget, Source, Store, StoreHealth, make_source
from schema.returns import Refund, Return
from schema.scalars import CurrencyCode
from schema.subscription import Subscription
from schema.values import Fee, Money
from schema.vocabulary import (
    ActionKind,
    CancelReason,
    HealthStatus,
    ItemCondition,
    OrderStatus,
    RefundChoice,
    RefundStatus,
    RequestedResolution,
    ReturnReason,
    ReturnStatus,
    SubscriptionStatus,
    SupportLevel,
)

if TYPE_CHECKING:
    from platforms.transport import Health, Limits, Observer

T = TypeVar("T")

#: ISO 4217's own word for "no currency": a store whose currency is neither configured nor yet read.
NO_CURRENCY = CurrencyCode("XXX")

#: Clocks of two machines may differ by this much when "since then" is compared.
CLOCK_SKEW = timedelta(seconds=90)


# ------------------------------------------------------------------------------------------------ configuration


class StoreConfig(BaseModel):
    """What every store is configured with; each platform's `Config` adds its address and credentials."""

    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True)

    id: Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,30}$")]
    platform: str
    #: What people call the store; the id where it is left out.
    name: str | None = None
    #: IANA name; whole-day windows end at the end of the day here.
    time_zone: str = "UTC"
    #: ISO 4217; where it is left out the platform is asked.
    currency: Annotated[str, Field(pattern=r"^[A-Z]{3}$")] | None = None
    #: The language, `de` or `de-AT`, of what is told of this store's things to a caller who asks for none.
    locale: Annotated[str, Field(pattern=r"^[a-z]{2,3}(-[A-Za-z0-9]{2,8})*$")] | None = None
    #: The shop this store bills for: its subscriptions link to that shop's customers, orders and products.
    extends: str | None = None
    #: Changes are taken only after a preview was confirmed.
    require_preview: bool = False
    #: Allow an address in a private range, such as a shop on the same network.
    allow_private_address: bool = False


@dataclass(frozen=True, slots=True)
class Services:
    """What the gateway lends to an adapter."""

    clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    observer: Observer | None = None
    limits: Limits | None = None
    #: Merged into every upstream call; the sandbox uses it to inject faults.
    extra_headers: Callable[[], Mapping[str, str]] | None = None
    #: What makes the client that carries the calls to a store; None: the transport's own.
    client: NewClient | None = None


# ------------------------------------------------------------------------------------------------ reads


class Operation(Enum):
    """The methods of `Platform` that a platform may or may not have, by method name."""

    ORDERS = "orders"
    ORDERS_BY_NUMBER = "orders_by_number"
    ORDERS_OF = "orders_of"
    PROFILES = "profiles"
    PROFILES_BY_ID = "profiles_by_id"
    PRODUCTS = "products"
    SUBSCRIPTIONS = "subscriptions"
    SUBSCRIPTIONS_OF = "subscriptions_of"
    SUBSCRIPTIONS_OF_ORDERS = "subscriptions_of_orders"
    CANCEL_ORDER = "cancel_order"
    RETURN_ORDER = "return_order"
    REFUND_ORDER = "refund_order"
    PAUSE_SUBSCRIPTION = "pause_subscription"
    RESUME_SUBSCRIPTION = "resume_subscription"
    CANCEL_SUBSCRIPTION = "cancel_subscription"


#: The actions a client can ask for in this version of the gateway, with the method that does each.
ACTIONS: Mapping[ActionKind, Operation] = {
    ActionKind.CANCEL_ORDER: Operation.CANCEL_ORDER,
    ActionKind.RETURN_ORDER: Operation.RETURN_ORDER,
    ActionKind.REFUND_ORDER: Operation.REFUND_ORDER,
    ActionKind.PAUSE_SUBSCRIPTION: Operation.PAUSE_SUBSCRIPTION,
    ActionKind.RESUME_SUBSCRIPTION: Operation.RESUME_SUBSCRIPTION,
    ActionKind.CANCEL_SUBSCRIPTION: Operation.CANCEL_SUBSCRIPTION,
}
ORDER_ACTIONS: tuple[ActionKind, ...] = (ActionKind.CANCEL_ORDER, ActionKind.RETURN_ORDER, ActionKind.REFUND_ORDER)
LINE_ACTIONS: tuple[ActionKind, ...] = (ActionKind.RETURN_ORDER,)
SUBSCRIPTION_ACTIONS: tuple[ActionKind, ...] = (
    ActionKind.PAUSE_SUBSCRIPTION,
    ActionKind.RESUME_SUBSCRIPTION,
    ActionKind.CANCEL_SUBSCRIPTION,
)


class Row(NamedTuple, Generic[T]):
    """One item of a list and its place in it."""

    node: T
    #: Opaque to all but the adapter: given as `after`, the list goes on behind this item, also under inserts.
    position: str


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """A stretch of a list, newest first. It may be shorter than asked, even empty, while `more` is true."""

    rows: Sequence[Row[T]]
    more: bool
    #: Where to go on when `rows` is empty though `more` is true; else the last row's position serves.
    end: str | None = None


@dataclass(frozen=True, slots=True)
class OrdersQuery:
    """Which orders of a person. The adapter filters rows itself where its platform does not."""

    first: int
    after: str | None = None
    status: frozenset[OrderStatus] | None = None
    #: Aware; inclusive.
    placed_after: datetime | None = None
    #: Aware; exclusive.
    placed_before: datetime | None = None

    def admits(self, order: Order) -> bool:
        """Whether an order is one of those asked for."""
        return (
            (self.status is None or order.status in self.status)
            and (self.placed_after is None or order.placed_at >= self.placed_after)
            and (self.placed_before is None or order.placed_at < self.placed_before)
        )


@dataclass(frozen=True, slots=True)
class SubscriptionsQuery:
    """Which subscriptions of a person. Filtering by status happens above, where remembered pauses are known."""

    first: int
    after: str | None = None


@dataclass(frozen=True, slots=True)
class Person:
    """Someone whose things are looked for in one store: an address, and on demand their records in that store."""

    email: Email
    #: Read once a request, whoever asks; raises the store's error where it cannot be read.
    profiles: Callable[[], Awaitable[Sequence[CustomerProfile]]]

    @classmethod
    def known(cls, email: Email, profiles: Sequence[CustomerProfile] = ()) -> Person:
        async def given() -> Sequence[CustomerProfile]:
            return profiles

        return cls(email, given)


# ------------------------------------------------------------------------------------------------ writes


@dataclass(frozen=True, slots=True)
class CancelOrder:
    """Cancel a whole order. `order` was read just now, with the parts of `ORDER_FACTS`."""

    action_id: str
    order: Order
    reason: CancelReason
    refund: RefundChoice
    restock: bool
    notify_customer: bool
    note: str | None = None


@dataclass(frozen=True, slots=True)
class ReturnedLine:
    line: OrderLine
    quantity: int
    reason: ReturnReason
    condition: ItemCondition | None = None
    note: str | None = None
    #: Kept back of the line's value, in percent; 0 where nothing is.
    restocking_percent: Decimal = Decimal(0)


@dataclass(frozen=True, slots=True)
class ReturnOrder:
    """Take goods back. The policy has allowed it."""

    action_id: str
    order: Order
    lines: tuple[ReturnedLine, ...]
    resolution: RequestedResolution
    #: Every fee the decision names, in money.
    fees: tuple[Fee, ...] = ()


@dataclass(frozen=True, slots=True)
class RefundedLine:
    line: OrderLine
    quantity: int


@dataclass(frozen=True, slots=True)
class RefundAsk:
    """What is to be paid for back, before anybody knows how much that is. `order` carries `ORDER_FACTS`."""

    order: Order
    lines: tuple[RefundedLine, ...] = ()
    #: What is left of the shipping as well.
    shipping: bool = False


@dataclass(frozen=True, slots=True)
class RefundSum:
    """What a `RefundAsk` comes to by the platform's own arithmetic; all in the customer's currency.

    `total` is `items` and `tax` and `shipping` together, and never more than the order's `refundable`.
    """

    #: The goods without `tax`; with it where the platform does not tell it apart (`tax` is None).
    items: Money
    total: Money
    tax: Money | None = None
    shipping: Money | None = None
    #: The platform may come to a slightly other sum.
    estimated: bool = False


@dataclass(frozen=True, slots=True)
class RefundOrder:
    """Pay money back, or record it as paid. The policy has allowed it, the caps hold. `order` as in `CancelOrder`."""

    action_id: str
    order: Order
    #: All that is paid back, in the customer's currency; greater than zero. The platform must not pay more or less.
    amount: Money
    #: What it is for; empty where an amount was asked for.
    lines: tuple[RefundedLine, ...]
    #: The part of `amount` that is shipping.
    shipping: Money | None
    #: ORIGINAL_PAYMENT or STORE_CREDIT.
    destination: RefundChoice
    reason: str
    #: Ids (`Refund.id`) of the refunds that were there when it was asked for: none of them is this one.
    refunds_before: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class PauseSubscription:
    action_id: str
    subscription: Subscription
    #: The first day on which it may bill again; None: until it is resumed.
    until: date | None


@dataclass(frozen=True, slots=True)
class ResumeSubscription:
    action_id: str
    subscription: Subscription
    #: The day on which it is to bill next, remembered from before the pause and never in the past; None: not known.
    bill_on: date | None = None


@dataclass(frozen=True, slots=True)
class CancelSubscription:
    action_id: str
    subscription: Subscription
    reason: str


Request: TypeAlias = (
    CancelOrder | ReturnOrder | RefundOrder | PauseSubscription | ResumeSubscription | CancelSubscription
)


@dataclass(frozen=True, slots=True)
class Done:
    """It has happened. `reference` is the platform's own id of what was made, where there is one."""

    reference: str | None = None


@dataclass(frozen=True, slots=True)
class Pending:
    """The platform has taken it and works on it; `job` is what `job_now` is asked with."""

    job: str


Outcome: TypeAlias = Done | Pending


@dataclass(frozen=True, slots=True)
class Probe:
    """What a store tells of itself when it is first spoken to."""

    currency: str | None = None
    #: The version of the platform's interface that really answered.
    api_version: str | None = None
    #: Actions our credentials lack a permission for, with the permissions in the platform's words.
    missing_scopes: Mapping[ActionKind, tuple[str, ...]] = field(default_factory=dict)
    #: Actions this store cannot do, though the platform can: a missing plug-in or edition, in one sentence each.
    absent: Mapping[ActionKind, str] = field(default_factory=dict)
    #: Things the merchant should know, one sentence each.
    warnings: tuple[str, ...] = ()


#: What a fresh read for a decision brings, whatever the rules name: nothing is refunded or returned on a guess.
ORDER_FACTS = OrderParts.LINES | OrderParts.FULFILLMENTS | OrderParts.RETURNS | OrderParts.REFUNDS
SUBSCRIPTION_FACTS = SubscriptionParts.ALL


# ------------------------------------------------------------------------------------------------ the interface


class SourceOf(Protocol):
    """Tells where nodes were read."""

    def __call__(self, native_id: str, *, admin: str | None = None, raw: dict[str, object] | None = None) -> Source: ...


class Platform(ABC):
    """One commerce backend, for one store.

    Reads take many ids and return a mapping; what is missing is left out. Every method may raise a `PlatformError`;
    nothing else leaves an adapter. Rows are re-checked by the adapter: a platform's filter is never trusted.
    """

    #: The platform's own capitalisation: "WooCommerce".
    name: ClassVar[str]
    #: Its settings, a subclass of `StoreConfig`.
    Config: ClassVar[type[StoreConfig]]
    #: The version of the platform's interface that the adapter was written for, in its own words.
    api_version: ClassVar[str | None] = None
    #: Worked out from the methods a subclass defines; never written by hand.
    operations: ClassVar[frozenset[Operation]] = frozenset()
    #: Half-support worth telling a merchant, one plain sentence each; an action named here is EMULATED.
    caveats: ClassVar[Mapping[ActionKind, str]] = {}
    #: Permissions an action needs, in the platform's words.
    scopes: ClassVar[Mapping[ActionKind, tuple[str, ...]]] = {}
    #: Facts of a policy (policies/facts.py has the words) that this platform never knows.
    never_known: ClassVar[frozenset[str]] = frozenset()
    #: False where cancelling an order pays nothing back, whatever was captured.
    refunds_on_cancel: ClassVar[bool] = True
    #: False where the platform has no record of a return: the gateway keeps it, and `return_order` only leaves word.
    #: A store's own where its edition decides; such an adapter has settled it before a read or a return comes back.
    keeps_returns: bool = True
    #: False where a pause is made by other means and the platform has no word for it: the gateway remembers it.
    keeps_pauses: ClassVar[bool] = True
    #: True where a pause without an end cannot be expressed.
    pause_needs_until: ClassVar[bool] = False
    #: True where whose an order is costs a call of its own: that of the customer record behind it.
    owners_cost_a_call: ClassVar[bool] = False

    def __init_subclass__(cls, **kwargs: object) -> None:
        super().__init_subclass__(**kwargs)
        cls.operations = frozenset(op for op in Operation if getattr(cls, op.value) is not getattr(Platform, op.value))

    def __init__(self, config: StoreConfig, services: Services | None = None) -> None:
        self.config = config
        self.services = services or Services()
        self.found: Probe | None = None
        self._anew = False
        self.store = Store(
            id=Store.id_of(config.id),
            name=config.name or config.id,
            platform=self.name,
            time_zone=config.time_zone,
            currency_code=CurrencyCode(config.currency) if config.currency else NO_CURRENCY,
            api_version=self.api_version,
            locale=config.locale,
            key=config.id,
            state=self,
        )

    # -- what it can do

    def supports(self, operation: Operation) -> bool:
        """Whether the platform has the operation at all."""
        return operation in self.operations

    def capability(self, action: ActionKind) -> Capability:
        """What this store can do for an action, as far as is known now; costs no call."""
        scopes = list(self.scopes.get(action, ()))
        if action not in ACTIONS or not self.supports(ACTIONS[action]):
            return Capability(action=action, support=SupportLevel.UNSUPPORTED, note=f"{self.name} does not offer this.")
        if self.found and action in self.found.absent:
            return Capability(action=action, support=SupportLevel.UNSUPPORTED, note=self.found.absent[action])
        if self.found and (missing := self.found.missing_scopes.get(action)):
            return Capability(
                action=action,
                support=SupportLevel.MISSING_SCOPE,
                note=f"The store's credentials lack: {', '.join(missing)}.",
                required_scopes=scopes,
            )
        caveat = self.caveats.get(action)
        level = SupportLevel.EMULATED if caveat else SupportLevel.NATIVE
        return Capability(action=action, support=level, note=caveat, required_scopes=scopes)

    def capabilities_now(self) -> list[Capability]:
        return [self.capability(action) for action in ACTIONS]

    @abstractmethod
    def health(self) -> StoreHealth:
        """How the store answers at present; costs no call."""

    async def probe(self, *, anew: bool = False) -> Probe:
        """Ask the store who it is and what our credentials may do; remembered in `found`, as it was where it fails.

        `anew`: what refused writes have told of missing permissions is forgotten, since they may be granted by now.
        """
        self._anew = anew
        try:
            self.found = await self._probe()
        finally:
            self._anew = False
        if self.found.currency and self.store.currency_code == NO_CURRENCY:
            self.store.currency_code = CurrencyCode(self.found.currency)
        if self.found.api_version:
            self.store.api_version = self.found.api_version
        return self.found

    @abstractmethod
    async def _probe(self) -> Probe:
        """One or two cheap reads."""

    def _told_missing(self) -> Mapping[ActionKind, tuple[str, ...]]:
        """The missing permissions known so far, for a store that tells of them only by refusing a write."""
        return {} if self._anew or self.found is None else self.found.missing_scopes

    @abstractmethod
    async def close(self) -> None:
        """Give back connections."""

    # -- reads

    async def orders(self, ids: Sequence[str], parts: OrderParts) -> Mapping[str, Order]:
        """The orders that exist among `ids`, by native id. Missing ones are left out."""
        self._unsupported(Operation.ORDERS)

    async def orders_by_number(self, number: str, parts: OrderParts) -> Sequence[Order]:
        """The orders whose number is exactly this one, as a shopper types it; a leading `#` does not matter."""
        self._unsupported(Operation.ORDERS_BY_NUMBER)

    async def orders_of(self, person: Person, query: OrdersQuery, parts: OrderParts) -> Page[Order]:
        """The orders that `person.email` owns, newest first by `placed_at`, then by native id."""
        self._unsupported(Operation.ORDERS_OF)

    async def profiles(self, emails: Sequence[Email]) -> Mapping[Email, Sequence[CustomerProfile]]:
        """The customer records that hold exactly one of these addresses."""
        self._unsupported(Operation.PROFILES)

    async def profiles_by_id(self, ids: Sequence[str]) -> Mapping[str, CustomerProfile]:
        """The customer records that exist among `ids`, by native id."""
        self._unsupported(Operation.PROFILES_BY_ID)

    async def products(self, ids: Sequence[str]) -> Mapping[str, Product]:
        """The products that exist among `ids`, by native id, with their variants."""
        self._unsupported(Operation.PRODUCTS)

    async def subscriptions(self, ids: Sequence[str], parts: SubscriptionParts) -> Mapping[str, Subscription]:
        """The subscriptions that exist among `ids`, by native id."""
        self._unsupported(Operation.SUBSCRIPTIONS)

    async def subscriptions_of(
        self, person: Person, query: SubscriptionsQuery, parts: SubscriptionParts
    ) -> Page[Subscription]:
        """A person's subscriptions, newest first by `created_at`, then by native id."""
        self._unsupported(Operation.SUBSCRIPTIONS_OF)

    async def subscriptions_of_orders(
        self, order_ids: Sequence[str], parts: SubscriptionParts
    ) -> Mapping[str, Sequence[Subscription]]:
        """The subscriptions that orders belong to, by the order's native id.

        Where this store extends a shop, the ids are that shop's; else they are this store's own.
        """
        self._unsupported(Operation.SUBSCRIPTIONS_OF_ORDERS)

    # -- writes: none is ever sent twice by the caller without `happened`

    async def cancel_order(self, request: CancelOrder) -> Outcome:
        """Ask the platform to cancel."""
        self._unsupported(Operation.CANCEL_ORDER)

    async def return_order(self, request: ReturnOrder) -> Outcome:
        """Ask the platform to take goods back; where it keeps no returns, leave word of the gateway's own record."""
        self._unsupported(Operation.RETURN_ORDER)

    async def refund_sum(self, ask: RefundAsk) -> RefundSum:
        """What goods and shipping come to, asked of the platform where it tells, else worked out as it would.

        Only reads. Every platform that has `refund_order` has this.
        """
        self._unsupported(Operation.REFUND_ORDER)

    async def refund_order(self, request: RefundOrder) -> Outcome:
        """Pay money back. `reference` of what is done is the native id of the refund (the last part of `Refund.id`)."""
        self._unsupported(Operation.REFUND_ORDER)

    async def pause_subscription(self, request: PauseSubscription) -> Outcome:
        self._unsupported(Operation.PAUSE_SUBSCRIPTION)

    async def resume_subscription(self, request: ResumeSubscription) -> Outcome:
        self._unsupported(Operation.RESUME_SUBSCRIPTION)

    async def cancel_subscription(self, request: CancelSubscription) -> Outcome:
        self._unsupported(Operation.CANCEL_SUBSCRIPTION)

    async def job_now(self, job: str) -> Outcome:
        """How far a pending job is. Raises `Refused` with the platform's reasons where the job failed."""
        raise Unsupported(f"{self.name} has no jobs to ask for.", store=self.config.id)

    async def happened(self, request: Request, since: datetime) -> Done | None:
        """Whether a request has taken effect since it was first sent, by reading; None: it has not.

        An adapter overrides it where it leaves a mark of its own on the platform.
        """
        match request:
            case CancelOrder():
                order = (await self.orders([request.order.source.native_id], ORDER_FACTS)).get(
                    request.order.source.native_id
                )
                return Done() if order is not None and order.status is OrderStatus.CANCELLED else None
            case ReturnOrder():
                returns = (await self._order_now(request.order)).returns
                if returns is None:
                    raise Unreadable("the returns of the order could not be read", store=self.config.id)
                found = matching_return(returns, request, since)
                return Done(found.source.native_id) if found else None
            case RefundOrder():
                refunds = (await self._order_now(request.order)).refunds
                if refunds is None:
                    raise Unreadable("the refunds of the order could not be read", store=self.config.id)
                paid = matching_refund(refunds, request, since)
                return Done(parse_id(paid.id).parts[-1]) if paid else None
            case PauseSubscription() | ResumeSubscription() | CancelSubscription():
                native = request.subscription.source.native_id
                now = (await self.subscriptions([native], SubscriptionParts.NONE)).get(native)
                return Done() if now is not None and now.status in _WANTED[type(request)] else None

    async def _order_now(self, order: Order) -> Order:
        """An order read again with all the facts. Raises `Unreadable`: it is gone, so nothing can be said of it."""
        native = order.source.native_id
        found = (await self.orders([native], ORDER_FACTS)).get(native)
        if found is None:
            raise Unreadable("the order can no longer be read", store=self.config.id)
        return found

    def _unsupported(self, operation: Operation) -> NoReturn:
        action = next((kind for kind, op in ACTIONS.items() if op is operation), None)
        raise Unsupported(
            f"{self.name} does not offer {operation.value.replace('_', ' ')}.", action=action, store=self.config.id
        )

    # -- small words every adapter needs

    def source(self, native_id: str, *, admin: str | None = None, raw: dict[str, object] | None = None) -> Source:
        """Where a node of this store was read, just now."""
        return self.sources()(native_id, admin=admin, raw=raw)

    def sources(self) -> SourceOf:
        """`source` for nodes that were read together."""
        store, fetched_at = self.store, self.services.clock()

        def source(native_id: str, *, admin: str | None = None, raw: dict[str, object] | None = None) -> Source:
            return make_source(store=store, native_id=native_id, fetched_at=fetched_at, admin=admin, raw_values=raw)

        return source


_WANTED: Mapping[type, frozenset[SubscriptionStatus]] = {
    PauseSubscription: frozenset({SubscriptionStatus.PAUSED}),
    ResumeSubscription: frozenset({SubscriptionStatus.ACTIVE}),
    CancelSubscription: frozenset({SubscriptionStatus.CANCELLED, SubscriptionStatus.CANCELLING}),
}

_RETURN_STANDS = frozenset(ReturnStatus) - {ReturnStatus.DECLINED, ReturnStatus.CANCELLED}


def matching_return(returns: Iterable[Return], request: ReturnOrder, since: datetime) -> Return | None:
    """A return of just these lines and quantities, made since then and still standing."""
    wanted = sorted((line.line.native_id, line.quantity) for line in request.lines)
    for found in returns:
        lines = sorted((line.line.native_id, line.quantity) for line in found.lines)
        if found.status in _RETURN_STANDS and found.requested_at >= since - CLOCK_SKEW and lines == wanted:
            return found
    return None


def matching_refund(refunds: Iterable[Refund], request: RefundOrder, since: datetime) -> Refund | None:
    """A refund of just this amount, made since then, that did not fail and was not there before it was asked for."""
    for found in refunds:
        if (
            found.id not in request.refunds_before
            and found.status is not RefundStatus.FAILED
            and found.created_at >= since - CLOCK_SKEW
            and found.amount.presentment == request.amount
        ):
            return found
    return None


def healthy() -> StoreHealth:
    """The health of a store that was never called."""
    return StoreHealth(status=HealthStatus.OK)


def store_health(now: Health) -> StoreHealth:
    """What the transport knows of a store, in the contract's words."""
    return StoreHealth(
        status=now.status,
        rate_budget=RateBudget(**now.budget._asdict()) if now.budget else None,
        last_error_at=now.last_error_at,
        circuit_open_until=now.circuit_open_until,
    )


#: An address that nobody has (RFC 2606).
_NOBODY = Email("nobody@aftersale.invalid")


async def cost_alike(platform: Platform, orders: Iterable[Order]) -> None:
    """Make the call that finding out whose an order is would have made, where none of `orders` made it.

    So what is there and another's costs as much as what is not there, and neither tells which it was.
    """
    if platform.owners_cost_a_call and not any(order.customer_native_id for order in orders):
        await platform.profiles([_NOBODY])
