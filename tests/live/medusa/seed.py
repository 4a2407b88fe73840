"""What a bare Medusa needs before anybody can buy: a channel, a region, a warehouse, goods; and how to buy in it."""

from __future__ import annotations

import base64
import json
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlencode


class Failed(Exception):
    """The server refused a step of the seeding."""


class Shop:
    """A running Medusa, seeded once: two products for sale in SEK, free returns."""

    def __init__(self, url: str, email: str, password: str) -> None:
        self.url = url
        self._headers: dict[str, str] = {}
        token = self.post("/auth/user/emailpass", email=email, password=password)["token"]
        self._headers = {"Authorization": f"Bearer {token}"}
        self.key: str = self.post("/admin/api-keys", title="gateway", type="secret")["api_key"]["token"]
        raw = base64.b64encode(f"{self.key}:".encode()).decode()
        self._headers = {"Authorization": f"Basic {raw}"}
        self._sell()

    def _sell(self) -> None:
        channel = self.post("/admin/sales-channels", name="Webben")["sales_channel"]["id"]
        public = self.post("/admin/api-keys", title="shop", type="publishable")["api_key"]
        self.post(f"/admin/api-keys/{public['id']}/sales-channels", add=[channel])
        store = self.get("/admin/stores")["stores"][0]["id"]
        currencies = [{"currency_code": "sek", "is_default": True}]
        self.post(f"/admin/stores/{store}", supported_currencies=currencies)
        region = self.post(
            "/admin/regions",
            name="Sverige",
            currency_code="sek",
            countries=["se"],
            payment_providers=["pp_system_default"],
        )["region"]["id"]
        address = {"address_1": "Lagergatan 1", "country_code": "se", "city": "Stockholm"}
        self.location: str = self.post("/admin/stock-locations", name="Lager", address=address)["stock_location"]["id"]
        here = f"/admin/stock-locations/{self.location}"
        self.post(f"{here}/sales-channels", add=[channel])
        self.post(f"{here}/fulfillment-providers", add=["manual_manual"])
        self.post(f"{here}/fulfillment-sets", name="frakt", type="shipping")
        [group] = self.get(here, fields="*fulfillment_sets")["stock_location"]["fulfillment_sets"]
        zones = [{"type": "country", "country_code": "se"}]
        self.post(f"/admin/fulfillment-sets/{group['id']}/service-zones", name="Sverige", geo_zones=zones)
        fields = "*fulfillment_sets,*fulfillment_sets.service_zones"
        [group] = self.get(here, fields=fields)["stock_location"]["fulfillment_sets"]
        zone = group["service_zones"][0]["id"]
        profiles = self.get("/admin/shipping-profiles")["shipping_profiles"]
        profile = (
            profiles[0]
            if profiles
            else self.post("/admin/shipping-profiles", name="Allt", type="default")["shipping_profile"]
        )["id"]
        self.shipping: str = self._shipping("PostNord", 49, "false", zone, profile)
        self._shipping("Retur", 0, "true", zone, profile)
        self._public = {"x-publishable-api-key": public["token"]}
        self._region = region
        self.products: dict[str, dict[str, Any]] = {}
        for title, size, price in (("Linneskjorta", "M", 499.5), ("Mössa", "One size", 199)):
            made = self.post(
                "/admin/products",
                title=title,
                status="published",
                shipping_profile_id=profile,
                options=[{"title": "Storlek", "values": [size]}],
                sales_channels=[{"id": channel}],
                variants=[
                    {
                        "title": size,
                        "sku": f"LIVE-{title[:2].upper()}",
                        "options": {"Storlek": size},
                        "manage_inventory": True,
                        "prices": [{"currency_code": "sek", "amount": price}],
                    }
                ],
            )["product"]
            variant = made["variants"][0]["id"]
            items = self.get(f"/admin/products/{made['id']}/variants/{variant}", fields="*inventory_items")
            item = items["variant"]["inventory_items"][0]["inventory_item_id"]
            self.post(f"/admin/inventory-items/{item}/location-levels", location_id=self.location, stocked_quantity=500)
            self.products[title] = {"id": made["id"], "variant": variant}

    def _shipping(self, name: str, price: int, is_return: str, zone: str, profile: str) -> str:
        made: str = self.post(
            "/admin/shipping-options",
            name=name,
            service_zone_id=zone,
            shipping_profile_id=profile,
            provider_id="manual_manual",
            price_type="flat",
            type={"label": name, "description": name, "code": name.lower()},
            prices=[{"currency_code": "sek", "amount": price}],
            rules=[
                {"attribute": "enabled_in_store", "value": "true", "operator": "eq"},
                {"attribute": "is_return", "value": is_return, "operator": "eq"},
            ],
        )["shipping_option"]["id"]
        return made

    # -- what shoppers and staff do

    def customer(self, email: str) -> str:
        """A record with an account: it has signed up."""
        token = self.post("/auth/customer/emailpass/register", email=email, password="loopback-only")["token"]
        headers = self._public | {"Authorization": f"Bearer {token}"}
        made: str = self.post("/store/customers", headers, email=email, first_name="Ada", last_name="L")["customer"][
            "id"
        ]
        return made

    def buy(self, email: str, goods: Mapping[str, int], *, capture: bool = True) -> dict[str, Any]:
        """An order by cart and checkout, as a guest of this address; the order as the admin sees it."""
        address = {
            "first_name": "Ada",
            "last_name": "Lovelace",
            "address_1": "Drottninggatan 71",
            "city": "Stockholm",
            "country_code": "se",
            "postal_code": "11136",
        }
        items = [{"variant_id": self.products[name]["variant"], "quantity": count} for name, count in goods.items()]
        cart = self.post(
            "/store/carts", self._public, region_id=self._region, email=email, items=items, shipping_address=address
        )["cart"]["id"]
        self.post(f"/store/carts/{cart}/shipping-methods", self._public, option_id=self.shipping)
        collection = self.post("/store/payment-collections", self._public, cart_id=cart)["payment_collection"]["id"]
        path = f"/store/payment-collections/{collection}/payment-sessions"
        self.post(path, self._public, provider_id="pp_system_default")
        order = self.post(f"/store/carts/{cart}/complete", self._public)["order"]["id"]
        if capture:
            self.post(f"/admin/payments/{self.payment(order)}/capture")
        return self.order(order)

    def order(self, native: str) -> dict[str, Any]:
        found: dict[str, Any] = self.get(f"/admin/orders/{native}", fields="+email,+customer_id,*fulfillments")["order"]
        return found

    def payment(self, order: str) -> str:
        found: str = self.order(order)["payment_collections"][0]["payments"][0]["id"]
        return found

    def ship(self, order: str, *, tracking: str | None = None, delivered: bool = True) -> None:
        """Everything of it in one parcel."""
        items = [{"id": line["id"], "quantity": line["quantity"]} for line in self.order(order)["items"]]
        self.post(f"/admin/orders/{order}/fulfillments", items=items, location_id=self.location)
        parcel = self.order(order)["fulfillments"][-1]["id"]
        labels = (
            [
                {
                    "tracking_number": tracking,
                    "tracking_url": f"https://track.example.com/{tracking}",
                    "label_url": "https://track.example.com/label",
                }
            ]
            if tracking
            else []
        )
        self.post(f"/admin/orders/{order}/fulfillments/{parcel}/shipments", items=items, labels=labels)
        if delivered:
            self.post(f"/admin/orders/{order}/fulfillments/{parcel}/mark-as-delivered")

    def refund(self, order: str, amount: float) -> None:
        self.post(f"/admin/payments/{self.payment(order)}/refund", amount=amount, note="skadad")

    # -- calls

    def get(self, path: str, **query: str | Sequence[str]) -> Any:
        return self._call("GET", f"{path}?{urlencode(query, doseq=True)}" if query else path, None, {})

    def post(self, path: str, headers: Mapping[str, str] | None = None, /, **body: Any) -> Any:
        return self._call("POST", path, body, headers)

    def _call(self, method: str, path: str, body: Any, headers: Mapping[str, str] | None) -> Any:
        request = urllib.request.Request(
            self.url + path,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Content-Type": "application/json", **(headers or self._headers)},
            method=method,
        )
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            with error:
                raise Failed(f"{method} {path}: HTTP {error.code} {error.read().decode()[:500]}") from None
