"""What ways of fusing dense and BM25 results give: ``python -m bench.fusion``.

Each way's constant is the one with the best recall@1 on the even questions, as the mean over the
five ``tuned`` sets (``question_sets``); ties go to the better MRR. The odd questions are the test:
all of them together against DBSF with equal weights, by a paired bootstrap. Compared are the two
stages alone, before the shares of titles and passages are added. Every question is searched once;
the ways only order what was found.
"""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

from bench.asked import KeptEncoder, Scores, indexed
from bench.question_sets import QuestionSet, tuned
from bench.shared_data import add_data_option
from bench.tables import table
from ingest.encoders.base import Encoder
from ingest.encoders.bm25 import Bm25Encoder
from ingest.index import FusionMethod, Hit, HybridQuery, Scope
from service.assembly import encoder_of
from service.evaluation.statistics import MEASURES, Bootstrap, score_rankings
from service.retrieval import RetrievalPolicy
from service.retrieval.scores import stage_scores
from service.settings import Settings

RRF_K = (1, 2, 5, 10, 20, 60, 100)
BM25_WEIGHTS = (0.5, 1.0, 2.0)
"""Beside dense, which has 1."""
DENSE_WEIGHTS = (0.25, 0.5, 0.75, 1.0, 1.5, 2.0)
"""Beside BM25, which has 1."""
EQUAL = "DBSF, documents, 1 : 1"
_NOW = RetrievalPolicy()
_FIRST, _MRR = list(MEASURES).index("recall@1"), list(MEASURES).index("MRR")

Ranking = Callable[[Sequence[Hit]], list[str]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_data_option(parser)
    asyncio.run(compare(parser.parse_args().data))


async def compare(data: Path) -> None:
    encoder = KeptEncoder(encoder_of(Settings()))
    scores: dict[str, dict[str, Scores]] = {}
    for asked in tuned(data):
        found = await hits_of(asked, encoder)
        gold = [question.gold for question in asked.questions]
        for family, ways in FAMILIES.items():
            for setting, way in ways.items():
                ranked = [way(hits) for hits in found]
                of_sets = scores.setdefault(f"{family}, {setting}", {})
                of_sets[asked.name] = score_rankings(gold, ranked)
    chosen = [
        max((f"{family}, {setting}" for setting in ways), key=lambda name: first_half(scores[name]))
        for family, ways in FAMILIES.items()
    ]
    report("every way", list(scores), scores)
    report("the best of each kind on the even questions", chosen, scores)


def first_half(of_sets: Mapping[str, Scores]) -> tuple[float, float]:
    """Recall@1 and MRR of the even questions, as the mean over sets."""
    means = np.mean([of[::2].mean(axis=0) for of in of_sets.values()], axis=0)
    return round(float(means[_FIRST]), 6), float(means[_MRR])


async def hits_of(asked: QuestionSet, encoder: Encoder) -> list[list[Hit]]:
    """For each question all that both stages find, fused by Qdrant's DBSF."""
    async with indexed(asked, encoder) as index:
        bm25 = Bm25Encoder(index.average_length)
        return [
            await index.search(
                HybridQuery(
                    dense=encoder.embed_query(question.text),
                    sparse=bm25.embed_query(question.text),
                    scope=Scope(),
                    limit=2 * _NOW.prefetch,
                    prefetch=_NOW.prefetch,
                    fusion=FusionMethod.DBSF,
                )
            )
            for question in asked.questions
        ]


def in_order(hits: Sequence[Hit]) -> list[str]:
    """Documents by their best fused chunk."""
    return list(dict.fromkeys(hit.chunk.document_id for hit in hits))


def by_stage_scores(dense: float) -> Ranking:
    """As the product adds its stages, with this weight of dense."""
    return lambda hits: best_first(stage_scores(hits[: _NOW.candidates], dense, 1.0))


def by_chunk_ranks(k: int) -> Ranking:
    """Reciprocal ranks of the chunks in each list (Cormack et al. 2009)."""

    def ranking(hits: Sequence[Hit]) -> list[str]:
        best: dict[str, float] = {}
        for hit in hits:
            score = sum(1 / (k + stage.rank) for stage in (hit.dense, hit.sparse) if stage)
            best[hit.chunk.document_id] = max(score, best.get(hit.chunk.document_id, 0.0))
        return best_first(best)

    return ranking


def by_document_ranks(k: int, bm25: float) -> Ranking:
    """Reciprocal ranks of the documents in each list, BM25's weighted."""

    def ranking(hits: Sequence[Hit]) -> list[str]:
        stages = (
            [(hit.dense.rank, hit.chunk.document_id) for hit in hits if hit.dense],
            [(hit.sparse.rank, hit.chunk.document_id) for hit in hits if hit.sparse],
        )
        scores: dict[str, float] = {}
        for stage, weight in zip(stages, (1.0, bm25), strict=True):
            documents = dict.fromkeys(document for _, document in sorted(stage))
            for rank, document in enumerate(documents, start=1):
                scores[document] = scores.get(document, 0.0) + weight / (k + rank)
        return best_first(scores)

    return ranking


def best_first(scores: Mapping[str, float]) -> list[str]:
    return sorted(scores, key=lambda document: (-scores[document], document))


FAMILIES: dict[str, dict[str, Ranking]] = {
    "RRF, chunks": {f"k {k}": by_chunk_ranks(k) for k in RRF_K},
    "RRF, documents": {f"k {k}": by_document_ranks(k, 1.0) for k in RRF_K},
    "weighted RRF, documents": {
        f"k {k}, 1 : {weight:g}": by_document_ranks(k, weight)
        for k in RRF_K
        for weight in BM25_WEIGHTS
    },
    "DBSF, chunks": {"1 : 1": in_order},
    "DBSF, documents": {"1 : 1": by_stage_scores(1.0)},
    "weighted DBSF, documents": {
        f"{weight:g} : 1": by_stage_scores(weight) for weight in DENSE_WEIGHTS
    },
}
"""Ratios are dense : BM25."""


def report(title: str, names: Sequence[str], scores: Mapping[str, Mapping[str, Scores]]) -> None:
    """Print a table of these ways."""
    pooled = {
        name: np.concatenate([of[1::2] for of in scores[name].values()])
        for name in dict.fromkeys((*names, EQUAL))
    }
    bootstrap = Bootstrap(pooled)
    sets = list(scores[EQUAL])
    rows = []
    for name in names:
        gain = bootstrap.differences(name, EQUAL)["recall@1"]
        odd = [float(scores[name][one][1::2, _FIRST].mean()) for one in sets]
        rows.append(
            [
                name,
                f"{first_half(scores[name])[0]:.3f} / {np.mean(odd):.3f}",
                *(f"{value:.3f}" for value in odd),
                "" if name == EQUAL else f"{gain.value:+.3f} ({gain.low:+.3f} to {gain.high:+.3f})",
            ]
        )
    head = ["fused by", "mean of sets, even / odd", *(f"{one}, odd" for one in sets), "gain, odd"]
    print(f"\n{title} (recall@1):\n\n{table(head, rows)}", flush=True)


if __name__ == "__main__":
    main()
