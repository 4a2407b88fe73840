"""How often is too often: requests of a client and a customer, look-ups that found nothing, codes to one address."""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import structlog
from limits import RateLimitItem, RateLimitItemPerHour, RateLimitItemPerMinute
from limits.aio.storage import MemoryStorage, RedisStorage
from limits.aio.strategies import FixedWindowRateLimiter
from limits.errors import ConfigurationError

from gateway.settings import Rates
from resolvers.errors import TooMany
from schema.actions import Viewer
from schema.emails import Email

_log = structlog.get_logger(__name__)

_LOOKUPS: Final = "too many look-ups found nothing lately; wait before the next one"


class RedisMissing(RuntimeError):
    """Redis is configured, and nothing here can speak to it. The message says what to install."""


@dataclass(frozen=True, slots=True)
class _Counter:
    """One thing that is counted, and what it is counted under: hashed, so that no store of counts holds an address."""

    item: RateLimitItem
    what: str
    key: str


@dataclass(frozen=True, slots=True)
class CountedAttempt:
    """One look-up; it counts only if it fails."""

    rates: RateLimits
    counters: Sequence[_Counter]

    async def failed(self) -> None:
        for counter in self.counters:
            await self.rates.hit(counter)


class RateLimits:
    """Counts in this process, or in Redis for all gateways; where Redis does not answer, in this process."""

    def __init__(
        self, settings: Rates, secret: str, redis: str | None = None, refused: Callable[[str], None] | None = None
    ) -> None:
        self._key = hashlib.sha256(b"aftersale rates" + secret.encode()).digest()
        self._own = FixedWindowRateLimiter(MemoryStorage())
        self._shared: FixedWindowRateLimiter | None = None
        if redis is not None:
            try:
                storage = RedisStorage(
                    f"async+{redis}", wrap_exceptions=True, implementation="redispy", key_prefix="aftersale"
                )
            except ConfigurationError:
                raise RedisMissing("redis is configured and its library is not installed: aftersale[redis]") from None
            self._shared = FixedWindowRateLimiter(storage)
        #: Told the kind of each limit that refused somebody.
        self._refused = refused
        self._client = RateLimitItemPerMinute(settings.client_per_minute)
        self._customer = RateLimitItemPerMinute(settings.customer_per_minute)
        self._codes = RateLimitItemPerHour(settings.codes_per_address)
        self._lookups = {
            "client": RateLimitItemPerHour(settings.failed_lookups_per_client),
            "number": RateLimitItemPerHour(settings.failed_lookups_per_number),
            "proof": RateLimitItemPerHour(settings.failed_lookups_per_proof),
            "end_user": RateLimitItemPerHour(settings.failed_lookups_per_end_user),
            "store": RateLimitItemPerHour(settings.failed_lookups_per_store),
        }

    async def request(self, viewer: Viewer) -> None:
        """Count a request.

        Raises:
            TooMany: of its client, or of the customer it speaks for.
        """
        counters = [_Counter(self._client, "client", viewer.client)]
        if viewer.customer_email is not None:
            counters.append(_Counter(self._customer, "customer", self._hashed(viewer.customer_email)))
        for counter in counters:
            if not await self.hit(counter):
                await self._refuse(counter, f"too many requests of this {counter.what}; wait before the next one")

    async def attempt(
        self, viewer: Viewer, number: str, proofs: Sequence[str], stores: Sequence[str], end_user: str | None
    ) -> CountedAttempt:
        """Let a look-up begin.

        Raises:
            TooMany: of its client, number, address or postal code, end user or store, too many found nothing.
        """
        said = [("client", viewer.client), ("number", self._hashed(number))]
        said += [("proof", self._hashed(proof)) for proof in proofs]
        said += [("store", store) for store in stores]
        if end_user is not None:
            said.append(("end_user", self._hashed(end_user)))
        counters = [_Counter(self._lookups[what], f"lookup.{what}", key) for what, key in said]
        for counter in counters:
            if not await self._free(counter):
                await self._refuse(counter, _LOOKUPS)
        return CountedAttempt(self, counters)

    async def code(self, email: Email) -> bool:
        """Count a code to an address; False: no more may be sent for now."""
        return await self.hit(_Counter(self._codes, "codes", self._hashed(email)))

    async def hit(self, counter: _Counter) -> bool:
        if self._shared is not None:
            try:
                return await self._shared.hit(counter.item, counter.what, counter.key)
            except Exception as error:  # whatever the driver raises: the counts of this process hold meanwhile
                _log.warning("redis_unreachable", kind=type(error).__name__)
        return await self._own.hit(counter.item, counter.what, counter.key)

    async def _free(self, counter: _Counter) -> bool:
        if self._shared is not None:
            try:
                return await self._shared.test(counter.item, counter.what, counter.key)
            except Exception as error:
                _log.warning("redis_unreachable", kind=type(error).__name__)
        return await self._own.test(counter.item, counter.what, counter.key)

    async def _refuse(self, counter: _Counter, message: str) -> None:
        if self._refused is not None:
            self._refused(counter.what)
        limiter = self._own
        wait = float(counter.item.get_expiry())
        if self._shared is None:
            stats = await limiter.get_window_stats(counter.item, counter.what, counter.key)
            wait = stats.reset_time - time.time()
        raise TooMany(message, max(1, math.ceil(wait)))

    def _hashed(self, text: str) -> str:
        return hashlib.blake2b(text.encode(), key=self._key, digest_size=16).hexdigest()
