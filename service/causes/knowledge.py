"""Passages → known causes: what the company already wrote about why such things happen."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, time, timedelta

from ingest.documents import Frozen, IncidentFacts, RunbookFacts, UtcTime
from service.retrieval import Passage
from service.scope import mentioned


class KnownCause(Frozen):
    """One cause that a document states. ``sentence`` is verbatim from it."""

    sentence: str
    document_id: str
    title: str
    url: str | None
    incident: bool
    confirmed: bool
    component: str | None
    """The component at fault: the one the report names, else the sentence's first service."""
    mentions: tuple[str, ...]
    """Known services that the sentence names, in its order."""
    services: tuple[str, ...]
    regions: tuple[str, ...]
    alerts: tuple[str, ...]
    happened: UtcTime | None
    """When it began; noon of its day where the report names no more than that."""
    rank: int
    """Of its document in the search, from 1."""
    trust: float = 1.0
    """What people's feedback left of its document's weight, 0..1."""

    @property
    def is_about_a_release(self) -> bool:
        """Whether the sentence blames a new version or another change."""
        return _RELEASE.search(self.sentence) is not None


class RecurrencePolicy(Frozen):
    """How much an earlier incident counts by its age.

    What comes back mostly does so soon, and what is recent is rarely far down the search: more
    than a nudge does harm (docs/benchmarks.md).
    """

    within: timedelta = timedelta(weeks=3)
    """An incident this recent counts in full …"""
    later: float = 0.8
    """… and an older one, or one of unknown age, this much."""


def recurrence(happened: datetime | None, now: datetime, policy: RecurrencePolicy) -> float:
    """The weight of an incident that happened then for what is asked about now, up to 1."""
    if happened is None or now - happened > policy.within:
        return policy.later
    return 1.0


_RELEASE = re.compile(
    r"\b(?:deploy\w*|release\w*|roll(?:ed)?[ -]?out|rollout|upgrade\w*|new version|config\w* "
    r"change\w*|feature flag\w*)\b|\b\d+\.\d+(?:\.\d+)?\b",
    re.IGNORECASE,
)


def speaks_of(cause: KnownCause, metrics: Sequence[str]) -> bool:
    """Whether the sentence shares a word with the names of these metrics.

    "connections" and ``redis_connected_clients`` do: words count as the same if their first five
    letters are.
    """
    stems = {word[:5] for metric in metrics for word in _words(metric)} - _COMMON
    return bool(stems & {word[:5] for word in _words(cause.sentence)})


_COMMON = {"total", "secon", "bytes", "count", "reque", "servi", "proce", "http", "redis"}


def _words(text: str) -> list[str]:
    return [word.lower() for word in re.findall(r"[A-Za-z]{4,}", text)]


def _in_order(sentence: str, services: Sequence[str]) -> tuple[str, ...]:
    lower = re.sub(r"[\s_]", "-", sentence.lower())
    found = mentioned(sentence, services)
    return tuple(sorted(found, key=lambda name: lower.find(name.lower()) % (len(lower) + 1)))


def _began(facts: IncidentFacts) -> datetime | None:
    if facts.started is None and facts.day is not None:
        return datetime.combine(facts.day, time(12), UTC)
    return facts.started


def known_causes(
    passages: Sequence[Passage],
    services: Sequence[str],
    trust: Mapping[str, float] | None = None,
) -> list[KnownCause]:
    """The causes stated by the documents of these passages, once each, by rank.

    ``trust``: weights of documents that are not 1.
    """
    trust = trust or {}
    found: dict[tuple[str, str], KnownCause] = {}
    for passage in sorted(passages, key=lambda p: p.rank):
        chunk, facts = passage.chunk, passage.chunk.facts
        if isinstance(facts, IncidentFacts):
            sentences: tuple[str, ...] = (facts.cause,) if facts.cause else ()
            alerts: tuple[str, ...] = ()
            component, confirmed, happened = facts.component, facts.confirmed, _began(facts)
        elif isinstance(facts, RunbookFacts):
            sentences, alerts = facts.causes, facts.alerts
            component, confirmed, happened = None, True, None
        else:
            continue
        for sentence in sentences:
            named = _in_order(sentence, services)
            found.setdefault(
                (chunk.document_id, sentence),
                KnownCause(
                    sentence=sentence,
                    document_id=chunk.document_id,
                    title=chunk.title,
                    url=chunk.url,
                    incident=isinstance(facts, IncidentFacts),
                    confirmed=confirmed,
                    component=component or next(iter(named), None),
                    mentions=named,
                    services=chunk.services,
                    regions=chunk.regions,
                    alerts=alerts,
                    happened=happened,
                    rank=passage.rank,
                    trust=trust.get(chunk.document_id, 1.0),
                ),
            )
    return list(found.values())
