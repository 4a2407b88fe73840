"""One call to a store over real sockets: what is sent, how often, and what each fault means."""

from __future__ import annotations

import asyncio
import gzip
import logging
import re
import socket
import ssl
import subprocess
import sys
import time
import tracemalloc
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote, urlencode, urlsplit

import msgspec
import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from platforms.errors import (
    CircuitOpen,
    DeadlineExceeded,
    OutcomeUnknown,
    PlatformError,
    Refused,
    Throttled,
    Unavailable,
    Unreadable,
)
from platforms.jsonbody import decode
from platforms.transport import (
    AddressRefused,
    Budget,
    Call,
    Reply,
    Transport,
    UpstreamCall,
    background,
    retry_after_seconds,
    store_deadline,
    upstream_log,
)
from schema.vocabulary import HealthStatus
from tests.platforms.scripted import (
    DROP,
    LOOPS,
    OK,
    QUICK,
    READ,
    RESET,
    SILENCE,
    WRITE,
    Names,
    after,
    answer,
    failing,
    self_signed,
    serving,
    to,
)

__all__ = ["LOOPS"]


@pytest.fixture
def log() -> Any:
    entries: list[UpstreamCall] = []
    token = upstream_log.set(entries)
    yield entries
    upstream_log.reset(token)


class Counts:
    def __init__(self) -> None:
        self.calls: list[tuple[str, str, str]] = []
        self.waits: list[float] = []

    def call_finished(self, store_id: str, operation: str, outcome: str, seconds: float) -> None:
        assert seconds > 0
        self.calls.append((store_id, operation, outcome))

    def waited(self, store_id: str, seconds: float) -> None:
        assert store_id == "us"
        self.waits.append(seconds)


# --------------------------------------------------------------------------------------------------------- what is sent


async def test_a_call_arrives_as_written_and_its_reply_comes_back() -> None:
    call = Call(
        "orders.list", "GET", "/wp-json/orders/1%2F2",
        query=[("email", "a+b@example.com"), ("q", "é &=~/"), ("q", "2")], headers={"X-Key": "s3cret"},
    )  # fmt: skip
    async with serving(answer(200, b"[1]", X_Total="7", Link="a")) as server, to(server.url + "/shop/") as transport:
        reply = await transport.send(call)
    assert (reply.status, reply.body) == (200, b"[1]")
    assert (reply.headers["x-total"], reply.headers["link"]) == ("7", "a")
    (request,) = server.requests
    target = "/shop/wp-json/orders/1%2F2?email=a%2Bb%40example.com&q=%C3%A9%20%26%3D~%2F&q=2"
    assert request.line == f"GET {target} HTTP/1.1"
    assert request.headers["x-key"] == "s3cret"
    assert request.headers["accept-encoding"] == "gzip"


async def test_extra_headers_are_asked_for_at_each_attempt_and_win() -> None:
    values = iter(["1", "2"])
    async with (
        serving(answer(500), OK) as server,
        to(server, extra_headers=lambda: {"x-sandbox-fault": next(values)}) as transport,
    ):
        await transport.send(replace(READ, headers={"X-Sandbox-Fault": "0"}))
    assert [request.headers["x-sandbox-fault"] for request in server.requests] == ["1", "2"]


async def test_cookies_are_not_kept() -> None:
    async with serving(answer(200, Set_Cookie="session=1")) as server:
        url = server.url.replace("127.0.0.1", "acme.example")  # a bare address would get no cookies anyway
        async with to(url, names=Names("127.0.0.1")) as transport:
            await transport.send(READ)
            await transport.send(READ)
    assert len(server.requests) == 2
    assert all("cookie" not in request.headers for request in server.requests)


async def test_credentials_and_proxies_of_the_environment_are_not_used(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login somebody password else\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    async with serving() as server, to(server) as transport:
        await transport.send(READ)
    assert "authorization" not in server.requests[0].headers


async def test_connections_are_reused_and_bounded() -> None:
    async with serving(after(0.05, OK)) as server, to(server, replace(QUICK, connections=2)) as transport:
        await asyncio.gather(*(transport.send(READ) for _ in range(6)))
    assert (len(server.requests), server.connections) == (6, 2)


@pytest.mark.parametrize(
    "path",
    ["//evil.example/a", "http://evil.example/", "/a/../b", "/..", "/a/%2e%2E/b", "/./a", "/a?b=c", "/a#b", "/a b",
     "/a\r\nb", "/a\\b"],
)  # fmt: skip
def test_a_path_that_would_leave_the_store_is_refused(path: str) -> None:
    with pytest.raises(ValueError, match=r"orders\.list: the path"):
        Call("orders.list", "GET", path)


ACME = Transport("us", "https://acme.example/shop")


@given(st.text("abc/.:@%2eEfF?#\\ \n[]~é", max_size=12))
def test_whatever_a_path_holds_the_host_stays(path: str) -> None:
    try:
        call = Call("orders.list", "GET", path)
    except ValueError:
        return
    target = ACME._target(call)
    url = urlsplit(f"https://acme.example{target}")
    assert (url.scheme, url.netloc, url.path, url.query, url.fragment) == ("https", "acme.example", target, "", "")
    assert re.fullmatch(r"/shop/[!-~]*", target)
    assert ".." not in unquote(target).split("/")


@given(st.lists(st.tuples(st.text(max_size=12), st.text("aZ9-._~%,@:+/& é\n", max_size=12) | st.text(max_size=12))))
def test_a_query_is_encoded_as_the_library_does(query: list[tuple[str, str]]) -> None:
    call = Call("orders.list", "GET", "/orders", query=query)
    expected = urlencode(query, quote_via=quote, safe="")
    assert ACME._target(call) == "/shop/orders" + (f"?{expected}" if query else "")


def test_one_transport_serves_several_loops_one_after_the_other() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    transport = Transport("us", f"http://127.0.0.1:{port}", limits=QUICK, allow_private=True)

    async def once() -> None:
        async with serving(port=port):
            assert (await transport.send(READ)).status == 200
            await transport.close()
            assert (await transport.send(READ)).status == 200
            await transport.close()

    asyncio.run(once())
    asyncio.run(once())


# --------------------------------------------------------------------------------- each fault, for reads and for writes

Expected = tuple[type[PlatformError], int, bool]  # the error, how often the server got the call, not_executed

FAULTS: Mapping[str, tuple[bytes, Expected, Expected]] = {
    "dropped": (DROP, (Unavailable, 3, False), (OutcomeUnknown, 1, False)),
    "reset": (RESET, (Unavailable, 3, False), (OutcomeUnknown, 1, False)),
    "silent": (SILENCE, (DeadlineExceeded, 1, False), (OutcomeUnknown, 1, False)),
    "500": (answer(500, b"<html>"), (Unavailable, 3, False), (OutcomeUnknown, 1, False)),
    "503": (answer(503), (Unavailable, 3, False), (OutcomeUnknown, 1, False)),
    "429": (answer(429), (Throttled, 3, True), (Throttled, 3, True)),
    "not HTTP": (b"SSH-2.0-OpenSSH_9\r\n\r\n", (Unreadable, 1, False), (OutcomeUnknown, 1, False)),
    "cut short": (
        b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\nconnection: close\r\n\r\n{",
        (Unavailable, 3, False),
        (OutcomeUnknown, 1, False),
    ),
    "broken gzip": (
        answer(200, b"\x1f\x8b not gzip", content_encoding="gzip"),
        (Unreadable, 1, False),
        (OutcomeUnknown, 1, False),
    ),
    "too large": (answer(200, b"x" * 5000), (Unreadable, 1, False), (OutcomeUnknown, 1, False)),
    "moved": (answer(301, location="/elsewhere"), (Refused, 1, True), (Refused, 1, True)),
    "see other": (answer(303, location="/done"), (Refused, 1, True), (OutcomeUnknown, 1, False)),
}


@pytest.mark.parametrize("writes", [False, True], ids=["read", "write"])
@pytest.mark.parametrize("fault", FAULTS)
async def test_a_fault_means_this_and_is_sent_so_often(fault: str, writes: bool, log: list[UpstreamCall]) -> None:
    step, read, write = FAULTS[fault]
    kind, times, not_executed = write if writes else read
    limits = replace(QUICK, read=0.15, max_body=4000)
    async with serving(step) as server, to(server, limits) as transport:
        error = await failing(transport, WRITE if writes else READ)
    assert type(error) is kind
    assert (len(server.requests), len(log)) == (times, times)
    assert error.not_executed is not_executed
    if writes:
        assert {request.body for request in server.requests} == {b"{}"}


@pytest.mark.parametrize("step", [DROP, RESET])
@pytest.mark.parametrize("method", ["PUT", "DELETE", "POST", "PATCH"])
async def test_a_write_on_a_kept_connection_that_breaks_is_received_once(method: str, step: bytes) -> None:
    async with serving(OK, step) as server, to(server) as transport:
        await transport.send(READ)
        error = await failing(transport, replace(WRITE, method=method))
    assert isinstance(error, OutcomeUnknown)
    assert [request.connection for request in server.requests] == [1, 1]


async def test_a_read_on_a_kept_connection_that_breaks_is_counted_as_often_as_it_is_sent(
    log: list[UpstreamCall],
) -> None:
    async with serving(OK, DROP, OK) as server, to(server) as transport:
        await transport.send(READ)
        await transport.send(READ)
    assert [entry.outcome for entry in log] == ["ok", "unavailable", "ok"]
    assert len(server.requests) == 3


@pytest.mark.parametrize("call", [READ, WRITE])
async def test_a_refused_connection_was_surely_not_executed_and_is_tried_again(
    call: Call, log: list[UpstreamCall]
) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        async with to(f"http://127.0.0.1:{unused.getsockname()[1]}") as transport:
            error = await failing(transport, call)
    assert type(error) is Unavailable
    assert error.not_executed
    assert [(entry.attempt, entry.status) for entry in log] == [(1, None), (2, None), (3, None)]


@pytest.mark.parametrize("call", [READ, WRITE])
async def test_a_connection_that_does_not_come_about_in_time_was_not_executed(call: Call) -> None:
    async with serving(SILENCE) as server:  # accepts, and never says a word of TLS
        url = server.url.replace("http:", "https:")
        async with to(url, replace(QUICK, connect=0.05, retries=1)) as transport:
            error = await failing(transport, call)
    assert type(error) is Unavailable
    assert error.not_executed
    assert "connecting took too long" in str(error)
    assert (server.connections, server.requests) == (2, [])


@pytest.mark.parametrize("call", [READ, WRITE])
async def test_a_connection_that_does_not_come_free_in_time_was_not_executed_and_is_not_the_store_s_fault(
    call: Call,
) -> None:
    limits = replace(QUICK, connections=1, whole=0.3, read=5, retries=0)
    async with serving(SILENCE) as server, to(server, limits) as transport:
        first = asyncio.create_task(transport.send(READ))
        await server.received.wait()
        with store_deadline(0.1):
            error = await failing(transport, call)
        assert error.not_executed
        assert type(error) is (Unavailable if call.writes else DeadlineExceeded)
        assert transport.health().status is HealthStatus.OK
        with pytest.raises(DeadlineExceeded):
            await first
    assert len(server.requests) == 1


async def test_a_certificate_nobody_vouches_for_is_not_talked_to(tmp_path: Path, log: list[UpstreamCall]) -> None:
    file = self_signed("127.0.0.1", tmp_path / "both.pem")
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(file)
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: None)  # the server's side complains too
    async with serving(OK, tls=tls) as server, to(server) as transport:
        error = await failing(transport, WRITE)
    assert isinstance(error, Unavailable)
    assert error.not_executed
    assert "does not prove who it is" in str(error)
    assert (len(log), server.requests) == (1, [])


async def test_a_write_the_platform_says_it_did_not_run_is_sent_again() -> None:
    async with serving(answer(429, Retry_After="0"), OK) as server, to(server) as transport:
        assert (await transport.send(WRITE)).status == 200
    assert len(server.requests) == 2


async def test_other_failures_of_the_client_come_back_as_replies() -> None:
    for status in (400, 401, 403, 404, 409, 422):
        async with serving(answer(status, b'{"error":1}')) as server, to(server) as transport:
            assert await transport.send(WRITE) == Reply(status, {**ANY_HEADERS, "content-length": "11"}, b'{"error":1}')
            assert transport.health().status is HealthStatus.OK


ANY_HEADERS = {"content-type": "application/json"}


# -------------------------------------------------------------------------------------------------- judging and reading


class Told(msgspec.Struct):
    throttled: bool = False
    available: float | None = None


def judging(budget: Budget | None = None) -> Callable[[Reply], Reply]:
    def judge(reply: Reply) -> Reply:
        if reply.status == 500 and b"executed" in reply.body:
            return replace(reply, accepted=True)
        told = decode(Told, reply, "test")
        if budget is not None and told.available is not None:
            budget.report(told.available)
        if told.throttled:
            raise Throttled("THROTTLED", retry_after=0.05)
        return reply

    return judge


@pytest.mark.parametrize("call", [READ, WRITE])
async def test_a_200_that_means_throttled_is_sent_again_after_the_time_it_asks_for(call: Call) -> None:
    counts = Counts()
    async with (
        serving(answer(200, b'{"throttled":true}'), OK) as server,
        to(server, judge=judging(), observer=counts) as transport,
    ):
        assert (await transport.send(call)).body == b'{"ok":true}'
    assert len(server.requests) == 2
    assert [outcome for _, _, outcome in counts.calls] == ["throttled", "ok"]
    assert 0.05 <= sum(counts.waits) < 0.2


async def test_a_judge_may_accept_what_its_vendor_answers_with_500() -> None:
    async with serving(answer(500, b'{"executed":1}')) as server, to(server) as transport:
        assert (await transport.send(WRITE, judge=judging())).status == 500
    assert len(server.requests) == 1


async def test_a_judge_of_the_call_stands_in_for_that_of_the_transport() -> None:
    def refusing(reply: Reply) -> Reply:
        raise Refused("no")

    async with serving() as server, to(server, judge=refusing) as transport:
        assert type(await failing(transport, READ)) is Refused
        assert (await transport.send(READ, judge=lambda reply: reply)).status == 200


async def test_read_gives_what_it_makes_of_the_reply() -> None:
    async with serving(answer(200, b'{"available":3}')) as server, to(server) as transport:
        told = await transport.send(READ, read=lambda reply: decode(Told, reply, "told"))
    assert told == Told(available=3)


@pytest.mark.parametrize("body", [b"<html>", b'{"available":"s3cret"}', b""])
async def test_an_unreadable_answer_to_a_write_leaves_its_outcome_unknown(body: bytes) -> None:
    async with serving(answer(200, body)) as server, to(server) as transport:
        reading = await failing(transport, READ, read=lambda reply: decode(Told, reply, "told"))
        writing = await failing(transport, WRITE, read=lambda reply: decode(Told, reply, "told"))
    assert (type(reading), type(writing)) == (Unreadable, OutcomeUnknown)
    assert len(server.requests) == 2
    assert "s3cret" not in f"{reading}{writing}"
    assert writing.native[0].http_status == 200


@pytest.mark.parametrize("raised", ["judge", "read"])
async def test_a_retryable_error_of_judge_or_read_is_tried_again_on_reads_only(raised: str) -> None:
    def unavailable(reply: Reply) -> Reply:
        raise Unavailable("INTERNAL_SERVER_ERROR")

    async with serving() as server, to(server) as transport:
        await failing(transport, READ, **{raised: unavailable})
        assert len(server.requests) == 3
        assert type(await failing(transport, WRITE, **{raised: unavailable})) is OutcomeUnknown
        assert len(server.requests) == 4


async def test_a_write_a_judge_knows_was_not_run_is_sent_again() -> None:
    def not_run(reply: Reply) -> Reply:
        if reply.status == 503:
            raise Unavailable("maintenance", not_executed=True)
        return reply

    async with serving(answer(503), OK) as server, to(server, judge=not_run) as transport:
        assert (await transport.send(WRITE)).status == 200
    assert len(server.requests) == 2


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("7", 7), ("0", 0), ("1.5", 1.5), (" 3 ", 3), ("", None), ("soon", None), ("-4", None), ("nan", None),
        ("1e9", None),
        (format_datetime(datetime(2026, 5, 1, 12, 0, 30, tzinfo=UTC), usegmt=True), 30),
        (format_datetime(datetime(2026, 5, 1, 11, 0, 0, tzinfo=UTC), usegmt=True), 0),
        ("Friday, 01-May-26 12:00:05 GMT", 5),
        ("Fri, 99 May 2026 12:00:30 GMT", None),
    ],
)  # fmt: skip
def test_retry_after_is_seconds_or_a_date(value: str, seconds: float | None) -> None:
    now = datetime(2026, 5, 1, 12, tzinfo=UTC)
    assert retry_after_seconds({"retry-after": value}, now=now) == seconds


async def test_the_time_a_platform_asks_for_is_told_and_kept() -> None:
    async with serving(answer(429, Retry_After="0.2"), OK) as server, to(server) as transport:
        began = time.monotonic()
        await transport.send(READ)
        assert time.monotonic() - began >= 0.2


@pytest.mark.parametrize("status", [429, 503])
async def test_a_retry_after_beyond_the_deadline_raises_at_once(status: int) -> None:
    async with serving(answer(status, Retry_After="5")) as server, to(server) as transport:
        began = time.monotonic()
        with store_deadline(1):
            within = await failing(transport, READ)
        without = await failing(transport, READ)  # bounded by `whole`, 2 s
        assert time.monotonic() - began < 0.5
    assert (within.retry_after, without.retry_after) == (5, 5)
    assert len(server.requests) == 2


# ---------------------------------------------------------------------------------------------- redirects and addresses


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_is_not_followed_and_names_no_more_than_the_host(status: int) -> None:
    async with serving() as evil:
        location = f"{evil.url}/steal?token=s3cret"
        async with serving(answer(status, location=location)) as server, to(server) as transport:
            error = await failing(transport, replace(READ, headers={"X-Shopify-Access-Token": "s3cret"}))
    assert (len(server.requests), evil.connections) == (1, 0)
    assert "redirects to http://127.0.0.1 " in str(error)
    assert "s3cret" not in str(error)
    assert "steal" not in str(error)


@pytest.mark.parametrize("url", ["http://acme.example", "https://127.0.0.1", "https://10.1.1.1", "https://localhost"])
def test_a_store_at_a_private_or_plain_address_is_refused_when_it_is_made(url: str) -> None:
    with pytest.raises(AddressRefused):
        Transport("us", url)


@pytest.mark.parametrize("addresses", [("127.0.0.1",), ("93.184.216.34", "127.0.0.1")])
async def test_a_name_that_leads_into_our_own_network_is_not_talked_to(
    addresses: tuple[str, ...], log: list[UpstreamCall]
) -> None:
    async with serving() as server:
        port = server.url.rpartition(":")[2]
        names = Names(*addresses)
        async with to(f"https://acme.example:{port}", allow_private=False, names=names) as transport:
            error = await failing(transport, WRITE)
    assert isinstance(error, Unavailable)
    assert error.not_executed
    assert str(error) == "acme.example resolves to an address that is not public"
    assert (names.asked, server.connections, len(log)) == (["acme.example"], 0, 1)


async def test_a_sandbox_may_have_a_name_in_our_own_network() -> None:
    async with serving() as server:
        port = server.url.rpartition(":")[2]
        async with to(f"http://acme.example:{port}", names=Names("127.0.0.1")) as transport:
            assert (await transport.send(READ)).status == 200


@pytest.mark.parametrize("call", [READ, WRITE])
async def test_a_name_that_does_not_resolve_was_surely_not_executed(call: Call, log: list[UpstreamCall]) -> None:
    names = Names()
    async with to("https://acme.example", allow_private=False, names=names) as transport:
        error = await failing(transport, call)
    assert error.not_executed
    assert "name could not be resolved" in str(error)
    assert len(log) == 3


# ----------------------------------------------------------------------------------------------------------------- size


async def test_a_body_of_just_the_limit_is_read() -> None:
    async with serving(answer(200, b"x" * 4000)) as server, to(server, replace(QUICK, max_body=4000)) as transport:
        assert len((await transport.send(READ)).body) == 4000


async def test_a_gzipped_body_is_decompressed() -> None:
    step = answer(200, gzip.compress(b'{"a":1}'), content_encoding="gzip")
    async with serving(step) as server, to(server) as transport:
        assert (await transport.send(READ)).body == b'{"a":1}'


async def test_a_gzip_bomb_is_put_down_before_it_unfolds() -> None:
    bomb = answer(200, gzip.compress(bytes(100_000_000), 1), content_encoding="gzip")
    async with serving(bomb) as server, to(server, replace(QUICK, max_body=100_000, whole=10)) as transport:
        tracemalloc.start()
        try:
            error = await failing(transport, READ)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
    assert type(error) is Unreadable
    assert "larger than 100000 bytes" in str(error)
    assert peak < 8_000_000


# ----------------------------------------------------------------------------------------------------------------- time


@pytest.mark.parametrize("call", [READ, WRITE])
async def test_the_deadline_bounds_a_call_under_way(call: Call) -> None:
    async with serving(SILENCE) as server, to(server) as transport:
        began = time.monotonic()
        with store_deadline(0.4):  # long enough to be under way on a machine that has much else to do
            error = await failing(transport, call)
        assert 0.39 < time.monotonic() - began < 0.9
    assert type(error) is (OutcomeUnknown if call.writes else DeadlineExceeded)
    assert len(server.requests) == 1


async def test_the_deadline_bounds_all_attempts_together() -> None:
    limits = replace(QUICK, retries=100, backoff=0.001)
    async with serving(after(0.05, answer(500))) as server, to(server, limits) as transport:
        began = time.monotonic()
        with store_deadline(0.12):
            error = await failing(transport, READ)
        assert time.monotonic() - began < 0.5
    assert isinstance(error, Unavailable)
    assert 2 <= len(server.requests) <= 3


@pytest.mark.parametrize("call", [READ, WRITE])
async def test_nothing_is_sent_after_the_deadline(call: Call, log: list[UpstreamCall]) -> None:
    async with serving() as server, to(server, budget=Budget(10, 1)) as transport:
        with store_deadline(0):
            error = await failing(transport, call)
        assert transport.health().budget == (10, 10, 1)
    assert type(error) is (Unavailable if call.writes else DeadlineExceeded)
    assert error.not_executed
    assert (server.connections, log) == (0, [])


async def test_an_inner_deadline_does_not_extend_an_outer_one() -> None:
    with store_deadline(1) as outer:
        with store_deadline(5) as inner:
            assert inner == outer
        with store_deadline(0.5) as inner:
            assert inner < outer


async def test_an_answer_that_trickles_is_bounded_as_a_whole() -> None:
    async def trickle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n")
        try:
            for _ in range(100):
                writer.write(b"x")
                await writer.drain()
                await asyncio.sleep(0.02)
        except ConnectionError:
            pass
        finally:
            writer.close()

    listening = await asyncio.start_server(trickle, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
    async with to(url, replace(QUICK, read=0.1, whole=0.3)) as transport:
        began = time.monotonic()
        assert type(await failing(transport, READ)) is DeadlineExceeded
        assert 0.25 < time.monotonic() - began < 1
    listening.close()
    await asyncio.sleep(0.05)


@pytest.mark.parametrize("call", [READ, WRITE])
async def test_cancellation_passes_through_and_is_written_down(call: Call, log: list[UpstreamCall]) -> None:
    counts = Counts()
    async with serving(SILENCE) as server, to(server, budget=Budget(10, 1), observer=counts) as transport:
        task = asyncio.create_task(transport.send(call))
        await server.received.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert transport.health().status is HealthStatus.OK
    assert len(server.requests) == 1
    assert [(entry.status, entry.outcome) for entry in log] == [(None, "cancelled")]
    assert counts.calls == [("us", call.operation, "cancelled")]


# --------------------------------------------------------------------------------------------------------------- budget


async def test_calls_wait_for_the_budget_and_the_waits_are_told() -> None:
    counts = Counts()
    async with serving() as server, to(server, budget=Budget(2, 20), observer=counts) as transport:
        began = time.monotonic()
        await asyncio.gather(*(transport.send(READ) for _ in range(4)))
        assert time.monotonic() - began >= 0.1
    assert len(server.requests) == 4
    assert [pytest.approx(wait, abs=0.04) for wait in counts.waits] == [0.05, 0.1]


async def test_a_wait_for_the_budget_beyond_the_deadline_is_refused_at_once() -> None:
    async with serving() as server, to(server, budget=Budget(10, 1)) as transport:
        await transport.send(replace(READ, cost=10))
        began = time.monotonic()
        with store_deadline(1):
            error = await failing(transport, replace(WRITE, cost=5))
        assert time.monotonic() - began < 0.5
        assert transport.health().status is HealthStatus.OK
    assert isinstance(error, Throttled)
    assert error.retry_after == pytest.approx(5, abs=0.3)
    assert len(server.requests) == 1


async def test_interactive_calls_pass_background_ones_that_wait() -> None:
    async with serving() as server, to(server, budget=Budget(1, 25)) as transport:

        async def one(path: str, behind: bool) -> None:
            background.set(behind)
            await transport.send(replace(READ, path=path))

        await transport.send(READ)
        async with asyncio.TaskGroup() as group:
            for path, behind in (("/replay", True), ("/ada", False)):
                group.create_task(one(path, behind))
                await asyncio.sleep(0.005)
    assert [request.line.split()[1] for request in server.requests] == ["/orders", "/ada", "/replay"]


async def test_the_budget_follows_what_the_platform_reports() -> None:
    budget = Budget(1000, 50)
    async with (
        serving(answer(200, b'{"available":400}')) as server,
        to(server, budget=budget, judge=judging(budget)) as transport,
    ):
        await transport.send(replace(READ, cost=10))
        assert budget.snapshot().available == pytest.approx(400, abs=5)


async def test_a_report_leaves_out_what_other_calls_under_way_will_take() -> None:
    budget = Budget(400, 0.001)
    async with (
        serving(SILENCE, answer(200, b'{"available":400}')) as server,
        to(server, budget=budget, judge=judging(budget)) as transport,
    ):
        slow = asyncio.create_task(transport.send(replace(READ, cost=30)))
        await server.received.wait()
        for _ in range(2):
            await transport.send(replace(READ, cost=10))
            assert budget.snapshot().available == pytest.approx(370, abs=0.1)
        slow.cancel()
        await asyncio.wait([slow])


async def test_a_429_holds_all_calls_of_the_store_for_the_time_it_asks() -> None:
    async with (
        serving(answer(429, Retry_After="0.3"), OK) as server,
        to(server, replace(QUICK, retries=0), budget=Budget(100, 100)) as transport,
    ):
        assert isinstance(await failing(transport, READ), Throttled)
        with store_deadline(0.1):
            error = await failing(transport, READ)
        assert error.retry_after == pytest.approx(0.3, abs=0.1)
        assert len(server.requests) == 1
        await transport.send(READ)


async def test_a_throttle_with_its_own_figures_holds_nobody_longer_than_they_say() -> None:
    budget = Budget(100, 100)
    async with (
        serving(answer(200, b'{"throttled":true,"available":60}'), OK) as server,
        to(server, replace(QUICK, retries=0), budget=budget, judge=judging(budget)) as transport,
    ):
        await failing(transport, replace(READ, cost=90))
        assert await budget.acquire(50) == 0


async def test_points_come_back_when_the_call_was_never_sent() -> None:
    async with to("http://127.0.0.1:1", replace(QUICK, retries=0), budget=Budget(10, 0.001)) as transport:
        await failing(transport, replace(READ, cost=8))
        health = transport.health().budget
    assert health is not None
    assert health.available == pytest.approx(10)


# -------------------------------------------------------------------------------------------------------------- circuit

FRAGILE = replace(QUICK, retries=0, circuit_failures=2, circuit_seconds=0.15)


async def test_a_store_that_keeps_failing_is_left_alone_then_probed_then_used_again() -> None:
    async with serving(DROP, answer(500), after(0.05, OK)) as server, to(server, FRAGILE) as transport:
        assert transport.health().status is HealthStatus.OK
        await failing(transport, READ)
        assert transport.health().status is HealthStatus.DEGRADED
        before = datetime.now(UTC)
        await failing(transport, WRITE)
        health = transport.health()
        assert health.status is HealthStatus.DOWN
        assert health.last_error_at is not None
        assert health.circuit_open_until is not None
        assert timedelta(0) < health.circuit_open_until - before < timedelta(seconds=0.4)

        refused = await failing(transport, WRITE)
        assert isinstance(refused, CircuitOpen)
        assert refused.retry_after is not None
        assert 0 < refused.retry_after <= 0.15
        assert len(server.requests) == 2

        await asyncio.sleep(0.16)
        answers = await asyncio.gather(*(transport.send(READ) for _ in range(3)), return_exceptions=True)
        assert [type(one) for one in answers] == [Reply, CircuitOpen, CircuitOpen]
        assert len(server.requests) == 3

        health = transport.health()
        assert (health.status, health.circuit_open_until) == (HealthStatus.OK, None)
        await asyncio.gather(*(transport.send(READ) for _ in range(3)))
    assert len(server.requests) == 6


async def test_a_probe_that_fails_is_the_only_call_until_the_next() -> None:
    async with serving(DROP) as server, to(server, FRAGILE) as transport:
        for _ in range(2):
            await failing(transport, READ)
        await asyncio.sleep(0.16)
        assert type(await failing(transport, READ)) is Unavailable
        assert type(await failing(transport, READ)) is CircuitOpen
    assert len(server.requests) == 3


async def test_retries_stop_when_the_circuit_opens_and_the_fault_itself_is_told() -> None:
    async with serving(DROP) as server, to(server, replace(FRAGILE, retries=5)) as transport:
        assert type(await failing(transport, READ)) is Unavailable
    assert len(server.requests) == 2


@pytest.mark.parametrize("step", [answer(429), answer(404), answer(301), answer(401)])
async def test_a_store_that_says_no_is_not_a_failing_store(step: bytes) -> None:
    async with serving(step) as server, to(server, FRAGILE) as transport:
        for _ in range(4):
            with suppress(Throttled, Refused):
                await transport.send(READ)
        assert transport.health().status is HealthStatus.OK
    assert len(server.requests) == 4


async def test_calls_that_wait_for_the_budget_are_not_sent_once_the_circuit_has_opened() -> None:
    limits = replace(FRAGILE, circuit_failures=1, circuit_seconds=5)
    async with serving(after(0.03, DROP)) as server, to(server, limits, budget=Budget(1, 10)) as transport:
        first = asyncio.create_task(transport.send(READ))
        await server.received.wait()
        error = await failing(transport, READ)
        await asyncio.wait([first])
        assert isinstance(first.exception(), Unavailable)
    assert isinstance(error, CircuitOpen)
    assert len(server.requests) == 1


# -------------------------------------------------------------------------------------------------------------- telling


async def test_each_attempt_is_told_once_to_the_observer_the_log_and_the_request(
    log: list[UpstreamCall], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "platforms.transport")
    counts = Counts()
    call = replace(READ, path="/orders/p4th", query=[("email", "qu3ry")], headers={"Authorization": "s3cret"})
    async with serving(answer(500, b"b0dy"), answer(404), OK) as server, to(server, observer=counts) as transport:
        with structlog.testing.capture_logs() as lines:
            await transport.send(call)
            await transport.send(replace(call, operation="orders.get"))
    assert [outcome for _, _, outcome in counts.calls] == ["unavailable", "4xx", "ok"]
    assert {store for store, _, _ in counts.calls} == {"us"}
    assert [(entry.store, entry.operation, entry.status, entry.attempt, entry.outcome) for entry in log] == [
        ("us", "orders.list", 500, 1, "unavailable"),
        ("us", "orders.list", 404, 2, "4xx"),
        ("us", "orders.get", 200, 1, "ok"),
    ]
    assert all(0 < entry.milliseconds < 1000 for entry in log)
    assert [(line["log_level"], line["status"], line["attempt"]) for line in lines] == [
        ("debug", 500, 1),
        ("debug", 404, 2),
        ("debug", 200, 1),
    ]
    for secret in ("p4th", "qu3ry", "s3cret", "b0dy"):
        assert secret not in repr((log, lines, counts.calls))


async def test_tasks_of_one_request_share_its_log_and_other_requests_have_none(log: list[UpstreamCall]) -> None:
    async with serving() as server, to(server) as transport:
        async with asyncio.TaskGroup() as group:
            group.create_task(transport.send(READ))
            group.create_task(transport.send(READ))
        token = upstream_log.set(None)
        await transport.send(READ)
        upstream_log.reset(token)
    assert (len(log), len(server.requests)) == (2, 3)


async def test_each_attempt_is_a_span_without_address_or_headers() -> None:
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    tracer = provider.get_tracer("test")
    call = replace(READ, query=[("email", "qu3ry")], headers={"Authorization": "s3cret"})
    async with serving(answer(503), OK) as server, to(server, tracer=tracer) as transport:
        await transport.send(call)
    spans = exporter.get_finished_spans()
    assert [dict(span.attributes or {}) for span in spans] == [
        {"store": "us", "operation": "orders.list", "attempt": 1, "status": 503},
        {"store": "us", "operation": "orders.list", "attempt": 2, "status": 200},
    ]
    assert [(span.name, span.kind, span.status.status_code) for span in spans] == [
        ("orders.list", SpanKind.CLIENT, StatusCode.ERROR),
        ("orders.list", SpanKind.CLIENT, StatusCode.UNSET),
    ]
    assert all(secret not in span.to_json() for span in spans for secret in ("qu3ry", "s3cret"))


_INSTALLED_LATE = """
import asyncio, sys, time
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from platforms.errors import Unavailable
from platforms.transport import Call, Limits, Transport

async def main():
    transport = Transport("us", "http://127.0.0.1:1", limits=Limits(retries=0, circuit_failures=99), allow_private=True)
    exporter = InMemorySpanExporter()
    for _ in range(2):
        try:
            await transport.send(Call("orders.list", "GET", "/orders"))
        except Unavailable:
            pass
        print(len(exporter.get_finished_spans()))
        provider = TracerProvider()
        provider.add_span_processor(SimpleSpanProcessor(exporter))
        trace.set_tracer_provider(provider)
        await asyncio.sleep(1.1)

asyncio.run(main())
"""


def test_what_collects_spans_is_noticed_though_it_is_installed_after_the_first_call() -> None:
    done = subprocess.run([sys.executable, "-c", _INSTALLED_LATE], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout.split()) == (0, ["0", "1"]), done.stderr
