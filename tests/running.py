"""The whole gateway over the simulated stores, inside the test's own loop, reached over real sockets."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
from starlette.middleware import Middleware
from starlette.routing import Route

from gateway.app import build_app
from gateway.http import GraphQLView
from gateway.operations import document
from gateway.proofs import Post
from gateway.runtime import Runtime
from sandbox.middleware import SandboxControls, fault_headers
from sandbox.serving import serve
from sandbox.world import PLANS, Shop, open_shops, sandbox_settings

#: The stores whose stories most tests tell, call by call. The sandbox has more: see `EVERY_STORE`.
FEW = ("us", "eu", "subs")
EVERY_STORE = tuple(plan.key for plan in PLANS)


@dataclass
class Gateway:
    """A running gateway and the shops behind it."""

    url: str
    shops: dict[str, Shop]
    runtime: Runtime
    session: aiohttp.ClientSession
    now: datetime
    view: GraphQLView

    async def ask(
        self, query: str, variables: Mapping[str, Any] | None = None, *, headers: Mapping[str, str] | None = None
    ) -> dict[str, Any]:
        """A GraphQL answer, whatever it holds; the HTTP status must be 200."""
        async with self.session.post(
            f"{self.url}/graphql", json={"query": query, "variables": dict(variables or {})}, headers=headers
        ) as response:
            text = await response.text()
            assert response.status == 200, (response.status, text)
            answer: dict[str, Any] = json.loads(text)
            return answer

    async def run(
        self, name: str, variables: Mapping[str, Any] | None = None, *, headers: Mapping[str, str] | None = None
    ) -> dict[str, Any]:
        """The data of a documented operation, which must have no errors."""
        answer = await self.ask(document(name), variables, headers=headers)
        assert "errors" not in answer, answer["errors"]
        data: dict[str, Any] = answer["data"]
        return data

    def calls(self, answer: Mapping[str, Any]) -> list[tuple[str, str]]:
        """The upstream calls that an answer took, as (store, operation)."""
        return [(call["store"], call["operation"]) for call in answer.get("extensions", {}).get("upstream", [])]

    async def send(
        self, query: str, variables: Mapping[str, Any] | None = None, *, token: str | None = None, **headers: str
    ) -> tuple[int, dict[str, Any], Mapping[str, str]]:
        """Status, answer and headers, whatever they are. Words of `headers` are joined by hyphens."""
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if token is not None:
            sent["authorization"] = f"Bearer {token}"
        body = {"query": query, "variables": dict(variables or {})}
        async with self.session.post(f"{self.url}/graphql", json=body, headers=sent) as response:
            return (
                response.status,
                json.loads(await response.text()),
                {k.lower(): v for k, v in response.headers.items()},
            )

    def writes(self) -> dict[str, int]:
        """How many calls that could change something each store has had."""
        return {key: len(shop.simulator.writes) for key, shop in self.shops.items()}


@asynccontextmanager
async def running_gateway(
    folder: Path,
    now: datetime | None = None,
    *,
    stores: Sequence[str] = FEW,
    post: Post | None = None,
    generous: bool = False,
    at_once: bool = True,
    **changes: Any,
) -> AsyncIterator[Gateway]:
    """The sandbox's gateway over some of its stores; `changes` replace settings, `post` takes one-time codes,
    `generous`: no throttling, `at_once`: operations are compiled when they are first asked for, since most that are
    served were asked for before."""
    start = now or datetime.now(UTC)
    plans = tuple(plan.generous() if generous else plan for plan in PLANS if plan.key in stores)
    async with open_shops(start, plans) as shops, aiohttp.ClientSession() as session:
        settings = sandbox_settings(
            {key: shop.url for key, shop in shops.items()}, folder, generous=generous, **changes
        )
        runtime = Runtime(settings, sandbox=True, extra_headers=fault_headers, post=post)
        await runtime.start()
        await runtime.probed()
        try:
            app = build_app(runtime, [Middleware(SandboxControls)])
            [view] = [route.endpoint for route in app.routes if isinstance(route, Route) and route.path == "/graphql"]
            assert isinstance(view, GraphQLView)
            view.operations.ahead = not at_once
            async with serve(app) as url:
                yield Gateway(url, shops, runtime, session, start, view)
        finally:
            await runtime.stop()
