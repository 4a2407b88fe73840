"""`aftersale actions ...`: what was asked for and what became of it, for a person, for an auditor, and for nobody."""

from __future__ import annotations

import asyncio
import os
import re
import sys
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn, TextIO, TypeVar

import typer
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from gateway.console import ConfigPath, err, fail, out, read_settings

if TYPE_CHECKING:
    from enum import Enum

    from actions.ledger import Ledger, Listing, Record
    from actions.privacy import Privacy
    from gateway.settings import Settings
    from schema.emails import Email

actions = typer.Typer(help="Look at what was asked for, write it out, and forget people.", no_args_is_help=True)

_DEFAULT = Path("aftersale.yaml")
_UNITS = {"h": "hours", "d": "days", "w": "weeks"}
#: Most actions of one list on the terminal.
_MOST = 1000
T = TypeVar("T")

Store = Annotated[str | None, typer.Option(help="Only this store, by its id in the configuration.")]
Customer = Annotated[str | None, typer.Option(metavar="EMAIL", help="Only what concerns this customer.")]
State = Annotated[list[str] | None, typer.Option(help="Only in this state, such as UNKNOWN; may be given again.")]
Kind = Annotated[list[str] | None, typer.Option(help="Only this, such as REFUND_ORDER; may be given again.")]
Since = Annotated[
    str | None, typer.Option(metavar="WHEN", help="Asked for since: 30d, 12h, 8w, 2026-05-04 or 2026-05-04T10:00:00Z.")
]
Until = Annotated[str | None, typer.Option(metavar="WHEN", help="Asked for before, written likewise.")]
People = Annotated[bool, typer.Option("--with-people", help="Show e-mail addresses, and what people wrote.")]


@actions.command("list")
def list_actions(
    store: Store = None,
    customer: Customer = None,
    state: State = None,
    kind: Kind = None,
    since: Since = None,
    until: Until = None,
    limit: Annotated[int, typer.Option(min=1, max=_MOST, help="How many at most.")] = 50,
    config: ConfigPath = _DEFAULT,
) -> None:
    """The newest actions, in a table."""
    settings = _settings(config)
    wanted = _wanted(settings, store, customer, state, kind, since, until)

    async def work(ledger: Ledger) -> tuple[list[Record], int]:
        return list(await ledger.newest(wanted, limit)), await ledger.count(wanted)

    records, total = _with_ledger(settings, work)
    table = Table("asked for", "id", "what", "state", "target", "money", "summary")
    for record in records:
        table.add_row(
            _minute(record.requested_at),
            record.id,
            record.kind.value,
            record.state.value,
            escape(record.target),
            f"{record.amount} {record.currency}" if record.amount is not None else "",
            escape(record.summary or "(forgotten)"),
        )
    if records:
        out.print(table)
    more = f"; the newest {len(records)} are shown, see --limit and `actions export`" if total > len(records) else ""
    out.print(f"{total} action{'' if total == 1 else 's'}{more}", highlight=False, soft_wrap=True)


@actions.command("show")
def show(
    id: Annotated[str, typer.Argument(metavar="ID", help="The id of an action, as the API or `actions list` has it.")],
    with_people: People = False,
    config: ConfigPath = _DEFAULT,
) -> None:
    """Everything that is kept of one action, in JSON."""
    import json

    from actions.audit import written_out

    native = id.removeprefix("Action:")
    if not re.fullmatch(r"[0-9a-f-]{36}", native):
        _mistaken("ID", "an action's id is written Action:0b9f6f0e-58f8-4f0e-9d0d-0d9a4b3f5e11; see `actions list`")
    settings = _settings(config)

    async def work(ledger: Ledger) -> dict[str, Any] | None:
        record = await ledger.by_id(native)
        if record is None:
            return None
        steps = (await ledger.steps([native])).get(native, ())
        return written_out(record, steps, _privacy(settings), people=with_people)

    found = _with_ledger(settings, work)
    if found is None:
        raise fail([f"there is no action {native}; see `aftersale actions list`"])
    out.print_json(json.dumps(found, ensure_ascii=False))


@actions.command("export")
def export(
    to: Annotated[
        Path | None, typer.Option("--to", "-o", metavar="FILE", help="The file to write; left out: standard output.")
    ] = None,
    store: Store = None,
    customer: Customer = None,
    state: State = None,
    kind: Kind = None,
    since: Since = None,
    until: Until = None,
    with_people: People = False,
    config: ConfigPath = _DEFAULT,
) -> None:
    """Write actions as JSON Lines, newest first: each with its request, decision, facts, quote and changes of state.

    A file is there only once it is whole.
    """
    settings = _settings(config)
    wanted = _wanted(settings, store, customer, state, kind, since, until)
    with _written(to) as file:

        async def work(ledger: Ledger) -> int:
            return await _write_out(ledger, wanted, _privacy(settings), file, with_people)

        count = _with_ledger(settings, work)
    err.print(f"{count} actions written{f' to {escape(str(to))}' if to else ''}", highlight=False, soft_wrap=True)


async def _write_out(ledger: Ledger, wanted: Listing, privacy: Privacy, file: TextIO, people: bool) -> int:
    import orjson

    from actions.audit import pages, written_out

    count = 0
    with _progress("actions") as told:
        total = await ledger.count(wanted)
        async for page in pages(ledger, wanted):
            for record, steps in page:
                file.write(orjson.dumps(written_out(record, steps, privacy, people=people)).decode() + "\n")
            count += len(page)
            told(count, max(count, total))
    return count


@actions.command("forget")
def forget(
    email: Annotated[str, typer.Argument(metavar="EMAIL", help="The person's e-mail address.")],
    config: ConfigPath = _DEFAULT,
) -> None:
    """Take one person out of everything that is kept. Money, states and times stay, and every key goes on answering.

    Ends with status 3 while something of theirs is unfinished, or an API key names them: forget them again after that.
    """
    from actions.retention import Forgotten
    from actions.retention import forget as take_out
    from gateway.credentials import Credentials
    from gateway.keys import Keys

    settings = _settings(config)
    address = _address("EMAIL", email)

    async def work(ledger: Ledger) -> tuple[Forgotten, Sequence[str]]:
        with _progress("rows") as told:
            found = await take_out(ledger, _privacy(settings), address, now=datetime.now(UTC), progress=told)
        credentials = Credentials(ledger)
        await credentials.open()
        await credentials.drop_lapsed()
        return found, await Keys(credentials, settings.secret.reveal()).of(address)

    found, keys = _with_ledger(settings, work)
    out.print(
        f"forgotten in {found.actions} actions, and as the one who acted in {found.mentions} more rows", highlight=False
    )
    if found.sealed_otherwise:
        err.print(
            f"{found.sealed_otherwise} names were sealed with another secret and cannot be read by anybody; "
            "with that secret in the configuration, forget the person once more",
            highlight=False,
            soft_wrap=True,
        )
    if found.unfinished:
        err.print(
            f"[yellow]{found.unfinished} of their actions are unfinished and were left; see `aftersale actions list "
            "--customer`, and forget the person again when they have ended[/yellow]",
            highlight=False,
            soft_wrap=True,
        )
    for name in keys:
        err.print(
            f"[yellow]the API key {escape(name)} names them as the person behind it, whom it keeps from approving; "
            f"`aftersale key revoke '{escape(name)}'` takes that out[/yellow]",
            highlight=False,
            soft_wrap=True,
        )
    if found.unfinished or keys:
        raise typer.Exit(3)


@actions.command("retain")
def retain(
    days: Annotated[
        int | None, typer.Option(min=1, max=36500, help="Instead of `retention_days` of the configuration.")
    ] = None,
    config: ConfigPath = _DEFAULT,
) -> None:
    """Turn what was finished so many days ago into tombstones, which name nobody and by which keys still answer."""
    from actions.retention import retain as retire

    settings = _settings(config)
    kept = days if days is not None else settings.retention_days
    if kept is None:
        _mistaken("--days", "how long is something kept? Give --days 365, or retention_days: 365 in the configuration")

    async def work(ledger: Ledger) -> int:
        with _progress("actions") as told:
            return await retire(ledger, _privacy(settings), days=kept, now=datetime.now(UTC), progress=told)

    count = _with_ledger(settings, work)
    out.print(f"{count} actions finished more than {kept} days ago are tombstones now", highlight=False)


# ------------------------------------------------------------------ what was typed


def _mistaken(option: str, message: str) -> NoReturn:
    raise typer.BadParameter(message, param_hint=f"'{option}'")


def _settings(config: Path) -> Settings:
    try:
        return read_settings(config)
    except typer.Exit:
        raise typer.Exit(2) from None


def _wanted(
    settings: Settings,
    store: str | None,
    customer: str | None,
    state: list[str] | None,
    kind: list[str] | None,
    since: str | None,
    until: str | None,
) -> Listing:
    from actions.ledger import Listing
    from schema.vocabulary import ActionKind, ActionState

    if store is not None and store not in settings.stores:
        _mistaken("--store", f"there is no store {store!r}; the stores are {', '.join(settings.stores)}")
    now = datetime.now(UTC)
    first = _moment("--since", since, now)
    last = _moment("--until", until, now)
    if first is not None and last is not None and first >= last:
        _mistaken("--until", "it lies before --since, so nothing can be in between")
    owner = _privacy(settings).hash("customer", _address("--customer", customer)) if customer is not None else None
    return Listing(
        states=_words(ActionState, "--state", state),
        kinds=_words(ActionKind, "--kind", kind),
        store=store,
        requested_after=first,
        requested_before=last,
        owner_hash=owner,
    )


def _words(vocabulary: type[Enum], option: str, texts: list[str] | None) -> Any:
    if not texts:
        return None
    found = []
    for text in (word for each in texts for word in each.split(",")):
        if text.strip().upper() not in vocabulary.__members__:
            _mistaken(option, f"{text!r} is none of {', '.join(vocabulary.__members__)}")
        found.append(vocabulary[text.strip().upper()])
    return found


def _moment(option: str, text: str | None, now: datetime) -> datetime | None:
    if text is None:
        return None
    if found := re.fullmatch(r"(\d{1,5})([hdw])", text):
        return now - timedelta(**{_UNITS[found[2]]: int(found[1])})
    try:
        return datetime.combine(date.fromisoformat(text), datetime.min.time(), UTC)
    except ValueError:
        pass
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        _mistaken(option, f"{text!r} is no moment: write 30d, 12h, 8w, 2026-05-04 or 2026-05-04T10:00:00Z")
    return moment


def _address(option: str, text: str) -> Email:
    from schema.emails import MalformedEmail, canonical_email

    try:
        return canonical_email(text)
    except MalformedEmail as error:
        _mistaken(option, f"{error}; write somebody@example.com")


def _privacy(settings: Settings) -> Privacy:
    from actions.privacy import Privacy

    return Privacy(settings.secret.reveal())


# ------------------------------------------------------------------ the ledger, and where things are written


def _with_ledger(settings: Settings, work: Callable[[Ledger], Awaitable[T]]) -> T:
    """Something with the ledger of the configuration; that it cannot be used ends the command."""
    from sqlalchemy.exc import SQLAlchemyError

    from actions.databases import LedgerUnreachable
    from actions.ledger import Ledger, LedgerTooNew

    async def run() -> T:
        ledger = Ledger(settings.ledger)
        await ledger.open()
        try:
            return await work(ledger)
        finally:
            await ledger.close()

    try:
        return asyncio.run(run())
    except (LedgerTooNew, LedgerUnreachable) as error:
        raise fail([f"database: {error}"]) from None
    except SQLAlchemyError as error:
        raise fail([f"the database cannot be used: {type(error).__name__}"]) from None


@contextmanager
def _written(path: Path | None) -> Iterator[TextIO]:
    """Standard output, or a file that takes its name only when it is whole."""
    if path is None:
        try:
            yield sys.stdout
            sys.stdout.flush()
        except BrokenPipeError:
            # Whoever read has seen enough. What is still to be flushed at the end has nowhere to go.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise typer.Exit(0) from None
        return
    part = path.with_name(f"{path.name}.part")
    try:
        with part.open("w", encoding="utf-8") as file:
            os.fchmod(file.fileno(), 0o600)
            yield file
        part.replace(path)
    except OSError as error:
        _mistaken("--to", f"{path} cannot be written: {error.strerror}; name another file")
    finally:
        with suppress(OSError):
            part.unlink()


@contextmanager
def _progress(what: str) -> Iterator[Callable[[int, int | None], None]]:
    """Tells a person at a terminal how far it is, on standard error."""
    columns = (BarColumn(), MofNCompleteColumn(), TextColumn("{task.description}"), TimeRemainingColumn())
    with Progress(*columns, console=err, transient=True, disable=not err.is_terminal) as progress:
        task = progress.add_task(what, total=None)
        yield lambda done, total: progress.update(task, completed=done, total=total)


def _minute(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%d %H:%M")
