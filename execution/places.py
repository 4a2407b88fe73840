"""A place of the response that an operation can fill: where it is, what belongs there, and how an error names it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from graphql import FieldNode, GraphQLObjectType, GraphQLOutputType
from graphql.pyutils import Path as GraphQLPath

if TYPE_CHECKING:
    from execution.running import Run

#: Where something is in a response: what it is in, its key or index, and the name of the type that the key belongs to.
#: None is the response as a whole. Plain tuples, since one is made for nearly every object.
Path: TypeAlias = "tuple[Path, str | int, str | None] | None"

#: From what a resolver gave to what the response holds: the value, the path of the place, the run.
Complete: TypeAlias = Callable[[Any, Path, "Run"], Any]


@dataclass(slots=True, eq=False)
class Place:
    """A field, or an item of a list that a field holds (or of a list in that)."""

    nodes: Sequence[FieldNode]
    type: GraphQLOutputType
    #: The object type whose field it is, and the name of the field.
    parent: GraphQLObjectType
    field: str
    #: Steps up to the nearest place that may be null; 0: this one may.
    up: int
    #: How deep in lists of the field it is; 0: the field itself.
    depth: int
    #: The part of `ResolveInfo` before the path, alike for every object.
    head: tuple[Any, ...]
    complete: Complete


class Later(NamedTuple):
    """A value that is known after waiting: what for, and what is to be made of that then."""

    awaitable: Any
    complete: Complete


class _Fields(NamedTuple):
    field_name: str
    field_nodes: Sequence[FieldNode]
    return_type: GraphQLOutputType
    parent_type: GraphQLObjectType
    steps: Path
    schema: Any
    fragments: Any
    root_value: Any
    operation: Any
    variable_values: Any
    context: Any
    is_awaitable: Any
    abort_signal: Any
    async_helpers: Any
    operation_extensions: Any


class ResolveInfo(_Fields):
    """What graphql-core and Strawberry tell a resolver, with the path made only for who asks."""

    __slots__ = ()

    @property
    def path(self) -> GraphQLPath | None:
        """The path as graphql-core writes it."""
        return path_of(self.steps)


def path_of(steps: Path) -> GraphQLPath | None:
    """The same path in graphql-core's own type."""
    return None if steps is None else GraphQLPath(path_of(steps[0]), steps[1], steps[2])


def keys_of(path: Path) -> list[str | int]:
    """The keys from the root to the place."""
    found: list[str | int] = []
    while path is not None:
        found.append(path[1])
        path = path[0]
    found.reverse()
    return found
