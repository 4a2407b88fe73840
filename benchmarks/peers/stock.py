"""`python -m benchmarks.peers.stock PORT SHOP [tuned]`: the same schema as its documentation would have it written,
with Strawberry, aiodataloader and aiohttp, and nothing of ours; tuned, with what can be had without leaving it."""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from decimal import Decimal
from enum import Enum
from typing import Any, cast

import aiohttp
import orjson
import strawberry
import uvicorn
from aiodataloader import DataLoader
from starlette.applications import Starlette
from starlette.routing import Route
from strawberry.asgi import GraphQL
from strawberry.extensions import ParserCache, ValidationCache

STORE, CURRENCY = "eu", "EUR"
#: Asked here, before the types are made: one of their resolvers differs.
TUNED = sys.argv[-1] == "tuned"


class Shop:
    """The calls."""

    session: aiohttp.ClientSession

    async def get(self, path: str, **query: Any) -> Any:
        async with self.session.get(f"/wp-json/wc/v3{path}", params=query) as answer:
            answer.raise_for_status()
            return orjson.loads(await answer.read()) if TUNED else await answer.json()


shop = Shop()


@strawberry.enum
class OrderStatus(Enum):
    PENDING = "pending"
    OPEN = "processing"
    ON_HOLD = "on-hold"
    COMPLETED = "completed"
    CANCELLED = "cancelled"
    FAILED = "failed"


@strawberry.enum
class PaymentStatus(Enum):
    PENDING = "pending"
    PAID = "paid"


@strawberry.enum
class FulfillmentStatus(Enum):
    UNFULFILLED = "unfulfilled"
    FULFILLED = "fulfilled"


@strawberry.type
class Money:
    amount: Decimal
    currency_code: str


@strawberry.type
class MoneyPair:
    presentment: Money
    shop: Money


@strawberry.type
class Image:
    url: str
    alt: str | None


@strawberry.type
class Product:
    id: strawberry.ID
    title: str
    url: str | None
    images: list[Image]
    price_min: Money | None


@strawberry.type
class LineQuantity:
    ordered: int


@strawberry.type
class OrderLine:
    id: strawberry.ID
    title: str
    sku: str | None
    quantity: LineQuantity
    total: MoneyPair
    product_key: strawberry.Private[int]

    if TUNED:

        @strawberry.field
        def product(self, info: strawberry.Info) -> Product | None:
            return cast("Product | None", info.context["products"].load(self.product_key))
    else:

        @strawberry.field
        async def product(self, info: strawberry.Info) -> Product | None:
            return await info.context["products"].load(self.product_key)


@strawberry.type
class OrderTotals:
    total: MoneyPair
    shipping: MoneyPair


@strawberry.type
class Order:
    id: strawberry.ID
    number: str
    status: OrderStatus
    payment_status: PaymentStatus
    fulfillment_status: FulfillmentStatus
    placed_at: datetime
    totals: OrderTotals
    lines: list[OrderLine]


@strawberry.type
class OrderConnection:
    nodes: list[Order]


@strawberry.type
class Customer:
    key: strawberry.Private[int]
    display_name: str | None
    email: str | None

    @strawberry.field
    async def orders(self, first: int = 10) -> OrderConnection:
        page = {"orderby": "date", "order": "desc", "per_page": first + 1}
        own, guest = await asyncio.gather(
            shop.get("/orders", customer=self.key, **page),
            shop.get("/orders", customer=0, search=self.email, **page),
        )
        rows = own + [row for row in guest if row["customer_id"] == 0 and row["billing"]["email"] == self.email]
        rows.sort(key=lambda row: (row["date_created_gmt"], row["id"]), reverse=True)
        return OrderConnection(nodes=[order(row) for row in rows[:first]])


@strawberry.input
class CustomerBy:
    email: str | None = None


@strawberry.type
class Query:
    @strawberry.field
    async def customer(self, by: CustomerBy) -> Customer | None:
        rows = await shop.get("/customers", email=by.email or "", role="all")
        if not rows:
            return None
        row = rows[0]
        return Customer(key=row["id"], display_name=f"{row['first_name']} {row['last_name']}", email=row["email"])


def pair(amount: str, currency: str) -> MoneyPair:
    money = Money(amount=Decimal(amount), currency_code=currency)
    return MoneyPair(presentment=money, shop=money)


def order(row: dict[str, Any]) -> Order:
    currency = row["currency"]
    return Order(
        id=strawberry.ID(f"Order:{STORE}:{row['id']}"),
        number=row["number"],
        status=OrderStatus(row["status"]),
        payment_status=PaymentStatus.PAID if row["date_paid_gmt"] else PaymentStatus.PENDING,
        fulfillment_status=FulfillmentStatus.FULFILLED if row["date_completed_gmt"] else FulfillmentStatus.UNFULFILLED,
        placed_at=datetime.fromisoformat(row["date_created_gmt"]).replace(tzinfo=UTC),
        totals=OrderTotals(total=pair(row["total"], currency), shipping=pair(row["shipping_total"], currency)),
        lines=[
            OrderLine(
                id=strawberry.ID(f"OrderLine:{STORE}:{row['id']}:{line['id']}"),
                title=line["name"],
                sku=line["sku"] or None,
                quantity=LineQuantity(ordered=line["quantity"]),
                total=pair(line["total"], currency),
                product_key=line["product_id"],
            )
            for line in row["line_items"]
        ],
    )


async def products(keys: Sequence[int]) -> list[Product | None]:
    rows = await shop.get("/products", include=",".join(map(str, keys)), per_page=100)
    found = {
        row["id"]: Product(
            id=strawberry.ID(f"Product:{STORE}:{row['id']}"),
            title=row["name"],
            url=row["permalink"],
            images=[Image(url=image["src"], alt=image["alt"] or None) for image in row["images"]],
            price_min=Money(amount=Decimal(row["price"]), currency_code=CURRENCY),
        )
        for row in rows
    }
    return [found.get(key) for key in keys]


class Application(GraphQL[dict[str, Any], None]):
    async def get_context(self, request: Any, response: Any) -> dict[str, Any]:
        return {"request": request, "response": response, "products": DataLoader(products)}


class Tuned(Application):
    def decode_json(self, data: str | bytes) -> object:
        return orjson.loads(data)

    def encode_json(self, data: object) -> bytes:
        return orjson.dumps(data)


def main() -> None:
    arguments = argparse.ArgumentParser(prog="python -m benchmarks.peers.stock", description=__doc__)
    arguments.add_argument("port", type=int)
    arguments.add_argument("shop", help="its address")
    arguments.add_argument("form", nargs="?", choices=["tuned"])
    given = arguments.parse_args()

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        key = aiohttp.BasicAuth("ck_bench", "cs_bench")
        async with aiohttp.ClientSession(given.shop, auth=key) as session:
            shop.session = session
            yield

    if TUNED:
        schema = strawberry.Schema(Query, extensions=[ParserCache, ValidationCache])
        served: Application = Tuned(schema, graphql_ide=None)
    else:
        served = Application(strawberry.Schema(Query), graphql_ide=None)
    application = Starlette(routes=[Route("/graphql", served)], lifespan=lifespan)
    uvicorn.run(application, host="127.0.0.1", port=given.port, log_level="warning", access_log=False)


if __name__ == "__main__":
    main()
