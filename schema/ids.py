"""How an id is written: `Order:us:450789469`, opaque to clients, readable to people, unambiguous to us."""

from __future__ import annotations

import re
from typing import NamedTuple, cast
from urllib.parse import quote, unquote

import strawberry

#: An id longer than this is nobody's.
MAX_LENGTH = 512

#: What stands in a URL as it is, so that encoding it would change nothing.
_PLAIN = re.compile(r"[A-Za-z0-9_.~-]+")
_PLAIN_ID = re.compile(r"[A-Za-z_]\w*(?::[A-Za-z0-9_.~-]+)+", re.ASCII)


class MalformedId(ValueError):
    """The text is not an id of this gateway."""


class GlobalId(NamedTuple):
    """A type name and its parts: for most nouns the store and the platform's own id."""

    type: str
    parts: tuple[str, ...]

    def __str__(self) -> str:
        return make_id(self.type, *self.parts)

    @property
    def store(self) -> str:
        return self.parts[0]

    @property
    def native(self) -> str:
        return self.parts[-1]


def make_id(type_name: str, *parts: str) -> strawberry.ID:
    """The id of a node: `make_id("Order", "us", "1001") == "Order:us:1001"`."""
    text = type_name
    for part in parts:
        text += ":" + (part if _PLAIN.fullmatch(part) else quote(part, safe=""))
    return cast("strawberry.ID", text)


def parse_id(text: str) -> GlobalId:
    """The opposite of `make_id`.

    Raises:
        MalformedId: not written by `make_id`: wrong shape, an empty part, or an encoding that is not ours.
    """
    if len(text) > MAX_LENGTH:
        raise MalformedId(f"an id has at most {MAX_LENGTH} characters")
    type_name, *parts = text.split(":")
    if _PLAIN_ID.fullmatch(text):
        return GlobalId(type_name, tuple(parts))
    if not type_name.isidentifier() or not parts or not all(parts):
        raise MalformedId("not an id of this API: expected one like Order:us:1001, as answers give it")
    try:
        decoded = tuple(unquote(part, errors="strict") for part in parts)
    except UnicodeDecodeError:
        raise MalformedId("not an id of this API: it holds a broken percent escape") from None
    if not text.isascii() or str(found := GlobalId(type_name, decoded)) != text:
        raise MalformedId("not an id of this API: it is not written as answers give it")
    return found


def parse_typed(text: str, type_name: str, length: int = 2) -> GlobalId:
    """`parse_id` for an argument that takes one type's ids only.

    Raises:
        MalformedId: it is another type's id, or has another number of parts; the message names both types.
    """
    found = parse_id(text)
    if found.type != type_name:
        raise MalformedId(f"this is the id of {found.type}; an id of {type_name} is needed")
    if len(found.parts) != length:
        raise MalformedId(f"not an id of {type_name}: expected {length} parts after the type")
    return found
