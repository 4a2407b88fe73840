"""Every story of the sandbox's world, as a support agent meets it: through the documented operations alone."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sandbox.world import PLANS, STORIES
from tests.running import EVERY_STORE, Gateway, running_gateway

reads = pytest.mark.asyncio(loop_scope="module")

NEW_YORK = ZoneInfo("America/New_York")
#: A native order id less its number.
NATIVE = 450789000 - 1000
UNCHANGED = {"us": 0, "eu": 0, "subs": 0}

RESUME = """
mutation ResumeIt($input: ResumeSubscriptionInput!, $key: String!) {
  resumeSubscription(input: $input, idempotencyKey: $key) {
    replayed action { id state } subscription { id status pausedUntil nextBillingAt } problem { code message }
  }
}"""

CANCEL_SUBSCRIPTION = """
mutation CancelThatSubscription($input: CancelSubscriptionInput!, $key: String!) {
  cancelSubscription(input: $input, idempotencyKey: $key) {
    replayed action { id state } subscription { id status cancelReason nextBillingAt }
    problem {
      __typename code customerMessage
      ... on PolicyDenied { decision { verdict reasons { code facts { name value } } } }
    }
  }
}"""


@given(st.datetimes(datetime(2026, 1, 1), datetime(2027, 12, 31), timezones=st.just(UTC)))
@example(datetime(2026, 11, 24, 4, 30, tzinfo=UTC))  # half past eleven there, past midnight in summer
def test_an_order_that_came_31_days_ago_did_so_at_every_hour_of_the_year(now: datetime) -> None:
    [plan] = (plan for plan in PLANS if plan.key == "us")
    [parcel] = plan.build(now).state.order("450789003")["fulfillments"]
    delivered = datetime.fromisoformat(parcel["deliveredAt"])
    assert (now.astimezone(NEW_YORK).date() - delivered.astimezone(NEW_YORK).date()).days == 31


def us(number: int) -> str:
    """The id of order `#1002` and the like."""
    return f"Order:us:{NATIVE + number}"


def eu(number: int) -> str:
    return f"Order:eu:{number}"


def subscription(number: int) -> str:
    return f"SubscriptionContract:subs:{number}"


def returning(order: str, *lines: tuple[str, int], reason: str = "UNWANTED", **more: Any) -> dict[str, Any]:
    rows = [{"lineId": line, "quantity": quantity, "reason": reason} for line, quantity in lines]
    return {"orderId": order, "lines": rows, **more}


def known(facts: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    return {fact["name"]: fact["value"] for fact in facts}


def instant(text: str) -> datetime:
    return datetime.fromisoformat(text)


async def line_of(gateway: Gateway, order: str, place: int = 1) -> str:
    """The id of one of an order's lines, the first is 1."""
    lines = (await gateway.run("MayIReturnIt", {"id": order}))["order"]["lines"]
    id: str = lines[place - 1]["id"]
    return id


async def finished(gateway: Gateway, action: str) -> dict[str, Any]:
    """The action once it is no longer PENDING, as its asker sees it by asking again."""
    for _ in range(150):
        found: dict[str, Any] = (await gateway.run("HowIsMyRequest", {"id": action}))["action"]
        if found["state"] != "PENDING":
            return found
        await asyncio.sleep(0.1)
    raise AssertionError(f"{action} is still pending after 15 seconds")


# ------------------------------------------------------------------ who is this
@reads
async def test_ada_is_one_person_over_three_stores(standing: Gateway) -> None:
    ada = (await standing.run("WhoIsThis", {"email": " ADA@Example.com "}))["customer"]
    assert (ada["email"], ada["displayName"], ada["isGuest"]) == ("ada@example.com", "Ada Lovelace", False)
    assert (ada["complete"], ada["issues"]) == (True, [])
    assert [(one["id"], one["source"]["store"]["id"]) for one in ada["profiles"]] == [
        ("CustomerProfile:us:7001", "Store:us"),
        ("CustomerProfile:eu:31", "Store:eu"),
        ("CustomerProfile:subs:6001", "Store:subs"),
    ]
    assert ada["profiles"][0]["tags"] == ["vip"]
    # Newest first, over both shops.
    assert [one["number"] for one in ada["orders"]["nodes"]] == ["2001", "1001", "1002", "2004", "1003"]
    assert ada["orders"]["pageInfo"]["hasNextPage"] is False
    assert [(one["id"], one["status"]) for one in ada["subscriptions"]["nodes"]] == [(subscription(9001), "ACTIVE")]


@reads
async def test_bob_who_never_made_an_account_is_found_by_the_address_on_his_order(standing: Gateway) -> None:
    bob = (await standing.run("WhoIsThis", {"email": "bob@example.com"}))["customer"]
    assert (bob["isGuest"], bob["profiles"], bob["complete"]) == (True, [], True)
    assert [one["id"] for one in bob["orders"]["nodes"]] == [eu(2002)]
    assert bob["subscriptions"]["nodes"] == []
    again = await standing.ask(
        "query($id: ID!) { node(id: $id) { ... on Customer { email isGuest } } }", {"id": bob["id"]}
    )
    assert again["data"] == {"node": {"email": "bob@example.com", "isGuest": True}}


@reads
async def test_ann_never_sees_what_is_joanns(standing: Gateway) -> None:
    # The shop's search for ann@example.com finds joann@example.com too; every row is looked at again.
    ann = (await standing.run("WhoIsThis", {"email": "ann@example.com"}))["customer"]
    joann = (await standing.run("WhoIsThis", {"email": "joann@example.com"}))["customer"]
    assert [one["id"] for one in ann["profiles"]] == ["CustomerProfile:eu:33"]
    assert [one["id"] for one in ann["orders"]["nodes"]] == [eu(2003)]
    assert [one["id"] for one in joann["profiles"]] == ["CustomerProfile:us:7003", "CustomerProfile:eu:34"]
    assert [one["id"] for one in joann["orders"]["nodes"]] == [us(1007), eu(1990)]
    assert ann["id"] != joann["id"]


@reads
async def test_nobody_by_that_address_is_null(standing: Gateway) -> None:
    assert await standing.run("WhoIsThis", {"email": "nobody@example.com"}) == {"customer": None}


# ------------------------------------------------------------------ where is my order
@reads
@pytest.mark.parametrize("number", ["1001", "#1001", " #1001 "])
async def test_1001_is_on_its_way_with_its_tracking(standing: Gateway, number: str) -> None:
    found = (await standing.run("WhereIsMyOrder", {"number": number, "email": "ada@example.com"}))["lookupOrder"]
    assert (found["complete"], found["issues"]) == (True, [])
    [order] = found["orders"]
    assert (order["id"], order["status"], order["fulfillmentStatus"]) == (us(1001), "OPEN", "FULFILLED")
    assert order["source"]["cached"] is False
    [parcel] = order["fulfillments"]
    assert (parcel["status"], parcel["carrier"], parcel["trackingNumber"]) == (
        "IN_TRANSIT",
        "UPS",
        "1Z999AA10123456784",
    )
    assert parcel["trackingUrl"].startswith("https://")
    assert parcel["deliveredAt"] is None
    assert abs(instant(parcel["estimatedDeliveryAt"]) - standing.now - timedelta(days=2)) < timedelta(minutes=1)
    assert [row["line"]["title"] for row in parcel["lines"]] == ["Linen Shirt"]
    assert order["lines"][0]["quantity"] == {"ordered": 1, "fulfilled": 1, "delivered": 0}


@reads
@pytest.mark.parametrize("email", ["cleo@example.com", "ann@example.com"])
async def test_a_number_with_somebody_elses_address_leads_nowhere(standing: Gateway, email: str) -> None:
    found = (await standing.run("WhereIsMyOrder", {"number": "1001", "email": email}))["lookupOrder"]
    assert found == {"complete": True, "issues": [], "orders": []}


@reads
async def test_1007_tells_what_was_paid_back_and_what_is_left(standing: Gateway) -> None:
    order = (await standing.run("WhereIsMyRefund", {"id": us(1007)}))["order"]
    assert order["paymentStatus"] == "PARTIALLY_REFUNDED"
    assert order["totals"] == {
        "total": {"presentment": {"amount": "55.00", "currencyCode": "USD"}},  # never netted
        "refunded": {"presentment": {"amount": "25.00", "currencyCode": "USD"}},
    }
    [refund] = order["refunds"]
    assert (refund["status"], refund["moneyMoved"]) == ("COMPLETED", "YES")
    assert refund["amount"]["presentment"] == {"amount": "25.00", "currencyCode": "USD"}
    assert refund["lines"] == [
        {"quantity": 1, "line": {"id": await line_of(standing, us(1007)), "title": "Canvas Tote"}}
    ]
    assert order["returns"] == []
    tote = (await standing.run("MayIReturnIt", {"id": us(1007)}))["order"]["lines"][0]
    assert tote["quantity"] == {"ordered": 2, "returnable": 1}
    assert tote["eligibility"][0]["quote"]["total"] == {"amount": "25.00", "currencyCode": "USD"}


# ------------------------------------------------------------------ may I
@reads
async def test_of_1005_one_line_came_too_long_ago_and_the_other_may_go_back(standing: Gateway) -> None:
    shirt, tote = (await standing.run("MayIReturnIt", {"id": us(1005)}))["order"]["lines"]
    [of_shirt], [of_tote] = shirt["eligibility"], tote["eligibility"]
    assert (of_shirt["next"], of_shirt["quote"]) == ("NOT_POSSIBLE", None)
    assert [reason["code"] for reason in of_shirt["decision"]["reasons"]] == ["WINDOW_EXPIRED"]
    assert known(of_shirt["decision"]["reasons"][0]["facts"])["days_since"] == "40"
    assert of_tote["next"] in ("CONFIRM", "ASK_DETAILS")
    assert of_tote["maxQuantity"] == 1
    assert known(of_tote["decision"]["reasons"][0]["facts"])["days_since"] == "5"
    # The whole day counts, in the shop's own time zone: the last instant lies 30 days later at its midnight.
    until = instant(of_tote["decision"]["allowedUntil"]).astimezone(NEW_YORK)
    delivered = (standing.now - timedelta(days=5)).astimezone(NEW_YORK)
    assert until.date() == delivered.date() + timedelta(days=30)
    assert (until.hour, until.minute, until.second) == (23, 59, 59)


@reads
async def test_the_clock_moves_the_window(standing: Gateway) -> None:
    now = (await standing.run("MayIReturnIt", {"id": us(1002)}))["order"]["lines"]
    assert [line["eligibility"][0]["next"] for line in now] == ["CONFIRM", "CONFIRM"]
    later = (standing.now + timedelta(days=40)).isoformat()
    then = (await standing.run("MayIReturnIt", {"id": us(1002)}, headers={"X-Sandbox-Now": later}))["order"]["lines"]
    for line in then:
        [eligibility] = line["eligibility"]
        [reason] = eligibility["decision"]["reasons"]
        assert (eligibility["next"], eligibility["decision"]["verdict"]) == ("NOT_POSSIBLE", "DENY")
        assert reason["code"] == "WINDOW_EXPIRED"
        assert known(reason["facts"])["days_since"] == "41"
        assert known(reason["facts"])["days_late"] == "11"
    back = (await standing.run("MayIReturnIt", {"id": us(1002)}))["order"]["lines"]
    assert [line["eligibility"][0]["next"] for line in back] == ["CONFIRM", "CONFIRM"]


@reads
async def test_the_scarf_is_final_sale_unless_the_fault_is_the_shops(standing: Gateway) -> None:
    async def scarf(reason: str | None) -> Any:
        assuming = None if reason is None else {"reason": reason}
        lines = (await standing.run("MayIReturnIt", {"id": us(1006), "assuming": assuming}))["order"]["lines"]
        assert [line["title"] for line in lines] == ["Merino Socks", "Silk Scarf", "Coffee Beans 1kg"]
        return lines[1]["eligibility"][0]

    assert (await scarf("UNWANTED"))["next"] == "NOT_POSSIBLE"
    assert (await scarf("DEFECTIVE"))["next"] == "CONFIRM"
    unsaid = await scarf(None)
    assert (unsaid["next"], unsaid["dependsOn"]) == ("ASK_DETAILS", ["REASON"])


@reads
async def test_1004_may_be_cancelled_for_thirty_minutes_and_1001_not_any_more(standing: Gateway) -> None:
    fresh = (await standing.run("MayICancelIt", {"id": us(1004)}))["order"]["eligibility"][0]
    assert (fresh["next"], fresh["support"], fresh["decision"]["verdict"]) == ("CONFIRM", "NATIVE", "ALLOW")
    until = instant(fresh["decision"]["allowedUntil"])
    assert abs(until - standing.now - timedelta(minutes=10)) < timedelta(minutes=1)
    sent = (await standing.run("MayICancelIt", {"id": us(1001)}))["order"]["eligibility"][0]
    assert sent["next"] == "NOT_POSSIBLE"
    assert [reason["code"] for reason in sent["decision"]["reasons"]] == ["ALREADY_FULFILLED"]


@reads
async def test_a_preview_tells_the_money_and_does_nothing(standing: Gateway) -> None:
    before = standing.writes()
    asked = {"returnOrder": returning(us(1002), (await line_of(standing, us(1002), 2), 2))}
    shown = (await standing.run("Preview", {"input": asked}))["preview"]
    assert (shown["decision"]["verdict"], shown["problem"]) == ("ALLOW", None)
    assert shown["quote"] == {"total": {"amount": "25.00", "currencyCode": "USD"}, "fees": []}
    assert "2 × Merino Socks" in shown["summary"]
    assert standing.writes() == before


# ------------------------------------------------------------------ subscriptions and their links
@reads
async def test_a_subscription_leads_to_its_customer_its_first_order_and_its_products(standing: Gateway) -> None:
    query = """query($id: ID!) { subscription(id: $id) {
        status cyclesCompleted
        customer { email displayName profiles { id } } originOrder { id number }
        lines { title product { id title source { store { id } } } variant { id } }
    } }"""
    of_ada = (await standing.ask(query, {"id": subscription(9001)}))["data"]["subscription"]
    assert of_ada["customer"]["email"] == "ada@example.com"
    assert {"id": "CustomerProfile:us:7001"} in of_ada["customer"]["profiles"]
    assert of_ada["originOrder"] == {"id": us(1003), "number": "1003"}
    assert of_ada["lines"] == [
        {
            "title": "Coffee Beans 1kg",
            "product": {"id": "Product:us:8005", "title": "Coffee Beans 1kg", "source": {"store": {"id": "Store:us"}}},
            "variant": {"id": "Variant:us:8005:8501"},
        }
    ]
    of_dan = (await standing.ask(query, {"id": subscription(9003)}))["data"]["subscription"]
    assert (of_dan["status"], of_dan["customer"]["email"]) == ("PAYMENT_FAILED", "dan@example.com")
    assert of_dan["originOrder"] is None  # older than what the shop still shows


@reads
async def test_an_order_and_a_customer_lead_to_their_subscriptions(standing: Gateway) -> None:
    query = """query($id: ID!) { order(id: $id) {
        subscriptions { id status } customer { subscriptions { nodes { id } } } } }"""
    first = (await standing.ask(query, {"id": us(1003)}))["data"]["order"]
    assert first["subscriptions"] == [{"id": subscription(9001), "status": "ACTIVE"}]
    assert first["customer"]["subscriptions"]["nodes"] == [{"id": subscription(9001)}]
    other = (await standing.ask(query, {"id": us(1001)}))["data"]["order"]
    assert other["subscriptions"] == []
    assert other["customer"]["subscriptions"]["nodes"] == [{"id": subscription(9001)}]


@reads
async def test_9002_has_too_few_cycles_and_9003_may_go_since_it_is_unpaid(standing: Gateway) -> None:
    [of_cleo] = (await standing.run("MySubscriptions", {"email": "cleo@example.com"}))["subscriptions"]["nodes"]
    pause, cancel = of_cleo["eligibility"]
    assert (pause["action"], pause["next"], pause["dependsOn"]) == ("PAUSE_SUBSCRIPTION", "ASK_DETAILS", ["UNTIL"])
    assert (cancel["action"], cancel["next"]) == ("CANCEL_SUBSCRIPTION", "NOT_POSSIBLE")
    assert [reason["code"] for reason in cancel["decision"]["reasons"]] == ["MIN_CYCLES_NOT_MET"]
    [of_dan] = (await standing.run("MySubscriptions", {"email": "dan@example.com"}))["subscriptions"]["nodes"]
    assert (of_dan["status"], of_dan["eligibility"][1]["next"]) == ("PAYMENT_FAILED", "CONFIRM")


# ------------------------------------------------------------------ what changes something
async def test_cancelling_1004_is_done_once_and_seen_at_the_shop(gateway: Gateway) -> None:
    asked = {"input": {"orderId": us(1004)}, "key": "cancel-1004"}
    answer = (await gateway.run("CancelIt", asked))["cancelOrder"]
    assert (answer["problem"], answer["replayed"]) == (None, False)
    assert answer["action"]["state"] in ("SUCCEEDED", "PENDING")  # the shop cancels in a job of its own
    again = (await gateway.run("CancelIt", asked))["cancelOrder"]
    assert (again["replayed"], again["action"]["id"]) == (True, answer["action"]["id"])

    action = await finished(gateway, answer["action"]["id"])
    assert (action["state"], action["problem"]) == ("SUCCEEDED", None)
    assert action["target"] == {"id": us(1004), "number": "1004", "status": "CANCELLED"}
    shop = gateway.shops["us"].simulator
    assert [call.operation for call in shop.writes] == ["OrderCancel"]
    assert gateway.writes() == UNCHANGED | {"us": 1}
    order = shop.state.order("450789004")
    assert order["cancelledAt"] is not None

    final = (await gateway.run("CancelIt", asked))["cancelOrder"]
    assert (final["replayed"], final["order"]["status"], final["order"]["paymentStatus"]) == (
        True,
        "CANCELLED",
        "REFUNDED",
    )
    assert final["order"]["totals"]["refunded"]["presentment"] == {"amount": "94.00", "currencyCode": "USD"}
    assert gateway.writes() == UNCHANGED | {"us": 1}


async def test_returning_a_line_of_1002_is_done_once_whoever_asks_again(gateway: Gateway) -> None:
    socks = await line_of(gateway, us(1002), 2)
    asked = {"input": returning(us(1002), (socks, 1)), "key": "socks"}
    answer = (await gateway.run("ReturnIt", asked))["returnOrder"]
    assert (answer["replayed"], answer["problem"], answer["action"]["state"]) == (False, None, "SUCCEEDED")
    record = answer["returnRecord"]
    assert (record["status"], record["heldBy"], record["fees"]) == ("APPROVED", "PLATFORM", [])
    assert record["lines"] == [{"quantity": 1, "line": {"id": socks, "title": "Merino Socks"}}]
    assert answer["quote"]["total"] == {"amount": "12.50", "currencyCode": "USD"}
    assert answer["order"]["returnStatus"] == "IN_PROGRESS"
    assert [line["quantity"] for line in answer["order"]["lines"]] == [
        {"returnable": 1, "returned": 0},
        {"returnable": 1, "returned": 1},
    ]
    shop = gateway.shops["us"].simulator
    assert [call.operation for call in shop.writes] == ["ReturnCreate"]

    again = (await gateway.run("ReturnIt", asked))["returnOrder"]
    assert (again["replayed"], again["action"]["id"]) == (True, answer["action"]["id"])
    assert again["returnRecord"]["id"] == record["id"]
    other = {"input": returning(us(1002), (socks, 2)), "key": "socks"}
    refused = (await gateway.run("ReturnIt", other))["returnOrder"]
    assert refused["problem"]["__typename"] == "Conflict"
    assert refused["problem"]["kind"] == "KEY_REUSED_WITH_DIFFERENT_INPUT"
    assert refused["problem"]["action"] == {"id": answer["action"]["id"], "state": "SUCCEEDED"}
    assert gateway.writes() == UNCHANGED | {"us": 1}

    shown = (await gateway.run("WhereIsMyRefund", {"id": us(1002)}))["order"]
    assert [(one["id"], one["status"]) for one in shown["returns"]] == [(record["id"], "APPROVED")]


@reads
@pytest.mark.parametrize(
    ("number", "place", "code", "said"),
    [
        (1003, 1, "WINDOW_EXPIRED", "The 30-day return window for Canvas Tote ended on"),
        (1006, 2, "FINAL_SALE", "Silk Scarf was sold as final sale."),
    ],
)
async def test_what_may_not_go_back_is_denied_with_the_arithmetic_and_no_write_call(
    standing: Gateway, number: int, place: int, code: str, said: str
) -> None:
    before = standing.writes()
    line = await line_of(standing, us(number), place)
    asked = {"input": returning(us(number), (line, 1)), "key": f"no-{number}"}
    answer = (await standing.run("ReturnIt", asked))["returnOrder"]
    problem = answer["problem"]
    assert (problem["__typename"], problem["code"], answer["action"]["state"]) == (
        "PolicyDenied",
        "POLICY_DENIED",
        "DENIED",
    )
    assert problem["customerMessage"].startswith(said)
    assert answer["returnRecord"] is None
    decision = problem["decision"]
    assert (decision["verdict"], decision["reasons"][0]["code"]) == ("DENY", code)
    facts = known(decision["reasons"][0]["facts"])
    if code == "WINDOW_EXPIRED":
        delivered = standing.now.astimezone(NEW_YORK) - timedelta(days=31)
        assert abs(instant(facts["line.delivered_at"]) - delivered) < timedelta(minutes=1)
        late = (instant(facts["now"]).astimezone(NEW_YORK).date() - delivered.astimezone(NEW_YORK).date()).days
        assert (facts["days_since"], facts["window"], facts["days_late"]) == (str(late), "30 days", str(late - 30))
        assert instant(facts["allowed_until"]) < standing.now
        assert decision["alternatives"] == [
            {"action": "RETURN_ORDER", "resolution": "STORE_CREDIT", "label": "Store credit instead"}
        ]
    else:
        assert (facts["line.tags"], facts["request.reason"]) == ("final-sale", "UNWANTED")
    assert standing.writes() == before
    shown = (await standing.run("HowIsMyRequest", {"id": answer["action"]["id"]}))["action"]
    assert (shown["state"], shown["problem"]["decision"]["reasons"][0]["code"]) == ("DENIED", code)


async def test_returning_2003_waits_for_a_person_and_nothing_is_written(gateway: Gateway) -> None:
    jacket = await line_of(gateway, eu(2003))
    asked = {"input": returning(eu(2003), (jacket, 1)), "key": "jacket"}
    answer = (await gateway.run("ReturnIt", asked))["returnOrder"]
    problem, action = answer["problem"], answer["action"]
    assert (problem["__typename"], problem["code"]) == ("ApprovalRequired", "APPROVAL_REQUIRED")
    assert (problem["requiredRole"], action["state"]) == ("support-lead", "AWAITING_APPROVAL")
    assert instant(problem["expiresAt"]) > datetime.now(UTC)
    assert answer["quote"]["total"] == {"amount": "129.00", "currencyCode": "EUR"}
    assert answer["returnRecord"] is None

    [waiting] = (await gateway.run("ApprovalQueue"))["actions"]["nodes"]
    assert (waiting["id"], waiting["kind"], waiting["state"]) == (action["id"], "RETURN_ORDER", "AWAITING_APPROVAL")
    assert waiting["requestedBy"] == {"kind": "STAFF", "name": "sandbox", "onBehalfOf": None}
    assert waiting["request"]["lines"][0]["line"] == {"id": jacket, "title": "Wanderjacke"}
    assert waiting["target"]["number"] == "2003"
    assert waiting["decision"]["verdict"] == "REVIEW"
    assert waiting["decision"]["reasons"][0]["code"] == "AMOUNT_OVER_LIMIT"

    second = (await gateway.run("ReturnIt", asked | {"key": "jacket-again"}))["returnOrder"]
    assert (second["problem"]["__typename"], second["problem"]["kind"]) == ("Conflict", "IN_PROGRESS")
    assert second["problem"]["action"]["id"] == action["id"]
    assert gateway.writes() == UNCHANGED


async def test_bobs_return_of_2002_is_held_by_the_gateway_and_noted_at_the_shop(gateway: Gateway) -> None:
    teapot = await line_of(gateway, eu(2002))
    asked = {"input": returning(eu(2002), (teapot, 1), reason="NOT_AS_DESCRIBED"), "key": "teapot"}
    answer = (await gateway.run("ReturnIt", asked))["returnOrder"]
    assert (answer["problem"], answer["action"]["state"]) == (None, "SUCCEEDED")
    record = answer["returnRecord"]
    assert (record["heldBy"], record["status"]) == ("GATEWAY", "APPROVED")
    assert answer["order"]["lines"][0]["quantity"] == {"returnable": 0, "returned": 1}

    [note] = gateway.shops["eu"].simulator.writes
    assert (str(note), note.body["customer_note"]) == ("POST /orders/2002/notes", False)
    assert "1 x Teekanne" in note.body["note"]
    assert gateway.writes() == UNCHANGED | {"eu": 1}

    seen = (await gateway.run("WhereIsMyRefund", {"id": eu(2002)}))["order"]
    assert [(one["id"], one["status"]) for one in seen["returns"]] == [(record["id"], "APPROVED")]
    node = await gateway.ask(
        "query($id: ID!) { node(id: $id) { ...R } }"
        " fragment R on Return { id heldBy order { number } lines { quantity line { title } } }",
        {"id": record["id"]},
    )
    assert node["data"]["node"] == {
        "id": record["id"],
        "heldBy": "GATEWAY",
        "order": {"number": "2002"},
        "lines": [{"quantity": 1, "line": {"title": "Teekanne"}}],
    }
    # What is on its way back cannot be sent back again.
    twice = (await gateway.run("ReturnIt", asked | {"key": "teapot-again"}))["returnOrder"]
    assert twice["problem"] is not None
    assert gateway.writes() == UNCHANGED | {"eu": 1}


@reads
async def test_2004_is_cancelled_already(standing: Gateway) -> None:
    before = standing.writes()
    answer = (await standing.run("CancelIt", {"input": {"orderId": eu(2004)}, "key": "again"}))["cancelOrder"]
    assert (answer["problem"]["code"], answer["action"]["state"]) == ("POLICY_DENIED", "DENIED")
    assert [reason["code"] for reason in answer["problem"]["decision"]["reasons"]] == ["ALREADY_CANCELLED"]
    assert answer["order"]["status"] == "CANCELLED"
    assert standing.writes() == before


async def test_9001_is_paused_and_goes_on_again(gateway: Gateway) -> None:
    simulator = gateway.shops["subs"].simulator
    billed_on = simulator.state.subscriptions[9001]["next_charge_scheduled_at"][:10]
    until = (gateway.now + timedelta(days=30)).date().isoformat()
    asked = {"input": {"subscriptionId": subscription(9001), "until": until}, "key": "holiday"}
    paused = (await gateway.run("PauseIt", asked))["pauseSubscription"]
    assert (paused["problem"], paused["action"]["state"]) == (None, "SUCCEEDED")
    assert paused["subscription"] == {
        "id": subscription(9001),
        "status": "PAUSED",
        "pausedUntil": until,
        "nextBillingAt": until,
    }
    [write] = simulator.writes
    assert (write.path, write.body) == ("/subscriptions/9001/set_next_charge_date", {"date": until})
    assert simulator.state.subscriptions[9001]["next_charge_scheduled_at"].startswith(until)
    [shown] = (await gateway.run("MySubscriptions", {"email": "ada@example.com"}))["subscriptions"]["nodes"]
    assert (shown["status"], shown["pausedUntil"]) == ("PAUSED", until)

    resumed = await gateway.ask(RESUME, {"input": {"subscriptionId": subscription(9001)}, "key": "home"})
    found = resumed["data"]["resumeSubscription"]
    assert (found["problem"], found["action"]["state"]) == (None, "SUCCEEDED")
    assert found["subscription"] == {
        "id": subscription(9001),
        "status": "ACTIVE",
        "pausedUntil": None,
        "nextBillingAt": billed_on,
    }
    assert gateway.writes() == UNCHANGED | {"subs": 2}


@reads
async def test_a_pause_beyond_the_longest_is_denied_and_one_without_a_day_is_asked_for_it(standing: Gateway) -> None:
    before = standing.writes()
    until = (standing.now + timedelta(days=120)).date().isoformat()
    asked = {"input": {"subscriptionId": subscription(9001), "until": until}, "key": "long"}
    denied = (await standing.run("PauseIt", asked))["pauseSubscription"]
    assert denied["problem"]["decision"]["reasons"][0]["code"] == "PAUSE_TOO_LONG"
    openly = {"input": {"subscriptionId": subscription(9001)}, "key": "open"}
    problem = (await standing.run("PauseIt", openly))["pauseSubscription"]["problem"]
    assert (problem["__typename"], [field["path"] for field in problem["fields"]]) == (
        "InvalidInput",
        [["input", "until"]],
    )
    assert standing.writes() == before


async def test_9002_is_kept_to_its_cycles_and_9003_is_ended(gateway: Gateway) -> None:
    async def cancel(number: int) -> Any:
        asked = {"input": {"subscriptionId": subscription(number), "reason": "too much coffee"}, "key": f"end-{number}"}
        return (await gateway.ask(CANCEL_SUBSCRIPTION, asked))["data"]["cancelSubscription"]

    kept = await cancel(9002)
    [reason] = kept["problem"]["decision"]["reasons"]
    assert (kept["problem"]["__typename"], reason["code"]) == ("PolicyDenied", "MIN_CYCLES_NOT_MET")
    assert (known(reason["facts"])["subscription.cycles_completed"], known(reason["facts"])["min_cycles"]) == ("1", "3")
    assert kept["subscription"]["status"] == "ACTIVE"
    assert gateway.writes() == UNCHANGED

    ended = await cancel(9003)
    assert (ended["problem"], ended["action"]["state"]) == (None, "SUCCEEDED")
    assert (ended["subscription"]["status"], ended["subscription"]["cancelReason"]) == ("CANCELLED", "too much coffee")
    [write] = gateway.shops["subs"].simulator.writes
    assert (write.path, write.body["cancellation_reason"]) == ("/subscriptions/9003/cancel", "too much coffee")
    assert gateway.shops["subs"].simulator.state.subscriptions[9003]["status"] == "cancelled"
    assert gateway.writes() == UNCHANGED | {"subs": 1}


@reads
async def test_every_story_of_the_demos_table_is_there(tmp_path: Path) -> None:
    ids = [story.id for story in STORIES]
    query = """query($ids: [ID!]!) { nodes(ids: $ids) { id
      ... on Order { number customer { email } } ... on SubscriptionContract { customer { email } } } }"""
    async with running_gateway(tmp_path, stores=EVERY_STORE) as gateway:
        found = (await gateway.ask(query, {"ids": ids}))["data"]["nodes"]
    assert [node["id"] for node in found] == ids
    assert [node["customer"]["email"] for node in found] == [story.customer for story in STORIES]
    orders = [story for story in STORIES if story.id.startswith("Order:")]
    assert [node["number"] for node in found[: len(orders)]] == [re.sub("#", "", story.what) for story in orders]
