"""Keys, customer sessions and one-time codes: what they give, what they never give, and how they end."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import re
import statistics
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from sqlalchemy import select
from typer.testing import CliRunner

from gateway.cli import app
from gateway.credentials import LOOK, TOO_OLD, Credentials, api_keys, proofs
from gateway.keys import BadKeyName, Keys, TooMuchAssurance
from gateway.operations import document
from gateway.proofs import LASTING, TRIES, Proofs, by_mail
from gateway.rates import RateLimits
from gateway.sessions import LONGEST, Sessions
from gateway.settings import Mail, Rates
from sandbox.people import BOT_KEY, SandboxProvider
from sandbox.world import SECRET
from schema.access import DEFAULT_SCOPES, NEVER_A_CUSTOMERS, SCOPES, UnknownScope
from schema.emails import Email
from schema.vocabulary import AssuranceLevel
from tests.running import Gateway, running_gateway

loop = pytest.mark.asyncio(loop_scope="module")
PEOPLE = SandboxProvider()
CREATE = """mutation($input: CreateCustomerSessionInput!) {
  createCustomerSession(input: $input) { id token assurance scopes expiresAt } }"""
WHO = "{ viewer { assurance scopes customerEmail expiresAt actor { kind name onBehalfOf } } }"
REQUEST = "mutation($email: String!) { requestProof(email: $email) { expiresAt tries } }"
VERIFY = "mutation($code: String!) { verifyProof(code: $code) { id token assurance scopes expiresAt } }"


class Letters:
    """A post that keeps what it is given."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, str]] = []

    async def __call__(self, email: Email, code: str, locale: str) -> None:
        self.sent.append((email, code))


LETTERS = Letters()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def gateway(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Gateway]:
    folder = tmp_path_factory.mktemp("sessions")
    async with running_gateway(folder, people=PEOPLE, post=LETTERS, rates=Rates(codes_per_address=100)) as running:
        yield running


async def key(gateway: Gateway, name: str, *scopes: str, assurance: AssuranceLevel = AssuranceLevel.CLAIMED) -> str:
    _, text = await gateway.runtime.identity.keys.create(name, scopes or DEFAULT_SCOPES, assurance)
    await look(gateway)
    return text.reveal()


async def look(gateway: Gateway) -> None:
    """As if the next look at the database were due."""
    await gateway.runtime.credentials._look()


async def session(gateway: Gateway, token: str = BOT_KEY, **asked: Any) -> dict[str, Any]:
    status, body, _ = await gateway.send(CREATE, {"input": {"email": "ada@example.com"} | asked}, token=token)
    assert (status, body.get("errors")) == (200, None), body
    made: dict[str, Any] = body["data"]["createCustomerSession"]
    return made


async def refused(gateway: Gateway, token: str, query: str = WHO, **variables: Any) -> tuple[int, str, str]:
    status, body, _ = await gateway.send(query, variables, token=token)
    [error] = body["errors"]
    return status, error["extensions"]["code"], error["message"]


# ------------------------------------------------------------------ keys
@loop
async def test_a_made_key_lets_its_bot_in_and_is_kept_only_as_a_hash(gateway: Gateway) -> None:
    text = await key(gateway, "made", "orders:read", assurance=AssuranceLevel.VERIFIED)
    assert re.fullmatch(r"afk_[A-Za-z0-9]{52}", text)
    _, body, _ = await gateway.send(WHO, token=text)
    viewer = body["data"]["viewer"]
    assert (viewer["assurance"], viewer["scopes"], viewer["actor"]["kind"]) == ("VERIFIED", ["orders:read"], "BOT")
    async with gateway.runtime.ledger.reading() as connection:
        rows = [tuple(row) for row in await connection.execute(select(api_keys))]
    assert text not in repr(rows)
    assert text[16:] not in repr(rows)
    for file in gateway.runtime.settings.database_path.parent.iterdir():
        assert text[16:].encode() not in file.read_bytes()


@loop
async def test_a_key_of_which_one_letter_is_wrong_is_nobodys(gateway: Gateway) -> None:
    text = await key(gateway, "letters")
    for wrong in (text[:-1] + ("a" if text[-1] != "a" else "b"), text[:5] + "Z" + text[6:], text + "a", text.lower()):
        assert (await refused(gateway, wrong))[:2] == (401, "UNAUTHENTICATED"), wrong


@loop
async def test_when_a_key_was_last_used_is_remembered(gateway: Gateway) -> None:
    text = await key(gateway, "used")
    await gateway.send(WHO, token=text)
    await look(gateway)
    [row] = [row for row in await gateway.runtime.identity.keys.list() if row.name == "used"]
    assert row.last_used_at is not None
    assert datetime.now(UTC) - row.last_used_at < timedelta(minutes=1)


@loop
async def test_what_cannot_be_a_key_is_not_made(gateway: Gateway) -> None:
    keys = gateway.runtime.identity.keys
    with pytest.raises(UnknownScope, match="there is no scope orders:delete; the scopes are: orders:read"):
        await keys.create("x", ["orders:read", "orders:delete"], AssuranceLevel.CLAIMED)
    with pytest.raises(TooMuchAssurance):
        await keys.create("x", [], AssuranceLevel.STAFF)
    for name in ("", "jwt:acme:x", "x" * 65, " x", "é"):
        with pytest.raises(BadKeyName):
            await keys.create(name, [], AssuranceLevel.CLAIMED)
    with pytest.raises(BadKeyName, match="the configuration has a key named"):
        await keys.create("bot", [], AssuranceLevel.CLAIMED, taken=["bot"])
    await keys.create("twice", [], AssuranceLevel.CLAIMED)
    with pytest.raises(ValueError, match="there is a key named twice already"):
        await keys.create("twice", [], AssuranceLevel.CLAIMED)


async def test_a_revoked_key_and_its_sessions_stop_on_another_gateway_within_five_seconds(tmp_path: Path) -> None:
    assert 2 * LOOK <= TOO_OLD <= 5
    async with running_gateway(tmp_path) as one, contextlib.AsyncExitStack() as stack:
        text = await key(one, "gone", *DEFAULT_SCOPES, "sessions:create")
        made = (await session(one, text))["token"]
        two = Credentials(one.runtime.ledger)  # another process's view of the same database
        elsewhere = Keys(two, SECRET)
        assert elsewhere.find(text, await two.standing()) is not None
        stack.push_async_callback(two.close)
        assert await one.runtime.identity.keys.revoke("gone") is not None
        started = time.monotonic()
        assert await refused(one, text) == (401, "UNAUTHENTICATED", "this token is not known here")
        assert await refused(one, made) == (
            401,
            "UNAUTHENTICATED",
            "the key that made this session no longer holds",
        )
        while elsewhere.find(text, await two.standing()) is not None:
            assert time.monotonic() - started < 5
            await asyncio.sleep(0.1)
        assert await one.runtime.identity.keys.revoke("gone") is None


# ------------------------------------------------------------------ sessions
@loop
async def test_a_session_is_bound_to_one_address_that_cannot_be_read_off_it(gateway: Gateway) -> None:
    made = await session(gateway, email=" ADA@Example.com ")
    assert (made["assurance"], tuple(made["scopes"])) == ("CLAIMED", DEFAULT_SCOPES)
    sealed = base64.urlsafe_b64decode(made["token"][4:] + "==")
    assert b"ada" not in sealed
    assert b"example" not in sealed
    _, body, _ = await gateway.send(WHO, token=made["token"])
    viewer = body["data"]["viewer"]
    # Below VERIFIED even one's own address is not told: whoever holds a stolen token learns nothing.
    assert (viewer["customerEmail"], viewer["actor"]) == (
        None,
        {"kind": "CUSTOMER", "name": "sandbox-bot", "onBehalfOf": None},
    )
    assert viewer["expiresAt"] == made["expiresAt"]
    assert viewer["scopes"] == list(DEFAULT_SCOPES)


@loop
async def test_two_sessions_for_one_address_share_no_text(gateway: Gateway) -> None:
    one, two = [(await session(gateway))["token"] for _ in range(2)]
    assert one[:40] != two[:40]


BAD: dict[str, tuple[dict[str, Any], str, str]] = {
    "an empty address": ({"email": ""}, "INVALID_INPUT", "not an e-mail address"),
    "a malformed address": ({"email": "ada@"}, "INVALID_INPUT", "not an e-mail address"),
    "two addresses": ({"email": "a@example.com,b@example.com"}, "INVALID_INPUT", "not an e-mail address"),
    "more than the key vouches for": ({"assurance": "VERIFIED"}, "FORBIDDEN", "vouches for CLAIMED at most"),
    "staff": ({"assurance": "STAFF"}, "FORBIDDEN", "vouches for CLAIMED at most"),
    "a scope there is not": ({"scopes": ["orders:all"]}, "INVALID_INPUT", "there is no scope orders:all"),
    "a scope the key has not": ({"scopes": ["raw:read"]}, "FORBIDDEN", "cannot have the scope raw:read"),
    "a scope to make more": ({"scopes": ["sessions:create"]}, "FORBIDDEN", "cannot have the scope sessions:create"),
    "no time": ({"minutes": 0}, "INVALID_INPUT", "1 to 1440 minutes"),
    "more than a day": ({"minutes": 1441}, "INVALID_INPUT", "1 to 1440 minutes"),
}


@loop
@pytest.mark.parametrize("case", BAD)
async def test_a_session_that_cannot_be_is_refused(gateway: Gateway, case: str) -> None:
    asked, code, words = BAD[case]
    got = await refused(gateway, BOT_KEY, CREATE, input={"email": "ada@example.com"} | asked)
    assert got[0] == (403 if code == "FORBIDDEN" else 200)
    assert got[1] == code
    assert words in got[2]


@loop
async def test_only_a_key_with_the_scope_makes_sessions(gateway: Gateway) -> None:
    without = await key(gateway, "no sessions", "orders:read")
    made = (await session(gateway))["token"]
    asked = {"input": {"email": "bob@example.com"}}
    for token in (without, made):
        assert await refused(gateway, token, CREATE, **asked) == (
            403,
            "FORBIDDEN",
            "this token lacks the scope sessions:create",
        )
    for token in (PEOPLE.token(email="ada@example.com", email_verified=True), PEOPLE.staff()):
        assert (await refused(gateway, token, CREATE, **asked))[:2] == (403, "FORBIDDEN")


@loop
async def test_a_session_never_has_more_than_its_key(gateway: Gateway) -> None:
    text = await key(gateway, "everything", *SCOPES, assurance=AssuranceLevel.VERIFIED)
    made = await session(gateway, text, assurance="VERIFIED")
    assert set(made["scopes"]) == set(SCOPES) - NEVER_A_CUSTOMERS
    assert (await session(gateway, text, scopes=["orders:read"]))["scopes"] == ["orders:read"]


@loop
async def test_an_ended_session_stops(gateway: Gateway) -> None:
    made = await session(gateway)
    end = "mutation($id: ID!) { revokeCustomerSession(id: $id) { id } }"
    assert (await gateway.send(end, {"id": made["id"]}, token=BOT_KEY))[1]["data"] is not None
    assert await refused(gateway, made["token"]) == (401, "UNAUTHENTICATED", "this session was ended")
    assert (await refused(gateway, BOT_KEY, end, id="x"))[1] == "INVALID_INPUT"
    other = await session(gateway)
    assert (await gateway.send(WHO, token=other["token"]))[0] == 200


def test_a_session_is_over_when_it_says_and_begins_when_it_was_made() -> None:
    sessions, now = Sessions(SECRET), datetime.now(UTC)
    made = sessions.new(
        Email("a@b.example"), AssuranceLevel.CLAIMED, (), client="c", key="config", lasting=LONGEST * 3, now=now
    )
    assert made.expires_at == now + timedelta(hours=24)
    token = sessions.token(made)
    assert sessions.read(token, now + timedelta(hours=23)).email == "a@b.example"
    for at, words in ((now + LONGEST, "is over"), (now - timedelta(minutes=5), "in the future")):
        with pytest.raises(ValueError, match=words):
            sessions.read(token, at)
    for place in range(4, len(token), 7):
        changed = token[:place] + ("A" if token[place] != "A" else "B") + token[place + 1 :]
        with pytest.raises(ValueError, match="not made here"):
            sessions.read(changed, now)


@loop
async def test_a_key_of_one_customers_session_is_not_anothers(gateway: Gateway) -> None:
    text = await key(gateway, "acting", *DEFAULT_SCOPES, "sessions:create", assurance=AssuranceLevel.VERIFIED)
    ada, cleo = [
        (await session(gateway, text, email=email, assurance="VERIFIED"))["token"]
        for email in ("ada@example.com", "cleo@example.com")
    ]
    cancel = """mutation($id: ID!) { cancelOrder(input: {orderId: $id}, idempotencyKey: "same-key") {
      replayed action { id } problem { code } order { id } } }"""
    _, first, _ = await gateway.send(cancel, {"id": "Order:us:450789004"}, token=cleo)
    assert first["data"]["cancelOrder"]["action"] is not None
    _, replayed, _ = await gateway.send(cancel, {"id": "Order:us:450789004"}, token=ada)
    assert replayed["data"]["cancelOrder"] == {
        "replayed": False,
        "action": None,
        "problem": {"code": "NOT_FOUND"},
        "order": None,
    }
    _, again, _ = await gateway.send(cancel, {"id": "Order:us:450789004"}, token=cleo)
    assert again["data"]["cancelOrder"]["replayed"] is True


@loop
async def test_a_key_that_was_made_may_be_held_to_previews_and_name_who_stands_behind_it(gateway: Gateway) -> None:
    keys = gateway.runtime.identity.keys
    scopes = (*DEFAULT_SCOPES, "sessions:create")
    row, text = await keys.create(
        "held", scopes, AssuranceLevel.VERIFIED, person="Sam@Acme.example", require_preview=True
    )
    assert "acme" not in str(row).lower(), "an address is kept sealed"
    await look(gateway)
    made = await session(gateway, text.reveal(), email="cleo@example.com", assurance="VERIFIED")
    asked = {"input": {"orderId": "Order:us:450789002"}, "key": "held key"}
    for token in (text.reveal(), made["token"]):
        viewer = await gateway.runtime.identity.viewer([f"Bearer {token}"])
        assert (viewer.person, viewer.previews_first) == ("sam@acme.example", True)
        _, body, _ = await gateway.send(document("CancelIt"), asked, token=token)
        assert body["data"]["cancelOrder"]["problem"]["kind"] == "PREVIEW_REQUIRED"
    free = await gateway.runtime.identity.viewer([f"Bearer {await key(gateway, 'free')}"])
    assert (free.person, free.previews_first) == ("", False)


# ------------------------------------------------------------------ one-time codes
async def code_for(gateway: Gateway, token: str, email: str = "ada@example.com") -> str:
    LETTERS.sent.clear()
    status, body, _ = await gateway.send(REQUEST, {"email": email}, token=token)
    assert (status, body.get("errors")) == (200, None), body
    assert body["data"]["requestProof"]["tries"] == 5
    await gateway.runtime.proofs.finish()  # type: ignore[union-attr]
    [(sent_to, code)] = LETTERS.sent
    assert sent_to == "ada@example.com"
    return code


@loop
async def test_a_code_raises_the_session_once(gateway: Gateway) -> None:
    made = await session(gateway)
    code = await code_for(gateway, made["token"])
    assert re.fullmatch(r"\d{6}", code)
    _, body, _ = await gateway.send(VERIFY, {"code": f" {code[:3]} {code[3:]} "}, token=made["token"])
    raised = body["data"]["verifyProof"]
    assert (raised["assurance"], raised["id"], raised["scopes"]) == ("VERIFIED", made["id"], made["scopes"])
    assert raised["expiresAt"] == made["expiresAt"]
    _, body, _ = await gateway.send(WHO, token=raised["token"])
    assert (body["data"]["viewer"]["assurance"], body["data"]["viewer"]["customerEmail"]) == (
        "VERIFIED",
        "ada@example.com",
    )
    assert (await refused(gateway, made["token"], VERIFY, code=code))[1] == "INVALID_INPUT"
    end = "mutation($id: ID!) { revokeCustomerSession(id: $id) { id } }"
    await gateway.send(end, {"id": made["id"]}, token=BOT_KEY)
    assert (await refused(gateway, raised["token"]))[0] == 401


@loop
async def test_a_code_can_be_tried_five_times(gateway: Gateway) -> None:
    made = await session(gateway)
    code = await code_for(gateway, made["token"])
    wrong = f"{(int(code) + 1) % 10**6:06d}"
    for _ in range(TRIES):
        status, kind, words = await refused(gateway, made["token"], VERIFY, code=wrong)
        assert (status, kind) == (200, "INVALID_INPUT")
    assert (await refused(gateway, made["token"], VERIFY, code=code))[1:] == (kind, words)


@loop
async def test_a_code_of_one_session_is_no_use_to_another(gateway: Gateway) -> None:
    one, two = await session(gateway), await session(gateway)
    code = await code_for(gateway, one["token"])
    assert (await refused(gateway, two["token"], VERIFY, code=code))[1] == "INVALID_INPUT"
    newer = await code_for(gateway, one["token"])
    if newer != code:
        assert (await refused(gateway, one["token"], VERIFY, code=code))[1] == "INVALID_INPUT"


@loop
async def test_a_code_is_good_for_ten_minutes(gateway: Gateway) -> None:
    assert timedelta(minutes=10) == LASTING
    at = [datetime.now(UTC)]
    credentials = Credentials(gateway.runtime.ledger, lambda: at[0])
    letters = Letters()
    desk = Proofs(credentials, RateLimits(Rates(), SECRET), SECRET, letters, lambda: at[0])
    for wait, good in ((timedelta(minutes=9, seconds=59), True), (timedelta(minutes=10), False)):
        until = await desk.request("s1", Email("ada@example.com"), "ada@example.com", "en")
        await desk.finish()
        assert until == at[0] + LASTING
        at[0] += wait
        assert await desk.verify("s1", letters.sent[-1][1]) is good


@loop
async def test_the_answer_and_its_time_do_not_tell_whose_address_it_is(gateway: Gateway) -> None:
    made = await session(gateway)
    taken: dict[str, list[float]] = {"ada@example.com": [], "nobody@example.com": [], "not an address": []}
    shapes = set()
    LETTERS.sent.clear()
    for _ in range(12):
        for email, times in taken.items():
            started = time.perf_counter()
            status, body, _ = await gateway.send(REQUEST, {"email": email}, token=made["token"])
            times.append(time.perf_counter() - started)
            body["data"]["requestProof"].pop("expiresAt")
            shapes.add((status, repr(body)))
    assert len(shapes) == 1
    await gateway.runtime.proofs.finish()  # type: ignore[union-attr]
    assert {email for email, _ in LETTERS.sent} == {"ada@example.com"}
    medians = [statistics.median(times) for times in taken.values()]
    assert max(medians) - min(medians) < 0.02


@loop
async def test_a_code_is_kept_only_as_a_hash(gateway: Gateway) -> None:
    made = await session(gateway)
    code = await code_for(gateway, made["token"])
    async with gateway.runtime.ledger.reading() as connection:
        rows = [tuple(row) for row in await connection.execute(select(proofs))]
    assert rows
    assert not re.search(rf"'{code}'|ada@", repr(rows))


@loop
async def test_only_a_session_can_be_proved(gateway: Gateway) -> None:
    for token in (BOT_KEY, PEOPLE.staff(), PEOPLE.token(email="ada@example.com")):
        assert (await refused(gateway, token, REQUEST, email="ada@example.com"))[:2] == (403, "FORBIDDEN")
        assert (await refused(gateway, token, VERIFY, code="123456"))[:2] == (403, "FORBIDDEN")


async def test_without_mail_no_code_is_promised(tmp_path: Path) -> None:
    async with running_gateway(tmp_path) as gateway:
        made = await session(gateway)
        got = await refused(gateway, made["token"], REQUEST, email="ada@example.com")
        assert got == (200, "UNSUPPORTED", "this gateway sends no codes: `mail` is not configured")


async def test_no_more_codes_go_to_one_address_than_allowed(tmp_path: Path) -> None:
    letters = Letters()
    async with running_gateway(tmp_path, post=letters, rates=Rates(codes_per_address=2)) as gateway:
        for _ in range(4):  # of four sessions: the address is what counts
            made = await session(gateway)
            status, body, _ = await gateway.send(REQUEST, {"email": "ada@example.com"}, token=made["token"])
            assert (status, body["data"]["requestProof"]["tries"]) == (200, 5)
        await gateway.runtime.proofs.finish()  # type: ignore[union-attr]
        assert len(letters.sent) == 2


async def test_a_code_goes_out_by_mail() -> None:
    received: list[str] = []

    async def smtp(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 here\r\n")
        data = False
        while line := await reader.readline():
            text = line.decode().rstrip()
            received.append(text)
            if data:
                data = text != "."
                if not data:
                    writer.write(b"250 kept\r\n")
                continue
            if text.upper().startswith("DATA"):
                data = True
                writer.write(b"354 go on\r\n")
            elif text.upper().startswith("QUIT"):
                writer.write(b"221 bye\r\n")
                break
            else:
                writer.write(b"250 fine\r\n")
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_server(smtp, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server:
        post = by_mail(Mail(host="127.0.0.1", port=port, sender="help@acme.example", encryption="none"))
        await post(Email("ada@example.com"), "123456", "de")
    text = "\n".join(received)
    assert "RCPT TO:<ada@example.com>" in text
    assert "From: help@acme.example" in text
    assert "Ihr Code lautet 123456." in text


# ------------------------------------------------------------------ the command
CONFIG = """stores:
  eu: {platform: woocommerce, url: https://eu.acme.example, time_zone: Europe/Berlin,
       credentials: {consumer_key: "${WOO}", consumer_secret: "${WOO}"}}
policies: policies/
api_keys: []
"""


def aftersale(folder: Path, *words: str) -> tuple[int, str, str]:
    env = {"COLUMNS": "200", "WOO": "x" * 20, "AFTERSALE_SECRET": "s" * 32}
    result = CliRunner().invoke(app, [*words, "--config", str(folder / "aftersale.yaml")], env=env)
    return result.exit_code, result.stdout, result.stderr


def test_keys_and_sessions_are_made_and_ended_from_a_terminal(tmp_path: Path) -> None:
    (tmp_path / "aftersale.yaml").write_text(CONFIG)
    (tmp_path / "policies").mkdir()
    (tmp_path / "policies" / "acme.yaml").write_text("policy: acme\nstores: [eu]\nrules: []\n")
    code, out, err = aftersale(tmp_path, "key", "create", "--name", "bot", "--scopes", "orders:read,sessions:create")
    assert (code, bool(re.fullmatch(r"afk_\w{52}\n", out))) == (0, True), err
    assert "orders:read, sessions:create" in err
    assert "held to" not in err
    held = ("key", "create", "--name", "held", "--require-preview", "--person", "Sam@Acme.example")
    code, out, err = aftersale(tmp_path, *held)
    assert (code, "held to: previews first, Sam@Acme.example may not approve" in err) == (0, True), err
    code, out, err = aftersale(tmp_path, "key", "list")
    assert (code, "sam@acme.example" in out) == (0, True), (out, err)
    assert aftersale(tmp_path, "key", "revoke", "held")[0] == 0
    code, out, err = aftersale(tmp_path, "key", "list")
    assert (code, "sam@acme.example" in out) == (0, False), (out, err)
    code, out, err = aftersale(tmp_path, "session", "create", "--email", "Ada@Example.com", "--key", "bot")
    assert (code, out[:4]) == (0, "afs_"), err
    assert "@" not in out + err
    [id] = re.findall(r"session ([0-9a-f]{16}),", err)
    made = Sessions("s" * 32).read(out.strip(), datetime.now(UTC))
    assert (made.email, made.scopes, made.client) == ("ada@example.com", ("orders:read",), "bot")
    for words, says in (
        (("key", "create", "--name", "x", "--scopes", "orders:all"), "no scope orders:all"),
        (("key", "create", "--name", "x", "--assurance", "STAFF"), "CLAIMED or VERIFIED"),
        (("key", "create", "--name", "x", "--person", "Sam"), "not an e-mail"),
        (("session", "create", "--email", "", "--key", "bot"), "not an e-mail"),
        (("session", "create", "--email", "a@b.example", "--key", "nobody"), "no key that holds has this name"),
        (("session", "create", "--email", "a@b.example", "--key", "bot", "--assurance", "VERIFIED"), "CLAIMED at most"),
        (("session", "revoke", "x"), "not the id of a session"),
    ):
        code, out, err = aftersale(tmp_path, *words)
        assert (code, out, says in err) == (1, "", True), (words, err)
    assert aftersale(tmp_path, "session", "revoke", id)[0] == 0
    assert aftersale(tmp_path, "key", "revoke", "bot")[0] == 0
    assert aftersale(tmp_path, "key", "revoke", "bot")[0] == 1
    code, out, err = aftersale(tmp_path, "key", "list")
    assert (code, "revoked 20" in out, "afk_" in out) == (0, True, False), err
