"""What would be created: pure functions of a report, pre-filled and cited.

The limits are those that the services document, less what they count differently, or our own
where they document none:

- Jira: 255 characters of summary ("Summary must be less than 255 characters"), 32,767 of a text
  field (``jira.text.field.character.limit``)
- PagerDuty: 1,024 of a title (documented for the same field of the Events API); for an incident's
  details and a note the OpenAPI document has none, and nobody reads more than ours at night
"""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import Field

from ingest.documents import Frozen
from service.actions.kinds import ActionKind, Urgency
from service.actions.outline import clip, outline_of
from service.actions.rendering import jira_wiki, plain_text
from service.reports.model import Outcome, Report

SUMMARY_LIMIT = 254
DESCRIPTION_LIMIT = 30_000
TITLE_LIMIT = 1024
DETAILS_LIMIT = 10_000
NOTE_LIMIT = 6_000


class JiraIssue(Frozen):
    """An issue; ``description`` is in Jira's wiki notation."""

    kind: Literal[ActionKind.JIRA_ISSUE] = ActionKind.JIRA_ISSUE
    project: str
    issue_type: str
    summary: str
    description: str


class PagerDutyIncident(Frozen):
    """An incident on a service (by its id)."""

    kind: Literal[ActionKind.PAGERDUTY_INCIDENT] = ActionKind.PAGERDUTY_INCIDENT
    service: str
    title: str
    details: str
    urgency: Urgency


class PagerDutyNote(Frozen):
    """A note on an incident (by its id)."""

    kind: Literal[ActionKind.PAGERDUTY_NOTE] = ActionKind.PAGERDUTY_NOTE
    incident: str
    content: str


Payload = Annotated[JiraIssue | PagerDutyIncident | PagerDutyNote, Field(discriminator="kind")]

_INCIDENT_ID = re.compile(r"[A-Z0-9]{1,40}")


def jira_issue(report: Report, report_url: str | None, project: str, issue_type: str) -> JiraIssue:
    """The issue that a report becomes."""
    outline = outline_of(report, report_url)
    return JiraIssue(
        project=project,
        issue_type=issue_type,
        summary=clip(outline.title, SUMMARY_LIMIT),
        description=jira_wiki(outline, DESCRIPTION_LIMIT),
    )


def pagerduty_incident(
    report: Report, report_url: str | None, service: str, urgency: Urgency | None = None
) -> PagerDutyIncident:
    """The incident that a report becomes. Low urgency by default where no incident is visible."""
    outline = outline_of(report, report_url)
    quiet = report.outcome is Outcome.NO_INCIDENT_VISIBLE
    return PagerDutyIncident(
        service=service,
        title=clip(outline.title, TITLE_LIMIT),
        details=plain_text(outline, DETAILS_LIMIT),
        urgency=urgency or (Urgency.LOW if quiet else Urgency.HIGH),
    )


def pagerduty_note(report: Report, report_url: str | None, incident: str) -> PagerDutyNote:
    """The note that a report becomes, on a PagerDuty incident.

    Raises: ValueError for what is no incident's id.
    """
    if not _INCIDENT_ID.fullmatch(incident):
        raise ValueError(
            f"{incident[:60]!r} is no id of a PagerDuty incident, such as Q02JTSNZWHSEKV"
        )
    outline = outline_of(report, report_url)
    title = clip(outline.title, TITLE_LIMIT)
    content = plain_text(outline, NOTE_LIMIT - TITLE_LIMIT)
    return PagerDutyNote(incident=incident, content=f"{title}\n{content}")
