"""A part that was not read is a mistake when it is touched; a part that was read is what it is."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from schema.connections import MAX_PAGE, PageSizeOutOfRange, page_size
from schema.parts import OrderParts, Parted, PartNotLoaded, SubscriptionParts, not_loaded


@dataclass
class Parcel(Parted):
    id: str
    lines: list[str] | None = field(default_factory=not_loaded)
    events: list[str] | None = field(default_factory=not_loaded)

    def __post_init__(self) -> None:
        self._drop_unloaded()


def test_a_part_nobody_asked_for_raises_when_it_is_touched() -> None:
    parcel = Parcel("1")
    with pytest.raises(PartNotLoaded, match=r"Parcel\.lines was not loaded"):
        _ = parcel.lines
    with pytest.raises(PartNotLoaded):
        getattr(parcel, "lines", None)


def test_a_part_that_could_not_be_read_stays_none_and_an_empty_one_stays_empty() -> None:
    parcel = Parcel("1", lines=None, events=[])
    assert parcel.lines is None
    assert parcel.events == []
    assert parcel.has("lines")
    assert parcel.has("events")


def test_a_part_is_there_or_not() -> None:
    parcel = Parcel("1", lines=["a"])
    assert parcel.has("lines")
    assert not parcel.has("events")
    parcel.events = ["shipped"]
    assert parcel.events == ["shipped"]


def test_a_noun_has_pythons_own_protocols_only() -> None:
    assert not hasattr(Parcel("1"), "__await__")


@pytest.mark.parametrize("first", [1, 2, MAX_PAGE])
def test_a_page_holds_between_one_and_the_most(first: int) -> None:
    assert page_size(first) == first


@pytest.mark.parametrize("first", [0, -1, MAX_PAGE + 1, 1000])
def test_a_page_of_another_size_is_refused_with_its_bounds(first: int) -> None:
    with pytest.raises(PageSizeOutOfRange, match=f"first must be between 1 and {MAX_PAGE}, not {first}"):
        page_size(first)


def test_a_list_may_have_a_smaller_most() -> None:
    assert page_size(5, 5) == 5
    with pytest.raises(PageSizeOutOfRange):
        page_size(6, 5)


def test_parts_are_joined_and_compared_as_any_flags_are() -> None:
    every = [OrderParts(value) for value in range(OrderParts.ALL.value + 1)]
    for one in every:
        for other in every:
            assert one | other is OrderParts(one.value | other.value)
            assert one & other is OrderParts(one.value & other.value)
            assert (one in other) is (one.value & other.value == one.value)
    assert OrderParts.ALL & ~OrderParts.LINES | OrderParts.LINES is OrderParts.ALL


def test_parts_of_different_nouns_do_not_go_together() -> None:
    with pytest.raises(TypeError):
        _ = OrderParts.LINES | SubscriptionParts.CYCLES  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        _ = OrderParts.LINES & SubscriptionParts.CYCLES  # type: ignore[arg-type]
