"""What a request must be before any store is asked about it, and when two requests are the same."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from enum import Enum
from typing import Any, TypeAlias, cast

import msgspec
import strawberry
from babel.numbers import get_currency_precision

from schema.ids import GlobalId, MalformedId, parse_id, parse_typed
from schema.inputs import (
    CancelOrderInput,
    CancelSubscriptionInput,
    PauseSubscriptionInput,
    RefundLineInput,
    RefundOrderInput,
    ResumeSubscriptionInput,
    ReturnLineInput,
    ReturnOrderInput,
)
from schema.order import Order, OrderLine
from schema.problems import FieldIssue
from schema.vocabulary import ActionKind, CancelReason, RefundChoice

OrderInput: TypeAlias = CancelOrderInput | ReturnOrderInput | RefundOrderInput
Input: TypeAlias = OrderInput | PauseSubscriptionInput | ResumeSubscriptionInput | CancelSubscriptionInput

#: Most characters of an idempotency key, of a note and of the reason of a cancelled subscription.
MAX_KEY = 255
MAX_NOTE = 1000
MAX_REASON = 500
#: Most lines of one request, and most units of a line.
MAX_LINES = 100
MAX_QUANTITY = 1_000_000
#: No refund is as large as this, in whole units of any currency.
MAX_AMOUNT = Decimal(10) ** 12

#: Each action's input, its field in a preview, and the type and field of its target.
_SHAPES: Mapping[ActionKind, tuple[type, str, str, str]] = {
    ActionKind.CANCEL_ORDER: (CancelOrderInput, "cancelOrder", "Order", "orderId"),
    ActionKind.RETURN_ORDER: (ReturnOrderInput, "returnOrder", "Order", "orderId"),
    ActionKind.REFUND_ORDER: (RefundOrderInput, "refundOrder", "Order", "orderId"),
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

    @property
    def pays_for(self) -> tuple[str, ...]:
        """The action that made the return which a refund pays for: the money of both is the same."""
        given = self.input
        if not isinstance(given, RefundOrderInput) or given.return_id is None:
            return ()
        return (parse_id(given.return_id).native,)

    def plain(self) -> dict[str, Any]:
        """The input as JSON, for `asking_again`."""
        found: dict[str, Any] = _plain(self.input)
        return found

    def canonical(self) -> str:
        """Equal for two requests that ask for the same."""
        return json.dumps(self.plain(), sort_keys=True, separators=(",", ":"))


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
    text = given.order_id if isinstance(given, OrderInput) else given.subscription_id
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
        case RefundOrderInput():
            issues += _refund(path, given, target)
        case CancelSubscriptionInput():
            issues += _text((*path, "reason"), given.reason, MAX_REASON, needed=True)
    if issues or target is None:
        raise Invalid(issues)
    return Asking(kind, target, given, path)


def asking_again(kind: ActionKind, plain: Mapping[str, Any], path: tuple[str, ...] = ("input",)) -> Asking:
    """A request that was checked before, from what `Asking.plain` gave.

    Raises:
        ValueError: it was written by another version, whose words this one does not know.
    """
    shape, _, target_type, _ = _SHAPES[kind]
    try:
        given = cast("Input", msgspec.convert(plain, shape))
        text = given.order_id if isinstance(given, OrderInput) else given.subscription_id
        return Asking(kind, parse_typed(text, target_type), given, path)
    except (msgspec.ValidationError, MalformedId) as error:
        raise ValueError("the request was recorded by another version of this gateway") from error


def check_key(key: str | None) -> str:
    """The idempotency key. Raises `Invalid`."""
    path = ("idempotencyKey",)
    if key is None or not key.strip():
        raise Invalid([_issue(path, "a key is needed: a new random one for each intent, the same one to ask again")])
    if len(key) > MAX_KEY:
        raise Invalid([_issue(path, f"a key has at most {MAX_KEY} characters")])
    return key


def check_note(note: str | None, *, needed: bool) -> None:
    """The words that a person gives for a decision of theirs. Raises `Invalid`."""
    issues = list(_text(("note",), note, MAX_NOTE, needed=needed))
    if issues:
        raise Invalid(issues)


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


def check_refund(asking: Asking, order: Order) -> None:
    """What a refund can only be told wrong by its order: the currency. Raises `Invalid`."""
    if not isinstance(asking.input, RefundOrderInput):
        return
    paid_in = order.totals.total.presentment.currency_code
    if asking.input.currency_code != paid_in:
        raise Invalid([_issue((*asking.path, "currencyCode"), f"the customer paid in {paid_in}; refunds are in that")])


def lines_of(asking: Asking, order: Order) -> list[tuple[ReturnLineInput | RefundLineInput, OrderLine]]:
    """The order's own lines that a return or refund names. Raises `Invalid`: one is not on this order."""
    if not isinstance(asking.input, ReturnOrderInput | RefundOrderInput):
        return []
    named: Sequence[ReturnLineInput | RefundLineInput] = asking.input.lines or ()
    known = {line.id: line for line in order.lines}
    strangers = [
        _issue((*asking.path, "lines", str(number), "lineId"), "this line is not on the order")
        for number, line in enumerate(named)
        if line.line_id not in known
    ]
    if strangers:
        raise Invalid(strangers)
    return [(line, known[line.line_id]) for line in named]


def _refund(path: tuple[str, ...], given: RefundOrderInput, target: GlobalId | None) -> Iterator[FieldIssue]:
    yield from _text((*path, "reason"), given.reason, MAX_REASON, needed=True)
    if len(given.currency_code) != 3 or not given.currency_code.isascii() or not given.currency_code.isupper():
        yield _issue((*path, "currencyCode"), "three capital letters, such as EUR")
    if given.destination is RefundChoice.NONE:
        yield _issue((*path, "destination"), "a refund pays something back: ORIGINAL_PAYMENT or STORE_CREDIT")
    if given.lines is not None:
        yield from _lines((*path, "lines"), given.lines, target)
    if given.amount is None:
        if given.lines is None and not given.shipping:
            yield _issue((*path, "amount"), "say what is paid back: lines, shipping, or an amount")
    else:
        if given.lines is not None:
            yield _issue((*path, "amount"), "lines or an amount, not both: what lines come to is worked out")
        if given.shipping:
            yield _issue((*path, "shipping"), "an amount stands for itself; leave shipping out, or the amount")
        yield from _amount((*path, "amount"), given.amount, given.currency_code)
    if given.return_id is not None:
        try:
            found = parse_typed(given.return_id, "Return", 3)
        except MalformedId as error:
            yield _issue((*path, "returnId"), str(error))
        else:
            if target is not None and found.parts[:2] != (target.store, target.native):
                yield _issue((*path, "returnId"), "this return is not one of the order")


def _amount(path: tuple[str, ...], amount: Decimal, currency: str) -> Iterator[FieldIssue]:
    if not amount.is_finite() or amount <= 0:
        yield _issue(path, "more than zero")
    elif amount >= MAX_AMOUNT:
        yield _issue(path, f"less than {MAX_AMOUNT}")
    else:
        digits = get_currency_precision(currency)
        if amount != amount.quantize(Decimal(1).scaleb(-digits)):
            yield _issue(path, f"{currency} has {digits} digits behind the point at most")


def _lines(
    path: tuple[str, ...], lines: Sequence[ReturnLineInput | RefundLineInput], target: GlobalId | None
) -> Iterator[FieldIssue]:
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
        if isinstance(line, ReturnLineInput):
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
    if isinstance(value, Decimal):
        return f"{value.normalize():f}"
    return None if value is strawberry.UNSET else value
