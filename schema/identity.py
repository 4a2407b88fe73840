"""What is given to somebody who speaks for one customer: a session, and the way to prove who they are."""

from __future__ import annotations

from datetime import datetime

import strawberry

from schema.vocabulary import AssuranceLevel


@strawberry.input(description="One customer, by e-mail address, for whom somebody is to speak.")
class CreateCustomerSessionInput:
    email: str
    assurance: AssuranceLevel = strawberry.field(
        default=AssuranceLevel.CLAIMED, description="How surely you know that it is this person; at most your own."
    )
    scopes: list[str] | None = strawberry.field(
        default=None, description="A subset of your own. Left out: all of yours that a customer may have."
    )
    minutes: int = strawberry.field(default=60, description="How long it lasts, 1 to 1440.")


@strawberry.type(description="A short-lived token bound to one customer. The address in it cannot be read off it.")
class CustomerSession:
    id: strawberry.ID = strawberry.field(description="To revoke it by; of no use to anybody else.")
    token: str = strawberry.field(description="Send it as `Authorization: Bearer …`. It is shown only here.")
    assurance: AssuranceLevel
    scopes: list[str]
    expires_at: datetime


@strawberry.type(description="A code is on its way, if there is anybody to send it to; the answer never tells.")
class ProofRequested:
    expires_at: datetime = strawberry.field(description="Until when the code can be given back.")
    tries: int = strawberry.field(description="How often it can be tried.")


@strawberry.type(description="The session is over, whether it stood or not.")
class SessionRevoked:
    id: strawberry.ID
