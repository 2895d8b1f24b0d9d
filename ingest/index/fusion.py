"""Two ranked lists → one, by the formulas that Qdrant's fusions have.

- Reciprocal rank fusion (Cormack et al. 2009), weighted as Qdrant does it.
- Distribution-based score fusion: each list's scores are scaled by their mean and three standard
  deviations, then added (https://qdrant.tech/documentation/concepts/hybrid-queries/).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

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
    values = np.asarray(scores, np.float64)
    if not len(values) or values.min() == values.max():
        return [0.5] * len(values)
    spread = 2 * _SPREAD * values.std(ddof=1)
    parts: list[float] = (0.5 + (values - values.mean()) / spread).tolist()
    return parts
