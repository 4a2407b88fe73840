"""The part of people: agreeing, turning down, settling what is unknown; each by the right person, and once."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from platforms.base import RefundAsk, RefundSum
from schema.inputs import RefundLineInput
from schema.parts import OrderParts
from schema.problems import Conflict
from schema.values import Money
from schema.vocabulary import (
    ActionKind,
    ActionOutcome,
    ActionState,
    ActorKind,
    AssuranceLevel,
    ConflictKind,
    ProblemCode,
    Verdict,
)
from tests.actions.shop import (
    ADA,
    LEE,
    PATIENCE,
    STAFF,
    BareAdapter,
    Rules,
    ShopAdapter,
    World,
    always,
    cancelling,
    customer,
    pausing,
    person,
    refunding,
    returning,
)

CANCEL, REFUND, RETURN = ActionKind.CANCEL_ORDER, ActionKind.REFUND_ORDER, ActionKind.RETURN_ORDER
KIM = person("Kim", "support-lead", email="kim@shop.example")


async def waiting(shop: World, desk: Any, viewer: Any = None, asked: Any = None, key: str = "k1") -> str:
    """The id of an action that waits for approval."""
    shop.rules = desk.decider = always(Verdict.REVIEW)
    answer = await shop.at(desk, viewer or customer(ADA)).ask(CANCEL, asked or cancelling(), key)
    assert answer.action.state is ActionState.AWAITING_APPROVAL
    return answer.action.id


def kind_of(answer: Any) -> Any:
    assert isinstance(answer.problem, Conflict), answer.problem
    return answer.problem.kind


async def test_what_was_agreed_to_is_done_under_its_first_key(shop: World) -> None:
    desk = await shop.desk()
    id = await waiting(shop, desk)
    assert shop.shop.writes == []
    approved = await shop.at(desk, LEE).approve(id, "She called.")
    assert (approved.problem, approved.action.state) == (None, ActionState.SUCCEEDED)
    assert (approved.action.approved_by.name, approved.action.note) == ("Lee", "She called.")
    again = await shop.at(desk, customer(ADA)).ask(CANCEL, cancelling(), "k1")
    assert (again.replayed, again.action.id, again.action.state) == (True, id, ActionState.SUCCEEDED)
    assert (again.action.approved_by, again.action.note) == (None, None), "names and words of the staff are theirs"
    assert len(shop.shop.writes) == 1
    states = [after for _, after, _ in await desk.ledger.path(id.removeprefix("Action:"))]
    assert states == [ActionState.AWAITING_APPROVAL, ActionState.RUNNING, ActionState.SUCCEEDED]


async def test_what_was_turned_down_stays_so_and_says_it_kindly(shop: World) -> None:
    desk = await shop.desk()
    id = await waiting(shop, desk)
    rejected = await shop.at(desk, LEE).reject(id, "Third time this month.")
    assert (rejected.problem, rejected.action.state) == (None, ActionState.REJECTED)
    again = await shop.at(desk, customer(ADA)).ask(CANCEL, cancelling(), "k1")
    assert (again.action.state, again.problem.code) == (ActionState.REJECTED, ProblemCode.POLICY_DENIED)
    assert "could not agree" in again.problem.customer_message
    assert "Third" not in str(again)
    assert kind_of(await shop.at(desk, LEE).approve(id, None)) is ConflictKind.ALREADY_DONE
    assert shop.shop.writes == []


@pytest.mark.parametrize(
    ("approver", "asker", "word"),
    [
        (person("Kim"), None, "role"),
        (person("Kim", "support"), None, "role"),
        (customer(ADA), None, "person of the staff"),
        (LEE, LEE, "asked for it"),
        (person("Kim", "support-lead", email=ADA), None, "asked for it"),
    ],
    ids=["no role", "another role", "the customer", "the asker", "the asker's own address, as staff"],
)
async def test_the_wrong_person_decides_nothing(shop: World, approver: Any, asker: Any, word: str) -> None:
    desk = await shop.desk()
    if asker is None:
        asker = customer(ADA)
        asker.actor.on_behalf_of = ADA
    id = await waiting(shop, desk, asker)
    for answer in (
        await shop.at(desk, approver).approve(id, None),
        await shop.at(desk, approver).reject(id, "No."),
    ):
        assert answer.problem.code is ProblemCode.IDENTITY_INSUFFICIENT
        assert word in answer.problem.message
    assert shop.shop.writes == []
    assert (await shop.at(desk).action(id)).state is ActionState.AWAITING_APPROVAL


async def test_a_key_of_staff_assurance_is_no_person(shop: World) -> None:
    desk = await shop.desk()
    id = await waiting(shop, desk)
    bot = person("bot", "support-lead")
    bot.actor.kind = ActorKind.BOT
    answer = await shop.at(desk, bot).approve(id, None)
    assert answer.problem.code is ProblemCode.IDENTITY_INSUFFICIENT


async def test_who_stands_behind_the_bot_may_not_approve_what_it_asks(shop: World) -> None:
    desk = await shop.desk()
    bot = customer(ADA, AssuranceLevel.VERIFIED)
    bot.actor.kind, bot.person = ActorKind.BOT, "kim@shop.example"
    id = await waiting(shop, desk, bot)
    refused = await shop.at(desk, KIM).approve(id, None)
    assert refused.problem.code is ProblemCode.IDENTITY_INSUFFICIENT
    assert (await shop.at(desk, LEE).approve(id, None)).action.state is ActionState.SUCCEEDED


async def test_it_is_decided_again_on_fresh_facts(shop: World) -> None:
    desk = await shop.desk()
    id = await waiting(shop, desk)
    shop.rules = desk.decider = always(Verdict.DENY)
    answer = await shop.at(desk, LEE).approve(id, None)
    assert kind_of(answer) is ConflictKind.FACTS_CHANGED
    assert answer.action.state is ActionState.DENIED
    assert shop.shop.writes == []


async def test_other_money_than_the_approver_saw_is_shown_first(shop: World) -> None:
    shop.rules = Rules(lambda asked, history: Verdict.REVIEW)
    desk = await shop.desk()
    answer = await shop.at(desk).ask(RETURN, returning(), "k1")
    # Another fee by now: what the customer would get is no longer what was seen.
    shop.rules.fee = "9.00"
    again = await shop.at(desk, LEE).approve(answer.action.id, None)
    assert kind_of(again) is ConflictKind.FACTS_CHANGED
    assert again.action.state is ActionState.AWAITING_APPROVAL
    assert again.action.decision.conditions[0].amount.amount == 9
    assert shop.shop.writes == []
    assert (await shop.at(desk, LEE).approve(answer.action.id, None)).action.state is ActionState.SUCCEEDED


class Discounted(ShopAdapter):
    """A shop that comes to another sum for a unit when its `each` is changed."""

    each = Decimal("40.00")

    async def refund_sum(self, ask: RefundAsk) -> RefundSum:
        total = Money.of(self.each * sum(line.quantity for line in ask.lines), "EUR")
        return RefundSum(items=total, total=total)


async def test_lines_that_come_to_another_sum_by_now_are_paid_for_what_the_approver_saw(shop: World) -> None:
    desk = await shop.desk(Discounted)
    desk.decider = always(Verdict.REVIEW)
    lines = [RefundLineInput(line_id="OrderLine:shop:1:11", quantity=2)]
    id = (await shop.at(desk).ask(REFUND, refunding(None, lines=lines), "k1")).action.id
    desk.platforms["shop"].each = Decimal("15.00")
    again = await shop.at(desk, LEE).approve(id, None)
    assert kind_of(again) is ConflictKind.FACTS_CHANGED
    assert (again.action.state, again.action.quote.total.amount) == (ActionState.AWAITING_APPROVAL, Decimal("30.00"))
    assert again.action.summary == "Refund 30.00 EUR of order 1001 for 2 × Linen Shirt"
    assert (await shop.at(desk, LEE).request_of(again.action)).amount.amount == Decimal("30.00")
    assert again.action.recorded.facts["request.amount"] == "30.00", "decided again it is the same"
    assert shop.shop.writes == []
    approved = await shop.at(desk, LEE).approve(id, None)
    assert (approved.problem, approved.action.state) == (None, ActionState.SUCCEEDED)
    assert [refund["amount"] for refund in shop.shop.orders["1"]["refunds"]] == ["30.00"]
    assert approved.action.quote.total.amount == Decimal("30.00")


async def test_what_one_approver_agrees_to_is_done_though_another_has_just_seen_other_money(shop: World) -> None:
    """Lee reads the order at 40 a unit, Kim at 15 and writes that down first; Lee's word is for what Lee saw."""
    one, other = await shop.desk(Slow), await shop.desk(Discounted)
    one.decider = other.decider = always(Verdict.REVIEW)
    lines = [RefundLineInput(line_id="OrderLine:shop:1:11", quantity=2)]
    id = (await shop.at(one).ask(REFUND, refunding(None, lines=lines), "k1")).action.id
    slow = one.platforms["shop"]
    assert isinstance(slow, Slow)
    slow.let_go.clear()
    lee = asyncio.create_task(shop.at(one, LEE).approve(id, None))
    await slow.reached.wait()
    other.platforms["shop"].each = Decimal("15.00")
    assert kind_of(await shop.at(other, KIM).approve(id, None)) is ConflictKind.FACTS_CHANGED
    slow.let_go.set()
    approved = await lee
    assert approved.action.state is ActionState.SUCCEEDED
    assert [refund["amount"] for refund in shop.shop.orders["1"]["refunds"]] == ["80.00"]
    assert (approved.action.quote.total.amount, approved.action.summary) == (
        Decimal("80.00"),
        "Refund 80.00 EUR of order 1001 for 2 × Linen Shirt",
    )
    assert approved.action.recorded.facts["request.amount"] == "80.00"


class Slow(Discounted):
    """Takes its time to come to a sum, until it is let go."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.reached, self.let_go = asyncio.Event(), asyncio.Event()
        self.let_go.set()

    async def refund_sum(self, ask: RefundAsk) -> RefundSum:
        found = await super().refund_sum(ask)
        if not self.let_go.is_set():
            self.reached.set()
            await self.let_go.wait()
        return found


async def test_a_refund_made_outside_before_it_was_agreed_to_is_not_taken_for_the_lost_one(shop: World) -> None:
    """Somebody pays the same sum while it waits, and the approver agrees all the same: both are paid, once each."""
    shop.shop.generous = True
    desk = await shop.desk()
    desk.decider = always(Verdict.REVIEW)
    id = (await shop.at(desk).ask(REFUND, refunding("10.00"), "k1")).action.id
    outside = shop.shop.pay("1", "10.00")
    shop.faults.set("500")
    lost = await shop.at(desk, LEE).approve(id, None)
    assert lost.action.state is ActionState.UNKNOWN
    shop.faults.set()
    for _ in range(3):
        await shop.sweep(desk)
    found = await shop.at(desk).action(id)
    assert found.state is ActionState.SUCCEEDED
    assert found.native_reference != outside
    assert [refund["amount"] for refund in shop.shop.orders["1"]["refunds"]] == ["10.00", "10.00"]


async def test_a_pause_whose_end_has_come_while_it_waited_is_not_made(shop: World) -> None:
    desk = await shop.desk()
    desk.decider = always(Verdict.REVIEW)
    until = (shop.clock() + timedelta(days=2)).date()
    id = (await shop.at(desk).ask(ActionKind.PAUSE_SUBSCRIPTION, pausing(until), "k1")).action.id
    shop.clock.advance(60 * 3600)
    late = await shop.at(desk, LEE).approve(id, None)
    assert kind_of(late) is ConflictKind.FACTS_CHANGED
    assert (await shop.at(desk).action(id)).state is ActionState.AWAITING_APPROVAL
    assert shop.shop.writes == []
    assert (await shop.at(desk, LEE).reject(id, "Too late.")).action.state is ActionState.REJECTED


async def test_a_refund_made_by_somebody_else_meanwhile_reaches_the_decision(shop: World) -> None:
    seen = []
    shop.rules = Rules(lambda asked, history: seen.append(asked.refunded_outside) or Verdict.REVIEW)
    desk = await shop.desk()
    answer = await shop.at(desk).ask(REFUND, refunding("10.00"), "k1")
    shop.shop.pay("1", "3.00")
    await shop.at(desk, LEE).approve(answer.action.id, None)
    assert seen == [False, True]


async def test_the_waiting_request_is_not_counted_against_itself(shop: World) -> None:
    seen = []
    shop.rules = Rules(lambda asked, history: seen.append(history.refund_count_90d) or Verdict.REVIEW)
    desk = await shop.desk()
    answer = await shop.at(desk).ask(REFUND, refunding("10.00"), "k1")
    await shop.at(desk, LEE).approve(answer.action.id, None)
    assert seen == [0, 0]


async def test_a_waiting_return_is_not_counted_against_itself_either(shop: World) -> None:
    seen = []
    shop.rules = Rules(lambda asked, history: seen.append(history.return_count_90d) or Verdict.REVIEW)
    desk = await shop.desk()
    answer = await shop.at(desk).ask(RETURN, returning(), "k1")
    await shop.at(desk, LEE).approve(answer.action.id, None)
    assert seen == [0, 0]


async def test_what_expired_cannot_be_agreed_to(shop: World) -> None:
    desk = await shop.desk()
    id = await waiting(shop, desk)
    shop.clock.advance(73 * 3600)
    answer = await shop.at(desk, LEE).approve(id, None)
    assert kind_of(answer) is ConflictKind.FACTS_CHANGED
    assert answer.problem.action.state is ActionState.EXPIRED
    assert "Nobody agreed in time" in answer.problem.message
    assert shop.shop.writes == []


async def test_ten_approvals_at_once_do_it_once(shop: World) -> None:
    desk, other = await shop.desk(), await shop.desk()
    id = await waiting(shop, desk)
    other.decider = desk.decider
    people = [LEE if number % 2 else KIM for number in range(10)]
    answers = await asyncio.gather(
        *(shop.at(desk if number < 5 else other, one).approve(id, None) for number, one in enumerate(people))
    )
    assert len(shop.shop.writes) == 1
    assert sum(answer.problem is None for answer in answers) == 1
    assert {kind_of(answer) for answer in answers if answer.problem} == {ConflictKind.ALREADY_DONE}


async def test_nothing_is_decided_while_the_order_cannot_be_read(shop: World) -> None:
    desk = await shop.desk()
    id = await waiting(shop, desk)
    order = shop.shop.orders.pop("1")
    gone = await shop.at(desk, LEE).approve(id, None)
    assert gone.problem.code is ProblemCode.NOT_FOUND
    shop.shop.orders["1"] = order
    assert (await shop.at(desk).action(id)).state is ActionState.AWAITING_APPROVAL
    assert (await shop.at(desk, LEE).approve(id, None)).problem is None


@pytest.mark.parametrize("id", ["", "Order:shop:1", "Action:", "Action:00000000-0000-4000-8000-000000000000"])
async def test_an_id_of_nothing_says_so(shop: World, id: str) -> None:
    lee = shop.at(await shop.desk(), LEE)
    for answer in (await lee.approve(id, None), await lee.reject(id, "No."), await lee.resolve(id, HAPPENED, "Seen.")):
        assert answer.problem.code in (ProblemCode.INVALID_INPUT, ProblemCode.NOT_FOUND)


@pytest.mark.parametrize("note", ["", "   ", "x" * 1001, "a\x00b"])
async def test_turning_down_takes_words_that_can_be_kept(shop: World, note: str) -> None:
    desk = await shop.desk()
    id = await waiting(shop, desk)
    answer = await shop.at(desk, LEE).reject(id, note)
    assert (answer.problem.code, answer.problem.fields[0].path) == (ProblemCode.INVALID_INPUT, ["note"])


# ------------------------------------------------------------------------------------------------ resolve

HAPPENED, DID_NOT = ActionOutcome.HAPPENED, ActionOutcome.DID_NOT_HAPPEN


async def lost(shop: World, desk: Any, *, done: bool, kind: Any = CANCEL, asked: Any = None) -> str:
    """An action whose outcome nobody knows, past its last time."""
    shop.faults.set("drop-after" if done else "500")
    answer = await shop.at(desk, customer(ADA)).ask(kind, asked or cancelling(), "k1")
    shop.faults.set()
    assert answer.action.state is ActionState.UNKNOWN
    return answer.action.id


async def test_a_person_says_that_it_happened(shop: World) -> None:
    desk = await shop.desk()
    id = await lost(shop, desk, done=True)
    answer = await shop.at(desk, LEE).resolve(id, HAPPENED, "The bank statement shows it.")
    assert (answer.problem, answer.action.state) == (None, ActionState.SUCCEEDED)
    assert answer.action.note == "The bank statement shows it."
    assert await shop.sweep(desk) == 0
    assert len(shop.shop.writes) == 1


async def test_a_person_says_that_it_did_not_happen_and_the_key_answers_so(shop: World) -> None:
    desk = await shop.desk()
    id = await lost(shop, desk, done=False)
    answer = await shop.at(desk, LEE).resolve(id, DID_NOT, "Nothing in the store.")
    assert answer.action.state is ActionState.FAILED
    again = await shop.at(desk, customer(ADA)).ask(CANCEL, cancelling(), "k1")
    assert (again.replayed, again.problem.code) == (True, ProblemCode.PLATFORM_UNAVAILABLE)
    assert "new key" in again.problem.message
    new = await shop.at(desk, customer(ADA)).ask(CANCEL, cancelling(), "k2")
    assert new.action.state is ActionState.SUCCEEDED
    assert len(shop.shop.writes) == 1


async def test_nobody_says_that_it_did_not_happen_while_it_may_still_be_on_its_way(shop: World) -> None:
    desk = await shop.desk(patience=replace(PATIENCE, settle=60.0))
    id = await lost(shop, desk, done=False)
    early = await shop.at(desk, LEE).resolve(id, DID_NOT, "Nothing in the store.")
    assert (kind_of(early), early.problem.retryable) == (ConflictKind.IN_PROGRESS, True)
    assert (await shop.at(desk).action(id)).state is ActionState.UNKNOWN
    shop.clock.advance(61)
    assert (await shop.at(desk, LEE).resolve(id, DID_NOT, "Nothing there.")).action.state is ActionState.FAILED


async def test_only_a_person_settles_and_only_what_is_unknown(shop: World) -> None:
    desk = await shop.desk()
    id = await lost(shop, desk, done=True)
    refused = await shop.at(desk, customer(ADA)).resolve(id, HAPPENED, "It did.")
    assert refused.problem.code is ProblemCode.IDENTITY_INSUFFICIENT
    await shop.sweep(desk)
    late = await shop.at(desk, LEE).resolve(id, DID_NOT, "I think not.")
    assert kind_of(late) is ConflictKind.ALREADY_DONE
    assert (await shop.at(desk).action(id)).state is ActionState.SUCCEEDED


async def test_what_a_person_settles_is_kept_as_if_the_store_had_answered(shop: World) -> None:
    desk = await shop.desk(BareAdapter)
    id = await lost(shop, desk, done=True, kind=RETURN, asked=returning())
    answer = await shop.at(desk, LEE).resolve(id, HAPPENED, "The note is on the order.")
    assert answer.action.state is ActionState.SUCCEEDED
    orders = await desk.platforms["shop"].orders(["1"], OrderParts.ALL)
    await desk.held.overlay_orders(desk.platforms["shop"], orders, OrderParts.ALL)
    assert [one.id for one in orders["1"].returns] == [f"Return:shop:1:{id.removeprefix('Action:')}"]


async def test_what_another_gateway_looks_at_is_not_settled_meanwhile(shop: World) -> None:
    desk = await shop.desk()
    id = await lost(shop, desk, done=True)
    record = await desk.ledger.by_id(id.removeprefix("Action:"))
    await desk.ledger.claim(record, owner="other", now=shop.clock(), until=shop.clock() + timedelta(seconds=60))
    answer = await shop.at(desk, LEE).resolve(id, DID_NOT, "Nothing there.")
    assert kind_of(answer) is ConflictKind.IN_PROGRESS


async def test_the_background_never_decides_for_people(shop: World) -> None:
    desk = await shop.desk()
    id = await waiting(shop, desk)
    for _ in range(3):
        await shop.sweep(desk)
    assert (await shop.at(desk, STAFF).action(id)).state is ActionState.AWAITING_APPROVAL


async def test_a_pause_that_waited_is_done_with_its_day(shop: World) -> None:
    shop.rules = always(Verdict.REVIEW)
    desk = await shop.desk(BareAdapter)
    until = shop.shop.next_bill.replace(year=shop.shop.next_bill.year + 1)
    answer = await shop.at(desk, customer(ADA)).ask(ActionKind.PAUSE_SUBSCRIPTION, pausing(until), "k1")
    approved = await shop.at(desk, LEE).approve(answer.action.id, None)
    assert approved.action.state is ActionState.SUCCEEDED
    assert shop.shop.writes[-1][1]["next"] == until.isoformat()
