"""What is wrong with a store that does not answer as it should, and what a person can do about it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from platforms.base import ACTIONS, Platform, StoreConfig
from platforms.errors import (
    BadCredentials,
    DeadlineExceeded,
    MissingScope,
    PlatformError,
    Throttled,
    Unreadable,
    Unsupported,
)
from schema.vocabulary import SupportLevel

#: Settings that say where a store is and which one, wherever a platform has them.
_ADDRESS = ("url", "auth_url", "shop", "store_hash", "store_code", "project", "region")


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is not as it should be, in words: what it is, and what helps."""

    store: str
    cause: str
    cure: str
    #: The store cannot be used before this is put right.
    fatal: bool = True

    def __str__(self) -> str:
        return f"{self.store}: {self.cause.rstrip('.')}. {self.cure}"


async def ask(platforms: Iterable[Platform]) -> Mapping[str, PlatformError | None]:
    """Ask every store who it is, all at once, and hang up; by id, with the error of those that do not tell."""

    async def one(platform: Platform) -> PlatformError | None:
        try:
            await platform.probe()
        except PlatformError as error:
            return error
        finally:
            await platform.close()
        return None

    asked = list(platforms)
    found = await asyncio.gather(*map(one, asked))
    return {platform.config.id: error for platform, error in zip(asked, found, strict=True)}


def findings(platform: Platform, error: PlatformError | None) -> list[Finding]:
    """What is to be told of a store that was asked; nothing where all is well."""
    id = platform.config.id
    if error is not None:
        return [Finding(id, error.message, _cure(platform, error))]
    told = []
    lacking: dict[tuple[str, ...], list[str]] = {}
    for action in ACTIONS:
        capability = platform.capability(action)
        if capability.support is SupportLevel.MISSING_SCOPE and platform.found is not None:
            scopes = platform.found.missing_scopes[action]
            lacking.setdefault(scopes, []).append(action.value.lower().replace("_", " "))
    for scopes, actions in lacking.items():
        told.append(
            Finding(
                id,
                f"the credentials lack {', '.join(scopes)}, so they cannot {', '.join(actions)}",
                f"Grant {'it' if len(scopes) == 1 else 'them'} to the credentials at {platform.name}.",
                fatal=False,
            )
        )
    wanted, answered = type(platform).api_version, platform.found.api_version if platform.found else None
    if wanted is not None and answered not in (None, wanted):
        told.append(
            Finding(
                id,
                f"version {wanted} of {platform.name}'s interface is gone, and {answered} answers in its place",
                "Update the gateway to one that was written for it.",
                fatal=False,
            )
        )
    return told


def _cure(platform: Platform, error: PlatformError) -> str:
    where = _address(platform.config)
    status = next((native.http_status for native in error.native if native.http_status is not None), None)
    gone = f"this gateway speaks version {platform.api_version}" if platform.api_version else "this gateway is older"
    match error:
        case BadCredentials():
            return f"Put valid `credentials` ({_credentials(platform.config)}) into the configuration."
        case MissingScope():
            named = f" ({', '.join(error.scopes)})" if error.scopes else ""
            return f"Grant what is missing{named} to the credentials at {platform.name}."
        case Throttled():
            return "Try again later: the store is asked too often, perhaps by other apps."
        case Unsupported():
            return "Remove what this store cannot do from the configuration."
        case Unreadable():
            return f"Something other than {platform.name} answers there: check {where}, and any proxy before it."
        case DeadlineExceeded():
            return "The store is slow: try again, or raise `deadlines`."
    if status is None:
        return f"Check {where}, that the store is up, and that this machine may reach it."
    if status in (404, 410):
        return (
            f"Check {where}. If that is right, {platform.name} no longer offers the version that is asked for "
            f"({gone}): update the gateway."
        )
    if 300 <= status < 400:
        return f"Write the address it redirects to into {where}; redirects are never followed with credentials."
    if status in (401, 403, 405, 406):
        return f"Something before {platform.name} keeps the gateway out: let it through the firewall, or check {where}."
    if status >= 500:
        return f"{platform.name} itself fails: try again later, and look at its status page."
    return f"Check {where} and the `credentials`."


def _address(config: StoreConfig) -> str:
    """The settings that say where the store is, as they are written in the file."""
    set_ = [name for name in _ADDRESS if getattr(config, name, None) is not None]
    return " and ".join(f"`{name}` ({getattr(config, name)})" for name in set_) or "where the store is"


def _credentials(config: StoreConfig) -> str:
    given = getattr(config, "credentials", None)
    names = sorted(given.model_fields_set) if given is not None else []
    return ", ".join(f"`{name}`" for name in names) or "none are given"
