"""Reads that fan out: a person across stores, their orders, subscriptions and returns, and what a number leads to."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from functools import cached_property
from typing import TYPE_CHECKING, Any

from aiodataloader import DataLoader

from platforms.base import Operation, OrdersQuery, Page, Person, Platform, Row, SubscriptionsQuery, cost_alike
from platforms.errors import PlatformError, Unavailable
from resolvers.errors import BadArgument, NotKnown
from resolvers.fanout import ask_all, issue, issues
from resolvers.lookahead import Selection, order_parts, return_parts, subscription_parts
from resolvers.paging import Merged, ReturnsCursor, list_digest, merged
from resolvers.stores import able
from schema.actions import TimelineEntry
from schema.connections import (
    OrderConnection,
    OrderEdge,
    OrderLookup,
    PageInfo,
    ReturnConnection,
    ReturnEdge,
    SubscriptionConnection,
    SubscriptionEdge,
    page_size,
)
from schema.customer import Customer, CustomerProfile, CustomerStats
from schema.emails import Email, canonical_email, same_email
from schema.inputs import OrderFilter
from schema.order import Order
from schema.parts import OrderParts
from schema.provenance import SourceIssue
from schema.subscription import Subscription
from schema.values import Money
from schema.vocabulary import AssuranceLevel, RefundStatus, ReturnStatus, SubscriptionStatus

if TYPE_CHECKING:
    from resolvers.context import RequestContext
    from schema.context import Info

_EVER = OrdersQuery(first=1)
#: Orders that are looked through for returns in one go, at least; most orders have none.
_ORDERS_AT_ONCE = 10
#: The orders that are looked through for a person's 90-day counts; beyond them the counts are not known.
_MOST_COUNTED = 100
_COUNTED_DAYS = 90
_NOT_COUNTED = frozenset({ReturnStatus.DECLINED, ReturnStatus.CANCELLED})


class RequestReads:
    """One request's reads over several stores."""

    def __init__(self, context: RequestContext) -> None:
        self._context = context
        self._stores = context.services.stores
        self._pages: dict[object, asyncio.Future[Page[Order]]] = {}
        self._told: dict[str, Order] = {}

    @cached_property
    def _timelines(self) -> DataLoader[str, list[TimelineEntry]]:
        return DataLoader(self._read_timelines)

    def end(self) -> None:
        """Forget what was read; nobody may read any more."""
        for running in self._pages.values():
            if running.done() and not running.cancelled() and running.exception() is None:
                for row in running.result().rows:
                    row.node.let_go()
        vars(self).clear()

    # -- a person

    def person(self, platform: Platform, email: Email) -> Person:
        from resolvers.loaders import ProfileKey

        async def profiles() -> Sequence[CustomerProfile]:
            if not platform.supports(Operation.PROFILES):
                return ()
            found: Sequence[CustomerProfile] = await self._context.loaders.profiles.load(
                ProfileKey(platform.config.id, email)
            )
            return found

        return Person(email, profiles)

    async def customer(
        self, email: Email, stores: Sequence[Platform] | None, *, known: bool = False, info: Info | None = None
    ) -> Customer:
        """A person by address. `known`: an order or subscription already shows that there is such a person.

        Raises:
            NotKnown: no store has a record or an order of this address.
            PlatformError: no store that answered knows it, and one did not answer: it cannot be said.
        """
        asked = self._stores.all() if stores is None else list(stores)
        answers = await self._profiles(able(asked, Operation.PROFILES), email)
        profiles = [profile for _, found in answers if not isinstance(found, PlatformError) for profile in found]
        troubled = issues(answers)
        if not profiles and not known:
            await self._must_have_ordered(email, asked, answers, info)

        def first(pick: str) -> Any:
            return next((value for profile in profiles if (value := getattr(profile, pick))), None)

        return Customer(
            id=self._context.services.seal.customer_id(email),
            is_guest=not profiles,
            profiles=profiles,
            complete=not troubled,
            issues=troubled,
            owner=email,
            stores=None if stores is None else tuple(platform.config.id for platform in stores),
            email=email,
            display_name=first("display_name"),
            first_name=first("first_name"),
            last_name=first("last_name"),
            phone=first("phone"),
            locale=first("locale"),
        )

    async def _profiles(
        self, platforms: Sequence[Platform], email: Email
    ) -> list[tuple[Platform, Sequence[CustomerProfile] | PlatformError]]:
        """A person's records in each store, or its error. The loader asks side by side, each store in its own time."""
        from resolvers.loaders import ProfileKey

        loading = [self._context.loaders.profiles.load(ProfileKey(one.config.id, email)) for one in platforms]
        answers: list[Any] = await asyncio.gather(*loading, return_exceptions=True)
        for answer in answers:
            if isinstance(answer, BaseException) and not isinstance(answer, PlatformError):
                raise answer
        return list(zip(platforms, answers, strict=True))

    async def _must_have_ordered(
        self, email: Email, asked: Sequence[Platform], profiles: Sequence[tuple[Platform, object]], info: Info | None
    ) -> None:
        """A guest has no record: somebody is there when an order is."""
        query, parts = self._orders_wanted_below(info)

        async def has_ordered(platform: Platform) -> bool:
            page = await self._orders_page(platform, email, query, parts)
            position = None
            while not page.rows and page.more and page.end not in (None, position):  # others' rows only, so far
                position = page.end
                page = await self._orders_page(platform, email, replace(query, after=position), parts)
            return bool(page.rows)

        answers = await ask_all(able(asked, Operation.ORDERS_OF), has_ordered, self._context.patience)
        if any(answer is True for _, answer in answers):
            return
        for _, answer in (*profiles, *answers):
            if isinstance(answer, PlatformError):
                raise answer
        raise NotKnown("there is no such customer")

    def _orders_wanted_below(self, info: Info | None) -> tuple[OrdersQuery, OrderParts]:
        """The first page of orders that the query will ask for anyway, so that it is read once."""
        if info is None:
            return _EVER, OrderParts.NONE
        below = Selection.below(info)
        for arguments in below.arguments("orders"):
            if arguments.get("after") is None and not arguments.get("filter"):
                first = arguments.get("first", 10)
                if isinstance(first, int) and 1 <= first <= 100:
                    parts = order_parts(below.at("orders").items(), self._context.decide)
                    return OrdersQuery(first=first), parts
        return _EVER, OrderParts.NONE

    async def viewer_customer(self, info: Info) -> Customer | None:
        bound = self._context.viewer.customer_email
        if bound is None:
            return None
        try:
            return await self.customer(Email(bound), None, info=info)
        except NotKnown:
            return None

    # -- orders

    async def timeline(self, order: Order, first: int) -> list[TimelineEntry]:
        """What happened to an order, newest first.

        Raises:
            PageSizeOutOfRange: `first` cannot be right.
        """
        count = page_size(first)
        self._told[order.id] = order
        return (await self._timelines.load(order.id))[:count]

    async def _read_timelines(self, ids: list[str]) -> list[list[TimelineEntry]]:
        return await self._context.desk.timelines([self._told[id] for id in ids])

    def customer_orders(
        self, customer: Customer, info: Info, first: int, after: str | None, filter: OrderFilter | None
    ) -> Awaitable[OrderConnection]:
        stores = self._stores.named(customer.stores)
        return self.orders(customer.owner, stores, info, first, after, filter)

    async def orders(
        self,
        email: Email,
        stores: Sequence[Platform],
        info: Info,
        first: int,
        after: str | None,
        filter: OrderFilter | None,
    ) -> OrderConnection:
        """A person's orders, merged over stores, newest first."""
        below = Selection.below(info)
        parts = order_parts(below.items(), self._context.decide)
        edges = "edges" in below
        page = await self._merged_orders(email, stores, page_size(first), after, filter, parts, cursors=edges)
        return OrderConnection(
            edges=[OrderEdge(cursor=cursor, node=order) for cursor, order in page.rows] if edges else [],
            nodes=[order for _, order in page.rows],
            page_info=PageInfo(has_next_page=page.more, end_cursor=page.end),
            complete=not page.issues,
            issues=page.issues,
        )

    async def _merged_orders(
        self,
        email: Email,
        stores: Sequence[Platform],
        first: int,
        after: str | None,
        filter: OrderFilter | None,
        parts: OrderParts,
        *,
        cursors: bool = True,
    ) -> Merged[Order]:
        asked = able(stores, Operation.ORDERS_OF)
        chosen = _query(filter)

        async def fetch(platform: Platform, count: int, position: str | None) -> Page[Order]:
            query = OrdersQuery(count, position, chosen.status, chosen.placed_after, chosen.placed_before)
            return await self._orders_page(platform, email, query, parts)

        of = list_digest(
            "orders",
            email,
            [platform.config.id for platform in asked],
            None if chosen.status is None else sorted(status.value for status in chosen.status),
            chosen.placed_after,
            chosen.placed_before,
        )
        return await merged(
            asked,
            fetch,
            _order_newest,
            first=first,
            after=after,
            of=of,
            patience=self._context.patience,
            cursors=cursors,
        )

    async def _orders_page(
        self, platform: Platform, email: Email, query: OrdersQuery, parts: OrderParts
    ) -> Page[Order]:
        """One store's stretch of a person's orders; asked twice in a request, it is read once."""
        key = (platform.config.id, email, query, parts)
        if (running := self._pages.get(key)) is None:
            running = self._pages[key] = asyncio.ensure_future(self._read_orders(platform, email, query, parts))
        return await asyncio.shield(running)

    async def _read_orders(
        self, platform: Platform, email: Email, query: OrdersQuery, parts: OrderParts
    ) -> Page[Order]:
        page = await platform.orders_of(self.person(platform, email), query, parts)
        mine = [row for row in page.rows if row.node.owner == email]
        await self._context.services.desk.held.overlay_orders(
            platform, {row.node.source.native_id: row.node for row in mine}, parts
        )
        end = page.rows[-1].position if page.rows and not mine else page.end
        return Page(mine, page.more, end)

    async def lookup(
        self, number: str, stores: Sequence[Platform], email: str | None, postal_code: str | None, info: Info
    ) -> OrderLookup:
        """What a shopper's order number leads to. Below staff it also takes what only the buyer knows.

        Raises:
            BadArgument, MalformedEmail: the number is empty, or nothing proves the asker.
            TooMany: too many look-ups found nothing lately.
        """
        wanted = number.strip().lstrip("#").strip()
        if not wanted or len(wanted) > 64:
            raise BadArgument("number", "an order number has 1 to 64 characters, such as 1001")
        address = canonical_email(email) if email is not None else None
        postal = _postal(postal_code) if postal_code is not None else None
        if postal == "":
            raise BadArgument("postalCode", "a postal code has letters or digits")
        context = self._context
        bound = context.viewer.customer_email
        if not context.is_staff and bound is None and address is None and postal is None:
            raise BadArgument(
                "email", "the number alone is not enough: give the e-mail or the postal code of the order"
            )
        parts = order_parts(Selection.below(info).at("orders"), context.decide)
        # What staff read goes in one call. Others are shown the parts only of what is theirs: parts may cost calls, and
        # a number with the wrong address costs what no such number costs.
        proof = OrderParts.ADDRESSES if postal is not None else OrderParts.NONE
        first = parts | proof if context.is_staff else proof

        async def find(platform: Platform) -> Sequence[Order]:
            found = await platform.orders_by_number(wanted, first)
            if not context.is_staff:
                await cost_alike(platform, found)
            mine = {
                order.source.native_id: order
                for order in found
                if context.may_see(order.owner) and _proves(order, address, postal)
            }
            if mine and parts & ~(first | OrderParts.RETURN_STATUS):  # the head tells that
                mine = dict(await platform.orders(list(mine), parts))
            await context.services.desk.held.overlay_orders(platform, mine, parts)
            return list(mine.values())

        asked = able(stores, Operation.ORDERS_BY_NUMBER)
        attempt = None
        if context.services.lookups is not None and not context.is_staff:
            told = [text for text in (address, postal) if text is not None]
            attempt = await context.services.lookups.attempt(
                context.viewer, wanted, told, [platform.config.id for platform in asked], context.end_user
            )
        answers = await ask_all(asked, find, context.patience)
        troubled = issues(answers)
        orders = [order for _, found in answers if not isinstance(found, PlatformError) for order in found]
        if attempt is not None and not orders:
            await attempt.failed()
        if context.viewer.assurance < AssuranceLevel.VERIFIED:
            for order in orders:
                order.alone = True
        return OrderLookup(
            orders=sorted(orders, key=_order_newest, reverse=True), complete=not troubled, issues=troubled
        )

    # -- subscriptions

    def customer_subscriptions(
        self, customer: Customer, info: Info, first: int, after: str | None, status: list[SubscriptionStatus] | None
    ) -> Awaitable[SubscriptionConnection]:
        stores = self._stores.named(customer.stores)
        return self.subscriptions(customer.owner, stores, info, first, after, status)

    async def subscriptions(
        self,
        email: Email,
        stores: Sequence[Platform],
        info: Info,
        first: int,
        after: str | None,
        status: list[SubscriptionStatus] | None = None,
    ) -> SubscriptionConnection:
        """A person's subscriptions, merged over stores, newest first."""
        parts = subscription_parts(Selection.below(info).items(), self._context.decide)
        asked = able(stores, Operation.SUBSCRIPTIONS_OF)
        wanted = None if status is None else frozenset(status)

        async def fetch(platform: Platform, count: int, position: str | None) -> Page[Subscription]:
            page = await platform.subscriptions_of(
                self.person(platform, email), SubscriptionsQuery(count, position), parts
            )
            found = {row.node.source.native_id: row.node for row in page.rows}
            await self._context.services.desk.held.overlay_subscriptions(platform, found)
            rows: list[Row[Subscription]] = []
            for row in page.rows:
                row.node.owner = row.node.owner or email
                if row.node.owner == email and (wanted is None or row.node.status in wanted):
                    rows.append(row)
            end = page.rows[-1].position if page.rows and not rows else page.end
            return Page(rows, page.more, end)

        of = list_digest(
            "subscriptions",
            email,
            [platform.config.id for platform in asked],
            None if wanted is None else sorted(status.value for status in wanted),
        )
        page = await merged(
            asked,
            fetch,
            _subscription_newest,
            first=page_size(first),
            after=after,
            of=of,
            patience=self._context.patience,
        )
        return SubscriptionConnection(
            edges=[SubscriptionEdge(cursor=cursor, node=found) for cursor, found in page.rows],
            nodes=[found for _, found in page.rows],
            page_info=PageInfo(has_next_page=page.more, end_cursor=page.end),
            complete=not page.issues,
            issues=page.issues,
        )

    # -- returns and counts

    async def customer_returns(self, customer: Customer, info: Info, first: int, after: str | None) -> ReturnConnection:
        """A person's returns, read off their orders: newest order first, then newest return."""
        size = page_size(first)
        parts = return_parts(Selection.below(info).items(), self._context.decide)
        stores = self._stores.named(customer.stores)
        here = ReturnsCursor.read(after)
        edges: list[ReturnEdge] = []
        troubled: dict[str, SourceIssue] = {}
        while True:
            chunk = max(size, _ORDERS_AT_ONCE)
            page = await self._merged_orders(customer.owner, stores, chunk, here.orders, None, parts)
            troubled |= {found.store.key: found for found in page.issues}
            for cursor, order in page.rows:
                if order.returns is None:
                    lost = Unavailable("the returns of an order could not be read", store=order.store_key)
                    troubled.setdefault(order.store_key, issue(self._stores.by_key[order.store_key], lost))
                fresh = here.fresh(order)
                for node in fresh:
                    if len(edges) == size:
                        return _return_page(edges, True, here, troubled)
                    here = here.within(order, node) if node is not fresh[-1] else here.behind(order, cursor)
                    edges.append(ReturnEdge(cursor=here.text(), node=node))
                here = here.behind(order, cursor)
            if page.end is not None:
                here = here.at(page.end)
            if page.issues or not page.more:
                return _return_page(edges, page.more, here, troubled)

    async def customer_stats(self, customer: Customer, info: Info) -> CustomerStats:
        """Counts over every store: what the stores count themselves, and the last 90 days read off the orders."""
        below = Selection.below(info)
        stats = CustomerStats()
        if customer.complete and customer.profiles:
            counts = [profile.order_count for profile in customer.profiles]
            if None not in counts:
                stats.order_count = sum(count for count in counts if count is not None)
            spent = [profile.total_spent for profile in customer.profiles]
            if None not in spent:
                stats.total_spent = _sum([money for money in spent if money is not None])
        if "returnCount90d" in below or "refundTotal90d" in below:
            parts = OrderParts.LINES | OrderParts.RETURNS | OrderParts.REFUNDS
            stores = self._stores.named(customer.stores)
            page = await self._merged_orders(customer.owner, stores, _MOST_COUNTED, None, None, parts)
            since = self._context.now - timedelta(days=_COUNTED_DAYS)
            if not page.issues and not page.more:
                _count(stats, [order for _, order in page.rows], since)
        return stats


def _query(filter: OrderFilter | None) -> OrdersQuery:
    if filter is None:
        return OrdersQuery(first=0)
    for name, instant in (("placedAfter", filter.placed_after), ("placedBefore", filter.placed_before)):
        if instant is not None and instant.tzinfo is None:
            raise BadArgument(f"filter.{name}", "a time needs an offset, such as 2026-11-01T00:00:00Z")
    status = None if filter.status is None else frozenset(filter.status)
    return OrdersQuery(0, None, status, filter.placed_after, filter.placed_before)


def _order_newest(order: Order) -> tuple[object, ...]:
    return (order.placed_at,)


def _subscription_newest(subscription: Subscription) -> tuple[object, ...]:
    return (subscription.created_at is not None, subscription.created_at or 0)


def _return_page(
    edges: list[ReturnEdge], more: bool, end: ReturnsCursor, troubled: Mapping[str, SourceIssue]
) -> ReturnConnection:
    return ReturnConnection(
        edges=edges,
        nodes=[edge.node for edge in edges],
        page_info=PageInfo(has_next_page=more, end_cursor=end.text() if edges or more or troubled else None),
        complete=not troubled,
        issues=list(troubled.values()),
    )


def _postal(text: str) -> str:
    return "".join(char for char in text.upper() if char.isalnum())


def _proves(order: Order, email: Email | None, postal: str | None) -> bool:
    """Whether what was told besides the number is on the order."""
    if email is not None and order.owner != email and not same_email(order.email, email):
        return False
    if postal is not None:
        addresses = (order.shipping_address, order.billing_address)
        return any(address and address.postal_code and _postal(address.postal_code) == postal for address in addresses)
    return True


def _sum(amounts: Sequence[Money]) -> list[Money]:
    totals: dict[str, Decimal] = {}
    for money in amounts:
        totals[money.currency_code] = totals.get(money.currency_code, Decimal(0)) + money.amount
    return [Money.of(amount, currency) for currency, amount in totals.items()]


def _count(stats: CustomerStats, orders: Sequence[Order], since: datetime) -> None:
    if any(order.returns is None or order.refunds is None for order in orders):
        return
    returns = [found for order in orders for found in order.returns or ()]
    refunds = [found for order in orders for found in order.refunds or ()]
    stats.return_count90d = sum(found.requested_at >= since and found.status not in _NOT_COUNTED for found in returns)
    paid = [found for found in refunds if found.created_at >= since and found.status is not RefundStatus.FAILED]
    stats.refund_total90d = _sum([found.amount.presentment for found in paid])
