"""The sandbox's world: which stores it has, what its stories are, and how the gateway is told of them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from sandbox.faults import Faulty
from sandbox.serving import serve_all

if TYPE_CHECKING:
    from gateway.settings import Settings
    from platforms.base import StoreConfig
    from sandbox.people import SandboxProvider

# The process of the simulated stores needs nothing of the gateway; what does is imported where it is used, which
# halves the time until that process is ready.

#: `acme.yaml` speaks for us, eu and subs; every other file needs every store.
POLICIES = Path(__file__).parent / "policies"
#: The sandbox's own gateway key: its world is gone when it ends, and so is what was sealed with it.
SECRET = "sandbox-only-secret-known-to-everybody"


@dataclass(frozen=True, slots=True)
class ShopPlan:
    """A store of the sandbox: whose software it stands in for, and how the gateway is configured to reach it."""

    key: str
    platform: str
    settings: Mapping[str, Any]
    #: The settings that hold the simulator's address, from its base URL.
    address: Callable[[str], Mapping[str, Any]]
    #: For measurements, what lifts the vendor's rate limit: of the settings, and of the simulator.
    generous_settings: Mapping[str, Any] = field(default_factory=dict)
    generous_shop: Mapping[str, Any] = field(default_factory=dict)

    #: Options of the simulator.
    shop: Mapping[str, Any] = field(default_factory=dict)

    def generous(self) -> ShopPlan:
        """The same store without its vendor's rate limit."""
        return replace(self, settings={**self.settings, **self.generous_settings}, shop=self.generous_shop)

    def build(self, now: datetime) -> Any:
        """The simulator, seeded relative to `now`: so many days ago is the same time of day there, also where the
        clock was changed since. A window of days would else end a day off for an hour."""
        seed = import_module(f"platforms.{self.platform}.seed")
        simulator = import_module(f"platforms.{self.platform}.simulator")
        return simulator.Simulator(seed.seed(now.astimezone(ZoneInfo(self.settings["time_zone"]))), **self.shop)

    def config(self, url: str) -> StoreConfig:
        """How the gateway is configured to reach the store at `url`."""
        from platforms.registry import PLATFORMS
        from platforms.secrets import SecretText

        simulator = import_module(f"platforms.{self.platform}.simulator")
        credentials = {name: SecretText(value) for name, value in simulator.CREDENTIALS.items()}
        values = {**self.settings, **self.address(url), "credentials": credentials, "allow_private_address": True}
        return (
            PLATFORMS[self.platform].load().Config.model_validate({"id": self.key, "platform": self.platform, **values})
        )


PLANS: tuple[ShopPlan, ...] = (
    ShopPlan(
        "us",
        "shopify",
        {"name": "Acme US", "shop": "acme-us", "time_zone": "America/New_York", "currency": "USD"},
        lambda url: {"url": url},
    ),
    ShopPlan(
        "eu",
        "woocommerce",
        {"name": "Acme EU", "time_zone": "Europe/Berlin", "currency": "EUR"},
        lambda url: {"url": url},
    ),
    ShopPlan(
        "subs",
        "recharge",
        {"name": "Acme Subscriptions", "time_zone": "America/New_York", "currency": "USD", "extends": "us"},
        lambda url: {"url": url},
        {"calls_at_once": 1e9, "calls_per_second": 1e9},
        {"bucket": 1e9},
    ),
    ShopPlan(
        "ca",
        "bigcommerce",
        {"name": "Acme Canada", "store_hash": "ca5andb0x", "time_zone": "America/Toronto", "currency": "CAD"},
        lambda url: {"url": url},
        generous_shop={"quota": 1_000_000},
    ),
    ShopPlan(
        "se",
        "medusa",
        {"name": "Acme Sverige", "time_zone": "Europe/Stockholm", "currency": "SEK", "locale": "sv"},
        lambda url: {"url": url},
    ),
    ShopPlan(
        "de",
        "commercetools",
        {"name": "Acme DE", "project": "acme-de", "time_zone": "Europe/Berlin", "currency": "EUR", "locale": "de-DE"},
        lambda url: {"url": url, "auth_url": url},
    ),
    ShopPlan(
        "nl",
        "magento",
        {"name": "Acme NL", "time_zone": "Europe/Amsterdam", "currency": "EUR", "locale": "nl"},
        lambda url: {"url": url},
    ),
)


@dataclass(frozen=True, slots=True)
class Story:
    """One thing in the world, for the table that `aftersale demo` prints."""

    what: str
    store: str
    customer: str
    story: str
    id: str


#: How the Swedish shop's own ids begin.
_SE = "order_01M8SE0000000000000000"

#: How the German shop's own ids end.
_DE = "0000-4000-8000-00000000"

STORIES: tuple[Story, ...] = (
    Story("#1001", "us", "ada@example.com", "paid, in transit with tracking", "Order:us:450789001"),
    Story("#1002", "us", "ada@example.com", "delivered yesterday, two products, one twice", "Order:us:450789002"),
    Story("#1003", "us", "ada@example.com", "delivered 31 days ago", "Order:us:450789003"),
    Story("#1004", "us", "cleo@example.com", "paid 20 minutes ago, nothing shipped", "Order:us:450789004"),
    Story("#1005", "us", "cleo@example.com", "one line delivered 40 days ago, one 5", "Order:us:450789005"),
    Story("#1006", "us", "cleo@example.com", "delivered 3 days ago, one line final-sale", "Order:us:450789006"),
    Story("#1007", "us", "joann@example.com", "delivered 2 days ago, partly refunded", "Order:us:450789007"),
    Story("2001", "eu", "ada@example.com", "paid, processing", "Order:eu:2001"),
    Story("2002", "eu", "bob@example.com", "guest, completed 3 days ago", "Order:eu:2002"),
    Story("2003", "eu", "ann@example.com", "completed 10 days ago, over 100 EUR", "Order:eu:2003"),
    Story("2004", "eu", "ada@example.com", "cancelled", "Order:eu:2004"),
    Story("5001", "ca", "bea@example.com", "guest, sent 12 days ago, one unit refunded", "Order:ca:5001"),
    Story("5002", "ca", "ada@example.com", "sent 18 days ago with tracking", "Order:ca:5002"),
    Story("5003", "ca", "noah@example.com", "placed 20 minutes ago, payment authorised", "Order:ca:5003"),
    Story("5004", "ca", "ada@example.com", "paid 8 days ago, nothing sent", "Order:ca:5004"),
    Story("3001", "se", "ada@example.com", "delivered 6 days ago, two products", f"Order:se:{_SE}3001"),
    Story("3002", "se", "ada@example.com", "authorised 9 days ago, nothing sent", f"Order:se:{_SE}3002"),
    Story("3003", "se", "elin@example.com", "guest, paid, a final-sale line", f"Order:se:{_SE}3003"),
    Story("D-3001", "de", "ada@example.com", "paid 6 days ago, being packed", f"Order:de:0de00001-{_DE}3001"),
    Story("D-3002", "de", "ada@example.com", "sent 6 days ago with tracking", f"Order:de:0de00001-{_DE}3002"),
    Story("D-3003", "de", "emil@example.com", "guest, not paid yet", f"Order:de:0de00001-{_DE}3003"),
    Story("000003001", "nl", "ada@example.com", "sent 10 days ago, with tracking", "Order:nl:3001"),
    Story("000003002", "nl", "ada@example.com", "placed 7 days ago, not paid", "Order:nl:3002"),
    Story("000003003", "nl", "finn@example.com", "guest, one of two paid back", "Order:nl:3003"),
    Story("9001", "subs", "ada@example.com", "active, bills in 2 days", "SubscriptionContract:subs:9001"),
    Story("9002", "subs", "cleo@example.com", "active, first of at least 3 cycles", "SubscriptionContract:subs:9002"),
    Story("9003", "subs", "dan@example.com", "last payment failed", "SubscriptionContract:subs:9003"),
    Story("coffee", "de", "ada@example.com", "active, every 4 weeks", f"SubscriptionContract:de:0de00010-{_DE}0001"),
)


@dataclass(frozen=True, slots=True)
class Shop:
    """A simulated store as it runs."""

    plan: ShopPlan
    simulator: Any
    faulty: Faulty
    url: str


@asynccontextmanager
async def open_shops(now: datetime, plans: tuple[ShopPlan, ...] = PLANS) -> AsyncIterator[dict[str, Shop]]:
    """Serve every simulated store on a loopback port of its own, by store id."""
    faulty = {plan.key: Faulty(plan.build(now), plan.key) for plan in plans}
    async with serve_all(faulty) as urls:
        yield {plan.key: Shop(plan, faulty[plan.key].app, faulty[plan.key], urls[plan.key]) for plan in plans}


def sandbox_settings(
    urls: Mapping[str, str],
    folder: Path,
    *,
    host: str = "127.0.0.1",
    port: int = 8000,
    generous: bool = False,
    people: SandboxProvider | None = None,
    **changes: Any,
) -> Settings:
    """The gateway's settings for stores that listen at `urls`; the ledger lies in `folder`.

    `generous`: the stores know no rate limits. `people`: who vouches for staff and customers.
    """
    from gateway.settings import ApiKey, Deadlines, Rates, Server, Settings
    from platforms.secrets import SecretText
    from sandbox.people import BOT, BOT_KEY, BOT_SCOPES

    plans = {plan.key: plan.generous() if generous else plan for plan in PLANS}
    values: dict[str, Any] = {
        "stores": {key: plans[key].config(url) for key, url in urls.items()},
        "policies": POLICIES if set(urls) == set(plans) else POLICIES / "acme.yaml",
        "database": f"sqlite:///{folder / 'aftersale.db'}",
        "secret": SecretText(SECRET),
        "api_keys": (ApiKey(name=BOT, key=SecretText(BOT_KEY), scopes=BOT_SCOPES),),
        "identity_providers": (people.config(),) if people is not None else (),
        "rates": Rates(client_per_minute=1_000_000, customer_per_minute=1_000_000),
        "server": Server(host=host, port=port),
        "production": False,
        "deadlines": Deadlines(),
    }
    return Settings(**{**values, **changes})
