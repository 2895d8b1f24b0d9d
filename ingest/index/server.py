"""One generation as a collection of a Qdrant server or cluster (``qdrant_client``, async).

Errors name the server as ``scheme://host:port`` and never show an API key or a password, also
not as the cause of the exception: those of the HTTP client carry the request.
"""

from __future__ import annotations

import asyncio
import json
import math
import ssl
import warnings
from collections.abc import AsyncIterator, Awaitable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import unquote, urlsplit

import httpx
import numpy as np
from numpy.typing import NDArray
from qdrant_client import AsyncQdrantClient, models
from qdrant_client.common.client_exceptions import QdrantException
from qdrant_client.http.exceptions import (
    ApiException,
    ResponseHandlingException,
    UnexpectedResponse,
)

from ingest.documents import Chunk
from ingest.index import schema
from ingest.index.base import (
    EmbeddedChunk,
    FusionMethod,
    Hit,
    HybridQuery,
    IndexMissing,
    IndexUnavailable,
    Scope,
    StoredDocument,
)
from ingest.index.generations import Generation, Manifest
from ingest.index.layout import Layout, Quantization
from ingest.redaction import without_known

T = TypeVar("T")


class Connection:
    """A client with a time limit (seconds, per request) and errors for the reader."""

    def __init__(
        self,
        client: AsyncQdrantClient,
        *,
        timeout: float,
        place: str = "the Qdrant server",
        secrets: Sequence[str] = (),
    ) -> None:
        self.client = client
        self._secrets = secrets
        self.place = place
        self._timeout = timeout

    @classmethod
    def to(
        cls, url: str, *, api_key: str | None, timeout: float, ca_file: Path | None = None
    ) -> Connection:
        """A connection to ``url``, of which user and password go into a header of their own.

        ``ca_file`` holds the certificates (PEM) that alone are trusted, instead of the system's.
        Raises: IndexUnavailable where this is no URL, or the file can't be used.
        """
        try:
            parts = urlsplit(url)
            host, port = parts.hostname, parts.port
        except ValueError:
            host, port = None, None
        if host is None or parts.scheme not in ("http", "https"):
            raise IndexUnavailable("QDRANT_URL is not a URL like http://localhost:6333")
        network = f"[{host}]" if ":" in host else host
        place = f"{parts.scheme}://{network}:{port or 6333}"
        extra: dict[str, Any] = {}
        if parts.username is not None:
            extra["auth"] = httpx.BasicAuth(unquote(parts.username), unquote(parts.password or ""))
        if ca_file is not None:
            extra["verify"] = _trusting(ca_file)
        with warnings.catch_warnings():
            # Plain HTTP inside a cluster is the operator's choice; not news at every start.
            warnings.filterwarnings("ignore", message="Api key is used with an insecure connection")
            client = AsyncQdrantClient(
                url=f"{place}{parts.path}".rstrip("/"),
                api_key=api_key,
                timeout=math.ceil(timeout),
                check_compatibility=False,  # it would ask the server right here, blocking
                **extra,
            )
        secrets = (api_key or "", unquote(parts.password or ""))
        return cls(client, timeout=timeout, place=f"Qdrant at {place}", secrets=secrets)

    async def ask(self, request: Awaitable[T]) -> T:
        """The server's answer. Raises IndexUnavailable, or IndexMissing for what is not there."""
        try:
            async with asyncio.timeout(self._timeout):
                return await request
        except TimeoutError:
            failure = self._too_slow()
        except ResponseHandlingException as error:
            source = error.source
            if isinstance(source, httpx.TimeoutException):
                failure = self._too_slow()
            elif _untrusted(source):
                failure = IndexUnavailable(
                    f"{self.place} shows a certificate that is not trusted: name the file of the "
                    "authority that signed it in WHY_QDRANT_CA_FILE"
                )
            elif isinstance(source, httpx.HTTPError):
                failure = IndexUnavailable(
                    f"{self.place} does not answer ({type(source).__name__}): check QDRANT_URL "
                    "and that the server runs"
                )
            else:
                failure = self._not_qdrant()
        except json.JSONDecodeError:
            failure = self._not_qdrant()
        except UnexpectedResponse as error:
            if error.status_code == 404:
                raise IndexMissing(
                    f"{self.place} does not have this index (any more): open it again, or run "
                    "`why ingest`"
                ) from None
            failure = self._refused(error)
        except (ApiException, QdrantException) as error:
            failure = IndexUnavailable(f"{self.place} failed ({type(error).__name__})")
        raise failure from None

    def _too_slow(self) -> IndexUnavailable:
        return IndexUnavailable(f"{self.place} did not answer within {self._timeout:g} s")

    def _not_qdrant(self) -> IndexUnavailable:
        return IndexUnavailable(
            f"{self.place} gave an answer that is not Qdrant's: check QDRANT_URL"
        )

    def _refused(self, error: UnexpectedResponse) -> IndexUnavailable:
        if error.status_code in (401, 403):
            return IndexUnavailable(
                f"{self.place} refuses access (HTTP {error.status_code}): check QDRANT_API_KEY"
            )
        try:
            said = str(json.loads(error.content)["status"]["error"])[:3_000]
            reason = without_known(said, self._secrets)[:300]
        except (ValueError, KeyError, TypeError):
            reason = "no reason given"
        return IndexUnavailable(f"{self.place} answered HTTP {error.status_code}: {reason}")


def _trusting(ca_file: Path) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=str(ca_file))
    except OSError as error:  # also what ssl raises for a file that holds no certificate
        raise IndexUnavailable(
            f"qdrant_ca_file: no certificates can be read from {ca_file} ({error})"
        ) from None


def _untrusted(error: BaseException | None) -> bool:
    """Whether a certificate that was not trusted is what began this."""
    while error is not None:
        if isinstance(error, ssl.SSLCertVerificationError):
            return True
        error = error.__cause__ or error.__context__
    return False


class ServerIndex(Generation):
    """``Index`` over a collection. The connection belongs to the store."""

    def __init__(
        self,
        collection: str,
        manifest: Manifest,
        connection: Connection,
        *,
        layout: Layout,
        is_new: bool,
    ) -> None:
        super().__init__(collection, manifest, is_new=is_new)
        self._ask = connection.ask
        self._client = connection.client
        self._layout = layout

    async def upsert(self, chunks: Sequence[EmbeddedChunk]) -> None:
        if chunks:
            points = [_point(chunk) for chunk in chunks]
            await self._ask(self._client.upsert(self.name, points, wait=True))

    async def keep_only(self, source: str, revisions: Mapping[str, str]) -> int:
        stale = [
            record.id
            async for record in self._scroll(schema.of_source(source), ["document_id", "revision"])
            if (fields := record.payload or {})
            and revisions.get(fields["document_id"]) != fields["revision"]
        ]
        for start in range(0, len(stale), schema.PAGE):
            batch = models.PointIdsList(points=stale[start : start + schema.PAGE])
            await self._ask(self._client.delete(self.name, batch, wait=True))
        return len(stale)

    async def inventory(self, source: str) -> list[StoredDocument]:
        records = self._scroll(schema.of_source(source), schema.INVENTORY_FIELDS)
        return schema.stored_documents([record.payload async for record in records])

    async def sources(self) -> list[str]:
        return sorted(await self._facet("source", schema.Conditions()))

    async def search(self, query: HybridQuery) -> list[Hit]:
        requests = _requests(query, self._layout)
        answers = await self._ask(self._client.query_batch_points(self.name, requests))
        lists = [[(str(point.id), point.score) for point in answer.points] for answer in answers]
        best = schema.in_order(lists[-1])[: query.limit]
        records = await self._ask(
            self._client.retrieve(
                self.name,
                [chunk for chunk, _ in best],
                with_payload=True,
                with_vectors=[schema.SPARSE],
            )
        )
        return schema.hits(
            best,
            records,
            dense=lists[0] if query.dense is not None else (),
            sparse=lists[0 if query.dense is None else 1] if query.sparse is not None else (),
        )

    async def chunks_of(self, document_ids: Iterable[str] | None, scope: Scope) -> list[Chunk]:
        records = self._scroll(schema.within(scope, document_ids), True)
        chunks = [schema.from_payload(record.payload) async for record in records]
        return sorted(chunks, key=lambda chunk: (chunk.document_id, chunk.ordinal, chunk.id))

    async def page(self, after: str | None) -> tuple[list[EmbeddedChunk], str | None]:
        records, rest = await self._ask(
            self._client.scroll(
                self.name,
                limit=schema.PAGE,
                offset=after,
                with_payload=True,
                with_vectors=True,
            )
        )
        return [
            schema.embedded(one.payload, one.vector) for one in records
        ], None if rest is None else str(rest)

    async def values(self, field: str, scope: Scope) -> dict[str, int]:
        return await self._facet(schema.counted(field), schema.within(scope))

    async def vectors_of(self, chunk_ids: Sequence[str]) -> dict[str, NDArray[np.float32]]:
        records = await self._ask(
            self._client.retrieve(
                self.name, list(chunk_ids), with_payload=False, with_vectors=[schema.DENSE]
            )
        )
        return schema.dense_vectors((record.id, record.vector) for record in records)

    async def count(self) -> int:
        return (await self._ask(self._client.count(self.name, exact=True))).count

    async def optimize(self) -> None:
        """Nothing to do: a server optimizes by itself, beside its work."""

    async def aclose(self) -> None:
        """Nothing to do: the store closes the connection."""

    async def _facet(self, field: str, conditions: schema.Conditions) -> dict[str, int]:
        response = await self._ask(
            self._client.facet(
                self.name,
                field,
                facet_filter=_filter(conditions),
                limit=schema.MOST_VALUES,
                exact=True,
            )
        )
        return {str(hit.value): hit.count for hit in response.hits}

    async def _scroll(
        self, conditions: schema.Conditions, with_payload: bool | list[str]
    ) -> AsyncIterator[models.Record]:
        offset: Any = None
        while True:
            records, offset = await self._ask(
                self._client.scroll(
                    self.name,
                    scroll_filter=_filter(conditions),
                    limit=schema.PAGE,
                    offset=offset,
                    with_payload=with_payload,
                )
            )
            for record in records:
                yield record
            if offset is None:
                return


def _point(embedded: EmbeddedChunk) -> models.PointStruct:
    return models.PointStruct(
        id=embedded.chunk.id,
        vector={
            schema.DENSE: embedded.dense.tolist(),
            schema.SPARSE: models.SparseVector(
                indices=list(embedded.sparse.indices), values=list(embedded.sparse.values)
            ),
        },
        payload=schema.to_payload(embedded.chunk),
    )


def _filter(conditions: schema.Conditions) -> models.Filter:
    must: list[Any] = [
        models.FieldCondition(key=field, match=models.MatchAny(any=list(values)))
        for field, values in conditions.any_of
    ]
    if conditions.visible_by is not None:
        until = models.Range(lte=float(conditions.visible_by))
        must.append(models.FieldCondition(key=schema.VISIBLE_FROM, range=until))
    if conditions.written_since is not None:
        since = models.Range(gte=float(conditions.written_since))
        must.append(models.FieldCondition(key=schema.VISIBLE_FROM, range=since))
    must_not: list[Any] = [
        models.FieldCondition(key=field, match=models.MatchAny(any=list(values)))
        for field, values in conditions.none_of
    ]
    return models.Filter(must=must, must_not=must_not)


def _how(layout: Layout, *, exact: bool) -> models.SearchParams:
    quantized = layout.quantization is not Quantization.NONE
    return models.SearchParams(
        hnsw_ef=layout.search_ef,
        exact=exact,
        quantization=models.QuantizationSearchParams(
            ignore=exact, rescore=True, oversampling=layout.oversampling
        )
        if quantized
        else None,
    )


def _requests(query: HybridQuery, layout: Layout) -> list[models.QueryRequest]:
    """The stages that have a vector (dense, sparse) and, where both have, their fusion."""
    scope = _filter(schema.within(query.scope))
    visible = models.IdfCorpusParams(corpus=_filter(schema.visible_to(query.scope)))
    stages: list[tuple[str, Any, models.SearchParams | None]] = []
    if query.dense is not None:
        stages.append((schema.DENSE, query.dense.tolist(), _how(layout, exact=query.exact)))
    if query.sparse is not None:
        terms = models.SparseVector(
            indices=list(query.sparse.indices), values=list(query.sparse.values)
        )
        stages.append((schema.SPARSE, terms, models.SearchParams(idf=visible)))
    depth = query.prefetch if len(stages) == 2 else max(query.prefetch, query.limit)
    requests = [
        models.QueryRequest(query=vector, using=using, filter=scope, params=params, limit=depth)
        for using, vector, params in stages
    ]
    if len(stages) == 2:
        fusion = (
            models.RrfQuery(
                rrf=models.Rrf(k=schema.qdrant_rrf_k(query), weights=list(query.weights))
            )
            if query.fusion is FusionMethod.RRF
            else models.FusionQuery(fusion=models.Fusion.DBSF)
        )
        prefetches = [
            models.Prefetch(query=vector, using=using, filter=scope, params=params, limit=depth)
            for using, vector, params in stages
        ]
        requests.append(models.QueryRequest(prefetch=prefetches, query=fusion, limit=2 * depth))
    return requests
