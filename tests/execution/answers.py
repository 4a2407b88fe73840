"""What two executors' answers to one operation have in common."""

from __future__ import annotations

import json
from typing import Any

from graphql import GraphQLError


def told(error: GraphQLError) -> str:
    """All that a client and a log read of it."""
    cause = error.original_error
    return json.dumps([error.formatted, type(cause).__name__, len(error.nodes or ())], default=repr)


def nulled(data: Any, error: GraphQLError) -> str:
    """The place that an error left null: the first null on its way."""
    here = data
    for length, key in enumerate(error.path or ()):
        if here is None:
            return str((error.path or [])[:length])
        here = here[key]
    return str(error.path)
