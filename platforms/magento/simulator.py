"""A small Magento shop that answers as one is documented to: how it searches, what it refuses, what a write does."""

from __future__ import annotations

import base64
import copy
import hashlib
import hmac
import json
import re
import time
import unicodedata
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final, TypeAlias
from urllib.parse import parse_qsl, quote, unquote

Body: TypeAlias = dict[str, Any]

#: What a shop of the sandbox takes for an integration.
CREDENTIALS: Mapping[str, str] = {
    "consumer_key": "sandboxconsumerkey00000000000001",
    "consumer_secret": "sandboxconsumersecret00000000001",
    "access_token": "sandboxaccesstoken00000000000001",
    "access_token_secret": "sandboxaccesstokensecret00000001",
}
#: What it takes for a bearer token, where it takes one.
TOKEN: Final = "sandboxaccesstoken00000000000001"

#: Of Magento\Sales\Model\Order: states in which nothing can be cancelled any more, or not now.
_NOT_CANCELLABLE = frozenset({"canceled", "holded", "payment_review", "complete", "closed"})
_SKEW = 600

RETURN_CHOICES: Mapping[str, tuple[str, ...]] = {
    "reason": ("Wrong Color", "Wrong Size", "Out of Service", "Other"),
    "condition": ("Unopened", "Opened", "Damaged"),
    "resolution": ("Exchange", "Refund", "Store Credit"),
}


@dataclass
class Shop:
    """Everything the shop knows, in the vendor's own bodies, by id."""

    currency: str
    time_zone: str
    store_code: str = "default"
    base_url: str = "https://nl.shop.example.com/"
    media_url: str = "https://images.example.com/nl/"
    orders: dict[int, Body] = field(default_factory=dict)
    invoices: dict[int, Body] = field(default_factory=dict)
    shipments: dict[int, Body] = field(default_factory=dict)
    memos: dict[int, Body] = field(default_factory=dict)
    returns: dict[int, Body] = field(default_factory=dict)
    customers: dict[int, Body] = field(default_factory=dict)
    products: dict[int, Body] = field(default_factory=dict)
    #: By order, oldest first.
    comments: dict[int, list[Body]] = field(default_factory=dict)
    #: Attribute to its labels, in the shop's own words.
    return_choices: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: dict(RETURN_CHOICES))
    #: Payment methods that pay back through their gateway.
    online_methods: frozenset[str] = frozenset({"adyen_cc"})
    next_id: int = 90001

    def new_id(self) -> int:
        self.next_id += 1
        return self.next_id - 1


@dataclass(frozen=True)
class Received:
    """One call as it came, and what was answered. `path` is below `/rest/<store>`."""

    method: str
    path: str
    query: tuple[tuple[str, str], ...]
    body: Any
    status: int
    answer: Any

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


class _Answer(Exception):
    """An answer that ends the call, mostly an error."""

    def __init__(self, status: int, body: Any) -> None:
        self.status = status
        self.body = body


def _error(status: int, message: str, parameters: Any = None) -> _Answer:
    return _Answer(status, {"message": message} | ({} if parameters is None else {"parameters": parameters}))


def _denied(resource: str) -> _Answer:
    return _error(401, "The consumer isn't authorized to access %resources.", {"resources": resource})


_NO_ROUTE: Final = "Request does not match any route."
_NO_ENTITY: Final = "The entity that was requested doesn't exist. Verify the entity and try again."


class Simulator:
    """The shop as an ASGI application.

    `commerce`: whether it is Adobe Commerce, with returns. `lacking`: permissions the integration does not have.
    `bearer`: whether a token alone is let in. `page_cap`: the most rows a page may be asked for; None: no cap.
    `repeats`: behind the last page comes the last page again. `old`: as before 2.2, cancelling says true whatever came
    of it, and a comment without a status clears the order's. `rma_items`: false sends null for a return's items, as
    old versions do. `wall`: something before the shop answers every call with that status, in HTML.
    """

    def __init__(
        self,
        state: Shop,
        *,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        credentials: Mapping[str, str] = CREDENTIALS,
        commerce: bool = False,
        lacking: Iterable[str] = (),
        bearer: bool = True,
        page_cap: int | None = 300,
        repeats: bool = True,
        old: bool = False,
        rma_items: bool = True,
        wall: int | None = None,
    ) -> None:
        self.state = state
        self.clock = clock
        self.credentials = dict(credentials)
        self.commerce = commerce
        self.lacking = frozenset(lacking)
        self.bearer = bearer
        self.page_cap = page_cap
        self.repeats = repeats
        self.old = old
        self.rma_items = rma_items
        self.wall = wall
        self._nonces: set[str] = set()
        #: Every call received, with what it was answered.
        self.calls: list[Received] = []
        #: Every call that could change the shop.
        self.writes: list[Received] = []
        #: What is added to an amount given for shipping, as a share of it: a shop may be set either way.
        self.shipping_tax = Decimal(0)
        #: Whether a credit memo keeps the comment it was asked for with, which no source at hand says.
        self.keeps_memo_comments = True

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
        raw_path = scope["raw_path"].decode("latin-1").partition("?")[0]
        address = f"{scope.get('scheme', 'http')}://{headers.get('host', '').lower()}{raw_path}"
        answer = self._answered(scope["method"], unquote(raw_path), address, query, headers, bytes(raw))
        try:
            body = json.loads(raw) if raw else None
        except ValueError:
            body = raw.decode(errors="replace")
        below = re.sub(r"^/rest/[^/]+", "", unquote(raw_path))
        received = Received(scope["method"], below, query, body, answer.status, answer.body)
        self.calls.append(received)
        if scope["method"] not in ("GET", "HEAD", "OPTIONS"):
            self.writes.append(received)
        html = self.wall is not None
        content = answer.body.encode() if html else json.dumps(answer.body).encode()
        sent = {
            "content-type": "text/html; charset=UTF-8" if html else "application/json; charset=utf-8",
            "content-length": str(len(content)),
            "cache-control": "no-store",
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
        self,
        method: str,
        path: str,
        address: str,
        query: tuple[tuple[str, str], ...],
        headers: Mapping[str, str],
        raw: bytes,
    ) -> _Answer:
        try:
            if self.wall is not None:
                raise _Answer(self.wall, "<html><body><h1>Request blocked</h1></body></html>")
            known = self._authenticated(method, address, query, headers.get("authorization", ""))
            head = f"/rest/{self.state.store_code}"
            if not path.startswith(f"{head}/V1/"):
                raise _error(404, _NO_ROUTE)
            raise self._route(method, path[len(head) :], query, raw, known)
        except _Answer as answer:
            return answer

    def _authenticated(self, method: str, address: str, query: tuple[tuple[str, str], ...], authorization: str) -> bool:
        """A token that is not known makes its sender a visitor; a signature that is wrong is told."""
        kind, _, rest = authorization.partition(" ")
        if kind.lower() == "bearer":
            return self.bearer and hmac.compare_digest(rest.strip(), TOKEN)
        if kind.lower() != "oauth":
            return False
        given = {
            name.strip(): unquote(value.strip().strip('"'))
            for name, _, value in (part.partition("=") for part in rest.split(","))
        }
        if given.get("oauth_consumer_key") != self.credentials["consumer_key"]:
            raise _error(401, "A consumer having the specified key does not exist")
        if given.get("oauth_token") != self.credentials["access_token"]:
            raise _error(401, "Specified token does not exist")
        if given.get("oauth_signature_method") != "HMAC-SHA256":
            raise _error(400, "The signature method '%1' isn't supported. Verify the method and try again.", ["?"])
        stamp, nonce = given.get("oauth_timestamp", ""), given.get("oauth_nonce", "")
        # The moment is a real one, whatever the clock of this world shows.
        if not stamp.isdecimal() or abs(int(stamp) - time.time()) > _SKEW:
            raise _error(401, "The timestamp value in the oauth_timestamp parameter is invalid")
        if nonce in self._nonces:
            raise _error(401, "The nonce is already being used by the consumer with ID %1.", [1])
        self._nonces.add(nonce)
        signed = {name: value for name, value in given.items() if name not in ("oauth_signature", "realm")}
        pairs = sorted((_escape(name), _escape(value)) for name, value in (*signed.items(), *query))
        text = "&".join(map(_escape, (method.upper(), address, "&".join(f"{name}={value}" for name, value in pairs))))
        key = f"{_escape(self.credentials['consumer_secret'])}&{_escape(self.credentials['access_token_secret'])}"
        wanted = base64.b64encode(hmac.new(key.encode(), text.encode(), hashlib.sha256).digest()).decode()
        if not hmac.compare_digest(wanted, given.get("oauth_signature", "")):
            raise _error(401, "The signature is invalid. Verify and try again.")
        return True

    def _route(self, method: str, path: str, query: tuple[tuple[str, str], ...], raw: bytes, known: bool) -> _Answer:
        for verb, pattern, handler, resource in _ROUTES:
            match = re.fullmatch(pattern, path)
            if verb != method or match is None:
                continue
            if not self.commerce and "/returns" in pattern:
                break
            if not known or resource in self.lacking:  # after the route is found, so a missing one is told to all
                return _denied(resource)
            asked = dict(query)
            body = self._body(raw)
            answer = getattr(self, handler)(*match.groups(), query=asked, body=body)
            return _Answer(200, _only(answer, asked["fields"]) if asked.get("fields") else answer)
        return _error(404, _NO_ROUTE)

    @staticmethod
    def _body(raw: bytes) -> Body:
        if not raw:
            return {}
        try:
            body = json.loads(raw)
        except ValueError:
            raise _error(400, "Decoding error: %1", ["Syntax error"]) from None
        return body if isinstance(body, dict) else {}

    # -- lists

    def _listed(self, rows: Iterable[Body], query: Mapping[str, str]) -> Body:
        found = [row for row in rows if self._matches(row, query)]
        for index in range(8, -1, -1):  # the least important first: sorting is stable
            by = query.get(f"searchCriteria[sortOrders][{index}][field]")
            if by is not None:
                direction = query.get(f"searchCriteria[sortOrders][{index}][direction]", "DESC")
                key = "id" if by == "entity_id" and found and "entity_id" not in found[0] else by
                found.sort(key=lambda row: row[key], reverse=direction.upper() == "DESC")
        size = int(query.get("searchCriteria[pageSize]", 0))
        page = max(int(query.get("searchCriteria[currentPage]", 1)), 1)
        if self.page_cap is not None and size > self.page_cap:
            raise _error(400, "Maximum SearchCriteria pageSize is %max", {"max": self.page_cap})
        cut = found
        if size > 0:
            last = max(-(-len(found) // size), 1)
            if page > last and self.repeats:
                page = last
            cut = found[(page - 1) * size : page * size]
        criteria: Body = {"filter_groups": [], "current_page": page}
        if size:
            criteria["page_size"] = size
        return {
            "items": [copy.deepcopy(row) for row in cut],
            "search_criteria": criteria,
            "total_count": len(found),
        }

    def _matches(self, row: Body, query: Mapping[str, str]) -> bool:
        groups: dict[str, list[tuple[str, str, str]]] = {}
        for name, fieldname in query.items():
            match = re.fullmatch(r"searchCriteria\[filterGroups\]\[(\d+)\]\[filters\]\[(\d+)\]\[field\]", name)
            if match is None:
                continue
            head = name[: -len("[field]")]
            value = query.get(f"{head}[value]", "")
            groups.setdefault(match[1], []).append((fieldname, value, query.get(f"{head}[conditionType]", "eq")))
        return all(any(self._fits(row, *one) for one in group) for group in groups.values())

    @staticmethod
    def _fits(row: Body, fieldname: str, value: str, condition: str) -> bool:
        """As the database compares: without letter case and accents."""
        if fieldname == "entity_id" and "entity_id" not in row:
            fieldname = "id"  # customers and products are told as `id` and searched as `entity_id`
        if fieldname not in row and fieldname not in ("customer_id", "state"):
            raise _error(400, 'Column "%1" is not known', [fieldname])
        held = row.get(fieldname)
        if held is None:
            return False
        text = _folded(str(held))
        match condition:
            case "eq":
                return text == _folded(value)
            case "in":
                return text in [_folded(one) for one in value.split(",")]
            case "gteq" | "gt" | "lteq" | "lt":
                return {
                    "gteq": text >= value,
                    "gt": text > value,
                    "lteq": text <= value,
                    "lt": text < value,
                }[condition]
            case _:
                raise _error(400, "The condition type %1 is not known", [condition])

    # -- orders

    def list_orders(self, *, query: Mapping[str, str], body: Body) -> Body:
        return self._listed(self.state.orders.values(), query)

    def get_order(self, order: str, *, query: Mapping[str, str], body: Body) -> Body:
        return copy.deepcopy(self._order(order))

    def _order(self, order: str | int) -> Body:
        if int(order) not in self.state.orders:
            raise _error(404, _NO_ENTITY)
        return self.state.orders[int(order)]

    def cancel(self, order: str, *, query: Mapping[str, str], body: Body) -> bool:
        """Takes back what is not invoiced; an order with an invoice goes on with the rest. Nothing is paid back."""
        row = self._order(order)
        open_items = [item for item in row["items"] if item["qty_ordered"] > item["qty_invoiced"]]
        if row["state"] in _NOT_CANCELLABLE or not open_items:
            return self.old
        for item in open_items:
            item["qty_canceled"] = item["qty_ordered"] - item["qty_invoiced"]
        if all(item["qty_invoiced"] == 0 for item in row["items"]):
            self.set_state(row, "canceled")
        else:
            left = any(item["qty_shipped"] < item["qty_invoiced"] for item in row["items"])
            self.set_state(row, "processing" if left else "complete")
        return True

    def set_state(self, row: Body, state: str, status: str | None = None) -> None:
        row["state"], row["status"] = state, status or {"new": "pending"}.get(state, state)
        row["updated_at"] = stamp(self.clock())

    def list_comments(self, order: str, *, query: Mapping[str, str], body: Body) -> Body:
        self._order(order)
        rows = copy.deepcopy(list(reversed(self.state.comments.get(int(order), []))))
        return {"items": rows, "search_criteria": {"filter_groups": []}, "total_count": len(rows)}

    def add_comment(self, order: str, *, query: Mapping[str, str], body: Body) -> bool:
        row = self._order(order)
        given = body.get("statusHistory")
        if not isinstance(given, dict) or not given.get("comment"):
            raise _error(400, '"%fieldName" is required. Enter and try again.', {"fieldName": "statusHistory"})
        status = given.get("status")
        if status is not None and status != row["status"] and not self.old:
            raise _error(400, 'The status "%1" is not of the order\'s state.', [status])
        if status is not None:
            row["status"] = status
        elif self.old:
            row.pop("status", None)
        made = {
            "comment": given["comment"],
            "created_at": stamp(self.clock()),
            "entity_id": self.state.new_id(),
            "entity_name": "order",
            "is_customer_notified": int(given.get("is_customer_notified") or 0),
            "is_visible_on_front": int(given.get("is_visible_on_front") or 0),
            "parent_id": row["entity_id"],
        }
        self.state.comments.setdefault(row["entity_id"], []).append(made | ({"status": status} if status else {}))
        return True

    # -- what belongs to an order

    def list_invoices(self, *, query: Mapping[str, str], body: Body) -> Body:
        return self._listed(self.state.invoices.values(), query)

    def list_shipments(self, *, query: Mapping[str, str], body: Body) -> Body:
        return self._listed(self.state.shipments.values(), query)

    def list_memos(self, *, query: Mapping[str, str], body: Body) -> Body:
        return self._listed(self.state.memos.values(), query)

    def refund_order(self, order: str, *, query: Mapping[str, str], body: Body) -> int:
        """Offline: it is booked, and no money moves."""
        return self._refund(self._order(order), body, None)

    def refund_invoice(self, invoice: str, *, query: Mapping[str, str], body: Body) -> int:
        if int(invoice) not in self.state.invoices:
            raise _error(404, _NO_ENTITY)
        found = self.state.invoices[int(invoice)]
        return self._refund(self._order(found["order_id"]), body, found)

    def _refund(self, row: Body, body: Body, invoice: Body | None) -> int:
        """No items is all that is left; a quantity of 0 is nothing of it. Adjustments are taken as they are."""
        items = {item["item_id"]: item for item in row["items"]}
        named = body.get("items") or [
            {"order_item_id": id, "qty": item["qty_invoiced"] - item["qty_refunded"]}
            for id, item in items.items()
            if item["qty_invoiced"] > item["qty_refunded"]
        ]
        of = {one["order_item_id"]: one["qty"] for one in (invoice or {}).get("items", ())}
        faults = [
            f"The quantity to refund of item {one['order_item_id']} is more than is left."
            for one in named
            if one["order_item_id"] not in items
            or one["qty"] > items[one["order_item_id"]]["qty_invoiced"] - items[one["order_item_id"]]["qty_refunded"]
            or (invoice is not None and one["qty"] > of.get(one["order_item_id"], 0))
        ]
        asked = [one for one in named if one["qty"] > 0]
        given = body.get("arguments") or {}
        shipping = Decimal(str(given.get("shipping_amount", 0)))
        carried = shipping * self.shipping_tax
        adjustment = Decimal(str(given.get("adjustment_positive", 0))) - Decimal(
            str(given.get("adjustment_negative", 0))
        )
        parts = [] if faults else [self._part(items[one["order_item_id"]], one["qty"]) for one in asked]
        total = sum((_comes_to(part) for part in parts), Decimal(0)) + shipping + carried + adjustment
        left = Decimal(str(row.get("total_paid") or 0)) - Decimal(str(row.get("total_refunded") or 0))
        if not faults and total <= 0:
            faults.append("The credit memo's total must be positive.")
        if not faults and total > left:
            faults.append(f"The most money available to refund is {left}.")
        if faults:
            raise _error(400, "Creditmemo Document Validation Error(s):\n%1", ["\n".join(faults)])
        online = bool(invoice is not None and body.get("is_online"))
        if online and row["payment"]["method"] not in self.state.online_methods:
            raise _error(400, "The refund action is not available.")
        for part in parts:
            item = items[part["order_item_id"]]
            item["qty_refunded"] += part["qty"]
            for name, back in _BACK.items():
                item[back] = float(Decimal(str(item.get(back) or 0)) + Decimal(str(part[name])))
        memo: Body = {"entity_id": self.state.new_id(), "order_id": row["entity_id"], "state": 2}
        memo |= {"increment_id": f"{memo['entity_id']:09d}", "created_at": stamp(self.clock())}
        memo |= {"updated_at": memo["created_at"], "store_id": 1, "items": parts, "comments": []}
        memo |= {"grand_total": float(total), "base_grand_total": float(total)}
        memo |= {"shipping_amount": float(shipping), "shipping_incl_tax": float(shipping + carried)}
        memo |= {"adjustment": float(adjustment)}
        memo |= {name: row[name] for name in ("order_currency_code", "base_currency_code")}
        if invoice is not None:
            memo["invoice_id"] = invoice["entity_id"]
            invoice["base_total_refunded"] = float(Decimal(str(invoice.get("base_total_refunded") or 0)) + total)
        if online:
            memo["transaction_id"] = f"{row['payment']['last_trans_id']}-refund"
        text = (body.get("comment") or {}).get("comment")
        if text and self.keeps_memo_comments:
            shown = int((body["comment"]).get("is_visible_on_front") or 0)
            memo["comments"].append(
                {
                    "comment": text,
                    "is_customer_notified": 0,
                    "is_visible_on_front": shown,
                    "parent_id": memo["entity_id"],
                    "entity_id": self.state.new_id(),
                    "created_at": memo["created_at"],
                }
            )
        self.state.memos[memo["entity_id"]] = memo
        way = "online" if online else "offline"
        for name in ("total_refunded", f"total_{way}_refunded"):
            for full in (name, f"base_{name}"):
                row[full] = float(Decimal(str(row.get(full) or 0)) + total)
        if row["total_refunded"] >= row["total_paid"]:
            self.set_state(row, "closed")
        return int(memo["entity_id"])

    def _part(self, item: Body, units: float) -> Body:
        """Units of an item as a row of a credit memo; the last ones have what is left of it."""
        part: Body = {"entity_id": self.state.new_id(), "order_item_id": item["item_id"], "qty": units}
        part |= {name: item[name] for name in ("name", "sku", "product_id")}
        part |= {"base_cost": None, "base_price": item["base_price"], "price": item["price"]}
        share, over = Decimal(str(units)) / Decimal(str(item["qty_ordered"])), Decimal(0)
        for name, back in _BACK.items():
            exact = Decimal(str(item[name])) * share + over
            if item["qty_refunded"] + units == item["qty_ordered"]:
                exact = Decimal(str(item[name])) - Decimal(str(item.get(back) or 0))
            rounded = exact.quantize(Decimal("0.01"))
            over = exact - rounded  # what is lost of one part is given to the next
            part[name] = part[f"base_{name}"] = float(rounded)
        return part

    # -- returns, of Adobe Commerce

    def list_returns(self, *, query: Mapping[str, str], body: Body) -> Body:
        found = self._listed(self.state.returns.values(), query)
        if not self.rma_items:
            found["items"] = [row | {"items": None, "comments": None, "tracks": None} for row in found["items"]]
        return found

    def make_return(self, *, query: Mapping[str, str], body: Body) -> Body:
        given = body.get("rmaDataObject")
        if not isinstance(given, dict) or not given.get("items"):
            raise _error(400, '"%fieldName" is required. Enter and try again.', {"fieldName": "rmaDataObject"})
        row = self._order(given.get("order_id", 0))
        items = {item["item_id"]: item for item in row["items"]}
        id = self.state.new_id()
        rows = []
        for one in given["items"]:
            item = items.get(one.get("order_item_id"))
            if item is None or one["qty_requested"] > item["qty_shipped"] - item.get("qty_returned", 0):
                raise _error(400, "A quantity of %1 cannot be returned for item %2.", [one["qty_requested"], "?"])
            options = {code: one.get(code) for code in ("reason", "condition", "resolution")}
            for code, option in options.items():
                if option is not None and option not in [choice["value"] for choice in self.choices(code)]:
                    raise _error(400, 'Please correct the value for "%1".', [code])
            rows.append(
                {
                    "entity_id": self.state.new_id(),
                    "rma_entity_id": id,
                    "order_item_id": item["item_id"],
                    "qty_requested": one["qty_requested"],
                    "qty_authorized": one.get("qty_authorized", 0),
                    "qty_approved": 0,
                    "qty_returned": 0,
                    **options,
                    "status": one.get("status", "pending"),
                }
            )
        made: Body = {
            "increment_id": f"{id:09d}",
            "entity_id": id,
            "order_id": row["entity_id"],
            "order_increment_id": row["increment_id"],
            "store_id": 1,
            "customer_id": row.get("customer_id"),
            "date_requested": stamp(self.clock()),
            "customer_custom_email": given.get("customer_custom_email"),
            "items": rows,
            "status": given.get("status", "pending"),
            "comments": [
                one | {"rma_entity_id": id, "entity_id": self.state.new_id()} for one in given.get("comments") or ()
            ],
            "tracks": [],
        }
        self.state.returns[id] = made
        return copy.deepcopy(made)

    def choices(self, code: str) -> list[Body]:
        start = 10 * (1 + sorted(self.state.return_choices).index(code))
        labels = self.state.return_choices[code]
        return [{"label": label, "value": str(start + at)} for at, label in enumerate(labels)]

    def return_attribute(self, code: str, *, query: Mapping[str, str], body: Body) -> Body:
        if code not in self.state.return_choices:
            raise _error(404, "No such entity with %fieldName = %fieldValue", {"fieldName": "code", "fieldValue": code})
        return {
            "frontend_input": "select",
            "input_filter": "",
            "store_label": code.title(),
            "validation_rules": [],
            "multiline_count": 0,
            "visible": True,
            "required": True,
            "data_model": "",
            "options": [{"label": " ", "value": ""}, *self.choices(code)],
            "frontend_class": "",
            "user_defined": False,
            "sort_order": 10,
            "frontend_label": code.title(),
            "note": "",
            "system": True,
            "backend_type": "int",
            "attribute_code": code,
        }

    # -- people, goods, settings

    def search_customers(self, *, query: Mapping[str, str], body: Body) -> Body:
        return self._listed(self.state.customers.values(), query)

    def list_products(self, *, query: Mapping[str, str], body: Body) -> Body:
        return self._listed(self.state.products.values(), query)

    def store_configs(self, *, query: Mapping[str, str], body: Body) -> list[Body]:
        addresses = {
            f"{prefix}base_{kind}url": f"{self.state.base_url}{tail}" if kind != "media_" else self.state.media_url
            for prefix in ("", "secure_")
            for kind, tail in (("", ""), ("link_", ""), ("static_", "static/"), ("media_", "media/"))
        }
        return [
            {
                "id": 1,
                "code": self.state.store_code,
                "website_id": 1,
                "locale": "nl_NL",
                "base_currency_code": self.state.currency,
                "default_display_currency_code": self.state.currency,
                "timezone": self.state.time_zone,
                "weight_unit": "kgs",
                **addresses,
            }
        ]


_SALES = "Magento_Sales::actions_view"
_RMA = "Magento_Rma::rma_manage"
_ROUTES: tuple[tuple[str, str, str, str], ...] = (
    ("GET", "/V1/orders", "list_orders", _SALES),
    ("GET", r"/V1/orders/(\d+)", "get_order", _SALES),
    ("POST", r"/V1/orders/(\d+)/cancel", "cancel", "Magento_Sales::cancel"),
    ("GET", r"/V1/orders/(\d+)/comments", "list_comments", _SALES),
    ("POST", r"/V1/orders/(\d+)/comments", "add_comment", "Magento_Sales::comment"),
    ("POST", r"/V1/order/(\d+)/refund", "refund_order", "Magento_Sales::creditmemo"),
    ("POST", r"/V1/invoice/(\d+)/refund", "refund_invoice", "Magento_Sales::creditmemo"),
    ("GET", "/V1/invoices", "list_invoices", "Magento_Sales::sales_invoice"),
    ("GET", "/V1/shipments", "list_shipments", "Magento_Sales::shipment"),
    ("GET", "/V1/creditmemos", "list_memos", "Magento_Sales::sales_creditmemo"),
    ("GET", "/V1/returns", "list_returns", _RMA),
    ("POST", "/V1/returns", "make_return", _RMA),
    ("GET", r"/V1/returnsAttributeMetadata/([a-z_]+)", "return_attribute", _RMA),
    ("GET", "/V1/customers/search", "search_customers", "Magento_Customer::customer"),
    ("GET", "/V1/products", "list_products", "Magento_Catalog::products"),
    ("GET", "/V1/store/storeConfigs", "store_configs", "Magento_Backend::store"),
)


#: Amounts of an item, and where it keeps what of them was paid back.
_BACK: Mapping[str, str] = {
    "row_total": "amount_refunded",
    "tax_amount": "tax_refunded",
    "discount_amount": "discount_refunded",
    "discount_tax_compensation_amount": "discount_tax_compensation_refunded",
}


def _comes_to(part: Body) -> Decimal:
    added = sum(Decimal(str(part[name])) for name in ("row_total", "tax_amount", "discount_tax_compensation_amount"))
    return added - Decimal(str(part["discount_amount"]))


def stamp(moment: datetime) -> str:
    """An instant as the shop writes it: UTC, without saying so."""
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")


def _escape(text: str) -> str:
    return quote(text, safe="-._~")


def _folded(text: str) -> str:
    bare = (char for char in unicodedata.normalize("NFKD", text) if not unicodedata.combining(char))
    return "".join(bare).casefold().rstrip(" ")


# ------------------------------------------------------------------------------------------------- trimming a reply


def _only(value: Any, fields: str) -> Any:
    return _trimmed(value, _tree(fields))


def _tree(fields: str) -> Body:
    """`items[id,price],total_count` as nested names; an empty map is the whole of it."""
    tree: Body = {}
    stack = [tree]
    name = ""
    for char in f"{fields},":
        if char in ",[]":
            if name:
                stack[-1][name] = {}
            if char == "[":
                stack.append(stack[-1][name])
            elif char == "]":
                stack.pop()
            name = ""
        else:
            name += char
    return tree


def _trimmed(value: Any, tree: Body) -> Any:
    if not tree:
        return value
    if isinstance(value, list):
        return [_trimmed(one, tree) for one in value]
    if isinstance(value, dict):
        return {name: _trimmed(inner, tree[name]) for name, inner in value.items() if name in tree}
    return value
