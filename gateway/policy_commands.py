"""`aftersale policy ...`: check the files, run their cases, list the facts, and explain one decision to a person."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from gateway.console import ConfigPath, err, fail, out, read_settings

if TYPE_CHECKING:
    from gateway.settings import Settings
    from platforms.base import Platform
    from policies.asked import AskedLine
    from policies.processor import PolicyProcessor
    from schema.order import Order
    from schema.subscription import Subscription

policy = typer.Typer(help="Look at and try the merchant's policy.", no_args_is_help=True)

_DEFAULT = Path("aftersale.yaml")
PolicyFile = Annotated[
    Path | None, typer.Argument(help="A policy file or folder; left out: the one of the configuration.")
]
Sandbox = Annotated[bool, typer.Option("--sandbox", help="Take the sandbox's stores instead of a configuration.")]


def _settings(config: Path, sandbox: bool) -> Settings:
    if not sandbox:
        return read_settings(config)
    from sandbox.world import PLANS, sandbox_settings

    # The addresses are never called: what the policy needs of a store is in its settings.
    return sandbox_settings({plan.key: "http://127.0.0.1:9" for plan in PLANS}, Path.cwd())


def _platforms(settings: Settings) -> dict[str, Platform]:
    from gateway.runtime import build_platforms

    return build_platforms(settings)


def _processor(path: Path, platforms: dict[str, Platform]) -> PolicyProcessor:
    from policies.processor import PolicyError, PolicyProcessor

    try:
        return PolicyProcessor.load(path, {id: platform.store for id, platform in platforms.items()})
    except PolicyError as error:
        raise fail([str(issue) for issue in error.issues]) from None


@policy.command("check")
def look(file: PolicyFile = None, config: ConfigPath = _DEFAULT, sandbox: Sandbox = False) -> None:
    """Look for mistakes, and for what loads but may not be meant."""
    from policies.check import check

    settings = _settings(config, sandbox)
    platforms = _platforms(settings)
    report = check(file or settings.policies, {id: platform.store for id, platform in platforms.items()})
    if not report.usable:
        raise fail([str(issue) for issue in report.mistakes])
    for remark in report.remarks:
        err.print(f"[yellow]{escape(str(remark))}[/yellow]", highlight=False, soft_wrap=True)
    rules = sum(len(found.rules) for found in report.policies)
    names = ", ".join(found.name for found in report.policies)
    out.print(f"ok: {escape(names)}, {rules} rules, {len(report.remarks)} remarks", highlight=False)


@policy.command("test")
def cases(file: PolicyFile = None, config: ConfigPath = _DEFAULT, sandbox: Sandbox = False) -> None:
    """Decide every case that is written in the policy files."""
    from policies.check import run_cases

    settings = _settings(config, sandbox)
    processor = _processor(file or settings.policies, _platforms(settings))
    results = run_cases(processor)
    failed = [result for result in results if not result.ok]
    for result in failed:
        for difference in result.differences:
            err.print(
                f"[red]{escape(f'{result.file}:{result.case.line}: {result.case.name}: {difference}')}[/red]",
                highlight=False,
                soft_wrap=True,
            )
    out.print(f"{len(results) - len(failed)} of {len(results)} cases came out as expected", highlight=False)
    if failed:
        raise typer.Exit(1)


@policy.command("facts")
def facts(config: ConfigPath = _DEFAULT, sandbox: Sandbox = False) -> None:
    """List the facts that rules may name, and which store never knows which."""
    from policies.check import facts_table, never_known

    platforms = _platforms(_settings(config, sandbox))
    rows = facts_table({id: never_known(platform) for id, platform in platforms.items()})
    table = Table(title="Facts", title_justify="left")
    for column in ("fact", "type", "what it is", "example"):
        table.add_column(column, no_wrap=column == "fact")
    for id in platforms:
        table.add_column(id, justify="center")
    for row in rows:
        notes = [word for word, said in (("a claim", row.claim), ("staff", row.staff_only)) if said]
        what = row.description + (f" ({', '.join(notes)})" if notes else "")
        known = ["yes" if row.stores[id] else "never" for id in platforms]
        table.add_row(escape(row.name), escape(row.type), escape(what), escape(row.example), *known)
    out.print(table)


@policy.command("explain")
def explain(
    id: Annotated[str, typer.Argument(metavar="ID", help="The id of an order or a subscription.")],
    action: Annotated[str, typer.Argument(help="What is asked for, such as RETURN_ORDER.")],
    config: ConfigPath = _DEFAULT,
    sandbox: Sandbox = False,
    reason: Annotated[str | None, typer.Option(help="What the asker says, such as DEFECTIVE.")] = None,
    condition: Annotated[str | None, typer.Option(help="What the asker says, such as OPENED.")] = None,
    line: Annotated[list[str] | None, typer.Option(help="A line's id or title; left out: every line.")] = None,
    until: Annotated[str | None, typer.Option(help="The end of a pause, such as 2026-12-24.")] = None,
    now: Annotated[str | None, typer.Option(help="Another present, such as 2026-12-24T10:00:00Z.")] = None,
) -> None:
    """Decide without doing anything, and print the arithmetic."""
    from schema.ids import MalformedId, parse_id
    from schema.vocabulary import ActionKind, ItemCondition, ReturnReason

    kind = _word(ActionKind, action, "ACTION")
    try:
        target = parse_id(id)
    except MalformedId as error:
        raise fail([f"ID: {error}"]) from None
    wanted = "Order" if kind.name.endswith("_ORDER") else "SubscriptionContract"
    if target.type != wanted or len(target.parts) != 2:
        raise fail([f"ID: {kind.name} is asked of an id like {wanted}:us:1001"])
    words: dict[str, Any] = {
        "reason": _word(ReturnReason, reason, "--reason") if reason else None,
        "condition": _word(ItemCondition, condition, "--condition") if condition else None,
        "lines": line,
        "until": _until(until),
        "now": _now(now),
    }
    asyncio.run(_explain(config, sandbox, kind, target.store, target.native, words))


def _word(vocabulary: Any, text: str, name: str) -> Any:
    try:
        return vocabulary[text.upper()]
    except KeyError:
        raise fail([f"{name}: {text!r} is none of {', '.join(word.name for word in vocabulary)}"]) from None


def _until(text: str | None) -> date | None:
    try:
        return None if text is None else date.fromisoformat(text)
    except ValueError:
        raise fail(["--until: a day is written 2026-12-24"]) from None


def _now(text: str | None) -> datetime:
    if text is None:
        return datetime.now(UTC)
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        found = None
    if found is None or found.tzinfo is None:
        raise fail(["--now: a time is written with its offset, 2026-12-24T10:00:00Z"])
    return found


@asynccontextmanager
async def _opened(config: Path, sandbox: bool) -> AsyncIterator[tuple[Settings, dict[str, Platform]]]:
    """The stores of the configuration, or the sandbox's, running while the block does."""
    async with AsyncExitStack() as stack:
        if sandbox:
            import tempfile

            from sandbox.world import open_shops, sandbox_settings

            shops = await stack.enter_async_context(open_shops(datetime.now(UTC)))
            folder = stack.enter_context(tempfile.TemporaryDirectory())
            settings = sandbox_settings({key: shop.url for key, shop in shops.items()}, Path(folder))
        else:
            settings = read_settings(config)
        platforms = _platforms(settings)
        try:
            yield settings, platforms
        finally:
            await asyncio.gather(*(platform.close() for platform in platforms.values()))


async def _explain(config: Path, sandbox: bool, kind: Any, store: str, native: str, words: dict[str, Any]) -> None:
    from actions.held import Held
    from actions.ledger import Ledger
    from platforms.base import ORDER_FACTS, SUBSCRIPTION_FACTS
    from platforms.errors import PlatformError
    from policies.asked import Asked, History
    from policies.check import explain as in_words
    from schema.actions import Actor, Viewer
    from schema.vocabulary import ActorKind, AssuranceLevel

    async with _opened(config, sandbox) as (settings, platforms):
        processor = _processor(settings.policies, platforms)
        platform = platforms.get(store)
        if platform is None:
            raise fail([f"ID: there is no store {store!r}; the stores are {', '.join(platforms)}"])
        ledger = Ledger(settings.ledger)
        await ledger.open()
        try:
            held = Held(ledger, lambda: words["now"])
            order: Order | None = None
            subscription: Subscription | None = None
            if kind.name.endswith("_ORDER"):
                orders = await platform.orders([native], ORDER_FACTS)
                await held.overlay_orders(platform, orders)
                order = orders.get(native)
            else:
                found = await platform.subscriptions([native], SUBSCRIPTION_FACTS)
                await held.overlay_subscriptions(platform, found)
                subscription = found.get(native)
        except PlatformError as error:
            raise fail([f"{store}: {error.message}"]) from None
        finally:
            await ledger.close()
        if order is None and subscription is None:
            raise fail([f"ID: {platform.store.name} has nothing with this id"])
        asked = Asked(
            kind=kind,
            store=platform.store,
            order=order,
            subscription=subscription,
            lines=_lines(order, words) if order is not None and kind.name == "RETURN_ORDER" else (),
            until=words["until"],
        )
        staff = Viewer(actor=Actor(kind=ActorKind.STAFF, name="terminal"), assurance=AssuranceLevel.STAFF)
        decision = processor.decide(asked, History(), staff, words["now"])
        _print(in_words(decision, asked))


def _lines(order: Order, words: dict[str, Any]) -> tuple[AskedLine, ...]:
    from policies.asked import AskedLine

    chosen = words["lines"]
    lines = [one for one in order.lines if not chosen or one.id in chosen or one.title in chosen]
    if not lines:
        raise fail([f"--line: the order's lines are {', '.join(one.title for one in order.lines)}"])
    return tuple(
        AskedLine(one, max(one.quantity.returnable or 1, 1), words["reason"], words["condition"]) for one in lines
    )


def _print(lines: list[str]) -> None:
    for text in lines:
        out.print(escape(text), highlight=False, soft_wrap=True)
    out.print("(The customer's earlier refunds are not counted here.)", highlight=False)
