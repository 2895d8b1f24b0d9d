"""An answer as events: sentence by sentence, for whoever watches it come."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from service.events import CitationTold, Event, SentenceTold
from service.inspected import FleetReport, RunsReport
from service.queries.answer import QueryAnswer
from service.reports.model import Claim, Report


def told(answer: Report | QueryAnswer | FleetReport | RunsReport) -> Iterator[Event]:
    """The answer's sentences in the order in which they are read, with their citations."""
    if isinstance(answer, QueryAnswer):
        text = answer.title if answer.query else answer.reason
        yield SentenceTold(section="chart", text=text or "No chart.", citations=())
        return
    citations = {citation.number: citation for citation in answer.citations}
    for section, claims in _sections(answer):
        for claim in claims:
            for number in claim.citations:
                citation = citations.pop(number, None)
                if citation is not None:
                    yield CitationTold(citation=citation)
            yield SentenceTold(section=section, text=claim.text, citations=claim.citations)


def _sections(
    answer: Report | FleetReport | RunsReport,
) -> Iterator[tuple[str, Iterable[Claim]]]:
    if isinstance(answer, FleetReport):
        for row in answer.rows:
            check = (row.next_check,) if row.next_check else ()
            yield row.name, [*(reason.claim for reason in row.reasons), *check]
    elif isinstance(answer, RunsReport):
        for run in answer.runs:
            yield run.name, [*run.problems, *run.state, *run.over]
    else:
        yield "summary", answer.summary
        for cause in answer.causes:
            check = (cause.next_check,) if cause.next_check else ()
            yield f"cause {cause.rank}", [*cause.evidence, *cause.against, *check]
        yield "impact", answer.impact.claims
        yield "timeline", answer.timeline
        yield "also seen", answer.also_seen
