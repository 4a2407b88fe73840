"""A small BigCommerce store that answers as its reference says: bare 204s, three shapes of errors, quotas, and what a
write sets off."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from email.utils import format_datetime, parsedate_to_datetime
from typing import Any, Final, TypeAlias
from urllib.parse import parse_qsl, unquote

Body: TypeAlias = dict[str, Any]

#: What a store of the sandbox takes for its hash and its token.
HASH: Final = "ca5andb0x"
TOKEN: Final = "sandbox-bigcommerce-token"
#: What a store of the sandbox is configured with.
CREDENTIALS: Mapping[str, str] = {"access_token": TOKEN}

#: What the token may do, in the vendor's words.
SCOPES: Final = frozenset({"store_v2_orders", "store_v2_customers", "store_v2_products", "store_v2_information"})

STATUSES: Final[Mapping[int, str]] = {
    0: "Incomplete",
    1: "Pending",
    2: "Shipped",
    3: "Partially Shipped",
    4: "Refunded",
    5: "Cancelled",
    6: "Declined",
    7: "Awaiting Payment",
    8: "Awaiting Pickup",
    9: "Awaiting Shipment",
    10: "Completed",
    11: "Awaiting Fulfillment",
    12: "Manual Verification Required",
    13: "Disputed",
    14: "Partially Refunded",
}
_SORTS = ("id", "customer_id", "date_created", "date_modified", "status_id", "channel_id", "external_id")
#: What a PUT may change here; of all the rest the reference speaks of, nothing is simulated.
_WRITABLE = frozenset({"status_id", "staff_notes", "customer_message", "external_order_id"})
_TYPE = "/api-docs/getting-started/api-status-codes"
_WINDOW = timedelta(seconds=30)


@dataclass
class Shop:
    """Everything the store knows, in the vendor's own bodies, by id."""

    currency: str
    time_zone: str
    secure_url: str
    #: Without their sub-resources.
    orders: dict[int, Body] = field(default_factory=dict)
    #: By order: its lines, parcels and addresses.
    products: dict[int, list[Body]] = field(default_factory=dict)
    shipments: dict[int, list[Body]] = field(default_factory=dict)
    shipping_addresses: dict[int, list[Body]] = field(default_factory=dict)
    refunds: dict[int, Body] = field(default_factory=dict)
    #: Which provider an order was paid through, where it is not the card's.
    providers: dict[int, str] = field(default_factory=dict)
    customers: dict[int, Body] = field(default_factory=dict)
    catalog: dict[int, Body] = field(default_factory=dict)
    #: The store's setting for stock when an order is cancelled.
    restocks: bool = True
    next_id: int = 900001

    def new_id(self) -> int:
        self.next_id += 1
        return self.next_id - 1


@dataclass(frozen=True)
class Received:
    """One call as it came. `path` is below `/stores/{hash}`."""

    method: str
    path: str
    query: tuple[tuple[str, str], ...]
    body: Any
    status: int
    #: What was answered; None for no body.
    answer: Any = None

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


class _Answer(Exception):
    """An answer that ends the call, mostly an error."""

    def __init__(self, status: int, body: Any = None) -> None:
        self.status = status
        self.body = body


class Simulator:
    """The store as an ASGI application.

    `scopes` are the token's; `email_of` is which address the `email` filter looks at, and `inclusive` whether bounds of
    dates are, both of which the reference leaves open; `counts_refunds` whether `refunded_amount` tells, which the
    reference denies; `quota` is how many calls one window of 30 s allows; `loaded` answers 429 without a word on when;
    `wall` makes something before the store answer every call with that status, in HTML.
    """

    def __init__(
        self,
        state: Shop,
        *,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        store_hash: str = HASH,
        token: str = TOKEN,
        scopes: Iterable[str] = SCOPES,
        email_of: Sequence[str] = ("bill", "account"),
        inclusive: bool = True,
        counts_refunds: bool = False,
        quota: int = 450,
        loaded: bool = False,
        wall: int | None = None,
    ) -> None:
        self.state = state
        self.clock = clock
        self.store_hash = store_hash
        self.token = token
        self.scopes = frozenset(scopes)
        self.email_of = email_of
        self.inclusive = inclusive
        self.counts_refunds = counts_refunds
        self.quota = quota
        self.loaded = loaded
        self.wall = wall
        #: Rows of one second come in the other order: which it is in a real store is not documented.
        self.ties_up = False
        #: Every call received, with the status it was answered.
        self.calls: list[Received] = []
        #: Every call that could change the store.
        self.writes: list[Received] = []
        #: Payments of these providers are only booked when they are paid back.
        self.offline_providers = {"bankdeposit"}
        #: Providers that turn a repayment down.
        self.declining: set[str] = set()
        #: Whether the service that works out taxes answers.
        self.tax_service = True
        #: Whether tax is added to an amount given for shipping, and whether a refund keeps the reasons of its items:
        #: the reference leaves both open.
        self.adds_tax_to_shipping = False
        self.keeps_reasons = True
        self._window_began: datetime | None = None
        self._spent = 0

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
        below = path.removeprefix(f"/stores/{self.store_hash}")
        limits = self._spend()
        answer = self._answered(scope["method"], path, below, query, headers, bytes(raw))
        try:
            body = json.loads(raw) if raw else None
        except ValueError:
            body = raw.decode(errors="replace")
        html = isinstance(answer.body, str)
        content = b"" if answer.body is None else answer.body.encode() if html else _written(answer.body)
        received = Received(
            scope["method"], below, query, body, answer.status, json.loads(content) if content and not html else None
        )
        self.calls.append(received)
        if scope["method"] not in ("GET", "HEAD", "OPTIONS") and not below.endswith("/refund_quotes"):
            self.writes.append(received)
        sent = {} if self.loaded or self.wall else limits
        if answer.status != 204:
            sent |= {"content-type": "text/html" if html else "application/json", "content-length": str(len(content))}
        await send(
            {
                "type": "http.response.start",
                "status": answer.status,
                "headers": [(name.encode(), value.encode()) for name, value in sent.items()],
            }
        )
        await send({"type": "http.response.body", "body": content})

    # -- who, how often and where

    def _spend(self) -> dict[str, str]:
        """Counts the call against the window, which comes back whole."""
        now = self.clock()
        if self._window_began is None or now - self._window_began >= _WINDOW:
            self._window_began, self._spent = now, 0
        self._spent += 1
        left = _WINDOW - (now - self._window_began)
        return {
            "x-rate-limit-time-window-ms": str(_WINDOW // timedelta(milliseconds=1)),
            "x-rate-limit-time-reset-ms": str(left // timedelta(milliseconds=1)),
            "x-rate-limit-requests-quota": str(self.quota),
            "x-rate-limit-requests-left": str(max(self.quota - self._spent, 0)),
        }

    def _answered(
        self,
        method: str,
        path: str,
        below: str,
        query: tuple[tuple[str, str], ...],
        headers: Mapping[str, str],
        raw: bytes,
    ) -> _Answer:
        version = below[:4]
        try:
            if self.wall is not None:
                raise _Answer(self.wall, "<html><body><h1>Request blocked</h1></body></html>")
            if self.loaded or self._spent > self.quota:
                raise self._error(version, 429, "Too many requests, please retry later.")
            if path == below:
                raise self._error("/v3/", 404, "The requested store was not found.")
            if headers.get("x-auth-token") != self.token:
                raise self._error(version, 401, "X-Auth-Token header is invalid or missing.")
            raise self._route(method, below, version, dict(query), raw)
        except _Answer as answer:
            return answer

    @staticmethod
    def _error(version: str, status: int, text: str, errors: Mapping[str, str] | None = None) -> _Answer:
        """Each half of the API has its own shape."""
        if version == "/v2/":
            return _Answer(status, [{"status": status, "message": text}])
        body: Body = {"status": status, "title": text, "type": _TYPE}
        return _Answer(status, body | ({"errors": dict(errors)} if errors is not None else {}))

    def _route(self, method: str, path: str, version: str, query: dict[str, str], raw: bytes) -> _Answer:
        for verb, pattern, scope, handler in _ROUTES:
            if verb == method and (match := re.fullmatch(pattern, path)):
                wanted = {scope} if method != "GET" else {scope, f"{scope}_read_only"}
                if not wanted & self.scopes:
                    raise self._error(version, 403, "You don't have a required scope to access the endpoint")
                ids = [int(group) for group in match.groups()]
                answer: _Answer = getattr(self, handler)(*ids, query=query, body=self._body(version, raw))
                return answer
        return self._error(version, 404, "The requested resource was not found.")

    def _body(self, version: str, raw: bytes) -> Body:
        if not raw:
            return {}
        try:
            body = json.loads(raw)
        except ValueError:
            raise self._error(version, 400, "Input is invalid.") from None
        return body if isinstance(body, dict) else {}

    # -- lists

    def _v2_list(self, rows: list[Body], query: dict[str, str]) -> _Answer:
        """A page; nothing at all where it is empty."""
        for name in ("page", "limit"):
            if name in query and not re.fullmatch(r"[1-9]\d{0,6}", query[name]):
                raise self._error("/v2/", 400, f"The field '{name}' is invalid.")
        page, limit = int(query.get("page", 1)), int(query.get("limit", 50))
        if limit > 250:
            raise self._error("/v2/", 413, "The request was too large.")
        cut = rows[(page - 1) * limit : page * limit]
        return _Answer(200, copy.deepcopy(cut)) if cut else _Answer(204)

    def _v3_list(self, rows: list[Body], query: dict[str, str], most: int = 250) -> _Answer:
        page, limit = int(query.get("page", 1)), int(query.get("limit", 50))
        if not 1 <= limit <= most or page < 1:
            raise self._error("/v3/", 422, "The filter(s): limit are not valid.", {"limit": "error.invalid"})
        cut = copy.deepcopy(rows[(page - 1) * limit : page * limit])
        pages = max(-(-len(rows) // limit), 1)
        links = {"current": f"?page={page}&limit={limit}"}
        if page < pages:
            links["next"] = f"?page={page + 1}&limit={limit}"
        pagination = {
            "total": len(rows),
            "count": len(cut),
            "per_page": limit,
            "current_page": page,
            "total_pages": pages,
            "links": links,
        }
        return _Answer(200, {"data": cut, "meta": {"pagination": pagination}})

    def _numbers(self, query: dict[str, str], name: str) -> list[int] | None:
        if name not in query:
            return None
        if not re.fullmatch(r"\d+(,\d+)*", query[name]):
            raise self._error("/v3/", 422, f"The filter(s): {name} are not valid.", {name: "error.invalid"})
        return [int(one) for one in query[name].split(",")]

    # -- orders

    def list_orders(self, *, query: dict[str, str], body: Body) -> _Answer:
        """Incomplete ones are among them, archived ones are not. An unknown parameter is ignored."""
        rows = [row for row in self.state.orders.values() if not row["is_deleted"]]
        rows = [self._order_body(row, query) for row in rows if self._passes(row, query)]
        name, _, direction = query.get("sort", "id").partition(":")
        if name not in _SORTS or direction not in ("", "asc", "desc"):
            raise self._error("/v2/", 400, "The field 'sort' is invalid.")
        down = direction == "desc"
        rows.sort(key=lambda row: int(row["id"]), reverse=down is not self.ties_up)
        rows.sort(key=lambda row: _moment(row[name]) if name.startswith("date_") else row[name], reverse=down)
        return self._v2_list(rows, query)

    def _passes(self, row: Body, query: dict[str, str]) -> bool:
        for name in ("customer_id", "status_id"):
            if name in query and str(row[name]) != query[name]:
                return False
        if "min_id" in query and row["id"] < int(query["min_id"]):
            return False
        if "max_id" in query and row["id"] > int(query["max_id"]):
            return False
        if "email" in query and query["email"].lower() not in self._addresses(row):
            return False
        placed = _moment(row["date_created"])
        if "min_date_created" in query:
            bound = self._bound(query, "min_date_created")
            if placed < bound or (placed == bound and not self.inclusive):
                return False
        if "max_date_created" in query:
            bound = self._bound(query, "max_date_created")
            if placed > bound or (placed == bound and not self.inclusive):
                return False
        return True

    def _bound(self, query: dict[str, str], name: str) -> datetime:
        try:
            return _moment(query[name])
        except ValueError:
            raise self._error("/v2/", 400, f"The field '{name}' is invalid.") from None

    def _addresses(self, row: Body) -> set[str]:
        found = set()
        if "bill" in self.email_of:
            found.add(row["billing_address"]["email"].lower())
        if "account" in self.email_of and row["customer_id"] in self.state.customers:
            found.add(self.state.customers[row["customer_id"]]["email"].lower())
        return found

    def count_orders(self, *, query: dict[str, str], body: Body) -> _Answer:
        found = [row for row in self.state.orders.values() if not row["is_deleted"] and self._passes(row, query)]
        statuses = [
            {
                "id": number,
                "name": name,
                "system_label": name,
                "custom_label": name,
                "system_description": "",
                "count": sum(1 for row in found if row["status_id"] == number),
                "sort_order": number,
            }
            for number, name in STATUSES.items()
        ]
        return _Answer(200, {"statuses": statuses, "count": len(found)})

    def _existing(self, order: int) -> Body:
        if order not in self.state.orders:
            raise self._error("/v2/", 404, "The requested resource was not found.")
        return self.state.orders[order]

    def get_order(self, order: int, *, query: dict[str, str], body: Body) -> _Answer:
        """An archived order is answered too (unverified)."""
        return _Answer(200, self._order_body(self._existing(order), query))

    def put_order(self, order: int, *, query: dict[str, str], body: Body) -> _Answer:
        """No status is refused, whatever the order was before."""
        row = self._existing(order)
        if unknown := set(body) - _WRITABLE:
            raise self._error("/v2/", 400, f"The field '{min(unknown)}' is not supported by this resource.")
        if "status_id" in body and body["status_id"] not in STATUSES:
            raise self._error("/v2/", 400, "The field 'status_id' is invalid.")
        if not isinstance(body.get("staff_notes", ""), str) or len(body.get("staff_notes", "")) > 65535:
            raise self._error("/v2/", 400, "The field 'staff_notes' is invalid.")
        status = body.pop("status_id", None)
        row |= body
        if status is not None:
            self.set_status(order, status)
        row["date_modified"] = rfc(self.clock())
        return _Answer(200, self._order_body(row, query))

    def set_status(self, order: int, status: int) -> None:
        """Nothing is paid back; whether goods go back into stock is the store's setting."""
        row = self.state.orders[order]
        if status == 5 and row["status_id"] != 5 and self.state.restocks:
            for line in self.state.products[order]:
                self._stock(line, line["quantity"])
        row |= {"status_id": status, "status": STATUSES[status], "custom_status": STATUSES[status]}

    def _stock(self, line: Body, units: int) -> None:
        product = self.state.catalog.get(line["product_id"])
        if product is None:
            return
        if product["inventory_tracking"] == "product":
            product["inventory_level"] += units
        for variant in product["variants"]:
            if product["inventory_tracking"] == "variant" and variant["id"] == line["variant_id"]:
                variant["inventory_level"] += units

    def _order_body(self, row: Body, query: Mapping[str, str]) -> Body:
        """The order with links to the rest of it; `include` puts some of that in its place."""
        base = f"https://api.bigcommerce.com/stores/{self.store_hash}/v2"

        def link(name: str) -> Body:
            resource = f"/orders/{row['id']}/{name}"
            return {"url": f"{base}{resource}", "resource": resource}

        answer: Body = copy.deepcopy(row)
        if self.counts_refunds:
            answer["refunded_amount"] = f"{self._refunded(row['id']):.4f}"
        answer["fees"] = link("fees")
        answer |= {name: link(path) for name, path in (("products", "products"), ("coupons", "coupons"))}
        answer["shipping_addresses"] = link("shippingaddresses")
        answer["consignments"] = link("consignments")
        included = query.get("include", "").split(",")
        if "consignments" in included and query.get("consignment_structure") == "object":
            answer["consignments"] = {
                "pickups": [],
                "shipping": [self._consignment(one, row["id"], base) for one in self._going_to(row["id"])],
                "downloads": [],
                "email": {"gift_certificates": []},
            }
        return answer

    def _going_to(self, order: int) -> list[Body]:
        return self.state.shipping_addresses.get(order, [])

    def _consignment(self, address: Body, order: int, base: str) -> Body:
        row = {name: value for name, value in copy.deepcopy(address).items() if name != "order_id"}
        for name, value in row.items():
            if "cost" in name and isinstance(value, str):
                row[name] = float(value)
        lines = [line["id"] for line in self.state.products[order] if line["order_address_id"] == address["id"]]
        resources = [f"/orders/{order}/products/{line}" for line in lines]
        return row | {"line_items": [{"url": f"{base}{one}", "resource": one} for one in resources]}

    def list_products(self, order: int, *, query: dict[str, str], body: Body) -> _Answer:
        self._existing(order)
        return self._v2_list(self.state.products.get(order, []), query)

    def list_shipments(self, order: int, *, query: dict[str, str], body: Body) -> _Answer:
        self._existing(order)
        return self._v2_list(self.state.shipments.get(order, []), query)

    def list_addresses(self, order: int, *, query: dict[str, str], body: Body) -> _Answer:
        self._existing(order)
        return self._v2_list(self._going_to(order), query)

    # -- money

    def void_payment(self, order: int, *, query: dict[str, str], body: Body) -> _Answer:
        """Only an authorisation can be voided; it is done later."""
        if order not in self.state.orders:
            raise self._error("/v3/", 404, f"Order with {order} not found")
        row = self.state.orders[order]
        if row["payment_status"] != "authorized":
            raise self._error("/v3/", 422, "The payment of this order can not be voided.", {})
        row["payment_status"] = "void pending"
        return _Answer(201, {})

    def list_refunds(self, *, query: dict[str, str], body: Body) -> _Answer:
        wanted, ids = self._numbers(query, "order_id:in"), self._numbers(query, "id:in")
        rows = [
            row
            for row in self.state.refunds.values()
            if (wanted is None or row["order_id"] in wanted) and (ids is None or row["id"] in ids)
        ]
        return self._v3_list(sorted(rows, key=lambda row: int(row["id"])), query)

    def quote_refund(self, order: int, *, query: dict[str, str], body: Body) -> _Answer:
        """What it comes to, at most what is left of the order, and the ways to pay that back."""
        total, tax, asked = self._worth(order, body.get("items"))
        ways = self._ways(order, total)
        answer: Body = {
            "order_id": order,
            "total_refund_amount": _number(total),
            "total_refund_tax_amount": _number(tax),
            "order_level_refund_amount": 0,
            "rounding": 0,
            "adjustment": _number(total - asked),
            "tax_inclusive": True,
            "refund_methods": ways,
        }
        return _Answer(201, {"data": answer, "meta": {}})

    def create_refund(self, order: int, *, query: dict[str, str], body: Body) -> _Answer:
        """Payments have to be those of one way of the quote, and come to its total or to the merchant's own."""
        total, tax, _ = self._worth(order, body.get("items"))
        if not self.tax_service:
            failed = {"order_id": order, "status": 503, "error": "Tax service gone away"}
            raise _Answer(503, {"data": [failed], "meta": {}})
        payments, own = body.get("payments") or [], body.get("merchant_calculated_override")
        ways = self._ways(order, total)
        if own is not None:
            if not 0 < Decimal(str(own["total_amount"])) <= self._left(order):
                raise self._refused("The refund amount is more than what is refundable.")
            total, tax = Decimal(str(own["total_amount"])), Decimal(str(own["total_tax"]))
        if self.state.orders[order]["customer_id"] == 0 and any(
            one["provider_id"] == "storecredit" for one in payments
        ):
            raise self._refused("Unable to provide store credit for a guest customer.")
        if total <= 0 or not any(self._is_of(payments, way) for way in ways):
            raise self._refused("The payments are none of those of a refund quote.")
        if sum((Decimal(str(one["amount"])) for one in payments), Decimal(0)) != total:
            raise self._refused("The payments do not match the refund amount.")
        declined = {one["provider_id"]: one["provider_id"] in self.declining for one in payments}
        reasons = [item.get("reason", "") for item in body["items"]]
        made: Body = {
            "id": self.state.new_id(),
            "order_id": order,
            "user_id": 0,
            "created": iso(self.clock()),
            "reason": next(iter(reasons), "") if self.keeps_reasons else "",
            "total_amount": _number(total),
            "total_tax": _number(tax),
            "uses_merchant_override_values": own is not None,
            "payments": [
                {
                    "id": self.state.new_id(),
                    "provider_id": one["provider_id"],
                    "amount": one["amount"],
                    "offline": one.get("offline", False),
                    "is_declined": declined[one["provider_id"]],
                    "declined_message": "Do not honor" if declined[one["provider_id"]] else "",
                }
                for one in payments
            ],
            "items": [
                {"item_type": item["item_type"], "item_id": item["item_id"]}
                | ({"reason": item.get("reason", "")} if self.keeps_reasons else {})
                | ({"quantity": item["quantity"]} if "quantity" in item else {"requested_amount": item["amount"]})
                for item in body["items"]
            ],
        }
        self.state.refunds[made["id"]] = made
        if not all(declined.values()):
            for item in body["items"]:
                for line in self.state.products[order]:
                    if item["item_type"] == "PRODUCT" and line["id"] == item["item_id"]:
                        line["quantity_refunded"] += item["quantity"]
                        line["is_refunded"] = line["quantity_refunded"] == line["quantity"]
            self._after_refund(order)
        return _Answer(201, {"data": copy.deepcopy(made), "meta": {}})

    def _refused(self, text: str) -> _Answer:
        """The third shape of an error."""
        return _Answer(422, {"data": [{"status": 422, "title": text, "type": _TYPE}]})

    def _left(self, order: int) -> Decimal:
        return Decimal(self.state.orders[order]["total_inc_tax"]) - self._refunded(order)

    def _worth(self, order: int, items: Any) -> tuple[Decimal, Decimal, Decimal]:
        """What items come to with tax, at most what is left; the tax; and what they come to without that bound."""
        if order not in self.state.orders:
            raise self._error("/v3/", 404, f"Order with {order} not found")
        if self.state.orders[order]["payment_status"] not in ("captured", "paid", "partially refunded", "refunded"):
            raise self._error("/v3/", 422, "The payment of this order is not settled.", {})
        if not isinstance(items, list) or not items:
            raise self._error("/v3/", 422, "JSON data is missing or invalid", {"items": "error.path.missing"})
        lines = {line["id"]: line for line in self.state.products[order]}
        total, tax = Decimal(0), Decimal(0)
        for item in items:
            if item["item_type"] == "PRODUCT":
                line = lines.get(item["item_id"])
                if line is None or not 0 < item["quantity"] <= line["quantity"] - line["quantity_refunded"]:
                    raise self._error(
                        "/v3/", 422, "The quantity is more than what is refundable.", {"items": "quantity"}
                    )
                total += Decimal(line["total_inc_tax"]) * item["quantity"] / line["quantity"]
                tax += Decimal(line["total_tax"]) * item["quantity"] / line["quantity"]
                continue
            amount, known = Decimal(str(item["amount"])), order if item["item_type"] == "ORDER" else None
            for address in self._going_to(order):
                if item["item_type"] == "SHIPPING" and address["id"] == item["item_id"]:
                    known, rate = address["id"], Decimal(address["cost_tax"]) / Decimal(address["cost_ex_tax"])
                    tax += amount * rate if self.adds_tax_to_shipping else amount * rate / (1 + rate)
                    amount += amount * rate if self.adds_tax_to_shipping else 0
            if known != item["item_id"] or amount <= 0:
                raise self._error("/v3/", 422, "The item is not of this order.", {"items": "item_id"})
            total += amount
        asked = total.quantize(Decimal("0.01"), ROUND_HALF_UP)
        return min(asked, self._left(order)), tax, asked

    def _ways(self, order: int, total: Decimal) -> list[list[Body]]:
        """All to credit (with an account), all booked as paid outside, and the way the order was paid."""
        row = self.state.orders[order]
        credit = min(Decimal(row["store_credit_amount"]), total)
        provider = self.state.providers.get(order, "stripe")
        ways = [[("storecredit", total)]] if row["customer_id"] else []
        paid = [one for one in ((provider, total - credit), ("storecredit", credit)) if one[1] > 0]
        ways += [[("custom", total)], *([paid] if paid != [("storecredit", total)] else [])]
        return [[self._option(*one) for one in way] for way in ways if total > 0]

    def _option(self, provider: str, amount: Decimal) -> Body:
        offline = provider == "custom" or provider in self.offline_providers
        return {
            "provider_id": provider,
            "provider_description": provider.title(),
            "amount": _number(amount),
            "offline": offline,
            "offline_provider": offline,
            "offline_reason": "This is an offline payment provider." if offline else "",
        }

    @staticmethod
    def _is_of(payments: list[Body], way: list[Body]) -> bool:
        most = {one["provider_id"]: (one["amount"], one["offline"]) for one in way}
        return all(
            one["provider_id"] in most
            and one["amount"] <= most[one["provider_id"]][0]
            and one.get("offline", False) == most[one["provider_id"]][1]
            for one in payments
        )

    def _after_refund(self, order: int) -> None:
        row = self.state.orders[order]
        whole = self._refunded(order) >= Decimal(row["total_inc_tax"])
        self.set_status(order, 4 if whole else 14)
        row["payment_status"] = "refunded" if whole else "partially refunded"

    def refund(
        self,
        order: int,
        lines: Mapping[int, int],
        *,
        at: datetime,
        reason: str = "",
        provider: str = "stripe",
        offline: bool = False,
        declined: bool = False,
        native: int | None = None,
    ) -> Body:
        """What staff do in the control panel: units of lines are paid back; the goods are not put back into stock."""
        amount, tax = Decimal(0), Decimal(0)
        for line in self.state.products[order]:
            units = lines.get(line["id"], 0)
            amount += Decimal(line["total_inc_tax"]) * units / line["quantity"]
            tax += Decimal(line["total_tax"]) * units / line["quantity"]
            if not declined:
                line["quantity_refunded"] += units
                line["is_refunded"] = line["quantity_refunded"] == line["quantity"]
        made: Body = {
            "id": native or self.state.new_id(),
            "order_id": order,
            "user_id": 1,
            "created": iso(at),
            "reason": reason,
            "total_amount": _number(amount),
            "total_tax": _number(tax),
            "uses_merchant_override_values": False,
            "payments": [
                {
                    "id": self.state.new_id(),
                    "provider_id": provider,
                    "amount": _number(amount),
                    "offline": offline,
                    "is_declined": declined,
                    "declined_message": "Do not honor" if declined else "",
                }
            ],
            "items": [
                {"item_type": "PRODUCT", "item_id": line, "quantity": units, "requested_amount": None}
                for line, units in lines.items()
            ],
        }
        self.state.refunds[made["id"]] = made
        if not declined:
            self._after_refund(order)
        return made

    def _refunded(self, order: int) -> Decimal:
        rows = [row for row in self.state.refunds.values() if row["order_id"] == order]
        paid = [payment for row in rows for payment in row["payments"] if not payment["is_declined"]]
        return sum((Decimal(str(payment["amount"])) for payment in paid), Decimal(0))

    # -- customers, catalogue, settings

    def list_customers(self, *, query: dict[str, str], body: Body) -> _Answer:
        """Guests are not here. Addresses of e-mail are compared without regard to letter case."""
        ids = self._numbers(query, "id:in")
        emails = [one.lower() for one in query["email:in"].split(",")] if "email:in" in query else None
        if not all(one.isascii() and "@" in one for one in emails or ()):
            raise self._error("/v3/", 422, "The filter(s): email:in are not valid.", {"email:in": "error.invalid"})
        rows = [
            row if "addresses" in query.get("include", "").split(",") else _without(row, "addresses")
            for row in self.state.customers.values()
            if (ids is None or row["id"] in ids) and (emails is None or row["email"].lower() in emails)
        ]
        return self._v3_list(rows, query)

    def list_catalog(self, *, query: dict[str, str], body: Body) -> _Answer:
        ids, included = self._numbers(query, "id:in"), query.get("include", "").split(",")
        left_out = [name for name in ("variants", "images") if name not in included]
        rows = [_without(row, *left_out) for row in self.state.catalog.values() if ids is None or row["id"] in ids]
        return self._v3_list(rows, query)

    def get_store(self, *, query: dict[str, str], body: Body) -> _Answer:
        return _Answer(
            200,
            {
                "id": self.store_hash,
                "domain": self.state.secure_url.removeprefix("https://"),
                "secure_url": self.state.secure_url,
                "control_panel_base_url": f"https://store-{self.store_hash}.mybigcommerce.com",
                "status": "live",
                "name": "Acme Canada",
                "country_code": "CA",
                "timezone": {"name": self.state.time_zone, "raw_offset": -18000, "dst_offset": -14400},
                "language": "en",
                "currency": self.state.currency,
                "decimal_places": 2,
                "plan_name": "Pro",
                "plan_level": "Pro",
            },
        )


def _written(body: Any) -> bytes:
    return json.dumps(body).encode()


def _number(amount: Decimal) -> float:
    """Money on refunds and in the catalogue is a JSON number of at most two decimals."""
    return float(amount.quantize(Decimal("0.01"), ROUND_HALF_UP))


def _without(row: Body, *names: str) -> Body:
    return {name: value for name, value in row.items() if name not in names}


def rfc(moment: datetime | None) -> str:
    """As v2 writes an instant: RFC 2822 in UTC, and nothing for none."""
    return format_datetime(moment.astimezone(UTC).replace(microsecond=0)) if moment else ""


def iso(moment: datetime) -> str:
    """As v3 writes one."""
    return moment.astimezone(UTC).isoformat(timespec="seconds")


def _moment(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return parsedate_to_datetime(text)


_ROUTES: Final = (
    ("GET", r"/v2/store", "store_v2_information", "get_store"),
    ("GET", r"/v2/orders", "store_v2_orders", "list_orders"),
    ("GET", r"/v2/orders/count", "store_v2_orders", "count_orders"),
    ("GET", r"/v2/orders/(\d+)", "store_v2_orders", "get_order"),
    ("PUT", r"/v2/orders/(\d+)", "store_v2_orders", "put_order"),
    ("GET", r"/v2/orders/(\d+)/products", "store_v2_orders", "list_products"),
    ("GET", r"/v2/orders/(\d+)/shipments", "store_v2_orders", "list_shipments"),
    ("GET", r"/v2/orders/(\d+)/shipping_?addresses", "store_v2_orders", "list_addresses"),
    ("GET", r"/v3/orders/payment_actions/refunds", "store_v2_orders", "list_refunds"),
    ("POST", r"/v3/orders/(\d+)/payment_actions/void", "store_v2_orders", "void_payment"),
    ("POST", r"/v3/orders/(\d+)/payment_actions/refund_quotes", "store_v2_orders", "quote_refund"),
    ("POST", r"/v3/orders/(\d+)/payment_actions/refunds", "store_v2_orders", "create_refund"),
    ("GET", r"/v3/customers", "store_v2_customers", "list_customers"),
    ("GET", r"/v3/catalog/products", "store_v2_products", "list_catalog"),
)
