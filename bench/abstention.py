"""How well the search knows that it has found nothing: ``python -m bench.abstention``.

Each question is asked once with its answer in the index and once without (access keeps the gold
pages from the reader); then the alert texts that have no runbook. The threshold is the highest
round value that refuses at most 15% of the answerable questions among the even runbook questions;
the one with the best F1 of "nothing on this" there is printed beside it. The odd questions and the
other sets are tests. Intervals are Wilson's, at 95%.

``--fit`` prints the regression behind the relevance: fitted on the even runbook questions, by
Newton's method without a penalty, with the mean loss of each half.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bench.asked import KeptEncoder, indexed
from bench.question_sets import QuestionSet, incidents, more_rules, panels, rules, runbooks
from bench.shared_data import add_data_option
from ingest.encoders.base import Encoder
from ingest.index import Scope
from service.assembly import encoder_of
from service.retrieval import RetrievalPolicy, Retriever
from service.retrieval.scores import Evidence
from service.settings import Settings

_Z = 1.96
_MOST_REFUSED = 0.15
_GRID = tuple(step / 20 for step in range(1, 20))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_data_option(parser)
    parser.add_argument("--fit", action="store_true", help="the regression behind the relevance")
    options = parser.parse_args()
    run = fit if options.fit else measure
    asyncio.run(run(options.data, KeptEncoder(encoder_of(Settings()))))


async def fit(data: Path, encoder: Encoder) -> None:
    asked = runbooks(data)
    async with indexed(asked, encoder) as index:
        retriever = Retriever(index, encoder)

        async def best(text: str, excluded: tuple[str, ...] = ()) -> Evidence:
            scope = Scope(excluded_documents=excluded)
            _, scores = await retriever.scored(text, scope=scope)
            return max(scores.values(), key=lambda one: one.score).evidence

        known = np.array([await best(question.text) for question in asked.questions])
        unknown = np.array([await best(one.text, one.gold) for one in asked.questions])

    def half(first: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        some = np.concatenate([known[first::2], unknown[first::2]])
        answered = np.repeat([1.0, 0.0], [len(known[first::2]), len(unknown[first::2])])
        return np.column_stack([np.ones(len(some)), some]), answered

    weights = logistic_regression(*half(0))
    names = ("constant", *Evidence._fields)
    print(", ".join(f"{name} {weight:+.2f}" for name, weight in zip(names, weights, strict=True)))
    for name, first in (("even", 0), ("odd", 1)):
        features, answered = half(first)
        likely = 1 / (1 + np.exp(-features @ weights))
        loss = -np.mean(np.log(np.where(answered == 1, likely, 1 - likely)))
        print(f"{name} questions: mean loss {loss:.3f} (a coin: {math.log(2):.3f})")


def logistic_regression(
    features: NDArray[np.float64], answered: NDArray[np.float64]
) -> NDArray[np.float64]:
    """The weights of greatest likelihood. ``features``: (n, d); ``answered``: (n,) of 0 and 1."""
    weights = np.zeros(features.shape[1])
    for _ in range(25):
        likely = 1 / (1 + np.exp(-features @ weights))
        curvature = features.T @ (features * (likely * (1 - likely))[:, None])
        weights += np.linalg.solve(curvature, features.T @ (answered - likely))
    return weights


async def measure(data: Path, encoder: Encoder) -> None:
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
