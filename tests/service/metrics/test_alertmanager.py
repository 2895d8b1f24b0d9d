import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

from service.assembly import metrics_of
from service.metrics.alertmanager import WithAlertmanager
from service.metrics.openmetrics import OpenMetricsSource
from service.metrics.source import Alert, MetricMetadata, MetricsUnavailable, Window
from service.settings import Settings

WINDOW = Window(
    start=datetime(2026, 11, 12, 1, tzinfo=UTC), end=datetime(2026, 11, 12, 3, tzinfo=UTC)
)
START = int(WINDOW.start.timestamp())
SAMPLES = "# TYPE ALERTS gauge\n" + "".join(
    f'ALERTS{{alertname="Slow",alertstate="firing",region="eu-west"}} 1 {START + 60 * n}\n'
    for n in range(60, 121)
)


def firing(name: str, since: str, **labels: str) -> dict[str, object]:
    return {
        "labels": {"alertname": name, **labels},
        "annotations": {},
        "startsAt": since,
        "endsAt": "2026-11-12T03:10:00Z",
        "updatedAt": since,
        "fingerprint": "f",
        "receivers": [{"name": "page"}],
        "status": {"state": "active", "silencedBy": [], "inhibitedBy": []},
    }


def alerts_of(
    tmp_path: Path, handle: Callable[[httpx.Request], httpx.Response], samples: str = SAMPLES
) -> list[Alert]:
    file = tmp_path / "night.om"
    file.write_text(samples + "# EOF\n")

    async def ask() -> list[Alert]:
        source = WithAlertmanager(
            OpenMetricsSource(file),
            "http://alertmanager/am",
            transport=httpx.MockTransport(handle),
        )
        try:
            return await source.alerts(WINDOW)
        finally:
            await source.aclose()

    return asyncio.run(ask())


def test_what_fires_elsewhere_is_added_and_what_is_known_is_not_doubled(tmp_path: Path) -> None:
    def alertmanager(request: httpx.Request) -> httpx.Response:
        assert request.url.path == "/am/api/v2/alerts"
        rows = [
            firing("Slow", "2026-11-12T02:00:00Z", region="eu-west", cluster="a"),
            firing("Slow", "2026-11-12T02:00:00Z", region="us-east", cluster="a"),
            firing("LogErrors", "2026-11-11T20:00:00Z", severity="page"),
            firing("Later", "2026-11-12T05:00:00Z"),
        ]
        return httpx.Response(200, json=rows)

    logs, *slow = alerts_of(tmp_path, alertmanager)
    assert logs == Alert(
        name="LogErrors", labels={"severity": "page"}, started=WINDOW.start, severity="page"
    )
    assert [alert.labels["region"] for alert in slow] == ["eu-west", "us-east"]


@pytest.mark.parametrize(
    ("status", "body", "told"),
    [
        (503, "", "Alertmanager at http://alertmanager/am is not available: HTTP 503"),
        (404, "", "HTTP 404.*WHY_ALERTMANAGER_URL"),
        (200, "<html>", "not how Alertmanager answers"),
    ],
)
def test_no_alerts_is_said_only_by_who_could_look(
    tmp_path: Path, status: int, body: str, told: str
) -> None:
    def fails(request: httpx.Request) -> httpx.Response:
        return httpx.Response(status, text=body)

    quiet = f"# TYPE up gauge\nup 1 {START}\n"
    with pytest.raises(MetricsUnavailable, match=told):
        alerts_of(tmp_path, fails, quiet)
    assert [alert.name for alert in alerts_of(tmp_path, fails)] == ["Slow"]


def test_an_alertmanager_is_set_beside_the_metrics() -> None:
    source = metrics_of(
        Settings(prometheus_url="http://p.example", alertmanager_url="http://a.example")
    )
    assert source is not None
    assert source.name == "Prometheus at http://p.example, Alertmanager at http://a.example"
    asyncio.run(source.aclose())


def test_what_it_knows_nothing_of_is_asked_of_the_metrics(tmp_path: Path) -> None:
    file = tmp_path / "night.om"
    file.write_text(SAMPLES + "# EOF\n")

    async def ask() -> tuple[list[str], dict[str, MetricMetadata]]:
        source = WithAlertmanager(OpenMetricsSource(file), "http://alertmanager")
        try:
            return await source.label_values("region", WINDOW), await source.metadata()
        finally:
            await source.aclose()

    assert asyncio.run(ask()) == (["eu-west"], {"ALERTS": MetricMetadata(type="gauge")})
