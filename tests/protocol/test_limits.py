"""Every limit has its own clear error, can be configured, and is counted before anything is read."""

from __future__ import annotations

import asyncio
import re
import statistics
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from graphql import GraphQLObjectType, parse
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.app import STATIC
from gateway.limits import Costs, unbounded_lists
from gateway.operations import document, names
from gateway.preparing import Documents
from gateway.settings import Limits
from resolvers.api import build_api
from schema.costs import size_of
from tests.protocol.conftest import BOT, Answer, post, send
from tests.running import Gateway, running_gateway

pytestmark = pytest.mark.asyncio(loop_scope="module")

SMALL = Limits(
    request_bytes=4_096,
    header_bytes=8_192,
    query_tokens=400,
    query_comments=50,
    name_length=60,
    query_depth=8,
    root_fields=3,
    aliases=5,
    directives=4,
    fragments=16,
    overlaps=100,
    list_items=10,
    value_depth=20,
    cost=500,
    errors=4,
)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def small(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Gateway]:
    async with running_gateway(tmp_path_factory.mktemp("small"), limits=SMALL) as running:
        yield running


def times(count: int, text: str) -> str:
    return " ".join(text.format(n=n) for n in range(count))


#: The limit, what is just within it, what is just beyond, and the words of its error.
CASES: list[tuple[str, str, str, str]] = [
    ("query_tokens", "{ stores { id " + "id " * 5 + "} }", "{ stores { " + "id " * 400 + "} }", "more than 400 tokens"),
    (
        "query_depth",
        "{ customer(by: {id: 1}) { orders(first: 1) { nodes { lines { product { variants(first: 1) { id } } } } } } }",
        "{ customer(by: {id: 1}) { orders { nodes { customer { orders { nodes { customer { orders { complete }}}}}}}}}",
        "deeper than 8 levels",
    ),
    (
        "query_depth",
        "{ ...A } fragment A on Query { stores { ...B } } fragment B on Store { id }",
        "{ customer(by: {id: 1}) { ...A } } fragment A on Customer { orders { nodes { customer { ...B } } } } "
        "fragment B on Customer { orders { nodes { customer { orders { complete } } } } }",
        "deeper than 8 levels",
    ),
    (
        "root_fields",
        "{ stores { id } viewer { assurance } __typename }",
        "{ stores { id } ...A } fragment A on Query { viewer { assurance } ... on Query { __typename } a: __typename }",
        "more than 3 fields",
    ),
    (
        "aliases",
        times(1, "{{ stores {{ a: id b: id c: id d: id e: id }} }}"),
        "{ stores { a: id b: id c: id d: id e: id f: id } }",
        "more than 5 aliases",
    ),
    ("aliases", "{ stores { id id id id id id } }", "{ stores { id id id id id id id } }", "more than 5 aliases"),
    (
        "aliases",
        "{ stores { ...A } } fragment A on Store { a: id b: id c: id }",
        "{ stores { ...A } again: stores { ...A } } fragment A on Store { a: id b: id c: id }",
        "more than 5 aliases",
    ),
    (
        "directives",
        "{ stores { " + times(4, "id @skip(if: false)") + " } }",
        "{ stores { id " + times(5, "@skip(if: false)") + " } }",
        "more than 4 directives",
    ),
    (
        "fragments",
        "{ stores { " + times(14, "... {{ id }}") + " } }",
        "{ stores { " + times(17, "... {{ id }}") + " } }",
        "more than 16 fragments",
    ),
    (
        "fragments",
        "{ stores { ...A } } fragment A on Store { ...B } fragment B on Store { id }",
        "{ stores { ...A ...A ...A } } fragment A on Store { ...B ...B ...B } fragment B on Store { ... { id } }",
        "more than 16 fragments",
    ),
    (  # 91 pairs of `id` against 105; 45 of `capabilities` and 45 below it against 55 and 55
        "overlaps",
        "{ stores { " + times(14, "... {{ id }}") + " } }",
        "{ stores { " + times(15, "... {{ id }}") + " } }",
        "more than 100 pairs",
    ),
    (
        "overlaps",
        "{ stores { " + times(10, "... {{ capabilities {{ action }} }}") + " } }",
        "{ stores { ...A " + times(10, "... {{ capabilities {{ action }} }}") + " } } "
        "fragment A on Store { capabilities { action } }",
        "more than 100 pairs",
    ),
    (
        "list_items",
        f"{{ nodes(ids: [{times(10, '1')}]) {{ id }} }}",
        f"{{ nodes(ids: [{times(11, '1')}]) {{ id }} }}",
        "11 items",
    ),
    (
        "value_depth",
        "{ node(id: " + "[" * 20 + "1" + "]" * 20 + ") { id } }",
        "{ node(id: " + "[" * 21 + "1" + "]" * 21 + ") { id } }",
        "nested deeper than 20",
    ),
    ("query_comments", "{ stores { id } }" + "#\n" * 50, "{ stores { id } }" + "#\n" * 51, "more than 50 comments"),
    (
        "name_length",
        f"{{ stores {{ {'a' * 60}: id }} }}",
        f"{{ stores {{ {'a' * 61}: id }} }}",
        "more than 60 characters",
    ),
    (
        "name_length",
        f"query {'A' * 60} {{ stores {{ ...F }} }} fragment F on Store {{ id }}",
        f"query A {{ stores {{ ...{'F' * 61} }} }} fragment {'F' * 61} on Store {{ id }}",
        "the name FFFFFFFFFFFFFFFFFFFF… has",
    ),
    (
        "cost",
        '{ orders(customerEmail: "ada@example.com", first: 5) { nodes { lines { id } } } }',
        '{ orders(customerEmail: "ada@example.com", first: 90) { nodes { lines { id } } } }',
        "could cost 541",
    ),
]


def limited(answer: Answer, limit: str, words: str) -> None:
    assert answer.status == 400, answer.body
    assert answer.error["extensions"]["code"] == "LIMIT_EXCEEDED"
    assert answer.error["extensions"]["limit"] == limit
    assert words in answer.error["message"]


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case[0]}: {case[2][:40]}")
async def test_a_document_beyond_a_limit_is_told_which(small: Gateway, case: tuple[str, str, str, str]) -> None:
    limit, within, beyond, words = case
    accept = {"accept": "application/graphql-response+json"}
    inside = await post(small, within, accept)
    assert "LIMIT_EXCEEDED" not in str(inside.body)
    limited(await post(small, beyond, accept), limit, words)


@pytest.mark.parametrize(
    ("variables", "limit", "words"),
    [
        ({"ids": ["Store:us"] * 11}, "list_items", "11 items"),
        ({"ids": [], "more": {"a": [{"b": [1] * 11}]}}, "list_items", "11 items"),
        (
            {"ids": [], "deep": [[[[[[[[[[[[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]},
            "value_depth",
            "deeper than 20",
        ),
    ],
)
async def test_variables_beyond_a_limit_are_told_which(
    small: Gateway, variables: dict[str, Any], limit: str, words: str
) -> None:
    accept = {"accept": "application/graphql-response+json"}
    query = "query ($ids: [ID!]!) { nodes(ids: $ids) { id } }"
    limited(await post(small, query, accept, variables=variables), limit, words)


async def test_the_cost_counts_what_the_variables_ask_for(small: Gateway) -> None:
    query = """query ($n: Int! = 90) {
      orders(customerEmail: "ada@example.com", first: $n) { nodes { lines { id } } } }"""
    accept = {"accept": "application/graphql-response+json"}
    assert "errors" not in (await post(small, query, accept, variables={"n": 2})).body
    limited(await post(small, query, accept, variables={"n": 95}), "cost", "could cost 571")
    limited(await post(small, query, accept), "cost", "could cost 541")


async def test_a_body_beyond_its_limit_is_refused_unread(small: Gateway) -> None:
    answer = await send(small, data=b" " * 5_000, headers={"content-type": "application/json"})
    assert (answer.status, answer.code) == (413, "REQUEST_TOO_LARGE")
    assert "4096 bytes" in answer.error["message"]


async def test_a_long_alias_does_not_make_a_small_request_a_large_answer(development: Gateway) -> None:
    long = "a" * 200_000
    for text in (
        f"query ($ids: [ID!]!) {{ nodes(ids: $ids) {{ {long}: id }} }}",
        f"query {long}({times(60, '$v{n}: ID')}) {{ __typename }}",  # whose name would stand in every error
    ):
        answer = await post(development, text, variables={"ids": ["Store:us"] * 100})
        assert answer.error["extensions"]["limit"] == "name_length"
        assert len(str(answer.body)) < 500


async def test_a_list_of_errors_ends_at_its_limit(small: Gateway) -> None:
    answer = await post(small, "{ stores { " + times(5, "no{n}") + " } }")
    assert [error["extensions"]["code"] for error in answer.body["errors"]][:3] == ["INVALID_INPUT"] * 3
    assert len(answer.body["errors"]) <= 5
    answer = await post(small, f"{{ nodes(ids: [{times(9, '{n}')}]) {{ id }} }}")
    assert len(answer.body["errors"]) <= 4


async def test_every_limit_was_crossed() -> None:
    crossed = {case[0] for case in CASES} | {"request_bytes", "header_bytes", "errors"}
    assert crossed == set(Limits.model_fields)
    assert [name for name, value in SMALL if value == Limits.model_fields[name].default] == []


#: Documents that are small and were made to cost much: parsing, validating or measuring each must stay quick.
BOMBS: dict[str, str] = {
    "fragments that double": "{ viewer { ...f0 } } "
    + times(60, "fragment f{n} on Viewer {{ ...g{n} ...g{n} }} fragment g{n} on Viewer {{ assurance }}")
    + " ".join(f"fragment h{n} on Viewer {{ ...h{n + 1} ...h{n + 1} }}" for n in range(60)),
    "a fragment within itself": "{ viewer { ...A } } fragment A on Viewer { ...B } fragment B on Viewer { ...A }",
    "the same again in many fragments": "{ order(id: 1) { "
    + times(90, "... {{ totals {{ total {{ presentment {{ amount currencyCode }} shop {{ amount }} }} }} }}")
    + " } }",
    "fragments in circles that overlap": "{ order(id: 1) { ...f0 } } "
    + times(40, "fragment f{n} on Order {{ totals {{ total {{ presentment {{ amount }} }} }} ...f0 }}"),
    "many that overlap": "{ viewer { "
    + times(450, "...f{n}")
    + " } } "
    + times(450, "fragment f{n} on Viewer {{ assurance }}"),
    "one field again and again": "{ viewer { " + "assurance " * 3900 + "} }",
    "nested selections": "{ viewer " * 1 + "{ ... " * 700 + "{ assurance }" + "}" * 701,
    "nested lists": "{ node(id: " + "[" * 1900 + "]" * 1900 + ") { id } }",
    "nested objects": "{ customer(by: " + "{id: " * 900 + "1" + "}" * 900 + ") { id } }",
    "nested list types": "query ($a: " + "[" * 1900 + "ID" + "]" * 1900 + ") { viewer { assurance } }",
    "many variables": "query (" + times(900, "$a{n}: Int") + ") { viewer { assurance } }",
    "many operations": times(600, "query Q{n} {{ __typename }}"),
    "many unknown fields": "{ viewer { " + times(3900, "no{n}") + " } }",
    "a long string": '{ node(id: "' + "x" * 250_000 + '") { id } }',
    "a long comment": "{ viewer { assurance } } #" + "x" * 250_000,
    "a long number": "{ orders(first: " + "9" * 250_000 + ") { complete } }",
    "introspection in circles": "{ __schema { types " + "{ fields { type " * 80 + "{ name }" + "} }" * 80 + "} }",
    "aliases by the hundred": "{ " + times(600, "a{n}: stores {{ id }}") + " }",
}


@pytest.mark.parametrize("bomb", BOMBS)
async def test_a_document_made_to_cost_much_is_refused_quickly(development: Gateway, bomb: str) -> None:
    began = time.perf_counter()
    answer = await post(development, BOMBS[bomb])
    assert time.perf_counter() - began < 1.5
    assert answer.status in (200, 413)
    assert "INTERNAL_ERROR" not in str(answer.body)
    if bomb != "a long comment" and bomb != "a long string":
        assert "data" not in answer.body


def heavy(n: int) -> str:
    """A document within every limit that takes long to validate; each is new."""
    spreads = " ".join(f"...f{k}" for k in range(95))
    return f"query Q{n} {{ viewer {{ {spreads} }} }} " + times(95, "fragment f{n} on Viewer {{ assurance }}")


async def test_new_documents_do_not_hold_up_known_ones(development: Gateway) -> None:
    known = "query Known { viewer { assurance } }"
    await post(development, known)
    attack = asyncio.gather(*(post(development, heavy(n)) for n in range(4)))
    await asyncio.sleep(0.05)
    waits = []
    while not attack.done():
        began = time.perf_counter()
        assert "errors" not in (await post(development, known)).body
        waits.append(time.perf_counter() - began)
    assert all("data" in answer.body for answer in await attack)
    assert len(waits) > 4
    assert statistics.median(waits) < 0.1


async def test_more_new_documents_than_can_wait_are_told_to_come_back(development: Gateway) -> None:
    first = asyncio.create_task(post(development, heavy(1_000)))
    await asyncio.sleep(0.02)
    light = [f"query Light{n} {{ viewer {{ assurance }} }}" + "#" * 60_000 for n in range(90)]
    answers = [await first, *await asyncio.gather(*(post(development, text) for text in light))]
    told = [answer for answer in answers if answer.status == 503]
    assert told
    assert {answer.code for answer in told} == {"UNAVAILABLE"}
    assert {answer.error["message"] for answer in told} == {
        "too many new documents of this caller are being read; try again"
    }
    assert sum("data" in answer.body for answer in answers) >= 33  # two million characters


async def test_who_sends_ever_new_documents_does_not_hold_up_the_new_ones_of_others(development: Gateway) -> None:
    attack = [asyncio.create_task(post(development, heavy(2_000 + n), BOT)) for n in range(20)]
    await asyncio.sleep(0.1)
    answer = await post(development, "query Mine { viewer { assurance } }")
    assert answer.body["data"] == {"viewer": {"assurance": "STAFF"}}
    assert sum(one.done() for one in attack) < 12, "mine waited behind theirs"
    answers = await asyncio.gather(*attack)
    assert all("data" in one.body for one in answers)


async def test_one_document_that_many_ask_for_at_once_is_read_once(development: Gateway) -> None:
    text = heavy(3_000)
    began = time.perf_counter()
    answers = await asyncio.gather(*(post(development, text) for _ in range(60)))
    assert all("data" in one.body for one in answers)
    assert time.perf_counter() - began < 5  # each with its own rest would take longer by far


async def test_every_list_of_objects_has_a_size() -> None:
    schema = build_api()._schema
    assert {one.partition(".")[2] for one in unbounded_lists(schema)} == {"edges", "nodes"}
    for kind in schema.type_map.values():
        for name, field in kind.fields.items() if isinstance(kind, GraphQLObjectType) else ():
            if "first" in field.args or "ids" in field.args:
                assert size_of(kind.name, name), f"{kind.name}.{name} takes a count that nothing bounds"


async def test_the_printed_schema_says_what_is_counted() -> None:
    text = build_api().as_str()
    assert 'slicingArguments: ["first"], sizedFields: ["edges", "nodes"], requireOneSlicingArgument: false' in text
    assert re.search(r"stats: CustomerStats @cost\(weight: 10\)", text)
    assert re.search(r"  nodes\(ids: \[ID!\]!\): \[Node\]! @listSize\(assumedSize: 100\)", text)
    assert '"@cost"' in text
    assert '"@listSize"' in text


@pytest.mark.parametrize("name", names())
async def test_every_documented_operation_is_far_within_every_limit(name: str) -> None:
    api = build_api()
    documents = Documents(api._schema, Limits())
    prepared = documents.prepare_now(document(name), suggest=True)
    cost = Costs(prepared.operation(name), prepared.document, api._schema).of({"first": 10})
    assert cost * 4 <= Limits().cost, cost


@pytest.mark.parametrize(
    ("text", "cost"),
    [
        ("{ viewer { assurance } }", 1),
        ("{ __typename __schema { types { name } } }", 0),
        ("{ stores { id } }", 5),
        ("{ stores { capabilities { action } } }", 30),
        ("{ orders(first: 3) { nodes { id } } }", 4),
        ("{ orders(first: 3) { edges { node { id } } nodes { id } pageInfo { hasNextPage } } }", 1 + 6 + 3 + 1),
        ("{ orders { nodes { id } } }", 11),
        ("query ($n: Int! = 4) { orders(first: $n) { nodes { id } } }", 5),
        ("query ($n: Int!) { orders(first: $n) { nodes { id } } }", 101),
        ("{ orders(first: 1000000) { nodes { id } } }", 101),
        ('{ nodes(ids: ["a", "b"]) { id ... on Order { lines { id } } } }', 2 * (1 + 5)),
        ('{ order(id: "a") { eligibility(actions: [CANCEL_ORDER]) { action } } }', 2),
        ('{ order(id: "a") { eligibility { action } } }', 7),
        ('{ customer(by: {id: "a"}) { stats { orderCount } } }', 15),
        ("mutation { cancelSubscription(input: {}, idempotencyKey: 1) { replayed action { id } } }", 11),
        (
            "{ order(id: 1) { ...A } } fragment A on Order { lines { id } ...B} fragment B on Order { refunds { id } }",
            11,
        ),
    ],
)
async def test_a_cost_is_what_the_directives_say(text: str, cost: int) -> None:
    api = build_api()
    parsed = parse(text)
    costs = Costs(parsed.definitions[0], parsed, api._schema)  # type: ignore[arg-type]
    assert (costs.of({}), costs.of({})) == (cost, cost)


_VALUES = st.one_of(
    st.none(), st.booleans(), st.integers(-3, 200), st.floats(0, 3), st.text(max_size=2), st.lists(st.just("a"))
)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.dictionaries(st.sampled_from(["n", "ids", "other"]), _VALUES), max_size=6))
async def test_a_cost_that_is_known_already_is_that_of_these_variables(asked: list[dict[str, Any]]) -> None:
    document = parse(
        "query ($n: Int! = 4, $ids: [ID!]!, $other: String) { orders(first: $n) { nodes { id } } "
        "nodes(ids: $ids) { id } order(number: $other) { id } }"
    )
    [operation] = document.definitions
    kept = Costs(operation, document, _SCHEMA)  # type: ignore[arg-type]
    for variables in asked:
        anew = Costs(operation, document, _SCHEMA)  # type: ignore[arg-type]
        assert kept.of(variables) == anew.of(variables)


_SCHEMA = build_api()._schema


# ------------------------------------------------------------------ what production does not tell
async def test_the_schema_is_told_only_to_whom_the_scope_allows_it(production: Gateway) -> None:
    for query in (
        "{ __schema { queryType { name } } }",
        '{ __type(name: "Order") { name } }',
        "{ _service { sdl } }",
        "{ ...A } fragment A on Query { ... { __schema { queryType { name } } } }",
    ):
        refused = await post(production, query, BOT)
        assert (refused.status, refused.code) == (403, "FORBIDDEN"), query
        assert "errors" not in (await post(production, query)).body  # the sandbox's staff has every scope
    assert "errors" not in (await post(production, "{ __typename viewer { __typename } }", BOT)).body


@pytest.mark.parametrize(
    ("query", "variables"),
    [
        ("{ order { number } stors { id } }", {}),
        ("{ node(id: 1) { ... on Ordr { id } } }", {}),
        ("query ($f: OrderFilter) { orders(filter: $f) { complete } }", {"f": {"statu": ["OPEN"]}}),
        ("query ($f: OrderFilter) { orders(filter: $f) { complete } }", {"f": {"status": ["OPN"]}}),
        ('{ customer(by: {emial: "ada@example.com"}) { id } }', {}),
    ],
)
async def test_a_mistake_is_helped_with_words_only_where_the_schema_may_be_known(
    production: Gateway, query: str, variables: dict[str, Any]
) -> None:
    closed = await post(production, query, BOT, variables=variables)
    helped = await post(production, query, variables=variables)
    assert "Did you mean" in str(helped.body)
    assert "Did you mean" not in str(closed.body)
    assert len(closed.body["errors"]) == len(helped.body["errors"])


async def test_graphiql_is_there_in_production_only_for_whom_may_know_the_schema(
    production: Gateway, development: Gateway
) -> None:
    # The page has these parts where it was built; whether it was or not, nothing of it is there for others.
    for path in ("/graphiql", "/graphiql/config.json", *(f"/graphiql/{one.name}" for one in STATIC.glob("*.*"))):
        found = []
        for gateway, headers in ((development, BOT), (production, BOT), (production, {"authorization": "Bearer no"})):
            async with gateway.session.get(f"{gateway.url}{path}", headers=headers) as response:
                found.append(response.status)
        assert found == [200, 404, 404]


async def test_the_shipped_limits_are_documented() -> None:
    text = (Path(__file__).parents[2] / "docs" / "security.md").read_text(encoding="utf-8")
    for name, field in Limits.model_fields.items():
        assert re.search(rf"\| `{name}` \| {field.default:,} \|", text), name
