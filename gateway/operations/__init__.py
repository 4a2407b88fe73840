"""The documented operations: the README's examples, GraphiQL's tabs and the counted queries, from one file."""

from __future__ import annotations

from functools import cache
from importlib.resources import files

from graphql import DocumentNode, FragmentDefinitionNode, OperationDefinitionNode, parse

from gateway.documents import text_of


@cache
def _support() -> DocumentNode:
    return parse(files(__package__).joinpath("support.graphql").read_text(encoding="utf-8"))


def names() -> list[str]:
    """The documented operations, in the order of the file."""
    return [
        found.name.value
        for found in _support().definitions
        if isinstance(found, OperationDefinitionNode) and found.name is not None
    ]


@cache
def document(name: str) -> str:
    """One operation with just the fragments it uses.

    Raises:
        KeyError: there is no such operation.
    """
    fragments = {
        found.name.value: found for found in _support().definitions if isinstance(found, FragmentDefinitionNode)
    }
    wanted = next(
        (
            found
            for found in _support().definitions
            if isinstance(found, OperationDefinitionNode) and found.name is not None and found.name.value == name
        ),
        None,
    )
    if wanted is None:
        raise KeyError(name)
    return text_of(wanted, fragments)
