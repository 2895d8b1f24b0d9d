"""One generation in a directory: Qdrant's engine inside this process (``qdrant_edge``).

Every call on a shard runs in one thread of its own: the engine holds the interpreter lock while
it works (measured with 0.9), so more threads would gain nothing, and one makes it safe to close a
shard that is being asked. A search is milliseconds; ``optimize`` on more than
``Layout.exact_up_to`` new chunks takes about a second per thousand and halts the whole process
meanwhile, whatever the size of the segments: run it where nobody waits.

``upsert`` returns when the write-ahead log has the points, which a killed process survives. The
log goes to the disk itself every ``FLUSH_EVERY`` points and on ``optimize`` and close.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import qdrant_edge as edge
from numpy.typing import NDArray

from ingest.documents import Chunk
from ingest.index import disk, schema
from ingest.index.base import (
    EmbeddedChunk,
    Hit,
    HybridQuery,
    IndexFailure,
    Scope,
    StoredDocument,
)
from ingest.index.fusion import fused
from ingest.index.generations import Generation, Manifest
from ingest.index.layout import Layout, Quantization

FLUSH_EVERY = 2048

_FULL_SCAN = 10_000
"""KiB of vectors that a filter may leave to compare them all (the engine's own default)."""

T = TypeVar("T")


class EdgeShard:
    """An open shard and the thread that talks to it. Use ``create`` or ``load``."""

    def __init__(self, path: Path, open_it: Callable[[], edge.EdgeShard]) -> None:
        self.path = path
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="why-index")
        self._open_it = open_it
        self._shard: edge.EdgeShard | None = None

    @classmethod
    async def create(cls, path: Path, dimensions: int, layout: Layout) -> EdgeShard:
        """A new shard at ``path`` (which must not exist), with its payload indexes.

        Raises: IndexFailure.
        """
        disk.ensure_free(path.parent, disk.TO_OPEN)
        return await cls(path, lambda: _create(path, dimensions, layout))._started()

    @classmethod
    async def load(cls, path: Path) -> EdgeShard:
        """The shard at ``path``. Raises IndexFailure where it is damaged or the disk is full."""
        disk.ensure_free(path, disk.TO_OPEN)
        return await cls(path, lambda: edge.EdgeShard.load(str(path)))._started()

    async def _started(self) -> EdgeShard:
        try:
            self._shard = await self._run(self._open_it)
        except BaseException:
            self._thread.shutdown(wait=False)
            raise
        return self

    async def ask(self, question: Callable[[edge.EdgeShard], T]) -> T:
        """The answer of the shard. Raises IndexFailure."""

        shard = self._shard
        if shard is None:
            raise IndexFailure(f"the index in {self.path} was closed")
        return await self._run(lambda: question(shard))

    async def aclose(self) -> None:
        """Write what is pending and let the directory go."""
        shard, self._shard = self._shard, None
        if shard is not None:
            await self._run(shard.close)
            self._thread.shutdown(wait=False)

    async def _run(self, call: Callable[[], T]) -> T:
        def told() -> T:
            try:
                return call()
            except IndexFailure:
                raise
            except Exception as error:  # the engine raises nothing more specific
                raise IndexFailure(f"the index in {self.path} failed: {error}") from error

        return await asyncio.get_running_loop().run_in_executor(self._thread, told)


class EdgeIndex(Generation):
    """``Index`` over a shard. Closing it is the store's affair (``on_close``)."""

    def __init__(
        self,
        name: str,
        manifest: Manifest,
        shard: EdgeShard,
        *,
        layout: Layout,
        is_new: bool,
        on_close: Callable[[], Awaitable[None]],
    ) -> None:
        super().__init__(name, manifest, is_new=is_new)
        self._shard = shard
        self._layout = layout
        self._on_close = on_close
        self._unflushed = 0

    async def upsert(self, chunks: Sequence[EmbeddedChunk]) -> None:
        if not chunks:
            return
        self._unflushed += len(chunks)
        flush = self._unflushed >= FLUSH_EVERY
        if flush:
            self._unflushed = 0

        def write(shard: edge.EdgeShard) -> None:
            disk.ensure_free(self._shard.path, disk.TO_WRITE)
            shard.update(edge.UpdateOperation.upsert_points([_point(chunk) for chunk in chunks]))
            if flush:
                shard.flush()

        await self._shard.ask(write)

    async def keep_only(self, source: str, revisions: Mapping[str, str]) -> int:
        def delete(shard: edge.EdgeShard) -> int:
            stale = [
                record.id
                for record in _scroll(shard, schema.of_source(source), ["document_id", "revision"])
                if (fields := record.payload or {})
                and revisions.get(fields["document_id"]) != fields["revision"]
            ]
            for start in range(0, len(stale), schema.PAGE):
                batch = stale[start : start + schema.PAGE]
                shard.update(edge.UpdateOperation.delete_points(batch))
            return len(stale)

        return await self._shard.ask(delete)

    async def inventory(self, source: str) -> list[StoredDocument]:
        return await self._shard.ask(
            lambda shard: schema.stored_documents(
                record.payload
                for record in _scroll(shard, schema.of_source(source), schema.INVENTORY_FIELDS)
            )
        )

    async def sources(self) -> list[str]:
        return sorted(await self._facet("source", schema.Conditions()))

    async def search(self, query: HybridQuery) -> list[Hit]:
        return await self._shard.ask(lambda shard: _search(shard, query, self._layout))

    async def chunks_of(self, document_ids: Iterable[str] | None, scope: Scope) -> list[Chunk]:
        wanted = schema.within(scope, document_ids)
        chunks = await self._shard.ask(
            lambda shard: [
                schema.from_payload(record.payload) for record in _scroll(shard, wanted, True)
            ]
        )
        return sorted(chunks, key=lambda chunk: (chunk.document_id, chunk.ordinal, chunk.id))

    async def page(self, after: str | None) -> tuple[list[EmbeddedChunk], str | None]:
        request = edge.ScrollRequest(
            offset=after, limit=schema.PAGE, with_payload=True, with_vector=True
        )
        records, rest = await self._shard.ask(lambda shard: shard.scroll(request))
        return [
            schema.embedded(one.payload, one.vector) for one in records
        ], None if rest is None else str(rest)

    async def values(self, field: str, scope: Scope) -> dict[str, int]:
        return await self._facet(schema.counted(field), schema.within(scope))

    async def vectors_of(self, chunk_ids: Sequence[str]) -> dict[str, NDArray[np.float32]]:
        records = await self._shard.ask(
            lambda shard: shard.retrieve(
                list(chunk_ids), with_payload=False, with_vector=[schema.DENSE]
            )
        )
        return schema.dense_vectors((record.id, record.vector) for record in records)

    async def count(self) -> int:
        return await self._shard.ask(lambda shard: shard.count(edge.CountRequest(exact=True)))

    async def optimize(self) -> None:
        def optimize(shard: edge.EdgeShard) -> None:
            # Segments are written anew before the old ones go.
            path = self._shard.path
            disk.ensure_free(path, disk.TO_WRITE + disk.taken(path))
            shard.optimize()
            shard.flush()

        await self._shard.ask(optimize)

    async def flush(self) -> None:
        """Put everything on the disk itself, so that a power cut loses nothing either."""
        await self._shard.ask(lambda shard: shard.flush())

    async def aclose(self) -> None:
        on_close, self._on_close = self._on_close, _nothing
        await on_close()

    async def _facet(self, field: str, conditions: schema.Conditions) -> dict[str, int]:
        request = edge.FacetRequest(
            field, limit=schema.MOST_VALUES, exact=True, filter=_filter(conditions)
        )
        response = await self._shard.ask(lambda shard: shard.facet(request))
        return {str(hit.value): hit.count for hit in response.hits}


async def _nothing() -> None:
    """A second close."""


def _create(path: Path, dimensions: int, layout: Layout) -> edge.EdgeShard:
    path.mkdir(parents=True)
    quantization: Any = None
    if layout.quantization is Quantization.INT8:
        quantization = edge.ScalarQuantizationConfig(
            edge.ScalarType.Int8, memory=edge.Memory.Pinned
        )
    elif layout.quantization is Quantization.BINARY:
        quantization = edge.BinaryQuantizationConfig(memory=edge.Memory.Pinned)
    shard = edge.EdgeShard.create(
        str(path),
        edge.EdgeConfig(
            vectors={
                schema.DENSE: edge.EdgeVectorParams(
                    size=dimensions,
                    distance=edge.Distance.Cosine,
                    memory=_memory(on_disk=layout.vectors_on_disk),
                    quantization_config=quantization,
                    hnsw_config=edge.HnswIndexConfig(
                        layout.hnsw_m, layout.ef_construct, _FULL_SCAN
                    ),
                )
            },
            sparse_vectors={schema.SPARSE: edge.EdgeSparseVectorParams(modifier=edge.Modifier.Idf)},
            payload_memory=_memory(on_disk=layout.payload_on_disk),
            optimizers=edge.EdgeOptimizersConfig(
                indexing_threshold=layout.exact_kilobytes(dimensions)
            ),
        ),
    )
    kinds = dict.fromkeys(schema.KEYWORD_FIELDS, edge.PayloadSchemaType.Keyword)
    kinds[schema.VISIBLE_FROM] = edge.PayloadSchemaType.Integer
    for field, kind in kinds.items():
        shard.update(edge.UpdateOperation.create_field_index(field, kind))
    shard.flush()
    return shard


def _memory(*, on_disk: bool) -> edge.Memory:
    return edge.Memory.Cold if on_disk else edge.Memory.Cached


def _point(embedded: EmbeddedChunk) -> edge.Point:
    return edge.Point(
        embedded.chunk.id,
        {
            schema.DENSE: embedded.dense.tolist(),
            schema.SPARSE: edge.SparseVector(
                list(embedded.sparse.indices), list(embedded.sparse.values)
            ),
        },
        schema.to_payload(embedded.chunk),
    )


def _filter(conditions: schema.Conditions) -> edge.Filter:
    must: list[Any] = [
        edge.FieldCondition(field, match=edge.MatchAny(list(values)))
        for field, values in conditions.any_of
    ]
    if conditions.visible_by is not None:
        until = edge.RangeFloat(lte=float(conditions.visible_by))
        must.append(edge.FieldCondition(schema.VISIBLE_FROM, range=until))
    if conditions.written_since is not None:
        since = edge.RangeFloat(gte=float(conditions.written_since))
        must.append(edge.FieldCondition(schema.VISIBLE_FROM, range=since))
    must_not: list[Any] = [
        edge.FieldCondition(field, match=edge.MatchAny(list(values)))
        for field, values in conditions.none_of
    ]
    return edge.Filter(must=must, must_not=must_not)


def _how(layout: Layout, *, exact: bool) -> edge.SearchParams:
    quantized = layout.quantization is not Quantization.NONE
    return edge.SearchParams(
        hnsw_ef=layout.search_ef,
        exact=exact,
        quantization=edge.QuantizationSearchParams(
            ignore=exact, rescore=True, oversampling=layout.oversampling
        )
        if quantized
        else None,
    )


def _scroll(
    shard: edge.EdgeShard, conditions: schema.Conditions, with_payload: bool | list[str]
) -> Iterator[edge.Record]:
    offset = None
    while True:
        records, offset = shard.scroll(
            edge.ScrollRequest(
                offset=offset,
                limit=schema.PAGE,
                filter=_filter(conditions),
                with_payload=with_payload,
                with_vector=False,
            )
        )
        yield from records
        if offset is None:
            return


def _search(shard: edge.EdgeShard, query: HybridQuery, layout: Layout) -> list[Hit]:
    """Both stages, then their fusion.

    The fusion is computed here, by Qdrant's formulas: the engine would search again for the
    prefetches of a fusion, at twice the time.
    """
    scope = schema.within(query.scope)
    idf = edge.SearchParams(idf=edge.IdfParams(_filter(schema.visible_to(query.scope))))
    stages: list[tuple[Any, edge.SearchParams | None]] = []
    if query.dense is not None:
        near = edge.Query.Nearest(query.dense.tolist(), using=schema.DENSE)
        stages.append((near, _how(layout, exact=query.exact)))
    if query.sparse is not None:
        terms = edge.SparseVector(list(query.sparse.indices), list(query.sparse.values))
        stages.append((edge.Query.Nearest(terms, using=schema.SPARSE), idf))
    depth = query.prefetch if len(stages) == 2 else max(query.prefetch, query.limit)
    answers = shard.query_batch(
        edge.QueryBatchRequest(
            [
                edge.QueryRequest(depth, query=stage, filter=_filter(scope), params=params)
                for stage, params in stages
            ]
        )
    )
    lists = [schema.in_order((str(one.id), one.score) for one in answer) for answer in answers]
    ranked = schema.in_order(fused(query, *lists).items()) if len(lists) == 2 else lists[0]
    best = ranked[: query.limit]
    return schema.hits(
        best,
        shard.retrieve(
            [chunk for chunk, _ in best], with_payload=True, with_vector=[schema.SPARSE]
        ),
        dense=lists[0] if query.dense is not None else (),
        sparse=lists[-1] if query.sparse is not None else (),
    )
