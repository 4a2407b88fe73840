"""The sandbox's Swedish shop: its customers, goods and orders, in Medusa's own bodies, dated from `now`."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal

from platforms.medusa.simulator import Body, Store, instant

_DAY = timedelta(days=1)
_SHIPPING = 49


def native(kind: str, number: int) -> str:
    """The id of a seeded thing: `native("order", 3001)`."""
    return f"{kind}_01M8SE{number:020d}"


def seed(now: datetime) -> Store:
    """The shop as it stands at `now` (aware): SEK, prices with tax."""
    store = Store(currency="sek", next_id=9000)
    for customer in (
        _customer(1, "ada@example.com", "Ada", "Lovelace", _ADA, now - 300 * _DAY, account=True, groups=("VIP",)),
        _customer(2, "elin@example.com", None, None, None, now - 5 * _DAY, account=False),
        _customer(3, "joann@example.com", "Joann", "Reed", _JOANN, now - 90 * _DAY, account=True),
    ):
        store.customers[customer["id"]] = customer
    made = now - 400 * _DAY
    for product in (
        _product(701, "Linneskjorta", "shirts", Decimal("499.5"), 24, ("S", "M"), (), made),
        _product(702, "Stickad mössa", "accessories", Decimal(199), 60, ("One size",), ("winter",), made),
        _product(703, "Termos", "outdoor", Decimal(349), 0, ("0,75 l",), ("final-sale",), made),
    ):
        store.products[product["id"]] = product
    for order in (
        # Delivered six days ago, paid.
        _order(
            store, 3001, 1, "ada@example.com", _ADA, now - 10 * _DAY, [(701, 1, 2), (702, 0, 1)], sent=now - 8 * _DAY
        ),
        # Authorised only: nothing is captured before it is packed.
        _order(store, 3002, 1, "ada@example.com", _ADA, now - 9 * _DAY, [(702, 0, 1)], captured=False),
        # A guest's, who typed her address with capitals.
        _order(store, 3003, 2, "Elin@Example.com", _ELIN, now - 3 * _DAY, [(703, 0, 1)]),
    ):
        store.orders[order["id"]] = order
    return store


# --------------------------------------------------------------------------------------------------- people and goods

_ADA = ("Ada", "Lovelace", "Drottninggatan 71", "Stockholm", "11136", "+46 8 5550141")
_ELIN = ("Elin", "Berg", "Linnégatan 12", "Göteborg", "41304", "+46 31 5550142")
_JOANN = ("Joann", "Reed", "Storgatan 3", "Malmö", "21142", "+46 40 5550143")


def _stamped(row: Body, at: datetime) -> Body:
    return row | {"created_at": instant(at), "updated_at": instant(at), "deleted_at": None}


def _address(home: Sequence[str], id: str, at: datetime) -> Body:
    first, last, street, city, code, phone = home
    row = {
        "id": id,
        "customer_id": None,
        "company": None,
        "first_name": first,
        "last_name": last,
        "address_1": street,
        "address_2": None,
        "city": city,
        "country_code": "se",
        "province": None,
        "postal_code": code,
        "phone": phone,
        "metadata": None,
    }
    return _stamped(row, at)


def _customer(
    number: int,
    email: str,
    first: str | None,
    last: str | None,
    home: Sequence[str] | None,
    since: datetime,
    *,
    account: bool,
    groups: Sequence[str] = (),
) -> Body:
    row = {
        "id": native("cus", number),
        "company_name": None,
        "first_name": first,
        "last_name": last,
        "email": email,
        "phone": home[5] if home else None,
        "metadata": None,
        "has_account": account,
        "created_by": None,
        "addresses": [_address(home, native("cuaddr", number), since)] if home else [],
        "groups": [{"id": native("cusgroup", at), "name": name} for at, name in enumerate(groups, 1)],
    }
    return _stamped(row, since)


def _product(
    number: int,
    title: str,
    kind: str,
    price: Decimal,
    stock: int,
    sizes: Sequence[str],
    tags: Sequence[str],
    made: datetime,
) -> Body:
    handle = title.lower().replace(" ", "-").replace("ö", "o")
    option = {"id": native("opt", number), "title": "Storlek", "is_exclusive": True, "metadata": None}
    variants = []
    for at, size in enumerate(sizes):
        id = native("variant", number * 10 + at)
        value = {"id": native("optval", number * 10 + at), "value": size, "option_id": option["id"], "option": option}
        price_row = {
            "id": native("price", number * 10 + at),
            "amount": price,
            "currency_code": "sek",
            "min_quantity": None,
            "max_quantity": None,
            "variant_id": id,
            "rules": {},
        }
        euro = price_row | {"id": native("price", number * 10 + at + 5), "amount": 45, "currency_code": "eur"}
        variant = {
            "id": id,
            "title": size,
            "sku": f"SE-{number}-{at}",
            "barcode": None,
            "allow_backorder": False,
            "manage_inventory": True,
            "metadata": None,
            "variant_rank": at,
            "thumbnail": None,
            "product_id": native("prod", number),
            "images": [],
            "options": [value],
            "prices": [euro, price_row],
            "inventory_items": [
                {
                    "required_quantity": 1,
                    "variant_id": id,
                    "inventory_item_id": native("iitem", number * 10 + at),
                    "inventory": {
                        "id": native("iitem", number * 10 + at),
                        "location_levels": [{"available_quantity": stock}],
                    },
                }
            ],
        }
        variants.append(_stamped(variant, made))
    row = {
        "id": native("prod", number),
        "title": title,
        "subtitle": None,
        "status": "published",
        "external_id": None,
        "description": f"{title}, gjord i Sverige.",
        "handle": handle,
        "is_giftcard": False,
        "discountable": True,
        "thumbnail": f"https://images.example.com/se/{number}.jpg",
        "collection_id": None,
        "type_id": native("ptyp", number),
        "metadata": None,
        "type": {"id": native("ptyp", number), "value": kind},
        "collection": None,
        "options": [option],
        "tags": [{"id": native("ptag", number * 10 + at), "value": tag} for at, tag in enumerate(tags)],
        "images": [{"id": native("img", number), "url": f"https://images.example.com/se/{number}.jpg", "rank": 0}],
        "variants": variants,
        "sales_channels": [{"id": native("sc", 1), "name": "Webben"}],
    }
    return _stamped(row, made)


# ------------------------------------------------------------------------------------------------------------- orders


def _order(
    store: Store,
    number: int,
    customer: int,
    email: str,
    home: Sequence[str],
    placed: datetime,
    goods: Sequence[tuple[int, int, int]],
    *,
    captured: bool = True,
    sent: datetime | None = None,
) -> Body:
    """An order of `goods` (product, variant, quantity); what was sent arrived two days later."""
    items = [
        _line(store, number * 10 + at, native("order", number), product, variant, quantity, placed, sent is not None)
        for at, (product, variant, quantity) in enumerate(goods, 1)
    ]
    goods_total = sum((Decimal(item["total"]) for item in items), Decimal(0))
    total = goods_total + _SHIPPING
    tax = (total / 5).quantize(Decimal("0.01"))
    paid = total if captured else Decimal(0)
    payment: Body = {
        "id": native("pay", number),
        "currency_code": "sek",
        "provider_id": "pp_stripe_stripe",
        "data": {},
        "metadata": None,
        "captured_at": instant(placed) if captured else None,
        "canceled_at": None,
        "payment_collection_id": native("pay_col", number),
        "refunds": [],
        "captures": [{"id": native("capt", number), "payment_id": native("pay", number), "amount": total}]
        if captured
        else [],
        "amount": total,
    }
    row = {
        "id": native("order", number),
        "display_id": number,
        "custom_display_id": None,
        "status": "pending",
        "version": 4 if sent else 1,
        "summary": {
            "paid_total": paid,
            "refunded_total": 0,
            "accounting_total": total,
            "credit_line_total": 0,
            "transaction_total": paid,
            "pending_difference": total - paid,
            "current_order_total": total,
            "original_order_total": total,
        },
        "total": total,
        "metadata": None,
        "locale": None,
        "region_id": native("reg", 1),
        "subtotal": total - tax,
        "tax_total": tax,
        "discount_total": 0,
        "discount_tax_total": 0,
        "original_total": total,
        "item_total": goods_total,
        "shipping_total": _SHIPPING,
        "credit_line_total": 0,
        "email": email,
        "currency_code": "sek",
        "customer_id": native("cus", customer),
        "canceled_at": None,
        "is_draft_order": False,
        "sales_channel_id": native("sc", 1),
        "sales_channel": {"id": native("sc", 1), "name": "Webben"},
        "items": items,
        "credit_lines": [],
        "shipping_address": _address(home, native("ordaddr", number * 10), placed),
        "billing_address": _address(home, native("ordaddr", number * 10 + 1), placed),
        "payment_collections": [
            {
                "id": native("pay_col", number),
                "currency_code": "sek",
                "status": "completed" if captured else "authorized",
                "payments": [_stamped(payment, placed)],
                "amount": total,
                "authorized_amount": total,
                "captured_amount": paid,
                "refunded_amount": 0,
            }
        ],
        "fulfillments": [_parcel(number, items, sent)] if sent else [],
        "payment_status": "captured" if captured else "authorized",
        "fulfillment_status": "delivered" if sent else "not_fulfilled",
    }
    return _stamped(row, placed) | {"updated_at": instant(sent + 2 * _DAY if sent else placed)}


def _line(
    store: Store, number: int, order: str, product: int, variant: int, quantity: int, placed: datetime, sent: bool
) -> Body:
    of = store.products[native("prod", product)]
    bought = of["variants"][variant]
    price = next(one["amount"] for one in bought["prices"] if one["currency_code"] == "sek")
    gone = quantity if sent else 0
    detail = {
        "id": native("orditem", number),
        "version": 1,
        "metadata": {},
        "order_id": order,
        "item_id": native("ordli", number),
        "quantity": quantity,
        "fulfilled_quantity": gone,
        "shipped_quantity": gone,
        "delivered_quantity": gone,
        "return_requested_quantity": 0,
        "return_received_quantity": 0,
        "return_dismissed_quantity": 0,
        "written_off_quantity": 0,
    }
    row = {
        "id": native("ordli", number),
        "title": of["title"],
        "subtitle": bought["title"],
        "thumbnail": of["thumbnail"],
        "variant_id": bought["id"],
        "product_id": of["id"],
        "product_title": of["title"],
        "product_type": of["type"]["value"],
        "product_handle": of["handle"],
        "variant_sku": bought["sku"],
        "variant_title": bought["title"],
        "requires_shipping": True,
        "is_giftcard": False,
        "is_discountable": True,
        "is_tax_inclusive": True,
        "metadata": {},
        "compare_at_unit_price": None,
        "unit_price": price,
        "quantity": quantity,
        "detail": detail,
        "subtotal": price * quantity,
        "total": price * quantity,
        "original_total": price * quantity,
        "discount_total": 0,
    }
    return _stamped(row, placed)


def _parcel(number: int, items: Sequence[Body], sent: datetime) -> Body:
    tracking = f"SE{number}00730"
    row = {
        "id": native("ful", number),
        "location_id": native("sloc", 1),
        "packed_at": instant(sent - timedelta(hours=3)),
        "shipped_at": instant(sent),
        "delivered_at": instant(sent + 2 * _DAY),
        "canceled_at": None,
        "data": {},
        "requires_shipping": True,
        "provider_id": "manual_manual",
        "shipping_option_id": native("so", 1),
        "shipping_option": {
            "id": native("so", 1),
            "service_zone": {
                "id": native("serzo", 1),
                "fulfillment_set": {"id": native("fuset", 1), "type": "shipping"},
            },
        },
        "metadata": None,
        "items": [
            {
                "id": native("fulit", number * 10 + at),
                "title": item["subtitle"],
                "sku": item["variant_sku"],
                "line_item_id": item["id"],
                "quantity": item["quantity"],
            }
            for at, item in enumerate(items)
        ],
        "labels": [
            {
                "id": native("fulla", number),
                "tracking_number": tracking,
                "tracking_url": f"https://tracking.example.com/{tracking}",
                "label_url": "#",
            }
        ],
    }
    return _stamped(row, sent - timedelta(hours=3))
