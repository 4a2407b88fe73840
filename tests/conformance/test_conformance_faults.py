"""What every platform makes of a store that is slow, throttled, broken or answers garbage."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from platforms.base import ACTIONS, Done, Operation, Platform
from platforms.errors import (
    DeadlineExceeded,
    OutcomeUnknown,
    PlatformError,
    Throttled,
    Unavailable,
    Unreadable,
)
from platforms.transport import store_deadline
from sandbox.faults import Fault, Faulty
from schema.vocabulary import ActionKind
from tests.conformance.asking import READS, do, lacks, plain, request, send, target
from tests.conformance.cases import NOW, World

pytestmark = pytest.mark.asyncio(loop_scope="module")

MEANS: dict[str, type[PlatformError]] = {
    "429": Throttled,
    "500": Unavailable,
    "drop": Unavailable,
    "garbage": Unreadable,
    "truncate": Unreadable,
    "latency": DeadlineExceeded,
}
#: Faults after which the store has done what it was asked.
LATE = ("500-after", "drop-after", "truncate")


def go_wrong(world: World, word: str) -> None:
    world.faulty.faults = [Fault(world.store, word, 20.0 if word == "latency" else 0.0)]


@pytest.mark.parametrize("operation", READS, ids=lambda operation: operation.value)
@pytest.mark.parametrize("word", MEANS)
async def test_a_read_says_what_is_wrong(world: World, store: Platform, operation: Operation, word: str) -> None:
    if await lacks(world, store, operation):
        return
    go_wrong(world, word)
    with store_deadline(0.1 if word == "latency" else 5), pytest.raises(PlatformError) as raised:
        await READS[operation](store, world)
    assert isinstance(raised.value, MEANS[word])
    assert raised.value.store == world.store
    assert raised.value.retryable
    assert world.writes == 0


async def test_a_read_that_fails_once_is_tried_again_and_comes(world: World, store: Platform) -> None:
    class Once:
        """Fails the first call and lets the others through."""

        failed = False

        async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
            world.faulty.faults = [] if self.failed else [Fault(world.store, "500")]
            self.failed = True
            await Faulty.__call__(world.faulty, scope, receive, send)

    patient = world.platform(retries=1)
    expected = await READS[Operation.PROFILES](store, world)
    once = Once()
    world.door = once
    assert plain(await READS[Operation.PROFILES](patient, world)) == plain(expected)
    assert once.failed


@pytest.mark.parametrize("action", ACTIONS, ids=lambda action: action.value.lower())
@pytest.mark.parametrize("word", [*MEANS, "500-after", "drop-after"])
async def test_a_write_is_sent_once_and_its_outcome_is_never_guessed(
    world: World, action: ActionKind, word: str
) -> None:
    store = world.platform(retries=0 if word == "429" else 2)
    if await lacks(world, store, ACTIONS[action]):
        return
    asked = await request(store, world, action, target(world, action))
    before = world.calls
    go_wrong(world, word)
    with store_deadline(0.1 if word == "latency" else 5), pytest.raises(PlatformError) as raised:
        await send(store, asked)
    world.faulty.faults = []
    error = raised.value
    assert error.store == world.store
    # A read before the write may fail as a read does; from the write on the outcome is unknown.
    assert isinstance(error, OutcomeUnknown) or world.writes == 0
    if word == "429":
        assert isinstance(error, Throttled)
    if error.not_executed:
        assert world.writes == 0
    assert world.writes <= 1
    if word not in LATE:
        assert world.writes == 0
    elif isinstance(error, OutcomeUnknown):
        assert world.writes == 1
    assert world.calls - before <= world.writes + 3
    # Reading tells, soon where it is a job of the store's; and where it did not happen it may be asked for again.
    store = world.platform()  # one that was not asked to wait
    told = await store.happened(asked, NOW)
    if world.writes == 0:
        assert told is None
        assert isinstance(await do(store, asked), Done)
    for _ in range(20):
        if told is None:
            await asyncio.sleep(0.05)
            told = await store.happened(asked, NOW)
    assert isinstance(told, Done)
