"""Persisted operations: trusted documents, texts that clients leave under their hash, and manifests."""

from __future__ import annotations

import hashlib
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
import pytest_asyncio
from typer.testing import CliRunner

from gateway.cli import app
from gateway.documents import ManifestError, Persisted, document_id, shipped
from gateway.http import GraphQLView
from gateway.operations import document, names
from gateway.protocol import Asked, RequestError
from gateway.runtime import Runtime
from gateway.settings import Documents
from tests.protocol.conftest import BOT, Answer, send
from tests.running import Gateway, running_gateway

pytestmark = pytest.mark.asyncio(loop_scope="module")

NEWEST = {"accept": "application/graphql-response+json"}
WHO = "{ viewer { assurance } }"
ADA = {"email": "ada@example.com"}


def hashed(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def automatic(text: str) -> dict[str, Any]:
    return {"persistedQuery": {"version": 1, "sha256Hash": hashed(text)}}


async def by(gateway: Gateway, method: str, headers: dict[str, str], **parameters: Any) -> Answer:
    """The same request by POST or by GET."""
    if method == "POST":
        return await send(gateway, json=parameters, headers=headers)
    written = {name: value if isinstance(value, str) else json.dumps(value) for name, value in parameters.items()}
    return await send(gateway, "GET", f"/graphql?{urlencode(written)}", headers=headers)


# ------------------------------------------------------------------ trusted documents
@pytest.mark.parametrize("method", ["POST", "GET"])
async def test_a_documented_operation_runs_by_its_id_alone(development: Gateway, method: str) -> None:
    id = document_id(document("HowIsMyRequest"))
    answer = await by(development, method, NEWEST, documentId=id, variables={"id": "Action:none"})
    assert "errors" not in answer.body or answer.body["errors"][0].get("path"), answer.body
    assert "data" in answer.body


async def test_trusted_documents_are_compiled_before_anybody_asks(development: Gateway, tmp_path: Path) -> None:
    settings = development.runtime.settings
    stale = "query Stale { there { is { noSuchField } } }"
    manifest = tmp_path / "stale.json"
    operations = [{"id": document_id(stale), "name": "Stale", "type": "query", "body": stale}]
    manifest.write_text(
        json.dumps({"format": "apollo-persisted-query-manifest", "version": 1, "operations": operations})
    )
    changed = settings.model_copy(update={"documents": Documents(manifests=[manifest])})
    view = GraphQLView(Runtime(changed, sandbox=True))
    assert (view.operations.fields, len(view.persisted.trusted)) == (0, len(names()) + 1)
    await view.prepare_trusted()
    assert [text for text in view.persisted.trusted if text not in view.documents] == [stale]
    assert view.operations.fields > 1_000


async def test_a_trusted_mutation_runs_by_post_only(development: Gateway) -> None:
    id = document_id(document("CancelIt"))
    variables = {"input": {"orderId": "Order:us:999"}, "key": "persisted-1"}
    refused = await send(development, "GET", f"/graphql?{urlencode({'documentId': id})}", headers=NEWEST)
    assert (refused.status, refused.headers["allow"]) == (405, "POST")
    answer = await by(development, "POST", NEWEST, documentId=id, variables=variables)
    assert answer.body["data"]["cancelOrder"]["problem"]["code"] == "NOT_FOUND"


@pytest.mark.parametrize(
    ("parameters", "code"),
    [
        ({"documentId": "sha256:" + "0" * 64}, "DOCUMENT_NOT_FOUND"),
        ({"documentId": "0" * 64}, "INVALID_INPUT"),
        ({"documentId": "sha256:abc"}, "INVALID_INPUT"),
        ({"documentId": "sha256:" + "A" * 64}, "INVALID_INPUT"),
        ({"documentId": "WhoIsThis"}, "INVALID_INPUT"),
        ({"documentId": "sha256:" + "0" * 64, "query": WHO}, "INVALID_INPUT"),
        ({"documentId": "sha256:" + "0" * 64, "extensions": automatic(WHO)}, "INVALID_INPUT"),
        ({"extensions": {"persistedQuery": {"version": 2, "sha256Hash": "0" * 64}}}, "PERSISTED_QUERY_NOT_SUPPORTED"),
        ({"extensions": {"persistedQuery": {"version": 1, "sha256Hash": "xyz"}}}, "INVALID_INPUT"),
        ({"extensions": {"persistedQuery": {"version": 1}}}, "INVALID_INPUT"),
        ({"extensions": {"persistedQuery": [1]}}, "PERSISTED_QUERY_NOT_SUPPORTED"),
        ({"extensions": automatic("{ other }"), "query": WHO}, "PERSISTED_QUERY_HASH_MISMATCH"),
        ({"extensions": {}}, "BAD_REQUEST"),
    ],
)
@pytest.mark.parametrize("method", ["POST", "GET"])
async def test_an_id_that_leads_nowhere_is_told_so(
    development: Gateway, method: str, parameters: dict[str, Any], code: str
) -> None:
    answer = await by(development, method, NEWEST, **parameters)
    assert (answer.status, answer.code) == (400, code)


# ------------------------------------------------------------------ left by clients
@pytest.mark.parametrize("method", ["POST", "GET"])
async def test_a_text_is_left_under_its_hash_and_found_again(development: Gateway, method: str) -> None:
    text = f"query By{method} {{ viewer {{ assurance }} }}"
    missing = await by(development, method, NEWEST, extensions=automatic(text))
    assert (missing.status, missing.code) == (400, "PERSISTED_QUERY_NOT_FOUND")
    assert missing.error["message"] == "PersistedQueryNotFound"
    left = await by(development, method, NEWEST, query=text, extensions=automatic(text))
    found = await by(development, method, NEWEST, extensions=automatic(text))
    assert left.body["data"] == found.body["data"] == {"viewer": {"assurance": "STAFF"}}


async def test_a_missing_hash_is_200_for_clients_of_the_older_media_type(development: Gateway) -> None:
    answer = await by(development, "POST", {}, extensions=automatic("query Nobody { __typename }"))
    assert (answer.status, answer.code) == (200, "PERSISTED_QUERY_NOT_FOUND")


@pytest.mark.parametrize("text", ["{ nothing }", "{", "{ " + "stores { id } " * 30 + "}"])
async def test_what_cannot_run_is_never_kept(development: Gateway, text: str) -> None:
    await by(development, "POST", NEWEST, query=text, extensions=automatic(text))
    again = await by(development, "POST", NEWEST, extensions=automatic(text))
    assert again.code == "PERSISTED_QUERY_NOT_FOUND"


def asked(query: str | None = None, **more: Any) -> Asked:
    fields = {"variables": {}, "operation_name": None, "extensions": {}, "document_id": None, "by_post": True} | more
    return Asked(query=query, **fields)


async def test_what_clients_leave_is_bounded() -> None:
    persisted = Persisted()
    texts = [f"{{ a{n} }}" + "#" * 3_000 for n in range(900)]
    for text in texts:
        persisted.keep(hashed(text), text)
    with pytest.raises(RequestError, match="PersistedQueryNotFound"):
        persisted.text(asked(extensions=automatic(texts[0])), "anyone")
    kept = [text for text in texts if hashed(text) in persisted._left]
    assert kept == texts[-len(kept) :]
    assert sum(map(len, kept)) <= 2_000_000


# ------------------------------------------------------------------ clients that may run nothing else
@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def limited(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Gateway]:
    folder = tmp_path_factory.mktemp("limited")
    (folder / "queries").mkdir()
    (folder / "queries" / "widget.graphql").write_text("query Widget { stores { ...S } }\nfragment S on Store { id }\n")
    manifest = folder / "widget.json"
    run = CliRunner().invoke(app, ["documents", "build", str(folder / "queries"), "-o", str(manifest)])
    assert run.exit_code == 0, run.output
    documents = Documents(manifests=(manifest,), only=("sandbox-bot",))
    async with running_gateway(folder, documents=documents, production=True) as running:
        yield running


async def test_a_limited_client_runs_its_trusted_documents_and_nothing_else(limited: Gateway) -> None:
    text = "query Widget {\n  stores {\n    ...S\n  }\n}\n\nfragment S on Store {\n  id\n}\n"
    headers = {**NEWEST, **BOT}
    by_id = await by(limited, "POST", headers, documentId=document_id(text))
    by_text = await by(limited, "POST", headers, query=text)
    assert by_id.body["data"] == by_text.body["data"] == {"stores": [{"id": f"Store:{shop}"} for shop in limited.shops]}
    refused = await by(limited, "POST", headers, query=WHO)
    assert (refused.status, refused.code) == (403, "FORBIDDEN")
    # Nor by leaving it first, nor by what somebody else has left.
    assert (await by(limited, "POST", headers, query=WHO, extensions=automatic(WHO))).status == 403
    assert "data" in (await by(limited, "POST", NEWEST, query=WHO, extensions=automatic(WHO))).body
    assert (await by(limited, "POST", headers, extensions=automatic(WHO))).code == "PERSISTED_QUERY_NOT_FOUND"


async def test_a_star_limits_every_client() -> None:
    persisted = Persisted(only=("*",))
    with pytest.raises(RequestError, match="trusted documents only"):
        persisted.text(asked(WHO), "anyone")
    text = document("WhoIsThis")
    assert persisted.text(asked(document_id=document_id(text)), "anyone") == (text, None)


# ------------------------------------------------------------------ manifests
async def test_the_shipped_manifest_is_the_documented_operations(tmp_path: Path) -> None:
    folder = Path(__file__).parents[2] / "gateway" / "operations"
    run = CliRunner().invoke(app, ["documents", "build", str(folder)])
    assert run.exit_code == 0, run.output
    text = shipped().read_text(encoding="utf-8")
    assert run.stdout == text, "run `make schema` and commit gateway/operations/documents.json"
    operations = json.loads(text)["operations"]
    assert sorted(one["name"] for one in operations) == sorted(names())
    for one in operations:
        assert (one["id"], one["body"]) == (document_id(document(one["name"])), document(one["name"]))


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({}, "there is no .graphql or .gql file"),
        ({"a.txt": "query A { __typename }"}, "there is no .graphql or .gql file"),
        ({"a.graphql": "query A {"}, "a.graphql:1:10: Syntax Error"),
        ({"a.graphql": "{ __typename }"}, "an operation has no name"),
        ({"a.graphql": "query A { nothing }"}, "a.graphql: A: Cannot query field 'nothing'"),
        ({"a.gql": "query A { ...F }"}, "A uses the fragment F, which is nowhere"),
        (
            {"a.graphql": "query A { __typename }", "b/b.gql": "query A { __typename }"},
            "the operation A is written twice",
        ),
        ({"a.graphql": "type A { b: Int }"}, "only operations and fragments belong here"),
        ({"a.graphql": b"\xff"}, "the file cannot be read"),
    ],
)
async def test_a_folder_that_makes_no_manifest_is_told_why(
    tmp_path: Path, files: dict[str, str | bytes], words: str
) -> None:
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    run = CliRunner().invoke(app, ["documents", "build", str(tmp_path), "-o", str(tmp_path / "out.json")])
    assert run.exit_code == 1
    assert words in " ".join(run.output.split())
    assert not (tmp_path / "out.json").exists()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("nonsense", "not a manifest"),
        ("[]", "not a manifest"),
        ('{"operations": [{"id": "x"}]}', "not a manifest"),
        ('{"format": "other", "version": 1, "operations": []}', "the format must be"),
        (
            '{"format": "apollo-persisted-query-manifest", "version": 1, "operations": [{"id": "a", "body": "b"}]}',
            "the id a is not the sha256 of its document",
        ),
    ],
)
async def test_a_manifest_that_cannot_be_trusted_stops_the_start(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "manifest.json"
    path.write_text(text)
    with pytest.raises(ManifestError, match=words):
        Persisted([path])
    with pytest.raises(ManifestError, match="cannot be read"):
        Persisted([tmp_path / "missing.json"])
