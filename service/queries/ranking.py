"""Which candidate fits a question best: pure, and the same whenever it is asked again.

A weighted sum of a handful of figures, each 0..1. The weights are fitted by maximum likelihood of
the right candidate among all of a question (a conditional logit, McFadden 1974) on half of the
dashboards of a public set, and rounded: ``bench/tune_promql.py``, which also says what they reach
on the other half.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

from ingest.documents import Frozen
from service.queries.candidates import Candidate, Origin
from service.queries.expressions import Grouping, grouping_in
from service.queries.words import Wish, words

_SHARPNESS = 6.0
"""Of votes: a document whose title fits twice as well counts for much more than two."""


class RankingWeights(Frozen):
    """What each figure of a candidate adds to its score."""

    title: float = 2.0
    """Words shared by question and title, over the words of both (Dice)."""
    place: float = 2.0
    """The same with the title of the dashboard before it."""
    cover: float = 2.0
    """Share of the question that anything around the query says."""
    own: float = 2.0
    """Share of the question that the query itself says: its metrics and its legend."""
    similarity: float = 1.5
    """Of the document, as the search found it."""
    agree_metrics: float = 1.2
    """Share of the votes of other documents that read the same metrics."""
    agree_grouping: float = 1.0
    """Share of the votes of other documents, those of a dashboard that the question names first,
    that group alike."""
    named: float = 0.75
    """Share of the labels it groups by that the question says."""
    later: float = -1.2
    """log2 of the place in the panel: what a panel is called after comes first."""
    metric: float = 0.5
    """Nobody drew it: a plain query of a metric."""
    sibling: float = 1.5
    """Somebody drew it with another metric."""
    regrouped: float = -1.75
    """Somebody drew it, grouped by something else."""
    rule: float = -0.5
    """It is watched by a rule, and not drawn."""


FIGURES = tuple(RankingWeights.model_fields)


def rarity_of(names: Iterable[frozenset[str]]) -> dict[str, float]:
    """How telling a word is: the inverse document frequency over the names of all metrics."""
    counts: dict[str, int] = {}
    total = 0
    for own in names:
        total += 1
        for word in own:
            counts[word] = counts.get(word, 0) + 1
    return {word: math.log1p(total / count) for word, count in counts.items()}


def figures_of(
    candidates: Sequence[Candidate], wish: Wish, rarity: Mapping[str, float]
) -> list[dict[str, float]]:
    """The figures of every candidate, by the names of ``RankingWeights``."""
    unknown = max(rarity.values(), default=1.0)

    def weight(some: Iterable[str]) -> float:
        return sum(rarity.get(word, unknown) for word in some)

    subject = weight(wish.subject) or 1.0
    rows: list[dict[str, float]] = []
    for one in candidates:
        title = weight(one.title_words)
        shared = weight(one.title_words & wish.subject)
        placed = one.place_words | one.title_words
        rows.append(
            {
                "title": 2 * shared / (title + subject),
                "place": 2 * weight(placed & wish.subject) / (weight(placed) + subject),
                "cover": weight(wish.subject & (one.about | one.own | one.title_words)) / subject,
                "own": weight(wish.subject & one.own) / subject,
                "similarity": one.similarity,
                "later": math.log2(1 + one.position),
                "metric": float(one.origin is Origin.METRIC),
                "sibling": float(one.sibling),
                "regrouped": float(one.regrouped),
                "named": _named(one, wish),
                "rule": float(one.origin is Origin.RULE),
            }
        )
    _vote(candidates, rows)
    return rows


def _named(one: Candidate, wish: Wish) -> float:
    grouping = grouping_in(one.query)
    if grouping is None or grouping.without or not grouping.labels:
        return 0.0
    said = [bool(words(label) & wish.subject) for label in grouping.labels]
    return sum(said) / len(said)


def _vote(candidates: Sequence[Candidate], rows: Sequence[dict[str, float]]) -> None:
    """Documents that the search found vote with how well their titles fit, for each other."""
    groupings = [grouping_in(one.query) for one in candidates]
    metrics = [frozenset(one.metrics) for one in candidates]
    voters = [
        index
        for index, one in enumerate(candidates)
        if one.document_id is not None and not one.sibling and not one.regrouped
    ]
    for name, keys, by in (
        ("agree_metrics", metrics, "title"),
        ("agree_grouping", groupings, "place"),
    ):
        tables: dict[object, dict[str | None, float]] = {}
        everybody: dict[str | None, float] = {}
        for index in voters:
            vote = math.exp(_SHARPNESS * rows[index][by])
            place = candidates[index].document_id
            everybody[place] = max(vote, everybody.get(place, 0.0))
            mine = tables.setdefault(keys[index], {})
            mine[place] = max(vote, mine.get(place, 0.0))
        total = sum(everybody.values())
        for one, key, row in zip(candidates, keys, rows, strict=True):
            # Nobody votes for their own.
            place = None if one.sibling or one.regrouped else one.document_id
            others = total - everybody.get(place, 0.0)
            mine = tables.get(key, {})
            same = sum(mine.values()) - mine.get(place, 0.0)
            row[name] = same / others if others > 0 else 0.0


def voted_groupings(candidates: Sequence[Candidate], wish: Wish) -> list[Grouping]:
    """How the documents that were found group, those of dashboards like the question's first."""
    votes: dict[Grouping, float] = {}
    seen: set[tuple[str | None, Grouping]] = set()
    for one in candidates:
        grouping = grouping_in(one.query)
        if grouping is None or (one.document_id, grouping) in seen:
            continue
        seen.add((one.document_id, grouping))
        either = one.place_words | wish.subject
        alike = len(one.place_words & wish.subject) / len(either) if either else 0.0
        votes[grouping] = votes.get(grouping, 0.0) + math.exp(_SHARPNESS * alike)
    return sorted(votes, key=lambda grouping: (-votes[grouping], sorted(grouping.labels)))


def scored(
    candidates: Sequence[Candidate],
    wish: Wish,
    rarity: Mapping[str, float],
    weights: RankingWeights,
) -> list[tuple[float, Candidate]]:
    """Best first; of equals the one that the search found first."""
    rows = figures_of(candidates, wish, rarity)
    scores = [sum(getattr(weights, name) * row[name] for name in FIGURES) for row in rows]
    order = sorted(range(len(candidates)), key=lambda index: (-scores[index], index))
    return [(scores[index], candidates[index]) for index in order]
