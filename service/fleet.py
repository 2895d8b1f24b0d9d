"""Which clusters and nodes need maintenance: a ranking with visible points, pure.

Each reason is a sentence with its evidence and is worth some points; a row's score is their sum
and nothing else. What counts is what a person would take a machine out for: errors of GPUs and
their memory, heat, full disks, restarts, missing capacity, and machines that somebody holds and
nobody uses ("zombies"). Beside it stands what is written: incidents that came back, and work that
was agreed on after them and is still open. What was over at the end of the window counts less.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from enum import StrEnum

import numpy as np
from pydantic import ConfigDict

from ingest.documents import Chunk, Frozen, IncidentFacts, RunbookFacts, SourceKind
from service.gpu_errors import XidMeaning, xid
from service.metrics.labels import region_of
from service.metrics.signals import Signal
from service.metrics.source import Alert, Window
from service.reports.cite import alert_citation, metric_citation, passage_citation, quotation
from service.reports.draft import DraftClaim
from service.reports.phrases import Clock, capital, flat, name_of, value_of, worded
from service.scope import mentioned
from service.tracks import Track

NODE_LABELS = ("node", "Hostname", "hostname", "host", "nodename")
"""The first one that a series has names its node; ``Hostname`` is dcgm-exporter's."""
CLUSTER_LABELS = ("cluster", "cluster_name", "k8s_cluster")
_HOLDER_LABELS = ("exported_pod", "pod", "hpc_job", "job_id", "slurm_job_id")
"""Labels with which dcgm-exporter names who holds a GPU (Kubernetes' pods, HPC jobs)."""
_EXPORTED_BY_THE_NODE = ("node_", "DCGM_")
_ALLOCATION = r"(?:slurm|node|gpu|gres)\w*_alloc(?:ated)?(?:_|$)"
_SERVICE_LABELS = ("service", "app", "application", "component", "deployment")


class ComponentKind(StrEnum):
    CLUSTER = "cluster"
    NODE = "node"


class Concern(StrEnum):
    """What a reason is about."""

    XID = "Xid"
    MEMORY = "GPU memory"
    HEAT = "heat"
    DISK = "disk"
    RESTARTS = "restarts"
    CAPACITY = "capacity"
    ZOMBIE = "zombie"
    CHANGED = "changed"
    ALERTS = "alerts"
    INCIDENTS = "incidents"
    OVERDUE = "overdue work"


_WRITTEN = (Concern.INCIDENTS, Concern.OVERDUE)


class FleetPolicy(Frozen):
    """Every number that the ranking decides by. The points say what goes before what: a broken
    GPU before a hot one, that before what is only written down."""

    maintenance_xid: float = 3.0
    watched_xid: float = 1.0
    application_xid: float = 0.25
    memory: float = 3.0
    heat: float = 2.0
    disk: float = 2.0
    restarts: float = 1.0
    lost: float = 3.0
    """A node that is not ready, or GPUs that a scheduler no longer offers."""
    cordoned: float = 1.0
    zombie: float = 2.0
    changed: float = 1.0
    alert: float = 1.0
    incident: float = 0.5
    overdue: float = 0.25
    most: int = 3
    """Reasons of one concern that are told and counted for a component."""
    over: float = 0.25
    """What is left of the points of something that is over."""

    hot: float = 87.0
    """°C at which a GPU slows down, where no ``DCGM_FI_DEV_SLOWDOWN_TEMP`` says so itself:
    ``nvidia-smi -q`` reports 87 for V100 and 89 for A100."""
    disk_free: float = 0.05
    """Share of a filesystem: where node-mixin's NodeFilesystemAlmostOutOfSpace begins to warn."""
    idle: float = 2.0
    """Percent of use up to which a GPU or a node does nothing …"""
    idle_for: timedelta = timedelta(hours=2)
    """… and for how long, at least: longer than a restart from a checkpoint takes."""

    history: timedelta = timedelta(days=365)
    """Incidents older than this don't count."""
    due: timedelta = timedelta(days=30)
    """An action item is overdue this long after its report."""
    review: timedelta = timedelta(days=365)
    """A runbook for what fires here is due for a review after this."""


class DraftReason(Frozen):
    """A reason and its points; the claim is not yet checked."""

    concern: Concern
    points: float
    claim: DraftClaim
    is_open: bool = True
    """False for something that was over at the end of the window."""


class DraftRow(Frozen):
    """A component with its reasons, those with the most points first."""

    kind: ComponentKind
    name: str
    cluster: str | None
    region: str | None
    reasons: tuple[DraftReason, ...]
    next_check: DraftClaim | None = None

    @property
    def score(self) -> float:
        return sum(reason.points for reason in self.reasons)


class Seen(Frozen):
    """All that a ranking is made of. ``documents``: id → chunks of incidents and runbooks."""

    model_config = ConfigDict(arbitrary_types_allowed=True)

    window: Window
    tracks: tuple[Track, ...] = ()
    signals: tuple[Signal, ...] = ()
    alerts: tuple[Alert, ...] = ()
    documents: Mapping[str, tuple[Chunk, ...]] = {}
    services: tuple[str, ...] = ()
    """Names of services: what is at fault in an incident and is none of these is a machine."""


FLEET_METRICS = re.compile(
    r"xid|ecc_dbe|uncorrectable|row_remap|retired_dbe|gpu_temp|slowdown_temp|gpu_util|"
    r"gr_engine_active|cpu_util|filesystem_(?:avail|size)_bytes|restart|boot_time|"
    r"kube_node_(?:status_condition|status_allocatable|status_capacity|spec_unschedulable)|"
    rf"resource_requests|{_ALLOCATION}",
    re.IGNORECASE,
)
"""Names of metrics that are asked for."""


def node_of(labels: Mapping[str, str], metric: str = "") -> str | None:
    """The node that a series is about.

    ``instance`` is where it was scraped, which is the node only for an exporter of the machine
    itself; the port is the exporter's.
    """
    named = next((labels[name] for name in NODE_LABELS if labels.get(name)), None)
    if named is None and metric.startswith(_EXPORTED_BY_THE_NODE):
        return labels.get("instance", "").rpartition(":")[0] or labels.get("instance")
    return named


def cluster_of(labels: Mapping[str, str]) -> str | None:
    return next((labels[name] for name in CLUSTER_LABELS if labels.get(name)), None)


def rank_fleet(seen: Seen, *, policy: FleetPolicy) -> list[DraftRow]:
    """Every cluster and node that is known, the neediest first; equals by kind and name.

    A cluster has the reasons of its nodes besides its own, ``policy.most`` of a concern.
    """
    nodes = _nodes(seen, policy)
    clusters = _clusters(seen, nodes, policy)
    return sorted([*clusters, *nodes], key=lambda row: (-row.score, row.kind, row.name))


def node_reasons(
    tracks: Sequence[Track], window: Window, *, policy: FleetPolicy
) -> list[DraftReason]:
    """What the metrics of one node say, the most points first; at most ``policy.most`` of a
    concern."""
    clock = Clock(window)
    inside = [track.since(window.start).finite() for track in tracks]
    inside = [track for track in inside if len(track.values)]
    found = [
        *_xids(inside, clock, policy),
        *_memory(inside, clock, policy),
        *_heat(inside, clock, policy),
        *_disk(inside, clock, policy),
        *_restarts(inside, clock, policy),
        *_capacity(inside, clock, policy),
        *_zombies(inside, window, clock, policy),
    ]
    return _told(found, policy)


def sees_allocations(tracks: Iterable[Track]) -> bool:
    """Whether any metric or label says who holds what: without it there are no zombies to see."""
    return any(_allocates(track) or _holder(track) for track in tracks)


# -- components ------------------------------------------------------------------------------------


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
    written = [*_incidents(name, seen, policy), *_overdue(name, runbooks, seen, policy)]
    return DraftRow(
        kind=kind,
        name=name,
        cluster=name if kind is ComponentKind.CLUSTER else cluster_of(labels),
        region=region_of(labels),
        reasons=tuple(_told([*reasons, *written], policy)),
        next_check=next(filter(None, map(_first_step, runbooks)), None),
    )


def _told(reasons: Sequence[DraftReason], policy: FleetPolicy) -> list[DraftReason]:
    kept: dict[Concern, int] = {}
    told = []
    for reason in sorted(reasons, key=lambda r: (-r.points, r.concern, r.claim.text)):
        kept[reason.concern] = kept.get(reason.concern, 0) + 1
        if kept[reason.concern] <= policy.most:
            told.append(reason)
    return told


# -- what the metrics say --------------------------------------------------------------------------


def _points(points: float, *, is_open: bool, policy: FleetPolicy) -> float:
    return points if is_open else points * policy.over


def _node(track: Track) -> str:
    return node_of(track.labels, track.metric) or ""


def _called(track: Track) -> str:
    return track.called(_node(track))


def _xids(tracks: Sequence[Track], clock: Clock, policy: FleetPolicy) -> Iterator[DraftReason]:
    """The gauge of DCGM has the code of the last error; dcgm-exporter's count has it as a label."""
    worth = {
        XidMeaning.MAINTENANCE: policy.maintenance_xid,
        XidMeaning.WATCH: policy.watched_xid,
        XidMeaning.APPLICATION: policy.application_xid,
    }
    for track in tracks:
        if re.search(r"xid", track.metric, re.IGNORECASE) is None:
            continue
        labelled = track.labels.get("xid", "")
        if labelled.isdecimal():
            codes = [int(labelled)] if track.highest().value > 0 else []
        elif re.search(r"count|total", track.metric, re.IGNORECASE):
            continue
        else:
            codes = [int(code) for code in np.unique(track.values) if code > 0]
        for code in codes:
            known = xid(code)
            is_it = track.values > 0 if labelled else track.values == code
            first = track.sample(int(np.argmax(is_it)))
            what = (
                f"Xid “{code}” of {_called(track)}" if labelled else f"{_called(track)} was {code}"
            )
            yield DraftReason(
                concern=Concern.XID,
                points=worth[known.meaning],
                claim=DraftClaim(
                    text=f"{what} at {clock(first.at)}: {known.what}, {known.meaning}.",
                    citations=(track.cited(first),),
                ),
            )


def _memory(tracks: Sequence[Track], clock: Clock, policy: FleetPolicy) -> Iterator[DraftReason]:
    """Errors that ECC could not correct, and rows of memory that could not be replaced."""
    names = r"ecc_dbe|uncorrectable|row_remap_(?:failure|pending)|retired_dbe"
    for track in tracks:
        worst = track.highest()
        if re.search(names, track.metric, re.IGNORECASE) is None or worst.value <= 0:
            continue
        yield DraftReason(
            concern=Concern.MEMORY,
            points=policy.memory,
            claim=DraftClaim(
                text=f"{_called(track)} was at {track.value(worst)} at "
                f"{clock(worst.at)}: errors of GPU memory that were not corrected.",
                citations=(track.cited(worst),),
            ),
        )


def _heat(tracks: Sequence[Track], clock: Clock, policy: FleetPolicy) -> Iterator[DraftReason]:
    limits = {
        track.labels.get("gpu"): float(track.values[-1])
        for track in tracks
        if track.metric.endswith("SLOWDOWN_TEMP")
    }
    for track in tracks:
        if not track.metric.endswith("GPU_TEMP"):
            continue
        limit = limits.get(track.labels.get("gpu"), policy.hot)
        worst, last = track.highest(), track.sample(len(track.values) - 1)
        if worst.value < limit:
            continue
        is_open = last.value >= limit
        first = track.sample(int(np.argmax(track.values >= limit)))
        now = "still" if is_open else "back at"
        yield DraftReason(
            concern=Concern.HEAT,
            points=_points(policy.heat, is_open=is_open, policy=policy),
            is_open=is_open,
            claim=DraftClaim(
                text=f"{_called(track)} got as hot as GPUs slow down "
                f"at: {track.value(first)} at {clock(first.at)}, at worst {track.value(worst)} at "
                f"{clock(worst.at)}, {now} {track.value(last)} at {clock(last.at)}.",
                citations=(track.cited(first, worst, last),),
            ),
        )


def _disk(tracks: Sequence[Track], clock: Clock, policy: FleetPolicy) -> Iterator[DraftReason]:
    def place(track: Track) -> tuple[str | None, str | None]:
        return track.labels.get("device"), track.labels.get("mountpoint")

    sizes = {place(t): t for t in tracks if t.metric.endswith("filesystem_size_bytes")}
    for free in tracks:
        size = sizes.get(place(free))
        if size is None or not free.metric.endswith("filesystem_avail_bytes"):
            continue
        left, whole = free.sample(len(free.values) - 1), size.sample(len(size.values) - 1)
        if whole.value <= 0 or left.value > policy.disk_free * whole.value:
            continue
        mount = free.labels.get("mountpoint", "")
        yield DraftReason(
            concern=Concern.DISK,
            points=policy.disk,
            claim=DraftClaim(
                text=f"“{mount}” of {_node(free)} is full: {free.value(left)} of "
                f"{size.value(whole)} were free at {clock(left.at)}.",
                citations=(free.cited(left), size.cited(whole)),
            ),
        )


def _restarts(tracks: Sequence[Track], clock: Clock, policy: FleetPolicy) -> Iterator[DraftReason]:
    for track in tracks:
        if "boot_time" in track.metric:
            later = np.flatnonzero(np.diff(track.values) > 60)  # clocks drift by less
            if not len(later):
                continue
            before, after = track.sample(int(later[-1])), track.sample(int(later[-1]) + 1)
            text = f"{_node(track)} was restarted between {clock(before.at)} and {clock(after.at)}."
            samples = (before, after)
        elif "restart" in track.metric and track.is_rate and track.highest().value > 0:
            worst = track.highest()
            text = f"{_called(track)} rose to {track.value(worst)} at {clock(worst.at)}."
            samples = (worst, worst)
        else:
            continue
        yield DraftReason(
            concern=Concern.RESTARTS,
            points=policy.restarts,
            claim=DraftClaim(text=text, citations=(track.cited(*samples),)),
        )


def _capacity(tracks: Sequence[Track], clock: Clock, policy: FleetPolicy) -> Iterator[DraftReason]:
    """What Kubernetes says about the node (kube-state-metrics' node metrics)."""

    def reason(track: Track, points: float, text: str, *more: Track) -> DraftReason:
        cited = [one.cited(one.sample(len(one.values) - 1)) for one in (track, *more)]
        claim = DraftClaim(text=text, citations=tuple(cited))
        return DraftReason(concern=Concern.CAPACITY, points=points, claim=claim)

    capacity = {
        track.labels.get("resource"): track
        for track in tracks
        if track.metric == "kube_node_status_capacity"
    }
    for track in tracks:
        last, node = track.sample(len(track.values) - 1), _node(track)
        if track.metric == "kube_node_status_condition":
            ready = (
                track.labels.get("condition") == "Ready" and track.labels.get("status") == "true"
            )
            if ready and last.value == 0:
                yield reason(track, policy.lost, f"{node} was not ready at {clock(last.at)}.")
        elif track.metric == "kube_node_spec_unschedulable" and last.value == 1:
            yield reason(track, policy.cordoned, f"{node} was cordoned at {clock(last.at)}.")
        elif track.metric == "kube_node_status_allocatable":
            resource = track.labels.get("resource", "")
            whole = capacity.get(resource)
            if whole is None or "gpu" not in resource:
                continue
            full = whole.sample(len(whole.values) - 1)
            if last.value < full.value:
                text = (
                    f"{node} offers {track.value(last)} of its {whole.value(full)} GPUs at "
                    f"{clock(last.at)}."
                )
                yield reason(track, policy.lost, text, whole)


def _zombies(
    tracks: Sequence[Track], window: Window, clock: Clock, policy: FleetPolicy
) -> Iterator[DraftReason]:
    """Held by somebody and used by nobody: GPUs where there are any, else the processor.

    A node whose allocation no label ties to a GPU counts as idle only if all its GPUs are.
    """
    gpus = [t for t in tracks if re.search(r"gpu_util|gr_engine_active", t.metric, re.IGNORECASE)]
    used = gpus or [track for track in tracks if "cpu_util" in track.metric]
    idle = {id(track): _idle_since(track, window, policy) for track in used}
    held = [t for t in tracks if _allocates(t) and t.sample(len(t.values) - 1).value > 0]
    all_idle = bool(used) and all(index is not None for index in idle.values())
    for track in used:
        start = idle[id(track)]
        holder = _holder(track)
        if start is None or not (holder or (held and all_idle)):
            continue
        first = track.sample(start)
        rest = track.since(first.at)
        most, last = rest.highest(), rest.sample(len(rest.values) - 1)
        text = (
            f"{_node(track)} is held and idle: {_called(track)} was {track.value(most)} at most "
            f"from {clock(first.at)} to {clock(last.at)}"
        )
        citations = [track.cited(first, most, last)]
        if holder:
            text += f", while “{holder}” has it."
        else:
            text += f", while `{held[0].metric}` says that it is allocated."
            citations.append(held[0].cited(held[0].sample(len(held[0].values) - 1)))
        yield DraftReason(
            concern=Concern.ZOMBIE,
            points=policy.zombie,
            claim=DraftClaim(text=text, citations=tuple(citations)),
        )


def _idle_since(track: Track, window: Window, policy: FleetPolicy) -> int | None:
    """Where the idleness that lasts until the end of the window began, if it lasts long enough."""
    in_percent = track.unit == "%" or track.metric.endswith("GPU_UTIL")
    busy = np.flatnonzero(track.values > (policy.idle if in_percent else policy.idle / 100))
    start = int(busy[-1]) + 1 if len(busy) else 0
    reaches = window.end.timestamp() - track.times[-1] <= 3 * track.step.total_seconds()
    if start >= len(track.times) or not reaches:
        return None
    return (
        start if track.times[-1] - track.times[start] >= policy.idle_for.total_seconds() else None
    )


def _allocates(track: Track) -> bool:
    if re.search(_ALLOCATION, track.metric, re.IGNORECASE):
        return True
    return "resource_requests" in track.metric and "gpu" in track.labels.get("resource", "")


def _holder(track: Track) -> str | None:
    """Who holds a GPU, by dcgm-exporter's labels; a `pod` of its own says nothing."""
    if not track.metric.startswith("DCGM_"):
        return None
    if "exported_pod" not in track.labels and "exporter" in track.labels.get("pod", ""):
        return None
    return next((track.labels[name] for name in _HOLDER_LABELS if track.labels.get(name)), None)


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
            points=_points(policy.changed, is_open=is_open, policy=policy),
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
            points=_points(policy.alert, is_open=is_open, policy=policy),
            is_open=is_open,
            claim=DraftClaim(
                text=f"{alert.name} fired for {whose} at {clock(alert.started)} {end}.",
                citations=(alert_citation(alert),),
            ),
        )


# -- what is written -------------------------------------------------------------------------------


def _incidents(name: str, seen: Seen, policy: FleetPolicy) -> Iterator[DraftReason]:
    """Incidents of this component: at fault by the report, or in its title or its cause."""
    for chunks in _reports_about(name, seen, policy):
        facts = chunks[0].facts
        if not isinstance(facts, IncidentFacts) or facts.cause is None:
            continue
        cited = quotation(seen.documents, chunks[0].document_id, facts.cause)
        if cited is None:
            continue
        lead = "Confirmed cause of" if facts.confirmed else "Suspected cause of"
        yield DraftReason(
            concern=Concern.INCIDENTS,
            points=policy.incident,
            claim=DraftClaim(
                text=f"{lead} {chunks[0].title}: “{flat(facts.cause)}”", citations=(cited,)
            ),
        )


def _reports_about(name: str, seen: Seen, policy: FleetPolicy) -> Iterator[tuple[Chunk, ...]]:
    """Newest first."""
    reports = []
    for chunks in seen.documents.values():
        facts = chunks[0].facts
        if not isinstance(facts, IncidentFacts):
            continue
        when = facts.started or chunks[0].written_at
        if when is not None and when < seen.window.end - policy.history:
            continue
        words = f"{chunks[0].title}\n{facts.cause or ''}"
        if facts.component == name or mentioned(words, [name]):
            reports.append((when or datetime.min.replace(tzinfo=seen.window.end.tzinfo), chunks))
    reports.sort(key=lambda item: (item[0], item[1][0].document_id), reverse=True)
    yield from (chunks for _, chunks in reports)


_OPEN_ITEM = re.compile(r"^[-*+] \[ \] (?P<item>.+)$", re.MULTILINE)


def _overdue(
    name: str, runbooks: Sequence[tuple[Chunk, ...]], seen: Seen, policy: FleetPolicy
) -> Iterator[DraftReason]:
    """Action items of the component's incidents that are still open, and runbooks of its alerts
    that nobody has looked at for long."""
    end = seen.window.end
    for chunks in _reports_about(name, seen, policy):
        for chunk in chunks:
            if chunk.written_at is None or end - chunk.written_at < policy.due:
                continue
            for match in _OPEN_ITEM.finditer(chunk.text):
                yield _overdue_reason(
                    DraftClaim(
                        text=f"Open since the report of {chunk.written_at:%Y-%m-%d}: "
                        f"“{flat(match['item'])}”",
                        citations=(
                            passage_citation(chunk, match.start("item"), match.end("item")),
                        ),
                    ),
                    policy,
                )
    for chunks in runbooks:
        first = chunks[0]
        if first.written_at is not None and end - first.written_at > policy.review:
            yield _overdue_reason(
                DraftClaim(
                    text=f"The runbook {first.title}, which is for what fires here, was last "
                    f"changed on {first.written_at:%Y-%m-%d}.",
                    citations=(passage_citation(first, 0, len(first.text)),),
                ),
                policy,
            )


def _overdue_reason(claim: DraftClaim, policy: FleetPolicy) -> DraftReason:
    return DraftReason(concern=Concern.OVERDUE, points=policy.overdue, claim=claim)


def _first_step(chunks: Sequence[Chunk]) -> DraftClaim | None:
    """A runbook's first step, verbatim."""
    facts = chunks[0].facts
    if not isinstance(facts, RunbookFacts) or facts.next_check is None:
        return None
    cited = quotation(
        {chunks[0].document_id: tuple(chunks)}, chunks[0].document_id, facts.next_check
    )
    if cited is None or chunks[0].kind is not SourceKind.RUNBOOKS:
        return None
    text = f"The runbook {chunks[0].title} begins with {worded(facts.next_check)}"
    return DraftClaim(text=text, citations=(cited,))
