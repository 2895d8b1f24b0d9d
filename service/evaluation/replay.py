"""Backtest cases through a real Prometheus: backfilled, started, asked over HTTP, and stopped.

All cases of a set go into one server, told apart by a label ``case``, so that it starts once.
Everything lies in a temporary folder.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TextIO

import numpy as np

from service.evaluation.cases import Case, read_metrics
from service.evaluation.pairs import EvaluationError
from service.metrics.prometheus import PrometheusSource
from service.metrics.source import MetricsError, RangeResult, Window
from service.metrics.table import MetricTable
from service.testing.prometheus import (
    PrometheusFailed,
    PrometheusMissing,
    backfilled_prometheus,
)

_QUERY_SECONDS = 60.0
_MAX_SERIES = 20_000
_MAX_POINTS = 50_000_000
_MAX_BYTES = 1 << 30


@contextmanager
def prometheus_with(cases: Sequence[Case]) -> Iterator[PrometheusReplay]:
    """A Prometheus that holds the samples of these cases, until the block ends.

    Raises: EvaluationError where its programs are missing, or it does not take the samples.
    """
    with TemporaryDirectory(prefix="why-replay-") as scratch:
        file = Path(scratch) / "metrics.om"
        replay = PrometheusReplay(cases, file)
        # Just under the step: else gaps are filled with stale samples.
        lookback = timedelta(seconds=min(case.step for case in cases), milliseconds=-1)
        try:
            with backfilled_prometheus(file, lookback=lookback) as url, asyncio.Runner() as runner:
                replay.connect(url, runner)
                try:
                    yield replay
                finally:
                    replay.close()
        except (PrometheusMissing, PrometheusFailed) as error:
            raise EvaluationError(f"--through prometheus: {error}") from error


class PrometheusReplay:
    """Writes the cases as OpenMetrics, and asks for them again once there is a server."""

    def __init__(self, cases: Sequence[Case], file: Path) -> None:
        tables = {case.place: read_metrics(case) for case in cases}
        self._labels = {place: str(number) for number, place in enumerate(tables)}
        self._spans = {case.place: _span(case, tables[case.place]) for case in cases}
        self._names = _sanitised(
            sorted({name for table in tables.values() for name in table.metrics})
        )
        self._metrics = {clean: metric for metric, clean in self._names.items()}
        with file.open("w", encoding="utf-8") as text:
            self._write(tables, text)

    def connect(self, url: str, runner: asyncio.Runner) -> None:
        self._runner = runner
        self._source = PrometheusSource(
            url,
            timeout=_QUERY_SECONDS,
            max_series=_MAX_SERIES,
            max_points=_MAX_POINTS,
            max_bytes=_MAX_BYTES,
        )

    def close(self) -> None:
        self._runner.run(self._source.aclose())

    def __call__(self, case: Case) -> MetricTable:
        """The samples of a case over HTTP. Raises: EvaluationError."""
        try:
            answer = self._runner.run(
                self._source.query_range(
                    f'{{case="{self._labels[case.place]}"}}',
                    self._spans[case.place],
                    timedelta(seconds=case.step),
                )
            )
        except MetricsError as error:
            raise EvaluationError(f"{case.place}: {error}") from error
        if answer.truncated:
            raise EvaluationError(f"{case.place}: {answer.truncated}")
        return self._table(answer)

    def _table(self, answer: RangeResult) -> MetricTable:
        times = np.unique(np.concatenate([one.times for one in answer.series] or [np.empty(0)]))
        values = np.full((len(answer.series), len(times)), np.nan)
        for row, one in enumerate(answer.series):
            values[row, np.searchsorted(times, one.times)] = one.values
        return MetricTable(
            times=times,
            values=values,
            services=[one.labels["service"] for one in answer.series],
            metrics=[self._metrics[one.labels["__name__"]] for one in answer.series],
        )

    def _write(self, tables: dict[str, MetricTable], text: TextIO) -> None:
        # A family must be in one piece, so the cases go inside.
        for metric, clean in self._names.items():
            text.write(f"# TYPE {clean} gauge\n")
            for place, table in tables.items():
                label = self._labels[place]
                for service, name, values in zip(
                    table.services, table.metrics, table.values, strict=True
                ):
                    if name != metric:
                        continue
                    head = f'{clean}{{case="{label}",service={_quoted(service)}}}'
                    text.writelines(
                        f"{head} {value!r} {at:.3f}\n"
                        for at, value in zip(table.times.tolist(), values.tolist(), strict=True)
                        if value == value
                    )
        text.write("# EOF\n")


def _span(case: Case, table: MetricTable) -> Window:
    """From the first to the last sample. Raises: EvaluationError where steps would miss samples."""
    steps = (table.times - table.times[0]) / case.step
    if not np.allclose(steps, np.rint(steps), atol=1e-6):
        raise EvaluationError(
            f"{case.metrics_file}: the times are no multiples of step_seconds ({case.step:g}) "
            "apart, so they cannot be asked from a Prometheus"
        )
    return Window(
        start=datetime.fromtimestamp(float(table.times[0]), UTC),
        end=datetime.fromtimestamp(float(table.times[-1]), UTC),
    )


def _sanitised(metrics: Sequence[str]) -> dict[str, str]:
    """Prometheus's names for these, all different."""
    taken: dict[str, str] = {}
    for metric in metrics:
        clean = re.sub(r"[^a-zA-Z0-9_]", "_", metric)
        clean = f"_{clean}" if clean[0].isdigit() else clean
        while clean in taken:
            clean += "_"
        taken[clean] = metric
    return {metric: clean for clean, metric in taken.items()}


def _quoted(label: str) -> str:
    escaped = label.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'
