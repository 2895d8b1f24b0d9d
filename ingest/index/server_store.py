"""Generations as collections of a server: ``<alias>-<name>``, the alias is what readers open.

The manifest is the collection's own metadata. Readers and writers may be many processes, but only
one at a time may write: ``publish`` drops every other generation.

A server has to be Qdrant 1.19 or newer, the first that takes term statistics over a filter
(https://qdrant.tech/blog/qdrant-1.19.x/). An older one would overlook that and answer, with scores
moved by what the reader may not see; so a store asks for the version before anything else.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from pydantic import ValidationError
from qdrant_client import models

from ingest.index import schema
from ingest.index.base import Index, IndexFailure, IndexMissing, IndexSpec, IndexUnavailable
from ingest.index.generations import Manifest, is_name, made_for, new_name
from ingest.index.layout import Cluster, Layout, Quantization
from ingest.index.server import Connection, ServerIndex

_METADATA = "why"
_BEGUN = "begun"
_OLDEST = (1, 19)


class ServerStore:
    """``IndexStore`` behind the alias of a server. Closing it closes the connection."""

    def __init__(
        self,
        connection: Connection,
        alias: str,
        *,
        layout: Layout | None = None,
        cluster: Cluster | None = None,
    ) -> None:
        self._layout = layout or Layout()
        self._cluster = cluster or Cluster()
        self._connection = connection
        self._ask = connection.ask
        self._client = connection.client
        self._alias = alias
        self._is_new_enough = False

    async def open_current(self) -> ServerIndex:
        await self._need_version()
        current = await self._current()
        if current is None:
            raise IndexMissing(
                f"{self._connection.place} has no index {self._alias!r} yet: run `why ingest` first"
            )
        return await self._open(current, is_new=False)

    async def open_for_writing(
        self, spec: IndexSpec, average_length: Callable[[], float]
    ) -> ServerIndex:
        await self._need_version()
        current = await self._current()
        if current is not None:
            index = await self._open(current, is_new=False)
            if index.spec == spec:
                await self._drop_older_than(current)
                return index
        for collection in await self._collections():
            if collection != current and made_for(collection.removeprefix(f"{self._alias}-"), spec):
                index = await self._open(collection, is_new=True)
                await self._index_payload(collection)
                return index
        return await self._create(Manifest(spec=spec, average_length=average_length()))

    async def begin(self, spec: IndexSpec, average_length: float) -> ServerIndex:
        await self._need_version()
        return await self._create(Manifest(spec=spec, average_length=average_length))

    async def publish(self, index: Index) -> None:
        if not isinstance(index, ServerIndex):
            raise TypeError("an index of another store can't be published here")
        current = await self._current()
        if current != index.name:
            switch: list[Any] = [
                models.CreateAliasOperation(
                    create_alias=models.CreateAlias(
                        collection_name=index.name, alias_name=self._alias
                    )
                )
            ]
            if current is not None:
                delete = models.DeleteAlias(alias_name=self._alias)
                switch.insert(0, models.DeleteAliasOperation(delete_alias=delete))
            await self._ask(self._client.update_collection_aliases(switch))
        index.mark_published()
        for collection in await self._collections():
            if collection != index.name:
                await self._ask(self._client.delete_collection(collection))

    async def aclose(self) -> None:
        await self._client.close()

    async def _drop_older_than(self, published: str) -> None:
        """What a run that died in ``publish`` left; one begun later may still be finished."""
        others = [name for name in await self._collections() if name != published]
        begun = await self._begun(published) if others else ""
        for collection in others:
            if await self._begun(collection) < begun:
                await self._ask(self._client.delete_collection(collection))

    async def _begun(self, collection: str) -> str:
        """ISO time (UTC); empty for what was made by a version that did not keep it."""
        config = (await self._ask(self._client.get_collection(collection))).config
        return str((config.metadata or {}).get(_BEGUN, ""))

    async def _need_version(self) -> None:
        """Asks once. Raises: IndexUnavailable for a server that is too old."""
        if self._is_new_enough:
            return
        told = (await self._ask(self._client.info())).version
        numbers = re.match(r"(\d+)\.(\d+)", told)
        if numbers is None or (int(numbers[1]), int(numbers[2])) < _OLDEST:
            raise IndexUnavailable(
                f"{self._connection.place} is version {told[:40]!r}, and Why needs Qdrant 1.19 or "
                "newer: an older one scores passages by documents that their reader may not see. "
                "Upgrade the server, one minor version after the other"
            )
        self._is_new_enough = True

    async def _current(self) -> str | None:
        aliases = (await self._ask(self._client.get_aliases())).aliases
        return next((a.collection_name for a in aliases if a.alias_name == self._alias), None)

    async def _collections(self) -> list[str]:
        """The collections that are generations behind this alias, by name."""
        collections = (await self._ask(self._client.get_collections())).collections
        return sorted(c.name for c in collections if self._is_ours(c.name))

    def _is_ours(self, collection: str) -> bool:
        prefix = f"{self._alias}-"
        return collection.startswith(prefix) and is_name(collection.removeprefix(prefix))

    async def _open(self, collection: str, *, is_new: bool) -> ServerIndex:
        config = (await self._ask(self._client.get_collection(collection))).config
        try:
            manifest = Manifest.model_validate((config.metadata or {}).get(_METADATA))
        except ValidationError as error:
            raise IndexFailure(
                f"collection {collection!r} of {self._connection.place} does not say what it was "
                "made with: it was written by another program. Delete the collection and run "
                "`why ingest` again, or choose another name (qdrant_collection)"
            ) from error
        return ServerIndex(
            collection, manifest, self._connection, layout=self._layout, is_new=is_new
        )

    async def _create(self, manifest: Manifest) -> ServerIndex:
        collections = (await self._ask(self._client.get_collections())).collections
        if any(collection.name == self._alias for collection in collections):
            # Told now, because otherwise only publishing would fail, after all the work.
            raise IndexFailure(
                f"{self._connection.place} has a collection {self._alias!r}, which takes the name "
                "that the index is found by: choose another name, or delete that collection"
            )
        collection = f"{self._alias}-{new_name(manifest.spec)}"
        layout, cluster = self._layout, self._cluster
        dimensions = manifest.spec.dimensions
        await self._ask(
            self._client.create_collection(
                collection,
                vectors_config={
                    schema.DENSE: models.VectorParams(
                        size=dimensions,
                        distance=models.Distance.COSINE,
                        on_disk=layout.vectors_on_disk,
                    )
                },
                sparse_vectors_config={
                    schema.SPARSE: models.SparseVectorParams(modifier=models.Modifier.IDF)
                },
                optimizers_config=models.OptimizersConfigDiff(
                    indexing_threshold=layout.exact_kilobytes(dimensions)
                ),
                hnsw_config=models.HnswConfigDiff(
                    m=layout.hnsw_m, ef_construct=layout.ef_construct
                ),
                quantization_config=_quantization(layout),
                on_disk_payload=layout.payload_on_disk,
                shard_number=cluster.shards,
                replication_factor=cluster.replicas,
                write_consistency_factor=cluster.write_consistency,
                metadata={
                    _METADATA: manifest.model_dump(mode="json"),
                    _BEGUN: datetime.now(UTC).isoformat(timespec="microseconds"),
                },
            )
        )
        await self._index_payload(collection)
        return await self._open(collection, is_new=True)

    async def _index_payload(self, collection: str) -> None:
        """Also when resuming: the run that made the collection may have died before this."""
        kinds = dict.fromkeys(schema.KEYWORD_FIELDS, models.PayloadSchemaType.KEYWORD)
        kinds[schema.VISIBLE_FROM] = models.PayloadSchemaType.INTEGER
        for field, kind in kinds.items():
            await self._ask(self._client.create_payload_index(collection, field, kind, wait=True))


def _quantization(layout: Layout) -> models.QuantizationConfig | None:
    match layout.quantization:
        case Quantization.INT8:
            return models.ScalarQuantization(
                scalar=models.ScalarQuantizationConfig(type=models.ScalarType.INT8, always_ram=True)
            )
        case Quantization.BINARY:
            return models.BinaryQuantization(
                binary=models.BinaryQuantizationConfig(always_ram=True)
            )
        case Quantization.NONE:
            return None
