"""What a made-up time series is made of: a baseline, a daily rhythm, noise, and an event.

Times are unix seconds, values are in the unit of the metric.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bench.night_events import AP, END, EU, START, US, at

Floats = NDArray[np.float64]
Shape = Callable[[Floats], Floats]
"""What is added to a series at each time, in the series' unit."""

STEP_SECONDS = 120
SEED = 20261111

BUSIEST_HOUR = {EU: 14.0, US: 19.0, AP: 7.5}
SIZE = {EU: 1.0, US: 1.25, AP: 0.55}
"""Traffic of a region relative to eu-west."""

GRID = np.arange(START.timestamp(), END.timestamp() + 1, STEP_SECONDS)
ODD_GRID = GRID[:-1] + STEP_SECONDS / 2
ODD_SERVICES = ("checkout",)


class Sampled(NamedTuple):
    """One series: labels, unix seconds, and the values as they are written."""

    labels: dict[str, str]
    times: Floats
    values: list[str]

    def numbers(self) -> Floats:
        return np.array([float(value) for value in self.values])


class Family(NamedTuple):
    name: str
    kind: str
    help: str
    series: list[Sampled]


def path(times: Floats, *points: tuple[str, float]) -> Floats:
    """Straight lines between points of the clock, constant before the first and after the last."""
    moments = [at(clock) for clock, _ in points]
    if moments != sorted(moments):
        raise ValueError(f"points out of order: {points}")
    return np.interp(times, moments, [value for _, value in points])


def between(times: Floats, start: str, end: str) -> NDArray[np.bool_]:
    return np.asarray((times >= at(start)) & (times <= at(end)))


def rhythm(times: Floats, region: str, depth: float = 0.45) -> Floats:
    """The day of a region: 1 on average, ``1 + depth`` at its busiest hour."""
    hours = (times / 3600.0) % 24.0
    return 1.0 + depth * np.cos(2 * np.pi * (hours - BUSIEST_HOUR[region]) / 24.0)


def grid_of(labels: dict[str, str]) -> Floats:
    return ODD_GRID if labels.get("service") in ODD_SERVICES else GRID


class Night(NamedTuple):
    """Which night: the seed of its noise, and whether anything happens in it."""

    seed: int = SEED
    calm: bool = False

    def noise(self, key: str, size: int, spread: float) -> Floats:
        """Noise with memory (AR(1), coefficient 0.6) and standard deviation ``spread``."""
        steps = np.random.default_rng([self.seed, zlib.crc32(key.encode())]).normal(size=size)
        values = np.empty(size)
        level = 0.0
        for index, step in enumerate(steps):
            level = 0.6 * level + 0.8 * step
            values[index] = level
        return values * spread

    def gauge(
        self,
        name: str,
        labels: dict[str, str],
        base: float,
        *,
        spread: float = 0.04,
        depth: float = 0.0,
        times: Floats | None = None,
        trend: Shape | None = None,
        event: Shape | None = None,
        digits: str = ".3g",
    ) -> Sampled:
        """``trend`` and ``event`` are what is added, in units of the gauge; a calm night has no
        event."""
        moments = grid_of(labels) if times is None else times
        key = f"{name}{sorted(labels.items())}"
        values = base * (1.0 + self.noise(key, len(moments), spread))
        if depth:
            values *= rhythm(moments, labels["region"], depth)
        for shape in (trend, None if self.calm else event):
            if shape is not None:
                added = shape(moments)
                values += added * (1.0 + self.noise(f"{key}+", len(moments), 0.04))
        return Sampled(labels, moments, [format(float(v), digits) for v in np.maximum(values, 0.0)])


def counter(labels: dict[str, str], per_second: Floats, times: Floats, *, reset: str) -> Sampled:
    """Integrates a rate into whole events; ``reset`` is when its process started anew, or ""."""
    events = np.concatenate(([0.0], np.rint(per_second[1:] * np.diff(times))))
    start = float(zlib.crc32(repr(sorted(labels.items())).encode()) % 400_000 + 2_000_000)
    total = start + np.cumsum(events)
    if reset:
        after = times >= at(reset)
        total[after] -= total[after][0] - events[after][0]
    return Sampled(labels, times, [str(int(v)) for v in total])
