"""From the text of a document to an operation that may run: parsed, within the limits, valid; then kept."""

from __future__ import annotations

import asyncio
import re
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Hashable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, Final

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLError,
    GraphQLSchema,
    GraphQLSyntaxError,
    OperationDefinitionNode,
    OperationType,
    SelectionSetNode,
    parse,
)

from execution.extension import Operations
from gateway.limits import Costs, check_document, check_variables, exceeded
from gateway.protocol import RequestError
from gateway.settings import Limits
from gateway.turns import NoRoom, Turns
from gateway.validating import mistakes_in

#: How much is kept: documents, and their characters. A parsed character takes up to 250 bytes.
_MOST_KEPT: Final = 512
_MOST_KEPT_SIZE: Final = 250_000
#: Seconds of reading new documents that may be spent at once: a client's own dozen never waits.
_AT_ONCE: Final = 2.0
#: Of the time after that, the share that new documents may take.
_SHARE: Final = 0.12
_MOST_COMPILING: Final = 64

#: Stands in the turns where else a caller does.
_COMPILING: Final = object()

_SUGGESTION: Final = re.compile(r"\s*Did you mean [^?]*\?")
#: What tells of the schema itself; a router reads the second one.
_OF_THE_SCHEMA: Final = ("__schema", "__type", "_service")


@dataclass(frozen=True, slots=True)
class Prepared:
    """A valid document within the limits."""

    text: str
    document: DocumentNode
    #: By name; None: the one without a name.
    operations: Mapping[str | None, OperationDefinitionNode]
    introspects: bool
    #: By the operation's name.
    costs: dict[str | None, Costs] = field(default_factory=dict)

    def operation(self, name: str | None) -> OperationDefinitionNode:
        """The operation to run.

        Raises:
            RequestError: it is not there, or not the only one.
        """
        if name is not None:
            if name not in self.operations:
                raise RequestError.of(f'the document holds no operation named "{name}"', "INVALID_INPUT")
            return self.operations[name]
        if len(self.operations) != 1:
            words = "several operations: name the one to run in `operationName`" if self.operations else "no operation"
            raise RequestError.of(f"the document holds {words}", "INVALID_INPUT")
        return next(iter(self.operations.values()))


class Documents:
    """Documents that are kept prepared. What cannot run is never kept."""

    def __init__(self, schema: GraphQLSchema, limits: Limits, operations: Operations | None = None) -> None:
        self.schema = schema
        self.limits = limits
        #: Where documents that are asked for again are compiled, within the time that new documents may take: one that
        #: is asked for once is answered as fast without. Nobody waits for it.
        self._operations = operations
        self._compiling: dict[str, asyncio.Task[None]] = {}
        self._kept: OrderedDict[str, Prepared] = OrderedDict()
        self._size = 0
        self._turns = Turns()
        self._left = _AT_ONCE
        self._left_at = 0.0
        self._free_at = 0.0

    def __contains__(self, text: str) -> bool:
        return text in self._kept

    async def prepare_ahead(self, texts: Iterable[str]) -> None:
        """Make documents ready that are surely asked for, as many as are kept, one between other work.

        What cannot run is passed over: whoever asks for it is told why.
        """
        for text in texts:
            if len(self._kept) >= _MOST_KEPT or self._size + len(text) > _MOST_KEPT_SIZE:
                return
            if self._operations is not None and self._operations.full:
                return
            await asyncio.sleep(0)
            with suppress(RequestError):
                self._ready(self.prepare_now(text, suggest=False))

    async def prepare(self, text: str, *, suggest: bool, caller: Hashable = None) -> Prepared:
        """The document behind a text. `suggest`: a mistaken caller is helped with the words of the schema.

        New documents wait for each other, those of one `caller` behind those of the others, and leave most of the time
        to those that are known already, so that nobody can make everybody wait by sending ever new ones.

        Raises:
            RequestError: a limit is exceeded, or the document is not valid; one error for each mistake. Or too many
                new documents wait (503).
        """
        if (found := self._kept.get(text)) is None:
            try:
                async with self._turns.turn(caller, len(text)):
                    if text not in self._kept:  # or another has asked for it meanwhile
                        async with self._paced():
                            return self.prepare_now(text, suggest=suggest)
            except NoRoom as error:
                raise RequestError.of(str(error), "UNAVAILABLE", status=503) from None
            return self.prepare_now(text, suggest=suggest)
        if not self._is_ready(found) and text not in self._compiling and len(self._compiling) < _MOST_COMPILING:
            self._compiling[text] = asyncio.create_task(self._compile(found))
        return self.prepare_now(text, suggest=suggest)

    @asynccontextmanager
    async def _paced(self) -> AsyncIterator[None]:
        """With a rest before it."""
        await asyncio.sleep(self._rest())
        began = time.perf_counter()
        try:
            yield
        finally:
            now = time.perf_counter()
            self._left -= now - began
            self._free_at = now + (now - began)

    async def _compile(self, prepared: Prepared) -> None:
        try:
            async with self._turns.turn(_COMPILING, 0), self._paced():
                self._ready(prepared)
        except NoRoom:
            pass  # whoever asks for it once more will try again
        finally:
            del self._compiling[prepared.text]

    async def close(self) -> None:
        """Compile nothing any more."""
        compiling = list(self._compiling.values())
        for task in compiling:
            task.cancel()
        await asyncio.gather(*compiling, return_exceptions=True)

    def _is_ready(self, prepared: Prepared) -> bool:
        return self._operations is None or self._operations.knows(prepared.text, prepared.operations)

    def _ready(self, prepared: Prepared) -> None:
        """Compile its operations."""
        if self._operations is not None and not self._is_ready(prepared):
            self._operations.prepare(prepared.text, prepared.document)

    def _rest(self) -> float:
        """Seconds to leave to known documents before the next new one: as long as the last one took, until much was
        spent at once; then most of the time."""
        now = time.perf_counter()
        self._left = min(_AT_ONCE, self._left + (now - self._left_at) * _SHARE)
        self._left_at = now
        return max(0.0, self._free_at - now, -self._left / _SHARE)

    def prepare_now(self, text: str, *, suggest: bool) -> Prepared:
        """The same without waiting for anybody."""
        found = self._kept.get(text)
        if found is None:
            try:
                found = self._prepare(text)
            except RequestError as error:
                raise error if suggest else _without_suggestions(error) from None
            self._keep(found)
        else:
            self._kept.move_to_end(text)
        return found

    def check_request(
        self, prepared: Prepared, operation: OperationDefinitionNode, variables: Mapping[str, Any]
    ) -> int:
        """What an operation costs with these variables.

        Raises:
            RequestError: a limit is exceeded.
        """
        try:
            check_variables(variables, self.limits)
        except GraphQLError as error:
            raise RequestError([error]) from None
        name = operation.name.value if operation.name else None
        costs = prepared.costs.get(name)
        if costs is None:
            costs = prepared.costs[name] = Costs(operation, prepared.document, self.schema)
        cost = costs.of(variables)
        most = self.limits.cost
        if cost > most:
            words = (
                f"the operation could cost {cost}, and at most {most} is allowed: ask for fewer items or less of each"
            )
            raise RequestError([exceeded("cost", most, words, operation)])
        return cost

    def _prepare(self, text: str) -> Prepared:
        limits = self.limits
        try:
            document = parse(text, max_lexical_tokens=limits.query_tokens, max_comments=limits.query_comments)
        except GraphQLSyntaxError as error:
            raise RequestError([self._syntax(error)]) from None
        try:
            check_document(document, limits)
            mistakes = mistakes_in(self.schema, document, limits.errors)
        except GraphQLError as error:
            raise RequestError([error]) from None
        finally:
            _forget_tokens(document)
        if mistakes:
            for mistake in mistakes:
                mistake.extensions = mistake.extensions or {"code": "INVALID_INPUT"}
            raise RequestError(mistakes)
        operations = {
            one.name.value if one.name else None: one
            for one in document.definitions
            if isinstance(one, OperationDefinitionNode)
        }
        return Prepared(text, document, operations, _introspects(document, operations.values()))

    def _syntax(self, error: GraphQLSyntaxError) -> GraphQLError:
        for limit, what in (("query_tokens", "tokens"), ("query_comments", "comments")):
            most: int = getattr(self.limits, limit)
            if error.message.startswith(f"Syntax Error: Document contains more than {most} {what}."):
                return exceeded(limit, most, f"the document has more than {most} {what}")
        error.extensions = {"code": "INVALID_INPUT"}
        return error

    def _keep(self, prepared: Prepared) -> None:
        self._kept[prepared.text] = prepared
        self._size += len(prepared.text)
        while len(self._kept) > _MOST_KEPT or self._size > _MOST_KEPT_SIZE:
            _, gone = self._kept.popitem(last=False)
            self._size -= len(gone.text)


def _forget_tokens(document: DocumentNode) -> None:
    """Tokens know their neighbours, in both directions, and nobody asks them any more: places are in the nodes.

    Else all of a document that is refused would stay until garbage is looked for.
    """
    token = document.loc.start_token if document.loc else None
    while token is not None:
        following = token.next
        token.prev = token.next = None
        token = following


def _introspects(document: DocumentNode, operations: Iterable[OperationDefinitionNode]) -> bool:
    """Whether any operation asks for the schema; only the fields of the root can."""
    fragments = {one.name.value: one for one in document.definitions if isinstance(one, FragmentDefinitionNode)}

    def asks(selections: SelectionSetNode) -> bool:
        for one in selections.selections:
            if isinstance(one, FieldNode):
                if one.name.value in _OF_THE_SCHEMA:
                    return True
            elif isinstance(one, FragmentSpreadNode):
                if asks(fragments[one.name.value].selection_set):
                    return True
            elif asks(one.selection_set):  # type: ignore[attr-defined]
                return True
        return False

    return any(asks(one.selection_set) for one in operations if one.operation is OperationType.QUERY)


def _without_suggestions(error: RequestError) -> RequestError:
    return RequestError([without_suggestion(one) for one in error.errors], error.status)


def without_suggestion(error: GraphQLError) -> GraphQLError:
    """The error without the names of the schema that it would suggest."""
    message = _SUGGESTION.sub("", error.message)
    if message == error.message:
        return error
    return GraphQLError(
        message, error.nodes, error.source, error.positions, error.path, error.original_error, error.extensions
    )


def shortened(errors: Sequence[GraphQLError], most: int) -> list[GraphQLError]:
    """The first errors, and how many there are more."""
    if len(errors) <= most:
        return list(errors)
    words = f"{len(errors) - most + 1} more errors are left out"
    return [*errors[: most - 1], exceeded("errors", most, words)]
