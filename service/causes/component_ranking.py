"""Series of many services → the services, ranked as causes. Metrics only, nothing else known.

The evidence of a service is a sum over kinds of metrics (``metrics.kinds``): in each, how far its
series left their past, in scales (``deviations``), as a logarithm, since a thousand scales are
not ten times as convincing as a hundred. A kind counts by how well it tells *where* the fault is:
CPU and memory are a service's own; its traffic and what it reads and writes follow from what
others ask; a client's latency belongs to whom it calls. Where a direction hurts, only that
direction counts in full.

If the symptom and the call graph are known, bookkeeping (``topology.account_for``) says what
share of the symptom each service adds itself, and that weighs most. With a call graph alone, a
service whose callee deviates is taken for a victim, in part.

Every number is in ``ComponentPolicy``, and every part of a score in its result.
"""

from __future__ import annotations

import math

import numpy as np

from ingest.documents import Frozen
from service.causes.deviations import DeviationPolicy, deviations
from service.causes.topology import Calls, account_for, discount_victims
from service.metrics.kinds import MetricKind, direction_of, kind_of
from service.metrics.table import MetricTable

_FELT = {
    MetricKind.AVAILABILITY,
    MetricKind.ERRORS,
    MetricKind.LATENCY,
    MetricKind.CLIENT_LATENCY,
    MetricKind.TRAFFIC,
}
_ONE_WAY = _FELT - {MetricKind.TRAFFIC} | {MetricKind.SATURATION}
_FOLLOWS = {
    MetricKind.CLIENT_LATENCY,
    MetricKind.NETWORK,
    MetricKind.IO,
    MetricKind.TRAFFIC,
    MetricKind.OTHER,
}

_STRONGEST = 3
"""Series of a kind that count: many calm pods must not hide a sick one, nor one series decide."""


class Symptom(Frozen):
    """What was noticed: a service, and the name of the metric that got worse, if it is known."""

    service: str
    metric: str | None = None


class Incident(Frozen):
    """What is known of an incident beside its series. Times in unix seconds.

    ``topology``: pairs of caller and callee as measured or configured; ``suspected``: pairs that
    are only written about. Both may be empty.
    """

    onset: float
    until: float
    symptom: Symptom | None = None
    topology: Calls = ()
    suspected: Calls = ()


class ComponentPolicy(Frozen):
    """Every number of the ranking; ``python -m bench.tune_causes`` fits ``consequence`` and
    ``relief``, docs/benchmarks.md says why the others are what they are."""

    deviation: DeviationPolicy = DeviationPolicy()
    consequence: float = 0.25
    """Weight of the kinds that mostly follow from what other services do or ask; 1 for others."""
    relief: float = 0.5
    """Weight of a change in the direction that does not hurt."""
    unrelated: float = 0.25
    """Weight of latency, errors, availability and traffic if another of them is the symptom."""
    victim: float = 0.5
    """Share of its callee's evidence that a service loses."""
    accounted: float = 0.75
    """Share of the score that is bookkeeping, where there can be any."""


class RankedComponent(Frozen):
    """A service and why it stands where it stands.

    ``score`` (0..1) is ``evidence`` and ``accounted`` together, as far as each applies.
    """

    service: str
    score: float
    evidence: float
    """How far its metrics left their past, against the service where they left it most."""
    kinds: dict[MetricKind, float]
    """The parts of the evidence before it was compared with others."""
    accounted: float | None
    """The share of the symptom that it adds itself; None where that can't be told."""


def rank_components(
    table: MetricTable, incident: Incident, *, policy: ComponentPolicy
) -> list[RankedComponent]:
    """Every service of the table, the most likely cause first; ties by name."""
    kinds = _evidence_by_kind(table, incident, policy)
    # fsum: the order in which a server sends series must not decide a rank.
    evidence = {name: math.fsum(parts.values()) for name, parts in kinds.items()}
    accounted = _accounts(table, incident, policy)
    if not accounted:
        calls = (*incident.topology, *incident.suspected)
        evidence = discount_victims(evidence, calls, policy.victim)
    most = max(evidence.values(), default=0.0) or 1.0
    ranked = []
    for service, found in evidence.items():
        own = found / most
        share = accounted.get(service, 0.0) if accounted else None
        score = own if share is None else policy.accounted * share + (1 - policy.accounted) * own
        ranked.append(
            RankedComponent(
                service=service,
                score=score,
                evidence=own,
                kinds={kind: part for kind, part in kinds[service].items() if part > 0},
                accounted=share,
            )
        )
    return sorted(ranked, key=lambda component: (-component.score, component.service))


def _evidence_by_kind(
    table: MetricTable, incident: Incident, policy: ComponentPolicy
) -> dict[str, dict[MetricKind, float]]:
    """By service: the mean of the strongest series of a kind, weighted."""
    signed = deviations(table, onset=incident.onset, until=incident.until, policy=policy.deviation)
    weights = _weights(incident, policy)
    hurts = [
        direction_of(metric, kind) if kind in _ONE_WAY else 0
        for metric, kind in zip(table.metrics, table.kinds, strict=True)
    ]
    relieves = signed * np.array(hurts) < 0
    strength = np.log1p(np.abs(signed)) * np.where(relieves, policy.relief, 1.0)
    found: dict[str, dict[MetricKind, list[float]]] = {}
    for service, kind, value in zip(table.services, table.kinds, strength.tolist(), strict=True):
        found.setdefault(service, {}).setdefault(kind, []).append(value)
    return {
        service: {
            kind: weights[kind] * _mean_of_strongest(values) for kind, values in by_kind.items()
        }
        for service, by_kind in found.items()
    }


def _mean_of_strongest(values: list[float]) -> float:
    strongest = sorted(values)[-_STRONGEST:]
    return math.fsum(strongest) / len(strongest)


def _weights(incident: Incident, policy: ComponentPolicy) -> dict[MetricKind, float]:
    """What a deviation of each kind is worth for this incident."""
    weights = {kind: policy.consequence if kind in _FOLLOWS else 1.0 for kind in MetricKind}
    if incident.symptom is not None and incident.symptom.metric is not None:
        asked = kind_of(incident.symptom.metric)
        if asked in _FELT:
            for kind in _FELT - {asked}:
                weights[kind] *= policy.unrelated
    return weights


def _accounts(table: MetricTable, incident: Incident, policy: ComponentPolicy) -> dict[str, float]:
    if policy.accounted == 0 or incident.symptom is None or incident.symptom.metric is None:
        return {}
    return account_for(
        incident.symptom.service,
        incident.symptom.metric,
        table,
        incident.topology,
        onset=incident.onset,
        until=incident.until,
        history=policy.deviation.history.total_seconds(),
    )
