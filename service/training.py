"""Is a training run healthy? What its metrics say against its own past, pure.

Loss, gradient norm and throughput are compared with what the run did before, the GPUs of its
cluster with what hurts a GPU (``service.fleet``). Something that was over at the end of the
window is told and changes no verdict: a run that was slow for half an hour is healthy now.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray
from pydantic import ConfigDict

from ingest.documents import Frozen
from service.fleet import Concern, FleetPolicy, cluster_of, node_of, node_reasons
from service.metrics.signals import Sample
from service.metrics.source import Alert, Window
from service.reports.cite import alert_citation
from service.reports.draft import DraftClaim
from service.reports.phrases import Clock
from service.tracks import Track

RUN_LABELS = ("run", "run_name", "run_id", "experiment")
RUN_METRICS = re.compile(
    r"loss|grad(?:ient)?_?norm|(?:tokens|samples|steps)_per_sec|throughput|"
    r"xid|ecc_dbe|uncorrectable|row_remap|retired_dbe|gpu_temp|slowdown_temp",
    re.IGNORECASE,
)
"""Names of metrics that are asked for."""
_LOSS = re.compile(r"(?<!packet_)loss(?!_ratio)", re.IGNORECASE)
_GRADIENT = re.compile(r"grad(?:ient)?_?norm", re.IGNORECASE)
_THROUGHPUT = re.compile(r"(?:tokens|samples|steps)_per_sec|throughput", re.IGNORECASE)
_OF_GPUS = (Concern.XID, Concern.MEMORY, Concern.HEAT)


class Verdict(StrEnum):
    HEALTHY = "healthy"
    DEGRADED = "degraded"
    FAILING = "failing"
    UNKNOWN = "unknown"
    """Not visible, or no longer: that is not the same as healthy."""


class Weight(StrEnum):
    """What a finding does to the verdict."""

    STATE = "state"
    """How things are, for or against nothing."""
    PAST = "over"
    DEGRADES = "degrades"
    FAILS = "fails"


class RunPolicy(Frozen):
    """Every number that a verdict depends on."""

    recent: timedelta = timedelta(minutes=10)
    """What counts as now: the median of this much, longer than a write of a checkpoint."""
    diverging: float = 1.5
    """A loss this many times its lowest level so far runs away."""
    spike: float = 10.0
    """A gradient norm this many times its median is a spike; it leads the loss by some steps."""
    after_spike: timedelta = timedelta(minutes=30)
    """How long a spike counts as now: the loss may still follow."""
    slow: float = 0.95
    """Share of its usual throughput below which a run is slow …"""
    stalled: float = 0.1
    """… and below which it stands still."""
    usual: float = 0.75
    """The quantile of the past that throughput is compared with: a drop that lasts for most of
    the window must not become the usual."""
    plateau: timedelta = timedelta(hours=6)
    """A loss that fell before and not for this long is on a plateau."""
    significance: float = 1.645
    """One-sided 5 % of the normal distribution, for Mann and Kendall's test of a trend."""
    silent: timedelta = timedelta(minutes=15)
    """A run whose last sample is older than this has ended or died."""
    fleet: FleetPolicy = FleetPolicy()


class Finding(Frozen):
    """One sentence about a run, and what it does to the verdict; not yet checked."""

    weight: Weight
    claim: DraftClaim


class RunView(Frozen):
    """What is visible of one run."""

    model_config = ConfigDict(arbitrary_types_allowed=True)

    name: str
    clusters: tuple[str, ...]
    tracks: tuple[Track, ...]
    machines: tuple[Track, ...]
    """Of the nodes of its clusters."""
    alerts: tuple[Alert, ...]


def run_of(labels: Mapping[str, str]) -> str | None:
    return next((labels[name] for name in RUN_LABELS if labels.get(name)), None)


def runs_in(tracks: Sequence[Track], alerts: Sequence[Alert]) -> list[RunView]:
    """Every run that a label names, by name. Its machines are those of the same cluster."""
    of_run: dict[str, list[Track]] = {}
    for track in tracks:
        if name := run_of(track.labels):
            of_run.setdefault(name, []).append(track)
    views = []
    for name, own in sorted(of_run.items()):
        clusters = sorted({cluster for t in own if (cluster := cluster_of(t.labels))})
        views.append(
            RunView(
                name=name,
                clusters=tuple(clusters),
                tracks=tuple(own),
                machines=tuple(
                    t
                    for t in tracks
                    if node_of(t.labels, t.metric) and cluster_of(t.labels) in clusters
                ),
                alerts=tuple(alert for alert in alerts if run_of(alert.labels) == name),
            )
        )
    return views


def findings_of(run: RunView, window: Window, *, policy: RunPolicy) -> list[Finding]:
    """What is to be said about a run, the worst first."""
    clock = Clock(window)
    found = [
        *_loss(run, window, clock, policy),
        *_gradient(run, window, clock, policy),
        *_throughput(run, window, clock, policy),
        *_machines(run, window, policy),
        *_alerts(run, clock),
    ]
    order = (Weight.FAILS, Weight.DEGRADES, Weight.STATE, Weight.PAST)
    return sorted(found, key=lambda finding: order.index(finding.weight))


def last_sign(run: RunView, window: Window, *, policy: RunPolicy) -> DraftClaim | None:
    """Where a run went silent before the window's end; None for one that still reports."""
    if not run.tracks:
        return None
    track = max(run.tracks, key=lambda t: (float(t.times[-1]), t.metric))
    if window.end.timestamp() - track.times[-1] <= policy.silent.total_seconds():
        return None
    finite = track.finite()
    if not len(finite.values):
        return None
    last = finite.sample(len(finite.values) - 1)
    return DraftClaim(
        text=f"{track.called(run.name)} has no sample after {Clock(window)(last.at)}: the run has "
        "ended or died.",
        citations=(finite.cited(last),),
    )


def verdict_of(weights: Sequence[Weight], *, silent: bool) -> Verdict:
    """The verdict that sentences with these weights support; without any there is none."""
    if silent or not weights:
        return Verdict.UNKNOWN
    if Weight.FAILS in weights:
        return Verdict.FAILING
    return Verdict.DEGRADED if Weight.DEGRADES in weights else Verdict.HEALTHY


def is_falling(values: NDArray[np.float64], *, significance: float) -> bool:
    """Whether values (shape ``(n,)``) tend to fall, by the test of Mann (1945) and Kendall (1975).

    Without a correction for ties or autocorrelation: both make it find trends rather too often,
    which here means that a plateau is told rather too seldom.
    """
    n = len(values)
    if n < 10:
        return False
    rising = np.sign(values[None, :] - values[:, None])
    score = float(np.triu(rising, 1).sum())
    deviation = float(np.sqrt(n * (n - 1) * (2 * n + 5) / 18))
    return score / deviation < -significance


# -- findings --------------------------------------------------------------------------------------


def _now(track: Track, policy: RunPolicy) -> Track:
    """The latest samples: at least one."""
    first = track.times[-1] - policy.recent.total_seconds()
    return track.since(track.sample(int(np.searchsorted(track.times, first))).at)


def _nearest(track: Track, level: float) -> Sample:
    """The sample that is nearest to a level, the latest of equals: a level can't be cited."""
    distances = np.abs(track.values - level)
    return track.sample(int(np.flatnonzero(distances == distances.min())[-1]))


def _loss(run: RunView, window: Window, clock: Clock, policy: RunPolicy) -> Iterator[Finding]:
    for track in run.tracks:
        if not _LOSS.search(track.metric) or track.is_rate:
            continue
        name, finite = track.called(run.name), track.finite()
        if not len(finite.values):
            continue
        last = finite.sample(len(finite.values) - 1)
        if not np.isfinite(track.values[-1]):
            text = f"{name} is no number since {clock(last.at)}, when it was {finite.value(last)}."
            claim = DraftClaim(text=text, citations=(finite.cited(last),))
            yield Finding(weight=Weight.FAILS, claim=claim)
            continue
        levels = _levels(finite, policy)
        lowest = finite.sample(levels[0]) if levels else last
        level = float(np.median(_now(finite, policy).values))
        current = _nearest(_now(finite, policy), level)
        first = finite.since(window.start).sample(0)
        cited = (finite.cited(lowest, current),)
        if lowest.value > 0 and level >= policy.diverging * lowest.value:
            text = (
                f"{name} runs away: it was down to {finite.value(lowest)} at {clock(lowest.at)} "
                f"and is at {finite.value(current)} at {clock(current.at)}."
            )
            yield Finding(weight=Weight.FAILS, claim=DraftClaim(text=text, citations=cited))
            continue
        split = int(
            np.searchsorted(finite.times, finite.times[-1] - policy.plateau.total_seconds())
        )
        before, since = finite.values[:split], finite.values[split:]
        if is_falling(before, significance=policy.significance) and not is_falling(
            since, significance=policy.significance
        ):
            start = finite.sample(split)
            text = (
                f"{name} no longer falls: {finite.value(start)} at {clock(start.at)}, "
                f"{finite.value(current)} at {clock(current.at)}."
            )
            claim = DraftClaim(text=text, citations=(finite.cited(start, current),))
            yield Finding(weight=Weight.DEGRADES, claim=claim)
            continue
        moved = "fell" if current.value < first.value else "went"
        text = (
            f"{name} {moved} from {finite.value(first)} at {clock(first.at)} to "
            f"{finite.value(current)} at {clock(current.at)}."
        )
        claim = DraftClaim(text=text, citations=(finite.cited(first, current),))
        yield Finding(weight=Weight.STATE, claim=claim)
        worst = finite.since(window.start)
        if len(worst.values) and lowest.value > 0:
            peak = worst.highest()
            before_peak = finite.values[finite.times < peak.at.timestamp()]
            if len(before_peak) and peak.value >= policy.diverging * float(np.median(before_peak)):
                text = f"{name} had a spike: {finite.value(peak)} at {clock(peak.at)}."
                claim = DraftClaim(text=text, citations=(finite.cited(peak),))
                yield Finding(weight=Weight.PAST, claim=claim)


def _levels(track: Track, policy: RunPolicy) -> list[int]:
    """Indices of samples, lowest level first: of each stretch of ``recent`` the one nearest to
    its median, so that one lucky step is no level."""
    span = max(1, round(policy.recent / track.step))
    levels = []
    for start in range(0, len(track.values) - span + 1, span):
        stretch = track.values[start : start + span]
        levels.append(start + int(np.argmin(np.abs(stretch - np.median(stretch)))))
    return sorted(levels, key=lambda index: (float(track.values[index]), index))


def _gradient(run: RunView, window: Window, clock: Clock, policy: RunPolicy) -> Iterator[Finding]:
    for track in run.tracks:
        if not _GRADIENT.search(track.metric):
            continue
        name, finite = track.called(run.name), track.finite()
        inside = finite.since(window.start)
        if not len(inside.values):
            continue
        usual = _nearest(finite, float(np.median(finite.values)))
        peak, last = inside.highest(), inside.sample(len(inside.values) - 1)
        if not np.isfinite(track.values[-1]):
            text = f"{name} is no number since {clock(last.at)}, when it was {inside.value(last)}."
            claim = DraftClaim(text=text, citations=(inside.cited(last),))
            yield Finding(weight=Weight.FAILS, claim=claim)
        elif usual.value > 0 and peak.value >= policy.spike * usual.value:
            spikes = np.flatnonzero(inside.values >= policy.spike * usual.value)
            latest = inside.sample(int(spikes[-1]))
            is_now = last.at - latest.at <= policy.after_spike
            text = (
                f"{name} jumped to {inside.value(peak)} at {clock(peak.at)}, last at "
                f"{clock(latest.at)}; usual was {inside.value(usual)} as at {clock(usual.at)}."
            )
            claim = DraftClaim(text=text, citations=(inside.cited(usual, peak, latest),))
            yield Finding(weight=Weight.DEGRADES if is_now else Weight.PAST, claim=claim)
        else:
            text = (
                f"{name} had no spike: {inside.value(peak)} at most, at {clock(peak.at)}, and "
                f"{inside.value(last)} at {clock(last.at)}."
            )
            claim = DraftClaim(text=text, citations=(inside.cited(peak, last),))
            yield Finding(weight=Weight.STATE, claim=claim)


def _throughput(run: RunView, window: Window, clock: Clock, policy: RunPolicy) -> Iterator[Finding]:
    for track in run.tracks:
        if not _THROUGHPUT.search(track.metric):
            continue
        name, finite = track.called(run.name), track.finite()
        inside = finite.since(window.start)
        if not len(inside.values):
            continue
        usual = _nearest(finite, float(np.quantile(finite.values, policy.usual)))
        if usual.value <= 0:
            continue
        level = float(np.median(_now(finite, policy).values))
        current = _nearest(_now(finite, policy), level)
        share = level / usual.value
        then = f"usual was {finite.value(usual)} as at {clock(usual.at)}"
        if share < policy.slow:
            stands = share < policy.stalled
            text = (
                f"{name} {'stands still' if stands else 'is slow'}: {finite.value(current)} at "
                f"{clock(current.at)}; {then}."
            )
            claim = DraftClaim(text=text, citations=(finite.cited(usual, current),))
            yield Finding(weight=Weight.FAILS if stands else Weight.DEGRADES, claim=claim)
            continue
        text = f"{name} is as usual: {finite.value(current)} at {clock(current.at)}."
        claim = DraftClaim(text=text, citations=(finite.cited(usual, current),))
        yield Finding(weight=Weight.STATE, claim=claim)
        slow = [
            inside.sample(index)
            for index in _levels(inside, policy)
            if inside.values[index] < policy.slow * usual.value
        ]
        if slow:
            worst = slow[0]
            text = (
                f"{name} was slow for a while: {inside.value(worst)} at {clock(worst.at)}; {then}."
            )
            claim = DraftClaim(text=text, citations=(finite.cited(usual, worst),))
            yield Finding(weight=Weight.PAST, claim=claim)


def _machines(run: RunView, window: Window, policy: RunPolicy) -> Iterator[Finding]:
    of_node: dict[str, list[Track]] = {}
    for track in run.machines:
        of_node.setdefault(node_of(track.labels, track.metric) or "", []).append(track)
    for _, tracks in sorted(of_node.items()):
        for reason in node_reasons(tracks, window, policy=policy.fleet):
            if reason.concern in _OF_GPUS:
                weight = Weight.DEGRADES if reason.is_open else Weight.PAST
                yield Finding(weight=weight, claim=reason.claim)


def _alerts(run: RunView, clock: Clock) -> Iterator[Finding]:
    for alert in run.alerts:
        end = f"until {clock(alert.ended)}" if alert.ended else "and still fires"
        text = f"{alert.name} fired for {run.name} at {clock(alert.started)} {end}."
        claim = DraftClaim(text=text, citations=(alert_citation(alert),))
        if alert.ended is not None:
            yield Finding(weight=Weight.PAST, claim=claim)
        else:
            is_critical = alert.severity == "critical"
            yield Finding(weight=Weight.FAILS if is_critical else Weight.DEGRADES, claim=claim)
