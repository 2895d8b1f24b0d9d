"""Which panels and alert rules use which metric."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from ingest.documents import AlertRuleFacts, Chunk, PanelFacts
from service.metrics.usage import Usage, UsageCache, usage_of
from tests.ingest.index.builders import chunk

DAY = datetime(2026, 11, 12, tzinfo=UTC)
METRICS = ("errors_total", "latency", "up")


def panel(name: str, *queries: str, written_at: datetime | None = None) -> Chunk:
    facts = PanelFacts(dashboard_uid="d", dashboard="D", panel=name, queries=queries)
    return chunk(
        f"dashboards/{name}", title=name, kind="dashboards", facts=facts, written_at=written_at
    )


def rule(place: str, name: str, expression: str) -> Chunk:
    facts = AlertRuleFacts(alert=name, expression=expression)
    return chunk(f"alerts/{place}", title=name, kind="alerts", facts=facts)


CHUNKS = [
    panel("one", 'latency{service="$service", path="/errors_total"}', "sum(rate(other[5m]))"),
    panel("two", "rate(errors_total[$__rate_interval]) / latency", written_at=DAY),
    rule("warning", "Slow", "latency > 1"),
    rule("critical", "Slow", "latency > 5"),
    chunk("runbooks/x"),
]


def titles(usage: Usage) -> dict[str, list[str]]:
    return {metric: [use.title for use in uses] for metric, uses in usage.metrics.items()}


def test_a_metric_knows_the_panels_and_rules_that_read_it() -> None:
    usage = usage_of([*CHUNKS, CHUNKS[0]], METRICS)
    assert titles(usage) == {"errors_total": ["two"], "latency": ["one", "two", "Slow", "Slow"]}
    assert [rule.expression for rule in usage.rules["Slow"]] == ["latency > 1", "latency > 5"]


def test_what_was_written_later_or_is_excluded_is_not_known() -> None:
    usage = usage_of(CHUNKS, METRICS)
    before = usage.visible(DAY - timedelta(days=1), ())
    assert titles(before) == {"latency": ["one", "Slow", "Slow"]}
    hidden = ("alerts/warning", "alerts/critical", "dashboards/one")
    without = usage.visible(DAY, hidden)
    assert titles(without) == {"errors_total": ["two"], "latency": ["two"]}
    assert without.rules == {}


def test_each_audience_has_its_own_for_a_while() -> None:
    now = DAY
    reads: list[str] = []
    cache = UsageCache(clock=lambda: now)

    def of(audience: str, metrics: tuple[str, ...] = METRICS) -> dict[str, list[str]]:
        async def read() -> Sequence[Chunk]:
            reads.append(audience)
            return CHUNKS if audience == "ops" else []

        return titles(asyncio.run(cache.of((audience,), metrics, read)))

    assert of("ops")
    assert of("everyone") == {}
    assert of("ops")
    assert reads == ["ops", "everyone"]
    assert of("ops", ("up",)) == {}
    now += timedelta(minutes=11)
    assert of("everyone") == {}
    assert reads == ["ops", "everyone", "ops", "everyone"]
