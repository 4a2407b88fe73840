"""What a request must be before any store is asked about it, and when two requests are the same."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from enum import Enum
from typing import Any, TypeAlias, cast

import strawberry

from schema.ids import GlobalId, MalformedId, parse_id, parse_typed
from schema.inputs import (
    CancelOrderInput,
    CancelSubscriptionInput,
    PauseSubscriptionInput,
    ResumeSubscriptionInput,
    ReturnLineInput,
    ReturnOrderInput,
)
from schema.order import Order, OrderLine
from schema.problems import FieldIssue
from schema.vocabulary import ActionKind, CancelReason

Input: TypeAlias = (
    CancelOrderInput | ReturnOrderInput | PauseSubscriptionInput | ResumeSubscriptionInput | CancelSubscriptionInput
)

#: Most characters of an idempotency key, of a note and of the reason of a cancelled subscription.
MAX_KEY = 255
MAX_NOTE = 1000
MAX_REASON = 500
#: Most lines of one request, and most units of a line.
MAX_LINES = 100
MAX_QUANTITY = 1_000_000

#: Each action's input, its field in a preview, and the type and field of its target.
_SHAPES: Mapping[ActionKind, tuple[type, str, str, str]] = {
    ActionKind.CANCEL_ORDER: (CancelOrderInput, "cancelOrder", "Order", "orderId"),
    ActionKind.RETURN_ORDER: (ReturnOrderInput, "returnOrder", "Order", "orderId"),
    ActionKind.PAUSE_SUBSCRIPTION: (
        PauseSubscriptionInput,
        "pauseSubscription",
        "SubscriptionContract",
        "subscriptionId",
    ),
    ActionKind.RESUME_SUBSCRIPTION: (
        ResumeSubscriptionInput,
        "resumeSubscription",
        "SubscriptionContract",
        "subscriptionId",
    ),
    ActionKind.CANCEL_SUBSCRIPTION: (
        CancelSubscriptionInput,
        "cancelSubscription",
        "SubscriptionContract",
        "subscriptionId",
    ),
}


class Invalid(ValueError):
    """The input cannot be right; `fields` names each place by its name in the query, with its cure."""

    def __init__(self, fields: Sequence[FieldIssue]) -> None:
        super().__init__("; ".join(f"{'.'.join(issue.path)}: {issue.message}" for issue in fields))
        self.fields = list(fields)


@dataclass(frozen=True, slots=True)
class Asking:
    """A request that is right as far as that can be told without its store."""

    kind: ActionKind
    target: GlobalId
    input: Input
    #: Where the input stands in the query.
    path: tuple[str, ...]

    @property
    def target_path(self) -> tuple[str, ...]:
        return (*self.path, _SHAPES[self.kind][3])

    def canonical(self) -> str:
        """Equal for two requests that ask for the same."""
        return json.dumps(_plain(self.input), sort_keys=True, separators=(",", ":"))


def check(kind: ActionKind, asked: Any, *, is_staff: bool, stores: Collection[str], in_preview: bool = False) -> Asking:
    """Check an input as GraphQL coerced it. For anybody but staff some fields of a cancellation are set, not read.

    Raises:
        Invalid: it cannot be right.
        TypeError: not the input of this action: a mistake of ours.
    """
    if kind not in _SHAPES:
        raise TypeError(f"{kind.value} cannot be asked for")
    shape, preview_field, target_type, target_field = _SHAPES[kind]
    if not isinstance(asked, shape):
        raise TypeError(f"{kind.value} takes {shape.__name__}, not {type(asked).__name__}")
    given = cast("Input", asked)
    path = ("input", preview_field) if in_preview else ("input",)
    issues: list[FieldIssue] = []
    target: GlobalId | None = None
    text = given.order_id if isinstance(given, CancelOrderInput | ReturnOrderInput) else given.subscription_id
    try:
        target = parse_typed(text, target_type)
    except MalformedId as error:
        issues.append(_issue((*path, target_field), str(error)))
    if target is not None and target.store not in stores:
        issues.append(_issue((*path, target_field), "there is no such store here; `stores` lists them"))
    match given:
        case CancelOrderInput():
            issues += _text((*path, "note"), given.note, MAX_NOTE)
            if not is_staff:
                given = dataclasses.replace(given, reason=CancelReason.CUSTOMER, restock=True, notify_customer=True)
        case ReturnOrderInput():
            issues += _lines((*path, "lines"), given.lines, target)
        case CancelSubscriptionInput():
            issues += _text((*path, "reason"), given.reason, MAX_REASON, needed=True)
    if issues or target is None:
        raise Invalid(issues)
    return Asking(kind, target, given, path)


def check_key(key: str | None) -> str:
    """The idempotency key. Raises `Invalid`."""
    path = ("idempotencyKey",)
    if key is None or not key.strip():
        raise Invalid([_issue(path, "a key is needed: a new random one for each intent, the same one to ask again")])
    if len(key) > MAX_KEY:
        raise Invalid([_issue(path, f"a key has at most {MAX_KEY} characters")])
    return key


def check_until(asking: Asking, today: date, *, needed: bool) -> None:
    """The end of a pause, seen from `today` in the store's time zone. Raises `Invalid`."""
    if not isinstance(asking.input, PauseSubscriptionInput):
        return
    until = asking.input.until
    path = (*asking.path, "until")
    if until is None and needed:
        raise Invalid([_issue(path, "this store needs the day on which the subscription goes on")])
    if until is not None and until <= today:
        raise Invalid([_issue(path, "the day on which it goes on must lie ahead; days are those of the store")])


def lines_of(asking: Asking, order: Order) -> list[tuple[ReturnLineInput, OrderLine]]:
    """The order's own lines that a return names. Raises `Invalid`: one is not on this order."""
    if not isinstance(asking.input, ReturnOrderInput):
        return []
    known = {line.id: line for line in order.lines}
    strangers = [
        _issue((*asking.path, "lines", str(number), "lineId"), "this line is not on the order")
        for number, line in enumerate(asking.input.lines)
        if line.line_id not in known
    ]
    if strangers:
        raise Invalid(strangers)
    return [(line, known[line.line_id]) for line in asking.input.lines]


def _lines(path: tuple[str, ...], lines: Sequence[ReturnLineInput], target: GlobalId | None) -> Iterator[FieldIssue]:
    if not lines:
        yield _issue(path, "name at least one line of the order")
    if len(lines) > MAX_LINES:
        yield _issue(path, f"at most {MAX_LINES} lines at once")
        return
    named: set[str] = set()
    for number, line in enumerate(lines):
        place = (*path, str(number))
        try:
            found = parse_id(line.line_id)
        except MalformedId as error:
            yield _issue((*place, "lineId"), str(error))
        else:
            if found.type != "OrderLine":
                yield _issue((*place, "lineId"), f"this is the id of {found.type}; an id of OrderLine is needed")
            elif target is not None and found.store != target.store:
                yield _issue((*place, "lineId"), "this line is not on the order")
            elif line.line_id in named:
                yield _issue((*place, "lineId"), "this line is named twice; give it once, with all its units")
        named.add(line.line_id)
        if not 1 <= line.quantity <= MAX_QUANTITY:
            yield _issue((*place, "quantity"), "at least 1" if line.quantity < 1 else f"at most {MAX_QUANTITY}")
        yield from _text((*place, "note"), line.note, MAX_NOTE)


def _text(path: tuple[str, ...], text: str | None, most: int, *, needed: bool = False) -> Iterator[FieldIssue]:
    if needed and (text is None or not text.strip()):
        yield _issue(path, "say it in a few words; it may not be empty")
    if text is None:
        return
    if len(text) > most:
        yield _issue(path, f"at most {most} characters")
    if any(character == "\x00" or "\ud800" <= character <= "\udfff" for character in text):
        yield _issue(path, "it holds a character that cannot be kept: U+0000, or half of a pair")


def _issue(path: Sequence[str], message: str) -> FieldIssue:
    return FieldIssue(path=list(path), message=message)


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: _plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, date):
        return value.isoformat()
    return None if value is strawberry.UNSET else value
