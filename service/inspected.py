"""The answers about machines and training runs: what the verifier accepts, and nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import Literal

from ingest.documents import Frozen, UtcTime
from service.fleet import ComponentKind, Concern, DraftRow, FleetPolicy
from service.metrics.source import Window
from service.reports.citations import Verifier
from service.reports.model import Citation, Claim
from service.training import RunView, Verdict, Weight, verdict_of


class ScorePart(Frozen):
    """Points of one concern."""

    concern: Concern
    points: float


class Reason(Frozen):
    """One sentence, and what it adds to the score."""

    concern: Concern
    points: float
    is_open: bool
    claim: Claim


class FleetRow(Frozen):
    """A cluster or node that something speaks for taking care of."""

    rank: int
    kind: ComponentKind
    name: str
    cluster: str | None
    region: str | None
    score: float
    """The sum of ``parts``."""
    parts: tuple[ScorePart, ...]
    reasons: tuple[Reason, ...]
    next_check: Claim | None = None


class FleetOutcome(StrEnum):
    """Three different answers; none of them is an error."""

    NEEDS_WORK = "needs_work"
    ALL_WELL = "all_well"
    """Machines were seen, and nothing speaks against any of them."""
    NOTHING_SEEN = "nothing_seen"
    """No machine is known, neither to the metrics nor to the documents."""


class FleetReport(Frozen):
    """The answer to "what needs maintenance?"."""

    schema_version: Literal[1] = 1
    question: str
    asked_at: UtcTime
    window: Window
    reason: str
    """Where the window came from, in words."""
    outcome: FleetOutcome
    rows: tuple[FleetRow, ...]
    well: tuple[str, ...]
    """What was looked at and has nothing against it."""
    citations: tuple[Citation, ...]
    not_seen: tuple[str, ...]
    dropped_claims: int
    policy: FleetPolicy


class RunReport(Frozen):
    """How one training run is doing."""

    name: str
    clusters: tuple[str, ...]
    verdict: Verdict
    problems: tuple[Claim, ...]
    """What the verdict rests on; empty for a healthy run."""
    state: tuple[Claim, ...]
    over: tuple[Claim, ...]
    """What happened in the window and is over."""


class RunsReport(Frozen):
    """The answer to "is run X healthy?"."""

    schema_version: Literal[1] = 1
    question: str
    asked_at: UtcTime
    window: Window
    reason: str
    runs: tuple[RunReport, ...]
    """Those that the question names; all that are visible, where it names none."""
    visible: tuple[str, ...]
    """The names of all runs that report."""
    citations: tuple[Citation, ...]
    not_seen: tuple[str, ...]
    dropped_claims: int


def accepted_row(draft: DraftRow, verifier: Verifier) -> FleetRow:
    """The row with the reasons that check out: those that don't add no points either."""
    reasons = tuple(
        Reason(concern=reason.concern, points=reason.points, is_open=reason.is_open, claim=claim)
        for reason in draft.reasons
        for claim in verifier.accept([reason.claim])
    )
    points: dict[Concern, float] = {}
    for reason in reasons:
        points[reason.concern] = points.get(reason.concern, 0.0) + reason.points
    check = verifier.accept([draft.next_check]) if reasons and draft.next_check else ()
    return FleetRow(
        rank=0,
        kind=draft.kind,
        name=draft.name,
        cluster=draft.cluster,
        region=draft.region,
        score=sum(points.values()),
        parts=tuple(
            ScorePart(concern=concern, points=value)
            for concern, value in sorted(points.items(), key=lambda item: (-item[1], item[0]))
        ),
        reasons=reasons,
        next_check=check[0] if check else None,
    )


def run_report(
    view: RunView, accepted: Sequence[tuple[Weight, Claim]], lost: Sequence[Claim]
) -> RunReport:
    """The run by its accepted findings. ``lost``: that it was last heard of long ago."""

    def of(*weights: Weight) -> tuple[Claim, ...]:
        return tuple(claim for weight, claim in accepted if weight in weights)

    return RunReport(
        name=view.name,
        clusters=view.clusters,
        verdict=verdict_of([weight for weight, _ in accepted], silent=bool(lost)),
        problems=(*lost, *of(Weight.FAILS, Weight.DEGRADES)),
        state=of(Weight.STATE),
        over=of(Weight.PAST),
    )
