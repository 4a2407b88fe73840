"""How the ledger keeps people's data: addresses as keyed hashes, names sealed with the gateway's secret."""

from __future__ import annotations

import base64
import hashlib
import hmac

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF


class Unsealable(ValueError):
    """The text was not sealed with this secret."""


class Privacy:
    """Hashes and seals that only a holder of the gateway's secret can make or open."""

    def __init__(self, secret: str | bytes) -> None:
        raw = secret.encode() if isinstance(secret, str) else secret
        self._hashing = HKDF(SHA256(), 32, salt=None, info=b"ledger hash").derive(raw)
        self._sealing = AESSIV(HKDF(SHA256(), 64, salt=None, info=b"ledger seal").derive(raw))

    def hash(self, purpose: str, text: str) -> str:
        """64 hexadecimal digits; the same text has unrelated hashes for two purposes."""
        return hmac.new(self._hashing, f"{purpose}\x00{text}".encode(), hashlib.sha256).hexdigest()

    def seal(self, text: str) -> str:
        return base64.urlsafe_b64encode(self._sealing.encrypt(text.encode(), None)).decode() if text else ""

    def unseal(self, text: str) -> str:
        """Raises `Unsealable`: another secret, or not sealed at all."""
        if not text:
            return ""
        try:
            return self._sealing.decrypt(base64.urlsafe_b64decode(text), None).decode()
        except (InvalidTag, ValueError):
            raise Unsealable("not sealed with this gateway's secret") from None
