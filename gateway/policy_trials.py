"""Where a policy on trial gets what it decides again: the ledger page by page, and the stores' own history."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from actions.ledger import Ledger, Listing, Record
from actions.recorded import money_of
from actions.shaping import action_id
from platforms.base import ORDER_FACTS, Operation, OrdersQuery, Person, Platform
from platforms.budget import background
from platforms.errors import PlatformError
from policies.past import happenings
from policies.recorded import Illegible
from policies.trial import Trial, in_words
from schema.ids import MalformedId, parse_id
from schema.vocabulary import OrderStatus, Verdict

if TYPE_CHECKING:
    from actions.held import Held
    from policies.processor import PolicyProcessor
    from schema.customer import CustomerProfile
    from schema.emails import Email
    from schema.order import Order

#: Rows of the ledger, and orders of a store, that are read at once.
_PAGE = 200
_ORDERS = 20
#: So far before the orders that are decided, a customer's refunds and returns are counted.
_COUNTED_FOR = timedelta(days=90)

#: Told how many things were looked at so far.
Told = Callable[[int], None]


async def recorded(ledger: Ledger, since: datetime, store: str | None = None) -> AsyncIterator[Sequence[Record]]:
    """The actions asked for since then, newest first, page by page."""
    after: tuple[datetime, str] | None = None
    while page := await ledger.newest(Listing(requested_after=since), _PAGE, after):
        after = (page[-1].requested_at, page[-1].id)
        yield [record for record in page if store in (None, record.store)]


async def replay(ledger: Ledger, policies: PolicyProcessor, since: datetime, store: str | None, told: Told) -> Trial:
    """Decide the recorded actions again."""
    trial = Trial()
    looked_at = 0
    async for page in recorded(ledger, since, store):
        for record in page:
            decision, quote = record.decision, record.quote
            try:
                trial.decide_again(
                    policies,
                    record.facts,
                    Verdict(decision["verdict"]) if decision is not None else None,
                    id=action_id(record),
                    worth=money_of(quote["total"]) if quote is not None else None,
                    costs=_costs(decision),
                )
            except Illegible:
                trial.without_facts += 1
        looked_at += len(page)
        told(looked_at)
    return trial


def _costs(decision: Mapping[str, Any] | None) -> str | None:
    if decision is None:
        return None
    return in_words(money_of(each["amount"]) for each in decision["conditions"] if each["amount"] is not None)


# ------------------------------------------------------------------------------------------------ the stores' history


@dataclass(slots=True)
class History:
    """What of the stores' history was read, and what could not be."""

    trial: Trial = field(default_factory=Trial)
    orders: int = 0
    #: Named, but not there, or older than what is looked at.
    missing: int = 0
    older: int = 0
    #: Cancelled, and the store does not tell when.
    undated: int = 0
    #: What a store said where it could not be read.
    troubles: dict[str, str] = field(default_factory=dict)


async def known_orders(ledger: Ledger, since: datetime, store: str | None) -> dict[str, list[str]]:
    """The orders that the ledger's actions since then are about: native ids by store."""
    found: dict[str, dict[str, None]] = {}
    async for page in recorded(ledger, since, store):
        for record in page:
            try:
                target = parse_id(record.target)
            except MalformedId:
                continue  # its person was forgotten
            if target.type == "Order":
                found.setdefault(target.store, {})[target.native] = None
    return {store: list(natives) for store, natives in found.items()}


async def backtest(
    platforms: Mapping[str, Platform],
    held: Held,
    policies: PolicyProcessor,
    since: datetime,
    orders: Mapping[str, Sequence[str]],
    customers: Sequence[Email],
    told: Told,
) -> History:
    """Decide what stores show was done to orders placed since then.

    Args:
        orders: native ids by store.
        customers: whose orders are looked at besides, in every one of `platforms`.
    """
    found = History()
    background.set(True)
    for key, natives in orders.items():
        platform = platforms[key]
        for start in range(0, len(natives), _ORDERS):
            some = natives[start : start + _ORDERS]
            try:
                read = await platform.orders(some, ORDER_FACTS)
                await held.overlay_orders(platform, read, ORDER_FACTS)
            except PlatformError as error:
                found.troubles[key] = error.message
                break
            found.missing += len(some) - len(read)
            found.older += sum(order.placed_at < since for order in read.values())
            _decide(found, policies, since, read.values())
            told(found.orders)
    for customer in customers:
        shops = [platform for platform in platforms.values() if platform.supports(Operation.ORDERS_OF)]
        pages = await asyncio.gather(*(_orders_of(found, shop, held, customer, since - _COUNTED_FOR) for shop in shops))
        _decide(found, policies, since, [order for page in pages for order in page])
        told(found.orders)
    return found


async def _orders_of(found: History, platform: Platform, held: Held, email: Email, since: datetime) -> Sequence[Order]:
    """A customer's orders in one store, placed since then; none where the store cannot be read."""

    async def profiles() -> Sequence[CustomerProfile]:
        if not platform.supports(Operation.PROFILES):
            return ()
        return (await platform.profiles([email])).get(email, ())

    person = Person(email, profiles)
    orders: list[Order] = []
    after: str | None = None
    try:
        while True:
            page = await platform.orders_of(person, OrdersQuery(_ORDERS, after, placed_after=since), ORDER_FACTS)
            orders += [row.node for row in page.rows]
            after = page.rows[-1].position if page.rows else page.end
            if not page.more or after is None:
                break
        await held.overlay_orders(platform, {order.source.native_id: order for order in orders}, ORDER_FACTS)
    except PlatformError as error:
        found.troubles[platform.config.id] = error.message
        return []
    return orders


def _decide(found: History, policies: PolicyProcessor, since: datetime, orders: Iterable[Order]) -> None:
    by_owner: dict[object, list[Order]] = {}
    for order in orders:
        by_owner.setdefault(order.owner or order.id, []).append(order)
    for theirs in by_owner.values():
        for order in theirs:
            if order.placed_at < since:
                continue  # read for what it adds to the customer's counters
            found.orders += 1
            found.undated += order.status is OrderStatus.CANCELLED and order.cancelled_at is None
            for one in happenings(policies, order, theirs):
                found.trial.decide_again(policies, one.facts, one.outcome, id=one.id, worth=one.worth)
