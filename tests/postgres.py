"""A PostgreSQL server for tests: the one that is named, or one of our own on loopback that ends with the run."""

from __future__ import annotations

import asyncio
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import uuid
from collections.abc import Awaitable, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from actions.tables import VERSION

#: The address of a server whose user may create databases.
NAMED = "AFTERSALE_TEST_POSTGRES"
MISSING = f"PostgreSQL is missing (Debian's package postgresql, or a server named by {NAMED})"


#: What has happened may not be taken back, but for this.
_EMPTY = f"""
DO $$ DECLARE names text; BEGIN
    PERFORM pg_terminate_backend(pid) FROM pg_stat_activity
        WHERE datname = current_database() AND pid <> pg_backend_pid();
    ALTER TABLE transitions DISABLE TRIGGER USER;
    ALTER TABLE held_return_moves DISABLE TRIGGER USER;
    SELECT string_agg(quote_ident(tablename), ', ') INTO names FROM pg_tables
        WHERE schemaname = 'public' AND tablename NOT IN ('ledger_layout', 'alembic_version');
    EXECUTE 'TRUNCATE ' || names || ' RESTART IDENTITY';
    DELETE FROM ledger_layout WHERE version > {VERSION};
    ALTER TABLE transitions ENABLE TRIGGER USER;
    ALTER TABLE held_return_moves ENABLE TRIGGER USER;
END $$
"""


@dataclass(frozen=True)
class Server:
    """Where a server is, as an address without a database."""

    url: str
    maintenance: str = "postgres"

    def database(self, name: str) -> str:
        return f"{self.url}/{name}"

    def run(self, *statements: str, database: str | None = None) -> None:
        asyncio.run(self._run(statements, database or self.maintenance))

    async def _run(self, statements: Sequence[str], database: str) -> None:
        connection = await asyncpg.connect(self.database(database))
        try:
            for statement in statements:
                await connection.execute(statement)
        finally:
            await connection.close()

    @contextmanager
    def template(self, fill: Callable[[str], Awaitable[Any]]) -> Iterator[str]:
        """The name of a database that `fill` was given the address of, to make others from."""
        name = f"aftersale_{uuid.uuid4().hex}"
        self.run(f"CREATE DATABASE {name}")
        asyncio.run(fill(self.database(name)))  # type: ignore[arg-type]
        try:
            yield name
        finally:
            self.run(f"DROP DATABASE {name} WITH (FORCE)")

    @contextmanager
    def copy(self, template: str) -> Iterator[str]:
        """The address of a database like the template; gone after the block."""
        name = f"aftersale_{uuid.uuid4().hex}"
        # On a thread, since the block may stand in a test's loop.
        self._aside(f"CREATE DATABASE {name} TEMPLATE {template}")
        try:
            yield self.database(name)
        finally:
            self._aside(f"DROP DATABASE {name} WITH (FORCE)")

    def _aside(self, statement: str, database: str | None = None) -> None:
        with ThreadPoolExecutor(1) as thread:
            thread.submit(self.run, statement, database=database).result()

    @contextmanager
    def ledgers(self, template: str) -> Iterator[Callable[[], AbstractContextManager[str]]]:
        """Gives addresses of empty ledgers like the template. One that was used is emptied for the next: that takes a
        twentieth of the time of a new one."""
        free: list[str] = []
        with ExitStack() as stack:

            @contextmanager
            def ledger() -> Iterator[str]:
                if free:
                    address = free.pop()
                    self._aside(_EMPTY, address.rpartition("/")[2])
                else:
                    address = stack.enter_context(self.copy(template))
                yield address
                free.append(address)

            yield ledger


@contextmanager
def server() -> Iterator[Server]:
    """Skips the test where there is none to be had."""
    named = os.environ.get(NAMED)
    if named:
        base, _, name = named.rpartition("/")
        yield Server(base, name or "postgres")
        return
    programs = _programs()
    if programs is None:
        pytest.skip(MISSING)
    with tempfile.TemporaryDirectory(prefix="aftersale-postgres-", ignore_cleanup_errors=True) as folder:
        yield from _served(programs, Path(folder))


def _programs() -> Path | None:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: float(path.parts[-3]))
    program = found[-1] if found else shutil.which("initdb")
    if program is None or (os.geteuid() == 0 and not _has_user("postgres")):
        return None
    return Path(program).resolve().parent


def _has_user(name: str) -> bool:
    try:
        pwd.getpwnam(name)
    except KeyError:
        return False
    return True


def _served(programs: Path, folder: Path) -> Iterator[Server]:
    user: dict[str, Any] = {}
    if os.geteuid() == 0:  # the server does not run as root
        user = {"user": "postgres", "group": "postgres", "extra_groups": []}
        shutil.chown(folder, "postgres", "postgres")
    data = folder / "data"
    subprocess.run(
        [programs / "initdb", "-D", data, "-U", "tests", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"],
        check=True,
        stdout=subprocess.DEVNULL,
        cwd=folder,
        **user,
    )
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command: list[Any] = [programs / "postgres", "-D", data, "-p", str(port), "-h", "127.0.0.1", "-k", folder]
    for setting in (
        "fsync=off",
        "synchronous_commit=off",
        "full_page_writes=off",
        "shared_buffers=32MB",
        "max_connections=200",
        "autovacuum=off",
        "wal_level=minimal",
        "max_wal_senders=0",
    ):
        command += ["-c", setting]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, cwd=folder, **user)
    try:
        made = Server(f"postgresql://tests@127.0.0.1:{port}")
        for _ in range(300):
            try:
                made.run("SELECT 1")
                break
            except (OSError, asyncpg.PostgresError):
                assert process.poll() is None, (folder / "log").read_text()
                time.sleep(0.05)
        else:
            raise TimeoutError((folder / "log").read_text())
        yield made
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
