"""The sample night: made the same every time, and such that its alerts follow from its samples."""

import asyncio
import json
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from bench.make_night import main
from service.metrics.openmetrics import OpenMetricsSource
from service.metrics.source import Series, Window

NIGHT = Path(__file__).parents[2] / "data" / "night"
SOURCE = OpenMetricsSource(NIGHT / "metrics.om", NIGHT / "annotations.json")
WINDOW = Window(
    start=datetime(2026, 11, 11, 8, tzinfo=UTC), end=datetime(2026, 11, 12, 8, tzinfo=UTC)
)
MINUTE = timedelta(minutes=1)

RULES = {
    "AuthTokenLatencyHigh": (
        'service:http_request_duration_seconds:p99{service="auth"} > 0.5',
        timedelta(minutes=3),
    ),
    "CheckoutLatencyHigh": (
        'service:http_request_duration_seconds:p99{service="checkout"} > 1.5',
        timedelta(minutes=4),
    ),
    "InferenceGatewayErrorRateHigh": (
        'sum by (service, region) (rate(http_requests_total{service="inference-gateway",'
        'code="5xx"}[5m])) / sum by (service, region) '
        '(rate(http_requests_total{service="inference-gateway"}[5m])) > 0.05',
        timedelta(minutes=5),
    ),
    "GpuThermalThrottling": (
        "max by (node, cluster, region) (DCGM_FI_DEV_GPU_TEMP) > 87",
        timedelta(minutes=3),
    ),
}


def asked(query: str) -> tuple[Series, ...]:
    return asyncio.run(SOURCE.query_range(query, WINDOW, MINUTE)).series


def test_the_committed_files_are_what_the_command_makes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["make_night", "--out", str(tmp_path)])
    main()
    assert "series" in capsys.readouterr().out
    for made in tmp_path.iterdir():
        assert made.read_bytes() == (NIGHT / made.name).read_bytes(), made.name
    assert (tmp_path / "metrics.om").stat().st_size < 5_000_000


@pytest.mark.parametrize("alert", RULES)
def test_an_alert_fires_when_its_condition_has_held_for_its_time(alert: str) -> None:
    condition, held = RULES[alert]
    (broken,) = asked(condition)
    (fired,) = [one for one in asyncio.run(SOURCE.alerts(WINDOW)) if one.name == alert]
    since = datetime.fromtimestamp(broken.times[0], UTC)
    assert len(broken.times) - 1 == (broken.times[-1] - broken.times[0]) / 60, "one episode"
    assert fired.started == since + held
    assert fired.ended == datetime.fromtimestamp(broken.times[-1], UTC)
    labels = {key: value for key, value in broken.labels.items() if key != "__name__"}
    assert labels.items() <= fired.labels.items()


def test_the_alerts_of_the_night_are_those_of_the_truth() -> None:
    truth = json.loads((NIGHT / "truth.json").read_text())
    told = [(alert["name"], alert["started"]) for alert in truth["alerts"]]
    fired = [
        (alert.name, f"{alert.started:%Y-%m-%dT%H:%M:%SZ}")
        for alert in asyncio.run(SOURCE.alerts(WINDOW))
    ]
    assert fired == told


def test_connections_run_out_are_dropped_and_come_back() -> None:
    (eu,) = asked('redis_connected_clients{region="eu-west"}')
    by_clock = {
        f"{datetime.fromtimestamp(moment, UTC):%H:%M}": value
        for moment, value in zip(eu.times, eu.values, strict=True)
    }
    assert by_clock["01:36"] < 500
    assert by_clock["01:50"] == by_clock["03:08"] == 4000
    assert by_clock["03:10"] < 700
    assert 2700 < by_clock["07:58"] < 3200


def test_the_program_never_reads_the_truth() -> None:
    root = NIGHT.parents[1]
    for package in ("ingest", "service"):
        for module in (root / package).rglob("*.py"):
            assert "truth.json" not in module.read_text(), module
