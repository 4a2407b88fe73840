"""`python -m benchmarks.peers.aggregator PORT SHOP`: the same answer written by hand for this one question, without
GraphQL, as a team on Python would: starlette, aiohttp, orjson."""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import orjson
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

STORE, CURRENCY = "eu", "EUR"
_STATUS = {
    "pending": "PENDING",
    "processing": "OPEN",
    "on-hold": "ON_HOLD",
    "completed": "COMPLETED",
    "cancelled": "CANCELLED",
    "failed": "FAILED",
}


class Shop:
    """The calls."""

    session: aiohttp.ClientSession

    async def get(self, path: str, **query: Any) -> Any:
        async with self.session.get(f"/wp-json/wc/v3{path}", params=query) as answer:
            answer.raise_for_status()
            return orjson.loads(await answer.read())


shop = Shop()


async def customer(email: str, first: int) -> dict[str, Any] | None:
    rows = await shop.get("/customers", email=email, role="all")
    if not rows:
        return None
    row = rows[0]
    page = {"orderby": "date", "order": "desc", "per_page": first + 1}
    own, guest = await asyncio.gather(
        shop.get("/orders", customer=row["id"], **page),
        shop.get("/orders", customer=0, search=row["email"], **page),
    )
    found = own + [one for one in guest if one["customer_id"] == 0 and one["billing"]["email"] == row["email"]]
    found.sort(key=lambda one: (one["date_created_gmt"], one["id"]), reverse=True)
    found = found[:first]
    products = await products_of({line["product_id"] for one in found for line in one["line_items"]})
    return {
        "displayName": f"{row['first_name']} {row['last_name']}",
        "email": row["email"],
        "orders": {"nodes": [order(one, products) for one in found]},
    }


async def products_of(keys: set[int]) -> dict[int, dict[str, Any]]:
    rows = await shop.get("/products", include=",".join(map(str, keys)), per_page=100) if keys else []
    return {
        row["id"]: {
            "id": f"Product:{STORE}:{row['id']}",
            "title": row["name"],
            "url": row["permalink"],
            "images": [{"url": image["src"], "alt": image["alt"] or None} for image in row["images"]],
            "priceMin": {"amount": row["price"], "currencyCode": CURRENCY},
        }
        for row in rows
    }


def shown(amount: str, currency: str) -> dict[str, Any]:
    return {"presentment": {"amount": amount, "currencyCode": currency}}


def order(row: dict[str, Any], products: dict[int, dict[str, Any]]) -> dict[str, Any]:
    currency = row["currency"]
    return {
        "id": f"Order:{STORE}:{row['id']}",
        "number": row["number"],
        "status": _STATUS.get(row["status"], "UNKNOWN"),
        "paymentStatus": "FAILED" if row["status"] == "failed" else "PAID" if row["date_paid_gmt"] else "PENDING",
        "fulfillmentStatus": "FULFILLED" if row["date_completed_gmt"] else "UNFULFILLED",
        "placedAt": f"{row['date_created_gmt']}+00:00",
        "totals": {"total": shown(row["total"], currency), "shipping": shown(row["shipping_total"], currency)},
        "lines": [
            {
                "id": f"OrderLine:{STORE}:{row['id']}:{line['id']}",
                "title": line["name"],
                "sku": line["sku"] or None,
                "quantity": {"ordered": line["quantity"]},
                "total": shown(line["total"], currency),
                "product": products.get(line["product_id"]),
            }
            for line in row["line_items"]
        ],
    }


async def answer(request: Request) -> Response:
    asked = request.query_params
    try:
        found = await customer(asked["email"], int(asked["first"]))
    except aiohttp.ClientError:
        return Response(status_code=502)
    return Response(orjson.dumps({"data": {"customer": found}}), media_type="application/json")


def main() -> None:
    arguments = argparse.ArgumentParser(prog="python -m benchmarks.peers.aggregator", description=__doc__)
    arguments.add_argument("port", type=int)
    arguments.add_argument("shop", help="its address")
    given = arguments.parse_args()

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        key = aiohttp.BasicAuth("ck_bench", "cs_bench")
        async with aiohttp.ClientSession(given.shop, auth=key) as session:
            shop.session = session
            yield

    application = Starlette(routes=[Route("/orders", answer)], lifespan=lifespan)
    uvicorn.run(application, host="127.0.0.1", port=given.port, log_level="warning", access_log=False)


if __name__ == "__main__":
    main()
