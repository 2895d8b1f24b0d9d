"""Chunks → the index: with vectors that the published generation has already, or new ones.

A new generation is made when the encoder, BM25's tokens, the chunker or the schema change. Only the
first and the third change dense vectors, which are what takes time: otherwise they are copied by
chunk id, which names document, revision, place and chunker.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from time import perf_counter

from ingest.crew import Crew, batches
from ingest.documents import Chunk
from ingest.encoders.bm25 import Bm25Encoder
from ingest.index.base import EmbeddedChunk, Index
from ingest.sync_report import Progress


class Writer:
    """Stores chunks of one sync, batch by batch, each durable, and keeps the time (seconds).

    ``source_of_vectors`` is an open generation with the same dense vectors, if there is one.
    """

    def __init__(
        self,
        index: Index,
        crew: Crew,
        total: int,
        on_progress: Callable[[Progress], None] | None,
        *,
        source_of_vectors: Index | None = None,
    ) -> None:
        self.done = 0
        self.reused: Counter[str] = Counter()
        self.seconds = 0.0
        self.embedding_seconds = 0.0
        self._index = index
        self._crew = crew
        self._sparse = Bm25Encoder(index.average_length)
        self._total = total
        self._on_progress = on_progress
        self._source_of_vectors = source_of_vectors

    async def write(self, pending: Mapping[str, Sequence[Chunk]]) -> AsyncIterator[str]:
        """Every source's name, in any order, once all its chunks are stored.

        All of them are embedded in one go, so that workers start once. ``reused`` counts the
        chunks that had vectors already. Raises: IndexFailure, EncoderError.
        """
        unknown: list[Chunk] = []
        left: Counter[str] = Counter()
        for source, chunks in pending.items():
            began = perf_counter()
            for batch in batches(chunks):
                known = await self._known(batch)
                ids = {embedded.chunk.id for embedded in known}
                unknown += [chunk for chunk in batch if chunk.id not in ids]
                left[source] += len(batch) - len(known)
                self.reused[source] += len(known)
                if known:
                    await self._store(known, began)
                    began = perf_counter()
            if not left[source]:
                yield source
        began = perf_counter()
        async for embedded in self._crew.embed(unknown, self._index.average_length):
            self.embedding_seconds += embedded.seconds
            await self._store(embedded.chunks, began)
            source = embedded.chunks[0].chunk.source
            left[source] -= len(embedded.chunks)
            if not left[source]:
                yield source
            began = perf_counter()

    async def _known(self, chunks: Sequence[Chunk]) -> list[EmbeddedChunk]:
        if self._source_of_vectors is None:
            return []
        vectors = await self._source_of_vectors.vectors_of([chunk.id for chunk in chunks])
        known = [chunk for chunk in chunks if chunk.id in vectors]
        terms = self._sparse.embed_documents([chunk.embedding_text for chunk in known])
        return [
            EmbeddedChunk(chunk, vectors[chunk.id], weights)
            for chunk, weights in zip(known, terms, strict=True)
        ]

    async def _store(self, chunks: Sequence[EmbeddedChunk], began: float) -> None:
        await self._index.upsert(chunks)
        self.seconds += perf_counter() - began
        self.done += len(chunks)
        if self._on_progress is not None:
            self._on_progress(
                Progress(
                    source=chunks[0].chunk.source,
                    done=self.done,
                    total=self._total,
                    texts_per_second=self.done / self.seconds,
                )
            )
