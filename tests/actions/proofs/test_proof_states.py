"""Whatever people, gateways, stores and clocks do in whatever order: money, keys and states stay right."""

from __future__ import annotations

import asyncio
import json
import os
from collections import Counter
from collections.abc import Coroutine
from contextlib import ExitStack
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any, ClassVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from actions.answers import Answer
from actions.desk import ActionDesk, ViewerDesk
from actions.effects import Patience
from actions.ledger import Ledger, Listing, Record
from actions.recovery import Recovery
from actions.shaping import action_id
from actions.states import ACTIVE, EDGES, FINAL, FIRST
from actions.tables import transitions
from policies.guard import ACTION_SCOPE
from policies.processor import PolicyProcessor
from schema.vocabulary import ActionKind, ActionState
from tests.actions.conftest import Blank
from tests.actions.shop import LEE, STAFF, Clock, OnWrites, Shop, ShopAdapter, Street, cancelling, refunding, returning

CALLER = replace(STAFF, scopes=list(ACTION_SCOPE.values()))
CANCEL, RETURN, REFUND = ActionKind.CANCEL_ORDER, ActionKind.RETURN_ORDER, ActionKind.REFUND_ORDER
RULES = """
policy: acme
stores: [shop]
approver: support-lead
rules:
  - {id: allowed, action: [CANCEL_ORDER, REFUND_ORDER, RETURN_ORDER], then: ALLOW}
  - {id: large, action: REFUND_ORDER, limit: {request: {EUR: 60}}, over: REVIEW}
  - {id: much, action: REFUND_ORDER, limit: {customer_90d: {EUR: 150}}, over: DENY}
"""
#: Of one customer in 90 days, by refunds; of one order.
LIMIT, PAID_IN = Decimal(150), Decimal(95)
ORDERS = ("1", "3")
PATIENCE = Patience(lease=30.0, settle=5.0, look=1.0, look_most=5.0, reconcile=3600.0, refused=60.0)
FAULTS = ("", "429", "500", "drop", "garbage", "500-after", "drop-after", "truncate")
#: A gateway ends as it is about to call the store, or as the answer comes.
ENDS = ("before", "behind")
EXAMPLES = int(os.environ.get("AFTERSALE_FUZZ", "60")) // 3


class MortalAdapter(ShopAdapter):
    """Of a gateway that may end in the middle of a write."""

    end = ""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.ended = asyncio.Event()

    async def _write(self, path: str, body: dict[str, Any]) -> Any:
        if self.end == "before":
            self.ended.set()
            raise asyncio.CancelledError
        answer = await super()._write(path, body)
        if self.end == "behind":
            self.ended.set()
            raise asyncio.CancelledError
        return answer


class Story(RuleBasedStateMachine):
    """Two gateways, one ledger, one shop with two orders of one customer, who paid 95 EUR for each."""

    street: ClassVar[Street]
    blank: ClassVar[Blank]
    policy: ClassVar[PolicyProcessor]

    @initialize()
    def begin(self) -> None:
        self.held = ExitStack()
        self.runner = self.held.enter_context(asyncio.Runner())
        self.address = self.held.enter_context(self.blank())
        self.clock = Clock()
        #: Every key that was used, with what was asked for under it.
        self.asked: dict[str, tuple[ActionKind, Any]] = {}
        #: The tokens of previews.
        self.tokens: list[str] = []
        #: The action that each key and token was answered with last; one whose key is free again gives way to another.
        self.told: dict[str, str] = {}
        self.outside = Counter[str]()
        self.run(self._begin())

    async def _begin(self) -> None:
        self.shop = Shop()
        self.shop.generous = True
        self.shop.now = self.clock
        self.street.tenant = self.faults = OnWrites(self.shop.app)
        self.ledger = Ledger(self.address)
        await self.ledger.open()
        self.adapters: list[MortalAdapter] = []
        self.desks = [self._desk(), self._desk()]

    def _desk(self) -> ActionDesk:
        adapter = MortalAdapter(self.street.url)
        self.adapters.append(adapter)
        return ActionDesk(
            self.ledger,
            self.policy,
            {"shop": adapter},
            clock=self.clock,
            secret="a secret of at least thirty-two characters",
            gateway_id=f"gateway-{len(self.adapters)}",
            request_seconds=0.3,
            patience=PATIENCE,
        )

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        return self.runner.run(work)

    # ------------------------------------------------------------------------------------------------ what happens

    def _asks(self, kind: ActionKind, given: Any, fault: str, desk: int) -> None:
        key = f"key {len(self.asked)}"
        if kind is REFUND:
            given = replace(given, reason=key)  # so that the shop's books tell which is which
        self.asked[key] = (kind, given)
        self.run(self._ask(key, desk, fault))

    @rule(order=st.sampled_from(ORDERS), amount=st.sampled_from(["10.00", "10.00", "25.00", "60.00", "95.00"]),
          fault=st.sampled_from([*FAULTS, *ENDS]), desk=st.integers(0, 1))  # fmt: skip
    def ask_for_a_refund(self, order: str, amount: str, fault: str, desk: int) -> None:
        self._asks(REFUND, refunding(amount, order), fault, desk)

    @rule(order=st.sampled_from(ORDERS), fault=st.sampled_from([*FAULTS, *ENDS]), desk=st.integers(0, 1))
    def ask_for_a_return(self, order: str, fault: str, desk: int) -> None:
        self._asks(RETURN, returning(order=order), fault, desk)

    @rule(order=st.sampled_from(ORDERS), fault=st.sampled_from([*FAULTS, *ENDS]), desk=st.integers(0, 1))
    def ask_to_cancel(self, order: str, fault: str, desk: int) -> None:
        self._asks(CANCEL, cancelling(f"Order:shop:{order}"), fault, desk)

    @rule(order=st.sampled_from(ORDERS), kind=st.sampled_from([REFUND, REFUND, RETURN, CANCEL]),
          amount=st.sampled_from(["10.00", "25.00"]), desk=st.integers(0, 1))  # fmt: skip
    def look_first(self, order: str, kind: ActionKind, amount: str, desk: int) -> None:
        reason = f"token {len(self.tokens)}"
        asked: Any = {
            REFUND: replace(refunding(amount, order), reason=reason),
            RETURN: returning(order=order),
            CANCEL: cancelling(f"Order:shop:{order}"),
        }[kind]
        preview = self.run(self.desks[desk].of(CALLER, self.clock()).preview(kind, asked))
        if preview.token is not None:
            self.tokens.append(preview.token)

    @precondition(lambda self: self.tokens)
    @rule(data=st.data(), fault=st.sampled_from(["", "", *FAULTS, *ENDS]), desk=st.integers(0, 1))
    def confirm(self, data: st.DataObject, fault: str, desk: int) -> None:
        token = data.draw(st.sampled_from(self.tokens))
        self.run(self._confirm(token, desk, fault))

    @precondition(lambda self: self.asked)
    @rule(data=st.data(), desk=st.integers(0, 1))
    def retry(self, data: st.DataObject, desk: int) -> None:
        self.run(self._ask(data.draw(st.sampled_from(sorted(self.asked))), desk, ""))

    @rule(after=st.sampled_from([0, 31]), desk=st.integers(0, 1), fault=st.sampled_from(["", "", *FAULTS, *ENDS]))
    def take_over(self, desk: int, fault: str, after: int) -> None:
        self.clock.advance(after)
        self.run(self._broken_by(Recovery(self.desks[desk]).sweep(), desk, fault))

    @rule(agree=st.booleans(), desk=st.integers(0, 1), fault=st.sampled_from(["", "", *FAULTS, *ENDS]))
    def decide_what_waits(self, agree: bool, desk: int, fault: str) -> None:
        for record in self.run(self._records([ActionState.AWAITING_APPROVAL])):
            person = self.desks[desk].of(LEE, self.clock())
            work = person.approve(action_id(record), None) if agree else person.reject(action_id(record), "No.")
            self.run(self._broken_by(work, desk, fault))

    @rule(order=st.sampled_from(ORDERS), amount=st.sampled_from(["7.00", "41.00"]))
    def somebody_pays_in_the_shop(self, order: str, amount: str) -> None:
        """Never what an action pays back: of two equal sums this shop cannot tell whose is whose."""
        if Decimal(self.shop.orders[order]["left"]) >= Decimal(amount):
            self.shop.pay(order, amount)
            self.outside[order] += int(Decimal(amount))

    @rule(seconds=st.sampled_from([1, 6, 31, 31, 600, 3700, 73 * 3600]))
    def time_passes(self, seconds: int) -> None:
        self.clock.advance(seconds)

    # ------------------------------------------------------------------------------------------------ how it is done

    async def _ask(self, key: str, desk: int, fault: str) -> Any:
        kind, given = self.asked[key]
        of_key = self.desks[desk].privacy.hash("key", json.dumps([CALLER.client, "", kind.value, key]))
        return await self._once(key, of_key, self._caller(desk).ask(kind, given, key), desk, fault)

    async def _confirm(self, token: str, desk: int, fault: str) -> Any:
        of_key = self.desks[desk].privacy.hash("ticket", self.desks[desk].tickets.read(token).id)
        return await self._once(token, of_key, self._caller(desk).confirm(token), desk, fault)

    def _caller(self, desk: int) -> ViewerDesk:
        return self.desks[desk].of(CALLER, self.clock())

    async def _once(self, key: str, of_key: str, work: Coroutine[Any, Any, Any], desk: int, fault: str) -> Any:
        """What a key is answered with: where it was used before, the action it was used for, and nothing else."""
        before, _ = await self.ledger.standing(of_key, "")
        held = await self.ledger.by_id(self.told[key]) if key in self.told else None
        if held is not None and held.key_hash == of_key:
            assert before == held, "the key has lost its action"
        answer = await self._broken_by(work, desk, fault)
        if answer is not None and answer.action is not None:
            assert answer.replayed == (before is not None)
            assert before is None or answer.action.recorded.id == before.id
            self.told[key] = answer.action.recorded.id
        elif answer is not None:
            # On a machine that stood still for so long, the time of a request may be up before anything is looked at.
            assert before is None or answer.problem.retryable, "the key does not answer"
        return answer

    async def _broken_by(self, work: Coroutine[Any, Any, Any], desk: int, fault: str) -> Any:
        """What comes of it, with something going wrong; None where the gateway ended over it and there is a new one."""
        adapter = self.desks[desk].platforms["shop"]
        assert isinstance(adapter, MortalAdapter)
        adapter.end = fault if fault in ENDS else ""
        self.faults.set(*([fault] if fault and fault not in ENDS else []))
        task, ended = asyncio.create_task(work), asyncio.create_task(adapter.ended.wait())
        await asyncio.wait({task, ended}, return_when=asyncio.FIRST_COMPLETED)
        self.faults.set()
        adapter.end = ""
        if ended.done():
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            await self.desks[desk].finish()
            self.desks[desk] = self._desk()
            return None
        ended.cancel()
        result = await task
        await self.desks[desk].finish()  # also where the request did not wait for it
        return result

    async def _records(self, states: Any = None) -> list[Record]:
        return list(reversed(await self.ledger.newest(Listing(states=states), 1000)))

    # ------------------------------------------------------------------------------------------------ what always holds

    @invariant()
    def money_out_never_exceeds_money_in(self) -> None:
        for order in ORDERS:
            out = sum(Decimal(one["amount"]) for one in self.shop.orders[order]["refunds"])
            assert out <= PAID_IN, f"order {order} paid back {out}"
            assert Decimal(self.shop.orders[order]["left"]) == PAID_IN - out
        refunds = [Decimal(body["amount"]) for verb, body in self.shop.writes if verb == "refund"]
        assert sum(refunds) <= LIMIT

    @invariant()
    def nothing_is_done_twice(self) -> None:
        done = Counter(body["reason"] for verb, body in self.shop.writes if verb == "refund")
        assert all(times == 1 for times in done.values()), done
        cancelled = sum(verb == "cancel" for verb, _ in self.shop.writes)
        assert cancelled == sum(row["status"] == "cancelled" for row in self.shop.orders.values())

    @invariant()
    def every_action_went_a_legal_way_and_somebody_will_take_it_up(self) -> None:
        self.run(self._legal())

    async def _legal(self) -> None:
        records = await self._records()
        active = Counter(record.target for record in records if record.state in ACTIVE)
        assert all(number == 1 for number in active.values()), active
        async with self.ledger.reading() as connection:
            steps = (await connection.execute(transitions.select().order_by(transitions.c.id))).all()
        reached: dict[str, str | None] = {}
        for step in steps:
            assert step.before == reached.get(step.action)
            following = FIRST if step.before is None else EDGES[ActionState(step.before)]
            assert ActionState(step.after) in following
            reached[step.action] = step.after
        assert reached == {record.id: record.state.value for record in records}
        assert reached.keys() >= set(self.told.values()), "an action that somebody was told of is gone"
        for record in records:
            assert record.state in FINAL or taken_up(record), record

    def teardown(self) -> None:
        if hasattr(self, "runner"):
            self.run(self._end())
            self.held.close()

    async def _end(self) -> None:
        """Everything comes to its end, and the ledger and the shop's books agree about each action."""
        try:
            for _ in range(12):
                self.clock.advance(400)
                await Recovery(self.desks[0]).sweep()
            self.clock.advance(73 * 3600)
            await Recovery(self.desks[0]).sweep()
            done = Counter(body["reason"] for verb, body in self.shop.writes if verb == "refund")
            records = await self._records()
            for order, row in self.shop.orders.items():
                of_order = [record for record in records if record.target == f"Order:shop:{order}"]
                made = [one["id"] for one in row["returns"]]
                known = [one.reference for one in of_order if (one.kind, one.state) == (RETURN, ActionState.SUCCEEDED)]
                assert len(set(known)) == len(known)
                assert set(known) <= set(made), "a return is said to be made that is not"
                cancelled = [one for one in of_order if (one.kind, one.state) == (CANCEL, ActionState.SUCCEEDED)]
                assert len(cancelled) <= 1
                assert not cancelled or row["status"] == "cancelled"
                open_ends = Counter(one.kind for one in of_order if one.state is ActionState.UNKNOWN)
                assert len(made) <= len(known) + open_ends[RETURN], "a return was made, and no action says so"
                if row["status"] == "cancelled":
                    assert cancelled or open_ends[CANCEL], "it was cancelled, and no action says so"
            for record in records:
                if record.kind is not REFUND:
                    continue
                times = done.pop(record.request["asked"]["reason"], 0) if record.state is not ActionState.FAILED else 0
                match record.state:
                    case ActionState.SUCCEEDED:
                        assert times == 1, record
                    case ActionState.UNKNOWN:
                        assert "a person" in (record.note or ""), record
                        assert times <= 1, record
                    case state:
                        assert state in FINAL
                        assert times == 0, record
            assert not done, "paid, and no action says so"
            answers = [await self._ask(key, 1, "") for key in self.asked]
            answers += [await self._confirm(token, 1, "") for token in self.tokens]
            for answer in answers:
                assert isinstance(answer, Answer)
                assert answer.action is not None or answer.problem is not None
            for key, id in self.told.items():
                record = await self.ledger.by_id(id)
                assert record is not None, f"{key} was answered with an action that is gone"
        finally:
            for desk in self.desks:
                await desk.finish()
            await self.ledger.close()
            for adapter in self.adapters:
                await adapter.close()


def taken_up(record: Record) -> bool:
    """Whether the background, or else a person, comes to it some time."""
    match record.state:
        case ActionState.AWAITING_APPROVAL:
            return record.expires_at is not None
        case ActionState.RUNNING:
            return record.lease_until is not None
        case _:
            return record.next_try_at is not None or "a person" in (record.note or "")


@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_whatever_happens_in_whatever_order_money_keys_and_states_stay_right(
    street: Street, database: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    (tmp_path / "acme.yaml").write_text(RULES, encoding="utf-8")
    Story.street, Story.blank = street, staticmethod(request.getfixturevalue(f"blank_{database}"))
    Story.policy = PolicyProcessor.load(tmp_path / "acme.yaml", {"shop": ShopAdapter(street.url).store})
    run_state_machine_as_test(
        Story,
        settings=settings(
            max_examples=EXAMPLES if database == "sqlite" else EXAMPLES // 2,
            stateful_step_count=25,
            deadline=None,
            derandomize="AFTERSALE_FUZZ" not in os.environ,
            suppress_health_check=list(HealthCheck),
            print_blob=True,
        ),
    )
