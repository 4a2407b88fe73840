"""Who is measured: how each is started and asked, and what each leaves out that the gateway does."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from benchmarks.peers.asking import request

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
QUERY = (HERE / "orders.graphql").read_text(encoding="utf-8")
KEY = "bench-key-of-the-desk-0123456789"
SECRETS: Mapping[str, str] = {
    "AFTERSALE_SECRET": "bench-only-secret-known-to-everybody",
    "BENCH_KEY": KEY,
    "WOO_KEY": "ck_bench",
    "WOO_SECRET": "cs_bench",
}

_SETTINGS = """\
stores:
  eu:
    platform: woocommerce
    url: {shop}
    allow_private_address: true
    currency: EUR
    time_zone: Europe/Berlin
    credentials: {{consumer_key: "${{WOO_KEY}}", consumer_secret: "${{WOO_SECRET}}"}}
policies: policy.yaml
database: sqlite:///aftersale.db
secret: "${{AFTERSALE_SECRET}}"
production: true
api_keys:
  - {{name: desk, key: "${{BENCH_KEY}}", assurance: VERIFIED, scopes: [orders:read, customers:read, products:read]}}
# Counted, and never reached.
rates: {{client_per_minute: 100000000, customer_per_minute: 100000000}}
"""
_POLICY = """\
policy: bench
stores: [eu]
rules:
  - {id: cancel, action: CANCEL_ORDER, when: order.fulfillment_status == UNFULFILLED, then: ALLOW}
"""


@dataclass(frozen=True)
class Contender:
    """One way to answer the question, in a process of its own."""

    name: str
    what: str
    #: The arguments of Node, or none for Python's.
    node: tuple[str, ...] = ()
    graphql: bool = True

    def command(self, port: int, shop: str, folder: Path) -> list[str]:
        """`folder` is for its settings and files."""
        if self.node:
            script, *options = self.node
            named = [options.pop(0)] if self.graphql else []
            return ["node", str(HERE / script), *named, str(port), shop, *options]
        if self.name == GATEWAY:
            (folder / "aftersale.yaml").write_text(_SETTINGS.format(shop=shop), encoding="utf-8")
            (folder / "policy.yaml").write_text(_POLICY, encoding="utf-8")
            config = ["--config", str(folder / "aftersale.yaml"), "--host", "127.0.0.1", "--port", str(port)]
            return [sys.executable, "-m", "gateway.cli", "serve", *config]
        return [sys.executable, "-m", "benchmarks.peers.stock", str(port), shop]

    def asked(self, email: str, first: int, cold: int | None = None) -> bytes:
        """The request. `cold`: a document that differs from every other by this number."""
        if not self.graphql:
            return request("GET", f"/orders?email={quote(email)}&first={first}", {}, None)
        headers = {"accept": "application/json"}
        if self.name == GATEWAY:
            headers["authorization"] = f"Bearer {KEY}"
        query = QUERY if cold is None else QUERY.replace("query OrdersOf", f"query OrdersOf{cold}")
        body = json.dumps({"query": query, "variables": {"email": email, "first": first}}).encode()
        return request("POST", "/graphql", headers, body)


GATEWAY = "gateway"
CONTENDERS = (
    Contender(
        GATEWAY, "`aftersale serve`, production, identity by API key, limits, deadlines, budgets, masking, metrics"
    ),
    Contender("yoga", "graphql-yoga, dataloader, fetch", ("graphql.mjs", "yoga")),
    Contender("yoga-jit", "graphql-yoga, graphql-jit, dataloader, undici", ("graphql.mjs", "yoga", "jit", "undici")),
    Contender("mercurius", "mercurius on fastify, dataloader, fetch", ("graphql.mjs", "mercurius")),
    Contender("mercurius-jit", "mercurius, jit, dataloader, undici", ("graphql.mjs", "mercurius", "jit", "undici")),
    Contender("aggregator", "hand-written for this question: node:http, undici", ("aggregator.mjs",), graphql=False),
    Contender("strawberry", "stock Strawberry: ASGI on uvicorn, aiohttp, aiodataloader"),
)
