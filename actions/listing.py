"""Reading recorded actions: one, a list of them, and what each asked for, with its lines read fresh."""

from __future__ import annotations

import asyncio
import base64
import binascii
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, cast

from aiodataloader import DataLoader

from actions.answers import Answers
from actions.caller import Caller
from actions.held import Held
from actions.ledger import Ledger, Listing, Record
from actions.privacy import Privacy
from actions.recorded import day_of, recorded_lines
from platforms.base import Platform
from platforms.errors import PlatformError
from platforms.transport import store_deadline
from schema.actions import Action, ActionRequest, RequestedLine
from schema.connections import ActionConnection, ActionEdge, PageInfo, page_size
from schema.ids import MalformedId, parse_id, parse_typed
from schema.inputs import ActionFilter
from schema.order import Order, OrderLine
from schema.parts import OrderParts
from schema.values import Money
from schema.vocabulary import RefundChoice, RefundDestination, RequestedResolution

_DESTINATION = {
    RefundChoice.ORIGINAL_PAYMENT: RefundDestination.ORIGINAL_PAYMENT,
    RefundChoice.STORE_CREDIT: RefundDestination.STORE_CREDIT,
}


class MalformedCursor(MalformedId):
    """The text is not a cursor of this list."""


class Listings:
    """One caller's look into the ledger."""

    def __init__(
        self,
        ledger: Ledger,
        caller: Caller,
        answers: Answers,
        held: Held,
        platforms: Mapping[str, Platform],
        privacy: Privacy,
        seconds: float,
    ) -> None:
        self._ledger = ledger
        self._caller = caller
        self._answers = answers
        self._held = held
        self._platforms = platforms
        self._privacy = privacy
        #: The most a store's orders are waited for.
        self._seconds = seconds
        self._orders: DataLoader[str, Order | None] | None = None

    async def record(self, id: str) -> Record | None:
        """A row this caller may see.

        Raises:
            MalformedId: not the id of an action.
        """
        record = await self._ledger.by_id(parse_typed(id, "Action", 1).native)
        return record if record is not None and self.may_see(record) else None

    async def action(self, id: str, *, lines: bool = False) -> Action | None:
        """An action this caller may see. With `lines` its reasons point to the lines of the order, read fresh.

        Raises:
            MalformedId: not the id of an action.
        """
        record = await self.record(id)
        if record is None:
            return None
        order = await self.order(record.target) if lines and parse_id(record.target).type == "Order" else None
        return self._answers.shown(record, order)

    async def newest(self, filter: ActionFilter | None, first: int, after: str | None = None) -> ActionConnection:
        """Actions this caller may see, newest first.

        Raises:
            PageSizeOutOfRange, MalformedCursor: `first` or `after` cannot be right.
            MalformedId: the filter's target is no id.
        """
        count = page_size(first)
        wanted = filter or ActionFilter()
        if wanted.target_id is not None:
            parse_id(wanted.target_id)
        bound = self._caller.bound
        listing = Listing(
            states=wanted.state,
            kinds=wanted.kind,
            target=wanted.target_id,
            requested_after=wanted.requested_after,
            owner_hash=self._privacy.hash("customer", bound) if bound is not None else None,
            client=None if bound is not None or self._caller.is_staff else self._caller.viewer.client,
        )
        records = await self._ledger.newest(listing, count + 1, _position(after) if after else None)
        page = records[:count]
        edges = [ActionEdge(cursor=_cursor(record), node=self._answers.shown(record)) for record in page]
        return ActionConnection(
            edges=edges,
            nodes=[edge.node for edge in edges],
            page_info=PageInfo(has_next_page=len(records) > count, end_cursor=edges[-1].cursor if edges else None),
        )

    async def request_of(self, action: Action) -> ActionRequest:
        """What was asked for; its lines are read fresh, those no longer on the order are left out.

        Raises:
            PlatformError: the lines could not be read.
        """
        record = action.recorded
        assert isinstance(record, Record)
        request = record.request
        named = recorded_lines(record)
        known: dict[str, OrderLine] = {}
        if named:
            order = await self.order(record.target)
            known = {line.native_id: line for line in order.lines} if order is not None else {}
        resolution, refund, amount = request.get("resolution"), request.get("refund"), request.get("amount")
        return ActionRequest(
            lines=[
                RequestedLine(
                    line=known[line.native],
                    quantity=line.quantity,
                    reason=line.reason,
                    condition=line.condition,
                    note=line.note,
                )
                for line in named
                if line.native in known
            ],
            resolution=RequestedResolution(resolution) if resolution else None,
            destination=_DESTINATION.get(RefundChoice(refund)) if refund else None,
            amount=Money.of(Decimal(amount["amount"]), amount["currency"]) if amount else None,
            until=day_of(request.get("until")),
            reason=request.get("reason"),
            note=request.get("note"),
        )

    def may_see(self, record: Record) -> bool:
        caller = self._caller
        if caller.bound is not None:
            return record.owner_hash == self._privacy.hash("customer", caller.bound)
        return caller.is_staff or record.client == caller.viewer.client

    def know(self, target: str, order: Order) -> None:
        """An order that was read for the answer need not be read again for its lines."""
        self._orders_read().prime(target, order)

    async def order(self, target: str) -> Order | None:
        """An order with its lines; asked for together with others of the same tick and store."""
        return await self._orders_read().load(target)

    def _orders_read(self) -> DataLoader[str, Order | None]:
        if self._orders is None:
            # It takes errors as answers, which its types do not say.
            self._orders = DataLoader(cast("Any", self._read_orders))
        return self._orders

    async def _read_orders(self, targets: list[str]) -> list[Order | BaseException | None]:
        stores: dict[str, list[str]] = {}
        for target in targets:
            found = parse_id(target)
            stores.setdefault(found.store, []).append(found.native)

        async def read(store: str, natives: list[str]) -> Mapping[str, Order] | PlatformError:
            platform = self._platforms.get(store)
            if platform is None:
                return {}
            try:
                with store_deadline(self._seconds):
                    orders = await platform.orders(natives, OrderParts.LINES)
            except PlatformError as error:
                return error
            await self._held.overlay_orders(platform, orders, OrderParts.LINES | OrderParts.RETURN_STATUS)
            return orders

        answers = dict(zip(stores, await asyncio.gather(*(read(*group) for group in stores.items())), strict=True))
        orders: list[Order | BaseException | None] = []
        for target in targets:
            found = parse_id(target)
            answer = answers[found.store]
            orders.append(answer if isinstance(answer, PlatformError) else answer.get(found.native))
        return orders


def _cursor(record: Record) -> str:
    text = f"{record.requested_at.astimezone(UTC).isoformat()}|{record.id}"
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def _position(cursor: str) -> tuple[datetime, str]:
    try:
        text = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode()
        at, _, action = text.partition("|")
        instant = datetime.fromisoformat(at)
    except (binascii.Error, ValueError):
        raise MalformedCursor("after is not a cursor of this list") from None
    if instant.tzinfo is None or not action:
        raise MalformedCursor("after is not a cursor of this list")
    return instant, action
