"""What happens while a question is answered, for whoever watches: a page, a stream, a log.

Before the answer stands only what was looked at is told (scope, passages, signals, candidates).
Sentences follow when they are verified, each behind the citations that it is the first to use:
nothing that could still be dropped is ever shown.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated, Literal

from pydantic import Field

from ingest.documents import Frozen, SourceKind, UtcTime
from service.causes.ranking import RankedCause
from service.metrics.labels import component_of, region_of
from service.metrics.observe import Observation
from service.metrics.source import Alert, Change
from service.reports.model import Citation
from service.reports.phrases import name_of
from service.retrieval import Passage
from service.scope import QuestionScope

_TOLD = 20
"""Signals, alerts and changes that whoever watches is told while the report is made."""


class ScopeRead(Frozen):
    """What the question is about, as it was understood."""

    event: Literal["scope"] = "scope"
    scope: QuestionScope


class FoundPassage(Frozen):
    """A document that was found, by its best passage."""

    document_id: str
    kind: SourceKind
    title: str
    url: str | None
    score: float


class PassagesFound(Frozen):
    """What the documents have, best first."""

    event: Literal["passages"] = "passages"
    passages: tuple[FoundPassage, ...]


class SeenSignal(Frozen):
    """A series that left its baseline; ``strength`` in scales of its past, signed."""

    title: str
    component: str | None
    region: str | None
    started: UtcTime
    strength: float
    url: str | None


class SignalsSeen(Frozen):
    """What the metrics show. ``reached`` is False where they could not be asked."""

    event: Literal["signals"] = "signals"
    reached: bool
    signals: tuple[SeenSignal, ...]
    alerts: tuple[Alert, ...]
    changes: tuple[Change, ...]


class Candidate(Frozen):
    """A cause that is ranked and not yet worded."""

    component: str
    region: str | None
    score: float
    confidence: float | None


class CausesRanked(Frozen):
    """The candidates, most likely first."""

    event: Literal["causes"] = "causes"
    causes: tuple[Candidate, ...]


class CitationTold(Frozen):
    """A verified citation, before the first sentence that uses it."""

    event: Literal["citation"] = "citation"
    citation: Citation


class SentenceTold(Frozen):
    """A verified sentence. ``section``: ``summary``, ``cause 1``, ``impact``, ``timeline``, …"""

    event: Literal["text"] = "text"
    section: str
    text: str
    citations: tuple[int, ...]


Event = Annotated[
    ScopeRead | PassagesFound | SignalsSeen | CausesRanked | CitationTold | SentenceTold,
    Field(discriminator="event"),
]
OnEvent = Callable[[Event], None]
"""Called from the event loop, and must not block."""


def passages_found(passages: Sequence[Passage]) -> PassagesFound:
    """As an event."""
    return PassagesFound(
        passages=tuple(
            FoundPassage(
                document_id=passage.chunk.document_id,
                kind=passage.chunk.kind,
                title=passage.chunk.title,
                url=passage.chunk.link,
                score=passage.score,
            )
            for passage in passages
        )
    )


def signals_seen(observation: Observation) -> SignalsSeen:
    """As an event: the strongest first, and of everything so much as anybody reads."""
    strongest = sorted(observation.signals, key=lambda signal: -abs(signal.strength))
    return SignalsSeen(
        reached=observation.reached,
        signals=tuple(
            SeenSignal(
                title=name_of(signal),
                component=component_of(signal.labels),
                region=region_of(signal.labels),
                started=signal.onset,
                strength=signal.strength,
                url=signal.url,
            )
            for signal in strongest[:_TOLD]
        ),
        alerts=observation.alerts[:_TOLD],
        changes=observation.changes[:_TOLD],
    )


def causes_ranked(ranked: Sequence[RankedCause]) -> CausesRanked:
    """As an event."""
    return CausesRanked(
        causes=tuple(
            Candidate(
                component=cause.component,
                region=cause.region,
                score=cause.score,
                confidence=cause.confidence,
            )
            for cause in ranked
        )
    )
