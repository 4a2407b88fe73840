"""How an exception becomes the one error a client reads: a `ProblemCode`, a message that gives nothing away."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from graphql import GraphQLError

from platforms.errors import PlatformError
from schema.access import Forbidden, UnknownScope
from schema.connections import PageSizeOutOfRange
from schema.emails import MalformedEmail
from schema.ids import MalformedId
from schema.vocabulary import ProblemCode


class BadArgument(ValueError):
    """An argument cannot be right. `argument` is its name in the query, the message holds the cure."""

    def __init__(self, argument: str, message: str) -> None:
        super().__init__(message)
        self.argument = argument


class NotKnown(LookupError):
    """What was asked for is not there, or not yours: the same answer."""


class TooMany(Exception):
    """Asked too often. `retry_after` in seconds; the message is safe to show."""

    def __init__(self, message: str, retry_after: float) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class NotOffered(Exception):
    """This gateway is not set up for what was asked. The message is safe to show and says what is missing."""


def retry_after_seconds(error: PlatformError) -> int | None:
    """Whole seconds, rounded up, as answers give them."""
    return None if error.retry_after is None else max(1, math.ceil(error.retry_after))


def issue_message(error: PlatformError, store: str) -> str:
    """What a client may know of a store's trouble: never the platform's own text."""
    match error.code:
        case ProblemCode.PLATFORM_THROTTLED:
            return f"{store} asks to wait before it answers again."
        case ProblemCode.UNSUPPORTED:
            return f"{store} does not offer this."
        case ProblemCode.PLATFORM_REFUSED:
            return f"{store} refused to answer."
        case _:
            return f"{store} could not be read in time."


def extensions_of(error: BaseException) -> dict[str, Any] | None:
    """The `extensions` of an error that is a client's to know; None where it is a mistake of ours."""
    match error:
        case BadArgument():
            return {"code": ProblemCode.INVALID_INPUT.value, "argument": error.argument}
        case MalformedEmail() | MalformedId() | PageSizeOutOfRange() | UnknownScope():
            return {"code": ProblemCode.INVALID_INPUT.value}
        case Forbidden():
            return {"code": "FORBIDDEN"}
        case TooMany():
            return {"code": "RATE_LIMITED", "retryAfterSeconds": max(1, math.ceil(error.retry_after))}
        case NotOffered():
            return {"code": ProblemCode.UNSUPPORTED.value}
        case NotKnown():
            return {"code": ProblemCode.NOT_FOUND.value}
        case PlatformError():
            found: dict[str, Any] = {"code": error.code.value, "retryable": error.retryable}
            if error.store:
                found["store"] = error.store
            if (seconds := retry_after_seconds(error)) is not None:
                found["retryAfterSeconds"] = seconds
            return found
        case _:
            return None


def presented(error: GraphQLError, request_id: str) -> GraphQLError:
    """The error as a client sees it; what is ours alone is masked and carries the request's id."""
    cause = error.original_error
    while isinstance(cause, GraphQLError) and cause.original_error is not None:
        cause = cause.original_error
    if cause is None or isinstance(cause, GraphQLError):
        if error.path is None and not error.extensions:  # the document, or its variables, cannot be right
            error.extensions = {"code": ProblemCode.INVALID_INPUT.value}
        return error
    extensions = extensions_of(cause)
    if extensions is None:
        message, extensions = "Something went wrong here; it has been logged.", {"code": "INTERNAL_ERROR"}
        extensions["requestId"] = request_id
    elif isinstance(cause, PlatformError):
        message = issue_message(cause, cause.store or "The store")
    else:
        message = str(cause)
    return GraphQLError(message, error.nodes, error.source, error.positions, error.path, cause, extensions)


def is_ours(error: GraphQLError) -> bool:
    """Whether an error is a mistake of the gateway's, to be logged with its trace."""
    cause = error.original_error
    while isinstance(cause, GraphQLError):
        cause = cause.original_error
    return cause is not None and extensions_of(cause) is None


def without_repeats(errors: Sequence[GraphQLError]) -> list[GraphQLError]:
    """One error for each thing that went wrong, not one for each of eighty lines that it touched."""
    seen: set[tuple[object, ...]] = set()
    kept = []
    for error in errors:
        place = tuple(step for step in error.path or () if isinstance(step, str))
        key = (error.message, place)
        if key not in seen:
            seen.add(key)
            kept.append(error)
    return kept
