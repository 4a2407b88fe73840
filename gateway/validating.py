"""Whether a document is valid: every rule of graphql-core, over one walk that asks each rule only where it looks."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from inspect import getattr_static
from typing import Any, Final, NamedTuple, cast

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    GraphQLError,
    GraphQLSchema,
    NonNullTypeNode,
    ObjectValueNode,
    OperationDefinitionNode,
    TypeInfo,
    UniqueDirectivesPerLocationRule,
    ValidationContext,
    ValidationRule,
    assert_valid_schema,
    get_named_type,
    specified_rules,
)
from graphql.language.visitor import BREAK, SKIP
from graphql.pyutils import RefMap
from graphql.validation.validate import (
    FragmentNestingVisitor,
    ValidationAbortedError,
    query_document_keys_to_validate,
)
from graphql.validation.validation_context import VariableUsage, VariableUsageVisitor
from strawberry.exceptions import StrawberryInputCoercionError
from strawberry.schema.validation_rules.maybe_null import MaybeNullValidationRule


class OneOfInputs(ValidationRule):
    """Of a `@oneOf` input exactly one field is given, and it is not null.

    Strawberry's own rule knows only the variables of the last operation above: a fragment that stands before its
    operation, or a variable that nobody defined, made it fail.
    """

    def enter_operation_definition(self, node: OperationDefinitionNode, *_: Any) -> None:
        defined = {one.variable.name.value: one for one in node.variable_definitions or ()}
        for usage in self.context.get_recursive_variable_usages(node):
            kind = get_named_type(usage.parent_type)
            definition = defined.get(usage.node.name.value)  # of one that is not there another rule tells
            if _is_one_of(kind) and definition is not None and not isinstance(definition.type, NonNullTypeNode):
                self.report_error(
                    StrawberryInputCoercionError(
                        f"Variable '{usage.node.name.value}' must be non-nullable to be used for OneOf Input Object"
                        f" '{kind}'.",
                        nodes=[usage.node],
                    )
                )

    def enter_object_value(self, node: ObjectValueNode, *_: Any) -> None:
        kind = get_named_type(self.context.get_input_type())
        if not _is_one_of(kind):
            return
        names = {one.name.value: one.value for one in node.fields}
        if len(names) != 1:
            words = f"OneOf Input Object '{kind}' must specify exactly one key."
        elif next(iter(names.values())).kind == "null_value":
            words = f"Field '{kind}.{next(iter(names))}' must be non-null."
        else:
            return
        self.report_error(StrawberryInputCoercionError(words, nodes=[node]))


def _is_one_of(kind: Any) -> bool:
    definition = getattr(kind, "extensions", {}).get("strawberry-definition")
    return definition is not None and bool(definition.is_one_of)


RULES: Final = (*specified_rules, MaybeNullValidationRule, OneOfInputs)


# ------------------------------------------------------------------ who looks where
#: A rule's place among the rules, and its function for a kind of node.
_Looks = Sequence[tuple[int, Callable[..., Any]]]


class _At(NamedTuple):
    """What is to be done at nodes of one kind."""

    types_in: Callable[[TypeInfo, Any], None] | None
    enters: _Looks
    leaves: _Looks
    types_out: Callable[[TypeInfo], None] | None
    #: Where nodes lie below that anybody looks at.
    below: Sequence[str]


def _function(rule: type, name: str) -> Callable[..., Any] | None:
    found: Any = getattr_static(rule, name, None)
    if not isinstance(found, staticmethod):
        return cast("Callable[..., Any] | None", found)
    bare = found.__func__
    return lambda _, *told: bare(*told)


def _looks(rules: Sequence[type], way: str, kind: str, keys: Sequence[str]) -> _Looks:
    found = []
    for place, rule in enumerate(rules):
        function = _function(rule, f"{way}_{kind}")
        if function is None and not (rule is UniqueDirectivesPerLocationRule and "directives" not in keys):
            function = _function(rule, way)
        if function is not None:
            found.append((place, function))
    return tuple(found)


class _Places(dict[str, _At]):
    """By the kind of a node. Names, of which there is one for each field, are nobody's: they are not gone to."""

    def __init__(self, *rules: type) -> None:
        super().__init__()
        self._rules = rules

    def __missing__(self, kind: str) -> _At:
        keys = query_document_keys_to_validate.get(kind, ())
        at = self[kind] = _At(
            getattr(TypeInfo, f"enter_{kind}", None),
            _looks(self._rules, "enter", kind, keys),
            _looks(self._rules, "leave", kind, keys),
            getattr(TypeInfo, f"leave_{kind}", None),
            [key for key in keys if key not in _NAMES or self["name"] != _NOBODYS],
        )
        return at


_NOBODYS: Final = _At(None, (), (), None, [])
#: Under these lies a name and nothing else.
_NAMES: Final = frozenset({"name", "alias"})
_PLACES: Final = _Places(*RULES)
#: Where there are fragments, one more looks first.
_PLACES_WITH_FRAGMENTS: Final = _Places(FragmentNestingVisitor, *RULES)
_PLACES_OF_VARIABLES: Final = _Places(VariableUsageVisitor)


class _Walk:
    """One walk: graphql-core's `visit` with its visitors for types and for many rules, as one function."""

    def __init__(
        self,
        types: TypeInfo,
        rules: Sequence[Any],
        places: Mapping[str, _At],
        passes: Callable[[Any], bool] | None = None,
    ) -> None:
        self._types = types
        self._rules = rules
        self._places = places
        #: What in a list is not gone to.
        self._passes = passes
        #: Whether each rule looks away until a node is left that it said so of, or to the end.
        self._away = [False] * len(rules)
        self._path: list[Any] = []
        self._ancestors: list[Any] = []

    def over(self, node: Any, key: str | int | None = None, parent: Any = None) -> None:
        types_in, enters, leaves, types_out, below = self._places[node.kind]
        away, path, ancestors, rules, passes = self._away, self._path, self._ancestors, self._rules, self._passes
        if types_in is not None:
            types_in(self._types, node)
        skipped = None
        for place, enter in enters:
            if not away[place]:
                result = enter(rules[place], node, key, parent, path, ancestors)
                if result is not None:
                    away[place] = True
                    if result is SKIP or result is False:
                        skipped = [place] if skipped is None else [*skipped, place]
                    else:
                        assert result is BREAK or result is True
        if below:
            if parent is not None:
                ancestors.append(parent)
            for name in below:
                inner = getattr(node, name, None)
                if inner is None:
                    continue
                path.append(name)
                if inner.__class__ is not tuple:
                    self.over(inner, name, node)
                elif inner:
                    ancestors.append(node)
                    for index, one in enumerate(inner):
                        if passes is None or not passes(one):
                            path.append(index)
                            self.over(one, index, inner)
                            path.pop()
                    ancestors.pop()
                path.pop()
            if parent is not None:
                ancestors.pop()
        for place, leave in leaves:
            if not away[place]:
                result = leave(rules[place], node, key, parent, path, ancestors)
                if result is BREAK or result is True:
                    away[place] = True
        if skipped is not None:
            for place in skipped:
                away[place] = False
        if types_out is not None:
            types_out(self._types)


def _holds_no_variable(node: Any) -> bool:
    return node.__class__ is FieldNode and not (node.arguments or node.selection_set or node.directives)


class _Context(ValidationContext):
    """What rules ask; remembered by a node itself: to compare nodes is to look at all that is below them."""

    def __init__(self, schema: GraphQLSchema, document: DocumentNode, types: TypeInfo, on_error: Any) -> None:
        super().__init__(schema, document, types, on_error)
        by_node: Any = RefMap
        self._fragment_spreads = by_node()
        self._variable_usages = by_node()
        self._recursive_variable_usages = by_node()

    def get_variable_usages(self, node: Any) -> list[VariableUsage]:
        usages = self._variable_usages.get(node)
        if usages is None:
            visitor = VariableUsageVisitor(self._type_info, node if isinstance(node, FragmentDefinitionNode) else None)
            _Walk(self._type_info, (visitor,), _PLACES_OF_VARIABLES, _holds_no_variable).over(node)
            usages = self._variable_usages[node] = visitor.usages
        return usages


def mistakes_in(schema: GraphQLSchema, document: DocumentNode, most: int) -> list[GraphQLError]:
    """What is not valid in a document, in the words and the order of graphql-core's `validate`; `most`, then that there
    are more.

    The document is nested no deeper than its limits allow; see `check_document`.
    """
    assert_valid_schema(schema)
    mistakes: list[GraphQLError] = []
    types = TypeInfo(schema)

    def on_error(error: GraphQLError) -> None:
        if len(mistakes) >= most:
            raise ValidationAbortedError("Too many validation errors, error limit reached. Validation aborted.")
        mistakes.append(error)

    context = _Context(schema, document, types, on_error)
    rules: list[Any] = [rule(context) for rule in RULES]
    fragments = {one.name.value: one for one in document.definitions if isinstance(one, FragmentDefinitionNode)}
    places = _PLACES
    if fragments:
        rules.insert(0, FragmentNestingVisitor(fragments))
        places = _PLACES_WITH_FRAGMENTS
    try:
        _Walk(types, rules, places).over(document)
    except ValidationAbortedError as error:
        error.__context__ = None  # as graphql-core: it would keep all that the walk holds
        mistakes.append(error.with_traceback(None))
    except RecursionError:
        mistakes.append(ValidationAbortedError("Validation aborted."))
    return mistakes
