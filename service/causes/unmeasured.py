"""Documents → at most five candidates, where no metrics could be seen.

A candidate is what an incident report or a runbook blames; only words speak for it, so that its
score stays low (``docs/security.md`` says what somebody who writes false reports can reach).
"""

from __future__ import annotations

from collections.abc import Sequence

from service.causes.knowledge import KnownCause, recurrence
from service.causes.ranking import (
    RankedCause,
    RankingPolicy,
    ScoreParts,
    by_rank,
    in_order,
    shown,
)
from service.retrieval.folding import says_the_same, words_but_names
from service.scope import QuestionScope


def rank_from_knowledge(
    known: Sequence[KnownCause], scope: QuestionScope, *, policy: RankingPolicy
) -> list[RankedCause]:
    """Causes when no metrics could be seen: what documents say, and nothing more.

    An incident that happened inside the asked window is about the question itself.
    """
    best: dict[str, list[tuple[float, KnownCause]]] = {}
    for cause in known:
        # A report that blames no known component stands for itself.
        component = cause.component or cause.title
        if not _concerns(cause, scope):
            continue
        same_time = cause.happened is not None and scope.window.contains(cause.happened)
        relevance = by_rank(cause, policy)
        if cause.incident:
            relevance *= 1.0 if cause.confirmed else policy.unconfirmed
            relevance *= recurrence(cause.happened, scope.as_of, policy.recurrence)
        else:
            relevance *= policy.runbook
        support = cause.trust * (0.5 * relevance + 0.5 * same_time)
        best.setdefault(component, []).append((support, cause))
    ranked = []
    for component, found in best.items():
        found.sort(key=lambda item: (-item[0], item[1].rank))
        parts = ScoreParts(knowledge=policy.knowledge * found[0][0])
        if parts.total < policy.least_known:
            continue
        ranked.append(
            RankedCause(
                component=component,
                region=None,
                score=round(parts.total, 4),
                parts=parts,
                known=tuple(cause for _, cause in found),
            )
        )
    return shown(_not_one_form(ranked, policy), policy)


def _not_one_form(ranked: Sequence[RankedCause], policy: RankingPolicy) -> list[RankedCause]:
    """Without those whose best report says what enough better ones say."""
    kept: list[RankedCause] = []
    stated: list[frozenset[str]] = []
    for cause in in_order(ranked):
        best = cause.known[0]
        if best.incident:
            words = words_but_names(best.sentence, (*best.services, best.component or ""))
            if sum(says_the_same(words, one) for one in stated) >= policy.most_alike:
                continue
            stated.append(words)
        kept.append(cause)
    return kept


def _concerns(cause: KnownCause, scope: QuestionScope) -> bool:
    asked = {*scope.services}
    return not asked or bool(asked & {*cause.services, *cause.mentions})
