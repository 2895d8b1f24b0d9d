"""Which window and which services a question means."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from service.scope import QuestionScope, Vocabulary, mentioned, scope_of
from service.time_phrases import ScopeError, without_times

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
        ("what changed since\n 22:15", "11-11 22:15", "11-12 07:30"),
        ("failed jobs since midnight", "11-12 00:00", "11-12 07:30"),
        ("failed jobs since noon", "11-11 12:00", "11-12 07:30"),
        ("failed jobs since yesterday", "11-11 00:00", "11-12 07:30"),
        ("between 01:30 and 03:00 checkout failed", "11-12 01:30", "11-12 03:00"),
        ("between 23:30 and 03:00 checkout failed", "11-11 23:30", "11-12 03:00"),
        ("why did it fail at 02:00", "11-12 01:00", "11-12 03:00"),
        ("what happened on 2026-11-10", "11-10 00:00", "11-11 00:00"),
        ("why is checkout slow", "11-11 07:30", "11-12 07:30"),
        ("why was auth slow at 3am?", "11-12 02:00", "11-12 04:00"),
        ("the 3 a.m. outage", "11-12 02:00", "11-12 04:00"),
        ("why was auth slow around 11 pm", "11-11 22:00", "11-12 00:00"),
        ("checkout errors at midnight", "11-11 23:00", "11-12 01:00"),
        ("what failed yesterday between 2 and 4 am", "11-11 02:00", "11-11 04:00"),
        ("what failed between 11 and 1 am", "11-11 23:00", "11-12 01:00"),
        ("what failed between 1:30 and 3 pm", "11-11 13:30", "11-11 15:00"),
        ("what failed between 1 and 2:30 pm", "11-11 13:00", "11-11 14:30"),
        ("what failed between 13:00 and 3 pm", "11-11 13:00", "11-11 15:00"),
        ("what failed last night at 11pm", "11-11 22:00", "11-12 00:00"),
        ("what failed last night around 2:15 am", "11-12 01:15", "11-12 03:15"),
        ("yesterday 22:00 auth was slow", "11-11 21:00", "11-11 23:00"),
        ("auth yesterday 02:00-04:00", "11-11 02:00", "11-11 04:00"),
        ("since 22:15 yesterday", "11-11 22:15", "11-12 07:30"),
        ("what changed since yesterday evening", "11-11 17:00", "11-12 07:30"),
        ("what changed since last night", "11-11 18:00", "11-12 07:30"),
        ("what changed since Monday", "11-09 00:00", "11-12 07:30"),
        ("on Monday at 14:00 search was down", "11-09 13:00", "11-09 15:00"),
        ("checkout failed an hour ago", "11-12 05:30", "11-12 07:30"),
        ("checkout failed 20 minutes ago", "11-12 06:10", "11-12 07:30"),
        ("checkout failed half an hour ago", "11-12 06:00", "11-12 07:30"),
        ("checkout failed two days ago", "11-10 00:00", "11-11 00:00"),
        ("errors in the last two hours", "11-12 05:30", "11-12 07:30"),
        ("what happened on 2026-11-10 at 3am", "11-10 02:00", "11-10 04:00"),
        ("what happened on 2026-11-10 03:00", "11-10 02:00", "11-10 04:00"),
        ("what happened on November 10", "11-10 00:00", "11-11 00:00"),
        ("the outage on the 10th of Nov at 14:30", "11-10 13:30", "11-10 15:30"),
        (
            "what happened between 2026-11-10 22:00 and 2026-11-11 01:00",
            "11-10 22:00",
            "11-11 01:00",
        ),
    ],
)
def test_time_phrases_become_a_utc_window(question: str, start: str, end: str) -> None:
    window = scope(question).window
    assert (f"{window.start:%m-%d %H:%M}", f"{window.end:%m-%d %H:%M}") == (start, end)


@pytest.mark.parametrize(
    ("question", "topic"),
    [
        ("Why did checkout fail last night?", "Why did checkout fail ?"),
        ("why was auth slow yesterday between 2 and 4 am?", "why was auth slow ?"),
        ("what changed since 01:30 in eu-west", "what changed in eu-west"),
        ("errors in the last two hours", "errors"),
        ("last night?", "last night?"),
        ("is CVE-2026-11-10 fixed in 1.2.3-2026-11-10?",) * 2,
        ("XID 79 on gpu-eu-03 at 3 a.m.", "XID 79 on gpu-eu-03"),
        ("2 of 3 replicas at 100% and 10:1 fan-out", "2 of 3 replicas at 100% and 10:1 fan-out"),
        ("may 5 pods of 10-12 be lost, or 3 and 4?", "may 5 pods of 10-12 be lost, or 3 and 4?"),
    ],
)
def test_what_says_when_is_not_what_a_question_is_about(question: str, topic: str) -> None:
    assert without_times(question) == topic


@pytest.mark.parametrize(
    ("options", "start", "end"),
    [
        ({"since": "last night"}, "11-11 18:00", "11-12 07:30"),
        ({"since": "2 hours ago"}, "11-12 05:30", "11-12 07:30"),
        ({"since": "around 02:00"}, "11-12 01:00", "11-12 03:00"),
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


def test_a_time_beyond_the_calendar_is_refused() -> None:
    with pytest.raises(ScopeError, match="further away than a calendar reaches"):
        scope("errors in the last 99999999999 days")


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
