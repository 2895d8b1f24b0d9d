"""The sample night behind a Grafana: the same answers as from Prometheus itself."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import TypeVar

import httpx
import pytest

from service.metrics.catalog import Catalog, CatalogCache
from service.metrics.grafana import GrafanaSource
from service.metrics.prometheus import PrometheusSource
from service.metrics.source import MetricsSource, QueryRejected, RangeResult
from service.testing import FakeGrafana
from tests.real.conftest import NIGHT
from tests.real.test_prometheus import EXPRESSIONS, INCIDENT, ODD, WHOLE_NIGHT, assert_same

pytestmark = pytest.mark.real

T = TypeVar("T")
TOKEN = "glsa_made_up"  # noqa: S105


def both(url: str, question: Callable[[MetricsSource], Awaitable[T]]) -> tuple[T, T]:
    """The answers of Grafana and of Prometheus."""

    async def ask() -> tuple[T, T]:
        fake = FakeGrafana(token=TOKEN, prometheus_url=url, annotations=NIGHT / "annotations.json")
        grafana = GrafanaSource("http://grafana", TOKEN, transport=httpx.ASGITransport(fake))
        prometheus = PrometheusSource(url, annotations_path=NIGHT / "annotations.json")
        try:
            return await question(grafana), await question(prometheus)
        finally:
            await grafana.aclose()
            await prometheus.aclose()

    return asyncio.run(ask())


def test_series_are_the_same_through_grafanas_proxy(prometheus_night: str) -> None:
    async def ask(source: MetricsSource) -> list[RangeResult]:
        return [
            await source.query_range(query, window, timedelta(seconds=seconds))
            for query in EXPRESSIONS
            for window, seconds in ((WHOLE_NIGHT, 300), (ODD, 97))
        ]

    ours, real = both(prometheus_night, ask)
    assert sum(len(result.series) for result in ours) > 100
    for one, other in zip(ours, real, strict=True):
        assert_same(one, other)


def test_names_and_alerts_and_changes_are_the_same(prometheus_night: str) -> None:
    names, expected_names = both(
        prometheus_night, lambda s: s.label_values("__name__", WHOLE_NIGHT)
    )
    assert len(names) > 10
    assert names == expected_names
    alerts, expected_alerts = both(prometheus_night, lambda s: s.alerts(WHOLE_NIGHT))
    assert len(alerts) >= 3
    assert alerts == expected_alerts
    changes, expected_changes = both(prometheus_night, lambda s: s.changes(WHOLE_NIGHT))
    assert len(changes) >= 3
    assert [c.model_copy(update={"url": None}) for c in changes] == expected_changes
    assert all(change.url for change in changes)


def test_a_catalog_is_the_same_through_grafanas_proxy(prometheus_night: str) -> None:
    async def ask(source: MetricsSource) -> Catalog:
        cache = CatalogCache()
        known = (await cache.of(source, INCIDENT)).catalog
        return await cache.with_components(source, known, ["session-cache"])

    ours, real = both(prometheus_night, ask)
    assert "redis_connected_clients" in ours.of_component["session-cache"]
    assert "gpu-eu-07" in ours.components
    assert ours.missing == ()
    kept = {"source": real.source, "fetched_at": real.fetched_at}
    assert ours.model_copy(update=kept) == real


def test_refusals_are_prometheus_own(prometheus_night: str) -> None:
    with pytest.raises(QueryRejected, match=r"refused `sum.up`: .*parse error"):
        both(prometheus_night, lambda s: s.query_range("sum(up", INCIDENT, timedelta(minutes=1)))


def test_data_frames_hold_the_same_samples(prometheus_night: str) -> None:
    query = "rate(http_requests_total[5m])"
    step = timedelta(minutes=5)

    async def ask(source: MetricsSource) -> RangeResult:
        if isinstance(source, GrafanaSource):
            (prom,) = await source.api.data_sources()
            results = await source.api.query(
                prom, {"good": query, "bad": "sum("}, WHOLE_NIGHT, step
            )
            assert isinstance(results["bad"], QueryRejected)
            assert isinstance(results["good"], RangeResult)
            return results["good"]
        return await source.query_range(query, WHOLE_NIGHT, step)

    ours, real = both(prometheus_night, ask)
    assert len(ours.series) > 10
    assert_same(ours, real)
