"""Recharge's recorded answers in our words."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest

from platforms.errors import BadCredentials, MissingScope, Refused, Throttled, Unavailable, Unreadable
from platforms.jsonbody import decode
from platforms.recharge import mapping, wire
from platforms.transport import Reply
from schema.order import ProductRef
from schema.provenance import Source
from schema.subscription import OrderRef, ProfileRef, Subscription
from schema.values import Interval
from schema.vocabulary import IntervalUnit, SubscriptionStatus

FIXTURES = Path(__file__).parent / "recharge"
NOW = datetime(2023, 6, 1, 12, tzinfo=UTC)
HOME = mapping.Home("subs", "us", "EUR", date(2023, 6, 1))


def recorded(name: str, type_: Any) -> Any:
    body = (FIXTURES / name).read_bytes()
    return decode(type_, Reply(200, {"content-type": "application/json"}, body), name)


def mapped(row: wire.SubscriptionRow, home: mapping.Home = HOME) -> Subscription:
    return mapping.subscription(row, Source(store=None, native_id=str(row.id), fetched_at=NOW), home)  # type: ignore[arg-type]


def row(**changed: Any) -> wire.SubscriptionRow:
    """A subscription that bills every 30 days, next on 2023-06-11."""
    body = {
        "id": 1,
        "customer_id": 2,
        "status": "active",
        "created_at": "2023-01-01T00:00:00+00:00",
        "price": "18.00",
        "quantity": 1,
        "product_title": "Coffee",
        "order_interval_unit": "day",
        "order_interval_frequency": "30",
        "charge_interval_frequency": "30",
        "next_charge_scheduled_at": "2023-06-11",
    }
    return msgspec.convert(body | changed, wire.SubscriptionRow)


def test_a_recorded_subscription_is_read_field_by_field() -> None:
    found = mapped(recorded("subscription.json", wire.OneSubscription).subscription)
    assert found.id == "SubscriptionContract:subs:153601366"
    assert (found.status, found.native_status) == (SubscriptionStatus.ACTIVE, "active")
    assert found.billing_interval == Interval(unit=IntervalUnit.DAY, count=365)
    assert found.delivery_interval == Interval(unit=IntervalUnit.DAY, count=365)
    assert found.next_billing_at == date(2024, 5, 12)
    assert found.paused_until is None
    assert found.created_at == datetime(2021, 5, 13, 9, 46, 47, tzinfo=UTC)
    assert found.customer_ref == ProfileRef("subs", "64962974")
    assert found.owner is None
    assert (found.payment_failed, found.is_prepaid, found.max_cycles, found.cancel_reason) == (False, False, None, None)
    [line] = found.lines
    assert line.title == "Corner Short sleeve t-shirt - L / City Green"
    assert (line.quantity, line.sku) == (1, None)
    assert (line.price.amount, line.price.currency_code) == (Decimal("24.30"), "USD")
    assert line.product_ref == ProductRef("us", "6642695864491", "39684723835051")


def test_a_recorded_list_keeps_the_cancelled_one_with_its_reason() -> None:
    page = recorded("subscriptions_list.json", wire.SubscriptionPage)
    active, cancelled = (mapped(row) for row in page.rows)
    assert active.status is SubscriptionStatus.ACTIVE
    assert (cancelled.status, cancelled.cancel_reason) == (SubscriptionStatus.CANCELLED, "Too expensive")
    assert cancelled.next_billing_at is None
    assert page.next_cursor is None


def test_a_recorded_customer_is_a_profile() -> None:
    [found] = recorded("customers_list_by_email.json", wire.CustomerPage).rows
    profile = mapping.profile(found, Source(store=None, native_id="64962974", fetched_at=NOW), HOME)  # type: ignore[arg-type]
    assert profile.id == "CustomerProfile:subs:64962974"
    assert (profile.display_name, profile.first_name, profile.last_name) == ("Jane Doe", "Jane", "Doe")
    assert (profile.email, profile.owner, profile.phone) == (
        "jane.doe@example.com",
        "jane.doe@example.com",
        "+15555550100",
    )
    assert profile.created_at == datetime(2021, 5, 13, 9, 46, 44, tzinfo=UTC)
    assert profile.order_count is None


def test_a_recorded_order_is_one_completed_cycle_and_leads_to_the_shops_order() -> None:
    order = msgspec.json.decode((FIXTURES / "order.json").read_bytes())["order"]
    billed = msgspec.convert(order, wire.OrderRow)
    found = mapping.cycles([billed], "153601366")
    assert found == mapping.Cycles(1, "5006149877931")
    assert mapping.origin(found, HOME) == OrderRef("us", "5006149877931")
    assert mapping.cycles([billed], "153601367") == mapping.Cycles(0, None)


def order(id: int, day: int, charge: int | None, status: str = "success", shop: str | None = "77") -> wire.OrderRow:
    return msgspec.convert(
        {
            "id": id,
            "created_at": f"2023-01-{day:02}T00:00:00+00:00",
            "status": status,
            "charge": {"id": charge},
            "external_order_id": {"ecommerce": shop},
            "line_items": [{"purchase_item_id": 1, "purchase_item_type": "subscription"}],
        },
        wire.OrderRow,
    )


def test_only_successful_orders_are_cycles_and_the_oldest_is_the_origin() -> None:
    orders = [order(3, 20, 30, shop="79"), order(2, 10, 20, shop="78"), order(1, 1, 10, status="error", shop=None)]
    assert mapping.cycles(orders, "1") == mapping.Cycles(2, "78")


def test_a_prepaid_charge_counts_once_whatever_it_ships() -> None:
    orders = [order(1, 1, 10), order(2, 2, 10), order(3, 3, 11), order(4, 4, None), order(5, 5, None)]
    assert mapping.cycles(orders, "1").completed == 4


def test_a_onetime_item_of_an_order_is_no_subscription() -> None:
    items = [{"purchase_item_id": 5, "purchase_item_type": "onetime"}, {"purchase_item_type": "subscription"}]
    found = msgspec.convert({"id": 1, "created_at": "2023-01-01T00:00:00Z", "line_items": items}, wire.OrderRow)
    assert mapping.subscriptions_in(found) == frozenset()


def test_without_a_shop_nothing_links_into_one() -> None:
    alone = mapping.Home("subs", None, "EUR", HOME.today)
    found = mapped(row(external_product_id={"ecommerce": "8005"}), alone)
    assert found.lines[0].product_ref is None
    assert mapping.origin(mapping.Cycles(1, "77"), alone) is None


@pytest.mark.parametrize("missing", [None, {}, {"ecommerce": None}, {"ecommerce": ""}])
def test_a_missing_shop_id_is_no_link(missing: object) -> None:
    assert mapped(row(external_product_id=missing)).lines[0].product_ref is None


def test_a_price_without_a_currency_is_in_the_stores() -> None:
    price = mapped(row(presentment_currency=None)).lines[0].price
    assert (price.amount, price.currency_code) == (Decimal("18.00"), "EUR")


@pytest.mark.parametrize(
    ("word", "status"),
    [
        ("active", SubscriptionStatus.ACTIVE),
        ("cancelled", SubscriptionStatus.CANCELLED),
        ("expired", SubscriptionStatus.EXPIRED),
        ("frozen", SubscriptionStatus.UNKNOWN),
    ],
)
def test_a_status_has_its_word(word: str, status: SubscriptionStatus) -> None:
    found = mapped(row(status=word))
    assert (found.status, found.native_status) == (status, word)


@pytest.mark.parametrize(
    ("flag", "failed"), [(1, True), (True, True), ("1", True), (0, False), (False, False), (None, False)]
)
def test_a_flag_may_come_as_a_number(flag: object, failed: bool) -> None:
    found = mapped(row(max_retries_reached=flag))
    assert found.payment_failed is failed
    assert found.status is (SubscriptionStatus.PAYMENT_FAILED if failed else SubscriptionStatus.ACTIVE)


def test_a_flag_that_is_neither_is_unreadable() -> None:
    with pytest.raises(Unreadable, match="max_retries_reached"):
        mapped(row(max_retries_reached=7))


def test_a_day_gone_by_is_no_next_charge_once_retries_are_used_up() -> None:
    assert mapped(row(max_retries_reached=1, next_charge_scheduled_at="2023-05-01")).next_billing_at is None
    assert mapped(row(next_charge_scheduled_at="2023-05-31")).next_billing_at == date(2023, 5, 31)


@pytest.mark.parametrize(
    ("due", "changed", "paused"),
    [
        ("2023-07-01", {}, False),  # 30 days from today
        ("2023-07-02", {}, False),  # the day between two time zones
        ("2023-07-03", {}, True),
        ("2023-07-03", {"order_day_of_week": 0}, False),
        ("2023-07-10", {"order_day_of_week": 0}, True),
        ("2023-08-02", {"order_day_of_month": 1}, False),
        ("2023-08-03", {"order_day_of_month": 1}, True),
        ("2023-07-03", {"max_retries_reached": 1}, False),
        ("2023-07-03", {"status": "cancelled"}, False),
        ("2023-09-02", {"charge_interval_frequency": 3, "order_interval_unit": "month"}, False),
        ("2023-09-03", {"charge_interval_frequency": 3, "order_interval_unit": "month"}, True),
        ("2023-06-16", {"charge_interval_frequency": 2, "order_interval_unit": "week"}, False),
        ("2023-06-17", {"charge_interval_frequency": 2, "order_interval_unit": "week"}, True),
    ],
)
def test_a_charge_beyond_the_rhythm_is_a_pause(due: str, changed: dict[str, object], paused: bool) -> None:
    found = mapped(row(next_charge_scheduled_at=due, **changed))
    assert (found.status is SubscriptionStatus.PAUSED) is paused
    assert found.paused_until == (date.fromisoformat(due) if paused else None)


def test_a_month_from_the_31st_is_the_last_of_a_shorter_one() -> None:
    assert mapping.later(date(2023, 1, 31), Interval(unit=IntervalUnit.MONTH, count=1)) == date(2023, 2, 28)
    assert mapping.later(date(2024, 2, 29), Interval(unit=IntervalUnit.YEAR, count=1)) == date(2025, 2, 28)
    assert mapping.later(date(2023, 12, 5), Interval(unit=IntervalUnit.MONTH, count=1)) == date(2024, 1, 5)


def test_the_number_of_charges_after_which_it_expires_is_the_most_cycles() -> None:
    assert mapped(row(expire_after_specific_number_of_charges="12")).max_cycles == 12


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"charge_interval_frequency": None}, "charge_interval_frequency"),
        ({"order_interval_frequency": "often"}, "order_interval_frequency"),
        ({"order_interval_unit": None}, "order_interval_unit"),
        ({"next_charge_scheduled_at": "soon"}, "next_charge_scheduled_at"),
    ],
)
def test_what_cannot_be_read_is_named(changed: dict[str, object], field: str) -> None:
    with pytest.raises(Unreadable, match=field):
        mapped(row(**changed))


def test_an_instant_without_an_offset_is_the_older_versions_and_unreadable() -> None:
    body = (FIXTURES / "subscription.json").read_bytes().replace(b'47+00:00"', b'47"')
    with pytest.raises(Unreadable, match=r"created_at"):
        decode(wire.OneSubscription, Reply(200, {}, body), "subscription")


# ------------------------------------------------------------------------------------------------ errors


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, Refused),
        (401, BadCredentials),
        (403, MissingScope),
        (404, Refused),
        (408, Unavailable),
        (409, Refused),
        (422, Refused),
        (429, Throttled),
    ],
)
def test_a_status_has_its_error(status: int, error: type[Exception]) -> None:
    with pytest.raises(error) as raised:
        wire.judge(Reply(status, {}, b""), ("write_subscriptions",))
    assert type(raised.value) is error
    assert raised.value.native[0].http_status == status  # type: ignore[attr-defined]


def test_a_missing_scope_is_named() -> None:
    with pytest.raises(MissingScope) as raised:
        wire.judge(Reply(403, {}, b'{"error":"no"}'), ("write_subscriptions",))
    assert raised.value.scopes == ("write_subscriptions",)


@pytest.mark.parametrize(("header", "wait"), [({}, 2.0), ({"retry-after": "1"}, 2.0), ({"retry-after": "7"}, 7.0)])
def test_a_throttle_waits_at_least_two_seconds(header: dict[str, str], wait: float) -> None:
    with pytest.raises(Throttled) as raised:
        wire.judge(Reply(429, header, b""), ())
    assert raised.value.retry_after == wait


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (b'{"errors": "Not Found"}', [("Not Found", None)]),
        (b'{"error": "Too many"}', [("Too many", None)]),
        (b'{"warning": "Careful"}', [("Careful", None)]),
        (b'{"errors": ["One", "Two"]}', [("One", None), ("Two", None)]),
        (b'{"errors": {"date": ["Not a valid date."]}}', [("Not a valid date.", ("date",))]),
        (b'{"errors": {"a": {"b": "Bad\\nline"}}}', [("Bad line", ("a", "b"))]),
        (b"<html>", [("HTTP 422", None)]),
        (b"[1]", [("HTTP 422", None)]),
    ],
)
def test_an_error_body_is_read_in_every_known_shape(body: bytes, told: list[tuple[str, object]]) -> None:
    found = wire.natives(Reply(422, {}, body))
    assert [(native.message, native.field) for native in found] == told


def test_a_long_error_is_cut() -> None:
    [native] = wire.natives(Reply(422, {}, b'{"error": "' + b"x" * 1000 + b'"}'))
    assert len(native.message) == 300


def test_success_and_failures_of_the_server_are_left_to_the_transport() -> None:
    for status in (200, 500, 503):
        reply = Reply(status, {}, b"")
        assert wire.judge(reply, ()) is reply
