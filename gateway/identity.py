"""Who is asking: the viewer behind a bearer token."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass

from gateway.settings import ApiKey
from schema.access import DEFAULT_SCOPES, SCOPES
from schema.actions import Actor, Viewer
from schema.vocabulary import ActorKind, AssuranceLevel

#: A token longer than this is nobody's.
MOST_TOKEN = 4096


class NotAuthenticated(Exception):
    """No token, or one that nobody gave out. The message is safe to show."""


@dataclass(frozen=True, slots=True)
class Identity:
    """The callers there are. `open_to_all`: the sandbox takes a caller without a token as staff."""

    keys: Sequence[ApiKey]
    secret: str
    open_to_all: bool = False

    def viewer(self, authorization: Sequence[str]) -> Viewer:
        """The viewer behind the request's `Authorization` headers.

        Raises:
            NotAuthenticated: there is none, more than one, or it is not `Bearer` with a key of the configuration.
        """
        if not authorization:
            if self.open_to_all:
                return Viewer(
                    actor=Actor(kind=ActorKind.STAFF, name="sandbox"),
                    assurance=AssuranceLevel.STAFF,
                    client="sandbox",
                    scopes=list(SCOPES),
                )
            raise NotAuthenticated("a token is needed: send `Authorization: Bearer <API key>`")
        if len(authorization) > 1:
            raise NotAuthenticated("send one Authorization header, not several")
        scheme, _, token = authorization[0].partition(" ")
        token = token.strip()
        if scheme.lower() != "bearer" or not token or len(token) > MOST_TOKEN:
            raise NotAuthenticated("the Authorization header must read `Bearer <API key>`")
        offered = self._hash(token)
        found: ApiKey | None = None
        for key in self.keys:  # every key is compared, so that time tells nothing
            if hmac.compare_digest(offered, self._hash(key.key.reveal())):
                found = key
        if found is None:
            raise NotAuthenticated("this token is not known here")
        return Viewer(
            actor=Actor(kind=found.kind, name=found.name),
            assurance=found.assurance,
            scopes=list(found.scopes or DEFAULT_SCOPES),
            client=found.name,
        )

    def _hash(self, token: str) -> bytes:
        return hashlib.blake2b(token.encode(), key=hashlib.sha256(self.secret.encode()).digest()).digest()
