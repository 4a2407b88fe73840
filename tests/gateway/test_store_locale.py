"""What a policy says of a store's order is told in the language the caller asks for, else in the store's own."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

import pytest
import pytest_asyncio
from pydantic import ValidationError

from platforms.base import StoreConfig
from policies import messages
from policies.messages import Say
from sandbox.people import BOT_KEY
from sandbox.world import PLANS
from tests.running import EVERY_STORE, Gateway, running_gateway

pytestmark = pytest.mark.asyncio(loop_scope="module")

NOW = datetime(2026, 11, 23, 12, 0, 30, tzinfo=UTC)
#: Long after every window.
LATE = "2027-03-01T12:00:00Z"
NL, DE = "Order:nl:3001", "Order:de:0de00001-0000-4000-8000-000000003002"
SE, EU, CA = "Order:se:order_01M8SE00000000000000003001", "Order:eu:2003", "Order:ca:5002"
ASK = """query ($id: ID!) { order(id: $id) { lines { eligibility(actions: [RETURN_ORDER]) {
  decision { reasons { code customerMessage } } } } } }"""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def everywhere(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Gateway]:
    async with running_gateway(tmp_path_factory.mktemp("locale"), NOW, stores=EVERY_STORE) as gateway:
        yield gateway


async def told(gateway: Gateway, id: str, language: str | None = None) -> str:
    headers = {"X-Sandbox-Now": LATE} | ({"Accept-Language": language} if language is not None else {})
    answer = await gateway.ask(ASK, {"id": id}, headers=headers)
    assert "errors" not in answer, answer
    reasons = answer["data"]["order"]["lines"][0]["eligibility"][0]["decision"]["reasons"]
    message: str = next(one["customerMessage"] for one in reasons if one["code"] == "WINDOW_EXPIRED")
    return message


@pytest.mark.parametrize(
    ("id", "begins"),
    [
        (NL, "De retourtermijn van 30 dagen"),
        (DE, "Die Rückgabefrist von 30 Tagen"),
        (SE, "Returfristen på 30 dagar"),
        (CA, "The 30-day return window"),
        (EU, "The 30-day return window"),
    ],
)
async def test_a_caller_that_asks_for_no_language_is_told_in_the_stores(
    everywhere: Gateway, id: str, begins: str
) -> None:
    for nothing in (None, "", "*"):
        message = await told(everywhere, id, nothing)
        assert message.startswith(begins), message


async def test_a_caller_that_asks_for_a_language_is_told_in_it_whatever_the_stores_is(everywhere: Gateway) -> None:
    for id in (NL, DE, SE, EU):
        assert (await told(everywhere, id, "de-AT")).startswith("Die Rückgabefrist")
        assert (await told(everywhere, id, "en")).startswith("The 30-day return window")


async def test_dates_are_written_as_the_stores_language_does(everywhere: Gateway) -> None:
    assert (await told(everywhere, NL)).endswith(" december 2026.")
    assert (await told(everywhere, DE)).endswith(" Dezember 2026.")


async def test_an_action_that_was_refused_is_told_of_in_the_stores_language(everywhere: Gateway) -> None:
    document = """mutation ($input: ReturnOrderInput!) { returnOrder(input: $input, idempotencyKey: "locale-1") {
      action { id decision { reasons { code customerMessage } } } problem { code customerMessage } } }"""
    order = (await everywhere.ask("query ($id: ID!) { order(id: $id) { lines { id } } }", {"id": NL}))["data"]["order"]
    given: dict[str, Any] = {
        "orderId": NL,
        "lines": [{"lineId": order["lines"][0]["id"], "quantity": 1, "reason": "UNWANTED"}],
        "resolution": "REFUND",
    }
    headers = {"X-Sandbox-Now": LATE}
    answer = await everywhere.ask(document, {"input": given}, headers=headers)
    assert "errors" not in answer, answer
    action, problem = (answer["data"]["returnOrder"][name] for name in ("action", "problem"))
    assert problem["customerMessage"].startswith("De retourtermijn")
    [reason] = [one for one in action["decision"]["reasons"] if one["code"] == "WINDOW_EXPIRED"]
    assert reason["customerMessage"].startswith("De retourtermijn")


async def test_a_locale_is_a_language_and_perhaps_a_country() -> None:
    assert StoreConfig(id="nl", platform="x", locale="nl-BE").locale == "nl-BE"
    for odd in ("Dutch", "nl_NL", "NL", ""):
        with pytest.raises(ValidationError):
            StoreConfig(id="nl", platform="x", locale=odd)


async def test_the_bot_is_told_in_the_stores_language_as_well(everywhere: Gateway) -> None:
    headers = {"X-Sandbox-Now": LATE, "Authorization": f"Bearer {BOT_KEY}"}
    answer = await everywhere.ask(ASK, {"id": DE}, headers=headers)
    assert "errors" not in answer, answer
    [reason, *_] = answer["data"]["order"]["lines"][0]["eligibility"][0]["decision"]["reasons"]
    assert reason["customerMessage"].startswith("Die Rückgabefrist")


def _sentences() -> Iterator[Say]:
    for value in vars(messages).values():
        if isinstance(value, Mapping):
            told = [value, *value.values()]
            yield from (one for one in told if isinstance(one, Mapping) and {"en", "de"} <= one.keys())


async def test_every_sentence_of_the_gateway_is_in_every_language_of_the_sandbox_and_names_the_same() -> None:
    languages = {"en", *(str(plan.settings["locale"]).partition("-")[0] for plan in PLANS if "locale" in plan.settings)}
    assert languages == {"en", "de", "nl", "sv"}
    found = list(_sentences())
    assert len(found) > 40
    for say in found:
        assert set(say) == languages
        assert len({frozenset(template.names) for template in say.values()}) == 1, say["en"]


REASONS = """query ($stores: [ID!]) { customer(by: {email: "ada@example.com"}, stores: $stores) {
  orders(first: 20) { nodes { eligibility(actions: [CANCEL_ORDER, RETURN_ORDER, REFUND_ORDER]) {
    decision { reasons { customerMessage } } } } } } }"""


@pytest.mark.parametrize("store", ["nl", "de", "se"])
async def test_no_reason_of_a_store_is_told_half_in_another_language(everywhere: Gateway, store: str) -> None:
    async def said(language: str | None) -> list[str]:
        headers = {"Accept-Language": language} if language is not None else {}
        answer = await everywhere.ask(REASONS, {"stores": [store]}, headers=headers)
        assert "errors" not in answer, answer
        orders = answer["data"]["customer"]["orders"]["nodes"]
        return [
            reason["customerMessage"]
            for order in orders
            for one in order["eligibility"]
            for reason in (one["decision"] or {"reasons": []})["reasons"]
        ]

    own, english = await said(None), await said("en")
    assert len(own) == len(english) > 5
    assert not set(own) & set(english)
