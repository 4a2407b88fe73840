"""How a notice reaches its receiver: one signed POST, as Standard Webhooks describe it; nothing personal inside."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Callable
from datetime import datetime
from urllib.parse import urlsplit

from actions.notices import Notice, NotTaken
from gateway.settings import Webhook
from platforms.errors import PlatformError
from platforms.transport import Call, Limits, Observer, Transport
from schema.ids import make_id

#: https://www.standardwebhooks.com: what is signed is id, timestamp and body, joined by points.
_VERSION = "v1"
_LIMITS = Limits(connect=5.0, read=10.0, whole=15.0, retries=0, max_body=64 * 1024, connections=4)


def signature(secret: str, id: str, timestamp: str, body: bytes) -> str:
    """What the header `webhook-signature` holds: HMAC-SHA256 in base64, with its version in front."""
    signed = hmac.digest(secret.encode(), f"{id}.{timestamp}.".encode() + body, hashlib.sha256)
    return f"{_VERSION},{base64.b64encode(signed).decode()}"


class WebhookCarrier:
    """Posts notices to the configured address."""

    def __init__(self, webhook: Webhook, clock: Callable[[], datetime], observer: Observer | None = None) -> None:
        parts = urlsplit(webhook.url)
        self._secret = webhook.secret
        self._clock = clock
        self._path = parts.path.lstrip("/")
        self._transport = Transport(
            "approvals-webhook",
            f"{parts.scheme}://{parts.netloc}",
            limits=_LIMITS,
            observer=observer,
            allow_private=webhook.allow_private_address,
        )

    async def deliver(self, notice: Notice) -> None:
        """Raises `NotTaken`: no answer, or one that is not 2xx."""
        body = json.dumps(
            {
                "type": notice.event,
                "timestamp": notice.created_at.isoformat(),
                "data": {"action": make_id("Action", notice.action), "summary": notice.summary},
            },
            ensure_ascii=False,
        ).encode()
        timestamp = str(int(self._clock().timestamp()))
        headers = {
            "content-type": "application/json",
            "webhook-id": notice.id,
            "webhook-timestamp": timestamp,
            "webhook-signature": signature(self._secret.reveal(), notice.id, timestamp, body),
        }
        try:
            reply = await self._transport.send(
                Call("approvals.notify", "POST", self._path, headers=headers, body=body, writes=True)
            )
        except PlatformError as error:
            raise NotTaken(error.message) from None
        if not 200 <= reply.status < 300:
            raise NotTaken(f"it answered with {reply.status}")

    async def close(self) -> None:
        await self._transport.close()
