"""`python -m benchmarks.peers.upstream`: a shop that answers from bytes made before, so that what it costs is alike for
all who ask; it counts what it was asked, and waits as long as it is told."""

from __future__ import annotations

import argparse
import asyncio
import copy
import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs

import httptools
import uvloop

from platforms.woocommerce.seed import seed

#: Orders of each customer: with the query of `orders.graphql` some 5, 30 and 100 KB of answer.
SIZES: Mapping[str, int] = {"5 KB": 2, "30 KB": 12, "100 KB": 41}
LINES = 4
#: One more customer, with orders of the last forty days and fewer lines, about which something can be decided.
DECIDED, DECIDED_LINES, DECIDED_EMAIL = 20, 2, "decided@example.com"
_PRODUCTS = 30
#: The same bytes in every run.
_NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
_API = "/wp-json/wc/v3"
_NO_ROUTE = json.dumps(
    {
        "code": "rest_no_route",
        "message": "No route was found matching the URL and request method.",
        "data": {"status": 404},
    }
).encode()


def email(orders: int) -> str:
    """Of the customer who has so many orders."""
    return f"orders{orders}@example.com"


@dataclass
class Shop:
    """Every answer, encoded."""

    customers: dict[str, bytes] = field(default_factory=dict)
    orders: dict[str, bytes] = field(default_factory=dict)
    products: dict[str, bytes] = field(default_factory=dict)


def shop() -> Shop:
    """Bodies of the simulated shop, multiplied; prices are without tax, so that a line's total is a word of its own."""
    of = seed(_NOW)
    made = Shop()
    for number in range(1, _PRODUCTS + 1):
        row = copy.deepcopy(of.products[501])
        row |= {"id": number, "name": f"Linen shirt no. {number}", "slug": f"linen-shirt-{number}"}
        row |= {"sku": f"SHIRT-{number:03}", "price": f"{20 + number}.00", "regular_price": f"{20 + number}.00"}
        row["permalink"] = f"https://eu.shop.example.com/product/linen-shirt-{number}/"
        row["description"] = "<p>" + "A light shirt of Belgian linen, washed once before it is sewn. " * 8 + "</p>"
        row["images"] = [
            {
                "id": number * 10 + at,
                "src": f"https://images.example.com/eu/{number}-{at}.jpg",
                "name": f"{number}-{at}",
                "alt": f"Linen shirt no. {number}, view {at}",
            }
            for at in (1, 2)
        ]
        row["meta_data"] = [{"id": number * 100 + at, "key": f"_meta_{at}", "value": f"value {at}"} for at in range(6)]
        made.products[str(number)] = encoded(row)
    day, today = timedelta(days=1), datetime.now(UTC).replace(microsecond=0)
    people = [
        (email(count), LINES, [_NOW - (100 - number) * day for number in range(count, 0, -1)])
        for count in SIZES.values()
    ]
    people.append((DECIDED_EMAIL, DECIDED_LINES, [today - 2 * age * day for age in range(DECIDED)]))
    for address, lines, dates in people:
        customer = copy.deepcopy(of.customers[31]) | {"id": 1000 + len(dates), "email": address}
        made.customers[address] = encoded([customer])
        rows = [order(of.orders[2001], customer, len(dates) - at, lines, placed) for at, placed in enumerate(dates)]
        made.orders[str(customer["id"])] = encoded(rows)
    return made


def order(
    pattern: Mapping[str, Any], customer: Mapping[str, Any], number: int, count: int, placed: datetime
) -> dict[str, Any]:
    """One order like the pattern, with so many lines; the newest with the highest number."""
    row: dict[str, Any] = copy.deepcopy(dict(pattern))
    native = customer["id"] * 1000 + number
    status = ("processing", "completed", "completed", "cancelled")[number % 4]
    row |= {"id": native, "number": str(native), "status": status, "customer_id": customer["id"]}
    row |= {"prices_include_tax": False, "refunds": [], "billing": dict(customer["billing"], email=customer["email"])}
    for word, days in (("created", 0), ("modified", 2), ("paid", 0), ("completed", 2)):
        at = (placed + timedelta(days=days)).replace(tzinfo=None).isoformat()
        none = (word == "completed" and status != "completed") or (word == "paid" and status == "cancelled")
        row |= {f"date_{word}": None if none else at, f"date_{word}_gmt": None if none else at}
    lines = []
    for at in range(count):
        product, quantity = (number * 7 + at * 13) % _PRODUCTS + 1, 1 + at % 3
        line = copy.deepcopy(row["line_items"][0])
        total = f"{(20 + product) * quantity}.00"
        line |= {"id": native * 10 + at, "name": f"Linen shirt no. {product}", "product_id": product}
        line |= {"quantity": quantity, "subtotal": total, "total": total, "sku": f"SHIRT-{product:03}"}
        lines.append(line)
    row |= {"line_items": lines, "total": f"{sum(float(line['total']) for line in lines) + 4.12:.2f}"}
    return row


def encoded(body: Any) -> bytes:
    return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()


class Upstream:
    """The routes; `delay` in seconds."""

    def __init__(self) -> None:
        self.shop = shop()
        self.delay = 0.0
        self.counts: Counter[str] = Counter()

    def answer(self, target: str) -> tuple[int, bytes]:
        path, _, rest = target.partition("?")
        query = {name: values[0] for name, values in parse_qs(rest).items()}
        if path == "/_counts":
            body = encoded(self.counts)
            self.counts.clear()
            return 200, body
        if path == "/_delay":
            self.delay = float(query["ms"]) / 1000
            return 200, b"{}"
        route = path.removeprefix(_API)
        self.counts["/orders, guests" if query.get("customer") == "0" else route] += 1
        if route == "/customers":
            return 200, self.shop.customers.get(query["email"], b"[]")
        if route == "/orders":
            return 200, self.shop.orders.get(query["customer"], b"[]")
        if route == "/products":
            found = (self.shop.products.get(one) for one in query["include"].split(","))
            return 200, b"[" + b",".join(filter(None, found)) + b"]"
        if route == "/settings/general/woocommerce_currency":
            return 200, b'{"id":"woocommerce_currency","value":"EUR"}'
        return 404, _NO_ROUTE


class Connection(asyncio.Protocol):
    """One client, one request after the other."""

    def __init__(self, upstream: Upstream) -> None:
        self.upstream = upstream
        self.parser = httptools.HttpRequestParser(self)
        self.url = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.parser.feed_data(data)

    def on_message_begin(self) -> None:
        self.url = b""

    def on_url(self, url: bytes) -> None:
        self.url += url

    def on_message_complete(self) -> None:
        target = self.url.decode()
        status, body = self.upstream.answer(target)
        head = f"HTTP/1.1 {status} {'OK' if status == 200 else 'Not Found'}\r\ncontent-type: application/json\r\n"
        answer = f"{head}content-length: {len(body)}\r\n\r\n".encode() + body
        if self.upstream.delay and not target.startswith("/_"):
            asyncio.get_running_loop().call_later(self.upstream.delay, self.write, answer)
        else:
            self.write(answer)

    def write(self, answer: bytes) -> None:
        if not self.transport.is_closing():
            self.transport.write(answer)


async def serve(port: int) -> None:
    upstream = Upstream()
    server = await asyncio.get_running_loop().create_server(
        lambda: Connection(upstream), "127.0.0.1", port, backlog=1024
    )
    await server.serve_forever()


if __name__ == "__main__":
    arguments = argparse.ArgumentParser(prog="python -m benchmarks.peers.upstream", description=__doc__)
    arguments.add_argument("port", type=int)
    uvloop.run(serve(arguments.parse_args().port))
