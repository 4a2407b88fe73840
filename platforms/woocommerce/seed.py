"""The sandbox's European shop: its customers, goods and orders, in WooCommerce's own bodies, dated from `now`."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from platforms.woocommerce.simulator import Body, Shop, gmt, stamp

_ZONE = "Europe/Berlin"
_SITE = "https://eu.shop.example.com"
_VAT = Decimal(19)
_CENT = Decimal("0.01")


def seed(now: datetime) -> Shop:
    """The shop as it stands at `now` (aware): EUR, Europe/Berlin, prices with 19% tax, Subscriptions without any."""
    shop = Shop(currency="EUR", time_zone=_ZONE, next_id=9001)
    for customer in (
        _customer(31, "ada@example.com", "Ada", "Lovelace", _ADA, now - timedelta(days=400)),
        _customer(33, "ann@example.com", "Ann", "Weber", _ANN, now - timedelta(days=120)),
        _customer(34, "joann@example.com", "Joann", "Reed", _JOANN, now - timedelta(days=90)),
    ):
        shop.customers[customer["id"]] = customer
    made = now - timedelta(days=365)
    for product in (
        _product(501, "Leinenhemd", "45.00", 24, "Hemden", [], "Ein leichtes Hemd aus belgischem Leinen.", made),
        _product(502, "Wollmütze", "19.90", 60, "Accessoires", ["winter"], "Warme Mütze aus Merinowolle.", made),
        _product(503, "Wanderjacke", "129.00", 11, "Jacken", ["outdoor"], "Wasserdicht &amp; atmungsaktiv.", made),
        _product(504, "Teekanne", "34.50", None, "Küche", [], "Steinzeug, 1,2 Liter.", made),
    ):
        shop.products[product["id"]] = product
    teapot = shop.products[504]
    teapot |= {"type": "variable", "regular_price": "", "variations": [5041, 5042], "has_options": True}
    teapot["attributes"] = [
        {
            "id": 1,
            "name": "Farbe",
            "position": 0,
            "visible": True,
            "variation": True,
            "options": ["Grün", "Weiß"],
        }
    ]
    shop.variations[504] = [
        _variation(5041, "Grün", "KANNE-GRUEN", 7, made),
        _variation(5042, "Weiß", "KANNE-WEISS", 0, made),
    ]

    ada, bob, ann, joann = (
        _billing(*one)
        for one in (
            ("Ada", "Lovelace", _ADA, "ada@example.com"),
            ("Bob", "Keller", _BOB, "bob@example.com"),
            ("Ann", "Weber", _ANN, "ann@example.com"),
            ("Joann", "Reed", _JOANN, "joann@example.com"),
        )
    )
    day = timedelta(days=1)
    for order in (
        _order(shop, 1990, "cancelled", 34, joann, now - 60 * day, [(502, 0, 1)], paid=None),
        _order(shop, 2004, "cancelled", 31, ada, now - 21 * day, [(502, 0, 1)], paid=None),
        _order(
            shop, 2003, "completed", 33, ann, now - 12 * day, [(503, 0, 1)], paid=now - 12 * day, done=now - 10 * day
        ),
        _order(
            shop, 2002, "completed", 0, bob, now - 5 * day, [(504, 5041, 1)], paid=now - 5 * day, done=now - 3 * day
        ),
        _order(shop, 2001, "processing", 31, ada, now - day, [(501, 0, 1), (502, 0, 1)], paid=now - day),
    ):
        shop.orders[order["id"]] = order
    return shop


# --------------------------------------------------------------------------------------------------------- addresses

_ADA = ("Torstraße 140", "Berlin", "10119", "DE", "DE-BE", "+49 30 5550131")
_BOB = ("Kehrwieder 2", "Hamburg", "20457", "DE", "DE-HH", "+49 40 5550132")
_ANN = ("Sendlinger Straße 8", "München", "80331", "DE", "DE-BY", "+49 89 5550133")
_JOANN = ("Mariahilfer Straße 71", "Wien", "1060", "AT", "", "+43 1 5550134")


def _address(first: str, last: str, home: Sequence[str]) -> Body:
    street, city, postcode, country, state, phone = home
    return {
        "first_name": first,
        "last_name": last,
        "company": "",
        "address_1": street,
        "address_2": "",
        "city": city,
        "state": state,
        "postcode": postcode,
        "country": country,
        "phone": phone,
    }


def _billing(first: str, last: str, home: Sequence[str], email: str) -> Body:
    return {**_address(first, last, home), "email": email}


def _links(kind: str, native: int) -> Body:
    base = f"{_SITE}/wp-json/wc/v3/{kind}"
    return {"self": [{"href": f"{base}/{native}"}], "collection": [{"href": base}]}


def _customer(native: int, email: str, first: str, last: str, home: Sequence[str], since: datetime) -> Body:
    row: Body = {"id": native}
    stamp(row, "date_created", since, _ZONE)
    stamp(row, "date_modified", since, _ZONE)
    return row | {
        "email": email,
        "first_name": first,
        "last_name": last,
        "role": "customer",
        "username": email.partition("@")[0],
        "billing": _billing(first, last, home, email),
        "shipping": _address(first, last, home),
        "is_paying_customer": email != "joann@example.com",
        "avatar_url": f"https://images.example.com/avatars/{native}.png",
        "meta_data": [],
        "_links": _links("customers", native),
    }


# ------------------------------------------------------------------------------------------------------------- goods


def _image(native: int, name: str) -> Body:
    return {
        "id": native,
        "src": f"https://images.example.com/eu/{native}.jpg",
        "name": f"{native}.jpg",
        "alt": name,
    }


def _term(native: int, name: str) -> Body:
    return {"id": native, "name": name, "slug": name.lower()}


def _stock(count: int | None) -> Body:
    return {
        "manage_stock": count is not None,
        "stock_quantity": count,
        "stock_status": "outofstock" if count == 0 else "instock",
        "backorders": "no",
        "backorders_allowed": False,
        "backordered": False,
    }


def _product(
    native: int,
    name: str,
    price: str,
    stock: int | None,
    category: str,
    tags: Sequence[str],
    text: str,
    made: datetime,
) -> Body:
    slug = name.lower().replace("ü", "ue")
    row: Body = {"id": native, "name": name, "slug": slug, "permalink": f"{_SITE}/produkt/{slug}/"}
    stamp(row, "date_created", made, _ZONE)
    stamp(row, "date_modified", made, _ZONE)
    return row | {
        "type": "simple",
        "status": "publish",
        "featured": False,
        "catalog_visibility": "visible",
        "description": f"<p>{text}</p>\n",
        "short_description": "",
        "sku": f"EU-{native}",
        "price": price,
        "regular_price": price,
        "sale_price": "",
        "on_sale": False,
        "purchasable": True,
        "total_sales": 0,
        "virtual": False,
        "downloadable": False,
        "tax_status": "taxable",
        "tax_class": "",
        **_stock(stock),
        "shipping_required": True,
        "parent_id": 0,
        "categories": [_term(native * 10, category)],
        "brands": [_term(90, "Nordwind")],
        "tags": [_term(native * 10 + at, tag) for at, tag in enumerate(tags, 1)],
        "images": [_image(native, name)],
        "attributes": [],
        "default_attributes": [],
        "variations": [],
        "grouped_products": [],
        "menu_order": 0,
        "meta_data": [],
        "has_options": False,
        "_links": _links("products", native),
    }


def _variation(native: int, colour: str, sku: str, stock: int, made: datetime) -> Body:
    row: Body = {"id": native, "type": "variation", "parent_id": 504, "name": colour}
    stamp(row, "date_created", made, _ZONE)
    stamp(row, "date_modified", made, _ZONE)
    return row | {
        "description": "",
        "permalink": f"{_SITE}/produkt/teekanne/?attribute_pa_farbe={colour.lower()}",
        "sku": sku,
        "price": "34.50",
        "regular_price": "34.50",
        "sale_price": "",
        "on_sale": False,
        "status": "publish",
        "purchasable": True,
        "virtual": False,
        "downloadable": False,
        "tax_status": "taxable",
        "tax_class": "",
        **_stock(stock),
        "image": _image(native, f"Teekanne {colour}"),
        "attributes": [{"id": 1, "name": "Farbe", "option": colour}],
        "menu_order": 0,
        "meta_data": [],
        "_links": _links("products/504/variations", native),
    }


# ------------------------------------------------------------------------------------------------------------ orders


def _net(gross: Decimal) -> tuple[str, str]:
    """What a shop with prices that include tax tells: the net amount and the tax."""
    net = (gross * 100 / (100 + _VAT)).quantize(_CENT, ROUND_HALF_UP)
    return f"{net:.2f}", f"{gross - net:.2f}"


def _taxes(tax: str) -> list[Body]:
    """The one rate of the shop."""
    return [{"id": 1, "total": tax, "subtotal": tax}]


def _order(
    shop: Shop,
    native: int,
    status: str,
    customer: int,
    billing: Body,
    placed: datetime,
    goods: Sequence[tuple[int, int, int]],
    *,
    paid: datetime | None,
    done: datetime | None = None,
) -> Body:
    """An order of `goods` (product, variation, quantity). Stock was already taken for those still standing."""
    lines: list[Body] = []
    for at, (product, variation, quantity) in enumerate(goods, 1):
        lines.append(_line(shop, native * 10 + at, product, variation, quantity, reduced=status != "cancelled"))
    shipping = Decimal("4.90")
    gross = sum((Decimal(line["total"]) + Decimal(line["total_tax"]) for line in lines), Decimal(0))
    shipping_net, shipping_tax = _net(shipping)
    cart_tax = sum((Decimal(line["total_tax"]) for line in lines), Decimal(0))
    row: Body = {
        "id": native,
        "parent_id": 0,
        "status": status,
        "currency": "EUR",
        "version": "11.0.1",
        "prices_include_tax": True,
        "discount_total": "0.00",
        "discount_tax": "0.00",
        "shipping_total": shipping_net,
        "shipping_tax": shipping_tax,
        "cart_tax": f"{cart_tax:.2f}",
        "total": f"{gross + shipping:.2f}",
        "total_tax": f"{cart_tax + Decimal(shipping_tax):.2f}",
        "customer_id": customer,
        "order_key": f"wc_order_{gmt(placed)[:10].replace('-', '')}{native}",
        "billing": dict(billing),
        "shipping": {key: value for key, value in billing.items() if key != "email"},
        "payment_method": "stripe" if paid else "bacs",
        "payment_method_title": "Karte" if paid else "Überweisung",
        "transaction_id": f"pi_{native}sandbox" if paid else "",
        "customer_ip_address": "",
        "customer_user_agent": "",
        "created_via": "checkout",
        "customer_note": "",
        "cart_hash": "",
        "number": str(native),
        "meta_data": [],
        "line_items": lines,
        "tax_lines": [],
        "shipping_lines": [
            {
                "id": native * 10 + 9,
                "method_title": "DHL Paket",
                "method_id": "flat_rate",
                "instance_id": "1",
                "total": shipping_net,
                "total_tax": shipping_tax,
                "taxes": _taxes(shipping_tax),
                "meta_data": [],
            }
        ],
        "fee_lines": [],
        "coupon_lines": [],
        "needs_processing": True,
        "currency_symbol": "€",
        "_links": _links("orders", native),
    }
    row["payment_url"] = f"{_SITE}/kasse/order-pay/{native}/?pay_for_order=true&key={row['order_key']}"
    stamp(row, "date_created", placed, _ZONE)
    stamp(row, "date_modified", done or paid or placed + timedelta(days=1), _ZONE)
    stamp(row, "date_completed", done, _ZONE)
    stamp(row, "date_paid", paid, _ZONE)
    return row


def _line(shop: Shop, native: int, product: int, variation: int, quantity: int, *, reduced: bool) -> Body:
    of = shop.products[product]
    bought: dict[str, Any] = next((one for one in shop.variations.get(product, []) if one["id"] == variation), of)
    net, tax = _net(Decimal(bought["price"]) * quantity)
    colour = f" - {bought['name']}" if variation else ""
    taken = {"id": native * 10, "key": "_reduced_stock", "value": str(quantity)}
    return {
        "id": native,
        "name": f"{of['name']}{colour}",
        "product_id": product,
        "variation_id": variation,
        "quantity": quantity,
        "tax_class": "",
        "subtotal": net,
        "subtotal_tax": tax,
        "total": net,
        "total_tax": tax,
        "taxes": _taxes(tax),
        "meta_data": [taken] if reduced else [],
        "sku": bought["sku"],
        "global_unique_id": "",
        "price": float(net) / quantity,
        "image": {"id": of["images"][0]["id"], "src": of["images"][0]["src"]},
        "parent_name": of["name"] if variation else None,
    }
