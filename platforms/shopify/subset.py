"""How the schema beside us is cut from Shopify's own: the types and fields our documents select, without prose.

Run `python -m platforms.shopify.subset admin-2026-10.graphql.gz` with the vendor's whole schema, printed as SDL, to
write `admin-2026-10.subset.graphql` again.
"""

from __future__ import annotations

import gzip
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from graphql import (
    DocumentNode,
    FieldNode,
    GraphQLSchema,
    TypeInfo,
    TypeInfoVisitor,
    Visitor,
    build_schema,
    get_named_type,
    is_enum_type,
    is_input_object_type,
    is_interface_type,
    is_object_type,
    is_scalar_type,
    is_specified_scalar_type,
    is_union_type,
    print_ast,
    visit,
)

TARGET = Path(__file__).with_name("admin-2026-10.subset.graphql")
#: What the documents do not select by name: what stands behind an interface, and the rest of a page's place.
ALSO = {
    "MediaImage": {"id"},
    "Node": {"id"},
    "PageInfo": {"hasNextPage", "hasPreviousPage", "startCursor", "endCursor"},
    "UnverifiedReturnLineItem": {"id"},
    "UserError": {"field", "message"},
}


class _Selected(Visitor):
    """Collects what a document touches."""

    def __init__(self, info: TypeInfo, fields: dict[str, set[str]]) -> None:
        super().__init__()
        self.info = info
        self.fields = fields

    def enter_field(self, node: FieldNode, *_: object) -> None:
        parent = self.info.get_parent_type()
        if parent is not None and not node.name.value.startswith("__"):
            self.fields.setdefault(parent.name, set()).add(node.name.value)


def cut(schema: GraphQLSchema, documents: Iterable[DocumentNode]) -> str:
    """The part of `schema` that the documents use, as SDL without descriptions; all arguments of a kept field stay."""
    fields: dict[str, set[str]] = {name: set(kept) for name, kept in ALSO.items()}
    for document in documents:
        info = TypeInfo(schema)
        visit(document, TypeInfoVisitor(info, _Selected(info, fields)))
    types: Any = schema.type_map
    for name in [name for name in fields if name.endswith("Connection")]:  # a list is whole, however it is read
        fields[name] |= {"edges", "nodes", "pageInfo"}
        fields[get_named_type(types[name].fields["edges"].type).name] = {"cursor", "node"}
    interfaces = {name for name in fields if is_interface_type(types[name])}
    for name in list(fields):  # an object has the fields of the interfaces it keeps
        for interface in getattr(types[name], "interfaces", ()):
            if interface.name in interfaces:
                fields[name] |= fields[interface.name]
    for interface in interfaces:  # and an interface's nodes can be any kept object; `Node` has `id` at least
        fields[interface] |= {"id"} & types[interface].fields.keys()
    for name in fields:
        if any(one.name in interfaces for one in getattr(types[name], "interfaces", ())):
            fields[name] |= {"id"} & types[name].fields.keys()
    inputs: set[str] = set()
    queue: list[Any] = []
    for name, kept in fields.items():
        for field in sorted(kept):
            queue.append(types[name].fields[field].type)
            queue += [argument.type for argument in types[name].fields[field].args.values()]
    while queue:
        named = get_named_type(queue.pop())
        if named.name in inputs or named.name in fields or is_specified_scalar_type(named):
            continue
        inputs.add(named.name)
        if is_input_object_type(named):
            queue += [field.type for field in named.fields.values()]
        elif is_object_type(named) or is_interface_type(named) or is_union_type(named):
            raise ValueError(f"{named.name} is the type of a selected field, and nothing of it is selected")
    pieces = ["directive @idempotent(key: String!) on FIELD", f"schema {{ query: {_root(schema)} mutation: Mutation }}"]
    for name in sorted(fields.keys() | inputs):
        pieces.append(_printed(types[name], fields.get(name, set()), interfaces))
    return "\n".join(pieces) + "\n"


def _root(schema: GraphQLSchema) -> str:
    if schema.query_type is None:
        raise ValueError("a schema without queries")
    return schema.query_type.name


def _printed(type_: Any, kept: set[str], interfaces: set[str]) -> str:
    if is_scalar_type(type_):
        return f"scalar {type_.name}"
    if is_enum_type(type_):
        return f"enum {type_.name} {{ {' '.join(f'{n}{_deprecated(v)}' for n, v in type_.values.items())} }}"
    if is_input_object_type(type_):
        one_of = " @oneOf" if type_.is_one_of else ""
        inner = "\n".join(f"  {_argument(name, field)}" for name, field in type_.fields.items())
        return f"input {type_.name}{one_of} {{\n{inner}\n}}"
    kind = "interface" if is_interface_type(type_) else "type"
    above = " & ".join(one.name for one in type_.interfaces if one.name in interfaces)
    lines = []
    for name, field in type_.fields.items():
        if name in kept:
            arguments = ", ".join(_argument(key, value) for key, value in field.args.items())
            lines.append(f"  {name}{f'({arguments})' if arguments else ''}: {field.type}{_deprecated(field)}")
    return f"{kind} {type_.name}{f' implements {above}' if above else ''} {{\n" + "\n".join(lines) + "\n}"


def _argument(name: str, value: Any) -> str:
    node = value.ast_node
    default = f" = {_literal(node.default_value)}" if node is not None and node.default_value is not None else ""
    return f"{name}: {value.type}{default}{_deprecated(value)}"


def _literal(node: Any) -> str:
    return print_ast(node)


def _deprecated(value: Any) -> str:
    return " @deprecated" if value.deprecation_reason is not None else ""


def read(path: Path) -> GraphQLSchema:
    """The vendor's schema. `assume_valid`, for graphql-core's own check refuses six interface details of it."""
    packed = path.read_bytes()
    text = (gzip.decompress(packed) if path.suffix == ".gz" else packed).decode("utf-8")
    return build_schema(text, assume_valid=True)


if __name__ == "__main__":
    from platforms.shopify.documents import ALL

    TARGET.write_text(cut(read(Path(sys.argv[1])), [document.tree for document in ALL]), "utf-8")
