"""What more chunks cost in the embedded index: ``python -m bench.growth --sizes 1000,10000``.

Each size is written and optimised in one process and searched in another, so that the memory of
the second is that of an open index and nothing else. Chunks come from ``bench.synthetic``; nothing
is embedded, so the rate is that of everything but the encoder (BM25 included). Questions are asked
as the product asks them: both searches, their fusion, an audience and a moment. ANN recall is the
share of the exact first ten, under the same filter, that the dense search finds.

``--keep DIR`` leaves the indexes there, and ``--search-only DIR`` measures those again.
"""

from __future__ import annotations

import argparse
import asyncio
import multiprocessing
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import TypeVar

import numpy as np

from bench.synthetic import DIMENSIONS, Synthetic
from ingest.documents import EVERYONE, Frozen
from ingest.encoders.bm25 import Bm25Encoder
from ingest.index import EmbeddedChunk, FusionMethod, HybridQuery, IndexSpec, Scope
from ingest.index.edge_store import EdgeStore
from ingest.index.layout import Layout, Quantization
from service.retrieval import RetrievalPolicy

CONFIGURATIONS = {
    "default": Layout(),
    "graph: m 32, ef 256": Layout(hnsw_m=32, ef_construct=256, search_ef=256),
    "graph: ef 64": Layout(search_ef=64),
    "graph: ef 128": Layout(search_ef=128),
    "graph: ef 256": Layout(search_ef=256),
    "no graph": Layout(exact_up_to=10**9),
    "int8": Layout(quantization=Quantization.INT8),
    "int8, ef 1024": Layout(quantization=Quantization.INT8, search_ef=1024),
    "int8, ef 2048": Layout(quantization=Quantization.INT8, search_ef=2048),
    "binary": Layout(quantization=Quantization.BINARY, oversampling=4),
    "on disk": Layout(vectors_on_disk=True),
    "int8, rest on disk": Layout(quantization=Quantization.INT8, vectors_on_disk=True),
}
SCOPE = Scope(audience=(EVERYONE, "team:payments"), as_of=datetime(2025, 1, 1, tzinfo=UTC))
AVERAGE_LENGTH = 45.0
BATCH = 64
"""Chunks per write, as ``ingest.sync`` has it."""

T = TypeVar("T")


class Written(Frozen):
    """``rate`` in chunks per second, ``optimising`` in seconds, ``size`` in bytes on disk."""

    chunks: int
    layout: Layout
    rate: float
    optimising: float
    size: int


class Searched(Frozen):
    """Times in milliseconds, memory in bytes: all of it, and what is no file of the index."""

    p50: float
    p95: float
    dense_p50: float
    sparse_p50: float
    recall: float
    recall_of_100: float
    resident: int
    anonymous: int
    opening: float


async def write(home: Path, size: int, layout: Layout) -> Written:
    store = EdgeStore(home / "index", layout=layout)
    spec = IndexSpec(
        dense_model="synthetic",
        dimensions=DIMENSIONS,
        sparse_model=Bm25Encoder.fingerprint,
        chunking="synthetic",
    )
    index = await store.open_for_writing(spec, lambda: AVERAGE_LENGTH)
    bm25 = Bm25Encoder(index.average_length)
    writing = 0.0
    for chunks, vectors in Synthetic(size).batches():
        began = perf_counter()
        for start in range(0, len(chunks), BATCH):
            batch = chunks[start : start + BATCH]
            terms = bm25.embed_documents([chunk.embedding_text for chunk in batch])
            await index.upsert(
                [
                    EmbeddedChunk(chunk, vector, sparse)
                    for chunk, vector, sparse in zip(
                        batch, vectors[start : start + BATCH], terms, strict=True
                    )
                ]
            )
        writing += perf_counter() - began
    began = perf_counter()
    await index.optimize()
    optimising = perf_counter() - began
    await store.publish(index)
    await store.aclose()
    written = Written(
        chunks=size,
        layout=layout,
        rate=size / writing,
        optimising=optimising,
        size=_size_of(home),
    )
    (home / "written.json").write_text(written.model_dump_json())
    return written


async def search(home: Path, written: Written, layout: Layout, questions: int) -> Searched:
    asked = Synthetic(written.chunks).questions(questions)
    began = perf_counter()
    store = EdgeStore(home / "index", layout=layout)
    index = await store.open_current()
    opening = perf_counter() - began
    bm25 = Bm25Encoder(index.average_length)
    policy = RetrievalPolicy()
    queries = [(vector, bm25.embed_query(text)) for text, vector in asked]

    async def timed(query: HybridQuery) -> tuple[float, list[str]]:
        began = perf_counter()
        hits = await index.search(query)
        return (perf_counter() - began) * 1000, [hit.chunk.id for hit in hits]

    async def times(*, dense: bool, sparse: bool) -> list[float]:
        return [
            (
                await timed(
                    HybridQuery(
                        dense=vector if dense else None,
                        sparse=terms if sparse else None,
                        scope=SCOPE,
                        limit=policy.candidates,
                        prefetch=policy.prefetch,
                        fusion=FusionMethod.DBSF,
                    )
                )
            )[0]
            for vector, terms in queries
        ]

    async def nearest(*, exact: bool) -> list[list[str]]:
        return [
            (
                await timed(
                    HybridQuery(dense=vector, sparse=None, scope=SCOPE, limit=100, exact=exact)
                )
            )[1]
            for vector, _ in queries
        ]

    await times(dense=True, sparse=True)  # warm
    both = await times(dense=True, sparse=True)
    dense = await times(dense=True, sparse=False)
    sparse = await times(dense=False, sparse=True)
    memory = _memory()
    found, truth = await nearest(exact=False), await nearest(exact=True)
    await store.aclose()
    return Searched(
        p50=float(np.percentile(both, 50)),
        p95=float(np.percentile(both, 95)),
        dense_p50=float(np.percentile(dense, 50)),
        sparse_p50=float(np.percentile(sparse, 50)),
        recall=_recall(found, truth, 10),
        recall_of_100=_recall(found, truth, 100),
        resident=memory["VmRSS"],
        anonymous=memory["RssAnon"],
        opening=opening,
    )


def _size_of(folder: Path) -> int:
    return sum(path.stat().st_blocks * 512 for path in folder.rglob("*") if path.is_file())


def _memory() -> dict[str, int]:
    """Of this process, in bytes, by the names of proc(5)."""
    lines = Path("/proc/self/status").read_text().splitlines()
    fields = dict(line.split(":", 1) for line in lines)
    return {name: int(fields[name].split()[0]) * 1024 for name in ("VmRSS", "RssAnon")}


def _recall(found: list[list[str]], truth: list[list[str]], first: int) -> float:
    shares = [
        len({*one[:first]} & {*exact[:first]}) / len(exact[:first])
        for one, exact in zip(found, truth, strict=True)
        if exact
    ]
    return float(np.mean(shares))


def _write(home: Path, size: int, layout: Layout) -> Written:
    return asyncio.run(write(home, size, layout))


def _search(home: Path, written: Written, layout: Layout, questions: int) -> Searched:
    return asyncio.run(search(home, written, layout, questions))


def _alone(work: Callable[..., T], *arguments: object) -> T:
    """In a process of its own."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(max_workers=1, mp_context=context) as pool:
        return pool.submit(work, *arguments).result()


def _row(name: str, written: Written, found: Searched) -> str:
    cells = [
        f"{written.chunks:,}",
        name,
        f"{written.rate:,.0f}",
        f"{written.optimising:,.1f}",
        f"{written.size / 2**20:,.0f}",
        f"{found.resident / 2**20:,.0f} ({found.anonymous / 2**20:,.0f})",
        f"{found.opening:.1f}",
        f"{found.p50:.1f} / {found.p95:.1f}",
        f"{found.dense_p50:.1f}",
        f"{found.sparse_p50:.1f}",
        f"{found.recall:.4f}",
        f"{found.recall_of_100:.4f}",
    ]
    return f"| {' | '.join(cells)} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", default="1000,10000", help="chunks, separated by commas")
    parser.add_argument(
        "--configurations",
        default="default",
        help=f"separated by semicolons, or 'all': {'; '.join(CONFIGURATIONS)}",
    )
    parser.add_argument("--questions", type=int, default=200)
    parser.add_argument("--keep", type=Path, help="leave the indexes in this folder")
    parser.add_argument("--search-only", type=Path, help="search what --keep left there")
    options = parser.parse_args()
    names = (
        list(CONFIGURATIONS)
        if options.configurations == "all"
        else options.configurations.split(";")
    )
    print(
        "| chunks | configuration | written/s | optimise s | disk MiB | RSS MiB (anon) | open s "
        "| search p50 / p95 ms | dense p50 | BM25 p50 | recall@10 | recall@100 |"
    )
    print("| ---: | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
    if options.search_only:
        for path in sorted(options.search_only.glob("*/written.json")):
            written = Written.model_validate_json(path.read_bytes())
            for name in names:
                found = _alone(
                    _search, path.parent, written, CONFIGURATIONS[name], options.questions
                )
                print(_row(f"{path.parent.name}, asked as {name}", written, found), flush=True)
        return
    for size in map(int, options.sizes.split(",")):
        for name in names:
            with ExitStack() as stack:
                if options.keep:
                    home = options.keep / f"{size}-{list(CONFIGURATIONS).index(name)}"
                    home.mkdir(parents=True)
                else:
                    home = Path(stack.enter_context(TemporaryDirectory()))
                layout = CONFIGURATIONS[name]
                written = _alone(_write, home, size, layout)
                found = _alone(_search, home, written, layout, options.questions)
                print(_row(name, written, found), flush=True)


if __name__ == "__main__":
    main()
