"""How well the search knows that it has found nothing: ``python -m bench.abstention``.

Each question is asked once with its answer in the index and once without (access keeps the gold
pages from the reader); then the alert texts that have no runbook. The threshold is the one with
the best balanced accuracy on every other question of the runbooks, the first half; the second half
and everything else are tests. Intervals are Wilson's, at 95%.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import math
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.question_sets import QuestionSet, incidents, panels, rules, runbooks
from bench.shared_data import add_data_option
from ingest.chunking import ChunkingPolicy
from ingest.encoders.base import Encoder
from ingest.index import Scope, open_store
from ingest.sync import sync
from service.assembly import encoder_of
from service.retrieval import RetrievalPolicy, Retriever
from service.settings import Settings

_Z = 1.96


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_data_option(parser)
    asyncio.run(measure(parser.parse_args().data, encoder_of(Settings())))


async def measure(data: Path, encoder: Encoder) -> None:
    lines = (data / "unanswerable.jsonl").read_text(encoding="utf-8").splitlines()
    unanswerable = [json.loads(line)["query"] for line in lines]
    with_gold, without, none = await relevances(runbooks(data), encoder, unanswerable)
    known, unknown = with_gold[::2], without[::2] + none[::2]
    threshold = max(
        sorted({*known, *unknown}),
        key=lambda least: _share(known, least) + 1 - _share(unknown, least),
    )
    used = RetrievalPolicy().relevant
    print(f"best threshold on the first half: {threshold:.2f}; in use: {used}")
    for least in (threshold, used):
        print(f"\nat {least:.2f}:\n")
        print("| asked | “nothing on this”: precision | recall | said of answerable ones |")
        print("| --- | ---: | ---: | ---: |")
        row("runbooks, first half", with_gold[::2], without[::2], least)
        row("runbooks, second half", with_gold[1::2], without[1::2], least)
        row("alerts without a runbook, first half", with_gold[::2], none[::2], least)
        row("alerts without a runbook, second half", with_gold[1::2], none[1::2], least)
    for asked in (rules(data), panels(data), incidents(data)):
        known, unknown, _ = await relevances(asked, encoder, ())
        row(asked.name, known, unknown, used)


async def relevances(
    asked: QuestionSet, encoder: Encoder, others: Sequence[str]
) -> tuple[list[float], list[float], list[float]]:
    """Of the first document: for each question with its answer there, and without, and for
    ``others``."""
    with TemporaryDirectory() as scratch:
        store = open_store(directory=Path(scratch))
        await sync(asked.sources, store, encoder=encoder, policy=ChunkingPolicy())
        index = await store.open_current()
        retriever = Retriever(index, encoder)

        async def best(text: str, excluded: tuple[str, ...] = ()) -> float:
            scope = Scope(excluded_documents=excluded)
            found = await retriever.search(text, scope=scope, limit=1)
            return found[0].relevance if found else 0.0

        with_gold = [await best(question.text) for question in asked.questions]
        without = [await best(question.text, question.gold) for question in asked.questions]
        none = [await best(text) for text in others]
        await index.aclose()
        await store.aclose()
    return with_gold, without, none


def row(name: str, known: Sequence[float], unknown: Sequence[float], least: float) -> None:
    right = sum(one < least for one in unknown)
    wrong = sum(one < least for one in known)
    cells = (
        interval(right, right + wrong),
        interval(right, len(unknown)),
        interval(wrong, len(known)),
    )
    print(f"| {name} | {' | '.join(cells)} |", flush=True)


def interval(hits: int, of: int) -> str:
    """A share and its Wilson interval."""
    if of == 0:
        return "–"
    share, square = hits / of, _Z**2 / of
    middle = (share + square / 2) / (1 + square)
    half = _Z / (1 + square) * math.sqrt(share * (1 - share) / of + square / of / 4)
    return f"{share:.2f} ({hits}/{of}) {max(0.0, middle - half):.2f}–{min(1.0, middle + half):.2f}"


def _share(values: Sequence[float], least: float) -> float:
    return sum(value >= least for value in values) / len(values)


if __name__ == "__main__":
    main()
