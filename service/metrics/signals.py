"""Series → Signals: what changed in a metric, when, and how strongly.

A metric is compared with its own recent past. The baseline of a moment is the median of the
trailing ``history`` before it. Its scale is the median absolute deviation (Rousseeuw and Croux
1993), or what the wildest tenth of the past deserves where that is more (percentiles of few
requests are often constant and sometimes wild), with floors, because a spread of zero would make
every step infinitely strange. An episode begins where the deviation stays beyond the threshold
for a few samples that were measured on their own: a value that is repeated until the next scrape,
or a rate over a window that one burst is in, says the same thing several times. From then on the
baseline is frozen, so that a long fault does not become its own normal, and the episode ends when
the values come back. Signed deviations are kept, and what counts as bad is knowledge about the
metric (``kinds.direction_of``): availability is bad when it drops.

Everything here is pure: arrays in, values out.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from ingest.documents import Frozen, UtcTime
from service.metrics.kinds import Nature, direction_of, kind_of_series
from service.metrics.onsets import Measure, onsets
from service.metrics.source import Series, Window


class SignalPolicy(Frozen):
    """Every number that decides what counts as a change."""

    history: timedelta = timedelta(hours=2)
    """How much past the baseline is taken from."""
    minimum_history: timedelta = timedelta(minutes=40)
    """With less past than this, nothing is said about a moment."""
    threshold: float = 6.0
    """Deviations, in scales, that begin an episode."""
    calm: float = 3.0
    """Deviations below which a sample counts as back to normal."""
    persistence: timedelta = timedelta(minutes=5)
    """For how long a deviation must last to be an episode, and calm to end it."""
    measurements: int = 3
    """… and how often it must have been measured: scrapes may be minutes apart."""
    tail: float = 0.9
    """The quantile of the past deviations that the scale is at least fit for …"""
    settled: timedelta = timedelta(minutes=30)
    """… except for the latest: a slow leak would hide in the spread that it makes itself."""
    relative_floor: float = 0.04
    """The scale is at least this share of the baseline's absolute value."""
    noise_floor: float = 0.02
    """… and at least this share of the largest absolute value around, but for spikes."""
    ratio_floor: float = 0.002
    """The scale of a ratio (0..1) is at least this: nobody is paged for a thousandth."""


class Sample(Frozen):
    """One value of a query at a moment."""

    at: UtcTime
    value: float


class Signal(Frozen):
    """One change seen in the metrics.

    ``strength`` is the signed largest deviation in scales of the baseline, clipped to ±1000.
    ``start`` is the first deviating sample; ``ended`` is None while it lasts. ``before`` (a usual
    one), ``start``, ``peak`` and ``last`` are samples of the series, not summaries of it, so that
    each number can be checked.
    """

    query: str
    metric: str
    title: str
    unit: str | None
    labels: dict[str, str]
    nature: Nature
    strength: float
    bad: bool
    before: Sample
    start: Sample
    peak: Sample
    ended: UtcTime | None
    last: Sample
    window: Window
    step: timedelta
    url: str | None = None
    panel_document: str | None = None
    """The dashboard panel that the query came from."""

    @property
    def onset(self) -> datetime:
        return self.start.at


class Episode(NamedTuple):
    """Indices into a series: ``before`` (a typical sample of the baseline), ``start``, ``peak``
    and ``end`` (first sample back to normal, or None), and the signed peak deviation."""

    before: int
    start: int
    peak: int
    end: int | None
    deviation: float


_ROWS = 100
"""Series that are examined together."""
_TELLING_CHANGES = 8
"""With fewer changes in a series, it says nothing about how often it is measured."""


def find_episodes(
    values: NDArray[np.float64],
    *,
    step: timedelta,
    policy: SignalPolicy,
    counted_over: timedelta | None = None,
    ratio: bool = False,
) -> list[Episode]:
    """Episodes of a series, in time order. ``values``: shape ``(n,)``, without what is not finite.

    ``counted_over`` is the window of a rate: a handful of events in it scatters by the square
    root of their number (Poisson) whatever the past looked like.
    """
    measure = _measure(step, policy, counted_over, ratio, _repeats(values))
    if len(values) <= measure.least:
        return []
    # What the series would have been without its episodes: the past that baselines come from.
    usual = values.copy()
    episodes: list[Episode] = []
    position = 0
    while True:
        begun = onsets(values[None], usual[None], measure, first=position)
        if not len(begun.positions):
            return episodes
        start, median = int(begun.positions[0]), float(begun.medians[0])
        frozen = (values[start:] - median) / begun.scales[0]
        end = _first_calm(frozen, policy.calm, measure.persistence)
        stop = len(frozen) if end is None else end
        peak = int(np.argmax(np.abs(frozen[:stop])))
        episodes.append(
            Episode(
                before=_typical(values, start, measure.span, median),
                start=start,
                peak=start + peak,
                end=None if end is None else start + end,
                deviation=float(np.clip(frozen[peak], -1000, 1000)),
            )
        )
        position = start + stop
        usual[start:position] = median


def _repeats(values: NDArray[np.float64]) -> int:
    """How many steps a measurement is usually repeated for, from where the values change.

    The lower quartile: two measurements may be equal. 1 where few changes say nothing about it.
    """
    changes = np.flatnonzero(np.diff(values))
    if len(changes) < _TELLING_CHANGES:
        return 1
    return int(np.quantile(np.diff(changes), 0.25, method="lower"))


def _measure(
    step: timedelta,
    policy: SignalPolicy,
    counted_over: timedelta | None,
    ratio: bool,
    repeats: int = 1,
) -> Measure:
    """The policy in samples of this step, for this kind of series."""
    persistence = max(2, round(policy.persistence / step))
    # Something that changes rarely is not measured rarely, so not longer than the persistence.
    lasting = max(persistence, (policy.measurements - 1) * min(repeats, persistence) + 1)
    if counted_over is not None:
        # One burst is in the rate for as long as its window.
        lasting = max(lasting, round(counted_over / step) + 1)
    least = max(5, round(policy.minimum_history / step))
    return Measure(
        span=max(least, round(policy.history / step)),
        least=least,
        persistence=persistence,
        lasting=lasting,
        threshold=policy.threshold,
        tail=policy.tail,
        settled=min(round(policy.settled / step), least - 1),
        relative=policy.relative_floor,
        noise=policy.noise_floor,
        absolute=max(policy.ratio_floor if ratio else 0.0, 1e-12),
        counted_over=None if counted_over is None else counted_over.total_seconds(),
    )


def worth_examining(
    answer: Sequence[Series],
    *,
    metric: str,
    unit: str | None,
    step: timedelta,
    policy: SignalPolicy,
    counted_over: timedelta | None = None,
) -> NDArray[np.bool_]:
    """Which series of an answer can have any signal; the others have none. Shape ``(n,)``.

    All series at once, for answers of thousands: ``signals_of`` need not be called for the others.
    """
    measure = _measure(step, policy, counted_over, is_ratio(metric, unit))
    finite = [series.values[np.isfinite(series.values)] for series in answer]
    lengths = np.array([len(values) for values in finite], dtype=np.intp)
    worth = np.zeros(len(answer), dtype=np.bool_)
    # Together by length, so that little is filled; few enough to stay in the processor's cache.
    order = np.argsort(lengths, kind="stable")
    order = order[lengths[order] > measure.least]
    for first in range(0, len(order), _ROWS):
        rows = order[first : first + _ROWS]
        values = np.full((len(rows), lengths[rows[-1]]), np.nan)
        for line, row in zip(values, rows, strict=True):
            line[: lengths[row]] = finite[row]
        worth[rows[onsets(values, values, measure).rows]] = True
    return worth


def is_ratio(metric: str, unit: str | None) -> bool:
    """Whether a metric goes from 0 to 1."""
    return unit == "percentunit" or metric.endswith("_ratio")


def _first_calm(frozen: NDArray[np.float64], calm: float, lasting: int) -> int | None:
    quiet = np.abs(frozen) < calm
    if len(quiet) < lasting:
        return None
    runs = sliding_window_view(quiet, lasting).all(axis=1)
    found = np.flatnonzero(runs)
    return int(found[0]) if len(found) else None


def _typical(values: NDArray[np.float64], position: int, span: int, median: float) -> int:
    """The sample of the baseline that is nearest to its median; the latest of equals."""
    first = max(0, position - span)
    distances = np.abs(values[first:position] - median)
    return first + int(np.flatnonzero(distances == distances.min())[-1])


def signals_of(
    series: Series,
    *,
    query: str,
    metric: str,
    title: str,
    unit: str | None,
    within: Window,
    asked: Window,
    step: timedelta,
    policy: SignalPolicy,
    counted_over: timedelta | None = None,
    url: str | None = None,
    panel_document: str | None = None,
) -> list[Signal]:
    """The signals of one series whose episode touches ``within``.

    ``asked`` is the window that was queried (``within`` and its history).
    """
    finite = np.isfinite(series.values)
    times, values = series.times[finite], series.values[finite]
    found = []
    kind = kind_of_series(metric, series.labels)
    episodes = find_episodes(
        values,
        step=step,
        policy=policy,
        counted_over=counted_over,
        ratio=is_ratio(metric, unit),
    )
    for episode in episodes:
        ended = None if episode.end is None else _moment(times[episode.end])
        if ended is not None and ended < within.start:
            continue
        if not within.start <= _moment(times[episode.peak]) <= within.end:
            continue
        last = len(values) - 1 if episode.end is None else episode.end
        found.append(
            Signal(
                query=query,
                metric=metric,
                title=title,
                unit=unit,
                labels={k: v for k, v in series.labels.items() if k != "__name__"},
                nature=kind.nature,
                strength=episode.deviation,
                bad=episode.deviation * direction_of(metric, kind) > 0,
                before=_sample(times, values, episode.before),
                start=_sample(times, values, episode.start),
                peak=_sample(times, values, episode.peak),
                ended=ended,
                last=_sample(times, values, last),
                window=asked,
                step=step,
                url=url,
                panel_document=panel_document,
            )
        )
    return found


def _sample(times: NDArray[np.float64], values: NDArray[np.float64], index: int) -> Sample:
    return Sample(at=_moment(times[index]), value=float(values[index]))


def _moment(unix_seconds: float) -> datetime:
    return datetime.fromtimestamp(float(unix_seconds), UTC)
