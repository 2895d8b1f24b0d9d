"""Made-up series for the tests of the component ranking: an hour of calm, then five minutes."""

from collections.abc import Mapping, Sequence

import numpy as np

from service.causes.component_ranking import Incident
from service.metrics.table import MetricTable

STEP = 60.0
BEFORE, WITHIN = 60, 5
ONSET = BEFORE * STEP
UNTIL = ONSET + WITHIN * STEP
INCIDENT = Incident(onset=ONSET, until=UNTIL)


def noise(level: float, seed: int) -> np.ndarray:
    """Calm values around a level."""
    samples = np.random.default_rng(seed).normal(level, 0.02 * level, BEFORE + WITHIN)
    return np.asarray(samples)


def then(values: np.ndarray, inside: Sequence[float] | float) -> np.ndarray:
    """The same before the onset, and these within the incident."""
    changed = values.copy()
    changed[BEFORE:] = inside
    return changed


def table(series: Mapping[tuple[str, str], np.ndarray]) -> MetricTable:
    """From values by service and metric."""
    return MetricTable(
        times=STEP * np.arange(BEFORE + WITHIN),
        values=np.array(list(series.values()), dtype=float),
        services=[service for service, _ in series],
        metrics=[metric for _, metric in series],
    )
