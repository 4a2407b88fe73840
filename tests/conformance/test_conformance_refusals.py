"""Every shape in which a vendor says no: what it means, that it is kept in the vendor's words, and tells nobody's
address."""

from __future__ import annotations

from typing import Any

import pytest

from platforms.base import ACTIONS, Operation, Platform
from platforms.errors import OutcomeUnknown, PlatformError, Refused, Throttled, Unavailable
from platforms.registry import PLATFORMS
from schema.vocabulary import ActionKind
from tests.conformance.asking import READS, request, send, target
from tests.conformance.cases import World
from tests.conformance.refusals import ADDRESS, ANSWERS, ANYWHERE, Answer

pytestmark = pytest.mark.asyncio(loop_scope="module")

#: By platform, each of its own and those of what stands before it.
SHAPES = {name: {one.of: one for one in (*ANYWHERE, *many)}.values() for name, many in ANSWERS.items()}


def each(*, writes: bool) -> Any:
    return pytest.mark.parametrize(
        ("name", "answer"),
        [
            pytest.param(name, one, id=f"{name}, {one.of} ({one.status})")
            for name, many in SHAPES.items()
            for one in many
            if writes or not one.writes_only
        ],
    )


class Refusing:
    """Says the same to every call, or to each that would change something; lets a token be had."""

    def __init__(self, app: Any, answer: Answer, *, writes_only: bool) -> None:
        self.app, self.answer, self.writes_only = app, answer, writes_only
        self.said = 0

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        body = b""
        while True:
            message = await receive()
            body += message.get("body", b"")
            if not message.get("more_body"):
                break

        async def again() -> Any:
            return {"type": "http.request", "body": body, "more_body": False}

        reads = scope["method"] == "GET" or b'"query":"query' in body or scope["path"].endswith("/refund_quotes")
        if "oauth" in scope["path"] or (self.writes_only and reads):
            await self.app(scope, again, send)
            return
        self.said += 1
        headers = {"content-type": self.answer.kind, "content-length": str(len(self.answer.content))}
        if self.answer.status == 302:
            headers["location"] = "https://elsewhere.example"
        listed = [(name.encode(), value.encode()) for name, value in headers.items()]
        await send({"type": "http.response.start", "status": self.answer.status, "headers": listed})
        await send({"type": "http.response.body", "body": self.answer.content})


async def test_every_platform_has_its_refusals() -> None:
    assert set(ANSWERS) == set(PLATFORMS)


def told(error: PlatformError, world: World, answer: Answer) -> None:
    assert error.store == world.store
    assert ADDRESS not in f"{error} {error.native}"
    assert "secret.php" not in f"{error} {error.native}"
    if answer.code is not None:
        assert answer.code in {native.code for native in error.native}
    assert all(native.http_status in (None, answer.status) for native in error.native)


@each(writes=False)
async def test_a_read_says_what_the_answer_means(world: World, store: Platform, answer: Answer) -> None:
    world.door = Refusing(world.faulty, answer, writes_only=False)
    with pytest.raises(PlatformError) as raised:
        await READS[Operation.PROFILES](store, world)
    assert isinstance(raised.value, answer.means)
    assert isinstance(raised.value, Unavailable) is (answer.means is Unavailable)
    told(raised.value, world, answer)


@each(writes=True)
async def test_a_write_that_is_refused_did_nothing_and_any_other_may_have(world: World, answer: Answer) -> None:
    store = world.platform(retries=1)
    action = ActionKind.REFUND_ORDER  # which every platform has, and which nobody wants twice
    asked = await request(store, world, action, target(world, action))
    world.door = door = Refusing(world.faulty, answer, writes_only=True)
    with pytest.raises(PlatformError) as raised:
        await send(store, asked)
    error = raised.value
    means = answer.of_a_write or answer.means
    if means is Unavailable:
        assert isinstance(error, OutcomeUnknown)
        assert not error.not_executed
        assert door.said == 1
    else:
        assert isinstance(error, means)
        assert error.not_executed
        assert door.said <= 2  # with a token had anew, or after a wait: it is certain that nothing was done
    told(error, world, answer)
    assert world.writes == 0
    assert isinstance(error, Refused | Throttled | OutcomeUnknown)
    assert ACTIONS[action] in store.operations
