"""Series of one answer or of many → one matrix, each row a series of a component."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from service.metrics.kinds import MetricKind, kind_of, kind_of_series
from service.metrics.labels import component_of, region_of
from service.metrics.source import Series

Array = NDArray[np.float64]


class MetricTable:
    """Series on common times, each of a service and a metric.

    ``times``: unix seconds, shape ``(t,)``, ascending; ``values``: shape ``(n, t)`` in the unit
    of the metric, NaN where there is no sample (infinities become NaN); ``services`` and
    ``metrics``: n names; ``kinds``: those of the metrics, read out of their names if not given.
    """

    __slots__ = ("kinds", "metrics", "services", "times", "values")

    def __init__(
        self,
        *,
        times: Array,
        values: Array,
        services: Sequence[str],
        metrics: Sequence[str],
        kinds: Sequence[MetricKind] | None = None,
    ) -> None:
        self.times = times
        self.values = np.where(np.isfinite(values), values, np.nan)
        self.services = tuple(services)
        self.metrics = tuple(metrics)
        self.kinds = tuple(map(kind_of, metrics) if kinds is None else kinds)

    def select(self, rows: Sequence[int]) -> MetricTable:
        """Only these series."""
        return MetricTable(
            times=self.times,
            values=self.values[list(rows)],
            services=[self.services[row] for row in rows],
            metrics=[self.metrics[row] for row in rows],
            kinds=[self.kinds[row] for row in rows],
        )


class Observed:
    """A series and the metric (or the panel) that it is of."""

    __slots__ = ("metric", "series")

    def __init__(self, metric: str, series: Series) -> None:
        self.metric = metric
        self.series = series


def table_of(observed: Sequence[Observed], region: str | None) -> MetricTable:
    """The series that belong to a component and are of this region or of none."""
    chosen = [
        (component, one)
        for one in observed
        if (component := component_of(one.series.labels)) is not None
        and (region is None or region_of(one.series.labels) in (region, None))
    ]
    times = np.unique(np.concatenate([one.series.times for _, one in chosen] or [np.empty(0)]))
    values = np.full((len(chosen), len(times)), np.nan)
    for row, (_, one) in enumerate(chosen):
        values[row, np.searchsorted(times, one.series.times)] = one.series.values
    return MetricTable(
        times=times,
        values=values,
        services=[component for component, _ in chosen],
        metrics=[one.metric for _, one in chosen],
        kinds=[kind_of_series(one.metric, one.series.labels) for _, one in chosen],
    )
