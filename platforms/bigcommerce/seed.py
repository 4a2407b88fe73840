"""The sandbox's Canadian store: its customers, goods and orders, in BigCommerce's own bodies, dated from `now`."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal

from platforms.bigcommerce.simulator import STATUSES, Body, Shop, Simulator, iso, rfc

_SITE = "https://ca.shop.example.com"
#: Ontario's.
_TAX = Decimal("0.13")
_CENT = Decimal("0.01")
_SHIPPING = Decimal("9.95")


def seed(now: datetime) -> Shop:
    """The store as it stands at `now` (aware): CAD, America/Toronto, prices without the tax that is added to them."""
    shop = Shop(currency="CAD", time_zone="America/Toronto", secure_url=_SITE, next_id=9001)
    for customer in (
        _customer(41, "ada@example.com", "Ada", "Lovelace", _ADA, now - timedelta(days=300)),
        _customer(42, "noah@example.com", "Noah", "Tremblay", _NOAH, now - timedelta(days=80)),
    ):
        shop.customers[customer["id"]] = customer
    made = now - timedelta(days=500)
    for product in (
        _product(301, "Maple Blanket", 89.00, 14, [], "Wool and cotton, woven in Québec.", made),
        _product(302, "Wool Toque", 24.50, 0, [(3021, "Red", 31), (3022, "Navy", 0)], "One size, very warm.", made),
        _product(303, "Trail Mug", 18.75, 60, [], "Enamelled steel, 350 ml.", made),
    ):
        shop.catalog[product["id"]] = product

    day = timedelta(days=1)
    ada, noah, bea = (
        _address(*one)
        for one in (
            ("Ada", "Lovelace", _ADA, "ada@example.com"),
            ("Noah", "Tremblay", _NOAH, "noah@example.com"),
            ("Bea", "Singh", _BEA, "bea@example.com"),
        )
    )
    # A checkout that was left, which no shopper ever sees.
    _order(shop, 5000, 0, 41, ada, now - 9 * day, [(303, 3031, 1)], payment="")
    _order(shop, 5001, 14, 0, bea, now - 15 * day, [(301, 3011, 1), (303, 3031, 2)], payment="captured")
    _shipped(shop, 5001, now - 12 * day, "7023210039414604")
    _order(shop, 5002, 2, 41, ada, now - 21 * day, [(301, 3011, 1), (302, 3022, 2)], payment="captured")
    _shipped(shop, 5002, now - 18 * day, "7023210039414611")
    _order(shop, 5004, 11, 41, ada, now - 8 * day, [(303, 3031, 1)], payment="captured")
    _order(shop, 5003, 11, 42, noah, now - timedelta(minutes=20), [(302, 3021, 1)], payment="authorized")
    desk = Simulator(shop, clock=lambda: now)
    desk.refund(5001, {50012: 1}, at=now - 3 * day, reason="One mug arrived chipped.", native=701)
    return shop


# --------------------------------------------------------------------------------------------------------- addresses

_ADA = ("480 Queen Street West", "Toronto", "Ontario", "M5V 2B7", "+1 416 555 0161")
_NOAH = ("3575 Avenue du Parc", "Montréal", "Quebec", "H2X 3P9", "+1 514 555 0162")
_BEA = ("1128 Mainland Street", "Vancouver", "British Columbia", "V6B 5L1", "+1 604 555 0163")


def _address(first: str, last: str, home: Sequence[str], email: str) -> Body:
    street, city, province, code, phone = home
    return {
        "first_name": first,
        "last_name": last,
        "company": "",
        "street_1": street,
        "street_2": "",
        "city": city,
        "state": province,
        "zip": code,
        "country": "Canada",
        "country_iso2": "CA",
        "phone": phone,
        "email": email,
        "form_fields": [],
    }


def _customer(native: int, email: str, first: str, last: str, home: Sequence[str], since: datetime) -> Body:
    street, city, province, code, phone = home
    return {
        "id": native,
        "email": email,
        "first_name": first,
        "last_name": last,
        "company": "",
        "phone": phone,
        "registration_ip_address": "",
        "notes": "",
        "tax_exempt_category": "",
        "customer_group_id": 0,
        "date_created": iso(since),
        "date_modified": iso(since),
        "address_count": 1,
        "attribute_count": 0,
        "authentication": {"force_password_reset": False},
        "addresses": [
            {
                "id": native * 10,
                "customer_id": native,
                "first_name": first,
                "last_name": last,
                "company": "",
                "address1": street,
                "address2": "",
                "city": city,
                "state_or_province": province,
                "postal_code": code,
                "country": "Canada",
                "country_code": "CA",
                "phone": phone,
                "address_type": "residential",
            }
        ],
        "accepts_product_review_abandoned_cart_emails": False,
        "origin_channel_id": 1,
        "channel_ids": [1],
    }


# ------------------------------------------------------------------------------------------------------------- goods


def _product(
    native: int,
    name: str,
    price: float,
    stock: int,
    colours: Sequence[tuple[int, str, int]],
    text: str,
    made: datetime,
) -> Body:
    """Without colours, the one variant is the product itself."""
    slug = name.lower().replace(" ", "-")
    return {
        "id": native,
        "name": name,
        "type": "physical",
        "sku": f"CA-{native}",
        "description": f"<p>{text}</p>",
        "weight": 1,
        "price": price,
        "cost_price": 0,
        "retail_price": 0,
        "sale_price": 0,
        "calculated_price": price,
        "categories": [12],
        "brand_id": 3,
        "inventory_level": sum(one[2] for one in colours) if colours else stock,
        "inventory_warning_level": 0,
        "inventory_tracking": "variant" if colours else "product",
        "is_free_shipping": False,
        "is_visible": True,
        "is_featured": False,
        "availability": "available",
        "availability_description": "",
        "condition": "New",
        "date_created": iso(made),
        "date_modified": iso(made),
        "is_price_hidden": False,
        "custom_url": {"url": f"/{slug}/", "is_customized": False},
        "base_variant_id": None if colours else native * 10 + 1,
        "variants": [_variant(native, *one) for one in colours] or [_variant(native, native * 10 + 1, "", 0)],
        "images": [
            {
                "id": native * 10 + 5,
                "product_id": native,
                "is_thumbnail": True,
                "sort_order": 0,
                "description": name,
                "url_standard": f"https://images.example.com/ca/{native}.jpg",
                "url_zoom": f"https://images.example.com/ca/{native}.zoom.jpg",
                "url_thumbnail": f"https://images.example.com/ca/{native}.thumb.jpg",
                "url_tiny": f"https://images.example.com/ca/{native}.tiny.jpg",
                "date_modified": iso(made),
            }
        ],
    }


def _variant(product: int, native: int, colour: str, stock: int) -> Body:
    options = [{"id": native * 10, "label": colour, "option_id": product * 10, "option_display_name": "Colour"}]
    return {
        "id": native,
        "product_id": product,
        "sku": f"CA-{product}-{colour.upper()}" if colour else f"CA-{product}",
        "sku_id": None,
        "price": None,
        "sale_price": None,
        "retail_price": None,
        "calculated_price": 24.5 if colour else {301: 89.0, 303: 18.75}[product],
        "purchasing_disabled": False,
        "purchasing_disabled_message": "",
        "image_url": f"https://images.example.com/ca/{native}.jpg" if colour else "",
        "inventory_level": stock,
        "inventory_warning_level": 0,
        "option_values": options if colour else [],
    }


# ------------------------------------------------------------------------------------------------------------ orders


def _money(amount: Decimal) -> str:
    return f"{amount:.4f}"


def _taxed(net: Decimal) -> Decimal:
    return (net * (1 + _TAX)).quantize(_CENT, ROUND_HALF_UP)


def _order(
    shop: Shop,
    native: int,
    status: int,
    customer: int,
    billing: Body,
    placed: datetime,
    goods: Sequence[tuple[int, int, int]],
    *,
    payment: str,
) -> None:
    """An order of `goods` (product, variant, quantity)."""
    address = native * 10 + 9
    lines = [_line(shop, native, at, address, *one) for at, one in enumerate(goods, 1)]
    net = sum((Decimal(line["total_ex_tax"]) for line in lines), Decimal(0))
    gross = sum((Decimal(line["total_inc_tax"]) for line in lines), Decimal(0))
    shipping, units = _taxed(_SHIPPING), sum(line["quantity"] for line in lines)
    total, total_net = gross + shipping, net + _SHIPPING
    row: Body = {
        "id": native,
        "customer_id": customer,
        "date_created": rfc(placed),
        "date_modified": rfc(placed),
        "date_shipped": "",
        "status_id": status,
        "status": STATUSES[status],
        "custom_status": STATUSES[status],
        "subtotal_ex_tax": _money(net),
        "subtotal_inc_tax": _money(gross),
        "subtotal_tax": _money(gross - net),
        "base_shipping_cost": _money(_SHIPPING),
        "shipping_cost_ex_tax": _money(_SHIPPING),
        "shipping_cost_inc_tax": _money(shipping),
        "shipping_cost_tax": _money(shipping - _SHIPPING),
        "total_ex_tax": _money(total_net),
        "total_inc_tax": _money(total),
        "total_tax": _money(total - total_net),
        "is_tax_inclusive_pricing": False,
        "items_total": units,
        "items_shipped": 0,
        "payment_method": "Credit Card" if payment else "",
        "payment_provider_id": f"pi_{native}sandbox" if payment else "",
        "payment_status": payment,
        "refunded_amount": "0.0000",
        "order_is_digital": False,
        "store_credit_amount": "0.0000",
        "gift_certificate_amount": "0.0000",
        "currency_id": 1,
        "currency_code": "CAD",
        "currency_exchange_rate": "1.0000000000",
        "default_currency_id": 1,
        "default_currency_code": "CAD",
        "store_default_currency_code": "CAD",
        "store_default_to_transactional_exchange_rate": "1.0000000000",
        "staff_notes": "",
        "customer_message": "",
        "discount_amount": "0.0000",
        "coupon_discount": "0.0000",
        "shipping_address_count": 1,
        "is_deleted": False,
        "billing_address": dict(billing),
        "is_email_opt_in": False,
        "order_source": "www",
        "channel_id": 1,
        "external_source": None,
        "external_id": None,
        "external_merchant_id": None,
        "tax_provider_id": "BasicTaxProvider",
        "customer_locale": "en",
    }
    shop.orders[native] = row
    shop.products[native] = lines
    shop.shipping_addresses[native] = [
        billing
        | {
            "id": address,
            "order_id": native,
            "items_total": units,
            "items_shipped": 0,
            "shipping_method": "Flat Rate",
            "base_cost": _money(_SHIPPING),
            "cost_ex_tax": _money(_SHIPPING),
            "cost_inc_tax": _money(shipping),
            "cost_tax": _money(shipping - _SHIPPING),
            "shipping_zone_id": 1,
            "shipping_zone_name": "Canada",
        }
    ]


def _line(shop: Shop, order: int, at: int, address: int, product: int, variant: int, quantity: int) -> Body:
    of = shop.catalog[product]
    bought = next(one for one in of["variants"] if one["id"] == variant)
    price = Decimal(str(bought["calculated_price"]))
    total, net = _taxed(price) * quantity, price * quantity
    return {
        "id": order * 10 + at,
        "order_id": order,
        "product_id": product,
        "variant_id": variant,
        "order_pickup_method_id": 0,
        "order_address_id": address,
        "name": of["name"],
        "name_customer": of["name"],
        "name_merchant": of["name"],
        "sku": bought["sku"],
        "upc": "",
        "type": "physical",
        "base_price": _money(price),
        "price_ex_tax": _money(price),
        "price_inc_tax": _money(_taxed(price)),
        "price_tax": _money(_taxed(price) - price),
        "base_total": _money(net),
        "total_ex_tax": _money(net),
        "total_inc_tax": _money(total),
        "total_tax": _money(total - net),
        "discounted_total_inc_tax": _money(total),
        "quantity": quantity,
        "is_refunded": False,
        "quantity_refunded": 0,
        "refund_amount": "0.0000",
        "return_id": 0,
        "quantity_shipped": 0,
        "parent_order_product_id": None,
        "is_bundled_product": False,
        "external_id": None,
        "brand": "Northern Goods",
        "applied_discounts": [],
        "product_options": [
            {
                "id": order * 100 + at,
                "option_id": one["option_id"],
                "order_product_id": order * 10 + at,
                "product_option_id": one["option_id"],
                "display_name": one["option_display_name"],
                "display_value": one["label"],
                "value": str(one["id"]),
                "type": "Swatch",
                "name": one["option_display_name"],
                "display_style": "",
            }
            for one in bought["option_values"]
        ],
    }


def _shipped(shop: Shop, order: int, at: datetime, number: str) -> None:
    """Everything in one parcel."""
    row, address = shop.orders[order], shop.shipping_addresses[order][0]
    for line in shop.products[order]:
        line["quantity_shipped"] = line["quantity"]
    row |= {"items_shipped": row["items_total"], "date_shipped": rfc(at), "date_modified": rfc(at)}
    address["items_shipped"] = row["items_total"]
    to = {name: value for name, value in row["billing_address"].items() if name != "form_fields"}
    shop.shipments[order] = [
        {
            "id": order * 10 + 8,
            "order_id": order,
            "customer_id": row["customer_id"],
            "order_address_id": address["id"],
            "date_created": rfc(at),
            "tracking_number": number,
            "tracking_carrier": "canada-post",
            "tracking_link": "",
            "generated_tracking_link": f"https://www.canadapost.example.com/track/{number}",
            "merchant_shipping_cost": "0.0000",
            "shipping_method": "Flat Rate",
            "shipping_provider": "canadapost",
            "shipping_provider_display_name": "Canada Post",
            "comments": "",
            "billing_address": to,
            "shipping_address": to,
            "items": [
                {"order_product_id": line["id"], "product_id": line["product_id"], "quantity": line["quantity"]}
                for line in shop.products[order]
            ],
        }
    ]
