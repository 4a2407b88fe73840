"""Links that are read for all objects of a level together, where the executor can; else one by one."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

from strawberry.extensions import FieldExtension

if TYPE_CHECKING:
    from schema.context import Context, Info

#: For each object: what brings its value, and under which key it is there; None where there is none.
Brought: TypeAlias = "Sequence[tuple[asyncio.Future[Mapping[Any, Any]], Any] | None]"


class ReadTogether(FieldExtension):
    """The field's own resolver says what one object's value is; `read` asks for the same of many at once."""

    def __init__(self, read: Callable[[Sequence[Any], Context], Brought]) -> None:
        self._read = read

    def together(self, objects: Sequence[Any], context: Context) -> Brought:
        """What the executor asks."""
        return self._read(objects, context)

    def resolve(self, next_: Callable[..., Any], source: Any, info: Info, **arguments: Any) -> Any:
        return next_(source, info, **arguments)

    async def resolve_async(
        self, next_: Callable[..., Awaitable[Any]], source: Any, info: Info, **arguments: Any
    ) -> Any:
        return await next_(source, info, **arguments)
