"""Backtest cases: incidents of the past whose cause is known, with their metrics.

A folder holds ``cases.jsonl``, one case a line: ``onset`` and ``until`` (unix seconds, UTC),
``step_seconds``, ``truth.service``, ``metrics_file``, and optionally ``id``,
``symptom`` (``{"service", "metric"}`` or null) and ``topology`` (pairs of caller and callee).
The metrics file is CSV, plain or gzipped: a column ``t`` (unix seconds), then
``service|metric``; an empty cell is a gap.

What the ranking may see (``Incident``) and the answer are kept apart. A benchmark that quietly
loses cases measures something else, so whatever is wrong with one is an error that names it.
"""

from __future__ import annotations

import csv
import gzip
import json
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, ValidationError

from ingest.documents import Frozen
from service.causes.component_ranking import Incident, Symptom
from service.evaluation.pairs import EvaluationError, read_lines
from service.metrics.table import MetricTable

CASES = "cases.jsonl"


class Case(Frozen):
    """One incident with its answer. ``step`` is in seconds; ``place`` is file and line."""

    name: str
    incident: Incident
    step: float
    answer: str
    metrics_file: Path
    place: str


class _Truth(Frozen, extra="ignore"):
    service: str


class _Symptom(Symptom, extra="ignore"):
    pass


class _Line(Frozen, extra="ignore"):
    """What a line of ``cases.jsonl`` must hold; more is ignored."""

    onset: float
    until: float
    step_seconds: Annotated[float, Field(gt=0)]
    truth: _Truth
    metrics_file: str
    id: str | None = None
    symptom: _Symptom | None = None
    topology: tuple[tuple[str, str], ...] = ()


def read_cases(folder: Path) -> list[Case]:
    """The cases of a folder, in the order of its file.

    Raises: EvaluationError, naming the lines that are wrong.
    """
    file = folder / CASES
    cases = read_lines(file, lambda number, line: _read_line(line, folder, f"{file}:{number}"))
    if not cases:
        raise EvaluationError(f"{file}: no cases")
    return cases


def _read_line(line: str, folder: Path, place: str) -> Case | str:
    """The case, or what is wrong with it."""
    try:
        fields = json.loads(line)
    except ValueError as error:
        return f"not JSON: {error}"
    if not isinstance(fields, dict):
        return "not a JSON object"
    # "topology": null and the like mean the same as leaving it out.
    fields = {name: value for name, value in fields.items() if value is not None}
    try:
        row = _Line.model_validate(fields)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        return f'"{where}": {first["msg"]}'
    if row.until <= row.onset:
        return f'"until" ({row.until:g}) is not after "onset" ({row.onset:g})'
    metrics = folder / row.metrics_file
    if not metrics.is_file():
        return f"the metrics file {row.metrics_file!r} is not in {folder}"
    return Case(
        name=row.id or place,
        incident=Incident(
            onset=row.onset,
            until=row.until,
            symptom=row.symptom,
            topology=row.topology,
        ),
        step=row.step_seconds,
        answer=row.truth.service,
        metrics_file=metrics,
        place=place,
    )


def read_metrics(case: Case) -> MetricTable:
    """The samples of a case. Raises: EvaluationError, naming file and line."""
    file = case.metrics_file
    try:
        rows = _rows(file)
        header = next(rows, [])
        if not header or header[0] != "t":
            raise EvaluationError(f'{file}:1: the first column is not "t"')
        owners = [name.rpartition("|") for name in header[1:]]
        for column, (service, bar, metric) in enumerate(owners, start=2):
            if not (service and bar and metric):
                raise EvaluationError(
                    f"{file}:1: column {column} is {header[column - 1]!r}, not service|metric"
                )
        table = _numbers(file, rows, len(header))
    except (OSError, EOFError, zlib.error, UnicodeDecodeError, csv.Error) as error:
        raise EvaluationError(f"{file}: cannot read it ({error})") from error
    if not (table[:, 0] < case.incident.onset).any():
        raise EvaluationError(f"{file}: no samples before the onset of {case.place}")
    if not (np.diff(table[:, 0]) > 0).all():
        raise EvaluationError(f'{file}: the times in "t" do not ascend')
    return MetricTable(
        times=table[:, 0],
        values=np.ascontiguousarray(table[:, 1:].T),
        services=tuple(service for service, _, _ in owners),
        metrics=tuple(metric for _, _, metric in owners),
    )


def _rows(file: Path) -> Iterator[list[str]]:
    if file.suffix == ".gz":
        with gzip.open(file, "rt", encoding="utf-8-sig", newline="") as text:
            yield from csv.reader(text)
    else:
        with file.open(encoding="utf-8-sig", newline="") as text:
            yield from csv.reader(text)


def _numbers(file: Path, rows: Iterator[list[str]], width: int) -> NDArray[np.float64]:
    """Shape ``(times, width)``; gaps are NaN."""
    numbers: list[Any] = []
    for line, row in enumerate(rows, start=2):
        if not row:
            continue
        if len(row) != width:
            raise EvaluationError(f"{file}:{line}: {len(row)} cells, but {width} columns")
        try:
            numbers.append([float(cell) if cell else np.nan for cell in row])
        except ValueError as error:
            raise EvaluationError(f"{file}:{line}: {error}") from error
    if not numbers:
        raise EvaluationError(f"{file}: no samples")
    return np.array(numbers, dtype=np.float64)
