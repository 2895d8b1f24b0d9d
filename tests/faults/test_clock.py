"""Clocks: nights of 23 and 25 hours, a minute of 61 seconds, and times that nobody meant."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from ingest.documents import SourceKind
from service.scope import ScopeError, Vocabulary, scope_of
from tests.ingest.sources.reading import read_one, write

BERLIN = ZoneInfo("Europe/Berlin")


@pytest.mark.parametrize(
    ("morning", "hours"),
    [
        (datetime(2026, 3, 28, 8, 0, tzinfo=BERLIN), 14),
        (datetime(2026, 3, 29, 8, 0, tzinfo=BERLIN), 13),
        (datetime(2026, 10, 25, 8, 0, tzinfo=BERLIN), 15),
    ],
)
def test_a_night_in_which_the_clock_is_moved_is_as_long_as_it_was(
    morning: datetime, hours: int
) -> None:
    scope = scope_of(
        "Why did checkout fail last night?", now=morning, zone=BERLIN, vocabulary=Vocabulary()
    )
    assert scope.window.duration == timedelta(hours=hours)
    assert scope.window.end == morning


@pytest.mark.parametrize(
    ("morning", "start"),
    [
        # 02:30 was skipped, or there were two of them: then the first, so that nothing is missed.
        (datetime(2026, 3, 29, 8, 0, tzinfo=BERLIN), datetime(2026, 3, 29, 1, 30, tzinfo=UTC)),
        (datetime(2026, 10, 25, 8, 0, tzinfo=BERLIN), datetime(2026, 10, 25, 0, 30, tzinfo=UTC)),
    ],
)
def test_an_hour_that_is_not_there_or_there_twice_is_read(
    morning: datetime, start: datetime
) -> None:
    scope = scope_of(
        "What happened?", now=morning, zone=BERLIN, since="02:30", vocabulary=Vocabulary()
    )
    assert scope.window.start == start


def test_a_time_that_is_still_to_come_is_refused() -> None:
    now = datetime(2026, 11, 12, 7, 30, tzinfo=UTC)
    with pytest.raises(ScopeError, match="still to come"):
        scope_of("What happened?", now=now, until="9999-12-31T23:59", vocabulary=Vocabulary())


def test_a_leap_second_is_the_second_before_it(tmp_path: Path) -> None:
    page = '---\ndate: "2016-12-31T23:59:60Z"\n---\n# Clocks stood still\n\nNTP was blamed.\n'
    document = read_one(SourceKind.RUNBOOKS, write(tmp_path, {"leap.md": page}))
    assert document.written_at == datetime(2016, 12, 31, 23, 59, 59, tzinfo=UTC)
