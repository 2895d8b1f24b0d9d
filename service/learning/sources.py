"""Knowledge that was added by hand or by a confirmation, as sources for ``ingest.sync.sync``.

One source for each kind that has something. A kind whose last document was deleted has no source
any more, and ``sync`` removes what it holds of a source that it is not given: so the deletion
reaches the index, although a source that is there and empty would keep what it had (an unmounted
folder looks like that; a table doesn't).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from ingest.documents import Document, Problem, Source, SourceKind
from service.store import Database, KnowledgeItem, UnreadableItem


def source_name(kind: SourceKind) -> str:
    """The name of the source of added documents of this kind; the first part of their ids."""
    return f"added-{kind.value}"


_KINDS = {source_name(kind): kind for kind in SourceKind}


@dataclass(frozen=True, slots=True)
class AddedSource:
    """Documents of one kind that are kept in the database."""

    name: str
    kind: SourceKind
    found: tuple[Document | Problem, ...]

    def read(self) -> Iterator[Document | Problem]:
        yield from self.found


async def added_sources(database: Database) -> list[Source]:
    """What was added without a file, one source a kind, by kind. Raises: StoreError."""
    return list(sources_in(await database.knowledge.everything()))


def sources_in(items: Iterable[KnowledgeItem | UnreadableItem]) -> Iterator[Source]:
    """The sources that these items make up; an item that can't be used is a Problem in its own,
    and what was indexed of it stays."""
    found: dict[SourceKind, list[Document | Problem]] = {}
    for item in items:
        if isinstance(item, UnreadableItem):
            name, _, origin = item.document_id.partition("/")
            reason = f"written by another version of Why, and not understood: {item.reason}"
            problem = Problem(path=item.id, reason=reason, affects=origin)
            found.setdefault(_KINDS.get(name, SourceKind.INCIDENTS), []).append(problem)
        else:
            found.setdefault(item.document.kind, []).append(item.document)
    for kind in sorted(found):
        yield AddedSource(source_name(kind), kind, tuple(found[kind]))
