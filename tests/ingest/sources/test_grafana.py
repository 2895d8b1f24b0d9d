"""Dashboards and alert rules out of a Grafana's API."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from ingest.documents import AlertRuleFacts, Document, PanelFacts, Problem, ProblemLevel, SourceKind
from ingest.index.base import StoredDocument
from ingest.planning import SourcePlan, plan_source
from ingest.sources import open_source
from ingest.sources.grafana import GrafanaAlerts, GrafanaDashboards
from service.assembly import sources_of
from service.settings import SettingsError, load_settings
from service.testing import FakeGrafana
from service.testing.grafana import message

SAMPLES = Path(__file__).parents[3] / "data" / "dashboards"
TOKEN = "glsa_made_up"  # noqa: S105
Found = tuple[list[Document], list[Problem]]


class InProcess(httpx.BaseTransport):
    """Calls an ASGI app from a synchronous client."""

    def __init__(self, app: FakeGrafana) -> None:
        self._app = app

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        async def call() -> httpx.Response:
            transport = httpx.ASGITransport(self._app)
            reply = await transport.handle_async_request(
                httpx.Request(request.method, request.url, headers=request.headers)
            )
            return httpx.Response(
                reply.status_code, headers=reply.headers, content=await reply.aread()
            )

        return asyncio.run(call())


def read(kind: type[GrafanaDashboards | GrafanaAlerts], fake: FakeGrafana, **options: Any) -> Found:
    given = {"address": "http://u:pa55@grafana", "token": TOKEN, **options}
    source = kind(name="grafana", transport=InProcess(fake), **given)
    found = list(source.read())
    documents = [item for item in found if isinstance(item, Document)]
    assert len({document.id for document in documents}) == len(documents)
    return documents, [item for item in found if isinstance(item, Problem)]


def planned(before: Found, after: Found) -> SourcePlan:
    """What a sync does after two readings."""
    stored = [
        StoredDocument(
            document_id=document.id,
            revision=document.revision,
            origin=document.origin,
            stored=1,
            expected=1,
        )
        for document in before[0]
    ]
    return plan_source(after[0], after[1], stored)


def board(uid: str, *queries: str) -> dict[str, Any]:
    panels = [
        {"id": n, "title": f"p{n}", "targets": [{"expr": query}]}
        for n, query in enumerate(queries, 1)
    ]
    return {"uid": uid, "title": f"Board {uid}", "panels": panels}


def grafana(*boards: dict[str, Any], **options: Any) -> FakeGrafana:
    fake = FakeGrafana(token=TOKEN, **options)
    for model in boards:
        fake.save(model)
    return fake


def test_every_panel_is_a_document_as_it_is_from_a_file() -> None:
    from_api, problems = read(GrafanaDashboards, grafana(dashboards=SAMPLES))
    from_files = open_source(SourceKind.DASHBOARDS, name="grafana", path=SAMPLES).read()
    assert problems == []
    assert len(from_api) > 20
    assert {document.id: document.text for document in from_api} == {
        document.id: document.text for document in from_files if isinstance(document, Document)
    }


def test_a_panel_links_to_grafana_and_knows_when_it_was_saved() -> None:
    fake = grafana(board("shop", 'up{service="checkout"}'))
    (document,), _ = read(GrafanaDashboards, fake)
    assert document.url == "http://grafana/d/shop?viewPanel=1"
    assert document.written_at is not None
    assert document.written_at.isoformat() == "2026-11-01T08:00:00+00:00"
    assert isinstance(document.facts, PanelFacts)
    assert document.facts.dashboard_uid == "shop"
    (document,), _ = read(GrafanaDashboards, fake, base_url="https://grafana.example")
    assert document.url == "https://grafana.example/d/shop?viewPanel=1"


def test_more_dashboards_than_one_page_are_all_read() -> None:
    documents, _ = read(GrafanaDashboards, grafana(*(board(f"d{n}", "up") for n in range(1001))))
    assert len(documents) == 1001


def test_only_the_dashboard_of_a_new_version_is_written_again() -> None:
    fake = grafana(board("a", "up"), board("b", "up"), board("c", "up"))
    before = read(GrafanaDashboards, fake)
    fake.save(board("b", "up == 0"), updated="2026-11-02T08:00:00Z")
    del fake.dashboards["c"]
    plan = planned(before, read(GrafanaDashboards, fake))
    assert plan.changed == ("grafana/b/1",)
    assert plan.unchanged == ("grafana/a/1",)
    assert plan.removed == ("grafana/c/1",)


@pytest.mark.parametrize("path", ["/api/search", "/api/dashboards/uid/b"])
@pytest.mark.parametrize("status", [503, 429])
def test_while_grafana_fails_nothing_is_lost(path: str, status: int) -> None:
    fake = grafana(board("a", "up"), board("b", "up"), board("c", "up"))
    before = read(GrafanaDashboards, fake)
    fake.failures[path] = [message(status, "busy")] * 4
    after = read(GrafanaDashboards, fake)
    assert len(after[0]) < 3
    assert planned(before, after).removed == ()
    assert [problem.level for problem in after[1]] == [ProblemLevel.ERROR]
    assert f"HTTP {status}" in after[1][0].reason


def test_a_passing_failure_is_tried_again() -> None:
    fake = grafana(board("a", "up"))
    fake.failures["/api/"] = [message(503, "busy")]
    documents, problems = read(GrafanaDashboards, fake)
    assert (len(documents), problems) == (1, [])


def test_a_dashboard_that_may_not_be_read_is_told_and_kept() -> None:
    fake = grafana(board("a", "up"), board("b", "up"))
    before = read(GrafanaDashboards, fake)
    fake.failures["/api/dashboards/uid/a"] = [message(403, "no")]
    after = read(GrafanaDashboards, fake)
    assert planned(before, after).kept == ("grafana/a/1",)
    assert "WHY_GRAFANA_TOKEN" in after[1][0].reason


def test_a_dashboard_that_is_deleted_while_reading_is_gone() -> None:
    fake = grafana(board("a", "up"), board("b", "up"))
    before = read(GrafanaDashboards, fake)
    fake.failures["/api/dashboards/uid/a"] = [message(404, "Dashboard not found")]
    after = read(GrafanaDashboards, fake)
    assert after[1] == []
    assert planned(before, after).removed == ("grafana/a/1",)


@pytest.mark.parametrize("kind", [GrafanaDashboards, GrafanaAlerts])
def test_a_wrong_token_is_told_without_secrets_and_protects_everything(
    kind: type[GrafanaDashboards | GrafanaAlerts],
) -> None:
    _, problems = read(kind, grafana(), token="wr0ng")  # noqa: S106
    assert problems[-1].affects == ""
    told = " ".join(map(str, problems))
    assert "WHY_GRAFANA_TOKEN" in told
    assert not any(secret in told for secret in ("wr0ng", "pa55"))


@pytest.mark.parametrize("address", ["grafana.example", "ftp://x", "http://u:pa55#w@h"])
def test_an_address_that_cannot_work_is_told(address: str) -> None:
    _, (problem,) = read(GrafanaDashboards, grafana(), address=address)
    assert "no http:// or https:// address" in problem.reason
    assert "pa55" not in str(problem)
    assert problem.affects == ""


# alert rules

THRESHOLD = {"refId": "C", "datasourceUid": "__expr__", "model": {
    "refId": "C", "type": "threshold", "expression": "A",
    "conditions": [{"evaluator": {"type": "gt", "params": [1.5]}}]}}  # fmt: skip
MANAGED = {
    "uid": "r1",
    "title": "Checkout slow",
    "ruleGroup": "shop",
    "folderUID": "f",
    "for": "5m",
    "condition": "C",
    "data": [
        {"refId": "A", "datasourceUid": "prom-main", "model": {"expr": 'p99{service="checkout"}'}},
        THRESHOLD,
    ],
    "labels": {"severity": "page"},
    "annotations": {"runbook_url": "https://wiki.example/checkout"},
}


def rules_of_prometheus(*rules: dict[str, Any]) -> Callable[[httpx.Request], httpx.Response]:
    groups = [{"name": "g", "file": "f", "rules": list(rules)}]

    def handle(request: httpx.Request) -> httpx.Response:
        assert request.url.path == "/api/v1/rules"
        return httpx.Response(200, json={"status": "success", "data": {"groups": groups}})

    return handle


SEARCH_SLOW = {"type": "alerting", "name": "SearchSlow", "query": "p99 > 2", "duration": 300,
               "labels": {"service": "search"}, "annotations": {"summary": "Slow"}}  # fmt: skip


def alerts_grafana(*rules: dict[str, Any], **options: Any) -> FakeGrafana:
    transport = httpx.MockTransport(rules_of_prometheus(*rules))
    return grafana(prometheus=transport, **options)


def test_rules_of_grafana_and_of_its_data_source_are_read() -> None:
    fake = alerts_grafana(SEARCH_SLOW, {"type": "recording", "name": "r", "query": "1"})
    fake.alert_rules = [MANAGED, {"title": "recorded", "record": {"metric": "m"}}]
    (managed, prometheus), problems = read(GrafanaAlerts, fake)
    assert problems == []
    assert managed.facts == AlertRuleFacts(
        alert="Checkout slow",
        expression='(p99{service="checkout"}) > 1.5',
        hold="5m",
        severity="page",
        runbook_url="https://wiki.example/checkout",
    )
    assert managed.services == ("checkout",)
    assert managed.url == "http://grafana/alerting/grafana/r1/view"
    assert managed.id == "grafana/grafana#shop/Checkout slow"
    assert prometheus.id == "grafana/prom-main#g/SearchSlow"
    assert prometheus.url == "http://grafana/alerting/list?search=SearchSlow"
    assert isinstance(prometheus.facts, AlertRuleFacts)
    assert (prometheus.facts.hold, prometheus.services) == ("5m", ("search",))


def test_a_viewers_token_reads_the_rules_where_it_may() -> None:
    fake = alerts_grafana()
    fake.failures["/api/v1/provisioning"] = [message(403, "no")]
    rule = {**SEARCH_SLOW, "name": "Checkout slow", "uid": "r1"}
    fake.rule_groups = [{"name": "shop", "file": "f", "rules": [rule]}]
    (document,), problems = read(GrafanaAlerts, fake)
    assert problems == []
    assert document.id == "grafana/grafana#shop/Checkout slow"
    assert document.url == "http://grafana/alerting/grafana/r1/view"


def test_rules_of_a_data_source_that_fails_are_kept() -> None:
    fake = alerts_grafana(SEARCH_SLOW)
    fake.alert_rules = [MANAGED]
    before = read(GrafanaAlerts, fake)
    fake.failures["/api/datasources/proxy"] = [message(502, "")] * 4
    plan = planned(before, read(GrafanaAlerts, fake))
    assert plan.kept == ("grafana/prom-main#g/SearchSlow",)
    assert plan.unchanged == ("grafana/grafana#shop/Checkout slow",)


def test_a_rule_without_a_readable_query_is_told() -> None:
    fake = alerts_grafana()
    fake.alert_rules = [{"title": "Odd", "data": [THRESHOLD], "condition": "C"}]
    documents, (problem,) = read(GrafanaAlerts, fake)
    assert documents == []
    assert str(problem) == "alert rule Odd: no query in it that can be read"


# settings


def test_a_source_with_a_url_is_read_from_grafana(tmp_path: Path) -> None:
    config = tmp_path / "why.toml"
    config.write_text(
        f'grafana_token = "{TOKEN}"\n'
        '[[sources]]\nkind = "dashboards"\nurl = "https://grafana.example"\n'
        '[[sources]]\nkind = "alerts"\nurl = "https://grafana.example"\n'
    )
    dashboards, alerts = sources_of(load_settings(config))
    assert isinstance(dashboards, GrafanaDashboards)
    assert isinstance(alerts, GrafanaAlerts)
    assert (dashboards.address, dashboards.token) == ("https://grafana.example", TOKEN)


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ('kind = "runbooks"\nurl = "https://x.example"', "`url` is for alerts, dashboards"),
        ('kind = "alerts"', "either a `path` or a `url`"),
        ('kind = "alerts"\npath = "a"\nurl = "https://x.example"', "either a `path` or a `url`"),
    ],
)
def test_a_source_has_one_place(tmp_path: Path, source: str, told: str) -> None:
    config = tmp_path / "why.toml"
    config.write_text(f"[[sources]]\n{source}\n")
    with pytest.raises(SettingsError, match=told):
        load_settings(config)
