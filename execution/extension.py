"""The way in: a Strawberry extension that answers an operation from its compiled form, kept for the next time."""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any, Final

from graphql import ExecutionResult, GraphQLError, GraphQLSchema
from graphql.execution.values import VariableValues, get_variable_values
from strawberry.extensions import SchemaExtension
from strawberry.schema.schema import Schema, StrawberryGraphQLCoreExecutionContext
from strawberry.types.execution import ExecutionContext

from execution.compiling import Compiled, Outline, Unsupported, compiled, outline
from execution.running import Run

_log = logging.getLogger(__name__)

#: How much is kept: compiled operations, and their fields. A field takes about two kilobytes.
_MOST_KEPT: Final = 1_024
_MOST_KEPT_FIELDS: Final = 50_000
#: As graphql-core, which tells them.
_MOST_MISTAKES: Final = 50


@dataclass(slots=True)
class _Kept:
    outline: Outline | None
    variants: dict[tuple[Any, ...], Compiled | None]

    @property
    def fields(self) -> int:
        return sum(1 if one is None else one.fields for one in self.variants.values())


class Operations:
    """The compiled operations of one schema."""

    def __init__(self) -> None:
        self._schema: GraphQLSchema | None = None
        self._usable = False
        self._kept: OrderedDict[tuple[str, str | None], _Kept] = OrderedDict()
        self._fields = 0

    async def run(self, asked: ExecutionContext) -> ExecutionResult | None:
        """The answer; None, before anything ran, where graphql-core is to give it."""
        found = self._prepared(asked)
        if found is None:
            return None
        plan, outline, variables = found
        run = Run(
            self._schema,
            outline.definitions,
            outline.operation,
            variables,
            asked.root_value,
            asked.context,
            asked.operation_extensions,
        )
        return await answered(plan, run, asked.root_value)

    def _prepared(self, asked: ExecutionContext) -> tuple[Compiled, Outline, VariableValues] | None:
        if asked.query is None or asked.graphql_document is None or not self._serves(asked.schema):
            return None
        kept = self._kept_for(asked)
        if kept.outline is None:
            return None
        assert self._schema is not None
        variables = get_variable_values(
            self._schema,
            kept.outline.operation.variable_definitions or (),
            asked.variables or {},
            max_errors=_MOST_MISTAKES,
        )
        if isinstance(variables, list):
            return None
        variant = tuple(variables.coerced.get(name) for name in kept.outline.conditions)
        if not all(value is True or value is False for value in variant):
            return None
        if variant not in kept.variants:
            plan = self._compiled(kept.outline, variables)
            kept.variants[variant] = plan
            self._fields += 1 if plan is None else plan.fields
            self._forget()
        plan = kept.variants[variant]
        return None if plan is None else (plan, kept.outline, variables)

    def _serves(self, schema: Any) -> bool:
        """Whether the schema is one whose operations can be compiled: it answers them in no way of its own."""
        built: GraphQLSchema = schema._schema
        if self._schema is None:
            self._schema = built
            self._usable = (
                isinstance(schema, Schema)
                and schema.execution_context_class is StrawberryGraphQLCoreExecutionContext
                and not schema.directives
                and not any(one._implements_resolve() for one in schema.get_extensions())
                and not schema.config.enable_experimental_incremental_execution
            )
        if self._schema is not built:
            raise RuntimeError("compiled operations belong to one schema: make them anew for another")
        return self._usable

    def _kept_for(self, asked: ExecutionContext) -> _Kept:
        assert asked.query is not None
        assert asked.graphql_document is not None
        key = (asked.query, asked.operation_name)
        kept = self._kept.get(key)
        if kept is None:
            try:
                found = outline(asked.graphql_document, asked.operation_name)
            except Unsupported:
                found = None
            kept = self._kept[key] = _Kept(found, {})
        else:
            self._kept.move_to_end(key)
        return kept

    def _compiled(self, outline: Outline, variables: VariableValues) -> Compiled | None:
        assert self._schema is not None
        try:
            return compiled(self._schema, outline, variables)
        except Unsupported:
            return None
        except Exception:  # whatever it is, graphql-core can still answer
            _log.exception("an operation could not be compiled")
            return None

    def _forget(self) -> None:
        while len(self._kept) > _MOST_KEPT or (self._fields > _MOST_KEPT_FIELDS and len(self._kept) > 1):
            _, gone = self._kept.popitem(last=False)
            self._fields -= gone.fields


async def answered(plan: Compiled, run: Run, root: Any) -> ExecutionResult:
    """Run a compiled operation to its end."""
    data: dict[str, Any] = {}
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
    return run.result(data)


class CompiledExecution(SchemaExtension):
    """Answers what can be compiled; graphql-core answers the rest."""

    def __init__(self, operations: Operations) -> None:
        self._operations = operations

    async def on_execute(self) -> AsyncIterator[None]:
        asked = self.execution_context
        if asked.result is None:
            asked.result = await self._operations.run(asked)
        yield
