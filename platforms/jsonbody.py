"""How an answer's bytes become typed values: strictly, numbers kept exact, and no value of the body in an error."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence, Set
from decimal import Decimal
from typing import Any, Protocol, TypeVar

import msgspec

from platforms.errors import Native, Unreadable

T = TypeVar("T")


class Answer(Protocol):
    """What is read of a reply."""

    @property
    def status(self) -> int: ...
    @property
    def headers(self) -> Mapping[str, str]: ...
    @property
    def body(self) -> bytes: ...


_JSON = re.compile(r"(application|text)/([\w.+-]+\+)?json", re.ASCII)
_MEDIA_TYPE = re.compile(r"[\w.+-]{1,60}/[\w.+-]{1,60}", re.ASCII)
_PATH = re.compile(r" - at `(\$[^`]*)`\Z")
# Wordings of msgspec that name types and fields only; the others may quote a value.
_SAFE = re.compile(r"Expected `[^`']*`, got `[^`']*`|Object missing required field `[^`]*`|Invalid decimal string")
# decimal takes these words for numbers; a price is never one of them.
_NOT_FINITE = re.compile(rb'"\s*[+-]?(?:s?nan\d*|inf(?:inity)?)\s*"', re.IGNORECASE)


_decoders: dict[Any, msgspec.json.Decoder[Any]] = {}


def _decoder(type_: Any) -> msgspec.json.Decoder[Any]:
    if type_ not in _decoders:
        _decoders[type_] = msgspec.json.Decoder(type_, float_hook=Decimal)
    return _decoders[type_]


def decode(type_: type[T], reply: Answer, what: str) -> T:
    """The body of `reply` as `type_` (a msgspec type). Numbers with a fraction are `Decimal`, exactly as written, where
    the type says Decimal or nothing. Raises `Unreadable`, which names `what`, the status and the JSON path, never a
    value. Pass it to `Transport.send(read=...)`, so that an unreadable answer to a write becomes `OutcomeUnknown`."""
    media = reply.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media and not _JSON.fullmatch(media):
        raise _unreadable(reply, what, f"came as {media if _MEDIA_TYPE.fullmatch(media) else 'another type'}, not JSON")
    if not reply.body:
        raise _unreadable(reply, what, "came without a body")
    try:
        reply.body.decode("utf-8")
        value: T = _decoder(type_).decode(reply.body)
    except UnicodeDecodeError as error:
        raise _unreadable(reply, what, f"is not UTF-8 (byte {error.start})") from None
    except msgspec.ValidationError as error:
        raise _unreadable(reply, what, _reason(str(error))) from None
    except msgspec.DecodeError:
        raise _unreadable(reply, what, "is not well-formed JSON, or was cut short") from None
    except RecursionError:
        raise _unreadable(reply, what, "is nested too deeply") from None
    if _NOT_FINITE.search(reply.body):
        for path, number in _decimals(value, "$"):
            if not number.is_finite():
                raise _unreadable(reply, what, f"has no number at {path}")
    return value


def _reason(message: str) -> str:
    path = _PATH.search(message)
    safe = _SAFE.match(message)
    where = path[1] if path else "$"
    return f"does not have the expected shape at {where}: {safe[0] if safe else 'a value outside what is allowed'}"


def _unreadable(reply: Answer, what: str, reason: str) -> Unreadable:
    return Unreadable(
        f"{what}: the answer (HTTP {reply.status}) {reason}",
        native=(Native(message=f"HTTP {reply.status}", http_status=reply.status),),
    )


def _decimals(value: object, path: str) -> Iterator[tuple[str, Decimal]]:
    if isinstance(value, Decimal):
        yield path, value
    elif isinstance(value, msgspec.Struct):
        for field, name in zip(value.__struct_fields__, value.__struct_encode_fields__, strict=True):
            yield from _decimals(getattr(value, field), f"{path}.{name}")
    elif isinstance(value, Mapping):
        for inner in value.values():
            yield from _decimals(inner, f"{path}[...]")
    elif isinstance(value, Sequence | Set) and not isinstance(value, str | bytes):
        for index, inner in enumerate(value):
            yield from _decimals(inner, f"{path}[{index}]")
