"""Strict reading of upstream JSON: exact numbers, and errors that name a place and never a value."""

from __future__ import annotations

import traceback
from decimal import Decimal
from enum import Enum
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from platforms.errors import Unreadable
from platforms.jsonbody import decode
from platforms.transport import Reply

JSON = {"content-type": "application/json; charset=utf-8"}


class Status(Enum):
    PAID = "paid"


class Line(msgspec.Struct):
    id: int
    price: Decimal
    status: Status = Status.PAID


class Order(msgspec.Struct, rename="camel"):
    order_lines: list[Line]
    by_tax: dict[str, Decimal] = {}
    note: str | None = None
    extra: Any = None


def reply(body: bytes | str, headers: dict[str, str] | None = None) -> Reply:
    return Reply(200, JSON if headers is None else headers, body.encode() if isinstance(body, str) else body)


def test_a_body_becomes_typed_values() -> None:
    order = decode(
        Order, reply('{"orderLines":[{"id":1,"price":19.99,"unknown":true}],"byTax":{"VAT":"1.90"}}'), "order"
    )
    assert order == Order([Line(1, Decimal("19.99"))], {"VAT": Decimal("1.90")})
    assert str(order.by_tax["VAT"]) == "1.90"


@pytest.mark.parametrize(
    "text", ["0.1", "1.10", "0.30000000000000004", "12345678901234567.123456789", "100", "1e2", "-0.00", "9" * 40]
)
@pytest.mark.parametrize("quoted", [False, True])
def test_money_is_exactly_what_was_written(text: str, quoted: bool) -> None:
    raw = f'"{text}"' if quoted else text
    (line,) = decode(list[Line], reply(f'[{{"id":1,"price":{raw}}}]'), "lines")
    assert (line.price.as_tuple(), str(line.price)) == (Decimal(text).as_tuple(), str(Decimal(text)))


@given(st.decimals(allow_nan=False, allow_infinity=False))
def test_any_decimal_number_survives(number: Decimal) -> None:
    assert decode(Decimal, reply(str(number)), "price").as_tuple() == number.as_tuple()


def test_numbers_in_untyped_parts_are_exact_too() -> None:
    assert decode(Order, reply('{"orderLines":[],"extra":{"a":[0.10]}}'), "order").extra == {"a": [Decimal("0.10")]}


@pytest.mark.parametrize("word", ["NaN", "Infinity", "-inf", "sNaN", "nan123"])
def test_what_is_not_a_number_is_not_a_price(word: str) -> None:
    body = f'{{"orderLines":[{{"id":1,"price":1}},{{"id":2,"price":"{word}"}}]}}'
    with pytest.raises(Unreadable, match=r"no number at \$\.orderLines\[1\]\.price"):
        decode(Order, reply(body), "order")
    with pytest.raises(Unreadable, match=r"no number at \$\.byTax\[\.\.\.\]"):
        decode(Order, reply(f'{{"orderLines":[],"byTax":{{"VAT":"{word}"}}}}'), "order")


class Box(msgspec.Struct):
    weight: int | Decimal = 0
    lid: Box | None = None
    price: Decimal | None = None
    sides: tuple[Decimal, ...] = ()
    corner: tuple[str, Decimal] = ("", Decimal(0))
    marks: set[Decimal] = set()
    named: dict[str, list[Line]] = {}
    line: Line | None = None
    line_or_word: Line | str = ""


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ('{"weight":"?"}', "$.weight"),
        ('{"lid":{"lid":{"weight":"?"}}}', "$.lid.lid.weight"),
        ('{"price":"?"}', "$.price"),
        ('{"sides":["1","?"]}', "$.sides[1]"),
        ('{"corner":["?","?"]}', "$.corner[1]"),
        ('{"marks":["?"]}', "$.marks[0]"),
        ('{"named":{"a":[{"id":1,"price":1},{"id":1,"price":"?"}]}}', "$.named[...][1].price"),
        ('{"line":{"id":1,"price":"?"}}', "$.line.price"),
        ('{"line_or_word":{"id":1,"price":"?"}}', "$.line_or_word.price"),
    ],
)
@pytest.mark.parametrize("word", ["NaN", " -infinity ", r"\u004eaN"])
def test_wherever_a_text_becomes_a_number_it_has_to_be_one(body: str, path: str, word: str) -> None:
    assert isinstance(decode(Box, reply(body.replace("?", "1")), "box"), Box)
    with pytest.raises(Unreadable) as caught:
        decode(Box, reply(body.replace("?", word)), "box")
    assert str(caught.value).endswith(f"has no number at {path}")


def test_a_customer_may_be_called_infinity() -> None:
    assert decode(Order, reply('{"orderLines":[],"note":"Infinity"}'), "order").note == "Infinity"


@pytest.mark.parametrize(
    ("body", "place"),
    [
        (
            '{"orderLines":[{"id":1,"price":1},{"id":"s3cret","price":1}]}',
            "$.orderLines[1].id: Expected `int`, got `str`",
        ),
        ('{"orderLines":[{"id":1}]}', "$.orderLines[0]: Object missing required field `price`"),
        ('{"orderLines":[{"id":1,"price":"s3cret"}]}', "$.orderLines[0].price: Invalid decimal string"),
        ('{"orderLines":[{"id":1,"price":1,"status":"s3cret"}]}', "$.orderLines[0].status: a value outside"),
        ('{"orderLines":null,"note":"s3cret"}', "$.orderLines: Expected `array`, got `null`"),
        ('{"orderLines":[],"byTax":{"s3cret":[]}}', "$.byTax[...]: Expected `decimal`"),
        ('["s3cret"]', "$: Expected `object`, got `array`"),
    ],
)
def test_a_wrong_shape_is_named_by_its_path_without_a_value(body: str, place: str) -> None:
    with pytest.raises(Unreadable) as caught:
        decode(Order, reply(body), "orders.list")
    assert str(caught.value).startswith("orders.list: the answer (HTTP 200) does not have the expected shape at ")
    assert place in str(caught.value)
    assert "s3cret" not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "without a body"),
        (b'{"orderLines":[', "cut short"),
        (b'{"orderLines":[]}s3cret', "well-formed"),
        (b"\xef\xbb\xbf{}", "well-formed"),
        (b'{"orderLines":[],"unknown":"s3cret \xff"}', "not UTF-8 (byte 35)"),
        (b'{"orderLines":[],"extra":' + b"[" * 100_000, ""),
        (b"NaN", "well-formed"),
    ],
)
def test_a_broken_body_is_unreadable(body: bytes, reason: str) -> None:
    with pytest.raises(Unreadable) as caught:
        decode(Order, reply(body), "order")
    assert reason in str(caught.value)
    assert caught.value.native[0].http_status == 200
    assert "s3cret" not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize("media", ["text/html; charset=utf-8", "text/plain", "application/xml", "application/jsonp"])
def test_another_content_type_is_unreadable_even_where_the_body_would_fit(media: str) -> None:
    with pytest.raises(Unreadable, match=f"came as {media.partition(';')[0]}, not JSON"):
        decode(Order, reply('{"orderLines":[]}', {"content-type": media}), "order")


@pytest.mark.parametrize(
    "media", ["application/json", "Application/JSON;charset=UTF-8", "application/vnd.api+json", ""]
)
def test_json_has_several_names(media: str) -> None:
    assert decode(Order, reply('{"orderLines":[]}', {"content-type": media}), "order") == Order([])


def test_a_strange_content_type_is_not_repeated() -> None:
    with pytest.raises(Unreadable, match="came as another type"):
        decode(Order, reply("{}", {"content-type": "<s3cret>"}), "order")
