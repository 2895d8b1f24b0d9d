"""Alerts out of samples, and changes out of annotations."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from service.metrics.events import (
    alert_step,
    alerts_from_series,
    changes_from_annotations,
    changes_in,
    read_annotations,
)
from service.metrics.source import MetricsUnavailable, Series, Window

START = datetime(2026, 11, 12, tzinfo=UTC)
WINDOW = Window(start=START, end=START + timedelta(hours=4))
STEP = timedelta(minutes=1)


def minute(number: float) -> datetime:
    return START + timedelta(minutes=number)


def firing(*minutes: float, **labels: str) -> Series:
    """As ``timestamp(ALERTS)`` answers: the values are the times of samples."""
    moments = np.array([minute(number).timestamp() for number in minutes])
    return Series({"alertname": "Slow", "alertstate": "firing", **labels}, moments, moments)


def test_an_alert_starts_and_ends_with_its_samples() -> None:
    series = firing(10, 11, 12, severity="critical", service="auth")
    (alert,) = alerts_from_series([series], STEP, WINDOW)
    assert (alert.name, alert.started, alert.ended) == ("Slow", minute(10), minute(12))
    assert alert.severity == "critical"
    assert alert.labels == {"severity": "critical", "service": "auth"}


def test_a_repeated_sample_does_not_prolong_an_alert() -> None:
    series = firing(10, 11, 11, 11, 11, 11)
    assert alerts_from_series([series], STEP, WINDOW)[0].ended == minute(11)


def test_an_alert_that_fires_to_the_end_of_the_window_has_not_ended() -> None:
    (alert,) = alerts_from_series([firing(238, 239, 240)], STEP, WINDOW)
    assert alert.ended is None
    # A rule that is evaluated every two minutes can't be seen in the last one.
    (alert,) = alerts_from_series([firing(233, 235, 237, 239)], STEP, WINDOW)
    assert alert.ended is None


def test_two_alerts_far_apart_stay_two_and_flapping_is_one() -> None:
    series = firing(10, 11, 15, 16, 40, 41)
    spans = [(a.started, a.ended) for a in alerts_from_series([series], STEP, WINDOW)]
    assert spans == [(minute(10), minute(16)), (minute(40), minute(41))]


def test_samples_from_before_the_window_do_not_count() -> None:
    assert alerts_from_series([firing(-3, -2)], STEP, WINDOW) == []
    assert alerts_from_series([firing(-1, 0, 1)], STEP, WINDOW)[0].started == minute(0)


def test_alerts_are_sorted_by_start_then_name() -> None:
    late, early = firing(30, alertname="A"), firing(5, alertname="B")
    twin = firing(5, alertname="A2")
    names = [alert.name for alert in alerts_from_series([late, early, twin], STEP, WINDOW)]
    assert names == ["A2", "B", "A"]


def test_the_step_of_alerts_keeps_long_windows_within_what_prometheus_answers() -> None:
    assert alert_step(WINDOW) == STEP
    month = Window(start=START, end=START + timedelta(days=30))
    assert month.duration / alert_step(month) < 11_000


def test_annotations_become_changes_by_time() -> None:
    rows = [
        {"time": 1794447420000, "timeEnd": 1794447420000, "text": "Deploy b", "tags": ["deploy"]},
        {"time": 1794441600000, "timeEnd": 1794444000000, "text": " rebuild ", "tags": None},
    ]
    first, second = changes_from_annotations(rows)
    assert (first.text, first.tags) == ("rebuild", ())
    assert first.until == datetime.fromtimestamp(1794444000, UTC)
    assert (second.text, second.tags, second.until) == ("Deploy b", ("deploy",), None)
    assert second.at == datetime.fromtimestamp(1794447420, UTC)


@pytest.mark.parametrize(
    "row",
    [
        "text",
        None,
        {},
        {"time": 1794447420000},
        {"time": 1794447420000, "text": "  "},
        {"text": "no time"},
        {"time": "soon", "text": "x"},
        {"time": 1e30, "text": "x"},
        {"time": float("nan"), "text": "x"},
        {"time": 1794447420000, "text": "x", "newState": "Alerting", "alertName": "y"},
    ],
)
def test_an_annotation_that_tells_of_no_change_is_left_out(row: object) -> None:
    good = {"time": 1794447420000, "text": "Deploy"}
    assert [change.text for change in changes_from_annotations([row, good])] == ["Deploy"]


def test_a_change_counts_as_long_as_it_goes_on() -> None:
    hour = 3_600_000
    start = int(START.timestamp()) * 1000
    rows: list[dict[str, object]] = [
        {"time": start - hour, "timeEnd": start + hour, "text": "goes on"},
        {"time": start - hour, "timeEnd": start - 1, "text": "over"},
        {"time": start + 5 * hour, "text": "later"},
        {"time": start + 4 * hour, "text": "at the end"},
    ]
    found = changes_in(changes_from_annotations(rows), WINDOW)
    assert [change.text for change in found] == ["goes on", "at the end"]


@pytest.mark.parametrize("content", [None, "{", json.dumps({"a": 1})])
def test_an_unreadable_annotations_file_is_named(tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "notes.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(MetricsUnavailable, match=r"notes\.json"):
        read_annotations(path)
