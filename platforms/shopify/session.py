"""How a document reaches a shop and its answer comes back typed: gql over the store's own transport."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Any, TypeVar, cast

import structlog
from gql import Client, GraphQLRequest
from gql.client import AsyncClientSession
from gql.transport import AsyncTransport
from graphql import ExecutionResult

from platforms.budget import Budget
from platforms.errors import BadCredentials
from platforms.jsonbody import decode
from platforms.oauth import TokenProvider
from platforms.secrets import SecretText
from platforms.shopify import wire
from platforms.shopify.documents import Document, price
from platforms.transport import Call, Reply, Transport

T = TypeVar("T")

_log = structlog.get_logger("platforms.shopify")


class AdminTransport(AsyncTransport):
    """gql's way out. The data of a result is the document's own type, decoded from the bytes."""

    def __init__(self, transport: Transport, budget: Budget, tokens: TokenProvider) -> None:
        self._transport = transport
        self._budget = budget
        self._tokens = tokens
        #: What a document costs in each of its forms: worked out before the first answer, and named by each.
        self._prices: dict[tuple[object, ...], float] = {}
        #: The version that really answered, which may be later than the one asked for once that is retired.
        self.answered_version: str | None = None

    async def connect(self) -> None:
        """Nothing to do: the session is made with the first call."""

    async def close(self) -> None:
        await self._transport.close()

    async def execute(self, request: GraphQLRequest, document: Document[Any] | None = None) -> ExecutionResult:
        if document is None:
            raise TypeError("only our own documents are sent")
        token = await self._tokens.token()
        try:
            data = await self._send(document, request, token)
        except BadCredentials:
            another = await self._tokens.renewed(token)
            if another is None:
                raise
            data = await self._send(document, request, another)
        return ExecutionResult(data=data, errors=None)

    def subscribe(self, request: GraphQLRequest) -> AsyncGenerator[ExecutionResult, None]:
        raise NotImplementedError("Shopify's Admin API has no subscriptions")

    async def _send(self, document: Document[T], request: GraphQLRequest, token: SecretText) -> T:
        variables: dict[str, Any] = request.variable_values or {}
        kind = (document.name, *(value for value in variables.values() if isinstance(value, int)))
        if kind not in self._prices:
            self._prices[kind] = price(document.tree, variables)
        call = Call(
            document.operation,
            "POST",
            f"admin/api/{wire.API_VERSION}/graphql.json",
            headers={
                "Content-Type": "application/json",
                "Accept": "application/json",
                "X-Shopify-Access-Token": token.reveal(),
            },
            body=document.payload(variables),
            writes=document.writes,
            cost=self._prices[kind],
        )

        def judge(reply: Reply) -> Reply:
            wire.refuse_status(reply)
            if reply.status != 200:
                return reply
            self._compare_version(reply)
            head = wire.read_head(reply, document.operation)
            wire.report(self._budget, head)
            cost = head.extensions.cost if head.extensions else None
            if cost is not None and cost.requested_query_cost is not None:
                self._prices[kind] = cost.requested_query_cost
            wire.refuse_errors(head, writes=document.writes)
            return reply

        def read(reply: Reply) -> T:
            body: wire.Body[T] = decode(wire.Body[document.answer], reply, document.operation)  # type: ignore[name-defined]
            return body.data

        return await self._transport.send(call, judge=judge, read=read)

    def _compare_version(self, reply: Reply) -> None:
        answered = reply.headers.get("x-shopify-api-version")
        if answered and answered != self.answered_version:
            self.answered_version = answered
            if answered != wire.API_VERSION:
                _log.warning(
                    "another version answered", store=self._transport.store, asked=wire.API_VERSION, answered=answered
                )


class Session:
    """Runs documents for one store."""

    def __init__(self, transport: AdminTransport) -> None:
        # No schema and no `connect`: our documents are held against the schema by tests, and the store's transport
        # makes its connections itself.
        self._session = AsyncClientSession(Client(transport=transport, execute_timeout=None))

    async def run(self, document: Document[T], **variables: Any) -> T:
        """The document's answer. Raises a `PlatformError`, and nothing else."""
        data: Any = await self._session.execute(document.request(variables), document=document)
        return cast("T", data)
