"""Which kinds of database can hold the ledger, and what each of them has to know for it."""

from __future__ import annotations

from collections.abc import Collection
from contextlib import AbstractAsyncContextManager
from os import PathLike, fspath
from typing import Protocol

from sqlalchemy.ext.asyncio import AsyncConnection

_CURE = "expected sqlite:///aftersale.db, or postgresql://user:password@host/name"


class UnknownDatabase(ValueError):
    """The address is not one of a database the ledger can be kept in."""


class LedgerUnreachable(OSError):
    """The database does not let us in; the text says why, and never holds the password."""


class Database(Protocol):
    """One database that holds a ledger. Nothing is touched before the first transaction."""

    def looking(self) -> AbstractAsyncContextManager[AsyncConnection]:
        """For a single statement that reads: it sees one moment by itself, without a transaction around it."""

    def reading(self) -> AbstractAsyncContextManager[AsyncConnection]:
        """A transaction that only reads, and sees one moment."""

    def writing(self, names: Collection[str]) -> AbstractAsyncContextManager[AsyncConnection]:
        """A transaction that writes. Of all that share a name with it, one runs at a time."""

    def founding(self) -> AbstractAsyncContextManager[AsyncConnection]:
        """A transaction in which tables may be made or changed: one at a time, whoever begins it, however long."""

    async def close(self) -> None:
        """Give every connection back."""


def database_at(where: str | PathLike[str]) -> Database:
    """The database at an address: a path, `sqlite:///` and a path, or `postgresql://user:password@host/name`.

    Raises `UnknownDatabase`: another kind, no file, or an address that cannot be read.
    """
    address = fspath(where)
    scheme, found, rest = address.partition("://")
    if found and scheme in ("postgresql", "postgres"):
        from actions.postgres import Postgres  # its driver and its dialect are loaded only where they are used

        return Postgres(address)
    from actions.sqlite import Sqlite

    if found:
        if scheme not in ("sqlite", "sqlite+aiosqlite") or not rest.startswith("/"):
            raise UnknownDatabase(f"the ledger cannot be kept there: {_CURE}")
        address = rest[1:]
    if not address or address == ":memory:":
        raise UnknownDatabase(f"the ledger outlives the process, so it needs a file or a server: {_CURE}")
    return Sqlite(address)
