"""Fit the weights of text → PromQL: ``python -m bench.tune_promql PANELS.jsonl``.

The panels of half of the dashboards (by a hash of their names) are asked for by title and
description, and again with their dashboard's title before it, each from an index without it. The
weights are those that make the right candidate likeliest among all of a question (a conditional
logit, McFadden 1974; a candidate that only reads the right metrics counts ``--part``). What is
printed for the other half they never saw. Dashboards of one family (one per operating system, say)
can lie in both halves, so those figures are for dashboards like these.

The weights in use are rounded, and those of ``metric`` and ``sibling`` are lowered: they pay here,
where a metric that no panel draws is rare, more than they will among the thousands of a company.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ingest.index import Scope
from service.assembly import encoder_of
from service.evaluation.agreement import answer_of
from service.evaluation.panels import (
    ANY_TIME,
    Panel,
    last_day,
    names_of,
    open_panels,
    plain,
    read_panels,
)
from service.queries.gathering import gathered, metric_words
from service.queries.policy import QueryPolicy, step_of
from service.queries.ranking import FIGURES, RankingWeights, figures_of, rarity_of
from service.queries.words import wish_of
from service.retrieval import Retriever
from service.settings import Settings

Floats = NDArray[np.float64]


class Asked(NamedTuple):
    """One question: the figures of its candidates, shape (candidates, figures), and which of them
    read the right metrics, and which group them right, too."""

    half: int
    named: bool
    figures: Floats
    metrics: Floats
    both: Floats


async def ask_all(panels: Sequence[Panel]) -> list[Asked]:
    policy = QueryPolicy()
    scope = last_day(ANY_TIME)
    catalog = names_of(panels, scope)
    encoder = encoder_of(Settings())
    asked: list[Asked] = []
    async with open_panels(panels, encoder) as index:
        retriever = Retriever(index, encoder)
        for panel in panels:
            gold = [answer_of(plain(query)) for query in panel.queries]
            digest = hashlib.md5(panel.place.encode(), usedforsecurity=False)
            half = int(digest.hexdigest(), 16) % 2
            for named in (False, True):
                question = panel.question(name_dashboard=named)
                wish = wish_of(question)
                passages = await retriever.search(
                    question,
                    scope=Scope(excluded_documents=(panel.document_id,)),
                    limit=policy.panels,
                )
                candidates = [
                    one
                    for _, one in gathered(
                        wish,
                        passages,
                        scope=scope,
                        catalog=catalog,
                        step=step_of(scope.window, policy),
                        policy=policy,
                    )
                ]
                if not candidates:
                    continue
                rarity = rarity_of(metric_words(candidates, catalog).values())
                rows = figures_of(candidates, wish, rarity)
                answers = [answer_of(one.query) for one in candidates]
                metrics = [any(a and g and a.metrics == g.metrics for g in gold) for a in answers]
                asked.append(
                    Asked(
                        half,
                        named,
                        np.array([[row[name] for name in FIGURES] for row in rows]),
                        np.array(metrics, dtype=np.float64),
                        np.array([answer in gold for answer in answers], dtype=np.float64),
                    )
                )
    return asked


def fit(asked: Sequence[Asked], part: float, *, steps: int, ridge: float = 1.0) -> Floats:
    """The weights of the greatest likelihood, held back by ``ridge``, by gradient ascent."""
    aims = [
        (one.figures, right, share)
        for one in asked
        for right, share in ((one.both, 1.0), (one.metrics, part))
        if right.any()
    ]
    weights = np.zeros(len(FIGURES))
    for _ in range(steps):
        gradient = -ridge * weights
        for figures, right, share in aims:
            scores = figures @ weights
            chances = np.exp(scores - scores.max())
            chances /= chances.sum()
            wanted = chances * right
            gradient += share * (figures.T @ (wanted / wanted.sum() - chances))
        weights += 2.0 * gradient / len(aims)
    return weights


def right_at_first(asked: Sequence[Asked], weights: Floats) -> tuple[float, float]:
    best = [(one, int(np.argmax(one.figures @ weights))) for one in asked]
    return (
        float(np.mean([one.metrics[place] for one, place in best])),
        float(np.mean([one.both[place] for one, place in best])),
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("panels", type=Path)
    parser.add_argument("--part", type=float, default=0.3)
    parser.add_argument("--steps", type=int, default=300)
    arguments = parser.parse_args()
    asked = asyncio.run(ask_all(read_panels(arguments.panels)))
    fitted = fit([one for one in asked if one.half == 0], arguments.part, steps=arguments.steps)
    default = RankingWeights()
    for name, weight in zip(FIGURES, fitted, strict=True):
        print(f"{name}: {weight:+.2f} (in use {getattr(default, name):+.2f})")
    in_use = np.array([getattr(default, name) for name in FIGURES])
    for label, weights in (("fitted", fitted), ("in use", in_use)):
        for half, which in ((0, "fitted on"), (1, "never seen")):
            for named in (False, True):
                chosen = [one for one in asked if (one.half, one.named) == (half, named)]
                metrics, both = right_at_first(chosen, weights)
                how = "with dashboard" if named else "title, description"
                print(
                    f"{label}, {which} ({how}, {len(chosen)} panels): same metrics {metrics:.3f}, "
                    f"metrics and grouping {both:.3f}"
                )


if __name__ == "__main__":
    main()
