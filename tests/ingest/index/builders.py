"""Chunks and stores for the index tests."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ingest.documents import Chunk, chunk_id
from ingest.index import EmbeddedChunk, IndexSpec, IndexStore, SparseVector
from tests.qdrant import Qdrant

DIMENSIONS = 8
SPEC = IndexSpec(dense_model="m", dimensions=DIMENSIONS, sparse_model="bm25", chunking="c1")
OTHER_SPEC = IndexSpec(dense_model="m2", dimensions=4, sparse_model="bm25", chunking="c1")


def day(number: int) -> datetime:
    return datetime(2026, 3, number, tzinfo=UTC)


def chunk(document: str = "runbooks/a", ordinal: int = 0, **changes: Any) -> Chunk:
    revision = changes.pop("revision", "r1")
    fields: dict[str, Any] = {
        "id": chunk_id(document, revision, ordinal, "c1"),
        "document_id": document,
        "revision": revision,
        "source": document.partition("/")[0],
        "kind": "runbooks",
        "title": "Disk full",
        "url": None,
        "origin": f"{document}.md",
        "ordinal": ordinal,
        "chunks": 1,
        "headings": ("Check", "Logs"),
        "start": 3,
        "end": 7,
        "text": "text",
        "written_at": None,
        "services": (),
        "regions": (),
        "customers": (),
        "audience": ("everyone",),
        "facts": None,
    }
    return Chunk.model_validate(fields | changes)


def unit(*coordinates: float, dimensions: int = DIMENSIONS) -> NDArray[np.float32]:
    vector = np.zeros(dimensions, dtype=np.float32)
    vector[: len(coordinates)] = coordinates
    return (vector / np.linalg.norm(vector)).astype(np.float32)


def terms(**weights: float) -> SparseVector:
    """``terms(t3=1.5)``: term 3 weighs 1.5."""
    return SparseVector(
        indices=tuple(int(name[1:]) for name in weights), values=tuple(weights.values())
    )


def embedded(
    of: Chunk, dense: NDArray[np.float32] | None = None, sparse: SparseVector | None = None
) -> EmbeddedChunk:
    return EmbeddedChunk(
        of, unit(1.0) if dense is None else dense, terms(t1=1.0) if sparse is None else sparse
    )


@asynccontextmanager
async def opened_store(place: Path | Qdrant) -> AsyncIterator[IndexStore]:
    """A fresh store: of the embedded engine in this directory, or of this server."""
    store = _store(place)
    try:
        yield store
    finally:
        await store.aclose()


def _store(place: Path | Qdrant) -> IndexStore:
    if isinstance(place, Qdrant):
        return place.store()
    from ingest.index.edge_store import EdgeStore

    return EdgeStore(place / "index", lock_wait=0.2)
