"""What a commercetools project is asked, and in which order."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal
from typing import Annotated, Any, ClassVar, Literal, NamedTuple, TypeVar
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field, model_validator

from platforms.addresses import check_base_url
from platforms.base import (
    CLOCK_SKEW,
    SUBSCRIPTION_ACTIONS,
    CancelOrder,
    CancelSubscription,
    Done,
    OrdersQuery,
    Outcome,
    Page,
    PauseSubscription,
    Person,
    Platform,
    Probe,
    RefundAsk,
    RefundOrder,
    RefundSum,
    Request,
    ResumeSubscription,
    ReturnedLine,
    ReturnOrder,
    Row,
    Services,
    StoreConfig,
    SubscriptionsQuery,
    store_health,
)
from platforms.commercetools import mapping, wire
from platforms.errors import BadCredentials, MissingScope, PlatformError, Refused, Unreadable, Unsupported
from platforms.instants import to_the_millisecond
from platforms.jsonbody import decode
from platforms.oauth import ClientCredentials
from platforms.secrets import SecretText
from platforms.together import together
from platforms.transport import Call, Limits, Reply, Transport
from schema.customer import CustomerProfile
from schema.emails import Email, email_or_none, same_email
from schema.ids import make_id
from schema.order import Order
from schema.parts import OrderParts, SubscriptionParts
from schema.product import Product
from schema.provenance import StoreHealth
from schema.subscription import Subscription
from schema.values import Money
from schema.vocabulary import ActionKind, OrderStatus, RefundChoice

T = TypeVar("T")
R = TypeVar("R")
_H = TypeVar("_H", wire.OrderHead, wire.RecurringHead, wire.PaymentHead)

#: A list of which little is wanted is followed for so many pages in one go; then the answer says where it goes on.
_PAGES = 5
#: A list that is read to its end: more than this is an error, never a part taken for the whole.
_LONGEST = 4
_WITH_LINES = OrderParts.LINES | OrderParts.FULFILLMENTS | OrderParts.RETURNS
_SUMS = "commercetools records sums only, not lines or shipping: ask for an amount."
#: What our marks begin with.
_OURS = "aftersale-"
_SCOPES: Mapping[ActionKind, tuple[str, ...]] = {
    ActionKind.CANCEL_ORDER: (wire.MANAGE_ORDERS,),
    ActionKind.RETURN_ORDER: (wire.MANAGE_ORDERS,),
    ActionKind.REFUND_ORDER: (wire.MANAGE_PAYMENTS,),
    **dict.fromkeys(SUBSCRIPTION_ACTIONS, (wire.MANAGE_RECURRING_ORDERS,)),
}


class Credentials(BaseModel):
    """An API client of the project (Merchant Center > Settings > Developer settings)."""

    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True)

    client_id: SecretText
    client_secret: SecretText


class CommercetoolsConfig(StoreConfig):
    """One project."""

    platform: Literal["commercetools"] = "commercetools"
    #: The project's key; it is part of every address.
    project: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{1,35}$")]
    #: Where the project is hosted, such as `europe-west1.gcp`; leave it out where `url` and `auth_url` are given.
    region: Annotated[str, Field(pattern=r"^[a-z]{2,20}-[a-z]+-?[0-9]\.(gcp|aws|azure)$")] | None = None
    #: Other addresses than the region's own: of the API and of the authorization service.
    url: str | None = None
    auth_url: str | None = None
    #: As in every store, and the language of names and descriptions; left out, these are in the project's first.
    locale: Annotated[str, Field(pattern=r"^[a-z]{2,3}(-[A-Za-z0-9]{2,8})*$")] | None = None
    #: Whose prices are shown where a product has prices by country, such as `DE`.
    country: Annotated[str, Field(pattern=r"^[A-Z]{2}$")] | None = None
    credentials: Credentials

    @model_validator(mode="after")
    def _reachable(self) -> CommercetoolsConfig:
        if self.region is None and (self.url is None or self.auth_url is None):
            raise ValueError("give the project's `region`, or both `url` and `auth_url`")
        for url in (self.api_address, self.auth_address):
            check_base_url(url, allow_private=self.allow_private_address)
        return self

    @property
    def api_address(self) -> str:
        return (self.url or f"https://api.{self.region}.commercetools.com").rstrip("/")

    @property
    def auth_address(self) -> str:
        return (self.auth_url or f"https://auth.{self.region}.commercetools.com").rstrip("/")


class Commercetools(Platform):
    """The HTTP API with client credentials; subscriptions are its Recurring Orders."""

    name = "commercetools"
    Config = CommercetoolsConfig
    refunds_on_cancel: ClassVar[bool] = False
    owners_cost_a_call: ClassVar[bool] = True
    caveats: ClassVar[Mapping[ActionKind, str]] = {
        ActionKind.CANCEL_ORDER: (
            "Cancelling only records it: no money is paid back, nothing is put back into stock, and whoever ships and "
            "collects must act on it."
        ),
        ActionKind.RETURN_ORDER: (
            "A return is an announcement on the order: the platform sends no label and pays nothing back by itself."
        ),
        ActionKind.REFUND_ORDER: (
            "A refund is written down on the payment, as a sum without lines: whoever connects the payment service "
            "must carry it out."
        ),
        ActionKind.PAUSE_SUBSCRIPTION: (
            "The end of a pause is handed over as the instant to resume; where the project does not keep it, the pause "
            "lasts until the subscription is resumed."
        ),
    }
    scopes: ClassVar[Mapping[ActionKind, tuple[str, ...]]] = _SCOPES
    never_known: ClassVar[frozenset[str]] = frozenset(
        {
            "customer.tags",
            "line.days_since_delivery",
            "line.delivered_at",
            "line.delivered_estimated",
            "line.final_sale",
            "line.tags",
            "line.vendor",
            "order.delivered_at",
            "subscription.is_prepaid",
            "subscription.max_cycles",
            "subscription.min_cycles",
        }
    )

    config: CommercetoolsConfig

    def __init__(self, config: StoreConfig, services: Services | None = None) -> None:
        if not isinstance(config, CommercetoolsConfig):
            raise TypeError("a commercetools store needs a CommercetoolsConfig")
        super().__init__(config, services)
        self._project = config.project
        self._transport = self._way_to(config.api_address)
        self._auth = self._way_to(config.auth_address)
        client_id, secret = config.credentials.client_id, config.credentials.client_secret
        self._tokens = ClientCredentials(
            self._auth, lambda: wire.token(client_id.reveal(), secret.reveal()), wire.judge_token
        )
        #: What the project says of itself; asked for once, and only where the configuration leaves it open.
        self._settings: wire.ProjectRow | None = None
        self._settings_lock = asyncio.Lock()

    def _way_to(self, address: str) -> Transport:
        return Transport(
            self.config.id,
            address,
            limits=self.services.limits or Limits(),
            observer=self.services.observer,
            judge=wire.judge,
            allow_private=self.config.allow_private_address,
            extra_headers=self.services.extra_headers,
            client=self.services.client,
        )

    # -- the store itself

    def health(self) -> StoreHealth:
        """No budget: the platform publishes no rate."""
        return store_health(replace(self._transport.health(), budget=None))

    async def close(self) -> None:
        await self._transport.close()
        await self._auth.close()

    async def _probe(self) -> Probe:
        """A new token tells what it may do; the project's settings tell its currencies and languages."""
        token = await self._tokens.token()
        if self._anew:  # what was granted, or set, since the last one was given
            await self._tokens.renewed(token)
            self._settings = None
        settings = await self._project_settings()
        warnings = []
        currencies = settings.currencies if settings else []
        if settings is None:
            needed = wire.scope("view_project_settings:{projectKey}", self._project)
            warnings.append(f"The project's settings could not be read without {needed}.")
        if self.config.currency is None and len(currencies) != 1:
            warnings.append("The project does not have exactly one currency: set `currency` for this store.")
        if currencies and self.config.currency not in (None, *currencies):
            warnings.append(f"The project sells in {', '.join(currencies)}, not in {self.config.currency}.")
        granted = self._granted()
        missing: dict[ActionKind, tuple[str, ...]] = {}
        if granted:
            for action, templates in self.scopes.items():
                wanted = [wire.scope(template, self._project) for template in templates]
                if lacking := tuple(one for one in wanted if not wire.holds(granted, one, self._project)):
                    missing[action] = lacking
            for kind in wire.READING:
                if not wire.holds(granted, kind, self._project):
                    warnings.append(f"The API client lacks {kind}:{self._project}: what needs it will be missing.")
        return Probe(
            currency=self.config.currency or (currencies[0] if currencies else None),
            missing_scopes=missing,
            warnings=tuple(warnings),
        )

    def _granted(self) -> frozenset[str]:
        """The token's scopes that are of this kind at all; none where it does not tell."""
        return frozenset(one for one in self._tokens.scopes if ":" in one)

    async def _project_settings(self) -> wire.ProjectRow | None:
        """None where the credentials may not read them. Raises `Missing` where there is no such project."""
        async with self._settings_lock:
            if self._settings is None:
                try:
                    call = wire.project_settings(self._project)
                    self._settings = await self._send(call, wire.ProjectRow)
                except MissingScope:
                    return None
                except wire.Missing as error:
                    message = f"there is no project {self._project} at this address"
                    raise wire.Missing(message, store=self.config.id, native=error.native) from None
            return self._settings

    async def _currency(self) -> str | None:
        if self.config.currency is not None:
            return self.config.currency
        settings = await self._project_settings()
        return settings.currencies[0] if settings and settings.currencies else None

    def _home(self) -> mapping.Home:
        languages = tuple(self._settings.languages) if self._settings else ()
        if self.config.locale is not None:
            languages = (self.config.locale, *languages)
        region, own = self.config.region, self.config.url is None
        return mapping.Home(
            self.config.id,
            self.config.time_zone,
            self.source,
            languages,
            f"https://mc.{region}.commercetools.com/{self._project}" if region and own else None,
            self.services.clock,
        )

    # -- orders

    async def orders(self, ids: Sequence[str], parts: OrderParts) -> Mapping[str, Order]:
        wanted = _native(ids)
        rows = await self._by(wanted, "orders.batch", "orders", "id", wire.OrderRow, _order_expansions(parts))
        found = await self._orders([row for row in rows if row.id in wanted], parts)
        return {order.source.native_id: order for order in found}

    async def orders_by_number(self, number: str, parts: OrderParts) -> Sequence[Order]:
        """An order without a number is known by its id."""
        wanted = number.strip().removeprefix("#")
        if not wanted:
            return []
        if wire.is_id(wanted):
            where = wire.any_of(wire.one_of("orderNumber", "numbers", [wanted]), wire.one_of("id", "ids", [wanted]))
        else:
            where = wire.one_of("orderNumber", "numbers", [wanted, f"#{wanted}"])
        rows = await self._all("orders.by_number", "orders", [where], wire.OrderRow, _order_expansions(parts))
        return await self._orders([row for row in rows if mapping.number(row) == wanted], parts)

    async def orders_of(self, person: Person, query: OrdersQuery, parts: OrderParts) -> Page[Order]:
        """One list of both: orders of the person's records, and orders that carry the address. An order of somebody
        else's record that carries it is theirs, so each row's owner is looked at again.

        The address on an order is matched as it is written: as the gateway writes it, and as the records do.
        """
        states = _words(query)
        if states == ():
            return Page([], more=False)
        profiles = [one for one in await person.profiles() if same_email(one.email, person.email)]
        known = {one.source.native_id: mapping.Owner(person.email, list(one.segments)) for one in profiles}
        spelt = list(dict.fromkeys([person.email, *(one.email for one in profiles if one.email)]))
        mine = wire.one_of("customerEmail", "emails", spelt)
        wheres = [wire.any_of(mine, wire.one_of("customerId", "customers", list(known))) if known else mine]
        if states is not None:
            wheres.append(wire.one_of("orderState", "states", states))
        if query.placed_after is not None:
            wheres.append(wire.Where("createdAt >= :from", {"from": [to_the_millisecond(query.placed_after)]}))
        if query.placed_before is not None:
            # To the millisecond there: one between two is rounded outwards.
            until = to_the_millisecond(query.placed_before + timedelta(microseconds=999))
            wheres.append(wire.Where("createdAt < :until", {"until": [until]}))
        limit = min(query.first + 1, wire.MOST)
        place = _position(query.after) if query.after else None
        found: list[tuple[_Place, Order]] = []
        exhausted = False
        for _ in range(_PAGES):
            behind = [] if place is None else [wire.behind(place.created_at, place.id)]
            call = wire.listed(
                "orders.list",
                self._project,
                "orders",
                [*wheres, *behind],
                sort=wire.NEWEST_FIRST,
                limit=limit,
                expand=_order_expansions(parts),
            )
            rows = (await self._send(call, wire.Page[wire.OrderRow])).results
            orders = await self._orders(rows, parts, known)
            found += [
                (_Place(row.created_at, row.id), order)
                for row, order in zip(rows, orders, strict=True)
                if order.owner == person.email and query.admits(order)
            ]
            exhausted = len(rows) < limit
            if rows:
                place = _Place(rows[-1].created_at, rows[-1].id)
            if exhausted or len(found) > query.first:
                break
        given = found[: query.first]
        return Page(
            rows=[Row(order, str(at)) for at, order in given],
            more=len(found) > len(given) or not exhausted,
            end=None if given or place is None else str(place),
        )

    async def _orders(
        self, rows: Sequence[wire.OrderRow], parts: OrderParts, known: Mapping[str, mapping.Owner] | None = None
    ) -> list[Order]:
        """Orders with their owners, in the order of `rows`."""
        unknown = {row.customer_id for row in rows if row.customer_id} - (known or {}).keys()
        owners = dict(known or {})
        for customer in await self._customers_by("id", sorted(unknown)):
            owners[customer.id] = mapping.owner(customer)
        home = self._home()

        def owner(row: wire.OrderRow) -> mapping.Owner:
            if row.customer_id is None:
                return mapping.Owner(email_or_none(row.customer_email), [])
            # A record that is gone leaves the address on the order.
            return owners.get(row.customer_id) or mapping.Owner(email_or_none(row.customer_email), None)

        return self._ours(lambda: [mapping.order(row, parts, home, owner(row)) for row in rows])

    # -- customers

    async def profiles(self, emails: Sequence[Email]) -> Mapping[Email, Sequence[CustomerProfile]]:
        """One call for each hundred addresses."""
        wanted = list(dict.fromkeys(emails))
        rows = await self._customers_by("lowercaseEmail", list(wanted))
        home = self._home()
        return self._ours(
            lambda: {
                email: [mapping.profile(row, home) for row in rows if same_email(row.email, email)] for email in wanted
            }
        )

    async def profiles_by_id(self, ids: Sequence[str]) -> Mapping[str, CustomerProfile]:
        wanted = _native(ids)
        rows = await self._customers_by("id", wanted)
        home = self._home()
        return self._ours(lambda: {row.id: mapping.profile(row, home) for row in rows if row.id in wanted})

    async def _customers_by(self, path: str, values: Sequence[str]) -> list[wire.CustomerRow]:
        return await self._by(values, "customers.list", "customers", path, wire.CustomerRow, wire.CUSTOMER)

    # -- products

    async def products(self, ids: Sequence[str]) -> Mapping[str, Product]:
        """As they are published now."""
        wanted = _native(ids)
        if not wanted:
            return {}
        currency = await self._currency()
        more = [("priceCurrency", currency)] if currency else []
        if currency and self.config.country:
            more.append(("priceCountry", self.config.country))
        rows = await self._by(
            wanted, "products.batch", "product-projections", "id", wire.ProductRow, wire.PRODUCT, more
        )
        home = self._home()
        return self._ours(lambda: {row.id: mapping.product(row, home, currency) for row in rows if row.id in wanted})

    # -- subscriptions

    async def subscriptions(self, ids: Sequence[str], parts: SubscriptionParts) -> Mapping[str, Subscription]:
        wanted = _native(ids)
        rows = await self._recurring("id", wanted)
        found = await self._subscriptions([row for row in rows if row.id in wanted], parts)
        return {one.source.native_id: one for one in found}

    async def subscriptions_of(
        self, person: Person, query: SubscriptionsQuery, parts: SubscriptionParts
    ) -> Page[Subscription]:
        """A person has few: all are read, then the page is cut."""
        profiles = [one for one in await person.profiles() if same_email(one.email, person.email)]
        records = [one.source.native_id for one in profiles]
        spelt = list(dict.fromkeys([person.email, *(one.email for one in profiles if one.email)]))
        where = wire.one_of("customerEmail", "emails", spelt)
        if records:
            where = wire.any_of(where, wire.one_of("customer.id", "customers", records))
        rows = await self._all(
            "recurring_orders.list", "recurring-orders", [where], wire.RecurringRow, wire.RECURRING_ORDER
        )

        def mine(row: wire.RecurringRow) -> bool:
            if row.customer is not None:
                return row.customer.id in records
            return same_email(row.customer_email, person.email)

        places = self._ours(lambda: {row.id: mapping.subscription_created_at(row) for row in rows})
        listed = sorted((row for row in rows if mine(row)), key=lambda row: (places[row.id], row.id), reverse=True)
        if query.after is not None:
            after = _position(query.after)
            listed = [row for row in listed if (places[row.id], row.id) < (after.at, after.id)]
        given = listed[: query.first]
        nodes = await self._subscriptions(given, parts)
        return Page(
            rows=[Row(node, str(_Place(row.created_at, row.id))) for row, node in zip(given, nodes, strict=True)],
            more=len(listed) > len(given),
        )

    async def subscriptions_of_orders(
        self, order_ids: Sequence[str], parts: SubscriptionParts
    ) -> Mapping[str, Sequence[Subscription]]:
        """Those that began with one of these orders. An order made later by one does not lead back here."""
        wanted = _native(order_ids)
        rows = [row for row in await self._recurring("originOrder.id", wanted) if row.origin_order.id in wanted]
        found: dict[str, list[Subscription]] = {}
        for row, node in zip(rows, await self._subscriptions(rows, parts), strict=True):
            found.setdefault(row.origin_order.id, []).append(node)
        return found

    async def _recurring(self, path: str, values: Sequence[str]) -> list[wire.RecurringRow]:
        return await self._by(
            values, "recurring_orders.batch", "recurring-orders", path, wire.RecurringRow, wire.RECURRING_ORDER
        )

    async def _subscriptions(self, rows: Sequence[wire.RecurringRow], parts: SubscriptionParts) -> list[Subscription]:
        with_cycles = bool(parts & SubscriptionParts.CYCLES)
        renewals = await self._renewals([row.id for row in rows]) if with_cycles else None
        home = self._home()
        return self._ours(lambda: [mapping.subscription(row, home, renewals, with_cycles=with_cycles) for row in rows])

    async def _renewals(self, ids: Sequence[str]) -> list[wire.RenewalRow] | None:
        """The orders that recurring orders made; None where they cannot be read. That orders can be asked for by their
        recurring order is unverified."""
        try:
            return await self._by(ids, "orders.of_recurring", "orders", "recurringOrder.id", wire.RenewalRow)
        except PlatformError:
            return None

    # -- writes

    async def cancel_order(self, request: CancelOrder) -> Outcome:
        """Written for the version that was decided on. Where the order has another by now, it is read again, and
        cancelled only if nothing of it has changed that a decision looks at."""
        raw = request.order.source.raw_values or {}

        def standing(head: wire.OrderHead) -> bool:
            return all(
                value == raw.get(name)
                for name, value in (
                    ("orderState", head.order_state),
                    ("paymentState", head.payment_state),
                    ("shipmentState", head.shipment_state),
                )
            )

        def shows(head: wire.OrderHead) -> bool:
            return head.order_state == "Cancelled"

        await self._change(
            "orders",
            request.order.source.native_id,
            raw.get("version"),
            [wire.cancelled_order()],
            wire.OrderHead,
            shows,
            standing,
            ActionKind.CANCEL_ORDER,
        )
        return Done()

    async def return_order(self, request: ReturnOrder) -> Outcome:
        """The action's id goes along as the tracking id, by which `happened` finds the return again."""
        mark = _mark(request)
        costs = [
            f"{fee.kind.value.lower().replace('_', ' ')} {fee.amount.amount} {fee.amount.currency_code}"
            for fee in request.fees
        ]

        def comment(one: ReturnedLine) -> str:
            kept = [f"{one.restocking_percent}% kept for restocking"] if one.restocking_percent else []
            return mapping.written_remark(
                one.reason, one.condition, request.resolution.value, [*kept, *costs], one.note
            )

        goods = [
            wire.GoodsBack(one.line.native_id, one.quantity, comment(one), custom=one.line.product_ref is None)
            for one in request.lines
        ]
        known = {one.source.native_id for one in request.order.returns or ()}
        raw = request.order.source.raw_values or {}

        def standing(head: wire.OrderHead) -> bool:
            now = {mapping.return_id(one) for one in head.return_info if one.items}
            return head.order_state == raw.get("orderState") and now == known

        head = await self._change(
            "orders",
            request.order.source.native_id,
            raw.get("version"),
            [wire.announced_return(mark, goods)],
            wire.OrderHead,
            lambda head: _marked(head, mark) is not None,
            standing,
            ActionKind.RETURN_ORDER,
        )
        return Done(_marked(head, mark))

    async def refund_sum(self, ask: RefundAsk) -> RefundSum:
        """Nothing to work out: what is not a plain sum has no place in a transaction."""
        if ask.lines or ask.shipping:
            raise Unsupported(_SUMS, action=ActionKind.REFUND_ORDER, store=self.config.id)
        nothing = Money.of(0, ask.order.totals.refundable.presentment.currency_code)
        return RefundSum(items=nothing, total=nothing)

    async def refund_order(self, request: RefundOrder) -> Outcome:
        """One transaction on one payment that has as much left, at the version that was just looked at."""
        if request.lines:
            raise Unsupported(_SUMS, action=ActionKind.REFUND_ORDER, store=self.config.id)
        if request.destination is not RefundChoice.ORIGINAL_PAYMENT:
            raise Unsupported(
                "commercetools has no store credit.", action=ActionKind.REFUND_ORDER, store=self.config.id
            )
        native, mark = request.order.source.native_id, _refund_mark(request)
        payments = await self._before_writing(self._payments(native))
        left = {one.id: _left(one, request.amount) for one in payments}
        if request.amount.amount > sum(left.values()):
            raise Refused("more than is left of what was charged", store=self.config.id)
        payment = next((one for one in payments if left[one.id] >= request.amount.amount), None)
        if payment is None:
            raise Refused(
                "the order was paid in several payments and none of them has as much left: pay back a part of each",
                store=self.config.id,
            )
        charge = next(one.amount for one in payment.transactions if one.type == "Charge")
        cents = request.amount.amount.scaleb(charge.fraction_digits)
        if cents != cents.to_integral_value():
            raise Refused(f"the sum has more than {charge.fraction_digits} decimals", store=self.config.id)
        chosen, before = payment.id, _refund_ids(payment)

        async def again() -> wire.PaymentHead:
            for one in await self._payments(native):
                if one.id == chosen:
                    return one
            raise wire.Missing("the payment is not there any more", store=self.config.id)

        head = await self._change(
            "payments",
            chosen,
            payment.version,
            [wire.refund(request.amount.currency_code, int(cents), self.services.clock(), mark)],
            wire.PaymentHead,
            lambda head: _refund_of(head, mark) is not None,
            lambda head: _refund_ids(head) == before and _left(head, request.amount) >= request.amount.amount,
            ActionKind.REFUND_ORDER,
            again=again,
        )
        return Done(_refund_of(head, mark))

    async def _payments(self, order: str) -> list[wire.PaymentHead]:
        """The payments of an order as they stand. Raises `Unreadable` where one of them was not brought along."""
        found = await self._by([order], "orders.payments", "orders", "id", wire.OrderPayments, wire.ORDER_PAYMENTS)
        row = next((one for one in found if one.id == order), None)
        if row is None:
            raise wire.Missing("it is not there any more", store=self.config.id)
        refs = row.payment_info.payments if row.payment_info else []
        if any(ref.obj is None for ref in refs):
            raise Unreadable("a payment of the order could not be read", store=self.config.id)
        return [ref.obj for ref in refs if ref.obj is not None]

    async def pause_subscription(self, request: PauseSubscription) -> Outcome:
        """With an end, pausing and the instant to resume go in one update: both or neither. Whether a project takes
        them together is unverified, so what came of it is looked at, and a plain pause made of anything else."""
        plain = [wire.recurring_state("paused")]
        if request.until is None:
            await self._move(request, plain, ActionKind.PAUSE_SUBSCRIPTION)
            return Done()
        zone = ZoneInfo(self.config.time_zone)
        morning = datetime.combine(request.until, time(), zone).astimezone(UTC)
        both = [*plain, wire.recurring_state("active", resumesAt=to_the_millisecond(morning))]
        try:
            head = await self._move(
                request, both, ActionKind.PAUSE_SUBSCRIPTION, shows=lambda head: head.recurring_order_state in _TAKEN
            )
        except (BadCredentials, MissingScope, wire.Stale, wire.Missing):
            raise
        except Refused:  # surely not done: the platform says so
            await self._move(request, plain, ActionKind.PAUSE_SUBSCRIPTION)
            return Done()
        if head.recurring_order_state != "Paused":
            await self._move(request, plain, ActionKind.PAUSE_SUBSCRIPTION, version=head.version)
        return Done()

    async def resume_subscription(self, request: ResumeSubscription) -> Outcome:
        """At once; the platform works out the next order by itself."""
        await self._move(request, [wire.recurring_state("active")], ActionKind.RESUME_SUBSCRIPTION)
        return Done()

    async def cancel_subscription(self, request: CancelSubscription) -> Outcome:
        """At once; what was ordered already is delivered."""
        actions = [wire.recurring_state("canceled", reason=request.reason)]
        await self._move(request, actions, ActionKind.CANCEL_SUBSCRIPTION)
        return Done()

    async def _move(
        self,
        request: PauseSubscription | ResumeSubscription | CancelSubscription,
        actions: Sequence[object],
        action: ActionKind,
        *,
        shows: Callable[[wire.RecurringHead], bool] | None = None,
        version: int | None = None,
    ) -> wire.RecurringHead:
        raw = request.subscription.source.raw_values or {}
        wanted = _REACHED[type(request)]

        def reached(head: wire.RecurringHead) -> bool:
            return head.recurring_order_state == wanted

        return await self._change(
            "recurring-orders",
            request.subscription.source.native_id,
            raw.get("version") if version is None else version,
            actions,
            wire.RecurringHead,
            shows or reached,
            lambda head: head.recurring_order_state == raw.get("recurringOrderState"),
            action,
            already=reached,
        )

    async def _change(
        self,
        kind: str,
        native: str,
        version: object,
        actions: Sequence[object],
        type_: type[_H],
        shows: Callable[[_H], bool],
        standing: Callable[[_H], bool],
        action: ActionKind,
        *,
        already: Callable[[_H], bool] | None = None,
        again: Callable[[], Awaitable[_H]] | None = None,
    ) -> _H:
        """Update a resource at the version that was decided on, and see it done.

        409 says for certain that nothing was done. The resource is then read again: what is done already is done; what
        stands as it did when it was decided on is updated at its version of now, once; anything else is refused.
        """
        operation = f"{kind.replace('-', '_')}.update"
        look = again or (lambda: self._head(kind, native, type_))

        def read(reply: Reply) -> _H:
            head = decode(type_, reply, operation)
            if not shows(head):
                raise Unreadable("the answer says that it was done, and does not show it")
            return head

        async def send(at: int) -> _H:
            call = wire.update(operation, self._project, kind, native, at, actions)
            return await self._send(call, read=read, action=action)

        try:
            if isinstance(version, int):
                return await send(version)
        except wire.Stale as error:
            head = await self._before_writing(look())
            if (already or shows)(head):
                return head
            if not standing(head):
                raise Refused(
                    "it has changed since it was decided on; nothing was done",
                    store=self.config.id,
                    native=error.native,
                ) from None
        else:
            head = await self._before_writing(look())
        return await send(head.version)

    async def _head(self, kind: str, native: str, type_: type[_H]) -> _H:
        operation = f"{kind.replace('-', '_')}.head"
        call = wire.listed(operation, self._project, kind, [wire.one_of("id", "ids", [native])], limit=1)
        page: wire.Page[_H] = await self._send(call, wire.Page[type_])  # type: ignore[valid-type]
        for head in page.results:
            if head.id == native:
                return head
        raise wire.Missing("it is not there any more", store=self.config.id)

    async def happened(self, request: Request, since: datetime) -> Done | None:
        """By the marks an action leaves: the order's state, the return's tracking id, the transaction's interaction
        id, the subscription's state."""
        try:
            match request:
                case CancelOrder():
                    order = await self._head("orders", request.order.source.native_id, wire.OrderHead)
                    return Done() if order.order_state == "Cancelled" else None
                case ReturnOrder():
                    order = await self._head("orders", request.order.source.native_id, wire.OrderHead)
                    found = _marked(order, _mark(request))
                    return Done(found) if found else None
                case RefundOrder():
                    payments = await self._payments(request.order.source.native_id)
                    return _refunded(payments, request, since, self.config.id)
                case PauseSubscription() | ResumeSubscription() | CancelSubscription():
                    native = request.subscription.source.native_id
                    subscription = await self._head("recurring-orders", native, wire.RecurringHead)
                    return Done() if subscription.recurring_order_state == _REACHED[type(request)] else None
        except wire.Missing:
            return None

    # -- calls

    async def _by(
        self,
        values: Sequence[str],
        operation: str,
        kind: str,
        path: str,
        type_: type[T],
        expand: Sequence[str] = (),
        more: Sequence[tuple[str, str]] = (),
    ) -> list[T]:
        """The rows whose field has one of these values, as few calls as their number allows; none for no values."""
        pieces = [values[at : at + wire.VALUES] for at in range(0, len(values), wire.VALUES)]
        found = await together(
            *(self._all(operation, kind, [wire.one_of(path, "values", piece)], type_, expand, more) for piece in pieces)
        )
        return [row for rows in found for row in rows]

    async def _all(
        self,
        operation: str,
        kind: str,
        wheres: Sequence[wire.Where],
        type_: type[T],
        expand: Sequence[str] = (),
        more: Sequence[tuple[str, str]] = (),
    ) -> list[T]:
        """Every row of a list, by id: an offset may not pass 10,000, and shifts under inserts."""
        rows: list[Any] = []
        behind: list[wire.Where] = []
        for _ in range(_LONGEST):
            call = wire.listed(operation, self._project, kind, [*wheres, *behind], expand=expand, more=more)
            page: wire.Page[Any] = await self._send(call, wire.Page[type_])  # type: ignore[valid-type]
            rows += page.results
            if len(page.results) < wire.MOST:
                return rows
            behind = [wire.Where("id > :last", {"last": [rows[-1].id]})]
        raise Unreadable(f"{operation}: more than {_LONGEST * wire.MOST} rows", store=self.config.id)

    async def _send(
        self,
        call: Call,
        type_: type[R] | None = None,
        *,
        read: Callable[[Reply], R] | None = None,
        action: ActionKind | None = None,
    ) -> R:
        """The answer to a call, with a token; once more with another one where the first is no longer taken."""

        def decoded(reply: Reply) -> R:
            if read is not None:
                return read(reply)
            assert type_ is not None
            return decode(type_, reply, call.operation)

        def signed(token: SecretText) -> Call:
            bearer = {"Authorization": f"Bearer {token.reveal()}", "Accept": "application/json"}
            return replace(call, headers={**call.headers, **bearer})

        token = await (self._before_writing(self._tokens.token()) if call.writes else self._tokens.token())
        try:
            try:
                return await self._transport.send(signed(token), read=decoded)
            except BadCredentials:
                another = await self._before_writing(self._tokens.renewed(token))
                if another is None:
                    raise
                return await self._transport.send(signed(another), read=decoded)
        except MissingScope as error:
            if not error.scopes and action is not None:
                error.scopes = tuple(wire.scope(one, self._project) for one in self.scopes[action])
            if self.found is not None and action is not None:
                scopes = {**self.found.missing_scopes, action: error.scopes}
                self.found = replace(self.found, missing_scopes=scopes)
            raise

    @staticmethod
    async def _before_writing(step: Awaitable[R]) -> R:
        """A step before a write: where it fails, the write was surely not sent."""
        try:
            return await step
        except PlatformError as error:
            error.not_executed = True
            raise

    def _ours(self, mapped: Callable[[], R]) -> R:
        """What the mapping makes of rows; a row it cannot read is told with the store's name."""
        try:
            return mapped()
        except Unreadable as error:
            error.store = self.config.id
            raise


#: What a recurring order may be after a pause with an end: how a project reads the two together is unverified.
_TAKEN = frozenset({"Paused", "Active"})
_REACHED: Mapping[type, str] = {
    PauseSubscription: "Paused",
    ResumeSubscription: "Active",
    CancelSubscription: "Canceled",
}


def _order_expansions(parts: OrderParts) -> Sequence[str]:
    return (*wire.ORDER, *(wire.ORDER_LINES if parts & _WITH_LINES else ()))


def _native(ids: Iterable[str]) -> list[str]:
    """Those that can be ids here at all, each once."""
    return [one for one in dict.fromkeys(ids) if wire.is_id(one)]


def _words(query: OrdersQuery) -> Sequence[str] | None:
    """The states to ask for: None for any, none where no order ever has the wanted status."""
    if query.status is None or any(status not in mapping.STATUS_WORDS for status in _possible(query.status)):
        return None
    return tuple(sorted({word for status in _possible(query.status) for word in mapping.STATUS_WORDS[status]}))


def _possible(wanted: frozenset[OrderStatus]) -> frozenset[OrderStatus]:
    return wanted & (frozenset(mapping.STATUS_WORDS) | {OrderStatus.UNKNOWN})


def _mark(request: ReturnOrder) -> str:
    return f"{_OURS}{request.action_id}"


def _marked(head: wire.OrderHead, mark: str) -> str | None:
    """The return that carries this mark."""
    return next((mapping.return_id(one) for one in head.return_info if one.return_tracking_id == mark), None)


def _refund_mark(request: RefundOrder) -> str:
    return f"{_OURS}{request.action_id}"


def _refund_ids(head: wire.PaymentHead) -> frozenset[str]:
    return frozenset(one.id for one in head.transactions if one.type == "Refund")


def _refund_of(head: wire.PaymentHead, mark: str) -> str | None:
    """The refund that carries this mark and did not fail."""
    return next(
        (
            one.id
            for one in head.transactions
            if (one.type, one.interaction_id) == ("Refund", mark) and one.state != "Failure"
        ),
        None,
    )


def _left(head: wire.PaymentHead, amount: Money) -> Decimal:
    return mapping.booked(head.transactions, amount.currency_code).refundable


def _refunded(payments: Sequence[wire.PaymentHead], request: RefundOrder, since: datetime, store: str) -> Done | None:
    """The refund that bears the action's mark. The payment service may have put its own in its place: else one of just
    this amount since then."""
    for head in payments:
        if (found := _refund_of(head, _refund_mark(request))) is not None:
            return Done(found)
    order = request.order.source.native_id
    for head in payments:
        for one in head.transactions:
            if (
                one.type == "Refund"
                and one.state != "Failure"
                and not (one.interaction_id or "").startswith(_OURS)
                and make_id("Refund", store, order, one.id) not in request.refunds_before
                and wire.instant(one.timestamp or head.last_modified_at, "transaction.timestamp") >= since - CLOCK_SKEW
                and wire.amount(one.amount, "transaction.amount") == request.amount.amount
            ):
                return Done(one.id)
    return None


class _Place(NamedTuple):
    """A place in a list, newest first: the instant as the platform wrote it, and the id."""

    created_at: str
    id: str

    def __str__(self) -> str:
        return f"{self.created_at}/{self.id}"

    @property
    def at(self) -> datetime:
        return wire.instant(self.created_at, "position")


def _position(text: str) -> _Place:
    created_at, _, native = text.partition("/")
    place = _Place(created_at, native)
    try:
        if wire.is_id(native) and place.at:
            return place
    except Unreadable:
        pass
    raise Refused("not a position in this store's list")
