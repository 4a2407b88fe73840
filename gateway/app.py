"""The ASGI application: the endpoint, GraphiQL, health, metrics, and what a request passes on its way."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway.crosssite import ALLOWED_HEADERS, EXPOSED_HEADERS
from gateway.explorer import tabs
from gateway.heads import NO_PAGE, SAFE, bounded
from gateway.http import GraphQLView, may_know_the_schema
from gateway.identity import NotAllowed, NotAuthenticated, NotNow
from gateway.runtime import Runtime

STATIC = Path(__file__).parent / "static" / "graphiql"

#: The page runs scripts of this origin only. Its editor sets styles from script, which CSP knows only as inline.
CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; font-src 'self'; "
    "connect-src 'self'; worker-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)

_NO_PAGE = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Aftersale</title></head><body>
<h1>GraphiQL is not built</h1>
<p>The API runs at <code>/graphql</code>. For this page install Node.js 20 or newer, run <code>make web</code>
and load the page again.</p></body></html>"""


_OF_A_PAGE = (*SAFE, (b"content-security-policy", CONTENT_SECURITY_POLICY.encode()))
_OF_DATA = (*SAFE, NO_PAGE)


class SecurityHeaders:
    """Headers that every answer carries."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        page = scope["path"].startswith("/graphiql")

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] += _OF_A_PAGE if page else _OF_DATA
            await send(message)

        await self.app(scope, receive, with_headers)


def _cors(runtime: Runtime) -> list[Middleware]:
    """What lets pages of the configured origins ask; without one there is nothing to say."""
    origins = runtime.settings.server.origins
    if not origins:
        return []
    return [
        Middleware(
            CORSMiddleware,
            allow_origins=origins,
            allow_methods=["GET", "POST"],
            allow_headers=ALLOWED_HEADERS,
            expose_headers=EXPOSED_HEADERS,
            max_age=600,
        )
    ]


def build_app(runtime: Runtime, middleware: Sequence[Middleware] = ()) -> Starlette:
    """The application over a runtime, which it starts and stops. `middleware` is the sandbox's.

    Its `state.http` is the protocol that its server is to speak.
    """
    settings = runtime.settings
    view = GraphQLView(runtime)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        await runtime.start()
        ahead = asyncio.create_task(view.prepare_trusted())
        try:
            yield
        finally:
            ahead.cancel()
            await asyncio.wait([ahead])
            await view.documents.close()
            await runtime.stop()

    async def healthz(_: Request) -> Response:
        return JSONResponse({"status": "ok"})

    async def readyz(_: Request) -> Response:
        troubles = await runtime.not_ready()
        stores = {id: platform.health().status.value for id, platform in runtime.platforms.items()}
        status = "not ready" if troubles else "ready"
        return JSONResponse(
            {"status": status, "problems": troubles, "stores": stores}, status_code=503 if troubles else 200
        )

    async def metrics(_: Request) -> Response:
        body, content_type = runtime.telemetry.render()
        return Response(body, media_type=None, headers={"content-type": content_type})

    async def closed(request: Request) -> bool:
        """GraphiQL tells the schema: in production it is there only for a caller who may know it."""
        if not settings.production:
            return False
        try:
            viewer = await runtime.identity.viewer(request.headers.getlist("authorization"))
        except (NotAuthenticated, NotAllowed, NotNow):
            return True
        return not may_know_the_schema(viewer)

    async def page(request: Request) -> Response:
        if await closed(request):
            return Response(status_code=404)
        index = STATIC / "index.html"
        return HTMLResponse(index.read_bytes() if index.is_file() else _NO_PAGE)

    async def config(request: Request) -> Response:
        if await closed(request):
            return Response(status_code=404)
        return JSONResponse({"endpoint": "/graphql", "tabs": tabs(runtime.sandbox), "sandbox": runtime.sandbox})

    files = StaticFiles(directory=STATIC, check_dir=False)

    async def page_parts(scope: Scope, receive: Receive, send: Send) -> None:
        hidden = await closed(Request(scope, receive))
        await (Response(status_code=404) if hidden else files)(scope, receive, send)

    async def home(_: Request) -> Response:
        return RedirectResponse("/graphiql")

    app = Starlette(
        routes=[
            Route("/graphql", cast(Any, view)),  # asked most, so looked at first
            Route("/", home),
            Route("/graphiql", page),
            Route("/graphiql/config.json", config),
            Mount("/graphiql", page_parts),
            Route("/healthz", healthz),
            Route("/readyz", readyz),
            Route("/metrics", metrics),
        ],
        middleware=[Middleware(SecurityHeaders), *_cors(runtime), *middleware],
        lifespan=lifespan,
    )
    app.state.http = bounded(settings.limits.header_bytes, settings.deadlines.request_seconds)
    return app
