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

import numpy as np

from service.metrics.events import (
    ALERTS_QUERY,
    alert_step,
    alerts_from_series,
    changes_in,
    read_annotations,
)
from service.metrics.links import graph_link
from service.metrics.promql_eval import evaluate
from service.metrics.promql_ranges import Samples
from service.metrics.source import Alert, Change, MetricsUnavailable, RangeResult, Window

_BEFORE_EXEMPLAR = re.compile(r'[^{ ]+(?:\{(?:[^"}]|"(?:\\.|[^"\\])*")*\})? \S+ \S+(?= # \{)')


def read_openmetrics(text: str) -> list[Samples]:
    """The series of an OpenMetrics text, sorted by their labels.

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

    families = text_string_to_metric_families(  # type: ignore[no-untyped-call]
        "\n".join([*skeleton, ""])
    )
    firsts = [sample for family in families for sample in family.samples]
    series = [
        _samples({"__name__": first.name, **first.labels}, pairs)
        for first, pairs in zip(firsts, numbers.values(), strict=True)
    ]
    return sorted(series, key=lambda one: sorted(one.labels.items()))


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
        self._read: list[Samples] | None = None

    @property
    def name(self) -> str:
        return f"metrics file {self._path.name}"

    async def query_range(self, query: str, window: Window, step: timedelta) -> RangeResult:
        """Evaluates the subset of PromQL that ``promql_eval`` knows.

        Raises: MetricsUnavailable if the file can't be read, QueryRejected.
        """
        return RangeResult(evaluate(query, await self._samples(), window, step))

    async def metric_names(self, window: Window) -> list[str]:
        start, end = (moment.timestamp() * 1000 for moment in (window.start, window.end))
        return sorted(
            {
                one.labels["__name__"]
                for one in await self._samples()
                if np.searchsorted(one.times, start, side="left")
                < np.searchsorted(one.times, end, side="right")
            }
        )

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

    async def _samples(self) -> list[Samples]:
        return self._read if self._read is not None else await asyncio.to_thread(self._load)

    def _load(self) -> list[Samples]:
        with self._reading:
            if self._read is None:
                try:
                    self._read = read_openmetrics(self._path.read_text(encoding="utf-8"))
                except (OSError, ValueError) as error:
                    raise MetricsUnavailable(
                        f"the metrics file {self._path} can't be read: {error}"
                    ) from error
            return self._read
