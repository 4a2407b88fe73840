"""When a window ends: zones, days, months, seasons, cut-offs; and that a later delivery never shortens one."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.processor import PolicyProcessor
from policies.windows import Length, Unit, inside
from schema.vocabulary import Verdict
from tests.policies.nouns import EXAMPLES, NOBODY_YET, STAFF, STORES, Goods, asked_return, load, order

NEW_YORK = ZoneInfo("America/New_York")
FASHION = PolicyProcessor.load(EXAMPLES / "fashion.yaml", STORES)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


@pytest.mark.parametrize(
    ("length", "start", "end"),
    [
        (Length(30, Unit.MINUTES), "2026-05-04T09:30:00+00:00", "2026-05-04T10:00:00+00:00"),
        (Length(24, Unit.HOURS), "2026-03-07T12:00:00-05:00", "2026-03-08T13:00:00-04:00"),
        (Length(1, Unit.DAYS), "2026-03-07T12:00:00-05:00", "2026-03-08T23:59:59-04:00"),
        (Length(1, Unit.DAYS), "2026-11-01T03:30:00+00:00", "2026-11-01T23:59:59-05:00"),
        (Length(1, Unit.MONTHS), "2026-01-31T12:00:00-05:00", "2026-02-28T23:59:59-05:00"),
        (Length(12, Unit.MONTHS), "2024-02-29T12:00:00-05:00", "2025-02-28T23:59:59-05:00"),
        (Length(1, Unit.MONTHS), "2026-12-15T12:00:00-05:00", "2027-01-15T23:59:59-05:00"),
    ],
)
def test_whole_days_end_with_the_local_day_and_shorter_ones_to_the_instant(
    length: Length, start: str, end: str
) -> None:
    assert length.after(at(start), NEW_YORK) == at(end)


@pytest.mark.parametrize(
    ("length", "end"),
    [
        (Length(24, Unit.HOURS), "2026-05-20T00:00:00-04:00"),
        (Length(90, Unit.MINUTES), "2026-05-20T22:30:00-04:00"),
        (Length(1, Unit.DAYS), "2026-05-20T23:59:59-04:00"),
        (Length(3, Unit.DAYS), "2026-05-18T23:59:59-04:00"),
        (Length(1, Unit.MONTHS), "2026-04-21T23:59:59-04:00"),
    ],
)
def test_a_cut_off_is_so_long_before_the_billing_day_begins(length: Length, end: str) -> None:
    assert length.before(at("2026-05-21T00:00:00-04:00"), NEW_YORK) == at(end)


def test_the_last_second_of_a_window_is_inside_to_its_end() -> None:
    end = at("2026-05-20T23:59:59-04:00")
    assert inside(end + timedelta(microseconds=999_999), end)
    assert not inside(end + timedelta(seconds=1), end)


INSTANTS = st.datetimes(datetime(2026, 1, 1), datetime(2027, 6, 1), timezones=st.just(UTC))


@given(
    delivered=INSTANTS,
    later=st.timedeltas(timedelta(0), timedelta(days=90)),
    placed=INSTANTS,
    length=st.builds(Length, st.integers(1, 400), st.sampled_from(Unit)),
    zone=st.sampled_from(["America/New_York", "Europe/Berlin", "Pacific/Apia", "UTC", "Asia/Kathmandu"]),
)
def test_a_later_event_never_ends_a_window_earlier(
    delivered: datetime, later: timedelta, placed: datetime, length: Length, zone: str
) -> None:
    assert length.after(delivered, ZoneInfo(zone)) <= length.after(delivered + later, ZoneInfo(zone))


@given(
    delivered=INSTANTS,
    later=st.timedeltas(timedelta(0), timedelta(days=90)),
    placed=INSTANTS,
    now=INSTANTS,
    tags=st.sampled_from([[], ["outlet"], None]),
    segments=st.sampled_from([[], ["member"]]),
)
def test_a_later_delivery_never_shortens_a_window(
    delivered: datetime,
    later: timedelta,
    placed: datetime,
    now: datetime,
    tags: list[str] | None,
    segments: list[str],
) -> None:
    rank = {Verdict.DENY: 0, Verdict.REVIEW: 1, Verdict.ALLOW: 2}
    answers = []
    for instant in (delivered, delivered + later):
        goods = Goods(delivered=instant, shipped=delivered, tags=tags)
        bought = order(goods, placed=placed, segments=segments)
        what = asked_return(bought, condition=None)
        answers.append(FASHION.decide(what, NOBODY_YET, STAFF, now))
    earlier, after = answers
    window = [next(r for r in each.reasons if r.rule == "return-window").code.value for each in answers]
    assert rank[earlier.verdict] <= rank[after.verdict], window
    if earlier.allowed_until is not None and after.allowed_until is not None and earlier.verdict is after.verdict:
        assert earlier.allowed_until <= after.allowed_until


def test_a_window_of_a_split_line_counts_from_its_last_delivery(tmp_path: Path) -> None:
    processor = load(
        "policy: p\nstores: [us]\nrules:\n  - {id: w, action: RETURN_ORDER, window: {days: 10, from: DELIVERED}}\n",
        tmp_path,
    )
    split = order(Goods(ordered=2, fulfilled=2, delivered=at("2026-05-01T12:00:00-04:00")))
    assert split.fulfillments is not None
    second = order(Goods(ordered=2, fulfilled=2, delivered=at("2026-05-08T12:00:00-04:00")))
    assert second.fulfillments is not None
    split.fulfillments += second.fulfillments
    decision = processor.decide(asked_return(split), NOBODY_YET, STAFF, at("2026-05-18T12:00:00-04:00"))
    assert decision.verdict is Verdict.ALLOW
    assert decision.allowed_until == at("2026-05-18T23:59:59-04:00")


def test_a_window_whose_event_is_not_known_is_not_decided(tmp_path: Path) -> None:
    processor = load(
        "policy: p\nstores: [us]\nrules:\n"
        "  - {id: w, action: RETURN_ORDER, window: {days: 10, from: DELIVERED}, on_unknown: DENY}\n",
        tmp_path,
    )
    decision = processor.decide(asked_return(order(Goods())), NOBODY_YET, STAFF, at("2026-05-18T12:00:00-04:00"))
    assert (decision.verdict, decision.reasons[0].code.value) == (Verdict.DENY, "FACT_MISSING")
    assert [(fact.name, fact.known) for fact in decision.reasons[0].facts] == [("line.delivered_at", False)]
