"""Every action of every platform, with every call it makes gone wrong in every way: one effect, and it is known."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from actions.effects import Patience
from actions.ledger import Ledger
from platforms.base import ACTIONS
from platforms.registry import PLATFORMS
from sandbox.serving import serve, serve_all
from schema.vocabulary import ActionKind, ActionState
from tests.actions.conftest import Blank
from tests.actions.proofs.stand import DEATHS, HURRIED, LOOKS, MOST_STORES, PATIENCE, Door, Policies, Stand
from tests.conformance.cases import World

pytestmark = pytest.mark.asyncio(loop_scope="module")

SUPPORTED = [
    (name, kind)
    for name in sorted(PLATFORMS)
    for kind, operation in ACTIONS.items()
    if operation in PLATFORMS[name].load().operations
]
#: What befalls a call: the store does not do it, or (the second row) does it and the answer is lost.
WORDS = ("429", "500", "drop", "garbage", "500-after", "drop-after", "truncate")
#: With this set every call of an action goes wrong once, not only the first and those that change the store.
THOROUGH = "AFTERSALE_FUZZ" in os.environ
IDS = [f"{name}-{kind.value.lower()}" for name, kind in SUPPORTED]


@dataclass
class Clean:
    """How it goes where nothing goes wrong."""

    asked: Any
    outcome: Any
    sent: list[str]
    #: For each call of the action, whether it changed the store.
    calls: list[bool]


class Street:
    """One address and one ledger for all worlds of the module, and how each action goes undisturbed."""

    def __init__(self, ledger: Ledger, folder: Path) -> None:
        self.ledger = ledger
        self.url = ""
        #: The world at each address.
        self.worlds: dict[str, World] = {}
        self.policies = Policies(folder / "permissive.yaml")
        self.clean: dict[tuple[str, ActionKind], Clean] = {}
        self.numbers = iter(range(MOST_STORES))

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        host, port = scope["server"]
        await self.worlds[f"http://{host}:{port}"].door(scope, receive, send)

    @asynccontextmanager
    async def stand(
        self,
        name: str,
        kind: ActionKind,
        word: str = "",
        at: int = 0,
        *,
        patience: Patience = PATIENCE,
        url: str = "",
    ) -> AsyncIterator[Stand]:
        """A store that no other case has, so that the ledger knows nothing of its orders."""
        world = World(name, url or self.url)
        world.store = f"s{next(self.numbers)}"
        world.plan = replace(world.plan, key=world.store)
        self.worlds[world.url] = world
        made = Stand(world, kind, self.ledger, self.policies, Door(world, word, at), patience)
        try:
            yield made
        finally:
            await made.end()

    async def undisturbed(self, name: str, kind: ActionKind) -> Clean:
        if (name, kind) not in self.clean:
            async with self.stand(name, kind) as at:
                desk = at.desk()
                await at.prepare(desk)
                answer = await at.ask(desk)
                assert answer.problem is None
                calls = list(at.door.calls)
                assert (await at.settled(desk)).state is ActionState.SUCCEEDED
                self.clean[name, kind] = Clean(at.asked, await at.outcome(desk), at.sent(), calls)
        return self.clean[name, kind]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stores(blank_sqlite: Blank, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Street]:
    with blank_sqlite() as address:
        ledger = Ledger(address)
        await ledger.open()
        found = Street(ledger, tmp_path_factory.mktemp("proofs"))
        async with serve(found) as found.url:
            yield found
        await ledger.close()


async def concluded(at: Stand, clean: Clean, *, asked_again: bool = True) -> None:
    """After whatever went wrong another gateway brings it to its end: done, once, and the key says so."""
    mended = at.desk()
    record = await at.settled(mended)
    if record.state is ActionState.FAILED:
        assert record.key_hash is None, f"a failure of the wire does not use the key up: {at}"
        assert ActionState.UNKNOWN.value not in at.moves, str(at)
        at.world.now += timedelta(seconds=1)
        again = await at.ask(mended)
        assert again.replayed is False, str(at)
        record = await at.settled(mended)
    assert record.state is ActionState.SUCCEEDED, str(at)
    assert await at.outcome(mended) == clean.outcome, str(at)
    once(at.sent(), clean.sent)
    if not asked_again:
        return
    before = at.sent()
    replay = await at.ask(mended)
    assert (replay.replayed, replay.problem) == (True, None), str(at)
    assert replay.action is not None
    assert replay.action.state is ActionState.SUCCEEDED, str(at)
    assert at.sent() == before


def once(sent: list[str], clean: list[str]) -> None:
    """An action of several calls may have to begin again where it broke off: then the outcome alone tells."""
    if len(clean) == 1:
        assert sent == clean


@pytest.mark.parametrize("word", WORDS)
@pytest.mark.parametrize(("name", "kind"), SUPPORTED, ids=IDS)
async def test_whatever_befalls_any_call_there_is_one_effect_and_it_is_known(
    stores: Street, name: str, kind: ActionKind, word: str
) -> None:
    clean = await stores.undisturbed(name, kind)
    for number, writes in enumerate(clean.calls, 1):
        if not (writes or number == 1 or THOROUGH):
            continue  # a later call that only reads: what goes wrong with the first goes wrong with it
        async with stores.stand(name, kind, word, number) as at:
            desk = at.desk()
            await at.prepare(desk, clean.asked)
            await at.ask_and_leave(desk)
            assert len(at.door.calls) >= number
            await concluded(at, clean, asked_again=number == 1)


@pytest.mark.parametrize("word", DEATHS)
@pytest.mark.parametrize(("name", "kind"), SUPPORTED, ids=IDS)
async def test_a_gateway_that_ends_over_any_call_leaves_one_effect_to_whoever_takes_over(
    stores: Street, name: str, kind: ActionKind, word: str
) -> None:
    """Nobody tidies up behind it: what an adapter of several calls had begun lies there as it was left."""
    clean = await stores.undisturbed(name, kind)
    for number, writes in enumerate(clean.calls, 1):
        if not (writes or THOROUGH):
            continue
        async with stores.stand(name, kind, word, number) as at:
            desk = at.desk()
            await at.prepare(desk, clean.asked)
            await at.ask_and_die(desk)
            assert at.door.deadly.is_set()
            assert at.moves == ["RUNNING"]
            await concluded(at, clean, asked_again=number == 1)


@pytest.mark.parametrize(("name", "kind"), SUPPORTED, ids=IDS)
async def test_a_refused_connection_has_no_effect_and_leaves_the_key_free(
    stores: Street, name: str, kind: ActionKind
) -> None:
    await never_left(stores, stores.url, name, kind, silently=False)


@pytest.mark.parametrize("name", sorted(PLATFORMS))
async def test_a_connection_that_does_not_come_about_has_no_effect_and_leaves_the_key_free(
    stores: Street, name: str
) -> None:
    await at_once(stores, name, lambda url, kind: never_left(stores, url, name, kind, silently=True))


@pytest.mark.parametrize("name", sorted(PLATFORMS))
async def test_what_the_store_does_after_nobody_waits_any_more_is_not_sent_again(stores: Street, name: str) -> None:
    await at_once(stores, name, lambda url, kind: done_late(stores, url, name, kind))


async def at_once(stores: Street, name: str, each: Callable[[str, ActionKind], Awaitable[None]]) -> None:
    """Every action of a platform, each with a store of its own, since most of the time is waited away."""
    kinds = [kind for known, kind in SUPPORTED if known == name]
    for kind in kinds:
        await stores.undisturbed(name, kind)
    async with serve_all(dict.fromkeys((kind.value for kind in kinds), stores)) as urls:
        await asyncio.gather(*(each(urls[kind.value], kind) for kind in kinds))


async def never_left(stores: Street, url: str, name: str, kind: ActionKind, *, silently: bool) -> None:
    clean = await stores.undisturbed(name, kind)
    async with stores.stand(name, kind, patience=HURRIED if silently else PATIENCE, url=url) as at:
        desk = await at.over_a_line(silently=silently)
        await at.prepare(desk, clean.asked)
        answer = await at.ask(desk)
        assert answer.problem is not None
        assert at.moves == ["RUNNING", "FAILED"]
        assert at.sent() == []
        assert at.door.calls == []
        await concluded(at, clean)


async def done_late(stores: Street, url: str, name: str, kind: ActionKind) -> None:
    clean = await stores.undisturbed(name, kind)
    if True not in clean.calls:
        return  # only the gateway keeps it: no call changes the store
    async with stores.stand(name, kind, "late", clean.calls.index(True) + 1, patience=HURRIED, url=url) as at:
        desk = at.desk()
        await at.prepare(desk, clean.asked)
        await at.ask_and_leave(desk)
        assert at.moves == ["RUNNING", "UNKNOWN"], str(at)
        await at.sweep(at.desk(), 10.0)
        assert at.sent() == [], "it may still be under way"
        at.door.let_go.set()
        await at.door.done.wait()
        assert len(at.sent()) == 1
        await concluded(at, clean)


async def test_a_job_slower_than_our_patience_is_not_done_twice_and_not_called_failed(stores: Street) -> None:
    """The answer is lost, nothing is to be seen for long, the second sending is refused: and then it has happened."""
    clean = await stores.undisturbed("shopify", ActionKind.CANCEL_ORDER)
    async with stores.stand("shopify", ActionKind.CANCEL_ORDER, "drop-after", 1) as at:
        at.world.simulator.cancel_seconds = 3600.0
        desk = at.desk()
        await at.prepare(desk, clean.asked)
        await at.ask(desk)
        other = at.desk()
        for _ in range(LOOKS):
            if len(at.moves) == 4:
                break
            await at.sweep(other, 10.0)
        for job in at.world.simulator._jobs.values():
            job.ready_at = 0.0
        record = await at.settled(other)
        assert at.moves == ["RUNNING", "UNKNOWN", "RUNNING", "UNKNOWN", "SUCCEEDED"]
        assert record.state is ActionState.SUCCEEDED
        assert await at.outcome(desk) == clean.outcome
