"""Deviations that survive units, gaps, constants, spikes and a past with other faults in it."""

import time
from datetime import timedelta

import numpy as np
import pytest

from service.causes.deviations import DeviationPolicy, deviations
from service.metrics.table import MetricTable
from tests.service.causes.incidents import BEFORE, ONSET, STEP, UNTIL, WITHIN, noise, table, then

POLICY = DeviationPolicy()


def deviation_of(metric: str, values: np.ndarray) -> float:
    return float(
        deviations(table({("a", metric): values}), onset=ONSET, until=UNTIL, policy=POLICY)[0]
    )


def test_a_level_that_rises_is_positive_and_one_that_falls_negative() -> None:
    assert deviation_of("cpu", then(noise(10, 1), 50)) > 3
    assert deviation_of("cpu", then(noise(10, 1), 2)) < -3
    assert abs(deviation_of("cpu", noise(10, 1))) < 0.5


def test_the_unit_makes_no_difference() -> None:
    seconds = then(noise(0.05, 2), 0.4)
    assert deviation_of("latency", seconds) == pytest.approx(deviation_of("latency", 1e6 * seconds))


def test_a_step_of_a_constant_is_large_but_finite() -> None:
    step = then(np.full(BEFORE + WITHIN, 5.0), 50.0)
    assert 3 < deviation_of("cpu", step) < 100
    assert deviation_of("cpu", np.full(BEFORE + WITHIN, 5.0)) == 0
    assert deviation_of("cpu", np.zeros(BEFORE + WITHIN)) == 0


def test_errors_where_there_were_none_deviate() -> None:
    assert deviation_of("errors", then(np.zeros(BEFORE + WITHIN), 3.0)) > 3


def test_one_wild_sample_is_no_change() -> None:
    calm = noise(10, 3)
    assert abs(deviation_of("cpu", then(calm, [10, 10, 900, 10, 10]))) < 0.5


def test_a_series_that_is_often_wild_deviates_less_by_the_same_level() -> None:
    often = np.where(np.arange(BEFORE + WITHIN) % 4 == 0, 80.0, 10.0)
    assert deviation_of("cpu", then(often, 80)) < deviation_of("cpu", then(noise(10, 3), 80)) / 3


def test_another_fault_in_the_past_hides_nothing() -> None:
    dirty = then(noise(10, 4), 60)
    dirty[20:30] = 500
    assert deviation_of("cpu", dirty) > 0.8 * deviation_of("cpu", then(noise(10, 4), 60))


def test_what_changed_long_before_the_onset_deviates_less() -> None:
    old = noise(10, 5)
    old[35:] = noise(40, 6)[35:]
    assert deviation_of("cpu", old) < 0.7 * deviation_of("cpu", then(noise(10, 5), 40))


def test_gaps_are_no_values() -> None:
    gappy = then(noise(10, 7), 60)
    gappy[::3] = np.nan
    assert deviation_of("cpu", gappy) == pytest.approx(
        deviation_of("cpu", then(noise(10, 7), 60)), rel=0.2
    )
    assert deviation_of("cpu", then(noise(10, 7), np.nan)) == 0
    unseen = then(np.full(BEFORE + WITHIN, np.nan), 5.0)
    assert deviation_of("cpu", unseen) == 0
    infinite = then(noise(10, 7), 60)
    infinite[3] = np.inf
    assert np.isfinite(deviation_of("cpu", infinite))


def test_availability_is_compared_by_what_is_missing() -> None:
    percent = then(np.full(BEFORE + WITHIN, 100.0), 97.0)
    assert deviation_of("availability", percent) < -2
    assert deviation_of("availability", percent / 100) == pytest.approx(
        deviation_of("availability", percent)
    )
    assert abs(deviation_of("throughput", percent)) < 0.2


def test_memory_is_held_to_smaller_steps_than_the_rest() -> None:
    step = then(np.full(BEFORE + WITHIN, 200.0), 206.0)
    assert deviation_of("memory_usage", step) > 3 > deviation_of("cpu_usage", step)


def test_without_samples_on_one_side_nothing_deviates() -> None:
    one = table({("a", "cpu"): noise(10, 1)})
    assert deviations(one, onset=0.0, until=UNTIL, policy=POLICY).tolist() == [0.0]
    assert deviations(one, onset=1e6, until=2e6, policy=POLICY).tolist() == [0.0]


def test_five_thousand_series_of_a_day_take_less_than_a_second() -> None:
    points = 1440
    many = MetricTable(
        times=STEP * np.arange(points),
        values=np.random.default_rng(0).gamma(2.0, size=(5000, points)),
        services=[f"service-{n % 100}" for n in range(5000)],
        metrics=[f"metric_{n // 100}" for n in range(5000)],
    )
    onset = STEP * (points - WITHIN)
    started = time.process_time()
    deviations(many, onset=onset, until=STEP * points, policy=POLICY)
    assert time.process_time() - started < 1
    # Even where all of the day is the past that is looked at.
    whole = DeviationPolicy(history=timedelta(seconds=STEP * points))
    started = time.process_time()
    deviations(many, onset=onset, until=STEP * points, policy=whole)
    assert time.process_time() - started < 2
