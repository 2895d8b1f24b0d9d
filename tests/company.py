"""The sample company, ingested once for all tests that ask it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ingest.chunking import ChunkingPolicy
from ingest.encoders.base import Encoder
from ingest.sync import sync
from ingest.sync_report import SyncReport
from service.assembly import encoder_of, sources_of, store_of
from service.settings import Settings, load_settings

DATA = Path(__file__).parents[1] / "data"
CONFIG = DATA / "why.toml"


_VECTORS: dict[str, NDArray[np.float32]] = {}


class Remembered:
    """The packaged encoder; what it has embedded once in these tests it does not embed again.

    Exact, because a vector of its depends on nothing but the text (see
    ``tests/ingest/test_encoders.py``), and nearly all of the time of an ingest goes there.
    """

    def __init__(self, encoder: Encoder) -> None:
        self._encoder = encoder
        self.name, self.dimensions = encoder.name, encoder.dimensions
        self.embed_query, self.count_tokens = encoder.embed_query, encoder.count_tokens

    def embed_documents(
        self, texts: Sequence[str], on_progress: Callable[[int], None] | None = None
    ) -> NDArray[np.float32]:
        new = [text for text in dict.fromkeys(texts) if text not in _VECTORS]
        _VECTORS.update(zip(new, self._encoder.embed_documents(new), strict=True))
        if on_progress is not None:
            on_progress(len(texts))
        return np.array([_VECTORS[text] for text in texts], np.float32).reshape(
            len(texts), self.dimensions
        )


def remembered(settings: Settings) -> Remembered:
    return Remembered(encoder_of(settings))


def load_vectors(file: Path) -> None:
    """What another worker has embedded."""
    if file.exists():
        with np.load(file) as kept:
            _VECTORS.update(zip(kept["texts"].tolist(), kept["vectors"], strict=True))


def save_vectors(file: Path) -> None:
    np.savez(file, texts=np.array(list(_VECTORS)), vectors=np.stack(list(_VECTORS.values())))


def settings_in(folder: Path) -> Settings:
    """The sample company's settings with its index in ``folder``."""
    places = {"index_dir": folder / "index", "database_file": folder / "why.db"}
    return load_settings(CONFIG).model_copy(update=places)


def ingest(settings: Settings) -> SyncReport:
    async def run() -> SyncReport:
        store = store_of(settings)
        try:
            return await sync(
                sources_of(settings),
                store,
                encoder=remembered(settings),
                policy=ChunkingPolicy(),
            )
        finally:
            await store.aclose()

    return asyncio.run(run())
