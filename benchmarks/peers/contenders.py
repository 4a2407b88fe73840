"""Who is measured: how each is started and asked, and what each leaves out that the gateway does."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote

from benchmarks.peers.asking import request

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
#: Folders with packages of Node's, to be installed before.
PACKAGES = (HERE, HERE / "hive")
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

#: Gives the arguments of the process: its port, the shop's address, a folder for its settings and files.
Start = Callable[[int, str, Path], list[str]]


def gateway(port: int, shop: str, folder: Path, policy: str = _POLICY) -> list[str]:
    """`aftersale serve` over the shop."""
    (folder / "aftersale.yaml").write_text(_SETTINGS.format(shop=shop), encoding="utf-8")
    (folder / "policy.yaml").write_text(policy, encoding="utf-8")
    config = ["--config", str(folder / "aftersale.yaml"), "--host", "127.0.0.1", "--port", str(port)]
    return [sys.executable, "-m", "gateway.cli", "serve", *config]


def _node(script: str, *named: str, options: tuple[str, ...] = ()) -> Start:
    return lambda port, shop, _: ["node", str(HERE / script), *named, str(port), shop, *options]


def _python(module: str, *options: str) -> Start:
    return lambda port, shop, _: [sys.executable, "-m", f"benchmarks.peers.{module}", str(port), shop, *options]


def _hive(options: tuple[str, ...], port: int, shop: str, folder: Path) -> list[str]:
    """Mesh composes the schema from the shop's OpenAPI document, then Hive Gateway serves it in one process."""
    home, made = HERE / "hive", folder / "supergraph.graphql"
    compose = ["node", str(home / "node_modules/.bin/mesh-compose"), "-c", str(home / "mesh.config.mjs")]
    environment = {**os.environ, "SHOP": shop}
    done = subprocess.run([*compose, "-o", str(made)], cwd=folder, env=environment, capture_output=True, check=False)
    if done.returncode or not made.is_file():
        raise SystemExit(f"Mesh did not compose: {(done.stdout + done.stderr).decode()[-2000:]}")
    serve = ["node", str(home / "node_modules/.bin/hive-gateway"), "supergraph", str(made)]
    return [*serve, "-h", "127.0.0.1", "-p", str(port), "--fork", "1", *options]


def orders(data: Any) -> list[Any]:
    return list(data["customer"]["orders"]["nodes"])


def _hive_orders(data: Any) -> list[Any]:
    person = data["customers"][0]
    return [*person["orders"], *person["guestOrders"]]


def facts(data: Any) -> list[Any]:
    """What is told of the orders, whatever the words: numbers, amounts, lines and their products."""
    return [
        (
            order["number"],
            order["totals"]["total"]["presentment"]["amount"],
            [
                (
                    line["title"],
                    line["sku"],
                    line["quantity"]["ordered"],
                    line["total"]["presentment"]["amount"],
                    *(line["product"][word] for word in ("title", "url")),
                    [(image["url"], image["alt"]) for image in line["product"]["images"]],
                )
                for line in order["lines"]
            ],
        )
        for order in orders(data)
    ]


def _hive_facts(data: Any) -> list[Any]:
    return [
        (
            order["number"],
            order["total"],
            [
                (
                    *(line[word] for word in ("name", "sku", "quantity", "total")),
                    *(line["product"][word] for word in ("name", "permalink")),
                    [(image["src"], image["alt"]) for image in line["product"]["images"]],
                )
                for line in order["line_items"]
            ],
        )
        for order in _hive_orders(data)
    ]


QUERY = (HERE / "orders.graphql").read_text(encoding="utf-8")
_HIVE_QUERY = (HERE / "hive" / "orders.graphql").read_text(encoding="utf-8")


@dataclass(frozen=True)
class Contender:
    """One way to answer the question, in a process of its own."""

    name: str
    what: str
    start: Start
    #: Empty: not GraphQL.
    query: str = QUERY
    #: Whether it is asked for with the key.
    key: bool = False
    #: How its answer differs by design; its facts must still be the same.
    differs: str = ""
    orders: Callable[[Any], list[Any]] = orders
    facts: Callable[[Any], list[Any]] = facts

    def asked(self, email: str, first: int, cold: int | None = None) -> bytes:
        """The request. `cold`: a document that differs from every other by this number."""
        if not self.query:
            return request("GET", f"/orders?email={quote(email)}&first={first}", {}, None)
        headers = {"accept": "application/json"}
        if self.key:
            headers["authorization"] = f"Bearer {KEY}"
        query = self.query if cold is None else self.query.replace("query OrdersOf", f"query OrdersOf{cold}")
        body = json.dumps({"query": query, "variables": {"email": email, "first": first}}).encode()
        return request("POST", "/graphql", headers, body)


_OWN_WORDS = "the same facts in the shop's own words: flat, no enums, one currency for an order"
_hive_contender = partial(Contender, query=_HIVE_QUERY, differs=_OWN_WORDS, orders=_hive_orders, facts=_hive_facts)

GATEWAY = "gateway"
CONTENDERS = (
    Contender(
        GATEWAY,
        "`aftersale serve`, production, identity by API key, limits, deadlines, budgets, masking, metrics",
        gateway,
        key=True,
    ),
    Contender("yoga", "graphql-yoga, dataloader, fetch", _node("graphql.mjs", "yoga")),
    Contender(
        "yoga-jit",
        "graphql-yoga, graphql-jit, dataloader, undici",
        _node("graphql.mjs", "yoga", options=("jit", "undici")),
    ),
    Contender("mercurius", "mercurius on fastify, dataloader, fetch", _node("graphql.mjs", "mercurius")),
    Contender(
        "mercurius-jit",
        "mercurius, jit, dataloader, undici",
        _node("graphql.mjs", "mercurius", options=("jit", "undici")),
    ),
    _hive_contender(
        "hive", "Hive Gateway over the shop's OpenAPI document, put together by Mesh; nothing else", partial(_hive, ())
    ),
    _hive_contender("hive-jit", "the same with --jit", partial(_hive, ("--jit",))),
    Contender("aggregator", "hand-written for this question: node:http, undici", _node("aggregator.mjs"), query=""),
    Contender(
        "aggregator-python",
        "hand-written for this question: starlette on uvicorn, aiohttp, orjson",
        _python("aggregator"),
        query="",
    ),
    Contender("strawberry", "stock Strawberry: ASGI on uvicorn, aiohttp, aiodataloader", _python("stock")),
    Contender(
        "strawberry-tuned",
        "the same with its parser and validation caches, orjson, a resolver that hands on the loader's future",
        _python("stock", "tuned"),
    ),
)
