"""A chart out of Debian's Prometheus is the same as out of the file, and has a link."""

import asyncio
from datetime import UTC, datetime

import pytest

from ingest.index import Scope
from service.metrics.catalog import CatalogCache
from service.metrics.openmetrics import OpenMetricsSource
from service.metrics.prometheus import PrometheusSource
from service.metrics.source import MetricsSource
from service.promql import chart_of
from service.queries.answer import QueryAnswer
from service.scope import Vocabulary
from tests.real.conftest import NIGHT

pytestmark = pytest.mark.real


def ask(metrics: MetricsSource, question: str) -> QueryAnswer:
    async def run() -> QueryAnswer:
        try:
            return await chart_of(
                question,
                now=datetime(2026, 11, 12, 7, 30, tzinfo=UTC),
                vocabulary=Vocabulary(),
                retriever=None,
                reader=Scope(),
                metrics=metrics,
                catalogs=CatalogCache(),
            )
        finally:
            await metrics.aclose()

    return asyncio.run(run())


@pytest.mark.parametrize(
    "question",
    [
        "5xx requests of checkout by region last night",
        "GPU temperature by node since midnight",
        "open fds of quota",
    ],
)
def test_a_server_draws_what_the_file_draws(prometheus_night: str, question: str) -> None:
    served = ask(PrometheusSource(prometheus_night), question)
    of_file = ask(OpenMetricsSource(NIGHT / "metrics.om"), question)
    assert served.query is not None
    assert served.query == of_file.query
    assert [one.labels for one in served.series] == [one.labels for one in of_file.series]
    assert served.series
    for one, other in zip(served.series, of_file.series, strict=True):
        assert [p.at for p in one.points] == [p.at for p in other.points]
        assert [p.value for p in one.points] == pytest.approx([p.value for p in other.points])
    assert served.link is not None
    assert served.link.startswith(f"{prometheus_night}/graph?g0.expr=")
