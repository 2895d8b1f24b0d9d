"""How well the search knows that it has found nothing: ``python -m bench.abstention``.

Each question is asked once with its answer in the index and once without (access keeps the gold
pages from the reader); then the alert texts that have no runbook. The threshold is the highest
round value that refuses at most 15% of the answerable questions among the even runbook questions;
the one with the best F1 of "nothing on this" there is printed beside it. The odd questions and the
other sets are tests. Intervals are Wilson's, at 95%.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import math
from collections.abc import Sequence
from pathlib import Path

from bench.asked import KeptEncoder, indexed
from bench.question_sets import QuestionSet, incidents, more_rules, panels, rules, runbooks
from bench.shared_data import add_data_option
from ingest.encoders.base import Encoder
from ingest.index import Scope
from service.assembly import encoder_of
from service.retrieval import RetrievalPolicy, Retriever
from service.settings import Settings

_Z = 1.96
_MOST_REFUSED = 0.15
_GRID = tuple(step / 20 for step in range(1, 20))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_data_option(parser)
    asyncio.run(measure(parser.parse_args().data, encoder_of(Settings())))


async def measure(data: Path, encoder: Encoder) -> None:
    encoder = KeptEncoder(encoder)
    lines = (data / "unanswerable.jsonl").read_text(encoding="utf-8").splitlines()
    unanswerable = [json.loads(line)["query"] for line in lines]
    with_gold, without, none = await relevances(runbooks(data), encoder, unanswerable)
    known, unknown = with_gold[::2], without[::2] + none[::2]
    allowed = max(least for least in _GRID if _refused(known, least) <= _MOST_REFUSED)
    best = max(_GRID, key=lambda least: f1(known, unknown, least))
    used = RetrievalPolicy().relevant
    print(f"by the rule, on the even questions: {allowed:.2f}; in use: {used}; best F1: {best:.2f}")
    others = {
        asked.name: await relevances(asked, encoder, ())
        for asked in (rules(data), panels(data), incidents(data), more_rules(data))
    }
    for least in (allowed, best):
        print(f"\nat {least:.2f}:\n")
        print("| asked | “nothing on this”: precision | recall | said of answerable ones |")
        print("| --- | ---: | ---: | ---: |")
        row("runbooks, even", with_gold[::2], without[::2], least)
        row("runbooks, odd", with_gold[1::2], without[1::2], least)
        row("alerts without a runbook, even", with_gold[::2], none[::2], least)
        row("alerts without a runbook, odd", with_gold[1::2], none[1::2], least)
        for name, (answerable, hidden, _) in others.items():
            row(name, answerable, hidden, least)


async def relevances(
    asked: QuestionSet, encoder: Encoder, others: Sequence[str]
) -> tuple[list[float], list[float], list[float]]:
    """Of the first document: for each question with its answer there, and without, and for
    ``others``."""
    async with indexed(asked, encoder) as index:
        retriever = Retriever(index, encoder)

        async def best(text: str, excluded: tuple[str, ...] = ()) -> float:
            scope = Scope(excluded_documents=excluded)
            found = await retriever.search(text, scope=scope, limit=1)
            return found[0].relevance if found else 0.0

        with_gold = [await best(question.text) for question in asked.questions]
        without = [await best(question.text, question.gold) for question in asked.questions]
        none = [await best(text) for text in others]
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


def f1(known: Sequence[float], unknown: Sequence[float], least: float) -> float:
    """Of “nothing on this”."""
    right = sum(one < least for one in unknown)
    wrong = sum(one < least for one in known)
    return 2 * right / (right + wrong + len(unknown))


def _refused(known: Sequence[float], least: float) -> float:
    return sum(one < least for one in known) / len(known)


if __name__ == "__main__":
    main()
