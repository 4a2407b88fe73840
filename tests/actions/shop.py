"""A tiny shop on a real socket, its adapter, and a desk before it: what the tests of actions ask things of."""

from __future__ import annotations

import asyncio
import json
import threading
import uuid
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any, ClassVar

from starlette.applications import Starlette
from starlette.requests import Request as HttpRequest
from starlette.responses import JSONResponse
from starlette.routing import Route

from actions.desk import ActionDesk, ViewerDesk
from actions.effects import Patience
from actions.ledger import Ledger
from actions.recovery import Recovery
from actions.tables import metadata
from platforms.base import (
    CancelOrder,
    CancelSubscription,
    Done,
    Outcome,
    PauseSubscription,
    Pending,
    Platform,
    Probe,
    RefundAsk,
    RefundOrder,
    RefundSum,
    ResumeSubscription,
    ReturnOrder,
    StoreConfig,
    healthy,
)
from platforms.errors import Native, Refused, Unreadable
from platforms.transport import Call, Limits, Reply, Transport
from policies.asked import Asked, History
from sandbox.faults import Fault, Faulty
from sandbox.serving import serve
from schema.actions import Actor, Viewer
from schema.customer import CustomerProfile
from schema.emails import canonical_email
from schema.ids import make_id
from schema.inputs import (
    CancelOrderInput,
    CancelSubscriptionInput,
    PauseSubscriptionInput,
    RefundOrderInput,
    ResumeSubscriptionInput,
    ReturnLineInput,
    ReturnOrderInput,
)
from schema.order import LineQuantity, Order, OrderLine, OrderTotals
from schema.parts import NOT_LOADED, OrderParts, SubscriptionParts
from schema.policy import Condition, Decision, DecisionReason, PolicyVersion
from schema.provenance import StoreHealth
from schema.returns import Refund, Return, ReturnLine
from schema.scalars import CurrencyCode
from schema.subscription import ProfileRef, Subscription, SubscriptionLine
from schema.values import Fee, Interval, Money, MoneyPair, Quote
from schema.vocabulary import (
    ActorKind,
    AssuranceLevel,
    ConditionKind,
    FeeKind,
    FulfillmentStatus,
    IntervalUnit,
    MoneyMoved,
    OrderReturnStatus,
    OrderStatus,
    PaymentStatus,
    ReasonCode,
    RecordHolder,
    RefundDestination,
    RefundStatus,
    ReturnReason,
    ReturnResolution,
    ReturnStatus,
    SubscriptionStatus,
    Verdict,
)

SECRET = "a secret of at least thirty-two characters"
ORDER = "Order:shop:1"
OTHER_ORDER = "Order:shop:2"
SUBSCRIPTION = "SubscriptionContract:shop:9"
ADA = "ada@example.com"
CLEO = "cleo@example.com"


# ------------------------------------------------------------------------------------------------ the shop


class Shop:
    """Orders 1 (Ada's), 2 (Cleo's), 3 (Ada's) and subscription 9 (Ada's), and everything that was done to them."""

    def __init__(self) -> None:
        lines = [{"id": "11", "title": "Linen Shirt", "ordered": 2}, {"id": "12", "title": "Wool Hat", "ordered": 1}]
        self.orders: dict[str, dict[str, Any]] = {
            number: {
                "email": email,
                "status": "open",
                "lines": lines,
                "returns": [],
                "refunds": [],
                "left": "95.00",
            }
            for number, email in (("1", ADA), ("2", CLEO), ("3", ADA))
        }
        self.next_bill = datetime.now(UTC).date() + timedelta(days=5)
        self.subscriptions: dict[str, dict[str, Any]] = {
            "9": {"customer": "71", "status": "active", "next": self.next_bill.isoformat()}
        }
        self.reads: list[str] = []
        #: Each change that really took place.
        self.writes: list[tuple[str, dict[str, Any]]] = []
        self.jobs: dict[str, str] = {}
        self.cancels_by_job = False
        self.refuses = False
        #: Pays back whatever is asked for, as if there were no end of money.
        self.generous = False
        self.now: Callable[[], datetime] = lambda: datetime.now(UTC)
        self.delay = 0.0
        #: A write waits for as long as this is true.
        self.holds_writes = False
        #: A write has arrived.
        self.arrived = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self.app = Starlette(
            routes=[
                Route("/orders", self._orders),
                Route("/subscriptions", self._subscriptions),
                Route("/customers", self._customers),
                Route("/jobs/{job}", self._job),
                Route("/{noun}/{id}/{verb}", self._write, methods=["POST"]),
            ]
        )

    async def _orders(self, request: HttpRequest) -> JSONResponse:
        return self._found(request, self.orders)

    async def _subscriptions(self, request: HttpRequest) -> JSONResponse:
        return self._found(request, self.subscriptions)

    async def _customers(self, request: HttpRequest) -> JSONResponse:
        return self._found(request, {"71": {"email": ADA}})

    def _found(self, request: HttpRequest, rows: Mapping[str, Any]) -> JSONResponse:
        self.reads.append(str(request.url.path))
        return JSONResponse({id: rows[id] for id in request.query_params["ids"].split(",") if id in rows})

    async def _job(self, request: HttpRequest) -> JSONResponse:
        return JSONResponse({"state": self.jobs[request.path_params["job"]]})

    async def _write(self, request: HttpRequest) -> JSONResponse:
        noun, id, verb = (request.path_params[name] for name in ("noun", "id", "verb"))
        body = await request.json()
        self._loop.call_soon_threadsafe(self.arrived.set)
        if self.delay:
            await asyncio.sleep(self.delay)
        while self.holds_writes:  # noqa: ASYNC110 - set from another thread
            await asyncio.sleep(0.01)
        if verb == "refund" and not self.generous and Decimal(body["amount"]) > Decimal(self.orders[id]["left"]):
            return JSONResponse({"error": "more than is left"}, status_code=422)
        if self.refuses:
            return JSONResponse({"error": "ada@example.com may not do this"}, status_code=422)
        self.writes.append((verb, body))
        if noun == "orders" and verb == "cancel":
            self.orders[id] = self.orders[id] | {"status": "cancelled"}
            self.pay(id, self.orders[id]["left"])
            if self.cancels_by_job:
                self.jobs[f"job-{id}"] = "running"
                return JSONResponse({"job": f"job-{id}"})
            return JSONResponse({})
        if noun == "orders" and verb == "refund":
            return JSONResponse({"id": self.pay(id, body["amount"])})
        if noun == "orders":
            made = {"id": f"ret{len(self.writes)}", "lines": body["lines"], "at": self.now().isoformat()}
            self.orders[id] = self.orders[id] | {"returns": [*self.orders[id]["returns"], made]}
            return JSONResponse({"id": made["id"]})
        self.subscriptions[id] = self.subscriptions[id] | {key: body[key] for key in ("status", "next") if key in body}
        return JSONResponse({})

    def pay(self, order: str, amount: str) -> str:
        """Pay money back, whoever asked for it: the id of the refund."""
        row = self.orders[order]
        if not Decimal(amount):
            return ""
        made = {"id": f"r{order}-{len(row['refunds'])}", "amount": amount, "at": self.now().isoformat()}
        left = str(Decimal(row["left"]) - Decimal(amount))
        self.orders[order] = row | {"refunds": [*row["refunds"], made], "left": left}
        return str(made["id"])


class OnWrites:
    """Faults that befall writes only."""

    def __init__(self, app: Any) -> None:
        self.app = app
        self.faulty = Faulty(app, "shop")

    def set(self, *words: str) -> None:
        self.faulty.faults = [Fault("shop", word) for word in words]

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        writes = scope["type"] == "http" and scope["method"] == "POST"
        await (self.faulty if writes else self.app)(scope, receive, send)


# ------------------------------------------------------------------------------------------------ its adapter


class ShopAdapter(Platform):
    """The adapter of the tiny shop, for a shop that keeps returns and pauses itself."""

    name = "Tiny"
    Config = StoreConfig

    def __init__(self, url: str, *, write_url: str | None = None, whole: float = 3.0) -> None:
        super().__init__(StoreConfig(id="shop", platform="tiny", currency="EUR"))
        limits = Limits(whole=whole, retries=0, circuit_failures=1000)
        self.reading = Transport("shop", url, allow_private=True, limits=limits)
        self.writing = Transport("shop", write_url or url, allow_private=True, limits=limits)

    def health(self) -> StoreHealth:
        return healthy()

    async def _probe(self) -> Probe:
        return Probe()

    async def close(self) -> None:
        await self.reading.close()
        await self.writing.close()

    async def _read(self, path: str, ids: Sequence[str] = ()) -> Any:
        query = [("ids", ",".join(ids))] if ids else []

        def read(reply: Reply) -> Any:
            try:
                return json.loads(reply.body)
            except ValueError:
                raise Unreadable("not JSON") from None

        return await self.reading.send(Call(f"read {path}", "GET", path, query), read=read)

    async def _write(self, path: str, body: dict[str, Any]) -> Any:
        call = Call("write", "POST", path, body=json.dumps(body).encode(), writes=True)

        def read(reply: Reply) -> Any:
            if reply.status == 422:
                raise Refused("the shop refuses", native=[Native(json.loads(reply.body)["error"], http_status=422)])
            try:
                return json.loads(reply.body)
            except ValueError:
                raise Unreadable("not JSON") from None

        return await self.writing.send(call, read=read)

    async def orders(self, ids: Sequence[str], parts: OrderParts) -> Mapping[str, Order]:
        return {id: self._order(id, body, parts) for id, body in (await self._read("/orders", ids)).items()}

    async def subscriptions(self, ids: Sequence[str], parts: SubscriptionParts) -> Mapping[str, Subscription]:
        return {id: self._subscription(id, body) for id, body in (await self._read("/subscriptions", ids)).items()}

    async def profiles_by_id(self, ids: Sequence[str]) -> Mapping[str, CustomerProfile]:
        found = await self._read("/customers", ids)
        return {
            id: CustomerProfile(id=make_id("CustomerProfile", "shop", id), source=self.source(id), email=body["email"])
            for id, body in found.items()
        }

    async def cancel_order(self, request: CancelOrder) -> Outcome:
        told = {"reason": request.reason.value, "restock": request.restock, "notify": request.notify_customer}
        answer = await self._write(f"/orders/{request.order.source.native_id}/cancel", told)
        return Pending(answer["job"]) if "job" in answer else Done()

    async def return_order(self, request: ReturnOrder) -> Outcome:
        lines = [{"id": line.line.native_id, "quantity": line.quantity} for line in request.lines]
        answer = await self._write(f"/orders/{request.order.source.native_id}/return", {"lines": lines})
        return Done(answer["id"])

    async def refund_sum(self, ask: RefundAsk) -> RefundSum:
        total = Money.of(Decimal(40) * sum(line.quantity for line in ask.lines), "EUR")
        return RefundSum(items=total, total=total)

    async def refund_order(self, request: RefundOrder) -> Outcome:
        told = {"amount": str(request.amount.amount), "reason": request.reason}
        answer = await self._write(f"/orders/{request.order.source.native_id}/refund", told)
        return Done(answer["id"])

    async def pause_subscription(self, request: PauseSubscription) -> Outcome:
        return await self._change(request.subscription, {"status": "paused"})

    async def resume_subscription(self, request: ResumeSubscription) -> Outcome:
        return await self._change(request.subscription, {"status": "active"})

    async def cancel_subscription(self, request: CancelSubscription) -> Outcome:
        return await self._change(request.subscription, {"status": "cancelled", "reason": request.reason})

    async def _change(self, subscription: Subscription, body: dict[str, Any]) -> Outcome:
        await self._write(f"/subscriptions/{subscription.source.native_id}/change", body)
        return Done()

    async def job_now(self, job: str) -> Outcome:
        state = (await self._read(f"/jobs/{job}"))["state"]
        if state == "failed":
            raise Refused("the job failed")
        return Done() if state == "done" else Pending(job)

    def _order(self, id: str, body: dict[str, Any], parts: OrderParts) -> Order:
        returned = {
            line["id"]: sum(
                one["quantity"] for made in body["returns"] for one in made["lines"] if one["id"] == line["id"]
            )
            for line in body["lines"]
        }
        lines = [
            OrderLine(
                id=make_id("OrderLine", "shop", id, line["id"]),
                title=line["title"],
                quantity=LineQuantity(
                    ordered=line["ordered"],
                    current=line["ordered"],
                    returned=returned[line["id"]],
                    returnable=line["ordered"] - returned[line["id"]],
                ),
                unit_price=MoneyPair.same("40.00", "EUR"),
                total=MoneyPair.same(Decimal("40.00") * line["ordered"], "EUR"),
                is_gift_card=False,
                native_id=line["id"],
            )
            for line in body["lines"]
        ]
        paid = MoneyPair.same("120.00", "EUR")
        refunded = sum((Decimal(one["amount"]) for one in body["refunds"]), Decimal("0.00"))
        order = Order(
            id=make_id("Order", "shop", id),
            source=self.source(id),
            number=f"100{id}",
            status=OrderStatus(body["status"].upper()),
            payment_status=PaymentStatus.PAID,
            fulfillment_status=FulfillmentStatus.FULFILLED,
            return_status=OrderReturnStatus.NONE,
            native_status=body["status"],
            placed_at=datetime.now(UTC) - timedelta(days=3),
            totals=OrderTotals(
                subtotal=paid,
                total=paid,
                refunded=MoneyPair.same(refunded, "EUR"),
                refundable=MoneyPair.same(body["left"], "EUR"),
            ),
            owner=canonical_email(body["email"]),
            lines=lines if OrderParts.LINES in parts else NOT_LOADED,
            fulfillments=[] if OrderParts.FULFILLMENTS in parts else NOT_LOADED,
            returns=NOT_LOADED,
            refunds=[
                Refund(
                    id=make_id("Refund", "shop", id, refund["id"]),
                    status=RefundStatus.COMPLETED,
                    amount=MoneyPair.same(refund["amount"], "EUR"),
                    destination=RefundDestination.ORIGINAL_PAYMENT,
                    money_moved=MoneyMoved.YES,
                    created_at=datetime.fromisoformat(refund["at"]),
                )
                for refund in body["refunds"]
            ]
            if OrderParts.REFUNDS in parts
            else NOT_LOADED,
        )
        if OrderParts.RETURNS in parts:
            known = {line.native_id: line for line in lines}
            order.returns = [
                Return(
                    id=make_id("Return", "shop", id, made["id"]),
                    source=self.source(made["id"]),
                    status=ReturnStatus.APPROVED,
                    native_status="open",
                    held_by=RecordHolder.PLATFORM,
                    order=order,
                    lines=[
                        ReturnLine(line=known[one["id"]], quantity=one["quantity"], reason=ReturnReason.OTHER)
                        for one in made["lines"]
                    ],
                    resolution=ReturnResolution.REFUND,
                    requested_at=datetime.fromisoformat(made["at"]),
                )
                for made in body["returns"]
            ]
        return order

    def _subscription(self, id: str, body: dict[str, Any]) -> Subscription:
        month = Interval(unit=IntervalUnit.MONTH, count=1)
        return Subscription(
            id=make_id("SubscriptionContract", "shop", id),
            source=self.source(id),
            status=SubscriptionStatus(body["status"].upper()),
            native_status=body["status"],
            lines=[SubscriptionLine(title="Coffee", quantity=1, price=Money.of("18.00", "EUR"))],
            billing_interval=month,
            delivery_interval=month,
            payment_failed=False,
            next_billing_at=date.fromisoformat(body["next"]),
            cycles_completed=1,
            customer_ref=ProfileRef("shop", body["customer"]),
            origin_order_ref=None,
        )


class BareAdapter(ShopAdapter):
    """A shop without returns, where a pause is a later bill: the gateway keeps both."""

    name = "Bare"
    keeps_returns: ClassVar[bool] = False
    keeps_pauses: ClassVar[bool] = False
    pause_needs_until: ClassVar[bool] = True

    async def orders(self, ids: Sequence[str], parts: OrderParts) -> Mapping[str, Order]:
        found = await super().orders(ids, parts)
        for order in found.values():
            if order.has("lines"):
                for line in order.lines:
                    line.quantity.returned, line.quantity.returnable = 0, line.quantity.ordered
            if order.has("returns"):
                order.returns = []
        return found

    async def pause_subscription(self, request: PauseSubscription) -> Outcome:
        assert request.until is not None
        return await self._change(request.subscription, {"next": request.until.isoformat()})

    async def resume_subscription(self, request: ResumeSubscription) -> Outcome:
        return await self._change(request.subscription, {"next": str(request.bill_on)})


class CancelsOnly(ShopAdapter):
    """A shop without returns and subscriptions."""

    return_order = Platform.return_order
    refund_sum = Platform.refund_sum
    refund_order = Platform.refund_order
    pause_subscription = Platform.pause_subscription
    resume_subscription = Platform.resume_subscription
    cancel_subscription = Platform.cancel_subscription


# ------------------------------------------------------------------------------------------------ the desk


@dataclass
class Clock:
    """The real time, and how far it was moved on."""

    ahead: timedelta = timedelta()

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self.ahead

    def advance(self, seconds: float) -> None:
        self.ahead += timedelta(seconds=seconds)


@dataclass
class Rules:
    """A policy of one function, for a quote of 40 EUR a returned unit and 95 EUR a cancelled order."""

    verdict: Callable[[Asked, History], Verdict] = lambda asked, history: Verdict.ALLOW
    staff_only: bool = False
    #: What the request would cost the customer.
    fee: str | None = None
    policy: str = "d1"
    decided: list[Asked] = field(default_factory=list)

    def decide_fully(
        self, asked: Asked, history: History, viewer: Viewer, now: datetime, locale: str = "en"
    ) -> Decision:
        self.decided.append(asked)
        verdict = self.verdict(asked, history)
        return Decision(
            verdict=verdict,
            reasons=[
                DecisionReason(
                    code=ReasonCode.OK if verdict is Verdict.ALLOW else ReasonCode.FINAL_SALE,
                    rule="the-rule",
                    customer_message="Sold as final sale." if verdict is Verdict.DENY else "",
                    line=asked.lines[0].line if asked.lines else None,
                    staff_only=self.staff_only,
                )
            ],
            policy=PolicyVersion(name="acme", digest=self.policy),
            decided_at=now,
            conditions=[Condition(kind=ConditionKind.RESTOCKING_FEE, text="A fee.", amount=Money.of(self.fee, "EUR"))]
            if self.fee is not None
            else [],
        )

    def quote(self, asked: Asked, decision: Decision) -> Quote | None:
        if asked.order is None:
            return None
        if asked.amount is not None:
            return Quote(
                items=asked.amount,
                total=asked.amount,
                destination=RefundDestination.ORIGINAL_PAYMENT,
                estimated=False,
            )
        units = sum(line.quantity for line in asked.lines)
        total = Money.of(Decimal(40) * units if asked.lines else Decimal("95.00"), "EUR")
        return Quote(items=total, total=total, destination=RefundDestination.ORIGINAL_PAYMENT, estimated=False)

    def fees(self, asked: Asked, decision: Decision) -> Sequence[Fee]:
        return [Fee(kind=FeeKind.RESTOCKING, amount=Money.of("4.00", "EUR"))]

    def restocking_percent(self, asked: Asked, decision: Decision, line: OrderLine) -> Decimal:
        return Decimal(10)

    def approver(self, decision: Decision) -> str:
        return "support-lead"

    def recorded_facts(self, asked: Asked, history: History, viewer: Viewer, now: datetime) -> dict[str, Any]:
        found = {"order.status": asked.order.status.value} if asked.order is not None else {}
        return found | ({"request.amount": str(asked.amount.amount)} if asked.amount is not None else {})


def always(verdict: Verdict) -> Rules:
    return Rules(lambda asked, history: verdict)


@dataclass
class Watcher:
    moves: list[tuple[str, str]] = field(default_factory=list)
    rules: list[tuple[str, str, str, bool]] = field(default_factory=list)

    def action_moved(self, kind: str, state: str) -> None:
        self.moves.append((kind, state))

    def decided(self, action: str, rule: str, verdict: str, shadow: bool) -> None:
        self.rules.append((action, rule, verdict, shadow))


STAFF = Viewer(actor=Actor(kind=ActorKind.STAFF, name="Sam"), assurance=AssuranceLevel.STAFF, client="desk")


def person(name: str, *roles: str, email: str = "") -> Viewer:
    """Somebody of the staff, in person."""
    return Viewer(
        actor=Actor(kind=ActorKind.STAFF, name=name),
        assurance=AssuranceLevel.STAFF,
        roles=list(roles),
        client=f"jwt:{name}",
        person=email,
    )


LEE = person("Lee", "support-lead")


def customer(email: str, assurance: AssuranceLevel = AssuranceLevel.VERIFIED) -> Viewer:
    return Viewer(
        actor=Actor(kind=ActorKind.CUSTOMER, name=email),
        assurance=assurance,
        customer_email=email,
        client="widget",
    )


PATIENCE = Patience(lease=3.0, settle=0.0, look=0.01, look_most=0.05)


@dataclass
class World:
    """A shop, served; a ledger; and desks that may be ended and begun again."""

    shop: Shop
    faults: OnWrites
    url: str
    #: Of the ledger.
    address: str
    clock: Clock = field(default_factory=Clock)
    rules: Rules = field(default_factory=Rules)
    watcher: Watcher = field(default_factory=Watcher)
    opened: list[tuple[ActionDesk, Platform]] = field(default_factory=list)

    async def desk(
        self,
        adapter: Callable[..., Platform] = ShopAdapter,
        *,
        patience: Patience = PATIENCE,
        request_seconds: float = 5.0,
        secret: str = SECRET,
        **options: Any,
    ) -> ActionDesk:
        """A gateway's desk on the ledger; each call is another gateway."""
        platform = adapter(self.url, **options)
        ledger = Ledger(self.address)
        await ledger.open()
        desk = ActionDesk(
            ledger,
            self.rules,
            {"shop": platform},
            clock=self.clock,
            secret=secret,
            gateway_id=uuid.uuid4().hex,
            observer=self.watcher,
            request_seconds=request_seconds,
            patience=patience,
        )
        self.opened.append((desk, platform))
        return desk

    async def end(self, desk: ActionDesk) -> None:
        found = next(pair for pair in self.opened if pair[0] is desk)
        self.opened.remove(found)
        await desk.finish()
        await desk.ledger.close()
        await found[1].close()

    async def staff(self, **options: Any) -> ViewerDesk:
        return self.at(await self.desk(**options))

    def at(self, desk: ActionDesk, viewer: Viewer = STAFF) -> ViewerDesk:
        return desk.of(viewer, self.clock())

    async def sweep(self, desk: ActionDesk, seconds: float = 1.0) -> int:
        """What the background does once, so many seconds later."""
        self.clock.advance(seconds)
        return await Recovery(desk).sweep()


class Street:
    """One address, served by a thread of its own for all tests: a new shop moves in for each."""

    def __init__(self) -> None:
        self.tenant: Any = None
        self.url = ""
        self._ready = threading.Event()
        self._end = asyncio.Event()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=lambda: self._loop.run_until_complete(self._serve()))

    def open(self) -> None:
        self._thread.start()
        assert self._ready.wait(10)

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._end.set)
        self._thread.join(10)
        self._loop.close()

    async def _serve(self) -> None:
        async def app(scope: Any, receive: Any, send: Any) -> None:
            await self.tenant(scope, receive, send)

        async with serve(app) as self.url:
            self._ready.set()
            await self._end.wait()


@asynccontextmanager
async def world(street: Street, address: str) -> AsyncIterator[World]:
    shop = Shop()
    street.tenant = faults = OnWrites(shop.app)
    made = World(shop, faults, street.url, address)
    try:
        yield made
    finally:
        for desk, _ in list(made.opened):
            await made.end(desk)


async def everything(ledger: Ledger) -> str:
    """Every row of every table, as text."""
    async with ledger.reading() as connection:
        return str([(await connection.execute(table.select())).all() for table in metadata.sorted_tables])


# ------------------------------------------------------------------------------------------------ inputs


def cancelling(order: str = ORDER, **more: Any) -> CancelOrderInput:
    return CancelOrderInput(order_id=order, **more)


def returning(quantity: int = 1, line: str = "11", order: str = "1", **more: Any) -> ReturnOrderInput:
    return ReturnOrderInput(
        order_id=f"Order:shop:{order}",
        lines=[ReturnLineInput(line_id=f"OrderLine:shop:{order}:{line}", quantity=quantity, reason=ReturnReason.STYLE)],
        **more,
    )


def refunding(amount: str | None = "10.00", order: str = "1", **more: Any) -> RefundOrderInput:
    return RefundOrderInput(
        order_id=f"Order:shop:{order}",
        currency_code=CurrencyCode("EUR"),
        reason="Damaged",
        **({"amount": Decimal(amount)} if amount is not None else {}) | more,
    )


def pausing(until: date | None = None) -> PauseSubscriptionInput:
    return PauseSubscriptionInput(subscription_id=SUBSCRIPTION, until=until)


def resuming() -> ResumeSubscriptionInput:
    return ResumeSubscriptionInput(subscription_id=SUBSCRIPTION)


def ending(reason: str = "too much coffee") -> CancelSubscriptionInput:
    return CancelSubscriptionInput(subscription_id=SUBSCRIPTION, reason=reason)
