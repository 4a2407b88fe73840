"""Which stores there are, which of them a request means, and which bill for which."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from platforms.base import Operation, Platform
from resolvers.errors import BadArgument
from schema.ids import MalformedId, parse_typed


class Stores:
    """The configured stores, in the order of the configuration."""

    def __init__(self, platforms: Mapping[str, Platform]) -> None:
        self.by_key = dict(platforms)
        self._extended: dict[str, list[Platform]] = {}
        for platform in platforms.values():
            if platform.config.extends is not None:
                self._extended.setdefault(platform.config.extends, []).append(platform)

    def get(self, key: str) -> Platform | None:
        return self.by_key.get(key)

    def all(self) -> list[Platform]:
        return list(self.by_key.values())

    def billing_for(self, key: str) -> Sequence[Platform]:
        """The stores that extend a shop."""
        return self._extended.get(key, ())

    def named(self, ids: Sequence[str] | None, argument: str = "stores") -> list[Platform]:
        """The stores an argument names, by id (`Store:us`) or by key (`us`); every store where it is left out.

        Raises:
            BadArgument: there is no such store; the message names those there are.
        """
        if ids is None:
            return self.all()
        found = []
        for id in ids:
            platform = self._one(id)
            if platform is None:
                known = ", ".join(self.by_key)
                raise BadArgument(argument, f"there is no store {id[:80]!r}; the stores are: {known}")
            if platform not in found:
                found.append(platform)
        return found

    def _one(self, id: str) -> Platform | None:
        if ":" not in id:
            return self.by_key.get(id)
        try:
            return self.by_key.get(parse_typed(id, "Store", 1).store)
        except MalformedId:
            return None


def able(platforms: Iterable[Platform], operation: Operation) -> list[Platform]:
    """Those of them that have the operation at all; the others have nothing to say and nothing is missing."""
    return [platform for platform in platforms if platform.supports(operation)]
