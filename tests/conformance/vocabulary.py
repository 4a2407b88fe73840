"""Every word by which each vendor tells where something stands, out of its own definition, and what it means here."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from enum import Enum
from functools import partial
from importlib import import_module
from operator import attrgetter
from typing import Any

from platforms.base import Operation
from schema.vocabulary import (
    ActionKind,
    DeliveryStatus,
    FulfillmentStatus,
    OrderStatus,
    PaymentStatus,
    ProductStatus,
    RefundStatus,
    ReturnStatus,
    SubscriptionStatus,
)
from tests.conformance.cases import RECORDED, Reworded, World

#: What no vendor says.
UNHEARD = "teleported"

NOT_SHOWN = None
PENDING, OPEN, ON_HOLD = OrderStatus.PENDING, OrderStatus.OPEN, OrderStatus.ON_HOLD
COMPLETED, CANCELLED, FAILED = OrderStatus.COMPLETED, OrderStatus.CANCELLED, OrderStatus.FAILED


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """One list of words of one vendor, all other things of the order, product or subscription being as seeded."""

    of: str
    #: The words there are, as the vendor has them written down.
    words: Callable[[], Collection[str]]
    means: Mapping[str, Enum | None]
    #: Writes a word into the store: (world, native id, word).
    put: Callable[[World, str, str], None]
    read: Callable[[Any], Enum]
    on: Operation = Operation.ORDERS
    #: The seeded thing it is tried on; the first of its kind where it is left out.
    native: str | None = None
    #: What has to be done first, so that there is one.
    after: ActionKind | None = None
    #: The store's edition, where only one has these.
    edition: str | None = None
    #: What a word that nobody knows means, and where that word can still be read; None where nowhere.
    unheard: str = "UNKNOWN"
    kept: Callable[[Any], str] | None = lambda node: f"{node.native_status} {node.source.raw_values}"


status = attrgetter("status")
payment = attrgetter("payment_status")
fulfillment = attrgetter("fulfillment_status")


def parcel(order: Any) -> Any:
    return order.fulfillments[0].status


def back(order: Any) -> Any:
    return order.returns[0].status


def word_of_return(order: Any) -> str:
    return str(order.returns[0].native_status)


def paid_back(order: Any) -> Any:
    return order.refunds[0].status


def contract_of(name: str) -> Any:
    return import_module(f"tests.platforms.{name}_contract")


def recorded(*path: str) -> Any:
    return json.loads(RECORDED.joinpath(*path).read_text(encoding="utf-8"))


# ------------------------------------------------------------------------------------------------ Shopify


def shopify(enum: str, where: Callable[[World, str], Any], key: str, rare: str) -> Any:
    """How a word of an enumeration comes into the shop; one it does not have, on the way from it in place of `rare`."""

    def put(world: World, native: str, word: str) -> None:
        known = word in contract_of("shopify").words_of(enum)
        where(world, native)[key] = word if known else rare
        world.door = world.faulty if known else Reworded(world.faulty, f'"{rare}"', f'"{word}"')

    return {"words": partial(contract_of("shopify").words_of, enum), "put": put}


def _shopify_order(world: World, native: str) -> Any:
    return world.simulator.state.order(native)


def _shopify_parcel(world: World, native: str) -> Any:
    return world.simulator.state.order(native)["fulfillments"][0]


def _shopify_return(world: World, native: str) -> Any:
    return world.simulator.state.order(native)["returns"][0]


def _shopify_contract(world: World, native: str) -> Any:
    return world.simulator.state.objects[f"gid://shopify/SubscriptionContract/{native}"]


def _shopify_product(world: World, native: str) -> Any:
    return world.simulator.state.objects[f"gid://shopify/Product/{native}"]


SHOPIFY = (
    Vocabulary(
        "how far it is paid",
        means={
            "AUTHORIZED": PaymentStatus.AUTHORIZED,
            "EXPIRED": PaymentStatus.EXPIRED,
            "PAID": PaymentStatus.PAID,
            "PARTIALLY_PAID": PaymentStatus.PARTIALLY_PAID,
            "PARTIALLY_REFUNDED": PaymentStatus.PARTIALLY_REFUNDED,
            "PENDING": PaymentStatus.PENDING,
            "REFUNDED": PaymentStatus.REFUNDED,
            "VOIDED": PaymentStatus.VOIDED,
        },
        read=payment,
        **shopify("OrderDisplayFinancialStatus", _shopify_order, "displayFinancialStatus", "EXPIRED"),
    ),
    Vocabulary(
        "how far it is sent",
        means={
            "FULFILLED": FulfillmentStatus.FULFILLED,
            "FULFILLMENT_NOT_REQUIRED": FulfillmentStatus.NOT_REQUIRED,
            "IN_PROGRESS": FulfillmentStatus.IN_PROGRESS,
            "ON_HOLD": FulfillmentStatus.ON_HOLD,
            "OPEN": FulfillmentStatus.UNFULFILLED,
            "PARTIALLY_FULFILLED": FulfillmentStatus.PARTIALLY_FULFILLED,
            "PENDING_FULFILLMENT": FulfillmentStatus.IN_PROGRESS,
            "REQUEST_DECLINED": FulfillmentStatus.UNFULFILLED,
            "RESTOCKED": FulfillmentStatus.UNFULFILLED,
            "SCHEDULED": FulfillmentStatus.SCHEDULED,
            "UNFULFILLED": FulfillmentStatus.UNFULFILLED,
        },
        read=fulfillment,
        **shopify("OrderDisplayFulfillmentStatus", _shopify_order, "displayFulfillmentStatus", "RESTOCKED"),
    ),
    Vocabulary(
        "where a parcel is",
        means={
            "ATTEMPTED_DELIVERY": DeliveryStatus.DELIVERY_ATTEMPTED,
            "CANCELED": DeliveryStatus.CANCELLED,
            "CARRIER_PICKED_UP": DeliveryStatus.IN_TRANSIT,
            "CONFIRMED": DeliveryStatus.LABEL_CREATED,
            "DELAYED": DeliveryStatus.DELAYED,
            "DELIVERED": DeliveryStatus.DELIVERED,
            "FAILURE": DeliveryStatus.FAILED,
            "FULFILLED": DeliveryStatus.SHIPPED,
            "IN_TRANSIT": DeliveryStatus.IN_TRANSIT,
            "LABEL_PRINTED": DeliveryStatus.LABEL_CREATED,
            "LABEL_PURCHASED": DeliveryStatus.LABEL_CREATED,
            "LABEL_VOIDED": DeliveryStatus.PENDING,
            "MARKED_AS_FULFILLED": DeliveryStatus.SHIPPED,
            "NOT_DELIVERED": DeliveryStatus.FAILED,
            "OUT_FOR_DELIVERY": DeliveryStatus.OUT_FOR_DELIVERY,
            "PICKED_UP": DeliveryStatus.DELIVERED,
            "READY_FOR_PICKUP": DeliveryStatus.READY_FOR_PICKUP,
            "SUBMITTED": DeliveryStatus.PENDING,
        },
        read=parcel,
        kept=None,
        **shopify("FulfillmentDisplayStatus", _shopify_parcel, "displayStatus", "LABEL_VOIDED"),
    ),
    Vocabulary(
        "a return",
        means={
            "CANCELED": ReturnStatus.CANCELLED,
            "CLOSED": ReturnStatus.CLOSED,
            "DECLINED": ReturnStatus.DECLINED,
            "OPEN": ReturnStatus.APPROVED,
            "REQUESTED": ReturnStatus.REQUESTED,
        },
        read=back,
        after=ActionKind.RETURN_ORDER,
        kept=word_of_return,
        **shopify("ReturnStatus", _shopify_return, "status", "CANCELED"),
    ),
    Vocabulary(
        "a subscription",
        means={
            "ACTIVE": SubscriptionStatus.ACTIVE,
            "CANCELLED": SubscriptionStatus.CANCELLED,
            "EXPIRED": SubscriptionStatus.EXPIRED,
            "FAILED": SubscriptionStatus.PAYMENT_FAILED,
            "PAUSED": SubscriptionStatus.PAUSED,
        },
        read=status,
        on=Operation.SUBSCRIPTIONS,
        **shopify("SubscriptionContractSubscriptionStatus", _shopify_contract, "status", "EXPIRED"),
    ),
    Vocabulary(
        "a product",
        means={
            "ACTIVE": ProductStatus.ACTIVE,
            "ARCHIVED": ProductStatus.ARCHIVED,
            "DRAFT": ProductStatus.DRAFT,
            "UNLISTED": ProductStatus.ACTIVE,
        },
        read=status,
        on=Operation.PRODUCTS,
        kept=None,
        **shopify("ProductStatus", _shopify_product, "status", "ARCHIVED"),
    ),
)


# ------------------------------------------------------------------------------------------------ the others


def order_row(key: str, kind: Callable[[str], Any] = int) -> Callable[[World, str, str], None]:
    def put(world: World, native: str, word: str) -> None:
        world.simulator.state.orders[kind(native)][key] = word

    return put


def product_row(key: str, kind: Callable[[str], Any] = int) -> Callable[[World, str, str], None]:
    def put(world: World, native: str, word: str) -> None:
        world.simulator.state.products[kind(native)][key] = word

    return put


def subscription_row(key: str, kind: Callable[[str], Any], rows: str = "subscriptions") -> Any:
    def put(world: World, native: str, word: str) -> None:
        getattr(world.simulator.state, rows)[kind(native)][key] = word

    return put


def _woocommerce_orders() -> set[str]:
    """What the reference lists, and what a running shop said that it takes."""
    refusal = recorded("woocommerce", "captures", "err_400_bad_status.json")["body"]["data"]["params"]["status"]
    said = refusal.partition("not one of ")[2].rstrip(".").replace(" and ", " ")
    return {*contract_of("woocommerce").CONTRACT["orders"]["words"], *(word.strip() for word in said.split(","))}


def _woocommerce_subscriptions() -> set[str]:
    """What the plug-in's reference lists, and what it shows a shop to answer for the list of them."""
    shown = recorded("woocommerce", "fixtures", "subscription_statuses.json")
    return {
        *contract_of("woocommerce").CONTRACT["subscriptions"]["words"],
        *(word.removeprefix("wc-") for word in shown),
    }


WOOCOMMERCE = (
    Vocabulary(
        "an order",
        _woocommerce_orders,
        {
            "pending": PENDING,
            "processing": OPEN,
            "on-hold": ON_HOLD,
            "completed": COMPLETED,
            "cancelled": CANCELLED,
            "refunded": CANCELLED,  # nothing of it was sent
            "failed": FAILED,
            "auto-draft": NOT_SHOWN,
            "checkout-draft": NOT_SHOWN,
            "trash": NOT_SHOWN,
        },
        order_row("status"),
        status,
    ),
    Vocabulary(
        "a subscription",
        _woocommerce_subscriptions,
        {
            "pending": SubscriptionStatus.PENDING,
            "active": SubscriptionStatus.ACTIVE,
            "on-hold": SubscriptionStatus.PAUSED,  # without a renewal that failed
            "pending-cancel": SubscriptionStatus.CANCELLING,
            "cancelled": SubscriptionStatus.CANCELLED,
            "switched": SubscriptionStatus.CANCELLED,
            "expired": SubscriptionStatus.EXPIRED,
        },
        subscription_row("status", int),
        status,
        on=Operation.SUBSCRIPTIONS,
    ),
    Vocabulary(
        "a product",
        lambda: contract_of("woocommerce").CONTRACT["products"]["words"],
        {
            "draft": ProductStatus.DRAFT,
            "pending": ProductStatus.DRAFT,
            "private": ProductStatus.DRAFT,
            "publish": ProductStatus.ACTIVE,
        },
        product_row("status"),
        status,
        on=Operation.PRODUCTS,
        kept=None,
    ),
)


def _recharge_charge(world: World, native: str, word: str) -> None:
    state = world.simulator.state
    state.charges[state.orders[int(native)]["charge"]["id"]]["status"] = word


RECHARGE = (
    Vocabulary(
        "a billing record",
        lambda: contract_of("recharge").words_of("order"),
        {
            "success": COMPLETED,
            "error": FAILED,
            "queued": PENDING,
            "pending_charge_status": PENDING,
            "cancelled": CANCELLED,
        },
        order_row("status"),
        status,
    ),
    Vocabulary(
        "what was charged for it",
        lambda: contract_of("recharge").words_of("charge"),
        {
            "success": PaymentStatus.PAID,
            "partially_refunded": PaymentStatus.PARTIALLY_REFUNDED,
            "refunded": PaymentStatus.REFUNDED,
            "error": PaymentStatus.FAILED,
            "queued": PaymentStatus.PENDING,
            "pending": PaymentStatus.PENDING,
            "pending_manual_payment": PaymentStatus.PENDING,
            "skipped": PaymentStatus.VOIDED,
        },
        _recharge_charge,
        payment,
    ),
    Vocabulary(
        "a subscription",
        lambda: contract_of("recharge").words_of("subscription"),
        {
            "active": SubscriptionStatus.ACTIVE,
            "cancelled": SubscriptionStatus.CANCELLED,
            "expired": SubscriptionStatus.EXPIRED,
            "onetime": NOT_SHOWN,
        },
        subscription_row("status", int),
        status,
        on=Operation.SUBSCRIPTIONS,
    ),
)


def _bigcommerce_status(world: World, native: str, word: str) -> None:
    number = int(word) if word.isdecimal() else 99
    world.simulator.state.orders[int(native)] |= {"status_id": number, "status": word, "payment_status": ""}


def _bigcommerce_payments() -> set[str]:
    definition = contract_of("bigcommerce").DEFINITION["GET /v2/orders/{order_id}"]["answers"]["200"]
    found = contract_of("bigcommerce").properties_of(definition)["payment_status"]["enum"]
    return set(found) - {""}  # no word at all: then the order's status tells


BIGCOMMERCE = (
    Vocabulary(
        "an order",
        lambda: [str(row["id"]) for row in recorded("bigcommerce", "fixtures", "order_statuses.json")],
        {
            "0": NOT_SHOWN,  # Incomplete
            "1": PENDING,  # Pending
            "2": OPEN,  # Shipped
            "3": OPEN,  # Partially Shipped
            "4": CANCELLED,  # Refunded, and nothing of it was sent
            "5": CANCELLED,  # Cancelled
            "6": CANCELLED,  # Declined
            "7": PENDING,  # Awaiting Payment
            "8": OPEN,  # Awaiting Pickup
            "9": OPEN,  # Awaiting Shipment
            "10": COMPLETED,  # Completed
            "11": OPEN,  # Awaiting Fulfillment
            "12": ON_HOLD,  # Manual Verification Required
            "13": ON_HOLD,  # Disputed
            "14": OPEN,  # Partially Refunded, and not all of it was sent
        },
        _bigcommerce_status,
        status,
        native="5004",
    ),
    Vocabulary(
        "how far it is paid",
        _bigcommerce_payments,
        {
            "authorized": PaymentStatus.AUTHORIZED,
            "capture pending": PaymentStatus.AUTHORIZED,
            "captured": PaymentStatus.PAID,
            "declined": PaymentStatus.FAILED,
            "held for review": PaymentStatus.PENDING,
            "paid": PaymentStatus.PAID,
            "partially refunded": PaymentStatus.PARTIALLY_REFUNDED,
            "pending": PaymentStatus.PENDING,
            "refunded": PaymentStatus.REFUNDED,
            "void": PaymentStatus.VOIDED,
            "void pending": PaymentStatus.AUTHORIZED,
        },
        order_row("payment_status"),
        payment,
        native="5004",
    ),
)


def _only_return(world: World, native: str, word: str) -> None:
    [made] = world.simulator.state.returns.values()
    made["status"] = word


def _medusa(schema: str, key: str) -> Callable[[], list[str]]:
    return lambda: contract_of("medusa").CONTRACT["rows"][schema][key]


MEDUSA = (
    Vocabulary(
        "an order",
        # Not in the definition of 2.0.0, which forgot the property: https://docs.medusajs.com/resources/references/order
        lambda: ("pending", "completed", "draft", "archived", "canceled", "requires_action"),
        {
            "pending": OPEN,  # and paid
            "completed": COMPLETED,
            "archived": COMPLETED,
            "canceled": CANCELLED,
            "requires_action": ON_HOLD,
            "draft": NOT_SHOWN,
        },
        order_row("status", str),
        status,
    ),
    Vocabulary(
        "how far it is paid",
        _medusa("AdminOrder", "payment_status"),
        {
            "not_paid": PaymentStatus.PENDING,
            "awaiting": PaymentStatus.PENDING,
            "requires_action": PaymentStatus.PENDING,
            "authorized": PaymentStatus.AUTHORIZED,
            "partially_authorized": PaymentStatus.AUTHORIZED,
            "captured": PaymentStatus.PAID,
            "partially_captured": PaymentStatus.PARTIALLY_PAID,
            "partially_refunded": PaymentStatus.PARTIALLY_REFUNDED,
            "refunded": PaymentStatus.REFUNDED,
            "canceled": PaymentStatus.VOIDED,
        },
        order_row("payment_status", str),
        payment,
    ),
    Vocabulary(
        "how far it is sent",
        _medusa("AdminOrder", "fulfillment_status"),
        {
            "not_fulfilled": FulfillmentStatus.UNFULFILLED,
            "partially_fulfilled": FulfillmentStatus.PARTIALLY_FULFILLED,
            "fulfilled": FulfillmentStatus.FULFILLED,
            "partially_shipped": FulfillmentStatus.PARTIALLY_FULFILLED,
            "shipped": FulfillmentStatus.FULFILLED,
            "partially_delivered": FulfillmentStatus.PARTIALLY_FULFILLED,
            "delivered": FulfillmentStatus.FULFILLED,
            "canceled": FulfillmentStatus.UNFULFILLED,
        },
        order_row("fulfillment_status", str),
        fulfillment,
    ),
    Vocabulary(
        "a return",
        _medusa("AdminReturn", "status"),
        {
            "requested": ReturnStatus.REQUESTED,
            "partially_received": ReturnStatus.IN_TRANSIT,  # the rest is
            "received": ReturnStatus.RECEIVED,
            "canceled": ReturnStatus.CANCELLED,
        },
        _only_return,
        back,
        after=ActionKind.RETURN_ORDER,
        kept=word_of_return,
    ),
    Vocabulary(
        "a product",
        _medusa("AdminProduct", "status"),
        {
            "draft": ProductStatus.DRAFT,
            "proposed": ProductStatus.DRAFT,
            "published": ProductStatus.ACTIVE,
            "rejected": ProductStatus.ARCHIVED,
        },
        product_row("status", str),
        status,
        on=Operation.PRODUCTS,
        kept=None,
    ),
)


def _enumerated(name: str) -> Callable[[], list[str]]:
    return lambda: contract_of("commercetools").NAMES["schemas"][name]["enum"]


_PACKED = "0de00001-0000-4000-8000-000000003001"
_UNPAID = "0de00001-0000-4000-8000-000000003003"


def _return_item(key: str) -> Callable[[World, str, str], None]:
    def put(world: World, native: str, word: str) -> None:
        world.simulator.state.orders[native]["returnInfo"][0]["items"][0][key] = word

    return put


def _refund_transaction(world: World, native: str, word: str) -> None:
    payments = world.simulator.state.payments.values()
    [made] = [one for payment in payments for one in payment["transactions"] if one["type"] == "Refund"]
    made["state"] = word


COMMERCETOOLS = (
    Vocabulary(
        "an order",
        _enumerated("OrderState"),
        {"Open": OPEN, "Confirmed": OPEN, "Complete": COMPLETED, "Cancelled": CANCELLED},
        order_row("orderState", str),
        status,
        native=_PACKED,
    ),
    Vocabulary(
        "how far it is paid",
        _enumerated("PaymentState"),
        {
            # Of an order without a payment, whose transactions would tell first.
            "BalanceDue": PaymentStatus.PENDING,
            "Pending": PaymentStatus.PENDING,
            "CreditOwed": PaymentStatus.UNKNOWN,  # more than is due: of how much was paid it says nothing
            "Failed": PaymentStatus.FAILED,
            "Paid": PaymentStatus.PAID,
        },
        order_row("paymentState", str),
        payment,
        native=_UNPAID,
    ),
    Vocabulary(
        "how far it is sent",
        _enumerated("ShipmentState"),
        {
            "Pending": FulfillmentStatus.UNFULFILLED,
            "Ready": FulfillmentStatus.UNFULFILLED,
            "Delayed": FulfillmentStatus.IN_PROGRESS,
            "Backorder": FulfillmentStatus.IN_PROGRESS,
            "Partial": FulfillmentStatus.PARTIALLY_FULFILLED,
            "Shipped": FulfillmentStatus.FULFILLED,
            "Delivered": FulfillmentStatus.FULFILLED,
            "Canceled": FulfillmentStatus.UNKNOWN,  # it does not say what had left before
        },
        order_row("shipmentState", str),
        fulfillment,
        native=_PACKED,
    ),
    Vocabulary(
        "a return",
        _enumerated("ReturnShipmentState"),
        {
            "Advised": ReturnStatus.APPROVED,
            "Returned": ReturnStatus.RECEIVED,
            "BackInStock": ReturnStatus.CLOSED,
            "Unusable": ReturnStatus.CLOSED,
        },
        _return_item("shipmentState"),
        back,
        after=ActionKind.RETURN_ORDER,
        kept=word_of_return,
    ),
    Vocabulary(
        "a refund",
        _enumerated("TransactionState"),
        {
            "Initial": RefundStatus.PENDING,
            "Pending": RefundStatus.PENDING,
            "Success": RefundStatus.COMPLETED,
            "Failure": RefundStatus.FAILED,
        },
        _refund_transaction,
        paid_back,
        unheard="PENDING",  # there is no other cautious word: it counts as paid back, and may still fail
        after=ActionKind.REFUND_ORDER,
        kept=None,
    ),
    Vocabulary(
        "a subscription",
        _enumerated("RecurringOrderState"),
        {
            "Active": SubscriptionStatus.ACTIVE,
            "Paused": SubscriptionStatus.PAUSED,
            "Expired": SubscriptionStatus.EXPIRED,
            "Canceled": SubscriptionStatus.CANCELLED,
            "Failed": SubscriptionStatus.PAYMENT_FAILED,
        },
        subscription_row("recurringOrderState", str, "recurring"),
        status,
        on=Operation.SUBSCRIPTIONS,
    ),
)

MAGENTO = (
    Vocabulary(
        "an order",
        # Constants of Magento\Sales\Model\Order; the definition says only that it is a text.
        lambda: (
            "new",
            "pending_payment",
            "processing",
            "complete",
            "closed",
            "canceled",
            "holded",
            "payment_review",
        ),
        {
            "new": PENDING,
            "pending_payment": PENDING,
            "processing": OPEN,
            "complete": COMPLETED,
            "closed": CANCELLED,  # nothing of it was sent
            "canceled": CANCELLED,
            "holded": ON_HOLD,
            "payment_review": ON_HOLD,
        },
        order_row("state"),
        status,
        native="3002",
    ),
    Vocabulary(
        "a return",
        # Constants of Magento\Rma\Model\Rma\Source\Status; the definition says only that it is a text.
        lambda: (
            "pending",
            "authorized",
            "partially_authorized",
            "received",
            "received_on_item",
            "approved",
            "approved_on_item",
            "rejected",
            "rejected_on_item",
            "denied",
            "closed",
            "processed_closed",
        ),
        {
            "pending": ReturnStatus.REQUESTED,
            "authorized": ReturnStatus.APPROVED,
            "partially_authorized": ReturnStatus.APPROVED,
            "received": ReturnStatus.RECEIVED,
            "received_on_item": ReturnStatus.RECEIVED,
            "approved": ReturnStatus.RECEIVED,
            "approved_on_item": ReturnStatus.RECEIVED,
            "rejected": ReturnStatus.DECLINED,
            "rejected_on_item": ReturnStatus.RECEIVED,
            "denied": ReturnStatus.DECLINED,
            "closed": ReturnStatus.CLOSED,
            "processed_closed": ReturnStatus.CLOSED,
        },
        _only_return,
        back,
        after=ActionKind.RETURN_ORDER,
        kept=word_of_return,
        edition="commerce",
    ),
)

VOCABULARIES: Mapping[str, tuple[Vocabulary, ...]] = {
    "shopify": SHOPIFY,
    "woocommerce": WOOCOMMERCE,
    "recharge": RECHARGE,
    "bigcommerce": BIGCOMMERCE,
    "medusa": MEDUSA,
    "commercetools": COMMERCETOOLS,
    "magento": MAGENTO,
}
