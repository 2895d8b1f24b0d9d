"""A full disk: what is stored stays, and the reader is told; nothing ends with a bus error."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from ingest.index import IndexFailure
from ingest.index.edge_store import EdgeStore
from service.assembly import moment_of, open_engine
from service.reports.model import MetricCitation
from service.settings import Settings
from tests.company import ingest

pytestmark = pytest.mark.slow

QUESTION = "Why did checkout fail last night?"


def fill(disk: Path) -> Path:
    """Leaves some 10 MiB; the file that does it."""
    ballast = disk / "ballast"
    with ballast.open("wb") as file:
        for _ in range(shutil.disk_usage(disk).free // 2**20 - 10):
            file.write(bytes(2**20))
    return ballast


def test_a_full_disk_is_told_and_nothing_that_was_stored_is_lost(
    company: Settings, small_disk: Callable[[int], Path]
) -> None:
    disk = small_disk(300)
    settings = company.model_copy(update={"index_dir": disk / "index"})
    ballast = fill(disk)
    with pytest.raises(IndexFailure, match=r"the disk is full: \d+ MiB are free .* 128 MiB"):
        ingest(settings)
    ballast.unlink()
    stored = sum(source.chunks_embedded for source in ingest(settings).sources)
    ballast = fill(disk)

    async def ask() -> tuple[bool, str]:
        now = moment_of(settings)
        async with open_engine(settings, as_of=now) as engine:
            report = await engine.ask(QUESTION, now=now)
        told = " ".join(report.not_seen)
        return any(isinstance(c, MetricCitation) for c in report.citations), told

    by_metrics, told = asyncio.run(ask())
    assert by_metrics
    assert "the disk is full" in told
    ballast.unlink()

    async def count() -> int:
        index = await EdgeStore(disk / "index").open_current()
        try:
            return await index.count()
        finally:
            await index.aclose()

    assert asyncio.run(count()) == stored
    assert not any(source.chunks_embedded for source in ingest(settings).sources)
