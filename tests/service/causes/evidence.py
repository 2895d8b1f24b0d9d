"""Shorthand for evidence in tests: signals, alerts, changes and known causes of one night."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import numpy as np

from service.causes.knowledge import KnownCause
from service.metrics.kinds import Nature
from service.metrics.observe import Observation
from service.metrics.signals import Sample, Signal
from service.metrics.source import Alert, Change, Series, Window
from service.metrics.table import Observed
from service.scope import QuestionScope

STEP = timedelta(minutes=1)


def at(clock: str) -> datetime:
    """A time of the night from the 11th to the 12th."""
    day = "11" if clock >= "12:00" else "12"
    return datetime.fromisoformat(f"2026-11-{day}T{clock}:00+00:00").astimezone(UTC)


WINDOW = Window(start=at("18:00"), end=at("07:30"))


def signal(
    component: str,
    onset: str,
    ended: str | None = "03:10",
    *,
    nature: Nature = Nature.SYMPTOM,
    strength: float = 40.0,
    region: str | None = "eu-west",
    metric: str = "latency_seconds",
    bad: bool = True,
) -> Signal:
    labels = {"service": component} | ({"region": region} if region else {})
    start = Sample(at=at(onset), value=2.0)
    return Signal(
        query=f"{metric}/{component}/{region}",
        metric=metric,
        title=metric,
        unit=None,
        labels=labels,
        nature=nature,
        strength=strength,
        bad=bad,
        before=Sample(at=at(onset) - timedelta(minutes=5), value=1.0),
        start=start,
        peak=start,
        ended=None if ended is None else at(ended),
        last=start,
        window=WINDOW,
        step=STEP,
    )


def alert(name: str, component: str, started: str, ended: str | None, region: str) -> Alert:
    return Alert(
        name=name,
        labels={"service": component, "region": region},
        started=at(started),
        ended=None if ended is None else at(ended),
    )


def change(clock: str, text: str, *tags: str) -> Change:
    return Change(at=at(clock), text=text, tags=tags)


def observation(
    signals: Sequence[Signal] = (), alerts: Sequence[Alert] = (), changes: Sequence[Change] = ()
) -> Observation:
    return Observation(
        source="test",
        window=WINDOW,
        step=STEP,
        reached=True,
        signals=tuple(sorted(signals, key=lambda s: s.onset)),
        alerts=tuple(alerts),
        changes=tuple(changes),
        samples=tuple(map(_observed, signals)),
    )


def _observed(seen: Signal) -> Observed:
    """The series that such a signal was seen in: calm, and as many scales off as it says."""
    minutes = np.arange(WINDOW.start.timestamp(), WINDOW.end.timestamp(), 60.0)
    end = seen.ended or WINDOW.end
    inside = (minutes >= seen.onset.timestamp()) & (minutes < end.timestamp())
    values = np.where(inside, 1.0 + 0.04 * seen.strength, 1.0)
    return Observed(seen.metric, Series(seen.labels, minutes, values))


def scope(*services: str, regions: tuple[str, ...] = ()) -> QuestionScope:
    return QuestionScope(
        window=WINDOW, reason="test", as_of=WINDOW.end, services=services, regions=regions
    )


def known(
    sentence: str,
    component: str | None,
    *,
    incident: bool = True,
    confirmed: bool = True,
    mentions: tuple[str, ...] = (),
    services: tuple[str, ...] = (),
    alerts: tuple[str, ...] = (),
    happened: datetime | None = None,
    rank: int = 1,
) -> KnownCause:
    return KnownCause(
        sentence=sentence,
        document_id=f"doc/{sentence}",
        title=sentence,
        url=None,
        incident=incident,
        confirmed=confirmed,
        component=component,
        mentions=mentions,
        services=services,
        regions=(),
        alerts=alerts,
        happened=happened,
        rank=rank,
    )
