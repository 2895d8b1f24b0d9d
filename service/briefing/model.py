"""The Briefing: what every format shows and what ``--format json`` prints.

Every sentence is a ``Claim`` with citations into one list of sources, as in a report; what is not
a sentence (names, counts, states, links) is a field of its own. Clock times in sentences are in
``zone``, moments in fields are UTC.
"""

from __future__ import annotations

from datetime import date
from enum import StrEnum
from typing import Literal

from ingest.documents import Frozen, UtcTime
from service.metrics.source import Window
from service.reports.model import Chart, Citation, Claim, PhaseTiming, RunbookLink


class BriefingOutcome(StrEnum):
    """How the night looks. Quiet, unseen and bad are three different things."""

    INCIDENTS = "incidents"
    QUIET = "quiet"
    """Everything was seen, and nothing happened."""
    PARTLY_BLIND = "partly_blind"
    """Nothing is known to have happened, but not everything could be seen."""
    BLIND = "blind"
    """The metrics could not be seen; incidents are only those that people wrote about."""


class State(StrEnum):
    """How an incident stands at the end of the night."""

    ONGOING = "ongoing"
    RETURNING = "coming back"
    UNKNOWN = "unknown"
    """Nothing says whether it is over."""
    RECOVERED = "recovered"


class SeenBy(StrEnum):
    """What knows of an incident."""

    ALERTS = "alerts"
    METRICS = "metrics"
    SLACK = "Slack"
    RECORD = "incident record"


class Link(Frozen):
    """Something to open."""

    title: str
    url: str


class Suspect(Frozen):
    """A likely cause; ``confidence`` (0..1) is None where no metrics speak for it."""

    component: str
    region: str | None
    confidence: float | None
    evidence: tuple[Claim, ...]
    against: tuple[Claim, ...] = ()
    next_check: Claim | None = None
    runbook: RunbookLink | None = None


class Measured(Frozen):
    """A time to detect or to resolve, in minutes from the onset, and the sentence that shows it."""

    minutes: int
    claim: Claim


class Recurrence(Frozen):
    """How often something like it happened in the last ``days``, this time included."""

    times: int
    days: int
    claim: Claim
    records: tuple[Link, ...]


class Incident(Frozen):
    """What belongs together: one incident, however many alerts it raised."""

    title: str
    """Names only, e.g. "auth, checkout and two more in eu-west"."""
    what: Claim
    """What happened, in one sentence and plain words."""
    state: State
    state_claims: tuple[Claim, ...]
    severity: str | None
    started: UtcTime
    ended: UtcTime | None
    seen_by: tuple[SeenBy, ...]
    alerts: tuple[str, ...]
    """Names of the alerts that fired, each once."""
    alerts_fired: int
    services: tuple[str, ...]
    regions: tuple[str, ...]
    customers: tuple[str, ...]
    impact: tuple[Claim, ...]
    cause: Suspect | None
    alternatives: tuple[Suspect, ...]
    done: tuple[Claim, ...]
    """What was done, and by whom."""
    timeline: tuple[Claim, ...]
    to_detect: Measured | None
    to_resolve: Measured | None
    recurrence: Recurrence | None
    links: tuple[Link, ...]
    charts: tuple[Chart, ...]


class RiskKind(StrEnum):
    """Why something deserves an eye today."""

    STILL_OPEN = "still open"
    STILL_UNUSUAL = "still unusual"
    FLEET = "machines"
    FOLLOW_UP = "open follow-up"


class Risk(Frozen):
    """Something to watch today. ``about`` names it from one day to the next."""

    kind: RiskKind
    about: str
    claim: Claim


class ChangeKind(StrEnum):
    """How today differs from yesterday's briefing."""

    NEW = "new"
    AGAIN = "again"
    STILL_OPEN = "still open"
    OVER = "over"
    NEW_RISK = "new risk"
    RISK_GONE = "risk gone"


class Changed(Frozen):
    """One difference from yesterday's briefing."""

    kind: ChangeKind
    claim: Claim


class Comparison(Frozen):
    """What changed since an earlier briefing. ``note`` says in words why there is nothing to
    compare with, where that is so."""

    date: date | None
    changes: tuple[Changed, ...] = ()
    note: str | None = None


class Briefing(Frozen):
    """One night for one audience."""

    schema_version: Literal[1] = 1
    date: date
    """The morning's date: the night began the evening before."""
    zone: str
    window: Window
    asked_at: UtcTime
    audience: tuple[str, ...]
    outcome: BriefingOutcome
    headline: Claim
    """What the whole briefing says in one sentence; where nothing is known, it cites nothing."""
    lead: tuple[Claim, ...]
    """The few sentences to read where there is no time for more."""
    incidents: tuple[Incident, ...]
    """The gravest first."""
    also_seen: tuple[Claim, ...]
    risks: tuple[Risk, ...]
    compared: Comparison
    not_seen: tuple[str, ...]
    """What could not be seen, in words."""
    citations: tuple[Citation, ...]
    dropped_claims: int
    """Sentences that were removed because a citation did not check out."""
    timings: tuple[PhaseTiming, ...]

    @property
    def recurring(self) -> tuple[Incident, ...]:
        """Incidents that happened before, not long ago."""
        return tuple(incident for incident in self.incidents if incident.recurrence is not None)
