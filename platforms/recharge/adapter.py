"""What is asked of Recharge, and in which order, to read a person's subscriptions and to change one."""

from __future__ import annotations

import asyncio
import re
from collections import defaultdict
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import date, datetime, timedelta
from functools import partial
from typing import ClassVar, Protocol, TypeVar
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field, model_validator

from platforms.addresses import check_base_url
from platforms.base import (
    CLOCK_SKEW,
    CancelSubscription,
    Done,
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
    Row,
    Services,
    StoreConfig,
    SubscriptionsQuery,
    store_health,
)
from platforms.errors import BadCredentials, MissingScope, PlatformError, Refused, Unreadable, Unsupported
from platforms.jsonbody import decode
from platforms.recharge import mapping, wire
from platforms.secrets import SecretText
from platforms.transport import Budget, Call, Limits, Reply, Transport
from schema.customer import CustomerProfile
from schema.emails import Email, email_or_none, same_email
from schema.order import Order
from schema.parts import OrderParts, SubscriptionParts
from schema.provenance import Source, StoreHealth
from schema.subscription import Subscription
from schema.vocabulary import ActionKind, RefundChoice, SubscriptionStatus

R_co = TypeVar("R_co", covariant=True)
R = TypeVar("R")

#: Pages of 250 rows that are read of one list. What is longer is not read to its end, and never taken for whole.
MAX_PAGES = 8

#: An address that nobody has (RFC 2606).
_NOBODY = Email("nobody@aftersale.invalid")
_NUMBER = re.compile(r"[1-9][0-9]{0,18}", re.ASCII)
_ENDED = frozenset({SubscriptionStatus.CANCELLED, SubscriptionStatus.EXPIRED})


class RechargeCredentials(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    token: SecretText


class RechargeConfig(StoreConfig):
    """A Recharge account. `extends` names the shop it bills for; without it nothing links into a shop."""

    url: str = wire.BASE_URL
    credentials: RechargeCredentials
    #: The account's rate: so many calls at once, and so many more a second. Some plans are granted more.
    calls_at_once: float = Field(default=wire.BUCKET, ge=1)
    calls_per_second: float = Field(default=wire.DRAIN_PER_SECOND, gt=0)

    @model_validator(mode="after")
    def _address(self) -> RechargeConfig:
        check_base_url(self.url, allow_private=self.allow_private_address)
        return self


class _Listed(Protocol[R_co]):
    """One page of a list, whatever the list's name."""

    @property
    def rows(self) -> Sequence[R_co]: ...
    @property
    def next_cursor(self) -> str | None: ...


class Recharge(Platform):
    """Subscriptions and the charges behind them. Orders and products are the shop's; Recharge has billing records,
    which are read by id only, so that nobody's list shows an order twice."""

    name = "Recharge"
    Config = RechargeConfig
    api_version = wire.API_VERSION
    keeps_pauses = False
    pause_needs_until = True
    owners_cost_a_call: ClassVar[bool] = True
    # An order here is what was billed: the goods, their parcels and what they are is known to the shop.
    never_known: ClassVar[frozenset[str]] = frozenset(
        {
            "customer.segments",
            "customer.tags",
            "line.days_since_delivery",
            "line.days_since_fulfillment",
            "line.delivered",
            "line.delivered_at",
            "line.delivered_estimated",
            "line.final_sale",
            "line.fulfilled",
            "line.fulfilled_at",
            "line.refundable",
            "line.requires_shipping",
            "line.returnable",
            "line.tags",
            "line.type",
            "line.vendor",
            "order.delivered_at",
            "order.disputed",
            "order.fulfilled_at",
            "subscription.min_cycles",
        }
    )
    caveats: ClassVar[Mapping[ActionKind, str]] = {
        ActionKind.REFUND_ORDER: (
            "Recharge pays back an amount of a charge it took itself, not lines, and tells only the sum of a charge's "
            "refunds: each charge is paid back once."
        ),
        ActionKind.PAUSE_SUBSCRIPTION: (
            "Recharge has no pause: the next charge is moved to the day the pause ends, so an end must be given."
        ),
        ActionKind.RESUME_SUBSCRIPTION: (
            "Recharge has no pause to end: the next charge is moved back to the day it was due before the pause, "
            "or to tomorrow where that day has gone by or is not known."
        ),
    }
    scopes: ClassVar[Mapping[ActionKind, tuple[str, ...]]] = {
        ActionKind.REFUND_ORDER: wire.REFUND_SCOPES,
        ActionKind.PAUSE_SUBSCRIPTION: (wire.WRITE_SUBSCRIPTIONS,),
        ActionKind.RESUME_SUBSCRIPTION: (wire.WRITE_SUBSCRIPTIONS,),
        ActionKind.CANCEL_SUBSCRIPTION: (wire.WRITE_SUBSCRIPTIONS,),
    }

    def __init__(self, config: RechargeConfig, services: Services | None = None) -> None:
        super().__init__(config, services)
        self._zone = ZoneInfo(config.time_zone)
        self._headers = wire.headers(config.credentials.token.reveal())
        self._transport = Transport(
            config.id,
            config.url,
            limits=self.services.limits or Limits(),
            budget=Budget(config.calls_at_once, config.calls_per_second),
            observer=self.services.observer,
            allow_private=config.allow_private_address,
            extra_headers=self.services.extra_headers,
            client=self.services.client,
        )

    def health(self) -> StoreHealth:
        return store_health(self._transport.health())

    async def close(self) -> None:
        await self._transport.close()

    async def _probe(self) -> Probe:
        """What the token may do, where the store tells (unverified). A token that is not known raises."""
        warnings: list[str] = []
        if self.config.currency is None:
            warnings.append("Recharge does not tell its currency: set `currency` for rows that name none.")
        try:
            told = await self._read(wire.token_information(self._headers), wire.TokenInformation, ())
        except (Refused, Unreadable) as error:
            if isinstance(error, BadCredentials):
                raise
            # Whether it is Recharge at all that answers shows with a read that every version has.
            with suppress(MissingScope):
                await self._customers(wire.customers_by_email(self._headers, _NOBODY))
            return Probe(warnings=(*warnings, "What the token may do could not be read."))
        scopes = frozenset(told.token_information.scopes)
        missing = {
            action: lacking
            for action, needed in self.scopes.items()
            if (lacking := tuple(scope for scope in needed if scope not in scopes))
        }
        warnings += [
            f"The token lacks {scope}: what needs it will be missing."
            for scope in (wire.READ_CUSTOMERS, wire.READ_ORDERS, wire.READ_SUBSCRIPTIONS)
            if not scopes & {scope, scope.replace("read_", "write_")}
        ]
        return Probe(missing_scopes=missing, warnings=tuple(warnings))

    # ------------------------------------------------------------------------------------------------ reads

    async def profiles(self, emails: Sequence[Email]) -> Mapping[Email, Sequence[CustomerProfile]]:
        """One call each: the filter takes one address."""
        wanted = list(dict.fromkeys(emails))
        found = await _together(self._customers(wire.customers_by_email(self._headers, email)) for email in wanted)
        return {
            email: [self._profile(row) for row in rows if same_email(row.email, email)]
            for email, rows in zip(wanted, found, strict=True)
        }

    async def profiles_by_id(self, ids: Sequence[str]) -> Mapping[str, CustomerProfile]:
        wanted = frozenset(ids)
        return {
            str(row.id): self._profile(row)
            for row in await self._by_id(ids, wire.customers_by_id, wire.CustomerPage, wire.READ_CUSTOMERS)
            if str(row.id) in wanted
        }

    async def orders(self, ids: Sequence[str], parts: OrderParts) -> Mapping[str, Order]:
        """Billing records: one call, and at once one for their charges and one for the customers behind them."""
        wanted = frozenset(ids)
        rows = await self._by_id(ids, wire.orders_by_id, wire.OrderPage, wire.READ_ORDERS)
        shown = sorted((row for row in rows if str(row.id) in wanted), key=lambda row: row.id)
        charges, profiles = await asyncio.gather(
            self._charges(shown),
            self.profiles_by_id(
                [str(row.customer.id) for row in shown if row.customer and row.customer.id is not None]
            ),
        )
        home = self._home()
        found = {}
        for row in shown:
            record = profiles.get(str(row.customer.id)) if row.customer else None
            # A record that is gone leaves the address on the order.
            owner = record.owner if record else email_or_none(row.customer.email if row.customer else None)
            charge = row.charge.id if row.charge else None
            raw: dict[str, object] = {"charge": charge, "external_order_id": mapping.external(row.external_order_id)}
            source = self.source(str(row.id), raw=raw)
            try:
                made = mapping.order(row, charges.get(str(charge)), source, home, parts, owner)
            except Unreadable as error:
                error.store = self.config.id
                raise
            found[str(row.id)] = made
        return found

    async def _charges(self, rows: Iterable[wire.OrderRow]) -> Mapping[str, wire.ChargeRow]:
        """The charges that orders were billed with, by id."""
        ids = [str(row.charge.id) for row in rows if row.charge and row.charge.id is not None]
        found = await self._by_id(ids, wire.charges_by_id, wire.ChargePage, wire.READ_ORDERS)
        return {str(charge.id): charge for charge in found if str(charge.id) in ids}

    async def subscriptions(self, ids: Sequence[str], parts: SubscriptionParts) -> Mapping[str, Subscription]:
        rows = await self._subscription_rows(ids)
        return {s.source.native_id: s for s in await self._finish(rows, parts)}

    async def subscriptions_of(
        self, person: Person, query: SubscriptionsQuery, parts: SubscriptionParts
    ) -> Page[Subscription]:
        """All of a person's subscriptions are read and paged here: a customer has few, and the store's own cursor
        says nothing of what was added since."""
        customers = [profile.source.native_id for profile in await person.profiles()]
        orders = asyncio.ensure_future(self._orders_of(customers if SubscriptionParts.CYCLES in parts else ()))
        try:
            listed = await _together(self._subscriptions_of_customer(customer) for customer in customers)
            billed = await orders
        finally:
            orders.cancel()
        rows = sorted({row.id: row for rows in listed for row in rows}.values(), key=_place, reverse=True)
        if query.after is not None:
            after = _parse_position(query.after)
            rows = [row for row in rows if _place(row) < after]
        nodes = await self._finish(rows[: query.first], parts, owner=person.email, orders=billed)
        return Page(
            [Row(node, _position(row)) for node, row in zip(nodes, rows, strict=False)], more=len(rows) > query.first
        )

    async def subscriptions_of_orders(
        self, order_ids: Sequence[str], parts: SubscriptionParts
    ) -> Mapping[str, Sequence[Subscription]]:
        """One call an order of the shop, one for the subscriptions they were billed for."""
        wanted = list(dict.fromkeys(order_ids))
        held: dict[str, set[str]] = defaultdict(set)
        if self.config.extends is None:
            for order in await self._by_id(wanted, wire.orders_by_id, wire.OrderPage, wire.READ_ORDERS):
                if str(order.id) in wanted:
                    held[str(order.id)] |= mapping.subscriptions_in(order)
        else:
            found = await _together(self._orders(wire.orders_by_shop_order(self._headers, id)) for id in wanted)
            for id, orders in zip(wanted, found, strict=True):
                for order in orders:
                    if mapping.external(order.external_order_id) == id:
                        held[id] |= mapping.subscriptions_in(order)
        by_id = await self.subscriptions([id for ids in held.values() for id in ids], parts)
        return {order_id: [by_id[id] for id in by_id if id in held[order_id]] for order_id in wanted}

    async def _finish(
        self,
        rows: Sequence[wire.SubscriptionRow],
        parts: SubscriptionParts,
        *,
        owner: Email | None = None,
        orders: Mapping[str, Sequence[wire.OrderRow] | None] | None = None,
    ) -> list[Subscription]:
        """Rows in our words; with the cycles, from one list of billed orders a customer, where they are asked for."""
        home = self._home()
        try:
            found = [mapping.subscription(row, self._source(row), home, owner=owner) for row in rows]
        except Unreadable as error:
            error.store = self.config.id
            raise
        if SubscriptionParts.CYCLES not in parts:
            return found
        if orders is None:
            orders = await self._orders_of({str(row.customer_id) for row in rows})
        for row, node in zip(rows, found, strict=True):
            billed = orders.get(str(row.customer_id))
            cycles = None if billed is None else mapping.cycles(billed, str(row.id))
            node.cycles_completed = cycles.completed if cycles else None
            node.origin_order_ref = mapping.origin(cycles, home)
        return found

    async def _orders_of(self, customers: Collection[str]) -> dict[str, Sequence[wire.OrderRow] | None]:
        """The billed orders by customer; None where they cannot be read, or not to the end."""

        async def one(customer: str) -> Sequence[wire.OrderRow] | None:
            try:
                orders = await self._orders(wire.orders_of_customer(self._headers, customer))
            except PlatformError:
                return None
            return [order for order in orders if order.customer and str(order.customer.id) == customer]

        wanted = list(customers)
        return dict(zip(wanted, await _together(one(customer) for customer in wanted), strict=True))

    async def _customers(self, call: Call) -> list[wire.CustomerRow]:
        return await self._all(call, wire.CustomerPage, wire.READ_CUSTOMERS)

    async def _orders(self, call: Call) -> list[wire.OrderRow]:
        return await self._all(call, wire.OrderPage, wire.READ_ORDERS)

    async def _subscription_rows(self, ids: Sequence[str]) -> list[wire.SubscriptionRow]:
        rows = await self._by_id(ids, wire.subscriptions_by_id, wire.SubscriptionPage, wire.READ_SUBSCRIPTIONS)
        wanted = frozenset(ids)
        return [row for row in rows if str(row.id) in wanted and row.status != mapping.ONETIME]

    async def _subscriptions_of_customer(self, customer: str) -> list[wire.SubscriptionRow]:
        rows = await self._all(
            wire.subscriptions_of_customer(self._headers, customer), wire.SubscriptionPage, wire.READ_SUBSCRIPTIONS
        )
        return [row for row in rows if str(row.customer_id) == customer and row.status != mapping.ONETIME]

    async def _by_id(
        self,
        ids: Iterable[str],
        ask: Callable[[Mapping[str, str], Sequence[str]], Call],
        page: type[_Listed[R]],
        scope: str,
    ) -> list[R]:
        """Rows by native id, 250 a call. What is no number is nobody's id."""
        wanted = [id for id in dict.fromkeys(ids) if _NUMBER.fullmatch(id)]
        chunks = [wanted[at : at + wire.MAX_PAGE] for at in range(0, len(wanted), wire.MAX_PAGE)]
        pages = await _together(self._read(ask(self._headers, chunk), page, (scope,)) for chunk in chunks)
        return [row for page_ in pages for row in page_.rows]

    async def _all(self, call: Call, page: type[_Listed[R]], scope: str) -> list[R]:
        """Every row of a list. Raises `Unreadable` when it is longer than `MAX_PAGES`."""
        rows: list[R] = []
        following = call
        for _ in range(MAX_PAGES):
            got = await self._read(following, page, (scope,))
            rows += got.rows
            if not got.next_cursor:
                return rows
            following = wire.behind(call, got.next_cursor)
        raise Unreadable(f"{call.operation}: more than {MAX_PAGES * wire.MAX_PAGE} rows", store=self.config.id)

    async def _read(self, call: Call, type_: type[R], scopes: tuple[str, ...]) -> R:
        def read(reply: Reply) -> R:
            return decode(type_, reply, call.operation)

        return await self._transport.send(call, read=read, judge=partial(wire.judge, scopes=scopes))

    # ------------------------------------------------------------------------------------------------ writes

    async def refund_sum(self, ask: RefundAsk) -> RefundSum:
        raise self._not_lines()

    async def refund_order(self, request: RefundOrder) -> Outcome:
        """Pay an amount of the order's charge back, if nothing of it was paid back before.

        Recharge has no key against a second payment, no place for a mark, and tells only the sum of a charge's refunds.
        So a charge is paid back once: its sum is looked at just before, and tells afterwards what came of it.
        """
        if request.destination is not RefundChoice.ORIGINAL_PAYMENT:
            raise Unsupported(
                "Recharge pays back to the payment of the charge only.",
                action=ActionKind.REFUND_ORDER,
                store=self.config.id,
            )
        if request.lines or request.shipping is not None:
            raise self._not_lines()
        try:
            row, charge = await self._charge_of(request.order)
        except PlatformError as error:
            error.not_executed = True
            raise
        self._must_be_payable(request, row, charge)
        amount = request.amount.amount
        call = wire.refund(self._headers, charge.id, f"{amount:f}")

        def read(reply: Reply) -> None:
            now = decode(wire.OneCharge, reply, call.operation).charge
            if now.id != charge.id or now.total_refunds != amount:
                raise Unreadable("Recharge answered success, but the charge does not show the refund")

        await self._transport.send(call, read=read, judge=partial(wire.judge, scopes=wire.REFUND_SCOPES))
        return Done(str(charge.id))

    def _must_be_payable(self, request: RefundOrder, row: wire.OrderRow, charge: wire.ChargeRow) -> None:
        """Raises `Refused` where the money is not Recharge's to give back, or where it could be given back twice."""
        currency = charge.currency or request.order.totals.total.presentment.currency_code
        match mapping.through_the_shop(row):
            case True:
                raise self._no("The shop took this money, not Recharge: pay back the shop's own order.")
            case None:
                raise self._no("Recharge does not tell who took this money: pay it back there.")
        if request.amount.currency_code != currency:
            raise self._no(f"The charge was in {currency}.")
        if charge.status not in mapping.TAKEN:
            raise self._no(f"Nothing was taken by this charge: it is {charge.status}.")
        if charge.total_refunds:
            raise self._no("Something of this charge was paid back before; Recharge tells no more. Go on there.")
        if request.amount.amount != round(request.amount.amount, -int(charge.total_price.as_tuple().exponent)):
            raise self._no("The amount has more digits than the charge.")
        if request.amount.amount > charge.total_price:
            raise self._no("The charge was for less than is asked for.")

    def _not_lines(self) -> Unsupported:
        return Unsupported(
            "Recharge pays back amounts, not lines: ask for an amount.",
            action=ActionKind.REFUND_ORDER,
            store=self.config.id,
        )

    async def _charge_of(self, order: Order) -> tuple[wire.OrderRow, wire.ChargeRow]:
        """An order and its charge as they are now. Raises `Unreadable` where one of them is not there."""
        native = order.source.native_id
        rows = await self._by_id([native], wire.orders_by_id, wire.OrderPage, wire.READ_ORDERS)
        row = next((row for row in rows if str(row.id) == native), None)
        charge = next(iter((await self._charges([row])).values()), None) if row else None
        if row is None or charge is None:
            raise Unreadable("the charge of the order can no longer be read", store=self.config.id)
        return row, charge

    async def _refunded_by(self, request: RefundOrder) -> Done | None:
        """By the charge's sum, which was nothing when the refund was sent. Another sum than ours is for a person."""
        if request.refunds_before:
            return None  # then it was never sent
        _, charge = await self._charge_of(request.order)
        if not charge.total_refunds:
            return None
        if charge.total_refunds != request.amount.amount:
            raise Unreadable(
                "another sum than ours was paid back of the charge; whether ours is in it is not told",
                store=self.config.id,
            )
        return Done(str(charge.id))

    async def pause_subscription(self, request: PauseSubscription) -> Outcome:
        """Move the next charge to `until`. Refused without a call: a day that has come, one before the present next
        charge (the customer would pay sooner), and a subscription that has ended (Recharge would answer success and
        do nothing)."""
        subscription, until = request.subscription, request.until
        if until is None:
            raise Unsupported(
                "Recharge cannot pause without an end: give the first day on which it may bill again.",
                action=ActionKind.PAUSE_SUBSCRIPTION,
                store=self.config.id,
            )
        if subscription.status in _ENDED:
            raise self._no("The subscription has ended; there is nothing to pause.")
        if until <= self._today():
            raise self._no(f"{until} is not in the future.")
        if subscription.next_billing_at is not None and until < subscription.next_billing_at:
            raise self._no(
                f"It next bills on {subscription.next_billing_at}; a pause until {until} would make it bill sooner."
            )
        await self._move(subscription, until, pause=True)
        return Done()

    async def resume_subscription(self, request: ResumeSubscription) -> Outcome:
        """Move the next charge back to `bill_on`, or to tomorrow; a cancelled one is activated instead.

        Nothing is sent when it already bills by then. One that is not paused, as far as anybody knows, is refused:
        resuming it would only make it bill sooner.
        """
        subscription = request.subscription
        if subscription.status in _ENDED:
            await self._write(
                wire.activate(self._headers, subscription.source.native_id), lambda row: row.status == "active"
            )
            return Done()
        if request.bill_on is None and subscription.status is not SubscriptionStatus.PAUSED:
            raise self._no("It is not paused; resuming it would only make it bill sooner.")
        due = self._due(request)
        if subscription.next_billing_at is None or subscription.next_billing_at > due:
            await self._move(subscription, due, pause=False)
        return Done()

    async def cancel_subscription(self, request: CancelSubscription) -> Outcome:
        """Cancel at once. The comment carries our mark, by which `happened` knows its own work."""
        await self._write(
            wire.cancel(self._headers, request.subscription.source.native_id, request.reason, _mark(request.action_id)),
            lambda row: row.status == "cancelled",
        )
        return Done()

    async def happened(self, request: Request, since: datetime) -> Done | None:
        """By reading the subscription. A resume has happened once the next charge is no longer the one it had."""
        if isinstance(request, RefundOrder):
            return await self._refunded_by(request)
        if not isinstance(request, PauseSubscription | ResumeSubscription | CancelSubscription):
            raise Unsupported(f"{self.name} cancels and takes back no orders.", store=self.config.id)
        rows = await self._subscription_rows([request.subscription.source.native_id])
        if not rows:
            return None
        row = rows[0]
        due = mapping.next_billing(row, self._today())
        active = row.status == "active"
        done = False
        match request:
            case PauseSubscription():
                done = active and due is not None and due == request.until
            case ResumeSubscription() if request.subscription.status in _ENDED:
                done = active
            case ResumeSubscription():
                moved = due != request.subscription.next_billing_at
                done = active and due is not None and (moved or due <= self._due(request))
            case CancelSubscription():
                marked = _mark(request.action_id) in (row.cancellation_reason_comments or "")
                fresh = row.cancelled_at is not None and row.cancelled_at >= since - CLOCK_SKEW
                done = row.status == "cancelled" and (marked or fresh)
        return Done() if done else None

    async def _move(self, subscription: Subscription, day: date, *, pause: bool) -> None:
        def moved(row: wire.SubscriptionRow) -> bool:
            return mapping.day(row.next_charge_scheduled_at) == day

        await self._write(
            wire.set_next_charge_date(self._headers, subscription.source.native_id, day, pause=pause), moved
        )

    async def _write(self, call: Call, shows: Callable[[wire.SubscriptionRow], bool]) -> None:
        """Send a write. A success whose subscription does not show the effect leaves the outcome unknown."""

        def read(reply: Reply) -> None:
            if not shows(decode(wire.OneSubscription, reply, call.operation).subscription):
                raise Unreadable("Recharge answered success, but the subscription does not show it")

        await self._transport.send(call, read=read, judge=partial(wire.judge, scopes=(wire.WRITE_SUBSCRIPTIONS,)))

    def _no(self, message: str) -> Refused:
        return Refused(message, store=self.config.id)

    # ------------------------------------------------------------------------------------------------ small words

    def _today(self) -> date:
        return self.services.clock().astimezone(self._zone).date()

    def _due(self, request: ResumeSubscription) -> date:
        """The day a resumed subscription is to bill: never today, since a charge within minutes surprises."""
        tomorrow = self._today() + timedelta(days=1)
        return max(request.bill_on or tomorrow, tomorrow)

    def _home(self) -> mapping.Home:
        return mapping.Home(self.config.id, self.config.extends, self.store.currency_code, self._today())

    def _profile(self, row: wire.CustomerRow) -> CustomerProfile:
        shop_id = mapping.external(row.external_customer_id)
        source = self.source(str(row.id), raw={"external_customer_id": shop_id})
        return mapping.profile(row, source, self._home())

    def _source(self, row: wire.SubscriptionRow) -> Source:
        return self.source(str(row.id), raw={name: getattr(row, name) for name in mapping.RAW})


async def _together(work: Iterable[Awaitable[R]]) -> list[R]:
    """All at once, in order; when one fails the others are ended with it."""
    tasks = [asyncio.ensure_future(one) for one in work]
    try:
        return await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()


def _mark(action_id: str) -> str:
    return f"Aftersale {action_id}"


def _place(row: wire.SubscriptionRow) -> tuple[datetime, int]:
    return row.created_at, row.id


def _position(row: wire.SubscriptionRow) -> str:
    return f"{row.created_at.isoformat()}/{row.id}"


def _parse_position(text: str) -> tuple[datetime, int]:
    at, _, id = text.partition("/")
    try:
        moment = datetime.fromisoformat(at)
        place = moment, int(id)
    except ValueError:
        raise Refused("this is not a place in a list of this store") from None
    if moment.tzinfo is None:
        raise Refused("this is not a place in a list of this store")
    return place
