"""Who may read what: the scopes a token can carry, and the level of assurance below which a value is masked."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Collection
from typing import Any, Final

import strawberry
from strawberry.extensions import FieldExtension
from strawberry.federation.schema_directives import RequiresScopes
from strawberry.schema_directive import Location
from strawberry.types.field import StrawberryField

from schema.context import Context, Info
from schema.vocabulary import AssuranceLevel, PiiKind

ORDERS_READ: Final = "orders:read"
CUSTOMERS_READ: Final = "customers:read"
PRODUCTS_READ: Final = "products:read"
SUBSCRIPTIONS_READ: Final = "subscriptions:read"
SUBSCRIPTIONS_WRITE: Final = "subscriptions:write"
ACTIONS_READ: Final = "actions:read"
ACTIONS_APPROVE: Final = "actions:approve"
RETURNS_MOVE: Final = "returns:move"
SESSIONS_CREATE: Final = "sessions:create"
RAW_READ: Final = "raw:read"
INTROSPECTION: Final = "introspection"

#: Every scope there is.
SCOPES: Final = (
    ORDERS_READ,
    "orders:cancel",
    "orders:return",
    "orders:refund",
    SUBSCRIPTIONS_READ,
    SUBSCRIPTIONS_WRITE,
    CUSTOMERS_READ,
    PRODUCTS_READ,
    ACTIONS_READ,
    ACTIONS_APPROVE,
    RETURNS_MOVE,
    SESSIONS_CREATE,
    RAW_READ,
    INTROSPECTION,
)
#: What a key carries that names none: all that a chatbot does on a customer's behalf.
DEFAULT_SCOPES: Final = (
    ORDERS_READ,
    "orders:cancel",
    "orders:return",
    SUBSCRIPTIONS_READ,
    SUBSCRIPTIONS_WRITE,
    CUSTOMERS_READ,
    PRODUCTS_READ,
    ACTIONS_READ,
)
#: What no customer's token ever carries, whatever the key behind it may do.
NEVER_A_CUSTOMERS: Final = frozenset(
    {ACTIONS_APPROVE, RETURNS_MOVE, SESSIONS_CREATE, RAW_READ, INTROSPECTION, "orders:refund"}
)

#: What a node of each type takes, by whatever way it is reached; types that are left out take none.
SCOPE_OF_TYPE: Final = {
    "Order": ORDERS_READ,
    "Return": ORDERS_READ,
    "Refund": ORDERS_READ,
    "Customer": CUSTOMERS_READ,
    "CustomerProfile": CUSTOMERS_READ,
    "Product": PRODUCTS_READ,
    "SubscriptionContract": SUBSCRIPTIONS_READ,
    "Action": ACTIONS_READ,
}


class Forbidden(PermissionError):
    """The caller is known and may not do this. The message is safe to show."""


class UnknownScope(ValueError):
    """Words that are no scopes. The message names them and those there are."""


def known_scopes(asked: Collection[str]) -> tuple[str, ...]:
    """The scopes asked for, each once, in the order of `SCOPES`.

    Raises:
        UnknownScope: there is no such scope.
    """
    strangers = sorted(set(asked) - set(SCOPES))
    if strangers:
        named = ", ".join(scope[:64] for scope in strangers[:5])
        raise UnknownScope(f"there is no scope {named}; the scopes are: {', '.join(SCOPES)}")
    return tuple(scope for scope in SCOPES if scope in asked)


def need(scopes: Collection[str], *enough: str) -> None:
    """Check that the caller's scopes hold one of `enough`.

    Raises:
        Forbidden: they hold none.
    """
    if not any(scope in scopes for scope in enough):
        raise Forbidden(f"this token lacks the scope {' or '.join(enough)}")


def require_scopes(field: StrawberryField, *enough: str) -> None:
    """Print `@requiresScopes` on a field, once: a schema may be built twice."""
    if not any(isinstance(directive, RequiresScopes) for directive in field.directives):
        field.directives = [*field.directives, RequiresScopes(scopes=[[scope] for scope in enough])]


class NeedsScope(FieldExtension):
    """`@requiresScopes`: the directive a client can read and the check behind it. One of the scopes is enough."""

    def __init__(self, *enough: str) -> None:
        self.enough = known_scopes(enough)

    def lets_pass(self, context: Context) -> bool:
        """Whether the field is read as if nobody had to be asked."""
        scopes = context.viewer.scopes
        return any(scope in scopes for scope in self.enough)

    def apply(self, field: StrawberryField) -> None:
        require_scopes(field, *self.enough)

    def resolve(self, next_: Callable[..., Any], source: Any, info: Info, **arguments: Any) -> Any:
        need(info.context.viewer.scopes, *self.enough)
        return next_(source, info, **arguments)

    async def resolve_async(
        self, next_: Callable[..., Awaitable[Any]], source: Any, info: Info, **arguments: Any
    ) -> Any:
        need(info.context.viewer.scopes, *self.enough)
        answer: Any = next_(source, info, **arguments)
        return await answer if inspect.isawaitable(answer) else answer


@strawberry.schema_directive(
    locations=[Location.FIELD_DEFINITION],
    name="pii",
    description="Personal data, readable at or above this assurance level; below it the value is masked (null), "
    "not an error.",
)
class Pii:
    kind: PiiKind
    min_assurance: AssuranceLevel = AssuranceLevel.VERIFIED


@strawberry.schema_directive(
    locations=[Location.FIELD_DEFINITION],
    description="Readable at or above this assurance level; below it the value is null, or an empty list where the "
    "type has no null.",
)
class ReadableAt:
    min_assurance: AssuranceLevel


class Masked(FieldExtension):
    """`@pii` and `@readableAt`: below the level the field is null, and nothing behind it is asked."""

    def __init__(
        self, kind: PiiKind | None = None, level: AssuranceLevel = AssuranceLevel.VERIFIED, *, empty: bool = False
    ) -> None:
        self.kind = kind
        self.level = level
        #: The masked value is an empty list.
        self.empty = empty

    def lets_pass(self, context: Context) -> bool:
        """Whether the field is read as it is."""
        return context.viewer.assurance >= self.level

    def apply(self, field: StrawberryField) -> None:
        if any(isinstance(directive, Pii | ReadableAt) for directive in field.directives):  # built twice
            return
        printed: object = (
            ReadableAt(min_assurance=self.level) if self.kind is None else Pii(kind=self.kind, min_assurance=self.level)
        )
        field.directives = [*field.directives, printed]

    def resolve(self, next_: Callable[..., Any], source: Any, info: Info, **arguments: Any) -> Any:
        if info.context.viewer.assurance < self.level:
            return [] if self.empty else None
        return next_(source, info, **arguments)

    async def resolve_async(
        self, next_: Callable[..., Awaitable[Any]], source: Any, info: Info, **arguments: Any
    ) -> Any:
        if info.context.viewer.assurance < self.level:
            return [] if self.empty else None
        answer: Any = next_(source, info, **arguments)
        return await answer if inspect.isawaitable(answer) else answer


def for_staff(*, empty: bool = False) -> Masked:
    """For what a customer, and a bot that speaks for one, never reads."""
    return Masked(level=AssuranceLevel.STAFF, empty=empty)
