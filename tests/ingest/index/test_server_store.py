"""What only a server has to show: other people's collections, and ones that vanish."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from qdrant_client import AsyncQdrantClient, models

from ingest.index import Cluster, IndexFailure, Layout, Quantization
from ingest.index.server import Connection
from ingest.index.server_store import ServerStore
from tests.ingest.index.builders import SPEC, chunk, embedded

pytestmark = pytest.mark.filterwarnings("ignore:Payload indexes have no effect in the local")

VECTORS = {"dense": models.VectorParams(size=4, distance=models.Distance.COSINE)}


def test_publishing_drops_older_generations_and_nothing_else() -> None:
    generation = f"{SPEC.digest}-00000000"
    others = {f"why-test-{generation}", generation, "why-notes", f"ywhy-{generation}"}

    async def main() -> None:
        client = AsyncQdrantClient(":memory:")
        for name in {*others, f"why-{'0' * 12}-00000000"}:
            await client.create_collection(name, vectors_config=VECTORS)
        store = ServerStore(Connection(client, timeout=10), "why")
        index = await store.open_for_writing(SPEC, lambda: 1.0)
        await index.upsert([embedded(chunk())])
        await store.publish(index)
        left = {collection.name for collection in (await client.get_collections()).collections}
        assert left == {*others, index.name}
        await store.aclose()

    asyncio.run(main())


def test_a_collection_with_the_name_of_the_index_is_reported_before_anything_is_written() -> None:
    async def main() -> None:
        client = AsyncQdrantClient(":memory:")
        await client.create_collection("why", vectors_config=VECTORS)
        store = ServerStore(Connection(client, timeout=10), "why")
        with pytest.raises(IndexFailure, match=r"has a collection 'why'.*choose another name"):
            await store.open_for_writing(SPEC, lambda: 1.0)
        assert len((await client.get_collections()).collections) == 1
        await store.aclose()

    asyncio.run(main())


def test_a_collection_that_does_not_say_what_it_is_is_reported() -> None:
    async def main() -> None:
        client = AsyncQdrantClient(":memory:")
        await client.create_collection("notes", vectors_config=VECTORS)
        alias = models.CreateAlias(collection_name="notes", alias_name="why")
        await client.update_collection_aliases([models.CreateAliasOperation(create_alias=alias)])
        store = ServerStore(Connection(client, timeout=10), "why")
        for opening in (store.open_current(), store.open_for_writing(SPEC, lambda: 1.0)):
            with pytest.raises(IndexFailure, match="'notes' of the Qdrant server does not say"):
                await opening
        await store.aclose()

    asyncio.run(main())


def test_a_collection_is_created_as_the_settings_say(monkeypatch: pytest.MonkeyPatch) -> None:
    """Against the model that qdrant-client generates from Qdrant's published OpenAPI."""
    asked: list[dict[str, Any]] = []

    async def main() -> None:
        client = AsyncQdrantClient(":memory:")
        create = client.create_collection

        async def recorded(name: str, **body: Any) -> bool:
            asked.append(body)
            return await create(name, **body)

        monkeypatch.setattr(client, "create_collection", recorded)
        layout = Layout(hnsw_m=32, quantization=Quantization.INT8, vectors_on_disk=True)
        store = ServerStore(
            Connection(client, timeout=10),
            "why",
            layout=layout,
            cluster=Cluster(shards=6, replicas=2, write_consistency=2),
        )
        index = await store.open_for_writing(SPEC, lambda: 1.0)
        await index.upsert([embedded(chunk())])
        vectors = await index.vectors_of([chunk().id, chunk("runbooks/none").id])
        assert list(vectors) == [chunk().id]
        await store.aclose()

    asyncio.run(main())
    [body] = asked
    names = {"vectors_config": "vectors", "sparse_vectors_config": "sparse_vectors"}
    request = models.CreateCollection(**{names.get(key, key): body[key] for key in body})
    assert (request.shard_number, request.replication_factor) == (6, 2)
    assert request.write_consistency_factor == 2
    assert request.hnsw_config is not None
    assert request.hnsw_config.m == 32
    assert isinstance(request.quantization_config, models.ScalarQuantization)
    assert isinstance(request.vectors, dict)
    assert request.vectors["dense"].on_disk
