"""What each field of the contract costs, and how long each list can get: printed as `@cost` and `@listSize`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import strawberry
from strawberry.federation.schema_directives import Cost, ListSize
from strawberry.types.base import (
    StrawberryContainer,
    StrawberryList,
    StrawberryObjectDefinition,
    StrawberryOptional,
    get_object_definition,
)
from strawberry.types.field import StrawberryField
from strawberry.types.lazy_type import LazyType

#: https://www.apollographql.com/docs/graphos/routing/security/demand-control : an object costs 1, a leaf nothing.
COST_OF_MUTATION: Final = 10

#: A list that nothing below says more of: what a whole order or subscription holds of anything.
_USUAL: Final = 5


@dataclass(frozen=True, slots=True)
class Size:
    """How many items a list holds: at most `assumed`, or as many as `argument` asks for."""

    assumed: int = _USUAL
    #: An Int, or a list whose items are asked for.
    argument: str | None = None
    #: The lists inside that have this size, where the field itself is none.
    sized: tuple[str, ...] = ()


#: Left out of the printed directive.
_NOT_PRINTED: Final[Any] = strawberry.UNSET

_PAGE = Size(100, "first", ("edges", "nodes"))

_SIZES: Final[Mapping[tuple[str, str], Size]] = {
    ("Query", "orders"): _PAGE,
    ("Query", "subscriptions"): _PAGE,
    ("Query", "actions"): _PAGE,
    ("Customer", "orders"): _PAGE,
    ("Customer", "subscriptions"): _PAGE,
    ("Customer", "returns"): _PAGE,
    ("Query", "nodes"): Size(100, "ids"),
    ("Query", "_entities"): Size(100, "representations"),
    ("Product", "variants"): Size(100, "first"),
    ("Order", "eligibility"): Size(6, "actions"),
    ("Order", "timeline"): Size(100, "first"),
    ("OrderLine", "eligibility"): Size(6, "actions"),
    ("SubscriptionContract", "eligibility"): Size(6, "actions"),
}

#: Fields behind which more work stands than behind reading one object.
_WEIGHTS: Final[Mapping[tuple[str, str], int]] = {
    ("Query", "customer"): 5,
    ("Query", "lookupOrder"): 5,
    ("Query", "preview"): 5,
    ("Customer", "stats"): 10,
    ("Customer", "returns"): 5,
    ("Order", "customer"): 2,
    ("Order", "timeline"): 5,
    ("Order", "subscriptions"): 2,
    ("SubscriptionContract", "customer"): 2,
}


def size_of(type_name: str, field_name: str) -> Size | None:
    """The size of a list of objects, or of the lists in a connection; None where the field is neither."""
    key = (type_name, field_name)
    return _SIZES.get(key) or (_USUAL_SIZE if key in _usual else None)


def weight_of(type_name: str, field_name: str, usual: int) -> int:
    """What one answer of a field costs, without what is selected inside it."""
    return _WEIGHTS.get((type_name, field_name), usual)


_USUAL_SIZE: Final = Size()
#: Lists of objects that the table leaves out; found when the directives are put on.
_usual: set[tuple[str, str]] = set()


def print_costs(roots: Iterable[type]) -> None:
    """Put `@cost` and `@listSize` on every field that is reached from these types; doing it twice changes nothing."""
    for name, field in _fields(roots):
        graphql_name = field.graphql_name or _camel(field.python_name)
        key = (name, graphql_name)
        if key not in _SIZES and _is_list_of_objects(field) and not _is_sized_from_above(name, graphql_name):
            _usual.add(key)
        size, weight = size_of(*key), _WEIGHTS.get(key)
        own: list[object] = []
        if size is not None:
            own.append(_list_size(size))
        if weight is not None:
            own.append(Cost(weight=weight))
        if own:
            field.directives = [*own, *(one for one in field.directives if not isinstance(one, Cost | ListSize))]


def _list_size(size: Size) -> ListSize:
    if size.sized:
        return ListSize(
            assumed_size=_NOT_PRINTED,
            slicing_arguments=[size.argument or ""],
            sized_fields=list(size.sized),
            require_one_slicing_argument=False,
        )
    return ListSize(
        assumed_size=size.assumed,
        slicing_arguments=_NOT_PRINTED,
        sized_fields=_NOT_PRINTED,
        require_one_slicing_argument=_NOT_PRINTED,
    )


def _fields(roots: Iterable[type]) -> Iterator[tuple[str, StrawberryField]]:
    waiting: list[Any] = list(roots)
    seen: set[str] = set()
    while waiting:
        definition = _definition(waiting.pop())
        if definition is None or definition.name in seen:
            continue
        seen.add(definition.name)
        for field in definition.fields:
            yield definition.name, field
            waiting.append(field.type)


def _definition(kind: Any) -> StrawberryObjectDefinition | None:
    while True:
        if isinstance(kind, StrawberryContainer):
            kind = kind.of_type
        elif isinstance(kind, LazyType):
            kind = kind.resolve_type()
        else:
            return get_object_definition(kind)


def _is_sized_from_above(type_name: str, field_name: str) -> bool:
    """Whether a list gets its size from the field that leads to its connection."""
    return type_name.endswith("Connection") and field_name in _PAGE.sized


def _is_list_of_objects(field: StrawberryField) -> bool:
    kind = field.type
    if isinstance(kind, StrawberryOptional):
        kind = kind.of_type
    return isinstance(kind, StrawberryList) and _definition(kind) is not None


def _camel(name: str) -> str:
    head, *rest = name.split("_")
    return head + "".join(word.capitalize() for word in rest)
