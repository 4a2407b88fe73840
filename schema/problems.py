"""What can stand between a request and its effect, each as a type a client can match on."""

from __future__ import annotations

from dataclasses import KW_ONLY
from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import strawberry

from schema.access import for_staff
from schema.policy import Decision
from schema.provenance import Capability
from schema.vocabulary import AssuranceLevel, ConflictKind, ProblemCode

if TYPE_CHECKING:
    from schema.actions import Action


@strawberry.interface(description="Why something did not happen, or not yet.")
class Problem:
    code: ProblemCode
    message: str = strawberry.field(description="For the developer or the agent.")
    customer_message: str = strawberry.field(description="Safe to show or to say as it stands.")
    retryable: bool = strawberry.field(description="Whether the same request with the same key may be sent again.")


@strawberry.type(description="The merchant's policy says no; the decision says why, and what would be allowed instead.")
class PolicyDenied(Problem):
    _: KW_ONLY
    code: ProblemCode = ProblemCode.POLICY_DENIED
    decision: Decision


@strawberry.type(description="A person of the merchant's has to agree first; the request is kept and waits.")
class ApprovalRequired(Problem):
    _: KW_ONLY
    code: ProblemCode = ProblemCode.APPROVAL_REQUIRED
    decision: Decision
    required_role: str
    expires_at: datetime


@strawberry.type(description="The caller is not surely enough known for this.")
class IdentityInsufficient(Problem):
    _: KW_ONLY
    code: ProblemCode = ProblemCode.IDENTITY_INSUFFICIENT
    current: AssuranceLevel
    required: AssuranceLevel


@strawberry.type(description="There is no such thing, or it is not yours: the answer is the same.")
class NotFound(Problem):
    _: KW_ONLY
    code: ProblemCode = ProblemCode.NOT_FOUND


@strawberry.type
class FieldIssue:
    path: list[str]
    message: str


@strawberry.type(description="The input cannot be right; each field is named with its cure.")
class InvalidInput(Problem):
    _: KW_ONLY
    code: ProblemCode = ProblemCode.INVALID_INPUT
    fields: list[FieldIssue]


@strawberry.type(description="It collides with what already happened or is happening; `action` is that other one.")
class Conflict(Problem):
    _: KW_ONLY
    code: ProblemCode = ProblemCode.CONFLICT
    kind: ConflictKind
    action: Annotated[Action, strawberry.lazy("schema.actions")] | None = None


@strawberry.type
class NativeError:
    message: str
    code: str | None = None
    field: list[str] | None = None
    http_status: int | None = None


@strawberry.type(description="The shop platform understood the request and refused it; nothing happened.")
class PlatformRefused(Problem):
    _: KW_ONLY
    code: ProblemCode = ProblemCode.PLATFORM_REFUSED
    native: strawberry.Private[list[NativeError]]

    @strawberry.field(
        description="The platform's own words. Staff only, else empty.", extensions=[for_staff(empty=True)]
    )
    def native_errors(self) -> list[NativeError]:
        return self.native


@strawberry.type(description="The shop platform could not be reached or asks to wait; nothing happened.")
class PlatformUnavailable(Problem):
    _: KW_ONLY
    code: ProblemCode = ProblemCode.PLATFORM_UNAVAILABLE
    retry_after_seconds: int | None = None


@strawberry.type(
    description="It was sent and the answer was lost. Ask for the action again: nobody sends it twice meanwhile."
)
class OutcomeUnknown(Problem):
    _: KW_ONLY
    code: ProblemCode = ProblemCode.OUTCOME_UNKNOWN
    reconcile_by: datetime | None = None


@strawberry.type(description="This store cannot do it at all.")
class Unsupported(Problem):
    _: KW_ONLY
    code: ProblemCode = ProblemCode.UNSUPPORTED
    capability: Capability
