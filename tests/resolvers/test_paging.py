"""Several stores' lists as one: each item once, newest first, whatever the pages are like and whoever fails."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Iterable, Sequence
from itertools import pairwise
from random import Random
from typing import Any, NamedTuple

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from platforms.base import Page, Platform, Row
from platforms.errors import Throttled, Unavailable
from resolvers.errors import BadArgument
from resolvers.fanout import StorePatience
from resolvers.paging import Merged, list_digest, merged
from schema.vocabulary import ProblemCode
from tests.resolvers.shelf import Shelf

OF = list_digest("items", "ada@example.com")


class Item(NamedTuple):
    minute: int
    number: int
    store: str
    shown: bool = True

    @property
    def place(self) -> tuple[int, int]:
        return self.minute, self.number


def newest(item: Item) -> tuple[object, ...]:
    return (item.minute,)


class Lists:
    """Each store's list, and how the store hands it out."""

    def __init__(self, lists: Sequence[Sequence[Item]], chance: Random | None = None) -> None:
        self.platforms: list[Platform] = [Shelf(f"s{index}") for index in range(len(lists))]
        self.items = {
            f"s{index}": sorted(items, key=lambda i: i.place, reverse=True) for index, items in enumerate(lists)
        }
        self.chance = chance
        self.down: set[str] = set()
        self.flaky = 0.0
        self.fetches: list[tuple[str, int, str | None]] = []

    async def fetch(self, platform: Platform, first: int, after: str | None) -> Page[Item]:
        key = platform.config.id
        self.fetches.append((key, first, after))
        if key in self.down or (self.chance and self.chance.random() < self.flaky):
            raise Unavailable("down")
        rows = self.items[key]
        if after is not None:
            minute, number = map(int, after.split("."))
            rows = [item for item in rows if item.place < (minute, number)]
        taken = rows[: self.chance.randint(1, first) if self.chance else first]
        shown = [Row(item, f"{item.minute}.{item.number}") for item in taken if item.shown]
        end = f"{taken[-1].minute}.{taken[-1].number}" if taken and not shown else None
        return Page(shown, len(rows) > len(taken), end)

    #: Whether each row is asked for its own cursor.
    cursors = True

    async def page(self, first: int, after: str | None) -> Merged[Item]:
        patience = StorePatience(60)
        return await merged(
            self.platforms,
            self.fetch,
            newest,
            first=first,
            after=after,
            of=OF,
            patience=patience,
            cursors=self.cursors,
        )

    async def pages(self, first: int, after: str | None = None) -> list[Merged[Item]]:
        """Every page until the list says that it ends."""
        found = [await self.page(first, after)]
        while found[-1].more:
            assert len(found) < 500
            found.append(await self.page(first, found[-1].end))
        return found

    def visible(self, stores: Iterable[str] | None = None) -> list[Item]:
        return [item for key in stores or self.items for item in self.items[key] if item.shown]


def items_of(pages: Iterable[Merged[Item]]) -> list[Item]:
    return [item for page in pages for _, item in page.rows]


def is_newest_first(items: Sequence[Item]) -> bool:
    return all(one.minute >= next.minute for one, next in pairwise(items))


@st.composite
def mixes(draw: st.DrawFn) -> list[list[Item]]:
    """One to four stores of items that often tie; some rows turn out not to be the person's."""
    rows = st.lists(st.tuples(st.integers(0, 12), st.booleans() | st.just(True)), max_size=14)
    return [
        [Item(minute, number, f"s{store}", shown) for number, (minute, shown) in enumerate(draw(rows))]
        for store in range(draw(st.integers(1, 4)))
    ]


SIZES = st.integers(1, 9)
CHANCES = st.randoms(use_true_random=False)
EXAMPLES = settings(max_examples=40, deadline=None)


@EXAMPLES
@given(mixes(), SIZES, CHANCES)
def test_each_item_comes_once_and_newest_first(mix: list[list[Item]], first: int, chance: Random) -> None:
    lists = Lists(mix, chance)
    pages = asyncio.run(lists.pages(first))
    found = items_of(pages)
    assert sorted(found) == sorted(lists.visible())
    assert is_newest_first(found)
    assert all(len(page.rows) == first for page in pages[:-1])
    assert all(page.issues == [] for page in pages)


@EXAMPLES
@given(mixes(), SIZES, SIZES, CHANCES)
def test_ties_come_in_the_same_order_at_any_page_size(
    mix: list[list[Item]], one: int, other: int, chance: Random
) -> None:
    lists = Lists(mix, chance)
    assert items_of(asyncio.run(lists.pages(one))) == items_of(asyncio.run(lists.pages(other)))


@EXAMPLES
@given(mixes(), SIZES, st.integers(), st.sampled_from([0.0, 0.3]))
def test_a_list_is_the_same_whether_or_not_each_row_has_a_cursor(
    mix: list[list[Item]], first: int, seed: int, flaky: float
) -> None:
    def found(cursors: bool) -> list[Any]:
        lists = Lists(mix, Random(seed))
        lists.flaky, lists.cursors = flaky, cursors
        pages = asyncio.run(lists.pages(first))
        return [(items_of([page]), page.end, page.more, len(page.issues)) for page in pages]

    assert found(cursors=False) == found(cursors=True)


@EXAMPLES
@given(mixes(), SIZES, CHANCES, st.data())
def test_the_list_goes_on_behind_any_items_own_cursor(
    mix: list[list[Item]], first: int, chance: Random, data: st.DataObject
) -> None:
    lists = Lists(mix, chance)
    rows = [row for page in asyncio.run(lists.pages(first)) for row in page.rows]
    if not rows:
        return
    place = data.draw(st.integers(0, len(rows) - 1))
    rest = items_of(asyncio.run(lists.pages(first, rows[place][0])))
    assert rest == [item for _, item in rows[place + 1 :]]


@EXAMPLES
@given(mixes(), SIZES, CHANCES, st.data())
def test_a_store_that_stays_down_costs_its_own_items_and_every_page_says_so(
    mix: list[list[Item]], first: int, chance: Random, data: st.DataObject
) -> None:
    lists = Lists(mix, chance)
    down = data.draw(st.sampled_from(sorted(lists.items)))
    lists.down = {down}
    pages = asyncio.run(lists.pages(first))
    found = items_of(pages)
    assert sorted(found) == sorted(lists.visible(key for key in lists.items if key != down))
    assert is_newest_first(found)
    for page in pages:
        assert [issue.store.key for issue in page.issues] == [down]


@EXAMPLES
@given(mixes(), SIZES, CHANCES)
def test_a_store_that_recovers_gives_what_it_owed_and_nothing_twice(
    mix: list[list[Item]], first: int, chance: Random
) -> None:
    lists = Lists(mix, chance)
    lists.flaky = 0.4

    async def read() -> list[Merged[Item]]:
        pages = [await lists.page(first, None)]
        while pages[-1].more or pages[-1].issues:
            if len(pages) > 60:
                lists.flaky = 0.0
            pages.append(await lists.page(first, pages[-1].end))
        return pages

    pages = asyncio.run(read())
    assert sorted(items_of(pages)) == sorted(lists.visible())
    assert all(is_newest_first(items_of([page])) for page in pages)


@EXAMPLES
@given(mixes(), SIZES, CHANCES)
def test_what_is_new_at_the_top_repeats_nothing_and_hides_nothing(
    mix: list[list[Item]], first: int, chance: Random
) -> None:
    lists = Lists(mix, chance)
    old = lists.visible()

    async def read() -> list[Item]:
        page = await lists.page(first, None)
        found = items_of([page])
        for round in range(500):
            if not page.more:
                return found
            key = chance.choice(sorted(lists.items))
            lists.items[key].insert(0, Item(100 + round, 1000 + round, key))
            page = await lists.page(first, page.end)
            found += items_of([page])
        raise AssertionError("the list does not end")

    found = asyncio.run(read())
    assert len(set(found)) == len(found)
    assert [item for item in found if item.minute < 100] == sorted(
        old, key=lambda item: (item.minute, item.store, item.number), reverse=True
    )


def three_stores_of_ten() -> Lists:
    return Lists([[Item(3 * n + store, n, f"s{store}") for n in range(10)] for store in range(3)])


async def test_a_page_costs_one_call_for_each_store() -> None:
    lists = three_stores_of_ten()
    page = await lists.page(10, None)
    assert len(page.rows) == 10
    assert sorted(lists.fetches) == [("s0", 10, None), ("s1", 10, None), ("s2", 10, None)]


async def test_the_next_page_asks_each_store_behind_its_own_last_item() -> None:
    lists = three_stores_of_ten()
    page = await lists.page(10, None)
    lists.fetches.clear()
    await lists.page(10, page.end)
    assert sorted(lists.fetches) == [("s0", 10, "21.7"), ("s1", 10, "22.7"), ("s2", 10, "20.6")]


async def test_a_store_that_has_no_more_is_not_asked_again() -> None:
    lists = Lists([[Item(5, 0, "s0")], [Item(n, n, "s1") for n in range(4)]])
    page = await lists.page(3, None)
    assert [item.store for _, item in page.rows] == ["s0", "s1", "s1"]
    lists.fetches.clear()
    page = await lists.page(3, page.end)
    assert [item.minute for _, item in page.rows] == [1, 0]
    assert not page.more
    assert [key for key, _, _ in lists.fetches] == ["s1"]


async def test_a_store_with_rows_left_is_not_asked_while_they_last() -> None:
    lists = Lists([[Item(n + 50, n, "s0") for n in range(8)], [Item(n, n, "s1") for n in range(8)]])
    await lists.page(8, None)
    assert [key for key, _, _ in lists.fetches] == ["s0", "s1"]


async def test_nobody_to_ask_is_an_empty_list_without_an_end() -> None:
    page = await Lists([]).page(5, None)
    assert (page.rows, page.more, page.issues, page.end) == ([], False, [], None)


class Stuck(Lists):
    """A store that says there is more and never gives it."""

    end: str | None = None

    async def fetch(self, platform: Platform, first: int, after: str | None) -> Page[Item]:
        self.fetches.append((platform.config.id, first, after))
        return Page([], True, self.end)


@pytest.mark.parametrize(("end", "calls"), [(None, 1), ("5.5", 2)])
async def test_a_list_that_does_not_go_on_is_an_issue_and_no_endless_loop(end: str | None, calls: int) -> None:
    lists = Stuck([[]])
    lists.end = end
    page = await lists.page(5, None)
    assert [issue.code for issue in page.issues] == [ProblemCode.PLATFORM_UNAVAILABLE]
    assert len(lists.fetches) == calls


async def test_many_rows_of_others_between_two_of_ones_own_are_passed_over() -> None:
    every_second = [Item(200 - n, n, "s0", shown=n % 2 == 0) for n in range(120)]
    lists = Lists([every_second], Random(1))
    lists.chance = None

    async def one_by_one(platform: Platform, first: int, after: str | None) -> Page[Item]:
        return await Lists.fetch(lists, platform, 1, after)

    page = await merged(lists.platforms, one_by_one, newest, first=60, after=None, of=OF, patience=StorePatience(60))
    assert len(page.rows) == 60
    assert page.issues == []


async def test_an_issue_tells_the_code_and_when_to_ask_again() -> None:
    lists = Lists([[Item(1, 1, "s0")], []])

    async def fetch(platform: Platform, first: int, after: str | None) -> Page[Item]:
        if platform.config.id == "s1":
            raise Throttled("wait", retry_after=1.2)
        return await lists.fetch(platform, first, after)

    page = await merged(lists.platforms, fetch, newest, first=5, after=None, of=OF, patience=StorePatience(60))
    assert [item.store for _, item in page.rows] == ["s0"]
    (issue,) = page.issues
    assert (issue.store.key, issue.code, issue.retry_after_seconds) == ("s1", ProblemCode.PLATFORM_THROTTLED, 2)
    assert page.end is not None


@given(
    st.text(st.characters(), max_size=60) | st.binary(max_size=40).map(lambda b: base64.urlsafe_b64encode(b).decode())
)
@settings(deadline=None)
def test_what_is_no_cursor_is_refused_as_a_bad_argument(text: str) -> None:
    lists = Lists([[Item(1, 1, "s0")]])
    with pytest.raises(BadArgument) as refused:
        asyncio.run(lists.page(5, text))
    assert refused.value.argument == "after"
    assert lists.fetches == []


@pytest.mark.parametrize("value", [None, 7, [], {}, ["x"], ["x", {}], ["x", [], []], ["x", {"s0": 1}, []], [1, {}, []]])
async def test_json_of_another_shape_is_no_cursor(value: object) -> None:
    text = base64.urlsafe_b64encode(msgspec.json.encode(value)).decode()
    with pytest.raises(BadArgument, match="not a cursor"):
        await Lists([[]]).page(5, text)


async def test_a_cursor_of_another_list_is_refused() -> None:
    lists = three_stores_of_ten()
    end = (await lists.page(2, None)).end
    with pytest.raises(BadArgument, match="of another list"):
        await merged(
            lists.platforms,
            lists.fetch,
            newest,
            first=2,
            after=end,
            of=list_digest("items", "bob@example.com"),
            patience=StorePatience(60),
        )


def test_the_name_of_a_list_tells_nothing_of_whose_it_is() -> None:
    assert "ada" not in OF
    assert list_digest("a", "b") == list_digest("a", "b") != list_digest("a", "c")
