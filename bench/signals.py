"""How long thousands of series take to score: ``python -m bench.signals``.

5,000 series of 1,440 points, a minute apart, of every kind that monitoring brings: latencies with
memory, skewed and heavy-tailed ones, daily rhythms, rates of few events, constants, and gaps. A
share of them has a fault. Scored as the product does, on one core.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from time import perf_counter

import numpy as np
from numpy.typing import NDArray

from service.metrics.signals import SignalPolicy, signals_of, worth_examining
from service.metrics.source import Series, Window

Floats = NDArray[np.float64]

STEP = timedelta(minutes=1)
START = datetime(2026, 11, 11, tzinfo=UTC)
ROUNDS = 3
FAULT_MINUTES = 60


def with_memory(rng: np.random.Generator, points: int) -> Floats:
    """AR(1) with coefficient 0.6, as the sample night's."""
    steps: Floats = rng.normal(size=points)
    for index in range(1, points):
        steps[index] = 0.6 * steps[index - 1] + 0.8 * steps[index]
    values: Floats = 0.2 * (1 + 0.06 * steps)
    return values


def daily(rng: np.random.Generator, points: int) -> Floats:
    rhythm = 1 + 0.45 * np.sin(2 * np.pi * np.arange(points) / 1440)
    values: Floats = 100 * rhythm * (1 + rng.normal(0, 0.04, points))
    return values


def with_gaps(rng: np.random.Generator, points: int) -> Floats:
    values: Floats = rng.normal(50, 3, points)
    values[rng.random(points) < 0.1] = np.nan
    return values


KINDS: tuple[Callable[[np.random.Generator, int], Floats], ...] = (
    with_memory,
    daily,
    lambda rng, points: rng.gamma(2.0, size=points),
    lambda rng, points: rng.lognormal(0, 0.5, points),
    lambda rng, points: rng.poisson(1.0, points).astype(np.float64),
    lambda rng, points: np.full(points, 4000.0),
    with_gaps,
)


def made_up(count: int, points: int, faulty: float) -> list[Series]:
    """``count`` series, a share ``faulty`` of them with an hour at five times their level."""
    rng = np.random.default_rng(0)
    minutes = np.arange(points, dtype=np.float64)
    times = np.add(START.timestamp(), STEP.total_seconds() * minutes, dtype=np.float64)
    made = []
    for number in range(count):
        values = KINDS[number % len(KINDS)](rng, points)
        if rng.random() < faulty:
            onset = rng.integers(points // 4, points - FAULT_MINUTES)
            values[onset : onset + FAULT_MINUTES] *= 5
        seen = np.isfinite(values)
        made.append(Series({"service": f"service-{number}"}, times[seen], values[seen]))
    return made


def score(answer: list[Series], screened: bool) -> tuple[int, int]:
    """How many series were examined, and how many signals they gave."""
    window = Window(start=START, end=START + timedelta(days=1))
    policy = SignalPolicy()
    worth = (
        worth_examining(answer, metric="latency", unit=None, step=STEP, policy=policy)
        if screened
        else np.full(len(answer), True)
    )
    found = [
        signal
        for series, examined in zip(answer, worth, strict=True)
        if examined
        for signal in signals_of(
            series,
            query="latency",
            metric="latency",
            title="latency",
            unit=None,
            within=window,
            asked=window,
            step=STEP,
            policy=policy,
        )
    ]
    return int(worth.sum()), len(found)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--series", type=int, default=5000)
    parser.add_argument("--points", type=int, default=1440)
    options = parser.parse_args()
    print(f"| {options.series:,} series × {options.points:,} points | examined | signals | s |")
    print("| --- | ---: | ---: | ---: |")
    for faulty in (0.0, 0.03, 0.2):
        answer = made_up(options.series, options.points, faulty)
        for screened in (True, False):
            seconds = []
            for _ in range(ROUNDS):
                started = perf_counter()
                examined, signals = score(answer, screened)
                seconds.append(perf_counter() - started)
            how = "" if screened else ", each on its own"
            row = f"{faulty:.0%} with a fault{how}", f"{examined:,}", f"{signals:,}"
            print(f"| {' | '.join(row)} | {min(seconds):.2f} |", flush=True)


if __name__ == "__main__":
    main()
