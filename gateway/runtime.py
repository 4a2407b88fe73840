"""The parts of a running gateway, put together from its settings and taken apart again."""

from __future__ import annotations

import asyncio
import random
import uuid
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime

import structlog

from actions.desk import ActionDesk
from actions.ledger import Ledger
from actions.notices import Notices
from actions.recovery import Recovery
from actions.retention import Retention
from gateway.credentials import Credentials
from gateway.identity import Identity, TokenDesk
from gateway.proofs import Post, Proofs, by_mail
from gateway.rates import RateLimits
from gateway.settings import Settings
from gateway.telemetry import Telemetry
from gateway.tokens import Tokens
from gateway.webhook import WebhookCarrier
from platforms.base import Platform
from platforms.base import Services as PlatformServices
from platforms.errors import PlatformError
from platforms.exchange import NewClient
from platforms.registry import PLATFORMS
from platforms.transport import Limits, background, store_deadline
from policies.processor import PolicyProcessor
from resolvers.context import Services
from resolvers.sealing import Seal
from resolvers.stores import Stores

_log = structlog.get_logger(__name__)

#: Seconds between two looks at the policy files.
_POLICY_LOOK = 2.0


def _now() -> datetime:
    return datetime.now(UTC)


def build_platforms(
    settings: Settings,
    telemetry: Telemetry | None = None,
    extra_headers: Callable[[], Mapping[str, str]] | None = None,
) -> dict[str, Platform]:
    """One adapter for each configured store. Opens no connection."""
    services = PlatformServices(
        observer=telemetry,
        limits=Limits(whole=settings.deadlines.request_seconds),
        extra_headers=extra_headers,
        client=_client(settings.client),
    )
    return {id: PLATFORMS[config.platform].load()(config, services) for id, config in settings.stores.items()}


def _client(name: str) -> NewClient | None:
    if name == "own":
        return None
    from platforms.aiohttp_client import AiohttpClient  # else nobody pays for loading it

    return AiohttpClient


class Runtime:
    """A gateway with its stores, policy and ledger; `start` before the first request, `stop` after the last."""

    def __init__(
        self,
        settings: Settings,
        *,
        sandbox: bool = False,
        extra_headers: Callable[[], Mapping[str, str]] | None = None,
        post: Post | None = None,
    ) -> None:
        self.settings = settings
        self.sandbox = sandbox
        self.telemetry = Telemetry()
        secret = settings.secret.reveal()
        self.platforms = build_platforms(settings, self.telemetry, extra_headers)
        self.policies = PolicyProcessor.load(
            settings.policies, {id: platform.store for id, platform in self.platforms.items()}
        )
        self._secret = secret
        #: Takes one-time codes to people; None: nothing does.
        self._post = post or (by_mail(settings.mail) if settings.mail is not None else None)
        self.tokens = Tokens(settings.identity_providers, secret, observer=self.telemetry)
        self.rates = RateLimits(settings.rates, secret, settings.redis, self.telemetry.refused)
        self._tasks: list[asyncio.Task[None]] = []
        self.ledger: Ledger
        self.credentials: Credentials
        self.identity: Identity
        self.proofs: Proofs | None = None
        self.notices: Notices | None = None
        self.retention: Retention | None = None
        self.desk: ActionDesk
        self.services: Services

    async def start(self) -> None:
        """Open the ledger, take up what an earlier process left, and get to know the stores.

        Raises:
            LedgerTooNew, LedgerUnreachable, SQLAlchemyError: the database cannot be used.
        """
        self.ledger = Ledger(self.settings.ledger)
        await self.ledger.open()
        self.credentials = Credentials(self.ledger)
        await self.credentials.open()
        self.identity = Identity(
            self.settings.api_keys,
            self._secret,
            credentials=self.credentials,
            tokens=self.tokens,
            open_to_all=self.sandbox,
        )
        if self._post is not None:
            self.proofs = Proofs(self.credentials, self.rates, self._secret, self._post)
        gateway_id = uuid.uuid4().hex
        if (webhook := self.settings.approvals.webhook) is not None:
            carrier = WebhookCarrier(webhook, _now, self.telemetry)
            self.notices = Notices(self.ledger, carrier, _now, gateway_id)
        self.desk = ActionDesk(
            self.ledger,
            self.policies,
            self.platforms,
            secret=self._secret,
            gateway_id=gateway_id,
            notices=self.notices,
            observer=self.telemetry,
            request_seconds=self.settings.deadlines.request_seconds,
        )
        self.services = Services(
            stores=Stores(self.platforms),
            desk=self.desk,
            policies=self.policies,
            seal=Seal(self._secret),
            store_seconds=self.settings.deadlines.store_seconds,
            access=TokenDesk(self.identity, self.credentials, self.proofs),
            lookups=self.rates,
        )
        self.recovery = Recovery(self.desk)
        await self.recovery.start()
        if self.notices is not None:
            await self.notices.start()
        if self.settings.retention_days is not None:
            self.retention = Retention(self.ledger, self.desk.privacy, self.settings.retention_days, _now)
            await self.retention.start()
        self._known = {id: asyncio.Event() for id in self.platforms}
        self._probes = asyncio.create_task(self._probe_all())
        self._tasks = [self._probes, asyncio.create_task(self._watch_policies())]

    async def probed(self) -> None:
        """Wait until every store has said who it is."""
        await asyncio.gather(*(known.wait() for known in self._known.values()))

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        for task in self._tasks:
            with suppress(asyncio.CancelledError):
                await task
        if self.retention is not None:
            await self.retention.stop()
        if self.notices is not None:
            await self.notices.stop()
        await self.recovery.stop()
        await self.desk.finish()
        if self.proofs is not None:
            await self.proofs.finish()
        await self.credentials.close()
        await self.tokens.close()
        await asyncio.gather(*(platform.close() for platform in self.platforms.values()))
        await self.ledger.close()

    async def not_ready(self) -> dict[str, str]:
        """What keeps the gateway from serving, by part; empty when it is ready. A store that is down does not."""
        troubles = {}
        try:
            await self.ledger.ping()
        except Exception as error:  # whatever the database driver raises, the gateway is not ready
            _log.error("database_unreachable", kind=type(error).__name__)
            troubles["database"] = "the database does not answer"
        if self.policies.problem is not None:
            troubles["policy"] = "the policy files hold mistakes; the last good policy is still in force"
        return troubles

    async def _probe_all(self) -> None:
        """Ask each store who it is, and again from time to time what it can do."""
        background.set(True)
        await asyncio.gather(*(self._probe(platform) for platform in self.platforms.values()))

    async def _probe(self, platform: Platform) -> None:
        """A store that does not answer is asked again, ever more rarely, and keeps what was known of it."""
        id, wait = platform.config.id, 1.0
        warned: tuple[str, ...] = ()
        while True:
            before = platform.capabilities_now()
            try:
                with store_deadline(self.settings.deadlines.request_seconds):
                    found = await platform.probe(anew=self._known[id].is_set())
            except PlatformError as error:
                _log.warning("store_not_probed", store=id, code=error.code.value, why=error.message)
                await asyncio.sleep(wait)
                wait = min(wait * 2, 300.0)
                continue
            for warning in found.warnings:
                if warning not in warned:
                    _log.warning("store_warning", store=id, warning=warning)
            if self._known[id].is_set() and platform.capabilities_now() != before:
                _log.info("store_capabilities_changed", store=id)
            warned, wait = found.warnings, 1.0
            self._known[id].set()
            # Not all stores at once, nor all gateways.
            await asyncio.sleep(self.settings.capabilities_minutes * 60 * random.uniform(0.8, 1.2))

    async def _watch_policies(self) -> None:
        while True:
            await asyncio.sleep(_POLICY_LOOK)
            if self.policies.refresh():
                _log.info("policy_reloaded", name=self.policies.name, digest=self.policies.digest)
