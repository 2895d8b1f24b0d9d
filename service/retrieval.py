"""Question → Passages: hybrid search over the index, ranked by document.

Dense vectors find what was meant, BM25 finds what was written. Qdrant runs both and fuses their
scores by chunk (distribution-based score fusion: each list's scores are scaled by their mean and
three standard deviations, then added). That decides which chunks are looked at, and which passage
of a document is shown. Which document comes first is decided by the same sum over documents: a
page's best dense chunk and its best BM25 chunk agree on the page more often than on the chunk.

Look-alike pages (a runbook for read requests, one for write requests, one for requests) differ in
their titles and little else, so the title is weighed on its own: how much of it the question says,
and how much of the question it says. Words count by how rare they are among the titles that were
found, since what all of them have ("Kube", "cluster") tells none of them from the others.
``docs/benchmarks.md`` has what each part is worth.
"""

from __future__ import annotations

import asyncio
import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
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
    said: float = 1.0
    """Weight of the share of a title that the question says …"""
    says: float = 1.0
    """… and of the share of the question that the title says."""


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
        titles = {hit.chunk.document_id: self._terms(hit.chunk.title) for hit in hits}
        scores = document_scores(hits)
        for document, (said, says) in title_shares(self._terms(text), titles).items():
            scores[document] += policy.said * said + policy.says * says
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

    def _terms(self, text: str) -> frozenset[int]:
        """What BM25 takes for words of a text: stems, and the parts of CamelCase names."""
        return frozenset(self._bm25.embed_query(text).indices)

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


def title_shares(
    question: frozenset[int], titles: Mapping[str, frozenset[int]]
) -> dict[str, tuple[float, float]]:
    """For each document, the share of its title that the question says, and the share of the
    question that its title says, both 0..1; of the question, what no title says is left out.

    Terms weigh by their inverse document frequency among these titles (Robertson & Spärck Jones
    1976, smoothed to stay positive as in Robertson & Zaragoza 2009).
    """
    among = Counter(term for terms in titles.values() for term in terms)

    def weight(terms: Iterable[int]) -> float:
        return sum(
            math.log1p((len(titles) - among[term] + 0.5) / (among[term] + 0.5)) for term in terms
        )

    asked = weight(term for term in question if term in among)
    shares = {}
    for document, terms in titles.items():
        shared, whole = weight(terms & question), weight(terms)
        shares[document] = (shared / whole if whole else 0.0, shared / asked if asked else 0.0)
    return shares


def _scaled(scores: Sequence[float]) -> list[float]:
    """So that the mean is a half and ``_SPREAD`` deviations reach 0 and 1."""
    spread = stdev(scores) if len(scores) > 1 else 0.0
    if spread == 0.0:
        return [0.5] * len(scores)
    mean = fmean(scores)
    return [0.5 + (score - mean) / (2 * _SPREAD * spread) for score in scores]
