"""An entity as a federation router asks for it; what is wrong with one costs the others nothing."""

from __future__ import annotations

from typing import Any, cast

from graphql import GraphQLUnionType
from strawberry.schema.base import BaseSchema
from strawberry.types import Info

from resolvers.errors import BadArgument

_ARGUMENT = "representations"


def resolved(schema: BaseSchema, info: Info, representation: Any) -> object:
    """The entity, or something to await for it; or the error of its own place in the list."""
    if not isinstance(representation, dict):
        return BadArgument(_ARGUMENT, "a representation must be an object")
    union = cast("GraphQLUnionType", schema._schema.type_map["_Entity"])  # type: ignore[attr-defined]
    known = {kind.name: kind for kind in union.types}
    name = representation.get("__typename")
    if not isinstance(name, str) or name not in known:
        return BadArgument(_ARGUMENT, f"each needs a __typename that is one of {', '.join(sorted(known))}")
    id = representation.get("id")
    if not isinstance(id, str):
        return BadArgument(_ARGUMENT, f"each needs its id, which this {name} lacks")
    if extra := sorted(set(representation) - {"__typename", "id"}):
        return BadArgument(_ARGUMENT, f"{name} is found by its id alone, not by {', '.join(extra)[:100]}")
    origin = known[name].extensions["strawberry-definition"].origin
    try:
        return cast("object", origin.resolve_reference(info=info, id=id))
    except Exception as error:
        return error
