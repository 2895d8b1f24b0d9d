"""The subset of PromQL on series small enough to compute by hand.

``tests/real/test_prometheus.py`` compares it with a real Prometheus.
"""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from service.metrics.promql_eval import evaluate
from service.metrics.promql_ranges import Samples
from service.metrics.source import QueryRejected, Window

START = datetime(2026, 11, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def series(name: str, *values: float | None, every: int = 60, **labels: str) -> Samples:
    """Samples from START on, one every ``every`` seconds, none where a value is None."""
    times = [
        int((START.timestamp() + index * every) * 1000)
        for index, value in enumerate(values)
        if value is not None
    ]
    numbers = [value for value in values if value is not None]
    return Samples({"__name__": name, **labels}, np.array(times), np.array(numbers, dtype=float))


def answer(
    query: str, *samples: Samples, start: int = 0, end: int = 4, step: timedelta = MINUTE
) -> dict[str, dict[int, float]]:
    """``{labels: {minute: value}}`` at the minutes ``start`` to ``end``."""
    window = Window(start=START + start * MINUTE, end=START + end * MINUTE)
    return {
        ",".join(f"{k}={v}" for k, v in sorted(one.labels.items())): {
            round((time - START.timestamp()) / 60): round(float(value), 9)
            for time, value in zip(one.times, one.values, strict=True)
        }
        for one in evaluate(query, samples, window, step)
    }


UP = series("up", 1, 2, 3, 4, 5, job="a")
DOWN = series("up", 5, 4, 3, 2, 1, job="b")


def test_a_selector_repeats_the_last_sample_for_five_minutes_and_no_longer() -> None:
    found = answer("x", series("x", 7), end=10)
    assert found == {"__name__=x": dict.fromkeys(range(6), 7.0)}


def test_a_label_that_is_absent_matches_the_empty_value() -> None:
    plain, labelled = series("x", 1), series("x", 2, job="a")
    assert list(answer('x{job=""}', plain, labelled, end=0)) == ["__name__=x"]
    assert list(answer('x{job!=""}', plain, labelled, end=0)) == ["__name__=x,job=a"]
    assert list(answer('x{job!="a"}', plain, labelled, end=0)) == ["__name__=x"]


def test_patterns_match_whole_values() -> None:
    samples = [series("x", 1, job=job) for job in ("auth", "auth2", "search")]
    assert list(answer('x{job=~"auth|sea"}', *samples, end=0)) == ["__name__=x,job=auth"]
    assert list(answer('x{job!~"auth.*"}', *samples, end=0)) == ["__name__=x,job=search"]


@pytest.mark.parametrize("pattern", ["(a+)+b", "(|a?){40}\\\\b"])
def test_a_pattern_that_would_backtrack_takes_no_time(pattern: str) -> None:
    """Python's own engine would take longer than the universe for either."""
    query = f"x{{job=~'{pattern}',zone=~'{pattern}'}}"
    assert answer(query, series("x", 1, job="a" * 60), end=0) == {}


def test_an_offset_looks_back_and_a_negative_one_ahead() -> None:
    assert answer("up offset 1m", UP, start=1, end=2)["__name__=up,job=a"] == {1: 1, 2: 2}
    assert answer("up offset -1m", UP, start=1, end=2)["__name__=up,job=a"] == {1: 3, 2: 4}


def test_a_rate_survives_the_restart_of_its_counter() -> None:
    counter = series("c_total", 1000, 1060, 1120, 60, 120)
    # Two minutes hold three samples: 60 a minute, also across the fall from 1120 to 60.
    assert answer("rate(c_total[2m])", counter, start=2) == {"": {2: 1.0, 3: 1.0, 4: 1.0}}
    assert answer("increase(c_total[2m])", counter, start=2) == {"": {2: 120, 3: 120, 4: 120}}
    assert answer("irate(c_total[2m])", counter, start=3) == {"": {3: 1.0, 4: 1.0}}


def test_an_increase_is_extrapolated_to_the_range_but_not_below_zero() -> None:
    counter = series("c_total", None, 10, 20, 30)
    # Samples at 1, 2, 3 min; the range 0..4 min reaches one step beyond them on either side.
    assert answer("increase(c_total[4m])", counter, start=4) == {"": {4: 40.0}}
    counter = series("c_total", None, 5, 15, 25)
    # The counter was zero half a step before its first sample.
    assert answer("increase(c_total[4m])", counter, start=4) == {"": {4: 35.0}}
    # A gauge may well be below zero.
    gauge = series("g", None, 5, 15, 25)
    assert answer("delta(g[4m])", gauge, start=4) == {"": {4: 40.0}}


def test_one_sample_in_a_range_has_no_rate() -> None:
    assert answer("rate(c_total[30s])", series("c_total", 1, 2, 3)) == {}


@pytest.mark.parametrize(
    ("function", "expected"),
    [("avg", 3.0), ("sum", 9.0), ("min", 1.0), ("max", 6.0), ("count", 3.0)],
)
def test_functions_over_time(function: str, expected: float) -> None:
    found = answer(f"{function}_over_time(x[2m])", series("x", 9, 2, 1, 6), start=3, end=3)
    assert found == {"": {3: expected}}


def test_nan_is_left_out_of_min_and_max_and_spoils_a_sum() -> None:
    sick, well = series("x", float("nan"), a="1"), series("x", 2, a="2")
    assert answer("min(x)", sick, well, end=0) == {"": {0: 2.0}}
    assert answer("max(x)", sick, well, end=0) == {"": {0: 2.0}}
    assert np.isnan(answer("sum(x)", sick, well, end=0)[""][0])
    assert answer("max_over_time(x[1m])", sick, end=0)["a=1"].keys() == {0}


def test_aggregation_works_step_by_step_over_gaps() -> None:
    gappy = series("x", None, None, None, None, None, None, 10, a="1")
    steady = series("x", *[1] * 8, a="2")
    assert answer("sum(x)", gappy, steady, start=5, end=7) == {"": {5: 1, 6: 11, 7: 11}}
    assert answer("count(x)", gappy, steady, start=5, end=7) == {"": {5: 1, 6: 2, 7: 2}}
    assert answer("avg(x)", gappy, steady, start=5, end=7) == {"": {5: 1, 6: 5.5, 7: 5.5}}


def test_by_and_without_choose_the_labels() -> None:
    samples = [series("x", 1, a=a, b=b) for a in "12" for b in "34"]
    assert list(answer("sum by (a) (x)", *samples, end=0)) == ["a=1", "a=2"]
    assert list(answer("sum without (a) (x)", *samples, end=0)) == ["b=3", "b=4"]
    assert list(answer("sum by (c) (x)", *samples, end=0)) == [""]


def test_topk_chooses_anew_at_each_step() -> None:
    found = answer("topk(1, up)", UP, DOWN)
    assert found == {
        "__name__=up,job=a": {2: 3, 3: 4, 4: 5},
        "__name__=up,job=b": {0: 5, 1: 4},
    }
    assert answer("topk(0, up)", UP, DOWN) == {}


def test_a_comparison_filters_and_keeps_the_name_while_arithmetic_drops_it() -> None:
    assert answer("up > 3", UP, end=4) == {"__name__=up,job=a": {3: 4, 4: 5}}
    assert answer("3 < up", UP, end=4) == {"__name__=up,job=a": {3: 4, 4: 5}}
    assert answer("up > bool 3", UP, start=2, end=3) == {"job=a": {2: 0, 3: 1}}
    assert answer("1 - up * 2", UP, end=1) == {"job=a": {0: -1, 1: -3}}
    assert answer("-up", UP, end=1) == {"job=a": {0: -1, 1: -2}}


def test_vectors_match_one_to_one_on_their_labels() -> None:
    used = [series("used", 1, region=r, kind="u") for r in ("eu", "us")]
    size = [series("size", 4, region=r, kind="s") for r in ("eu", "ap")]
    assert answer("used / on (region) size", *used, *size, end=0) == {"region=eu": {0: 0.25}}
    assert answer("used / ignoring (kind) size", *used, *size, end=0) == {"region=eu": {0: 0.25}}
    assert answer("used / size", *used, *size, end=0) == {}


def test_scalars_are_drawn_as_a_line_without_labels() -> None:
    assert answer("2 ^ 3 ^ 2 % 10", end=1) == {"": {0: 2, 1: 2}}
    assert answer("1 > bool 2", end=0) == {"": {0: 0}}
    assert answer("time()", end=0) == {"": {0: START.timestamp()}}


def test_division_by_zero_is_infinite_not_an_error() -> None:
    assert answer("up / 0", UP, end=0) == {"job=a": {0: float("inf")}}
    assert np.isnan(answer("0 / 0", end=0)[""][0])


def test_timestamp_tells_when_the_sample_was_written() -> None:
    assert answer("timestamp(x)", series("x", 7), start=3, end=3) == {
        "": {3: START.timestamp()},
    }


@pytest.mark.parametrize(
    ("query", "named"),
    [
        ("histogram_quantile(0.9, up)", "histogram_quantile"),
        ("quantile(0.9, up)", "quantile"),
        ("up and up", "and"),
        ("up or up", "or"),
        ("up / on (job) group_left up", "group_left"),
        ("max_over_time(rate(up[1m])[5m:1m])", "SubqueryExpr"),
        ("up @ 5", "@"),
        ("label_replace(up, 'a', 'b', 'c', 'd')", "label_replace"),
        ("timestamp(up + 1)", "timestamp"),
        ("deriv(up[5m])", "deriv"),
    ],
)
def test_what_is_not_supported_is_named(query: str, named: str) -> None:
    with pytest.raises(QueryRejected, match=f"does not support.*{named}"):
        answer(query, UP)


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        ("sum(", "bad PromQL.*unclosed"),
        ("up[5m]", "range vector"),
        ('"text"', "StringLiteral"),
        ("up / on () up", "several series match"),
        ("up / on (job) {job=~'.+'}", "several series match"),
        ("sum(1)", "expected|needs a vector"),
        ("delta({job='a'}[5m])", "same labelset"),
        ("topk(up, up)", "expected|needs a number"),
        ("up{job=~'(?=a)'}", "illegal regex"),
    ],
)
def test_a_bad_query_is_refused_with_the_reason(query: str, reason: str) -> None:
    with pytest.raises(QueryRejected, match=reason):
        answer(query, UP, DOWN, series("down", 1, 2, job="a"))


def test_windows_and_steps_that_make_no_sense_are_refused() -> None:
    with pytest.raises(QueryRejected, match="step must be positive"):
        answer("up", UP, step=timedelta(0))
    with pytest.raises(QueryRejected, match="ends before it starts"):
        answer("up", UP, start=3, end=2)
    with pytest.raises(QueryRejected, match="11,000"):
        answer("up", UP, end=184, step=timedelta(seconds=1))
