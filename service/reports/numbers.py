"""Values → words with a unit, and back: what a sentence says, and what it may say.

Written and read in one place, so that the check of a number knows exactly how it was rounded.
"""

from __future__ import annotations

import re
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
    """A number in a sentence: its value in base units, and half a unit of its last digit.

    ``unit`` is the base unit it was written with (``s``, ``B``, ``ratio``, ``/s``, ``°C``), None
    for a bare number.
    """

    text: str
    start: int
    end: int
    value: float
    tolerance: float
    unit: str | None = None

    def matches(self, value: float, unit: str | None) -> bool:
        """Whether it is this value, in base units, rounded as it is written.

        A rounding that takes more than a tenth away is another number, and so is a zero that is
        none. A bare number says nothing of its unit; a written one must be the value's own.
        """
        if self.unit is not None and self.unit != unit:
            return False
        slack = min(self.tolerance, _COARSEST * abs(value)) * (1 + 1e-9) + 1e-12
        return abs(value - self.value) <= slack


def in_base_unit(value: float, unit: str | None) -> tuple[float, str | None]:
    """A sample's value and unit as ``StatedNumber`` has them."""
    return {"ms": (value * 0.001, "s"), "%": (value * 0.01, "ratio")}.get(unit or "", (value, unit))


_COARSEST = 0.1
_NUMBER = re.compile(
    r"(?<![\w.])(?P<number>-?\d[\d,]*(?:\.\d+)?)\s?(?P<unit>µs|ms|s|%|TB|GB|MB|kB|B|°C|/s|"
    r"microseconds?|milliseconds?|seconds?|per cent|percent|per second|per minute|per hour|/min|/h|"
    r"degrees)?(?!\w)"
)
_UNITS = {name: (factor, unit) for unit, scale in _SCALES.items() for factor, name in scale} | {
    "s": (1.0, "s"),
    "ms": (1e-3, "s"),
    "%": (0.01, "ratio"),
    "/s": (1.0, "/s"),
    "°C": (1.0, "°C"),
    "microsecond": (1e-6, "s"),
    "millisecond": (1e-3, "s"),
    "second": (1.0, "s"),
    "percent": (0.01, "ratio"),
    "per cent": (0.01, "ratio"),
    "per second": (1.0, "/s"),
    "per minute": (1 / 60, "/s"),
    "/min": (1 / 60, "/s"),
    "per hour": (1 / 3600, "/s"),
    "/h": (1 / 3600, "/s"),
    "degree": (1.0, "°C"),
}


def stated_numbers(text: str) -> list[StatedNumber]:
    """Every number of a sentence, in base units (seconds, bytes, ratios)."""
    found = []
    for match in _NUMBER.finditer(text):
        digits = match["number"].replace(",", "")
        name = match["unit"] or ""
        factor, unit = _UNITS.get(name) or _UNITS.get(name.removesuffix("s")) or (1.0, None)
        decimals = len(digits.partition(".")[2])
        found.append(
            StatedNumber(
                text=match[0].strip(),
                start=match.start(),
                end=match.end(),
                value=float(digits) * factor,
                tolerance=0.5 * 10.0**-decimals * factor,
                unit=unit,
            )
        )
    return found


_ONES = re.findall(
    r"\w+",
    """zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen
    sixteen seventeen eighteen nineteen""",
)
_TENS = re.findall(r"\w+", "twenty thirty forty fifty sixty seventy eighty ninety")
_VALUES = {word: number for number, word in enumerate(_ONES)} | {
    word: 10 * number for number, word in enumerate(_TENS, start=2)
}
_POWERS = {"hundred": 100, "thousand": 1_000, "million": 1_000_000, "billion": 1_000_000_000}
_ANY = "|".join([*_VALUES, *_POWERS])
_WORDED = re.compile(rf"\b(?:{_ANY})(?:[\s-]+(?:and\s+)?(?:{_ANY}))*(?=\b|fold)", re.IGNORECASE)
_AMOUNT = re.compile(
    r"(?<![\w.])(?<!\d,)(\d+(?:,\d+)*(?:\.\d+)?)\s+(hundred|thousand|million|billion)\b", re.I
)
_FOLDS = (
    (re.compile(r"\bdoubled\b", re.I), "rose 2-fold"),
    (re.compile(r"\btripled\b", re.I), "rose 3-fold"),
    (re.compile(r"\bquadrupled\b", re.I), "rose 4-fold"),
    (re.compile(r"\bhalved\b", re.I), "fell 0.5-fold"),
    (re.compile(r"\btwice\b", re.I), "2 times"),
    (re.compile(r"\b(?:a|one) dozen\b", re.I), "12"),
    (re.compile(r"\bhalf an hour\b", re.I), "30 minutes"),
    (re.compile(r"\ban? (second|minute|hour)\b", re.I), r"1 \1"),
)


def in_digits(text: str) -> str:
    """The text with its numbers written in digits: "forty-fold" is "40-fold", "doubled" is
    "rose 2-fold". "One" by itself stays, as it is a pronoun as often."""

    def digits(match: re.Match[str]) -> str:
        words = [word for word in re.split(r"[\s-]+", match[0].lower()) if word != "and"]
        if words == ["one"]:
            return match[0]
        total = part = 0
        for word in words:
            if word in _VALUES:
                part += _VALUES[word]
            elif word == "hundred":
                part = max(part, 1) * 100
            else:
                total += max(part, 1) * _POWERS[word]
                part = 0
        return str(total + part)

    for pattern, instead in _FOLDS:
        text = pattern.sub(instead, text)
    text = _AMOUNT.sub(
        lambda match: f"{Decimal(match[1].replace(',', '')) * _POWERS[match[2].lower()]:f}", text
    )
    return re.sub(r"\b(\d+)fold\b", r"\1-fold", _WORDED.sub(digits, text))
