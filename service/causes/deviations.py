"""How far each series left its own past when the incident began. numpy over all series at once.

What the scores are made of, and why:

* Positive values are compared as logarithms, so that bytes and megabytes, 5 ms and 5 s are the
  same to it; an availability by what is missing from it (99 % → 98 % is twice as many failures).
* The level before is the mean of two medians, of the trailing ``history`` and of the ``recent``
  past only: the long one survives a fault that has just ended, the short one a past that holds
  other levels.
* The scale is the median absolute deviation (Rousseeuw and Croux 1993), or a high quantile of the
  deviations where that is more: what is measured on a few requests is often constant and
  sometimes wild. It has a floor, because no spread at all would make every step infinitely
  strange. Memory is the steadiest of metrics, and its steps are the sign of a restart: its floor
  is lower.
* The level within the incident is a median, so that a single sample is no change.

Series constant in both windows, and series without samples in one of them, deviate by 0.
Compare the robust scorer of BARO (Pham et al., FSE 2024).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import numpy as np
from numpy.typing import NDArray

from ingest.documents import Frozen
from service.metrics.kinds import MetricKind
from service.metrics.table import MetricTable

Array = NDArray[np.float64]


class DeviationPolicy(Frozen):
    """Every number of the scores; ``python -m bench.tune_causes`` fits all but ``tail``."""

    history: timedelta = timedelta(minutes=60)
    """How much past the level and the scale are taken from, but never less than 12 samples."""
    recent: timedelta = timedelta(minutes=10)
    """The past of the second level, but never less than 3 samples."""
    tail: float = 1.0
    """Share of the 80 % quantile of the past deviations that the scale is at least: a fifth of the
    past may hold other faults."""
    floor: float = 0.4
    """Relative change that is always within the scale …"""
    steady_floor: float = 0.005
    """… and that of memory."""


_MAD_TO_SIGMA = 1.4826
_TAIL = 0.8
_LEAST_HISTORY = 12
_LEAST_RECENT = 3
_OFFSET = 0.01
"""Of the usual size of a series (of 1 for an availability), added before the logarithm."""


def usual(table: MetricTable, onset: float, history: float) -> tuple[Array, Array]:
    """Median and median absolute deviation (times 1.4826) of each series; shapes ``(n,)``.

    Of the ``history`` seconds before ``onset`` (unix seconds); NaN without samples.
    """
    past = _before(table, onset, history, _LEAST_HISTORY)
    (level,) = _quantiles(past, 0.5)
    (spread,) = _quantiles(np.abs(past - level[:, None]), 0.5)
    return level, _MAD_TO_SIGMA * spread


def level_within(table: MetricTable, onset: float, until: float) -> Array:
    """The mean within the incident of each series; shape ``(n,)``, NaN without samples."""
    within = _within(table, onset, until)
    seen = np.isfinite(within)
    total = np.where(seen, within, 0.0).sum(axis=1)
    mean: Array = np.divide(
        total, seen.sum(axis=1), out=np.full(len(total), np.nan), where=seen.any(axis=1)
    )
    return mean


def deviations(table: MetricTable, *, onset: float, until: float, policy: DeviationPolicy) -> Array:
    """Signed deviation of each series within ``[onset, until]`` (unix seconds), in scales.

    Shape ``(n,)``, finite; positive where the values rose.
    """
    past = _before(table, onset, policy.history.total_seconds(), _LEAST_HISTORY)
    inside = _within(table, onset, until)
    if not past.shape[1] or not inside.shape[1]:
        return np.zeros(len(table.values))
    past, inside, sign = _comparable(past, inside, table.kinds)
    recent = _recent_samples(table, onset, policy)
    (long_level,) = _quantiles(past, 0.5)
    (short_level,) = _quantiles(past[:, -recent:], 0.5)
    (within,) = _quantiles(inside, 0.5)
    level = np.where(np.isfinite(short_level), (long_level + short_level) / 2, long_level)
    middle, tail = _quantiles(np.abs(past - long_level[:, None]), 0.5, _TAIL)
    scale = np.maximum(_MAD_TO_SIGMA * middle, policy.tail * tail)
    floors = np.array(
        [policy.steady_floor if kind is MetricKind.MEMORY else policy.floor for kind in table.kinds]
    )
    found = sign * (within - level) / np.hypot(scale, floors)
    return np.where(np.isfinite(found), found, 0.0)


def _comparable(
    past: Array, inside: Array, kinds: Sequence[MetricKind]
) -> tuple[Array, Array, Array]:
    """Both windows in units that make relative changes equal, and −1 where up became down.

    One copy, changed in place: for 5,000 series of a day, each further one costs 0.1 s.
    """
    both = np.concatenate([past, inside], axis=1)
    width = past.shape[1]
    lowest = np.nan_to_num(np.fmin.reduce(both, axis=1))
    highest = np.nan_to_num(np.fmax.reduce(both, axis=1))
    ratio = np.array([kind is MetricKind.AVAILABILITY for kind in kinds])
    ratio &= (lowest >= 0) & (highest <= 100)
    full = np.where(highest[ratio] <= 1, 1.0, 100.0)
    both[ratio] = 1.0 - both[ratio] / full[:, None]
    seen = np.isfinite(past)
    total = np.add.reduce(np.abs(past), axis=1, where=seen)
    usual = total / np.maximum(seen.sum(axis=1), 1)
    both /= np.where(~ratio & (usual > 0), usual, 1.0)[:, None]
    signed = ~ratio & (lowest < 0)
    as_they_are = both[signed]
    with np.errstate(invalid="ignore"):  # the signed rows, which are put back
        np.log(np.add(both, _OFFSET, out=both), out=both)
    both[signed] = as_they_are
    return both[:, :width], both[:, width:], np.where(ratio, -1.0, 1.0)


def _recent_samples(table: MetricTable, onset: float, policy: DeviationPolicy) -> int:
    since = onset - policy.recent.total_seconds()
    count = int(((table.times >= since) & (table.times < onset)).sum())
    return max(_LEAST_RECENT, count)


def _before(table: MetricTable, onset: float, history: float, least: int) -> Array:
    end = int(np.searchsorted(table.times, onset, side="left"))
    start = int(np.searchsorted(table.times, onset - history, side="left"))
    return table.values[:, max(0, min(start, end - least)) : end]


def _within(table: MetricTable, onset: float, until: float) -> Array:
    start = int(np.searchsorted(table.times, onset, side="left"))
    end = int(np.searchsorted(table.times, until, side="right"))
    return table.values[:, start:end]


def _quantiles(values: Array, *quantiles: float) -> list[Array]:
    """Of each row, without NaN, linear between samples; NaN where nothing else is.

    numpy's own ``nanquantile`` goes row by row in Python, and sorts again for each quantile.
    """
    rows, width = values.shape
    if not width:
        return [np.full(rows, np.nan) for _ in quantiles]
    ascending = np.sort(values, axis=1)  # NaN last
    last = np.maximum(np.isfinite(ascending).sum(axis=1) - 1, 0)
    row = np.arange(rows)
    found: list[Array] = []
    for quantile in quantiles:
        place = quantile * last
        low = np.floor(place).astype(np.intp)
        below, above = ascending[row, low], ascending[row, np.minimum(low + 1, last)]
        found.append(below + (place - low) * (above - below))
    return found
