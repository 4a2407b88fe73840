"""How an ASGI app is served on a loopback port of its own inside this process, and surely ended."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import uvicorn

from gateway.listening import listen


class _Quiet(uvicorn.Server):
    """A server that leaves the process's signals to whoever owns the process."""

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
    listener = listen(host, port)
    config = uvicorn.Config(
        app,
        log_config=None,
        log_level="critical",
        access_log=False,
        lifespan="off",
        timeout_graceful_shutdown=1,
        server_header=False,
    )
    server = _Quiet(config)
    task = asyncio.create_task(server.serve([listener]))
    try:
        while not server.ready:
            if task.done():
                task.result()
            await asyncio.sleep(0.005)
        yield f"http://{host}:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        server.force_exit = True
        with suppress(asyncio.CancelledError):
            await task
        listener.close()
