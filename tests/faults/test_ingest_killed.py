"""Ingestion bears kill -9 at any point: the next run makes of it what it would have been."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

_RUNS = 100
_PROCESSES = 2


@pytest.mark.slow
def test_a_hundred_killed_runs_end_with_the_index_of_an_undisturbed_one(directory: Path) -> None:
    """Ids, payloads, vectors and spec are equal, and no other generation is left: for a first
    run, for a run over edited pages, and for one that puts another model's index in its place."""
    drivers = [
        subprocess.Popen(
            [sys.executable, "-m", "tests.faults.killed_ingest", place, str(first), str(_RUNS)],
            stdout=subprocess.PIPE,
            text=True,
            cwd=Path(__file__).parents[2],
        )
        for first in range(_PROCESSES)
        for place in [directory / str(first)]
    ]
    told = [driver.communicate()[0] for driver in drivers]
    assert [driver.returncode for driver in drivers] == [0] * _PROCESSES
    runs = [json.loads(line) for lines in told for line in lines.splitlines()]
    assert sorted(run["seed"] for run in runs) == list(range(_RUNS))
    assert [run for run in runs if run["differing"]] == []
    assert sum(run["kills"] for run in runs) >= _RUNS
    assert {run["scene"] for run in runs if run["kills"]} == {"first", "edited", "other model"}
