"""Charts that fit where they are shown and show what was measured."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from service.metrics.signals import Sample
from service.reports.charts import HEIGHT, WIDTH, as_svg, as_text, thinned
from service.reports.model import Chart

START = datetime(2026, 11, 11, 18, tzinfo=UTC)


def samples(count: int = 700) -> list[Sample]:
    values = np.random.default_rng(3).normal(400, 5, count)
    values[int(count * 0.6) : int(count * 0.7)] += 3600
    return [
        Sample(at=START + timedelta(minutes=minute), value=float(value))
        for minute, value in enumerate(values)
    ]


def chart(unit: str | None = None) -> Chart:
    return Chart(citation=7, title="`redis_clients` (cache)", unit=unit, points=thinned(samples()))


def test_a_text_chart_fits_a_terminal_and_has_times_and_values() -> None:
    lines = as_text(chart()).splitlines()
    assert len(lines) == HEIGHT
    assert max(map(len, lines)) <= WIDTH
    assert not any("\x1b" in line for line in lines)
    assert "18:00" in lines[-1]
    assert any(line.startswith("4,0") for line in lines)
    assert any(set(line) & set("⠤⠒⠉⡇⢸") for line in lines)


def test_values_carry_their_unit() -> None:
    assert "s┤" in as_text(chart("s"))


def test_thinning_keeps_the_peak_where_it_was() -> None:
    full = samples()
    few = thinned(full, 50)
    assert len(few) == 50
    assert max(few, key=lambda s: s.value) == max(full, key=lambda s: s.value)
    assert [sample.at for sample in few] == sorted(sample.at for sample in few)
    assert thinned(full[:20], 50) == tuple(full[:20])


def test_an_svg_is_well_formed_titled_and_the_same_each_time() -> None:
    image = as_svg(chart())
    root = ElementTree.fromstring(image)  # noqa: S314 - our own output
    assert root.tag.endswith("svg")
    assert "redis_clients" in image
    assert as_svg(chart()) == image


@pytest.mark.parametrize("value", [0.0, 5.0])
def test_a_flat_line_can_be_drawn(value: float) -> None:
    flat = Chart(
        citation=1,
        title="flat",
        unit=None,
        points=tuple(Sample(at=START + timedelta(minutes=m), value=value) for m in range(10)),
    )
    assert len(as_text(flat).splitlines()) == HEIGHT
    assert as_svg(flat)
