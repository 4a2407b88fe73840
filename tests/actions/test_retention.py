"""What is left of a person: nothing that names them, and everything by which a key answers and money is counted."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select

from actions.caller import Caller
from actions.ledger import Ledger, Record
from actions.privacy import Privacy
from actions.recorded import decision_of, recorded_lines
from actions.retention import Forgotten, Retention, forget, retain
from actions.shaping import actor_of, seal_actor
from actions.tables import held_return_lines, held_return_moves, held_returns, pauses
from schema.actions import Actor, Viewer
from schema.emails import Email, canonical_email
from schema.vocabulary import ActionKind, ActionState, ActorKind, AssuranceLevel, ConflictKind, Verdict
from tests.actions.shop import World, always, customer, everything, returning
from tests.actions.test_ledger import NOW, put, record

PRIVACY = Privacy("a secret of at least thirty-two characters")
ADA, CLEO, SAM = (canonical_email(f"{name}@example.com") for name in ("ada", "cleo", "sam"))
BOT = Actor(kind=ActorKind.BOT, name="chatbot")
STAFF = Actor(kind=ActorKind.STAFF, name=SAM)
WORDS = "please, I am Ada Lovelace"
OLD = NOW - timedelta(days=400)


@pytest.fixture
async def ledger(address: str) -> AsyncIterator[Ledger]:
    made = Ledger(address)
    await made.open()
    yield made
    await made.close()


def owner(email: Email) -> str:
    return PRIVACY.hash("customer", email)


def sealed(actor: Actor, on_behalf_of: Email | None = None) -> str:
    return seal_actor(replace(actor, on_behalf_of=on_behalf_of), PRIVACY)


async def ended(
    ledger: Ledger, number: int, *, of: Email | None = ADA, by: str | None = None, at: datetime = OLD, **values: Any
) -> Record:
    """A return of somebody's that was approved by Sam and has succeeded."""
    by = sealed(BOT, of) if by is None else by
    new = replace(
        record(ActionState.AWAITING_APPROVAL, f"Order:shop:{number}", f"k{number}"),
        kind=ActionKind.RETURN_ORDER,
        owner_hash=owner(of) if of else None,
        requested_at=at,
        actor=by,
        askers=["x"],
        request={
            "asked": {"lines": [{"note": WORDS}]},
            "asker": {"kind": "BOT"},
            "note": WORDS,
            "reason": WORDS,
            "resolution": "REFUND",
            "refunds_before": ["r1"],
            "lines": [
                {
                    "id": "OrderLine:shop:1:11",
                    "native": "11",
                    "quantity": 1,
                    "reason": "STYLE",
                    "condition": None,
                    "note": WORDS,
                    "restocking_percent": "10",
                }
            ],
        },
        facts={"customer.segments": [WORDS]},
        decision={
            "verdict": "REVIEW",
            "reasons": [
                {
                    "code": "AMOUNT_OVER_LIMIT",
                    "rule": "cap",
                    "customer_message": WORDS,
                    "line": None,
                    "facts": [{"name": "x", "value": WORDS, "basis": None, "known": True, "estimated": False}],
                    "internal": WORDS,
                    "staff_only": True,
                }
            ],
            "policy": {"name": "acme", "digest": "d1"},
            "decided_at": at.isoformat(),
            "conditions": [{"kind": "OTHER", "text": WORDS, "amount": None, "percent": None, "line": None}],
            "alternatives": [],
            "allowed_until": None,
            "shadow": [],
            "approver": "support-lead",
            "expires_hours": None,
        },
        quote={"total": {"amount": "40.00", "currency": "EUR"}},
        amount="40.00",
        currency="EUR",
        note=WORDS,
    )
    new = replace(new, **values)
    await put(ledger, new, by=by)
    running = await ledger.move(
        new,
        ActionState.RUNNING,
        at=at,
        by=sealed(STAFF),
        approver=sealed(STAFF),
        approval_note=PRIVACY.seal(WORDS),
    )
    return await ledger.move(running, ActionState.SUCCEEDED, at=at, by=sealed(BOT), reference="ret1")


async def refetched(ledger: Ledger, old: Record) -> Record:
    found = await ledger.by_id(old.id)
    assert found is not None
    return found


def is_a_tombstone(left: Record, old: Record) -> None:
    assert left.forgotten_at == NOW
    for name in (
        *("id", "kind", "state", "key_hash", "input_hash", "store", "target", "client", "requested_at", "finished_at"),
        *("quote", "amount", "currency", "reference", "policy"),
    ):
        assert getattr(left, name) == getattr(old, name), name
    assert (left.facts, left.askers, left.note, left.approval_note) == (None, None, None, None)
    assert (left.request["refunds_before"], left.request["resolution"]) == (["r1"], "REFUND")
    assert [(line.native, line.quantity, line.note) for line in recorded_lines(left)] == [("11", 1, None)]
    decision = decision_of(left.decision or {}, {})
    assert [(reason.code.value, reason.rule) for reason in decision.reasons] == [("AMOUNT_OVER_LIMIT", "cap")]


async def test_after_its_days_a_finished_action_names_nobody_and_its_key_still_answers(ledger: Ledger) -> None:
    old = await ended(ledger, 1)
    young = await ended(ledger, 2, at=NOW - timedelta(days=10))
    waiting = replace(record(ActionState.AWAITING_APPROVAL, "Order:shop:3", "k3"), requested_at=OLD, note=WORDS)
    await put(ledger, waiting)
    told: list[tuple[int, int | None]] = []
    count = await retain(ledger, PRIVACY, days=365, now=NOW, progress=lambda *so_far: told.append(so_far))
    assert (count, told) == (1, [(0, 1), (1, 1)])
    left, _ = await ledger.standing("k1", "Order:shop:1")
    assert left is not None
    is_a_tombstone(left, old)
    assert (left.owner_hash, left.summary, left.approver) == (None, "", None)
    assert actor_of(left.actor, PRIVACY) == Actor(kind=ActorKind.BOT, name="")
    steps = (await ledger.steps([old.id]))[old.id]
    assert [(step.after.value, step.at, step.by) for step in steps] == [
        ("AWAITING_APPROVAL", NOW, ""),
        ("RUNNING", OLD, ""),
        ("SUCCEEDED", OLD, ""),
    ]
    assert await refetched(ledger, young) == young
    assert await refetched(ledger, waiting) == waiting
    assert await retain(ledger, PRIVACY, days=365, now=NOW) == 0


async def test_a_tombstone_counts_for_its_customer_until_ninety_days_have_passed(ledger: Ledger) -> None:
    old = await ended(ledger, 1, at=NOW - timedelta(days=40))
    before = await ledger.history([owner(ADA)], NOW)
    assert await retain(ledger, PRIVACY, days=30, now=NOW) == 1
    assert await ledger.history([owner(ADA)], NOW) == before
    assert before[owner(ADA)].return_count_90d == 1
    later = NOW + timedelta(days=50)
    assert await retain(ledger, PRIVACY, days=30, now=later) == 0
    left = await refetched(ledger, old)
    assert (left.owner_hash, left.forgotten_at) == (None, NOW)


async def test_a_refusal_of_the_store_keeps_its_code_and_loses_its_words(ledger: Ledger) -> None:
    new = replace(record(target="Order:shop:5", key="k5"), requested_at=OLD)
    await put(ledger, new)
    native = [{"message": f"{ADA} may not", "code": None, "field": None, "http_status": 422}]
    problem = {"code": "PLATFORM_REFUSED", "message": ADA, "retryable": False, "retry_after": None, "native": native}
    await ledger.move(new, ActionState.FAILED, at=OLD, by="", problem=problem)
    await retain(ledger, PRIVACY, days=1, now=NOW)
    left = await refetched(ledger, new)
    assert left.problem == problem | {"message": "", "native": []}


@pytest.mark.parametrize("forgets", [False, True], ids=["after its days", "after its person was forgotten"])
@pytest.mark.parametrize("verdict", [Verdict.ALLOW, Verdict.DENY])
async def test_who_asks_again_with_an_old_key_hears_what_came_of_it_and_nothing_is_done(
    shop: World, forgets: bool, verdict: Verdict
) -> None:
    shop.rules = always(verdict)
    desk = await shop.desk()
    viewer = customer(ADA)
    first = await shop.at(desk, viewer).ask(ActionKind.RETURN_ORDER, returning(), "k1")
    done = len(shop.shop.writes)
    if forgets:
        assert (await forget(desk.ledger, desk.privacy, ADA, now=shop.clock())).actions == 1
    else:
        assert await retain(desk.ledger, desk.privacy, days=100, now=shop.clock() + timedelta(days=101)) == 1
    again = await shop.at(desk, viewer).ask(ActionKind.RETURN_ORDER, returning(), "k1")
    assert (again.replayed, again.action.id, again.action.state) == (True, first.action.id, first.action.state)
    assert type(again.problem) is type(first.problem)
    other = await shop.at(desk, viewer).ask(ActionKind.RETURN_ORDER, returning(2), "k1")
    assert other.problem.kind is ConflictKind.KEY_REUSED_WITH_DIFFERENT_INPUT
    (listed,) = (await shop.at(desk).actions(None, 10)).nodes
    asked = await shop.at(desk).request_of(listed)
    assert [(line.line.title, line.quantity, line.note) for line in asked.lines] == [("Linen Shirt", 1, None)]
    assert listed.requested_by.on_behalf_of is None
    assert len(shop.shop.writes) == done


async def test_many_old_actions_are_retired_a_page_at_a_time(ledger: Ledger) -> None:
    for number in range(105):
        new = replace(record(ActionState.DENIED, f"Order:shop:{number}"), requested_at=OLD, finished_at=OLD)
        await put(ledger, new)
    told: list[tuple[int, int | None]] = []
    assert await retain(ledger, PRIVACY, days=30, now=NOW, progress=lambda *so_far: told.append(so_far)) == 105
    assert told == [(0, 105), (100, 105), (105, 105)]


async def test_in_the_background_old_actions_are_retired_by_themselves(ledger: Ledger) -> None:
    old = await ended(ledger, 1)
    retention = Retention(ledger, PRIVACY, 30, lambda: NOW, every=0.1)
    await retention.start()
    for _ in range(500):
        if (await refetched(ledger, old)).forgotten_at is not None:
            break
        await asyncio.sleep(0.02)
    await retention.stop()
    is_a_tombstone(await refetched(ledger, old), old)


async def test_a_person_is_forgotten_everywhere_and_others_are_not(ledger: Ledger) -> None:
    theirs = await ended(ledger, 1, summary="Return 1 × Linen Shirt of order 1001")
    titled = await ended(ledger, 2, summary="Return 1 × Mug for ada@example.com of order 1002")
    asked_for = await ended(ledger, 3, of=None, by=sealed(BOT, ADA))
    cleos = await ended(ledger, 4, of=CLEO)
    for old in (theirs, cleos):
        async with ledger.writing() as connection:
            held = {"store": "shop", "order": "1", "status": "APPROVED", "resolution": "REFUND", "fees": []}
            await connection.execute(held_returns.insert().values(action=old.id, requested_at=OLD, **held))
            await connection.execute(
                held_return_lines.insert().values(action=old.id, line="11", quantity=1, reason="STYLE", note=WORDS)
            )
            for by in (sealed(BOT, ADA), sealed(STAFF)):
                await connection.execute(
                    held_return_moves.insert().values(action=old.id, after="RECEIVED", at=OLD, by=by)
                )
            for native, until in (("9", date(2026, 1, 1)), ("10", date(2030, 1, 1))):
                await connection.execute(
                    pauses.insert().values(store=old.id[:20], subscription=native, action=old.id, until=until)
                )
    told: list[tuple[int, int | None]] = []
    found = await forget(ledger, PRIVACY, ADA, now=NOW, progress=lambda *so_far: told.append(so_far))
    # Four moves of hers as the one asked for, and the first change of each of three actions.
    assert found == Forgotten(actions=3, mentions=5, unfinished=0, sealed_otherwise=0)
    assert (told[0], told[-1]) == ((0, 20), (20, 20))
    for old in (theirs, titled, asked_for):
        left = await refetched(ledger, old)
        is_a_tombstone(left, old)
        assert left.owner_hash is None
        assert actor_of(left.actor, PRIVACY) == BOT
        assert actor_of(left.approver or "", PRIVACY) == STAFF
        assert [step.by for step in (await ledger.steps([old.id]))[old.id]] == ["", sealed(STAFF), sealed(BOT)]
    assert (await refetched(ledger, theirs)).summary == "Return 1 × Linen Shirt of order 1001"
    assert (await refetched(ledger, titled)).summary == ""
    assert await refetched(ledger, cleos) == cleos
    async with ledger.reading() as connection:
        lines = {row.action: row.note for row in await connection.execute(select(held_return_lines))}
        assert lines == {theirs.id: None, cleos.id: WORDS}
        moves = [(row.action, row.by) for row in await connection.execute(select(held_return_moves))]
        assert sorted(moves) == sorted(
            [(theirs.id, ""), (theirs.id, sealed(STAFF)), (cleos.id, ""), (cleos.id, sealed(STAFF))]
        )
        left = sorted((row.action, row.subscription) for row in await connection.execute(select(pauses)))
        assert left == sorted([(theirs.id, "10"), (cleos.id, "9"), (cleos.id, "10")])
    assert (await ledger.history([owner(ADA)], NOW))[owner(ADA)].return_count_90d == 0
    kept = await everything(ledger)
    assert owner(ADA) not in kept
    assert sealed(BOT, ADA) not in kept
    assert await forget(ledger, PRIVACY, ADA, now=NOW) == Forgotten()


async def test_what_is_unfinished_is_forgotten_only_after_its_end(ledger: Ledger) -> None:
    by = sealed(BOT, ADA)
    waiting = replace(record(ActionState.AWAITING_APPROVAL, "Order:shop:1", "k1"), owner_hash=owner(ADA), actor=by)
    running = replace(record(target="Order:shop:2", key="k2"), actor=by, owner_hash=None)
    for one in (waiting, running):
        await put(ledger, one, by=by)
    assert await forget(ledger, PRIVACY, ADA, now=NOW) == Forgotten(unfinished=2)
    assert await refetched(ledger, waiting) == waiting
    await ledger.move(waiting, ActionState.EXPIRED, at=NOW, by="")
    await ledger.move(running, ActionState.FAILED, at=NOW, by="")
    assert await forget(ledger, PRIVACY, ADA, now=NOW) == Forgotten(actions=2, mentions=2)
    assert (await refetched(ledger, waiting)).forgotten_at == NOW


async def test_a_person_of_the_staff_is_forgotten_as_the_one_who_agreed(ledger: Ledger) -> None:
    old = await ended(ledger, 1)
    assert await forget(ledger, PRIVACY, SAM, now=NOW) == Forgotten(mentions=2)
    left = await refetched(ledger, old)
    assert left == replace(old, approver=None, approval_note=None)
    assert [step.by for step in (await ledger.steps([old.id]))[old.id]] == [sealed(BOT, ADA), "", sealed(BOT)]


async def test_who_stood_behind_a_bot_is_forgotten_as_that_too(ledger: Ledger) -> None:
    """Sam is named by a hash alone, among those who may not approve what their bot asks for."""
    sam = Caller.of(Viewer(actor=BOT, assurance=AssuranceLevel.VERIFIED, client="bot", person=SAM), NOW, "en")
    askers = sorted(sam.faces(PRIVACY))
    old = await ended(ledger, 1, of=CLEO, askers=askers)
    waiting = replace(record(ActionState.AWAITING_APPROVAL, "Order:shop:2", "k2"), askers=askers)
    await put(ledger, waiting)
    await forget(ledger, PRIVACY, SAM, now=NOW)
    assert (await refetched(ledger, old)).askers is None
    assert (await refetched(ledger, waiting)).askers == askers, "it still keeps Sam from approving it"
    await ledger.move(waiting, ActionState.EXPIRED, at=NOW, by="")
    await forget(ledger, PRIVACY, SAM, now=NOW)
    kept = await everything(ledger)
    assert [face for face in askers if face in kept] == []


async def test_names_that_another_secret_sealed_are_counted_and_left(ledger: Ledger) -> None:
    other = Privacy("another secret of thirty-two characters")
    by = other.seal(json.dumps({"kind": "BOT", "name": "b", "on_behalf_of": ADA}))
    old = await ended(ledger, 1, of=CLEO, by=by)
    found = await forget(ledger, PRIVACY, ADA, now=NOW)
    assert found == Forgotten(sealed_otherwise=2)
    assert await refetched(ledger, old) == old
    assert await retain(ledger, PRIVACY, days=30, now=NOW) == 1
    assert actor_of((await refetched(ledger, old)).actor, PRIVACY).kind is ActorKind.SYSTEM
