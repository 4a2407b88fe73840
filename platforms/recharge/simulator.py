"""A stand-in for Recharge's Admin API 2021-11, with its bucket, its late charges and its drifting types."""

from __future__ import annotations

import base64
import binascii
import copy
import itertools
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any, TypeAlias

from starlette.requests import Request
from starlette.responses import JSONResponse

Body: TypeAlias = dict[str, Any]

TOKEN = "sandbox-recharge-token"
#: What a store of the sandbox is configured with.
CREDENTIALS: Mapping[str, str] = {"token": TOKEN}
SCOPES = (
    "read_customers",
    "read_orders",
    "read_subscriptions",
    "write_orders",
    "write_payment_methods",
    "write_subscriptions",
)

#: How long a change stays unseen that was made without `commit`.
REGENERATION = timedelta(seconds=5)


@dataclass
class State:
    """A Recharge account, in bodies of the vendor's shape, by id."""

    customers: dict[int, Body] = field(default_factory=dict)
    subscriptions: dict[int, Body] = field(default_factory=dict)
    orders: dict[int, Body] = field(default_factory=dict)
    charges: dict[int, Body] = field(default_factory=dict)
    token: str = TOKEN
    scopes: tuple[str, ...] = SCOPES


@dataclass
class Received:
    """One call as it came in. Header names are in lower case."""

    method: str
    path: str
    query: tuple[tuple[str, str], ...]
    headers: Mapping[str, str]
    body: Any = None
    status: int = 200
    #: What it was answered.
    answer: Any = None


class Refusal(Exception):
    """An answer that is not a success. Which key holds the text is unverified, so both known ones are used."""

    def __init__(self, status: int, body: Body, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(status)
        self.status = status
        self.body = body
        self.headers = headers


class Simulator:
    """An ASGI app. `clock` is the world's time; `monotonic` (seconds) drives the rate bucket."""

    def __init__(
        self,
        state: State,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        *,
        monotonic: Callable[[], float] = time.monotonic,
        bucket: float = 40.0,
    ) -> None:
        self.state = state
        self.clock = clock
        self.calls: list[Received] = []
        #: Every call that could change the account, refused ones too.
        self.writes: list[Received] = []
        #: Webhook topics that would have fired, with the subscription.
        self.events: list[tuple[str, int]] = []
        self._monotonic = monotonic
        self._bucket = bucket
        self._level = 0.0
        self._at = monotonic()
        self._late: list[tuple[datetime, int, str]] = []
        self._charge_ids = itertools.count(max([880000, *state.charges]) + 1)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        request = Request(scope, receive)
        headers: Mapping[str, str] | None = None
        raw = await request.body()
        received = Received(
            request.method,
            request.url.path,
            tuple(request.query_params.multi_items()),
            dict(request.headers),
        )
        self.calls.append(received)
        if received.method != "GET":
            self.writes.append(received)
        try:
            received.body = json.loads(raw) if raw else None
            received.answer = self._answer(received)
        except Refusal as refusal:
            received.status, received.answer, headers = refusal.status, refusal.body, refusal.headers
        except json.JSONDecodeError:
            received.status, received.answer = 400, {"errors": "Malformed JSON"}
        await JSONResponse(received.answer, received.status, headers=headers)(scope, receive, send)

    def _answer(self, received: Received) -> Body:
        if received.headers.get("x-recharge-access-token") != self.state.token:
            raise Refusal(401, {"errors": "Bad authentication"})
        self._pour()
        self._regenerate()
        body = self._route(received)
        # Without the header the token's default version answers, here the older one.
        return body if received.headers.get("x-recharge-version") == "2021-11" else _in_older_words(body)

    def _pour(self) -> None:
        now = self._monotonic()
        self._level = max(0.0, self._level - (now - self._at) * 2.0)
        self._at = now
        if self._level + 1 > self._bucket:
            raise Refusal(429, {"error": "You have exceeded the rate limit"})
        self._level += 1

    def _route(self, received: Received) -> Body:
        match received.method, received.path.strip("/").split("/"):
            case "GET", ["token_information"]:
                return {"token_information": {"name": "Aftersale", "scopes": list(self.state.scopes)}}
            case "GET", ["customers"]:
                self._may("read_customers")
                return self._list("customers", self.state.customers, received)
            case "GET", ["subscriptions"]:
                self._may("read_subscriptions")
                return self._list("subscriptions", self.state.subscriptions, received)
            case "GET", ["orders"]:
                self._may("read_orders")
                return self._list("orders", self.state.orders, received)
            case "GET", ["charges"]:
                self._may("read_orders")
                return self._list("charges", self.state.charges, received)
            case "GET", ["subscriptions", id]:
                self._may("read_subscriptions")
                return {"subscription": copy.deepcopy(self._subscription(id))}
            case "POST", ["charges", id, "refund"]:
                self._may("write_orders")
                self._may("write_payment_methods")
                return self._refund(id, received.body)
            case "POST", ["subscriptions", id, "set_next_charge_date"]:
                return self._set_next_charge_date(self._writable(id), received)
            case "POST", ["subscriptions", id, "cancel"]:
                return self._cancel(self._writable(id), received.body)
            case "POST", ["subscriptions", id, "activate"]:
                return self._activate(self._writable(id))
        raise Refusal(404, {"error": "Not Found"})

    def _may(self, scope: str) -> None:
        if scope not in self.state.scopes:
            raise Refusal(403, {"error": f"Token is missing the {scope} scope"})

    def _subscription(self, id: str) -> Body:
        found = self.state.subscriptions.get(int(id) if id.isdecimal() else -1)
        if found is None:
            raise Refusal(404, {"errors": "Not Found"})
        return found

    def _writable(self, id: str) -> Body:
        self._may("write_subscriptions")
        return self._subscription(id)

    # ------------------------------------------------------------------------------------------------ lists

    def _list(self, name: str, rows: Mapping[int, Body], received: Received) -> Body:
        query = dict(received.query)
        size = min(int(query.pop("limit", "50")), 250)
        cursor = query.pop("cursor", None)
        below: int | None = None
        if cursor is not None:
            if query:
                raise Refusal(422, {"errors": {"cursor": ["Only limit may be combined with cursor"]}})
            query, below = _opened(cursor)
        found = [
            row
            for id, row in sorted(rows.items(), reverse=True)
            if (below is None or id < below) and all(_matches(name, row, key, value) for key, value in query.items())
        ]
        page = found[:size]
        following = _sealed(query, page[-1]["id"]) if len(found) > size else None
        return {"next_cursor": following, "previous_cursor": None, name: copy.deepcopy(page)}

    # ------------------------------------------------------------------------------------------------ writes

    def _set_next_charge_date(self, row: Body, received: Received) -> Body:
        query = dict(received.query)
        try:
            day = date.fromisoformat(received.body["date"])
        except (KeyError, TypeError, ValueError):
            raise Refusal(422, {"errors": {"date": ["Not a valid date."]}}) from None
        if day <= self.clock().date():
            raise Refusal(422, {"errors": {"date": ["Date must be in the future"]}})
        if row["status"] != "active":  # ignored, with a success
            return {"subscription": copy.deepcopy(row)}
        if query.get("commit") == "true":
            self._charge_on(row, day.isoformat())
        else:
            self._late.append((self.clock() + REGENERATION, row["id"], day.isoformat()))
        if query.get("pause") == "true":
            self.events.append(("subscription/paused", row["id"]))
        self.events.append(("subscription/updated", row["id"]))
        return {"subscription": copy.deepcopy(row)}

    def _refund(self, id: str, body: Any) -> Body:
        """Pays back as often as it is asked, until nothing is left. The answer and the texts are unverified."""
        charge = self.state.charges.get(int(id) if id.isdecimal() else -1)
        if charge is None:
            raise Refusal(404, {"errors": "Not Found"})
        try:
            amount = Decimal(body["amount"])
        except (KeyError, TypeError, ArithmeticError):
            raise Refusal(422, {"errors": {"amount": ["Not a valid amount."]}}) from None
        if charge["status"] not in ("success", "partially_refunded"):
            raise Refusal(422, {"errors": "Only processed charges can be refunded"})
        refunded = Decimal(charge["total_refunds"]) + amount
        if amount <= 0 or refunded > Decimal(charge["total_price"]):
            raise Refusal(422, {"errors": {"amount": ["Amount is more than can be refunded."]}})
        charge |= {
            "total_refunds": f"{refunded:.2f}",
            "status": "refunded" if refunded == Decimal(charge["total_price"]) else "partially_refunded",
            "updated_at": _stamp(self.clock()),
        }
        for order in self.state.orders.values():
            if order["charge"]["id"] == charge["id"]:
                order["charge"]["status"] = charge["status"]
                order["total_refunds"] = charge["total_refunds"]
        return {"charge": copy.deepcopy(charge)}

    def _cancel(self, row: Body, body: Any) -> Body:
        reason = body.get("cancellation_reason") if isinstance(body, dict) else None
        if not isinstance(reason, str) or not reason.strip():
            raise Refusal(422, {"errors": {"cancellation_reason": ["Missing data for required field."]}})
        row.update(
            status="cancelled",
            cancelled_at=_stamp(self.clock()),
            cancellation_reason=reason,
            cancellation_reason_comments=body.get("cancellation_reason_comments"),
            has_queued_charges=0,
        )
        self._charge_on(row, None)
        self.events.append(("subscription/cancelled", row["id"]))
        return {"subscription": copy.deepcopy(row)}

    def _activate(self, row: Body) -> Body:
        if row["status"] != "cancelled":
            raise Refusal(422, {"errors": "Only cancelled subscriptions can be activated"})
        row.update(
            status="active",
            cancelled_at=None,
            cancellation_reason=None,
            cancellation_reason_comments=None,
            has_queued_charges=1,
        )
        self._charge_on(row, (self.clock().date() + timedelta(days=1)).isoformat())
        self.events.append(("subscription/activated", row["id"]))
        return {"subscription": copy.deepcopy(row)}

    def _regenerate(self) -> None:
        now = self.clock()
        due = [late for late in self._late if late[0] <= now]
        self._late = [late for late in self._late if late[0] > now]
        for _, id, day in due:
            self._charge_on(self.state.subscriptions[id], day)

    def _charge_on(self, row: Body, day: str | None) -> None:
        """Move the next charge. Queued charges of one address and day are one charge, made anew each time."""
        row["next_charge_scheduled_at"] = day
        row["updated_at"] = _stamp(self.clock())
        kept = {
            id: charge
            for id, charge in self.state.charges.items()
            if charge["status"] != "queued" or charge["address_id"] != row["address_id"]
        }
        mates = [
            other
            for other in self.state.subscriptions.values()
            if other["address_id"] == row["address_id"] and other["next_charge_scheduled_at"]
        ]
        for scheduled in sorted({mate["next_charge_scheduled_at"] for mate in mates}):
            id = next(self._charge_ids)
            kept[id] = {
                "id": id,
                "status": "queued",
                "address_id": row["address_id"],
                "customer": {"id": row["customer_id"]},
                "scheduled_at": scheduled,
                "line_items": [
                    {"purchase_item_id": mate["id"], "purchase_item_type": "subscription"}
                    for mate in mates
                    if mate["next_charge_scheduled_at"] == scheduled
                ],
                "total_price": "0.00",
                "total_refunds": "0.00",
                "updated_at": _stamp(self.clock()),
            }
        self.state.charges = kept


def _matches(name: str, row: Body, key: str, value: str) -> bool:
    """One filter of a list; a filter that is not known is ignored."""
    match key:
        case "ids":
            return str(row["id"]) in value.split(",")
        case "email" if name == "customers":
            # Whether the match is exact is unverified; here it is not, so that nobody relies on it.
            return value.lower() in (row["email"] or "").lower()
        case "customer_id":
            return str(row["customer_id"] if name == "subscriptions" else row["customer"]["id"]) == value
        case "status":
            return bool(row["status"] == value)
        case "type" if name == "orders":
            return bool(row["type"] == value)
        case "address_id":
            return str(row["address_id"]) == value
        case "external_order_id":
            return str((row["external_order_id"] or {}).get("ecommerce")) == value
        case "external_customer_id":
            holder = row if name == "customers" else row["customer"]
            return str((holder["external_customer_id"] or {}).get("ecommerce")) == value
        case "purchase_item_id":
            return any(str(item["purchase_item_id"]) == value for item in row["line_items"])
    return True


def _sealed(query: Mapping[str, str], last: int) -> str:
    return base64.urlsafe_b64encode(json.dumps([dict(query), last]).encode()).decode()


def _opened(cursor: str) -> tuple[dict[str, str], int]:
    try:
        query, last = json.loads(base64.urlsafe_b64decode(cursor))
    except (ValueError, binascii.Error):
        raise Refusal(422, {"errors": {"cursor": ["Invalid cursor"]}}) from None
    return query, last


def _stamp(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="seconds")


def _in_older_words(value: Any, key: str = "") -> Any:
    """2021-01 as far as it matters here: statuses in capitals, instants without a zone."""
    if isinstance(value, dict):
        return {name: _in_older_words(inner, name) for name, inner in value.items()}
    if isinstance(value, list):
        return [_in_older_words(inner) for inner in value]
    if isinstance(value, str) and key == "status":
        return value.upper()
    if isinstance(value, str) and key.endswith("_at"):
        return value.removesuffix("+00:00")
    return value
