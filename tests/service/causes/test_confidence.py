"""How likely a cause is said to be."""

import pytest

from service.causes.confidence import ConfidencePolicy, confidences

POLICY = ConfidencePolicy()


def test_a_cause_that_stands_out_is_likely_and_one_of_five_alike_is_not() -> None:
    assert confidences([1.0, 0.3, 0.2], POLICY)[0] > 0.8
    assert confidences([1.0] * 5, POLICY)[0] < 0.2


def test_a_weak_cause_is_unlikely_even_if_it_is_the_only_one() -> None:
    assert confidences([0.3], POLICY)[0] < 0.1


def test_together_they_leave_room_for_none_of_these() -> None:
    assert sum(confidences([1.0, 0.9, 0.8, 0.7, 0.6], POLICY)) < 1.0


def test_equal_scores_are_equally_likely_and_no_causes_have_no_likelihood() -> None:
    first, second = confidences([0.6, 0.6], POLICY)
    assert first == pytest.approx(second)
    assert confidences([], POLICY) == []
