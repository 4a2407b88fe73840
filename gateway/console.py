"""How the command talks to a terminal, and how it refuses."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape

if TYPE_CHECKING:
    from gateway.settings import Settings

out = Console()
err = Console(stderr=True)

ConfigPath = Annotated[Path, typer.Option("--config", "-c", help="The configuration file.")]


def fail(lines: list[str]) -> typer.Exit:
    """Says what is wrong, and is raised to end the command with status 1."""
    for line in lines:
        err.print(f"[red]{escape(line)}[/red]", highlight=False, soft_wrap=True)
    return typer.Exit(1)


def read_settings(config: Path) -> Settings:
    """The checked configuration; ends the command with every mistake in it."""
    from gateway.settings import SettingsError, load

    try:
        return load(config)
    except SettingsError as error:
        raise fail([str(issue) for issue in error.issues]) from None
