"""`aftersale demo`: the simulated stores in one process, the gateway in this one, and both gone on Ctrl-C."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from starlette.applications import Starlette

    from sandbox.people import SandboxProvider
    from schema.emails import Email


class ShopsDidNotStart(RuntimeError):
    """The process of the simulated stores ended before it said where it listens."""


@contextmanager
def shops_process(generous: bool = False) -> Iterator[Callable[[], dict[str, str]]]:
    """Start the simulated stores. Yields what waits for their addresses, so that both processes start side by side.

    `generous`: without the vendors' rate limits, for measurements.
    """
    process = subprocess.Popen(
        [sys.executable, "-m", "sandbox.shops", *(["--generous"] if generous else [])],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=Path(__file__).parent.parent,
        start_new_session=True,  # a Ctrl-C of the terminal is the gateway's: the stores end when it has ended
    )
    assert process.stdin is not None
    assert process.stdout is not None
    output = process.stdout

    def addresses() -> dict[str, str]:
        line = output.readline()
        if not line:
            raise ShopsDidNotStart("the simulated stores did not start; what they say is above")
        found: dict[str, str] = json.loads(line)
        return found

    try:
        yield addresses
    finally:
        process.stdin.close()
        try:
            process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        output.close()


async def print_code(email: Email, code: str, locale: str) -> None:
    """The sandbox's post: a one-time code goes to the terminal."""
    print(f"Code for {email}: {code}", flush=True)


def sandbox_app(
    addresses: Callable[[], dict[str, str]],
    folder: Path,
    host: str,
    port: int,
    generous: bool = False,
    people: SandboxProvider | None = None,
) -> Starlette:
    """The gateway over simulated stores, whose `addresses` are waited for.

    Raises:
        ShopsDidNotStart: they have none.
    """
    # Imported while the simulated stores start beside it.
    from starlette.middleware import Middleware

    from gateway.app import build_app
    from gateway.runtime import Runtime
    from sandbox.middleware import SandboxControls, fault_headers
    from sandbox.world import sandbox_settings

    settings = sandbox_settings(addresses(), folder, host=host, port=port, generous=generous, people=people)
    runtime = Runtime(settings, sandbox=True, extra_headers=fault_headers, post=print_code)
    return build_app(runtime, [Middleware(SandboxControls)])


@contextmanager
def scratch() -> Iterator[Path]:
    """A folder for the sandbox's ledger; its world is made anew at each start."""
    with tempfile.TemporaryDirectory(prefix="aftersale-") as folder:
        yield Path(folder)
