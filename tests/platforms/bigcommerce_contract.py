"""BigCommerce's own definition, stripped to names, types and words, and what of a call or an answer is not in it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from platforms.bigcommerce.simulator import Received

RECORDED = Path(__file__).parent / "bigcommerce"
#: Where the vendor's own files lie, beside the repository, if at all.
VENDOR = Path(__file__).parents[3] / "shared/contracts/bigcommerce"
FILES: Mapping[str, str] = {
    "orders.v2": "/v2",
    "orders.v3": "/v3",
    "customers.v3": "/v3",
    "products.v3": "/v3",
}
#: What the adapter asks for; everything else of the vendor's files is left out.
ASKED = frozenset(
    {
        ("GET", "/v2/orders"),
        ("GET", "/v2/orders/count"),
        ("GET", "/v2/orders/{order_id}"),
        ("PUT", "/v2/orders/{order_id}"),
        ("GET", "/v2/orders/{order_id}/products"),
        ("GET", "/v2/orders/{order_id}/shipments"),
        ("GET", "/v2/orders/{order_id}/shipping_addresses"),
        ("GET", "/v3/orders/payment_actions/refunds"),
        ("POST", "/v3/orders/{order_id}/payment_actions/void"),
        ("POST", "/v3/orders/{order_id}/payment_actions/refund_quotes"),
        ("POST", "/v3/orders/{order_id}/payment_actions/refunds"),
        ("GET", "/v3/customers"),
        ("GET", "/v3/catalog/products"),
    }
)
_KEPT = (
    "type", "enum", "properties", "items", "required", "allOf", "oneOf", "anyOf", "nullable", "maximum", "maxLength",
)  # fmt: skip


def stripped(folder: Path) -> dict[str, Any]:
    """The vendor's files without a word of prose: for each call its parameters, its body and its answers."""
    found: dict[str, Any] = {}
    for name, prefix in FILES.items():
        whole = json.loads((folder / f"{name}.pruned.openapi.json").read_text(encoding="utf-8"))
        for path, item in whole["paths"].items():
            for method, operation in item.items():
                call = (method.upper(), f"{prefix}{path}")
                if call in ASKED:
                    found[" ".join(call)] = _operation(whole, item, operation)
    return found


def _operation(whole: Any, item: Any, operation: Any) -> dict[str, Any]:
    parameters = [_resolved(whole, one) for one in [*item.get("parameters", []), *operation.get("parameters", [])]]
    body = _resolved(whole, operation.get("requestBody", {})).get("content", {})
    answers = {code: _resolved(whole, answer) for code, answer in operation["responses"].items()}
    return {
        "query": {one["name"]: _schema(whole, one["schema"]) for one in parameters if one["in"] == "query"},
        "body": _content(whole, body),
        "answers": {code: _content(whole, answer.get("content", {})) for code, answer in sorted(answers.items())},
    }


def _content(whole: Any, content: Any) -> Any:
    return _schema(whole, content["application/json"].get("schema", {})) if "application/json" in content else None


def _resolved(whole: Any, node: Any) -> Any:
    while "$ref" in node:
        found = whole
        for step in node["$ref"].removeprefix("#/").split("/"):
            found = found[step]
        node = found
    return node


def _schema(whole: Any, schema: Any) -> Any:
    schema, kept = _resolved(whole, schema), {}
    for name in _KEPT:
        if name not in schema:
            continue
        value = schema[name]
        if name == "properties":
            value = {key: _schema(whole, inner) for key, inner in sorted(value.items())}
        elif name == "items":
            value = _schema(whole, value)
        elif name in ("allOf", "oneOf", "anyOf"):
            value = [_schema(whole, inner) for inner in value]
        kept[name] = value
    return kept


DEFINITION: dict[str, Any] = json.loads((RECORDED / "definition.json").read_text(encoding="utf-8"))


# ---------------------------------------------------------------------------------- what the definition leaves out

#: A call that is in the vendor's reference and not among the files: the store's own settings.
ALSO: Mapping[str, Any] = {"GET /v2/store": {"query": {}, "body": None, "answers": {"200": {}}}}
#: The definition lists the field to sort by; that a direction may follow it is said in its prose.
DIRECTED = frozenset({"sort"})
#: What an answer has beyond the definition, by the place of it, each with its reason.
BEYOND: Mapping[str, str] = {
    "data[].variants": "asked for with `include=variants`; the definition of variants lies in another of its files",
    "custom_status": "the vendor's own example of an order has it",
}
#: What may be null though the definition gives a type only: its own example, or its prose, says so.
NULLS = frozenset({"requested_amount", "base_variant_id"})


def faults(received: Received) -> list[str]:
    """Where a call, or what it was answered, is not as the definition says."""
    return list(_faults(received))


def _faults(received: Received) -> Iterator[str]:
    template = re.sub(r"/\d+(?=/|$)", "/{order_id}", received.path)
    operation = {**ALSO, **DEFINITION}.get(f"{received.method} {template}")
    if operation is None:
        yield f"{received} is no call of the definition"
        return
    for name, value in received.query:
        schema = operation["query"].get(name)
        if schema is None:
            yield f"{received}: no parameter {name}"
        else:
            yield from _parameter(f"{received}: {name}", value, schema)
    if received.body is not None and operation["body"] is None:
        yield f"{received}: takes no body"
    elif received.body is not None:
        yield from _value(f"{received}: body", received.body, operation["body"])
    if str(received.status) not in operation["answers"]:
        if received.status >= 400:  # what any call may be answered
            return
        # v2 answers an empty list so, wherever one may be empty; the definition says it of shipments only.
        if received.status != 204 or not received.path.startswith("/v2/"):
            yield f"{received}: no answer {received.status}"
        return
    schema = operation["answers"][str(received.status)]
    if schema is None or received.answer is None:
        if received.status != 204 and schema:
            yield f"{received}: no body"
        return
    if schema:
        yield from _value(f"{received}: answer", received.answer, schema)


def _parameter(where: str, value: str, schema: Any) -> Iterator[str]:
    if schema.get("type") == "array":
        for one in value.split(","):
            yield from _parameter(where, one, schema["items"])
        return
    name = where.rpartition(": ")[2]
    if name in DIRECTED:
        value, _, direction = value.partition(":")
        if direction not in ("", "asc", "desc"):
            yield f"{where} has the direction {direction}"
    if schema.get("type") in ("integer", "number") and not re.fullmatch(r"\d+", value):
        yield f"{where}={value} is no number"
    elif "maximum" in schema and int(value) > schema["maximum"]:
        yield f"{where}={value} is more than {schema['maximum']}"
    if "enum" in schema and value not in schema["enum"]:
        yield f"{where}={value} is none of {schema['enum']}"


_TYPES: Mapping[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "array": (list,),
    "object": (dict,),
}


def _value(where: str, value: Any, schema: Any) -> Iterator[str]:
    place = where.partition(": answer")[2].removeprefix("[]").lstrip(".")
    if place in BEYOND:
        return
    for kind in ("oneOf", "anyOf"):
        if kind in schema:
            tried = [list(_value(where, value, one)) for one in schema[kind]]
            if all(tried):
                yield from min(tried, key=len)
            return
    if value is None:
        if not _nullable(schema) and where.rpartition(".")[2] not in NULLS:
            yield f"{where} is null"
        return
    type_ = schema.get("type")
    if type_ in _TYPES and (not isinstance(value, _TYPES[type_]) or (type_ != "boolean" and isinstance(value, bool))):
        yield f"{where} is {type(value).__name__}, not {type_}"
        return
    if "enum" in schema and value not in schema["enum"]:
        yield f"{where} is {value!r}, none of {schema['enum']}"
    if isinstance(value, str) and len(value) > schema.get("maxLength", len(value)):
        yield f"{where} is longer than {schema['maxLength']}"
    if isinstance(value, list):
        for one in value:
            yield from _value(f"{where}[]", one, schema.get("items", {}))
    if isinstance(value, dict):
        properties = properties_of(schema)
        for name, inner in value.items():
            if name in properties:
                yield from _value(f"{where}.{name}", inner, properties[name])
            elif properties and f"{place}.{name}".lstrip(".") not in BEYOND:
                yield f"{where}.{name} is not in the definition"
        for name in schema.get("required", ()):
            if name not in value:
                yield f"{where}.{name} is missing"


def _nullable(schema: Any) -> bool:
    return bool(schema.get("nullable")) or not schema.get("type")


def properties_of(schema: Any) -> dict[str, Any]:
    """Those of the schema and of all that it is made of. A name given twice has what the later one says."""
    found: dict[str, Any] = {}
    for part in schema.get("allOf", ()):
        found |= properties_of(part)
    found |= schema.get("properties", {})
    return found
