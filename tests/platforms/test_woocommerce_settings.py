"""How a WooCommerce store is configured and found, and that our list of the vendor's names is the vendor's."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pydantic import ValidationError

from platforms.base import Platform, StoreConfig
from platforms.registry import PLATFORMS
from platforms.secrets import SecretText
from platforms.woocommerce.adapter import WooCommerce, WooCommerceConfig
from tests.platforms.woocommerce_contract import CONTRACT, DEFINITION, SECTIONS, stripped


def config(**changed: Any) -> WooCommerceConfig:
    given: dict[str, Any] = {
        "id": "eu",
        "platform": "woocommerce",
        "url": "https://eu.acme.example/shop/",
        "credentials": {"consumer_key": SecretText("ck"), "consumer_secret": SecretText("cs")},
    }
    return WooCommerceConfig(**(given | changed))


def test_an_address_may_have_a_folder_and_loses_its_last_slash() -> None:
    assert config().url == "https://eu.acme.example/shop"


@pytest.mark.parametrize(
    "changed",
    [
        {"url": "http://eu.acme.example"},
        {"url": "https://127.0.0.1"},
        {"url": "https://user:pw@eu.acme.example"},
        {"url": "nonsense"},
        {"platform": "shopify"},
        {"credentials": {"consumer_key": SecretText("ck")}},
        {"credentials": {"consumer_key": "in the open", "consumer_secret": SecretText("cs")}},
        {"colour": "red"},
    ],
)
def test_a_configuration_that_makes_no_sense_is_refused(changed: dict[str, Any]) -> None:
    with pytest.raises(ValidationError) as raised:
        config(**changed)
    assert "in the open" not in str(raised.value.errors(include_input=False, include_context=False))


def test_another_platforms_configuration_is_refused() -> None:
    with pytest.raises(TypeError, match="WooCommerceConfig"):
        WooCommerce(StoreConfig(id="eu", platform="woocommerce"))


def test_the_registry_finds_it() -> None:
    assert PLATFORMS["woocommerce"].load() is WooCommerce
    assert issubclass(WooCommerce, Platform)
    assert WooCommerce.Config is WooCommerceConfig


def test_a_key_is_never_printed() -> None:
    shown = f"{config()!r} {config().model_dump_json()}"
    assert "***" in shown
    assert "ck" not in shown


def test_the_names_that_calls_and_answers_are_held_to_are_those_of_the_vendors_definition() -> None:
    assert set(CONTRACT) == set(SECTIONS)
    if not DEFINITION.exists():  # only where the contracts lie beside the repository
        return
    assert stripped(json.loads(DEFINITION.read_text(encoding="utf-8"))) == CONTRACT
