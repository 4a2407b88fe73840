"""How `aftersale.yaml` is written: which words it takes, where each secret comes from, and what to say of a mistake."""

from __future__ import annotations

import difflib
import os
import re
import types
import typing
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import quote, unquote
from zoneinfo import ZoneInfo, available_timezones

from babel.numbers import list_currencies
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SerializeAsAny,
    ValidationError,
    field_validator,
    model_validator,
)
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.constructor import DuplicateKeyError
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from platforms.addresses import check_base_url
from platforms.base import StoreConfig
from platforms.registry import PLATFORMS, PlatformEntry
from platforms.secrets import SecretText
from schema.access import DEFAULT_SCOPES, NEVER_A_CUSTOMERS, SCOPES, SESSIONS_CREATE, UnknownScope, known_scopes
from schema.vocabulary import ActorKind, AssuranceLevel

#: The gateway's key seals customer ids and signs previews; shorter ones could be guessed.
SECRET_LENGTH = 32
API_KEY_LENGTH = 16
WEBHOOK_SECRET_LENGTH = 24

Where = tuple[str | int, ...]

_STORE_ID = re.compile(r"[a-z][a-z0-9-]{0,30}")
_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")


# ------------------------------------------------------------------ what is told to a person
@dataclass(frozen=True, order=True)
class Issue:
    """One mistake: lines and columns count from 1. `str(issue)` is `file:line:column: message (hint)`."""

    file: str
    line: int
    column: int
    message: str
    hint: str = ""

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}: {self.message}" + (f" ({self.hint})" if self.hint else "")


class SettingsError(Exception):
    """The configuration cannot be used; `issues` has every mistake found, in the order of the file."""

    def __init__(self, issues: Iterable[Issue]) -> None:
        self.issues = tuple(sorted(issues))
        super().__init__("\n".join(map(str, self.issues)))


# ------------------------------------------------------------------ the words
class _Words(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


def _member(*allowed: ActorKind | AssuranceLevel) -> BeforeValidator:
    by_name = {member.name: member for member in allowed}

    def choose(value: object) -> object:
        if isinstance(value, str) and value in by_name:
            return by_name[value]
        if value in allowed and not isinstance(value, int | str):
            return value
        raise ValueError(f"one of {', '.join(by_name)} is needed here")

    return BeforeValidator(choose)


def _a_scope(word: object) -> object:
    if not isinstance(word, str):
        raise ValueError("a scope is needed here")
    try:
        known_scopes([word])
    except UnknownScope as error:
        near = _nearest(word, SCOPES)
        raise ValueError(f'there is no scope "{word[:64]}"; {near}' if near else str(error)) from None
    return word


_Scope = Annotated[str, BeforeValidator(_a_scope)]


class ApiKey(_Words):
    """A bearer token of a caller: a chatbot's backend (`BOT`) or a desk (`STAFF`); never more than VERIFIED."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9 ._-]{0,63}$")
    key: SecretText
    assurance: Annotated[AssuranceLevel, _member(AssuranceLevel.CLAIMED, AssuranceLevel.VERIFIED)] = (
        AssuranceLevel.CLAIMED
    )
    kind: Annotated[ActorKind, _member(ActorKind.BOT, ActorKind.STAFF)] = ActorKind.BOT
    scopes: tuple[_Scope, ...] = DEFAULT_SCOPES
    #: The address of the person who stands behind it: what it asks for, that person may not approve.
    person: Annotated[str, Field(pattern=r"^[^@\s]+@[^@\s]+$")] | None = None
    #: It makes changes only after a preview was confirmed; so do the customer sessions it makes.
    require_preview: bool = False

    @field_validator("key")
    @classmethod
    def _long_enough(cls, key: SecretText) -> SecretText:
        if len(key) < API_KEY_LENGTH:
            raise ValueError(f"the key has {len(key)} characters; at least {API_KEY_LENGTH} are needed")
        text = key.reveal()
        if not text.isascii() or any(char.isspace() or char == "," for char in text):
            raise ValueError("the key must be one word of plain characters, without commas")
        return key


class IdentityProvider(_Words):
    """Who vouches for people: tokens of this issuer, for this audience, signed with one of its published keys."""

    #: Ours, for logs and counts.
    name: str = Field(pattern=r"^[a-z][a-z0-9-]{0,30}$")
    issuer: str = Field(min_length=1)
    audience: str = Field(min_length=1)
    #: Where the provider publishes its keys; or the keys themselves, as it would publish them.
    jwks_url: str | None = None
    jwks: Mapping[str, Any] | None = None
    allow_private_address: bool = False
    algorithms: tuple[Literal["RS256", "ES256", "EdDSA", "Ed25519"], ...] = ("RS256", "ES256", "EdDSA", "Ed25519")
    #: The claim that holds a person's roles; dots lead inside.
    roles_claim: str = "roles"
    #: A person with one of these is staff; anybody else is the customer of their e-mail address.
    staff_roles: tuple[str, ...] = ()
    staff_scopes: tuple[_Scope, ...] = tuple(scope for scope in SCOPES if scope != SESSIONS_CREATE)
    customer_scopes: tuple[_Scope, ...] = DEFAULT_SCOPES
    #: Seconds that the provider's clock and ours may be apart.
    clock_skew_seconds: float = Field(default=60, ge=0, le=600)

    @model_validator(mode="after")
    def _keys_can_be_had(self) -> Self:
        if (self.jwks_url is None) == (self.jwks is None):
            raise ValueError("one of jwks_url and jwks is needed")
        if self.jwks_url is not None:
            check_base_url(self.jwks_url, allow_private=self.allow_private_address)
        elif not isinstance((self.jwks or {}).get("keys"), list):
            raise ValueError("jwks needs a list of keys")
        if not self.algorithms:
            raise ValueError("one algorithm is needed at least")
        if not NEVER_A_CUSTOMERS.isdisjoint(self.customer_scopes):
            raise ValueError(f"customer_scopes may not hold {', '.join(sorted(NEVER_A_CUSTOMERS))}")
        return self


class Webhook(_Words):
    """Where a notice goes when an action waits for approval; signed as Standard Webhooks are."""

    url: str
    #: Signs each notice; the receiver has it too.
    secret: SecretText
    allow_private_address: bool = False

    @model_validator(mode="after")
    def _safe_address(self) -> Self:
        check_base_url(self.url, allow_private=self.allow_private_address)
        if len(self.secret) < WEBHOOK_SECRET_LENGTH:
            found = len(self.secret)
            raise ValueError(f"the secret has {found} characters; at least {WEBHOOK_SECRET_LENGTH} are needed")
        return self


class Approvals(_Words):
    """How people learn that something waits for them."""

    webhook: Webhook | None = None


class Mail(_Words):
    """How one-time codes are sent."""

    host: str = Field(min_length=1)
    port: int = Field(default=587, ge=1, le=65535)
    sender: str = Field(pattern=r"^[^@\s]+@[^@\s]+$")
    username: str | None = None
    password: SecretText | None = None
    #: `none` only where the server is on this machine or network.
    encryption: Literal["starttls", "tls", "none"] = "starttls"


class Rates(_Words):
    """How often is too often."""

    client_per_minute: int = Field(default=6000, ge=1)
    customer_per_minute: int = Field(default=240, ge=1)
    #: Look-ups by number that found nothing, an hour.
    failed_lookups_per_client: int = Field(default=300, ge=1)
    failed_lookups_per_number: int = Field(default=10, ge=1)
    failed_lookups_per_proof: int = Field(default=10, ge=1)
    failed_lookups_per_end_user: int = Field(default=20, ge=1)
    failed_lookups_per_store: int = Field(default=2000, ge=1)
    #: Codes sent to one address, an hour.
    codes_per_address: int = Field(default=5, ge=1)


class Server(_Words):
    """Where the gateway listens."""

    host: str = Field(default="127.0.0.1", min_length=1)
    port: int = Field(default=8000, ge=0, le=65535)
    #: Pages of these origins may ask from a browser; there are none unless they are named.
    origins: tuple[Annotated[str, Field(pattern=r"^https?://[a-z0-9.-]+(:[0-9]{1,5})?$")], ...] = ()


class Limits(_Words):
    """What one request may cost, counted before anything is read; docs/security.md tells each."""

    #: Bytes of the body.
    request_bytes: int = Field(default=262_144, ge=1_024)
    #: Bytes of the first line and the headers.
    header_bytes: int = Field(default=32_768, ge=4_096, le=1_048_576)
    query_tokens: int = Field(default=2_000, ge=50)
    query_comments: int = Field(default=500, ge=10)
    #: Characters of a name: answers repeat an alias for every item, errors repeat names.
    name_length: int = Field(default=200, ge=40)
    #: Levels of fields inside one another.
    query_depth: int = Field(default=18, ge=3, le=100)
    #: Fields at the top of an operation.
    root_fields: int = Field(default=20, ge=1)
    #: Aliases, and fields asked for again in the same place.
    aliases: int = Field(default=60, ge=1)
    directives: int = Field(default=50, ge=1)
    #: Fragments, each counted wherever it stands.
    fragments: int = Field(default=100, ge=1)
    #: Pairs of fields that stand in one place of the answer, through fragments: validation compares each.
    overlaps: int = Field(default=10_000, ge=100)
    #: Items of any list in the arguments.
    list_items: int = Field(default=200, ge=1)
    #: Lists and objects inside one another, in the arguments.
    value_depth: int = Field(default=24, ge=4, le=100)
    #: As `@cost` and `@listSize` of the schema count it.
    cost: int = Field(default=20_000, ge=100)
    #: Errors in one answer.
    errors: int = Field(default=50, ge=2)


class Deadlines(_Words):
    """Seconds: what one store may take of a request, and what the whole request may take."""

    store_seconds: float = Field(default=4, gt=0, le=120)
    request_seconds: float = Field(default=15, gt=0, le=300)

    @model_validator(mode="after")
    def _a_store_fits_into_a_request(self) -> Self:
        if self.store_seconds > self.request_seconds:
            raise ValueError(
                f"store_seconds ({self.store_seconds:g}) is longer than request_seconds ({self.request_seconds:g})"
            )
        return self


class Documents(_Words):
    """Trusted documents: manifests of `aftersale documents build`, and the clients that may run nothing else."""

    manifests: tuple[Path, ...] = ()
    #: Names of clients; `"*"` is every client.
    only: tuple[Annotated[str, Field(min_length=1)], ...] = ()


class Settings(_Words):
    """A checked configuration. Paths are absolute; secrets are resolved and print as `***`."""

    #: By id; each is its platform's own `Config`.
    stores: Mapping[str, SerializeAsAny[StoreConfig]]
    #: A file, or a folder of YAML files.
    policies: Path
    #: The ledger: `sqlite:///` and a path, or `postgresql://user:${PASSWORD}@host/name`, which is kept as a secret.
    database: str | SecretText = "sqlite:///aftersale.db"
    #: Days after which a finished action becomes a tombstone that names nobody; None: never.
    retention_days: int | None = Field(default=None, ge=1, le=36500)
    #: Minutes after which a store is asked again what it can do: a plug-in may be installed, a permission granted.
    capabilities_minutes: float = Field(default=15, gt=0, le=1440)
    #: `redis://` and where: counts of rates are then shared by all gateways.
    redis: Annotated[str, Field(pattern=r"^rediss?://\S+$")] | None = Field(default=None, repr=False)
    secret: SecretText
    api_keys: tuple[ApiKey, ...] = ()
    identity_providers: tuple[IdentityProvider, ...] = ()
    mail: Mail | None = None
    approvals: Approvals = Approvals()
    rates: Rates = Rates()
    server: Server = Server()
    limits: Limits = Limits()
    documents: Documents = Documents()
    #: Else the schema, GraphiQL and suggestions are open to every caller, and a plain link may ask a query.
    production: bool = True
    deadlines: Deadlines = Deadlines()
    #: What carries the calls to the stores: a client of our own, or aiohttp, which takes some three times the CPU time.
    client: Literal["own", "aiohttp"] = "own"

    @field_validator("secret")
    @classmethod
    def _hard_to_guess(cls, secret: SecretText) -> SecretText:
        if len(secret) < SECRET_LENGTH:
            raise ValueError(f"the gateway's secret has {len(secret)} characters; at least {SECRET_LENGTH} are needed")
        return secret

    @field_validator("database")
    @classmethod
    def _known_database(cls, database: str | SecretText) -> str | SecretText:
        text = database.reveal() if isinstance(database, SecretText) else database
        if _is_server(text):
            from actions.databases import UnknownDatabase
            from actions.postgres import checked

            try:
                checked(text)
            except UnknownDatabase as error:
                raise ValueError(str(error)) from None
            return SecretText(text)
        if not re.fullmatch(r"sqlite:///[^?#]+", text) or text == "sqlite:///:memory:":
            raise ValueError(
                'the ledger lives in an SQLite file, written "sqlite:///path/to/file.db", or in PostgreSQL, written '
                '"postgresql://user:${PASSWORD}@host/name"'
            )
        return text

    @field_validator("identity_providers")
    @classmethod
    def _told_apart(cls, providers: tuple[IdentityProvider, ...]) -> tuple[IdentityProvider, ...]:
        for word in ("name", "issuer"):
            if len({getattr(provider, word) for provider in providers}) < len(providers):
                raise ValueError(f"two identity providers have the same {word}")
        return providers

    @property
    def ledger(self) -> str | Path:
        """Where the ledger is, as `Ledger` takes it: its file, or the address of a server with its password."""
        return self.database.reveal() if isinstance(self.database, SecretText) else self.database_path

    @property
    def database_path(self) -> Path:
        """The ledger's file. Raises `ValueError`: it is kept on a server."""
        if isinstance(self.database, SecretText):
            raise ValueError("the ledger is not kept in a file")
        return Path(unquote(self.database.removeprefix("sqlite:///")))


def _is_server(database: str) -> bool:
    return database.startswith(("postgresql:", "postgres:"))


# ------------------------------------------------------------------ from the file to the words
def load(
    path: Path | str = "aftersale.yaml",
    *,
    environment: Mapping[str, str] | None = None,
    platforms: Mapping[str, PlatformEntry] = PLATFORMS,
) -> Settings:
    """Read and check a configuration file; relative paths in it are relative to its folder.

    Raises `SettingsError` with every mistake found. `environment` is the process's own unless given.
    """
    reader = _Reader(Path(path), os.environ if environment is None else environment, platforms)
    settings = reader.settings()
    if settings is None or reader.issues:
        raise SettingsError(reader.issues.values())
    return settings


@dataclass
class _Reader:
    path: Path
    environment: Mapping[str, str]
    platforms: Mapping[str, PlatformEntry]
    #: The first mistake at each place; later ones at the same place follow from it.
    issues: dict[Where, Issue] = field(default_factory=dict)
    #: Line and column of each key and value, from 1.
    keys: dict[Where, tuple[int, int]] = field(default_factory=dict)
    values: dict[Where, tuple[int, int]] = field(default_factory=dict)

    def settings(self) -> Settings | None:
        data = self._read()
        if data is None:
            return None
        written_stores = data.get("stores")
        stores = self._stores(written_stores) if isinstance(written_stores, dict) else {}
        top: dict[str, Any] = {key: value for key, value in data.items() if key != "stores"}
        if "secret" not in top:
            top["secret"] = "${AFTERSALE_SECRET}"
        database = self._database(top.pop("database", None))
        top = self._resolve(top, Settings, ()) | ({} if database is None else {"database": database})
        if isinstance(written_stores, dict):
            top["stores"] = stores
            if not written_stores:
                self._issue(("stores",), "no store is configured", "stores: {us: {platform: …}}", at_key=True)
        elif "stores" in data:
            self._issue(("stores",), "a mapping from each store's id to its configuration is needed here")
            top["stores"] = {}
        self._files(top)
        self._callers(top)
        try:
            return Settings.model_validate(top)
        except ValidationError as error:
            self._refused(error, Settings, (), data)
            return None

    # -------------------------------------------------------------- reading
    def _read(self) -> dict[str, Any] | None:
        try:
            text = self.path.read_text(encoding="utf-8")
        except FileNotFoundError:
            self._issue((), "the file does not exist", "name another with --config")
            return None
        except UnicodeDecodeError:
            self._issue((), "the file is not UTF-8 text")
            return None
        except OSError as error:
            self._issue((), f"the file cannot be read: {error.strerror or error}")
            return None
        try:
            parsed = YAML(typ="rt", pure=True).load(text)
        except DuplicateKeyError as error:
            self.values[()] = (error.problem_mark.line + 1, error.problem_mark.column + 1)
            key = re.search(r'key "(.*?)"', error.problem)  # the rest of the text quotes the values, secrets among them
            self._issue((), f'the key "{key[1] if key else "?"}" is written twice')
            return None
        except MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            if mark is not None:
                self.values[()] = (mark.line + 1, mark.column + 1)
            self._issue((), _one_line(error.problem or error.context or "this is not YAML"))
            return None
        except (YAMLError, ValueError) as error:
            self._issue((), _one_line(str(error)) or "this is not YAML")
            return None
        if not isinstance(parsed, CommentedMap):
            self._issue((), "a mapping is needed here", "begin with `stores:`")
            return None
        plain = self._plain(parsed, ())
        return plain if isinstance(plain, dict) else None

    def _plain(self, node: Any, where: Where) -> Any:
        """The node without ruamel's types, its places remembered."""
        if isinstance(node, CommentedMap):
            mapping: dict[str, Any] = {}
            for key, value in node.items():
                below = (*where, key if isinstance(key, str) else str(key))
                place = node.lc.data.get(key) if node.lc.data else None  # a merged key (<<) has no place of its own
                if place is not None:
                    self.keys[below] = (place[0] + 1, place[1] + 1)
                    self.values[below] = (place[2] + 1, place[3] + 1)
                if isinstance(key, str):
                    mapping[key] = self._plain(value, below)
                else:
                    self._issue(below, f"the key {key!r} is not a word", f'write "{key}"', at_key=True)
            return mapping
        if isinstance(node, CommentedSeq):
            for index, place in (node.lc.data or {}).items():
                self.values[(*where, index)] = (place[0] + 1, place[1] + 1)
            return [self._plain(value, (*where, index)) for index, value in enumerate(node)]
        if isinstance(node, bool) or node is None:
            return node
        for kind in (str, int, float):
            if isinstance(node, kind):
                return kind(node)
        return node

    # -------------------------------------------------------------- stores
    def _stores(self, written: Mapping[str, Any]) -> dict[str, StoreConfig]:
        stores: dict[str, StoreConfig] = {}
        for id, value in written.items():
            store = self._store(id, value, written)
            if store is not None:
                stores[id] = store
        return stores

    def _store(self, id: str, value: Any, written: Mapping[str, Any]) -> StoreConfig | None:
        where: Where = ("stores", id)
        good_id = _STORE_ID.fullmatch(id) is not None
        if not good_id:
            self._issue(
                where,
                f'"{id}" cannot be a store\'s id',
                "a lower-case letter, then at most 30 lower-case letters, digits or hyphens",
                at_key=True,
            )
        if not isinstance(value, dict):
            self._issue(where, f'the store "{id}" needs a mapping', "{platform: …, credentials: …}")
            return None
        known = ", ".join(sorted(self.platforms))
        if "platform" not in value:
            self._issue((*where, "platform"), f'the store "{id}" does not name its platform', f"one of {known}")
            return None
        platform = value["platform"]
        if not isinstance(platform, str) or platform not in self.platforms:
            hint = _nearest(platform, self.platforms) or f"one of {known}"
            self._issue((*where, "platform"), f"there is no platform {_shown(platform)}", hint)
            return None
        self._extends(id, value, written)
        model = self.platforms[platform].load().Config
        if "id" in value:
            self._issue((*where, "id"), "a store's id is the key it stands under", "leave this out", at_key=True)
        resolved = self._resolve(value, model, where) | {"id": id if good_id else "x"}
        self._zone_and_currency(where, resolved)
        try:
            return model.model_validate(resolved)
        except ValidationError as error:
            self._refused(error, model, where, value)
            return None

    def _extends(self, id: str, value: Mapping[str, Any], written: Mapping[str, Any]) -> None:
        target = value.get("extends")
        if target is None:
            return
        where = ("stores", id, "extends")
        if target == id:
            self._issue(where, f'the store "{id}" cannot extend itself')
        elif not isinstance(target, str) or target not in written:
            others = [other for other in written if other != id]
            hint = _nearest(target, others) or (f"one of {', '.join(others)}" if others else "no other store is here")
            self._issue(where, f"there is no store {_shown(target)} to extend", hint)
        elif isinstance(written[target], dict) and written[target].get("extends") is not None:
            self._issue(where, f'"{target}" itself extends another store; only a shop can be extended')

    def _zone_and_currency(self, where: Where, store: Mapping[str, Any]) -> None:
        zone = store.get("time_zone")
        if isinstance(zone, str) and not _is_zone(zone):
            hint = _nearest(zone, available_timezones()) or 'a name such as "Europe/Berlin"'
            self._issue((*where, "time_zone"), f'there is no time zone "{zone}"', hint)
        currency = store.get("currency")
        if isinstance(currency, str) and currency not in (known := list_currencies()):
            hint = f'did you mean "{currency.upper()}"?' if currency.upper() in known else "three letters of ISO 4217"
            self._issue((*where, "currency"), f'there is no currency "{currency}"', hint)

    # -------------------------------------------------------------- the rest of the file
    def _files(self, top: dict[str, Any]) -> None:
        folder = self.path.absolute().parent
        policies = top.get("policies")
        if isinstance(policies, str):
            found = folder / policies
            if not found.exists():
                self._issue(("policies",), f'there is no file or folder "{policies}"', f"looked in {folder}")
            elif found.is_dir() and not any(file.suffix in (".yaml", ".yml") for file in found.iterdir()):
                self._issue(("policies",), f'the folder "{policies}" has no .yaml file')
            top["policies"] = found
        self._manifests(top, folder)
        database = top.setdefault("database", "sqlite:///aftersale.db")
        if isinstance(database, str) and re.fullmatch(r"sqlite:///[^/:?#][^?#]*", database):
            top["database"] = f"sqlite:///{folder / database.removeprefix('sqlite:///')}"

    def _manifests(self, top: dict[str, Any], folder: Path) -> None:
        documents = top.get("documents")
        manifests = documents.get("manifests") if isinstance(documents, dict) else None
        if not isinstance(documents, dict) or not isinstance(manifests, list):
            return
        for index, one in enumerate(manifests):
            if isinstance(one, str) and not (folder / one).is_file():
                self._issue(("documents", "manifests", index), f'there is no file "{one}"', f"looked in {folder}")
        found = [folder / one if isinstance(one, str) else one for one in manifests]
        top["documents"] = {**documents, "manifests": found}

    def _callers(self, top: Mapping[str, Any]) -> None:
        written = top.get("api_keys")
        if written is None and not top.get("identity_providers"):
            self._issue(
                ("api_keys",),
                "no API key is configured, so nobody could ask anything",
                'api_keys: [{name: chatbot, key: "${CHATBOT_KEY}"}], or [] where `aftersale key create` makes them',
                at_key=True,
            )
        seen: list[tuple[str, Any]] = []
        for index, entry in enumerate(written if isinstance(written, list) else ()):
            for word in ("name", "key"):
                value = entry.get(word) if isinstance(entry, dict) else None
                if value is not None and (word, value) in seen:
                    self._issue(("api_keys", index, word), f"another API key already has this {word}")
                seen.append((word, value))

    # -------------------------------------------------------------- secrets and variables
    def _resolve(self, value: Mapping[str, Any], model: type[BaseModel], where: Where) -> dict[str, Any]:
        """The mapping with every `${VARIABLE}` put in and every secret fetched; what failed is left out."""
        resolved: dict[str, Any] = {}
        for key, item in value.items():
            answer = self._resolved(item, list(_annotations(model, key)), (*where, key))
            if answer is not _MISSING:
                resolved[key] = answer
        return resolved

    def _resolved(self, value: Any, annotations: Sequence[Any], where: Where) -> Any:
        kinds = [kind for annotation in annotations for kind in _flat(annotation)]
        if isinstance(value, dict):
            resolved = {}
            for key, item in value.items():
                below = [found for kind in kinds for found in _annotations(kind, key)]
                answer = self._resolved(item, below, (*where, key))
                if answer is not _MISSING:
                    resolved[key] = answer
            return resolved
        if isinstance(value, list):
            below = [argument for kind in kinds for argument in typing.get_args(kind) if argument is not Ellipsis]
            items = [self._resolved(item, below, (*where, index)) for index, item in enumerate(value)]
            return [item for item in items if item is not _MISSING]
        if SecretText in kinds and value is not None:
            return self._secret(value, where)
        return self._text(value, where) if isinstance(value, str) else value

    def _secret(self, value: Any, where: Where) -> SecretText | object:
        if isinstance(value, str):
            if (variable := _VARIABLE.fullmatch(value)) is not None:
                text = self._variable(variable[1], where)
                return _MISSING if text is None else SecretText(text)
            if value.startswith("file:"):
                return self._secret_file(value.removeprefix("file:"), where)
        suggestion = "_".join(str(part) for part in where if part not in ("stores", "credentials"))
        suggestion = re.sub(r"[^A-Z0-9]+", "_", suggestion.upper())
        self._issue(
            where,
            f"{_name(where)} is a secret and must not be written here",
            f'write "${{{suggestion}}}" and set that environment variable, or file:path/to/secret',
        )
        return _MISSING

    def _secret_file(self, written: str, where: Where) -> SecretText | object:
        name = _name(where)
        path = self.path.absolute().parent / written
        try:
            text = path.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
            self._issue(where, f"the secret {name} cannot be read from {path}: {reason}")
            return _MISSING
        if not text:
            self._issue(where, f"the secret {name} is empty: {path}")
            return _MISSING
        return SecretText(text)

    def _text(self, value: str, where: Where) -> Any:
        missing = False

        def put_in(match: re.Match[str]) -> str:
            nonlocal missing
            text = self._variable(match[1], where)
            missing = missing or text is None
            return text or ""

        if "${" in _VARIABLE.sub("", value):
            self._issue(where, '"${" begins the name of an environment variable', 'write "${NAME}"')
            return _MISSING
        text = _VARIABLE.sub(put_in, value)
        return _MISSING if missing else text

    def _database(self, written: Any) -> Any:
        """The address of the ledger. A password in it comes from the environment and is put in as it is; or the
        whole address does, or lies in a file."""
        where: Where = ("database",)
        if not isinstance(written, str):
            return written
        if _VARIABLE.fullmatch(written) or written.startswith("file:"):
            found = self._secret(written, where)
            if isinstance(found, SecretText):
                return found if _is_server(found.reveal()) else found.reveal()
            return None
        if not _is_server(written):
            found = self._text(written, where)
            return None if found is _MISSING else found
        _, _, password = written.partition("://")[2].rpartition("@")[0].partition(":")
        if (password and not _VARIABLE.fullmatch(password)) or re.search(r"[?&]password=(?!\$\{)", written):
            hint = 'write "postgresql://user:${DATABASE_PASSWORD}@host/name" and set that environment variable'
            self._issue(where, "the database's password is a secret and must not be written here", hint)
            return None
        values = {name: self._variable(name, where) for name in _VARIABLE.findall(written)}
        if None in values.values():
            return None
        return SecretText(_VARIABLE.sub(lambda match: quote(values[match[1]] or "", safe=""), written))

    def _variable(self, name: str, where: Where) -> str | None:
        text = self.environment.get(name)
        if text:
            return text
        state = "is empty" if text == "" else "is not set"
        hint = ""
        if where == ("secret",):
            hint = f"at least {SECRET_LENGTH} characters that stay the same, such as those of `openssl rand -hex 32`"
        self._issue(where, f"{_name(where)} needs the environment variable {name}, which {state}", hint)
        return None

    # -------------------------------------------------------------- telling
    def _issue(self, where: Where, message: str, hint: str = "", *, at_key: bool = False) -> None:
        if where not in self.issues:
            line, column = self._place(where, at_key)
            self.issues[where] = Issue(str(self.path), line, column, message, hint)

    def _place(self, where: Where, at_key: bool) -> tuple[int, int]:
        """The value's place, or the key's; of what is not in the file, the place of what it should stand in."""
        first, second = (self.keys, self.values) if at_key else (self.values, self.keys)
        if where in first or where in second:
            return first.get(where) or second[where]
        for length in range(len(where) - 1, 0, -1):
            outer = where[:length]
            if outer in self.keys or outer in self.values:
                return self.keys.get(outer) or self.values[outer]
        return self.values.get((), (1, 1))

    def _refused(self, error: ValidationError, model: type[BaseModel], root: Where, data: Any) -> None:
        """Pydantic's findings in the words and places of the file."""
        found = []
        for detail in error.errors(include_url=False, include_input=False):
            where, member = _strip(detail["loc"], data)
            place = (*root, *where)
            # Said already, where it, or what it stands in, was resolved?
            told = any(place[: len(known)] == known for known in self.issues if len(known) > len(root))
            found.append(_Finding(detail["type"], detail["msg"], where, member, told))
        for finding in _of_the_likeliest_members(found):
            where, kind = finding.where, finding.kind
            place, last = (*root, *where), str(where[-1]) if where else ""
            if kind == "extra_forbidden":
                words = _words(model, where[:-1], finding.member)
                hint = _nearest(last, words) or (f"one of {', '.join(sorted(words))}" if words else "")
                self._issue(place, f'unknown key "{last}"', hint, at_key=True)
            elif kind == "missing":
                self._issue(place, f"{_name(where)} is missing")
            else:
                message = re.sub(r"^(Value|Assertion) error, ", "", finding.message)
                if kind.startswith(("model_", "dict_", "mapping_")):
                    message = "a mapping is needed here"
                message = f"{_name(where)}: {message[:1].lower() + message[1:]}" if where else message
                self._issue(place, message, at_key=not where)


_MISSING = object()


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _name(where: Where) -> str:
    """`"port"`, or `"scopes" item 2` inside a list."""
    name = next((part for part in reversed(where) if isinstance(part, str)), "")
    return f'"{name}" item {where[-1] + 1}' if where and isinstance(where[-1], int) else f'"{name}"'


def _shown(value: Any) -> str:
    return f'"{value}"' if isinstance(value, str) else repr(value)


def _nearest(word: Any, known: Iterable[str]) -> str:
    """`did you mean …?`, or nothing where no known word is near."""
    by_folded = {candidate.lower(): candidate for candidate in known}
    close = difflib.get_close_matches(str(word).lower(), by_folded, n=1, cutoff=0.6)
    return f'did you mean "{by_folded[close[0]]}"?' if close else ""


def _is_zone(name: str) -> bool:
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        return False
    return True


def _flat(annotation: Any) -> Iterator[Any]:
    """The members of a union, without what `Annotated` adds."""
    origin = typing.get_origin(annotation)
    if origin is Annotated:
        yield from _flat(typing.get_args(annotation)[0])
    elif origin in (typing.Union, types.UnionType):
        for member in typing.get_args(annotation):
            yield from _flat(member)
    else:
        yield annotation


def _is_model(kind: Any) -> typing.TypeGuard[type[BaseModel]]:
    return isinstance(kind, type) and issubclass(kind, BaseModel)


def _annotations(kind: Any, key: str) -> Iterator[Any]:
    """What may stand under `key` in a mapping of this kind."""
    if _is_model(kind):
        for name, info in kind.model_fields.items():
            if key in (name, info.alias):
                yield info.annotation
    elif typing.get_origin(kind) in (dict, Mapping):
        yield typing.get_args(kind)[1]


@dataclass(frozen=True)
class _Member:
    """One of the models a union allows, and where that union stands."""

    at: Where
    name: str


@dataclass(frozen=True)
class _Finding:
    kind: str
    message: str
    where: Where
    member: _Member | None
    told: bool


def _words(model: type[BaseModel], where: Where, member: _Member | None) -> set[str]:
    """The keys known at `where` inside a model; of a union only those of the member meant."""
    kinds: list[Any] = [model]
    for part in where:
        if isinstance(part, int):
            below = [argument for kind in kinds for argument in typing.get_args(kind)]
        else:
            below = [annotation for kind in kinds for annotation in _annotations(kind, part)]
        kinds = [found for annotation in below for found in _flat(annotation)]
    models = [kind for kind in kinds if _is_model(kind)]
    if member is not None:
        models = [kind for kind in models if kind.__name__ == member.name] or models
    words = {info.alias or name for kind in models for name, info in kind.model_fields.items()}
    return words - {"id"} if issubclass(model, StoreConfig) and not where else words


def _strip(loc: Sequence[str | int], data: Any) -> tuple[Where, _Member | None]:
    """Pydantic's location without the name it adds for a union's member, and that member."""
    where: Where = ()
    member: _Member | None = None
    for index, part in enumerate(loc):
        mapping = isinstance(data, dict)
        if isinstance(part, str) and not (mapping and (part in data or index == len(loc) - 1)):
            member = member or _Member(where, part)
            continue
        where = (*where, part)
        if mapping:
            data = data.get(part)
        else:
            data = data[part] if isinstance(data, list) and isinstance(part, int) and part < len(data) else None
    return where, member


def _of_the_likeliest_members(findings: Sequence[_Finding]) -> Iterator[_Finding]:
    """What is still to be told; of a union only the member with the fewest unknown keys, then the fewest mistakes."""
    cost: dict[_Member, tuple[int, int]] = {}
    for finding in findings:
        if finding.member is not None:
            unknown, wrong = cost.get(finding.member, (0, 0))
            unknown += not finding.told and finding.kind == "extra_forbidden"
            cost[finding.member] = (unknown, wrong + (not finding.told))
    best: dict[Where, _Member] = {}
    for member, price in cost.items():
        if member.at not in best or price < cost[best[member.at]]:
            best[member.at] = member
    for finding in findings:
        if not finding.told and (finding.member is None or best[finding.member.at] == finding.member):
            yield finding
