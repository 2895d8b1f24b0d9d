"""Two ranked lists → one, by the formulas that Qdrant's fusions have.

- Reciprocal rank fusion (Cormack et al. 2009), weighted as Qdrant does it.
- Distribution-based score fusion: each list's scores are scaled by their mean and three standard
  deviations, then added (https://qdrant.tech/documentation/concepts/hybrid-queries/).
"""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean, stdev

from ingest.index.base import FusionMethod, HybridQuery

_SPREAD = 3
"""Standard deviations around the mean that scores are scaled by."""


def fused(
    query: HybridQuery, dense: Sequence[tuple[str, float]], sparse: Sequence[tuple[str, float]]
) -> dict[str, float]:
    """Chunk → fused score. The lists: chunk and score, best first."""
    total: dict[str, float] = {}
    for found, weight in zip((dense, sparse), query.weights, strict=True):
        if query.fusion is FusionMethod.RRF:
            parts = [1 / (query.rrf_k + rank / weight) for rank in range(1, len(found) + 1)]
        else:
            parts = scaled([score for _, score in found])
        for (chunk, _), part in zip(found, parts, strict=True):
            total[chunk] = total.get(chunk, 0.0) + part
    return total


def scaled(scores: Sequence[float]) -> list[float]:
    """So that the mean is a half and ``_SPREAD`` deviations reach 0 and 1."""
    spread = stdev(scores) if len(scores) > 1 else 0.0
    if spread == 0.0:
        return [0.5] * len(scores)
    mean = fmean(scores)
    return [0.5 + (score - mean) / (2 * _SPREAD * spread) for score in scores]
