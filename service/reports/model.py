"""The Report: what every surface shows and what ``--json`` prints.

Its JSON Schema is published as ``docs/report.schema.json``.
"""

from __future__ import annotations

from datetime import timedelta
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field

from ingest.documents import Frozen, SourceKind, UtcTime
from service.causes.ranking import ScoreParts
from service.intent import Intent
from service.metrics.kinds import MetricKind
from service.metrics.signals import Sample
from service.scope import QuestionScope

SCHEMA_VERSION = 1


class PassageCitation(Frozen):
    """A quotation: characters ``[start, end)`` of a document's redacted text."""

    type: Literal["passage"] = "passage"
    number: int = 0
    verified: bool = False
    document_id: str
    revision: str
    chunk_id: str
    kind: SourceKind
    title: str
    url: str | None
    headings: tuple[str, ...]
    written_at: UtcTime | None
    start: int
    end: int
    quote: str


class MetricCitation(Frozen):
    """Samples of a query. ``query`` and ``labels`` name one series."""

    type: Literal["metric"] = "metric"
    number: int = 0
    verified: bool = False
    title: str
    query: str
    labels: dict[str, str]
    unit: str | None
    step: timedelta
    samples: tuple[Sample, ...]
    """In time order; the sentence's numbers are among them."""
    url: str | None


class AlertCitation(Frozen):
    """An alert that fired, as the metrics source reports it."""

    type: Literal["alert"] = "alert"
    number: int = 0
    verified: bool = False
    name: str
    labels: dict[str, str]
    started: UtcTime
    ended: UtcTime | None
    url: str | None


class ChangeCitation(Frozen):
    """A deployment or annotation, as the metrics source reports it."""

    type: Literal["change"] = "change"
    number: int = 0
    verified: bool = False
    at: UtcTime
    until: UtcTime | None
    text: str
    tags: tuple[str, ...]
    url: str | None


Citation = Annotated[
    PassageCitation | MetricCitation | AlertCitation | ChangeCitation,
    Field(discriminator="type"),
]


class Claim(Frozen):
    """One sentence and the numbers of the citations that carry it."""

    text: str
    citations: tuple[int, ...]


class RunbookLink(Frozen):
    """The page to open next.

    ``document_id``: the page's, or that of the alert rule that links it, where the page is not
    among the documents.
    """

    title: str
    url: str | None
    document_id: str


class Cause(Frozen):
    """A likely cause: its claims for and against, what to check next, and its runbook."""

    rank: int
    component: str
    region: str | None
    score: float
    """0..1: the share of the evidence that there was to see."""
    parts: ScoreParts
    confidence: float | None = None
    """How likely it is the right one, 0..1; None where no metrics were seen."""
    kinds: tuple[MetricKind, ...] = ()
    """What kinds of its metrics left their past, the most telling first."""
    accounted: float | None = None
    """Which share of the symptom it adds itself, 0..1; None where no call graph tells."""
    evidence: tuple[Claim, ...]
    against: tuple[Claim, ...] = ()
    next_check: Claim | None = None
    runbook: RunbookLink | None = None


class Impact(Frozen):
    """Who felt it: names from labels and documents, and the sentences that show them."""

    services: tuple[str, ...] = ()
    regions: tuple[str, ...] = ()
    customers: tuple[str, ...] = ()
    claims: tuple[Claim, ...] = ()


class Chart(Frozen):
    """A cited series over the asked window, thinned out to be drawn."""

    citation: int
    title: str
    unit: str | None
    points: tuple[Sample, ...]


class Outcome(StrEnum):
    """Four different answers; none of them is an error."""

    CAUSES = "causes"
    NO_INCIDENT_VISIBLE = "no_incident_visible"
    """The metrics were seen, and nothing in the scope went wrong."""
    NO_CAUSE_SUPPORTED = "no_cause_supported"
    """Something went wrong (or the metrics were not seen) and nothing supports a cause."""


class ModelCall(Frozen):
    """One call of a language model. ``cost`` is in the currency of the configured prices;
    ``estimated`` where the server does not count its tokens."""

    model: str
    purpose: str
    prompt_tokens: int
    completion_tokens: int
    seconds: float
    cost: float | None
    estimated: bool


class PhaseTiming(Frozen):
    """How long a phase took, in milliseconds of wall time."""

    phase: str
    milliseconds: float


class Report(Frozen):
    """The answer to one question."""

    schema_version: Literal[1] = 1
    question: str
    intent: Intent = Intent.WHY
    """What the question wants: its part comes first."""
    asked_at: UtcTime
    scope: QuestionScope
    outcome: Outcome
    summary: tuple[Claim, ...]
    causes: tuple[Cause, ...]
    impact: Impact
    timeline: tuple[Claim, ...]
    charts: tuple[Chart, ...]
    """The strongest signals."""
    also_seen: tuple[Claim, ...]
    """Other things of the same window that seem unrelated."""
    not_seen: tuple[str, ...]
    """What could not be seen, in words."""
    related: tuple[PassageCitation, ...]
    """Passages that answer the question without being evidence for a cause, best first."""
    citations: tuple[Citation, ...]
    dropped_claims: int
    """Sentences that were removed because a citation did not check out."""
    writer: str
    """``extractive``, or the language model that worded it."""
    calls: tuple[ModelCall, ...] = ()
    """Of language models, in order."""
    timings: tuple[PhaseTiming, ...]
