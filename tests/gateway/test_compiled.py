"""A document is answered by graphql-core when it is first met and by its compiled form when it comes again: alike."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from tests.running import Gateway, running_gateway

pytestmark = pytest.mark.asyncio(loop_scope="module")

#: What each asks the stores for, and what goes wrong in it.
ASKED = {
    "links": (
        'query A { customer(by: {email: "ada@example.com"}) { displayName orders(first: 5) { complete nodes { number '
        "tags lines { title product { title } } eligibility { action next decision { reasons { customerMessage } } } "
        "} } subscriptions { nodes { id lines { product { title } } originOrder { number } } } } }"
    ),
    "a store that makes no sense": 'query B { customer(by: {email: "ada@example.com"}) { orders { complete issues { '
    "store { id } code } nodes { number } } } }",
    "one that is not there": 'query C { order(id: "Order:us:1") { number } stores { id } }',
    "ids that cannot be": 'query D { a: node(id: "nonsense") { id } b: nodes(ids: ["Order:us:450789001", "x"]) '
    "{ id } }",
    "a refused mutation": 'mutation E { cancelOrder(input: {orderId: "Order:us:1"}, idempotencyKey: "compiled") '
    "{ replayed action { state } problem { __typename message } } }",
}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def served(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Gateway]:
    """As it is served."""
    async with running_gateway(tmp_path_factory.mktemp("served"), at_once=False) as running:
        yield running


async def ask(gateway: Gateway, text: str, fault: str) -> tuple[int, Any, set[tuple[str, str]]]:
    """Status, answer, and what each store was asked: how often hangs on what comes in the same moment."""
    status, answer, _ = await gateway.send(text, **({"x_sandbox_fault": fault} if fault else {}))
    calls = set(gateway.calls(answer))
    answer.pop("extensions", None)
    return status, answer, calls


@pytest.mark.parametrize("what", ASKED)
async def test_an_operation_is_answered_alike_the_first_time_and_the_third(served: Gateway, what: str) -> None:
    text, fault = ASKED[what], "eu=garbage" if "no sense" in what else ""
    operations, name = served.view.operations, text.split()[1]
    first = await ask(served, text, fault)
    assert first[0] == 200
    assert "data" in first[1], first[1]
    assert not operations.knows(text, [name])
    before = operations.fields
    await ask(served, text, fault)
    async with asyncio.timeout(20):
        while not operations.knows(text, [name]):  # noqa: ASYNC110 - nobody is told when it has been
            await asyncio.sleep(0.01)
    assert operations.fields > before  # it was compiled, not left to graphql-core
    third = await ask(served, text, fault)
    assert json.dumps(third[1]) == json.dumps(first[1])
    assert (third[0], third[2]) == (first[0], first[2])
