"""Every number that a query is found by."""

from __future__ import annotations

from datetime import timedelta

from ingest.documents import Frozen
from service.metrics.source import Window
from service.queries.checks import CheckPolicy
from service.queries.ranking import RankingWeights


class QueryPolicy(Frozen):
    """Every number that a query is found by."""

    panels: int = 25
    rules: int = 6
    metrics: int = 8
    """Plain queries of metrics that nobody drew."""
    seeds: int = 12
    """Written queries that others are made of: with a sibling of the metric, grouped otherwise."""
    siblings: int = 3
    groupings: int = 3
    looked_at: int = 12
    """Candidates that are adapted and held against the metrics' labels."""
    telling: int = 5
    """Metrics whose states (status, phase, code) are looked up for words of the question."""
    concurrency: int = 8
    attempts: int = 4
    """Queries that are asked until one has samples."""
    considered: int = 6
    """Alternatives that the answer names."""
    nearest: int = 5
    unmet: float = 2.0
    """What each wish that a candidate can't meet takes from its score."""
    least_cover: float = 0.34
    """Share of the question's words (rare ones weigh more) that a query, its title or its
    dashboard's must say; below it, it is about something else."""
    points: int = 360
    least_step: timedelta = timedelta(seconds=60)
    series: int = 12
    """Series of the chart: those with the highest values."""
    deadline: timedelta = timedelta(seconds=20)
    """Of everything that is asked of the metrics, and of the search."""
    weights: RankingWeights = RankingWeights()
    checks: CheckPolicy = CheckPolicy()


def step_of(window: Window, policy: QueryPolicy) -> timedelta:
    """Whole minutes such that a series has at most ``points`` samples."""
    minutes = -(-window.duration.total_seconds() // (60 * policy.points))
    return max(policy.least_step, timedelta(minutes=minutes))
