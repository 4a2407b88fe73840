"""How the facts of a decision are written down in plain JSON, and read back to decide it again under other rules."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from decimal import Decimal, InvalidOperation
from enum import Enum
from functools import cache
from typing import Any, Final
from zoneinfo import ZoneInfo

from policies.asked import History
from policies.facts import FACTS, UNKNOWN, Absent, Facts, FactSpec, FactType, Purse, Rate
from schema.order import Order
from schema.parts import PartNotLoaded
from schema.values import Money
from schema.vocabulary import ActionKind, RequestedResolution

#: Of the layout below.
FORMAT: Final = 1
_WORDS: Final = frozenset({"facts", "lines", "rate", "purse", "cancelled", "parcels_unread"})
_LINE_WORDS: Final = frozenset({"facts", "line", "units", "counted", "unrefunded"})


class Illegible(ValueError):
    """What is read back was not written down here."""


# ------------------------------------------------------------------------------------------------ writing


@cache
def _specs_of(kind: ActionKind, of_lines: bool) -> tuple[FactSpec, ...]:
    """The facts of an action that can be written down, of its lines or of the whole."""
    return tuple(
        spec for spec in FACTS.values() if kind in spec.actions and spec.per_line is of_lines and not spec.window_only
    )


def write_down(whole: Facts, lines: list[Facts]) -> dict[str, Any]:
    """The facts of a request, and of each of its lines: what is not known is left out."""
    asked, history = whole.asked, whole.history
    if asked is None:
        raise ValueError("a written case is no request")
    purse, rate = whole.purse(), whole.rate()
    return {
        "format": FORMAT,
        "action": asked.kind.value,
        "store": asked.store.key,
        "now": whole.now.isoformat(),
        "time_zone": whole.zone.key,
        "currency": whole.currency,
        "facts": _values(whole, _specs_of(asked.kind, of_lines=False)),
        "lines": [
            {
                "line": facts.line_id,
                "units": facts.units,
                "counted": facts.asked_line.quantity if facts.asked_line is not None else None,
                "unrefunded": _unrefunded(facts) if facts.units is not None else None,
                "facts": _values(facts, _specs_of(asked.kind, of_lines=True)),
            }
            for facts in lines
        ],
        "parcels_unread": _parcels_unread(whole),
        "cancelled": whole.cancelled if isinstance(whole.order, Order) else None,
        "rate": None if rate is None else [rate.currency, str(rate.presentment), str(rate.shop)],
        "purse": None if purse is None else {
            "currency": purse.currency,
            "asked": None if purse.asked is None else str(purse.asked),
            "foreign": purse.foreign,
            "refundable": str(purse.refundable),
            "refunded": str(purse.refunded),
            "paid_here": str(purse.paid_here),
            "refunded_outside": purse.refunded_outside,
        },
        "history": {
            "refund_total_90d": {code: str(total) for code, total in history.refund_total_90d.items()},
            "refund_count_90d": history.refund_count_90d,
            "return_count_90d": history.return_count_90d,
        },
    }  # fmt: skip


def _values(facts: Facts, specs: tuple[FactSpec, ...]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for spec in specs:
        try:
            value = facts[spec.name]
        except PartNotLoaded:
            continue
        if not isinstance(value, Absent):
            found[spec.name] = _written(value)
    return found


def _written(value: Any) -> Any:
    if isinstance(value, Enum):
        return value.name
    if isinstance(value, Money):
        return f"{value.amount} {value.currency_code}"
    if isinstance(value, datetime):
        return value.isoformat()
    return list(value) if isinstance(value, list | tuple) else value


def _unrefunded(facts: Facts) -> int | None:
    try:
        return facts.unrefunded()
    except PartNotLoaded:
        return None


def _parcels_unread(facts: Facts) -> bool:
    try:
        return facts.parcels_unread
    except PartNotLoaded:
        return True


# ------------------------------------------------------------------------------------------------ reading


def _read(spec: FactSpec, value: Any) -> Any:
    """A fact's value from how `_written` wrote it."""
    kind = spec.type
    if not isinstance(kind, FactType):
        # A word that was taken out of its vocabulary since then says nothing any more.
        return kind.__members__.get(value, UNKNOWN)
    if kind is FactType.MONEY:
        amount, _, currency = value.partition(" ")
        return Money.of(Decimal(amount), currency)
    if kind is FactType.TIME:
        return datetime.fromisoformat(value)
    return value


class RecordedFacts(Facts):
    """Facts as they were written down. One that was not is unknown, also if it is newer than the record."""

    __slots__ = ("record", "row")

    #: The whole record, and of a line's facts the line's own part of it.
    record: Mapping[str, Any]
    row: Mapping[str, Any] | None

    def __missing__(self, name: str) -> Any:
        spec = FACTS[name]
        if self.row is None or spec.per_line:
            written = (self.record if self.row is None else self.row)["facts"]
            try:
                value = _read(spec, written[name]) if name in written else UNKNOWN
            except (ArithmeticError, AttributeError, TypeError, ValueError):
                raise Illegible(f"{name} is not as it was written down") from None
        else:
            assert self.above is not None
            value = self.above[name]
        self[name] = value
        return value

    @property
    def line_id(self) -> str | None:
        found: str | None = self.row["line"] if self.row is not None else None
        return found

    @property
    def units(self) -> int | None:
        found: int | None = self.row["units"] if self.row is not None else None
        return found

    def amount(self) -> Money | None:
        found: Money | None = self.known("request.amount")
        return found

    def line_worth(self) -> Decimal | None:
        total, ordered = self.known("line.total"), self.known("line.quantity")
        if self.row is None or total is None or ordered is None:
            return None
        if ordered <= 0:
            return Decimal(0)
        counted = self.row["counted"]
        worth: Decimal = total.amount if counted >= ordered else total.amount * counted / ordered
        return worth

    def rate(self) -> Rate | None:
        written = self.record["rate"]
        return None if written is None else Rate(written[0], Decimal(written[1]), Decimal(written[2]))

    def purse(self) -> Purse | None:
        written = self.record["purse"]
        if written is None:
            return None
        return Purse(
            currency=written["currency"],
            asked=None if written["asked"] is None else Decimal(written["asked"]),
            refundable=Decimal(written["refundable"]),
            refunded=Decimal(written["refunded"]),
            paid_here=Decimal(written["paid_here"]),
            refunded_outside=written["refunded_outside"],
            foreign=written["foreign"],
        )

    def unrefunded(self) -> int | None:
        found: int | None = self.row["unrefunded"] if self.row is not None else None
        return found

    @property
    def cancelled(self) -> bool | None:
        found: bool | None = self.record["cancelled"]
        return found

    @property
    def parcels_unread(self) -> bool:
        return bool(self.record["parcels_unread"])


class Recording:
    """Facts that were written down, as far as they say what was asked."""

    def __init__(self, written: Mapping[str, Any]) -> None:
        """Raises `Illegible`."""
        self._written = written
        try:
            if written["format"] != FORMAT:
                raise Illegible(f"facts are written in format {written['format']}; this gateway reads {FORMAT}")
            self.kind = ActionKind(written["action"])
            self.store = str(written["store"])
            self.now = datetime.fromisoformat(written["now"])
        except (KeyError, TypeError, ValueError) as error:
            if isinstance(error, Illegible):
                raise
            raise Illegible("these are not facts of a decision") from None

    def worth(self) -> Money | None:
        """The money it would have moved, in the customer's currency where that was told, else in the store's."""
        purse = self._written.get("purse")
        if purse is not None and purse["asked"] is not None:
            return Money.of(Decimal(purse["asked"]), purse["currency"])
        written = self._written.get("facts", {}).get("request.amount")
        found: Money | None = None if written is None else _read(FACTS["request.amount"], written)
        return found

    def facts(
        self, by_lines: bool, zone_of: Callable[[str], ZoneInfo], resolution: RequestedResolution | None
    ) -> tuple[Facts, list[Facts]]:
        """The facts of the request and of its lines, as `PolicyProcessor.facts` has them; perhaps settled otherwise.

        Args:
            by_lines: whether rules are asked of lines that the request does not name.
        """
        written = self._written
        try:
            if not set(written) >= _WORDS:
                raise KeyError
            zone = zone_of(written["time_zone"])
            whole = RecordedFacts(None, History(), None, self.now, zone, written["currency"])
            whole.kind, whole.record, whole.row = self.kind, written, None
            if resolution is not None:
                whole["request.resolution"] = resolution
            lines: list[Facts] = []
            for row in written["lines"]:
                if not set(row) >= _LINE_WORDS:
                    raise KeyError
                if row["units"] is None and not by_lines:
                    continue
                facts = RecordedFacts(None, whole.history, None, self.now, zone, whole.currency, above=whole)
                facts.kind, facts.record, facts.row = self.kind, written, row
                lines.append(facts)
        except (KeyError, TypeError, ValueError, InvalidOperation):
            raise Illegible("these are not facts of a decision") from None
        return whole, lines


__all__ = ["FORMAT", "Illegible", "Recording", "write_down"]
