"""What people said of earlier causes → how much the documents that spoke for them count.

A vote is a weight on a document, never a word of what anybody read: it matters only to who is
shown that document anyway.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping

from ingest.documents import Frozen
from service.learning.records import record_id
from service.reports.model import Cause, PassageCitation, Report
from service.store import Database, FeedbackEntry, Verdict

_GOOD = frozenset({Verdict.UP, Verdict.CONFIRM})


class Vote(Frozen):
    """One person's word on a cause. ``documents``: ids of those that spoke for it."""

    by: str
    good: bool
    documents: tuple[str, ...]


class TrustPolicy(Frozen):
    """The prior of a document's share of good votes: Beta(``good``, ``bad``).

    Chosen, since nothing is there yet to measure it on: a written cause was put there by somebody
    who had looked, so it starts at four good votes to one bad. One 👎 then costs a sixth of a
    document's weight, and it takes five people who agree to halve it.
    """

    good: float = 4.0
    bad: float = 1.0


def trust(votes: Iterable[Vote], policy: TrustPolicy | None = None) -> dict[str, float]:
    """The weight, 0..1, of each document that somebody voted on; any other has 1.

    The expected share of good votes under a Beta prior, over the prior's own (the posterior mean
    of the beta-binomial model, as in the Beta reputation system of Jøsang and Ismail, Bled 2002),
    and at most 1: good votes make up for bad ones and lift nothing above what was written well.
    A person has one vote on a document however often they cast it, shared out among what they
    said of it.
    """
    policy = policy or TrustPolicy()
    cast: dict[str, dict[str, list[bool]]] = defaultdict(lambda: defaultdict(list))
    for vote in votes:
        for document in dict.fromkeys(vote.documents):
            cast[document][vote.by].append(vote.good)
    prior = policy.good / (policy.good + policy.bad)
    weights = {}
    for document, people in cast.items():
        good = sum(sum(words) / len(words) for words in people.values())
        share = (policy.good + good) / (policy.good + policy.bad + len(people))
        weights[document] = min(1.0, share / prior)
    return weights


def spoke_for(report_id: str, report: Report, component: str | None) -> tuple[str, ...]:
    """Ids of the documents that a vote on this cause is about; none where they are not known.

    Those quoted as its evidence, and the record made of it when it was confirmed. A word on the
    whole report is about its first cause.
    """
    cause = _voted_on(report, component)
    if cause is None:
        return ()
    numbers = {number for claim in cause.evidence for number in claim.citations}
    cited = [
        one.document_id
        for one in report.citations
        if isinstance(one, PassageCitation) and one.number in numbers
    ]
    return tuple(dict.fromkeys([*cited, record_id(report_id, cause.component)]))


class FeedbackWeights:
    """The weights by what was said so far, by anybody and in any process."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._entries: tuple[FeedbackEntry, ...] = ()
        self._weights: Mapping[str, float] = {}
        self._spoke: dict[tuple[str, str | None], tuple[str, ...]] = {}

    async def now(self) -> Mapping[str, float]:
        """Document id → weight, made anew where something was said since. Raises: StoreError."""
        entries = await self._database.feedback.all()
        if entries != self._entries:
            votes = [
                Vote(
                    by=entry.by,
                    good=entry.verdict in _GOOD,
                    documents=await self._documents(entry.report_id, entry.component),
                )
                for entry in entries
            ]
            self._weights, self._entries = trust(votes), entries
        return self._weights

    async def _documents(self, report_id: str, component: str | None) -> tuple[str, ...]:
        """What the vote is about; looked up once, since reports never change."""
        key = (report_id, component)
        if key not in self._spoke:
            stored = await self._database.reports.get(report_id)
            report = stored.answer if stored is not None else None
            found = spoke_for(report_id, report, component) if isinstance(report, Report) else ()
            self._spoke[key] = found
        return self._spoke[key]


def _voted_on(report: Report, component: str | None) -> Cause | None:
    if component is None:
        return next(iter(report.causes), None)
    return next((cause for cause in report.causes if cause.component == component), None)
