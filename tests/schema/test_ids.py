"""Ids are read as they were written, and nothing else is read at all."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from schema.ids import MAX_LENGTH, GlobalId, MalformedId, make_id, parse_id, parse_typed

#: Whatever a platform may use as an id, as long as it can be put into a URL.
PARTS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20)
TYPES = st.sampled_from(["Order", "Return", "CustomerProfile", "SubscriptionContract"])


@given(TYPES, st.lists(PARTS, min_size=1, max_size=3))
def test_an_id_is_read_back_as_it_was_made(type_name: str, parts: list[str]) -> None:
    text = make_id(type_name, *parts)
    assert parse_id(text) == GlobalId(type_name, tuple(parts))
    assert text.isascii()
    assert text.isprintable()


@given(st.lists(PARTS, min_size=1, max_size=3), st.lists(PARTS, min_size=1, max_size=3))
def test_two_nodes_never_share_an_id(one: list[str], other: list[str]) -> None:
    assert (make_id("Order", *one) == make_id("Order", *other)) == (one == other)


@given(st.text(st.characters(), max_size=60) | st.text("Order:us%1aA2fF", max_size=30))
@example("Order:us:\ud800")
@example("Order:us:%ED%A0%80")
@example("Örder:us:1")
def test_any_other_text_is_refused_or_is_exactly_how_we_write_it(text: str) -> None:
    try:
        found = parse_id(text)
    except MalformedId:
        return
    assert make_id(found.type, *found.parts) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Order",
        "Order:",
        "Order::1",
        "Order:us:",
        ":us:1",
        "Order us:1",
        "1Order:us:1",
        "Order:us:1 ",
        "Order:us:a b",
        "Order:us:%",
        "Order:us:%zz",
        "Order:us:%2f",  # ours is %2F
        "Order:us:%61",  # a letter needs no escape
        "Order:us:%ff",
        "Order:us:é",
        "Order:us:\x00",
        "gid://shopify/Order/1",
        "Order:us:" + "1" * MAX_LENGTH,
    ],
)
def test_what_we_did_not_write_is_no_id(text: str) -> None:
    with pytest.raises(MalformedId) as refused:
        parse_id(text)
    assert str(refused.value)


def test_an_id_is_readable_to_people() -> None:
    assert make_id("Order", "us", "450789469") == "Order:us:450789469"
    assert make_id("Order", "us", "a/b:c") == "Order:us:a%2Fb%3Ac"


def test_the_parts_of_an_id_have_names() -> None:
    found = parse_id("Return:us:1001:7")
    assert (found.type, found.store, found.native) == ("Return", "us", "7")


def test_another_types_id_is_refused_and_both_types_are_named() -> None:
    with pytest.raises(MalformedId, match="this is the id of Product; an id of Order is needed"):
        parse_typed("Product:us:1", "Order")


def test_an_id_with_too_many_parts_is_refused() -> None:
    with pytest.raises(MalformedId, match="expected 2 parts"):
        parse_typed("Order:us:1:2", "Order")
