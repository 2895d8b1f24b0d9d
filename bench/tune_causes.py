"""Fit the constants of the component ranking: ``python -m bench.tune_causes``.

Every setting of a coarse grid of round numbers is scored on the first half of nezha_ob (by the
time of the fault) and on nothing else. A constant leaves its default only for a value that does
better by ``--margin`` on average over all settings of the others: that is harder to overfit with
28 cases than the best single setting. The choice is then scored on the second half and on
petshop_low.

Not fitted: what weighs the symptom and the call graph (``unrelated``, ``victim``,
``accounted``), because nezha_ob has neither; and ``tail``, which is a decision for series of
few requests (docs/benchmarks.md).
"""

from __future__ import annotations

import argparse
import itertools
from collections import defaultdict
from datetime import timedelta
from typing import Any

import numpy as np

from bench.causes import average_at_5, halves, with_policy
from bench.shared_data import add_data_option
from service.causes.component_ranking import ComponentPolicy

DEVIATION: dict[str, tuple[Any, ...]] = {
    "history": tuple(timedelta(minutes=m) for m in (30, 60, 120)),
    "recent": tuple(timedelta(minutes=m) for m in (5, 10, 20)),
    "floor": (0.05, 0.1, 0.2, 0.4),
    "steady_floor": (0.002, 0.005, 0.02),
}
RANKING: dict[str, tuple[float, ...]] = {
    # Not 0: in other systems, a fault may show in no other kind of metric.
    "consequence": (0.1, 0.25, 0.5, 1.0),
    "relief": (0.25, 0.5, 1.0),
}


def policy_of(setting: dict[str, Any]) -> ComponentPolicy:
    default = ComponentPolicy()
    deviation = {name: value for name, value in setting.items() if name in DEVIATION}
    ranking = {name: value for name, value in setting.items() if name in RANKING}
    scores = default.deviation.model_copy(update=deviation)
    return default.model_copy(update={**ranking, "deviation": scores})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_data_option(parser)
    parser.add_argument("--margin", type=float, default=0.015, help="Avg@5 (default: 0.015)")
    arguments = parser.parse_args()
    parts = halves(arguments.data)
    tuning = parts["nezha_ob, first half"]
    grid = {**DEVIATION, **RANKING}
    scores: dict[tuple[str, Any], list[float]] = defaultdict(list)
    best: tuple[float, dict[str, Any]] = (0.0, {})
    for values in itertools.product(*grid.values()):
        setting = dict(zip(grid, values, strict=True))
        score = average_at_5(tuning, with_policy(policy_of(setting)))
        best = max(best, (score, setting), key=lambda found: found[0])
        for name, value in setting.items():
            scores[name, value].append(score)
    default = ComponentPolicy()
    chosen: dict[str, Any] = {}
    for name, values in grid.items():
        means = {value: float(np.mean(scores[name, value])) for value in values}
        known = getattr(default.deviation if name in DEVIATION else default, name)
        top = max(values, key=lambda value: means[value])
        chosen[name] = top if means[top] >= means[known] + arguments.margin else known
        shown = ", ".join(f"{value}: {mean:.3f}" for value, mean in means.items())
        print(f"{name}: {chosen[name]} (default {known}; {shown})")
    print(f"best single setting on the first half: {best[0]:.3f}")
    policies = {"chosen": policy_of(chosen), "best single": policy_of(best[1]), "in use": default}
    for label, policy in policies.items():
        for name, cases in parts.items():
            print(f"{label}, {name}: {average_at_5(cases, with_policy(policy)):.3f}")


if __name__ == "__main__":
    main()
