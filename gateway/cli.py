"""The `aftersale` command: what a person types, and how answers look in a terminal."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import socket
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from gateway.access_commands import key, session
from gateway.actions_commands import actions
from gateway.console import ConfigPath, err, fail, out, read_settings
from gateway.document_commands import documents
from gateway.listening import listen
from gateway.policy_commands import policy

if TYPE_CHECKING:
    from starlette.applications import Starlette

    from gateway.settings import Settings
    from platforms.base import Platform
    from platforms.errors import PlatformError
    from sandbox.people import SandboxProvider

app = typer.Typer(
    name="aftersale",
    help="One GraphQL API for after-sales support over every shop platform.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
app.add_typer(policy, name="policy")
app.add_typer(actions, name="actions")
app.add_typer(documents, name="documents")
app.add_typer(key, name="key")
app.add_typer(session, name="session")

_DEFAULT = Path("aftersale.yaml")


#: Garbage is looked for after so many new objects, then among older ones: one answer makes some thousands, nearly none
#: of them in cycles. With Python's own 700, 10, 10 a request costs an eighth more.
_THRESHOLDS = (10_000, 10, 10)


def main() -> None:
    """The console script."""
    # What is made while the process starts stays for good: collecting garbage meanwhile finds none and costs a fifth.
    gc.disable()
    app()


def _started() -> None:
    """Garbage is collected from now on, but what the start made is never looked at again."""
    gc.freeze()
    gc.enable()
    gc.set_threshold(*_THRESHOLDS)


def _listen(host: str, port: int) -> socket.socket:
    try:
        return listen(host, port)
    except OSError as error:
        raise fail([f"cannot listen on {host}:{port}: {error.strerror}; set PORT or HOST to change it"]) from None


def _run(application: Starlette, listener: socket.socket, ready: Callable[[], None]) -> None:
    """Serve on one worker with uvloop and httptools; returns when the process is asked to end."""
    import uvicorn

    class Server(uvicorn.Server):
        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            if self.started:
                _started()
                ready()

    config = uvicorn.Config(
        application,
        http=application.state.http,
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=5,
    )
    server = Server(config)
    with contextlib.suppress(KeyboardInterrupt):
        server.run(sockets=[listener])
    if not server.started:
        raise typer.Exit(1)


@app.callback()
def _quiet() -> None:
    """Only what goes wrong is logged, to standard error; `serve` and `demo` log more, to standard output."""
    import logging

    from gateway.telemetry import configure_logging

    configure_logging(sys.stderr, level=logging.WARNING)


@app.command()
def serve(config: ConfigPath = _DEFAULT, host: str | None = None, port: int | None = None) -> None:
    """Run the gateway with the stores of the configuration."""
    from gateway.app import build_app
    from gateway.documents import ManifestError
    from gateway.rates import RedisMissing
    from gateway.runtime import Runtime
    from gateway.telemetry import configure_logging
    from policies.processor import PolicyError

    settings = read_settings(config)
    configure_logging(sys.stdout)
    try:
        runtime = Runtime(settings)
        application = build_app(runtime)
    except PolicyError as error:
        raise fail([str(issue) for issue in error.issues]) from None
    except (RedisMissing, ManifestError) as error:
        raise fail([str(error)]) from None
    _check_ledger(settings)
    host, port = host or settings.server.host, port or settings.server.port
    listener = _listen(host, port)
    _run(application, listener, lambda: err.print(f"aftersale serves http://{host}:{port}/graphql"))


def _check_ledger(settings: Settings) -> None:
    """Lay the ledger out, or bring it up to date, before anything else begins; what is wrong ends the command."""
    from sqlalchemy.exc import SQLAlchemyError

    from actions.databases import LedgerUnreachable
    from actions.ledger import Ledger, LedgerTooNew

    async def look() -> None:
        ledger = Ledger(settings.ledger)
        await ledger.open()
        await ledger.close()

    try:
        asyncio.run(look())
    except (LedgerTooNew, LedgerUnreachable) as error:
        raise fail([f"database: {error}"]) from None
    except SQLAlchemyError as error:
        raise fail([f"database: it cannot be used: {str(error).splitlines()[0]}"]) from None


@app.command()
def demo(
    host: Annotated[str, typer.Option(envvar="HOST")] = "127.0.0.1",
    port: Annotated[int, typer.Option(envvar="PORT")] = 8000,
    quiet: Annotated[bool, typer.Option(help="Do not print the world.")] = False,
    generous: Annotated[bool, typer.Option(help="Stores without rate limits, for measurements.")] = False,
) -> None:
    """Run the gateway over a small world of simulated stores; needs nothing but Python."""
    from sandbox.launcher import ShopsDidNotStart, sandbox_app, scratch, shops_process

    with _listen(host, port) as listener, shops_process(generous) as addresses, scratch() as folder:
        from gateway.telemetry import configure_logging
        from sandbox.people import SandboxProvider

        configure_logging(sys.stdout)
        people = SandboxProvider()
        try:
            application = sandbox_app(addresses, folder, host, port, generous, people)
        except ShopsDidNotStart as error:
            raise fail([str(error)]) from None
        _run(application, listener, lambda: _tell(host, port, quiet, people))


def _tell(host: str, port: int, quiet: bool, people: SandboxProvider) -> None:
    from sandbox.people import ready_tokens
    from sandbox.world import PLANS, SECRET, STORIES

    shown = f"[{host}]" if ":" in host else host
    if not quiet:
        table = Table(title=f"The sandbox: {len(PLANS)} stores and their stories", title_justify="left")
        for column in ("what", "store", "customer", "story", "id"):
            table.add_column(column, no_wrap=column in ("what", "store"), overflow="fold")
        for story in STORIES:
            table.add_row(story.what, story.store, story.customer, story.story, story.id)
        (out if out.is_terminal else Console(width=160)).print(table)  # a file has no width of its own
    out.print(
        f"""
GraphiQL   http://{shown}:{port}/graphiql
API        http://{shown}:{port}/graphql   (no token needed here: you are staff)
Move time  X-Sandbox-Now: 2026-12-24T10:00:00Z
Break one  X-Sandbox-Fault: us=500   (latency:800ms, 429, 500, drop, garbage)
Ctrl-C ends everything.
""",
        highlight=False,
        markup=False,
        soft_wrap=True,
    )
    if not quiet:
        out.print("To call as somebody else, send Authorization: Bearer and one of these. One-time codes appear here.")
        for name, token in ready_tokens(people, SECRET).items():
            out.print(f"{name}:\n  {token}", highlight=False, markup=False, soft_wrap=True)
    sys.stdout.flush()


@app.command()
def schema() -> None:
    """Print the GraphQL schema, as `schema/schema.graphql` keeps it."""
    from resolvers.api import build_api

    typer.echo(build_api().as_str())


@app.command()
def matrix() -> None:
    """Print the capability matrix, as the README shows it."""
    from gateway.matrix import capability_matrix

    typer.echo(capability_matrix(), nl=False)


@app.command()
def check(config: ConfigPath = _DEFAULT, offline: Annotated[bool, typer.Option(help="Call no store.")] = False) -> None:
    """Check the configuration, the policy, and each store: its address, its credentials and what they allow."""
    from gateway.runtime import build_platforms
    from gateway.store_check import ask
    from policies.check import check as look
    from policies.processor import PolicyError, PolicyProcessor

    settings = read_settings(config)
    platforms = build_platforms(settings)
    try:
        processor = PolicyProcessor.load(settings.policies, {id: found.store for id, found in platforms.items()})
    except PolicyError as error:
        raise fail([str(issue) for issue in error.issues]) from None
    out.print(f"configuration  ok: {len(platforms)} stores", highlight=False)
    out.print(f"policy         ok: {escape(processor.name)} ({processor.digest[:12]})", highlight=False)
    for remark in look(settings.policies, {id: found.store for id, found in platforms.items()}).remarks:
        out.print(f"[yellow]{escape(str(remark))}[/yellow]", highlight=False, soft_wrap=True)
    if offline:
        return
    if not _shown(platforms, asyncio.run(ask(platforms.values()))):
        raise typer.Exit(1)


def _shown(platforms: dict[str, Platform], errors: Mapping[str, PlatformError | None]) -> bool:
    """Prints what each store can do, and in words what is wrong and what helps. Whether every store can be used."""
    from gateway.store_check import findings
    from platforms.base import ACTIONS

    table = Table(title="Stores", title_justify="left")
    table.add_column("store")
    table.add_column("platform")
    table.add_column("answer")
    for action in ACTIONS:
        table.add_column(action.value.lower().replace("_", " "))
    for id, platform in platforms.items():
        error = errors[id]
        answer = "[green]ok[/green]" if error is None else f"[red]{error.code.value}[/red]"
        levels = [platform.capability(action).support.value.lower() for action in ACTIONS]
        table.add_row(id, platform.name, answer, *levels)
    out.print(table)
    for id, platform in platforms.items():
        for finding in findings(platform, errors[id]):
            colour = "red" if finding.fatal else "yellow"
            out.print(f"[{colour}]{escape(str(finding))}[/{colour}]", highlight=False, soft_wrap=True)
        for warning in platform.found.warnings if platform.found else ():
            out.print(f"[yellow]{id}: {escape(warning)}[/yellow]", highlight=False, soft_wrap=True)
    return not any(errors.values())


if __name__ == "__main__":
    main()
