"""What became of a write whose answer was lost or left to a job: read until it is known, never sent again blindly."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from actions.lease import Lease, LeaseLost, take
from actions.ledger import Ledger, LostRace, Record
from actions.recovery import Recovery
from platforms.base import CancelOrder, Done, Outcome, Request, ReturnOrder
from platforms.errors import OutcomeUnknown, Refused
from platforms.transport import background
from policies.guard import ACTION_SCOPE
from schema.actions import Viewer
from schema.problems import Conflict
from schema.vocabulary import ActionKind, ActionOutcome, ActionState, ProblemCode
from tests.actions.shop import PATIENCE, STAFF, BareAdapter, ShopAdapter, World, cancelling, ending, pausing, returning

CANCEL, RETURN = ActionKind.CANCEL_ORDER, ActionKind.RETURN_ORDER
RUNNING, UNKNOWN, PENDING = ActionState.RUNNING, ActionState.UNKNOWN, ActionState.PENDING
SUCCEEDED, FAILED = ActionState.SUCCEEDED, ActionState.FAILED


def scoped() -> Viewer:
    """Somebody of the staff who may do anything."""
    return replace(STAFF, scopes=list(ACTION_SCOPE.values()))


async def path(shop: World, desk: Any, answer: Any) -> list[ActionState]:
    return [after for _, after, _ in await desk.ledger.path(answer.action.recorded.id)]


@pytest.mark.parametrize("fault", ["drop-after", "500-after", "truncate"])
async def test_a_lost_answer_is_unknown_until_reading_shows_that_it_happened(shop: World, fault: str) -> None:
    desk = await shop.desk()
    shop.faults.set(fault)
    answer = await shop.at(desk).ask(RETURN, returning(), "k1")
    assert answer.action.state is UNKNOWN
    assert answer.problem.code is ProblemCode.OUTCOME_UNKNOWN
    assert answer.problem.reconcile_by is not None
    shop.faults.set()
    assert await shop.sweep(desk) == 1
    again = await shop.at(desk).ask(RETURN, returning(), "k1")
    assert (again.replayed, again.action.state, again.problem) == (True, SUCCEEDED, None)
    assert again.return_record.id == again.order.returns[0].id
    assert await path(shop, desk, answer) == [RUNNING, UNKNOWN, SUCCEEDED]
    assert len(shop.shop.writes) == 1


@pytest.mark.parametrize("fault", ["500", "drop"])
async def test_what_never_happened_is_sent_again_once_it_is_known(shop: World, fault: str) -> None:
    desk = await shop.desk()
    shop.faults.set(fault)
    answer = await shop.at(desk).ask(RETURN, returning(), "k1")
    assert (answer.action.state, shop.shop.writes) == (UNKNOWN, [])
    shop.faults.set()
    await shop.sweep(desk)
    assert await path(shop, desk, answer) == [RUNNING, UNKNOWN, RUNNING, SUCCEEDED]
    assert len(shop.shop.writes) == 1
    assert await shop.sweep(desk) == 0


async def test_nothing_is_sent_again_while_the_first_may_still_be_under_way(shop: World) -> None:
    desk = await shop.desk(patience=replace(PATIENCE, settle=60.0))
    shop.faults.set("500")
    answer = await shop.at(desk).ask(CANCEL, cancelling(), "k1")
    shop.faults.set()
    for _ in range(3):
        await shop.sweep(desk)
    assert (shop.shop.writes, await path(shop, desk, answer)) == ([], [RUNNING, UNKNOWN])
    await shop.sweep(desk, 60)
    assert len(shop.shop.writes) == 1


async def test_a_write_that_was_long_waited_for_is_given_its_time_from_when_that_was_given_up(shop: World) -> None:
    """The store does it after all, later than a gateway waits and later than it would wait before it sends again."""
    desk = await shop.desk(patience=replace(PATIENCE, settle=60.0), whole=0.3)
    shop.shop.delay = 1.0
    call = asyncio.create_task(shop.at(desk).ask(CANCEL, cancelling(), "k1"))
    await shop.shop.arrived.wait()
    shop.clock.advance(55)
    answer = await call
    assert answer.action.state is UNKNOWN
    await shop.sweep(desk, 10)
    assert await path(shop, desk, answer) == [RUNNING, UNKNOWN]
    for _ in range(100):
        if shop.shop.writes:
            break
        await asyncio.sleep(0.05)
    await shop.sweep(desk, 60)
    assert await path(shop, desk, answer) == [RUNNING, UNKNOWN, SUCCEEDED]
    assert len(shop.shop.writes) == 1


async def test_a_store_that_cannot_be_read_keeps_it_unknown_and_nothing_is_sent(shop: World) -> None:
    desk = await shop.desk()
    shop.faults.set("drop-after")
    answer = await shop.at(desk).ask(CANCEL, cancelling(), "k1")
    blind = await shop.desk(lambda url: ShopAdapter("http://127.0.0.1:9", write_url=url))
    shop.faults.set()
    for _ in range(3):
        assert await shop.sweep(blind) == 1
    assert (await shop.at(desk).action(answer.action.id)).state is UNKNOWN
    assert len(shop.shop.writes) == 1


async def test_an_unknown_action_keeps_its_target_to_itself(shop: World) -> None:
    desk = await shop.desk()
    shop.faults.set("drop")
    first = await shop.at(desk).ask(RETURN, returning(), "k1")
    shop.faults.set()
    second = await shop.at(desk).ask(RETURN, returning(), "k2")
    assert isinstance(second.problem, Conflict)
    assert second.problem.action.id == first.action.id
    assert shop.shop.writes == []


async def test_what_cannot_be_reconciled_in_time_stays_unknown_with_a_note_for_a_person(shop: World) -> None:
    desk = await shop.desk(patience=replace(PATIENCE, reconcile=3600.0))
    shop.faults.set("500")
    answer = await shop.at(desk).ask(CANCEL, cancelling(), "k1")
    assert await shop.sweep(desk, 3601) == 1
    action = await shop.at(desk).action(answer.action.id)
    assert action.state is UNKNOWN
    assert "a person" in action.note
    assert await shop.sweep(desk, 3600) == 0
    assert shop.shop.writes == []


async def test_an_earlier_return_of_the_same_goods_is_not_taken_for_the_lost_one(shop: World) -> None:
    desk = await shop.desk()
    await shop.at(desk).ask(RETURN, returning(), "k1")
    shop.faults.set("500")
    answer = await shop.at(desk).ask(RETURN, returning(), "k2")
    assert answer.action.state is UNKNOWN
    shop.faults.set()
    await shop.sweep(desk)
    done = await shop.at(desk).ask(RETURN, returning(), "k2")
    assert done.action.state is SUCCEEDED
    assert [verb for verb, _ in shop.shop.writes] == ["return", "return"]
    assert done.return_record.source.native_id == done.order.returns[1].source.native_id


async def test_the_second_of_two_equal_returns_is_really_made(shop: World) -> None:
    desk = await shop.staff()
    one = await desk.ask(RETURN, returning(), "k1")
    two = await desk.ask(RETURN, returning(), "k2")
    assert one.return_record.id != two.return_record.id
    assert len(shop.shop.writes) == 2


async def test_a_job_is_pending_until_it_says_that_it_is_done(shop: World) -> None:
    desk = await shop.desk()
    shop.shop.cancels_by_job = True
    answer = await shop.at(desk).ask(CANCEL, cancelling(), "k1")
    assert (answer.action.state, answer.problem) == (PENDING, None)
    assert await shop.sweep(desk) == 1
    assert (await shop.at(desk).action(answer.action.id)).state is PENDING
    shop.shop.jobs["job-1"] = "done"
    assert await shop.sweep(desk) == 1
    assert await path(shop, desk, answer) == [RUNNING, PENDING, SUCCEEDED]
    assert len(shop.shop.writes) == 1


async def test_a_job_that_fails_fails_the_action(shop: World) -> None:
    desk = await shop.desk()
    shop.shop.cancels_by_job = True
    await shop.at(desk).ask(CANCEL, cancelling(), "k1")
    shop.shop.jobs["job-1"] = "failed"
    await shop.sweep(desk)
    again = await shop.at(desk).ask(CANCEL, cancelling(), "k1")
    assert (again.action.state, again.problem.code) == (FAILED, ProblemCode.PLATFORM_REFUSED)


async def test_a_job_that_never_ends_becomes_unknown_for_a_person(shop: World) -> None:
    desk = await shop.desk(patience=replace(PATIENCE, reconcile=60.0))
    shop.shop.cancels_by_job = True
    answer = await shop.at(desk).ask(CANCEL, cancelling(), "k1")
    await shop.sweep(desk, 61)
    action = await shop.at(desk).action(answer.action.id)
    assert action.state is UNKNOWN
    assert "a person" in action.note


class Dies(ShopAdapter):
    """A gateway that ends between RUNNING and the write, or just behind it."""

    behind = False

    async def return_order(self, request: ReturnOrder) -> Outcome:
        if self.behind:
            await super().return_order(request)
        raise asyncio.CancelledError


class DiesBehind(Dies):
    behind = True


@pytest.mark.parametrize(
    ("adapter", "states"),
    [
        (Dies, [RUNNING, UNKNOWN, RUNNING, SUCCEEDED]),
        (DiesBehind, [RUNNING, UNKNOWN, SUCCEEDED]),
    ],
)
async def test_another_gateway_takes_over_what_a_dead_one_left_and_reads_before_it_writes(
    shop: World, adapter: Callable[..., Any], states: list[ActionState]
) -> None:
    dying, other = await shop.desk(adapter, request_seconds=0.3), await shop.desk()
    answer = await shop.at(dying).ask(RETURN, returning(), "k1")
    assert answer.action.state is RUNNING
    assert await shop.sweep(other, 0) == 0, "the lease still stands"
    assert await shop.sweep(other, PATIENCE.lease + 1) == 1
    assert await path(shop, other, answer) == states
    assert len(shop.shop.writes) == 1


async def test_two_gateways_that_take_over_at_once_make_one_effect(shop: World) -> None:
    dying = await shop.desk(Dies, request_seconds=0.3)
    answer = await shop.at(dying).ask(RETURN, returning(), "k1")
    others = [await shop.desk() for _ in range(3)]
    shop.clock.advance(PATIENCE.lease + 1)
    await asyncio.gather(*(Recovery(desk).sweep() for desk in others))
    assert await path(shop, dying, answer) == [RUNNING, UNKNOWN, RUNNING, SUCCEEDED]
    assert len(shop.shop.writes) == 1


async def test_a_halted_gateway_that_wakes_after_its_lease_was_taken_does_not_send(shop: World) -> None:
    """It was halted after recording RUNNING; the other gateway has done it meanwhile."""
    halted, other = await shop.desk(Dies, request_seconds=0.3), await shop.desk()
    answer = await shop.at(halted).ask(RETURN, returning(), "k1")
    record = answer.action.recorded
    await shop.sweep(other, PATIENCE.lease + 1)
    awake = await shop.desk()
    await awake.effects.first(record, answer.order)
    assert len(shop.shop.writes) == 1
    assert (await shop.at(other).action(answer.action.id)).state is SUCCEEDED


async def test_a_lease_is_held_by_one_claim_even_of_the_same_gateway(shop: World) -> None:
    desk = await shop.desk(Dies, request_seconds=0.3)
    answer = await shop.at(desk).ask(RETURN, returning(), "k1")
    record = answer.action.recorded
    with pytest.raises(LostRace):
        await take(desk.ledger, record, "g", shop.clock, 3.0)
    first = Lease(desk.ledger, record.id, record.owner, shop.clock, 3.0)
    await first.hold()
    shop.clock.advance(4)
    second, _ = await take(desk.ledger, record, desk.gateway_id, shop.clock, 3.0)
    with pytest.raises(LeaseLost):
        await first.hold()
    await second.hold()
    assert await second.put_back(next_try_at=shop.clock()) is True
    assert await first.put_back() is False


async def test_a_claim_is_looked_at_before_something_is_sent_and_lengthened_where_it_would_end_too_soon(
    shop: World,
) -> None:
    desk = await shop.desk(Dies, request_seconds=0.3)
    record = (await shop.at(desk).ask(RETURN, returning(), "k1")).action.recorded
    lease = Lease(desk.ledger, record.id, record.owner, shop.clock, 100.0)

    async def until() -> datetime:
        found = await desk.ledger.by_id(record.id)
        assert found is not None
        assert found.lease_until is not None
        return found.lease_until

    await lease.hold()
    held = await until()
    await lease.sure(80.0)
    assert await until() == held, "it lasts as long as that"
    shop.clock.advance(30)
    await lease.sure(80.0)
    assert await until() >= held + timedelta(seconds=30)
    shop.clock.advance(101)
    await take(desk.ledger, record, "another", shop.clock, 100.0)
    with pytest.raises(LeaseLost):
        await lease.sure(80.0)


async def test_a_lease_is_renewed_while_its_action_runs(shop: World) -> None:
    desk = await shop.desk(Dies, patience=replace(PATIENCE, lease=1.5), request_seconds=0.1)
    record = (await shop.at(desk).ask(RETURN, returning(), "k1")).action.recorded
    lease = Lease(desk.ledger, record.id, record.owner, shop.clock, 1.5)
    async with lease.kept():
        await asyncio.sleep(2.0)  # longer than the lease, and with room for a machine that has much to do
        with pytest.raises(LostRace):
            await take(desk.ledger, record, "another", shop.clock, 1.5)
        await lease.hold()


async def test_an_adapter_that_breaks_in_the_middle_of_a_write_leaves_it_unknown(shop: World) -> None:
    class Breaks(ShopAdapter):
        async def return_order(self, request: ReturnOrder) -> Outcome:
            await super().return_order(request)
            raise KeyError("id")

    desk = await shop.desk(Breaks)
    answer = await shop.at(desk).ask(RETURN, returning(), "k1")
    assert answer.action.state is UNKNOWN
    await shop.sweep(desk)
    assert await path(shop, desk, answer) == [RUNNING, UNKNOWN, SUCCEEDED]
    assert len(shop.shop.writes) == 1


async def test_who_asks_while_the_ledger_fails_hears_that_asking_again_is_safe(shop: World) -> None:
    desk = await shop.desk()
    sound = desk.ledger
    waiting = await shop.at(desk).preview(CANCEL, cancelling())
    desk.ledger = Ledger("/nowhere/at/all.db")
    at = shop.at(desk, scoped())
    for answer in (
        await at.ask(CANCEL, cancelling(), "k1"),
        await at.confirm(waiting.token or ""),
        await at.approve("Action:00000000-0000-4000-8000-000000000000", None),
        await at.reject("Action:00000000-0000-4000-8000-000000000000", "No."),
        await at.resolve("Action:00000000-0000-4000-8000-000000000000", ActionOutcome.HAPPENED, "Seen."),
    ):
        assert (answer.problem.code, answer.problem.retryable) == (ProblemCode.OUTCOME_UNKNOWN, True)
        assert "nothing is done twice" in answer.problem.message
    preview = await at.preview(CANCEL, cancelling())
    assert (preview.problem.code, preview.token) == (ProblemCode.PLATFORM_UNAVAILABLE, None)
    assert shop.shop.writes == []
    desk.ledger = sound
    assert (await shop.at(desk, scoped()).ask(CANCEL, cancelling(), "k1")).action.state is SUCCEEDED
    assert len(shop.shop.writes) == 1


class Breaks(Ledger):
    """Is gone from the moment at which an action's end is to be written."""

    gone = False

    async def move(self, record: Record, after: ActionState, **values: Any) -> Record:
        self.gone |= after is SUCCEEDED
        return await super().move(record, after, **values)

    @asynccontextmanager
    async def writing(self, *names: str) -> AsyncIterator[AsyncConnection]:
        async with super().writing(*names) as connection:
            if self.gone:
                await connection.execute(text("SELECT * FROM nowhere"))
            yield connection

    @asynccontextmanager
    async def looking(self) -> AsyncIterator[AsyncConnection]:
        async with super().looking() as connection:
            if self.gone:
                await connection.execute(text("SELECT * FROM nowhere"))
            yield connection


async def test_a_ledger_that_fails_as_the_end_is_to_be_written_costs_no_second_effect(shop: World) -> None:
    desk = await shop.desk()
    sound = desk.ledger
    broken = Breaks(shop.address)
    await broken.open()
    desk.ledger = desk.effects.ledger = broken
    answer = await shop.at(desk).ask(CANCEL, cancelling(), "k1")
    assert answer.problem.code is ProblemCode.OUTCOME_UNKNOWN
    desk.ledger = desk.effects.ledger = sound
    await broken.close()
    await shop.sweep(desk, PATIENCE.lease + 1)
    again = await shop.at(desk).ask(CANCEL, cancelling(), "k1")
    assert (again.replayed, again.action.state) == (True, SUCCEEDED)
    assert await path(shop, desk, again) == [RUNNING, UNKNOWN, SUCCEEDED]
    assert len(shop.shop.writes) == 1


async def test_a_second_attempt_that_does_not_leave_is_unknown_again_and_not_failed(shop: World) -> None:
    desk = await shop.desk()
    shop.faults.set("500")
    answer = await shop.at(desk).ask(CANCEL, cancelling(), "k1")
    shut = await shop.desk(lambda url: ShopAdapter(url, write_url="http://127.0.0.1:9"))
    await shop.sweep(shut)
    assert await path(shop, desk, answer) == [RUNNING, UNKNOWN, RUNNING, UNKNOWN]
    shop.faults.set()
    await shop.sweep(desk)
    assert (await shop.at(desk).ask(CANCEL, cancelling(), "k1")).action.state is SUCCEEDED
    assert len(shop.shop.writes) == 1


class LateShop(ShopAdapter):
    """What was done shows only after a while, and a second cancelling is refused."""

    looks = 0

    async def happened(self, request: Request, since: datetime) -> Done | None:
        LateShop.looks += 1
        return None if LateShop.looks == 1 else await super().happened(request, since)

    async def cancel_order(self, request: CancelOrder) -> Outcome:
        raise Refused("the order is being cancelled")


async def test_a_second_attempt_that_is_refused_for_the_first_one_s_effect_has_succeeded(shop: World) -> None:
    shop.shop.orders["1"]["left"] = "0.00"  # where money shows, it would not be sent again
    desk = await shop.desk()
    shop.faults.set("drop-after")
    answer = await shop.at(desk).ask(CANCEL, cancelling(), "k1")
    shop.faults.set()
    LateShop.looks = 0
    late = await shop.desk(LateShop)
    await shop.sweep(late)
    assert LateShop.looks == 2
    assert await path(shop, desk, answer) == [RUNNING, UNKNOWN, RUNNING, SUCCEEDED]
    assert len(shop.shop.writes) == 1


async def test_a_second_attempt_that_is_refused_for_good_has_failed(shop: World) -> None:
    desk = await shop.desk()
    shop.faults.set("500")
    answer = await shop.at(desk).ask(CANCEL, cancelling(), "k1")
    shop.faults.set()
    LateShop.looks = 0
    late = await shop.desk(LateShop)
    await shop.sweep(late)
    assert await path(shop, desk, answer) == [RUNNING, UNKNOWN, RUNNING, UNKNOWN], "the first may still take effect"
    await shop.sweep(late, PATIENCE.refused / 2)
    assert (await shop.at(desk).action(answer.action.id)).state is UNKNOWN
    await shop.sweep(late, PATIENCE.refused)
    assert await path(shop, desk, answer) == [RUNNING, UNKNOWN, RUNNING, UNKNOWN, FAILED]
    again = await shop.at(desk).ask(CANCEL, cancelling(), "k1")
    assert again.problem.code is ProblemCode.PLATFORM_REFUSED
    assert shop.shop.writes == []


async def test_what_takes_effect_long_after_a_second_attempt_was_refused_has_succeeded(shop: World) -> None:
    class Slow(ShopAdapter):
        """Takes an order to be cancelled, and comes to it later."""

        async def cancel_order(self, request: CancelOrder) -> Outcome:
            raise Refused("the order is being cancelled")

    desk = await shop.desk()
    shop.faults.set("drop")
    answer = await shop.at(desk).ask(CANCEL, cancelling(), "k1")
    shop.faults.set()
    slow = await shop.desk(Slow)
    for _ in range(3):
        await shop.sweep(slow)
    shop.shop.orders["1"]["status"] = "cancelled"
    await shop.sweep(slow)
    assert await path(shop, desk, answer) == [RUNNING, UNKNOWN, RUNNING, UNKNOWN, SUCCEEDED]


async def test_a_subscription_is_paused_and_ended_on_the_platform(shop: World) -> None:
    desk = await shop.staff()
    paused = await desk.ask(ActionKind.PAUSE_SUBSCRIPTION, pausing(), "k1")
    assert (paused.subscription.status.value, paused.subscription.owner) == ("PAUSED", "ada@example.com")
    ended = await desk.ask(ActionKind.CANCEL_SUBSCRIPTION, ending(), "k2")
    assert ended.subscription.status.value == "CANCELLED"
    assert shop.shop.writes[-1][1]["reason"] == "too much coffee"


async def test_the_background_finishes_by_itself_what_was_left(shop: World) -> None:
    class Noting(ShopAdapter):
        backgrounds: list[bool] = []  # noqa: RUF012

        async def happened(self, request: Any, since: Any) -> Any:
            self.backgrounds.append(background.get())
            return await super().happened(request, since)

    desk = await shop.desk(Noting)
    shop.faults.set("drop-after")
    answer = await shop.at(desk).ask(CANCEL, cancelling(), "k1")
    shop.faults.set()
    recovery = Recovery(desk, every=0.02)
    await recovery.start()
    async with asyncio.timeout(5):
        while (await shop.at(desk).action(answer.action.id)).state is not SUCCEEDED:  # noqa: ASYNC110
            await asyncio.sleep(0.02)
    await recovery.stop()
    assert Noting.backgrounds == [True]
    assert background.get() is False
    assert len(shop.shop.writes) == 1


async def test_a_lost_answer_of_a_return_held_here_is_held_once(shop: World) -> None:
    class Marks(BareAdapter):
        async def return_order(self, request: ReturnOrder) -> Outcome:
            await super().return_order(request)
            raise OutcomeUnknown("lost", store="shop")

        async def happened(self, request: Any, since: Any) -> Any:
            return (await super().happened(request, since)) or (Done() if shop.shop.writes else None)

    desk = await shop.desk(Marks)
    answer = await shop.at(desk).ask(RETURN, returning(), "k1")
    assert (answer.action.state, answer.order.returns) == (UNKNOWN, [])
    await shop.sweep(desk)
    again = await shop.at(desk).ask(RETURN, returning(), "k1")
    assert again.action.state is SUCCEEDED
    assert [one.id for one in again.order.returns] == [again.return_record.id]
    assert len(shop.shop.writes) == 1
