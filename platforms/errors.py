"""Everything that can go wrong with a platform, as one tree.

    PlatformError
      Unsupported            the platform, or this store of it, cannot do the operation
      Refused                the platform understood and said no
        MissingScope         ... because our credentials lack a permission
        BadCredentials       ... because our credentials are wrong, expired or revoked
      Throttled              the platform asks to wait; it did not run the call
      Unavailable            no usable answer, and the call had no effect we need to fear (reads, or never sent)
        CircuitOpen          not sent: the store has failed repeatedly
        DeadlineExceeded     a read that did not finish in its time
        Unreadable           an answer came, but not in the platform's words
      OutcomeUnknown         a write was sent and its answer was lost

Each has a `code` (the contract's `ProblemCode`), `retryable`, and keeps the vendor's own codes; never a secret, never a
body. `not_executed` is true only where it is certain that the platform did not run the call.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from schema.vocabulary import ActionKind, ProblemCode

#: An address in a vendor's text, also as a link has it.
_ADDRESS = re.compile(r"[^\s@<>\",;()]+(?:@|%40)[^\s@<>\",;()']+")
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f]+")
_LONGEST = 300


@dataclass(frozen=True)
class Native:
    """One error as the platform put it. `message` is the vendor's text for staff: one line, no address, and cut."""

    message: str
    code: str | None = None
    field: tuple[str, ...] | None = None
    http_status: int | None = None

    def __post_init__(self) -> None:
        line = _UNPRINTABLE.sub(" ", self.message).strip()
        object.__setattr__(self, "message", _ADDRESS.sub("***", line)[:_LONGEST])


class PlatformError(Exception):
    """Base of all errors of a store. `str(error)` is safe to log and to show to staff."""

    code: ClassVar[ProblemCode] = ProblemCode.PLATFORM_UNAVAILABLE
    retryable: ClassVar[bool] = False
    #: Certain that the platform did not run the call.
    not_executed: bool = False

    def __init__(
        self,
        message: str,
        *,
        store: str = "",
        retry_after: float | None = None,
        native: Sequence[Native] = (),
        not_executed: bool | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.store = store
        #: Seconds after which trying again makes sense, where that is known.
        self.retry_after = retry_after
        self.native = tuple(native)
        if not_executed is not None:
            self.not_executed = not_executed


class Unsupported(PlatformError):
    """The platform, or this store's edition or plug-ins, cannot do it."""

    code = ProblemCode.UNSUPPORTED
    not_executed = True

    def __init__(self, message: str, *, action: ActionKind | None = None, store: str = "") -> None:
        super().__init__(message, store=store)
        self.action = action


class Refused(PlatformError):
    """The platform understood the call and refused it; nothing happened."""

    code = ProblemCode.PLATFORM_REFUSED
    not_executed = True


class MissingScope(Refused):
    """Our credentials lack a permission; `scopes` names it where the platform does."""

    def __init__(self, message: str, *, scopes: Sequence[str] = (), store: str = "", native: Sequence[Native] = ()):
        super().__init__(message, store=store, native=native)
        self.scopes = tuple(scopes)


class BadCredentials(Refused):
    """The platform does not know our credentials: wrong, expired or revoked."""


class Throttled(PlatformError):
    """The platform asks to wait. It says that it did not run the call."""

    code = ProblemCode.PLATFORM_THROTTLED
    retryable = True
    not_executed = True


class Unavailable(PlatformError):
    """No usable answer. On a write this is only raised when `not_executed`; else it is `OutcomeUnknown`."""

    code = ProblemCode.PLATFORM_UNAVAILABLE
    retryable = True


class CircuitOpen(Unavailable):
    """Not sent: the store failed repeatedly and is left alone until `retry_after` seconds have passed."""

    not_executed = True


class DeadlineExceeded(Unavailable):
    """A read did not finish in its time."""


class Unreadable(Unavailable):
    """An answer came that is not in the platform's words; the message names the field or the content type."""


class OutcomeUnknown(PlatformError):
    """A write was sent and its answer was lost. Read the platform before anything else; never send again blindly."""

    code = ProblemCode.OUTCOME_UNKNOWN
