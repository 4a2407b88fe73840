"""How a token of the merchant's own identity provider is read, and which of its words are believed."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import urlsplit

import structlog
from joserfc import jwt
from joserfc.errors import JoseError, UnsupportedAlgorithmError
from joserfc.jwk import KeySet
from joserfc.jws import JWSRegistry

from gateway.settings import IdentityProvider
from platforms.errors import PlatformError
from platforms.transport import Call, Limits, Observer, Reply, Transport
from schema.actions import Actor, Viewer
from schema.emails import MalformedEmail, canonical_email
from schema.vocabulary import ActorKind, AssuranceLevel

_log = structlog.get_logger(__name__)

#: Seconds for which fetched keys are used without asking again, and at least between two fetches for an unknown key.
KEPT: Final = 600.0
SPARED: Final = 10.0

#: Tokens whose signatures are known to be right; the oldest goes first.
_SIGNED: Final = 2048

_LIMITS = Limits(connect=3.0, read=5.0, whole=5.0, retries=1, max_body=256 * 1024, connections=1)


class _Algorithms(JWSRegistry):
    """The algorithms a provider may use. `EdDSA` is the older name of Ed25519 (RFC 9864), still in use."""

    def get_alg(self, name: str) -> Any:
        if name not in (self.allowed or ()):
            raise UnsupportedAlgorithmError(name)
        return self.algorithms[name]


class BadToken(ValueError):
    """The token is not believed. The message is safe to show: it says why, and repeats nothing of it."""


class NobodyHere(PermissionError):
    """The token is good, and gives its holder nothing here. The message is safe to show."""


class KeysUnreadable(Exception):
    """The provider's keys were never read and cannot be now."""


def looks_like_one(token: str) -> bool:
    return token.count(".") == 2


class _KeyRing:
    """One provider's public keys: fetched when first needed, kept, and fetched again for a key not seen before."""

    def __init__(self, provider: IdentityProvider, observer: Observer | None, spared: float) -> None:
        self._spared = spared
        self._keys = KeySet.import_key_set({"keys": list(provider.jwks["keys"])}) if provider.jwks else None
        self._transport: Transport | None = None
        if provider.jwks_url is not None:
            parts = urlsplit(provider.jwks_url)
            self._path = parts.path.lstrip("/")
            self._transport = Transport(
                f"identity:{provider.name}",
                f"{parts.scheme}://{parts.netloc}",
                limits=_LIMITS,
                observer=observer,
                allow_private=provider.allow_private_address,
            )
        self._name = provider.name
        self._fetched_at = self._tried_at = float("-inf")
        self._turn = asyncio.Lock()

    async def key(self, kid: str | None) -> Any:
        """The key of an id; without one the only key there is.

        Raises:
            BadToken: the provider publishes no such key.
            KeysUnreadable: nothing is known of its keys.
        """
        if self._transport is not None and time.monotonic() - self._fetched_at > KEPT:
            await self._fetch(KEPT if self._keys is not None else 0)
        found = self._find(kid)
        if found is None and self._transport is not None:
            await self._fetch(self._spared)
            found = self._find(kid)
        if found is None:
            if self._keys is None:
                raise KeysUnreadable(f"the keys of {self._name} cannot be read at present")
            raise BadToken("it is signed with a key that its issuer does not publish")
        return found

    def _find(self, kid: str | None) -> Any:
        if self._keys is None:
            return None
        if kid is None:
            return self._keys.keys[0] if len(self._keys.keys) == 1 else None
        return next((key for key in self._keys.keys if key.kid == kid), None)

    async def _fetch(self, spared: float) -> None:
        """Ask the provider, unless it was asked a moment ago; what it said before holds where it does not answer."""
        async with self._turn:
            if time.monotonic() - self._fetched_at < spared or time.monotonic() - self._tried_at < self._spared:
                return
            self._tried_at = time.monotonic()
            assert self._transport is not None
            try:
                self._keys = await self._transport.send(Call("keys", "GET", self._path), read=_read_keys)
                self._fetched_at = time.monotonic()
            except PlatformError as error:
                _log.warning("identity_keys_unread", provider=self._name, code=error.code.value)
            except (JoseError, ValueError, KeyError, TypeError):
                _log.warning("identity_keys_unread", provider=self._name, code="UNREADABLE")

    async def close(self) -> None:
        if self._transport is not None:
            await self._transport.close()


def _read_keys(reply: Reply) -> KeySet:
    if reply.status != 200:
        raise ValueError(f"status {reply.status}")
    keys = [key for key in json.loads(reply.body)["keys"] if key.get("kty") in ("RSA", "EC", "OKP")]
    return KeySet.import_key_set({"keys": keys})


@dataclass(frozen=True, slots=True)
class _Known:
    provider: IdentityProvider
    ring: _KeyRing


class Tokens:
    """Reads JSON Web Tokens of the configured providers, told apart by their issuer."""

    def __init__(
        self,
        providers: Sequence[IdentityProvider],
        secret: str,
        *,
        observer: Observer | None = None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        spared: float = SPARED,
    ) -> None:
        """`spared`: seconds between two fetches of a provider's keys, however many unknown ones are named."""
        self._known = {
            provider.issuer: _Known(provider, _KeyRing(provider, observer, spared)) for provider in providers
        }
        self._secret = hashlib.sha256(b"aftersale subject" + secret.encode()).digest()
        self._clock = clock
        self._signed: dict[bytes, tuple[Any, Mapping[str, Any]]] = {}

    async def close(self) -> None:
        for known in self._known.values():
            await known.ring.close()

    async def viewer(self, token: str) -> Viewer:
        """The person behind a token.

        Raises:
            BadToken: it is not believed.
            NobodyHere: it is, and names neither a role of the staff nor an e-mail address.
            KeysUnreadable: the provider's keys cannot be read.
        """
        header, claims = _unproved(token)
        issuer = claims.get("iss")
        known = self._known.get(issuer) if isinstance(issuer, str) else None
        if known is None:
            raise BadToken("its issuer is not one that is trusted here")
        provider = known.provider
        algorithm = header.get("alg")
        if algorithm not in provider.algorithms:
            raise BadToken(f"its algorithm is not accepted; one of {', '.join(provider.algorithms)} is")
        if "crit" in header:
            raise BadToken("it asks for extensions that are not known here")
        kid = header.get("kid")
        if kid is not None and not isinstance(kid, str):
            raise BadToken("its key id is not text")
        key = await known.ring.key(kid)
        proved = self._proved(token, key, algorithm)
        self._hold(proved, provider)
        return self._as_viewer(proved, provider)

    def _proved(self, token: str, key: Any, algorithm: str) -> Mapping[str, Any]:
        """The claims of a token whose signature is right; a signature once checked holds for as long as its key."""
        digest = hashlib.sha256(token.encode()).digest()
        known = self._signed.get(digest)
        if known is not None and known[0] is key:
            return known[1]
        try:
            proved: Mapping[str, Any] = jwt.decode(token, key, registry=_Algorithms(algorithms=[algorithm])).claims
        except (JoseError, ValueError, TypeError):
            raise BadToken("its signature is wrong") from None
        self._signed.pop(digest, None)
        while len(self._signed) >= _SIGNED:
            self._signed.pop(next(iter(self._signed)))
        self._signed[digest] = (key, proved)
        return proved

    def _hold(self, claims: Mapping[str, Any], provider: IdentityProvider) -> None:
        """The claims hold now, and for us."""
        now, skew = self._clock().timestamp(), provider.clock_skew_seconds
        audience = claims.get("aud")
        if audience != provider.audience and not (isinstance(audience, list) and provider.audience in audience):
            raise BadToken("it was made for another audience")
        expires = _instant(claims, "exp")
        if expires is None:
            raise BadToken("it does not say when it expires")
        if expires <= now - skew:
            raise BadToken("it has expired")
        for name in ("nbf", "iat"):
            if (_instant(claims, name) or 0) > now + skew:
                raise BadToken("it begins in the future")
        if not isinstance(claims.get("sub"), str) or not claims["sub"]:
            raise BadToken("it does not say whose it is")

    def _as_viewer(self, claims: Mapping[str, Any], provider: IdentityProvider) -> Viewer:
        roles = _words(claims, provider.roles_claim)
        subject = hashlib.blake2b(claims["sub"].encode(), key=self._secret, digest_size=16).hexdigest()
        client = f"jwt:{provider.name}:{subject}"
        expires_at = datetime.fromtimestamp(claims["exp"], UTC)
        address = claims.get("email")
        try:
            email = canonical_email(address) if isinstance(address, str) else None
        except MalformedEmail:
            email = None
        if not set(roles).isdisjoint(provider.staff_roles):
            name = claims.get("name")
            return Viewer(
                actor=Actor(kind=ActorKind.STAFF, name=name[:100] if isinstance(name, str) and name else subject[:8]),
                assurance=AssuranceLevel.STAFF,
                scopes=list(provider.staff_scopes),
                roles=roles,
                expires_at=expires_at,
                client=client,
                person=email or "",
            )
        if email is None:
            raise NobodyHere("this token names neither a role of the staff here nor an e-mail address")
        return Viewer(
            actor=Actor(kind=ActorKind.CUSTOMER, name="customer", on_behalf_of=email),
            assurance=AssuranceLevel.VERIFIED if claims.get("email_verified") is True else AssuranceLevel.CLAIMED,
            scopes=list(provider.customer_scopes),
            roles=roles,
            customer_email=email,
            expires_at=expires_at,
            client=client,
        )


def _unproved(token: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Header and claims as they are written, believed by nobody yet."""
    pieces = token.split(".")
    if not pieces[2]:
        raise BadToken("it is not signed")
    try:
        header, claims = (
            json.loads(base64.b64decode(piece + "=" * (-len(piece) % 4), altchars=b"-_", validate=True))
            for piece in pieces[:2]
        )
    except (ValueError, RecursionError):
        raise BadToken("it cannot be read") from None
    if not isinstance(header, dict) or not isinstance(claims, dict):
        raise BadToken("it cannot be read")
    return header, claims


def _instant(claims: Mapping[str, Any], name: str) -> float | None:
    value = claims.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 2**40:
        raise BadToken(f"its {name} is no instant")
    return float(value)


def _words(claims: Mapping[str, Any], path: str) -> list[str]:
    """The words under a claim, which may lie inside others (`realm_access.roles`) or be one text with spaces."""
    found: Any = claims.get(path)
    if found is None:
        found = claims
        for step in path.split("."):
            found = found.get(step) if isinstance(found, Mapping) else None
    if isinstance(found, str):
        return found.split()
    return [word for word in found if isinstance(word, str)] if isinstance(found, list) else []
