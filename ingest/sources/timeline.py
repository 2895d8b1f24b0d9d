"""When an incident was, read out of a report that says so only in its headings and rows.

Reports name the day once ("2018-02-12 14:03") and then only hours ("14:08"), in the zone that a
sentence such as "All times in PST" tells. A zone that is an offset is taken at its word: people
write PST in summer too, and then mean the clock on the wall, an hour off at most.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, timezone, tzinfo
from zoneinfo import ZoneInfo

from ingest.documents import Section

# fmt: off
_OFFSET_HOURS = {
    "UTC": 0, "GMT": 0, "BST": 1, "CET": 1, "CEST": 2, "EET": 2, "EEST": 3, "JST": 9,
    "EST": -5, "EDT": -4, "CDT": -5, "MST": -7, "MDT": -6, "PST": -8, "PDT": -7, "AEST": 10,
}
_REGIONS = {
    "pacific": "America/Los_Angeles", "mountain": "America/Denver", "eastern": "America/New_York",
    "central european": "Europe/Berlin", "zurich": "Europe/Zurich",
}
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
# fmt: on
_LATEST_ZONE = timezone(timedelta(hours=-12))
"""Where a day ends last: a time whose zone nobody wrote has passed once it has passed there."""

_ALL_TIMES = re.compile(r"\btimes?\s+(?:are\s+|is\s+)?(?:in\s+)?\(?([^\n.]{2,40})", re.IGNORECASE)
_OFFSET = re.compile(r"\b(?:UTC|GMT)\s*([+-])\s*(\d{1,2})(?::?(\d{2}))?\b")
_ABBREVIATION = re.compile(rf"\b({'|'.join(_OFFSET_HOURS)})\b")

_MONTH = rf"(?P<month>{'|'.join(_MONTHS)})[a-z]*\.?"
_DATES = (
    re.compile(r"(?P<year>(?:19|20)\d\d)[-/](?P<number>\d\d)[-/](?P<day>\d\d)(?!\d)"),
    re.compile(
        rf"\b{_MONTH}\s+(?P<day>\d{{1,2}})(?:st|nd|rd|th)?\b(?!:)(?:,?\s+(?P<year>(?:19|20)\d\d)\b)?",
        re.IGNORECASE,
    ),
    re.compile(
        rf"\b(?P<day>\d{{1,2}})(?:st|nd|rd|th|\.)?\s+{_MONTH}(?:,?\s+(?P<year>(?:19|20)\d\d)\b)?",
        re.IGNORECASE,
    ),
)
_TIME = re.compile(
    r"(?<![\d:.])(?P<hour>[01]?\d|2[0-3])[:.](?P<minute>[0-5]\d)(?::(?P<second>[0-5]\d|60))?(?![\d:])"
    r"\s*(?P<half>[ap])?\.?m?\b",
    re.IGNORECASE,
)
TIMELINE_HEADING = re.compile(r"\b(timeline|chronology|log of events)\b", re.IGNORECASE)
_ENTRY = re.compile(r"^\s*(?:#{2,6}\s+|[-*+]\s+|\|\s*|\*\*)(?P<entry>\S.*)$")
_ENTRY_HEAD = 40
"""How many characters of an entry may hold its time; later ones are of what it tells."""

_JOINED = len(" until ")
"""Two times of an entry that are no further apart are its start and end."""

_NEXT_DAY_AFTER = timedelta(hours=6)
"""A clock that falls back further than this passed midnight; less is an entry out of order."""


@dataclass(frozen=True, slots=True)
class Span:
    """First and last entry in UTC, ``None`` where the zone is not known; ``known_by`` is the
    last moment at which the last entry can have been."""

    started: datetime | None
    ended: datetime | None
    known_by: datetime


def dates_in(text: str, *, year: int | None = None) -> Iterator[date]:
    """The dates in ``text``; ``year`` completes those without one."""
    for pattern in _DATES:
        for found in pattern.finditer(text):
            parts = found.groupdict()
            in_year = int(parts["year"]) if parts["year"] else year
            month = parts.get("number") or _MONTHS.index(parts["month"][:3].lower()) + 1
            if in_year is not None:
                try:
                    yield date(in_year, int(month), int(parts["day"]))
                except ValueError:
                    continue


def end_of_day(day: date, zone: tzinfo | None = None) -> datetime:
    """The last second of ``day`` in its zone, or in the latest one; in UTC."""
    return datetime.combine(day, time(23, 59, 59), zone or _LATEST_ZONE).astimezone(UTC)


def stated_zone(text: str) -> tzinfo | None:
    """The zone of "All times in …", else the only one that is written behind a clock time."""
    for sentence in _ALL_TIMES.finditer(text):
        if (zone := _zone(sentence[1])) is not None:
            return zone
    beside = {
        found[1] for found in re.finditer(rf"\d:\d\d\s*(?:[ap]m\s*)?{_ABBREVIATION.pattern}", text)
    }
    return _zone(beside.pop()) if len(beside) == 1 else None


def _zone(words: str) -> tzinfo | None:
    if offset := _OFFSET.search(words):
        minutes = int(offset[2]) * 60 + int(offset[3] or 0)
        return timezone(timedelta(minutes=minutes if offset[1] == "+" else -minutes))
    if abbreviation := _ABBREVIATION.search(words):
        return timezone(timedelta(hours=_OFFSET_HOURS[abbreviation[1]]))
    for name, region in _REGIONS.items():
        if name in words.lower():
            return ZoneInfo(region)
    return None


def timeline_span(sections: Sequence[Section], *, first_day: date) -> Span | None:
    """First and last entry of the report's timeline; ``None`` if it has none with a time."""
    zone = stated_zone("\n".join(section.text for section in sections))
    moments = list(_moments(sections, first_day))
    if not moments:
        return None
    first, last = moments[0], max(moments)

    def in_utc(moment: datetime) -> datetime | None:
        return None if zone is None else moment.replace(tzinfo=zone).astimezone(UTC)

    known_by = last.replace(tzinfo=zone or _LATEST_ZONE).astimezone(UTC)
    return Span(in_utc(first), in_utc(last), known_by)


def first_date(sections: Sequence[Section]) -> date | None:
    """The first date with a year in the report's timeline."""
    heads = (entry.partition("|")[0][:_ENTRY_HEAD] for entry in _entries(sections))
    return next((found for head in heads for found in dates_in(head)), None)


def _moments(sections: Sequence[Section], first_day: date) -> Iterator[datetime]:
    """The clock times of all entries, dated, as on the wall."""
    day = first_day
    previous: datetime | None = None
    for entry in _entries(sections):
        head = entry.partition("|")[0][:_ENTRY_HEAD]
        named = next(dates_in(head, year=first_day.year), None)
        day = named or day
        for found in _leading_times(_without_dates(head)):
            moment = datetime.combine(day, _clock(found))
            if named is None and previous is not None and previous - moment > _NEXT_DAY_AFTER:
                day += timedelta(days=1)
                moment += timedelta(days=1)
            previous = moment
            yield moment


def _entries(sections: Sequence[Section]) -> Iterator[str]:
    """Headings and the beginnings of items and rows from the heading "Timeline" on.

    A heading of another kind ends them; one that names a time does not, whatever its level.
    """
    inside = False
    for section in sections:
        heading = section.headings[-1] if section.headings else ""
        if any(TIMELINE_HEADING.search(name) for name in section.headings):
            inside = True
        elif not _TIME.search(heading) and not any(dates_in(heading, year=2000)):
            inside = False
        if inside:
            yield from (
                found["entry"] for line in section.text.split("\n") if (found := _ENTRY.match(line))
            )


def _leading_times(text: str) -> Iterator[re.Match[str]]:
    """The first time, and those that a dash or "to" joins to it."""
    end: int | None = None
    for found in _TIME.finditer(text):
        if end is not None and found.start() - end > _JOINED:
            return
        yield found
        end = found.end()


def _without_dates(text: str) -> str:
    for pattern in _DATES:
        text = pattern.sub(" ", text)
    return text


def _clock(found: re.Match[str]) -> time:
    hour = int(found["hour"])
    half = (found["half"] or "").lower()
    if half == "p" and hour < 12:
        hour += 12
    elif half == "a" and hour == 12:
        hour = 0
    return time(hour, int(found["minute"]), min(59, int(found["second"] or 0)))  # 60: a leap second
