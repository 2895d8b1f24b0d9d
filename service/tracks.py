"""Series of an observation with the query that each can be cited by."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from service.metrics.labels import region_of
from service.metrics.observe import Observation
from service.metrics.plan import PlannedQuery
from service.metrics.signals import Sample
from service.reports.model import MetricCitation
from service.reports.numbers import format_value, unit_of


class Track:
    """One series as it was asked for.

    ``times``: unix seconds, shape ``(n,)`` float64, ascending; ``values``: shape ``(n,)`` float64
    in ``unit`` (as numbers are written: "°C", "B", "/s"; None for a bare number).
    ``is_rate``: whether they are a counter's rate.
    """

    __slots__ = ("is_rate", "labels", "metric", "query", "step", "times", "unit", "url", "values")

    def __init__(
        self,
        *,
        metric: str,
        labels: dict[str, str],
        times: NDArray[np.float64],
        values: NDArray[np.float64],
        query: str,
        unit: str | None,
        is_rate: bool,
        step: timedelta,
        url: str | None,
    ) -> None:
        self.metric = metric
        self.labels = labels
        self.times = times
        self.values = values
        self.query = query
        self.unit = unit
        self.is_rate = is_rate
        self.step = step
        self.url = url

    def since(self, moment: datetime) -> Track:
        """Only the samples from this moment on."""
        return self._cut(self.times >= moment.timestamp())

    def finite(self) -> Track:
        """Only the samples that are numbers."""
        return self._cut(np.isfinite(self.values))

    def sample(self, index: int) -> Sample:
        at = datetime.fromtimestamp(float(self.times[index]), UTC)
        return Sample(at=at, value=float(self.values[index]))

    def highest(self) -> Sample:
        """The largest value, the earliest of equals; the track must have samples."""
        return self.sample(int(np.argmax(self.values)))

    def lowest(self) -> Sample:
        return self.sample(int(np.argmin(self.values)))

    def value(self, sample: Sample) -> str:
        """A value with its unit."""
        return format_value(sample.value, self.unit)

    def cited(self, *samples: Sample) -> MetricCitation:
        """The citation of these samples."""
        return MetricCitation(
            title=self.metric,
            query=self.query,
            labels=self.labels,
            unit=self.unit,
            step=self.step,
            samples=tuple(sorted(dict.fromkeys(samples), key=lambda sample: sample.at)),
            url=self.url,
        )

    def called(self, component: str) -> str:
        """What to call it in a sentence: "`DCGM_FI_DEV_GPU_TEMP` (gpu-eu-07, eu-west)"."""
        gpu = self.labels.get("gpu")
        parts = (component, region_of(self.labels), f"GPU “{gpu}”" if gpu else None)
        return f"`{self.metric}` ({', '.join(part for part in parts if part)})"

    def _cut(self, kept: NDArray[np.bool_]) -> Track:
        return Track(
            metric=self.metric,
            labels=self.labels,
            times=self.times[kept],
            values=self.values[kept],
            query=self.query,
            unit=self.unit,
            is_rate=self.is_rate,
            step=self.step,
            url=self.url,
        )


def tracks_of(
    observation: Observation,
    planned: Sequence[PlannedQuery],
    link: Callable[[str], str | None],
) -> list[Track]:
    """The observation's series with the queries that ``planned`` has for their metrics.

    ``link``: a query → where a person sees it drawn.
    """
    plan = {item.metric: item for item in planned}
    tracks = []
    for observed in observation.samples:
        item = plan.get(observed.metric)
        if item is None:
            continue
        labels = {k: v for k, v in observed.series.labels.items() if k != "__name__"}
        query = item.of(labels)
        is_rate = item.counted_over is not None
        tracks.append(
            Track(
                metric=observed.metric,
                labels=labels,
                times=observed.series.times,
                values=observed.series.values,
                query=query,
                unit=unit_of(item.metric, item.unit, rate=is_rate),
                is_rate=is_rate,
                step=observation.step,
                url=link(query),
            )
        )
    return tracks
