"""The seam to Qdrant: what an index and a store of index generations can do.

A *generation* is one complete index: a directory of the Edge shard, or a collection behind an
alias of a server. Everything that is asked of either backend goes through ``Index``; everything
that creates, finds and switches generations goes through ``IndexStore``.

Errors::

    IndexFailure
     ├── IndexMissing       nothing was ingested yet
     ├── IndexLocked        another process has the embedded index open
     └── IndexUnavailable   the server does not answer, refuses, or is too slow
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ingest.documents import EVERYONE, Chunk, Frozen, SourceKind


class IndexFailure(Exception):
    """Root of what can go wrong with an index; the message is for the reader."""


class IndexMissing(IndexFailure):
    """No complete generation exists: nothing was ingested yet."""


class IndexLocked(IndexFailure):
    """Another process has this embedded index open."""


class IndexUnavailable(IndexFailure):
    """The Qdrant server does not answer, refuses the request, or is too slow."""


class IndexSpec(Frozen):
    """What makes two generations incompatible: encoder, sparse encoder, chunker, schema."""

    dense_model: str
    dimensions: int
    sparse_model: str
    chunking: str
    schema_version: int = 1

    def has_vectors_of(self, other: IndexSpec) -> bool:
        """Whether a chunk's dense vector is the same in both: same model, same chunks."""
        mine = (self.dense_model, self.dimensions, self.chunking)
        return mine == (other.dense_model, other.dimensions, other.chunking)

    @property
    def digest(self) -> str:
        """Short stable name of this combination (12 hex characters)."""
        return hashlib.blake2b(self.model_dump_json().encode(), digest_size=6).hexdigest()


class SparseVector(Frozen):
    """Term weights: parallel tuples of term ids and weights."""

    indices: tuple[int, ...]
    values: tuple[float, ...]


class EmbeddedChunk:
    """A chunk and its vectors. ``dense`` has shape ``(dimensions,)``, float32, unit length."""

    __slots__ = ("chunk", "dense", "sparse")

    def __init__(self, chunk: Chunk, dense: NDArray[np.float32], sparse: SparseVector) -> None:
        self.chunk = chunk
        self.dense = dense
        self.sparse = sparse


class StoredDocument(Frozen):
    """What the index holds of a document; complete when every chunk of one revision is there."""

    document_id: str
    revision: str
    origin: str
    stored: int
    expected: int

    @property
    def complete(self) -> bool:
        return self.stored == self.expected


class Scope(Frozen):
    """What a reader may see: applied inside every index query, never after it.

    ``as_of`` hides every chunk written later (chunks without a time stay visible);
    ``written_since`` asks only for chunks written at or after that moment.
    """

    audience: tuple[str, ...] = (EVERYONE,)
    as_of: datetime | None = None
    written_since: datetime | None = None
    kinds: tuple[SourceKind, ...] = ()
    services: tuple[str, ...] = ()
    documents: tuple[str, ...] = ()
    """Only these, by id; all where there are none."""
    excluded_documents: tuple[str, ...] = ()


class FusionMethod(StrEnum):
    """How the ranked lists become one: reciprocal ranks, or distribution-based scores."""

    RRF = "rrf"
    DBSF = "dbsf"


class HybridQuery:
    """One hybrid search. Either vector may be ``None``: then the other one ranks alone.

    ``prefetch`` is how many candidates each vector contributes; ``rrf_k`` is the constant of
    reciprocal rank fusion with ranks from 1 (Cormack et al. 2009 use 60; Qdrant counts from 0, its
    default of 2 is a 1 here). ``weights`` are (dense, sparse) and divide the rank, as Qdrant does
    it: a list adds ``1 / (rrf_k + rank / weight)``; DBSF has no weights. ``exact`` compares all
    dense vectors, which is what an approximate search is measured against.
    """

    __slots__ = (
        "dense",
        "exact",
        "fusion",
        "limit",
        "prefetch",
        "rrf_k",
        "scope",
        "sparse",
        "weights",
    )

    def __init__(
        self,
        *,
        dense: NDArray[np.float32] | None,
        sparse: SparseVector | None,
        scope: Scope,
        limit: int = 10,
        prefetch: int = 50,
        fusion: FusionMethod = FusionMethod.RRF,
        rrf_k: int = 60,
        weights: tuple[float, float] = (1.0, 1.0),
        exact: bool = False,
    ) -> None:
        if dense is None and sparse is None:
            raise ValueError("a query needs a dense or a sparse vector")
        self.dense = dense
        self.sparse = sparse
        self.scope = scope
        self.limit = limit
        self.prefetch = prefetch
        self.fusion = fusion
        self.rrf_k = rrf_k
        self.weights = weights
        self.exact = exact


class StageScore(Frozen):
    """Where a stage put a chunk: rank counts from 1."""

    rank: int
    score: float


class Hit(Frozen):
    """A chunk that was found. ``dense``/``sparse`` are None where the stage did not see it.

    ``terms``: what BM25 took for the words of the chunk's ``embedding_text`` when it was stored.
    """

    chunk: Chunk
    score: float
    terms: frozenset[int] = frozenset()
    dense: StageScore | None = None
    sparse: StageScore | None = None


class Index(Protocol):
    """One generation."""

    @property
    def name(self) -> str:
        """Of the generation: no other one has it, ever."""
        ...

    @property
    def spec(self) -> IndexSpec: ...

    @property
    def average_length(self) -> float:
        """BM25's ``avg_len`` that this generation was written with (tokens)."""
        ...

    @property
    def is_new(self) -> bool:
        """True until the generation is published for the first time."""
        ...

    async def upsert(self, chunks: Sequence[EmbeddedChunk]) -> None:
        """Store chunks; one with a known id replaces itself. Durable when it returns."""
        ...

    async def keep_only(self, source: str, revisions: Mapping[str, str]) -> int:
        """Delete the source's chunks that are not of ``revisions`` (document id → revision).

        Returns how many chunks were deleted.
        """
        ...

    async def inventory(self, source: str) -> list[StoredDocument]:
        """Every (document, revision) stored of a source, by document id."""
        ...

    async def sources(self) -> list[str]:
        """Names of the sources that have chunks here, sorted."""
        ...

    async def search(self, query: HybridQuery) -> list[Hit]:
        """The best chunks, best first; ties break by chunk id."""
        ...

    async def chunks_of(self, document_ids: Iterable[str] | None, scope: Scope) -> list[Chunk]:
        """All visible chunks, where given only of these documents, by document id and ordinal."""
        ...

    async def page(self, after: str | None) -> tuple[list[EmbeddedChunk], str | None]:
        """Stored chunks with their vectors, whoever may see them, in the order of their ids: the
        first ones or those from ``after`` on; and where the next ones begin, None at the end."""
        ...

    async def values(self, field: str, scope: Scope) -> dict[str, int]:
        """The values of a keyword field (``services``, ``regions``, ``customers``, ``kind``,
        ``source``) among visible chunks, with the number of chunks that have each."""
        ...

    async def vectors_of(self, chunk_ids: Sequence[str]) -> dict[str, NDArray[np.float32]]:
        """The dense vectors, by id, of those of these chunks that are stored here."""
        ...

    async def count(self) -> int:
        """How many chunks are stored."""
        ...

    async def optimize(self) -> None:
        """Merge segments and build what makes reading fast. Called after a sync that wrote."""
        ...

    async def aclose(self) -> None: ...


class IndexStore(Protocol):
    """Where generations live."""

    async def open_current(self) -> Index:
        """The published generation, for reading.

        Raises: IndexMissing, IndexLocked, IndexUnavailable.
        """
        ...

    async def open_for_writing(self, spec: IndexSpec, average_length: Callable[[], float]) -> Index:
        """The generation for ``spec``: the published one, an unfinished one, or a new one.

        ``average_length`` is called only when a generation is created.
        """
        ...

    async def begin(self, spec: IndexSpec, average_length: float) -> Index:
        """A new, empty generation, whatever else is there; a restored copy is filled into one."""
        ...

    async def publish(self, index: Index) -> None:
        """Make this generation the one that readers open (atomic); drop the others."""
        ...

    async def aclose(self) -> None: ...
