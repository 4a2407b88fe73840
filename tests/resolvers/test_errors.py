"""What a client reads of an error, and what it never reads."""

from __future__ import annotations

from typing import Any

import pytest
from graphql import GraphQLError

from platforms.errors import BadCredentials, CircuitOpen, Native, PlatformError, Throttled, Unreadable, Unsupported
from resolvers.errors import BadArgument, NotKnown, is_ours, presented, without_repeats
from schema.connections import PageSizeOutOfRange
from schema.emails import MalformedEmail
from schema.ids import MalformedId


def seen(cause: BaseException | None, path: list[str | int] | None = None) -> dict[str, Any]:
    error = GraphQLError("raw text", path=path or ["order"], original_error=cause)  # type: ignore[arg-type]
    return dict(presented(error, "req-1").formatted)


@pytest.mark.parametrize(
    ("cause", "message", "extensions"),
    [
        (BadArgument("first", "too many"), "too many", {"code": "INVALID_INPUT", "argument": "first"}),
        (MalformedId("no id"), "no id", {"code": "INVALID_INPUT"}),
        (MalformedEmail("no address"), "no address", {"code": "INVALID_INPUT"}),
        (PageSizeOutOfRange("first"), "first", {"code": "INVALID_INPUT"}),
        (NotKnown("nobody"), "nobody", {"code": "NOT_FOUND"}),
        (
            Throttled("Bucket of ada@example.com is full", store="us", retry_after=2.1),
            "us asks to wait before it answers again.",
            {"code": "PLATFORM_THROTTLED", "retryable": True, "store": "us", "retryAfterSeconds": 3},
        ),
        (
            BadCredentials("token shpat_1 is wrong", store="us", native=[Native("secret words")]),
            "us refused to answer.",
            {"code": "PLATFORM_REFUSED", "retryable": False, "store": "us"},
        ),
        (
            Unreadable("order.total is missing", store="us"),
            "us could not be read in time.",
            {"code": "PLATFORM_UNAVAILABLE", "retryable": True, "store": "us"},
        ),
        (
            CircuitOpen("left alone", retry_after=0.0),
            "The store could not be read in time.",
            {"code": "PLATFORM_UNAVAILABLE", "retryable": True, "retryAfterSeconds": 1},
        ),
        (
            Unsupported("no such thing", store="us"),
            "us does not offer this.",
            {"code": "UNSUPPORTED", "retryable": False, "store": "us"},
        ),
    ],
)
def test_an_error_has_a_code_and_says_no_more_than_a_client_may_know(
    cause: Exception, message: str, extensions: dict[str, Any]
) -> None:
    found = seen(cause)
    assert found["message"] == message
    assert found["extensions"] == extensions
    assert found["path"] == ["order"]


@pytest.mark.parametrize(
    "cause", [KeyError("ada@example.com"), RuntimeError("dsn=secret"), ValueError("x"), LookupError()]
)
def test_a_mistake_of_ours_is_masked_and_can_be_found_by_the_requests_id(cause: Exception) -> None:
    found = seen(cause)
    assert found["message"] == "Something went wrong here; it has been logged."
    assert found["extensions"] == {"code": "INTERNAL_ERROR", "requestId": "req-1"}
    assert is_ours(GraphQLError("x", original_error=cause))


def test_what_lies_behind_several_errors_of_graphql_is_what_counts() -> None:
    inner = GraphQLError("inner", original_error=NotKnown("nobody"))
    assert seen(inner)["extensions"] == {"code": "NOT_FOUND"}
    assert not is_ours(GraphQLError("x", original_error=inner))


def test_a_mistake_in_the_document_keeps_its_message_and_has_a_code() -> None:
    for cause in (None, GraphQLError("Value 'NOPE' does not exist")):
        error = GraphQLError("Cannot query field 'x'.", original_error=cause)
        found = presented(error, "req-1").formatted
        assert found["message"] == "Cannot query field 'x'."
        assert found["extensions"] == {"code": "INVALID_INPUT"}
        assert not is_ours(error)


def test_a_code_that_is_there_already_stays() -> None:
    error = GraphQLError("no", extensions={"code": "POLICY_DENIED"})
    assert presented(error, "req-1").extensions == {"code": "POLICY_DENIED"}


def test_one_trouble_on_eighty_lines_is_told_once() -> None:
    errors = [GraphQLError("us is down", path=["orders", "nodes", n, "lines", n, "product"]) for n in range(80)]
    other_field = GraphQLError("us is down", path=["orders", "nodes", 0, "customer"])
    other_store = GraphQLError("eu is down", path=["orders", "nodes", 0, "lines", 0, "product"])
    assert without_repeats([*errors, other_field, other_store]) == [errors[0], other_field, other_store]


def test_every_platform_error_has_a_presentation() -> None:
    def tree(kind: type[PlatformError]) -> list[type[PlatformError]]:
        return [kind, *(found for child in kind.__subclasses__() for found in tree(child))]

    for kind in tree(PlatformError):
        found = seen(kind("the platform's own words", store="us"))
        assert found["extensions"]["code"] == kind.code.value
        assert "own words" not in found["message"]
