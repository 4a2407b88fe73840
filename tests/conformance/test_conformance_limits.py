"""What every platform says of what it can do, and that it does nothing else."""

from __future__ import annotations

import pytest

from platforms.base import ACTIONS, Operation, Platform
from platforms.errors import Unavailable
from platforms.registry import PLATFORMS
from sandbox.faults import Fault
from sandbox.world import PLANS
from schema.vocabulary import HealthStatus, SupportLevel
from tests.conformance.asking import EVERY, lacks
from tests.conformance.cases import CASES, World

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_every_platform_has_its_case_and_its_store_of_the_sandbox() -> None:
    assert set(CASES) == set(PLATFORMS) == {plan.platform for plan in PLANS}
    assert set(EVERY) == set(Operation)


@pytest.mark.parametrize("operation", Operation, ids=lambda operation: operation.value)
async def test_what_is_not_supported_says_so_and_calls_nobody(
    world: World, store: Platform, operation: Operation
) -> None:
    for configured in (store, world.platform(settings={})):
        if await lacks(world, configured, operation):
            assert (world.calls, world.writes) == (0, 0)


async def test_operations_are_the_methods_that_are_overridden(name: str) -> None:
    platform = PLATFORMS[name].load()
    own = {operation for operation in Operation if operation.value in vars(platform)}
    assert platform.operations == own
    assert "operations" not in platform.__annotations__


async def test_a_capability_follows_from_the_methods(world: World, store: Platform) -> None:
    for action, operation in ACTIONS.items():
        capability = store.capability(action)
        assert capability.action is action
        if not store.supports(operation):
            assert capability.support is SupportLevel.UNSUPPORTED
        elif action in store.caveats:
            assert (capability.support, capability.note) == (SupportLevel.EMULATED, store.caveats[action])
        else:
            assert (capability.support, capability.note) == (SupportLevel.NATIVE, None)
    assert [one.action for one in store.capabilities_now()] == list(ACTIONS)
    assert world.calls == 0


async def test_a_caveat_is_a_sentence_about_something_it_can_do(name: str) -> None:
    platform = PLATFORMS[name].load()
    for action, caveat in platform.caveats.items():
        assert ACTIONS[action] in platform.operations
        assert caveat[0].isupper()
        assert caveat.endswith(".")
    assert {ACTIONS[action] for action in platform.scopes} <= platform.operations


async def test_the_probe_writes_nothing_and_is_remembered(world: World, store: Platform) -> None:
    assert store.health().status is HealthStatus.OK
    assert store.found is None
    found = await store.probe()
    assert store.found is found
    assert dict(found.missing_scopes) == {}
    assert 1 <= world.calls <= 4
    assert world.writes == 0
    assert store.store.currency_code not in ("", "XXX")


async def test_asking_anew_asks_the_store_and_not_what_is_remembered(world: World, store: Platform) -> None:
    found = await store.probe()
    before = world.calls
    assert await store.probe(anew=True) == found
    assert world.calls > before
    world.faulty.faults = [Fault(world.store, "500")]
    with pytest.raises(Unavailable):
        await store.probe(anew=True)
    assert store.found == found, "what was known stays known"


async def test_asking_again_after_close_works(world: World, store: Platform) -> None:
    await store.probe()
    await store.close()
    await store.probe()
