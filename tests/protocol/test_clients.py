"""Clients that people use, as they are published, against the sandbox: Apollo Client, urql, graphql-request and gql."""

from __future__ import annotations

import asyncio
import hashlib
import shutil
from pathlib import Path
from typing import Any

import pytest
from gql import Client, GraphQLRequest, gql
from gql.transport.aiohttp import AIOHTTPTransport
from gql.transport.exceptions import TransportQueryError, TransportServerError

from gateway.documents import document_id
from gateway.operations import document
from tests.protocol.conftest import HERE, run_node
from tests.running import Gateway

pytestmark = pytest.mark.asyncio(loop_scope="module")

SCHEMA = Path(__file__).parents[2] / "schema"


@pytest.mark.parametrize("mode", ["development", "production"])
async def test_every_client_reads_writes_fails_and_persists(
    mode: str, request: pytest.FixtureRequest, development: Gateway, production: Gateway, node_modules: Path
) -> None:
    gateway = development if mode == "development" else production
    before = gateway.writes()
    found = {one.pop("client"): one for one in await run_node("clients.mjs", f"{gateway.url}/graphql", mode)}
    assert list(found) == ["apollo", "urql", "graphql-request"]
    by_hash, with_text = {"method": "POST", "query": False}, {"method": "POST", "query": True}
    by_get = {"method": "GET", "query": False}
    for client, read in found.items():
        assert read["stores"] == len(gateway.shops)
        problem = read["cancelled"]["problem"]
        assert (problem["__typename"], problem["code"]) == ("PolicyDenied", "POLICY_DENIED")
        assert problem["decision"]["verdict"] == "DENY"
        assert problem["customerMessage"] == "The order was already sent."
        assert read["cancelled"]["replayed"] is False
        assert read["wrong"] == "INVALID_INPUT"
        assert read["partly"] == [len(gateway.shops), None, "INVALID_INPUT"]
        once, again, stores = read["persisted"]
        if client == "graphql-request":  # its middleware has left the text out
            assert (once, again) == ([with_text], [by_hash])
            assert read["trusted"] == [[by_hash], ["action"]]
        else:
            assert (once, again) == ([by_hash, with_text], [by_get])
        assert stores == len(gateway.shops)
    assert gateway.writes() == before


@pytest.fixture(params=["development", "production"])
def gateway(request: pytest.FixtureRequest, development: Gateway, production: Gateway) -> Gateway:
    return development if request.param == "development" else production


async def test_pythons_gql_reads_writes_and_fails(gateway: Gateway) -> None:
    transport = AIOHTTPTransport(url=f"{gateway.url}/graphql")
    async with Client(transport=transport, fetch_schema_from_transport=True) as session:
        stores = await session.execute(gql("{ stores { id platform } }"))
        assert [store["id"] for store in stores["stores"]] == [f"Store:{shop}" for shop in gateway.shops]
        cancel = gql("""
          mutation Cancel($input: CancelOrderInput!, $key: String!) {
            cancelOrder(input: $input, idempotencyKey: $key) { problem { __typename ...Told } }
          }
          fragment Told on Problem { code customerMessage ... on PolicyDenied { decision { verdict } } }
        """)
        cancel.variable_values = {"input": {"orderId": "Order:us:450789001"}, "key": "gql"}
        answer = await session.execute(cancel)
        assert answer["cancelOrder"]["problem"] == {
            "__typename": "PolicyDenied",
            "code": "POLICY_DENIED",
            "customerMessage": "The order was already sent.",
            "decision": {"verdict": "DENY"},
        }
        with pytest.raises(TransportQueryError) as failed:
            await session.execute(gql('{ stores { id } node(id: "nonsense") { id } }'))
        assert failed.value.errors is not None
        assert failed.value.errors[0]["extensions"]["code"] == "INVALID_INPUT"
        assert failed.value.data is not None
        assert failed.value.data["node"] is None


class ByHash(GraphQLRequest):
    """A request of gql's without its text: it has no word of its own for that."""

    @property
    def payload(self) -> dict[str, Any]:
        return {name: value for name, value in super().payload.items() if name != "query"}


class ById(GraphQLRequest):
    """The same for a trusted document."""

    def __init__(self, text: str, variables: dict[str, Any]) -> None:
        super().__init__(text, variable_values=variables)
        self.id = document_id(text)

    @property
    def payload(self) -> dict[str, Any]:
        return {"documentId": self.id, "variables": super().payload["variables"]}


async def test_pythons_gql_leaves_a_text_once_and_asks_by_its_hash(gateway: Gateway) -> None:
    request = GraphQLRequest("query Left { stores { id } viewer { assurance } }")
    digest = hashlib.sha256(request.payload["query"].encode()).hexdigest()
    request.extensions = {"persistedQuery": {"version": 1, "sha256Hash": digest}}
    transport = AIOHTTPTransport(url=f"{gateway.url}/graphql")
    async with Client(transport=transport) as session:
        with pytest.raises((TransportQueryError, TransportServerError), match="PersistedQueryNotFound"):
            await session.execute(ByHash(request))
        first = await session.execute(request)
        assert len(first["stores"]) == len(gateway.shops)
        assert await session.execute(ByHash(request)) == first


async def test_pythons_gql_runs_a_trusted_document_by_its_id(gateway: Gateway) -> None:
    transport = AIOHTTPTransport(url=f"{gateway.url}/graphql")
    async with Client(transport=transport) as session:
        found = await session.execute(ById(document("WhoIsThis"), {"email": "ada@example.com"}))
        assert found["customer"]["displayName"] == "Ada Lovelace"


async def test_pythons_gql_is_told_of_a_token_nobody_knows(development: Gateway) -> None:
    transport = AIOHTTPTransport(url=f"{development.url}/graphql", headers={"authorization": "Bearer nobody"})
    async with Client(transport=transport) as session:
        with pytest.raises((TransportServerError, TransportQueryError), match=r"401|token"):
            await session.execute(gql("{ __typename }"))


async def test_the_published_types_are_those_of_the_schema(node_modules: Path, tmp_path: Path) -> None:
    names = ("possibleTypes.json", "schema.ts")
    (tmp_path / "schema").mkdir()
    (tmp_path / "tests" / "protocol").mkdir(parents=True)
    shutil.copy(SCHEMA / "schema.graphql", tmp_path / "schema")
    shutil.copy(HERE / "codegen.json", tmp_path / "tests" / "protocol")
    (tmp_path / "tests" / "protocol" / "node_modules").symlink_to(node_modules)
    process = await asyncio.create_subprocess_exec(
        *(str(node_modules / ".bin" / "graphql-codegen"), "--config", "codegen.json"),
        cwd=tmp_path / "tests" / "protocol",
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    out, _ = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode == 0, out.decode()
    made: dict[str, Any] = {name: (tmp_path / "schema" / name).read_text() for name in names}
    assert made == {name: (SCHEMA / name).read_text() for name in names}, "run `make schema` and commit what it writes"
