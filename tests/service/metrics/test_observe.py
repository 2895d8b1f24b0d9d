"""What is seen of the metrics when a part of them can't be asked."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import parse_qs

import httpx

from ingest.documents import SourceKind
from service.metrics.catalog import CatalogCache
from service.metrics.observe import Observation, ObservePolicy, asked_window, observe
from service.metrics.plan import Leads
from service.metrics.prometheus import PrometheusSource
from service.metrics.signals import SignalPolicy
from service.metrics.source import Window
from service.metrics.usage import Rule, Usage, Use
from service.scope import QuestionScope

START = datetime(2026, 11, 12, 1, tzinfo=UTC)
SCOPE = QuestionScope(
    window=Window(start=START, end=START + timedelta(hours=2)), reason="", as_of=START
)
POLICY = ObservePolicy()


class Server:
    """A Prometheus with ``names``, whose alert ``Slow`` fires; ``gone`` after so many requests."""

    def __init__(self, *names: str) -> None:
        self.names = names
        self.queries: list[str] = []
        self.gone = False
        self.requests = 0

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests += 1
        if self.gone:
            raise httpx.ConnectError("refused")
        path = request.url.path
        if path.endswith("query_range"):
            query = parse_qs(request.content.decode())["query"][0]
            self.queries.append(query)
            moments = [START.timestamp() + 60 * n for n in range(60)]
            rows = [[moment, str(moment)] for moment in moments]
            fires = {"metric": {"alertname": "Slow"}, "values": rows}
            result = [fires] if query.startswith("timestamp(ALERTS") else []
            data: object = {"resultType": "matrix", "result": result}
        elif path.endswith("/metadata"):
            data = {}
        else:
            data = list(self.names) if "/__name__/" in path else []
        return httpx.Response(200, json={"status": "success", "data": data})


def observed(
    server: Server, leads: Leads, cache: CatalogCache, policy: ObservePolicy = POLICY
) -> Observation:
    async def look() -> Observation:
        source = PrometheusSource("http://prom", transport=httpx.MockTransport(server))
        served = await cache.of(source, asked_window(SCOPE.window, policy))
        try:
            return await observe(
                source, SCOPE, leads, served, policy=policy, signal_policy=SignalPolicy()
            )
        finally:
            await source.aclose()

    return asyncio.run(look())


def test_what_the_rule_of_a_firing_alert_watches_is_asked_before_the_scan() -> None:
    use = Use(kind=SourceKind.ALERTS, document_id="a", title="Slow", url=None, written_at=None)
    rules = {"Slow": (Rule(alert="Slow", expression="latency / target > 2", use=use),)}
    server = Server("aardvark", "latency")
    observed(server, Leads(usage=Usage(rules=rules)), CatalogCache())
    _alerts, first, *rest = server.queries
    assert first == "latency / target"
    assert rest == ["latency", "aardvark"]


def test_a_source_that_is_gone_is_told_once_though_its_catalog_is_known(tmp_path: Path) -> None:
    server = Server(*(f"metric_{n}" for n in range(100)))
    observed(server, Leads(), CatalogCache(directory=tmp_path))
    server.gone = True
    server.requests = 0
    found = observed(server, Leads(), CatalogCache(directory=tmp_path))
    assert not found.reached
    (line,) = found.missing
    assert line.startswith("metrics: Prometheus at http://prom is not available: no connection")
    assert server.requests < 20


def test_the_report_hears_of_an_old_catalog_and_of_what_was_not_asked() -> None:
    now = START
    cache = CatalogCache(clock=lambda: now)
    server = Server("a", "b", "c")
    policy = POLICY.model_copy(update={"queries": 2})
    first = observed(server, Leads(), cache, policy)
    assert first.missing == ("1 of 3 queries were not asked: 1 of other metrics",)
    assert first.queries == 2

    now += timedelta(hours=1)
    names, server.names = server.names, ()
    server.gone = True

    async def look() -> Observation:
        source = PrometheusSource("http://prom", transport=httpx.MockTransport(server))
        served = await cache.of(source, asked_window(SCOPE.window, policy))
        server.gone, server.names = False, names
        return await observe(
            source, SCOPE, Leads(), served, policy=policy, signal_policy=SignalPolicy()
        )

    stale = asyncio.run(look())
    assert stale.reached
    assert stale.missing[0].startswith("the list of metrics is 60 minutes old: Prometheus at")
