"""Which queries could answer a question, best first. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta

from service.metrics.catalog import Catalog
from service.queries.candidates import (
    Candidate,
    metric_candidates,
    regroupings,
    siblings,
    written_candidates,
)
from service.queries.policy import QueryPolicy
from service.queries.ranking import rarity_of, scored, voted_groupings
from service.queries.words import Wish, words
from service.retrieval import Passage
from service.scope import QuestionScope

_ENOUGH = 4
"""Words of a question that are about its subject, at most."""


def gathered(
    wish: Wish,
    passages: Sequence[Passage],
    *,
    scope: QuestionScope,
    catalog: Catalog | None,
    step: timedelta,
    policy: QueryPolicy,
) -> list[tuple[float, Candidate]]:
    """Every candidate, best first: written ones, those made of them, and plain ones. Pure."""
    labels = catalog.labels if catalog else {}
    found = written_candidates(passages, scope=scope, labels=labels, step=step)
    names = metric_words(found, catalog)
    rarity = rarity_of(names.values())
    seeds = found[: policy.seeds]
    kin: list[Candidate] = []
    if catalog:
        kin += [one for seed in seeds for one in siblings(seed, wish, names, most=policy.siblings)]
    # Where the question says by what, that is what it gets; see `adapt`.
    groupings = [] if wish.by else voted_groupings(found, wish)[: policy.groupings]
    others = [
        one for seed in [*seeds, *kin[: policy.seeds]] for one in regroupings(seed, groupings)
    ]
    plain = (
        metric_candidates(wish, catalog, names, rarity, step=step, most=policy.metrics)
        if catalog
        else []
    )
    return scored([*found, *kin, *others, *plain], wish, rarity, policy.weights)


def metric_words(found: Sequence[Candidate], catalog: Catalog | None) -> dict[str, frozenset[str]]:
    """The words of every metric that is known: of the catalog, or else of what was found."""
    names = catalog.names if catalog else [name for one in found for name in one.metrics]
    return {name: words(name) for name in dict.fromkeys(names) if not name.startswith("ALERTS")}


def covered(
    one: Candidate, wish: Wish, given: frozenset[str], rarity: Mapping[str, float]
) -> float:
    """Share of the question's words that a query, its title or its dashboard's says; rare ones
    weigh more. 0..1.

    ``given``: words that say where to look or how to group, and not at what. Of a long question
    (with an explanation in it) no query says everything: ``_ENOUGH`` average words are all of it.
    """
    subject = (wish.subject - given) or wish.subject
    unknown = max(rarity.values(), default=1.0)
    weights = {word: rarity.get(word, unknown) for word in subject}
    enough = min(1.0, _ENOUGH / max(1, len(weights))) * sum(weights.values())
    said = sum(weights[word] for word in subject & said_by(one))
    return min(1.0, said / enough) if enough else 0.0


def said_by(one: Candidate) -> frozenset[str]:
    """The words that a query, its title and its dashboard's say."""
    return one.own | one.title_words | one.place_words
