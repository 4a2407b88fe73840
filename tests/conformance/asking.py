"""Every operation of a platform, asked of a case's store in the plainest way, and what an answer must look like."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import suppress
from datetime import datetime, timedelta
from decimal import Decimal
from enum import Enum
from typing import Any

import pytest

from platforms.base import (
    ACTIONS,
    ORDER_FACTS,
    CancelOrder,
    CancelSubscription,
    Operation,
    OrdersQuery,
    PauseSubscription,
    Pending,
    Person,
    Platform,
    RefundAsk,
    RefundedLine,
    RefundOrder,
    Request,
    ResumeSubscription,
    ReturnedLine,
    ReturnOrder,
    SubscriptionsQuery,
)
from platforms.errors import Unsupported
from schema.emails import canonical_email
from schema.order import Order
from schema.parts import OrderParts, PartNotLoaded, SubscriptionParts
from schema.provenance import Store
from schema.subscription import Subscription
from schema.values import Money
from schema.vocabulary import ActionKind, CancelReason, RefundChoice, RequestedResolution, ReturnReason
from tests.conformance.cases import NOW, World

ADA = canonical_email("ada@example.com")


def person(store: Platform, email: str) -> Person:
    """Someone whose records are read when they are needed."""
    address = canonical_email(email)

    async def profiles() -> Any:
        return (await store.profiles([address]))[address]

    return Person(address, profiles)


#: Each read, as plainly as it can be asked, for a store that has it and for one that has not.
READS: Mapping[Operation, Callable[[Platform, World], Awaitable[Any]]] = {
    Operation.ORDERS: lambda store, world: store.orders([*world.case.orders, "1"], OrderParts.ALL),
    Operation.ORDERS_BY_NUMBER: lambda store, world: store.orders_by_number(
        next(iter(world.case.numbers), "1"), OrderParts.ALL
    ),
    Operation.ORDERS_OF: lambda store, world: store.orders_of(Person.known(ADA), OrdersQuery(10), OrderParts.ALL),
    Operation.PROFILES: lambda store, world: store.profiles([ADA]),
    Operation.PROFILES_BY_ID: lambda store, world: store.profiles_by_id([*world.case.profiles, "1"]),
    Operation.PRODUCTS: lambda store, world: store.products([*world.case.products, "1"]),
    Operation.SUBSCRIPTIONS: lambda store, world: store.subscriptions(
        [*world.case.subscriptions, "1"], SubscriptionParts.ALL
    ),
    Operation.SUBSCRIPTIONS_OF: lambda store, world: _subscriptions_of(store),
    Operation.SUBSCRIPTIONS_OF_ORDERS: lambda store, world: store.subscriptions_of_orders(
        [*world.case.subscriptions_of, "1"], SubscriptionParts.ALL
    ),
}


#: Every operation; an action asked this way is only fit to be refused.
EVERY: Mapping[Operation, Callable[[Platform, World], Awaitable[Any]]] = {
    **READS,
    **{
        operation: lambda store, world, name=operation.value: getattr(store, name)(None)  # type: ignore[misc]
        for operation in ACTIONS.values()
    },
}


async def lacks(world: World, store: Platform, operation: Operation) -> bool:
    """Whether the store does not have an operation: then it must say so itself, and call nobody."""
    if store.supports(operation):
        assert operation in type(store).operations
        return False
    before = (world.calls, world.writes)
    with pytest.raises(Unsupported) as raised:
        await EVERY[operation](store, world)
    assert raised.value.store == world.store
    assert raised.value.not_executed
    assert raised.value.action is next((kind for kind, op in ACTIONS.items() if op is operation), None)
    assert (world.calls, world.writes) == before
    return True


async def _subscriptions_of(store: Platform) -> Any:
    return await store.subscriptions_of(person(store, ADA), SubscriptionsQuery(10), SubscriptionParts.ALL)


async def order(store: Platform, id: str) -> Order:
    return (await store.orders([id], ORDER_FACTS))[id]


async def subscription(store: Platform, id: str) -> Subscription:
    return (await store.subscriptions([id], SubscriptionParts.ALL))[id]


async def found(store: Platform, operation: Operation, id: str) -> Any:
    """An order, product or subscription by its id, whole; None where it is not there."""
    match operation:
        case Operation.ORDERS:
            return (await store.orders([id], OrderParts.ALL)).get(id)
        case Operation.PRODUCTS:
            return (await store.products([id])).get(id)
        case _:
            return (await store.subscriptions([id], SubscriptionParts.ALL)).get(id)


def target(world: World, action: ActionKind) -> str:
    """The native id that an action is tried on."""
    known = world.case.targets[action]
    return world.hand.subscription("sam@example.com", NOW - timedelta(days=50)) if known is None else known


async def request(store: Platform, world: World, action: ActionKind, id: str) -> Request:
    """What to ask for, from a fresh read. A resume is asked of a subscription that is paused first."""
    until = None if world.case.pause is None else (world.now + world.case.pause).date()
    match action:
        case ActionKind.CANCEL_ORDER:
            found = await order(store, id)
            return CancelOrder("act-1", found, CancelReason.CUSTOMER, RefundChoice.NONE, True, False)
        case ActionKind.RETURN_ORDER:
            found = await order(store, id)
            line = ReturnedLine(found.lines[0], 1, ReturnReason.UNWANTED)
            return ReturnOrder("act-2", found, (line,), RequestedResolution.REFUND)
        case ActionKind.REFUND_ORDER:
            return await refund_of_a_line(store, await order(store, id))
        case ActionKind.PAUSE_SUBSCRIPTION:
            return PauseSubscription("act-3", await subscription(store, id), until)
        case ActionKind.RESUME_SUBSCRIPTION:
            await store.pause_subscription(PauseSubscription("act-3", await subscription(store, id), until))
            world.simulator.writes.clear()
            return ResumeSubscription("act-4", await subscription(store, id))
        case ActionKind.CANCEL_SUBSCRIPTION:
            return CancelSubscription("act-5", await subscription(store, id), "No longer needed")
    raise AssertionError(action)


async def refund_of_a_line(store: Platform, found: Order) -> RefundOrder:
    """One unit of the first line that can be paid back, for what the platform says it comes to; nothing is sent.

    A platform that pays back sums only, not lines, refuses the lines with `Unsupported`: then it is one unit of money.
    """
    before = frozenset(refund.id for refund in found.refunds or ())
    left = found.totals.refundable.presentment
    line = next((one for one in found.lines if one.quantity.refundable != 0), None)
    lines: tuple[RefundedLine, ...] = (RefundedLine(line, 1),) if line is not None else ()
    try:
        amount = (await store.refund_sum(RefundAsk(found, lines))).total if lines else Money.of("1", left.currency_code)
    except Unsupported:
        lines, amount = (), Money.of("1", left.currency_code)
    return RefundOrder(
        "act-6", found, amount, lines, None, RefundChoice.ORIGINAL_PAYMENT, "Damaged", refunds_before=before
    )


async def do(store: Platform, asked: Request) -> Any:
    """Ask for it, once, and see it through where it is a job."""
    outcome = await send(store, asked)
    for _ in range(20):
        if not isinstance(outcome, Pending):
            return outcome
        outcome = await store.job_now(outcome.job)
    raise AssertionError("the job never ends")


async def send(store: Platform, asked: Request) -> Any:
    match asked:
        case CancelOrder():
            return await store.cancel_order(asked)
        case ReturnOrder():
            return await store.return_order(asked)
        case RefundOrder():
            return await store.refund_order(asked)
        case PauseSubscription():
            return await store.pause_subscription(asked)
        case ResumeSubscription():
            return await store.resume_subscription(asked)
        case CancelSubscription():
            return await store.cancel_subscription(asked)


# ------------------------------------------------------------------------------------------------ shapes


def plain(value: Any, seen: tuple[int, ...] = ()) -> Any:
    """A node as data, to be compared; the store as its key, and a node inside itself as its id."""
    if isinstance(value, Store):
        return value.key
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        if id(value) in seen:
            return getattr(value, "id", None)
        return {name: plain(inner, (*seen, id(value))) for name, inner in sorted(_given(value).items())}
    if isinstance(value, Mapping):
        return {key: plain(inner, seen) for key, inner in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(inner, seen) for inner in value]
    return value


def _given(value: Any) -> dict[str, Any]:
    """What a dataclass holds, or works out when it is looked at; a part that was not loaded is not among it."""
    found: dict[str, Any] = {}
    for one in dataclasses.fields(value):
        if one.init:
            with suppress(PartNotLoaded):
                found[one.name] = getattr(value, one.name)
    return found


def oddities(value: Any, path: str = "", seen: tuple[int, ...] = ()) -> Iterator[str]:
    """Where a node breaks the rules of values: instants aware and in UTC, money exact with a currency."""
    if id(value) in seen or isinstance(value, Store | Enum):
        return
    if isinstance(value, datetime):
        if value.utcoffset() != timedelta(0):
            yield f"{path} is not in UTC"
    elif isinstance(value, float):
        yield f"{path} is a float"
    elif isinstance(value, Money):
        if not isinstance(value.amount, Decimal) or not value.amount.is_finite():
            yield f"{path}.amount is no exact number"
        if not re.fullmatch("[A-Z]{3}", value.currency_code) or value.currency_code == "XXX":
            yield f"{path}.currency_code is no currency"
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        for name, inner in _given(value).items():
            if name != "raw_values":
                yield from oddities(inner, f"{path}.{name}", (*seen, id(value)))
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            yield from oddities(inner, f"{path}[{key}]", seen)
    elif isinstance(value, list | tuple):
        for index, inner in enumerate(value):
            yield from oddities(inner, f"{path}[{index}]", seen)
