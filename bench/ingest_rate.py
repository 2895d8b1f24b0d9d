"""How much of the encoder's own speed ingesting reaches: ``python -m bench.ingest_rate``.

A whole sync of the shared runbooks into an empty index (reading, redaction, chunking, both
encoders, storing, optimising), against the encoder alone with the best of several batch sizes,
on every fourth of the very same texts. Both are warm; they alternate, so that a busy machine slows
both. The share of the sync's time that passes inside the encoder depends on that even less.
"""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter

import numpy as np
from numpy.typing import NDArray

from bench.shared_data import add_data_option, runbook_folders
from ingest.chunking import ChunkingPolicy
from ingest.documents import SourceKind
from ingest.encoders.base import Encoder
from ingest.index import open_store
from ingest.sources import open_source
from ingest.sync import sync
from ingest.sync_report import SyncReport
from service.assembly import encoder_of
from service.settings import Settings

BATCH_SIZES = (16, 64, 256)
SAMPLE = 4
"""One text in so many is embedded by the encoder alone."""


class RecordingEncoder:
    """An encoder that remembers what it was asked to embed."""

    def __init__(self, encoder: Encoder) -> None:
        self._encoder = encoder
        self.name = encoder.name
        self.dimensions = encoder.dimensions
        self.embed_query = encoder.embed_query
        self.count_tokens = encoder.count_tokens
        self.texts: list[str] = []

    def embed_documents(
        self, texts: Sequence[str], on_progress: Callable[[int], None] | None = None
    ) -> NDArray[np.float32]:
        self.texts += texts
        return self._encoder.embed_documents(texts, on_progress)


async def ingest(folders: Sequence[Path], encoder: Encoder) -> SyncReport:
    with TemporaryDirectory() as scratch:
        store = open_store(directory=Path(scratch))
        try:
            return await sync(
                [
                    open_source(SourceKind.RUNBOOKS, name=folder.name, path=folder)
                    for folder in folders
                ],
                store,
                encoder=encoder,
                policy=ChunkingPolicy(),
            )
        finally:
            await store.aclose()


def bare_rate(encoder: Encoder, texts: Sequence[str], batch: int) -> float:
    """Texts per second."""
    began = perf_counter()
    for start in range(0, len(texts), batch):
        encoder.embed_documents(texts[start : start + batch])
    return len(texts) / (perf_counter() - began)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_data_option(parser)
    parser.add_argument("--rounds", type=int, default=2, help="how often each is measured")
    options = parser.parse_args()
    folders = runbook_folders(options.data)
    encoder = encoder_of(Settings())
    encoder.embed_documents(["warm up"] * BATCH_SIZES[0])
    synced: list[tuple[float, float, float]] = []
    bare: dict[int, list[float]] = {batch: [] for batch in BATCH_SIZES}
    texts: list[str] = []
    for _ in range(options.rounds):
        recording = RecordingEncoder(encoder)
        report = asyncio.run(ingest(folders, recording))
        texts = recording.texts
        inside = report.embedding_seconds / report.seconds
        synced.append((len(texts) / report.seconds, report.texts_per_second, inside))
        for batch in BATCH_SIZES:
            bare[batch].append(bare_rate(encoder, texts[::SAMPLE], batch))
    whole, writing, inside = (max(rates) for rates in zip(*synced, strict=True))
    batch = max(bare, key=lambda size: max(bare[size]))
    best = max(bare[batch])
    print("| what | texts/s | share of the bare encoder |")
    print("| --- | ---: | ---: |")
    print(f"| {encoder.name} alone, batches of {batch} | {best:.1f} | |")
    print(f"| embedding, weighting and storing | {writing:.1f} | {writing / best:.0%} |")
    print(f"| the whole sync | {whole:.1f} | {whole / best:.0%} |")
    print(
        f"\n{len(texts)} texts, best of {options.rounds} rounds; "
        f"{inside:.0%} of the sync passed inside the encoder."
    )


if __name__ == "__main__":
    main()
