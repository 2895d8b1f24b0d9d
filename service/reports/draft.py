"""What a writer hands in: sentences with the evidence that is to carry them, not yet checked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol

from ingest.documents import Chunk, Frozen
from service.causes.disturbances import Disturbance
from service.causes.ranking import RankedCause
from service.llm.budget import Call
from service.metrics.observe import Observation
from service.reports.model import Citation, RunbookLink
from service.retrieval import Passage
from service.scope import QuestionScope, Vocabulary


class DraftClaim(Frozen):
    """A sentence and its evidence."""

    text: str
    citations: tuple[Citation, ...]


class DraftCause(Frozen):
    """A ranked cause in words."""

    ranked: RankedCause
    evidence: tuple[DraftClaim, ...]
    against: tuple[DraftClaim, ...] = ()
    next_check: DraftClaim | None = None
    runbook: RunbookLink | None = None


class Draft(Frozen):
    """A report in words. ``writer`` wrote it; ``calls`` of language models were made for it."""

    writer: str
    summary: tuple[DraftClaim, ...] = ()
    causes: tuple[DraftCause, ...] = ()
    impact: tuple[DraftClaim, ...] = ()
    timeline: tuple[DraftClaim, ...] = ()
    also_seen: tuple[DraftClaim, ...] = ()
    calls: tuple[Call, ...] = ()
    refused: tuple[str, ...] = ()
    """Why sentences were left out before anybody saw them, in words."""
    notes: tuple[str, ...] = ()
    """What the reader must know of how it was written, in words."""

    def claims(self) -> Iterator[DraftClaim]:
        """Every sentence, in the order in which it is read."""
        yield from self.summary
        for cause in self.causes:
            yield from cause.evidence
            yield from cause.against
            if cause.next_check is not None:
                yield cause.next_check
        yield from self.impact
        yield from self.timeline
        yield from self.also_seen


class Findings(Frozen):
    """Everything that was found for a question: all that a writer may use."""

    question: str
    scope: QuestionScope
    vocabulary: Vocabulary
    observation: Observation
    disturbance: Disturbance | None
    others: tuple[Disturbance, ...]
    causes: tuple[RankedCause, ...]
    passages: tuple[Passage, ...]
    documents: Mapping[str, tuple[Chunk, ...]]
    """All chunks of the documents that may be quoted."""
    runbooks: Mapping[str, Sequence[Chunk]]
    """For each component among the causes, the runbooks that fit it, best first; an alert's
    rule stands for the page that it links and that is not among the documents."""


class ReportWriter(Protocol):
    """Findings → a draft. Writes, and doesn't guess: every sentence carries its evidence."""

    async def write(self, findings: Findings) -> Draft: ...
