"""Metrics out of a file: reading OpenMetrics text, and the sample night."""

import asyncio
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from service.metrics.openmetrics import OpenMetricsSource, read_openmetrics
from service.metrics.source import MetricMetadata, MetricsUnavailable, QueryRejected, Window

NIGHT = Path(__file__).parents[3] / "data" / "night"
NIGHT_SOURCE = OpenMetricsSource(NIGHT / "metrics.om", NIGHT / "annotations.json")
WINDOW = Window(
    start=datetime(2026, 11, 11, 8, tzinfo=UTC), end=datetime(2026, 11, 12, 8, tzinfo=UTC)
)

TEXT = r"""# HELP requests Requests, with a "quote".
# TYPE requests counter
requests_total{path="/a b",note="x # {y} \"z\" \\ \n"} 1 100.5 # {trace="t 1"} 0.5 99
requests_total{path="/a b",note="x # {y} \"z\" \\ \n"} 2.5e3 160.5
requests_total{path="/c"} 7 100.5
# TYPE took histogram
took_bucket{le="1.0"} 1 100
took_bucket{le="+Inf"} 2 100
took_count 2 100
took_sum 3.5 100
# TYPE temperature gauge
temperature NaN 100
temperature -Inf 160
# EOF
"""


def test_reading_agrees_with_the_reference_parser_sample_by_sample() -> None:
    reference: dict[tuple[tuple[str, str], ...], list[tuple[int, str]]] = {}
    for family in text_string_to_metric_families(TEXT):  # type: ignore[no-untyped-call]
        for sample in family.samples:
            key = tuple(sorted({"__name__": sample.name, **sample.labels}.items()))
            point = (round(float(sample.timestamp) * 1000), str(float(sample.value)))
            reference.setdefault(key, []).append(point)
    found = {
        tuple(sorted(one.labels.items())): list(
            zip(one.times.tolist(), map(str, one.values.tolist()), strict=True)
        )
        for one in read_openmetrics(TEXT).series
    }
    assert found == reference
    assert len(found) == 7


def test_samples_out_of_order_are_sorted_and_doubles_count_once() -> None:
    text = "# TYPE x gauge\nx 3 30\nx 1 10\nx 9 30\n# EOF\n"
    (one,) = read_openmetrics(text).series
    assert one.times.tolist() == [10_000, 30_000]
    assert one.values.tolist() == [1.0, 3.0]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("# TYPE x gauge\nx 1\n# EOF\n", "line 2.*timestamp"),
        ('# TYPE x gauge\nx{a="b c"} 1\n# EOF\n', "line 2.*timestamp"),
        ("# TYPE x gauge\nx 1 10\nx one 20\n# EOF\n", "could not convert"),
        ("# TYPE x gauge\nx 1 10\n", "EOF"),
        ('# TYPE x gauge\nx{a="b} 1 10\n# EOF\n', "Invalid|line"),
        ("# TYPE x counter\nx 1 10\n# EOF\n", "x"),
    ],
)
def test_a_broken_file_makes_the_metrics_unavailable_and_is_named(
    tmp_path: Path, text: str, reason: str
) -> None:
    path = tmp_path / "broken.om"
    path.write_text(text)
    source = OpenMetricsSource(path)
    with pytest.raises(MetricsUnavailable, match=rf"broken\.om can't be read: .*({reason})"):
        asyncio.run(source.query_range("x", WINDOW, timedelta(minutes=1)))


def test_a_missing_file_makes_the_metrics_unavailable(tmp_path: Path) -> None:
    source = OpenMetricsSource(tmp_path / "none.om", tmp_path / "none.json")
    with pytest.raises(MetricsUnavailable, match=r"none\.om"):
        asyncio.run(source.label_values("__name__", WINDOW))
    with pytest.raises(MetricsUnavailable, match=r"none\.json"):
        asyncio.run(source.changes(WINDOW))


def test_the_night_loads_within_a_second() -> None:
    begun = time.process_time()
    names = asyncio.run(OpenMetricsSource(NIGHT / "metrics.om").label_values("__name__", WINDOW))
    assert time.process_time() - begun < 1.0
    assert "redis_connected_clients" in names
    assert "http_requests_total" in names


def test_an_empty_answer_is_an_answer() -> None:
    source = NIGHT_SOURCE
    result = asyncio.run(source.query_range("no_such_metric", WINDOW, timedelta(minutes=1)))
    assert (result.series, result.truncated, result.warnings) == ((), None, ())
    with pytest.raises(QueryRejected):
        asyncio.run(source.query_range("no_such_metric[", WINDOW, timedelta(minutes=1)))


def names_in(window: Window) -> list[str]:
    return asyncio.run(NIGHT_SOURCE.label_values("__name__", window))


def test_metric_names_are_those_with_samples_in_the_window() -> None:
    quiet = Window(start=WINDOW.start, end=WINDOW.start + timedelta(hours=1))
    assert "ALERTS" not in names_in(quiet)
    assert "ALERTS" in names_in(WINDOW)
    later = Window(start=WINDOW.end + timedelta(days=1), end=WINDOW.end + timedelta(days=2))
    assert names_in(later) == []


def test_labels_have_the_values_that_a_selector_leaves() -> None:
    def values(label: str, selector: str | None = None) -> list[str]:
        return asyncio.run(NIGHT_SOURCE.label_values(label, WINDOW, selector))

    assert "gpu-eu-07" in values("node")
    assert values("service", "redis_connected_clients") == ["session-cache"]
    assert "redis_connected_clients" in values("__name__", '{service="session-cache"}')
    assert "training_loss" not in values("__name__", '{service="session-cache"}')
    assert values("no_such_label") == []
    with pytest.raises(QueryRejected, match="not a selector"):
        values("service", "rate(up[5m])")


def test_metadata_is_what_the_file_states_about_its_families(tmp_path: Path) -> None:
    file = tmp_path / "x.om"
    file.write_text(
        "# TYPE took_seconds histogram\n# UNIT took_seconds seconds\n# HELP took_seconds Time.\n"
        'took_seconds_bucket{le="+Inf"} 1 10\ntook_seconds_count 1 10\ntook_seconds_sum 1 10\n'
        "free 1 10\n# EOF\n"
    )
    assert asyncio.run(OpenMetricsSource(file).metadata()) == {
        "took_seconds": MetricMetadata(type="histogram", help="Time.", unit="seconds"),
        "free": MetricMetadata(),
    }


def test_many_questions_at_once_read_the_file_once(monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[Path] = []
    original = Path.read_text

    def counting(path: Path, *args: str, **kwargs: str) -> str:
        read.append(path)
        return original(path, *args, **kwargs)

    monkeypatch.setattr(Path, "read_text", counting)
    source = OpenMetricsSource(NIGHT / "metrics.om")

    async def ask() -> None:
        step = timedelta(minutes=5)
        await asyncio.gather(*(source.query_range("ALERTS", WINDOW, step) for _ in range(8)))

    asyncio.run(ask())
    assert read == [NIGHT / "metrics.om"]


def test_a_link_needs_an_address() -> None:
    assert NIGHT_SOURCE.link("up", WINDOW) is None
    linked = OpenMetricsSource(NIGHT / "metrics.om", link_base="https://prometheus.example/")
    assert linked.link('up{job="a b"}', WINDOW) == (
        "https://prometheus.example/graph?g0.expr=up%7Bjob%3D%22a+b%22%7D&g0.range_input=1d"
        "&g0.end_input=2026-11-12+08%3A00%3A00&g0.tab=0"
    )


def test_a_day_of_rates_takes_no_noticeable_time() -> None:
    source = NIGHT_SOURCE
    asyncio.run(source.label_values("__name__", WINDOW))
    begun = time.process_time()
    result = asyncio.run(
        source.query_range("rate(http_requests_total[5m])", WINDOW, timedelta(minutes=1))
    )
    assert time.process_time() - begun < 0.25
    assert len(result.series) == 24
    assert all(np.isfinite(one.values).all() for one in result.series)
