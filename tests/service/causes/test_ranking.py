"""Which evidence puts which cause first."""

from collections.abc import Sequence
from datetime import timedelta

import numpy as np

from service.causes.disturbances import DisturbancePolicy, asked_about, find_disturbances
from service.causes.knowledge import KnownCause, speaks_of
from service.causes.ranking import RankedCause, RankingPolicy, rank_causes
from service.causes.topology import Calls
from service.causes.unmeasured import rank_from_knowledge
from service.metrics.kinds import MetricKind, Nature
from service.metrics.observe import Observation
from service.metrics.source import Series
from service.metrics.table import Observed
from tests.service.causes.evidence import (
    WINDOW,
    alert,
    at,
    change,
    known,
    observation,
    scope,
    signal,
)

SERVICES = ("auth", "billing", "checkout", "quota", "session-cache", "storefront")
POLICY = RankingPolicy()


def ranked(
    seen: Observation,
    knowledge: Sequence[KnownCause] = (),
    asked: tuple[str, ...] = ("checkout",),
    calls: Calls = (),
    drawn: Sequence[tuple[str, Sequence[str]]] = (),
) -> list[RankedCause]:
    policy = DisturbancePolicy()
    disturbance = asked_about(find_disturbances(seen, policy=policy), scope(*asked), policy=policy)
    assert disturbance is not None
    return rank_causes(
        disturbance,
        seen,
        knowledge,
        scope(*asked),
        SERVICES,
        calls=calls,
        drawn=drawn,
        policy=POLICY,
        disturbances=policy,
    )


def names(causes: Sequence[RankedCause]) -> list[str]:
    return [cause.component for cause in causes]


CASCADE = [
    signal("session-cache", "01:40", nature=Nature.SATURATION, metric="redis_connected_clients"),
    signal("auth", "01:46"),
    signal("checkout", "01:48"),
]


def test_what_ran_short_first_comes_before_what_suffers_later() -> None:
    assert names(ranked(observation(CASCADE)))[:2] == ["session-cache", "auth"]


def test_who_is_slow_because_of_what_it_calls_comes_after_it() -> None:
    seen = observation([signal(name, "01:46") for name in ("auth", "billing", "checkout")])
    assert names(ranked(seen)) == ["auth", "billing"]
    called = ranked(seen, calls=(("checkout", "auth"), ("auth", "billing")))
    assert names(called) == ["billing", "auth"]
    assert [cause.accounted for cause in called] == [1.0, 0.0]
    assert called[1].parts.metrics < called[0].parts.metrics / 2


def test_a_call_graph_is_read_from_the_metrics_themselves() -> None:
    seen = observation([signal(name, "01:46") for name in ("auth", "billing", "checkout")])
    graph = [
        Observed("traces_service_graph_request_total", Series(pair, np.zeros(0), np.zeros(0)))
        for pair in (
            {"client": "checkout", "server": "auth"},
            {"client": "auth", "server": "billing"},
        )
    ]
    seen = seen.model_copy(update={"samples": (*seen.samples, *graph)})
    assert names(ranked(seen)) == ["billing", "auth"]


def test_what_a_runbook_names_below_its_service_counts_in_part() -> None:
    seen = observation([signal(name, "01:46") for name in ("auth", "billing", "checkout")])
    page = known("Billing is slow", None, incident=False, mentions=("billing",), services=("auth",))
    first, second = ranked(seen, [page])
    assert (first.component, second.component) == ("billing", "auth")
    assert first.accounted is None


def test_what_a_dashboard_draws_below_its_service_counts_in_part() -> None:
    seen = observation([signal(name, "01:46") for name in ("auth", "billing", "checkout")])
    assert names(ranked(seen, drawn=[("auth", ["auth", "billing"])])) == ["billing", "auth"]


def test_confidence_grows_with_what_sets_the_first_apart() -> None:
    alike = ranked(observation([signal("auth", "01:46"), signal("billing", "01:46"), *CASCADE[2:]]))
    apart = ranked(observation([signal("auth", "01:46"), signal("billing", "02:20"), *CASCADE[2:]]))
    assert alike[0].confidence is not None
    assert apart[0].confidence is not None
    assert alike[0].confidence == alike[1].confidence < 0.5 < apart[0].confidence


def test_the_report_can_say_which_metrics_of_the_cause_changed() -> None:
    first = ranked(observation(CASCADE))[0]
    assert first.kinds == (MetricKind.SATURATION,)


def test_the_asked_service_is_no_cause_of_its_own_symptom() -> None:
    assert "checkout" not in names(ranked(observation(CASCADE)))


def test_the_asked_service_is_a_cause_when_it_was_just_changed() -> None:
    seen = observation(CASCADE, changes=[change("01:44", "Deploy checkout 9.1 (eu-west)")])
    assert "checkout" in names(ranked(seen))


def test_a_release_just_before_the_onset_puts_its_component_first() -> None:
    signals = [*CASCADE, signal("quota", "01:40", nature=Nature.SATURATION, metric="open_fds")]
    seen = observation(signals, changes=[change("01:37", "Deploy quota 4.12.0 (eu-west)")])
    best, *_ = ranked(seen)
    assert best.component == "quota"
    assert [c.text for c in best.changes] == ["Deploy quota 4.12.0 (eu-west)"]
    assert best.parts.change > 0.2


def test_an_older_release_one_elsewhere_and_one_after_the_onset_do_not_count() -> None:
    signals = [*CASCADE, signal("storefront", "01:50"), signal("quota", "01:40")]
    seen = observation(
        signals,
        changes=[
            change("01:10", "Deploy storefront 8.3.1 (eu-west)"),
            change("01:37", "Deploy quota 4.12.0 (us-east)", "quota", "us-east"),
            change("03:08", "session-cache eu-west: failover"),
        ],
    )
    seen = seen.model_copy(
        update={"signals": (*seen.signals, signal("search", "05:00", region="us-east"))}
    )
    assert all(cause.parts.change == 0 for cause in ranked(seen))


def test_a_release_of_something_that_stayed_calm_counts_less() -> None:
    calm = ranked(observation(CASCADE, changes=[change("01:38", "Deploy billing 2.9")]))
    moved = ranked(
        observation(
            [*CASCADE, signal("billing", "01:40", strength=8.0)],
            changes=[change("01:38", "Deploy billing 2.9")],
        )
    )
    shares = [
        next((c.parts.change for c in causes if c.component == "billing"), 0.0)
        for causes in (calm, moved)
    ]
    assert shares[0] < shares[1] / 2


def test_a_confirmed_incident_that_blames_the_component_raises_it() -> None:
    seen = observation([signal("auth", "01:46"), signal("storefront", "01:46"), *CASCADE[2:]])
    plain = {c.component: c.score for c in ranked(seen)}
    incident = known("storefront sent a storm", "storefront", services=("checkout", "auth"))
    informed = {c.component: c.score for c in ranked(seen, [incident])}
    assert plain["storefront"] == plain["auth"]
    assert informed["storefront"] > informed["auth"]


def test_an_unconfirmed_incident_and_one_further_down_the_search_count_less() -> None:
    seen = observation([signal("auth", "01:46"), *CASCADE[2:]])

    def knowledge(**facts: object) -> float:
        incident = known("auth was slow", "auth", services=("checkout",), **facts)  # type: ignore[arg-type]
        return ranked(seen, [incident])[0].parts.knowledge

    assert knowledge() > knowledge(confirmed=False) > 0
    assert knowledge() > knowledge(rank=6) > 0


def test_to_be_named_as_the_victim_is_not_to_be_blamed() -> None:
    seen = observation([signal("auth", "01:46"), *CASCADE[2:]])
    blamed = known("auth leaked", "auth", mentions=("auth",))
    victim = known("billing starved auth", "billing", mentions=("billing", "auth"))
    assert ranked(seen, [blamed])[0].parts.knowledge > 2 * ranked(seen, [victim])[0].parts.knowledge


def test_a_runbook_counts_fully_when_its_alert_fired() -> None:
    page = known("auth is slow", "auth", incident=False, alerts=("CheckoutSlow",))
    quiet = observation([signal("auth", "01:46"), *CASCADE[2:]])
    fired = observation(
        quiet.signals, alerts=[alert("CheckoutSlow", "checkout", "01:50", "03:00", "eu-west")]
    )
    parts = [ranked(seen, [page])[0].parts.knowledge for seen in (quiet, fired)]
    assert parts[1] == 2 * parts[0] > 0


def test_a_known_cause_that_speaks_of_the_changed_metric_counts_more() -> None:
    cause = known("It ran out of client connections.", "session-cache")
    assert speaks_of(cause, ["redis_connected_clients"])
    assert not speaks_of(cause, ["redis_memory_used_bytes", "http_requests_total"])


def test_ties_break_by_name_and_the_order_of_evidence_does_not_matter() -> None:
    signals = [signal("b", "01:46"), signal("a", "01:46"), signal("checkout", "01:48")]
    assert names(ranked(observation(signals)))[:2] == ["a", "b"]
    assert names(ranked(observation(signals[::-1])))[:2] == ["a", "b"]


def test_at_most_five_and_none_far_behind_the_best() -> None:
    many = [signal(f"s{i}", "01:46") for i in range(9)] + [signal("checkout", "01:48")]
    assert len(ranked(observation(many))) == 5
    late = [
        signal("early", "01:30", nature=Nature.SATURATION, strength=900),
        signal("late", "02:50", strength=6),
        signal("checkout", "01:48"),
    ]
    assert names(ranked(observation(late))) == ["early"]


def test_without_metrics_an_incident_of_the_asked_time_comes_first() -> None:
    asked = scope("auth")
    causes = rank_from_knowledge(
        [
            known("the better match", "session-cache", services=("auth",)),
            known("that very night", "billing", services=("auth",), happened=WINDOW.start, rank=3),
            known("about something else", "search", services=("search",)),
        ],
        asked,
        policy=POLICY,
    )
    assert names(causes) == ["billing", "session-cache"]


def test_form_letters_that_blame_one_component_after_another_are_two_causes_at_most() -> None:
    services = ("auth", "billing", "quota", "search", "session-cache")
    letters = [
        known(f"The pool of {name} was exhausted, case {n}.", name, services=("checkout", name))
        for n, name in enumerate(services)
    ]
    true = known("A certificate expired.", "edge-proxy", services=("checkout",), rank=2)
    causes = rank_from_knowledge([*letters, true], scope("checkout"), policy=POLICY)
    assert len(causes) == 3
    assert "edge-proxy" in names(causes)


def test_an_incident_of_the_last_weeks_counts_more_than_an_old_one() -> None:
    seen = observation([signal("auth", "01:46"), *CASCADE[2:]])

    def knowledge(ago: timedelta) -> float:
        incident = known("auth was slow", "auth", services=("auth",), happened=at("01:46") - ago)
        return ranked(seen, [incident])[0].parts.knowledge

    assert knowledge(timedelta(days=10)) > knowledge(timedelta(days=100)) > 0
