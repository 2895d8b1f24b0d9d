"""The demo's question, asked of a real Prometheus that holds the same night."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from service.reports.model import MetricCitation, Report
from service.settings import Settings
from tests.company import CONFIG

pytestmark = pytest.mark.real

WHY = Path(sys.executable).with_name("why")


def ask(company: Settings, **environment: str) -> Report:
    command = [WHY, "ask", "Why did checkout fail last night?", "-c", CONFIG, "--json"]
    result = subprocess.run(
        command,
        capture_output=True,
        text=True,
        timeout=60,
        env=os.environ | {"WHY_INDEX_DIR": str(company.index_dir)} | environment,
    )
    assert result.returncode == 0, result.stderr
    return Report.model_validate(json.loads(result.stdout))


def test_prometheus_and_the_embedded_source_give_the_same_report(
    company: Settings, prometheus_night: str
) -> None:
    live = ask(company, WHY_PROMETHEUS_URL=prometheus_night)
    embedded = ask(company)
    assert live.causes[0].component == "quota"
    assert live.dropped_claims == 0
    assert [(c.component, c.score) for c in live.causes] == [
        (c.component, pytest.approx(c.score, abs=1e-6)) for c in embedded.causes
    ]
    assert [claim.text for claim in live.timeline] == [claim.text for claim in embedded.timeline]


def test_citations_of_a_real_prometheus_link_to_its_graphs(
    company: Settings, prometheus_night: str
) -> None:
    live = ask(company, WHY_PROMETHEUS_URL=prometheus_night)
    links = [c.url for c in live.citations if isinstance(c, MetricCitation)]
    assert links
    assert all(url and url.startswith(f"{prometheus_night}/graph?") for url in links)


def test_a_prometheus_that_is_down_is_said_and_the_documents_still_answer(
    company: Settings,
) -> None:
    report = ask(company, WHY_PROMETHEUS_URL="http://127.0.0.1:9")
    assert any("127.0.0.1:9" in line for line in report.not_seen)
    assert report.causes
    assert all(cause.parts.metrics == 0 for cause in report.causes)
