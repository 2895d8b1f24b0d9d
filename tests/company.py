"""The sample company, ingested once for all tests that ask it."""

from __future__ import annotations

import asyncio
from pathlib import Path

from ingest.chunking import ChunkingPolicy
from ingest.sync import sync
from ingest.sync_report import SyncReport
from service.assembly import encoder_of, sources_of, store_of
from service.settings import Settings, load_settings

DATA = Path(__file__).parents[1] / "data"
CONFIG = DATA / "why.toml"


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
                encoder=encoder_of(settings),
                policy=ChunkingPolicy(),
            )
        finally:
            await store.aclose()

    return asyncio.run(run())
