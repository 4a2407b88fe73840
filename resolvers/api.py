"""The GraphQL schema as it is served; called `api`, since `schema` is a package."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from strawberry.extensions import SchemaExtension
from strawberry.federation import Schema
from strawberry.schema.config import StrawberryConfig

from policies.guard import refuse_unguarded
from resolvers.mutation import Mutation
from resolvers.query import Query
from schema import problems
from schema.costs import print_costs
from schema.scalars import SCALARS

#: What a client meets only behind an interface.
_PROBLEMS: Final[Sequence[type]] = (
    problems.PolicyDenied,
    problems.ApprovalRequired,
    problems.IdentityInsufficient,
    problems.NotFound,
    problems.InvalidInput,
    problems.Conflict,
    problems.PlatformRefused,
    problems.PlatformUnavailable,
    problems.OutcomeUnknown,
    problems.Unsupported,
)


def build_api(
    schema: type[Schema] = Schema, extensions: Sequence[type[SchemaExtension] | Callable[[], SchemaExtension]] = ()
) -> Schema:
    """The schema with every type a client can meet.

    Raises:
        UnguardedMutation: a mutation carries no guard and needs no scope.
    """
    refuse_unguarded(Mutation)
    print_costs([Query, Mutation, *_PROBLEMS])
    return schema(
        query=Query,
        mutation=Mutation,
        types=_PROBLEMS,
        extensions=extensions,
        config=StrawberryConfig(scalar_map=dict(SCALARS)),
    )
