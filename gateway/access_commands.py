"""`aftersale key` and `aftersale session`: giving out tokens and taking them back, from a terminal."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer
from rich.markup import escape
from rich.table import Table

from gateway.console import ConfigPath, err, fail, out, read_settings

if TYPE_CHECKING:
    from gateway.credentials import Credentials, KeyRow
    from gateway.settings import Settings

key = typer.Typer(help="API keys kept in the database.", no_args_is_help=True)
session = typer.Typer(help="Customer sessions.", no_args_is_help=True)

_DEFAULT = Path("aftersale.yaml")
T = TypeVar("T")

Assurance = Annotated[str, typer.Option(help="CLAIMED, or VERIFIED where you check who your customers are.")]


def _with_database(settings: Settings, work: Callable[[Credentials], Awaitable[T]]) -> T:
    """Do something with the database of the configuration; a mistake in what was asked ends the command."""
    from sqlalchemy.exc import SQLAlchemyError

    from actions.databases import LedgerUnreachable
    from actions.ledger import Ledger, LedgerTooNew
    from gateway.credentials import Credentials, NameTaken
    from gateway.keys import BadKeyName, TooMuchAssurance
    from schema.access import Forbidden, UnknownScope
    from schema.emails import MalformedEmail

    async def run() -> T:
        ledger = Ledger(settings.ledger)
        await ledger.open()
        try:
            credentials = Credentials(ledger)
            await credentials.open()
            return await work(credentials)
        finally:
            await ledger.close()

    try:
        return asyncio.run(run())
    except (BadKeyName, NameTaken, TooMuchAssurance, UnknownScope, Forbidden, MalformedEmail) as error:
        raise fail([str(error)]) from None
    except (LedgerTooNew, LedgerUnreachable) as error:
        raise fail([f"database: {error}"]) from None
    except (SQLAlchemyError, OSError) as error:
        raise fail([f"the database cannot be used: {type(error).__name__}"]) from None


def _level(text: str) -> object:
    from schema.vocabulary import AssuranceLevel

    try:
        return AssuranceLevel[text.upper()]
    except KeyError:
        raise fail(["--assurance: CLAIMED or VERIFIED is needed"]) from None


def _words(text: str | None) -> list[str] | None:
    return None if text is None else [word for word in text.replace(",", " ").split() if word]


@key.command("create")
def create_key(
    name: Annotated[str, typer.Option(help="Whose it is; shown in `key list` and on what is asked with it.")],
    scopes: Annotated[
        str | None, typer.Option(help="Words with commas; left out: all that a chatbot does for a customer.")
    ] = None,
    assurance: Assurance = "CLAIMED",
    person: Annotated[
        str | None, typer.Option(help="Address of who stands behind it: they may not approve what it asks for.")
    ] = None,
    require_preview: Annotated[
        bool, typer.Option("--require-preview", help="It makes changes only after a preview; so do its sessions.")
    ] = False,
    config: ConfigPath = _DEFAULT,
) -> None:
    """Make a key and print it, once: nobody can read it again."""
    from gateway.keys import Keys
    from schema.access import DEFAULT_SCOPES
    from schema.vocabulary import AssuranceLevel

    settings = read_settings(config)
    level = _level(assurance)
    assert isinstance(level, AssuranceLevel)
    asked = _words(scopes)
    if asked == []:
        raise fail(["--scopes: name one at least"])
    taken = [known.name for known in settings.api_keys]
    row, text = _with_database(
        settings,
        lambda credentials: Keys(credentials, settings.secret.reveal()).create(
            name,
            DEFAULT_SCOPES if asked is None else asked,
            level,
            person=person,
            require_preview=require_preview,
            taken=taken,
        ),
    )
    err.print(f"key {row.id} for {escape(row.name)}, {row.assurance.name}: {', '.join(row.scopes)}", highlight=False)
    if held := _held_to(require_preview, person):
        err.print(f"held to: {escape(held)}", highlight=False)
    err.print("Keep it now; it is not shown again.", highlight=False)
    out.print(text.reveal(), highlight=False, markup=False, soft_wrap=True)


@key.command("list")
def list_keys(config: ConfigPath = _DEFAULT) -> None:
    """Every key: its scopes, when it was last used, whether it still holds. Those of the configuration too."""
    from actions.privacy import Unsealable
    from gateway.keys import Keys

    settings = read_settings(config)

    async def known_keys(credentials: Credentials) -> list[tuple[KeyRow, str]]:
        keys = Keys(credentials, settings.secret.reveal())

        def person(row: KeyRow) -> str:
            try:
                return keys.person(row)
            except Unsealable:
                return "somebody whom another secret sealed"

        return [(row, person(row)) for row in await keys.list()]

    rows = _with_database(settings, known_keys)
    table = Table("id", "name", "assurance", "scopes", "held to", "made", "last used", "state")
    for known in settings.api_keys:
        held = escape(_held_to(known.require_preview, known.person))
        words = " ".join(known.scopes)
        table.add_row("(config)", escape(known.name), known.assurance.name, words, held, "", "", "holds")
    for row, person in rows:
        table.add_row(
            row.id,
            escape(row.name),
            row.assurance.name,
            " ".join(row.scopes),
            escape(_held_to(row.require_preview, person)),
            _minute(row.created_at),
            _minute(row.last_used_at),
            f"revoked {_minute(row.revoked_at)}" if row.revoked_at is not None else "holds",
        )
    out.print(table)


@key.command("revoke")
def revoke_key(key: Annotated[str, typer.Argument(help="Its id or its name.")], config: ConfigPath = _DEFAULT) -> None:
    """End a key, and every session made with it. It stops within 5 seconds on every gateway."""
    settings = read_settings(config)
    row = _with_database(settings, lambda credentials: credentials.revoke_key(key))
    if row is None:
        hint = " It stands in the configuration: take it out there." if key in _names(settings) else ""
        raise fail([f"no key that holds has this id or name.{hint}"])
    out.print(f"key {row.id} of {escape(row.name)} is revoked", highlight=False)


@session.command("create")
def create_session(
    email: Annotated[str, typer.Option(help="The one customer it is bound to.")],
    key: Annotated[str, typer.Option(help="The name of the key it is made with, which bounds what it may do.")],
    scopes: Annotated[str | None, typer.Option(help="A subset of the key's.")] = None,
    assurance: Assurance = "CLAIMED",
    minutes: Annotated[int, typer.Option(min=1, max=1440)] = 60,
    config: ConfigPath = _DEFAULT,
) -> None:
    """Make a customer session and print its token."""
    from gateway.identity import session_scopes
    from gateway.sessions import Session, Sessions
    from schema.access import SESSIONS_CREATE, Forbidden, need
    from schema.emails import canonical_email
    from schema.vocabulary import AssuranceLevel

    settings = read_settings(config)
    level = _level(assurance)
    assert isinstance(level, AssuranceLevel)

    async def made(credentials: Credentials) -> Session:
        address = canonical_email(email)
        behind = next((known for known in settings.api_keys if known.name == key), None)
        if behind is not None:
            where, most, own = "config", behind.assurance, behind.scopes
        else:
            row = next((one for one in await credentials.all_keys() if one.name == key and not one.revoked_at), None)
            if row is None:
                raise Forbidden("no key that holds has this name; see `aftersale key list`")
            where, most, own = row.id, row.assurance, row.scopes
        need(own, SESSIONS_CREATE)
        if level > most:
            raise Forbidden(f"this key vouches for {most.name} at most, not {level.name}")
        chosen = session_scopes(_words(scopes), own)
        sessions = Sessions(settings.secret.reveal())
        return sessions.new(address, level, chosen, client=key, key=where, lasting=timedelta(minutes=minutes))

    found = _with_database(settings, made)
    err.print(f"session {found.id}, {found.assurance.name}, until {_minute(found.expires_at)}", highlight=False)
    out.print(Sessions(settings.secret.reveal()).token(found), highlight=False, markup=False, soft_wrap=True)


@session.command("revoke")
def revoke_session(
    id: Annotated[str, typer.Argument(help="The id that was told when it was made.")], config: ConfigPath = _DEFAULT
) -> None:
    """End a session before its time. It stops within 5 seconds on every gateway."""
    from gateway.identity import is_session_id
    from gateway.sessions import LONGEST

    settings = read_settings(config)
    if not is_session_id(id):
        raise fail(["this is not the id of a session: 16 digits and letters a to f"])
    _with_database(settings, lambda credentials: credentials.end_session(id, datetime.now(UTC) + LONGEST))
    out.print(f"session {id} is over", highlight=False)


def _names(settings: Settings) -> set[str]:
    return {known.name for known in settings.api_keys}


def _held_to(require_preview: bool, person: str | None) -> str:
    """What a key is held to, in words; empty: nothing."""
    words = ["previews first"] if require_preview else []
    return ", ".join([*words, f"{person} may not approve"] if person else words)


def _minute(at: datetime | None) -> str:
    return "" if at is None else at.astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC")
