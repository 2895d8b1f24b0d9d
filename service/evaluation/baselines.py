"""The two methods that every ranking of causes has to beat, as their papers have them.

Both compare each metric with its normal period, all of it before the onset, and score a service
by its most deviating metric. Where the symptom names a metric, only that metric is looked at, as
in the experiments of PetShop (Hardt et al., CLeaR 2024), which makes them stronger there.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from service.causes.component_ranking import Incident
from service.metrics.table import MetricTable

Array = NDArray[np.float64]


def n_sigma(table: MetricTable, incident: Incident) -> dict[str, float]:
    """By service: the largest distance from the mean, in standard deviations.

    (Lin et al., Microscope, ICSOC 2018.)
    """
    return _scores(table, incident, lambda past: (float(past.mean()), float(past.std())))


def baro(table: MetricTable, incident: Incident) -> dict[str, float]:
    """By service: the largest distance from the median, in interquartile ranges.

    The RobustScorer of BARO (Pham, Ha and Zhang, FSE 2024), with the onset given instead of its
    change point detection. As in scikit-learn's RobustScaler, which it uses, a range of zero
    counts as one.
    """

    def median_and_range(past: Array) -> tuple[float, float]:
        low, middle, high = np.quantile(past, [0.25, 0.5, 0.75])
        return float(middle), float(high - low)

    return _scores(table, incident, median_and_range)


def _scores(
    table: MetricTable, incident: Incident, centre_and_scale: Callable[[Array], tuple[float, float]]
) -> dict[str, float]:
    metric = incident.symptom.metric if incident.symptom else None
    before = table.times < incident.onset
    within = (table.times >= incident.onset) & (table.times <= incident.until)
    scores = dict.fromkeys(table.services, 0.0)
    for service, name, values in zip(table.services, table.metrics, table.values, strict=True):
        if metric is not None and name != metric:
            continue
        past, inside = values[before], values[within]
        past, inside = past[np.isfinite(past)], inside[np.isfinite(inside)]
        if not len(past) or not len(inside):
            continue
        centre, scale = centre_and_scale(past)
        found = float(np.abs(inside - centre).max()) / (scale or 1.0)
        scores[service] = max(scores[service], found)
    return scores
