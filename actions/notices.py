"""What somebody outside is told of actions: kept with the action itself, and carried out until it is taken."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Protocol
from uuid import uuid4

import structlog
from sqlalchemy import or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from actions.effects import trace_of
from actions.lease import new_owner
from actions.ledger import Also, Ledger, Record
from actions.tables import actions, notices
from platforms.transport import background
from schema.vocabulary import ActionState

#: What a receiver reads as the kind of the notice.
AWAITING_APPROVAL: Final = "action.awaiting_approval"

#: Seconds between the first two tries; doubled each time, up to the longest.
_FIRST, _LONGEST = 5.0, 3600.0
#: After that it is given up: the queue shows the action all the same.
_GIVEN_UP = timedelta(days=3)
#: Seconds for which one gateway has a notice to itself.
_LEASE = 60.0
_AT_ONCE = 20

_log = structlog.get_logger("actions.notices")


@dataclass(frozen=True, slots=True)
class Notice:
    """One thing to be told. `id` stays the same over every try, so that a receiver can tell a repetition."""

    id: str
    event: str
    action: str
    summary: str
    created_at: datetime
    attempts: int


class NotTaken(Exception):
    """The receiver did not take the notice. The message says why, and repeats nothing of its answer."""


class Carrier(Protocol):
    """Takes notices to a receiver."""

    async def deliver(self, notice: Notice) -> None:
        """Raises `NotTaken`: try again later."""

    async def close(self) -> None:
        """Give back connections."""


class Notices:
    """Keeps what is to be told in the ledger's database, and carries it out in the background."""

    def __init__(
        self, ledger: Ledger, carrier: Carrier, clock: Callable[[], datetime], gateway_id: str, *, every: float = 1.0
    ) -> None:
        self._ledger = ledger
        self._carrier = carrier
        self._clock = clock
        self._gateway_id = gateway_id
        self._every = every
        self._task: asyncio.Task[None] | None = None

    def of_new(self, record: Record) -> Also | None:
        """What is written with a new action that waits for approval; None for others."""
        if record.state is not ActionState.AWAITING_APPROVAL:
            return None

        async def write(connection: AsyncConnection) -> None:
            await connection.execute(
                notices.insert().values(
                    id=str(uuid4()),
                    action=record.id,
                    event=AWAITING_APPROVAL,
                    created_at=record.requested_at,
                    attempts=0,
                    next_try_at=record.requested_at,
                )
            )

        return write

    async def start(self) -> None:
        """Begin, in the running loop."""
        if self._task is None:
            self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """End. What was not taken yet is carried by whoever starts next."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
        await self._carrier.close()

    async def sweep(self) -> int:
        """Carry out what is due now; how many there were. Raises what the database raises."""
        due = await self._due()
        await asyncio.gather(*(self._carry(notice) for notice in due))
        return len(due)

    async def _run(self) -> None:
        background.set(True)
        while True:
            try:
                await self.sweep()
            except Exception as error:  # whatever it was: who waits for a notice shall not wait for a restart
                _log.error("notices could not be carried out; trying again", trace=trace_of(error))
            await asyncio.sleep(self._every * random.uniform(0.8, 1.2))

    async def _due(self) -> Sequence[Notice]:
        now = self._clock()
        query = (
            select(notices, actions.c.summary)
            .join(actions, actions.c.id == notices.c.action)
            .where(notices.c.next_try_at <= now, or_(notices.c.lease_until.is_(None), notices.c.lease_until < now))
            .order_by(notices.c.next_try_at)
            .limit(_AT_ONCE)
        )
        async with self._ledger.reading() as connection:
            return [
                Notice(row.id, row.event, row.action, row.summary, row.created_at, row.attempts)
                for row in await connection.execute(query)
            ]

    async def _carry(self, notice: Notice) -> None:
        now = self._clock()
        owner = new_owner(self._gateway_id)
        async with self._ledger.writing() as connection:
            claimed = await connection.execute(
                update(notices)
                .where(
                    notices.c.id == notice.id,
                    notices.c.next_try_at <= now,
                    or_(notices.c.lease_until.is_(None), notices.c.lease_until < now),
                )
                .values(owner=owner, lease_until=now + timedelta(seconds=_LEASE), attempts=notices.c.attempts + 1)
            )
        if claimed.rowcount != 1:
            return  # another gateway has it
        try:
            await self._carrier.deliver(notice)
        except NotTaken as error:
            await self._not_taken(notice, owner, str(error))
        except Exception as error:  # a mistake of ours costs this notice its turn, and no other one anything
            await self._not_taken(notice, owner, trace_of(error))
        else:
            await self._put(notice, owner, next_try_at=None, delivered_at=self._clock())

    async def _not_taken(self, notice: Notice, owner: str, why: str) -> None:
        again = self._again(notice)
        _log.warning(
            "a notice was not taken", notice=notice.id, why=why, attempt=notice.attempts + 1, given_up=not again
        )
        await self._put(notice, owner, next_try_at=again)

    async def _put(self, notice: Notice, owner: str, **values: datetime | None) -> None:
        async with self._ledger.writing() as connection:
            await connection.execute(
                update(notices)
                .where(notices.c.id == notice.id, notices.c.owner == owner)
                .values(owner=None, lease_until=None, **values)
            )

    def _again(self, notice: Notice) -> datetime | None:
        now = self._clock()
        if now - notice.created_at > _GIVEN_UP:
            return None
        wait = min(_LONGEST, _FIRST * 2.0 ** min(notice.attempts, 20))
        return now + timedelta(seconds=wait * random.uniform(0.8, 1.2))
