"""What a ranking of machines is made of, and the names by which metrics know a machine."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import timedelta
from enum import StrEnum

from pydantic import ConfigDict

from ingest.documents import Chunk, Frozen
from service.metrics.signals import Signal
from service.metrics.source import Alert, Window
from service.reports.draft import DraftClaim
from service.tracks import Track

NODE_LABELS = ("node", "Hostname", "hostname", "host", "nodename")
"""The first one that a series has names its node; ``Hostname`` is dcgm-exporter's."""
CLUSTER_LABELS = ("cluster", "cluster_name", "k8s_cluster")
_EXPORTED_BY_THE_NODE = ("node_", "DCGM_")
ALLOCATION = r"(?:slurm|node|gpu|gres)\w{0,99}_alloc(?:ated)?(?:_|$)"
"""Names of metrics that say who was given what."""


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
    rf"resource_requests|{ALLOCATION}",
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


def told(reasons: Sequence[DraftReason], policy: FleetPolicy) -> list[DraftReason]:
    """The most points first; at most ``policy.most`` of a concern."""
    kept: dict[Concern, int] = {}
    told = []
    for reason in sorted(reasons, key=lambda r: (-r.points, r.concern, r.claim.text)):
        kept[reason.concern] = kept.get(reason.concern, 0) + 1
        if kept[reason.concern] <= policy.most:
            told.append(reason)
    return told


def points_of(points: float, *, is_open: bool, policy: FleetPolicy) -> float:
    """What is left of the points, where something is over."""
    return points if is_open else points * policy.over
