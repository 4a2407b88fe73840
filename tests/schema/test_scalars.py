"""What a platform says is an address becomes a link only when it is one."""

from __future__ import annotations

import pytest

from schema.scalars import SCALARS, CountryCode, CurrencyCode, web_address


@pytest.mark.parametrize("text", ["https://shop.example/a?b=c", "http://shop.example", "https://[::1]/"])
def test_a_web_address_is_a_link(text: str) -> None:
    assert web_address(text) == text


@pytest.mark.parametrize(
    "value",
    [
        None,
        "",
        "shop.example",
        "//shop.example",
        "/orders/1",
        "javascript:alert(1)",
        " https://shop.example",
        "ftp://shop.example",
        "https://",
        "https:///path",
        "HTTPS",
        7,
    ],
)
def test_anything_else_is_no_link(value: object) -> None:
    assert web_address(value) is None


@pytest.mark.parametrize(("scalar", "good"), [(CurrencyCode, "EUR"), (CountryCode, "DE")])
def test_codes_are_capital_letters(scalar: object, good: str) -> None:
    parse = SCALARS[scalar].parse_value
    assert parse is not None
    assert parse(good) == good
    for bad in (good.lower(), good + "X", good[:-1], "", None, 7, good + "\n"):
        with pytest.raises(ValueError, match="capital letters"):
            parse(bad)
