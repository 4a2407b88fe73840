"""What a WooCommerce shop is asked, and in which order."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial
from operator import attrgetter
from typing import Any, ClassVar, Literal, NamedTuple, TypeVar, cast

from pydantic import BaseModel, ConfigDict, field_validator, model_validator

from platforms.addresses import check_base_url
from platforms.base import (
    CLOCK_SKEW,
    SUBSCRIPTION_ACTIONS,
    CancelOrder,
    CancelSubscription,
    Done,
    Operation,
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
    ReturnOrder,
    Row,
    Services,
    StoreConfig,
    SubscriptionsQuery,
    store_health,
)
from platforms.errors import BadCredentials, MissingScope, PlatformError, Refused, Unreadable, Unsupported
from platforms.jsonbody import decode
from platforms.secrets import SecretText
from platforms.staff_notes import cancel_note, plain, return_mark, return_note
from platforms.together import together
from platforms.transport import Call, Limits, Reply, Transport
from platforms.woocommerce import mapping, refunds, wire
from schema.customer import CustomerProfile
from schema.emails import Email, email_or_none, same_email
from schema.order import Order
from schema.parts import OrderParts, SubscriptionParts
from schema.product import Product
from schema.provenance import StoreHealth
from schema.subscription import Subscription
from schema.vocabulary import ActionKind, OrderStatus, RefundChoice, SubscriptionStatus

T = TypeVar("T")

#: A list that over-matches is followed for so many pages in one go; then the answer is what was found, and goes on.
_PAGES = 5
#: Refunds change what is left of a line, and are told in a call of their own.
_NEEDS_REFUNDS = OrderParts.LINES | OrderParts.RETURNS | OrderParts.REFUNDS
_NO_PLUGIN = "WooCommerce Subscriptions is not installed in this shop."
_SECOND = timedelta(seconds=1)


class Credentials(BaseModel):
    """A REST key of the shop (WooCommerce > Settings > Advanced > REST API)."""

    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True)

    consumer_key: SecretText
    consumer_secret: SecretText


class WooCommerceConfig(StoreConfig):
    """One WooCommerce shop."""

    platform: Literal["woocommerce"] = "woocommerce"
    #: The site's address, such as `https://eu.acme.example`; with its folder where it lives in one.
    url: str
    credentials: Credentials

    @field_validator("url")
    @classmethod
    def _plain(cls, url: str) -> str:
        return url.rstrip("/")

    @model_validator(mode="after")
    def _reachable(self) -> WooCommerceConfig:
        check_base_url(self.url, allow_private=self.allow_private_address)
        return self


class WooCommerce(Platform):
    """REST v3 with Basic authentication; Subscriptions where the plug-in answers."""

    name = "WooCommerce"
    Config = WooCommerceConfig
    api_version = "wc/v3"
    keeps_returns = False
    owners_cost_a_call: ClassVar[bool] = True
    refunds_on_cancel: ClassVar[bool] = False
    # The core knows no parcels and no deliveries; an order's lines carry nothing of the product but its name and SKU.
    never_known: ClassVar[frozenset[str]] = frozenset(
        {
            "customer.segments",
            "customer.tags",
            "line.days_since_delivery",
            "line.delivered",
            "line.delivered_at",
            "line.delivered_estimated",
            "line.final_sale",
            "line.requires_shipping",
            "line.tags",
            "line.type",
            "line.vendor",
            "order.delivered_at",
            "order.disputed",
            "subscription.is_prepaid",
            "subscription.max_cycles",
            "subscription.min_cycles",
        }
    )
    caveats: ClassVar[Mapping[ActionKind, str]] = {
        ActionKind.CANCEL_ORDER: (
            "Cancelling always puts the goods back into stock and never pays money back: refund a paid order as well."
        ),
        ActionKind.RETURN_ORDER: (
            "WooCommerce has no returns: the gateway keeps the record and leaves a private note on the order."
        ),
        ActionKind.REFUND_ORDER: (
            "Money goes back through the order's own payment gateway only, not to store credit: where that gateway "
            "cannot refund, the shop refuses and it is paid back by hand."
        ),
        ActionKind.PAUSE_SUBSCRIPTION: "A pause has no end date: it lasts until the subscription is resumed.",
    }
    scopes: ClassVar[Mapping[ActionKind, tuple[str, ...]]] = dict.fromkeys(
        (ActionKind.CANCEL_ORDER, ActionKind.RETURN_ORDER, ActionKind.REFUND_ORDER, *SUBSCRIPTION_ACTIONS),
        (wire.WRITE_PERMISSION,),
    )

    config: WooCommerceConfig

    def __init__(self, config: StoreConfig, services: Services | None = None) -> None:
        if not isinstance(config, WooCommerceConfig):
            raise TypeError("a WooCommerce store needs a WooCommerceConfig")
        super().__init__(config, services)
        key, secret = config.credentials.consumer_key.reveal(), config.credentials.consumer_secret.reveal()
        authorization = "Basic " + base64.b64encode(f"{key}:{secret}".encode()).decode("ascii")
        self._transport = Transport(
            config.id,
            config.url,
            limits=self.services.limits or Limits(),
            observer=self.services.observer,
            judge=wire.judge,
            allow_private=config.allow_private_address,
            headers={"Authorization": authorization, "Accept": "application/json"},
            extra_headers=self.services.extra_headers,
            client=self.services.client,
        )
        #: Whether the shop has accepted the key for something: then a refused write is not about the secret.
        self._key_works = False
        #: The shop has said that it has no such routes; forgotten when it is probed again.
        self._no_plugin = False
        self._currency: str | None = config.currency
        self._currency_lock = asyncio.Lock()

    # -- the store itself

    @property
    def _home(self) -> mapping.Home:
        """For rows that were read just now."""
        return mapping.Home(self.config.id, self.config.url, self.config.time_zone, self.sources())

    def health(self) -> StoreHealth:
        return store_health(self._transport.health())

    async def close(self) -> None:
        await self._transport.close()

    async def _probe(self) -> Probe:
        self._no_plugin = False
        currency, plugin = await together(self._settled_currency(), self._has_subscriptions())
        warnings = []
        if currency is None and self.config.currency is None:
            warnings.append("The key may not read the shop's currency: set `currency` for this store.")
        if currency is not None and self.config.currency not in (None, currency):
            warnings.append(f"The shop's currency is {currency}, not {self.config.currency} as configured.")
        return Probe(
            currency=currency or self.config.currency,
            absent={} if plugin else dict.fromkeys(SUBSCRIPTION_ACTIONS, _NO_PLUGIN),
            # A key does not tell its own permission; it shows when the first write is refused.
            missing_scopes=self._told_missing(),
            warnings=tuple(warnings),
        )

    async def _settled_currency(self) -> str | None:
        """The shop's own word, ISO 4217; None where the key may not read settings."""
        try:
            setting = await self._read(wire.currency_setting(), wire.Setting, "the currency setting")
        except (BadCredentials, wire.NoRoute):  # every shop has this route
            raise
        except Refused:
            return None
        word = setting.value
        if not isinstance(word, str) or len(word) != 3 or not (word.isascii() and word.isalpha() and word.isupper()):
            raise Unreadable("setting.value is not a currency", store=self.config.id)
        return word

    async def _has_subscriptions(self) -> bool:
        try:
            await self._read(wire.subscription_statuses(), dict[str, Any], "the subscription statuses")
        except wire.NoRoute:
            return False
        return True

    async def _product_currency(self) -> str | None:
        """Configured, probed, or asked for once."""
        async with self._currency_lock:
            if self._currency is None:
                found = self.found.currency if self.found else None
                self._currency = found or await self._settled_currency()
            return self._currency

    def supports(self, operation: Operation) -> bool:
        if operation in _SUBSCRIPTION_OPERATIONS and self._plugin_is_absent():
            return False
        return super().supports(operation)

    def _plugin_is_absent(self) -> bool:
        return self._no_plugin or (self.found is not None and ActionKind.PAUSE_SUBSCRIPTION in self.found.absent)

    def _remember_absent(self) -> None:
        self._no_plugin = True
        if self.found is not None:
            self.found = replace(self.found, absent=dict.fromkeys(SUBSCRIPTION_ACTIONS, _NO_PLUGIN))

    # -- orders

    async def orders(self, ids: Sequence[str], parts: OrderParts) -> Mapping[str, Order]:
        wanted = _native(ids)
        rows = await self._batches(wanted, wire.orders_by_ids, _rows(parts), "orders")
        shown = [row for row in rows if str(row.id) in wanted and mapping.is_shown(row)]
        return {order.source.native_id: order for order in await self._orders(shown, parts)}

    async def orders_by_number(self, number: str, parts: OrderParts) -> Sequence[Order]:
        """There is no such filter. In core the number is the id; a plug-in that counts otherwise is found by search,
        which over-matches and is followed for a few pages."""
        wanted = number.strip().removeprefix("#")
        if not wanted:
            return []
        if ids := _native([wanted]):
            rows = await self._read(wire.orders_by_ids(ids), _rows(parts), "orders")
            if found := _numbered(rows, wanted):
                return await self._orders(found, parts)
        rows = []
        for page in range(1, _PAGES + 1):
            more = await self._read(wire.orders_search(wanted, page), _rows(parts), "orders")
            rows += more
            if len(more) < wire.MOST:
                break
        return await self._orders(_numbered(rows, wanted), parts)

    async def orders_of(self, person: Person, query: OrdersQuery, parts: OrderParts) -> Page[Order]:
        """Two routes, merged: the orders of each customer record, and those placed as a guest with this address."""
        profiles = await person.profiles()
        records = {
            int(profile.source.native_id): person.email
            for profile in profiles
            if same_email(profile.email, person.email)
        }
        after = _position(query.after) if query.after else None

        def of_record(customer: int) -> Callable[[wire.OrderRow], bool]:
            return lambda row: row.customer_id == customer

        def of_guest(row: wire.OrderRow) -> bool:
            return row.customer_id == 0 and same_email(row.billing.email, person.email)

        stretches = await together(
            *(self._stretch(query, parts, after, of_record(record), customer=record) for record in records),
            self._stretch(query, parts, after, of_guest, customer=0, search=person.email),
        )
        # Only as far down as every route has been read is the merged list complete.
        cut = max((stretch.read_to for stretch in stretches if stretch.read_to is not None), default=None)
        merged = {placed.row.id: placed for stretch in stretches for placed in stretch.rows}
        ready = [placed for placed in merged.values() if cut is None or placed.key >= cut]
        ready.sort(key=_place, reverse=True)
        given = ready[: query.first]
        orders = await self._orders([placed.row for placed in given], parts, known=records)
        return Page(
            rows=[Row(order, _written(placed.key)) for placed, order in zip(given, orders, strict=True)],
            more=cut is not None or len(ready) > len(given),
            end=None if given or cut is None else _written(cut),
        )

    async def _stretch(
        self,
        query: OrdersQuery,
        parts: OrderParts,
        after: _Key | None,
        mine: Callable[[wire.OrderRow], bool],
        *,
        customer: int,
        search: str | None = None,
    ) -> _Stretch:
        """The next rows of one route, newest first, at least `query.first` of them where there are so many.

        Paging is by date, not by page number, so inserts move nothing. A full page may end in the middle of a second:
        that second counts as not yet read, and is asked for again.
        """
        statuses = _words(query.status)
        per_page = min(query.first + 1, wire.MOST)
        oldest_wanted = query.placed_after
        before = query.placed_before
        if after is not None:
            before = min(filter(None, (before, after.at + _SECOND)))
        rows: dict[int, _Placed] = {}
        read_to: _Key | None = after
        page = 1
        for _ in range(_PAGES):
            found = await self._read(
                wire.orders_list(
                    customer=customer,
                    search=search,
                    statuses=statuses,
                    # Exclusive there, inclusive here; a bound between two seconds is rounded outwards.
                    placed_after=oldest_wanted - _SECOND if oldest_wanted else None,
                    placed_before=before + _SECOND if before and before.microsecond else before,
                    per_page=per_page,
                    page=page,
                ),
                _rows(parts),
                "orders",
            )
            for row in found:
                if mine(row) and mapping.is_shown(row):
                    key = _key(row)
                    if (after is None or key < after) and _admits(query, row, key.at):
                        rows[row.id] = _Placed(key, row)
            if len(found) < per_page:
                return _Stretch(list(rows.values()), None)
            dates = [mapping.placed_at(row) for row in found if row.date_created_gmt]  # a draft may have none
            oldest = min(dates, default=None)
            if oldest is None or (before is not None and oldest + _SECOND >= before):
                # More orders in one second than the page holds.
                page = page + 1 if per_page == wire.MOST else 1
                per_page = wire.MOST
                read_to = read_to if before is None else _Key(before, -1)
                continue
            read_to = _Key(oldest + _SECOND, -1)
            if sum(1 for placed in rows.values() if placed.key >= read_to) >= query.first:
                break
            before, page = oldest + _SECOND, 1
        return _Stretch([placed for placed in rows.values() if read_to is None or placed.key >= read_to], read_to)

    async def _orders(
        self, rows: Sequence[wire.OrderRow], parts: OrderParts, known: Mapping[int, Email] | None = None
    ) -> list[Order]:
        """Orders with their owners and, where parts need them, their refunds: in the order of `rows`."""
        unknown = sorted({row.customer_id for row in rows if row.customer_id} - (known or {}).keys())
        refunded = [row.id for row in rows if row.refunds] if parts & _NEEDS_REFUNDS else []
        customers: Sequence[wire.CustomerRow] = ()
        paid_back: Mapping[int, Sequence[wire.RefundRow]] = {}
        if unknown or refunded:
            customers, paid_back = await together(
                self._batches(
                    [str(one) for one in unknown], wire.customers_by_ids, list[wire.CustomerRow], "customers"
                ),
                self._refunds(refunded),
            )
        emails = {row.id: email_or_none(row.email) for row in customers} | dict(known or {})
        home = self._home
        return [
            mapping.order(
                row,
                parts,
                home,
                # A record that is gone leaves the address on the order.
                emails[row.customer_id] if row.customer_id in emails else email_or_none(row.billing.email),
                paid_back.get(row.id),
            )
            for row in rows
        ]

    async def _refunds(self, orders: Sequence[int]) -> Mapping[int, Sequence[wire.RefundRow]]:
        """By order; one that could not be read is left out."""

        async def one(order: int) -> Sequence[wire.RefundRow] | None:
            with suppress(PlatformError):
                return await self._read(wire.refunds(order), list[wire.RefundRow], "refunds")
            return None

        found = await together(*(one(order) for order in orders))
        return {order: rows for order, rows in zip(orders, found, strict=True) if rows is not None}

    # -- customers

    async def profiles(self, emails: Sequence[Email]) -> Mapping[Email, Sequence[CustomerProfile]]:
        """One call for each address: there is no list of addresses."""
        wanted = list(dict.fromkeys(emails))

        async def one(email: Email) -> Sequence[CustomerProfile]:
            try:
                rows = await self._read(wire.customers_by_email(email), list[wire.CustomerRow], "customers")
            except Refused as error:
                # WordPress takes fewer addresses for valid than there are: nobody there has such a one.
                if type(error) is Refused and any(native.code == "rest_invalid_param" for native in error.native):
                    return []
                raise
            home = self._home
            return [mapping.profile(row, home) for row in rows if same_email(row.email, email)]

        return dict(zip(wanted, await together(*map(one, wanted)), strict=True))

    async def profiles_by_id(self, ids: Sequence[str]) -> Mapping[str, CustomerProfile]:
        wanted = _native(ids)
        rows = await self._batches(wanted, wire.customers_by_ids, list[wire.CustomerRow], "customers")
        home = self._home
        return {str(row.id): mapping.profile(row, home) for row in rows if str(row.id) in wanted}

    # -- products

    async def products(self, ids: Sequence[str]) -> Mapping[str, Product]:
        """One call, and one more for each product that has variations."""
        wanted = _native(ids)
        if not wanted:
            return {}
        reading = self._batches(wanted, wire.products_by_ids, list[wire.ProductRow], "products")
        if self._currency is None:
            rows, currency = await together(reading, self._product_currency())
        else:
            rows, currency = await reading, self._currency
        asked = frozenset(wanted)
        rows = [row for row in rows if str(row.id) in asked]
        variable = [row.id for row in rows if row.type in ("variable", "variable-subscription")]
        found: Mapping[int, Sequence[wire.VariationRow]] = {}
        if variable:
            found = dict(zip(variable, await together(*map(self._variations, variable)), strict=True))
        home = self._home
        return {str(row.id): mapping.product(row, home, currency, found.get(row.id)) for row in rows}

    async def _variations(self, product: int) -> Sequence[wire.VariationRow]:
        rows: list[wire.VariationRow] = []
        page = 0
        while len(rows) == page * wire.MOST:
            page += 1
            try:
                rows += await self._read(wire.variations(product, page), list[wire.VariationRow], "variations")
            except wire.Missing:  # taken away meanwhile
                break
        return rows

    # -- subscriptions

    async def subscriptions(self, ids: Sequence[str], parts: SubscriptionParts) -> Mapping[str, Subscription]:
        wanted = _native(ids)
        rows = await self._subscription_rows(
            lambda: self._batches(wanted, wire.subscriptions_by_ids, list[wire.SubscriptionRow], "subscriptions")
        )
        found = await self._subscriptions([row for row in rows if str(row.id) in wanted], parts, {})
        return {one.source.native_id: one for one in found}

    async def subscriptions_of(
        self, person: Person, query: SubscriptionsQuery, parts: SubscriptionParts
    ) -> Page[Subscription]:
        """A person has few: all are read, then the page is cut. Dates of this list cannot be asked for in UTC."""
        if self._plugin_is_absent():
            return Page([], more=False)
        records = {
            int(profile.source.native_id): person.email
            for profile in await person.profiles()
            if same_email(profile.email, person.email)
        }
        lists = await together(*map(self._all_of_customer, records))
        after = _position(query.after) if query.after else None
        rows = sorted(
            {row.id: row for rows in lists for row in rows}.values(),
            key=lambda row: _subscription_key(row),
            reverse=True,
        )
        left = [row for row in rows if after is None or _subscription_key(row) < after]
        given = left[: query.first]
        nodes = await self._subscriptions(given, parts, records)
        return Page(
            rows=[Row(node, _written(_subscription_key(row))) for row, node in zip(given, nodes, strict=True)],
            more=len(left) > len(given),
        )

    async def subscriptions_of_orders(
        self, order_ids: Sequence[str], parts: SubscriptionParts
    ) -> Mapping[str, Sequence[Subscription]]:
        """Those that began with one of these orders. From a renewal order there is no way back to its subscription."""
        wanted = _native(order_ids)
        rows = await self._subscription_rows(
            lambda: self._batches(wanted, wire.subscriptions_of_parents, list[wire.SubscriptionRow], "subscriptions")
        )
        mine = [row for row in rows if str(row.parent_id) in wanted]
        found: dict[str, list[Subscription]] = {}
        for row, node in zip(mine, await self._subscriptions(mine, parts, {}), strict=True):
            found.setdefault(str(row.parent_id), []).append(node)
        return found

    async def _all_of_customer(self, customer: int) -> list[wire.SubscriptionRow]:
        rows: list[wire.SubscriptionRow] = []
        for page in range(1, _PAGES + 1):
            call = wire.subscriptions_of_customer(str(customer), page)
            found = await self._subscription_rows(
                partial(self._read, call, list[wire.SubscriptionRow], "subscriptions")
            )
            rows += [row for row in found if row.customer_id == customer]
            if len(found) < wire.MOST:
                break
        return rows

    async def _subscription_rows(
        self, ask: Callable[[], Awaitable[Sequence[wire.SubscriptionRow]]]
    ) -> Sequence[wire.SubscriptionRow]:
        """A shop without the plug-in has no subscriptions; that is no error, and is asked only once."""
        if self._plugin_is_absent():
            return []
        try:
            return await ask()
        except wire.NoRoute:
            self._remember_absent()
            return []

    async def _subscriptions(
        self, rows: Sequence[wire.SubscriptionRow], parts: SubscriptionParts, known: Mapping[int, Email]
    ) -> list[Subscription]:
        cycles = bool(parts & SubscriptionParts.CYCLES)

        async def orders(row: wire.SubscriptionRow) -> Sequence[wire.SubscriptionOrderRow] | None:
            held = row.status == mapping.HELD
            if not cycles and not held:
                return None
            try:
                call = wire.subscription_orders(row.id)
                return await self._read(call, list[wire.SubscriptionOrderRow], "a subscription's orders")
            except PlatformError:
                if held:  # whether it is paused or its payment failed would be a guess
                    raise
                return None

        found = await together(*map(orders, rows))
        home = self._home
        return [
            mapping.subscription(row, home, one, with_cycles=cycles, owner=known.get(row.customer_id))
            for row, one in zip(rows, found, strict=True)
        ]

    # -- writes

    async def cancel_order(self, request: CancelOrder) -> Outcome:
        """Core never refuses, always restocks and never refunds; the shop's own settings say who gets an e-mail."""
        native = request.order.source.native_id
        state = await self._write(
            wire.cancel_order(native), wire.OrderState, "the cancelled order", ActionKind.CANCEL_ORDER
        )
        if state.status != "cancelled":
            raise Refused("the shop took the call and did not cancel the order", store=self.config.id)
        with suppress(PlatformError):  # the order is cancelled, note or no note
            await self._write(
                wire.leave_note(native, cancel_note(request)), wire.NoteRow, "the note", ActionKind.CANCEL_ORDER
            )
        return Done()

    async def return_order(self, request: ReturnOrder) -> Outcome:
        native = request.order.source.native_id
        note = await self._write(
            wire.leave_note(native, return_note(request)), wire.NoteRow, "the note", ActionKind.RETURN_ORDER
        )
        return Done(str(note.id))

    async def refund_sum(self, ask: RefundAsk) -> RefundSum:
        """The shop works out nothing by itself: it tells the order's lines and taxes, and what was refunded of them."""
        left = await self._left(ask.order.source.native_id)
        return refunds.refund_sum(
            left.of_lines(ask.lines),
            left.of_shipping() if ask.shipping else None,
            ask.order.totals.refundable.presentment,
        )

    async def refund_order(self, request: RefundOrder) -> Outcome:
        """A bare amount is one call; lines and shipping are looked up first, for each tax comes back with its rate."""
        native, amount = request.order.source.native_id, self._refunded_amount(request)
        items: list[wire.RefundItem] = []
        if request.lines or request.shipping is not None:
            items = refunds.items(await self._refund_shares(request))
        made = await self._write(
            wire.create_refund(native, amount, plain(request.reason), request.action_id, items),
            wire.RefundRow,
            "the refund",
            ActionKind.REFUND_ORDER,
        )
        return Done(str(made.id))

    def _refunded_amount(self, request: RefundOrder) -> str:
        """With the digits of the order's own total; an amount that has more would be rounded by the shop."""
        if request.destination is not RefundChoice.ORIGINAL_PAYMENT:
            raise Unsupported(
                "WooCommerce pays back to the payment of the order only: it has no store credit.",
                action=ActionKind.REFUND_ORDER,
                store=self.config.id,
            )
        total, amount = request.order.totals.total.presentment, request.amount
        if amount.currency_code != total.currency_code:
            raise Refused(f"the order was paid in {total.currency_code}", store=self.config.id)
        step = Decimal(1).scaleb(min(int(total.amount.as_tuple().exponent), 0))
        exact = amount.amount.quantize(step)
        if exact != amount.amount:
            raise Refused("the amount has more digits than the shop counts in", store=self.config.id)
        return f"{exact:f}"

    async def _refund_shares(self, request: RefundOrder) -> list[refunds.Share]:
        """What the refund's own record says of lines and shipping: never more than is paid. A failure here has changed
        nothing, and says so."""
        try:
            left = await self._left(request.order.source.native_id)
        except PlatformError as error:
            error.not_executed = True
            raise
        shipping = request.shipping.amount if request.shipping is not None else Decimal(0)
        if shipping > request.amount.amount:
            raise Refused("the shipping is more than the whole amount", store=self.config.id)
        shares = refunds.cut(left.of_lines(request.lines), request.amount.amount - shipping)
        return shares + (refunds.cut(left.of_shipping(), shipping) if shipping else [])

    async def _left(self, order: str) -> refunds.Left:
        rows = await self._read(wire.orders_by_ids([order]), list[wire.PaidOrderRow], "orders")
        row = next((row for row in rows if str(row.id) == order), None)
        if row is None:
            raise Refused("the shop no longer has the order", store=self.config.id)
        earlier = await self._read(wire.refunds(row.id), list[wire.RefundRow], "refunds") if row.refunds else []
        return refunds.Left(row, earlier, self.config.id)

    async def _refunded_by(self, request: RefundOrder, since: datetime) -> Done | None:
        """By the mark; and a refund of just this amount that bears no mark of any action, for the mark is written last.

        Raises `Unreadable` while the shop shows the refund as recorded and its payment as not made: the gateway may
        still be at it, and where it says no, the shop takes the record away.
        """
        order = request.order.source.native_id
        rows = await self._read(wire.refunds(int(order)), list[wire.RefundRow], "refunds")
        marked = [row for row in rows if wire.action_of(row) == request.action_id]
        bare = [
            row
            for row in rows
            if wire.action_of(row) is None
            and mapping.refund_id(self.config.id, order, row) not in request.refunds_before
            and wire.amount(row.amount, "refund.amount") == request.amount.amount
            and wire.known_instant(row.date_created_gmt, "refund.date_created_gmt") >= since - CLOCK_SKEW
        ]
        found = next(iter([*marked, *bare]), None)
        if found is None:
            if len(rows) >= wire.MOST:
                raise Unreadable("the order has more refunds than are read", store=self.config.id)
            return None
        if found.refunded_payment is False:
            raise Unreadable("the refund is recorded, and its payment has not been made", store=self.config.id)
        return Done(str(found.id))

    async def pause_subscription(self, request: PauseSubscription) -> Outcome:
        return await self._move(request.subscription, "on-hold", ActionKind.PAUSE_SUBSCRIPTION)

    async def resume_subscription(self, request: ResumeSubscription) -> Outcome:
        """The plug-in works out the next payment by itself."""
        return await self._move(request.subscription, "active", ActionKind.RESUME_SUBSCRIPTION)

    async def cancel_subscription(self, request: CancelSubscription) -> Outcome:
        """To the end of the term that is paid for; at once where there is no running term."""
        running = request.subscription.status in (SubscriptionStatus.ACTIVE, SubscriptionStatus.CANCELLING)
        to = "pending-cancel" if running else "cancelled"
        return await self._move(request.subscription, to, ActionKind.CANCEL_SUBSCRIPTION)

    async def _move(self, subscription: Subscription, to: str, action: ActionKind) -> Outcome:
        if self._plugin_is_absent():
            raise Unsupported(_NO_PLUGIN, action=action, store=self.config.id)
        call = wire.move_subscription(subscription.source.native_id, to)
        try:
            state = await self._write(call, wire.SubscriptionState, "the subscription", action)
        except wire.NoRoute:
            self._remember_absent()
            raise Unsupported(_NO_PLUGIN, action=action, store=self.config.id) from None
        if state.status != to:
            raise Refused("the shop took the call and left the subscription as it was", store=self.config.id)
        return Done()

    async def happened(self, request: Request, since: datetime) -> Done | None:
        """By the marks this adapter leaves: a status, or the action's id in a note or a refund."""
        match request:
            case CancelOrder():
                ids = [request.order.source.native_id]
                rows = await self._read(wire.orders_by_ids(ids), list[wire.OrderRow], "orders")
                return Done() if any(str(row.id) in ids and row.status == "cancelled" for row in rows) else None
            case ReturnOrder():
                call = wire.order_notes(request.order.source.native_id)
                notes = await self._read(call, list[wire.NoteRow], "the notes")
                mark = return_mark(request)
                found = next((one for one in notes if not one.customer_note and one.note.startswith(mark)), None)
                return Done(str(found.id)) if found else None
            case RefundOrder():
                return await self._refunded_by(request, since)
            case PauseSubscription() | ResumeSubscription() | CancelSubscription():
                ids = [request.subscription.source.native_id]
                subscriptions = await self._read(
                    wire.subscriptions_by_ids(ids), list[wire.SubscriptionRow], "subscriptions"
                )
                wanted = _REACHED[type(request)]
                return Done() if any(str(row.id) in ids and row.status in wanted for row in subscriptions) else None

    # -- calls

    async def _read(self, call: Call, type_: type[T], what: str) -> T:
        value = await self._transport.send(call, read=lambda reply: decode(type_, reply, what))
        self._key_works = True
        return value

    async def _write(self, call: Call, type_: type[T], what: str, action: ActionKind) -> T:
        def judged(reply: Reply) -> Reply:
            try:
                return wire.judge(reply)
            except BadCredentials as error:
                # The sentence that tells a read-only key from a wrong secret is in the site's language.
                if self._key_works and any(n.code == "woocommerce_rest_authentication_error" for n in error.native):
                    raise MissingScope(
                        "the key's permission does not allow this", scopes=(wire.WRITE_PERMISSION,), native=error.native
                    ) from None
                raise

        try:
            return await self._transport.send(call, read=lambda reply: decode(type_, reply, what), judge=judged)
        except MissingScope as error:
            if self.found is not None:
                scopes = {**self.found.missing_scopes, action: error.scopes or (wire.WRITE_PERMISSION,)}
                self.found = replace(self.found, missing_scopes=scopes)
            raise

    async def _batches(
        self, ids: Sequence[str], ask: Callable[[Sequence[str]], Call], type_: type[list[T]], what: str
    ) -> list[T]:
        """As few calls as a page allows; none for no ids."""
        if 0 < len(ids) <= wire.MOST:
            return await self._read(ask(ids), type_, what)
        pieces = [ids[at : at + wire.MOST] for at in range(0, len(ids), wire.MOST)]
        found = await together(*(self._read(ask(piece), type_, what) for piece in pieces))
        return [row for rows in found for row in rows]


_SUBSCRIPTION_OPERATIONS = frozenset(
    {
        Operation.SUBSCRIPTIONS,
        Operation.SUBSCRIPTIONS_OF,
        Operation.SUBSCRIPTIONS_OF_ORDERS,
        Operation.PAUSE_SUBSCRIPTION,
        Operation.RESUME_SUBSCRIPTION,
        Operation.CANCEL_SUBSCRIPTION,
    }
)

_REACHED: Mapping[type, frozenset[str]] = {
    PauseSubscription: frozenset({"on-hold"}),
    ResumeSubscription: frozenset({"active"}),
    CancelSubscription: frozenset({"pending-cancel", "cancelled"}),
}


# ------------------------------------------------------------------------------------------------- places in a list


class _Key(NamedTuple):
    at: datetime
    id: int


class _Placed(NamedTuple):
    key: _Key
    row: wire.OrderRow


class _Stretch(NamedTuple):
    rows: list[_Placed]
    #: Complete for every key from here up; None: complete.
    read_to: _Key | None


_place = attrgetter("key")


def _key(row: wire.OrderRow) -> _Key:
    return _Key(mapping.placed_at(row), row.id)


def _subscription_key(row: wire.SubscriptionRow) -> _Key:
    return _Key(mapping.subscription_created_at(row), row.id)


def _written(key: _Key) -> str:
    return f"{wire.written(key.at)}/{key.id}"


def _position(text: str) -> _Key:
    moment, _, native = text.partition("/")
    try:
        return _Key(datetime.fromisoformat(moment).replace(tzinfo=UTC), int(native))
    except ValueError:
        raise Refused("not a position in this store's list") from None


def _native(ids: Iterable[str]) -> list[str]:
    """Those that can be ids here at all, each once: whole numbers as WooCommerce writes them."""
    return [one for one in dict.fromkeys(ids) if one.isascii() and one.isdecimal() and one[0] != "0" and len(one) <= 19]


def _rows(parts: OrderParts) -> type[list[wire.OrderRow]]:
    """No more of each order is decoded than is asked for."""
    return cast(
        "type[list[wire.OrderRow]]",
        list[wire.AddressedOrderRow] if OrderParts.ADDRESSES in parts else list[wire.OrderRow],
    )


def _numbered(rows: Iterable[wire.OrderRow], number: str) -> list[wire.OrderRow]:
    return [row for row in rows if row.number.removeprefix("#") == number and mapping.is_shown(row)]


def _words(wanted: frozenset[OrderStatus] | None) -> Sequence[str]:
    """The statuses to ask for; none where the platform cannot name them all."""
    if wanted is None or OrderStatus.UNKNOWN in wanted:
        return ()
    return sorted({word for status in wanted for word in mapping.STATUS_WORDS[status]})


def _admits(query: OrdersQuery, row: wire.OrderRow, at: datetime) -> bool:
    return (
        (query.status is None or mapping.order_status(row) in query.status)
        and (query.placed_after is None or at >= query.placed_after)
        and (query.placed_before is None or at < query.placed_before)
    )
