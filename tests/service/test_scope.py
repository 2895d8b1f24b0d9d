"""Which window and which services a question means."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from service.scope import QuestionScope, ScopeError, Vocabulary, mentioned, scope_of

NOW = datetime(2026, 11, 12, 7, 30, tzinfo=UTC)
VOCABULARY = Vocabulary(
    services=("auth", "checkout", "session-cache"),
    regions=("eu-west", "us-east"),
    customers=("Aurelia Labs",),
)


def scope(question: str, **options: str) -> QuestionScope:
    return scope_of(question, now=NOW, vocabulary=VOCABULARY, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("question", "start", "end"),
    [
        ("Why did checkout fail last night?", "11-11 18:00", "11-12 07:30"),
        ("What happened overnight", "11-11 18:00", "11-12 07:30"),
        ("why was auth slow yesterday", "11-11 00:00", "11-12 00:00"),
        ("what failed yesterday morning", "11-11 04:00", "11-11 12:00"),
        ("errors this morning?", "11-12 04:00", "11-12 07:30"),
        ("latency in the last 3 hours", "11-12 04:30", "11-12 07:30"),
        ("what broke in the past hour", "11-12 06:30", "11-12 07:30"),
        ("what changed since 01:30", "11-12 01:30", "11-12 07:30"),
        ("what changed since 22:15", "11-11 22:15", "11-12 07:30"),
        ("failed jobs since midnight", "11-12 00:00", "11-12 07:30"),
        ("failed jobs since noon", "11-11 12:00", "11-12 07:30"),
        ("failed jobs since yesterday", "11-11 00:00", "11-12 07:30"),
        ("between 01:30 and 03:00 checkout failed", "11-12 01:30", "11-12 03:00"),
        ("between 23:30 and 03:00 checkout failed", "11-11 23:30", "11-12 03:00"),
        ("why did it fail at 02:00", "11-12 01:00", "11-12 03:00"),
        ("what happened on 2026-11-10", "11-10 00:00", "11-11 00:00"),
        ("why is checkout slow", "11-11 07:30", "11-12 07:30"),
    ],
)
def test_time_phrases_become_a_utc_window(question: str, start: str, end: str) -> None:
    window = scope(question).window
    assert (f"{window.start:%m-%d %H:%M}", f"{window.end:%m-%d %H:%M}") == (start, end)


@pytest.mark.parametrize(
    ("options", "start", "end"),
    [
        ({"since": "last night"}, "11-11 18:00", "11-12 07:30"),
        ({"since": "2 hours ago"}, "11-12 05:30", "11-12 07:30"),
        (
            {"since": "2026-11-12T01:30+01:00", "until": "2026-11-12T03:00Z"},
            "11-12 00:30",
            "11-12 03:00",
        ),
        ({"until": "2026-11-12T03:00Z"}, "11-11 03:00", "11-12 03:00"),
        ({"since": "yesterday 22:00"}, "11-11 22:00", "11-12 07:30"),
    ],
)
def test_the_options_win_over_the_question(options: dict[str, str], start: str, end: str) -> None:
    window = scope("what happened this morning", **options).window
    assert (f"{window.start:%m-%d %H:%M}", f"{window.end:%m-%d %H:%M}") == (start, end)


def test_last_night_is_meant_in_the_readers_zone() -> None:
    kolkata = scope_of(
        "last night", now=NOW, zone=ZoneInfo("Asia/Kolkata"), vocabulary=VOCABULARY
    ).window
    assert f"{kolkata.start:%m-%d %H:%M} {kolkata.end:%m-%d %H:%M}" == "11-11 12:30 11-12 02:30"


def test_the_future_is_not_asked_for() -> None:
    assert scope("what happens", since="01:00", until="2026-11-12T23:00Z").window.end == NOW


@pytest.mark.parametrize("text", ["soonish", "13:77", "2026-13-45"])
def test_a_time_that_cannot_be_read_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ScopeError, match=r"cannot read|write for example"):
        scope("what happened", since=text)


def test_a_window_that_ends_before_it_starts_is_refused() -> None:
    with pytest.raises(ScopeError, match="before it starts"):
        scope("what", since="2026-11-12T03:00Z", until="2026-11-12T01:00Z")


def test_names_are_found_as_words_in_the_spellings_people_use() -> None:
    assert mentioned("Is the Session Cache in EU-West full?", ["session-cache", "eu-west"]) == (
        "session-cache",
        "eu-west",
    )
    assert mentioned("authentication", ["auth"]) == ()
    assert mentioned("pre-auth", ["auth"]) == ()
    found = scope("Did Aurelia Labs feel it?")
    assert found.customers == ("Aurelia Labs",)
