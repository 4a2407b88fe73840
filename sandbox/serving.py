"""How an ASGI app is served on a loopback port of its own inside this process, and surely ended."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Any

import uvicorn

from gateway.listening import listen


class _Quiet(uvicorn.Server):
    """A server that leaves the process's signals to whoever owns the process, and ends as soon as it is told to."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self._told = asyncio.Event()

    def end(self) -> None:
        self.should_exit = self.force_exit = True
        self._told.set()

    async def main_loop(self) -> None:
        await self._told.wait()

    @property
    def ready(self) -> bool:
        return self.started

    async def serve(self, sockets: list[socket.socket] | None = None) -> None:
        await self._serve(sockets)


@asynccontextmanager
async def serve(app: Any, *, host: str = "127.0.0.1", port: int = 0) -> AsyncIterator[str]:
    """Serve `app` on loopback and yield its address, such as `http://127.0.0.1:40123`; ended on leaving.

    Raises:
        OSError: the port is taken.
    """
    async with serve_all({"": app}, host=host, port=port) as urls:
        yield urls[""]


@asynccontextmanager
async def serve_all(
    apps: Mapping[str, Any], *, host: str = "127.0.0.1", port: int = 0
) -> AsyncIterator[dict[str, str]]:
    """Serve each app on a port of its own and yield their addresses by key; all ended at once.

    Raises:
        OSError: a port is taken.
    """
    listeners: list[socket.socket] = []
    servers: list[tuple[_Quiet, asyncio.Task[None]]] = []
    try:
        for app in apps.values():
            listeners.append(listen(host, port))
            config = uvicorn.Config(
                app,
                # The gateway brings a protocol of its own; the stores have none.
                http=getattr(getattr(app, "state", None), "http", "auto"),
                ws="none",
                log_config=None,
                log_level="critical",
                access_log=False,
                lifespan="off",
                timeout_graceful_shutdown=1,
                timeout_keep_alive=75,  # longer than the client's: a connection is never cut as it is used again
                server_header=False,
                date_header=False,
            )
            server = _Quiet(config)
            servers.append((server, asyncio.create_task(server.serve([listeners[-1]]))))
        for server, task in servers:
            while not server.ready:
                if task.done():
                    task.result()
                await asyncio.sleep(0.005)
        yield {key: f"http://{host}:{listener.getsockname()[1]}" for key, listener in zip(apps, listeners, strict=True)}
    finally:
        for server, _ in servers:
            server.end()
        for _, task in servers:
            with suppress(asyncio.CancelledError):
                await task
        for listener in listeners:
            listener.close()
