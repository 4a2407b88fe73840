"""Returns held here: how they move on, what pays for them, and what the order's timeline tells of it all."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from actions.held import _pay_return, held_return_id
from platforms.base import ORDER_FACTS
from schema.access import DEFAULT_SCOPES
from schema.emails import canonical_email
from schema.inputs import RefundLineInput
from schema.vocabulary import (
    ActionKind,
    ActionState,
    ActorKind,
    HeldReturnStep,
    ProblemCode,
    ReturnStatus,
    Verdict,
)
from tests.actions.shop import (
    ADA,
    CLEO,
    LEE,
    BareAdapter,
    Rules,
    ShopAdapter,
    World,
    always,
    cancelling,
    customer,
    refunding,
    returning,
)

RETURN, REFUND, CANCEL = ActionKind.RETURN_ORDER, ActionKind.REFUND_ORDER, ActionKind.CANCEL_ORDER
STEP = HeldReturnStep


async def made(shop: World, desk: Any) -> str:
    answer = await shop.at(desk, customer(ADA)).ask(RETURN, returning(), "k1")
    assert answer.action.state is ActionState.SUCCEEDED
    return str(answer.return_record.id)


async def order(desk: Any, native: str = "1") -> Any:
    platform = desk.platforms["shop"]
    found = await platform.orders([native], ORDER_FACTS)
    await desk.held.overlay_orders(platform, found, ORDER_FACTS)
    return found[native]


async def test_a_held_return_arrives_and_is_closed(shop: World) -> None:
    desk = await shop.desk(BareAdapter)
    id = await made(shop, desk)
    staff = shop.at(desk)
    for step in (STEP.IN_TRANSIT, STEP.RECEIVED, STEP.RECEIVED, STEP.CLOSED):
        found, problem = await staff.move_return(id, step)
        assert (problem, found.status.value) == (None, step.value)
    assert found.closed_at is not None
    held = (await order(desk)).lines[0].quantity
    assert (held.returned, held.returnable) == (1, 1), "what came back stays counted"


async def test_a_cancelled_return_gives_its_units_back(shop: World) -> None:
    desk = await shop.desk(BareAdapter)
    id = await made(shop, desk)
    found, problem = await shop.at(desk).move_return(id, STEP.CANCELLED)
    assert (problem, found.status) == (None, ReturnStatus.CANCELLED)
    quantity = (await order(desk)).lines[0].quantity
    assert (quantity.returned, quantity.returnable) == (0, 2)
    again = await shop.at(desk, customer(ADA)).ask(RETURN, returning(2), "k2")
    assert again.action.state is ActionState.SUCCEEDED


@pytest.mark.parametrize(
    ("first", "then"),
    [(STEP.CLOSED, STEP.RECEIVED), (STEP.CANCELLED, STEP.RECEIVED), (STEP.RECEIVED, STEP.CANCELLED)],
)
async def test_a_return_does_not_move_back(shop: World, first: HeldReturnStep, then: HeldReturnStep) -> None:
    desk = await shop.desk(BareAdapter)
    id = await made(shop, desk)
    await shop.at(desk).move_return(id, first)
    found, problem = await shop.at(desk).move_return(id, then)
    assert problem.code is ProblemCode.CONFLICT
    assert found.status.value == first.value


@pytest.mark.parametrize("id", ["", "Order:shop:1", "Return:shop:1:none", "Return:else:1:none"])
async def test_what_is_no_held_return_does_not_move(shop: World, id: str) -> None:
    found, problem = await shop.at(await shop.desk(BareAdapter)).move_return(id, STEP.RECEIVED)
    assert found is None
    assert problem.code in (ProblemCode.INVALID_INPUT, ProblemCode.NOT_FOUND)


async def test_a_return_of_the_stores_own_does_not_move_here(shop: World) -> None:
    desk = await shop.desk(ShopAdapter)
    id = await made(shop, desk)
    assert (await shop.at(desk).move_return(id, STEP.RECEIVED))[1].code is ProblemCode.NOT_FOUND
    asked = refunding("10.00", return_id=id)
    answer = await shop.at(desk).ask(REFUND, asked, "k9")
    assert "store keeps" in answer.problem.fields[0].message


async def test_a_customer_moves_nothing(shop: World) -> None:
    desk = await shop.desk(BareAdapter)
    id = await made(shop, desk)
    assert (await shop.at(desk, customer(CLEO)).move_return(id, STEP.RECEIVED))[1].code is ProblemCode.NOT_FOUND


async def test_the_refund_of_a_return_closes_it_and_is_shown_on_it(shop: World) -> None:
    desk = await shop.desk(BareAdapter)
    id = await made(shop, desk)
    await shop.at(desk).move_return(id, STEP.RECEIVED)
    lines = [RefundLineInput(line_id="OrderLine:shop:1:11", quantity=1)]
    paid = await shop.at(desk).ask(REFUND, refunding(None, lines=lines, return_id=id), "k2")
    assert paid.action.state is ActionState.SUCCEEDED
    [held] = (await order(desk)).returns
    assert (held.status, [one.id for one in held.refunds]) == (ReturnStatus.CLOSED, [paid.refund.id])
    again = await shop.at(desk).ask(REFUND, refunding("1.00", return_id=id), "k3")
    assert again.problem.code is ProblemCode.INVALID_INPUT
    assert "CLOSED already" in again.problem.fields[0].message
    assert [verb for verb, _ in shop.shop.writes] == ["return", "refund"]


async def test_the_money_of_a_return_counts_once_however_it_is_paid(shop: World) -> None:
    """A return of 40 EUR and the refund that pays for it are 40 EUR of the customer's 90 days, not 80."""
    counted: list[dict[str, Decimal]] = []
    shop.rules = Rules(lambda asked, history: counted.append(dict(history.refund_total_90d)) or Verdict.ALLOW)
    desk = await shop.desk(BareAdapter)
    id = await made(shop, desk)
    shop.rules.verdict = desk.decider.verdict = lambda asked, history: (
        counted.append(dict(history.refund_total_90d)) or Verdict.REVIEW
    )
    lines = [RefundLineInput(line_id="OrderLine:shop:1:11", quantity=1)]
    pays = refunding(None, lines=lines, return_id=id)
    assert (await shop.at(desk).preview(REFUND, pays)).problem.code is ProblemCode.APPROVAL_REQUIRED
    paid = await shop.at(desk).ask(REFUND, pays, "k2")
    assert (await shop.at(desk, LEE).approve(paid.action.id, None)).action.state is ActionState.SUCCEEDED
    assert counted == [{}, {}, {}, {}], "neither before it, nor against itself"
    history = (await shop.at(desk).history([canonical_email(ADA)]))[canonical_email(ADA)]
    assert (history.refund_total_90d, history.refund_count_90d) == ({"EUR": Decimal(40)}, 1)
    assert history.return_count_90d == 1
    other = await shop.at(desk).ask(REFUND, refunding("5.00"), "k3")
    assert other.action.state is ActionState.AWAITING_APPROVAL
    assert counted[-1] == {"EUR": Decimal(40)}


async def test_a_return_is_not_called_off_while_its_refund_may_be_on_its_way(shop: World) -> None:
    desk = await shop.desk(BareAdapter)
    id = await made(shop, desk)
    shop.faults.set("drop-after")
    lost = await shop.at(desk).ask(REFUND, refunding("40.00", return_id=id), "k2")
    shop.faults.set()
    assert lost.action.state is ActionState.UNKNOWN
    for step in (STEP.CANCELLED, STEP.CLOSED):
        found, problem = await shop.at(desk).move_return(id, step)
        assert (problem.code, found.status) == (ProblemCode.CONFLICT, ReturnStatus.APPROVED)
    assert (await shop.at(desk).move_return(id, STEP.RECEIVED))[1] is None
    await shop.sweep(desk)
    [held] = (await order(desk)).returns
    assert (held.status, len(held.refunds)) == (ReturnStatus.CLOSED, 1)
    assert (await order(desk)).lines[0].quantity.returnable == 1


async def test_a_return_that_ended_as_its_refund_was_decided_keeps_its_end_and_knows_what_paid(shop: World) -> None:
    desk = await shop.desk(BareAdapter)
    id = await made(shop, desk)
    shop.rules = desk.decider = always(Verdict.REVIEW)
    refund = (await shop.at(desk).ask(REFUND, refunding("40.00", return_id=id), "k2")).action.id
    record = await desk.ledger.by_id(refund.removeprefix("Action:"))
    await shop.at(desk).move_return(id, STEP.CLOSED)
    also = _pay_return(record, id.rpartition(":")[2], shop.clock())
    running = await desk.ledger.move(record, ActionState.RUNNING, at=shop.clock(), by="")
    await desk.ledger.move(running, ActionState.SUCCEEDED, at=shop.clock(), by="", also=also, reference="r1-0")
    shop.shop.pay("1", "40.00")
    [held] = (await order(desk)).returns
    assert (held.status, [one.id for one in held.refunds]) == (ReturnStatus.CLOSED, ["Refund:shop:1:r1-0"])
    assert [move.after for move in await desk.held.moves([id.rpartition(":")[2]])] == [ReturnStatus.CLOSED]


async def test_a_refund_that_failed_leaves_the_return_open(shop: World) -> None:
    desk = await shop.desk(BareAdapter)
    id = await made(shop, desk)
    shop.shop.refuses = True
    answer = await shop.at(desk).ask(REFUND, refunding("10.00", return_id=id), "k2")
    assert answer.action.state is ActionState.FAILED
    [held] = (await order(desk)).returns
    assert (held.status, held.refunds) == (ReturnStatus.APPROVED, [])


async def test_the_timeline_tells_the_whole_story_newest_first(shop: World) -> None:
    desk = await shop.desk(BareAdapter)
    id = await made(shop, desk)
    await shop.at(desk, LEE).move_return(id, STEP.RECEIVED)
    await shop.at(desk).ask(REFUND, refunding("10.00", return_id=id), "k2")
    desk.decider = always(Verdict.REVIEW)
    asked = await shop.at(desk, customer(ADA)).ask(CANCEL, cancelling(), "k3")
    await shop.at(desk, LEE).reject(asked.action.id, "Too late.")
    [told] = await shop.at(desk, LEE).timelines([await order(desk)])
    assert [entry.at for entry in told] == sorted((entry.at for entry in told), reverse=True)
    kinds = [entry.kind for entry in reversed(told)]
    assert kinds[0] == "ORDER_PLACED"
    for earlier, later in (
        ("ACTION_DECIDED", "RETURN_RECEIVED"),
        ("RETURN_RECEIVED", "RETURN_CLOSED"),
        ("RETURN_CLOSED", "ACTION_REJECTED"),
    ):
        assert kinds.index(earlier) < kinds.index(later), kinds
    assert {"REFUNDED", "RETURN_REQUESTED", "ACTION_SUCCEEDED"} <= set(kinds)
    received = next(entry for entry in told if entry.kind == "RETURN_RECEIVED")
    assert (received.actor.name, received.text) == ("Lee", "The return of 1 × Linen Shirt has arrived.")
    rejected = next(entry for entry in told if entry.kind == "ACTION_REJECTED")
    assert (rejected.actor.name, rejected.action.id) == ("Lee", asked.action.id)


async def test_the_timeline_names_nobody_of_the_staff_to_a_customer(shop: World) -> None:
    desk = await shop.desk(BareAdapter)
    id = await made(shop, desk)
    await shop.at(desk, LEE).move_return(id, STEP.RECEIVED)
    ada = customer(ADA)
    ada.scopes = list(DEFAULT_SCOPES)
    [told] = await shop.at(desk, ada).timelines([await order(desk)])
    actors = {(entry.actor.kind, entry.actor.name) for entry in told if entry.actor is not None}
    assert (ActorKind.STAFF, "staff") in actors
    assert "Lee" not in str(told)


async def test_a_timeline_of_one_client_shows_no_action_of_another(shop: World) -> None:
    desk = await shop.desk(BareAdapter)
    await shop.at(desk, LEE).ask(REFUND, refunding("10.00"), "k1")
    bot = customer(ADA)
    bot.customer_email, bot.client, bot.actor.kind = None, "some bot", ActorKind.BOT
    [told] = await shop.at(desk, bot).timelines([await order(desk)])
    assert [entry.kind for entry in told if entry.action is not None] == []
    assert "REFUNDED" in [entry.kind for entry in told], "what the store shows is there for whoever sees the order"


def test_the_id_of_a_held_return_names_its_order() -> None:
    assert held_return_id("eu", "7", "a") == "Return:eu:7:a"
