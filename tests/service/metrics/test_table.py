"""Series of many answers side by side."""

import numpy as np

from service.metrics.kinds import MetricKind
from service.metrics.source import Series
from service.metrics.table import Observed, table_of


def observed(metric: str, times: list[float], **labels: str) -> Observed:
    return Observed(metric, Series(labels, np.array(times), np.array(times) * 10))


def test_series_on_different_times_are_aligned_and_gaps_are_no_numbers() -> None:
    table = table_of(
        [observed("up", [1, 2], service="a"), observed("up", [2, 3], service="b")], None
    )
    np.testing.assert_array_equal(table.times, [1, 2, 3])
    np.testing.assert_array_equal(table.values, [[10, 20, np.nan], [np.nan, 20, 30]])
    assert table.services == ("a", "b")


def test_only_the_region_that_is_asked_and_what_has_none_is_in_it() -> None:
    rows = [
        observed("up", [1], service="a", region="eu-west"),
        observed("up", [1], service="b", region="us-east"),
        observed("up", [1], service="c"),
        observed("up", [1], color="red"),
    ]
    assert table_of(rows, "eu-west").services == ("a", "c")
    assert table_of(rows, None).services == ("a", "b", "c")


def test_requests_that_failed_are_of_another_kind_than_those_that_did_not() -> None:
    rows = [
        observed("http_requests_total", [1], service="a", code="200"),
        observed("http_requests_total", [1], service="a", code="500"),
    ]
    assert table_of(rows, None).kinds == (MetricKind.TRAFFIC, MetricKind.ERRORS)


def test_nothing_seen_is_an_empty_table() -> None:
    assert table_of([], None).values.shape == (0, 0)
