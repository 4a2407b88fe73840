"""What is known of Recharge's calls and rows from the derived reference, and where its own records differ from that."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from platforms.recharge.simulator import Received

RECORDED = Path(__file__).parent / "recharge"
NAMES = RECORDED / "2021-11.names.json"
#: Only where the contracts lie beside the repository.
CONTRACTS = Path(__file__).parents[3] / "shared/contracts/recharge"
VERSION = "2021-11"

#: What the adapter and the simulator speak of.
PATHS = (
    "GET /customers",
    "GET /subscriptions",
    "GET /subscriptions/{subscription_id}",
    "GET /orders",
    "GET /charges",
    "POST /subscriptions/{subscription_id}/set_next_charge_date",
    "POST /subscriptions/{subscription_id}/cancel",
    "POST /subscriptions/{subscription_id}/activate",
    "POST /charges/{charge_id}/refund",
)
#: The shape of each row of an answer, by the key it comes under.
ROWS: Mapping[str, str] = {
    **{kind: kind for kind in ("subscription", "customer", "order", "charge")},
    **{f"{kind}s": kind for kind in ("subscription", "customer", "order", "charge")},
}

# Named exceptions.

#: Named by the notes alone (unverified there): what the token may do.
ALSO: Mapping[str, tuple[frozenset[str], frozenset[str]]] = {"GET /token_information": (frozenset(), frozenset())}
#: The vendor's own types have them (`UpdateSubscriptionChargeDateParams`); the reference has no query of a write.
WRITE_QUERY: Mapping[str, frozenset[str]] = {"set_next_charge_date": frozenset({"commit", "pause"})}
#: The version's own way of paging, though not each list of the reference names it; then only `limit` goes with it.
CURSOR = "cursor"
#: In the vendor's own types, or in live records, and not in the models.
BEYOND: Mapping[str, frozenset[str]] = {
    # The models have the comment in the singular.
    "subscription": frozenset({"cancellation_reason_comments"}),
    "customer": frozenset({"apply_credit_to_next_checkout_charge"}),
    "order": frozenset({"currency", "error", "external_order_name", "total_refunds"}),
    "charge": frozenset({"taxable_amount", "total_duties"}),
}
#: Live records have numbers as texts, flags as 0 and 1, tags as one text, and words in lower case.
LENIENT: Mapping[str, tuple[type, ...]] = {"integer": (str,), "boolean": (int,), "array": (str,)}
#: In the vendor's own types of a status, and not among the models' words.
WORDS_BEYOND: Mapping[str, frozenset[str]] = {
    "subscription": frozenset({"onetime"}),
    "order": frozenset({"pending_charge_status"}),
    "charge": frozenset({"pending", "pending_manual_payment"}),
}


def stripped(endpoints: Mapping[str, Any], models: Mapping[str, Any]) -> dict[str, Any]:
    """Names, types and words of what is used here."""
    calls = {}
    for one in endpoints["versions"][VERSION]:
        if (call := f"{one['method']} {one['path']}") in PATHS:
            calls[call] = {"query": sorted(one["query"] or ()), "body": sorted(one["body"] or ())}
    rows = {}
    for kind in sorted(set(ROWS.values())):
        model = models[f"{VERSION}/{kind}"]
        rows[kind] = {
            "required": sorted(model["required"]),
            "properties": {name: _kind(one) for name, one in sorted(model["properties"].items())},
            "status": [word.lower() for word in _words(model["properties"].get("status", {}))],
        }
    return {"calls": dict(sorted(calls.items())), "rows": rows}


def _kind(schema: Mapping[str, Any]) -> str:
    for one in schema.get("anyOf", [schema]):
        if one.get("type") != "null":
            return str(one.get("type", "object"))
    return "null"


def _words(schema: Mapping[str, Any]) -> list[str]:
    return [word for one in schema.get("anyOf", [schema]) for word in one.get("enum", ())]


CONTRACT: dict[str, Any] = json.loads(NAMES.read_text(encoding="utf-8"))


def words_of(kind: str) -> frozenset[str]:
    """Every word a status of this kind may be."""
    return frozenset(CONTRACT["rows"][kind]["status"]) | WORDS_BEYOND.get(kind, frozenset())


def faults(received: Received) -> list[str]:
    """Where a call, or what it was answered, is not as far as is known."""
    call = f"{received.method} {received.path}"
    if received.headers.get("x-recharge-version") != VERSION:
        return [f"{call}: version {received.headers.get('x-recharge-version')}"]
    query = {name for name, _ in received.query}
    body = received.body if isinstance(received.body, dict) else {}
    if call in ALSO:
        told = {"query": ALSO[call][0], "body": ALSO[call][1]}
    else:
        matching = [
            one for name, one in CONTRACT["calls"].items() if re.fullmatch(re.sub(r"\{\w+\}", r"\\d+", name), call)
        ]
        if not matching:
            return [f"{call} is no endpoint"]
        told = matching[0]
    allowed = {*told["query"], CURSOR} if received.method == "GET" else WRITE_QUERY.get(call.rpartition("/")[2], set())
    found = [f"{call}: no parameter {name}" for name in sorted(query - allowed)]
    if CURSOR in query and query != {CURSOR, "limit"}:
        found.append(f"{call}: more than a limit beside the cursor")
    found += [f"{call}: no property {name}" for name in sorted(body.keys() - {*told["body"]})]
    if received.status >= 400:
        if not {"error", "errors"} & {*(received.answer or ())}:
            found.append(f"{call}: a refusal without a word")
        return found
    for name, value in (received.answer or {}).items():
        if name in ROWS:
            for row in value if isinstance(value, list) else [value]:
                found += [f"{call}: {one}" for one in _row(row, ROWS[name])]
        elif name not in ("next_cursor", "previous_cursor") and call not in ALSO:
            found.append(f"{call}: {name} is not known")
    return found


def _row(row: Mapping[str, Any], kind: str) -> Iterator[str]:
    shape = CONTRACT["rows"][kind]
    for name in shape["required"]:
        if name not in row:
            yield f"{kind}.{name} is missing"
    for name, value in row.items():
        wanted = shape["properties"].get(name)
        if wanted is None:
            if name not in BEYOND.get(kind, ()):
                yield f"{kind}.{name} is not known"
        elif value is not None and not isinstance(value, _TYPES[wanted] + LENIENT.get(wanted, ())):
            yield f"{kind}.{name} is {type(value).__name__}, not {wanted}"
    if "status" in row and shape["status"] and row["status"] not in words_of(kind):
        yield f"{kind}.status is {row['status']!r}"


_TYPES: Mapping[str, tuple[type, ...]] = {
    "integer": (int,),
    "number": (int, float),
    "string": (str,),
    "boolean": (bool,),
    "array": (list,),
    "object": (dict,),
}
