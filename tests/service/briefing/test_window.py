"""The night of a date, on the clock of those who read the briefing."""

from __future__ import annotations

from datetime import date, timedelta
from zoneinfo import ZoneInfo

import pytest

from service.briefing.errors import NoSuchNight
from service.briefing.window import night_of, zone_named
from tests.service.briefing.house import utc

BERLIN = ZoneInfo("Europe/Berlin")
LATER = utc("2027-01-01 00:00")


@pytest.mark.parametrize(
    ("day", "start", "end", "hours"),
    [
        (date(2026, 11, 12), "2026-11-11 17:00", "2026-11-12 07:00", 14),
        (date(2026, 3, 29), "2026-03-28 17:00", "2026-03-29 06:00", 13),  # clocks go forward
        (date(2026, 10, 25), "2026-10-24 16:00", "2026-10-25 07:00", 15),  # and back
    ],
)
def test_a_night_is_from_18_to_8_on_the_local_clock(
    day: date, start: str, end: str, hours: int
) -> None:
    night = night_of(day, BERLIN, LATER)
    assert (night.start, night.end) == (utc(start), utc(end))
    assert night.duration == timedelta(hours=hours)


def test_a_night_that_is_not_over_ends_now_and_a_late_morning_is_told_until_now() -> None:
    early, late, afternoon = (utc(f"2026-11-12 {clock}") for clock in ("05:10", "09:30", "15:00"))
    assert night_of(date(2026, 11, 12), BERLIN, early).end == early
    assert night_of(date(2026, 11, 12), BERLIN, late).end == late
    assert night_of(date(2026, 11, 12), BERLIN, afternoon).end == utc("2026-11-12 07:00")


def test_a_night_that_has_not_begun_and_a_zone_that_is_none_are_said_to_be_that() -> None:
    with pytest.raises(NoSuchNight, match=r"begins at 2026-11-12 17:00 UTC.*--date"):
        night_of(date(2026, 11, 13), BERLIN, utc("2026-11-12 07:30"))
    for wrong in ("Europe/Kestrel", "../../etc/passwd", ""):
        with pytest.raises(NoSuchNight, match="IANA"):
            zone_named(wrong)
