"""Series → Signals: what changed in a metric, when, and how strongly.

A metric is compared with its own recent past. The baseline of a moment is the median of the
trailing ``history`` before it, its scale the median absolute deviation (times 1.4826, the
consistent estimate of a standard deviation; Rousseeuw and Croux 1993) with floors, because a
spread of zero would make every step infinitely strange. An episode begins where the deviation
stays beyond the threshold for a few samples; from then on the baseline is frozen, so that a long
fault does not become its own normal, and the episode ends when the values come back. Signed
deviations are kept and what counts as bad is knowledge about the metric (``BAD_DIRECTION``):
availability is bad when it drops.

Everything here is pure: arrays in, values out.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import NamedTuple

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from ingest.documents import Frozen, UtcTime
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
    relative_floor: float = 0.04
    """The scale is at least this share of the baseline's absolute value."""
    noise_floor: float = 0.02
    """… and at least this share of the largest absolute value of the series."""
    ratio_floor: float = 0.002
    """The scale of a ratio (0..1) is at least this: nobody is paged for a thousandth."""


class Nature(StrEnum):
    """What a metric tells: what users feel, what runs out, how much is asked, how it is set."""

    SYMPTOM = "symptom"
    SATURATION = "saturation"
    TRAFFIC = "traffic"
    OTHER = "other"


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


_SYMPTOM = re.compile(
    r"latency|duration|response_time|error|5xx|fail|timeout|reject|availab|success|loss|"
    r"\bup\b|probe|dropped|unavailable|refus|abort|xid",
    re.IGNORECASE,
)
_SATURATION = re.compile(
    r"client|connection|fds|memory|heap|cpu|util|lag|queue|thread|pool|disk|inode|temp|"
    r"throttl|pending|backlog|stat_activity|bytes|load",
    re.IGNORECASE,
)
_TRAFFIC = re.compile(r"requests|tokens|throughput|qps|rps|messages|operations", re.IGNORECASE)
_GOOD_WHEN_HIGH = re.compile(
    r"availab|success|healthy|\bup\b|throughput|tokens_per_second|hit_ratio|hits|free|idle|ready",
    re.IGNORECASE,
)


def nature_of(metric: str, labels: dict[str, str]) -> Nature:
    """What kind of thing a metric measures, from its name (and its status code label)."""
    code = labels.get("code", labels.get("status", labels.get("status_code", "")))
    if code.startswith(("5", "4")):
        return Nature.SYMPTOM
    if code.startswith(("1", "2", "3")):
        return Nature.TRAFFIC
    if _SATURATION.search(metric) and not re.search(r"reject|error|fail", metric, re.IGNORECASE):
        return Nature.SATURATION
    if _SYMPTOM.search(metric):
        return Nature.SYMPTOM
    if _TRAFFIC.search(metric):
        return Nature.TRAFFIC
    return Nature.OTHER


def is_bad(metric: str, labels: dict[str, str], deviation: float) -> bool:
    """Whether a change in this direction is one that hurts."""
    if _GOOD_WHEN_HIGH.search(metric):
        return deviation < 0
    nature = nature_of(metric, labels)
    if nature is Nature.TRAFFIC:
        return deviation < 0
    return nature is not Nature.OTHER and deviation > 0


def find_episodes(
    times: NDArray[np.float64],
    values: NDArray[np.float64],
    *,
    step: timedelta,
    policy: SignalPolicy,
    counted_over: timedelta | None = None,
    ratio: bool = False,
) -> list[Episode]:
    """Episodes of a series, in time order. ``times`` (unix s) and ``values``: shape ``(n,)``.

    ``counted_over`` is the window of a rate: a handful of events in it scatters by the square
    root of their number (Poisson) whatever the past looked like.
    """
    step_seconds = step.total_seconds()
    span = round(policy.history.total_seconds() / step_seconds)
    least = max(5, round(policy.minimum_history.total_seconds() / step_seconds))
    lasting = max(2, round(policy.persistence.total_seconds() / step_seconds))
    finite = np.isfinite(values)
    times, values = times[finite], values[finite]
    if len(values) <= least:
        return []
    # What the series would have been without its episodes: the past that baselines come from.
    usual = values.copy()
    seconds = None if counted_over is None else counted_over.total_seconds()
    floor = policy.ratio_floor if ratio else 0.0
    medians, scales = _trailing(usual, span, least, policy, seconds, floor)
    episodes: list[Episode] = []
    position = least
    while position < len(values):
        deviation = (values[position] - medians[position]) / scales[position]
        if abs(deviation) < policy.threshold:
            position += 1
            continue
        frozen = (values[position:] - medians[position]) / scales[position]
        beyond = np.sign(deviation) * frozen >= policy.threshold / 2
        if len(beyond) < lasting or not beyond[:lasting].all():
            position += 1
            continue
        end = _first_calm(frozen, policy.calm, lasting)
        stop = len(frozen) if end is None else end
        peak = int(np.argmax(np.abs(frozen[:stop])))
        episodes.append(
            Episode(
                before=_typical(values, position, span, medians[position]),
                start=position,
                peak=position + peak,
                end=None if end is None else position + end,
                deviation=float(np.clip(frozen[peak], -1000, 1000)),
            )
        )
        usual[position : position + stop] = medians[position]
        medians, scales = _trailing(usual, span, least, policy, seconds, floor)
        position += stop
    return episodes


def _trailing(
    values: NDArray[np.float64],
    span: int,
    least: int,
    policy: SignalPolicy,
    counted_over: float | None,
    absolute_floor: float,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Median and scale of the samples before each sample (shape ``(n,)`` each)."""
    padded = np.concatenate([np.full(span, np.nan), values[:-1]])
    windows = sliding_window_view(padded, span)
    medians = np.full(len(values), np.nan)
    scales = np.full(len(values), np.nan)
    medians[least:] = np.nanmedian(windows[least:], axis=1)
    deviations = np.abs(windows[least:] - medians[least:, None])
    scales[least:] = 1.4826 * np.nanmedian(deviations, axis=1)
    floor = np.maximum(
        policy.relative_floor * np.abs(medians), policy.noise_floor * np.abs(values).max()
    )
    if counted_over is not None:
        events = np.maximum(np.abs(medians) * counted_over, 1.0)
        floor = np.maximum(floor, np.sqrt(events) / counted_over)
    return medians, np.maximum(np.maximum(scales, floor), max(absolute_floor, 1e-12))


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
    episodes = find_episodes(
        times,
        values,
        step=step,
        policy=policy,
        counted_over=counted_over,
        ratio=unit == "percentunit" or metric.endswith("_ratio"),
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
                nature=nature_of(metric, series.labels),
                strength=episode.deviation,
                bad=is_bad(metric, series.labels, episode.deviation),
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
