"""Which clusters and nodes need maintenance."""

from service.fleet.measured import node_reasons, sees_allocations
from service.fleet.model import (
    FLEET_METRICS,
    ComponentKind,
    Concern,
    DraftRow,
    FleetPolicy,
    Seen,
    cluster_of,
    node_of,
)
from service.fleet.ranking import rank_fleet

__all__ = [
    "FLEET_METRICS",
    "ComponentKind",
    "Concern",
    "DraftRow",
    "FleetPolicy",
    "Seen",
    "cluster_of",
    "node_of",
    "node_reasons",
    "rank_fleet",
    "sees_allocations",
]
