"""Victims and bookkeeping on a call graph."""

import numpy as np
import pytest

from service.causes.topology import (
    account_for,
    calls_in_labels,
    calls_in_words,
    discount_victims,
    reachable_from,
)
from tests.service.causes.incidents import BEFORE, ONSET, UNTIL, WITHIN, table, then

CALLS = (("shop", "cart"), ("shop", "search"), ("cart", "db"), ("batch", "db"), ("db", "cart"))


def constant(before: float, within: float) -> np.ndarray:
    return then(np.full(BEFORE + WITHIN, before), within)


def shares(series: dict[tuple[str, str], np.ndarray], metric: str = "latency") -> dict[str, float]:
    found = account_for(
        "shop", metric, table(series), CALLS, onset=ONSET, until=UNTIL, history=3600
    )
    return {service: pytest.approx(share, abs=1e-9) for service, share in found.items()}


def test_a_service_is_reached_through_others_and_circles_end() -> None:
    assert reachable_from("shop", CALLS) == {"shop", "cart", "search", "db"}
    assert reachable_from("elsewhere", CALLS) == {"elsewhere"}


def test_a_caller_of_a_deviating_service_is_taken_for_a_victim_in_part() -> None:
    found = discount_victims({"shop": 3.0, "cart": 2.0, "search": 0.0, "batch": 1.0}, CALLS, 0.5)
    assert found == {"shop": 2.0, "cart": 2.0, "search": 0.0, "batch": 1.0}


def test_the_callee_accounts_for_what_its_callers_wait() -> None:
    # shop 10 calls +0.3 s, of which cart 10 calls +0.3 s, of which db 20 calls +0.1 s.
    assert shares(
        {
            ("shop", "latency"): constant(0.1, 0.4),
            ("cart", "latency"): constant(0.1, 0.4),
            ("db", "latency"): constant(0.1, 0.2),
            ("search", "latency"): constant(0.1, 0.1),
            ("batch", "latency"): constant(0.1, 9.0),
            ("shop", "requests"): constant(10, 10),
            ("cart", "requests"): constant(10, 10),
            ("db", "requests"): constant(20, 20),
            ("search", "requests"): constant(10, 10),
        }
    ) == {"shop": 0.0, "cart": 1 / 3, "db": 0.0, "search": 0.0}


def test_what_is_rarely_called_accounts_for_little() -> None:
    found = shares(
        {
            ("shop", "latency"): constant(0.1, 0.2),
            ("search", "latency"): constant(1.0, 3.0),
            ("shop", "requests"): constant(1000, 1000),
            ("search", "requests"): constant(5, 5),
        }
    )
    assert found["search"] == 0.1
    assert found["shop"] == 0.9


def test_failures_are_counted_when_availability_drops() -> None:
    found = shares(
        {
            ("shop", "availability"): constant(100, 90),
            ("cart", "availability"): constant(100, 80),
            ("shop", "requests"): constant(100, 100),
            ("cart", "requests"): constant(50, 50),
        },
        "availability",
    )
    assert found["cart"] == 1.0


def test_what_a_series_does_anyway_is_not_counted() -> None:
    swinging = np.where(np.arange(BEFORE + WITHIN) % 2 == 0, 1.0, 3.0)
    found = shares(
        {
            ("shop", "latency"): constant(0.1, 0.4),
            ("search", "latency"): then(swinging, 3.0),
        }
    )
    assert found["search"] == 0.0


@pytest.mark.parametrize(
    "series",
    [
        {("shop", "latency"): constant(0.4, 0.1), ("cart", "latency"): constant(0.1, 0.4)},
        {("cart", "latency"): constant(0.1, 0.4)},
        {("shop", "requests"): constant(1, 1)},
    ],
    ids=["the symptom got better", "no such metric at the symptom", "no such metric at all"],
)
def test_nothing_is_accounted_where_nothing_can_be(
    series: dict[tuple[str, str], np.ndarray],
) -> None:
    assert shares(series) == {}


def test_calls_are_read_from_the_labels_of_tracers_and_meshes() -> None:
    labels = [
        {"client": "checkout", "server": "quota"},
        {"client": "checkout", "server": "quota", "connection_type": "x"},
        {"source_workload": "storefront", "destination_workload": "checkout"},
        {"caller": "auth", "callee": "auth"},
        {"service": "search"},
    ]
    assert calls_in_labels(labels) == (("checkout", "quota"), ("storefront", "checkout"))


def test_a_page_that_names_what_lies_below_says_who_calls_whom() -> None:
    found = calls_in_words([("checkout", ["auth", "quota", "checkout"]), ("auth", ["checkout"])])
    # Each names the other: nobody can tell which calls which.
    assert found == (("checkout", "quota"),)
