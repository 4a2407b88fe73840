"""Money in every shape and instants in every writing, over the wire: what a vendor wrote is what is read."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from platforms.base import Platform
from platforms.errors import Unreadable
from platforms.registry import PLATFORMS
from schema.vocabulary import ActionKind
from tests.conformance.asking import do, found, request, target
from tests.conformance.cases import Reworded, World
from tests.conformance.values import AMOUNTS, INSTANTS, MINOR, NUMBER, TEXT, Amount, Instant, Minor

pytestmark = pytest.mark.asyncio(loop_scope="module")

PLACES = [pytest.param(name, one, id=f"{name}, {one.of}") for name, many in AMOUNTS.items() for one in many]
SMALLEST = [pytest.param(name, one, id=f"{name}, {one.of}") for name, many in MINOR.items() for one in many]
TIMES = [pytest.param(name, one, id=f"{name}, {one.on.value}") for name, many in INSTANTS.items() for one in many]
ONCE = settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
#: More digits than a float holds, and amounts that it does not hold at all.
DECIMALS = st.decimals(min_value=0, max_value=10**15, places=6) | st.decimals(min_value=0, max_value=1000, places=2)


async def test_every_platform_has_its_money_and_its_instants() -> None:
    assert AMOUNTS.keys() | MINOR.keys() == INSTANTS.keys() == PLATFORMS.keys()


async def made(world: World, store: Platform, after: ActionKind | None) -> None:
    """What has to be there before it can be read; once a world."""
    if after is not None and world.writes == 0:
        await do(store, await request(store, world, after, target(world, after)))


@pytest.mark.parametrize(("name", "place"), PLACES)
@given(amount=DECIMALS)
@example(amount=Decimal("0.1"))
@example(amount=Decimal("0.000001"))
@example(amount=Decimal("999999999999999.999999"))
@ONCE
async def test_an_amount_is_what_was_written(world: World, store: Platform, place: Amount, amount: Decimal) -> None:
    world.bent = True
    world.door = world.faulty
    await made(world, store, place.after)
    native = place.put(world)
    for text in place.written(amount):
        was = f'"{TEXT}"' if text.startswith('"') else str(NUMBER)
        world.door = Reworded(world.faulty, was, text)
        money = place.read(await found(store, place.on, native))
        assert money is not None
        assert (type(money.amount), money.amount) == (Decimal, amount)


@pytest.mark.parametrize(("name", "place"), PLACES)
async def test_what_is_no_amount_is_never_taken_for_one(world: World, store: Platform, place: Amount) -> None:
    world.bent = True
    await made(world, store, place.after)
    native = place.put(world)
    was = f'"{TEXT}"' if place.written(Decimal(1))[0].startswith('"') else str(NUMBER)
    for text in ("NaN", "Infinity", "-Infinity", '"NaN"', '"Infinity"', '"12,50"', "true", "[]"):
        world.door = Reworded(world.faulty, was, text)
        told: Any = None
        with suppress(Unreadable):
            told = _or_none(place, await found(store, place.on, native))
        assert told is None, text


def _or_none(place: Amount, node: Any) -> Any:
    """What is read where the part that holds it could be read at all."""
    return None if place.of == "a refund" and node.refunds is None else place.read(node)


@pytest.mark.parametrize(("name", "place"), SMALLEST)
@given(cents=st.integers(0, 10**15), digits=st.integers(0, 3), more=st.integers(1, 9))
@example(cents=1, digits=0, more=1)
@example(cents=4200, digits=2, more=4)
@ONCE
async def test_minor_units_have_the_digits_that_are_named(
    world: World, store: Platform, place: Minor, cents: int, digits: int, more: int
) -> None:
    world.bent = True
    await made(world, store, place.after)
    exact = {"currencyCode": "EUR", "centAmount": cents, "fractionDigits": digits}
    finer = exact | {"type": "highPrecision", "preciseAmount": cents * 10**more + 7, "fractionDigits": digits + more}
    for row, wanted in (
        (exact | {"type": "centPrecision"}, Decimal(cents).scaleb(-digits)),
        (finer, Decimal(cents * 10**more + 7).scaleb(-digits - more)),
    ):
        money = place.read(await found(store, place.on, place.put(world, row)))
        assert money is not None
        assert (type(money.amount), money.amount) == (Decimal, wanted)


@pytest.mark.parametrize(("name", "place"), TIMES)
@given(
    at=st.datetimes(datetime(1990, 1, 1), datetime(2200, 1, 1)),
    minutes=st.integers(-12 * 60, 14 * 60),
)
@example(at=datetime(2026, 3, 29, 2, 30), minutes=60)
@example(at=datetime(2028, 2, 29, 23, 59, 59), minutes=-570)
@ONCE
async def test_an_instant_is_told_in_utc_however_it_was_written(
    world: World, store: Platform, place: Instant, at: datetime, minutes: int
) -> None:
    world.bent = True
    moment = at.replace(microsecond=0, tzinfo=UTC)
    elsewhere = moment.astimezone(timezone(timedelta(minutes=minutes)))
    for written in (*(one(moment) for one in place.utc), *(one(elsewhere) for one in place.zoned)):
        told = place.read(await found(store, place.on, place.put(world, written)))
        assert (told, told.utcoffset()) == (moment, timedelta(0)), written


@pytest.mark.parametrize(("name", "place"), TIMES)
async def test_what_is_no_instant_names_its_field(world: World, store: Platform, place: Instant) -> None:
    world.bent = True
    for text in ("yesterday", "2026-13-01T00:00:00", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-12:00"):
        native = place.put(world, text)
        with pytest.raises(Unreadable, match=r"created|processed|date") as raised:
            await found(store, place.on, native)
        assert text not in str(raised.value)
