"""What Shopify's own schema, and its rules beyond that, say of a call; and whether the answer came of that schema."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from graphql import GraphQLSchema, NoDeprecatedCustomRule, parse, validate

from platforms.shopify import subset
from platforms.shopify.simulator import Received
from platforms.shopify.wire import API_VERSION

#: The vendor's whole schema, where it lies beside the repository; else the part that was cut from it.
WHOLE = Path(__file__).parents[3] / "shared/contracts/shopify/admin-2026-10.graphql.gz"
#: What the runner of GraphQL itself says of a document or a value, not the shop.
_RUNNERS_OWN = frozenset({None, "INTERNAL_SERVER_ERROR", "undefinedField", "invalidDocument"})


@cache
def _schema() -> GraphQLSchema:
    return subset.read(WHOLE if WHOLE.exists() else subset.TARGET)


@cache
def _wrong_with(text: str) -> tuple[str, ...]:
    document = parse(text)
    problems = [*validate(_schema(), document), *validate(_schema(), document, [NoDeprecatedCustomRule])]
    return tuple(problem.message for problem in problems)


def words_of(enum: str) -> frozenset[str]:
    """Every word of one of the vendor's enumerations."""
    kind = subset.read(subset.TARGET).type_map[enum]
    return frozenset(kind.values)  # type: ignore[attr-defined]


def faults(received: Received) -> list[str]:
    """Where a call, or what it was answered, is not as the schema says.

    The simulator runs the document on that schema, so what is no type of it is an error of the answer without a code.
    """
    if received.text is None:
        return []  # an answer that was given to the simulator to say
    found = list(_wrong_with(received.text))
    if f"/{API_VERSION}/" not in received.path:
        found.append(f"another version is asked: {received.path}")
    for error in received.answer.get("errors", ()):
        if error.get("extensions", {}).get("code") in _RUNNERS_OWN:
            found.append(error["message"])
    return [f"{received.operation}: {one}" for one in found]
