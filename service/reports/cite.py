"""Evidence → citations: how each kind of evidence is cited, in one place."""

from __future__ import annotations

from collections.abc import Mapping

from ingest.documents import Chunk
from service.metrics.signals import Sample, Signal
from service.metrics.source import Alert, Change
from service.reports.model import (
    AlertCitation,
    ChangeCitation,
    MetricCitation,
    PassageCitation,
)
from service.reports.numbers import unit_of


def passage_citation(chunk: Chunk, start: int, end: int) -> PassageCitation:
    """The citation of ``chunk.text[start:end]``."""
    return PassageCitation(
        document_id=chunk.document_id,
        revision=chunk.revision,
        chunk_id=chunk.id,
        kind=chunk.kind,
        title=chunk.title,
        url=chunk.link,
        headings=chunk.headings,
        written_at=chunk.written_at,
        start=chunk.start + start,
        end=chunk.start + end,
        quote=chunk.text[start:end],
    )


def alert_citation(alert: Alert) -> AlertCitation:
    return AlertCitation(
        name=alert.name,
        labels=alert.labels,
        started=alert.started,
        ended=alert.ended,
        url=None,
    )


def change_citation(change: Change) -> ChangeCitation:
    return ChangeCitation(
        at=change.at, until=change.until, text=change.text, tags=change.tags, url=change.url
    )


def metric_citation(signal: Signal, *samples: Sample) -> MetricCitation:
    """The citation of these samples of a signal's series."""
    return MetricCitation(
        title=signal.title,
        query=signal.query,
        labels=signal.labels,
        unit=unit_in_words(signal),
        step=signal.step,
        samples=tuple(sorted(dict.fromkeys(samples), key=lambda s: s.at)),
        url=signal.url,
    )


def unit_in_words(signal: Signal) -> str | None:
    """The unit that the signal's values are written with."""
    return unit_of(signal.metric, signal.unit, rate=signal.query.startswith("rate("))


def quotation(
    documents: Mapping[str, tuple[Chunk, ...]], document_id: str, sentence: str
) -> PassageCitation | None:
    """The citation of a sentence that stands verbatim in one chunk of the document."""
    for chunk in documents.get(document_id, ()):
        position = chunk.text.find(sentence)
        if position >= 0:
            return passage_citation(chunk, position, position + len(sentence))
    return None
