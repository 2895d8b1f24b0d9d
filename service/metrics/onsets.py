"""Where series leave their recent past: for many series at once, and exactly.

The rule is exact and slow: two quantiles of the deviations from the median of the past of every
sample. So it is asked only where cheap bounds allow an onset at all. The bounds hold for a block
of neighbouring positions together: what lies in the past of all of them (the core) limits the
medians of each, because one more sample moves a median by at most one rank. Bounds never rule out
what the rule would find; a test compares both on random series.

Arrays in, arrays out. Rows may be of different lengths: NaN fills them up at their end, and is
nowhere else.
"""

from __future__ import annotations

from collections.abc import Iterator
from statistics import NormalDist
from typing import NamedTuple

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
Indices = NDArray[np.intp]

_ROUNDING = 1.0 - 1e-9
"""Bounds and rule are computed in another order of operations."""
_PARTS = 6
"""A block of positions is as long as this part of their past. Longer blocks are fewer sorts, and
looser bounds."""
_TOGETHER = 10_000
"""Positions whose past is sorted at once; bounds the memory."""


class Measure(NamedTuple):
    """When a sample deviates. Spans are in samples.

    ``span``: samples of past that count; ``least``: with fewer, nothing is said; ``persistence``:
    what is shorter is a spike; ``lasting``: for how many samples a deviation must last, at least
    as many; ``threshold``: in scales, half of it while it lasts.
    The scale is the standard deviation of a normal distribution with the same median absolute
    deviation, or the same ``tail`` quantile of those up to ``settled`` samples ago, whichever is
    larger, and at least ``relative`` of the median, ``noise`` of the largest absolute value
    around but for spikes, ``absolute``, and what chance does to the events counted over
    ``counted_over`` seconds.
    """

    span: int
    least: int
    persistence: int
    lasting: int
    threshold: float
    tail: float
    settled: int
    relative: float
    noise: float
    absolute: float
    counted_over: float | None

    def floor(self, median: Floats, largest: Floats) -> Floats:
        """The least scale; ``median`` and ``largest`` are absolute values, of one shape."""
        floor = np.maximum(self.relative * median, self.noise * largest)
        if self.counted_over is not None:
            events = np.maximum(median * self.counted_over, 1.0)
            floor = np.maximum(floor, np.sqrt(events) / self.counted_over)
        return np.maximum(floor, self.absolute)


class Onsets(NamedTuple):
    """Rows and positions of a matrix, by row and then position, with their baselines."""

    rows: Indices
    positions: Indices
    medians: Floats
    scales: Floats


def onsets(values: Floats, usual: Floats, measure: Measure, *, first: int = 0) -> Onsets:
    """Every place from position ``first`` on where a deviation begins and lasts.

    ``values`` and ``usual`` (the same without what is known to be unusual: where baselines come
    from): shape ``(rows, n)``.
    """
    if values.shape[1] < measure.lasting:
        return Onsets(*np.zeros((2, 0), np.intp), *np.zeros((2, 0)))
    size = _sizes(values, measure)
    first = max(first, measure.least)
    rows, positions = np.nonzero(_possible(values, usual, size, measure, first))
    found = [
        _exact(
            values, usual, size, rows[at : at + _TOGETHER], positions[at : at + _TOGETHER], measure
        )
        for at in range(0, max(len(rows), 1), _TOGETHER)
    ]
    return Onsets(*(np.concatenate(parts) for parts in zip(*found, strict=True)))


def _exact(
    values: Floats,
    usual: Floats,
    size: Floats,
    rows: Indices,
    positions: Indices,
    measure: Measure,
) -> Onsets:
    """Those of these places where the rule holds."""
    medians, spreads = _usual_at(usual, rows, positions, measure)
    scales = np.maximum(spreads, measure.floor(np.abs(medians), size[rows, positions]))
    runs = values[rows[:, None], positions[:, None] + np.arange(measure.lasting)]
    deviations = (runs - medians[:, None]) / scales[:, None]
    deviations *= np.sign(deviations[:, :1])  # in the direction of the first
    holds = deviations[:, 0] >= measure.threshold
    holds &= (deviations >= measure.threshold / 2).all(axis=1)
    return Onsets(rows[holds], positions[holds], medians[holds], scales[holds])


def _usual_at(
    usual: Floats, rows: Indices, positions: Indices, measure: Measure
) -> tuple[Floats, Floats]:
    """Median and spread of the past of each place."""
    places = positions[:, None] - np.arange(1, measure.span + 1)
    windows = usual[rows[:, None], np.maximum(places, 0)]
    windows[places < 0] = np.inf
    counts = np.minimum(positions, measure.span)
    medians = _middle(np.sort(windows, axis=1), counts)
    deviations = np.abs(windows - medians[:, None])
    settled = np.sort(deviations[:, measure.settled :], axis=1)  # the latest come first
    ranks = (measure.tail * (counts - measure.settled - 1)).astype(np.intp)
    tails = settled[np.arange(len(ranks)), ranks] / _sigmas(measure.tail)
    return medians, np.maximum(_middle(np.sort(deviations, axis=1), counts) / _sigmas(0.5), tails)


def _middle(ascending: Floats, counts: Indices) -> Floats:
    """The median of the ``counts`` least of each row. ``nanmedian`` is 20 times slower."""
    rows = np.arange(len(ascending))
    middle: Floats = (ascending[rows, (counts - 1) // 2] + ascending[rows, counts // 2]) / 2
    return middle


def _sigmas(share: float) -> float:
    """The quantile of the absolute deviations of a normal distribution with spread 1."""
    return NormalDist().inv_cdf((1 + share) / 2)


def _sizes(values: Floats, measure: Measure) -> Floats:
    """The largest absolute value but for spikes, up to a span before and after; ``(rows, n)``.

    No further: what is far away makes no change here small. And not of the series without its
    episodes: what was near enough to normal to end one is not the beginning of the next.
    """
    lasting = _lasting_least(np.abs(values), measure.persistence)
    near = np.full((len(values), values.shape[1] + 2 * measure.span), np.nan)
    near[:, measure.span : measure.span + lasting.shape[1]] = lasting
    width = 1
    while width <= measure.span:  # the largest of twice as many
        near = np.fmax(near[:, :-width], near[:, width:])
        width *= 2
    rest = 2 * measure.span + 1 - width
    sizes: Floats = np.fmax(near[:, : values.shape[1]], near[:, rest : rest + values.shape[1]])
    return sizes


def _lasting_least(values: Floats, lasting: int) -> Floats:
    """The least of each run of ``lasting`` samples; shape ``(rows, n - lasting + 1)``."""
    runs = values.shape[1] - lasting + 1
    least = values[:, :runs].copy()
    for shift in range(1, lasting):
        np.minimum(least, values[:, shift : shift + runs], out=least)
    return least


def _possible(values: Floats, usual: Floats, size: Floats, measure: Measure, first: int) -> Flags:
    """Where the bounds allow an onset, from ``first`` on; shape ``(rows, n)``."""
    possible = np.zeros(values.shape, dtype=np.bool_)
    least = _lasting_least(values, measure.lasting)
    largest = -_lasting_least(-values, measure.lasting)
    for start, width, count in _blocks(first, least.shape[1], measure.span):
        span = slice(start, start + width * count)
        here, lower, upper, sizes = (
            array[:, span].reshape(len(values), count, width)
            for array in (values, least, largest, size)
        )
        low, high, scale = _bounds(usual, start, width, count, sizes.min(axis=2), measure)
        whole = _ROUNDING * measure.threshold * scale
        rises = (here >= (low + whole)[..., None]) & (lower >= (low + whole / 2)[..., None])
        falls = (here <= (high - whole)[..., None]) & (upper <= (high - whole / 2)[..., None])
        possible[:, span] = (rises | falls).reshape(len(values), -1)
    return possible


def _blocks(first: int, end: int, span: int) -> Iterator[tuple[int, int, int]]:
    """Start, width and number of blocks that follow each other; the width grows with the past."""
    start = first
    while start < end:
        width = min(max(1, min(start, span) // _PARTS), end - start)
        count = 1 if start < span else (end - start) // width
        yield start, width, count
        start += width * count


def _bounds(
    usual: Floats, start: int, width: int, count: int, size: Floats, measure: Measure
) -> tuple[Floats, Floats, Floats]:
    """Bounds of the medians, and a lower one of the scales, within blocks; ``(rows, count)``.

    A window is a block's core and up to ``others`` samples more, so of the core at least
    ``middle - others`` and at most ``middle`` samples lie below the one in its middle.
    """
    others = width - 1
    since = max(0, start + others - measure.span)
    known = start - since
    core = np.sort(sliding_window_view(usual, known, axis=1)[:, since::width][:, :count], axis=2)
    low = core[..., (known + others - 1) // 2 - others]
    high = core[..., (known + others) // 2]
    # Half of a window is nearer to its median than the median absolute deviation, so this many
    # samples of the core lie in an interval that is twice as wide.
    within = (known + others - 1) // 2 + 1 - others
    spread = (core[..., within - 1 :] - core[..., : known - within + 1]).min(axis=2) / 2
    nearest = np.where((low <= 0) & (high >= 0), 0.0, np.minimum(np.abs(low), np.abs(high)))
    return low, high, np.maximum(spread / _sigmas(0.5), measure.floor(nearest, size))
