"""What a search gives, and the numbers that it decides by."""

from __future__ import annotations

from collections.abc import Sequence

from ingest.documents import Chunk, Frozen
from ingest.index import StageScore


class RetrievalPolicy(Frozen):
    """How passages are found; ``docs/benchmarks.md`` has what these values are measured on."""

    prefetch: int = 100
    """Chunks that each of the two searches contributes."""
    candidates: int = 50
    """Fused chunks that are read from the index, and whose documents are ranked."""
    dense: float = 0.75
    """Weight of a document's best cosine; at 0 nothing is searched by meaning …"""
    sparse: float = 1.0
    """… and of its best BM25 score; at 0 nothing is searched by words."""
    title: float = 1.0
    """Weight of the share of a title that the question says …"""
    heading: float = 0.3
    """… and of the share of a passage's own heading."""
    covered: float = 2.0
    """Weight of the share of the question that one passage, its context included, says."""
    named: float = 1.0
    """Weight of the question's identifiers (``XID 79``) that a passage has, by their rarity."""
    same: float = 0.8
    """Share of common word runs (Jaccard) from which two texts are copies; above 1: never."""
    most_alike: int = 3
    """Documents of one author or folder among the first five, where others are relevant."""
    reranker: float = 0.5
    """Weight of a reranker's score beside the search's own, both scaled alike."""
    reranked: int = 10
    """Documents that a reranker reads."""
    rerank_seconds: float = 1.0
    """Seconds that it may take; then the search's own order stands."""
    relevant: float = 0.35
    """Relevance from which a document is about the question: the highest round value that refuses
    at most 15% of the questions that have an answer (``bench/abstention.py``)."""

    @classmethod
    def alone(cls, *, dense: float = 0.0, sparse: float = 0.0) -> RetrievalPolicy:
        """One stage, or both, and nothing besides: what the rest is compared with."""
        return cls(
            dense=dense,
            sparse=sparse,
            title=0.0,
            heading=0.0,
            covered=0.0,
            named=0.0,
            same=2.0,
            most_alike=5,
        )


NOTHING_ANSWERS = "Nothing here seems to answer this; the nearest:"


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
    relevance: float = 1.0
    """How likely it is that the document answers the question (0..1); see ``relevance``."""
    copies: tuple[str, ...] = ()
    """Ids of documents that say nearly the same as this one and are not listed for it."""


def seems_answered(passages: Sequence[Passage]) -> bool:
    """Whether the first of what a search gave is likely to answer the question."""
    return bool(passages) and passages[0].relevance >= RetrievalPolicy().relevant
