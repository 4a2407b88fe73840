"""The Recharge adapter over a real socket, against its simulator."""

from __future__ import annotations

import asyncio
import copy
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
import pytest_asyncio
from pydantic import ValidationError

from platforms.base import (
    CancelOrder,
    CancelSubscription,
    Done,
    Operation,
    PauseSubscription,
    Person,
    ResumeSubscription,
    Services,
    SubscriptionsQuery,
)
from platforms.errors import (
    BadCredentials,
    MissingScope,
    OutcomeUnknown,
    PlatformError,
    Refused,
    Throttled,
    Unreadable,
    Unsupported,
)
from platforms.recharge.adapter import MAX_PAGES, Recharge, RechargeConfig, RechargeCredentials
from platforms.recharge.seed import seed
from platforms.recharge.simulator import TOKEN, Received, Simulator
from platforms.secrets import SecretText
from platforms.transport import Limits, store_deadline
from sandbox.faults import Fault, Faulty
from sandbox.serving import serve
from schema.emails import Email, canonical_email
from schema.order import ProductRef
from schema.parts import PartNotLoaded, SubscriptionParts
from schema.subscription import OrderRef, ProfileRef, Subscription
from schema.vocabulary import ActionKind, HealthStatus, SubscriptionStatus, SupportLevel
from tests.platforms.recharge_contract import faults

pytestmark = pytest.mark.asyncio(loop_scope="module")

NOW = datetime(2026, 11, 23, 15, tzinfo=UTC)
TODAY = NOW.date()
ADA, CLEO, DAN = (canonical_email(f"{name}@example.com") for name in ("ada", "cleo", "dan"))
FAST = Limits(backoff=0.01, retries=1)


class World:
    """A fresh account behind the module's address. Its clock stands still until it is moved."""

    def __init__(self, url: str) -> None:
        self.now = NOW
        self.simulator = Simulator(seed(NOW), lambda: self.now)
        self.faulty = Faulty(self.simulator, "subs")
        self.url = url
        self.opened: list[Recharge] = []

    def platform(self, *, token: str = TOKEN, limits: Limits = FAST, **changed: Any) -> Recharge:
        settings: dict[str, Any] = {"extends": "us", "currency": "USD"} | changed
        config = RechargeConfig(
            id="subs",
            platform="recharge",
            url=self.url,
            allow_private_address=True,
            credentials=RechargeCredentials(token=SecretText(token)),
            **settings,
        )
        self.opened.append(Recharge(config, Services(clock=lambda: self.now, limits=limits)))
        return self.opened[-1]

    @property
    def asked(self) -> list[tuple[str, dict[str, str]]]:
        return [(f"{call.method} {call.path}", dict(call.query)) for call in self.simulator.calls]

    def row(self, id: int) -> dict[str, Any]:
        return self.simulator.state.subscriptions[id]


class Address:
    """One port for the module's worlds, one after the other."""

    url = ""
    world: World

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await self.world.faulty(scope, receive, send)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def address() -> AsyncIterator[Address]:
    found = Address()
    async with serve(found) as found.url:
        yield found


@pytest_asyncio.fixture(loop_scope="module")
async def world(address: Address) -> AsyncIterator[World]:
    address.world = world = World(address.url)
    yield world
    for platform in world.opened:
        await platform.close()
    assert [fault for received in world.simulator.calls for fault in faults(received)] == []


@pytest.fixture
def store(world: World) -> Recharge:
    return world.platform()


async def read(store: Recharge, id: str, parts: SubscriptionParts = SubscriptionParts.NONE) -> Subscription:
    return (await store.subscriptions([id], parts))[id]


async def person(store: Recharge, email: Email) -> Person:
    return Person.known(email, (await store.profiles([email]))[email])


# ------------------------------------------------------------------------------------------------ profiles


async def test_profiles_take_one_call_an_address(world: World, store: Recharge) -> None:
    nobody = canonical_email("nobody@example.com")
    found = await store.profiles([ADA, CLEO, nobody, ADA])
    assert {email: [p.source.native_id for p in profiles] for email, profiles in found.items()} == {
        ADA: ["6001"],
        CLEO: ["6002"],
        nobody: [],
    }
    assert sorted(query["email"] for _, query in world.asked) == [ADA, CLEO, nobody]
    assert len(world.asked) == 3


async def test_an_address_inside_another_meets_nobody(world: World, store: Recharge) -> None:
    for id, email in ((6010, "joann@example.com"), (6011, "ann@example.com.au"), (6012, "ANN@example.com")):
        world.simulator.state.customers[id] = world.simulator.state.customers[6001] | {"id": id, "email": email}
    ann = canonical_email("ann@example.com")
    assert [p.source.native_id for p in (await store.profiles([ann]))[ann]] == ["6012"]


async def test_profiles_by_id_leave_out_the_missing(world: World, store: Recharge) -> None:
    found = await store.profiles_by_id(["6001", "6003", "6999", "no-number", "6001"])
    assert {id: profile.email for id, profile in found.items()} == {"6001": ADA, "6003": DAN}
    assert world.asked == [("GET /customers", {"ids": "6001,6003,6999", "limit": "250"})]
    assert found["6001"].created_at == NOW - timedelta(days=36)


# ------------------------------------------------------------------------------------------------ subscriptions


async def test_the_seeded_subscriptions_are_as_told(world: World, store: Recharge) -> None:
    found = await store.subscriptions(["9001", "9002", "9003"], SubscriptionParts.ALL)
    ada, cleo, dan = (found[id] for id in ("9001", "9002", "9003"))
    assert (ada.status, ada.next_billing_at, ada.cycles_completed) == (
        SubscriptionStatus.ACTIVE,
        TODAY + timedelta(days=2),
        1,
    )
    assert ada.origin_order_ref == OrderRef("us", "450789003")
    assert ada.customer_ref == ProfileRef("subs", "6001")
    assert ada.lines[0].product_ref == ProductRef("us", "8005", "8501")
    assert (ada.lines[0].price.amount, ada.lines[0].price.currency_code) == (Decimal("18.00"), "USD")
    assert (cleo.status, cleo.next_billing_at) == (SubscriptionStatus.ACTIVE, TODAY + timedelta(days=24))
    assert (cleo.cycles_completed, cleo.origin_order_ref) == (1, OrderRef("us", "450789006"))
    assert (dan.status, dan.payment_failed, dan.next_billing_at) == (SubscriptionStatus.PAYMENT_FAILED, True, None)
    assert (dan.cycles_completed, dan.origin_order_ref) == (1, OrderRef("us", "450700000"))
    # one for the subscriptions, one a customer for their billed orders
    assert world.asked[0] == ("GET /subscriptions", {"ids": "9001,9002,9003", "limit": "250"})
    assert sorted(query["customer_id"] for path, query in world.asked[1:] if path == "GET /orders") == [
        "6001",
        "6002",
        "6003",
    ]
    assert len(world.asked) == 4


async def test_a_subscription_alone_costs_one_call_and_has_no_cycles(world: World, store: Recharge) -> None:
    found = await store.subscriptions(["9001", "9999", "x", ""], SubscriptionParts.NONE)
    assert list(found) == ["9001"]
    assert world.asked == [("GET /subscriptions", {"ids": "9001,9999", "limit": "250"})]
    with pytest.raises(PartNotLoaded):
        _ = found["9001"].cycles_completed
    with pytest.raises(PartNotLoaded):
        _ = found["9001"].origin_order_ref


async def test_ids_that_are_no_numbers_cost_no_call(world: World, store: Recharge) -> None:
    assert await store.subscriptions(["abc", "-1", "0"], SubscriptionParts.ALL) == {}
    assert world.asked == []


async def test_more_ids_than_a_call_holds_take_two(world: World, store: Recharge) -> None:
    found = await store.subscriptions([str(n) for n in range(8800, 9051)], SubscriptionParts.NONE)
    assert sorted(found) == ["9001", "9002", "9003"]
    assert sorted(query["ids"].count(",") + 1 for _, query in world.asked) == [1, 250]


async def test_onetime_items_are_no_subscriptions(world: World, store: Recharge) -> None:
    world.simulator.state.subscriptions[9050] = world.row(9001) | {
        "id": 9050,
        "status": "onetime",
        "order_interval_unit": None,
        "order_interval_frequency": None,
        "charge_interval_frequency": None,
        "next_charge_scheduled_at": None,
    }
    assert list(await store.subscriptions(["9001", "9050"], SubscriptionParts.NONE)) == ["9001"]
    page = await store.subscriptions_of(await person(store, ADA), SubscriptionsQuery(10), SubscriptionParts.NONE)
    assert [row.node.source.native_id for row in page.rows] == ["9001"]


async def test_orders_that_cannot_be_read_leave_the_cycles_unknown(world: World, store: Recharge) -> None:
    world.simulator.state.scopes = ("read_customers", "read_subscriptions")
    found = await read(store, "9001", SubscriptionParts.ALL)
    assert (found.cycles_completed, found.origin_order_ref) == (None, None)


async def test_a_row_that_cannot_be_read_names_the_store_and_the_field(world: World, store: Recharge) -> None:
    world.row(9001)["order_interval_unit"] = "fortnight"
    with pytest.raises(Unreadable, match="order_interval_unit") as raised:
        await read(store, "9001")
    assert raised.value.store == "subs"


async def test_the_older_version_is_noticed(world: World, store: Recharge) -> None:
    class Older(Simulator):
        """Answers as a token does whose version header never arrives."""

        def _answer(self, received: Received) -> Any:
            headers = {name: value for name, value in received.headers.items() if name != "x-recharge-version"}
            return super()._answer(replace(received, headers=headers))

    world.faulty.app = Older(world.simulator.state)
    with pytest.raises(Unreadable, match="created_at"):
        await read(store, "9001")


# ------------------------------------------------------------------------------------------------ of a person


def more_subscriptions(world: World, count: int, customer: int = 6001) -> None:
    """Each an hour older than the one before; two at a time at the same instant."""
    for n in range(count):
        created = (NOW - timedelta(days=40, hours=n // 2)).isoformat(timespec="seconds")
        world.simulator.state.subscriptions[9100 + n] = copy.deepcopy(world.row(9001)) | {
            "id": 9100 + n,
            "created_at": created,
            "customer_id": customer,
        }


async def test_a_persons_subscriptions_take_one_call_and_one_for_the_cycles(world: World, store: Recharge) -> None:
    ada = await person(store, ADA)
    world.simulator.calls.clear()
    page = await store.subscriptions_of(ada, SubscriptionsQuery(10), SubscriptionParts.ALL)
    [row] = page.rows
    assert (row.node.source.native_id, row.node.cycles_completed, row.node.owner) == ("9001", 1, ADA)
    assert page.more is False
    assert sorted(world.asked) == [
        ("GET /orders", {"customer_id": "6001", "status": "success", "limit": "250"}),
        ("GET /subscriptions", {"customer_id": "6001", "limit": "250"}),
    ]


async def test_a_person_without_a_record_costs_no_call(world: World, store: Recharge) -> None:
    page = await store.subscriptions_of(Person.known(ADA), SubscriptionsQuery(10), SubscriptionParts.ALL)
    assert (list(page.rows), page.more, world.asked) == ([], False, [])


@pytest.mark.parametrize("size", [1, 2, 3, 7])
async def test_pages_give_each_once_newest_first_also_under_inserts(world: World, store: Recharge, size: int) -> None:
    more_subscriptions(world, 5)
    ada = await person(store, ADA)
    seen: list[str] = []
    after = None
    while True:
        page = await store.subscriptions_of(ada, SubscriptionsQuery(size, after), SubscriptionParts.NONE)
        seen += [row.node.source.native_id for row in page.rows]
        newest = 9200 + len(seen)
        world.simulator.state.subscriptions[newest] = world.row(9001) | {"id": newest, "created_at": NOW.isoformat()}
        if not page.more:
            break
        after = page.rows[-1].position
    assert seen == ["9001", "9101", "9100", "9103", "9102", "9104"]


async def test_a_long_list_is_followed_by_cursor_alone(world: World, store: Recharge) -> None:
    more_subscriptions(world, 300)
    page = await store.subscriptions_of(await person(store, ADA), SubscriptionsQuery(301), SubscriptionParts.NONE)
    assert len({row.node.source.native_id for row in page.rows}) == 301
    lists = [query for path, query in world.asked if path == "GET /subscriptions"]
    assert [sorted(query) for query in lists] == [["customer_id", "limit"], ["cursor", "limit"]]


async def test_a_list_too_long_to_read_is_an_error_not_a_short_answer(world: World, store: Recharge) -> None:
    more_subscriptions(world, MAX_PAGES * 250)
    with pytest.raises(Unreadable, match="more than 2000 rows"):
        await store.subscriptions_of(
            Person.known(ADA, (await store.profiles([ADA]))[ADA]), SubscriptionsQuery(1), SubscriptionParts.NONE
        )
    assert len([path for path, _ in world.asked if path == "GET /subscriptions"]) == MAX_PAGES


async def test_two_records_of_one_person_are_one_list(world: World, store: Recharge) -> None:
    world.simulator.state.customers[6009] = world.simulator.state.customers[6001] | {"id": 6009}
    more_subscriptions(world, 2, customer=6009)
    page = await store.subscriptions_of(await person(store, ADA), SubscriptionsQuery(2), SubscriptionParts.NONE)
    assert [row.node.source.native_id for row in page.rows] == ["9001", "9101"]
    assert page.more is True


async def test_a_place_of_another_list_is_refused(store: Recharge) -> None:
    for place in ("nonsense", "2026-01-01T00:00:00/1", "2026-01-01T00:00:00+00:00/x"):
        with pytest.raises(Refused):
            await store.subscriptions_of(Person.known(ADA), SubscriptionsQuery(1, place), SubscriptionParts.NONE)


# ------------------------------------------------------------------------------------------------ of orders


async def test_subscriptions_of_the_shops_orders(world: World, store: Recharge) -> None:
    found = await store.subscriptions_of_orders(["450789003", "450789006", "450789001"], SubscriptionParts.NONE)
    assert {id: [s.source.native_id for s in subscriptions] for id, subscriptions in found.items()} == {
        "450789003": ["9001"],
        "450789006": ["9002"],
        "450789001": [],
    }
    assert sorted(query["external_order_id"] for path, query in world.asked if path == "GET /orders") == [
        "450789001",
        "450789003",
        "450789006",
    ]
    assert world.asked[-1] == ("GET /subscriptions", {"ids": "9001,9002", "limit": "250"})
    assert len(world.asked) == 4


async def test_an_order_without_a_subscription_asks_for_none(world: World, store: Recharge) -> None:
    assert await store.subscriptions_of_orders(["450789001"], SubscriptionParts.ALL) == {"450789001": []}
    assert [path for path, _ in world.asked] == ["GET /orders"]


async def test_without_a_shop_order_ids_are_recharges_own(world: World) -> None:
    store = world.platform(extends=None)
    found = await store.subscriptions_of_orders(["660001", "450789003"], SubscriptionParts.ALL)
    assert [s.source.native_id for s in found["660001"]] == ["9001"]
    assert found["450789003"] == []
    assert found["660001"][0].origin_order_ref is None
    assert world.asked[0] == ("GET /orders", {"ids": "660001,450789003", "limit": "250"})


# ------------------------------------------------------------------------------------------------ pause


def pause(subscription: Subscription, until: date | None) -> PauseSubscription:
    return PauseSubscription("act-1", subscription, until)


async def test_a_pause_moves_the_next_charge(world: World, store: Recharge) -> None:
    until = TODAY + timedelta(days=60)
    request = pause(await read(store, "9001"), until)
    assert await store.happened(request, NOW) is None
    assert await store.pause_subscription(request) == Done()
    [write] = world.simulator.writes
    assert (write.path, dict(write.query), write.body) == (
        "/subscriptions/9001/set_next_charge_date",
        {"commit": "true", "pause": "true"},
        {"date": until.isoformat()},
    )
    now = await read(store, "9001")
    assert (now.status, now.next_billing_at, now.paused_until) == (SubscriptionStatus.PAUSED, until, until)
    assert now.native_status == "active"
    assert await store.happened(request, NOW) == Done()
    assert ("subscription/paused", 9001) in world.simulator.events
    assert len(world.simulator.writes) == 1


async def test_a_pause_within_the_rhythm_is_known_by_its_day(world: World, store: Recharge) -> None:
    until = TODAY + timedelta(days=20)
    request = pause(await read(store, "9001"), until)
    await store.pause_subscription(request)
    now = await read(store, "9001")
    assert (now.status, now.next_billing_at) == (SubscriptionStatus.ACTIVE, until)
    assert await store.happened(request, NOW) == Done()


async def test_subscriptions_of_one_address_and_day_share_a_charge(world: World, store: Recharge) -> None:
    more_subscriptions(world, 1)
    until = TODAY + timedelta(days=50)
    for id in ("9001", "9100"):
        await store.pause_subscription(pause(await read(store, id), until))
    queued = [charge for charge in world.simulator.state.charges.values() if charge["status"] == "queued"]
    assert [sorted(item["purchase_item_id"] for item in charge["line_items"]) for charge in queued] == [[9001, 9100]]


async def test_without_commit_the_old_day_is_still_read_and_nobody_takes_it_for_done(
    world: World, store: Recharge
) -> None:
    until = TODAY + timedelta(days=60)
    request = pause(await read(store, "9001"), until)

    class Forgetful(Simulator):
        """Takes no notice of `commit`."""

        def _set_next_charge_date(self, row: Any, received: Received) -> Any:
            return super()._set_next_charge_date(row, replace(received, query=()))

    world.faulty.app = Forgetful(world.simulator.state, lambda: world.now)
    with pytest.raises(OutcomeUnknown):
        await store.pause_subscription(request)
    assert await store.happened(request, NOW) is None
    world.now += timedelta(seconds=6)
    assert await store.happened(request, NOW) == Done()


@pytest.mark.parametrize(("days", "says"), [(0, "not in the future"), (-3, "not in the future"), (1, "bill sooner")])
async def test_a_pause_that_would_harm_is_not_sent(world: World, store: Recharge, days: int, says: str) -> None:
    subscription = await read(store, "9001")
    with pytest.raises(Refused, match=says) as raised:
        await store.pause_subscription(pause(subscription, TODAY + timedelta(days=days)))
    assert raised.value.not_executed
    assert world.simulator.writes == []


async def test_a_pause_without_an_end_is_unsupported(world: World, store: Recharge) -> None:
    with pytest.raises(Unsupported, match="first day") as raised:
        await store.pause_subscription(pause(await read(store, "9001"), None))
    assert raised.value.action is ActionKind.PAUSE_SUBSCRIPTION
    assert world.simulator.writes == []


async def test_an_ended_subscription_is_not_paused(world: World, store: Recharge) -> None:
    world.row(9001).update(status="cancelled", next_charge_scheduled_at=None)
    with pytest.raises(Refused, match="ended"):
        await store.pause_subscription(pause(await read(store, "9001"), TODAY + timedelta(days=60)))
    assert world.simulator.writes == []


async def test_today_is_a_day_where_the_store_is(world: World) -> None:
    world.now = datetime(2026, 11, 24, 2, tzinfo=UTC)  # still the 23rd in New York
    store = world.platform(time_zone="America/New_York")
    world.row(9001)["next_charge_scheduled_at"] = "2026-11-24"
    subscription = await read(store, "9001")
    with pytest.raises(Refused, match="2026-11-23 is not in the future"):
        await store.pause_subscription(pause(subscription, date(2026, 11, 23)))


# ------------------------------------------------------------------------------------------------ resume


async def paused(world: World, store: Recharge, days: int = 60) -> Subscription:
    await store.pause_subscription(pause(await read(store, "9001"), TODAY + timedelta(days=days)))
    world.simulator.writes.clear()
    return await read(store, "9001")


@pytest.mark.parametrize(
    ("bill_on", "day"),
    [
        (None, TODAY + timedelta(days=1)),
        (TODAY + timedelta(days=2), TODAY + timedelta(days=2)),
        (TODAY, TODAY + timedelta(days=1)),
    ],
)
async def test_a_resume_moves_the_charge_back(world: World, store: Recharge, bill_on: date | None, day: date) -> None:
    request = ResumeSubscription("act-2", await paused(world, store), bill_on)
    assert await store.happened(request, NOW) is None
    assert await store.resume_subscription(request) == Done()
    [write] = world.simulator.writes
    assert (dict(write.query), write.body) == ({"commit": "true"}, {"date": day.isoformat()})
    now = await read(store, "9001")
    assert (now.status, now.next_billing_at) == (SubscriptionStatus.ACTIVE, day)
    assert await store.happened(request, NOW) == Done()


async def test_a_resume_that_was_done_and_billed_is_not_done_again(world: World, store: Recharge) -> None:
    request = ResumeSubscription("act-2", await paused(world, store))
    await store.resume_subscription(request)
    world.now += timedelta(days=3)
    world.row(9001)["next_charge_scheduled_at"] = (TODAY + timedelta(days=31)).isoformat()
    assert await store.happened(request, NOW) == Done()


async def test_one_that_already_bills_by_then_is_left_alone(world: World, store: Recharge) -> None:
    request = ResumeSubscription("act-2", await read(store, "9001"), TODAY + timedelta(days=5))
    assert await store.resume_subscription(request) == Done()
    assert await store.happened(request, NOW) == Done()
    assert world.simulator.writes == []


async def test_one_that_is_not_paused_is_not_made_to_bill_sooner(world: World, store: Recharge) -> None:
    with pytest.raises(Refused, match="not paused"):
        await store.resume_subscription(ResumeSubscription("act-2", await read(store, "9002")))
    assert world.simulator.writes == []


async def test_a_cancelled_one_is_activated(world: World, store: Recharge) -> None:
    await store.cancel_subscription(CancelSubscription("act-3", await read(store, "9001"), "Too much coffee"))
    cancelled = await read(store, "9001")
    request = ResumeSubscription("act-4", cancelled)
    assert await store.happened(request, NOW) is None
    assert await store.resume_subscription(request) == Done()
    assert [write.path for write in world.simulator.writes] == [
        "/subscriptions/9001/cancel",
        "/subscriptions/9001/activate",
    ]
    now = await read(store, "9001")
    assert (now.status, now.cancel_reason) == (SubscriptionStatus.ACTIVE, None)
    assert await store.happened(request, NOW) == Done()


# ------------------------------------------------------------------------------------------------ cancel


async def test_a_cancel_carries_its_reason_and_our_mark(world: World, store: Recharge) -> None:
    request = CancelSubscription("act-3", await read(store, "9001"), "Too much coffee")
    assert await store.happened(request, NOW) is None
    assert await store.cancel_subscription(request) == Done()
    [write] = world.simulator.writes
    assert (write.path, write.query) == ("/subscriptions/9001/cancel", ())
    assert write.body == {"cancellation_reason": "Too much coffee", "cancellation_reason_comments": "Aftersale act-3"}
    now = await read(store, "9001")
    assert (now.status, now.cancel_reason, now.next_billing_at) == (
        SubscriptionStatus.CANCELLED,
        "Too much coffee",
        None,
    )
    assert await store.happened(request, NOW) == Done()


async def test_somebody_elses_old_cancel_is_not_ours(world: World, store: Recharge) -> None:
    request = CancelSubscription("act-3", await read(store, "9001"), "Too much coffee")
    world.row(9001).update(status="cancelled", cancelled_at="2026-11-01T00:00:00+00:00", next_charge_scheduled_at=None)
    assert await store.happened(request, NOW) is None
    world.row(9001).update(cancellation_reason_comments="Aftersale act-3")
    assert await store.happened(request, NOW) == Done()
    world.row(9001).update(cancellation_reason_comments=None, cancelled_at=(NOW - timedelta(minutes=1)).isoformat())
    assert await store.happened(request, NOW) == Done()


async def test_a_cancel_without_a_reason_comes_back_with_the_field(world: World, store: Recharge) -> None:
    with pytest.raises(Refused) as raised:
        await store.cancel_subscription(CancelSubscription("act-3", await read(store, "9001"), " "))
    [native] = raised.value.native
    assert (native.field, native.http_status) == (("cancellation_reason",), 422)
    assert world.row(9001)["status"] == "active"


async def test_a_subscription_that_is_gone_is_refused(world: World, store: Recharge) -> None:
    subscription = await read(store, "9001")
    del world.simulator.state.subscriptions[9001]
    request = CancelSubscription("act-3", subscription, "Moved")
    with pytest.raises(Refused, match="404"):
        await store.cancel_subscription(request)
    assert await store.happened(request, NOW) is None


# ------------------------------------------------------------------------------------------------ what goes wrong


async def test_a_lost_answer_is_unknown_and_found_by_reading(world: World, store: Recharge) -> None:
    request = CancelSubscription("act-3", await read(store, "9001"), "Moved")
    world.faulty.faults = [Fault("subs", "drop-after")]
    with pytest.raises(OutcomeUnknown):
        await store.cancel_subscription(request)
    world.faulty.faults = []
    assert len(world.simulator.writes) == 1
    assert await store.happened(request, NOW) == Done()


async def test_a_cut_answer_is_no_answer(world: World, store: Recharge) -> None:
    world.faulty.faults = [Fault("subs", "truncate")]
    with pytest.raises(Unreadable):
        await read(store, "9001")


async def test_a_wrong_token_says_so(world: World) -> None:
    store = world.platform(token="wrong")
    with pytest.raises(BadCredentials):
        await read(store, "9001")
    with pytest.raises(BadCredentials):
        await store.probe()
    assert "wrong" not in repr(store.config)


async def test_a_missing_scope_says_which(world: World, store: Recharge) -> None:
    subscription = await read(store, "9001")
    world.simulator.state.scopes = ("read_subscriptions",)
    with pytest.raises(MissingScope) as raised:
        await store.cancel_subscription(CancelSubscription("act-3", subscription, "Moved"))
    assert raised.value.scopes == ("write_subscriptions",)
    with pytest.raises(MissingScope) as raised:
        await store.profiles([ADA])
    assert raised.value.scopes == ("read_customers",)


async def test_a_full_bucket_is_a_throttle_with_its_wait(world: World) -> None:
    world.faulty.app = Simulator(world.simulator.state, lambda: world.now, monotonic=lambda: 0.0, bucket=1)
    store = world.platform(limits=Limits(retries=0))
    await read(store, "9001")
    with pytest.raises(Throttled) as raised:
        await read(store, "9001")
    assert raised.value.retry_after == 2.0


async def test_our_own_bucket_holds_us_back_before_the_store_must(world: World, store: Recharge) -> None:
    with store_deadline(1.0):
        results = await asyncio.gather(
            *(store.profiles([canonical_email(f"p{n}@example.com")]) for n in range(60)), return_exceptions=True
        )
    assert {type(result) for result in results} == {dict, Throttled}
    assert 40 <= len(world.simulator.calls) <= 43
    assert (budget := store.health().rate_budget) is not None
    assert (budget.maximum, budget.restore_per_second) == (40.0, 2.0)


# ------------------------------------------------------------------------------------------------ the store itself


async def test_the_probe_finds_missing_scopes(world: World) -> None:
    store = world.platform(currency=None)
    world.simulator.state.scopes = ("read_subscriptions", "write_orders")
    found = await store.probe()
    assert found.missing_scopes == {
        ActionKind.REFUND_ORDER: ("write_payment_methods",),
        ActionKind.PAUSE_SUBSCRIPTION: ("write_subscriptions",),
        ActionKind.RESUME_SUBSCRIPTION: ("write_subscriptions",),
        ActionKind.CANCEL_SUBSCRIPTION: ("write_subscriptions",),
    }
    assert len(found.warnings) == 2
    assert "currency" in found.warnings[0]
    assert "read_customers" in found.warnings[1]
    assert store.capability(ActionKind.CANCEL_SUBSCRIPTION).support is SupportLevel.MISSING_SCOPE


async def test_the_probe_bears_that_nothing_is_told(world: World, store: Recharge) -> None:
    class Silent(Simulator):
        def _route(self, received: Received) -> Any:
            asked = received.path.endswith("/token_information") or self.mute
            return super()._route(replace(received, path="/nothing") if asked else received)

        mute = False

    world.faulty.app = silent = Silent(world.simulator.state)
    found = await store.probe()
    assert (found.missing_scopes, len(found.warnings)) == ({}, 1)
    silent.mute = True  # then it is no account of the platform's at all
    with pytest.raises(Refused):
        await store.probe()


async def test_what_it_can_do_is_what_it_overrides() -> None:
    assert Recharge.operations == {
        Operation.ORDERS,
        Operation.REFUND_ORDER,
        Operation.PROFILES,
        Operation.PROFILES_BY_ID,
        Operation.SUBSCRIPTIONS,
        Operation.SUBSCRIPTIONS_OF,
        Operation.SUBSCRIPTIONS_OF_ORDERS,
        Operation.PAUSE_SUBSCRIPTION,
        Operation.RESUME_SUBSCRIPTION,
        Operation.CANCEL_SUBSCRIPTION,
    }


async def test_levels_of_support(world: World, store: Recharge) -> None:
    levels = {capability.action: capability.support for capability in store.capabilities_now()}
    assert levels == {
        ActionKind.CANCEL_ORDER: SupportLevel.UNSUPPORTED,
        ActionKind.RETURN_ORDER: SupportLevel.UNSUPPORTED,
        ActionKind.REFUND_ORDER: SupportLevel.EMULATED,
        ActionKind.PAUSE_SUBSCRIPTION: SupportLevel.EMULATED,
        ActionKind.RESUME_SUBSCRIPTION: SupportLevel.EMULATED,
        ActionKind.CANCEL_SUBSCRIPTION: SupportLevel.NATIVE,
    }
    assert store.health().status is HealthStatus.OK


async def test_cancelling_orders_is_none_of_its_business(world: World, store: Recharge) -> None:
    request = CancelOrder("act-9", None, None, None, False, False)  # type: ignore[arg-type]
    with pytest.raises(Unsupported):
        await store.happened(request, NOW)
    assert world.simulator.calls == []


def config(**changed: Any) -> RechargeConfig:
    settings: dict[str, Any] = {"credentials": RechargeCredentials(token=SecretText("t"))} | changed
    return RechargeConfig(id="subs", platform="recharge", **settings)


async def test_the_address_is_the_vendors_unless_told() -> None:
    assert config().url == "https://api.rechargeapps.com"
    assert config(url="http://127.0.0.1:9", allow_private_address=True).url == "http://127.0.0.1:9"


@pytest.mark.parametrize(
    "url", ["http://api.rechargeapps.com", "https://127.0.0.1", "ftp://x.example", "https://a:b@x.example"]
)
async def test_an_address_it_would_not_talk_to_is_refused(url: str) -> None:
    with pytest.raises(ValidationError, match="address"):
        config(url=url)


async def test_a_plain_text_token_is_not_taken() -> None:
    with pytest.raises(ValidationError):
        config(credentials={"token": "plain"})
    assert "secret" not in repr(config(credentials={"token": SecretText("secret-token")})).replace("SecretText", "")


async def test_only_platform_errors_leave_it(world: World, store: Recharge) -> None:
    for word in ("429", "500", "drop", "garbage", "truncate"):
        world.faulty.faults = [Fault("subs", word)]
        fresh = world.platform(limits=Limits(retries=0))
        with pytest.raises(PlatformError):
            await fresh.profiles([ADA])
