"""What each part of the search is worth: ``python -m bench.retrieval_parts``.

Several corpora (``question_sets``), asked with everything on and with one part off, changed or
added. What a row chooses for itself it chooses on the first half, the even questions, as the
search's own weights were; gains and losses are of the second half, with a paired bootstrap.
"""

from __future__ import annotations

import argparse
import asyncio
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from bench.asked import DEPTH, BareBm25, KeptEncoder, Scores, Way, found_by, indexed, scores_of
from bench.bge import BgeSmall
from bench.question_sets import Question, QuestionSet, tuned, untouched
from bench.shared_data import add_data_option
from ingest.encoders.base import Encoder
from ingest.index import Index, Scope
from service.assembly import encoder_of
from service.evaluation.statistics import MEASURES, Bootstrap
from service.retrieval import Passage, RetrievalPolicy, Retriever
from service.retrieval.scores import scaled
from service.settings import Settings

FULL = "everything"
_NOW = RetrievalPolicy()
_STAGES = RetrievalPolicy.alone(dense=1.0, sparse=1.0)
_WEIGHTS = (0.1, 0.25, 0.5, 1.0)
"""That an added part may have."""
_HALF_LIFE = 365.0
"""Days in which freshness halves."""
_HUMPS = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_MEASURES = list(MEASURES)


def _with(**changes: float) -> RetrievalPolicy:
    return _NOW.model_copy(update=changes)


POLICIES = {
    FULL: _NOW,
    "without titles": _with(title=0.0),
    "without headings": _with(heading=0.0),
    "without the share of the question": _with(covered=0.0),
    "without identifiers on their own": _with(named=0.0),
    "without folding and spreading": _with(same=2.0, most_alike=5),
    "dense as heavy as BM25": _with(dense=1.0),
    "titles twice as heavy": _with(title=2.0),
    "without dense": _with(dense=0.0),
    "without BM25": _with(sparse=0.0),
    "both stages and nothing else": _STAGES,
    "BM25 alone": RetrievalPolicy.alone(sparse=1.0),
    "dense alone": RetrievalPolicy.alone(dense=1.0),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_data_option(parser)
    parser.add_argument("--sets", nargs="+", help="names of sets; default: all")
    parser.add_argument("--bge", action="store_true", help="also with bge-small-en, which is slow")
    options = parser.parse_args()
    asyncio.run(compare(options.data, options.sets, bge=options.bge))


async def compare(data: Path, names: Sequence[str] | None, *, bge: bool) -> None:
    encoder = encoder_of(Settings())
    for asked in (*tuned(data), *untouched(data)):
        if names is None or asked.name in names:
            await compare_on(asked, encoder, bge=bge)


async def compare_on(asked: QuestionSet, encoder: Encoder, *, bge: bool) -> None:
    """Print the table of one set."""
    kept = KeptEncoder(encoder)
    full: list[Scores] = []
    print(f"\n**{asked.name}, {len(asked.questions)} questions**\n")
    print("| search | recall@1 | its halves | second: recall@5 | MRR | gain | gain, all |")
    print("| --- | ---: | ---: | ---: | ---: | ---: | ---: |")

    def show(name: str, of: Scores) -> None:
        full.append(of)
        print(line_of(name, of, full[0]), flush=True)

    async def add(name: str, way: Way) -> None:
        show(name, await scores_of(asked.questions, way))

    async with indexed(asked, kept) as index:
        for name, policy in POLICIES.items():
            await add(name, found_by(Retriever(index, kept, policy=policy)))
        for name, ways in added_parts(index, kept).items():
            found = {weight: await scores_of(asked.questions, way) for weight, way in ways.items()}
            best = max(found, key=lambda weight: found[weight][::2].mean(axis=0)[0])
            show(f"{name}, weight {best:g}", found[best])
        if any(question.alert for question in asked.questions):
            retriever = Retriever(index, kept)
            await add("asked with the alert's name", found_by(retriever, with_name))
            await add("asked with its name as words", found_by(retriever, with_words))
    bare = KeptEncoder(encoder, bare=True)
    async with indexed(asked, bare) as index:
        await add("context not in dense", found_by(Retriever(index, bare)))
    async with indexed(asked, bare, bm25=BareBm25) as index:
        await add("context in neither", found_by(Retriever(index, bare)))
        await add("stages alone, context in neither", found_by(_stages(index, bare)))
    async with indexed(asked, kept, bm25=BareBm25) as index:
        await add("context not in BM25", found_by(Retriever(index, kept)))
    if bge:
        other = KeptEncoder(BgeSmall())
        async with indexed(asked, other) as index:
            await add("bge-small-en for MiniLM", found_by(Retriever(index, other)))
            alone = Retriever(index, other, policy=RetrievalPolicy.alone(dense=1.0))
            await add("bge-small-en alone", found_by(alone))


def _stages(index: Index, encoder: Encoder) -> Retriever:
    return Retriever(index, encoder, policy=_STAGES)


def added_parts(index: Index, encoder: Encoder) -> Mapping[str, Mapping[float, Way]]:
    """What was tried and left out, by weight."""
    retriever = Retriever(index, encoder)
    return {
        "with second best passages": {
            weight: second_best(retriever, weight) for weight in _WEIGHTS
        },
        "with freshness": {weight: fresher(retriever, weight) for weight in _WEIGHTS},
    }


def second_best(retriever: Retriever, weight: float) -> Way:
    """A document's second best passage is added to its best one."""

    async def way(question: Question) -> list[str]:
        passages = await retriever.search(
            question.text, scope=Scope(), limit=_NOW.candidates, per_document=_NOW.candidates
        )
        values = [0.0] * len(passages)
        for share, stages in (
            (_NOW.dense, [passage.dense for passage in passages]),
            (_NOW.sparse, [passage.sparse for passage in passages]),
        ):
            there = [(place, stage.score) for place, stage in enumerate(stages) if stage]
            found = scaled([score for _, score in there])
            for (place, _), score in zip(there, found, strict=True):
                values[place] += share * score
        of: dict[str, list[float]] = {}
        for passage, value in zip(passages, values, strict=True):
            of.setdefault(passage.chunk.document_id, []).append(value)
        second = {document: sorted(all_, reverse=True)[1:2] for document, all_ in of.items()}
        return _by(passages, lambda one: weight * sum(second[one.chunk.document_id]))

    return way


def fresher(retriever: Retriever, weight: float) -> Way:
    """A later text gets up to ``weight`` more, counted from the latest that was found."""

    async def way(question: Question) -> list[str]:
        passages = await retriever.search(question.text, scope=Scope(), limit=_NOW.candidates)
        times = [one.chunk.written_at for one in passages if one.chunk.written_at]

        def bonus(passage: Passage) -> float:
            if passage.chunk.written_at is None:
                return 0.0
            days = (max(times) - passage.chunk.written_at).total_seconds() / 86_400
            return float(weight * 0.5 ** (days / _HALF_LIFE))

        return _by(passages, bonus)

    return way


def _by(passages: list[Passage], bonus: Callable[[Passage], float]) -> list[str]:
    ranked = sorted(passages, key=lambda passage: -(passage.score + bonus(passage)))
    return list(dict.fromkeys(passage.chunk.document_id for passage in ranked))[:DEPTH]


def with_name(question: Question) -> str:
    return f"{question.alert}: {question.text}"


def with_words(question: Question) -> str:
    """``KubePodCrashLooping`` is also asked as "Kube Pod Crash Looping"."""
    return f"{question.alert} {' '.join(_HUMPS.split(question.alert))}: {question.text}"


def line_of(name: str, of: Scores, full: Scores) -> str:
    """A row of the table; gains are those over ``full``, of the second half and of all."""
    half = Bootstrap({name: of[1::2], "full": full[1::2]})
    whole = Bootstrap({name: of, "full": full})
    first = _MEASURES.index("recall@1")
    values = half.estimates(name)
    gains = [each.differences(name, "full")["recall@1"] for each in (half, whole)]
    cells = [
        name,
        f"{of[:, first].mean():.3f}",
        f"{of[::2, first].mean():.3f} / {of[1::2, first].mean():.3f}",
        f"{values['recall@5'].value:.3f}",
        f"{values['MRR'].value:.3f}",
        *("" if name == FULL else f"{g.value:+.3f} ({g.low:+.3f} to {g.high:+.3f})" for g in gains),
    ]
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    main()
