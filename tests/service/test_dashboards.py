"""Dashboards made to order: what they show, and where they are saved."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest

from ingest.index import Scope
from service.assembly import (
    catalogs_of,
    metrics_of,
    moment_of,
    open_engine,
    open_knowledge,
    vocabulary_of,
)
from service.dashboard_orders import DashboardMaker, DashboardOrder, open_maker
from service.dashboards import build, plan_from_panels, plan_from_report
from service.metrics.grafana import GrafanaSource
from service.metrics.panels import WrittenQuery
from service.metrics.source import MetricsSource, Window
from service.reports.model import MetricCitation, Report
from service.settings import Settings
from service.testing import FakeGrafana
from service.testing.grafana import message
from tests.company import CONFIG
from tests.service.surfaces.test_cli import why

TOKEN = "glsa_made_up"  # noqa: S105
QUESTION = "Why did checkout fail last night?"
WINDOW = Window(
    start=datetime(2026, 11, 12, 1, tzinfo=UTC), end=datetime(2026, 11, 12, 3, tzinfo=UTC)
)


def grafana(**options: Any) -> FakeGrafana:
    """A Grafana whose Prometheus is down: a dashboard is made of other evidence all the same."""

    def down(request: httpx.Request) -> httpx.Response:
        return httpx.Response(400, json={"status": "error", "errorType": "x", "error": "down"})

    return FakeGrafana(token=TOKEN, prometheus=httpx.MockTransport(down), **options)


def made(
    settings: Settings, question: str = QUESTION, *, fake: FakeGrafana | None = None
) -> DashboardOrder:
    """The order for a question; saved in ``fake`` if there is one."""
    now = moment_of(settings)

    async def run() -> DashboardOrder:
        source: MetricsSource | None = metrics_of(settings)
        if fake is not None:
            transport = httpx.ASGITransport(fake)
            source = GrafanaSource("http://grafana", TOKEN, transport=transport)
        async with (
            open_knowledge(settings) as knowledge,
            open_engine(settings, as_of=now, knowledge=knowledge) as engine,
        ):
            maker = DashboardMaker(
                engine=engine,
                retriever=knowledge.retriever,
                vocabulary=await vocabulary_of(knowledge.index, Scope(as_of=now)),
                metrics=source,
                catalogs=catalogs_of(settings),
            )
            order = await maker.make(question, now=now, save=fake is not None)
        if source is not None:
            await source.aclose()
        return order

    return asyncio.run(run())


def graphs(order: DashboardOrder) -> list[dict[str, Any]]:
    assert order.dashboard is not None
    return [panel for panel in order.dashboard["panels"] if panel["type"] == "timeseries"]


def expressions(order: DashboardOrder) -> list[str]:
    return [target["expr"] for panel in graphs(order) for target in panel["targets"]]


@pytest.fixture(scope="module")
def report(company: Settings) -> Report:
    now = moment_of(company)

    async def ask() -> Report:
        async with open_engine(company, as_of=now) as engine:
            return await engine.ask(QUESTION, now=now)

    return asyncio.run(ask())


@pytest.fixture(scope="module")
def evidence(company: Settings) -> DashboardOrder:
    return made(company)


# -- what it shows ---------------------------------------------------------------------------------


def test_each_cited_series_is_drawn_once(evidence: DashboardOrder, report: Report) -> None:
    cited = {c.query for c in report.citations if isinstance(c, MetricCitation)}
    drawn = expressions(evidence)
    assert drawn
    assert len(drawn) == len(set(drawn)) == evidence.panels
    assert set(drawn) <= cited
    assert evidence.based_on == "the evidence of the report"


def test_it_opens_on_the_reports_window(evidence: DashboardOrder) -> None:
    assert evidence.dashboard is not None
    assert evidence.dashboard["time"] == {
        "from": "2026-11-11T18:00:00.000Z",
        "to": "2026-11-12T07:30:00.000Z",
    }


def test_the_changes_are_annotations_and_the_documents_are_links(
    evidence: DashboardOrder,
) -> None:
    assert evidence.dashboard is not None
    deploys = evidence.dashboard["annotations"]["list"]
    assert deploys[0]["name"] == "Deploy quota 4.12.0 (eu-west)"
    assert deploys[0]["datasource"] == {"type": "grafana", "uid": "-- Grafana --"}
    assert deploys[0]["target"]["tags"] == ["deploy", "quota", "eu-west"]
    links = evidence.dashboard["links"]
    assert links[0]["url"].startswith("https://wiki.kestrel.example/incidents/inc-2026-031")
    # As Grafana shows them by itself, and not hidden in a menu.
    assert not any("placement" in shown for shown in (*links, *deploys))


def test_panels_have_ids_and_places_of_their_own(evidence: DashboardOrder) -> None:
    assert evidence.dashboard is not None
    panels = evidence.dashboard["panels"]
    assert [panel["id"] for panel in panels] == list(range(1, len(panels) + 1))
    places = [(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in panels]
    assert len(set(places)) == len(places)
    assert "1. quota (eu-west)" in [panel["title"] for panel in panels]


def test_the_report_stands_below_its_graphs(evidence: DashboardOrder) -> None:
    assert evidence.dashboard is not None
    text = evidence.dashboard["panels"][-1]
    assert (text["type"], text["options"]["mode"]) == ("text", "markdown")
    assert "## Most likely causes" in text["options"]["content"]


def test_units_are_those_of_the_sentences(evidence: DashboardOrder) -> None:
    units = {
        panel["targets"][0]["expr"].partition("{")[0]: panel["fieldConfig"]["defaults"].get("unit")
        for panel in graphs(evidence)
    }
    assert units["service:http_request_duration_seconds:p99"] == "s"
    assert units["rate(http_requests_total"] == "cps"
    assert units["container_memory_working_set_bytes"] == "bytes"
    assert units["process_open_fds"] is None


def test_a_question_without_an_incident_gets_the_panels_of_the_house(company: Settings) -> None:
    order = made(company, "GPU temperature of train-us-1")
    assert order.based_on == "panels that were found for the question"
    assert graphs(order)[0]["title"] == "GPU temperature by node"
    assert 'cluster="train-us-1"' in expressions(order)[0]
    assert "$cluster" not in "".join(expressions(order))


def test_a_question_about_nothing_gets_no_dashboard(company: Settings, tmp_path: Path) -> None:
    blind = company.model_copy(update={"index_dir": tmp_path / "none", "metrics_file": None})

    async def run() -> DashboardOrder:
        async with open_maker(blind, as_of=moment_of(blind)) as maker:
            return await maker.make("Why is the sky blue?", now=moment_of(blind), save=True)

    order = asyncio.run(run())
    assert (order.dashboard, order.url) == (None, None)
    assert len(order.not_seen) == 2


def test_a_link_is_never_a_script() -> None:
    queries = [
        (
            "Good",
            WrittenQuery(query="up", title="Up", unit=None, document_id="1", url="https://g/"),
        ),
        (
            "Bad",
            WrittenQuery(
                query="down", title="Down", unit=None, document_id="2", url="javascript:alert(1)"
            ),
        ),
    ]
    plan = plan_from_panels("Is it up?", WINDOW, queries)
    assert plan is not None
    assert [link.title for link in plan.links] == ["Good"]


def test_the_same_evidence_is_the_same_dashboard(report: Report) -> None:
    plan = plan_from_report(report)
    assert plan is not None
    assert build(plan) == build(plan)
    other = plan.model_copy(update={"title": "Another"})
    assert build(plan)["uid"] != build(other)["uid"]
    assert len(build(plan)["uid"]) <= 40  # Grafana's limit


# -- where it is saved -----------------------------------------------------------------------------


def test_it_is_saved_in_a_folder_of_its_own_and_the_link_opens_its_window(
    company: Settings,
) -> None:
    fake = grafana()
    order = made(company, fake=fake)
    assert order.not_saved is None
    assert [(folder["uid"], folder["title"]) for folder in fake.folders] == [("why", "Why")]
    ((uid, stored),) = fake.dashboards.items()
    assert stored["meta"]["folderUid"] == "why"
    assert order.url is not None
    assert order.url.startswith(f"https://grafana.example/d/{uid}?from=1794420000000")
    (variable,) = stored["dashboard"]["templating"]["list"]
    assert variable["current"]["value"] == "prom-main"


def test_asking_again_finds_it_and_replaces_nothing(company: Settings) -> None:
    fake = grafana()
    first = made(company, QUESTION, fake=fake)
    (stored,) = fake.dashboards.values()
    stored["dashboard"]["title"] = "Renamed by Mira"
    second = made(company, QUESTION, fake=fake)
    assert second.url == first.url
    assert [one["dashboard"]["title"] for one in fake.dashboards.values()] == ["Renamed by Mira"]
    assert len(fake.folders) == 1


def test_a_token_that_may_not_write_gets_the_json_and_the_reason(company: Settings) -> None:
    fake = grafana(viewer=True)
    order = made(company, fake=fake)
    assert order.url is None
    assert order.dashboard is not None
    assert order.not_saved is not None
    assert "HTTP 403" in order.not_saved
    assert "Editor" in order.not_saved
    assert fake.dashboards == {}
    assert TOKEN not in order.model_dump_json()


def test_a_title_that_is_taken_is_told(company: Settings) -> None:
    fake = grafana()
    taken = json.dumps(
        {"message": "A dashboard with the same name exists", "status": "name-exists"}
    )
    fake.failures["/api/dashboards/db"] = [message(412, "")._replace(body=taken.encode())]
    order = made(company, fake=fake)
    assert order.url is None
    assert order.not_saved is not None


def test_without_a_grafana_saving_says_which_setting_is_missing(company: Settings) -> None:
    now = moment_of(company)

    async def run() -> DashboardOrder:
        async with open_maker(company, as_of=now) as maker:
            return await maker.make(QUESTION, now=now, save=True)

    order = asyncio.run(run())
    assert order.not_saved == "no Grafana is configured: set WHY_GRAFANA_URL"
    assert order.dashboard is not None


# -- the command -----------------------------------------------------------------------------------


@contextmanager
def served(app: FakeGrafana) -> Iterator[str]:
    """The fake under a real HTTP server of this machine."""

    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", "0")))

            async def call() -> httpx.Response:
                transport = httpx.ASGITransport(app)
                async with httpx.AsyncClient(transport=transport, base_url="http://g") as client:
                    return await client.request(
                        self.command, self.path, content=body, headers=dict(self.headers)
                    )

            reply = asyncio.run(call())
            self.send_response(reply.status_code)
            self.send_header("Content-Type", reply.headers["Content-Type"])
            self.send_header("Content-Length", str(len(reply.content)))
            self.end_headers()
            self.wfile.write(reply.content)

        do_GET = do_POST = answer  # noqa: N815

        def log_message(self, *arguments: object) -> None:
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_the_command_prints_json_that_grafana_imports(company: Settings) -> None:
    shown = why("dashboard", QUESTION, "--config", CONFIG, index=company.index_dir)
    assert shown.returncode == 0, shown.stderr
    model = json.loads(shown.stdout)
    assert model["title"].startswith(QUESTION)
    assert model["schemaVersion"] > 30
    assert "panels out of the evidence" in shown.stderr


@pytest.mark.parametrize(("viewer", "code"), [(False, 0), (True, 1)])
def test_the_command_saves_over_http_or_says_why_not(
    company: Settings, viewer: bool, code: int
) -> None:
    fake = grafana(viewer=viewer)
    with served(fake) as address:
        shown = why(
            "dashboard",
            "GPU temperature of train-us-1",
            "--save",
            "--config",
            CONFIG,
            index=company.index_dir,
            WHY_GRAFANA_URL=address,
            WHY_GRAFANA_TOKEN=TOKEN,
        )
    assert shown.returncode == code, shown.stderr
    if viewer:
        assert "Not saved:" in shown.stderr
        assert json.loads(shown.stdout)["panels"]
        assert fake.dashboards == {}
    else:
        ((uid, _),) = fake.dashboards.items()
        assert shown.stdout.startswith(f"https://grafana.example/d/{uid}?")
    assert TOKEN not in shown.stdout + shown.stderr
