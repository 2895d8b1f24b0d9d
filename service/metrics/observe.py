"""Ask the metrics: alerts, changes, panels' queries and a scan of all metrics → Observation.

The I/O of the metrics half. Retrieved panels are asked first, because knowledge knows which
ratio matters; then every metric that no panel query selects plainly is scanned, so that a
metric nobody drew is still seen. Each query may fail on its own: what failed is listed, in
words, and the rest is used.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Mapping, Sequence
from datetime import timedelta
from typing import TypeVar

from pydantic import ConfigDict

from ingest.documents import Frozen
from service.metrics.labels import component_of, region_of
from service.metrics.panels import PanelQuery, selection_of
from service.metrics.signals import Signal, SignalPolicy, signals_of
from service.metrics.source import (
    Alert,
    Change,
    MetricsError,
    MetricsSource,
    QueryRejected,
    RangeResult,
    Series,
    Window,
)
from service.metrics.table import Observed

T = TypeVar("T")


class ObservePolicy(Frozen):
    """Bounds of one observation."""

    points: int = 720
    """Samples per series that a window is divided into, at most."""
    least_step: timedelta = timedelta(seconds=60)
    queries: int = 300
    """Queries per observation, at most."""
    concurrency: int = 8
    before: timedelta = timedelta(hours=3)
    """How much past before the window is fetched for baselines."""


class Observation(Frozen):
    """What was seen. ``missing`` says in words what could not be; ``reached`` is False when
    nothing could be asked at all, which is not the same as nothing having happened."""

    model_config = ConfigDict(arbitrary_types_allowed=True)

    source: str
    window: Window
    step: timedelta
    reached: bool
    signals: tuple[Signal, ...] = ()
    alerts: tuple[Alert, ...] = ()
    changes: tuple[Change, ...] = ()
    missing: tuple[str, ...] = ()
    queries: int = 0
    samples: tuple[Observed, ...] = ()
    """Every series that was asked, with its history."""
    components: tuple[str, ...] = ()
    """Everything that has metrics here, whether it changed or not."""
    regions: tuple[str, ...] = ()


def step_for(window: Window, policy: ObservePolicy) -> timedelta:
    """A step in whole minutes such that window and history have at most ``points`` samples."""
    seconds = (window.duration + policy.before).total_seconds() / policy.points
    return max(policy.least_step, timedelta(minutes=-(-seconds // 60)))


def unobserved(window: Window, reason: str) -> Observation:
    """The observation of someone who has no metrics."""
    return Observation(
        source="no metrics",
        window=window,
        step=timedelta(minutes=1),
        reached=False,
        missing=(reason,),
    )


async def observe(
    source: MetricsSource,
    window: Window,
    panels: Sequence[PanelQuery],
    *,
    policy: ObservePolicy,
    signal_policy: SignalPolicy,
) -> Observation:
    """Everything the metrics say about a window. Never raises a MetricsError."""
    step = step_for(window, policy)
    asked = Window(start=window.start - policy.before, end=window.end)
    missing: list[str] = []
    try:
        names = await source.metric_names(asked)
    except MetricsError as error:
        return unobserved(window, f"metrics: {error}")
    alerts, changes = await asyncio.gather(
        _or_empty(source.alerts(window), "alerts", missing),
        _or_empty(source.changes(asked), "deployments and annotations", missing),
    )
    plan = plan_queries(panels, names, step)
    if len(plan) > policy.queries:
        missing.append(f"{len(plan) - policy.queries} of {len(plan)} queries were not asked")
        plan = plan[: policy.queries]
    gate = asyncio.Semaphore(policy.concurrency)

    async def ask(item: PlannedQuery) -> RangeResult | None:
        async with gate:
            try:
                return await source.query_range(item.query, asked, step)
            except QueryRejected as error:
                if item.panel is None:  # a panel may well hold what this source cannot answer
                    missing.append(f"query refused: {error}")
            except MetricsError as error:
                missing.append(f"{item.query}: {error}")
            return None

    answers = await asyncio.gather(*(ask(item) for item in plan))
    signals: dict[tuple[object, ...], Signal] = {}
    samples: list[Observed] = []
    components: set[str | None] = set()
    regions: set[str | None] = set()
    for item, answer in zip(plan, answers, strict=True):
        if answer is None:
            continue
        if answer.truncated:
            missing.append(f"{item.query}: {answer.truncated}")
        missing.extend(f"{item.query}: {warning}" for warning in answer.warnings)
        for series in answer.series:
            labelled = Series(item.labels | series.labels, series.times, series.values)
            samples.append(Observed(item.metric, labelled))
            components.add(component_of(labelled.labels))
            regions.add(region_of(labelled.labels))
            for signal in signals_of(
                labelled,
                query=item.of(series.labels),
                metric=item.metric,
                title=item.title_for(labelled.labels),
                unit=item.unit,
                within=window,
                asked=asked,
                step=step,
                policy=signal_policy,
                counted_over=item.counted_over,
                url=source.link(item.of(series.labels), asked),
                panel_document=None if item.panel is None else item.panel.document_id,
            ):
                key = (item.metric, tuple(sorted(signal.labels.items())), signal.onset)
                signals.setdefault(key, signal)
    return Observation(
        source=source.name,
        window=window,
        step=step,
        reached=True,
        signals=tuple(sorted(signals.values(), key=lambda s: (s.onset, s.query))),
        alerts=tuple(alerts),
        changes=tuple(changes),
        missing=tuple(dict.fromkeys(missing)),
        queries=len(plan),
        samples=tuple(samples),
        components=tuple(sorted(filter(None, components))),
        regions=tuple(sorted(filter(None, regions))),
    )


class PlannedQuery(Frozen):
    """A query to ask, and what is known about it before it is."""

    query: str
    metric: str
    titles: tuple[tuple[str, dict[str, str]], ...]
    """Titles of the panels that draw it, each with the labels that its panel fixes."""
    unit: str | None
    labels: dict[str, str]
    panel: PanelQuery | None
    selector: str | None = None
    """For a scan: the query with ``%s`` in place of the matchers."""
    counted_over: timedelta | None = None
    """For the rate of a counter: its window."""

    def title_for(self, labels: Mapping[str, str]) -> str:
        """What to call one series: the title of a panel that is about it, else the metric.

        "Checkout latency" draws ``latency{service="checkout"}`` and names no other service's.
        """
        for title, fixed in self.titles:
            if self.selector is None or (fixed and fixed.items() <= labels.items()):
                return title
        return self.metric

    def of(self, labels: Mapping[str, str]) -> str:
        """The query for one series of the answer: what a reader opens and a check asks again."""
        if self.selector is None:
            return self.query
        matchers = ",".join(
            f"{name}={json.dumps(value, ensure_ascii=False)}"
            for name, value in sorted(labels.items())
            if name != "__name__"
        )
        return self.selector % (f"{{{matchers}}}" if matchers else "")


def plan_queries(
    panels: Sequence[PanelQuery], names: Sequence[str], step: timedelta
) -> list[PlannedQuery]:
    """Panels' queries first, then a scan of the metrics that none of them reads plainly.

    A scanned metric takes title and unit from the first panel that draws it. Counters are asked
    as rates; Prometheus' own bookkeeping (``ALERTS``, ``up``, ``scrape_…``) is left out.
    """
    plan: dict[str, PlannedQuery] = {}
    drawn: dict[str, list[tuple[PanelQuery, dict[str, str]]]] = {}
    for panel in panels:
        selection = selection_of(panel.query)
        if selection is None or any(name.startswith("ALERTS") for name in selection.metrics):
            continue
        if selection.plain:
            # The scan asks for the same samples with all their labels: a panel's sum would
            # hide which region it was.
            drawn.setdefault(selection.metrics[0], []).append((panel, selection.labels))
            continue
        plan.setdefault(
            panel.query,
            PlannedQuery(
                query=panel.query,
                metric=panel.title,
                titles=((panel.title, {}),),
                unit=panel.unit,
                labels=selection.labels,
                panel=panel,
            ),
        )
    rate_window = max(timedelta(minutes=5), 4 * step)
    window = f"{int(rate_window.total_seconds())}s"
    for name in names:
        if name in ("ALERTS", "ALERTS_FOR_STATE", "up") or name.startswith("scrape_"):
            continue
        if name.endswith(("_bucket", "_created")):
            continue
        counter = name.endswith("_total")
        selector = f"rate({name}%s[{window}])" if counter else f"{name}%s"
        query = selector % ""
        drawings = drawn.get(name, [])
        plan.setdefault(
            query,
            PlannedQuery(
                query=query,
                metric=name,
                titles=tuple((panel.title, fixed) for panel, fixed in drawings),
                unit=drawings[0][0].unit if drawings else None,
                labels={},
                panel=drawings[0][0] if drawings else None,
                selector=selector,
                counted_over=rate_window if counter else None,
            ),
        )
    return list(plan.values())


async def _or_empty(awaitable: Awaitable[list[T]], what: str, missing: list[str]) -> list[T]:
    try:
        return await awaitable
    except MetricsError as error:
        missing.append(f"{what}: {error}")
        return []
