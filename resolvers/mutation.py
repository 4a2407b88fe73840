"""The root of writes: each field is guarded, and shapes the payload from what the action desk came to."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import strawberry

from actions.desk import Answer
from policies.guard import ACTION_SCOPE, Guard
from resolvers.errors import NotOffered
from schema.access import (
    ACTIONS_APPROVE,
    CUSTOMERS_READ,
    ORDERS_READ,
    RETURNS_MOVE,
    SESSIONS_CREATE,
    SUBSCRIPTIONS_READ,
    NeedsScope,
)
from schema.actions import (
    ActionPayload,
    CancelOrderPayload,
    RefundOrderPayload,
    ReturnOrderPayload,
    ReturnPayload,
    SubscriptionPayload,
)
from schema.context import Info
from schema.identity import CreateCustomerSessionInput, CustomerSession, ProofRequested, SessionRevoked
from schema.inputs import (
    CancelOrderInput,
    CancelSubscriptionInput,
    PauseSubscriptionInput,
    RefundOrderInput,
    ResumeSubscriptionInput,
    ReturnOrderInput,
)
from schema.vocabulary import ActionKind, ActionOutcome, HeldReturnStep

if TYPE_CHECKING:
    from actions.desk import ViewerDesk
    from resolvers.access import Access
    from resolvers.context import RequestContext


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


def refund_order(
    answer: strawberry.Parent[Answer], input: RefundOrderInput, idempotency_key: str
) -> RefundOrderPayload:
    return RefundOrderPayload(
        action=answer.action,
        problem=answer.problem,
        replayed=answer.replayed,
        order=answer.order,
        refund=answer.refund,
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


def _action(answer: Answer) -> ActionPayload:
    return ActionPayload(action=answer.action, problem=answer.problem, replayed=answer.replayed)


def _desk(info: Info) -> ViewerDesk:
    return cast("RequestContext", info.context).desk


async def confirm(info: Info, token: str) -> ActionPayload:
    answer = await _desk(info).confirm(token)
    info.context.start_reading_anew()
    return _action(answer)


async def approve_action(info: Info, id: strawberry.ID, note: str | None = None) -> ActionPayload:
    answer = await _desk(info).approve(id, note)
    info.context.start_reading_anew()
    return _action(answer)


async def reject_action(info: Info, id: strawberry.ID, note: str) -> ActionPayload:
    return _action(await _desk(info).reject(id, note))


async def resolve_action(info: Info, id: strawberry.ID, outcome: ActionOutcome, note: str) -> ActionPayload:
    return _action(await _desk(info).resolve(id, outcome, note))


async def move_return(info: Info, id: strawberry.ID, to: HeldReturnStep) -> ReturnPayload:
    found, problem = await _desk(info).move_return(id, to)
    return ReturnPayload(return_record=found, problem=problem)


def _access(info: Info) -> tuple[RequestContext, Access]:
    context = cast("RequestContext", info.context)
    if context.services.access is None:
        raise NotOffered("this gateway gives out no sessions")
    return context, context.services.access


async def create_customer_session(info: Info, input: CreateCustomerSessionInput) -> CustomerSession:
    context, access = _access(info)
    return await access.create_session(context.viewer, input)


async def revoke_customer_session(info: Info, id: strawberry.ID) -> SessionRevoked:
    context, access = _access(info)
    await access.revoke_session(context.viewer, id)
    return SessionRevoked(id=id)


async def request_proof(info: Info, email: str) -> ProofRequested:
    context, access = _access(info)
    return await access.request_proof(context.viewer, email, context.locale)


async def verify_proof(info: Info, code: str) -> CustomerSession:
    context, access = _access(info)
    return await access.verify_proof(context.viewer, code)


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
    refund_order: RefundOrderPayload = strawberry.mutation(
        resolver=refund_order,
        extensions=[Guard(ActionKind.REFUND_ORDER)],
        description="Pay money back, never more than is left of what was captured. `moneyMoved` on the refund says "
        "whether anything was really paid.",
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
    confirm: ActionPayload = strawberry.mutation(
        resolver=confirm,
        extensions=[NeedsScope(*dict.fromkeys(ACTION_SCOPE.values()))],
        description="Do exactly what a preview showed: the token is its own key, used once. It takes the scope and "
        "the assurance of the action inside it, and answers FACTS_CHANGED where things are no longer as shown.",
    )
    approve_action: ActionPayload = strawberry.mutation(
        resolver=approve_action,
        extensions=[NeedsScope(ACTIONS_APPROVE)],
        description="A person with the right role, who is not the asker, agrees to a waiting action. It is decided "
        "again on fresh facts, and then runs under its first key.",
    )
    reject_action: ActionPayload = strawberry.mutation(
        resolver=reject_action,
        extensions=[NeedsScope(ACTIONS_APPROVE)],
        description="A person with the right role, who is not the asker, turns a waiting action down.",
    )
    resolve_action: ActionPayload = strawberry.mutation(
        resolver=resolve_action,
        extensions=[NeedsScope(ACTIONS_APPROVE)],
        description="A person who has looked at the store says what came of an action that is UNKNOWN.",
    )
    move_return: ReturnPayload = strawberry.mutation(
        resolver=move_return,
        extensions=[NeedsScope(RETURNS_MOVE)],
        description="Let a return that is held here (`heldBy: GATEWAY`) move on. Its refund is `refundOrder` with "
        "`returnId`, which closes it.",
    )
    create_customer_session: CustomerSession = strawberry.mutation(
        resolver=create_customer_session,
        extensions=[NeedsScope(SESSIONS_CREATE)],
        description="Trade a backend's key for a token bound to one customer: what a widget or a model is given.",
    )
    revoke_customer_session: SessionRevoked = strawberry.mutation(
        resolver=revoke_customer_session,
        extensions=[NeedsScope(SESSIONS_CREATE)],
        description="End a customer session before its time; it stops within 5 seconds on every gateway.",
    )
    request_proof: ProofRequested = strawberry.mutation(
        resolver=request_proof,
        extensions=[NeedsScope(ORDERS_READ, SUBSCRIPTIONS_READ, CUSTOMERS_READ)],
        description="Send a one-time code to the address this session is bound to. The answer is the same, and takes "
        "as long, whatever address is given.",
    )
    verify_proof: CustomerSession = strawberry.mutation(
        resolver=verify_proof,
        extensions=[NeedsScope(ORDERS_READ, SUBSCRIPTIONS_READ, CUSTOMERS_READ)],
        description="Give the code back: the answer is this session as VERIFIED, under a new token.",
    )
