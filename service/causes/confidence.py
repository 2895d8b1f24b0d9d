"""Scores → how likely each cause is the right one.

A softmax over the scores and one more answer, "none of these" (a conditional logit model with an
outside option; McFadden 1974): a cause is likely if it stands out from the others and is well
supported itself. Its two numbers are fitted by ``python -m bench.calibrate`` on cases whose
answer is known, and tested on others; docs/benchmarks.md says how far they hold.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ingest.documents import Frozen


class ConfidencePolicy(Frozen):
    """Fitted by ``python -m bench.calibrate``."""

    temperature: float = 0.14
    """Score difference that makes one cause e times as likely as another."""
    none: float = 0.72
    """The score that "none of these" has."""


def confidences(scores: Sequence[float], policy: ConfidencePolicy) -> list[float]:
    """The probability, 0..1, that each cause is the right one; together at most 1."""
    utilities = np.array([*scores, policy.none]) / policy.temperature
    weights = np.exp(utilities - utilities.max())
    found: list[float] = (weights / weights.sum())[:-1].tolist()
    return found
