"""The sample night in Debian's Prometheus: the file source agrees with it, and errors are told."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import TypeVar

import httpx
import numpy as np
import pytest

from service.metrics.openmetrics import OpenMetricsSource
from service.metrics.prometheus import PrometheusSource
from service.metrics.prometheus_bounds import MOST_STEPS
from service.metrics.source import (
    MetricsSource,
    MetricsUnavailable,
    QueryRejected,
    RangeResult,
    Window,
)
from service.testing.prometheus import free_port
from tests.real.conftest import NIGHT

pytestmark = pytest.mark.real

T = TypeVar("T")

WHOLE_NIGHT = Window(
    start=datetime(2026, 11, 11, 8, tzinfo=UTC), end=datetime(2026, 11, 12, 8, tzinfo=UTC)
)
# Starts and steps off the grid of the samples, and begins and ends where there is nothing.
ODD = Window(
    start=datetime(2026, 11, 11, 7, 51, 13, 500_000, tzinfo=UTC),
    end=datetime(2026, 11, 12, 8, 11, 7, tzinfo=UTC),
)
INCIDENT = Window(
    start=datetime(2026, 11, 12, 0, 30, tzinfo=UTC), end=datetime(2026, 11, 12, 3, 40, tzinfo=UTC)
)
P99 = "service:http_request_duration_seconds:p99"
FAILED = 'rate(http_requests_total{code="5xx"}[5m])'

EXPRESSIONS = [
    # selectors
    "redis_connected_clients",
    f'{P99}{{service="auth",region=~"eu-.*|us-east"}}',
    f'{P99}{{service!~"auth|checkout",region!="ap-south"}}',
    P99 + r'{region=~"\\pL+-\\pL+"}',  # as RE2 writes it
    f'{P99}{{region=~"(e|eu|u|-|w|we|est?)+"}}',  # Python's engine backtracks
    'process_open_fds{cluster=""}',
    '{__name__=~"redis_.*",region="eu-west"}',
    "redis_connected_clients offset 37m",
    "redis_connected_clients offset -90s",
    'ALERTS{alertstate="firing"}',
    "timestamp(ALERTS)",
    "no_such_metric",
    # over ranges
    "rate(http_requests_total[5m])",
    'rate(http_requests_total{service="storefront",region="eu-west"}[4m])',
    "increase(redis_rejected_connections_total[1h])",
    "increase(http_requests_total[2m])",
    "irate(http_requests_total[7m])",
    "delta(redis_connected_clients[10m])",
    'rate(http_requests_total{service="checkout"}[6m] offset 1h)',
    f"avg_over_time({P99}[1h])",
    "max_over_time(DCGM_FI_DEV_GPU_TEMP[15m])",
    "min_over_time(training_tokens_per_second[30m])",
    "sum_over_time(kafka_consumergroup_lag[9m])",
    "count_over_time(ALERTS[10m])",
    # aggregation
    "sum(rate(http_requests_total[5m]))",
    "sum by (service, code) (rate(http_requests_total[5m]))",
    "sum without (code, region) (rate(http_requests_total[5m]))",
    f"avg by (region) ({P99})",
    f"min without (service) ({P99})",
    f"max by (nothing) ({P99})",
    "count by (severity) (ALERTS)",
    "topk(3, rate(http_requests_total[5m]))",
    f"topk by (region) (1, {P99})",
    # operators
    f"sum by (service, region) ({FAILED}) / sum by (service, region) "
    "(rate(http_requests_total[5m]))",
    f'{FAILED} / ignoring(code) rate(http_requests_total{{code="2xx"}}[5m])',
    f"{P99} / on (service, region) avg_over_time({P99}[1h])",
    "redis_connected_clients / redis_config_maxclients > 0.8",
    "redis_connected_clients >= bool redis_config_maxclients",
    f"{P99} > ignoring(x) avg_over_time({P99}[1h]) * 1.5",
    f"0.5 < {P99}",
    f'-{P99}{{service="auth"}} ^ 2 % 0.01 + 1',
    "redis_rejected_connections_total / redis_rejected_connections_total",
    "2 * 3 > bool 5",
    "time() - timestamp(training_loss)",
    "training_tokens_per_second < 0.97 * avg_over_time(training_tokens_per_second[6h])",
    "count(max by (node) (max_over_time(DCGM_FI_DEV_XID_ERRORS[1h])) == 0)",
]


def from_file() -> OpenMetricsSource:
    return OpenMetricsSource(NIGHT / "metrics.om", NIGHT / "annotations.json")


def asked(url: str, question: Callable[[PrometheusSource], Awaitable[T]]) -> T:
    async def ask() -> T:
        source = PrometheusSource(url, annotations_path=NIGHT / "annotations.json")
        try:
            return await question(source)
        finally:
            await source.aclose()

    return asyncio.run(ask())


FILE = from_file()


async def _awaited(answer: Awaitable[T]) -> T:
    return await answer


def assert_same(found: RangeResult, expected: RangeResult) -> None:
    """The same label sets with samples at the same steps, values within 1e-9."""
    assert [one.labels for one in found.series] == [one.labels for one in expected.series]
    for ours, real in zip(found.series, expected.series, strict=True):
        told = str(real.labels)
        np.testing.assert_array_equal(ours.times, real.times, err_msg=told)
        np.testing.assert_allclose(ours.values, real.values, rtol=1e-9, atol=0, err_msg=told)


@pytest.mark.parametrize("query", EXPRESSIONS)
def test_the_file_source_answers_as_prometheus_does(prometheus_night: str, query: str) -> None:
    async def compare(prometheus: PrometheusSource) -> None:
        for window, seconds in ((WHOLE_NIGHT, 300), (ODD, 97), (INCIDENT, 30)):
            step = timedelta(seconds=seconds)
            real = await prometheus.query_range(query, window, step)
            ours = await FILE.query_range(query, window, step)
            assert real.truncated is None
            if window is WHOLE_NIGHT:
                nothing = query == "no_such_metric"
                assert nothing == (not real.series), "an expression that tests nothing"
            assert_same(ours, real)

    asked(prometheus_night, compare)


@pytest.mark.parametrize(
    "query",
    [
        "sum(",
        "rate(redis_connected_clients)",
        "redis_connected_clients[5m]",
        f"rate({P99}[5m]) / on (region) rate(http_requests_total[5m])",
        f"{P99} > on (region) 2 * {P99}",
        'rate({__name__=~"redis_.*"}[5m])',
        'ALERTS{alertstate=~"("}',
    ],
)
def test_both_refuse_the_same_queries(prometheus_night: str, query: str) -> None:
    step = timedelta(minutes=5)
    with pytest.raises(QueryRejected):
        asked(prometheus_night, lambda source: source.query_range(query, INCIDENT, step))
    with pytest.raises(QueryRejected):
        asyncio.run(FILE.query_range(query, INCIDENT, step))


def test_the_bound_on_points_is_prometheus_own_to_the_step(prometheus_night: str) -> None:
    every = timedelta(seconds=5)
    fits, too_long = (
        Window(start=INCIDENT.start, end=INCIDENT.start + steps * every)
        for steps in (MOST_STEPS, MOST_STEPS + 1)
    )

    async def ask(window: Window) -> tuple[int, str]:
        """What Prometheus itself says, and what the source does."""
        times = {"start": window.start.timestamp(), "end": window.end.timestamp(), "step": 5}
        async with httpx.AsyncClient(base_url=prometheus_night) as client:
            real = await client.get("/api/v1/query_range", params={"query": "time()", **times})
        source = PrometheusSource(prometheus_night)
        try:
            (series,) = (await source.query_range("time()", window, every)).series
        except QueryRejected as error:
            return real.status_code, str(error)
        finally:
            await source.aclose()
        return real.status_code, f"{len(series.times):,} points"

    assert asyncio.run(ask(fits)) == (200, "11,001 points")
    status, reason = asyncio.run(ask(too_long))
    assert status == 400
    assert "more than 11,000 points per series" in reason
    (series,) = asyncio.run(FILE.query_range("time()", fits, every)).series
    assert len(series.times) == 11_001
    with pytest.raises(QueryRejected, match="11,000 points"):
        asyncio.run(FILE.query_range("time()", too_long, every))


def test_bad_promql_is_refused_with_the_servers_reason(prometheus_night: str) -> None:
    with pytest.raises(QueryRejected, match=r"refused `sum.up`: .*parse error"):
        asked(
            prometheus_night,
            lambda source: source.query_range("sum(up", INCIDENT, timedelta(minutes=1)),
        )


def test_names_alerts_and_changes_agree(prometheus_night: str) -> None:
    questions: list[Callable[[MetricsSource], Awaitable[Sequence[object]]]] = [
        lambda source: source.label_values("__name__", WHOLE_NIGHT),
        lambda source: source.label_values("service", WHOLE_NIGHT),
        lambda source: source.label_values("__name__", WHOLE_NIGHT, '{service="session-cache"}'),
        lambda source: source.label_values(
            "region", WHOLE_NIGHT, 'http_requests_total{code!~"2.."}'
        ),
        lambda source: source.alerts(WHOLE_NIGHT),
        lambda source: source.alerts(INCIDENT),
        lambda source: source.changes(WHOLE_NIGHT),
    ]
    for question in questions:
        answer = asked(prometheus_night, question)
        assert answer
        assert answer == asyncio.run(_awaited(question(FILE)))


def names(source: PrometheusSource) -> Awaitable[list[str]]:
    return source.label_values("__name__", INCIDENT)


def test_a_wrong_path_is_told_from_a_server_that_is_down(prometheus_night: str) -> None:
    with pytest.raises(MetricsUnavailable, match="no Prometheus API at this address"):
        asked(f"{prometheus_night}/grafana", names)
    with pytest.raises(MetricsUnavailable, match="no connection"):
        asked(
            f"http://127.0.0.1:{free_port()}",
            names,
        )


def test_the_link_opens_the_servers_graph_page(prometheus_night: str) -> None:
    source = PrometheusSource(prometheus_night)
    link = source.link('rate(http_requests_total{code="5xx"}[5m])', INCIDENT)
    asyncio.run(source.aclose())
    assert link is not None
    # Debian's build redirects to its own page, with the query kept.
    page = httpx.get(link, follow_redirects=True)
    assert page.status_code == 200
    assert page.url.params["g0.expr"] == 'rate(http_requests_total{code="5xx"}[5m])'
    assert page.url.params["g0.range_input"] == "3h10m"
