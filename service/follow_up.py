"""A question that goes on from a report: "and in us-east?", "since when?", "who was affected?".

What it does not say is as before: the window, the services, the regions. What it names takes the
place of what was asked.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from ingest.documents import Frozen
from service.reports.model import Report
from service.scope import Vocabulary, has_time, mentioned

_COMPARE = re.compile(
    r"\b(?:compared?|comparison|same|like)\b.*\b(?:with|to|as|on|last)\b", re.IGNORECASE
)
_LEAD = re.compile(r"^\s*(?:and|but|what about|how about)\b[\s,]*", re.IGNORECASE)


class FollowUp(Frozen):
    """The whole question. ``since`` and ``until`` (ISO 8601) are None where it names a time
    itself; ``compare``: the earlier report is to be set beside the answer."""

    question: str
    since: str | None
    until: str | None
    compare: bool = False


def follow_up(text: str, report: Report, vocabulary: Vocabulary) -> FollowUp:
    """What ``text`` asks, said so that it can be understood without the report before it."""
    known = Vocabulary(
        services=tuple({*vocabulary.services, *report.scope.services, *report.impact.services}),
        regions=tuple({*vocabulary.regions, *report.scope.regions, *report.impact.regions}),
        customers=vocabulary.customers,
    )
    words = [_LEAD.sub("", text).strip().rstrip("?").strip()]
    for names, before in (
        (known.services, report.scope.services),
        (known.regions, report.scope.regions),
        (known.customers, report.scope.customers),
    ):
        if before and not mentioned(text, names):
            words.append(_about(before))
    subject = ", ".join(words)
    question = f"{subject}?" if _asks(words[0]) else f"{_verb_of(report.question)} {subject}?"
    if has_time(text):
        return FollowUp(
            question=question,
            since=None,
            until=None,
            compare=_COMPARE.search(text) is not None,
        )
    window = report.scope.window
    return FollowUp(question=question, since=window.start.isoformat(), until=window.end.isoformat())


def _about(names: Sequence[str]) -> str:
    return " and ".join(names)


def _asks(text: str) -> bool:
    return (
        re.match(r"\s*(?:why|what|which|who|when|since|how|show|is|are|did)\b", text, re.I)
        is not None
    )


def _verb_of(question: str) -> str:
    """What the question before began with: "Why", "What happened", "Who was affected"."""
    found = re.match(
        r"\s*(what happened|who was affected|which customers|why|what|who)\b", question, re.I
    )
    return found[1] if found else "Why"
