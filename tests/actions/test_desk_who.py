"""Whose things may be acted on, by whom, and what a request must look like before any store is asked."""

from __future__ import annotations

import asyncio
import dataclasses
from datetime import date, timedelta
from typing import Any

import pytest

from actions.asking import Invalid, check, check_key
from policies.asked import History
from schema.inputs import (
    ActionFilter,
    CancelOrderInput,
    CancelSubscriptionInput,
    PauseSubscriptionInput,
    ReturnLineInput,
    ReturnOrderInput,
)
from schema.problems import IdentityInsufficient, InvalidInput, NotFound, Unsupported
from schema.vocabulary import (
    ActionKind,
    ActionState,
    ActorKind,
    AssuranceLevel,
    CancelReason,
    ReturnReason,
    Verdict,
)
from tests.actions.shop import (
    ADA,
    CLEO,
    LEE,
    OTHER_ORDER,
    STAFF,
    SUBSCRIPTION,
    BareAdapter,
    CancelsOnly,
    World,
    always,
    cancelling,
    customer,
    ending,
    everything,
    pausing,
    returning,
)

CANCEL, RETURN, PAUSE = ActionKind.CANCEL_ORDER, ActionKind.RETURN_ORDER, ActionKind.PAUSE_SUBSCRIPTION


# ------------------------------------------------------------------------------------------------ who


async def test_somebody_elses_order_is_not_found_exactly_like_one_that_does_not_exist(shop: World) -> None:
    desk = await shop.desk()
    ada = shop.at(desk, customer(ADA))
    theirs = await ada.ask(CANCEL, cancelling(OTHER_ORDER), "k1")
    reads = len(shop.shop.reads)
    none = await ada.ask(CANCEL, cancelling("Order:shop:404"), "k2")
    assert theirs == none
    assert isinstance(none.problem, NotFound)
    assert len(shop.shop.reads) == 2 * reads == 2
    assert shop.shop.writes == []


async def test_ones_own_order_can_be_acted_on(shop: World) -> None:
    desk = await shop.desk()
    answer = await shop.at(desk, customer("  Ada@Example.com ")).ask(CANCEL, cancelling(), "k1")
    assert answer.action.state is ActionState.SUCCEEDED


async def test_a_subscription_is_its_customer_records(shop: World) -> None:
    desk = await shop.desk()
    mine = await shop.at(desk, customer(ADA)).ask(PAUSE, pausing(), "k1")
    assert (mine.problem, mine.subscription.status.value) == (None, "PAUSED")
    theirs = await shop.at(desk, customer(CLEO)).ask(ActionKind.CANCEL_SUBSCRIPTION, ending(), "k2")
    assert isinstance(theirs.problem, NotFound)


async def test_a_caller_who_is_not_surely_known_is_told_so_before_any_call(shop: World) -> None:
    desk = await shop.desk()
    answer = await shop.at(desk, customer(ADA, AssuranceLevel.CLAIMED)).ask(CANCEL, cancelling(), "k1")
    assert isinstance(answer.problem, IdentityInsufficient)
    assert (answer.problem.current, answer.problem.required) == (AssuranceLevel.CLAIMED, AssuranceLevel.VERIFIED)
    allowed = await shop.at(desk, customer(ADA, AssuranceLevel.CLAIMED)).ask(
        CANCEL, cancelling(), "k1", min_assurance=AssuranceLevel.CLAIMED
    )
    assert allowed.problem is None


async def test_another_customers_key_is_another_key(shop: World) -> None:
    desk = await shop.desk()
    first = await shop.at(desk, customer(ADA)).ask(CANCEL, cancelling(), "k1")
    second = await shop.at(desk, customer(CLEO)).ask(CANCEL, cancelling(OTHER_ORDER), "k1")
    assert (second.replayed, second.problem) == (False, None)
    assert first.action.id != second.action.id


async def test_a_replay_looks_again_whose_it_is(shop: World) -> None:
    desk = await shop.desk()
    ada = shop.at(desk, customer(ADA))
    assert (await ada.ask(CANCEL, cancelling(), "k1")).problem is None
    shop.shop.orders["1"]["email"] = CLEO
    assert isinstance((await ada.ask(CANCEL, cancelling(), "k1")).problem, NotFound)


async def test_only_staff_choose_how_an_order_is_cancelled(shop: World) -> None:
    desk = await shop.desk()
    choice: dict[str, Any] = {"reason": CancelReason.FRAUD, "restock": False, "notify_customer": False}
    await shop.at(desk, customer(ADA)).ask(CANCEL, cancelling(**choice), "k1")
    await shop.at(desk).ask(CANCEL, cancelling(OTHER_ORDER, **choice), "k1")
    assert [body for _, body in shop.shop.writes] == [
        {"reason": "CUSTOMER", "restock": True, "notify": True},
        {"reason": "FRAUD", "restock": False, "notify": False},
    ]


async def test_a_store_that_cannot_do_it_says_so_before_anything_is_asked(shop: World) -> None:
    desk = await shop.staff(adapter=CancelsOnly)
    answer = await desk.ask(RETURN, returning(), "k1")
    assert isinstance(answer.problem, Unsupported)
    assert answer.problem.capability.action is RETURN
    assert (shop.shop.reads, shop.shop.writes) == ([], [])


# ------------------------------------------------------------------------------------------------ what


def places(caught: pytest.ExceptionInfo[Invalid]) -> list[str]:
    assert all(issue.message for issue in caught.value.fields)
    return [".".join(issue.path) for issue in caught.value.fields]


def line(line_id: str = "OrderLine:shop:1:11", quantity: int = 1, note: str | None = None) -> ReturnLineInput:
    return ReturnLineInput(line_id=line_id, quantity=quantity, reason=ReturnReason.STYLE, note=note)


def of_lines(*lines: ReturnLineInput) -> ReturnOrderInput:
    return ReturnOrderInput(order_id="Order:shop:1", lines=list(lines))


END = ActionKind.CANCEL_SUBSCRIPTION


@pytest.mark.parametrize(
    ("kind", "given", "wrong"),
    [
        (CANCEL, CancelOrderInput(order_id=""), ["input.orderId"]),
        (CANCEL, CancelOrderInput(order_id="1001"), ["input.orderId"]),
        (CANCEL, CancelOrderInput(order_id="Product:shop:1"), ["input.orderId"]),
        (CANCEL, CancelOrderInput(order_id="Order:shop:1:2"), ["input.orderId"]),
        (CANCEL, CancelOrderInput(order_id="Order:nowhere:1"), ["input.orderId"]),
        (CANCEL, CancelOrderInput(order_id="Order:shop:1", note="n" * 1001), ["input.note"]),
        (CANCEL, CancelOrderInput(order_id="Order:shop:1", note="a\x00b"), ["input.note"]),
        (CANCEL, CancelOrderInput(order_id="Order:shop:1", note="half \ud83d"), ["input.note"]),
        (RETURN, of_lines(), ["input.lines"]),
        (RETURN, of_lines(*(line(f"OrderLine:shop:1:{n}") for n in range(101))), ["input.lines"]),
        (RETURN, of_lines(line(quantity=0)), ["input.lines.0.quantity"]),
        (RETURN, of_lines(line(), line("OrderLine:shop:1:12", -2)), ["input.lines.1.quantity"]),
        (RETURN, of_lines(line(quantity=2**31 - 1)), ["input.lines.0.quantity"]),
        (RETURN, of_lines(line(), line()), ["input.lines.1.lineId"]),
        (RETURN, of_lines(line("Order:shop:1")), ["input.lines.0.lineId"]),
        (RETURN, of_lines(line("nonsense")), ["input.lines.0.lineId"]),
        (RETURN, of_lines(line("OrderLine:other:1:11")), ["input.lines.0.lineId"]),
        (RETURN, of_lines(line(note="n" * 1001)), ["input.lines.0.note"]),
        (RETURN, of_lines(line("x", 0), line()), ["input.lines.0.lineId", "input.lines.0.quantity"]),
        (PAUSE, PauseSubscriptionInput(subscription_id="Order:shop:1"), ["input.subscriptionId"]),
        (END, CancelSubscriptionInput(subscription_id=SUBSCRIPTION, reason=" "), ["input.reason"]),
        (END, CancelSubscriptionInput(subscription_id=SUBSCRIPTION, reason="r" * 501), ["input.reason"]),
    ],
)
def test_what_cannot_be_right_is_named_at_its_place(kind: ActionKind, given: Any, wrong: list[str]) -> None:
    with pytest.raises(Invalid) as caught:
        check(kind, given, is_staff=True, stores={"shop"})
    assert places(caught) == wrong
    with pytest.raises(Invalid) as caught:
        check(kind, given, is_staff=True, stores={"shop"}, in_preview=True)
    assert all(issue.path[0] == "input" and issue.path[1] != "lines" for issue in caught.value.fields)


@pytest.mark.parametrize("key", [None, "", "  \t", "k" * 256])
def test_a_key_is_neither_empty_nor_endless(key: str | None) -> None:
    with pytest.raises(Invalid) as caught:
        check_key(key)
    assert places(caught) == ["idempotencyKey"]


def test_a_key_may_have_255_characters() -> None:
    assert check_key("k" * 255) == "k" * 255


def test_inputs_that_ask_for_the_same_are_equal_and_others_are_not() -> None:
    def text(**more: Any) -> str:
        return check(CANCEL, cancelling(**more), is_staff=True, stores={"shop"}).canonical()

    assert text() == text(reason=CancelReason.CUSTOMER)
    assert len({text(), text(note="x"), text(restock=False), text(order=OTHER_ORDER)}) == 4


@pytest.mark.parametrize(
    ("given", "path"),
    [
        (returning(line="99"), ["input", "lines", "0", "lineId"]),
        (returning(0), ["input", "lines", "0", "quantity"]),
        (
            ReturnOrderInput(order_id="Order:shop:1", lines=[line("OrderLine:shop:2:11")]),
            ["input", "lines", "0", "lineId"],
        ),
    ],
)
async def test_a_wrong_line_is_answered_and_its_key_stays_free(shop: World, given: Any, path: list[str]) -> None:
    desk = await shop.staff()
    answer = await desk.ask(RETURN, given, "k1")
    assert isinstance(answer.problem, InvalidInput)
    assert [issue.path for issue in answer.problem.fields] == [path]
    assert (await desk.ask(RETURN, returning(), "k1")).problem is None


async def test_the_end_of_a_pause_lies_ahead_but_a_replay_may_come_later(shop: World) -> None:
    desk = await shop.desk()
    today = shop.clock().date()
    for until in (today, today - timedelta(days=1), date(1, 1, 1)):
        answer = await shop.at(desk).ask(PAUSE, pausing(until), "k1")
        assert isinstance(answer.problem, InvalidInput)
        assert answer.problem.fields[0].path == ["input", "until"]
    assert shop.shop.reads == []
    assert (await shop.at(desk).ask(PAUSE, pausing(today + timedelta(days=3)), "k1")).problem is None
    shop.clock.advance(10 * 24 * 3600)
    again = await shop.at(desk).ask(PAUSE, pausing(today + timedelta(days=3)), "k1")
    assert (again.replayed, again.problem) == (True, None)


async def test_a_store_that_needs_the_end_of_a_pause_asks_for_it(shop: World) -> None:
    desk = await shop.staff(adapter=BareAdapter)
    answer = await desk.ask(PAUSE, pausing(), "k1")
    assert isinstance(answer.problem, InvalidInput)
    assert answer.problem.fields[0].path == ["input", "until"]


# ------------------------------------------------------------------------------------------------ previews, lists


async def test_a_preview_says_what_would_happen_and_does_nothing(shop: World) -> None:
    desk = await shop.desk()
    seen = await shop.at(desk, customer(ADA)).preview(RETURN, returning(2))
    assert seen.summary == "Return 2 × Linen Shirt of order 1001"
    assert (seen.decision.verdict, seen.problem) == (Verdict.ALLOW, None)
    assert seen.quote.total.amount == 80
    assert isinstance((await shop.at(desk, customer(CLEO)).preview(RETURN, returning())).problem, NotFound)
    wrong = (await shop.at(desk).preview(RETURN, returning(0))).problem
    assert wrong.fields[0].path == ["input", "returnOrder", "lines", "0", "quantity"]
    assert shop.shop.writes == []
    assert (await shop.at(desk).actions(None, 10)).nodes == []


@pytest.mark.parametrize(("verdict", "code"), [(Verdict.DENY, "POLICY_DENIED"), (Verdict.REVIEW, "APPROVAL_REQUIRED")])
async def test_a_preview_foresees_the_problem_of_the_action(shop: World, verdict: Verdict, code: str) -> None:
    shop.rules = always(verdict)
    desk = await shop.staff()
    assert (await desk.preview(RETURN, returning())).problem.code.value == code
    assert (await desk.ask(RETURN, returning(), "k1")).problem.code.value == code


async def test_staff_rules_are_withheld_from_customers_and_kept_in_the_record(shop: World) -> None:
    shop.rules = dataclasses.replace(always(Verdict.DENY), staff_only=True)
    desk = await shop.desk()
    answer = await shop.at(desk, customer(ADA)).ask(RETURN, returning(), "k1")
    told = [*answer.action.decision.reasons, *answer.problem.decision.reasons]
    assert {(reason.code.value, reason.rule) for reason in told} == {("OTHER", "withheld")}
    assert "final sale" not in answer.problem.customer_message
    staff = await shop.at(desk).ask(RETURN, returning(), "k2")
    assert "final sale" not in staff.problem.customer_message, "staff may say it as it stands"
    full = await shop.at(desk).action(answer.action.id)
    assert [reason.rule for reason in full.decision.reasons] == ["the-rule"]


async def test_counters_hold_what_is_done_waiting_and_under_way_for_90_days(shop: World) -> None:
    desk = await shop.desk()
    await shop.at(desk, customer(ADA)).ask(RETURN, returning(2), "k1")
    shop.rules.verdict = lambda asked, history: Verdict.REVIEW
    await shop.at(desk).ask(RETURN, returning(1, order="3"), "k2")
    shop.rules.verdict = lambda asked, history: Verdict.DENY
    await shop.at(desk).ask(CANCEL, cancelling(), "k3")
    found = await shop.at(desk).history([ADA, CLEO])
    assert found == {
        ADA: History(refund_total_90d={"EUR": 120}, refund_count_90d=2, return_count_90d=2),
        CLEO: History(),
    }
    known = await desk.outlook(["Order:shop:3", "Order:shop:1"], [], [ADA, CLEO], shop.clock())
    assert known.history == found
    assert known.active == {"Order:shop:3": (await shop.at(desk).actions(None, 10)).nodes[1].id}
    shop.clock.advance(91 * 24 * 3600)
    assert await shop.at(desk).history([ADA]) == {ADA: History()}


async def test_of_two_requests_of_one_customer_the_second_counts_the_first(shop: World) -> None:
    shop.rules.verdict = lambda asked, history: (
        Verdict.ALLOW if history.refund_total_90d.get("EUR", 0) < 40 else Verdict.REVIEW
    )
    shop.shop.delay = 0.2
    desks = [await shop.desk(), await shop.desk()]
    answers = await asyncio.gather(
        shop.at(desks[0]).ask(RETURN, returning(order="1"), "k1"),
        shop.at(desks[1]).ask(RETURN, returning(order="3"), "k2"),
        shop.at(desks[1]).ask(RETURN, returning(order="2"), "k3"),
    )
    states = [answer.action.state.value for answer in answers]
    assert sorted(states[:2]) == ["AWAITING_APPROVAL", "SUCCEEDED"]
    assert states[2] == "SUCCEEDED", "another customer's"


async def test_actions_are_listed_newest_first_in_pages_and_only_to_whom_they_concern(shop: World) -> None:
    desk = await shop.desk()
    for number, (order, kind) in enumerate([("1", RETURN), ("2", RETURN), ("3", RETURN), ("1", RETURN)]):
        await shop.at(desk).ask(kind, returning(order=order), f"k{number}")
    staff = shop.at(desk)
    everything = (await staff.actions(None, 10)).nodes
    assert [action.target_id[-1] for action in everything] == ["1", "3", "2", "1"]
    pages, after = [], None
    while True:
        page = await staff.actions(None, 3, after)
        pages.append([action.id for action in page.nodes])
        after = page.page_info.end_cursor
        if not page.page_info.has_next_page:
            break
    assert [len(page) for page in pages] == [3, 1]
    assert [id for page in pages for id in page] == [action.id for action in everything]
    ada = shop.at(desk, customer(ADA))
    assert [action.target_id[-1] for action in (await ada.actions(None, 10)).nodes] == ["1", "3", "1"]
    assert await ada.action(everything[2].id) is None
    assert (await ada.action(everything[0].id)).id == everything[0].id
    keyless = dataclasses.replace(STAFF, assurance=AssuranceLevel.VERIFIED, client="another")
    assert (await shop.at(desk, keyless).actions(None, 10)).nodes == []
    of_target = await staff.actions(ActionFilter(target_id="Order:shop:1", kind=[RETURN]), 10)
    assert len(of_target.nodes) == 2
    assert (await staff.actions(ActionFilter(state=[ActionState.DENIED]), 10)).nodes == []
    assert (await staff.actions(ActionFilter(requested_after=shop.clock()), 10)).nodes == []


async def test_a_customer_hears_that_the_staff_asked_and_not_who(shop: World) -> None:
    desk = await shop.desk()
    asked = await shop.at(desk).ask(CANCEL, cancelling(), "k1")
    hers = await shop.at(desk, customer(ADA)).action(asked.action.id)
    assert (hers.requested_by.kind, hers.requested_by.name) == (ActorKind.STAFF, "staff")
    assert (await shop.at(desk).action(asked.action.id)).requested_by.name == "Sam"


async def test_an_action_whose_names_another_secret_sealed_is_listed_without_them(shop: World) -> None:
    desk = await shop.desk()
    desk.decider = always(Verdict.REVIEW)
    id = (await shop.at(desk, customer(ADA)).ask(CANCEL, cancelling(), "k1")).action.id
    assert (await shop.at(desk, LEE).approve(id, "She called.")).action.note == "She called."
    later = await shop.desk(secret="another secret of thirty-two characters")
    (found,) = (await shop.at(later).actions(None, 10)).nodes
    assert (found.id, found.state) == (id, ActionState.SUCCEEDED)
    assert (found.requested_by.kind, found.requested_by.name) == (ActorKind.SYSTEM, "")
    assert (found.approved_by, found.note) == (None, None)


@pytest.mark.parametrize("cursor", ["x", "!!!", "MjAyNg", "MjAyNi0wMS0wMXxh"])
async def test_a_strange_cursor_is_refused(shop: World, cursor: str) -> None:
    with pytest.raises(ValueError, match="cursor"):
        await (await shop.staff()).actions(None, 10, cursor)


async def test_what_was_asked_for_is_told_with_lines_read_fresh_in_one_call(shop: World) -> None:
    desk = await shop.desk()
    for order in ("1", "2", "3"):
        await shop.at(desk).ask(RETURN, returning(2, order=order), order)
    viewer = shop.at(desk)
    actions = (await viewer.actions(None, 10)).nodes
    shop.shop.reads.clear()
    found = await asyncio.gather(*(viewer.request_of(action) for action in actions))
    assert shop.shop.reads == ["/orders"]
    assert [(one.lines[0].line.title, one.lines[0].quantity) for one in found] == [("Linen Shirt", 2)] * 3
    later = shop.at(desk)
    again = await later.ask(RETURN, returning(2, order="1"), "1")
    assert (await later.request_of(again.action)).lines[0].line is again.order.lines[0]
    assert shop.shop.reads == ["/orders"] * 2, "the payload's own read serves"
    ended = await viewer.ask(ActionKind.CANCEL_SUBSCRIPTION, ending("moving"), "k9")
    assert (await viewer.request_of(ended.action)).reason == "moving"


async def test_the_ledger_holds_no_address_and_no_name(shop: World) -> None:
    desk = await shop.desk()
    await shop.at(desk, customer(ADA)).ask(CANCEL, cancelling(), "k1")
    kept = await everything(desk.ledger)
    assert "CANCEL_ORDER" in kept
    assert "ada@" not in kept
    action = (await (await shop.staff()).actions(None, 1)).nodes[0]
    assert action.requested_by.name == ADA
