"""Which clusters and nodes need maintenance: a ranking with visible points, pure.

Each reason is a sentence with its evidence and is worth some points; a row's score is their sum
and nothing else. What counts is what a person would take a machine out for: errors of GPUs and
their memory, heat, full disks, restarts, missing capacity, and machines that somebody holds and
nobody uses ("zombies"). Beside it stands what is written: incidents that came back, and work that
was agreed on after them and is still open. What was over at the end of the window counts less.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from ingest.documents import IncidentFacts, RunbookFacts
from service.fleet.measured import node_reasons
from service.fleet.model import (
    ComponentKind,
    Concern,
    DraftReason,
    DraftRow,
    FleetPolicy,
    Seen,
    cluster_of,
    node_of,
    points_of,
    told,
)
from service.fleet.written import first_step, incidents, overdue
from service.metrics.labels import region_of
from service.metrics.signals import Signal
from service.metrics.source import Alert
from service.reports.cite import alert_citation, metric_citation
from service.reports.draft import DraftClaim
from service.reports.phrases import Clock, capital, name_of, value_of
from service.tracks import Track

_SERVICE_LABELS = ("service", "app", "application", "component", "deployment")


_WRITTEN = (Concern.INCIDENTS, Concern.OVERDUE)


def rank_fleet(seen: Seen, *, policy: FleetPolicy) -> list[DraftRow]:
    """Every cluster and node that is known, the neediest first; equals by kind and name.

    A cluster has the reasons of its nodes besides its own, ``policy.most`` of a concern.
    """
    nodes = _nodes(seen, policy)
    clusters = _clusters(seen, nodes, policy)
    return sorted([*clusters, *nodes], key=lambda row: (-row.score, row.kind, row.name))


def _nodes(seen: Seen, policy: FleetPolicy) -> list[DraftRow]:
    of_node: dict[str, list[Track]] = {}
    for track in seen.tracks:
        name = node_of(track.labels, track.metric)
        if name is not None:
            of_node.setdefault(name, []).append(track)
    for alert in seen.alerts:
        if name := node_of(alert.labels):
            of_node.setdefault(name, [])
    rows = []
    for name, tracks in of_node.items():
        labels: dict[str, str] = {}
        for known in (
            *(track.labels for track in tracks),
            *(alert.labels for alert in seen.alerts if node_of(alert.labels) == name),
        ):
            labels = {**known, **labels}
        measured = node_reasons(tracks, seen.window, policy=policy)
        told = {
            citation.title
            for reason in measured
            for citation in reason.claim.citations
            if citation.type == "metric"
        }
        changed = [
            s for s in seen.signals if node_of(s.labels, s.metric) == name and s.metric not in told
        ]
        alerts = [alert for alert in seen.alerts if node_of(alert.labels) == name]
        rows.append(
            _row(
                ComponentKind.NODE,
                name,
                labels,
                [*measured, *_changed(changed, seen, policy), *_alerts(alerts, seen, policy)],
                alerts,
                seen,
                policy,
            )
        )
    return rows


def _clusters(seen: Seen, nodes: Sequence[DraftRow], policy: FleetPolicy) -> list[DraftRow]:
    known: dict[str, dict[str, str]] = {}
    for labels in (
        *(track.labels for track in seen.tracks),
        *(alert.labels for alert in seen.alerts),
    ):
        if name := cluster_of(labels):
            known[name] = {**labels, **known.get(name, {})}
    of_nodes = {row.name for row in nodes}
    for chunks in seen.documents.values():
        facts = chunks[0].facts
        if isinstance(facts, IncidentFacts) and facts.component:
            is_machine = facts.component not in (*seen.services, *of_nodes)
            if is_machine:
                known.setdefault(facts.component, {})
    rows = []
    for name, labels in known.items():
        reasons = [
            reason
            for row in nodes
            if row.cluster == name
            for reason in row.reasons
            if reason.concern not in _WRITTEN
        ]
        alerts = [a for a in seen.alerts if cluster_of(a.labels) == name and not node_of(a.labels)]
        signals = [
            s
            for s in seen.signals
            if cluster_of(s.labels) == name and not node_of(s.labels, s.metric)
        ]
        reasons += [*_changed(signals, seen, policy), *_alerts(alerts, seen, policy)]
        rows.append(_row(ComponentKind.CLUSTER, name, labels, reasons, alerts, seen, policy))
    return rows


def _row(
    kind: ComponentKind,
    name: str,
    labels: Mapping[str, str],
    reasons: Sequence[DraftReason],
    alerts: Sequence[Alert],
    seen: Seen,
    policy: FleetPolicy,
) -> DraftRow:
    runbooks = [
        chunks
        for chunks in seen.documents.values()
        if isinstance(facts := chunks[0].facts, RunbookFacts)
        and {alert.name for alert in alerts} & {*facts.alerts}
    ]
    written = [*incidents(name, seen, policy), *overdue(name, runbooks, seen, policy)]
    return DraftRow(
        kind=kind,
        name=name,
        cluster=name if kind is ComponentKind.CLUSTER else cluster_of(labels),
        region=region_of(labels),
        reasons=tuple(told([*reasons, *written], policy)),
        next_check=next(filter(None, map(first_step, runbooks)), None),
    )


def _changed(signals: Sequence[Signal], seen: Seen, policy: FleetPolicy) -> Iterator[DraftReason]:
    """Other changes for the worse of the machine itself, not of a service that runs on it."""
    clock = Clock(seen.window)
    for signal in signals:
        if not signal.bad or any(name in signal.labels for name in _SERVICE_LABELS):
            continue
        is_open = signal.ended is None
        went = "rose" if signal.strength > 0 else "fell"
        end = "and is not back" if is_open else f"normal again at {clock(signal.last.at)}"
        yield DraftReason(
            concern=Concern.CHANGED,
            points=points_of(policy.changed, is_open=is_open, policy=policy),
            is_open=is_open,
            claim=DraftClaim(
                text=f"{capital(name_of(signal))} {went} from {value_of(signal, signal.before)} to "
                f"{value_of(signal, signal.peak)}, from {clock(signal.onset)} on, {end}.",
                citations=(
                    metric_citation(signal, signal.before, signal.start, signal.peak, signal.last),
                ),
            ),
        )


def _alerts(alerts: Sequence[Alert], seen: Seen, policy: FleetPolicy) -> Iterator[DraftReason]:
    clock = Clock(seen.window)
    for alert in alerts:
        is_open = alert.ended is None
        end = f"until {clock(alert.ended)}" if alert.ended else "and still fires"
        whose = node_of(alert.labels) or cluster_of(alert.labels)
        yield DraftReason(
            concern=Concern.ALERTS,
            points=points_of(policy.alert, is_open=is_open, policy=policy),
            is_open=is_open,
            claim=DraftClaim(
                text=f"{alert.name} fired for {whose} at {clock(alert.started)} {end}.",
                citations=(alert_citation(alert),),
            ),
        )
