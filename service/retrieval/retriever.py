"""Question → Passages: hybrid search over the index, ranked by document.

Dense vectors find what was meant, BM25 finds what was written. Qdrant runs both, and their scores
are fused by chunk (distribution-based score fusion). That decides which chunks are looked at, and
which passage of a document is shown. Which document comes first is decided over documents
(``scores``): a page's best dense chunk and its best BM25 chunk agree on the page more often than
on the chunk. A reranker, where there is one, reads the first of them again (``rerank``). Copies
are then folded, and no hand fills the first five (``folding``).
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Mapping, Sequence
from functools import lru_cache

from ingest.documents import Chunk
from ingest.encoders.base import Encoder
from ingest.encoders.bm25 import Bm25Encoder
from ingest.index import FusionMethod, Hit, HybridQuery, Index, Scope
from ingest.index.fusion import scaled
from ingest.redaction import redact_text
from service.retrieval.folding import fold, forms, hand_of, spread
from service.retrieval.passages import Passage, RetrievalPolicy
from service.retrieval.rerank import Reranker
from service.retrieval.scores import DocumentScore, document_scores

_log = logging.getLogger(__name__)

_WORDS = Bm25Encoder(1.0)
"""For which words there are: their weights, which need a corpus' average length, are not read."""
_REMEMBERED = 2048
"""Texts whose words are kept, 25 MB at most: one question finds the same chunks many times."""


class Retriever:
    """Searches one index generation."""

    def __init__(
        self,
        index: Index,
        encoder: Encoder,
        *,
        policy: RetrievalPolicy | None = None,
        reranker: Reranker | None = None,
    ) -> None:
        self._index = index
        self._encoder = encoder
        self._bm25 = Bm25Encoder(index.average_length)
        self._policy = policy or RetrievalPolicy()
        self._reranker = reranker

    async def search(
        self, text: str, *, scope: Scope, limit: int = 10, per_document: int = 1
    ) -> list[Passage]:
        """The best passages, best first: at most ``per_document`` of a document.

        ``limit`` counts documents; there are fewer where the policy's candidates are of fewer.
        Raises: IndexFailure, EncoderError.
        """
        policy = self._policy
        hits, scores = await self.scored(text, scope=scope)
        of_document: dict[str, list[Hit]] = {}
        for hit in hits:
            of_document.setdefault(hit.chunk.document_id, []).append(hit)
        ranked = sorted(of_document, key=lambda document: (-scores[document].score, document))
        if self._reranker is not None:
            ranked = await self._reranked(self._reranker, text, ranked, scores, of_document)
        shown = [of_document[document][0].chunk for document in ranked]
        form = forms(shown)
        kept = spread(
            fold(shown, same=policy.same, limit=len(shown)),
            hands=lambda one: (hand_of(one[0]), form[one[0].document_id]),
            relevant=lambda one: scores[one[0].document_id].relevance >= policy.relevant,
            most=policy.most_alike,
        )
        return [
            Passage(
                rank=rank,
                chunk=hit.chunk,
                score=scores[chunk.document_id].score,
                relevance=scores[chunk.document_id].relevance,
                dense=hit.dense,
                sparse=hit.sparse,
                copies=tuple(copy.document_id for copy in copies),
            )
            for rank, (chunk, copies) in enumerate(kept[:limit], start=1)
            for hit in of_document[chunk.document_id][:per_document]
        ]

    async def scored(
        self, text: str, *, scope: Scope
    ) -> tuple[list[Hit], dict[str, DocumentScore]]:
        """The chunks that were found, and how good their documents are, by id.

        Raises: IndexFailure, EncoderError.
        """
        policy = self._policy
        text = redact_text(text)  # an endpoint that embeds it is somebody else's
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
        return hits, document_scores(text, hits, _terms, policy)

    async def _reranked(
        self,
        reranker: Reranker,
        text: str,
        ranked: Sequence[str],
        scores: Mapping[str, DocumentScore],
        of_document: Mapping[str, Sequence[Hit]],
    ) -> list[str]:
        """The first documents by both scores, then the others; unchanged where that fails."""
        policy = self._policy
        first = ranked[: policy.reranked]
        passages = [of_document[document][0].chunk.embedding_text for document in first]
        try:
            async with asyncio.timeout(policy.rerank_seconds):
                read = await asyncio.to_thread(reranker.scores, text, passages)
            if len(read) != len(first) or not all(map(math.isfinite, read)):
                raise ValueError("the reranker gave no usable scores")
        except Exception as error:  # whatever a foreign model raises: the list is there without it
            _log.warning("not reranked: %s", type(error).__name__)
            return list(ranked)
        found = scaled([scores[document].score for document in first])
        both = {
            document: one + policy.reranker * other
            for document, one, other in zip(first, found, scaled(read), strict=True)
        }
        # Stable: equals stay as they were.
        return [*sorted(first, key=lambda document: -both[document]), *ranked[policy.reranked :]]

    async def sources(self) -> list[str]:
        """Names of the sources of what is indexed. Raises: IndexFailure."""
        return await self._index.sources()

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


@lru_cache(maxsize=_REMEMBERED)
def _terms(text: str) -> frozenset[int]:
    """What BM25 takes for words of a text: stems, parts of names, and whole names."""
    return frozenset(_WORDS.embed_query(text).indices)
