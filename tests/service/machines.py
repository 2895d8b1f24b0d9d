"""Machines and runs for the tests: gauges of one night, in a file that the real source reads."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from service.inspected import FleetReport, RunReport, RunsReport
from service.inspection import Inspector
from service.metrics.catalog import CatalogCache
from service.metrics.openmetrics import OpenMetricsSource
from service.scope import Vocabulary

START = datetime(2026, 11, 12, 0, tzinfo=UTC)
END = START + timedelta(hours=12)
Value = float | Callable[[float], float | None]
"""A constant, or a function of the hours since ``START``; None where there is no sample."""


def series(name: str, value: Value, **labels: str) -> tuple[str, Value]:
    shown = ",".join(f'{key}="{text}"' for key, text in labels.items())
    return f"{name}{{{shown}}}", value


def metrics_file(folder: Path, gauges: Sequence[tuple[str, Value]]) -> Path:
    """An OpenMetrics file with a sample every minute."""
    lines: list[str] = []
    for name in dict.fromkeys(text.partition("{")[0] for text, _ in gauges):
        lines.append(f"# TYPE {name} gauge")
        for text, value in gauges:
            if text.partition("{")[0] != name:
                continue
            for minute in range(12 * 60 + 1):
                now = value(minute / 60) if callable(value) else value
                if now is None:
                    continue
                at = int(START.timestamp()) + 60 * minute
                lines.append(f"{text} {now} {at}")
    file = folder / "machines.om"
    file.write_text("\n".join([*lines, "# EOF"]) + "\n")
    return file


def inspector(folder: Path, gauges: Sequence[tuple[str, Value]]) -> Inspector:
    """One that sees these and no documents."""
    return Inspector(
        retriever=None,
        vocabulary=Vocabulary(),
        metrics=OpenMetricsSource(metrics_file(folder, gauges)),
        catalogs=CatalogCache(),
    )


def fleet_of(
    folder: Path, *gauges: tuple[str, Value], question: str = "What needs maintenance?"
) -> FleetReport:
    """The answer at the end, about the last eight hours."""
    found = inspector(folder, gauges)
    since = (END - timedelta(hours=8)).isoformat()
    return asyncio.run(found.fleet(question, now=END, since=since))


def runs_of(folder: Path, *gauges: tuple[str, Value], question: str = "") -> RunsReport:
    found = inspector(folder, gauges)
    since = (END - timedelta(hours=8)).isoformat()
    return asyncio.run(found.runs(question, now=END, since=since))


def run_of(folder: Path, *gauges: tuple[str, Value]) -> RunReport:
    """The only run among these."""
    (only,) = runs_of(folder, *gauges).runs
    return only
