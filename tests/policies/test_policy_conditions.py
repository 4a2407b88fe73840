"""What a CEL condition answers, and what is said of one that cannot be used."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from cel_expr_python import cel

from policies.asked import History
from policies.conditions import UNKNOWN_FACT, ConditionError, Open, Truth, compile_condition
from policies.facts import FACTS, UNKNOWN, GivenFacts, parse_value


def _facts(**given: str) -> GivenFacts:
    facts = GivenFacts(None, History(), None, datetime(2026, 5, 11, tzinfo=UTC), ZoneInfo("UTC"), "USD")
    for name, text in given.items():
        fact = name.replace("__", ".")
        facts[fact] = parse_value(FACTS[fact], text, "USD")
    return facts


def test_the_runtime_words_a_missing_value_in_exactly_the_way_we_read() -> None:
    env = cel.NewEnv(variables={"a.b": cel.Type.INT})
    answer = env.compile("a.b == 1").eval(data={})
    assert answer.type() == cel.Type.ERROR
    assert answer.value() == 'UNKNOWN: No value with name "a.b" found in Activation'
    assert answer.value().startswith(UNKNOWN_FACT)


def test_another_error_of_the_runtime_begins_alike_and_is_not_read_as_unknown() -> None:
    env = cel.NewEnv(variables={"a": cel.Type.List(cel.Type.STRING)})
    answer = env.compile("a[4] == 'x'").eval(data={"a": []})
    assert answer.value().startswith("UNKNOWN:")
    assert not answer.value().startswith(UNKNOWN_FACT)


@pytest.mark.parametrize(
    ("source", "truth"),
    [
        ("order.status == OPEN", True),
        ("order.status == CANCELLED", False),
        ("order.status in [OPEN, COMPLETED]", True),
        ("request.reason in MERCHANT_FAULT", False),
        ("line.total > 39.99", True),
        ("line.total == 40.0", True),
        ("'gift' in order.tags", False),
        ("line.delivered == 1", Open.UNKNOWN),
        ("!(line.delivered == 1)", Open.UNKNOWN),
        ("line.delivered == 1 && order.status == CANCELLED", False),
        ("line.delivered == 1 || order.status == OPEN", True),
        ("line.quantity / 0 == 1", Open.ERROR),
        ("order.tags[3] == 'x'", Open.ERROR),
        ("line.quantity / 0 == 1 || order.status == OPEN", True),
        ("order.placed_at < timestamp('2026-05-05T00:00:00Z')", True),
        ("customer.tags.exists(tag, tag.startsWith('vip'))", True),
        ("viewer.assurance == VERIFIED && viewer.kind != BOT", True),
    ],
)
def test_a_condition_is_true_false_unknown_or_an_error(source: str, truth: Truth) -> None:
    facts = _facts(customer__tags="vip-gold")
    facts["line.delivered"] = UNKNOWN
    assert compile_condition(source).truth(facts) is truth


@pytest.mark.parametrize(
    ("source", "message", "place", "hint"),
    [
        ("line.days_lat <= 7", "there is no fact or word line.days_lat", (1, 1), "did you mean line.days_late?"),
        ("order.status == OPNE", "there is no fact or word OPNE", (1, 17), "did you mean OPEN?"),
        (
            "order.status == UNKNOWN",
            "there is no fact or word UNKNOWN",
            (1, 17),
            "when a fact is not known",
        ),
        ("order.status == UNWANTED", "these types do not go together: (OrderStatus, ReturnReason)", (1, 14), ""),
        (
            "order.status == 'OPEN'",
            "these types do not go together: (OrderStatus, string)",
            (1, 14),
            "written bare",
        ),
        (
            "line.total > 100",
            "these types do not go together: (double, int)",
            (1, 12),
            "decimal point",
        ),
        ("order.status ==", "syntax error: mismatched input '<EOF>'", (1, 16), ""),
        ("line.quantity", "a condition is a yes-or-no question; this gives int", (1, 1), ""),
        ("has(order.status)", "a condition is a yes-or-no question", (1, 1), ""),
        ("line.quantity > 1 &&\n  line.titel == 'x'", "there is no fact or word line.titel", (2, 3), "line.title?"),
    ],
)
def test_a_condition_that_cannot_be_used_says_where_and_what_was_meant(
    source: str, message: str, place: tuple[int, int], hint: str
) -> None:
    with pytest.raises(ConditionError) as caught:
        compile_condition(source)
    error = caught.value
    assert error.message.startswith(message)
    assert (error.line, error.column) == place
    assert hint in error.hint


def test_a_condition_knows_the_facts_words_and_numbers_it_names() -> None:
    condition = compile_condition(
        "order . status == OPEN && 'line.title' != line.sku || request.quantity > 3 // line.type"
    )
    assert condition.facts == ("order.status", "line.sku", "request.quantity")
    assert condition.words == {"OPEN"}
    assert condition.numbers == {3}
    assert compile_condition("request.reason in MERCHANT_FAULT").claims == ("request.reason",)


@pytest.mark.parametrize("name", FACTS)
def test_the_example_of_a_fact_is_of_its_type(name: str) -> None:
    assert parse_value(FACTS[name], FACTS[name].example, "USD") is not UNKNOWN
