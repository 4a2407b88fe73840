"""Who may work on an action, until when, and how a holder notices that it no longer may."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import structlog
from sqlalchemy.exc import SQLAlchemyError

from actions.ledger import Ledger, Record

#: Seconds after which a holder that gave no sign of life may be replaced.
LEASE_SECONDS = 60.0
#: A write ends this share of the lease after it was last held, so that it cannot reach a platform in other hands.
SEND_WITHIN = 0.8

_log = structlog.get_logger("actions.lease")


class LeaseLost(Exception):
    """Another gateway, or a later claim of this one, has the action now."""


def new_owner(gateway_id: str) -> str:
    """The name of one claim. Never used twice, so that not even the same gateway's older claim can pass for it."""
    return f"{gateway_id[:80]}/{uuid.uuid4().hex}"


@dataclass(frozen=True, slots=True)
class Lease:
    """One claim on one action."""

    ledger: Ledger
    action_id: str
    owner: str
    clock: Callable[[], datetime]
    seconds: float = LEASE_SECONDS

    def until(self) -> datetime:
        return self.clock() + timedelta(seconds=self.seconds)

    async def hold(self) -> None:
        """Make sure the action is still ours, for another lease from now. Raises `LeaseLost`."""
        if not await self.ledger.renew(self.action_id, owner=self.owner, until=self.until()):
            raise LeaseLost(f"action {self.action_id} was taken over")

    async def sure(self, seconds: float) -> None:
        """Make sure the action is ours and nobody takes it for so long from now; looks only, where that is so already.

        Raises `LeaseLost`.
        """
        until = await self.ledger.held_until(self.action_id, owner=self.owner)
        if until is None:
            raise LeaseLost(f"action {self.action_id} was taken over")
        if until < self.clock() + timedelta(seconds=seconds):
            await self.hold()

    async def put_back(self, **values: Any) -> bool:
        """Give it up as it stands, with `values` written; False where it was taken over."""
        return await self.ledger.put_back(self.action_id, owner=self.owner, **values)

    @asynccontextmanager
    async def kept(self) -> AsyncIterator[None]:
        """Renews in the background while the body runs. The body still calls `sure` before anything that matters."""
        task = asyncio.create_task(self._keep())
        try:
            yield
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    async def _keep(self) -> None:
        while True:
            await asyncio.sleep(self.seconds / 3)
            try:
                await self.hold()
            except LeaseLost:
                return
            except SQLAlchemyError as error:
                _log.warning("a lease could not be renewed", action=self.action_id, error=type(error).__name__)


async def take(
    ledger: Ledger, record: Record, gateway_id: str, clock: Callable[[], datetime], seconds: float
) -> tuple[Lease, Record]:
    """Claim an action that nobody holds any more.

    Raises:
        LostRace: somebody holds it, or it moved on.
    """
    lease = Lease(ledger, record.id, new_owner(gateway_id), clock, seconds)
    claimed = await ledger.claim(record, owner=lease.owner, now=clock(), until=lease.until())
    return lease, claimed
