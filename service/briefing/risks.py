"""What deserves an eye today, in sentences that are not yet verified."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import tzinfo

from ingest.documents import Chunk, Frozen
from service.briefing import people
from service.briefing.draft import DraftIncident
from service.briefing.model import RiskKind, State
from service.briefing.night import Trouble
from service.briefing.plain import localised, whose
from service.briefing.sentences import Scene, TroubleSentences
from service.fleet import Concern
from service.inspected import FleetReport
from service.metrics.labels import region_of
from service.reports.cite import metric_citation
from service.reports.draft import DraftClaim
from service.reports.phrases import value_of

_FLEET_RISKS = 3
_FOLLOW_UPS = 3
_UNUSUAL = 3


class DraftRisk(Frozen):
    """Something to watch, not yet checked."""

    kind: RiskKind
    about: str
    claim: DraftClaim


def draft_risks(
    incidents: Sequence[DraftIncident],
    troubles: Sequence[Trouble],
    fleet: FleetReport | None,
    follow_ups: Mapping[str, Sequence[Chunk]],
    scene: Scene,
    zone: tzinfo,
) -> list[DraftRisk]:
    """What deserves an eye today, what is open first.

    ``follow_ups``: chunks of the incident reports that a cause or a recurrence rests on, by id.
    """
    risks = [
        DraftRisk(kind=RiskKind.STILL_OPEN, about=incident.title, claim=incident.state_claims[-1])
        for incident in incidents
        if incident.state in (State.ONGOING, State.RETURNING) and incident.state_claims
    ]
    risks += _unusual(troubles, scene)
    if fleet is not None:
        risks += _fleet(fleet, zone)
    items = [claim for chunks in follow_ups.values() for claim in people.follow_ups(chunks)]
    risks += [
        DraftRisk(kind=RiskKind.FOLLOW_UP, about=claim.text, claim=claim)
        for claim in items[:_FOLLOW_UPS]
    ]
    return risks


def _unusual(troubles: Sequence[Trouble], scene: Scene) -> list[DraftRisk]:
    """What left its past in the night, is not back, and belongs to no trouble."""
    told = {
        id(signal)
        for trouble in troubles
        for signal in (*trouble.symptoms, *TroubleSentences(trouble, scene).again)
    }
    open_ones = [
        signal
        for signal in scene.observation.signals
        if signal.bad and signal.ended is None and id(signal) not in told
    ]
    open_ones.sort(key=lambda signal: (-abs(signal.strength), signal.query))
    risks = []
    for signal in open_ones[:_UNUSUAL]:
        region = region_of(signal.labels)
        where = f" in {region}" if region else ""
        text = (
            f"Not back at {scene.clock(signal.last.at)}: {whose(signal)}{where}, "
            f"{value_of(signal, signal.last)}, usually {value_of(signal, signal.before)}; "
            f"unusual since {scene.clock(signal.onset)}."
        )
        cited = metric_citation(signal, signal.before, signal.start, signal.last)
        risks.append(
            DraftRisk(
                kind=RiskKind.STILL_UNUSUAL,
                about=f"{whose(signal)}{where}",
                claim=DraftClaim(text=text, citations=(cited,)),
            )
        )
    return risks


def _fleet(fleet: FleetReport, zone: tzinfo) -> list[DraftRisk]:
    """The gravest open reason of each machine that has one that the metrics show."""
    risks = []
    for row in fleet.rows:
        reasons = [
            reason
            for reason in row.reasons
            if reason.is_open and reason.concern not in (Concern.INCIDENTS, Concern.OVERDUE)
        ]
        if reasons:
            worst = max(reasons, key=lambda reason: reason.points)
            risks.append(
                DraftRisk(
                    kind=RiskKind.FLEET,
                    about=row.name,
                    claim=localised(worst.claim, fleet.citations, zone),
                )
            )
    return risks[:_FLEET_RISKS]
