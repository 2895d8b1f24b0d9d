"""Dashboards and alert rules out of a running Grafana, over its HTTP API.

Which shape was checked against which document (grafana/grafana, below ``docs/sources``)::

    GET /api/search?type=dash-db       …/http-api/api-legacy/folder_dashboard_search.md, and
                                       ``Hit`` in public/api-merged.json
    GET /api/dashboards/uid/:uid       …/http-api/dashboard.md, and ``DashboardFullWithMeta``
    GET /api/v1/provisioning/alert-rules
                                       shared/alerts/alerting_provisioning.md
    GET /api/prometheus/grafana/api/v1/rules
                                       pkg/services/ngalert/api/tooling/definitions/prom.go
    GET /api/frontend/settings         …/http-api/api-legacy/other.md
    GET /api/datasources/proxy/uid/:uid/api/v1/rules
                                       …/api-legacy/data_source.md; Prometheus' HTTP API, "Rules"

Every dashboard is fetched by every reading, one request each. Nothing cheaper tells whether one
changed: search hits carry no version, ``…/versions`` asks for the permission to *write*, and
answers have no ETag. What follows is incremental all the same: a dashboard of an unchanged
version reads as the same documents, and the sync neither embeds nor writes those again.

What the token may see is what is read, and the source's ``audience`` may read all of it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import quote

import httpx

from ingest.documents import Document, Problem, ProblemLevel, SourceKind
from ingest.sources.alerts import Rule, rule_document
from ingest.sources.dashboards import Dashboard, find_dashboards, panel_documents
from ingest.sources.grafana_client import GrafanaClient, GrafanaFailure
from ingest.sources.place import Origin

Json = Mapping[str, object]

PAGE = 1000
_MANAGED = "grafana"
"""Where Grafana's own alert rules are from; those of a data source are from its uid."""
_COMPARISONS = {"gt": ">", "lt": "<"}


@dataclass(frozen=True, slots=True, kw_only=True)
class GrafanaPlace(Origin):
    """A Grafana at ``address``; links go to ``base_url``, or there. ``transport`` replaces the
    network."""

    address: str
    token: str | None = None
    transport: httpx.BaseTransport | None = None

    def open(self) -> GrafanaClient:
        """Raises: GrafanaFailure."""
        return GrafanaClient(self.address, self.token, self.transport)

    def linked(self, address: str) -> Origin:
        """This source with a place for its links."""
        return Origin(name=self.name, base_url=self.base_url or address, audience=self.audience)

    def unread(self, failure: GrafanaFailure, affects: str) -> Problem:
        return Problem(path=f"Grafana ({self.name})", reason=str(failure), affects=affects)


class GrafanaDashboards(GrafanaPlace):
    """Every dashboard that the token may see, one document per panel."""

    @property
    def kind(self) -> SourceKind:
        return SourceKind.DASHBOARDS

    def read(self) -> Iterator[Document | Problem]:
        try:
            with self.open() as client:
                source = self.linked(client.address)
                for uid in _dashboard_uids(client):
                    yield from self._dashboard(client, source, uid)
        except GrafanaFailure as failure:
            # What was not listed is not gone.
            yield self.unread(failure, affects="")

    def _dashboard(
        self, client: GrafanaClient, source: Origin, uid: str
    ) -> Iterator[Document | Problem]:
        try:
            answer = client.get(f"/api/dashboards/uid/{quote(uid, safe='')}")
        except GrafanaFailure as failure:
            if failure.passing:
                raise  # it fails for all of them, and each would be tried several times
            if failure.status != 404:  # else it was deleted since the search
                yield self.unread(failure, affects=f"{uid}#")
            return
        for found in find_dashboards(answer, uid):
            if isinstance(found, Dashboard):
                yield from panel_documents(source, found)


class GrafanaAlerts(GrafanaPlace):
    """Grafana-managed alert rules, and the rules of its Prometheus data sources."""

    @property
    def kind(self) -> SourceKind:
        return SourceKind.ALERTS

    def read(self) -> Iterator[Document | Problem]:
        try:
            with self.open() as client:
                source = self.linked(client.address)
                try:
                    managed = list(_managed_rules(client))
                except GrafanaFailure as failure:
                    yield self.unread(failure, affects=f"{_MANAGED}#")
                else:
                    yield from _documents(source, _MANAGED, managed)
                for uid in _prometheus_uids(client):
                    try:
                        rules = list(_data_source_rules(client, uid))
                    except GrafanaFailure as failure:
                        yield self.unread(failure, affects=f"{uid}#")
                    else:
                        yield from _documents(source, uid, rules)
        except GrafanaFailure as failure:
            yield self.unread(failure, affects="")


def _dashboard_uids(client: GrafanaClient) -> list[str]:
    uids: dict[str, None] = {}
    page = 1
    while True:
        params = {"type": "dash-db", "limit": str(PAGE), "page": str(page)}
        hits = client.get("/api/search", params)
        if not isinstance(hits, list):
            raise GrafanaFailure("/api/search gave no list; check the `url` of this source")
        for hit in _objects(hits):
            if uid := _text(hit.get("uid")):
                uids[uid] = None
        if len(hits) < PAGE:
            return sorted(uids)
        page += 1


def _prometheus_uids(client: GrafanaClient) -> list[str]:
    """From the settings of the web page: unlike the list of data sources, a Viewer sees those."""
    settings = client.get("/api/frontend/settings")
    listed = settings.get("datasources") if isinstance(settings, Mapping) else None
    sources = _objects(list(listed.values())) if isinstance(listed, Mapping) else iter(())
    return sorted(
        uid
        for source in sources
        if "prometheus" in (_text(source.get("type")) or "") and (uid := _text(source.get("uid")))
    )


def _managed_rules(client: GrafanaClient) -> Iterator[tuple[Rule, str | None] | Problem]:
    """Rules with their page in Grafana."""
    try:
        listed = client.get("/api/v1/provisioning/alert-rules")
    except GrafanaFailure as failure:
        if failure.status not in (401, 403):
            raise
        # A Viewer may see the rules, though not as what provisions them.
        answer = client.get("/api/prometheus/grafana/api/v1/rules")
        yield from ((rule, _page(fields)) for rule, fields in _prometheus_rules(answer))
        return
    for fields in _objects(listed):
        if fields.get("record"):
            continue
        title, expression = _text(fields.get("title")), _expression(fields)
        if title is None or expression is None:
            yield Problem(
                path=f"alert rule {title or fields.get('uid')}",
                reason="no query in it that can be read",
                level=ProblemLevel.NOTICE,
            )
            continue
        stated: dict[object, object] = {
            "alert": title,
            "expr": expression,
            "for": fields.get("for"),
            "labels": fields.get("labels"),
            "annotations": fields.get("annotations"),
        }
        yield Rule(_text(fields.get("ruleGroup")), stated), _page(fields)


def _data_source_rules(client: GrafanaClient, uid: str) -> Iterator[tuple[Rule, str | None]]:
    path = f"/api/datasources/proxy/uid/{quote(uid, safe='')}/api/v1/rules"
    answer = client.get(path, {"type": "alert"})
    yield from ((rule, None) for rule, _ in _prometheus_rules(answer))


def _prometheus_rules(answer: object) -> Iterator[tuple[Rule, Json]]:
    """Alerting rules in an answer of Prometheus' ``/api/v1/rules``, each as it came."""
    data = answer.get("data") if isinstance(answer, Mapping) else None
    groups = data.get("groups") if isinstance(data, Mapping) else None
    if not isinstance(groups, list):
        raise GrafanaFailure("this is not how Prometheus lists its rules; check the data source")
    for group in _objects(groups):
        for fields in _objects(group.get("rules")):
            name, query = _text(fields.get("name")), _text(fields.get("query"))
            if fields.get("type") != "alerting" or name is None or query is None:
                continue
            stated: dict[object, object] = {
                "alert": name,
                "expr": query,
                "for": _duration(fields.get("duration")),
                "labels": fields.get("labels"),
                "annotations": fields.get("annotations"),
            }
            yield Rule(_text(group.get("name")), stated), fields


def _documents(
    source: Origin, place: str, rules: Sequence[tuple[Rule, str | None] | Problem]
) -> Iterator[Document | Problem]:
    counts: dict[str, int] = {}
    for found in rules:
        if isinstance(found, Problem):
            yield found
            continue
        rule, page = found
        locator = "/".join(part for part in (rule.group, rule.text("alert")) if part)
        counts[locator] = counts.get(locator, 0) + 1
        if counts[locator] > 1:
            locator = f"{locator}/{counts[locator]}"
        yield rule_document(source, rule, f"{place}#{locator}", locator=page)


def _expression(rule: Json) -> str | None:
    """The rule's query, compared as its condition says where that is a plain threshold."""
    queries: list[str] = []
    comparison = ""
    for part in _objects(rule.get("data")):
        model = part.get("model")
        if not isinstance(model, Mapping):
            continue
        if query := _text(model.get("expr")) or _text(model.get("rawSql")):
            queries.append(query)
        if part.get("refId") == rule.get("condition"):
            comparison = _comparison(model)
    if len(queries) == 1 and comparison:
        return f"({queries[0]}) {comparison}"
    return "; ".join(queries) or None


def _comparison(model: Json) -> str:
    conditions = list(_objects(model.get("conditions")))
    evaluator = conditions[0].get("evaluator") if len(conditions) == 1 else None
    if not isinstance(evaluator, Mapping):
        return ""
    sign, params = _COMPARISONS.get(str(evaluator.get("type"))), evaluator.get("params")
    if sign is None or not isinstance(params, list) or not params:
        return ""
    return f"{sign} {params[0]}"


def _page(rule: Json) -> str | None:
    uid = _text(rule.get("uid"))
    return f"alerting/grafana/{uid}/view" if uid else None


def _duration(seconds: object) -> str | None:
    """Seconds as a rule would write them, e.g. ``5m``."""
    if not isinstance(seconds, int | float) or seconds <= 0:
        return None
    whole = int(seconds)
    return f"{whole // 60}m" if whole % 60 == 0 else f"{whole}s"


def _objects(value: object) -> Iterator[Json]:
    if isinstance(value, list):
        yield from (item for item in value if isinstance(item, Mapping))


def _text(value: object) -> str | None:
    return value.strip() or None if isinstance(value, str) else None
