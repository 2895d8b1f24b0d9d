"""When a change is what the series does at that hour anyway, and when it is not."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from numpy.typing import NDArray

from service.metrics.seasons import (
    Season,
    SeasonPolicy,
    earlier_windows,
    season_of,
    series_of,
)
from service.metrics.signals import Signal, SignalPolicy, signals_of
from service.metrics.source import RangeResult, Series, Window

Floats = NDArray[np.float64]
Shape = Callable[[Floats], Floats]

STEP = timedelta(minutes=2)
TODAY = datetime(2026, 11, 12, tzinfo=UTC)
ASKED = Window(start=TODAY - timedelta(hours=3), end=TODAY + timedelta(hours=8))
POLICY = SeasonPolicy()


def backup(height: float = 80.0, start: float = 2.0, hours: float = 1.0) -> Shape:
    """Adds ``height`` from this hour of the day on."""
    return lambda clock: np.where((clock >= start) & (clock < start + hours), height, 0.0)


def calm(clock: Floats) -> Floats:
    return np.zeros(len(clock))


def ramp(clock: Floats) -> Floats:
    """The morning: up by 300 between 4 and 7."""
    return 300 * np.clip((clock - 4) / 3, 0, 1)


def series(window: Window, shape: Shape, *, labels: dict[str, str] | None = None) -> Series:
    times = np.arange(window.start.timestamp(), window.end.timestamp(), STEP.total_seconds())
    noise = np.random.default_rng(int(times[0])).normal(100.0, 2.0, len(times))
    days = (times - TODAY.timestamp()) / 86400
    return Series(labels or {"service": "db"}, times, noise + shape(24 * (days - np.round(days))))


def signal(shape: Shape) -> Signal:
    found = signals_of(
        series(ASKED, shape),
        query="db_latency_seconds",
        metric="db_latency_seconds",
        title="Latency",
        unit="s",
        within=ASKED,
        asked=ASKED,
        step=STEP,
        policy=SignalPolicy(),
    )
    assert len(found) == 1
    return found[0]


def history(*shapes: Shape | None) -> list[Series | None]:
    """What a day ago, two days ago and a week ago was like; None where there are no samples."""
    windows = earlier_windows(ASKED, POLICY)
    return [
        None if shape is None else series(window, shape)
        for window, shape in zip(windows, shapes, strict=True)
    ]


def season(today: Shape, *earlier: Shape | None) -> Season:
    return season_of(signal(today), history(*earlier), policy=POLICY)


def test_a_nightly_backup_is_usual_and_says_which_nights_were_alike() -> None:
    found = season(backup(), backup(), backup(), backup())
    assert found.usual
    assert [period.offset.days for period in found.alike] == [1, 2, 7]
    for period in found.alike:
        assert period.size == pytest.approx(1, abs=0.2)
        assert period.before.value == pytest.approx(100, abs=2)
        assert period.peak.value == pytest.approx(180, abs=10)
        assert period.window.start <= period.before.at < period.peak.at <= period.window.end


def test_the_evidence_is_samples_of_the_earlier_series() -> None:
    earlier = history(backup(), backup(), backup())
    found = season_of(signal(backup()), earlier, policy=POLICY)
    for period, one in zip(found.periods, earlier, strict=True):
        assert one is not None
        for sample in (period.before, period.peak):
            assert sample.value == one.values[one.times == sample.at.timestamp()][0]


def test_twice_as_high_as_every_night_is_not_usual() -> None:
    found = season(backup(160), backup(), backup(), backup())
    assert not found.usual
    assert not found.alike
    assert [round(period.size, 1) for period in found.periods] == [0.5, 0.5, 0.5]


def test_a_little_less_or_later_than_today_is_still_usual() -> None:
    assert season(backup(), backup(60), backup(start=2.2), backup(start=1.8)).usual


def test_the_morning_is_usual() -> None:
    assert season(ramp, ramp, ramp, ramp).usual


def test_a_fault_of_a_week_ago_excuses_nothing_if_the_other_days_were_calm() -> None:
    assert not season(backup(), calm, calm, backup()).usual
    assert not season(backup(), calm, None, backup()).usual


def test_most_of_the_nights_are_enough() -> None:
    assert season(backup(), backup(), backup(), calm).usual


def test_one_night_of_history_is_one_witness() -> None:
    found = season(backup(), backup(), None, None)
    assert found.usual
    assert len(found.periods) == 1
    assert not season(backup(), calm, None, None).usual


@pytest.mark.parametrize(
    "earlier",
    [
        backup(start=5.0),  # at another hour
        backup(start=0.5, hours=3),  # begun long before
        backup(-80),  # in the other direction
        backup(hours=0.1),  # a blip against an hour
    ],
)
def test_another_change_is_no_excuse(earlier: Shape) -> None:
    assert not season(backup(), earlier, earlier, earlier).usual


def test_a_night_that_was_bad_throughout_is_no_excuse() -> None:
    def bad(clock: Floats) -> Floats:
        return np.full(len(clock), 80.0)

    assert not season(backup(), bad, bad, bad).usual


def test_a_constant_history_is_no_excuse() -> None:
    flat = [
        Series({}, one.times, np.full(len(one.times), 100.0))
        for one in history(calm, calm, calm)
        if one is not None
    ]
    found = season_of(signal(backup()), flat, policy=POLICY)
    assert not found.usual
    assert [period.size for period in found.periods] == [0, 0, 0]


def test_without_history_nothing_is_usual() -> None:
    found = season(backup(), None, None, None)
    assert not found.usual
    assert found.periods == ()


def test_a_night_with_gaps_at_that_hour_says_nothing() -> None:
    def gaps(first: float, last: float) -> list[Series | None]:
        found: list[Series | None] = []
        for one in history(backup(), backup(), backup()):
            assert one is not None
            hours = (one.times / 3600) % 24
            kept = (hours < first) | (hours > last)
            found.append(Series(one.labels, one.times[kept], one.values[kept]))
        return found

    assert not season_of(signal(backup()), gaps(1.9, 2.9), policy=POLICY).periods
    assert not season_of(signal(backup()), gaps(0.2, 1.6), policy=POLICY).periods
    assert len(season_of(signal(backup()), gaps(5.0, 7.0), policy=POLICY).alike) == 3


def test_samples_that_are_no_numbers_count_as_gaps() -> None:
    earlier = history(backup(), backup(), backup())
    for one in earlier:
        assert one is not None
        one.values[:] = np.nan
    assert not season_of(signal(backup()), earlier, policy=POLICY).periods


def test_a_change_that_still_lasts_is_compared_up_to_now() -> None:
    today = backup(start=7.0, hours=5.0)
    assert signal(today).ended is None
    assert season(today, today, today, today).usual


def test_what_to_ask_for_reaches_back_far_enough_for_the_level_before() -> None:
    windows = earlier_windows(ASKED, POLICY)
    assert [round((ASKED.end - window.end) / timedelta(days=1)) for window in windows] == [1, 2, 7]
    for window, offset in zip(windows, POLICY.offsets, strict=True):
        assert window.start + offset <= ASKED.start - POLICY.level
        assert window.end + offset > ASKED.end


def test_a_signal_finds_its_own_series_in_an_answer() -> None:
    found = signal(backup())
    other = series(ASKED, calm, labels={"service": "web", "__name__": "db_latency_seconds"})
    own = series(ASKED, calm, labels={"service": "db", "__name__": "db_latency_seconds"})
    assert series_of(found, RangeResult([other, own])) is own
    assert series_of(found, RangeResult([other])) is None
