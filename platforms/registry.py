"""Which platforms there are: the one line outside its own folder that each platform has."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import cast

from platforms.base import Platform


@dataclass(frozen=True, slots=True)
class PlatformEntry:
    """Where a platform's adapter is; imported only when a store needs it."""

    module: str
    cls: str

    def load(self) -> type[Platform]:
        return cast("type[Platform]", getattr(import_module(self.module), self.cls))


PLATFORMS: Mapping[str, PlatformEntry] = {
    "shopify": PlatformEntry("platforms.shopify.adapter", "Shopify"),
    "woocommerce": PlatformEntry("platforms.woocommerce.adapter", "WooCommerce"),
    "recharge": PlatformEntry("platforms.recharge.adapter", "Recharge"),
    "bigcommerce": PlatformEntry("platforms.bigcommerce.adapter", "BigCommerce"),
    "medusa": PlatformEntry("platforms.medusa.adapter", "Medusa"),
    "commercetools": PlatformEntry("platforms.commercetools.adapter", "Commercetools"),
    "magento": PlatformEntry("platforms.magento.adapter", "Magento"),
}
