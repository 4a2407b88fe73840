"""Who calls in the sandbox: ready-made tokens for a bot, a customer, a person of the staff and one who may approve."""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final

from joserfc import jwt
from joserfc.jwk import ECKey

from gateway.sessions import LONGEST, Sessions
from gateway.settings import IdentityProvider
from schema.access import DEFAULT_SCOPES
from schema.emails import canonical_email
from schema.vocabulary import AssuranceLevel

#: A bot's API key in the sandbox; CLAIMED, like every chatbot backend's until it proves more.
BOT_KEY: Final = "sandbox-bot-key-known-to-everybody"
BOT: Final = "sandbox-bot"
BOT_SCOPES: Final = (*DEFAULT_SCOPES, "sessions:create")

ISSUER: Final = "https://id.sandbox.example"
AUDIENCE: Final = "aftersale"
_KID = "sandbox"


class SandboxProvider:
    """An identity provider of the sandbox's own, whose key is made anew at each start."""

    def __init__(self) -> None:
        self._key = ECKey.generate_key("P-256", parameters={"kid": _KID, "use": "sig", "alg": "ES256"})

    def config(self) -> IdentityProvider:
        """The provider as the gateway is told of it."""
        public = self._key.as_dict(private=False)
        return IdentityProvider(
            name="sandbox",
            issuer=ISSUER,
            audience=AUDIENCE,
            jwks={"keys": [dict(public)]},
            staff_roles=("support", "support-lead"),
        )

    def token(self, lasting: timedelta = timedelta(hours=24), **claims: Any) -> str:
        """A signed token. `claims` are added to, or replace, those that every token has."""
        now = int(time.time())
        said: dict[str, Any] = {
            "iss": ISSUER,
            "aud": AUDIENCE,
            "iat": now,
            "exp": now + int(lasting.total_seconds()),
            "sub": "somebody",
        }
        return jwt.encode({"alg": "ES256", "kid": _KID}, said | claims, self._key)

    def staff(self) -> str:
        """Sam, who answers customers."""
        return self.token(sub="sam", name="Sam", roles=["support"])

    def approver(self) -> str:
        """Lee, who may also approve what a rule leaves to a person."""
        return self.token(sub="lee", name="Lee", roles=["support", "support-lead"])


def session_of(email: str, secret: str, assurance: AssuranceLevel = AssuranceLevel.VERIFIED) -> str:
    """A customer's session as the sandbox's bot key would make it."""
    sessions = Sessions(secret)
    made = sessions.new(canonical_email(email), assurance, DEFAULT_SCOPES, client=BOT, key="config", lasting=LONGEST)
    return sessions.token(made)


def ready_tokens(provider: SandboxProvider, secret: str) -> Mapping[str, str]:
    """What `aftersale demo` prints, by whose it is."""
    return {
        "a bot": BOT_KEY,
        "ada, as her widget": session_of("ada@example.com", secret),
        "Sam of the staff": provider.staff(),
        "Lee, who approves": provider.approver(),
    }
