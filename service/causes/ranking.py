"""Evidence → at most five ranked candidates. Pure, deterministic, and with every knob in sight.

A candidate is a component (in the disturbed region). It scores by four kinds of evidence, each
between 0 and 1 and weighted by ``RankingPolicy``: its own metrics left their past, as
``component_ranking`` measures it; they changed before the others' (a cause comes first); a
deployment touched it shortly before; past incidents and runbooks name it for what is seen. A kind
of evidence that nobody has counts for nobody: the score is a share of what there was to see.

Sources of the idea: signed robust deviations (BARO, Pham et al., FSE 2024), onset order (Wang et
al., CloudRanger, CCGRID 2018), and retrieval of similar incidents (RCACopilot, EuroSys 2024).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from ingest.documents import Frozen
from service.causes.component_ranking import (
    ComponentPolicy,
    Incident,
    RankedComponent,
    Symptom,
    rank_components,
)
from service.causes.confidence import ConfidencePolicy, confidences
from service.causes.disturbances import (
    Disturbance,
    DisturbancePolicy,
    related_signals,
)
from service.causes.knowledge import KnownCause, RecurrencePolicy, recurrence, speaks_of
from service.causes.topology import Calls, calls_in_labels, calls_in_words
from service.metrics.kinds import MetricKind, Nature, kind_of_series
from service.metrics.labels import component_of, region_of
from service.metrics.observe import Observation
from service.metrics.signals import Signal
from service.metrics.source import Change
from service.metrics.table import table_of
from service.scope import QuestionScope, mentioned


class RankingPolicy(Frozen):
    """Every number of the ranking."""

    metrics: float = 0.30
    onset: float = 0.20
    change: float = 0.30
    knowledge: float = 0.20
    components: ComponentPolicy = ComponentPolicy()
    confidence: ConfidencePolicy = ConfidencePolicy()
    span: timedelta = timedelta(hours=1)
    """How much of a disturbance the components are compared over, at most: what follows later
    follows from it."""
    onset_decay: timedelta = timedelta(minutes=10)
    """A component that changed this much later than the first has 1/e of the onset score."""
    change_decay: timedelta = timedelta(minutes=20)
    change_reach: timedelta = timedelta(minutes=30)
    """Changes longer ago than this are not connected to what followed."""
    idle_change: float = 0.3
    """Share of the change score for a component whose own metrics stayed calm."""
    unconfirmed: float = 0.5
    recurrence: RecurrencePolicy = RecurrencePolicy()
    runbook: float = 0.7
    """Weight of a runbook's cause, if the runbook's alert fired; half of it otherwise."""
    analogy: float = 0.5
    """Weight of an incident that a release caused, for another component just released."""
    other_metrics: float = 0.5
    """Weight of a known cause that speaks of none of the metrics that changed."""
    knowledge_rank: float = 0.15
    """Each rank further down the search takes about this share off a known cause."""
    least: float = 0.2
    """Candidates with a lower score are not shown …"""
    least_share: float = 0.35
    """… nor those with less than this share of the best one's."""
    least_known: float = 0.05
    """… nor, without metrics, what is only known with less than this."""
    most_alike: int = 2
    """Causes, without metrics, that incident reports state in the same words of another component:
    somebody can write ten of these in a minute."""
    limit: int = 5


class ScoreParts(Frozen):
    """Why a cause stands where it stands; each part is weighted and they add up to the score."""

    metrics: float = 0.0
    """How far the component's own metrics left their past, against the others'."""
    onset: float = 0.0
    """How early it changed, compared with everything else that did."""
    change: float = 0.0
    """How shortly before a deployment or other change on it happened."""
    knowledge: float = 0.0
    """How well past incidents and runbooks name it for what is seen."""

    @property
    def total(self) -> float:
        return self.metrics + self.onset + self.change + self.knowledge


class RankedCause(Frozen):
    """A candidate with its evidence, best first within each kind."""

    component: str
    region: str | None
    score: float
    parts: ScoreParts
    confidence: float | None = None
    """How likely it is the right one, 0..1; None where no metrics were seen."""
    kinds: tuple[MetricKind, ...] = ()
    """What kinds of its metrics left their past, the most telling first."""
    accounted: float | None = None
    """Which share of the symptom it adds itself, 0..1; None where no call graph tells."""
    signals: tuple[Signal, ...] = ()
    changes: tuple[Change, ...] = ()
    alerts: tuple[str, ...] = ()
    """Names of the alerts that fired on the component itself."""
    known: tuple[KnownCause, ...] = ()
    first: datetime | None = None
    """When its own metrics began to change."""


def rank_causes(
    disturbance: Disturbance,
    observation: Observation,
    known: Sequence[KnownCause],
    scope: QuestionScope,
    services: Sequence[str],
    *,
    calls: Calls = (),
    drawn: Sequence[tuple[str, Sequence[str]]] = (),
    policy: RankingPolicy,
    disturbances: DisturbancePolicy,
) -> list[RankedCause]:
    """The most likely causes of a disturbance, best first; ties by name.

    ``calls``: pairs of caller and callee that are configured; ``drawn``: for a service with a
    dashboard of its own, the services whose metrics that dashboard draws.
    """
    related = _first_episodes(related_signals(disturbance, observation, policy=disturbances))
    by_component: dict[str, list[Signal]] = {}
    for signal in related:
        component = component_of(signal.labels)
        if component is not None:
            by_component.setdefault(component, []).append(signal)
    earliest = min((s.onset for s in related), default=disturbance.started)
    firsts = {c: min(s.onset for s in signals) for c, signals in by_component.items()}
    components = {
        component.service: component
        for component in rank_components(
            table_of(observation.samples, disturbance.region),
            Incident(
                onset=earliest.timestamp(),
                until=min(
                    disturbance.ended or observation.window.end, earliest + policy.span
                ).timestamp(),
                symptom=_symptom(disturbance, scope),
                topology=(
                    *calls,
                    *calls_in_labels(one.series.labels for one in observation.samples),
                ),
                suspected=_suspected(known, drawn),
            ),
            policy=policy.components,
        )
    }
    names = tuple(dict.fromkeys([*services, *by_component]))
    changed: dict[str, list[tuple[Change, float]]] = {}
    for change in observation.changes:
        for component in changed_components(change, names):
            lag = firsts.get(component, earliest) - change.at
            if not _in_region(change, disturbance.region, scope, observation):
                continue
            # Deployments are stamped when they begin or when they end: allow one step.
            if -observation.step <= lag <= policy.change_reach:
                share = 1.0 if component in by_component else policy.idle_change
                score = share * _decay(max(lag, timedelta(0)), policy.change_decay)
                changed.setdefault(component, []).append((change, score))
    released = set(changed)
    short = {
        component
        for component, signals in by_component.items()
        if any(_is_shortage(s) for s in signals)
    }
    alarms: dict[str | None, set[str]] = {}
    for alert in disturbance.alerts:
        alarms.setdefault(component_of(alert.labels), set()).add(alert.name)
    ranked = []
    for component in sorted({*by_component, *changed}):
        signals = sorted(
            by_component.get(component, ()),
            key=lambda s: (not _is_shortage(s), -abs(s.strength), s.onset, s.query),
        )
        own = components.get(component)
        metrics = [s.metric for s in signals]
        support = [
            (_relevance(k, component, metrics, disturbance, alarms, short, released, policy), k)
            for k in known
        ]
        support = sorted(
            ((r, k) for r, k in support if r > 0), key=lambda item: (-item[0], item[1].rank)
        )
        changes = sorted(changed.get(component, ()), key=lambda item: (-item[1], item[0].at))
        first = firsts.get(component)
        parts = ScoreParts(
            metrics=policy.metrics * (own.score if own and signals else 0.0),
            onset=policy.onset * (_decay(first - earliest, policy.onset_decay) if first else 0.0),
            change=policy.change * max((score for _, score in changes), default=0.0),
            knowledge=policy.knowledge * max((r for r, _ in support), default=0.0),
        )
        if not _only_suffers(component, signals, parts, scope):
            ranked.append(
                RankedCause(
                    component=component,
                    region=disturbance.region,
                    score=parts.total,
                    parts=parts,
                    kinds=_telling(own),
                    accounted=own.accounted if own else None,
                    signals=tuple(signals),
                    changes=tuple(change for change, _ in changes),
                    alerts=tuple(sorted(alarms.get(component, ()))),
                    known=tuple(k for _, k in support),
                    first=first,
                )
            )
    five = shown(_share_of_what_there_was(ranked, policy), policy)
    likely = confidences([cause.score for cause in five], policy.confidence)
    return [
        cause.model_copy(update={"confidence": round(chance, 3)})
        for cause, chance in zip(five, likely, strict=True)
    ]


def _share_of_what_there_was(
    ranked: Sequence[RankedCause], policy: RankingPolicy
) -> list[RankedCause]:
    """The same causes, scored by the kinds of evidence that any of them has."""
    weights = {name: getattr(policy, name) for name in ScoreParts.model_fields}
    there = sum(
        weight
        for name, weight in weights.items()
        if any(getattr(cause.parts, name) > 0 for cause in ranked)
    )
    found = []
    for cause in ranked:
        parts = ScoreParts(
            **{name: round(getattr(cause.parts, name) / (there or 1.0), 4) for name in weights}
        )
        found.append(cause.model_copy(update={"parts": parts, "score": round(parts.total, 4)}))
    return [cause for cause in found if cause.score >= policy.least]


def _symptom(disturbance: Disturbance, scope: QuestionScope) -> Symptom | None:
    """What the asked service feels; its metric, if it is only of one kind."""
    asked = [s for s in disturbance.symptoms if component_of(s.labels) in scope.services]
    if not asked:
        return None
    strongest = max(asked, key=lambda s: (abs(s.strength), s.query))
    kinds = {kind_of_series(s.metric, s.labels) for s in asked}
    return Symptom(
        service=component_of(strongest.labels) or "",
        metric=strongest.metric if len(kinds) == 1 else None,
    )


def _suspected(known: Sequence[KnownCause], drawn: Sequence[tuple[str, Sequence[str]]]) -> Calls:
    """Who may call whom: a page or a dashboard about a service names what lies below it."""
    pages = [
        (service, cause.mentions)
        for cause in known
        if not cause.incident
        for service in cause.services
    ]
    return calls_in_words([*pages, *drawn])


def _telling(component: RankedComponent | None) -> tuple[MetricKind, ...]:
    """The kinds that make up most of the evidence, strongest first."""
    kinds = component.kinds if component else {}
    least = 0.1 * sum(kinds.values())
    return tuple(sorted((k for k, v in kinds.items() if v > least), key=lambda k: (-kinds[k], k)))


def in_order(ranked: Sequence[RankedCause]) -> list[RankedCause]:
    """The best first, ties by name."""
    return sorted(ranked, key=lambda cause: (-cause.score, cause.component))


def shown(ranked: Sequence[RankedCause], policy: RankingPolicy) -> list[RankedCause]:
    """The first five, without what is far behind the best."""
    ordered = in_order(ranked)
    best = ordered[0].score if ordered else 0.0
    return [c for c in ordered if c.score >= policy.least_share * best][: policy.limit]


def changed_components(change: Change, names: Sequence[str]) -> tuple[str, ...]:
    """The components that a change touched: those it is tagged with, else those it names."""
    tagged = tuple(name for name in names if name in change.tags)
    return tagged or mentioned(change.text, names)


def _in_region(
    change: Change, region: str | None, scope: QuestionScope, observation: Observation
) -> bool:
    regions = {region_of(s.labels) for s in observation.signals} | set(scope.regions)
    named = {
        name
        for name in regions
        if name is not None and (name in change.tags or mentioned(change.text, [name]))
    }
    return region is None or not named or region in named


def _first_episodes(signals: Sequence[Signal]) -> list[Signal]:
    """One signal per series: what came back later is not what began it."""
    first: dict[tuple[str, tuple[tuple[str, str], ...]], Signal] = {}
    for signal in sorted(signals, key=lambda s: s.onset):
        first.setdefault((signal.metric, tuple(sorted(signal.labels.items()))), signal)
    return list(first.values())


def _is_shortage(signal: Signal) -> bool:
    return signal.nature is Nature.SATURATION


def _decay(lag: timedelta, scale: timedelta) -> float:
    return math.exp(-lag / scale)


def by_rank(cause: KnownCause, policy: RankingPolicy) -> float:
    return 1.0 / (1.0 + policy.knowledge_rank * (cause.rank - 1))


def _relevance(
    cause: KnownCause,
    component: str,
    metrics: Sequence[str],
    disturbance: Disturbance,
    alarms: Mapping[str | None, set[str]],
    short: set[str],
    released: set[str],
    policy: RankingPolicy,
) -> float:
    """How much a known cause supports a component for this disturbance, 0..1."""
    if cause.incident:
        kind = 1.0 if cause.confirmed else policy.unconfirmed
        kind *= recurrence(cause.happened, disturbance.started, policy.recurrence)
        suffering = set(disturbance.components)
        kind *= 0.5 + 0.5 * len(suffering & set(cause.services)) / max(1, len(suffering))
    else:
        fired = set().union(*alarms.values())
        kind = policy.runbook * (1.0 if fired & set(cause.alerts) else 0.5)
    # A page about a component's own alert need not name the component.
    nameless = cause.component is None and bool(alarms.get(component, set()) & set(cause.alerts))
    fits = 1.0 if speaks_of(cause, metrics) else policy.other_metrics
    if (
        nameless
        or component == cause.component
        or (component in cause.mentions and component in short)
    ):
        role = fits
    elif cause.is_about_a_release and component in released and short & set(cause.mentions):
        role = policy.analogy
    else:
        return 0.0  # to be named as the victim is not to be blamed
    return kind * role * by_rank(cause, policy) * cause.trust


def _only_suffers(
    component: str, signals: Sequence[Signal], parts: ScoreParts, scope: QuestionScope
) -> bool:
    """The asked service itself is no cause of its own symptom unless more than that shows."""
    return (
        component in scope.services
        and parts.change == 0.0
        and not any(_is_shortage(s) for s in signals)
    )
