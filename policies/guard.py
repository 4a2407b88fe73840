"""`@guardedBy`: the directive a client can read and the check behind it, in one object."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import strawberry
from strawberry.extensions import FieldExtension
from strawberry.schema_directive import Location
from strawberry.types.field import StrawberryField

from schema.access import SUBSCRIPTIONS_WRITE, NeedsScope, need, require_scopes
from schema.context import Info
from schema.vocabulary import ActionKind, AssuranceLevel

#: How surely a caller must be known before an action is asked for; what `@guardedBy` prints.
MIN_ASSURANCE: Mapping[ActionKind, AssuranceLevel] = {
    ActionKind.CANCEL_ORDER: AssuranceLevel.VERIFIED,
    ActionKind.RETURN_ORDER: AssuranceLevel.VERIFIED,
    ActionKind.REFUND_ORDER: AssuranceLevel.STAFF,
    ActionKind.PAUSE_SUBSCRIPTION: AssuranceLevel.VERIFIED,
    ActionKind.RESUME_SUBSCRIPTION: AssuranceLevel.VERIFIED,
    ActionKind.CANCEL_SUBSCRIPTION: AssuranceLevel.VERIFIED,
}

#: The scope that an action takes; what `@requiresScopes` prints beside the guard.
ACTION_SCOPE: Mapping[ActionKind, str] = {
    ActionKind.CANCEL_ORDER: "orders:cancel",
    ActionKind.RETURN_ORDER: "orders:return",
    ActionKind.REFUND_ORDER: "orders:refund",
    ActionKind.PAUSE_SUBSCRIPTION: SUBSCRIPTIONS_WRITE,
    ActionKind.RESUME_SUBSCRIPTION: SUBSCRIPTIONS_WRITE,
    ActionKind.CANCEL_SUBSCRIPTION: SUBSCRIPTIONS_WRITE,
}


@strawberry.schema_directive(
    locations=[Location.FIELD_DEFINITION],
    description="This mutation runs only if the merchant's policy allows it.",
)
class GuardedBy:
    action: ActionKind
    min_assurance: AssuranceLevel = AssuranceLevel.VERIFIED


class UnguardedMutation(RuntimeError):
    """A schema with a mutation that nobody guards must not start."""


class Guard(FieldExtension):
    """Checks the scope and asks the action desk (who, key, can, facts, decision, do, know); the resolver behind it
    only shapes the answer.

    The desk's answer is given to the resolver as its parent: `strawberry.Parent[Answer]`.
    """

    def __init__(self, action: ActionKind) -> None:
        self.action = action

    def apply(self, field: StrawberryField) -> None:
        parent = field.base_resolver.parent_parameter if field.base_resolver is not None else None
        if parent is None:
            raise UnguardedMutation(f"{field.python_name} has no parent parameter to take the desk's answer")
        self._parent = parent.name
        if not any(isinstance(directive, GuardedBy) for directive in field.directives):  # a schema may be built twice
            guarded = GuardedBy(action=self.action, min_assurance=MIN_ASSURANCE[self.action])
            field.directives = [*field.directives, guarded]
        require_scopes(field, ACTION_SCOPE[self.action])

    async def resolve_async(
        self, next_: Callable[..., Awaitable[Any]], source: Any, info: Info, **arguments: Any
    ) -> Any:
        context = info.context
        need(context.viewer.scopes, ACTION_SCOPE[self.action])
        parts = context.loaders.payload_order_parts(info)
        answer = await context.desk.ask(self.action, arguments["input"], arguments["idempotency_key"], parts=parts)
        context.start_reading_anew()
        shaped: Any = next_(answer, info, **{**arguments, self._parent: answer})
        return await shaped if inspect.isawaitable(shaped) else shaped


def refuse_unguarded(mutation: type) -> None:
    """Check that each field of the mutation type carries a guard, or, changing no store, needs a scope.

    Raises:
        UnguardedMutation: one does not; the message names it.
    """
    for field in mutation.__strawberry_definition__.fields:  # type: ignore[attr-defined]
        if not any(isinstance(extension, Guard | NeedsScope) for extension in field.extensions):
            raise UnguardedMutation(f"nothing guards the mutation {field.python_name}; it must not be served")
