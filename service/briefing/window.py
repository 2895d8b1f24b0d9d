"""Which stretch of time "the night of a date" is, across changes of daylight saving time.

Clock times are read in the reader's zone and turned into UTC one by one: the night in which
clocks go back is an hour longer, the one in which they go forward an hour shorter.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from service.briefing.errors import NoSuchNight
from service.metrics.source import Window

EVENING = time(18)
MORNING = time(8)
_NOON = time(12)


def zone_named(name: str) -> ZoneInfo:
    """The zone with this IANA name. Raises: NoSuchNight."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise NoSuchNight(
            f"timezone: {name!r} is no IANA zone; write for example Europe/Berlin"
        ) from error


def night_of(day: date, zone: ZoneInfo, now: datetime) -> Window:
    """The night that ends in the morning of ``day``, as far as it is over at ``now``.

    From 18:00 the evening before until 08:00; a briefing that is asked for later that morning
    reaches to then, so that "still open" is not an hour old. Raises: NoSuchNight.
    """
    start = datetime.combine(day - timedelta(days=1), EVENING, zone).astimezone(UTC)
    morning = datetime.combine(day, MORNING, zone).astimezone(UTC)
    noon = datetime.combine(day, _NOON, zone).astimezone(UTC)
    if now <= start:
        raise NoSuchNight(
            f"the night of {day} begins at {start:%Y-%m-%d %H:%M} UTC and it is "
            f"{now:%Y-%m-%d %H:%M} UTC: ask for an earlier --date"
        )
    return Window(start=start, end=now if now <= noon else morning)
