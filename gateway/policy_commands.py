"""`aftersale policy ...`: check the files, run their cases, list the facts, explain a decision, try another policy."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn, TypeVar

import typer
from rich.markup import escape
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from gateway.console import ConfigPath, err, fail, out, read_settings

if TYPE_CHECKING:
    from actions.ledger import Ledger
    from gateway.policy_trials import History
    from gateway.settings import Settings
    from platforms.base import Platform
    from policies.asked import AskedLine
    from policies.processor import PolicyProcessor
    from policies.trial import Flip, Trial
    from schema.emails import Email
    from schema.order import Order
    from schema.subscription import Subscription
    from schema.values import Money

T = TypeVar("T")

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
    amount: Annotated[
        str | None, typer.Option(help="What is paid back, in the customer's currency; left out: all that is left.")
    ] = None,
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
        "amount": _amount(amount),
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


def _amount(text: str | None) -> Decimal | None:
    try:
        found = None if text is None else Decimal(text)
    except InvalidOperation:
        found = Decimal("NaN")
    if found is not None and not found.is_finite():
        raise fail(["--amount: an amount is written 12.50"])
    return found


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
                await held.overlay_orders(platform, orders, ORDER_FACTS)
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
            amount=_money_of(order, words) if order is not None and kind.name == "REFUND_ORDER" else None,
            until=words["until"],
        )
        staff = Viewer(actor=Actor(kind=ActorKind.STAFF, name="terminal"), assurance=AssuranceLevel.STAFF)
        decision = processor.decide(asked, History(), staff, words["now"])
        _print(in_words(decision, asked))


def _money_of(order: Order, words: dict[str, Any]) -> Money:
    from schema.values import Money

    left = order.totals.refundable.presentment
    return left if words["amount"] is None else Money.of(words["amount"], left.currency_code)


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


# ------------------------------------------------------------------------------------------------ on trial

#: What a mistake in the words of a command ends with; 1 is left to `--fail-on-flip`.
_MISTAKE = 2
_UNITS = {"h": "hours", "d": "days", "w": "weeks"}

Since = Annotated[
    str, typer.Option(help="How far back: 30d, 12h, 8w, or a day such as 2026-05-04.", metavar="DURATION")
]
With = Annotated[
    Path | None,
    typer.Option("--with", help="The policy on trial: a file or folder; left out: the one of the configuration."),
]
Only = Annotated[str | None, typer.Option("--store", help="Only this store, by its id in the configuration.")]
Now = Annotated[str | None, typer.Option(help="Another present, such as 2026-12-24T10:00:00Z.")]
FailOnFlip = Annotated[bool, typer.Option("--fail-on-flip", help="End with status 1 if anything would flip.")]


@policy.command("replay")
def replay(
    since: Since,
    trial: Annotated[Path, typer.Option("--with", help="The policy on trial: a file or folder.")],
    store: Only = None,
    config: ConfigPath = _DEFAULT,
    now: Now = None,
    fail_on_flip: FailOnFlip = False,
) -> None:
    """Decide the actions of the ledger again under another policy, and list what would come out otherwise.

    Each action is decided on the facts that were recorded with it; one without recorded facts is only counted.
    """
    from gateway.policy_trials import replay as decide_again

    start = _since(since, _present(now))
    path = _there("--with", trial)
    with _mistakes_are_twos():
        settings = read_settings(config)
        platforms = _platforms(settings)
        policies = _processor(path, platforms)
    only = _known_store(store, platforms)

    async def work(ledger: Ledger) -> Trial:
        with _progress("actions looked at") as told:
            return await decide_again(ledger, policies, start, only, told)

    found = _with_ledger(settings, work)
    _print_trial(found, "actions")
    if fail_on_flip and found.flips:
        raise typer.Exit(1)


@policy.command("backtest")
def backtest(
    since: Since,
    trial: With = None,
    store: Only = None,
    customers: Annotated[
        Path | None, typer.Option(help="A file of e-mail addresses, one a line: the orders of these customers.")
    ] = None,
    orders: Annotated[
        Path | None, typer.Option(help="A file of order ids such as Order:us:1001, one a line: these orders.")
    ] = None,
    config: ConfigPath = _DEFAULT,
    sandbox: Sandbox = False,
    now: Now = None,
    fail_on_flip: FailOnFlip = False,
) -> None:
    """Decide the returns, refunds and cancellations that the stores' own history shows, and list what would differ.

    No store is searched: looked at are the orders named in a file, those of the customers named in a file, or, without
    either, those that the ledger's actions are about; of these, the ones placed since then. Each is decided on what is
    known of its moment. What a store shows only as it is now (an order's status, a dispute) is not known; tags, types,
    segments and prices are those of now.
    """
    present = _present(now)
    start = _since(since, present)
    given = None if trial is None else _there("--with", trial)
    named, people = _order_ids(orders), _addresses(customers)
    found = asyncio.run(_backtest(config, sandbox, given, start, present, store, named, people))
    if found is None:
        raise typer.Exit(_MISTAKE)
    if fail_on_flip and found.flips:
        raise typer.Exit(1)


async def _backtest(
    config: Path,
    sandbox: bool,
    trial: Path | None,
    since: datetime,
    now: datetime,
    store: str | None,
    named: Mapping[str, Sequence[str]] | None,
    people: Sequence[Email] | None,
) -> Trial | None:
    """What came of it; None where no store could be read at all."""
    from actions.held import Held
    from gateway.policy_trials import backtest as decide_history
    from gateway.policy_trials import known_orders

    async with AsyncExitStack() as stack:
        with _mistakes_are_twos():
            settings, platforms = await stack.enter_async_context(_opened(config, sandbox))
            policies = _processor(trial or settings.policies, platforms)
        only = _known_store(store, platforms)
        for key in named or ():
            if key not in platforms:
                _mistaken("--orders", f"there is no store {key!r}; the stores are {', '.join(platforms)}")

        async def work(ledger: Ledger) -> History:
            chosen = named
            if named is None and people is None:
                chosen = await known_orders(ledger, since, only)
                chosen = {key: natives for key, natives in chosen.items() if key in platforms}
                if not chosen:
                    err.print("The ledger names no orders; name some with --orders or --customers.", highlight=False)
            shops = {key: platform for key, platform in platforms.items() if only in (None, key)}
            of_shops = {key: natives for key, natives in (chosen or {}).items() if key in shops}
            with _progress("orders looked at") as told:
                return await decide_history(
                    shops, Held(ledger, lambda: now), policies, since, of_shops, people or (), told
                )

        found = await _in_ledger(settings, work)
        for key, said in found.troubles.items():
            err.print(f"[yellow]{escape(f'{key}: {said}')}[/yellow]", highlight=False, soft_wrap=True)
        if found.troubles and not found.orders:
            return None
        notes = [f"{found.orders} orders placed since {since.date().isoformat()}"]
        notes += [f"{found.older} older ones left out"] if found.older else []
        notes += [f"{found.missing} not found"] if found.missing else []
        notes += [f"{found.undated} cancelled at a time the store does not tell"] if found.undated else []
        out.print(", ".join(notes), highlight=False, soft_wrap=True)
        _print_trial(found.trial, "returns, refunds and cancellations")
        return found.trial


def _mistaken(option: str, message: str) -> NoReturn:
    raise typer.BadParameter(message, param_hint=f"'{option}'")


@contextmanager
def _mistakes_are_twos() -> Iterator[None]:
    """What ends a command with 1 ends it with 2, so that 1 always means that something would flip."""
    try:
        yield
    except typer.Exit as ended:
        raise typer.Exit(_MISTAKE if ended.exit_code == 1 else ended.exit_code) from None


def _there(option: str, path: Path) -> Path:
    if not path.exists():
        _mistaken(option, f"there is no file or folder {path}")
    return path


def _present(text: str | None) -> datetime:
    with _mistakes_are_twos():
        return _now(text)


def _since(text: str, now: datetime) -> datetime:
    if found := re.fullmatch(r"(\d{1,5})([hdw])", text):
        return now - timedelta(**{_UNITS[found[2]]: int(found[1])})
    try:
        return datetime.combine(date.fromisoformat(text), datetime.min.time(), UTC)
    except ValueError:
        _mistaken("--since", f"{text!r} is no length of time: write 30d, 12h, 8w or a day such as 2026-05-04")


def _known_store(key: str | None, platforms: Mapping[str, Platform]) -> str | None:
    if key is not None and key not in platforms:
        _mistaken("--store", f"there is no store {key!r}; the stores are {', '.join(platforms)}")
    return key


def _written(option: str, path: Path) -> Iterator[tuple[int, str]]:
    """The lines of a list with their numbers, without empty ones and remarks."""
    try:
        text = path.read_text("utf-8")
    except OSError as error:
        _mistaken(option, f"{path} cannot be read: {error.strerror}")
    except UnicodeDecodeError:
        _mistaken(option, f"{path} is not UTF-8 text")
    for number, line in enumerate(text.splitlines(), 1):
        if (word := line.strip()) and not word.startswith("#"):
            yield number, word


def _order_ids(path: Path | None) -> dict[str, list[str]] | None:
    from schema.ids import MalformedId, parse_typed

    if path is None:
        return None
    found: dict[str, dict[str, None]] = {}
    for number, word in _written("--orders", path):
        try:
            id = parse_typed(word, "Order", 2)
        except MalformedId as error:
            _mistaken("--orders", f"{path}:{number}: {error}")
        found.setdefault(id.store, {})[id.native] = None
    return {store: list(natives) for store, natives in found.items()}


def _addresses(path: Path | None) -> list[Email] | None:
    from schema.emails import email_or_none

    if path is None:
        return None
    found: dict[Email, None] = {}
    for number, word in _written("--customers", path):
        email = email_or_none(word)
        if email is None:
            _mistaken("--customers", f"{path}:{number}: this is no e-mail address")
        found[email] = None
    return list(found)


async def _in_ledger(settings: Settings, work: Callable[[Ledger], Awaitable[T]]) -> T:
    """Something with the ledger of the configuration; that it cannot be used ends the command."""
    from sqlalchemy.exc import SQLAlchemyError

    from actions.databases import LedgerUnreachable
    from actions.ledger import Ledger, LedgerTooNew

    ledger = Ledger(settings.ledger)
    try:
        await ledger.open()
        try:
            return await work(ledger)
        finally:
            await ledger.close()
    except (LedgerTooNew, LedgerUnreachable) as error:
        fail([f"database: {error}"])
    except (SQLAlchemyError, OSError) as error:
        fail([f"the database cannot be used: {type(error).__name__}"])
    raise typer.Exit(_MISTAKE)


def _with_ledger(settings: Settings, work: Callable[[Ledger], Awaitable[T]]) -> T:
    return asyncio.run(_in_ledger(settings, work))


@contextmanager
def _progress(what: str) -> Iterator[Callable[[int], None]]:
    """Tells a person at a terminal how far it is."""
    columns = (SpinnerColumn(), TextColumn("{task.completed:.0f} {task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=err, transient=True, disable=not err.is_terminal) as progress:
        task = progress.add_task(what, total=None)
        yield lambda done: progress.update(task, completed=done)


def _print_trial(trial: Trial, what: str) -> None:
    if trial.flips:
        table = Table()
        for column in ("what", "kind", "store", "when", "before", "after", "rule", "code", "worth"):
            table.add_column(column, overflow="fold")
        for flip in trial.flips:
            table.add_row(*map(escape, _row(flip)))
        out.print(table)
    left_out = [f"{trial.without_facts} without recorded facts"] if trial.without_facts else []
    left_out += [f"{trial.not_covered} of stores the policy does not speak for"] if trial.not_covered else []
    out.print(
        f"{trial.compared} {what} compared, {len(trial.flips)} would come out otherwise"
        + (f"; left out: {', '.join(left_out)}" if left_out else ""),
        highlight=False,
        soft_wrap=True,
    )
    money = trial.money()
    for (before, after), number in sorted(trial.counts().items(), key=lambda item: [each.name for each in item[0]]):
        sums = ", ".join(f"{amount} {code}" for code, amount in sorted(money.get((before, after), {}).items()))
        out.print(f"  {before.name} -> {after.name}: {number}" + (f", worth {sums}" if sums else ""), highlight=False)


def _row(flip: Flip) -> list[str]:
    before, after = flip.before.name, flip.after.name
    if flip.costs is not None:
        before, after = (
            f"{verdict}, costs {costs or 'nothing'}" for verdict, costs in zip((before, after), flip.costs, strict=True)
        )
    worth = f"{flip.worth.amount} {flip.worth.currency_code}" if flip.worth is not None else ""
    when = flip.at.isoformat(timespec="minutes")
    return [flip.id, flip.kind.name, flip.store, when, before, after, flip.rule, flip.code, worth]
