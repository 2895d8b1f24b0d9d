"""A trouble in plain sentences, each of which its evidence carries."""

from __future__ import annotations

from zoneinfo import ZoneInfo

import pytest

from service.briefing.night import NightPolicy, troubles_of
from service.briefing.people import quoted
from service.briefing.plain import LocalClock, listed, localised, measured, sentence
from service.briefing.sentences import Scene, TroubleSentences
from service.metrics.observe import Observation
from service.metrics.signals import Sample
from service.reports.model import AlertCitation, Claim
from service.reports.stated import unsupported
from service.scope import Vocabulary
from tests.service.causes.evidence import alert, at, change, observation, signal

BERLIN = ZoneInfo("Europe/Berlin")
NAMES = Vocabulary(services=("auth", "checkout"), regions=("eu-west", "us-east"))


def told(seen: Observation) -> TroubleSentences:
    policy = NightPolicy()
    (trouble,) = troubles_of(seen, (), (), vocabulary=NAMES, policy=policy)
    scene = Scene(observation=seen, vocabulary=NAMES, clock=LocalClock(BERLIN), policy=policy)
    return TroubleSentences(trouble, scene)


def test_an_alert_alone_is_told_with_its_own_times() -> None:
    sentences = told(observation(alerts=[alert("AuthDown", "auth", "02:00", "02:40", "eu-west")]))
    assert sentences.what().text == "AuthDown fired for auth in eu-west from 03:00 to 03:40."
    assert sentences.to_detect() is None
    resolved = sentences.to_resolve()
    assert resolved is not None
    assert resolved[0] == 40
    assert [c.text for c in sentences.state()] == [
        "AuthDown stopped firing at 03:40, 40 minutes after AuthDown fired."
    ]


def test_what_still_fires_is_not_over() -> None:
    sentences = told(observation(alerts=[alert("AuthDown", "auth", "02:00", None, "eu-west")]))
    assert sentences.what().text.endswith("since 03:00, and it is not over.")
    assert sentences.to_resolve() is None
    assert sentences.state()[0].text == "AuthDown still fires, since 03:00."


def test_changes_elsewhere_are_no_part_of_it() -> None:
    seen = observation(
        [signal("checkout", "02:00", "03:00")],
        changes=[
            change("01:50", "Deploy checkout 2 (eu-west)", "checkout", "eu-west"),
            change("01:55", "Deploy checkout 2 (us-east)", "checkout", "us-east"),
            change("01:56", "Deploy auth 9 (eu-west)", "auth", "eu-west"),
            change("02:30", "checkout rolled back by mira", "checkout"),
        ],
    )
    sentences = told(seen)
    assert [c.text for c in sentences.changes()] == [
        "Deploy checkout 2 (eu-west)",
        "checkout rolled back by mira",
    ]
    ((_, done),) = sentences.actions()
    assert done.text == "At 03:30: “checkout rolled back by mira”."


@pytest.mark.parametrize("ended", ["03:00", None])
def test_its_evidence_carries_every_sentence(ended: str | None) -> None:
    signals = [
        signal("checkout", "02:00", ended),
        signal("auth", "02:03", ended, metric="http_errors_total"),
    ]
    last = Sample(at=at(ended or "07:30"), value=1.5)
    seen = observation(
        [one.model_copy(update={"last": last}) for one in signals],
        [alert("CheckoutSlow", "checkout", "02:10", ended, "eu-west")],
        [change("02:30", "checkout rolled back", "checkout")],
    )
    sentences = told(seen)
    claims = [sentences.what(), *sentences.state(), *sentences.impact()]
    claims += [claim for _, claim in (*sentences.timeline(), *sentences.actions())]
    claims += [found[1] for found in (sentences.to_detect(), sentences.to_resolve()) if found]
    names = (*NAMES.services, *NAMES.regions)
    for claim in claims:
        assert unsupported(claim.text, claim.citations, names, BERLIN) is None, claim.text
    assert sentences.what().text.startswith("Checkout and auth were slow or failing in eu-west")


def test_a_report_s_times_are_moved_to_the_readers_clock_and_quotations_are_not() -> None:
    cited = AlertCitation(
        number=4, name="A", labels={}, started=at("23:30"), ended=at("01:00"), url=None
    )
    claim = Claim(
        text="Fired at 23:30 (2026-11-11 23:30), “at 23:30”, not at 05:00.", citations=(4,)
    )
    assert localised(claim, [cited], BERLIN).text == (
        "Fired at 00:30 (2026-11-12 00:30), “at 23:30”, not at 05:00."
    )


def test_measures_and_lists_are_in_plain_words() -> None:
    assert measured(signal("a", "02:00", metric="http_latency_p99")) == "response time (p99)"
    assert measured(signal("a", "02:00", metric="DCGM_FI_DEV_GPU_TEMP")) == "temperature"
    assert measured(signal("a", "02:00", metric="frobnications_total")) == "frobnications"
    assert listed(["a"]) == "a"
    assert listed(["a", "b", "c", "d"]) == "a, b, c and d"
    assert listed(["a", "b", "c", "d", "e"]) == "a, b, c and others"
    assert sentence("auth and quota") == "Auth and quota"
    assert sentence("gpu-eu-07 was hot") == "gpu-eu-07 was hot"  # a name stays as it is


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("rolled it back", "“rolled it back”"),
        ("see https://evil.example now", "“see” …"),
        ("he said “no” to me", "“he said” …"),
        ("hidden\u200b joiner", "“hidden” …"),
        ("https://evil.example", "(a link or a quotation)"),
        ("word " * 60, f"“{' '.join(['word'] * 40)}” …"),
    ],
)
def test_messages_are_quoted_verbatim_as_far_as_they_are_harmless(said: str, shown: str) -> None:
    assert quoted(said) == shown
