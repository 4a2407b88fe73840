"""The costly parts of a noun, which a query may or may not ask for; loaders and adapters speak of them."""

from __future__ import annotations

from enum import Flag, auto
from typing import Any, Final


class OrderParts(Flag):
    """What of an order is read beside its head (status, times, totals, owner, tags)."""

    NONE = 0
    LINES = auto()
    #: With their line quantities and dates; needed for any window that counts from shipping or delivery.
    FULFILLMENTS = auto()
    #: Returns with their lines, and what is still returnable of each line.
    RETURNS = auto()
    #: Refunds with their lines.
    REFUNDS = auto()
    ADDRESSES = auto()
    #: The order's public status page: a login-less link, so it is asked for only when wanted.
    STATUS_URL = auto()
    ALL = LINES | FULFILLMENTS | RETURNS | REFUNDS | ADDRESSES | STATUS_URL


class SubscriptionParts(Flag):
    """What of a subscription is read beside its head and lines."""

    NONE = 0
    #: How many cycles are completed, and the order it came from.
    CYCLES = auto()
    ALL = CYCLES


class PartNotLoaded(RuntimeError):
    """A part was touched that nobody asked for: a mistake of ours, never shown as an empty list."""


class _NotLoaded:
    def __repr__(self) -> str:
        return "NOT_LOADED"


NOT_LOADED: Final[Any] = _NotLoaded()
"""Given to a noun for each part that was not read. Touching it raises `PartNotLoaded`."""


def not_loaded() -> Any:
    return NOT_LOADED


class Parted:
    """A noun with parts. A part given as NOT_LOADED is left out of the instance, so that loaded ones stay plain
    attributes and a missing one raises."""

    def _drop_unloaded(self) -> None:
        own = vars(self)
        for name in [name for name, value in own.items() if value is NOT_LOADED]:
            del own[name]

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        raise PartNotLoaded(f"{type(self).__name__}.{name} was not loaded")

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {vars(self).get('id')}>"

    def has(self, name: str) -> bool:
        """Whether a part was read."""
        return name in vars(self)
