"""From what a resolver gave to what the response holds, type by type: the whole way, taken where the short one ends."""

from __future__ import annotations

from collections.abc import AsyncIterable, Callable, Mapping
from contextlib import suppress
from typing import Any, cast

from graphql import (
    FieldNode,
    GraphQLAbstractType,
    GraphQLError,
    GraphQLLeafType,
    GraphQLObjectType,
    GraphQLSchema,
    Undefined,
    default_type_resolver,
    located_error,
)
from graphql.execution.collect_fields import FieldDetails
from graphql.execution.executor import Executor, invalid_return_type_error
from graphql.pyutils import inspect, is_iterable

from execution.kinds import Kind, is_awaitable, kind_of
from execution.places import Complete, Later, Path, Place, keys_of
from execution.resolving import is_exactly
from execution.running import Run

#: From an object that is surely of the type, to its part of the response.
Build = Callable[[Any, Path, Run], dict[str, Any]]


def non_null(place: Place, inner: Complete) -> Complete:
    """What must not be null."""
    message = f"Cannot return null for non-nullable field {place.parent}.{place.field}."

    def complete(value: Any, path: Path, run: Run) -> Any:
        found = inner(value, path, run)
        if found is None:
            raise TypeError(message)
        return found

    return complete


def leaf(kind: GraphQLLeafType) -> Complete:
    """A scalar or a word of an enum."""
    coerce = kind.coerce_output_value

    def complete(value: Any, path: Path, run: Run) -> Any:
        if isinstance(value, Exception):
            raise value
        if value is None or value is Undefined:
            return None
        found = coerce(value)
        if found is None or found is Undefined:
            raise TypeError(
                f"Expected `{inspect(kind)}.coerce_output_value({inspect(value)})` to return non-nullable value,"
                f" returned: {inspect(found)}"
            )
        return found

    return complete


def listed(place: Place, item: Place, build: Callable[[Any, Path, Run], list[Any]]) -> Complete:
    """A list; `build` makes it of any iterable."""
    message = f"Expected Iterable, but did not find one for field '{place.parent}.{place.field}'."

    def complete(value: Any, path: Path, run: Run) -> Any:
        if isinstance(value, Exception):
            raise value
        if value is None or value is Undefined:
            return None
        if hasattr(value, "__aiter__"):
            return Later(_collected(value, place, item, path, run), _as_it_is)
        if not is_iterable(value):
            raise GraphQLError(message)
        return build(value, path, run)

    return complete


def _as_it_is(value: Any, _path: Path, _run: Run) -> Any:
    return value


async def _collected(values: AsyncIterable[Any], place: Place, item: Place, path: Path, run: Run) -> list[Any]:
    found: list[Any] = []
    iterator = values.__aiter__()
    try:
        while True:
            try:
                value = await anext(iterator)
            except StopAsyncIteration:
                return found
            except Exception as error:
                raise located_error(error, list(place.nodes), keys_of(path)) from error
            here = (path, len(found), None)
            try:
                done = item_of(value, item, here, run, found, len(found))
            except Exception as error:
                run.fail(error, item, here)
                done = None
            found.append(done)
    except Exception:
        close = getattr(iterator, "aclose", None)
        if close is not None:
            with suppress(Exception):  # the error that ended the list is told, not that of closing it
                await close()
        raise


def item_of(value: Any, item: Place, path: Path, run: Run, container: Any, key: str | int) -> Any:
    """The value of a place, or None where it has yet to be waited for."""
    if kind_of(value) is Kind.AWAITABLE:
        run.wait(value, item.complete, item, path, container, key)
        return None
    found = item.complete(value, path, run)
    if found.__class__ is Later:
        run.wait(found.awaitable, found.complete, item, path, container, key)
        return None
    return found


def objects(kind: GraphQLObjectType, place: Place, build: Build) -> Complete:
    """An object of the type; whether it is one is asked of the type where it can tell."""
    is_type_of = kind.is_type_of
    surely = is_exactly(kind)

    def complete(value: Any, path: Path, run: Run) -> Any:
        if surely(value):
            return build(value, path, run)
        if isinstance(value, Exception):
            raise value
        if value is None or value is Undefined:
            return None
        return checked(value, path, run)

    def checked(value: Any, path: Path, run: Run) -> Any:
        if is_type_of is None:
            return build(value, path, run)
        verdict: Any = is_type_of(value, cast(Any, run.info(place, path)))
        if is_awaitable(verdict):
            return Later(verdict, lambda found, path, run: judged(found, value, path, run))
        return judged(verdict, value, path, run)

    def judged(verdict: Any, value: Any, path: Path, run: Run) -> Any:
        if not verdict:
            raise invalid_return_type_error(kind, value, _details(place.nodes))
        return build(value, path, run)

    complete.checked = checked  # type: ignore[attr-defined]
    return complete


def abstract(
    kind: GraphQLAbstractType, place: Place, schema: GraphQLSchema, possible: Mapping[str, Complete]
) -> Complete:
    """A value of one of several types; `possible` completes it by the name of its type."""
    resolve_type = kind.resolve_type or default_type_resolver
    schemed = _Schemed(schema)

    def complete(value: Any, path: Path, run: Run) -> Any:
        if isinstance(value, Exception):
            raise value
        if value is None or value is Undefined:
            return None
        name: Any = resolve_type(value, cast(Any, run.info(place, path)), kind)
        if is_awaitable(name):
            return Later(name, lambda found, path, run: named(found, value, path, run))
        return named(name, value, path, run)

    def named(name: Any, value: Any, path: Path, run: Run) -> Any:
        info = cast(Any, run.info(place, path))
        found = Executor.ensure_valid_runtime_type(cast(Any, schemed), name, kind, _details(place.nodes), info, value)
        return possible[found.name](value, path, run)

    return complete


class _Schemed:
    """All that graphql-core's check of a runtime type reads of an executor."""

    def __init__(self, schema: GraphQLSchema) -> None:
        self.schema = schema


def _details(nodes: Any) -> list[FieldDetails]:
    return [FieldDetails(cast(FieldNode, node), None) for node in nodes]
