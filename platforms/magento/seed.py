"""The sandbox's Dutch shop: its customers, goods and orders, in Magento's own bodies, dated from `now`."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from platforms.magento.simulator import Body, Shop, stamp

_VAT = Decimal(21)
_CENT = Decimal("0.01")
_DAY = timedelta(days=1)


def seed(now: datetime) -> Shop:
    """The shop as it stands at `now` (aware): EUR, Europe/Amsterdam, prices with 21% tax, Magento Open Source."""
    shop = Shop(currency="EUR", time_zone="Europe/Amsterdam", next_id=9001)
    for customer in (
        _customer(41, "ada@example.com", "Ada", "Lovelace", _ADA, now - 300 * _DAY),
        _customer(43, "joann@example.com", "Joann", "Reed", _JOANN, now - 90 * _DAY),
    ):
        shop.customers[customer["id"]] = customer
    made = now - 365 * _DAY
    for product in (
        _product(601, "NL-601", "Linnen overhemd", "49.95", 18, "Een licht overhemd van Belgisch linnen.", made),
        _product(602, "NL-602", "Wollen sjaal", "24.50", 40, "Zachte sjaal van merinowol &amp; zijde.", made),
        _product(603, "NL-603", "Emaille mok", "12.00", 0, "Mok van 0,3 liter.", made),
        _product(604, "NL-604", "Regenjas", None, None, "Waterdicht en ademend.", made),
        _product(6041, "NL-604-M", "Regenjas-M", "119.00", 6, "", made),
        _product(6042, "NL-604-L", "Regenjas-L", "119.00", 3, "", made),
    ):
        shop.products[product["id"]] = product
    coat = shop.products[604]
    coat |= {"type_id": "configurable"}
    coat["extension_attributes"] |= {
        "configurable_product_options": [
            {"id": 31, "attribute_id": "144", "label": "Maat", "position": 0, "product_id": 604, "values": []}
        ],
        "configurable_product_links": [6041, 6042],
    }
    shop.products[602]["custom_attributes"] += [
        {"attribute_code": "special_price", "value": "19.950000"},
        {"attribute_code": "special_from_date", "value": f"{now - 3 * _DAY:%Y-%m-%d} 00:00:00"},
    ]

    _order(shop, 3001, 41, _ADA_TO, now - 12 * _DAY, [(601, 1), (603, 2)], "adyen_cc", paid=True)
    _ship(shop, 3001, now - 10 * _DAY, "PostNL", "3SABCD1234567")
    _order(shop, 3002, 41, _ADA_TO, now - 7 * _DAY, [(602, 1)], "banktransfer", paid=False)
    _order(shop, 3003, None, _FINN_TO, now - 9 * _DAY, [(6042, 2)], "adyen_cc", paid=True)
    _ship(shop, 3003, now - 7 * _DAY, "DHL", "JVGL0612345678")
    _refund_one(shop, 3003, now - _DAY)
    return shop


# --------------------------------------------------------------------------------------------------------- addresses

_ADA = (["Prinsengracht 140", "2 hoog"], "Amsterdam", "1016 GZ", "NL", "Noord-Holland", "+31 20 5550141")
_FINN = (["Oudegracht 8"], "Utrecht", "3511 AC", "NL", "Utrecht", "+31 30 5550142")
_JOANN = (["Meir 71"], "Antwerpen", "2000", "BE", "Antwerpen", "+32 3 5550143")
_ADA_TO = ("Ada", "Lovelace", "ada@example.com", _ADA)
_FINN_TO = ("Finn", "de Vries", "finn@example.com", _FINN)


def _customer(native: int, email: str, first: str, last: str, home: Sequence[Any], since: datetime) -> Body:
    street, city, postcode, country, region, phone = home
    return {
        "id": native,
        "group_id": 1,
        "default_billing": str(native * 10),
        "default_shipping": str(native * 10),
        "created_at": stamp(since),
        "updated_at": stamp(since),
        "created_in": "Nederlands",
        "email": email,
        "firstname": first,
        "lastname": last,
        "store_id": 1,
        "website_id": 1,
        "addresses": [
            {
                "id": native * 10,
                "customer_id": native,
                "region": {"region_code": region, "region": region, "region_id": 0},
                "region_id": 0,
                "country_id": country,
                "street": list(street),
                "telephone": phone,
                "postcode": postcode,
                "city": city,
                "firstname": first,
                "lastname": last,
                "default_shipping": True,
                "default_billing": True,
            }
        ],
        "disable_auto_group_change": 0,
    }


def _address(kind: str, native: int, order: int, to: Sequence[Any]) -> Body:
    first, last, email, (street, city, postcode, country, region, phone) = to
    return {
        "address_type": kind,
        "city": city,
        "country_id": country,
        "email": email,
        "entity_id": native,
        "firstname": first,
        "lastname": last,
        "parent_id": order,
        "postcode": postcode,
        "region": region,
        "region_code": region,
        "street": list(street),
        "telephone": phone,
    }


# ------------------------------------------------------------------------------------------------------------- goods


def _product(native: int, sku: str, name: str, price: str | None, stock: int | None, text: str, made: datetime) -> Body:
    slug = name.lower().replace(" ", "-")
    row: Body = {
        "id": native,
        "sku": sku,
        "name": name,
        "attribute_set_id": 4,
        "status": 1,
        "visibility": 1 if native > 6000 else 4,
        "type_id": "simple",
        "created_at": stamp(made),
        "updated_at": stamp(made),
        "weight": 0.5,
        "extension_attributes": {"website_ids": [1], "category_links": [{"position": 0, "category_id": "11"}]},
        "product_links": [],
        "options": [],
        "media_gallery_entries": [
            {
                "id": native * 10,
                "media_type": "image",
                "label": name,
                "position": 1,
                "disabled": False,
                "types": ["image", "small_image", "thumbnail"],
                "file": f"/n/l/{native}.jpg",
            }
        ],
        "tier_prices": [],
        "custom_attributes": [
            {"attribute_code": "description", "value": f"<p>{text}</p>"},
            {"attribute_code": "url_key", "value": slug},
            {"attribute_code": "category_ids", "value": ["11"]},
        ],
    }
    if price is not None:
        row["price"] = float(price)
    if stock is not None:
        row["extension_attributes"]["stock_item"] = _stock(native, stock)
    return row


def _stock(native: int, count: int) -> Body:
    return {
        "item_id": native,
        "product_id": native,
        "stock_id": 1,
        "qty": count,
        "is_in_stock": count > 0,
        "is_qty_decimal": False,
        "show_default_notification_message": False,
        "use_config_min_qty": True,
        "min_qty": 0,
        "use_config_min_sale_qty": 1,
        "min_sale_qty": 1,
        "use_config_max_sale_qty": True,
        "max_sale_qty": 10000,
        "use_config_backorders": True,
        "backorders": 0,
        "use_config_notify_stock_qty": True,
        "notify_stock_qty": 1,
        "use_config_qty_increments": True,
        "qty_increments": 0,
        "use_config_enable_qty_inc": True,
        "enable_qty_increments": False,
        "use_config_manage_stock": True,
        "manage_stock": True,
        "low_stock_date": None,
        "is_decimal_divided": False,
        "stock_status_changed_auto": 0,
    }


# ------------------------------------------------------------------------------------------------------------ orders


def _net(gross: Decimal) -> Decimal:
    return (gross * 100 / (100 + _VAT)).quantize(_CENT, ROUND_HALF_UP)


def _both(name: str, amount: Decimal | int) -> Body:
    """An amount in the customer's currency and in the shop's, which are one here."""
    value = float(amount)
    return {name: value, f"base_{name}": value}


def _item(shop: Shop, order: int, native: int, product: int, quantity: int, placed: datetime, *, paid: bool) -> Body:
    of = shop.products[product]
    gross = Decimal(str(of["price"])) * quantity
    net = _net(gross)
    row: Body = {
        "created_at": stamp(placed),
        "updated_at": stamp(placed),
        "is_qty_decimal": 0,
        "is_virtual": 0,
        "item_id": native,
        "name": of["name"],
        "order_id": order,
        "product_id": product,
        "product_type": "simple",
        "qty_canceled": 0,
        "qty_invoiced": quantity if paid else 0,
        "qty_ordered": quantity,
        "qty_refunded": 0,
        "qty_shipped": 0,
        "sku": of["sku"],
        "store_id": 1,
        "tax_percent": float(_VAT),
        "free_shipping": 0,
        "weight": 0.5,
    }
    row |= _both("price", _net(Decimal(str(of["price"])))) | _both("price_incl_tax", Decimal(str(of["price"])))
    row |= _both("row_total", net) | _both("row_total_incl_tax", gross) | _both("tax_amount", gross - net)
    row |= _both("discount_amount", 0) | _both("discount_tax_compensation_amount", 0)
    return row


def _items(shop: Shop, order: int, goods: Sequence[tuple[int, int]], placed: datetime, *, paid: bool) -> list[Body]:
    rows: list[Body] = []
    for product, quantity in goods:
        row = _item(shop, order, order * 10 + len(rows) + 1, product, quantity, placed, paid=paid)
        rows.append(row)
        if product < 6000:
            continue
        # A configurable: the row that was bought, and below it what it turned out to be.
        whole = shop.products[product // 10]
        row |= {"product_id": whole["id"], "name": whole["name"], "product_type": "configurable"}
        piece = _item(shop, order, row["item_id"] + 1, product, quantity, placed, paid=paid)
        piece |= {"parent_item_id": row["item_id"]}
        for name in [name for name in piece if "price" in name or "total" in name or "amount" in name]:
            piece[name] = 0
        rows.append(piece)
    return rows


def _order(
    shop: Shop,
    native: int,
    customer: int | None,
    to: Sequence[Any],
    placed: datetime,
    goods: Sequence[tuple[int, int]],
    method: str,
    *,
    paid: bool,
) -> None:
    """An order of `goods` (product, quantity); a paid one is invoiced in full at once."""
    first, last, email, _ = to
    items = _items(shop, native, goods, placed, paid=paid)
    shipping = Decimal("4.95")
    gross = sum((Decimal(str(item["row_total_incl_tax"])) for item in items), Decimal(0))
    tax = sum((Decimal(str(item["tax_amount"])) for item in items), Decimal(0)) + shipping - _net(shipping)
    total = gross + shipping
    row: Body = {
        "entity_id": native,
        "increment_id": f"{native:09d}",
        "state": "processing" if paid else "new",
        "status": "processing" if paid else "pending",
        "created_at": stamp(placed),
        "updated_at": stamp(placed),
        "customer_email": email,
        "customer_firstname": first,
        "customer_lastname": last,
        "customer_group_id": 1 if customer else 0,
        "customer_is_guest": 0 if customer else 1,
        "customer_note_notify": 1,
        "is_virtual": 0,
        "order_currency_code": "EUR",
        "base_currency_code": "EUR",
        "store_currency_code": "EUR",
        "global_currency_code": "EUR",
        "store_id": 1,
        "store_name": "Hoofdsite\nWebwinkel\nNederlands",
        "protect_code": f"{native:032x}",
        "total_item_count": len(goods),
        "items": items,
        "billing_address": _address("billing", native * 10, native, to),
        "payment": {
            "account_status": None,
            "additional_information": ["Kaart" if paid else "Overboeking"],
            "amount_ordered": float(total),
            "cc_last4": None,
            "entity_id": native,
            "method": method,
            "parent_id": native,
            "last_trans_id": f"PSP{native}SANDBOX" if paid else None,
        },
        "status_histories": [],
        "extension_attributes": {
            "shipping_assignments": [
                {
                    "shipping": {
                        "address": _address("shipping", native * 10 + 1, native, to),
                        "method": "flatrate_flatrate",
                        "total": {"shipping_amount": float(_net(shipping))},
                    },
                    "items": items,
                }
            ]
        },
    }
    if customer:
        row["customer_id"] = customer
    row |= _both("grand_total", total) | _both("subtotal", gross - (tax - shipping + _net(shipping)))
    row |= _both("shipping_amount", _net(shipping)) | _both("shipping_incl_tax", shipping) | _both("tax_amount", tax)
    row |= _both("discount_amount", 0) | _both("total_due", 0 if paid else total)
    shop.orders[native] = row
    if paid:
        row |= _both("total_paid", total) | _both("total_invoiced", total)
        _invoice(shop, row, placed)


def _invoice(shop: Shop, order: Body, at: datetime) -> None:
    native = order["entity_id"]
    shop.invoices[native] = {
        "entity_id": native,
        "increment_id": f"{native:09d}",
        "order_id": native,
        "state": 2,
        "created_at": stamp(at),
        "updated_at": stamp(at),
        "grand_total": order["grand_total"],
        "base_grand_total": order["base_grand_total"],
        "order_currency_code": "EUR",
        "base_currency_code": "EUR",
        "store_id": 1,
        "total_qty": sum(item["qty_ordered"] for item in order["items"] if "parent_item_id" not in item),
        "transaction_id": order["payment"]["last_trans_id"],
        "items": [
            {
                "entity_id": item["item_id"],
                "order_item_id": item["item_id"],
                "sku": item["sku"],
                "qty": item["qty_invoiced"],
            }
            for item in order["items"]
        ],
        "comments": [],
    }


def _ship(shop: Shop, order: int, at: datetime, carrier: str, number: str) -> None:
    """Everything of a paid order goes out at once, and the order is done."""
    row = shop.orders[order]
    rows = []
    for item in row["items"]:
        if "parent_item_id" in item:
            continue
        item["qty_shipped"] = item["qty_ordered"]
        rows.append(
            {
                "entity_id": item["item_id"],
                "parent_id": order,
                "name": item["name"],
                "sku": item["sku"],
                "price": item["price"],
                "product_id": item["product_id"],
                "order_item_id": item["item_id"],
                "qty": item["qty_ordered"],
            }
        )
    shop.shipments[order] = {
        "entity_id": order,
        "increment_id": f"{order:09d}",
        "order_id": order,
        "created_at": stamp(at),
        "updated_at": stamp(at),
        "store_id": 1,
        "total_qty": sum(one["qty"] for one in rows),
        "items": rows,
        "tracks": [
            {
                "order_id": order,
                "created_at": stamp(at),
                "entity_id": order,
                "parent_id": order,
                "updated_at": stamp(at),
                "weight": 0,
                "qty": 0,
                "description": "",
                "track_number": number,
                "title": carrier,
                "carrier_code": "custom",
            }
        ],
        "comments": [],
    }
    row |= {"state": "complete", "status": "complete", "updated_at": stamp(at)}


def _refund_one(shop: Shop, order: int, at: datetime) -> None:
    """One unit of the first line, paid back through the payment's gateway."""
    row = shop.orders[order]
    item = row["items"][0]
    gross = Decimal(str(item["price_incl_tax"]))
    net = _net(gross)
    part: Body = {
        "entity_id": order * 10 + 5,
        "order_item_id": item["item_id"],
        "qty": 1,
        "name": item["name"],
        "sku": item["sku"],
        "product_id": item["product_id"],
        "base_cost": None,
    }
    part |= _both("price", net) | _both("row_total", net) | _both("tax_amount", gross - net)
    shop.memos[order] = {
        "entity_id": order,
        "increment_id": f"{order:09d}",
        "order_id": order,
        "invoice_id": order,
        "transaction_id": f"{row['payment']['last_trans_id']}-refund",
        "state": 2,
        "created_at": stamp(at),
        "updated_at": stamp(at),
        "order_currency_code": "EUR",
        "base_currency_code": "EUR",
        "store_id": 1,
        "items": [part],
        "comments": [],
        **_both("grand_total", gross),
    }
    item |= {"qty_refunded": 1} | _both("amount_refunded", net) | _both("tax_refunded", gross - net)
    row |= _both("total_refunded", gross) | _both("total_online_refunded", gross)
    row["updated_at"] = stamp(at)
