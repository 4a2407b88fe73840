"""The shop `us` of the sandbox: its customers, products and the stories of its orders, in Shopify's shapes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from platforms.shopify.simulator import State, bag, stamp

Object = dict[str, Any]

CURRENCY = "USD"
TAX = Decimal("0.00")


@dataclass(frozen=True)
class _Sold:
    """So many units of a product's variant."""

    product: str
    variant: str
    units: int = 1


@dataclass(frozen=True)
class _Sent:
    """A parcel: which lines of the order, and when what happened to it."""

    lines: tuple[int, ...]
    sent: timedelta
    delivered: timedelta | None = None
    due: timedelta | None = None
    carrier: str = "UPS"
    number: str = ""


@dataclass(frozen=True)
class _Story:
    number: int
    customer: str
    placed: timedelta
    sold: tuple[_Sold, ...]
    sent: tuple[_Sent, ...] = ()
    closed: timedelta | None = None
    tags: tuple[str, ...] = field(default=())


_DAY = timedelta(days=1)

_PRODUCTS: Sequence[tuple[str, str, str, str, tuple[str, ...], tuple[tuple[str, str, str], ...], str]] = (
    ("8001", "Linen Shirt", "Shirts", "40.00", ("summer",), (("8101", "S", "LIN-S"), ("8102", "M", "LIN-M")), "Size"),
    ("8002", "Canvas Tote", "Bags", "25.00", (), (("8201", "Default Title", "TOTE"),), "Title"),
    ("8003", "Merino Socks", "Socks", "12.50", ("wool",), (("8301", "Default Title", "SOCK"),), "Title"),
    ("8004", "Silk Scarf", "Accessories", "30.00", ("final-sale",), (("8401", "Default Title", "SCARF"),), "Title"),
    ("8005", "Coffee Beans 1kg", "Coffee", "18.00", ("subscription",), (("8501", "Default Title", "BEAN"),), "Title"),
    ("8006", "Denim Jacket", "Jackets", "89.00", (), (("8601", "Default Title", "DENIM"),), "Title"),
)

_CUSTOMERS = (
    ("7001", "Ada", "Lovelace", "ada@example.com", "+15550100001", ("vip",), "12 Analytical Row", "Brooklyn", "11201"),
    ("7002", "Cleo", "Park", "cleo@example.com", "+15550100002", (), "48 Harbor Street", "Queens", "11101"),
    ("7003", "Joann", "Reed", "joann@example.com", "+15550100003", (), "7 Orchard Lane", "Albany", "12207"),
    ("7004", "Dan", "Ito", "dan@example.com", "+15550100004", (), "230 Lake Avenue", "Rochester", "14608"),
)

_STORIES = (
    _Story(
        1,
        "7001",
        3 * _DAY,
        (_Sold("8001", "8102"),),
        (_Sent((0,), 1 * _DAY, due=-2 * _DAY, number="1Z999AA10123456784"),),
    ),
    _Story(
        2,
        "7001",
        5 * _DAY,
        (_Sold("8001", "8101"), _Sold("8003", "8301", 2)),
        (_Sent((0, 1), 4 * _DAY, 1 * _DAY, number="1Z999AA10123456785"),),
    ),
    _Story(
        3,
        "7001",
        36 * _DAY,
        (_Sold("8002", "8201"), _Sold("8005", "8501")),
        (_Sent((0, 1), 34 * _DAY, 31 * _DAY, number="1Z999AA10123456786"),),
        closed=31 * _DAY,
        tags=("Subscription First Order",),
    ),
    _Story(4, "7002", timedelta(minutes=20), (_Sold("8006", "8601"),)),
    _Story(
        5,
        "7002",
        45 * _DAY,
        (_Sold("8001", "8102"), _Sold("8002", "8201")),
        (
            _Sent((0,), 43 * _DAY, 40 * _DAY, number="1Z999AA10123456787"),
            _Sent((1,), 8 * _DAY, 5 * _DAY, number="1Z999AA10123456788"),
        ),
    ),
    _Story(
        6,
        "7002",
        6 * _DAY,
        (_Sold("8003", "8301"), _Sold("8004", "8401"), _Sold("8005", "8501")),
        (_Sent((0, 1, 2), 5 * _DAY, 3 * _DAY, number="1Z999AA10123456789"),),
        tags=("Subscription First Order",),
    ),
    _Story(
        7,
        "7003",
        5 * _DAY,
        (_Sold("8002", "8201", 2),),
        (_Sent((0,), 4 * _DAY, 2 * _DAY, number="1Z999AA10123456790"),),
    ),
)

REASONS = (
    "arrived-late",
    "color",
    "damaged-in-transit",
    "defective",
    "not-as-described",
    "other",
    "size-too-large",
    "size-too-small",
    "style",
    "unknown",
    "unwanted",
    "wrong-item",
)


def seed(now: datetime) -> State:
    """The shop as it is at `now`, aware."""
    state = State(currency=CURRENCY, reasons=REASONS)
    for product in _PRODUCTS:
        _product(state, now, *product)
    for customer in _CUSTOMERS:
        _customer(state, now, *customer)
    for story in _STORIES:
        _order(state, now, story)
    _partly_refunded(state, now)
    for customer_row in state.of("Customer"):
        orders = [one for one in state.of("Order") if one["customer"] == customer_row["id"]]
        spent = sum((Decimal(one["netPaymentSet"]["shopMoney"]["amount"]) for one in orders), Decimal(0))
        customer_row["numberOfOrders"] = str(len(orders))
        customer_row["amountSpent"] = {"amount": f"{spent:.2f}", "currencyCode": CURRENCY}
    return state


def _gid(kind: str, number: str | int) -> str:
    return f"gid://shopify/{kind}/{number}"


def _media(number: str, name: str, alt: str) -> Object:
    return {
        "__typename": "MediaImage",
        "id": _gid("MediaImage", number),
        "alt": alt,
        "preview": {"image": {"url": f"https://images.example.com/{name}.jpg"}},
    }


def _product(
    state: State,
    now: datetime,
    number: str,
    title: str,
    kind: str,
    price: str,
    tags: tuple[str, ...],
    variants: tuple[tuple[str, str, str], ...],
    option: str,
) -> None:
    handle = title.lower().replace(" ", "-")
    money = {"amount": price, "currencyCode": CURRENCY}
    rows = []
    for variant, name, sku in variants:
        rows.append(
            state.add(
                {
                    "__typename": "ProductVariant",
                    "id": _gid("ProductVariant", variant),
                    "legacyResourceId": variant,
                    "title": name,
                    "sku": sku,
                    "price": price,
                    "compareAtPrice": None,
                    "availableForSale": True,
                    "inventoryQuantity": 40,
                    "selectedOptions": [{"name": option, "value": name}],
                    "media": [],
                }
            )
        )
    state.add(
        {
            "__typename": "Product",
            "id": _gid("Product", number),
            "legacyResourceId": number,
            "title": title,
            "status": "ACTIVE",
            "tags": list(tags),
            "handle": handle,
            "description": f"{title}, made to last.",
            "vendor": "Acme",
            "productType": kind,
            "onlineStoreUrl": f"https://shop.example.com/products/{handle}",
            "priceRangeV2": {"minVariantPrice": dict(money), "maxVariantPrice": dict(money)},
            "media": [_media(f"{number}1", handle, title)],
            "variants": rows,
        }
    )


def _customer(
    state: State,
    now: datetime,
    number: str,
    first: str,
    last: str,
    email: str,
    phone: str,
    tags: tuple[str, ...],
    street: str,
    city: str,
    code: str,
) -> None:
    address = {
        "__typename": "MailingAddress",
        "id": _gid("MailingAddress", f"{number}1"),
        "name": f"{first} {last}",
        "company": None,
        "address1": street,
        "address2": None,
        "city": city,
        "province": "New York",
        "provinceCode": "NY",
        "zip": code,
        "countryCodeV2": "US",
        "phone": phone,
    }
    state.add(
        {
            "__typename": "Customer",
            "id": _gid("Customer", number),
            "legacyResourceId": number,
            "displayName": f"{first} {last}",
            "firstName": first,
            "lastName": last,
            "locale": "en",
            "tags": list(tags),
            "createdAt": stamp(now - 400 * _DAY),
            "numberOfOrders": "0",
            "amountSpent": {"amount": "0.00", "currencyCode": CURRENCY},
            "defaultEmailAddress": {"emailAddress": email},
            "defaultPhoneNumber": {"phoneNumber": phone},
            "addressesV2": [address],
        }
    )


def _order(state: State, now: datetime, story: _Story) -> None:
    native = 450789000 + story.number
    customer = state.objects[_gid("Customer", story.customer)]
    lines = []
    for index, sold in enumerate(story.sold):
        product = state.objects[_gid("Product", sold.product)]
        variant = state.objects[_gid("ProductVariant", sold.variant)]
        price = Decimal(variant["price"])
        sent = any(index in parcel.lines for parcel in story.sent)
        named = variant["title"] if variant["title"] != "Default Title" else None
        lines.append(
            {
                "__typename": "LineItem",
                "id": _gid("LineItem", f"{native}{index + 1}"),
                "title": product["title"],
                "variantTitle": named,
                "sku": variant["sku"],
                "vendor": product["vendor"],
                "quantity": sold.units,
                "currentQuantity": sold.units,
                "refundableQuantity": sold.units,
                "unfulfilledQuantity": 0 if sent else sold.units,
                "requiresShipping": True,
                "isGiftCard": False,
                "product": product["id"],
                "variant": variant["id"],
                "originalUnitPriceSet": bag(price, CURRENCY),
                "discountedTotalSet": bag(price * sold.units, CURRENCY),
                "contract": None,
            }
        )
    goods = sum((Decimal(one["discountedTotalSet"]["shopMoney"]["amount"]) for one in lines), Decimal(0))
    shipping = Decimal("5.00")
    placed, address = stamp(now - story.placed), customer["addressesV2"][0]
    latest = min([story.placed, *(one.delivered or one.sent for one in story.sent)])
    state.add(
        {
            "__typename": "Order",
            "id": _gid("Order", native),
            "legacyResourceId": str(native),
            "name": f"#100{story.number}",
            "email": customer["defaultEmailAddress"]["emailAddress"],
            "createdAt": placed,
            "processedAt": placed,
            "updatedAt": stamp(now - latest),
            "cancelledAt": None,
            "cancelReason": None,
            "cancellation": None,
            "closedAt": stamp(now - story.closed) if story.closed else None,
            "displayFinancialStatus": "PAID",
            "displayFulfillmentStatus": "FULFILLED" if story.sent else "UNFULFILLED",
            "returnStatus": "NO_RETURN",
            "taxesIncluded": False,
            "tags": list(story.tags),
            "sourceName": "web",
            "customer": customer["id"],
            "disputes": [],
            "shippingAddress": address,
            "billingAddress": address,
            "statusPageUrl": f"https://shop.example.com/1/orders/{native:x}a7/authenticate?key=8f2c{native}",
            "subtotalPriceSet": bag(goods, CURRENCY),
            "totalPriceSet": bag(goods + shipping, CURRENCY),
            "totalDiscountsSet": bag(Decimal(0), CURRENCY),
            "totalShippingPriceSet": bag(shipping, CURRENCY),
            "totalTaxSet": bag(TAX, CURRENCY),
            "totalRefundedSet": bag(Decimal(0), CURRENCY),
            "netPaymentSet": bag(goods + shipping, CURRENCY),
            "lineItems": lines,
            "fulfillments": [_parcel(now, native, index, one, lines) for index, one in enumerate(story.sent, start=1)],
            "returns": [],
            "refunds": [],
            "transactions": [
                {
                    "__typename": "OrderTransaction",
                    "id": _gid("OrderTransaction", f"{native}0"),
                    "kind": "SALE",
                    "status": "SUCCESS",
                    "gateway": "shopify_payments",
                    "manualPaymentGateway": False,
                    "amountSet": bag(goods + shipping, CURRENCY),
                    "parentTransaction": None,
                }
            ],
        }
    )


def _parcel(now: datetime, native: int, index: int, sent: _Sent, lines: list[Object]) -> Object:
    number = f"{native}{index}"
    happened = [("LABEL_PRINTED", sent.sent + timedelta(hours=3)), ("IN_TRANSIT", sent.sent - timedelta(hours=2))]
    if sent.delivered is not None:
        happened.append(("DELIVERED", sent.delivered))
    return {
        "__typename": "Fulfillment",
        "id": _gid("Fulfillment", number),
        "status": "SUCCESS",
        "displayStatus": "DELIVERED" if sent.delivered is not None else "IN_TRANSIT",
        "createdAt": stamp(now - sent.sent),
        "inTransitAt": stamp(now - sent.sent + timedelta(hours=2)),
        "deliveredAt": stamp(now - sent.delivered) if sent.delivered is not None else None,
        "estimatedDeliveryAt": stamp(now - sent.due) if sent.due is not None else None,
        "requiresShipping": True,
        "trackingInfo": [
            {
                "company": sent.carrier,
                "number": sent.number,
                "url": f"https://www.ups.com/track?tracknum={sent.number}",
            }
        ],
        "events": [
            {
                "__typename": "FulfillmentEvent",
                "id": _gid("FulfillmentEvent", f"{number}{step}"),
                "status": word,
                "happenedAt": stamp(now - ago),
                "message": None,
                "city": "Secaucus",
                "province": "NJ",
                "country": "US",
            }
            for step, (word, ago) in enumerate(happened, start=1)
        ],
        "fulfillmentLineItems": [
            {
                "__typename": "FulfillmentLineItem",
                "id": _gid("FulfillmentLineItem", f"{number}{line + 1}"),
                "quantity": lines[line]["quantity"],
                "lineItem": lines[line]["id"],
            }
            for line in sent.lines
        ],
    }


def _partly_refunded(state: State, now: datetime) -> None:
    """One of the two totes of #1007 was paid back and restocked yesterday."""
    order = state.order("450789007")
    line = order["lineItems"][0]
    line |= {"currentQuantity": 1, "refundableQuantity": 1}
    day = stamp(now - _DAY)
    order |= {
        "displayFinancialStatus": "PARTIALLY_REFUNDED",
        "updatedAt": day,
        "totalRefundedSet": bag(Decimal("25.00"), CURRENCY),
        "netPaymentSet": bag(Decimal("30.00"), CURRENCY),
        "refunds": [
            {
                "__typename": "Refund",
                "id": _gid("Refund", "860001"),
                "createdAt": day,
                "processedAt": day,
                "note": "One tote had a torn strap",
                "return": None,
                "totalRefundedSet": bag(Decimal("25.00"), CURRENCY),
                "refundLineItems": [
                    {
                        "quantity": 1,
                        "restocked": True,
                        "lineItem": line["id"],
                        "subtotalSet": bag(Decimal("25.00"), CURRENCY),
                        "totalTaxSet": bag(Decimal(0), CURRENCY),
                    }
                ],
                "transactions": [
                    {
                        "__typename": "OrderTransaction",
                        "id": _gid("OrderTransaction", "870001"),
                        "kind": "REFUND",
                        "status": "SUCCESS",
                        "gateway": "shopify_payments",
                        "manualPaymentGateway": False,
                        "amountSet": bag(Decimal("25.00"), CURRENCY),
                        "parentTransaction": {"id": order["transactions"][0]["id"]},
                    }
                ],
            }
        ],
    }
