"""Where a store's access token comes from: fixed, or granted for client credentials and renewed in time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Protocol

import msgspec

from platforms.jsonbody import decode
from platforms.secrets import SecretText
from platforms.transport import Call, Judge, Transport

#: Renewed when less than this is left of it, in seconds, or a tenth of its life where that is shorter.
_EARLY = 300.0


class TokenProvider(Protocol):
    async def token(self) -> SecretText:
        """The token to send now."""

    async def renewed(self, stale: SecretText) -> SecretText | None:
        """Another token than `stale`, which the platform did not take; None where there is no other."""


class FixedToken:
    """A permanent token, made in the store's own admin."""

    def __init__(self, token: SecretText) -> None:
        self._token = token

    async def token(self) -> SecretText:
        return self._token

    async def renewed(self, stale: SecretText) -> SecretText | None:
        return None


class Grant(msgspec.Struct, frozen=True):
    """RFC 6749, 5.1. `expires_in` is in seconds; `scope` is a list by spaces, and is left out by some."""

    access_token: str
    expires_in: float
    scope: str = ""


class ClientCredentials:
    """The client credentials grant (RFC 6749, 4.4); one fetch at a time, whoever asks.

    `ask` builds the call that carries the credentials in the platform's own way; `judge` reads its refusals.
    """

    def __init__(self, transport: Transport, ask: Callable[[], Call], judge: Judge) -> None:
        self._transport = transport
        self._ask = ask
        self._judge = judge
        self._lock = asyncio.Lock()
        self._token: SecretText | None = None
        self._renew_at = 0.0
        #: What the last token may do, in the platform's words; empty where it does not say.
        self.scopes: frozenset[str] = frozenset()

    async def token(self) -> SecretText:
        """Raises `BadCredentials` where the platform does not take the credentials."""
        if self._token is not None and time.monotonic() < self._renew_at:
            return self._token
        async with self._lock:
            if self._token is not None and time.monotonic() < self._renew_at:  # fetched while we waited
                return self._token
            return await self._fetch()

    async def renewed(self, stale: SecretText) -> SecretText | None:
        async with self._lock:
            if self._token is not None and self._token != stale:
                return self._token
            return await self._fetch()

    async def _fetch(self) -> SecretText:
        asked_at = time.monotonic()
        fresh = await self._transport.send(
            self._ask(), judge=self._judge, read=lambda reply: decode(Grant, reply, "the token")
        )
        self._token = SecretText(fresh.access_token)
        self._renew_at = asked_at + fresh.expires_in - min(_EARLY, fresh.expires_in / 10)
        self.scopes = frozenset(fresh.scope.split())
        return self._token
