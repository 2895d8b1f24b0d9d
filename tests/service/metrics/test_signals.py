"""When a metric counts as changed, since when, and which way is bad."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from numpy.typing import NDArray

from service.metrics.signals import (
    Episode,
    Signal,
    SignalPolicy,
    find_episodes,
    signals_of,
)
from service.metrics.source import Series, Window

STEP = timedelta(minutes=1)
START = datetime(2026, 11, 12, tzinfo=UTC)
POLICY = SignalPolicy()


def noise(minutes: int, level: float = 100.0, spread: float = 2.0) -> NDArray[np.float64]:
    return np.random.default_rng(7).normal(level, spread, minutes)


def episodes(
    values: NDArray[np.float64], counted_over: timedelta | None = None, ratio: bool = False
) -> list[Episode]:
    return find_episodes(values, step=STEP, policy=POLICY, counted_over=counted_over, ratio=ratio)


def signals(values: NDArray[np.float64], within: Window, metric: str = "queue_lag") -> list[Signal]:
    times = START.timestamp() + 60.0 * np.arange(len(values))
    return signals_of(
        Series({"service": "checkout", "__name__": metric}, times, values),
        query=metric,
        metric=metric,
        title=metric,
        unit=None,
        within=within,
        asked=within,
        step=STEP,
        policy=POLICY,
    )


def test_a_step_is_seen_at_its_first_minute_and_ends_when_it_is_over() -> None:
    values = noise(600)
    values[300:360] += 80
    (episode,) = episodes(values)
    assert (episode.start, episode.end) == (300, 360)
    assert 300 <= episode.peak < 360
    assert episode.deviation > 10


def test_a_drop_is_as_much_a_change_as_a_rise() -> None:
    values = noise(600)
    values[300:] -= 80
    (episode,) = episodes(values)
    assert episode.deviation < -10
    assert episode.end is None


def test_a_long_fault_does_not_become_its_own_baseline() -> None:
    values = noise(1000)
    values[300:800] += 80
    (episode,) = episodes(values)
    assert (episode.start, episode.end) == (300, 800)


def test_what_comes_back_after_a_recovery_is_a_second_episode_against_the_same_baseline() -> None:
    values = noise(900)
    values[300:400] += 80
    values[430:] += 80
    first, second = episodes(values)
    assert (first.start, first.end, second.start, second.end) == (300, 400, 430, None)
    assert values[second.before] == pytest.approx(100, abs=10)


@pytest.mark.parametrize("seed", range(5))
def test_noise_and_the_daily_rhythm_are_no_signal(seed: int) -> None:
    minutes = np.arange(1440)
    rhythm = 100 + 40 * np.sin(2 * np.pi * minutes / 1440)
    assert episodes(rhythm + np.random.default_rng(seed).normal(0, 3, 1440)) == []


def test_a_single_spike_is_no_signal() -> None:
    values = noise(600)
    values[300] += 500
    assert episodes(values) == []


@pytest.mark.parametrize("seed", range(5))
def test_percentiles_of_few_requests_are_wild_and_no_signal(seed: int) -> None:
    rng = np.random.default_rng(seed)
    assert episodes(rng.lognormal(0, 0.7, 1440)) == []
    assert episodes(rng.poisson(1.0, 1440).astype(float)) == []


def test_a_value_repeated_until_the_next_scrape_is_one_measurement() -> None:
    def scraped_every_five_minutes(scrapes: int) -> NDArray[np.float64]:
        values = noise(120)
        values[60 : 60 + scrapes] += 80
        return np.repeat(values, 5)

    assert episodes(scraped_every_five_minutes(1)) == []
    assert episodes(scraped_every_five_minutes(2)) == []
    (episode,) = episodes(scraped_every_five_minutes(3))
    assert (episode.start, episode.end) == (300, 315)


def test_what_seldom_changes_is_not_taken_for_seldom_measured() -> None:
    replicas = np.repeat(np.resize([30.0, 31.0], 20), 60)
    replicas[700:712] = 60.0
    (episode,) = episodes(replicas)
    assert episode.start == 700


def test_one_burst_is_in_a_rate_for_as_long_as_its_window_and_no_signal() -> None:
    window = timedelta(minutes=8)
    rate = np.full(600, 0.2)
    rate[300:308] = 2.0
    assert episodes(rate, counted_over=window) == []
    rate[300:320] = 2.0
    assert len(episodes(rate, counted_over=window)) == 1


def test_a_slow_leak_does_not_hide_in_the_spread_that_it_makes() -> None:
    values = noise(900)
    values[400:] += 5.0 * np.arange(500)
    (episode,) = episodes(values)
    assert 400 < episode.start < 470
    assert episode.end is None


def test_one_wild_sample_hides_no_later_fault() -> None:
    values = noise(600)
    values[150] = 60_000
    values[300:360] += 80
    (episode,) = episodes(values)
    assert episode.start == 300


def test_another_fault_in_the_past_hides_no_later_one() -> None:
    values = noise(600)
    values[200:240] += 300
    values[300:360] += 80
    before, after = episodes(values)
    assert (before.start, before.end, after.start, after.end) == (200, 240, 300, 360)
    assert values[after.before] == pytest.approx(100, abs=5)


def test_bytes_and_megabytes_are_the_same_change() -> None:
    values = noise(600, level=4e8, spread=4e6)
    values[300:360] += 2e8
    in_bytes, in_megabytes = episodes(values), episodes(values / 1e6)
    assert [e.start for e in in_bytes] == [e.start for e in in_megabytes] == [300]
    assert in_bytes[0].deviation == pytest.approx(in_megabytes[0].deviation)


def test_a_constant_series_says_nothing_and_a_tiny_wobble_of_it_neither() -> None:
    values = np.full(600, 1000.0)
    assert episodes(values) == []
    values[300:400] += 5  # half a percent, on a spread of zero
    assert episodes(values) == []


def test_a_few_more_events_than_usual_are_chance_and_many_are_not() -> None:
    window = timedelta(minutes=5)
    rate = np.full(600, 2 / 300)  # two events in five minutes
    rate[300:330] = 6 / 300
    assert episodes(rate) != []
    assert episodes(rate, counted_over=window) == []
    rate[300:330] = 60 / 300
    assert len(episodes(rate, counted_over=window)) == 1


def test_a_thousandth_more_of_a_ratio_is_nothing() -> None:
    values = np.full(600, 0.0005)
    values[300:400] = 0.003
    assert episodes(values, ratio=True) == []
    values[300:400] = 0.06
    assert len(episodes(values, ratio=True)) == 1


def test_without_enough_past_nothing_is_said() -> None:
    values = np.concatenate([np.full(20, 1.0), np.full(15, 100.0)])
    assert episodes(values) == []


def test_missing_samples_are_no_change() -> None:
    values = noise(600)
    values[300:330] = np.nan
    assert signals(values, Window(start=START, end=START + timedelta(hours=10))) == []


def test_a_signal_carries_the_very_samples_of_its_series() -> None:
    values = noise(600)
    values[300:360] += 80
    window = Window(start=START, end=START + timedelta(hours=10))
    (signal,) = signals(values, window)
    for sample in (signal.before, signal.start, signal.peak, signal.last):
        minute = round((sample.at - START).total_seconds() / 60)
        assert sample.value == values[minute]
    assert signal.onset == START + timedelta(minutes=300)
    assert signal.ended == START + timedelta(minutes=360)
    assert signal.labels == {"service": "checkout"}


def test_what_was_over_before_the_window_is_not_reported() -> None:
    values = noise(600)
    values[100:160] += 80
    window = Window(start=START + timedelta(hours=5), end=START + timedelta(hours=10))
    assert signals(values, window) == []
