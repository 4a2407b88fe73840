"""The commercetools adapter against a third party's mock of the platform, inside the mock's known gaps.

It does not sort, gives an order's own total no fraction digits, knows no schedule of the vendor's for recurring orders,
and tells a token's scope in no scope's words; what depends on these is held by the simulator's tests.
"""

from __future__ import annotations

import hashlib
import re
import shutil
import subprocess
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio

from platforms.base import (
    ORDER_FACTS,
    CancelOrder,
    Done,
    OrdersQuery,
    Person,
    RefundOrder,
    ReturnedLine,
    ReturnOrder,
    Services,
)
from platforms.commercetools.adapter import Commercetools, CommercetoolsConfig, Credentials
from platforms.errors import Refused
from platforms.secrets import SecretText
from platforms.transport import Limits
from schema.emails import canonical_email
from schema.parts import OrderParts
from schema.values import Money
from schema.vocabulary import (
    CancelReason,
    ItemCondition,
    OrderStatus,
    PaymentStatus,
    RefundChoice,
    RequestedResolution,
    ReturnReason,
    ReturnStatus,
)

HERE = Path(__file__).parent / "commercetools_mock"
ANN, GUEST, JOANN = (canonical_email(f"{name}@example.com") for name in ("ann", "guest", "joann"))
#: It says that it needs Node 22; it was seen to run on 18 and 20.
OLDEST_NODE = 18


def _node() -> int:
    """Node's major version; 0 where Node or npm is missing."""
    if not shutil.which("node") or not shutil.which("npm"):
        return 0
    said = subprocess.run(["node", "--version"], capture_output=True, text=True, check=False).stdout
    found = re.match(r"v(\d+)\.", said)
    return int(found[1]) if found else 0


pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.skipif(
        _node() < OLDEST_NODE,
        reason=f"Node {OLDEST_NODE} or later, with npm, is missing: the commercetools mock needs it",
    ),
]


@pytest.fixture(scope="module")
def installed(pytestconfig: pytest.Config) -> Path:
    """The mock as its lock file has it, in the test run's cache folder; made anew when the lock file changes."""
    assert pytestconfig.cache is not None
    digest = hashlib.sha256((HERE / "package-lock.json").read_bytes()).hexdigest()[:16]
    folder = pytestconfig.cache.mkdir(f"commercetools-mock-{digest}")
    for name in ("package.json", "package-lock.json", ".npmrc", "server.mjs"):
        shutil.copy(HERE / name, folder)
    if not (folder / ".installed").exists():
        done = subprocess.run(["npm", "ci"], cwd=folder, capture_output=True, text=True, timeout=300, check=False)
        assert done.returncode == 0, done.stderr
        (folder / ".installed").touch()
    return folder


@pytest.fixture(scope="module")
def mock(installed: Path) -> Iterator[str]:
    """The address of a running mock."""
    process = subprocess.Popen(
        ["node", "server.mjs"], cwd=installed, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        address = process.stdout.readline().strip()
        assert address.startswith("http://127.0.0.1:"), "the mock did not start"
        yield address
    finally:
        process.stdin.close()
        try:
            process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        process.stdout.close()


@dataclass
class Shop:
    """The mock with a few things in it."""

    url: str
    session: aiohttp.ClientSession
    headers: dict[str, str]
    customer: str = ""
    product: str = ""

    async def post(self, path: str, body: dict[str, Any]) -> Any:
        async with self.session.post(f"{self.url}/test{path}", json=body, headers=self.headers) as response:
            answer = await response.json()
            assert response.status < 300, answer
            return answer

    async def order(self, email: str, number: str, customer: str | None = None, paid: int = 0) -> Any:
        address = {"firstName": "Ann", "lastName": "Lee", "streetName": "Main", "city": "Berlin", "country": "DE"}
        cart = {"currency": "EUR", "country": "DE", "customerEmail": email, "shippingAddress": address}
        cart["lineItems"] = [{"sku": "SHIRT-1", "quantity": 2}]
        made = await self.post("/carts", cart | ({"customerId": customer} if customer else {}))
        draft = {"cart": {"typeId": "cart", "id": made["id"]}, "version": made["version"], "orderNumber": number}
        order = await self.post("/orders", draft | {"orderState": "Open"})
        if paid:
            money = {"currencyCode": "EUR", "centAmount": paid}
            charge = {"type": "Charge", "amount": money, "state": "Success"}
            payment = await self.post("/payments", {"amountPlanned": money, "transactions": [charge]})
            action = {"action": "addPayment", "payment": {"typeId": "payment", "id": payment["id"]}}
            order = await self.change(order, action)
        return order

    async def change(self, order: Any, *actions: dict[str, Any]) -> Any:
        return await self.post(f"/orders/{order['id']}", {"version": order["version"], "actions": list(actions)})


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shop(mock: str) -> AsyncIterator[Shop]:
    async with aiohttp.ClientSession() as session:
        grant = {"grant_type": "client_credentials"}
        basic = {"Authorization": aiohttp.encode_basic_auth("seed", "seed")}
        async with session.post(f"{mock}/oauth/token", data=grant, headers=basic) as response:
            token = (await response.json())["access_token"]
        made = Shop(mock, session, {"Authorization": f"Bearer {token}"})
        ann = await made.post("/customers", {"email": "Ann@example.com", "password": "x", "firstName": "Ann"})
        made.customer = ann["customer"]["id"]
        await made.post("/customers", {"email": "joann@example.com", "password": "x"})
        kind = await made.post("/product-types", {"name": "Shirts", "description": "Shirts", "key": "shirts"})
        price = {"value": {"currencyCode": "EUR", "centAmount": 1999}}
        product = {
            "productType": {"typeId": "product-type", "id": kind["id"]},
            "name": {"en": "Blue Shirt", "de": "Blaues Hemd"},
            "slug": {"en": "blue-shirt"},
            "publish": True,
            "masterVariant": {"sku": "SHIRT-1", "prices": [price]},
        }
        made.product = (await made.post("/products", product))["id"]
        yield made


@pytest_asyncio.fixture(loop_scope="module")
async def store(shop: Shop) -> AsyncIterator[Commercetools]:
    adapter = _adapter(shop.url)
    yield adapter
    await adapter.close()


def _adapter(url: str, **changed: Any) -> Commercetools:
    settings: dict[str, Any] = {
        "id": "de",
        "project": "test",
        "url": url,
        "auth_url": url,
        "currency": "EUR",
        "locale": "de",
        "allow_private_address": True,
        "credentials": Credentials(client_id=SecretText("a"), client_secret=SecretText("b")),
    }
    return Commercetools(CommercetoolsConfig(**(settings | changed)), Services(limits=Limits(retries=0)))


async def test_orders_come_by_id_and_by_number(shop: Shop, store: Commercetools) -> None:
    mine = await shop.order("ann@example.com", "1001", shop.customer, paid=3998)
    guest = await shop.order("guest@example.com", "1002")
    missing = "00000000-0000-4000-8000-000000000000"
    found = await store.orders([mine["id"], missing, guest["id"]], OrderParts.ALL)
    assert sorted(found) == sorted([mine["id"], guest["id"]])
    order = found[mine["id"]]
    assert (order.number, order.status, order.native_status) == ("1001", OrderStatus.OPEN, "Open")
    assert (order.owner, order.customer_native_id) == (ANN, shop.customer)
    assert (found[guest["id"]].owner, found[guest["id"]].customer_native_id) == (GUEST, None)
    [line] = order.lines
    assert (line.title, line.sku, line.product_type) == ("Blaues Hemd", "SHIRT-1", "Shirts")
    assert line.quantity.ordered == 2
    assert (line.unit_price.shop.amount, line.total.shop.amount) == (Decimal("19.99"), Decimal("39.98"))
    assert order.totals.refundable.shop.amount == Decimal("39.98")
    assert (await store.orders_by_number("#1002", OrderParts.NONE))[0].source.native_id == guest["id"]
    assert list(await store.orders_by_number('1002" or "1"="1', OrderParts.NONE)) == []


async def test_people_are_found_exactly(shop: Shop, store: Commercetools) -> None:
    found = await store.profiles([ANN, JOANN, GUEST])
    assert {email: len(rows) for email, rows in found.items()} == {ANN: 1, JOANN: 1, GUEST: 0}
    assert found[ANN][0].email == "ann@example.com"  # it keeps addresses in small letters
    assert list(await store.profiles_by_id([shop.customer])) == [shop.customer]
    one = await shop.order("solo@example.com", "1003")
    solo = Person.known(canonical_email("solo@example.com"))
    page = await store.orders_of(solo, OrdersQuery(5), OrderParts.NONE)
    assert ([row.node.source.native_id for row in page.rows], page.more) == ([one["id"]], False)
    behind = await store.orders_of(solo, OrdersQuery(5, page.rows[0].position), OrderParts.NONE)
    assert list(behind.rows) == []


async def test_a_product_has_its_price(shop: Shop, store: Commercetools) -> None:
    found = (await store.products([shop.product]))[shop.product]
    assert (found.title, found.product_type) == ("Blaues Hemd", "Shirts")
    assert [(one.sku, one.price.amount if one.price else None) for one in found.all_variants] == [
        ("SHIRT-1", Decimal("19.99"))
    ]


async def test_an_order_is_cancelled_once_and_another_hand_is_seen(shop: Shop, store: Commercetools) -> None:
    made = await shop.order("cancel@example.com", "1004")
    order = (await store.orders([made["id"]], ORDER_FACTS))[made["id"]]
    asked = CancelOrder("act-1", order, CancelReason.CUSTOMER, RefundChoice.NONE, False, False)
    made = await shop.change(made, {"action": "setOrderNumber", "orderNumber": "1004-b"})
    assert await store.cancel_order(asked) == Done()  # at the version of now: nothing that matters has changed
    assert await store.happened(asked, order.placed_at) == Done()
    made = await shop.order("cancel@example.com", "1005")
    order = (await store.orders([made["id"]], ORDER_FACTS))[made["id"]]
    await shop.change(made, {"action": "changeShipmentState", "shipmentState": "Shipped"})
    asked = CancelOrder("act-2", order, CancelReason.CUSTOMER, RefundChoice.NONE, False, False)
    with pytest.raises(Refused, match="changed since"):
        await store.cancel_order(asked)
    assert await store.happened(asked, order.placed_at) is None


async def test_a_return_is_announced_and_read_back(shop: Shop, store: Commercetools) -> None:
    made = await shop.order("back@example.com", "1006")
    made = await shop.change(
        made,
        {"action": "changeShipmentState", "shipmentState": "Delivered"},
        {"action": "changePaymentState", "paymentState": "Paid"},
    )
    order = (await store.orders([made["id"]], ORDER_FACTS))[made["id"]]
    assert (order.payment_status, order.lines[0].quantity.returnable) == (PaymentStatus.PAID, 2)
    line = ReturnedLine(order.lines[0], 1, ReturnReason.DEFECTIVE, ItemCondition.DEFECTIVE, "A hole.")
    asked = ReturnOrder("act-3", order, (line,), RequestedResolution.REFUND)
    done = await store.return_order(asked)
    assert await store.happened(asked, order.placed_at) == done
    order = (await store.orders([made["id"]], ORDER_FACTS))[made["id"]]
    [back] = order.returns or []
    assert (back.status, back.lines[0].reason, back.lines[0].note) == (
        ReturnStatus.APPROVED,
        ReturnReason.DEFECTIVE,
        "A hole.",
    )
    assert order.lines[0].quantity.returnable == 1


async def test_a_refund_is_written_down_once_and_found_again(shop: Shop, store: Commercetools) -> None:
    made = await shop.order("paid@example.com", "1008", paid=3998)
    order = (await store.orders([made["id"]], ORDER_FACTS))[made["id"]]
    asked = RefundOrder(
        "act-4", order, Money.of("5.00", "EUR"), (), None, RefundChoice.ORIGINAL_PAYMENT, "Late", frozenset()
    )
    assert await store.happened(asked, order.placed_at) is None
    done = await store.refund_order(asked)
    assert await store.happened(asked, order.placed_at) == done
    order = (await store.orders([made["id"]], ORDER_FACTS))[made["id"]]
    assert [(one.id.rpartition(":")[2], one.amount.shop.amount) for one in order.refunds or []] == [
        (done.reference if isinstance(done, Done) else None, Decimal("5.00"))
    ]
    assert order.totals.refundable.shop.amount == Decimal("34.98")


async def test_a_refund_is_told_as_far_as_it_has_come(shop: Shop, store: Commercetools) -> None:
    made = await shop.order("refund@example.com", "1007", paid=3998)
    payment = made["paymentInfo"]["payments"][0]["id"]
    money = {"currencyCode": "EUR", "centAmount": 500}
    draft = {"action": "addTransaction", "transaction": {"type": "Refund", "amount": money, "state": "Initial"}}
    await shop.post(f"/payments/{payment}", {"version": 1, "actions": [draft]})
    order = (await store.orders([made["id"]], ORDER_FACTS))[made["id"]]
    assert order.totals.refundable.shop.amount == Decimal("34.98")
    assert [one.amount.shop.amount for one in order.refunds or []] == [Decimal("5.00")]


async def test_the_probe_reads_the_project(shop: Shop, store: Commercetools) -> None:
    found = await store.probe()
    assert (found.currency, dict(found.missing_scopes)) == ("EUR", {})


async def test_a_token_that_is_not_known_is_renewed(shop: Shop, store: Commercetools) -> None:
    await store.profiles([ANN])
    store._tokens._token = SecretText("bad")
    assert len((await store.profiles([ANN]))[ANN]) == 1
