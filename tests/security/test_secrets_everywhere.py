"""Secrets in every source, written and live: where they are not, once all of it was used.

One server over a company whose documents, metrics, annotations, alerts, webhooks, questions and
feedback all hold secrets, with a language model that writes one of its own. Afterwards they are in
none of its files, in no prompt, no log line and no answer in any format.
"""

from __future__ import annotations

import asyncio
import gzip
import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from ingest.documents import SourceKind
from service.backup import back_up
from service.llm.base import Message
from service.llm.budget import Budget
from service.llm.openai_compatible import OpenAiCompatible
from service.metrics.grafana import GrafanaSource
from service.metrics.source import Window
from service.reports.language import WrittenCause, WrittenReport
from service.reports.sentence_check import WrittenCitation, WrittenSentence
from service.settings import Settings, SourceSettings
from service.store import Scope, StoredReport
from service.surfaces.mcp.told import answer_reply
from service.surfaces.slack.blocks import View, details, overview
from service.surfaces.slack.tasks import Ask
from service.testing import FakeGrafana
from service.testing.llm_server import Answer, ScriptedServer
from service.testing.loopback import on_loopback
from tests.security.planted import ALL, SECRETS, found_below, found_in, logged, planted
from tests.service.learning import small_company
from tests.service.surfaces.http.conftest import Api, Running

TROUBLE = small_company.FIRST.replace(hour=2, minute=0)
WINDOW = Window(start=TROUBLE - timedelta(hours=1), end=TROUBLE + timedelta(hours=1))
AT_MS = int(TROUBLE.timestamp() * 1000) - 120_000
TAG = SECRETS["gitlab"]
SHORT = f"{SECRETS['aws']} {SECRETS['password']}"
DEPLOY = {"time": AT_MS, "text": f"Deploy ledger 4.2 with {ALL}", "tags": ["deploy", TAG]}
LABELS = {"service": "checkout", "region": "eu-west", "note": ALL}


def company(folder: Path, *, grafana: str, alertmanager: str, llm: str) -> Settings:
    """The small company, with secrets in all that it writes and measures."""
    folder.mkdir()
    settings = small_company.settings_in(folder)
    root = planted(folder / "planted", ALL)
    more = [
        SourceSettings(kind=kind, path=root / kind, name=f"planted-{kind}", base_url="https://wiki")
        for kind in SourceKind
    ]
    more += [
        SourceSettings(kind=kind, url=grafana, name=f"grafana-{kind}")
        for kind in (SourceKind.DASHBOARDS, SourceKind.ALERTS)
    ]
    metrics = folder / "metrics.om"
    text = metrics.read_text().replace('service="ledger"', f'service="ledger",note="{ALL}"')
    began = int(TROUBLE.timestamp()) + 720
    labels = f'alertname="CheckoutSlow",alertstate="firing",service="checkout",note="{ALL}"'
    fired = "".join(f"ALERTS{{{labels}}} 1 {at}\n" for at in range(began, began + 3600, 60))
    metrics.write_text(f"# TYPE ALERTS gauge\n# HELP ALERTS what {ALL}\n{fired}{text}")
    annotations = folder / "annotations.json"
    annotations.write_text(json.dumps([DEPLOY]))
    return settings.model_copy(
        update={
            "sources": (*settings.sources, *more),
            "annotations_file": annotations,
            "grafana_token": SecretStr("glsa_made_up"),
            "alertmanager_url": alertmanager,
            "llm_url": llm,
            "llm_model": "scripted",
            "jira_url": "https://jira.example",
            "jira_user": "why@example.com",
            "jira_token": SecretStr("made-up"),
            "jira_project": "OPS",
            "webhook_reports": True,
            "log_level": "debug",
        }
    )


def fake_grafana() -> FakeGrafana:
    grafana = FakeGrafana(token="glsa_made_up")  # noqa: S106
    target = {"expr": "up", "legendFormat": ALL}
    panel = {"id": 1, "type": "timeseries", "title": ALL, "description": ALL, "targets": [target]}
    grafana.save({"uid": "a", "title": ALL, "description": ALL, "tags": [ALL], "panels": [panel]})
    grafana.alert_rules = [
        {
            "uid": "r",
            "title": ALL,
            "ruleGroup": ALL,
            "folderUID": "f",
            "annotations": {"summary": ALL},
            "labels": {"note": ALL},
            "data": [{"refId": "A", "model": {"expr": "up"}}],
        }
    ]
    return grafana


def fake_alertmanager() -> Starlette:
    async def alerts(_: Request) -> JSONResponse:
        labels = {"alertname": "LedgerLocked", "service": "ledger", "note": ALL}
        start = (TROUBLE + timedelta(minutes=5)).isoformat()
        return JSONResponse([{"labels": labels, "annotations": {"a": ALL}, "startsAt": start}])

    return Starlette(routes=[Route("/api/v2/alerts", alerts)])


def model_that_tells() -> Answer:
    """It cites what there is, and puts secrets of its own beside it."""
    sentences = [
        WrittenSentence(text=f"{name} was {secret}.", citations=[WrittenCitation(evidence="E1")])
        for name, secret in SECRETS.items()
    ]
    cause = WrittenCause(candidate="C1", sentences=sentences, against=sentences)
    report = WrittenReport(summary=sentences, causes=[cause], reorder_reason=sentences[0])
    return Answer(report.model_dump_json())


async def used(api: Api) -> dict[str, str]:
    """Everything that a server can be asked and told, and what it answers."""
    key = await api.key(Scope.ADMIN)
    seen: dict[str, str] = {}

    async def send(method: str, path: str, body: Any = None, accept: str = "") -> Any:
        headers = key | ({"Accept": accept} if accept else {})
        reply = await api.client.request(method, path, json=body, headers=headers)
        assert reply.status_code < 500, (path, reply.text)
        seen[f"{method} {path} {accept}"] = reply.text
        return reply.json() if "json" in reply.headers["Content-Type"] else reply.text

    incident = {
        "title": SHORT,
        "text": f"# {ALL}\n\nCheckout was slow, see {ALL}.\n",
        "component": "ledger",
        "cause": f"Ledger held its locks with {ALL}",
        "started": "2026-11-01T01:40:00Z",
        "confirmed": True,
        "services": ["checkout"],
    }
    added = await send("POST", "/v1/incidents", incident)
    await send("PUT", f"/v1/incidents/{added['id']}", incident)
    note = {"title": SHORT, "text": f"# {ALL}\n\nOpen it with {ALL}.\n"}
    await send("POST", "/v1/documents", note)
    await send("POST", "/v1/documents", {**note, "audience": [SHORT], "url": f"no {ALL}"})
    await api.app.state.serving.workspace.sync()
    await send("POST", "/v1/ask", {"question": f"{small_company.QUESTION} {ALL}"})
    asked = await send("POST", "/v1/ask", {"question": small_company.QUESTION})
    report = asked["id"]
    assert asked["answer"]["causes"], asked["answer"]["not_seen"]
    stream = "text/event-stream"
    question = {"question": f"Why was checkout slow last night, {SECRETS['aws']}?"}
    await send("POST", "/v1/ask", question, stream)
    await send("POST", "/v1/ask", {"question": f"and {ALL}?", "after": report})
    await send("POST", "/v1/ask", {"question": f"show the locks of ledger {ALL}"})
    await send("POST", "/v1/search", {"text": f"checkout password {ALL}", "limit": 50})
    await send("POST", "/v1/promql", {"question": f"lock queue of ledger {ALL}"})
    await send("POST", "/v1/ask", {"question": "why?", "since": ALL})
    await send("GET", f"/v1/reports/{report}")
    await send("GET", f"/v1/reports/{report}", accept="text/markdown")
    for chart in asked["answer"]["charts"]:
        await send("GET", f"/v1/reports/{report}/charts/{chart['citation']}.svg")
    component = asked["answer"]["causes"][0]["component"]
    said = {"verdict": "confirm", "component": component, "note": f"it was {SECRETS['aws']}"}
    confirmed = await send("POST", f"/v1/reports/{report}/feedback", said)
    assert confirmed["record"]
    await send("GET", f"/v1/reports/{report}/feedback")
    for accept in ("application/json", "text/markdown", "text/html"):
        await send("GET", "/v1/briefings/today", accept=accept)
    proposal = await send("POST", "/v1/actions", {"kind": "jira", "report_id": report})
    await send("POST", f"/v1/actions/{proposal['id']}/reject", {"reason": f"no, {ALL}"})
    group = {
        "groupKey": ALL,
        "status": "firing",
        "commonLabels": {"note": ALL},
        "commonAnnotations": {"note": ALL},
        "alerts": [
            {
                "status": "firing",
                "labels": {"alertname": SECRETS["aws"], "service": SECRETS["password"]},
                "annotations": {"summary": ALL},
                "startsAt": WINDOW.start.isoformat(),
            }
        ],
    }
    await send("POST", "/v1/webhooks/alertmanager", group)
    for path in ("/v1/incidents", "/v1/documents", "/v1/reports", "/v1/index", "/v1/fleet"):
        await send("GET", path)
    for path in ("/metrics", "/readyz"):
        await send("GET", path)
    stored = await api.database.reports.get(report)
    assert stored is not None
    seen["as others show it"] = shown(stored)
    return seen


def shown(stored: StoredReport) -> str:
    """In Slack, and to a model that asks over MCP."""
    view = View(hosts=frozenset({"wiki"}), made_from="", buttons=None)
    blocks = [*overview(stored.answer, view), *details(stored.answer, view)]
    return "".join(one.model_dump_json() for one in (*blocks, answer_reply(stored, None)))


@pytest.mark.slow
def test_no_secret_is_in_a_file_a_prompt_a_log_or_an_answer(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with (
        on_loopback(fake_grafana()) as grafana,
        on_loopback(fake_alertmanager()) as alertmanager,
        ScriptedServer([model_that_tells()]) as llm,
    ):
        settings = company(
            tmp_path / "company", grafana=grafana, alertmanager=alertmanager, llm=llm.url
        )
        with logged(settings) as log:
            running = Running(settings)
            try:
                seen = running.run(used)
            finally:
                running.close()
            asyncio.run(back_up(settings, tmp_path / "copy"))

    assert {name: found for name, text in seen.items() if (found := found_in(text))} == {}
    assert "[redacted:" in seen["as others show it"]
    prompts = json.dumps(llm.asked)
    assert "Deploy ledger 4.2 with [redacted:" in prompts
    assert found_in(prompts) == []
    assert "answered" in log.getvalue()
    assert found_in(log.getvalue()) == []
    assert found_in("".join(capfd.readouterr())) == []
    for kept in ("index", "cache"):
        assert found_below(tmp_path / "company" / kept) == {}
    databases = list((tmp_path / "company").glob("why.db*"))
    assert databases
    assert [found for file in databases if (found := found_in(file.read_bytes()))] == []
    assert found_in(gzip.decompress((tmp_path / "copy").read_bytes())) == []


def test_what_grafana_tells_has_lost_its_secrets() -> None:
    grafana = fake_grafana()
    grafana.annotations = [
        DEPLOY,
        {
            "time": AT_MS,
            "alertId": 1,
            "newState": "Alerting",
            "prevState": "Normal",
            "text": f"Locked {{note={SECRETS['aws']}, service=ledger}} - 1",
        },
    ]
    active = {"labels": LABELS, "state": "Alerting", "activeAt": WINDOW.start.isoformat()}
    grafana.rule_groups = [{"rules": [{"name": ALL, "alerts": [active]}]}]

    async def run() -> str:
        with on_loopback(grafana) as address:
            source = GrafanaSource(address, grafana.token)
            try:
                await source.place()
                changes = await source.changes(WINDOW)
                alerts = await source._managed_alerts(WINDOW)
            finally:
                await source.aclose()
        assert len(changes) == 1
        assert len(alerts) == 2
        return "".join(one.model_dump_json() for one in (*changes, *alerts))

    told = asyncio.run(run())
    assert "Deploy ledger 4.2 with [redacted:" in told
    assert found_in(told) == []


def test_a_model_neither_reads_nor_writes_a_secret() -> None:
    async def run(address: str) -> str:
        model = OpenAiCompatible(address, "scripted", timeout=5)
        try:
            wish = {"max_tokens": 2000, "purpose": "test", "budget": Budget(tokens=9000, seconds=9)}
            asked = [Message(role="user", content=f"Is it {ALL}?")]
            plain = await model.complete(asked, **wish)  # type: ignore[call-overload]
            parsed = await model.complete(asked, schema=WrittenReport, **wish)  # type: ignore[call-overload]
        finally:
            await model.aclose()
        assert len(parsed.parsed.summary) == len(SECRETS)
        return f"{plain.model_dump_json()}{parsed.model_dump_json()}"

    with ScriptedServer([model_that_tells()]) as server:
        told = asyncio.run(run(server.url))
        assert found_in(told + json.dumps(server.asked)) == []


def test_what_slack_asked_waits_in_the_queue_without_its_secrets() -> None:
    ask = Ask(text=f"why did {ALL} fail", user="U1", channel="C1")
    assert found_in(ask.model_dump_json()) == []
