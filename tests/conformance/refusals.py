"""In which shapes each vendor says no, or that something is wrong, and what that means here."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from platforms.errors import BadCredentials, MissingScope, PlatformError, Refused, Throttled, Unavailable
from tests.conformance.vocabulary import recorded

#: Put into what a store says, and never to be seen again.
ADDRESS = "ada@example.com"


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer that is no success."""

    of: str
    status: int
    #: JSON, or a text as it is.
    body: Any
    means: type[PlatformError]
    #: The vendor's own code, as it is kept.
    code: str | None = None
    #: What it means of a write, where that is another thing.
    of_a_write: type[PlatformError] | None = None
    #: Said to a write alone: of a search for an address it means that there can be no such address.
    writes_only: bool = False

    @property
    def kind(self) -> str:
        if not isinstance(self.body, str):
            return "application/json; charset=utf-8"
        return "text/html; charset=utf-8" if self.body.startswith("<") else "text/plain; charset=utf-8"

    @property
    def content(self) -> bytes:
        return (self.body if isinstance(self.body, str) else json.dumps(self.body)).encode()


#: Not the vendor's: what stands before any of them.
ANYWHERE = (
    Answer("a firewall", 403, "<!doctype html><title>Blocked</title>", Unavailable),
    Answer("maintenance", 503, "<!doctype html><title>Back soon</title>", Unavailable),
    Answer("a redirect", 302, "<a href='https://elsewhere.example'>moved</a>", Refused, of_a_write=Unavailable),
    Answer("a gateway in between", 502, "Bad Gateway", Unavailable),
    Answer("a gateway that waited", 504, "", Unavailable),
)


def _woocommerce(name: str, means: type[PlatformError], code: str, **more: Any) -> Answer:
    found = recorded("woocommerce", "captures", f"{name}.json")
    return Answer(name, found["status"], found["body"], means, code, **more)


def _bigcommerce(name: str) -> Any:
    return recorded("bigcommerce", "fixtures", name)


def _medusa(name: str, means: type[PlatformError], code: str | None) -> Answer:
    found = recorded("medusa", "captures", f"{name}.json")
    return Answer(name, found["status"], found["body"], means, code)


def _shopify(code: str, message: str, means: type[PlatformError], **more: Any) -> Answer:
    """Of GraphQL: a success of HTTP, with errors and nothing else."""
    said = {"errors": [{"message": f"{message} {ADDRESS}", "extensions": {"code": code, **more}}]}
    return Answer(code, 200, said, means, code)


def _commercetools(status: int, code: str, means: type[PlatformError]) -> Answer:
    said = {"statusCode": status, "message": ADDRESS, "errors": [{"code": code, "message": f"No: {ADDRESS}"}]}
    return Answer(code, status, said, means, code)


def _medusa_type(status: int, kind: str, means: type[PlatformError]) -> Answer:
    return Answer(kind, status, {"type": kind, "message": f"No: {ADDRESS}"}, means, kind)


ANSWERS: Mapping[str, tuple[Answer, ...]] = {
    "shopify": (
        Answer("a wrong token", 401, {"errors": "[API] Invalid API key or access token"}, BadCredentials),
        Answer("a firewall", 403, "<!doctype html><title>Blocked</title>", Refused),
        Answer("a frozen shop", 402, {"errors": "Unavailable Shop"}, Refused),
        Answer("no such version", 404, {"errors": "Not Found"}, Refused),
        Answer("a locked shop", 423, {"errors": "Locked"}, Refused),
        Answer("too often", 429, {"errors": "Exceeded 2 calls per second"}, Throttled),
        _shopify("ACCESS_DENIED", "Access denied for customers field.", MissingScope),
        _shopify("THROTTLED", "Throttled", Throttled),
        _shopify("INTERNAL_SERVER_ERROR", "Internal error. Request ID: 1", Unavailable),
    ),
    "woocommerce": (
        _woocommerce("err_401_bad_key", BadCredentials, "woocommerce_rest_cannot_view"),
        # Where the key has just read something, its secret is right; the text is in the site's language.
        _woocommerce(
            "err_401_bad_secret", BadCredentials, "woocommerce_rest_authentication_error", of_a_write=MissingScope
        ),
        _woocommerce("err_401_read_only_key", MissingScope, "woocommerce_rest_authentication_error"),
        _woocommerce("err_400_bad_param", Refused, "rest_invalid_param", writes_only=True),
        _woocommerce("err_404_order", Refused, "woocommerce_rest_shop_order_invalid_id"),
        Answer("too often", 429, {"code": "too_many", "message": ADDRESS, "data": {"status": 429}}, Throttled),
    ),
    "recharge": (
        Answer("a wrong token", 401, {"errors": f"Bad authentication {ADDRESS}"}, BadCredentials),
        Answer("a missing scope", 403, {"error": f"Token is missing a scope {ADDRESS}"}, MissingScope),
        Answer("by field", 422, {"errors": {"date": [f"Not a valid date. {ADDRESS}"]}}, Refused),
        Answer("as a list", 422, {"errors": [f"One {ADDRESS}", "Two"]}, Refused),
        Answer("a warning", 400, {"warning": f"Careful {ADDRESS}"}, Refused),
        Answer("being worked on", 409, {"error": f"Charge is being processed {ADDRESS}"}, Refused),
        Answer("too often", 429, {"error": "You have exceeded the rate limit"}, Throttled),
        Answer("a fault", 500, {"error": "Internal Server Error"}, Unavailable),
    ),
    "bigcommerce": (
        Answer("v2", 404, _bigcommerce("error_order_fees_404.json"), Refused, "404"),
        Answer(
            "v3",
            422,
            _bigcommerce("error_refund_quote_422.json"),
            Refused,
            "422",
            writes_only=True,
        ),
        Answer(
            "of refunds",
            422,
            _bigcommerce("error_refund_422.json"),
            Refused,
            "422",
            writes_only=True,
        ),
        Answer("busy", 503, _bigcommerce("error_refund_503.json"), Unavailable, "503"),
        Answer("a wrong token", 401, [{"status": 401, "message": f"Unauthorized {ADDRESS}"}], BadCredentials, "401"),
        Answer(
            "a missing scope",
            403,
            {"status": 403, "title": f"You don't have a required scope {ADDRESS}", "type": "/api-docs"},
            MissingScope,
            "403",
        ),
        Answer("too often", 429, {"status": 429, "title": "Too many requests"}, Throttled),
    ),
    "commercetools": (
        Answer("ErrorResponse", 400, recorded("commercetools", "fixtures", "ErrorResponse.json"), Refused),
        _commercetools(400, "InvalidOperation", Refused),
        _commercetools(401, "invalid_token", BadCredentials),
        _commercetools(403, "insufficient_scope", MissingScope),
        _commercetools(404, "ResourceNotFound", Refused),
        _commercetools(409, "LockedField", Refused),
        Answer("too often", 429, {"statusCode": 429, "message": ADDRESS, "errors": []}, Throttled),
        Answer("a fault", 500, {"statusCode": 500, "message": ADDRESS, "errors": []}, Unavailable),
    ),
    "medusa": (
        _medusa("err_400_bad_param", Refused, "invalid_data"),
        _medusa("err_401_bad_key", BadCredentials, None),
        _medusa("err_cancel_fulfilled", Refused, "not_allowed"),
        _medusa_type(403, "forbidden", MissingScope),
        _medusa_type(422, "payment_authorization_error", Refused),
        _medusa_type(409, "conflict", Unavailable),
        _medusa_type(500, "database_error", Unavailable),
        Answer("as a text", 401, "Unauthorized", BadCredentials),
        Answer("too often", 429, {"message": "Too many"}, Throttled),
    ),
    "magento": (
        Answer("the vendor's example", 400, recorded("magento", "fixtures", "error_400.json"), Refused),
        Answer(
            "with names to fill in",
            400,
            {"message": "No %what.", "parameters": {"what": ADDRESS}, "trace": "#0 /var/www/secret.php"},
            Refused,
        ),
        Answer("a wrong signature", 401, {"message": f"The signature is invalid. {ADDRESS}"}, BadCredentials),
        Answer(
            "a missing permission",
            401,
            {
                "message": "The consumer isn't authorized to access %resources.",
                "parameters": {"resources": "Magento_Sales::actions_view"},
            },
            MissingScope,
        ),
        Answer("no entity", 404, {"message": "No such entity with %1", "parameters": [ADDRESS]}, Refused),
        Answer("too often", 429, {"message": "Too many"}, Throttled),
        Answer("a fault", 500, {"message": f"Internal Error. Details are in the log. {ADDRESS}"}, Unavailable),
    ),
}
