"""What a Medusa store is asked, and in which order."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import ClassVar, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, field_validator, model_validator

from platforms.addresses import check_base_url
from platforms.base import (
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
from platforms.errors import OutcomeUnknown, PlatformError, Refused, Unreadable, Unsupported
from platforms.jsonbody import decode
from platforms.medusa import mapping, wire
from platforms.secrets import SecretText
from platforms.together import together
from platforms.transport import Call, Limits, Transport
from schema.customer import CustomerProfile
from schema.emails import Email, same_email
from schema.order import Order
from schema.parts import OrderParts
from schema.product import Product
from schema.provenance import StoreHealth
from schema.values import Money
from schema.vocabulary import ActionKind, OrderStatus, RefundChoice, ReturnReason

T = TypeVar("T")

#: A list that over-matches is followed for so many pages in one go; then the answer is what was found, and goes on.
_PAGES = 5
_AMOUNTS = "Medusa pays back amounts, not lines or shipping: ask for an amount."
#: Instants are told in milliseconds.
_TICK = timedelta(milliseconds=1)


class Credentials(BaseModel):
    """A secret API key of the store (Settings > Secret API Keys)."""

    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True)

    secret_key: SecretText


class MedusaConfig(StoreConfig):
    """One Medusa server."""

    platform: Literal["medusa"] = "medusa"
    #: The server's address, such as `https://api.acme.example`; the Admin API is at `/admin` below it.
    url: str
    credentials: Credentials

    @field_validator("url")
    @classmethod
    def _plain(cls, url: str) -> str:
        return url.rstrip("/")

    @model_validator(mode="after")
    def _reachable(self) -> MedusaConfig:
        check_base_url(self.url, allow_private=self.allow_private_address)
        return self


class Medusa(Platform):
    """Admin API with a secret key."""

    name = "Medusa"
    Config = MedusaConfig
    api_version = "2.21"
    refunds_on_cancel: ClassVar[bool] = True
    never_known: ClassVar[frozenset[str]] = frozenset(
        {"customer.tags", "line.final_sale", "line.vendor", "order.disputed"}
    )
    caveats: ClassVar[Mapping[ActionKind, str]] = {
        ActionKind.CANCEL_ORDER: (
            "Cancelling pays back by itself whatever was captured, to the original payment, and puts the goods back "
            "into stock; a paid order cannot be cancelled without that."
        ),
        ActionKind.RETURN_ORDER: "A fee cannot be expressed: it is written into the return's internal note.",
        ActionKind.REFUND_ORDER: "A refund is of an amount: it names neither lines nor shipping.",
    }

    config: MedusaConfig

    def __init__(self, config: StoreConfig, services: Services | None = None) -> None:
        if not isinstance(config, MedusaConfig):
            raise TypeError("a Medusa store needs a MedusaConfig")
        super().__init__(config, services)
        key = config.credentials.secret_key.reveal()
        authorization = "Basic " + base64.b64encode(f"{key}:".encode()).decode("ascii")
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
        self._home = mapping.Home(config.id, config.url, self.source)
        self._currency: str | None = config.currency
        self._currency_lock = asyncio.Lock()

    # -- the store itself

    def health(self) -> StoreHealth:
        return store_health(self._transport.health())

    async def close(self) -> None:
        await self._transport.close()

    async def _probe(self) -> Probe:
        currency = await self._default_currency()
        warnings = []
        if currency is None and self.config.currency is None:
            warnings.append("The store has no default currency: set `currency` for this store.")
        if currency is not None and self.config.currency not in (None, currency):
            warnings.append(f"The store's default currency is {currency}, not {self.config.currency} as configured.")
        return Probe(currency=currency or self.config.currency, warnings=tuple(warnings))

    async def _default_currency(self) -> str | None:
        """ISO 4217; None where the store has named none."""
        found = await self._read(wire.stores(), wire.StoresPage, "the store")
        for store in found.stores:
            for one in store.supported_currencies or ():
                if one.is_default:
                    return mapping.currency(one.currency_code, "store.supported_currencies[].currency_code")
        return None

    async def _price_currency(self) -> str | None:
        """Configured, probed, or asked for once."""
        async with self._currency_lock:
            if self._currency is None:
                self._currency = (self.found.currency if self.found else None) or await self._default_currency()
            return self._currency

    # -- orders

    async def orders(self, ids: Sequence[str], parts: OrderParts) -> Mapping[str, Order]:
        wanted = _native(ids)
        pages = await together(
            *(self._read(wire.orders_by_ids(some, parts), wire.OrdersPage, "orders") for some in _pieces(wanted))
        )
        rows = [row for page in pages for row in page.orders if row.id in wanted and mapping.is_shown(row)]
        return {order.source.native_id: order for order in await self._orders(rows, parts)}

    async def orders_by_number(self, number: str, parts: OrderParts) -> Sequence[Order]:
        """There is no such filter. `q` looks at numbers too; it over-matches and is followed for a few pages."""
        wanted = number.strip().removeprefix("#")
        if not wanted or "\x00" in wanted:
            return []
        rows: dict[str, wire.OrderRow] = {}
        for page in range(_PAGES):
            call = wire.orders_list(parts, search=wanted, limit=wire.MOST, offset=page * wire.MOST)
            found = (await self._read(call, wire.OrdersPage, "orders")).orders
            rows |= {row.id: row for row in found if mapping.number(row) == wanted and mapping.is_shown(row)}
            if len(found) < wire.MOST:
                break
        return await self._orders(list(rows.values()), parts)

    async def orders_of(self, person: Person, query: OrdersQuery, parts: OrderParts) -> Page[Order]:
        """Two routes, merged: the orders of their records, and a search for the address, which finds guest orders."""
        records = [one.source.native_id for one in await person.profiles() if same_email(one.email, person.email)]
        after = _position(query.after) if query.after else None

        def mine(row: wire.OrderRow) -> bool:
            return mapping.owner(row) == person.email

        routes = [self._stretch(query, after, mine, parts, search=person.email)]
        if records:
            routes.append(self._stretch(query, after, mine, parts, customers=records))
        stretches = await together(*routes)
        # Only as far down as every route has been read is the merged list complete.
        cut = max((stretch.read_to for stretch in stretches if stretch.read_to is not None), default=None)
        merged = {row.id: row for stretch in stretches for row in stretch.rows}
        ready = sorted((row for row in merged.values() if cut is None or _key(row) >= cut), key=_key, reverse=True)
        given = ready[: query.first]
        orders = await self._orders(given, parts)
        return Page(
            rows=[Row(order, _written(_key(row))) for row, order in zip(given, orders, strict=True)],
            more=cut is not None or len(ready) > len(given),
            end=None if given or cut is None else _written(cut),
        )

    async def _stretch(
        self,
        query: OrdersQuery,
        after: _Key | None,
        mine: Callable[[wire.OrderRow], bool],
        parts: OrderParts,
        *,
        customers: Sequence[str] = (),
        search: str | None = None,
    ) -> _Stretch:
        """The next rows of one route, newest first, at least `query.first` of them where there are so many.

        Offsets drift when orders come in, and rows of one instant come in any order: so paging is by instant. A full
        page may end in the middle of a millisecond, which then counts as not yet read and is asked for again.
        """
        statuses = _words(query.status)
        if statuses == ():
            return _Stretch([], None)
        limit, offset = min(query.first + 1, wire.MOST), 0
        to = query.placed_before
        if after is not None:
            to = min(filter(None, (to, after.at + _TICK)))
        rows: dict[str, wire.OrderRow] = {}
        read_to: _Key | None = after
        for _ in range(_PAGES):
            call = wire.orders_list(
                parts,
                customers=customers,
                search=search,
                statuses=statuses or (),
                placed_from=query.placed_after,
                # Inclusive there; a bound between two ticks is rounded outwards.
                placed_to=to + _TICK if to and to.microsecond % 1000 else to,
                limit=limit,
                offset=offset,
            )
            found = (await self._read(call, wire.OrdersPage, "orders")).orders
            for row in found:
                if mine(row) and mapping.is_shown(row) and _admits(query, row) and (after is None or _key(row) < after):
                    rows[row.id] = row
            if len(found) < limit:
                return _Stretch(list(rows.values()), None)
            oldest = min(mapping.placed_at(row) for row in found)
            if to is not None and oldest + _TICK >= to:
                # More orders in one instant than the page holds.
                offset = offset + limit if limit == wire.MOST else 0
                limit = wire.MOST
                continue
            read_to = _Key(oldest + _TICK, "")
            if sum(1 for row in rows.values() if _key(row) >= read_to) >= query.first:
                break
            to, offset = oldest + _TICK, 0
        return _Stretch([row for row in rows.values() if read_to is None or _key(row) >= read_to], read_to)

    async def _orders(self, rows: Sequence[wire.OrderRow], parts: OrderParts) -> list[Order]:
        """Orders, with their returns where parts need them: in the order of `rows`."""
        # A return that counts has changed the order, so the first version has none.
        changed = [row.id for row in rows if row.version != 1] if parts & OrderParts.RETURNS else []
        returns: Sequence[wire.ReturnRow] | None = []
        try:
            returns = await self._returns(changed)
        except PlatformError:
            returns = None
        return [mapping.order(row, parts, self._home, returns if row.id in changed else []) for row in rows]

    async def _returns(self, orders: Sequence[str]) -> list[wire.ReturnRow]:
        """Every return of these orders, drafts among them."""
        rows: list[wire.ReturnRow] = []
        for some in _pieces(orders):
            for page in range(_PAGES):
                call = wire.returns_of(some, page * wire.MOST)
                found = (await self._read(call, wire.ReturnsPage, "returns")).returns
                rows += [row for row in found if row.order_id in some]
                if len(found) < wire.MOST:
                    break
            else:
                raise Unreadable("the store has too many returns to read them all", store=self.config.id)
        return rows

    # -- customers

    async def profiles(self, emails: Sequence[Email]) -> Mapping[Email, Sequence[CustomerProfile]]:
        """One search for each address: the exact filter would miss one that staff typed with capitals."""
        wanted = list(dict.fromkeys(emails))

        async def one(email: Email) -> Sequence[CustomerProfile]:
            rows: dict[str, wire.CustomerRow] = {}
            for page in range(_PAGES):
                call = wire.customers_search(email, page * wire.MOST)
                found = (await self._read(call, wire.CustomersPage, "customers")).customers
                rows |= {row.id: row for row in found if same_email(row.email, email) and mapping.is_record(row)}
                if len(found) < wire.MOST:
                    break
            return [mapping.profile(row, self._home) for row in rows.values()]

        return dict(zip(wanted, await together(*map(one, wanted)), strict=True))

    async def profiles_by_id(self, ids: Sequence[str]) -> Mapping[str, CustomerProfile]:
        wanted = _native(ids)
        pages = await together(
            *(self._read(wire.customers_by_ids(some), wire.CustomersPage, "customers") for some in _pieces(wanted))
        )
        rows = [row for page in pages for row in page.customers if row.id in wanted and mapping.is_record(row)]
        return {row.id: mapping.profile(row, self._home) for row in rows}

    # -- products

    async def products(self, ids: Sequence[str]) -> Mapping[str, Product]:
        wanted = _native(ids)
        if not wanted:
            return {}
        currency, *pages = await together(
            self._price_currency(),
            *(self._read(wire.products_by_ids(some), wire.ProductsPage, "products") for some in _pieces(wanted)),
        )
        rows = [row for page in pages for row in page.products if row.id in wanted]
        return {row.id: mapping.product(row, self._home, currency) for row in rows}

    # -- writes

    async def cancel_order(self, request: CancelOrder) -> Outcome:
        """One call. It pays back whatever was captured, so it is not sent where that was not asked for."""
        if request.refund is not RefundChoice.ORIGINAL_PAYMENT and request.order.totals.refundable.shop.amount > 0:
            raise Refused(
                "Medusa pays a cancelled order back to the original payment, and something else was asked for",
                store=self.config.id,
            )
        call = wire.cancel_order(request.order.source.native_id)
        changed = await self._write(call, wire.OrderChanged, "the cancelled order")
        if changed.order.status != "canceled":
            raise OutcomeUnknown("the store took the call and the order is not cancelled", store=self.config.id)
        return Done()

    async def return_order(self, request: ReturnOrder) -> Outcome:
        """Three calls: a draft with our mark, its items, and the confirmation that makes it a return.

        Until the last one nothing has happened that anybody would see; but a draft blocks the order for other changes,
        so one that cannot be finished is taken away again. Where not even that is certain the outcome is unknown, and
        the next attempt finds the draft by its mark and begins anew.
        """
        order = request.order.source.native_id
        try:
            earlier = await self._marked(request)
            reasons = await self._reasons()
        except PlatformError as error:
            error.not_executed = True  # nothing was sent that changes anything
            raise
        for row in earlier:
            if row.status != mapping.DRAFT:
                return Done(row.id)
        for row in earlier:
            await self._drop(row.id)
        marks = {mapping.ACTION_MARK: request.action_id, mapping.RESOLUTION_MARK: request.resolution.value}
        begun = await self._write(wire.begin_return(order, _note(request), marks), wire.ReturnChanged, "the draft")
        draft = begun.row.id
        items = [
            {
                "id": one.line.native_id,
                "quantity": one.quantity,
                "internal_note": _item_note(one.condition.value if one.condition else None, one.note),
                "metadata": {mapping.REASON_MARK: one.reason.value},
                **({"reason_id": reasons[one.reason]} if one.reason in reasons else {}),
            }
            for one in request.lines
        ]
        try:
            await self._write(wire.add_return_items(draft, items), wire.ReturnChanged, "the draft's items")
            done = await self._write(wire.confirm_return(draft), wire.ReturnChanged, "the return")
        except PlatformError as error:
            if not error.not_executed:
                raise
            try:
                await self._drop(draft)
            except PlatformError:
                raise OutcomeUnknown(
                    f"a draft of the return was left behind: {error.message}",
                    store=self.config.id,
                    native=error.native,
                ) from error
            raise
        if done.row.status == mapping.DRAFT:
            raise OutcomeUnknown("the store took the call and the return is still a draft", store=self.config.id)
        return Done(draft)

    async def refund_sum(self, ask: RefundAsk) -> RefundSum:
        """Nothing to work out: what is not a plain amount has no place in a refund of Medusa's."""
        if ask.lines or ask.shipping:
            raise Unsupported(_AMOUNTS, action=ActionKind.REFUND_ORDER, store=self.config.id)
        nothing = Money.of(0, ask.order.totals.refundable.presentment.currency_code)
        return RefundSum(items=nothing, total=nothing)

    async def refund_order(self, request: RefundOrder) -> Outcome:
        """One refund of one payment that has as much left, the provider's own before one that is settled by hand."""
        if request.lines:
            raise Unsupported(_AMOUNTS, action=ActionKind.REFUND_ORDER, store=self.config.id)
        if request.destination is not RefundChoice.ORIGINAL_PAYMENT:
            raise Unsupported(
                "Medusa pays back to the original payment only.", action=ActionKind.REFUND_ORDER, store=self.config.id
            )
        native, amount = request.order.source.native_id, request.amount.amount
        payments = await self._payments(native)
        left = {one.id: mapping.left_of(one) for one in payments}
        if amount > sum(left.values()):
            raise Refused("more than is left of what was captured", store=self.config.id)
        payment = next((one for one in sorted(payments, key=mapping.by_hand) if left[one.id] >= amount), None)
        if payment is None:
            raise Refused(
                "the order was paid in several payments and none of them has as much left: pay back a part of each",
                store=self.config.id,
            )
        note = f"{' '.join(request.reason.split())} {_refund_mark(request)}".strip()
        await self._write(wire.refund_payment(payment.id, amount, note), wire.PaymentChanged, "the refund")
        with suppress(PlatformError):  # it is done, whatever it is called
            return await self._refunded(request) or Done()
        return Done()

    async def _payments(self, order: str) -> list[wire.PaymentRow]:
        found = await self._read(wire.payments_of(order), wire.PaymentsPage, "the payments")
        row = next((one for one in found.orders if one.id == order), None)
        if row is None:
            raise wire.Missing("the store has no such order", store=self.config.id)
        return [one for collection in row.payment_collections or () for one in collection.payments or ()]

    async def _refunded(self, request: RefundOrder) -> Done | None:
        """The refund whose note bears the action's mark: a note was seen to be kept."""
        for payment in await self._payments(request.order.source.native_id):
            for refund in payment.refunds or ():
                if (refund.note or "").endswith(_refund_mark(request)):
                    return Done(refund.id)
        return None

    async def _marked(self, request: ReturnOrder) -> list[wire.ReturnRow]:
        """What earlier attempts at this very action have left; a cancelled return is not one."""
        rows = await self._returns([request.order.source.native_id])
        return [
            row
            for row in rows
            if (row.metadata or {}).get(mapping.ACTION_MARK) == request.action_id and row.status != "canceled"
        ]

    async def _drop(self, draft: str) -> None:
        with suppress(wire.Missing):
            await self._write(wire.drop_return(draft), wire.Deleted, "the draft")

    async def _reasons(self) -> Mapping[ReturnReason, str]:
        """The shop's own reasons that are called like ours, by their ids."""
        found = await self._read(wire.return_reasons(), wire.ReasonsPage, "the return reasons")
        known = {row.value.strip().upper().replace("-", "_"): row.id for row in found.return_reasons}
        return {reason: known[reason.value] for reason in ReturnReason if reason.value in known}

    async def happened(self, request: Request, since: datetime) -> Done | None:
        """A return or refund by the mark we left on it; a draft of a return is none."""
        if isinstance(request, ReturnOrder):
            found = [row for row in await self._marked(request) if row.status != mapping.DRAFT]
            return Done(found[0].id) if found else None
        if isinstance(request, RefundOrder):
            return await self._refunded(request)
        return await super().happened(request, since)

    # -- calls

    async def _read(self, call: Call, type_: type[T], what: str) -> T:
        return await self._transport.send(call, read=lambda reply: decode(type_, reply, what))

    async def _write(self, call: Call, type_: type[T], what: str) -> T:
        return await self._transport.send(call, read=lambda reply: decode(type_, reply, what))


# ------------------------------------------------------------------------------------------------- places in a list


@dataclass(frozen=True, slots=True, order=True)
class _Key:
    at: datetime
    id: str


@dataclass(frozen=True, slots=True)
class _Stretch:
    rows: list[wire.OrderRow]
    #: Complete for every key from here up; None: complete.
    read_to: _Key | None


def _key(row: wire.OrderRow) -> _Key:
    return _Key(mapping.placed_at(row), row.id)


def _written(key: _Key) -> str:
    return f"{key.at.astimezone(UTC).isoformat()}/{key.id}"


def _position(text: str) -> _Key:
    moment, _, native = text.partition("/")
    try:
        at = datetime.fromisoformat(moment)
    except ValueError:
        raise Refused("not a position in this store's list") from None
    if at.tzinfo is None or (native and not wire.is_id(native)):
        raise Refused("not a position in this store's list")
    return _Key(at, native)


def _native(ids: Iterable[str]) -> list[str]:
    """Those that can be ids here at all, each once."""
    return [one for one in dict.fromkeys(ids) if wire.is_id(one)]


def _pieces(ids: Sequence[str]) -> list[Sequence[str]]:
    return [ids[at : at + wire.MOST] for at in range(0, len(ids), wire.MOST)]


def _words(wanted: frozenset[OrderStatus] | None) -> Sequence[str] | None:
    """The statuses to ask for; None where the platform cannot name them all, empty where there can be none."""
    if wanted is None or OrderStatus.UNKNOWN in wanted:
        return None
    return tuple(sorted({word for status in wanted for word in mapping.STATUS_WORDS[status]}))


def _admits(query: OrdersQuery, row: wire.OrderRow) -> bool:
    at = mapping.placed_at(row)
    return (
        (query.status is None or mapping.order_status(row) in query.status)
        and (query.placed_after is None or at >= query.placed_after)
        and (query.placed_before is None or at < query.placed_before)
    )


# ------------------------------------------------------------------------------------------------------------- notes


def _refund_mark(request: RefundOrder) -> str:
    return f"(Aftersale action {request.action_id})"


def _note(request: ReturnOrder) -> str:
    """For the shop's staff."""
    text = [f"Return agreed by Aftersale (action {request.action_id}).", f"Resolution: {request.resolution.value}."]
    text += [f"Fee: {fee.kind.value} {fee.amount.amount} {fee.amount.currency_code}." for fee in request.fees]
    return " ".join(text)


def _item_note(condition: str | None, note: str | None) -> str:
    return " ".join(filter(None, (f"Condition: {condition}." if condition else None, " ".join((note or "").split()))))
