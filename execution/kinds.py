"""Which values must be awaited and which are errors, told by their class: a class is looked at once."""

from __future__ import annotations

from enum import IntEnum
from types import CoroutineType, FunctionType, GeneratorType
from typing import Any, Final

from graphql import Undefined
from graphql.pyutils import is_awaitable as _is_awaitable

#: How many classes are remembered.
_MOST: Final = 10_000


class Kind(IntEnum):
    """What a value is before its type is looked at."""

    PLAIN = 0
    NOTHING = 1
    ERROR = 2
    AWAITABLE = 3
    #: Its class does not tell.
    UNSURE = 4


class Kinds(dict[type, Kind]):
    """The kind of a value by its class."""

    def __missing__(self, found: type) -> Kind:
        if len(self) >= _MOST:
            self.clear()
        kind = self[found] = _kind(found)
        return kind


def _kind(found: type) -> Kind:
    if found is type(None) or found is type(Undefined):
        return Kind.NOTHING
    if issubclass(found, CoroutineType) or hasattr(found, "__await__"):
        return Kind.AWAITABLE
    if issubclass(found, GeneratorType) or hasattr(found, "__getattr__"):
        return Kind.UNSURE
    if isinstance(found.__getattribute__, FunctionType):
        return Kind.UNSURE
    if issubclass(found, Exception):
        return Kind.ERROR
    return Kind.PLAIN


KINDS: Final = Kinds()


def kind_of(value: Any) -> Kind:
    """What a value is; never UNSURE."""
    kind = KINDS[value.__class__]
    if kind is Kind.UNSURE:
        if _is_awaitable(value):
            return Kind.AWAITABLE
        return Kind.ERROR if isinstance(value, Exception) else Kind.PLAIN
    return kind


def is_awaitable(value: Any) -> bool:
    """Whether a value must be awaited."""
    return kind_of(value) is Kind.AWAITABLE
