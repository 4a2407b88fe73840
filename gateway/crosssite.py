"""Which requests a page of another site could have caused, and that these are refused."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from starlette.datastructures import Headers

from gateway.protocol import Refused, names_a_graphql_type

#: A browser sends none of these across sites without asking first (a preflight). Apollo's clients send the last two.
PREFLIGHT_HEADERS: Final = ("graphql-require-preflight", "apollo-require-preflight", "x-apollo-operation-name")

#: What a page of a configured origin may send.
ALLOWED_HEADERS: Final = (*PREFLIGHT_HEADERS, "accept-language", "authorization", "content-type", "x-request-id")
EXPOSED_HEADERS: Final = ("x-request-id", "retry-after")


def refuse_cross_site(method: str, headers: Headers, origins: Collection[str], *, strict: bool) -> None:
    """Let pass what no other site can cause. POST is guarded by its content type already (JSON needs a preflight).

    `strict`: a GET must show that it is no link, image or form; else it is enough that a browser does not say it is.

    Raises:
        Refused: 403, with the cure.
    """
    site = headers.get("sec-fetch-site")
    if site in ("cross-site", "same-site") and headers.get("origin") not in origins:
        raise _refused("a page of another site may not ask here; its origin is not configured")
    if method != "GET":
        return
    if any(name in headers for name in PREFLIGHT_HEADERS):
        return
    if headers.get("sec-fetch-mode") in ("navigate", "no-cors") or headers.get("sec-fetch-dest", "empty") != "empty":
        raise _refused(f"a query by GET must be asked by a script: {_CURE}")
    if strict and not names_a_graphql_type(headers.get("accept")):
        raise _refused(f"a query by GET must show that no other site caused it: {_CURE}")


_CURE = (
    f"send `accept: application/graphql-response+json` or the header `{PREFLIGHT_HEADERS[0]}: 1`, or use POST with JSON"
)


def _refused(message: str) -> Refused:
    return Refused(403, message, "CROSS_SITE")
