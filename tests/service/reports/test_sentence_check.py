"""Lies about the evidence are cut and truths are shown: 300 sentences over the sample night.

The sentences are those of ``python -m bench.verifier``, which prints the table of the docs.
"""

import pytest

from bench.verifier import judged
from service.evaluation.sentences import SetResult


@pytest.fixture(scope="module")
def results() -> list[SetResult]:
    return judged()


def test_no_lie_is_shown(results: list[SetResult]) -> None:
    lies = [one for found in results for one in found.verdicts if not one.sentence.holds]
    assert len(lies) > 150
    assert [one.sentence.text for one in lies if one.shown] == []


def test_nearly_every_truth_is_shown(results: list[SetResult]) -> None:
    truths = [one for found in results for one in found.verdicts if one.sentence.holds]
    assert len(truths) > 120
    cut = [f"{one.sentence.text}: {one.reason}" for one in truths if not one.shown]
    assert len(cut) <= 0.05 * len(truths), cut


def test_what_is_cut_is_told_why(results: list[SetResult]) -> None:
    reasons = {one.sentence.text: one.reason for found in results for one in found.verdicts}
    assert (
        reasons["Open fds of quota rose to 4,256 s."] == "4,256 s is not a value of what is cited"
    )
    assert reasons["Open fds of quota were 4,256 at 01:40."] == "4,256 is not the value at 01:40"
    assert reasons["AuthTokenLatencyHigh is still firing."] == (
        "its evidence does not say that it is “still”"
    )
    assert "no evidence says what caused it" in str(reasons["Session-cache made auth slow."])
