"""What ``/why`` and its text mean."""

from datetime import UTC, datetime

import pytest

from service.scope import Vocabulary
from service.surfaces.slack.commands import goes_on, is_help, question_of, service_of, typed

NOW = datetime(2026, 11, 12, 7, 30, tzinfo=UTC)
WORDS = Vocabulary(services=("checkout", "session-cache"), regions=("eu-west", "us-east"))


@pytest.mark.parametrize(
    ("text", "service", "question"),
    [
        ("", "checkout", "Why did checkout fail in the last hour?"),
        ("", None, "What happened in the last hour?"),
        ("last night in eu-west", "checkout", "Why did checkout fail last night in eu-west?"),
        ("Last night, EU West?", "checkout", "Why did checkout fail Last night, EU West?"),
        ("since 01:30", None, "What happened since 01:30?"),
        ("is session-cache slow", "checkout", "Why is session-cache slow?"),
        ("session-cache last night", "checkout", "Why session-cache last night?"),
        ("gpu-eu-07 throttled last night", "checkout", "Why gpu-eu-07 throttled last night?"),
        ("why did it fail?", "checkout", "why did it fail?"),
        ("show checkout latency p99", None, "show checkout latency p99"),
        ("who was affected last night", None, "who was affected last night"),
    ],
)
def test_a_command_is_a_question(text: str, service: str | None, question: str) -> None:
    asked = question_of(text, service=service, vocabulary=WORDS, now=NOW, zone=UTC)
    assert asked == question


def test_a_channel_has_the_service_of_the_setting_or_of_its_name() -> None:
    services = {"payments-oncall": "payments", "checkout": "checkout-v2"}
    assert service_of("payments-oncall", services, WORDS) == "payments"
    assert service_of("checkout", services, WORDS) == "checkout-v2"
    assert service_of("Session-Cache", {}, WORDS) == "session-cache"
    assert service_of("random", services, WORDS) is None
    assert service_of(None, services, WORDS) is None


def test_help_is_asked_for_by_that_word_alone() -> None:
    assert is_help(" Help ")
    assert not is_help("help desk is down")


def test_slacks_notation_becomes_what_a_person_sees() -> None:
    sent = "<@U0WHYBOT001> is <#C05C3CHECK3|checkout> &lt; 5 on <https://x.example|x.example>?"
    assert typed(sent) == "is checkout < 5 on x.example?"


@pytest.mark.parametrize(
    ("reply", "meant"),
    [
        ("who was affected?", True),
        ("and in us-east", True),
        ("what about checkout", True),
        ("thanks, rolling back", False),
        ("and then it was gone again.", False),
        ("<@U05A2JWEI02> can you take this?", False),
    ],
)
def test_only_a_question_that_mentions_nobody_goes_on_in_a_thread(reply: str, meant: bool) -> None:
    assert goes_on(reply) is meant
