"""What a label set says: which component, in which region."""

from __future__ import annotations

from collections.abc import Mapping

COMPONENT_LABELS = (
    "service",
    "app",
    "application",
    "component",
    "job",
    "deployment",
    "node",
    "host",
    "instance",
    "run",
    "cluster",
)
REGION_LABELS = ("region", "zone", "datacenter", "dc")


def component_of(labels: Mapping[str, str]) -> str | None:
    """The component that a series or an alert is about, from the most telling label it has."""
    return next((labels[name] for name in COMPONENT_LABELS if labels.get(name)), None)


def region_of(labels: Mapping[str, str]) -> str | None:
    return next((labels[name] for name in REGION_LABELS if labels.get(name)), None)
