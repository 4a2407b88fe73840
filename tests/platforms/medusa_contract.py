"""What Medusa's own definition (2.0.0) allows in a call and in an answer, and where 2.21 was seen to go beyond it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

RECORDED = Path(__file__).parent / "medusa"
NAMES = RECORDED / "admin-2.0.0.names.json"
#: Only where the contracts lie beside the repository.
DEFINITION = Path(__file__).parents[3] / "shared/contracts/medusa/admin-2.0.0.pruned.openapi.json"

#: What the adapter and the simulator speak of.
PATHS = (
    "/admin/orders",
    "/admin/orders/{id}",
    "/admin/orders/{id}/cancel",
    "/admin/customers",
    "/admin/products",
    "/admin/returns",
    "/admin/returns/{id}/request-items",
    "/admin/returns/{id}/request",
    "/admin/return-reasons",
    "/admin/payments/{id}/refund",
)
#: The shape of each row of an answer, by the key it comes under.
ROWS = {
    "orders": "AdminOrder",
    "order": "AdminOrder",
    "customers": "AdminCustomer",
    "products": "AdminProduct",
    "returns": "AdminReturn",
    "return": "AdminReturn",
    "return_reasons": "AdminReturnReason",
}

# Named exceptions: what a running 2.21 was seen to take or to give, and the definition of 2.0.0 does not have.

#: Routes that are not among the pages the definition was cut to.
ALSO: Mapping[tuple[str, str], Mapping[str, Any]] = {
    ("GET", "/admin/stores"): {"query": [], "body": {}, "required": []},
    # Takes a draft of a return away.
    ("DELETE", "/admin/returns/{id}/request"): {"query": [], "body": {}, "required": []},
}
FILTERS: Mapping[tuple[str, str], frozenset[str]] = {
    ("GET", "/admin/orders"): frozenset({"customer_id"}),
    ("GET", "/admin/returns"): frozenset({"order_id"}),
}
FIELDS: Mapping[str, frozenset[str]] = {
    # `status` is in the vendor's prose and examples, and was forgotten in the shape.
    "AdminOrder": frozenset(
        {"status", "custom_display_id", "locale", "credit_line_total", "canceled_at", "is_draft_order"}
    ),
    "AdminCustomer": frozenset(),
    # `status` is "open" for a draft; the times of the other steps came later.
    "AdminReturn": frozenset({"metadata", "created_by", "updated_at", "requested_at"}),
    "AdminProduct": frozenset(),
    "AdminReturnReason": frozenset(),
}


#: Words that came later: a draft of a return.
WORDS: Mapping[tuple[str, str], frozenset[str]] = {("AdminReturn", "status"): frozenset({"open"})}


def stripped(definition: Mapping[str, Any]) -> dict[str, Any]:
    """The definition of `PATHS` and `ROWS` without its prose: names, types, words, and what is required."""
    schemas = definition["components"]["schemas"]

    def properties(schema: Mapping[str, Any]) -> dict[str, Any]:
        if "$ref" in schema:
            return properties(schemas[schema["$ref"].rpartition("/")[2]])
        found: dict[str, Any] = {
            "properties": {name: kind(one) for name, one in schema.get("properties", {}).items()},
            "required": schema.get("required", []),
        }
        for part in schema.get("allOf", ()):
            inner = properties(part)
            found = {
                "properties": dict(sorted({**found["properties"], **inner["properties"]}.items())),
                "required": sorted({*found["required"], *inner["required"]}),
            }
        return found

    def kind(schema: Mapping[str, Any]) -> Any:
        """A type by its name, or the words there are."""
        if "$ref" in schema or "oneOf" in schema or "allOf" in schema:
            return "any"
        return sorted(schema["enum"]) if "enum" in schema else schema.get("type", "any")

    paths: dict[str, Any] = {}
    for path in PATHS:
        for method in ("get", "post"):
            if (operation := definition["paths"][path].get(method)) is None:
                continue
            body = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema", {})
            shape = properties(body)
            paths.setdefault(path, {})[method.upper()] = {
                "query": sorted({one["name"] for one in operation.get("parameters", ()) if one.get("in") == "query"}),
                "body": dict(sorted(shape["properties"].items())),
                "required": sorted(shape["required"]),
            }
    rows = {name: dict(sorted(properties(schemas[name])["properties"].items())) for name in sorted(set(ROWS.values()))}
    return {"paths": paths, "rows": rows}


CONTRACT: dict[str, Any] = json.loads(NAMES.read_text(encoding="utf-8"))


def operation_of(method: str, path: str) -> tuple[tuple[str, str], Mapping[str, Any]] | None:
    known = {(verb, template): one for template, verbs in CONTRACT["paths"].items() for verb, one in verbs.items()}
    for (verb, template), operation in {**known, **ALSO}.items():
        if verb == method and re.fullmatch(re.sub(r"\\\{[^}]*\\\}", "[^/]+", re.escape(template)), path):
            return (verb, template), operation
    return None


def faults(received: Any) -> list[str]:
    """Where a call, or what it was answered, is not as the definition says."""
    found = operation_of(received.method, received.path)
    if found is None:
        return [f"{received} is no endpoint"]
    route, operation = found
    # Several values and bounds are told by brackets behind the name.
    names = {re.sub(r"\[.*", "", name) for name, _ in received.query}
    body = received.body if isinstance(received.body, dict) else {}
    told = [f"{received}: no parameter {name}" for name in names - {*operation["query"], *FILTERS.get(route, ())}]
    told += [f"{received}: no property {name}" for name in body.keys() - {*operation["body"]}]
    told += [
        f"{received}: {name} is {value!r}"
        for name, value in body.items()
        if not _is(value, operation["body"].get(name, "any"))
    ]
    told += [f"{received}: without {name}" for name in {*operation["required"]} - body.keys()]
    if isinstance(received.answer, dict) and received.status < 400:
        for key, schema in ROWS.items():
            rows = received.answer.get(key, [])
            shape = CONTRACT["rows"][schema]
            for row in rows if isinstance(rows, list) else [rows]:
                told += [f"{received}: {key}.{name}?" for name in row.keys() - {*shape, *FIELDS[schema]}]
                told += [
                    f"{received}: {key}.{name} is {value!r}"
                    for name, value in row.items()
                    if not _is(value, shape.get(name, "any")) and value not in WORDS.get((schema, name), ())
                ]
    return told


def _is(value: Any, kind: Any) -> bool:
    """Whether a value is of a type or one of the words. Null is what nobody filled in, whatever the definition says."""
    if value is None or kind == "any":
        return True
    if isinstance(kind, list):
        return value in kind
    return isinstance(value, _TYPES[kind]) and not (isinstance(value, bool) and kind in ("integer", "number"))


_TYPES: Mapping[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float, Decimal),
    "boolean": (bool,),
    "array": (list,),
    "object": (dict,),
}
