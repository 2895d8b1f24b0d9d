"""What the call graph says: who is a victim, and how much of a symptom each service accounts for.

A caller waits for its callees and fails when they fail, so what is wrong travels from callee to
caller. Two uses of that, both one step deep, so that a graph with cycles or holes does no harm:

``discount_victims`` takes something off a service that has a callee which deviates, too.

``account_for`` is bookkeeping on the metric that the symptom names. If a service got slower by d
and is called n times while the symptom's service is called N times, it explains d·n of the D·N
that the symptom got worse by; of that, what its own callee explains is the callee's. With a
latency these are seconds waited, with an availability requests failed. It needs no constant, and
no unit, since it compares a metric with itself. (The idea of the critical path; compare the
graph traversal of MonitorRank, Kim et al., SIGMETRICS 2013.)

Pure; services are names, calls are pairs of caller and callee. They are read out of what is there:
``calls_in_labels`` (a service mesh's or a tracer's metrics) and ``calls_in_words`` (a runbook or
a dashboard that names what to look at below its own service).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from service.causes.deviations import level_within, usual
from service.metrics.kinds import MetricKind, direction_of, kind_of
from service.metrics.table import MetricTable

Calls = tuple[tuple[str, str], ...]

_CALLER_AND_CALLEE = (
    # Tempo's and OpenTelemetry's service graphs; Istio; Linkerd and Cilium; by hand.
    ("client", "server"),
    ("source_workload", "destination_workload"),
    ("source_app", "destination_app"),
    ("deployment", "dst_deployment"),
    ("source", "destination"),
    ("caller", "callee"),
)


def calls_in_labels(label_sets: Iterable[Mapping[str, str]]) -> Calls:
    """The pairs that series of calls are labelled with, sorted."""
    found = {
        (labels[caller], labels[callee])
        for labels in label_sets
        for caller, callee in _CALLER_AND_CALLEE
        if labels.get(caller) and labels.get(callee)
    }
    return tuple(sorted(pair for pair in found if pair[0] != pair[1]))


def calls_in_words(mentions: Iterable[tuple[str, Sequence[str]]]) -> Calls:
    """Pairs of a service and each other one that a text about it names, sorted.

    Where texts name each other's services, nobody can tell who calls whom: left out.
    """
    found = {(service, named) for service, names in mentions for named in names}
    return tuple(sorted((a, b) for a, b in found if a != b and (b, a) not in found))


def callees_of(topology: Calls) -> dict[str, tuple[str, ...]]:
    """By caller; a service that calls itself is left out."""
    callees: dict[str, list[str]] = {}
    for caller, callee in topology:
        if caller != callee:
            callees.setdefault(caller, []).append(callee)
    return {caller: tuple(dict.fromkeys(found)) for caller, found in callees.items()}


def reachable_from(service: str, topology: Calls) -> set[str]:
    """The service and what it calls, directly or through others."""
    callees = callees_of(topology)
    seen = {service}
    waiting = [service]
    while waiting:
        new = set(callees.get(waiting.pop(), ())) - seen
        seen |= new
        waiting += sorted(new)
    return seen


def discount_victims(
    evidence: Mapping[str, float], topology: Calls, share: float
) -> dict[str, float]:
    """Evidence, less ``share`` of what the most deviating callee of each service shows."""
    callees = callees_of(topology)
    found = {}
    for service, own in evidence.items():
        below = max((evidence.get(callee, 0.0) for callee in callees.get(service, ())), default=0.0)
        found[service] = own - share * min(own, below)
    return found


def account_for(
    symptom: str,
    metric: str,
    table: MetricTable,
    topology: Calls,
    *,
    onset: float,
    until: float,
    history: float,
) -> dict[str, float]:
    """The share, 0..1, of the worsening of ``metric`` at ``symptom`` that each service adds itself.

    ``onset`` and ``until`` in unix seconds, ``history`` in seconds. A service whose traffic is
    not measured counts as called as often as the symptom's. Empty where nothing can be
    accounted: no topology around the symptom, no such metric there, or it did not get worse.
    """
    callees = callees_of(topology)
    if symptom not in callees:
        return {}
    worse = _worsening(metric, table, onset, until, history)
    calls = _traffic(symptom, table, onset, until)
    often = calls.get(symptom, 1.0)
    total = worse.get(symptom, 0.0) * often
    if total <= 0:
        return {}
    shares = {
        service: min(1.0, max(0.0, worse.get(service, 0.0) * calls.get(service, often) / total))
        for service in reachable_from(symptom, topology)
    }
    # The largest callee, not their sum: one dependency often shows under several names, and
    # parallel calls do not add up.
    return {
        service: share - min(share, max((shares[c] for c in callees.get(service, ())), default=0.0))
        for service, share in shares.items()
    }


def _worsening(
    metric: str, table: MetricTable, onset: float, until: float, history: float
) -> dict[str, float]:
    """By service: how much worse than usual the metric got, in its unit. Better is negative."""
    rows = [row for row, name in enumerate(table.metrics) if name == metric]
    if not rows:
        return {}
    part = table.select(rows)
    level, scale = usual(part, onset, history)
    change = level_within(part, onset, until) - level
    # What a series does anyway is nothing that happened to it.
    beyond = np.sign(change) * np.maximum(0.0, np.abs(change) - scale)
    direction = direction_of(metric, kind_of(metric)) or 1
    return {
        service: float(direction * delta)
        for service, delta in zip(part.services, beyond, strict=True)
        if np.isfinite(delta)
    }


def _traffic(symptom: str, table: MetricTable, onset: float, until: float) -> dict[str, float]:
    """By service: how often it is called, in a unit that all share. Empty where it isn't known.

    Of several traffic metrics, the one that most services have, the symptom's among them.
    """
    rows: dict[str, list[int]] = {}
    for row, (name, kind) in enumerate(zip(table.metrics, table.kinds, strict=True)):
        if kind is MetricKind.TRAFFIC:
            rows.setdefault(name, []).append(row)
    known = {
        name: found
        for name, found in rows.items()
        if symptom in {table.services[row] for row in found}
    }
    if not known:
        return {}
    part = table.select(known[max(known, key=lambda name: (len(known[name]), name))])
    levels = level_within(part, onset, until)
    calls = {
        service: max(0.0, float(level))
        for service, level in zip(part.services, levels, strict=True)
        if np.isfinite(level)
    }
    return calls if calls.get(symptom, 0.0) > 0 else {}
