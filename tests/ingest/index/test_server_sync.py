"""A server that fails during a sync: told, finished by the next one, never half published."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import pytest

from ingest.backup import dump_index
from ingest.chunking import ChunkingPolicy
from ingest.documents import SourceKind
from ingest.index import HybridQuery, IndexUnavailable, Scope
from ingest.sources import open_source
from ingest.sync import sync
from ingest.sync_report import SyncReport
from service.testing.qdrant_server import Failing
from tests.encoders import HashingEncoder
from tests.ingest.index.builders import terms
from tests.qdrant import Qdrant, new_name

OLD = ChunkingPolicy(target_tokens=120)
NEW = ChunkingPolicy(target_tokens=60)
PAGES = 5


class Company:
    """Pages in a folder, and an index of them on the server."""

    def __init__(self, qdrant: Qdrant, pages: Path) -> None:
        self.qdrant = qdrant
        self.pages = pages
        self.collection = new_name()
        for number in range(PAGES):
            self.write(number, "old")

    def write(self, number: int, word: str) -> None:
        text = " ".join(f"{word}{number}x{position}" for position in range(100))
        (self.pages / f"page{number}.md").write_text(f"# Page {number}\n\n{text}.\n")

    def sync(self, policy: ChunkingPolicy, *, timeout: float = 10.0) -> tuple[SyncReport, int]:
        """Returns the report and how many texts were embedded."""
        encoder = HashingEncoder()
        source = open_source(SourceKind.RUNBOOKS, name="runbooks", path=self.pages)

        async def run() -> SyncReport:
            store = self.qdrant.store(self.collection, timeout=timeout)
            try:
                return await sync([source], store, encoder=encoder, policy=policy)
            finally:
                await store.aclose()

        return asyncio.run(run()), encoder.embedded

    def readers_see(self) -> tuple[str, list[bytes]]:
        """The chunking of the published generation, and all that it holds."""
        lines: list[bytes] = []

        async def run() -> str:
            store = self.qdrant.store(self.collection)
            index = await store.open_current()
            await dump_index(index, lines.append)
            await store.aclose()
            return index.spec.chunking

        return asyncio.run(run()), sorted(lines)

    def collections(self) -> list[str]:
        return [name for name in self.qdrant.server.created if name.startswith(self.collection)]


@pytest.fixture
def company(qdrant: Qdrant, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Company]:
    """Ingested with the old chunker; then a page is edited. A batch is four chunks."""
    monkeypatch.setattr("ingest.crew.BATCH", 4)
    one = Company(qdrant, tmp_path)
    one.sync(OLD)
    one.write(0, "new")
    yield one
    qdrant.server.failing = None


@pytest.mark.slow
@pytest.mark.parametrize(
    "failing",
    [
        Failing("dies", "PUT", "/index", after=3),
        Failing("dies", "PUT", "/points", after=1),
        Failing("dies", "PUT", "/points", after=1, done=True),
        Failing("dies", "POST", "/aliases"),
        Failing("dies", "POST", "/aliases", done=True),
        Failing("dies", "DELETE"),
        Failing("refuses", "PUT", "/points", after=1),
        Failing("hangs", "PUT", "/points", after=1),
    ],
    ids=lambda it: f"{it.how}-{it.method}{it.path.replace('/', '-')}{'-done' * it.done}",
)
def test_a_new_generation_is_whole_or_not_there_and_the_next_sync_finishes_it(
    company: Company, failing: Failing
) -> None:
    before = company.readers_see()
    company.qdrant.server.failing = failing
    with pytest.raises(IndexUnavailable) as caught:
        company.sync(NEW, timeout=1.0)
    expected = {
        "dies": "does not answer",
        "refuses": "answered HTTP 503: Service is not available",
        "hangs": "did not answer within 1 s",
    }
    assert f"Qdrant at {company.qdrant.url} {expected[failing.how]}" in str(caught.value)
    company.qdrant.server.failing = None

    switched = failing.method == "DELETE" or (failing.path == "/aliases" and failing.done)
    assert (company.readers_see() == before) is not switched
    report, embedded = company.sync(NEW)
    assert report.published
    chunking, lines = company.readers_see()
    assert chunking == NEW.fingerprint
    if failing.path == "/points":
        assert 0 < embedded < len(lines)  # what was stored is not embedded again
    elif failing.path == "/aliases" or failing.method == "DELETE":
        assert embedded == 0
    assert len(company.collections()) == 1

    fresh = Company(company.qdrant, company.pages)
    fresh.write(0, "new")
    fresh.sync(NEW)
    assert fresh.readers_see() == (chunking, lines)


@pytest.mark.parametrize("done", [False, True])
def test_an_edit_that_was_interrupted_is_completed(company: Company, done: bool) -> None:
    company.qdrant.server.failing = Failing("dies", "POST", "/points/delete", done=done)
    with pytest.raises(IndexUnavailable, match="does not answer"):
        company.sync(OLD)
    company.qdrant.server.failing = None
    report, embedded = company.sync(OLD)
    assert (report.published, embedded) == (True, 0)
    fresh = Company(company.qdrant, company.pages)
    fresh.write(0, "new")
    fresh.sync(OLD)
    assert fresh.readers_see() == company.readers_see()


@pytest.mark.parametrize("how", ["dies", "hangs"])
@pytest.mark.parametrize("path", ["/query/batch", "/points"])
def test_a_search_that_fails_says_so_and_the_next_one_finds(
    company: Company, how: Literal["dies", "hangs"], path: str
) -> None:
    """``/points``: the passages that were found can't be read."""

    async def run() -> None:
        store = company.qdrant.store(company.collection, timeout=0.3)
        index = await store.open_current()
        query = HybridQuery(
            dense=HashingEncoder().embed_query("old1x1"), sparse=terms(t1=1.0), scope=Scope()
        )
        company.qdrant.server.failing = Failing(how, "POST", path)
        with pytest.raises(
            IndexUnavailable, match=f"Qdrant at {company.qdrant.url} (did|does|ans)"
        ):
            await index.search(query)
        company.qdrant.server.failing = None
        assert len(await index.search(query)) > 0
        await store.aclose()

    asyncio.run(run())
