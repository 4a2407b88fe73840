"""What one request carries: who asks, when it is, and how far its reads may go."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING

from resolvers.decide import Decides
from resolvers.fanout import StorePatience
from resolvers.loaders import RequestLoaders
from resolvers.reads import RequestReads
from schema.actions import Viewer
from schema.emails import Email
from schema.vocabulary import AssuranceLevel

if TYPE_CHECKING:
    from actions.desk import ActionDesk, ViewerDesk
    from policies.processor import PolicyProcessor
    from resolvers.access import Access, Lookups
    from resolvers.sealing import Seal
    from resolvers.stores import Stores


@dataclass(frozen=True, slots=True)
class Services:
    """What all requests share."""

    stores: Stores
    desk: ActionDesk
    policies: PolicyProcessor
    seal: Seal
    #: Seconds that one request's reads may wait for any one store.
    store_seconds: float
    #: Customer sessions and one-time codes; None where nobody gives them out.
    access: Access | None = None
    #: Counts failed look-ups; None: they are not counted.
    lookups: Lookups | None = None


class RequestContext:
    """One request's context; it is what `info.context` is. Nothing of it outlives the request."""

    def __init__(
        self,
        services: Services,
        viewer: Viewer,
        now: datetime,
        request_id: str,
        *,
        locale: str = "en",
        headers: Mapping[str, str] | None = None,
        end_user: str | None = None,
    ) -> None:
        self.services = services
        self.viewer = viewer
        #: Aware. The sandbox may move it.
        self.now = now
        self.request_id = request_id
        #: Nothing where the caller asks for no language: then each store's own.
        self.locale = locale
        #: The network address of the person behind the caller, where a trusted backend told it.
        self.end_user = end_user
        #: Merged into the answer's headers.
        self.response_headers: dict[str, str] = dict(headers or {})
        #: What every store has left of the time it has to answer this request's reads.
        self.patience = StorePatience(services.store_seconds)

    def start_reading_anew(self) -> None:
        """After an action, the reads for its answer have their own time."""
        self.patience = StorePatience(self.services.store_seconds)

    @cached_property
    def desk(self) -> ViewerDesk:
        return self.services.desk.of(self.viewer, self.now, self.locale)

    @cached_property
    def loaders(self) -> RequestLoaders:
        return RequestLoaders(self)

    @cached_property
    def reads(self) -> RequestReads:
        return RequestReads(self)

    @cached_property
    def decide(self) -> Decides:
        return Decides(self)

    def end(self) -> None:
        """Let go of what was read. Its objects know each other, so it would all lie about until garbage is looked for.

        Only for a request of which nothing runs any more.
        """
        own = vars(self)
        for name in ("loaders", "reads"):
            part = own.pop(name, None)
            if part is not None:
                part.end()
        for name in ("desk", "decide"):
            own.pop(name, None)

    def may_see(self, owner: Email | None) -> bool:
        """Whether what belongs to `owner` may be shown: a caller bound to one customer sees that customer's alone."""
        bound = self.viewer.customer_email
        return bound is None or owner == bound

    @property
    def is_staff(self) -> bool:
        return self.viewer.assurance >= AssuranceLevel.STAFF
