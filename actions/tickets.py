"""The token of a preview: what was asked, by whom, and what was shown, sealed so that nobody can read or change it."""

from __future__ import annotations

import base64
import json
import os
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCMSIV
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from schema.vocabulary import ActionKind

#: How long a token is good for.
LASTS: Final = timedelta(minutes=10)
#: Most characters of a token; the largest request there can be, compressed, needs fewer.
MAX_TOKEN: Final = 200_000
_PREFIX: Final = "afp1."
_NONCE: Final = 12
#: Most bytes that a token may unpack to: a sealed one is ours, so this only guards against our own mistakes.
_MOST: Final = 1_000_000


class BadTicket(ValueError):
    """The token cannot be used. The message is safe to show: it says why."""


@dataclass(frozen=True, slots=True)
class Ticket:
    """What one preview showed."""

    #: Its own id: the idempotency key of what `confirm` does.
    id: str
    kind: ActionKind
    #: The request as `Asking.plain` gives it.
    asked: Mapping[str, Any]
    #: Who may confirm it.
    client: str
    bound: str
    #: Digest of the policy that decided, and of everything that was decided on and shown.
    policy: str
    shown: str
    #: Ids of the refunds that were there.
    refunds: tuple[str, ...]
    expires_at: datetime


class Tickets:
    """Makes and reads tokens with the gateway's secret."""

    def __init__(self, secret: str | bytes) -> None:
        raw = secret.encode() if isinstance(secret, str) else secret
        self._sealing = AESGCMSIV(HKDF(SHA256(), 32, salt=None, info=b"preview token").derive(raw))

    def token(self, ticket: Ticket) -> str:
        plain = json.dumps(
            {
                "i": ticket.id,
                "k": ticket.kind.value,
                "a": ticket.asked,
                "c": ticket.client,
                "b": ticket.bound,
                "p": ticket.policy,
                "s": ticket.shown,
                "r": ticket.refunds,
                "x": int(ticket.expires_at.timestamp()),
            },
            separators=(",", ":"),
        ).encode()
        nonce = os.urandom(_NONCE)
        sealed = nonce + self._sealing.encrypt(nonce, zlib.compress(plain), None)
        return _PREFIX + base64.urlsafe_b64encode(sealed).decode().rstrip("=")

    def read(self, token: str) -> Ticket:
        """The ticket behind a token, whether it has expired or not.

        Raises:
            BadTicket: no preview of this gateway gave it out, or it was altered.
        """
        if len(token) > MAX_TOKEN or not token.startswith(_PREFIX):
            raise BadTicket("this is not a token that `preview` gave")
        body = token.removeprefix(_PREFIX)
        try:
            sealed = base64.b64decode(body + "=" * (-len(body) % 4), altchars=b"-_", validate=True)
            packed = self._sealing.decrypt(sealed[:_NONCE], sealed[_NONCE:], None)
        except (InvalidTag, ValueError):
            raise BadTicket("this is not a token that `preview` gave; it may have been cut or changed") from None
        found = json.loads(zlib.decompressobj().decompress(packed, _MOST))
        return Ticket(
            id=found["i"],
            kind=ActionKind(found["k"]),
            asked=found["a"],
            client=found["c"],
            bound=found["b"],
            policy=found["p"],
            shown=found["s"],
            refunds=tuple(found["r"]),
            expires_at=datetime.fromtimestamp(found["x"], UTC),
        )
