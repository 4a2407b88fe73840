"""The root of writes: each field is guarded, and shapes the payload from what the action desk came to."""

from __future__ import annotations

import strawberry

from actions.desk import Answer
from policies.guard import Guard
from schema.actions import CancelOrderPayload, ReturnOrderPayload, SubscriptionPayload
from schema.inputs import (
    CancelOrderInput,
    CancelSubscriptionInput,
    PauseSubscriptionInput,
    ResumeSubscriptionInput,
    ReturnOrderInput,
)
from schema.vocabulary import ActionKind


def cancel_order(
    answer: strawberry.Parent[Answer], input: CancelOrderInput, idempotency_key: str
) -> CancelOrderPayload:
    return CancelOrderPayload(
        action=answer.action,
        problem=answer.problem,
        replayed=answer.replayed,
        order=answer.order,
        refund=answer.refund,
    )


def return_order(
    answer: strawberry.Parent[Answer], input: ReturnOrderInput, idempotency_key: str
) -> ReturnOrderPayload:
    return ReturnOrderPayload(
        action=answer.action,
        problem=answer.problem,
        replayed=answer.replayed,
        order=answer.order,
        return_record=answer.return_record,
        quote=answer.quote,
    )


def _subscription(answer: Answer) -> SubscriptionPayload:
    return SubscriptionPayload(
        action=answer.action, problem=answer.problem, replayed=answer.replayed, subscription=answer.subscription
    )


def pause_subscription(
    answer: strawberry.Parent[Answer], input: PauseSubscriptionInput, idempotency_key: str
) -> SubscriptionPayload:
    return _subscription(answer)


def resume_subscription(
    answer: strawberry.Parent[Answer], input: ResumeSubscriptionInput, idempotency_key: str
) -> SubscriptionPayload:
    return _subscription(answer)


def cancel_subscription(
    answer: strawberry.Parent[Answer], input: CancelSubscriptionInput, idempotency_key: str
) -> SubscriptionPayload:
    return _subscription(answer)


@strawberry.type(
    description="Every write is one caller's intent under its own idempotency key, decided by policy first."
)
class Mutation:
    cancel_order: CancelOrderPayload = strawberry.mutation(
        resolver=cancel_order,
        extensions=[Guard(ActionKind.CANCEL_ORDER)],
        description="Cancel a whole order, if the merchant's policy allows it.",
    )
    return_order: ReturnOrderPayload = strawberry.mutation(
        resolver=return_order,
        extensions=[Guard(ActionKind.RETURN_ORDER)],
        description="Send goods of an order back, if the merchant's policy allows it.",
    )
    pause_subscription: SubscriptionPayload = strawberry.mutation(
        resolver=pause_subscription,
        extensions=[Guard(ActionKind.PAUSE_SUBSCRIPTION)],
        description="Let a subscription rest; some stores need the day on which it goes on.",
    )
    resume_subscription: SubscriptionPayload = strawberry.mutation(
        resolver=resume_subscription,
        extensions=[Guard(ActionKind.RESUME_SUBSCRIPTION)],
        description="Let a paused subscription go on.",
    )
    cancel_subscription: SubscriptionPayload = strawberry.mutation(
        resolver=cancel_subscription,
        extensions=[Guard(ActionKind.CANCEL_SUBSCRIPTION)],
        description="End a subscription.",
    )
