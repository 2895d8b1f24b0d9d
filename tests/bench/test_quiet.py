"""The sample company on nights on which nothing happens, and what the product says about them."""

import asyncio

import pytest

from bench.make_night import families_of
from bench.night_samples import Night
from bench.quiet import look, nights, reported, wilson


def test_on_a_calm_night_no_alert_fires_and_everything_is_measured() -> None:
    calm, bad = families_of(Night(3, calm=True)), families_of(Night(3))
    assert [family.name for family in calm] == [family.name for family in bad]
    assert [len(family.series) for family in calm[:-1]] == [len(f.series) for f in bad[:-1]]
    assert calm[-1].series == []
    assert bad[-1].series


def test_another_seed_is_another_night() -> None:
    first, second = (families_of(Night(seed, calm=True))[0].series[0] for seed in (1, 2))
    assert first.labels == second.labels
    assert first.values != second.values


def test_nothing_is_said_about_a_calm_night() -> None:
    for source, window in nights(2, calm=True):
        assert not asyncio.run(look(source, window)).unscoped
        assert not asyncio.run(reported(source, window))


def test_the_bad_night_is_seen_whatever_the_noise() -> None:
    for source, window in nights(2, calm=False):
        seen = asyncio.run(look(source, window))
        assert seen.unscoped
        assert {"checkout", "quota", "auth"} <= {*seen.named}
        assert "payments" not in seen.named


@pytest.mark.parametrize(
    ("hits", "of", "low", "high"),
    # As in the tables of Newcombe 1998, Statistics in Medicine 17:857.
    [
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_the_interval_of_a_share(hits: int, of: int, low: float, high: float) -> None:
    assert wilson(hits, of) == pytest.approx((low, high), abs=1e-4)
