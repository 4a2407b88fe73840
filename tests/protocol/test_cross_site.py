"""What a page of another site can cause in a browser, and that nothing comes of it."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from urllib.parse import urlencode

import pytest
import pytest_asyncio

from gateway.settings import Server
from tests.protocol.conftest import send
from tests.running import Gateway, running_gateway

pytestmark = pytest.mark.asyncio(loop_scope="module")

SHOP = "https://shop.example"
QUERY = f"/graphql?{urlencode({'query': '{ viewer { assurance } }'})}"
WHO = {"query": "{ viewer { assurance } }"}
CANCEL = {
    "query": 'mutation { cancelOrder(input: {orderId: "Order:us:450789004"}, idempotencyKey: "cross") { replayed } }'
}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shop(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Gateway]:
    """In production, with one page elsewhere that may ask."""
    folder = tmp_path_factory.mktemp("shop")
    async with running_gateway(folder, production=True, server=Server(origins=(SHOP,))) as running:
        yield running


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"accept": "*/*"},
        {"accept": "text/html,application/xhtml+xml,*/*;q=0.8"},
        {"accept": "image/avif,image/webp,*/*", "sec-fetch-dest": "image", "sec-fetch-mode": "no-cors"},
        {"accept": "application/json", "sec-fetch-mode": "navigate", "sec-fetch-dest": "document"},
        {"accept": "application/json", "sec-fetch-mode": "no-cors", "sec-fetch-site": "cross-site"},
        {"accept": "application/json", "sec-fetch-site": "same-site", "origin": "https://other.shop.example"},
        {"graphql-require-preflight": "1", "sec-fetch-site": "cross-site", "origin": "https://evil.example"},
    ],
)
async def test_a_get_that_another_site_could_cause_is_refused(shop: Gateway, headers: dict[str, str]) -> None:
    answer = await send(shop, "GET", QUERY, headers=headers)
    assert (answer.status, answer.code) == (403, "CROSS_SITE")


@pytest.mark.parametrize(
    "headers",
    [
        {"accept": "application/graphql-response+json"},
        {"accept": "application/json"},
        {"graphql-require-preflight": "1"},
        {"apollo-require-preflight": "true"},
        {"x-apollo-operation-name": "A"},
        {"accept": "application/json", "sec-fetch-site": "same-origin", "sec-fetch-mode": "cors"},
        {"accept": "application/json", "sec-fetch-site": "cross-site", "sec-fetch-mode": "cors", "origin": SHOP},
    ],
)
async def test_a_get_that_shows_it_is_no_link_is_answered(shop: Gateway, headers: dict[str, str]) -> None:
    answer = await send(shop, "GET", QUERY, headers=headers)
    assert (answer.status, answer.body["data"]) == (200, {"viewer": {"assurance": "STAFF"}})


async def test_in_development_a_plain_get_is_answered_and_a_link_is_not(development: Gateway) -> None:
    assert (await send(development, "GET", QUERY)).status == 200
    link = {"sec-fetch-mode": "navigate", "sec-fetch-site": "none", "sec-fetch-dest": "document"}
    assert (await send(development, "GET", QUERY, headers=link)).status == 403


@pytest.mark.parametrize(
    ("content_type", "headers"),
    [
        ("text/plain", {}),
        ("application/x-www-form-urlencoded", {}),
        ("multipart/form-data; boundary=x", {"graphql-require-preflight": "1"}),
        ("application/json", {"sec-fetch-site": "cross-site", "origin": "https://evil.example"}),
        ("application/json", {"sec-fetch-site": "cross-site", "origin": "null"}),
        ("application/json", {"sec-fetch-site": "same-site", "origin": "https://blog.shop.example"}),
    ],
)
async def test_a_mutation_of_another_site_changes_nothing(
    shop: Gateway, content_type: str, headers: dict[str, str]
) -> None:
    before = shop.writes()
    answer = await send(shop, data=json.dumps(CANCEL), headers={"content-type": content_type, **headers})
    assert answer.status in (403, 415)
    by_get = f"/graphql?{urlencode(CANCEL)}"
    assert (await send(shop, "GET", by_get, headers={"graphql-require-preflight": "1"})).status == 405
    assert shop.writes() == before


async def test_a_browser_is_told_which_origin_may_ask(shop: Gateway) -> None:
    ask = {"access-control-request-method": "POST", "access-control-request-headers": "content-type,authorization"}
    async with shop.session.options(f"{shop.url}/graphql", headers={"origin": SHOP, **ask}) as response:
        assert response.status == 200
        assert response.headers["access-control-allow-origin"] == SHOP
        assert "access-control-allow-credentials" not in response.headers
    async with shop.session.options(
        f"{shop.url}/graphql", headers={"origin": "https://evil.example", **ask}
    ) as refused:
        assert refused.status == 400
        assert "access-control-allow-origin" not in refused.headers
    answer = await send(shop, json=WHO, headers={"origin": SHOP, "sec-fetch-site": "cross-site"})
    assert answer.headers["access-control-allow-origin"] == SHOP
    assert "x-request-id" in answer.headers["access-control-expose-headers"].lower()


async def test_without_configured_origins_no_page_elsewhere_may_ask(development: Gateway) -> None:
    answer = await send(development, "OPTIONS", headers={"origin": SHOP, "access-control-request-method": "POST"})
    assert answer.status in (403, 405)
    assert not [name for name in answer.headers if name.startswith("access-control-")]


@pytest.mark.parametrize("path", ["/graphql", "/graphiql", "/healthz", "/nothing"])
async def test_every_answer_carries_the_security_headers(development: Gateway, path: str) -> None:
    async with development.session.get(f"{development.url}{path}") as response:
        headers = response.headers
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-frame-options"] == "DENY"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["cross-origin-resource-policy"] == "same-origin"
    assert headers["cross-origin-opener-policy"] == "same-origin"
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert "server" not in headers
    if path == "/graphql":
        assert headers["cache-control"] == "no-store"
