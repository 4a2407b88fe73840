"""What a Magento shop is asked, and in which order."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, ClassVar, Final, Literal, Protocol, TypeVar

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from platforms.addresses import check_base_url
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
from platforms.errors import BadCredentials, MissingScope, OutcomeUnknown, PlatformError, Refused, Unsupported
from platforms.instants import known_instant
from platforms.jsonbody import decode
from platforms.magento import mapping, wire
from platforms.secrets import SecretText
from platforms.staff_notes import cancel_note, plain, return_mark, return_note
from platforms.together import together
from platforms.transport import Call, Limits, Reply, Transport
from schema.customer import CustomerProfile
from schema.emails import Email, email_or_none, same_email
from schema.ids import make_id
from schema.order import Order
from schema.parts import OrderParts
from schema.product import Product
from schema.provenance import StoreHealth
from schema.values import Money
from schema.vocabulary import (
    ActionKind,
    ItemCondition,
    OrderStatus,
    RefundChoice,
    RequestedResolution,
    ReturnReason,
    ReturnResolution,
)

T = TypeVar("T")
R = TypeVar("R", covariant=True)

#: A list is followed for so many pages in one go; then the answer is what was found, and goes on.
_PAGES: Final = 5
#: No list that belongs to a batch is longer than this; a shop that says so is not believed.
_MOST_PAGES: Final = 50
_SECOND = timedelta(seconds=1)
_ZERO, _CENT = Decimal(0), Decimal("0.01")
_REFUND: Final = ActionKind.REFUND_ORDER
_CARRIED = re.compile(r"Shipping in it: (\d+(?:\.\d+)?)\.")


class Credentials(BaseModel):
    """An integration's four words (System > Extensions > Integrations), or one token that is sent as it is."""

    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True)

    consumer_key: SecretText | None = None
    consumer_secret: SecretText | None = None
    access_token: SecretText | None = None
    access_token_secret: SecretText | None = None
    #: A bearer token, of a shop that takes them ("Allow OAuth Access Tokens to be used as standalone Bearer tokens").
    token: SecretText | None = None

    @model_validator(mode="after")
    def _one_way(self) -> Credentials:
        signed = (self.consumer_key, self.consumer_secret, self.access_token, self.access_token_secret)
        if all(signed) and self.token is None:
            return self
        if self.token is not None and not any(signed):
            return self
        raise ValueError(
            "either `token`, or all of `consumer_key`, `consumer_secret`, `access_token` and `access_token_secret`"
        )


class ReturnLabels(BaseModel):
    """What the shop calls its own choices for a return, where these are not Adobe Commerce's English ones."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    reasons: Mapping[ReturnReason, str] = Field(default_factory=dict)
    conditions: Mapping[ItemCondition, str] = Field(default_factory=dict)
    resolutions: Mapping[RequestedResolution, str] = Field(default_factory=dict)


class MagentoConfig(StoreConfig):
    """One Magento shop."""

    platform: Literal["magento"] = "magento"
    #: The site's address, such as `https://nl.acme.example`; with its folder where it lives in one.
    url: str
    #: The store view's code, as in `/rest/<code>/V1`.
    store_code: str = Field(default="default", pattern=r"^[a-zA-Z][a-zA-Z0-9_]*$")
    credentials: Credentials
    #: Which software it is; where it is left out the shop is asked whether it has returns.
    edition: Literal["open_source", "commerce"] | None = None
    #: Where its admin is, for links staff can follow; its address is the shop's own secret.
    admin_url: str | None = None
    return_labels: ReturnLabels = ReturnLabels()

    @field_validator("url", "admin_url")
    @classmethod
    def _plain(cls, url: str | None) -> str | None:
        return url.rstrip("/") if url else None

    @model_validator(mode="after")
    def _reachable(self) -> MagentoConfig:
        check_base_url(self.url, allow_private=self.allow_private_address)
        if self.admin_url is not None:
            check_base_url(self.admin_url, allow_private=self.allow_private_address)
        return self


class _Paged(Protocol[R]):
    """A page of a list, whatever its rows."""

    @property
    def items(self) -> Sequence[R]: ...
    @property
    def total_count(self) -> int: ...


class Magento(Platform):
    """REST V1, signed with OAuth 1.0a or with a bearer token; returns where the edition has them."""

    name = "Magento"
    Config = MagentoConfig
    api_version = "V1"
    refunds_on_cancel = False
    owners_cost_a_call = True
    caveats: ClassVar[Mapping[ActionKind, str]] = {
        ActionKind.CANCEL_ORDER: (
            "Only an order without an invoice can be cancelled, and cancelling never pays money back."
        ),
        ActionKind.RETURN_ORDER: (
            "Adobe Commerce records a return, which pays nothing back by itself; Magento Open Source has no returns, "
            "so the gateway keeps the record and leaves a comment on the order."
        ),
        ActionKind.REFUND_ORDER: (
            "Only what the payment's gateway took is paid back through it; any other refund is a credit memo that is "
            "booked and pays nothing: its `moneyMoved` is NO."
        ),
    }
    scopes: ClassVar[Mapping[ActionKind, tuple[str, ...]]] = {
        ActionKind.CANCEL_ORDER: (wire.VIEW_ORDERS, wire.CANCEL),
        ActionKind.RETURN_ORDER: (wire.VIEW_ORDERS, wire.COMMENT),
        ActionKind.REFUND_ORDER: (wire.VIEW_ORDERS, wire.INVOICES, wire.REFUND),
    }
    never_known: ClassVar[frozenset[str]] = frozenset(
        {
            "customer.segments",
            "customer.tags",
            "line.days_since_delivery",
            "line.delivered",
            "line.delivered_at",
            "line.delivered_estimated",
            "line.final_sale",
            "line.tags",
            "line.type",
            "line.vendor",
            "order.delivered_at",
            "order.disputed",
        }
    )

    config: MagentoConfig

    def __init__(self, config: StoreConfig, services: Services | None = None) -> None:
        if not isinstance(config, MagentoConfig):
            raise TypeError("a Magento store needs a MagentoConfig")
        super().__init__(config, services)
        given = config.credentials
        self._bearer = given.token
        self._keys = wire.OAuthKeys(
            *(
                one.reveal() if one else ""
                for one in (given.consumer_key, given.consumer_secret, given.access_token, given.access_token_secret)
            )
        )
        self._base = f"{config.url}/rest/{config.store_code}"
        self._transport = Transport(
            config.id,
            self._base,
            limits=self.services.limits or Limits(),
            observer=self.services.observer,
            judge=wire.judge,
            allow_private=config.allow_private_address,
            extra_headers=self.services.extra_headers,
            client=self.services.client,
        )
        self._home = mapping.Home(config.id, config.time_zone, self.source, config.admin_url)
        #: Whether the shop has let the token in: a wrong one and a missing permission are answered alike.
        self._token_works = False
        #: Whether the shop keeps returns; None: not known yet.
        self._edition: bool | None = {"open_source": False, "commerce": True, None: None}[config.edition]
        self.keeps_returns = self._edition is not False
        self._edition_lock = asyncio.Lock()
        self._shop: mapping.Shop | None = None
        self._shop_lock = asyncio.Lock()
        self._choices: _Choices | None = None

    # -- the store itself

    def health(self) -> StoreHealth:
        return store_health(self._transport.health())

    async def close(self) -> None:
        await self._transport.close()

    async def _probe(self) -> Probe:
        """Three cheap reads: may we see orders, are there returns, and what the store view is set to."""
        self._shop = self._choices = None
        may_see, has_returns, store = await together(
            self._permission(wire.orders_count()),
            self._permission(wire.rmas_count()) if self.config.edition != "open_source" else _nothing(),
            self._store_view(),
        )
        if isinstance(may_see, wire.Missing):
            raise Refused(
                "the shop has no REST API at this address: check `url` and `store_code`",
                store=self.config.id,
                native=may_see.native,
            )
        if self._bearer is not None and isinstance(may_see, MissingScope) and store is None:
            raise self._unknown_token(may_see)
        missing: dict[ActionKind, tuple[str, ...]] = dict(self._told_missing())
        warnings = []
        if isinstance(may_see, MissingScope):
            missing |= dict.fromkeys(self.scopes, may_see.scopes or (wire.VIEW_ORDERS,))
            warnings.append("The credentials may not read orders.")
        if self.config.edition != "open_source":
            self._settle(not isinstance(has_returns, wire.Missing))
            if isinstance(has_returns, wire.Missing) and self.config.edition == "commerce":
                warnings.append("The shop has no returns, though it is configured as Adobe Commerce.")
            if isinstance(has_returns, MissingScope):
                missing[ActionKind.RETURN_ORDER] = has_returns.scopes or (wire.RETURNS,)
                warnings.append("The credentials may not read returns.")
        currency = store.base_currency_code if store else None
        if store is None and self.config.currency is None:
            warnings.append("The credentials may not read the shop's settings: set `currency` for this store.")
        if store is not None:
            self._shop = _shop_of(store)
            if self.config.currency not in (None, currency):
                warnings.append(f"The shop's currency is {currency}, not {self.config.currency} as configured.")
            if store.timezone and store.timezone != self.config.time_zone:
                warnings.append(f"The shop's time zone is {store.timezone}, not {self.config.time_zone} as configured.")
        return Probe(
            currency=currency or self.config.currency,
            # Permissions to write show when the first write is refused.
            missing_scopes=missing,
            warnings=tuple(warnings),
        )

    async def _permission(self, call: Call) -> MissingScope | wire.Missing | None:
        """None where the call is let through; any other trouble is raised."""
        try:
            await self._send(call, wire.Number, "the count")
        except (MissingScope, wire.Missing) as refusal:
            return refusal
        self._token_works = True
        return None

    async def _store_view(self) -> wire.StoreRow | None:
        """The settings of this store view; None where the credentials may not read them, or it is not among them."""
        try:
            rows = await self._send(wire.store_configs(), list[wire.StoreRow], "the store settings")
        except (MissingScope, wire.Missing):
            return None
        self._token_works = True
        return next((row for row in rows if row.code == self.config.store_code), None)

    async def _settings(self) -> mapping.Shop:
        """Probed, or asked for once."""
        async with self._shop_lock:
            if self._shop is None:
                store = await self._store_view()
                self._shop = _shop_of(store) if store else mapping.Shop(self.config.currency)
            return self._shop

    async def _has_returns(self) -> bool:
        """Configured, probed, or asked for once: a shop without returns has no such route."""
        async with self._edition_lock:
            if self._edition is None:
                self._settle(not isinstance(await self._permission(wire.rmas_count()), wire.Missing))
            return bool(self._edition)

    def _settle(self, keeps: bool) -> None:
        self._edition = self.keeps_returns = keeps

    # -- orders

    async def orders(self, ids: Sequence[str], parts: OrderParts) -> Mapping[str, Order]:
        wanted = _native(ids)
        rows = await self._batches(wanted, wire.orders_by_ids, wire.OrderPage, "orders")
        shown = {row.entity_id: row for row in rows if str(row.entity_id) in wanted}
        return {order.source.native_id: order for order in await self._orders(list(shown.values()), parts)}

    async def orders_by_number(self, number: str, parts: OrderParts) -> Sequence[Order]:
        wanted = number.strip().removeprefix("#")
        if not wanted or not wanted.isprintable():
            return []
        rows = await self._all(wire.orders_by_number(wanted), wire.OrderPage, "orders")
        return await self._orders([row for row in rows if row.increment_id == wanted], parts)

    async def orders_of(self, person: Person, query: OrdersQuery, parts: OrderParts) -> Page[Order]:
        """One search, newest first: the orders of the customer records, or with the address on them.

        Paging is by date and id, not by page number, so new orders move nothing.
        """
        records = {
            int(profile.source.native_id): person.email
            for profile in await person.profiles()
            if same_email(profile.email, person.email)
        }
        after = _position(query.after) if query.after else None
        rows: dict[int, wire.OrderRow] = {}
        end: _Key | None = None
        size = min(query.first + 1, wire.MOST)
        for page in range(1, _PAGES + 1):
            found = await self._read(
                wire.orders_of(
                    person.email,
                    list(records),
                    states=_words(query.status),
                    placed_after=query.placed_after.replace(microsecond=0) if query.placed_after else None,
                    placed_before=_next_second(query.placed_before),
                    up_to=after.at if after else None,
                    size=size,
                    page=page,
                ),
                wire.OrderPage,
                "orders",
            )
            for row in found.items:
                if _mine(row, person.email, records) and _admits(query, row) and (after is None or _key(row) < after):
                    rows[row.entity_id] = row
            # Behind the last page some versions send it again: only the count tells where the end is.
            if page * size >= found.total_count or not found.items:
                end = None
                break
            end = _key(found.items[-1])
            if len(rows) > query.first:
                break
        ready = sorted(rows.values(), key=_key, reverse=True)
        given = ready[: query.first]
        orders = await self._orders(given, parts, known=records)
        return Page(
            rows=[Row(order, _written(_key(row))) for row, order in zip(given, orders, strict=True)],
            more=end is not None or len(ready) > len(given),
            end=None if given or end is None else _written(end),
        )

    async def _orders(
        self, rows: Sequence[wire.OrderRow], parts: OrderParts, known: Mapping[int, Email] | None = None
    ) -> list[Order]:
        """Orders with their owners and what else was asked for, in the order of `rows`: one search for each part."""
        if not rows:
            return []
        ids = [row.entity_id for row in rows]
        unknown = sorted({row.customer_id for row in rows if row.customer_id} - (known or {}).keys())
        sent = [row.entity_id for row in rows if any(item.qty_shipped for item in row.items)]
        invoiced = [row.entity_id for row in rows if row.total_invoiced or row.total_refunded]
        customers, shipments, memos, returns = await together(
            self._batches([str(one) for one in unknown], wire.customers_by_ids, wire.CustomerPage, "customers"),
            self._beside(sent, parts & OrderParts.FULFILLMENTS, wire.shipments, wire.ShipmentPage, "shipments"),
            self._beside(invoiced, parts & OrderParts.REFUNDS, wire.memos, wire.MemoPage, "credit memos"),
            self._returns(ids, bool(parts & OrderParts.RETURNS)),
        )
        keeps, rmas, labels = returns
        emails = {row.id: email_or_none(row.email) for row in customers} | dict(known or {})
        return [
            mapping.order(
                row,
                parts,
                self._home,
                # A record that is gone leaves the address on the order.
                emails[row.customer_id]
                if row.customer_id is not None and row.customer_id in emails
                else email_or_none(row.customer_email),
                mapping.Beside(
                    shipments=_of(row, shipments),
                    memos=_of(row, memos),
                    rmas=_of(row, rmas),
                    keeps_returns=keeps,
                ),
                labels,
            )
            for row in rows
        ]

    async def _beside(
        self,
        orders: Sequence[int],
        wanted: OrderParts,
        ask: Callable[[Sequence[int]], wire.Pages],
        type_: type[_Paged[T]],
        what: str,
    ) -> list[T] | None:
        """What belongs to these orders; None where it was not asked for or could not be read."""
        if not wanted:
            return None
        with suppress(PlatformError):
            return await self._in_pieces(list(orders), ask, type_, what)
        return None

    async def _returns(
        self, orders: Sequence[int], wanted: bool
    ) -> tuple[bool | None, list[wire.RmaRow] | None, mapping.Labels]:
        """Whether the shop keeps returns (None: it could not be asked), those of these orders, and what their words
        mean."""
        try:
            keeps = await self._has_returns()
        except PlatformError:
            return None, None, mapping.NO_LABELS
        if not keeps or not wanted:
            return keeps, None, mapping.NO_LABELS
        rmas = await self._beside(orders, OrderParts.RETURNS, wire.rmas, wire.RmaPage, "returns")
        if not rmas:
            return keeps, rmas, mapping.NO_LABELS
        try:
            return keeps, rmas, (await self._return_choices()).labels(self.config.return_labels)
        except PlatformError:
            return keeps, rmas, mapping.NO_LABELS

    # -- customers

    async def profiles(self, emails: Sequence[Email]) -> Mapping[Email, Sequence[CustomerProfile]]:
        """All addresses in one search; the same one may have a record for each website."""
        wanted = list(dict.fromkeys(emails))
        rows = await self._in_pieces(
            wanted, wire.customers_by_email, wire.CustomerPage, "customers", most=wire.MOST_EMAILS
        )
        found: dict[Email, list[CustomerProfile]] = {email: [] for email in wanted}
        for row in {row.id: row for row in rows}.values():
            email = email_or_none(row.email)
            if email in found:
                found[email].append(mapping.profile(row, self._home))
        return found

    async def profiles_by_id(self, ids: Sequence[str]) -> Mapping[str, CustomerProfile]:
        wanted = _native(ids)
        rows = await self._batches(wanted, wire.customers_by_ids, wire.CustomerPage, "customers")
        return {str(row.id): mapping.profile(row, self._home) for row in rows if str(row.id) in wanted}

    # -- products

    async def products(self, ids: Sequence[str]) -> Mapping[str, Product]:
        """One search, and one more for what configurable products are sold as."""
        wanted = _native(ids)
        if not wanted:
            return {}
        rows, shop = await together(
            self._batches(wanted, wire.products_by_ids, wire.ProductPage, "products"), self._settings()
        )
        rows = [row for row in rows if str(row.id) in wanted]
        links = {row.id: _links(row) for row in rows if row.type_id == "configurable"}
        below = {
            row.id: row
            for row in await self._batches(
                list(dict.fromkeys(one for ids in links.values() for one in ids)),
                wire.products_by_ids,
                wire.ProductPage,
                "products",
            )
        }
        return {
            str(row.id): mapping.product(
                row,
                self._home,
                shop,
                self.services.clock(),
                [below[int(one)] for one in links[row.id] if int(one) in below] if row.id in links else None,
            )
            for row in rows
        }

    # -- writes

    async def cancel_order(self, request: CancelOrder) -> Outcome:
        """The shop answers yes or no; a yes is looked at again, since old versions said it and did nothing."""
        native = request.order.source.native_id
        if (request.order.source.raw_values or {}).get("total_invoiced"):
            # Asked anyway, the shop would cancel what is not invoiced yet, say yes, and carry on with the rest.
            raise Refused(
                "the order has an invoice: it is paid back with a credit memo, not cancelled", store=self.config.id
            )
        done = await self._write(wire.cancel_order(native), bool, "the cancellation", ActionKind.CANCEL_ORDER)
        if not done:
            raise Refused("the shop did not cancel the order", store=self.config.id)
        try:
            after = await self._order_state(native)
        except PlatformError as error:
            raise OutcomeUnknown(
                f"the shop said yes, and the order could not be read again: {error.message}", store=self.config.id
            ) from error
        if after is None or after.state != "canceled":
            raise Refused("the shop said yes and did not cancel the order", store=self.config.id)
        with suppress(PlatformError):  # the order is cancelled, comment or no comment
            await self._note(native, cancel_note(request), after, ActionKind.CANCEL_ORDER)
        return Done()

    async def return_order(self, request: ReturnOrder) -> Outcome:
        native = request.order.source.native_id
        if await self._has_returns():
            rma = _rma(request, await self._return_choices(), self.config.return_labels, self.services.clock())
            made = await self._write(wire.make_rma(rma), wire.RmaMade, "the return", ActionKind.RETURN_ORDER)
            return Done(str(made.entity_id))
        state = await self._order_state(native)
        if state is None:
            raise wire.Missing("the shop has no such order", store=self.config.id)
        await self._note(native, return_note(request, "item"), state, ActionKind.RETURN_ORDER)
        return Done()

    async def refund_sum(self, ask: RefundAsk) -> RefundSum:
        """Worked out as the shop does, which has no word on it beforehand."""
        most = ask.order.totals.refundable.presentment
        row, sent = await together(
            self._order_row(ask.order), self._shipping_left(ask.order) if ask.shipping else _nothing()
        )
        goods, tax = mapping.worth(row, {one.line.native_id: one.quantity for one in ask.lines})
        goods = min(goods, most.amount)  # an adjustment may have taken of it already
        tax = min(tax, goods)
        sent = min(sent or _ZERO, most.amount - goods)
        return RefundSum(
            items=Money.of(goods - tax, most.currency_code),
            tax=Money.of(tax, most.currency_code),
            shipping=Money.of(sent, most.currency_code) if ask.shipping else None,
            total=Money.of(goods + sent, most.currency_code),
            estimated=True,
        )

    async def _order_row(self, order: Order) -> wire.OrderRow:
        native = order.source.native_id
        rows = await self._all(wire.orders_by_ids([native]), wire.OrderPage, "orders")
        found = next((row for row in rows if str(row.entity_id) == native), None)
        if found is None:
            raise wire.Missing("the shop has no such order", store=self.config.id)
        return found

    async def _shipping_left(self, order: Order) -> Decimal:
        """With tax; less what credit memos gave back of it, as shipping or as an adjustment that says so."""
        paid = order.totals.shipping.presentment.amount if order.totals.shipping else _ZERO
        if paid <= 0:
            return _ZERO
        rows = await self._all(wire.memos([int(order.source.native_id)]), wire.MemoPage, "credit memos")
        back = _ZERO
        for row in rows:
            if row.order_id == int(order.source.native_id) and row.state != mapping.CANCELLED_MEMO:
                carried = row.shipping_incl_tax if row.shipping_incl_tax is not None else row.shipping_amount
                told = [found[1] for one in row.comments or () if (found := _CARRIED.search(one.comment or ""))]
                back += (carried or _ZERO) + sum(map(Decimal, told), _ZERO)
        return max(paid - back, _ZERO)

    async def refund_order(self, request: RefundOrder) -> Outcome:
        """Through the gateway where it took the money, else booked. One credit memo, whose sum is just the amount."""
        if request.destination is not RefundChoice.ORIGINAL_PAYMENT:
            raise Unsupported(
                "Magento's REST interface cannot pay back as store credit.", action=_REFUND, store=self.config.id
            )
        native = request.order.source.native_id
        body = _memo(request, await self._order_row(request.order), self.config.id)
        invoices = await self._allowed(self._all(wire.invoices(native), wire.InvoicePage, "invoices"), _REFUND)
        taken = [row for row in invoices if str(row.order_id) == native and row.state == 2 and row.transaction_id]
        if not taken:
            call = wire.refund_offline(native, body)
        else:
            fitting = next((row for row in taken if _covers(row, request)), None)
            if fitting is None:
                raise Refused(
                    "no single invoice covers this: pay back what each of them has by itself", store=self.config.id
                )
            call = wire.refund_online(fitting.entity_id, body)
        return Done(str(await self._write(call, int, "the credit memo", _REFUND)))

    async def _note(self, order: str, text: str, state: wire.OrderState, action: ActionKind) -> None:
        call = wire.leave_note(order, text, state.status or state.state or "")
        if not await self._write(call, bool, "the comment", action):
            raise Refused("the shop did not take the comment", store=self.config.id)

    async def _order_state(self, order: str) -> wire.OrderState | None:
        found = await self._read(wire.order_state(order), wire.OrderStatePage, "the order")
        return next((row for row in found.items if str(row.entity_id) == order), None)

    async def _return_choices(self) -> _Choices:
        """What the shop offers for a return; asked once, and again after a probe."""
        if self._choices is None:
            rows = await together(
                *(
                    self._read(wire.rma_attribute(code), wire.AttributeRow, f"the choices of {code}")
                    for code in ("reason", "condition", "resolution")
                )
            )
            self._choices = _Choices(*rows)
        return self._choices

    async def happened(self, request: Request, since: datetime) -> Done | None:
        """By the order's state, and by the mark on a comment or return; a return without it, by what comes back."""
        match request:
            case CancelOrder():
                state = await self._order_state(request.order.source.native_id)
                return Done() if state is not None and state.state == "canceled" else None
            case ReturnOrder():
                native, mark = request.order.source.native_id, return_mark(request)
                if await self._has_returns():
                    rows = await self._all(wire.rmas([int(native)]), wire.RmaPage, "returns")
                    for row in rows:
                        if any((one.comment or "").startswith(mark) for one in row.comments or ()):
                            return Done(str(row.entity_id))
                    return await super().happened(request, since)
                notes = await self._read(wire.order_notes(native), wire.NotePage, "the comments")
                return Done() if any((one.comment or "").startswith(mark) for one in notes.items) else None
            case RefundOrder():
                native = request.order.source.native_id
                memos = await self._all(wire.memos([int(native)]), wire.MemoPage, "credit memos")
                return _refunded([row for row in memos if str(row.order_id) == native], request, since, self.config.id)
            case _:
                return await super().happened(request, since)

    # -- calls

    async def _send(self, call: Call, type_: type[T], what: str, judge: Callable[[Reply], Reply] | None = None) -> T:
        headers = {**call.headers, "Accept": "application/json"}
        if self._bearer is not None:
            signed = replace(call, headers=headers | {"Authorization": f"Bearer {self._bearer.reveal()}"})
        else:
            signed = replace(call, headers=wire.Signed(replace(call, headers=headers), self._base, self._keys))
        return await self._transport.send(signed, read=lambda reply: decode(type_, reply, what), judge=judge)

    async def _read(self, call: Call, type_: type[T], what: str) -> T:
        try:
            value = await self._send(call, type_, what)
        except MissingScope as error:
            if self._bearer is None or self._token_works:
                self._token_works = False  # it may have run out meanwhile: the next refusal says so
                raise
            raise self._unknown_token(error) from None
        self._token_works = True
        return value

    async def _write(self, call: Call, type_: type[T], what: str, action: ActionKind) -> T:
        return await self._allowed(self._send(call, type_, what), action)

    async def _allowed(self, work: Coroutine[Any, Any, T], action: ActionKind) -> T:
        """What an action needs; a permission that is missing is remembered as the action's."""
        try:
            return await work
        except MissingScope as error:
            if self._bearer is not None and not self._token_works:
                raise self._unknown_token(error) from None
            if self.found is not None:
                scopes = {**self.found.missing_scopes, action: error.scopes or self.scopes[action]}
                self.found = replace(self.found, missing_scopes=scopes)
            raise

    def _unknown_token(self, error: MissingScope) -> BadCredentials:
        return BadCredentials(
            "the shop does not accept the token: it is wrong, has run out, or the shop takes no bearer tokens",
            store=self.config.id,
            native=error.native,
        )

    async def _all(self, ask: wire.Pages, type_: type[_Paged[T]], what: str) -> list[T]:
        """Every row of a list; its count says when to stop."""
        rows: list[T] = []
        for page in range(1, _MOST_PAGES + 1):
            found = await self._read(ask(page), type_, what)
            rows += found.items
            if page * wire.MOST >= found.total_count or not found.items:
                break
        return rows

    async def _batches(
        self, ids: Sequence[str], ask: Callable[[Sequence[str]], wire.Pages], type_: type[_Paged[T]], what: str
    ) -> list[T]:
        return await self._in_pieces(ids, ask, type_, what)

    async def _in_pieces(
        self,
        keys: Sequence[Any],
        ask: Callable[[Sequence[Any]], wire.Pages],
        type_: type[_Paged[T]],
        what: str,
        most: int = wire.MOST,
    ) -> list[T]:
        """As few searches as a page allows; none for nothing."""
        pieces = [keys[at : at + most] for at in range(0, len(keys), most)]
        found = await together(*(self._all(ask(piece), type_, what) for piece in pieces))
        return [row for rows in found for row in rows]


def _shop_of(row: wire.StoreRow) -> mapping.Shop:
    media = row.secure_base_media_url or row.base_media_url
    return mapping.Shop(row.base_currency_code, media.rstrip("/") if media else None)


def _links(row: wire.ProductRow) -> list[str]:
    links = row.extension_attributes.configurable_product_links if row.extension_attributes else None
    return _native(str(one) for one in links or ())


class _OfOrder(Protocol):
    @property
    def order_id(self) -> int: ...


OfOrder = TypeVar("OfOrder", bound=_OfOrder)


def _of(order: wire.OrderRow, rows: Iterable[OfOrder] | None) -> list[OfOrder] | None:
    return None if rows is None else [row for row in rows if row.order_id == order.entity_id]


# ------------------------------------------------------------------------------------------------- places in a list


@dataclass(frozen=True, slots=True, order=True)
class _Key:
    at: datetime
    id: int


def _key(row: wire.OrderRow) -> _Key:
    return _Key(mapping.placed_at(row), row.entity_id)


def _written(key: _Key) -> str:
    return f"{wire.written(key.at)}/{key.id}"


def _position(text: str) -> _Key:
    moment, _, native = text.partition("/")
    try:
        return _Key(datetime.fromisoformat(moment).replace(tzinfo=UTC), int(native))
    except ValueError:
        raise Refused("not a position in this store's list") from None


def _next_second(moment: datetime | None) -> datetime | None:
    """A bound between two seconds, rounded outwards."""
    return moment + _SECOND if moment is not None and moment.microsecond else moment


def _native(ids: Iterable[str]) -> list[str]:
    """Those that can be ids here at all, each once: whole numbers as Magento writes them."""
    return [one for one in dict.fromkeys(ids) if one.isascii() and one.isdecimal() and one[0] != "0" and len(one) <= 18]


def _words(wanted: frozenset[OrderStatus] | None) -> Sequence[str]:
    """The states to ask for; none where the platform cannot name them all."""
    if wanted is None or OrderStatus.UNKNOWN in wanted:
        return ()
    return sorted({word for status in wanted for word in mapping.STATE_WORDS[status]}) or ("-",)


def _mine(row: wire.OrderRow, email: Email, records: Mapping[int, Email]) -> bool:
    """A customer's order is theirs whatever address is on it; only a guest's goes by the address."""
    return row.customer_id in records if row.customer_id else same_email(row.customer_email, email)


def _admits(query: OrdersQuery, row: wire.OrderRow) -> bool:
    at = mapping.placed_at(row)
    return (
        (query.status is None or mapping.order_status(row) in query.status)
        and (query.placed_after is None or at >= query.placed_after)
        and (query.placed_before is None or at < query.placed_before)
    )


# ----------------------------------------------------------------------------------------------------------- returns


@dataclass(frozen=True, slots=True)
class _Choices:
    """The options a shop has for a return, each with an id of its own."""

    reason: wire.AttributeRow
    condition: wire.AttributeRow
    resolution: wire.AttributeRow

    def labels(self, own: ReturnLabels) -> mapping.Labels:
        """Option id to our word."""
        return mapping.Labels(
            _by_option(self.reason, own.reasons, mapping.REASON_LABELS),
            _by_option(self.condition, own.conditions, mapping.CONDITION_LABELS),
            {
                id: ReturnResolution[word.name]
                for id, word in _by_option(self.resolution, own.resolutions, mapping.RESOLUTION_LABELS).items()
            },
        )


def _labelled(attribute: wire.AttributeRow) -> Mapping[str, str]:
    return {one.label.strip().casefold(): one.value for one in attribute.options if one.value}


def _by_option(
    attribute: wire.AttributeRow, own: Mapping[T, str], usual: Mapping[T, tuple[str, ...]]
) -> Mapping[str, T]:
    """Only a label that stands for one word of ours is read back as it."""
    meant: dict[str, set[T]] = {}
    labelled = _labelled(attribute)
    for word in {*own, *usual}:
        names = (own[word],) if word in own else usual[word]
        for name in names:
            if (option := labelled.get(name.strip().casefold())) is not None:
                meant.setdefault(option, set()).add(word)
    return {option: words.pop() for option, words in meant.items() if len(words) == 1}


def _option(
    attribute: wire.AttributeRow,
    word: T,
    own: Mapping[T, str],
    usual: Mapping[T, tuple[str, ...]],
    otherwise: Sequence[str] = (),
) -> str | None:
    labelled = _labelled(attribute)
    names = (own[word],) if word in own else (*usual.get(word, ()), *otherwise)
    return next((id for name in names if (id := labelled.get(name.strip().casefold())) is not None), None)


def _rma(request: ReturnOrder, choices: _Choices, own: ReturnLabels, now: datetime) -> Mapping[str, object]:
    """A return that is authorised already: the policy has allowed it. Raises `Refused` where the shop has no word for
    what is asked."""
    order = request.order
    resolution = _option(choices.resolution, request.resolution, own.resolutions, mapping.RESOLUTION_LABELS)
    if resolution is None and choices.resolution.options:
        raise Refused(
            f"the shop's returns have no resolution for {request.resolution.value}: name it in `return_labels`"
        )
    items = []
    for one in request.lines:
        reason = _option(
            choices.reason,
            one.reason,
            own.reasons,
            mapping.REASON_LABELS,
            otherwise=(own.reasons.get(ReturnReason.OTHER, "Other"),),
        )
        if reason is None and choices.reason.options:
            raise Refused(f"the shop's returns have no reason for {one.reason.value}: name it in `return_labels`")
        said = one.condition or ItemCondition.UNKNOWN
        # Whether a return may be without a condition is the shop's setting; nobody's claim is made up for it.
        condition = _option(choices.condition, said, own.conditions, mapping.CONDITION_LABELS)
        item = {
            "order_item_id": int(one.line.native_id),
            "qty_requested": one.quantity,
            "qty_authorized": one.quantity,
            "reason": reason,
            "condition": condition,
            "resolution": resolution,
            "status": "authorized",
        }
        items.append({name: value for name, value in item.items() if value is not None})
    store_id = (order.source.raw_values or {}).get("store_id")
    comment = {
        "comment": return_note(request, "item"),
        "created_at": wire.written(now),
        "customer_notified": False,
        "visible_on_front": False,
        "status": "authorized",
        "admin": True,
    }
    rma = {
        "order_id": int(order.source.native_id),
        "order_increment_id": order.number,
        "store_id": store_id,
        "customer_id": int(order.customer_native_id) if order.customer_native_id else None,
        "date_requested": wire.written(now),
        "customer_custom_email": order.email,
        "items": items,
        "status": "authorized",
        "comments": [comment],
        "tracks": [],
    }
    return {name: value for name, value in rma.items() if value is not None}


# ----------------------------------------------------------------------------------------------------------- refunds


def _memo(request: RefundOrder, row: wire.OrderRow, store: str) -> Mapping[str, object]:
    """The credit memo to ask for; `row` is the order as it stands. An amount for shipping is taken with or without its
    tax as the shop is set, which it does not tell: where shipping is taxed, it is paid back as an adjustment, which is
    taken as it is. Raises `Refused` where the sum could not be met."""
    order, amount = request.order, request.amount.amount
    if amount != amount.quantize(_CENT):
        raise Refused("the shop pays back to the cent", store=store)
    if amount > (row.total_paid or _ZERO) - (row.total_refunded or _ZERO):
        raise Refused("more than is left of what was paid", store=store)
    carried = request.shipping.amount if request.shipping else _ZERO
    untaxed = row.shipping_incl_tax in (None, row.shipping_amount)
    shipping = carried if untaxed else _ZERO
    units = {one.line.native_id: one.quantity for one in request.lines}
    adjustment = amount - mapping.worth(row, units)[0] - shipping
    if (shipping or adjustment) and row.order_currency_code != row.base_currency_code:
        raise Refused(
            "the order was paid in another currency than the shop's: only whole lines can be paid back to the cent",
            store=store,
        )
    text = f"{_refund_mark(request)} {plain(request.reason)}".strip()
    if carried > shipping:
        text += f" Shipping in it: {carried}."
    return wire.memo_asked(
        units or {line.native_id: 0 for line in order.lines}, text, shipping=shipping, adjustment=adjustment
    )


def _covers(invoice: wire.InvoiceRow, request: RefundOrder) -> bool:
    """Whether one invoice has the units and the money. Its own sum is in the shop's currency."""
    held = {str(one.order_item_id): one.qty for one in invoice.items}
    order = request.order.totals.total
    same = order.presentment.currency_code == order.shop.currency_code
    left = invoice.base_grand_total - (invoice.base_total_refunded or _ZERO)
    return all(held.get(one.line.native_id, _ZERO) >= one.quantity for one in request.lines) and (
        not same or left >= request.amount.amount
    )


def _refund_mark(request: RefundOrder) -> str:
    return f"Refunded by Aftersale (action {request.action_id})."


def _refunded(rows: Iterable[wire.MemoRow], request: RefundOrder, since: datetime, store: str) -> Done | None:
    """The memo that bears the action's mark. That a shop keeps the comment is unverified: without a mark, one of just
    this amount since then."""
    standing = [row for row in rows if row.state != mapping.CANCELLED_MEMO]
    said = {row.entity_id: [one.comment or "" for one in row.comments or ()] for row in standing}
    for row in standing:
        if any(text.startswith(_refund_mark(request)) for text in said[row.entity_id]):
            return Done(str(row.entity_id))
    for row in standing:
        if (
            make_id("Refund", store, str(row.order_id), str(row.entity_id)) not in request.refunds_before
            and not any(text.startswith("Refunded by Aftersale (action ") for text in said[row.entity_id])
            and known_instant(row.created_at, "creditmemo.created_at") >= since - CLOCK_SKEW
            and row.grand_total == request.amount.amount
        ):
            return Done(str(row.entity_id))
    return None


async def _nothing() -> None:
    return None
