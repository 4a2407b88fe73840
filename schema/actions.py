"""The durable record of something asked for, who asked, and the payloads mutations answer with."""

from __future__ import annotations

from datetime import date, datetime
from typing import cast

import strawberry

from schema.access import CUSTOMERS_READ, Masked, NeedsScope
from schema.context import Info
from schema.customer import Customer
from schema.order import Order, OrderLine
from schema.policy import Decision
from schema.problems import Problem
from schema.provenance import Node
from schema.returns import Refund, Return
from schema.subscription import Subscription
from schema.values import Money, Quote
from schema.vocabulary import (
    ActionKind,
    ActionState,
    ActorKind,
    AssuranceLevel,
    ItemCondition,
    PiiKind,
    RefundDestination,
    RequestedResolution,
    ReturnReason,
)


@strawberry.type(description="Who did or asked something.")
class Actor:
    kind: ActorKind
    name: str
    on_behalf_of: str | None = strawberry.field(
        default=None, description="The customer a bot or person acts for.", extensions=[Masked(PiiKind.EMAIL)]
    )


@strawberry.type
class RequestedLine:
    line: OrderLine
    quantity: int
    reason: ReturnReason | None = strawberry.field(default=None, description="Why it is sent back; null for a refund.")
    condition: ItemCondition | None = None
    note: str | None = strawberry.field(default=None, extensions=[Masked(PiiKind.FREE_TEXT)])


@strawberry.type(description="What was asked for, typed; shown to the approver and to the asker.")
class ActionRequest:
    lines: list[RequestedLine] = strawberry.field(default_factory=list)
    resolution: RequestedResolution | None = None
    destination: RefundDestination | None = None
    amount: Money | None = None
    until: date | None = None
    reason: str | None = strawberry.field(default=None, extensions=[Masked(PiiKind.FREE_TEXT)])
    note: str | None = strawberry.field(default=None, extensions=[Masked(PiiKind.FREE_TEXT)])


@strawberry.federation.type(
    keys=["id"],
    description="One durable record of something asked for: decided, perhaps approved, done, and known for ever after.",
)
class Action(Node):
    id: strawberry.ID
    kind: ActionKind
    state: ActionState
    summary: str
    requested_by: Actor
    requested_at: datetime
    decision: Decision | None = None
    problem: Problem | None = strawberry.field(default=None, description="Why it did not happen, or not yet.")
    quote: Quote | None = None
    required_role: str | None = strawberry.field(default=None, description="Who may approve it, while it waits.")
    expires_at: datetime | None = None
    note: str | None = strawberry.field(default=None, extensions=[Masked(PiiKind.FREE_TEXT)])
    approved_by: Actor | None = None
    finished_at: datetime | None = None
    native_reference: str | None = strawberry.field(default=None, description="The platform's own id of what was done.")
    target_id: strawberry.Private[str] = ""
    #: The request as it was recorded; `request` reads the lines it names afresh.
    recorded: strawberry.Private[object] = None

    @strawberry.field(description="What was asked for, typed; shown to the approver and to the asker.")
    async def request(self, info: Info) -> ActionRequest:
        return await info.context.desk.request_of(self)

    @strawberry.field(description="What it was asked on, read fresh.")
    def target(self, info: Info) -> Node | None:
        return cast("Node | None", info.context.loaders.node(self.target_id, info))


@strawberry.type(description="Something that happened to an order: at the store, in the policy, or to an action.")
class TimelineEntry:
    at: datetime
    kind: str = strawberry.field(
        description="A stable word: ORDER_PLACED, SHIPPED, DELIVERED, RETURN_REQUESTED, REFUNDED, ORDER_CANCELLED, "
        "ACTION_DECIDED, ACTION_APPROVED, ACTION_SUCCEEDED and so on."
    )
    text: str = strawberry.field(description="One sentence for people; no names and no addresses.")
    actor: Actor | None = None
    action: Action | None = None


@strawberry.interface(
    description="Every mutation answers with a payload: what is now true, the action, and the problem if there is one."
)
class ActionResult:
    replayed: bool = strawberry.field(description="True where this key was used before and nothing was done again.")
    action: Action | None = None
    problem: Problem | None = None


@strawberry.type
class CancelOrderPayload(ActionResult):
    order: Order | None = None
    refund: Refund | None = None


@strawberry.type
class ReturnOrderPayload(ActionResult):
    order: Order | None = None
    return_record: Return | None = None
    quote: Quote | None = None


@strawberry.type
class RefundOrderPayload(ActionResult):
    order: Order | None = None
    refund: Refund | None = None


@strawberry.type
class SubscriptionPayload(ActionResult):
    subscription: Subscription | None = None


@strawberry.type(description="What an action came to, whatever kind it is; its target is read fresh.")
class ActionPayload(ActionResult):
    pass


@strawberry.type(description="A return that is held here, as it stands now.")
class ReturnPayload:
    return_record: Return | None = None
    problem: Problem | None = None


@strawberry.type(description="What would happen, without doing it.")
class Preview:
    summary: str
    decision: Decision | None = None
    problem: Problem | None = None
    quote: Quote | None = None
    token: str | None = strawberry.field(
        default=None, description="`confirm` turns it into exactly this, once; null where that would be refused."
    )
    expires_at: datetime | None = strawberry.field(default=None, description="After that the token is of no use.")


@strawberry.type(description="Who is asking, as the gateway sees it.")
class Viewer:
    actor: Actor
    assurance: AssuranceLevel
    scopes: list[str] = strawberry.field(default_factory=list)
    roles: list[str] = strawberry.field(default_factory=list)
    customer_email: str | None = strawberry.field(
        default=None,
        description="The address this caller is bound to; null for staff and unbound keys.",
        extensions=[Masked(PiiKind.EMAIL)],
    )
    expires_at: datetime | None = None
    #: Who is counted and keeps idempotency keys; never shown, and no two callers share it.
    client: strawberry.Private[str] = ""
    #: Of a customer session: its own id, and the id of the key that made it.
    session: strawberry.Private[str] = ""
    made_by: strawberry.Private[str] = ""
    #: The address of the person who calls, or who stands behind the bot that does; empty where it is not known.
    person: strawberry.Private[str] = ""
    #: True where every change has to be previewed and confirmed.
    previews_first: strawberry.Private[bool] = False

    @strawberry.field(
        description="The one customer this caller is bound to; null for staff and unbound keys.",
        extensions=[NeedsScope(CUSTOMERS_READ)],
    )
    def customer(self, info: Info) -> Customer | None:
        return cast("Customer | None", info.context.reads.viewer_customer(info))
