"""How well causes are ranked, on incidents of the past whose cause is known.

Metrics only: the ranking sees onset, symptom, topology and series, never the answer, and no
document. Two published methods run beside it on the same cases. The rank of the true service
counts against us where it ties: every service that scores the same stands before it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from time import perf_counter
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from ingest.documents import Frozen
from service.causes.component_ranking import ComponentPolicy, Incident, rank_components
from service.causes.confidence import ConfidencePolicy, confidences
from service.evaluation.baselines import baro, n_sigma
from service.evaluation.cases import Case, read_cases, read_metrics
from service.evaluation.pairs import EvaluationError
from service.evaluation.statistics import (
    CONFIDENCE,
    RESAMPLES,
    Calibration,
    Difference,
    Estimate,
    calibration_of,
)
from service.metrics.table import MetricTable

PRODUCT = "why"
_DEPTH = 5
_SEED = 20_260_102

Ranker = Callable[[MetricTable, Incident], Mapping[str, float]]
"""Scores by service, higher is more likely the cause."""


class MetricsOfCase(Protocol):
    """Where the samples of a case are taken from."""

    def __call__(self, case: Case) -> MetricTable: ...


class SystemResult(Frozen):
    """One way of ranking on one set. ``accuracy``: share of cases whose true service is among
    the first k, by k. ``ms``: mean milliseconds a case; through a server, with the fetch."""

    name: str
    accuracy: dict[int, float]
    average: Estimate
    """Avg@5: the mean of AC@1 … AC@5."""
    ms: float
    ranks: tuple[int | None, ...]
    """Of the true service in each case; None where it has no metrics."""


class SetResult(Frozen):
    """One folder of cases. ``advantages``: the product's Avg@5 minus each other's, paired;
    ``calibration``: whether its confidence in the five causes is right."""

    name: str
    cases: int
    systems: tuple[SystemResult, ...]
    advantages: dict[str, Difference]
    calibration: Calibration | None


class CausesEvaluation(Frozen):
    """The result of ``evaluate_causes``. ``fetched``: the samples came over HTTP, which is then
    in the times."""

    sets: tuple[SetResult, ...]
    fetched: bool

    def as_json(self) -> dict[str, Any]:
        """JSON values: ``{"sets": [{"name", "cases", "systems": [{"name", "ac@1", "ac@3",
        "ac@5", "avg@5": {"value", "low", "high"}, "ms"}], "calibration"}]}``."""
        return {
            "sets": [
                {
                    "name": found.name,
                    "cases": found.cases,
                    "systems": [
                        {
                            "name": system.name,
                            **{f"ac@{k}": system.accuracy[k] for k in (1, 3, 5)},
                            "avg@5": system.average.model_dump(),
                            "ms": round(system.ms, 3),
                        }
                        for system in found.systems
                    ],
                    "calibration": found.calibration and found.calibration.model_dump(),
                }
                for found in self.sets
            ]
        }


def product_ranker(policy: ComponentPolicy | None = None) -> Ranker:
    """The product's own ranking."""
    chosen = policy or ComponentPolicy()

    def rank(table: MetricTable, incident: Incident) -> Mapping[str, float]:
        return {c.service: c.score for c in rank_components(table, incident, policy=chosen)}

    return rank


def evaluate_causes(
    folders: Sequence[Path],
    *,
    rankers: Mapping[str, Ranker] | None = None,
    through: Callable[[Sequence[Case]], AbstractContextManager[MetricsOfCase]] | None = None,
) -> CausesEvaluation:
    """Rank the services of every case in ``folders`` and compare with the truth.

    ``through`` opens a source of samples for a set; without it they come out of the files.
    Raises: EvaluationError.
    """
    chosen = rankers or {PRODUCT: product_ranker(), "nsigma": n_sigma, "baro": baro}
    names = _names(folders)
    sets = []
    for name, folder in names.items():
        cases = read_cases(folder)
        if through is None:
            sets.append(_evaluate(name, cases, None, chosen))
            continue
        with through(cases) as fetch:
            sets.append(_evaluate(name, cases, fetch, chosen))
    return CausesEvaluation(sets=tuple(sets), fetched=through is not None)


def rank_of(answer: str, scores: Mapping[str, float]) -> int | None:
    """The rank of the true service, from 1; of equals the last. None where it has no score."""
    own = scores.get(answer)
    # Not "score >= own": a score that is no number must not push the answer up.
    return None if own is None else sum(not score < own for score in scores.values())


def accuracy_at(ranks: Sequence[int | None]) -> NDArray[np.float64]:
    """Whether each case's rank is within 1 … 5; shape ``(cases, 5)``."""
    return np.array(
        [[float(r is not None and r <= k) for k in range(1, _DEPTH + 1)] for r in ranks]
    )


def _names(folders: Sequence[Path]) -> dict[str, Path]:
    """By the folder's own name. Raises: EvaluationError where two are named alike."""
    named: dict[str, Path] = {}
    for folder in folders:
        name = folder.resolve().name
        if name in named:
            raise EvaluationError(f"{named[name]} and {folder} have the same name")
        named[name] = folder
    return named


def _evaluate(
    name: str,
    cases: Sequence[Case],
    fetch: MetricsOfCase | None,
    rankers: Mapping[str, Ranker],
) -> SetResult:
    ranks: dict[str, list[int | None]] = {ranker: [] for ranker in rankers}
    seconds = dict.fromkeys(rankers, 0.0)
    said: list[list[float]] = []
    for case in cases:
        started = perf_counter()
        table = read_metrics(case) if fetch is None else fetch(case)
        # Reading a file is no part of a ranking; asking a server is.
        waited = 0.0 if fetch is None else perf_counter() - started
        for ranker, rank in rankers.items():
            started = perf_counter()
            scores = rank(table, case.incident)
            seconds[ranker] += waited + perf_counter() - started
            ranks[ranker].append(rank_of(case.answer, scores))
            if ranker == PRODUCT:
                best = sorted(scores.values(), reverse=True)[:_DEPTH]
                said.append(confidences(best, ConfidencePolicy()))
    within = {ranker: accuracy_at(found) for ranker, found in ranks.items()}
    resampled = _resampled({ranker: found.mean(axis=1) for ranker, found in within.items()})
    systems = []
    for ranker, found in within.items():
        low, high = _interval(resampled[ranker])
        systems.append(
            SystemResult(
                name=ranker,
                accuracy={k: float(found[:, k - 1].mean()) for k in range(1, _DEPTH + 1)},
                average=Estimate(value=float(found.mean()), low=low, high=high),
                ms=1000 * seconds[ranker] / len(cases),
                ranks=tuple(ranks[ranker]),
            )
        )
    advantages = {}
    for ranker in rankers:
        if ranker == PRODUCT or PRODUCT not in rankers:
            continue
        difference = resampled[PRODUCT] - resampled[ranker]
        low, high = _interval(difference)
        advantages[ranker] = Difference(
            value=float(within[PRODUCT].mean() - within[ranker].mean()),
            low=low,
            high=high,
            share_not_better=float((difference <= 1e-12).mean()),
        )
    calibration = None
    if PRODUCT in rankers:
        places = [None if rank is None else rank - 1 for rank in ranks[PRODUCT]]
        calibration = calibration_of(said, places)
    return SetResult(
        name=name,
        cases=len(cases),
        systems=tuple(systems),
        advantages=advantages,
        calibration=calibration,
    )


def _resampled(scores: Mapping[str, NDArray[np.float64]]) -> dict[str, NDArray[np.float64]]:
    """Means of the same resampled cases for every system (Efron & Tibshirani 1993)."""
    cases = len(next(iter(scores.values())))
    drawn = np.random.default_rng(_SEED).multinomial(
        cases, np.full(cases, 1 / cases), size=RESAMPLES
    )
    return {name: drawn @ values / cases for name, values in scores.items()}


def _interval(samples: NDArray[np.float64]) -> tuple[float, float]:
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(samples, [tail, 1 - tail])
    return float(low), float(high)


def render_causes(result: CausesEvaluation) -> RenderableType:
    """The result for a terminal."""
    parts: list[RenderableType] = []
    for found in result.sets:
        table = Table(title=f"Causes: {found.name} ({found.cases} cases)")
        table.add_column("system")
        for column in ("AC@1", "AC@3", "AC@5", "Avg@5", "ms a case"):
            table.add_column(column, justify="right")
        for system in found.systems:
            average = system.average
            table.add_row(
                system.name,
                *(f"{system.accuracy[k]:.3f}" for k in (1, 3, 5)),
                f"{average.value:.3f}  {average.low:.3f}–{average.high:.3f}",
                f"{system.ms:.1f}",
            )
        parts.append(table)
        for other, better in found.advantages.items():
            parts.append(
                Text(
                    f"{PRODUCT} − {other}: {better.value:+.3f} "
                    f"({better.low:+.3f} to {better.high:+.3f})"
                )
            )
        if found.calibration is not None:
            sure = found.calibration
            parts.append(
                Text(
                    f"The first cause is said to be {sure.said:.0%} likely and is right in "
                    f"{sure.right:.0%}; expected calibration error {sure.error:.3f}"
                )
            )
    fetched = ", times with the fetch over HTTP" if result.fetched else ""
    parts.append(
        Text(
            f"Metrics only{fetched}. AC@k: share of cases whose true service is among the first "
            f"k, ties against it; Avg@5: mean of AC@1 … AC@5. Intervals: {CONFIDENCE:.0%}, "
            f"bootstrap over cases ({RESAMPLES} resamples)."
        )
    )
    return Group(*parts)
