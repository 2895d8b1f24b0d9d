"""An index that an earlier version wrote: it answers, and the next sync embeds nothing of it anew.

``index_84f9d77.tar.xz`` was written by commit 84f9d77, the last one with another BM25, from the
pages beside it: ``git archive 84f9d77 ingest tests/encoders.py``, then its ``sync`` with
``HashingEncoder(dimensions=16)`` and ``ChunkingPolicy(target_tokens=60)`` into an ``EdgeStore``.
"""

from __future__ import annotations

import asyncio
import json
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from ingest.chunking import ChunkingPolicy
from ingest.documents import SourceKind
from ingest.encoders.bm25 import Bm25Encoder
from ingest.index import EmbeddedChunk, HybridQuery, Index, IndexStore, Scope, schema
from ingest.index.edge_store import EdgeStore
from ingest.sources import open_source
from ingest.sync import sync
from ingest.sync_report import SyncReport
from tests.encoders import HashingEncoder
from tests.qdrant import API_KEY, Qdrant, new_name

ARCHIVE = Path(__file__).with_name("index_84f9d77.tar.xz")
CHUNKS = 14

Open = Callable[[], IndexStore]


@pytest.fixture
def old(directory: Path) -> Path:
    """``index`` and ``pages``, as they were."""
    with tarfile.open(ARCHIVE) as archive:
        archive.extractall(directory, filter="data")
    return directory


@pytest.fixture(params=["edge", "server"])
def opened(request: pytest.FixtureRequest, old: Path) -> Open:
    """Opens a store of the old index, embedded or on a server."""
    if request.param == "edge":
        return lambda: EdgeStore(old / "index")
    qdrant: Qdrant = request.getfixturevalue("qdrant")
    alias = new_name()
    asyncio.run(put(qdrant, alias, old / "index"))
    return lambda: qdrant.store(alias)


async def put(qdrant: Qdrant, alias: str, index: Path) -> None:
    """Sends the old index's points in the requests that 84f9d77 made to a server."""
    store = EdgeStore(index)
    current = await store.open_current()
    chunks, rest = await current.page(None)
    assert rest is None
    await store.aclose()
    collection = f"{alias}-{current.name}"
    made = json.loads((index / current.name / "manifest.json").read_text())
    points = [
        {
            "id": one.chunk.id,
            "payload": schema.to_payload(one.chunk),
            "vector": {
                "dense": one.dense.tolist(),
                "sparse": {"indices": one.sparse.indices, "values": one.sparse.values},
            },
        }
        for one in chunks
    ]
    requests: list[tuple[str, str, dict[str, Any]]] = [
        (
            "PUT",
            f"/collections/{collection}",
            {
                "vectors": {"dense": {"size": 16, "distance": "Cosine"}},
                "sparse_vectors": {"sparse": {"modifier": "idf"}},
                "optimizers_config": {"indexing_threshold": 1250},
                "metadata": {"why": made},
            },
        ),
        *(
            (
                "PUT",
                f"/collections/{collection}/index",
                {"field_name": field, "field_schema": "keyword"},
            )
            for field in schema.KEYWORD_FIELDS
        ),
        ("PUT", f"/collections/{collection}/points", {"points": points}),
        (
            "POST",
            "/collections/aliases",
            {"actions": [{"create_alias": {"collection_name": collection, "alias_name": alias}}]},
        ),
    ]
    async with httpx.AsyncClient(
        base_url=qdrant.url, headers={"api-key": API_KEY}, verify=qdrant.trust()
    ) as client:
        for method, path, body in requests:
            (await client.request(method, path, json=body)).raise_for_status()


Stored = dict[str, EmbeddedChunk]


async def ingested(store: IndexStore, pages: Path) -> tuple[SyncReport, int, Stored]:
    """What today's sync reports, how many texts it embeds, and what readers then have."""
    encoder = HashingEncoder(dimensions=16)
    source = open_source(SourceKind.RUNBOOKS, name="runbooks", path=pages)
    policy = ChunkingPolicy(target_tokens=60)
    report = await sync([source], store, encoder=encoder, policy=policy)
    index = await store.open_current()
    assert index.spec.sparse_model == Bm25Encoder.fingerprint
    chunks, _ = await index.page(None)
    await index.aclose()
    return report, encoder.embedded, {one.chunk.id: one for one in chunks}


async def found(index: Index) -> str:
    query = HybridQuery(
        dense=HashingEncoder(dimensions=16).embed_query("disk0x1"),
        sparse=Bm25Encoder(index.average_length).embed_query("disk0x1"),
        scope=Scope(),
    )
    return (await index.search(query))[0].chunk.title


def test_the_old_index_answers_and_its_vectors_go_into_the_new_one(opened: Open, old: Path) -> None:
    async def upgrade() -> tuple[SyncReport, int, Stored]:
        store = opened()
        index = await store.open_current()
        assert index.spec.sparse_model != Bm25Encoder.fingerprint
        assert await found(index) == "disk"
        await index.aclose()
        done = await ingested(store, old / "pages")
        await store.aclose()
        return done

    async def anew() -> Stored:
        store = EdgeStore(old / "anew")
        _, embedded, stored = await ingested(store, old / "pages")
        assert embedded == CHUNKS
        await store.aclose()
        return stored

    report, embedded, stored = asyncio.run(upgrade())
    assert (report.new_generation, report.published) == (True, True)
    assert (embedded, report.chunks_reused) == (0, CHUNKS)
    expected = asyncio.run(anew())
    assert {id: one.chunk for id, one in stored.items()} == {
        id: one.chunk for id, one in expected.items()
    }
    for id, one in stored.items():
        assert one.sparse.indices == expected[id].sparse.indices
        assert one.sparse.values == pytest.approx(expected[id].sparse.values)
        assert one.dense == pytest.approx(expected[id].dense, abs=1e-6)
