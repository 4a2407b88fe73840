"""What an answer that is no success says before any platform's own words are looked at."""

from __future__ import annotations

import msgspec
import pytest

from platforms.errors import Native
from platforms.refusals import in_their_words, not_the_platform
from platforms.transport import Reply


class Shape(msgspec.Struct):
    message: str


def reply(body: bytes, kind: str = "application/json; charset=utf-8") -> Reply:
    return Reply(400, {"content-type": kind}, body)


def test_a_body_of_the_shape_is_read() -> None:
    found = in_their_words(reply(b'{"message": "No", "more": 1}'), Shape)
    assert found == Shape("No")
    problem = reply(b'{"message": "No"}', "application/problem+json")
    assert in_their_words(problem, Shape) == Shape("No")


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"<html>", "text/html"),
        (b'{"message": "No"}', "text/html"),
        (b"", "application/json"),
        (b'{"message": 5}', "application/json"),
        (b'{"message": "\xff"}', "application/json"),
        (b'{"message": "No", "more": ' + b"[" * 100_000, "application/json"),
    ],
)
def test_anything_else_is_somebody_elses(body: bytes, kind: str) -> None:
    assert in_their_words(reply(body, kind), Shape) is None


def test_who_else_spoke_is_told_by_the_status_alone() -> None:
    error = not_the_platform(reply(b"<html>secret</html>"), "the shop's API")
    assert str(error) == "HTTP 400 came from something before the shop's API, not in its words"
    assert error.native == (Native("HTTP 400", http_status=400),)
    assert not error.not_executed


def test_a_vendors_text_is_one_line_without_addresses_and_not_long() -> None:
    def told(text: str) -> str:
        return Native(text).message

    assert told("Customer ada@example.com,\nor <o'brien@example.com>, exists") == "Customer ***, or <***>, exists"
    assert told("GET /customers?email=ada%40example.com&page=1 failed") == "GET *** failed"
    assert told("3 @ 2.50 each") == "3 @ 2.50 each"
    assert told("x\x00" * 400) == "x " * 150
