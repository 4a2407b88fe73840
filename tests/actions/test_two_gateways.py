"""Several gateways on one ledger: what one leaves another takes over, once, and no limit is passed by asking twice."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from actions.lease import Lease, LeaseLost, take
from actions.ledger import Busy, Ledger, LostRace, Moved, Record, Recorded, SameKey
from policies.asked import History
from schema.problems import Conflict
from schema.vocabulary import ActionKind, ActionState
from tests.actions.shop import PATIENCE, World, cancelling, returning
from tests.actions.test_ledger import NOW, put, record

CANCEL, RETURN = ActionKind.CANCEL_ORDER, ActionKind.RETURN_ORDER


@pytest.fixture
async def ledgers(address: str) -> object:
    """Three gateways' views of one ledger."""
    made = [Ledger(address) for _ in range(3)]
    for ledger in made:
        await ledger.open()
    yield made
    for ledger in made:
        await ledger.close()


async def left_behind(shop: World) -> Record:
    """An action that a gateway recorded as RUNNING and then was gone, before anything was sent."""
    ledger = Ledger(shop.address)
    await ledger.open()
    new = replace(
        record(target="Order:shop:1", key="k"),
        request={"reason": "CUSTOMER", "refund": "ORIGINAL_PAYMENT", "restock": True, "notify_customer": True}
        | {"note": None, "refunds_before": []},
        requested_at=shop.clock(),
        sent_at=shop.clock(),
        last_sent_at=shop.clock(),
        attempts=1,
        owner="gone/1",
        lease_until=shop.clock() + timedelta(seconds=3),
        reconcile_by=shop.clock() + timedelta(hours=1),
    )
    await put(ledger, new)
    await ledger.close()
    return new


async def test_what_a_gateway_left_is_taken_over_by_one_other_and_done_once(shop: World) -> None:
    old = await left_behind(shop)
    desks = [await shop.desk() for _ in range(4)]
    assert sum([await shop.sweep(desk, 0.0) for desk in desks]) == 0, "its lease still holds"
    shop.clock.advance(4)
    await asyncio.gather(*(shop.sweep(desk, 0.0) for desk in desks))
    for _ in range(3):
        shop.clock.advance(1)
        await asyncio.gather(*(shop.sweep(desk, 0.0) for desk in desks))
    found = await desks[0].ledger.by_id(old.id)
    assert found is not None
    assert found.state is ActionState.SUCCEEDED
    assert [verb for verb, _ in shop.shop.writes] == ["cancel"]
    states = [after for _, after, _ in await desks[0].ledger.path(old.id)]
    assert states == [ActionState.RUNNING, ActionState.UNKNOWN, ActionState.RUNNING, ActionState.SUCCEEDED]


async def test_an_owner_that_wakes_after_its_lease_was_taken_sends_nothing(shop: World) -> None:
    old = await left_behind(shop)
    one, other = await shop.desk(), await shop.desk()
    sleeper = Lease(one.ledger, old.id, "gone/1", shop.clock, 3)
    shop.clock.advance(4)
    await take(other.ledger, old, other.gateway_id, shop.clock, 3)
    with pytest.raises(LeaseLost):
        await sleeper.hold()
    assert await sleeper.put_back() is False
    with pytest.raises(LostRace):
        await one.ledger.move(old, ActionState.SUCCEEDED, at=NOW, by="", held_by="gone/1")


async def test_of_many_claims_at_once_one_holds(ledgers: list[Ledger]) -> None:
    new = record()
    await put(ledgers[0], new)
    until = NOW + timedelta(seconds=60)
    tries = [ledgers[number % 3].claim(new, owner=f"g/{number}", now=NOW, until=until) for number in range(30)]
    found = await asyncio.gather(*tries, return_exceptions=True)
    assert sum(isinstance(one, Record) for one in found) == 1
    assert sum(isinstance(one, LostRace) for one in found) == 29


async def test_one_key_at_every_gateway_at_once_is_recorded_once(ledgers: list[Ledger]) -> None:
    tries = [put(ledgers[number % 3], record(ActionState.DENIED, f"Order:shop:{number}", "k")) for number in range(30)]
    found = await asyncio.gather(*tries)
    (recorded,) = [one for one in found if isinstance(one, Recorded)]
    others = [one for one in found if isinstance(one, SameKey)]
    assert len(others) == 29
    assert {one.record.id for one in others} == {recorded.record.id}


async def test_many_keys_on_one_target_at_every_gateway_let_one_through(ledgers: list[Ledger]) -> None:
    found = await asyncio.gather(*(put(ledgers[number % 3], record(key=f"k{number}")) for number in range(30)))
    assert sum(isinstance(one, Recorded) for one in found) == 1
    assert all(isinstance(one, Recorded | Busy | Moved) for one in found)


async def test_many_refunds_of_one_customer_never_pass_their_limit_together(ledgers: list[Ledger]) -> None:
    limit, each = Decimal(100), Decimal(15)

    async def ask(number: int) -> object:
        def decide(history: History) -> Record:
            left = limit - history.refund_total_90d.get("EUR", Decimal(0))
            state = ActionState.RUNNING if each <= left else ActionState.DENIED
            return replace(
                record(state, f"Order:shop:{number}", f"k{number}"),
                kind=ActionKind.REFUND_ORDER,
                owner_hash="h",
                amount=str(each),
                currency="EUR",
            )

        return await ledgers[number % 3].record(
            target=f"Order:shop:{number}", key_hash=f"k{number}", owner_hash="h", seen=0, now=NOW, by="", decide=decide
        )

    found = await asyncio.gather(*(ask(number) for number in range(50)))
    allowed = [one for one in found if isinstance(one, Recorded) and one.record.state is ActionState.RUNNING]
    assert len(allowed) == limit // each
    assert sum(isinstance(one, Recorded) for one in found) == 50


async def test_a_waiting_action_that_lapses_is_ended_once_whoever_notices(ledgers: list[Ledger]) -> None:
    old = replace(record(ActionState.AWAITING_APPROVAL, key="k"), expires_at=NOW - timedelta(hours=1))
    await put(ledgers[0], old)
    tries = [put(ledgers[number % 3], record(key=f"k{number}")) for number in range(12)]
    tries += [ledgers[number % 3].move(old, ActionState.EXPIRED, at=NOW, by="") for number in range(6)]
    found = await asyncio.gather(*tries, return_exceptions=True)
    assert [after for _, after, _ in await ledgers[0].path(old.id)] == [
        ActionState.AWAITING_APPROVAL,
        ActionState.EXPIRED,
    ]
    assert all(isinstance(one, Recorded | Busy | Moved | Record | LostRace) for one in found), found
    assert sum(isinstance(one, Recorded) for one in found) <= 1


async def test_two_gateways_asked_at_once_for_different_things_on_an_order_do_one(shop: World) -> None:
    patience = replace(PATIENCE, lease=60.0)
    desks = [await shop.desk(patience=patience, request_seconds=30.0, whole=30.0) for _ in range(2)]
    shop.shop.holds_writes = True
    asked = [
        shop.at(desks[number % 2]).ask(*(RETURN, returning()) if number % 3 else (CANCEL, cancelling()), f"k{number}")
        for number in range(10)
    ]
    tasks = [asyncio.create_task(one) for one in asked]
    left = set(tasks)
    while len(left) > 1:  # all but the one whose call waits at the shop
        _, left = await asyncio.wait(left, return_when=asyncio.FIRST_COMPLETED)
    assert shop.shop.writes == []
    shop.shop.holds_writes = False
    answers = await asyncio.gather(*tasks)
    done = [one for one in answers if one.action is not None and one.action.state is ActionState.SUCCEEDED]
    assert len(done) == len(shop.shop.writes) == 1
    assert all(isinstance(one.problem, Conflict) for one in answers if one not in done)
