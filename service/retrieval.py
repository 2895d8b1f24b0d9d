"""Question → Passages: hybrid search over the index, ranked by document.

Dense vectors find what was meant, BM25 finds what was written. Qdrant runs both and fuses their
scores by chunk (distribution-based score fusion: each list's scores are scaled by their mean and
three standard deviations, then added). That decides which chunks are looked at, and which passage
of a document is shown. Which document comes first is decided by the same sum over documents: a
page's best dense chunk and its best BM25 chunk agree on the page more often than on the chunk. On
244 alert texts over 396 runbooks this moves recall@1 from .816 to .844, and neither reciprocal
ranks nor other weights do as well on both halves of the questions: ``docs/benchmarks.md``.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from statistics import fmean, stdev

from ingest.documents import Chunk, Frozen
from ingest.encoders.base import Encoder
from ingest.encoders.bm25 import Bm25Encoder
from ingest.index import FusionMethod, Hit, HybridQuery, Index, Scope, StageScore

_SPREAD = 3
"""Standard deviations around the mean that scores are scaled by, as in Qdrant's fusion."""


class RetrievalPolicy(Frozen):
    """How passages are found; ``docs/benchmarks.md`` has what these values are measured on."""

    prefetch: int = 100
    """Chunks that each of the two searches contributes."""
    candidates: int = 50
    """Fused chunks that are read from the index, and whose documents are ranked. Reading them is
    most of a search's time."""
    dense: bool = True
    sparse: bool = True


class Passage(Frozen):
    """A chunk that was found for a question.

    ``rank`` counts documents from 1 and ``score`` is the document's; ``dense`` and ``sparse`` are
    the chunk's own.
    """

    rank: int
    chunk: Chunk
    score: float
    dense: StageScore | None
    sparse: StageScore | None


class Retriever:
    """Searches one index generation."""

    def __init__(
        self, index: Index, encoder: Encoder, *, policy: RetrievalPolicy | None = None
    ) -> None:
        self._index = index
        self._encoder = encoder
        self._bm25 = Bm25Encoder(index.average_length)
        self._policy = policy or RetrievalPolicy()

    async def search(
        self, text: str, *, scope: Scope, limit: int = 10, per_document: int = 1
    ) -> list[Passage]:
        """The best passages, best first: at most ``per_document`` of a document.

        ``limit`` counts documents; there are fewer where the policy's candidates are of fewer.
        Raises: IndexFailure, EncoderError.
        """
        policy = self._policy
        dense = await asyncio.to_thread(self._encoder.embed_query, text) if policy.dense else None
        sparse = self._bm25.embed_query(text) if policy.sparse else None
        hits = await self._index.search(
            HybridQuery(
                dense=dense,
                sparse=sparse,
                scope=scope,
                limit=policy.candidates,
                prefetch=policy.prefetch,
                fusion=FusionMethod.DBSF,
            )
        )
        of_document: dict[str, list[Hit]] = {}
        for hit in hits:
            of_document.setdefault(hit.chunk.document_id, []).append(hit)
        scores = document_scores(hits)
        best = sorted(of_document, key=lambda document: (-scores[document], document))[:limit]
        return [
            Passage(
                rank=rank,
                chunk=hit.chunk,
                score=scores[document],
                dense=hit.dense,
                sparse=hit.sparse,
            )
            for rank, document in enumerate(best, start=1)
            for hit in of_document[document][:per_document]
        ]

    async def everything(self, *, scope: Scope) -> list[Chunk]:
        """All chunks that the scope may see. Raises: IndexFailure."""
        return await self._index.chunks_of(None, scope)

    async def documents(
        self, document_ids: Sequence[str], *, scope: Scope
    ) -> dict[str, tuple[Chunk, ...]]:
        """All chunks of these documents that the scope may see, in order."""
        found: dict[str, list[Chunk]] = {}
        for chunk in await self._index.chunks_of(dict.fromkeys(document_ids), scope):
            found.setdefault(chunk.document_id, []).append(chunk)
        return {document: tuple(chunks) for document, chunks in found.items()}


def document_scores(hits: Sequence[Hit]) -> dict[str, float]:
    """Each document's best dense score and its best BM25 score, scaled and added.

    A document that a stage did not find gets nothing from it.
    """
    stages = (
        [(hit.chunk.document_id, hit.dense.score) for hit in hits if hit.dense],
        [(hit.chunk.document_id, hit.sparse.score) for hit in hits if hit.sparse],
    )
    total = dict.fromkeys((hit.chunk.document_id for hit in hits), 0.0)
    for stage in stages:
        best: dict[str, float] = {}
        scaled = _scaled([score for _, score in stage])
        for (document, _), score in zip(stage, scaled, strict=True):
            best[document] = max(score, best.get(document, score))
        for document, score in best.items():
            total[document] += score
    return total


def _scaled(scores: Sequence[float]) -> list[float]:
    """So that the mean is a half and ``_SPREAD`` deviations reach 0 and 1."""
    spread = stdev(scores) if len(scores) > 1 else 0.0
    if spread == 0.0:
        return [0.5] * len(scores)
    mean = fmean(scores)
    return [0.5 + (score - mean) / (2 * _SPREAD * spread) for score in scores]
