"""Backtest cases through a real Prometheus rank as they do out of their files."""

import shutil
from pathlib import Path

import pytest

from service.evaluation.causes import evaluate_causes
from service.evaluation.replay import prometheus_with
from tests.service.test_evaluate_causes import write_case

pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif(shutil.which("prometheus") is None, reason="prometheus is not installed"),
]


def test_through_prometheus_the_ranks_are_those_in_memory(tmp_path: Path) -> None:
    write_case(tmp_path, answer="cart")
    write_case(tmp_path, answer="mail", deviates="queue")
    in_memory = evaluate_causes([tmp_path])
    fetched = evaluate_causes([tmp_path], through=prometheus_with)
    assert fetched.fetched
    for ours, theirs in zip(in_memory.sets[0].systems, fetched.sets[0].systems, strict=True):
        assert ours.ranks == theirs.ranks
