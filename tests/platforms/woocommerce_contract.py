"""What WooCommerce documents of a call and of an answer, in the tables of its reference, and where a shop differs."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from platforms.woocommerce.simulator import Received

RECORDED = Path(__file__).parent / "woocommerce"
NAMES = RECORDED / "rest-v3.names.json"
#: Only where the contracts lie beside the repository.
DEFINITION = Path(__file__).parents[3] / "shared/contracts/woocommerce/rest-v3.derived.json"

#: What the adapter and the simulator speak of; the last two come with the paid plug-in.
SECTIONS = ("orders", "order_refunds", "customers", "products", "subscriptions", "subscription_orders")
#: The heading of the table that a row of each section is described by.
ROWS: Mapping[str, str] = {
    "orders": "Order properties",
    "order_refunds": "Order refund properties",
    "customers": "Customer properties",
    "products": "Product properties",
    "subscriptions": "Subscription properties",
    "subscription_orders": "Subscription order properties",
}
#: The headings of the tables of a row's parts, by the heading of what they are parts of.
PARTS: Mapping[str, Mapping[str, str]] = {
    "Order properties": {
        "billing": "Order - Billing properties",
        "shipping": "Order - Shipping properties",
        "meta_data": "Order - Meta data properties",
        "line_items": "Order - Line items properties",
        "shipping_lines": "Order - Shipping lines properties",
        "fee_lines": "Order - Fee lines properties",
        "tax_lines": "Order - Tax lines properties",
        "refunds": "Order - Refunds properties",
    },
    "Order refund properties": {
        "meta_data": "Order refund - Meta data properties",
        "line_items": "Order refund - Line items properties",
    },
    "Order refund - Line items properties": {"refund_tax": "Order refund line item - Taxes properties"},
    "Customer properties": {"billing": "Customer - Billing properties", "shipping": "Customer - Shipping properties"},
    "Product properties": {
        "categories": "Product - Categories properties",
        "tags": "Product - Tags properties",
        "images": "Product - Images properties",
        "attributes": "Product - Attributes properties",
    },
    "Subscription properties": {
        "billing": "Subscription billing address properties",
        "shipping": "Subscription shipping address properties",
        "meta_data": "Subscription meta data properties",
        "line_items": "Subscription line item properties",
        "shipping_lines": "Subscription shipping lines properties",
        "fee_lines": "Subscription fee lines properties",
        "tax_lines": "Subscription tax lines properties",
    },
}

# Named exceptions.

#: In the vendor's reference too, but not among the pages the tables were made of.
ALSO: Mapping[tuple[str, str], tuple[frozenset[str], frozenset[str]]] = {
    ("GET", "/products/<id>/variations"): (frozenset({"page", "per_page"}), frozenset()),
    ("GET", "/orders/<id>/notes"): (frozenset(), frozenset()),
    ("POST", "/orders/<id>/notes"): (frozenset(), frozenset({"note", "customer_note"})),
    ("GET", "/settings/general/woocommerce_currency"): (frozenset(), frozenset()),
    ("GET", "/subscriptions/statuses"): (frozenset(), frozenset()),
}
#: WordPress puts it on every row; the reference leaves it out of its tables and shows it in its examples.
LINKS = "_links"
#: In the answers that a running shop was recorded with (`captures/`) and in no table: the tables are of 2024.
BEYOND: Mapping[str, frozenset[str]] = {
    "Order properties": frozenset(
        {"currency_symbol", "is_editable", "needs_payment", "needs_processing", "payment_url"}
    ),
    "Order - Shipping properties": frozenset({"phone"}),
    "Order - Line items properties": frozenset({"global_unique_id", "image", "parent_name"}),
    "Order - Shipping lines properties": frozenset({"instance_id", "tax_status"}),
    # The vendor's example calls the reason `refund`.
    "Order - Refunds properties": frozenset({"refund", "total_tax"}),
    "Order refund properties": frozenset({"fee_lines", "shipping_lines", "tax_lines"}),
    "Order refund - Line items properties": frozenset({"global_unique_id", "image", "parent_name"}),
    "Customer - Shipping properties": frozenset({"phone"}),
    "Product properties": frozenset({"brands", "global_unique_id", "has_options", "low_stock_amount", "post_password"}),
}
#: The table of a refund's lines calls the taxes `taxes`, the example of a request beside it `refund_tax`; a shop reads
#: only that.
SENT_BEYOND: Mapping[str, frozenset[str]] = {"Order refund - Line items properties": frozenset({"refund_tax"})}
#: The orders of a subscription are orders of the shop, with all that is in those.
BEYOND_IN_ITS_ORDERS = BEYOND["Order properties"] | {"refunds"}
#: Of another type in those answers, or in the vendor's own examples (`fixtures/`), than the table says.
OTHERWISE: Mapping[tuple[str, str], tuple[type, ...]] = {
    ("Order - Line items properties", "price"): (int, float),
    ("Order - Tax lines properties", "rate_id"): (int,),
    ("Order refund - Line items properties", "price"): (int, float),
    ("Order refund - Line items properties", "tax_class"): (str,),
    ("Subscription properties", "billing"): (dict,),
    ("Subscription properties", "shipping"): (dict,),
    ("Subscription properties", "billing_interval"): (str,),
    ("Subscription line item properties", "price"): (int, float),
    ("Subscription tax lines properties", "rate_id"): (int,),
    ("Subscription order properties", "billing"): (dict,),
    ("Subscription order properties", "shipping"): (dict,),
}
#: Goods that a plug-in sells by measure come in fractions.
FRACTIONS = frozenset({"quantity"})


def stripped(definition: Mapping[str, Any]) -> dict[str, Any]:
    """The tables without their prose: names and types, and the words that a status may be."""
    found: dict[str, Any] = {}
    for section in SECTIONS:
        heading = ROWS[section]
        tables = definition[section]["tables"]
        told = tables[heading].get("status", {}).get("description", "")
        found[section] = {
            "endpoints": definition[section]["endpoints"],
            "parameters": _types(tables.get("Available parameters", {})),
            "tables": {name: _types(table) for name, table in tables.items() if name != "Available parameters"},
            "words": re.findall(r"`([a-z-]+)`", (re.search(r"Options[^:]*:[^.]*", told) or [""])[0]),
        }
    return found


def _types(table: Mapping[str, Any]) -> dict[str, str]:
    return {name: one["type"] for name, one in sorted(table.items())}


CONTRACT: dict[str, Any] = json.loads(NAMES.read_text(encoding="utf-8"))


def section_of(method: str, path: str) -> str | None:
    """Under which heading of the reference a call stands."""
    template = f"/wp-json/wc/v3{re.sub(r'/[0-9]+', '/<id>', path)}"
    return next((name for name, one in CONTRACT.items() if [method, template] in one["endpoints"]), None)


def faults(received: Received) -> list[str]:
    """Where a call, or what it was answered, is not as the reference says."""
    template = re.sub(r"/\d+", "/<id>", received.path)
    parameters: frozenset[str]
    if (received.method, template) in ALSO:
        parameters, properties = ALSO[received.method, template]
        wrong = [f"no property {name}" for name in (received.body or {}).keys() - properties]
        return [f"{received}: {one}" for one in wrong + _unknown(received, parameters)]
    section = section_of(received.method, received.path)
    if section is None:
        return [f"{received} is no endpoint"]
    told = CONTRACT[section]
    wrong = _unknown(received, frozenset(told["parameters"]))
    # What is sent is a part of a row: as the tables say, and nothing is read past.
    wrong += _row(received.body or {}, section, "body", sent=True)
    if received.status >= 400:
        if isinstance(received.answer, dict):  # else something before the shop spoke
            wrong += [
                f"answer.{name} is missing" for name in ("code", "message", "data") if name not in received.answer
            ]
    else:
        rows = received.answer if isinstance(received.answer, list) else [received.answer]
        for row in rows:
            wrong += _row(row, section, "answer")
    return [f"{received}: {one}" for one in wrong]


def _unknown(received: Received, parameters: frozenset[str]) -> list[str]:
    return [f"no parameter {name}" for name, _ in received.query if name not in parameters]


def _row(row: Any, section: str, where: str, *, sent: bool = False) -> list[str]:
    return list(_table(row, section, ROWS[section], where, sent))


def _table(value: Any, section: str, heading: str, where: str, sent: bool) -> Iterator[str]:
    if not isinstance(value, dict):
        yield f"{where} is no object"
        return
    table = CONTRACT[section]["tables"][heading]
    top = heading == ROWS[section]
    beyond = SENT_BEYOND if sent else BEYOND
    known = BEYOND_IN_ITS_ORDERS if section == "subscription_orders" else beyond.get(heading, frozenset())
    for name, one in value.items():
        if name in table:
            types = _TYPES[table[name]]
            if not sent:
                types += OTHERWISE.get((heading, name), ()) + ((float,) if name in FRACTIONS else ())
            if one is not None and (not isinstance(one, types) or (isinstance(one, bool) and bool not in types)):
                yield f"{where}.{name} is {type(one).__name__}, not {table[name]}"
                continue
        elif name not in known and not (top and name == LINKS and not sent):
            yield f"{where}.{name} is not in the table {heading!r}"
            continue
        if one is not None and name in PARTS.get(heading, {}):
            for at, part in enumerate(one if isinstance(one, list) else [one]):
                yield from _table(part, section, PARTS[heading][name], f"{where}.{name}[{at}]", sent)


_TYPES: Mapping[str, tuple[type, ...]] = {
    "integer": (int,),
    "number": (int, float),
    "string": (str,),
    "boolean": (bool,),
    "bool": (bool,),
    "date-time": (str,),
    "data-time": (str,),  # as it is written there
    "array": (list,),
    "object": (dict,),
}
