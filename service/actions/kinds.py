"""What can be proposed, in the words of the command line. Nothing heavy is imported here."""

from __future__ import annotations

from enum import StrEnum


class ActionKind(StrEnum):
    """What can be proposed."""

    JIRA_ISSUE = "jira"
    PAGERDUTY_INCIDENT = "pagerduty"
    PAGERDUTY_NOTE = "pagerduty-note"


class Urgency(StrEnum):
    """Whether a PagerDuty incident wakes somebody up, by the service's rules."""

    HIGH = "high"
    LOW = "low"
