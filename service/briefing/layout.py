"""The briefing laid out once, for every format: what comes first, what it is called, what is said
where nothing is known. A format only decides how a headline, a list or a link looks in it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import tzinfo
from zoneinfo import ZoneInfo

from service.briefing.model import (
    Briefing,
    BriefingOutcome,
    ChangeKind,
    Incident,
    Measured,
    State,
    Suspect,
)
from service.briefing.page import Badge, Block, Card, Drawn, Line, Page, Source, Tone, opened
from service.reports.model import (
    AlertCitation,
    Citation,
    Claim,
    MetricCitation,
    PassageCitation,
)
from service.scope import mentioned

_CAUSE_EVIDENCE = 3
_CHARTS = 2
"""Drawn for an incident, at most."""
_VERDICTS = {
    BriefingOutcome.INCIDENTS: ("Something went wrong", Tone.BAD),
    BriefingOutcome.QUIET: ("A quiet night", Tone.GOOD),
    BriefingOutcome.PARTLY_BLIND: ("Not everything could be seen", Tone.WATCH),
    BriefingOutcome.BLIND: ("The metrics could not be seen", Tone.UNKNOWN),
}
_STATES = {
    State.ONGOING: ("not over", Tone.BAD),
    State.RETURNING: ("coming back", Tone.BAD),
    State.UNKNOWN: ("not known whether it is over", Tone.UNKNOWN),
    State.RECOVERED: ("over", Tone.GOOD),
}
_CHANGES = {
    ChangeKind.NEW: "New",
    ChangeKind.AGAIN: "Again",
    ChangeKind.STILL_OPEN: "Still open",
    ChangeKind.OVER: "Over",
    ChangeKind.NEW_RISK: "New risk",
    ChangeKind.RISK_GONE: "No longer there",
}
_ORDINALS = ("", "First", "Second", "Third", "Fourth", "Fifth", "Sixth", "Seventh", "Eighth")


def page_of(briefing: Briefing) -> Page:
    """The layout of a briefing; clock times are in its zone."""
    zone = ZoneInfo(briefing.zone)
    verdict, tone = _VERDICTS[briefing.outcome]
    window = briefing.window
    start, end = window.start.astimezone(zone), window.end.astimezone(zone)
    headline, lead = _line(briefing.headline), tuple(_lead(briefing))
    cards = tuple(_card(n, one) for n, one in enumerate(briefing.incidents, start=1))
    sections = tuple(block for block in _sections(briefing) if block.lines)
    shown = {number for line in _all(headline, lead, cards, sections) for number in line.citations}
    return Page(
        title=f"Morning briefing, {briefing.date:%A} {briefing.date.day} {briefing.date:%B %Y}",
        subtitle=f"The night from {start:%d %b %H:%M} to {end:%d %b %H:%M}, times in "
        f"{briefing.zone}",
        tone=tone,
        verdict=verdict,
        badges=tuple(_badges(briefing)),
        headline=headline,
        lead=lead,
        cards=cards,
        sections=sections,
        sources=tuple(
            _source(citation, zone) for citation in briefing.citations if citation.number in shown
        ),
        footer=_footer(briefing, zone),
    )


def times_in_words(times: int, days: int) -> str:
    """ "Third time in 30 days"."""
    which = f"{_ORDINALS[times]} time" if times < len(_ORDINALS) else f"{times} times"
    return f"{which} in {days} days"


def _badges(briefing: Briefing) -> Iterator[Badge]:
    incidents = briefing.incidents
    if incidents:
        yield Badge(text=_counted(len(incidents), "incident"), tone=Tone.BAD)
    still = [i for i in incidents if i.state is not State.RECOVERED]
    if still:
        yield Badge(text=f"{len(still)} not over", tone=Tone.BAD)
    alerts = sum(incident.alerts_fired for incident in incidents)
    if alerts:
        yield Badge(text=_counted(alerts, "alert"), tone=Tone.WATCH)
    if briefing.risks:
        yield Badge(text=f"{len(briefing.risks)} to watch today", tone=Tone.WATCH)
    if briefing.outcome is BriefingOutcome.QUIET:
        yield Badge(text="metrics seen", tone=Tone.GOOD)
    if briefing.outcome is BriefingOutcome.BLIND:
        yield Badge(text="metrics not seen", tone=Tone.UNKNOWN)


def _lead(briefing: Briefing) -> Iterator[Line]:
    """The sentences to read first, and which customers the gravest incident hit."""
    yield from _lines(briefing.lead)
    if briefing.incidents and briefing.incidents[0].customers:
        first = briefing.incidents[0]
        cited = [
            number
            for claim in first.impact
            if mentioned(claim.text, first.customers)
            for number in claim.citations
        ]
        yield Line(
            label="Customers to think of",
            text=", ".join(first.customers),
            citations=tuple(dict.fromkeys(cited)),
        )


def _all(
    headline: Line, lead: Sequence[Line], cards: Sequence[Card], sections: Sequence[Block]
) -> Iterator[Line]:
    yield headline
    yield from lead
    for card in cards:
        yield card.what
        yield from card.facts
        for block in card.blocks:
            yield from block.lines
    for section in sections:
        yield from section.lines


def _card(number: int, incident: Incident) -> Card:
    state, tone = _STATES[incident.state]
    badges = [Badge(text=state, tone=tone)]
    if incident.severity:
        badges.append(Badge(text=incident.severity, tone=Tone.WATCH))
    if incident.recurrence is not None:
        again = times_in_words(incident.recurrence.times, incident.recurrence.days)
        badges.append(Badge(text=again, tone=Tone.WATCH))
    return Card(
        number=number,
        title=incident.title,
        tone=tone,
        badges=tuple(badges),
        what=_line(incident.what),
        facts=tuple(_facts(incident)),
        blocks=tuple(block for block in _blocks(incident) if block.lines),
        charts=tuple(
            Drawn(chart=chart, started=incident.started, ended=incident.ended)
            for chart in incident.charts[:_CHARTS]
        ),
    )


def _facts(incident: Incident) -> Iterator[Line]:
    for label, names in (
        ("Services", incident.services),
        ("Regions", incident.regions),
        ("Customers", incident.customers),
        ("Alerts", incident.alerts),
    ):
        if names:
            yield Line(label=label, text=", ".join(names))
    yield _duration("Time to detect", incident.to_detect)
    yield _duration("Time to resolve", incident.to_resolve)
    yield Line(label="Seen by", text=", ".join(incident.seen_by))


def _duration(label: str, measured: Measured | None) -> Line:
    if measured is None:
        return Line(label=label, text="not known")
    hours, minutes = divmod(measured.minutes, 60)
    text = f"{hours} h {minutes} min" if hours else f"{minutes} min"
    return Line(label=label, text=text, citations=measured.claim.citations)


def _blocks(incident: Incident) -> Iterator[Block]:
    if incident.cause is not None:
        yield Block(title="Probable cause", lines=tuple(_suspect(incident.cause)))
    else:
        nothing = Line(text="No cause is supported by what could be seen.")
        yield Block(title="Probable cause", lines=(nothing,))
    yield Block(
        title="Other possible causes",
        lines=tuple(
            Line(label=_who(other), text=claim.text, citations=claim.citations)
            for other in incident.alternatives
            for claim in other.evidence[:1]
        ),
    )
    yield Block(title="Who felt it", lines=_lines(incident.impact))
    done = _lines(incident.done) or (Line(text="Nobody wrote down that anything was done."),)
    yield Block(title="What was done", lines=done)
    yield Block(title="How it stands", lines=_lines(incident.state_claims))
    times = [m.claim for m in (incident.to_detect, incident.to_resolve) if m is not None]
    yield Block(title="How fast", lines=_lines(times))
    yield Block(title="What happened when", lines=_lines(incident.timeline), is_timeline=True)
    yield Block(
        title="Links",
        lines=tuple(
            Line(text=link.title, url=url)
            for link in incident.links
            if (url := opened(link.url)) is not None
        ),
    )


def _suspect(suspect: Suspect) -> Iterator[Line]:
    first, *rest = suspect.evidence
    yield Line(label=_who(suspect), text=first.text, citations=first.citations)
    yield from _lines(rest[: _CAUSE_EVIDENCE - 1])
    precedents = [claim for claim in rest[_CAUSE_EVIDENCE - 1 :] if "“" in claim.text]
    yield from _lines(precedents[:1])
    for claim in suspect.against:
        yield Line(label="Against", text=claim.text, citations=claim.citations)
    if suspect.next_check is not None:
        check = suspect.next_check
        yield Line(label="Check next", text=check.text, citations=check.citations)
    if suspect.runbook is not None:
        yield Line(label="Runbook", text=suspect.runbook.title, url=opened(suspect.runbook.url))


def _who(suspect: Suspect) -> str:
    where = f" ({suspect.region})" if suspect.region else ""
    likely = f", {suspect.confidence:.0%} likely" if suspect.confidence is not None else ""
    return f"{suspect.component}{where}{likely}"


def _sections(briefing: Briefing) -> Iterator[Block]:
    yield Block(
        title="What keeps coming back",
        lines=tuple(
            Line(
                label=times_in_words(again.times, again.days),
                text=again.claim.text,
                citations=again.claim.citations,
            )
            for incident in briefing.recurring
            if (again := incident.recurrence) is not None
        ),
    )
    yield Block(title="Also seen", lines=_lines(briefing.also_seen))
    yield Block(
        title="To watch today",
        lines=tuple(
            Line(label=risk.kind.capitalize(), text=risk.claim.text, citations=risk.claim.citations)
            for risk in briefing.risks
        ),
    )
    compared = briefing.compared
    day = compared.date
    since = f" of {day:%A} {day.day} {day:%B}" if day is not None else " before"
    changed = [
        Line(label=_CHANGES[change.kind], text=change.claim.text, citations=change.claim.citations)
        for change in compared.changes
    ]
    note = [Line(text=compared.note)] if compared.note is not None else []
    yield Block(title=f"Changed since the briefing{since}", lines=(*changed, *note))
    missing = [Line(text=line) for line in briefing.not_seen]
    if briefing.dropped_claims:
        count = _counted(briefing.dropped_claims, "sentence")
        missing.append(Line(text=f"{count} removed: the citations did not check out."))
    yield Block(
        title="What I could not see",
        lines=tuple(missing) or (Line(text="Nothing is known to be missing."),),
    )


def _source(citation: Citation, zone: tzinfo) -> Source:
    url = opened(citation.url)
    if isinstance(citation, PassageCitation):
        place = " › ".join((citation.title, *citation.headings))
        written = (
            f" ({citation.written_at.astimezone(zone):%Y-%m-%d})" if citation.written_at else ""
        )
        return Source(
            number=citation.number, kind=citation.kind.value, text=f"{place}{written}", url=url
        )
    if isinstance(citation, MetricCitation):
        return Source(number=citation.number, kind="metric", text=citation.query, url=url)
    if isinstance(citation, AlertCitation):
        start = f"{citation.started.astimezone(zone):%Y-%m-%d %H:%M}"
        end = f"{citation.ended.astimezone(zone):%H:%M}" if citation.ended else "still firing"
        labels = ", ".join(f"{name}={value}" for name, value in sorted(citation.labels.items()))
        text = f"{citation.name} {start} – {end} ({labels})"
        return Source(number=citation.number, kind="alert", text=text, url=url)
    text = f"{citation.text} ({citation.at.astimezone(zone):%Y-%m-%d %H:%M})"
    return Source(number=citation.number, kind="change", text=text, url=url)


def _footer(briefing: Briefing, zone: tzinfo) -> str:
    seconds = sum(timing.milliseconds for timing in briefing.timings) / 1000
    return (
        f"Made by Why as of {briefing.asked_at.astimezone(zone):%Y-%m-%d %H:%M} {briefing.zone} "
        f"for {', '.join(briefing.audience)}, in {seconds:.1f} s. Every sentence was checked "
        "against the sources that it cites."
    )


def _line(claim: Claim) -> Line:
    return Line(text=claim.text, citations=claim.citations)


def _lines(claims: Iterable[Claim]) -> tuple[Line, ...]:
    return tuple(_line(claim) for claim in claims)


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"
