"""The fast search for episodes finds what the plain rule finds, in one series and in thousands."""

from datetime import timedelta
from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from service.metrics.signals import SignalPolicy, find_episodes, worth_examining
from service.metrics.source import Series

Floats = NDArray[np.float64]

STEP = timedelta(minutes=2)
# Low thresholds find episodes in noise, too.
POLICIES = (SignalPolicy(), SignalPolicy(threshold=3, calm=1.5, measurements=2))


def plain_start(values: Floats, policy: SignalPolicy, counted_over: timedelta | None) -> int | None:
    """Where the first episode begins, as the docstrings say it: position by position."""

    def samples(duration: timedelta) -> int:
        return round(duration / STEP)

    changes = np.flatnonzero(np.diff(values))
    repeats = int(np.quantile(np.diff(changes), 0.25, method="lower")) if len(changes) >= 8 else 1
    persistence = max(2, samples(policy.persistence))
    lasting = max(persistence, (policy.measurements - 1) * min(repeats, persistence) + 1)
    if counted_over is not None:
        lasting = max(lasting, samples(counted_over) + 1)
    runs = [np.abs(values[n : n + persistence]).min() for n in range(len(values) - persistence + 1)]
    least = max(5, samples(policy.minimum_history))
    for position in range(least, len(values) - lasting + 1):
        past = values[max(0, position - samples(policy.history)) : position]
        median = np.median(past)
        deviations = np.abs(past - median)
        settled = np.sort(deviations[: len(past) - samples(policy.settled)])
        span = samples(policy.history)
        largest = max(runs[max(0, position - span) : position + span + 1])
        floor = max(policy.relative_floor * abs(median), policy.noise_floor * largest, 1e-12)
        if counted_over is not None:
            seconds = counted_over.total_seconds()
            floor = max(floor, max(abs(median) * seconds, 1) ** 0.5 / seconds)
        scale = max(
            np.median(deviations) / NormalDist().inv_cdf(0.75),
            settled[int(policy.tail * (len(settled) - 1))]
            / NormalDist().inv_cdf((1 + policy.tail) / 2),
            floor,
        )
        run = (values[position : position + lasting] - median) / scale
        run *= np.sign(run[0])
        if run[0] >= policy.threshold and (run >= policy.threshold / 2).all():
            return position
    return None


@st.composite
def any_series(draw: st.DrawFn) -> Floats:
    """Noise of some kind, with steps, spikes, repeated scrapes and gaps."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    size = draw(st.integers(0, 300))
    kind = draw(st.sampled_from(["normal", "heavy", "counts", "constant", "walk", "small"]))
    values = {
        "normal": lambda: rng.normal(100, 3, size),
        "heavy": lambda: rng.lognormal(0, 1, size),
        "counts": lambda: rng.poisson(0.7, size).astype(float),
        "constant": lambda: np.full(size, draw(st.sampled_from([0.0, 7.0]))),
        "walk": lambda: np.cumsum(rng.normal(0, 1, size)),
        "small": lambda: rng.normal(-1e-7, 1e-9, size),
    }[kind]()
    spread = np.std(values) + abs(np.mean(values)) / 10 if size else 0.0
    for _ in range(draw(st.integers(0, 3))):
        start, length = draw(st.integers(0, 300)), draw(st.integers(1, 80))
        values[start : start + length] += draw(st.floats(-20, 20)) * spread
    values[-draw(st.integers(1, 8)) :] *= draw(st.sampled_from([1, 1, 30]))
    scrapes = draw(st.sampled_from([1, 3]))
    values = values[np.arange(size) // scrapes * scrapes]
    values[rng.random(size) < draw(st.sampled_from([0.0, 0.1]))] = np.nan
    return values


def answer_of(values: Floats) -> Series:
    return Series({}, np.arange(len(values)) * STEP.total_seconds(), values)


@settings(max_examples=300, deadline=None)
@given(
    any_series(),
    st.sampled_from(POLICIES),
    st.sampled_from([None, timedelta(minutes=8)]),
)
def test_the_first_episode_is_where_the_plain_rule_says(
    values: Floats, policy: SignalPolicy, counted_over: timedelta | None
) -> None:
    seen = values[np.isfinite(values)]
    found = find_episodes(seen, step=STEP, policy=policy, counted_over=counted_over)
    expected = plain_start(seen, policy, counted_over)
    assert (found[0].start if found else None) == expected


def test_a_series_shorter_than_a_deviation_has_none() -> None:
    policy = SignalPolicy(minimum_history=timedelta(0), persistence=timedelta(hours=1))
    for size in range(40):
        values = np.arange(size, dtype=np.float64) ** 4
        found = find_episodes(values, step=STEP, policy=policy)
        worth = worth_examining(
            [answer_of(values)], metric="latency", unit=None, step=STEP, policy=policy
        )
        assert bool(found) <= bool(worth[0])
        assert size >= 35 or not worth[0]


@settings(max_examples=60, deadline=None)
@given(st.lists(any_series(), max_size=12), st.sampled_from(POLICIES))
def test_no_series_with_an_episode_is_passed_over(
    values: list[Floats], policy: SignalPolicy
) -> None:
    answer = [answer_of(one) for one in values]
    worth = worth_examining(answer, metric="latency", unit=None, step=STEP, policy=policy)
    assert worth.shape == (len(answer),)
    for one, examined in zip(values, worth, strict=True):
        if find_episodes(one[np.isfinite(one)], step=STEP, policy=policy):
            assert examined


def test_calm_series_are_passed_over_and_a_fault_among_them_is_not() -> None:
    rng = np.random.default_rng(5)
    answer = [answer_of(rng.normal(100, 3, 720 - n)) for n in range(300)]
    answer[17].values[400:430] += 90
    worth = worth_examining(answer, metric="latency", unit="s", step=STEP, policy=SignalPolicy())
    assert np.flatnonzero(worth).tolist() == [17]


@pytest.mark.parametrize(("metric", "unit"), [("error_ratio", None), ("errors", "percentunit")])
def test_a_thousandth_more_of_a_ratio_is_not_worth_it(metric: str, unit: str | None) -> None:
    values = np.full(300, 0.0005)
    values[200:240] = 0.003

    def worth(metric: str, unit: str | None) -> bool:
        policy = SignalPolicy()
        found = worth_examining(
            [answer_of(values)], metric=metric, unit=unit, step=STEP, policy=policy
        )
        return bool(found[0])

    assert not worth(metric, unit)
    assert worth("latency", "s")
