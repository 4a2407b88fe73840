"""What the conformance suite needs to know of each platform: its seeded world, and how to add to it."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from importlib import import_module
from pathlib import Path
from typing import Any, ClassVar, Protocol

from platforms.base import SUBSCRIPTION_ACTIONS, Platform, Services
from platforms.registry import PLATFORMS
from platforms.transport import Limits
from sandbox.faults import Faulty
from sandbox.world import PLANS
from schema.vocabulary import ActionKind

#: The vendors' recorded answers and examples.
RECORDED = Path(__file__).parents[1] / "platforms"
#: The instant at which every seeded world of the suite stands.
NOW = datetime(2026, 11, 23, 15, 4, 5, tzinfo=UTC)


class Hand(Protocol):
    """Adds to a simulated store what the seeded world lacks, in the vendor's own bodies. Each gives a native id."""

    def customer(self, email: str) -> str: ...
    def order(self, email: str, at: datetime, *, guest: bool = False) -> str: ...
    def subscription(self, email: str, at: datetime) -> str: ...


@dataclass(frozen=True, slots=True)
class Case:
    """One platform's store of the sandbox. What it does not have is left empty."""

    hand: Callable[[Any], Hand]
    #: Native id to the owner's address.
    orders: Mapping[str, str] = field(default_factory=dict)
    profiles: Mapping[str, str] = field(default_factory=dict)
    #: Native id to the owner's address; empty where the suite adds some.
    subscriptions: Mapping[str, str] = field(default_factory=dict)
    products: tuple[str, ...] = ()
    #: Orders by number, as a shopper may type it.
    numbers: Mapping[str, str] = field(default_factory=dict)
    #: Order (of the shop it extends) to its subscriptions.
    subscriptions_of: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    #: The order or subscription that an action is tried on; None: one that the hand adds.
    targets: Mapping[ActionKind, str | None] = field(default_factory=dict)
    #: Calls of an action that change the store, where they are not one.
    writes: Mapping[ActionKind, int] = field(default_factory=dict)
    #: The platform tells only the sum of an order's refunds, so an order is paid back once.
    refunds_once: bool = False
    #: How long a pause is tried for; None where it has no end.
    pause: timedelta | None = None
    #: Settings beyond those of the sandbox.
    settings: Mapping[str, Any] = field(default_factory=dict)


class World:
    """A platform's simulator, fresh from its seed, behind `url`; its clock stands still until it is moved."""

    def __init__(self, name: str, url: str) -> None:
        self.name = name
        self.case = CASES[name]
        # What a vendor limits has tests of its own; here it would only be waited for.
        self.plan = next(plan for plan in PLANS if plan.platform == name).generous()
        self.store = self.plan.key
        self.now = NOW
        seed = import_module(f"platforms.{name}.seed").seed
        self.simulator = import_module(f"platforms.{name}.simulator").Simulator(
            seed(NOW), clock=lambda: self.now, **self.plan.shop
        )
        self.faulty = Faulty(self.simulator, self.store)
        #: What answers at the address.
        self.door: Any = self.faulty
        self.hand = self.case.hand(self.simulator)
        self.url = url
        self.opened: list[Platform] = []
        #: Answers that a test bent on purpose, which are then nothing to hold to the definition.
        self.bent = False

    def faults(self) -> list[str]:
        """Where a call that was made, or what it was answered, is not as the vendor's own definition says."""
        told = import_module(f"tests.platforms.{self.name}_contract").faults
        return [] if self.bent else [fault for received in self.simulator.calls for fault in told(received)]

    def platform(self, *, retries: int = 0, settings: Mapping[str, Any] | None = None) -> Platform:
        """A new adapter of the store, as the sandbox configures it, with the case's settings or those given."""
        settled = self.plan.config(self.url)
        given = {name: getattr(settled, name) for name in settled.model_fields_set}
        given |= self.case.settings if settings is None else settings
        config = type(settled)(**given)
        limits = Limits(retries=retries, backoff=0.01, circuit_failures=100)
        platform = PLATFORMS[self.name].load()(config, Services(clock=lambda: self.now, limits=limits))
        self.opened.append(platform)
        return platform

    @property
    def calls(self) -> int:
        return len(self.simulator.calls)

    @property
    def writes(self) -> int:
        return len(self.simulator.writes)


class Reworded:
    """Passes answers on with one word changed, such as the simulator cannot say."""

    def __init__(self, app: Any, was: str, becomes: str) -> None:
        self.app, self.was, self.becomes = app, was.encode(), becomes.encode()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        started: list[Any] = []

        async def changed(message: Any) -> None:
            if message["type"] == "http.response.start":
                started.append(message)
                return
            body = message.get("body", b"").replace(self.was, self.becomes)
            [start] = started
            kept = [(name, value) for name, value in start["headers"] if name != b"content-length"]
            await send({**start, "headers": [*kept, (b"content-length", str(len(body)).encode())]})
            await send({**message, "body": body})

        await self.app(scope, receive, changed)


# ------------------------------------------------------------------------------------------------ hands


class RechargeHand:
    def __init__(self, simulator: Any) -> None:
        self.state = simulator.state

    def customer(self, email: str) -> str:
        id = max(self.state.customers) + 1
        self.state.customers[id] = self.state.customers[6001] | {"id": id, "email": email, "external_customer_id": None}
        return str(id)

    def order(self, email: str, at: datetime, *, guest: bool = False) -> str:
        raise NotImplementedError("billing records are not orders")

    def subscription(self, email: str, at: datetime) -> str:
        held = [id for id, row in self.state.customers.items() if row["email"] == email]
        customer = held[0] if held else int(self.customer(email))
        id = max(self.state.subscriptions) + 1
        made = {"id": id, "customer_id": customer, "created_at": at.isoformat(timespec="seconds")}
        self.state.subscriptions[id] = copy.deepcopy(self.state.subscriptions[9001]) | made
        return str(id)


class WooCommerceHand:
    #: A subscription as the plug-in's reference shows one, here of the shop's own order and money.
    SUBSCRIPTION: ClassVar[Mapping[str, Any]] = {
        "parent_id": 2001,
        "currency": "EUR",
        "start_date_gmt": "2026-10-01T09:00:00",
        "next_payment_date_gmt": "2026-12-01T09:00:00",
    }

    def __init__(self, simulator: Any) -> None:
        self.state = simulator.state

    def _record(self, email: str) -> int | None:
        return next((id for id, row in self.state.customers.items() if row["email"] == email), None)

    def _dated(self, row: dict[str, Any], name: str, at: datetime) -> None:
        import_module("platforms.woocommerce.simulator").stamp(row, name, at, self.state.time_zone)

    def customer(self, email: str) -> str:
        id = self.state.new_id()
        self.state.customers[id] = copy.deepcopy(self.state.customers[31]) | {"id": id, "email": email}
        return str(id)

    def order(self, email: str, at: datetime, *, guest: bool = False) -> str:
        id = self.state.new_id()
        row = copy.deepcopy(self.state.orders[2001])
        customer = 0 if guest else self._record(email) or int(self.customer(email))
        row |= {"id": id, "number": str(id), "customer_id": customer}
        row["billing"]["email"] = email
        self._dated(row, "date_created", at)
        self.state.orders[id] = row
        return str(id)

    def subscription(self, email: str, at: datetime) -> str:
        id = self.state.new_id()
        customer = self._record(email) or int(self.customer(email))
        shown = RECORDED / "woocommerce" / "fixtures" / "subscription.json"
        row: dict[str, Any] = json.loads(shown.read_text(encoding="utf-8"))
        row |= self.SUBSCRIPTION | {"id": id, "customer_id": customer}
        row["billing"]["email"] = email
        self._dated(row, "date_created", at)
        self.state.subscriptions[id] = row
        self.state.subscription_orders[id] = [(2001, "parent")]
        return str(id)


class BigCommerceHand:
    def __init__(self, simulator: Any) -> None:
        self.state = simulator.state

    def _record(self, email: str) -> int | None:
        return next((id for id, row in self.state.customers.items() if row["email"] == email), None)

    def customer(self, email: str) -> str:
        id = self.state.new_id()
        self.state.customers[id] = copy.deepcopy(self.state.customers[41]) | {"id": id, "email": email}
        return str(id)

    def order(self, email: str, at: datetime, *, guest: bool = False) -> str:
        id = self.state.new_id()
        row = copy.deepcopy(self.state.orders[5004])
        customer = 0 if guest else self._record(email) or int(self.customer(email))
        placed = import_module("platforms.bigcommerce.simulator").rfc(at)
        row |= {"id": id, "customer_id": customer, "date_created": placed}
        row["billing_address"]["email"] = email
        self.state.orders[id] = row
        for held in (self.state.products, self.state.shipping_addresses):
            held[id] = [copy.deepcopy(one) | {"order_id": id} for one in held[5004]]
        return str(id)

    def subscription(self, email: str, at: datetime) -> str:
        raise NotImplementedError("the platform has no subscriptions")


class MagentoHand:
    def __init__(self, simulator: Any) -> None:
        self.state = simulator.state

    def customer(self, email: str) -> str:
        id = self.state.new_id()
        self.state.customers[id] = copy.deepcopy(self.state.customers[41]) | {"id": id, "email": email}
        return str(id)

    def order(self, email: str, at: datetime, *, guest: bool = False) -> str:
        id = self.state.new_id()
        row = copy.deepcopy(self.state.orders[3002])
        placed = at.strftime("%Y-%m-%d %H:%M:%S")
        row |= {"entity_id": id, "increment_id": f"{id:09d}", "created_at": placed, "customer_email": email}
        held = [known for known, one in self.state.customers.items() if one["email"] == email]
        row |= {"customer_id": None if guest else held[0] if held else int(self.customer(email))}
        row["customer_is_guest"] = int(guest)
        self.state.orders[id] = row
        return str(id)

    def subscription(self, email: str, at: datetime) -> str:
        raise NotImplementedError("this platform has no subscriptions")


class ShopifyHand:
    #: A contract of our own app, billing each month.
    CONTRACT: ClassVar[Mapping[str, Any]] = {
        "__typename": "SubscriptionContract",
        "status": "ACTIVE",
        "nextBillingDate": "2026-12-01T09:00:00Z",
        "currencyCode": "USD",
        "lastPaymentStatus": "SUCCEEDED",
        "billingPolicy": {"interval": "MONTH", "intervalCount": 1, "minCycles": 3, "maxCycles": None},
        "deliveryPolicy": {"interval": "MONTH", "intervalCount": 1},
    }

    def __init__(self, simulator: Any) -> None:
        self.state = simulator.state
        self.numbers = iter(range(990001, 999999))

    def _record(self, email: str) -> str | None:
        rows = self.state.of("Customer")
        return next((row["id"] for row in rows if row["defaultEmailAddress"]["emailAddress"] == email), None)

    def customer(self, email: str) -> str:
        number = str(next(self.numbers))
        made = {
            "id": f"gid://shopify/Customer/{number}",
            "legacyResourceId": number,
            "defaultEmailAddress": {"emailAddress": email},
        }
        self.state.add(copy.deepcopy(self.state.objects["gid://shopify/Customer/7001"]) | made)
        return number

    def _customer(self, email: str) -> str:
        return self._record(email) or f"gid://shopify/Customer/{self.customer(email)}"

    def order(self, email: str, at: datetime, *, guest: bool = False) -> str:
        number = str(next(self.numbers))
        placed = at.isoformat().replace("+00:00", "Z")
        made = {
            "id": f"gid://shopify/Order/{number}",
            "legacyResourceId": number,
            "name": f"#{number}",
            "email": email,
            "createdAt": placed,
            "processedAt": placed,
            "updatedAt": placed,
            "customer": None if guest else self._customer(email),
        }
        self.state.add(copy.deepcopy(self.state.order("450789004")) | made)
        return number

    def subscription(self, email: str, at: datetime) -> str:
        number = str(next(self.numbers))
        begun = at.isoformat().replace("+00:00", "Z")
        origin = self.state.order("450789003")
        line = {
            "__typename": "SubscriptionLine",
            "id": f"gid://shopify/SubscriptionLine/{number}",
            "title": "Coffee Beans 1kg",
            "sku": "BEAN",
            "quantity": 1,
            "productId": "gid://shopify/Product/8005",
            "variantId": "gid://shopify/ProductVariant/8501",
            "currentPrice": {"amount": "18.00", "currencyCode": "USD"},
        }
        made = {
            "id": f"gid://shopify/SubscriptionContract/{number}",
            "createdAt": begun,
            "updatedAt": begun,
            "customer": self._customer(email),
            "lines": [line],
            "originOrder": origin["id"],
        }
        self.state.add(dict(self.CONTRACT) | made)
        origin["lineItems"][1]["contract"] = made["id"]
        return number


class MedusaHand:
    def __init__(self, simulator: Any) -> None:
        self.state = simulator.state

    def _of(self, kind: str, number: int) -> str:
        return str(import_module("platforms.medusa.seed").native(kind, number))

    def _instant(self, at: datetime) -> str:
        return str(import_module("platforms.medusa.simulator").instant(at))

    def _record(self, email: str, *, account: bool) -> str | None:
        rows = self.state.customers.values()
        return next((row["id"] for row in rows if (row["email"], row["has_account"]) == (email, account)), None)

    def customer(self, email: str, *, account: bool = True) -> str:
        id = str(self.state.new_id("cus"))
        made = {"id": id, "email": email, "has_account": account}
        self.state.customers[id] = copy.deepcopy(self.state.customers[self._of("cus", 1)]) | made
        return id

    def order(self, email: str, at: datetime, *, guest: bool = False) -> str:
        """Checkout makes a customer without an account for a guest."""
        id = str(self.state.new_id("order"))
        customer = self._record(email, account=not guest) or self.customer(email, account=not guest)
        row = copy.deepcopy(self.state.orders[self._of("order", 3002)])
        placed = {"created_at": self._instant(at), "updated_at": self._instant(at)}
        self.state.orders[id] = row | {"id": id, "display_id": self.state.next_id, "email": email} | placed
        self.state.orders[id]["customer_id"] = customer
        return id

    def subscription(self, email: str, at: datetime) -> str:
        raise NotImplementedError("Medusa has no subscriptions")


class CommercetoolsHand:
    def __init__(self, simulator: Any) -> None:
        self.state = simulator.state
        self.native = import_module("platforms.commercetools.seed").native
        self.stamp = import_module("platforms.commercetools.simulator").stamp

    def _record(self, email: str) -> str | None:
        return next((id for id, row in self.state.customers.items() if row["email"] == email), None)

    def customer(self, email: str) -> str:
        id: str = self.state.new_id()
        row = copy.deepcopy(self.state.customers[self.native("customer", 1)])
        self.state.customers[id] = row | {"id": id, "email": email}
        return id

    def order(self, email: str, at: datetime, *, guest: bool = False) -> str:
        id: str = self.state.new_id()
        row = copy.deepcopy(self.state.orders[self.native("order", 3001)])
        made = {"id": id, "orderNumber": f"H-{id[-6:]}", "createdAt": self.stamp(at), "customerEmail": email}
        del row["customerId"]
        if not guest:
            made["customerId"] = self._record(email) or self.customer(email)
        self.state.orders[id] = row | made
        return id

    def subscription(self, email: str, at: datetime) -> str:
        id: str = self.state.new_id()
        row = copy.deepcopy(self.state.recurring[self.native("recurring", 1)])
        customer = {"typeId": "customer", "id": self._record(email) or self.customer(email)}
        made = {"id": id, "key": id, "createdAt": self.stamp(at), "customer": customer, "customerEmail": email}
        self.state.recurring[id] = row | made
        return id


# ------------------------------------------------------------------------------------------------ one entry a platform

_ALL_SUBSCRIPTIONS = dict.fromkeys(SUBSCRIPTION_ACTIONS)

CASES: Mapping[str, Case] = {
    "shopify": Case(
        ShopifyHand,
        orders={
            "450789001": "ada@example.com",
            "450789002": "ada@example.com",
            "450789003": "ada@example.com",
            "450789004": "cleo@example.com",
            "450789005": "cleo@example.com",
            "450789006": "cleo@example.com",
            "450789007": "joann@example.com",
        },
        profiles={
            "7001": "ada@example.com",
            "7002": "cleo@example.com",
            "7003": "joann@example.com",
            "7004": "dan@example.com",
        },
        products=("8001", "8002", "8003", "8004", "8005", "8006"),
        numbers={"#1001": "450789001", "1007": "450789007"},
        targets=_ALL_SUBSCRIPTIONS
        | {
            ActionKind.CANCEL_ORDER: "450789004",
            ActionKind.RETURN_ORDER: "450789002",
            ActionKind.REFUND_ORDER: "450789002",
        },
        settings={"own_subscriptions": True},
    ),
    "woocommerce": Case(
        WooCommerceHand,
        orders={
            "2001": "ada@example.com",
            "2002": "bob@example.com",
            "2003": "ann@example.com",
            "2004": "ada@example.com",
        },
        profiles={"31": "ada@example.com", "33": "ann@example.com", "34": "joann@example.com"},
        products=("501", "502", "503", "504"),
        numbers={"2001": "2001", "#2003": "2003"},
        targets=dict.fromkeys((ActionKind.CANCEL_ORDER, ActionKind.RETURN_ORDER, ActionKind.REFUND_ORDER), "2001")
        | _ALL_SUBSCRIPTIONS,
        writes={ActionKind.CANCEL_ORDER: 2},  # with the note that tells why
    ),
    "recharge": Case(
        RechargeHand,
        orders={"660001": "ada@example.com", "660002": "cleo@example.com", "660003": "dan@example.com"},
        profiles={"6001": "ada@example.com", "6002": "cleo@example.com", "6003": "dan@example.com"},
        subscriptions={"9001": "ada@example.com", "9002": "cleo@example.com", "9003": "dan@example.com"},
        subscriptions_of={"450789003": ("9001",), "450789006": ("9002",), "450789001": ()},
        targets=dict.fromkeys(SUBSCRIPTION_ACTIONS, "9001") | {ActionKind.REFUND_ORDER: "660003"},
        refunds_once=True,
        pause=timedelta(days=60),
    ),
    "bigcommerce": Case(
        BigCommerceHand,
        orders={
            "5001": "bea@example.com",
            "5002": "ada@example.com",
            "5003": "noah@example.com",
            "5004": "ada@example.com",
        },
        profiles={"41": "ada@example.com", "42": "noah@example.com"},
        products=("301", "302", "303"),
        numbers={"5001": "5001", "#5004": "5004"},
        targets=dict.fromkeys((ActionKind.CANCEL_ORDER, ActionKind.RETURN_ORDER, ActionKind.REFUND_ORDER), "5004"),
    ),
    "medusa": Case(
        MedusaHand,
        orders={
            "order_01M8SE00000000000000003001": "ada@example.com",
            "order_01M8SE00000000000000003002": "ada@example.com",
            "order_01M8SE00000000000000003003": "elin@example.com",
        },
        profiles={
            "cus_01M8SE00000000000000000001": "ada@example.com",
            "cus_01M8SE00000000000000000003": "joann@example.com",
        },
        products=(
            "prod_01M8SE00000000000000000701",
            "prod_01M8SE00000000000000000702",
            "prod_01M8SE00000000000000000703",
        ),
        numbers={"3001": "order_01M8SE00000000000000003001", "#3003": "order_01M8SE00000000000000003003"},
        targets={
            ActionKind.CANCEL_ORDER: "order_01M8SE00000000000000003002",
            ActionKind.RETURN_ORDER: "order_01M8SE00000000000000003001",
            ActionKind.REFUND_ORDER: "order_01M8SE00000000000000003001",
        },
        writes={ActionKind.RETURN_ORDER: 3},  # a draft, its items, the confirmation
    ),
    "magento": Case(
        MagentoHand,
        orders={"3001": "ada@example.com", "3002": "ada@example.com", "3003": "finn@example.com"},
        profiles={"41": "ada@example.com", "43": "joann@example.com"},
        products=("601", "602", "603", "604"),
        numbers={"000003001": "3001", "#000003003": "3003"},
        targets={ActionKind.CANCEL_ORDER: "3002"}
        | dict.fromkeys((ActionKind.RETURN_ORDER, ActionKind.REFUND_ORDER), "3001"),
        writes={ActionKind.CANCEL_ORDER: 2},  # with the comment that tells why
    ),
    "commercetools": Case(
        CommercetoolsHand,
        orders={
            "0de00001-0000-4000-8000-000000003001": "ada@example.com",
            "0de00001-0000-4000-8000-000000003002": "ada@example.com",
            "0de00001-0000-4000-8000-000000003003": "emil@example.com",
        },
        profiles={
            "0de00002-0000-4000-8000-000000000001": "ada@example.com",
            "0de00002-0000-4000-8000-000000000002": "greta@example.com",
        },
        subscriptions={"0de00010-0000-4000-8000-000000000001": "ada@example.com"},
        products=tuple(f"0de00003-0000-4000-8000-{number:012d}" for number in (1, 2, 3, 4)),
        numbers={
            "D-3001": "0de00001-0000-4000-8000-000000003001",
            "#D-3003": "0de00001-0000-4000-8000-000000003003",
        },
        subscriptions_of={
            "0de00001-0000-4000-8000-000000003002": ("0de00010-0000-4000-8000-000000000001",),
            "0de00001-0000-4000-8000-000000003001": (),
        },
        targets=dict.fromkeys(SUBSCRIPTION_ACTIONS, "0de00010-0000-4000-8000-000000000001")
        | {
            ActionKind.CANCEL_ORDER: "0de00001-0000-4000-8000-000000003001",
            ActionKind.RETURN_ORDER: "0de00001-0000-4000-8000-000000003002",
            ActionKind.REFUND_ORDER: "0de00001-0000-4000-8000-000000003001",
        },
    ),
}
