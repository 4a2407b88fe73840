"""How a BigCommerce store is configured and found, and that our copy of the vendor's definition is the vendor's."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from platforms.base import Platform, StoreConfig
from platforms.bigcommerce.adapter import BigCommerce, BigCommerceConfig
from platforms.registry import PLATFORMS
from platforms.secrets import SecretText
from policies.facts import FACTS
from tests.platforms.bigcommerce_contract import ASKED, DEFINITION, VENDOR, stripped


def config(**changed: Any) -> BigCommerceConfig:
    given: dict[str, Any] = {
        "id": "ca",
        "platform": "bigcommerce",
        "store_hash": "abc123",
        "credentials": {"access_token": SecretText("token-of-the-store")},
    }
    return BigCommerceConfig(**(given | changed))


@pytest.mark.parametrize(
    "changed",
    [
        {"store_hash": ""},
        {"store_hash": "ABC"},
        {"store_hash": "abc/../../v3"},
        {"store_hash": "abc?x=1"},
        {"store_hash": "abc\n"},
        {"store_hash": "a" * 41},
        {"url": "https://api.acme.example"},
        {"url": "https://127.0.0.1.acme.example"},
        {"url": "nonsense"},
        {"platform": "shopify"},
        {"void_on_cancel": "perhaps"},
        {"credentials": {}},
        {"credentials": {"access_token": "in the open"}},
        {"colour": "red"},
    ],
)
def test_a_configuration_that_makes_no_sense_is_refused(changed: dict[str, Any]) -> None:
    with pytest.raises(ValidationError) as raised:
        config(**changed)
    assert "in the open" not in str(raised.value.errors(include_input=False, include_context=False))


@pytest.mark.parametrize("url", ["http://127.0.0.1:8123", "http://localhost:8123", "http://[::1]:8123"])
def test_a_stand_in_may_listen_on_this_machine(url: str) -> None:
    assert BigCommerce(config(url=url)).config.url == url


def test_another_platforms_configuration_is_refused() -> None:
    with pytest.raises(TypeError, match="BigCommerceConfig"):
        BigCommerce(StoreConfig(id="ca", platform="bigcommerce"))


def test_the_registry_finds_it() -> None:
    assert PLATFORMS["bigcommerce"].load() is BigCommerce
    assert issubclass(BigCommerce, Platform)
    assert BigCommerce.Config is BigCommerceConfig


def test_a_token_is_never_printed() -> None:
    shown = f"{config()!r} {config().model_dump_json()}"
    assert "***" in shown
    assert "token-of-the-store" not in shown


def test_what_is_never_known_is_named_in_the_words_of_policies() -> None:
    assert BigCommerce.never_known <= FACTS.keys()
    assert {name for name in FACTS if name.startswith("subscription.")} <= BigCommerce.never_known


def test_the_definition_we_check_calls_against_is_the_vendors() -> None:
    assert set(DEFINITION) == {" ".join(call) for call in ASKED}
    if VENDOR.exists():  # only where the contracts lie beside the repository
        assert stripped(VENDOR) == DEFINITION
