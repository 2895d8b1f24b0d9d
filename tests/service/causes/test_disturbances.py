"""What went wrong together, and which of it a question means."""

from service.causes.disturbances import (
    Disturbance,
    DisturbancePolicy,
    asked_about,
    find_disturbances,
    related_signals,
)
from service.metrics.kinds import Nature
from service.metrics.observe import Observation
from tests.service.causes.evidence import alert, at, observation, scope, signal

POLICY = DisturbancePolicy()


def found(seen: Observation) -> list[Disturbance]:
    return find_disturbances(seen, policy=POLICY)


NIGHT = observation(
    signals=[
        signal("auth", "01:46"),
        signal("checkout", "01:48", "03:14"),
        signal("search", "02:00", "02:40", region="us-east"),
        signal("session-cache", "01:38", nature=Nature.SATURATION),
    ],
    alerts=[
        alert("GpuHot", "gpu-7", "00:54", "01:22", "eu-west"),
        alert("CheckoutSlow", "checkout", "01:53", "03:12", "eu-west"),
    ],
)


def test_symptoms_that_overlap_in_one_region_are_one_disturbance() -> None:
    gpu, night, search = found(NIGHT)
    assert gpu.components == ("gpu-7",)
    assert night.components == ("auth", "checkout")
    assert (night.region, night.started, night.ended) == ("eu-west", at("01:46"), at("03:14"))
    assert search.region == "us-east"


def test_what_only_ran_short_is_no_symptom_but_may_be_related_to_one() -> None:
    _, night, _ = found(NIGHT)
    assert {s.labels["service"] for s in related_signals(night, NIGHT, policy=POLICY)} == {
        "auth",
        "checkout",
        "session-cache",
    }


def test_what_was_over_before_or_began_long_before_is_not_related() -> None:
    seen = observation(
        signals=[
            signal("auth", "01:46"),
            signal("disk", "00:30", None, nature=Nature.SATURATION),
            signal("node", "01:20", "01:40", nature=Nature.SATURATION),
            signal("quota", "01:37", nature=Nature.SATURATION),
        ]
    )
    (night,) = found(seen)
    related = {s.labels["service"] for s in related_signals(night, seen, policy=POLICY)}
    assert related == {"auth", "quota"}


def test_a_question_about_a_service_means_the_disturbance_that_hit_it() -> None:
    meant = asked_about(found(NIGHT), scope("search"), policy=POLICY)
    assert meant is not None
    assert meant.components == ("search",)
    assert asked_about(found(NIGHT), scope("payments"), policy=POLICY) is None


def test_a_question_about_a_region_means_what_happened_there() -> None:
    meant = asked_about(found(NIGHT), scope("search", regions=("eu-west",)), policy=POLICY)
    assert meant is None


def test_a_question_about_everything_means_the_weightiest_and_no_blip() -> None:
    meant = asked_about(found(NIGHT), scope(), policy=POLICY)
    assert meant is not None
    assert meant.components == ("auth", "checkout")
    bump = observation(signals=[signal("auth", "01:46", strength=12.0)])
    assert asked_about(found(bump), scope(), policy=POLICY) is None
    assert asked_about(found(bump), scope("auth"), policy=POLICY) is not None
    blip = observation(signals=[signal("auth", "01:46", strength=7.0)])
    assert asked_about(found(blip), scope("auth"), policy=POLICY) is None


def test_a_symptom_that_lasts_keeps_its_disturbance_open() -> None:
    seen = observation(signals=[signal("auth", "01:46", None), signal("checkout", "05:00")])
    (night,) = found(seen)
    assert night.ended is None


def test_an_improvement_is_no_disturbance() -> None:
    assert found(observation(signals=[signal("auth", "01:46", bad=False)])) == []
