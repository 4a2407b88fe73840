"""What the counters count, and what no log line carries."""

from __future__ import annotations

import asyncio
import io
import json
import logging
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from gateway.telemetry import Telemetry, configure_logging, redact, request, strike
from platforms.secrets import SecretText
from platforms.transport import Observer


def counted(telemetry: Telemetry) -> dict[tuple[str, ...], float]:
    """Each of our samples by name and label values, without histogram buckets and creation times."""
    body, content_type = telemetry.render()
    assert content_type.startswith("text/plain; version=0.0.4")
    return {
        (sample.name, *(value for _, value in sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(body.decode())
        for sample in family.samples
        if sample.name.startswith("aftersale_") and not sample.name.endswith(("_bucket", "_created"))
    }


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    stream = io.StringIO()
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    server = logging.getLogger("uvicorn.error")
    loudness = server.level
    server.setLevel(logging.NOTSET)  # a simulated store of another test may have hushed it
    configure_logging(stream)
    yield stream
    server.setLevel(loudness)
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


def told(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


# ------------------------------------------------------------------ counters
def test_every_report_of_a_lower_layer_is_counted_under_its_labels() -> None:
    telemetry = Telemetry()
    observer: Observer = telemetry
    observer.call_finished("us", "orders", "ok", 0.25)
    observer.call_finished("us", "orders", "ok", 0.5)
    observer.call_finished("eu", "orders", "throttled", 0.125)
    observer.waited("us", 1.5)
    telemetry.decided("CANCEL_ORDER", "final-sale", "DENY", shadow=False)
    telemetry.decided("CANCEL_ORDER", "late-fee", "ALLOW", shadow=True)
    telemetry.action_moved("CANCEL_ORDER", "RUNNING")
    telemetry.request_finished("SupportView", "ok", 0.75)
    telemetry.request_finished(None, "error", 0.25)
    assert counted(telemetry) == {
        ("aftersale_upstream_calls_total", "orders", "ok", "us"): 2,
        ("aftersale_upstream_calls_total", "orders", "throttled", "eu"): 1,
        ("aftersale_upstream_seconds_count", "us"): 2,
        ("aftersale_upstream_seconds_sum", "us"): 0.75,
        ("aftersale_upstream_seconds_count", "eu"): 1,
        ("aftersale_upstream_seconds_sum", "eu"): 0.125,
        ("aftersale_upstream_wait_seconds_count", "us"): 1,
        ("aftersale_upstream_wait_seconds_sum", "us"): 1.5,
        ("aftersale_decisions_total", "CANCEL_ORDER", "live", "final-sale", "DENY"): 1,
        ("aftersale_decisions_total", "CANCEL_ORDER", "shadow", "late-fee", "ALLOW"): 1,
        ("aftersale_actions_total", "CANCEL_ORDER", "RUNNING"): 1,
        ("aftersale_requests_total", "SupportView", "ok"): 1,
        ("aftersale_requests_total", "anonymous", "error"): 1,
        ("aftersale_request_seconds_count", "SupportView"): 1,
        ("aftersale_request_seconds_sum", "SupportView"): 0.75,
        ("aftersale_request_seconds_count", "anonymous"): 1,
        ("aftersale_request_seconds_sum", "anonymous"): 0.25,
    }


def test_a_client_that_makes_up_operation_names_does_not_grow_the_counters() -> None:
    telemetry = Telemetry(names=3)
    for index in range(50):
        telemetry.request_finished(f"Made{index}", "ok", 0.1)
    telemetry.request_finished("Made1", "ok", 0.1)
    telemetry.request_finished("ada@example.com", "ok", 0.1)
    telemetry.request_finished("A" * 65, "ok", 0.1)
    totals = {name[1]: value for name, value in counted(telemetry).items() if name[0] == "aftersale_requests_total"}
    assert totals == {"Made0": 1, "Made1": 2, "Made2": 1, "other": 49}


def test_two_gateways_in_one_process_count_apart() -> None:
    first, second = Telemetry(), Telemetry()
    first.action_moved("CANCEL_ORDER", "DENIED")
    assert counted(second) == {}
    assert len(counted(first)) == 1


# ------------------------------------------------------------------ redaction
@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("mail ada@example.com now", "mail *** now"),
        ("Ada <ada.l+shop@mail.example.co.uk>", "Ada <***>"),
        ("GET /orders?email=ada%40example.com&page=2", "GET /orders?email=***&page=2"),
        ("GET /customers/ada%40example.com", "GET /customers/***"),
        ("straße@bücher.example wrote", "*** wrote"),
        ("Authorization: Bearer abc.def-123", "Authorization: Bearer ***"),
        ("authorization: basic Y2s6Y3M=", "authorization: basic ***"),
        ("got eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhIn0.c2ln", "got ***"),
        ("key shpat_0123456789abcdef0123", "key ***"),
        ("POST /x?access_token=abc&consumer_secret=def", "POST /x?access_token=***&consumer_secret=***"),
        ("postgresql://me:pw@db.example/ledger", "postgresql://***@db.example/ledger"),
        ("Order:us:450789469 is PENDING", "Order:us:450789469 is PENDING"),
        ("query_tokens is 40, return_window_days too", "query_tokens is 40, return_window_days too"),
        ("at 10:00 @ the desk", "at 10:00 @ the desk"),
    ],
)
def test_what_looks_like_a_person_or_a_secret_is_struck_out(text: str, left: str) -> None:
    assert strike(text) == left


@pytest.mark.parametrize("unit", ["a", "a-", "a.", "eyJ", "a%40", "x_", "://a", "@a", "token", "bearer "])
def test_a_long_line_costs_little(unit: str) -> None:
    text = unit * 8_000
    started = time.perf_counter()
    strike(text)
    assert time.perf_counter() - started < 2


@given(
    st.from_regex(r"[a-z0-9.+_-]{1,20}@[a-z0-9-]{1,10}\.[a-z]{2,5}", fullmatch=True),
    st.text(max_size=20),
    st.booleans(),
)
def test_no_address_gets_through_whatever_stands_around_it(address: str, around: str, encoded: bool) -> None:
    written = address.replace("@", "%40") if encoded else address
    assert written not in strike(f"{around} {written} {around}")
    event = redact(None, "info", {"event": "x", "deep": [{"of": (f"<{written}>",)}]})
    assert written not in json.dumps(event)


def test_fields_that_hold_secrets_are_left_out_by_their_name() -> None:
    kept = redact(
        None,
        "info",
        {
            "event": "call",
            "Authorization": "x",
            "accessToken": "x",
            "client_secret": "x",
            "X-Api-Key": "x",
            "customer_email": "x",
            "body": "x",
            "variables": {"a": 1},
            "Set-Cookie": "x",
            "nested": {"token": "x", "store": "us", "rows": [{"password": "x", "n": 1}]},
            "query_tokens": 40,
            "keys": 2,
        },
    )
    assert kept == {"event": "call", "nested": {"store": "us", "rows": [{"n": 1}]}, "query_tokens": 40, "keys": 2}


def test_values_of_any_kind_become_plain_and_clean() -> None:
    looped: list[Any] = []
    looped.append(looped)
    kept = redact(
        None,
        "info",
        {
            "a": SecretText("hush"),
            "b": b"hush",
            "c": Decimal("4.95"),
            "d": datetime(2026, 11, 23, tzinfo=UTC),
            "e": ValueError("no ada@example.com"),
            "f": {"ada@example.com": 1},
            "g": "x" * 9_000,
            "h": looped,
        },
    )
    assert kept["a"] == "***"
    assert kept["b"] == "4 bytes"
    assert kept["c"] == "4.95"
    assert kept["d"] == "2026-11-23T00:00:00+00:00"
    assert kept["e"] == "no ***"
    assert kept["f"] == {"***": 1}
    assert len(kept["g"]) == 8_003
    assert "hush" not in json.dumps(kept)


# ------------------------------------------------------------------ logs
def test_a_log_line_is_one_json_object_with_the_request_it_belongs_to(lines: io.StringIO) -> None:
    with request("caller-id-1") as id:
        structlog.get_logger("gateway").info("answered", operation="SupportView", email="ada@example.com", n=1)
    structlog.get_logger("gateway").info("idle")
    first, second = told(lines)
    assert id == "caller-id-1"
    assert datetime.fromisoformat(first.pop("timestamp")).tzinfo is not None
    assert first == {
        "event": "answered",
        "level": "info",
        "logger": "gateway",
        "operation": "SupportView",
        "n": 1,
        "request_id": "caller-id-1",
    }
    assert "request_id" not in second


def test_the_standard_loggers_speak_the_same_way(lines: io.StringIO) -> None:
    with request() as id:
        logging.getLogger("uvicorn.error").warning("bad request from %s", "ada@example.com", extra={"token": "x"})
    (line,) = told(lines)
    assert (line["event"], line["level"], line["logger"], line["request_id"]) == (
        "bad request from ***",
        "warning",
        "uvicorn.error",
        id,
    )
    assert "token" not in line


def test_a_traceback_is_told_without_what_its_message_gave_away(lines: io.StringIO) -> None:
    try:
        raise RuntimeError("no customer ada@example.com for Bearer abcdef123456")
    except RuntimeError:
        structlog.get_logger("gateway").exception("failed")
        logging.getLogger("sqlalchemy").exception("failed")
    assert len(told(lines)) == 2
    for line in told(lines):
        assert "RuntimeError: no customer *** for Bearer ***" in line["exception"]
    assert "ada@" not in lines.getvalue()


def test_what_is_below_the_level_is_not_written(lines: io.StringIO) -> None:
    structlog.get_logger("gateway").debug("small talk")
    logging.getLogger("gql.transport").info("a document")
    assert told(lines) == []


@pytest.mark.parametrize(
    "offered", [None, "", "short", "a" * 65, "has space", "ada@example.com", "a\nb-and-more", "ü" * 9]
)
def test_a_request_id_that_cannot_be_trusted_is_replaced(offered: str | None) -> None:
    with request(offered) as id:
        assert id != offered
        assert len(id) == 32


async def test_concurrent_requests_keep_their_ids_apart(lines: io.StringIO) -> None:
    async def one(name: str) -> None:
        with request(name):
            await asyncio.sleep(0)
            structlog.get_logger("gateway").info(name)

    await asyncio.gather(*(one(f"request-{index}") for index in range(5)))
    assert len(told(lines)) == 5
    assert all(line["request_id"] == line["event"] for line in told(lines))
