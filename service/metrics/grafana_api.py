"""Grafana's HTTP API, as far as it is asked: typed answers, bounded, with errors for a reader.

Shapes were checked against Grafana's own documents (grafana/grafana; the paths are below
``docs/sources/developer-resources/api-reference/http-api/api-legacy`` unless they say more)::

    GET  /api/health                   other.md
    GET  /api/frontend/settings        other.md; ``pkg/api/dtos/frontend_settings.go`` (appUrl),
                                       ``pkg/plugins/models.go`` (DataSourceDTO)
    GET  /api/datasources              data_source.md
    GET  /api/search                   folder_dashboard_search.md; OpenAPI ``Hit``
    GET  /api/dashboards/uid/:uid      ../dashboard.md; OpenAPI ``DashboardFullWithMeta``
    GET  /api/annotations              annotations.md; ``pkg/services/annotations/models.go``
    POST /api/ds/query                 data_source.md; ``pkg/api/metrics.go`` (400 when any query
                                       failed), ``pkg/promlib/models/query.go`` (the query)
    GET, POST /api/folders             folder.md (200; 403; 409 where there is one)
    POST /api/dashboards/db            ../dashboard.md (200; 403; 412 where it is there already)
    GET  /api/prometheus/grafana/api/v1/rules
                                       ``pkg/services/ngalert/api/tooling/definitions/prom.go``

OpenAPI is ``public/api-merged.json``. Since version 13 Grafana calls these routes legacy: they
work, and are to go in a later major version.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any, Literal, TypeVar
from urllib.parse import quote

import httpx
import pydantic_core
from pydantic import TypeAdapter, ValidationError

from ingest.redaction import redact_text
from service.metrics.grafana_frames import Frame
from service.metrics.grafana_models import (
    Dashboard,
    DataSource,
    Folder,
    FrontendSettings,
    Health,
    Hit,
    ManagedRule,
    QueryAnswer,
    RuleAnswer,
    Saved,
)
from service.metrics.http_calls import Fields, HttpCaller, PassingFailure, Reply
from service.metrics.links import grafana_range
from service.metrics.prometheus import Bounds
from service.metrics.source import (
    MetricsUnavailable,
    QueryRejected,
    RangeResult,
    Series,
    Window,
)

T = TypeVar("T")

IF_DENIED = "check WHY_GRAFANA_TOKEN, a service account's token with the role Viewer"
MOST_POINTS = 11_000
"""Prometheus' own limit of steps per query; Grafana widens the step beyond it."""
PAGE = 1000
"""Search hits per request; Grafana allows 5000."""
ANNOTATIONS = 1000
"""Annotations per request; a window that holds more is asked for in halves."""
LONGEST_QUOTE = 200


class AccessDenied(MetricsUnavailable):
    """401 or 403: the token is wrong, or may not do this."""


class NotThere(MetricsUnavailable):
    """404: Grafana has no such thing, or the address is not Grafana's."""


class AlreadyThere(MetricsUnavailable):
    """409 or 412: Grafana has one with this uid or title, and was not told to overwrite it."""


class GrafanaApi:
    """Asks one Grafana with a service account's token.

    ``timeout``: seconds for one call, retries included. ``max_bytes``: of one decoded answer.
    ``transport`` replaces the network. Close it with ``aclose``.

    Every method raises MetricsUnavailable (AccessDenied, NotThere, AlreadyThere), MetricsTimeout or
    QueryRejected. Raises: ValueError for an address or token that can't work.
    """

    def __init__(
        self,
        base_url: str,
        *,
        token: str | None,
        timeout: float,
        max_bytes: int,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._caller = HttpCaller(
            "Grafana",
            base_url,
            token=token,
            timeout=timeout,
            max_bytes=max_bytes,
            transport=transport,
        )
        self.address = self._caller.address
        self.name = self._caller.name

    async def health(self) -> Health:
        """Answers without a token."""
        return await self._get("/api/health", Health, "its health")

    async def settings(self) -> FrontendSettings:
        """Its public address, and the data sources that the token may query."""
        return await self._get("/api/frontend/settings", FrontendSettings, "its settings")

    async def data_sources(self) -> list[DataSource]:
        """All data sources; the role Viewer may not list them, see ``settings``."""
        return await self._get("/api/datasources", list[DataSource], "its data sources")

    async def search(self, query: str = "") -> list[Hit]:
        """All dashboards whose title matches, that the token may see."""
        hits: list[Hit] = []
        while True:
            page = str(len(hits) // PAGE + 1)
            fields = {"type": "dash-db", "query": query, "limit": str(PAGE), "page": page}
            found = await self._get("/api/search", list[Hit], "the list of dashboards", fields)
            hits += found
            if len(found) < PAGE:
                return hits

    async def dashboard(self, uid: str) -> Dashboard:
        path = f"/api/dashboards/uid/{quote(uid, safe='')}"
        return await self._get(path, Dashboard, f"the dashboard {uid}")

    async def folders(self) -> list[Folder]:
        """The folders of the top level that the token may see, the first ``PAGE`` of them."""
        fields = {"limit": str(PAGE)}
        return await self._get("/api/folders", list[Folder], "the list of folders", fields)

    async def create_folder(self, uid: str, title: str) -> Folder:
        """Raises: AlreadyThere, AccessDenied."""
        body = {"uid": uid, "title": title}
        return await self._post("/api/folders", Folder, f"making the folder {title}", body)

    async def create_dashboard(self, model: dict[str, Any], folder: str, message: str) -> Saved:
        """Stores a dashboard, by its uid, in the folder with the uid ``folder``. Never replaces
        one: somebody may have worked on it. ``message`` is for its version history.

        Raises: AlreadyThere, AccessDenied.
        """
        body = {
            "dashboard": {**model, "id": None},
            "folderUid": folder,
            "message": message,
            "overwrite": False,
        }
        what = f"saving the dashboard {model.get('uid')}"
        return await self._post("/api/dashboards/db", Saved, what, body)

    async def annotations(
        self, window: Window, *, kind: Literal["annotation", "alert"], halvings: int = 4
    ) -> list[dict[str, Any]]:
        """Rows of annotations that touch the window: people's and deployments', or alert states.

        Raises: QueryRejected where there are more than can be read in 2**halvings parts.
        """
        what = f"the annotations from {window.start:%F %T} to {window.end:%F %T} UTC"
        fields = {**grafana_range(window), "type": kind, "limit": str(ANNOTATIONS)}
        rows = await self._get("/api/annotations", list[dict[str, Any]], what, fields)
        if len(rows) < ANNOTATIONS:
            return rows
        if not halvings:
            raise QueryRejected(f"{self.name} has {ANNOTATIONS} or more of {what}: too many")
        middle = window.start + window.duration / 2
        found: dict[Any, dict[str, Any]] = {}
        for half in (
            Window(start=window.start, end=middle),
            Window(start=middle, end=window.end),
        ):
            for row in await self.annotations(half, kind=kind, halvings=halvings - 1):
                found.setdefault(row.get("id", id(row)), row)
        return list(found.values())

    async def managed_rules(self) -> list[ManagedRule]:
        """Grafana-managed alert rules with the alerts that are active now."""
        path = "/api/prometheus/grafana/api/v1/rules"
        answer = await self._get(path, RuleAnswer, "the state of its alert rules")
        return [rule for group in answer.data.groups for rule in group.rules or ()]

    async def query(
        self,
        source: DataSource,
        queries: Mapping[str, str],
        window: Window,
        step: timedelta,
        *,
        bounds: Bounds | None = None,
    ) -> dict[str, RangeResult | QueryRejected]:
        """Asks PromQL through ``POST /api/ds/query``: refId → its series, or why it failed.

        One failed query among good ones makes Grafana answer 400; the good ones are here all the
        same. Grafana rounds the window's start and end down to multiples of the step, and widens
        a step that would give more than ``MOST_POINTS``: for exact steps there is the proxy.
        """
        body = {
            **grafana_range(window),
            "queries": [
                {
                    "refId": ref,
                    "datasource": {"uid": source.uid, "type": source.type},
                    "expr": query,
                    "range": True,
                    "format": "time_series",
                    "interval": f"{round(step.total_seconds() * 1000)}ms",
                    "intervalMs": round(step.total_seconds() * 1000),
                    "maxDataPoints": MOST_POINTS,
                }
                for ref, query in queries.items()
            ],
        }
        what = ", ".join(f"{ref}: {_short(query)}" for ref, query in queries.items())

        def understand(reply: Reply) -> dict[str, RangeResult | QueryRejected]:
            if reply.status in (200, 207, 400) and not reply.cut:
                try:
                    answer = QueryAnswer.model_validate_json(reply.body)
                    found = self._results(answer, queries, bounds or Bounds())
                except ValueError:
                    pass
                else:
                    return found
            if reply.cut:
                raise QueryRejected(
                    f"the answer of {self.name} is too large: {what}; ask for a longer step"
                )
            raise self._failure(reply, what)

        return await self._caller.call("POST", "/api/ds/query", understand, what, json=body)

    async def aclose(self) -> None:
        await self._caller.aclose()

    def _results(
        self, answer: QueryAnswer, queries: Mapping[str, str], bounds: Bounds
    ) -> dict[str, RangeResult | QueryRejected]:
        results: dict[str, RangeResult | QueryRejected] = {}
        for ref, query in queries.items():
            result = answer.results.get(ref)
            if result is None:
                results[ref] = QueryRejected(f"{self.name} left out {ref}: {_short(query)}")
            elif result.error or result.status >= 400:
                reason = result.error or f"status {result.status}"
                results[ref] = QueryRejected(f"{self.name} refused {_short(query)}: {reason}")
            else:
                frames = result.frames or []
                series = sorted(
                    (one for frame in frames for one in frame.series()),
                    key=lambda one: sorted(one.labels.items()),
                )
                results[ref] = _bounded(series, frames, bounds)
        return results

    async def _get(self, path: str, shape: type[T], what: str, params: Fields | None = None) -> T:
        return await self._caller.call(
            "GET", path, self._reader(TypeAdapter(shape), what), what, params=params
        )

    async def _post(self, path: str, shape: type[T], what: str, body: object) -> T:
        return await self._caller.call(
            "POST", path, self._reader(TypeAdapter(shape), what), what, json=body
        )

    def _reader(self, shape: TypeAdapter[T], what: str) -> Callable[[Reply], T]:
        def understand(reply: Reply) -> T:
            if reply.status != 200:
                raise self._failure(reply, what)
            if reply.cut:
                raise QueryRejected(f"{self.name} has too much to say about {what}")
            try:
                return shape.validate_json(reply.body)
            except ValidationError as error:
                raise MetricsUnavailable(
                    f"{self.name} did not answer as Grafana does to {what}; check WHY_GRAFANA_URL"
                ) from error

        return understand

    def _failure(self, reply: Reply, what: str) -> Exception:
        """What an unwanted answer means."""
        status = reply.status
        said = _message(reply.body)
        reason = f"HTTP {status}{f' {said}' if said else ''}"
        if status == 429 or status >= 500:
            return PassingFailure(reason)
        if status in (401, 403):
            return AccessDenied(f"{self.name} denies access to {what} ({reason}): {IF_DENIED}")
        if status in (409, 412):
            return AlreadyThere(f"{self.name} refused {what}: {said or reason}")
        if status == 404:
            return NotThere(f"{self.name} has nothing for {what} ({reason}); check WHY_GRAFANA_URL")
        if status in (400, 422) and said:
            return QueryRejected(f"{self.name} refused {what}: {said}")
        hint = (
            "it redirects elsewhere, maybe to a login page"
            if 300 <= status < 400
            else "this is not how Grafana answers"
        )
        return MetricsUnavailable(f"{self.name}: {reason}, {hint}; check WHY_GRAFANA_URL")


def _bounded(series: list[Series], frames: list[Frame], bounds: Bounds) -> RangeResult:
    kept = bounds.kept(series)
    cut = f"only the first {len(kept)} of {len(series)} series are here"
    return RangeResult(
        kept,
        warnings=tuple(dict.fromkeys(text for frame in frames for text in frame.notices)),
        truncated=cut if len(kept) < len(series) else None,
    )


def _message(body: bytes) -> str:
    """What Grafana says about its failure: ``{"message": …}``."""
    try:
        value = pydantic_core.from_json(body)
    except ValueError:
        return ""
    message = value.get("message") if isinstance(value, dict) else None
    return _short(redact_text(message), marks="") if isinstance(message, str) else ""


def _short(text: str, marks: str = "`") -> str:
    shown = text if len(text) <= LONGEST_QUOTE else f"{text[: LONGEST_QUOTE - 1]}…"
    return f"{marks}{shown}{marks}"
