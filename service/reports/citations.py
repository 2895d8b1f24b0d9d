"""Check every citation against its source, and every sentence against its citations.

A quotation must stand at its span in the stored document; a sample must be what the metrics
source answers when it is asked again; an alert or a change must be among those it reports. A
sentence may then say only what its citations show:

- text in “quotation marks” stands in a cited quotation, title or annotation;
- each number is a cited sample (rounded as written), or stands in a cited quotation with the same
  unit, or is the minutes between two cited moments, or how many times one cited value of a series
  is another ("12-fold"); each version stands in what is cited;
- each clock time and date is that of a cited sample, alert, change or document;
- each service, region and customer that it names occurs in what it cites.

A sentence that fails is dropped and counted. Everything here is pure; ``GroundTruth`` is fetched
by the engine, apart from what the sentence was written from.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime

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
from service.reports.numbers import stated_numbers
from service.scope import Vocabulary, mentioned

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
    """Turns draft claims into numbered, verified ones; keeps the citations and the count."""

    def __init__(self, truth: GroundTruth, vocabulary: Vocabulary) -> None:
        self._truth = truth
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
        return unsupported(claim.text, claim.citations, self._names)


_QUOTED = re.compile(r"“([^”]*)”")
_DATE = re.compile(r"\b\d{4}-\d\d-\d\d\b")
_CLOCK = re.compile(r"\b\d{1,2}:\d\d\b")
_FOLD = re.compile(r"(?<![\w.])(\d+(?:\.\d+)?)\s?(?:-?fold\b|×|times (?:as|the|higher|more)\b)")
_VERSION = re.compile(r"\bv?\d+(?:\.\d+){2,}(?:[-+][\w.]+)?\b")
_MINUTES = re.compile(r"\b(\d+) minutes?\b")


def unsupported(text: str, citations: Sequence[Citation], names: Sequence[str]) -> str | None:
    """What in the sentence its citations don't show, in words; None if they show all of it."""
    words = _squeeze(" \n ".join(words_of(citation) for citation in citations))
    for quote in _QUOTED.findall(text):
        if _squeeze(quote) not in words:
            return f"“{quote}” is not in what is cited"
    rest = _QUOTED.sub(" ", text)
    for name in mentioned(rest, names):
        if not mentioned(words, [name]):
            return f"{name} does not occur in what is cited"
    moments = [moment for citation in citations for moment in _moments_of(citation)]
    for pattern, layout in ((_DATE, "%Y-%m-%d"), (_CLOCK, "%H:%M")):
        shown = {moment.strftime(layout) for moment in moments}
        for stated in pattern.findall(rest):
            if stated.zfill(5) not in shown and stated not in words:
                return f"{stated} is not a time of what is cited"
        rest = pattern.sub(" ", rest)
    for minutes in _MINUTES.findall(rest):
        if not _is_between(int(minutes), moments):
            return f"no two cited moments are {minutes} minutes apart"
    rest = _MINUTES.sub(" ", rest)
    values = [
        sample.value * (0.001 if citation.unit == "ms" else 0.01 if citation.unit == "%" else 1.0)
        for citation in citations
        if isinstance(citation, MetricCitation)
        for sample in citation.samples
    ]
    for code in re.findall(r"`[^`]*`", rest):
        if code.strip("`") not in words:
            return f"{code} is not in what is cited"
    rest = re.sub(r"`[^`]*`", " ", rest)
    for name in sorted({n for c in citations for n in _names_in(c)}, key=len, reverse=True):
        rest = rest.replace(name, " ")  # the 07 of gpu-eu-07 is no number
    for times in _FOLD.findall(rest):
        if not any(_is_ratio(times, one) for one in citations if isinstance(one, MetricCitation)):
            return f"no two cited values of a series are {times} times apart"
    rest = _FOLD.sub(" ", rest)
    for version in _VERSION.findall(rest):
        if version not in words:
            return f"{version} is not in what is cited"
    rest = _VERSION.sub(" ", rest)
    quoted = [
        number.text
        for citation in citations
        if isinstance(citation, PassageCitation)
        for number in stated_numbers(citation.quote)
    ]
    for number in stated_numbers(rest):
        if number.text not in quoted and not number.matches(values):
            return f"{number.text} is not a value of what is cited"
    return None


def _is_ratio(stated: str, citation: MetricCitation) -> bool:
    """Whether a value of the series is so many times another one, rounded as written."""
    tolerance = 0.5 * 10.0 ** -len(stated.partition(".")[2])
    values = [sample.value for sample in citation.samples]
    return any(
        b != 0 and abs(a / b - float(stated)) <= tolerance * (1 + 1e-9)
        for a in values
        for b in values
    )


def _is_between(minutes: int, moments: Sequence[datetime]) -> bool:
    return any(
        abs(abs((a - b).total_seconds()) / 60 - minutes) <= 0.5 for a in moments for b in moments
    )


def _squeeze(text: str) -> str:
    return " ".join(text.split())


def words_of(citation: Citation) -> str:
    """Everything that a citation says in words."""
    if isinstance(citation, PassageCitation):
        return " \n ".join((citation.title, *citation.headings, citation.quote))
    if isinstance(citation, MetricCitation):
        return " \n ".join((citation.title, citation.query, *citation.labels.values()))
    if isinstance(citation, AlertCitation):
        return " \n ".join((citation.name, *citation.labels.values()))
    return " \n ".join((citation.text, *citation.tags))


def _names_in(citation: Citation) -> tuple[str, ...]:
    if isinstance(citation, PassageCitation):
        names = [citation.title]
    elif isinstance(citation, MetricCitation):
        names = [citation.title, *citation.labels.values()]
    elif isinstance(citation, AlertCitation):
        names = [citation.name, *citation.labels.values()]
    else:
        names = list(citation.tags)
    return tuple(name for name in names if name)


def _moments_of(citation: Citation) -> list[datetime]:
    if isinstance(citation, PassageCitation):
        return [] if citation.written_at is None else [citation.written_at]
    if isinstance(citation, MetricCitation):
        return [sample.at for sample in citation.samples]
    if isinstance(citation, AlertCitation):
        moments = [citation.started, citation.ended]
    else:
        moments = [citation.at, citation.until]
    return [moment.astimezone(UTC) for moment in moments if moment is not None]
