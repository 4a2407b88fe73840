"""GraphQL over HTTP, line by line: media types, statuses, and what is no request at all."""

from __future__ import annotations

import asyncio
import io
import json
import logging
import socket
import sqlite3
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode, urlsplit

import pytest
import structlog

from gateway.protocol import GRAPHQL, JSON, answered_as
from gateway.telemetry import configure_logging
from tests.protocol.conftest import post, send
from tests.running import Gateway, running_gateway

pytestmark = pytest.mark.asyncio(loop_scope="module")

NEWEST = {"accept": GRAPHQL}
TYPED = {"content-type": "application/json"}
WHO = "{ viewer { assurance } }"


@pytest.mark.parametrize(
    ("accept", "media"),
    [
        (None, JSON),
        ("", JSON),
        ("*/*", JSON),
        ("application/*", JSON),
        ("application/json", JSON),
        ("application/graphql-response+json", GRAPHQL),
        ("application/graphql-response+json,application/json;q=0.9", GRAPHQL),
        ("application/json, application/graphql-response+json", GRAPHQL),
        ("application/graphql-response+json;q=0.5, application/json", JSON),
        ("application/json, text/plain, */*", JSON),
        ("Application/GraphQL-Response+JSON; charset=UTF-8", GRAPHQL),
        ("text/html,application/xhtml+xml,*/*;q=0.8", JSON),
        ("application/json;q=0", None),
        ("text/html", None),
        ("application/json; charset=latin-1", None),
        ("application/json;q=high", None),
        (";;,,", None),
    ],
)
async def test_the_media_type_is_the_one_the_client_likes_best(accept: str | None, media: str | None) -> None:
    assert answered_as(accept) == media


async def test_an_accept_that_takes_no_json_is_told_what_there_is(development: Gateway) -> None:
    answer = await post(development, WHO, {"accept": "text/html"})
    assert (answer.status, answer.code, answer.media) == (406, "NOT_ACCEPTABLE", JSON)


#: What is asked, and what it is answered with as application/graphql-response+json.
WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "not a document": ({"query": "{"}, "Syntax Error"),
    "not valid": ({"query": "{ nothing }"}, "Cannot query field"),
    "a variable that does not fit": (
        {"query": "query ($n: Int!) { orders(first: $n) { complete } }", "variables": {"n": "many"}},
        "Int cannot represent",
    ),
    "no such operation": ({"query": "query A { viewer { assurance } }", "operationName": "B"}, 'named "B"'),
    "one of several, not said which": ({"query": "query A { __typename } query B { __typename }"}, "operationName"),
    "only a fragment": ({"query": "fragment F on Order { id }"}, "Fragment 'F' is never used"),
}


@pytest.mark.parametrize("case", WRONG)
async def test_a_request_error_has_no_data_and_its_status_is_the_media_types(development: Gateway, case: str) -> None:
    body, words = WRONG[case]
    for headers, status in ((NEWEST, 400), ({"accept": JSON}, 200), ({}, 200)):
        answer = await send(development, json=body, headers=headers)
        assert (answer.status, answer.media) == (status, headers.get("accept", JSON))
        assert words in answer.error["message"]
        assert answer.code == "INVALID_INPUT"


async def test_an_answer_with_data_is_200_whatever_failed_inside(development: Gateway) -> None:
    answer = await post(development, '{ stores { id } orders(customerEmail: "@") { complete } }', NEWEST)
    assert (answer.status, answer.media, answer.body["data"]) == (200, GRAPHQL, None)
    assert [error["path"] for error in answer.body["errors"]] == [["orders"]]


async def test_data_comes_before_errors(development: Gateway) -> None:
    answer = await post(development, '{ node(id: "x") { id } }')
    assert list(answer.body)[:2] == ["data", "errors"]


#: Bodies that are no request: the status whatever media type is asked for.
BODIES: dict[str, tuple[bytes, dict[str, str], int, str]] = {
    "null": (b"null", TYPED, 400, "JSON object"),
    "a number": (b"1", TYPED, 400, "JSON object"),
    "a list of null": (b"[null]", TYPED, 400, "Batching"),
    "a text": (b'"{ viewer }"', TYPED, 400, "JSON object"),
    "nothing": (b"", TYPED, 400, "JSON"),
    "half": (b'{"query": "{ viewer', TYPED, 400, "JSON"),
    "not UTF-8": (b'{"query": "\xff"}', TYPED, 400, "JSON"),
    "UTF-16": ('{"query": "{ __typename }"}'.encode("utf-16"), TYPED, 400, "JSON"),
    "a lone surrogate": (b'{"query": "\\ud800"}', TYPED, 400, "JSON"),
    "not a number": (b'{"query": "{ __typename }", "variables": {"a": NaN}}', TYPED, 400, "JSON"),
    "nested deeply": (b'{"variables": ' + b'{"a":' * 30_000 + b"1" + b"}" * 30_000 + b"}", TYPED, 400, "JSON"),
    "lists nested deeply": (b"[" * 200_000, TYPED, 400, "JSON"),
    "a query that is a number": (b'{"query": 1}', TYPED, 400, "`query`"),
    "a query that is null": (b'{"query": null}', TYPED, 400, "No GraphQL query"),
    "variables that are text": (b'{"query": "{ __typename }", "variables": "{}"}', TYPED, 400, "`variables`"),
    "extensions that are a list": (b'{"query": "{ __typename }", "extensions": []}', TYPED, 400, "`extensions`"),
    "a name that is a list": (b'{"query": "{ __typename }", "operationName": []}', TYPED, 400, "`operationName`"),
    "a form": (b"query=%7Bviewer%7D", {"content-type": "application/x-www-form-urlencoded"}, 415, "application/json"),
    "plain text": (b'{"query": "{ __typename }"}', {"content-type": "text/plain"}, 415, "application/json"),
    "multipart": (b"--x--", {"content-type": "multipart/form-data; boundary=x"}, 415, "application/json"),
    "another charset": (b"{}", {"content-type": "application/json; charset=latin-1"}, 415, "application/json"),
    "compressed": (b"{}", {**TYPED, "content-encoding": "gzip"}, 415, "content-encoding"),
}


@pytest.mark.parametrize("case", BODIES)
async def test_a_body_that_is_no_request_is_told_so(development: Gateway, case: str) -> None:
    body, headers, status, words = BODIES[case]
    for accept in (JSON, GRAPHQL):
        answer = await send(development, data=body, headers={**headers, "accept": accept})
        assert (answer.status, answer.media) == (status, accept)
        assert words in answer.error["message"]


async def test_a_post_without_a_content_type_is_refused(development: Gateway) -> None:
    async with development.session.post(
        f"{development.url}/graphql", data=b'{"query": "{ __typename }"}', skip_auto_headers={"content-type"}
    ) as response:
        assert response.status == 415


@pytest.mark.parametrize("content_type", ["application/json", "application/json; charset=utf-8", "Application/JSON"])
async def test_json_is_taken_however_it_is_written(development: Gateway, content_type: str) -> None:
    body = json.dumps({"query": "{ viewer { actor { name } } }", "unknown": True, "variables": None}).encode()
    answer = await send(development, data=body, headers={"content-type": content_type})
    assert answer.body["data"] == {"viewer": {"actor": {"name": "sandbox"}}}


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"])
async def test_a_method_that_is_not_offered_names_those_that_are(development: Gateway, method: str) -> None:
    answer = await send(development, method, headers=TYPED)
    assert (answer.status, answer.code, answer.headers["allow"]) == (405, "METHOD_NOT_ALLOWED", "GET, POST")


async def test_a_query_may_be_asked_by_get(development: Gateway) -> None:
    parameters = {
        "query": "query A($id: ID!) { node(id: $id) { id } } query B { __typename }",
        "variables": '{"id": "Store:us"}',
        "operationName": "A",
        "extensions": "{}",
    }
    answer = await send(development, "GET", f"/graphql?{urlencode(parameters)}", headers=NEWEST)
    assert (answer.status, answer.media) == (200, GRAPHQL)
    assert answer.body["data"] == {"node": {"id": "Store:us"}}


@pytest.mark.parametrize("name", ["", "&operationName=B"])
async def test_a_mutation_by_get_is_not_run(development: Gateway, name: str) -> None:
    query = "query A { __typename } mutation B { __typename }" if name else "mutation { __typename }"
    answer = await send(development, "GET", f"/graphql?{urlencode({'query': query})}{name}")
    assert (answer.status, answer.code, answer.headers["allow"]) == (405, "METHOD_NOT_ALLOWED", "POST")


@pytest.mark.parametrize(
    "address",
    [
        "query=%FF",
        "query={__typename}&query={__typename}",
        "query={__typename}&variables={",
        "query={__typename}&variables=[]",
        "query={__typename}&variables=" + "[" * 3000,
        "query={__typename}&extensions=1",
        "&".join(f"a{n}=1" for n in range(60)),
        "",
    ],
)
async def test_an_address_that_cannot_be_read_is_told_so(development: Gateway, address: str) -> None:
    answer = await send(development, "GET", f"/graphql?{address}", headers=NEWEST)
    assert (answer.status, answer.code) == (400, "BAD_REQUEST")


async def test_a_whole_number_of_any_size_is_answered(development: Gateway) -> None:
    answer = await post(development, f"{{ stores {{ id }} orders(first: {'9' * 5000}) {{ complete }} }}")
    assert answer.status == 200
    assert answer.code == "INVALID_INPUT"


async def test_who_asks_is_settled_before_what_is_asked(development: Gateway) -> None:
    answer = await post(development, "{ nonsense", {"authorization": "Bearer nobody", **NEWEST})
    assert (answer.status, answer.code, answer.media) == (401, "UNAUTHENTICATED", GRAPHQL)
    assert answer.headers["www-authenticate"] == "Bearer"


async def test_a_body_that_never_ends_is_given_up(tmp_path_factory: pytest.TempPathFactory) -> None:
    deadlines = {"store_seconds": 0.2, "request_seconds": 0.5}
    async with running_gateway(tmp_path_factory.mktemp("slow"), deadlines=deadlines) as gateway:
        address = urlsplit(gateway.url)
        reader, writer = await asyncio.open_connection(address.hostname, address.port, family=socket.AF_INET)
        head = f"POST /graphql HTTP/1.1\r\nhost: {address.netloc}\r\ncontent-type: application/json\r\n"
        writer.write(f'{head}content-length: 100\r\n\r\n{{"query": '.encode())
        await writer.drain()
        line = await asyncio.wait_for(reader.readline(), 5)
        assert line.startswith(b"HTTP/1.1 408 ")
        writer.close()
        await writer.wait_closed()


async def test_an_answer_that_takes_too_long_is_given_up(tmp_path_factory: pytest.TempPathFactory) -> None:
    deadlines = {"store_seconds": 0.3, "request_seconds": 0.3}
    async with running_gateway(tmp_path_factory.mktemp("late"), deadlines=deadlines) as gateway:
        one = 'cancelOrder(input: {{orderId: "Order:us:45078900{n}"}}, idempotencyKey: "late-{n}") {{ replayed }}'
        many = " ".join(f"a{n}: " + one.format(n=n) for n in range(1, 18))
        answer = await post(gateway, f"mutation {{ {many} }}", {"x-sandbox-fault": "us=latency:250ms"})
        assert (answer.status, answer.code) == (504, "TIMEOUT")


@pytest.fixture
def logged() -> Iterator[io.StringIO]:
    """The log as the command writes it, whatever another test has made of it."""
    root, before = logging.getLogger(), structlog.get_config()
    handlers, level, stream = list(root.handlers), root.level, io.StringIO()
    configure_logging(stream)
    yield stream
    root.handlers[:], root.level = handlers, level
    structlog.configure(**before)


async def test_a_mistake_of_ours_is_masked_and_named_by_the_requests_id(
    tmp_path_factory: pytest.TempPathFactory, logged: io.StringIO
) -> None:
    async with running_gateway(tmp_path_factory.mktemp("broken")) as gateway:
        with sqlite3.connect(gateway.runtime.settings.database_path) as database:
            database.execute("DROP TABLE actions")
        database.close()
        answer = await post(gateway, '{ action(id: "Action:1") { id } }', {"x-request-id": "found-in-the-log"})
    [error] = answer.body["errors"]
    assert error["extensions"] == {"code": "INTERNAL_ERROR", "requestId": "found-in-the-log"}
    assert error["message"] == "Something went wrong here; it has been logged."
    lines = [json.loads(line) for line in logged.getvalue().splitlines()]
    [failed] = [line for line in lines if line["event"] == "resolver_failed"]
    assert failed["request_id"] == "found-in-the-log"
    assert "no such table" in failed["exception"]
