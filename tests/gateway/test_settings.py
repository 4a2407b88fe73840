"""What `aftersale.yaml` takes, and the one sentence each mistake in it gets."""

from __future__ import annotations

import copy
import json
import logging
import pickle
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import pytest
from pydantic import BaseModel, ConfigDict

from gateway.settings import Settings, SettingsError, load
from platforms.base import StoreConfig
from platforms.registry import PlatformEntry
from platforms.secrets import SecretText
from schema.vocabulary import ActorKind, AssuranceLevel

ENVIRONMENT = {
    "AFTERSALE_SECRET": "0123456789abcdef0123456789abcdef",
    "CHATBOT_KEY": "chatbot-key-of-twenty",
    "DESK_KEY": "desk-key-of-eighteen",
    "TOKEN": "a-token",
    "SHORT": "short",
    "EMPTY": "",
    "HOST": "shop.example",
    "PORT": "9000",
}

GOOD = """\
stores:
  us:
    platform: acme
    time_zone: America/New_York
    credentials: {token: "${TOKEN}"}
  subs: {platform: bolt, extends: us, url: "https://${HOST}/api", client_id: "${TOKEN}", client_secret: "file:key.txt"}
policies: policies/
api_keys:
  - {name: chatbot, key: "${CHATBOT_KEY}", scopes: [orders:read]}
  - {name: desk, key: "${DESK_KEY}", assurance: VERIFIED, kind: STAFF}
"""


class _Token(BaseModel):
    model_config = ConfigDict(extra="forbid")
    token: SecretText


class _Client(BaseModel):
    model_config = ConfigDict(extra="forbid")
    client_id: SecretText
    client_secret: SecretText


class _AcmeConfig(StoreConfig):
    shop: str = "acme"
    credentials: _Token | _Client | None = None


class _BoltConfig(StoreConfig):
    url: str
    client_id: SecretText
    client_secret: SecretText | None = None


class _Acme:
    Config = _AcmeConfig


class _Bolt:
    Config = _BoltConfig


@dataclass(frozen=True)
class _Entry:
    platform: type

    def load(self) -> type:
        return self.platform


PLATFORMS = cast("Mapping[str, PlatformEntry]", {"acme": _Entry(_Acme), "bolt": _Entry(_Bolt)})


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "policies").mkdir()
    (tmp_path / "policies" / "main.yaml").write_text("policy: acme\n")
    (tmp_path / "no-policies").mkdir()
    (tmp_path / "key.txt").write_text("from-a-file\n")
    (tmp_path / "empty.txt").write_text("\n")
    (tmp_path / "binary.txt").write_bytes(b"\xff\xfe")
    return tmp_path


def read(folder: Path, text: str, **environment: str) -> Settings:
    path = folder / "aftersale.yaml"
    path.write_text(text, encoding="utf-8")
    return load(path, environment=ENVIRONMENT | environment, platforms=PLATFORMS)


DATABASE = (
    '"database": the ledger lives in an SQLite file, written "sqlite:///path/to/file.db", or in PostgreSQL, written '
    '"postgresql://user:${PASSWORD}@host/name"'
)


def mistakes(folder: Path, text: str) -> list[str]:
    """Each as `line:column: message (hint)`."""
    with pytest.raises(SettingsError) as caught:
        read(folder, text)
    prefix = f"{folder / 'aftersale.yaml'}:"
    lines = [str(issue) for issue in caught.value.issues]
    assert all(line.startswith(prefix) for line in lines)
    assert str(caught.value) == "\n".join(lines)
    return [line.removeprefix(prefix).replace(str(folder), "FOLDER") for line in lines]


# ------------------------------------------------------------------ what is right
def test_a_good_file_is_read_with_its_secrets_variables_and_defaults(folder: Path) -> None:
    settings = read(folder, GOOD)
    us, subs = settings.stores["us"], settings.stores["subs"]
    assert isinstance(us, _AcmeConfig)
    assert isinstance(subs, _BoltConfig)
    assert (us.id, us.platform, us.time_zone) == ("us", "acme", "America/New_York")
    assert isinstance(us.credentials, _Token)
    assert us.credentials.token.reveal() == "a-token"
    assert (subs.url, subs.extends) == ("https://shop.example/api", "us")
    assert subs.client_secret is not None
    assert subs.client_secret.reveal() == "from-a-file"
    assert settings.secret.reveal() == ENVIRONMENT["AFTERSALE_SECRET"]
    assert settings.policies == folder / "policies"
    assert settings.database_path == folder / "aftersale.db"
    chatbot, desk = settings.api_keys
    assert (chatbot.name, chatbot.kind, chatbot.assurance, chatbot.scopes) == (
        "chatbot",
        ActorKind.BOT,
        AssuranceLevel.CLAIMED,
        ("orders:read",),
    )
    assert (desk.kind, desk.assurance, desk.key.reveal()) == (
        ActorKind.STAFF,
        AssuranceLevel.VERIFIED,
        "desk-key-of-eighteen",
    )
    assert (settings.server.host, settings.server.port, settings.redis) == ("127.0.0.1", 8000, None)
    assert (settings.deadlines.store_seconds, settings.deadlines.request_seconds) == (4, 15)


def test_a_number_may_come_from_a_variable(folder: Path) -> None:
    assert read(folder, GOOD + 'server: {port: "${PORT}"}\n').server.port == 9000


def test_a_merged_mapping_counts_as_written(folder: Path) -> None:
    text = GOOD.replace("  us:\n", "  de:\n    <<: &all {time_zone: Europe/Berlin}\n    platform: acme\n  us:\n", 1)
    assert read(folder, text).stores["de"].time_zone == "Europe/Berlin"


def test_an_absolute_ledger_path_is_kept(folder: Path) -> None:
    settings = read(folder, GOOD + "database: sqlite:////var/lib/aftersale/ledger.db\n")
    assert settings.database_path == Path("/var/lib/aftersale/ledger.db") == settings.ledger


@pytest.mark.parametrize(
    ("written", "environment", "address"),
    [
        ("postgresql://ledger:${DB}@db:5433/aftersale", {"DB": "a/b@c%"}, "ledger:a%2Fb%40c%25@db:5433/aftersale"),
        ("postgresql://${U}@${H}/aftersale?sslmode=require", {"U": "x", "H": "db"}, "x@db/aftersale?sslmode=require"),
        ('"${DB}"', {"DB": "postgresql://ledger:pw@db/aftersale"}, "ledger:pw@db/aftersale"),
        ("file:key.txt", {}, "ledger:of-a-file@db/aftersale"),
    ],
)
def test_the_address_of_a_server_is_kept_as_a_secret(
    folder: Path, written: str, environment: dict[str, str], address: str
) -> None:
    (folder / "key.txt").write_text("postgresql://ledger:of-a-file@db/aftersale\n")
    settings = read(folder, GOOD + f"database: {written}\n", **environment)
    assert settings.ledger == f"postgresql://{address}"
    assert "ledger:" not in repr(settings) + settings.model_dump_json()
    with pytest.raises(ValueError, match="not kept in a file"):
        _ = settings.database_path


def test_the_whole_address_of_a_file_may_come_from_the_environment(folder: Path) -> None:
    settings = read(folder, GOOD + 'database: "${DB}"\n', DB="sqlite:///other.db")
    assert settings.ledger == folder / "other.db"


def test_words_that_mean_yes_elsewhere_are_only_words(folder: Path) -> None:
    settings = read(folder, GOOD.replace("platform: acme\n", "platform: acme\n    name: on\n"))
    assert settings.stores["us"].name == "on"


# ------------------------------------------------------------------ what is wrong
STORE = "platform: acme"

MISTAKES: dict[str, tuple[str, list[str]]] = {
    "a misspelt key of the file": (
        GOOD + "databse: x\n",
        ['11:1: unknown key "databse" (did you mean "database"?)'],
    ),
    "a misspelt key of a section": (
        GOOD + "server: {prot: 1}\n",
        ['11:10: unknown key "prot" (did you mean "port"?)'],
    ),
    "a key nobody could have meant": (
        GOOD + "deadlines: {zzz: 1}\n",
        ['11:13: unknown key "zzz" (one of request_seconds, store_seconds)'],
    ),
    "a misspelt key of a store": (
        GOOD.replace("time_zone", "timezone"),
        ['4:5: unknown key "timezone" (did you mean "time_zone"?)'],
    ),
    "a misspelt key of the credentials": (
        GOOD.replace("{token:", "{tokn:"),
        ['5:5: "token" is missing', '5:19: unknown key "tokn" (did you mean "token"?)'],
    ),
    "the other kind of credentials, half written": (
        GOOD.replace('{token: "${TOKEN}"}', '{client_id: "${TOKEN}"}'),
        ['5:5: "client_secret" is missing'],
    ),
    "a store without its address": (
        GOOD.replace('url: "https://${HOST}/api", ', ""),
        ['6:3: "url" is missing'],
    ),
    "an unknown platform": (
        GOOD.replace("platform: acme", "platform: acmee"),
        ['3:15: there is no platform "acmee" (did you mean "acme"?)'],
    ),
    "a platform unlike any": (
        GOOD.replace("platform: acme", "platform: [1]"),
        ["3:15: there is no platform [1] (one of acme, bolt)"],
    ),
    "no platform": (
        GOOD.replace("    platform: acme\n", ""),
        ['2:3: the store "us" does not name its platform (one of acme, bolt)'],
    ),
    "a store that is no mapping": (
        GOOD.replace("  us:\n", "  de: acme\n  us:\n", 1),
        ['2:7: the store "de" needs a mapping ({platform: …, credentials: …})'],
    ),
    "a store id with capitals": (
        GOOD.replace("  us:\n", "  De: {platform: acme}\n  us:\n", 1),
        [
            '2:3: "De" cannot be a store\'s id'
            " (a lower-case letter, then at most 30 lower-case letters, digits or hyphens)"
        ],
    ),
    "a store id of digits": (
        GOOD.replace("  us:\n", "  1: {platform: acme}\n  us:\n", 1),
        ['2:3: the key 1 is not a word (write "1")'],
    ),
    "an id inside the store": (
        GOOD.replace("platform: acme\n", "platform: acme\n    id: us\n"),
        ["4:5: a store's id is the key it stands under (leave this out)"],
    ),
    "a store written twice": (
        GOOD.replace("  us:\n", '  us: {credentials: {token: "hush"}}\n  us:\n', 1),
        ['3:3: the key "us" is written twice'],
    ),
    "no stores": ("stores: {}\n" + GOOD[GOOD.index("policies:") :], ["1:1: no store is configured"]),
    "stores that are a list": (
        "stores: [us]\n" + GOOD[GOOD.index("policies:") :],
        ["1:9: a mapping from each store's id to its configuration is needed here"],
    ),
    "stores left out": (GOOD[GOOD.index("policies:") :], ['1:1: "stores" is missing']),
    "a store extending one that is not there": (
        GOOD.replace("extends: us", "extends: uss"),
        ['6:35: there is no store "uss" to extend (did you mean "us"?)'],
    ),
    "a store extending itself": (
        GOOD.replace("extends: us", "extends: subs"),
        ['6:35: the store "subs" cannot extend itself'],
    ),
    "a store extending an extension": (
        GOOD.replace("platform: acme\n", "platform: acme\n    extends: subs\n"),
        [
            '4:14: "subs" itself extends another store; only a shop can be extended',
            '7:35: "us" itself extends another store; only a shop can be extended',
        ],
    ),
    "a misspelt time zone": (
        GOOD.replace("America/New_York", "America/NewYork"),
        ['4:16: there is no time zone "America/NewYork" (did you mean "America/New_York"?)'],
    ),
    "a time zone that is a path": (
        GOOD.replace("America/New_York", "../../etc/passwd"),
        ['4:16: there is no time zone "../../etc/passwd" (a name such as "Europe/Berlin")'],
    ),
    "a currency in small letters": (
        GOOD.replace("platform: acme\n", "platform: acme\n    currency: usd\n"),
        ['4:15: there is no currency "usd" (did you mean "USD"?)'],
    ),
    "a currency that is not one": (
        GOOD.replace("platform: acme\n", "platform: acme\n    currency: DOLLAR\n"),
        ['4:15: there is no currency "DOLLAR" (three letters of ISO 4217)'],
    ),
    "a wrong type": (
        GOOD.replace("platform: acme\n", "platform: acme\n    shop: [1]\n"),
        ['4:11: "shop": input should be a valid string'],
    ),
    "a secret written out": (
        GOOD.replace('{token: "${TOKEN}"}', "{token: hush}"),
        [
            '5:26: "token" is a secret and must not be written here'
            ' (write "${US_TOKEN}" and set that environment variable, or file:path/to/secret)'
        ],
    ),
    "a secret half written out": (
        GOOD.replace('{token: "${TOKEN}"}', '{token: "hush${TOKEN}"}'),
        [
            '5:26: "token" is a secret and must not be written here'
            ' (write "${US_TOKEN}" and set that environment variable, or file:path/to/secret)'
        ],
    ),
    "a secret that is a number": (
        GOOD.replace('{token: "${TOKEN}"}', "{token: 12345}"),
        [
            '5:26: "token" is a secret and must not be written here'
            ' (write "${US_TOKEN}" and set that environment variable, or file:path/to/secret)'
        ],
    ),
    "an API key written out": (
        GOOD.replace('"${CHATBOT_KEY}"', "hush-hush-hush-hush"),
        [
            '9:26: "key" is a secret and must not be written here'
            ' (write "${API_KEYS_0_KEY}" and set that environment variable, or file:path/to/secret)'
        ],
    ),
    "a secret's variable that is not set": (
        GOOD.replace("{TOKEN}", "{TOKEM}", 1),
        ['5:26: "token" needs the environment variable TOKEM, which is not set'],
    ),
    "a secret's variable that is empty": (
        GOOD.replace("{TOKEN}", "{EMPTY}", 1),
        ['5:26: "token" needs the environment variable EMPTY, which is empty'],
    ),
    "a variable that is not set, inside text": (
        GOOD.replace("{HOST}", "{HOTS}"),
        ['6:44: "url" needs the environment variable HOTS, which is not set'],
    ),
    "a variable that cannot be one": (
        GOOD.replace("${HOST}", "${HOST:-x}"),
        ['6:44: "${" begins the name of an environment variable (write "${NAME}")'],
    ),
    "a secret's file that is not there": (
        GOOD.replace("file:key.txt", "file:kee.txt"),
        ['6:105: the secret "client_secret" cannot be read from FOLDER/kee.txt: No such file or directory'],
    ),
    "a secret's file that is empty": (
        GOOD.replace("file:key.txt", "file:empty.txt"),
        ['6:105: the secret "client_secret" is empty: FOLDER/empty.txt'],
    ),
    "a secret's file that is no text": (
        GOOD.replace("file:key.txt", "file:binary.txt"),
        ['6:105: the secret "client_secret" cannot be read from FOLDER/binary.txt: it is not UTF-8 text'],
    ),
    "a gateway secret that is short": (
        GOOD + 'secret: "${SHORT}"\n',
        ['11:9: "secret": the gateway\'s secret has 5 characters; at least 32 are needed'],
    ),
    "a gateway secret that is not set": (
        GOOD + 'secret: "${NOT_SET}"\n',
        [
            '11:9: "secret" needs the environment variable NOT_SET, which is not set'
            " (at least 32 characters that stay the same, such as those of `openssl rand -hex 32`)"
        ],
    ),
    "no API key": (
        GOOD[: GOOD.index("api_keys:")],
        [
            "1:1: no API key is configured, so nobody could ask anything"
            ' (api_keys: [{name: chatbot, key: "${CHATBOT_KEY}"}], or [] where `aftersale key create` makes them)'
        ],
    ),
    "an API key that is short": (
        GOOD.replace("{CHATBOT_KEY}", "{SHORT}"),
        ['9:26: "key": the key has 5 characters; at least 16 are needed'],
    ),
    "an API key that is a person's": (
        GOOD.replace("VERIFIED", "STAFF"),
        ['10:49: "assurance": one of CLAIMED, VERIFIED is needed here'],
    ),
    "an API key of a customer": (
        GOOD.replace("kind: STAFF", "kind: CUSTOMER"),
        ['10:65: "kind": one of BOT, STAFF is needed here'],
    ),
    "an API key with a number for its kind": (
        GOOD.replace("assurance: VERIFIED", "assurance: 2"),
        ['10:49: "assurance": one of CLAIMED, VERIFIED is needed here'],
    ),
    "two API keys of one name": (
        GOOD.replace("name: desk", "name: chatbot"),
        ["10:12: another API key already has this name"],
    ),
    "two API keys that are the same": (
        GOOD.replace("{DESK_KEY}", "{CHATBOT_KEY}"),
        ["10:23: another API key already has this key"],
    ),
    "a scope that is not one": (
        GOOD.replace("[orders:read]", "[Orders Read]"),
        ['9:53: "scopes" item 1: there is no scope "Orders Read"; did you mean "orders:read"?'],
    ),
    "an API key that is no mapping": (
        GOOD + "  - desk\n",
        ['11:5: "api_keys" item 3: a mapping is needed here'],
    ),
    "no policies": (GOOD.replace("policies: policies/\n", ""), ['1:1: "policies" is missing']),
    "policies that are not there": (
        GOOD.replace("policies/", "rules/"),
        ['7:11: there is no file or folder "rules/" (looked in FOLDER)'],
    ),
    "a policy folder without policies": (
        GOOD.replace("policies/", "no-policies"),
        ['7:11: the folder "no-policies" has no .yaml file'],
    ),
    "another database": (GOOD + "database: mysql://localhost/ledger\n", [f"11:11: {DATABASE}"]),
    "a database in memory": (GOOD + '"database": "sqlite:///:memory:"\n', [f"11:13: {DATABASE}"]),
    "a database's password": (
        GOOD + "database: postgresql://aftersale:hunter2@localhost/ledger\n",
        [
            "11:11: the database's password is a secret and must not be written here "
            '(write "postgresql://user:${DATABASE_PASSWORD}@host/name" and set that environment variable)'
        ],
    ),
    "a database's password behind its name": (
        GOOD + "database: postgresql://aftersale@localhost/ledger?password=hunter2\n",
        [
            "11:11: the database's password is a secret and must not be written here "
            '(write "postgresql://user:${DATABASE_PASSWORD}@host/name" and set that environment variable)'
        ],
    ),
    "a database's password that is not set": (
        GOOD + "database: postgresql://aftersale:${DB}@localhost/ledger\n",
        ['11:11: "database" needs the environment variable DB, which is not set'],
    ),
    "a server without a database": (
        GOOD + "database: postgresql://aftersale:${TOKEN}@localhost\n",
        ['11:11: "database": the address names no database: expected postgresql://user:password@host:5432/name'],
    ),
    "no time to keep anything": (
        GOOD + "retention_days: 0\n",
        ['11:17: "retention_days": input should be greater than or equal to 1'],
    ),
    "Redis": (
        GOOD + "redis: localhost\n",
        ["11:8: \"redis\": string should match pattern '^rediss?://\\S+$'"],
    ),
    "a port that cannot be": (
        GOOD + "server: {port: 99999}\n",
        ['11:16: "port": input should be less than or equal to 65535'],
    ),
    "a deadline that is no number": (
        GOOD + "deadlines: {store_seconds: soon}\n",
        ['11:28: "store_seconds": input should be a valid number, unable to parse string as a number'],
    ),
    "a store allowed longer than its request": (
        GOOD + "deadlines: {store_seconds: 9, request_seconds: 5}\n",
        ['11:12: "deadlines": store_seconds (9) is longer than request_seconds (5)'],
    ),
    "a limit that forbids everything": (
        GOOD + "limits: {query_depth: 0}\n",
        ['11:23: "query_depth": input should be greater than or equal to 3'],
    ),
    "a section that is no mapping": (GOOD + "limits: 5\n", ['11:9: "limits": a mapping is needed here']),
    "no YAML": ("stores: {us: {platform: acme}\nx: :", ["2:1: expected ',' or '}', but got '<scalar>'"]),
    "a tab": ("stores:\n\tus: x\n", ["2:1: found character '\\t' that cannot start any token"]),
    "a list": ("- stores\n", ["1:1: a mapping is needed here (begin with `stores:`)"]),
    "an empty file": ("", ["1:1: a mapping is needed here (begin with `stores:`)"]),
}


@pytest.mark.parametrize(("text", "said"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_said_at_its_place_with_its_cure(folder: Path, text: str, said: list[str]) -> None:
    found = mistakes(folder, text)
    if said == ["1:1: no store is configured"]:
        said = ["1:1: no store is configured (stores: {us: {platform: …}})"]
    assert found == said
    assert "hush" not in "".join(found)


def test_all_mistakes_are_said_at_once_in_the_order_of_the_file(folder: Path) -> None:
    text = (
        GOOD.replace("acme", "acne", 1)
        .replace("extends: us", "extends: usa")
        .replace("policies/", "rules/")
        .replace("VERIFIED", "STAFF")
        + "redis: x\nservr: {}\n"
    )
    found = mistakes(folder, text)
    assert [re.sub(r"^(\d+):.*", r"\1", line) for line in found] == ["3", "6", "7", "10", "11", "12"]


@pytest.mark.parametrize(
    ("content", "said"),
    [(None, "1:1: the file does not exist (name another with --config)"), (b"\xff", "1:1: the file is not UTF-8 text")],
)
def test_a_file_that_cannot_be_read_is_said(tmp_path: Path, content: bytes | None, said: str) -> None:
    path = tmp_path / "other.yaml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(SettingsError) as caught:
        load(path, environment={}, platforms=PLATFORMS)
    assert str(caught.value) == f"{path}:{said}"


def test_a_folder_is_not_a_file(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="the file cannot be read: Is a directory"):
        load(tmp_path, environment={}, platforms=PLATFORMS)


def test_the_gateway_secret_is_wanted_even_where_the_file_does_not_say_so(folder: Path) -> None:
    path = folder / "aftersale.yaml"
    path.write_text(GOOD)
    without = {name: value for name, value in ENVIRONMENT.items() if name != "AFTERSALE_SECRET"}
    with pytest.raises(SettingsError) as caught:
        load(path, environment=without, platforms=PLATFORMS)
    (issue,) = caught.value.issues
    assert issue.message == '"secret" needs the environment variable AFTERSALE_SECRET, which is not set'


def test_the_registered_platforms_take_the_example_of_the_documentation(folder: Path) -> None:
    (folder / "aftersale.yaml").write_text(
        """\
stores:
  us:
    platform: shopify
    shop: acme-us
    time_zone: America/New_York
    credentials: {client_id: "${SHOPIFY_ID}", client_secret: "${TOKEN}"}
  eu:
    platform: woocommerce
    url: https://eu.acme.example
    credentials: {consumer_key: "${TOKEN}", consumer_secret: "${TOKEN}"}
  subs: {platform: recharge, extends: us, credentials: {token: "${TOKEN}"}}
policies: policies/
database: sqlite:///aftersale.db
redis: null
api_keys: [{name: chatbot, key: "${CHATBOT_KEY}"}]
"""
    )
    settings = load(folder / "aftersale.yaml", environment={**ENVIRONMENT, "SHOPIFY_ID": "an-id"})
    assert {id: store.platform for id, store in settings.stores.items()} == {
        "us": "shopify",
        "eu": "woocommerce",
        "subs": "recharge",
    }
    assert "a-token" not in repr(settings)


# ------------------------------------------------------------------ secrets
def test_a_secret_shows_itself_nowhere(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    settings = read(folder, GOOD)
    secret = settings.secret
    with caplog.at_level(logging.INFO):
        logging.getLogger("t").info("%s %r", secret, settings)
    shown = [repr(settings), str(settings), f"{secret:>5}", settings.model_dump_json(), caplog.text]
    shown += [json.dumps(settings.model_dump(mode="json")), repr(copy.deepcopy(secret)), repr([secret])]
    for text in shown:
        assert "***" in text
        assert ENVIRONMENT["AFTERSALE_SECRET"] not in text
        assert "a-token" not in text


def test_a_secret_is_equal_to_the_same_text_only() -> None:
    assert SecretText("a") == SecretText("a")
    assert SecretText("a") != SecretText("b")
    assert SecretText("a") != cast("Any", "a")
    assert len({SecretText("a"), SecretText("a"), SecretText("b")}) == 2


def test_a_secret_does_not_leave_the_process() -> None:
    with pytest.raises(TypeError, match="not copied out"):
        pickle.dumps(SecretText("a"))


def test_a_model_refuses_a_plain_string_for_a_secret() -> None:
    with pytest.raises(ValueError, match="instance of SecretText"):
        _Token.model_validate({"token": "hush"})
