"""Who is asking: the viewer behind a bearer token, whatever kind of token it is."""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

import strawberry

from gateway.credentials import Credentials, CredentialsUnreadable, KeyRow, Standing
from gateway.keys import PREFIX as KEY
from gateway.keys import Keys
from gateway.proofs import TRIES, Proofs
from gateway.sessions import LONGEST, BadSession, Session, Sessions
from gateway.sessions import PREFIX as SESSION
from gateway.settings import ApiKey
from gateway.tokens import BadToken, KeysUnreadable, NobodyHere, Tokens, looks_like_one
from resolvers.errors import BadArgument, NotOffered
from schema.access import NEVER_A_CUSTOMERS, SCOPES, Forbidden, UnknownScope, known_scopes
from schema.actions import Actor, Viewer
from schema.emails import Email, MalformedEmail, canonical_email
from schema.identity import CreateCustomerSessionInput, CustomerSession, ProofRequested
from schema.vocabulary import ActorKind, AssuranceLevel

#: A token longer than this is nobody's.
MOST_TOKEN = 4096

#: Where a session says that the key behind it stands in the configuration.
_CONFIG = "config"


#: Where one word ends and another begins.
_SEVERAL: Final = re.compile(r"[\s,]")


class NotAuthenticated(Exception):
    """No token, or one that nobody gave out. The message is safe to show."""


class NotAllowed(Exception):
    """A good token whose holder may do nothing here. The message is safe to show."""


class NotNow(Exception):
    """Who it is cannot be said at present. The message is safe to show."""


class Identity:
    """The callers there are. `open_to_all`: the sandbox takes a caller without a token as staff."""

    def __init__(
        self,
        keys: Sequence[ApiKey],
        secret: str,
        *,
        credentials: Credentials,
        tokens: Tokens,
        open_to_all: bool = False,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._hash_key = hashlib.sha256(secret.encode()).digest()
        self._config = {self._hash(key.key.reveal()): key for key in keys}
        self._config_by_name = {key.name: key for key in keys}
        self._credentials = credentials
        self._tokens = tokens
        self._open = open_to_all
        self._clock = clock
        self.keys = Keys(credentials, secret, clock)
        self.sessions = Sessions(secret)

    async def viewer(self, authorization: Sequence[str]) -> Viewer:
        """The viewer behind the request's `Authorization` headers.

        Raises:
            NotAuthenticated: there is none, more than one, or it is not `Bearer` with a token that holds.
            NotAllowed: the token holds, and gives its holder nothing here.
            NotNow: what tokens hold cannot be read at present.
        """
        if not authorization:
            if self._open:
                return sandbox_staff()
            raise NotAuthenticated("a token is needed: send `Authorization: Bearer <token>`")
        if len(authorization) > 1:
            raise NotAuthenticated("send one Authorization header, not several")
        scheme, _, token = authorization[0].partition(" ")
        token = token.strip()
        if scheme.lower() != "bearer" or not token:
            raise NotAuthenticated("the Authorization header must read `Bearer <token>`")
        if len(token) > MOST_TOKEN:
            raise NotAuthenticated(f"a token has at most {MOST_TOKEN} characters")
        if not token.isascii() or _SEVERAL.search(token):
            raise NotAuthenticated("a token is one word of plain characters; send one, and nothing after it")
        try:
            return await self._found(token)
        except (CredentialsUnreadable, KeysUnreadable) as error:
            raise NotNow(str(error)) from error

    async def _found(self, token: str) -> Viewer:
        key = self._config.get(self._hash(token))
        if key is not None:
            return _of_key(key.name, key.assurance, key.scopes, _CONFIG, key.kind, key.person, key.require_preview)
        if token.startswith(SESSION):
            try:
                session = self.sessions.read(token, self._clock())
            except BadSession as error:
                raise NotAuthenticated(str(error)) from None
            return self._of_session(session, await self._credentials.standing())
        if token.startswith(KEY):
            row = self.keys.find(token, await self._credentials.standing())
            if row is not None:
                person, previews = self.keys.person(row), row.require_preview
                return _of_key(row.name, row.assurance, row.scopes, row.id, ActorKind.BOT, person, previews)
        elif looks_like_one(token):
            try:
                return await self._tokens.viewer(token)
            except BadToken as error:
                raise NotAuthenticated(f"this token is not believed: {error}") from None
            except NobodyHere as error:
                raise NotAllowed(str(error)) from None
        raise NotAuthenticated("this token is not known here")

    def _of_session(self, session: Session, standing: Standing) -> Viewer:
        if session.id in standing.ended:
            raise NotAuthenticated("this session was ended")
        behind: ApiKey | KeyRow | None = (
            self._config_by_name.get(session.client) if session.key == _CONFIG else standing.keys.get(session.key)
        )
        if behind is None:
            raise NotAuthenticated("the key that made this session no longer holds")
        return Viewer(
            actor=Actor(kind=ActorKind.CUSTOMER, name=session.client, on_behalf_of=session.email),
            assurance=session.assurance,
            # A key that lost a scope takes it from its sessions too.
            scopes=[scope for scope in session.scopes if scope in behind.scopes],
            customer_email=session.email,
            expires_at=session.expires_at,
            client=session.client,
            session=session.id,
            made_by=session.key,
            person=(behind.person or "") if isinstance(behind, ApiKey) else self.keys.person(behind),
            previews_first=behind.require_preview,
        )

    def _hash(self, token: str) -> bytes:
        return hmac.digest(self._hash_key, token.encode(), "sha256")


def _of_key(
    name: str,
    assurance: AssuranceLevel,
    scopes: Sequence[str],
    made_by: str,
    kind: ActorKind,
    person: str | None = None,
    previews_first: bool = False,
) -> Viewer:
    return Viewer(
        actor=Actor(kind=kind, name=name),
        assurance=assurance,
        scopes=list(scopes),
        client=name,
        made_by=made_by,
        person=person or "",
        previews_first=previews_first,
    )


def sandbox_staff() -> Viewer:
    """Whom the sandbox takes a caller without a token for."""
    return Viewer(
        actor=Actor(kind=ActorKind.STAFF, name="sandbox"),
        assurance=AssuranceLevel.STAFF,
        scopes=list(SCOPES),
        client="sandbox",
    )


def session_scopes(asked: Sequence[str] | None, own: Sequence[str]) -> tuple[str, ...]:
    """The scopes of a session made by a key of `own` scopes.

    Raises:
        UnknownScope: there is no such scope.
        Forbidden: the key does not have one of them, or no customer may.
    """
    if asked is None:
        return tuple(scope for scope in own if scope not in NEVER_A_CUSTOMERS)
    wanted = known_scopes(asked)
    beyond = [scope for scope in wanted if scope not in own or scope in NEVER_A_CUSTOMERS]
    if beyond:
        raise Forbidden(f"a session of this key cannot have the scope {beyond[0]}")
    return wanted


@dataclass(frozen=True, slots=True)
class TokenDesk:
    """Gives out customers' tokens: sessions for a key that may make them, and raised ones for a proof."""

    identity: Identity
    credentials: Credentials
    #: None where nothing can send a code.
    proofs: Proofs | None
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)

    async def create_session(self, viewer: Viewer, asked: CreateCustomerSessionInput) -> CustomerSession:
        """Raises `BadArgument`, `Forbidden` or `UnknownScope`: what is asked for cannot be, or not by this key."""
        if viewer.customer_email is not None or not viewer.made_by:
            raise Forbidden("sessions are made with an API key")
        try:
            email = canonical_email(asked.email)
        except MalformedEmail as error:
            raise BadArgument("input.email", str(error)) from None
        if not 1 <= asked.minutes <= LONGEST.total_seconds() // 60:
            raise BadArgument("input.minutes", "a session lasts 1 to 1440 minutes")
        if asked.assurance > viewer.assurance:
            raise Forbidden(f"this key vouches for {viewer.assurance.name} at most, not {asked.assurance.name}")
        try:
            scopes = session_scopes(asked.scopes, viewer.scopes)
        except UnknownScope as error:
            raise BadArgument("input.scopes", str(error)) from None
        return self.made(email, asked.assurance, scopes, viewer.client, viewer.made_by, asked.minutes)

    def made(
        self, email: Email, assurance: AssuranceLevel, scopes: Sequence[str], client: str, key: str, minutes: int
    ) -> CustomerSession:
        """A session's token, for whoever may make it."""
        lasting = timedelta(minutes=minutes)
        return self._shown(
            self.identity.sessions.new(
                email, assurance, scopes, client=client, key=key, lasting=lasting, now=self.clock()
            )
        )

    async def revoke_session(self, viewer: Viewer, id: str) -> None:
        """End a session; one that does not exist, or no more, is over just as well."""
        if not is_session_id(id):
            raise BadArgument("id", "not the id of a session, as `createCustomerSession` gives it")
        await self.credentials.end_session(id, self.clock() + LONGEST)

    async def request_proof(self, viewer: Viewer, email: str, locale: str) -> ProofRequested:
        """Raises `Forbidden`: not a session; `NotOffered`: nothing sends codes here."""
        proofs, bound = self._provable(viewer)
        return ProofRequested(expires_at=await proofs.request(viewer.session, bound, email, locale), tries=TRIES)

    async def verify_proof(self, viewer: Viewer, code: str) -> CustomerSession:
        """Raises `BadArgument`: it is not the code, or no longer; `Forbidden`, `NotOffered` as `request_proof`."""
        proofs, bound = self._provable(viewer)
        if not await proofs.verify(viewer.session, code):
            raise BadArgument("code", "this is not the code, or it no longer holds; ask for a new one")
        now = self.clock()
        assert viewer.expires_at is not None
        return self._shown(
            Session(
                id=viewer.session,
                email=bound,
                assurance=AssuranceLevel.VERIFIED,
                scopes=tuple(viewer.scopes),
                client=viewer.client,
                key=viewer.made_by,
                issued_at=now,
                expires_at=viewer.expires_at,
            )
        )

    def _provable(self, viewer: Viewer) -> tuple[Proofs, Email]:
        if not viewer.session or viewer.customer_email is None:
            raise Forbidden("only a customer session can be proved; make one with createCustomerSession")
        if self.proofs is None:
            raise NotOffered("this gateway sends no codes: `mail` is not configured")
        return self.proofs, Email(viewer.customer_email)

    def _shown(self, session: Session) -> CustomerSession:
        return CustomerSession(
            id=strawberry.ID(session.id),
            token=self.identity.sessions.token(session),
            assurance=session.assurance,
            scopes=list(session.scopes),
            expires_at=session.expires_at,
        )


def is_session_id(text: str) -> bool:
    return len(text) == 16 and all(char in "0123456789abcdef" for char in text)


__all__ = [
    "Identity",
    "NotAllowed",
    "NotAuthenticated",
    "NotNow",
    "TokenDesk",
    "is_session_id",
    "sandbox_staff",
    "session_scopes",
]
