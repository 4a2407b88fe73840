"""How an API key is written, and how it is known again without being kept."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
import string
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

from actions.privacy import Privacy, Unsealable
from gateway.credentials import Credentials, KeyRow, Standing
from platforms.secrets import SecretText
from schema.access import known_scopes
from schema.emails import Email, canonical_email
from schema.vocabulary import AssuranceLevel

PREFIX: Final = "afk_"
_ID = 12
_SECRET = 40
_ALPHABET = string.ascii_letters + string.digits
_SHAPE = re.compile(rf"{PREFIX}([A-Za-z0-9]{{{_ID}}})([A-Za-z0-9]{{{_SECRET}}})")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._-]{0,63}")


class BadKeyName(ValueError):
    """The text cannot be a key's name."""


class TooMuchAssurance(ValueError):
    """A key, and what is made with it, never vouches for more than VERIFIED."""


@dataclass(frozen=True, slots=True)
class Keys:
    """Makes keys and finds the one that a token is. The secret part is kept only as a hash under `secret`."""

    credentials: Credentials
    secret: str
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    _privacy: Privacy = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_privacy", Privacy(self.secret))

    async def create(
        self,
        name: str,
        scopes: Collection[str],
        assurance: AssuranceLevel,
        *,
        person: str | None = None,
        require_preview: bool = False,
        taken: Collection[str] = (),
    ) -> tuple[KeyRow, SecretText]:
        """A new key and its text, which nobody can be shown again.

        Args:
            person: the address of who stands behind it: what it asks for, that person may not approve.
            require_preview: it makes changes only after a preview was confirmed; so do the sessions it makes.
            taken: names that the configuration gives to keys.

        Raises:
            BadKeyName, NameTaken: the name cannot be one, or is another's.
            UnknownScope: there is no such scope.
            TooMuchAssurance: more than VERIFIED.
            MalformedEmail: `person` is no address.
        """
        if not _NAME.fullmatch(name):
            raise BadKeyName("a key's name has 1 to 64 letters, digits, spaces, dots, hyphens or underscores")
        if name in taken:
            raise BadKeyName(f"the configuration has a key named {name} already")
        if assurance not in (AssuranceLevel.CLAIMED, AssuranceLevel.VERIFIED):
            raise TooMuchAssurance("a key vouches for CLAIMED or VERIFIED; STAFF is a person's")
        id, text = _random(_ID), _random(_SECRET)
        row = KeyRow(
            id=id,
            name=name,
            hash=self._hash(id, text),
            assurance=assurance,
            scopes=known_scopes(scopes),
            created_at=self.clock(),
            last_used_at=None,
            revoked_at=None,
            person=self._privacy.seal(canonical_email(person)) if person is not None else None,
            require_preview=require_preview,
        )
        await self.credentials.add_key(row)
        return row, SecretText(f"{PREFIX}{id}{text}")

    async def list(self) -> Sequence[KeyRow]:
        """Every key there ever was, oldest first."""
        return await self.credentials.all_keys()

    async def revoke(self, id_or_name: str) -> KeyRow | None:
        """The key that no longer lets anybody in; None: there is no live one of this id or name."""
        return await self.credentials.revoke_key(id_or_name)

    def person(self, row: KeyRow) -> str:
        """The address of who stands behind a key; empty: nobody is named. Raises `Unsealable`: by another secret."""
        return self._privacy.unseal(row.person or "")

    async def of(self, person: Email) -> Sequence[str]:
        """The names of the live keys behind which a person stands."""
        names = []
        for row in await self.list():
            with suppress(Unsealable):
                if row.revoked_at is None and self.person(row) == person:
                    names.append(row.name)
        return names

    def find(self, token: str, standing: Standing) -> KeyRow | None:
        """The live key that a token is."""
        match = _SHAPE.fullmatch(token)
        if match is None:
            return None
        row = standing.keys.get(match[1])
        offered = self._hash(match[1], match[2])
        if row is None or not hmac.compare_digest(row.hash, offered):
            return None
        self.credentials.used(row.id)
        return row

    def _hash(self, id: str, text: str) -> str:
        key = hashlib.sha256(b"aftersale api key" + self.secret.encode()).digest()
        return hashlib.blake2b(f"{id}{text}".encode(), key=key).hexdigest()


def _random(length: int) -> str:
    """Random letters and digits, with a digit among them: by that a log's redaction knows a token."""
    while True:
        text = "".join(secrets.choice(_ALPHABET) for _ in range(length))
        if any(char.isdigit() for char in text):
            return text
