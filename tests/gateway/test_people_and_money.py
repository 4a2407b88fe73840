"""Whole stories over HTTP: a preview that is confirmed, a refund, a return that somebody agrees to, and who is told."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from gateway.operations import document
from gateway.settings import ApiKey, Approvals, Webhook
from platforms.secrets import SecretText
from sandbox.people import BOT, BOT_KEY, BOT_SCOPES, SandboxProvider, session_of
from sandbox.serving import serve
from sandbox.world import SECRET, STORIES
from tests.running import EVERY_STORE, Gateway, running_gateway

PEOPLE = SandboxProvider()
SAM, LEE, CLEO = PEOPLE.staff(), PEOPLE.approver(), session_of("cleo@example.com", SECRET)
JACKET = "Order:eu:2003"

CONFIRM, REFUND, MOVE, TIMELINE = (document(name) for name in ("Confirm", "RefundIt", "MoveReturn", "WhatHappened"))


@pytest.fixture
async def gateway(tmp_path: Path) -> AsyncIterator[Gateway]:
    async with running_gateway(tmp_path, people=PEOPLE) as running:
        yield running


async def as_(gateway: Gateway, token: str, query: str, variables: dict[str, Any]) -> dict[str, Any]:
    """The data of an answer that has no errors."""
    status, body, _ = await gateway.send(query, variables, token=token)
    assert (status, body.get("errors")) == (200, None), body
    data: dict[str, Any] = body["data"]
    return data


async def line_of(gateway: Gateway, order: str) -> str:
    answer = await gateway.ask("query($id: ID!) { order(id: $id) { lines { id } } }", {"id": order})
    return str(answer["data"]["order"]["lines"][0]["id"])


async def jacket_waits(gateway: Gateway, key: str = "jacket") -> str:
    lines = [{"lineId": await line_of(gateway, JACKET), "quantity": 1, "reason": "UNWANTED"}]
    asked = {"input": {"orderId": JACKET, "lines": lines}, "key": key}
    answer = (await as_(gateway, SAM, document("ReturnIt"), asked))["returnOrder"]
    assert answer["action"]["state"] == "AWAITING_APPROVAL"
    return str(answer["action"]["id"])


async def test_cleo_confirms_what_she_was_shown_and_once(gateway: Gateway) -> None:
    preview = (
        await as_(gateway, CLEO, document("Preview"), {"input": {"cancelOrder": {"orderId": "Order:us:450789004"}}})
    )["preview"]
    assert preview["problem"] is None
    done = (await as_(gateway, CLEO, CONFIRM, {"token": preview["token"]}))["confirm"]
    assert (done["problem"], done["replayed"]) == (None, False)
    assert done["action"]["state"] in ("PENDING", "SUCCEEDED")
    again = (await as_(gateway, CLEO, CONFIRM, {"token": preview["token"]}))["confirm"]
    assert (again["replayed"], again["action"]["id"]) == (True, done["action"]["id"])
    assert len(gateway.shops["us"].simulator.writes) == 1
    foreign = (await as_(gateway, BOT_KEY, CONFIRM, {"token": preview["token"]}))["confirm"]
    assert foreign["problem"]["code"] == "INVALID_INPUT"


async def test_sam_may_not_approve_and_lee_may_and_the_return_is_held(gateway: Gateway) -> None:
    id = await jacket_waits(gateway)
    own = (await as_(gateway, SAM, document("Approve"), {"id": id}))["approveAction"]
    assert own["problem"]["code"] == "IDENTITY_INSUFFICIENT"
    assert gateway.writes() == {"us": 0, "eu": 0, "subs": 0}
    approved = (await as_(gateway, LEE, document("Approve"), {"id": id, "note": "A good customer."}))["approveAction"]
    assert (approved["problem"], approved["action"]["state"]) == (None, "SUCCEEDED")
    assert approved["action"]["approvedBy"]["name"] == "Lee"
    twice = (await as_(gateway, LEE, document("Approve"), {"id": id}))["approveAction"]
    assert (twice["problem"]["code"], twice["problem"]["kind"]) == ("CONFLICT", "ALREADY_DONE")
    assert gateway.writes() == {"us": 0, "eu": 1, "subs": 0}


async def test_approving_takes_these_calls_and_turning_down_none(gateway: Gateway) -> None:
    id = await jacket_waits(gateway)
    before = len(gateway.shops["eu"].simulator.calls)
    await as_(gateway, LEE, document("Approve"), {"id": id})
    # The facts with whose they are, the note that is left at the shop, and the order with its customer as it is then.
    assert len(gateway.shops["eu"].simulator.calls) - before == 5
    asked = {"input": {"orderId": JACKET, "currencyCode": "EUR", "amount": "100.00", "reason": "late"}, "key": "r"}
    other = (await as_(gateway, SAM, REFUND, asked))["refundOrder"]["action"]["id"]
    before = len(gateway.shops["eu"].simulator.calls)
    rejected = (await as_(gateway, LEE, document("Reject"), {"id": other, "note": "No."}))["rejectAction"]
    assert (rejected["problem"], rejected["action"]["state"]) == (None, "REJECTED")
    assert len(gateway.shops["eu"].simulator.calls) == before


async def test_a_return_is_agreed_to_received_and_paid_and_its_story_is_told(gateway: Gateway) -> None:
    id = await jacket_waits(gateway)
    await as_(gateway, LEE, document("Approve"), {"id": id})
    order = (await as_(gateway, SAM, TIMELINE, {"id": JACKET}))["order"]
    [held] = order["returns"]
    moved = (await as_(gateway, SAM, MOVE, {"id": held["id"], "to": "RECEIVED"}))["moveReturn"]
    assert (moved["problem"], moved["returnRecord"]["status"]) == (None, "RECEIVED")
    asked = {
        "input": {
            "orderId": JACKET,
            "currencyCode": "EUR",
            "lines": [{"lineId": await line_of(gateway, JACKET), "quantity": 1}],
            "reason": "came back",
            "returnId": held["id"],
        },
        "key": "pay",
    }
    paid = (await as_(gateway, SAM, REFUND, asked))["refundOrder"]
    assert paid["action"]["state"] == "AWAITING_APPROVAL", "129 EUR is over the limit of 90"
    await as_(gateway, LEE, document("Approve"), {"id": paid["action"]["id"]})
    told = (await as_(gateway, SAM, TIMELINE, {"id": JACKET}))["order"]
    assert [one["status"] for one in told["returns"]] == ["CLOSED"]
    assert told["returns"][0]["refunds"] == told["refunds"]
    assert len(told["refunds"]) == 1
    kinds = [entry["kind"] for entry in reversed(told["timeline"])]
    assert kinds[0] == "ORDER_PLACED"
    assert {"ACTION_DECIDED", "ACTION_APPROVED", "ACTION_SUCCEEDED", "RETURN_RECEIVED", "REFUNDED"} <= set(kinds)
    approved = next(entry for entry in told["timeline"] if entry["kind"] == "ACTION_APPROVED")
    assert approved["actor"] == {"kind": "STAFF", "name": "Lee"}


async def test_these_operations_take_exactly_these_calls(gateway: Gateway) -> None:
    def calls() -> int:
        return sum(len(shop.simulator.calls) for shop in gateway.shops.values())

    async def taking(token: str, name: str, variables: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        before = calls()
        data = await as_(gateway, token, document(name), variables)
        return calls() - before, next(iter(data.values()))

    money = {"orderId": "Order:us:450789002", "currencyCode": "USD", "amount": "5.00", "reason": "late"}
    took, preview = await taking(SAM, "Preview", {"input": {"refundOrder": money}})
    assert took == 1, "the order"
    took, done = await taking(SAM, "Confirm", {"token": preview["token"]})
    assert (took, done["problem"]) == (4, None), (
        "the facts, the platform's own sum, the refund, the order as it is then"
    )
    took, paid = await taking(SAM, "RefundIt", {"input": money, "key": "again"})
    assert (took, paid["problem"]) == (4, None)
    took, told = await taking(SAM, "WhatHappened", {"id": "Order:us:450789002"})
    assert (took, len(told["refunds"])) == (1, 2), "the story itself is the ledger's and the order's"
    id = await jacket_waits(gateway)
    await as_(gateway, LEE, document("Approve"), {"id": id})
    held = (await as_(gateway, SAM, TIMELINE, {"id": JACKET}))["order"]["returns"][0]["id"]
    took, moved = await taking(SAM, "MoveReturn", {"id": held, "to": "RECEIVED"})
    assert (took, moved["problem"]) == (2, None), "the order with its customer"
    took, settled = await taking(LEE, "Settle", {"id": id, "outcome": "HAPPENED", "note": "It is done."})
    assert (took, settled["problem"]["kind"]) == (0, "ALREADY_DONE")


async def test_a_small_refund_is_paid_and_the_same_key_pays_nothing_more(gateway: Gateway) -> None:
    asked = {
        "input": {"orderId": "Order:us:450789002", "currencyCode": "USD", "amount": "5.00", "reason": "late"},
        "key": "five",
    }
    paid = (await as_(gateway, SAM, REFUND, asked))["refundOrder"]
    assert (paid["problem"], paid["action"]["state"]) == (None, "SUCCEEDED")
    assert paid["refund"]["amount"]["presentment"] == {"amount": "5.00", "currencyCode": "USD"}
    assert paid["refund"]["moneyMoved"] == "YES"
    again = (await as_(gateway, SAM, REFUND, asked))["refundOrder"]
    assert (again["replayed"], again["refund"]["id"]) == (True, paid["refund"]["id"])
    assert len(gateway.shops["us"].simulator.writes) == 1


async def test_a_refund_is_no_customers_and_no_bots(gateway: Gateway) -> None:
    asked = {
        "input": {"orderId": "Order:us:450789002", "currencyCode": "USD", "amount": "5.00", "reason": "late"},
        "key": "five",
    }
    for token in (CLEO, BOT_KEY):
        _, body, _ = await gateway.send(REFUND, asked, token=token)
        assert "orders:refund" in body["errors"][0]["message"]
    assert gateway.writes() == {"us": 0, "eu": 0, "subs": 0}


@pytest.mark.parametrize("token", [CLEO, BOT_KEY], ids=["customer", "bot"])
@pytest.mark.parametrize(
    "mutation",
    [
        "approveAction(id: $id)",
        'rejectAction(id: $id, note: "no")',
        'resolveAction(id: $id, outcome: HAPPENED, note: "x")',
    ],
)
async def test_deciding_takes_the_scope(gateway: Gateway, token: str, mutation: str) -> None:
    query = f"mutation($id: ID!) {{ {mutation} {{ problem {{ code }} }} }}"
    _, body, _ = await gateway.send(query, {"id": "Action:x"}, token=token)
    assert "actions:approve" in body["errors"][0]["message"]


async def test_a_key_may_be_held_to_previews_and_so_are_its_sessions(tmp_path: Path) -> None:
    key = ApiKey(name=BOT, key=SecretText(BOT_KEY), scopes=BOT_SCOPES, require_preview=True)
    async with running_gateway(tmp_path, people=PEOPLE, api_keys=(key,)) as gateway:
        asked = {"input": {"orderId": "Order:us:450789004"}, "key": "k"}
        direct = (await as_(gateway, CLEO, document("CancelIt"), asked))["cancelOrder"]
        assert direct["problem"]["kind"] == "PREVIEW_REQUIRED"
        preview = await as_(gateway, CLEO, document("Preview"), {"input": {"cancelOrder": asked["input"]}})
        done = await as_(gateway, CLEO, CONFIRM, {"token": preview["preview"]["token"]})
        assert done["confirm"]["problem"] is None


class Hook:
    """What receives notices: refuses the first, then takes them."""

    def __init__(self) -> None:
        self.seen: list[tuple[dict[str, str], bytes]] = []
        self.taken = asyncio.Event()
        self.app = Starlette(routes=[Route("/hooks/aftersale", self.receive, methods=["POST"])])

    async def receive(self, request: Request) -> Response:
        self.seen.append((dict(request.headers), await request.body()))
        if len(self.seen) == 1:
            return Response(status_code=500)
        self.taken.set()
        return Response(status_code=204)


async def test_the_webhook_is_told_signed_and_told_again_until_it_takes_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("actions.notices._FIRST", 0.05)  # seconds until the second try
    hook, secret = Hook(), "a-webhook-secret-of-enough-characters"
    async with serve(hook.app) as url:
        webhook = Webhook(url=f"{url}/hooks/aftersale", secret=SecretText(secret), allow_private_address=True)
        settings = {"approvals": Approvals(webhook=webhook)}
        async with running_gateway(tmp_path, people=PEOPLE, **settings) as gateway:
            id = await jacket_waits(gateway)
            await asyncio.wait_for(hook.taken.wait(), 15)
    (first, _), (headers, body) = hook.seen[:2]
    assert first["webhook-id"] == headers["webhook-id"], "a receiver can tell a repetition"
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    wanted = base64.b64encode(hmac.digest(secret.encode(), signed, hashlib.sha256)).decode()
    assert headers["webhook-signature"] == f"v1,{wanted}"
    told = json.loads(body)
    assert (told["type"], told["data"]) == (
        "action.awaiting_approval",
        {"action": id, "summary": "Return 1 × Wanderjacke of order 2003"},
    )
    assert "@" not in body.decode()


async def test_what_every_store_was_asked_in_a_preview_can_be_confirmed(tmp_path: Path) -> None:
    """A digest of what was shown must not change by itself, whatever a store answers."""
    done: dict[str, set[str]] = {}
    async with running_gateway(tmp_path, people=PEOPLE, generous=True, stores=EVERY_STORE) as gateway:
        for story in STORIES:
            if not story.id.startswith("Order:"):
                continue
            query = """query($id: ID!) { order(id: $id) { totals { total { presentment { currencyCode } } }
              lines { id quantity { returnable } } } }"""
            order = (await as_(gateway, SAM, query, {"id": story.id}))["order"]
            currency = order["totals"]["total"]["presentment"]["currencyCode"]
            line = next((one["id"] for one in order["lines"] if one["quantity"]["returnable"]), order["lines"][0]["id"])
            asked: dict[str, dict[str, Any]] = {
                "refundOrder": {"orderId": story.id, "currencyCode": currency, "amount": "1.00", "reason": "late"},
                "returnOrder": {
                    "orderId": story.id,
                    "lines": [{"lineId": line, "quantity": 1, "reason": "DEFECTIVE"}],
                },
                "cancelOrder": {"orderId": story.id},
            }
            for name, given in asked.items():
                preview = (await as_(gateway, SAM, document("Preview"), {"input": {name: given}}))["preview"]
                if preview["token"] is None or name in done.get(story.store, ()):
                    continue
                answer = (await as_(gateway, SAM, CONFIRM, {"token": preview["token"]}))["confirm"]
                assert (answer["problem"] or {}).get("kind") is None, (story.id, name, answer)
                if (answer["action"] or {}).get("state") in ("SUCCEEDED", "PENDING"):
                    done.setdefault(story.store, set()).add(name)
    assert {store for store, names in done.items() if "refundOrder" in names} >= {"us", "eu", "ca", "se", "de", "nl"}
    assert {store for store, names in done.items() if "returnOrder" in names} >= {"us", "eu", "ca", "se", "de", "nl"}
    assert {"us", "de"} <= {store for store, names in done.items() if "cancelOrder" in names}
