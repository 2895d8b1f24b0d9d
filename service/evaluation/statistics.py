"""Measures of rankings, and how far they can be trusted.

Measures come from ir-measures (MacAvaney et al. 2022). Intervals are percentile bootstrap
intervals over questions (Efron & Tibshirani 1993); every system is resampled with the same
questions, so that the difference of two systems is that of pairs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import ir_measures
import numpy as np
from ir_measures import RR, Success, nDCG
from numpy.typing import NDArray

from ingest.documents import Frozen

MEASURES = {
    "recall@1": Success @ 1,
    "recall@3": Success @ 3,
    "recall@5": Success @ 5,
    "recall@10": Success @ 10,
    "MRR": RR,
    "nDCG@10": nDCG @ 10,
}
"""By the names that are printed. Any gold page of a question counts, so recall@k is the share
of questions with one among the first k documents."""

RESAMPLES = 5000
CONFIDENCE = 0.95
_SEED = 20_260_101
_BINS = 10
_CELLS = 4_000_000
"""Of the matrix of resampled questions that is in memory at a time."""


class Estimate(Frozen):
    """A mean over questions and its interval at ``CONFIDENCE``."""

    value: float
    low: float
    high: float


class Difference(Estimate):
    """How much better one system is than another on the same questions.

    ``share_not_better`` is the share of resamples in which it is not better at all.
    """

    share_not_better: float


def score_rankings(
    gold: Sequence[Sequence[str]], rankings: Sequence[Sequence[str]]
) -> NDArray[np.float64]:
    """Every measure of every ranking; shape ``(questions, len(MEASURES))``.

    ``rankings`` holds document ids, best first; what is not in it was not found.
    """
    relevant = {str(n): dict.fromkeys(ids, 1) for n, ids in enumerate(gold)}
    # Scores that fall with the rank: ir-measures would order ties in its own way.
    found = {
        str(n): {document: float(-rank) for rank, document in enumerate(ranking)}
        for n, ranking in enumerate(rankings)
    }
    columns = {measure: column for column, measure in enumerate(MEASURES.values())}
    scores = np.zeros((len(gold), len(columns)))
    for metric in ir_measures.iter_calc(list(columns), relevant, found):
        scores[int(metric.query_id), columns[metric.measure]] = metric.value
    return scores


class Bootstrap:
    """Resampled means of each system's measures.

    ``scores``: by system, of shape (questions, measures); ``measures`` names their columns.
    """

    def __init__(
        self,
        scores: Mapping[str, NDArray[np.float64]],
        resamples: int = RESAMPLES,
        *,
        measures: Sequence[str] = tuple(MEASURES),
    ) -> None:
        self._measures = tuple(measures)
        self._means = {name: values.mean(axis=0) for name, values in scores.items()}
        stacked = np.stack(list(scores.values()), axis=1)
        questions = stacked.shape[0]
        flat = stacked.reshape(questions, -1)
        rng = np.random.default_rng(_SEED)
        chances = np.full(questions, 1 / questions)
        step = max(1, _CELLS // questions)
        blocks = []
        for start in range(0, resamples, step):
            # How often each question is drawn is all that a mean needs to know.
            drawn = rng.multinomial(questions, chances, size=min(step, resamples - start))
            blocks.append(drawn @ flat / questions)
        samples = np.concatenate(blocks).reshape(resamples, *stacked.shape[1:])
        self._samples = {name: samples[:, column] for column, name in enumerate(scores)}

    def estimates(self, system: str) -> dict[str, Estimate]:
        """By measure."""
        low, high = _interval(self._samples[system])
        return {
            name: Estimate(value=value, low=low[column], high=high[column])
            for column, (name, value) in enumerate(self._by_name(self._means[system]))
        }

    def differences(self, system: str, other: str) -> dict[str, Difference]:
        """``system`` minus ``other``, by measure."""
        samples = self._samples[system] - self._samples[other]
        low, high = _interval(samples)
        # A resample with equal means must not become "better" by a rounding error.
        not_better = (samples <= 1e-12).mean(axis=0)
        return {
            name: Difference(
                value=value,
                low=low[column],
                high=high[column],
                share_not_better=not_better[column],
            )
            for column, (name, value) in enumerate(
                self._by_name(self._means[system] - self._means[other])
            )
        }

    def _by_name(self, means: NDArray[np.float64]) -> list[tuple[str, float]]:
        return list(zip(self._measures, means.tolist(), strict=True))


class Calibration(Frozen):
    """Whether causes said to be 70% likely are right in 70% of the cases.

    ``said`` and ``right`` are of the first cause: its mean confidence, and how often it is right.
    ``error`` is the expected calibration error of all that were shown (Naeini et al., AAAI 2015):
    the distance between the two in ten equal bins, weighted by their sizes.
    """

    said: float
    right: float
    error: float


def calibration_of(said: Sequence[Sequence[float]], right: Sequence[int | None]) -> Calibration:
    """``said``: by case, the confidence in each cause that was shown, best first; ``right``: by
    case, the place of the right one from 0, or None where it was not shown."""
    chances = np.array([chance for case in said for chance in case])
    hits = np.array(
        [
            float(place == answer)
            for case, answer in zip(said, right, strict=True)
            for place in range(len(case))
        ]
    )
    bins = np.minimum((chances * _BINS).astype(int), _BINS - 1)
    error = sum(
        abs(float(chances[bins == one].sum() - hits[bins == one].sum())) for one in set(bins)
    )
    return Calibration(
        said=float(np.mean([case[0] if case else 0.0 for case in said])),
        right=float(np.mean([answer == 0 for answer in right])),
        error=error / max(1, len(chances)),
    )


def _interval(samples: NDArray[np.float64]) -> tuple[list[float], list[float]]:
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(samples, [tail, 1 - tail], axis=0)
    return low.tolist(), high.tolist()
