"""What commercetools' definition allows in a call and in an answer, from a copy of it without its prose."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent / "commercetools"
#: Beside the repository where the vendor's own definition is at hand.
DEFINITION = Path(__file__).parents[3] / "shared" / "contracts" / "commercetools" / "api.pruned.openapi.json"

PATHS = (
    "/{projectKey}/orders",
    "/{projectKey}/orders/{ID}",
    "/{projectKey}/customers",
    "/{projectKey}/product-projections",
    "/{projectKey}/recurring-orders",
    "/{projectKey}/recurring-orders/{ID}",
    "/{projectKey}/payments/{ID}",
)
#: In the vendor's reference too, but not among the paths the definition was cut to: the project's settings.
#: https://docs.commercetools.com/api/projects/project#get-project
ALSO: Mapping[str, Any] = {"GET /": {"query": [], "body": None, "answer": None}}


def _name(ref: Mapping[str, Any]) -> str:
    return str(ref["$ref"]).rpartition("/")[2]


def _kind(schema: Mapping[str, Any]) -> str:
    """A property's type: a name of a schema, `[name]` for a list, `{name}` for a map, or a JSON type."""
    if "$ref" in schema:
        return _name(schema)
    if len(schema.get("allOf", ())) == 1:
        return _kind(schema["allOf"][0])
    if schema.get("type") == "array":
        return f"[{_kind(schema.get('items', {}))}]"
    if isinstance(schema.get("additionalProperties"), dict):
        return f"{{{_kind(schema['additionalProperties'])}}}"
    return str(schema.get("type", "any"))


def names_of(definition: Mapping[str, Any]) -> dict[str, Any]:
    """The definition's names, types and requirements for the paths that are used here, and none of its prose."""
    schemas = definition["components"]["schemas"]
    wanted: list[str] = []
    paths: dict[str, Any] = {}
    for path in PATHS:
        for method in ("get", "post"):
            told = definition["paths"][path].get(method)
            if told is None or (method == "get" and path.endswith("{ID}")):
                continue
            body = told.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema")
            answer = told["responses"]["200"]["content"]["application/json"]["schema"]
            paths[f"{method.upper()} {path.removeprefix('/{projectKey}')}"] = {
                "query": sorted(one["name"] for one in told.get("parameters", ())),
                "body": _name(body) if body else None,
                "answer": _name(answer),
            }
            wanted += [_name(one) for one in (body, answer) if one]
    found: dict[str, Any] = {}
    while wanted:
        name = wanted.pop()
        if name in found or name not in schemas:
            continue
        found[name] = made = _flat(schemas[name], schemas)
        for kind in (*made.get("properties", {}).values(), *made.get("subtypes", {}).values()):
            wanted.append(kind.strip("[]{}"))
        if "map" in made:
            wanted.append(made["map"])
    return {"paths": paths, "schemas": dict(sorted(found.items()))}


def _flat(schema: Mapping[str, Any], schemas: Mapping[str, Any]) -> dict[str, Any]:
    properties: dict[str, str] = {}
    required: set[str] = set()
    made: dict[str, Any] = {}
    for part in (schema, *schema.get("allOf", ())):
        if "$ref" in part:
            above = _flat(schemas[_name(part)], schemas)
            properties |= above.get("properties", {})
            required |= set(above.get("required", ()))
            continue
        properties |= {name: _kind(one) for name, one in part.get("properties", {}).items()}
        required |= set(part.get("required", ()))
        if "enum" in part:
            made["enum"] = part["enum"]
        if isinstance(part.get("additionalProperties"), dict):
            made["map"] = _kind(part["additionalProperties"])
    for pattern in [name for name in properties if name.startswith("/") and name.endswith("/")]:
        made["map"] = properties.pop(pattern)
    required = {name for name in required if not name.startswith("/")}
    if "discriminator" in schema:
        told = schema["discriminator"]
        made["by"] = told["propertyName"]
        made["subtypes"] = {
            word: ref.rpartition("/")[2]
            for word, ref in told.get("mapping", {}).items()
            if ref.rpartition("/")[2] in schemas
        }
    if properties:
        made["properties"] = properties
    if required - {"//"}:
        made["required"] = sorted(required - {"//"})
    return made


NAMES: dict[str, Any] = json.loads((HERE / "api.names.json").read_text(encoding="utf-8"))


def faults(received: Any) -> list[str]:
    """Where a call, or what it was answered, is not as the definition says."""
    if received.path == "/oauth/token" or isinstance(received.answer, str):
        return []  # of the authorization's own definition, and something before the platform
    if received.status >= 400:
        return [f"{received}: {name} is missing" for name in ("statusCode", "message") if name not in received.answer]
    path = re.sub(r"/[0-9a-f-]{36}$", "/{ID}", received.path)
    told = (NAMES["paths"] | ALSO).get(f"{received.method} {path or '/'}")
    if told is None:
        return [f"{received} is no endpoint"]
    fixed = {name for name in told["query"] if not name.startswith("/")}
    variable = [name.strip("/") for name in told["query"] if name.startswith("/")]
    found = [
        f"{received}: no parameter {name}"
        for name, _ in received.query
        if name not in fixed and not any(re.fullmatch(pattern, name) for pattern in variable)
    ]
    for value, kind in ((received.body, told["body"]), (received.answer, told["answer"])):
        found += [f"{received}: {one}" for one in (complaints(value, kind) if kind else ())]
    return found


def complaints(value: Any, kind: str, path: str = "$") -> Iterator[str]:
    """Where a value is not what the definition says."""
    if kind.startswith("["):
        if not isinstance(value, list):
            yield f"{path} is no list"
        else:
            for at, one in enumerate(value):
                yield from complaints(one, kind[1:-1], f"{path}[{at}]")
        return
    schema = NAMES["schemas"].get(kind)
    if schema is None:
        yield from _plain(value, kind, path)
        return
    if "enum" in schema and value not in schema["enum"]:
        yield f"{path} is {value!r}, none of {kind}"
    if not {"properties", "map", "subtypes"} & schema.keys():
        return
    if not isinstance(value, dict):
        yield f"{path} is no {kind}"
        return
    if "by" in schema:
        sub = schema["subtypes"].get(str(value.get(schema["by"])))
        if sub is not None:
            yield from complaints(value, sub, path)
            return
    for name in schema.get("required", ()):
        if name not in value:
            yield f"{path}.{name} is missing ({kind})"
    for name, one in value.items():
        if name in schema.get("properties", {}):
            yield from complaints(one, schema["properties"][name], f"{path}.{name}")
        elif "map" in schema:
            yield from complaints(one, schema["map"], f"{path}.{name}")
        else:
            yield f"{path}.{name} is no property of {kind}"


_JSON_TYPES: Mapping[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "object": (dict,),
}


def _plain(value: Any, kind: str, path: str) -> Iterator[str]:
    wanted = _JSON_TYPES.get(kind)
    if wanted is not None and (not isinstance(value, wanted) or (isinstance(value, bool) and bool not in wanted)):
        yield f"{path} is no {kind}"
