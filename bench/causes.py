"""How well causes are ranked, as the tables of docs/benchmarks.md: ``python -m bench.causes``.

The product and both baselines on every set, then each part of the ranking taken away, by halves:
constants were fitted on the first half of nezha_ob (``python -m bench.tune_causes``), so the
second half and petshop_low are the test.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from time import perf_counter

import numpy as np

from bench.shared_data import add_data_option
from service.causes.component_ranking import (
    ComponentPolicy,
    Incident,
    RankedComponent,
    rank_components,
)
from service.causes.deviations import DeviationPolicy, deviations
from service.evaluation.cases import Case, read_cases, read_metrics
from service.evaluation.causes import CausesEvaluation, accuracy_at, evaluate_causes, rank_of
from service.metrics.kinds import MetricKind
from service.metrics.table import MetricTable

SETS = ("nezha_ob", "petshop_low")
Loaded = Sequence[tuple[Case, MetricTable]]


def load(folder: Path) -> list[tuple[Case, MetricTable]]:
    """The cases of a set with their samples, by onset. Ends the program where they are missing."""
    if not folder.is_dir():
        raise SystemExit(f"not here: {folder}; name the folder of rca/ with --data")
    cases = sorted(read_cases(folder), key=lambda case: case.incident.onset)
    return [(case, read_metrics(case)) for case in cases]


def halves(data: Path) -> dict[str, Loaded]:
    """Each set in two halves, by the time of the fault."""
    found: dict[str, Loaded] = {}
    for name in SETS:
        cases = load(data / "rca" / name)
        middle = len(cases) // 2
        found[f"{name}, first half"] = cases[:middle]
        found[f"{name}, second half"] = cases[middle:]
    return found


Ranking = Callable[[MetricTable, Incident], Sequence[RankedComponent]]


def average_at_5(cases: Loaded, rank: Ranking) -> float:
    """Avg@5, ties against us."""
    ranks = [
        rank_of(case.answer, {c.service: c.score for c in rank(table, case.incident)})
        for case, table in cases
    ]
    return float(accuracy_at(ranks).mean())


def with_policy(policy: ComponentPolicy) -> Ranking:
    return lambda table, incident: rank_components(table, incident, policy=policy)


def ablations() -> dict[str, Ranking]:
    """By what was changed, of the ranking or of what it is told."""
    full = ComponentPolicy()
    scores = full.deviation

    def deviating(**changes: object) -> Ranking:
        changed = scores.model_copy(update=changes)
        return with_policy(full.model_copy(update={"deviation": changed}))

    def policy(**changes: object) -> Ranking:
        return with_policy(full.model_copy(update=changes))

    return {
        "full": with_policy(full),
        "one level (60 min)": deviating(recent=scores.history),
        "no tail in the scale": deviating(tail=0.0),
        "nearly no floor": deviating(floor=0.01, steady_floor=0.01),
        "memory's floor as the others'": deviating(steady_floor=scores.floor),
        "both directions alike": policy(relief=1.0),
        "only the direction that hurts": policy(relief=0.0),
        "all kinds alike": policy(consequence=1.0),
        "symptom's kind like others": policy(unrelated=1.0),
        "no bookkeeping": policy(accounted=0.0),
        "no bookkeeping, no victims": policy(accounted=0.0, victim=0.0),
        "bookkeeping alone": policy(accounted=1.0),
        "told no traffic": _told(full, lambda table: _without(table, MetricKind.TRAFFIC)),
        "told no topology": _told(full, topology=()),
        "told no symptom": _told(full, symptom=None),
        "told neither": _told(full, topology=(), symptom=None),
    }


def _told(
    policy: ComponentPolicy,
    of_table: Callable[[MetricTable], MetricTable] = lambda table: table,
    **changes: object,
) -> Ranking:
    def rank(table: MetricTable, incident: Incident) -> Sequence[RankedComponent]:
        known = incident.model_copy(update=changes)
        return rank_components(of_table(table), known, policy=policy)

    return rank


def _without(table: MetricTable, kind: MetricKind) -> MetricTable:
    return table.select([n for n, found in enumerate(table.kinds) if found is not kind])


def seconds_for(series: int, points: int) -> float:
    """Seconds to score this many series of this many points a minute apart, five of them inside."""
    rng = np.random.default_rng(0)
    table = MetricTable(
        times=60.0 * np.arange(points),
        values=rng.gamma(2.0, size=(series, points)),
        services=[f"service-{n % 100}" for n in range(series)],
        metrics=[f"metric_{n // 100}" for n in range(series)],
    )
    onset = 60.0 * (points - 5)
    policy = DeviationPolicy(history=timedelta(seconds=60 * points))
    started = perf_counter()
    deviations(table, onset=onset, until=60.0 * points, policy=policy)
    return perf_counter() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_data_option(parser)
    data = parser.parse_args().data
    print(systems_table(evaluate_causes([data / "rca" / name for name in SETS])))
    parts = halves(data)
    print()
    print(ablation_table(parts, ablations()))
    print()
    print(f"5,000 series × 1,440 points, all of them history: {seconds_for(5000, 1440):.2f} s")


def systems_table(result: CausesEvaluation) -> str:
    lines = [_row("set", "system", "AC@1", "AC@3", "AC@5", "Avg@5", "ms a case")]
    lines.append(_row("---", "---", *["---:"] * 5))
    for found in result.sets:
        for system in found.systems:
            average = system.average
            lines.append(
                _row(
                    f"{found.name} ({found.cases})",
                    system.name,
                    *(f"{system.accuracy[k]:.3f}" for k in (1, 3, 5)),
                    f"**{average.value:.3f}** {average.low:.3f}–{average.high:.3f}",
                    f"{system.ms:.1f}",
                )
            )
        for other, better in found.advantages.items():
            lines.append(
                _row(
                    found.name,
                    f"why − {other}",
                    *[""] * 3,
                    f"**{better.value:+.3f}** {better.low:+.3f} to {better.high:+.3f}",
                    "",
                )
            )
    return "\n".join(lines)


def ablation_table(parts: Mapping[str, Loaded], rankings: Mapping[str, Ranking]) -> str:
    lines = [_row("Avg@5", *parts), _row("---", *["---:"] * len(parts))]
    for name, rank in rankings.items():
        lines.append(_row(name, *(f"{average_at_5(cases, rank):.3f}" for cases in parts.values())))
    return "\n".join(lines)


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    main()
