"""Ask about the user's own past: would Why have named the cause when it was not yet known?

For every incident with a confirmed cause the question is what was felt (not its cause), asked as
of the incident's start: nothing written later is visible, and the incident itself is excluded. A
cause counts as found if one of the five names the component at fault, or quotes a sentence that
means the same as the confirmed cause; which of the two is told apart, because the second is a
guess by a model. Beside it stands what needs no search at all: the most recent incidents.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, time, timedelta, timezone

import numpy as np
from numpy.typing import NDArray

from ingest.documents import Chunk, Frozen, IncidentFacts, SourceKind, UtcTime
from ingest.encoders.base import Encoder
from ingest.index import Index, Scope
from service.engine import Engine
from service.reports.model import Outcome, PassageCitation, Report
from service.reports.phrases import flat

RANKS = (1, 3, 5)
_EARLIEST_ZONE = timezone(timedelta(hours=14))
"""Where a day begins first: whoever asks then knows nothing of the day, wherever it was."""


class BacktestPolicy(Frozen):
    """When and how far back is asked, and when a cause counts as found."""

    similarity: float = 0.7
    """Cosine of a quoted and the confirmed cause from which they mean the same. With the packaged
    model none of 1,406 pairs of different causes reaches it, and 8 of 37 pairs of one cause in two
    wordings do: what it calls found is found, and it misses most rewordings (docs/benchmarks.md).
    """
    before: timedelta = timedelta(hours=24)
    """How much time before the start is asked about."""
    noticed: timedelta = timedelta(minutes=15)
    """How long after its start an incident is asked about again, if the metrics were still calm
    then and its report does not say when it was detected."""
    recent: int = 5
    """How many of the most recent causes are the baseline."""


class PastIncident(Frozen):
    """What a report states; ``written_at`` is when that was known (None: always)."""

    document_id: str
    title: str
    incident_id: str | None
    url: str | None
    written_at: UtcTime | None
    began: UtcTime | None
    detected: UtcTime | None
    exact: bool
    """Whether ``began`` is a moment; else it is the beginning of its day in the earliest zone."""
    symptom: str | None
    component: str | None
    cause: str | None
    confirmed: bool


class BacktestCase(Frozen):
    """One past incident as a question. ``component`` may be unknown, ``cause`` is not."""

    document_id: str
    title: str
    url: str | None
    started: UtcTime
    exact: bool
    """Whether ``started`` is a moment; else only the day is known, and asked as of its beginning,
    wherever on earth that is first."""
    detected: UtcTime | None
    question: str
    component: str | None
    cause: str


class Candidate(Frozen):
    """A cause that is named; ``similarity`` is the best cosine of its words with the right one."""

    component: str | None
    similarity: float


class Found(Frozen):
    """Where the right cause stands among the candidates, from 1; None where it is not."""

    by_component: int | None
    by_text: int | None
    similarity: float
    """The best cosine between the confirmed cause and the words of any candidate."""

    @property
    def rank(self) -> int | None:
        ranks = [rank for rank in (self.by_component, self.by_text) if rank is not None]
        return min(ranks, default=None)


class BacktestRow(Frozen):
    """What was answered, and what naming the most recent causes would have."""

    case: BacktestCase
    asked_at: UtcTime
    outcome: Outcome
    named: tuple[str, ...]
    """The components named, best first."""
    found: Found
    recent: Found
    precedent: str | None
    """The latest earlier report with the same component or cause, by title."""
    would_have_helped: tuple[str, ...]


class Score(Frozen):
    """AC@k: the share of ``cases`` whose cause is among the first k, by k."""

    of: str
    cases: int
    at: dict[int, float]


class BacktestReport(Frozen):
    """All rows and their summary; ``skipped`` counts the incidents not asked about, by reason."""

    rows: tuple[BacktestRow, ...]
    skipped: dict[str, int]
    policy: BacktestPolicy
    scores: tuple[Score, ...]


def past_incidents(documents: Iterable[Sequence[Chunk]]) -> list[PastIncident]:
    """The incident reports among these documents (each its chunks), oldest first."""
    found = []
    for chunks in documents:
        first, facts = chunks[0], chunks[0].facts
        if not isinstance(facts, IncidentFacts):
            continue
        began = facts.started
        if began is None and facts.day is not None:
            began = datetime.combine(facts.day, time(), _EARLIEST_ZONE)
        found.append(
            PastIncident(
                document_id=first.document_id,
                title=first.title,
                incident_id=facts.incident_id,
                url=first.url,
                written_at=max((c.written_at for c in chunks if c.written_at), default=None),
                began=began,
                detected=facts.detected,
                exact=facts.started is not None,
                symptom=facts.symptom,
                component=facts.component,
                cause=flat(facts.cause) if facts.cause else None,
                confirmed=facts.confirmed,
            )
        )
    return sorted(found, key=lambda one: (one.began is not None, one.began, one.document_id))


def cases_of(incidents: Sequence[PastIncident]) -> tuple[list[BacktestCase], dict[str, int]]:
    """The questions, and how many incidents have none, by reason."""
    cases: list[BacktestCase] = []
    skipped: Counter[str] = Counter()
    for one in incidents:
        if one.cause is None:
            skipped["no cause stated"] += 1
        elif not one.confirmed:
            skipped["cause only suspected"] += 1
        elif one.began is None:
            skipped["no day named"] += 1
        else:
            cases.append(
                BacktestCase(
                    document_id=one.document_id,
                    title=one.title,
                    url=one.url,
                    started=one.began,
                    exact=one.exact,
                    detected=one.detected,
                    question=flat(one.symptom or _unnumbered(one)),
                    component=one.component,
                    cause=one.cause,
                )
            )
    return cases, dict(skipped)


def _unnumbered(one: PastIncident) -> str:
    """The title without the id that nobody knows when it begins."""
    return one.title.removeprefix(one.incident_id or "").lstrip(" :–-")


def known_at(
    moment: datetime, case: BacktestCase, incidents: Sequence[PastIncident]
) -> list[PastIncident]:
    """The other incidents that blame something and were written up by then, latest first."""
    known = [
        one
        for one in incidents
        if one.document_id != case.document_id
        and (one.component or one.cause)
        and (one.written_at is None or one.written_at <= moment)
        and (one.began is None or one.began <= moment)
    ]
    return known[::-1]


def most_recent(known: Sequence[PastIncident], count: int) -> list[PastIncident]:
    """The first ``count`` of different components; one that names none stands for itself."""
    distinct: dict[str, PastIncident] = {}
    for one in known:
        distinct.setdefault(one.component or one.document_id, one)
    return list(distinct.values())[:count]


def found_among(
    component: str | None, candidates: Sequence[Candidate], policy: BacktestPolicy
) -> Found:
    """Where the right one stands among the candidates, best first."""
    named = (
        rank
        for rank, candidate in enumerate(candidates, start=1)
        if component is not None and candidate.component == component
    )
    meant = (
        rank
        for rank, candidate in enumerate(candidates, start=1)
        if candidate.similarity >= policy.similarity
    )
    return Found(
        by_component=next(named, None),
        by_text=next(meant, None),
        similarity=round(max((c.similarity for c in candidates), default=0.0), 3),
    )


def scores_of(rows: Sequence[BacktestRow]) -> tuple[Score, ...]:
    """The summary: found at all and in either way, by Why and by recency alone.

    By component only the cases count whose report names one. What no earlier report had can only
    be found in the metrics or the runbooks, so the others are summed up on their own, too.
    """
    blamed = [row for row in rows if row.case.component is not None]

    def score(
        of: str, among: Sequence[BacktestRow], rank: Callable[[BacktestRow], int | None]
    ) -> Score:
        ranks = [rank(row) for row in among]
        return Score(
            of=of,
            cases=len(ranks),
            at={
                k: sum(r is not None and r <= k for r in ranks) / max(1, len(ranks)) for k in RANKS
            },
        )

    seen_before = [row for row in rows if row.precedent is not None]
    return (
        score("Why", rows, lambda row: row.found.rank),
        score("Why, by component", blamed, lambda row: row.found.by_component),
        score("Why, by text", rows, lambda row: row.found.by_text),
        score("Why, if an earlier report had it", seen_before, lambda row: row.found.rank),
        score("most recent", rows, lambda row: row.recent.rank),
        score("most recent, by component", blamed, lambda row: row.recent.by_component),
        score("most recent, by text", rows, lambda row: row.recent.by_text),
        score("most recent, if an earlier report had it", seen_before, lambda row: row.recent.rank),
    )


async def backtest(
    engine: Engine,
    index: Index,
    encoder: Encoder,
    *,
    audience: tuple[str, ...],
    now: datetime,
    policy: BacktestPolicy | None = None,
) -> BacktestReport:
    """Ask about every past incident that the audience may read.

    Raises: IndexFailure, EncoderError.
    """
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
    incidents = past_incidents(documents.values())
    cases, skipped = cases_of(incidents)
    meanings = _Meanings(encoder)
    await meanings.learn(one.cause for one in incidents if one.cause)
    rows = []
    for case in cases:
        report = await _ask(engine, case, audience, policy)
        await meanings.learn(c.quote for c in report.citations if isinstance(c, PassageCitation))
        rows.append(_row(case, report, incidents, meanings, policy))
    return BacktestReport(rows=tuple(rows), skipped=skipped, policy=policy, scores=scores_of(rows))


async def _ask(
    engine: Engine, case: BacktestCase, audience: tuple[str, ...], policy: BacktestPolicy
) -> Report:
    """The report as of the start; as of when it was noticed, if the metrics were calm then."""

    async def ask(moment: datetime) -> Report:
        return await engine.ask(
            case.question,
            now=moment,
            since=(case.started - policy.before).isoformat(),
            audience=audience,
            excluded=(case.document_id,),
        )

    report = await ask(case.started)
    if report.outcome is Outcome.NO_INCIDENT_VISIBLE and case.exact:
        # What broke needs minutes to show in the metrics; people ask when it does.
        noticed = case.detected or case.started + policy.noticed
        report = await ask(max(noticed, case.started))
    return report


class _Meanings:
    """Vectors of sentences, each computed once."""

    def __init__(self, encoder: Encoder) -> None:
        self._encoder = encoder
        self._vectors: dict[str, NDArray[np.float32]] = {}

    async def learn(self, texts: Iterable[str]) -> None:
        """Raises: EncoderError."""
        new = sorted({flat(text) for text in texts} - self._vectors.keys())
        if new:
            vectors = await asyncio.to_thread(self._encoder.embed_documents, new)
            self._vectors.update(zip(new, vectors, strict=True))

    def similarity(self, one: str, other: str) -> float:
        """The cosine of two learned texts."""
        return float(np.dot(self._vectors[flat(one)], self._vectors[flat(other)]))


def _row(
    case: BacktestCase,
    report: Report,
    incidents: Sequence[PastIncident],
    meanings: _Meanings,
    policy: BacktestPolicy,
) -> BacktestRow:
    quotes = {c.number: c.quote for c in report.citations if isinstance(c, PassageCitation)}
    named = []
    for cause in report.causes:
        cited = {number for claim in cause.evidence for number in claim.citations}
        similar = (meanings.similarity(case.cause, quotes[n]) for n in cited & quotes.keys())
        named.append(Candidate(component=cause.component, similarity=max(similar, default=0.0)))

    def candidate(one: PastIncident) -> Candidate:
        similar = meanings.similarity(case.cause, one.cause) if one.cause else 0.0
        return Candidate(component=one.component, similarity=similar)

    known = known_at(report.asked_at, case, incidents)
    recent = [candidate(one) for one in most_recent(known, policy.recent)]
    precedents = (
        one for one in known if found_among(case.component, [candidate(one)], policy).rank
    )
    found = found_among(case.component, named, policy)
    precedent = next(precedents, None)
    return BacktestRow(
        case=case,
        asked_at=report.asked_at,
        outcome=report.outcome,
        named=tuple(cause.component for cause in report.causes),
        found=found,
        recent=found_among(case.component, recent, policy),
        precedent=precedent.title if precedent else None,
        would_have_helped=() if found.rank else tuple(_lacking(case, precedent, report)),
    )


def _lacking(case: BacktestCase, precedent: PastIncident | None, report: Report) -> Iterable[str]:
    """What was not there at the time, or was and was not used, in words."""
    if precedent is not None:
        yield f"a better match with {precedent.title}"
    else:
        yield "an earlier report with the same component or cause"
    if any(line.startswith(("metrics", "the metrics")) for line in report.not_seen):
        yield "metrics of that time"
    if case.component is None:
        yield "the name of the component at fault in its report"
    if not case.exact:
        yield "the hour of its start, with the time zone, in its report"
