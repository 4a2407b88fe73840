"""Tokens that are believed, and each kind of token that is not, with the words and the status it is refused by."""

from __future__ import annotations

import asyncio
import base64
import json
import time
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
import pytest_asyncio
from joserfc import jwt
from joserfc.jwk import ECKey, OctKey, OKPKey, RSAKey
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route

from gateway import tokens
from gateway.settings import IdentityProvider
from gateway.tokens import BadToken, KeysUnreadable, Tokens
from platforms.addresses import AddressRefused
from sandbox.people import AUDIENCE, BOT_KEY, ISSUER, SandboxProvider, session_of
from sandbox.serving import serve
from sandbox.world import SECRET
from schema.access import DEFAULT_SCOPES
from schema.vocabulary import AssuranceLevel
from tests.running import Gateway, running_gateway

loop = pytest.mark.asyncio(loop_scope="module")

PEOPLE = SandboxProvider()
WHO = "{ viewer { assurance actor { kind name } roles scopes customerEmail expiresAt } }"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def gateway(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Gateway]:
    async with running_gateway(tmp_path_factory.mktemp("tokens"), people=PEOPLE) as running:
        yield running


async def who(gateway: Gateway, token: str) -> dict[str, Any]:
    status, body, _ = await gateway.send(WHO, token=token)
    assert (status, body.get("errors")) == (200, None)
    viewer: dict[str, Any] = body["data"]["viewer"]
    return viewer


# ------------------------------------------------------------------ who they are
@loop
async def test_a_person_with_a_role_of_the_staff_is_staff(gateway: Gateway) -> None:
    found = await who(gateway, PEOPLE.staff())
    assert (found["assurance"], found["actor"], found["roles"]) == (
        "STAFF",
        {"kind": "STAFF", "name": "Sam"},
        ["support"],
    )
    assert found["customerEmail"] is None
    assert "raw:read" in found["scopes"]


@loop
async def test_a_customer_is_verified_only_with_a_verified_address(gateway: Gateway) -> None:
    found = await who(gateway, PEOPLE.token(email=" ADA@Example.com ", email_verified=True))
    assert (found["assurance"], found["customerEmail"]) == ("VERIFIED", "ada@example.com")
    for claimed in (False, "true", 1, None):
        found = await who(gateway, PEOPLE.token(email="ada@example.com", email_verified=claimed))
        assert (found["assurance"], found["customerEmail"]) == ("CLAIMED", None), claimed
    assert (await who(gateway, PEOPLE.token(email="ada@example.com")))["assurance"] == "CLAIMED"


@loop
async def test_a_role_that_is_not_the_staffs_gives_nothing(gateway: Gateway) -> None:
    found = await who(gateway, PEOPLE.token(email="ada@example.com", roles=["admin", "SUPPORT"]))
    assert found["assurance"] == "CLAIMED"


@loop
async def test_a_token_without_address_or_role_is_forbidden(gateway: Gateway) -> None:
    for claims in ({}, {"email": ""}, {"email": "nobody"}, {"email": ["ada@example.com"]}, {"roles": "x"}):
        status, body, _ = await gateway.send(WHO, token=PEOPLE.token(**claims))
        assert (status, body["errors"][0]["extensions"]["code"]) == (403, "FORBIDDEN")
        assert "neither a role" in body["errors"][0]["message"]


@loop
async def test_the_bots_key_is_never_staff(gateway: Gateway) -> None:
    found = await who(gateway, BOT_KEY)
    assert (found["assurance"], found["actor"]) == ("CLAIMED", {"kind": "BOT", "name": "sandbox-bot"})
    assert found["scopes"] == [*DEFAULT_SCOPES, "sessions:create"]


# ------------------------------------------------------------------ what is not believed
def unsigned(header: dict[str, Any], **claims: Any) -> str:
    def piece(value: dict[str, Any]) -> str:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")

    now = int(time.time())
    said = {"iss": ISSUER, "aud": AUDIENCE, "exp": now + 60, "sub": "x", "roles": ["support"]} | claims
    return f"{piece(header)}.{piece(said)}"


def forged(key: Any, header: dict[str, Any], **claims: Any) -> str:
    now = int(time.time())
    said = {"iss": ISSUER, "aud": AUDIENCE, "exp": now + 60, "sub": "x", "roles": ["support"]} | claims
    return jwt.encode(header, said, key, registry=tokens._Algorithms(algorithms=[header["alg"]]))


def tampered(token: str) -> str:
    head, body, signature = token.split(".")
    claims = json.loads(base64.urlsafe_b64decode(body + "=="))
    claims["roles"] = ["support-lead"]
    body = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
    return f"{head}.{body}.{signature}"


HOUR = timedelta(hours=1)
STRANGER = ECKey.generate_key("P-256")
REFUSED: dict[str, tuple[str, str]] = {
    "unknown": ("never-given-to-anybody", "this token is not known here"),
    "empty": ("", "must read `Bearer <token>`"),
    "huge": ("x" * 5000, "at most 4096 characters"),
    "huge, like a JWT": (f"{'x' * 3000}.{'y' * 3000}.z", "at most 4096 characters"),
    "not ASCII": ("tökén-tökén-tökén", "one word of plain characters"),
    "doubled": (f"{BOT_KEY}, Bearer {BOT_KEY}", "one word of plain characters"),
    "expired": (PEOPLE.token(-HOUR, roles=["support"]), "it has expired"),
    "expired, within the skew's reach of hope": (PEOPLE.token(timedelta(seconds=-61)), "it has expired"),
    "future": (PEOPLE.token(nbf=int(time.time()) + 3600), "it begins in the future"),
    "made in the future": (PEOPLE.token(iat=int(time.time()) + 3600), "it begins in the future"),
    "without an end": (PEOPLE.token(exp=None), "it does not say when it expires"),
    "with an end that is none": (PEOPLE.token(exp="never"), "its exp is no instant"),
    "for nobody": (PEOPLE.token(sub=""), "it does not say whose it is"),
    "of a stranger": (PEOPLE.token(iss="https://id.evil.example"), "its issuer is not one that is trusted here"),
    "of a list of issuers": (PEOPLE.token(iss=[ISSUER]), "its issuer is not one that is trusted here"),
    "for others": (PEOPLE.token(aud="other"), "it was made for another audience"),
    "for several others": (PEOPLE.token(aud=["a", "b"]), "it was made for another audience"),
    "unsigned": (unsigned({"alg": "ES256", "kid": "sandbox"}) + ".", "it is not signed"),
    "of no algorithm": (unsigned({"alg": "none"}) + ".x", "its algorithm is not accepted"),
    "signed by a shared secret": (
        forged(OctKey.import_key("s" * 32), {"alg": "HS256"}),
        "its algorithm is not accepted",
    ),
    "signed by a stranger": (forged(STRANGER, {"alg": "ES256", "kid": "sandbox"}), "its signature is wrong"),
    "with a wrong key id": (
        forged(STRANGER, {"alg": "ES256", "kid": "other"}),
        "a key that its issuer does not publish",
    ),
    "with a key id that is no text": (unsigned({"alg": "ES256", "kid": 7}) + ".x", "its key id is not text"),
    "with extensions": (
        unsigned({"alg": "ES256", "crit": ["b64"], "b64": False}) + ".x",
        "extensions that are not known",
    ),
    "changed": (tampered(PEOPLE.staff()), "its signature is wrong"),
    "garbage": ("a.b.c", "it cannot be read"),
    "a list": (base64.urlsafe_b64encode(b"[1]").decode() + ".e30.x", "it cannot be read"),
    "a session of another gateway": (session_of("ada@example.com", "x" * 40), "was not made here"),
    "a session cut short": (session_of("ada@example.com", SECRET)[:-6], "was not made here"),
    "a session that is empty": ("afs_", "was not made here"),
    "a key of the right shape": ("afk_" + "A1" * 26, "this token is not known here"),
}


@loop
@pytest.mark.parametrize("case", REFUSED)
async def test_a_token_that_is_not_believed_is_refused_with_its_own_words(gateway: Gateway, case: str) -> None:
    token, words = REFUSED[case]
    as_written = f"Bearer {token}".encode().decode("latin-1")
    status, body, answered = await gateway.send("{ stores { id } }", authorization=as_written)
    assert status == 401
    assert "data" not in body
    [error] = body["errors"]
    assert words in error["message"], error["message"]
    assert error["extensions"]["code"] == "UNAUTHENTICATED"
    assert answered["www-authenticate"] == "Bearer"
    assert answered["cache-control"] == "no-store"
    if len(token) > 20:
        assert token[:20] not in json.dumps(body)


@loop
async def test_two_authorization_headers_are_refused(gateway: Gateway) -> None:
    twice = [("Authorization", f"Bearer {BOT_KEY}"), ("Authorization", f"Bearer {BOT_KEY}")]
    async with gateway.session.post(f"{gateway.url}/graphql", json={"query": WHO}, headers=twice) as response:
        assert (response.status, (await response.json())["errors"][0]["message"]) == (
            401,
            "send one Authorization header, not several",
        )


@loop
async def test_clocks_may_be_a_minute_apart(gateway: Gateway) -> None:
    assert (await who(gateway, PEOPLE.token(timedelta(seconds=-30), roles=["support"])))["assurance"] == "STAFF"
    soon = int(time.time()) + 30
    assert (await who(gateway, PEOPLE.token(nbf=soon, iat=soon, roles=["support"])))["assurance"] == "STAFF"


@loop
async def test_an_address_never_travels_in_an_address(gateway: Gateway) -> None:
    query = "query($e: String) { orders(customerEmail: $e) { complete } }"
    for params in (
        {"query": query, "variables": '{"e": "ada@example.com"}'},
        {"query": '{ orders(customerEmail: "ada@example.com") { complete } }'},
    ):
        async with gateway.session.get(f"{gateway.url}/graphql", params=params) as response:
            body = await response.json()
            assert (response.status, body["errors"][0]["extensions"]["code"]) == (400, "BAD_REQUEST")
            assert "ada@" not in json.dumps(body)
    fine = {"query": "{ stores @include(if: true) { id } }"}
    async with gateway.session.get(f"{gateway.url}/graphql", params=fine) as response:
        assert response.status == 200


# ------------------------------------------------------------------ every algorithm, and keys that change
class Provider:
    """An identity provider on a loopback port, whose keys can be changed."""

    def __init__(self) -> None:
        self.keys: list[Any] = []
        self.asked = 0
        self.broken = False

    def app(self) -> Starlette:
        async def jwks(request: Any) -> JSONResponse:
            self.asked += 1
            if self.broken:
                return JSONResponse({"oops": True})
            return JSONResponse({"keys": [key.as_dict(private=False) for key in self.keys]})

        return Starlette(routes=[Route("/jwks.json", jwks)])


def config(url: str, **changes: Any) -> IdentityProvider:
    words = {"name": "acme", "issuer": ISSUER, "audience": AUDIENCE, "jwks_url": f"{url}/jwks.json"}
    return IdentityProvider.model_validate(
        words | {"allow_private_address": True, "staff_roles": ("support",)} | changes
    )


KINDS = {
    "RS256": RSAKey.generate_key(2048, parameters={"kid": "r"}),
    "ES256": ECKey.generate_key("P-256", parameters={"kid": "e"}),
    "EdDSA": OKPKey.generate_key("Ed25519", parameters={"kid": "o"}),
    "Ed25519": OKPKey.generate_key("Ed25519", parameters={"kid": "n"}),
}


@pytest.mark.parametrize("algorithm", KINDS)
async def test_each_algorithm_is_read_with_the_published_key(algorithm: str) -> None:
    provider = Provider()
    provider.keys = list(KINDS.values())
    async with serve(provider.app()) as url:
        reader = Tokens([config(url)], SECRET)
        token = forged(KINDS[algorithm], {"alg": algorithm, "kid": KINDS[algorithm].kid})
        for _ in range(3):
            assert (await reader.viewer(token)).assurance is AssuranceLevel.STAFF
        assert provider.asked == 1
        other = next(key for name, key in KINDS.items() if name != algorithm)
        with pytest.raises(BadToken, match="signature is wrong"):
            await reader.viewer(forged(KINDS[algorithm], {"alg": algorithm, "kid": other.kid}))
        await reader.close()


async def test_a_new_key_is_fetched_and_an_old_one_is_forgotten() -> None:
    provider = Provider()
    old, new = (ECKey.generate_key("P-256", parameters={"kid": kid}) for kid in ("old", "new"))
    provider.keys = [old]
    async with serve(provider.app()) as url:
        reader = Tokens([config(url)], SECRET, spared=0.05)
        before, after = (forged(key, {"alg": "ES256", "kid": key.kid}) for key in (old, new))
        assert (await reader.viewer(before)).client.startswith("jwt:acme:")
        provider.keys = [new]
        await asyncio.sleep(0.06)
        assert (await reader.viewer(after)).assurance is AssuranceLevel.STAFF
        with pytest.raises(BadToken, match="does not publish"):
            await reader.viewer(before)
        await reader.close()


async def test_unknown_key_ids_do_not_make_a_storm() -> None:
    provider = Provider()
    provider.keys = [KINDS["ES256"]]
    async with serve(provider.app()) as url:
        reader = Tokens([config(url)], SECRET)
        for number in range(20):
            with pytest.raises(BadToken):
                await reader.viewer(forged(STRANGER, {"alg": "ES256", "kid": f"k{number}"}))
        assert provider.asked == 1
        await reader.close()


async def test_keys_that_cannot_be_read_are_nobodys_fault() -> None:
    provider = Provider()
    provider.broken = True
    async with serve(provider.app()) as url:
        reader = Tokens([config(url)], SECRET, spared=0.05)
        token = forged(KINDS["ES256"], {"alg": "ES256", "kid": "e"})
        with pytest.raises(KeysUnreadable):
            await reader.viewer(token)
        provider.broken, provider.keys = False, [KINDS["ES256"]]
        await asyncio.sleep(0.06)
        assert (await reader.viewer(token)).assurance is AssuranceLevel.STAFF
        provider.broken = True
        await asyncio.sleep(0.06)
        assert (await reader.viewer(token)).assurance is AssuranceLevel.STAFF  # what it said before still holds
        await reader.close()


@pytest.mark.parametrize(
    "url", ["http://id.example/jwks", "https://127.0.0.1/jwks", "https://10.0.0.1/k", "https://localhost/k"]
)
def test_keys_come_from_public_addresses_only_unless_allowed(url: str) -> None:
    with pytest.raises((ValueError, AddressRefused)):
        config(url.removesuffix("/jwks.json"), allow_private_address=False)


def test_roles_may_lie_inside_other_claims() -> None:
    assert tokens._words({"realm_access": {"roles": ["a", 7, "b"]}}, "realm_access.roles") == ["a", "b"]
    assert tokens._words({"https://acme.example/roles": "a b"}, "https://acme.example/roles") == ["a", "b"]
    assert tokens._words({"realm_access": "x"}, "realm_access.roles") == []


def test_an_identity_provider_cannot_hand_customers_what_is_staffs() -> None:
    with pytest.raises(ValueError, match="customer_scopes may not hold"):
        config("http://127.0.0.1:1", customer_scopes=("orders:read", "actions:approve"))
