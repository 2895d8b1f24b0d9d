"""Values → words with a unit, and back: what a sentence says, and what it may say.

Written and read in one place, so that the check of a number knows exactly how it was rounded.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from decimal import Decimal

from ingest.documents import Frozen

_GRAFANA_UNITS = {
    "s": "s",
    "dtdurations": "s",
    "ms": "ms",
    "percentunit": "ratio",
    "percent": "%",
    "bytes": "B",
    "decbytes": "B",
    "celsius": "°C",
    "reqps": "/s",
    "ops": "/s",
    "cps": "/s",
}
_SCALES: dict[str, tuple[tuple[float, str], ...]] = {
    "s": ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs")),
    "ms": ((1e3, "s"), (1.0, "ms")),
    "ratio": ((0.01, "%"),),
    "B": ((1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "kB"), (1.0, "B")),
}
_SUFFIXES = (
    (re.compile(r"_seconds(?:$|[:_])"), "s"),
    (re.compile(r"_bytes$"), "B"),
    (re.compile(r"_ratio$"), "ratio"),
    (re.compile(r"_celsius$|GPU_TEMP"), "°C"),
)


def unit_of(metric: str, grafana_unit: str | None, *, rate: bool = False) -> str | None:
    """A metric's unit: from its panel, else from its name (Prometheus' naming conventions)."""
    if grafana_unit in _GRAFANA_UNITS:
        return _GRAFANA_UNITS[grafana_unit]
    if rate:
        return "/s"
    return next((unit for pattern, unit in _SUFFIXES if pattern.search(metric)), None)


def format_value(value: float, unit: str | None) -> str:
    """Three significant digits and a unit; whole counts are written out."""
    for factor, name in _SCALES.get(unit or "", ()):
        if abs(value) >= factor or factor == _SCALES[unit or ""][-1][0]:
            return f"{_digits(value / factor)} {name}"
    text = _digits(value)
    if unit is None:
        return text
    return f"{text}{unit}" if unit.startswith("/") else f"{text} {unit}"


def _digits(value: float) -> str:
    if value == int(value) and abs(value) < 1e6:
        return f"{int(value):,}"
    if abs(value) >= 100:
        return f"{value:,.0f}"
    text = f"{value:.3g}"
    return f"{Decimal(text):f}" if "e" in text else text


class StatedNumber(Frozen):
    """A number in a sentence: its value in base units, and half a unit of its last digit."""

    text: str
    value: float
    tolerance: float

    def matches(self, values: Iterable[float]) -> bool:
        slack = self.tolerance * (1 + 1e-9) + 1e-12
        return any(abs(value - self.value) <= slack for value in values)


_NUMBER = re.compile(
    r"(?<![\w.])(?P<number>-?\d[\d,]*(?:\.\d+)?)\s?(?P<unit>µs|ms|s|%|TB|GB|MB|kB|B|°C|/s)?(?!\w)"
)
_FACTORS = {factor_unit: factor for scale in _SCALES.values() for factor, factor_unit in scale} | {
    "s": 1.0,
    "ms": 1e-3,
}


def stated_numbers(text: str) -> list[StatedNumber]:
    """Every number of a sentence, in base units (seconds, bytes, ratios)."""
    found = []
    for match in _NUMBER.finditer(text):
        digits = match["number"].replace(",", "")
        factor = _FACTORS.get(match["unit"] or "", 1.0)
        decimals = len(digits.partition(".")[2])
        found.append(
            StatedNumber(
                text=match[0].strip(),
                value=float(digits) * factor,
                tolerance=0.5 * 10.0**-decimals * factor,
            )
        )
    return found
