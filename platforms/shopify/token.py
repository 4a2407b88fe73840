"""Where the access token of a shop comes from: fixed, or fetched with client credentials and renewed in time."""

from __future__ import annotations

import asyncio
import time
from typing import Protocol
from urllib.parse import urlencode

from platforms.errors import BadCredentials
from platforms.jsonbody import decode
from platforms.secrets import SecretText
from platforms.shopify import wire
from platforms.transport import Call, Reply, Transport

#: Renewed when less than this is left of it, in seconds, or a tenth of its life where that is shorter.
_EARLY = 300.0


class TokenProvider(Protocol):
    async def token(self) -> SecretText:
        """The token to send now."""

    async def renewed(self, stale: SecretText) -> SecretText | None:
        """Another token than `stale`, which Shopify did not take; None where there is no other."""


class FixedToken:
    """The permanent token of an app that was made in the shop's own admin."""

    def __init__(self, token: SecretText) -> None:
        self._token = token

    async def token(self) -> SecretText:
        return self._token

    async def renewed(self, stale: SecretText) -> SecretText | None:
        return None


class ClientCredentials:
    """The client credentials grant of the shop's own organisation; one fetch at a time, whoever asks.

    https://shopify.dev/docs/apps/build/authentication-authorization/access-tokens/client-credentials-grant
    """

    def __init__(self, client_id: str, client_secret: SecretText, transport: Transport) -> None:
        self._client_id = client_id
        self._client_secret = client_secret
        self._transport = transport
        self._lock = asyncio.Lock()
        self._token: SecretText | None = None
        self._renew_at = 0.0

    async def token(self) -> SecretText:
        """Raises `BadCredentials` where Shopify does not take the credentials."""
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
        form = {
            "grant_type": "client_credentials",
            "client_id": self._client_id,
            "client_secret": self._client_secret.reveal(),
        }
        call = Call(
            "oauth.token",
            "POST",
            "admin/oauth/access_token",
            headers={"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"},
            body=urlencode(form).encode(),
            cost=0.0,
        )
        asked_at = time.monotonic()
        fresh = await self._transport.send(
            call, judge=_judge, read=lambda reply: decode(wire.Token, reply, "the token")
        )
        self._token = SecretText(fresh.access_token)
        self._renew_at = asked_at + fresh.expires_in - min(_EARLY, fresh.expires_in / 10)
        return self._token


def _judge(reply: Reply) -> Reply:
    if reply.status in (400, 401, 403):
        raise BadCredentials("Shopify does not take the client credentials of this store")
    wire.refuse_status(reply)
    return reply
