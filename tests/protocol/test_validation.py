"""Documents right and wrong in every way: the one walk finds what graphql-core's finds, in the same words and order."""

from __future__ import annotations

import os
import random
import re
from collections import Counter

import pytest
from graphql import GraphQLError, GraphQLSyntaxError, parse, validate
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from gateway.operations import document, names
from gateway.preparing import Documents
from gateway.protocol import RequestError
from gateway.settings import Limits
from gateway.validating import RULES, mistakes_in
from resolvers.api import build_api
from tests.execution.written import Writer

SCHEMA = build_api()._schema

#: Words of the language and of the schema, and some of neither, to put in place of others.
WORDS = [
    *("query", "mutation", "fragment", "on", "null", "true", "It", "x", "skip", "include", "deprecated", "nope", "if"),
    *("Order", "Customer", "CustomerBy", "Query", "Node", "Problem", "Money", "ID", "String", "Boolean", "OrderBy"),
    *(
        "id",
        "orders",
        "nodes",
        "first",
        "by",
        "email",
        "customer",
        "stores",
        "lines",
        "__typename",
        "__schema",
        "types",
    ),
    *("fields", "name", "reason", "UNWANTED", "eligibility", "actions", "amount"),
]
#: What may be put after a name, into a selection, and beside the operation.
AFTER = [
    *("@skip(if: true)", "@skip(if: $yes) @skip(if: $yes)", "@nope", "@include", "@deprecated", "@defer", "@stream"),
    *("{ id }", "{ __typename }", "(first: 1)", "(first: 1, first: 2)", "(first: $unknown)", "(first: null)"),
    *("(by: {email: $unknown})", "(by: {email: null})", "(by: {})", '(by: {email: "a", id: "b"})', "(by: {no: 1})"),
]
WITHIN = [
    *(
        "x: id",
        "id: __typename",
        "...F",
        "...G",
        "... on Order { id }",
        "... @nope { __typename }",
        "... on Money { id }",
    ),
    *(
        "nodes { id }",
        "orders { nodes { id } }",
        "orders(first: 2) { complete }",
        "... on ID { id }",
        "... on Nope { id }",
    ),
    *('customer(by: {email: "a", email: "b"}) { id }', "order(id: 1.5) { id }", "order(id: $unknown) { id }"),
    "__schema { types { fields { type { fields { type { fields { type { name } } } } } } } }",
]
BESIDE = [
    *("query Other { stores { id } }", "{ __typename }", "subscription S { a b }", "type Query { a: Int }"),
    *("fragment F on Order { id ...F }", "fragment F on Query { customer(by: {email: $e}) { id } }"),
    *("query E($e: String) { ...F }", "query E($e: String!, $e: Order, $f: [Int!] = [null]) { ...F }"),
    *(
        "fragment G on Money { amount ...H }",
        "fragment H on Money { amount: currencyCode ...G }",
        "schema { query: Q }",
    ),
]
_NAMED = re.compile(r"'[^']*'")
_TOKEN = re.compile(r'"[^"]*"|\.\.\.|\$?\w+|\S')


def literal(dice: random.Random, name: str) -> str:
    known = {"Int": "1", "Boolean": "true", "Decimal": '"19.90"', "DateTime": '"2026-12-24T10:00:00Z"'}
    return known.get(name, '"2026-12-24"')


def changed(dice: random.Random, text: str, changes: int) -> str:
    """The text with so many tokens put in place of others, left out, doubled, or put in between."""
    tokens = _TOKEN.findall(text)
    for _ in range(changes):
        names = [place for place, token in enumerate(tokens) if token[0].isalpha()]
        if not names:
            break
        place = dice.choice(names)
        match dice.randrange(8):
            case 0 | 1:
                tokens[place] = dice.choice(WORDS)
            case 2:
                tokens[place] = tokens[dice.choice(names)]
            case 3:
                del tokens[place]
            case 4:
                tokens.insert(place, tokens[place])
            case 5:
                tokens.insert(place + 1, dice.choice(AFTER))
            case 6:
                tokens.insert(
                    dice.choice([n for n, token in enumerate(tokens) if token == "{"]) + 1, dice.choice(WITHIN)
                )
            case _:
                tokens.insert(dice.choice([0, len(tokens)]), dice.choice(BESIDE))
    return " ".join(tokens)


def told(errors: list[GraphQLError]) -> list[tuple[object, ...]]:
    return [(type(one), one.message, one.locations, one.path, one.extensions) for one in errors]


SEEN: Counter[str] = Counter()


#: How many operations are tried, each in four versions; `make fuzz` asks for many more.
CASES = 700 * max(1, int(os.environ.get("AFTERSALE_FUZZ", "60")) // 60)


@settings(
    max_examples=CASES,
    deadline=None,
    database=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
    derandomize="AFTERSALE_FUZZ" not in os.environ,
)
@given(st.integers(0, 2**40))
def test_what_is_wrong_is_told_as_graphql_core_tells_it(seed: int) -> None:
    dice = random.Random(seed)
    text, _ = Writer(SCHEMA, dice, literal, 20).operation(dice.choice(["query", "query", "mutation"]))
    for changes in (0, 1, 2, 5):
        other = changed(dice, text, changes)
        try:
            read = parse(other)
        except GraphQLSyntaxError:
            SEEN["unreadable"] += 1
            continue
        most = dice.choice([100, 100, 2])
        found = mistakes_in(SCHEMA, read, most)
        assert told(found) == told(validate(SCHEMA, read, RULES, max_errors=most)), other
        SEEN["wrong" if found else "right"] += 1
        SEEN.update("? " + _NAMED.sub("", one.message)[:40] for one in found)


def test_enough_of_them_were_right_and_wrong_in_many_ways() -> None:
    if not SEEN:
        pytest.skip("the property above was not tried")
    assert SEEN["right"] > 300
    assert SEEN["wrong"] > 800
    assert len([words for words in SEEN if words.startswith("?")]) > 40


@pytest.mark.parametrize("name", names())
def test_the_documented_operations_are_valid(name: str) -> None:
    assert mistakes_in(SCHEMA, parse(document(name)), 100) == []


_FRAGMENT = "fragment F on Query { customer(by: {email: $e}) { id } }"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{ customer(by: {email: $nobody}) { id } }", ["Variable '$nobody' is not defined."]),
        (_FRAGMENT + " query($e: String!) { ...F }", []),
        ("query A { stores { id } } " + _FRAGMENT + " query B($e: String!) { ...F }", []),
        (
            _FRAGMENT + " query A($e: String!) { ...F } query B($e: String) { ...F }",
            ["Variable 'e' must be non-nullable to be used for OneOf Input Object 'CustomerBy'."],
        ),
        ("{ customer(by: {}) { id } }", ["OneOf Input Object 'CustomerBy' must specify exactly one key."]),
        ("{ customer(by: {email: null}) { id } }", ["Field 'CustomerBy.email' must be non-null."]),
    ],
    ids=["undefined", "fragment first", "between two", "of one of two operations", "none", "null"],
)
def test_a_choice_between_inputs_is_checked_wherever_its_variable_comes_from(text: str, words: list[str]) -> None:
    documents = Documents(SCHEMA, Limits())
    if not words:
        assert documents.prepare_now(text, suggest=True).text == text
        return
    with pytest.raises(RequestError) as refused:
        documents.prepare_now(text, suggest=True)
    assert [one.message for one in refused.value.errors] == words
