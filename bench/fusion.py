"""What ways of fusing dense and BM25 results give: ``python -m bench.fusion``.

Recall@1 and @5 on the shared pairs, on all of them and on every other one (two halves), so that
a setting that only fits one half shows. The index is built once.
"""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Callable, Iterable, Sequence
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.shared_data import PAIRS, add_data_option, runbook_folders
from ingest.chunking import ChunkingPolicy
from ingest.documents import SourceKind
from ingest.encoders.bm25 import Bm25Encoder
from ingest.index import FusionMethod, Hit, HybridQuery, Scope, open_store
from ingest.sources import open_source
from ingest.sync import sync
from service.assembly import encoder_of
from service.evaluation.pairs import Corpora, Pair, read_pairs
from service.evaluation.statistics import MEASURES, score_rankings
from service.retrieval.scores import stage_scores
from service.settings import Settings

PREFETCHES = (50, 100)
WEIGHTS = ((1.0, 1.0), (1.0, 2.0), (2.0, 1.0))
"""Of dense and BM25."""
RRF_K = (10, 60)
CANDIDATES = (30, 50)
"""Fused chunks whose documents are ranked."""

Ranking = Callable[[Sequence[Hit]], list[str]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_data_option(parser)
    asyncio.run(compare(parser.parse_args().data))


async def compare(data: Path) -> None:
    corpora = Corpora(runbook_folders(data))
    pairs = read_pairs(data / PAIRS, corpora)
    encoder = encoder_of(Settings())
    vectors = [encoder.embed_query(pair.query) for pair in pairs]
    with TemporaryDirectory() as scratch:
        store = open_store(directory=Path(scratch))
        await sync(
            [
                open_source(SourceKind.RUNBOOKS, name=name, path=path)
                for name, path in corpora.folders.items()
            ],
            store,
            encoder=encoder,
            policy=ChunkingPolicy(),
        )
        index = await store.open_current()
        bm25 = Bm25Encoder(index.average_length)
        terms = [bm25.embed_query(pair.query) for pair in pairs]

        async def hits(
            prefetch: int,
            fusion: FusionMethod = FusionMethod.DBSF,
            rrf_k: int = 60,
            weights: tuple[float, float] = (1.0, 1.0),
        ) -> list[list[Hit]]:
            return [
                await index.search(
                    HybridQuery(
                        dense=dense,
                        sparse=sparse,
                        scope=Scope(),
                        limit=2 * prefetch,
                        prefetch=prefetch,
                        fusion=fusion,
                        rrf_k=rrf_k,
                        weights=weights,
                    )
                )
                for dense, sparse in zip(vectors, terms, strict=True)
            ]

        print("| fused by | of | prefetch | dense : BM25 | recall@1 | halves | recall@5 | halves |")
        print("| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: |")
        for prefetch in PREFETCHES:
            for k, weights in product(RRF_K, WEIGHTS):
                found = await hits(prefetch, FusionMethod.RRF, k, weights)
                report(pairs, found, in_order, f"RRF, k {k}", "chunks", prefetch, weights)
            found = await hits(prefetch)
            report(pairs, found, in_order, "DBSF", "chunks", prefetch, (1.0, 1.0))
            for k, weights in product(RRF_K, WEIGHTS):
                ranking = by_document_ranks(k, weights)
                report(pairs, found, ranking, f"RRF, k {k}", "documents", prefetch, weights)
            for read in (*CANDIDATES, 2 * prefetch):
                ranking = by_stage_scores(read)
                of = f"documents of {read} chunks"
                report(pairs, found, ranking, "DBSF", of, prefetch, (1.0, 1.0))
        await index.aclose()
        await store.aclose()


def in_order(hits: Sequence[Hit]) -> list[str]:
    """Documents by their best fused chunk."""
    return list(dict.fromkeys(hit.chunk.document_id for hit in hits))


def by_stage_scores(candidates: int) -> Ranking:
    """As the product ranks, with so many chunks."""
    return lambda hits: best_first(stage_scores(hits[:candidates]))


def by_document_ranks(k: int, weights: tuple[float, float]) -> Ranking:
    """Reciprocal ranks of the documents in each list (Cormack et al. 2009), weighted."""

    def ranking(hits: Sequence[Hit]) -> list[str]:
        stages: Iterable[list[tuple[int, str]]] = (
            [(hit.dense.rank, hit.chunk.document_id) for hit in hits if hit.dense],
            [(hit.sparse.rank, hit.chunk.document_id) for hit in hits if hit.sparse],
        )
        scores: dict[str, float] = {}
        for stage, weight in zip(stages, weights, strict=True):
            documents = dict.fromkeys(document for _, document in sorted(stage))
            for rank, document in enumerate(documents, start=1):
                scores[document] = scores.get(document, 0.0) + weight / (k + rank)
        return best_first(scores)

    return ranking


def best_first(scores: dict[str, float]) -> list[str]:
    return sorted(scores, key=lambda document: (-scores[document], document))


def report(
    pairs: Sequence[Pair],
    hits: Sequence[Sequence[Hit]],
    ranking: Ranking,
    fusion: str,
    of: str,
    prefetch: int,
    weights: tuple[float, float],
) -> None:
    scores = score_rankings([pair.gold for pair in pairs], [ranking(found) for found in hits])
    cells = []
    for measure in ("recall@1", "recall@5"):
        column = scores[:, list(MEASURES).index(measure)]
        cells += [f"{column.mean():.3f}", f"{column[::2].mean():.3f} / {column[1::2].mean():.3f}"]
    ratio = f"{weights[0]:g} : {weights[1]:g}"
    print(f"| {' | '.join((fusion, of, str(prefetch), ratio, *cells))} |", flush=True)


if __name__ == "__main__":
    main()
