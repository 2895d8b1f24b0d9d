"""What changed since yesterday's briefing: a function of the two briefings, and of nothing else.

Incidents are the same from one day to the next where they share a region and an alert or a
service; risks where they are about the same. What was open and is not seen any more counts as over
only if this night could be seen.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterator

from ingest.documents import Frozen
from service.briefing.model import (
    Briefing,
    BriefingOutcome,
    ChangeKind,
    Incident,
    Risk,
    RiskKind,
    State,
)
from service.reports.draft import DraftClaim
from service.reports.model import Citation, Claim

_OPEN = (State.ONGOING, State.RETURNING, State.UNKNOWN)


class DraftChanged(Frozen):
    """A difference, not yet checked."""

    kind: ChangeKind
    claim: DraftClaim


class DraftComparison(Frozen):
    """All differences; ``note`` says why there are none to tell."""

    date: datetime.date | None
    changes: tuple[DraftChanged, ...] = ()
    note: str | None = None


def compare(before: Briefing | None, today: Briefing) -> DraftComparison:
    """How today's briefing differs from an earlier one."""
    if before is None:
        return DraftComparison(date=None, note="There is no earlier briefing to compare with.")
    if before.outcome is BriefingOutcome.BLIND:
        unseen = "The night before could not be seen: what is new since is not known."
        return DraftComparison(date=before.date, note=unseen)
    changes = [*_incidents(before, today), *_risks(before, today)]
    note: str | None = None
    if before.outcome is BriefingOutcome.PARTLY_BLIND:
        note = "Not all of the night before could be seen: what is called new may not be."
    elif today.outcome is BriefingOutcome.BLIND:
        note = "Whether what was open then is over can't be told without this night's metrics."
    elif not changes:
        note = "Nothing is new, and nothing that was open has changed."
    return DraftComparison(date=before.date, changes=tuple(changes), note=note)


def same_trouble(one: Incident, other: Incident) -> bool:
    """Whether two incidents of different nights are the same kind of trouble in one place."""
    here = not (one.regions and other.regions) or bool(set(one.regions) & set(other.regions))
    return here and bool(
        set(one.alerts) & set(other.alerts) or set(one.services) & set(other.services)
    )


def _incidents(before: Briefing, today: Briefing) -> Iterator[DraftChanged]:
    for incident in today.incidents:
        earlier = next((o for o in before.incidents if same_trouble(incident, o)), None)
        cited = _cited(today, incident.what)
        if earlier is None:
            yield _changed(ChangeKind.NEW, incident.what.text, cited)
            continue
        both = (*cited, *_cited(before, earlier.what))
        is_open = earlier.state in _OPEN and incident.state in _OPEN
        kind = ChangeKind.STILL_OPEN if is_open else ChangeKind.AGAIN
        yield _changed(kind, incident.what.text, both)
    if today.outcome is BriefingOutcome.BLIND:
        return
    for earlier in before.incidents:
        if earlier.state in _OPEN and not any(same_trouble(earlier, i) for i in today.incidents):
            text = f"{earlier.title}: was open, and was not seen this night."
            yield _changed(ChangeKind.OVER, text, _cited(before, earlier.what))


def _risks(before: Briefing, today: Briefing) -> Iterator[DraftChanged]:
    """What the metrics show besides the incidents, which bring their own follow-ups."""
    now, then = _by_subject(today), _by_subject(before)
    for subject, risk in now.items():
        if subject not in then:
            yield _changed(ChangeKind.NEW_RISK, risk.claim.text, _cited(today, risk.claim))
    if today.outcome is BriefingOutcome.BLIND:
        return
    for subject, risk in then.items():
        if subject not in now:
            yield _changed(ChangeKind.RISK_GONE, risk.claim.text, _cited(before, risk.claim))


def _by_subject(briefing: Briefing) -> dict[tuple[RiskKind, str], Risk]:
    return {
        (risk.kind, risk.about): risk
        for risk in briefing.risks
        if risk.kind in (RiskKind.FLEET, RiskKind.STILL_UNUSUAL)
    }


def _changed(kind: ChangeKind, text: str, citations: tuple[Citation, ...]) -> DraftChanged:
    return DraftChanged(kind=kind, claim=DraftClaim(text=text, citations=citations))


def _cited(briefing: Briefing, claim: Claim) -> tuple[Citation, ...]:
    return tuple(c for c in briefing.citations if c.number in claim.citations)
