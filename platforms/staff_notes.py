"""What an action writes into a store for its staff to read, and by which words it is found again."""

from __future__ import annotations

from platforms.base import CancelOrder, ReturnOrder


def cancel_note(request: CancelOrder) -> str:
    lines = [f"Cancelled by Aftersale (action {request.action_id}). Reason: {request.reason.value}."]
    return "\n".join([*lines, *([plain(request.note)] if request.note else [])])


def return_mark(request: ReturnOrder) -> str:
    return f"Return agreed by Aftersale (action {request.action_id})."


def return_note(request: ReturnOrder, row: str = "line") -> str:
    """The first line is the mark by which the note is found again; `row` is the platform's word for a line."""
    text = [return_mark(request)]
    for one in request.lines:
        words = [one.reason.value, *([one.condition.value] if one.condition else [])]
        text.append(f"{one.quantity} x {plain(one.line.title)} ({row} {one.line.native_id}): {', '.join(words)}")
        if one.note:
            text.append(f"  {plain(one.note)}")
    text.append(f"Resolution: {request.resolution.value}.")
    text += [f"Fee: {fee.kind.value} {fee.amount.amount} {fee.amount.currency_code}" for fee in request.fees]
    return "\n".join(text)


def plain(text: str) -> str:
    """One line without markup: several platforms show a note as HTML to their staff."""
    return " ".join(text.replace("<", " ").replace(">", " ").split())
