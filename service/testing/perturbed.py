"""Metrics that were tampered with: series hidden, and faults planted that never were."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import numpy as np

from ingest.documents import Frozen, UtcTime
from service.metrics.source import (
    Alert,
    Change,
    MetricMetadata,
    MetricsSource,
    RangeResult,
    Series,
    Window,
)


class Planted(Frozen):
    """A fault that never was: the series with these labels are multiplied by ``factor``."""

    labels: dict[str, str]
    start: UtcTime
    end: UtcTime
    factor: float


class PerturbedMetrics:
    """A ``MetricsSource`` that hides what has these labels, and shows what was planted.

    ``hide``: label sets; a series, an alert or a change (by its tags) that has all labels of one
    of them is not shown.
    """

    def __init__(
        self, source: MetricsSource, *, hide: Sequence[dict[str, str]], plant: Sequence[Planted]
    ) -> None:
        self._source = source
        self._hide = hide
        self._plant = plant

    @property
    def name(self) -> str:
        return self._source.name

    async def query_range(self, query: str, window: Window, step: timedelta) -> RangeResult:
        answer = await self._source.query_range(query, window, step)
        return RangeResult(
            [self._changed(one) for one in answer.series if not self._hidden(one.labels)],
            warnings=answer.warnings,
            truncated=answer.truncated,
        )

    async def label_values(
        self, label: str, window: Window, selector: str | None = None
    ) -> list[str]:
        found = await self._source.label_values(label, window, selector)
        return [value for value in found if not self._hidden({label: value})]

    async def metadata(self) -> dict[str, MetricMetadata]:
        return await self._source.metadata()

    async def alerts(self, window: Window) -> list[Alert]:
        return [a for a in await self._source.alerts(window) if not self._hidden(a.labels)]

    async def changes(self, window: Window) -> list[Change]:
        hidden = {value for labels in self._hide for value in labels.values()}
        return [c for c in await self._source.changes(window) if not hidden & set(c.tags)]

    def link(self, query: str, window: Window) -> str | None:
        return self._source.link(query, window)

    async def aclose(self) -> None:
        await self._source.aclose()

    def _hidden(self, labels: dict[str, str]) -> bool:
        return any(matched.items() <= labels.items() for matched in self._hide)

    def _changed(self, series: Series) -> Series:
        values = series.values
        for fault in self._plant:
            if fault.labels.items() <= series.labels.items():
                inside = (series.times >= fault.start.timestamp()) & (
                    series.times < fault.end.timestamp()
                )
                values = np.where(inside, values * fault.factor, values)
        return Series(series.labels, series.times, values)
