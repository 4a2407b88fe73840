"""Eligibility inside a read: the policy's answer for every button, with the ledger asked once a tick."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from decimal import Decimal
from functools import cached_property, partial
from typing import TYPE_CHECKING, NamedTuple

from aiodataloader import DataLoader

from platforms.base import LINE_ACTIONS, ORDER_ACTIONS, SUBSCRIPTION_ACTIONS
from policies.asked import History
from policies.eligibility import eligibility
from policies.guard import MIN_ASSURANCE
from schema.emails import Email
from schema.order import Order, OrderLine
from schema.parts import OrderParts, SubscriptionParts
from schema.policy import Eligibility, RequestAssumption
from schema.subscription import Subscription
from schema.vocabulary import ActionKind

if TYPE_CHECKING:
    from resolvers.context import RequestContext


class _Subject(NamedTuple):
    """What the ledger is asked about: a target, and whose it is."""

    target: str
    owner: Email | None
    #: Where money may be paid back.
    order: Order | None = None

    def __hash__(self) -> int:
        return hash((self.target, self.owner))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Subject) and (self.target, self.owner) == (other.target, other.owner)


class _Known(NamedTuple):
    """What the ledger knows of it."""

    history: History
    active: bool
    #: What of an order was paid back from here, in the customer's currency.
    paid_here: Decimal


class Decides:
    """One request's eligibility."""

    def __init__(self, context: RequestContext) -> None:
        self._context = context
        self._policies = context.services.policies

    @cached_property
    def _ledger(self) -> DataLoader[_Subject, _Known]:
        return DataLoader(self._ask_ledger)

    def order_parts(self, actions: Sequence[ActionKind] | None) -> OrderParts:
        parts = OrderParts.NONE
        for store in self._context.services.stores.by_key:
            parts |= self._policies.order_parts(store, actions)
        return parts

    def subscription_parts(self, actions: Sequence[ActionKind] | None) -> SubscriptionParts:
        parts = SubscriptionParts.NONE
        for store in self._context.services.stores.by_key:
            parts |= self._policies.subscription_parts(store, actions)
        return parts

    def order(
        self, order: Order, actions: Sequence[ActionKind] | None, assuming: RequestAssumption | None
    ) -> asyncio.Future[list[Eligibility]]:
        known = self._ledger.load(_Subject(order.id, order.owner, order))
        return _then(known, partial(self._all, order, order.store_key, _chosen(ORDER_ACTIONS, actions), assuming))

    def line(
        self, line: OrderLine, actions: Sequence[ActionKind] | None, assuming: RequestAssumption | None
    ) -> asyncio.Future[list[Eligibility]] | list[Eligibility]:
        order = line.order
        if order is None:
            return []
        known = self._ledger.load(_Subject(order.id, order.owner, order))
        return _then(known, partial(self._all, line, order.store_key, _chosen(LINE_ACTIONS, actions), assuming))

    async def subscription(self, subscription: Subscription, actions: Sequence[ActionKind] | None) -> list[Eligibility]:
        owner = await self._context.loaders.subscription_owner(subscription)
        known = await self._ledger.load(_Subject(subscription.id, owner))
        return self._all(subscription, subscription.store_key, _chosen(SUBSCRIPTION_ACTIONS, actions), None, known)

    def _all(
        self,
        subject: Order | OrderLine | Subscription,
        store: str,
        kinds: Sequence[ActionKind],
        assuming: RequestAssumption | None,
        known: _Known,
    ) -> list[Eligibility]:
        return [self._one(subject, store, kind, known, assuming) for kind in kinds]

    def _one(
        self,
        subject: Order | OrderLine | Subscription,
        store: str,
        kind: ActionKind,
        known: _Known,
        assuming: RequestAssumption | None,
    ) -> Eligibility:
        context = self._context
        platform = context.services.stores.by_key[store]
        return eligibility(
            self._policies,
            subject,
            kind,
            viewer=context.viewer,
            history=known.history,
            now=context.now,
            support=platform.capability(kind),
            active=known.active,
            assuming=assuming,
            min_assurance=MIN_ASSURANCE[kind],
            locale=context.locale,
            needs_until=platform.pause_needs_until,
            paid_here=known.paid_here,
        )

    async def _ask_ledger(self, subjects: list[_Subject]) -> list[_Known]:
        known = await self._context.services.desk.outlook(
            [subject.target for subject in subjects],
            [subject.order for subject in subjects if subject.order is not None],
            list(dict.fromkeys(subject.owner for subject in subjects if subject.owner is not None)),
            self._context.now,
        )
        none, nothing = History(), Decimal(0)
        return [
            _Known(
                known.history.get(subject.owner, none) if subject.owner else none,
                subject.target in known.active,
                known.paid_here.get(subject.target, nothing),
            )
            for subject in subjects
        ]


def _then(
    first: asyncio.Future[_Known], work: Callable[[_Known], list[Eligibility]]
) -> asyncio.Future[list[Eligibility]]:
    """What comes of a value once it is there: a callback, where a coroutine for each order would be a task for each."""
    made: asyncio.Future[list[Eligibility]] = first.get_loop().create_future()

    def arrived(known: asyncio.Future[_Known]) -> None:
        if made.done():
            return
        if known.cancelled():
            made.cancel()
            return
        try:
            made.set_result(work(known.result()))
        except Exception as error:
            made.set_exception(error)

    first.add_done_callback(arrived)
    return made


def _chosen(possible: Sequence[ActionKind], asked: Sequence[ActionKind] | None) -> list[ActionKind]:
    """The actions that the subject can have, of those asked for, each once."""
    return list(possible) if asked is None else [kind for kind in dict.fromkeys(asked) if kind in possible]
