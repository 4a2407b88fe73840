"""`aftersale documents`: trusted documents from the files that a client's developers write."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from gateway.console import err, fail

documents = typer.Typer(name="documents", help="Trusted documents: what a client may run.", no_args_is_help=True)


@documents.callback()
def _group() -> None:
    """Trusted documents: what a client may run."""


@documents.command()
def build(
    folder: Annotated[Path, typer.Argument(help="Its .graphql and .gql files hold the operations.")],
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Where to write; else it is printed.")] = None,
) -> None:
    """Check every operation in a folder against the schema and write the manifest that names each by its hash."""
    from gateway.documents import ManifestError
    from gateway.documents import build as manifest_of
    from resolvers.api import build_api

    try:
        manifest = manifest_of(folder, build_api()._schema)
    except ManifestError as error:
        raise fail([str(error)]) from None
    text = json.dumps(manifest, indent=2, ensure_ascii=False) + "\n"
    if output is None:
        typer.echo(text, nl=False)
        return
    output.write_text(text, encoding="utf-8")
    err.print(f"{len(manifest['operations'])} documents written to {output}", highlight=False)
