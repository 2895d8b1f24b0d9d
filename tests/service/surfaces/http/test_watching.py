"""What a running server tells machines: health, figures, log lines."""

from __future__ import annotations

import io
import json
import logging
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog
from prometheus_client.parser import text_string_to_metric_families
from pydantic import SecretStr

from service.settings import Settings
from service.store import Scope
from service.telemetry import configure_logging, secrets_of, tracing, without_secrets
from tests.service.surfaces.http.conftest import QUESTION, Api, Run
from tests.service.surfaces.http.test_audience import synced

Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]


async def figures(api: Api) -> Samples:
    text = (await api.client.get("/metrics")).text
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_each_dependency_is_told_by_name_and_a_missing_one_counts_where_it_is_needed(
    run: Run, tmp_path: Path
) -> None:
    async def ready(api: Api) -> tuple[int, dict[str, bool]]:
        assert (await api.client.get("/healthz")).json() == {"status": "ok"}
        response = await api.client.get("/readyz")
        told = response.json()
        assert told["ready"] is (response.status_code == 200)
        return response.status_code, {one["name"]: one["ok"] for one in told["dependencies"]}

    all_there = {"index": True, "metrics": True, "database": True}
    assert run(ready) == (200, all_there)
    # Nobody listens on this port: reports say so, and are written from the documents.
    nowhere = "http://127.0.0.1:9"
    assert run(ready, prometheus_url=nowhere) == (200, {**all_there, "metrics": False})


def test_no_index_is_not_ready(served: Settings, tmp_path: Path, run: Run) -> None:
    async def ready(api: Api) -> int:
        response = await api.client.get("/readyz")
        assert str(tmp_path) not in response.text
        search = await api.client.post(
            "/v1/search", json={"text": "redis"}, headers=await api.key()
        )
        assert (search.status_code, search.json()["code"]) == (503, "index")
        assert str(tmp_path) not in search.text
        return response.status_code

    assert run(ready, index_dir=tmp_path / "none") == 503


def test_the_figures_count_questions_phases_claims_jobs_and_requests_by_route(run: Run) -> None:
    async def test(api: Api) -> None:
        key = await api.key(Scope.ADMIN)
        before = await figures(api)
        report = await api.ask(key)
        await api.ask(key, "Show the zorgmeter of the frobnicator")
        await synced(api, key)
        await api.client.get("/no/such/path/4711")
        after = await figures(api)

        def grown(name: str, **labels: str) -> float:
            sample = (name, tuple(sorted(labels.items())))
            return after.get(sample, 0.0) - before.get(sample, 0.0)

        causes = {"surface": "http", "kind": "report", "outcome": "causes"}
        assert grown("why_questions_total", **causes) == 1
        assert grown("why_abstentions_total", kind="chart") == 1
        for timing in report["answer"]["timings"]:
            assert grown("why_phase_seconds_count", phase=timing["phase"]) == 1
        assert grown("why_dropped_claims_total") == report["answer"]["dropped_claims"]
        assert after["why_jobs", (("state", "done"),)] >= 1
        assert 0 <= after["why_index_age_seconds", ()] < 60
        served = {"method": "POST", "route": "/v1/ask", "status": "200"}
        assert grown("why_http_requests_total", **served) == 2
        assert not [name for name in after if "4711" in str(name)]
        assert not [name for name in after if QUESTION in str(name)]

    run(test)


@pytest.fixture
def log(company: Settings) -> Iterator[io.StringIO]:
    """What a server with these secrets writes."""
    written = io.StringIO()
    root = logging.getLogger()
    handlers, before = root.handlers, structlog.get_config()
    changed = (None, "ingest", "service", "uvicorn")
    levels = {name: logging.getLogger(name).level for name in changed}
    secret = SecretStr("correct-horse-battery")
    configure_logging(company.model_copy(update={"jira_token": secret}), stream=written)
    yield written
    structlog.configure(**before)
    root.handlers = handlers
    for name, level in levels.items():
        logging.getLogger(name).setLevel(level)


def lines(log: io.StringIO) -> list[dict[str, object]]:
    return [json.loads(line) for line in log.getvalue().splitlines()]


def test_every_line_has_its_requests_id_and_none_has_a_question_or_a_key(
    run: Run, log: io.StringIO
) -> None:
    async def test(api: Api) -> str:
        key = await api.key(name="oncall")
        await api.ask({**key, "X-Request-Id": "trace-42"})
        await api.client.get("/v1/reports", headers={"Authorization": "Bearer why_nope"})
        return key["Authorization"]

    key = run(test)
    told = [line for line in lines(log) if line.get("request_id") == "trace-42"]
    assert [line["event"] for line in told] == ["answered", "request"]
    assert told[1]["route"] == "/v1/ask"
    assert {line["caller"] for line in told} == {"key:oncall"}
    assert "wrong key" in [line["event"] for line in lines(log)]
    assert QUESTION not in log.getvalue()
    assert key.split("_", 2)[2] not in log.getvalue()


def test_secrets_are_taken_out_of_every_value_exceptions_included(log: io.StringIO) -> None:
    logger = structlog.get_logger("test")
    try:
        raise ValueError("cannot reach postgresql://why:hunter2hunter2@db/why")
    except ValueError:
        logger.exception("failed", setting="correct-horse-battery", number=3)
    logging.getLogger("library").warning("Authorization: Bearer %s", "abcdef0123456789abcdef")
    logging.getLogger("library").info("what a prompt says")
    first, second = lines(log)
    assert first["setting"] == "[redacted]"
    assert first["number"] == 3
    assert "ValueError" in str(first["exception"])
    assert "hunter2" not in log.getvalue()
    assert second["logger"] == "library"
    assert "abcdef0123456789" not in log.getvalue()


def test_traces_without_the_extra_are_missed_aloud(
    log: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OTEL_EXPORTER_OTLP_ENDPOINT", raising=False)
    monkeypatch.delenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", raising=False)
    assert tracing() is None
    assert lines(log) == []
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setitem(sys.modules, "opentelemetry.exporter.otlp.proto.http.trace_exporter", None)
    assert tracing() is None
    [line] = lines(log)
    assert "pip install 'incident-why[otel]'" in str(line["event"])


def test_own_keys_and_the_settings_secrets_are_known_by_sight(company: Settings) -> None:
    settings = company.model_copy(update={"smtp_password": SecretStr("s3same")})
    assert list(secrets_of(settings)) == ["s3same"]
    key = "why_01kaxk2v6n3c4t8q5w9y7z0abd_" + "A" * 43
    assert without_secrets(f"key {key}!") == "key [redacted:why-key]!"
