"""A product as it is sold today."""

from __future__ import annotations

import strawberry

from schema.access import for_staff
from schema.connections import page_size
from schema.making import Late, maker, nothing
from schema.provenance import Node, Source
from schema.scalars import Url
from schema.values import Image, Money
from schema.vocabulary import ProductStatus


@strawberry.type
class OptionValue:
    name: str
    value: str


@strawberry.type(description="One buyable form of a product.")
class Variant:
    id: strawberry.ID
    title: str
    options: list[OptionValue] = strawberry.field(default_factory=list)
    sku: str | None = None
    price: Money | None = None
    compare_at_price: Money | None = None
    available: bool | None = None
    inventory_quantity: int | None = strawberry.field(default=None, extensions=[for_staff()], description="Staff only.")
    image: Image | None = None


@strawberry.federation.type(
    keys=["id"], description="A product as it is sold today; it may have changed since an order."
)
class Product(Late, Node):
    id: strawberry.ID
    source: Source
    title: str
    status: ProductStatus
    tags: list[str] = strawberry.field(
        default_factory=list, graphql_type=list[str] | None, extensions=[for_staff()], description="Staff only."
    )
    images: list[Image] = strawberry.field(default_factory=list)
    handle: str | None = None
    description: str | None = strawberry.field(default_factory=nothing, description="Plain text.")
    vendor: str | None = None
    product_type: str | None = None
    url: Url | None = strawberry.field(default=None, description="Its page in the shop, where it is published.")
    price_min: Money | None = None
    price_max: Money | None = None
    all_variants: strawberry.Private[list[Variant]] = strawberry.field(default_factory=list)

    @strawberry.field(description="The first `first` variants, at most 100 (in the shop's own order).")
    def variants(self, first: int = 50) -> list[Variant]:
        return self.all_variants[: page_size(first, 100)]


make_product = maker(
    Product,
    "id", "source", "title", "status", "tags", "images", "handle", "vendor", "product_type", "url", "price_min",
    "price_max",
    late=("description", "all_variants"),
)  # fmt: skip
