"""Everything a briefing asks of its sources, each with a deadline; what fails is a sentence.

``blind_spots`` collects what a reader must know before calling a night quiet; ``notes`` what is
only good to know.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import TypeVar

import numpy as np

from ingest.documents import Chunk, Frozen, SourceKind
from ingest.encoders.base import EncoderError
from ingest.index import IndexFailure, Scope
from service.assembly import Parts
from service.briefing.night import NightPolicy, Trouble
from service.briefing.people import MONTH
from service.briefing.written import Record, Thread, of_the_night, records_in, threads_in
from service.engine import Engine
from service.inspected import FleetReport
from service.inspection import Inspector
from service.intent import Intent
from service.metrics.catalog import CatalogCache
from service.metrics.observe import (
    Observation,
    ObservePolicy,
    asked_window,
    observe,
    unobserved,
)
from service.metrics.plan import Leads
from service.metrics.signals import SignalPolicy
from service.metrics.source import Alert, Change, MetricsError, MetricsSource, Window
from service.metrics.usage import Usage, UsageCache
from service.reports.citations import GroundTruth, series_key
from service.reports.model import Citation, MetricCitation, PassageCitation, Report
from service.reports.recheck import sample_again
from service.scope import QuestionScope

T = TypeVar("T")

_BOUNDED = "queries were not asked"
"""Of a line that tells that a look was bounded: what is left out is what tells least."""
_ASKED_ABOUT = 8
"""Components that a question names, at most."""


class BriefingPolicy(Frozen):
    """Every number that a briefing decides by."""

    night: NightPolicy = NightPolicy()
    observe: ObservePolicy = ObservePolicy()
    signals: SignalPolicy = SignalPolicy()
    reports: int = 5
    """Incidents that the engine is asked about, the gravest first."""
    incidents: int = 12
    """Incidents that are told; more are counted."""
    besides: int = 5
    """What is no incident and mentioned all the same."""
    at_once: int = 2
    """Reports that are made at the same time."""
    deadline: timedelta = timedelta(seconds=60)
    """For each look at the metrics or the documents."""
    gap: timedelta = timedelta(minutes=15)
    """A longer stretch without a sample of any series was not seen."""
    blind: float = 0.9
    """A night of which this share was not seen was not seen at all."""


class Written(Frozen):
    """What people wrote: threads and records of the night, and records of the last weeks."""

    threads: tuple[Thread, ...] = ()
    records: tuple[Record, ...] = ()
    recent: tuple[Record, ...] = ()


class Look:
    """One night's questions to the sources, for one audience, as of ``now``."""

    def __init__(
        self,
        *,
        engine: Engine,
        inspector: Inspector,
        parts: Parts,
        catalogs: CatalogCache,
        usages: UsageCache,
        audience: tuple[str, ...],
        window: Window,
        now: datetime,
        policy: BriefingPolicy,
    ) -> None:
        self._engine = engine
        self._inspector = inspector
        self._parts = parts
        self._catalogs = catalogs
        self._usages = usages
        self._reader = Scope(audience=audience, as_of=now)
        self._window = window
        self._now = now
        self._policy = policy
        self.blind_spots: list[str] = list(parts.missing)
        self.notes: list[str] = []

    async def observed(self) -> Observation:
        """The whole night's metrics, every component and region."""
        metrics, window = self._parts.metrics, self._window
        if metrics is None:
            observation = unobserved(window, "metrics: no source is configured")
        else:
            seen = await self._bounded(self._observe(metrics), "the metrics")
            observation = seen or unobserved(window, "")
        if observation.reached and not observation.samples:
            observation = unobserved(
                window, f"metrics: {observation.source} has no samples in this window"
            )
        gaps = unseen(observation, self._policy.gap) if observation.reached else []
        dark = sum((gap.duration for gap in gaps), timedelta())
        for line in filter(None, observation.missing):
            (self.notes if _BOUNDED in line else self.blind_spots).append(line)
        self.blind_spots += [
            f"metrics: no samples at all from {gap.start:%Y-%m-%d %H:%M} to {gap.end:%H:%M} UTC"
            for gap in gaps
        ]
        if dark >= self._policy.blind * window.duration:
            return unobserved(window, "")
        return observation

    async def written(self) -> Written:
        """Threads and incident records of the night, and the records of the month before it."""
        start = self._window.start
        threads = await self._chunks(SourceKind.SLACK, start, "the Slack threads")
        reports = await self._chunks(SourceKind.INCIDENTS, start - MONTH, "the incident records")
        records = records_in(reports)
        return Written(
            threads=tuple(threads_in(threads, self._window)),
            records=tuple(of_the_night(records, self._window)),
            recent=tuple(records),
        )

    async def reports(self, troubles: Sequence[Trouble], *, ask: bool) -> list[Report | None]:
        """What the engine says about the gravest of these troubles; None for the others, and for
        all of them unless it is to be asked."""
        if not ask:
            return [None] * len(troubles)
        gate = asyncio.Semaphore(self._policy.at_once)

        async def about(trouble: Trouble) -> Report:
            window = own_window(trouble, troubles, self._window)
            names = ", ".join(trouble.components[:_ASKED_ABOUT])
            where = f" in {trouble.region}" if trouble.region else ""
            async with gate:
                return await self._engine.ask(
                    f"What happened to {names}{where}?",
                    now=self._now,
                    since=window.start.isoformat(),
                    until=window.end.isoformat(),
                    audience=self._reader.audience,
                    intent=Intent.WHY,
                )

        asked = [t for t in troubles if t.is_measured and t.components][: self._policy.reports]
        answers = await asyncio.gather(*(about(trouble) for trouble in asked))
        self.notes += [line for report in answers for line in report.not_seen]
        of = {id(trouble): report for trouble, report in zip(asked, answers, strict=True)}
        return [of.get(id(trouble)) for trouble in troubles]

    async def fleet(self) -> FleetReport:
        """What speaks for maintenance, by the night's metrics."""
        return await self._inspector.fleet(
            "What needs maintenance?",
            now=self._now,
            since=self._window.start.isoformat(),
            until=self._window.end.isoformat(),
        )

    async def documents(self, ids: Sequence[str]) -> dict[str, tuple[Chunk, ...]]:
        """All chunks of these documents that the audience may see."""
        retriever = self._parts.retriever
        if retriever is None or not ids:
            return {}
        found = await self._bounded(retriever.documents(ids, scope=self._reader), "the documents")
        return found or {}

    async def ground_truth(
        self, cited: Sequence[Citation], windows: Sequence[Window]
    ) -> GroundTruth:
        """Ask the sources again for everything that is cited; ``windows``: those that alerts were
        read in, because an alert is told as it looked from there."""
        series = [c for c in cited if isinstance(c, MetricCitation)]
        passages = [c.document_id for c in cited if isinstance(c, PassageCitation)]
        documents, samples, alerts, changes = await asyncio.gather(
            self.documents(passages),
            self._again(lambda metrics: sample_again(metrics, series)),
            self._again(lambda metrics: _alerts(metrics, windows)),
            self._again(lambda metrics: _changes(metrics, windows, self._policy.observe)),
        )
        return GroundTruth(
            chunks={chunk.id: chunk for chunks in documents.values() for chunk in chunks},
            samples=samples or {},
            alerts=alerts or [],
            changes=changes or [],
        )

    # -- parts ---------------------------------------------------------------------------------

    async def _observe(self, metrics: MetricsSource) -> Observation:
        policy = self._policy.observe
        served = await self._catalogs.of(metrics, asked_window(self._window, policy))
        scope = QuestionScope(window=self._window, reason="the night", as_of=self._now)
        return await observe(
            metrics,
            scope,
            Leads(usage=await self._usage(served.catalog.names)),
            served,
            policy=policy,
            signal_policy=self._policy.signals,
        )

    async def _usage(self, names: tuple[str, ...]) -> Usage:
        """Which metrics panels and rules use: those are asked for first."""
        retriever = self._parts.retriever
        if retriever is None:
            return Usage()
        everything = Scope(
            audience=self._reader.audience, kinds=(SourceKind.DASHBOARDS, SourceKind.ALERTS)
        )
        usage = await self._bounded(
            self._usages.of(
                self._reader.audience, names, lambda: retriever.everything(scope=everything)
            ),
            "the dashboards and alert rules",
        )
        return (usage or Usage()).visible(self._now, ())

    async def _chunks(self, kind: SourceKind, since: datetime, what: str) -> list[Chunk]:
        retriever = self._parts.retriever
        if retriever is None:
            return []
        scope = self._reader.model_copy(update={"kinds": (kind,), "written_since": since})
        return await self._bounded(retriever.everything(scope=scope), what) or []

    async def _again(self, ask: Callable[[MetricsSource], Awaitable[T]]) -> T | None:
        # Asked here and not by the caller: a briefing that is given up may never get to it.
        metrics = self._parts.metrics
        if metrics is None:
            return None
        return await self._bounded(ask(metrics), "the metrics (to check the citations)")

    async def _bounded(self, awaitable: Awaitable[T], what: str) -> T | None:
        """The result, or None and a line in ``blind_spots`` if it fails or is late."""
        try:
            async with asyncio.timeout(self._policy.deadline.total_seconds()):
                return await awaitable
        except TimeoutError:
            seconds = self._policy.deadline.total_seconds()
            self.blind_spots.append(f"{what}: no answer within {seconds:g} s")
        except (IndexFailure, EncoderError, MetricsError) as error:
            self.blind_spots.append(f"{what}: {error}")
        return None


def unseen(observation: Observation, longer_than: timedelta) -> list[Window]:
    """The stretches of the window without a sample of any series."""
    start, end = (m.timestamp() for m in (observation.window.start, observation.window.end))
    least = max(longer_than, 3 * observation.step).total_seconds()
    times = np.unique(
        np.concatenate([[start], *(o.series.times for o in observation.samples), [end]])
    )
    times = times[(times >= start) & (times <= end)]
    return [
        Window(start=_utc(times[place]), end=_utc(times[place + 1]))
        for place in np.flatnonzero(np.diff(times) > least)
    ]


def own_window(trouble: Trouble, troubles: Sequence[Trouble], night: Window) -> Window:
    """The part of the night in which a question about these components means this trouble.

    All of it, unless another trouble hits one of them in the same region.
    """
    start, end = night.start, night.end
    for other in troubles:
        if (
            other is trouble
            or not other.is_measured
            or other.region != trouble.region
            or not set(other.components) & set(trouble.components)
        ):
            continue
        if other.ended is not None and other.ended <= trouble.started:
            start = max(start, other.ended + (trouble.started - other.ended) / 2)
        elif trouble.ended is not None and trouble.ended <= other.started:
            end = min(end, trouble.ended + (other.started - trouble.ended) / 2)
    return Window(start=start, end=end)


def titled(observation: Observation, reports: Sequence[Report | None]) -> Observation:
    """With the titles that panels have for these series, as far as a report used them."""
    titles = {
        series_key(citation.query, citation.labels): citation.title
        for report in reports
        if report is not None
        for citation in report.citations
        if isinstance(citation, MetricCitation)
    }
    return observation.model_copy(
        update={
            "signals": tuple(
                signal.model_copy(
                    update={
                        "title": titles.get(series_key(signal.query, signal.labels), signal.title)
                    }
                )
                for signal in observation.signals
            )
        }
    )


async def _alerts(metrics: MetricsSource, windows: Sequence[Window]) -> list[Alert]:
    return [alert for window in windows for alert in await metrics.alerts(window)]


async def _changes(
    metrics: MetricsSource, windows: Sequence[Window], policy: ObservePolicy
) -> list[Change]:
    return [
        change
        for window in windows
        for change in await metrics.changes(asked_window(window, policy))
    ]


def _utc(seconds: float) -> datetime:
    return datetime.fromtimestamp(float(seconds), UTC)
