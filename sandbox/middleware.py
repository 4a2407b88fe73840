"""What a request may play with in the sandbox, and only there: the clock, and faults at the stores."""

from __future__ import annotations

from collections.abc import Mapping
from contextvars import ContextVar
from datetime import datetime

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from gateway.http import failure, moved_clock
from sandbox.faults import HEADER, MalformedFault, parse_faults
from sandbox.world import PLANS

_STORES = [plan.key for plan in PLANS]
#: Where the clock may be put: far enough for every policy, and never beyond what a calendar can add days to.
_YEARS = range(1970, 2200)

_faults: ContextVar[str] = ContextVar("sandbox_faults", default="")


def fault_headers() -> Mapping[str, str]:
    """Carries the request's faults to every upstream call that it leads to."""
    faults = _faults.get()
    return {HEADER: faults} if faults else {}


class SandboxControls:
    """Reads `X-Sandbox-Now` (a time with an offset) and `X-Sandbox-Fault` (`<store>=<fault>`, several by commas)."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        now = None
        if (given := headers.get("x-sandbox-now")) is not None:
            try:
                now = datetime.fromisoformat(given)
            except ValueError:
                now = None
            if now is None or now.tzinfo is None or now.year not in _YEARS:
                problem = "X-Sandbox-Now must be a time with an offset, such as 2026-11-23T10:00:00Z"
                await failure(400, problem, "BAD_REQUEST")(scope, receive, send)
                return
        faults = headers.get(HEADER, "")
        try:
            for fault in parse_faults(faults):
                if fault.store not in _STORES:
                    raise MalformedFault(f"there is no store {fault.store!r}; the stores are {', '.join(_STORES)}")
        except MalformedFault as error:
            await failure(400, f"X-Sandbox-Fault: {error}", "BAD_REQUEST")(scope, receive, send)
            return
        clock = moved_clock.set(now)
        injected = _faults.set(faults)
        try:
            await self.app(scope, receive, send)
        finally:
            moved_clock.reset(clock)
            _faults.reset(injected)
