"""GraphQL over HTTP: what a request asks, in which media type it is answered, and with which status."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final
from urllib.parse import parse_qsl

import orjson
from graphql import GraphQLError
from starlette.datastructures import Headers

#: The specification is https://graphql.github.io/graphql-over-http/draft/ ; both media types are its own.
GRAPHQL: Final = "application/graphql-response+json"
JSON: Final = "application/json"

METHODS: Final = "GET, POST"


class Refused(Exception):
    """What is not a GraphQL request, or one that may not be made. The message is safe to show."""

    def __init__(self, status: int, message: str, code: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.headers = dict(headers or {})


class RequestError(Exception):
    """A GraphQL request that cannot be executed: a list of errors, and no `data`."""

    def __init__(self, errors: Sequence[GraphQLError], status: int | None = None) -> None:
        super().__init__(errors[0].message)
        self.errors = list(errors)
        #: Whatever the media type; None: as the media type says.
        self.status = status

    @classmethod
    def of(cls, message: str, code: str, *, status: int | None = None, **extensions: Any) -> RequestError:
        return cls([GraphQLError(message, extensions={"code": code, **extensions})], status)


@dataclass(frozen=True, slots=True)
class Asked:
    """One well-formed request."""

    query: str | None
    variables: dict[str, Any]
    operation_name: str | None
    extensions: dict[str, Any]
    document_id: str | None
    #: Only a POST may change something.
    by_post: bool


def read(method: str, headers: Headers, query_string: bytes, body: bytes) -> Asked:
    """The request's parameters.

    Raises:
        Refused: 405, 415 or 400, with the reason.
    """
    if method == "POST":
        return _parameters(_json_object(headers, body), by_post=True)
    if method == "GET":
        return _parameters(_from_address(query_string), by_post=False)
    raise not_allowed(f"{method} is not offered here: use POST, or GET for a query", METHODS)


def not_allowed(message: str, methods: str) -> Refused:
    return Refused(405, message, "METHOD_NOT_ALLOWED", {"allow": methods})


def _bad(message: str) -> Refused:
    return Refused(400, message, "BAD_REQUEST")


def _json_object(headers: Headers, body: bytes) -> dict[str, Any]:
    types = headers.getlist("content-type")
    if len(types) != 1 or not (types[0] == JSON or _is_json(types[0])):
        raise Refused(415, "send the request as `content-type: application/json`, in UTF-8", "UNSUPPORTED_MEDIA_TYPE")
    if any(encoding.strip().lower() != "identity" for encoding in headers.getlist("content-encoding")):
        raise Refused(415, "send the body as it is, without a content-encoding", "UNSUPPORTED_MEDIA_TYPE")
    try:
        found = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise _bad(f"the body cannot be read as JSON: {error.msg}") from None
    if isinstance(found, list):
        raise _bad("Batching is not enabled: send one request at a time")
    if not isinstance(found, dict):
        raise _bad("the body must be a JSON object with a `query`")
    return found


def _is_json(content_type: str) -> bool:
    media, parameters = _media(content_type)
    return media == JSON and parameters.get("charset", "utf-8") in ("utf-8", "utf8")


def _media(text: str) -> tuple[str, dict[str, str]]:
    media, *rest = text.split(";")
    pairs = (piece.partition("=") for piece in rest)
    return media.strip().lower(), {
        name.strip().lower(): value.strip().strip('"').lower() for name, _, value in pairs if name.strip()
    }


def _from_address(query_string: bytes) -> dict[str, Any]:
    try:
        pairs = parse_qsl(
            query_string.decode("ascii"), keep_blank_values=True, encoding="utf-8", errors="strict", max_num_fields=20
        )
    except ValueError:  # not ASCII, not UTF-8 once decoded, or too many parameters
        raise _bad("the address holds parameters that cannot be read") from None
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise _bad(f"the parameter {name!r} stands in the address twice")
        found[name] = value
    for name in ("variables", "extensions"):
        if name in found:
            try:
                found[name] = orjson.loads(found[name]) if found[name] else None
            except (orjson.JSONDecodeError, UnicodeEncodeError):
                raise _bad(f"the parameter {name!r} is not JSON") from None
    return found


def _parameters(found: Mapping[str, Any], *, by_post: bool) -> Asked:
    for name in ("query", "operationName", "documentId"):
        if not isinstance(found.get(name), str | None):
            raise _bad(f"`{name}` must be a string")
    for name in ("variables", "extensions"):
        if not isinstance(found.get(name), dict | None):
            raise _bad(f"`{name}` must be a JSON object")
    return Asked(
        query=found.get("query") or None,
        variables=found.get("variables") or {},
        operation_name=found.get("operationName") or None,
        extensions=found.get("extensions") or {},
        document_id=found.get("documentId") or None,
        by_post=by_post,
    )


def answered_as(accept: str | None) -> str | None:
    """The media type that the client likes best: GRAPHQL where it is named, JSON where anything goes; None: neither."""
    if accept is None or not accept.strip():
        return JSON
    return _best_known(accept) if len(accept) < _SHORT else _best(accept)


#: Longer words than these are read anew each time: no client fills the memory with them.
_SHORT: Final = 200


def _best(accept: str) -> str | None:
    ranges = [_media(piece) for piece in accept.split(",") if piece.strip()]
    best: tuple[float, int, bool, str] | None = None
    for media in (JSON, GRAPHQL):
        quality, closeness = _quality(media, ranges)
        candidate = (quality, closeness, (media == GRAPHQL) == (closeness == _EXACT), media)
        if quality > 0 and (best is None or candidate > best):
            best = candidate
    return best[3] if best else None


_best_known = lru_cache(maxsize=256)(_best)

_EXACT = 2


def _quality(media: str, ranges: Sequence[tuple[str, Mapping[str, str]]]) -> tuple[float, int]:
    """How much a media type is wanted, and how closely it was named."""
    patterns = ("*/*", f"{media.partition('/')[0]}/*", media)
    found = (0.0, -1)
    for pattern, parameters in ranges:
        if pattern in patterns and parameters.get("charset", "utf-8") in ("utf-8", "utf8"):
            closeness = patterns.index(pattern)
            if closeness > found[1]:
                found = (_weight(parameters.get("q", "1")), closeness)
    return found


def _weight(text: str) -> float:
    try:
        weight = float(text)
    except ValueError:
        return 0.0
    return weight if 0 <= weight <= 1 else 0.0


def names_a_graphql_type(accept: str | None) -> bool:
    """Whether `Accept` names JSON or GraphQL: what no link, image or form of another site can send."""
    return any(_media(piece)[0] in (JSON, GRAPHQL) for piece in (accept or "").split(","))


def status_of(media: str, *, ran: bool) -> int:
    """The status of an answer: with `application/json` every well-formed request is answered with 200."""
    return 200 if ran or media == JSON else 400


def was_run(data: object, errors: Sequence[GraphQLError] | None) -> bool:
    """Whether an operation was executed at all: else its answer holds no `data`."""
    return data is not None or not errors or any(error.path is not None for error in errors)
