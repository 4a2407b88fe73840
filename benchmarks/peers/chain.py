"""The calls that follow each other in everybody's answer, made by a client that does nothing else: what an answer takes
at the least."""

from __future__ import annotations

import asyncio
import json
import statistics
import time
from urllib.parse import quote

from benchmarks.peers.asking import Connection, connected, request
from benchmarks.peers.upstream import SIZES, email

_API = "/wp-json/wc/v3"


async def chain(shop: int, size: str, times: int, seconds: float) -> float:
    """Milliseconds: the median of so many, or of as many as fit into so many seconds."""
    who = quote(email(SIZES[size]))
    first, second = await connected(shop), await connected(shop)
    try:
        [customer] = await _asked(first, f"/customers?email={who}&role=all")
        page = f"orderby=date&order=desc&per_page={SIZES[size] + 1}"
        own = f"/orders?customer={customer['id']}&{page}"
        guest = f"/orders?customer=0&search={who}&{page}"
        orders = await _asked(first, own)
        products = dict.fromkeys(str(line["product_id"]) for order in orders for line in order["line_items"])
        in_turn = [
            [_text(f"/customers?email={who}&role=all")],
            [_text(own), _text(guest)],
            [_text(f"/products?include={','.join(products)}&per_page=100")],
        ]
        took: list[float] = []
        end = time.perf_counter() + seconds
        while len(took) < times and (not took or time.perf_counter() < end):
            begun = time.perf_counter()
            for texts in in_turn:
                await asyncio.gather(*(each.ask(text) for each, text in zip((first, second), texts, strict=False)))
            took.append((time.perf_counter() - begun) * 1000)
        return statistics.median(took)
    finally:
        first.transport.close()
        second.transport.close()


def _text(target: str) -> bytes:
    return request("GET", f"{_API}{target}", {}, None)


async def _asked(connection: Connection, target: str) -> list[dict[str, object]]:
    status, body = await connection.ask(_text(target))
    if status != 200:
        raise RuntimeError(f"the shop answered {status}")
    found: list[dict[str, object]] = json.loads(body)
    return found
