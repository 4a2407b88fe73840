"""A person's things across stores, as queries ask for them: complete or saying what is missing, each thing once."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strawberry.federation import Schema

from actions.desk import ActionDesk
from actions.ledger import Ledger
from platforms.errors import Throttled, Unavailable
from policies.processor import PolicyProcessor
from resolvers.api import build_api
from resolvers.context import RequestContext, Services
from resolvers.errors import presented
from resolvers.sealing import Seal
from resolvers.stores import Stores
from schema.access import SCOPES
from schema.actions import Actor, Viewer
from schema.emails import Email
from schema.parts import OrderParts
from schema.vocabulary import ActorKind, AssuranceLevel, OrderStatus, RefundStatus
from tests.resolvers.shelf import ADA, BOB, NOON, Boxed, Shelf, always, boxes

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
API: Schema = build_api()
SEAL = Seal("a secret of the tests")

POLICY = "policy: shelf\nstores: [us]\nrules:\n  - {id: cancel, action: CANCEL_ORDER, then: ALLOW}\n"


def policies(folder: Path, stores: Sequence[Shelf]) -> PolicyProcessor:
    file = folder / "shelf.yaml"
    file.write_text(POLICY)
    return PolicyProcessor.load(file, {store.config.id: store.store for store in stores})


@dataclass
class Town:
    """Some stores, and the services through which requests reach them."""

    stores: list[Shelf]
    folder: Path
    seconds: float = 5.0
    services: Services = field(init=False)

    def __post_init__(self) -> None:
        platforms = {store.config.id: store for store in self.stores}
        rules = policies(self.folder, self.stores)
        desk = ActionDesk(
            Ledger(self.folder / "never-opened.db"), rules, platforms, secret="of the tests", gateway_id="tests"
        )
        self.services = Services(Stores(platforms), desk, rules, SEAL, self.seconds)

    async def ask(
        self,
        query: str,
        variables: dict[str, Any] | None = None,
        *,
        as_: AssuranceLevel = AssuranceLevel.STAFF,
        bound: Email | None = None,
    ) -> tuple[Any, list[dict[str, Any]]]:
        """Data and errors of one request."""
        viewer = Viewer(
            actor=Actor(kind=ActorKind.BOT, name="tests"), assurance=as_, scopes=list(SCOPES), customer_email=bound
        )
        context = RequestContext(self.services, viewer, NOW, "req-1")
        result = await API.execute(query, variables, context_value=context)
        return result.data, [dict(presented(error, "req-1").formatted) for error in result.errors or []]

    async def read(self, query: str, variables: dict[str, Any] | None = None, **who: Any) -> Any:
        data, errors = await self.ask(query, variables, **who)
        assert errors == []
        return data

    def calls(self) -> dict[str, list[str]]:
        return {store.config.id: store.calls for store in self.stores}


@pytest.fixture
def us() -> Shelf:
    store = Shelf("us", boxes(1, 3))
    store.people = [ADA]
    return store


@pytest.fixture
def eu() -> Shelf:
    return Shelf("eu", boxes(11, 2, newest=NOON - timedelta(hours=6)))


@pytest.fixture
def town(us: Shelf, eu: Shelf, tmp_path: Path) -> Town:
    return Town([us, eu], tmp_path)


ORDERS = """query($first: Int = 10, $after: String, $filter: OrderFilter) {
  orders(customerEmail: "Ada@Example.com", first: $first, after: $after, filter: $filter) {
    nodes { number } edges { cursor node { number } } pageInfo { hasNextPage endCursor }
    complete issues { store { id } code retryAfterSeconds }
  }
}"""

PERSON = """query($email: String! = "ada@example.com") { customer(by: {email: $email}) {
  id email isGuest displayName complete issues { store { id } }
  profiles { source { store { id } } }
  orders(first: 5) { complete issues { store { id } } nodes { number } } } }"""

RETURNS = """query($first: Int = 10, $after: String) { customer(by: {email: "ada@example.com"}) {
  returns(first: $first, after: $after) {
    complete issues { store { id } } pageInfo { hasNextPage endCursor }
    edges { cursor node { id } } nodes { id } } } }"""

STATS = """{ customer(by: {email: "ada@example.com"}) { stats {
  orderCount totalSpent { amount currencyCode } returnCount90d refundTotal90d { amount currencyCode } } } }"""

LOOKUP = """query($number: String!, $email: String, $postal: String) {
  lookupOrder(number: $number, email: $email, postalCode: $postal) {
    complete issues { store { id } } orders { number source { store { id } } } } }"""


def numbers(connection: Any) -> list[int]:
    return [int(node["number"]) for node in connection["nodes"]]


# ------------------------------------------------------------------------------------------------ orders


async def test_orders_of_two_stores_come_as_one_list_for_one_call_each(town: Town) -> None:
    orders = (await town.read(ORDERS))["orders"]
    assert numbers(orders) == [1, 11, 2, 12, 3]
    assert [int(edge["node"]["number"]) for edge in orders["edges"]] == numbers(orders)
    assert (orders["complete"], orders["issues"]) == (True, [])
    assert orders["pageInfo"]["hasNextPage"] is False
    assert town.calls() == {"us": ["orders_of"], "eu": ["orders_of"]}


async def test_orders_are_read_page_by_page(town: Town) -> None:
    found: list[int] = []
    after = None
    for _ in range(3):
        orders = (await town.read(ORDERS, {"first": 2, "after": after}))["orders"]
        found += numbers(orders)
        after = orders["pageInfo"]["endCursor"]
    assert found == [1, 11, 2, 12, 3]
    assert orders["pageInfo"]["hasNextPage"] is False


async def test_rows_that_are_somebody_elses_are_never_shown(town: Town, us: Shelf) -> None:
    us.orders_kept += [Boxed(90 + n, NOON + timedelta(hours=n), BOB if n % 2 else None) for n in range(6)]
    orders = (await town.read(ORDERS, {"first": 2}))["orders"]
    assert numbers(orders) == [1, 11]
    assert orders["complete"] is True


async def test_a_store_that_fails_is_named_and_the_others_orders_arrive(town: Town, us: Shelf) -> None:
    us.trouble = always(Throttled("wait", retry_after=3))
    orders = (await town.read(ORDERS))["orders"]
    assert numbers(orders) == [11, 12]
    assert orders["complete"] is False
    assert orders["issues"] == [{"store": {"id": "Store:us"}, "code": "PLATFORM_THROTTLED", "retryAfterSeconds": 3}]


async def test_an_order_filter_goes_to_the_stores(town: Town, us: Shelf) -> None:
    us.orders_kept[1].status = OrderStatus.CANCELLED
    orders = (await town.read(ORDERS, {"filter": {"status": ["CANCELLED", "FAILED"]}}))["orders"]
    assert numbers(orders) == [2]
    day = (NOON - timedelta(days=1)).isoformat()
    orders = (await town.read(ORDERS, {"filter": {"placedAfter": day}}))["orders"]
    assert numbers(orders) == [1, 11, 2]
    orders = (await town.read(ORDERS, {"filter": {"placedBefore": day}}))["orders"]
    assert numbers(orders) == [12, 3]


async def test_a_cursor_goes_with_the_filter_it_was_made_with_in_any_order_of_its_words(town: Town) -> None:
    words = ["OPEN", "CANCELLED", "FAILED", "PENDING", "UNKNOWN"]
    first = await town.read(ORDERS, {"first": 1, "filter": {"status": words}})
    after = first["orders"]["pageInfo"]["endCursor"]
    again = await town.read(ORDERS, {"first": 1, "after": after, "filter": {"status": words[::-1]}})
    assert numbers(again["orders"]) == [11]
    _, errors = await town.ask(ORDERS, {"first": 1, "after": after})
    assert [error["extensions"] for error in errors] == [{"code": "INVALID_INPUT", "argument": "after"}]


@pytest.mark.parametrize(
    ("variables", "argument"),
    [
        ({"first": 0}, None),
        ({"first": -1}, None),
        ({"first": 101}, None),
        ({"first": 1000}, None),
        ({"after": "garbage"}, "after"),
        ({"after": ""}, "after"),
        ({"filter": {"placedAfter": "2026-11-01T00:00:00"}}, "filter.placedAfter"),
    ],
)
async def test_an_argument_that_cannot_be_right_is_refused_before_any_call(
    town: Town, variables: dict[str, Any], argument: str | None
) -> None:
    _, errors = await town.ask(ORDERS, variables)
    assert [error["extensions"]["code"] for error in errors] == ["INVALID_INPUT"]
    assert errors[0]["extensions"].get("argument") == argument
    assert town.calls() == {"us": [], "eu": []}


# ------------------------------------------------------------------------------------------------ a person


async def test_a_person_is_put_together_from_the_stores_that_know_them(town: Town) -> None:
    person = (await town.read(PERSON))["customer"]
    assert person["isGuest"] is False
    assert person["displayName"] == "Ada"
    assert SEAL.email(person["id"]) == "ada@example.com"
    assert [profile["source"]["store"]["id"] for profile in person["profiles"]] == ["Store:us"]
    assert numbers(person["orders"]) == [1, 11, 2, 12, 3]
    assert town.calls() == {"us": ["profiles", "orders_of"], "eu": ["profiles", "orders_of"]}


async def test_a_guest_is_somebody_who_has_ordered_and_the_orders_are_read_once(town: Town, us: Shelf) -> None:
    us.orders_kept += [Boxed(50, NOON, BOB)]
    person = (await town.read(PERSON, {"email": "bob@example.com"}))["customer"]
    assert person["isGuest"] is True
    assert person["profiles"] == []
    assert numbers(person["orders"]) == [50]
    assert us.calls == ["profiles", "orders_of"]


async def test_a_guest_is_found_behind_pages_of_others_orders(town: Town, us: Shelf, eu: Shelf) -> None:
    us.at_most = eu.at_most = 1
    us.orders_kept += [Boxed(50, NOON - timedelta(days=9), BOB)]
    person = (await town.read('{ customer(by: {email: "bob@example.com"}) { isGuest } }'))["customer"]
    assert person == {"isGuest": True}


async def test_nobody_is_null_and_not_an_error(town: Town) -> None:
    assert (await town.read(PERSON, {"email": "nobody@example.com"}))["customer"] is None


async def test_whether_there_is_such_a_person_is_not_said_while_a_store_is_down(town: Town, eu: Shelf) -> None:
    eu.trouble = always(Unavailable("down"))
    data, errors = await town.ask(PERSON, {"email": "nobody@example.com"})
    assert data == {"customer": None}
    assert [error["extensions"]["code"] for error in errors] == ["PLATFORM_UNAVAILABLE"]
    assert errors[0]["extensions"]["store"] == "eu"


async def test_a_person_is_known_though_a_store_is_down_and_it_is_named(town: Town, eu: Shelf) -> None:
    eu.trouble = always(Unavailable("down"))
    person = (await town.read(PERSON))["customer"]
    assert (person["complete"], person["issues"]) == (False, [{"store": {"id": "Store:eu"}}])
    assert numbers(person["orders"]) == [1, 2, 3]
    assert person["orders"]["complete"] is False


async def test_a_store_slower_than_its_time_costs_the_others_nothing_in_the_second_round(
    us: Shelf, eu: Shelf, tmp_path: Path
) -> None:
    town = Town([us, eu], tmp_path, seconds=0.2)
    eu.seconds = 30
    started = time.monotonic()
    person = (await town.read(PERSON))["customer"]
    assert time.monotonic() - started < 2
    assert numbers(person["orders"]) == [1, 2, 3]
    assert person["issues"] == person["orders"]["issues"] == [{"store": {"id": "Store:eu"}}]
    assert eu.calls == ["profiles"]


async def test_a_bound_caller_reads_their_own_and_nothing_of_anybody_else(town: Town, us: Shelf) -> None:
    us.orders_kept += [Boxed(50, NOON, BOB)]
    who: dict[str, Any] = {"as_": AssuranceLevel.VERIFIED, "bound": ADA}
    own = await town.read(
        "{ viewer { customer { email orders { nodes { number } } } } orders { nodes { number } } }", **who
    )
    assert own["viewer"]["customer"]["email"] == "ada@example.com"
    assert numbers(own["viewer"]["customer"]["orders"]) == numbers(own["orders"]) == [1, 11, 2, 12, 3]
    others = await town.read(
        """query($id: ID!) {
          customer(by: {email: "bob@example.com"}) { id }
          byId: customer(by: {id: $id}) { id }
          node(id: $id) { id }
          order(id: "Order:us:50") { id }
          nodes(ids: ["Order:us:50", "Order:us:1"]) { id }
          orders(customerEmail: "bob@example.com") { nodes { id } }
          lookupOrder(number: "50") { orders { id } }
        }""",
        {"id": SEAL.customer_id(BOB)},
        **who,
    )
    assert others == {
        "customer": None,
        "byId": None,
        "node": None,
        "order": None,
        "nodes": [None, {"id": "Order:us:1"}],
        "orders": {"nodes": []},
        "lookupOrder": {"orders": []},
    }


async def test_things_by_id_fail_one_by_one(town: Town, eu: Shelf) -> None:
    eu.trouble = always(Unavailable("down"))
    data, errors = await town.ask(
        "query($ids: [ID!]!) { nodes(ids: $ids) { id } }",
        {"ids": ["Order:us:1", "Order:eu:11", "garbage", "Order:us:404", "Order:uk:1", "OrderLine:us:1:1"]},
    )
    assert data == {"nodes": [{"id": "Order:us:1"}, None, None, None, None, None]}
    found = {error["path"][1]: error["extensions"]["code"] for error in errors}
    assert found == {1: "PLATFORM_UNAVAILABLE", 2: "INVALID_INPUT", 5: "INVALID_INPUT"}


# ------------------------------------------------------------------------------------------------ by number


async def test_staff_find_an_order_by_its_number_alone(town: Town) -> None:
    found = (await town.read(LOOKUP, {"number": " #11 "}))["lookupOrder"]
    assert found["orders"] == [{"number": "11", "source": {"store": {"id": "Store:eu"}}}]
    assert found["complete"] is True


@pytest.mark.parametrize(
    ("email", "postal", "found"),
    [
        ("ada@example.com", None, True),
        ("ADA@example.com", None, True),
        ("joann@example.com", None, False),
        (None, "sw1a 1aa", True),
        (None, "SW1A1AA", True),
        (None, "SW1A 1AB", False),
        ("ada@example.com", "SW1A 1AA", True),
        ("ada@example.com", "10001", False),
        ("joann@example.com", "SW1A 1AA", False),
    ],
)
async def test_others_tell_what_only_the_buyer_knows(
    town: Town, us: Shelf, email: str | None, postal: str | None, found: bool
) -> None:
    us.orders_kept = [Boxed(1, NOON, ADA, postal_code="SW1A 1AA")]
    asked = {"number": "1", "email": email, "postal": postal}
    answer = await town.read(LOOKUP, asked, as_=AssuranceLevel.CLAIMED)
    assert len(answer["lookupOrder"]["orders"]) == found
    assert us.calls == ["orders_by_number"]  # the same work whether it is theirs or not
    assert (OrderParts.ADDRESSES in us.parts[0]) is (postal is not None)


async def test_an_order_without_an_address_is_nobodys_by_postal_code(town: Town, us: Shelf) -> None:
    answer = await town.read(LOOKUP, {"number": "1", "postal": "0"}, as_=AssuranceLevel.CLAIMED)
    assert answer["lookupOrder"]["orders"] == []


@pytest.mark.parametrize(
    ("variables", "argument"),
    [
        ({"number": "1"}, "email"),
        ({"number": "", "email": "ada@example.com"}, "number"),
        ({"number": " # ", "email": "ada@example.com"}, "number"),
        ({"number": "1" * 65, "email": "ada@example.com"}, "number"),
        ({"number": "1", "email": "ada"}, "email"),
        ({"number": "1", "email": ""}, "email"),
        ({"number": "1", "postal": " - "}, "postalCode"),
    ],
)
async def test_a_look_up_that_proves_nothing_is_refused_before_any_call(
    town: Town, variables: dict[str, Any], argument: str
) -> None:
    _, errors = await town.ask(LOOKUP, variables, as_=AssuranceLevel.CLAIMED)
    assert [error["extensions"] for error in errors] == [{"code": "INVALID_INPUT", "argument": argument}]
    assert town.calls() == {"us": [], "eu": []}


# ------------------------------------------------------------------------------------------------ returns


async def returns_of(town: Town, first: int, between: Any = lambda round: None) -> tuple[list[str], list[bool]]:
    """Every return, page by page, and whether each page was complete."""
    found: list[str] = []
    complete: list[bool] = []
    after = None
    for round in range(300):
        page = (await town.read(RETURNS, {"first": first, "after": after}))["customer"]["returns"]
        ids = [node["id"] for node in page["nodes"]]
        assert len(ids) <= first
        found += ids
        complete.append(page["complete"])
        if not page["pageInfo"]["hasNextPage"] and page["complete"]:
            return found, complete
        after = page["pageInfo"]["endCursor"]
        between(round)
    raise AssertionError("the list does not end")


def all_returns(*stores: Shelf) -> set[str]:
    return {
        f"Return:{store.config.id}:{box.number}:{at:%Y%m%d%H%M}"
        for store in stores
        for box in store.orders_kept
        for at in box.returns or ()
    }


RETURNED = st.lists(st.lists(st.integers(0, 500), max_size=4, unique=True), max_size=14)


@settings(max_examples=25, deadline=None)
@given(RETURNED, RETURNED, st.integers(1, 6), st.randoms(use_true_random=False))
def test_each_return_comes_once_whoever_fails_on_the_way_and_whatever_is_new(
    tmp_path_factory: pytest.TempPathFactory, ours: list[list[int]], theirs: list[list[int]], first: int, chance: Any
) -> None:
    stores = [Shelf("us", boxes(1, len(ours))), Shelf("eu", boxes(1, len(theirs)), at_most=3)]
    for store, returned in zip(stores, (ours, theirs), strict=True):
        store.people = [ADA]
        for box, minutes in zip(store.orders_kept, returned, strict=True):
            box.returns = [NOON + timedelta(minutes=minute) for minute in minutes]
    wanted = all_returns(*stores)
    town = Town(stores, tmp_path_factory.getbasetemp())
    rounds = 0

    def something_happens(round: int) -> None:
        nonlocal rounds
        rounds = round
        for store in stores:
            down = round < 30 and chance.random() < 0.3
            store.trouble = always(Unavailable("down")) if down else lambda: None
        if round < 30 and chance.random() < 0.3:
            store = chance.choice(stores)
            store.orders_kept.append(Boxed(1000 + round, NOON + timedelta(days=1 + round), returns=[NOON]))
            if store.orders_kept[0].returns is not None:
                store.orders_kept[0].returns.append(NOON + timedelta(days=2 + round))
        if stores[0].trouble() and stores[1].trouble():
            stores[0].trouble = lambda: None

    found, _ = asyncio.run(returns_of(town, first, something_happens))
    assert len(set(found)) == len(found)
    assert wanted <= set(found)
    assert set(found) <= all_returns(*stores)


async def test_returns_come_in_the_order_of_their_orders(town: Town, us: Shelf, eu: Shelf) -> None:
    us.orders_kept[0].returns = [NOON, NOON + timedelta(days=1)]
    us.orders_kept[2].returns = [NOON + timedelta(days=5)]
    eu.orders_kept[0].returns = [NOON + timedelta(days=3)]
    found, complete = await returns_of(town, 10)
    assert [id.split(":")[1:3] for id in found] == [["us", "1"], ["us", "1"], ["eu", "11"], ["us", "3"]]
    assert found[0] > found[1]  # the newest of one order first
    assert complete == [True]
    for first in (1, 2, 3):
        assert (await returns_of(town, first))[0] == found


async def test_the_list_of_returns_goes_on_behind_any_returns_own_cursor(town: Town, us: Shelf, eu: Shelf) -> None:
    us.orders_kept[0].returns = [NOON + timedelta(hours=n) for n in range(3)]
    eu.orders_kept[1].returns = [NOON, NOON + timedelta(hours=1)]
    page = (await town.read(RETURNS))["customer"]["returns"]
    ids = [node["id"] for node in page["nodes"]]
    assert len(ids) == 5
    for place, edge in enumerate(page["edges"]):
        rest = (await town.read(RETURNS, {"after": edge["cursor"]}))["customer"]["returns"]
        assert [node["id"] for node in rest["nodes"]] == ids[place + 1 :]


async def test_no_returns_is_an_empty_list_without_an_end(town: Town) -> None:
    page = (await town.read(RETURNS))["customer"]["returns"]
    assert page == {
        "complete": True,
        "issues": [],
        "pageInfo": {"hasNextPage": False, "endCursor": None},
        "edges": [],
        "nodes": [],
    }


async def test_returns_that_cannot_be_read_are_told_and_not_taken_for_none(town: Town, us: Shelf, eu: Shelf) -> None:
    us.orders_kept[1].returns = None
    eu.orders_kept[0].returns = [NOON]
    page = (await town.read(RETURNS))["customer"]["returns"]
    assert [node["id"] for node in page["nodes"]] == ["Return:eu:11:202611011200"]
    assert (page["complete"], page["issues"]) == (False, [{"store": {"id": "Store:us"}}])


@pytest.mark.parametrize("after", ["garbage", "", "0.", "W10", "eyJ9"])
async def test_what_is_no_cursor_of_returns_is_refused(town: Town, after: str) -> None:
    _, errors = await town.ask(RETURNS, {"after": after})
    assert [error["extensions"] for error in errors] == [{"code": "INVALID_INPUT", "argument": "after"}]


# ------------------------------------------------------------------------------------------------ counts


async def test_counts_are_those_of_the_stores_and_of_the_last_ninety_days(town: Town, us: Shelf) -> None:
    us.order_counts = {ADA: 7}
    long_ago = NOW - timedelta(days=91)
    us.orders_kept[0].returns = [NOON, long_ago]
    us.orders_kept[1].refunds = [
        (RefundStatus.COMPLETED, "10.00", NOON),
        (RefundStatus.PENDING, "2.50", NOON),
        (RefundStatus.FAILED, "99.00", NOON),
        (RefundStatus.COMPLETED, "50.00", long_ago),
    ]
    stats = (await town.read(STATS))["customer"]["stats"]
    assert stats == {
        "orderCount": 7,
        "totalSpent": [{"amount": "12.50", "currencyCode": "EUR"}],
        "returnCount90d": 1,
        "refundTotal90d": [{"amount": "12.50", "currencyCode": "EUR"}],
    }


async def test_a_count_that_one_store_does_not_tell_is_unknown(town: Town, us: Shelf, eu: Shelf) -> None:
    us.orders_kept[0].returns = None
    stats = (await town.read(STATS))["customer"]["stats"]
    assert (stats["orderCount"], stats["returnCount90d"], stats["refundTotal90d"]) == (None, None, None)
    eu.trouble = always(Unavailable("down"))
    stats = (await town.read(STATS))["customer"]["stats"]
    assert stats == {"orderCount": None, "totalSpent": None, "returnCount90d": None, "refundTotal90d": None}


# ------------------------------------------------------------------------------------------------ entities

ENTITIES = """query($keys: [_Any!]!) { _entities(representations: $keys) {
  ... on Order { number lines { title } } ... on CustomerProfile { displayName } ... on Customer { email } } }"""


def key(type_name: str, id: str) -> dict[str, str]:
    return {"__typename": type_name, "id": id}


async def test_a_router_reads_entities_with_their_parts_in_one_call_for_each_store(town: Town, us: Shelf) -> None:
    keys = [key("Order", "Order:us:1"), key("Order", "Order:us:2"), key("Customer", SEAL.customer_id(ADA))]
    found = await town.read(ENTITIES, {"keys": keys})
    lines = [{"title": "Linen Shirt"}]
    assert found["_entities"] == [
        {"number": "1", "lines": lines},
        {"number": "2", "lines": lines},
        {"email": "ada@example.com"},
    ]
    assert sorted(us.calls) == ["orders", "profiles"]
    assert us.parts == [OrderParts.LINES]


async def test_entities_of_others_do_not_exist_for_a_bound_caller(town: Town, us: Shelf) -> None:
    us.orders_kept += [Boxed(50, NOON, BOB)]
    keys = [key("Order", "Order:us:50"), key("Customer", SEAL.customer_id(BOB)), key("Order", "Order:us:404")]
    data, errors = await town.ask(ENTITIES, {"keys": keys}, as_=AssuranceLevel.VERIFIED, bound=ADA)
    assert (data, errors) == ({"_entities": [None, None, None]}, [])


async def test_an_entity_that_cannot_be_read_costs_the_others_nothing(town: Town, eu: Shelf) -> None:
    eu.trouble = always(Unavailable("down"))
    keys = [key("Order", "Order:us:1"), key("Order", "Order:eu:11"), key("Order", "Product:us:1"), key("Order", "x")]
    data, errors = await town.ask(ENTITIES, {"keys": keys})
    assert [found and found["number"] for found in data["_entities"]] == ["1", None, None, None]
    codes = {error["path"][1]: error["extensions"]["code"] for error in errors}
    assert codes == {1: "PLATFORM_UNAVAILABLE", 2: "INVALID_INPUT", 3: "INVALID_INPUT"}
