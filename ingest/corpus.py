"""What the sources say now: their documents, redacted and distinct, and what went wrong."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence

from ingest.chunking import ChunkingPolicy, chunk_document
from ingest.documents import Chunk, Document, Problem, ProblemLevel, Source
from ingest.index.base import StoredDocument
from ingest.planning import SourcePlan, plan_source
from ingest.redaction import redact_document, redact_text

Inventory = Mapping[str, Sequence[StoredDocument]]
"""What an index holds, by source name."""


class Reading:
    """What a source gave. ``documents`` are redacted, have text, and are keyed by id.

    ``redacted`` counts what was taken out, by kind of secret.
    """

    __slots__ = ("documents", "problems", "redacted")

    def __init__(self) -> None:
        self.documents: dict[str, Document] = {}
        self.problems: list[Problem] = []
        self.redacted: Counter[str] = Counter()

    @property
    def partial(self) -> bool:
        """There may be documents that this reading does not have."""
        unread = any(problem.affects is not None for problem in self.problems)
        return unread or not self.documents


def read_source(source: Source, *, redact_emails: bool) -> Reading:
    """Read the source to its end. A failing source is a Problem that protects what is stored."""
    reading = Reading()
    try:
        for item in source.read():
            if isinstance(item, Problem):
                reading.problems.append(_told(item))
            else:
                _accept(item, reading, redact_emails=redact_emails)
    except Exception as error:
        # A source is the one place where anything can happen (a network, a disk, a plug-in),
        # and one that breaks must not take the others with it.
        why = f"reading stopped with {type(error).__name__}: {redact_text(str(error))}"
        reading.problems.append(not_read(source, why))
    return reading


def not_read(source: Source, why: str, advice: str = "") -> Problem:
    """What protects all that is stored of a source which could not be read to its end."""
    stays = "what was indexed of this source before stays"
    return Problem(
        path=source.name,
        reason=f"{why}; {stays}. {advice}" if advice else f"{why}; {stays}",
        affects="",
    )


def _told(problem: Problem) -> Problem:
    """Without secrets: a parser's words quote what it could not read. What it affects is named as
    in the documents, whose origins have lost theirs."""
    return problem.model_copy(
        update={
            "path": redact_text(problem.path),
            "reason": redact_text(problem.reason),
            "affects": None if problem.affects is None else redact_text(problem.affects),
        }
    )


def _accept(document: Document, reading: Reading, *, redact_emails: bool) -> None:
    redacted, found = redact_document(document, emails=redact_emails)
    first = reading.documents.get(redacted.id)
    if first is not None:
        reading.problems.append(
            Problem(
                path=redacted.origin,
                reason=f"has the id {redacted.id!r}, as {first.origin} has; only that one is "
                "indexed. Rename one of them",
            )
        )
        return
    reading.redacted.update(found)
    if redacted.text.strip():
        reading.documents[redacted.id] = redacted
        return
    reading.problems.append(
        Problem(
            path=redacted.origin,
            reason=f"{redacted.title!r} has no text, so nothing of it is indexed"
            if not document.text.strip()
            else f"{redacted.title!r} has no text after redaction, so nothing of it is indexed",
            level=ProblemLevel.NOTICE,
        )
    )


class Corpus:
    """Everything that was read, by source name, and its chunks, made once when asked for."""

    def __init__(self, policy: ChunkingPolicy, count_tokens: Callable[[str], int]) -> None:
        self.readings: dict[str, Reading] = {}
        self._policy = policy
        self._count_tokens = count_tokens
        self._chunks: dict[str, list[Chunk]] = {}

    @property
    def empty(self) -> bool:
        """No source has a document."""
        return not any(reading.documents for reading in self.readings.values())

    def plans(self, stored: Inventory) -> dict[str, SourcePlan]:
        """What is to be done to each configured source, given what is stored."""
        return {
            name: plan_source(reading.documents.values(), reading.problems, stored.get(name, ()))
            for name, reading in self.readings.items()
        }

    def remember(self, chunks: Mapping[str, list[Chunk]]) -> None:
        """Chunks, by document id, that were made elsewhere."""
        self._chunks.update(chunks)

    def chunks(self, name: str, document_ids: Iterable[str]) -> list[Chunk]:
        """The chunks of these documents of the source ``name``, by document id and ordinal."""
        documents = self.readings[name].documents
        return [
            chunk
            for document_id in sorted(document_ids)
            for chunk in self._chunks_of(documents[document_id])
        ]

    def embedding_texts(self) -> list[str]:
        """What the encoders see of the whole corpus."""
        return [
            chunk.embedding_text
            for name, reading in self.readings.items()
            for chunk in self.chunks(name, reading.documents)
        ]

    def _chunks_of(self, document: Document) -> list[Chunk]:
        if document.id not in self._chunks:
            self._chunks[document.id] = chunk_document(
                document, policy=self._policy, count_tokens=self._count_tokens
            )
        return self._chunks[document.id]
