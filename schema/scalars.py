"""The custom scalars: how currency, country, URL and JSON values are written on the wire."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NewType

import strawberry
from strawberry.types.scalar import ScalarDefinition

CurrencyCode = NewType("CurrencyCode", str)
CountryCode = NewType("CountryCode", str)
Url = NewType("Url", str)
Json = NewType("Json", object)


def _currency(value: object) -> str:
    if not isinstance(value, str) or not re.fullmatch(r"[A-Z]{3}", value):
        raise ValueError("a currency is three capital letters of ISO 4217, such as USD")
    return value


def _country(value: object) -> str:
    if not isinstance(value, str) or not re.fullmatch(r"[A-Z]{2}", value):
        raise ValueError("a country is two capital letters of ISO 3166-1, such as DE")
    return value


SCALARS: Mapping[object, ScalarDefinition] = {
    CurrencyCode: strawberry.scalar(name="CurrencyCode", description="ISO 4217, such as `USD`.", parse_value=_currency),
    CountryCode: strawberry.scalar(
        name="CountryCode", description="ISO 3166-1 alpha-2, such as `DE`.", parse_value=_country
    ),
    Url: strawberry.scalar(name="URL", description="An absolute http or https address."),
    Json: strawberry.scalar(name="JSON", description="Any JSON value, as the platform wrote it."),
}
"""Python type to GraphQL scalar, for `StrawberryConfig.scalar_map`."""


_WEB_ADDRESS = re.compile(r"https?://[^/\s]")


def is_web_address(value: object) -> bool:
    """Whether a platform's value is an absolute http(s) address that may be shown as a link."""
    return isinstance(value, str) and _WEB_ADDRESS.match(value) is not None


def web_address(value: Any) -> Url | None:
    """The value as a link, or None: a platform's free text never becomes a `javascript:` link."""
    found: Url = value
    return found if isinstance(value, str) and _WEB_ADDRESS.match(value) else None
