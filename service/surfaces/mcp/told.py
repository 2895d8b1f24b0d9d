"""Answers and briefings as flat, verified sentences with numbered sources."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Literal, Self

from pydantic import Field

from ingest.documents import Frozen, UtcTime
from service.briefing.model import Briefing
from service.events import SentenceTold
from service.inspected import FleetReport
from service.queries.answer import QueryAnswer
from service.reports.markdown import plain
from service.reports.model import (
    AlertCitation,
    ChangeCitation,
    Citation,
    Claim,
    MetricCitation,
    PassageCitation,
    Report,
)
from service.store import StoredReport
from service.surfaces.mcp.measured import chart_lines, promql_reply
from service.surfaces.mcp.reply import Reply, clock, short, tail, unseen
from service.telling import told
from service.workspace import Answer

_QUOTED = 400
"""Characters of a passage that answers the question without being evidence."""


class Sentence(Frozen):
    """One verified sentence; ``citations``: numbers of its sources."""

    section: str
    text: str
    citations: tuple[int, ...] = ()


class Source(Frozen):
    """What a citation's number stands for."""

    number: int
    type: Literal["passage", "metric", "alert", "change"]
    text: str
    url: str | None


class Told(Reply):
    """What answers and briefings have in common."""

    start: UtcTime
    end: UtcTime
    sentences: tuple[Sentence, ...]
    sources: tuple[Source, ...]
    not_seen: tuple[str, ...] = Field(description="What could not be looked at, in words.")

    @property
    def items(self) -> int:
        return len(self.sentences)

    def shortened(self, items: int) -> Self:
        sentences = self.sentences[:items]
        used = {number for sentence in sentences for number in sentence.citations}
        sources = tuple(one for one in self.sources if one.number in used)
        return self.model_copy(update={"sentences": sentences, "sources": sources})

    def _as_text(self, title: str, *about: str) -> str:
        window = f"{clock(self.start)} – {clock(self.end)}"
        lines = [f"# {plain(title)}", " · ".join((window, *about))]
        section = None
        for sentence in self.sentences:
            if sentence.section != section:
                section = sentence.section
                lines += ["", f"## {plain(section)}"]
            marks = "".join(f"[{number}]" for number in sentence.citations)
            lines.append(f"- {plain(sentence.text)} {marks}".rstrip())
        lines += tail(self.not_seen, self.note)
        if self.sources:
            lines += ["", "## Sources"]
            for source in self.sources:
                link = f" {source.url}" if source.url else ""
                lines.append(f"[{source.number}] {source.type}: {plain(source.text)}{link}")
        return "\n".join(lines)


class AnswerReply(Told):
    """An answer, kept as ``report_id``."""

    report_id: str
    kind: str
    question: str
    outcome: str | None = Field(description="causes, no_cause_supported, no_incident_visible, …")
    url: str | None = Field(description="Where a person opens it.")

    def as_text(self) -> str:
        place = self.url or f"why://reports/{self.report_id}"
        return self._as_text(self.question, self.outcome or self.kind, place)


class BriefingReply(Told):
    """A night, told in the morning of ``date``."""

    date: str
    timezone: str
    outcome: str = Field(description="incidents, quiet, partly_blind or blind.")

    def as_text(self) -> str:
        return self._as_text(f"Briefing of {self.date}", self.outcome, self.timezone)


def answer_reply(stored: StoredReport, url: str | None) -> AnswerReply:
    """A kept answer of any kind."""
    answer = stored.answer
    window = answer.scope.window if isinstance(answer, Report) else answer.window
    return AnswerReply(
        report_id=stored.id,
        kind=stored.kind,
        question=short(stored.question),
        outcome=answer.outcome if isinstance(answer, Report | FleetReport) else None,
        start=window.start,
        end=window.end,
        url=url,
        sentences=tuple(_sentences(answer)),
        sources=() if isinstance(answer, QueryAnswer) else _sources(answer.citations),
        not_seen=answer.missing
        if isinstance(answer, QueryAnswer)
        else unseen(answer.not_seen, answer.dropped_claims),
    )


def _sentences(answer: Answer) -> Iterator[Sentence]:
    if isinstance(answer, Report):
        yield from _report(answer)
    elif isinstance(answer, QueryAnswer):
        for line in chart_lines(promql_reply(answer)):
            yield Sentence(section="chart", text=line)
    else:
        for event in told(answer):
            if isinstance(event, SentenceTold):
                yield from _claims(
                    event.section, (Claim(text=event.text, citations=event.citations),)
                )


def _report(report: Report) -> Iterator[Sentence]:
    yield from _claims("summary", report.summary)
    for cause in report.causes:
        where = f" ({cause.region})" if cause.region else ""
        likely = "" if cause.confidence is None else f", {cause.confidence:.0%} likely"
        section = f"cause {cause.rank}: {cause.component}{where}{likely}"
        yield from _claims(section, cause.evidence)
        yield from _claims(section, cause.against, "Against: ")
        yield from _claims(section, (cause.next_check,) if cause.next_check else (), "Next check: ")
        if cause.runbook is not None:
            link = f" {cause.runbook.url}" if cause.runbook.url else ""
            text = f"Runbook: {short(cause.runbook.title)}{link}"
            yield Sentence(section=short(section), text=text)
    yield from _claims("impact", report.impact.claims)
    yield from _claims("timeline", report.timeline)
    yield from _claims("also seen", report.also_seen)
    for passage in report.related:
        text = f"{short(passage.title)}: “{short(passage.quote, _QUOTED)}”"
        yield Sentence(section="what is written about it", text=text, citations=(passage.number,))


def briefing_reply(briefing: Briefing) -> BriefingReply:
    """A morning's briefing."""
    return BriefingReply(
        date=briefing.date.isoformat(),
        timezone=briefing.zone,
        outcome=briefing.outcome,
        start=briefing.window.start,
        end=briefing.window.end,
        sentences=tuple(_night(briefing)),
        sources=_sources(briefing.citations),
        not_seen=unseen(briefing.not_seen, briefing.dropped_claims),
    )


def _night(briefing: Briefing) -> Iterator[Sentence]:
    yield from _claims("headline", (briefing.headline, *briefing.lead))
    for number, incident in enumerate(briefing.incidents, start=1):
        section = f"incident {number}: {incident.title} ({incident.state})"
        yield from _claims(section, (incident.what, *incident.state_claims, *incident.impact))
        suspects = (incident.cause, *incident.alternatives)
        for suspect in (one for one in suspects if one is not None):
            where = f" ({suspect.region})" if suspect.region else ""
            likely = "" if suspect.confidence is None else f" ({suspect.confidence:.0%} likely)"
            lead = f"{suspect.component}{where}{likely}: "
            yield from _claims(section, (*suspect.evidence, *suspect.against), lead)
            if suspect.next_check is not None:
                yield from _claims(section, (suspect.next_check,), "Next check: ")
        yield from _claims(section, incident.done, "Done: ")
        measured = (incident.to_detect, incident.to_resolve, incident.recurrence)
        yield from _claims(section, (one.claim for one in measured if one is not None))
    yield from _claims("open risks today", (risk.claim for risk in briefing.risks))
    changes = briefing.compared.changes
    yield from _claims("since yesterday", (changed.claim for changed in changes))
    yield from _claims("also seen", briefing.also_seen)


def _claims(section: str, claims: Iterable[Claim], lead: str = "") -> Iterator[Sentence]:
    for claim in claims:
        text = f"{lead}{short(claim.text)}"
        yield Sentence(section=short(section), text=text, citations=claim.citations)


def _sources(citations: Iterable[Citation]) -> tuple[Source, ...]:
    return tuple(
        Source(number=one.number, type=one.type, text=_described(one), url=one.url)
        for one in citations
    )


def _described(citation: Citation) -> str:
    match citation:
        case PassageCitation():
            place = " › ".join((citation.title, *citation.headings))
            written = f", {citation.written_at:%Y-%m-%d}" if citation.written_at else ""
            return short(f"{citation.kind}: {place}{written}")
        case MetricCitation():
            return short(f"`{citation.query}`")
        case AlertCitation():
            return short(f"{citation.name} since {clock(citation.started)}")
        case ChangeCitation():
            return short(f"{citation.text} at {clock(citation.at)}")
