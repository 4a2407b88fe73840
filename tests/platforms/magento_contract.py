"""What Magento's own definition allows in a call and in an answer, and where that definition is wrong."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

RECORDED = Path(__file__).parent / "magento"
NAMES = RECORDED / "admin-2.4.9.names.json"
#: Only where the contracts lie beside the repository.
DEFINITION = Path(__file__).parents[3] / "shared/contracts/magento/admin-2.4.9.pruned.swagger.json"

#: What the adapter and the simulator speak of.
PATHS = (
    "/V1/creditmemos",
    "/V1/customers/search",
    "/V1/invoice/{invoiceId}/refund",
    "/V1/invoices",
    "/V1/order/{orderId}/refund",
    "/V1/orders",
    "/V1/orders/{id}",
    "/V1/orders/{id}/cancel",
    "/V1/orders/{id}/comments",
    "/V1/products",
    "/V1/returns",
    "/V1/returnsAttributeMetadata/{attributeCode}",
    "/V1/shipments",
    "/V1/store/storeConfigs",
)

#: Named exceptions: where, and why the definition is not followed.
FIELDS = "fields"  # on the page about filtered responses, for every GET; the definition does not list it
MADE_BY_THE_SHOP = {
    # The definition demands of a new return what only the shop can give, since it has one shape for both ways.
    "rma-data-rma-interface": {"entity_id", "increment_id", "customer_id", "store_id"},
    "rma-data-item-interface": {"entity_id", "rma_entity_id", "qty_approved", "qty_returned", "condition"},
    "rma-data-comment-interface": {"entity_id", "rma_entity_id"},
}
#: The definition calls it isOnline; a shop takes this (https://github.com/magento/magento2/issues/27199).
MISNAMED = {"is_online": "isOnline"}
ANY_SHAPE = {
    # Told as a text; the vendor's own examples have lists too (category_ids).
    ("framework-attribute-interface", "value"),
    # Told as a list of maps; the vendor's own page has a plain list for %1 and a map for %name.
    ("error-response", "parameters"),
    # Told as lists of objects where the vendor's examples have numbers.
    ("catalog-data-product-extension-interface", "configurable_product_links"),
}


def stripped(definition: Mapping[str, Any]) -> dict[str, Any]:
    """The definition of `PATHS` without its prose: names, types and what is required."""
    paths: dict[str, Any] = {}
    for path in PATHS:
        for method, operation in definition["paths"][path].items():
            body = next((one["schema"] for one in operation.get("parameters", ()) if one["in"] == "body"), None)
            paths.setdefault(path, {})[method.upper()] = {
                "query": sorted(one["name"] for one in operation.get("parameters", ()) if one["in"] == "query"),
                "body": _bare(body) if body else None,
                "answer": _bare(operation["responses"]["200"]["schema"])
                if "schema" in operation["responses"]["200"]
                else _bare(operation["responses"]["200"]),
            }
    wanted = {"error-response"}
    definitions: dict[str, Any] = {}
    found = list(_refs(paths))
    while found or wanted - definitions.keys():
        wanted |= set(found)
        name = min(wanted - definitions.keys(), default=None)
        if name is None:
            break
        definitions[name] = _bare(definition["definitions"][name])
        found = list(_refs(definitions[name]))
    return {"paths": paths, "definitions": {name: definitions[name] for name in sorted(definitions)}}


def _bare(schema: Mapping[str, Any]) -> dict[str, Any]:
    if "$ref" in schema:
        return {"$ref": schema["$ref"].rpartition("/")[2]}
    found: dict[str, Any] = {"type": schema.get("type", "object")}
    if schema.get("required"):
        found["required"] = sorted(schema["required"])
    if "properties" in schema:
        found["properties"] = {name: _bare(inner) for name, inner in sorted(schema["properties"].items())}
    if "items" in schema:
        found["items"] = _bare(schema["items"])
    return found


def _refs(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(value.get("$ref"), str):
            yield value["$ref"]
        for inner in value.values():
            yield from _refs(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _refs(inner)


CONTRACT: dict[str, Any] = json.loads(NAMES.read_text(encoding="utf-8")) if NAMES.exists() else {}


def operation_of(method: str, path: str) -> Mapping[str, Any] | None:
    for template, methods in CONTRACT["paths"].items():
        pattern = re.sub(r"\\\{[^}]*\\\}", "[^/]+", re.escape(template))
        if method in methods and re.fullmatch(pattern, path):
            found: Mapping[str, Any] = methods[method]
            return found
    return None


def faults(received: Any) -> list[str]:
    """Where a call, or what it was answered, is not as the definition says."""
    if isinstance(received.answer, str):
        return []  # something before the shop spoke
    operation = operation_of(received.method, received.path)
    if operation is None:
        return [f"{received} is no endpoint"]
    found = []
    for name, _ in received.query:
        plain = re.sub(r"\[\d+\]", "[0]", name)
        if plain != FIELDS and plain not in operation["query"]:
            found.append(f"{received} knows no parameter {name}")
    if received.method == "POST" and received.status < 400:
        if operation["body"] is None and received.body:
            found.append(f"{received} takes no body")
        elif operation["body"] is not None:
            found += _wrong(received.body, operation["body"], f"{received} body", ours=True)
    asked = dict(received.query).get(FIELDS)
    if received.status >= 400:
        return found + list(_wrong(received.answer, {"$ref": "error-response"}, f"{received} {received.status}"))
    return found + list(_wrong(received.answer, operation["answer"], f"{received} answer", trimmed=asked is not None))


def _wrong(
    value: Any, schema: Mapping[str, Any], where: str, *, ours: bool = False, trimmed: bool = False
) -> Iterator[str]:
    name = schema.get("$ref", "")
    if name:
        schema = CONTRACT["definitions"][name]
    if value is None:
        return  # the definition has no word for null, which the vendor's own examples use
    match schema["type"]:
        case "object":
            if not isinstance(value, dict):
                yield f"{where} is not an object"
                return
            properties = schema.get("properties", {})
            missing = set(schema.get("required", ())) - value.keys()
            if ours:
                missing -= MADE_BY_THE_SHOP.get(name, set())
            if missing and not trimmed:
                yield f"{where} lacks {sorted(missing)}"
            for key, inner in value.items():
                key = MISNAMED.get(key, key)
                if key not in properties:
                    yield f"{where}.{key} is not known"
                elif (name, key) not in ANY_SHAPE:
                    yield from _wrong(inner, properties[key], f"{where}.{key}", ours=ours, trimmed=trimmed)
        case "array":
            if not isinstance(value, list):
                yield f"{where} is not a list"
                return
            for at, inner in enumerate(value):
                yield from _wrong(inner, schema["items"], f"{where}[{at}]", ours=ours, trimmed=trimmed)
        case "integer":
            if isinstance(value, bool) or not isinstance(value, int):
                yield f"{where} is not a whole number"
        case "number":
            if isinstance(value, bool) or not isinstance(value, int | float):
                yield f"{where} is not a number"
        case "string" | "boolean" as kind:
            if not isinstance(value, {"string": str, "boolean": bool}[kind]):
                yield f"{where} is not a {kind}"
