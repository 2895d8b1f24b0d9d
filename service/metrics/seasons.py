"""Is a change what the series does at that hour anyway? A nightly backup, a batch job, the morning.

The same series at the same hours of earlier days says so. A change is *usual* if most of the
earlier periods show one like it: in the same direction, begun at about the same time of day, of
comparable size against that period's own level before it, and for as much of the time. Half of
them is not enough: with two periods, a single fault a week ago would excuse today's.

What this can't tell: one day of history that agrees means "as yesterday", which a fault that came
at the same time yesterday is, too. So a usual change is set apart with its evidence, not dropped,
and a reader sees how many periods spoke. What comes once a week has one witness among three
periods, and counts as unusual.

Pure; the caller asks for the series (``earlier_windows``). Times of day are UTC: where clocks
change, a local job moves by an hour, more than the tolerance, and counts as unusual for some days.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from ingest.documents import Frozen
from service.metrics.signals import Sample, Signal
from service.metrics.source import RangeResult, Series, Window

Floats = NDArray[np.float64]


class SeasonPolicy(Frozen):
    """Every number that decides what counts as usual at an hour."""

    offsets: tuple[timedelta, ...] = (timedelta(days=1), timedelta(days=2), timedelta(days=7))
    """How long ago the earlier periods were."""
    tolerance: timedelta = timedelta(minutes=20)
    """How far from the same time of day a change may begin and peak."""
    level: timedelta = timedelta(hours=1)
    """How much past the level before a change is taken from."""
    coverage: float = 0.5
    """Share of the samples that must be there, or a period says nothing."""
    comparable: float = 0.6
    """Share of today's change that an earlier one must reach."""
    sustained: float = 0.5
    """Share of the duration of today's change for which an earlier one must last, by at least
    half of what is comparable."""
    majority: float = 0.5
    """More than this share of the periods must agree."""


class EarlierPeriod(Frozen):
    """What the series did at that hour ``offset`` ago. ``before`` and ``peak`` are its samples;
    ``size`` is its change as a share of today's, negative in the other direction."""

    offset: timedelta
    window: Window
    before: Sample
    peak: Sample
    size: float
    alike: bool


class Season(Frozen):
    """Whether a signal is usual at its hour, and what says so: the periods with enough samples.

    Without any, nothing is known and the signal counts as unusual.
    """

    signal: Signal
    usual: bool
    periods: tuple[EarlierPeriod, ...]

    @property
    def alike(self) -> tuple[EarlierPeriod, ...]:
        """The periods that show the same change: what a report cites."""
        return tuple(period for period in self.periods if period.alike)


def earlier_windows(asked: Window, policy: SeasonPolicy) -> list[Window]:
    """What to ask for, one window for each offset. ``asked``: today's, with its history."""
    lead = policy.level + policy.tolerance
    return [
        Window(start=asked.start - offset - lead, end=asked.end - offset + policy.tolerance)
        for offset in policy.offsets
    ]


def series_of(signal: Signal, answer: RangeResult) -> Series | None:
    """The series of an answer to the signal's query that the signal is of."""
    return next(
        (
            series
            for series in answer.series
            if {k: v for k, v in series.labels.items() if k != "__name__"}.items()
            <= signal.labels.items()
        ),
        None,
    )


def season_of(signal: Signal, earlier: Sequence[Series | None], *, policy: SeasonPolicy) -> Season:
    """Whether a signal is usual. ``earlier``: its series in each of ``earlier_windows``, with the
    times at which they were sampled; None where there was none.
    """
    periods = [
        period
        for offset, series in zip(policy.offsets, earlier, strict=True)
        if series is not None and (period := _period(signal, series, offset, policy)) is not None
    ]
    agreeing = sum(period.alike for period in periods)
    return Season(
        signal=signal,
        usual=agreeing > policy.majority * len(periods),
        periods=tuple(periods),
    )


def _period(
    signal: Signal, series: Series, offset: timedelta, policy: SeasonPolicy
) -> EarlierPeriod | None:
    """What an earlier period shows, or None where too many of its samples are missing."""
    finite = np.isfinite(series.values)
    times, values = series.times[finite], series.values[finite]
    start, peak, end = (
        (moment - offset).timestamp()
        for moment in (signal.onset, signal.peak.at, signal.ended or signal.last.at)
    )
    tolerance, step = policy.tolerance.total_seconds(), signal.step.total_seconds()
    reach = policy.level.total_seconds()

    def between(first: float, last: float) -> NDArray[np.bool_]:
        return np.asarray((times >= first) & (times <= last))

    past = between(start - tolerance - reach, start - tolerance - step)
    beginning = between(start - tolerance, start + tolerance)
    during = between(start, end)
    samples = (end - start) / step + 1
    for found, expected in (
        (past, reach / step),
        (beginning, 2 * tolerance / step),
        (during, samples),
    ):
        if found.sum() < max(1.0, policy.coverage * expected):
            return None
    level = float(np.median(values[past]))
    usual, change = signal.before.value, signal.peak.value - signal.before.value
    if change == 0:
        return None
    sizes = (values - level) / change
    top = int(np.argmax(np.where(between(start - tolerance, peak + tolerance), sizes, -np.inf)))
    begins = sizes[beginning].max() >= policy.comparable * (signal.start.value - usual) / change
    there = sizes[between(start - tolerance, end + tolerance)] >= policy.comparable / 2
    return EarlierPeriod(
        offset=offset,
        window=Window(start=_moment(times[past][0]), end=_moment(max(end, peak + tolerance))),
        before=_typical(times[past], values[past], level),
        peak=Sample(at=_moment(times[top]), value=float(values[top])),
        size=float(sizes[top]),
        alike=bool(begins)
        and float(sizes[top]) >= policy.comparable
        and float(there.sum()) >= policy.sustained * samples,
    )


def _typical(times: Floats, values: Floats, level: float) -> Sample:
    nearest = int(np.argmin(np.abs(values - level)))
    return Sample(at=_moment(times[nearest]), value=float(values[nearest]))


def _moment(unix_seconds: float) -> datetime:
    return datetime.fromtimestamp(float(unix_seconds), UTC)
