"""A small Medusa that answers as one was seen to: what it leaves out, ignores and refuses, what a write sets off."""

from __future__ import annotations

import base64
import copy
import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final, TypeAlias
from urllib.parse import parse_qsl, unquote

Body: TypeAlias = dict[str, Any]

#: What a store of the sandbox takes for a secret key.
KEY: Final = "sk_sandbox"
#: What a store of the sandbox is configured with.
CREDENTIALS: Mapping[str, str] = {"secret_key": KEY}

#: Orders of a list come with these alone; items come with them, since totals are worked out from items.
_ORDER_FIELDS = (
    "id,display_id,custom_display_id,status,version,summary,total,metadata,locale,created_at,updated_at,*items"
)
_CUSTOMER_FIELDS = (
    "id,company_name,first_name,last_name,email,phone,metadata,has_account,created_by,created_at,updated_at,deleted_at"
)
_PRODUCT_FIELDS = (
    "id,title,subtitle,status,external_id,description,handle,is_giftcard,discountable,thumbnail,collection_id,type_id,"
    "created_at,updated_at,deleted_at,metadata,*type,*collection,*options,*options.values,*tags,*images,*variants,"
    "*variants.prices,*variants.options,*variants.options.option,*sales_channels"
)
_RETURN_FIELDS = (
    "id,order_id,exchange_id,claim_id,display_id,location_id,order_version,status,metadata,no_notification,"
    "refund_amount,created_by,created_at,updated_at,canceled_at,requested_at,received_at"
)
#: Values of one field, however deep.
_JSON_COLUMNS = ("metadata", "data", "summary", "rules")


@dataclass
class Store:
    """Everything the store knows, in the vendor's own bodies, by id."""

    currency: str
    orders: dict[str, Body] = field(default_factory=dict)
    customers: dict[str, Body] = field(default_factory=dict)
    products: dict[str, Body] = field(default_factory=dict)
    returns: dict[str, Body] = field(default_factory=dict)
    return_reasons: dict[str, Body] = field(default_factory=dict)
    #: Drafts of returns by order: the items that were asked for.
    drafts: dict[str, list[Body]] = field(default_factory=dict)
    next_id: int = 1

    def new_id(self, prefix: str) -> str:
        """Ids of one kind sort by when they were made."""
        self.next_id += 1
        return f"{prefix}_01M8{self.next_id:022d}"


@dataclass(frozen=True)
class Received:
    """One call as it came."""

    method: str
    path: str
    query: tuple[tuple[str, str], ...]
    body: Any
    status: int
    answer: Any = None

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


class _Answer(Exception):
    """An answer that ends the call, mostly an error."""

    def __init__(self, status: int, body: Any) -> None:
        self.status = status
        self.body = body


def _error(status: int, kind: str, message: str, code: str | None = None) -> _Answer:
    return _Answer(status, {**({"code": code} if code else {}), "type": kind, "message": message})


def _fault() -> _Answer:
    return _error(500, "unknown_error", "An unknown error occurred.", "unknown_error")


class Simulator:
    """The store as an ASGI application.

    `wall` makes a proxy answer every call with that status, in HTML; `ignores` are filters of a list that this version
    does not know; `ties_up` turns rows of one instant round: which way they come is not documented.
    """

    def __init__(
        self,
        state: Store,
        *,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        key: str = KEY,
        wall: int | None = None,
        ignores: frozenset[str] = frozenset(),
    ) -> None:
        self.state = state
        self.clock = clock
        self.key = key
        self.wall = wall
        self.ignores = ignores
        self.ties_up = False
        #: Every call received, with what it was answered.
        self.calls: list[Received] = []
        #: Every call that could change the store.
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
        answer = self._answered(scope["method"], path, query, headers, bytes(raw))
        try:
            body = json.loads(raw) if raw else None
        except ValueError:
            body = raw.decode(errors="replace")
        received = Received(scope["method"], path, query, body, answer.status, answer.body)
        self.calls.append(received)
        if scope["method"] not in ("GET", "HEAD", "OPTIONS"):
            self.writes.append(received)
        html = isinstance(answer.body, str)
        content = answer.body.encode() if html else _json(answer.body)
        kind = b"text/html; charset=utf-8" if html else b"application/json; charset=utf-8"
        await send(
            {
                "type": "http.response.start",
                "status": answer.status,
                "headers": [(b"content-type", kind), (b"content-length", str(len(content)).encode())],
            }
        )
        await send({"type": "http.response.body", "body": content})

    # -- who and where

    def _answered(
        self, method: str, path: str, query: tuple[tuple[str, str], ...], headers: Mapping[str, str], raw: bytes
    ) -> _Answer:
        try:
            if self.wall is not None:
                raise _Answer(self.wall, "<html><body><h1>Bad gateway</h1></body></html>")
            handler, ids = self._route(method, path)
            self._authenticate(headers.get("authorization", ""))
            body = self._body(raw)
            answer: _Answer = getattr(self, handler)(*ids, query=_Query(query, self.ignores), body=body)
            return answer
        except _Answer as answer:
            return answer

    @staticmethod
    def _route(method: str, path: str) -> tuple[str, tuple[str, ...]]:
        for verb, pattern, handler in _ROUTES:
            if verb == method and (match := re.fullmatch(f"/admin{pattern}", path)):
                return handler, match.groups()
        raise _Answer(
            404,
            '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n<title>Error</title>\n</head>\n<body>\n'
            f"<pre>Cannot {method} {path}</pre>\n</body>\n</html>\n",
        )

    def _authenticate(self, authorization: str) -> None:
        """The key as it is, or in base64 with a colon behind it: both are taken."""
        scheme, _, token = authorization.partition(" ")
        try:
            plain = base64.b64decode(token, validate=True).decode().rstrip(":")
        except ValueError:
            plain = token
        if scheme.lower() != "basic" or self.key not in (token, plain):
            raise _Answer(401, {"message": "Unauthorized"})

    @staticmethod
    def _body(raw: bytes) -> Body:
        if not raw:
            return {}
        try:
            body = json.loads(raw, parse_float=Decimal)
        except ValueError:
            message = "Expected property name or '}' in JSON at position 1"
            raise _error(400, "invalid_data", message) from None
        return body if isinstance(body, dict) else {}

    # -- lists

    def _listed(
        self, name: str, rows: Iterable[Body], query: _Query, default: str, limit: int, searched: Iterable[str] = ()
    ) -> _Answer:
        """Filters, sorts and cuts; what is not among the filters is ignored."""
        found = [row for row in rows if query.admits(row, searched)]
        order = query.one("order", "id")
        if "," in order:
            raise _fault()
        down, column = order.startswith("-"), order.lstrip("-")
        found.sort(key=lambda row: str(row["id"]), reverse=down is not self.ties_up)
        found.sort(key=lambda row: row[column], reverse=down)
        numbers = {"limit": limit, "offset": 0}
        for word in numbers:
            given = query.one(word, str(numbers[word]))
            if not re.fullmatch(r"\d+", given):
                message = f"Invalid request: Expected type: 'number' for field '{word}', got: '{given}'"
                raise _error(400, "invalid_data", message)
            numbers[word] = int(given)
        cut = found[numbers["offset"] : numbers["offset"] + numbers["limit"]]
        tree = _tree(query.one("fields", ""), default)
        return _Answer(200, {name: [_select(row, tree) for row in cut], "count": len(found), **numbers})

    def list_orders(self, *, query: _Query, body: Body) -> _Answer:
        """Drafts are not among them. `email` and `display_id` are no filters."""
        for word in query.many("status") or ():
            if word not in _STATUSES:
                raise _fault()
        query.only("id", "status", "customer_id", "created_at", "updated_at", "region_id", "q")
        rows = [self._order_body(row) for row in self.state.orders.values() if not row["is_draft_order"]]
        return self._listed("orders", rows, query, _ORDER_FIELDS, 15, ("display_id", "email", "customer.email"))

    def get_order(self, order: str, *, query: _Query, body: Body) -> _Answer:
        if order not in self.state.orders:
            raise _error(404, "not_found", f"Order id not found: {order}")
        tree = _tree(query.one("fields", ""), _ORDER_FIELDS)
        return _Answer(200, {"order": _select(self._order_body(self.state.orders[order]), tree)})

    def list_customers(self, *, query: _Query, body: Body) -> _Answer:
        """`email` is exact to the letter."""
        query.only("id", "email", "has_account", "created_at", "q")
        rows = self.state.customers.values()
        return self._listed(
            "customers",
            rows,
            query,
            _CUSTOMER_FIELDS,
            50,
            ("email", "first_name", "last_name", "phone", "company_name"),
        )

    def list_products(self, *, query: _Query, body: Body) -> _Answer:
        query.only("id", "status", "handle", "created_at", "q")
        return self._listed("products", self.state.products.values(), query, _PRODUCT_FIELDS, 50, ("title", "handle"))

    def list_returns(self, *, query: _Query, body: Body) -> _Answer:
        query.only("id", "order_id", "status", "created_at")
        return self._listed("returns", self.state.returns.values(), query, _RETURN_FIELDS, 15)

    def list_reasons(self, *, query: _Query, body: Body) -> _Answer:
        query.only("id", "value", "q")
        fields = "id,value,label,description,created_at,updated_at"
        return self._listed("return_reasons", self.state.return_reasons.values(), query, fields, 20)

    def list_stores(self, *, query: _Query, body: Body) -> _Answer:
        at = "2026-01-05T08:00:00.000Z"
        store = {
            "id": "store_01M80000000000000000000000",
            "name": "Acme Sverige",
            "default_sales_channel_id": "sc_01M80000000000000000000000",
            "default_region_id": None,
            "default_location_id": None,
            "metadata": None,
            "created_at": at,
            "updated_at": at,
            "supported_currencies": [
                {"id": f"stocur_{code}", "currency_code": code, "is_default": code == self.state.currency}
                for code in ("eur", self.state.currency)
            ],
        }
        return _Answer(200, {"stores": [store], "count": 1, "offset": 0, "limit": 50})

    # -- an order

    def _order_body(self, row: Body) -> Body:
        """With the record behind it and each line's product as they are now."""
        answer = copy.deepcopy(row)
        record = self.state.customers.get(str(row["customer_id"]))
        answer["customer"] = copy.deepcopy(record)
        for line in answer["items"]:
            product = self.state.products.get(line["product_id"])
            line["product"] = {"id": product["id"], "tags": copy.deepcopy(product["tags"])} if product else None
        return answer

    def cancel_order(self, order: str, *, query: _Query, body: Body) -> _Answer:
        if order not in self.state.orders:
            raise _error(404, "not_found", f"Order id not found: {order}")
        row = self.state.orders[order]
        if row["canceled_at"]:
            raise _error(400, "invalid_data", f"Order with id {order} has been canceled.")
        if row["status"] == "completed":
            message = "Cannot cancel a completed order. Please use the return process to handle refunds or exchanges."
            raise _error(400, "not_allowed", message)
        if any(not parcel["canceled_at"] for parcel in row["fulfillments"]):
            raise _error(400, "not_allowed", "All fulfillments must be canceled before canceling an order")
        for collection in row["payment_collections"]:
            for payment in collection["payments"]:
                left = _sum(payment["captures"]) - _sum(payment["refunds"])
                if left > 0:
                    self._book_refund(row, payment, left, None)
                elif not payment["captures"]:
                    payment["canceled_at"] = self._now()
                    row["payment_status"] = "canceled"
            collection["status"] = "canceled"
        row |= {"status": "canceled", "canceled_at": self._now()}
        self._changed(row)
        tree = _tree(query.one("fields", ""), _ORDER_FIELDS)
        return _Answer(200, {"order": _select(self._order_body(row), tree)})

    def post_refund(self, payment: str, *, query: _Query, body: Body) -> _Answer:
        """The answer does not yet hold the refund."""
        for row in self.state.orders.values():
            for collection in row["payment_collections"]:
                for one in collection["payments"]:
                    if one["id"] == payment:
                        left = _sum(one["captures"]) - _sum(one["refunds"])
                        amount = body.get("amount", left)
                        if not isinstance(amount, int | Decimal):
                            message = f"Invalid request: Expected type: 'number' for field 'amount', got: '{amount}'"
                            raise _error(400, "invalid_data", message)
                        amount = Decimal(amount)
                        if amount <= 0:
                            message = "Invalid request: Value for field 'amount' too small, expected at least: '0'"
                            raise _error(400, "invalid_data", message)
                        if amount > left:
                            message = "You are not allowed to refund more than the captured amount"
                            raise _error(400, "invalid_data", message)
                        self._book_refund(row, one, amount, body.get("note"))
                        self._changed(row)
                        return _Answer(200, {"payment": {"id": payment, "refunds": []}})
        raise _error(404, "not_found", f"Payment with id: {payment} was not found")

    def _book_refund(self, row: Body, payment: Body, amount: Decimal, note: str | None) -> None:
        """A refund, and the credit line by which the order's total shrinks."""
        payment["refunds"].append(
            {
                "id": self.state.new_id("ref"),
                "amount": _number(amount),
                "payment_id": payment["id"],
                "refund_reason_id": None,
                "refund_reason": None,
                "note": note,
                "created_by": "apk_01M80000000000000000000000",
                "metadata": None,
                "created_at": self._now(),
                "updated_at": self._now(),
                "deleted_at": None,
            }
        )
        refunded = Decimal(str(row["summary"]["refunded_total"])) + amount
        paid = Decimal(str(row["summary"]["paid_total"]))
        row["credit_line_total"] = _number(Decimal(str(row["credit_line_total"])) + amount)
        row["total"] = _number(Decimal(str(row["total"])) - amount)
        row["summary"] |= {
            "refunded_total": _number(refunded),
            "transaction_total": _number(paid - refunded),
            "current_order_total": row["total"],
            "accounting_total": row["total"],
        }
        row["payment_status"] = "refunded" if refunded >= paid else "partially_refunded"

    def _changed(self, row: Body) -> None:
        row["version"] += 1
        row["updated_at"] = self._now()

    # -- returns

    def begin_return(self, *, query: _Query, body: Body) -> _Answer:
        order = str(body.get("order_id", ""))
        if order not in self.state.orders:
            raise _error(404, "not_found", f"Order id not found: {order}")
        row = self.state.orders[order]
        if row["canceled_at"]:
            raise _error(400, "invalid_data", f"Order with id {order} has been canceled.")
        if any(one["order_id"] == order and one["id"] in self.state.drafts for one in self.state.returns.values()):
            raise _error(400, "invalid_data", f"Order ({order}) already has an existing active order change")
        made = {
            "id": self.state.new_id("return"),
            "order_id": order,
            "exchange_id": None,
            "claim_id": None,
            "display_id": len(self.state.returns) + 1,
            "location_id": body.get("location_id"),
            "order_version": row["version"],
            "status": "open",
            "metadata": body.get("metadata"),
            "no_notification": None,
            "refund_amount": None,
            "created_by": "apk_01M80000000000000000000000",
            "created_at": self._now(),
            "updated_at": self._now(),
            "canceled_at": None,
            "requested_at": None,
            "received_at": None,
            "items": [],
        }
        self.state.returns[made["id"]] = made
        self.state.drafts[made["id"]] = []
        return _Answer(200, {"order": {"id": order}, "return": copy.deepcopy(made)})

    def add_items(self, native: str, *, query: _Query, body: Body) -> _Answer:
        made, row = self._draft(native)
        lines = {line["id"]: line for line in row["items"]}
        for item in body.get("items", []):
            if item["id"] not in lines:
                raise _error(400, "invalid_data", f"Items with ids {item['id']} does not exist in order")
            detail = lines[item["id"]]["detail"]
            asked = sum(one["quantity"] for one in self.state.drafts[native] if one["id"] == item["id"])
            if item["quantity"] > detail["fulfilled_quantity"] - detail["return_requested_quantity"] - asked:
                message = f"Cannot request to return more items than what was fulfilled for item {item['id']}."
                raise _error(400, "invalid_data", message)
            if item.get("reason_id") not in (None, *self.state.return_reasons):
                raise _error(404, "not_found", f"Return reason with ids {item['reason_id']} not found")
        self.state.drafts[native] += copy.deepcopy(body["items"])
        return _Answer(200, {"order_preview": {"id": row["id"]}, "return": copy.deepcopy(made)})

    def confirm_return(self, native: str, *, query: _Query, body: Body) -> _Answer:
        made, row = self._draft(native)
        items = self.state.drafts[native]
        if not items:
            raise _error(400, "invalid_data", "Order return request should have at least 1 item")
        lines = {line["id"]: line for line in row["items"]}
        for item in items:
            lines[item["id"]]["detail"]["return_requested_quantity"] += item["quantity"]
            made["items"].append(
                {
                    "id": self.state.new_id("retitem"),
                    "note": item.get("internal_note"),
                    "metadata": item.get("metadata", {}),
                    "reason_id": item.get("reason_id"),
                    "reason": copy.deepcopy(self.state.return_reasons.get(item.get("reason_id", ""))),
                    "return_id": native,
                    "item_id": item["id"],
                    "quantity": item["quantity"],
                    "received_quantity": 0,
                    "damaged_quantity": 0,
                }
            )
        del self.state.drafts[native]
        made |= {"status": "requested", "requested_at": self._now(), "updated_at": self._now()}
        self._changed(row)
        return _Answer(200, {"order_preview": {"id": row["id"]}, "return": copy.deepcopy(made)})

    def drop_return(self, native: str, *, query: _Query, body: Body) -> _Answer:
        self._draft(native)
        del self.state.drafts[native]
        del self.state.returns[native]
        return _Answer(200, {"id": native, "object": "return", "deleted": True})

    def _draft(self, native: str) -> tuple[Body, Body]:
        if native not in self.state.returns:
            raise _error(404, "not_found", f"Return id not found: {native}")
        made = self.state.returns[native]
        if native not in self.state.drafts:
            raise _error(400, "invalid_data", "An active Order Change is required to proceed")
        return made, self.state.orders[made["order_id"]]

    def _now(self) -> str:
        return instant(self.clock())


def instant(moment: datetime) -> str:
    """As Medusa writes an instant."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _sum(rows: Iterable[Body]) -> Decimal:
    return sum((Decimal(str(row["amount"])) for row in rows), Decimal(0))


def _number(amount: Decimal) -> int | Decimal:
    """JSON numbers have no digits that say nothing."""
    return int(amount) if amount == amount.to_integral_value() else amount.normalize()


def _json(body: Any) -> bytes:
    """With `Decimal` as a plain number, every digit of it."""
    numbers: list[str] = []

    def kept(value: object) -> str:
        if not isinstance(value, Decimal):
            raise TypeError(type(value).__name__)
        numbers.append(format(Decimal(_number(value)), "f"))
        return f"\x00{len(numbers) - 1}\x00"

    text = json.dumps(body, default=kept)
    return re.sub(r'"\\u0000(\d+)\\u0000"', lambda match: numbers[int(match[1])], text).encode()


# ------------------------------------------------------------------------------------------------------------ queries


class _Query:
    """What a list is asked with: `x`, `x[]` for several, `x[$lte]` for a bound."""

    def __init__(self, pairs: Iterable[tuple[str, str]], ignores: frozenset[str]) -> None:
        self._pairs = list(pairs)
        self._known: frozenset[str] | None = None
        self._ignores = ignores

    def only(self, *names: str) -> None:
        """The filters there are; every other word is ignored."""
        self._known = frozenset(names) - self._ignores

    def one(self, name: str, default: str) -> str:
        return next((value for word, value in self._pairs if word == name), default)

    def many(self, name: str) -> list[str] | None:
        found = [
            value for word, value in self._pairs if word in (name, f"{name}[]") or re.fullmatch(rf"{name}\[\d+\]", word)
        ]
        return found or None

    def admits(self, row: Body, searched: Iterable[str]) -> bool:
        for name in self._known or ():
            if name == "q":
                continue
            wanted = self.many(name)
            if wanted is not None and str(row.get(name)) not in wanted:
                return False
            for word, value in self._pairs:
                if word == f"{name}[$lte]" and not _moment(row[name]) <= _moment(value):
                    return False
                if word == f"{name}[$gte]" and not _moment(row[name]) >= _moment(value):
                    return False
        text = self.one("q", "")
        if text and "q" in (self._known or ()):
            pattern = "".join({"%": ".*", "_": "."}.get(letter, re.escape(letter)) for letter in text)
            return any(re.search(pattern, _at(row, path), re.IGNORECASE) for path in searched)
        return True


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _at(row: Body, path: str) -> str:
    value: Any = row
    for name in path.split("."):
        value = value.get(name) if isinstance(value, dict) else None
    return "" if value is None else str(value)


# ------------------------------------------------------------------------------------------------------------- fields

_Tree: TypeAlias = dict[str, Any]


def _tree(fields: str, default: str) -> _Tree:
    """`a,b` are these alone; `+a` and `*relation` add to what comes anyway. `*` in a node: every field of it."""
    words = [word.strip() for word in fields.split(",") if word.strip()]
    if not words or all(word[0] in "+*" for word in words):
        words = [*default.split(","), *words]
    tree: _Tree = {}
    for word in words:
        node = tree
        names = word.lstrip("+*").split(".")
        for name in names:
            node = node.setdefault(name, {})
        if word.startswith("*"):
            node["*"] = True
    return tree


def _select(value: Any, tree: _Tree) -> Any:
    if isinstance(value, list):
        return [_select(one, tree) for one in value]
    if not isinstance(value, dict):
        return value
    answer = {}
    for name, inner in value.items():
        relation = isinstance(inner, dict | list) and name not in _JSON_COLUMNS
        if name in tree:
            node = tree[name]
            answer[name] = (
                _select(inner, node if node or not relation else {"id": {}}) if relation else copy.deepcopy(inner)
            )
        elif (tree.get("*") and not relation) or name == "id":
            answer[name] = copy.deepcopy(inner)
    return answer


_STATUSES = ("pending", "completed", "draft", "archived", "canceled", "requires_action")

_ROUTES: Final = (
    ("GET", r"/orders", "list_orders"),
    ("GET", r"/orders/([^/]+)", "get_order"),
    ("POST", r"/orders/([^/]+)/cancel", "cancel_order"),
    ("GET", r"/customers", "list_customers"),
    ("GET", r"/products", "list_products"),
    ("GET", r"/stores", "list_stores"),
    ("POST", r"/payments/([^/]+)/refund", "post_refund"),
    ("GET", r"/return-reasons", "list_reasons"),
    ("GET", r"/returns", "list_returns"),
    ("POST", r"/returns", "begin_return"),
    ("POST", r"/returns/([^/]+)/request-items", "add_items"),
    ("POST", r"/returns/([^/]+)/request", "confirm_return"),
    ("DELETE", r"/returns/([^/]+)/request", "drop_return"),
)
