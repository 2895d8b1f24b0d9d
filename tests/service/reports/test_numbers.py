"""How values are written, and that what is written can be checked."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.reports.numbers import format_value, stated_numbers, unit_of


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (0.118, "s", "118 ms"),
        (2.4, "s", "2.4 s"),
        (0.0000031, "s", "3.1 µs"),
        (250.0, "ms", "250 ms"),
        (2400.0, "ms", "2.4 s"),
        (0.0634, "ratio", "6.34 %"),
        (6.34, "%", "6.34 %"),
        (4000.0, None, "4,000"),
        (0.4612, "/s", "0.461/s"),
        (94.0, "°C", "94 °C"),
        (650_000_000.0, "B", "650 MB"),
        (0.0, "/s", "0/s"),
        (0.0, "s", "0 µs"),
        (1234567.8, None, "1,234,568"),
        (0.00001234, None, "0.0000123"),
    ],
)
def test_values_read_as_people_write_them(value: float, unit: str | None, text: str) -> None:
    assert format_value(value, unit) == text


@given(
    value=st.floats(1e-5, 1e12, allow_nan=False),
    unit=st.sampled_from([None, "s", "ms", "ratio", "%", "B", "°C", "/s"]),
)
def test_a_written_value_is_recognised_and_another_one_is_not(
    value: float, unit: str | None
) -> None:
    (stated,) = stated_numbers(f"It rose to {format_value(value, unit)} there.")
    base = value * {"ms": 0.001, "%": 0.01}.get(unit or "", 1.0)
    assert stated.matches([base])
    assert not stated.matches([base * 3, base / 3])


@pytest.mark.parametrize(
    ("metric", "grafana", "rate", "unit"),
    [
        ("service:http_request_duration_seconds:p99", None, False, "s"),
        ("redis_memory_used_bytes", None, False, "B"),
        ("node_cpu_utilisation_ratio", None, False, "ratio"),
        ("http_requests_total", None, True, "/s"),
        ("Error share", "percentunit", False, "ratio"),
        ("redis_connected_clients", "short", False, None),
    ],
)
def test_a_unit_comes_from_the_panel_or_from_the_name(
    metric: str, grafana: str | None, rate: bool, unit: str | None
) -> None:
    assert unit_of(metric, grafana, rate=rate) == unit
