"""A question that goes on from a report: "and in us-east?", "since when?", "who was affected?".

What it does not say is as before: what was wanted, the window, the services, the regions. What it
names takes the place of what was asked; "the night before" is the same hours, a day earlier.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import timedelta

from ingest.documents import Frozen
from service.intent import Intent
from service.reports.model import Report
from service.scope import Vocabulary, mentioned
from service.time_phrases import has_time

_COMPARE = re.compile(
    r"\b(?:(?:compared?|comparison)(?:\s+(?:it|that|this))?\s+(?:with|to)|(?:the\s+)?same\s+(?:as|on)|"
    r"like(?=\s+(?:last|on|the|a|yesterday)\b))\b|\bthe\s+same(?=\s+last\b)",
    re.IGNORECASE,
)
_LEAD = re.compile(r"^\s*(?:and|but|what about|how about)\b[\s,]*", re.IGNORECASE)
_EARLIER = re.compile(
    r"\b(?:(?:the|a)\s+)?(?:(?P<one>night|day|week)\s+(?:before|earlier|ago)|"
    r"(?:previous|preceding)\s+(?P<two>night|day|week))\b",
    re.IGNORECASE,
)
_SPANS = {"night": timedelta(days=1), "day": timedelta(days=1), "week": timedelta(weeks=1)}
_EVERYWHERE = re.compile(
    r"\b(?:every\s?where|anywhere|(?:in\s+)?(?:all|any|every|the other)\s+regions?)\b",
    re.IGNORECASE,
)
_VERBS = {
    Intent.WHY: "Why",
    Intent.WHAT_HAPPENED: "What happened",
    Intent.IMPACT: "Who was affected",
}


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
    compare = _COMPARE.search(text) is not None
    said = _LEAD.sub("", text)
    earlier = _EARLIER.search(said)
    if compare:
        said = _COMPARE.sub("", _EARLIER.sub("", said))
    words = [said.strip().rstrip("?").strip()]
    everywhere = _EVERYWHERE.search(text) is not None
    for names, before in (
        (known.services, report.scope.services),
        (known.regions, () if everywhere else report.scope.regions),
        (known.customers, report.scope.customers),
    ):
        if before and not mentioned(text, names):
            words.append(_about(before))
    subject = ", ".join(filter(None, words))
    verb = _VERBS.get(report.intent, "Why")
    question = f"{subject}?" if _asks(words[0]) else f"{verb} {subject}?"
    window = report.scope.window
    if earlier is not None:
        ago = _SPANS[(earlier["one"] or earlier["two"]).lower()]
        since, until = window.start - ago, window.end - ago
        return FollowUp(
            question=question, since=since.isoformat(), until=until.isoformat(), compare=compare
        )
    if has_time(text):
        return FollowUp(question=question, since=None, until=None, compare=compare)
    return FollowUp(question=question, since=window.start.isoformat(), until=window.end.isoformat())


def _about(names: Sequence[str]) -> str:
    return " and ".join(names)


def _asks(text: str) -> bool:
    return (
        re.match(r"\s*(?:why|what|which|who|when|since|how|show|is|are|did)\b", text, re.I)
        is not None
    )
