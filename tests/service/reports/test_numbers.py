"""How values are written, and that what is written can be checked."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.reports.numbers import format_value, in_base_unit, in_digits, stated_numbers, unit_of


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
    base, base_unit = in_base_unit(value, unit)
    assert stated.matches(base, base_unit)
    assert not stated.matches(base * 3, base_unit)
    assert not stated.matches(base / 3, base_unit)


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


@pytest.mark.parametrize(
    ("words", "digits"),
    [
        ("forty-fold", "40-fold"),
        ("rose tenfold, to four thousand", "rose 10-fold, to 4000"),
        ("two to four minutes", "2 to 4 minutes"),
        ("four hundred and twenty-one", "421"),
        ("1.5 million", "1500000.0"),
        ("doubled", "rose 2-fold"),
        ("one of its clients", "one of its clients"),
    ],
)
def test_numbers_in_words_are_numbers(words: str, digits: str) -> None:
    assert in_digits(words) == digits


@pytest.mark.parametrize(
    ("stated", "value", "unit", "same"),
    [
        ("4,256", 4256.0, None, True),
        ("4,256 s", 4256.0, None, False),
        ("38 per second", 38.0, "/s", True),
        ("38 s", 38.0, "/s", False),
        ("2 percent", 0.0206, "ratio", True),
        ("2.06", 0.0206, "ratio", False),
        ("3 s", 3.245, "s", True),
        ("1 s", 1.4, "s", False),
        ("0 %", 0.0004, "ratio", False),
        ("0 %", 0.0, "ratio", True),
    ],
)
def test_a_number_has_its_own_unit_and_is_rounded_by_a_tenth_at_most(
    stated: str, value: float, unit: str | None, same: bool
) -> None:
    (number,) = stated_numbers(stated)
    assert number.matches(value, unit) is same
