"""Metrics out of a file of OpenMetrics text: what the demo asks when no server runs.

``prometheus_client``'s parser is the reference for the format, but it takes about 30 µs a line,
seconds for a day of samples. A file that holds history repeats the same ``name{labels}`` for every
sample, so the parser is given the metadata and the *first* line of each series only, and the
numbers of the other lines (``<same text> value timestamp``) are read directly.
"""

from __future__ import annotations

import asyncio
import re
import threading
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import NamedTuple

import numpy as np

from service.metrics.events import (
    ALERTS_QUERY,
    alert_step,
    alerts_from_series,
    changes_in,
    read_annotations,
)
from service.metrics.links import graph_link
from service.metrics.promql_eval import evaluate, select
from service.metrics.promql_ranges import Samples
from service.metrics.source import (
    Alert,
    Change,
    MetricMetadata,
    MetricsUnavailable,
    RangeResult,
    Window,
    without_secrets,
)

_BEFORE_EXEMPLAR = re.compile(r'[^{ ]+(?:\{(?:[^"}]|"(?:\\.|[^"\\])*")*\})? \S+ \S+(?= # \{)')


class OpenMetrics(NamedTuple):
    """What an OpenMetrics text says: its series, sorted by their labels, and about its families."""

    series: list[Samples]
    metadata: dict[str, MetricMetadata]


def read_openmetrics(text: str) -> OpenMetrics:
    """The series of an OpenMetrics text and the metadata of its families.

    Every sample must have a timestamp. Of two samples at one time the first counts; exemplars
    are left out.

    Raises: ValueError, naming the line.
    """
    # Imported here: a program that asks a server needs no parser.
    from prometheus_client.openmetrics.parser import text_string_to_metric_families

    skeleton: list[str] = []
    numbers: dict[str, list[tuple[str, str]]] = {}
    for position, line in enumerate(text.splitlines(), start=1):
        if line.startswith("#"):
            skeleton.append(line)
            continue
        with_exemplar = _BEFORE_EXEMPLAR.match(line) if " # {" in line else None
        sample = with_exemplar.group() if with_exemplar else line
        parts = sample.rsplit(" ", 2)
        if len(parts) != 3 or ("{" in parts[0] and not parts[0].endswith("}")):
            raise ValueError(f"line {position}: not `name{{labels}} value timestamp`: {line[:120]}")
        head = parts[0]
        if head not in numbers:
            numbers[head] = []
            skeleton.append(sample)
        numbers[head].append((parts[1], parts[2]))

    families = list(
        text_string_to_metric_families(  # type: ignore[no-untyped-call]
            "\n".join([*skeleton, ""])
        )
    )
    firsts = [sample for family in families for sample in family.samples]
    series = [
        _samples({"__name__": first.name, **first.labels}, pairs)
        for first, pairs in zip(firsts, numbers.values(), strict=True)
    ]
    return OpenMetrics(
        series=sorted(series, key=lambda one: sorted(one.labels.items())),
        metadata={
            family.name: MetricMetadata(
                type="" if family.type == "unknown" else family.type,
                help=family.documentation,
                unit=family.unit,
            )
            for family in families
        },
    )


def _samples(labels: dict[str, str], pairs: Sequence[tuple[str, str]]) -> Samples:
    try:
        table = np.array(pairs, dtype=np.float64)
    except ValueError as error:
        raise ValueError(f"series {labels}: {error}") from error
    times, order = np.unique(np.rint(table[:, 1] * 1000.0).astype(np.int64), return_index=True)
    return Samples(labels, times, table[order, 0])


class OpenMetricsSource:
    """Answers range queries from a file of OpenMetrics text (``metrics.om``).

    ``annotations_path`` holds the JSON of Grafana's ``GET /api/annotations``; ``link_base`` is the
    address of a Prometheus that serves the same metrics, for links. The files are read at the
    first question and kept. Safe to use from several tasks at once.
    """

    def __init__(
        self, path: Path, annotations_path: Path | None = None, *, link_base: str | None = None
    ) -> None:
        self._path = path
        self._annotations_path = annotations_path
        self._link_base = link_base
        self._reading = threading.Lock()
        self._read: OpenMetrics | None = None

    @property
    def name(self) -> str:
        return f"metrics file {self._path.name}"

    async def query_range(self, query: str, window: Window, step: timedelta) -> RangeResult:
        """Evaluates the subset of PromQL that ``promql_eval`` knows.

        Raises: MetricsUnavailable if the file can't be read, QueryRejected.
        """
        return RangeResult(evaluate(query, (await self._content()).series, window, step))

    async def label_values(
        self, label: str, window: Window, selector: str | None = None
    ) -> list[str]:
        """Raises: MetricsUnavailable if the file can't be read, QueryRejected."""
        start, end = (moment.timestamp() * 1000 for moment in (window.start, window.end))
        series = (await self._content()).series
        shown = str if label == "__name__" else without_secrets
        return sorted(
            {
                shown(one.labels[label])
                for one in (series if selector is None else select(selector, series))
                if one.labels.get(label)
                and np.searchsorted(one.times, start, side="left")
                < np.searchsorted(one.times, end, side="right")
            }
        )

    async def metadata(self) -> dict[str, MetricMetadata]:
        """Of the families. Raises: MetricsUnavailable if the file can't be read."""
        return (await self._content()).metadata

    async def alerts(self, window: Window) -> list[Alert]:
        step = alert_step(window)
        answer = await self.query_range(ALERTS_QUERY, window, step)
        return alerts_from_series(answer.series, step, window)

    async def changes(self, window: Window) -> list[Change]:
        if self._annotations_path is None:
            return []
        changes = await asyncio.to_thread(read_annotations, self._annotations_path)
        return changes_in(changes, window)

    def link(self, query: str, window: Window) -> str | None:
        return None if self._link_base is None else graph_link(self._link_base, query, window)

    async def aclose(self) -> None:
        """Nothing is held open."""

    async def _content(self) -> OpenMetrics:
        return self._read if self._read is not None else await asyncio.to_thread(self._load)

    def _load(self) -> OpenMetrics:
        with self._reading:
            if self._read is None:
                try:
                    self._read = read_openmetrics(self._path.read_text(encoding="utf-8"))
                except (OSError, ValueError) as error:
                    raise MetricsUnavailable(
                        f"the metrics file {self._path} can't be read: {error}"
                    ) from error
            return self._read
