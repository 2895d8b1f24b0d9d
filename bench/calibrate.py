"""Fit how likely a cause of a given score is: ``python -m bench.calibrate``.

The two numbers of ``ConfidencePolicy`` by maximum likelihood on the first half of nezha_ob (by the
time of the fault) and on nothing else; then the calibration on every half, with what is in use.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

import numpy as np
from scipy.optimize import minimize

from bench.causes import Loaded, halves
from bench.shared_data import add_data_option
from service.causes.component_ranking import ComponentPolicy, rank_components
from service.causes.confidence import ConfidencePolicy, confidences
from service.evaluation.statistics import calibration_of

_SHOWN = 5


def ranked(cases: Loaded) -> list[tuple[list[float], int | None]]:
    """By case: the scores of the five best, and the place of the right one from 0."""
    found = []
    for case, table in cases:
        best = rank_components(table, case.incident, policy=ComponentPolicy())[:_SHOWN]
        places = [n for n, component in enumerate(best) if component.service == case.answer]
        found.append(([component.score for component in best], places[0] if places else None))
    return found


def fit(cases: Sequence[tuple[list[float], int | None]]) -> ConfidencePolicy:
    """The policy under which these answers are likeliest."""

    def unlikelihood(parameters: Sequence[float]) -> float:
        policy = ConfidencePolicy(temperature=np.exp(parameters[0]), none=parameters[1])
        total = 0.0
        for scores, answer in cases:
            said = confidences(scores, policy)
            chance = 1.0 - sum(said) if answer is None else said[answer]
            total -= np.log(max(chance, 1e-9))
        return total

    starts = ((-2.0, 0.5), (-1.0, 0.0), (0.0, -1.0))
    fits = [minimize(unlikelihood, start, method="Nelder-Mead") for start in starts]
    temperature, none = min(fits, key=lambda found: float(found.fun)).x
    return ConfidencePolicy(temperature=float(np.exp(temperature)), none=float(none))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_data_option(parser)
    parts = {name: ranked(cases) for name, cases in halves(parser.parse_args().data).items()}
    fitted = fit(parts["nezha_ob, first half"])
    print(f"fitted: temperature {fitted.temperature:.3f}, none {fitted.none:.3f}")
    print(
        "| with what is in use | said | right | calibration error |\n| --- | ---: | ---: | ---: |"
    )
    for name, cases in parts.items():
        found = calibration_of(
            [confidences(scores, ConfidencePolicy()) for scores, _ in cases],
            [answer for _, answer in cases],
        )
        print(f"| {name} | {found.said:.3f} | {found.right:.3f} | {found.error:.3f} |")


if __name__ == "__main__":
    main()
