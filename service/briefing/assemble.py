"""Drafts → the briefing: every sentence through the verifier, and one verdict on the night."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Sequence

from ingest.documents import Frozen, UtcTime
from service.briefing.changes import compare
from service.briefing.draft import DraftIncident, DraftMeasured, DraftSuspect
from service.briefing.model import (
    Briefing,
    BriefingOutcome,
    Changed,
    Comparison,
    Incident,
    Measured,
    Recurrence,
    Risk,
    Suspect,
)
from service.briefing.people import MONTH
from service.briefing.risks import DraftRisk
from service.metrics.source import Window
from service.reports.citations import Verifier, series_key
from service.reports.draft import DraftClaim
from service.reports.model import Chart, Claim, MetricCitation
from service.scope import Vocabulary, mentioned

_LEAD = 6


class NightAsked(Frozen):
    """Which night, for whom, and when it was asked about."""

    date: datetime.date
    zone: str
    window: Window
    asked_at: UtcTime
    audience: tuple[str, ...]


class Sight(Frozen):
    """How much could be seen. ``untold``: incidents beyond those that are told."""

    reached: bool
    blind_spots: tuple[str, ...]
    notes: tuple[str, ...]
    untold: int = 0


def assembled(
    night: NightAsked,
    incidents: Sequence[DraftIncident],
    besides: Sequence[DraftClaim],
    risks: Sequence[DraftRisk],
    sight: Sight,
    verifier: Verifier,
    vocabulary: Vocabulary,
) -> Briefing:
    """The verified briefing, not yet compared with an earlier one."""
    told = [_incident(draft, verifier, vocabulary) for draft in incidents]
    outcome = _outcome(bool(told), sight)
    headline = _headline(outcome, told)
    lead = _lead(incidents, told, headline, verifier)
    also_seen = verifier.accept(besides)
    watched = [
        Risk(kind=risk.kind, about=risk.about, claim=claim)
        for risk in risks
        for claim in verifier.accept([risk.claim])
    ]
    missing = [*sight.blind_spots, *sight.notes]
    if sight.untold:
        missing.append(f"{sight.untold} more incidents of this night are not told here")
    return Briefing(
        date=night.date,
        zone=night.zone,
        window=night.window,
        asked_at=night.asked_at,
        audience=night.audience,
        outcome=outcome,
        headline=headline,
        lead=lead,
        incidents=tuple(told),
        also_seen=also_seen,
        risks=tuple(watched),
        compared=Comparison(date=None),
        not_seen=tuple(dict.fromkeys(missing)),
        citations=verifier.citations,
        dropped_claims=len(verifier.dropped),
        timings=(),
    )


def with_comparison(briefing: Briefing, before: Briefing | None, verifier: Verifier) -> Briefing:
    """With what changed since an earlier briefing, in the same register of citations."""
    drafted = compare(before, briefing)
    changes = [
        Changed(kind=change.kind, claim=claim)
        for change in drafted.changes
        for claim in verifier.accept([change.claim])
    ]
    return briefing.model_copy(
        update={
            "compared": Comparison(date=drafted.date, changes=tuple(changes), note=drafted.note),
            "citations": verifier.citations,
            "dropped_claims": len(verifier.dropped),
        }
    )


def _outcome(happened: bool, sight: Sight) -> BriefingOutcome:
    if not sight.reached:
        return BriefingOutcome.BLIND
    if happened:
        return BriefingOutcome.INCIDENTS
    return BriefingOutcome.PARTLY_BLIND if sight.blind_spots else BriefingOutcome.QUIET


def _headline(outcome: BriefingOutcome, incidents: Sequence[Incident]) -> Claim:
    if outcome is BriefingOutcome.INCIDENTS:
        return incidents[0].what
    return Claim(text=_VERDICTS[outcome, bool(incidents)], citations=())


_VERDICTS = {
    (BriefingOutcome.QUIET, False): "A quiet night: everything could be seen, and nothing went "
    "wrong.",
    (BriefingOutcome.PARTLY_BLIND, False): "Nothing is known to have gone wrong, but I could not "
    "see everything.",
    (BriefingOutcome.BLIND, False): "I could not see the metrics of this night. Whether it was "
    "quiet is not known.",
    (BriefingOutcome.BLIND, True): "I could not see the metrics of this night. All that follows is "
    "what people wrote.",
}


def _lead(
    drafts: Sequence[DraftIncident],
    incidents: Sequence[Incident],
    headline: Claim,
    verifier: Verifier,
) -> tuple[Claim, ...]:
    """The gravest incident's cause and state, then one sentence on each other."""
    if not incidents:
        return ()
    first, because = incidents[0], drafts[0].because
    claims = [
        *([first.what] if first.what != headline else []),
        *(verifier.accept([because]) if because is not None else ()),
        *first.state_claims[-2:],
        *(incident.what for incident in incidents[1:]),
    ]
    return tuple(claims[:_LEAD])


def _incident(draft: DraftIncident, verifier: Verifier, vocabulary: Vocabulary) -> Incident:
    what = verifier.accept([draft.what])
    impact = verifier.accept(draft.impact)
    customers = verifier.accept(draft.customers)
    suspects = [_suspect(one, verifier) for one in draft.suspects]
    likely = [suspect for suspect in suspects if suspect.evidence]
    recurrence = draft.recurrence
    again = verifier.accept([recurrence.claim]) if recurrence is not None else ()
    # An incident is never hidden because its sentence did not check out.
    told = what[0] if what else Claim(text=f"{draft.title}: see its alerts.", citations=())
    shown = "\n".join(claim.text for claim in (told, *impact, *customers))
    return Incident(
        title=draft.title,
        what=told,
        state=draft.state,
        state_claims=verifier.accept(draft.state_claims),
        severity=draft.severity,
        started=draft.started,
        ended=draft.ended,
        seen_by=draft.seen_by,
        alerts=draft.alerts,
        alerts_fired=draft.alerts_fired,
        services=mentioned(shown, draft.components),
        regions=mentioned(shown, vocabulary.regions),
        customers=mentioned(shown, vocabulary.customers),
        impact=(*impact, *customers),
        cause=likely[0] if likely else None,
        alternatives=tuple(likely[1:]),
        done=verifier.accept(draft.done),
        timeline=verifier.accept(draft.timeline),
        to_detect=_measured(draft.to_detect, verifier),
        to_resolve=_measured(draft.to_resolve, verifier),
        recurrence=Recurrence(
            times=recurrence.times, days=MONTH.days, claim=again[0], records=recurrence.records
        )
        if recurrence is not None and again
        else None,
        links=draft.links,
        charts=tuple(_charts(draft.charts, verifier)),
    )


def _suspect(draft: DraftSuspect, verifier: Verifier) -> Suspect:
    check = verifier.accept([draft.next_check]) if draft.next_check is not None else ()
    return Suspect(
        component=draft.component,
        region=draft.region,
        confidence=draft.confidence,
        evidence=verifier.accept(draft.evidence),
        against=verifier.accept(draft.against),
        next_check=check[0] if check else None,
        runbook=draft.runbook,
    )


def _measured(draft: DraftMeasured | None, verifier: Verifier) -> Measured | None:
    claims = verifier.accept([draft.claim]) if draft is not None else ()
    return (
        Measured(minutes=draft.minutes, claim=claims[0]) if draft is not None and claims else None
    )


def _charts(charts: Iterable[tuple[Chart, MetricCitation]], verifier: Verifier) -> Iterable[Chart]:
    """Charts of series that are cited here, with the number that they have here."""
    numbers = {
        series_key(citation.query, citation.labels): citation.number
        for citation in verifier.citations
        if isinstance(citation, MetricCitation)
    }
    for chart, citation in charts:
        number = numbers.get(series_key(citation.query, citation.labels))
        if number is not None:
            yield chart.model_copy(update={"citation": number})
