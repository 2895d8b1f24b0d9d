"""How well retrieval finds pages, on any corpus: the product's own way against its two halves.

The folders are ingested as runbooks, by the same sync and into the same engine as in service,
in a scratch index. A question is then asked three times: of BM25 alone, of the dense vectors
alone, and as the product asks. Ranked are documents, each by its best passage; one that has none
among the candidates of the policy counts as not found.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter

import numpy as np

from ingest.chunking import ChunkingPolicy
from ingest.documents import Problem, ProblemLevel, SourceKind
from ingest.encoders.base import Encoder
from ingest.index import Index, IndexMissing, Scope, open_store
from ingest.sources import open_source
from ingest.sync import sync
from ingest.sync_report import Progress, SyncReport
from service.assembly import encoder_opener
from service.evaluation.pairs import Corpora, EvaluationError, Pair, read_pairs
from service.evaluation.results import Comparison, Ingested, RetrievalEvaluation, System
from service.evaluation.statistics import Bootstrap, score_rankings
from service.retrieval import RetrievalPolicy, Retriever
from service.settings import Settings

PRODUCT = "why"
_WARM_UP = 5


async def evaluate_retrieval(
    corpora: Sequence[Path],
    pairs: Path,
    *,
    settings: Settings,
    on_progress: Callable[[Progress], None] | None = None,
    encoder: Encoder | None = None,
    policy: RetrievalPolicy | None = None,
    chunking: ChunkingPolicy | None = None,
) -> RetrievalEvaluation:
    """Measure retrieval over the pages below ``corpora`` with the questions in ``pairs``.

    Without ``encoder``, ``policy`` and ``chunking``, with those of the product. Pages that cannot
    be read are in the result's problems. Raises: EvaluationError, EncoderError, IndexFailure.
    """
    folders = Corpora(corpora)
    questions = read_pairs(pairs, folders)
    # Not `encoder_of`: every system is to pay for the question's vector.
    encoder = encoder or encoder_opener(settings)()
    policy = policy or RetrievalPolicy()
    with TemporaryDirectory(prefix="why-eval-") as scratch:
        store = open_store(directory=Path(scratch))
        try:
            report = await sync(
                [
                    open_source(SourceKind.RUNBOOKS, name=name, path=path)
                    for name, path in folders.folders.items()
                ],
                store,
                encoder=encoder,
                policy=chunking or ChunkingPolicy(),
                on_progress=on_progress,
            )
            try:
                index = await store.open_current()
            except IndexMissing as error:
                reasons = "\n".join(f"  {problem}" for problem in report.problems)
                raise EvaluationError(
                    f"no page of the corpora could be read:\n{reasons}"
                ) from error
            try:
                return await _evaluate(index, questions, encoder, policy, report)
            finally:
                await index.aclose()
        finally:
            await store.aclose()


async def _evaluate(
    index: Index,
    questions: Sequence[Pair],
    encoder: Encoder,
    policy: RetrievalPolicy,
    report: SyncReport,
) -> RetrievalEvaluation:
    stored = {
        row.document_id for name in await index.sources() for row in await index.inventory(name)
    }
    policies = {
        "bm25": RetrievalPolicy.alone(sparse=1.0),
        "dense": RetrievalPolicy.alone(dense=1.0),
        PRODUCT: policy,
    }
    gold = [question.gold for question in questions]
    scores = {}
    seconds: dict[str, list[float]] = {}
    for name, chosen in policies.items():
        rankings, seconds[name] = await _ask(
            Retriever(index, encoder, policy=chosen), questions, depth=chosen.candidates
        )
        scores[name] = score_rankings(gold, rankings)
    bootstrap = Bootstrap(scores)
    return RetrievalEvaluation(
        systems=tuple(
            System(
                name=name,
                measures=bootstrap.estimates(name),
                latency_ms=_percentiles(seconds[name]),
            )
            for name in policies
        ),
        comparisons=tuple(
            Comparison(system=PRODUCT, other=other, measures=bootstrap.differences(PRODUCT, other))
            for other in policies
            if other != PRODUCT
        ),
        pairs=len(questions),
        ingested=Ingested(
            documents=len(stored),
            chunks=await index.count(),
            texts_per_second=report.texts_per_second,
            seconds=report.seconds,
        ),
        model=encoder.name,
        chunking=index.spec.chunking,
        policy=policy,
        problems=(*report.problems, *_never_found(questions, stored)),
    )


async def _ask(
    retriever: Retriever, questions: Sequence[Pair], *, depth: int
) -> tuple[list[list[str]], list[float]]:
    """The ranked document ids for each question, and how long each search took (seconds)."""
    scope = Scope()
    for question in questions[:_WARM_UP]:
        await retriever.search(question.query, scope=scope, limit=depth)
    rankings, seconds = [], []
    for question in questions:
        began = perf_counter()
        passages = await retriever.search(question.query, scope=scope, limit=depth)
        seconds.append(perf_counter() - began)
        # Equal scores: by id, so that two runs agree.
        passages.sort(key=lambda passage: (-passage.score, passage.chunk.document_id))
        rankings.append([passage.chunk.document_id for passage in passages])
    return rankings, seconds


def _percentiles(seconds: Sequence[float]) -> dict[str, float]:
    p50, p95 = np.quantile(np.array(seconds) * 1000, [0.5, 0.95]).tolist()
    return {"p50": p50, "p95": p95}


def _never_found(questions: Sequence[Pair], stored: set[str]) -> list[Problem]:
    lines: dict[str, list[str]] = {}
    for question in questions:
        for document in question.gold:
            if document not in stored:
                lines.setdefault(document, []).append(str(question.line))
    return [
        Problem(
            path=document,
            level=ProblemLevel.NOTICE,
            reason=f"was not indexed, so it cannot be found (gold in line {', '.join(numbers)})",
        )
        for document, numbers in lines.items()
    ]
