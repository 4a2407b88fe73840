"""What an answer that is no success says of itself, before a platform's own words are understood."""

from __future__ import annotations

from typing import TypeVar

import msgspec

from platforms.errors import Native, Unavailable
from platforms.transport import Reply

T = TypeVar("T")


def in_their_words(reply: Reply, shape: type[T]) -> T | None:
    """The body in the shape of a platform's errors; None where it is another's: a page, a text, other JSON."""
    if "json" not in reply.headers.get("content-type", "").partition(";")[0]:
        return None
    try:
        return msgspec.json.decode(reply.body, type=shape)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None


def without_words(reply: Reply) -> tuple[Native, ...]:
    """All that is kept of such an answer."""
    return (Native(f"HTTP {reply.status}", http_status=reply.status),)


def not_the_platform(reply: Reply, platform: str) -> Unavailable:
    """A firewall, a proxy, a security plug-in or another site spoke, and what became of the call is not known."""
    return Unavailable(
        f"HTTP {reply.status} came from something before {platform}, not in its words", native=without_words(reply)
    )
