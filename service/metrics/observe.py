"""Ask the metrics: alerts, changes and the planned queries → Observation.

The I/O of the metrics half; ``plan`` has what is asked, and in which order. Each query may fail
on its own: what failed is listed, in words, and the rest is used.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from datetime import timedelta
from time import monotonic
from typing import Any, TypeVar

from pydantic import ConfigDict

from ingest.documents import Frozen
from service.metrics.alert_rules import rule_query
from service.metrics.catalog import Served
from service.metrics.labels import component_of, region_of
from service.metrics.plan import Leads, PlannedQuery, plan_queries
from service.metrics.seasons import Season, SeasonPolicy, earlier_windows, season_of, series_of
from service.metrics.signals import Signal, SignalPolicy, signals_of, worth_examining
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
from service.scope import QuestionScope

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
    behind: timedelta = timedelta(minutes=3)
    """Where the newest value of a source is older than this and a step, it is said."""
    seasons: SeasonPolicy = SeasonPolicy()


class Observation(Frozen):
    """What was seen. ``missing`` says in words what could not be; ``reached`` is False when
    nothing could be asked at all, which is not the same as nothing having happened."""

    model_config = ConfigDict(arbitrary_types_allowed=True)

    source: str
    window: Window
    step: timedelta
    reached: bool
    signals: tuple[Signal, ...] = ()
    usual: tuple[Season, ...] = ()
    """Changes that these series make at that hour anyway; none of them is among the signals."""
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


def asked_window(window: Window, policy: ObservePolicy) -> Window:
    """The window and the past that its baselines are taken from."""
    return Window(start=window.start - policy.before, end=window.end)


def with_rules_of(
    alerts: Sequence[Alert], leads: Leads, scope: QuestionScope, step: timedelta
) -> Leads:
    """With what the rules of these alerts watch, before that of rules that were only found."""
    firing = [
        query
        for name in dict.fromkeys(alert.name for alert in alerts)
        for rule in leads.usage.rules.get(name, ())
        if (query := rule_query(rule, scope=scope, step=step)) is not None
    ]
    return leads.model_copy(update={"rules": (*firing, *leads.rules)})


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
    scope: QuestionScope,
    leads: Leads,
    served: Served,
    *,
    policy: ObservePolicy,
    signal_policy: SignalPolicy,
    seconds: float | None = None,
) -> Observation:
    """Everything the metrics say about the scope's window. Never raises a MetricsError.

    A query without an answer after ``seconds`` is given up and the others are used; earlier days
    get a quarter of that on top.
    """
    began = monotonic()
    window = scope.window
    step = step_for(window, policy)
    asked = asked_window(window, policy)
    missing: list[str] = [*served.catalog.missing, *([served.stale] if served.stale else [])]
    alerts, changes, failure = await asyncio.gather(
        _or_empty(source.alerts, window, "alerts", missing),
        _or_empty(source.changes, asked, "deployments and annotations", missing),
        _failure(source, served, asked),
    )
    if failure is not None:
        return unobserved(window, f"metrics: {failure}")
    planned = plan_queries(
        with_rules_of(alerts, leads, scope, step), served.catalog, step, most=policy.queries
    )
    if planned.left_out is not None:
        missing.append(planned.left_out)
    plan = planned.queries
    gate = asyncio.Semaphore(policy.concurrency)

    async def ask(item: PlannedQuery) -> RangeResult | None:
        async with gate:
            try:
                return await source.query_range(item.query, asked, step)
            except QueryRejected as error:
                if item.written is None:  # a panel may well hold what this source cannot answer
                    missing.append(f"query refused: {error}")
            except MetricsError as error:
                missing.append(f"{item.query}: {error}")
            return None

    answers, late = await _in_time(
        [ask(item) for item in plan],
        None if seconds is None else max(0.0, began + seconds - monotonic()),
    )
    if late:
        missing.append(f"metrics: {late} of {len(plan)} queries had no answer in time")
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
        worth = worth_examining(
            answer.series,
            metric=item.metric,
            unit=item.unit,
            step=step,
            policy=signal_policy,
            counted_over=item.counted_over,
        )
        for series, examine in zip(answer.series, worth, strict=True):
            labelled = Series(item.labels | series.labels, series.times, series.values)
            samples.append(Observed(item.metric, labelled))
            components.add(component_of(labelled.labels))
            regions.add(region_of(labelled.labels))
            if not examine:
                continue
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
                panel_document=None if item.written is None else item.written.document_id,
            ):
                key = (item.metric, tuple(sorted(signal.labels.items())), signal.onset)
                signals.setdefault(key, signal)
    missing.extend(_behind(samples, window, policy.behind + step))
    seen = sorted(signals.values(), key=lambda s: (s.onset, s.query))
    bad = [signal for signal in seen if signal.bad]
    seasons: list[Season] = []
    try:
        async with asyncio.timeout(None if seconds is None else seconds / 4):
            seasons = await _seasons(source, bad, asked, step, policy.seasons, gate, missing)
    except TimeoutError:
        missing.append("earlier days: no answer in time, so a usual change may look like news")
    usual = [season for season in seasons if season.usual]
    apart = {id(season.signal) for season in usual}
    return Observation(
        source=source.name,
        window=window,
        step=step,
        reached=True,
        signals=tuple(signal for signal in seen if id(signal) not in apart),
        usual=tuple(usual),
        alerts=tuple(alerts),
        changes=tuple(changes),
        missing=tuple(dict.fromkeys(missing)),
        queries=len(plan),
        samples=tuple(samples),
        components=tuple(sorted(filter(None, components))),
        regions=tuple(sorted(filter(None, regions))),
    )


def _behind(samples: Sequence[Observed], window: Window, most: timedelta) -> list[str]:
    """In words, where the newest value of all is older than ``most`` at the window's end.

    Prometheus goes on with a last value for five minutes: a clock less wrong than that is not seen.
    """
    newest = max((one.series.times[-1] for one in samples if one.series.times.size), default=None)
    if newest is None:
        return []
    silent = timedelta(seconds=window.end.timestamp() - float(newest))
    if silent <= most:
        return []
    return [
        f"metrics: no value in the last {silent / timedelta(minutes=1):.0f} minutes of what was "
        "asked about: their clock is behind, or nothing is collected any more"
    ]


async def _seasons(
    source: MetricsSource,
    signals: Sequence[Signal],
    asked: Window,
    step: timedelta,
    policy: SeasonPolicy,
    gate: asyncio.Semaphore,
    missing: list[str],
) -> list[Season]:
    """What the same series did at the same hours of earlier days."""

    async def ask(query: str, window: Window) -> RangeResult | None:
        async with gate:
            try:
                return await source.query_range(query, window, step)
            except MetricsError as error:
                missing.append(f"earlier days, {query}: {error}")
                return None

    async def has_samples(window: Window) -> bool:
        try:
            return bool(await source.label_values("__name__", window))
        except MetricsError:
            return False

    windows = earlier_windows(asked, policy)
    # One question instead of hundreds where there is no such day.
    there = await asyncio.gather(*(has_samples(window) for window in windows)) if signals else []
    queries = list(dict.fromkeys(signal.query for signal in signals))
    asks = {
        (query, number): asyncio.ensure_future(ask(query, window))
        for query in queries
        for number, window in enumerate(windows)
        if there[number]
    }
    await asyncio.gather(*asks.values())

    def earlier(signal: Signal, number: int) -> Series | None:
        answer = asks.get((signal.query, number))
        found = answer.result() if answer is not None else None
        return series_of(signal, found) if found is not None else None

    return [
        season_of(signal, [earlier(signal, n) for n in range(len(windows))], policy=policy)
        for signal in signals
    ]


async def _in_time(
    asks: Sequence[Coroutine[Any, Any, RangeResult | None]], seconds: float | None
) -> tuple[list[RangeResult | None], int]:
    """What came within so many seconds, in order, with None for the rest; and how many that is."""
    tasks = [asyncio.ensure_future(one) for one in asks]
    late = 0
    try:
        if tasks:
            late = len((await asyncio.wait(tasks, timeout=seconds))[1])
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    return [None if task.cancelled() else task.result() for task in tasks], late


async def _or_empty(
    ask: Callable[[Window], Awaitable[list[T]]], window: Window, what: str, missing: list[str]
) -> list[T]:
    # Asked here and not by the caller: a question that is given up may never get to it.
    try:
        return await ask(window)
    except MetricsError as error:
        missing.append(f"{what}: {error}")
        return []


async def _failure(source: MetricsSource, served: Served, asked: Window) -> MetricsError | None:
    """Why the source answers nothing. A catalog may be known of one that is gone by now, and each
    of hundreds of queries would wait for it."""
    if served.asked:
        return None
    try:
        await source.label_values("__name__", asked, "up")
    except MetricsError as error:
        return error
    return None
