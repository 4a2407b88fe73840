"""How a customer session is written: a token that only this gateway can make or read, bound to one address."""

from __future__ import annotations

import base64
import json
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from schema.emails import Email
from schema.vocabulary import AssuranceLevel

PREFIX: Final = "afs_"
LONGEST: Final = timedelta(hours=24)
#: How far the clocks of two gateways may be apart.
_SKEW = timedelta(seconds=60)
_PURPOSE = b"aftersale customer session 1"


class BadSession(ValueError):
    """The token is no session of this gateway, or not one that holds now. The message is safe to show."""


@dataclass(frozen=True, slots=True)
class Session:
    """What a session token says."""

    id: str
    email: Email
    assurance: AssuranceLevel
    scopes: tuple[str, ...]
    #: The name of the key that made it, and where that key is: an id in the database, or `config`.
    client: str
    key: str
    issued_at: datetime
    expires_at: datetime


class Sessions:
    """Seals sessions into tokens (AES-SIV, RFC 5297): nobody else can make one, and the address cannot be read."""

    def __init__(self, secret: str) -> None:
        self._cipher = AESSIV(HKDF(SHA256(), 64, salt=None, info=_PURPOSE).derive(secret.encode()))

    def new(
        self,
        email: Email,
        assurance: AssuranceLevel,
        scopes: Sequence[str],
        *,
        client: str,
        key: str,
        lasting: timedelta,
        now: datetime | None = None,
    ) -> Session:
        """A session that lasts at most a day."""
        at = now or datetime.now(UTC)
        return Session(
            secrets.token_hex(8), email, assurance, tuple(scopes), client, key, at, at + min(lasting, LONGEST)
        )

    def raised(self, session: Session, now: datetime) -> Session:
        """The same session after its customer has proved who they are: it ends when it would have, or is ended."""
        return replace(session, assurance=AssuranceLevel.VERIFIED, issued_at=now)

    def token(self, session: Session) -> str:
        said = {
            "i": session.id,
            "e": session.email,
            "a": session.assurance.value,
            "s": session.scopes,
            "c": session.client,
            "k": session.key,
            "n": session.issued_at.timestamp(),
            "x": session.expires_at.timestamp(),
            "r": secrets.token_hex(4),
        }
        sealed = self._cipher.encrypt(json.dumps(said, separators=(",", ":")).encode(), [_PURPOSE])
        return PREFIX + base64.urlsafe_b64encode(sealed).decode().rstrip("=")

    def read(self, token: str, now: datetime) -> Session:
        """What a token says.

        Raises:
            BadSession: it was not made here, is over, or begins in the future.
        """
        text = token.removeprefix(PREFIX)
        try:
            sealed = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
            said = json.loads(self._cipher.decrypt(sealed, [_PURPOSE]))
        except (ValueError, InvalidTag):
            raise BadSession("this session token was not made here") from None
        found = Session(
            id=said["i"],
            email=Email(said["e"]),
            assurance=AssuranceLevel(said["a"]),
            scopes=tuple(said["s"]),
            client=said["c"],
            key=said["k"],
            issued_at=datetime.fromtimestamp(said["n"], UTC),
            expires_at=datetime.fromtimestamp(said["x"], UTC),
        )
        if now >= found.expires_at:
            raise BadSession("this session is over; make a new one")
        if found.issued_at > now + _SKEW:
            raise BadSession("this session begins in the future: a clock is wrong")
        return found
