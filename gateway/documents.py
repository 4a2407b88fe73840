"""Persisted operations: trusted documents out of a manifest, and texts that clients leave here under their hash."""

from __future__ import annotations

import hashlib
import json
import re
from collections import OrderedDict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any, Final

from graphql import (
    DocumentNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLError,
    GraphQLSchema,
    Node,
    OperationDefinitionNode,
    Source,
    Visitor,
    parse,
    print_ast,
    validate,
    visit,
)

from gateway.protocol import Asked, RequestError

#: The format that Apollo's tools write and its routers read, so that one manifest serves all.
_FORMAT: Final = "apollo-persisted-query-manifest"
PREFIX: Final = "sha256:"

_HASH: Final = re.compile(r"[0-9a-f]{64}")
#: What is kept of texts that clients left: their number and their characters.
_MOST_LEFT: Final = 1_000
_MOST_LEFT_SIZE: Final = 2_000_000


class ManifestError(Exception):
    """A manifest, or a document for one, that cannot be used; the message says which and why."""


def document_id(text: str) -> str:
    """The id of a document: `sha256:` and the hash of its UTF-8 text in hexadecimal."""
    return PREFIX + hashlib.sha256(text.encode()).hexdigest()


# ------------------------------------------------------------------ manifests
def build(folder: Path, schema: GraphQLSchema) -> dict[str, Any]:
    """The manifest of every operation in the `.graphql` and `.gql` files of a folder, each with the fragments it uses.

    Raises:
        ManifestError: a file cannot be read, an operation has no name or one that is taken, or is not valid.
    """
    paths = sorted(path for path in folder.rglob("*") if path.suffix in (".graphql", ".gql") and path.is_file())
    if not paths:
        raise ManifestError(f"{folder}: there is no .graphql or .gql file")
    fragments: dict[str, FragmentDefinitionNode] = {}
    operations: dict[str, tuple[Path, OperationDefinitionNode]] = {}
    for path in paths:
        for one in _definitions(path):
            if isinstance(one, FragmentDefinitionNode):
                if one.name.value in fragments:
                    raise ManifestError(f"{path}: the fragment {one.name.value} is written twice")
                fragments[one.name.value] = one
            elif isinstance(one, OperationDefinitionNode):
                if one.name is None:
                    raise ManifestError(f"{path}: an operation has no name")
                if one.name.value in operations:
                    raise ManifestError(f"{path}: the operation {one.name.value} is written twice")
                operations[one.name.value] = (path, one)
            else:
                raise ManifestError(f"{path}: only operations and fragments belong here")
    listed = []
    for name, (path, operation) in sorted(operations.items()):
        try:
            body = text_of(operation, fragments)
        except KeyError as error:
            raise ManifestError(f"{path}: {name} uses the fragment {error.args[0]}, which is nowhere") from None
        if mistakes := validate(schema, parse(body)):
            raise ManifestError(f"{path}: {name}: {mistakes[0].message}")
        listed.append({"id": document_id(body), "name": name, "type": operation.operation.value, "body": body})
    return {"format": _FORMAT, "version": 1, "operations": listed}


def _definitions(path: Path) -> Sequence[Node]:
    try:
        document: DocumentNode = parse(Source(path.read_text(encoding="utf-8"), path.name))
    except (OSError, UnicodeDecodeError) as error:
        raise ManifestError(f"{path}: the file cannot be read: {error}") from None
    except GraphQLError as error:
        place = error.locations[0] if error.locations else None
        raise ManifestError(f"{path}:{f'{place.line}:{place.column}: ' if place else ' '}{error.message}") from None
    return document.definitions


def text_of(operation: OperationDefinitionNode, fragments: Mapping[str, FragmentDefinitionNode]) -> str:
    """One operation with just the fragments it uses.

    Raises:
        KeyError: a fragment is missing; its name.
    """
    used: dict[str, FragmentDefinitionNode] = {}

    class Spreads(Visitor):
        def enter_fragment_spread(self, node: FragmentSpreadNode, *_: object) -> None:
            name = node.name.value
            if name not in used:
                used[name] = fragments[name]
                visit(fragments[name], self)

    visit(operation, Spreads())
    return "\n\n".join(print_ast(node) for node in (operation, *used.values())) + "\n"


def shipped() -> Traversable:
    """The manifest of the documented operations, which every gateway trusts."""
    return files("gateway.operations").joinpath("documents.json")


def read_manifest(text: str, name: str) -> Iterator[tuple[str, str]]:
    """The documents of a manifest: their hashes in hexadecimal, and their texts.

    Raises:
        ManifestError: it is not a manifest, or an id is not the hash of its text.
    """
    try:
        found = json.loads(text)
        operations = [(str(one["id"]), str(one["body"])) for one in found["operations"]]
    except (ValueError, TypeError, KeyError):
        raise ManifestError(f"{name}: this is not a manifest of documents") from None
    if found.get("format") != _FORMAT or found.get("version") != 1:
        raise ManifestError(f'{name}: the format must be "{_FORMAT}", version 1')
    for id, body in operations:
        digest = hashlib.sha256(body.encode()).hexdigest()
        if id.removeprefix(PREFIX) != digest:
            raise ManifestError(f"{name}: the id {id} is not the sha256 of its document")
        yield digest, body


# ------------------------------------------------------------------ what a request may name
class Persisted:
    """Finds the text that a request means, by whichever of three ways it says so."""

    def __init__(self, manifests: Iterable[Path] = (), only: Collection[str] = ()) -> None:
        self._trusted: dict[str, str] = dict(
            read_manifest(shipped().read_text(encoding="utf-8"), "the shipped manifest")
        )
        for path in manifests:
            try:
                text = path.read_text(encoding="utf-8")
            except (OSError, UnicodeDecodeError) as error:
                raise ManifestError(f"{path}: the manifest cannot be read: {error}") from None
            self._trusted.update(read_manifest(text, str(path)))
        self._only = frozenset(only)
        self._left: OrderedDict[str, str] = OrderedDict()
        self._size = 0

    @property
    def trusted(self) -> Collection[str]:
        """The texts of the manifests."""
        return self._trusted.values()

    def text(self, asked: Asked, client: str) -> tuple[str, str | None]:
        """The document of a request, and the hash to keep it under once it has proved valid.

        Raises:
            RequestError: it is not known, its hash is another's, or this client may not run it.
        """
        limited = client in self._only or "*" in self._only
        digest = self._digest(asked)
        if asked.query is None:
            return self._known(asked, digest, limited), None
        if digest is None and not limited:
            return asked.query, None
        own = hashlib.sha256(asked.query.encode("utf-8", "surrogatepass")).hexdigest()
        if digest is not None and digest != own:
            raise RequestError.of("the given hash is not the sha256 of the query", "PERSISTED_QUERY_HASH_MISMATCH")
        if limited and own not in self._trusted:
            raise RequestError.of(
                "this client may run its trusted documents only: send the documentId of one", "FORBIDDEN", status=403
            )
        return asked.query, digest

    def keep(self, digest: str, text: str) -> None:
        """Keep a valid document that a client left under its hash; the longest unused ones go."""
        if digest in self._trusted or digest in self._left:
            return
        self._left[digest] = text
        self._size += len(text)
        while len(self._left) > _MOST_LEFT or self._size > _MOST_LEFT_SIZE:
            _, gone = self._left.popitem(last=False)
            self._size -= len(gone)

    def _digest(self, asked: Asked) -> str | None:
        automatic = asked.extensions.get("persistedQuery")
        if asked.document_id is not None:
            if asked.query is not None or automatic is not None:
                raise RequestError.of("send the documentId alone, without a query or a persistedQuery", "INVALID_INPUT")
            digest = asked.document_id.removeprefix(PREFIX)
            if not asked.document_id.startswith(PREFIX) or not _HASH.fullmatch(digest):
                raise RequestError.of("a documentId is `sha256:` and 64 hexadecimal digits", "INVALID_INPUT")
            return digest
        if automatic is None:
            return None
        if not isinstance(automatic, dict) or automatic.get("version") != 1:
            raise RequestError.of("only version 1 of persistedQuery is known", "PERSISTED_QUERY_NOT_SUPPORTED")
        given = automatic.get("sha256Hash")
        if not isinstance(given, str) or not _HASH.fullmatch(given):
            raise RequestError.of("sha256Hash must be 64 hexadecimal digits", "INVALID_INPUT")
        return given

    def _known(self, asked: Asked, digest: str | None, limited: bool) -> str:
        if digest is None:
            raise RequestError.of("No GraphQL query found in the request, and no documentId", "BAD_REQUEST", status=400)
        if digest in self._trusted:
            return self._trusted[digest]
        if asked.document_id is not None:
            raise RequestError.of("there is no such trusted document", "DOCUMENT_NOT_FOUND")
        if digest in self._left and not limited:
            self._left.move_to_end(digest)
            return self._left[digest]
        # A client sends its query along once it reads exactly these words.
        raise RequestError.of("PersistedQueryNotFound", "PERSISTED_QUERY_NOT_FOUND")
