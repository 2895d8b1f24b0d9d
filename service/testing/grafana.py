"""A Grafana to test against: its HTTP API as an ASGI app, with a real Prometheus behind it.

Answers have the shapes that ``service.metrics.grafana_api`` lists with the documents they were
checked against, and ``/api/v1/provisioning/alert-rules`` those of Grafana's "Alerting
provisioning HTTP API". Writing was checked against the bodies, answers and status codes of
Grafana's "Folder HTTP API" (``GET`` and ``POST /api/folders``: 200, 400, 403, 409) and "Dashboard
HTTP API" (``POST /api/dashboards/db``: 200, 400, 403, 412 with a ``status``); the wording of a
failure's ``message`` is not in these documents. It runs in process through
``httpx.ASGITransport`` or under any ASGI server::

    grafana = FakeGrafana(token="…", prometheus_url="http://localhost:9090", dashboards=folder)
    source = GrafanaSource("http://grafana", "…", transport=httpx.ASGITransport(grafana))

What it does not do: users and permissions but the role, folders in folders, writing anything but
folders and dashboards, relative times, any data source but Prometheus.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import parse_qs, unquote

import httpx

from service.testing.grafana_queries import answer_queries

Message = MutableMapping[str, Any]
Row = dict[str, Any]

VERSION = "12.3.0"
DATA_SOURCE = {"uid": "prom-main", "name": "Prometheus", "type": "prometheus", "isDefault": True}

_PROXY = "/api/datasources/proxy/uid/"
_POSTS = ("query", "query_range", "series", "labels", "query_exemplars")
"""What the Prometheus plugin lets a Viewer post."""


class Answer(NamedTuple):
    status: int
    body: bytes
    headers: tuple[tuple[bytes, bytes], ...] = ()


class _Request(NamedTuple):
    method: str
    path: str
    query: bytes
    body: bytes
    headers: dict[str, str]

    def field(self, name: str, default: str = "") -> str:
        return self.fields(name)[0] if self.fields(name) else default

    def fields(self, name: str) -> list[str]:
        return parse_qs(self.query.decode()).get(name, [])


class FakeGrafana:
    """Grafana's API over given dashboards, annotations and rules.

    ``dashboards``: a folder of dashboards as JSON. ``annotations``: a file with the rows of
    ``GET /api/annotations``; more may be put into the attribute. ``viewer``: whether the token
    has the role Viewer, which may not list data sources and may not write. ``prometheus``: how
    Prometheus is reached if not over the network. ``asked`` keeps method and path of every
    request; ``failures`` maps the beginning of a path to answers that are given first.
    """

    def __init__(
        self,
        *,
        token: str,
        prometheus_url: str = "http://prometheus.invalid",
        dashboards: Path | None = None,
        annotations: Path | None = None,
        public_url: str = "https://grafana.example/",
        viewer: bool = False,
        prometheus: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self.token = token
        self.public_url = public_url
        self.viewer = viewer
        self.data_sources: list[Row] = [dict(DATA_SOURCE)]
        self.dashboards: dict[str, Row] = {}
        self.folders: list[Row] = []
        self.annotations: list[Row] = []
        self.alert_rules: list[Row] = []
        self.rule_groups: list[Row] = []
        self.asked: list[tuple[str, str]] = []
        self.failures: dict[str, list[Answer]] = {}
        self._prometheus_url = prometheus_url.rstrip("/")
        self.prometheus = prometheus
        for file in sorted(dashboards.glob("*.json")) if dashboards else ():
            self.save(json.loads(file.read_text(encoding="utf-8")))
        if annotations is not None:
            self.annotations = json.loads(annotations.read_text(encoding="utf-8"))

    def save(self, model: Row, *, updated: str = "2026-11-01T08:00:00Z") -> None:
        """Store a dashboard, as its editor would: its version goes up by one."""
        uid = str(model["uid"])
        before = self.dashboards.get(uid)
        version = (before["meta"]["version"] if before else 0) + 1
        meta = {"type": "db", "url": f"/d/{uid}/x", "version": version, "updated": updated}
        self.dashboards[uid] = {"meta": meta, "dashboard": {**model, "version": version}}

    async def __call__(
        self,
        scope: Message,
        receive: Callable[[], Awaitable[Message]],
        send: Callable[[Message], Awaitable[None]],
    ) -> None:
        """The ASGI app."""
        if scope["type"] == "lifespan":
            await _lifespan(receive, send)
            return
        body = b""
        while True:
            message = await receive()
            body += message.get("body", b"")
            if not message.get("more_body"):
                break
        request = _Request(
            method=scope["method"],
            path=scope["path"],
            query=scope["query_string"],
            body=body,
            headers={key.decode().lower(): value.decode() for key, value in scope["headers"]},
        )
        self.asked.append((request.method, request.path))
        answer = self._failure(request.path) or await self._answer(request)
        headers = [*answer.headers]
        if not any(name == b"content-type" for name, _ in headers):
            headers.append((b"content-type", b"application/json"))
        await send({"type": "http.response.start", "status": answer.status, "headers": headers})
        await send({"type": "http.response.body", "body": answer.body})

    def _failure(self, path: str) -> Answer | None:
        for prefix, answers in self.failures.items():
            if answers and path.startswith(prefix):
                return answers.pop(0)
        return None

    async def _answer(self, request: _Request) -> Answer:
        path = request.path
        if path == "/api/health":
            return as_json({"database": "ok", "version": VERSION, "commit": "0"})
        if request.headers.get("authorization") != f"Bearer {self.token}":
            return message(401, "Invalid API key")
        if path.startswith(_PROXY):
            return await self._proxy(request)
        if (request.method, path) == ("POST", "/api/ds/query"):
            async with self._client() as client:
                status, found = await answer_queries(
                    client, self._prometheus_url, request.body, self._uids()
                )
            return as_json(found, status)
        if request.method == "POST" and path in ("/api/folders", "/api/dashboards/db"):
            return self._write(request)
        if request.method != "GET":
            return message(404, "Not found")
        if path == "/api/datasources" and self.viewer:
            return message(403, "You'll need additional permissions: datasources:read")
        if path.startswith("/api/dashboards/uid/"):
            stored = self.dashboards.get(unquote(path.removeprefix("/api/dashboards/uid/")))
            return as_json(stored) if stored else message(404, "Dashboard not found")
        answers: dict[str, Callable[[_Request], object]] = {
            "/api/datasources": lambda _: self.data_sources,
            "/api/frontend/settings": lambda _: self._settings(),
            "/api/search": self._search,
            "/api/folders": self._folders,
            "/api/annotations": self._annotations,
            "/api/v1/provisioning/alert-rules": lambda _: self.alert_rules,
            "/api/prometheus/grafana/api/v1/rules": lambda _: {
                "status": "success",
                "data": {"groups": self.rule_groups},
            },
        }
        return as_json(answers[path](request)) if path in answers else message(404, "Not found")

    def _write(self, request: _Request) -> Answer:
        if self.viewer:
            return message(403, "You'll need additional permissions to perform this action")
        try:
            body = json.loads(request.body)
        except ValueError:
            return message(400, "bad request data")
        if request.path == "/api/folders":
            return self._create_folder(body)
        return self._create_dashboard(body)

    def _create_folder(self, body: Row) -> Answer:
        title = body.get("title")
        if not title:
            return message(400, "folder title cannot be empty")
        uid = body.get("uid") or f"folder-{len(self.folders) + 1}"
        if any(uid == folder["uid"] for folder in self.folders):
            return message(409, "a folder with the same uid already exists")
        url = f"/dashboards/f/{uid}/x"
        folder = {"id": len(self.folders) + 1, "uid": uid, "title": title, "url": url, "version": 1}
        self.folders.append(folder)
        return as_json(folder)

    def _create_dashboard(self, body: Row) -> Answer:
        model, folder = body.get("dashboard") or {}, body.get("folderUid")
        if not model.get("title"):
            return message(400, "Dashboard title cannot be empty")
        if folder and all(folder != known["uid"] for known in self.folders):
            return message(400, "folder not found")
        uid = model.get("uid") or f"dashboard-{len(self.dashboards) + 1}"
        if uid in self.dashboards and not body.get("overwrite"):
            text = "A dashboard with the same uid already exists"
            return as_json({"message": text, "status": "name-exists"}, 412)
        self.save({**model, "uid": uid})
        stored = self.dashboards[uid]["meta"]
        stored["folderUid"] = folder or ""
        return as_json(
            {
                "id": len(self.dashboards),
                "uid": uid,
                "url": stored["url"],
                "status": "success",
                "version": stored["version"],
                "slug": "x",
            }
        )

    def _folders(self, request: _Request) -> list[Row]:
        limit, page = int(request.field("limit", "1000")), int(request.field("page", "1"))
        known = [{name: row[name] for name in ("id", "uid", "title")} for row in self.folders]
        return known[(page - 1) * limit : page * limit]

    def _settings(self) -> Row:
        default = next((row["name"] for row in self.data_sources if row.get("isDefault")), "")
        return {
            "appUrl": self.public_url,
            "defaultDatasource": default,
            "datasources": {row["name"]: row for row in self.data_sources},
            "buildInfo": {"version": VERSION},
        }

    def _search(self, request: _Request) -> list[Row]:
        limit, page = int(request.field("limit", "1000")), int(request.field("page", "1"))
        words = request.field("query").lower()
        hits = [
            {
                "uid": uid,
                "title": stored["dashboard"].get("title", ""),
                "url": stored["meta"]["url"],
                "type": "dash-db",
                "tags": stored["dashboard"].get("tags") or [],
            }
            for uid, stored in self.dashboards.items()
            if words in str(stored["dashboard"].get("title", "")).lower()
        ]
        hits.sort(key=lambda hit: hit["title"].lower())
        return hits[(page - 1) * limit : page * limit]

    def _annotations(self, request: _Request) -> list[Row]:
        start = int(request.field("from", "0"))
        end = int(request.field("to", str(2**62)))
        tags = set(request.fields("tags"))
        kind = request.field("type")
        found = [
            row
            for row in self.annotations
            if row["time"] <= end
            and (row.get("timeEnd") or row["time"]) >= start
            and tags <= set(row.get("tags") or ())
            and (not kind or (kind == "alert") == bool(row.get("alertId")))
        ]
        found.sort(key=lambda row: (row.get("timeEnd") or row["time"], row["time"]), reverse=True)
        return found[: int(request.field("limit", "100"))]

    async def _proxy(self, request: _Request) -> Answer:
        uid, _, rest = request.path.removeprefix(_PROXY).partition("/")
        if uid not in self._uids():
            return message(404, "Unable to find datasource")
        if request.method == "POST" and rest.removeprefix("api/v1/") not in _POSTS:
            return message(403, "non allow-listed POSTs not allowed on proxied Prometheus")
        kept = {
            name: value
            for name, value in request.headers.items()
            if name in ("content-type", "accept", "accept-encoding")
        }
        url = httpx.URL(f"{self._prometheus_url}/{rest}").copy_with(query=request.query)
        try:
            async with self._client() as client:
                reply = await client.request(
                    request.method, url, content=request.body, headers=kept
                )
        except httpx.TransportError:
            return Answer(502, b"")
        if reply.status_code == 401:
            return Answer(
                400,
                b"Authentication to data source failed",
                ((b"content-type", b"text/plain"),),
            )
        kind = reply.headers.get("content-type", "application/json")
        return Answer(reply.status_code, reply.content, ((b"content-type", kind.encode()),))

    def _uids(self) -> set[str]:
        return {row["uid"] for row in self.data_sources}

    def _client(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(transport=self.prometheus, timeout=30)


def as_json(value: object, status: int = 200) -> Answer:
    """An answer with this value as JSON."""
    return Answer(status, json.dumps(value).encode())


def message(status: int, text: str, headers: Iterable[tuple[bytes, bytes]] = ()) -> Answer:
    """A failure as Grafana tells it."""
    return Answer(status, json.dumps({"message": text}).encode(), tuple(headers))


async def _lifespan(
    receive: Callable[[], Awaitable[Message]], send: Callable[[Message], Awaitable[None]]
) -> None:
    while True:
        event = (await receive())["type"]
        await send({"type": f"{event}.complete"})
        if event == "lifespan.shutdown":
            return
