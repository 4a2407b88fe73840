"""Which stores a request means."""

from __future__ import annotations

import pytest

from platforms.base import Operation, StoreConfig
from resolvers.errors import BadArgument
from resolvers.stores import Stores, able
from tests.resolvers.shelf import Shelf


class Billing(Shelf):
    """Bills for a shop."""

    def __init__(self, key: str, shop: str) -> None:
        super().__init__(key)
        self.config = StoreConfig(id=key, platform="shelf", extends=shop)


@pytest.fixture
def stores() -> Stores:
    return Stores({"us": Shelf("us"), "eu": Shelf("eu"), "subs": Billing("subs", "us")})


def keys(platforms: object) -> list[str]:
    return [platform.config.id for platform in platforms]  # type: ignore[attr-defined]


def test_every_store_is_meant_where_none_is_named(stores: Stores) -> None:
    assert keys(stores.named(None)) == ["us", "eu", "subs"]


def test_a_store_is_named_by_its_id_or_its_key_and_counts_once(stores: Stores) -> None:
    assert keys(stores.named(["eu", "Store:us", "Store:eu"])) == ["eu", "us"]


def test_no_store_is_meant_by_an_empty_list(stores: Stores) -> None:
    assert stores.named([]) == []


@pytest.mark.parametrize("name", ["", "uk", "Store:uk", "Order:us", "Store:us:1", "Store:", "US", "x" * 300])
def test_a_store_that_is_not_there_is_refused_and_the_others_are_named(stores: Stores, name: str) -> None:
    with pytest.raises(BadArgument) as refused:
        stores.named(["us", name])
    assert refused.value.argument == "stores"
    assert str(refused.value).endswith("the stores are: us, eu, subs")
    assert len(str(refused.value)) < 200


def test_a_shop_knows_who_bills_for_it(stores: Stores) -> None:
    assert keys(stores.billing_for("us")) == ["subs"]
    assert keys(stores.billing_for("eu")) == []


def test_a_store_without_an_operation_has_nothing_to_say(stores: Stores) -> None:
    assert able(stores.all(), Operation.SUBSCRIPTIONS_OF) == []
    assert keys(able(stores.all(), Operation.ORDERS_OF)) == ["us", "eu", "subs"]


def test_a_store_is_found_by_its_key(stores: Stores) -> None:
    found = stores.get("us")
    assert found is not None
    assert found.config.id == "us"
    assert stores.get("uk") is None
