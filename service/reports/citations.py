"""Check every citation against its source, and every sentence against its citations.

A quotation must stand at its span in the stored document; a sample must be what the metrics
source answers when it is asked again; an alert or a change must be among those it reports. A
sentence may then say only what its citations show (``stated``). One that fails is dropped and
counted. Everything here is pure; ``GroundTruth`` is fetched by the engine, apart from what the
sentence was written from.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, tzinfo

from ingest.documents import Chunk
from service.metrics.source import Alert, Change
from service.reports.draft import DraftClaim
from service.reports.model import (
    AlertCitation,
    Citation,
    Claim,
    MetricCitation,
    PassageCitation,
)
from service.reports.stated import moments_of as moments_of
from service.reports.stated import unsupported
from service.scope import Vocabulary

SeriesKey = tuple[str, tuple[tuple[str, str], ...]]


def series_key(query: str, labels: Mapping[str, str]) -> SeriesKey:
    return query, tuple(sorted(labels.items()))


class GroundTruth:
    """What the sources say when they are asked again.

    ``chunks`` by id; ``samples``: series → unix seconds → value.
    """

    __slots__ = ("alerts", "changes", "chunks", "samples")

    def __init__(
        self,
        *,
        chunks: Mapping[str, Chunk],
        samples: Mapping[SeriesKey, Mapping[float, float]],
        alerts: Sequence[Alert],
        changes: Sequence[Change],
    ) -> None:
        self.chunks = chunks
        self.samples = samples
        self.alerts = alerts
        self.changes = changes


def is_true(citation: Citation, truth: GroundTruth) -> bool:
    """Whether the source says what the citation says it says."""
    if isinstance(citation, PassageCitation):
        chunk = truth.chunks.get(citation.chunk_id)
        return (
            chunk is not None
            and chunk.revision == citation.revision
            and chunk.start <= citation.start < citation.end <= chunk.end
            and chunk.text[citation.start - chunk.start : citation.end - chunk.start]
            == citation.quote
        )
    if isinstance(citation, MetricCitation):
        known = truth.samples.get(series_key(citation.query, citation.labels), {})
        return bool(citation.samples) and all(
            math.isclose(
                known.get(sample.at.timestamp(), math.nan), sample.value, rel_tol=1e-6, abs_tol=1e-9
            )
            for sample in citation.samples
        )
    if isinstance(citation, AlertCitation):
        return any(
            (a.name, a.labels, a.started, a.ended)
            == (citation.name, citation.labels, citation.started, citation.ended)
            for a in truth.alerts
        )
    return any(
        (c.at, c.text, c.until) == (citation.at, citation.text, citation.until)
        for c in truth.changes
    )


class Verifier:
    """Turns draft claims into numbered, verified ones; keeps the citations and the count.

    ``zone``: that of the clock times in the sentences.
    """

    def __init__(self, truth: GroundTruth, vocabulary: Vocabulary, zone: tzinfo = UTC) -> None:
        self._truth = truth
        self._zone = zone
        self._names = (*vocabulary.services, *vocabulary.regions, *vocabulary.customers)
        self._citations: dict[str, Citation] = {}
        self.dropped: list[str] = []
        """Why each dropped claim was dropped, in words."""

    @property
    def citations(self) -> tuple[Citation, ...]:
        """Verified citations in the order of their numbers."""
        return tuple(self._citations.values())

    def accept(self, claims: Iterable[DraftClaim]) -> tuple[Claim, ...]:
        """The claims that check out, in order."""
        accepted = []
        for claim in claims:
            reason = self._objection(claim)
            if reason is None:
                numbers = dict.fromkeys(self._number(citation) for citation in claim.citations)
                accepted.append(Claim(text=claim.text, citations=tuple(numbers)))
            else:
                self.dropped.append(f"{claim.text!r}: {reason}")
        return tuple(accepted)

    def _number(self, citation: Citation) -> int:
        """The citation's number; samples of one series share one."""
        apart = {"number", "verified", "samples", "title"}
        key = citation.model_dump_json(exclude=apart)
        known = self._citations.get(key)
        if known is None:
            number = len(self._citations) + 1
            known = citation.model_copy(update={"number": number, "verified": True})
        elif isinstance(known, MetricCitation) and isinstance(citation, MetricCitation):
            samples = {sample.at: sample for sample in (*known.samples, *citation.samples)}
            known = known.model_copy(
                update={"samples": tuple(samples[moment] for moment in sorted(samples))}
            )
        self._citations[key] = known
        return known.number

    def _objection(self, claim: DraftClaim) -> str | None:
        if not claim.citations:
            return "nothing is cited"
        for citation in claim.citations:
            if not is_true(citation, self._truth):
                return f"the cited {citation.type} is not what its source says"
        return unsupported(claim.text, claim.citations, self._names, self._zone)
