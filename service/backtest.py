"""Ask about the user's own past: would Why have named the cause when it was not yet known?

For every incident with a confirmed cause the question is what was felt (the report's impact or
symptoms, not its cause), asked as of the incident's start: nothing written later is visible, and
the incident itself is excluded. A cause counts as found if one of the five names the component at
fault, or quotes a sentence that means the same as the confirmed cause.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from datetime import datetime, timedelta

import numpy as np

from ingest.documents import Chunk, Frozen, IncidentFacts, SourceKind, UtcTime
from ingest.encoders.base import Encoder
from ingest.index import Index, Scope
from service.engine import Engine
from service.reports.model import Outcome, PassageCitation, Report
from service.reports.phrases import flat, sentences


class BacktestPolicy(Frozen):
    """When a cause counts as found."""

    similarity: float = 0.7
    """Cosine of the quoted and the confirmed cause from which they mean the same."""
    before: timedelta = timedelta(hours=24)
    """How much time before the start is asked about."""


class BacktestCase(Frozen):
    """One past incident as a question. ``component`` may be unknown, ``cause`` is not."""

    document_id: str
    title: str
    url: str | None
    started: UtcTime
    question: str
    component: str | None
    cause: str


class BacktestRow(Frozen):
    """What was answered. ``rank`` is that of the first right cause, None if there was none."""

    case: BacktestCase
    outcome: Outcome
    named: tuple[str, ...]
    """The components named, best first."""
    rank: int | None
    similarity: float
    """The best cosine between the confirmed cause and a quotation."""
    would_have_helped: str | None


class BacktestReport(Frozen):
    """All rows; ``skipped`` counts incidents without a confirmed cause or without a start."""

    rows: tuple[BacktestRow, ...]
    skipped: int
    policy: BacktestPolicy

    def share_within(self, k: int) -> float:
        """AC@k: the share of cases whose cause is among the first k."""
        found = sum(row.rank is not None and row.rank <= k for row in self.rows)
        return found / len(self.rows) if self.rows else 0.0


_FELT = re.compile(r"impact|symptom|summary|what happened", re.IGNORECASE)
_BACKDROP = re.compile(r"^\W*(?:none|n/?a|tbd|all times)\b", re.IGNORECASE)


def cases_of(documents: Sequence[Sequence[Chunk]]) -> tuple[list[BacktestCase], int]:
    """The questions in these incident reports (each its chunks), and how many have none."""
    cases: list[BacktestCase] = []
    skipped = 0
    for chunks in documents:
        facts = chunks[0].facts
        if not isinstance(facts, IncidentFacts):
            continue
        if facts.cause is None or not facts.confirmed or facts.started is None:
            skipped += 1
            continue
        cases.append(
            BacktestCase(
                document_id=chunks[0].document_id,
                title=chunks[0].title,
                url=chunks[0].url,
                started=facts.started,
                question=_felt(chunks, facts.cause) or chunks[0].title,
                component=facts.component,
                cause=flat(facts.cause),
            )
        )
    return sorted(cases, key=lambda case: (case.started, case.document_id)), skipped


def _felt(chunks: Sequence[Chunk], cause: str) -> str | None:
    """The first sentence that says what was felt, and not why."""
    text = "\n".join(chunk.text for chunk in chunks)
    for part in re.split(r"(?m)^#+\s+", text):
        heading, _, body = part.partition("\n")
        if not _FELT.search(heading):
            continue
        for sentence in sentences(body):
            told = flat(sentence)
            if len(told.split()) > 3 and not _BACKDROP.match(told) and told not in flat(cause):
                return told
    return None


async def backtest(
    engine: Engine,
    index: Index,
    encoder: Encoder,
    *,
    audience: tuple[str, ...],
    now: datetime,
    policy: BacktestPolicy | None = None,
) -> BacktestReport:
    """Ask about every past incident that the audience may read. Raises: IndexFailure."""
    policy = policy or BacktestPolicy()
    reader = Scope(audience=audience, as_of=now, kinds=(SourceKind.INCIDENTS,))
    ids = [
        row.document_id
        for source in await index.sources()
        for row in await index.inventory(source)
        if row.complete
    ]
    documents: dict[str, list[Chunk]] = {}
    for chunk in await index.chunks_of(ids, reader):
        documents.setdefault(chunk.document_id, []).append(chunk)
    cases, skipped = cases_of(list(documents.values()))
    rows = []
    for case in cases:
        report = await engine.ask(
            case.question,
            now=case.started,
            since=(case.started - policy.before).isoformat(),
            audience=audience,
            excluded=(case.document_id,),
        )
        rows.append(await _row(case, report, cases, encoder, policy))
    return BacktestReport(rows=tuple(rows), skipped=skipped, policy=policy)


async def _row(
    case: BacktestCase,
    report: Report,
    cases: Sequence[BacktestCase],
    encoder: Encoder,
    policy: BacktestPolicy,
) -> BacktestRow:
    quotes = {c.number: flat(c.quote) for c in report.citations if isinstance(c, PassageCitation)}
    similar = await asyncio.to_thread(_similarities, case.cause, list(quotes.values()), encoder)
    by_number = dict(zip(quotes, similar, strict=True))
    rank = None
    best = 0.0
    for cause in report.causes:
        cited = {number for claim in cause.evidence for number in claim.citations}
        closest = max((by_number[number] for number in cited & by_number.keys()), default=0.0)
        best = max(best, closest)
        right = cause.component == case.component or closest >= policy.similarity
        if right and rank is None:
            rank = cause.rank
    return BacktestRow(
        case=case,
        outcome=report.outcome,
        named=tuple(cause.component for cause in report.causes),
        rank=rank,
        similarity=round(best, 3),
        would_have_helped=None if rank is not None else _lacking(case, cases, report),
    )


def _similarities(cause: str, quotes: Sequence[str], encoder: Encoder) -> list[float]:
    if not quotes:
        return []
    vectors = encoder.embed_documents([cause, *quotes])
    return [float(similarity) for similarity in np.dot(vectors[1:], vectors[0])]


def _lacking(case: BacktestCase, cases: Sequence[BacktestCase], report: Report) -> str:
    """What was not there at the time, in words."""
    missing = []
    if any(line.startswith(("metrics", "the metrics")) for line in report.not_seen):
        missing.append("metrics of that time")
    earlier = [
        other.title
        for other in cases
        if other.component is not None
        and other.component == case.component
        and other.started < case.started
    ]
    if earlier:
        missing.append(f"a better match with {earlier[-1]}")
    else:
        missing.append(f"an earlier report about {case.component or 'its component'}")
    return "; ".join(missing)
