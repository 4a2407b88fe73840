"""The README's capability matrix, worked out from the adapters; nobody writes it by hand."""

from __future__ import annotations

from collections.abc import Mapping

from platforms.base import ACTIONS, Operation, Platform
from platforms.registry import PLATFORMS

_READS: Mapping[str, tuple[Operation, ...]] = {
    "orders by id": (Operation.ORDERS,),
    "orders by number": (Operation.ORDERS_BY_NUMBER,),
    "orders by e-mail": (Operation.ORDERS_OF,),
    "customers by e-mail": (Operation.PROFILES,),
    "products by id": (Operation.PRODUCTS,),
    "subscriptions": (Operation.SUBSCRIPTIONS, Operation.SUBSCRIPTIONS_OF),
}


def capability_matrix() -> str:
    """A Markdown table of what each platform can do, and a footnote for each half-support."""
    platforms = [entry.load() for entry in PLATFORMS.values()]
    notes: list[str] = []
    rows = [
        f"| | {' | '.join(platform.name for platform in platforms)} |",
        f"| --- |{' --- |' * len(platforms)}",
    ]
    for read, operations in _READS.items():
        cells = ["yes" if platform.operations.issuperset(operations) else "—" for platform in platforms]
        rows.append(f"| {read} | {' | '.join(cells)} |")
    for action, operation in ACTIONS.items():
        cells = [_cell(platform, operation, platform.caveats.get(action), notes) for platform in platforms]
        rows.append(f"| {action.value.lower().replace('_', ' ')} | {' | '.join(cells)} |")
    rows += ["", *(f"{number}. {note}" for number, note in enumerate(notes, 1))]
    return "\n".join(rows) + "\n"


def _cell(platform: type[Platform], operation: Operation, caveat: str | None, notes: list[str]) -> str:
    if operation not in platform.operations:
        return "—"
    if caveat is None:
        return "yes"
    notes.append(caveat if caveat.startswith(platform.name) else f"{platform.name}: {caveat}")
    return f"emulated ({len(notes)})"
