"""A small WooCommerce shop that answers as one was seen to: what it ignores, what it refuses, what a write sets off."""

from __future__ import annotations

import base64
import copy
import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any, Final, TypeAlias
from urllib.parse import parse_qsl, unquote
from zoneinfo import ZoneInfo

Body: TypeAlias = dict[str, Any]

#: What a shop of the sandbox takes for a key.
KEY: Final = "ck_sandbox"
SECRET: Final = "cs_sandbox"
#: What a store of the sandbox is configured with.
CREDENTIALS: Mapping[str, str] = {"consumer_key": KEY, "consumer_secret": SECRET}

_API = "/wp-json/wc/v3"
_STATUSES = (
    "auto-draft",
    "pending",
    "processing",
    "on-hold",
    "completed",
    "cancelled",
    "refunded",
    "failed",
    "checkout-draft",
)
_SUBSCRIPTION_STATUSES = {
    "wc-pending": "Pending",
    "wc-active": "Active",
    "wc-on-hold": "On hold",
    "wc-cancelled": "Cancelled",
    "wc-switched": "Switched",
    "wc-expired": "Expired",
    "wc-pending-cancel": "Pending Cancellation",
}


@dataclass
class Shop:
    """Everything the shop knows, in the vendor's own bodies, by id."""

    currency: str
    time_zone: str
    orders: dict[int, Body] = field(default_factory=dict)
    customers: dict[int, Body] = field(default_factory=dict)
    products: dict[int, Body] = field(default_factory=dict)
    #: By product.
    variations: dict[int, list[Body]] = field(default_factory=dict)
    #: By order, oldest first.
    refunds: dict[int, list[Body]] = field(default_factory=dict)
    notes: dict[int, list[Body]] = field(default_factory=dict)
    subscriptions: dict[int, Body] = field(default_factory=dict)
    #: By subscription: its orders, each with its relation ("parent", "renewal").
    subscription_orders: dict[int, list[tuple[int, str]]] = field(default_factory=dict)
    #: Payment methods whose gateway pays back when asked.
    refunding_gateways: frozenset[str] = frozenset({"stripe"})
    #: What the payment gateway answers to a refund instead of paying.
    gateway_says: str | None = None
    #: What the gateway of subscriptions supports.
    subscription_features: frozenset[str] = frozenset(
        {"subscription_suspension", "subscription_reactivation", "subscription_cancellation"}
    )
    next_id: int = 900001

    def new_id(self) -> int:
        self.next_id += 1
        return self.next_id - 1


@dataclass(frozen=True)
class Received:
    """One call as it came. `path` is below `/wp-json/wc/v3`."""

    method: str
    path: str
    query: tuple[tuple[str, str], ...]
    body: Any
    status: int
    #: What it was answered.
    answer: Any = None

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


class _Answer(Exception):
    """An answer that ends the call, mostly an error."""

    def __init__(self, status: int, body: Any, headers: Mapping[str, str] | None = None) -> None:
        self.status = status
        self.body = body
        self.headers = dict(headers or {})


def _error(status: int, code: str, message: str, data: Any = None) -> _Answer:
    return _Answer(status, {"code": code, "message": message, "data": {"status": status} if data is None else data})


def _bad_param(name: str, code: str, message: str) -> _Answer:
    return _error(
        400,
        "rest_invalid_param",
        f"Invalid parameter(s): {name}",
        {
            "status": 400,
            "params": {name: message},
            "details": {name: {"code": code, "message": message, "data": None}},
        },
    )


class Simulator:
    """The shop as an ASGI application.

    `permission` is the key's ("read", "write" or "read_write"); `plugin` whether Subscriptions is installed; `hpos`
    whether orders have tables of their own; `tls` whether the site knows that HTTPS was used; `wall` makes a security
    plug-in answer every call with that status, in HTML.
    """

    def __init__(
        self,
        state: Shop,
        *,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        key: str = KEY,
        secret: str = SECRET,
        permission: str = "read_write",
        plugin: bool = True,
        hpos: bool = True,
        tls: bool = True,
        wall: int | None = None,
    ) -> None:
        self.state = state
        self.clock = clock
        self.key = key
        self.secret = secret
        self.permission = permission
        self.plugin = plugin
        self.hpos = hpos
        self.tls = tls
        self.wall = wall
        #: Rows of one second come in the other order: which it is in a real shop is not documented.
        self.ties_up = False
        #: Every call received, with the status it was answered.
        self.calls: list[Received] = []
        #: Every call that could change the shop.
        self.writes: list[Received] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            raise NotImplementedError(scope["type"])
        raw = bytearray()
        while True:
            message = await receive()
            raw += message.get("body", b"")
            if not message.get("more_body"):
                break
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
        query = tuple(parse_qsl(scope["query_string"].decode(), keep_blank_values=True))
        path = unquote(scope["raw_path"].decode("latin-1").partition("?")[0])
        below = path[len(_API) :] if path.startswith(_API) else path
        answer = self._answered(scope["method"], path, query, headers, bytes(raw))
        try:
            body = json.loads(raw) if raw else None
        except ValueError:
            body = raw.decode(errors="replace")
        received = Received(scope["method"], below, query, body, answer.status, answer.body)
        self.calls.append(received)
        if scope["method"] not in ("GET", "HEAD", "OPTIONS"):
            self.writes.append(received)
        html = isinstance(answer.body, str)
        content = answer.body.encode() if html else json.dumps(answer.body).encode()
        sent = {
            "content-type": "text/html; charset=UTF-8" if html else "application/json; charset=UTF-8",
            "content-length": str(len(content)),
            "link": '<https://eu.shop.example.com/wp-json/>; rel="https://api.w.org/"',
            **answer.headers,
        }
        await send(
            {
                "type": "http.response.start",
                "status": answer.status,
                "headers": [(name.encode(), value.encode()) for name, value in sent.items()],
            }
        )
        await send({"type": "http.response.body", "body": content})

    # -- who and where

    def _answered(
        self, method: str, path: str, query: tuple[tuple[str, str], ...], headers: Mapping[str, str], raw: bytes
    ) -> _Answer:
        try:
            if self.wall is not None:
                raise _Answer(self.wall, "<html><body><h1>Request blocked</h1></body></html>")
            body = self._body(raw)
            self._authenticate(method, headers.get("authorization", ""))
            if not path.startswith(f"{_API}/"):
                raise self._no_route()
            raise self._route(method, path[len(_API) :], dict(query), body)
        except _Answer as answer:
            return answer

    @staticmethod
    def _body(raw: bytes) -> Body:
        if not raw:
            return {}
        try:
            body = json.loads(raw)
        except ValueError:
            data = {"status": 400, "json_error_code": 4, "json_error_message": "Syntax error"}
            raise _error(400, "rest_invalid_json", "Invalid JSON body passed.", data) from None
        return body if isinstance(body, dict) else {}

    def _authenticate(self, method: str, authorization: str) -> None:
        key, secret = "", ""
        if authorization.lower().startswith("basic "):
            try:
                key, _, secret = base64.b64decode(authorization[6:]).decode().partition(":")
            except ValueError:
                key = ""
        if key != self.key or not self.tls:  # no key, a wrong one, or no HTTPS: the same answer
            raise _error(401, "woocommerce_rest_cannot_view", "Sorry, you cannot list resources.")
        if secret != self.secret:
            raise _error(401, "woocommerce_rest_authentication_error", "Consumer secret is invalid.")
        needed = "read" if method in ("GET", "HEAD") else "write"
        if self.permission not in (needed, "read_write"):
            raise _error(
                401,
                "woocommerce_rest_authentication_error",
                f"The API key provided does not have {needed} permissions.",
            )

    @staticmethod
    def _no_route() -> _Answer:
        return _error(404, "rest_no_route", "No route was found matching the URL and request method.")

    def _route(self, method: str, path: str, query: dict[str, str], body: Body) -> _Answer:
        for verb, pattern, handler in _ROUTES:
            if verb == method and (match := re.fullmatch(pattern, path)):
                if path.startswith("/subscriptions") and not self.plugin:
                    break
                ids = [int(group) for group in match.groups()]
                answer: _Answer = getattr(self, handler)(*ids, query=query, body=body)
                return answer
        return self._no_route()

    # -- lists

    def _listed(self, rows: list[Body], query: dict[str, str], default_order: str = "desc") -> _Answer:
        """Orders the rows and cuts the page."""
        for name in ("page", "per_page"):
            if name in query and not re.fullmatch(r"-?\d+", query[name]):
                raise _bad_param(name, "rest_invalid_type", f"{name} is not of type integer.")
        per_page, page = int(query.get("per_page", 10)), int(query.get("page", 1))
        if not 1 <= per_page <= 100:
            raise _bad_param(
                "per_page", "rest_out_of_bounds", "per_page must be between 1 (inclusive) and 100 (inclusive)"
            )
        orderby, order = query.get("orderby", "date"), query.get("order", default_order)
        if orderby == "include":
            rank = {one: at for at, one in enumerate(_ids(query.get("include", "")))}
            rows = sorted(rows, key=lambda row: rank.get(row["id"], len(rank)))
        else:
            rows = sorted(rows, key=lambda row: int(row["id"]), reverse=(order == "desc") is not self.ties_up)
            if orderby == "date":  # a stable sort: rows of one second stay in that order
                rows = sorted(rows, key=lambda row: str(row["date_created_gmt"] or ""), reverse=order == "desc")
        cut = rows[(page - 1) * per_page : page * per_page]
        total = len(rows) if cut or page == 1 or not self.hpos else 0
        headers = {"x-wp-total": str(total), "x-wp-totalpages": str(-(-total // per_page))}
        return _Answer(200, [copy.deepcopy(row) for row in cut], headers)

    @staticmethod
    def _included(rows: Iterable[Body], query: dict[str, str]) -> list[Body]:
        wanted, unwanted = _ids(query.get("include", "")), _ids(query.get("exclude", ""))
        return [row for row in rows if (not wanted or row["id"] in wanted) and row["id"] not in unwanted]

    # -- orders

    def list_orders(self, *, query: dict[str, str], body: Body) -> _Answer:
        """`email`, `billing_email` and `number` are no parameters: like any other unknown word they are ignored."""
        rows = self._included(map(self._order_body, self.state.orders.values()), query)
        words = query.get("status", "any").split(",")
        for word in words:
            if word not in ("any", "trash", *_STATUSES):
                raise _bad_param("status[0]", "rest_not_in_enum", f"status[0] is not one of {', '.join(_STATUSES)}.")
        if "any" in words:
            rows = [row for row in rows if row["status"] not in ("trash", "auto-draft")]
        else:
            rows = [row for row in rows if row["status"] in words]
        if "customer" in query:
            rows = [row for row in rows if str(row["customer_id"]) == query["customer"]]
        if "search" in query:
            rows = [row for row in rows if self._matches(row, query["search"])]
        column = "date_created_gmt" if query.get("dates_are_gmt") == "true" else "date_created"
        for name in ("after", "before"):
            if name not in query:
                continue
            if not re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", query[name]):
                raise _bad_param(name, "rest_invalid_date", "Invalid date.")
            bound = query[name][:19]
            rows = [row for row in rows if (row[column] > bound if name == "after" else row[column] < bound)]
        return self._listed(rows, query)

    @staticmethod
    def _matches(row: Body, text: str) -> bool:
        """A substring of names, phone, e-mail, products and id; letter case aside."""
        words = [str(row["id"]), *(str(row["billing"].get(name, "")) for name in _SEARCHED)]
        words += [line["name"] for line in row["line_items"]]
        return any(text.lower() in word.lower() for word in words)

    def get_order(self, order: int, *, query: dict[str, str], body: Body) -> _Answer:
        """A trashed order is answered too."""
        if order not in self.state.orders:
            raise _error(404, "woocommerce_rest_shop_order_invalid_id", "Invalid ID.")
        return _Answer(200, self._order_body(self.state.orders[order]))

    def put_order(self, order: int, *, query: dict[str, str], body: Body) -> _Answer:
        """No status is refused, whatever the order was before."""
        if "status" in body and body["status"] not in _STATUSES:
            words = f"{', '.join(_STATUSES[:-1])}, and {_STATUSES[-1]}"
            raise _bad_param("status", "rest_not_in_enum", f"status is not one of {words}.")
        if order not in self.state.orders:
            raise _error(400, "woocommerce_rest_shop_order_invalid_id", "Invalid ID.")
        if "status" in body:
            self.set_status(order, body["status"])
        return _Answer(200, self._order_body(self.state.orders[order]))

    def set_status(self, order: int, status: str) -> None:
        """What a change of status sets off: stock, dates, a note, and a refund that asks no gateway for money."""
        row = self.state.orders[order]
        before = row["status"]
        if before == status:
            return
        row["status"] = status
        if status == "cancelled":
            self._restock(row)
        elif status in ("processing", "completed", "on-hold"):
            self._take_from_stock(row)
        if status in ("processing", "completed") and not row["date_paid_gmt"]:
            self._stamp(row, "date_paid")
        if status == "completed":
            self._stamp(row, "date_completed")
        left = Decimal(row["total"]) - self._refunded(order)
        if status == "refunded" and left > 0:
            self._book_refund(order, f"{left:.2f}", "Order fully refunded.", paid=False)
        self._stamp(row, "date_modified")
        self._note(order, f"Order status changed from {_label(before)} to {_label(status)}.", author="WooCommerce")

    def _restock(self, row: Body) -> None:
        for line in row["line_items"]:
            taken = next((one for one in line["meta_data"] if one["key"] == "_reduced_stock"), None)
            if taken is not None:
                self._stock(line, int(taken["value"]))
                line["meta_data"].remove(taken)

    def _take_from_stock(self, row: Body) -> None:
        for line in row["line_items"]:
            if not any(one["key"] == "_reduced_stock" for one in line["meta_data"]):
                self._stock(line, -line["quantity"])
                line["meta_data"].append(_meta(self.state.new_id(), "_reduced_stock", str(line["quantity"])))

    def _stock(self, line: Body, units: int) -> None:
        kept = [
            one for one in self.state.variations.get(line["product_id"], []) if one["id"] == line["variation_id"]
        ] or [self.state.products.get(line["product_id"], {})]
        for one in kept:
            if one.get("manage_stock") is True and one.get("stock_quantity") is not None:
                one["stock_quantity"] += units
                one["stock_status"] = "instock" if one["stock_quantity"] > 0 else "outofstock"

    def _order_body(self, row: Body) -> Body:
        answer = copy.deepcopy(row)
        answer["refunds"] = [
            {
                "id": refund["id"],
                "reason": refund["reason"],
                "total": f"-{refund['amount']}",  # a refund without an amount shows "-"
                "total_tax": "0.00",
            }
            for refund in reversed(self.state.refunds.get(row["id"], []))
        ]
        unpaid = row["status"] in ("pending", "failed")
        answer["is_editable"] = row["status"] in ("pending", "on-hold", "auto-draft")
        answer["needs_payment"] = unpaid and Decimal(row["total"]) > 0
        return answer

    # -- refunds and notes

    def list_refunds(self, order: int, *, query: dict[str, str], body: Body) -> _Answer:
        """An order that is not there has none."""
        return self._listed(list(self.state.refunds.get(order, [])), query)

    def post_refund(self, order: int, *, query: dict[str, str], body: Body) -> _Answer:
        asked = body.get("amount", "")
        if not isinstance(asked, str):
            raise _bad_param("amount", "rest_invalid_type", "amount is not of type string.")
        if order not in self.state.orders:
            raise _error(500, "woocommerce_rest_invalid_order", "Invalid order ID.", 404)
        row = self.state.orders[order]
        try:
            amount = Decimal(asked or 0)
        except InvalidOperation:
            amount = Decimal(0)
        if amount < 0:
            message = "Refund amount must be greater than zero."
            raise _error(500, "woocommerce_rest_invalid_order_refund", message, 400)
        if amount > Decimal(row["total"]) - self._refunded(order):
            raise _error(500, "woocommerce_rest_cannot_create_order_refund", "Invalid refund amount.", 500)
        asks_gateway = body.get("api_refund", True)
        if asks_gateway and row["payment_method"] not in self.state.refunding_gateways:
            message = "The payment gateway for this order does not support automatic refunds."
            raise _error(500, "woocommerce_rest_cannot_create_order_refund", message, 500)
        if asks_gateway and self.state.gateway_says is not None:  # what was recorded is taken away again
            raise _error(500, "woocommerce_rest_cannot_create_order_refund", self.state.gateway_says, 500)
        asked_items = {one["id"]: one for one in body.get("line_items", [])}
        refund = self._book_refund(
            order, asked, body.get("reason", ""), paid=asks_gateway, items=asked_items, meta=body.get("meta_data", [])
        )
        if body.get("api_restock", True):
            for sold in row["line_items"]:
                units = int(asked_items.get(sold["id"], {}).get("quantity", 0))
                if units:
                    self._stock(sold, units)
                    for meta in sold["meta_data"]:
                        if meta["key"] == "_reduced_stock":
                            meta["value"] = str(int(meta["value"]) - units)
        if self._refunded(order) >= Decimal(row["total"]):
            row["status"] = "refunded"
            self._stamp(row, "date_modified")
        return _Answer(201, copy.deepcopy(refund))

    def _book_refund(
        self,
        order: int,
        amount: str,
        reason: str,
        *,
        paid: bool,
        items: Mapping[int, Body] | None = None,
        meta: Iterable[Body] = (),
    ) -> Body:
        """`items` by the order's item; one that the order has not is passed over."""
        refund: Body = {"id": self.state.new_id()}
        self._stamp(refund, "date_created")
        refund |= {
            "amount": amount,
            "reason": reason,
            "refunded_by": 1,
            "refunded_payment": paid,
            "meta_data": [
                {"id": self.state.new_id(), "key": one["key"], "value": one["value"]}
                for one in ({"key": "_refund_type", "value": "partial"}, *meta)
            ],
            "line_items": [],
            "shipping_lines": [],
            "tax_lines": [],
            "fee_lines": [],
        }
        for kind in ("line_items", "shipping_lines"):
            for sold in self.state.orders[order][kind]:
                if (asked := (items or {}).get(sold["id"])) is not None:
                    refund[kind].append(self._refund_item(sold, asked))
        self.state.refunds.setdefault(order, []).append(refund)
        return refund

    def _refund_item(self, sold: Body, asked: Body) -> Body:
        """An item of a refund: what was asked for, negative. A tax whose rate the order's item has not is dropped."""
        known = {tax["id"] for tax in sold["taxes"]}
        taxes = {tax["id"]: _negative(tax["refund_total"]) for tax in asked.get("refund_tax", ()) if tax["id"] in known}
        tax = _negative(-sum((Decimal(one) for one in taxes.values()), Decimal(0)))
        net = _negative(asked.get("refund_total", 0))
        item = copy.deepcopy(sold) | {
            "id": self.state.new_id(),
            "total": net,
            "total_tax": tax,
            "taxes": [{"id": rate, "total": one, "subtotal": one} for rate, one in taxes.items()],
            "meta_data": [_meta(self.state.new_id(), "_refunded_item_id", str(sold["id"]))],
        }
        if "quantity" in sold:
            item |= {"quantity": -int(asked.get("quantity", 0)), "subtotal": net, "subtotal_tax": tax}
        return item

    def _refunded(self, order: int) -> Decimal:
        return sum((Decimal(one["amount"] or 0) for one in self.state.refunds.get(order, [])), Decimal(0))

    def list_notes(self, order: int, *, query: dict[str, str], body: Body) -> _Answer:
        if order not in self.state.orders:
            raise _error(404, "woocommerce_rest_order_invalid_id", "Invalid order ID.")
        return _Answer(200, copy.deepcopy(list(reversed(self.state.notes.get(order, [])))))

    def post_note(self, order: int, *, query: dict[str, str], body: Body) -> _Answer:
        if order not in self.state.orders:
            raise _error(404, "woocommerce_rest_order_invalid_id", "Invalid order ID.")
        if "note" not in body:
            message = "Missing parameter(s): note"
            raise _error(400, "rest_missing_callback_param", message, {"status": 400, "params": ["note"]})
        note = self._note(order, body["note"], author="WooCommerce", customer=bool(body.get("customer_note", False)))
        return _Answer(201, copy.deepcopy(note))

    def _note(self, order: int, text: str, *, author: str, customer: bool = False) -> Body:
        note: Body = {"id": self.state.new_id(), "author": author}
        self._stamp(note, "date_created")
        note |= {"note": text, "customer_note": customer}
        self.state.notes.setdefault(order, []).append(note)
        return note

    # -- customers, products, settings

    def list_customers(self, *, query: dict[str, str], body: Body) -> _Answer:
        """`email` is exact, letter case aside. Guests are not here. Without `role=all` only customers are."""
        rows = self._included(self.state.customers.values(), query)
        if "email" in query:
            if not re.fullmatch(r"[^@\s]+@[a-z0-9-]+(\.[a-z0-9-]+)+", query["email"], re.IGNORECASE | re.ASCII):
                raise _bad_param("email", "rest_invalid_email", "Invalid email address.")
            rows = [row for row in rows if row["email"].lower() == query["email"].lower()]
        if query.get("role", "customer") != "all":
            rows = [row for row in rows if row["role"] == query.get("role", "customer")]
        return self._listed(rows, query, "asc")

    def get_customer(self, customer: int, *, query: dict[str, str], body: Body) -> _Answer:
        if customer not in self.state.customers:
            raise _error(404, "wc_user_invalid_id", "Invalid user ID.")
        return _Answer(200, copy.deepcopy(self.state.customers[customer]))

    def list_products(self, *, query: dict[str, str], body: Body) -> _Answer:
        return self._listed(self._included(self.state.products.values(), query), query)

    def get_product(self, product: int, *, query: dict[str, str], body: Body) -> _Answer:
        if product not in self.state.products:
            raise _error(404, "woocommerce_rest_product_invalid_id", "Invalid ID.")
        return _Answer(200, copy.deepcopy(self.state.products[product]))

    def list_variations(self, product: int, *, query: dict[str, str], body: Body) -> _Answer:
        if product not in self.state.products:
            raise _error(404, "woocommerce_rest_product_invalid_id", "Invalid ID.")
        return self._listed(self._included(self.state.variations.get(product, []), query), query)

    def get_currency(self, *, query: dict[str, str], body: Body) -> _Answer:
        return _Answer(
            200,
            {
                "id": "woocommerce_currency",
                "label": "Currency",
                "description": "",
                "type": "select",
                "default": "USD",
                "value": self.state.currency,
            },
        )

    # -- subscriptions

    def list_statuses(self, *, query: dict[str, str], body: Body) -> _Answer:
        return _Answer(200, dict(_SUBSCRIPTION_STATUSES))

    def list_subscriptions(self, *, query: dict[str, str], body: Body) -> _Answer:
        rows = self._included(self.state.subscriptions.values(), query)
        if query.get("status", "any") != "any":
            rows = [row for row in rows if row["status"] in query["status"].split(",")]
        if "customer" in query:
            rows = [row for row in rows if str(row["customer_id"]) == query["customer"]]
        if "parent" in query:
            rows = [row for row in rows if row["parent_id"] in _ids(query["parent"])]
        return self._listed(rows, query)

    def get_subscription(self, subscription: int, *, query: dict[str, str], body: Body) -> _Answer:
        if subscription not in self.state.subscriptions:
            raise _error(404, "woocommerce_rest_shop_subscription_invalid_id", "Invalid ID.")
        return _Answer(200, copy.deepcopy(self.state.subscriptions[subscription]))

    def list_subscription_orders(self, subscription: int, *, query: dict[str, str], body: Body) -> _Answer:
        if subscription not in self.state.subscriptions:
            raise _error(404, "woocommerce_rest_shop_subscription_invalid_id", "Invalid ID.")
        related = self.state.subscription_orders.get(subscription, [])
        return _Answer(
            200,
            [{**self._order_body(self.state.orders[order]), "order_type": kind} for order, kind in reversed(related)],
        )

    def put_subscription(self, subscription: int, *, query: dict[str, str], body: Body) -> _Answer:
        if subscription not in self.state.subscriptions:
            raise _error(400, "woocommerce_rest_shop_subscription_invalid_id", "Invalid ID.")
        row = self.state.subscriptions[subscription]
        if "status" in body:  # only the column: none of the plug-in's rules run
            row["status"] = body["status"]
        to = body.get("transition_status")
        if to is not None:
            if not self._can_become(row, to):
                # The text is the plug-in's; which code and HTTP status REST gives it is unverified.
                message = f'Unable to change subscription status to "{to}".'
                raise _error(400, "woocommerce_rest_cannot_update_subscription_status", message)
            self._become(row, to)
        return _Answer(200, copy.deepcopy(row))

    def _can_become(self, row: Body, to: str) -> bool:
        """The plug-in's `can_be_updated_to`."""
        now, features = str(row["status"]), self.state.subscription_features
        future_end = bool(row["end_date_gmt"]) and row["end_date_gmt"] > self._now()
        match to:
            case "on-hold":
                return now in ("active", "pending") and "subscription_suspension" in features
            case "active":
                if now == "on-hold":
                    past = bool(row["end_date_gmt"]) and not future_end
                    return "subscription_reactivation" in features and not past
                return now == "pending" or (now == "pending-cancel" and future_end)
            case "pending-cancel":
                return now == "active"
            case "cancelled":
                return now not in ("cancelled", "expired", "switched") and "subscription_cancellation" in features
            case _:
                return False

    def _become(self, row: Body, to: str) -> None:
        row["status"] = to
        match to:
            case "pending-cancel":
                row["cancelled_date_gmt"] = self._now()
                row["end_date_gmt"] = row["next_payment_date_gmt"] or self._now()
                row["next_payment_date_gmt"] = ""
            case "cancelled":
                row["cancelled_date_gmt"] = row["cancelled_date_gmt"] or self._now()
                row["end_date_gmt"] = self._now()
                row["next_payment_date_gmt"] = ""
            case "active":
                if row["cancelled_date_gmt"]:
                    row["next_payment_date_gmt"] = row["end_date_gmt"]
                row["cancelled_date_gmt"] = row["end_date_gmt"] = ""
        self._stamp(row, "date_modified")

    # -- time

    def _now(self) -> str:
        return gmt(self.clock())

    def _stamp(self, row: Body, name: str) -> None:
        stamp(row, name, self.clock(), self.state.time_zone)


def gmt(moment: datetime) -> str:
    """As WordPress writes an instant: UTC, no zone."""
    return moment.astimezone(UTC).replace(microsecond=0, tzinfo=None).isoformat()


def stamp(row: Body, name: str, moment: datetime | None, time_zone: str) -> None:
    """Both of WooCommerce's ways to write an instant: in the site's zone, unnamed, and as `_gmt`."""
    local = moment.astimezone(ZoneInfo(time_zone)).replace(microsecond=0, tzinfo=None) if moment else None
    row[name] = local.isoformat() if local else None
    row[f"{name}_gmt"] = gmt(moment) if moment else None


def _negative(amount: Any) -> str:
    """As a refund writes what it takes off."""
    off = -Decimal(str(amount))
    return f"{off:.2f}" if off else "0.00"


def _ids(text: str) -> list[int]:
    return [int(one) for one in text.split(",") if one.strip().isdecimal()]


def _meta(native: int, key: str, value: str) -> Body:
    return {"id": native, "key": key, "value": value, "display_key": key, "display_value": value}


def _label(status: str) -> str:
    return status.replace("-", " ").capitalize()


_SEARCHED = ("first_name", "last_name", "company", "phone", "email", "address_1", "city", "postcode")

_ROUTES: Final = (
    ("GET", r"/orders", "list_orders"),
    ("GET", r"/orders/(\d+)", "get_order"),
    ("PUT", r"/orders/(\d+)", "put_order"),
    ("GET", r"/orders/(\d+)/refunds", "list_refunds"),
    ("POST", r"/orders/(\d+)/refunds", "post_refund"),
    ("GET", r"/orders/(\d+)/notes", "list_notes"),
    ("POST", r"/orders/(\d+)/notes", "post_note"),
    ("GET", r"/customers", "list_customers"),
    ("GET", r"/customers/(\d+)", "get_customer"),
    ("GET", r"/products", "list_products"),
    ("GET", r"/products/(\d+)", "get_product"),
    ("GET", r"/products/(\d+)/variations", "list_variations"),
    ("GET", r"/settings/general/woocommerce_currency", "get_currency"),
    ("GET", r"/subscriptions/statuses", "list_statuses"),
    ("GET", r"/subscriptions", "list_subscriptions"),
    ("GET", r"/subscriptions/(\d+)", "get_subscription"),
    ("PUT", r"/subscriptions/(\d+)", "put_subscription"),
    ("GET", r"/subscriptions/(\d+)/orders", "list_subscription_orders"),
)
