"""How a Magento store is configured and found, and that our copy of the vendor's names is the vendor's."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pydantic import ValidationError

from platforms.base import Platform, StoreConfig
from platforms.magento.adapter import Magento, MagentoConfig
from platforms.registry import PLATFORMS
from platforms.secrets import SecretText
from tests.platforms.magento_contract import CONTRACT, DEFINITION, PATHS, stripped

SIGNED = {
    name: SecretText(f"secret-{name}")
    for name in ("consumer_key", "consumer_secret", "access_token", "access_token_secret")
}


def config(**changed: Any) -> MagentoConfig:
    given: dict[str, Any] = {
        "id": "nl",
        "platform": "magento",
        "url": "https://nl.acme.example/shop/",
        "credentials": SIGNED,
    }
    return MagentoConfig(**(given | changed))


def test_an_address_may_have_a_folder_and_loses_its_last_slash() -> None:
    assert config().url == "https://nl.acme.example/shop"
    assert config(admin_url="https://nl.acme.example/backstage/").admin_url == "https://nl.acme.example/backstage"


@pytest.mark.parametrize(
    "changed",
    [
        {"url": "http://nl.acme.example"},
        {"url": "https://127.0.0.1"},
        {"admin_url": "javascript:alert(1)"},
        {"store_code": "../all"},
        {"store_code": "a/b"},
        {"edition": "enterprise"},
        {"platform": "shopify"},
        {"credentials": {}},
        {"credentials": {"consumer_key": SecretText("k")}},
        {"credentials": SIGNED | {"token": SecretText("t")}},
        {"credentials": {"token": SecretText("t"), "consumer_key": SecretText("k")}},
        {"credentials": {"token": "in the open"}},
        {"colour": "red"},
        {"return_labels": {"reasons": {"BORED": "Verveeld"}}},
    ],
)
def test_a_configuration_that_makes_no_sense_is_refused(changed: dict[str, Any]) -> None:
    with pytest.raises(ValidationError) as raised:
        config(**changed)
    assert "in the open" not in str(raised.value.errors(include_input=False, include_context=False))


def test_a_token_alone_or_the_four_words_of_an_integration_will_do() -> None:
    assert config(credentials={"token": SecretText("t")}).credentials.consumer_key is None
    assert config().credentials.token is None


def test_another_platforms_configuration_is_refused() -> None:
    with pytest.raises(TypeError, match="MagentoConfig"):
        Magento(StoreConfig(id="nl", platform="magento"))


def test_the_registry_finds_it() -> None:
    assert PLATFORMS["magento"].load() is Magento
    assert issubclass(Magento, Platform)
    assert Magento.Config is MagentoConfig


@pytest.mark.parametrize(("edition", "keeps"), [("open_source", False), ("commerce", True)])
def test_who_keeps_returns_is_the_stores_own(edition: str, keeps: bool) -> None:
    assert Magento(config(edition=edition)).keeps_returns is keeps


def test_credentials_are_never_printed() -> None:
    shown = f"{config()!r} {config().model_dump_json()} {Magento(config())!r}"
    assert "***" in shown
    assert "secret-" not in shown


def test_the_names_that_calls_and_answers_are_held_to_are_those_of_the_vendors_definition() -> None:
    assert sorted(CONTRACT["paths"]) == sorted(PATHS)
    assert "error-response" in CONTRACT["definitions"]
    if not DEFINITION.exists():  # only where the contracts lie beside the repository
        return
    assert stripped(json.loads(DEFINITION.read_text(encoding="utf-8"))) == CONTRACT
