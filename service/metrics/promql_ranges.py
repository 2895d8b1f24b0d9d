"""Samples on disk time, and what PromQL makes of them at a step: selectors and range functions.

Times are integer milliseconds, as inside Prometheus. The rules are those of Prometheus 2.x: an
instant selector takes the newest sample at most ``LOOKBACK_MS`` old, a range selector takes the
samples in the closed interval ``[t - range, t]`` (Prometheus 3 leaves the left end open, which
matters only for samples exactly on it), and ``rate``, ``increase`` and ``delta`` extrapolate to
the ends of the range as ``extrapolatedRate`` in Prometheus' ``promql/functions.go`` does.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
Millis = NDArray[np.int64]

LOOKBACK_MS = 300_000


class Samples(NamedTuple):
    """One stored series: its labels (``__name__`` included) and its samples.

    ``times``: milliseconds, shape ``(n,)``, strictly ascending; ``values``: shape ``(n,)``.
    """

    labels: dict[str, str]
    times: Millis
    values: Floats


class Track(NamedTuple):
    """Values at the steps of a query, shape ``(steps,)`` each; only the ``present`` ones count."""

    values: Floats
    present: Flags


def newest(samples: Samples, steps: Millis) -> Track:
    """What an instant selector sees at each step."""
    index, fresh = _newest_index(samples, steps)
    return Track(samples.values[index], fresh)


def newest_time(samples: Samples, steps: Millis) -> Track:
    """``timestamp(selector)``: unix seconds of the sample that the selector sees."""
    index, fresh = _newest_index(samples, steps)
    return Track(samples.times[index] / 1000.0, fresh)


def _newest_index(samples: Samples, steps: Millis) -> tuple[NDArray[np.intp], Flags]:
    index = np.searchsorted(samples.times, steps, side="right") - 1
    fresh = (index >= 0) & (samples.times[index] >= steps - LOOKBACK_MS)
    return index, fresh


class _Windows(NamedTuple):
    """For each step, the samples ``[first, after)`` inside of its range."""

    samples: Samples
    start: Millis
    end: Millis
    first: NDArray[np.intp]
    after: NDArray[np.intp]

    @property
    def size(self) -> NDArray[np.intp]:
        return self.after - self.first


def _windows(samples: Samples, steps: Millis, range_ms: int) -> _Windows:
    start = steps - range_ms
    first = np.searchsorted(samples.times, start, side="left")
    after = np.searchsorted(samples.times, steps, side="right")
    return _Windows(samples, start, steps, first, after)


def _extrapolated(windows: _Windows, *, counter: bool, per_second: bool) -> Track:
    times, values = windows.samples.times, windows.samples.values
    present = windows.size >= 2
    first = np.where(present, windows.first, 0)
    last = np.where(present, windows.after - 1, 0)

    increase = values[last] - values[first]
    if counter:
        # A counter that falls was restarted: what it had counted until then is added back.
        lost = np.where(values[1:] < values[:-1], values[:-1], 0.0)
        restarted = np.concatenate(([0.0], np.cumsum(lost)))
        increase = increase + (restarted[last] - restarted[first])

    sampled = (times[last] - times[first]) / 1000.0
    to_start = (times[first] - windows.start) / 1000.0
    to_end = (windows.end - times[last]) / 1000.0
    between = sampled / (windows.size - 1)
    if counter:
        # A counter can't have been below zero: don't extrapolate further back than that.
        to_zero = sampled * (values[first] / increase)
        bounded = (increase > 0) & (values[first] >= 0) & (to_zero < to_start)
        to_start = np.where(bounded, to_zero, to_start)
    nearby = between * 1.1
    covered = (
        sampled
        + np.where(to_start < nearby, to_start, between / 2)
        + np.where(to_end < nearby, to_end, between / 2)
    )
    factor = covered / sampled
    if per_second:
        factor = factor / ((windows.end - windows.start) / 1000.0)
    return Track(increase * factor, present)


def _irate(windows: _Windows) -> Track:
    times, values = windows.samples.times, windows.samples.values
    present = windows.size >= 2
    last = np.where(present, windows.after - 1, 1 if len(times) > 1 else 0)
    before = np.maximum(last - 1, 0)
    grown = np.where(values[last] < values[before], values[last], values[last] - values[before])
    return Track(grown / ((times[last] - times[before]) / 1000.0), present)


def _reduced(windows: _Windows, reduce: np.ufunc) -> Track:
    """Reduces each window's samples; overlapping windows are fine."""
    # reduceat wants indices inside of the array, and the end of the last window is just outside.
    padded = np.append(windows.samples.values, 0.0)
    pairs = np.stack((windows.first, windows.after), axis=1).ravel()
    return Track(reduce.reduceat(padded, pairs)[::2], windows.size > 0)


def _average(windows: _Windows) -> Track:
    total = _reduced(windows, np.add)
    return Track(total.values / windows.size, total.present)


RANGE_FUNCTIONS: dict[str, Callable[[_Windows], Track]] = {
    "rate": lambda windows: _extrapolated(windows, counter=True, per_second=True),
    "increase": lambda windows: _extrapolated(windows, counter=True, per_second=False),
    "delta": lambda windows: _extrapolated(windows, counter=False, per_second=False),
    "irate": _irate,
    "avg_over_time": _average,
    "sum_over_time": lambda windows: _reduced(windows, np.add),
    # fmin and fmax leave NaN out, as Prometheus does.
    "min_over_time": lambda windows: _reduced(windows, np.fmin),
    "max_over_time": lambda windows: _reduced(windows, np.fmax),
    "count_over_time": lambda windows: Track(windows.size.astype(np.float64), windows.size > 0),
}


def over_range(function: str, samples: Samples, steps: Millis, range_ms: int) -> Track:
    """Applies one of ``RANGE_FUNCTIONS`` to the range that ends at each step."""
    with np.errstate(all="ignore"):
        return RANGE_FUNCTIONS[function](_windows(samples, steps, range_ms))
