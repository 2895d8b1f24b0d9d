"""A set of questions, its documents in an index, and what a way of searching makes of it.

Vectors are kept on disk between runs, by encoder and text, so that a table with many rows embeds
each text once.
"""

from __future__ import annotations

import hashlib
import sqlite3
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from unittest.mock import patch

import numpy as np
from numpy.typing import NDArray

from bench.question_sets import Question, QuestionSet
from ingest.chunking import ChunkingPolicy
from ingest.encoders.base import Encoder
from ingest.encoders.bm25 import Bm25Encoder
from ingest.index import Index, Scope, SparseVector, open_store
from ingest.sync import sync
from service.evaluation.statistics import score_rankings
from service.retrieval import Retriever

DEPTH = 10
"""Documents of a ranking."""

Scores = NDArray[np.float64]
"""Of shape (questions, measures)."""

Way = Callable[[Question], Awaitable[list[str]]]
"""Question → ids of documents, best first."""


class KeptEncoder:
    """As the encoder that it is given; its vectors are kept in the temporary folder.

    ``bare``: passages are embedded without the first line, which is their context.
    """

    def __init__(self, encoder: Encoder, *, bare: bool = False) -> None:
        self._encoder = encoder
        self._bare = bare
        self.name = encoder.name
        self.dimensions = encoder.dimensions
        self.count_tokens = encoder.count_tokens
        folder = Path(tempfile.gettempdir()) / "why-bench-vectors"
        folder.mkdir(exist_ok=True)
        file = folder / hashlib.sha256(encoder.name.encode()).hexdigest()[:16]
        self._kept = sqlite3.connect(file, timeout=60, check_same_thread=False)
        self._kept.execute("PRAGMA synchronous = OFF")  # what is lost is embedded again
        self._kept.execute("CREATE TABLE IF NOT EXISTS kept (text TEXT PRIMARY KEY, vector BLOB)")

    def embed_documents(
        self, texts: Sequence[str], on_progress: Callable[[int], None] | None = None
    ) -> NDArray[np.float32]:
        if self._bare:
            texts = [without_context(text) for text in texts]
        found = {text: self._vector_of(f"p {text}") for text in texts}
        new = [text for text, vector in found.items() if vector is None]
        if new:
            for text, vector in zip(new, self._encoder.embed_documents(new), strict=True):
                found[text] = self._keep(f"p {text}", vector)
            self._kept.commit()
        if on_progress is not None:
            on_progress(len(texts))
        return np.stack([vector for text in texts if (vector := found[text]) is not None])

    def embed_query(self, text: str) -> NDArray[np.float32]:
        found = self._vector_of(f"q {text}")
        if found is None:
            found = self._keep(f"q {text}", self._encoder.embed_query(text))
            self._kept.commit()
        return found

    def _vector_of(self, key: str) -> NDArray[np.float32] | None:
        row = self._kept.execute("SELECT vector FROM kept WHERE text = ?", (key,)).fetchone()
        return None if row is None else np.frombuffer(row[0], np.float32)

    def _keep(self, key: str, vector: NDArray[np.float32]) -> NDArray[np.float32]:
        kept = vector.astype(np.float32)
        self._kept.execute("INSERT OR REPLACE INTO kept VALUES (?, ?)", (key, kept.tobytes()))
        return kept


class BareBm25(Bm25Encoder):
    """Weighs the words of passages without their context."""

    def embed_documents(self, texts: Sequence[str]) -> list[SparseVector]:
        return super().embed_documents([without_context(text) for text in texts])


def without_context(text: str) -> str:
    """A chunk's ``embedding_text`` without title, headings, services and date."""
    return text.partition("\n")[2]


@asynccontextmanager
async def indexed(
    asked: QuestionSet, encoder: Encoder, *, bm25: type[Bm25Encoder] = Bm25Encoder
) -> AsyncIterator[Index]:
    """The documents of a set in an index that is gone afterwards."""
    with tempfile.TemporaryDirectory() as scratch:
        store = open_store(directory=Path(scratch))
        with patch("ingest.crew.Bm25Encoder", bm25):
            await sync(asked.sources, store, encoder=encoder, policy=ChunkingPolicy())
        index = await store.open_current()
        try:
            yield index
        finally:
            await index.aclose()
            await store.aclose()


def found_by(retriever: Retriever, text: Callable[[Question], str] | None = None) -> Way:
    """The ranking of a retriever; ``text``: what is asked instead of the question's own words."""

    async def way(question: Question) -> list[str]:
        passages = await retriever.search(
            text(question) if text else question.text, scope=Scope(), limit=DEPTH
        )
        return [passage.chunk.document_id for passage in passages]

    return way


async def scores_of(questions: Sequence[Question], way: Way) -> Scores:
    """Every measure of every question, as ``score_rankings`` gives it."""
    return score_rankings(
        [question.gold for question in questions], [await way(one) for one in questions]
    )
