"""A shop that answers as Shopify's Admin API does: real documents on the real types, with cost, limits and quirks."""

from __future__ import annotations

import base64
import math
import re
import secrets
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from functools import cache
from pathlib import Path
from typing import Any, TypeAlias
from urllib.parse import parse_qs

import orjson
from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLError,
    GraphQLResolveInfo,
    GraphQLSchema,
    IntValueNode,
    NonNullTypeNode,
    OperationDefinitionNode,
    OperationType,
    SelectionSetNode,
    VariableNode,
    build_schema,
    execute_sync,
    get_named_type,
    is_abstract_type,
    is_composite_type,
    is_object_type,
    parse,
    validate,
)

Object: TypeAlias = dict[str, Any]

API_VERSION = "2026-10"
#: What opens the shop, as the store's configuration names it.
CREDENTIALS: Mapping[str, str] = {"token": "shpat_sandbox"}
#: Points that one call may ask for, on every plan.
MAX_COST = 1000
#: Without `read_all_orders`, older orders are as if they were not there.
VISIBLE_DAYS = 60
ALL_SCOPES = (
    "read_all_orders",
    "read_customers",
    "read_own_subscription_contracts",
    "read_products",
    "read_returns",
    "write_orders",
    "write_own_subscription_contracts",
    "write_returns",
)
#: Which scope the fields of a type, or a mutation, need.
NEEDS: Mapping[str, str] = {
    "Customer": "read_customers",
    "Product": "read_products",
    "ProductVariant": "read_products",
    "Order": "read_orders",
    "Return": "read_returns",
    "ReturnReasonDefinition": "read_returns",
    "ReturnableFulfillment": "read_returns",
    "SubscriptionContract": "read_own_subscription_contracts",
    "orderCancel": "write_orders",
    "refundCreate": "write_orders",
    "returnCreate": "write_returns",
    "returnRequest": "write_returns",
    "subscriptionContractPause": "write_own_subscription_contracts",
    "subscriptionContractActivate": "write_own_subscription_contracts",
    "subscriptionContractCancel": "write_own_subscription_contracts",
}
#: Gateways behind which somebody pays by hand.
MANUAL_GATEWAYS = frozenset({"manual", "Bank Deposit", "Cash on Delivery (COD)"})
#: Refused at run time, not by the schema, when sent without `@idempotent`.
MUST_BE_IDEMPOTENT = frozenset({"refundCreate"})


@cache
def schema() -> GraphQLSchema:
    """The types this shop knows: a part of Shopify's own."""
    return build_schema(Path(__file__).with_name("admin-2026-10.subset.graphql").read_text("utf-8"), assume_valid=True)


@dataclass
class State:
    """What the shop holds: every object by its gid, in the shape of the API; a link is the gid of the other."""

    objects: dict[str, Object] = field(default_factory=dict)
    currency: str = "USD"
    time_zone: str = "America/New_York"
    #: Handles of the shop's return reasons.
    reasons: tuple[str, ...] = ()
    _lines: dict[str, Object] = field(default_factory=dict, repr=False)

    def add(self, value: Object) -> Object:
        self.objects[value["id"]] = value
        return value

    def line(self, identifier: str) -> Object:
        """A line of an order."""
        if identifier not in self._lines:
            self._lines = {line["id"]: line for order in self.of("Order") for line in order["lineItems"]}
        return self._lines[identifier]

    def of(self, kind: str) -> list[Object]:
        return [value for value in self.objects.values() if value["__typename"] == kind]

    def order(self, number: str) -> Object:
        return self.objects[f"gid://shopify/Order/{number}"]


@dataclass
class Received:
    """One call as it came in."""

    path: str
    operation: str | None
    variables: Object
    #: Requested points; None where it was turned away before that.
    cost: float | None = None
    #: The document, and what it was answered; None where the answer was given beforehand.
    text: str | None = None
    answer: Any = None


@dataclass
class _Job:
    order: str
    reason: str
    refund: bool
    staff_note: str | None
    ready_at: float
    polls_left: int
    restock: bool
    status: str = "STARTED"
    errors: list[Object] = field(default_factory=list)


@dataclass
class _Running:
    """What is collected while one call runs."""

    search: list[Object] = field(default_factory=list)
    objects: int = 0


_running: ContextVar[_Running] = ContextVar("_running")


class _Denied(GraphQLError):
    def __init__(self, message: str) -> None:
        super().__init__(message, extensions={"code": "ACCESS_DENIED"})


class Simulator:
    """An ASGI app. `calls` has every call to the API, `writes` those that could change the shop.

    The bucket is a generous one by itself; `maximum` and `restore_rate` (points, points a second) make it a real one:
    2,000 and 100 were seen in small shops, 20,000 and 1,000 in large ones.
    """

    def __init__(
        self,
        state: State,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        *,
        tokens: Iterable[str] = (CREDENTIALS["token"],),
        client: tuple[str, str] = ("sandbox-client", "sandbox-secret"),
        token_seconds: float = 86_399,
        scopes: Iterable[str] = ALL_SCOPES,
        maximum: float = 100_000.0,
        restore_rate: float = 100_000.0,
        cancel_polls: int = 1,
        cancel_seconds: float = 0.3,
        answers_version: str = API_VERSION,
    ) -> None:
        self.state = state
        self.clock = clock
        self.calls: list[Received] = []
        self.writes: list[Received] = []
        self.token_requests = 0
        self.tokens: dict[str, float] = dict.fromkeys(tokens, math.inf)
        self.client = client
        self.token_seconds = token_seconds
        self.scopes = {*scopes, *(f"read_{one[6:]}" for one in scopes if one.startswith("write_"))}
        self.maximum = maximum
        self.restore_rate = restore_rate
        self.available = maximum
        self._refilled_at = time.monotonic()
        #: A cancellation is done after so many looks at it, or so many seconds.
        self.cancel_polls = cancel_polls
        self.cancel_seconds = cancel_seconds
        #: Set to a code, the next cancellations fail while they run.
        self.cancel_fails: str | None = None
        #: How the payments back end: SUCCESS, PENDING or FAILURE.
        self.refunds_end = "SUCCESS"
        #: `Type.field` to a message: what the app is not approved for.
        self.denied: dict[str, str] = {}
        self.answers_version = answers_version
        #: Answered to the next calls instead of running them: status, body.
        self.canned: list[tuple[int, bytes]] = []
        self._jobs: dict[str, _Job] = {}
        self._refund_keys: dict[str, tuple[Object, Object]] = {}
        self._numbers = iter(range(990_000_001, 999_999_999))

    # ------------------------------------------------------------------------------------------------------------ HTTP

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        body = b""
        while True:
            message = await receive()
            body += message.get("body", b"")
            if not message.get("more_body"):
                break
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        status, answer = self._answer(scope["method"], scope["path"], headers, body)
        payload = answer if isinstance(answer, bytes) else orjson.dumps(answer)
        sent = [
            (b"content-type", b"application/json; charset=utf-8"),
            (b"content-length", str(len(payload)).encode()),
            (b"x-shopify-api-version", self.answers_version.encode()),
            (b"x-request-id", secrets.token_hex(8).encode()),
        ]
        await send({"type": "http.response.start", "status": status, "headers": sent})
        await send({"type": "http.response.body", "body": payload})

    def _answer(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> tuple[int, Object | bytes]:
        if path == "/admin/oauth/access_token" and method == "POST":
            return self._token(body)
        if not re.fullmatch(r"/admin/api/[^/]+/graphql\.json", path) or method != "POST":
            return 404, {"errors": "Not Found"}
        if self.tokens.get(headers.get("x-shopify-access-token", ""), -math.inf) < time.monotonic():
            wrong = "[API] Invalid API key or access token (unrecognized login or wrong password)"
            return 401, {"errors": wrong}
        if self.canned:
            self.calls.append(Received(path, None, {}))
            return self.canned.pop(0)
        try:
            asked = orjson.loads(body)
            text, variables, name = asked["query"], asked.get("variables") or {}, asked.get("operationName")
        except (ValueError, KeyError, TypeError, AttributeError):
            return 400, {"errors": {"query": "Required parameter missing or invalid"}}
        received = Received(path, name, variables, text=text)
        self.calls.append(received)
        received.answer = self._run(text, variables, name, received)
        return 200, received.answer

    def _token(self, body: bytes) -> tuple[int, Object]:
        self.token_requests += 1
        form = {key: values[0] for key, values in parse_qs(body.decode("utf-8", "replace")).items()}
        if form.get("grant_type") != "client_credentials":
            return 400, {"error": "unsupported_grant_type"}
        if (form.get("client_id"), form.get("client_secret")) != self.client:
            return 400, {"error": "invalid_client", "error_description": "Client authentication failed"}
        token = f"shpat_{secrets.token_hex(16)}"
        self.tokens[token] = time.monotonic() + self.token_seconds
        return 200, {
            "access_token": token,
            "scope": ",".join(sorted(self.scopes)),
            "expires_in": math.floor(self.token_seconds),
        }

    # --------------------------------------------------------------------------------------------------------- running

    def _run(self, text: str, variables: Object, name: str | None, received: Received) -> Object:
        document, operation, problems = _prepared(text, name)
        if document is None or operation is None:
            return {"errors": problems}
        cost = requested_cost(document, operation, variables)
        if cost > MAX_COST:
            message = f"Query cost is {cost}, which exceeds the single query max cost limit ({MAX_COST})."
            where = {"code": "MAX_COST_EXCEEDED", "cost": cost, "maxCost": MAX_COST}
            return {"errors": [{"message": message, "extensions": where}]}
        self._refill()
        received.cost = cost
        if cost > self.available:
            throttled = {"message": "Throttled", "extensions": {"code": "THROTTLED"}}
            return {"errors": [throttled], "extensions": {"cost": self._cost(cost, None)}}
        writes = operation.operation is OperationType.MUTATION
        if writes:
            self.writes.append(received)
        self._finish_jobs()
        running = _Running()
        token = _running.set(running)
        try:
            result = execute_sync(
                schema(),
                document,
                root_value={},
                variable_values=variables,
                operation_name=operation.name.value if operation.name else None,
                context_value=self,
                field_resolver=_resolve,
                type_resolver=lambda value, info, kind: value["__typename"],
            )
        finally:
            _running.reset(token)
        actual = 10 if writes else min(cost, running.objects)
        self.available -= actual
        answer: Object = {}
        if result.data is not None or not result.errors or any(error.path for error in result.errors):
            answer["data"] = result.data
        if result.errors:
            answer["errors"] = [_error(error) for error in result.errors]
        answer["extensions"] = {"cost": self._cost(cost, actual)}
        if running.search:
            answer["extensions"]["search"] = running.search
        return answer

    def _refill(self) -> None:
        now = time.monotonic()
        self.available = min(self.maximum, self.available + (now - self._refilled_at) * self.restore_rate)
        self._refilled_at = now

    def _cost(self, requested: float, actual: float | None) -> Object:
        return {
            "requestedQueryCost": requested,
            "actualQueryCost": actual,
            "throttleStatus": {
                "maximumAvailable": self.maximum,
                "currentlyAvailable": math.floor(max(0.0, self.available)),
                "restoreRate": self.restore_rate,
            },
        }

    def new_id(self, kind: str) -> str:
        return f"gid://shopify/{kind}/{next(self._numbers)}"

    def now(self) -> str:
        return stamp(self.clock())

    def visible(self, order: Object) -> bool:
        if "read_all_orders" in self.scopes:
            return True
        return datetime.fromisoformat(order["createdAt"]) >= self.clock() - timedelta(days=VISIBLE_DAYS)

    def find(self, identifier: str) -> Object | None:
        """What `node(id:)` gives."""
        if identifier in self._jobs:
            return self._job_result(identifier)
        found = self.state.objects.get(identifier)
        if found is not None and found["__typename"] == "Order" and not self.visible(found):
            return None
        return found

    # --------------------------------------------------------------------------------------------------------- queries

    def query_node(self, id: str) -> Object | None:
        return self.find(id)

    def query_nodes(self, ids: list[str]) -> list[Object | None]:
        if len(ids) > 250:
            message = f"The input array size of {len(ids)} is greater than the maximum allowed of 250."
            raise GraphQLError(message, extensions={"code": "MAX_INPUT_SIZE_EXCEEDED"})
        return [self.find(one) for one in ids]

    def query_order(self, id: str) -> Object | None:
        return self.find(id)

    def query_orders(self, query: str | None = None, reverse: bool = False, **_: Any) -> list[Object]:
        orders = [order for order in self.state.of("Order") if self.visible(order)]
        found = self._search("orders", query, orders, _ORDER_FIELDS)
        return sorted(found, key=lambda one: (one["processedAt"], int(one["legacyResourceId"])), reverse=reverse)

    def query_customerByIdentifier(self, identifier: Object) -> Object | None:
        for customer in self.state.of("Customer"):
            address = customer["defaultEmailAddress"]
            if address and address["emailAddress"].lower() == str(identifier.get("emailAddress", "")).lower():
                return customer
            if customer["id"] == identifier.get("id"):
                return customer
        return None

    def query_subscriptionContracts(self, query: str | None = None, reverse: bool = False, **_: Any) -> list[Object]:
        found = self._search("subscriptionContracts", query, self.state.of("SubscriptionContract"), _CONTRACT_FIELDS)
        return sorted(found, key=lambda one: (one["createdAt"], one["id"]), reverse=reverse)

    def query_returnReasonDefinitions(self, handles: list[str] | None = None, **_: Any) -> list[Object]:
        return [
            {
                "__typename": "ReturnReasonDefinition",
                "id": f"gid://shopify/ReturnReasonDefinition/{number}",
                "handle": handle,
                "name": handle.replace("-", " ").capitalize(),
                "deleted": False,
            }
            for number, handle in enumerate(self.state.reasons, start=1)
            if handles is None or handle in handles
        ]

    def query_returnableFulfillments(self, orderId: str, **_: Any) -> list[Object]:
        order = self.find(orderId)
        if order is None:
            return []
        left = self._returnable(order)
        return [
            {
                "__typename": "ReturnableFulfillment",
                "id": parcel["id"].replace("/Fulfillment/", "/ReturnableFulfillment/"),
                "fulfillment": parcel,
                "returnableFulfillmentLineItems": [
                    {"quantity": left[one["id"]], "fulfillmentLineItem": one}
                    for one in parcel["fulfillmentLineItems"]
                    if left.get(one["id"], 0) > 0
                ],
            }
            for parcel in order["fulfillments"]
            if any(left.get(one["id"], 0) > 0 for one in parcel["fulfillmentLineItems"])
        ]

    def query_shop(self) -> Object:
        return {
            "__typename": "Shop",
            "id": "gid://shopify/Shop/1",
            "currencyCode": self.state.currency,
            "ianaTimezone": self.state.time_zone,
        }

    def query_currentAppInstallation(self) -> Object:
        return {
            "__typename": "AppInstallation",
            "id": "gid://shopify/AppInstallation/1",
            "accessScopes": [{"handle": scope} for scope in sorted(self.scopes)],
        }

    def query_publicApiVersions(self) -> list[Object]:
        return [{"handle": one, "supported": True} for one in ("2026-01", "2026-04", "2026-07", "2026-10")]

    def _search(self, path: str, query: str | None, rows: list[Object], fields: Mapping[str, _Match]) -> list[Object]:
        if not query or not query.strip():
            return rows
        search = _Search(query, fields)
        if search.warnings:
            _running.get().search.append({"path": [path], "query": query, "warnings": search.warnings})
        return [row for row in rows if search.matches(self.state, row)]

    # --------------------------------------------------------------------------------------------------- cancellations

    def mutate_orderCancel(
        self,
        orderId: str,
        reason: str,
        restock: bool,
        refundMethod: Object | None = None,
        staffNote: str | None = None,
        **_: Any,
    ) -> Object:
        order = self.find(orderId)
        problem = None
        if order is None:
            problem = ("NOT_FOUND", ["orderId"], "Order does not exist.")
        elif order["cancelledAt"] or any(j.order == orderId and j.status == "STARTED" for j in self._jobs.values()):
            problem = ("INVALID", ["orderId"], "Cannot cancel an order that has already been canceled.")
        elif any(one["status"] in ("OPEN", "REQUESTED") for one in order["returns"]):
            problem = ("INVALID", ["orderId"], "Cannot cancel an order with active returns.")
        elif any(one["status"] == "SUCCESS" for one in order["fulfillments"]):
            problem = ("INVALID", ["orderId"], "Cannot cancel an order with outstanding fulfillments.")
        elif staffNote and len(staffNote) > 255:
            problem = ("INVALID", ["staffNote"], "Staff note is too long (maximum is 255 characters)")
        if problem is not None:
            code, where, message = problem
            errors = [{"code": code, "field": where, "message": message}]
            return {"jobResult": None, "orderCancelUserErrors": errors}
        identifier = self.new_id("OrderCancelJobResult")
        self._jobs[identifier] = _Job(
            order=orderId,
            reason=reason,
            refund=bool(refundMethod) and any(refundMethod.values() if refundMethod else ()),
            staff_note=staffNote,
            ready_at=time.monotonic() + self.cancel_seconds,
            polls_left=self.cancel_polls,
            restock=restock,
        )
        return {"jobResult": self._job_result(identifier, looks=False), "orderCancelUserErrors": []}

    def _job_result(self, identifier: str, *, looks: bool = True) -> Object:
        job = self._jobs[identifier]
        if looks and job.status == "STARTED":
            job.polls_left -= 1
            if job.polls_left <= 0:
                self._finish(job)
        return {
            "__typename": "OrderCancelJobResult",
            "id": identifier,
            "done": job.status != "STARTED",
            "status": job.status,
            "errors": job.errors,
        }

    def _finish_jobs(self) -> None:
        for job in self._jobs.values():
            if job.status == "STARTED" and time.monotonic() >= job.ready_at:
                self._finish(job)

    def _finish(self, job: _Job) -> None:
        if self.cancel_fails:
            job.status = "FAILED"
            message = "The order could not be canceled."
            job.errors = [{"code": self.cancel_fails, "field": ["orderId"], "message": message}]
            return
        job.status = "SUCCEEDED"
        order, now = self.state.objects[job.order], self.now()
        if job.refund:
            paid = _shown(order["netPaymentSet"])
            self.refund(order, paid, {one["id"]: one["currentQuantity"] for one in order["lineItems"]}, job.restock)
        order |= {
            "cancelledAt": now,
            "closedAt": now,
            "updatedAt": now,
            "cancelReason": job.reason,
            "cancellation": {"staffNote": job.staff_note},
        }
        for one in order["lineItems"]:
            one |= {"currentQuantity": 0, "unfulfilledQuantity": 0, "refundableQuantity": 0}

    def refund(
        self,
        order: Object,
        amount: Decimal,
        units: Mapping[str, int],
        restock: bool = True,
        *,
        note: str | None = None,
        shipping: Decimal = Decimal(0),
        moves: Sequence[tuple[str, str | None, Decimal]] | None = None,
    ) -> Object:
        """Pay back `amount`, in the customer's currency, for so many units of the order's lines, at once.

        `moves`: gateway, payment and amount of each transaction; left out, as much as each payment still has.
        """
        items = []
        for one in order["lineItems"]:
            if quantity := units.get(one["id"], 0):
                items.append(self._refund_line(order, one, quantity) | {"restocked": restock})
                one["refundableQuantity"] -= quantity
                one["currentQuantity"] -= quantity
        if moves is None:
            moves = []
            left = amount
            for payment in self.payments(order):
                share = min(left, self.left_of(order, payment))
                if share > 0:
                    moves.append((payment["gateway"], payment["id"], share))
                    left -= share
        status = self.refunds_end
        made = {
            "__typename": "Refund",
            "id": self.new_id("Refund"),
            "createdAt": self.now(),
            "processedAt": self.now(),
            "note": note,
            "return": None,
            "totalRefundedSet": bag_like(order, amount if status != "FAILURE" else Decimal(0)),
            "refundLineItems": items,
            "refundShippingLines": [{"subtotalAmountSet": bag_like(order, shipping)}] if shipping else [],
            "transactions": [
                {
                    "__typename": "OrderTransaction",
                    "id": self.new_id("OrderTransaction"),
                    "kind": "REFUND",
                    "status": status,
                    "gateway": gateway,
                    "manualPaymentGateway": gateway in MANUAL_GATEWAYS,
                    "amountSet": bag_like(order, share),
                    "parentTransaction": None if parent is None else {"id": parent},
                }
                for gateway, parent, share in moves
            ],
        }
        order["refunds"].append(made)
        if status != "FAILURE":
            left = _shown(order["netPaymentSet"]) - amount
            order["totalRefundedSet"] = bag_like(order, _shown(order["totalRefundedSet"]) + amount)
            order["netPaymentSet"] = bag_like(order, left)
            order["displayFinancialStatus"] = "REFUNDED" if left <= 0 else "PARTIALLY_REFUNDED"
        order["updatedAt"] = self.now()
        return made

    @staticmethod
    def payments(order: Object) -> list[Object]:
        return [
            one for one in order["transactions"] if one["kind"] in ("SALE", "CAPTURE") and one["status"] == "SUCCESS"
        ]

    @staticmethod
    def shipping_left(order: Object) -> Decimal:
        gone = (one for refund in order["refunds"] for one in refund.get("refundShippingLines", ()))
        paid = sum((_shown(one["subtotalAmountSet"]) for one in gone), Decimal(0))
        return _shown(order["totalShippingPriceSet"]) - paid

    @staticmethod
    def left_of(order: Object, payment: Object) -> Decimal:
        """What a payment of the order can still give back."""
        gone = (
            _shown(move["amountSet"])
            for refund in order["refunds"]
            for move in refund["transactions"]
            if move["status"] != "FAILURE" and (move["parentTransaction"] or {}).get("id") == payment["id"]
        )
        return _shown(payment["amountSet"]) - sum(gone, Decimal(0))

    def _refund_line(self, order: Object, line: Object, quantity: int) -> Object:
        """So many units of a line, its tax by the unit; the last units take what rounding left over."""
        before = line["quantity"] - line["refundableQuantity"]
        tax = sum((_shown(one["priceSet"]) for one in line.get("taxLines", ())), Decimal(0))

        def share(whole: Decimal) -> Decimal:
            return _upto(whole, before + quantity, line["quantity"]) - _upto(whole, before, line["quantity"])

        return {
            "quantity": quantity,
            "restocked": False,
            "lineItem": line["id"],
            "subtotalSet": bag_like(order, share(_shown(line["discountedTotalSet"]))),
            "totalTaxSet": bag_like(order, share(tax)),
        }

    def order_suggestedRefund(
        self,
        order: Object,
        refundLineItems: Sequence[Object] | None = None,
        refundShipping: bool = False,
        suggestFullRefund: bool = False,
        **_: Any,
    ) -> Object:
        """Units beyond what is left are left out of a suggestion; what a real shop does with them is not known."""
        asked = {one["lineItemId"]: one["quantity"] for one in refundLineItems or ()}
        if suggestFullRefund:
            asked = {one["id"]: one["refundableQuantity"] for one in order["lineItems"]}
        lines = [
            self._refund_line(order, one, min(asked[one["id"]], one["refundableQuantity"]))
            for one in order["lineItems"]
            if min(asked.get(one["id"], 0), one["refundableQuantity"]) > 0
        ]
        goods = sum((_shown(one["subtotalSet"]) for one in lines), Decimal(0))
        if not order["taxesIncluded"]:
            goods += sum((_shown(one["totalTaxSet"]) for one in lines), Decimal(0))
        shipping = self.shipping_left(order) if refundShipping else Decimal(0)
        whole = goods + shipping
        left, payments = min(whole, _shown(order["netPaymentSet"])), []
        for payment in self.payments(order):
            most = self.left_of(order, payment)
            payments.append(
                {
                    "gateway": payment["gateway"],
                    "amountSet": bag_like(order, min(left, most)),
                    "maximumRefundableSet": bag_like(order, most),
                    "parentTransaction": payment,
                }
            )
            left -= min(left, most)
        return {
            "amountSet": bag_like(order, whole),
            "refundLineItems": lines,
            "shipping": {"amountSet": bag_like(order, shipping), "taxSet": bag_like(order, Decimal(0))},
            "suggestedTransactions": payments,
        }

    def mutate_refundCreate(self, input: Object, key: str) -> Object:
        """Pays back once for a key, whoever asks again."""
        if key in self._refund_keys:
            asked, made = self._refund_keys[key]
            if asked == input:
                return {"refund": made, "userErrors": []}
            return _not_refunded(None, "The idempotency key was used with other parameters.")
        order = self.find(input["orderId"])
        if order is None:
            return _not_refunded("orderId", "Order does not exist")
        paid = {one["id"]: one for one in self.payments(order)}
        total = order["totalPriceSet"]
        if input.get("currency", total["shopMoney"]["currencyCode"]) != total["presentmentMoney"]["currencyCode"]:
            return _not_refunded("currency", "Currency must be the presentment currency of the order")
        units: dict[str, int] = {}
        for one in input.get("refundLineItems") or ():
            line = next((row for row in order["lineItems"] if row["id"] == one["lineItemId"]), None)
            if line is None or not 0 < one["quantity"] <= line["refundableQuantity"]:
                return _not_refunded(
                    "refundLineItems", "Refund line items quantity cannot refund more items than were purchased"
                )
            units[one["lineItemId"]] = one["quantity"]
        moves: list[tuple[str, str | None, Decimal]] = []
        for one in input.get("transactions") or ():
            amount, parent = Decimal(str(one["amount"])), one.get("parentId")
            payment = paid.get(parent or "")
            if one["kind"] != "REFUND" or payment is None or payment["gateway"] != one["gateway"]:
                return _not_refunded("transactions", "Transactions parent is invalid")
            gone = sum((share for _, known, share in moves if known == parent), Decimal(0))
            if amount + gone > self.left_of(order, payment):
                return _not_refunded("transactions", "Transactions amount is more than was captured")
            moves.append((one["gateway"], parent, amount))
        for method in input.get("refundMethods") or ():
            credit = method["storeCreditRefund"]["amount"]
            if order["customer"] is None:
                return _not_refunded("refundMethods", "Store credit needs a customer")
            moves.append(("shopify_store_credit", None, Decimal(str(credit["amount"]))))
        amount = sum((share for *_, share in moves), Decimal(0))
        if amount > _shown(order["netPaymentSet"]):
            return _not_refunded("orderId", "Refund amount is more than was captured")
        restock = any(
            one.get("restockType", "NO_RESTOCK") != "NO_RESTOCK" for one in input.get("refundLineItems") or ()
        )
        sent = input.get("shipping") or {}
        shipping = self.shipping_left(order) if sent.get("fullRefund") else Decimal(str(sent.get("amount") or 0))
        made = self.refund(order, amount, units, restock, note=input.get("note"), shipping=shipping, moves=moves)
        self._refund_keys[key] = (input, made)
        return {"refund": made, "userErrors": []}

    # --------------------------------------------------------------------------------------------------------- returns

    def _returnable(self, order: Object) -> dict[str, int]:
        """Units that can still come back, by line of a parcel."""
        left = {
            one["id"]: one["quantity"]
            for parcel in order["fulfillments"]
            if parcel["status"] == "SUCCESS"
            for one in parcel["fulfillmentLineItems"]
        }
        for back in order["returns"]:
            if back["status"] not in ("DECLINED", "CANCELED"):
                for one in back["returnLineItems"]:
                    left[one["fulfillmentLineItem"]["id"]] -= one["quantity"]
        for refund in order["refunds"]:
            if refund["return"] is None:
                for one in refund["refundLineItems"]:
                    owed = one["quantity"]
                    for parcel in order["fulfillments"]:
                        for item in parcel["fulfillmentLineItems"]:
                            if item["lineItem"] == one["lineItem"] and item["id"] in left:
                                taken = min(owed, left[item["id"]])
                                left[item["id"]] -= taken
                                owed -= taken
        return left

    def mutate_returnCreate(self, returnInput: Object) -> Object:
        return self._return(returnInput, "OPEN", "returnInput", "returnReasonNote", 255)

    def mutate_returnRequest(self, input: Object) -> Object:
        return self._return(input, "REQUESTED", "input", "customerNote", 300)

    def _return(self, asked: Object, status: str, argument: str, note: str, most: int) -> Object:
        order = self.find(asked["orderId"])
        if order is None:
            return _refused("NOT_FOUND", [argument, "orderId"], "Order does not exist.")
        left = self._returnable(order)
        items = {one["id"]: one for parcel in order["fulfillments"] for one in parcel["fulfillmentLineItems"]}
        reasons = {one["id"]: one for one in self.query_returnReasonDefinitions()}
        lines = []
        for index, one in enumerate(asked["returnLineItems"]):
            where = [argument, "returnLineItems", str(index)]
            source = one["fulfillmentLineItemId"]
            if source not in left:
                return _refused("NOT_FOUND", [*where, "fulfillmentLineItemId"], "Fulfillment line item not found.")
            if one["quantity"] < 1:
                return _refused("GREATER_THAN", [*where, "quantity"], "Quantity must be greater than 0")
            left[source] -= one["quantity"]
            if left[source] < 0:
                return _refused("INVALID", [*where, "quantity"], "Quantity is not available for return.")
            if len(one.get(note) or "") > most:
                return _refused("TOO_LONG", [*where, note], f"Note is too long (maximum is {most} characters)")
            reason = one.get("returnReasonDefinitionId")
            if reason is not None and reason not in reasons:
                return _refused("NOT_FOUND", [*where, "returnReasonDefinitionId"], "Return reason not found.")
            sold = next(row for row in order["lineItems"] if row["id"] == items[source]["lineItem"])
            each = Decimal(sold["discountedTotalSet"]["shopMoney"]["amount"]) / sold["quantity"]
            percent = Decimal(str((one.get("restockingFee") or {}).get("percentage", 0)))
            fee = (each * one["quantity"] * percent / 100).quantize(Decimal("0.01"), ROUND_HALF_UP)
            lines.append(
                {
                    "__typename": "ReturnLineItem",
                    "id": self.new_id("ReturnLineItem"),
                    "quantity": one["quantity"],
                    "refundedQuantity": 0,
                    "customerNote": one.get("customerNote"),
                    "returnReasonNote": one.get("returnReasonNote") or "",
                    "returnReasonDefinition": reasons.get(reason or ""),
                    "fulfillmentLineItem": items[source],
                    "restockingFee": {
                        "__typename": "RestockingFee",
                        "id": self.new_id("RestockingFee"),
                        "amountSet": bag(fee, self.state.currency),
                    }
                    if percent
                    else None,
                }
            )
        shipping = asked.get("returnShippingFee")
        made = {
            "__typename": "Return",
            "id": self.new_id("Return"),
            "name": f"{order['name']}-R{len(order['returns']) + 1}",
            "status": status,
            "createdAt": self.now(),
            "closedAt": None,
            "decline": None,
            "returnShippingFees": [
                {
                    "__typename": "ReturnShippingFee",
                    "id": self.new_id("ReturnShippingFee"),
                    "amountSet": bag(Decimal(shipping["amount"]["amount"]), shipping["amount"]["currencyCode"]),
                }
            ]
            if shipping
            else [],
            "exchangeLineItems": [],
            "returnLineItems": lines,
        }
        order["returns"].append(made)
        order["returnStatus"] = "IN_PROGRESS" if status == "OPEN" else "RETURN_REQUESTED"
        order["updatedAt"] = self.now()
        return {"return": made, "userErrors": []}

    # ---------------------------------------------------------------------------------------------------- subscriptions

    def mutate_subscriptionContractPause(self, subscriptionContractId: str, **_: Any) -> Object:
        return self._contract(subscriptionContractId, "PAUSED", ("ACTIVE", "PAUSED"))

    def mutate_subscriptionContractActivate(self, subscriptionContractId: str, **_: Any) -> Object:
        return self._contract(subscriptionContractId, "ACTIVE", ("ACTIVE", "PAUSED", "FAILED"))

    def mutate_subscriptionContractCancel(self, subscriptionContractId: str, **_: Any) -> Object:
        return self._contract(subscriptionContractId, "CANCELLED", ("ACTIVE", "PAUSED", "FAILED"))

    def _contract(self, identifier: str, status: str, allowed: Sequence[str]) -> Object:
        contract = self.find(identifier)
        if contract is None:
            error = {
                "code": "INVALID",
                "field": ["subscriptionContractId"],
                "message": "Subscription contract not found",
            }
            return {"contract": None, "userErrors": [error]}
        if contract["status"] not in allowed:
            ended = contract["status"] in ("CANCELLED", "EXPIRED")
            message = "Cannot perform this action on a terminated contract." if ended else "Invalid status."
            code = "CONTRACT_TERMINATED" if ended else "INVALID"
            error = {"code": code, "field": ["subscriptionContractId"], "message": message}
            return {"contract": None, "userErrors": [error]}
        contract |= {"status": status, "updatedAt": self.now()}
        return {"contract": contract, "userErrors": []}


def stamp(moment: datetime) -> str:
    """An instant as Shopify writes it."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def bag(amount: Decimal, currency: str) -> Object:
    """A MoneyBag of one currency."""
    money = {"amount": f"{amount:.2f}", "currencyCode": currency}
    return {"presentmentMoney": dict(money), "shopMoney": dict(money)}


def bag_like(order: Object, amount: Decimal) -> Object:
    """A MoneyBag of an order: `amount` as its customer pays, and what that is to the shop at the order's own rate."""
    total = order["totalPriceSet"]
    shown, kept = total["presentmentMoney"], total["shopMoney"]
    rate = Decimal(kept["amount"]) / Decimal(shown["amount"]) if Decimal(shown["amount"]) else Decimal(1)
    booked = (amount * rate).quantize(Decimal("0.01"), ROUND_HALF_UP)
    return {
        "presentmentMoney": {"amount": f"{amount:.2f}", "currencyCode": shown["currencyCode"]},
        "shopMoney": {"amount": f"{booked:.2f}", "currencyCode": kept["currencyCode"]},
    }


def _shown(value: Object) -> Decimal:
    """What the customer saw of a MoneyBag."""
    return Decimal(value["presentmentMoney"]["amount"])


def _upto(whole: Decimal, units: int, of: int) -> Decimal:
    """The first so many units' share of a line."""
    return (whole * units / of).quantize(Decimal("0.01"), ROUND_HALF_UP)


def _not_refunded(where: str | None, message: str) -> Object:
    return {"refund": None, "userErrors": [{"field": None if where is None else ["input", where], "message": message}]}


def _refused(code: str, where: list[str], message: str) -> Object:
    return {"return": None, "userErrors": [{"code": code, "field": where, "message": message}]}


# ---------------------------------------------------------------------------------------------------------- resolving


def _resolve(source: Any, info: GraphQLResolveInfo[Any], **arguments: Any) -> Any:
    """Every field: a method for the roots, else what the object holds; links are followed, lists are paged."""
    shop: Simulator = info.context
    named: Any = get_named_type(info.return_type)
    kind = named.name.removesuffix("Connection")
    name, parent = info.field_name, info.parent_type.name
    if f"{parent}.{name}" in shop.denied:
        raise _Denied(shop.denied[f"{parent}.{name}"])
    needed = NEEDS.get(name if parent == "Mutation" else kind)
    if needed is not None and needed not in shop.scopes and parent not in ("Node",):
        raise _Denied(f"Access denied for {name} field. Required access: `{needed}` access scope.")
    if parent == "Mutation":
        if name in MUST_BE_IDEMPOTENT:
            arguments["key"] = _idempotency_key(info)
        return getattr(shop, f"mutate_{name}")(**arguments)
    if parent == "Order" and name == "suggestedRefund":
        return _count(named.name, shop.order_suggestedRefund(source, **arguments))
    if parent == "QueryRoot":
        paging: Object = {}
        for key in ("first", "last", "after", "before"):
            if key in arguments:
                paging[key] = arguments.pop(key)
        _need_a_size(named.name, paging)
        value = getattr(shop, f"query_{name}")(**arguments)
        return _connection(value, paging) if named.name.endswith("Connection") else _count(named.name, value)
    value = source.get(name)
    if named.name.endswith("Connection") and isinstance(value, list):
        _need_a_size(named.name, arguments)
        if arguments.get("reverse"):
            value = value[::-1]
        return _connection([_link(shop, one) for one in value], arguments)
    if is_composite_type(named):
        if isinstance(value, list):
            first = arguments.get("first")
            value = [_link(shop, one) for one in value[:first]]
        else:
            value = _link(shop, value)
        return _count(named.name, value)
    return value


def _idempotency_key(info: GraphQLResolveInfo[Any]) -> str:
    """The key of `@idempotent`. The vendor's text for a missing one is not known."""
    for directive in info.field_nodes[0].directives or ():
        if directive.name.value == "idempotent" and directive.arguments:
            value: Any = directive.arguments[0].value
            key = info.variable_values.coerced[value.name.value] if isinstance(value, VariableNode) else value.value
            if str(key).strip():
                return str(key)
    raise GraphQLError("The @idempotent directive is required.", extensions={"code": "BAD_REQUEST"})


def _count(kind: str, value: Any) -> Any:
    """Count the objects an answer really holds: what was asked for beyond them is given back."""
    if not kind.endswith(("Edge", "PageInfo")):
        _running.get().objects += len(value) if isinstance(value, list) else int(value is not None)
    return value


def _link(shop: Simulator, value: Any) -> Any:
    if not isinstance(value, str):
        return value
    if "/LineItem/" in value:
        return shop.state.line(value)
    return shop.find(value)


def _need_a_size(kind: str, arguments: Mapping[str, Any]) -> None:
    if kind.endswith("Connection") and arguments.get("first") is None and arguments.get("last") is None:
        raise GraphQLError("you must provide one of first or last", extensions={"code": "BAD_REQUEST"})


def _connection(rows: list[Object], arguments: Mapping[str, Any]) -> Object:
    """A page of rows; a cursor names its row, so that rows put in before it do not move it."""
    keys = [_cursor(row, index) for index, row in enumerate(rows)]
    start = 0
    if arguments.get("after"):
        if arguments["after"] not in keys:
            raise GraphQLError("Invalid cursor for current pagination sort.", extensions={"code": "BAD_REQUEST"})
        start = keys.index(arguments["after"]) + 1
    end = len(rows)
    if arguments.get("first") is not None:
        end = min(end, start + min(arguments["first"], 250))
    elif arguments.get("last") is not None:
        start = max(start, end - min(arguments["last"], 250))
    page = rows[start:end]
    edges = [{"cursor": key, "node": row} for key, row in zip(keys[start:end], page, strict=True)]
    return {
        "nodes": page,
        "edges": edges,
        "pageInfo": {
            "hasNextPage": end < len(rows),
            "hasPreviousPage": start > 0,
            "startCursor": edges[0]["cursor"] if edges else None,
            "endCursor": edges[-1]["cursor"] if edges else None,
        },
    }


def _cursor(row: Object, index: int) -> str:
    name = row.get("id") or str(index)
    return base64.urlsafe_b64encode(f"at:{name}".encode()).decode()


def _error(error: GraphQLError) -> Object:
    shown: Object = {"message": error.message}
    if error.locations:
        shown["locations"] = [{"line": one.line, "column": one.column} for one in error.locations]
    if error.path:
        shown["path"] = list(error.path)
    shown["extensions"] = dict(error.extensions or {}) or {"code": "INTERNAL_SERVER_ERROR"}
    return shown


_prepared_texts: dict[tuple[str, str | None], tuple[DocumentNode | None, OperationDefinitionNode | None, list[Object]]]
_prepared_texts = {}


def _prepared(text: str, name: str | None) -> tuple[DocumentNode | None, OperationDefinitionNode | None, list[Object]]:
    """A document parsed and checked once; its problems, in the words of a refusal before anything ran."""
    if (text, name) not in _prepared_texts:
        if len(_prepared_texts) > 500:
            _prepared_texts.clear()
        _prepared_texts[text, name] = _prepare(text, name)
    return _prepared_texts[text, name]


def _prepare(text: str, name: str | None) -> tuple[DocumentNode | None, OperationDefinitionNode | None, list[Object]]:
    try:
        document = parse(text)
    except GraphQLError as error:
        return None, None, [{"message": error.message}]
    problems = [
        {
            "message": error.message,
            "locations": [{"line": one.line, "column": one.column} for one in error.locations or ()],
            "extensions": {"code": "undefinedField" if "Cannot query field" in error.message else "invalidDocument"},
        }
        for error in validate(schema(), document)
    ]
    if problems:
        return None, None, problems
    operations = [one for one in document.definitions if isinstance(one, OperationDefinitionNode)]
    chosen = next((one for one in operations if name is None or (one.name and one.name.value == name)), None)
    if chosen is None:
        return None, None, [{"message": f"No operation named {name}", "extensions": {"code": "BAD_REQUEST"}}]
    return document, chosen, []


# --------------------------------------------------------------------------------------------------------------- cost


def requested_cost(document: DocumentNode, operation: OperationDefinitionNode, variables: Mapping[str, Any]) -> int:
    """The points a document asks for, by the working model: scalars 0, objects 1, an abstract type its dearest branch,
    a mutation 10, a connection 2 and floor(2 ln n) times one node."""
    if operation.operation is OperationType.MUTATION:
        return 10
    fragments = {one.name.value: one for one in document.definitions if isinstance(one, FragmentDefinitionNode)}
    defaults = {
        one.variable.name.value: int(one.default_value.value)
        for one in operation.variable_definitions or ()
        if isinstance(one.default_value, IntValueNode) and not isinstance(one.type, NonNullTypeNode)
    }
    return _Cost(fragments, {**defaults, **variables}).of([operation.selection_set], schema().query_type)


class _Cost:
    def __init__(self, fragments: Mapping[str, FragmentDefinitionNode], variables: Mapping[str, Any]) -> None:
        self.fragments = fragments
        self.variables = variables

    def of(self, sets: Sequence[SelectionSetNode], parent: Any) -> int:
        costs: dict[str, int] = {}
        for name, fields in self._collect(sets, parent).items():
            kind: Any = schema().type_map[name]
            costs[name] = sum(self._field(kind, nodes) for nodes in fields.values())
        if is_abstract_type(parent):
            return costs.pop(parent.name, 0) + max(costs.values(), default=0)
        return sum(costs.values())

    def _collect(self, sets: Sequence[SelectionSetNode], parent: Any) -> dict[str, dict[str, list[FieldNode]]]:
        found: dict[str, dict[str, list[FieldNode]]] = {}
        for selections in sets:
            for one in selections.selections:
                if not self._included(one):
                    continue
                if isinstance(one, FieldNode):
                    if not one.name.value.startswith("__"):
                        key = one.alias.value if one.alias else one.name.value
                        found.setdefault(parent.name, {}).setdefault(key, []).append(one)
                    continue
                below: Any = self.fragments[one.name.value] if isinstance(one, FragmentSpreadNode) else one
                kind = schema().type_map[below.type_condition.name.value] if below.type_condition else parent
                for name, fields in self._collect([below.selection_set], kind).items():
                    for key, nodes in fields.items():
                        found.setdefault(name, {}).setdefault(key, []).extend(nodes)
        return found

    def _included(self, node: Any) -> bool:
        for directive in node.directives or ():
            if directive.name.value in ("include", "skip"):
                value = directive.arguments[0].value
                truth = self.variables.get(value.name.value) if isinstance(value, VariableNode) else value.value
                if bool(truth) is not (directive.name.value == "include"):
                    return False
        return True

    def _field(self, parent: Any, nodes: Sequence[FieldNode]) -> int:
        named: Any = get_named_type(parent.fields[nodes[0].name.value].type)
        if not is_composite_type(named):
            return 0
        sets = [node.selection_set for node in nodes if node.selection_set]
        if is_object_type(named) and named.name.endswith("Connection"):
            inner = 0
            for key, below in self._collect(sets, named).get(named.name, {}).items():
                kind = get_named_type(named.fields[below[0].name.value].type)
                deeper = [node.selection_set for node in below if node.selection_set]
                if below[0].name.value == "edges":
                    inner += self.of(deeper, kind)
                elif below[0].name.value == "nodes":
                    inner += 1 + self.of(deeper, kind)
                elif key != "pageInfo":
                    raise ValueError(f"what {key} of a connection costs is not known")
            size = min(max(self._size(node) for node in nodes), 250)
            return 2 + math.floor(2 * math.log(max(2, size))) * inner
        return 1 + self.of(sets, named)

    def _size(self, node: FieldNode) -> int:
        for argument in node.arguments or ():
            if argument.name.value in ("first", "last"):
                if isinstance(argument.value, IntValueNode):
                    return int(argument.value.value)
                if isinstance(argument.value, VariableNode):
                    return int(self.variables.get(argument.value.name.value) or 1)
        return 1


# ------------------------------------------------------------------------------------------------------------- search
# https://shopify.dev/docs/api/usage/search-syntax

_Match: TypeAlias = Callable[[State, Object, str, str, bool], bool]
_TERM = re.compile(
    r"""\s*(?:
        (?P<paren>[()])
      | (?P<word>AND|OR|NOT)(?=[\s(]|$)
      | (?P<field>[A-Za-z_][\w.]*):(?P<op>>=|<=|>|<|)\s*
          (?:"(?P<dq>(?:\\.|[^"\\])*)"|'(?P<sq>(?:\\.|[^'\\])*)'|(?P<bare>[^\s()]+))
      | (?P<loose>"(?:\\.|[^"\\])*"|[^\s()]+)
    )""",
    re.VERBOSE,
)


class _Search:
    """A search string, read as Shopify does: words beside each other mean AND, and an unknown field is dropped."""

    def __init__(self, text: str, fields: Mapping[str, _Match]) -> None:
        self.fields = fields
        self.warnings: list[Object] = []
        self.tokens = list(self._tokens(text))
        self.at = 0
        self.tree = self._or()

    def _tokens(self, text: str) -> Iterable[Any]:
        at = 0
        text = text.rstrip()
        while at < len(text) and (match := _TERM.match(text, at)):
            at = match.end()
            if match["paren"] or match["word"]:
                yield match["paren"] or match["word"]
            elif match["field"]:
                quoted = match["bare"] is None
                value = match["bare"] if not quoted else (match["dq"] if match["dq"] is not None else match["sq"])
                yield (match["field"], match["op"], re.sub(r"\\(.)", r"\1", value), quoted)
            else:
                yield ("default", "", match["loose"].strip('"'), False)

    def _peek(self) -> Any:
        return self.tokens[self.at] if self.at < len(self.tokens) else None

    def _or(self) -> Any:
        parts = [self._and()]
        while self._peek() == "OR":
            self.at += 1
            parts.append(self._and())
        return ("or", parts)

    def _and(self) -> Any:
        parts = []
        while self._peek() not in (None, "OR", ")"):
            if self._peek() == "AND":
                self.at += 1
                continue
            parts.append(self._one())
        return ("and", parts)

    def _one(self) -> Any:
        token = self._peek()
        self.at += 1
        if token == "NOT":
            return ("not", [self._one()])
        if token == "(":
            inner = self._or()
            self.at += 1
            return inner
        if token[0] not in self.fields:
            message = "Invalid search field for this query."
            self.warnings.append({"field": token[0], "message": message, "code": "invalid_field"})
            return ("and", [])  # dropped: everything passes
        return ("is", token)

    def matches(self, state: State, row: Object) -> bool:
        return self._matches(self.tree, state, row)

    def _matches(self, tree: Any, state: State, row: Object) -> bool:
        kind, rest = tree
        if kind == "is":
            name, operator, value, quoted = rest
            return self.fields[name](state, row, operator, value, quoted)
        if kind == "not":
            return not self._matches(rest[0], state, row)
        return (any if kind == "or" else all)(self._matches(one, state, row) for one in rest)


def _words(text: str) -> list[str]:
    return re.findall(r"[a-z0-9]+", text.lower())


def _text(value: str | None, asked: str, quoted: bool) -> bool:
    """Words, not equality: quoted, they stand beside each other somewhere; bare, it is enough that the text has it."""
    if value is None:
        return False
    if not quoted:
        return asked.rstrip("*").lower() in value.lower()
    have, want = _words(value), _words(asked)
    return any(have[start : start + len(want)] == want for start in range(len(have) - len(want) + 1))


def _time(name: str) -> _Match:
    def match(state: State, row: Object, operator: str, asked: str, quoted: bool) -> bool:
        value: str = row[name] or ""
        answers = {
            "": value.startswith(asked),
            ">": value > asked,
            ">=": value >= asked,
            "<": value < asked,
            "<=": value <= asked,
        }
        return answers[operator]

    return match


def _email(state: State, row: Object, operator: str, asked: str, quoted: bool) -> bool:
    return _text(row["email"], asked, quoted)


def _name(state: State, row: Object, operator: str, asked: str, quoted: bool) -> bool:
    return _text(row["name"], asked, quoted)


def _customer(state: State, row: Object, operator: str, asked: str, quoted: bool) -> bool:
    return bool(row["customer"] == f"gid://shopify/Customer/{asked}")


def _status(state: State, row: Object, operator: str, asked: str, quoted: bool) -> bool:
    if asked == "cancelled":
        return row["cancelledAt"] is not None
    if asked == "closed":
        return row["closedAt"] is not None
    if asked == "not_closed":
        return row["closedAt"] is None
    return asked != "open" or (row["closedAt"] is None and row["cancelledAt"] is None)


def _is(name: str) -> _Match:
    def match(state: State, row: Object, operator: str, asked: str, quoted: bool) -> bool:
        return bool(str(row[name] or "").lower() == asked.lower())

    return match


_ORDER_FIELDS: Mapping[str, _Match] = {
    "email": _email,
    "name": _name,
    "customer_id": _customer,
    "status": _status,
    "id": _is("legacyResourceId"),
    "financial_status": _is("displayFinancialStatus"),
    "fulfillment_status": _is("displayFulfillmentStatus"),
    "return_status": _is("returnStatus"),
    "created_at": _time("createdAt"),
    "processed_at": _time("processedAt"),
    "updated_at": _time("updatedAt"),
}
_CONTRACT_FIELDS: Mapping[str, _Match] = {
    "customer_id": _customer,
    "status": _is("status"),
    "created_at": _time("createdAt"),
    "updated_at": _time("updatedAt"),
}
