"""What a cited series did, by its samples: which way it went, when it left, when it was worst.

The samples of a signal are a usual one, the first that deviates, the worst and the last, in the
order of time; fewer where some are the same.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from service.metrics.signals import Sample
from service.reports.model import MetricCitation
from service.reports.numbers import StatedNumber, in_base_unit, stated_numbers

UP = re.compile(
    r"\b(?:rose|risen|rising|rises?|increas\w*|climb\w*|gr[eo]w\w*|jump\w*|spik\w*|surg\w*|soar\w*|"
    r"(?:went|was|were|is|are|came) up)\b",
    re.IGNORECASE,
)
DOWN = re.compile(
    r"\b(?:fell|fall(?:s|en|ing)?|drop(?:s|ped|ping)?|decreas\w*|declin\w*|sank|shrank|plung\w*|"
    r"(?:went|was|were|is|are|came) down)\b",
    re.IGNORECASE,
)
_BACK = re.compile(r"\b(?:back|again|normal|recover\w*|afterwards|later)\b", re.IGNORECASE)
_ABOUT = r"(?:about\s+|around\s+|nearly\s+|as much as\s+)?"
_VALUE = r"(?P<{}>-?\d(?!\d?:\d\d).{})"
_FROM_TO = re.compile(
    rf"\bfrom\s+{_ABOUT}{_VALUE.format('one', '{0,200}')}(?<!\s)\s+to\s+"
    rf"{_ABOUT}{_VALUE.format('two', '*')}"
)
_TO = re.compile(rf"\b(?:to|at)\s+{_ABOUT}{_VALUE.format('two', '*')}")


@dataclass(frozen=True, slots=True)
class Movement:
    """A series between its samples. ``worst``: the index of the one farthest from the first."""

    citation: MetricCitation
    worst: int

    @property
    def samples(self) -> tuple[Sample, ...]:
        return self.citation.samples

    @property
    def sign(self) -> int:
        """1 for a series that went up, -1 for one that went down."""
        away = self.samples[self.worst].value - self.samples[0].value
        return (away > 0) - (away < 0)

    @property
    def onset(self) -> datetime:
        return self.samples[min(1, len(self.samples) - 1)].at

    @property
    def peak(self) -> datetime:
        return self.samples[self.worst].at

    @property
    def last(self) -> datetime:
        return self.samples[-1].at

    def at(self, number: StatedNumber) -> list[int]:
        """The samples that have this value."""
        unit = self.citation.unit
        return [
            index
            for index, sample in enumerate(self.samples)
            if number.matches(*in_base_unit(sample.value, unit))
        ]

    def went(self, text: str, sign: int) -> bool:
        """Whether it went that way, as the text says: from what, to what, or at all."""
        if len(self.samples) == 1:
            return True
        if pair := _FROM_TO.search(text):
            ones, twos = (stated_numbers(pair[name]) for name in ("one", "two"))
            if ones and twos:
                return any(
                    i < j and (self.samples[j].value - self.samples[i].value) * sign > 0
                    for i in self.at(ones[0])
                    for j in self.at(twos[0])
                )
        if sign == self.sign:
            reached = range(1, self.worst + 1)
        elif _BACK.search(text) or _TO.search(text):
            reached = range(self.worst + 1, len(self.samples))
        else:
            return False
        numbers = stated_numbers(to["two"])[:1] if (to := _TO.search(text)) else []
        return bool(reached) and all(any(i in reached for i in self.at(n)) for n in numbers)


def movement_of(citation: MetricCitation) -> Movement:
    first = citation.samples[0].value
    worst = max(
        range(len(citation.samples)), key=lambda index: abs(citation.samples[index].value - first)
    )
    return Movement(citation, worst)


def wrong_way(text: str, movements: Sequence[Movement]) -> str | None:
    """The direction that none of the series took, in words."""
    for pattern, sign, word in ((UP, 1, "rise"), (DOWN, -1, "fall")):
        if (said := pattern.search(text)) and not any(
            movement.went(text[said.start() :], sign) for movement in movements
        ):
            return f"what is cited did not {word} like that"
    return None
