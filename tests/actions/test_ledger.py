"""What the ledger lets in, whoever writes: legal moves only, one active action on a target, and the past stays."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from actions.databases import UnknownDatabase
from actions.ledger import (
    Busy,
    Ledger,
    LedgerTooNew,
    Listing,
    LostRace,
    Moved,
    Record,
    Recorded,
    SameKey,
    new_id,
)
from actions.privacy import Privacy, Unsealable
from actions.states import ACTIVE, EDGES, FINAL, FIRST, IllegalMove
from actions.tables import VERSION, actions, held_return_moves, held_returns, layout
from policies.asked import History
from schema.vocabulary import ActionKind, ActionState

NOW = datetime(2026, 11, 23, 10, 0, tzinfo=UTC)
RUNNING, DENIED = ActionState.RUNNING, ActionState.DENIED


def record(state: ActionState = RUNNING, target: str = "Order:shop:1", key: str | None = None) -> Record:
    return Record(
        id=new_id(),
        kind=ActionKind.CANCEL_ORDER,
        state=state,
        store="shop",
        target=target,
        client="desk",
        key_hash=key,
        input_hash="i",
        request={},
        summary="Cancel order 1001",
        actor="",
        requested_at=NOW,
    )


async def put(ledger: Ledger, new: Record, seen: int | None = None, by: str = "") -> object:
    return await ledger.record(
        target=new.target,
        key_hash=new.key_hash,
        owner_hash=new.owner_hash,
        seen=await ledger.seen(new.target) if seen is None else seen,
        now=NOW,
        by=by,
        decide=lambda history: new,
    )


@pytest.fixture
async def ledger(address: str) -> object:
    made = Ledger(address)
    await made.open()
    yield made
    await made.close()


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(path=st.lists(st.sampled_from(ActionState), min_size=1, max_size=7))
def test_only_legal_moves_are_ever_stored(address: str, path: list[ActionState]) -> None:
    async def walk() -> None:
        target = f"Order:shop:{new_id()}"
        ledger = Ledger(address)
        await ledger.open()
        try:
            stored: list[ActionState] = []
            now: Record | None = None
            for after in path:
                try:
                    if now is None:
                        standing = await put(ledger, record(after, target))
                        assert isinstance(standing, Recorded)
                        now = standing.record
                    else:
                        now = await ledger.move(now, after, at=NOW, by="")
                    stored.append(after)
                    legal = True
                except IllegalMove:
                    legal = False
                before = stored[-1] if not legal and stored else stored[-2] if len(stored) > 1 else None
                assert legal == (after in (FIRST if before is None else EDGES[before]))
            if now is not None:
                assert [step for _, step, _ in await ledger.path(now.id)] == stored
                found = await ledger.by_id(now.id)
                assert found is not None
                assert found.state is stored[-1]
                assert (found.finished_at is not None) == (found.state in FINAL and len(stored) > 1)
        finally:
            await ledger.close()

    asyncio.run(walk())


def way_to(state: ActionState) -> list[ActionState]:
    """The shortest legal way on which an action comes to a state."""
    ways = [[first] for first in sorted(FIRST, key=lambda one: one.value)]
    while True:
        for way in ways:
            if way[-1] is state:
                return way
        ways = [[*way, after] for way in ways for after in sorted(EDGES[way[-1]], key=lambda one: one.value)]


@pytest.mark.parametrize("before", ActionState, ids=lambda state: state.value)
async def test_the_database_itself_refuses_what_is_not_legal(ledger: Ledger, before: ActionState) -> None:
    first, *others = way_to(before)
    new = record(first)
    await put(ledger, new)
    for after in others:
        new = await ledger.move(new, after, at=NOW, by="")
    for after in ActionState:
        if after in EDGES[before]:
            continue
        with pytest.raises(IntegrityError, match="no action makes this move"):
            async with ledger.writing() as connection:
                await connection.execute(text("UPDATE actions SET state = :after"), {"after": after.value})
    with pytest.raises(IntegrityError, match=r"CHECK|no action|actions_state"):
        async with ledger.writing() as connection:
            await connection.execute(text("UPDATE actions SET state = 'DONE'"))
    found = await ledger.by_id(new.id)
    assert found is not None
    assert found.state is before


@pytest.mark.parametrize("before", ActionState, ids=lambda state: state.value)
async def test_the_database_itself_lets_every_legal_move_through(ledger: Ledger, before: ActionState) -> None:
    for number, after in enumerate(sorted(EDGES[before], key=lambda one: one.value)):
        first, *others = way_to(before)
        new = record(first, f"Order:shop:{number}")
        await put(ledger, new)
        for step in (*others, after):
            new = await ledger.move(new, step, at=NOW, by="")
        assert [step for _, step, _ in await ledger.path(new.id)] == [*way_to(before), after]


async def test_no_action_can_be_taken_out_of_the_ledger(ledger: Ledger) -> None:
    new = record()
    await put(ledger, new)
    with pytest.raises(IntegrityError, match=r"(?i)foreign key"):
        async with ledger.writing() as connection:
            await connection.execute(text("DELETE FROM actions"))
    assert await ledger.by_id(new.id) == new


@pytest.mark.parametrize("state", sorted(set(ActionState) - FIRST, key=lambda state: state.value))
async def test_the_database_itself_refuses_an_action_that_begins_elsewhere(ledger: Ledger, state: ActionState) -> None:
    with pytest.raises(IntegrityError, match="no action begins so"):
        async with ledger.writing() as connection:
            await connection.execute(actions.insert().values(**record(state).values()))


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM transitions",
        "UPDATE transitions SET after = 'FAILED'",
        "UPDATE transitions SET before = 'RUNNING'",
        "UPDATE transitions SET at = '2026-01-01'",
        "UPDATE transitions SET id = id + 1",
        "UPDATE transitions SET \"by\" = 'another'",
        "UPDATE transitions SET \"by\" = '', after = 'FAILED'",
        "DELETE FROM held_return_moves",
        "UPDATE held_return_moves SET after = 'CLOSED'",
        "UPDATE held_return_moves SET \"by\" = 'another'",
    ],
)
async def test_what_has_happened_stays_written(ledger: Ledger, statement: str) -> None:
    new = record()
    await put(ledger, new)
    async with ledger.writing() as connection:
        held = {"store": "shop", "order": "1", "status": "APPROVED", "resolution": "REFUND", "fees": []}
        await connection.execute(held_returns.insert().values(action=new.id, requested_at=NOW, **held))
        await connection.execute(held_return_moves.insert().values(action=new.id, after="RECEIVED", at=NOW, by="who"))
    with pytest.raises(IntegrityError, match="only added"):
        async with ledger.writing() as connection:
            await connection.execute(text(statement))


async def test_the_name_of_who_made_a_change_can_be_taken_out(ledger: Ledger) -> None:
    new = record()
    await put(ledger, new)
    async with ledger.writing() as connection:
        await connection.execute(text("UPDATE transitions SET \"by\" = ''"))
    assert [(step.after, step.by) for step in (await ledger.steps([new.id]))[new.id]] == [(RUNNING, "")]


async def test_an_active_action_keeps_others_off_its_target(ledger: Ledger) -> None:
    first = record()
    assert await put(ledger, first) == Recorded(first)
    assert isinstance(await put(ledger, record()), Busy)
    assert isinstance(await put(ledger, record(target="Order:shop:2")), Recorded)
    with pytest.raises(IntegrityError, match=r"UNIQUE|actions_one_active_on_a_target"):
        async with ledger.writing() as connection:
            await connection.execute(actions.insert().values(**record().values()))
    assert {state.value for state in ACTIVE} == {"RUNNING", "PENDING", "UNKNOWN", "AWAITING_APPROVAL"}


async def test_a_key_is_used_once(ledger: Ledger) -> None:
    first = record(DENIED, key="k")
    await put(ledger, first)
    assert await put(ledger, record(DENIED, key="k")) == SameKey((await ledger.standing("k", "Order:shop:1"))[0])
    assert isinstance(await put(ledger, record(DENIED)), Recorded)
    assert isinstance(await put(ledger, record(DENIED)), Recorded)


async def test_facts_older_than_the_last_move_on_the_target_do_not_count(ledger: Ledger) -> None:
    seen = await ledger.seen("Order:shop:1")
    await put(ledger, record(DENIED))
    assert isinstance(await put(ledger, record(), seen), Moved)
    assert isinstance(await put(ledger, record(target="Order:shop:2"), seen), Recorded)


async def test_a_move_from_a_state_it_is_not_in_changes_nothing(ledger: Ledger) -> None:
    first = record()
    await put(ledger, first)
    await ledger.move(first, ActionState.FAILED, at=NOW, by="")
    with pytest.raises(LostRace):
        await ledger.move(first, ActionState.SUCCEEDED, at=NOW, by="")
    assert [after for _, after, _ in await ledger.path(first.id)] == [RUNNING, ActionState.FAILED]


async def test_of_many_who_finish_an_action_one_does(ledger: Ledger) -> None:
    first = record()
    await put(ledger, first)
    tries = await asyncio.gather(
        *(ledger.move(first, ActionState.SUCCEEDED, at=NOW, by="") for _ in range(10)), return_exceptions=True
    )
    assert sum(isinstance(one, Record) for one in tries) == 1
    assert sum(isinstance(one, LostRace) for one in tries) == 9


async def test_a_change_and_what_belongs_to_it_happen_together_or_not_at_all(ledger: Ledger) -> None:
    first = record()
    await put(ledger, first)

    async def breaks(connection: object) -> None:
        raise RuntimeError("no")

    with pytest.raises(RuntimeError):
        await ledger.move(first, ActionState.SUCCEEDED, at=NOW, by="", also=breaks)
    found = await ledger.by_id(first.id)
    assert found is not None
    assert found.state is RUNNING
    assert len(await ledger.path(first.id)) == 1


async def test_instants_come_back_aware_and_a_naive_one_is_refused(ledger: Ledger) -> None:
    first = record()
    await put(ledger, first)
    found = await ledger.by_id(first.id)
    assert found is not None
    assert found.requested_at == NOW
    assert found.requested_at.tzinfo is not None
    with pytest.raises(Exception, match="zone"):
        await ledger.newest(Listing(requested_after=datetime(2026, 1, 1)), 1)
    assert await ledger.newest(Listing(requested_after=NOW + timedelta(seconds=1)), 1) == []


async def test_an_unknown_customer_has_counted_nothing(ledger: Ledger) -> None:
    assert await ledger.history(["h"], NOW) == {"h": History()}
    assert await ledger.history([], NOW) == {}


async def test_a_ledger_of_a_newer_gateway_is_left_alone(ledger: Ledger, address: str) -> None:
    await ledger.ping()
    async with ledger.writing() as connection:
        await connection.execute(layout.insert().values(version=VERSION + 1))
    with pytest.raises(LedgerTooNew):
        await Ledger(address).open()


async def test_the_file_is_written_ahead_and_checks_references(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger.db")
    await ledger.open()
    async with ledger.reading() as connection:
        assert (await connection.execute(text("PRAGMA journal_mode"))).scalar() == "wal"
        assert (await connection.execute(text("PRAGMA foreign_keys"))).scalar() == 1
        assert (await connection.execute(text("PRAGMA synchronous"))).scalar() == 2
        assert ((await connection.execute(text("PRAGMA busy_timeout"))).scalar() or 0) >= 5000
    await ledger.close()


@pytest.mark.parametrize(
    "where",
    [
        "",
        ":memory:",
        "sqlite://",
        "sqlite:///",
        "sqlite:///:memory:",
        "mysql://aftersale:hunter2@localhost/ledger",
        "postgresql://aftersale:hunter2@localhost",
        "postgresql://aftersale:hunter2@localhost:port/ledger",
        "postgresql://aftersale:hunter2#@localhost/ledger",
        "postgresql://aftersale:hunter2/@localhost/ledger",
    ],
)
def test_only_a_file_or_a_server_can_hold_the_ledger(where: str) -> None:
    with pytest.raises(UnknownDatabase) as refused:
        Ledger(where)
    assert "hunter2" not in str(refused.value)


async def test_the_file_is_named_by_path_or_address(tmp_path: Path) -> None:
    for where in (tmp_path / "a.db", f"sqlite:///{tmp_path}/b.db", f"sqlite+aiosqlite:///{tmp_path}/c.db"):
        ledger = Ledger(where)
        await ledger.open()
        await ledger.close()
    assert sorted(name for name in os.listdir(tmp_path) if name.endswith(".db")) == ["a.db", "b.db", "c.db"]


def test_what_is_sealed_opens_with_the_same_secret_only() -> None:
    one, other = Privacy("a" * 32), Privacy(b"b" * 32)
    assert one.unseal(one.seal("Ada")) == "Ada"
    assert Privacy(b"a" * 32).unseal(one.seal("Ada")) == "Ada"
    for broken in (one.seal("Ada"), "Ada", "!"):
        with pytest.raises(Unsealable):
            other.unseal(broken)
    assert one.hash("key", "x") != one.hash("customer", "x") != other.hash("customer", "x")


def test_a_ledger_opens_and_closes_without_a_warning(address: str) -> None:
    program = """
import asyncio, gc, sys
from actions.ledger import Ledger
async def use():
    ledger = Ledger(sys.argv[1])
    await ledger.open()
    await asyncio.gather(*(ledger.ping() for _ in range(8)))
    await ledger.close()
asyncio.run(use())
gc.collect()
"""
    command = [sys.executable, "-W", "error", "-c", program, address]
    run = subprocess.run(command, cwd=Path(__file__).parents[2], capture_output=True, text=True, check=False)
    assert (run.returncode, run.stdout, run.stderr) == (0, "", "")


async def test_one_look_tells_what_is_under_way_on_targets_what_pays_back_and_what_customers_had(
    ledger: Ledger,
) -> None:
    paths = [
        (ActionState.AWAITING_APPROVAL,),
        (RUNNING,),
        (RUNNING, ActionState.UNKNOWN),
        (RUNNING, ActionState.SUCCEEDED),
        (RUNNING, ActionState.FAILED),
        (DENIED,),
    ]
    targets = []
    for kind in (ActionKind.CANCEL_ORDER, ActionKind.REFUND_ORDER, ActionKind.RETURN_ORDER):
        for path in paths:
            target = f"Order:shop:{len(targets)}"
            targets.append(target)
            made = replace(
                record(path[0], target), kind=kind, owner_hash=f"h{len(targets) % 2}", amount="5", currency="EUR"
            )
            await put(ledger, made)
            for after in path[1:]:
                made = await ledger.move(made, after, at=NOW, by="")
    found = await ledger.outlook(targets, ["h0", "h1"], NOW)
    assert {one.state for one in found.active.values()} == {RUNNING, ActionState.UNKNOWN, ActionState.AWAITING_APPROVAL}
    assert len(found.active) == 9
    assert found.active == await ledger.active_on(targets)
    assert [(one.kind, one.state) for one in sorted(found.paying, key=lambda one: int(one.target.split(":")[2]))] == [
        (kind, path[-1]) for kind in (ActionKind.CANCEL_ORDER, ActionKind.REFUND_ORDER) for path in paths[1:4]
    ]
    assert {one.id for one in found.paying} == {one.id for one in await ledger.paying_back(targets)}
    assert found.history == await ledger.history(["h0", "h1"], NOW)
    assert sum(one.refund_count_90d for one in found.history.values()) == 12
    some = await ledger.outlook(targets[:1], [], NOW)
    assert (list(some.active), some.paying, some.history) == (targets[:1], [], {})
    none = await ledger.outlook([], ["h0"], NOW)
    assert (none.active, none.paying, none.history["h0"]) == ({}, [], found.history["h0"])
