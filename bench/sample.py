"""The sample company, ingested into a scratch folder: what the speed is measured on."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from ingest.chunking import ChunkingPolicy
from ingest.corpus import Corpus, read_source
from ingest.encoders.base import Encoder
from ingest.index import open_store
from ingest.sync import sync
from ingest.sync_report import SyncReport
from service.assembly import encoder_of, sources_of
from service.settings import Settings, load_settings

CONFIG = Path(__file__).parents[1] / "data" / "why.toml"
QUESTION = "Why did checkout fail last night?"


@contextmanager
def sample_company() -> Iterator[Settings]:
    """Its settings, with an index and a database of its own that are gone afterwards."""
    with TemporaryDirectory(prefix="why-bench-") as scratch:
        settings = scratch_settings(Path(scratch))
        asyncio.run(ingested(settings, encoder_of(settings)))
        yield settings


def scratch_settings(folder: Path) -> Settings:
    places = {"index_dir": folder / "index", "database_file": folder / "why.db"}
    return load_settings(CONFIG).model_copy(update=places)


def environment_of(settings: Settings) -> dict[str, str]:
    """What makes a process of its own use them."""
    return {
        "WHY_CONFIG": str(CONFIG),
        "WHY_INDEX_DIR": str(settings.index_dir),
        "WHY_DATABASE_FILE": str(settings.database_file),
    }


async def ingested(settings: Settings, encoder: Encoder) -> SyncReport:
    """A whole sync of the company's sources."""
    store = open_store(directory=settings.index_dir)
    try:
        return await sync(sources_of(settings), store, encoder=encoder, policy=ChunkingPolicy())
    finally:
        await store.aclose()


def texts_of(settings: Settings, encoder: Encoder) -> list[str]:
    """What the encoders see of the company: about 470 texts."""
    corpus = Corpus(ChunkingPolicy(), encoder.count_tokens)
    for source in sources_of(settings):
        corpus.readings[source.name] = read_source(source, redact_emails=False)
    return corpus.embedding_texts()
