"""What a BigCommerce store is asked, and in which order."""

from __future__ import annotations

import asyncio
import ipaddress
import re
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Annotated, Any, ClassVar, Literal, TypeVar
from urllib.parse import urlsplit
from weakref import WeakValueDictionary

from pydantic import BaseModel, ConfigDict, Field, field_validator

from platforms.base import (
    CLOCK_SKEW,
    CancelOrder,
    Done,
    OrdersQuery,
    Outcome,
    Page,
    Person,
    Platform,
    Probe,
    RefundAsk,
    RefundOrder,
    RefundSum,
    Request,
    ReturnOrder,
    Row,
    Services,
    StoreConfig,
    store_health,
)
from platforms.bigcommerce import mapping, wire
from platforms.errors import MissingScope, PlatformError, Refused, Unreadable, Unsupported
from platforms.jsonbody import decode
from platforms.secrets import SecretText
from platforms.staff_notes import return_mark, return_note
from platforms.together import each, together
from platforms.transport import Budget, Call, Limits, Reply, Transport
from schema.customer import CustomerProfile
from schema.emails import Email, email_or_none, same_email
from schema.ids import make_id
from schema.order import Order
from schema.parts import OrderParts
from schema.product import Product
from schema.provenance import StoreHealth
from schema.values import Money
from schema.vocabulary import ActionKind, PaymentStatus, RefundChoice, RefundStatus

T = TypeVar("T")

#: A list that over-matches is followed for so many pages in one go; then the answer is what was found, and goes on.
_PAGES = 5
#: So many pages of one order's lines or shipments, or of one v3 list: beyond that something is wrong.
_MOST_PAGES = 20
#: So many orders are read at a time, since each is a call of its own.
_AT_ONCE = 5
_SECOND = timedelta(seconds=1)
_ZERO, _CENT = Decimal(0), Decimal("0.01")
_REFUND = ActionKind.REFUND_ORDER
#: So much of a reason is sent, so that the action's mark has room behind it.
_REASON = 900
_MARKED = re.compile(r"\(Aftersale action [^)]+\)")
_NEEDS_LINES = OrderParts.LINES | OrderParts.FULFILLMENTS | OrderParts.RETURNS | OrderParts.REFUNDS


class Credentials(BaseModel):
    """A store-level API account (Settings > Store-level API accounts)."""

    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True)

    access_token: SecretText


class BigCommerceConfig(StoreConfig):
    """One BigCommerce store."""

    platform: Literal["bigcommerce"] = "bigcommerce"
    #: The store's permanent id: `abc123` of store-abc123.mybigcommerce.com and of api.bigcommerce.com/stores/abc123.
    store_hash: Annotated[str, Field(pattern=r"^[a-z0-9]+$", max_length=40)]
    credentials: Credentials
    #: Whether cancelling an order whose payment is only authorised gives that authorisation up as well.
    void_on_cancel: bool = False
    #: Another address than BigCommerce's own, for a stand-in on this machine only.
    url: str | None = None

    @field_validator("url")
    @classmethod
    def _on_this_machine(cls, url: str | None) -> str | None:
        if url is not None:
            host = urlsplit(url).hostname or ""
            try:
                loopback = host == "localhost" or ipaddress.ip_address(host).is_loopback
            except ValueError:
                loopback = False
            if not loopback:
                raise ValueError("every BigCommerce store has the same address; url is for a stand-in on this machine")
        return url


class BigCommerce(Platform):
    """REST v2 for orders, which come one by one; v3 for customers, products and refunds, which come in batches."""

    name = "BigCommerce"
    Config = BigCommerceConfig
    api_version = "v2/v3"
    refunds_on_cancel = False
    owners_cost_a_call = True
    keeps_returns = False
    caveats: ClassVar[Mapping[ActionKind, str]] = {
        ActionKind.CANCEL_ORDER: (
            "Cancelling pays nothing back, and gives an authorised payment up only where `void_on_cancel` is set; "
            "whether the goods go back into stock is the store's own setting."
        ),
        ActionKind.RETURN_ORDER: (
            "BigCommerce has no returns: the gateway keeps the record and adds it to the order's staff notes."
        ),
        ActionKind.REFUND_ORDER: (
            "A payment whose provider cannot pay back through BigCommerce is only booked: its `moneyMoved` is NO."
        ),
    }
    scopes: ClassVar[Mapping[ActionKind, tuple[str, ...]]] = dict.fromkeys(
        (ActionKind.CANCEL_ORDER, ActionKind.RETURN_ORDER, ActionKind.REFUND_ORDER), (wire.ORDERS_WRITE,)
    )
    never_known: ClassVar[frozenset[str]] = frozenset(
        {
            "order.delivered_at",
            "order.tags",
            "customer.tags",
            "customer.segments",
            "line.tags",
            "line.type",
            "line.final_sale",
            "line.delivered",
            "line.delivered_at",
            "line.delivered_estimated",
            "line.days_since_delivery",
            "subscription.status",
            "subscription.payment_failed",
            "subscription.cycles_completed",
            "subscription.min_cycles",
            "subscription.max_cycles",
            "subscription.next_billing_at",
            "subscription.hours_until_billing",
            "subscription.days_until_billing",
            "subscription.created_at",
            "subscription.days_since_created",
            "subscription.is_prepaid",
        }
    )

    config: BigCommerceConfig

    def __init__(self, config: StoreConfig, services: Services | None = None) -> None:
        if not isinstance(config, BigCommerceConfig):
            raise TypeError("a BigCommerce store needs a BigCommerceConfig")
        super().__init__(config, services)
        self._budget = Budget(wire.QUOTA, wire.QUOTA / wire.WINDOW_SECONDS)
        self._transport = Transport(
            config.id,
            f"{(config.url or wire.HOST).rstrip('/')}/stores/{config.store_hash}",
            limits=self.services.limits or Limits(),
            budget=self._budget,
            observer=self.services.observer,
            judge=self._judge,
            # Without Accept v2 may answer in XML (unverified).
            headers={"X-Auth-Token": config.credentials.access_token.reveal(), "Accept": "application/json"},
            allow_private=config.allow_private_address or config.url is not None,
            extra_headers=self.services.extra_headers,
            client=self.services.client,
        )
        self._home = mapping.Home(config.id, f"https://store-{config.store_hash}.mybigcommerce.com", self.source)
        #: What the store told of itself; None: not asked yet, or it would not say.
        self._about: wire.StoreRow | None = None
        self._about_lock = asyncio.Lock()
        #: One refund at a time on an order, by its id; one that nobody waits for goes by itself.
        self._refunding: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    # -- the store itself

    def health(self) -> StoreHealth:
        return store_health(self._transport.health())

    async def close(self) -> None:
        await self._transport.close()

    async def _probe(self) -> Probe:
        """Who the store is, and whether the token may read orders and customers."""
        try:
            about, orders, customers = await together(
                self._allowed(self._asked_about()),
                self._allowed(self._read(wire.orders_count(), lambda reply: decode(wire.Count, reply, "the count"))),
                self._allowed(
                    self._read(wire.any_customer(), lambda reply: wire.listed(wire.CustomerRow, reply, "customers"))
                ),
            )
        except wire.Missing as error:
            raise Refused(
                "BigCommerce knows no store with this hash: compare `store_hash` with the API account's path",
                store=self.config.id,
                native=error.native,
            ) from None
        warnings = []
        if about is None:
            warnings.append("The token may not read the store's settings: set `currency` for this store.")
        else:
            if self.config.currency not in (None, about.currency):
                warnings.append(f"The store's currency is {about.currency}, not {self.config.currency} as configured.")
            zone = about.timezone.name if about.timezone else ""
            if zone and zone != self.config.time_zone:
                warnings.append(f"The store's time zone is {zone}, not {self.config.time_zone} as configured.")
        if orders is None:
            warnings.append("The token may not read orders: give the API account the scope store_v2_orders.")
        if customers is None:
            warnings.append(
                "The token may not read customers: give the API account the scope store_v2_customers_read_only."
            )
        # Whether it may also write shows when the first write is refused.
        missing = self._told_missing()
        return Probe(
            currency=(about.currency if about else None) or self.config.currency,
            missing_scopes=dict(self.scopes) if orders is None else missing,
            warnings=tuple(warnings),
        )

    async def _asked_about(self) -> wire.StoreRow:
        row = await self._read(wire.store(), lambda reply: decode(wire.StoreRow, reply, "the store"))
        wire.currency(row.currency, "store.currency")
        self._about = row
        return row

    async def _allowed(self, work: Coroutine[Any, Any, T]) -> T | None:
        """None where a scope is missing."""
        try:
            return await work
        except MissingScope:
            return None

    async def _currency(self) -> str | None:
        """Configured, probed, or asked for once."""
        if self.config.currency is not None:
            return self.config.currency
        async with self._about_lock:
            about = self._about or await self._allowed(self._asked_about())
        return about.currency if about else None

    # -- orders

    async def orders(self, ids: Sequence[str], parts: OrderParts) -> Mapping[str, Order]:
        rows = [
            row
            for row in await each(self._order_row, _native(ids), at_once=_AT_ONCE)
            if row is not None and mapping.is_shown(row)
        ]
        return {order.source.native_id: order for order in await self._orders(rows, parts)}

    async def orders_by_number(self, number: str, parts: OrderParts) -> Sequence[Order]:
        """The number is the id."""
        return list((await self.orders([number.strip().removeprefix("#")], parts)).values())

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
            return row.customer_id == 0 and same_email(row.billing_address.email, person.email)

        stretches = await together(
            *(self._stretch(query, after, of_record(record), customer=record) for record in records),
            self._stretch(query, after, of_guest, email=person.email),
        )
        # Only as far down as every route has been read is the merged list complete.
        cut = max((stretch.read_to for stretch in stretches if stretch.read_to is not None), default=None)
        merged = {row.id: row for stretch in stretches for row in stretch.rows}
        ready = sorted(
            (row for row in merged.values() if cut is None or _key(row) >= cut), key=lambda row: _key(row), reverse=True
        )
        given = ready[: query.first]
        orders = {order.source.native_id: order for order in await self._orders(given, parts, known=records)}
        return Page(
            rows=[Row(orders[str(row.id)], _written(_key(row))) for row in given if str(row.id) in orders],
            more=cut is not None or len(ready) > len(given),
            end=_written(_key(given[-1])) if given else None if cut is None else _written(cut),
        )

    async def _stretch(
        self,
        query: OrdersQuery,
        after: _Key | None,
        mine: Callable[[wire.OrderRow], bool],
        *,
        customer: int | None = None,
        email: str | None = None,
    ) -> _Stretch:
        """The next rows of one route, newest first, at least `query.first` of them where there are so many.

        Paging is by date, not by page number, so inserts move nothing. A full page may end in the middle of a second:
        that second counts as not yet read, and is asked for again. Only one status can be filtered by, and the bounds
        may or may not be inclusive: each row is looked at again.
        """
        # By address, or with statuses that are filtered here, a page holds others as well.
        limit = wire.V2_PAGE if email or query.status else min(query.first + 1, wire.V2_PAGE)
        before = query.placed_before
        if after is not None:
            before = min(filter(None, (before, after.at + _SECOND)))
        rows: dict[int, wire.OrderRow] = {}
        read_to: _Key | None = after
        page = 1
        for _ in range(_PAGES):
            call = wire.orders_list(
                customer=customer,
                email=email,
                # A bound between two seconds is rounded outwards.
                placed_after=query.placed_after - _SECOND if query.placed_after else None,
                placed_before=before + _SECOND if before and before.microsecond else before,
                limit=limit,
                page=page,
            )
            found = await self._read(call, lambda reply: wire.rows(wire.OrderRow, reply, "orders"))
            for row in found:
                if mine(row) and mapping.is_shown(row) and _admits(query, row) and (after is None or _key(row) < after):
                    rows[row.id] = row
            if len(found) < limit:
                return _Stretch(list(rows.values()), None)
            oldest = min(map(mapping.placed_at, found))
            if before is not None and oldest + _SECOND >= before:
                # More orders in one second than the page holds.
                page = page + 1 if limit == wire.V2_PAGE else 1
                limit = wire.V2_PAGE
                read_to = _Key(before, -1)
                continue
            read_to = _Key(oldest + _SECOND, -1)
            if sum(1 for row in rows.values() if _key(row) >= read_to) >= query.first:
                break
            before, page = oldest + _SECOND, 1
        return _Stretch([row for row in rows.values() if read_to is None or _key(row) >= read_to], read_to)

    async def _order_row(self, native: str) -> wire.OrderRow | None:
        try:
            return await self._read(wire.order(native), lambda reply: decode(wire.OrderRow, reply, "the order"))
        except wire.Missing:
            return None

    async def _orders(
        self, rows: Sequence[wire.OrderRow], parts: OrderParts, known: Mapping[int, Email] | None = None
    ) -> list[Order]:
        """Orders with their owners and what the parts need, in the order of `rows`; one that is taken away meanwhile
        is left out."""
        unknown = sorted({row.customer_id for row in rows if row.customer_id} - (known or {}).keys())
        refunded = [str(row.id) for row in rows if parts & OrderParts.REFUNDS or mapping.hides_refunds(row)]
        lined = rows if parts & _NEEDS_LINES else []
        shipped = [row for row in rows if row.items_shipped > 0] if parts & OrderParts.FULFILLMENTS else []
        customers, refunds, lines, shipments = await together(
            self._customers_by_id([str(one) for one in unknown]),
            self._refunds(refunded),
            each(self._lines, lined, at_once=_AT_ONCE),
            each(self._shipments, shipped, at_once=_AT_ONCE),
        )
        emails = {row.id: email_or_none(row.email) for row in customers} | dict(known or {})
        lines_of = dict(zip((row.id for row in lined), lines, strict=True))
        shipments_of = dict(zip((row.id for row in shipped), shipments, strict=True))
        return [
            mapping.order(
                row,
                parts,
                self._home,
                # A record that is gone leaves the address on the order.
                emails[row.customer_id] if row.customer_id in emails else email_or_none(row.billing_address.email),
                lines=lines_of.get(row.id),
                shipments=shipments_of.get(row.id, []),  # nothing shipped, or not asked for
                refunds=None if refunds is None or str(row.id) not in refunded else refunds.get(row.id, []),
            )
            for row in rows
            if not lined or lines_of[row.id] is not None
        ]

    async def _lines(self, row: wire.OrderRow) -> Sequence[wire.LineRow] | None:
        try:
            return await self._all_rows(lambda page: wire.order_products(row.id, page), wire.LineRow, "order lines")
        except wire.Missing:
            return None

    async def _shipments(self, row: wire.OrderRow) -> Sequence[wire.ShipmentRow] | None:
        with suppress(PlatformError):
            return await self._all_rows(lambda page: wire.shipments(row.id, page), wire.ShipmentRow, "shipments")
        return None

    async def _refunds(self, orders: Sequence[str]) -> Mapping[int, Sequence[wire.RefundRow]] | None:
        """By order; None where they could not be read."""

        async def some(ids: Sequence[str]) -> list[wire.RefundRow]:
            return await self._all_listed(lambda page: wire.refunds_of(ids, page), wire.RefundRow, "refunds")

        try:
            found = await each(some, _pieces(orders), at_once=_AT_ONCE)
        except PlatformError:
            return None
        by_order: dict[int, list[wire.RefundRow]] = {}
        for refund in (one for rows in found for one in rows):
            by_order.setdefault(refund.order_id, []).append(refund)
        return by_order

    # -- customers

    async def profiles(self, emails: Sequence[Email]) -> Mapping[Email, Sequence[CustomerProfile]]:
        wanted = list(dict.fromkeys(emails))

        async def some(addresses: Sequence[str]) -> list[wire.CustomerRow]:
            try:
                return await self._customers(lambda page: wire.customers_by_email(addresses, page))
            except Refused as error:
                # The store may take fewer addresses for valid than there are: nobody there has such a one.
                if type(error) is not Refused or all(native.http_status != 422 for native in error.native):
                    raise
                if len(addresses) == 1:
                    return []
                return [
                    row for found in await each(some, [[one] for one in addresses], at_once=_AT_ONCE) for row in found
                ]

        rows = [row for found in await each(some, _pieces(wanted), at_once=_AT_ONCE) for row in found]
        return {
            email: [mapping.profile(row, self._home) for row in rows if same_email(row.email, email)]
            for email in wanted
        }

    async def profiles_by_id(self, ids: Sequence[str]) -> Mapping[str, CustomerProfile]:
        wanted = _native(ids)
        rows = await self._customers_by_id(wanted)
        return {str(row.id): mapping.profile(row, self._home) for row in rows if str(row.id) in wanted}

    async def _customers_by_id(self, ids: Sequence[str]) -> list[wire.CustomerRow]:
        async def some(ids: Sequence[str]) -> list[wire.CustomerRow]:
            return await self._customers(lambda page: wire.customers_by_ids(ids, page))

        return [row for rows in await each(some, _pieces(ids), at_once=_AT_ONCE) for row in rows]

    async def _customers(self, ask: Callable[[int], Call]) -> list[wire.CustomerRow]:
        return await self._all_listed(ask, wire.CustomerRow, "customers")

    # -- products

    async def products(self, ids: Sequence[str]) -> Mapping[str, Product]:
        wanted = _native(ids)
        if not wanted:
            return {}

        async def some(ids: Sequence[str]) -> list[wire.ProductRow]:
            return await self._all_listed(lambda page: wire.products_by_ids(ids, page), wire.ProductRow, "products")

        found, currency = await together(
            each(some, _pieces(wanted, wire.PRODUCTS_PAGE), at_once=_AT_ONCE), self._currency()
        )
        shop_url = self._about.secure_url if self._about else None
        return {
            str(row.id): mapping.product(row, self._home, currency, shop_url)
            for rows in found
            for row in rows
            if str(row.id) in wanted
        }

    # -- writes

    async def cancel_order(self, request: CancelOrder) -> Outcome:
        """A write of the status. Giving up the authorisation comes after and changes nothing of that: whether it was
        given up is seen in the order's payment status."""
        native = request.order.source.native_id
        state = await self._write(wire.cancel_order(native), _state, ActionKind.CANCEL_ORDER)
        if state.status_id != wire.CANCELLED:
            raise Refused("the store took the call and did not cancel the order", store=self.config.id)
        if self.config.void_on_cancel and request.order.payment_status is PaymentStatus.AUTHORIZED:
            with suppress(PlatformError):
                await self._write(wire.void_payment(native), wire.accepted, ActionKind.CANCEL_ORDER)
        return Done()

    async def return_order(self, request: ReturnOrder) -> Outcome:
        """The notes are one text: read, added to, written whole. What staff write in that instant is lost, so nothing
        is written that already stands there."""
        native, mark = request.order.source.native_id, return_mark(request)
        before = (await self._read(wire.order(native), _state)).staff_notes or ""
        if _stands(mark, before):
            return Done()
        text = f"{before.rstrip()}\n\n{return_note(request)}".lstrip()
        if len(text) > wire.NOTES_LENGTH:
            raise Refused("the staff notes of this order are full", store=self.config.id)
        state = await self._write(wire.leave_notes(native, text), _state, ActionKind.RETURN_ORDER)
        if not _stands(mark, state.staff_notes):
            raise Refused("the store took the call and left the staff notes as they were", store=self.config.id)
        return Done()

    async def refund_sum(self, ask: RefundAsk) -> RefundSum:
        """Quoted by the store: the goods in one quote, what is left of the shipping in another."""
        native, most = ask.order.source.native_id, ask.order.totals.refundable.presentment
        code = most.currency_code
        lines = [wire.of_line(one.line.native_id, one.quantity) for one in ask.lines]
        to = await self._shipping_left(native) if ask.shipping else {}
        carried = [wire.of_shipping(address, left) for address, left in to.items()]
        goods, shipping = await together(self._quoted(native, lines), self._quoted(native, carried))
        # Should the store add tax to what was given with tax, no more is due than was paid.
        sent = min(shipping.total_refund_amount, sum(to.values(), _ZERO))
        sent = max(min(sent, most.amount - goods.total_refund_amount), _ZERO)
        return RefundSum(
            items=Money.of(goods.total_refund_amount - goods.total_refund_tax_amount, code),
            tax=Money.of(goods.total_refund_tax_amount, code),
            shipping=Money.of(sent, code) if ask.shipping else None,
            total=Money.of(goods.total_refund_amount + sent, code),
        )

    async def refund_order(self, request: RefundOrder) -> Outcome:
        """Quoted once more, then paid back in one of that quote's ways; one at a time on an order."""
        native = request.order.source.native_id
        async with self._refunding.setdefault(native, asyncio.Lock()):
            items = await self._refunded(request, f"{request.reason[:_REASON]} {_refund_mark(request)}".strip())
            quote = await self._quoted(native, items)
            body = _refund(request, items, quote, self.config.id)
            made = await self._write(
                wire.refund(native, body), lambda reply: wire.single(wire.RefundRow, reply, "the refund"), _REFUND
            )
        if mapping.refund_status(made) is RefundStatus.FAILED:
            raise Refused("the payment's provider declined to pay back", store=self.config.id)
        return Done(str(made.id))

    async def _refunded(self, request: RefundOrder, reason: str) -> list[Mapping[str, object]]:
        """The items of a refund: units of lines, shipping by its addresses, and a sum where no line is named."""
        native = request.order.source.native_id
        items = [wire.of_line(one.line.native_id, one.quantity, reason) for one in request.lines]
        carried = request.shipping.amount if request.shipping else _ZERO
        if carried > 0:
            rest = carried
            for address, left in (await self._shipping_left(native)).items():
                if (part := min(left, rest)) > 0:
                    items.append(wire.of_shipping(address, part, reason))
                    rest -= part
            if rest > 0:
                raise Refused("less of the shipping is left to be paid back", store=self.config.id)
        if not request.lines and request.amount.amount > carried:
            items.append(wire.of_order(native, request.amount.amount - carried, reason))
        return items

    async def _shipping_left(self, native: str) -> Mapping[int, Decimal]:
        """What was paid for shipping to each address, less what was paid back of it."""
        to, refunds = await together(
            self._all_rows(lambda page: wire.shipping_addresses(native, page), wire.ShippedTo, "addresses"),
            self._all_listed(lambda page: wire.refunds_of([native], page), wire.RefundRow, "refunds"),
        )
        left = {one.id: one.cost_inc_tax for one in to}
        for refund in refunds:
            if refund.order_id == int(native) and mapping.refund_status(refund) is not RefundStatus.FAILED:
                for item in refund.items:
                    if item.item_type == "SHIPPING" and item.item_id in left:
                        left[item.item_id] -= item.requested_amount or left[item.item_id]
        return {address: amount for address, amount in left.items() if amount > 0}

    async def _quoted(self, native: str, items: Sequence[Mapping[str, object]]) -> wire.Quote:
        if not items:
            return wire.Quote(total_refund_amount=_ZERO)
        # Only a right to write lets it through, so a refusal says as much of paying back.
        call = wire.refund_quote(native, items)
        return await self._write(call, lambda reply: wire.single(wire.Quote, reply, "the quote"), _REFUND)

    async def happened(self, request: Request, since: datetime) -> Done | None:
        """By the marks this adapter leaves: the order's status, the line with the action's id in the staff notes, the
        action's id in the reason of a refund."""
        if isinstance(request, RefundOrder):
            native = request.order.source.native_id
            rows = await self._all_listed(lambda page: wire.refunds_of([native], page), wire.RefundRow, "refunds")
            return _refund_made([row for row in rows if row.order_id == int(native)], request, since, self.config.id)
        if not isinstance(request, CancelOrder | ReturnOrder):
            return await super().happened(request, since)
        try:
            state = await self._read(wire.order(request.order.source.native_id), _state)
        except wire.Missing:
            return None
        if isinstance(request, CancelOrder):
            return Done() if state.status_id == wire.CANCELLED else None
        return Done() if _stands(return_mark(request), state.staff_notes) else None

    # -- calls

    def _judge(self, reply: Reply) -> Reply:
        wire.report(self._budget, reply)
        return wire.judge(reply)

    async def _read(self, call: Call, read: Callable[[Reply], T]) -> T:
        try:
            return await self._transport.send(call, read=read)
        except MissingScope as error:
            raise self._scoped(call, error) from None

    async def _write(self, call: Call, read: Callable[[Reply], T], action: ActionKind) -> T:
        try:
            return await self._transport.send(call, read=read)
        except MissingScope as error:
            scoped = self._scoped(call, error)
            if self.found is not None:
                self.found = replace(self.found, missing_scopes={**self.found.missing_scopes, action: scoped.scopes})
            raise scoped from None

    def _scoped(self, call: Call, error: MissingScope) -> MissingScope:
        """The platform says that a scope is missing, not which."""
        scope = wire.scope_of(call)
        return MissingScope(
            f"the API account lacks the scope {scope}", scopes=(scope,), store=self.config.id, native=error.native
        )

    async def _all_rows(self, ask: Callable[[int], Call], type_: type[T], what: str) -> list[T]:
        """Every page of a v2 list, which does not say how many there are."""
        rows: list[T] = []
        for page in range(1, _MOST_PAGES + 1):
            found = await self._read(ask(page), lambda reply: wire.rows(type_, reply, what))
            rows += found
            if len(found) < wire.V2_PAGE:
                return rows
        raise Unreadable(f"{what}: the list does not end", store=self.config.id)

    async def _all_listed(self, ask: Callable[[int], Call], type_: type[T], what: str) -> list[T]:
        """Every page of a v3 list."""
        rows: list[T] = []
        for page in range(1, _MOST_PAGES + 1):
            found = await self._read(ask(page), lambda reply: wire.listed(type_, reply, what))
            rows += found.data
            if not found.more:
                return rows
        raise Unreadable(f"{what}: the list does not end", store=self.config.id)


def _state(reply: Reply) -> wire.OrderState:
    return decode(wire.OrderState, reply, "the order")


# ------------------------------------------------------------------------------------------------- places in a list


@dataclass(frozen=True, slots=True, order=True)
class _Key:
    at: datetime
    id: int


@dataclass(frozen=True, slots=True)
class _Stretch:
    rows: list[wire.OrderRow]
    #: Complete for every key from here up; None: complete.
    read_to: _Key | None


def _key(row: wire.OrderRow) -> _Key:
    return _Key(mapping.placed_at(row), row.id)


def _written(key: _Key) -> str:
    return f"{wire.written(key.at)}/{key.id}"


def _position(text: str) -> _Key:
    moment, _, native = text.partition("/")
    try:
        return _Key(datetime.fromisoformat(moment).astimezone(UTC), int(native))
    except ValueError:
        raise Refused("not a position in this store's list") from None


def _native(ids: Iterable[str]) -> list[str]:
    """Those that can be ids here at all, each once: whole numbers as BigCommerce writes them."""
    return [one for one in dict.fromkeys(ids) if one.isascii() and one.isdecimal() and one[0] != "0" and len(one) <= 18]


def _pieces(values: Sequence[str], most: int = wire.IN) -> list[Sequence[str]]:
    return [values[at : at + most] for at in range(0, len(values), most)]


def _admits(query: OrdersQuery, row: wire.OrderRow) -> bool:
    at = mapping.placed_at(row)
    return (
        (query.status is None or mapping.order_status(row) in query.status)
        and (query.placed_after is None or at >= query.placed_after)
        and (query.placed_before is None or at < query.placed_before)
    )


# ----------------------------------------------------------------------------------------------------------- refunds


def _refund_mark(request: RefundOrder) -> str:
    return f"(Aftersale action {request.action_id})"


def _refund_made(rows: Iterable[wire.RefundRow], request: RefundOrder, since: datetime, store: str) -> Done | None:
    """The refund that bears the action's mark. That a store keeps the reason of an item is unverified: without a mark,
    one of just this amount since then."""
    standing = [row for row in rows if mapping.refund_status(row) is not RefundStatus.FAILED]
    for row in standing:
        if _refund_mark(request) in mapping.said_of_refund(row):
            return Done(str(row.id))
    for row in standing:
        if (
            make_id("Refund", store, str(row.order_id), str(row.id)) not in request.refunds_before
            and not _MARKED.search(mapping.said_of_refund(row))
            and wire.known_instant(row.created, "refund.created") >= since - CLOCK_SKEW
            and mapping.refund_amount(row) == request.amount.amount
        ):
            return Done(str(row.id))
    return None


def _refund(
    request: RefundOrder, items: Sequence[Mapping[str, object]], quote: wire.Quote, store: str
) -> Mapping[str, object]:
    """What is sent: payments that come to just the amount. Raises `Refused` where the quote comes to less than that,
    or offers no way that is meant; `Unsupported` where there is no credit to be had."""
    amount, quoted = request.amount.amount, quote.total_refund_amount
    if amount != amount.quantize(_CENT):
        raise Refused("the store pays back to the cent", store=store)
    if quoted < amount:
        raise Refused(f"the store pays back at most {quoted} for this", store=store)
    payments, rest = [], amount
    for option in _way(request, quote, store):
        if (part := min(option.amount, rest)) > 0:
            payments.append({"provider_id": option.provider_id, "amount": float(part), "offline": option.offline})
            rest -= part
    if rest > 0:
        raise Refused("the store's payments cannot pay all of it back", store=store)
    body: dict[str, object] = {"items": items, "payments": payments}
    if quoted > amount:  # something is kept back
        tax = (quote.total_refund_tax_amount * amount / quoted).quantize(_CENT)
        body["merchant_calculated_override"] = {"total_amount": float(amount), "total_tax": float(tax)}
    return body


def _way(request: RefundOrder, quote: wire.Quote, store: str) -> Sequence[wire.PaymentOption]:
    """The way the customer paid, through its provider if it can, else booked; credit only where it is asked for, or was
    what the order was paid with. "custom" is what a store books that was paid outside."""
    ways = [way for way in quote.refund_methods if way]
    credit = [way for way in ways if all(one.provider_id == "storecredit" for one in way)]
    if request.destination is RefundChoice.STORE_CREDIT:
        if not credit:
            raise Unsupported("this order cannot be paid back as store credit", action=_REFUND, store=store)
        return credit[0]
    paid = [way for way in ways if way not in credit and not any(one.provider_id == "custom" for one in way)]
    raw = request.order.source.raw_values or {}
    if not paid and Decimal(str(raw.get("store_credit_amount") or 0)) >= request.amount.amount:
        paid = credit
    paid += [way for way in ways if way not in credit and way not in paid]
    if not paid:
        raise Refused("the store offers no way to pay this order back", store=store)
    # The first of those that ask the provider for the most; sorting is stable.
    return max(paid, key=lambda way: sum((one.amount for one in way if not one.offline), _ZERO))


# ------------------------------------------------------------------------------------------------------------- notes


def _stands(mark: str, notes: str | None) -> bool:
    return any(line.strip() == mark for line in (notes or "").splitlines())
