"""Preview and confirm: what was shown is what is done, once, or nothing is."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from schema.access import DEFAULT_SCOPES, Forbidden
from schema.inputs import RefundLineInput
from schema.problems import Conflict
from schema.vocabulary import ActionKind, ActionState, ConflictKind, ProblemCode, Verdict
from tests.actions.shop import (
    ADA,
    CLEO,
    SUBSCRIPTION,
    BareAdapter,
    World,
    always,
    cancelling,
    customer,
    pausing,
    person,
    refunding,
    returning,
)

CANCEL, RETURN, PAUSE = ActionKind.CANCEL_ORDER, ActionKind.RETURN_ORDER, ActionKind.PAUSE_SUBSCRIPTION


def scoped(email: str) -> Any:
    viewer = customer(email)
    viewer.scopes = list(DEFAULT_SCOPES)
    return viewer


def kind_of(answer: Any) -> Any:
    assert isinstance(answer.problem, Conflict), answer.problem
    return answer.problem.kind


async def test_a_previewed_return_is_done_by_its_token_once(shop: World) -> None:
    desk = await shop.desk()
    ada = shop.at(desk, scoped(ADA))
    preview = await ada.preview(RETURN, returning())
    assert preview.problem is None
    assert timedelta(minutes=9) < preview.expires_at - shop.clock() <= timedelta(minutes=10)
    assert shop.shop.writes == []
    done = await ada.confirm(preview.token)
    assert (done.problem, done.replayed, done.action.state) == (None, False, ActionState.SUCCEEDED)
    assert done.action.quote == preview.quote
    again = await ada.confirm(preview.token)
    assert (again.problem, again.replayed, again.action.id) == (None, True, done.action.id)
    assert len(shop.shop.writes) == 1


async def test_a_token_that_was_used_still_answers_when_it_has_expired(shop: World) -> None:
    desk = await shop.desk()
    ada = shop.at(desk, scoped(ADA))
    token = (await ada.preview(CANCEL, cancelling())).token
    done = await ada.confirm(token)
    shop.clock.advance(3600)
    again = await shop.at(desk, scoped(ADA)).confirm(token)
    assert (again.replayed, again.action.id) == (True, done.action.id)


async def test_an_expired_token_does_nothing(shop: World) -> None:
    desk = await shop.desk()
    token = (await shop.at(desk, scoped(ADA)).preview(CANCEL, cancelling())).token
    shop.clock.advance(601)
    answer = await shop.at(desk, scoped(ADA)).confirm(token)
    assert kind_of(answer) is ConflictKind.FACTS_CHANGED
    assert "The token has expired" in answer.problem.message
    assert shop.shop.writes == []


async def test_another_callers_token_is_no_token(shop: World) -> None:
    desk = await shop.desk()
    token = (await shop.at(desk, scoped(ADA)).preview(CANCEL, cancelling())).token
    other_client = scoped(ADA)
    other_client.client = "another widget"
    for viewer in (scoped(CLEO), other_client):
        answer = await shop.at(desk, viewer).confirm(token)
        assert answer.problem.code is ProblemCode.INVALID_INPUT
        assert answer.problem.fields[0].path == ["token"]
    assert shop.shop.writes == []


@pytest.mark.parametrize(
    "change", [lambda token: token[:-2], lambda token: token[:40] + ("B" if token[40] == "A" else "A") + token[41:]]
)
async def test_an_altered_token_is_no_token(shop: World, change: Any) -> None:
    desk = await shop.desk()
    ada = shop.at(desk, scoped(ADA))
    token = (await ada.preview(CANCEL, cancelling())).token
    assert change(token) != token
    answer = await ada.confirm(change(token))
    assert answer.problem.code is ProblemCode.INVALID_INPUT
    assert "preview" in answer.problem.fields[0].message
    assert shop.shop.writes == []


@pytest.mark.parametrize("nonsense", ["", "x", "afp1.", "afp1.é", "afp1." + "A" * 300_000])
async def test_nonsense_is_no_token(shop: World, nonsense: str) -> None:
    answer = await shop.at(await shop.desk(), scoped(ADA)).confirm(nonsense)
    assert answer.problem.code is ProblemCode.INVALID_INPUT


async def test_a_refund_made_meanwhile_spoils_the_token(shop: World) -> None:
    desk = await shop.desk()
    ada = shop.at(desk, scoped(ADA))
    token = (await ada.preview(CANCEL, cancelling())).token
    shop.shop.pay("1", "5.00")
    answer = await ada.confirm(token)
    assert kind_of(answer) is ConflictKind.FACTS_CHANGED
    assert shop.shop.writes == []
    fresh = await ada.preview(CANCEL, cancelling())
    assert (await ada.confirm(fresh.token)).problem is None


async def test_another_policy_spoils_the_token(shop: World) -> None:
    desk = await shop.desk()
    ada = shop.at(desk, scoped(ADA))
    token = (await ada.preview(CANCEL, cancelling())).token
    shop.rules.policy = "d2"
    assert kind_of(await ada.confirm(token)) is ConflictKind.FACTS_CHANGED
    assert shop.shop.writes == []


async def test_another_fee_spoils_the_token(shop: World) -> None:
    shop.rules.fee = "4.00"
    desk = await shop.desk()
    ada = shop.at(desk, scoped(ADA))
    token = (await ada.preview(RETURN, returning())).token
    shop.rules.fee = "5.00"
    assert kind_of(await ada.confirm(token)) is ConflictKind.FACTS_CHANGED
    assert shop.shop.writes == []


async def test_what_costs_the_customer_money_is_done_only_after_it_was_shown(shop: World) -> None:
    shop.rules.fee = "4.00"
    desk = await shop.desk()
    ada = shop.at(desk, scoped(ADA))
    direct = await ada.ask(RETURN, returning(), "k1")
    assert kind_of(direct) is ConflictKind.PREVIEW_REQUIRED
    assert shop.shop.writes == []
    preview = await ada.preview(RETURN, returning())
    assert preview.decision.conditions[0].amount.amount == 4
    assert (await ada.confirm(preview.token)).action.state is ActionState.SUCCEEDED
    shop.rules.fee = None
    again = await ada.ask(RETURN, returning(), "k1")
    assert (again.problem, again.replayed) == (None, False), "the key was not used up"


@pytest.mark.parametrize("of", ["store", "caller"])
async def test_a_store_or_a_caller_may_take_changes_only_through_a_preview(shop: World, of: str) -> None:
    desk = await shop.desk()
    viewer = scoped(ADA)
    if of == "store":
        platform = desk.platforms["shop"]
        platform.config = platform.config.model_copy(update={"require_preview": True})
    else:
        viewer.previews_first = True
    ada = shop.at(desk, viewer)
    assert kind_of(await ada.ask(CANCEL, cancelling(), "k1")) is ConflictKind.PREVIEW_REQUIRED
    assert (shop.shop.writes, shop.shop.reads) == ([], [])
    assert (await ada.confirm((await ada.preview(CANCEL, cancelling())).token)).problem is None


async def test_what_is_denied_gives_no_token(shop: World) -> None:
    shop.rules = always(Verdict.DENY)
    preview = await shop.at(await shop.desk(), scoped(ADA)).preview(CANCEL, cancelling())
    assert (preview.token, preview.expires_at, preview.problem.code) == (None, None, ProblemCode.POLICY_DENIED)


async def test_what_is_in_progress_gives_no_token(shop: World) -> None:
    shop.rules = always(Verdict.REVIEW)
    desk = await shop.desk()
    await shop.at(desk).ask(CANCEL, cancelling(), "k1")
    preview = await shop.at(desk, scoped(ADA)).preview(CANCEL, cancelling())
    assert (preview.token, preview.problem.kind) == (None, ConflictKind.IN_PROGRESS)


async def test_a_confirmed_request_may_still_wait_for_a_person(shop: World) -> None:
    shop.rules = always(Verdict.REVIEW)
    ada = shop.at(await shop.desk(), scoped(ADA))
    preview = await ada.preview(CANCEL, cancelling())
    assert preview.problem.code is ProblemCode.APPROVAL_REQUIRED
    answer = await ada.confirm(preview.token)
    assert answer.action.state is ActionState.AWAITING_APPROVAL


async def test_a_token_takes_the_scope_of_what_it_does(shop: World) -> None:
    desk = await shop.desk()
    viewer = scoped(ADA)
    token = (await shop.at(desk, viewer).preview(CANCEL, cancelling())).token
    viewer.scopes.remove("orders:cancel")
    with pytest.raises(Forbidden):
        await shop.at(desk, viewer).confirm(token)
    assert shop.shop.writes == []


async def test_a_subscriptions_preview_is_confirmed_as_well(shop: World) -> None:
    desk = await shop.desk(BareAdapter)
    ada = shop.at(desk, scoped(ADA))
    until = shop.shop.next_bill.replace(year=shop.shop.next_bill.year + 1)
    preview = await ada.preview(PAUSE, pausing(until))
    answer = await ada.confirm(preview.token)
    assert (answer.problem, answer.subscription.id) == (None, SUBSCRIPTION)
    assert shop.shop.writes[-1][1]["next"] == until.isoformat()


@pytest.mark.parametrize("amount", ["5", "5.0", "5.00"])
async def test_a_previewed_refund_is_confirmed_however_its_amount_was_written(shop: World, amount: str) -> None:
    desk = await shop.desk()
    staff = person("Sam")
    staff.scopes = ["orders:refund"]
    preview = await shop.at(desk, staff).preview(ActionKind.REFUND_ORDER, refunding(amount))
    answer = await shop.at(desk, staff).confirm(preview.token)
    assert (answer.problem, answer.action.state) == (None, ActionState.SUCCEEDED)
    assert shop.shop.orders["1"]["refunds"][0]["amount"] == "5.00"


async def test_a_previewed_refund_of_lines_is_confirmed(shop: World) -> None:
    desk = await shop.desk()
    staff = person("Sam")
    staff.scopes = ["orders:refund"]
    lines = [RefundLineInput(line_id="OrderLine:shop:1:11", quantity=1)]
    preview = await shop.at(desk, staff).preview(ActionKind.REFUND_ORDER, refunding(None, lines=lines))
    assert (await shop.at(desk, staff).confirm(preview.token)).problem is None


async def test_fifty_confirmations_of_one_token_do_one_thing(shop: World) -> None:
    desk = await shop.desk()
    token = (await shop.at(desk, scoped(ADA)).preview(CANCEL, cancelling())).token
    answers = await asyncio.gather(*(shop.at(desk, scoped(ADA)).confirm(token) for _ in range(50)))
    assert {answer.action.id for answer in answers} == {answers[0].action.id}
    assert len(shop.shop.writes) == 1


async def test_a_token_tells_nobody_what_is_in_it(shop: World) -> None:
    desk = await shop.desk()
    asked = cancelling(note="please hurry, my new address is secret")
    token = (await shop.at(desk).preview(CANCEL, asked)).token
    assert "secret" not in token
    assert "Order" not in token
