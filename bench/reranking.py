"""Whether a reranker pays: ``python -m bench.reranking``.

Its weight is chosen on the even questions of all sets together, by recall@1; the odd ones are
asked with and without it (``question_sets``). ``--most`` limits the questions of a set, because a
cross-encoder is slow. Its latency is that of one call with ten passages, alone in the process; the
machine's load is printed beside it.
"""

from __future__ import annotations

import argparse
import asyncio
import os
from collections.abc import Sequence
from pathlib import Path
from time import perf_counter

import numpy as np

from bench.asked import KeptEncoder, Scores, found_by, indexed, scores_of
from bench.question_sets import tuned, untouched
from bench.shared_data import add_data_option
from bench.tables import percentiles, table
from service.assembly import encoder_of
from service.evaluation.statistics import MEASURES, Bootstrap
from service.retrieval import RetrievalPolicy, Retriever
from service.retrieval.rerank import PACKAGED, Reranker, open_reranker
from service.settings import Settings

_WEIGHTS = (0.1, 0.25, 0.5, 1.0)
_SHOWN = ("recall@1", "recall@5", "MRR")


class KeptReranker:
    """Reads each pair of question and passage once; ``seconds`` of each call that read all."""

    def __init__(self, reranker: Reranker) -> None:
        self._reranker = reranker
        self._kept: dict[tuple[str, str], float] = {}
        self.seconds: list[float] = []

    def scores(self, question: str, passages: Sequence[str]) -> list[float]:
        new = [one for one in passages if (question, one) not in self._kept]
        began = perf_counter()
        found = self._reranker.scores(question, new)
        if len(new) == RetrievalPolicy().reranked:
            self.seconds.append(perf_counter() - began)
        self._kept.update(((question, one), score) for one, score in zip(new, found, strict=True))
        return [self._kept[question, one] for one in passages]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_data_option(parser)
    parser.add_argument("--most", type=int, default=80, help="questions of each set (80)")
    options = parser.parse_args()
    asyncio.run(compare(options.data, options.most))


async def compare(data: Path, most: int) -> None:
    encoder = KeptEncoder(encoder_of(Settings()))
    reranker = KeptReranker(open_reranker(PACKAGED))
    off: dict[str, Scores] = {}
    on: dict[str, dict[float, Scores]] = {}
    chosen_on = [asked.name for asked in tuned(data)]
    for asked in (*tuned(data), *untouched(data)):
        # Pairs of neighbours, so that what is even and what is odd stays so.
        step = max(1, len(asked.questions) // most)
        questions = [one for place, one in enumerate(asked.questions) if place // 2 % step == 0]
        async with indexed(asked, encoder) as index:
            off[asked.name] = await scores_of(questions, found_by(Retriever(index, encoder)))
            on[asked.name] = {}
            for weight in _WEIGHTS:
                policy = RetrievalPolicy(reranker=weight, rerank_seconds=60.0)
                way = found_by(Retriever(index, encoder, policy=policy, reranker=reranker))
                on[asked.name][weight] = await scores_of(questions, way)
    first = list(MEASURES).index("recall@1")

    def on_even(weight: float) -> float:
        return float(np.mean([on[name][weight][::2, first].mean() for name in chosen_on]))

    best = max(_WEIGHTS, key=on_even)
    tried = ", ".join(f"{weight:g}: {on_even(weight):.3f}" for weight in _WEIGHTS)
    without = np.mean([off[name][::2, first].mean() for name in chosen_on])
    print(f"recall@1 on the even questions, mean of sets, by weight: off: {without:.3f}, {tried}\n")
    rows = []
    for name in off:
        half = Bootstrap({"off": off[name][1::2], "on": on[name][best][1::2]})
        values, gains = (half.estimates("off"), half.estimates("on")), half.differences("on", "off")
        cells = [f"{values[0][one].value:.3f} → {values[1][one].value:.3f}" for one in _SHOWN]
        gain = gains["recall@1"]
        rows.append(
            [
                f"{name} ({len(off[name][1::2])})",
                *cells,
                f"{gain.value:+.3f} ({gain.low:+.3f} to {gain.high:+.3f})",
            ]
        )
    head = ["odd questions of", *(f"{one}, off → on" for one in _SHOWN), "gain at 1"]
    print(f"with weight {best:g}:\n\n{table(head, rows)}")
    p50, p95 = percentiles(reranker.seconds, 50, 95)
    print(
        f"\nten passages: p50 {p50:.0f} ms, p95 {p95:.0f} ms, {len(reranker.seconds)} calls, "
        f"load of the machine {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores"
    )


if __name__ == "__main__":
    main()
