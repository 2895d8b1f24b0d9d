"""Who reads and embeds for a sync: this process, or workers elsewhere (``ingest.spread``).

Planning, writing and publishing stay with the one process that has the index open, so what may be
lost is a worker's batch, and that is made again.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from itertools import groupby
from time import perf_counter
from typing import Protocol

from ingest.corpus import Corpus, read_source
from ingest.documents import Chunk, Source
from ingest.encoders.base import Encoder
from ingest.encoders.bm25 import Bm25Encoder
from ingest.index.base import EmbeddedChunk

BATCH = 64
"""Chunks that are embedded and stored at a time: what a killed run loses at most."""


class Embedded:
    """A batch with its vectors, and the seconds that passed inside the dense encoder."""

    __slots__ = ("chunks", "seconds")

    def __init__(self, chunks: list[EmbeddedChunk], seconds: float) -> None:
        self.chunks = chunks
        self.seconds = seconds


class Crew(Protocol):
    """Reads sources and embeds chunks."""

    async def read(self, sources: Sequence[Source], corpus: Corpus, *, redact_emails: bool) -> None:
        """Put every source's reading into the corpus."""
        ...

    def embed(self, chunks: Sequence[Chunk], average_length: float) -> AsyncIterator[Embedded]:
        """All of these chunks in batches of one source, in any order. Raises: EncoderError."""
        ...


class Here:
    """This process: one source after another, one batch after another."""

    def __init__(self, encoder: Encoder) -> None:
        self._encoder = encoder

    async def read(self, sources: Sequence[Source], corpus: Corpus, *, redact_emails: bool) -> None:
        for source in sources:
            corpus.readings[source.name] = await asyncio.to_thread(
                read_source, source, redact_emails=redact_emails
            )

    async def embed(
        self, chunks: Sequence[Chunk], average_length: float
    ) -> AsyncIterator[Embedded]:
        sparse = Bm25Encoder(average_length)
        for batch in batches(chunks):
            yield await asyncio.to_thread(embed, batch, self._encoder, sparse)


def batches(chunks: Sequence[Chunk]) -> list[Sequence[Chunk]]:
    """Each of chunks of one source, in their order."""
    of_sources = [list(own) for _, own in groupby(chunks, lambda chunk: chunk.source)]
    return [own[start : start + BATCH] for own in of_sources for start in range(0, len(own), BATCH)]


def embed(chunks: Sequence[Chunk], encoder: Encoder, sparse: Bm25Encoder) -> Embedded:
    """Raises: EncoderError."""
    texts = [chunk.embedding_text for chunk in chunks]
    began = perf_counter()
    dense = encoder.embed_documents(texts)
    seconds = perf_counter() - began
    terms = sparse.embed_documents(texts)
    return Embedded(
        [
            EmbeddedChunk(chunk, vector, weights)
            for chunk, vector, weights in zip(chunks, dense, terms, strict=True)
        ],
        seconds,
    )
