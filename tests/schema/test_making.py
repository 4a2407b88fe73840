"""What is made the short way is what the class would have made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from schema.making import Late, maker, nothing
from schema.order import LineQuantity, Order, OrderLine
from schema.parts import NOT_LOADED, PartNotLoaded
from schema.values import Image, MoneyPair

PRICE = MoneyPair.same("1.50", "EUR")
GIVEN: Mapping[str, Any] = {
    "id": "OrderLine:eu:1:2", "title": "Shirt", "quantity": LineQuantity(ordered=3, current=2, returned=1),
    "unit_price": PRICE, "total": PRICE, "is_gift_card": False, "native_id": "2",
}  # fmt: skip


def test_what_is_made_the_short_way_is_equal_to_what_the_class_makes() -> None:
    make = maker(LineQuantity, "ordered", "current", "returned", "returnable")
    quantity = make(ordered=3, current=2, returned=1, returnable=None)
    assert quantity == LineQuantity(ordered=3, current=2, returned=1)
    assert type(quantity) is LineQuantity
    assert maker(OrderLine, *GIVEN)(**GIVEN) == OrderLine(**GIVEN)  # type: ignore[arg-type]


def test_a_list_that_is_left_out_is_each_ones_own() -> None:
    @dataclass(kw_only=True)
    class Basket:
        name: str
        things: list[str] = field(default_factory=list)

    make = maker(Basket, "name")
    one, other = make(name="a"), make(name="b")
    one.things.append("x")
    assert (one.things, other.things) == (["x"], [])


def test_what_a_class_does_when_it_is_made_is_done() -> None:
    line = maker(OrderLine, *GIVEN)(**GIVEN)  # type: ignore[arg-type]
    head = dict.fromkeys(("source", "status", "payment_status", "fulfillment_status", "return_status"))
    head |= {"id": "Order:eu:1", "number": "1", "native_status": "", "placed_at": None, "totals": None}
    order = maker(Order, *head, "lines", "refunds")(**head, lines=[line], refunds=NOT_LOADED)  # type: ignore[arg-type]
    assert line.order is order
    assert order.lines == [line]
    assert not order.has("refunds")
    assert not order.has("returns")
    with pytest.raises(PartNotLoaded):
        _ = order.refunds


def test_a_field_that_is_missing_or_strange_is_told_when_the_maker_is_made() -> None:
    with pytest.raises(TypeError, match="Image has no field colour"):
        maker(Image, "url", "colour")
    with pytest.raises(TypeError, match="Image needs a url"):
        maker(Image, "alt")


def test_what_the_maker_takes_it_takes_by_name_and_all_of_it() -> None:
    make = maker(Image, "url", "alt")
    with pytest.raises(TypeError):
        make(url="https://example.com/a.png")  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        maker(Image, "url")(url="https://example.com/a.png", alt="a")  # type: ignore[arg-type]


def test_what_is_late_is_worked_out_once_and_only_when_it_is_looked_at() -> None:
    worked: list[str] = []

    @dataclass(kw_only=True)
    class Letter(Late):
        to: str
        text: str | None = field(default_factory=nothing)
        copies: list[str] = field(default_factory=list)

    def text(name: str, *_: object) -> str:
        worked.append("text")
        return f"Dear {name}"

    letter = maker(Letter, "to", late=("text", "copies"))(to="Ada")
    letter.later({"text": text, "copies": lambda name, copies: copies}, "Ada", [])
    assert worked == []
    assert (letter.text, letter.text, letter.copies) == ("Dear Ada", "Dear Ada", [])
    assert worked == ["text"]
    assert letter == Letter(to="Ada", text="Dear Ada")
    assert Letter(to="Ada").text is None
    with pytest.raises(AttributeError, match="'Letter' object has no attribute 'stamp'"):
        _ = letter.stamp  # type: ignore[attr-defined]
    assert not hasattr(Letter(to="Ada"), "stamp")
