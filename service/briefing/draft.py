"""A night's findings → the briefing's sentences, not yet verified.

Says for each trouble what a morning needs (what, who, why, what was done, how it stands), and for
the whole night what to read first. Pure: the reports were asked for before, the checks come after.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import tzinfo

from ingest.documents import Frozen, UtcTime
from service.briefing import people
from service.briefing.model import Link, SeenBy, State
from service.briefing.night import Trouble
from service.briefing.plain import listed, localised
from service.briefing.sentences import Scene, TroubleSentences
from service.briefing.written import Record
from service.reports.cite import change_citation, metric_citation
from service.reports.draft import DraftClaim
from service.reports.model import (
    Cause,
    ChangeCitation,
    Chart,
    Citation,
    Claim,
    MetricCitation,
    PassageCitation,
    Report,
    RunbookLink,
)

_EVIDENCE = 3
_ALTERNATIVES = 3
_LINKS = 8
_SEVERITIES = ("critical", "page", "error", "warning", "info")


class DraftSuspect(Frozen):
    """A likely cause, in sentences that are not yet checked."""

    component: str
    region: str | None
    confidence: float | None
    evidence: tuple[DraftClaim, ...]
    against: tuple[DraftClaim, ...] = ()
    next_check: DraftClaim | None = None
    runbook: RunbookLink | None = None


class DraftMeasured(Frozen):
    """A time in minutes, and the sentence that is to show it."""

    minutes: int
    claim: DraftClaim


class DraftRecurrence(Frozen):
    """How often it happened lately, and the sentence that is to show it."""

    times: int
    claim: DraftClaim
    records: tuple[Link, ...]


class DraftIncident(Frozen):
    """An incident in sentences that are not yet checked."""

    title: str
    what: DraftClaim
    because: DraftClaim | None
    """The cause in one sentence, for whoever reads only the top."""
    state: State
    state_claims: tuple[DraftClaim, ...]
    severity: str | None
    started: UtcTime
    ended: UtcTime | None
    seen_by: tuple[SeenBy, ...]
    alerts: tuple[str, ...]
    alerts_fired: int
    components: tuple[str, ...]
    impact: tuple[DraftClaim, ...]
    customers: tuple[DraftClaim, ...]
    suspects: tuple[DraftSuspect, ...]
    done: tuple[DraftClaim, ...]
    timeline: tuple[DraftClaim, ...]
    to_detect: DraftMeasured | None
    to_resolve: DraftMeasured | None
    recurrence: DraftRecurrence | None
    links: tuple[Link, ...]
    charts: tuple[tuple[Chart, MetricCitation], ...]

    def claims(self) -> Iterable[DraftClaim]:
        """Every sentence."""
        yield self.what
        if self.because is not None:
            yield self.because
        yield from (*self.state_claims, *self.impact, *self.customers, *self.done, *self.timeline)
        for suspect in self.suspects:
            yield from (*suspect.evidence, *suspect.against)
            if suspect.next_check is not None:
                yield suspect.next_check
        for measured in (self.to_detect, self.to_resolve):
            if measured is not None:
                yield measured.claim
        if self.recurrence is not None:
            yield self.recurrence.claim


def draft_incident(
    trouble: Trouble,
    report: Report | None,
    records: Sequence[Record],
    scene: Scene,
    zone: tzinfo,
) -> DraftIncident:
    """One trouble in words. ``report``: what the engine says about it, if it was asked;
    ``records``: the incident reports of the last weeks."""
    clock = scene.clock
    suspects = _suspects(trouble, report, zone)
    names = [suspect.component for suspect in suspects]
    sentences = TroubleSentences(trouble, scene, names)
    what = sentences.what() if trouble.is_measured else people.told(trouble, clock)
    assert what is not None  # noqa: S101 - a trouble was seen by something
    state_claims = sentences.state() if trouble.is_measured else []
    done = sorted([*sentences.actions(), *people.actions(trouble, clock)], key=lambda row: row[0])
    timeline = people.timeline(trouble, clock)
    if trouble.is_measured:
        timeline = sorted([*sentences.timeline(), *timeline], key=lambda row: row[0])
    detect, resolve = _times(trouble, sentences, scene)
    happened = people.recurring(trouble, names[:1], records, trouble.started)
    return DraftIncident(
        title=title_of(trouble),
        what=what,
        because=_because(suspects, sentences, scene),
        state=_state(trouble, sentences),
        state_claims=tuple(state_claims),
        severity=_severity(trouble),
        started=trouble.started,
        ended=trouble.ended,
        seen_by=_seen_by(trouble),
        alerts=tuple(dict.fromkeys(alert.name for alert in trouble.alerts)),
        alerts_fired=len(trouble.alerts),
        components=trouble.components,
        impact=tuple(sentences.impact()) if trouble.is_measured else (),
        customers=(*_customers(report, zone), *people.customers(trouble, scene.vocabulary, clock)),
        suspects=tuple(suspects),
        done=tuple(claim for _, claim in done),
        timeline=tuple(claim for _, claim in timeline),
        to_detect=detect,
        to_resolve=resolve,
        recurrence=None
        if happened is None
        else DraftRecurrence(
            times=len(happened[0]) + 1,
            claim=happened[1],
            records=tuple(
                Link(title=record.title, url=record.url) for record in happened[0] if record.url
            ),
        ),
        links=_links(trouble, suspects, what),
        charts=_charts(report),
    )


def title_of(trouble: Trouble) -> str:
    """What to call a trouble: names only."""
    written = [*(one.title for one in trouble.records), *(one.title for one in trouble.threads)]
    alerts = listed(list(dict.fromkeys(alert.name for alert in trouble.alerts)))
    names = listed(trouble.components) or next(iter(written), alerts)
    return f"{names} in {trouble.region}" if trouble.region and trouble.components else names


def seen_besides(trouble: Trouble, scene: Scene) -> DraftClaim:
    """One sentence on what is no incident, with the change that it followed."""
    sentences = TroubleSentences(trouble, scene)
    what = sentences.what()
    changes = [change for change in sentences.changes() if change.at <= trouble.started]
    if not changes:
        return what
    change = changes[-1]
    return DraftClaim(
        text=f"{what.text.rstrip('.')}, after “{change.text}” at {scene.clock(change.at)}.",
        citations=(*what.citations, change_citation(change)),
    )


# -- parts ---------------------------------------------------------------------------------------


def _suspects(trouble: Trouble, report: Report | None, zone: tzinfo) -> list[DraftSuspect]:
    """What a record of the night states as confirmed, then what the report ranks."""
    suspects = []
    for record in trouble.records:
        stated = people.stated_cause(record)
        if stated is not None:
            suspects.append(
                (
                    not record.facts.confirmed,
                    DraftSuspect(
                        component=record.facts.component or record.called,
                        region=trouble.region,
                        confidence=None,
                        evidence=(stated,),
                    ),
                )
            )
    ranked = report.causes if report is not None else ()
    for cause in ranked[: _ALTERNATIVES + 1]:
        assert report is not None  # noqa: S101 - it has causes
        suspects.append((False, _suspect(cause, report.citations, zone)))
    suspects.sort(key=lambda item: item[0])
    return [suspect for _, suspect in suspects]


def _suspect(cause: Cause, citations: Sequence[Citation], zone: tzinfo) -> DraftSuspect:
    def here(claims: Iterable[Claim]) -> tuple[DraftClaim, ...]:
        return tuple(localised(claim, citations, zone) for claim in claims)

    return DraftSuspect(
        component=cause.component,
        region=cause.region,
        confidence=cause.confidence,
        evidence=here(cause.evidence),
        against=here(cause.against),
        next_check=here([cause.next_check])[0] if cause.next_check is not None else None,
        runbook=cause.runbook,
    )


def _because(
    suspects: Sequence[DraftSuspect], sentences: TroubleSentences, scene: Scene
) -> DraftClaim | None:
    """The first suspect in one plain sentence."""
    if not suspects or not suspects[0].evidence:
        return None
    suspect, first = suspects[0], suspects[0].evidence[0]
    change = next((c for c in first.citations if isinstance(c, ChangeCitation)), None)
    if change is None:
        return DraftClaim(
            text=f"Most likely cause: {suspect.component}. {first.text}", citations=first.citations
        )
    text = f"Most likely cause: “{change.text}” at {scene.clock(change.at)}"
    cited: list[Citation] = [change]
    began = sentences.first
    if began is not None and began.onset >= change.at:
        minutes = round((began.onset - change.at).total_seconds() / 60)
        text += f", {minutes} minute{'' if minutes == 1 else 's'} before it began"
        cited.append(metric_citation(began, began.start))
    return DraftClaim(text=f"{text}.", citations=tuple(cited))


def _customers(report: Report | None, zone: tzinfo) -> tuple[DraftClaim, ...]:
    """The report's sentences that name customers: those that rest on what is written."""
    if report is None:
        return ()
    written = {c.number for c in report.citations if isinstance(c, PassageCitation)}
    return tuple(
        localised(claim, report.citations, zone)
        for claim in report.impact.claims
        if written & set(claim.citations)
    )


def _state(trouble: Trouble, sentences: TroubleSentences) -> State:
    if trouble.ended is None:
        return State.ONGOING if trouble.is_measured else State.UNKNOWN
    return State.RETURNING if sentences.again else State.RECOVERED


def _seen_by(trouble: Trouble) -> tuple[SeenBy, ...]:
    return tuple(
        source
        for source, there in (
            (SeenBy.ALERTS, trouble.alerts),
            (SeenBy.METRICS, trouble.symptoms),
            (SeenBy.SLACK, trouble.threads),
            (SeenBy.RECORD, trouble.records),
        )
        if there
    )


def _severity(trouble: Trouble) -> str | None:
    """What a record says, else the highest of the alerts'."""
    stated = [record.facts.severity for record in trouble.records if record.facts.severity]
    if stated:
        return min(stated)
    of_alerts = {alert.severity for alert in trouble.alerts}
    return next((name for name in _SEVERITIES if name in of_alerts), None)


def _times(
    trouble: Trouble, sentences: TroubleSentences, scene: Scene
) -> tuple[DraftMeasured | None, DraftMeasured | None]:
    """To detect and to resolve: by the metrics, else as an incident record states them."""
    found: list[DraftMeasured | None] = []
    for measured, resolved in ((sentences.to_detect(), False), (sentences.to_resolve(), True)):
        if measured is None:
            measured = next(
                filter(
                    None,
                    (
                        people.stated_time(r, scene.clock, resolved=resolved)
                        for r in trouble.records
                    ),
                ),
                None,
            )
        found.append(
            None if measured is None else DraftMeasured(minutes=measured[0], claim=measured[1])
        )
    return found[0], found[1]


def _links(
    trouble: Trouble, suspects: Sequence[DraftSuspect], what: DraftClaim
) -> tuple[Link, ...]:
    found: dict[str, str] = {}
    written = [
        *((record.url, record.title) for record in trouble.records),
        *((thread.url, thread.title) for thread in trouble.threads),
    ]
    for url, title in written:
        if url:
            found.setdefault(url, title)
    for suspect in suspects[:1]:
        if suspect.runbook is not None and suspect.runbook.url:
            found.setdefault(suspect.runbook.url, f"Runbook: {suspect.runbook.title}")
    for citation in what.citations:
        if isinstance(citation, MetricCitation) and citation.url:
            found.setdefault(citation.url, f"Graph: {citation.title}")
    return tuple(Link(title=title, url=url) for url, title in found.items())[:_LINKS]


def _charts(report: Report | None) -> tuple[tuple[Chart, MetricCitation], ...]:
    if report is None:
        return ()
    cited = {c.number: c for c in report.citations if isinstance(c, MetricCitation)}
    drawn: dict[int, Chart] = {chart.citation: chart for chart in report.charts}
    return tuple((chart, cited[n]) for n, chart in drawn.items() if n in cited)
