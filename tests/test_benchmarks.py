"""Who is set beside the gateway is asked the same and answers the same; `make bench-peers` is what it says it is."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from benchmarks.peers.__main__ import FULL, Facts, Running, difference, look
from benchmarks.peers.contenders import CONTENDERS, GATEWAY, Contender
from benchmarks.peers.processes import free_port, process
from benchmarks.peers.upstream import SIZES, email

#: Those that need no Node; the others are asked by `make bench-peers` itself, before it measures anything.
ON_PYTHON = (GATEWAY, "aggregator-python", "strawberry", "strawberry-tuned")


@pytest.fixture(scope="module")
def peers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[int, list[Running]]]:
    """The port of the shop, and the servers over it."""
    with ExitStack() as stack:
        folder, shop = tmp_path_factory.mktemp("shop"), free_port()
        command = [sys.executable, "-m", "benchmarks.peers.upstream", str(shop)]
        stack.enter_context(process(command, folder, None, shop))
        running = []
        for each in CONTENDERS:
            if each.name in ON_PYTHON:
                folder, port = tmp_path_factory.mktemp(each.name), free_port()
                command = list(each.start(port, f"http://127.0.0.1:{shop}", folder))
                running.append(Running(each, stack.enter_context(process(command, folder, None, port)), port))
        yield shop, running


async def test_the_peers_on_python_answer_as_the_gateway_does_by_the_same_calls(
    peers: tuple[int, list[Running]],
) -> None:
    shop, running = peers
    assert [each.contender.name for each in running] == [*ON_PYTHON]
    reference, calls = None, {}
    for each in running:
        facts = Facts()
        data = await look(each, shop, "5 KB", reference, facts)
        reference = data if reference is None else reference
        assert facts.difference["5 KB"] == "", each.contender.name
        calls[each.contender.name] = facts.calls["5 KB"]
    once_each = {"/customers": 1, "/orders": 1, "/orders, guests": 1, "/products": 1}
    assert calls == dict.fromkeys(ON_PYTHON, once_each)


def test_a_difference_of_two_answers_is_told_with_its_place() -> None:
    one = {"orders": [{"id": 1, "total": "5.00"}, {"id": 2, "total": "6.00"}]}
    other = {"orders": [{"id": 1, "total": "5.00"}, {"id": 2, "total": "6"}]}
    assert difference(one, one) == ""
    assert difference(one, other) == "data.orders[1].total: 6.00 and 6"
    assert difference({"a": 1}, {"b": 1}) != ""
    assert difference([1], [1, 2]) != ""


@pytest.mark.parametrize("contender", [each for each in CONTENDERS if each.query], ids=lambda each: each.name)
def test_a_document_that_was_never_seen_is_another_one_for_everybody(contender: Contender) -> None:
    asked = [contender.asked(email(2), 2, cold) for cold in (None, 1, 2)]
    texts = [json.loads(each.partition(b"\r\n\r\n")[2])["query"] for each in asked]
    assert len(set(texts)) == 3
    assert len({json.dumps(json.loads(each.partition(b"\r\n\r\n")[2])["variables"]) for each in asked}) == 1


def test_every_way_has_its_default_and_its_tuned_form_and_is_asked_often_enough() -> None:
    names = [each.name for each in CONTENDERS]
    assert names[0] == GATEWAY
    for default, tuned in (
        ("yoga", "yoga-jit"),
        ("mercurius", "mercurius-jit"),
        ("hive", "hive-jit"),
        ("strawberry", "strawberry-tuned"),
    ):
        assert {default, tuned} <= {*names}
    assert "aggregator" in names
    assert (FULL.warm >= 5_000, FULL.rounds >= 7, FULL.cold > 0, FULL.four >= 7) == (True,) * 4
    assert (FULL.sizes, FULL.delays) == (("5 KB", "30 KB", "100 KB"), (0, 30, 100))
    assert [*SIZES] == [*FULL.sizes]


def test_the_results_that_are_published_name_everybody_and_their_command() -> None:
    page = (Path(__file__).parents[1] / "benchmarks" / "RESULTS.md").read_text(encoding="utf-8")
    assert "python -m benchmarks.peers" in page
    for each in CONTENDERS:
        assert f"- **{each.name}**: {each.what}" in page
