"""An intent has one effect, however often and from wherever it is asked for."""

from __future__ import annotations

import asyncio
from typing import Any

from actions.shaping import actor_of
from schema.problems import Conflict, PlatformUnavailable
from schema.vocabulary import ActionKind, ActionState, ActorKind, ConflictKind, ProblemCode, Verdict
from tests.actions.shop import OTHER_ORDER, STAFF, ShopAdapter, World, always, cancelling, returning

CANCEL, RETURN = ActionKind.CANCEL_ORDER, ActionKind.RETURN_ORDER


async def test_an_allowed_action_is_done_once_and_the_order_says_so(shop: World) -> None:
    desk = await shop.staff()
    answer = await desk.ask(CANCEL, cancelling(), "k1")
    assert answer.problem is None
    assert answer.action.state is ActionState.SUCCEEDED
    assert answer.order.status.value == "CANCELLED"
    assert answer.refund.amount.shop.amount.to_eng_string() == "95.00"
    assert answer.quote.total.amount.to_eng_string() == "95.00"
    assert answer.replayed is False
    assert [verb for verb, _ in shop.shop.writes] == ["cancel"]
    assert shop.watcher.moves == [("CANCEL_ORDER", "RUNNING"), ("CANCEL_ORDER", "SUCCEEDED")]
    assert shop.watcher.rules == [("CANCEL_ORDER", "the-rule", "ALLOW", False)]


async def test_an_action_costs_three_calls_the_facts_the_write_and_what_is_true_now(shop: World) -> None:
    desk = await shop.staff()
    await desk.ask(RETURN, returning(), "k1")
    assert (len(shop.shop.reads), len(shop.shop.writes)) == (2, 1)


async def test_the_same_key_again_answers_with_the_action_and_does_nothing(shop: World) -> None:
    desk = await shop.staff()
    first = await desk.ask(CANCEL, cancelling(), "k1")
    again = await desk.ask(CANCEL, cancelling(), "k1")
    assert again.replayed is True
    assert again.problem is None
    assert again.action.id == first.action.id
    assert again.order.status.value == "CANCELLED"
    assert len(shop.shop.writes) == 1


async def test_the_same_key_after_a_restart_still_does_nothing(shop: World) -> None:
    desk = await shop.desk()
    first = await shop.at(desk).ask(CANCEL, cancelling(), "k1")
    await shop.end(desk)
    again = await (await shop.staff()).ask(CANCEL, cancelling(), "k1")
    assert (again.replayed, again.action.id) == (True, first.action.id)
    assert len(shop.shop.writes) == 1


async def test_fifty_calls_at_once_with_one_key_have_one_effect(shop: World) -> None:
    desk = await shop.desk()
    shop.shop.delay = 0.1
    answers = await asyncio.gather(*(shop.at(desk).ask(RETURN, returning(), "k1") for _ in range(50)))
    assert {answer.action.state for answer in answers} == {ActionState.SUCCEEDED}
    assert len({answer.action.id for answer in answers}) == 1
    assert sum(not answer.replayed for answer in answers) == 1
    assert len(shop.shop.writes) == 1


async def test_two_gateways_with_one_key_at_once_have_one_effect(shop: World) -> None:
    desks = [await shop.desk(), await shop.desk()]
    shop.shop.delay = 0.1
    answers = await asyncio.gather(*(shop.at(desk).ask(RETURN, returning(), "k1") for desk in desks * 5))
    assert {answer.action.state for answer in answers} == {ActionState.SUCCEEDED}
    assert sum(not answer.replayed for answer in answers) == 1
    assert len(shop.shop.writes) == 1


async def test_a_second_call_waits_no_longer_than_a_request_may_take(shop: World) -> None:
    desk = await shop.desk(request_seconds=0.3)
    shop.shop.delay = 1.0
    first = asyncio.create_task(shop.at(desk).ask(CANCEL, cancelling(), "k1"))
    await asyncio.sleep(0.1)
    second = await shop.at(desk).ask(CANCEL, cancelling(), "k1")
    assert (second.replayed, second.action.state) == (True, ActionState.RUNNING)
    assert (await first).action.state is ActionState.RUNNING
    await desk.finish()
    assert (await shop.at(desk).ask(CANCEL, cancelling(), "k1")).action.state is ActionState.SUCCEEDED
    assert len(shop.shop.writes) == 1


async def test_a_caller_that_goes_away_leaves_the_action_running_to_its_end(shop: World) -> None:
    desk = await shop.desk()
    shop.shop.delay = 0.2
    call = asyncio.create_task(shop.at(desk).ask(CANCEL, cancelling(), "k1"))
    await shop.shop.arrived.wait()
    call.cancel()
    await asyncio.gather(call, return_exceptions=True)
    await desk.finish()
    assert (await shop.at(desk).ask(CANCEL, cancelling(), "k1")).action.state is ActionState.SUCCEEDED
    assert len(shop.shop.writes) == 1


async def test_a_key_used_for_something_else_is_a_conflict_that_names_the_first(shop: World) -> None:
    desk = await shop.staff()
    first = await desk.ask(RETURN, returning(1), "k1")
    other = await desk.ask(RETURN, returning(2), "k1")
    assert isinstance(other.problem, Conflict)
    assert other.problem.kind is ConflictKind.KEY_REUSED_WITH_DIFFERENT_INPUT
    assert other.problem.action.id == first.action.id
    assert len(shop.shop.writes) == 1


async def test_a_key_belongs_to_the_client_and_the_kind_of_action(shop: World) -> None:
    desk = await shop.desk()
    other: Any = type(STAFF)(**(vars(STAFF) | {"client": "another"}))
    assert (await shop.at(desk).ask(RETURN, returning(), "k1")).replayed is False
    assert (await shop.at(desk, other).ask(RETURN, returning(order="3"), "k1")).replayed is False
    assert (await shop.at(desk).ask(CANCEL, cancelling(OTHER_ORDER), "k1")).replayed is False
    assert len(shop.shop.writes) == 3


async def test_different_keys_on_one_target_make_one_active_action_and_the_other_is_told_of_it(shop: World) -> None:
    desk = await shop.desk()
    shop.shop.delay = 0.2
    answers = await asyncio.gather(*(shop.at(desk).ask(RETURN, returning(), f"k{n}") for n in range(8)))
    done = [answer for answer in answers if answer.problem is None]
    assert len(done) == len(shop.shop.writes) == 1
    for answer in answers:
        if answer.problem is not None:
            assert isinstance(answer.problem, Conflict)
            assert answer.problem.kind is ConflictKind.IN_PROGRESS
            assert answer.problem.action.id == done[0].action.id
            assert answer.action is None


async def test_a_refused_conflict_leaves_its_key_free(shop: World) -> None:
    desk = await shop.desk()
    shop.shop.delay = 0.2
    first = asyncio.create_task(shop.at(desk).ask(RETURN, returning(), "k1"))
    await shop.shop.arrived.wait()
    assert isinstance((await shop.at(desk).ask(RETURN, returning(), "k2")).problem, Conflict)
    await first
    assert (await shop.at(desk).ask(RETURN, returning(), "k2")).action.state is ActionState.SUCCEEDED
    assert len(shop.shop.writes) == 2


async def test_facts_that_were_read_before_another_action_ended_are_read_again(shop: World) -> None:
    """Two returns of the last unit: the second may read before and decide after the first, and must not be allowed."""
    shop.rules.verdict = lambda asked, history: (
        Verdict.ALLOW if asked.lines[0].line.quantity.returnable else Verdict.DENY
    )

    class Slow(ShopAdapter):
        readings = 0

        async def orders(self, ids: Any, parts: Any) -> Any:
            found = await super().orders(ids, parts)
            Slow.readings += 1
            if Slow.readings == 1:
                await asyncio.sleep(0.5)  # its facts grow old while another gateway acts
            return found

    slow, quick = await shop.desk(Slow), await shop.desk()
    late = asyncio.create_task(shop.at(slow).ask(RETURN, returning(line="12"), "k1"))
    await asyncio.sleep(0.1)
    assert (await shop.at(quick).ask(RETURN, returning(line="12"), "k2")).action.state is ActionState.SUCCEEDED
    assert (await late).action.state is ActionState.DENIED
    assert len(shop.shop.writes) == 1


async def test_a_denied_request_is_recorded_and_not_one_write_call_leaves(shop: World) -> None:
    shop.rules = always(Verdict.DENY)
    desk = await shop.staff()
    answer = await desk.ask(RETURN, returning(), "k1")
    assert answer.action.state is ActionState.DENIED
    assert answer.problem.code is ProblemCode.POLICY_DENIED
    assert answer.problem.customer_message == "Sold as final sale."
    assert answer.problem.decision.reasons[0].line is answer.order.lines[0]
    assert answer.action.finished_at is not None
    again = await desk.ask(RETURN, returning(), "k1")
    assert (again.replayed, again.problem.code) == (True, ProblemCode.POLICY_DENIED)
    assert shop.shop.writes == []


async def test_a_review_waits_and_holds_the_target_until_it_lapses(shop: World) -> None:
    shop.rules = always(Verdict.REVIEW)
    desk = await shop.desk()
    answer = await shop.at(desk).ask(RETURN, returning(), "k1")
    assert answer.action.state is ActionState.AWAITING_APPROVAL
    assert answer.problem.code is ProblemCode.APPROVAL_REQUIRED
    assert answer.problem.required_role == answer.action.required_role
    assert 71.9 < (answer.problem.expires_at - shop.clock()).total_seconds() / 3600 <= 72
    assert isinstance((await shop.at(desk).ask(CANCEL, cancelling(), "k2")).problem, Conflict)
    assert await shop.sweep(desk, 72 * 3600) == 1
    assert (await shop.at(desk).action(answer.action.id)).state is ActionState.EXPIRED
    shop.rules.verdict = lambda asked, history: Verdict.ALLOW
    assert (await shop.at(desk).ask(CANCEL, cancelling(), "k2")).action.state is ActionState.SUCCEEDED
    assert [verb for verb, _ in shop.shop.writes] == ["cancel"]


async def test_a_waiting_request_that_lapsed_gives_way_even_before_the_background_sees_it(shop: World) -> None:
    shop.rules = always(Verdict.REVIEW)
    desk = await shop.desk()
    waiting = await shop.at(desk).ask(RETURN, returning(), "k1")
    shop.clock.advance(72 * 3600)
    shop.rules.verdict = lambda asked, history: Verdict.ALLOW
    assert (await shop.at(desk).ask(CANCEL, cancelling(), "k2")).action.state is ActionState.SUCCEEDED
    expired = await shop.at(desk).action(waiting.action.id)
    assert expired.state is ActionState.EXPIRED
    *_, end = (await desk.ledger.steps([expired.recorded.id]))[expired.recorded.id]
    assert actor_of(end.by, desk.privacy).kind is ActorKind.SYSTEM, "who asked for something else has not ended it"


async def test_a_refused_connection_leaves_the_key_usable(shop: World) -> None:
    broken = await shop.desk(write_url="http://127.0.0.1:9")
    answer = await shop.at(broken).ask(CANCEL, cancelling(), "k1")
    assert isinstance(answer.problem, PlatformUnavailable)
    assert (answer.problem.retryable, answer.action.state) == (True, ActionState.FAILED)
    mended = await shop.desk()
    again = await shop.at(mended).ask(CANCEL, cancelling(), "k1")
    assert (again.replayed, again.action.state) == (False, ActionState.SUCCEEDED)
    assert again.action.id != answer.action.id
    assert len(shop.shop.writes) == 1


async def test_a_throttled_write_leaves_the_key_usable(shop: World) -> None:
    desk = await shop.staff()
    shop.faults.set("429")
    answer = await desk.ask(CANCEL, cancelling(), "k1")
    assert answer.problem.code is ProblemCode.PLATFORM_THROTTLED
    assert answer.problem.retry_after_seconds == 2
    shop.faults.set()
    assert (await desk.ask(CANCEL, cancelling(), "k1")).action.state is ActionState.SUCCEEDED
    assert len(shop.shop.writes) == 1


async def test_facts_that_cannot_be_read_leave_nothing_behind(shop: World) -> None:
    desk = await shop.desk(lambda url: ShopAdapter("http://127.0.0.1:9"))
    answer = await shop.at(desk).ask(CANCEL, cancelling(), "k1")
    assert isinstance(answer.problem, PlatformUnavailable)
    assert answer.action is None
    assert (await shop.at(desk).actions(None, 10)).nodes == []


async def test_a_refusal_of_the_store_ends_the_action_and_its_words_are_for_staff(shop: World) -> None:
    desk = await shop.staff()
    shop.shop.refuses = True
    answer = await desk.ask(CANCEL, cancelling(), "k1")
    assert answer.action.state is ActionState.FAILED
    assert answer.problem.code is ProblemCode.PLATFORM_REFUSED
    assert "@" not in answer.problem.message + answer.problem.customer_message
    assert [native.message for native in answer.problem.native] == ["*** may not do this"]
    shop.shop.refuses = False
    again = await desk.ask(CANCEL, cancelling(), "k1")
    assert (again.replayed, again.problem.code) == (True, ProblemCode.PLATFORM_REFUSED)
    assert shop.shop.writes == []
