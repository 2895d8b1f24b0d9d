"""A Qdrant server to test against: the part of its REST API that Why uses.

It follows Qdrant's OpenAPI of 1.20 (https://api.qdrant.tech/api-reference): bodies are read by the
models that qdrant-client generates from it, and a field or parameter that they don't know is
refused, which a real server would overlook. Answers, errors and the API key work as there; ``/``
tells the version without a key. A facet needs an index on its field.

The work is done by qdrant-client's local mode, which compares every vector. Settings of a
collection are kept and told, and do nothing: no graph, no quantisation, no shards and no replicas
are here. What is stored outlives a server that "died", as files do.
"""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from pydantic import TypeAdapter, ValidationError
from pydantic_core import to_jsonable_python
from qdrant_client import AsyncQdrantClient
from qdrant_client.http import models
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

if TYPE_CHECKING:
    from starlette.types import Message, Receive, Scope, Send

_PARAMETERS = frozenset({"wait", "ordering", "timeout", "consistency"})
_POINTS = TypeAdapter[Any](models.PointInsertOperations)
_SELECTOR = TypeAdapter[Any](models.PointsSelector)


@dataclass(frozen=True, slots=True)
class Failing:
    """What goes wrong: from the request on that comes after ``after`` of its kind, with all.

    Of which kind is said by the method and by how the path ends. ``hangs``: no answer comes;
    ``refuses``: an error 503; ``dies``: the connection ends in the middle of an answer. ``done``:
    what the first of them asked for was done all the same.
    """

    how: Literal["hangs", "refuses", "dies"]
    method: str = ""
    path: str = ""
    after: int = 0
    done: bool = False


class _Refused(Exception):
    def __init__(self, status: int, reason: str) -> None:
        self.status = status
        self.reason = reason


class QdrantServer:
    """An ASGI app, for ``on_loopback``.

    ``created`` has the bodies that collections were made with, by name; ``failing`` may be set and
    taken away at any time.
    """

    def __init__(self, *, api_key: str, version: str = "1.20.0") -> None:
        self.created: dict[str, models.CreateCollection] = {}
        self._api_key = api_key
        self._version = version
        self._engine = AsyncQdrantClient(":memory:")
        self._indexed: dict[str, dict[str, models.PayloadSchemaType]] = {}
        self._failing: Failing | None = None
        self._seen = 0
        self._began = False
        self._app = Starlette(routes=self._routes())

    @property
    def failing(self) -> Failing | None:
        return self._failing

    @failing.setter
    def failing(self, failing: Failing | None) -> None:
        self._seen = 0
        self._began = False
        self._failing = failing

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            began = self._began
            if self._fails(scope["method"], scope["path"]):
                if self._failing is not None and self._failing.done and not began:
                    await self._app(scope, receive, _unheard)
                await self._fail(scope, receive, send)
                return
        await self._app(scope, receive, send)

    def _fails(self, method: str, path: str) -> bool:
        failing = self._failing
        if failing is None or self._began:
            return self._began
        if path.endswith(failing.path) and failing.method in ("", method):
            self._seen += 1
        self._began = self._seen > failing.after
        return self._began

    async def _fail(self, scope: Scope, receive: Receive, send: Send) -> None:
        match self._failing.how if self._failing else None:
            case "hangs":
                while (await receive())["type"] != "http.disconnect":
                    pass
            case "dies":  # a connection whose answer was begun and not ended is closed
                headers = [(b"content-length", b"1000")]
                await send({"type": "http.response.start", "status": 200, "headers": headers})
                await send({"type": "http.response.body", "body": b'{"res', "more_body": True})
            case _:
                await _error(503, "Service is not available")(scope, receive, send)

    # -- the API ---------------------------------------------------------------------------

    def _routes(self) -> list[Route]:
        one = "/collections/{name}"
        return [
            Route("/", self._root, methods=["GET"]),
            self._route("GET", "/collections", self._list),
            self._route("GET", "/aliases", self._list_aliases),
            self._route("POST", "/collections/aliases", self._change_aliases),
            self._route("PUT", one, self._create),
            self._route("GET", one, self._describe),
            self._route("DELETE", one, self._drop),
            self._route("PUT", f"{one}/index", self._index),
            self._route("PUT", f"{one}/points", self._upsert),
            self._route("POST", f"{one}/points", self._retrieve),
            self._route("POST", f"{one}/points/delete", self._delete),
            self._route("POST", f"{one}/points/scroll", self._scroll),
            self._route("POST", f"{one}/points/count", self._count),
            self._route("POST", f"{one}/points/query/batch", self._query),
            self._route("POST", f"{one}/facet", self._facet),
        ]

    def _route(
        self, method: str, path: str, do: Callable[[str, bytes], Awaitable[object]]
    ) -> Route:
        async def answer(request: Request) -> Response:
            key = request.headers.get("api-key")
            if key is None:
                return PlainTextResponse("Must provide an API key", status_code=401)
            if not secrets.compare_digest(key.encode(), self._api_key.encode()):
                return PlainTextResponse("Invalid API key or JWT", status_code=401)
            try:
                if unknown := set(request.query_params) - _PARAMETERS:
                    raise _Refused(400, f"unknown parameters: {', '.join(sorted(unknown))}")
                result = await do(request.path_params.get("name", ""), await request.body())
            except _Refused as refused:
                return _error(refused.status, refused.reason)
            except ValidationError as error:
                first = error.errors(include_input=False, include_url=False)[0]
                return _error(400, f"Format error in JSON body: {first['loc']}: {first['msg']}")
            except ValueError as error:
                return _error(400, f"Wrong input: {error}")
            return JSONResponse({"result": to_jsonable_python(result), "status": "ok", "time": 0.0})

        return Route(path, answer, methods=[method])

    async def _root(self, request: Request) -> Response:
        title = "qdrant - vector search engine"
        return JSONResponse({"title": title, "version": self._version})

    async def _list(self, name: str, body: bytes) -> object:
        return await self._engine.get_collections()

    async def _list_aliases(self, name: str, body: bytes) -> object:
        return await self._engine.get_aliases()

    async def _change_aliases(self, name: str, body: bytes) -> object:
        changes = models.ChangeAliasesOperation.model_validate_json(body)
        return await self._engine.update_collection_aliases(changes.actions)

    async def _create(self, name: str, body: bytes) -> object:
        asked = models.CreateCollection.model_validate_json(body)
        if name in self.created:
            raise _Refused(409, f"Wrong input: Collection `{name}` already exists!")
        vectors: Any = asked.vectors
        done = await self._engine.create_collection(
            name,
            vectors_config=vectors,
            sparse_vectors_config=asked.sparse_vectors,
            metadata=asked.metadata,
        )
        self.created[name] = asked
        self._indexed[name] = {}
        return done

    async def _describe(self, name: str, body: bytes) -> object:
        name = await self._named(name)
        asked = self.created[name]
        info = await self._engine.get_collection(name)
        given = asked.model_dump(exclude_none=True)
        params = {key: given[key] for key in models.CollectionParams.model_fields if key in given}
        told: dict[str, Any] = to_jsonable_python(info)
        told["config"]["params"] |= to_jsonable_python(params)
        told["config"]["hnsw_config"] |= given.get("hnsw_config", {})
        told["config"]["optimizer_config"] |= given.get("optimizers_config", {})
        told["config"]["quantization_config"] = to_jsonable_python(given.get("quantization_config"))
        told["payload_schema"] = {
            field: {"data_type": kind.value, "points": info.points_count}
            for field, kind in self._indexed[name].items()
        }
        return told

    async def _drop(self, name: str, body: bytes) -> object:
        if name not in self.created:
            return False
        del self.created[name], self._indexed[name]
        return await self._engine.delete_collection(name)

    async def _index(self, name: str, body: bytes) -> object:
        name = await self._named(name)
        asked = models.CreateFieldIndex.model_validate_json(body)
        if not isinstance(asked.field_schema, models.PayloadSchemaType):
            raise _Refused(400, "this stand-in knows an index by its type alone")
        self._indexed[name][asked.field_name] = asked.field_schema
        return _COMPLETED

    async def _upsert(self, name: str, body: bytes) -> object:
        name = await self._named(name)
        points = _POINTS.validate_json(body)
        if not isinstance(points, models.PointsList):
            raise _Refused(400, "this stand-in takes points as a list")
        return await self._engine.upsert(name, points.points)

    async def _retrieve(self, name: str, body: bytes) -> object:
        name = await self._named(name)
        asked = models.PointRequest.model_validate_json(body)
        payload: Any = True if asked.with_payload is None else asked.with_payload
        vectors: Any = asked.with_vector or False
        return await self._engine.retrieve(name, asked.ids, payload, vectors)

    async def _delete(self, name: str, body: bytes) -> object:
        name = await self._named(name)
        return await self._engine.delete(name, _SELECTOR.validate_json(body))

    async def _scroll(self, name: str, body: bytes) -> object:
        name = await self._named(name)
        asked = models.ScrollRequest.model_validate_json(body)
        payload: Any = True if asked.with_payload is None else asked.with_payload
        vectors: Any = asked.with_vector or False
        points, rest = await self._engine.scroll(
            name,
            scroll_filter=asked.filter,
            limit=asked.limit or 10,
            offset=asked.offset,
            with_payload=payload,
            with_vectors=vectors,
        )
        return {"points": points, "next_page_offset": rest}

    async def _count(self, name: str, body: bytes) -> object:
        name = await self._named(name)
        asked = models.CountRequest.model_validate_json(body)
        return await self._engine.count(name, count_filter=asked.filter)

    async def _query(self, name: str, body: bytes) -> object:
        name = await self._named(name)
        asked = models.QueryRequestBatch.model_validate_json(body)
        return await self._engine.query_batch_points(name, asked.searches)

    async def _facet(self, name: str, body: bytes) -> object:
        name = await self._named(name)
        asked = models.FacetRequest.model_validate_json(body)
        if self._indexed[name].get(asked.key) is not models.PayloadSchemaType.KEYWORD:
            raise _Refused(
                400, f"Bad request: Index required but not found for {asked.key!r} (keyword)"
            )
        return await self._engine.facet(
            name, asked.key, facet_filter=asked.filter, limit=asked.limit or 10
        )

    async def _named(self, name: str) -> str:
        """The collection of this name or alias. Raises: _Refused."""
        aliases = (await self._engine.get_aliases()).aliases
        name = next((a.collection_name for a in aliases if a.alias_name == name), name)
        if name not in self.created:
            raise _Refused(404, f"Not found: Collection `{name}` doesn't exist!")
        return name


_COMPLETED = {"operation_id": 0, "status": "completed"}


async def _unheard(message: Message) -> None:
    """What would have been the answer."""


def _error(status: int, reason: str) -> Response:
    return JSONResponse({"status": {"error": reason}, "time": 0.0}, status_code=status)
