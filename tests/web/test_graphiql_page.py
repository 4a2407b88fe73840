"""The GraphiQL page in a real browser, under the strictest content security policy it works with."""

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import strawberry
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from strawberry.asgi import GraphQL

pytestmark = pytest.mark.browser

# The editor writes its theme into <style> elements and positions its lines by style attributes: without
# 'unsafe-inline' for styles it shows nothing. Its squiggles and checkmarks are data: images.
CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self' 'unsafe-inline'",
        "img-src 'self' data:",
        "font-src 'self'",
        "connect-src 'self'",
        "worker-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
)


@strawberry.type
class Parcel:
    """Something on its way."""

    number: str
    carrier: str


@strawberry.type
class Query:
    """What may be asked here."""

    @strawberry.field
    def parcel(self, info: strawberry.Info, number: str) -> Parcel:
        """The parcel with this number."""
        return Parcel(number=number, carrier=info.context["request"].headers.get("x-carrier", "PostNord"))


TAB_LIST: list[dict[str, Any]] = [
    {
        "title": "Where is my parcel?",
        "query": "query WhereIsIt($number: String!) {\n  parcel(number: $number) { number carrier }\n}",
        "variables": {"number": "ZX-81"},
        "headers": {},
    },
    {
        "title": "By another carrier",
        "query": 'query AnotherCarrier {\n  parcel(number: "QL") { carrier }\n}',
        "variables": {},
        "headers": {"X-Carrier": "Colissimo"},
    },
]


@dataclass
class Site:
    """A server on loopback with the built page and a real graph, and what it tells the page."""

    origin: str
    config: dict[str, Any]

    @property
    def page(self) -> str:
        return f"{self.origin}/graphiql/"


class Policed:
    """Puts the content security policy on every answer, workers' scripts included."""

    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        async def send_policed(message: Any) -> None:
            if message["type"] == "http.response.start":
                policy = (b"content-security-policy", CONTENT_SECURITY_POLICY.encode())
                message = {**message, "headers": [*message["headers"], policy]}
            await send(message)

        await self.app(scope, receive, send_policed)


@pytest.fixture
def site(graphiql_assets: Path) -> Iterator[Site]:
    """Serves the page on an ephemeral port until the test is over."""
    listener = socket.create_server(("127.0.0.1", 0))
    config: dict[str, Any] = {"endpoint": "/graphql", "tabs": TAB_LIST, "sandbox": True}
    served = Site(origin=f"http://127.0.0.1:{listener.getsockname()[1]}", config=config)

    async def answer_config(_: Request) -> Response:
        return JSONResponse(served.config)

    app = Starlette(
        routes=[
            Route("/graphiql/config.json", answer_config),
            Mount("/graphiql", StaticFiles(directory=graphiql_assets, html=True)),
            Route("/graphql", GraphQL(strawberry.Schema(Query), graphql_ide=None)),
        ]
    )
    server = uvicorn.Server(uvicorn.Config(Policed(app), log_level="warning", ws="none", lifespan="off"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        while not server.started and thread.is_alive():
            time.sleep(0.01)
        yield served
    finally:
        server.should_exit = True
        thread.join(timeout=10)
        listener.close()


def test_the_page_opens_on_the_given_tabs_and_the_first_one_answers(
    site: Site, open_graphiql: Callable[[str], Any]
) -> None:
    page = open_graphiql(site.page)
    page.wait_for_text(page.QUERY, "# Where is my parcel?", "query WhereIsIt")
    assert page.driver.title == "Aftersale"
    assert page.text(".aftersale-title").split() == ["Aftersale", "sandbox"]
    assert page.tabs() == ["WhereIsIt", "AnotherCarrier"]
    assert page.wait_for_text(page.VARIABLES, "ZX-81").splitlines() == ["{", '  "number": "ZX-81"', "}"]

    wanted = {"data": {"parcel": {"number": "ZX-81", "carrier": "PostNord"}}}
    assert page.run() == wanted

    assert json.loads(page.wait_for_text(page.RESPONSE, "ZX-81", "PostNord")) == wanted
    assert page.complaints() == []
    asked = page.requests()
    assert f"{site.origin}/graphql" in asked
    assert [url for url in asked if not url.startswith(f"{site.origin}/")] == []


def test_a_tab_sends_its_own_headers(site: Site, open_graphiql: Callable[[str], Any]) -> None:
    page = open_graphiql(site.page)
    page.open_tab("AnotherCarrier")
    assert page.run() == {"data": {"parcel": {"carrier": "Colissimo"}}}
    assert page.complaints() == []


def test_the_explorer_takes_a_field_out_of_the_query(site: Site, open_graphiql: Callable[[str], Any]) -> None:
    page = open_graphiql(site.page)
    page.find("button[aria-label='Show GraphiQL Explorer']").click()
    page.wait_for_text(".graphiql-explorer-root", "parcel", "carrier")
    page.find("[data-field-name='carrier']").click()
    page.wait(lambda: "carrier" not in page.text(page.QUERY), "carrier to leave the query")
    assert page.run() == {"data": {"parcel": {"number": "ZX-81"}}}
    assert page.complaints() == []


def test_the_parts_that_load_later_come_from_the_same_origin(site: Site, open_graphiql: Callable[[str], Any]) -> None:
    page = open_graphiql(site.page)
    page.find("button[aria-label^='Prettify query']").click()
    page.wait(lambda: page.text(page.QUERY).count("\n") == 6, "the formatter to give every field its own line")
    page.find("button[aria-label='Show Documentation Explorer']").click()
    page.wait_for_text(".graphiql-doc-explorer", "Root Types", "Query")
    page.press(page.QUERY, "{ p")
    page.wait_for_text(".suggest-widget", "parcel")
    page.find("button[aria-label='Open settings dialog']").click()
    page.wait_for_text("[role=dialog]", "Theme")
    assert [url for url in page.requests() if not url.startswith(f"{site.origin}/")] == []
    assert page.complaints() == []


def test_the_editor_marks_a_field_that_the_schema_does_not_have(
    site: Site, open_graphiql: Callable[[str], Any]
) -> None:
    site.config["tabs"] = [{"query": '{ parcel(number: "1") { colour } }'}]
    page = open_graphiql(site.page)
    page.find(".graphiql-query-editor .squiggly-error")
    asked = page.requests()
    assert f"{site.origin}/graphiql/graphql.worker.js" in asked
    assert f"{site.origin}/graphiql/json.worker.js" in asked
    assert page.complaints() == []


def test_tabs_that_another_page_left_on_this_origin_do_not_hide_the_given_ones(
    site: Site, open_page: Callable[[str], Any], open_graphiql: Callable[[str], Any]
) -> None:
    left = {"id": "1", "title": "Left", "query": "query Left { a }", "operationName": "Left"}
    state = {"activeTabIndex": 0, "tabs": [left | {"variables": None, "headers": None, "response": None}]}
    page = open_page(f"{site.origin}/graphiql/icon.svg")
    page.driver.execute_script("localStorage.setItem('graphiql:tabState', arguments[0])", json.dumps(state))
    page = open_graphiql(site.page)
    page.wait_for_text(page.QUERY, "query WhereIsIt")
    assert page.tabs() == ["WhereIsIt", "AnotherCarrier"]


def test_what_was_typed_is_kept_until_the_gateway_gives_other_tabs(
    site: Site, open_graphiql: Callable[[str], Any]
) -> None:
    page = open_graphiql(site.page)
    page.open_tab("AnotherCarrier")
    page.press(page.QUERY, "#typed")
    kept = "return localStorage.getItem('aftersale:graphiql:tabState') ?? ''"
    page.wait(lambda: "#typed" in page.driver.execute_script(kept), "the page to keep what was typed")

    open_graphiql(site.page)
    page.wait_for_text(page.QUERY, "#typed")
    assert page.tabs() == ["WhereIsIt", "AnotherCarrier"]
    assert page.run() == {"data": {"parcel": {"carrier": "Colissimo"}}}
    page.open_tab("WhereIsIt")
    page.wait(lambda: '"activeTabIndex":0' in page.driver.execute_script(kept), "the page to keep which tab is open")
    open_graphiql(site.page)
    page.wait_for_text(page.VARIABLES, "ZX-81")

    site.config["tabs"] = TAB_LIST[1:]
    open_graphiql(site.page)
    page.wait_for_text(page.QUERY, "query AnotherCarrier")
    assert page.tabs() == ["AnotherCarrier"]
    assert "#typed" not in page.text(page.QUERY)


def test_outside_the_sandbox_no_header_is_kept(site: Site, open_graphiql: Callable[[str], Any]) -> None:
    site.config["sandbox"] = False
    page = open_graphiql(site.page)
    assert page.text(".aftersale-title") == "Aftersale"
    page.open_tab("AnotherCarrier")
    headers = "section[aria-label='Headers'] .graphiql-editor:not(.hidden) .view-lines"
    page.find("button[data-name='headers']").click()
    page.wait_for_text(headers, "Colissimo")
    page.press(headers, " ")
    page.press(page.QUERY, "#typed")
    kept = "return Object.entries(localStorage).filter(([key]) => !key.endsWith('given-tabs')).join()"
    page.wait(lambda: "#typed" in page.driver.execute_script(kept), "the page to keep what was typed")
    assert "Colissimo" not in page.driver.execute_script(kept)


def test_a_page_that_cannot_read_its_configuration_says_so(site: Site, open_page: Callable[[str], Any]) -> None:
    del site.config["endpoint"]
    page = open_page(site.page)
    page.wait_for_text("[role=alert]", "could not read its configuration", "/graphiql/config.json names no endpoint")
