"""Ask the metrics again for what is cited, apart from what the sentences were written from."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta

from service.metrics.signals import Sample
from service.metrics.source import MetricsSource, Series, Window
from service.reports.citations import SeriesKey, series_key
from service.reports.model import MetricCitation

_APART = timedelta(hours=6)
"""Moments further apart are asked for by themselves."""


async def whole_series(
    metrics: MetricsSource, cited: MetricCitation, window: Window
) -> tuple[Sample, ...]:
    """All samples of a cited series in a window. Raises: MetricsError."""
    answer = await metrics.query_range(cited.query, window, cited.step)
    return next(
        (
            tuple(
                Sample(at=datetime.fromtimestamp(at, UTC), value=value)
                for at, value in zip(series.times.tolist(), series.values.tolist(), strict=True)
            )
            for series in answer.series
            if _is_of(series, cited)
        ),
        (),
    )


async def sample_again(
    metrics: MetricsSource, cited: Sequence[MetricCitation]
) -> dict[SeriesKey, dict[float, float]]:
    """The samples (unix seconds → value) of every cited series over the cited moments.

    Each query is asked once for each stretch of time. Raises: MetricsError.
    """
    by_query: dict[tuple[str, timedelta], list[MetricCitation]] = {}
    for citation in cited:
        by_query.setdefault((citation.query, citation.step), []).append(citation)
    found: dict[SeriesKey, dict[float, float]] = {}

    async def ask(
        query: str, step: timedelta, window: Window, citations: Sequence[MetricCitation]
    ) -> None:
        answer = await metrics.query_range(query, window, step)
        for series in answer.series:
            samples = dict(zip(series.times.tolist(), series.values.tolist(), strict=True))
            for citation in citations:
                if _is_of(series, citation):
                    key = series_key(citation.query, citation.labels)
                    found.setdefault(key, {}).update(samples)

    await asyncio.gather(
        *(
            ask(query, step, window, citations)
            for (query, step), citations in by_query.items()
            for window in _around(sample.at for one in citations for sample in one.samples)
        )
    )
    return found


def _around(moments: Iterable[datetime]) -> list[Window]:
    """Windows with these moments in them, and no days in between."""
    windows: list[Window] = []
    for moment in sorted(moments):
        if windows and moment - windows[-1].end < _APART:
            windows[-1] = Window(start=windows[-1].start, end=moment)
        else:
            windows.append(Window(start=moment, end=moment))
    return windows


def _is_of(series: Series, cited: MetricCitation) -> bool:
    """Whether it is the cited series; a citation's labels may add what the query fixes."""
    labels = {name: value for name, value in series.labels.items() if name != "__name__"}
    return labels.items() <= cited.labels.items()
