"""A quote never promises money that the platform does not pay."""

from __future__ import annotations

from datetime import timedelta

from tests.running import Gateway

ELIGIBILITY = """query ($id: ID!) {
  order(id: $id) { eligibility(actions: [CANCEL_ORDER]) { next support quote { total { amount currencyCode } } } }
}"""


async def test_a_shop_that_refunds_on_cancelling_quotes_what_it_pays_back(gateway: Gateway) -> None:
    answer = await gateway.ask(ELIGIBILITY, {"id": "Order:us:450789004"})
    [found] = answer["data"]["order"]["eligibility"]
    assert found["next"] == "CONFIRM"
    assert found["quote"]["total"] == {"amount": "94.00", "currencyCode": "USD"}


async def test_a_shop_that_pays_nothing_back_on_cancelling_quotes_nothing(gateway: Gateway) -> None:
    ten_minutes_later = (gateway.now - timedelta(days=1) + timedelta(minutes=10)).isoformat()
    headers = {"x-sandbox-now": ten_minutes_later}
    answer = await gateway.ask(ELIGIBILITY, {"id": "Order:eu:2001"}, headers=headers)
    assert answer["data"]["order"]["eligibility"] == [{"next": "CONFIRM", "support": "EMULATED", "quote": None}]
