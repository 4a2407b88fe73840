"""What a decision looks like to a client: verdict, reasons with their arithmetic, conditions, alternatives."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated

import strawberry

from schema.access import for_staff
from schema.making import Late, maker, nothing
from schema.values import Money, Quote
from schema.vocabulary import (
    ActionKind,
    AssuranceLevel,
    ConditionKind,
    ItemCondition,
    NextStep,
    ReasonCode,
    RequestedResolution,
    RequestFact,
    ReturnReason,
    SupportLevel,
    TimeBasis,
    Verdict,
)

if TYPE_CHECKING:
    from schema.order import OrderLine


@strawberry.type(description="Which policy decided: its name, and the digest of the very file.")
class PolicyVersion:
    name: str
    digest: str


@strawberry.type(
    description="One thing that was compared, where it came from, and whether it was estimated or missing."
)
class Fact:
    name: str
    value: str | None = None
    basis: TimeBasis | None = None
    known: bool = True
    estimated: bool = False


@strawberry.type(description="Why a decision came out as it did.")
class DecisionReason(Late):
    code: ReasonCode
    rule: str = strawberry.field(
        description="The id of the policy's rule, or `built-in` for what holds whatever it says."
    )
    customer_message: str = strawberry.field(description="Safe to show or to say as it stands.")
    line: Annotated[OrderLine, strawberry.lazy("schema.order")] | None = None
    facts: list[Fact] = strawberry.field(default_factory=list)
    internal: strawberry.Private[str | None] = strawberry.field(default_factory=nothing)
    #: A rule about fraud, velocity or amounts: others than staff are shown a neutral sentence and code OTHER.
    staff_only: strawberry.Private[bool] = False
    #: False where no fact among `facts` can be one for staff, so that they need not be looked at for that.
    may_hold_back: strawberry.Private[bool] = True

    @strawberry.field(
        description="The reason in the merchant's own terms. Staff only, else null.", extensions=[for_staff()]
    )
    def internal_message(self) -> str | None:
        return self.internal


make_reason = maker(
    DecisionReason,
    "code", "rule", "line", "staff_only", "may_hold_back",
    late=("customer_message", "facts", "internal"),
)  # fmt: skip


@strawberry.type(
    description="What an allowed action costs or obliges to. What costs the customer money is shown before it is done."
)
class Condition:
    kind: ConditionKind
    text: str
    amount: Money | None = None
    #: Of the line's value, where the fee is a share of it.
    percent: strawberry.Private[Decimal | None] = None
    #: The one line it is kept back of, by native id; None for the whole request.
    line_native_id: strawberry.Private[str | None] = None


@strawberry.type(description="Something else that would be allowed if it were asked for next.")
class Alternative:
    action: ActionKind
    label: str
    resolution: RequestedResolution | None = None


@strawberry.type(description="What the merchant's policy says of one asked-for action.")
class Decision:
    verdict: Verdict
    reasons: list[DecisionReason] = strawberry.field(description="The deciding ones first.")
    policy: PolicyVersion
    decided_at: datetime
    conditions: list[Condition] = strawberry.field(default_factory=list)
    alternatives: list[Alternative] = strawberry.field(default_factory=list)
    allowed_until: datetime | None = strawberry.field(
        default=None, description="The last instant at which the answer is still ALLOW, where there is one."
    )
    shadow_reasons: strawberry.Private[list[DecisionReason]] = strawberry.field(default_factory=list)
    #: While the verdict is REVIEW: the role that may approve, and for how many hours the request waits.
    approver: strawberry.Private[str | None] = None
    expires_hours: strawberry.Private[int | None] = None

    @strawberry.field(
        description="Rules on trial that would have fired. Staff only, else empty.",
        extensions=[for_staff(empty=True)],
    )
    def shadow(self) -> list[DecisionReason]:
        return self.shadow_reasons


@strawberry.type(
    description="Whether an action is possible, why not, until when and for how much, before anybody clicks."
)
class Eligibility(Late):
    action: ActionKind
    next: NextStep
    required_assurance: AssuranceLevel
    support: SupportLevel
    decision: Decision
    depends_on: list[RequestFact] = strawberry.field(
        default_factory=list, description="Details the request has not told yet and on which the answer depends."
    )
    max_quantity: int | None = strawberry.field(default=None, description="Units of the line that can be asked for.")
    quote: Quote | None = strawberry.field(default_factory=nothing)


make_eligibility = maker(
    Eligibility,
    "action", "next", "required_assurance", "support", "decision", "depends_on", "max_quantity",
    late=("quote",),
)  # fmt: skip


@strawberry.input(description="Details to take for granted when eligibility is worked out.")
class RequestAssumption:
    reason: ReturnReason | None = None
    condition: ItemCondition | None = None
    resolution: RequestedResolution | None = None
