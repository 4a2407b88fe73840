"""The sandbox's German shop: its customers, goods, orders and one recurring order, in commercetools' own bodies."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from platforms.commercetools.simulator import Body, Project, stamp

KEY = "acme-de"
_VAT = 19


def seed(now: datetime) -> Project:
    """The project as it stands at `now` (aware): EUR, German, prices with 19% tax."""
    project = Project(key=KEY, currencies=["EUR"], languages=["de-DE", "en"])
    day = timedelta(days=1)
    for number, key, name in ((1, "stationery", "Papeterie"), (2, "clothing", "Bekleidung"), (3, "coffee", "Kaffee")):
        body = _base(native("type", number), now - 500 * day) | {"key": key, "name": name, "description": name}
        project.product_types[body["id"]] = body | {"attributes": []}
    group = _base(native("group", 1), now - 500 * day) | {"key": "stammkunden", "name": "Stammkunden"}
    project.customer_groups[group["id"]] = group
    picking = _base(native("state", 1), now - 500 * day)
    picking |= {
        "key": "in-picking",
        "type": "OrderState",
        "initial": False,
        "builtIn": False,
        "name": {"de-DE": "Wird gepackt"},
    }
    project.states[picking["id"]] = picking

    for customer in (
        _customer(1, "Ada", "Lovelace", "ada@example.com", _ADA, now - 420 * day, group["id"]),
        _customer(2, "Greta", "Brandt", "greta@example.com", _GRETA, now - 90 * day, None),
    ):
        project.customers[customer["id"]] = customer
    made = now - 365 * day
    for product in (
        _product(1, 1, "Notizbuch A5", "Notebook A5", "notizbuch-a5", [("NOTIZ-A5", 1490, {})], made),
        _product(2, 1, "Füllfederhalter", "Fountain pen", "fuellfederhalter", [("FUELLER", 3900, {})], made),
        _product(
            3,
            2,
            "Wollschal",
            "Wool scarf",
            "wollschal",
            [("SCHAL-BLAU", 4950, {"color": "blau"}), ("SCHAL-ROT", 4950, {"color": "rot"})],
            made,
        ),
        _product(4, 3, "Röstkaffee 1 kg", "Roasted coffee 1 kg", "roestkaffee-1kg", [("KAFFEE-1KG", 2190, {})], made),
    ):
        project.products[product["id"]] = product

    def lines(order: int, *wanted: tuple[int, int, int]) -> list[Body]:
        return [_line(project, order, at, *one) for at, one in enumerate(wanted, 1)]

    ada, recurring = native("customer", 1), native("recurring", 1)
    paid = _order(
        3001, ada, "ada@example.com", "Ada", "Lovelace", _ADA, now - 6 * day, lines(3001, (1, 0, 2), (2, 0, 1))
    )
    paid |= {"orderState": "Confirmed", "paymentState": "Paid", "shipmentState": "Ready"}
    paid |= {"state": {"typeId": "state", "id": picking["id"]}}
    sent = _order(
        3002, ada, "ada@example.com", "Ada", "Lovelace", _ADA, now - 9 * day, lines(3002, (3, 1, 1), (4, 0, 1))
    )
    sent |= {"orderState": "Complete", "paymentState": "Paid", "shipmentState": "Shipped"}
    sent["shippingInfo"]["deliveries"] = [_delivery(3002, sent["lineItems"], now - 6 * day)]
    guest = _order(
        3003, None, "emil@example.com", "Emil", "Vogt", _EMIL, now - timedelta(hours=3), lines(3003, (2, 0, 1))
    )
    guest |= {"orderState": "Open", "paymentState": "Pending", "shipmentState": "Pending"}
    for order in (sent, paid, guest):
        project.orders[order["id"]] = order
    for order, charged in ((sent, True), (paid, True), (guest, False)):
        payment = _payment(order, charged)
        project.payments[payment["id"]] = payment
        order["paymentInfo"] = {"payments": [{"typeId": "payment", "id": payment["id"]}]}

    cart = _base(native("cart", 1), now - 9 * day)
    cart |= {"customerId": ada, "customerEmail": "ada@example.com", "cartState": "Active", "origin": "RecurringOrder"}
    cart |= {"lineItems": [_line(project, 9101, 1, 4, 0, 1)], "totalPrice": _money(2190), "inventoryMode": "None"}
    cart |= {"shippingMode": "Single", "priceRoundingMode": "HalfEven"} | _TAXES
    cart |= {name: [] for name in ("customLineItems", "directDiscounts", "discountCodes", "refusedGifts")}
    cart |= {name: [] for name in ("shipping", "itemShippingAddresses")}
    project.carts[cart["id"]] = cart
    project.recurring[recurring] = _base(recurring, now - 9 * day) | {
        "key": "kaffee-ada",
        "cart": {"typeId": "cart", "id": cart["id"]},
        "originOrder": {"typeId": "order", "id": sent["id"]},
        "startsAt": stamp(now - 9 * day),
        "lastOrderAt": stamp(now - 9 * day),
        "nextOrderAt": stamp(now + 19 * day),
        "recurringOrderState": "Active",
        "schedule": {"type": "standard", "value": 4, "intervalUnit": "Weeks"},
        "customer": {"typeId": "customer", "id": ada},
        "customerEmail": "ada@example.com",
    }
    sent["recurringOrder"] = {"typeId": "recurring-order", "id": recurring}
    return project


_KINDS = ("order", "customer", "product", "type", "group", "state", "line", "payment", "cart", "recurring", "parcel")


def native(kind: str, number: int) -> str:
    """The ids of this world: `native("order", 3001)`."""
    return f"0de000{_KINDS.index(kind) + 1:02d}-0000-4000-8000-{number:012d}"


# --------------------------------------------------------------------------------------------------------- addresses

_ADA = ("Torstraße", "140", "10119", "Berlin", "Berlin", "+49 30 5550131")
_GRETA = ("Große Elbstraße", "68", "22767", "Hamburg", "Hamburg", "+49 40 5550141")
_EMIL = ("Schillerstraße", "22", "80336", "München", "Bayern", "+49 89 5550142")


def _address(first: str, last: str, home: Sequence[str]) -> Body:
    street, number, postcode, city, region, phone = home
    return {
        "id": f"addr{number}{postcode}",
        "firstName": first,
        "lastName": last,
        "streetName": street,
        "streetNumber": number,
        "postalCode": postcode,
        "city": city,
        "region": region,
        "country": "DE",
        "phone": phone,
    }


def _base(id: str, since: datetime) -> Body:
    return {"id": id, "version": 1, "createdAt": stamp(since), "lastModifiedAt": stamp(since)}


def _customer(
    number: int, first: str, last: str, email: str, home: Sequence[str], since: datetime, group: str | None
) -> Body:
    address = _address(first, last, home)
    row = _base(native("customer", number), since) | {
        "customerNumber": f"K{number:05d}",
        "email": email,
        "firstName": first,
        "lastName": last,
        "addresses": [address],
        "defaultShippingAddressId": address["id"],
        "shippingAddressIds": [address["id"]],
        "billingAddressIds": [],
        "isEmailVerified": True,
        "locale": "de-DE",
        "stores": [],
        "authenticationMode": "Password",
        "customerGroupAssignments": [],
    }
    return row | ({"customerGroup": {"typeId": "customer-group", "id": group}} if group else {})


# ------------------------------------------------------------------------------------------------------------- goods


def _money(cents: int) -> Body:
    return {"type": "centPrecision", "currencyCode": "EUR", "centAmount": cents, "fractionDigits": 2}


def _price(number: int, cents: int) -> Body:
    return {"id": f"0de00020-0000-4000-8000-{number:012d}", "value": _money(cents)}


def _product(
    number: int,
    of_type: int,
    german: str,
    english: str,
    slug: str,
    forms: Sequence[tuple[str, int, dict[str, str]]],
    since: datetime,
) -> Body:
    variants = [
        {
            "id": at,
            "sku": sku,
            "prices": [_price(number * 10 + at, cents)],
            "attributes": [{"name": name, "value": {"key": word, "label": word}} for name, word in traits.items()],
            "images": [
                {
                    "url": f"https://images.example.com/de/{sku.lower()}.jpg",
                    "label": german,
                    "dimensions": {"w": 1200, "h": 1200},
                }
            ],
            "assets": [],
            "availability": {"isOnStock": True, "availableQuantity": 12},
        }
        for at, (sku, cents, traits) in enumerate(forms, 1)
    ]
    return _base(native("product", number), since) | {
        "key": slug,
        "productType": {"typeId": "product-type", "id": native("type", of_type)},
        "name": {"de-DE": german, "en": english},
        "slug": {"de-DE": slug, "en": slug},
        "description": {"de-DE": f"{german}, mit Sorgfalt gemacht.", "en": f"{english}, made with care."},
        "categories": [],
        "attributes": [],
        "masterVariant": variants[0],
        "variants": variants[1:],
        "searchKeywords": {},
        "hasStagedChanges": False,
        "published": True,
        "priceMode": "Embedded",
    }


def _taxed(gross: int) -> Body:
    net = round(gross * 100 / (100 + _VAT))
    portion = {"rate": _VAT / 100, "amount": _money(gross - net), "name": f"{_VAT} % MwSt."}
    return {
        "totalNet": _money(net),
        "totalGross": _money(gross),
        "totalTax": _money(gross - net),
        "taxPortions": [portion],
    }


def _line(project: Project, order: int, at: int, product: int, form: int, quantity: int) -> Body:
    sold = project.products[native("product", product)]
    variant = (sold["masterVariant"], *sold["variants"])[form]
    price = variant["prices"][0]
    total = price["value"]["centAmount"] * quantity
    return {
        "id": native("line", order * 10 + at),
        "productId": sold["id"],
        "productKey": sold["key"],
        "name": dict(sold["name"]),
        "productSlug": dict(sold["slug"]),
        "productType": dict(sold["productType"]),
        "variant": {name: value for name, value in variant.items() if name != "availability"},
        "price": price,
        "quantity": quantity,
        "totalPrice": _money(total),
        "discountedPricePerQuantity": [],
        "taxedPrice": _taxed(total),
        "taxedPricePortions": [],
        "taxRate": {
            "name": f"{_VAT} % MwSt.",
            "amount": _VAT / 100,
            "includedInPrice": True,
            "country": "DE",
            "subRates": [],
        },
        "perMethodTaxRate": [],
        "state": [],
        "priceMode": "Platform",
        "lineItemMode": "Standard",
    }


# ------------------------------------------------------------------------------------------------------------ orders

_POSTAGE = 490
_TAXES = {"taxMode": "Platform", "taxRoundingMode": "HalfEven", "taxCalculationMode": "LineItemLevel"}


def _order(
    number: int,
    customer: str | None,
    email: str,
    first: str,
    last: str,
    home: Sequence[str],
    placed: datetime,
    lines: list[Body],
) -> Body:
    total = sum(line["totalPrice"]["centAmount"] for line in lines) + _POSTAGE
    address = _address(first, last, home)
    row = _base(native("order", number), placed) | {
        "orderNumber": f"D-{number}",
        "customerEmail": email,
        "lineItems": lines,
        "customLineItems": [],
        "totalPrice": _money(total),
        "taxedPrice": _taxed(total),
        "taxedShippingPrice": _taxed(_POSTAGE),
        "shippingInfo": {
            "shippingMethodName": "DHL Paket",
            "price": _money(_POSTAGE),
            "shippingRate": {"price": _money(_POSTAGE), "tiers": []},
            "shippingMethodState": "MatchesCart",
            "deliveries": [],
        },
        "shippingAddress": address,
        "billingAddress": dict(address),
        "shippingMode": "Single",
        "shipping": [],
        "country": "DE",
        "locale": "de-DE",
        "origin": "Customer",
        **_TAXES,
        "inventoryMode": "None",
        "discountCodes": [],
        "directDiscounts": [],
        "refusedGifts": [],
        "syncInfo": [],
        "returnInfo": [],
        "lastMessageSequenceNumber": 1,
    }
    return row | ({"customerId": customer} if customer else {})


def _delivery(order: int, lines: Sequence[Body], at: datetime) -> Body:
    return {
        "id": native("parcel", order * 10),
        "createdAt": stamp(at),
        "items": [{"id": line["id"], "quantity": line["quantity"]} for line in lines],
        "parcels": [
            {
                "id": native("parcel", order * 10 + 1),
                "createdAt": stamp(at),
                "trackingData": {"trackingId": "00340434161094042557", "carrier": "DHL", "isReturn": False},
                "items": [],
            }
        ],
    }


def _payment(order: Body, charged: bool) -> Body:
    total, placed = order["totalPrice"], order["createdAt"]
    number = int(order["id"][-12:])
    row = _base(native("payment", number), datetime.fromisoformat(placed))
    charge = {
        "id": f"0de00021-0000-4000-8000-{number:012d}",
        "timestamp": placed,
        "type": "Charge",
        "amount": total,
        "interactionId": f"pi_{number}",
        "state": "Success" if charged else "Pending",
    }
    return row | {
        "interfaceId": f"pi_{number}",
        "amountPlanned": total,
        "paymentMethodInfo": {"paymentInterface": "STRIPE", "method": "CREDIT_CARD", "name": {"de-DE": "Kreditkarte"}},
        "paymentStatus": {},
        "transactions": [charge],
        "interfaceInteractions": [],
    }
