"""Whether two PromQL queries agree: on what they read, on how they group, on what they give.

They agree on their metrics if they read the same set, on their grouping if their result is told
apart by the same labels (of the outermost aggregation; ``topk`` and the like keep those of what
they pick, ``histogram_quantile`` takes ``le`` away). Equal results are the same labels with the
same values.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ingest.documents import Frozen
from service.metrics.source import Series
from service.queries.expressions import Grouping, grouping_in, metrics_of, parse

_TOLERANCE = 1e-6


class Answer(Frozen):
    """What a query is compared by; None where there is no query."""

    metrics: frozenset[str]
    grouping: Grouping | None


def answer_of(query: str | None) -> Answer | None:
    """Raises: ValueError where it is no PromQL."""
    if query is None:
        return None
    return Answer(metrics=frozenset(metrics_of(parse(query))), grouping=grouping_in(query))


def agreement(answer: Answer | None, gold: Answer) -> tuple[float, float, float]:
    """Whether metrics, grouping and both agree."""
    if answer is None:
        return 0.0, 0.0, 0.0
    metrics, grouping = answer.metrics == gold.metrics, answer.grouping == gold.grouping
    return float(metrics), float(grouping), float(metrics and grouping)


def same_results(found: Sequence[Series], gold: Sequence[Series]) -> bool:
    """Whether two answers have the same series (but for the metric's name) with the same values."""
    if len(found) != len(gold):
        return False
    by_labels = {_labels(one): one for one in gold}
    return all(
        (other := by_labels.get(_labels(one))) is not None
        and np.array_equal(one.times, other.times)
        and np.allclose(one.values, other.values, rtol=_TOLERANCE, atol=0.0, equal_nan=True)
        for one in found
    )


def _labels(series: Series) -> frozenset[tuple[str, str]]:
    return frozenset((k, v) for k, v in series.labels.items() if k != "__name__")
