"""The way in: a Strawberry extension that answers an operation from its compiled form, kept for the next time."""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

from graphql import DocumentNode, ExecutionResult, GraphQLError, OperationDefinitionNode
from graphql.execution.values import VariableValues
from strawberry.extensions import SchemaExtension
from strawberry.schema.schema import Schema, StrawberryGraphQLCoreExecutionContext
from strawberry.types.execution import ExecutionContext

from execution.compiling import MOST_FIELDS, Compiled, Outline, Unsupported, compiled, outline
from execution.inputs import Variables
from execution.running import Run

_log = logging.getLogger(__name__)

#: How much is kept: compiled operations, and their fields. A field takes four to five kilobytes.
_MOST_KEPT: Final = 1_024
_MOST_KEPT_FIELDS: Final = 16_000


@dataclass(slots=True)
class _Kept:
    outline: Outline | None
    variables: Variables
    variants: dict[tuple[Any, ...], Compiled | None]

    @property
    def fields(self) -> int:
        return sum(0 if one is None else one.fields for one in self.variants.values())


class Operations:
    """The compiled operations of one schema."""

    def __init__(self, schema: Schema, *, ahead: bool = False) -> None:
        self.schema = schema
        #: Whether only what was prepared is answered; else all is compiled when it is first asked.
        self.ahead = ahead
        self._kept: OrderedDict[tuple[str, str | None], _Kept] = OrderedDict()
        self._fields = 0

    @cached_property
    def usable(self) -> bool:
        """Whether the schema answers in no way of its own, as by middleware, so that its operations can be compiled."""
        schema = self.schema
        return (
            schema.execution_context_class is StrawberryGraphQLCoreExecutionContext
            and not schema.directives
            and not any(one._implements_resolve() for one in schema.get_extensions())
            and not schema.config.enable_experimental_incremental_execution
        )

    @property
    def fields(self) -> int:
        """How many compiled fields are kept."""
        return self._fields

    @property
    def full(self) -> bool:
        """Whether the next operation may take the place of another."""
        return len(self._kept) >= _MOST_KEPT or self._fields + MOST_FIELDS > _MOST_KEPT_FIELDS

    def knows(self, text: str, names: Iterable[str | None]) -> bool:
        """Whether the operations of a document, by these names, were prepared and are kept."""
        return all((text, name) in self._kept for name in names)

    def prepare(self, text: str, document: DocumentNode) -> None:
        """Compile the operations of a valid document now, but those whose form its variables decide."""
        for one in document.definitions:
            if isinstance(one, OperationDefinitionNode):
                kept = self._kept_for(text, one.name.value if one.name else None, document)
                if kept.outline is not None and not kept.outline.conditions and not kept.variants:
                    self._variant(kept, (), VariableValues({}, {}))

    async def run(self, asked: ExecutionContext) -> ExecutionResult | None:
        """The answer to what Strawberry is asked; None, before anything ran, where graphql-core is to give it."""
        if asked.query is None or asked.graphql_document is None or asked.schema is not self.schema:
            return None
        return await self.answer(
            asked.query,
            asked.operation_name,
            asked.graphql_document,
            asked.variables or {},
            asked.context,
            asked.root_value,
            asked.operation_extensions,
        )

    async def answer(
        self,
        text: str,
        name: str | None,
        document: DocumentNode,
        given: Mapping[str, Any],
        context: Any,
        root: Any = None,
        extensions: dict[str, Any] | None = None,
    ) -> ExecutionResult | None:
        """The answer to an operation of a valid document, by its name and the values given for its variables; None,
        before anything ran, where graphql-core is to give it."""
        if self.ahead and (text, name) not in self._kept:
            return None
        found = self._kept_for(text, name, document)
        if found.outline is None:
            return None
        outline = found.outline
        schema = self.schema._schema
        variables = found.variables.of(given)
        if variables is None:
            return None
        variant = tuple(variables.coerced.get(name) for name in outline.conditions)
        if not all(value is True or value is False for value in variant):
            return None
        plan = self._variant(found, variant, variables)
        if plan is None:
            return None
        run = Run(schema, outline.definitions, outline.operation, variables, root, context, extensions)
        plan.begin()
        try:
            return await answered(plan, run, root)
        finally:
            plan.end()

    def _kept_for(self, text: str, name: str | None, document: DocumentNode) -> _Kept:
        kept = self._kept.get((text, name))
        if kept is None:
            try:
                found = outline(document, name) if self.usable else None
            except Unsupported:
                found = None
            nodes = found.operation.variable_definitions or () if found is not None else ()
            kept = self._kept[text, name] = _Kept(found, Variables(self.schema._schema, nodes), {})
            self._forget()
        else:
            self._kept.move_to_end((text, name))
        return kept

    def _variant(self, kept: _Kept, variant: tuple[Any, ...], variables: VariableValues) -> Compiled | None:
        if variant not in kept.variants:
            assert kept.outline is not None
            plan = kept.variants[variant] = self._compiled(kept.outline, variables)
            self._fields += 0 if plan is None else plan.fields
            self._forget()
        return kept.variants[variant]

    def _compiled(self, outline: Outline, variables: VariableValues) -> Compiled | None:
        try:
            return compiled(self.schema._schema, outline, variables)
        except Unsupported:
            return None
        except Exception:  # whatever it is, graphql-core can still answer
            _log.exception("an operation could not be compiled")
            return None

    def _forget(self) -> None:
        while len(self._kept) > _MOST_KEPT or (self._fields > _MOST_KEPT_FIELDS and len(self._kept) > 1):
            _, gone = self._kept.popitem(last=False)
            self._fields -= gone.fields
            for plan in gone.variants.values():
                if plan is not None:
                    plan.let_go()


async def answered(plan: Compiled, run: Run, root: Any) -> ExecutionResult:
    """Run a compiled operation to its end."""
    data: dict[str, Any] = {}
    run.ask_gates(plan.gates)
    try:
        if plan.root is not None:
            data = plan.root(root, None, run)
            if run.waits:
                await run.settle()
        else:
            for part in plan.serial:
                filled = part(root, None, run)
                if run.waits:
                    await run.settle()
                if run.over:
                    break
                data.update(filled)
    except GraphQLError as error:
        run.note_whole(error)
        if run.waits:
            await run.settle()
    except BaseException:
        await run.give_up()
        raise
    await run.ended()
    result = run.result(data)
    run.tail = ()  # it knows the run, and would stay with all that the context holds until garbage is looked for
    return result


class CompiledExecution(SchemaExtension):
    """Answers what can be compiled; graphql-core answers the rest."""

    def __init__(self, operations: Operations) -> None:
        self._operations = operations

    async def on_execute(self) -> AsyncIterator[None]:
        asked = self.execution_context
        if asked.result is None:
            asked.result = await self._operations.run(asked)
        yield
