"""What nobody thought of: schemathesis' operations over the whole schema, and bytes and headers of any kind."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import time
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urlsplit

import graphql
import psutil
import pytest
import pytest_asyncio
import requests
import schemathesis
from graphql import introspection_from_schema
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from gateway.protocol import answered_as
from gateway.settings import Rates
from resolvers.api import build_api
from tests.running import Gateway, running_gateway

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    # The gateway runs beside, in a thread of the same process, and takes its jitter from `random`.
    pytest.mark.filterwarnings("ignore:Do not use the `random` module:hypothesis.errors.HypothesisDeprecationWarning"),
]

#: How many cases each property tries; `make fuzz` asks for many more.
CASES = int(os.environ.get("AFTERSALE_FUZZ", "60"))
#: Seconds within which any request must be answered.
PATIENCE = 20.0
#: Bytes that the process may have grown by; a leak of one body a case would be far beyond it.
GROWTH = 150 * 2**20

FUZZED = settings(
    max_examples=CASES,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
    derandomize=CASES < 100,
)

#: Statuses that no mistake of the gateway's has; no store is slow here.
FINE = {200, 400, 401, 403, 405, 406, 408, 413, 415, 429, 431}


def _quoted(*words: str) -> st.SearchStrategy[graphql.ValueNode]:
    values = st.one_of(st.sampled_from(words), st.text(max_size=40))
    return values.map(lambda value: graphql.StringValueNode(value=value))


SCALARS: dict[str, st.SearchStrategy[graphql.ValueNode]] = {
    "CountryCode": _quoted("DE", "US"),
    "CurrencyCode": _quoted("EUR", "USD"),
    "Date": _quoted("2026-12-24", "0001-01-01", "9999-12-31"),
    "DateTime": _quoted("2026-12-24T10:00:00Z", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-12:00"),
    "Decimal": _quoted("19.90", "1e400", "NaN", "-0"),
    "JSON": _quoted("{}"),
    "URL": _quoted("https://example.com"),
    "_Any": _quoted("Order"),
}
IDS = (
    "Order:us:450789001",
    "SubscriptionContract:subs:9001",
    "Product:us:8001",
    "Action:1",
    "Customer:x",
    "ada@example.com",
)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def patient(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Gateway]:
    """A gateway that counts nobody's requests."""
    many = Rates(**dict.fromkeys(Rates.model_fields, 10**9))
    async with running_gateway(tmp_path_factory.mktemp("fuzz"), rates=many) as running:
        yield running


def fine(status: int, body: bytes, headers: Any, seconds: float) -> None:
    assert status in FINE, (status, body[:500])
    assert seconds < PATIENCE
    if headers["content-type"].startswith("application/"):
        answer = json.loads(body)
        assert set(answer) <= {"data", "errors", "extensions"}
        assert b"INTERNAL_ERROR" not in body, body[:500]
        assert b"Traceback" not in body


async def test_no_operation_of_the_schema_upsets_the_endpoint(patient: Gateway) -> None:
    for name, strategy in SCALARS.items():
        schemathesis.graphql.scalar(name, strategy)
    api = build_api()._schema
    schema = schemathesis.graphql.from_dict({"data": introspection_from_schema(api)})
    url = f"{patient.url}/graphql"
    tried: list[bool] = []
    memory = psutil.Process().memory_info().rss

    def fuzz() -> None:
        with requests.Session() as session:

            @FUZZED
            @given(case=schema.as_strategy())
            def any_operation(case: Any) -> None:
                began = time.perf_counter()
                answer = session.post(url, json={"query": case.body}, timeout=PATIENCE)
                fine(answer.status_code, answer.content, answer.headers, time.perf_counter() - began)
                tried.append("data" in answer.json())

            any_operation()

    await asyncio.to_thread(fuzz)
    assert len(tried) >= CASES
    assert sum(tried) > len(tried) / 3  # most of them really ran
    assert psutil.Process().memory_info().rss - memory < GROWTH


# ------------------------------------------------------------------ bytes
_names = st.sampled_from(["query", "variables", "operationName", "extensions", "documentId", "persistedQuery"])
_documents = st.one_of(
    st.sampled_from(
        ["{ __typename }", "{", "mutation { __typename }", "{ stores { id } }", "query A { a } query B { b }"]
    ),
    st.lists(
        st.sampled_from(["{", "}", "(", ")", "...", "on", "query", "@skip", "$a", "stores", "id", '"', "#", ":", "!"])
    ).map(" ".join),
    st.text(max_size=60),
)
_json = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=20), _documents),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.dictionaries(st.one_of(_names, st.text(max_size=8)), inner, max_size=5)
    ),
    max_leaves=12,
)
_bodies = st.one_of(
    st.binary(max_size=300),
    _json.map(lambda value: json.dumps(value).encode()),
    st.fixed_dictionaries(
        {"query": _documents},
        optional={"variables": _json, "operationName": _json, "extensions": _json, "documentId": _json},
    ).map(lambda value: json.dumps(value).encode()),
    st.sampled_from(
        [b"[" * 5000, b'{"query":' * 3000, b'{"query": "' + b"{a" * 3000 + b'"}', b"\xef\xbb\xbf{}", b'"\\ud800"']
    ),
)
_values = st.one_of(
    st.sampled_from(
        ["application/json", "application/graphql-response+json", "text/plain", "*/*", "q=1", "gzip", "cross-site",
         "null", "Bearer x", "https://evil.example", "chunked", "application/json;charset=utf-7", "1" * 400]
    ),
    st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=60),
)  # fmt: skip
_headers = st.dictionaries(
    st.sampled_from(
        ["content-type", "accept", "accept-language", "authorization", "origin", "sec-fetch-site", "sec-fetch-mode",
         "content-encoding", "x-request-id", "graphql-require-preflight", "x-end-user-address", "cookie", "range", "te"]
    ),
    _values,
    max_size=5,
)  # fmt: skip
_targets = st.one_of(
    st.just("/graphql"),
    st.text(st.characters(min_codepoint=33, max_codepoint=126, exclude_characters="#"), max_size=80).map(
        lambda text: f"/graphql?{text}"
    ),
    _documents.map(lambda text: "/graphql?query=" + requests.utils.quote(text.encode(errors="replace"))),
)


def exchange(url: str, request: bytes) -> tuple[int, dict[str, str], bytes, float]:
    """One request as bytes over a connection of its own."""
    address = urlsplit(url)
    began = time.perf_counter()
    with socket.create_connection((address.hostname or "", address.port or 0), timeout=PATIENCE) as connection:
        connection.sendall(request)
        pieces = []
        while piece := connection.recv(65_536):
            pieces.append(piece)
    head, _, body = b"".join(pieces).partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    headers = dict([*line.split(": ", 1), ""][:2] for line in lines)
    return (
        int(first.split()[1]),
        {name.lower(): value for name, value in headers.items()},
        body,
        time.perf_counter() - began,
    )


async def test_no_bytes_upset_the_endpoint(patient: Gateway) -> None:
    statuses: set[int] = set()

    @FUZZED
    @given(
        method=st.sampled_from(["POST", "POST", "POST", "GET", "GET", "HEAD", "OPTIONS", "PUT", "BREW"]),
        target=_targets,
        headers=_headers,
        body=_bodies,
    )
    def any_bytes(method: str, target: str, headers: dict[str, str], body: bytes) -> None:
        lines = [f"{method} {target} HTTP/1.1", "host: 127.0.0.1", "connection: close", f"content-length: {len(body)}"]
        if method == "POST":
            headers = {"content-type": "application/json", **headers}
        lines += [f"{name}: {value.strip()}" for name, value in headers.items()]
        request = "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body
        status, answered, text, seconds = exchange(patient.url, request)
        if method == "HEAD":
            assert status in FINE
        elif answered.get("content-type", "").startswith("application/"):
            fine(status, text, answered, seconds)
        else:  # the server itself, before it could be a request
            assert status in {400, 431}, (status, text)
        statuses.add(status)

    await asyncio.to_thread(any_bytes)
    assert {200, 400} <= statuses
    async with patient.session.post(f"{patient.url}/graphql", json={"query": "{ __typename }"}) as alive:
        assert (await alive.json())["data"] == {"__typename": "Query"}


@FUZZED
@given(st.one_of(st.none(), st.text(max_size=200), st.lists(_values).map(",".join)))
async def test_any_accept_is_understood_or_refused(accept: str | None) -> None:
    assert answered_as(accept) in (None, "application/json", "application/graphql-response+json")
