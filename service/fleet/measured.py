"""What the metrics of a machine say: errors, heat, full disks, restarts, capacity, idleness."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from service.fleet.model import (
    ALLOCATION,
    Concern,
    DraftReason,
    FleetPolicy,
    node_of,
    points_of,
    told,
)
from service.gpu_errors import XidMeaning, xid
from service.metrics.source import Window
from service.reports.draft import DraftClaim
from service.reports.phrases import Clock
from service.tracks import Track

_HOLDER_LABELS = ("exported_pod", "pod", "hpc_job", "job_id", "slurm_job_id")
"""Labels with which dcgm-exporter names who holds a GPU (Kubernetes' pods, HPC jobs)."""


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
    return told(found, policy)


def sees_allocations(tracks: Iterable[Track]) -> bool:
    """Whether any metric or label says who holds what: without it there are no zombies to see."""
    return any(_allocates(track) or _holder(track) for track in tracks)


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
            points=points_of(policy.heat, is_open=is_open, policy=policy),
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
    if re.search(ALLOCATION, track.metric, re.IGNORECASE):
        return True
    return "resource_requests" in track.metric and "gpu" in track.labels.get("resource", "")


def _holder(track: Track) -> str | None:
    """Who holds a GPU, by dcgm-exporter's labels; a `pod` of its own says nothing."""
    if not track.metric.startswith("DCGM_"):
        return None
    if "exported_pod" not in track.labels and "exporter" in track.labels.get("pod", ""):
        return None
    return next((track.labels[name] for name in _HOLDER_LABELS if track.labels.get(name)), None)
