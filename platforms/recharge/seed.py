"""The sandbox's Recharge account: three coffee subscribers of the shop it bills for."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from platforms.recharge.simulator import Body, State


def seed(now: datetime) -> State:
    """The account as it stands at `now`, which is aware."""

    def instant(days_ago: float) -> str:
        return (now.astimezone(UTC) - timedelta(days=days_ago)).isoformat(timespec="seconds")

    def day(days_ago: float) -> str:
        return (now.astimezone(UTC) - timedelta(days=days_ago)).date().isoformat()

    def customer(id: int, shop_id: str, first: str, last: str, phone: str, created: float, *, dunning: bool) -> Body:
        return {
            "id": id,
            "analytics_data": {"utm_params": []},
            "apply_credit_to_next_checkout_charge": False,
            "apply_credit_to_next_recurring_charge": False,
            "created_at": instant(created),
            "email": f"{first.lower()}@example.com",
            "external_customer_id": {"ecommerce": shop_id},
            "first_charge_processed_at": instant(created),
            "first_name": first,
            "has_payment_method_in_dunning": dunning,
            "has_valid_payment_method": not dunning,
            "hash": f"{id:016x}",
            "last_name": last,
            "phone": phone,
            "subscriptions_active_count": 1,
            "subscriptions_total_count": 1,
            "tax_exempt": False,
            "updated_at": instant(0.5),
        }

    def subscription(id: int, customer_id: int, created: float, next_charge: str, *, failed: bool = False) -> Body:
        return {
            "id": id,
            "address_id": customer_id + 60000,
            "customer_id": customer_id,
            "analytics_data": {"utm_params": []},
            "cancellation_reason": None,
            "cancellation_reason_comments": None,
            "cancelled_at": None,
            "charge_interval_frequency": "30",  # the records say text where the types say number
            "created_at": instant(created),
            "expire_after_specific_number_of_charges": None,
            "external_product_id": {"ecommerce": "8005"},
            "external_variant_id": {"ecommerce": "8501"},
            "has_queued_charges": 0 if failed else 1,
            "is_prepaid": False,
            "is_skippable": True,
            "is_swappable": False,
            "max_retries_reached": 1 if failed else 0,
            "next_charge_scheduled_at": next_charge,
            "order_day_of_month": None,
            "order_day_of_week": None,
            "order_interval_frequency": "30",
            "order_interval_unit": "day",
            "presentment_currency": "USD",
            "price": "18.00",
            "product_title": "Coffee Beans 1kg",
            "properties": [],
            "quantity": 1,
            "sku": "COFFEE-1KG",
            "sku_override": False,
            "status": "active",
            "updated_at": instant(0.5),
            "variant_title": None,
        }

    def charged(id: int, who: Body, what: Body, created: float, kind: str) -> Body:
        """What an order and a charge have in common."""
        address = {
            "address1": "14 Orchard Street",
            "address2": None,
            "city": "New York",
            "company": None,
            "country_code": "US",
            "first_name": who["first_name"],
            "last_name": who["last_name"],
            "phone": who["phone"],
            "province": "New York",
            "zip": "10002",
        }
        return {
            "id": id,
            "address_id": what["address_id"],
            "billing_address": address,
            "client_details": {"browser_ip": None, "user_agent": None},
            "created_at": instant(created),
            "currency": "USD",
            "customer": {
                "id": who["id"],
                "email": who["email"],
                "external_customer_id": who["external_customer_id"],
                "hash": who["hash"],
            },
            "discounts": [],
            "error": None,
            "line_items": [
                {
                    "purchase_item_id": what["id"],
                    "external_inventory_policy": "decrement_obeying_policy",
                    "external_product_id": what["external_product_id"],
                    "external_variant_id": what["external_variant_id"],
                    "grams": 1000,
                    "handle": None,
                    "images": {"small": "https://images.example.com/coffee-beans-1kg_small.jpg"},
                    "original_price": "18.00",
                    "properties": [],
                    "purchase_item_type": "subscription",
                    "quantity": 1,
                    "sku": what["sku"],
                    "tax_due": "0.00",
                    "tax_lines": [],
                    "taxable": False,
                    "taxable_amount": "0.00",
                    "title": what["product_title"],
                    "total_price": "18.00",
                    "unit_price": "18.00",
                    "unit_price_includes_tax": False,
                    "variant_title": None,
                }
            ],
            "note": None,
            "order_attributes": [],
            "processed_at": instant(created),
            "shipping_address": address,
            "shipping_lines": [],
            "subtotal_price": "18.00",
            "tags": "Subscription, Subscription First Order",
            "tax_lines": [],
            "taxable": False,
            "total_discounts": "0.00",
            "total_duties": "0.00",
            "total_line_items_price": "18.00",
            "total_price": "18.00",
            "total_refunds": "0.00",
            "total_tax": "0.00",
            "total_weight_grams": 1000,
            "type": kind,
            "updated_at": instant(created),
        }

    def order(
        id: int,
        who: Body,
        what: Body,
        shop_order: str,
        number: str | None,
        created: float,
        processor: str = "shopify_payments",
    ) -> Body:
        return charged(id, who, what, created, "checkout") | {
            "charge": {
                "id": id + 110000,
                "external_transaction_id": {"payment_processor": f"4311{id}"},
                "payment_processor_name": processor,
                "status": "success",
            },
            "external_cart_token": None,
            "external_order_id": {"ecommerce": shop_order},
            "external_order_name": {"ecommerce": f"#{number}" if number else None},
            "external_order_number": {"ecommerce": number},
            "is_prepaid": 0,
            "scheduled_at": instant(created),
            "status": "success",
        }

    ada = customer(6001, "7001", "Ada", "Lovelace", "+12125550101", 36, dunning=False)
    cleo = customer(6002, "7002", "Cleo", "Park", "+12125550102", 6, dunning=False)
    dan = customer(6003, "7004", "Dan", "Ito", "+12125550104", 70, dunning=True)
    # Her second delivery was put off once, by eight days.
    adas = subscription(9001, 6001, 36, day(-2))
    cleos = subscription(9002, 6002, 6, day(-24))
    dans = subscription(9003, 6003, 70, day(40), failed=True)
    failed = charged(880003, dan, dans, 40, "recurring") | {
        "status": "error",
        "error_type": "CLOSED_MAX_RETRIES_REACHED",
        "error": "Your card was declined.",
        "charge_attempts": 8,
        "retry_date": None,
        "scheduled_at": day(40),
        "external_order_id": {"ecommerce": None},
        "external_transaction_id": {"payment_processor": None},
        "processed_at": None,
    }
    # Dan bought on Recharge's own checkout, which takes the money itself.
    orders = (
        order(660001, ada, adas, "450789003", "1003", 36),
        order(660002, cleo, cleos, "450789006", "1006", 6),
        order(660003, dan, dans, "450700000", None, 70, "stripe"),
    )

    def charge(of: Body, who: Body, what: Body, created: float) -> Body:
        """What an order was billed with."""
        return charged(of["charge"]["id"], who, what, created, "checkout") | {
            "status": "success",
            "payment_processor": of["charge"]["payment_processor_name"],
            "external_order_id": of["external_order_id"],
            "external_transaction_id": of["charge"]["external_transaction_id"],
            "orders_count": 1,
            "scheduled_at": day(created),
        }

    charges = (
        charge(orders[0], ada, adas, 36),
        charge(orders[1], cleo, cleos, 6),
        charge(orders[2], dan, dans, 70),
        failed,
    )
    return State(
        customers={row["id"]: row for row in (ada, cleo, dan)},
        subscriptions={row["id"]: row for row in (adas, cleos, dans)},
        orders={row["id"]: row for row in orders},
        charges={row["id"]: row for row in charges},
    )
