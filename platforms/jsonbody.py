"""How an answer's bytes become typed values: strictly, numbers kept exact, and no value of the body in an error."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from decimal import Decimal
from functools import lru_cache
from operator import attrgetter
from typing import Any, NamedTuple, Protocol, TypeAlias, TypeVar

import msgspec
from msgspec import inspect

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


@lru_cache(maxsize=64)
def _other_media(content_type: str) -> str | None:
    """What a Content-Type names where that is not JSON."""
    media = content_type.partition(";")[0].strip().lower()
    if not media or _JSON.fullmatch(media):
        return None
    return media if _MEDIA_TYPE.fullmatch(media) else "another type"


def decode(type_: type[T], reply: Answer, what: str) -> T:
    """The body of `reply` as `type_` (a msgspec type). Numbers with a fraction are `Decimal`, exactly as written, where
    the type says Decimal or nothing. Raises `Unreadable`, which names `what`, the status and the JSON path, never a
    value. Pass it to `Transport.send(read=...)`, so that an unreadable answer to a write becomes `OutcomeUnknown`."""
    body = reply.body
    if (media := _other_media(reply.headers.get("content-type", ""))) is not None:
        raise _unreadable(reply, what, f"came as {media}, not JSON")
    if not body:
        raise _unreadable(reply, what, "came without a body")
    reader = _readers.get(type_)
    if reader is None:
        reader = _readers[type_] = _reader_of(type_)
    try:
        if not body.isascii():
            body.decode("utf-8")  # the decoder does not look into what it skips
        value: T = reader.decode(body)
    except UnicodeDecodeError as error:
        raise _unreadable(reply, what, f"is not UTF-8 (byte {error.start})") from None
    except msgspec.ValidationError as error:
        raise _unreadable(reply, what, _reason(str(error))) from None
    except msgspec.DecodeError:
        raise _unreadable(reply, what, "is not well-formed JSON, or was cut short") from None
    except RecursionError:
        raise _unreadable(reply, what, "is nested too deeply") from None
    if reader.finite is not None and not reader.finite(value):
        path = next(path for path, number in _decimals(value, "$") if not number.is_finite())
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


# decimal takes "NaN" and "Infinity" for numbers, and a price is never one of them. Only a type tells where a text
# becomes a number, so what looks for such words is made of the type, once, and visits nothing else.

Finite: TypeAlias = Callable[[Any], bool]


class _Reader(NamedTuple):
    """How one type is read."""

    decode: Callable[[bytes], Any]
    #: Whether all numbers of a value are numbers; None where none was a text.
    finite: Finite | None


_readers: dict[Any, _Reader] = {}


def _reader_of(type_: Any) -> _Reader:
    return _Reader(
        msgspec.json.Decoder(type_, float_hook=Decimal).decode, _finite(inspect.type_info(type_), frozenset())
    )


def _finite(kind: inspect.Type, above: frozenset[type]) -> Finite | None:
    """`above`: the structs that the type is part of."""
    match kind:
        case inspect.DecimalType():
            return Decimal.is_finite
        case inspect.StructType(cls=cls, fields=fields):
            if cls in above:
                return _all_finite
            return _fields_finite([(field.name, _finite(field.type, above | {cls})) for field in fields])
        case inspect.ListType(item_type=inner) | inspect.VarTupleType(item_type=inner):
            return _each_finite(_finite(inner, above), iter)
        case inspect.DictType(value_type=inner):
            return _each_finite(_finite(inner, above), dict.values)
        case inspect.UnionType(types=types):
            return _one_finite([_finite(one, above) for one in types], types)
        case inspect.SetType() | inspect.FrozenSetType() | inspect.TupleType() | inspect.TypedDictType():
            return _all_finite
        case inspect.DataclassType() | inspect.NamedTupleType() | inspect.CustomType():
            return _all_finite
        case _:
            return None


def _each_finite(check: Finite | None, values: Callable[[Any], Iterable[Any]]) -> Finite | None:
    if check is None:
        return None
    return lambda value: all(map(check, values(value)))


def _fields_finite(fields: Sequence[tuple[str, Finite | None]]) -> Finite | None:
    checks = [(attrgetter(name), check) for name, check in fields if check is not None]
    if not checks:
        return None
    if len(checks) == 1:
        ((only, alone),) = checks
        return lambda value: alone(only(value))
    return lambda value: all(check(read(value)) for read, check in checks)


def _one_finite(checks: Sequence[Finite | None], types: Sequence[inspect.Type]) -> Finite | None:
    """Of what may be one of several types."""
    found = [check for check in checks if check is not None]
    if not found:
        return None
    if found == [Decimal.is_finite]:
        return lambda value: value.__class__ is not Decimal or value.is_finite()
    if len(found) == 1 and len(types) == 2 and any(isinstance(kind, inspect.NoneType) for kind in types):
        (check,) = found
        return lambda value: value is None or check(value)
    return _all_finite


def _all_finite(value: Any) -> bool:
    return all(number.is_finite() for _, number in _decimals(value, "$"))


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
