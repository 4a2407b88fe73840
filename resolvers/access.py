"""What a request may ask of the people who give out tokens: sessions, one-time codes, and a count of failures."""

from __future__ import annotations

from collections.abc import Awaitable, Sequence
from typing import Protocol

from schema.actions import Viewer
from schema.identity import CreateCustomerSessionInput, CustomerSession, ProofRequested


class Access(Protocol):
    """Gives out customers' tokens."""

    def create_session(self, viewer: Viewer, asked: CreateCustomerSessionInput) -> Awaitable[CustomerSession]: ...
    def revoke_session(self, viewer: Viewer, id: str) -> Awaitable[None]: ...
    def request_proof(self, viewer: Viewer, email: str, locale: str) -> Awaitable[ProofRequested]: ...
    def verify_proof(self, viewer: Viewer, code: str) -> Awaitable[CustomerSession]: ...


class Attempt(Protocol):
    """One look-up by somebody who may be guessing."""

    def failed(self) -> Awaitable[None]: ...


class Lookups(Protocol):
    """Counts look-ups that found nothing, so that numbers cannot be tried one after the other."""

    def attempt(
        self, viewer: Viewer, number: str, proofs: Sequence[str], stores: Sequence[str], end_user: str | None
    ) -> Awaitable[Attempt]: ...
