"""A small commercetools project that answers as the vendor's definition says: predicates, versions, expansions."""

from __future__ import annotations

import base64
import copy
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Literal, TypeAlias
from urllib.parse import parse_qsl, unquote

Body: TypeAlias = dict[str, Any]

#: What a project of the sandbox takes for an API client.
CLIENT_ID: Final = "sandbox-client"
CLIENT_SECRET: Final = "sandbox-client-secret"
#: What a store of the sandbox is configured with.
CREDENTIALS: Mapping[str, str] = {"client_id": CLIENT_ID, "client_secret": CLIENT_SECRET}
#: What the sandbox's API client may do.
SCOPES: Final = (
    "view_project_settings",
    "manage_orders",
    "view_customers",
    "view_published_products",
    "manage_recurring_orders",
    "manage_payments",
)

_TRANSACTIONS = ("Authorization", "CancelAuthorization", "Charge", "Refund", "Chargeback")
_TRANSACTION_STATES = ("Initial", "Pending", "Success", "Failure")
_ORDER_STATES = ("Open", "Confirmed", "Complete", "Cancelled")


@dataclass
class Project:
    """Everything the project knows, in the vendor's own bodies, by id."""

    key: str
    currencies: list[str]
    languages: list[str]
    orders: dict[str, Body] = field(default_factory=dict)
    customers: dict[str, Body] = field(default_factory=dict)
    products: dict[str, Body] = field(default_factory=dict)
    payments: dict[str, Body] = field(default_factory=dict)
    carts: dict[str, Body] = field(default_factory=dict)
    recurring: dict[str, Body] = field(default_factory=dict)
    #: What only references lead to, by the kind of reference.
    states: dict[str, Body] = field(default_factory=dict)
    product_types: dict[str, Body] = field(default_factory=dict)
    customer_groups: dict[str, Body] = field(default_factory=dict)
    made: int = 0

    def new_id(self) -> str:
        self.made += 1
        return f"0de00099-0000-4000-8000-{self.made:012d}"

    def referred(self, kind: str, native: str) -> Body | None:
        rows = {
            "state": self.states,
            "payment": self.payments,
            "product-type": self.product_types,
            "customer-group": self.customer_groups,
            "cart": self.carts,
            "customer": self.customers,
            "order": self.orders,
        }.get(kind, {})
        return rows.get(native)


@dataclass(frozen=True)
class Received:
    """One call as it came. `path` is below the project's key, and whole for a token."""

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

    def __init__(self, status: int, body: Any) -> None:
        self.status = status
        self.body = body


def _error(status: int, code: str, message: str, **more: Any) -> _Answer:
    body = {"statusCode": status, "message": message, "errors": [{"code": code, "message": message, **more}]}
    if status == 401:
        body |= {"error": code, "error_description": message}
    return _Answer(status, body)


class Simulator:
    """API and authorization service of one project as an ASGI application.

    `scopes` are the API client's, without the project's key; `wall` makes a proxy answer every call with that status,
    in HTML; `resumes` says what becomes of a paused recurring order that is told to be active from an instant on,
    which the definition leaves open.
    """

    def __init__(
        self,
        state: Project,
        *,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        scopes: Sequence[str] = SCOPES,
        wall: int | None = None,
        resumes: Literal["later", "at once", "refused"] = "later",
    ) -> None:
        self.state = state
        self.clock = clock
        self.scopes = tuple(scopes)
        self.wall = wall
        self.resumes = resumes
        #: Called once, just before the next change is looked at: somebody else's hand in between.
        self.meanwhile: Callable[[], None] | None = None
        #: Access tokens that are taken.
        self.tokens: list[str] = []
        self._granted = 0
        #: Every call received, with the status it was answered; those for a token too.
        self.calls: list[Received] = []
        #: Every call that could change the project.
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
        method = scope["method"]
        is_token = path == "/oauth/token"
        answer = self._token(method, query, headers, bytes(raw)) if is_token else None
        if answer is None:
            answer = self._answered(method, path, query, headers, bytes(raw))
        try:
            body = json.loads(raw) if raw else None
        except ValueError:
            body = raw.decode(errors="replace")
        home = f"/{self.state.key}"
        below = path[len(home) :] if path == home or path.startswith(f"{home}/") else path
        received = Received(method, below, query, None if is_token else body, answer.status, answer.body)
        self.calls.append(received)
        if method not in ("GET", "HEAD") and not is_token:
            self.writes.append(received)
        html = isinstance(answer.body, str)
        content = answer.body.encode() if html else json.dumps(answer.body).encode()
        sent = {
            "content-type": "text/html; charset=UTF-8" if html else "application/json; charset=utf-8",
            "content-length": str(len(content)),
        }
        await send(
            {
                "type": "http.response.start",
                "status": answer.status,
                "headers": [(name.encode(), value.encode()) for name, value in sent.items()],
            }
        )
        await send({"type": "http.response.body", "body": content})

    # -- who

    def _token(
        self, method: str, query: tuple[tuple[str, str], ...], headers: Mapping[str, str], raw: bytes
    ) -> _Answer:
        form = dict(query) | dict(parse_qsl(raw.decode(errors="replace")))
        kind, _, told = headers.get("authorization", "").partition(" ")
        try:
            client = base64.b64decode(told).decode() if kind == "Basic" else ""
        except ValueError:
            client = ""
        if self.wall is not None:
            return _Answer(self.wall, "<html><body><h1>Request blocked</h1></body></html>")
        if method != "POST" or client != f"{CLIENT_ID}:{CLIENT_SECRET}":
            message = "Please provide valid client credentials using HTTP Basic Authentication."
            return _error(401, "invalid_client", message)
        if form.get("grant_type") != "client_credentials":
            return _error(400, "unsupported_grant_type", "Invalid parameter: grant_type")
        self._granted += 1
        self.tokens.append(f"token-{self._granted}")
        return _Answer(
            200,
            {
                "access_token": self.tokens[-1],
                "token_type": "Bearer",
                "expires_in": 172800,
                "scope": " ".join(f"{one}:{self.state.key}" for one in self.scopes),
            },
        )

    def _allowed(self, *any_of: str) -> None:
        if not {"manage_project", *any_of} & set(self.scopes):
            wanted = ", ".join(f"{one}:{self.state.key}" for one in any_of)
            raise _error(403, "insufficient_scope", f"Insufficient scope. One of these scopes is missing: {wanted}")

    # -- where

    def _answered(
        self, method: str, path: str, query: tuple[tuple[str, str], ...], headers: Mapping[str, str], raw: bytes
    ) -> _Answer:
        try:
            if self.wall is not None:
                raise _Answer(self.wall, "<html><body><h1>Request blocked</h1></body></html>")
            kind, _, bearer = headers.get("authorization", "").partition(" ")
            if kind != "Bearer" or bearer not in self.tokens:
                raise _error(401, "invalid_token", "invalid_token")
            try:
                body = json.loads(raw) if raw else {}
            except ValueError:
                raise _error(400, "InvalidJsonInput", "Request body does not contain valid JSON.") from None
            root, _, rest = path.lstrip("/").partition("/")
            if root != self.state.key:
                raise _error(404, "ResourceNotFound", f"The project key '{root}' was not found.")
            raise self._route(method, rest, query, body)
        except _Answer as answer:
            return answer

    def _route(self, method: str, rest: str, query: tuple[tuple[str, str], ...], body: Body) -> _Answer:
        if (method, rest) == ("GET", ""):
            self._allowed("view_project_settings", "manage_project_settings")
            return _Answer(
                200,
                {
                    "version": 1,
                    "key": self.state.key,
                    "name": self.state.key,
                    "currencies": self.state.currencies,
                    "languages": self.state.languages,
                },
            )
        kind, _, native = rest.partition("/")
        tables: Mapping[str, tuple[dict[str, Body], str]] = {
            "orders": (self.state.orders, "orders"),
            "customers": (self.state.customers, "customers"),
            "product-projections": (self.state.products, "published_products"),
            "recurring-orders": (self.state.recurring, "recurring_orders"),
            "payments": (self.state.payments, "payments"),
        }
        if kind not in tables:
            text = f"Route {method}:/{self.state.key}/{rest} not found"
            raise _Answer(404, {"statusCode": 404, "message": text, "error": "Not Found"})
        rows, scope = tables[kind]
        if method == "POST" and native:
            self._allowed(f"manage_{scope}")
            return self._update(kind, rows, native, query, body)
        self._allowed(f"view_{scope}", f"manage_{scope}")
        if native:
            return self._shown(self._one(rows, native), query)
        return self._listed(kind, rows, query)

    @staticmethod
    def _one(rows: Mapping[str, Body], native: str) -> Body:
        found = rows.get(native)
        if native.startswith("order-number="):
            found = next((row for row in rows.values() if row.get("orderNumber") == native[13:]), None)
        if found is None:
            raise _error(404, "ResourceNotFound", f"The Resource with ID '{native}' was not found.")
        return found

    def _shown(self, row: Body, query: Sequence[tuple[str, str]]) -> _Answer:
        shown = copy.deepcopy(row)
        for name, path in query:
            if name == "expand":
                self._expand(shown, path.split("."))
        return _Answer(200, shown)

    def _expand(self, value: Any, path: Sequence[str]) -> None:
        """A reference that leads nowhere, and a path that is none, are left as they are."""
        step, *rest = path
        inner = value.get(step.removesuffix("[*]")) if isinstance(value, dict) else None
        for one in inner if isinstance(inner, list) else [inner]:
            if not isinstance(one, dict):
                continue
            if rest:
                self._expand(one, rest)
            elif "typeId" in one and (found := self.state.referred(one["typeId"], one.get("id", ""))):
                one["obj"] = copy.deepcopy(found)

    # -- lists

    def _listed(self, kind: str, rows: Mapping[str, Body], query: tuple[tuple[str, str], ...]) -> _Answer:
        named = {name: value for name, value in query if name not in ("where", "sort", "expand")}
        values: dict[str, list[str]] = {}
        for name, value in query:
            if name.startswith("var."):
                values.setdefault(name[4:], []).append(value)
        limit, offset = self._number(named, "limit", 20, 500), self._number(named, "offset", 0, 10_000)
        found = list(rows.values())
        if kind == "customers":
            found = [row | {"lowercaseEmail": row["email"].lower()} for row in found]
        if kind == "product-projections" and named.get("staged") != "true":
            found = [row for row in found if row.get("published")]
        for name, text in query:
            if name == "where":
                test = Predicate(text, values, FIELDS[kind]).test
                found = [row for row in found if test(row)]
        for order in reversed([value for name, value in query if name == "sort"] or ["id asc"]):
            path, _, direction = order.partition(" ")
            found.sort(key=lambda row, path=path: str(row.get(path, "")), reverse=direction == "desc")  # type: ignore[misc]
        cut = found[offset : offset + limit]
        expanded = [self._shown(row, query).body for row in cut]
        if kind == "product-projections" and "priceCurrency" in named:
            for row in expanded:
                self._select_price(row, named["priceCurrency"], named.get("priceCountry"))
        for row in expanded:
            row.pop("lowercaseEmail", None)
        page = {"limit": limit, "offset": offset, "count": len(expanded), "results": expanded}
        if named.get("withTotal") != "false":
            page["total"] = len(found)
        return _Answer(200, page)

    @staticmethod
    def _number(named: Mapping[str, str], name: str, default: int, most: int) -> int:
        text = named.get(name, str(default))
        if not text.isdecimal() or int(text) > most:
            raise _error(400, "InvalidInput", f"Malformed parameter: {name}: must be within the range of 0 to {most}.")
        return int(text)

    @staticmethod
    def _select_price(row: Body, currency: str, country: str | None) -> None:
        for variant in (row["masterVariant"], *row["variants"]):
            fit = [one for one in variant.get("prices", []) if one["value"]["currencyCode"] == currency]
            own = [one for one in fit if country is not None and one.get("country") == country]
            plain = [one for one in fit if "country" not in one]
            if own or plain:
                variant["price"] = (own or plain)[0]

    # -- changes

    def _update(
        self, kind: str, rows: Mapping[str, Body], native: str, query: Sequence[tuple[str, str]], body: Body
    ) -> _Answer:
        if self.meanwhile is not None:
            somebody, self.meanwhile = self.meanwhile, None
            somebody()
        row = self._one(rows, native)
        version = body.get("version")
        if not isinstance(version, int) or not isinstance(body.get("actions"), list):
            raise _error(400, "InvalidJsonInput", "Request body does not contain valid JSON.")
        if version != row["version"]:
            message = (
                f"Object {row['id']} has a different version than expected. "
                f"Expected: {version} - Actual: {row['version']}."
            )
            raise _error(409, "ConcurrentModification", message, currentVersion=row["version"])
        changed = copy.deepcopy(row)  # all of the actions or none
        for action in body["actions"]:
            handler = _ACTIONS.get((kind, action.get("action")))
            if handler is None:
                raise _error(400, "InvalidJsonInput", "Request body does not contain valid JSON.")
            getattr(self, handler)(changed, action)
        changed["version"] += 1
        changed["lastModifiedAt"] = stamp(self.clock())
        row.clear()
        row.update(changed)
        return self._shown(row, query)

    def change_order_state(self, row: Body, action: Body) -> None:
        """No transition is refused: the definition names none."""
        if action.get("orderState") not in _ORDER_STATES:
            raise _error(400, "InvalidJsonInput", "Request body does not contain valid JSON.")
        row["orderState"] = action["orderState"]

    def change_payment_state(self, row: Body, action: Body) -> None:
        row["paymentState"] = action["paymentState"]

    def change_shipment_state(self, row: Body, action: Body) -> None:
        row["shipmentState"] = action["shipmentState"]

    def add_return_info(self, row: Body, action: Body) -> None:
        """Whether units are counted against the order is not in the definition; here they are."""
        lines = {line["id"]: line["quantity"] for line in (*row["lineItems"], *row["customLineItems"])}
        items: list[Body] = []
        for draft in action["items"]:
            custom = "customLineItemId" in draft
            line = draft.get("customLineItemId") or draft.get("lineItemId")
            back = sum(
                item["quantity"]
                for info in row.get("returnInfo", [])
                for item in info["items"]
                if line in (item.get("lineItemId"), item.get("customLineItemId"))
            )
            if line not in lines or not 0 < draft["quantity"] <= lines[line] - back:
                raise _error(400, "InvalidOperation", f"The line item with ID '{line}' cannot be returned.")
            if draft["shipmentState"] not in ("Advised", "Returned"):
                raise _error(400, "InvalidOperation", "A return starts as Advised or Returned.")
            now = stamp(self.clock())
            item: Body = {
                "id": self.state.new_id(),
                "type": "CustomLineItemReturnItem" if custom else "LineItemReturnItem",
                "quantity": draft["quantity"],
                "shipmentState": draft["shipmentState"],
                "paymentState": "NonRefundable" if draft["shipmentState"] == "Advised" else "Initial",
                "createdAt": now,
                "lastModifiedAt": now,
            }
            item["customLineItemId" if custom else "lineItemId"] = line
            if "comment" in draft:
                item["comment"] = draft["comment"]
            items.append(item)
        info: Body = {name: action[name] for name in ("returnTrackingId", "returnDate") if name in action}
        info["items"] = items
        row.setdefault("returnInfo", []).append(info)

    def set_recurring_state(self, row: Body, action: Body) -> None:
        now = row["recurringOrderState"]
        draft = action["recurringOrderState"]
        if now in ("Canceled", "Expired"):
            raise _error(400, "InvalidOperation", f"The recurring order is {now}.")
        match draft.get("type"):
            case "paused":
                row["recurringOrderState"] = "Paused"
                row.pop("resumesAt", None)
            case "active" if "resumesAt" in draft:
                if self.resumes == "refused":
                    raise _error(400, "InvalidOperation", "The recurring order cannot be resumed now.")
                row["resumesAt"] = draft["resumesAt"]
                if self.resumes == "at once":
                    row["recurringOrderState"] = "Active"
            case "active":
                row["recurringOrderState"] = "Active"
                row.pop("resumesAt", None)
                row["nextOrderAt"] = max(row.get("nextOrderAt", ""), stamp(self.clock() + timedelta(days=1)))
            case "canceled":
                row["recurringOrderState"] = "Canceled"
                row.pop("nextOrderAt", None)
            case "expired":
                row["recurringOrderState"] = "Expired"
                row.pop("nextOrderAt", None)
            case _:
                raise _error(400, "InvalidJsonInput", "Request body does not contain valid JSON.")

    def add_transaction(self, row: Body, action: Body) -> None:
        """No sum is refused: the definition names no bound. The amount comes back with its fraction digits."""
        draft = action["transaction"]
        if draft.get("type") not in _TRANSACTIONS or draft.get("state", "Initial") not in _TRANSACTION_STATES:
            raise _error(400, "InvalidJsonInput", "Request body does not contain valid JSON.")
        digits = row["amountPlanned"]["fractionDigits"]
        amount = {"type": "centPrecision", "fractionDigits": digits, **draft["amount"]}
        made = {"id": self.state.new_id(), "state": "Initial", **draft, "amount": amount}
        row["transactions"].append(made)


_ACTIONS: Mapping[tuple[str, str], str] = {
    ("orders", "changeOrderState"): "change_order_state",
    ("orders", "changePaymentState"): "change_payment_state",
    ("orders", "changeShipmentState"): "change_shipment_state",
    ("orders", "addReturnInfo"): "add_return_info",
    ("recurring-orders", "setRecurringOrderState"): "set_recurring_state",
    ("payments", "addTransaction"): "add_transaction",
}

_OF_ALL = frozenset({"id", "version", "createdAt", "lastModifiedAt", "key"})
#: The fields of each resource that predicates here may name; another one is an error, as it is at the vendor's.
FIELDS: Mapping[str, frozenset[str]] = {
    "orders": _OF_ALL
    | {"orderNumber", "customerId", "customerEmail", "orderState", "paymentState", "shipmentState", "recurringOrder"},
    "customers": _OF_ALL | {"email", "lowercaseEmail", "firstName", "lastName", "customerNumber"},
    "product-projections": _OF_ALL | {"slug", "masterVariant", "variants", "productType", "published"},
    "recurring-orders": _OF_ALL | {"customer", "customerEmail", "originOrder", "cart", "recurringOrderState"},
    "payments": _OF_ALL | {"interfaceId"},
}

_TOKEN = re.compile(r"\s*(?:(?P<op><=|>=|!=|<>|=|<|>|\(|\)|,)|(?P<text>\"(?:[^\"\\]|\\.)*\")|(?P<word>:?[\w.-]+))")


class Predicate:
    """A predicate of a `where`, with the values of its variables. https://docs.commercetools.com/api/predicates/query"""

    def __init__(self, text: str, values: Mapping[str, Sequence[str]], fields: frozenset[str]) -> None:
        self._values = values
        self._fields = fields
        self._tokens = list(self._split(text))
        self.test: Callable[[Body], bool] = self._any(fields)
        if self._tokens:
            raise self._malformed(f"unexpected '{self._tokens[0]}'")

    @staticmethod
    def _malformed(why: str) -> _Answer:
        return _error(400, "InvalidInput", f"Malformed parameter: where: {why}.")

    def _split(self, text: str) -> Iterator[str]:
        at = 0
        while at < len(text.rstrip()):
            found = _TOKEN.match(text, at)
            if found is None:
                raise self._malformed(f"Syntax error at position {at}")
            yield found[found.lastgroup or 0]
            at = found.end()

    def _take(self, *wanted: str) -> str | None:
        if self._tokens and (not wanted or self._tokens[0].lower() in wanted):
            return self._tokens.pop(0)
        return None

    def _need(self, *wanted: str) -> str:
        found = self._take(*wanted)
        if found is None:
            raise self._malformed(f"expected {' or '.join(wanted) or 'more'}")
        return found

    def _any(self, fields: frozenset[str] | None) -> Callable[[Any], bool]:
        tests = [self._every(fields)]
        while self._take("or"):
            tests.append(self._every(fields))
        return lambda row: any(test(row) for test in tests)

    def _every(self, fields: frozenset[str] | None) -> Callable[[Any], bool]:
        tests = [self._one(fields)]
        while self._take("and"):
            tests.append(self._one(fields))
        return lambda row: all(test(row) for test in tests)

    def _one(self, fields: frozenset[str] | None) -> Callable[[Any], bool]:
        if self._take("not"):
            inner = self._one(fields)
            return lambda row: not inner(row)
        if self._take("("):
            inner = self._any(fields)
            self._need(")")
            return inner
        name = self._need()
        if fields is not None and name not in fields:
            raise self._malformed(f"The field '{name}' does not exist")
        if self._take("("):
            inner = self._any(None)
            self._need(")")
            return lambda row: isinstance(row.get(name), dict) and inner(row[name])
        if self._take("is"):
            there = self._take("not") is None
            self._need("defined")
            return lambda row: (row.get(name) is not None) is there
        compare = self._need("=", "!=", "<>", "<", ">", "<=", ">=", "in")
        if compare == "in":
            values = self._list()
            return lambda row: row.get(name) in values
        value = self._value()[0]
        return lambda row: row.get(name) is not None and _COMPARE[compare](str(row[name]), value)

    def _list(self) -> list[str]:
        if not self._take("("):
            return self._value()
        values = self._value()
        while self._take(","):
            values += self._value()
        self._need(")")
        return values

    def _value(self) -> list[str]:
        token = self._need()
        if token.startswith('"'):
            return [json.loads(token)]
        if not token.startswith(":"):
            return [token]
        if token[1:] not in self._values:
            raise self._malformed(f"Missing parameter value for '{token[1:]}'")
        return list(self._values[token[1:]])


_COMPARE: Mapping[str, Callable[[str, str], bool]] = {
    "=": lambda one, other: one == other,
    "!=": lambda one, other: one != other,
    "<>": lambda one, other: one != other,
    "<": lambda one, other: one < other,
    ">": lambda one, other: one > other,
    "<=": lambda one, other: one <= other,
    ">=": lambda one, other: one >= other,
}


def stamp(moment: datetime) -> str:
    """As the API writes an instant: UTC, to the millisecond."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
