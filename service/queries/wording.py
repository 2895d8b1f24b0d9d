"""What an answer says of the query that was chosen. Pure."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from datetime import UTC, datetime

from service.metrics.signals import Sample
from service.metrics.source import Series
from service.queries.adapt import restrictions
from service.queries.answer import ChartSeries
from service.queries.candidates import Candidate
from service.queries.expressions import nodes, parse
from service.queries.gathering import said_by
from service.queries.words import Wish, words
from service.reports.charts import thinned
from service.reports.numbers import unit_of


def kept_to(candidate: Candidate, named: Sequence[str]) -> list[str]:
    """What keeps the query to a part that the question doesn't name."""
    return [
        f"only {label} {value}, as it is written there"
        for label, value in restrictions(candidate.query)
        if not any(name in value for name in named)
    ]


def unsaid_by(candidate: Candidate, question: str, wish: Wish, named: Sequence[str]) -> list[str]:
    """The words of the question that nothing about the query says."""
    given = words(" ".join((*named, *wish.by)))
    said = said_by(candidate) | candidate.about
    unsaid = [
        word
        for word in dict.fromkeys(re.findall(r"\w+", question))
        if (stems := words(word)) and stems <= wish.subject and not stems & (said | given)
    ]
    return [f"nothing in it says {', '.join(f'“{word}”' for word in unsaid)}"] if unsaid else []


def unit_of_values(candidate: Candidate) -> str | None:
    """Of the values: what the panel says, else what the metric's name says."""
    called = {
        getattr(getattr(node, "func", None), "name", "") for node in nodes(parse(candidate.query))
    }
    if candidate.unit is None and (len(candidate.metrics) > 1 or "histogram_quantile" in called):
        return unit_of(candidate.metrics[0], None) if len(candidate.metrics) == 1 else None
    name = candidate.metrics[0] if candidate.metrics else ""
    is_rate = bool(called & {"rate", "irate"}) and " * " not in candidate.query
    return unit_of(name, candidate.unit, rate=is_rate)


def highest(series: Sequence[Series], most: int) -> tuple[ChartSeries, ...]:
    """Those with the highest values, highest first. What is no number (0/0) is left out."""
    lines = [
        ChartSeries(labels=one.labels, points=points)
        for one in series
        if (
            points := tuple(
                Sample(at=datetime.fromtimestamp(time, UTC), value=value)
                for time, value in zip(one.times.tolist(), one.values.tolist(), strict=True)
                if math.isfinite(value)
            )
        )
    ]
    lines.sort(
        key=lambda line: (-max(point.value for point in line.points), sorted(line.labels.items()))
    )
    return tuple(line.model_copy(update={"points": thinned(line.points)}) for line in lines[:most])
