"""What only a server has to show: other people's collections, and ones that vanish."""

from __future__ import annotations

import asyncio
import traceback
from typing import Any

import httpx
import pytest
from qdrant_client import AsyncQdrantClient, models

from ingest.index import (
    Cluster,
    IndexFailure,
    IndexStore,
    IndexUnavailable,
    Layout,
    Quantization,
    schema,
)
from ingest.index.server import Connection
from ingest.index.server_store import ServerStore
from tests.ingest.index.builders import SPEC, chunk, embedded
from tests.qdrant import API_KEY, Qdrant

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


def created(qdrant: Qdrant, **settings: Any) -> tuple[models.CreateCollection, dict[str, Any]]:
    """What the server was asked to make, and what it tells of it."""

    async def main() -> str:
        store = qdrant.store(**settings)
        index = await store.open_for_writing(SPEC, lambda: 1.0)
        await index.upsert([embedded(chunk())])
        await store.aclose()
        return index.name

    name = asyncio.run(main())
    told = httpx.get(
        f"{qdrant.url}/collections/{name}",
        headers={"api-key": API_KEY},
        verify=qdrant.trust(),
    )
    return qdrant.server.created[name], told.json()["result"]


def test_a_collection_is_created_as_the_settings_say(qdrant: Qdrant) -> None:
    layout = Layout(
        hnsw_m=32,
        ef_construct=200,
        exact_up_to=1024,
        quantization=Quantization.INT8,
        vectors_on_disk=True,
        payload_on_disk=False,
    )
    cluster = Cluster(shards=6, replicas=2, write_consistency=2)
    asked, told = created(qdrant, layout=layout, cluster=cluster)
    assert (asked.shard_number, asked.replication_factor) == (6, 2)
    assert asked.write_consistency_factor == 2
    params = told["config"]["params"]
    assert (params["shard_number"], params["replication_factor"]) == (6, 2)
    assert (params["write_consistency_factor"], params["on_disk_payload"]) == (2, False)
    assert params["vectors"]["dense"]["on_disk"] is True
    assert params["vectors"]["dense"]["size"] == SPEC.dimensions
    assert params["sparse_vectors"]["sparse"]["modifier"] == "idf"
    graph = told["config"]["hnsw_config"]
    assert (graph["m"], graph["ef_construct"]) == (32, 200)
    assert told["config"]["optimizer_config"]["indexing_threshold"] == 1024 * 8 * 4 // 1024
    int8 = {"type": "int8", "always_ram": True}
    assert told["config"]["quantization_config"] == {"scalar": int8}
    kinds = {field: index["data_type"] for field, index in told["payload_schema"].items()}
    assert kinds == dict.fromkeys(schema.KEYWORD_FIELDS, "keyword") | {"visible_from": "integer"}


def test_what_is_not_set_is_left_to_the_server(qdrant: Qdrant) -> None:
    asked, _ = created(qdrant)
    assert asked.shard_number is None
    assert asked.replication_factor is None
    assert asked.write_consistency_factor is None
    assert asked.quantization_config is None
    binary, _ = created(qdrant, layout=Layout(quantization=Quantization.BINARY))
    assert isinstance(binary.quantization_config, models.BinaryQuantization)


def opening(store: IndexStore) -> str:
    """What the reader is told who opens it."""

    async def main() -> None:
        try:
            await store.open_current()
        finally:
            await store.aclose()

    with pytest.raises(IndexUnavailable) as caught:
        asyncio.run(main())
    shown = "".join(traceback.format_exception(caught.value))
    assert API_KEY not in shown
    return str(caught.value)


def test_a_certificate_that_nobody_vouches_for_names_the_setting(qdrant: Qdrant) -> None:
    told = opening(qdrant.store(ca_file=None))
    assert told.startswith(f"Qdrant at {qdrant.url} shows a certificate that is not trusted")
    assert "WHY_QDRANT_CA_FILE" in told


def test_a_wrong_key_and_none_name_the_setting_and_no_key(qdrant: Qdrant) -> None:
    for key in (f"{API_KEY}-of-yesterday", None):
        told = opening(qdrant.store(api_key=key))
        assert told == f"Qdrant at {qdrant.url} refuses access (HTTP 401): check QDRANT_API_KEY"


def test_plain_http_to_a_server_with_tls_is_reported(qdrant: Qdrant) -> None:
    told = opening(qdrant.store(url=qdrant.url.replace("https", "http"), ca_file=None))
    assert "check QDRANT_URL" in told
