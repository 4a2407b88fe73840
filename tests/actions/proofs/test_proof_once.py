"""Many at once, on one desk and on two: one effect for a key, one action for a target, and no limit passed together."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from actions.desk import ActionDesk
from actions.effects import Patience
from policies.processor import PolicyProcessor
from schema.order import Order
from schema.parts import OrderParts
from schema.problems import Conflict, PolicyDenied
from schema.values import MoneyPair
from schema.vocabulary import ActionKind, ActionState, ConflictKind, ReasonCode, Verdict
from tests.actions.shop import ADA, CLEO, LEE, ShopAdapter, World, cancelling, customer, refunding, returning

CANCEL, RETURN, REFUND = ActionKind.CANCEL_ORDER, ActionKind.RETURN_ORDER, ActionKind.REFUND_ORDER
MANY = 50
#: Nobody is kept waiting until a lease runs out because the machine is busy.
CALM = Patience(lease=60.0, settle=0.0, look=0.01, look_most=0.05)
LIMITED = """
policy: limited
stores: [shop]
rules:
  - {id: allowed, action: [CANCEL_ORDER, REFUND_ORDER, RETURN_ORDER], then: ALLOW}
  - {id: limit, action: REFUND_ORDER, limit: {customer_90d: {EUR: 100}}, over: DENY}
"""


@pytest.fixture(params=[1, 2], ids=["one-desk", "two-desks"])
async def desks(request: pytest.FixtureRequest, shop: World) -> list[ActionDesk]:
    return [await shop.desk(patience=CALM, request_seconds=60.0) for _ in range(request.param)]


def asked_many(shop: World, desks: list[ActionDesk], *calls: Any) -> Any:
    """Every call, all at once, in turn at each desk; each is (kind, input, key)."""
    return asyncio.gather(*(shop.at(desks[n % len(desks)]).ask(*call) for n, call in enumerate(calls)))


@pytest.mark.parametrize(("kind", "asked"), [(RETURN, returning()), (CANCEL, cancelling()), (REFUND, refunding())])
async def test_fifty_calls_with_one_key_are_one_action_with_one_effect(
    shop: World, desks: list[ActionDesk], kind: ActionKind, asked: Any
) -> None:
    answers = await asked_many(shop, desks, *[(kind, asked, "one key")] * MANY)
    assert [answer.problem for answer in answers] == [None] * MANY
    assert {answer.action.state for answer in answers} == {ActionState.SUCCEEDED}
    assert len({answer.action.id for answer in answers}) == 1
    assert Counter(answer.replayed for answer in answers) == {True: MANY - 1, False: 1}
    assert len(shop.shop.writes) == 1


async def test_of_fifty_keys_on_one_target_one_is_done_and_the_rest_meet_it_or_what_it_left(
    shop: World, desks: list[ActionDesk]
) -> None:
    """The last unit of a line: whoever is not told of the first decides on what is left after it."""
    shop.rules.verdict = lambda asked, history: (
        Verdict.ALLOW if asked.lines[0].line.quantity.returnable else Verdict.DENY
    )
    calls = [(RETURN, returning(line="12"), f"key {n}") for n in range(MANY)]
    answers = await asked_many(shop, desks, *calls)
    done = [answer for answer in answers if answer.problem is None]
    assert len(done) == len(shop.shop.writes) == 1
    for answer in answers:
        match answer.problem:
            case None:
                assert answer.action.state is ActionState.SUCCEEDED
            case Conflict(kind=ConflictKind.IN_PROGRESS):
                assert answer.action is None
                assert answer.problem.action.id == done[0].action.id
            case Conflict(kind=kind):
                assert kind is ConflictKind.FACTS_CHANGED
            case PolicyDenied():
                assert answer.action.state is ActionState.DENIED
            case other:
                raise AssertionError(other)


async def test_two_customers_with_one_key_never_meet(shop: World, desks: list[ActionDesk]) -> None:
    ada = [shop.at(desk, customer(ADA)).ask(CANCEL, cancelling("Order:shop:1"), "the key") for desk in desks * 5]
    cleo = [shop.at(desk, customer(CLEO)).ask(CANCEL, cancelling("Order:shop:2"), "the key") for desk in desks * 5]
    answers = await asyncio.gather(*ada, *cleo)
    hers, other = answers[: len(ada)], answers[len(ada) :]
    assert {answer.action.state for answer in answers} == {ActionState.SUCCEEDED}
    assert {answer.order.id for answer in hers} == {"Order:shop:1"}
    assert {answer.order.id for answer in other} == {"Order:shop:2"}
    assert len({answer.action.id for answer in hers}) == len({answer.action.id for answer in other}) == 1
    assert len(shop.shop.writes) == 2


async def test_equal_refunds_are_both_paid_while_the_cap_allows_and_the_next_is_refused(
    shop: World, desks: list[ActionDesk], tmp_path: Path
) -> None:
    limited(desks, tmp_path, LIMITED.replace("EUR: 100", "EUR: 1000"))
    for number, paid in ((1, "40.00"), (2, "80.00")):
        answer = await shop.at(desks[number % len(desks)]).ask(REFUND, refunding("40.00"), f"key {number}")
        assert (answer.problem, answer.action.state) == (None, ActionState.SUCCEEDED)
        assert money_out(shop) == Decimal(paid)
    third = await shop.at(desks[0]).ask(REFUND, refunding("40.00"), "key 3")
    assert third.action.state is ActionState.DENIED
    assert [reason.code for reason in third.action.decision.reasons] == [ReasonCode.ALREADY_REFUNDED]
    rest = await shop.at(desks[0]).ask(REFUND, refunding("15.00"), "key 4")
    assert rest.action.state is ActionState.SUCCEEDED
    assert (money_out(shop), shop.shop.orders["1"]["left"]) == (Decimal("95.00"), "0.00")


async def test_refunds_of_one_order_at_once_never_pay_back_more_than_is_left(
    shop: World, desks: list[ActionDesk], tmp_path: Path
) -> None:
    limited(desks, tmp_path, LIMITED.replace("EUR: 100", "EUR: 1000"))
    answers = await asked_many(shop, desks, *[(REFUND, refunding("40.00"), f"key {n}") for n in range(12)])
    while any(answer.action is None for answer in answers):
        told = [answer for answer in answers if answer.action is None]
        assert all(isinstance(answer.problem, Conflict) for answer in told)
        calls = [(REFUND, refunding("40.00"), f"key {n}") for n, answer in enumerate(answers) if answer.action is None]
        again = iter(await asked_many(shop, desks, *calls))
        answers = [answer if answer.action is not None else next(again) for answer in answers]
    states = Counter(answer.action.state for answer in answers)
    assert states == {ActionState.SUCCEEDED: 2, ActionState.DENIED: 10}
    assert money_out(shop) == Decimal("80.00")


async def test_fifty_refunds_on_fifty_orders_never_pass_the_customers_limit_together(
    shop: World, desks: list[ActionDesk], tmp_path: Path
) -> None:
    limited(desks, tmp_path, LIMITED)
    for number in range(100, 100 + MANY):
        shop.shop.orders[str(number)] = dict(shop.shop.orders["1"])
    calls = [(REFUND, refunding("15.00", order=str(number)), f"key {number}") for number in range(100, 100 + MANY)]
    answers = await asked_many(shop, desks, *calls)
    states = Counter(answer.action.state for answer in answers)
    assert states == {ActionState.SUCCEEDED: 6, ActionState.DENIED: MANY - 6}
    assert money_out(shop) == Decimal("90.00")
    denied = {reason.code for answer in answers if answer.problem for reason in answer.action.decision.reasons}
    assert ReasonCode.VELOCITY_LIMIT in denied


class Forgetful(ShopAdapter):
    """A shop whose books are late: it shows neither what was paid back nor that less is left."""

    async def orders(self, ids: Sequence[str], parts: OrderParts) -> Mapping[str, Order]:
        found = await super().orders(ids, parts)
        for order in found.values():
            order.totals = replace(
                order.totals, refunded=MoneyPair.same("0.00", "EUR"), refundable=MoneyPair.same("95.00", "EUR")
            )
            if order.has("refunds"):
                order.refunds = []
        return found


async def test_what_the_shop_does_not_show_yet_is_counted_from_our_own_book(shop: World, tmp_path: Path) -> None:
    desks = [await shop.desk(Forgetful) for _ in range(2)]
    shop.shop.generous = True
    limited(desks, tmp_path, LIMITED.replace("EUR: 100", "EUR: 1000"))
    states = [(await shop.at(desks[n % 2]).ask(REFUND, refunding("40.00"), f"key {n}")).action.state for n in range(3)]
    assert states == [ActionState.SUCCEEDED, ActionState.SUCCEEDED, ActionState.DENIED]
    assert money_out(shop) == Decimal("80.00")


async def test_a_lost_refund_is_not_sent_again_where_somebody_paid_meanwhile(
    shop: World, desks: list[ActionDesk], tmp_path: Path
) -> None:
    limited(desks, tmp_path, LIMITED)
    shop.shop.generous = True
    shop.faults.set("drop")
    lost = await shop.at(desks[0]).ask(REFUND, refunding("60.00"), "the key")
    shop.faults.set()
    shop.shop.pay("1", "41.00")
    for _ in range(5):
        await shop.sweep(desks[-1], 60)
    assert (await shop.at(desks[0]).action(lost.action.id)).state is ActionState.UNKNOWN
    assert (shop.shop.writes, money_out(shop)) == ([], Decimal("41.00"))


async def test_what_is_no_longer_left_is_not_paid_however_often_it_is_approved(
    shop: World, desks: list[ActionDesk], tmp_path: Path
) -> None:
    limited(desks, tmp_path, LIMITED.replace("over: DENY", "over: REVIEW").replace("EUR: 100", "EUR: 20"))
    shop.shop.generous = True
    waiting = await shop.at(desks[0]).ask(REFUND, refunding("60.00"), "the key")
    assert waiting.action.state is ActionState.AWAITING_APPROVAL
    shop.shop.pay("1", "41.00")
    for _ in range(3):
        assert isinstance((await shop.at(desks[-1], LEE).approve(waiting.action.id, None)).problem, Conflict)
        assert (await shop.at(desks[0]).action(waiting.action.id)).state is ActionState.DENIED
    assert (shop.shop.writes, money_out(shop)) == ([], Decimal("41.00"))


def limited(desks: list[ActionDesk], folder: Path, rules: str) -> None:
    """Let the merchant's real policy decide."""
    (folder / "limited.yaml").write_text(rules, encoding="utf-8")
    for desk in desks:
        stores = {key: platform.store for key, platform in desk.platforms.items()}
        desk.decider = PolicyProcessor.load(folder / "limited.yaml", stores)


def money_out(shop: World) -> Decimal:
    """All that the shop has paid back."""
    rows = [refund for order in shop.shop.orders.values() for refund in order["refunds"]]
    return sum((Decimal(refund["amount"]) for refund in rows), Decimal(0))
