"""What a chunk looks like in Qdrant, and what a reader's scope becomes: one schema, two backends.

A point's id is the chunk's id, its payload the chunk as JSON plus ``visible_from``: the moment
from which the chunk may be seen. Undated chunks get the earliest one, so that *as of* is a single
range (less than half the time of "in range or missing"), and a point without the field is invisible
rather than visible.

``Conditions`` says a filter in words that neither backend owns; ``edge`` and ``server`` spell it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from ingest.documents import Chunk
from ingest.index.base import (
    EmbeddedChunk,
    Hit,
    HybridQuery,
    IndexFailure,
    Scope,
    SparseVector,
    StageScore,
    StoredDocument,
)

DENSE = "dense"
SPARSE = "sparse"

VISIBLE_FROM = "visible_from"
KEYWORD_FIELDS = (
    "source",
    "kind",
    "document_id",
    "revision",
    "audience",
    "services",
    "regions",
    "customers",
)
"""Indexed before any point is written: an index made later leaves old segments slow."""

COUNTED_FIELDS = frozenset({"services", "regions", "customers", "kind", "source"})
"""Fields whose values ``Index.values`` counts."""

INVENTORY_FIELDS = ["document_id", "revision", "origin", "chunks"]
PAGE = 1000
"""Points read or deleted at a time."""

MOST_VALUES = 100_000
"""Distinct values of a field that are counted at most."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_LARGEST_EXACT = 2**53
"""Qdrant compares ranges as doubles: whole numbers beyond this one are not told apart."""


def to_payload(chunk: Chunk) -> dict[str, Any]:
    """The chunk as JSON values, and from when on it is visible."""
    payload = chunk.model_dump(mode="json")
    payload[VISIBLE_FROM] = (
        -_LARGEST_EXACT if chunk.written_at is None else _microseconds(chunk.written_at)
    )
    return payload


def from_payload(payload: Mapping[str, Any] | None) -> Chunk:
    """The chunk that was stored. Raises IndexFailure where this version can't read it."""
    fields = dict(payload or {})
    fields.pop(VISIBLE_FROM, None)
    try:
        return Chunk.model_validate(fields)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise IndexFailure(
            f"chunk {fields.get('id', '?')} in the index can't be read ({where}: {first['msg']}); "
            "it was written by another version: delete the index and ingest again"
        ) from None


@dataclass(frozen=True, slots=True)
class Conditions:
    """A filter: every field of ``any_of`` has one of its values, none of ``none_of`` has.

    ``visible_by`` and ``written_since`` are in microseconds since 1970 (UTC).
    """

    any_of: tuple[tuple[str, tuple[str, ...]], ...] = ()
    none_of: tuple[tuple[str, tuple[str, ...]], ...] = ()
    visible_by: int | None = None
    written_since: int | None = None


def visible_to(scope: Scope) -> Conditions:
    """What the reader may see at that moment, whatever was asked for.

    Term statistics (IDF) are taken over these chunks: neither a hidden chunk nor one that was
    written later moves a score.
    """
    return Conditions(
        any_of=(("audience", scope.audience),),
        visible_by=None if scope.as_of is None else _microseconds(scope.as_of),
    )


def within(scope: Scope, document_ids: Iterable[str] | None = None) -> Conditions:
    """The whole scope, where given only of these documents."""
    visible = visible_to(scope)
    any_of = list(visible.any_of)
    if scope.kinds:
        any_of.append(("kind", tuple(kind.value for kind in scope.kinds)))
    if scope.services:
        any_of.append(("services", scope.services))
    if scope.documents:
        any_of.append(("document_id", scope.documents))
    if document_ids is not None:
        any_of.append(("document_id", tuple(document_ids)))
    excluded = scope.excluded_documents
    return Conditions(
        any_of=tuple(any_of),
        none_of=(("document_id", excluded),) if excluded else (),
        visible_by=visible.visible_by,
        written_since=None if scope.written_since is None else _microseconds(scope.written_since),
    )


def of_source(source: str) -> Conditions:
    """All chunks of a source."""
    return Conditions(any_of=(("source", (source,)),))


def counted(field: str) -> str:
    """The field, where ``Index.values`` can count it; ValueError where not."""
    if field not in COUNTED_FIELDS:
        raise ValueError(f"{field!r} is not counted; one of {', '.join(sorted(COUNTED_FIELDS))}")
    return field


def stored_documents(payloads: Iterable[Mapping[str, Any] | None]) -> list[StoredDocument]:
    """Chunks with ``INVENTORY_FIELDS`` grouped by document and revision, sorted by both."""
    groups: dict[tuple[str, str], tuple[str, int, int]] = {}
    for payload in payloads:
        fields = payload or {}
        key = (str(fields.get("document_id")), str(fields.get("revision")))
        _, stored, _ = groups.get(key, ("", 0, 0))
        groups[key] = (str(fields.get("origin")), stored + 1, int(fields.get("chunks", 0)))
    return [
        StoredDocument(
            document_id=document_id,
            revision=revision,
            origin=origin,
            stored=stored,
            expected=expected,
        )
        for (document_id, revision), (origin, stored, expected) in sorted(groups.items())
    ]


def embedded(payload: Mapping[str, Any] | None, vectors: Any) -> EmbeddedChunk:
    """A point as either client gives it, as it was stored. Raises: IndexFailure."""
    terms = vectors[SPARSE]
    return EmbeddedChunk(
        from_payload(payload),
        np.asarray(vectors[DENSE], dtype=np.float32),
        SparseVector(indices=tuple(terms.indices), values=tuple(terms.values)),
    )


def dense_vectors(stored: Iterable[tuple[Any, Any]]) -> dict[str, NDArray[np.float32]]:
    """Points' ids and named vectors, as either client gives them."""
    return {
        str(chunk): np.asarray(vectors[DENSE], dtype=np.float32)
        for chunk, vectors in stored
        if isinstance(vectors, Mapping) and DENSE in vectors
    }


Scored = tuple[str, float]
"""A chunk's id and its score."""


def in_order(scored: Iterable[Scored]) -> list[Scored]:
    """Best first; ties break by id, which Qdrant leaves to chance."""
    return sorted(scored, key=lambda one: (-one[1], one[0]))


def hits(
    best: Iterable[Scored],
    records: Iterable[Any],
    *,
    dense: Iterable[Scored],
    sparse: Iterable[Scored],
) -> list[Hit]:
    """The best chunks with what each stage gave them.

    ``records``: their points with payload and sparse vector, as either client gives them. A chunk
    without one was deleted between the search and the reading, and is left out.
    """
    by_dense, by_sparse = _stage_scores(dense), _stage_scores(sparse)
    stored = {str(record.id): record for record in records}
    return [
        Hit(
            chunk=from_payload(stored[chunk].payload),
            score=score,
            terms=frozenset(stored[chunk].vector[SPARSE].indices),
            dense=by_dense.get(chunk),
            sparse=by_sparse.get(chunk),
        )
        for chunk, score in best
        if chunk in stored
    ]


def qdrant_rrf_k(query: HybridQuery) -> int:
    """Qdrant counts ranks from 0, the literature (and ``rrf_k``) from 1."""
    return query.rrf_k + 1


def _stage_scores(scored: Iterable[Scored]) -> dict[str, StageScore]:
    return {
        chunk: StageScore(rank=rank, score=score)
        for rank, (chunk, score) in enumerate(in_order(scored), start=1)
    }


def _microseconds(moment: datetime) -> int:
    since = (moment - _EPOCH) // _MICROSECOND
    return max(-_LARGEST_EXACT, min(since, _LARGEST_EXACT))
