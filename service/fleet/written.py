"""What is written about a machine: incidents that came back, and work that is still open."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import datetime

from ingest.documents import Chunk, IncidentFacts, RunbookFacts, SourceKind
from service.fleet.model import Concern, DraftReason, FleetPolicy, Seen
from service.reports.cite import passage_citation, quotation
from service.reports.draft import DraftClaim
from service.reports.phrases import flat, worded
from service.scope import mentioned

_OPEN_ITEM = re.compile(r"^[-*+] \[ \] (?P<item>.+)$", re.MULTILINE)


def incidents(name: str, seen: Seen, policy: FleetPolicy) -> Iterator[DraftReason]:
    """Incidents of this component: at fault by the report, or in its title or its cause."""
    for chunks in _reports_about(name, seen, policy):
        facts = chunks[0].facts
        if not isinstance(facts, IncidentFacts) or facts.cause is None:
            continue
        cited = quotation(seen.documents, chunks[0].document_id, facts.cause)
        if cited is None:
            continue
        lead = "Confirmed cause of" if facts.confirmed else "Suspected cause of"
        yield DraftReason(
            concern=Concern.INCIDENTS,
            points=policy.incident,
            claim=DraftClaim(
                text=f"{lead} {chunks[0].title}: “{flat(facts.cause)}”", citations=(cited,)
            ),
        )


def _reports_about(name: str, seen: Seen, policy: FleetPolicy) -> Iterator[tuple[Chunk, ...]]:
    """Newest first."""
    reports = []
    for chunks in seen.documents.values():
        facts = chunks[0].facts
        if not isinstance(facts, IncidentFacts):
            continue
        when = facts.started or chunks[0].written_at
        if when is not None and when < seen.window.end - policy.history:
            continue
        words = f"{chunks[0].title}\n{facts.cause or ''}"
        if facts.component == name or mentioned(words, [name]):
            reports.append((when or datetime.min.replace(tzinfo=seen.window.end.tzinfo), chunks))
    reports.sort(key=lambda item: (item[0], item[1][0].document_id), reverse=True)
    yield from (chunks for _, chunks in reports)


def overdue(
    name: str, runbooks: Sequence[tuple[Chunk, ...]], seen: Seen, policy: FleetPolicy
) -> Iterator[DraftReason]:
    """Action items of the component's incidents that are still open, and runbooks of its alerts
    that nobody has looked at for long."""
    end = seen.window.end
    for chunks in _reports_about(name, seen, policy):
        for chunk in chunks:
            if chunk.written_at is None or end - chunk.written_at < policy.due:
                continue
            for match in _OPEN_ITEM.finditer(chunk.text):
                yield _overdue_reason(
                    DraftClaim(
                        text=f"Open since the report of {chunk.written_at:%Y-%m-%d}: "
                        f"“{flat(match['item'])}”",
                        citations=(
                            passage_citation(chunk, match.start("item"), match.end("item")),
                        ),
                    ),
                    policy,
                )
    for chunks in runbooks:
        first = chunks[0]
        if first.written_at is not None and end - first.written_at > policy.review:
            yield _overdue_reason(
                DraftClaim(
                    text=f"The runbook {first.title}, which is for what fires here, was last "
                    f"changed on {first.written_at:%Y-%m-%d}.",
                    citations=(passage_citation(first, 0, len(first.text)),),
                ),
                policy,
            )


def _overdue_reason(claim: DraftClaim, policy: FleetPolicy) -> DraftReason:
    return DraftReason(concern=Concern.OVERDUE, points=policy.overdue, claim=claim)


def first_step(chunks: Sequence[Chunk]) -> DraftClaim | None:
    """A runbook's first step, verbatim."""
    facts = chunks[0].facts
    if not isinstance(facts, RunbookFacts) or facts.next_check is None:
        return None
    cited = quotation(
        {chunks[0].document_id: tuple(chunks)}, chunks[0].document_id, facts.next_check
    )
    if cited is None or chunks[0].kind is not SourceKind.RUNBOOKS:
        return None
    text = f"The runbook {chunks[0].title} begins with {worded(facts.next_check)}"
    return DraftClaim(text=text, citations=(cited,))
