"""A secret that lies in any source is in no file of the index afterwards, and in no passage.

Nor in what is said of a source that can't be read. What only looks like a secret stays.
"""

import asyncio
from pathlib import Path

import pytest

from ingest.chunking import ChunkingPolicy
from ingest.documents import SourceKind
from ingest.index import Scope
from ingest.index.edge_store import EdgeStore
from ingest.redaction import redact_text
from ingest.sources import open_source
from ingest.sync import sync
from ingest.sync_report import SyncReport
from service.retrieval import Retriever
from tests.encoders import HashingEncoder
from tests.security.planted import ALL, broken, found_below, found_in, planted


def test_a_secret_in_any_source_is_not_in_the_index(tmp_path: Path) -> None:
    root = planted(tmp_path / "sources", ALL)

    async def run() -> str:
        store, encoder = EdgeStore(tmp_path / "index"), HashingEncoder()
        wiki = "https://wiki.example"
        sources = [
            open_source(kind, name=kind, path=root / kind, base_url=wiki) for kind in SourceKind
        ]
        report = await sync(sources, store, encoder=encoder, policy=ChunkingPolicy())
        index = await store.open_current()
        try:
            found = await Retriever(index, encoder).everything(scope=Scope())
        finally:
            await index.aclose()
            await store.aclose()
        assert {chunk.kind for chunk in found} == set(SourceKind)
        return report.model_dump_json() + "".join(chunk.model_dump_json() for chunk in found)

    shown = asyncio.run(run())

    assert found_in(shown) == []
    assert "[redacted:" in shown
    assert found_below(tmp_path / "index") == {}


def test_what_is_said_of_a_broken_source_has_no_secret(tmp_path: Path) -> None:
    root = broken(tmp_path / "sources", ALL)

    async def run() -> SyncReport:
        store, encoder = EdgeStore(tmp_path / "index"), HashingEncoder()
        sources = [open_source(kind, name=kind, path=root / kind) for kind in SourceKind]
        try:
            return await sync(sources, store, encoder=encoder, policy=ChunkingPolicy())
        finally:
            await store.aclose()

    report = asyncio.run(run())

    assert len({source.source for source in report.sources if source.problems}) >= 5
    assert found_in(report.model_dump_json()) == []


@pytest.mark.parametrize(
    "text",
    [
        "image checkout@sha256:"
        + "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        "commit 4b825dc642cb6eb9a060e54bf8d69288fbee4904 broke it",
        "trace 4bf92f3577b34da6a3ce929d0e0e4736, request 6ba7b810-9dad-11d1-80b4-00c04fd430c8",
        "pod checkout-7d9f8b6c5d-x2x4q on gke-prod-pool-1-3f2a91bc-k8s2",
        "GPU-5f2c1e9a-8b7d-4c3e-9a1f-2d6e8b4c7a90 has Xid 79",
        "arn:aws:iam::123456789012:role/checkout and vol-0a1b2c3d4e5f67890",
        'rate(node_cpu_seconds_total{mode="idle"}[5m]) by token_bucket_fill_rate_5m_p99',
        "kubectl create secret generic checkout-tls --from-file=tls.key",
        "the API key is kept in vault under secret/checkout/prod",
    ],
)
def test_what_only_looks_like_a_secret_stays(text: str) -> None:
    assert redact_text(text) == text
