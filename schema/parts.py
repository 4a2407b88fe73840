"""The costly parts of a noun, which a query may or may not ask for; loaders and adapters speak of them."""

from __future__ import annotations

from dataclasses import fields
from enum import Flag, auto
from functools import cache
from typing import Any, ClassVar, Final, TypeVar, cast

P = TypeVar("P", bound="_Parts")


class _Parts(Flag):
    """Parts are joined and compared for every order, and what comes of it is one of a few: kept, not made anew."""

    _all: ClassVar[tuple[Any, ...]]


def _joined(one: P, other: P) -> P:
    if other.__class__ is not one.__class__:
        return NotImplemented  # type: ignore[no-any-return]
    found: P = one._all[one._value_ | other._value_]
    return found


def _shared(one: P, other: P) -> P:
    if other.__class__ is not one.__class__:
        return NotImplemented  # type: ignore[no-any-return]
    found: P = one._all[one._value_ & other._value_]
    return found


class OrderParts(_Parts):
    """What of an order is read beside its head (status, times, totals, owner, tags)."""

    # In each class of its own: enum gives every Flag the operators of Flag.
    __or__ = _joined
    __and__ = _shared

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
    #: How far the goods came back. A platform tells it with the head; what the gateway keeps of returns is looked up.
    RETURN_STATUS = auto()
    ALL = LINES | FULFILLMENTS | RETURNS | REFUNDS | ADDRESSES | STATUS_URL | RETURN_STATUS


class SubscriptionParts(_Parts):
    """What of a subscription is read beside its head and lines."""

    __or__ = _joined
    __and__ = _shared

    NONE = 0
    #: How many cycles are completed, and the order it came from.
    CYCLES = auto()
    ALL = CYCLES


for _kind in (OrderParts, SubscriptionParts):
    _kind._all = tuple(_kind(value) for value in range(_kind.ALL._value_ + 1))


class PartNotLoaded(RuntimeError):
    """A part was touched that nobody asked for: a mistake of ours, never shown as an empty list."""


class _NotLoaded:
    def __repr__(self) -> str:
        return "NOT_LOADED"


NOT_LOADED: Final[Any] = _NotLoaded()
"""Given to a noun for each part that was not read. Touching it raises `PartNotLoaded`."""


def not_loaded() -> Any:
    return NOT_LOADED


@cache
def _parts_of(noun: type[Any]) -> tuple[str, ...]:
    return tuple(field.name for field in fields(noun) if field.default_factory is not_loaded)


class Parted:
    """A noun with parts. A part given as NOT_LOADED is left out of the instance, so that loaded ones stay plain
    attributes and a missing one raises."""

    def _drop_unloaded(self) -> None:
        own, noun = vars(self), cast("Any", type(self))
        for name in _parts_of(noun):
            if own[name] is NOT_LOADED:
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
