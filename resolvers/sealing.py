"""How a customer's id is made: the e-mail sealed with the gateway's key, always alike, readable by nobody else."""

from __future__ import annotations

import base64
import hashlib

import strawberry
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV

from schema.emails import Email
from schema.ids import MalformedId, make_id, parse_typed

_TYPE = "Customer"
_PURPOSE = b"aftersale customer id 1"


class Seal:
    """Deterministic authenticated encryption (AES-SIV, RFC 5297) under a key derived from the gateway's secret."""

    def __init__(self, secret: str) -> None:
        self._cipher = AESSIV(hashlib.blake2b(secret.encode(), digest_size=64, person=b"aftersale-seal").digest())

    def customer_id(self, email: Email) -> strawberry.ID:
        sealed = self._cipher.encrypt(email.encode(), [_PURPOSE])
        return make_id(_TYPE, base64.urlsafe_b64encode(sealed).decode().rstrip("="))

    def email(self, customer_id: str) -> Email:
        """The address inside.

        Raises:
            MalformedId: not an id that this gateway made.
        """
        text = parse_typed(customer_id, _TYPE, 1).native
        try:
            sealed = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
            email = Email(self._cipher.decrypt(sealed, [_PURPOSE]).decode())
        except (ValueError, InvalidTag):
            raise MalformedId("not the id of a customer of this gateway") from None
        if self.customer_id(email) != customer_id:
            raise MalformedId("not the id of a customer of this gateway")
        return email
