"""What can be made to go wrong at a simulated store: slowness, refusals, lost answers, garbage."""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass
from typing import Any, TypeAlias

Scope: TypeAlias = Any

#: Upstream calls of a request that asked for a fault carry it in this header, `<store>=<fault>`.
HEADER = "x-sandbox-fault"

_WORDS = ("429", "500", "500-after", "drop", "drop-after", "garbage", "truncate")
_SYNTAX = re.compile(r"(?P<store>[a-z][a-z0-9-]*)=(?:latency:(?P<ms>\d{1,6})ms|(?P<word>[0-9a-z-]+))")


class MalformedFault(ValueError):
    """The text is not `<store>=<fault>`."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that goes wrong at one store. `-after`: the store does what it was asked and the answer is lost."""

    store: str
    word: str
    delay: float = 0.0
    #: Only calls whose path holds this go wrong; every call where it is empty.
    path: str = ""

    def __str__(self) -> str:
        return f"{self.store}=latency:{round(self.delay * 1000)}ms" if self.delay else f"{self.store}={self.word}"


def parse_faults(text: str) -> tuple[Fault, ...]:
    """Faults from a header: `us=500` or `us=latency:800ms, eu=drop`.

    Raises:
        MalformedFault: names the faults there are.
    """
    faults = []
    for item in filter(None, (piece.strip() for piece in text.split(","))):
        match = _SYNTAX.fullmatch(item)
        if match is None or (match["word"] is not None and match["word"] not in _WORDS):
            raise MalformedFault(
                f"expected <store>=<fault>, the fault one of latency:800ms, {', '.join(_WORDS)}; several by commas"
            )
        if match["ms"]:
            faults.append(Fault(match["store"], "latency", int(match["ms"]) / 1000))
        else:
            faults.append(Fault(match["store"], match["word"] or ""))
    return tuple(faults)


class Faulty:
    """An ASGI app with faults: those a call brings in its header, and those that stand in `faults`."""

    def __init__(self, app: Any, store: str) -> None:
        self.app = app
        self.store = store
        self.faults: list[Fault] = []

    async def __call__(self, scope: Scope, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        asked = next((value.decode("latin-1") for name, value in scope["headers"] if name == HEADER.encode()), "")
        for fault in (*self.faults, *parse_faults(asked)):
            if fault.store != self.store or fault.path not in scope["path"]:
                continue
            if fault.word == "latency":
                await asyncio.sleep(fault.delay)
                continue
            await self._go_wrong(fault.word, scope, receive, send)
            return
        await self.app(scope, receive, send)

    async def _go_wrong(self, word: str, scope: Scope, receive: Any, send: Any) -> None:
        if word.endswith("-after") or word == "truncate":
            answer = await self._swallow(scope, receive)
        else:
            answer = b""
            await self._drain(receive)
        if word == "429":
            await _answer(send, 429, b'{"error":"Too many requests"}', extra=[(b"retry-after", b"2")])
        elif word in ("500", "500-after"):
            await _answer(send, 500, b'{"error":"Internal server error"}')
        elif word == "garbage":
            await _answer(send, 200, b"<html><body>Welcome to your new shop</body></html>", kind=b"text/html")
        elif word == "truncate":
            await _answer(send, 200, answer[: len(answer) // 2])
        else:  # drop, drop-after: more is promised than sent, so the server cuts the connection
            await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"100000")]})
            await send({"type": "http.response.body", "body": b"", "more_body": True})

    async def _swallow(self, scope: Scope, receive: Any) -> bytes:
        pieces: list[bytes] = []

        async def keep(message: Any) -> None:
            if message["type"] == "http.response.body":
                pieces.append(message.get("body", b""))

        await self.app(scope, receive, keep)
        return b"".join(pieces)

    @staticmethod
    async def _drain(receive: Any) -> None:
        while (await receive()).get("more_body"):
            pass


async def _answer(
    send: Any,
    status: int,
    body: bytes,
    *,
    kind: bytes = b"application/json",
    extra: list[tuple[bytes, bytes]] | None = None,
) -> None:
    headers = [(b"content-type", kind), (b"content-length", str(len(body)).encode()), *(extra or [])]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
