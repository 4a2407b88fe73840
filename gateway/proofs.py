"""How somebody proves that an address is theirs: a code, sent there once, good for ten minutes and five tries."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import secrets
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from typing import Final

import structlog

from gateway.credentials import Credentials
from gateway.rates import RateLimits
from gateway.settings import Mail
from schema.emails import Email, MalformedEmail, canonical_email

_log = structlog.get_logger(__name__)

LASTING: Final = timedelta(minutes=10)
TRIES: Final = 5
_DIGITS = 6

#: Takes a code to an address.
Post = Callable[[Email, str, str], Awaitable[None]]

_SUBJECT = {"en": "Your code", "de": "Ihr Code"}
_TEXT = {
    "en": "Your code is {code}. It is good for 10 minutes. If you did not ask for it, you need do nothing.",
    "de": "Ihr Code lautet {code}. Er gilt 10 Minuten. Wenn Sie ihn nicht angefordert haben, müssen Sie nichts tun.",
}


def by_mail(mail: Mail) -> Post:
    """Post by the configured mail server."""

    async def post(email: Email, code: str, locale: str) -> None:
        import aiosmtplib

        language = locale[:2] if locale[:2] in _TEXT else "en"
        message = EmailMessage()
        message["From"], message["To"], message["Subject"] = mail.sender, email, _SUBJECT[language]
        message.set_content(_TEXT[language].format(code=code))
        await aiosmtplib.send(
            message,
            hostname=mail.host,
            port=mail.port,
            username=mail.username,
            password=mail.password.reveal() if mail.password is not None else None,
            use_tls=mail.encryption == "tls",
            start_tls=mail.encryption == "starttls",
            timeout=20,
        )

    return post


class Proofs:
    """Codes for sessions. Asking for one answers at once and alike, whoever is asked about; the post goes on after."""

    def __init__(
        self,
        credentials: Credentials,
        rates: RateLimits,
        secret: str,
        post: Post,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._credentials = credentials
        self._rates = rates
        self._key = hashlib.sha256(b"aftersale code" + secret.encode()).digest()
        self._post = post
        self._clock = clock
        self._on_their_way: set[asyncio.Task[None]] = set()

    async def request(self, session: str, bound: Email, asked: str, locale: str) -> datetime:
        """A new code for a session, until when it is good. It is sent only to the session's own address."""
        try:
            meant = canonical_email(asked) == bound
        except MalformedEmail:
            meant = False
        meant = await self._rates.code(bound) and meant
        code = f"{secrets.randbelow(10**_DIGITS):0{_DIGITS}d}"
        expires_at = self._clock() + LASTING
        # A code that is sent to nobody is kept all the same: it takes as long, and nobody can guess it.
        await self._credentials.keep_code(session, self._hash(session, code), expires_at)
        task = asyncio.create_task(self._sent(bound, code, locale) if meant else asyncio.sleep(0))
        self._on_their_way.add(task)
        task.add_done_callback(self._on_their_way.discard)
        return expires_at

    async def verify(self, session: str, code: str) -> bool:
        """Whether this is the code; counts a try."""
        digits = "".join(code.split())[:32]
        return await self._credentials.try_code(session, self._hash(session, digits), TRIES)

    async def finish(self) -> None:
        """Wait for what is on its way."""
        if self._on_their_way:
            await asyncio.wait(self._on_their_way, timeout=10)

    async def _sent(self, email: Email, code: str, locale: str) -> None:
        try:
            await self._post(email, code, locale)
        except Exception as error:  # whatever the mail server or its driver raises; nobody waits for it
            _log.error("code_not_sent", kind=type(error).__name__)

    def _hash(self, session: str, code: str) -> str:
        return hmac.new(self._key, f"{session}\x00{code}".encode(), hashlib.sha256).hexdigest()
