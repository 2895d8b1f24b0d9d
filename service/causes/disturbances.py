"""Signals and alerts → disturbances: what went wrong together, and which of it was asked about.

A night can hold several unrelated things. Symptoms (alerts, latencies, errors) of one region
that overlap in time, or nearly so, are one disturbance; a question about a service is about the
weightiest disturbance in which that service suffers.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from ingest.documents import Frozen, UtcTime
from service.metrics.kinds import Nature
from service.metrics.labels import component_of, region_of
from service.metrics.observe import Observation
from service.metrics.signals import Signal
from service.metrics.source import Alert
from service.scope import QuestionScope


class DisturbancePolicy(Frozen):
    """What belongs together."""

    gap: timedelta = timedelta(minutes=12)
    """Symptoms further apart than this are different disturbances."""
    lead: timedelta = timedelta(minutes=30)
    """How long before the first symptom a cause may already show."""
    least_weight: float = 1.0
    """A lighter disturbance is meant only by a question that names what it hit …"""
    least_named_weight: float = 0.36
    """… and one lighter than this by none: ``python -m bench.quiet`` says what it spares."""


class Disturbance(Frozen):
    """Symptoms that belong together. ``ended`` is None while one of them lasts."""

    region: str | None
    started: UtcTime
    ended: UtcTime | None
    alerts: tuple[Alert, ...]
    symptoms: tuple[Signal, ...]

    @property
    def weight(self) -> float:
        """Alerts count most: a person decided that they matter."""
        return 3.0 * len(self.alerts) + sum(saturating(s.strength) for s in self.symptoms)

    @property
    def components(self) -> tuple[str, ...]:
        """The components that suffer, by first symptom."""
        moments: dict[str, datetime] = {}
        for component, moment in [
            *((component_of(s.labels), s.onset) for s in self.symptoms),
            *((component_of(a.labels), a.started) for a in self.alerts),
        ]:
            if component is not None:
                moments[component] = min(moment, moments.get(component, moment))
        return tuple(sorted(moments, key=lambda c: (moments[c], c)))


def saturating(strength: float) -> float:
    """A deviation in scales → 0..1: beyond some forty scales, more says no more."""
    return abs(strength) / (abs(strength) + 15.0)


def find_disturbances(observation: Observation, *, policy: DisturbancePolicy) -> list[Disturbance]:
    """All disturbances of a window, by start."""
    by_region: dict[str | None, list[Alert | Signal]] = {}
    for alert in observation.alerts:
        by_region.setdefault(region_of(alert.labels), []).append(alert)
    for signal in observation.signals:
        if signal.bad and signal.nature is Nature.SYMPTOM:
            by_region.setdefault(region_of(signal.labels), []).append(signal)
    found: list[Disturbance] = []
    for region, items in by_region.items():
        group: list[Alert | Signal] = []
        reach: datetime | None = None
        for item in sorted(items, key=_started):
            if group and reach is not None and _started(item) > reach + policy.gap:
                found.append(_disturbance(region, group))
                group = []
            ended = item.ended or observation.window.end
            reach = ended if not group or reach is None else max(reach, ended)
            group.append(item)
        found.append(_disturbance(region, group))
    return sorted(found, key=lambda d: (d.started, d.region or ""))


def asked_about(
    disturbances: Iterable[Disturbance], scope: QuestionScope, *, policy: DisturbancePolicy
) -> Disturbance | None:
    """The weightiest disturbance that the question can mean, or None.

    A signal without any alert counts too; what is not in the asked services or regions doesn't.
    """
    meant = [
        d
        for d in disturbances
        if (
            set(scope.services) & set(d.components) and d.weight >= policy.least_named_weight
            if scope.services
            else d.weight >= policy.least_weight
        )
        and (not scope.regions or d.region is None or d.region in scope.regions)
    ]
    return max(meant, key=lambda d: (d.weight, -d.started.timestamp()), default=None)


def related_signals(
    disturbance: Disturbance, observation: Observation, *, policy: DisturbancePolicy
) -> list[Signal]:
    """Bad signals that could belong to the disturbance: same region, and in time."""
    end = disturbance.ended or observation.window.end
    return [
        signal
        for signal in observation.signals
        if signal.bad
        and region_of(signal.labels) in (disturbance.region, None)
        and disturbance.started - policy.lead <= signal.onset <= end
        and (signal.ended is None or signal.ended > disturbance.started)
    ]


def in_words(
    disturbance: Disturbance, observation: Observation, *, policy: DisturbancePolicy
) -> str:
    """A disturbance as the text that similar incidents are searched by.

    Alerts, what suffers, and what else moved at the same time, strongest first: the words that a
    report about it would contain.
    """
    alerts = [alert.name for alert in disturbance.alerts]
    end = disturbance.ended or observation.window.end
    moved = [
        signal
        for signal in observation.signals
        if signal.bad and disturbance.started - policy.lead <= signal.onset <= end
    ]
    moved.sort(key=lambda s: (-abs(s.strength), s.onset, s.query))
    phrases = [
        f"{component_of(signal.labels) or ''} {signal.title} {signal.metric}"
        for signal in moved[:8]
    ]
    return ". ".join(dict.fromkeys([*alerts, *phrases]))


def _started(item: Alert | Signal) -> datetime:
    return item.started if isinstance(item, Alert) else item.onset


def _disturbance(region: str | None, items: list[Alert | Signal]) -> Disturbance:
    ends = [item.ended for item in items]
    return Disturbance(
        region=region,
        started=min(map(_started, items)),
        ended=None if None in ends else max(end for end in ends if end is not None),
        alerts=tuple(item for item in items if isinstance(item, Alert)),
        symptoms=tuple(item for item in items if isinstance(item, Signal)),
    )
