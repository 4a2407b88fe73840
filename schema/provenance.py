"""Where a node comes from: the store behind it, how that store fares, and what it can do."""

from __future__ import annotations

from collections.abc import Awaitable
from datetime import datetime
from typing import ClassVar, Protocol

import strawberry

from schema.access import RAW_READ, NeedsScope, for_staff
from schema.context import Info
from schema.ids import make_id
from schema.making import maker
from schema.scalars import CurrencyCode, Json, Url
from schema.vocabulary import ActionKind, HealthStatus, ProblemCode, SupportLevel


@strawberry.interface(description="Anything with an id. `node(id)` reads it again.")
class Node:
    id: strawberry.ID

    @classmethod
    def resolve_reference(cls, info: Info, id: strawberry.ID) -> Awaitable[Node | None]:
        """The entity of this type by its key, as a federation router asks for it."""
        return info.context.loaders.entity(cls.__strawberry_definition__.name, id, info)  # type: ignore[attr-defined]


@strawberry.type(description="What THIS store's platform and credentials can do, before anybody clicks.")
class Capability:
    action: ActionKind
    support: SupportLevel
    note: str | None = strawberry.field(default=None, description="A caveat, in one sentence.")
    required_scopes: list[str] = strawberry.field(
        default_factory=list, description="Permissions our credentials need for it, in the platform's words."
    )


@strawberry.type(description="The store's call budget, as the platform last reported it.")
class RateBudget:
    available: float
    maximum: float
    restore_per_second: float | None = None


@strawberry.type(description="How a store answers at present. Reading it costs no call.")
class StoreHealth:
    status: HealthStatus
    rate_budget: RateBudget | None = None
    last_error_at: datetime | None = None
    circuit_open_until: datetime | None = strawberry.field(
        default=None, description="Until then the store is not called at all, after repeated failures."
    )


class StoreState(Protocol):
    """What a store can tell of itself at once, without a call."""

    #: False where cancelling an order pays nothing back, whatever was captured.
    refunds_on_cancel: ClassVar[bool]

    def health(self) -> StoreHealth: ...

    def capabilities_now(self) -> list[Capability]: ...


@strawberry.type(description="One configured account on a commerce platform.")
class Store(Node):
    id: strawberry.ID
    name: str
    platform: str = strawberry.field(description="The platform's name, in its own capitalisation.")
    time_zone: str = strawberry.field(description="IANA name. Whole-day windows end at the end of the day here.")
    currency_code: CurrencyCode
    key: strawberry.Private[str]
    state: strawberry.Private[StoreState]
    api_version: str | None = None
    #: What its customers are told in who ask for no language: `de`, `pt-BR`.
    locale: strawberry.Private[str | None] = None

    @strawberry.field(description="What this store's platform and credentials can do.")
    def capabilities(self) -> list[Capability]:
        return self.state.capabilities_now()

    @strawberry.field(description="How the store answers at present.")
    def health(self) -> StoreHealth:
        return self.state.health()

    @staticmethod
    def id_of(key: str) -> strawberry.ID:
        return make_id("Store", key)


@strawberry.type(description="Where a node was read, and when.")
class Source:
    store: Store
    native_id: str = strawberry.field(description="The platform's own id.")
    fetched_at: datetime
    cached: bool = strawberry.field(default=False, description="True where this was kept from an earlier read.")
    admin: strawberry.Private[str | None] = None
    raw_values: strawberry.Private[dict[str, object] | None] = None

    @strawberry.field(
        description="The node's page in the platform's admin. Staff only, else null.", extensions=[for_staff()]
    )
    def admin_url(self) -> Url | None:
        if self.admin is None:
            return None
        return Url(self.admin)

    @strawberry.field(
        description="Platform values by key, of those the adapter keeps; others are left out. Staff only.",
        extensions=[for_staff(), NeedsScope(RAW_READ)],
    )
    def raw(self, keys: list[str]) -> Json | None:
        if self.raw_values is None:
            return None
        return Json({key: self.raw_values[key] for key in keys if key in self.raw_values})


make_source = maker(Source, "store", "native_id", "fetched_at", "admin", "raw_values")


@strawberry.type(description="A store that could not answer is named here; the others still answer.")
class SourceIssue:
    store: Store
    code: ProblemCode
    message: str
    retry_after_seconds: int | None = None
